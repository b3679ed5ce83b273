"""Triangles and drawings as pixels, for pictures where there is no graphics card and no library for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .shapes import Area, Box, Colour, Drawing, Line, Text
from .svg import pieces

_CHUNK = 2_000_000  # candidate pixels at a time
_FINE = 3  # samples a side of a pixel, for smooth edges

Glyphs = Callable[[str], tuple[np.ndarray, float]]
"""Word -> (triangles [T, 3, 2] at text size 1, y up from the baseline, and its width)."""


def hit_triangles(
    corners: np.ndarray, depth: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(triangle int32 [h, w], -1 for none; weights of its corners float32 [h, w, 3]) seen at every pixel.

    corners: [T, 3, 2] pixels, y down; depth: [T, 3], larger is nearer; size: (width, height).
    """
    width, height = size
    nearest = np.full(width * height, -np.inf, np.float32)
    triangle = np.full(width * height, -1, np.int32)
    weights = np.zeros((width * height, 3), np.float32)
    for pixel, which, share in _candidates(np.asarray(corners, np.float32), size):
        z = (share * depth[which]).sum(1)
        order = np.argsort(z, kind="stable")  # of several writes to a pixel, the last one stays
        order = order[z[order] > nearest[pixel[order]]]
        at = pixel[order]
        nearest[at], triangle[at], weights[at] = z[order], which[order], share[order]
    return triangle.reshape(height, width), weights.reshape(height, width, 3)


def _candidates(corners: np.ndarray, size: tuple[int, int]):  # noqa: ANN202
    """Pixels inside triangles, in pieces: (pixel [m], triangle [m], weights [m, 3])."""
    width, height = size
    # Only pixels whose centre may lie inside: small triangles have few of them, or none.
    low = np.maximum(np.ceil(corners.min(1) - 0.501), 0).astype(np.int64)
    high = np.minimum(np.floor(corners.max(1) - 0.499), [width - 1, height - 1]).astype(np.int64)
    span = np.maximum(high - low + 1, 0)
    count = span.prod(1)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    chosen = np.flatnonzero((count > 0) & (np.abs(area) > 1e-9))
    piece = np.cumsum(count[chosen]) // _CHUNK
    for number in np.unique(piece):
        some = chosen[piece == number]
        which = np.repeat(some, count[some])
        starts = np.cumsum(count[some]) - count[some]
        place = np.arange(len(which)) - np.repeat(starts, count[some])
        x = low[which, 0] + place % span[which, 0]
        y = low[which, 1] + place // span[which, 0]
        px, py = x + 0.5 - a[which, 0], y + 0.5 - a[which, 1]
        v = (px * (c - a)[which, 1] - py * (c - a)[which, 0]) / area[which]
        w = (py * (b - a)[which, 0] - px * (b - a)[which, 1]) / area[which]
        inside = (v >= 0) & (w >= 0) & (v + w <= 1)
        v, w = v[inside], w[inside]
        yield (y * width + x)[inside], which[inside], np.stack([1 - v - w, v, w], 1).astype(np.float32)


def paint(image: np.ndarray, drawing: Drawing, glyphs: Glyphs) -> np.ndarray:
    """An image float32 [h, w, 4] (sRGB with alpha, 0..1) with a drawing over it, pixel for pixel."""
    image = image.copy()
    for item in drawing.items:
        triangles = _triangles(item, glyphs)
        if len(triangles):
            _blend(image, triangles, item.colour)
    return image


def _triangles(item: Line | Area | Box | Text, glyphs: Glyphs) -> np.ndarray:
    """float32 [T, 3, 2] pixels."""
    if isinstance(item, Box):
        x, y, right, bottom = item.x, item.y, item.x + item.width, item.y + item.height
        return _strip(np.array([[x, y], [x, bottom], [right, y], [right, bottom]], np.float32))
    if isinstance(item, Area):
        rows = np.stack([item.x, item.top, item.bottom], 1)
        parts = [_strip(p[:, [0, 1, 0, 2]].reshape(-1, 2)) for p in pieces(rows)]
        return np.concatenate(parts) if parts else np.empty((0, 3, 2), np.float32)
    if isinstance(item, Line):
        parts = [_thick(part, item.width) for part in pieces(item.points)]
        return np.concatenate(parts) if parts else np.empty((0, 3, 2), np.float32)
    letters, width = glyphs(item.text)
    x = item.x - {"left": 0.0, "middle": 0.5, "right": 1.0}[item.align] * width * item.size
    return (letters * [item.size, -item.size] + [x, item.y]).astype(np.float32)


def _strip(points: np.ndarray) -> np.ndarray:
    return np.stack([points[:-2], points[1:-1], points[2:]], 1).astype(np.float32)


def _thick(points: np.ndarray, width: float) -> np.ndarray:
    """A line as wide as it is drawn, its pieces one by one."""
    along = np.diff(points, axis=0)
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    aside = np.stack([-along[:, 1], along[:, 0]], 1) * width / 2
    a, b = points[:-1], points[1:]
    first = np.stack([a + aside, a - aside, b + aside], 1)
    return np.concatenate([first, np.stack([a - aside, b - aside, b + aside], 1)]).astype(np.float32)


def _blend(image: np.ndarray, triangles: np.ndarray, colour: Colour) -> None:
    """Draw triangles of one colour over an image, in place; overlaps count once."""
    height, width = image.shape[:2]
    low = np.maximum(np.floor(triangles.reshape(-1, 2).min(0)).astype(int), 0)
    high = np.minimum(np.ceil(triangles.reshape(-1, 2).max(0)).astype(int) + 1, [width, height])
    if (high <= low).any():
        return
    size = (high - low) * _FINE
    covered = np.zeros(size[0] * size[1], bool)
    for pixel, _which, _share in _candidates((triangles - low) * _FINE, tuple(size.tolist())):
        covered[pixel] = True
    fine = covered.reshape(size[1] // _FINE, _FINE, size[0] // _FINE, _FINE)
    alpha = fine.mean((1, 3), dtype=np.float32)[..., None] * colour[3]
    part = image[low[1] : high[1], low[0] : high[0]]
    under = part[..., 3:] * (1 - alpha)
    total = alpha + under
    mixed = np.asarray(colour[:3], np.float32) * alpha + part[..., :3] * under
    part[..., :3] = mixed / np.where(total > 0, total, 1.0)
    part[..., 3:] = total
