"""Turns the jaw-opening shape into a hinge with correctives."""

from __future__ import annotations

import numpy as np

from ..deform import rotation_matrix

OPENING_ENTRY = 7  # R[2, 1] = sin(angle) of a turn about x


def blend(points: np.ndarray, weights: np.ndarray, joint: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """[n, 3] linear blend skinning of points by one joint with weights [n]."""
    return points + weights[:, None] * ((points - joint) @ rotation.T + joint - points)


def hinge_angle(points: np.ndarray, target: np.ndarray, joint: np.ndarray) -> float:
    """Opening about x in radians that carries rigid points (the lower teeth) closest to `target`."""
    a, b = (points - joint)[:, 1:], (target - joint)[:, 1:]
    return float(np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum()))


def corrective(
    points: np.ndarray, target: np.ndarray, weights: np.ndarray, joint: np.ndarray, axis_angle: np.ndarray
) -> np.ndarray:
    """[n, 3] offset before skinning that makes the turned jaw reach `target` exactly."""
    rotation = rotation_matrix(axis_angle)
    missing = target - blend(points, weights, joint, rotation)
    matrices = np.eye(3) + weights[:, None, None] * (rotation - np.eye(3))
    return np.linalg.solve(matrices, missing[..., None])[..., 0]
