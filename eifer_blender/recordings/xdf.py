"""XDF recordings (Lab Streaming Layer) through pyxdf: several streams on one clock, with markers.

pyxdf believes what a file announces and searches on where it does not understand; so every chunk is
looked at first, and pyxdf gets only chunks that are what they say. Host, source and subject of a
stream are never read.
"""

from __future__ import annotations

import io
import logging
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..dependencies import require
from ..errors import EiferError
from .assemble import Signals, assemble
from .binary import MOST_BYTES, Damaged, to_float32
from .clock import even_clock
from .options import Options, is_rate
from .plain_xml import LONGEST_XML, parse_xml, text_of
from .types import Annotation, Kind, Opened

_MAGIC = b"XDF:"
_FILE_HEADER, _STREAM_HEADER, _SAMPLES, _CLOCK, _BOUNDARY, _FOOTER = 1, 2, 3, 4, 5, 6
_FORMATS = {"double64": 8, "float32": 4, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "string": 0}
_MOST_STREAMS = 256
_MOST_CHUNKS = 20_000_000
_MOST_OFFSETS = 100_000
_MOST_JUMPS = 5000
_MOST_MARKERS = 100_000
_MOST_CHANNELS = 4096
_LOOK_ROWS = 4096
_MARKER_TYPE = re.compile(r"marker|event|stim|trigger|keyboard|annot|label", re.IGNORECASE)
# Types that no amplifier gives its EMG; an EEG amplifier often does call it EEG.
_NO_EMG = re.compile(
    r"gaze|eye|pupil|mocap|motion|accel|gyro|imu|audio|video|temperature|position", re.IGNORECASE
)
_HALF_FRAME_S = 1 / 120  # a clock may stray so far from the nominal rate before the real one is taken


@dataclass
class _Stream:
    """What the header and the chunks of one stream say."""

    name: str
    kind: str  # content type: EMG, EEG, Markers, ...
    channels: int
    rate: float  # nominal, 0: irregular
    form: str
    labels: tuple[str, ...] | None
    units: tuple[str, ...] | None
    rows: int = 0
    bytes: int = 0
    offsets: int = 0
    jumps: int = 0
    last: float | None = None
    chunks: list[tuple[int, int, int]] = field(default_factory=list)  # of samples: begin, end, rows

    @property
    def title(self) -> str:
        """Name and type, where the name does not contain it."""
        kind = self.kind.strip()
        return f"{self.name} ({kind})" if kind and kind.lower() not in self.name.lower() else self.name


@dataclass
class _Scan:
    """The chunks of a file that are to be read."""

    streams: dict[int, _Stream] = field(default_factory=dict)
    others: list[tuple[int, int]] = field(default_factory=list)  # headers and clock offsets: begin, end


def is_xdf(path: Path, head: bytes) -> bool:
    """Whether the first bytes are those of an XDF file."""
    return head.startswith(_MAGIC)


def open_xdf(path: Path, options: Options, look: bool = False) -> Opened:
    """A stream for each numeric stream of the file; streams of texts and codes become annotations.

    A look reads the beginning of each stream only.
    """
    try:
        scan = _scan(path)
    except Damaged as error:
        raise EiferError(f"'{path.name}' is a damaged XDF file: {error}; copy or record it again.") from None
    _check_memory(path, scan, look)
    loaded = _load(path, scan, look)
    notes: list[str] = []
    annotations: list[Annotation] = []
    first = min((t[0] for k, t, _ in loaded if len(t) and not _is_marker(scan.streams[k])), default=None)
    if first is None:
        first = min((t[0] for _, t, _ in loaded if len(t)), default=0.0)
    signals, rows = [], []
    for key, times, values in loaded:
        stream = scan.streams[key]
        if stream.form == "string" or (_is_marker(stream) and _few(values)):
            annotations += _markers(stream, times - first, values)
        elif len(times) > 1 and (signal := _signals(path, stream, times - first, values, notes)) is not None:
            signals.append(signal)
            rows.append(max(stream.rows, len(signal.samples)))
    if not signals:
        raise EiferError(f"'{path.name}' holds no signals, only markers; choose the file with the signals.")
    if len(annotations) > _MOST_MARKERS:
        notes.append(f"Only the first {_MOST_MARKERS} markers were read.")
    marks = sorted(annotations, key=lambda a: a.onset)[:_MOST_MARKERS]
    return assemble(path, "XDF", signals, options, marks, notes, rows if look else None)


# --- what pyxdf reads -----------------------------------------------------------------------------


