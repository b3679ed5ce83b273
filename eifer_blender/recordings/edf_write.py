"""Recordings -> EDF+C with an anonymous header, block by block: long ones need no more memory."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..dependencies import require
from ..errors import EiferError, plain
from .blocks import blocks, read_rows
from .types import Annotation, Recording, Stream

_STEPS = 32767  # to either side, so that 0 stays exactly 0
_LONGEST_RECORD = 100  # seconds
_LONGEST_WHOLE = 10  # likewise, where the record could be shorter
_BLOCK = 2**20  # samples that are written at once
_WIDEST = 4096  # bytes of annotations in a data record, unless there is no room
_MOST_RECORDS = 99_999_999  # eight characters of the header


def write_edf(path: Path | str, recording: Recording, *, overwrite: bool = False) -> Path:
    """Write the streams of a recording as one EDF+C file with an anonymous header.

    Units stay those of the channels; samples are rounded to 16 bits of each channel's own range,
    missing ones (NaN) become 0, and the last value is held to the end of the last data record
    (about 1 s for whole rates, and for one rate alone). Streams are taken to start together.
    Raises EiferError if the file exists and `overwrite` is not asked for, or if EDF cannot hold
    the recording.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise EiferError(f"'{path.name}' exists already; choose another name or allow overwriting it.")
    streams = [s for s in recording.streams if s.channels]
    seconds = _record_seconds([s.rate for s in streams])
    per_record = [round((s.rate or 0) * float(seconds)) for s in streams]
    records = max(-(-len(s.samples) // n) for s, n in zip(streams, per_record, strict=True))
    if not 1 <= records <= _MOST_RECORDS:
        raise EiferError(f"EDF cannot hold {records} data records; there must be at least one.")
    bounds = [_bounds(s) for s in streams]
    lists = _annotation_lists(recording.annotations, records, seconds)
    header = _header(streams, bounds, per_record, records, seconds, len(lists[0]))
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(header)
            _write_records(file, streams, bounds, per_record, lists)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _record_seconds(rates: Sequence[float | None]) -> int | Decimal:
    """Shortest whole number of seconds that holds whole samples of all rates.

    One rate alone, such as 29.97, need not fit into whole seconds: a record then has about one second.
    """
    if not rates:
        raise EiferError("There is no channel to write.")
    if any(rate is None for rate in rates):
        raise EiferError("A table of poses has no time and cannot be written as EDF.")
    from fractions import Fraction  # slow to import, and seldom needed

    seconds = math.lcm(*(Fraction(rate or 0).limit_denominator(1000).denominator for rate in rates))
    if seconds > _LONGEST_WHOLE and len(set(rates)) == 1 and (rate := float(rates[0] or 0)) >= 1:
        return Decimal(f"{round(rate) / rate:.6f}").normalize()  # as eight characters can say it
    if seconds > _LONGEST_RECORD:
        raise EiferError("EDF cannot hold these sampling rates together; write streams with whole rates.")
    return seconds


def _bounds(stream: Stream) -> np.ndarray:
    """Largest magnitude of each channel, float64 [channels], as eight characters can say it."""
    columns = len(stream.channels)
    largest = np.zeros(columns)
    for _, block in blocks(stream.samples, max(1, _BLOCK // columns)):
        known = np.nan_to_num(block, nan=0.0)
        np.maximum(largest, np.abs(known).max(0, initial=0.0), out=largest)
    largest[largest == 0] = 1.0
    # Rounding up keeps the largest sample inside.
    return np.array([float(f"{v * 1.001:.4g}") for v in largest])


def _header(
    streams: Sequence[Stream],
    bounds: Sequence[np.ndarray],
    per_record: Sequence[int],
    records: int,
    seconds: int | Decimal,
    text_bytes: int,
) -> bytes:
    """edfio's header of one data record, with the numbers of all."""
    edfio = require("edfio")
    signals = [
        edfio.EdfSignal(
            np.zeros(n),
            n / float(seconds),
            label=_ascii(channel.name, 16),
            physical_dimension=_ascii(channel.unit, 8),
            physical_range=(-bound, bound),
            digital_range=(-_STEPS, _STEPS),
        )
        for stream, limits, n in zip(streams, bounds, per_record, strict=True)
        for channel, bound in zip(stream.channels, limits.tolist(), strict=True)
    ]
    edf = edfio.Edf(signals, annotations=(), data_record_duration=float(seconds))
    count = len(signals) + 1  # the last one holds the annotations
    header = bytearray(edf.to_bytes()[: 256 * (count + 1)])
    # edfio rounds either end outwards; alike, they keep 0 exactly 0.
    for k, bound in enumerate(np.concatenate(bounds).tolist()):
        text = f"{bound:.4g}"
        if len(text) < 8 and "e" not in text:
            lowest = 256 + 104 * count + 8 * k
            header[lowest : lowest + 8] = f"-{text}".encode().ljust(8)
            header[lowest + 8 * count : lowest + 8 * count + 8] = text.encode().ljust(8)
    header[236:244] = str(records).encode().ljust(8)
    at = 256 + 216 * count + 8 * (count - 1)
    header[at : at + 8] = str(text_bytes // 2).encode().ljust(8)
    return bytes(header)


def _write_records(
    file: BinaryIO,
    streams: Sequence[Stream],
    bounds: Sequence[np.ndarray],
    per_record: Sequence[int],
    lists: Sequence[bytes],
) -> None:
    """All data records; every signal's samples of a record follow each other."""
    starts = np.concatenate(
        [[0], np.cumsum([n * len(s.channels) for s, n in zip(streams, per_record, strict=True)])]
    )
    width = int(starts[-1]) + len(lists[0]) // 2
    step = max(1, _BLOCK // width)
    for first in range(0, len(lists), step):
        count = min(step, len(lists) - first)
        data = np.empty((count, width), dtype="<i2")
        for stream, limits, n, at in zip(streams, bounds, per_record, starts[:-1].tolist(), strict=True):
            rows = _stored(stream, limits, first * n, count * n)
            data[:, at : at + n * len(stream.channels)] = (
                rows.reshape(count, n, -1).transpose(0, 2, 1).reshape(count, -1)
            )
        texts = b"".join(lists[first : first + count])
        data[:, int(starts[-1]) :] = np.frombuffer(texts, dtype="<i2").reshape(count, -1)
        file.write(data.tobytes())


def _stored(stream: Stream, limits: np.ndarray, start: int, rows: int) -> np.ndarray:
    """int16 [rows, channels] from row `start` on; behind the end the last row is held."""
    there = min(max(len(stream.samples) - start, 0), rows)
    at = start if there else max(len(stream.samples) - 1, 0)
    block = np.nan_to_num(read_rows(stream.samples, at, at + max(there, 1)).astype(np.float64))
    stored = np.clip(np.rint(block * (_STEPS / limits)), -_STEPS, _STEPS).astype(np.int16)
    if not len(stored):
        return np.zeros((rows, len(limits)), dtype=np.int16)
    return np.pad(stored, ((0, rows - len(stored)), (0, 0)), mode="edge")


def _annotation_lists(annotations: Sequence[Annotation], records: int, seconds: int | Decimal) -> list[bytes]:
    """Bytes of the annotation signal in each record, all of the same even length.

    An annotation stands in the record in which it begins, or in a later one if there are so many in
    one place that the length would make the file much longer.
    """
    begins = [f"+{r * seconds}\x14\x14\x00".encode() for r in range(records)]
    waiting = [t for a in sorted(annotations, key=lambda a: a.onset) if (t := _annotation(a))[1]]
    longest = max([len(t) for _, t in waiting], default=0)
    width = max(_WIDEST, len(begins[-1]) + longest)
    while True:
        lists, left = _packed(begins, waiting, seconds, width)
        if not left:
            widest = max(len(text) for text in lists)
            return [text.ljust(widest + widest % 2, b"\x00") for text in lists]
        width *= 2


def _packed(
    begins: Sequence[bytes], waiting: Sequence[tuple[float, bytes]], seconds: int | Decimal, width: int
) -> tuple[list[bytes], int]:
    """(annotation signal of each record, annotations for which there was no room)."""
    lists, at = [], 0
    for record, begin in enumerate(begins):
        text = begin
        last = record == len(begins) - 1
        while at < len(waiting) and (last or waiting[at][0] < (record + 1) * seconds):
            if len(text) + len(waiting[at][1]) > width:
                break
            text += waiting[at][1]
            at += 1
        lists.append(text)
    return lists, len(waiting) - at


def _annotation(annotation: Annotation) -> tuple[float, bytes]:
    """(onset, time-stamped annotation list); empty without a text."""
    text = plain(annotation.text).strip()
    if not text or not math.isfinite(annotation.onset):
        return annotation.onset, b""
    duration = annotation.duration
    length = f"\x15{_decimal(duration)}" if math.isfinite(duration) and duration > 0 else ""
    sign = "-" if annotation.onset < 0 else "+"
    return annotation.onset, f"{sign}{_decimal(abs(annotation.onset))}{length}\x14{text}\x14\x00".encode()


def _decimal(number: float) -> str:
    """Digits and a point, as EDF+ asks."""
    return np.format_float_positional(number, unique=True, trim="-")


def _ascii(text: str, length: int) -> str:
    return text.replace("µ", "u").encode("ascii", "ignore").decode()[:length].strip()
