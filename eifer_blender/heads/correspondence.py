"""Which point of one face is which point of another: two heads of any topology, laid over each other.

Landmarks are found on both heads by the same geometric rules (eyeballs behind their lids, the slit between
lips that the jaw parts and lips that it does not, the profile). A thin-plate warp brings them together; then
the source's skin is drawn onto the target's, ever less stiffly.

Frame: metres, y up, face towards +z, the subject's left is +x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..drawing.raster import hit_triangles
from ..errors import EiferError

_PIXEL = 0.0005  # metres of the frontal view in which eyes and profile are found
_NORMAL_M = 0.012  # metres of distance that opposite normals count for half of, when points are matched
_STIFFNESS = (40.0, 15.0, 5.0, 1.5, 0.5, 0.3)  # of the skin, round by round
_LANDMARK_PULL = 8.0  # of a landmark, relative to a matched point
_TRUST = (0.012, 0.004)  # metres: matches beyond this do not count, first and last round
_FACING = 0.45  # least cosine between the normals of points that match
_CANDIDATES = 6  # triangles that are looked at for the closest point
_MATCHED = 0.006  # metres between registered skins up to which a point has a partner


class FaceSurface(NamedTuple):
    """What is needed to find one's way on a face; V vertices, T triangles of the skin."""

    vertices: np.ndarray  # float [V, 3] of the whole head at rest
    triangles: np.ndarray  # int [T, 3] of the skin
    eyes: tuple[np.ndarray, np.ndarray]  # vertices of the left and of the right eyeball
    jaw: np.ndarray  # float [V] share of the jaw's bone


@dataclass(frozen=True)
class Match:
    """For every vertex of one head the point of another head's skin or eyeball that it corresponds to."""

    corners: np.ndarray  # int [V, 3] vertices of the other head
    weights: np.ndarray  # float32 [V, 3], sum 1
    found: np.ndarray  # bool [V]: has a partner
    scale: float  # sizes here per size there

    def carry(self, field: np.ndarray) -> np.ndarray:
        """float32 [..., V, k] here, of a field [..., V', k] there that does not depend on size; else 0."""
        there = np.asarray(field, np.float32)
        here = sum(there[..., self.corners[:, i], :] * self.weights[:, i, None] for i in range(3))
        return np.where(self.found[:, None], here, np.float32(0.0)).astype(np.float32)

    def offsets(self, offsets: np.ndarray) -> np.ndarray:
        """float32 [..., V, 3] metres here, of offsets [..., V', 3] there; 0 for what has no partner."""
        return self.carry(offsets) * np.float32(self.scale)


class Correspondence(NamedTuple):
    """Two heads laid over each other."""

    to_source: Match  # of every target vertex
    to_target: Match  # of every source vertex
    placed: np.ndarray  # float32 [V', 3]: the source's vertices where the target has them
    distance: np.ndarray  # float32 [V']: from there to the target's skin; NaN for what is no skin


def correspond(
    source: FaceSurface,
    target: FaceSurface,
    known_here: dict[str, np.ndarray] | None = None,
    known_there: dict[str, np.ndarray] | None = None,
) -> Correspondence:
    """Lay the skin of `source` over that of `target`.

    known_here, known_there: positions [3] of landmarks that somebody knows on both, beside those found.
    Raises EiferError if one of them shows no eyes, lips or profile where a face has them.
    """
    here = face_landmarks(source) | (known_here or {})
    there = face_landmarks(target) | (known_there or {})
    names = [name for name in here if name in there]
    a, b = (np.array([marks[name] for name in names]) for marks in (here, there))
    scale = _size(b) / _size(a)
    placed = _thin_plate(a, b, source.vertices.astype(np.float64))
    placed = _drawn_over(placed, source, target, a, b)
    skin = np.unique(source.triangles)
    close, distance = _closest(
        placed[skin], _normals(placed, source.triangles)[skin], target, target.vertices
    )
    off = np.full(len(placed), np.nan, np.float32)
    off[skin] = distance
    to_target = _match(source, placed, target, target.vertices, close, 1.0 / scale)
    back = np.unique(target.triangles)
    normals = _normals(target.vertices, target.triangles)[back]
    close, _ = _closest(target.vertices[back], normals, source, placed)
    to_source = _match(target, target.vertices, source, placed, close, scale)
    return Correspondence(to_source, to_target, placed.astype(np.float32), off)


