"""Text table -> `Recording`: which column is time, at what rate, frame-aligned or poses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import EiferError
from ..muscle_names import match_name
from ..spaces import ARKIT_NAMES
from .assemble import MOST_POSES, Signals, assemble, likely_rate
from .channels import make_channels
from .clock import CLOCK_UNIT, TIME_UNITS, clock_seconds, even_clock
from .guess import split_unit
from .options import Options
from .rows import Rows, read_rows
from .text import HEAD_BYTES, TIME_NAME, TextLayout, find_layout, is_time_title
from .types import Annotation, Opened, Recording, Stream

FRAME_RATE = 30.0  # of the MMM and MaM data sets
_MOST_SEGMENTS = 5000

_INDEX_NAME = re.compile(
    r"^(|unnamed: ?\d+|index|idx|frame|frames|frame.?(no|nr|number|index)?|#|row|nr|no|nseq|"
    r"samples?.?(no|nr|number|index|count|counter|nummer)?|(packet|row|line|zeilen?).?(no|nr|number|index|nummer)?)$",
    re.I,
)
_SHAPES = {name.casefold() for name in ARKIT_NAMES}
_COEFFICIENT = re.compile(r"exp(r|ression)?\d{1,3}")  # of a parametric face
_MANY_SHAPES = 10  # more than a coincidence
_MOST_CLOCKS = 256  # columns that are kept as float64 because they may be times


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


def open_text(path: Path, options: Options, look: bool, head: bytes) -> Opened:
    """A text table; a look reads the beginning only and estimates the rest.

    Raises EiferError, one sentence, if there is no table in the file or it is damaged.
    """
    layout = find_layout(path, head)
    _refuse_faces(path.name, layout.names or ())
    size = path.stat().st_size
    whole = not look or size <= HEAD_BYTES
    rows = read_rows(path, layout, _clocks(layout, options), None if whole else HEAD_BYTES, size)
    opened = _paired(path, layout, rows, options) if layout.ragged else None
    if opened is None:
        recording, needs = build(path, layout, rows, options)
        guesses: dict[str, object] = {}
        if "rate" in needs:
            guesses["rate"] = likely_rate([c.kind for c in recording.streams[0].channels])
        if "names" in needs:
            guesses["names"] = tuple(c.name for c in recording.streams[0].channels)
        opened = Opened(recording, needs, guesses)
    if whole:
        return opened
    # The beginning of a file always holds fewer samples than the file announces.
    recording = opened.recording
    notes = tuple(n for n in recording.notes if not n.startswith("The file announces"))
    counts = tuple(int(len(s.samples) * size / HEAD_BYTES) for s in recording.streams)
    return replace(opened, recording=replace(recording, notes=notes), rows=counts)


def _refuse_faces(name: str, titles: Sequence[str]) -> None:
    """EiferError if a table holds expressions of a face, and not beside the muscles that made them."""
    plain = {title: "".join(c for c in title.casefold() if c.isalnum()) for title in titles}
    faces = {title for title, text in plain.items() if text in _SHAPES or _COEFFICIENT.fullmatch(text)}
    if len(faces) >= _MANY_SHAPES and not any(match_name(t).channel for t in plain.keys() - faces):
        raise EiferError(
            f"'{name}' holds facial expressions, not a recording of muscles: "
            "read the muscle activity that they show with 'Estimate from File'."
        )


def _clocks(layout: TextLayout, options: Options) -> list[int]:
    """Columns that may turn out to be times, which float32 cannot hold."""
    titles = layout.names or ("",) * layout.columns
    at = {layout.number_columns[0], *(i for i, t in enumerate(titles) if t and is_time_title(t))}
    wish = options.time_column
    if isinstance(wish, int) and not isinstance(wish, bool):
        at.add(wish)
    for i, title in enumerate(options.names or ()):
        if title == wish or is_time_title(str(title)):
            at |= {i, i + 1, *layout.number_columns[i : i + 2]}
    at |= {i for i, t in enumerate(titles) if t and wish in (t, split_unit(t)[0])}
    return sorted(c for c in at if c in layout.number_columns)[:_MOST_CLOCKS]


def _paired(path: Path, layout: TextLayout, rows: Rows, options: Options) -> Opened | None:
    """Signals that have a time column each, at their own rates; None if the columns are not so."""
    titles, units = _titles(path.name, layout, replace(options, names=None), rows)
    clocks = [c for c in layout.number_columns if is_time_title(layout.names[c] if layout.names else "")]
    if len(clocks) < 2 or any(c not in rows.exact for c in clocks) or options.time_column is not None:
        return None
    groups: list[tuple[np.ndarray, str, list[int]]] = []
    for c, after in zip(clocks, [*clocks[1:], layout.columns], strict=True):
        columns = [i for i in layout.number_columns if c < i < after]
        times = rows.exact[c][: _rising(rows.exact[c])]
        if len(times) < 2 or not columns:
            continue
        same = next((g for g in groups if np.array_equal(g[0], times)), None)
        if same is not None:
            same[2].extend(columns)
        else:
            groups.append((times, units[c], columns))
    if not groups:
        return None
    place = {c: k for k, c in enumerate(layout.number_columns)}
    found = [
        Signals(
            _kind_of_signals([titles[c] for c in columns], path.stem),
            rows.numbers[: len(times), [place[c] for c in columns]],
            tuple(titles[c] or f"Column {c + 1}" for c in columns),
            tuple(units[c] for c in columns),
            times=times,
            time_unit=unit,
        )
        for times, unit, columns in groups
    ]
    opened = assemble(path, layout.format, found, options, notes=(*layout.notes, *rows.notes))
    return replace(opened, recording=replace(opened.recording, sha256=rows.sha256))


def _rising(time: np.ndarray) -> int:
    """Rows up to the end of a signal: shorter columns end in empty cells or in zeros."""
    wrong = ~(np.diff(time, prepend=-np.inf) > 0)
    return int(np.argmax(wrong)) if wrong.any() else len(time)


def _kind_of_signals(titles: Sequence[str], otherwise: str) -> str:
    """A name for a stream: what its channels have in common, such as EMG or ACC."""
    found = [re.findall(r"EMG|ACC|GYRO|MAG|IMU|ORIENTATION|EKG|ECG|FSR", t.upper()) for t in titles]
    kinds = {f[0] for f in found if f}
    return kinds.pop() if len(kinds) == 1 else otherwise


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
        measured = [bool(c.muscle or c.site) for c in channels]
        samples, zero_notes = _zeros(samples, options.zeros_missing, measured)
        notes = [*notes, *zero_notes]
        rate = None
        if len(samples) > MOST_POSES:
            raise EiferError(
                f"'{path.name}' has {len(samples)} rows, too many for poses; give its rate instead."
            )
    stream = Stream(channels, samples, rate, table.start, frame_aligned, labels if poses else (), path.stem)
    needs = tuple(n for n in table.needs if not (n == "rate" and (poses or rate)))
    said = (*layout.notes, *rows.notes, *table.notes, *notes)
    return Recording((stream,), table.annotations, path, layout.format, rows.sha256, said), needs


def arrange(name: str, layout: TextLayout, rows: Rows, options: Options) -> Table:
    """Settle the role of every column. Raises EiferError where the caller's words do not fit."""
    titles, units = _titles(name, layout, options, rows)
    number_columns = list(layout.number_columns)
    notes: list[str] = []
    words = dict(rows.words)
    stated = 1.0 / layout.interval if layout.interval else None
    time, time_at, time_unit = _time(
        name, titles, units, rows, number_columns, words, options, stated is not None
    )
    keep = [k for k, c in enumerate(number_columns) if c != time_at]
    index_at = _index_column(titles, rows, number_columns, keep, layout.names is None)
    if index_at is not None and len(keep) > 1:
        keep.remove(index_at)
    rate, start = options.rate or stated, 0.0
    samples = _keep(rows.numbers, keep)
    if time is not None:
        clock = even_clock(name, time, time_unit, samples, layout.first_line, stated)
        start, samples, seconds = clock.start, clock.samples, clock.seconds
        notes += clock.notes
        rate = options.rate or clock.rate
    elif rate and words:
        seconds = np.arange(len(samples)) / rate
    else:
        seconds = None
    columns = [number_columns[k] for k in keep]
    names = tuple(titles[c] or f"Column {c + 1}" for c in columns)
    labels: tuple[str, ...] = ()
    if time is None and rate is None and words and len(samples) <= MOST_POSES and 0 in words:
        labels = tuple(w or f"Pose {i + 1}" for i, w in enumerate(_decoded(words.pop(0), layout)))
    counts = index_at is not None and _counts(_column(rows, number_columns, index_at))
    frame_aligned = counts and _is_frame_aligned(names, samples, time is not None, labels)
    if frame_aligned and rate is None:
        rate = FRAME_RATE
        notes.append(f"Rows are numbered frames of muscle envelopes: read as {FRAME_RATE:g} frames a second.")
    annotations: list[Annotation] = []
    for c, texts in words.items():
        segments = _segments(texts, seconds, layout) if seconds is not None and len(seconds) > 1 else None
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


