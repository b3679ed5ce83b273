"""The whole way from a video to expression parameters, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import EiferError
from ..heads.arkit import from_arkit
from ..heads.default import load_default_head
from ..heads.fitting import limited
from ..spaces import ARKIT_NAMES, EXPRESSION, EYELIDS, JAW
from ..tracking import Square, Track, crop, track
from ..video import Video, read_frames
from . import models
from .smooth import smoothed

AUTO, PHASE1, LANDMARKS = "auto", "phase1", "landmarks"
METHODS = (AUTO, PHASE1, LANDMARKS)
COVERED_AT = 0.5
"""Chance of electrodes, on average over the looked-at frames, from which a face counts as covered."""
_LOOKED_AT = 12  # frames that decide whether the face is covered
_BATCH = 8
_TRUSTED = 0.25  # confidence from which a frame counts
_NEUTRAL_SHARE = 0.2  # of the frames, those in which a score is lowest, are taken for the resting face
_LEAST_FOR_NEUTRAL_S = 3.0
_LIDS_SHARE = 0.5  # of the smoothing: blinks are quick

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
    electrodes: float  # chance 0..1 that the face wears electrodes
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)


def reconstruct(
    video: Video,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Reconstruction:
    """Follow the face of a video and read its expression.

    progress is told what is done, how many frames of how many. Raises EiferError if there is no face, or
    after `cancelled` says so.
    """
    settings = settings or Settings()
    if settings.method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}")
    followed = track(
        ((frame.time, frame.image) for frame in read_frames(video)),
        which=settings.face,
        progress=None if progress is None else lambda done: progress("following the face", done, video.count),
        cancelled=cancelled,
    )
    _stop_if(cancelled)
    covered = _covered(video, followed, settings)
    method = settings.method
    if method == AUTO:
        method = PHASE1 if covered >= COVERED_AT else LANDMARKS
    notes = [followed.note()] if followed.note() else []
    if method == PHASE1:
        codes = _encoded(video, followed, settings, progress, cancelled)
        raw, turns, camera = codes.expression, codes.rotation, codes.camera
        identity = _one_identity(codes.shape, followed.confidence)
    else:
        raw, note = _by_landmarks(followed)
        notes += [note] if note else []
        turns, camera, identity = followed.rotation, None, np.zeros(models.IDENTITIES, np.float32)
    return _finished(followed, raw, turns, camera, identity, method, covered, settings, notes)


def _stop_if(cancelled: Callable[[], bool] | None) -> None:
    if cancelled and cancelled():
        raise EiferError("Stopped; nothing was changed.")


def _covered(video: Video, followed: Track, settings: Settings) -> float:
    """Chance that the followed face wears electrodes."""
    good = np.flatnonzero(followed.found)
    chosen = set(good[np.linspace(0, len(good) - 1, min(_LOOKED_AT, len(good))).astype(int)].tolist())
    size = models.load(models.DETECTOR, settings.models).size
    looks = []
    for i, frame in enumerate(read_frames(video)):
        if i in chosen:
            looks.append(crop(frame.image, Square(*followed.squares[i].tolist()), size))
        if i >= max(chosen):
            break
    chance, _ = models.electrodes(np.stack(looks), settings.models)
    return float(chance.mean())


def _encoded(
    video: Video,
    followed: Track,
    settings: Settings,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> models.Codes:
    """The encoder's answer for every frame; NaN where no face was found."""
    size = models.load(models.ENCODER, settings.models).size
    parts: list[list[np.ndarray]] = []
    rows: list[int] = []
    for some, looks in _looks(video, followed, size):
        _stop_if(cancelled)
        codes = models.encode(looks, settings.models)
        parts.append([codes.expression, codes.shape, codes.rotation, codes.camera])
        rows += some
        if progress:
            progress("reading the face", rows[-1] + 1, len(followed))
    whole = []
    for values in zip(*parts, strict=True):
        joined = np.concatenate(values)
        filled = np.full((len(followed), joined.shape[1]), np.nan, np.float32)
        filled[rows] = joined
        whole.append(filled)
    return models.Codes(whole)


