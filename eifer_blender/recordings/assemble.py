"""Columns that a reader found, one set for each clock -> streams, and what must still be asked for.

Readers of files that may hold several signals (MATLAB, NumPy, XDF, C3D, OTB) end here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EiferError
from .binary import MOST_BYTES, to_float32
from .blocks import BlockSamples
from .channels import make_channels
from .clock import TIME_UNITS, even_clock
from .guess import excerpt, is_muscle_signal, spare_note, split_unit, suitability
from .options import Options, per_channel
from .types import Annotation, Kind, Opened, Recording, Stream

TIME_NAME = re.compile(
    r"^(t|tt|tvec|times?|zeit|times?[_ ]?(stamps?|vec|vector|axis|s|ms|us|sec|seconds?)|zeitstempel|"
    r"t_?(s|ms|us|sec|vec)|seconds?|sekunden|secs?|msec|ms)$",
    re.IGNORECASE,
)
_MUSCLE_STREAM = re.compile(r"emg|musc|muskel|myo", re.IGNORECASE)
_LARGEST_TIME = 1e19  # nanoseconds since 1970
MOST_POSES = 2000
_MOST_CHANNELS = 4096
_FRAME_RATE = 30.0  # of the MMM and MaM data sets


@dataclass(frozen=True)
class Signals:
    """Columns on one clock as they are in the file.

    samples: numbers [n, columns] of any real type, or `BlockSamples`.
    names: one for each column, or None where the file has none.
    times: seconds of the rows float64 [n], where the file gives them; uneven ones are put on an
        even grid, so `samples` must be an array then. `time_unit` as in `clock.even_clock`.
    exact: a column of `BlockSamples` as float64.
    kinds: what the file itself says that a column is, None where it leaves it open.
    """

    name: str
    samples: np.ndarray | BlockSamples
    names: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None
    rate: float | None = None
    start: float = 0.0
    times: np.ndarray | None = None
    time_unit: str = ""
    exact: Callable[[int], np.ndarray] | None = None
    kinds: tuple[Kind | None, ...] | None = None

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.samples.shape[1]

    def titles(self) -> tuple[str, ...]:
        """Names of all columns, numbered where there are none."""
        if self.names is None:
            return tuple(f"Column {i + 1}" for i in range(self.columns))
        return tuple(n.strip()[:200] or f"Column {i + 1}" for i, n in enumerate(self.names))


def time_unit_of(name: str) -> str:
    """Unit that the name of a time variable ends with (``time_ms`` -> ``ms``), or nothing."""
    last = re.split(r"[\s_\[\]()/.]+", name.strip("[]() ").lower())[-1]
    return last if last in TIME_UNITS else ""


def assemble(
    path: Path,
    form: str,
    found: Sequence[Signals],
    options: Options,
    annotations: Sequence[Annotation] = (),
    notes: Sequence[str] = (),
    rows: Sequence[int] | None = None,
) -> Opened:
    """What a reader returns; `rows` are those of the whole file where `found` holds its beginning.

    What the caller states counts for the streams that were chosen, in the order of the file.
    Raises EiferError where the statements do not fit.
    """
    said = list(notes)
    signals = _own_names([_with_clock(path, s, options, said) for s in found])
    if sum(s.columns for s in signals) > _MOST_CHANNELS:
        raise EiferError(f"'{path.name}' has too many columns for a recording; export the EMG channels.")
    chosen = _chosen(signals, options)
    meant = _meant(signals, found, chosen, options)
    parts = _options_of(path, signals, found, meant, options)
    streams = [_stream(path, s, parts[i], said if i in chosen else []) for i, s in enumerate(signals)]
    unsure = one_owner(streams, chosen, said)
    needs, asked = _needs(signals, streams, chosen, options, unsure)
    offers = _offers(streams, chosen, asked, needs)
    marks = tuple(sorted(annotations, key=lambda a: a.onset))
    recording = Recording(tuple(streams), marks, path, form, "", tuple(dict.fromkeys(said)))
    return Opened(recording, needs, offers, None if rows is None else tuple(rows))


def likely_rate(kinds: Sequence[Kind]) -> float:
    """An offer for a file that says nothing: 30 for slow envelopes, 1000 for anything with raw EMG."""
    return 1000.0 if Kind.RAW in kinds or Kind.RECTIFIED in kinds else 30.0


# --- clock ----------------------------------------------------------------------------------------


def _with_clock(path: Path, signal: Signals, options: Options, notes: list[str]) -> Signals:
    """Signals without their time column, at an even rate if there is one."""
    signal = _without_time_column(path, signal, options)
    if signal.times is None:
        return signal
    with np.errstate(invalid="ignore"):
        possible = np.abs(signal.times) < _LARGEST_TIME
    signal = replace(signal, times=np.where(possible, signal.times, np.nan))
    if isinstance(signal.samples, BlockSamples) and not _even(signal.times):
        needed = 12 * signal.samples.rows * signal.columns  # as read, on the grid, and between
        if needed > MOST_BYTES:
            raise EiferError(
                f"The rows of '{path.name}' are not evenly spaced in time, and to put them on a grid needs "
                f"{needed / 2**30:.1f} GiB of memory; split the file, or leave out its gaps."
            )
        signal = replace(signal, samples=np.asarray(signal.samples))
    if isinstance(signal.samples, BlockSamples):
        few = np.zeros((len(signal.times), 1), dtype=np.float32)
        clock = even_clock(path.name, signal.times, signal.time_unit, few, 0)
        samples: np.ndarray | BlockSamples = signal.samples
    else:
        clock = even_clock(path.name, signal.times, signal.time_unit, to_float32(signal.samples), 0)
        samples = clock.samples
    notes += [n for n in clock.notes if n not in notes]
    return replace(signal, samples=samples, rate=clock.rate, start=clock.start, times=None)


def _without_time_column(path: Path, signal: Signals, options: Options) -> Signals:
    at = _time_column(path, signal, options)
    if at is None:
        return signal
    title = signal.titles()[at]
    unit = (signal.units[at] if signal.units else "") or split_unit(title)[1] or time_unit_of(title)
    times = _column(signal, at)
    keep = [i for i in range(signal.columns) if i != at]
    return replace(
        signal,
        samples=_columns(signal.samples, keep),
        names=None if signal.names is None else tuple(signal.names[i] for i in keep),
        units=None if signal.units is None else tuple(signal.units[i] for i in keep),
        kinds=None if signal.kinds is None else tuple(signal.kinds[i] for i in keep),
        times=times,
        time_unit=unit,
        exact=None,
    )


def _time_column(path: Path, signal: Signals, options: Options) -> int | None:
    """Column that holds the time, by the caller's word, by its name, or as a rising first column."""
    wish = options.time_column
    if wish is False or signal.columns < 2:
        return None
    titles = [split_unit(t)[0] for t in signal.titles()]
    if wish is not None and wish is not True:
        if isinstance(wish, int) and 0 <= wish < signal.columns:
            return wish
        if wish in titles:
            return titles.index(wish)
        raise EiferError(f"'{path.name}' has no column '{wish}' that could be the time; check the name.")
    if signal.times is not None:
        return None
    if signal.names is not None:
        return next((i for i, t in enumerate(titles) if TIME_NAME.match(t)), None)
    if (signal.rate or options.rate) and wish is not True:
        return None
    first = _column(signal, 0)
    if len(first) < 8 or not np.all(np.isfinite(first)) or not np.all(np.diff(first) > 0):
        return None
    counts = first[0] in (0, 1) and np.array_equal(first, first[0] + np.arange(len(first)))
    return 0 if wish is True or (not counts and _mostly_even(first)) else None


