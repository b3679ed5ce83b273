"""The losses of Phase 1, each as the method figure of the paper names it (Buechner et al., CVPR 2025).

x is a picture, E^N and E^S the encoders of the two domains, G the generators, D the discriminators. The
paper's weights could not be had; `WEIGHTS` are our own, beginning with SMIRK's proportions where it has
the term, and what each term buys is in the ablation table of the card.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...heads.default import load_default_head
from ...heads.metric import face_vertices
from ..losses import face_loss, region_metrics
from .networks import Code
from .people import IDENTITIES

WEIGHTS: dict[str, float] = {
    "reconstruction": 10.0,
    "minimal_change": 5.0,
    "adversarial": 1.0,
    "occlusion_expression": 1.0,
    "occlusion_shape": 0.5,
    "global_transformation": 1.0,
}
"""Weight of every term."""


def reconstruction(image: Tensor, cycled: Tensor) -> Tensor:
    """L_rec = |x - x_cycled|_1 + |grad x - grad x_cycled|_1 (cycle consistency: Zhu et al., ICCV 2017)."""
    return picture_distance(image, cycled)


def minimal_change(image: Tensor, translated: Tensor) -> Tensor:
    """L_min = |x - G(x)|_1: what need not change stays (Buechner et al., ACIVS 2023).

    As an absolute difference it forgives the few pixels that electrodes hide.
    """
    return (image - translated).abs().mean()


def adversarial_discriminator(real: Tensor, made: Tensor) -> Tensor:
    """L_D = E[(D(x) - 1)^2] / 2 + E[D(G)^2] / 2 (least squares: Mao et al., ICCV 2017)."""
    return ((real - 1).square().mean() + made.square().mean()) / 2


def adversarial_generator(made: Tensor) -> Tensor:
    """L_adv = E[(D(G) - 1)^2], of the same source."""
    return (made - 1).square().mean()


def occlusion_expression(one: Code, other: Code, metrics: Tensor) -> Tensor:
    """L_exp = sum over regions of |(psi - psi') L_r|: expressions with and without electrodes are the same.

    The metrics [R, 55, 55] measure a difference by how far it moves each region, see `training.losses`.
    """
    return face_loss(one.expression - other.expression, metrics)


def occlusion_shape(one: Code, other: Code, metric: Tensor) -> Tensor:
    """L_shape = |(beta - beta') L|: identity does not change when electrodes are put on or taken off.

    The metric [50, 50] is of `shape_metric`.
    """
    return ((one.shape - other.shape) @ metric).square().sum(1).add(1e-6).sqrt().mean()


def global_transformation(one: Code, other: Code) -> Tensor:
    """L_glob = |theta - theta'|_1 + |c - c'|_1 of head rotation (rad) and camera (shares of the picture)."""
    scale = torch.tensor([0.1, 1.0, 1.0], device=one.camera.device)
    turn = (one.rotation - other.rotation).abs().sum(1).mean()
    return turn + ((one.camera - other.camera).abs() * scale).sum(1).mean()


def picture_distance(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference of colours and of their differences between neighbours."""
    gap = one - other
    across, down = gap.diff(dim=-1).abs().mean(), gap.diff(dim=-2).abs().mean()
    return gap.abs().mean() + across + down


def expression_metrics(expression: np.ndarray) -> Tensor:
    """[R, 55, 55] for `occlusion_expression`, from the training set's expressions [n, 55]."""
    return torch.from_numpy(region_metrics(load_default_head(), expression))


def shape_basis() -> np.ndarray:
    """float64 [50, 3 v] millimetres that identity components move the face, less what no picture shows.

    Size, place and turn of the whole face are taken out to first order: a camera explains them as well.
    """
    head = load_default_head()
    face = face_vertices(head)
    x = head.template[face].astype(np.float64)
    x = x - x.mean(0)
    moves = [x]  # size
    for axis in np.eye(3):
        moves += [np.tile(axis, (len(x), 1)), np.cross(axis, x)]
    similar = np.linalg.qr(np.stack([m.ravel() for m in moves], 1))[0]
    basis = head.identity[:IDENTITIES, face].reshape(IDENTITIES, -1).astype(np.float64) * 1000
    return basis - (basis @ similar) @ similar.T


def shape_metric() -> Tensor:
    """[50, 50] matrix L: |beta L| is the root mean square distance in millimetres by `shape_basis`."""
    basis = shape_basis()
    gram = basis @ basis.T * 3 / basis.shape[1]
    values, vectors = np.linalg.eigh(gram)
    return torch.from_numpy((vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32))


def points_distance(points: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of marks [B, P, 2] in halves of the picture's side."""
    return (points - truth).square().sum(-1).add(1e-8).sqrt().mean()


def size_prior(code: Code) -> Tensor:
    """|beta|^2 of the mean identity: holds what pictures say nothing of near the average."""
    return functional.mse_loss(code.shape, torch.zeros_like(code.shape))
