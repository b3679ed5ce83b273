"""Where are electrodes in a picture, if any? Taught by nothing but which of the two sets a picture is from.

Every place of a covered picture is called covered, and every place of an uncovered one uncovered. Skin is in
both, so the odds stay even there; what only covered pictures have is found.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .batches import Sampler, autocast, learning_rate
from .material import PictureSet
from .networks import Detector
from .supervised import as_images

_RATE = 2e-3
MASK_AT = 1.0  # log odds from which a place counts as covered


def train_detector(
    uncovered: PictureSet,
    covered: PictureSet,
    *,
    steps: int,
    size: int,
    seed: int,
    device: torch.device,
    batch: int = 16,
    report: Callable[[int, dict[str, float]], None] | None = None,
) -> Detector:
    """A detector trained on batches of `batch` pictures of each set."""
    torch.manual_seed(seed)
    net = Detector().to(device, memory_format=torch.channels_last).train()
    samplers = [Sampler(one, batch, size, seed + i, device) for i, one in enumerate((uncovered, covered))]
    wanted = torch.cat([torch.zeros(batch), torch.ones(batch)]).to(device)
    optimiser = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=1e-3)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(_RATE, step, steps)
        images = torch.cat([sampler.draw(step)[0] for sampler in samplers])
        with autocast(device):
            places, odds = net(images)
        everywhere = wanted[:, None, None, None].expand_as(places)
        loss = functional.binary_cross_entropy_with_logits(places, everywhere)
        loss = loss + 0.2 * functional.binary_cross_entropy_with_logits(odds, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if report:
            report(step + 1, {"detector": float(loss.detach())})
    return net.eval()


@torch.no_grad()
def odds_of(net: Detector, pictures: np.ndarray, size: int, device: torch.device) -> np.ndarray:
    """float32 [n] log odds of pictures uint8 [n, s, s, 3]."""
    parts = []
    for start in range(0, len(pictures), 64):
        some = torch.from_numpy(np.array(pictures[start : start + 64])).to(device)
        with autocast(device):
            parts.append(net(as_images(some, size))[1].cpu().numpy())
    return np.concatenate(parts)


def electrode_mask(net: Detector, images: Tensor) -> Tensor:
    """[B, 1, size, size] 0..1: what electrodes, cables and tape hide of images [B, 3, size, size]."""
    places, _ = net(images)
    sure = torch.sigmoid((places - MASK_AT) * 2)
    return functional.interpolate(sure, images.shape[-2:], mode="bilinear", align_corners=False)
