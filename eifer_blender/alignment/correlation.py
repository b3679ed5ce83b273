"""Normalised cross-correlation of courses that overlap in part and have gaps, at every lag at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..dependencies import require

_MEMORY_S = 5.0  # a course of muscle activity resembles itself for no longer than this
_FLAT = 1e-4  # share of the largest variance below which a course does not vary
_LARGEST = 0.999  # correlation, so that its z value stays finite


class Courses(NamedTuple):
    """Courses at an even rate, without their means, and their spectra."""

    rows: int
    known: np.ndarray  # complex spectra [channels, k] of what is known, of the values and of their squares
    values: np.ndarray
    squares: np.ndarray
    memory: np.ndarray  # [channels, lags] autocorrelation from lag 0


class Curves(NamedTuple):
    """Agreement of two courses of every channel, at every lag from `first` on, in steps of one row."""

    first: int  # lag: row i + lag of one course is beside row i of the other
    r: np.ndarray  # float32 [channels, lags], Pearson's r over what both know; 0 where there is none
    z: np.ndarray  # float32, its distance from 0 in standard deviations of unrelated courses
    rows: np.ndarray  # float32, how many rows both know


def courses(values: np.ndarray, known: np.ndarray, size: int, rate: float) -> Courses:
    """Courses float [channels, n], of which `known` (bool) counts, for correlations of `size` points."""
    fft = require("scipy.fft")
    count = np.maximum(known.sum(1, keepdims=True), 1)
    x = np.where(known, values, 0.0).astype(np.float64)
    x = np.where(known, x - x.sum(1, keepdims=True) / count, 0.0)
    spectra = (fft.rfft(part, size) for part in (known.astype(np.float64), x, x * x))
    rows = x.shape[1]
    lags = min(int(_MEMORY_S * rate), rows)
    long = fft.next_fast_len(rows + lags, real=True)
    memory = fft.irfft(np.abs(fft.rfft(x, long)) ** 2, long)[:, :lags]
    power = memory[:, :1]
    return Courses(rows, *spectra, memory / np.where(power > 0, power, 1.0))


def size_of(one: int, other: int) -> int:
    """Points that hold all lags of courses of these lengths."""
    return require("scipy.fft").next_fast_len(max(one + other - 1, 2), real=True)


def correlate(one: Courses, other: Courses, size: int, fewest: float) -> Curves:
    """Correlation of each channel with its counterpart at every lag at which both know `fewest` rows.

    Sums over what is known to both at a lag are correlations of masks, values and squares (Padfield 2012,
    Masked object registration in the Fourier domain). Neighbouring rows are alike, so n rows count as n / T
    independent ones, T being the sum of the products of both autocorrelations (Bartlett 1935).
    """
    fft = require("scipy.fft")

    def sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        full = fft.irfft(a * b.conj(), size)
        return np.concatenate([full[:, size - other.rows + 1 :], full[:, : one.rows]], axis=1)

    def spread(squares: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left = squares - total * total / n
        return left, left > _FLAT * left.max(1, keepdims=True)

    rows = np.maximum(np.rint(sums(one.known, other.known)), 0.0)
    n = np.maximum(rows, 1.0)
    a, b = sums(one.values, other.known), sums(one.known, other.values)
    aa, own = spread(sums(one.squares, other.known), a)
    bb, others = spread(sums(one.known, other.squares), b)
    usable = (rows >= max(fewest, 2.0)) & own & others
    r = sums(one.values, other.values) - a * b / n
    r = np.where(usable, r / np.sqrt(np.where(usable, aa * bb, 1.0)), 0.0)
    r = np.clip(r, -_LARGEST, _LARGEST)
    lags = min(one.memory.shape[1], other.memory.shape[1])
    alike = 2.0 * (one.memory[:, :lags] * other.memory[:, :lags]).sum(1, keepdims=True) - 1.0
    z = np.arctanh(r) * np.sqrt(rows / np.maximum(alike, 1.0))
    return Curves(1 - other.rows, *(x.astype(np.float32) for x in (r, z, rows)))


def summit(curve: np.ndarray, at: int) -> float:
    """Place of a peak between samples: the top of the parabola through three of them."""
    if not 0 < at < len(curve) - 1:
        return float(at)
    before, top, after = (float(v) for v in curve[at - 1 : at + 2])
    bend = before - 2.0 * top + after
    return at + float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else float(at)
