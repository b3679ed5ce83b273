"""The published chain of the MMM data set, in blocks: notch, FIR band-pass, RMS, Fourier resampling."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ..dependencies import require
from .envelope import Block
from .filters import band
from .settings import ChainSettings
from .source import Survey

FPS = 30.0
_TAPS = 129
_TAPS_PER_OUTPUT = 16  # length of the low-pass before the resampling, in its output samples
_BETA = 13.5  # its Kaiser window: what folds back is below 1e-6


def filtered(
    survey: Survey, rate: float, settings: ChainSettings, mains: tuple[float, ...]
) -> Iterator[Block]:
    """Blocks after mean, NaN to 0, notch and FIR band-pass, over all rows.

    The notch runs once, forward, as its published width (-3 dB at 39.5 and 64 Hz) says; the
    linear-phase FIR is centred, which is zero phase. Signals shorter than the FIR give zeros.
    """
    signal = require("scipy.signal")

    rows, leads = survey.source.rows, survey.source.leads
    low, high, _ = band(settings, rate)
    taps = signal.firwin(_TAPS, [low, high], pass_zero=False, window="hamming", fs=rate)
    notch = signal.iirnotch(mains[0], settings.notch_q, fs=rate) if mains else ([1.0], [1.0])
    state = np.zeros((max(map(len, notch)) - 1, leads))
    half = _TAPS // 2
    tail = np.zeros((_TAPS - 1, leads))
    for start in range(0, rows + half, survey.size):
        stop = min(start + survey.size, rows + half)
        x = np.zeros((stop - start, leads))
        inside, valid = survey.read(start, min(stop, rows)) if start < rows else (x[:0], None)
        inside = inside - survey.spread.mean
        x[: len(inside)] = inside if valid is None else np.where(valid, inside, 0.0)
        y, state = signal.lfilter(*notch, x[: len(inside)], axis=0, zi=state)
        x[: len(inside)] = y
        joined = np.concatenate([tail, x])
        tail = joined[len(x) :]
        out = signal.oaconvolve(joined, taps[:, None], mode="valid", axes=0)
        first = start - half
        out = out[max(0, -first) :]
        yield max(first, 0), out if rows >= _TAPS else np.zeros_like(out), None


def envelope(
    blocks: Iterator[Block], survey: Survey, rate: float, settings: ChainSettings
) -> tuple[np.ndarray, float]:
    """(envelope [video frames, leads], frames a second) of `filtered`: RMS, resampled to 30 Hz, clamped.

    Fourier resampling keeps the lowest frequencies of the whole recording. They are computed from
    a decimated envelope, with the exact response of its low-pass divided out.
    """
    rows, leads = survey.source.rows, survey.source.leads
    frames = max(1, round(rows / rate * FPS))
    width = max(1, round(settings.window_ms * 1e-3 * rate))
    factor = max(1, int(rate / (4 * FPS)))
    taps = _low_pass(factor)
    rms = _sliding_rms(blocks, leads, width)
    few = _decimate(rms, rows, leads, taps, factor)
    return _resample(few, rows, frames, taps, factor), frames * rate / rows


def _sliding_rms(blocks: Iterator[Block], leads: int, width: int) -> Iterator[np.ndarray]:
    """RMS over `width` samples about each sample, zeros beyond the ends, in blocks without gaps."""
    before = width // 2
    tail = np.zeros((before, leads))
    after = np.zeros((width - 1 - before, leads))
    for y in itertools.chain((block[1] for block in blocks), [after]):
        joined = np.concatenate([tail, y * y])
        running = np.concatenate([np.zeros((1, leads)), np.cumsum(joined, axis=0)])
        yield np.sqrt(np.maximum(running[width:] - running[:-width], 0.0) / width)
        tail = joined[max(0, len(joined) - width + 1) :]


def _low_pass(factor: int) -> np.ndarray:
    """Taps [_TAPS_PER_OUTPUT factor] that keep 15 Hz and stop what would fold back on it."""
    signal = require("scipy.signal")

    count = _TAPS_PER_OUTPUT * factor
    return signal.firwin(count, 1.0 / factor, window=("kaiser", _BETA)) if factor > 1 else np.eye(1, count)[0]


def _decimate(
    blocks: Iterator[np.ndarray], rows: int, leads: int, taps: np.ndarray, factor: int
) -> np.ndarray:
    """float32 [m, leads]: output i is the sum of taps[k] x[i factor + factor - 1 - k], x zero outside."""
    phases = taps.reshape(_TAPS_PER_OUTPUT, factor)[:, ::-1]
    result = np.zeros((-(-rows // factor) + _TAPS_PER_OUTPUT, leads), dtype=np.float32)
    rest, at = np.zeros((0, leads)), 0
    fill = np.zeros(((-rows) % factor, leads))
    for block in itertools.chain(blocks, [fill]):
        x = np.concatenate([rest, block])
        whole = len(x) // factor
        parts = phases @ x[: whole * factor].reshape(whole, factor, leads)
        for k in range(_TAPS_PER_OUTPUT):
            result[at + k : at + k + whole] += parts[:, k]
        rest, at = x[whole * factor :], at + whole
    return result


def _resample(few: np.ndarray, rows: int, frames: int, taps: np.ndarray, factor: int) -> np.ndarray:
    """[frames, leads] as `scipy.signal.resample` makes them of all rows, clamped at 0."""
    signal = require("scipy.signal")

    kept = min(frames, rows)
    bins = np.arange(kept // 2 + 1)
    turn = 2 * np.pi / rows
    response = signal.czt(taps, len(bins), w=np.exp(-1j * turn)) * np.exp(1j * turn * bins * (factor - 1))
    result = np.empty((frames, few.shape[1]))
    for k in range(few.shape[1]):
        spectrum = signal.czt(few[:, k].astype(np.float64), len(bins), w=np.exp(-1j * turn * factor))
        spectrum *= factor / response
        if kept % 2 == 0 and frames < rows:
            spectrum[-1] *= 2.0  # both signs of the highest frequency
        result[:, k] = np.fft.irfft(spectrum, frames) * (frames / rows)
    return np.maximum(result, 0.0)