def _check_memory(path: Path, scan: _Scan, look: bool) -> None:
    if look:
        return
    needed = 0
    for s in scan.streams.values():
        each = s.channels * (2 * _FORMATS[s.form] + 4) + 80 if s.form != "string" else 300 * s.channels
        needed += s.rows * each
    if needed > MOST_BYTES:
        raise EiferError(
            f"'{path.name}' would need {needed / 2**30:.1f} GiB of memory; save the EMG stream as EDF or "
            "BrainVision, which are read in blocks."
        )


def _load(path: Path, scan: _Scan, look: bool) -> list[tuple[int, np.ndarray, Any]]:
    """(number of the stream, seconds float64 [n], values) of every stream through pyxdf."""
    pyxdf = require("pyxdf")
    ranges = list(scan.others)
    for stream in scan.streams.values():
        read = 0
        for begin, end, rows in stream.chunks:
            if look and read >= _LOOK_ROWS:
                break
            ranges.append((begin, end))
            read += rows
    try:
        with path.open("rb") as file, _silence(), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            parts = io.BufferedReader(_Parts(file, [(0, len(_MAGIC)), *sorted(ranges)]), 1 << 18)
            streams, _ = pyxdf.load_xdf(parts)
    except Exception as error:  # pyxdf raises whatever a damaged stream leads to
        raise EiferError(
            f"'{path.name}' is a damaged XDF file ({type(error).__name__}); copy or record it again."
        ) from None
    loaded = []
    for one in streams:
        key, times = one["info"]["stream_id"], np.asarray(one["time_stamps"], dtype=np.float64)
        if not np.all(np.isfinite(times)) or np.any(np.abs(times) > 1e12):
            raise EiferError(
                f"Stream '{scan.streams[key].title[:40]}' of '{path.name}' has impossible time stamps; "
                "record or export it again."
            )
        loaded.append((key, times, one["time_series"]))
    return loaded


@contextmanager
def _silence() -> Iterator[None]:
    """pyxdf's log quotes what it reads; users get one sentence instead."""
    logger = logging.getLogger("pyxdf")
    level, passes = logger.level, logger.propagate
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate = passes


class _Parts(io.RawIOBase):
    """Some stretches of a file as one file."""

    def __init__(self, file: BinaryIO, ranges: list[tuple[int, int]]) -> None:
        self.file = file
        self.begins = np.array([begin for begin, _ in ranges])
        self.ends = np.cumsum([end - begin for begin, end in ranges])  # in the one file
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self.at}.get(whence, int(self.ends[-1]))
        self.at = max(origin + offset, 0)
        return self.at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        k = int(np.searchsorted(self.ends, self.at, side="right"))
        if k == len(self.ends):
            return 0
        left = int(self.ends[k]) - self.at
        before = int(self.ends[k - 1]) if k else 0
        self.file.seek(int(self.begins[k]) + self.at - before)
        got = self.file.readinto(memoryview(buffer)[: min(left, len(buffer))])
        self.at += got
        return got


# --- streams --------------------------------------------------------------------------------------


def _is_marker(stream: _Stream) -> bool:
    """Whether a stream says what happened."""
    if stream.form == "string":
        return True
    return stream.rate == 0 and bool(_MARKER_TYPE.search(f"{stream.kind} {stream.name}"))


def _few(values: np.ndarray) -> bool:
    return len(values) <= _MOST_MARKERS and values.ndim == 2 and values.shape[1] <= 8


def _markers(stream: _Stream, times: np.ndarray, values: Any) -> list[Annotation]:  # noqa: ANN401
    result = []
    for onset, row in zip(times[:_MOST_MARKERS].tolist(), values[:_MOST_MARKERS], strict=True):
        parts = [v.strip() if isinstance(v, str) else f"{v:g}" for v in row]
        text = " ".join(p for p in parts if p)[:200]
        if text and stream.form != "string":
            text = f"{stream.name} {text}"
        if text:
            result.append(Annotation(float(onset), 0.0, " ".join(text.split())))
    return result


def _signals(
    path: Path, stream: _Stream, times: np.ndarray, values: np.ndarray, notes: list[str]
) -> Signals | None:
    """A stream at an even rate; gaps are NaN."""
    samples = to_float32(np.asarray(values))
    if np.any(np.diff(times) < 0):
        raise EiferError(
            f"The time stamps of stream '{stream.title[:40]}' in '{path.name}' run back; record or export it "
            "again."
        )
    if stream.rate > 0 and times[-1] > times[0]:
        rate, samples = _regular(path, stream, times, samples, notes)
        start = float(times[0])
    else:
        try:
            clock = even_clock(path.name, times, "s", samples, 0)
        except EiferError:
            notes.append(f"Stream '{stream.title[:40]}' has no steady clock and was left out.")
            return None
        rate, start, samples = clock.rate, clock.start, clock.samples
        notes += clock.notes
    kinds = (Kind.OTHER,) * stream.channels if _NO_EMG.search(stream.kind) else None
    return Signals(stream.title, samples, stream.labels, stream.units, rate, start, kinds=kinds)


