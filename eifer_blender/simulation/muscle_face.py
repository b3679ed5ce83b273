"""What muscles do to the face of the default head.

Which shapes a muscle moves follows the published action units of the muscle (FACS); the amounts
are a choice of this project, tuned by eye on the head. Nothing here is measured on people. Every
muscle moves the face by a few parts (shapes of one side); a `FaceModel` says how strong each part is in
one person, the average person by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..heads.head import ParametricHead
from ..heads.shapes import left_right_split, medial_share, solve_expression
from ..muscles import CHANNEL_COUNT, CHANNELS, SIDES
from ..spaces import ARKIT_NAMES, EYELIDS, JAW
from .sources import SOURCES

# Source -> weights of ARKit shapes; {s} is the side. Shapes without a side are split at the midline
# for sources that have one. ":medial" and ":lateral" take the part of a shape near to or away from the nose.
_WEIGHTS: dict[str, dict[str, float]] = {
    "corrugator_supercilii": {"browDown{s}": 1.0, "browInnerUp": -0.1},
    "depressor_anguli_oris": {"mouthFrown{s}": 1.0, "mouthLowerDown{s}": 0.25},
    "depressor_supercilii": {"browDown{s}:medial": 0.75, "browInnerUp": -0.3, "noseSneer{s}": 0.4},
    "lateral_frontalis": {"browOuterUp{s}:lateral": 1.0, "browOuterUp{s}:medial": 0.25},
    "levator_labii_superioris": {"noseSneer{s}": 0.9, "mouthUpperUp{s}": 0.9},
    "masseter": {"mouthPress{s}": 0.12},
    "medial_frontalis": {"browInnerUp": 1.0, "browOuterUp{s}:medial": 0.2},
    "mentalis": {"mouthShrugLower": 0.9, "mouthShrugUpper": 0.2, "mouthRollLower": 0.1},
    "orbicularis_oculi": {"cheekSquint{s}": 0.6, "eyeSquint{s}": 0.25},
    "orbicularis_oris": {"mouthPucker": 0.9, "mouthFunnel": 0.2, "mouthPress{s}": 0.15},
    "zygomaticus": {
        "mouthSmile{s}": 0.75,
        "mouthStretch{s}": 0.2,
        "mouthUpperUp{s}": 0.3,
        "mouthPress{s}": 0.4,
        "cheekSquint{s}": 0.3,
    },
    "levator_palpebrae": {"eyeWide{s}": 1.0},
    "risorius": {"mouthStretch{s}": 0.7, "mouthDimple{s}": 0.3},
    "buccinator": {"mouthDimple{s}": 0.7, "mouthPress{s}": 0.3},
    "depressor_labii": {"mouthLowerDown{s}": 1.0},
    "cheek_inflation": {"cheekPuff": 0.9},
}
_SATURATION = 0.9  # activation at which the average person's shape has reached 63 % of where it would end
# muscle, its antagonist of the same side, share that a full antagonist takes away
_SUPPRESSION = (
    # The frontalis wins over what pulls the brow down: grief and fear knit brows that are raised.
    ("medial_frontalis", "depressor_supercilii", 0.10),
    ("depressor_supercilii", "medial_frontalis", 0.80),
    ("corrugator_supercilii", "medial_frontalis", 0.55),
    ("lateral_frontalis", "corrugator_supercilii", 0.35),
    ("corrugator_supercilii", "lateral_frontalis", 0.25),
    ("depressor_supercilii", "corrugator_supercilii", 0.40),
    ("zygomaticus", "orbicularis_oris", 0.40),
    ("zygomaticus", "depressor_anguli_oris", 0.30),
    ("depressor_anguli_oris", "zygomaticus", 0.45),
    ("orbicularis_oris", "zygomaticus", 0.25),
    ("jaw_opener", "masseter", 0.80),
)
"""What muscles do against one another, in one person's face of average proportions."""

