"""One performance on another head: expressions of one parametric head as those of another.

Each parameter's movement is carried over the correspondence of the two skins, and the parameters of the
other head that come closest are found by least squares with a small price for every standard deviation.
The result is one matrix for each direction; lids and jaw then keep their limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..spaces import EXPRESSION, JAW
from .correspondence import Correspondence, FaceSurface, Match, correspond
from .deform import deform
from .fitting import face_motion, limited, rms
from .head import JOINTS, ParametricHead

_JAW_NOMINAL = (0.25, 0.1, 0.1)  # radians about x, y, z at which the jaw is carried over


@dataclass(frozen=True)
class Transfer:
    """Parameters of one head -> parameters of another."""

    matrix: np.ndarray  # float32 [55, 55]: `parameters @ matrix`
    residual_mm: np.ndarray  # float32 [55] at one unit (the jaw at 0.25, 0.1, 0.1 rad), RMS over the face

    def __call__(self, parameters: np.ndarray) -> np.ndarray:
        """float32 [n, 55] within the limits of lids and jaw, for parameters [n, 55]."""
        return limited(np.asarray(parameters, np.float32) @ self.matrix)

    def deviations(self, sd: np.ndarray) -> np.ndarray:
        """float32 [n, 55] standard deviations there, for independent ones [n, 55] here."""
        return np.sqrt(np.square(np.asarray(sd, np.float32)) @ np.square(self.matrix))


def face_surface(head: ParametricHead) -> FaceSurface:
    """What `correspond` needs of a parametric head."""
    skin, triangles = head.regions["skin"], head.triangles
    eyes = tuple(np.flatnonzero(head.regions[f"eyeball_{side}"]) for side in "lr")
    jaw = head.weights[:, JOINTS.index("jaw")].astype(np.float64)
    return FaceSurface(head.template.astype(np.float64), triangles[skin[triangles].all(1)], eyes, jaw)


def both_ways(
    source: ParametricHead, target: ParametricHead, over: Correspondence | None = None
) -> tuple[Transfer, Transfer]:
    """Transfers source -> target and target -> source; `over`, their correspondence, if it is known."""
    over = over or correspond(face_surface(source), face_surface(target))
    return transfer(source, target, over.to_source), transfer(target, source, over.to_target)


def transfer(source: ParametricHead, target: ParametricHead, match: Match) -> Transfer:
    """Source -> target; `match` has for every vertex of the target its partner on the source."""
    units = np.ones(JAW.stop, np.float32)
    units[JAW] = _JAW_NOMINAL
    moved = deform(source, np.diag(units)) - deform(source, np.zeros((1, JAW.stop), np.float32))
    motion = face_motion(target)
    wanted = match.offsets(moved)[:, motion.face].reshape(len(units), -1) * 1000
    used = match.found[motion.face]
    signed = np.zeros(len(units), bool)
    signed[EXPRESSION] = True
    signed[JAW.start + 1 :] = True
    found = np.concatenate([motion.fit(wanted[k : k + 1], used, not signed[k]) for k in range(len(units))])
    count = np.repeat(used, 3)
    wrong = motion.displacement(found)[:, count] - wanted[:, count]
    return Transfer((found / units[:, None]).astype(np.float32), rms(wrong).astype(np.float32))
