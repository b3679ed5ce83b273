"""Where electrodes sit and muscles run: millimetres on a frontal plane.

x points to the subject's left, y up; the Frankfort horizontal is y = 0 and the midline x = 0. This
is the one home of these numbers. Fridlund's bipolar sites are the places of the 22 channels (the
left ones stand beside the muscles' names in `muscles`); Kuramoto's monopolar sites belong to no one muscle.
"""

from __future__ import annotations

import numpy as np

from .muscles import CHANNELS, MUSCLE_OF_CHANNEL, MUSCLES

_PAIRS_MM: dict[int, tuple[float, float]] = {
    2: (20, 66),
    4: (32, 56),
    6: (44, 13),
    8: (25, -9),
    10: (20, -67),
    14: (63, 40),
    16: (58, 6),
    18: (72, -50),
}
_MIDLINE_MM: dict[int, float] = {19: 47, 20: -26, 24: 26}

SITES: dict[str, tuple[float, float]] = {
    f"K{number}": place
    for number, place in sorted(
        [(n, p) for n, p in _PAIRS_MM.items()]
        + [(n - 1, (-x, y)) for n, (x, y) in _PAIRS_MM.items()]
        + [(n, (0.0, y)) for n, y in _MIDLINE_MM.items()]
    )
}
"""The 19 Kuramoto positions by name, ``K1`` ... ``K24``: even numbers left, 19, 20 and 24 on the midline."""

CHANNEL_MM: np.ndarray = np.array([m.site_mm for m in MUSCLES], dtype=np.float64)[MUSCLE_OF_CHANNEL]
"""float64 [22, 2]: Fridlund's electrode of every channel of `muscles.CHANNELS`."""
CHANNEL_MM[1::2, 0] *= -1

# Courses of the left muscles, drawn by hand through the electrode sites from where anatomy textbooks
# place origin and insertion; some millimetres off in any one face.
_COURSES_MM: dict[str, tuple[tuple[float, float], ...]] = {
    "corrugator_supercilii": ((8, 46), (30, 52)),
    "depressor_anguli_oris": ((27, -45), (30, -80)),
    "depressor_supercilii": ((5, 28), (9, 52)),
    "lateral_frontalis": ((32, 57), (38, 85)),
    "levator_labii_superioris": ((24, 6), (20, -28), (15, -25), (12, 8)),
    "masseter": ((72, -25), (66, -68)),
    "medial_frontalis": ((10, 55), (12, 85)),
    "mentalis": ((6, -62), (7, -80)),
    "orbicularis_oculi": tuple(
        (32 + 20 * float(np.cos(a)), 27 + 20 * float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 17)
    ),
    "orbicularis_oris": tuple(
        (26 * float(np.cos(a)), -43 + 13 * float(np.sin(a))) for a in np.linspace(-np.pi / 2, np.pi / 2, 9)
    ),
    "zygomaticus": ((62, -10), (42, -32)),  # the belly; towards the mouth it is tendon
}


def course_mm(channel: str) -> np.ndarray:
    """float64 [m, 2]: the line that a channel's muscle runs along; KeyError for an unknown name."""
    course = np.array(_COURSES_MM[channel[:-2]], dtype=np.float64)
    return course * [-1, 1] if channel.endswith("_r") else course


def distances_to_muscles(points: np.ndarray) -> np.ndarray:
    """Millimetres float64 [n, 22] from points [n, 2] to the nearest part of every channel's muscle."""
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    result = np.empty((len(points), len(CHANNELS)))
    for i, channel in enumerate(CHANNELS):
        result[:, i] = _to_course(points, course_mm(channel))
    return result


def _to_course(points: np.ndarray, course: np.ndarray) -> np.ndarray:
    """Distance [n] of points [n, 2] to a line of several pieces [m, 2]."""
    start, along = course[:-1], np.diff(course, axis=0)
    length = np.maximum((along**2).sum(1), 1e-12)
    share = ((points[:, None] - start) * along).sum(-1) / length
    nearest = start + np.clip(share, 0.0, 1.0)[..., None] * along
    return np.linalg.norm(points[:, None] - nearest, axis=-1).min(1)