_SQUINT = 0.35  # closing of the lid by the orbicularis oculi's outer part
_JAW_RAD = 0.31  # rotation of the jaw at full activity of its openers, average person
# Levator palpebrae gives way where orbicularis oculi, less a share of what raises cheek and lip, goes from
# this activation on, wholly after that much more.
_CLOSING = (0.35, 0.4)
_EYES_OPEN = 0.5
LEVATORS = slice(SOURCES.index("levator_palpebrae_l"), SOURCES.index("levator_palpebrae_r") + 1)
"""Columns of levator palpebrae, left and right."""


class Part(NamedTuple):
    """One source's pull on one shape."""

    source: int  # column of SOURCES
    shape: str  # key of the table above


@dataclass(frozen=True)
class FaceModel:
    """How one person's muscles move the face; see `average_face`."""

    strength: np.ndarray  # [parts] weight of every part of PARTS
    saturation: np.ndarray  # [32] activation at which a source has reached 63 % of where it would end
    suppression: np.ndarray  # [pairs] as _SUPPRESSION
    jaw_rad: float  # rotation of the jaw at full activity of its openers


def _columns(name: str) -> list[int]:
    sided = [f"{name}_{side}" for side in SIDES]
    return [SOURCES.index(n) for n in (sided if sided[0] in SOURCES else [name])]


PARTS: tuple[Part, ...] = tuple(
    Part(column, shape)
    for name, weights in _WEIGHTS.items()
    for column in _columns(name)
    for shape in weights
)
"""Every pull; the rows of `part_parameters`."""

PART_WEIGHTS: np.ndarray = np.array(
    [_WEIGHTS[SOURCES[p.source].removesuffix("_l").removesuffix("_r")][p.shape] for p in PARTS]
)
"""float64 [parts]: the average person's weights."""

_PART_SOURCE = np.array([p.source for p in PARTS])


def tables() -> dict[str, object]:
    """All numbers of this module, for the protocol's hash."""
    return {
        "weights": _WEIGHTS,
        "saturation": _SATURATION,
        "suppression": _SUPPRESSION,
        "lids": [_SQUINT, _EYES_OPEN, *_CLOSING],
        "jaw": _JAW_RAD,
    }


def average_face() -> FaceModel:
    """The person that the tables describe."""
    return FaceModel(
        strength=PART_WEIGHTS,
        saturation=np.full(len(SOURCES), _SATURATION),
        suppression=np.array([share for *_, share in _SUPPRESSION]),
        jaw_rad=_JAW_RAD,
    )


def part_parameters(head: ParametricHead) -> np.ndarray:
    """float32 [parts, 55]: the expression that comes closest to each part at full strength, lids open."""
    return solve_expression(head, np.stack([_field(head, part) for part in PARTS]), lids=False)


def effective_activity(activity: np.ndarray, model: FaceModel) -> np.ndarray:
    """float32 [n, 32]: activity [n, 32] after saturation and the mutual suppression of antagonists."""
    activity = np.asarray(activity, np.float32)
    saturation = model.saturation.astype(np.float32)
    strength = (1 - np.exp(-np.maximum(activity, 0) / saturation)) / (1 - np.exp(-1 / saturation))
    result = np.where(activity < 0, activity, strength)  # a levator that lets go is not a contraction
    for (muscle, antagonist, _), share in zip(_SUPPRESSION, model.suppression, strict=True):
        for target, against in zip(*_paired(muscle, antagonist), strict=True):
            result[:, target] *= 1.0 - share * np.clip(strength[:, against], 0.0, 1.0)
    return result


def expression_of_activity(
    activity: np.ndarray, model: FaceModel, parts: np.ndarray, lid_activity: np.ndarray | None = None
) -> np.ndarray:
    """float32 [n, 55]: the face that activity [n, 32] of all `SOURCES` makes in one person.

    parts: `part_parameters` of the head. lid_activity: activity with the lids' own, faster course, if
    it differs. The lid falls as the levator lets it, and a little by the squint of orbicularis oculi.
    """
    strength = effective_activity(activity, model)
    params = np.maximum(strength, 0) @ _spread(model) @ parts
    lids = strength if lid_activity is None else effective_activity(lid_activity, model)
    for side, name in enumerate(SIDES):
        fall = np.clip(-lids[:, SOURCES.index(f"levator_palpebrae_{name}")], 0.0, 1.0)
        squint = _SQUINT * np.clip(lids[:, SOURCES.index(f"orbicularis_oculi_{name}")], 0.0, 1.0)
        params[:, EYELIDS.start + side] = fall + (1 - fall) * squint
    params[:, JAW.start] = model.jaw_rad * strength[:, SOURCES.index("jaw_opener")]
    return params.astype(np.float32)


