"""Regions, landmarks and colours of the default head."""

from __future__ import annotations

import numpy as np

from . import eyes, lids, paint
from .surface import Surface

_SKIN = (0.55, 0.30, 0.21)
_FLUSH = (0.55, 0.22, 0.16)
_SHADE = np.array([0.72, 0.86, 0.90])  # how much of red, green and blue a deep fold takes away
# Distance from the gaze axis in metres -> colour of the eye
_EYE_RINGS = (
    (0.0, (0.002, 0.002, 0.002)),
    (eyes.PUPIL_RADIUS, (0.003, 0.003, 0.003)),
    (eyes.PUPIL_RADIUS + 0.0003, (0.17, 0.085, 0.03)),
    (0.0034, (0.20, 0.14, 0.06)),
    (0.0045, (0.15, 0.17, 0.11)),
    (0.0055, (0.085, 0.115, 0.095)),
    (eyes.IRIS_RADIUS, (0.018, 0.024, 0.026)),
    (eyes.IRIS_RADIUS + 0.0008, (0.60, 0.57, 0.55)),
    (0.009, (0.83, 0.80, 0.77)),
)
_PLAIN = {
    "teeth_upper": (0.80, 0.74, 0.62),
    "teeth_lower": (0.80, 0.74, 0.62),
    "tongue": (0.48, 0.14, 0.13),
    "eyebrows": (0.045, 0.026, 0.017),
    "lashes": (0.015, 0.010, 0.008),
}
_GUMS = (0.45, 0.16, 0.15)
_RIM = (0.05, 0.045, 0.045)


