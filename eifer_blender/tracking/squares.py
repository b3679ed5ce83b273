"""Turned squares around faces, and pictures cut out of them and put back.

A square is four numbers: x and y of its middle in pixels of the picture (the middle of the first pixel is
0.5), half its side, and its roll, the angle in radians by which its upper edge goes down towards the right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_SMALLEST = 1.0  # pixels of half a side
_ROUND_UP = 0.6  # of a pixel's step, when whole pixels are averaged


class Square(NamedTuple):
    """One square; rows of arrays serve as well."""

    x: float
    y: float
    half: float
    roll: float = 0.0


def crop(
    image: np.ndarray, square: Square | np.ndarray, size: int, outside: float | None = None
) -> np.ndarray:
    """float32 [size, size, c] 0..1: what lies in a square of a picture uint8 [h, w, c], upright.

    Averages where the picture shrinks, interpolates linearly where it grows. outside: the value beyond the
    picture's edges, 0..1; None repeats the edge.
    """
    middle_x, middle_y, half, roll = (float(v) for v in square)
    half = max(half, _SMALLEST)
    x, y = _grid(middle_x, middle_y, half, roll, size)
    factor = min(_whole_factor(2 * half / size), max(image.shape[:2]))
    part, left, top = _around(image, middle_x, middle_y, _reach(half, roll) + factor, factor)
    result = _sampled(part, (x - left) / factor - 0.5, (y - top) / factor - 0.5)
    result *= np.float32(1 / 255)
    if outside is not None:
        height, width = image.shape[:2]
        result[(x < 0) | (y < 0) | (x >= width) | (y >= height)] = outside
    return result


def paste(
    image: np.ndarray,
    part: np.ndarray,
    square: Square | np.ndarray,
    weight: np.ndarray | None = None,
    feather: float = 0.1,
) -> np.ndarray:
    """uint8 [h, w, c]: a copy of a picture with a part [s, s, c] 0..1 laid into a square.

    weight: [s, s] 0..1, how much of the part is seen; without it, the part fades in from the square's edges
    over a share `feather` of its side. Outside the square nothing changes.
    """
    middle_x, middle_y, half, roll = (float(v) for v in square)
    half = max(half, _SMALLEST)
    reach = _reach(half, roll)
    height, width = image.shape[:2]
    left, right = (int(np.clip(middle_x + k * reach + k, 0, width)) for k in (-1, 1))
    top, bottom = (int(np.clip(middle_y + k * reach + k, 0, height)) for k in (-1, 1))
    result = image.copy()
    if right <= left or bottom <= top:
        return result
    dx = np.arange(left, right, dtype=np.float32)[None] + 0.5 - middle_x
    dy = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - middle_y
    across = (np.cos(roll) * dx + np.sin(roll) * dy) / half  # -1..1 within the square
    down = (np.cos(roll) * dy - np.sin(roll) * dx) / half
    edge = np.clip(1 - np.maximum(np.abs(across), np.abs(down)), 0, None)
    size = len(part)
    factor = min(_whole_factor(size / (2 * half)), size)
    if weight is None:
        share = np.clip(edge / max(2 * feather, 1e-6), 0, 1)
    shown = np.ones((size, size), np.float32) if weight is None else weight
    stacked = np.concatenate([part, shown[..., None]], -1, dtype=np.float32)
    scale = size / factor / 2
    laid = _sampled(
        _shrunk(_filled(stacked, factor), factor), (across + 1) * scale - 0.5, (down + 1) * scale - 0.5
    )
    if weight is not None:
        share = laid[..., -1] * (edge > 0)
    place = result[top:bottom, left:right]
    mixed = place + share[..., None] * (np.clip(laid[..., :-1], 0, 1) * 255 - place)
    place[...] = np.rint(mixed)
    return result


def to_image(points: np.ndarray, square: np.ndarray, size: int) -> np.ndarray:
    """float32 [n, 2 or 3] in the picture of points in a crop of a size; depth grows as the square does."""
    middle_x, middle_y, half, roll = (float(v) for v in square)
    scale = 2 * half / size
    dx, dy = (points[:, 0] - size / 2) * scale, (points[:, 1] - size / 2) * scale
    result = points * np.float32(scale)
    result[:, 0] = middle_x + np.cos(roll) * dx - np.sin(roll) * dy
    result[:, 1] = middle_y + np.sin(roll) * dx + np.cos(roll) * dy
    return result.astype(np.float32)


def overlap(square: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float [n]: area in common over area of both, of squares [n, 4] with one, as if none were rolled."""
    others = np.asarray(others, np.float64).reshape(-1, 4)
    low = np.maximum(square[:2] - square[2], others[:, :2] - others[:, 2:3])
    high = np.minimum(square[:2] + square[2], others[:, :2] + others[:, 2:3])
    common = np.clip(high - low, 0, None).prod(1)
    return common / np.maximum(4 * square[2] ** 2 + 4 * others[:, 2] ** 2 - common, 1e-9)


