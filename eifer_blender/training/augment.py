"""What real electrodes and other people do to the training frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..muscles import CHANNEL_COUNT, MUSCLE_OF_CHANNEL, MUSCLES, OTHER_SIDE


@dataclass(frozen=True)
class Augmentation:
    """Strengths; standard deviations."""

    gain: float = 0.05  # of the logarithm of a channel's gain
    complete: float = 0.5  # share of frames with all channels that the recording has
    mirror: float = 0.5  # share of frames that are mirrored
    blur: float = 0.15  # of an expression's parameters, in their own deviations, the same over the window


def random_presence(count: int, generator: Generator, complete: float) -> Tensor:
    """Which channels are left, bool [count, 22].

    Beside complete recordings: single electrodes lost, whole muscles lost, a few muscles on both sides only,
    or one side of the face only.
    """
    muscles = len(MUSCLES)

    def uniform(*size: int) -> Tensor:
        return torch.rand(*size, generator=generator)

    kinds = torch.tensor([complete, *((1 - complete) * torch.tensor([0.3, 0.35, 0.25, 0.1])).tolist()])
    kind = torch.multinomial(kinds, count, replacement=True, generator=generator)[:, None]
    rank = uniform(count, muscles).argsort(1).argsort(1)
    of_channel = torch.from_numpy(MUSCLE_OF_CHANNEL)
    single = uniform(count, CHANNEL_COUNT) >= 0.7 * uniform(count, 1)
    lost = (rank >= torch.randint(1, 4, (count, 1), generator=generator))[:, of_channel]
    few = (rank < torch.randint(2, 8, (count, 1), generator=generator))[:, of_channel]
    side = torch.arange(CHANNEL_COUNT) % 2 == torch.randint(0, 2, (count, 1), generator=generator)
    present = torch.ones(count, CHANNEL_COUNT, dtype=torch.bool)
    for number, choice in enumerate((single, lost, few, side), start=1):
        present = torch.where(kind == number, choice, present)
    return present


def channel_gains(count: int, generator: Generator, sd: float) -> Tensor:
    """Factors [count, 1, 22] around 1."""
    return torch.exp(sd * torch.randn(count, 1, CHANNEL_COUNT, generator=generator))


def swap_sides(x: Tensor, chosen: Tensor) -> Tensor:
    """x [n, ..., 22] with left and right exchanged in the rows chosen bool [n]."""
    swapped = x[..., torch.from_numpy(OTHER_SIDE)]
    return torch.where(chosen.view(-1, *[1] * (x.ndim - 1)), swapped, x)


def mirror_expression(x: Tensor, matrix: Tensor, chosen: Tensor) -> Tensor:
    """x [n, ..., P] mirrored in the rows chosen bool [n]."""
    return torch.where(chosen.view(-1, *[1] * (x.ndim - 1)), x @ matrix, x)
