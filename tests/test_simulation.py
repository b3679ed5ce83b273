"""Simulated recordings: plans, surface EMG, the sample, and training frames."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from eifer_blender.assets import model_file
from eifer_blender.errors import EiferError
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS, MUSCLE_OF_CHANNEL, MUSCLES, OTHER_SIDE
from eifer_blender.simulation import generator, plans, sample, semg, tasks

QUIET = semg.Settings(crosstalk=0.0, mains_uv=0.0, drift_uv=0.0)
MAXIMUM = np.array([m.maximum_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]
REST = np.array([m.rest_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]


def steady(level, seconds=4.0):
    return np.full((round(seconds * 1000), CHANNEL_COUNT), level, np.float32)


def rms(signal):
    return np.sqrt((signal.astype(float) ** 2).mean(0))


# --- surface EMG ----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_amplitude_follows_activation(level):
    measured = rms(semg.simulate_semg(steady(level), 1, QUIET))
    expected = np.hypot(level * MAXIMUM, REST)
    np.testing.assert_allclose(measured, expected, rtol=0.15)


def test_a_resting_muscle_gives_its_rest_noise():
    np.testing.assert_allclose(rms(semg.simulate_semg(steady(0.0), 1, QUIET)), REST, rtol=0.1)


def test_the_spectrum_is_that_of_surface_emg():
    signal = semg.simulate_semg(steady(0.6, 8.0), 2, QUIET)
    power = (np.abs(np.fft.rfft(signal, axis=0)) ** 2).mean(1)
    frequency = np.fft.rfftfreq(len(signal), 1e-3)
    share = np.cumsum(power) / power.sum()
    median, low, high = (frequency[np.searchsorted(share, q)] for q in (0.5, 0.02, 0.98))
    assert 80 < median < 200 and low > 20 and high < 450


def test_signal_is_repeatable_and_seeds_differ():
    activation = sample.sample_activation()[2000:4000]
    first = semg.simulate_semg(activation, 3)
    assert first.dtype == np.float32 and first.shape == activation.shape
    np.testing.assert_array_equal(first, semg.simulate_semg(activation, 3))
    assert np.abs(first - semg.simulate_semg(activation, 4)).max() > 10


def test_crosstalk_reaches_near_electrodes_only():
    activation = steady(0.0)
    activation[:, CHANNELS.index("medial_frontalis_l")] = 1.0
    level = rms(semg.simulate_semg(activation, 5, dataclasses.replace(QUIET, crosstalk=0.35)))
    assert (
        level[CHANNELS.index("depressor_supercilii_l")] > 2 * REST[CHANNELS.index("depressor_supercilii_l")]
    )
    assert level[CHANNELS.index("masseter_r")] < 1.2 * REST[CHANNELS.index("masseter_r")]


def test_mains_and_drift_lie_where_they_should():
    settings = dataclasses.replace(QUIET, mains_uv=20.0, drift_uv=100.0)
    signal = semg.simulate_semg(steady(0.0, 8.0), 6, settings)[:, 0]
    power = np.abs(np.fft.rfft(signal)) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1e-3)
    drift = power[frequency < 2.5].sum()
    mains = power[np.abs(frequency - 50) < 0.5].sum()
    assert drift + mains > 0.98 * power.sum() and min(drift, mains) > 0.001 * power.sum()


def test_a_bad_electrode_shows_no_muscle():
    activation = steady(0.0, 6.0)
    activation[3000:] = 0.8
    signal = semg.simulate_semg(activation, 7, dataclasses.replace(semg.Settings(), bad_channel=4))
    level = [rms(np.diff(part, axis=0)) for part in (signal[500:2500], signal[3500:])]
    assert level[1][4] < 1.5 * level[0][4] and level[1][5] > 5 * level[0][5]


# --- plans ----------------------------------------------------------------------------------------


def test_a_step_rises_holds_and_returns_smoothly():
    step = plans.Step("x", np.ones(CHANNEL_COUNT), 1.0, attack=0.5, hold=1.0, release=0.5)
    activation = plans.activation_of_plan([step], 4.0, 100.0)
    assert not activation[:101].any() and not activation[300:].any()
    np.testing.assert_allclose(activation[150:251], 1.0, atol=1e-6)
    assert np.abs(np.diff(activation, axis=0)).max() < 0.05


def test_sides_differ_in_height_and_time():
    step = plans.Step("x", np.ones(CHANNEL_COUNT), 0.5, left=0.5, right=1.0, lag=0.1)
    activation = plans.activation_of_plan([step], 2.5, 100.0)
    np.testing.assert_allclose(activation[:, 0][:-10] * 2, activation[:, 1][10:], atol=1e-6)


def test_one_movement_flows_into_the_next():
    one = plans.Step("x", np.full(CHANNEL_COUNT, 0.5), 0.0, hold=1.0)
    two = plans.Step("y", np.full(CHANNEL_COUNT, 0.8), 1.0, hold=1.0)
    activation = plans.activation_of_plan([one, two], 3.0, 50.0)
    assert activation[20:110].min() > 0.49 and activation.max() < 0.8001


# --- movements ------------------------------------------------------------------------------------


def test_movements_are_those_of_the_protocol_and_the_emotions():
    assert tuple(tasks.MOVEMENTS) == (*tasks.SCHAEDE, *tasks.EMOTIONS)
    for values in tasks.MOVEMENTS.values():
        assert values.shape == (CHANNEL_COUNT,) and values.min() >= 0 and values.max() <= 1
        np.testing.assert_array_equal(values, values[OTHER_SIDE])


# --- the sample recording -------------------------------------------------------------------------


def test_the_included_sample_is_the_one_that_the_code_writes(tmp_path):
    pytest.importorskip("edfio")
    from eifer_blender.recordings import open_recording

    sample.write_sample(tmp_path / "sample.edf")
    new, shipped = (open_recording(p) for p in (tmp_path / "sample.edf", model_file(sample.FILE_NAME)))
    (stream,), (other,) = new.streams, shipped.streams
    # Digital steps only: another NumPy may round its transforms differently.
    np.testing.assert_allclose(stream.samples, other.samples, atol=0.1)
    assert new.annotations == shipped.annotations
    assert [c.muscle for c in other.channels] == list(CHANNELS) and other.rate == 1000
    assert model_file(sample.FILE_NAME).stat().st_size < 800_000


def test_the_sample_is_not_overwritten_unasked(tmp_path):
    pytest.importorskip("edfio")
    path = tmp_path / "sample.edf"
    path.write_bytes(b"mine")
    with pytest.raises(EiferError):
        sample.write_sample(path)
    assert path.read_bytes() == b"mine"


def test_annotations_cover_the_sample_without_overlap():
    notes = sample.sample_recording().annotations
    assert notes[0].onset == 0 and notes[-1].onset + notes[-1].duration == pytest.approx(sample.DURATION)
    for one, two in pairwise(notes):
        assert one.onset + one.duration <= two.onset + 1e-6
    assert {n.text for n in notes} <= set(tasks.MOVEMENTS)


# --- training frames ------------------------------------------------------------------------------


def face(muscles):
    return muscles[:, :3] * 2


def test_frames_are_repeatable_and_bounded():
    first, second = (generator.make_frames(2001, 5, face) for _ in range(2))
    for name in ("activation", "present", "muscles", "expression"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.activation.shape == (2001, CHANNEL_COUNT) and first.activation.dtype == np.float32
    assert first.activation.min() >= 0 and first.activation.max() <= 1
    assert not first.activation[~first.present].any()
    np.testing.assert_array_equal(first.expression, face(first.muscles))


def test_every_second_frame_is_the_mirror_image():
    frames = generator.make_frames(1000, 6, face)
    for name in ("activation", "present", "muscles"):
        values = getattr(frames, name)
        np.testing.assert_array_equal(values[1::2], values[0::2][:, OTHER_SIDE])


def test_frames_hold_single_muscles_and_lost_electrodes():
    frames = generator.make_frames(20_000, 7, face)
    active = (frames.muscles > 0.05).sum(1)
    assert (active == 1).mean() > 0.02 and (active > 8).mean() > 0.2
    count = frames.present.sum(1)
    assert 0.4 < (count == CHANNEL_COUNT).mean() < 0.7 and (count < 8).mean() > 0.03
    assert generator.make_frames(100, 7, face, complete=True).present.all()


def test_measured_activity_stays_close_to_the_muscles():
    frames = generator.make_frames(5000, 8, face, complete=True)
    gap = frames.activation - frames.muscles
    assert np.abs(gap).mean() < 0.05 and (
        np.corrcoef(frames.activation.ravel(), frames.muscles.ravel())[0, 1] > 0.95
    )
