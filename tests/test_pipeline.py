"""From a recording to the face, without Blender."""

import numpy as np
import pytest

from eifer_blender import mapping, muscles, pipeline, signals
from eifer_blender.assets import model_file
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.recordings import Channel, Kind, Recording, Stream, open_recording


@pytest.fixture(scope="module")
def model():
    """The bundled model."""
    return mapping.load_model()


def settings(**options):
    return pipeline.TakeSettings(**({"chain": signals.PRESETS["Animation"], "fps": 24.0} | options))


def noise(names, microvolts=2.0, seconds=12, seed=0):
    """A recording of muscles that never contract."""
    samples = np.random.default_rng(seed).normal(scale=microvolts, size=(seconds * 1000, len(names)))
    channels = tuple(Channel(name, "uV", Kind.RAW, name) for name in names)
    return Recording((Stream(channels, samples.astype(np.float32), 1000.0),))


@pytest.mark.parametrize("muscle", [m.name for m in muscles.MUSCLES])
@pytest.mark.parametrize("microvolts", [0.5, 8.0])
def test_a_channel_of_noise_leaves_the_face_at_rest(model, muscle, microvolts):
    head = load_default_head()
    take = pipeline.make_take(noise([f"{muscle}_l"], microvolts), settings(), model)
    face = deform(head, take.parameters[::12])
    assert np.linalg.norm(face - head.template, axis=2).max() * 1000 < 0.2


def test_a_take_follows_gain_and_smoothing_but_keeps_what_was_measured(model):
    recording = open_recording(model_file("sample_recording.edf"))
    plain = pipeline.make_take(recording, settings(), model)
    weak = pipeline.make_take(recording, settings(gain=0.5), model)
    smooth = pipeline.make_take(recording, settings(smoothing_ms=200.0), model)
    np.testing.assert_array_equal(weak.activation.values, plain.activation.values)
    np.testing.assert_array_equal(smooth.activation.values, plain.activation.values)
    assert np.abs(weak.parameters).max() < np.abs(plain.parameters).max()
    jitter = [np.abs(np.diff(t.parameters, axis=0)).mean() for t in (plain, smooth)]
    assert jitter[1] < 0.8 * jitter[0]


def test_the_table_names_every_parameter_and_every_frame(model):
    take = pipeline.make_take(noise(["masseter_l"], seconds=3), settings(), model)
    lines = pipeline.parameter_table(take, start_frame=10).splitlines()
    assert lines[0].startswith("frame,seconds,exp000,") and lines[0].endswith(",jaw_z")
    assert len(lines) == take.frames + 1
    assert lines[1].startswith("10,0.000000,") and lines[2].startswith("11,0.041667,")


def test_a_recording_without_muscles_is_one_sentence(model):
    recording = noise(["zygomaticus_l"])
    choice = pipeline.ChannelChoice(0, 0, None)
    with pytest.raises(EiferError, match="No channel"):
        pipeline.make_take(recording, settings(choices=(choice,)), model)


def test_a_choice_for_a_column_that_is_gone_is_one_sentence(model):
    with pytest.raises(EiferError, match="no column 9"):
        pipeline.make_take(
            noise(["zygomaticus_l"]), settings(choices=(pipeline.ChannelChoice(0, 8, "masseter_l"),)), model
        )


def test_a_job_can_be_cancelled_between_its_steps(model):
    def progress(share, text):
        if share > 0.5:
            raise pipeline.CancelledError

    with pytest.raises(pipeline.CancelledError):
        pipeline.make_take(noise(["zygomaticus_l"]), settings(), model, progress)
