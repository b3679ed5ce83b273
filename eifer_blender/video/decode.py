"""One frame of the library's as an upright picture, and a file opened so that it can do no harm."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..dependencies import require
from ..errors import EiferError
from .types import MAX_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VIDEO_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,asf,flv,ogg,mxf,dv,gif,"
    "apng,ivf,yuv4mpegpipe,nut,wtv,obu,rm,mp3,wav,flac,aac"
)
"""Containers that are read. Playlists are not among them, since they name other files and addresses. Sound
is, to be told from damage."""
PICTURE_FORMATS = "png_pipe,jpeg_pipe,bmp_pipe,tiff_pipe,webp_pipe,ppm_pipe,pgm_pipe"
_WIDEST_PIXEL = 4
_MANY_PIXELS = 4096 * 2304
_UNSPECIFIED = 2  # colour matrix, in the numbering of ISO/IEC 23091-2
_HIGH_DEFINITION = 720  # lines from which on an unnamed colour matrix is BT.709 by custom


def opened(path: Path, formats: str) -> InputContainer:
    """A file, opened for reading. Raises the library's errors, for `explain`.

    Only this very file is read: neither addresses nor other files that it names.
    """
    av = require("av")
    options = {"protocol_whitelist": "file", "format_whitelist": formats, "max_pixels": str(MAX_PIXELS)}
    # "file:" keeps names such as "rtsp:clip.mp4" from being addresses.
    return av.open(f"file:{path}", "r", options=options, metadata_errors="replace")


def explain(path: Path, error: Exception) -> EiferError:
    """The user's sentence for an error of the library."""
    av = require("av")
    if isinstance(error, av.error.FileNotFoundError | av.error.PermissionError | av.error.IsADirectoryError):
        return EiferError(f"'{path.name}' cannot be read: {error.strerror}.")
    if isinstance(error, av.error.MemoryError):
        return EiferError(f"'{path.name}' needs more memory than there is; is the file damaged?")
    if path.is_file() and path.stat().st_size == 0:
        return EiferError(f"'{path.name}' is empty.")
    return EiferError(
        f"'{path.name}' is not a video or picture that can be read, or it is damaged or was never finished."
    )


def video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The stream to look at, ready to be decoded. Raises EiferError if there is none or it has no decoder."""
    av = require("av")
    cover = av.stream.Disposition.attached_pic
    streams = [one for one in container.streams.video if not one.disposition & cover]
    if not streams:
        raise EiferError(f"'{path.name}' has sound or data but no moving picture.")
    stream = max(streams, key=_area)  # the first of the largest: others are previews
    if stream.codec_context is None:
        raise EiferError(
            f"'{path.name}' is coded in a way that cannot be decoded here; convert it to H.264, please."
        )
    if _area(stream) > MAX_PIXELS:
        raise EiferError(
            f"'{path.name}' says that its frames are {stream.width} × {stream.height} pixels, which is more "
            "than 8K; scale it down first."
        )
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    # Each thread holds frames of its own.
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.thread_count = 1 if _area(stream) > _MANY_PIXELS else 2
    return stream


def _area(stream: VideoStream) -> int:
    context = stream.codec_context
    return context.width * context.height if context is not None else 0


def shown_size(frame: VideoFrame, pixel: Fraction | None) -> tuple[int, int]:
    """Width and height of a decoded frame with square pixels, before it is turned.

    pixel: width of a pixel in heights.
    """
    if not pixel or not Fraction(1, _WIDEST_PIXEL) <= pixel <= _WIDEST_PIXEL:
        return frame.width, frame.height
    # The smaller side grows, so that nothing is lost.
    if pixel >= 1:
        return round(frame.width * pixel), frame.height
    return frame.width, round(frame.height / pixel)


def upright(frame: VideoFrame, width: int, height: int) -> np.ndarray:
    """uint8 [h, w, 3] RGB, turned as the container wants it shown; width, height: before the turn."""
    colours = None
    if frame.colorspace == _UNSPECIFIED and frame.height >= _HIGH_DEFINITION:
        colours = "ITU709"
    picture = frame.reformat(width, height, "rgb24", src_colorspace=colours, dst_colorspace=colours)
    return turned(picture.to_ndarray(), display_matrix(frame))


def display_matrix(frame: VideoFrame) -> np.ndarray:
    """[2, 2]: where a step to the right and a step down in the stored picture lead in the shown one."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except (
        ValueError
    ):  # beside data of a kind that PyAV has no name for, as EXIF is; it knows the turn itself
        turn = np.radians(-frame.rotation)
        return np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    if data is not None and data.buffer_size >= 36:
        return np.frombuffer(bytes(data), "=i4", 9).reshape(3, 3)[:2, :2].astype(np.float64)
    return np.eye(2)


def turned(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture [h, w, ...] after the quarter turns and mirrorings that come closest to a display matrix."""
    (a, b), (c, d) = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        picture, across, down = picture.swapaxes(0, 1), c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
