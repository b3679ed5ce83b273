"""Keyed faces: what an animator's hand makes of single shapes, with the muscles that would have done it.

Simulated people move all parts of a muscle together, in nearly fixed proportions. An animator keys one ARKit
shape alone, holds it for seconds, steps, overshoots. A model that never saw this takes a sneer for a frown.
So clips of keyed shapes are mixed into the training of Exp2EMG. Nothing here is part of the protocol that
models are reported on: no simulated person changes by it.

Which muscle a shape means follows FACS (Ekman, Friesen and Hager 2002) with the muscles that Waller, Vick,
Parr et al. (2006) confirmed by stimulation, and Apple's description of the ARKit shapes. Amounts are choices
of this project, in line with `simulation.muscle_face` wherever that moves the same shape.
"""

from __future__ import annotations

import numpy as np

from ..heads.arkit import arkit_parameters
from ..heads.fitting import limited
from ..heads.head import ParametricHead
from ..muscles import CHANNEL_COUNT, CHANNELS, SIDES
from ..simulation.amplitude import FINE_RATE, OVERSAMPLING
from ..simulation.muscle_face import PART_WEIGHTS, PARTS
from ..simulation.plans import smooth_step
from ..simulation.protocol import PROTOCOL
from ..simulation.session import delayed, follow
from ..spaces import ARKIT_NAMES
from .material import Material, make_material

CLIPS = 4000
VALIDATION_CLIPS = 500
SECONDS = 4.0

