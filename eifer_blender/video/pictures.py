"""Sequences of pictures: the files of a folder, or those that are numbered like one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..dependencies import require
from ..errors import EiferError, unreadable
from .decode import PICTURE_FORMATS, explain, opened, shown_size, upright, video_stream
from .types import MAX_FRAMES, Frame, Video

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_LARGEST_NUMBER = 10**15
_MOSTLY = 0.8


def open_pictures(path: Path, rate: Fraction) -> Video:
    """A folder's pictures in the order of their numbers, or the sequence that one picture belongs to.

    Numbers that are missing are frames that are missing. Raises EiferError if there is no picture, or if the
    first cannot be read.
    """
    files = _in_folder(path) if path.is_dir() else _like(path)
    if len(files) > MAX_FRAMES:
        raise EiferError(f"'{path.name}' holds more than {MAX_FRAMES} pictures.")
    height, width = read_picture(files[0]).shape[:2]
    places = _places(files)
    notes: tuple[str, ...] = ()
    if places[-1] != len(files) - 1:
        missing = int(places[-1]) + 1 - len(files)
        notes = (f"{missing} of the numbered pictures in '{files[0].parent.name}' are missing.",)
    times = places / float(rate)
    return Video(path, width, height, rate, times, not notes, notes=notes, pictures=tuple(files))


def read_pictures(video: Video, start: int) -> Iterator[Frame]:
    """Frames from a number on. Raises EiferError for a picture that is unreadable or of another size."""
    for index in range(start, video.count):
        file = video.pictures[index]
        picture = read_picture(file)
        if picture.shape[:2] != (video.height, video.width):
            raise EiferError(
                f"'{file.name}' is {picture.shape[1]} × {picture.shape[0]} pixels, the pictures before it "
                f"are {video.width} × {video.height}."
            )
        yield Frame(index, float(video.times[index]), picture)


def read_picture(path: Path) -> np.ndarray:
    """uint8 [h, w, 3] RGB: a picture file, upright. Raises EiferError if it is not a readable picture."""
    av = require("av")
    try:
        with opened(path, PICTURE_FORMATS) as container:
            stream = video_stream(path, container)
            for frame in container.decode(stream):
                return upright(frame, *shown_size(frame, None))
    except (av.error.FFmpegError, ValueError) as error:
        raise explain(path, error) from error
    raise EiferError(f"'{path.name}' holds no picture.")


def _in_folder(folder: Path) -> list[Path]:
    files = [one for one in _files(folder) if one.suffix.lower() in SUFFIXES]
    if not files:
        raise EiferError(f"The folder '{folder.name}' holds no pictures ({', '.join(SUFFIXES)}).")
    return sorted(files, key=lambda one: _key(one.name))


def _like(path: Path) -> list[Path]:
    """The pictures that differ from one only in their last number."""
    parts = _parts(path)
    if parts is None:
        return [path]
    found = [(one, _parts(one)) for one in _files(path.parent)]
    same = [(other[1], one) for one, other in found if other and other[::2] == parts[::2]]
    return [one for _, one in sorted(same)] or [path]


def _files(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")]
    except OSError as error:
        raise unreadable(folder, error) from error


def _parts(path: Path) -> tuple[str, int, str] | None:
    """What stands before the last number of a name, the number, and what stands after it."""
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", path.stem, re.DOTALL)
    if not found or int(found[2]) > _LARGEST_NUMBER:
        return None
    return found[1], int(found[2]), found[3] + path.suffix.lower()


def _key(name: str) -> list[tuple[int, int, str]]:
    """Sorts names as people count: 2 before 10."""
    return [
        (0, int(part[:15]), part) if part.isdigit() and part.isascii() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name.lower())
        if part
    ]


def _places(files: list[Path]) -> np.ndarray:
    """float64 [n]: the place of each picture, from the numbers if the files are one numbered sequence."""
    parts = [_parts(one) for one in files]
    first = parts[0]
    places = np.arange(len(files), dtype=np.float64)
    if first is None or any(one is None or one[::2] != first[::2] for one in parts):
        return places
    numbers = np.array([one[1] for one in parts if one], np.float64)
    steps = np.diff(numbers)
    # Every second frame rendered, or numbers that are dates, are not gaps.
    if len(steps) and (steps > 0).all() and (steps == 1).mean() >= _MOSTLY and steps.max() < len(files):
        return numbers - numbers[0]
    return places
