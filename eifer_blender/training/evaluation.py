"""How good a trained EMG2Exp network is on simulated frames that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..heads.head import ParametricHead
from ..muscles import CHANNEL_COUNT, MUSCLE_OF_CHANNEL, MUSCLES
from ..simulation.generator import Face, Frames, make_frames
from .metric import vertex_errors

HELD_OUT = 1000


@dataclass(frozen=True)
class Score:
    """Errors of one method under one condition, in mm on the face."""

    condition: str
    method: str
    mean: float  # mean over vertices and frames
    p95: float  # 95th percentile over frames of the worst vertex


def held_out(face: Face, seed: int, count: int = HELD_OUT) -> Frames:
    """Frames that no training with another seed has seen, with all channels."""
    return make_frames(count, seed, face, complete=True)


def conditions(frames: Frames, seed: int) -> dict[str, Frames]:
    """The same faces under several sets of present channels."""
    rng = np.random.default_rng(seed)
    count = len(frames.present)
    rank = rng.random((count, CHANNEL_COUNT)).argsort(1).argsort(1)
    one_muscle = rng.integers(0, len(MUSCLES), (count, 1))
    even = np.arange(CHANNEL_COUNT) % 2 == 0
    masks = {
        "all 22 channels": np.ones((count, CHANNEL_COUNT), bool),
        "one muscle missing on both sides": MUSCLE_OF_CHANNEL[None] != one_muscle,
        "11 of 22 channels, at random": rank < CHANNEL_COUNT // 2,
        "left side only": np.broadcast_to(even, (count, CHANNEL_COUNT)),
    }
    return {
        name: replace(frames, present=mask, activation=np.where(mask, frames.activation, np.float32(0)))
        for name, mask in masks.items()
    }


def score(head: ParametricHead, condition: str, method: str, predicted: np.ndarray, frames: Frames) -> Score:
    """Errors of predicted parameters [n, P]."""
    errors = vertex_errors(head, predicted, frames.expression)
    return Score(condition, method, float(errors.mean()), float(np.percentile(errors.max(1), 95)))
