"""The 52 ARKit shapes, the eyelids, the jaw and the expression basis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...spaces import ARKIT_NAMES, EXPRESSION_COUNT
from ..deform import rotation_matrix
from ..shapes import left_right_split, medial_share
from . import eyes, jaw, lids, paint
from .basis import paired_moments, principal_components
from .surface import Surface

GAZE_DEGREES = {"Down": 24.0, "Up": 20.0, "In": 26.0, "Out": 26.0}
# The face units differ in strength; these factors bring them to what a full contraction shows.
_GAINS = {
    "noseSneer": 1.5,
    "eyeSquint": 1.25,
    "browInnerUp": 1.7,
    "browOuterUp": 1.7,
    "browDown": 1.15,
    "mouthPucker": 1.35,
    "mouthShrugLower": 1.2,
    "mouthFrown": 1.25,
    "mouthUpperUp": 1.15,
}
_LEFT_OUT = ("jaw", "eyeBlink", "eyeLook", "tongue", "mouthClose")  # of the expression basis
_UNIT_FOLDERS = tuple(f"expression/units/{a}" for a in ("african", "asian", "caucasian"))
_SIGMA_ARKIT, _SIGMA_UNIT, _LEFT_WITH_RIGHT = 0.35, 0.12, 0.5
_LARGEST_REGAIN = 1.35


@dataclass
class Expressions:
    """All shapes that move the base vertices [B], in metres; `measured` is for the card."""

    arkit: np.ndarray  # [52, B, 3]
    eyelids: np.ndarray  # [2, B, 3]
    jaw_correctives: np.ndarray  # [entries, B, 3]
    jaw_entries: np.ndarray  # which of the nine entries of R - I
    expression: np.ndarray  # [50, B, 3]
    measured: dict[str, float]


def make_expressions(surface: Surface, weights: np.ndarray, joints: np.ndarray) -> Expressions:
    """The shapes, for skinning weights [B, 5] (shares of one) and joints [5, 3]."""
    closing = np.zeros_like(surface.base)
    lid = (surface.skin, surface.lid_rows, surface.eye_centre)
    closing[: surface.count] = lids.closing(*lid, surface.laplacian)
    eyelids = np.stack([closing, surface.mirrored(closing)])
    detail = _detail(surface)
    units = _arkit_units(surface, eyelids, detail)
    angle, fix = _hinge(surface, units["jawOpen"], weights[:, 2], joints[2])
    turned = jaw.blend(surface.base + fix, weights[:, 2], joints[2], rotation_matrix(np.array([angle, 0, 0])))
    units["jawOpen"] = turned - surface.base
    expression, variance = _expression_basis(surface, units, detail)
    measured = {
        "lid_gap": 1000 * lids.gap(*lid, closing[: surface.count]),
        "lid_clearance": 1000 * (lids.clearance(*lid, closing[: surface.count]) - eyes.RADIUS),
        "jaw_angle": angle,
        "variance": variance,
    }
    arkit = np.stack([units[name] for name in ARKIT_NAMES])
    correctives = fix[None] / np.sin(angle)
    return Expressions(arkit, eyelids, correctives, np.array([jaw.OPENING_ENTRY]), expression, measured)


def _detail(surface: Surface) -> np.ndarray:
    """[skin] 1 on lips, lids and nostrils, falling to 0 in the smooth parts of the face."""
    n = surface.count
    kept = np.maximum(surface.mask("mpfb_lips")[:n], surface.mask("mpfb_inside-mouth")[:n])
    for vertex, row in surface.lid_rows.items():
        if row <= 4:
            kept[[vertex, surface.mirror[vertex]]] = 1.0
    kept = np.maximum(kept, paint.blob(surface.skin, (0, 0.100, 0.145), (0.024, 0.014, 0.03)))
    return surface.smoothed(np.clip(kept, 0, 1), 6)


def _carry(surface: Surface, offsets: np.ndarray, detail: np.ndarray) -> np.ndarray:
    """Source offsets on the base vertices, smoothed so that no crease forms in the cheek."""
    n = surface.count
    moved = surface.transfer @ offsets
    fine = surface.smoothed(moved[:n], 2)
    soft = surface.smoothed(fine, 14)
    moved[:n] = soft + detail[:, None] * (fine - soft)
    peak, left = (np.linalg.norm(x, axis=1).max() for x in (fine, moved[:n]))
    moved[:n] *= min(peak / max(left, 1e-9), _LARGEST_REGAIN)  # smoothing must not weaken the shape
    return moved


def _arkit_units(surface: Surface, eyelids: np.ndarray, detail: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> [B, 3], even in left and right."""
    units = {name: _carry(surface, surface.source.face_unit(name), detail) for name in ARKIT_NAMES}
    units["eyeBlinkLeft"], units["eyeBlinkRight"] = eyelids
    for name, shape in units.items():
        shape *= _GAINS.get(name.removesuffix("Left").removesuffix("Right"), 1.0)
        _hold_rigid_parts(surface, name, shape)
        if name.startswith("eyeLook"):
            _add_gaze(surface, name, shape)
    _knit_brows(surface, units)
    for name in list(units):
        twin = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
        units[name] = (units[name] + surface.mirrored(units[twin])) / 2
        units[twin] = surface.mirrored(units[name])
    return units


