"""The fast amplitude model against raw sEMG after the signal chain: the same statistics within stated bounds.

Raw sEMG is simulated at 1000 Hz and goes through `signals.process` with the Animation preset; the fast model
draws envelopes from the same activity. Bounds are those of the difference between both, which a change of
either would leave.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import pytest

from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS, MUSCLE_OF_CHANNEL, MUSCLES
from eifer_blender.recordings.types import Recording, Stream
from eifer_blender.signals import PRESETS, process
from eifer_blender.simulation import amplitude, laboratory, population, semg, session
from eifer_blender.simulation.protocol import PROTOCOL
from eifer_blender.simulation.sources import SOURCES

MAXIMUM = np.array([m.maximum_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]
CHAIN = dataclasses.replace(PRESETS["Animation"].without_dynamics(), mains_hz=50.0)
CLEAN = semg.Settings(mains_uv=0.0, drift_uv=0.0, crosstalk=0.0, snr_db=200.0)
SECONDS = 20
LEVELS = (0.1, 0.3, 1.0)


def chain_envelope(samples, chain=CHAIN):
    """RMS microvolts [frames, 22] of raw bipolar samples at 1000 Hz, the first and last second left out."""
    stream = Stream(laboratory.recorded_channels(), samples, 1000.0)
    return process(Recording((stream,)), chain, amplitude.RATE).envelope_uv[30:-30].astype(float)


@lru_cache(maxsize=8)
def raw(level, settings=CLEAN, chain=CHAIN):
    activity = np.full((SECONDS * 1000, CHANNEL_COUNT), level, np.float32)
    return chain_envelope(semg.simulate_semg(activity, 21, settings), chain)


def fast(signal, noise=0.0, window_ms=100.0):
    rng = np.random.default_rng(22)
    bins = (round(SECONDS * amplitude.FINE_RATE), CHANNEL_COUNT)
    return amplitude.envelopes(
        np.full(bins, signal), np.full(bins, noise), PROTOCOL.bandwidth_hz, window_ms, rng
    )[30:-30].astype(float)


def variation(envelope):
    return (envelope.std(0) / envelope.mean(0)).mean()


def memory(envelope, lag):
    """Correlation of the power with itself `lag` frames later, mean of the channels."""
    power = envelope**2 - (envelope**2).mean(0)
    return ((power[lag:] * power[:-lag]).mean(0) / (power**2).mean(0)).mean()


@pytest.mark.parametrize("level", LEVELS)
def test_the_mean_envelope_follows_activation_alike(level):
    both = [(raw(level) / MAXIMUM).mean(), fast(level).mean()]
    assert both[0] == pytest.approx(both[1], rel=0.03)


@pytest.mark.parametrize("level", LEVELS)
def test_the_envelope_varies_alike(level):
    # Few units fire at low activity, so raw sEMG is rougher there than the model says.
    assert variation(raw(level)) == pytest.approx(variation(fast(level)), rel=0.15)


@pytest.mark.parametrize("level", LEVELS)
def test_the_envelope_has_the_same_memory(level):
    one, three = memory(raw(level), 1), memory(raw(level), 3)
    assert one == pytest.approx(memory(fast(level), 1), abs=0.2)
    assert three == pytest.approx(memory(fast(level), 3), abs=0.15) and abs(three) < 0.15


def test_a_quiet_channel_shows_noise_alike():
    made = raw(0.0, dataclasses.replace(CLEAN, snr_db=20.0)) / MAXIMUM
    drawn = fast(0.0, noise=0.05)
    # The amplifier's noise is stated up to 500 Hz, and the chain keeps 20 to 450 Hz of it.
    assert made.mean() == pytest.approx(drawn.mean(), rel=0.1)
    assert variation(made) == pytest.approx(variation(drawn), rel=0.15)


def test_a_long_window_smooths_alike():
    chain = dataclasses.replace(CHAIN, window_ms=500.0)
    assert variation(raw(0.5, CLEAN, chain)) == pytest.approx(variation(fast(0.5, window_ms=500.0)), rel=0.15)


def test_a_narrow_band_loses_and_scatters_alike():
    narrow = raw(0.5, CLEAN, dataclasses.replace(CHAIN, high_hz=250.0))
    bandwidth, share = amplitude.band_share((20.0, 250.0), PROTOCOL.bandwidth_hz)
    assert narrow.mean() / raw(0.5).mean() == pytest.approx(share, abs=0.03)
    expected = variation(raw(0.5)) * np.sqrt(PROTOCOL.bandwidth_hz / bandwidth)
    assert variation(narrow) == pytest.approx(expected, rel=0.1)


# --- a whole session ------------------------------------------------------------------------------


ALIKE = amplitude.Electrodes(gain_drift=0.0, snr_db=25.0)
STEADY = dataclasses.replace(PROTOCOL, artefacts_per_minute=0.0, electrode_gain_sd=0.2)


@pytest.fixture(scope="module")
def subject():
    return population.make_subject(20_005, STEADY)


def both_ways(subject, performances):
    clips = session.record(subject, performances, ALIKE, protocol=STEADY)
    recording = laboratory.laboratory_recording(subject, performances, electrodes=ALIKE, protocol=STEADY)
    drawn = np.concatenate([c.envelope_uv for c in clips])[30:-30].astype(float)
    made = chain_envelope(recording.streams[0].samples)
    frames = min(len(drawn), len(made))
    return drawn[:frames], made[:frames]


def test_a_session_gives_the_same_envelopes_either_way(subject):
    performances = session.make_performances(subject, kind="protocol", seconds=43.0, seed=2, protocol=STEADY)
    drawn, made = both_ways(subject, performances)
    ratio = made.mean(0) / drawn.mean(0)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05) and np.abs(np.log(ratio)).max() < 0.25
    rise = [np.quantile(x, 0.98, axis=0) / np.quantile(x, 0.1, axis=0) for x in (drawn, made)]
    assert np.abs(np.log(rise[0] / rise[1])).max() < 0.5
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(drawn.T, made.T, strict=True)]
    assert np.median(correlation) > 0.95 and min(correlation) > 0.85


def test_crosstalk_is_the_same_either_way(subject):
    """One muscle contracts at a time; what each of the other electrodes reports of it."""
    sources = [SOURCES.index(n) for n in ("zygomaticus_l", "medial_frontalis_r", "depressor_labii_l")]
    sources.append(SOURCES.index("buccinator_r"))
    for source in sources:
        activity = np.zeros((8 * 120, len(SOURCES)), np.float32)
        activity[:, source] = 0.9
        alone = session.Performance(
            "free", "single", activity, np.zeros((240, 55), np.float32), np.ones(240, bool)
        )
        drawn, made = (x.mean(0) for x in both_ways(subject, [alone]))
        loud = drawn > 4 * np.quantile(drawn, 0.1)
        assert loud.any()
        np.testing.assert_allclose(made[loud], drawn[loud], rtol=0.3)
        if source < CHANNEL_COUNT:
            assert made.argmax() == source == CHANNELS.index(SOURCES[source])
