"""Teeth and gums along the dental arches of the base mesh."""

from __future__ import annotations

import numpy as np

from .mesh import Part

# Crown widths and heights in metres from the middle outwards, near the means of adult teeth.
_UPPER = ((8.4, 9.6), (6.5, 8.4), (7.4, 9.4), (6.8, 8.0), (6.6, 7.4), (9.6, 7.0), (9.0, 6.6))
_LOWER = ((5.3, 8.2), (5.8, 8.4), (6.7, 9.2), (6.8, 8.0), (6.9, 7.4), (10.4, 7.0), (9.8, 6.6))
_DEPTHS = (6.2, 6.0, 7.2, 7.6, 7.8, 9.0, 9.0)  # tongue side to lip side at the gum
_MILLIMETRE = 0.001
_AROUND = 10
_LEVELS = (
    (-0.10, 0.86, 0.96),
    (0.30, 0.985, 1.0),
    (0.72, 0.97, 0.80),
    (0.95, 0.86, 0.52),
)  # height, width, depth


class _Arch:
    """Half an ellipse in the horizontal plane, walked by arc length from the middle."""

    def __init__(self, half_width: float, front: float, back: float) -> None:
        angle = np.linspace(0, np.pi / 2, 400)
        self.points = np.stack([half_width * np.sin(angle), back + (front - back) * np.cos(angle)], axis=1)
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        self.lengths = np.concatenate([[0], np.cumsum(steps)])

    def at(self, length: float) -> tuple[np.ndarray, np.ndarray]:
        """Point (x, z) and unit tangent away from the middle."""
        here, ahead, behind = (
            np.array([np.interp(s, self.lengths, self.points[:, i]) for i in (0, 1)])
            for s in (length, length + 2e-4, max(length - 2e-4, 0.0))
        )
        if length == 0.0:
            return here, np.array([1.0, 0.0])
        return here, (ahead - behind) / np.linalg.norm(ahead - behind)


def row(upper: bool, edge: float, front: float, sources: tuple[np.ndarray, np.ndarray]) -> Part:
    """One row of teeth with its gum.

    edge: height of the biting edge; front: depth of the incisors (metres, head frame).
    sources: helper vertices [m] and their positions [m, 3]; the row follows their affine motion.
    """
    sizes = _UPPER if upper else _LOWER
    arch = _Arch(0.0262 if upper else 0.0250, front, front - 0.0420)
    sign = 1.0 if upper else -1.0  # the crown's root lies above or below its edge
    pieces: list[tuple[np.ndarray, list[tuple[int, ...]], str]] = []
    walked = 0.0
    for (width, height), depth in zip(sizes, _DEPTHS, strict=True):
        middle = walked + 0.5 * width * _MILLIMETRE
        walked += width * _MILLIMETRE
        step = 0.0008 * min(walked / 0.02, 1.0)  # molars end a little above the incisors' edge
        tooth = _tooth(arch, middle, width, height, depth, edge + sign * step, sign)
        for side in (1, -1):
            points = tooth * [side, 1, 1]
            pieces.append((points, _outwards(points, _tooth_faces(), points.mean(axis=0)), "Teeth"))
    gum, gum_faces = _gum(arch, sizes, edge, sign)
    middle = np.array([0.0, edge + sign * 0.011, front - 0.004])
    pieces.append((gum, _outwards(gum, gum_faces, middle), "Gums"))
    return _join(pieces, sources)


def _tooth(arch: _Arch, middle: float, width: float, height: float, depth: float, edge: float,
           sign: float) -> np.ndarray:  # fmt: skip
    centre, tangent = arch.at(middle)
    inward = np.array([tangent[1], -tangent[0]])
    angle = 2 * np.pi * np.arange(_AROUND) / _AROUND
    # a rounded box: the power flattens the circle
    across = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.7
    through = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.7
    molar = depth > 8.0
    rings = []
    for level, wide, deep in _LEVELS:
        deep = max(deep, 0.86) if molar else deep
        y = edge + sign * height * _MILLIMETRE * (1.0 - level)
        half_width, half_depth = 0.5 * wide * width * _MILLIMETRE, 0.5 * deep * depth * _MILLIMETRE
        back = 0.5 * depth * _MILLIMETRE - half_depth * 0.55  # the lip side stays nearly upright
        offset = 0.35 * (1 - level) * 0.0012
        spot = centre + inward * (0.3 * back + offset)
        ring = spot + np.outer(across * half_width, tangent) + np.outer(through * half_depth + 0.003, inward)
        rings.append(np.column_stack([ring[:, 0], np.full(_AROUND, y), ring[:, 1]]))
    cap = rings[-1].mean(axis=0)
    cap[1] = edge + sign * (0.0006 if molar else 0.0)
    return np.concatenate([*rings, cap[None]])


