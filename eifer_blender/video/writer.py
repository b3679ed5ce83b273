"""Writes pictures as an H.264 video that any player shows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..dependencies import require
from ..errors import EiferError

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

QUALITY = 17
"""x264's constant rate factor: nothing lost that is seen."""
SUFFIXES = (".mp4", ".mov", ".mkv")
_TICK = Fraction(1, 90_000)  # seconds, for times that are not even


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    rate: Fraction | float,
    times: Sequence[float] | np.ndarray | None = None,
    *,
    replace: bool = False,
    quality: int = QUALITY,
) -> int:
    """Write pictures, uint8 [h, w, 3] RGB of one size, as a video. Returns how many.

    rate: frames a second; times: seconds of each frame, ascending, where they are not even. An odd width or
    height grows by one repeated line, because the colours are stored at half the size. The file appears under
    its name when it is complete. Raises EiferError if it exists and is not to be replaced, or cannot be
    written; what the pictures' source raises goes through.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise EiferError(f"A video's name ends with {' or '.join(SUFFIXES)}, not '{path.suffix}'.")
    if path.exists() and not replace:
        raise EiferError(f"'{path.name}' is there already; choose another name or move it away.")
    av = require("av")
    unfinished = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        options = {"movflags": "+faststart"} if path.suffix.lower() != ".mkv" else {}
        with av.open(f"file:{unfinished}", "w", options=options) as container:
            count = _encode(container, pictures, Fraction(rate).limit_denominator(1001), times, quality)
        if not count:
            raise EiferError(f"There is no picture to write to '{path.name}'.")
        os.replace(unfinished, path)
    except (av.error.FFmpegError, OSError) as error:
        if isinstance(error, EiferError):
            raise
        reason = getattr(error, "strerror", None) or "the system refused"
        raise EiferError(f"'{path.name}' cannot be written: {reason}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _encode(
    container: OutputContainer,
    pictures: Iterable[np.ndarray],
    rate: Fraction,
    times: Sequence[float] | np.ndarray | None,
    quality: int,
) -> int:
    av = require("av")
    stream: VideoStream | None = None
    tick = _TICK if times is not None else 1 / rate
    count, last = 0, -1
    for count, picture in enumerate(pictures, 1):
        picture = _even(picture)
        if stream is None:
            stream = _stream(container, picture.shape[1::-1], rate, tick, quality)
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        seconds = Fraction(count - 1) / rate if times is None else Fraction(float(times[count - 1]))
        last = frame.pts = max(round(seconds / tick), last + 1)
        frame.time_base = tick
        container.mux(stream.encode(frame))
    if stream is not None:
        container.mux(stream.encode(None))
    return count


def _stream(
    container: OutputContainer, size: tuple[int, int], rate: Fraction, tick: Fraction, quality: int
) -> VideoStream:
    av = require("av")
    if "libx264" not in av.codecs_available:
        raise EiferError("This system's video library cannot write H.264.")
    stream = container.add_stream("libx264", rate)
    (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
    stream.codec_context.time_base = tick
    stream.options = {"crf": str(quality), "preset": "fast"}
    # BT.709 by its numbers in ISO/IEC 23091-2
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = 1
    return stream


def _even(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(picture, np.uint8)
