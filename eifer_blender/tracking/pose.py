"""How a head is turned, from its landmarks: the similarity that brings a still face nearest to them.

Landmarks have a depth in the scale of the picture, so the head's turn is that of a similarity transform
between the canonical face, which comes with the model, and the landmarks, each weighted with how firmly it
sits on the skull (Umeyama, IEEE PAMI 13, 1991). Axes are the head's: x to the subject's left, which is the
picture's right, y up, z towards the camera.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..heads.deform import rotation_matrix
from .model_file import FaceModels

_SMALL = 1e-6
_FLIP = np.array([1.0, -1.0, -1.0])  # the picture's y is down, and its depth away from the camera
_TILT = np.radians(4.0)
"""By how much the canonical face looks up when the default head looks ahead: seen on simulated faces."""


class Pose(NamedTuple):
    """Where heads are in n pictures."""

    rotation: np.ndarray
    """float32 [n, 3] axis-angle in radians: of the default head, from facing the camera."""
    middle: np.ndarray
    """float32 [n, 2]: pixels of the canonical face's origin, which is within the head behind the nose."""
    scale: np.ndarray
    """float32 [n]: pixels in a centimetre of the canonical face, as far from the camera as the head is."""


def poses(models: FaceModels, points: np.ndarray) -> Pose:
    """Poses of landmarks [n, 478, 3] in pixels. Rows that hold NaN are NaN."""
    chosen = np.flatnonzero(models.weights)
    weights = models.weights[chosen].astype(np.float64) / models.weights.sum(dtype=np.float64)
    rest = models.canonical[chosen].astype(np.float64)
    seen = points[:, chosen].astype(np.float64) * _FLIP
    known = np.isfinite(seen).all((1, 2))
    result = Pose(*(np.full((len(points), *shape), np.nan, np.float32) for shape in ((3,), (2,), ())))
    if not known.any():
        return result
    seen = seen[known]
    rest_middle, seen_middle = weights @ rest, np.einsum("k,nkc->nc", weights, seen)
    rest = rest - rest_middle
    spread = np.einsum("k,nki,kj->nij", weights, seen - seen_middle[:, None], rest)
    left, sizes, right = np.linalg.svd(spread)
    mirrored = np.sign(np.linalg.det(left @ right))
    sizes[:, 2] *= mirrored
    left[:, :, 2] *= mirrored[:, None]
    turn = left @ right
    scale = sizes.sum(1) / (weights @ (rest**2).sum(1))
    middle = seen_middle - scale[:, None] * (turn @ rest_middle)
    result.rotation[known] = axis_angle(turn @ rotation_matrix([-_TILT, 0.0, 0.0]))
    result.middle[known] = middle[:, :2] * _FLIP[:2]
    result.scale[known] = scale
    return result


def axis_angle(matrices: np.ndarray) -> np.ndarray:
    """float64 [n, 3] in radians, of rotations [n, 3, 3]; the way back from `heads.deform.rotation_matrix`.

    By way of quaternions, reckoned from their largest part, so that half turns are exact, too.
    """
    m = np.asarray(matrices, np.float64)
    diagonal = np.diagonal(m, axis1=1, axis2=2)
    signs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    # Four times the products of the quaternion's parts (w, x, y, z) with each other.
    products = np.empty((len(m), 4, 4))
    products[:, range(4), range(4)] = 1 + diagonal @ signs.T
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        products[:, 0, i + 1] = products[:, i + 1, 0] = m[:, k, j] - m[:, j, k]
        products[:, i + 1, j + 1] = products[:, j + 1, i + 1] = m[:, i, j] + m[:, j, i]
    quaternion = products[np.arange(len(m)), (diagonal @ signs.T).argmax(1)]
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    quaternion *= np.where(quaternion[:, :1] < 0, -1, 1)
    sine = np.linalg.norm(quaternion[:, 1:], axis=1, keepdims=True)
    angle = 2 * np.arctan2(sine, quaternion[:, :1])
    return quaternion[:, 1:] * np.where(sine < _SMALL, 2.0, angle / np.maximum(sine, _SMALL))


def yaw_of(rotation: np.ndarray) -> np.ndarray:
    """float32 [n] radians by which a face looks to the picture's right, of axis-angle [n, 3]."""
    forward = rotation_matrix(rotation)[..., 2]
    return np.arctan2(forward[..., 0], forward[..., 2]).astype(np.float32)
