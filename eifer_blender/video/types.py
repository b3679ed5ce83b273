"""What a moving picture is, before any of its frames has been looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

MAX_PIXELS = 8192 * 4320
"""Largest frame that is read: 8K. A header may claim anything, and a frame must fit into memory."""
MAX_FRAMES = 10_000_000
MAX_HOURS = 48


class Frame(NamedTuple):
    """One frame of a video."""

    index: int
    """Position in `Video.times`. A frame that could not be decoded leaves its number out."""
    time: float
    """Seconds since the first frame."""
    image: np.ndarray
    """uint8 [h, w, 3]: red, green, blue; upright."""


@dataclass(frozen=True, eq=False)
class Video:
    """A video file, or pictures that are one."""

    path: Path
    width: int
    height: int
    """Pixels of the upright picture, pixels being square."""
    rate: Fraction
    """Frames a second: the container's where it is true to it, else the mean."""
    times: np.ndarray
    """float64 [n] ascending: seconds of each frame since the first."""
    constant: bool
    """Whether the frames follow each other evenly."""
    start: float = 0.0
    """Seconds on the container's own clock at which the first frame is shown."""
    notes: tuple[str, ...] = ()
    """Sentences on what is unusual, for the user."""
    stamps: np.ndarray | None = field(default=None, repr=False)
    """int64 [n]: the container's own time stamps; None for pictures and for containers without."""
    pictures: tuple[Path, ...] = field(default=(), repr=False)
    """The files of a sequence of pictures."""

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.times)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height
