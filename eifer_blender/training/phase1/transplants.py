"""Electrodes of covered pictures put onto uncovered ones: what E^S is taught with before the cycle.

The cycle alone has to learn to draw electrodes before E^S can learn anything from them, and on two cores
that takes days. The detector knows where they are in pictures of S without having been told, so they can be
carried over: E^S has to say of a face with them what E^N says of the bare one. Nothing that is true of
covered faces is used, nor of uncovered ones.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .batches import Sampler, autocast
from .material import PictureSet
from .networks import Detector, Encoder
from .supervised import as_images, encode
from .view import FaceView

_MOVED = 6  # pixels of 128 by which it is moved at most
_BOUNDS = 1.0, 2.5  # log odds from which a place is carried over: the detector sees beyond the thing itself
_SCALE = 16.0  # steps of a log odd in a byte
_BATCH = 64


def taught_by(encoder: Encoder, pictures: PictureSet, size: int, device: torch.device) -> PictureSet:
    """The pictures with what an encoder says of them in the place of truth."""
    code = encode(encoder, pictures.pictures, size, device)
    points = FaceView(device).points(code)
    named = {"params": code.expression, "identity": code.shape, "rotation": code.rotation,
             "camera": code.camera, "points": points}  # fmt: skip
    return replace(pictures, truth={name: value.float().cpu().numpy() for name, value in named.items()})


class Transplants:
    """Electrodes of a set of covered pictures, to be put onto batches of others."""

    def __init__(
        self, covered: PictureSet, detector: Detector, batch: int, size: int, seed: int, device: torch.device
    ) -> None:
        self.covered, self.seed, self.device = covered, seed, device
        self.sampler = Sampler(covered, batch, size, seed, device, vary=False)
        self.odds = _odds(detector, covered.pictures, size, device)

    def __call__(self, faces: Tensor, step: int) -> Tensor:
        """Faces [B, 3, s, s] with electrodes of as many covered pictures; the same at the same step."""
        generator = torch.Generator().manual_seed(self.seed * 3_000_017 + step)
        source, _ = self.sampler.draw(step)
        odds = torch.from_numpy(self.odds[self.sampler.rows(step)]).to(self.device).float() / _SCALE - 8
        # Nobody knows the right bound, so that E^S is shown more and less of what is around electrodes.
        low, high = _BOUNDS
        bound = low + (high - low) * torch.rand(len(odds), 1, 1, 1, generator=generator)
        hidden = torch.sigmoid((odds[:, None] - bound.to(self.device)) * 2)
        hidden = functional.interpolate(hidden, source.shape[-2:], mode="bilinear", align_corners=False)
        return transplant(faces, *moved(source, hidden, generator))


@torch.no_grad()
def _odds(net: Detector, pictures: np.ndarray, size: int, device: torch.device) -> np.ndarray:
    """uint8 [n, size / 2, size / 2] log odds of electrodes, from -8 in sixteenths."""
    parts = []
    for start in range(0, len(pictures), _BATCH):
        some = torch.from_numpy(np.array(pictures[start : start + _BATCH])).to(device)
        with autocast(device):
            places, _ = net(as_images(some, size))
        parts.append(((places[:, 0] + 8) * _SCALE).round().clamp(0, 255).to(torch.uint8).cpu().numpy())
    return np.concatenate(parts)


def moved(source: Tensor, hidden: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures and what is hidden in them, some mirrored, all shifted: the same electrodes elsewhere."""
    both = torch.cat([source, hidden], 1)
    mirrored = torch.rand(len(both), generator=generator) < 0.5
    both = torch.where(mirrored.to(both.device)[:, None, None, None], both.flip(-1), both)
    reach = max(1, round(_MOVED * source.shape[-1] / 128))
    across, down = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    both = both.roll((down, across), (2, 3))
    return both[:, :3], both[:, 3:]


def transplant(face: Tensor, source: Tensor, hidden: Tensor) -> Tensor:
    """Pictures [B, 3, s, s] of faces with what is hidden [B, 1, s, s] of source put on."""
    return face + (source - face) * hidden
