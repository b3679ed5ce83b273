"""Text table -> `Recording`: which column is time, at what rate, frame-aligned or poses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import EiferError
from ..muscle_names import match_name
from .channels import make_channels
from .clock import TIME_UNITS, even_clock
from .guess import split_unit
from .options import Options
from .text import Rows, TextLayout, clock_seconds
from .types import Annotation, Recording, Stream

FRAME_RATE = 30.0  # of the MMM and MaM data sets
_LARGEST = 1e30
_MOST_POSES = 2000
_MOST_SEGMENTS = 5000

_TIME_NAME = re.compile(
    r"^(x|t|time|zeit|times?tamps?|zeitstempel|seconds?|sekunden?|secs?|s|ms|msec|elapsed|milliseconds?|"
    r"usec|min|minutes?|lsl.?timestamp|time.?stamps?.*|(time|zeit).{0,20})$",
    re.IGNORECASE,
)
_INDEX_NAME = re.compile(
    r"^(|unnamed: ?\d+|index|idx|frame|frames|frame.?(no|nr|number|index)?|sample.?(no|nr)?|#|row|nr|no)$",
    re.I,
)


@dataclass(frozen=True)
class Table:
    """Columns of a text table with their roles settled."""

    names: tuple[str, ...]  # of the signal columns
    units: tuple[str, ...]
    samples: np.ndarray  # float32 [n, channels]
    rate: float | None
    start: float
    frame_aligned: bool
    labels: tuple[str, ...]
    annotations: tuple[Annotation, ...]
    needs: tuple[str, ...]  # what the caller has to state: "rate", "names"
    notes: tuple[str, ...]


def build(path: Path, layout: TextLayout, rows: Rows, options: Options) -> tuple[Recording, tuple[str, ...]]:
    """(recording, what is still needed); the recording is complete only if nothing is needed."""
    table = arrange(path.name, layout, rows, options)
    labels = table.labels
    rate = options.rate or table.rate
    frame_aligned = table.frame_aligned if options.frame_aligned is None else options.frame_aligned
    poses = options.poses if options.poses is not None else bool(labels)
    channels, samples, notes = make_channels(
        table.names, table.units, table.samples, None if poses else rate, options, poses or frame_aligned
    )
    if poses:
        labels = labels or tuple(f"Pose {i + 1}" for i in range(len(samples)))
        samples, zero_notes = _zeros(samples, options.zeros_missing, [c.muscle is not None for c in channels])
        notes = [*notes, *zero_notes]
        rate = None
        if len(samples) > _MOST_POSES:
            raise EiferError(
                f"'{path.name}' has {len(samples)} rows, too many for poses; give its rate instead."
            )
    stream = Stream(channels, samples, rate, table.start, frame_aligned, labels if poses else (), path.stem)
    needs = tuple(n for n in table.needs if not (n == "rate" and (poses or rate)))
    recording = Recording(
        (stream,), table.annotations, path, layout.format, rows.sha256, (*layout.notes, *table.notes, *notes)
    )
    return recording, needs


def arrange(name: str, layout: TextLayout, rows: Rows, options: Options) -> Table:
    """Settle the role of every column. Raises EiferError where the caller's words do not fit."""
    titles, units = _titles(name, layout, options, rows.numbers)
    numbers, number_columns = rows.numbers, list(layout.number_columns)
    notes: list[str] = []
    words = dict(rows.words)
    stated = 1.0 / layout.interval if layout.interval else None
    time, time_at, time_unit = _time(
        name, titles, units, numbers, number_columns, words, options, stated is not None
    )
    keep = [k for k, c in enumerate(number_columns) if c != time_at]
    index_at = _index_column(titles, numbers, number_columns, keep, layout.names is None)
    if index_at is not None and len(keep) > 1:
        keep.remove(index_at)
    rate, start = options.rate or stated, 0.0
    samples = numbers[:, keep]
    samples[np.abs(samples) > _LARGEST] = np.nan  # no amplifier wrote that
    samples = samples.astype(np.float32)
    seconds = np.arange(len(samples)) / rate if rate else None
    if time is not None:
        clock = even_clock(name, time, time_unit, samples, layout.first_line)
        start, samples, seconds = clock.start, clock.samples, clock.seconds
        notes += clock.notes
        rate = options.rate or clock.rate
    columns = [number_columns[k] for k in keep]
    names = tuple(titles[c] or f"Column {c + 1}" for c in columns)
    labels: tuple[str, ...] = ()
    if time is None and rate is None and words and len(samples) <= _MOST_POSES and 0 in words:
        labels = tuple(w or f"Pose {i + 1}" for i, w in enumerate(words.pop(0)))
    frame_aligned = _is_frame_aligned(names, samples, index_at, time is not None, labels)
    if frame_aligned and rate is None:
        rate = FRAME_RATE
        notes.append(f"Rows are numbered frames of muscle envelopes: read as {FRAME_RATE:g} frames a second.")
    annotations: list[Annotation] = []
    for c, texts in words.items():
        segments = _segments(texts, seconds) if seconds is not None and len(seconds) > 1 else None
        if segments is None:
            notes.append(f"Column '{titles[c] or c + 1}' holds words and was left out.")
        else:
            annotations += segments
    if layout.stated_rows and layout.stated_rows > len(samples):
        notes.append(
            f"The file announces {layout.stated_rows} samples a channel and holds {len(samples)}; "
            "what is there was read."
        )
    needs = []
    if rate is None and not labels and options.poses is not True:
        needs.append("rate")
    if layout.names is None and options.names is None and options.muscles is None:
        needs.append("names")
    return Table(
        names, tuple(units[c] for c in columns), samples, rate, start, frame_aligned, labels,
        tuple(sorted(annotations, key=lambda a: a.onset)),
        tuple(needs), tuple(notes),
    )  # fmt: skip