def regions(surface: Surface, jaw_weight: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> bool [V]; ovals on the face are given in the frontal plane, metres."""
    count, base = len(surface.template), len(surface.base)
    x, y, z = surface.template.T
    skin = np.zeros(count, dtype=bool)
    skin[surface.slices["skin"]] = True
    face = skin & (z > 0.04)
    on_base = np.zeros((2, count))
    on_base[:, :base] = surface.mask("mpfb_lips"), jaw_weight
    found = {"skin": skin}

    def oval(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return face & (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1)

    for side, s in (("l", 1), ("r", -1)):
        found[f"brow_{side}"] = (x * s > -1e-6) & oval(s * 0.029, 0.157, 0.031, 0.014)
        found[f"eye_{side}"] = oval(s * 0.0295, 0.1385, 0.023, 0.015)
        found[f"cheek_{side}"] = oval(s * 0.040, 0.103, 0.024, 0.022)
        found[f"mouth_corner_{side}"] = oval(s * 0.0225, 0.0735, 0.009, 0.009)
    found["nose"] = oval(0, 0.115, 0.020, 0.036)
    found["mouth"] = oval(0, 0.074, 0.033, 0.020)
    found["lips"] = face & (on_base[0] > 0.5)
    found["chin"] = oval(0, 0.047, 0.021, 0.014)
    found["jaw"] = skin & (on_base[1] > 0.5)
    found["forehead"] = oval(0, 0.185, 0.06, 0.030)
    found["neck"] = skin & (y < 0.035)
    for name in ("eyeball_l", "eyeball_r", "teeth_upper", "teeth_lower", "tongue"):
        found[name] = np.zeros(count, dtype=bool)
        found[name][surface.slices[name]] = True
    for name in ("lashes", "eyebrows"):
        found[name] = np.zeros(count, dtype=bool)
        found[name][base:] = surface.strand_name == name
    return found


def landmarks(surface: Surface, jaw_weight: np.ndarray) -> dict[str, int]:
    """Name -> vertex of the skin; names that end in _l have a twin in _r."""
    skin = surface.skin
    upper, lower = lids.lid_lines(skin, surface.lid_rows, 3, surface.eye_centre)
    lips = surface.mask("mpfb_lips")[: surface.count] > 0.5
    left = {
        "brow_inner_l": _nearest(surface, *paint.BROW_PATH[0]),
        "brow_mid_l": _nearest(surface, *paint.BROW_PATH[2]),
        "brow_outer_l": _nearest(surface, *paint.BROW_PATH[4]),
        "eye_inner_l": int(upper[0]),
        "eye_outer_l": int(upper[-1]),
        "lid_upper_l": int(upper[len(upper) // 2]),
        "lid_lower_l": int(lower[len(lower) // 2]),
        "nose_wing_l": _nearest(surface, 0.0165, 0.1015),
        "mouth_corner_l": int(np.argmax(np.where(lips, skin[:, 0], 0))),
        "cheek_l": _nearest(surface, 0.042, 0.103),
        "jaw_corner_l": int(np.argmin(np.linalg.norm(skin - [0.058, 0.060, 0.050], axis=1))),
    }
    right = {f"{name.removesuffix('_l')}_r": int(surface.mirror[vertex]) for name, vertex in left.items()}
    return {**left, **right, **_midline(skin, jaw_weight)}


def _nearest(surface: Surface, x: float, y: float) -> int:
    _, _, triangle, weights = surface.front.drop(x, y)
    return int(triangle[np.argmax(weights)])


def _midline(skin: np.ndarray, jaw_weight: np.ndarray) -> dict[str, int]:
    middle = np.nonzero(np.abs(skin[:, 0]) < 1e-6)[0]

    def at(y: float) -> int:
        front = middle[np.argsort(np.abs(skin[middle, 1] - y), kind="stable")[:6]]
        return int(front[np.argmax(skin[front, 2])])

    nose = middle[(skin[middle, 1] > 0.09) & (skin[middle, 1] < 0.12)]
    slit = middle[(skin[middle, 2] > 0.140) & (np.abs(skin[middle, 1] - 0.074) < 0.004)]
    below = jaw_weight[slit] > 0.5
    return {
        "nose_tip": int(nose[np.argmax(skin[nose, 2])]),
        "nose_bridge": at(0.138),
        "glabella": at(0.152),
        "forehead": at(0.185),
        "lip_upper": at(0.080),
        "lip_lower": at(0.066),
        "lip_upper_inner": int(slit[~below][np.argmin(skin[slit[~below], 1])]),
        "lip_lower_inner": int(slit[below][np.argmax(skin[slit[below], 1])]),
        "chin": at(0.045),
    }


def tints(surface: Surface, found: dict[str, np.ndarray]) -> np.ndarray:
    """[V, 3] linear RGB of the surface."""
    tint = np.tile(_SKIN, (len(surface.template), 1))
    _tint_skin(surface, tint, found["skin"])
    eye = _eye_tints(surface)
    tint[found["eyeball_l"]] = eye
    tint[found["eyeball_r"]] = eye
    for name, colour in _PLAIN.items():
        tint[found[name]] = colour
    tint[[v for face in surface.faces_of("Gums") for v in face]] = _GUMS
    teeth = found["teeth_upper"] | found["teeth_lower"]
    depth = paint.smooth_step(surface.template[teeth, 2].astype(np.float64), 0.128, 0.106)
    tint[teeth] *= 1 - 0.6 * depth[:, None]  # little light reaches the molars
    return np.clip(tint, 0, 1)


def _tint_skin(surface: Surface, tint: np.ndarray, skin: np.ndarray) -> None:
    points = surface.template.astype(np.float64)
    n = surface.count
    lips = surface.mask("mpfb_lips")[:n]

    def mix(colour: tuple[float, float, float], amount: np.ndarray) -> None:
        tint[skin] += np.clip(amount[skin], 0, 1)[:, None] * (np.array(colour) - tint[skin])

    for s in (1, -1):
        mix(_FLUSH, 0.5 * paint.blob(points, (s * 0.042, 0.100, 0.09), (0.028, 0.026, 0.05)))
        mix((0.50, 0.22, 0.17), 0.5 * paint.blob(points, (s * 0.030, 0.1385, 0.13), (0.024, 0.013, 0.03)))
        mix(_FLUSH, 0.45 * paint.blob(points, (s * 0.075, 0.13, 0.02), (0.03, 0.05, 0.05)))
    mix((0.56, 0.21, 0.15), 0.45 * paint.blob(points, (0, 0.102, 0.155), (0.022, 0.018, 0.03)))
    mix((0.46, 0.13, 0.11), 0.75 * np.resize(lips, len(points)))
    inside = surface.mask("mpfb_inside-mouth")[:n]
    mix((0.42, 0.10, 0.09), np.resize(inside, len(points)))
    brow = sum(paint.along_path(points * [s, 1, 1], paint.BROW_PATH, paint.BROW_THICKNESS) for s in (1, -1))
    mix((0.12, 0.065, 0.045), 0.45 * np.minimum(brow, 1) * (points[:, 2] > 0.08))
    shade = surface.smoothed(paint.occlusion(surface.skin, surface.triangles), 2)
    shade *= 1 - 0.65 * np.clip(np.maximum(lips, 0.6 * inside), 0, 1)
    tint[:n] *= 1 - _SHADE * paint.smooth_step(shade, 0.06, 0.75)[:, None]
    outside = {v for face in surface.faces_of("Skin") for v in face}
    tint[[v for v in range(n) if v not in outside]] = _RIM


def _eye_tints(surface: Surface) -> np.ndarray:
    points = surface.base[surface.slices["eyeball_l"]] - surface.eye_centre
    radius = np.hypot(points[:, 0], points[:, 1])
    stops = np.array([r for r, _ in _EYE_RINGS])
    colours = np.array([c for _, c in _EYE_RINGS])
    tint = np.tile(colours[-1], (len(points), 1))
    front = points[:, 2] > 0
    for channel in range(3):
        tint[front, channel] = np.interp(radius[front], stops, colours[:, channel])
    angle = np.arctan2(points[:, 1], points[:, 0])
    fibres = 1 + 0.16 * np.sin(11 * angle) * np.sin(7 * angle + 1.0)
    iris = front & (radius > eyes.PUPIL_RADIUS * 1.01) & (radius < eyes.IRIS_RADIUS * 0.999)
    tint[iris] *= fibres[iris, None]
    return tint
