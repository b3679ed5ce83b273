"""How good a reconstruction and a removal are, in numbers that a person can picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...heads.default import load_default_head
from ...spaces import EYELIDS, JAW
from ..surface import Surface, displacements, face_surface
from .losses import shape_basis
from .networks import Code

_WINDOW = 7  # pixels a side of SSIM's window
_C1, _C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class Geometry:
    """Mean errors of n faces; each also by face, to compare two methods on the same ones."""

    expression_mm: np.ndarray  # [n] of the face's vertices, what expression moves, on the average identity
    shape_mm: np.ndarray  # [n] of the resting face, less size, place and turn
    lids: np.ndarray  # [n] of the two lids, 0 open .. 1 closed
    jaw_degrees: np.ndarray  # [n]
    turn_degrees: np.ndarray  # [n] of the head

    def means(self) -> dict[str, float]:
        """The table's row."""
        return {name: float(values.mean()) for name, values in vars(self).items()}


def geometry(
    expression: np.ndarray, shape: np.ndarray, rotation: np.ndarray, truth: dict[str, np.ndarray]
) -> Geometry:
    """Errors of expressions [n, 55], identities [n, 50] and rotations [n, 3] against a set's truth."""
    wanted = truth["params"]
    moved, right = displaced(expression), displaced(wanted)
    error = np.linalg.norm(moved - right, axis=-1).mean(1)
    basis = _shape_basis()
    off = ((shape - truth["identity"]) @ basis).reshape(len(shape), -1, 3)
    return Geometry(
        expression_mm=error,
        shape_mm=np.linalg.norm(off, axis=-1).mean(1),
        lids=np.abs(expression[:, EYELIDS] - wanted[:, EYELIDS]).mean(1),
        jaw_degrees=np.degrees(np.linalg.norm(expression[:, JAW] - wanted[:, JAW], axis=1)),
        turn_degrees=np.degrees(np.linalg.norm(rotation - truth["rotation"], axis=1)),
    )


def geometry_of(code: Code, truth: dict[str, np.ndarray]) -> Geometry:
    """`geometry` of an encoder's answer."""
    return geometry(
        code.expression.cpu().numpy(), code.shape.cpu().numpy(), code.rotation.cpu().numpy(), truth
    )


def displaced(expression: np.ndarray) -> np.ndarray:
    """float32 [n, v, 3] millimetres that expressions [n, 55] move the face of the average identity."""
    return np.concatenate([moved for _, moved in displacements(_surface(), expression.astype(np.float32))])


@lru_cache(maxsize=1)
def _surface() -> Surface:
    return face_surface(load_default_head())


@lru_cache(maxsize=1)
def _shape_basis() -> np.ndarray:
    return shape_basis()


def psnr(made: Tensor, wanted: Tensor, area: Tensor) -> Tensor:
    """[B] decibels of pictures [B, 3, h, w] in 0..1 in an area [B, 1, h, w] 0..1; NaN where it is empty."""
    total = area.sum((1, 2, 3)) * 3
    error = ((made - wanted).square() * area).sum((1, 2, 3)) / total.clamp(min=1e-9)
    return torch.where(total > 0, -10 * error.clamp(min=1e-10).log10(), torch.nan)


def ssim(made: Tensor, wanted: Tensor, area: Tensor) -> Tensor:
    """[B] structural similarity (Wang et al., 2004) of lightness, averaged over an area; NaN where empty.

    With an even window of 7 x 7 pixels, as scikit-image computes it by default.
    """
    grey = torch.tensor([0.2125, 0.7154, 0.0721], device=made.device)[None, :, None, None]
    x, y = (made * grey).sum(1, keepdim=True), (wanted * grey).sum(1, keepdim=True)

    def mean(values: Tensor) -> Tensor:
        return functional.avg_pool2d(
            functional.pad(values, (_WINDOW // 2,) * 4, mode="reflect"), _WINDOW, stride=1
        )

    count = _WINDOW**2 / (_WINDOW**2 - 1)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (
        (mean(a * b) - ma * mb) * count for a, b, ma, mb in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my))
    )
    found = (2 * mx * my + _C1) * (2 * vxy + _C2) / ((mx**2 + my**2 + _C1) * (vx + vy + _C2))
    total = area.sum((1, 2, 3))
    return torch.where(total > 0, (found * area).sum((1, 2, 3)) / total.clamp(min=1e-9), torch.nan)


def area_under_curve(negative: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive scores above a negative (Mann-Whitney); 0.5 where they cannot be told apart."""
    scores = np.concatenate([negative, positive])
    order = scores.argsort(kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    _, inverse = np.unique(scores, return_inverse=True)
    ranks = (np.bincount(inverse, ranks) / np.bincount(inverse))[inverse]  # ties share their rank
    above = ranks[len(negative) :].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(negative) * len(positive)))


def shape_displacements(shape: np.ndarray) -> np.ndarray:
    """float64 [n, 3 v] millimetres by which identities [n, 50] move the face, less size, place and turn."""
    return shape @ _shape_basis()
