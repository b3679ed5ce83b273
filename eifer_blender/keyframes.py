"""Fewer keys for a dense take, within a tolerance in millimetres on the face.

Keys are joined by cubic Hermite segments, which Blender plays exactly as Bezier segments whose
handles lie a third of the way to the neighbours. Keys are added where a curve is furthest from its
samples until every segment is close enough, all segments of a curve at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_ROUNDS = 40  # halving segments would need 15 for 18 000 frames; a bound against endless loops
_CHUNK = 4096  # frames compared on the face at a time


class SparseKeys(NamedTuple):
    """Keys of one curve: sample indices, their values and slopes per sample."""

    indices: np.ndarray  # int64 [n], increasing, first and last sample included
    values: np.ndarray  # float32 [n]
    slopes: np.ndarray  # float32 [n]


class ReducedTake(NamedTuple):
    """Sparse keys for every column and what they cost."""

    keys: list[SparseKeys]
    error_mm: float  # largest displacement of a face vertex in any frame


def interpolate(keys: SparseKeys, count: int) -> np.ndarray:
    """Cubic Hermite values of sparse keys at samples 0 .. count - 1, float64 [count]."""
    if len(keys.indices) == 1:
        return np.full(count, float(keys.values[0]))
    x = np.arange(count, dtype=np.float64)
    segment = np.clip(np.searchsorted(keys.indices, x, side="right") - 1, 0, len(keys.indices) - 2)
    start, end = keys.indices[segment], keys.indices[segment + 1]
    width = (end - start).astype(np.float64)
    t = (x - start) / width
    v0, v1 = keys.values[segment].astype(np.float64), keys.values[segment + 1].astype(np.float64)
    m0, m1 = keys.slopes[segment] * width, keys.slopes[segment + 1] * width
    t2, t3 = t * t, t * t * t
    return (2 * t3 - 3 * t2 + 1) * v0 + (t3 - 2 * t2 + t) * m0 + (3 * t2 - 2 * t3) * v1 + (t3 - t2) * m1


def reduce_curve(values: np.ndarray, tolerance: float) -> SparseKeys:
    """Keys whose Hermite curve stays within `tolerance` of every sample of `values` [frames]."""
    count = len(values)
    slopes = np.gradient(values.astype(np.float64)) if count > 1 else np.zeros(count)
    chosen = np.zeros(count, dtype=bool)
    chosen[[0, -1]] = True
    if np.ptp(values) <= tolerance:  # at rest: two flat keys
        slopes[:] = 0.0
    for _ in range(_ROUNDS):
        indices = np.flatnonzero(chosen)
        keys = SparseKeys(indices, values[indices].astype(np.float32), slopes[indices].astype(np.float32))
        error = np.abs(interpolate(keys, count) - values)
        error[indices] = 0.0
        worst = _worst_of_each_segment(error, indices)
        worst = worst[error[worst] > tolerance]
        if not len(worst):
            break
        chosen[worst] = True
    return keys


def _worst_of_each_segment(error: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Index of the largest error between each two neighbouring keys, int64."""
    if len(starts) < 2:
        return np.zeros(0, dtype=np.int64)
    segment = np.searchsorted(starts, np.arange(len(error)), side="right") - 1
    largest = np.maximum.reduceat(error, starts)
    candidates = np.flatnonzero(error == largest[segment])
    _, first = np.unique(segment[candidates], return_index=True)
    return candidates[first]


def reduce_take(
    values: np.ndarray,
    effects: np.ndarray,
    tolerance_mm: float,
    tick: Callable[[], None] = lambda: None,
) -> ReducedTake:
    """Reduce all columns of a take together.

    values: [frames, columns]. effects: metres that one unit of a column moves each vertex,
    [columns, V, 3]. The summed displacement of all columns' errors stays within `tolerance_mm`
    for every vertex and frame. tick is called before each curve and may raise, to cancel.
    """

    def reduce_all(share: float) -> list[SparseKeys]:
        keys = []
        for column, reach in enumerate(size):
            tick()
            keys.append(reduce_curve(values[:, column], share * tolerance_mm / reach))
        return keys

    size = np.sqrt((effects.astype(np.float64) ** 2).sum(2)).max(1) * 1000.0
    size = np.maximum(size, 1e-6)
    share, best = 0.5, None
    for _ in range(8):
        keys = reduce_all(share)
        error = _error_mm(values, keys, effects)
        if error <= tolerance_mm:
            best = ReducedTake(keys, error)
            if error > 0.7 * tolerance_mm or share >= 1.0:
                break
            share = min(1.0, share * 0.9 * tolerance_mm / max(error, 1e-9))
        elif best is not None:
            break
        else:
            share *= 0.85 * tolerance_mm / error
    if best is None:  # a tolerance no reduction can meet: every sample becomes a key
        keys = reduce_all(0.0)
        best = ReducedTake(keys, _error_mm(values, keys, effects))
    return best


def _error_mm(values: np.ndarray, keys: list[SparseKeys], effects: np.ndarray) -> float:
    count = len(values)
    off = np.stack([interpolate(k, count) for k in keys], 1).astype(np.float32) - values
    basis = effects.reshape(len(effects), -1).astype(np.float32)
    largest = 0.0
    for start in range(0, count, _CHUNK):
        moved = (off[start : start + _CHUNK] @ basis).reshape(-1, effects.shape[1], 3)
        largest = max(largest, float((moved**2).sum(2).max()))
    return float(np.sqrt(largest)) * 1000.0
