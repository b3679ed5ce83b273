"""The chain's inputs in blocks: leads of one stream, with gaps and flat stretches found and bridged.

A survey reads everything once and keeps a few numbers for each cell of samples. With them any part
can be read later with its gaps bridged exactly as if the whole recording were at hand, however long
a gap is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..recordings.blocks import BlockSamples, read_rows
from .montage import Lead

FLAT_S = 0.2  # runs of exactly equal values that last at least so long are a lead that came off
_CELL_VALUES = 180_000  # samples of all leads in a cell: small enough for a processor's cache
_SHORTEST_CELL, _LONGEST_CELL = 1024, 65_536
_ROWS_AT_ONCE = 16
_LEAST_CLIPPED = 5e-4  # of a cell's samples; fewer equal neighbours are not looked at


class Source(NamedTuple):
    """Weighted sums of columns, read as float32 or (where columns are combined) float64 [rows, leads]."""

    samples: np.ndarray | BlockSamples
    terms: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]  # (leads, columns, weights) of each summand
    leads: int

    @property
    def rows(self) -> int:
        """Samples of each lead."""
        return len(self.samples)

    def read(self, start: int, stop: int, leads: np.ndarray | None = None) -> np.ndarray:
        """Rows start..stop of all leads or of some (int [k]); rows outside are left out."""
        (at, columns, weights), *more = self.terms
        wanted = np.arange(self.leads) if leads is None else leads
        if not more and np.all(weights == 1):
            return self._columns(start, stop, columns[wanted])
        block = np.zeros((max(0, min(stop, self.rows) - max(start, 0)), len(wanted)))
        for at, columns, weights in self.terms:
            used = np.isin(at, wanted)
            if used.any():
                values = self._columns(start, stop, columns[used])
                # Differences of electrodes with an offset of 100 mV need more than float32 has.
                block[:, np.searchsorted(wanted, at[used])] += values.astype(np.float64) * weights[used]
        return block

    def _columns(self, start: int, stop: int, columns: np.ndarray) -> np.ndarray:
        neighbours = len(columns) > 0 and np.array_equal(columns, columns[0] + np.arange(len(columns)))
        if neighbours and isinstance(self.samples, np.ndarray):  # a view needs no copy
            return self.samples[max(start, 0) : max(stop, 0), columns[0] : columns[-1] + 1]
        return read_rows(self.samples, start, stop, columns)


def source_of(samples: np.ndarray | BlockSamples, leads: Sequence[Lead]) -> Source:
    """The source of some leads of one stream."""
    terms = []
    for k in range(max(len(lead.columns) for lead in leads)):
        has = [i for i, lead in enumerate(leads) if len(lead.columns) > k]
        columns = np.array([leads[i].columns[k] for i in has])
        weights = np.array([leads[i].weights[k] for i in has])
        terms.append((np.array(has), columns, weights))
    return Source(samples, tuple(terms), len(leads))


class Spread(NamedTuple):
    """Extent of the known samples of each lead, all [leads]."""

    known: np.ndarray  # int, how many
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    clipped: np.ndarray  # share of samples that sit at the extreme value in a row
    clipped_cells: np.ndarray  # int [cells, leads], how many of them are in each cell


@dataclass(frozen=True)
class Survey:
    """What a first reading found. Cells are `size` rows long, the last one shorter.

    gaps: bool [cells, leads], cells in which samples are missing or on a flat line.
    before, after: (rows int [cells, leads], values float64 [cells, leads]) of the nearest known sample
    before a cell's first and after its last row; row -1 where there is none.
    """

    source: Source
    size: int
    flat: int  # rows of the shortest flat stretch
    spread: Spread
    gaps: np.ndarray
    before: tuple[np.ndarray, np.ndarray]
    after: tuple[np.ndarray, np.ndarray]

    def read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """(samples [rows, leads] with gaps bridged by straight lines, valid bool or None for all).

        Samples are float64 where anything was computed, else as they are stored; not to be changed.
        """
        source, size = self.source, self.size
        first, last = start // size, -(-stop // size)
        touched = np.flatnonzero(self.gaps[first:last].any(0))
        if len(touched) == 0:
            return source.read(start, stop), None
        low, high = first * size, min(last * size, source.rows)
        block = source.read(low, high).astype(np.float64)
        valid = np.ones(block.shape, dtype=bool)
        valid[:, touched] = _known(source, low, high, touched, self.flat)
        for k in touched:
            self._bridge(block[:, k], valid[:, k], low, first, last - 1, k)
        return block[start - low : stop - low], valid[start - low : stop - low]

    def _bridge(self, x: np.ndarray, valid: np.ndarray, low: int, first: int, last: int, lead: int) -> None:
        """Fill the unknown samples of one lead, in place."""
        rows = np.flatnonzero(valid) + low
        values = x[valid]
        if self.before[0][first, lead] >= 0:
            rows = np.r_[self.before[0][first, lead], rows]
            values = np.r_[self.before[1][first, lead], values]
        if self.after[0][last, lead] >= 0:
            rows = np.r_[rows, self.after[0][last, lead]]
            values = np.r_[values, self.after[1][last, lead]]
        missing = np.flatnonzero(~valid)
        x[missing] = np.interp(missing + low, rows, values) if len(rows) else 0.0


class _Cells(NamedTuple):
    """Numbers of each cell and lead, arrays [cells, leads] that are filled in place."""

    known: np.ndarray  # int
    total: np.ndarray
    low: np.ndarray
    high: np.ndarray
    same: np.ndarray  # int, neighbours with equal values
    clipped: np.ndarray  # int [cells, leads, 2], those at the cell's smallest and largest value
    first: np.ndarray  # first and last known value, and their rows (-1: none is known)
    last: np.ndarray
    first_at: np.ndarray  # int
    last_at: np.ndarray  # int


def survey(source: Source, rate: float, size: int | None = None) -> Survey:
    """Read all samples once. `size` is the cells' length in rows (None: as suits the memory)."""
    if size is None:
        size = int(np.clip(_CELL_VALUES // source.leads, _SHORTEST_CELL, _LONGEST_CELL)) // 1024 * 1024
    flat = max(3, int(np.ceil(FLAT_S * rate)))
    cells = _measure_cells(source, size)
    gaps = ~np.isfinite(cells.total) | _perhaps_flat(cells.same, flat, size)
    for q in np.flatnonzero(gaps.any(1)):
        _look_closely(cells, gaps, source, int(q), size, flat)
    after = _carried(cells.first_at[::-1], cells.first[::-1])
    return Survey(
        source,
        size,
        flat,
        _spread(cells),
        gaps,
        _carried(cells.last_at, cells.last),
        (after[0][::-1], after[1][::-1]),
    )


def _measure_cells(source: Source, size: int) -> _Cells:
    """First look, as if nothing were missing."""
    n, shape = source.rows, (-(-source.rows // size), source.leads)
    starts = np.arange(shape[0])[:, None] * size
    ends = np.minimum(starts + size, n)
    whole = np.zeros(shape, dtype=np.int64)
    cells = _Cells(
        whole + (ends - starts),
        *(np.zeros(shape) for _ in range(3)),
        np.zeros(shape, dtype=np.int64),
        np.zeros((*shape, 2), dtype=np.int64),
        *(np.zeros(shape) for _ in range(2)),
        whole + starts,
        whole + ends - 1,
    )
    few = int(_LEAST_CLIPPED * size) + 1
    with np.errstate(invalid="ignore"):  # missing samples are dealt with later
        for q in range(shape[0]):
            x = source.read(q * size, min((q + 1) * size, n))
            cells.total[q], cells.low[q], cells.high[q] = _extent(x)
            cells.first[q], cells.last[q] = x[0], x[-1]
            repeated = x[1:] == x[:-1]
            if np.count_nonzero(repeated) >= few:
                cells.same[q] = _count(repeated)
                at_edge = (x == cells.low[q]) | (x == cells.high[q])
                # Each lead has both edges once at least, coarsely quantised ones a few times.
                if np.count_nonzero(at_edge) > 4 * source.leads:
                    for k in np.flatnonzero(_count(at_edge) > _LEAST_CLIPPED * len(x)):
                        cells.clipped[q, k] = _clipped(x[1:, k][repeated[:, k]], x[:, k])
    return cells


def _perhaps_flat(same: np.ndarray, flat: int, size: int) -> np.ndarray:
    """Cells [cells, leads] that a flat stretch may touch, from the number of equal neighbours.

    A stretch over an edge has at least half of its length in one of the cells beside it.
    """
    half = max(1, min(flat, size) // 2 - 1)
    marked = same >= half
    result = marked.copy()
    for distance in range(1, -(-flat // size) + 1):
        result[distance:] |= marked[:-distance]
        result[:-distance] |= marked[distance:]
    return result


def _extent(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(sum, minimum, maximum) of x [rows, leads], several rows at once: much faster for few leads."""
    whole = len(x) // _ROWS_AT_ONCE * _ROWS_AT_ONCE
    wide = x[:whole].reshape(-1, _ROWS_AT_ONCE * x.shape[1])
    sums = np.add.reduce(wide, 0).astype(np.float64).reshape(_ROWS_AT_ONCE, -1).sum(0)
    rest = x[whole:].astype(np.float64)
    if whole == 0:
        return rest.sum(0), rest.min(0), rest.max(0)
    low, high = (f.reduce(wide, 0).reshape(_ROWS_AT_ONCE, -1) for f in (np.minimum, np.maximum))
    return sums + rest.sum(0), np.vstack([low, rest]).min(0), np.vstack([high, rest]).max(0)


def _count(flags: np.ndarray) -> np.ndarray:
    """How many of flags [rows, leads] are set; a product with ones is the fastest sum."""
    return np.ones(len(flags), np.float32) @ flags.astype(np.float32)


def _look_closely(cells: _Cells, gaps: np.ndarray, source: Source, q: int, size: int, flat: int) -> None:
    """Measure a cell again without its missing samples; `cells` and `gaps` are changed in place."""
    start, stop = q * size, min((q + 1) * size, source.rows)
    leads = np.flatnonzero(gaps[q])
    valid = _known(source, start, stop, leads, flat)
    x = source.read(start, stop, leads)
    gaps[q, leads] = ~valid.all(0)
    cells.known[q, leads] = valid.sum(0)
    for k, lead in enumerate(leads):
        rows, at = np.flatnonzero(valid[:, k]), (q, lead)
        y = x[rows, k]
        if len(rows) == 0:
            cells.total[at], cells.low[at], cells.high[at] = 0.0, np.inf, -np.inf
            cells.first_at[at] = cells.last_at[at] = -1
            cells.clipped[at] = 0
            continue
        cells.total[at], cells.low[at], cells.high[at] = y.sum(dtype=np.float64), y.min(), y.max()
        cells.first[at], cells.last[at] = y[0], y[-1]
        cells.first_at[at], cells.last_at[at] = start + rows[0], start + rows[-1]
        cells.clipped[at] = _clipped(y[1:][y[1:] == y[:-1]], y)


def _clipped(repeated: np.ndarray, x: np.ndarray) -> tuple[int, int]:
    """How many of the repeated values are the smallest and the largest of x."""
    return np.count_nonzero(repeated == x.min()), np.count_nonzero(repeated == x.max())


def _spread(cells: _Cells) -> Spread:
    count = cells.known.sum(0)
    bottom, top = cells.low.min(0), cells.high.max(0)
    at_edge = cells.clipped[..., 0] * (cells.low == bottom) + cells.clipped[..., 1] * (cells.high == top)
    mean = cells.total.sum(0) / np.maximum(count, 1)
    share = at_edge.sum(0) / np.maximum(count, 1)
    return Spread(count, mean, bottom, top, share, at_edge)


def _carried(rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, values) of the last known sample before each cell; row -1 where there is none."""
    cells = np.arange(len(rows))[:, None]
    latest = np.maximum.accumulate(np.where(rows >= 0, cells, -1), axis=0)
    before = np.vstack([np.full((1, rows.shape[1]), -1), latest[:-1]])
    at = np.maximum(before, 0)
    return (
        np.where(before >= 0, np.take_along_axis(rows, at, 0), -1),
        np.take_along_axis(values, at, 0),
    )


def _known(source: Source, start: int, stop: int, leads: np.ndarray, flat: int) -> np.ndarray:
    """bool [rows, leads]: samples that are neither missing nor on a flat stretch."""
    low, high = max(0, start - flat), min(source.rows, stop + flat)
    x = source.read(low, high, leads)
    known = np.isfinite(x)
    for k in range(len(leads)):
        known[:, k] &= ~flat_stretches(x[:, k], flat)
    return known[start - low : stop - low]


def flat_stretches(x: np.ndarray, least: int) -> np.ndarray:
    """bool [n]: samples in runs of at least `least` exactly equal values."""
    change = np.flatnonzero(x[1:] != x[:-1]) + 1
    edges = np.concatenate(([0], change, [len(x)]))
    length = np.diff(edges)
    flat = np.zeros(len(x), dtype=bool)
    for start, size in zip(edges[:-1][length >= least], length[length >= least], strict=True):
        flat[start : start + size] = True
    return flat
