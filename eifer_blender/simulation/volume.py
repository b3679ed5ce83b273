"""What electrodes on the face's surface see of each muscle: volume conduction.

A firing motor unit is a current dipole along its fibres, some millimetres below the surface of a
conducting half space. There the potential is p . r / (2 pi sigma |r|^3), twice that of the unbounded
volume, because no current leaves through the skin (Plonsey and Barr, Bioelectricity). A muscle is a few
such places along its course, whose units fire independently, so that their powers add. A bipolar pair sees
the difference of two potentials, which falls with the third power of the distance, a monopolar electrode
the second. Depths, and the one line for a muscle that is a sheet, are working figures of this project;
conductivity cancels, because all is given as a share of what the muscle's own electrodes see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..electrodes import CHANNEL_MM, SITES, course_mm
from ..heads.default import load_default_head
from ..heads.frontal_plane import FrontalPlane, first_hit, frontal_plane
from ..heads.head import ParametricHead
from ..muscles import CHANNEL_COUNT, CHANNELS
from .sources import SOURCES

PAIR_MM = 11.0  # between the two electrodes of a pair
POINTS = 7  # places along a muscle's course

# Millimetres from the electrode to the active fibres: skin, fat, half the muscle.
_DEPTH_MM: dict[str, float] = {
    "corrugator_supercilii": 6.0,
    "depressor_anguli_oris": 5.0,
    "depressor_supercilii": 4.5,
    "lateral_frontalis": 4.5,
    "levator_labii_superioris": 6.5,
    "masseter": 9.0,
    "medial_frontalis": 4.5,
    "mentalis": 6.0,
    "orbicularis_oculi": 4.0,
    "orbicularis_oris": 5.0,
    "zygomaticus": 7.0,
    "risorius": 5.0,
    "buccinator": 10.0,
    "depressor_labii": 5.5,
}
# Where the current flows, on the chart: `electrodes` has lines from origin to insertion; these are muscles
# that it does not have, and the bellies of those that end in tendon or among others' fibres.
_BELLIES_MM: dict[str, tuple[tuple[float, float], ...]] = {
    "corrugator_supercilii": ((11, 47.5), (26, 52)),
    "depressor_anguli_oris": ((27.5, -56), (30, -80)),
    "medial_frontalis": ((10, 59), (12, 87)),
    "orbicularis_oculi": tuple(
        (32 + 19 * math.cos(a), 27 + (18 if math.sin(a) < 0 else 10) * math.sin(a))
        for a in np.linspace(-np.pi, np.pi, 17)
    ),
    "risorius": ((52, -38), (29, -43)),
    "buccinator": ((56, -32), (32, -42)),
    "depressor_labii": ((19, -78), (11, -57)),
}
# Courses that the frontal chart cannot show: metres from a landmark of the head, left side.
_DEEP_COURSES: dict[str, tuple[str, tuple[tuple[float, float, float], ...]]] = {
    # Anterior belly of digastric: from behind the chin back to the hyoid.
    "jaw_opener": ("chin", ((0.005, -0.016, -0.018), (0.013, -0.024, -0.055))),
    "levator_palpebrae": ("lid_upper_l", ((0.0, 0.006, -0.012), (-0.006, 0.010, -0.040))),
}
_REFERENCE_MM = 6.0  # from a muscle without electrodes to the pair that it is measured by


def tables() -> dict[str, object]:
    """All numbers of this module, for the protocol's hash."""
    return {
        "pair": PAIR_MM,
        "points": POINTS,
        "depth": _DEPTH_MM,
        "bellies": _BELLIES_MM,
        "deep": _DEEP_COURSES,
        "reference": _REFERENCE_MM,
    }


@dataclass(frozen=True)
class _Course:
    """Where a source's current flows, and the pair that it is measured by."""

    points: np.ndarray  # [n, 3] metres
    fibres: np.ndarray  # [n, 3] unit vectors
    own: np.ndarray  # [2, 3] metres, a pair above the middle


