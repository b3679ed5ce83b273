"""The whole way from a video to expression parameters, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from ..heads.arkit import from_arkit
from ..heads.default import load_default_head
from ..heads.deform import rotation_matrix
from ..heads.fitting import limited
from ..spaces import DEFAULT_SPACE, EXPRESSION, EYELIDS, JAW
from ..tracking import Track, crop, track
from ..tracking.follow import resume_at
from ..tracking.pose import axis_angle
from ..video import Video, read_frames
from . import models
from .progress import Progress as Done
from .progress import Store
from .smooth import smoothed

AUTO, PHASE1, LANDMARKS = "auto", "phase1", "landmarks"
METHODS = (AUTO, PHASE1, LANDMARKS)
COVERED_AT = 0.5
"""Chance of electrodes, on average over the looked-at frames, from which a face counts as covered."""
_LOOKED_AT = 12  # frames that decide whether the face is covered
_BATCH = 8
_USED = 0.25  # confidence from which a frame tells of the resting face
_TRUSTED, _GUESSED = np.radians(35.0), np.radians(70.0)  # yaw up to which, and from which no more, it is sure
_NEUTRAL_SHARE = 0.2  # of the frames, those in which a score is lowest, are taken for the resting face
_LEAST_FOR_NEUTRAL_S = 3.0
_LIDS_SHARE = 0.5  # of the smoothing: blinks are quick
_WIDTHS = {"expression": DEFAULT_SPACE.size, "shape": models.IDENTITIES, "rotation": 3, "camera": 3}
"""Columns of the encoder's answers."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """How a video is read."""

    method: str = AUTO  # one of METHODS; auto: phase1 where electrodes are seen, else landmarks
    smoothing_s: float = 0.12
    longest_gap_s: float = 0.5  # up to which a lost face is bridged
    face: int = 0  # 0 is the largest face of the first frame that has any
    models: Path | None = None  # folder of other networks than the bundled ones


@dataclass(frozen=True)
class Reconstruction:
    """What a video says of a face, n frames."""

    times: np.ndarray  # float64 [n] seconds, ascending
    params: np.ndarray  # float32 [n, 55] in the default head's space
    identity: np.ndarray  # float32 [50] standard deviations; zeros where the method knows none
    rotation: np.ndarray  # float32 [n, 3] of the head, axis-angle
    confidence: np.ndarray  # float32 [n] 0..1
    found: np.ndarray  # bool [n]: false where the face was lost and the values are bridged or held
    squares: np.ndarray  # float32 [n, 4] of the face in the picture, see `tracking.Square`
    camera: np.ndarray | None  # float32 [n, 3] within the square; only by phase1
    method: str  # PHASE1 or LANDMARKS
    electrodes: float  # chance 0..1 that the face wears electrodes; NaN if nobody looked
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    def turn_in_square(self, frame: int) -> np.ndarray:
        """float64 [3] axis-angle of the head against its square, which may be turned against the picture."""
        back = rotation_matrix(np.array([[0.0, 0.0, self.squares[frame, 3]]]))
        return axis_angle(back @ rotation_matrix(self.rotation[frame : frame + 1]))[0]


def reconstruct(
    video: Video,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    store: Store | None = None,
) -> Reconstruction:
    """Follow the face of a video and read its expression.

    progress is told what is done, how many frames of how many. store (`progress.store_for`): keeps what is
    done, so that a reconstruction that was stopped in whatever way goes on where it was, with the same
    result. Raises EiferError if there is no face, or after `cancelled` says so.
    """
    settings = settings or Settings()
    if settings.method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}")
    done = store.load(_WIDTHS) if store else Done()

    def keep() -> None:
        if store:
            store.save(done)

    try:
        result = _reconstructed(video, settings, done, keep, progress, cancelled)
    except BaseException:  # an interruption by the keyboard as well
        if store:
            store.save(done, now=True)
        raise
    if store:
        store.save(done, now=True)
        store.finish()
    return result


