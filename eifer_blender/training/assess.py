"""Scores of one method over several subjects, gathered for tables.

Methods are functions, so that a model, ridge regression and a stand-in in a test are scored alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .. import agreement
from ..muscles import CHANNEL_COUNT
from . import scores
from .surface import GOAL_GROUPS, GROUPS, REGIONS, Surface
from .takes import Take

STILL_MM = 0.1  # the true face rests where it is no further from neutral on average
STILL_ACTIVITY = 1e-3  # a muscle rests where it is estimated and measured to be no more active
OPEN_DEGREES = 3.0  # the jaw counts as open from this true angle on


class Faces(NamedTuple):
    """What a method says of a take, as `mapping.Expression`."""

    values: np.ndarray  # float32 [n, P]
    sd: np.ndarray | None = None  # float32 [n, P]
    features: np.ndarray | None = None  # float32 [n, F]


ToFace = Callable[[Take], Faces]


class SubjectFaces(NamedTuple):
    """All scored frames of one subject; N frames, M second differences."""

    error: np.ndarray  # float32 [N, R + 1] mm
    moved: np.ndarray  # float32 [N, R + 1] mm
    spread: np.ndarray  # histogram of distances
    jaw: np.ndarray  # float32 [N] degrees
    opening: np.ndarray  # float32 [N] degrees
    bend: np.ndarray  # float32 [M] mm/frame^2
    true_bend: np.ndarray  # float32 [M]
    still: np.ndarray  # bool [M]: the true face rests
    task: np.ndarray  # str [N]
    inside: np.ndarray  # bool [N', P]: truth within the 80 % band, N' frames not at rest; [N', 0] without one


def subject_faces(surface: Surface, takes: Sequence[Take], method: ToFace) -> SubjectFaces:
    """Scores of one subject's takes."""
    parts, tasks, stills, inside = [], [], [], []
    for take in takes:
        found = method(take)
        one = scores.face_errors(surface, found.values, take.expression)
        parts.append(one)
        tasks.append(np.repeat(take.task if take.mode in ("schaede", "emotion") else take.mode, len(one.jaw)))
        rest = one.moved[:, -1] < STILL_MM
        stills.append(rest[2:] & rest[1:-1] & rest[:-2])
        if found.sd is not None:
            inside.append(agreement.covered(found.values, found.sd, take.expression)[~rest])
    joined = {
        name: np.concatenate([getattr(p, name) for p in parts])
        for name in ("error", "moved", "jaw", "opening", "bend", "true_bend")
    }
    return SubjectFaces(
        **joined,
        spread=np.sum([p.spread for p in parts], axis=0),
        still=np.concatenate(stills),
        task=np.concatenate(tasks),
        inside=np.concatenate(inside) if inside else np.empty((len(joined["jaw"]), 0), bool),
    )


def relative(subjects: Sequence[SubjectFaces], regions: Sequence[str], task: str = "") -> tuple[float, float]:
    """(relative error, standard error) of some regions, their frames pooled; of one task if given."""
    columns = [REGIONS.index(name) for name in regions]
    parts = []
    for one in subjects:
        rows = one.task == task if task else slice(None)
        parts.append(scores.relative_error(one.error[rows][:, columns], one.moved[rows][:, columns]))
    return scores.pooled(parts)


def goal_error(subjects: Sequence[SubjectFaces]) -> float:
    """Mean of the relative errors of the four groups that the project has a goal for."""
    return float(np.mean([relative(subjects, GROUPS[g])[0] for g in GOAL_GROUPS]))


def mean_mm(subjects: Sequence[SubjectFaces]) -> tuple[float, float]:
    """(mean vertex error over the face and all frames, its standard error over subjects) in mm."""
    return scores.pooled([(float(s.error[:, -1].sum()), len(s.error)) for s in subjects])


def p95_mm(subjects: Sequence[SubjectFaces]) -> float:
    """95th percentile of all vertices' errors in all frames, in mm."""
    return scores.percentile_mm(np.sum([s.spread for s in subjects], axis=0))


def jaw_degrees(subjects: Sequence[SubjectFaces]) -> tuple[float, float]:
    """(mean angle between true and predicted jaw over all frames, and over those with an open jaw)."""
    angle = np.concatenate([s.jaw for s in subjects])
    opened = np.concatenate([s.opening for s in subjects]) >= OPEN_DEGREES
    return float(angle.mean()), float(angle[opened].mean()) if opened.any() else float("nan")


def jitter(subjects: Sequence[SubjectFaces]) -> tuple[float, float, float]:
    """(prediction, truth, prediction while the true face rests): RMS second difference in mm/frame^2."""
    bend, true, still = (
        np.concatenate([getattr(s, n) for s in subjects]) for n in ("bend", "true_bend", "still")
    )

    def rms(values: np.ndarray) -> float:
        return float(np.sqrt((values.astype(np.float64) ** 2).mean())) if len(values) else float("nan")

    return rms(bend), rms(true), rms(bend[still])


def coverage(subjects: Sequence[SubjectFaces]) -> tuple[float, float, float] | None:
    """(mean over parameters, lowest, highest parameter) of the share of frames within the 80 % band.

    Frames in which the true face rests do not count: there is nothing to be unsure of.
    """
    inside = np.concatenate([s.inside for s in subjects])
    if not inside.shape[1]:
        return None
    share = inside.mean(0)
    return float(share.mean()), float(share.min()), float(share.max())


# --- muscle activity -------------------------------------------------------------------------------


class SubjectActivity(NamedTuple):
    """Scores of one subject's estimated activity, [22] each."""

    rho: np.ndarray  # over all frames
    rho_moving: np.ndarray  # within movement blocks
    rmse: np.ndarray
    smape: np.ndarray
    lag: np.ndarray
    inside: np.ndarray  # share within the 80 % band of frames not at rest, NaN without a band


def subject_activity(
    takes: Sequence[Take], estimates: Sequence[np.ndarray], sds: Sequence[np.ndarray] | None = None
) -> SubjectActivity:
    """Estimated activity [n, 22] of every take against the processed, noisy envelope of the take."""
    true = [t.activation for t in takes]
    own, wanted = np.concatenate(estimates), np.concatenate(true)
    moving = np.concatenate([t.moving for t in takes])
    inside = np.full(CHANNEL_COUNT, np.nan)
    if sds is not None:
        active = np.maximum(own, wanted) > STILL_ACTIVITY
        held = agreement.covered(own, np.concatenate(sds), wanted) & active
        inside = held.sum(0) / np.where(active.any(0), active.sum(0), np.nan)
    return SubjectActivity(
        agreement.spearman(own, wanted),
        agreement.spearman(own[moving], wanted[moving]),
        agreement.rmse(own, wanted),
        agreement.smape(own, wanted),
        agreement.lag(estimates, true),
        inside,
    )


def over_subjects(subjects: Sequence[SubjectActivity], score: str) -> np.ndarray:
    """float64 [22]: mean of a score over subjects that have it."""
    values = np.stack([getattr(s, score) for s in subjects])
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(0)
    return np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan)


def median_of(subjects: Sequence[SubjectActivity], score: str, channels: np.ndarray) -> float:
    """Median over channels (bool [22]) of the mean over subjects; NaN without a channel."""
    values = over_subjects(subjects, score)[channels]
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
