"""A second, independent face to test on and never to train on: vector muscles after Waters.

Linear muscles pull the skin towards their origin on the bone, within a cone and a radius; sphincters draw it
towards a centre (K. Waters, "A muscle model for animating three-dimensional facial expression", SIGGRAPH
1987). They are placed by anatomy on the default head's landmarks and know nothing of its shapes or of the
simulation's tables. Movements, dynamics, crosstalk and noise differ from the simulation's as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..electrodes import CHANNEL_MM
from ..heads.deform import deform
from ..heads.head import ParametricHead
from ..heads.shapes import solve_expression
from ..muscles import CHANNEL_COUNT, CHANNELS, MUSCLE_OF_CHANNEL, MUSCLES, SIDES
from ..spaces import DEFAULT_SPACE, JAW

RATE = 30.0

_UNMEASURED = ("depressor_labii_l", "depressor_labii_r", "jaw")
FORCES = CHANNELS + _UNMEASURED
"""Columns of force arrays; the jaw opens without an electrode and the lower lip falls without one."""


class _Linear(NamedTuple):
    """A left muscle; places are (landmark, offset in mm), the right one is its mirror image."""

    origin: tuple[str, tuple[float, float, float]]
    insertion: tuple[str, tuple[float, float, float]]
    degrees: float  # half angle of the cone that it pulls on
    reach: float  # radius at which the pull has ended, in lengths of the muscle
    pull_mm: float  # shift of the insertion at full force
    lip: str = ""  # "upper" or "lower": the lip that it spares the other one of


_LINEAR: dict[str, _Linear] = {
    "medial_frontalis": _Linear(("brow_inner", (0, 46, -8)), ("brow_inner", (1, 0, 0)), 32, 1.35, 10.0),
    "lateral_frontalis": _Linear(("brow_outer", (-8, 46, -6)), ("brow_outer", (-4, 3, 2)), 30, 1.30, 10.0),
    "corrugator_supercilii": _Linear(("glabella", (2, -16, -4)), ("brow_mid", (-5, 1, 1)), 46, 1.45, 10.0),
    "depressor_supercilii": _Linear(("nose_bridge", (5, -4, -3)), ("brow_inner", (-2, 2, 1)), 48, 1.40, 8.0),
    "levator_labii_superioris": _Linear(
        ("eye_inner", (6, -14, 2)), ("nose_wing", (2, -17, -1)), 34, 1.35, 9.5, "upper"
    ),
    "zygomaticus": _Linear(("cheek", (16, 8, -22)), ("mouth_corner", (0, 0, 0)), 30, 1.45, 12.0),
    "depressor_anguli_oris": _Linear(
        ("mouth_corner", (9, -32, -9)), ("mouth_corner", (0, 0, 0)), 36, 1.45, 8.0
    ),
    "mentalis": _Linear(("lip_lower", (4, 12, 0)), ("chin", (4, -10, -5)), 60, 1.60, 6.0, "lower"),
    "depressor_labii": _Linear(("chin", (13, -6, -8)), ("lip_lower", (9, 0, -1)), 34, 1.25, 6.0, "lower"),
}
_JAW_RAD = 0.30
# Where the unmeasured ones are: under the lower lip, and the digastric at the chin's lower border.
_UNMEASURED_MM = ((15.0, -62.0), (-15.0, -62.0), (0.0, -82.0))
_UNMEASURED_UV = (150.0, 150.0, 300.0)
# Half axes in mm of the sphincters' ellipses.
_MOUTH_MM = (42.0, 30.0)
_EYE_MM = (36.0, 30.0)


class Field(NamedTuple):
    """What every force does to the head; displacements are linear in force but for the jaw."""

    pull: np.ndarray  # float32 [25, V, 3] metres at full force; nothing for the jaw
    lids: np.ndarray  # float32 [2, V, 3] metres: left and right eye shut


def waters_field(head: ParametricHead, scatter: np.random.Generator | None = None) -> Field:
    """The muscles of one person; `scatter` moves their ends and varies strength and width."""
    points = head.template.astype(np.float64) * 1000
    soft = _soft(head)
    pull = np.zeros((len(FORCES), *points.shape))
    for name, muscle in _LINEAR.items():
        own = _varied(muscle, scatter)
        for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
            field = _linear(head, own, points, sign)
            if own.lip:
                lower = head.weights[:, 2].astype(np.float64)[:, None]
                field *= lower if own.lip == "lower" else 1.0 - lower
            pull[FORCES.index(f"{name}_{side}")] = field
    strength = np.exp(scatter.normal(0.0, 0.15, 2)) if scatter else np.ones(2)
    lids = np.zeros((2, *points.shape))
    for k, (side, sign) in enumerate(zip(SIDES, (1.0, -1.0), strict=True)):
        pull[FORCES.index(f"orbicularis_oculi_{side}")] = strength[0] * _squeeze(head, points, side)
        pull[FORCES.index(f"orbicularis_oris_{side}")] = strength[1] * _pucker(head, points, sign)
        lids[k] = _shut(head, points, side)
    skin = soft[:, None] / 1000
    return Field((pull * skin).astype(np.float32), (lids * skin).astype(np.float32))


def faces(head: ParametricHead, field: Field, force: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Displacement float32 [n, len(vertices), 3] metres of some vertices for forces [n, 25] 0..1."""
    part = _chosen(head, vertices)
    jaw = np.zeros((len(force), DEFAULT_SPACE.size), np.float32)
    jaw[:, JAW.start] = _JAW_RAD * force[:, FORCES.index("jaw")]
    keep = part.template.shape[0] - len(vertices)
    moved = deform(part, jaw)[:, keep:] - deform(part, jaw[:1] * 0)[:, keep:]
    moved += np.tensordot(force, field.pull[:, vertices], 1)
    moved += np.tensordot(_closing(force), field.lids[:, vertices], 1)
    return moved


