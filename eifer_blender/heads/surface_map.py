"""Activity spread over the skin: from electrodes to every vertex, along the surface.

Distances run over the skin, so that nothing leaps from one lip to the other. Between electrodes the map is
Shepard's interpolation with the weights of Franke and Little: it takes the electrodes' values at the
electrodes, never goes beyond them in between, and is smooth. It is linear in the values, so it is made once
for a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..dependencies import require
from ..electrodes import CHANNEL_MM, SITES
from ..muscles import CHANNEL_COUNT, CHANNELS
from .frontal_plane import frontal_plane
from .head import ParametricHead

FRIDLUND, KURAMOTO = "FRIDLUND", "KURAMOTO"
SCHEMES = (FRIDLUND, KURAMOTO)

_REACH_M = {FRIDLUND: 0.034, KURAMOTO: 0.042}  # from here on an electrode tells nothing
_COVERED_M = {FRIDLUND: (0.012, 0.030), KURAMOTO: (0.016, 0.038)}  # wholly, and no longer, covered by one
_NEAREST_M = 1e-4
_NEAR_M = 1e-3  # a point on the skin lies in the box of its triangle, made so much larger
_RINGS = 3
_LEAST_KNOWN = 1e-6


@dataclass(frozen=True)
class SurfaceMap:
    """How k electrodes colour a head of V vertices; `paint` uses it.

    At a vertex, share [V, 22] says how much each channel counts; a row sums to 1, or is 0 off the skin
    that the electrodes cover. cover [V] is that coverage, 0..1 with a soft edge. names, triangles int
    [k, 3] (vertices) and barycentric [k, 3] are the electrodes on the surface.
    """

    scheme: str
    share: np.ndarray
    cover: np.ndarray
    names: tuple[str, ...]
    triangles: np.ndarray
    barycentric: np.ndarray


@lru_cache(maxsize=4)
def surface_map(head: ParametricHead, scheme: str = FRIDLUND) -> SurfaceMap:
    """The map of a scheme: FRIDLUND has an electrode for every channel, KURAMOTO 19 monopolar ones.

    A Kuramoto electrode shows the activity of the muscles around it, each by its share of the power
    that the electrode sees of them (`signals.spatial`).
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {SCHEMES}")
    places = CHANNEL_MM if scheme == FRIDLUND else np.array(list(SITES.values()))
    names = CHANNELS if scheme == FRIDLUND else tuple(SITES)
    triangles, barycentric = on_surface(head, frontal_plane(head).to_surface(places))
    distance = geodesics(head, triangles, barycentric)
    reach = _REACH_M[scheme]
    d = np.maximum(distance, _NEAREST_M)
    weights = (np.maximum(reach - d, 0.0) / (reach * d)) ** 2
    total = weights.sum(0)
    share = weights / np.where(total > 0, total, 1.0)
    full, none = _COVERED_M[scheme]
    t = np.clip((none - distance.min(0)) / (none - full), 0.0, 1.0)
    cover = t * t * (3.0 - 2.0 * t) * (total > 0)
    mix = np.eye(CHANNEL_COUNT) if scheme == FRIDLUND else _site_shares()
    return SurfaceMap(
        scheme,
        (share.T @ mix).astype(np.float32),
        cover.astype(np.float32),
        names,
        triangles,
        barycentric.astype(np.float32),
    )


def _site_shares() -> np.ndarray:
    """float64 [19, 22]: share of each channel in what a Kuramoto site sees when all are active."""
    from ..signals.spatial import gains

    power = gains(tuple(SITES)) ** 2
    return power / power.sum(1, keepdims=True)