def _reconstructed(
    video: Video,
    settings: Settings,
    done: Done,
    keep: Callable[[], None],
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> Reconstruction:
    """`reconstruct`, going on from what is done; keep is called whenever more is."""
    followed = _followed(video, settings, done, keep, progress, cancelled)
    _stop_if(cancelled)
    if not followed.found.any():
        raise EiferError("No face was found in the video; it must show one face, mostly from the front.")
    method = settings.method
    if method != LANDMARKS and done.electrodes is None:
        done.electrodes = _covered(video, followed, settings)
    chance = np.nan if method == LANDMARKS else done.electrodes
    if method == AUTO:
        method = PHASE1 if chance >= COVERED_AT else LANDMARKS
    notes = [*video.notes, *followed.notes]
    if method == PHASE1:
        read = _by_encoder(video, followed, settings, done, keep, progress, cancelled)
    else:
        read, note = _by_landmarks(followed)
        notes += [note] if note else []
    return _finished(followed, read, method, chance, settings, notes)


def _followed(
    video: Video,
    settings: Settings,
    done: Done,
    keep: Callable[[], None],
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> Track:
    """The face followed to the end of the video, or until it is cancelled."""
    begun = done.followed

    def so_far(followed: Track) -> None:
        done.followed = followed
        keep()

    return track(
        read_frames(video, resume_at(begun)),
        video.times,
        which=settings.face,
        resume=begun,
        progress=None if progress is None else partial(progress, "following the face"),
        cancelled=cancelled,
        so_far=so_far,
    )


class _Read(NamedTuple):
    """What a method says of n frames, before it is bridged and smoothed; NaN where it says nothing."""

    params: np.ndarray  # [n, 55]
    rotation: np.ndarray  # [n, 3]
    confidence: np.ndarray  # [n] 0..1
    identity: np.ndarray  # [50]
    camera: np.ndarray | None = None  # [n, 3]


def _stop_if(cancelled: Callable[[], bool] | None) -> None:
    if cancelled and cancelled():
        raise EiferError("Stopped; nothing was changed.")


def _covered(video: Video, followed: Track, settings: Settings) -> float:
    """Chance that the followed face wears electrodes."""
    good = np.flatnonzero(followed.found)
    chosen = set(good[np.linspace(0, len(good) - 1, min(_LOOKED_AT, len(good))).astype(int)].tolist())
    size = models.load(models.DETECTOR, settings.models).size
    looks = []
    for frame in read_frames(video):
        if frame.index in chosen:
            looks.append(crop(frame.image, followed.squares[frame.index], size))
        if frame.index >= max(chosen):
            break
    chance, _ = models.electrodes(np.stack(looks), settings.models)
    return float(chance.mean())


def _by_encoder(
    video: Video,
    followed: Track,
    settings: Settings,
    done: Done,
    keep: Callable[[], None],
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> _Read:
    """The encoder's answer for every frame in which the face was found."""
    size = models.load(models.ENCODER, settings.models).size
    if not done.read:
        done.read = {n: np.full((followed.count, k), np.nan, np.float32) for n, k in _WIDTHS.items()}
    found = done.read
    for rows, looks in looks_at(video, followed.squares, followed.found, size, done.read_to):
        _stop_if(cancelled)
        codes = models.encode(looks, settings.models)
        for name, values in found.items():
            values[rows] = getattr(codes, name)
        done.read_to = rows[-1] + 1
        keep()
        if progress:
            progress("reading the face", done.read_to, followed.count)
    # The square may be turned against the picture, and the head with it.
    upright = rotation_matrix(followed.squares[:, 3:] * np.array([0.0, 0.0, -1.0]))
    rotation = axis_angle(upright @ rotation_matrix(found["rotation"]))
    aside = (_GUESSED - np.abs(np.nan_to_num(found["rotation"][:, 1]))) / (_GUESSED - _TRUSTED)
    confidence = np.where(followed.found, np.clip(aside, 0.0, 1.0), 0.0)
    identity = _one_identity(found["shape"], confidence)
    return _Read(found["expression"], rotation, confidence, identity, found["camera"])


def looks_at(
    video: Video, squares: np.ndarray, wanted: np.ndarray, size: int, start: int = 0
) -> Iterator[tuple[list[int], np.ndarray]]:
    """(frames, pictures float32 [k, size, size, 3]) of squares [n, 4] in wanted frames, some at a time.

    start: the frame to begin with.
    """
    rows: list[int] = []
    looks: list[np.ndarray] = []
    for frame in read_frames(video, start):
        if wanted[frame.index]:
            rows.append(frame.index)
            looks.append(crop(frame.image, squares[frame.index], size))
        if len(rows) == _BATCH:
            yield rows, np.stack(looks)
            rows, looks = [], []
    if rows:
        yield rows, np.stack(looks)


def _one_identity(shapes: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """float32 [50]: the one person of a clip, the median over the frames that are trusted most."""
    known = np.isfinite(shapes[:, 0])
    good = known & (confidence >= np.median(confidence[known]))
    return np.median(shapes[good], axis=0).astype(np.float32)


def _by_landmarks(followed: Track) -> tuple[_Read, str]:
    """What blendshape scores say, less those of the person's resting face; and a note.

    The scores of a resting face differ from person to person and are rarely 0. A score's lowest fifth over
    the clip is taken for rest, which holds for a clip in which every part of the face rests now and then.
    """
    note = ""
    good = followed.found & (followed.confidence >= _USED)
    good = good if good.any() else followed.found
    weights = followed.blendshapes
    if np.ptp(followed.times[good]) >= _LEAST_FOR_NEUTRAL_S:
        rest = np.quantile(weights[good], _NEUTRAL_SHARE, axis=0)
        weights = np.clip((weights - rest) / np.maximum(1.0 - rest, 0.2), 0.0, 1.0)
    else:
        note = f"Within {_LEAST_FOR_NEUTRAL_S:g} s no resting face can be told; none is subtracted."
    known = followed.found & np.isfinite(weights[:, 0])
    params = np.full((followed.count, DEFAULT_SPACE.size), np.nan, np.float32)
    params[known] = from_arkit(load_default_head(), weights[known].astype(np.float32)).parameters
    identity = np.zeros(models.IDENTITIES, np.float32)
    return _Read(params, followed.rotation, followed.confidence, identity), note


def _finished(
    followed: Track, read: _Read, method: str, chance: float, settings: Settings, notes: list[str]
) -> Reconstruction:
    """Bridged, smoothed and limited."""
    times = followed.times
    found = followed.found & np.isfinite(read.params[:, 0]) & np.isfinite(read.rotation[:, 0])
    if not found.any():
        raise EiferError("The face could not be read in any frame; it must be seen mostly from the front.")
    trust = np.where(found, np.maximum(read.confidence, 0.02), 0.0)
    seconds = settings.smoothing_s
    params = np.empty_like(read.params)
    filled = _held(read.params, found)
    for part, share in ((EXPRESSION, 1.0), (EYELIDS, _LIDS_SHARE), (JAW, 1.0)):
        params[:, part] = smoothed(filled[:, part], times, trust, share * seconds)
    lost = _long_gaps(times, found, settings.longest_gap_s)
    if lost.any():
        notes.append(
            f"The face was lost for longer in {int(lost.sum())} of {len(times)} frames; their values are "
            "only carried over, and their confidence is 0."
        )
    return Reconstruction(
        times=times,
        params=limited(params),
        identity=read.identity,
        rotation=smoothed(_held(read.rotation, found), times, trust, seconds),
        confidence=np.where(found, read.confidence, 0.0).astype(np.float32),
        found=found,
        squares=_held(followed.squares, np.isfinite(followed.squares[:, 0])),
        camera=None if read.camera is None else _held(read.camera, found),
        method=method,
        electrodes=chance,
        notes=tuple(notes),
    )


def _held(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Values [n, k] with what is unknown bridged in a straight line, held at the ends."""
    every = np.arange(len(values))
    columns = [np.interp(every, every[known], column[known]) for column in np.asarray(values, np.float64).T]
    return np.stack(columns, 1).astype(np.float32)


def _long_gaps(times: np.ndarray, found: np.ndarray, longest: float) -> np.ndarray:
    """bool [n]: frames within stretches without a face of more than so many seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], found, [True]]).astype(np.int8)))
    result = np.zeros(len(found), bool)
    for start, stop in edges.reshape(-1, 2):
        length = times[min(stop, len(times) - 1)] - times[max(start - 1, 0)]
        result[start:stop] = length > longest
    return result
