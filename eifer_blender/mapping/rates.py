"""Between the scene's frame rate and the one that a model was made for.

On the way in, frames that are closer together than the model's are averaged over one of the model's frames,
so that nothing faster than the model knows folds back into what it sees. All other ways go through piecewise
cubic Hermite polynomials that keep monotony (Fritsch and Carlson 1980). Neither overshoots, so that limits
hold, and where neighbouring frames are zero everything between them is exactly zero.
"""

from __future__ import annotations

import numpy as np

from ..dependencies import require
from ..errors import EiferError
from ..signals.activation import MAX_FRAMES
from ..signals.envelope import window_means

_ALIKE = 0.01  # share by which rates may differ that count as one: 29.97 is 30 to any model


def same_rate(first: float, second: float) -> bool:
    """Whether rows at one rate serve as rows at the other."""
    return abs(first / second - 1.0) <= _ALIKE


def count_at(frames: int, fps: float, rate: float) -> int:
    """Rows at `rate` that span `frames` rows at `fps`, the first of both at the same instant.

    Raises EiferError if they are more than memory is meant for.
    """
    count = int(np.ceil((frames - 1) * rate / fps - 1e-6)) + 1 if frames else 0
    if count > 2 * MAX_FRAMES:
        raise EiferError(
            f"{frames} frames at {fps:g} frames per second are too long for a model of {rate:g} frames per "
            "second; animate a part of the recording or raise the frame rate."
        )
    return count


def sample(values: np.ndarray, fps: float, rate: float, frames: int) -> np.ndarray:
    """`resample` for what a model is given: means over its frames where these are the longer ones."""
    width = fps / rate
    if width < 1.0 or not len(values):
        return resample(values, fps, rate, frames)
    margin = int(np.ceil(width / 2)) + 1
    held = np.concatenate((values[:1].repeat(margin, 0), values, values[-1:].repeat(margin, 0)))
    centres = margin + np.minimum(np.arange(frames) * width, len(values) - 1.0)
    means = window_means([(0, held, None)], len(held), held.shape[1], centres, width, power=False)
    return np.clip(means, values.min(0), values.max(0))


def resample(values: np.ndarray, fps: float, rate: float, frames: int) -> np.ndarray:
    """float32 [frames, columns] at `rate`, from float [n, columns] at `fps`, n > 0; the ends are held."""
    times = np.minimum(np.arange(frames) * (fps / rate), len(values) - 1.0)
    moving = np.flatnonzero((values != values[:1]).any(0))
    result = np.repeat(values[:1], frames, axis=0).astype(np.float32)
    if len(moving):
        columns = values[:, moving]
        curve = require("scipy.interpolate").PchipInterpolator(np.arange(len(values)), columns)
        result[:, moving] = np.clip(curve(times), columns.min(0), columns.max(0))
    return result


def nearest(values: np.ndarray, fps: float, rate: float, frames: int) -> np.ndarray:
    """[frames, columns] at `rate`: for each row the nearest of the rows [n, columns] at `fps`."""
    index = np.floor(np.arange(frames) * (fps / rate) + 0.5).astype(np.int64)
    return values[np.minimum(index, len(values) - 1)]


def bridged(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Values, with lines across what is not usable; zero in a column that has nothing usable."""
    result = np.where(usable, values, np.float32(0))
    index = np.arange(len(values))
    for k in np.flatnonzero(usable.any(0) & ~usable.all(0)):
        known = usable[:, k]
        result[:, k] = np.interp(index, index[known], values[known, k])
    return result