def paint(surface: SurfaceMap, activity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values [n, V], known [V]) of activity [n, 22]; a column with a NaN anywhere is unknown throughout.

    known is the share of the skin's colour that comes from known channels, 0..1: where it is 0 nothing
    is known, and the value is 0.
    """
    activity = np.asarray(activity, np.float32).reshape(-1, CHANNEL_COUNT)
    weights, known = known_weights(surface, np.isfinite(activity).all(0))
    return np.nan_to_num(activity) @ weights.T, known


def known_weights(surface: SurfaceMap, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(weights float32 [V, 22], known float32 [V]) if only the channels present bool [22] are known.

    Unknown channels have no weight; the others are scaled up so that they alone decide.
    """
    weights = surface.share * np.asarray(present, bool)
    total = weights.sum(1)
    covered = surface.share.sum(1)
    known = total / np.where(covered > 0, covered, 1.0)
    scale = np.where(total > _LEAST_KNOWN, 1.0 / np.where(total > 0, total, 1.0), 0.0)
    return (weights * scale[:, None]).astype(np.float32), known.astype(np.float32)


# --- on the surface -------------------------------------------------------------------------------


def _skin_triangles(head: ParametricHead) -> np.ndarray:
    triangles = head.triangles
    return triangles[head.regions["skin"][triangles].all(1)]


def on_surface(head: ParametricHead, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(vertices int [k, 3], barycentric [k, 3]) of points [k, 3] that lie on the skin."""
    every = _skin_triangles(head)
    placed = head.template.astype(np.float64)[every]
    low, high = placed.min(1) - _NEAR_M, placed.max(1) + _NEAR_M
    chosen, places = [], []
    for point in points:
        near = ((low <= point) & (point <= high)).all(1)
        near = near if near.any() else np.ones(len(every), bool)
        triangle, place = _nearest_triangle(placed[near], point)
        chosen.append(every[near][triangle])
        places.append(place)
    return np.array(chosen), np.array(places)


def _nearest_triangle(corners: np.ndarray, point: np.ndarray) -> tuple[int, np.ndarray]:
    """(number, barycentric [3]) of the triangle of corners [T, 3, 3] that a point lies on or closest to."""
    a, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    area = np.maximum(uu * vv - uv * uv, 1e-30)
    w = point - a
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    b = np.stack([vv * wu - uv * wv, uu * wv - uv * wu], 1) / area[:, None]
    inside = np.clip(np.column_stack([1.0 - b.sum(1), b]), 0.0, 1.0)
    inside /= inside.sum(1, keepdims=True)
    off = np.linalg.norm((inside[..., None] * corners).sum(1) - point, axis=1)
    nearest = int(off.argmin())
    return nearest, inside[nearest]


def geodesics(head: ParametricHead, triangles: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
    """float64 [k, V] metres along the skin from k points on it; infinite off the skin.

    triangles int [k, 3] are the corners that a point lies between, barycentric [k, 3] how. Shortest paths
    over straight lines between vertices that are at most three edges apart: paths may turn in almost any
    direction, and none leads across a gap.
    """
    require("scipy")
    from scipy.sparse import coo_matrix, identity
    from scipy.sparse.csgraph import dijkstra

    faces = _skin_triangles(head)
    x = head.template.astype(np.float64)
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = len(x)
    edges = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    near = ((edges + edges.T).tocsr() + identity(count, format="csr")) ** _RINGS
    points = (barycentric[..., None] * x[triangles]).sum(1)
    corners = coo_matrix((np.ones(triangles.size), (np.arange(len(points)).repeat(3), triangles.ravel())))
    corners.resize((len(points), count))
    from_points = (corners.tocsr() @ near).tocoo()
    near = near.tocoo()
    nodes = np.concatenate([x, points])
    rows = np.concatenate([near.row, from_points.row + count])
    columns = np.concatenate([near.col, from_points.col])
    lengths = np.maximum(np.linalg.norm(nodes[rows] - nodes[columns], axis=1), _NEAREST_M / 10)
    apart = rows != columns
    graph = coo_matrix((lengths[apart], (rows[apart], columns[apart])), (len(nodes), len(nodes)))
    return dijkstra(graph.tocsr(), indices=count + np.arange(len(points)))[:, :count]
