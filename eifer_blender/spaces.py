"""Expression spaces: which numbers describe an expression, by which names, in which order.

A space is bound to a head by the head's hash (`ParametricHead.hash`); a model names both.
"""

from __future__ import annotations

from typing import NamedTuple


class ExpressionSpace(NamedTuple):
    """Names and layout of one expression vector."""

    id: str
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.names)


EXPRESSION_COUNT = 50
EYELID_NAMES = ("eyelid_l", "eyelid_r")
JAW_NAMES = ("jaw_x", "jaw_y", "jaw_z")
EXPRESSION_NAMES = tuple(f"exp{i:03d}" for i in range(EXPRESSION_COUNT))

DEFAULT_SPACE = ExpressionSpace("eifer-head-1", EXPRESSION_NAMES + EYELID_NAMES + JAW_NAMES)
"""The default head's space, laid out as FLAME's: 50 coefficients in standard deviations, two
eyelids 0..1 (left, right), jaw axis-angle in radians about x, y, z of the head's frame."""

EXPRESSION = slice(0, EXPRESSION_COUNT)
EYELIDS = slice(EXPRESSION_COUNT, EXPRESSION_COUNT + 2)
JAW = slice(EXPRESSION_COUNT + 2, EXPRESSION_COUNT + 5)
JAW_LIMITS = ((0.0, 0.5), (-0.2, 0.2), (-0.2, 0.2))  # radians about x, y, z, as FLAME's encoders limit them

# Order of Apple's ARKit documentation; names as Apple spells them.
ARKIT_NAMES = tuple(
    (
        "eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft "
        "eyeWideLeft eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight "
        "eyeLookUpRight eyeSquintRight eyeWideRight jawForward jawLeft jawRight jawOpen "
        "mouthClose mouthFunnel mouthPucker mouthLeft mouthRight mouthSmileLeft "
        "mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight "
        "mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower "
        "mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight "
        "mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight browInnerUp "
        "browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight "
        "noseSneerLeft noseSneerRight tongueOut"
    ).split()
)
