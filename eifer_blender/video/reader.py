"""Opens whatever is a moving picture, and reads it frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from ..errors import EiferError
from .container import open_container, read_container
from .pictures import SUFFIXES, open_pictures, read_pictures
from .types import Frame, Video

DEFAULT_RATE = Fraction(30)


def open_video(path: Path | str, rate: Fraction | float = DEFAULT_RATE) -> Video:
    """What a video file, a folder of pictures, or one picture of a numbered sequence holds.

    rate: frames a second of a sequence of pictures; a video file has its own. A file is read through once,
    without being decoded, so that the time of every frame is known. Raises EiferError with a sentence for
    what is missing, not a video, without a moving picture, or too large.
    """
    path = Path(path)
    if not path.exists():
        raise EiferError(f"There is no file or folder '{path.name}'.")
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        rate = Fraction(rate).limit_denominator(1001)
        if not 0 < rate <= 2000:
            raise EiferError(f"{float(rate):g} frames a second is no rate for a sequence of pictures.")
        return open_pictures(path, rate)
    return open_container(path)


def read_frames(video: Video, start: int = 0) -> Iterator[Frame]:
    """Frames from number `start` on, one at a time; a few are in memory.

    Frames that are damaged are left out: their numbers are missing. Raises EiferError if the file can no
    longer be read.
    """
    if start < 0:
        raise ValueError("frames are counted from 0")
    return read_pictures(video, start) if video.pictures else read_container(video, start)
