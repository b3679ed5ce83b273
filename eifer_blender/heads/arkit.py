"""ARKit's 52 shapes and a head's own parameters: each way by least squares on the face.

Weights and parameters describe the same surface in two sets of shapes, so what is compared is always where
the vertices of the face are. Gaze and tongue have no parameter and stay 0 on the way back.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..spaces import ARKIT_NAMES, EXPRESSION, EYELIDS, JAW, JAW_LIMITS
from .deform import joint_positions, rotation_matrix
from .head import JOINTS, ParametricHead
from .metric import face_vertices, parameter_effects

_DAMPING = 1e-3  # cost of one standard deviation, relative to the mean energy of the expression basis
_LENGTH = 0.02  # millimetres of movement that a weight must be worth: few shapes instead of many small ones
_RIDGE = 0.02  # mm^2, on top of it: one solution, which moves no faster than the face
_MOST_SWEEPS = 400
_CLOSE_ENOUGH = 2e-4  # of a weight, in one sweep
_CHUNK = 1024  # frames at a time
_TURNED = 0.01  # radians of the jaw from which its rotation is not taken to first order
_TURNS, _STEP = 4, 0.02  # Gauss-Newton steps, and radians for their derivatives

_JAW_OPEN, _MOUTH_CLOSE = ARKIT_NAMES.index("jawOpen"), ARKIT_NAMES.index("mouthClose")
_WITHOUT_PARAMETER = [
    i for i, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook") or name == "tongueOut"
]


class HeadFrames(NamedTuple):
    """Parameters of a head that come closest to ARKit weights."""

    parameters: np.ndarray  # float32 [n, 55], within the head's limits
    residual_mm: np.ndarray  # float32 [n], root mean square over the vertices of the face


class ArkitFrames(NamedTuple):
    """ARKit weights that come closest to parameters of a head."""

    weights: np.ndarray  # float32 [n, 52], 0..1, in the order of `spaces.ARKIT_NAMES`
    residual_mm: np.ndarray  # float32 [n], root mean square over the vertices of the face


def arkit_parameters(head: ParametricHead) -> np.ndarray:
    """float32 [52, 55]: parameters of each ARKit shape at full weight; `weights @ it` is their sum.

    Least squares on the vertices of the face, the jaw to first order. Lids and jaw close no further than a
    face can, so sums of weights 0..1 keep the lower limits.
    """
    return _tables(head).parameters.copy()


def from_arkit(head: ParametricHead, weights: np.ndarray) -> HeadFrames:
    """The head's parameters for ARKit weights [n, 52], within the limits of lids and jaw.

    Linear in the weights up to the limits; no weights give exactly the neutral face.
    """
    tables = _tables(head)
    weights = np.asarray(weights, np.float32)
    parameters = limited(weights @ tables.parameters)
    residual = np.empty(len(weights), np.float32)
    for at in range(0, len(weights), _CHUNK):
        part = slice(at, at + _CHUNK)
        wrong = tables.displacement(parameters[part]) - weights[part] @ tables.shapes
        residual[part] = tables.rms(wrong)
    return HeadFrames(parameters, residual)


def to_arkit(head: ParametricHead, parameters: np.ndarray) -> ArkitFrames:
    """ARKit weights, 0..1, for parameters [n, 55] of the head.

    Each frame is the one minimum of a strictly convex problem: squared distance on the face, a small price
    for every weight and bounds. So few shapes are used, and smooth parameters give smooth weights without
    a look at neighbouring frames. `mouthClose` is never more than `jawOpen`, as ARKit means it.
    """
    tables = _tables(head)
    parameters = np.asarray(parameters, np.float32)
    weights = np.zeros((len(parameters), len(ARKIT_NAMES)), np.float32)
    residual = np.empty(len(parameters), np.float32)
    for at in range(0, len(parameters), _CHUNK):
        part = slice(at, at + _CHUNK)
        wanted = tables.displacement(parameters[part])
        weights[part] = tables.solve(wanted)
        residual[part] = tables.rms(wanted - weights[part] @ tables.shapes)
    return ArkitFrames(weights, residual)


def limited(parameters: np.ndarray) -> np.ndarray:
    """float32 [n, 55]: lids and jaw within what a face can do."""
    result = np.array(parameters, np.float32)
    result[:, EYELIDS] = np.clip(result[:, EYELIDS], 0.0, 1.0)
    low, high = np.array(JAW_LIMITS, np.float32).T
    result[:, JAW] = np.clip(result[:, JAW], low, high)
    return result


class _Tables:
    """What both directions need of one head; arrays over the face's v vertices, millimetres."""

    def __init__(self, head: ParametricHead) -> None:
        face = face_vertices(head)
        joint = joint_positions(head)[JOINTS.index("jaw")]
        self.basis = _rows(np.concatenate([head.expression, head.eyelids]), face)  # [52, 3 v]
        self.shapes = _rows(head.arkit, face)  # [52, 3 v]
        self.correctives = _rows(head.jaw_correctives, face)  # [9, 3 v]
        self.arms = ((head.template[face] - joint) * 1000).astype(np.float32)  # [v, 3] from the jaw's joint
        self.share = head.weights[face, JOINTS.index("jaw")].astype(np.float32)  # [v] of the jaw's bone
        self.parameters = _parameters_of_shapes(self, parameter_effects(head))
        self._prepare()

    def _prepare(self) -> None:
        """Columns of the bounded problem: an open jaw with closed lips in the place of the lips alone."""
        columns = self.shapes.astype(np.float64)
        columns[_MOUTH_CLOSE] += columns[_JAW_OPEN]
        self.used = np.setdiff1d(np.arange(len(ARKIT_NAMES)), _WITHOUT_PARAMETER)
        self.columns = columns[self.used].astype(np.float32)
        vertices = columns.shape[1] // 3
        gram = columns[self.used] @ columns[self.used].T / vertices
        self.price = (_LENGTH * np.sqrt(np.diag(gram))).astype(np.float32)
        self.gram = (gram + _RIDGE * np.eye(len(gram))).astype(np.float32)

    def displacement(self, parameters: np.ndarray) -> np.ndarray:
        """float32 [n, 3 v] mm: `deform` at the face, less the neutral face."""
        n = len(parameters)
        turn = (rotation_matrix(parameters[:, JAW]) - np.eye(3)).astype(np.float32)
        moved = parameters[:, : EYELIDS.stop] @ self.basis
        moved += turn.reshape(n, 9) @ self.correctives
        moved = moved.reshape(n, -1, 3)
        moved += ((moved + self.arms) @ turn.transpose(0, 2, 1)) * self.share[:, None]
        return moved.reshape(n, -1)

    def rms(self, wrong: np.ndarray) -> np.ndarray:
        """float32 [n]: root mean square over the vertices of distances [n, 3 v]."""
        return np.sqrt(np.einsum("ij,ij->i", wrong, wrong) * 3 / wrong.shape[1])

    def solve(self, wanted: np.ndarray) -> np.ndarray:
        """float32 [n, 52]: weights for displacements [n, 3 v], by coordinate descent, all frames at once."""
        target = (wanted @ self.columns.T * (3 / wanted.shape[1]) - self.price).T.copy()
        weights = np.zeros_like(target)  # [columns, n]
        for _ in range(_MOST_SWEEPS):
            change = 0.0
            for k, row in enumerate(self.gram):
                old = weights[k].copy()
                step = (target[k] - row @ weights) / row[k]
                np.clip(old + step, 0.0, 1.0, out=weights[k])
                change = max(change, float(np.abs(weights[k] - old).max(initial=0.0)))
            if change < _CLOSE_ENOUGH:
                break
        result = np.zeros((len(wanted), len(ARKIT_NAMES)), np.float32)
        result[:, self.used] = weights.T
        result[:, _JAW_OPEN] = np.minimum(result[:, _JAW_OPEN] + result[:, _MOUTH_CLOSE], 1.0)
        return result


