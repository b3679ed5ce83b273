"""Errors of expression parameters in millimetres on the face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..heads.deform import deform
from ..heads.head import ParametricHead
from ..spaces import EXPRESSION, EYELIDS, JAW

_MOVING_MM = 1.0  # a vertex counts as face if one standard deviation or a closed lid moves it so far
_JAW_STEP = 0.05  # radians, for the derivative with respect to the jaw
_BLOCK = 128  # frames deformed at once


def face_vertices(head: ParametricHead) -> np.ndarray:
    """bool [V]: skin that expressions move; the scalp, ears and neck would flatter every mean."""
    basis = np.concatenate([head.expression, head.eyelids])
    reach = np.linalg.norm(basis, axis=-1).max(0) * 1000
    return head.regions["skin"] & (reach > _MOVING_MM)


def vertex_metric(head: ParametricHead) -> np.ndarray:
    """float32 [55, 55] matrix L: |x L|^2 is the mean squared vertex displacement (mm^2) of a step x.

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
    rows = rows.reshape(count, -1) * 1000
    gram = rows @ rows.T / face.sum()
    # A symmetric root by eigenvalues also serves a head whose basis is not of full rank.
    values, vectors = np.linalg.eigh(gram)
    return (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)


def vertex_errors(head: ParametricHead, predicted: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Euclidean errors in mm of two sets of parameters [n, 55]: float32 [n, face vertices]."""
    face = face_vertices(head)
    kept = face | (head.joint_regressor != 0).any(0)
    part, inside = _crop(head, kept), face[kept]
    errors = np.empty((len(wanted), int(face.sum())), np.float32)
    for start in range(0, len(wanted), _BLOCK):
        rows = slice(start, start + _BLOCK)
        gap = deform(part, predicted[rows])[:, inside] - deform(part, wanted[rows])[:, inside]
        errors[rows] = np.linalg.norm(gap, axis=-1) * 1000
    return errors


def _crop(head: ParametricHead, kept: np.ndarray) -> ParametricHead:
    """The head with some of its vertices only: enough to deform, not to show."""
    return replace(
        head,
        template=head.template[kept],
        expression=head.expression[:, kept],
        eyelids=head.eyelids[:, kept],
        jaw_correctives=head.jaw_correctives[:, kept],
        joint_regressor=head.joint_regressor[:, kept],
        weights=head.weights[kept],
    )
