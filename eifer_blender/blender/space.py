"""The change of axes between heads (y up, face +z) and Blender (z up, face -y)."""

from __future__ import annotations

import numpy as np


def to_blender(points: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] of the head's frame in Blender's: (x, y, z) -> (x, -z, y)."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def from_blender(points: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] of Blender's frame in the head's: (x, y, z) -> (x, z, -y)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def blender_axes() -> np.ndarray:
    """float32 [3, 3]: Blender's x, y and z axis (rows) in the head's frame."""
    return from_blender(np.eye(3, dtype=np.float32))


def to_quaternions(axis_angle: np.ndarray) -> np.ndarray:
    """float32 [N, 4] (w, x, y, z) in Blender's frame, for axis-angle [N, 3] in the head's."""
    vector = to_blender(np.asarray(axis_angle, dtype=np.float64))
    half = 0.5 * np.linalg.norm(vector, axis=1, keepdims=True)
    # sin(half) / (2 half), finite at no rotation
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * vector], axis=1).astype(np.float32)


def to_axis_angles(quaternions: np.ndarray) -> np.ndarray:
    """float32 [N, 3] axis-angle in the head's frame, for quaternions [N, 4] in Blender's."""
    unit = np.asarray(quaternions, dtype=np.float64)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    unit = np.where(unit[:, :1] < 0, -unit, unit)
    sine = np.linalg.norm(unit[:, 1:], axis=1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, unit[:, :1])
    axis = unit[:, 1:] / np.where(sine < 1e-12, 1.0, sine)
    return from_blender(np.where(sine < 1e-12, 2.0 * unit[:, 1:], axis * angle)).astype(np.float32)