# Shape without its side -> muscles that it takes, as a share of their maximum when the shape is at its full
# weight; then that weight. AU: action unit of FACS.
_MEANINGS: dict[str, tuple[dict[str, float], float]] = {
    "browInnerUp": ({"medial_frontalis": 1.0}, 1.0),  # AU 1
    "browOuterUp": ({"lateral_frontalis": 1.0}, 1.0),  # AU 2
    "browDown": ({"corrugator_supercilii": 1.0}, 1.0),  # AU 4
    "noseSneer": ({"levator_labii_superioris": 1.0, "depressor_supercilii": 0.2}, 0.9),  # AU 9
    "mouthUpperUp": ({"levator_labii_superioris": 1.0}, 0.9),  # AU 10
    "cheekSquint": ({"orbicularis_oculi": 1.0}, 0.8),  # AU 6
    "eyeSquint": ({"orbicularis_oculi": 0.7}, 0.8),  # AU 7
    "eyeBlink": ({"orbicularis_oculi": 0.3}, 1.0),  # AU 45: most of it is a levator that lets go
    "mouthSmile": ({"zygomaticus": 1.0}, 0.8),  # AU 12
    "mouthFrown": ({"depressor_anguli_oris": 1.0}, 1.0),  # AU 15
    "mouthShrugLower": ({"mentalis": 1.0}, 0.9),  # AU 17
    "mouthShrugUpper": ({"mentalis": 0.35}, 1.0),  # the chin's push reaches the upper lip
    "mouthPucker": ({"orbicularis_oris": 1.0}, 0.9),  # AU 18
    "mouthFunnel": ({"orbicularis_oris": 0.9}, 0.9),  # AU 22
    "mouthPress": ({"orbicularis_oris": 0.7}, 0.9),  # AU 24
    "mouthRollLower": ({"orbicularis_oris": 0.6}, 1.0),  # AU 28
    "mouthRollUpper": ({"orbicularis_oris": 0.6}, 1.0),  # AU 28
    "mouthClose": ({"orbicularis_oris": 0.4}, 1.0),  # AU 8, over an open jaw
    "cheekPuff": ({"orbicularis_oris": 0.5}, 0.9),  # AU 33: the lips hold the air
}
# None of the 11 muscles makes these: gaze, lids held open, jaw, lower lip, AU 14 and 20, the whole mouth.
_UNEXPLAINED = (
    *(f"eyeLook{way}" for way in ("Down", "In", "Out", "Up")),
    *("eyeWide", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthLeft", "mouthRight"),
    *("mouthDimple", "mouthStretch", "mouthLowerDown"),
)

_SATURATION = sum(PROTOCOL.saturation) / 2
_LAG_S = 0.13  # by which a face follows its muscles, on average; for curves that are not a muscle's
_WINDOW_S = 0.1  # of the envelope
_FULL = 0.25  # share of shapes that are keyed at 1
_HIGHEST = 1.1  # in an overshoot
_SHORTEST_S, _LONGEST_S = 0.03, 1.5  # from one key to the next


def keyed_material(head: ParametricHead, clips: int, seed: int) -> Material:
    """Clips of keyed shapes with their muscle activity; the same seed gives the same clips."""
    rng = np.random.default_rng([seed, 23])
    shapes = arkit_parameters(head)
    activity, expressions = [], []
    for _ in range(clips):
        weights, muscles = keyed_clip(rng)
        activity.append((muscles, np.ones(CHANNEL_COUNT, bool)))
        expressions.append(limited(weights @ shapes))
    return make_material(activity, expressions, ["keyed"] * clips)


def keyed_clip(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(ARKit weights [n, 52], muscle activity [n, 22]) of one clip at the simulation's rate.

    Half the clips move as muscles do, sluggishly; in the others the face follows the keys exactly, a steady
    lag behind the muscles.
    """
    keys = _keys(rng)
    activity = activity_of_shapes(keys)
    if rng.random() < 0.5:
        wanted = _activation(keys)
        late = delayed(wanted, np.full(keys.shape[1], rng.uniform(*PROTOCOL.delay_ms) * 1e-3))
        rise, fall = (
            rng.uniform(*limits) * 1e-3 for limits in (PROTOCOL.contraction_ms, PROTOCOL.relaxation_ms)
        )
        weights = _strength(follow(late, rise, fall))
    else:
        weights = delayed(keys, np.full(keys.shape[1], _LAG_S))
    return weights[::OVERSAMPLING].astype(np.float32), _envelope(activity)


def activity_of_shapes(weights: np.ndarray) -> np.ndarray:
    """float32 [n, 22]: muscle activity 0..1 of faces that stand still, for ARKit weights [n, 52].

    A muscle is as active as the shape that asks most of it. What another muscle moves of a shape along with
    its own, as a smile moves cheek and upper lip, is not asked for twice.
    """
    along = np.zeros_like(weights)
    for muscle, matrix in _ALONG:
        strength = np.minimum(weights[:, muscle] / _FULL_WEIGHT[muscle], 1.0)
        along = np.maximum(along, strength[:, None] * matrix)
    own = np.clip((weights - along) / _FULL_WEIGHT, 0.0, 1.0)
    asked = _activation(own)
    result = np.zeros((len(weights), CHANNEL_COUNT), np.float32)
    for shape, channel, share in _ASKED:
        result[:, channel] = np.maximum(result[:, channel], share * asked[:, shape])
    return result


def _sided(shape: str) -> list[tuple[int, tuple[str, ...]]]:
    """(column, sides) of a shape's one or two ARKit shapes."""
    if shape in ARKIT_NAMES:
        return [(ARKIT_NAMES.index(shape), SIDES)]
    names = (f"{shape}Left", f"{shape}Right")
    return [(ARKIT_NAMES.index(name), (side,)) for name, side in zip(names, SIDES, strict=True)]


def _asked() -> list[tuple[int, int, float]]:
    return [
        (column, CHANNELS.index(f"{muscle}_{side}"), share)
        for shape, (muscles, _) in _MEANINGS.items()
        for column, sides in _sided(shape)
        for side in sides
        for muscle, share in muscles.items()
    ]


def _full_weights() -> np.ndarray:
    full = np.ones(len(ARKIT_NAMES))
    for shape, (_, weight) in _MEANINGS.items():
        for column, _ in _sided(shape):
            full[column] = weight
    return full


def _along() -> list[tuple[int, np.ndarray]]:
    """(column of a muscle's main shape, weights [52] of what it moves along) by the simulation's table."""
    result = []
    for main, (muscles, _) in _MEANINGS.items():
        for column, sides in _sided(main):
            row = np.zeros(len(ARKIT_NAMES))
            for part, weight in zip(PARTS, PART_WEIGHTS, strict=True):
                if part.source >= CHANNEL_COUNT or ":" in part.shape:
                    continue
                name, side = CHANNELS[part.source].rsplit("_", 1)
                shape = part.shape.format(s="Left" if side == "l" else "Right")
                strong = muscles.get(name, 0.0) == 1.0 and side in sides
                if strong and not any(name in other for other in _meaning_of(shape)):
                    row[ARKIT_NAMES.index(shape)] = max(weight, 0.0)
            if row.any():
                result.append((column, row))
    return result


def _meaning_of(shape: str) -> list[dict[str, float]]:
    plain = shape.removesuffix("Left").removesuffix("Right")
    return [_MEANINGS[plain][0]] if plain in _MEANINGS else []


_ASKED = _asked()
_FULL_WEIGHT = _full_weights()
_ALONG = _along()


def _strength(activation: np.ndarray) -> np.ndarray:
    """How far a muscle of that activation moves the face, of its full way."""
    return (1 - np.exp(-activation / _SATURATION)) / (1 - np.exp(-1 / _SATURATION))


def _activation(strength: np.ndarray) -> np.ndarray:
    """The inverse of `_strength`."""
    return -_SATURATION * np.log1p(-strength * (1 - np.exp(-1 / _SATURATION)))


def _envelope(activity: np.ndarray) -> np.ndarray:
    """float32 [frames, 22]: RMS of activity [bins, 22] over the window about each frame."""
    half = round(_WINDOW_S * FINE_RATE / 2)
    running = np.concatenate([np.zeros((1, CHANNEL_COUNT)), np.cumsum(np.square(activity, dtype=float), 0)])
    centre = np.arange(0, len(activity), OVERSAMPLING)
    low, high = np.maximum(centre - half, 0), np.minimum(centre + half, len(activity))
    power = (running[high] - running[low]) / (high - low)[:, None]
    return np.sqrt(np.maximum(power, 0.0)).astype(np.float32)


# --- what is keyed ---------------------------------------------------------------------------------


def _keys(rng: np.random.Generator) -> np.ndarray:
    """[bins, 52] weights as keyed: one shape, a few, or many at a time."""
    seconds = np.arange(round(SECONDS * FINE_RATE)) / FINE_RATE
    count = int(rng.choice([1, rng.integers(2, 6), rng.integers(6, 13)], p=(0.45, 0.45, 0.1)))
    names = [*_MEANINGS, *_UNEXPLAINED]
    together = _course(rng, seconds) if rng.random() < 0.5 else None
    keys = np.zeros((len(seconds), len(ARKIT_NAMES)))
    for shape in rng.choice(names, count, replace=False):
        course = _course(rng, seconds) if together is None else together
        height = 1.0 if rng.random() < _FULL else rng.uniform(0.1, 1.0)
        columns = [column for column, _ in _sided(shape)]
        keys[:, columns] = height * course[:, None] * _sides(rng, len(columns))
        if shape == "mouthClose" and rng.random() < 0.8:  # it means lips that meet over an open jaw
            jaw = ARKIT_NAMES.index("jawOpen")
            keys[:, jaw] = np.maximum(keys[:, jaw], keys[:, columns[0]])
    return keys


def _sides(rng: np.random.Generator, columns: int) -> np.ndarray:
    """Factors on left and right: alike, one side alone, or uneven."""
    if columns == 1:
        return np.ones(1)
    kind = rng.choice(3, p=(0.45, 0.4, 0.15))
    if kind == 0:
        return np.ones(2)
    low = 0.0 if kind == 1 else rng.uniform(0.1, 0.9)
    return rng.permutation([1.0, low])


def _course(rng: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """[bins] 0 to 1 and a little more: a still pose, a key up and down, or keys of any height."""
    kind = rng.choice(("still", "once", "any"), p=(0.25, 0.45, 0.3))
    if kind == "still":
        return np.ones(len(seconds))
    steps = np.exp(rng.uniform(np.log(_SHORTEST_S), np.log(_LONGEST_S), 9))
    if kind == "once":
        hold, over = rng.uniform(0.05, 2.0), max(0.0, rng.uniform(-0.2, 0.2))
        values = np.array([0.0, 1.0 + over, 1.0, 1.0, 0.0])
        times = rng.uniform(0.0, 1.0) + np.cumsum([0.0, steps[0], min(steps[1], 0.3), hold, steps[2]])
    else:
        values = rng.uniform(0.0, 1.0, len(steps)) * (rng.random(len(steps)) < 0.8)
        times = np.cumsum(steps)
    kind = rng.choice(("linear", "smooth", "stepped"), p=(0.4, 0.5, 0.1))
    return np.minimum(_between(kind, times, values, seconds), _HIGHEST)


def _between(kind: str, times: np.ndarray, values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Values between keys, as the curve's interpolation has it; the first and last are held."""
    after = np.clip(np.searchsorted(times, seconds, side="right"), 1, len(times) - 1)
    share = np.clip((seconds - times[after - 1]) / (times[after] - times[after - 1]), 0.0, 1.0)
    if kind == "stepped":
        share = np.floor(share)
    elif kind == "smooth":
        share = smooth_step(share)
    return values[after - 1] + share * (values[after] - values[after - 1])
