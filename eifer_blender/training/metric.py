"""Errors of expression parameters in millimetres on the face, vertex by vertex."""

from __future__ import annotations

import numpy as np

from ..heads.head import ParametricHead
from .surface import displacements, face_surface


def vertex_errors(head: ParametricHead, predicted: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Euclidean errors in mm of two sets of parameters [n, 55]: float32 [n, face vertices]."""
    surface = face_surface(head)
    errors = np.empty((len(wanted), len(surface.rest)), np.float32)
    pairs = zip(displacements(surface, predicted), displacements(surface, wanted), strict=True)
    for (rows, own), (_, true) in pairs:
        errors[rows] = np.linalg.norm(own - true, axis=-1)
    return errors
