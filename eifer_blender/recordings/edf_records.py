"""Data records of an EDF or BDF file: samples in blocks, and what their annotation signals say.

edfio reads BDF whole and keeps EDF mapped into memory, where a file that becomes shorter ends the
program; so records are read here, from positions that the checked header gives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

import numpy as np

from ..errors import EiferError, plain
from .binary import check_unchanged, read_exactly, reading, stamp_of
from .blocks import BlockSamples

_CHUNK = 2**20  # bytes that are read at once; they stay in the processor's cache until they are scaled
_LARGEST_RECORD = 2**24  # bytes; of larger records only the wanted samples are read
_SEEK = 2**14  # bytes that can be read while a file is positioned once
_TILE = 2048  # rows that are scaled at once
_MOST_PAUSES = 100_000
_MOST_EMPTY = 2**23  # rows in pauses, beside four times those of the data
_MOST_ANNOTATIONS = 100_000
_LONGEST_TEXT = 500
_TAL_HEAD = re.compile(rb"([+-][0-9]{1,24}(?:\.[0-9]{0,24})?)(?:\x15([0-9]{1,24}(?:\.[0-9]{0,24})?))?")
_NOT_ZERO = re.compile(rb"[^\x00]+")


@dataclass(frozen=True)
class RecordFile:
    """Where the data records of a file are."""

    path: Path
    header_bytes: int
    record_bytes: int
    records: int
    sample_bytes: int  # 2 in EDF, 3 in BDF; little-endian, signed
    stamp: tuple[int, int]

    @classmethod
    def of(cls, path: Path, header_bytes: int, record_bytes: int, records: int, wide: bool) -> RecordFile:
        """As the file is now."""
        return cls(path, header_bytes, record_bytes, records, 3 if wide else 2, stamp_of(path))

    def read(self, file: RawIOBase, record: int, offset: int, into: np.ndarray) -> None:
        """Bytes uint8 from `offset` in a record on; they may go on into the next records."""
        at = self.header_bytes + record * self.record_bytes + offset
        read_exactly(self.path, file, at, memoryview(into))


@dataclass(frozen=True)
class Signals:
    """Signals of one rate.

    offsets: bytes from the beginning of a record, int [k]. gains, zeros: float64 [k], a stored number
    times its gain plus its zero is the physical value. runs: int64 [pauses + 1, 3], stretches without
    a pause as (row of the stream, row counted over the records, rows).
    """

    per_record: int
    offsets: np.ndarray
    gains: np.ndarray
    zeros: np.ndarray
    runs: np.ndarray

    @property
    def rows(self) -> int:
        """Rows with the pauses."""
        return int(self.runs[-1, 0] + self.runs[-1, 2])


def record_samples(records: RecordFile, signals: Signals) -> BlockSamples:
    """Physical values that are read where they are asked for; NaN in pauses.

    They are computed in float64 and rounded once, so 24 bits and large offsets lose nothing that
    float32 can hold. Reading raises EiferError if the file has changed or become shorter.
    """
    ends = signals.runs[:, 0] + signals.runs[:, 2]

    def read(start: int, stop: int, at: np.ndarray) -> np.ndarray:
        check_unchanged(records.path, records.stamp)
        result = np.empty((stop - start, len(at)), dtype=np.float32)
        if not result.size:
            return result
        done = start
        with reading(records.path) as file:
            for run in range(int(np.searchsorted(ends, start, side="right")), len(ends)):
                row, first, rows = (int(v) for v in signals.runs[run])
                begin, end = max(start, row), min(stop, row + rows)
                if row >= stop:
                    break
                result[done - start : begin - start] = np.nan
                _fill(records, file, signals, first + begin - row, result[begin - start : end - start], at)
                done = end
        result[done - start :] = np.nan
        return result

    return BlockSamples(signals.rows, len(signals.offsets), read)


def _fill(
    records: RecordFile, file: RawIOBase, signals: Signals, first: int, out: np.ndarray, at: np.ndarray
) -> None:
    """Rows from `first` on (counted over the records) into out [rows, k]."""
    wanted = len(at) * (_SEEK + signals.per_record * records.sample_bytes)
    if records.record_bytes > _LARGEST_RECORD or wanted < records.record_bytes:
        _fill_from_parts(records, file, signals, first, out, at)
    else:
        _fill_from_records(records, file, signals, first, out, at)


def _fill_from_records(
    records: RecordFile, file: RawIOBase, signals: Signals, first: int, out: np.ndarray, at: np.ndarray
) -> None:
    """By reading whole records, some at once."""
    per_record = signals.per_record
    last = first + len(out)
    step = max(1, _CHUNK // records.record_bytes)
    end = -(-last // per_record)
    # One byte goes before the samples, since three are widened to four downwards.
    buffer = np.zeros(min(step, end - first // per_record) * records.record_bytes + 1, dtype=np.uint8)
    columns = _Columns(signals.offsets[at], signals.gains[at], signals.zeros[at])
    for record in range(first // per_record, end, step):
        count = min(step, end - record)
        records.read(file, record, 0, buffer[1 : 1 + count * records.record_bytes])
        begin, stop = max(first, record * per_record), min(last, (record + count) * per_record)
        shift = record * per_record
        for r, n, a, b in _tiles(begin - shift, stop - shift, per_record):
            row = shift + r * per_record + a - first
            view = (buffer, records.sample_bytes, r * records.record_bytes, records.record_bytes)
            _scale(view, columns, n, a, b, out[row : row + n * (b - a)])


def _fill_from_parts(
    records: RecordFile, file: RawIOBase, signals: Signals, first: int, out: np.ndarray, at: np.ndarray
) -> None:
    """By reading of each record only the samples that are wanted."""
    size, per_record = records.sample_bytes, signals.per_record
    length = max(_TILE, _CHUNK // (size * len(at)))
    row, last = first, first + len(out)
    while row < last:
        record, a = divmod(row, per_record)
        count = min(length, per_record - a, last - row)
        buffer = np.zeros(count * size * len(at) + 1, dtype=np.uint8)
        for k, column in enumerate(at):
            part = buffer[1 + k * count * size : 1 + (k + 1) * count * size]
            records.read(file, record, int(signals.offsets[column]) + a * size, part)
        columns = _Columns(np.arange(len(at)) * count * size, signals.gains[at], signals.zeros[at])
        for begin in range(0, count, _TILE):
            end = min(begin + _TILE, count)
            rows = out[row - first + begin : row - first + end]
            _scale((buffer, size, 0, 0), columns, 1, begin, end, rows)
        row += count


@dataclass(frozen=True)
class _Columns:
    """What is asked for: offsets in bytes, gains, zeros, each [k]."""

    offsets: np.ndarray
    gains: np.ndarray
    zeros: np.ndarray

    def groups(self) -> list[tuple[int, int, int]]:
        """(first, behind the last, bytes from one to the next) of columns at equal distances."""
        found, at = [], 0
        while at < len(self.offsets):
            end = at + 2
            step = int(self.offsets[at + 1] - self.offsets[at]) if end <= len(self.offsets) else 0
            while end < len(self.offsets) and self.offsets[end] - self.offsets[end - 1] == step:
                end += 1
            end = min(end, len(self.offsets))
            found.append((at, end, step))
            at = end
        return found


def _tiles(start: int, stop: int, per_record: int) -> Iterator[tuple[int, int, int, int]]:
    """Rows as (record, records, from, to): part of one record, or several short records whole."""
    row = start
    while row < stop:
        record, a = divmod(row, per_record)
        count = min((stop - row) // per_record, _TILE // per_record) if a == 0 else 0
        if count > 1:
            yield record, count, 0, per_record
            row += count * per_record
        else:
            b = min(per_record, a + _TILE, a + stop - row)
            yield record, 1, a, b
            row += b - a


def _scale(
    view: tuple[np.ndarray, int, int, int], columns: _Columns, records: int, a: int, b: int, out: np.ndarray
) -> None:
    """Samples a..b of some records, in a buffer with one byte before them, into out [rows, k]."""
    buffer, size, base, record_bytes = view
    into = out.reshape(records, b - a, len(columns.offsets))
    for first, last, step in columns.groups():
        at = base + int(columns.offsets[first]) + a * size
        shape, strides = (records, last - first, b - a), (record_bytes, step, size)
        if size == 2:
            stored = np.ndarray(shape, "<i2", buffer.data, at + 1, strides)
        else:  # four bytes of which the lowest belongs to the neighbour
            stored = np.ndarray(shape, "<i4", buffer.data, at, strides) >> 8
        values = stored * columns.gains[first:last, None]
        values += columns.zeros[first:last, None]
        into[:, :, first:last] = values.transpose(0, 2, 1)


# --- annotations and time-keeping -----------------------------------------------------------------


@dataclass(frozen=True)
class RecordNotes:
    """What the annotation signals say.

    annotations: (seconds after the first sample's record, duration, text), in the order of time.
    begins: (record, seconds) where the recording begins and after each pause.
    damaged: annotations that could not be read. unkept: records without a time.
    """

    annotations: list[tuple[float, float, str]]
    begins: list[tuple[int, float]]
    damaged: int = 0
    unkept: int = 0
    more: bool = False  # there are more annotations than are kept


def read_notes(
    records: RecordFile, offsets: Sequence[int], widths: Sequence[int], seconds: float
) -> RecordNotes:
    """Annotations and pauses; offsets and widths of the annotation signals are bytes in a record.

    A record that begins within two milliseconds of the end of the one before follows without a pause:
    files round their times. Raises EiferError if the file has changed.
    """
    found: list[tuple[float, float, str]] = []
    begins: list[tuple[int, float]] = []
    damaged = kept = 0
    expected = 0.0
    with reading(records.path) as file:
        for signal, (offset, width) in enumerate(zip(offsets, widths, strict=True)):
            last = -1
            for record, piece in _pieces(records, file, offset, width):
                tal = _tal(piece)
                if tal is None:
                    damaged += 1
                    continue
                onset, duration, texts = tal
                if signal == 0 and record != last and texts and texts[0] == b"":
                    kept += 1
                    if not begins or abs(onset - (expected + (record - last - 1) * seconds)) > 2e-3:
                        if len(begins) < _MOST_PAUSES:
                            begins.append((record, onset))
                        expected = onset
                    else:
                        expected += (record - last - 1) * seconds
                    expected += seconds
                    last = record
                if len(found) <= _MOST_ANNOTATIONS:
                    found += [(onset, duration, _decoded(t)) for t in texts if t]
    base = begins[0][1] - begins[0][0] * seconds if begins else 0.0
    found = sorted((round(onset - base, 9), duration, text) for onset, duration, text in found if text)
    more = len(found) > _MOST_ANNOTATIONS
    unkept = records.records - kept if offsets else records.records
    return RecordNotes(found[:_MOST_ANNOTATIONS], begins, damaged, unkept, more)


def _pieces(records: RecordFile, file: RawIOBase, offset: int, width: int) -> Iterator[tuple[int, bytes]]:
    """(record, bytes between zeros) of one annotation signal."""
    if width == 0:
        return
    whole = records.record_bytes <= 2 * _SEEK
    stride = records.record_bytes if whole else width
    step = max(1, _CHUNK // stride)
    buffer = np.empty(min(step, records.records) * stride, dtype=np.uint8)
    for first in range(0, records.records, step):
        count = min(step, records.records - first)
        part = buffer[: count * stride]
        if whole:
            records.read(file, first, 0, part)
            part = part.reshape(count, stride)[:, offset : offset + width]
        else:
            for k in range(count):
                records.read(file, first + k, offset, part[k * width : (k + 1) * width])
        for match in _NOT_ZERO.finditer(part.tobytes()):
            yield first + match.start() // width, match.group()


def _tal(piece: bytes) -> tuple[float, float, list[bytes]] | None:
    """(onset, duration, texts) of a time-stamped annotation list without its last zero, or None."""
    if not piece.endswith(b"\x14"):
        return None
    head, *texts = piece[:-1].split(b"\x14")
    times = _TAL_HEAD.fullmatch(head)
    if times is None or not texts:
        return None
    onset, duration = float(times[1]), float(times[2] or 0.0)
    return (onset, duration, texts) if abs(onset) < 1e9 and duration < 1e9 else None


def _decoded(text: bytes) -> str:
    """UTF-8 as the format asks, or what amplifiers wrote before; control characters become blanks."""
    text = text[:_LONGEST_TEXT]
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        decoded = text.decode("cp1252", "replace")
    return " ".join(plain(decoded).split())


def runs_of(begins: Sequence[tuple[int, float]], records: int, per_record: int, seconds: float) -> np.ndarray:
    """`Signals.runs` from (record, seconds) at the beginning and after each pause.

    A stretch that would begin before the one in front of it has ended, by no more than rounding,
    follows directly. Raises ValueError if time goes back.
    """
    base, rate = begins[0][1], per_record / seconds
    rows: list[tuple[int, int, int]] = []
    free = 0
    for k, (record, onset) in enumerate(begins):
        end = begins[k + 1][0] if k + 1 < len(begins) else records
        row = round((onset - base) * rate)
        if row < free - max(1, math.ceil(2e-3 * rate)):
            raise ValueError("time goes back")
        row = max(row, free)
        rows.append((row, record * per_record, (end - record) * per_record))
        free = row + (end - record) * per_record
    return np.array(rows, dtype=np.int64)


def refuse_gaps(path: Path, seconds: float, data: float, rate: float) -> None:
    """Raises EiferError if a recording with its pauses is far longer than its data (seconds, Hz)."""
    if seconds > 4 * data + min(600, _MOST_EMPTY / rate):
        raise EiferError(
            f"'{path.name}' has pauses far longer than its data ({seconds / 3600:.1f} h for {data:.0f} s of "
            "samples); split the file at its pauses."
        )
