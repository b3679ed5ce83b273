"""Triangles as pixels, a whole batch at once, on any device of torch.

A z-buffer: every pixel centre within a triangle's box is a candidate, and of those inside the triangle the
nearest one stays. Which triangle a pixel shows is found without gradients; the weights of its corners are
computed from the points again, so that whatever is interpolated is differentiable in the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_DEPTH_STEPS = 2**30


@dataclass(frozen=True)
class Hits:
    """What a batch of pictures of height x width pixels shows; K pixels show a triangle."""

    pixel: Tensor  # int64 [K], flat over [B, height, width]
    picture: Tensor  # int64 [K], number within the batch
    corners: Tensor  # int64 [K, 3], vertices flat over [B, V]
    triangle: Tensor  # int64 [K]
    weights: Tensor  # float32 [K, 3], of the corners; differentiable
    shape: tuple[int, int, int]  # batch, height, width

    def of_vertices(self, values: Tensor) -> Tensor:
        """[K, C] of what the vertices carry: [B, V, C]; or [V, C], the same for all pictures."""
        if values.dim() == 3:
            flat, index = values.reshape(-1, values.shape[-1]), self.corners
        else:
            flat, index = values, self.corners - self.picture[:, None] * self._vertices
        return (flat[index] * self.weights[..., None]).sum(1)

    @property
    def _vertices(self) -> int:
        return self.vertices

    vertices: int = 0  # V

    def as_picture(self, values: Tensor, background: float | Tensor = 0.0) -> Tensor:
        """[B, C, height, width] of values [K, C] over a background (a number or [B, C, height, width])."""
        batch, height, width = self.shape
        channels = values.shape[-1]
        if isinstance(background, Tensor):
            flat = background.permute(0, 2, 3, 1).reshape(-1, channels)
        else:
            flat = values.new_full((batch * height * width, channels), background)
        flat = flat.index_copy(0, self.pixel, values.to(flat.dtype))
        return flat.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def rasterise(
    points: Tensor, triangles: Tensor, size: tuple[int, int], *, two_sided: Tensor | None = None
) -> Hits:
    """What pictures of size (height, width) show of surfaces.

    points: [B, V, 3], x and y in pixels from the upper left corner (y down), z larger where nearer.
    triangles: int64 [F, 3], counter-clockwise as seen from outside; those seen from behind are left out,
    but for the ones where two_sided (bool [F]) is true.
    """
    with torch.no_grad():
        pixel, triangle = _nearest(points, triangles, size, two_sided)
    batch, count = points.shape[:2]
    height, width = size
    picture = pixel // (height * width)
    corners = triangles[triangle] + (picture * count)[:, None]
    at = points.reshape(-1, 3)[corners][..., :2]
    place = pixel % (height * width)
    centre = torch.stack([place % width, place // width], 1).to(points.dtype) + 0.5
    return Hits(pixel, picture, corners, triangle, _weights(at, centre), (batch, height, width), count)


def _nearest(
    points: Tensor, triangles: Tensor, size: tuple[int, int], two_sided: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(pixel [K] flat over the batch, triangle [K])."""
    height, width = size
    batch, faces = len(points), len(triangles)
    corners = points[:, triangles].reshape(-1, 3, 3)
    a, b, c = corners.unbind(1)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    seen = area < -1e-8  # y points down, so counter-clockwise is negative
    if two_sided is not None:
        seen |= two_sided.repeat(batch) & (area.abs() > 1e-8)
    flat = corners[..., :2]
    low = (flat.amin(1) - 0.5).ceil().clamp(min=0)
    limit = torch.tensor([width - 1.0, height - 1.0], device=points.device)
    high = torch.minimum((flat.amax(1) - 0.5).floor(), limit)
    span = (high - low + 1).clamp(min=0)
    chosen = torch.nonzero(seen & (span[:, 0] * span[:, 1] > 0)).squeeze(1)
    # Weights and depth are linear in the pixel: one row of coefficients for each triangle.
    rows = _planes(corners[chosen], low[chosen])
    wide = span[chosen, 0].to(torch.int32)
    count = (span[chosen, 0] * span[chosen, 1]).to(torch.int64)
    which = torch.repeat_interleave(count)
    begin = count.cumsum(0) - count
    place = (torch.arange(len(which), device=points.device) - begin[which]).to(torch.int32)
    across = wide[which]
    row = torch.div(place, across, rounding_mode="floor")
    column = place - row * across
    plane = rows[which]
    x, y = column.to(points.dtype), row.to(points.dtype)
    v = plane[:, 0] + plane[:, 1] * x + plane[:, 2] * y
    w = plane[:, 3] + plane[:, 4] * x + plane[:, 5] * y
    inside = torch.nonzero((v >= 0) & (w >= 0) & (v + w <= 1)).squeeze(1)
    plane, which = plane[inside], which[inside]
    x, y = x[inside], y[inside]
    depth = plane[:, 6] + plane[:, 7] * x + plane[:, 8] * y
    if not len(depth):  # nothing is in the picture
        return which, which
    least, most = depth.min(), depth.max()
    level = ((depth - least) / (most - least).clamp(min=1e-12) * (_DEPTH_STEPS - 1)).to(torch.int64)
    x, y = (x + low[chosen, 0][which]).to(torch.int64), (y + low[chosen, 1][which]).to(torch.int64)
    which = chosen[which]
    picture, triangle = which // faces, which % faces
    pixel = (picture * height + y) * width + x
    best = torch.full((batch * height * width,), -1, dtype=torch.int64, device=points.device)
    best.scatter_reduce_(0, pixel, level * faces + triangle, "amax")
    found = torch.nonzero(best >= 0).squeeze(1)
    return found, best[found] % faces


def _planes(corners: Tensor, low: Tensor) -> Tensor:
    """[N, 9] coefficients (1, x, y) of the second and third weight and of the depth of triangles [N, 3, 3].

    x and y count pixels from the one whose centre is low + 0.5.
    """
    a, b, c = corners.unbind(1)
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    inverse = 1.0 / torch.where(area.abs() < 1e-12, torch.full_like(area, 1e-12), area)
    vx, vy = ac[:, 1] * inverse, -ac[:, 0] * inverse
    wx, wy = -ab[:, 1] * inverse, ab[:, 0] * inverse
    px, py = low[:, 0] + 0.5 - a[:, 0], low[:, 1] + 0.5 - a[:, 1]
    v, w = vx * px + vy * py, wx * px + wy * py
    bz, cz = ab[:, 2], ac[:, 2]
    return torch.stack(
        [v, vx, vy, w, wx, wy, a[:, 2] + v * bz + w * cz, vx * bz + wx * cz, vy * bz + wy * cz], 1
    )


def _weights(corners: Tensor, centre: Tensor) -> Tensor:
    """[K, 3] barycentric weights of points [K, 2] in triangles [K, 3, 2]."""
    a, b, c = corners.unbind(1)
    ab, ac, ap = b - a, c - a, centre - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = torch.where(area.abs() < 1e-12, torch.full_like(area, 1e-12), area)
    v = (ap[:, 0] * ac[:, 1] - ap[:, 1] * ac[:, 0]) / area
    w = (ap[:, 1] * ab[:, 0] - ap[:, 0] * ab[:, 1]) / area
    return torch.stack([1 - v - w, v, w], 1)
