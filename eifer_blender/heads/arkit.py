"""ARKit's 52 shapes and a head's own parameters: each way by least squares on the face.

Weights and parameters describe the same surface in two sets of shapes, so what is compared is always where
the vertices of the face are. Gaze and tongue have no parameter and stay 0 on the way back.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..spaces import ARKIT_NAMES
from .fitting import FaceMotion, face_motion, limited, rms, rows
from .head import ParametricHead

_LENGTH = 0.02  # millimetres of movement that a weight must be worth: few shapes instead of many small ones
_RIDGE = 0.02  # mm^2, on top of it: one solution, which moves no faster than the face
_MOST_SWEEPS = 400
_CLOSE_ENOUGH = 2e-4  # of a weight, in one sweep
_CHUNK = 1024  # frames at a time

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
        wrong = tables.motion.displacement(parameters[part]) - weights[part] @ tables.shapes
        residual[part] = rms(wrong)
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
        wanted = tables.motion.displacement(parameters[part])
        weights[part] = tables.solve(wanted)
        residual[part] = rms(wanted - weights[part] @ tables.shapes)
    return ArkitFrames(weights, residual)


class _Tables:
    """What both directions need of one head; arrays over the face's v vertices, millimetres."""

    def __init__(self, head: ParametricHead) -> None:
        self.motion = face_motion(head)
        self.shapes = rows(head.arkit, self.motion.face)  # [52, 3 v]
        self.parameters = _parameters_of_shapes(self.motion, self.shapes)
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


def _parameters_of_shapes(motion: FaceMotion, shapes: np.ndarray) -> np.ndarray:
    """float32 [52, 55], see `arkit_parameters`."""
    targets = shapes.astype(np.float64)
    targets[_MOUTH_CLOSE] += targets[_JAW_OPEN]  # closed lips mean something on an open jaw only
    result = motion.fit(targets)
    result[_MOUTH_CLOSE] -= result[_JAW_OPEN]
    return result