def _column(signal: Signals, at: int) -> np.ndarray:
    if signal.exact is not None:
        return signal.exact(at)
    return np.asarray(signal.samples[:, at], dtype=np.float64)


def _columns(samples: np.ndarray | BlockSamples, keep: Sequence[int]) -> np.ndarray | BlockSamples:
    if not isinstance(samples, BlockSamples):
        return samples[:, list(keep)]
    at = np.asarray(keep, dtype=np.intp)

    def read(start: int, stop: int, columns: np.ndarray) -> np.ndarray:
        return samples.read(start, stop, at[columns])

    return BlockSamples(samples.rows, len(at), read)


def _mostly_even(times: np.ndarray) -> bool:
    steps = np.diff(times)
    middle = float(np.median(steps))
    return middle > 0 and float(np.mean(np.abs(steps - middle) < 0.05 * middle)) > 0.9


def _even(times: np.ndarray) -> bool:
    """Whether all rows lie on an even grid without gaps."""
    if len(times) < 2 or not np.all(np.isfinite(times)) or times[-1] <= times[0]:
        return False
    position = (times - times[0]) * ((len(times) - 1) / (times[-1] - times[0]))
    return bool(np.all(np.abs(position - np.arange(len(times))) < 0.4))


# --- statements of the caller ---------------------------------------------------------------------