def _column(rows: Rows, number_columns: Sequence[int], k: int) -> np.ndarray:
    """One column of numbers [n], as float64 where it was kept so."""
    exact = rows.exact.get(number_columns[k])
    return rows.numbers[:, k] if exact is None else exact


def _keep(numbers: np.ndarray, keep: Sequence[int]) -> np.ndarray:
    """Some columns [n, k], in the memory of all."""
    n, width = numbers.shape
    if len(keep) == width:
        return numbers
    flat = numbers.reshape(-1)
    for begin in range(0, n, 10_000):
        part = numbers[begin : begin + 10_000][:, keep]
        flat[begin * len(keep) : begin * len(keep) + part.size] = part.ravel()
    return flat[: n * len(keep)].reshape(n, len(keep))


def _decoded(words: np.ndarray, layout: TextLayout) -> list[str]:
    encoding = "utf-8" if "16" in layout.encoding else layout.encoding
    return [w.decode(encoding, "replace") for w in words.tolist()]


def _titles(name: str, layout: TextLayout, options: Options, rows: Rows) -> tuple[list[str], list[str]]:
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
        elif len(given) == len(layout.number_columns) - 1 and _rises(_column(rows, layout.number_columns, 0)):
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
    rows: Rows,
    number_columns: Sequence[int],
    words: dict[int, np.ndarray],
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
            return clock, column, CLOCK_UNIT
        return _column(rows, number_columns, number_columns.index(column)), column, units[column]
    for column in list(words):
        if (clock := clock_seconds(words[column])) is not None and _rises(clock):
            del words[column]
            return clock, column, CLOCK_UNIT
    for k, column in enumerate(number_columns):
        title = titles[column]
        named = bool(title) and TIME_NAME.match(title) is not None and match_name(title).muscle is None
        if named and (k == 0 or len(title) > 1):
            return (
                _column(rows, number_columns, k),
                column,
                units[column] or (title.lower() if title.lower() in TIME_UNITS else ""),
            )
    nameless = not any(titles[c] for c in number_columns) or not titles[number_columns[0]]
    if nameless and len(number_columns) > 1 and not stated and options.rate is None:
        first = _column(rows, number_columns, 0)
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


