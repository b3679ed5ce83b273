"""Errors of expression parameters in millimetres on the face, as losses and simple tests need them."""

from __future__ import annotations

import numpy as np

from ..heads.deform import deform
from ..heads.head import ParametricHead
from ..spaces import EXPRESSION, EYELIDS, JAW
from .surface import displacements, face_surface, face_vertices

_JAW_STEP = 0.05  # radians, for the derivative with respect to the jaw


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
    surface = face_surface(head)
    errors = np.empty((len(wanted), len(surface.rest)), np.float32)
    pairs = zip(displacements(surface, predicted), displacements(surface, wanted), strict=True)
    for (rows, own), (_, true) in pairs:
        errors[rows] = np.linalg.norm(own - true, axis=-1)
    return errors