def usual_levator(muscles: np.ndarray) -> np.ndarray:
    """float32 [n, 2]: what levator palpebrae does, left and right, if nobody says otherwise; [n, 22] given.

    It gives way when orbicularis oculi contracts by itself (closing and screwing up the eyes) and holds the
    lid when cheek or lip are raised too, as in smiling and disgust, where people keep their eyes open.
    """
    muscles = np.asarray(muscles, np.float32)

    def pair(name: str) -> np.ndarray:
        return muscles[:, [CHANNELS.index(f"{name}_{side}") for side in SIDES]]

    held = np.maximum(pair("zygomaticus"), pair("levator_labii_superioris"))
    alone = np.clip((pair("orbicularis_oculi") - _EYES_OPEN * held - _CLOSING[0]) / _CLOSING[1], 0.0, 1.0)
    return -(alone**2) * (3 - 2 * alone)


def usual_activity(muscles: np.ndarray) -> np.ndarray:
    """float32 [n, 32]: all sources for muscles [n, 22] when the unmeasured ones do the least they can."""
    activity = np.zeros((len(muscles), len(SOURCES)), np.float32)
    activity[:, :CHANNEL_COUNT] = muscles
    activity[:, LEVATORS] = usual_levator(muscles)
    return activity


def expression_of_muscles(head: ParametricHead, activation: np.ndarray) -> np.ndarray:
    """float32 [n, 55]: the average person's face for muscle activation [n, 22] (0 rest, 1 maximum)."""
    activity = usual_activity(np.clip(np.asarray(activation, np.float32), 0.0, None))
    return expression_of_activity(activity, average_face(), part_parameters(head))


def muscle_shapes(head: ParametricHead) -> np.ndarray:
    """float32 [22, V, 3] metres: what each channel's muscle adds to the rest face at activation 1, lids open.

    A muscle moves its own side, but for a soft blend at the midline; the masseter never opens the jaw.
    """
    shapes = np.zeros((CHANNEL_COUNT, *head.template.shape), dtype=np.float32)
    for part, weight in zip(PARTS, PART_WEIGHTS, strict=True):
        if part.source < CHANNEL_COUNT:
            shapes[part.source] += weight * _field(head, part)
    return shapes


def muscle_parameters(head: ParametricHead) -> np.ndarray:
    """float32 [22, 55]: the expression parameters that come closest to `muscle_shapes`."""
    return (_spread(average_face()) @ part_parameters(head))[:CHANNEL_COUNT].astype(np.float32)


def _spread(model: FaceModel) -> np.ndarray:
    """float32 [32, parts]: weight of every part in the column of its source."""
    matrix = np.zeros((len(SOURCES), len(PARTS)), np.float32)
    matrix[_PART_SOURCE, np.arange(len(PARTS))] = model.strength
    return matrix


def _paired(muscle: str, antagonist: str) -> tuple[list[int], list[int]]:
    """Columns of both, one pair a side; a source in the middle meets both sides."""
    targets, against = _columns(muscle), _columns(antagonist)
    return targets * len(against) if len(targets) < len(against) else targets, against


def _field(head: ParametricHead, part: Part) -> np.ndarray:
    """float32 [V, 3] metres: a part at full strength."""
    name = SOURCES[part.source]
    side = SIDES.index(name[-1]) if name[-2:] in ("_l", "_r") else None
    unit, _, where = part.shape.format(s=("Left", "Right")[side or 0]).partition(":")
    medial = medial_share(head.template)[:, None]
    share = {"": 1.0, "medial": medial, "lateral": 1.0 - medial}[where]
    field = share * head.arkit[ARKIT_NAMES.index(unit)]
    return (field if side is None else left_right_split(field, head.template)[side]).astype(np.float32)
