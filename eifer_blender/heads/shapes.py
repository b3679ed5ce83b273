"""Offset fields on a head: left/right separation, and the expression that comes closest to a shape."""

from __future__ import annotations

import numpy as np

from ..spaces import DEFAULT_SPACE, EXPRESSION, EXPRESSION_COUNT, EYELIDS, JAW
from .head import ParametricHead

MEDIAL_LIMITS = (0.014, 0.034)  # metres from the midline: wholly medial, wholly lateral
MIDLINE_HALF_WIDTH = 0.011  # metres over which left blends into right


def left_share(template: np.ndarray, half_width: float = MIDLINE_HALF_WIDTH) -> np.ndarray:
    """float32 [V]: 1 on the subject's left (+x), 0 on the right, a smooth step across the midline."""
    t = np.clip((template[:, 0] / half_width + 1.0) / 2.0, 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def medial_share(template: np.ndarray) -> np.ndarray:
    """float32 [V]: 1 near the middle of the face, 0 beyond the middle of each eyebrow, smooth between."""
    t = np.clip((MEDIAL_LIMITS[1] - np.abs(template[:, 0])) / (MEDIAL_LIMITS[1] - MEDIAL_LIMITS[0]), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def left_right_split(
    offsets: np.ndarray, template: np.ndarray, half_width: float = MIDLINE_HALF_WIDTH
) -> tuple[np.ndarray, np.ndarray]:
    """Splits offsets [..., V, 3] into a left and a right part that sum to them again."""
    left = offsets * left_share(template, half_width)[:, None]
    return left, offsets - left


def solve_expression(
    head: ParametricHead, offsets: np.ndarray, damping: float = 1e-3, lids: bool = True
) -> np.ndarray:
    """float32 [N, 55]: the expression whose surface comes closest to template + offsets [N, V, 3].

    Least squares over the skin for the 50 coefficients and the two eyelids, the eyelids bounded to
    0..1 (left open if `lids` is false); the jaw stays closed. `damping` is the cost of one standard
    deviation relative to the mean energy of the basis.
    """
    skin = head.regions["skin"]
    basis = np.concatenate([head.expression, head.eyelids])[:, skin].reshape(EXPRESSION_COUNT + 2, -1)
    basis = basis.astype(np.float64)
    gram = basis @ basis.T
    ridge = np.eye(len(gram)) * damping * np.trace(gram[:-2, :-2]) / EXPRESSION_COUNT
    ridge[-2:, -2:] = 0.0
    target = np.asarray(offsets, dtype=np.float64)[:, skin].reshape(len(offsets), -1) @ basis.T
    solution = np.linalg.solve(gram + ridge, target.T).T
    closed = np.clip(solution[:, EXPRESSION_COUNT:], 0.0, 1.0) * lids
    free = gram[:EXPRESSION_COUNT, :EXPRESSION_COUNT] + ridge[:EXPRESSION_COUNT, :EXPRESSION_COUNT]
    rest = target[:, :EXPRESSION_COUNT] - closed @ gram[EXPRESSION_COUNT:, :EXPRESSION_COUNT]
    params = np.zeros((len(offsets), DEFAULT_SPACE.size), dtype=np.float32)
    params[:, EXPRESSION] = np.linalg.solve(free, rest.T).T
    params[:, EYELIDS] = closed
    return params


def mirror_matrix(head: ParametricHead) -> np.ndarray:
    """float32 [55, 55] matrix M: the expression `x @ M` is `x` with left and right exchanged.

    Least squares over the skin for the coefficients; lids change places, the jaw turns the other way.
    """
    skin = head.regions["skin"]
    basis = head.expression[:, skin].reshape(EXPRESSION_COUNT, -1).astype(np.float64)
    mirrored = head.expression[:, head.mirror][:, skin] * [-1.0, 1.0, 1.0]
    matrix = np.zeros((DEFAULT_SPACE.size, DEFAULT_SPACE.size), np.float32)
    solved = np.linalg.lstsq(basis.T, mirrored.reshape(EXPRESSION_COUNT, -1).T, rcond=None)[0]
    matrix[EXPRESSION, EXPRESSION] = solved.T
    matrix[EYELIDS, EYELIDS] = [[0, 1], [1, 0]]
    matrix[JAW, JAW] = np.diag([1, -1, -1])
    return matrix
