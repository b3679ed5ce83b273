"""Video files: what they hold, and their frames one after another."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..dependencies import require
from ..errors import EiferError
from .decode import VIDEO_FORMATS, explain, opened, shown_size, turned, upright, video_stream
from .decode import display_matrix as matrix_of
from .types import MAX_FRAMES, MAX_HOURS, Frame, Video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_FASTEST, _SLOWEST = Fraction(2000), Fraction(1, 100)  # frames a second
_EVEN = 0.06
"""Share of a frame's time by which even frames may be off: containers round to milliseconds."""
_KNOWN_LENGTH = ("mov", "matroska", "avi")  # whose header says how long all of it is
_SHORT = 0.5  # seconds
_IN_STORED_ORDER = "avi"
"""Container that knows only the times of frames as they are stored, which for some codecs is another order.
Frames come out of the decoder in the right one, so they are counted."""


class _Table(NamedTuple):
    """What a look at every packet told."""

    stamps: np.ndarray  # int64 [n] ascending
    complete: bool  # every frame has a stamp of its own
    count: int
    end: float  # seconds on the container's clock at which the last packet of any stream is shown
    broken: bool


def open_container(path: Path) -> Video:
    """What a video file holds, after reading through it without decoding.

    Raises EiferError for what is no video, has no moving picture or more than can be worked with.
    """
    av = require("av")
    try:
        with opened(path, VIDEO_FORMATS) as container:
            stream = video_stream(path, container)
            first = next(_decoded(container, stream), None)
            if first is None:
                raise EiferError(f"'{path.name}' holds no frame that can be decoded.")
            size = shown_size(first, stream.sample_aspect_ratio)
            shape = turned(np.empty(size[::-1], np.bool_), matrix_of(first)).shape
        with opened(path, VIDEO_FORMATS) as container:
            stream = video_stream(path, container)
            return _described(path, container, stream, _table(path, container, stream), shape)
    except (av.error.FFmpegError, ValueError) as error:
        raise explain(path, error) from error


def read_container(video: Video, start: int) -> Iterator[Frame]:
    """Frames from a number on. Damaged ones are left out. Raises EiferError if the file has gone."""
    av = require("av")
    if start >= video.count:
        return
    try:
        last = start - 1
        for frame in _from(video, start):
            if frame.index > last:  # stamps that repeat or go back are of a damaged file
                last = frame.index
                yield frame
    except (av.error.FFmpegError, ValueError) as error:
        raise explain(video.path, error) from error


def _from(video: Video, start: int) -> Iterator[Frame]:
    """Frames from a number on, found by way of the container's index if it has a good one."""
    if start and video.stamps is not None:
        frames = _numbered(video, int(video.stamps[start]))
        first = next(frames, None)
        if first is not None and first.index <= start:
            yield first
            yield from frames
            return
    yield from _numbered(video, None, start)


def _numbered(video: Video, stamp: int | None, start: int = 0) -> Iterator[Frame]:
    """Frames with their numbers, from the key frame before a stamp on; pictures only of those from start."""
    with opened(video.path, VIDEO_FORMATS) as container:
        stream = video_stream(video.path, container)
        if stamp is not None:
            container.seek(stamp, stream=stream)
        for number, frame in enumerate(_decoded(container, stream)):
            index = number if video.stamps is None else _index(video.stamps, _stamp(frame))
            if index is None or index >= video.count or index < start:
                continue
            size = shown_size(frame, stream.sample_aspect_ratio)
            picture = upright(frame, *size)
            if picture.shape[:2] != (video.height, video.width):  # changed on the way
                swap = (picture.shape[0] == size[1]) != (size[0] == picture.shape[1])
                size = (video.height, video.width) if swap or picture.shape[0] != size[1] else video.size
                picture = upright(frame, *size)
            yield Frame(index, float(video.times[index]), picture)


def _index(stamps: np.ndarray, stamp: int | None) -> int | None:
    """Number of the frame with a stamp."""
    if stamp is None:
        return None
    index = int(np.searchsorted(stamps, stamp))
    return index if index < len(stamps) and stamps[index] == stamp else None


def _stamp(frame: VideoFrame) -> int | None:
    return frame.pts if frame.pts is not None else frame.dts


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """All frames that can be decoded. Damage within is stepped over, at the end it is the end."""
    av = require("av")
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            yield from frames
    except av.error.FFmpegError:
        try:
            frames = stream.decode(None)
        except av.error.FFmpegError:
            return
        yield from frames


