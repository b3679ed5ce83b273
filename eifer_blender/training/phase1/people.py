"""Who is in a picture: identities, movements, skin, eyes and hair of simulated people, as plain arrays.

The same number is always the same person. Ranges of numbers are those of `simulation.population`, so that
nobody whom a report shows was ever trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...heads.default import load_default_head
from ...simulation.population import make_subject
from ...simulation.session import make_performances

IDENTITIES = 50
_SIZE_SD = 0.25  # of the first identity component, a head's size, of which a picture says nothing
_FINE_SD = 0.7  # of components beyond those that the population varies
_SECONDS = 40.0  # of movements that a person's pictures are drawn from
_REST_SHARE = 0.12
_STRONGER = (0.7, 1.25)

# Reflectance in linear RGB from very light to very dark skin, set by eye between published ranges.
_TONES = np.array(
    [(0.72, 0.50, 0.40), (0.62, 0.40, 0.30), (0.47, 0.28, 0.19), (0.30, 0.165, 0.105), (0.14, 0.07, 0.045),
     (0.065, 0.034, 0.024)]
)  # fmt: skip
_HAIR = np.array([(0.012, 0.010, 0.009), (0.045, 0.026, 0.016), (0.13, 0.07, 0.035), (0.30, 0.19, 0.09),
                  (0.20, 0.075, 0.03), (0.33, 0.32, 0.31)])  # fmt: skip
_IRIS = np.array([(0.075, 0.036, 0.016), (0.14, 0.075, 0.025), (0.13, 0.14, 0.055), (0.09, 0.16, 0.22),
                  (0.16, 0.20, 0.22)])  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What a person's skin, eyes and hair look like; colours are linear RGB."""

    skin: np.ndarray  # [3]
    lips: np.ndarray  # [3] factor on the skin
    flush: float  # redness of cheeks and nose, 0..1
    mottle: float  # strength of irregular tone
    freckles: float  # 0..1
    hair: np.ndarray  # [3]
    brows: float  # 0..1, how dense
    scalp: float  # 0 bald .. 1 covered
    hairline: float  # metres that the hairline lies higher
    beard: float  # 0..1
    iris: np.ndarray  # [3]
    gloss: float  # 0..1
    texture: int  # seed of the fine texture


def make_look(number: int) -> Look:
    """How the person of that number looks."""
    rng = np.random.default_rng([number, 101])
    at = rng.uniform(0, len(_TONES) - 1)
    i = int(min(at, len(_TONES) - 2))
    skin = np.exp(np.log(_TONES[i]) + (at - i) * (np.log(_TONES[i + 1]) - np.log(_TONES[i])))
    skin = skin * np.exp(rng.normal(0, [0.05, 0.07, 0.10]))
    dark = at / (len(_TONES) - 1)
    hair = (
        _HAIR[rng.choice(len(_HAIR), p=_hair_odds(dark))]
        * np.exp(rng.normal(0, 0.08, 3))
        * np.exp(rng.normal(0, 0.2))
    )
    male = rng.random() < 0.5
    return Look(
        skin=skin,
        lips=np.array([1.0, 0.62, 0.66]) * np.exp(rng.normal(0, [0.10, 0.14, 0.14])),
        flush=rng.uniform(0.0, 1.0) * (1 - 0.7 * dark),
        mottle=rng.uniform(0.02, 0.16),
        freckles=max(rng.uniform(-1.5, 1.0), 0.0) * (1 - dark),
        hair=hair,
        brows=rng.uniform(0.35, 1.0),
        scalp=0.0 if male and rng.random() < 0.25 else rng.uniform(0.75, 1.0),
        hairline=rng.normal(0.0, 0.008),
        beard=rng.uniform(0.0, 0.75) * (male and rng.random() < 0.6),
        iris=_IRIS[rng.choice(len(_IRIS), p=_iris_odds(dark))] * np.exp(rng.normal(0, 0.2, 3)),
        gloss=rng.uniform(0.1, 1.0),
        texture=int(rng.integers(2**31)),
    )


def make_identity(number: int) -> np.ndarray:
    """float32 [50] identity coefficients of the person, in standard deviations."""
    rng = np.random.default_rng([number, 103])
    known = make_subject(number).identity
    fine = rng.normal(0.0, _FINE_SD, IDENTITIES - len(known))
    identity = np.concatenate([known, fine]).astype(np.float32)
    identity[0] = rng.normal(0.0, _SIZE_SD)
    return identity


@lru_cache(maxsize=4096)
def movement(number: int) -> np.ndarray:
    """float32 [frames, 55]: what the person's simulated muscles make of the face, at 30 frames a second."""
    clips = make_performances(make_subject(number), kind="mixed", seconds=_SECONDS, seed=5)
    moved = np.concatenate([clip.expression for clip in clips]).astype(np.float32)
    moved.setflags(write=False)
    return moved


def expressions(number: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [count, 55] faces of the person: moments of movements, stronger or weaker, some at rest."""
    moved = movement(number)
    strength = np.abs(moved).sum(1)
    odds = strength + 0.05 * strength.max()
    chosen = moved[rng.choice(len(moved), count, p=odds / odds.sum())]
    chosen = chosen * rng.uniform(*_STRONGER, (count, 1)).astype(np.float32)
    chosen[rng.random(count) < _REST_SHARE] = 0.0
    chosen[:, 50:52] = np.clip(chosen[:, 50:52], 0.0, 1.0)
    return chosen


def clip(number: int, frames: int, start: int = 0) -> np.ndarray:
    """float32 [frames, 55]: consecutive frames of the person's movements, repeated if there are too few."""
    moved = movement(number)
    return moved[(start + np.arange(frames)) % len(moved)]


def identities(numbers: Sequence[int]) -> np.ndarray:
    """float32 [n, 50] of `make_identity`."""
    return np.stack([make_identity(n) for n in numbers])


@lru_cache(maxsize=1)
def mean_size() -> float:
    """Metres from chin to forehead of the head at rest."""
    head = load_default_head()
    return float(head.template[head.landmarks["forehead"], 1] - head.template[head.landmarks["chin"], 1])


def _hair_odds(dark: float) -> np.ndarray:
    light = np.array([0.12, 0.28, 0.24, 0.18, 0.08, 0.10])
    deep = np.array([0.80, 0.12, 0.01, 0.0, 0.0, 0.07])
    odds = light + (deep - light) * min(1.5 * dark, 1.0)
    return odds / odds.sum()


def _iris_odds(dark: float) -> np.ndarray:
    light = np.array([0.25, 0.20, 0.15, 0.25, 0.15])
    deep = np.array([0.88, 0.12, 0.0, 0.0, 0.0])
    odds = light + (deep - light) * min(2 * dark, 1.0)
    return odds / odds.sum()
