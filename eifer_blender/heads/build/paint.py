"""Region masks, landmarks and surface colours of the default head."""

from __future__ import annotations

import numpy as np

# (x, y) of the frontal plane, metres in the head's frame, subject's left. MakeHuman's average adult.
BROW_PATH = np.array([[0.0095, 0.1505], [0.019, 0.1545], [0.030, 0.1590], [0.040, 0.1580], [0.0495, 0.1520]])
BROW_THICKNESS = np.array([0.0085, 0.0085, 0.0070, 0.0048, 0.0018])


def smooth_step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between; also falling if low > high."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def blob(points: np.ndarray, centre: tuple[float, ...], radius: tuple[float, ...]) -> np.ndarray:
    """[n] soft ellipsoid, 1 in the middle and 0 at the border."""
    distance = np.linalg.norm((points - np.array(centre)) / np.array(radius), axis=1)
    return smooth_step(distance, 1.0, 0.25)
