"""Smoothing without lag: curves of a whole clip, each value from what is before and after it alike."""

from __future__ import annotations

import numpy as np

from ..dependencies import require


def smoothed(values: np.ndarray, times: np.ndarray, trust: np.ndarray, seconds: float) -> np.ndarray:
    """float32 [n, k]: values [n, k] at times [n] s, smoothed over about so many seconds; 0: as they are.

    Whittaker's smoother of second order (Eilers, 2003): the curve that is close to the values, by their trust
    [n] 0..1, and bends little. It looks both ways, so nothing comes later than it was, and where there is
    no trust it bridges. Uneven times are heeded. A parabola's peak loses less the longer it lasts.
    """
    values = np.asarray(values, np.float64)
    count = len(values)
    if seconds <= 0 or count < 3:
        return values.astype(np.float32)
    require("scipy")
    from scipy.linalg import solveh_banded

    steps = np.maximum(np.diff(np.asarray(times, np.float64)), 1e-6)
    usual = float(np.median(steps))
    # Second divided differences, scaled so that even steps give 1, -2, 1.
    before, after = usual / steps[:-1], usual / steps[1:]
    rows = np.stack([before, -(before + after), after], 1)
    # A cosine of a period of 2 pi s is halved where the bend's weight is s^4 frames^4.
    weight = (seconds / (2 * np.pi) * 2.0 / usual) ** 4
    bands = np.zeros((3, count))
    for i in range(3):
        for k in range(i, 3):
            at = np.arange(count - 2) + i
            np.add.at(bands[k - i], at, weight * rows[:, i] * rows[:, k])
    trust = np.maximum(np.asarray(trust, np.float64), 1e-4)
    bands[0] += trust
    return solveh_banded(bands, trust[:, None] * values, lower=True).astype(np.float32)
