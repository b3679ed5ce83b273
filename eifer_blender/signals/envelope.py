"""Envelopes by exact box windows, summed up block by block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Block = tuple[int, np.ndarray, np.ndarray | None]
"""(first row, float32 or float64 [rows, channels], valid bool [rows, channels] or None for all)."""


def window_means(
    blocks: Iterable[Block], rows: int, channels: int, centres: np.ndarray, width: float, power: bool = True
) -> np.ndarray:
    """float32 [centres, channels]: mean of the valid samples, or of their squares, in windows.

    Windows are `width` samples wide and centred at the fractional sample indices `centres`, in any
    order; sample i covers [i - 1/2, i + 1/2]. At the ends the window is cut, not padded. The mean is
    NaN where less than half of the window lies inside the recording on valid samples. Memory does
    not depend on the number of rows.
    """
    order = np.argsort(centres, kind="stable")
    centre = centres[order]
    low = np.clip(centre + 0.5 - width / 2, 0.0, rows)
    high = np.clip(centre + 0.5 + width / 2, 0.0, rows)
    total = np.zeros((len(centre), channels), dtype=np.float32)
    lost = np.zeros((len(centre), channels), dtype=np.float32)
    for start, x, valid in blocks:
        first, last = np.searchsorted(high, start, "right"), np.searchsorted(low, start + len(x), "left")
        if first >= last:
            continue
        edges = np.clip(np.concatenate([low[first:last], high[first:last]]) - start, 0, len(x))
        values = x * x if power else x
        if valid is not None:
            touched = np.flatnonzero(~valid.all(0))
            values = np.where(valid, values, 0.0)
            lost[first:last, touched] += _between(~valid[:, touched], edges)
        total[first:last] += _between(values, edges)
    count = np.subtract((high - low).astype(np.float32)[:, None], lost, out=lost)
    # At the very ends of a recording half a window is all there is.
    inside = (centre > -0.5 - 1e-6) & (centre < rows - 0.5 + 1e-6)
    few = (count <= 0.49 * width) | ~inside[:, None]
    count[few] = np.nan
    np.divide(total, count, out=total)
    result = np.empty_like(total)
    result[order] = total
    return result


def _between(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Integrals of values [n, channels] from edges[k] to edges[k + m], for edges float [2 m] in 0..n."""
    whole = np.minimum(edges.astype(np.int64), len(values) - 1)
    at, place = np.unique(whole, return_inverse=True)
    if at[0] > 0:
        at, place = np.r_[0, at], place + 1
    sums = np.add.reduceat(values, at, axis=0, dtype=np.float64)
    running = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(sums[:-1], axis=0)])
    integral = running[place] + (edges - whole)[:, None] * values[whole]
    return integral[len(edges) // 2 :] - integral[: len(edges) // 2]


def interpolate(x: np.ndarray, position: np.ndarray) -> np.ndarray:
    """x [n, ...] at fractional positions [m], NaN outside and beside NaN."""
    n = len(x)
    inside = (position > -0.5 - 1e-6) & (position < n - 0.5 + 1e-6)
    p = np.clip(position, 0, n - 1)
    nearest = np.rint(p)
    p = np.where(np.abs(p - nearest) < 1e-6, nearest, p)  # a frame on a sample is that sample
    lower = np.minimum(p.astype(np.int64), max(n - 2, 0))
    share = (p - lower).reshape(-1, *[1] * (x.ndim - 1))
    upper = np.minimum(lower + 1, n - 1)
    value = np.where(share > 0, x[lower] * (1 - share) + x[upper] * share, x[lower])
    value = np.where(share >= 1, x[upper], value)
    return np.where(inside.reshape(share.shape), value, np.nan)
