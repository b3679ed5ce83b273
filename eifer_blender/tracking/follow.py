"""Follows one face through the frames of a clip.

The face of one frame says where to look in the next. All of the picture is looked at where there is no face
yet or no more, after a cut, and once in a while to notice other faces. Where a face is found whose landmarks
are not good, because electrodes hide it, the detector is asked in every frame and its box stands in for them.
Nothing is smoothed but the squares for cropping: smoothing without delay is for those who have all frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from .model_file import FaceModels, face_models
from .networks import Detection, blendshapes, detect, landmarks, parts, square_of
from .pose import poses, yaw_of
from .squares import overlap
from .steady import steady_squares
from .types import Track, copied, empty_track

MOST_FRAMES = 200_000
"""Frames of a clip: nearly two hours at 30 frames a second, whose landmarks take 1.2 GB."""
_THERE, _GOOD = 0.5, 0.9
"""Presence from which on there is a face, and from which on its landmarks are good. Simulated faces are above
0.97 if bare; under electrodes, landmarks with 0.5 to 0.9 turn the head by ten degrees too much."""
_SURE, _COVERED = 0.5, 0.65
"""Least score of a face, and of a covered one, which nothing else bears out until it has been found."""
_LOOK_EVERY = 30  # frames
_SEARCH_EVERY = 10  # frames between searches for small faces, while there is none
_PATIENCE = 15  # frames for which a lost face is waited for where there were others beside it
_SAME = 0.1  # least overlap with where the face was
_CUT = 40.0  # mean difference of brightness between frames, of 255
_SMALL_PICTURE = 24
_LOOKS = 2  # at the landmarks of a face that was just found: the second is in a better square


class _State(NamedTuple):
    """What one frame leaves to the next."""

    square: np.ndarray | None = None  # where to look; None while there are no good landmarks
    last: np.ndarray | None = None  # where the face was last
    last_index: int = -1
    covered: bool = False  # it was, then
    picture: np.ndarray | None = None  # the last frame, very small
    shot: int = 0
    faces: int = 0  # when last looked for
    beside: int = 0  # faces when this one was last there


class _Seen(NamedTuple):
    """The face in one frame."""

    points: np.ndarray
    presence: float
    box: np.ndarray | None = None  # the detector's square, if the landmarks are not good


def find_faces(image: np.ndarray) -> list[Detection]:
    """Faces in a picture uint8 [h, w, 3], the main one first: large and near the middle.

    Small ones are looked for where there are no large ones. Raises EiferError if the models are missing.
    """
    models = face_models()
    found = _sure(detect(models, image)) or [
        one for one in _small_faces(models, image) if _at(models, image, one.square) is not None
    ]
    return _ranked(found, image)


def track(
    frames: Iterable[tuple[int, float, np.ndarray]],
    times: np.ndarray | Sequence[float],
    *,
    which: int = 0,
    resume: Track | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    so_far: Callable[[Track], None] | None = None,
) -> Track:
    """Follow a face through frames (number, seconds, picture uint8 [h, w, 3]) of one size, numbers rising.

    times: seconds [n] of all frames; those that do not come are frames without a face. which: the face to
    follow where there are several at first, 0 being the main one (`find_faces`). resume: a track of the same
    frames that was stopped; the frames then begin at its last one (`resume_at`) or before. progress: told the
    frames that are done, and all. cancelled: asked before each frame; what is known by then is returned.
    so_far: given after each frame what `resume` needs: a track whose arrays are still being filled.
    Raises EiferError for a clip that is too long, or if the models are missing.
    """
    times = np.asarray(times, np.float64)
    if len(times) > MOST_FRAMES:
        raise EiferError(f"The clip has {len(times)} frames; cut it into parts of at most {MOST_FRAMES}.")
    models = face_models()
    result, state = _begun(times, resume)
    for index, _, image in frames:
        if index >= len(times) or (cancelled and cancelled()):
            break
        if index < result.done:
            state = state._replace(picture=_small(image))
            continue
        if not result.done:
            result = replace(result, size=(image.shape[1], image.shape[0]))
        state, seen = _step(models, image, index, state, which)
        # Frames that did not come belong to this one's shot.
        result.shots[result.done : index + 1] = state.shot
        result.faces[result.done : index + 1] = state.faces
        _enter(models, result, index, seen)
        result = replace(result, done=index + 1)
        if so_far:
            so_far(result)
        if progress:
            progress(index + 1, len(times))
    else:
        result.shots[result.done :] = state.shot
        result = replace(result, done=len(times))
    return _finished(models, result)


def resume_at(partial: Track | None) -> int:
    """Number of the first frame that `track` wants for going on with a track."""
    return max(partial.done - 1, 0) if partial else 0


def _begun(times: np.ndarray, resume: Track | None) -> tuple[Track, _State]:
    """The track to go on with, and the state that its last frame left."""
    if resume is None or not resume.done:
        return empty_track(times, (0, 0)), _State()
    if not np.array_equal(resume.times, times):
        raise EiferError("The track that was begun belongs to another clip.")
    last = resume.done - 1
    seen = np.flatnonzero(resume.found[: last + 1] & (resume.shots[: last + 1] == resume.shots[last]))
    state = _State(shot=int(resume.shots[last]), faces=int(resume.faces[last]))
    if len(seen):
        index = int(seen[-1])
        covered = bool(resume.covered[index])
        where = resume.boxes[index] if covered else square_of(resume.landmarks[index])
        state = state._replace(
            square=where if index == last and not covered else None,
            last=where,
            last_index=index,
            covered=covered,
            beside=int(resume.faces[index]),
        )
    return copied(resume), state


def _step(
    models: FaceModels, image: np.ndarray, index: int, state: _State, which: int
) -> tuple[_State, _Seen | None]:
    """One frame: the state that it leaves, and the face if it is there."""
    small = _small(image)
    if state.picture is not None and np.abs(small - state.picture).mean() > _CUT:
        state = _State(shot=state.shot + 1)
    state = state._replace(picture=small)
    seen = _at(models, image, state.square) if state.square is not None else None
    good = seen is not None and seen.presence >= _GOOD
    if not good or index % _LOOK_EVERY == 0:
        found = detect(models, image)
        state = state._replace(faces=len(_sure(found)))
        if not good:
            seen = _found(models, image, found, index, state, which) or seen
    if seen is None:
        return state._replace(square=None), None
    state = state._replace(faces=max(state.faces, 1))
    where = square_of(seen.points) if seen.box is None else seen.box
    covered = seen.box is not None
    return state._replace(
        square=None if covered else where, last=where, last_index=index, covered=covered, beside=state.faces
    ), seen


def _found(
    models: FaceModels, image: np.ndarray, found: list[Detection], index: int, state: _State, which: int
) -> _Seen | None:
    """The face to follow among those that the detector found, or among small ones."""
    near = _near(found, state)
    one = near or _chosen(found, image, index, state, which)
    seen = _settled(models, image, one)
    if seen is None and one is not None and (near is not None or one.score >= _COVERED):
        points, presence = landmarks(models, image, one.square)
        return _Seen(points, presence, one.square)
    if seen is None and index % _SEARCH_EVERY == 0:
        # What looks like a small face often is none, so that its landmarks must be good.
        seen = _settled(models, image, _chosen(_small_faces(models, image), image, index, state, which))
    return seen


def _settled(models: FaceModels, image: np.ndarray, one: Detection | None) -> _Seen | None:
    """The face that was detected, if its landmarks are good."""
    seen, square = None, one.square if one is not None else None
    for _ in range(_LOOKS):
        better = _at(models, image, square) if square is not None else None
        if better is None or better.presence < _GOOD:
            break
        seen, square = better, square_of(better.points)
    return seen


def _at(models: FaceModels, image: np.ndarray, square: np.ndarray) -> _Seen | None:
    """The face in a square, if one is there and within the picture."""
    height, width = image.shape[:2]
    if not (0 <= square[0] <= width and 0 <= square[1] <= height and 2 < square[2] < 2 * max(width, height)):
        return None
    points, presence = landmarks(models, image, square)
    return _Seen(points, presence) if presence >= _THERE else None


def _small_faces(models: FaceModels, image: np.ndarray) -> list[Detection]:
    """Faces in ever smaller parts of a picture, until there are some."""
    found: list[Detection] = []
    for share in (1, 2):
        found = found or _sure(detect(models, image, parts(image, min(image.shape[:2]) / share)))
    return found


def _sure(found: list[Detection]) -> list[Detection]:
    return [one for one in found if one.score >= _SURE]


def _ranked(found: list[Detection], image: np.ndarray) -> list[Detection]:
    """The main face first: the largest, one at the edge counting half as much as one in the middle."""
    height, width = image.shape[:2]

    def weight(one: Detection) -> float:
        away = np.abs(one.square[:2] / (width, height) - 0.5).max() * 2
        return float(one.box[2] * one.box[3] * (1 - 0.5 * min(away, 1)))

    return sorted(found, key=weight, reverse=True)


def _near(found: list[Detection], state: _State) -> Detection | None:
    """The face that lies where the one that is followed was last."""
    found = found if state.covered else _sure(found)
    if state.last is None or not found:
        return None
    common = overlap(state.last, np.stack([one.square for one in found]))
    return found[int(common.argmax())] if common.max() > _SAME else None


def _chosen(
    found: list[Detection], image: np.ndarray, index: int, state: _State, which: int
) -> Detection | None:
    """The face to begin with; none for a while, if the one that was followed had others beside it."""
    sure = _ranked(_sure(found), image)
    waiting = state.beside > 1 and index - state.last_index <= _PATIENCE
    return None if waiting or not sure else sure[min(which, len(sure) - 1)]


def _enter(models: FaceModels, result: Track, index: int, seen: _Seen | None) -> None:
    if seen is None:
        return
    result.found[index] = True
    result.presence[index] = seen.presence
    result.landmarks[index] = seen.points
    result.blendshapes[index] = blendshapes(models, seen.points)
    if seen.box is not None:
        result.covered[index] = True
        result.boxes[index] = seen.box


def _small(image: np.ndarray) -> np.ndarray:
    """float32 [<= 47, <= 47]: brightness of some pixels all over a picture."""
    down, across = (max(n // _SMALL_PICTURE, 1) for n in image.shape[:2])
    return image[::down, ::across].mean(2, dtype=np.float32)


def _finished(models: FaceModels, result: Track) -> Track:
    """The track with poses, steady squares and notes."""
    pose = poses(models, result.landmarks)
    result.rotation[...] = pose.rotation
    result.yaw[result.found] = yaw_of(pose.rotation[result.found])
    result.squares[...] = steady_squares(result, pose)
    return replace(result, notes=_notes(result))


def _notes(result: Track) -> tuple[str, ...]:
    done = result.done
    found = result.found[:done]
    if not found.any():
        return ("No face was found in any frame.",) if done else ()
    notes = []
    if not found.all():
        notes.append(f"In {int((~found).sum())} of {done} frames there is no face.")
    if result.covered.any():
        notes.append(
            f"In {int(result.covered.sum())} frames the face is there but covered; its landmarks are guesses."
        )
    if result.profile.any():
        notes.append(
            f"In {int(result.profile.sum())} frames the face is seen from the side, so half of it is a guess."
        )
    if result.faces.max() > 1:
        notes.append(f"Up to {int(result.faces.max())} faces are in the picture; one of them was followed.")
    if result.shots.max():
        notes.append(f"There are {int(result.shots.max()) + 1} shots; each was searched anew for the face.")
    return tuple(notes)
