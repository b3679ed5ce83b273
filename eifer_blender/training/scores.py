"""Scores of predicted faces, defined once for tables and tests; those of activity stand in `agreement`.

Functions take whole clips; nothing is computed across the border of two clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..heads.deform import jaw_rotation
from .surface import Surface, displacements

MOVING_MM = 2.0
"""A region counts in frames in which its true mean vertex displacement is at least so large."""

_BIN_MM = 0.01
_BINS = 4000  # to 40 mm; what lies beyond counts as 40


class FaceErrors(NamedTuple):
    """How far a clip's predicted face is from the true one; R regions and, last, the whole face."""

    error: np.ndarray  # float32 [n, R + 1] mm: mean distance of the region's vertices
    moved: np.ndarray  # float32 [n, R + 1] mm: mean displacement of the true region from neutral
    spread: np.ndarray  # int64 [_BINS]: histogram of all vertices' distances in all frames
    jaw: np.ndarray  # float32 [n] degrees between the jaws' rotations
    opening: np.ndarray  # float32 [n] degrees: rotation of the true jaw
    bend: np.ndarray  # float32 [n - 2 or 0] mm/frame^2: RMS over vertices of the second difference
    true_bend: np.ndarray  # the same of the true face


def face_errors(surface: Surface, predicted: np.ndarray, true: np.ndarray) -> FaceErrors:
    """Errors of predicted parameters [n, 55] of one clip against the true ones [n, 55]."""
    columns = surface.mean_of.shape[1]
    error, moved = (np.empty((len(true), columns), np.float32) for _ in range(2))
    spread = np.zeros(_BINS, np.int64)
    bends = ([], [])
    tails = [np.empty((0, len(surface.rest), 3), np.float32)] * 2
    pairs = zip(displacements(surface, predicted), displacements(surface, true), strict=True)
    for (rows, own), (_, wanted) in pairs:
        distance = _length(own - wanted)
        error[rows] = distance @ surface.mean_of
        moved[rows] = _length(wanted) @ surface.mean_of
        cells = np.minimum((distance / _BIN_MM).astype(np.int64), _BINS - 1)
        spread += np.bincount(cells.ravel(), minlength=_BINS)
        for k, field in enumerate((own, wanted)):
            joined = np.concatenate([tails[k], field])
            bends[k].append(_bend(joined))
            tails[k] = joined[-2:]
    turn = jaw_rotation(true)
    return FaceErrors(
        error,
        moved,
        spread,
        _degrees(np.swapaxes(jaw_rotation(predicted), 1, 2) @ turn),
        _degrees(turn),
        *(np.concatenate(b) if b else np.empty(0, np.float32) for b in bends),
    )


def _length(field: np.ndarray) -> np.ndarray:
    """[n, v] of [n, v, 3]."""
    return np.sqrt(np.einsum("nvk,nvk->nv", field, field))


def _bend(field: np.ndarray) -> np.ndarray:
    """RMS over vertices [n - 2] of the second difference of a field [n, v, 3]."""
    second = field[2:] - 2 * field[1:-1] + field[:-2]
    return np.sqrt(np.einsum("nvk,nvk->n", second, second) / field.shape[1]).astype(np.float32)


def _degrees(rotation: np.ndarray) -> np.ndarray:
    """Angle [n] of rotation matrices [n, 3, 3]; by sine and cosine, so that small angles are exact."""
    skew = rotation - np.swapaxes(rotation, 1, 2)
    sine = np.sqrt(skew[:, 0, 1] ** 2 + skew[:, 0, 2] ** 2 + skew[:, 1, 2] ** 2) / 2
    cosine = (np.trace(rotation, axis1=1, axis2=2) - 1) / 2
    return np.degrees(np.arctan2(sine, cosine)).astype(np.float32)


def relative_error(error: np.ndarray, moved: np.ndarray, least: float = MOVING_MM) -> tuple[float, int]:
    """(sum, count) of error / movement over the frames in which a region moves.

    error, moved: mm, of one shape: a region's mean vertex distance between predicted and true face, and
    the true region's mean vertex displacement from the neutral face. A frame counts if the true
    displacement is at least `least`. The relative error is sum / count: the mean over those frames of
    (error / displacement), so that 1 is what the resting face scores.
    """
    counts = moved >= least
    return float((error[counts] / moved[counts]).sum(dtype=np.float64)), int(counts.sum())


def pooled(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """(mean, standard error) of what subjects contribute as (sum, count); NaN where nothing counts.

    The mean is over all frames of all subjects. Frames of one subject are alike, so the standard
    error is the jackknife's over subjects (Efron and Stein 1981).
    """
    sums, counts = np.array(parts, dtype=np.float64).reshape(-1, 2).T
    if not counts.sum():
        return float("nan"), float("nan")
    mean = sums.sum() / counts.sum()
    n = len(sums)
    others = counts.sum() - counts
    if n < 2 or not others.all():
        return float(mean), float("nan")
    without = (sums.sum() - sums) / others
    return float(mean), float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))


def percentile_mm(spread: np.ndarray, percent: float = 95.0) -> float:
    """The percentile of distances in mm from their histogram, to 0.01 mm."""
    return float((np.searchsorted(np.cumsum(spread), spread.sum() * percent / 100) + 0.5) * _BIN_MM)


# --- directions ------------------------------------------------------------------------------------


def direction_cosine(own: np.ndarray, wanted: np.ndarray, least: float = MOVING_MM) -> tuple[float, int]:
    """(sum, count) of the cosine between predicted and true movement over the frames that count.

    own, wanted: displacement [n, v, 3] mm of a region's vertices. The cosine is that of the two fields as
    vectors of 3 v numbers; a prediction at rest scores 0.
    """
    counts = np.linalg.norm(wanted, axis=-1).mean(-1) >= least
    if not counts.any():
        return 0.0, 0
    a, b = (field[counts].reshape(counts.sum(), -1).astype(np.float64) for field in (own, wanted))
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return float(((a * b).sum(1) / np.where(size > 0, size, 1.0)).sum()), int(counts.sum())


def movement_correlation(own: np.ndarray, wanted: np.ndarray) -> float:
    """Pearson's correlation over frames of a region's movement along its main direction.

    own, wanted: mean displacement [n, 3] mm of the region. The main direction is the first principal
    axis of the true movement about rest. NaN where the truth does not move, 0 where only the
    prediction does not.
    """
    axis = np.linalg.eigh(wanted.T.astype(np.float64) @ wanted)[1][:, -1]
    a, b = own @ axis, wanted @ axis
    a, b = a - a.mean(), b - b.mean()
    if not (b**2).sum() > 0:
        return float("nan")
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 0 else 0.0