def _table(path: Path, container: InputContainer, stream: VideoStream) -> _Table:
    """Time stamps of all frames, from the packets, which are read but not decoded."""
    av = require("av")
    stamps: list[int] = []
    count, end, broken = 0, 0.0, False
    stored = container.format.name == _IN_STORED_ORDER
    try:
        for packet in container.demux():
            if not packet.size:
                continue
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != stream.index or packet.is_discard or not _is_shown(packet, stream):
                continue
            count += 1
            stamp = packet.dts if stored else packet.pts
            if stamp is not None:
                stamps.append(stamp)
            if count > MAX_FRAMES:
                raise EiferError(f"'{path.name}' has more than {MAX_FRAMES} frames; cut it into parts.")
    except av.error.FFmpegError:
        broken = True
    unique = np.unique(np.array(stamps, np.int64))
    return _Table(unique, len(unique) == count, count, end, broken)


def _is_shown(packet: Packet, stream: VideoStream) -> bool:
    """VP8 has packets that are only referred to; a bit of their first byte says so (RFC 6386, 9.1)."""
    return stream.codec_context.name not in ("vp8", "libvpx") or bool(bytes(packet)[0] >> 4 & 1)


def _described(
    path: Path, container: InputContainer, stream: VideoStream, table: _Table, shape: tuple[int, ...]
) -> Video:
    named = stream.average_rate or stream.base_rate or Fraction(0)
    notes = []
    if _ends_early(container, table):
        notes.append(f"'{path.name}' ends early or is damaged: {table.count} frames are there.")
    if table.complete and table.count:
        times = (table.stamps - table.stamps[0]) * float(stream.time_base)
        start = float(table.stamps[0] * stream.time_base)
        rate, constant = rate_of(times, named, float(stream.time_base))
    else:
        rate, constant, start = (named if _SLOWEST <= named <= _FASTEST else Fraction(25)), True, 0.0
        times = np.arange(max(table.count, 1)) / float(rate)
        notes.append(f"'{path.name}' has no usable time stamps; {float(rate):g} frames a second are assumed.")
    if times[-1] > MAX_HOURS * 3600:
        raise EiferError(
            f"'{path.name}' says that it lasts {times[-1] / 3600:.0f} hours; cut the part that you want."
        )
    if not constant:
        notes.append(
            f"'{path.name}' has a variable frame rate, {float(rate):.2f} frames a second on average; every "
            "frame keeps its own time."
        )
    stored = container.format.name == _IN_STORED_ORDER
    stamps = table.stamps if table.complete and table.count and not stored else None
    return Video(path, shape[1], shape[0], rate, times, constant, start, tuple(notes), stamps)


def _ends_early(container: InputContainer, table: _Table) -> bool:
    if table.broken:
        return True
    if not container.duration or not container.format.name.startswith(_KNOWN_LENGTH):
        return False
    return (container.duration + (container.start_time or 0)) / 1e6 > table.end + _SHORT


def rate_of(times: np.ndarray, named: Fraction, tick: float = 0.0) -> tuple[Fraction, bool]:
    """Rate of frames at times [n] (seconds), and whether they are even.

    named: what the container says; tick: seconds that times are rounded to.
    """
    if len(times) < 2 or times[-1] <= times[0]:
        return (named if _SLOWEST <= named <= _FASTEST else Fraction(25)), True
    length = times[-1] - times[0]
    mean = (len(times) - 1) / length
    even = times[0] + np.arange(len(times)) / mean
    constant = bool(np.abs(times - even).max() <= max(1.5 * tick, _EVEN / mean))
    rate = (
        _usual(mean, named, 2 * tick / length + 1e-6) if constant else Fraction(mean).limit_denominator(1001)
    )
    return min(max(rate, _SLOWEST), _FASTEST), constant


def _usual(mean: float, named: Fraction, tolerance: float) -> Fraction:
    """The rate that is meant by a mean: whole or television's, where that is within a share of it."""
    near = (Fraction(round(mean)), Fraction(round(mean * 1.001) * 1000, 1001))
    if named in near and abs(float(named) - mean) <= tolerance * mean:
        return named
    best = min(near, key=lambda one: abs(float(one) - mean))
    if abs(float(best) - mean) <= tolerance * mean:
        return best
    return Fraction(mean).limit_denominator(1001)
