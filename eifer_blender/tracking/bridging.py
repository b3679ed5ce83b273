"""Short gaps in what is known of frames are bridged; long ones stay gaps."""

from __future__ import annotations

import numpy as np

from ..heads.deform import rotation_matrix
from .pose import axis_angle


def bridge(values: np.ndarray, known: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Values float32 [n, ...] over gaps of at most `longest` frames, and bool [n] of what is then known.

    known: bool [n]. In between lie straight lines; before the first and after the last known
    frame, its value. What stays unknown is NaN.
    """
    shape = values.shape
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    before, after, share, filled = _between(known, longest)
    result = np.full(flat.shape, np.nan)
    result[filled] = flat[before] + share[:, None] * (flat[after] - flat[before])
    return result.reshape(shape).astype(np.float32), filled


def bridge_rotations(rotations: np.ndarray, known: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """As `bridge`, for axis-angles [n, 3] in radians: at even speed the shortest way round."""
    before, after, share, filled = _between(known, longest)
    result = np.full((len(rotations), 3), np.nan)
    start = rotation_matrix(np.asarray(rotations, np.float64)[before])
    way = axis_angle(start.swapaxes(1, 2) @ rotation_matrix(np.asarray(rotations, np.float64)[after]))
    result[filled] = axis_angle(start @ rotation_matrix(way * share[:, None]))
    return result.astype(np.float32), filled


def _between(known: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For the frames that are known afterwards: known frame before and after, share of the way; and which."""
    known = np.asarray(known, bool)
    n = len(known)
    places = np.flatnonzero(known)
    if not len(places):
        nothing = np.zeros(0, np.intp)
        return nothing, nothing, np.zeros(0), known.copy()
    frames = np.arange(n)
    at = np.searchsorted(places, frames)
    after = places[np.minimum(at, len(places) - 1)]
    before = places[np.maximum(np.where(known, at, at - 1), 0)]
    # At the ends there is one neighbour only.
    first, last = frames < places[0], frames > places[-1]
    before = np.where(first, after, before)
    after = np.where(last, before, after)
    gap = np.where(first, places[0], np.where(last, n - 1 - places[-1], after - before - 1))
    filled = known | (gap <= longest)
    before, after = before[filled], after[filled]
    share = (frames[filled] - before) / np.maximum(after - before, 1)
    return before, after, share, filled
