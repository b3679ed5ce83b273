"""What the 22 muscles do to the face of the default head.

Which shapes a muscle moves follows the published action units of the muscle (FACS); the amounts
are a choice of this project, tuned by eye on the head. Nothing here is measured on people.
"""

from __future__ import annotations

import numpy as np

from ..heads.head import ParametricHead
from ..heads.shapes import left_right_split, medial_share, solve_expression
from ..muscles import CHANNEL_COUNT, CHANNELS, MUSCLES, SIDES
from ..spaces import ARKIT_NAMES, EYELIDS

# Muscle -> weights of ARKit shapes; {s} is the side. Shapes without a side are split at the midline.
# ":medial" and ":lateral" take the part of a shape near to or away from the nose.
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
}
_LID_CLOSURE = 0.95  # eyelid parameter of a fully contracted orbicularis oculi
_LID_POWER = 1.2  # weak contractions raise the cheek more than they close the eye
_LID_SMILE = 0.55  # share of the closing that a full smile takes away: smiling eyes stay open
_SATURATION = 0.9  # activation at which the shape has reached 63 % of where it would end
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
)


def muscle_shapes(head: ParametricHead) -> np.ndarray:
    """float32 [22, V, 3] metres: what each channel's muscle adds to the rest face at activation 1.

    A muscle moves its own side, but for a soft blend at the midline; the masseter never opens the
    jaw. The partial closing of the eye by orbicularis oculi is part of its shape.
    """
    shapes = np.zeros((CHANNEL_COUNT, *head.template.shape), dtype=np.float32)
    for index, muscle in enumerate(MUSCLES):
        for side in range(len(SIDES)):
            shapes[2 * index + side] = _one_side(head, _WEIGHTS[muscle.name], side)
    for side, name in enumerate(SIDES):
        shapes[CHANNELS.index(f"orbicularis_oculi_{name}")] += _LID_CLOSURE * head.eyelids[side]
    return shapes


def muscle_parameters(head: ParametricHead) -> np.ndarray:
    """float32 [22, 55]: the expression parameters that come closest to `muscle_shapes`."""
    shapes = muscle_shapes(head)
    lids = np.zeros((CHANNEL_COUNT, len(head.eyelids)), dtype=np.float32)
    for side, name in enumerate(SIDES):
        lids[CHANNELS.index(f"orbicularis_oculi_{name}"), side] = _LID_CLOSURE
    without_lids = shapes - np.tensordot(lids, head.eyelids, 1)
    params = solve_expression(head, without_lids, lids=False)
    params[:, EYELIDS] = lids
    return params


def effective_activation(activation: np.ndarray) -> np.ndarray:
    """float32 [N, 22]: activation after saturation and the mutual suppression of antagonists."""
    activation = np.clip(np.asarray(activation, dtype=np.float32), 0.0, None)
    strength = (1.0 - np.exp(-activation / _SATURATION)) / (1.0 - np.exp(-1.0 / _SATURATION))
    result = strength.copy()
    for muscle, antagonist, share in _SUPPRESSION:
        for side in SIDES:
            against = strength[:, CHANNELS.index(f"{antagonist}_{side}")]
            result[:, CHANNELS.index(f"{muscle}_{side}")] *= 1.0 - share * np.clip(against, 0.0, 1.0)
    return result


def expression_of_muscles(head: ParametricHead, activation: np.ndarray) -> np.ndarray:
    """float32 [N, 55]: the face that muscle activation [N, 22] (0 rest, 1 maximum) makes."""
    strength = effective_activation(activation)
    params = strength @ muscle_parameters(head)
    for side, name in enumerate(SIDES):
        closing = strength[:, CHANNELS.index(f"orbicularis_oculi_{name}")] ** _LID_POWER
        smile = np.clip(strength[:, CHANNELS.index(f"zygomaticus_{name}")], 0.0, 1.0)
        params[:, EYELIDS.start + side] = np.clip(_LID_CLOSURE * closing * (1 - _LID_SMILE * smile), 0, 1)
    return params.astype(np.float32)


def _one_side(head: ParametricHead, weights: dict[str, float], side: int) -> np.ndarray:
    total = np.zeros_like(head.template)
    medial = medial_share(head.template)[:, None]
    for name, weight in weights.items():
        unit, _, part = name.format(s=("Left", "Right")[side]).partition(":")
        share = {"": 1.0, "medial": medial, "lateral": 1.0 - medial}[part]
        total += weight * share * head.arkit[ARKIT_NAMES.index(unit)]
    return left_right_split(total, head.template)[side]
