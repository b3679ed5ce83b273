"""What a reconstruction has done so far, on disk, so that one that was stopped goes on in another process.

One file for a video and its settings: an NPZ without pickles, for its owner's eyes only, for it holds the
landmarks of a face. A file that is damaged, or of something else, is as if there were none.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..assets import model_file
from ..errors import EiferError
from ..plain_arrays import from_npz
from ..tracking.model_file import SHA256
from ..tracking.types import Track, empty_track
from . import models

if TYPE_CHECKING:
    from ..video import Video
    from .reconstruct import Settings

VERSION = 1  # counts up when the same video and settings give other values
_EVERY_S = 4.0  # between two writings
_SHARE = 20.0  # of the time between them is at least this many times what a writing takes
_KEPT_DAYS = 30
_FOLLOWED = ("found", "covered", "presence", "landmarks", "blendshapes", "boxes", "faces", "shots")
"""What `tracking.track` needs to go on; the rest of a track follows from it."""
_READ = "read_"
_ROOM = 1 << 20  # bytes of an archive beside its arrays


@dataclass
class Progress:
    """What is done so far."""

    followed: Track | None = None
    electrodes: float | None = None  # chance that the face wears them, once somebody looked
    read: dict[str, np.ndarray] = field(default_factory=dict)  # the encoder's answers [n, k] by name
    read_to: int = 0  # frames of the clip that the encoder has been through


@dataclass
class Store:
    """The file of one video and its settings; made by `store_for`."""

    path: Path
    times: np.ndarray  # float64 [n] of the video's frames
    keep: bool = False  # when the reconstruction is finished, until `clear`
    clock: Callable[[], float] = time.monotonic
    _next: float = 0.0

    def load(self, widths: dict[str, int]) -> Progress:
        """What was done before; widths: columns of the encoder's answers. Nothing if the file is no good."""
        count = len(self.times)
        row = sum(one[0].nbytes for one in _parts(empty_track(self.times[:1], (0, 0))).values())
        most = count * (row + 4 * sum(widths.values())) + _ROOM
        try:
            if self.path.stat().st_size > most:
                return Progress()
            return _understood(from_npz(self.path, most), self.times, widths)
        except (OSError, ValueError):
            return Progress()

    def save(self, done: Progress, *, now: bool = False) -> None:
        """Write what is done, if the last time is long enough ago or if it must be now.

        That it cannot be written stops nobody: it only means to begin anew the next time.
        """
        begun = self.clock()
        if done.followed is None or not done.followed.done or not (now or begun >= self._next):
            return
        try:
            self._write(done)
        except OSError:
            with suppress(OSError):
                self._unfinished.unlink(missing_ok=True)
        took = self.clock() - begun
        self._next = self.clock() + max(_EVERY_S, _SHARE * took)

    def clear(self) -> None:
        """Delete the file."""
        for path in (self._unfinished, self.path):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Delete the file, unless it is kept for more to be done."""
        if not self.keep:
            self.clear()

    @property
    def _unfinished(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    def _write(self, done: Progress) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._unfinished.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._unfinished, flags, 0o600), "wb") as file:
            np.savez(file, **_arrays(done))
        self._unfinished.replace(self.path)


def store_for(video: Video, settings: Settings, folder: Path, *, keep: bool = False) -> Store:
    """The store of a video and its settings in a folder, which is made when something is written.

    Another video (path, size or time of change), other settings or other networks have another one. keep:
    `reconstruct` leaves the file when it is finished, until `Store.clear`, for those who do more with its
    result that may be stopped. Files that nobody came back to for a month are deleted.
    """
    _forget_old(folder)
    about = [VERSION, SHA256, _files(video), _settings(settings), _networks(settings)]
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode() + video.times.tobytes()).hexdigest()
    return Store(folder / f"{key[:32]}.npz", video.times, keep)


def _files(video: Video) -> list[list[object]]:
    found = []
    for path in video.pictures or (video.path,):
        about = path.stat()
        found.append([str(path.resolve()), about.st_size, about.st_mtime_ns])
    return found


def _settings(settings: Settings) -> dict[str, object]:
    return {one.name: getattr(settings, one.name) for one in fields(settings) if one.name != "models"}


def _networks(settings: Settings) -> list[str]:
    """Hashes of the networks that the face is read with; empty where there are none."""
    found = []
    for kind in (models.ENCODER, models.DETECTOR):
        name = models.file_name(kind)
        try:
            path = settings.models / name if settings.models else model_file(name)
            found.append(hashlib.sha256(path.read_bytes()).hexdigest())
        except (OSError, EiferError):  # said when the network is needed
            found.append("")
    return found


def _forget_old(folder: Path) -> None:
    oldest = time.time() - _KEPT_DAYS * 86_400
    try:
        for path in (*folder.glob("*.npz"), *folder.glob("*.npz.part")):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
    except OSError:
        pass


def _parts(followed: Track) -> dict[str, np.ndarray]:
    return {name: getattr(followed, name) for name in _FOLLOWED}


def _arrays(done: Progress) -> dict[str, np.ndarray]:
    followed, read_to = done.followed, done.read_to
    rows = {name: array[: followed.done] for name, array in _parts(followed).items()}
    rows |= {_READ + name: array[:read_to] for name, array in done.read.items()} if read_to else {}
    chance = np.nan if done.electrodes is None else done.electrodes
    return {
        **rows,
        "size": np.array(followed.size, np.int64),
        "electrodes": np.array([done.electrodes is not None, chance], np.float64),
    }


def _understood(arrays: dict[str, np.ndarray], times: np.ndarray, widths: dict[str, int]) -> Progress:
    """What arrays of a file say. Raises ValueError if they are not what was written."""
    track = empty_track(times, (0, 0))
    count = len(_taken(arrays, "found", None, track.found))
    for name, array in _parts(track).items():
        array[:count] = _taken(arrays, name, count, array)
    size = _taken(arrays, "size", 2, np.zeros(2, np.int64)).tolist()
    looked, chance = _taken(arrays, "electrodes", 2, np.zeros(2)).tolist()
    found = track.found[:count]
    held = [track.landmarks[:count][found], track.blendshapes[:count][found], track.presence[:count]]
    held.append(track.boxes[:count][track.covered[:count]])
    if (
        not count
        or not all(np.isfinite(one).all() for one in held)
        or (np.diff(track.shots[:count]) < 0).any()
    ):
        raise ValueError("not a track")
    done = Progress(replace(track, size=tuple(size), done=count), float(chance) if looked else None)
    if any(_READ + name in arrays for name in widths):
        blank = {name: np.full((len(times), wide), np.nan, np.float32) for name, wide in widths.items()}
        done.read_to = len(_taken(arrays, _READ + next(iter(widths)), None, next(iter(blank.values()))))
        for name, array in blank.items():
            array[: done.read_to] = _taken(arrays, _READ + name, done.read_to, array)
        done.read = blank
    return done


def _taken(arrays: dict[str, np.ndarray], name: str, count: int | None, like: np.ndarray) -> np.ndarray:
    """An array of the file, with rows like those of another and `count` of them, or at most as many."""
    found = arrays.get(name)
    if found is None or found.ndim != like.ndim or found.dtype != like.dtype:
        raise ValueError(f"no {name}")
    if found.shape[1:] != like.shape[1:] or len(found) > len(like) or count not in (None, len(found)):
        raise ValueError(f"{name} of another shape")
    return found