def electrode_positions(head: ParametricHead) -> np.ndarray:
    """float64 [22, 2, 3] metres: the electrodes of every Fridlund pair on the skin, along the fibres."""
    plane = frontal_plane(head)
    centres = plane.to_surface(CHANNEL_MM)
    return np.stack(
        [_pair(plane, c, course_mm(n), m) for n, c, m in zip(CHANNELS, centres, CHANNEL_MM, strict=True)]
    )


def site_positions(head: ParametricHead) -> np.ndarray:
    """float64 [19, 3] metres: the Kuramoto positions `electrodes.SITES` on the head's surface."""
    return frontal_plane(head).to_surface(np.array(list(SITES.values())))


def point_gains(electrodes: np.ndarray, head: ParametricHead) -> np.ndarray:
    """float64 [electrodes, 32, POINTS]: signed potential that a dipole at each place of each source causes.

    electrodes: [e, 2, 3] metres for pairs (first minus second) or [e, 3] for single electrodes. The unit is
    the RMS over a source's places at its own pair, so that a pair's powers over the places of its own
    muscle add up to 1; sources without electrodes are measured by a pair 6 mm above their fibres.
    """
    electrodes = np.asarray(electrodes, np.float64)
    gains = []
    for course in _courses(head):
        unit = np.linalg.norm(_potential(course.own[None], course))
        gains.append(_potential(electrodes, course) / unit)
    return np.stack(gains, 1)


def leak(electrodes: np.ndarray, head: ParametricHead) -> np.ndarray:
    """float64 [electrodes, 32]: RMS of each of `SOURCES` at each electrode, 1 at the muscle's own pair.

    electrodes: as in `point_gains`.
    """
    return np.linalg.norm(point_gains(electrodes, head), axis=2)


def session_leak(scale: float = 1.0) -> np.ndarray:
    """float64 [22, 32]: `leak` of the default head's Fridlund pairs, with all that is not a pair's own muscle
    times `scale` (thicker fat and wider pairs raise it); the diagonal stays 1.
    """
    share = scale * _default_leak()
    np.fill_diagonal(share, 1.0)
    return share


@lru_cache(maxsize=1)
def _default_leak() -> np.ndarray:
    head = load_default_head()
    share = leak(electrode_positions(head), head)
    share.setflags(write=False)
    return share


def _potential(electrodes: np.ndarray, course: _Course) -> np.ndarray:
    """[electrodes, places]: potential of unit dipoles, or its difference over a pair."""
    pairs = electrodes if electrodes.ndim == 3 else electrodes[:, None]
    away = pairs[:, :, None] - course.points
    single = (away * course.fibres).sum(-1) / np.linalg.norm(away, axis=-1) ** 3
    return single[:, 0] - single[:, 1] if electrodes.ndim == 3 else single[:, 0]


def _courses(head: ParametricHead) -> list[_Course]:
    """One for each of `SOURCES`."""
    plane = frontal_plane(head)
    pairs = electrode_positions(head)
    result = []
    for number, source in enumerate(SOURCES):
        name, side = (source[:-2], source[-1]) if source[-2:] in ("_l", "_r") else (source, "")
        if number < CHANNEL_COUNT:
            course = _shallow(plane, _belly(name, side), _DEPTH_MM[name])
            result.append(_Course(course.points, course.fibres, pairs[number]))
        elif name == "cheek_inflation":  # air; what is heard of it is the buccinator of both cheeks
            result.append(_both(_hidden(plane, head, "buccinator", side) for side in "lr"))
        elif not side:
            result.append(_both(_hidden(plane, head, name, side) for side in "lr"))
        else:
            result.append(_hidden(plane, head, name, side))
    return result