def _chosen(head: ParametricHead, vertices: np.ndarray) -> ParametricHead:
    """The head with what its joints depend on, then the vertices asked for."""
    anchors = np.flatnonzero((head.joint_regressor != 0).any(0))
    rows = np.concatenate([anchors, vertices])
    regressor = np.zeros((len(head.joint_regressor), len(rows)), np.float32)
    regressor[:, : len(anchors)] = head.joint_regressor[:, anchors]
    return replace(
        head,
        template=head.template[rows],
        expression=head.expression[:, rows],
        eyelids=head.eyelids[:, rows],
        jaw_correctives=head.jaw_correctives[:, rows],
        joint_regressor=regressor,
        weights=head.weights[rows],
    )


class Take(NamedTuple):
    """One performance with its recording; a clip of `RATE` frames a second."""

    force: np.ndarray  # float32 [n, 25] what moves the face
    envelope_uv: np.ndarray  # float32 [n, 22]


@dataclass(frozen=True)
class Person:
    """Somebody of this domain."""

    field: Field
    maximum_uv: np.ndarray  # [22]
    leak: np.ndarray  # [22, 25] share of a force's microvolts at every electrode
    delay: float  # seconds from activity to force
    hertz: float  # natural frequency of the second-order response
    damping: float
    half: float  # activity at which force has reached half of its bound


