"""Eyelid closing: the lids turn about the eyeball's centre, so they never cut through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MEETING = 0.22  # share of the gap that the lower lid closes


def lid_lines(
    vertices: np.ndarray, rows: dict[int, int], row: int, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(upper, lower) vertex indices of one ring of the left lid, inner to outer corner each."""
    ring = np.array(sorted(v for v, r in rows.items() if r == row))
    inner = ring[np.argmin(vertices[ring, 0])]
    outer = ring[np.argmax(vertices[ring, 0])]
    chord = vertices[outer] - vertices[inner]
    t = (vertices[ring, 0] - vertices[inner, 0]) / chord[0]
    above = vertices[ring, 1] > vertices[inner, 1] + t * chord[1]
    ends = np.isin(ring, [inner, outer])
    upper = ring[above | ends]
    lower = ring[~above | ends]
    return upper[np.argsort(vertices[upper, 0])], lower[np.argsort(vertices[lower, 0])]


def _elevation(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    relative = points - centre
    return np.arctan2(relative[..., 1], relative[..., 2])


def turn(points: np.ndarray, centre: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points turned about the left-right axis through `centre`; positive lifts the front."""
    relative = points - centre
    cos, sin = np.cos(angle), np.sin(angle)
    y = relative[:, 1] * cos + relative[:, 2] * sin
    z = relative[:, 2] * cos - relative[:, 1] * sin
    return centre + np.stack([relative[:, 0], y, z], axis=1)


def closing(
    vertices: np.ndarray, rows: dict[int, int], centre: np.ndarray, laplacian: csr_matrix
) -> np.ndarray:
    """[n, 3] offsets that close the left eye; `laplacian` is the skin's graph Laplacian."""
    from scipy.sparse.linalg import spsolve

    fixed: dict[int, float] = {}
    goal_x, goal = _goal(vertices, rows, centre)
    for row, overlap in ((2, 0.012), (3, 0.004)):
        upper, lower = lid_lines(vertices, rows, row, centre)
        for line, sign in ((upper, -1), (lower, 1)):
            wanted = np.interp(vertices[line, 0], goal_x, goal) + sign * overlap
            angle = wanted - _elevation(vertices[line], centre)
            angle[[0, -1]] = 0.0  # the corners of the eye stay
            fixed.update(zip(line.tolist(), angle.tolist(), strict=True))
    free = _reach(vertices, centre)
    still = np.nonzero(~free)[0]
    fixed.update((int(v), 0.0) for v in still if int(v) not in fixed)
    known = np.array(sorted(fixed))
    value = np.zeros(len(vertices))
    value[known] = [fixed[int(v)] for v in known]
    unknown = np.setdiff1d(np.arange(len(vertices)), known)
    system = (laplacian @ laplacian + 0.02 * laplacian).tocsr()
    right = -(system[unknown][:, known] @ value[known])
    value[unknown] = spsolve(system[unknown][:, unknown].tocsc(), right)
    inside = np.array([v for v, r in rows.items() if r <= 1])
    value[inside] = _follow(vertices, inside, rows, value)
    return turn(vertices, centre, value) - vertices


def _goal(vertices: np.ndarray, rows: dict[int, int], centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the rims meet: elevation over x."""
    upper, lower = lid_lines(vertices, rows, 3, centre)
    x = np.linspace(vertices[upper, 0].min(), vertices[upper, 0].max(), 60)
    top = np.interp(x, vertices[upper, 0], _elevation(vertices[upper], centre))
    bottom = np.interp(x, vertices[lower, 0], _elevation(vertices[lower], centre))
    return x, bottom + MEETING * (top - bottom)


def _reach(vertices: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Skin that may follow the lid: an oval about the eye up to just below the brow."""
    relative = vertices - centre
    up = np.where(relative[:, 1] > 0, 0.0165, 0.0155)
    oval = (relative[:, 0] / 0.021) ** 2 + (relative[:, 1] / up) ** 2
    return (oval < 1.0) & (relative[:, 2] > 0.0)


def _follow(vertices: np.ndarray, inside: np.ndarray, rows: dict[int, int], value: np.ndarray) -> np.ndarray:
    """The lid's inner wall moves with the nearest rim vertex of its own lid."""
    rim = np.array([v for v, r in rows.items() if r == 2])
    distance = np.linalg.norm(vertices[inside, None] - vertices[None, rim], axis=2)
    nearest = np.argsort(distance, axis=1)[:, :2]
    weight = 1.0 / (np.take_along_axis(distance, nearest, 1) + 1e-5)
    return (value[rim[nearest]] * weight).sum(1) / weight.sum(1)


def gap(vertices: np.ndarray, rows: dict[int, int], centre: np.ndarray, offsets: np.ndarray) -> float:
    """Largest opening in metres that closed lids leave between their rims, along the whole slit."""
    upper, lower = (line for line in lid_lines(vertices, rows, 3, centre))
    closed = vertices + offsets
    bottom = np.interp(closed[upper, 0], closed[lower, 0], closed[lower, 1])
    return max(0.0, float((closed[upper, 1] - bottom).max()))


def clearance(vertices: np.ndarray, rows: dict[int, int], centre: np.ndarray, offsets: np.ndarray) -> float:
    """Smallest distance in metres of the lids' rims from the eyeball's centre on the way to closing."""
    rim = np.array([v for v, row in rows.items() if row in (2, 3)])
    way = [vertices[rim] + t * offsets[rim] for t in np.linspace(0, 1, 9)]
    return float(np.linalg.norm(np.array(way) - centre, axis=2).min())