def _own_names(signals: Sequence[Signals]) -> list[Signals]:
    """Streams that share a name get numbers, so that each can be chosen."""
    seen: dict[str, int] = {}
    result = []
    for signal in signals:
        name = signal.name
        seen[signal.name] = seen.get(signal.name, 0) + 1
        if seen[signal.name] > 1:
            name = f"{signal.name} {seen[signal.name]}"
        result.append(replace(signal, name=name))
    return result


def _chosen(signals: Sequence[Signals], options: Options) -> list[int]:
    """Streams for which the statements count; `reader` refuses names that are not there."""
    if options.streams is None:
        return list(range(len(signals)))
    return [i for i, s in enumerate(signals) if any(one in (i, s.name) for one in options.streams)]


def _meant(
    signals: Sequence[Signals], found: Sequence[Signals], chosen: list[int], options: Options
) -> list[int]:
    """Streams whose channels a list counts: all, or the one that has so many columns."""
    lists = (options.names, options.kinds, options.units, options.muscles)
    lengths = {len(given) for given in lists if isinstance(given, Sequence) and not isinstance(given, str)}
    if len(chosen) < 2 or len(lengths) != 1 or sum(signals[i].columns for i in chosen) in lengths:
        return chosen
    fits = [i for i in chosen if lengths & {signals[i].columns, found[i].columns}]
    hinted = [i for i in fits if _MUSCLE_STREAM.search(signals[i].name)]
    return hinted if len(hinted) == 1 else fits if len(fits) == 1 else chosen


def _options_of(
    path: Path, signals: Sequence[Signals], found: Sequence[Signals], chosen: Sequence[int], options: Options
) -> list[Options]:
    """Options of each stream: lists and mappings over all channels that are meant, cut into pieces."""
    names = _given_names(path, signals, found, chosen, options)
    titles = names or [t for i in chosen for t in signals[i].titles()]
    kinds = per_channel(options.kinds, titles, "kind")
    units = per_channel(options.units, titles, "unit")
    muscles = per_channel(options.muscles, titles, "muscle")
    result = [
        Options(rate=s.rate or options.rate, poses=options.poses, frame_aligned=options.frame_aligned)
        for s in signals
    ]
    at = 0
    for i in chosen:
        part = slice(at, at + signals[i].columns)
        at = part.stop
        result[i] = replace(
            options,
            names=names[part] if names else None,
            kinds=kinds[part] if options.kinds is not None else None,
            units=units[part] if options.units is not None else None,
            muscles=muscles[part] if options.muscles is not None else None,
            rate=_rate_of(signals[i], [signals[k] for k in chosen], options),
        )
    return result


def _given_names(
    path: Path, signals: Sequence[Signals], found: Sequence[Signals], chosen: Sequence[int], options: Options
) -> list[str] | None:
    if options.names is None:
        return None
    names = [str(n) for n in options.names]
    columns = sum(signals[i].columns for i in chosen)
    if len(names) != columns and len(chosen) == 1 and len(names) == found[chosen[0]].columns:
        # The time column was counted too.
        at = _time_column(path, found[chosen[0]], options)
        names = [n for i, n in enumerate(names) if i != at]
    if len(names) != columns:
        hint = "; choose the stream, or" if len(chosen) > 1 else ";"
        raise EiferError(
            f"'{path.name}' has {columns} columns but {len(names)} names are given{hint} give one for each."
        )
    return names


def _rate_of(signal: Signals, chosen: Sequence[Signals], options: Options) -> float | None:
    """The stated rate, for the streams that it can mean."""
    if options.rate is None:
        return None
    known = [s.rate for s in chosen if s.rate]
    if len(known) < len(chosen):
        return signal.rate or options.rate
    if len(set(known)) > 1:
        raise EiferError("This file has signals of several rates; leave the rate to the file or choose one.")
    return options.rate


# --- streams --------------------------------------------------------------------------------------