def make_person(head: ParametricHead, number: int) -> Person:
    """The person of that number; the same number is always the same person."""
    rng = np.random.default_rng([number, 1987])
    places = np.concatenate([CHANNEL_MM, _UNMEASURED_MM])
    gap = np.linalg.norm(CHANNEL_MM[:, None] - places[None], axis=-1)
    leak = rng.uniform(0.15, 0.35) * np.exp(-gap / rng.uniform(14.0, 24.0))
    np.fill_diagonal(leak, 1.0)
    maximum = np.array([m.maximum_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]
    return Person(
        field=waters_field(head, rng),
        maximum_uv=maximum * rng.lognormal(0.0, 0.4, CHANNEL_COUNT),
        leak=leak,
        delay=rng.uniform(0.05, 0.10),
        hertz=rng.uniform(2.0, 3.2),
        damping=rng.uniform(0.75, 0.95),
        half=rng.uniform(0.5, 1.2),
    )


def perform(person: Person, seconds: float, seed: int) -> Take:
    """Random movements of `_RECIPES` one after the other, and what electrodes report of them."""
    rng = np.random.default_rng([seed, 42])
    activity = _activity(seconds, rng)
    force = _response(person, activity)
    sources = activity * np.append(person.maximum_uv, _UNMEASURED_UV)
    level = np.sqrt((sources**2) @ (person.leak**2).T + (0.02 * person.maximum_uv) ** 2)
    # An RMS over some 100 ms of a band of some 130 Hz wavers by about a sixth, alike in neighbouring frames.
    noise = rng.standard_normal((len(level) + 2, CHANNEL_COUNT))
    waver = (noise[:-2] + noise[1:-1] + noise[2:]) / np.sqrt(3)
    envelope = level * np.exp(0.15 * waver)
    return Take(force, envelope.astype(np.float32))


# Movements by action units (FACS): muscle without side -> activity. The jaw opens with muscles that carry
# electrodes, never alone: what leaves no trace in any channel would test nothing.
_RECIPES: dict[str, dict[str, float]] = {
    "AU1": {"medial_frontalis": 0.9},
    "AU1+2": {"medial_frontalis": 0.8, "lateral_frontalis": 0.9},
    "AU4": {"corrugator_supercilii": 0.9, "depressor_supercilii": 0.7},
    "AU6+12": {"zygomaticus": 0.8, "orbicularis_oculi": 0.4, "levator_labii_superioris": 0.1},
    "AU12": {"zygomaticus": 0.6},
    "AU9+10": {"levator_labii_superioris": 0.9, "depressor_supercilii": 0.6, "corrugator_supercilii": 0.4},
    "AU43": {"orbicularis_oculi": 0.9},
    "AU4+7+43": {"orbicularis_oculi": 1.0, "corrugator_supercilii": 0.7},
    "AU18": {"orbicularis_oris": 0.9, "mentalis": 0.2},
    "AU15+17": {"depressor_anguli_oris": 0.8, "mentalis": 0.6},
    "AU17": {"mentalis": 0.9},
    "AU16": {"depressor_labii": 0.9, "depressor_anguli_oris": 0.4},
    "AU10+12+26": {"zygomaticus": 0.8, "levator_labii_superioris": 0.5, "orbicularis_oculi": 0.3, "jaw": 0.3},
    "AU1+4+15": {"medial_frontalis": 0.8, "corrugator_supercilii": 0.6, "depressor_anguli_oris": 0.6},
    "AU4+23": {"corrugator_supercilii": 0.8, "orbicularis_oris": 0.6, "masseter": 0.6, "mentalis": 0.3},
}


def recipe(name: str) -> np.ndarray:
    """float32 [25]: activity of a movement of `_RECIPES`, both sides alike."""
    amounts = _RECIPES[name]
    return np.array([amounts.get(f.removesuffix("_l").removesuffix("_r"), 0.0) for f in FORCES], np.float32)


def _activity(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """float32 [n, 25]: straight ramps up and down, with a pause between the movements."""
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    activity = np.zeros((count, len(FORCES)))
    names = list(_RECIPES)
    order, at = [], 0.7
    while at < seconds - 2.0:
        order = order or list(rng.permutation(len(names)))
        goal = recipe(names[order.pop()]) * rng.uniform(0.5, 1.0) * rng.lognormal(0.0, 0.15, len(FORCES))
        side = rng.choice(3, p=(0.8, 0.1, 0.1))
        if side:
            goal[side - 1 : CHANNEL_COUNT : 2] *= 0.15
        rise, hold, fall = rng.uniform((0.2, 0.3, 0.25), (0.7, 1.0, 0.8))
        end = min(at + rise + hold + fall, seconds - 0.7)
        ramp = np.clip(np.minimum((time - at) / rise, (end - time) / fall), 0.0, 1.0)
        activity = np.maximum(activity, ramp[:, None] * np.clip(goal, 0.0, 1.0))
        at = end + rng.uniform(0.3, 0.9)
    return activity.astype(np.float32)


def _response(person: Person, activity: np.ndarray) -> np.ndarray:
    """float32 [n, 25] force: saturation after Hill's hyperbola, delay, then mass, spring and damper."""
    from scipy.signal import cont2discrete, lfilter

    bounded = activity * (1 + person.half) / (activity + person.half)
    steps = person.delay * RATE
    whole, share = int(steps), steps - int(steps)
    rows = np.arange(len(activity))
    late = (1 - share) * bounded[np.maximum(rows - whole, 0)] + share * bounded[
        np.maximum(rows - whole - 1, 0)
    ]
    omega = 2 * np.pi * person.hertz
    b, a, _ = cont2discrete(([omega**2], [1, 2 * person.damping * omega, omega**2]), 1 / RATE, method="zoh")
    return np.clip(lfilter(b.ravel(), a, late, axis=0), 0.0, 1.1).astype(np.float32)


def solved(head: ParametricHead, field: Field, force: np.ndarray, block: int = 128) -> np.ndarray:
    """float32 [n, 55]: the expressions that come closest to the faces of forces [n, 25], the jaw as it is."""
    closing = _closing(force)
    parts = []
    for start in range(0, len(force), block):
        rows = slice(start, start + block)
        offsets = np.tensordot(force[rows], field.pull, 1)
        offsets += np.tensordot(closing[rows], field.lids, 1)
        parts.append(solve_expression(head, offsets))
    params = np.concatenate(parts)
    params[:, JAW.start] = _JAW_RAD * force[:, FORCES.index("jaw")]
    return params


def _closing(force: np.ndarray) -> np.ndarray:
    """[n, 2]: how far the eyes are shut; hardly while the cheek is drawn up by a smile."""
    columns = {
        name: [FORCES.index(f"{name}_{s}") for s in SIDES] for name in ("orbicularis_oculi", "zygomaticus")
    }
    alone = force[:, columns["orbicularis_oculi"]] - 0.5 * force[:, columns["zygomaticus"]]
    t = np.clip((alone - 0.25) / 0.5, 0.0, 1.0)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _soft(head: ParametricHead) -> np.ndarray:
    """[V]: 1 on skin and hair that rides on it, 0 on eyeballs, teeth and tongue."""
    hard = np.zeros(len(head.template), bool)
    for name in ("eyeball_l", "eyeball_r", "teeth_upper", "teeth_lower", "tongue"):
        hard |= head.regions[name]
    return (~hard).astype(np.float64)


def _varied(muscle: _Linear, scatter: np.random.Generator | None) -> _Linear:
    if scatter is None:
        return muscle
    ends = [
        (name, tuple(np.array(offset) + scatter.normal(0.0, 2.0, 3)))
        for name, offset in (muscle.origin, muscle.insertion)
    ]
    angle, strength = np.exp(scatter.normal(0.0, (0.08, 0.15)))
    return muscle._replace(
        origin=ends[0], insertion=ends[1], degrees=muscle.degrees * angle, pull_mm=muscle.pull_mm * strength
    )


def _place(head: ParametricHead, place: tuple[str, tuple[float, float, float]], sign: float) -> np.ndarray:
    """Millimetres [3] of a landmark of the left or the middle plus an offset, mirrored for sign -1."""
    name, offset = place
    vertex = head.landmarks.get(name, head.landmarks.get(f"{name}_l"))
    return (head.template[vertex].astype(np.float64) * 1000 + offset) * np.array([sign, 1.0, 1.0])


def _linear(head: ParametricHead, muscle: _Linear, points: np.ndarray, sign: float) -> np.ndarray:
    """Displacement [V, 3] mm of Waters' linear muscle: cosine falloff in angle and in radius."""
    origin, insertion = (_place(head, place, sign) for place in (muscle.origin, muscle.insertion))
    axis, to_point = insertion - origin, points - origin
    length, distance = np.linalg.norm(axis), np.maximum(np.linalg.norm(to_point, axis=1), 1e-6)
    angle = np.degrees(np.arccos(np.clip(to_point @ axis / (distance * length), -1.0, 1.0)))
    sideways = np.cos(np.clip(angle / muscle.degrees, 0.0, 1.0) * np.pi / 2)
    near = np.cos((1 - np.clip(distance / length, 0.0, 1.0)) * np.pi / 2)
    far = np.cos(np.clip((distance / length - 1) / (muscle.reach - 1), 0.0, 1.0) * np.pi / 2)
    amount = muscle.pull_mm * sideways * np.where(distance < length, near, far)
    return -amount[:, None] * to_point / distance[:, None]


def _ellipse(points: np.ndarray, centre: np.ndarray, axes: tuple[float, float], depth: float) -> np.ndarray:
    """[V]: Waters' sphincter weight, 1 at the centre and 0 at the ellipse, only near the front surface."""
    away = (points - centre) / [axes[0], axes[1], depth]
    return np.clip(1.0 - np.linalg.norm(away[:, :2], axis=1), 0.0, 1.0) * (np.abs(away[:, 2]) < 1.0)


def _pucker(head: ParametricHead, points: np.ndarray, sign: float) -> np.ndarray:
    """One half of the mouth's sphincter: lips to the middle and forward."""
    corner = (
        _place(head, ("mouth_corner", (0, 0, 0)), 1.0) + _place(head, ("mouth_corner", (0, 0, 0)), -1.0)
    ) / 2
    weight = _ellipse(points, corner, _MOUTH_MM, 40.0)
    weight = weight * weight * (3 - 2 * weight)
    away = points - corner
    half = 0.5 + 0.5 * np.tanh(sign * points[:, 0] / 8.0)
    field = np.stack([-0.55 * away[:, 0], -0.06 * away[:, 1], np.full(len(points), 6.5)], 1)
    return field * (weight * half)[:, None]


def _squeeze(head: ParametricHead, points: np.ndarray, side: str) -> np.ndarray:
    """The eye's sphincter without the lids: brow down, cheek up, the outer corner inwards."""
    eye = points[head.regions[f"eyeball_{side}"]].mean(0)
    weight = _ellipse(points, eye, _EYE_MM, 45.0)
    ring = np.clip(np.linalg.norm(points - eye, axis=1) / 16.0 - 0.75, 0.0, 1.0)
    away = points - eye
    field = np.stack([-0.25 * away[:, 0], -0.75 * away[:, 1], np.zeros(len(points))], 1)
    return field * (weight * ring)[:, None]


def _shut(head: ParametricHead, points: np.ndarray, side: str) -> np.ndarray:
    """Lids as shutters that turn about the eye's centre until they meet a little below its middle."""
    eye = points[head.regions[f"eyeball_{side}"]].mean(0)

    def angle(p: np.ndarray) -> np.ndarray:
        return np.arctan2(p[..., 1] - eye[1], p[..., 2] - eye[2])

    at = {
        n: points[head.landmarks[f"{n}_{side}"]] for n in ("lid_upper", "lid_lower", "eye_inner", "eye_outer")
    }
    upper, lower = angle(at["lid_upper"]), angle(at["lid_lower"])
    left, right = sorted((at["eye_inner"][0], at["eye_outer"][0]))
    across = np.sqrt(np.clip(1 - (2 * (points[:, 0] - left) / (right - left) - 1) ** 2, 0.0, 1.0))
    meet = lower + 0.25 * (upper - lower)
    phi = angle(points)
    above = np.clip((phi - upper) / 0.45, 0.0, 1.0)
    below = np.clip((lower - phi) / 0.45, 0.0, 1.0)
    turn = np.where(
        phi > meet,
        -(upper - meet) * (1 - above) ** 2 * (1 + 2 * above),
        (meet - lower) * (1 - below) ** 2 * (1 + 2 * below),
    )
    radius = np.linalg.norm(points - eye, axis=1)
    near = np.clip((26.0 - radius) / 6.0, 0.0, 1.0) * (points[:, 2] > eye[2])
    turn = turn * across * near
    y, z = points[:, 1] - eye[1], points[:, 2] - eye[2]
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.stack([np.zeros(len(points)), y * cosine + z * sine - y, z * cosine - y * sine - z], 1)
