"""Columns of events (triggers, onset marks, status words) -> annotations.

A column rests at one value; every stretch away from it is an event. Long recordings are read in
blocks, and only the columns that hold events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from .blocks import BlockSamples, blocks
from .types import Annotation, Kind, Recording, Stream

MOST_EVENTS = 100_000
_BLOCK = 1 << 18  # rows
_MOST_CODES = 512
_MOST_CHANGING = 0.2  # share of rows at which an event column changes, at most
_FEW_ROWS = 50
_CODE_BITS = 0xFFFF  # of a status word: amplifiers keep their own state in the bits above


@dataclass
class _Runs:
    """Stretches of equal values of one column."""

    starts: list[np.ndarray]  # rows
    values: list[np.ndarray]
    count: int = 0
    last: float = np.nan  # value at the end of the block before
    low: float = np.inf
    high: float = -np.inf
    busy: bool = False  # changes too often to be kept


def with_events(recording: Recording) -> Recording:
    """The recording with an annotation for every event in its event columns, sorted by onset.

    Texts are the column's name where it has one value besides that of rest, else name and value.
    A column whose onsets the file annotates itself gives none. Notes say which columns were
    left out because they change all the time. Raises EiferError if the file cannot be read.
    """
    found: list[Annotation] = []
    notes: list[str] = []
    known = np.sort([a.onset for a in recording.annotations])
    for stream in recording.streams:
        columns = [i for i, c in enumerate(stream.channels) if c.kind is Kind.EVENT]
        if not columns or not stream.rate:
            continue
        titles = _titles(stream, columns)
        for title, runs in zip(titles, _all_runs(stream.samples, columns, stream.rate), strict=True):
            events = None if runs is None else _annotations(title, *runs, stream)
            if events is None or len(events) + len(found) > MOST_EVENTS:
                notes.append(f"'{title[:40]}' changes too often for a column of events and gave no markers.")
            elif not _known(events, known, 1.5 / stream.rate):
                found += events
    if not found and not notes:
        return recording
    marks = sorted((*recording.annotations, *found), key=lambda a: a.onset)
    return replace(recording, annotations=tuple(marks), notes=(*recording.notes, *notes))


def _titles(stream: Stream, columns: list[int]) -> list[str]:
    """Names of the event columns; equal ones get their place in the file."""
    names = [stream.channels[i].name.strip()[:100] or "Event" for i in columns]
    count = Counter(names)
    return [f"{n} {i + 1}" if count[n] > 1 else n for n, i in zip(names, columns, strict=True)]


def _known(events: list[Annotation], known: np.ndarray, tolerance: float) -> bool:
    """Whether nearly all events have an annotation of the file at the same moment."""
    if not events or not len(known):
        return False
    onsets = np.array([e.onset for e in events])
    after = np.clip(np.searchsorted(known, onsets), 0, len(known) - 1)
    distance = np.minimum(np.abs(known[after] - onsets), np.abs(known[np.maximum(after - 1, 0)] - onsets))
    return bool(np.mean(distance <= tolerance) > 0.9)


def _all_runs(
    samples: np.ndarray | BlockSamples, columns: list[int], rate: float
) -> list[tuple[np.ndarray, np.ndarray, int] | None]:
    """(first row int [k], value float64 [k], rows) of the stretches of each column; None: no events."""
    rows = len(samples)
    most = min(2 * MOST_EVENTS, max(_FEW_ROWS, int(_MOST_CHANGING * rows)))
    found = [_Runs([], []) for _ in columns]
    for first, block in blocks(samples, _BLOCK, columns):
        for k, runs in enumerate(found):
            _follow(runs, first, block[:, k].astype(np.float64), most)
    noisy = [k for k, runs in enumerate(found) if runs.busy and runs.high > runs.low]
    levels = _two_levels(samples, columns, found, noisy, most)
    result: list[tuple[np.ndarray, np.ndarray, int] | None] = []
    for k, runs in enumerate(found):
        chosen = levels.get(k) if runs.busy else runs
        if chosen is None or chosen.busy:
            result.append(None)
        elif not chosen.starts:
            result.append((np.empty(0, np.int64), np.empty(0), rows))
        else:
            result.append((np.concatenate(chosen.starts), np.concatenate(chosen.values), rows))
    return result


def _follow(runs: _Runs, first: int, x: np.ndarray, most: int) -> None:
    """Add the changes in a block of one column float64 [n]; rows without a value go on as before."""
    finite = np.isfinite(x)
    if not finite.all():
        at = np.maximum.accumulate(np.where(finite, np.arange(len(x)), -1))
        x = np.where(at >= 0, x[np.maximum(at, 0)], runs.last)
        finite = np.isfinite(x)
        if not finite.any():
            return
        x, first = x[finite], first + int(np.argmax(finite))
    runs.low, runs.high = min(runs.low, float(x.min())), max(runs.high, float(x.max()))
    changed = np.empty(len(x), dtype=bool)
    np.not_equal(x[1:], x[:-1], out=changed[1:])
    changed[0] = x[0] != runs.last
    runs.last = float(x[-1])
    if runs.busy:
        return
    at = np.flatnonzero(changed)
    runs.count += len(at)
    if runs.count > most:
        runs.busy, runs.starts, runs.values = True, [], []
        return
    runs.starts.append(first + at)
    runs.values.append(x[at])


def _two_levels(
    samples: np.ndarray | BlockSamples, columns: list[int], found: list[_Runs], noisy: list[int], most: int
) -> dict[int, _Runs]:
    """Stretches at the lower and the upper level of columns that are switched, but with noise on both."""
    result = {k: _Runs([], []) for k in noisy}
    between = dict.fromkeys(noisy, 0)
    total = len(samples)
    for first, block in blocks(samples, _BLOCK, [columns[k] for k in noisy]) if noisy else ():
        for j, k in enumerate(noisy):
            x = block[:, j].astype(np.float64)
            span = found[k].high - found[k].low
            up, down = found[k].low + 0.65 * span, found[k].low + 0.35 * span
            level = np.where(x >= up, 1.0, np.where(x <= down, 0.0, np.nan))
            between[k] += int(np.isnan(level).sum())
            _follow(result[k], first, level, most)
    # A switch is hardly ever on its way; a signal spends its time between its extremes.
    return {k: runs for k, runs in result.items() if between[k] < 0.02 * total + 2}


def _annotations(
    title: str, starts: np.ndarray, values: np.ndarray, rows: int, stream: Stream
) -> list[Annotation] | None:
    """Events of one column, or None if its values are no codes."""
    starts, values = _without_edges(starts, values, rows)
    if len(starts) < 2:
        return []
    if np.all(values == np.round(values)) and (values.max() > _CODE_BITS or values.min() < -(2**15)):
        values = (values.astype(np.int64) & _CODE_BITS).astype(np.float64)
        changed = np.concatenate(([True], values[1:] != values[:-1]))
        starts, values = starts[changed], values[changed]
    lengths = np.diff(starts, append=rows)
    codes, which = np.unique(values, return_inverse=True)
    if len(codes) > _MOST_CODES:
        return None
    rest = _rest(codes, np.bincount(which.ravel(), weights=lengths))
    away = values != rest
    if away.sum() > MOST_EVENTS:
        return None
    one = len(codes) == 2 and rest is not None
    return [
        Annotation(
            stream.start + start / stream.rate, length / stream.rate, title if one else f"{title} {value:g}"
        )
        for start, length, value in zip(
            starts[away].tolist(), lengths[away].tolist(), values[away].tolist(), strict=True
        )
    ]


def _without_edges(starts: np.ndarray, values: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Stretches without samples that a converter took while the level was changing: 0, 2.3, 5."""
    if len(starts) < 3:
        return starts, values
    short = np.diff(starts, append=rows) <= 2
    before, after = values[:-2], values[2:]
    middle = values[1:-1]
    passing = (np.minimum(before, after) < middle) & (middle < np.maximum(before, after))
    passing &= short[1:-1] & (middle != np.round(middle))
    keep = np.concatenate(([True], ~passing, [True]))
    return starts[keep], values[keep]


def _rest(codes: np.ndarray, rows: np.ndarray) -> float | None:
    """Value at which a column rests: 0 if it often is, else the most frequent; None if there is none."""
    share = rows / max(rows.sum(), 1.0)
    if 0.0 in codes and share[np.searchsorted(codes, 0.0)] >= 0.25:
        return 0.0
    most = int(np.argmax(share))
    return float(codes[most]) if share[most] > 0.5 or len(codes) == 2 else None
