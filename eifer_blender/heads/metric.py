"""Expression parameters in millimetres on the face: their effects, and how far apart two faces are."""

from __future__ import annotations

import numpy as np

from ..spaces import EXPRESSION, EYELIDS, JAW
from .deform import deform
from .head import ParametricHead

_MOVING_MM = 1.0  # a vertex counts as face if one standard deviation or a closed lid moves it so far
_JAW_STEP = 0.05  # radians, for the derivative with respect to the jaw


def face_vertices(head: ParametricHead) -> np.ndarray:
    """bool [V]: skin that expressions move; the scalp, ears and neck would flatter every mean."""
    basis = np.concatenate([head.expression, head.eyelids])
    reach = np.linalg.norm(basis, axis=-1).max(0) * 1000
    return head.regions["skin"] & (reach > _MOVING_MM)


def parameter_effects(head: ParametricHead) -> np.ndarray:
    """float64 [55, 3 v]: millimetres that one unit of each parameter moves the v vertices of the face.

    Exact for expression coefficients and eyelids; the jaw's rotation is taken to first order.
    """
    face = face_vertices(head)
    count = JAW.stop
    rows = np.empty((count, int(face.sum()), 3))
    rows[EXPRESSION] = head.expression[:, face]
    rows[EYELIDS] = head.eyelids[:, face]
    steps = np.zeros((3, count), np.float32)
    steps[np.arange(3), np.arange(JAW.start, JAW.stop)] = _JAW_STEP
    neutral = deform(head, np.zeros((1, count), np.float32))[:, face]
    rows[JAW] = (deform(head, steps)[:, face] - neutral) / _JAW_STEP
    return rows.reshape(count, -1) * 1000


def vertex_metric(head: ParametricHead) -> np.ndarray:
    """float32 [55, 55] matrix L: |x L|^2 is the mean squared vertex displacement (mm^2) of a step x.

    To first order, as `parameter_effects`.
    """
    rows = parameter_effects(head)
    gram = rows @ rows.T * 3 / rows.shape[1]
    # A symmetric root by eigenvalues also serves a head whose basis is not of full rank.
    values, vectors = np.linalg.eigh(gram)
    return (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)


def closest_step(head: ParametricHead, offsets: np.ndarray, damping: float = 1e-3) -> np.ndarray:
    """float32 [55]: the step of all parameters, jaw included, that moves the face most like offsets [V, 3] m.

    Least squares over the vertices of the face, to first order. `damping` is the cost of one standard
    deviation relative to the mean energy of the expression basis; lids and jaw cost nothing.
    """
    rows = parameter_effects(head)
    gram = rows @ rows.T
    cost = np.zeros(len(gram))
    cost[EXPRESSION] = damping * np.trace(gram[EXPRESSION, EXPRESSION]) / EXPRESSION.stop
    wanted = rows @ (np.asarray(offsets, np.float64)[face_vertices(head)].ravel() * 1000)
    return np.linalg.solve(gram + np.diag(cost), wanted).astype(np.float32)
