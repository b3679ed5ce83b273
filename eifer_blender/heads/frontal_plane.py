"""From the frontal plane of electrode charts to a head's surface and back.

Charts of facial electrodes (`electrodes`) are millimetres on a frontal plane: x to the subject's left,
y up from the Frankfort horizontal. Height is scaled and shifted so that the chart's eyes and mouth meet
the head's; sideways the chart is scaled alike, and drawn in where it would leave the head's outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .head import ParametricHead

_EYES_MM = 27.0  # height of the eyes on the chart, the middle of orbicularis oculi's course
_MOUTH_MM = -43.0  # height of the corners of the mouth
_STRAIGHT = 0.7  # share of the outline's half width within which nothing is drawn in
_FRONT_M = 0.085  # the outline is that of what lies no further than this behind the foremost point
_SLICE_M = 0.006


@dataclass(frozen=True)
class FrontalPlane:
    """How a chart lies on one head; see `frontal_plane`."""

    scale: float  # metres of the head per millimetre of the chart
    origin: float  # metres, height of the Frankfort horizontal
    heights: np.ndarray  # [k] metres, ascending
    half_widths: np.ndarray  # [k] metres, half the head's outline at these heights
    corners: np.ndarray  # [T, 3, 3] metres, triangles of the skin

    def to_surface(self, points_mm: np.ndarray) -> np.ndarray:
        """float64 [n, 3] metres on the skin for chart points [n, 2]; the foremost skin counts."""
        points = np.asarray(points_mm, np.float64).reshape(-1, 2)
        y = self.origin + self.scale * points[:, 1]
        x = self.scale * points[:, 0]
        width = self._width(y)
        beyond = np.maximum(np.abs(x) / width - _STRAIGHT, 0.0) / (1 - _STRAIGHT)
        drawn = width * (_STRAIGHT + (1 - _STRAIGHT) * np.tanh(beyond))
        x = np.where(beyond > 0, np.sign(x) * drawn, x)
        above = np.stack([x, y, np.full(len(x), self.corners[..., 2].max() + 0.01)], 1)
        return self._straight_down(above)

    def _straight_down(self, origins: np.ndarray) -> np.ndarray:
        """`first_hit` of rays towards -z, looking only at triangles that lie under each."""
        low, high = self.corners[..., :2].min(1) - 1e-6, self.corners[..., :2].max(1) + 1e-6
        result = np.empty_like(origins)
        for i, origin in enumerate(origins):
            under = ((low <= origin[:2]) & (origin[:2] <= high)).all(1)
            corners = self.corners[under] if under.any() else self.corners
            result[i] = first_hit(corners, origin[None], np.array([[0.0, 0.0, -1.0]]))[0]
        return result

    def to_plane(self, positions: np.ndarray) -> np.ndarray:
        """float64 [n, 2] chart millimetres of positions [n, 3] on the face; depth does not count."""
        positions = np.asarray(positions, np.float64).reshape(-1, 3)
        x, y = positions[:, 0], positions[:, 1]
        width = self._width(y)
        beyond = np.clip((np.abs(x) / width - _STRAIGHT) / (1 - _STRAIGHT), 0.0, 0.999)
        spread = width * (_STRAIGHT + (1 - _STRAIGHT) * np.arctanh(beyond))
        x = np.where(beyond > 0, np.sign(x) * spread, x)
        return np.stack([x, y - self.origin], 1) / self.scale

    def _width(self, y: np.ndarray) -> np.ndarray:
        return np.interp(y, self.heights, self.half_widths)


def frontal_plane(head: ParametricHead) -> FrontalPlane:
    """The chart fitted to a head at rest, by its landmarks and outline."""
    template = head.template.astype(np.float64)
    at = {name: template[vertex] for name, vertex in head.landmarks.items()}
    eyes = np.mean([at[f"eye_{end}_{s}"][1] for end in ("inner", "outer") for s in "lr"])
    mouth = np.mean([at[f"mouth_corner_{s}"][1] for s in "lr"])
    scale = (eyes - mouth) / (_EYES_MM - _MOUTH_MM)
    skin = head.regions["skin"]
    front = template[skin & (template[:, 2] > template[skin, 2].max() - _FRONT_M)]
    heights = np.arange(front[:, 1].min(), front[:, 1].max(), _SLICE_M)
    near = np.abs(front[:, 1] - heights[:, None]) < _SLICE_M
    width = np.where(near, np.abs(front[:, 0]), 0.0).max(1)
    width = np.convolve(np.pad(width, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    triangles = head.triangles
    corners = template[triangles[skin[triangles].all(1)]]
    return FrontalPlane(float(scale), float(eyes - scale * _EYES_MM), heights, width, corners)


def first_hit(corners: np.ndarray, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """float64 [n, 3]: where rays first meet triangles [T, 3, 3]; the nearest corner to a ray that meets none.

    Moeller and Trumbore (1997), Fast, minimum storage ray/triangle intersection.
    """
    a, edge1, edge2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    result = np.empty((len(origins), 3))
    for i, (origin, direction) in enumerate(zip(origins, directions, strict=True)):
        cross = np.cross(direction, edge2)
        area = (edge1 * cross).sum(1)
        inverse = 1.0 / np.where(np.abs(area) < 1e-14, np.inf, area)
        rest = origin - a
        u = (rest * cross).sum(1) * inverse
        turned = np.cross(rest, edge1)
        v = turned @ direction * inverse
        far = (turned * edge2).sum(1) * inverse
        inside = (inverse != 0) & (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (far > 0)
        if inside.any():
            result[i] = origin + far[inside].min() * direction
        else:
            result[i] = _nearest_corner(corners, origin, direction)
    return result


def _nearest_corner(corners: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    points = corners.reshape(-1, 3)
    along = (points - origin) @ direction
    aside = np.linalg.norm(points - origin - along[:, None] * direction, axis=1)
    close = np.flatnonzero(aside < aside.min() + 1e-3)
    return points[close[along[close].argmin()]]
