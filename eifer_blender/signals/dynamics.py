"""Attack and release of the visible movement after the muscle's electrical activity."""

from __future__ import annotations

import numpy as np


def attack_release(x: np.ndarray, fps: float, attack_ms: float, release_ms: float) -> np.ndarray:
    """x [frames, channels] through a one-pole low-pass that rises and falls at its own speed.

    y_i = y_(i-1) + k (x_i - y_(i-1)) with k = 1 - exp(-1 / (fps tau)), tau the attack constant
    while rising and the release constant while falling. Starts at the first value.
    """
    rise, fall = (1.0 if ms <= 0 else 1.0 - np.exp(-1000.0 / (fps * ms)) for ms in (attack_ms, release_ms))
    if len(x) == 0 or rise == fall == 1.0:
        return x.astype(np.float32)
    result = np.empty(x.shape, dtype=np.float32)
    state = x[0].astype(np.float64)
    for i, row in enumerate(x):
        step = row - state
        state = state + np.where(step > 0, rise, fall) * step
        result[i] = state
    return result