def _titles(
    name: str, layout: TextLayout, options: Options, numbers: np.ndarray
) -> tuple[list[str], list[str]]:
    """(name, unit) of every column of the file.

    The caller's names may count all columns, those with numbers, or those but a first one that is
    time or a counter.
    """
    titles = [""] * layout.columns if layout.names is None else list(layout.names)
    units = list(layout.units)
    for i, title in enumerate(titles):
        if not units[i]:
            titles[i], units[i] = split_unit(title)
    if options.names is not None:
        given = [str(n) for n in options.names]
        columns = list(range(layout.columns))
        if len(given) == len(layout.number_columns):
            columns = list(layout.number_columns)
        elif len(given) == len(layout.number_columns) - 1 and _rises(numbers[:, 0]):
            columns = list(layout.number_columns)[1:]
        if len(given) != len(columns):
            raise EiferError(
                f"'{name}' has {layout.columns} columns but {len(given)} names are given; give one for each."
            )
        for i, title in zip(columns, given, strict=True):
            titles[i], unit = split_unit(title)
            units[i] = unit or units[i]
    return titles, units


def _time(
    name: str,
    titles: Sequence[str],
    units: Sequence[str],
    numbers: np.ndarray,
    number_columns: Sequence[int],
    words: dict[int, list[str]],
    options: Options,
    stated: bool,
) -> tuple[np.ndarray | None, int | None, str]:
    """(time values or None, their column in the file, unit text)."""
    wish = options.time_column
    if wish is False:
        return None, None, ""
    if wish is not None and wish is not True:
        column = wish if isinstance(wish, int) else next((i for i, t in enumerate(titles) if t == wish), -1)
        if not 0 <= column < len(titles):
            raise EiferError(f"'{name}' has no column '{wish}' that could be the time; check the name.")
        if column in words:
            clock = clock_seconds(words.pop(column))
            if clock is None:
                raise EiferError(f"Column '{wish}' of '{name}' holds words and cannot be the time.")
            return clock, column, "s"
        return numbers[:, number_columns.index(column)], column, units[column]
    for column in list(words):
        if (clock := clock_seconds(words[column])) is not None and _rises(clock):
            del words[column]
            return clock, column, "s"
    for k, column in enumerate(number_columns):
        title = titles[column]
        named = bool(title) and _TIME_NAME.match(title) is not None and match_name(title).muscle is None
        if named and (k == 0 or len(title) > 1):
            return (
                numbers[:, k],
                column,
                units[column] or (title.lower() if title.lower() in TIME_UNITS else ""),
            )
    nameless = not any(titles[c] for c in number_columns) or not titles[number_columns[0]]
    if nameless and len(number_columns) > 1 and not stated and options.rate is None:
        first = numbers[:, 0]
        if len(first) > 4 and _rises(first) and not _counts(first) and _is_even(first):
            return first, number_columns[0], ""
    return None, None, ""