def _outwards(points: np.ndarray, faces: list[tuple[int, ...]], inside: np.ndarray) -> list[tuple[int, ...]]:
    """The faces, turned so that the first ones look away from a point inside."""
    first = [points[list(f[:3])] for f in faces[:_AROUND]]
    facing = sum(np.cross(t[1] - t[0], t[2] - t[0]) @ (t.mean(axis=0) - inside) for t in first)
    return faces if facing > 0 else [tuple(reversed(f)) for f in faces]


def _tooth_faces() -> list[tuple[int, ...]]:
    faces: list[tuple[int, ...]] = []
    for level in range(len(_LEVELS) - 1):
        a, b = level * _AROUND, (level + 1) * _AROUND
        for i in range(_AROUND):
            j = (i + 1) % _AROUND
            faces.append((a + i, a + j, b + j, b + i))
    last, cap = (len(_LEVELS) - 1) * _AROUND, len(_LEVELS) * _AROUND
    faces.extend((last + i, last + (i + 1) % _AROUND, cap) for i in range(_AROUND))
    return faces


def _gum(
    arch: _Arch, sizes: tuple[tuple[float, float], ...], edge: float, sign: float
) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """A band around the necks of the teeth, scalloped, closed towards the lips and the tongue."""
    limits = np.concatenate([[0], np.cumsum([w for w, _ in sizes])]) * _MILLIMETRE
    stations = np.sort(np.concatenate([limits, (limits[1:] + limits[:-1]) / 2]))
    heights = np.array([h for _, h in sizes]) * _MILLIMETRE
    columns = []
    for s in stations:
        tooth = min(int(np.searchsorted(limits, s, side="right")) - 1, len(sizes) - 1)
        between = np.isclose(limits, s, atol=1e-7).any()
        neck = heights[tooth] * (0.66 if between else 0.86)
        centre, tangent = arch.at(s)
        inward = np.array([tangent[1], -tangent[0]])
        ring = []
        thick = 0.0005 if between else 0.0
        for depth, above in ((0.0004 + thick, neck), (-0.0012, neck + 0.0018), (-0.0010, neck + 0.007),
                             (0.0020, neck + 0.011), (0.0085, neck + 0.007), (0.0085, neck + 0.001),
                             (0.0072, neck - 0.0006)):  # fmt: skip
            spot = centre + inward * depth
            ring.append([spot[0], edge + sign * above, spot[1]])
        columns.append(ring)
    left = np.array(columns)
    points = np.concatenate([(left * [-1, 1, 1])[:0:-1], left])
    count, around = points.shape[:2]
    faces = []
    for c in range(count - 1):
        for r in range(around - 1):
            a = c * around + r
            faces.append((a, a + 1, a + 1 + around, a + around))
    return points.reshape(-1, 3), faces


def _join(pieces: list, sources: tuple[np.ndarray, np.ndarray]) -> Part:
    vertices = np.concatenate([p[0] for p in pieces])
    faces, materials, start = [], [], 0
    for points, piece_faces, material in pieces:
        faces += [tuple(v + start for v in face) for face in piece_faces]
        materials += [material] * len(piece_faces)
        start += len(points)
    ids, places = sources
    frame = np.column_stack([places, np.ones(len(places))])
    weights = np.column_stack([vertices, np.ones(len(vertices))]) @ np.linalg.pinv(frame)
    combos = [dict(zip(ids.tolist(), row_.tolist(), strict=True)) for row_ in weights]
    uvs = [((0.03, 0.03),) * len(face) for face in faces]
    return Part(vertices, faces, uvs, materials, _mirror(vertices), combos)


def _mirror(vertices: np.ndarray) -> np.ndarray:
    """Vertex on the other side, for points that are exactly symmetric."""
    keys = {tuple(np.round(v * 1e7).astype(np.int64)): i for i, v in enumerate(vertices)}
    flipped = np.round(vertices * [-1e7, 1e7, 1e7]).astype(np.int64)
    return np.array([keys[tuple(v)] for v in flipped])
