"""Simulated recordings: plans, surface EMG, the sample, and training frames."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from eifer_blender import movements
from eifer_blender.assets import model_file
from eifer_blender.electrodes import SITES
from eifer_blender.errors import EiferError
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS, MUSCLE_OF_CHANNEL, MUSCLES, OTHER_SIDE
from eifer_blender.simulation import plans, sample, semg
from eifer_blender.simulation.sources import SOURCES

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
    measured = rms(semg.simulate_semg(steady(level, 10.0), 1, QUIET))
    expected = np.hypot(level * MAXIMUM, REST)
    np.testing.assert_allclose(measured, expected, rtol=0.2)
    np.testing.assert_allclose((measured / expected).mean(), 1.0, atol=0.05)


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
    level = rms(semg.simulate_semg(activation, 5, dataclasses.replace(QUIET, crosstalk=1.0)))
    near, far = (CHANNELS.index(n) for n in ("depressor_supercilii_l", "masseter_r"))
    assert level[near] > 4 * REST[near] and level[far] < 1.2 * REST[far]


def test_mains_and_drift_lie_where_they_should():
    settings = dataclasses.replace(QUIET, mains_uv=20.0, drift_uv=100.0)
    signal = semg.simulate_semg(steady(0.0, 8.0), 6, settings)[:, 0]
    power = np.abs(np.fft.rfft(signal)) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1e-3)
    drift = power[frequency < 2.5].sum()
    mains = power[np.abs(frequency - 50) < 0.5].sum()
    assert drift + mains > 0.98 * power.sum() and min(drift, mains) > 0.001 * power.sum()


def test_a_lost_electrode_shows_no_muscle_while_it_is_lost():
    activation = steady(0.8, 6.0)
    lost = (semg.Lost(4, 3.0), semg.Lost(8, 1.0, 2.0, flat=True))
    signal = semg.simulate_semg(activation, 7, semg.Settings(lost=lost))
    whole = semg.simulate_semg(activation, 7, semg.Settings())
    assert rms(np.diff(signal[3500:, 4])) < 0.6 * rms(np.diff(whole[3500:, 4]))
    spectrum = np.abs(np.fft.rfft(signal[4000:, 4]))[10:]
    assert 10 + spectrum.argmax() == 100  # two seconds of 50 Hz
    assert not signal[1000:2000, 8].any() and signal[2000:2100, 8].all()
    kept = [i for i in range(CHANNEL_COUNT) if i not in (4, 8)]
    np.testing.assert_array_equal(signal[:, kept], whole[:, kept])
    np.testing.assert_array_equal(signal[:3000, 4], whole[:3000, 4])


def test_two_electrodes_against_the_reference_make_the_pair():
    activity = np.zeros((2000, len(SOURCES)), np.float32)
    activity[:, [3, 10, 11, 20, 25, 31]] = 0.7
    clean = dataclasses.replace(QUIET, crosstalk=1.0, snr_db=200.0)
    pair = semg.simulate_semg(activity, 8, clean)
    single = semg.simulate_semg(activity, 8, dataclasses.replace(clean, montage="electrodes"))
    assert single.shape == (2000, 2 * CHANNEL_COUNT)
    np.testing.assert_allclose(single[:, 0::2] - single[:, 1::2], pair, atol=1e-3 * np.abs(pair).max())
    # Alone, an electrode sees more of the other muscles than the pair does.
    quiet = activity[0, :CHANNEL_COUNT] == 0
    assert (rms(single)[0::2] > rms(pair))[quiet].all()


def test_mains_is_the_same_on_all_electrodes_but_for_a_rest():
    settings = semg.Settings(montage="electrodes", drift_uv=0.0)
    signal = semg.simulate_semg(steady(0.0), 9, settings)
    assert rms(signal).min() > 5 * rms(signal[:, 0::2] - signal[:, 1::2]).max()


def test_kuramoto_sites_see_the_muscles_around_them():
    activation = steady(0.0)
    activation[:, CHANNELS.index("zygomaticus_l")] = 0.8
    clean = dataclasses.replace(QUIET, snr_db=60.0, montage="kuramoto")
    level = dict(zip(SITES, rms(semg.simulate_semg(activation, 10, clean)), strict=True))
    assert len(level) == 19 and level["K16"] > 5 * level["K15"]
    assert max(level, key=level.get) == "K16"


def test_snr_is_half_a_maximum_over_the_noise():
    signal = semg.simulate_semg(steady(0.0, 8.0), 11, dataclasses.replace(QUIET, snr_db=20.0))
    np.testing.assert_allclose(rms(signal), 0.05 * MAXIMUM, rtol=0.05)


def test_gain_scales_a_channel_but_not_its_rest_noise():
    gain = np.ones(CHANNEL_COUNT)
    gain[6] = 2.0
    one, two = (semg.simulate_semg(steady(0.5), 12, QUIET, gain=g) for g in (None, gain))
    np.testing.assert_allclose(rms(two)[6], 2 * rms(one)[6], rtol=0.05)


def test_movement_artefacts_stay_below_the_band():
    settings = dataclasses.replace(QUIET, artefacts_per_minute=60.0)
    jerks = semg.simulate_semg(steady(0.0, 20.0), 13, settings) - semg.simulate_semg(
        steady(0.0, 20.0), 13, QUIET
    )
    power = (np.abs(np.fft.rfft(jerks, axis=0)) ** 2).sum(1)
    frequency = np.fft.rfftfreq(len(jerks), 1e-3)
    assert np.abs(jerks).max() > 100 and power[frequency > 20].sum() < 0.02 * power.sum()


@pytest.mark.parametrize("rate", [2000.0, 4000.0])
def test_the_sampling_rate_changes_nothing_about_the_muscles(rate):
    activation = steady(0.4, 4.0)
    clean = dataclasses.replace(QUIET, snr_db=200.0)
    slow = semg.simulate_semg(activation, 14, clean)
    factor = round(rate / 1000)
    fast = semg.simulate_semg(np.repeat(activation, factor, 0), 14, dataclasses.replace(clean, rate=rate))
    np.testing.assert_allclose(rms(fast), rms(slow), rtol=0.05)


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
    assert tuple(movements.MOVEMENTS) == (*movements.SCHAEDE, *movements.EMOTIONS)
    for values in movements.MOVEMENTS.values():
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
    assert {n.text for n in notes} <= set(movements.MOVEMENTS)
