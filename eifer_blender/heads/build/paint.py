"""Region masks, landmarks and surface colours of the default head."""

from __future__ import annotations

import numpy as np

# (x, y) of the frontal plane, metres in the head's frame, subject's left. MakeHuman's average adult.
BROW_PATH = np.array([[0.0105, 0.1525], [0.019, 0.1560], [0.030, 0.1590], [0.040, 0.1578], [0.0490, 0.1525]])
BROW_THICKNESS = np.array([0.0066, 0.0076, 0.0066, 0.0046, 0.0018])


def smooth_step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between; also falling if low > high."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def blob(points: np.ndarray, centre: tuple[float, ...], radius: tuple[float, ...]) -> np.ndarray:
    """[n] soft ellipsoid, 1 in the middle and 0 at the border."""
    distance = np.linalg.norm((points - np.array(centre)) / np.array(radius), axis=1)
    return smooth_step(distance, 1.0, 0.25)


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals [n, 3] and areas [n] (a third of the triangles around a vertex)."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    total, area = np.zeros_like(vertices), np.zeros(len(vertices))
    for i in range(3):
        np.add.at(total, triangles[:, i], cross)
        np.add.at(area, triangles[:, i], np.linalg.norm(cross, axis=1) / 6)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12), area


def occlusion(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """[n] 0 in the open to 1 in a deep fold: every vertex shades the others as a small disc.

    The form factor between oriented discs is the usual one of radiosity.
    """
    normals, area = vertex_normals(vertices, triangles)
    shade = np.zeros(len(vertices))
    for start in range(0, len(vertices), 400):
        some = slice(start, start + 400)
        apart = vertices[None] - vertices[some, None]
        square = (apart**2).sum(axis=2)
        length = np.sqrt(np.maximum(square, 1e-12))
        receive = np.clip((apart * normals[some, None]).sum(axis=2) / length, 0, 1)
        send = np.clip(-(apart * normals[None]).sum(axis=2) / length, 0, 1)
        near = smooth_step(length, 0.035, 0.010)
        shade[some] = (near * receive * send * area / (np.pi * square + area + 1e-12)).sum(axis=1)
    return np.clip(shade, 0, 1)


def along_path(points: np.ndarray, path: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """[n] 1 on a polyline (x, y) and 0 beyond its thickness, for points [n, >=2]."""
    best = np.zeros(len(points))
    for t in np.linspace(0, 1, 40):
        place = np.linspace(0, 1, len(path))
        centre = np.array([np.interp(t, place, path[:, i]) for i in (0, 1)])
        width = np.interp(t, place, thickness)
        distance = np.linalg.norm(points[:, :2] - centre, axis=1)
        best = np.maximum(best, smooth_step(distance, 1.15 * width, 0.25 * width))
    return best
