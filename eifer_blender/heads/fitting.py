"""The parameters whose face comes closest to given movements of a head's vertices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..spaces import EXPRESSION, EYELIDS, JAW, JAW_LIMITS
from .deform import joint_positions, rotation_matrix
from .head import JOINTS, ParametricHead
from .metric import face_vertices, parameter_effects

_DAMPING = 1e-3  # cost of one standard deviation, relative to the mean energy of the expression basis
_TURNED = 0.01  # radians of the jaw from which its rotation is not taken to first order
_TURNS, _STEP = 4, 0.02  # Gauss-Newton steps, and radians for their derivatives


def limited(parameters: np.ndarray) -> np.ndarray:
    """float32 [n, 55]: lids and jaw within what a face can do."""
    result = np.array(parameters, np.float32)
    result[:, EYELIDS] = np.clip(result[:, EYELIDS], 0.0, 1.0)
    low, high = np.array(JAW_LIMITS, np.float32).T
    result[:, JAW] = np.clip(result[:, JAW], low, high)
    return result


class FaceMotion:
    """How a head's face moves; arrays over the face's v vertices, in millimetres."""

    def __init__(self, head: ParametricHead) -> None:
        face, jaw = face_vertices(head), JOINTS.index("jaw")
        self.face = face
        self.basis = rows(np.concatenate([head.expression, head.eyelids]), face)  # [52, 3 v]
        self.correctives = rows(head.jaw_correctives, face)  # [9, 3 v]
        self.arms = ((head.template[face] - joint_positions(head)[jaw]) * 1000).astype(np.float32)  # [v, 3]
        self.share = head.weights[face, jaw].astype(np.float32)  # [v] of the jaw's bone
        self.joint = head.joint_motion[:, jaw] * np.float32(1000)  # [50, 3] of the jaw
        self.effects = parameter_effects(head)  # float64 [55, 3 v], the jaw to first order

    def displacement(self, parameters: np.ndarray) -> np.ndarray:
        """float32 [n, 3 v]: `deform` at the face for parameters [n, 55], less the neutral face."""
        n = len(parameters)
        turn = (rotation_matrix(parameters[:, JAW]) - np.eye(3)).astype(np.float32)
        moved = parameters[:, : EYELIDS.stop] @ self.basis
        moved += turn.reshape(n, 9) @ self.correctives
        moved = moved.reshape(n, -1, 3)
        arms = self.arms - (parameters[:, EXPRESSION] @ self.joint)[:, None]
        moved += ((moved + arms) @ turn.transpose(0, 2, 1)) * self.share[:, None]
        return moved.reshape(n, -1)

    def fit(self, wanted: np.ndarray, used: np.ndarray | None = None, one_way: bool = True) -> np.ndarray:
        """float32 [k, 55]: damped least squares for displacements [k, 3 v], the jaw's turn in full.

        used: bool [v], the vertices that count, else all. one_way: lids and jaw do not go below what a
        face can do; false for movements that are half of something.
        """
        count = slice(None) if used is None else np.repeat(used, 3)
        wanted = np.asarray(wanted, np.float64)[:, count]
        effects = self.effects[:, count]
        cost = np.zeros(len(effects))
        cost[EXPRESSION] = _DAMPING * np.square(effects[EXPRESSION]).sum() / EXPRESSION.stop
        result = np.stack([_closest(effects, target, cost, one_way) for target in wanted])
        for k in np.flatnonzero(np.abs(result[:, JAW]).max(1) > _TURNED):
            for _ in range(_TURNS):
                here = self._effects_at(result[k].astype(np.float32))[:, count]
                shown = self.displacement(result[k : k + 1].astype(np.float32))[0, count]
                result[k] = _closest(here, wanted[k] - shown + result[k] @ here, cost, one_way)
        return result.astype(np.float32)

    def _effects_at(self, parameters: np.ndarray) -> np.ndarray:
        """float64 [55, 3 v]: millimetres per unit of each parameter about `parameters` [55]."""
        steps = np.eye(len(parameters), dtype=np.float32)
        steps[JAW] *= _STEP
        moved = self.displacement(parameters + steps) - self.displacement(parameters[None])
        moved[JAW] /= _STEP
        return moved.astype(np.float64)


@lru_cache(maxsize=4)
def face_motion(head: ParametricHead) -> FaceMotion:
    """`FaceMotion` of a head, made once."""
    return FaceMotion(head)


def rows(field: np.ndarray, face: np.ndarray) -> np.ndarray:
    """float32 [k, 3 v] mm of offsets [k, V, 3] m at the face's vertices (bool [V])."""
    return np.ascontiguousarray(field[:, face].reshape(len(field), -1) * np.float32(1000))


def rms(wrong: np.ndarray) -> np.ndarray:
    """float32 [n]: root mean square over the vertices of distances [n, 3 v]."""
    return np.sqrt(np.einsum("ij,ij->i", wrong, wrong) * 3 / wrong.shape[1])


def _closest(effects: np.ndarray, target: np.ndarray, cost: np.ndarray, one_way: bool) -> np.ndarray:
    """float64 [55]: damped least squares; see `FaceMotion.fit`."""
    gram, wanted = effects @ effects.T + np.diag(cost), effects @ target
    bounded = np.zeros(len(gram), bool)
    bounded[EYELIDS] = bounded[JAW.start] = one_way
    free = np.ones(len(gram), bool)
    while True:
        result = np.zeros(len(gram))
        result[free] = np.linalg.solve(gram[np.ix_(free, free)], wanted[free])
        below = bounded & (result < 0)
        if not below.any():
            return result
        free &= ~below