def _size(points: np.ndarray) -> float:
    return float(np.linalg.norm(points - points.mean(0)))


# --- landmarks ------------------------------------------------------------------------------------


def face_landmarks(face: FaceSurface) -> dict[str, np.ndarray]:
    """Name -> position [3] of what can be found on any head by its shape.

    Raises EiferError if this is no face in the expected frame.
    """
    marks: dict[str, np.ndarray] = {}
    view = _FrontalView(face)
    for side, eye in zip("lr", face.eyes, strict=True):
        marks |= _eye_marks(face, view, eye, side)
    marks |= _mouth_marks(face)
    marks |= _profile_marks(face, view, marks)
    return marks


class _FrontalView:
    """What is seen from the front: which vertex group lies foremost at each pixel."""

    def __init__(self, face: FaceSurface) -> None:
        vertices = face.vertices
        centres = np.array([vertices[eye].mean(0) for eye in face.eyes])
        apart = np.abs(centres[0, 0] - centres[1, 0])
        middle = centres.mean(0)
        if not 0.02 < apart < 0.2:
            raise EiferError("The head has no two eyes side by side; it must stand upright and be in metres.")
        self.low = np.array([middle[0] - 1.1 * apart, middle[1] - 2.4 * apart])
        size = np.array([2.2 * apart, 3.4 * apart])
        shape = np.ceil(size / _PIXEL).astype(int)
        eye_vertex = np.zeros(len(vertices), np.int8)
        for number, eye in enumerate(face.eyes):
            eye_vertex[eye] = number + 1
        self.balls = _ball_triangles(face)
        triangles = np.concatenate([face.triangles, self.balls])
        corners = (vertices[triangles][..., :2] - self.low) / _PIXEL
        hit, weights = hit_triangles(corners, vertices[triangles][..., 2], tuple(shape.tolist()))
        seen = hit >= 0
        owner = triangles[np.maximum(hit, 0)]
        self.group = np.where(seen, eye_vertex[owner[..., 0]], -1)  # -1 nothing, 0 skin, 1 and 2 eyeballs
        depth = (vertices[owner][..., 2] * weights).sum(-1)
        self.depth = np.where(seen, depth, np.nan)

    def place(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """float [n, 2]: x and y of pixels."""
        return self.low + (np.stack([column, row], -1) + 0.5) * _PIXEL


def _ball_triangles(face: FaceSurface) -> np.ndarray:
    """The convex hulls of the eyeballs, so that nobody has to know their triangles."""
    from scipy.spatial import ConvexHull

    parts = []
    for eye in face.eyes:
        hull = ConvexHull(face.vertices[eye])
        parts.append(np.asarray(eye)[hull.simplices])
    return np.concatenate(parts)


def _eye_marks(face: FaceSurface, view: _FrontalView, eye: np.ndarray, side: str) -> dict[str, np.ndarray]:
    number = 1 if side == "l" else 2
    rows, columns = np.nonzero(view.group == number)
    if len(rows) < 40:
        raise EiferError("The head's eyes are not seen from the front; it must look along +z with open eyes.")
    at = view.place(rows, columns)
    depth = view.depth[rows, columns]
    inward = -1.0 if side == "l" else 1.0
    towards_nose = at[:, 0] * inward
    centre_x = np.median(at[:, 0])
    middle = np.abs(at[:, 0] - centre_x) < 2 * _PIXEL
    found = {
        "eye_inner": np.argmax(towards_nose),
        "eye_outer": np.argmin(towards_nose),
        "lid_upper": np.flatnonzero(middle)[np.argmax(at[middle, 1])],
        "lid_lower": np.flatnonzero(middle)[np.argmin(at[middle, 1])],
    }
    marks = {f"{name}_{side}": np.array([*at[i], depth[i]]) for name, i in found.items()}
    ball = face.vertices[eye]
    marks[f"eyeball_{side}"] = (ball.min(0) + ball.max(0)) / 2
    return marks


def _mouth_marks(face: FaceSurface) -> dict[str, np.ndarray]:
    """Corners and middle of the slit: neighbours that the jaw parts."""
    from scipy.spatial import cKDTree

    skin = np.unique(face.triangles)
    points, jaw = face.vertices[skin], face.jaw[skin]
    apart = np.abs(np.diff([face.vertices[eye].mean(0)[0] for eye in face.eyes]))[0]
    pairs = cKDTree(points).query_pairs(0.05 * apart, output_type="ndarray")
    pairs = pairs[np.abs(jaw[pairs[:, 0]] - jaw[pairs[:, 1]]) > 0.25 * jaw.max()]
    if len(pairs) < 8:
        raise EiferError("The head's lips do not part with its jaw, so its mouth cannot be found.")
    slit = points[pairs].mean(1)
    near = np.abs(slit[:, 0] - np.median(slit[:, 0])) < 0.15 * apart
    middle = slit[near][np.argsort(slit[near, 2])[-max(4, near.sum() // 5) :]].mean(0)
    corners = {}
    for side, sign in (("l", 1.0), ("r", -1.0)):
        order = np.argsort(sign * slit[:, 0])[-4:]
        corners[f"mouth_corner_{side}"] = slit[order].mean(0)
    middle[0] = (corners["mouth_corner_l"][0] + corners["mouth_corner_r"][0]) / 2
    return {"stomion": middle, **corners}


def _profile_marks(
    face: FaceSurface, view: _FrontalView, marks: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Points of the midline: where the profile goes out and in."""
    eyes = (marks["eyeball_l"] + marks["eyeball_r"]) / 2
    height = eyes[1] - marks["stomion"][1]
    if height <= 0.02:
        raise EiferError("The head's mouth is not below its eyes; it must stand upright, y up.")
    middle = float(eyes[0])
    column = int((middle - view.low[0]) / _PIXEL)
    strip = view.depth[:, max(0, column - 3) : column + 4]
    skin = view.group[:, max(0, column - 3) : column + 4] == 0
    z = np.nanmax(np.where(skin, strip, -np.inf), axis=1)
    y = view.low[1] + (np.arange(len(z)) + 0.5) * _PIXEL
    stomion = marks["stomion"][1]
    found: dict[str, np.ndarray] = {}

    def extreme(name: str, low: float, high: float, sign: float) -> None:
        """The foremost (+1) or hindmost (-1) point between two heights, if it is no end of the stretch."""
        rows = np.flatnonzero((y > low) & (y < high) & np.isfinite(z))
        if len(rows) < 5:
            return
        best = rows[np.argmax(sign * z[rows])]
        if rows[0] < best < rows[-1]:
            found[name] = np.array([middle, y[best], z[best]])

    extreme("nose_tip", stomion + 0.2 * height, eyes[1], 1.0)
    if "nose_tip" not in found:
        raise EiferError("The head has no nose between its eyes and its mouth; it must look along +z.")
    tip = found["nose_tip"][1]
    extreme("sellion", tip, eyes[1] + 0.35 * height, -1.0)
    extreme("subnasale", stomion + 0.08 * height, tip, -1.0)
    upper_end = found["subnasale"][1] if "subnasale" in found else stomion + 0.25 * height
    extreme("lip_upper", stomion, upper_end, 1.0)
    extreme("lip_lower", stomion - 0.2 * height, stomion, 1.0)
    _find_chin(found, y, z, middle, stomion, height)
    return found | _nose_wings(view, found, middle)


def _find_chin(
    found: dict[str, np.ndarray], y: np.ndarray, z: np.ndarray, middle: float, stomion: float, height: float
) -> None:
    """The chin's foremost and lowest point: there, forwards and downwards together, it goes furthest."""
    rows = np.flatnonzero((y > stomion - 0.8 * height) & (y < stomion - 0.25 * height) & np.isfinite(z))
    if len(rows):
        best = rows[np.argmax(z[rows] - y[rows])]
        if rows[0] < best < rows[-1]:
            found["gnathion"] = np.array([middle, y[best], z[best]])


def _nose_wings(view: _FrontalView, found: dict[str, np.ndarray], middle: float) -> dict[str, np.ndarray]:
    """Where the surface falls off most steeply on either side of the nose, a little above its base."""
    if "subnasale" not in found:
        return {}
    base, tip = found["subnasale"][1], found["nose_tip"][1]
    rows = ((np.linspace(base + 0.2 * (tip - base), tip, 9) - view.low[1]) / _PIXEL).astype(int)
    wings = {}
    for side, sign in (("l", 1), ("r", -1)):
        steps = np.arange(int(0.006 / _PIXEL), int(0.032 / _PIXEL))
        columns = int((middle - view.low[0]) / _PIXEL) + sign * steps
        depth = view.depth[np.ix_(rows, columns)]
        fall = depth[:, :-4] - depth[:, 4:]
        at = np.nanargmax(np.where(np.isfinite(fall), fall, -np.inf), axis=1) + 2
        row = int(np.argmax(at))  # where the nose is widest
        place = view.place(rows[row], columns[at[row]])
        wings[f"nose_wing_{side}"] = np.array([*place, depth[row, at[row]]])
    return wings


# --- registration ---------------------------------------------------------------------------------


def _thin_plate(a: np.ndarray, b: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points moved by the smoothest map that takes landmarks a to b (three-dimensional thin-plate spline)."""
    from scipy.interpolate import RBFInterpolator

    return RBFInterpolator(a, b, kernel="linear", degree=1, smoothing=1e-4)(points)


def _drawn_over(
    placed: np.ndarray, source: FaceSurface, target: FaceSurface, a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """The source's vertices, its skin drawn onto the target's: stiff at first, ever softer.

    Each round minimises stiffness |L d|^2 + sum of |d - way to the match|^2 for displacements d, L the
    umbrella Laplacian of the skin (non-rigid ICP after Amberg et al. 2007, with displacements only).
    """
    from scipy import sparse
    from scipy.sparse.linalg import splu
    from scipy.spatial import cKDTree

    skin = np.unique(source.triangles)
    laplacian = _laplacian(source.triangles, len(placed))[skin][:, skin]
    smooth = (laplacian.T @ laplacian).tocsc()
    # A landmark pulls at the skin's vertices next to it.
    reach, nearest = cKDTree(source.vertices[skin]).query(a)
    fixed = reach < 0.004
    trust = np.geomspace(*_TRUST, len(_STIFFNESS))
    for stiffness, far in zip(_STIFFNESS, trust, strict=True):
        normals = _normals(placed, source.triangles)[skin]
        close, distance = _closest(placed[skin], normals, target, target.vertices)
        goal = (target.vertices[close.corners] * close.weights[..., None]).sum(1)
        good = (distance < far) & (close.facing > _FACING)
        pull = good.astype(np.float64)
        way = np.where(good[:, None], goal - placed[skin], 0.0)
        # Landmarks of the skin are held where the spline brought them.
        held = np.zeros(len(skin))
        held[nearest[fixed]] = _LANDMARK_PULL if stiffness > 1.0 else 0.0
        ahead = np.zeros((len(skin), 3))
        ahead[nearest[fixed]] = b[fixed] - (
            placed[skin][nearest[fixed]] + (a - source.vertices[skin][nearest])[fixed]
        )
        matrix = stiffness * smooth + sparse.diags(pull + held + 1e-6)
        step = splu(matrix.tocsc()).solve(pull[:, None] * way + held[:, None] * ahead)
        placed = placed.copy()
        placed[skin] += step
    return placed


def _laplacian(triangles: np.ndarray, count: int):  # noqa: ANN202
    from scipy import sparse

    i = triangles[:, [0, 1, 2, 1, 2, 0]].ravel()
    j = triangles[:, [1, 2, 0, 0, 1, 2]].ravel()
    adjacent = sparse.csr_matrix((np.ones(len(i)), (i, j)), (count, count))
    adjacent.data[:] = 1.0
    degree = np.maximum(np.asarray(adjacent.sum(1)).ravel(), 1.0)
    return sparse.diags((degree > 0).astype(float)) - sparse.diags(1.0 / degree) @ adjacent


class _Close(NamedTuple):
    corners: np.ndarray  # int [n, 3]
    weights: np.ndarray  # float64 [n, 3]
    facing: np.ndarray  # float64 [n] cosine between the normals


def _closest(
    points: np.ndarray, normals: np.ndarray, face: FaceSurface, vertices: np.ndarray
) -> tuple[_Close, np.ndarray]:
    """Points of a face's skin (at `vertices`) nearest to points [n, 3] in place and normal; distance [n]."""
    from scipy.spatial import cKDTree

    corners = vertices[face.triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    tree = cKDTree(np.concatenate([corners.mean(1), _NORMAL_M * flat], 1))
    count = min(_CANDIDATES, len(corners))
    _, near = tree.query(np.concatenate([points, _NORMAL_M * normals], 1), k=count)
    weights = np.empty((len(points), count, 3))
    cost = np.empty((len(points), count))
    for k in range(count):
        weights[:, k] = _project(points, corners[near[:, k]])
        at = (corners[near[:, k]] * weights[:, k, :, None]).sum(1)
        against = 1.0 - (flat[near[:, k]] * normals).sum(1)
        cost[:, k] = ((at - points) ** 2).sum(1) + (_NORMAL_M * against) ** 2 / 4
    best = cost.argmin(1)
    row = np.arange(len(points))
    triangle, share = near[row, best], weights[row, best]
    at = (corners[triangle] * share[..., None]).sum(1)
    facing = (flat[triangle] * normals).sum(1)
    return _Close(face.triangles[triangle], share, facing), np.linalg.norm(at - points, axis=1)


def _project(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """float64 [n, 3]: weights of the corners [n, 3, 3] of the point of each triangle closest to a point."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(1), (ab * ac).sum(1), (ac * ac).sum(1)
    d20, d21 = (ap * ab).sum(1), (ap * ac).sum(1)
    area = np.maximum(d00 * d11 - d01 * d01, 1e-24)
    v, w = (d11 * d20 - d01 * d21) / area, (d00 * d21 - d01 * d20) / area
    inside = np.stack([1 - v - w, v, w], 1)
    on_edges = [_on_edge(points, corners, i, j) for i, j in ((0, 1), (1, 2), (2, 0))]
    edge = np.stack(on_edges, 1)
    far = (((corners[:, None] * edge[..., None]).sum(2) - points[:, None]) ** 2).sum(2)
    nearest = edge[np.arange(len(points)), far.argmin(1)]
    return np.where((inside >= 0).all(1)[:, None], inside, nearest)


def _on_edge(points: np.ndarray, corners: np.ndarray, i: int, j: int) -> np.ndarray:
    along = corners[:, j] - corners[:, i]
    length = np.maximum((along * along).sum(1), 1e-24)
    t = np.clip(((points - corners[:, i]) * along).sum(1) / length, 0.0, 1.0)
    weights = np.zeros((len(points), 3))
    weights[:, i], weights[:, j] = 1.0 - t, t
    return weights


def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """float64 [V, 3] unit normals; 0 for vertices of no triangle."""
    corners = vertices[triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(vertices), 3))
    for k in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, k], flat[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _match(
    own: FaceSurface,
    at: np.ndarray,
    other: FaceSurface,
    there: np.ndarray,
    close: _Close,
    scale: float,
) -> Match:
    """Partners of all vertices of `own`, standing `at`, on `other`, standing `there`.

    Skin goes by what is closest, eyeballs by direction from their centre.
    """
    from scipy.spatial import cKDTree

    skin = np.unique(own.triangles)
    corners = np.zeros((len(at), 3), np.int64)
    weights = np.zeros((len(at), 3), np.float32)
    weights[:, 0] = 1.0
    found = np.zeros(len(at), bool)
    goal = (there[close.corners] * close.weights[..., None]).sum(1)
    near = np.linalg.norm(goal - at[skin], axis=1) < _MATCHED
    corners[skin], weights[skin] = close.corners, close.weights
    found[skin] = near & (close.facing > 0.0)
    for eye, its in zip(own.eyes, other.eyes, strict=True):
        nearest = cKDTree(_directions(other.vertices[its])).query(_directions(own.vertices[eye]))[1]
        corners[eye], found[eye] = np.asarray(its)[nearest][:, None], True
    return Match(corners, weights, found, scale)


def _directions(ball: np.ndarray) -> np.ndarray:
    around = ball - (ball.min(0) + ball.max(0)) / 2
    return around / np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-12)
