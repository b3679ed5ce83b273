"""The networks: perceptrons with rectified units over a window of frames."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ..muscles import CHANNEL_COUNT
from ..spaces import EYELID_NAMES, JAW_LIMITS, JAW_NAMES

_FREE = 8.0  # standard deviations: beyond what any face of the head needs
_LOG_SD = (-9.0, 3.0)
_LOG_SD_ACTIVITY = (-9.0, -0.7)  # half of the range 0..1: as unsure as one can be
_FIRST_LOG_SD = -2.0


@dataclass(frozen=True)
class Shape:
    """What is needed to build a network anew."""

    inputs: int  # columns of a frame: channels or expression parameters
    outputs: int
    offsets: tuple[int, ...]  # frames that it sees, relative to its own
    hidden: tuple[int, ...] = (256, 256)
    masked: bool = False  # a second input says which columns were measured
    sd_units: int = 0  # of a hidden layer that the deviations have for themselves; 0: none

    @property
    def log_sd(self) -> tuple[float, float]:
        """Limits of the logarithm of standard deviations."""
        return _LOG_SD if self.masked else _LOG_SD_ACTIVITY


def window(before: int, after: int, dense: int = 4) -> tuple[int, ...]:
    """Offsets from -before to after: every frame near by, every second farther away."""
    every = range(-before, after + 1)
    return tuple(k for k in every if abs(k) <= dense or k % 2 == 0 or k in (-before, after))


class Network(nn.Module):
    """A perceptron whose answer to rest is exactly zero.

    It is N(x, present) - N(0, present) for a perceptron N with rectified units. Both terms are carried
    through the layers as a base and a difference, so that the result for zero input is zero by
    arithmetic, not by training, whatever channels are present.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, first = len(shape.offsets) * shape.inputs, shape.hidden[0]
        self.of_input = nn.Linear(width, first, bias=False)
        self.of_present = nn.Linear(CHANNEL_COUNT if shape.masked else 1, first)
        self.middle = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(shape.hidden))
        self.out = nn.Linear(shape.hidden[-1], shape.outputs, bias=False)
        self.log_sd = nn.Linear(shape.sd_units or shape.hidden[-1], shape.outputs)
        nn.init.zeros_(self.log_sd.weight)
        nn.init.constant_(self.log_sd.bias, _FIRST_LOG_SD)
        self.sd_hidden = nn.Linear(shape.hidden[-1], shape.sd_units) if shape.sd_units else None

    def differences(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """What the last hidden layer gives more than at rest, [n, H]; see `forward`."""
        base = self.of_present(x.new_zeros((1, 1)) if present is None else present)
        change = self.of_input(x)
        for layer in self.middle:
            rest = torch.relu(base)
            change = nn.functional.linear(torch.relu(base + change) - rest, layer.weight)
            base = layer(rest)
        return torch.relu(base + change) - torch.relu(base)

    def forward(self, x: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(outputs without limits [n, outputs], natural logarithm of their standard deviation).

        x: [n, K inputs], the window's frames from first to last; present: [n or 1, 22] of 0 and 1, for the
        frame itself.
        """
        differences = self.differences(x, present)
        return self.out(differences), self.sd_of(differences)

    def sd_of(self, differences: Tensor) -> Tensor:
        """Logarithm of the standard deviations; the faces' own training does not feel it."""
        given = differences.detach()
        if self.sd_hidden is not None:
            given = torch.relu(self.sd_hidden(given))
        return self.log_sd(given).clamp(*self.shape.log_sd)


def output_limits(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each parameter, as FLAME's encoders limit lids and jaw."""
    low, high = np.full((2, len(names)), _FREE, np.float32)
    low *= -1
    limits = dict.fromkeys(EYELID_NAMES, (0.0, 1.0)) | dict(zip(JAW_NAMES, JAW_LIMITS, strict=True))
    for k, name in enumerate(names):
        if name in limits:
            low[k], high[k] = limits[name]
    return low, high