def _regular(
    path: Path, stream: _Stream, times: np.ndarray, samples: np.ndarray, notes: list[str]
) -> tuple[float, np.ndarray]:
    """(rate, samples with gaps as NaN) of a stream whose nominal rate is known.

    The nominal rate is taken where it is true; a clock that strays from it by half a video frame
    over the recording is taken as it is.
    """
    steps = np.diff(times)
    close = steps < max(1.0, 500 / stream.rate)
    measured = (
        float(np.count_nonzero(close) / steps[close].sum()) if np.any(steps[close] > 0) else stream.rate
    )
    seconds = len(times) / stream.rate
    rate = stream.rate
    if abs(measured / stream.rate - 1) * seconds > _HALF_FRAME_S and is_rate(measured):
        rate = measured
        notes.append(f"'{stream.title[:40]}' ran at {rate:.6g} Hz, not at {stream.rate:g} Hz.")
    position = np.rint((times - times[0]) * rate).astype(np.int64)
    if np.all(close):
        return rate, samples
    count = int(position[-1]) + 1
    if count > 10 * len(times) + 1000 or count * samples.shape[1] * 4 > MOST_BYTES:
        raise EiferError(
            f"Stream '{stream.title[:40]}' of '{path.name}' has pauses far longer than its data; split the "
            "file at the pauses."
        )
    result = np.full((count, samples.shape[1]), np.nan, dtype=np.float32)
    result[position] = samples
    notes.append(
        f"Stream '{stream.title[:40]}' has {int(np.count_nonzero(~close))} pauses, which stay empty."
    )
    return rate, result


# --- looking at every chunk -----------------------------------------------------------------------


def _scan(path: Path) -> _Scan:
    """Streams and chunks of a file. Raises Damaged where a chunk is not what it says."""
    size = path.stat().st_size
    scan = _Scan()
    chunks = 0
    with path.open("rb") as file:
        file.seek(len(_MAGIC))
        while file.tell() < size:
            begin = file.tell()
            length = _varlen(file)
            end = file.tell() + length
            if length < 2 or end > size:
                raise Damaged("it is cut off" if end > size else "a chunk has no content")
            tag = struct.unpack("<H", file.read(2))[0]
            chunks += 1
            if chunks > _MOST_CHUNKS:
                raise Damaged("it has too many parts")
            _chunk(file, scan, tag, begin, end)
            file.seek(end)
    if not scan.streams:
        raise Damaged("it holds no streams")
    return scan


def _varlen(file: BinaryIO) -> int:
    """A number after the number of its bytes."""
    size = file.read(1)
    form = {b"\x01": "<B", b"\x04": "<I", b"\x08": "<Q"}.get(size)
    if form is None:
        raise Damaged("it is cut off" if not size else "a length is unreadable")
    data = file.read(size[0])
    if len(data) < size[0]:
        raise Damaged("it is cut off")
    return struct.unpack(form, data)[0]


def _chunk(file: BinaryIO, scan: _Scan, tag: int, begin: int, end: int) -> None:
    """Check one chunk and note it, if it is of any use."""
    if tag not in (_STREAM_HEADER, _SAMPLES, _CLOCK):
        return  # file header, boundaries, footers: nothing is needed from them
    number = file.read(4)
    if len(number) < 4 or file.tell() > end:
        raise Damaged("a chunk has no stream")
    key = struct.unpack("<I", number)[0]
    if tag == _STREAM_HEADER:
        if end - begin > LONGEST_XML or key in scan.streams or len(scan.streams) >= _MOST_STREAMS:
            raise Damaged("the header of a stream is too long or there twice")
        scan.streams[key] = _header(file.read(end - file.tell()))
        scan.others.append((begin, end))
        return
    stream = scan.streams.get(key)
    if stream is None:
        raise Damaged("samples stand before the header of their stream")
    if tag == _CLOCK:
        stream.offsets += 1
        if end - file.tell() != 16 or stream.offsets > _MOST_OFFSETS:
            raise Damaged("a clock offset is unreadable")
        if not all(np.isfinite(v) and abs(v) < 1e12 for v in struct.unpack("<2d", file.read(16))):
            raise Damaged("a clock offset is impossible")
        scan.others.append((begin, end))
        return
    rows = _varlen(file)
    data = end - file.tell()
    if data < 0 or rows * (1 + stream.channels * max(_FORMATS[stream.form], 2)) > data * 2 + 16:
        raise Damaged("a chunk announces more samples than it holds")
    read = _texts if stream.form == "string" else _rows
    times = read(file.read(data), rows, stream)
    _count_jumps(stream, times)
    stream.rows += rows
    stream.bytes += data
    stream.chunks.append((begin, end, rows))


