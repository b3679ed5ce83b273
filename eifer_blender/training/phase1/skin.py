"""Skin, stubble, hair on the scalp and their irregularities, evaluated where a pixel shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...heads.head import ParametricHead
from .people import Look

_GRIDS = (9, 24, 64)  # cells of the noise over its cube, coarse to fine
_CUBE = ((-0.11, -0.04, -0.07), (0.11, 0.26, 0.17))  # metres


@dataclass(frozen=True)
class SkinMaps:
    """Per-vertex properties: tint (3), lips, flush, beard, scalp, eyebrow strand."""

    values: Tensor  # [V, 8]

    @classmethod
    def of(cls, head: ParametricHead, device: torch.device) -> SkinMaps:
        """The maps of a head."""
        x = head.template.astype(np.float64)
        middle = np.median(head.tints[head.regions["skin"]], axis=0)
        relative = np.where(head.regions["skin"][:, None], head.tints / middle, head.tints)
        lips = _soften(head, head.regions["lips"].astype(float), 2)
        flush = np.exp(-(((np.abs(x[:, 0]) - 0.045) / 0.018) ** 2 + ((x[:, 1] - 0.105) / 0.018) ** 2))
        flush += np.exp(-((x[:, 0] / 0.012) ** 2 + ((x[:, 1] - 0.105) / 0.014) ** 2)) * (x[:, 2] > 0.13)
        line = 0.086 + 0.45 * np.maximum(np.abs(x[:, 0]) - 0.02, 0)
        beard = _step(line - x[:, 1], -0.004, 0.008) * _step(x[:, 1], 0.012, 0.035)
        beard *= _step(x[:, 2], 0.02, 0.05) * (1 - lips)
        scalp = x[:, 1] - (0.197 - 0.85 * np.clip(0.125 - x[:, 2], 0, 0.2))
        columns = [relative, lips[:, None], flush[:, None], beard[:, None], scalp[:, None],
                   head.regions["eyebrows"][:, None].astype(float)]  # fmt: skip
        return cls(torch.from_numpy(np.concatenate(columns, 1).astype(np.float32)).to(device))


def noise_of(seeds: Sequence[int], picture: Tensor, template: Tensor) -> Tensor:
    """[K, 3] smooth noise at places [K, 3] of the resting head, coarse to fine, about one unit strong."""
    device = template.device
    low, high = (torch.tensor(v, device=device) for v in _CUBE)
    place = ((template - low) / (high - low) * 2 - 1).clamp(-1, 1)
    counts = torch.bincount(picture, minlength=len(seeds)).tolist()
    parts = []
    for seed, some in zip(seeds, place.split(counts), strict=True):
        generator = torch.Generator().manual_seed(seed)
        layers = [
            functional.grid_sample(
                torch.randn((1, 1, n, n, n), generator=generator).to(device),
                some[None, :, None, None],
                align_corners=True,
            ).reshape(-1)
            for n in _GRIDS
        ]
        parts.append(torch.stack(layers, 1))
    return torch.cat(parts) * 1.5


def skin_colour(
    looks: Sequence[Look], picture: Tensor, template: Tensor, marks: Tensor, noise: Tensor
) -> Tensor:
    """[K, 3] linear reflectance of skin at pixels with the maps [K, 8] of `SkinMaps`."""
    device = template.device

    def each(values: Sequence) -> Tensor:
        values = torch.from_numpy(np.asarray(values, np.float32)).to(device)
        return values if len(looks) == 1 else values[picture]

    colour = each([one.skin for one in looks])
    colour = colour * (1 + (marks[:, :3].clamp(0.3, 1.4) - 1) * 0.35)
    lips = marks[:, 3:4]
    colour = colour * (1 + (each([one.lips for one in looks]) - 1) * lips)
    flush = marks[:, 4:5] * each([one.flush for one in looks])[:, None]
    colour = colour * (1 - flush * torch.tensor([0.02, 0.22, 0.20], device=device))
    mottle = each([one.mottle for one in looks])[:, None]
    uneven = 0.6 * noise[:, :1] + 0.4 * noise[:, 1:2] + 0.35 * noise[:, 2:]
    colour = colour * torch.exp(mottle * uneven * torch.tensor([0.7, 1.0, 1.0], device=device))
    spots = ((noise[:, 2:] - 1.9) * 2).clamp(0, 1) * each([one.freckles for one in looks])[:, None]
    colour = colour * (1 - spots * torch.tensor([0.35, 0.5, 0.6], device=device))
    hair = each([one.hair for one in looks])
    stubble = (
        marks[:, 5:6]
        * each([one.beard for one in looks])[:, None]
        * (0.8 + 0.25 * noise[:, 2:]).clamp(0, 1.2)
    )
    colour = colour + (hair - colour) * stubble.clamp(0, 1) * 0.85
    above = marks[:, 6] - each([one.hairline for one in looks]) + 0.004 * noise[:, 1] + 0.003 * noise[:, 2]
    ear = (template[:, 0].abs() > 0.0755) & (template[:, 1] < 0.165)
    covered = (above / 0.006).clamp(0, 1) * each([one.scalp for one in looks]) * ~ear
    strands = (1 + 0.35 * noise[:, 2:] + 0.2 * noise[:, 1:2]).clamp(0.2, 2.0)
    return colour + (hair * strands - colour) * covered[:, None]


def _step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _soften(head: ParametricHead, values: np.ndarray, rounds: int) -> np.ndarray:
    """Values of vertices averaged with their neighbours'."""
    triangles = head.triangles
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    count = np.bincount(pairs[:, 0], minlength=len(values)) + 1.0
    for _ in range(rounds):
        values = (np.bincount(pairs[:, 0], values[pairs[:, 1]], len(values)) + values) / count
    return values
