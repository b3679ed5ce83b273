"""Eyeballs with rings around the gaze axis: sclera, limbus, a clear cornea, a dished iris, a pupil."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .mesh import Part

SEGMENTS = 32
RADIUS = 0.0151  # of the sclera; the lids of the base mesh clear a ball of this size
IRIS_RADIUS = 0.0062
PUPIL_RADIUS = 0.0022
CORNEA_RADIUS = 0.0092  # of curvature, flatter than life so that the lids slide over it
_SCLERA_ANGLES = np.radians([30, 35, 41, 48, 57, 68, 80, 94, 110, 128, 146, 163])


def _profile() -> list[tuple[float, float, str]]:
    """(radius, depth along the gaze, material towards the next ring) from the apex outwards."""
    limbus = float(np.arcsin(IRIS_RADIUS / RADIUS))
    base = RADIUS * np.cos(limbus)
    sag = CORNEA_RADIUS - np.sqrt(CORNEA_RADIUS**2 - IRIS_RADIUS**2)
    flatten = 0.55  # share of the true bulge
    rings = []
    for radius in (0.0009, PUPIL_RADIUS, 0.0034, 0.0045, 0.0054, 0.0060, IRIS_RADIUS):
        drop = CORNEA_RADIUS - np.sqrt(CORNEA_RADIUS**2 - radius**2)
        round_ball = np.sqrt(RADIUS**2 - radius**2)
        bulge = base + sag - drop
        rings.append((radius, round_ball + flatten * (bulge - round_ball), "Cornea"))
    rings[-1] = (*rings[-1][:2], "Sclera")
    angles = np.concatenate([[limbus + 0.045], _SCLERA_ANGLES[limbus + 0.08 < _SCLERA_ANGLES]])
    rings.extend((RADIUS * np.sin(a), RADIUS * np.cos(a), "Sclera") for a in angles)
    return rings


def _iris_profile() -> list[tuple[float, float]]:
    base = np.sqrt(RADIUS**2 - IRIS_RADIUS**2)
    depths = ((0.0001, 0.0016), (PUPIL_RADIUS, 0.0014), (0.0030, 0.0012), (0.0043, 0.0010), (0.0055, 0.0007))
    return [(r, base - d) for r, d in depths] + [(IRIS_RADIUS * 0.995, base - 0.0002)]


def eyeball(centre: np.ndarray, side: int) -> Part:
    """One eyeball about `centre`; side +1 is the subject's left, -1 its mirror image."""
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    unit = np.stack([side * np.cos(angle), np.sin(angle)], axis=1)
    profile = _profile()
    vertices = [np.array([[0.0, 0.0, profile[0][1] + 2e-5]])]
    for radius, depth, _ in profile:
        vertices.append(np.column_stack([unit * radius, np.full(SEGMENTS, depth)]))
    vertices.append(np.array([[0.0, 0.0, -RADIUS]]))
    inner = sum(len(v) for v in vertices)
    for radius, depth in _iris_profile():
        vertices.append(np.column_stack([unit * radius, np.full(SEGMENTS, depth)]))
    points = np.concatenate(vertices)
    faces, materials = _outer_faces(profile)
    iris = [_ring(inner + SEGMENTS * i) for i in range(len(_iris_profile()))]
    for a, b in pairwise(iris):
        faces.extend(_band(a, b))
    materials += ["Iris"] * (len(faces) - len(materials))
    if side < 0:
        faces = [tuple(reversed(face)) for face in faces]
    disc = points[:, :2] / (2 * RADIUS) * [side, 1] + 0.5
    uvs = [tuple((float(disc[v, 0]), float(disc[v, 1])) for v in face) for face in faces]
    return Part(points + centre, faces, uvs, materials, np.arange(len(points)), [{} for _ in points])


def _ring(start: int) -> list[int]:
    return list(range(start, start + SEGMENTS))


def _band(inner: list[int], outer: list[int]) -> list[tuple[int, ...]]:
    n = len(inner)
    return [(inner[i], outer[i], outer[(i + 1) % n], inner[(i + 1) % n]) for i in range(n)]


def _outer_faces(profile: list[tuple[float, float, str]]) -> tuple[list[tuple[int, ...]], list[str]]:
    rings = [_ring(1 + SEGMENTS * i) for i in range(len(profile))]
    faces: list[tuple[int, ...]] = [(0, rings[0][i], rings[0][(i + 1) % SEGMENTS]) for i in range(SEGMENTS)]
    materials = ["Cornea"] * SEGMENTS
    for a, b, (_, _, material) in zip(rings[:-1], rings[1:], profile[:-1], strict=True):
        faces.extend(_band(a, b))
        materials += [material] * SEGMENTS
    back = 1 + SEGMENTS * len(profile)
    faces.extend((rings[-1][i], back, rings[-1][(i + 1) % SEGMENTS]) for i in range(SEGMENTS))
    return faces, materials + ["Sclera"] * SEGMENTS
