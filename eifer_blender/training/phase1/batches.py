"""What the trainings of Phase 1 share: batches of pictures, the course of the learning rate, precision."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .material import PictureSet


class Sampler:
    """Batches of a set; a step always gives the same batch, so a resumed training is the same training."""

    def __init__(
        self,
        pictures: PictureSet,
        batch: int,
        size: int,
        seed: int,
        device: torch.device,
        vary: bool = True,
        change: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        self.pictures, self.batch, self.size, self.seed = pictures, batch, size, seed
        self.device, self.vary = device, vary
        self.change = change  # of the pictures as they lie in the set, before all else

    def rows(self, step: int) -> np.ndarray:
        """int64 [batch] pictures of a step: every picture once before any comes again."""
        count = len(self.pictures)
        place = step * self.batch + np.arange(self.batch)
        result = np.empty(self.batch, np.int64)
        for epoch in np.unique(place // count):
            order = np.random.default_rng([self.seed, int(epoch)]).permutation(count)
            here = place // count == epoch
            result[here] = order[place[here] % count]
        return result

    def draw(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """(images [B, 3, size, size], truth by name) of a step."""
        rows = self.rows(step)
        pictures = np.stack([self.pictures.pictures[i] for i in rows])
        images = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2).float() / 255
        if self.change:
            images = self.change(images, step)
        if images.shape[-1] != self.size:
            images = functional.interpolate(images, (self.size, self.size), mode="area")
        if self.vary:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            images = varied(images, generator)
        truth = {
            name: torch.from_numpy(array[rows]).to(self.device) for name, array in self.pictures.truth.items()
        }
        return images.contiguous(memory_format=torch.channels_last), truth


def varied(images: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures with other brightness, contrast, colour and grain, each its own."""
    count, device = len(images), images.device

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    gain = (0.12 * draw(count, 1, 1, 1) + 0.05 * draw(count, 3, 1, 1)).exp()
    gamma = (0.15 * draw(count, 1, 1, 1)).exp()
    images = (images.clamp(1e-4, 1) ** gamma * gain).clamp(0, 1)
    grain = 0.015 * draw(count, 1, 1, 1).abs()
    return (images + grain * draw(*images.shape)).clamp(0, 1)


def learning_rate(top: float, step: int, steps: int) -> float:
    """Linear warm-up over 3 % of the steps, then half a cosine to a hundredth."""
    share = (step + 1) / steps
    return top * min(1.0, share / 0.03) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 for products and convolutions: about twice as fast on processors that have it, and on GPUs."""
    return torch.autocast(device.type, torch.bfloat16)
