"""Squares for cropping a face out of a clip, without the trembling of landmarks."""

from __future__ import annotations

import numpy as np

from ..heads.deform import rotation_matrix
from .bridging import bridge
from .pose import Pose
from .types import Track

# In centimetres of the canonical face: a point within the head, and half the side. So lie, on average, the
# pictures that the reconstruction models are trained with.
_CENTRE = np.array([0.0, 0.3, -1.7])
_HALF = 10.8
# The same from the detector's square of a covered face.
_OF_BOX, _ABOVE_BOX = 1 / 0.693 / 1.5, 0.11 / 1.5
_WINDOW = 0.08  # seconds, standard deviation
_MEDIAN = 0.5  # seconds before and after
_MOST_IN_MEDIAN = 60  # frames before and after


def steady_squares(track: Track, pose: Pose) -> np.ndarray:
    """float32 [n, 4]: a square for every frame of each shot in which the face is; else NaN.

    Middle and size follow the skull, so that neither mouth nor brows move the square; the roll is the head's.
    Gaps are bridged by straight lines, and all is averaged with a window that is as long before as after.
    Where the face is covered, the detector's eyes are too uncertain for a roll in every frame;
    medians are taken.
    """
    raw = np.where(track.covered[:, None], _from_boxes(track.boxes), _from_poses(pose))
    steady = np.full(raw.shape, np.nan, np.float32)
    for shot in np.unique(track.shots):
        rows = np.flatnonzero(track.shots == shot)
        known = np.isfinite(raw[rows]).all(1)
        if known.any():
            values = raw[rows]
            values[known, 3] = np.unwrap(values[known, 3])
            filled, _ = bridge(values, known, len(rows))
            calm = _medians(filled[:, 3], track.times[rows])
            filled[:, 3] = np.where(track.covered[rows], calm, filled[:, 3])
            steady[rows] = _averaged(filled, track.times[rows])
    return steady


def _from_poses(pose: Pose) -> np.ndarray:
    turn = rotation_matrix(np.nan_to_num(pose.rotation))
    middle = pose.middle + pose.scale[:, None] * (turn @ _CENTRE)[:, :2] * (1, -1)
    roll = np.arctan2(-turn[:, 1, 0], turn[:, 0, 0])  # where the head's x axis points
    return np.concatenate([middle, (pose.scale * _HALF)[:, None], roll[:, None]], 1)


def _from_boxes(boxes: np.ndarray) -> np.ndarray:
    x, y, half, roll = boxes.T.astype(np.float64)
    up = half * _ABOVE_BOX
    return np.stack([x + np.sin(roll) * up, y - np.cos(roll) * up, half * _OF_BOX, roll], 1)


def _medians(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Running medians [n]."""
    reach = min(int(_MEDIAN / _step(times)), _MOST_IN_MEDIAN)
    return np.median(
        np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, "edge"), 2 * reach + 1), 1
    )


def _step(times: np.ndarray) -> float:
    """Seconds from frame to frame."""
    return max(float(np.median(np.diff(times))), 1e-4) if len(times) > 1 else 1.0


def _averaged(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Means [n, k] with a Gaussian window in time; beyond the ends, values are mirrored about the last."""
    if len(values) < 3:
        return values
    step = _step(times)
    reach = min(int(np.ceil(3 * _WINDOW / step)), len(values) - 1)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / _WINDOW) ** 2)
    before = 2 * values[:1] - values[reach:0:-1]
    after = 2 * values[-1:] - values[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, values, after])
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0) @ (window / window.sum())