def _stream(path: Path, signal: Signals, options: Options, notes: list[str]) -> Stream:
    rate = options.rate or signal.rate
    frame_aligned = bool(options.frame_aligned)
    if frame_aligned and rate is None:
        rate = _FRAME_RATE
    poses = bool(options.poses) and rate is None
    titles = list(options.names) if options.names is not None else list(signal.titles())
    units = list(signal.units) if signal.units is not None else [""] * len(titles)
    for i, title in enumerate(titles):
        if not units[i] or options.names is not None:
            titles[i], unit = split_unit(title)
            units[i] = unit or units[i]
    samples = signal.samples if isinstance(signal.samples, BlockSamples) else to_float32(signal.samples)
    if poses and len(samples) > MOST_POSES:
        raise EiferError(f"'{path.name}' has {len(samples)} rows, too many for poses; give its rate instead.")
    if signal.kinds is not None:
        given = per_channel(options.kinds, titles, "kind")
        options = replace(options, kinds=[g or k for g, k in zip(given, signal.kinds, strict=True)])
    channels, samples, more = make_channels(
        titles, units, samples, None if poses else rate, options, poses or frame_aligned
    )
    notes += more
    labels = tuple(f"Pose {i + 1}" for i in range(len(samples))) if poses else ()
    if poses and options.zeros_missing:
        samples = np.asarray(samples).copy()
        muscle = [i for i, c in enumerate(channels) if c.muscle or c.site]
        samples[:, muscle] = np.where(samples[:, muscle] == 0, np.nan, samples[:, muscle])
    return Stream(channels, samples, rate, signal.start, frame_aligned, labels, signal.name)


def one_owner(streams: list[Stream], chosen: Sequence[int], notes: list[str]) -> bool:
    """Give every muscle to one of the chosen streams; whether nothing but the order of the file decided.

    `streams` and `notes` are changed in place.
    """
    best: dict[str, tuple[int, bool, float, int]] = {}
    unsure = False
    for i in chosen:
        for channel in streams[i].channels:
            muscle = channel.muscle
            if muscle is None:
                continue
            rank = suitability(channel.kind, streams[i].rate)
            claim = (rank, not _MUSCLE_STREAM.search(streams[i].name), -(streams[i].rate or 0.0), i)
            if muscle in best:
                # Two of one stream are the electrodes of a pair.
                unsure |= claim[:3] == best[muscle][:3] and best[muscle][3] != i
                best[muscle] = min(best[muscle], claim)
            else:
                best[muscle] = claim
    spare = []
    for i in chosen:
        channels = list(streams[i].channels)
        for k, channel in enumerate(channels):
            if channel.muscle and best[channel.muscle][3] != i:
                spare.append(channel.name)
                channels[k] = replace(channel, muscle=None)
        streams[i] = replace(streams[i], channels=tuple(channels))
    if spare:
        notes.append(spare_note(spare))
    return unsure


def _needs(
    signals: Sequence[Signals],
    streams: Sequence[Stream],
    chosen: Sequence[int],
    options: Options,
    unsure: bool,
) -> tuple[tuple[str, ...], list[int]]:
    """(arguments that must be stated first, streams that they are asked for)."""
    needs = []
    holders = [i for i in chosen if any(is_muscle_signal(c) for c in streams[i].channels)] or list(chosen)
    named = [i for i in holders if any(c.muscle or c.site for c in streams[i].channels)]
    if not named and len(holders) > 1:
        hinted = [i for i in holders if _MUSCLE_STREAM.search(streams[i].name)]
        unsure = len(hinted) != 1
        holders = hinted if len(hinted) == 1 else holders
    asked = named or holders
    if any(streams[i].rate is None and not streams[i].labels for i in asked):
        needs.append("rate")
    stated = options.names is not None or options.muscles is not None
    if not named and not stated and any(signals[i].names is None for i in asked):
        needs.append("names")
    if unsure and options.streams is None:
        needs.append("streams")
    return tuple(needs), asked


def _offers(
    streams: Sequence[Stream], chosen: Sequence[int], asked: Sequence[int], needs: Sequence[str]
) -> dict[str, object]:
    offers: dict[str, object] = {}
    if "rate" in needs:
        known = [
            c.kind
            for i in chosen
            for k, c in enumerate(streams[i].channels)
            if streams[i].rate is None and len(excerpt(streams[i].samples[:64, k])) > 1
        ]
        offers["rate"] = likely_rate(known)
    if "streams" in needs:
        offers["streams"] = (streams[_likeliest(streams, chosen)].name,)
    if "names" in needs:
        of = [_likeliest(streams, chosen)] if "streams" in needs else asked
        offers["names"] = tuple(c.name for i in of for c in streams[i].channels)
    return offers


def _likeliest(streams: Sequence[Stream], chosen: Sequence[int]) -> int:
    """Stream that most probably holds the EMG: by its name, its muscles, its size."""

    def order(i: int) -> tuple[Any, ...]:
        stream = streams[i]
        muscles = sum(c.muscle is not None for c in stream.channels)
        signals = sum(is_muscle_signal(c) for c in stream.channels)
        return bool(_MUSCLE_STREAM.search(stream.name)), muscles, stream.rate or 0.0, signals, -i

    return max(chosen, key=order)