def _reach(half: float, roll: float) -> float:
    """How far a rolled square goes to each side of its middle."""
    return half * (abs(np.cos(roll)) + abs(np.sin(roll)))


def _whole_factor(step: float) -> int:
    """Pixels to average before sampling at a step; rather blurred than with patterns that are not there."""
    return max(int(step + _ROUND_UP), 1)


def _around(image: np.ndarray, x: float, y: float, reach: float, factor: int) -> tuple[np.ndarray, int, int]:
    """What of a picture lies within reach of a point, made smaller by a factor; and where it begins.

    At least one pixel: the nearest, for a point that is outside.
    """
    height, width = image.shape[:2]
    left, top = int(np.clip(x - reach, 0, width - 1)), int(np.clip(y - reach, 0, height - 1))
    right = int(np.clip(np.ceil(x + reach), left + 1, width))
    bottom = int(np.clip(np.ceil(y + reach), top + 1, height))
    return _shrunk(_filled(image[top:bottom, left:right], factor), factor), left, top


def _filled(picture: np.ndarray, factor: int) -> np.ndarray:
    """The picture with its last row and column repeated, so that its sides are multiples of a factor."""
    more = [-n % factor for n in picture.shape[:2]]
    return np.pad(picture, ((0, more[0]), (0, more[1]), (0, 0)), mode="edge") if any(more) else picture


def _shrunk(picture: np.ndarray, factor: int) -> np.ndarray:
    """float32: means of factor x factor pixels; the picture itself for 1."""
    if factor == 1:
        return picture
    height, width = (n // factor for n in picture.shape[:2])
    # Rows first, whose pixels lie side by side; then every factor-th column: faster than one mean over both.
    rows = picture.reshape(height, factor, -1).sum(1, dtype=np.float32).reshape(height, width * factor, -1)
    total = rows[:, ::factor].copy()
    for k in range(1, factor):
        total += rows[:, k::factor]
    total *= np.float32(1 / factor**2)
    return total


def _grid(x: float, y: float, half: float, roll: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 [size, size] twice: where the pixels of a crop lie."""
    steps = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1) * half
    across, down = steps[None], steps[:, None]
    return (
        (x + np.cos(roll) * across - np.sin(roll) * down).astype(np.float32),
        (y + np.sin(roll) * across + np.cos(roll) * down).astype(np.float32),
    )


def _sampled(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float32 [..., c]: linear interpolation at pixel indices; beyond the edge, the edge."""
    height, width = picture.shape[:2]
    x, y = (np.clip(v, 0, n - 1).astype(np.float32) for v, n in ((x, width), (y, height)))
    left, top = (np.minimum(np.floor(v), max(n - 2, 0)) for v, n in ((x, width), (y, height)))
    right, down = (x - left)[..., None], (y - top)[..., None]
    flat = np.ascontiguousarray(picture).reshape(height * width, -1)
    first = top.astype(np.intp) * width + left.astype(np.intp)
    step = 1 if width > 1 else 0
    below = width if height > 1 else 0
    a, b, c, d = (flat.take(first + k, axis=0).astype(np.float32) for k in (0, step, below, below + step))
    b -= a
    b *= right
    a += b
    d -= c
    d *= right
    c += d
    c -= a
    c *= down
    a += c
    return a
