"""Envelopes by exact box windows: the integral of a signal, read at any two times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Integral(NamedTuple):
    """Running integrals of one channel, sample i covering [i - 1/2, i + 1/2] on the index axis."""

    power: np.ndarray  # float64 [n + 1], integral of the valid samples
    valid: np.ndarray  # float64 [n + 1], integral of validity


def integrate(x: np.ndarray, valid: np.ndarray) -> Integral:
    """Integrals of x [n] where `valid`; the sums run in float64."""
    power, count = np.zeros(len(x) + 1), np.zeros(len(x) + 1)
    np.cumsum(np.where(valid, x, 0.0), out=power[1:])
    np.cumsum(valid, out=count[1:])
    return Integral(power, count)


def window_mean(integral: Integral, position: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """(mean, valid share) of the valid samples in windows of `width` samples centred at `position`.

    Positions are fractional sample indices. At the ends the window is cut, not padded. The mean
    is NaN where less than half of the window lies inside the recording on valid samples.
    """
    n = len(integral.power) - 1
    low = np.clip(position + 0.5 - width / 2, 0.0, n)
    high = np.clip(position + 0.5 + width / 2, 0.0, n)
    total = _at(integral.power, high) - _at(integral.power, low)
    count = _at(integral.valid, high) - _at(integral.valid, low)
    share = count / width
    # At the very ends of a recording half a window is all there is.
    enough = (share > 0.49) & (position > -0.5 - 1e-6) & (position < n - 0.5 + 1e-6)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(enough & (count > 0), total / count, np.nan)
    return mean, share


def _at(running: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Linear interpolation of a running integral [n + 1] at fractional positions 0..n."""
    lower = np.minimum(position.astype(np.int64), len(running) - 2)
    return running[lower] + (position - lower) * (running[lower + 1] - running[lower])


def interpolate(x: np.ndarray, position: np.ndarray) -> np.ndarray:
    """x [n] at fractional positions, NaN outside and beside NaN."""
    n = len(x)
    inside = (position > -0.5 - 1e-6) & (position < n - 0.5 + 1e-6)
    p = np.clip(position, 0, n - 1)
    nearest = np.rint(p)
    p = np.where(np.abs(p - nearest) < 1e-6, nearest, p)  # a frame on a sample is that sample
    lower = np.minimum(p.astype(np.int64), max(n - 2, 0))
    share = p - lower
    upper = np.minimum(lower + 1, n - 1)
    value = np.where(share > 0, x[lower] * (1 - share) + x[upper] * share, x[lower])
    value = np.where(share >= 1, x[upper], value)
    return np.where(inside, value, np.nan)
