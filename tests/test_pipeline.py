"""From a recording to the face, without Blender."""

import dataclasses

import numpy as np
import onnx_made
import pytest

pytest.importorskip("onnxruntime")

from eifer_blender import mapping, muscles, pipeline, signals
from eifer_blender.assets import model_file
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.heads.metric import face_vertices
from eifer_blender.recordings import Channel, Kind, Recording, Stream, open_recording


@pytest.fixture(scope="module")
def model():
    """The bundled model."""
    return mapping.load_model()


def settings(**options):
    chain = mapping.fitting(mapping.read_metadata(), signals.PRESETS["Animation"])
    return pipeline.TakeSettings(**({"chain": chain, "fps": 24.0} | options))


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


# --- uncertainty ----------------------------------------------------------------------------------


@pytest.fixture
def unsure(tmp_path):
    """A model whose standard deviations are a tenth of its parameters, which are the channels."""
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_made.emg2exp({0: 1.0}))
    return mapping.load_model(path)


def lively(values):
    """Activity of all channels alike."""
    table = np.repeat(np.asarray(values, np.float32)[:, None], muscles.CHANNEL_COUNT, axis=1)
    return signals.Activation(table, table, np.ones_like(table, bool), 30.0)


def test_a_take_knows_how_far_off_it_may_be(unsure):
    rising = np.linspace(0, 1, 60)
    take = pipeline.express_take(lively(rising), unsure, 1.0, 0.0)
    assert take.uncertainty_mm.shape == (60,) and take.uncertainty_mm[0] == 0
    np.testing.assert_allclose(take.uncertainty_mm, take.uncertainty_mm[-1] * rising, atol=1e-5)
    # Independent deviations of all parameters by a tenth, each seen alone on the face.
    head = load_default_head()
    alone = deform(head, np.eye(22, 55, dtype=np.float32) * 0.1) - head.template
    apart = np.sqrt((np.linalg.norm(alone[:, face_vertices(head)], axis=2) ** 2).mean(1).sum()) * 1000
    assert take.uncertainty_mm[-1] == pytest.approx(apart, rel=1e-3)
    assert 0 < take.expected_error_mm < take.uncertainty_mm[-1]


def test_a_model_that_does_not_say_how_sure_it_is_leaves_it_open(unsure):
    silent = dataclasses.replace(unsure, widths={"expression": 55})
    take = pipeline.express_take(lively([0.0, 1.0]), silent, 1.0, 0.0)
    assert take.uncertainty_mm is None and take.expected_error_mm is None and take.notes == ()


def test_a_take_at_rest_has_no_expected_error(unsure):
    assert pipeline.express_take(lively(np.zeros(30)), unsure, 1.0, 0.0).expected_error_mm is None


def test_a_stretch_that_stands_out_is_told_with_its_time(tmp_path, unsure):
    usual = np.full(300, 0.25)
    assert pipeline.express_take(lively(usual), unsure, 1.0, 0.0).notes == ()
    usual[90:120] = 1.0
    far = dataclasses.replace(unsure, session=_Louder(unsure.session))
    (note,) = pipeline.express_take(lively(usual), far, 1.0, 0.0).notes
    assert "From 3.0 to 4.0 s" in note
    usual[100:110] = 0.25  # two moments too short to matter
    assert pipeline.express_take(lively(usual), far, 1.0, 0.0).notes == ()


class _Louder:
    """A network that is less sure by a factor of ten."""

    def __init__(self, session):
        self.session = session

    def run(self, outputs, feed):
        made = dict(zip(outputs, self.session.run(outputs, feed), strict=True))
        return [part * 10 if name == "expression_sd" else part for name, part in made.items()]


def test_nothing_is_said_of_a_calibrated_take(unsure):
    update = np.zeros((onnx_made.FEATURES, 55), np.float32)
    changed = mapping.Calibration(
        update=update,
        reach=update,
        bound_mm=1.0,
        parameters=unsure.metadata.parameters,
        before=1.0,
        after=0.5,
        left_out=None,
        noise_mm=0.3,
        groups=(),
        model_id=unsure.metadata.id,
        model_sha256=unsure.sha256,
    )
    take = pipeline.express_take(lively([0.0, 1.0]), unsure, 1.0, 0.0, calibration=changed)
    assert take.uncertainty_mm is None


def test_a_temporal_model_keeps_time_at_the_frame_rate_of_the_take(tmp_path):
    path = tmp_path / "late.onnx"
    path.write_bytes(onnx_made.emg2exp({-6: 1.0}, before=6))
    late = mapping.load_model(path)
    for fps in (24.0, 60.0):
        activation = lively(np.arange(4 * fps) >= fps)
        take = pipeline.express_take(dataclasses.replace(activation, fps=fps), late, 1.0, 0.0)
        onset = np.flatnonzero(take.parameters[:, 0] > 0.5)[0] / fps
        assert onset == pytest.approx(1.2, abs=1.1 / fps)