def _is_counter(column: np.ndarray) -> bool:
    """Whether a column counts the rows, perhaps from 0 again and again."""
    if _counts(column):
        return True
    steps = np.diff(column)
    return (
        len(steps) > 8 and bool(np.mean(steps == 1) > 0.8) and bool(np.all((steps > 0) | (column[1:] <= 1)))
    )


def _is_even(time: np.ndarray) -> bool:
    steps = np.diff(time)
    middle = np.median(steps)
    return bool(middle > 0 and np.mean(np.abs(steps - middle) < 0.05 * middle) > 0.9)


def _index_column(
    titles: Sequence[str],
    rows: Rows,
    number_columns: Sequence[int],
    keep: Sequence[int],
    headless: bool,
) -> int | None:
    """Position in `number_columns` of a column that only counts the rows."""
    if not keep or headless:
        return None
    k = keep[0]
    named = _INDEX_NAME.match(titles[number_columns[k]].strip()) is not None
    return k if named and _is_counter(_column(rows, number_columns, k)) else None


def _is_frame_aligned(names: Sequence[str], samples: np.ndarray, timed: bool, labels: Sequence[str]) -> bool:
    """The MMM layout: numbered rows, then nothing but muscle envelopes (slightly negative at most)."""
    if timed or labels or not names or len(samples) == 0:
        return False
    if not all(match_name(n).muscle and match_name(n).side for n in names):
        return False
    largest = np.nanmax(np.abs(samples), initial=0.0)
    return bool(np.nanmin(samples, initial=0.0) > -0.1 * largest)


def _segments(texts: np.ndarray, seconds: np.ndarray, layout: TextLayout) -> list[Annotation] | None:
    """Stretches of equal words (bytes [n]) as annotations; None if they are too many to be cues."""
    edges = np.concatenate(([0], np.flatnonzero(texts[1:] != texts[:-1]) + 1, [len(texts)]))
    if len(edges) > _MOST_SEGMENTS:
        return None
    labels = [w.strip() for w in _decoded(texts[edges[:-1]], layout)]
    ends = np.append(seconds, 2 * seconds[-1] - seconds[-2])
    return [
        Annotation(float(ends[a]), float(ends[b] - ends[a]), label)
        for (a, b), label in zip(pairwise(edges.tolist()), labels, strict=True)
        if label
    ]


def _zeros(samples: np.ndarray, wish: bool | None, measured: Sequence[bool]) -> tuple[np.ndarray, list[str]]:
    """Pose table with exact zeros as NaN, where the caller says so or they stand out."""
    columns = np.array(measured, dtype=bool)
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