def _hold_rigid_parts(surface: Surface, name: str, shape: np.ndarray) -> None:
    """Bone does not follow the skin: eyeballs and upper teeth stay, the rest moves with the jaw."""
    still = ["eyeball_l", "eyeball_r", "teeth_upper"]
    still += [] if name.startswith("jaw") else ["teeth_lower"]
    still += [] if name.startswith(("jaw", "tongue")) else ["tongue"]
    for part in still:
        shape[surface.slices[part]] = 0.0


def _add_gaze(surface: Surface, name: str, shape: np.ndarray) -> None:
    """Turns the eyeball along with the lids of a gaze shape."""
    direction = name.removeprefix("eyeLook").removesuffix("Left").removesuffix("Right")
    side, sign = ("l", 1) if name.endswith("Left") else ("r", -1)
    angle = np.radians(GAZE_DEGREES[direction])
    axis = {
        "Down": [angle, 0, 0],
        "Up": [-angle, 0, 0],
        "In": [0, -angle * sign, 0],
        "Out": [0, angle * sign, 0],
    }[direction]
    where = surface.slices[f"eyeball_{side}"]
    points = surface.base[where] - surface.eye_centre * [sign, 1, 1]
    shape[where] = points @ rotation_matrix(np.array(axis)).T - points


def _knit_brows(surface: Surface, units: dict[str, np.ndarray]) -> None:
    """The face units lower the brows; frowning also draws them together and bunches the skin."""
    n = surface.count
    near = paint.blob(surface.skin, (0.014, 0.153, 0.136), (0.020, 0.015, 0.03))
    near *= paint.smooth_step(surface.skin[:, 0], 0.0, 0.009)
    for side, sign in (("Left", 1), ("Right", -1)):
        field = near if sign > 0 else near[surface.mirror[:n]]
        units[f"browDown{side}"][:n] += field[:, None] * [-0.0021 * sign, -0.0010, 0.0009]


def _hinge(
    surface: Surface, opening: np.ndarray, down: np.ndarray, joint: np.ndarray
) -> tuple[float, np.ndarray]:
    """Angle of the jaw in `opening`, and the offsets before skinning that make the hinge reach it."""
    lower = surface.slices["teeth_lower"]
    target = surface.base + opening
    angle = jaw.hinge_angle(surface.base[lower], target[lower], joint)
    fix = jaw.corrective(surface.base, target, down, joint, np.array([angle, 0.0, 0.0]))
    for rigid in ("teeth_lower", "tongue"):
        fix[surface.slices[rigid]] = 0.0
    return angle, fix


def _expression_basis(
    surface: Surface, units: dict[str, np.ndarray], detail: np.ndarray
) -> tuple[np.ndarray, float]:
    """[50, B, 3] components and the share of the variance that they hold.

    The generators come in pairs, left and right, so that one-sided faces are in the basis.
    """
    strong = _arkit_pairs(surface, units)
    pairs = strong + _unit_pairs(surface, detail)
    generators = np.stack([shape for pair in pairs for shape in pair])
    generators[:, surface.count :] = 0.0
    twins = [i ^ 1 for i in range(len(generators))]
    sigma = np.where(np.arange(len(generators)) < 2 * len(strong), _SIGMA_ARKIT, _SIGMA_UNIT)
    moments = paired_moments(twins, sigma, _LEFT_WITH_RIGHT)
    components = principal_components(generators, moments, EXPRESSION_COUNT)
    flat = generators.reshape(len(generators), -1)
    return components, float((components**2).sum() / (moments * (flat @ flat.T)).sum())


def _arkit_pairs(surface: Surface, units: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = []
    for name in ARKIT_NAMES:
        if name.startswith(_LEFT_OUT) or name.endswith("Right"):
            continue
        twin = name.replace("Left", "Right")
        if name.endswith("Left"):
            pairs.append((units[name], units[twin]))
        else:
            pairs.append(left_right_split(units[name], surface.base))
    share = medial_share(surface.base)[:, None]
    for name in ("browDown", "browOuterUp"):
        pairs.append((units[f"{name}Left"] * share, units[f"{name}Right"] * share))
    return pairs


def _unit_pairs(surface: Surface, detail: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """MakeHuman's own expression units, the mean of three ancestries."""
    pairs, source = [], surface.source
    for path in source.target_names(_UNIT_FOLDERS[0]):
        unit = path.rsplit("/", 1)[1]
        if "-right-" in unit or unit in ("mouth-open", "neck-platysma") or "closure" in unit:
            continue
        mean = sum(source.target(f"{folder}/{unit}") for folder in _UNIT_FOLDERS) / len(_UNIT_FOLDERS)
        shape = _carry(surface, mean, detail)
        if "-left-" in unit:
            pairs.append((shape, surface.mirrored(shape)))
        else:
            pairs.append(left_right_split((shape + surface.mirrored(shape)) / 2, surface.base))
    return pairs