def _both(sides: Sequence[_Course]) -> _Course:
    """Two sides as one source; every second place of each, compared with the left one's electrodes."""
    left, right = sides
    points = np.where(np.arange(POINTS)[:, None] % 2 == 0, left.points, right.points)
    fibres = np.where(np.arange(POINTS)[:, None] % 2 == 0, left.fibres, right.fibres)
    return _Course(points, fibres, left.own)


def _hidden(plane: FrontalPlane, head: ParametricHead, name: str, side: str) -> _Course:
    mirror = -1 if side == "r" else 1
    if name in _DEEP_COURSES:
        landmark, steps = _DEEP_COURSES[name]
        start = head.template[head.landmarks[landmark]].astype(np.float64)
        return _deep((start + np.array(steps)) * [mirror, 1, 1])
    return _shallow(plane, _belly(name, side), _DEPTH_MM[name])


def _belly(name: str, side: str) -> np.ndarray:
    """float64 [m, 2] chart millimetres."""
    if name not in _BELLIES_MM:
        return course_mm(f"{name}_{side}")
    return np.array(_BELLIES_MM[name], np.float64) * [-1 if side == "r" else 1, 1]


def _shallow(plane: FrontalPlane, course: np.ndarray, depth_mm: float) -> _Course:
    """Places below the skin along a course [m, 2] on the chart."""
    at = _along(course, (np.arange(POINTS) + 0.5) / POINTS)
    skin = plane.to_surface(at)
    inwards = -np.stack([_normal(plane, p) for p in skin])
    points = skin + 1e-3 * depth_mm * inwards
    return _measured(points, -inwards[POINTS // 2])


def _deep(course: np.ndarray) -> _Course:
    """Places along a course [m, 3] in space."""
    points = _along(course, (np.arange(POINTS) + 0.5) / POINTS)
    return _measured(points, np.cross(points[-1] - points[0], [1.0, 0.0, 0.0]))


def _measured(points: np.ndarray, outwards: np.ndarray) -> _Course:
    """A course through places [POINTS, 3] and a pair beside its middle."""
    fibres = _unit(np.gradient(points, axis=0))
    middle = POINTS // 2
    ends = 0.5e-3 * PAIR_MM * np.array([[1.0], [-1.0]]) * fibres[middle]
    return _Course(points, fibres, points[middle] + 1e-3 * _REFERENCE_MM * _unit(outwards) + ends)


def _along(course: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points [n, k] at shares 0..1 of the length of a line of several pieces [m, k]."""
    course = np.asarray(course, np.float64)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(course, axis=0), axis=1))])
    return np.stack([np.interp(shares * length[-1], length, column) for column in course.T], 1)


def _pair(plane: FrontalPlane, centre: np.ndarray, course: np.ndarray, site_mm: np.ndarray) -> np.ndarray:
    """float64 [2, 3]: electrodes on the skin about a centre, along the nearest part of a course."""
    start, step = course[:-1], np.diff(course, axis=0)
    share = np.clip(((site_mm - start) * step).sum(1) / (step**2).sum(1), 0.0, 1.0)
    nearest = np.linalg.norm(start + share[:, None] * step - site_mm, axis=1).argmin()
    fibre = step[nearest] / np.linalg.norm(step[nearest])
    ahead, behind = plane.to_surface(site_mm + 2.0 * np.stack([fibre, -fibre]))
    ends = centre + 0.5e-3 * PAIR_MM * np.array([[1.0], [-1.0]]) * _unit(ahead - behind)
    normal = _normal(plane, centre)
    return first_hit(plane.corners, ends + 0.02 * normal, np.tile(-normal, (2, 1)))


def _normal(plane: FrontalPlane, point: np.ndarray) -> np.ndarray:
    """Outward unit normal [3] of the skin about a point, over a centimetre, as soft tissue lies."""
    a, b, c = plane.corners.transpose(1, 0, 2)
    areas = np.cross(b - a, c - a)
    near = np.linalg.norm((a + b + c) / 3 - point, axis=1) < 0.01
    return _unit(areas[near].sum(0))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