def _looks(video: Video, followed: Track, size: int) -> Iterator[tuple[list[int], np.ndarray]]:
    """(frames, pictures float32 [k, size, size, 3]) of the followed face, some at a time."""
    rows: list[int] = []
    looks: list[np.ndarray] = []
    for i, frame in enumerate(read_frames(video)):
        if i >= len(followed):
            break
        if followed.found[i]:
            rows.append(i)
            looks.append(crop(frame.image, Square(*followed.squares[i].tolist()), size))
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


def _by_landmarks(followed: Track) -> tuple[np.ndarray, str]:
    """(parameters [n, 55], a note): from blendshape scores, less those of the person's resting face.

    The scores of a resting face differ from person to person and are rarely 0. A score's lowest fifth over
    the clip is taken for rest, which holds for a clip in which every part of the face rests now and then.
    """
    scores, note = followed.blendshapes, ""
    good = followed.found & (followed.confidence >= _TRUSTED)
    if not good.any():
        good = followed.found
    span = followed.times[good][-1] - followed.times[good][0]
    weights = scores
    if span >= _LEAST_FOR_NEUTRAL_S:
        rest = np.quantile(scores[good], _NEUTRAL_SHARE, axis=0)
        weights = np.clip((scores - rest) / np.maximum(1.0 - rest, 0.2), 0.0, 1.0)
    else:
        note = f"Within {_LEAST_FOR_NEUTRAL_S:g} s no resting face can be told; none is subtracted."
    weights = np.nan_to_num(weights).astype(np.float32)
    gaze = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook")]
    weights[:, gaze] = 0.0
    params = from_arkit(load_default_head(), weights).parameters
    params[~followed.found] = np.nan
    return params, note


def _finished(
    followed: Track,
    raw: np.ndarray,
    turns: np.ndarray,
    camera: np.ndarray | None,
    identity: np.ndarray,
    method: str,
    covered: float,
    settings: Settings,
    notes: list[str],
) -> Reconstruction:
    """Bridged, smoothed and limited."""
    times, found = followed.times, followed.found & np.isfinite(raw[:, 0])
    trust = np.where(found, np.maximum(followed.confidence, 0.02), 0.0)
    seconds = settings.smoothing_s
    params = np.empty_like(raw)
    filled = _held(raw, found)
    for part, share in ((EXPRESSION, 1.0), (EYELIDS, _LIDS_SHARE), (JAW, 1.0)):
        params[:, part] = smoothed(filled[:, part], times, trust, share * seconds)
    rotation = smoothed(_held(turns, found), times, trust, seconds)
    squares = smoothed(_held(followed.squares, found), times, trust, seconds)
    long = _long_gaps(times, found, settings.longest_gap_s)
    if long.any():
        notes.append(f"The face was lost for longer in {int(long.sum())} frames; nothing is known there.")
    return Reconstruction(
        times=times,
        params=limited(params),
        identity=identity,
        rotation=rotation,
        confidence=np.where(found, followed.confidence, 0.0).astype(np.float32),
        found=found,
        squares=squares,
        camera=None if camera is None else _held(camera, found),
        method=method,
        electrodes=covered,
        notes=tuple(notes),
    )


def _held(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Values [n, k] with lost frames bridged in a straight line, held at the ends."""
    known, every = np.flatnonzero(found), np.arange(len(values))
    if not len(known):
        raise EiferError("No face was found in the video; it must show one face, mostly from the front.")
    columns = [np.interp(every, known, column[known]) for column in np.asarray(values, np.float64).T]
    return np.stack(columns, 1).astype(np.float32)


def _long_gaps(times: np.ndarray, found: np.ndarray, longest: float) -> np.ndarray:
    """bool [n]: frames within stretches without a face of more than so many seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], found, [True]]).astype(np.int8)))
    result = np.zeros(len(found), bool)
    for start, stop in edges.reshape(-1, 2):
        length = times[min(stop, len(times) - 1)] - times[max(start - 1, 0)]
        result[start:stop] = length > longest
    return result
