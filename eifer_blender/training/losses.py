"""How far a prediction is from the truth, for training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..heads.head import ParametricHead
from ..heads.metric import face_vertices, parameter_effects
from .surface import REGIONS

_SMOOTH = 1e-3  # of the norms: differentiable at zero
_COUNTS_MM = 2.0  # frames in which a region moves so far, root mean square, say how much it moves
_WHOLE_FACE = 0.5  # weight of the whole face beside each region's 1


def region_metrics(head: ParametricHead, expression: np.ndarray) -> np.ndarray:
    """float32 [R + 1, 55, 55]: |x L_r| is a step's root mean square over a region, relative to how far the
    region moves when it moves in expressions [N, 55]; last the whole face.

    So an error in the brow weighs as much as one at the mouth, which moves three times as far.
    """
    effects = parameter_effects(head).reshape(expression.shape[1], -1, 3)
    face = np.flatnonzero(face_vertices(head))
    sample = expression[:: max(1, len(expression) // 20_000)].astype(np.float64)
    roots = []
    for name in (*REGIONS, None):
        rows = effects if name is None else effects[:, head.regions[name][face]]
        rows = rows.reshape(len(rows), -1)
        gram = rows @ rows.T * 3 / rows.shape[1]
        moved = np.einsum("np,pq,nq->n", sample, gram, sample)
        typical = (
            np.sqrt(moved[moved > _COUNTS_MM**2].mean()) if (moved > _COUNTS_MM**2).any() else _COUNTS_MM
        )
        values, vectors = np.linalg.eigh(gram)
        weight = (1.0 if name else _WHOLE_FACE) / typical
        roots.append(vectors * np.sqrt(np.maximum(values, 0.0)) * weight)
    return np.stack(roots).astype(np.float32)


def spread_metric(expression: np.ndarray) -> np.ndarray:
    """float32 [1, P, P]: every parameter counts in its own standard deviations; for spaces without a head."""
    spread = np.maximum(expression.std(0, dtype=np.float64), 1e-6)
    return (np.diag(1.0 / spread)[None] / np.sqrt(len(spread))).astype(np.float32)


def face_loss(gap: Tensor, metrics: Tensor) -> Tensor:
    """Sum over regions of the mean distance: a norm, so that small errors count too."""
    squares = torch.einsum("np,rpq->nrq", gap, metrics).square().sum(-1)
    return (squares + _SMOOTH**2).sqrt().mean(0).sum()


def activity_loss(values: Tensor, wanted: Tensor) -> Tensor:
    """Absolute error of activity in 0..1 without limits; below a wanted zero nothing is wrong.

    The limits cut what is below zero, so a muscle at rest may be predicted as far below as it likes.
    """
    gap = values - wanted
    gap = torch.where((wanted <= 0) & (gap < 0), torch.zeros_like(gap), gap)
    return (gap.square() + _SMOOTH**2).sqrt().mean()


def likelihood_loss(gap: Tensor, log_sd: Tensor) -> Tensor:
    """Negative logarithm of a normal distribution's density, without constants."""
    return (0.5 * (gap / log_sd.exp()).square() + log_sd).mean()
