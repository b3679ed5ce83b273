"""Crops the base mesh to a bust: a plane through the neck, a finished rim, no eye pockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .source import Source

# The cut runs from the pit of the neck up to the seventh vertebra (metres, head frame).
CUT_FRONT = np.array([0.0, -0.034, 0.063])
CUT_BACK = np.array([0.0, 0.006, -0.040])
MATERIALS = ("Skin", "Mouth", "Sclera", "Cornea", "Iris", "Teeth", "Gums", "Tongue", "Hair", "Rim")


@dataclass
class Part:
    """Vertices with the polygons that use them; `sources` maps source offsets onto the vertices."""

    vertices: np.ndarray  # [n, 3]
    faces: list[tuple[int, ...]]
    face_uvs: list[tuple[tuple[float, float], ...]]
    face_material: list[str]
    mirror: np.ndarray  # [n]
    sources: list[dict[int, float]]  # one affine combination of source vertices per vertex


def cut_plane() -> tuple[np.ndarray, np.ndarray]:
    """Point and unit normal (upwards) of the plane that the bust stands on."""
    along = CUT_BACK - CUT_FRONT
    normal = np.cross([1.0, 0.0, 0.0], along)
    normal *= np.sign(normal[1]) / np.linalg.norm(normal)
    return CUT_FRONT, normal


def eye_pocket(source: Source) -> tuple[np.ndarray, dict[int, int]]:
    """bool [n] of the hidden sockets behind the eyeballs, and left lid vertices -> row.

    Row 0 is the innermost ring that stays (it lies inside the eyeball), row 1 the inner edge of
    the lid, row 2 its rim, row 3 its outer edge, and so on outwards.
    """
    first = [*range(7773, 7799), 11718, 11719]  # the ring where the lid's inner wall meets the socket
    centre = source.group_vertices_mean("helper-l-eye")
    edges = _edges(source.quads[source.groups == "body"])
    near = np.linalg.norm(source.vertices - centre, axis=1) < 0.03
    neighbours: dict[int, list[int]] = {}
    for a, b in edges[near[edges].all(axis=1)]:
        neighbours.setdefault(int(a), []).append(int(b))
        neighbours.setdefault(int(b), []).append(int(a))
    rows = dict.fromkeys(first, 0)
    pocket = _flood(7799, neighbours, set(rows))
    border = list(rows)
    for row in range(1, 9):
        border = sorted({n for v in border for n in neighbours[v] if n not in rows and n not in pocket})
        rows.update({v: row for v in border})
    hidden = np.zeros(len(source.vertices), dtype=bool)
    hidden[sorted(pocket)] = True
    return hidden | hidden[source.mirror], rows


def _flood(start: int, neighbours: dict[int, list[int]], walls: set[int]) -> set[int]:
    found, todo = set(), [start]
    while todo:
        vertex = todo.pop()
        if vertex not in found and vertex not in walls:
            found.add(vertex)
            todo.extend(neighbours[vertex])
    return found


def _edges(faces: np.ndarray) -> np.ndarray:
    edges = np.concatenate([faces[:, [i, (i + 1) % faces.shape[1]]] for i in range(faces.shape[1])])
    return np.unique(np.sort(edges, axis=1), axis=0)


def crop_skin(source: Source, hidden: np.ndarray) -> Part:
    """The body above the cut plane, clipped exactly at it, with the rim that closes it."""
    point, normal = cut_plane()
    height = (source.vertices - point) @ normal
    height[np.abs(height) < 2e-4] = 0.0  # no slivers
    quads, uvs = source.quads, source.quad_uvs
    keep = (source.groups == "body") & (height[quads] > 0).any(axis=1) & ~hidden[quads].any(axis=1)
    keep &= np.abs(source.vertices[quads, 0]).max(axis=1) < 0.16
    builder = _Clipper(source, height)
    for quad, corner_uvs in zip(quads[keep], uvs[keep], strict=True):
        builder.add(quad, source.uvs[corner_uvs])
    return builder.finish()


class _Clipper:
    """Collects clipped polygons; a cut vertex is named by the source edge it lies on."""

    def __init__(self, source: Source, height: np.ndarray) -> None:
        self.source, self.height = source, height
        self.keys: dict[tuple[int, int], int] = {}
        self.faces: list[tuple[int, ...]] = []
        self.face_uvs: list[tuple[tuple[float, float], ...]] = []

    def _vertex(self, a: int, b: int) -> int:
        return self.keys.setdefault((min(a, b), max(a, b)), len(self.keys))

    def add(self, quad: np.ndarray, uvs: np.ndarray) -> None:
        corners: list[tuple[int, tuple[float, float]]] = []
        for i in range(4):
            a, b = int(quad[i]), int(quad[(i + 1) % 4])
            ha, hb = self.height[a], self.height[b]
            if ha >= 0:
                corners.append((self._vertex(a, a), tuple(uvs[i])))
            if ha * hb < 0:
                t = ha / (ha - hb)
                corners.append((self._vertex(a, b), tuple(uvs[i] * (1 - t) + uvs[(i + 1) % 4] * t)))
        for part in _quads_and_triangles(corners):
            self.faces.append(tuple(c[0] for c in part))
            self.face_uvs.append(tuple(c[1] for c in part))

    def finish(self) -> Part:
        order = sorted(self.keys, key=lambda k: (k[0] != k[1], k))
        new = np.empty(len(order), dtype=int)
        for index, key in enumerate(order):
            new[self.keys[key]] = index
        sources = [self._combination(*key) for key in order]
        vertices = np.array([sum(w * self.source.vertices[v] for v, w in s.items()) for s in sources])
        position = {key: i for i, key in enumerate(order)}
        twin = self.source.mirror
        mirror = np.array([position[tuple(sorted((int(twin[a]), int(twin[b]))))] for a, b in order])
        part = Part(
            vertices,
            [tuple(int(new[v]) for v in face) for face in self.faces],
            self.face_uvs,
            ["Skin"] * len(self.faces),
            mirror,
            sources,
        )
        _add_rim(part)
        return part

    def _combination(self, a: int, b: int) -> dict[int, float]:
        if a == b:
            return {a: 1.0}
        t = self.height[a] / (self.height[a] - self.height[b])
        return {a: 1.0 - t, b: t}


def _quads_and_triangles(corners: list) -> list[list]:
    if len(corners) < 3:
        return []
    if len(corners) <= 4:
        return [corners]
    return [corners[:4], [corners[0], *corners[3:]]]


def _add_rim(part: Part) -> None:
    """A bevel and a cup below the cut, so that the edge looks turned and nothing shines through."""
    point, normal = cut_plane()
    loop = _boundary(part.faces, lambda v: abs((part.vertices[v] - point) @ normal) < 3e-4)
    centre = part.vertices[loop].mean(axis=0)
    centre[0] = 0.0
    previous = loop
    twin = {int(v): i for i, v in enumerate(loop)}
    shape = ((0.990, 0.0012, "Skin"), (0.968, 0.0020, "Skin"), (0.945, 0.0016, "Skin"))
    for shrink, drop, material in (*shape, (0.90, -0.002, "Rim"), (0.6, -0.008, "Rim")):
        start = len(part.vertices)
        ring = centre + (part.vertices[loop] - centre) * shrink - normal * drop
        part.vertices = np.concatenate([part.vertices, ring])
        part.sources.extend(dict(part.sources[v]) for v in loop)
        mirrored = [start + twin[int(part.mirror[v])] for v in loop]
        part.mirror = np.concatenate([part.mirror, mirrored])
        current = list(range(start, start + len(loop)))
        _bridge(part, previous, current, material)
        previous = current
    top = len(part.vertices)
    part.vertices = np.concatenate([part.vertices, [centre + normal * 0.010]])
    part.sources.append({v: w / len(loop) for v, w in _merged(part.sources, loop).items()})
    part.mirror = np.append(part.mirror, top)
    for i in range(len(previous)):
        a, b = previous[i], previous[(i + 1) % len(previous)]
        part.faces.append((b, a, top))
        part.face_uvs.append(((0.02, 0.02), (0.02, 0.02), (0.02, 0.02)))
        part.face_material.append("Rim")


def _merged(sources: list[dict[int, float]], loop: list[int]) -> dict[int, float]:
    total: dict[int, float] = {}
    for vertex in loop:
        for key, weight in sources[vertex].items():
            total[key] = total.get(key, 0.0) + weight
    return total


def _bridge(part: Part, upper: list[int], lower: list[int], material: str) -> None:
    for i in range(len(upper)):
        j = (i + 1) % len(upper)
        part.faces.append((upper[j], upper[i], lower[i], lower[j]))
        part.face_uvs.append(((0.02, 0.02),) * 4)
        part.face_material.append(material)


def _boundary(faces: list[tuple[int, ...]], wanted: Callable[[int], bool]) -> list[int]:
    """The open loop whose vertices satisfy `wanted`, in the order of the faces' half edges."""
    half = {(f[i], f[(i + 1) % len(f)]) for f in faces for i in range(len(f))}
    follow = {a: b for a, b in half if (b, a) not in half and wanted(a) and wanted(b)}
    start = min(follow)
    loop, vertex = [start], follow[start]
    while vertex != start:
        loop.append(vertex)
        vertex = follow[vertex]
    return loop


def helper_part(source: Source, group: str, material: str) -> Part:
    """One helper object of the base mesh (teeth, tongue) as it is."""
    chosen = source.groups == group
    ids = np.unique(source.quads[chosen])
    index = {int(v): i for i, v in enumerate(ids)}
    faces = [tuple(index[int(v)] for v in quad) for quad in source.quads[chosen]]
    uvs = [tuple(map(tuple, source.uvs[corners])) for corners in source.quad_uvs[chosen]]
    mirror = np.array([index[int(source.mirror[v])] for v in ids])
    sources = [{int(v): 1.0} for v in ids]
    return Part(source.vertices[ids], faces, uvs, [material] * len(faces), mirror, sources)
