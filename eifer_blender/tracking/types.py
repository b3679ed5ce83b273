"""What is known of a face in each frame of a clip."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..spaces import ARKIT_NAMES
from .networks import LANDMARK_COUNT

PROFILE_FROM = np.radians(50.0)
_TRUSTED, _GUESSED = np.radians(35.0), np.radians(70.0)
"""Yaw up to which landmarks are fully trusted, and from which on half of them are guesses."""
_COVERED_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Track:
    """One face followed through n frames. Rows of frames without it hold NaN and found = False."""

    times: np.ndarray
    """float64 [n] seconds."""
    size: tuple[int, int]
    """Width and height of the pictures."""
    found: np.ndarray
    """bool [n]: the face is there, its landmarks good or not."""
    covered: np.ndarray
    """bool [n]: a face is found whose landmarks are not to be trusted, as under electrodes or hands."""
    presence: np.ndarray
    """float32 [n] 0..1: how sure the landmark network is of a face; 0 where none was found."""
    landmarks: np.ndarray
    """float32 [n, 478, 3] in pixels; x to the right, y down, depth less towards the camera."""
    blendshapes: np.ndarray
    """float32 [n, 52] 0..1 in the order of `spaces.ARKIT_NAMES`; the tongue's is 0."""
    rotation: np.ndarray
    """float32 [n, 3] axis-angle in radians of the default head, from facing the camera."""
    yaw: np.ndarray
    """float32 [n] radians, towards the subject's left."""
    boxes: np.ndarray
    """float32 [n, 4]: the detector's square where the face is covered, else NaN."""
    squares: np.ndarray
    """float32 [n, 4]: a steady square around the face (`squares.Square`), over gaps within a shot, too."""
    faces: np.ndarray
    """int32 [n]: faces in the picture when last looked for."""
    shots: np.ndarray
    """int32 [n]: number of the shot; it rises at each cut."""
    done: int
    """Frames that have been looked at; fewer than n if it was stopped."""
    notes: tuple[str, ...] = ()
    """Sentences on what is unusual, for the user."""

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.times)

    @property
    def profile(self) -> np.ndarray:
        """bool [n]: the face is seen so much from the side that half of it is a guess."""
        return self.found & ~self.covered & (np.abs(np.nan_to_num(self.yaw)) > PROFILE_FROM)

    @property
    def confidence(self) -> np.ndarray:
        """float32 [n] 0..1: presence, less for faces that are turned away; at most 0.5 where covered."""
        turned = (_GUESSED - np.abs(np.nan_to_num(self.yaw))) / (_GUESSED - _TRUSTED)
        share = np.where(self.covered, _COVERED_SHARE, np.clip(turned, 0, 1))
        return (self.presence * share).astype(np.float32)


def empty_track(times: np.ndarray, size: tuple[int, int]) -> Track:
    """A track of which nothing is known."""
    n = len(times)

    def unknown(*shape: int) -> np.ndarray:
        return np.full((n, *shape), np.nan, np.float32)

    return Track(
        times=np.asarray(times, np.float64),
        size=size,
        found=np.zeros(n, bool),
        covered=np.zeros(n, bool),
        presence=np.zeros(n, np.float32),
        landmarks=unknown(LANDMARK_COUNT, 3),
        blendshapes=unknown(len(ARKIT_NAMES)),
        rotation=unknown(3),
        yaw=unknown(),
        boxes=unknown(4),
        squares=unknown(4),
        faces=np.zeros(n, np.int32),
        shots=np.zeros(n, np.int32),
        done=0,
    )


def copied(track: Track) -> Track:
    """The track with arrays of its own."""
    arrays = {name: value.copy() for name, value in vars(track).items() if isinstance(value, np.ndarray)}
    return replace(track, **arrays)