def _header(xml: bytes) -> _Stream:
    """What is needed of the description of a stream. Raises Damaged."""
    try:
        info = parse_xml(xml)
        channels, rate = int(text_of(info, "channel_count")), float(text_of(info, "nominal_srate") or 0)
    except (ValueError, OverflowError):
        raise Damaged("the header of a stream is unreadable") from None
    form = text_of(info, "channel_format")
    if form not in _FORMATS or not 1 <= channels <= _MOST_CHANNELS or not 0 <= rate <= 1e6:
        raise Damaged("the header of a stream is impossible")
    name = " ".join(text_of(info, "name").split())[:80] or "Stream"
    described = info.findall("./desc/channels/channel")
    labels = units = None
    if len(described) == channels:
        labels = tuple(text_of(c, "label") or text_of(c, "name") for c in described)
        labels = labels if any(labels) else None
        units = tuple(text_of(c, "unit") or text_of(c, "units") for c in described)
    return _Stream(name, text_of(info, "type")[:40], channels, rate, form, labels, units)


def _rows(content: bytes, rows: int, stream: _Stream) -> np.ndarray:
    """Time stamps of the samples in a chunk, float64; each has one or none, then its numbers."""
    width = stream.channels * _FORMATS[stream.form]
    data = np.frombuffer(content, dtype=np.uint8)
    size = len(data)
    if size == rows * (9 + width):
        table = data.reshape(rows, 9 + width)
        if np.all(table[:, 0] == 8):
            return table[:, 1:9].copy().view("<f8")[:, 0]
    first_only = rows > 0 and size == 8 + rows * (1 + width) and data[0] == 8
    if first_only and not np.any(data[9 + width :].reshape(rows - 1, 1 + width)[:, 0]):
        return data[1:9].copy().view("<f8")
    if size == rows * (1 + width) and not np.any(data.reshape(rows, 1 + width)[:, 0]):
        return np.zeros(0)
    at, times = 0, []
    for _ in range(rows):
        if at >= size or data[at] not in (0, 8):
            raise Damaged("a sample is unreadable")
        if data[at]:
            times.append(bytes(data[at + 1 : at + 9]).ljust(8, b"\0"))
        at += 1 + int(data[at]) + width
    if at != size:
        raise Damaged("a chunk is longer or shorter than its samples")
    return np.frombuffer(b"".join(times), dtype="<f8")


def _texts(data: bytes, rows: int, stream: _Stream) -> np.ndarray:
    """Time stamps of the texts in a chunk, float64."""
    file = io.BytesIO(data)
    times = []
    for _ in range(rows):
        flag = file.read(1)
        if flag not in (b"\x00", b"\x08"):
            raise Damaged("a marker is unreadable")
        if flag == b"\x08":
            times.append(file.read(8).ljust(8, b"\0"))
        for _ in range(stream.channels):
            length = _varlen(file)
            if length > len(data) - file.tell():
                raise Damaged("a marker is longer than its chunk")
            file.seek(length, 1)
    if file.tell() != len(data):
        raise Damaged("a chunk is longer or shorter than its markers")
    return np.frombuffer(b"".join(times), dtype="<f8")


def _count_jumps(stream: _Stream, times: np.ndarray) -> None:
    """Pauses and steps back; a file with thousands of them would take pyxdf minutes."""
    if not len(times):
        return
    if not np.all(np.isfinite(times)) or np.any(np.abs(times) > 1e12):
        raise Damaged("a time stamp is impossible")
    if stream.rate > 0:
        steps = np.diff(times, prepend=times[0] if stream.last is None else stream.last)
        stream.jumps += int(np.count_nonzero((steps > max(1.0, 500 / stream.rate)) | (steps < -1.0)))
        if stream.jumps > _MOST_JUMPS:
            raise Damaged("the time stamps jump about")
    stream.last = float(times[-1])