def _rises(time: np.ndarray) -> bool:
    return len(time) > 1 and bool(np.all(np.diff(time) > 0))


def _counts(column: np.ndarray) -> bool:
    """Whether a column is 0, 1, 2, ... or 1, 2, 3, ..."""
    return (
        len(column) > 0 and column[0] in (0, 1) and bool(np.all(column == column[0] + np.arange(len(column))))
    )


def _is_even(time: np.ndarray) -> bool:
    steps = np.diff(time)
    middle = np.median(steps)
    return bool(middle > 0 and np.mean(np.abs(steps - middle) < 0.05 * middle) > 0.9)


def _index_column(
    titles: Sequence[str],
    numbers: np.ndarray,
    number_columns: Sequence[int],
    keep: Sequence[int],
    headless: bool,
) -> int | None:
    """Position in `number_columns` of a column that only counts the rows."""
    if not keep or headless:
        return None
    k = keep[0]
    named = _INDEX_NAME.match(titles[number_columns[k]].strip()) is not None
    return k if named and _counts(numbers[:, k]) else None


def _is_frame_aligned(
    names: Sequence[str], samples: np.ndarray, index_at: int | None, timed: bool, labels: Sequence[str]
) -> bool:
    """The MMM layout: numbered rows, then nothing but muscle envelopes (slightly negative at most)."""
    if index_at is None or timed or labels or not names or len(samples) == 0:
        return False
    if not all(match_name(n).muscle and match_name(n).side for n in names):
        return False
    largest = np.nanmax(np.abs(samples), initial=0.0)
    return bool(np.nanmin(samples, initial=0.0) > -0.1 * largest)


def _segments(texts: Sequence[str], seconds: np.ndarray) -> list[Annotation] | None:
    """Stretches of equal words as annotations; None if they are too many to be cues."""
    column = np.array([t.strip() for t in texts])
    edges = np.concatenate(([0], np.flatnonzero(column[1:] != column[:-1]) + 1, [len(column)]))
    if len(edges) > _MOST_SEGMENTS:
        return None
    ends = np.append(seconds, 2 * seconds[-1] - seconds[-2])
    return [
        Annotation(float(ends[a]), float(ends[b] - ends[a]), str(column[a]))
        for a, b in pairwise(edges.tolist())
        if column[a]
    ]


def _zeros(samples: np.ndarray, wish: bool | None, muscle: Sequence[bool]) -> tuple[np.ndarray, list[str]]:
    """Pose table with exact zeros as NaN, where the caller says so or they stand out."""
    columns = np.array(muscle, dtype=bool)
    values = samples[:, columns]
    zeros = values == 0
    if wish is None:
        positive = values[values > 0]
        wish = bool(
            zeros.any()
            and not (values < 0).any()
            and zeros.mean() < 0.25
            and positive.min() > 0.05 * np.median(positive)
        )
        if not wish:
            return samples, []
        note = "exact zeros stand out from the other values and were read as missing; this can be changed"
    elif wish:
        note = "zeros were read as missing, as asked"
    else:
        return samples, []
    result = samples.copy()
    result[:, columns] = np.where(zeros, np.nan, values)
    return result, [f"{int(zeros.sum())} {note}."] if zeros.any() else []
