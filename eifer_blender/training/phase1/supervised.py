"""An encoder taught with ground truth: E^N on uncovered faces, and on covered ones the upper bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from . import losses
from .batches import Sampler, autocast, learning_rate
from .material import PictureSet
from .networks import Code, Encoder
from .view import FaceView

_WEIGHTS = {"expression": 1.0, "shape": 1.0, "pose": 1.0, "points": 12.0, "marks": 24.0, "size": 0.02}


@dataclass(frozen=True)
class SupervisedSettings:
    """What decides the result, together with the pictures."""

    steps: int
    size: int = 128
    batch: int = 32
    learning_rate: float = 2e-3
    seed: int = 1


def truth_of(found: dict[str, Tensor]) -> Code:
    """A batch's truth as a code."""
    return Code(found["params"], found["identity"], found["rotation"], found["camera"])


class Supervised:
    """An encoder in training with truth."""

    def __init__(
        self,
        settings: SupervisedSettings,
        pictures: PictureSet,
        device: torch.device,
        change: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        self.settings, self.device = settings, device
        torch.manual_seed(settings.seed)
        self.encoder = Encoder().to(device, memory_format=torch.channels_last)
        self.sampler = Sampler(pictures, settings.batch, settings.size, settings.seed, device, change=change)
        self.view = FaceView(device)
        self.metrics = losses.expression_metrics(pictures.truth["params"]).to(device)
        self.shape_metric = losses.shape_metric().to(device)
        self.optimiser = torch.optim.AdamW(
            self.encoder.parameters(), lr=settings.learning_rate, weight_decay=1e-4
        )
        self.step = 0

    def run(self, until: int, report: Callable[[int, dict[str, float]], None] | None = None) -> None:
        """Train until a step."""
        self.begin()
        while self.step < until:
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate(self.settings.learning_rate, self.step, self.settings.steps)
            images, found = self.sampler.draw(self.step)
            with autocast(self.device):
                code, marks = self.encoder.forward_marks(images)
            parts = self._losses(code, marks, found)
            total = sum(_WEIGHTS[name] * value for name, value in parts.items())
            self.optimiser.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(self.encoder.parameters(), 5.0)
            self.optimiser.step()
            self.step += 1
            if report:
                report(self.step, {name: float(value.detach()) for name, value in parts.items()})

    def begin(self) -> None:
        """Into training mode, as after looking at results."""
        self.encoder.train()

    def _losses(self, code: Code, marks: Tensor, found: dict[str, Tensor]) -> dict[str, Tensor]:
        truth = truth_of(found)
        # Identity must not be bent to make up for what expression and pose get wrong.
        placed = code._replace(shape=code.shape.detach())
        return {
            "expression": losses.occlusion_expression(code, truth, self.metrics),
            "shape": losses.occlusion_shape(code, truth, self.shape_metric),
            "pose": losses.global_transformation(code, truth),
            "points": losses.points_distance(self.view.points(placed), found["points"]),
            "marks": losses.points_distance(marks.flatten(0, 1), found["points"].repeat_interleave(2, 0)),
            "size": losses.size_prior(code),
        }

    def state(self) -> dict[str, object]:
        """For a checkpoint."""
        return {
            "encoder": self.encoder.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "settings": vars(self.settings) | {},
        }

    def restore(self, state: dict) -> None:
        """Go on from `state`."""
        self.encoder.load_state_dict(state["encoder"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])


@torch.no_grad()
def encode(encoder: Encoder, pictures: np.ndarray, size: int, device: torch.device, batch: int = 64) -> Code:
    """Codes of pictures uint8 [n, s, s, 3], shrunk to the encoder's size."""
    encoder.eval()
    parts = []
    for start in range(0, len(pictures), batch):
        some = torch.from_numpy(np.array(pictures[start : start + batch])).to(device)
        images = as_images(some, size)
        with autocast(device):
            parts.append(encoder(images))
    return Code(*(torch.cat(part) for part in zip(*parts, strict=True)))


def as_images(pictures: Tensor, size: int) -> Tensor:
    """float32 [B, 3, size, size] in 0..1 of uint8 [B, s, s, 3]."""
    images = pictures.permute(0, 3, 1, 2).float() / 255
    if images.shape[-1] != size:
        images = functional.interpolate(images, (size, size), mode="area")
    return images.contiguous(memory_format=torch.channels_last)
