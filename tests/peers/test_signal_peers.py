"""The chain beside MNE-Python's and NeuroKit2's filters, on a real recording and on simulated ones."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import mne
import neurokit2
import numpy as np
import pytest
from scipy import signal

from eifer_blender.cli import bench_signals
from eifer_blender.cli.bench_recordings import write_long_edf
from eifer_blender.muscles import CHANNELS, channel_index
from eifer_blender.recordings import Channel, Kind, Recording, Stream, open_recording
from eifer_blender.signals import PRESETS, filter_blocks, process
from eifer_blender.simulation.sample import sample_recording

DATA = Path(__file__).parent.parent / "data"
ANIMATION = PRESETS["Animation"].without_dynamics()
BAND_ONLY = replace(ANIMATION, mains_hz=0.0)
BUTTERWORTH = {"order": 4, "ftype": "butter", "output": "sos"}


@pytest.fixture(scope="module")
def sample():
    """The included recording: 22 simulated muscles at 1 kHz."""
    return sample_recording()


def blocks(samples, rate, settings, size=512):
    return np.concatenate([block for _, block in filter_blocks(samples, rate, settings, size=size)])


def mne_band(x, rate, low=20.0, high=450.0):
    """MNE's zero-phase Butterworth band-pass of x [n, channels]."""
    data = x.T.astype(np.float64)
    return mne.filter.filter_data(
        data, rate, low, high, method="iir", iir_params=dict(BUTTERWORTH), verbose="error"
    ).T


def mne_notch(x, rate, line=50.0):
    notch = signal.tf2sos(*signal.iirnotch(line, 30.0, fs=rate))
    return mne.filter.notch_filter(
        x.T.astype(np.float64),
        rate,
        [line],
        method="iir",
        iir_params={"sos": notch, "output": "sos"},
        verbose="error",
    ).T


def assert_close(made, expected, tolerance=1e-5):
    rms = np.sqrt(np.mean(expected**2, axis=0))
    assert (np.abs(made - expected) / rms).max() < tolerance


def real():
    """Three raw channels [n, 3] of a laboratory's recording at 1 kHz."""
    stream = open_recording(DATA / "acqknowledge_excerpt.txt").streams[0]
    columns = [i for i, c in enumerate(stream.channels) if c.kind is Kind.RAW and c.muscle]
    assert len(columns) == 3 and stream.rate == 1000.0
    return np.asarray(stream.samples)[:, columns]


def test_a_real_recording_is_filtered_as_mne_and_neurokit_filter_it():
    x = real()
    made = blocks(x, 1000.0, BAND_ONLY)
    inner = slice(250, -250)  # each has its own idea of what lies beyond the ends
    assert_close(made[inner], mne_band(x, 1000.0)[inner])
    other = np.stack(
        [
            neurokit2.signal_filter(
                column, sampling_rate=1000, lowcut=20, highcut=450, method="butterworth", order=4
            )
            for column in x.T.astype(np.float64)
        ],
        1,
    )
    assert_close(made[inner], other[inner])


@pytest.mark.parametrize("rate", [1000.0, 2048.0, 4096.0])
def test_notch_and_band_of_simulated_muscles_equal_mne(rate, sample):
    simulated = sample.streams[0]
    x = signal.resample_poly(np.asarray(simulated.samples)[:, :6], int(rate), int(simulated.rate), axis=0)
    x = (x + 300 + 40 * np.sin(2 * np.pi * 50 * np.arange(len(x)) / rate)[:, None]).astype(np.float32)
    made = blocks(x, rate, replace(ANIMATION, mains_hz=50.0))
    expected = mne_band(mne_notch(x, rate), rate)
    inner = slice(int(4 * rate), int(-4 * rate))
    assert_close(made[inner], expected[inner], 1e-4)


def test_the_envelope_of_the_sample_equals_mne_at_every_frame(sample):
    stream = sample.streams[0]
    x, rate, fps = np.asarray(stream.samples), 1000.0, 25.0
    made = process(sample, replace(ANIMATION, mains_hz=50.0), fps)
    y = mne_band(mne_notch(x, rate), rate)
    frames = np.arange(100, 300)
    weights = np.r_[0.5, np.ones(99), 0.5]
    for channel in ("zygomaticus_l", "corrugator_supercilii_r"):
        k = channel_index(channel)
        centre = np.round(frames / fps * rate).astype(int)
        expected = [np.sqrt(np.sum(weights * y[c - 50 : c + 51, k] ** 2) / 100) for c in centre]
        np.testing.assert_allclose(made.envelope_uv[frames, k], expected, rtol=2e-4)


def test_contractions_begin_and_end_where_neurokit_finds_them():
    rng = np.random.default_rng(3)
    rate, n = 1000.0, 30_000
    bursts = ((6.0, 8.0), (14.0, 15.5), (22.0, 24.0))
    loud = np.full(n, 2.0)
    for start, end in bursts:
        loud[int(start * rate) : int(end * rate)] = 60.0
    x = signal.sosfilt(signal.butter(2, [25, 440], "bandpass", fs=rate, output="sos"), rng.normal(size=n))
    x = (x / x.std() * loud).astype(np.float32)
    channel = Channel("Zyg", "uV", Kind.RAW, CHANNELS[20])
    made = process(Recording((Stream((channel,), x[:, None], rate),)), ANIMATION, 100.0)
    active = made.values[:, 20] > 0.3
    onset = np.flatnonzero(np.diff(active.astype(int)) > 0)
    onset = onset[np.r_[True, np.diff(onset) > 200]] / 100.0
    signals, info = neurokit2.emg_process(x.astype(np.float64), sampling_rate=1000)
    theirs = np.asarray(info["EMG_Onsets"]) / rate
    assert len(signals) == n and len(onset) == len(bursts)
    for moment in onset:
        assert np.abs(theirs - moment).min() < 0.15


def test_the_benchmark_compares_equal_envelopes():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short.edf"
        write_long_edf(path, 20, channels=3)
        dtype = bench_signals.ours_file(str(path))()
        bench_signals.mne_file(str(path))()
        assert dtype in ("float32", "float64")
        assert bench_signals._difference(path) < bench_signals.AGREEMENT