@lru_cache(maxsize=2)
def _tables(head: ParametricHead) -> _Tables:
    return _Tables(head)


def _rows(field: np.ndarray, face: np.ndarray) -> np.ndarray:
    """float32 [k, 3 v] mm of offsets [k, V, 3] m."""
    return np.ascontiguousarray(field[:, face].reshape(len(field), -1) * np.float32(1000))


def _parameters_of_shapes(tables: _Tables, effects: np.ndarray) -> np.ndarray:
    """float32 [52, 55], see `arkit_parameters`; `effects` [55, 3 v] is the face's movement to first order."""
    targets = tables.shapes.astype(np.float64)
    targets[_MOUTH_CLOSE] += targets[_JAW_OPEN]  # closed lips mean something on an open jaw only
    cost = np.zeros(len(effects))
    cost[EXPRESSION] = _DAMPING * np.square(effects[EXPRESSION]).sum() / EXPRESSION.stop
    result = np.stack([_closest(effects, target, cost) for target in targets])
    for k in np.flatnonzero(np.abs(result[:, JAW]).max(1) > _TURNED):
        for _ in range(_TURNS):
            at = result[k].astype(np.float32)
            here = _effects_at(tables, at)
            beyond = targets[k] - tables.displacement(at[None])[0] + result[k] @ here
            result[k] = _closest(here, beyond, cost)
    result[_MOUTH_CLOSE] -= result[_JAW_OPEN]
    return result.astype(np.float32)


def _closest(effects: np.ndarray, target: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """float64 [55]: damped least squares; lids and jaw do not go below what a face can do."""
    gram, wanted = effects @ effects.T + np.diag(cost), effects @ target
    bounded = np.zeros(len(gram), bool)
    bounded[EYELIDS] = bounded[JAW.start] = True
    free = np.ones(len(gram), bool)
    while True:
        result = np.zeros(len(gram))
        result[free] = np.linalg.solve(gram[np.ix_(free, free)], wanted[free])
        below = bounded & (result < 0)
        if not below.any():
            return result
        free &= ~below


def _effects_at(tables: _Tables, parameters: np.ndarray) -> np.ndarray:
    """float64 [55, 3 v]: millimetres per unit of each parameter about `parameters` [55]."""
    steps = np.eye(len(parameters), dtype=np.float32)
    steps[JAW] *= _STEP
    moved = tables.displacement(parameters + steps) - tables.displacement(parameters[None])
    moved[JAW] /= _STEP
    return moved.astype(np.float64)
