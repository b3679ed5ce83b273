"""Eyebrows and lashes as tapered strands that ride on the skin triangle under their root."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEED = 20260101
POINTS_PER_STRAND = 5  # two pairs and a tip: one quad and one triangle


@dataclass
class Strands:
    """n strands of five vertices; roots are skin triangles with barycentric weights."""

    vertices: np.ndarray  # [n, 5, 3]
    roots: np.ndarray  # int [n, 3]
    weights: np.ndarray  # [n, 3]

    def mirrored(self, mirror: np.ndarray) -> Strands:
        """The same hairs on the other side; the pairs swap so that the outside stays outside."""
        order = [1, 0, 3, 2, 4]
        return Strands(self.vertices[:, order] * [-1, 1, 1], mirror[self.roots], self.weights)


def faces(start: int, count: int) -> list[tuple[int, ...]]:
    """Polygons of `count` strands whose vertices begin at `start`."""
    result: list[tuple[int, ...]] = []
    for strand in range(count):
        a = start + POINTS_PER_STRAND * strand
        result.append((a, a + 1, a + 3, a + 2))
        result.append((a + 2, a + 3, a + 4))
    return result


def _strand(root: np.ndarray, way: np.ndarray, lift: np.ndarray, across: np.ndarray, length: float,
            width: float, curl: float) -> np.ndarray:  # fmt: skip
    """[5, 3] one hair from its root along `way`, bending towards `lift` by `curl`."""
    middle = root + way * (0.52 * length) + lift * (0.35 * curl * length)
    tip = root + way * (0.94 * length) + lift * (curl * length)
    side = across * (0.5 * width)
    return np.array([root - side, root + side, middle - 0.72 * side, middle + 0.72 * side, tip])


class SkinSurface:
    """Front-facing skin triangles for dropping points onto, along -z."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        a, b, c = (vertices[triangles[:, i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        front = normal[:, 2] > 0.05
        self.triangles, self.normals = triangles[front], normal[front]
        self.a, self.ab, self.ac = a[front], (b - a)[front], (c - a)[front]

    def drop(self, x: float, y: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(point, normal, triangle vertices, barycentric weights) of the foremost hit."""
        det = self.ab[:, 0] * self.ac[:, 1] - self.ab[:, 1] * self.ac[:, 0]
        dx, dy = x - self.a[:, 0], y - self.a[:, 1]
        u = (dx * self.ac[:, 1] - dy * self.ac[:, 0]) / det
        v = (self.ab[:, 0] * dy - self.ab[:, 1] * dx) / det
        hit = np.nonzero((u >= 0) & (v >= 0) & (u + v <= 1))[0]
        depth = self.a[hit, 2] + u[hit] * self.ab[hit, 2] + v[hit] * self.ac[hit, 2]
        best = hit[np.argmax(depth)]
        weights = np.array([1 - u[best] - v[best], u[best], v[best]])
        point = self.a[best] + u[best] * self.ab[best] + v[best] * self.ac[best]
        return point, self.normals[best], self.triangles[best], weights


def eyebrow(surface: SkinSurface, path: np.ndarray, thickness: np.ndarray, count: int) -> Strands:
    """The left eyebrow along `path` [k, 2] (x, y), of `thickness` [k] at each point, in metres."""
    rng = np.random.default_rng(SEED)
    along = np.linspace(0, 1, len(path))
    vertices, roots, weights = [], [], []
    for index in range(count):
        t = (index + rng.uniform()) / count
        centre = np.array([np.interp(t, along, path[:, i]) for i in (0, 1)])
        ahead = np.array([np.interp(min(t + 0.05, 1), along, path[:, i]) for i in (0, 1)])
        behind = np.array([np.interp(max(t - 0.05, 0), along, path[:, i]) for i in (0, 1)])
        tangent = (ahead - behind) / np.linalg.norm(ahead - behind)
        across = np.array([-tangent[1], tangent[0]])
        band = np.interp(t, along, thickness)
        row = np.clip(rng.normal(0, 0.27), -0.5, 0.5)
        point = centre + across * band * row
        hit, normal, triangle, bary = surface.drop(*point)
        # Hairs stand up at the nose, then lie along the brow; upper ones lean down, lower ones up.
        rise = np.interp(t, [0, 0.16, 0.4, 1], [1.25, 0.75, 0.32, 0.12]) - 0.85 * row * np.interp(
            t, [0, 0.25, 1], [0.15, 0.9, 0.5]
        )
        turn = rise + rng.normal(0, 0.13)
        flat = tangent * np.cos(turn) + across * np.sin(turn)
        way = np.array([flat[0], flat[1], 0.0])
        way -= normal * (way @ normal)
        way /= np.linalg.norm(way)
        length = np.interp(t, [0, 0.15, 0.6, 1], [0.0062, 0.0085, 0.0080, 0.0052]) * rng.uniform(0.75, 1.15)
        width = 0.00038 * rng.uniform(0.75, 1.15)
        bend = normal * rng.uniform(0.05, 0.13)
        vertices.append(
            _strand(
                hit + normal * 1e-4,
                way,
                bend / np.linalg.norm(bend),
                np.cross(normal, way),
                length,
                width,
                rng.uniform(0.03, 0.10),
            )
        )
        roots.append(triangle)
        weights.append(bary)
    return Strands(np.array(vertices), np.array(roots), np.array(weights))


def lashes(line: np.ndarray, line_ids: np.ndarray, centre: np.ndarray, upper: bool, count: int) -> Strands:
    """Lashes of one left lid along its rim.

    line: [k, 3] rim vertices from the inner to the outer corner, line_ids their skin indices,
    centre: the eyeball's.
    """
    rng = np.random.default_rng(SEED + (1 if upper else 2))
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    arc = np.concatenate([[0], np.cumsum(steps)]) / steps.sum()
    first, last = (0.10, 0.985) if upper else (0.22, 0.96)
    vertices, roots, weights = [], [], []
    for index in range(count):
        t = first + (last - first) * (index + rng.uniform(0.1, 0.9)) / count
        k = min(int(np.searchsorted(arc, t, side="right")) - 1, len(line) - 2)
        f = (t - arc[k]) / (arc[k + 1] - arc[k])
        root = line[k] * (1 - f) + line[k + 1] * f
        tangent = (line[k + 1] - line[k]) / np.linalg.norm(line[k + 1] - line[k])
        outward = (root - centre) / np.linalg.norm(root - centre)
        fan = (t - 0.45) * (0.95 if upper else 0.75) + rng.normal(0, 0.08)
        droop = -0.16 if upper else -0.42
        way = outward * 1.0 + tangent * fan + np.array([0, droop, 0.25]) + rng.normal(0, 0.04, 3)
        way /= np.linalg.norm(way)
        curl = np.array([0.0, 1.0 if upper else -0.35, 0.1])
        length = (0.0075 if upper else 0.0042) * np.interp(t, [0, 0.3, 0.75, 1], [0.55, 0.85, 1.1, 0.8])
        length *= rng.uniform(0.8, 1.1)
        across = np.cross(way, curl)
        across /= np.linalg.norm(across)
        width = (0.00024 if upper else 0.00019) * rng.uniform(0.8, 1.1)
        vertices.append(_strand(root - way * 2e-4, way, curl, across, length, width, 0.34 if upper else 0.12))
        roots.append([line_ids[k], line_ids[k + 1], line_ids[k + 1]])
        weights.append([1 - f, f, 0.0])
    return Strands(np.array(vertices), np.array(roots), np.array(weights))
