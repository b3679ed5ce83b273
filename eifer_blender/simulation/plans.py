"""Plans: which muscle contracts how much at which time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..muscles import CHANNEL_COUNT


@dataclass(frozen=True)
class Step:
    """One movement of a plan.

    The movement rises from `onset` for `attack` seconds, holds for `hold` and decays for `release`.
    """

    name: str
    activation: np.ndarray  # [22] at its height
    onset: float  # seconds
    attack: float = 0.28
    hold: float = 0.7
    release: float = 0.45
    left: float = 1.0  # factor on the left channels
    right: float = 1.0  # factor on the right channels
    lag: float = 0.0  # seconds by which the right side follows the left; negative leads

    @property
    def end(self) -> float:
        """Seconds at which both sides are back at rest."""
        return self.onset + max(self.lag, 0.0) + self.attack + self.hold + self.release


def smooth_step(x: np.ndarray) -> np.ndarray:
    """Minimum-jerk rise from 0 (x <= 0) to 1 (x >= 1), as voluntary movements rise."""
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2)


def course(step: Step, seconds: np.ndarray, delay: float = 0.0) -> np.ndarray:
    """Height 0..1 of a step at each time of `seconds`."""
    since = seconds - step.onset - delay
    rise = smooth_step(since / step.attack)
    fall = smooth_step((since - step.attack - step.hold) / step.release)
    return rise - fall


def activation_of_plan(steps: Sequence[Step], duration: float, rate: float) -> np.ndarray:
    """Activation float32 [frames, 22] of a plan, `rate` frames a second.

    Overlapping steps take the larger value of each muscle, so that one movement flows into the next.
    """
    seconds = np.arange(round(duration * rate)) / rate
    activation = np.zeros((len(seconds), CHANNEL_COUNT))
    for step in steps:
        sides = np.empty((len(seconds), CHANNEL_COUNT))
        sides[:, 0::2] = step.left * course(step, seconds)[:, None]
        sides[:, 1::2] = step.right * course(step, seconds, step.lag)[:, None]
        activation = np.maximum(activation, sides * step.activation)
    return np.clip(activation, 0.0, 1.0).astype(np.float32)
