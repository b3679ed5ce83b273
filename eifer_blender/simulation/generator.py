"""Training data: random muscle activity, what electrodes report of it, and the face it moves.

The faces come from `muscle_face`, a table from published anatomy, not from recorded people: whoever
trains or tests on this learns how well a network recovers the table, not how faces really move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..movements import MOVEMENTS
from ..muscles import CHANNEL_COUNT, MUSCLE_OF_CHANNEL, MUSCLES, OTHER_SIDE
from .volume import session_leak

Face = Callable[[np.ndarray], np.ndarray]
"""Muscle activation float32 [n, 22] -> expression parameters float32 [n, P]."""

_LARGEST_CROSSTALK = 0.7  # of what volume conduction gives


@dataclass(frozen=True)
class Frames:
    """Independent frames; all float32 but `present`."""

    activation: np.ndarray  # [n, 22] as measured and normalised, 0 where not present
    present: np.ndarray  # bool [n, 22]
    muscles: np.ndarray  # [n, 22] what really contracts
    expression: np.ndarray  # [n, P]


def make_frames(count: int, seed: int, face: Face, *, complete: bool = False) -> Frames:
    """`count` frames of random activity; every second frame is the mirror image of the one before.

    complete: all channels are present, instead of random sets. The same seed gives the same frames.
    """
    rng = np.random.default_rng(seed)
    half = (count + 1) // 2
    muscles = random_muscles(half, rng)
    activation = measure(muscles, rng)
    present = np.ones((half, CHANNEL_COUNT), bool) if complete else random_presence(half, rng)
    muscles, activation, present = (
        np.stack([a, a[:, OTHER_SIDE]], 1).reshape(-1, CHANNEL_COUNT)[:count]
        for a in (muscles, activation, present)
    )
    return Frames(np.where(present, activation, np.float32(0)), present, muscles, face(muscles))


def random_muscles(count: int, rng: np.random.Generator) -> np.ndarray:
    """Activity of the muscles themselves, float32 [count, 22].

    A quarter moves one or two muscles, half are movements of the protocol and emotions, alone or two
    blended, a fifth any handful of muscles, the rest next to nothing. No two sides are quite alike.
    """
    kind = rng.choice(4, count, p=(0.25, 0.5, 0.2, 0.05))
    drafts = (
        _few_muscles(count, rng, 1, 2),
        _movements(count, rng),
        _few_muscles(count, rng, 2, 7),
        rng.uniform(0, 0.06, (count, CHANNEL_COUNT)),
    )
    activity = np.choose(kind[:, None], drafts)
    return np.clip(activity * _asymmetry(count, rng), 0.0, 1.0).astype(np.float32)


def measure(muscles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What normalised electrodes report of the muscles, float32 [n, 22] in 0..1.

    Cross-talk in microvolts by volume conduction, an amplitude that wavers because an envelope is an
    estimate, an imperfect maximum per session, and a remainder of noise.
    """
    count = len(muscles)
    maximum = np.array([m.maximum_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]
    leak = session_leak()[:, :CHANNEL_COUNT] * maximum[None] / maximum[:, None]
    np.fill_diagonal(leak, 0.0)
    strength = rng.uniform(0.0, _LARGEST_CROSSTALK, (count, 1))
    # Independent signals add as powers.
    seen = np.sqrt(muscles**2 + (muscles**2 @ (leak**2).T) * strength**2)
    gain = np.exp(rng.normal(0.0, 0.08, (count, CHANNEL_COUNT)))
    noise = np.abs(rng.normal(0.0, 0.012, (count, CHANNEL_COUNT)))
    return np.clip(seen * gain + noise, 0.0, 1.0).astype(np.float32)


def random_presence(count: int, rng: np.random.Generator) -> np.ndarray:
    """Which channels a recording has, bool [count, 22].

    Mostly all; else single electrodes lost, whole muscles lost, a few muscles on both sides only,
    or one side of the face only.
    """
    kind = rng.choice(5, count, p=(0.5, 0.15, 0.15, 0.12, 0.08))
    lost = rng.random((count, CHANNEL_COUNT)) < rng.uniform(0.0, 0.5, (count, 1))
    score = rng.random((count, len(MUSCLES)))
    rank = score.argsort(1).argsort(1)
    few = rank < rng.integers(1, 7, (count, 1))
    absent = rank < rng.integers(1, 4, (count, 1))
    side = np.arange(CHANNEL_COUNT)[None] % 2 == rng.integers(0, 2, (count, 1))
    choices = (
        np.ones((count, CHANNEL_COUNT), bool),
        ~lost,
        ~absent[:, MUSCLE_OF_CHANNEL],
        few[:, MUSCLE_OF_CHANNEL],
        side,
    )
    return np.choose(kind[:, None], choices).astype(bool)


def _few_muscles(count: int, rng: np.random.Generator, low: int, high: int) -> np.ndarray:
    """Between `low` and `high` muscles at random amounts; both sides, or one side alone."""
    rank = rng.random((count, len(MUSCLES))).argsort(1).argsort(1)
    chosen = rank < rng.integers(low, high + 1, (count, 1))
    amount = chosen * rng.uniform(0.0, 1.0, (count, len(MUSCLES)))
    sides = rng.choice(3, (count, len(MUSCLES)), p=(0.5, 0.25, 0.25))  # both, left, right
    left = np.where(sides == 2, 0.0, amount)
    right = np.where(sides == 1, 0.0, amount)
    return np.stack([left, right], -1).reshape(count, CHANNEL_COUNT)


def _movements(count: int, rng: np.random.Generator) -> np.ndarray:
    """Movements at random height, one in three blended with another, muscles in varying shares."""
    table = np.stack(list(MOVEMENTS.values()))
    first, second = table[rng.integers(0, len(table), (2, count))]
    blend = np.where(rng.random((count, 1)) < 1 / 3, rng.uniform(0, 1, (count, 1)), 0.0)
    share = np.exp(rng.normal(0.0, 0.3, (count, len(MUSCLES))))[:, MUSCLE_OF_CHANNEL]
    height = rng.uniform(0.0, 1.1, (count, 1))
    return height * share * np.maximum(first * (1 - blend), second * blend)


def _asymmetry(count: int, rng: np.random.Generator) -> np.ndarray:
    """Factors [count, 22]: mostly nearly symmetric, sometimes a weak side, as in palsy."""
    lean = rng.normal(0.0, 0.08, (count, 1)) + rng.normal(0.0, 0.06, (count, len(MUSCLES)))
    factors = np.stack([np.exp(lean), np.exp(-lean)], -1).reshape(count, CHANNEL_COUNT)
    weak = np.arange(CHANNEL_COUNT)[None] % 2 == rng.integers(0, 2, (count, 1))
    palsy = rng.random((count, 1)) < 0.2
    return np.where(weak & palsy, factors * rng.uniform(0.0, 1.0, (count, 1)), factors)
