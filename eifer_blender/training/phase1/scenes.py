"""What a picture shows: a person's face at a moment, the pose, the camera, the light and what lies behind."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .electrodes import Session, make_session
from .people import Look, clip, expressions, make_identity, make_look


@dataclass(frozen=True)
class Light:
    """Where light comes from; directions in the camera's frame (x right, y up, z to the camera)."""

    ambient: np.ndarray  # [3] linear RGB
    gradient: np.ndarray  # [3, 3] RGB change along x, y, z
    key: np.ndarray  # [3] unit vector
    key_colour: np.ndarray  # [3]
    key_softness: float
    rim: np.ndarray  # [3]
    rim_colour: np.ndarray  # [3]
    exposure: float
    contrast: float


@dataclass(frozen=True)
class Scene:
    """One picture; see the fields. Everything that its look depends on but the size in pixels."""

    person: int
    identity: np.ndarray  # [50]
    look: Look
    params: np.ndarray  # [55]
    gaze: np.ndarray  # [2, 3]
    rotation: np.ndarray  # [3] axis-angle, of the head against the camera
    distance: float  # metres from the camera
    crop: np.ndarray  # [4] shift x, y in crop sizes; size factor; roll in radians
    light: Light
    backdrop: int  # seed of what lies behind
    session: Session | None  # electrodes
    unseen: bool
    grain: float  # of the sensor
    blur: float  # pixels
    noise: int  # seed of the grain


_YAW, _PITCH, _ROLL = 0.30, 0.18, 0.10  # radians, standard deviations
_CROP_SHIFT, _CROP_SIZE, _CROP_ROLL = 0.035, 0.06, 0.04


def make_scenes(
    person: int, count: int, *, electrodes: bool, unseen: bool = False, still: bool = False
) -> list[Scene]:
    """Pictures of one person in one session: one light and one background, many faces and poses.

    still: consecutive frames of one clip with a slowly turning head, instead of single moments.
    unseen: light and electrodes by rules that training never uses.
    """
    rng = np.random.default_rng([person, 307 + electrodes + 2 * unseen])
    look, identity = make_look(person), make_identity(person)
    light, backdrop = make_light(rng, unseen), int(rng.integers(2**31))
    distance = float(np.exp(rng.uniform(np.log(0.55), np.log(2.5))))
    session = make_session(person, unseen) if electrodes else None
    faces = clip(person, count, int(rng.integers(500))) if still else expressions(person, count, rng)
    pose, gaze = _slow(rng, count) if still else _single(rng, count)
    base = rng.normal(0, [_CROP_SHIFT, _CROP_SHIFT, _CROP_SIZE, _CROP_ROLL])
    own = rng.normal(0, 1, (count, 4)) * [_CROP_SHIFT, _CROP_SHIFT, _CROP_SIZE, _CROP_ROLL]
    crops = base * 0.5 + (own * 0.05 if still else own)
    crops[:, 2] = np.exp(crops[:, 2])
    grain, blur = rng.uniform(0.0, 0.035), max(rng.uniform(-0.5, 1.1), 0.0)
    return [
        Scene(person, identity, look, faces[i], gaze[i], pose[i], distance, crops[i], light, backdrop,
              session, unseen, grain, blur, int(rng.integers(2**31)))
        for i in range(count)
    ]  # fmt: skip


def without_electrodes(scene: Scene) -> Scene:
    """The same picture of the uncovered face: the truth for what a removal should give."""
    return replace(scene, session=None)


def _single(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    pose = rng.normal(0, [_PITCH, _YAW, _ROLL], (count, 3))
    gaze = np.zeros((count, 2, 3))
    gaze[:] = (rng.normal(0, [0.10, 0.16, 0.0], (count, 3)) - 0.35 * pose * [1, 1, 0])[:, None]
    return pose.astype(np.float32), np.clip(gaze, -0.4, 0.4).astype(np.float32)


def _slow(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A head that sways, as one that sits before a camera does."""
    time = np.arange(count)[:, None] / 30.0
    base = rng.normal(0, [0.08, 0.12, 0.03])
    speed, phase = rng.uniform(0.3, 1.2, 3), rng.uniform(0, 2 * np.pi, 3)
    pose = base + [0.05, 0.09, 0.03] * np.sin(speed * time + phase)
    gaze = np.zeros((count, 2, 3))
    gaze[:] = np.clip(-pose * [0.6, 0.6, 0.0], -0.4, 0.4)[:, None]
    return pose.astype(np.float32), gaze.astype(np.float32)


def make_light(rng: np.random.Generator, unseen: bool = False) -> Light:
    """A light to photograph faces in; unseen: lower, more coloured, from further aside."""
    warmth = rng.normal(0, 0.10 if not unseen else 0.22)
    white = np.exp(np.array([warmth, 0.0, -warmth]))
    ambient = white * rng.uniform(0.20, 0.75)
    gradient = rng.normal(0, 0.02, (3, 3)) + white[:, None] * rng.normal(0, [0.14, 0.20, 0.10])
    turn = rng.uniform(-1.1, 1.1) if not unseen else rng.choice([-1, 1]) * rng.uniform(0.6, 1.5)
    lift = rng.uniform(-0.1, 1.0) if not unseen else rng.uniform(-0.4, 1.2)
    key = np.array([np.sin(turn) * np.cos(lift), np.sin(lift), np.cos(turn) * np.cos(lift)])
    strength = rng.uniform(0.15, 1.1)
    side = rng.choice([-1.0, 1.0])
    rim = np.array([side * 0.95, rng.uniform(-0.1, 0.6), rng.uniform(-0.5, 0.1)])
    tint = np.exp(rng.normal(0, 0.08 if not unseen else 0.25, 3))
    return Light(
        ambient=ambient,
        gradient=gradient * rng.uniform(0.3, 1.0),
        key=key,
        key_colour=white * tint * strength,
        key_softness=rng.uniform(0.0, 0.35),
        rim=rim / np.linalg.norm(rim),
        rim_colour=np.exp(rng.normal(0, 0.2, 3)) * max(rng.uniform(-0.5, 0.7), 0.0),
        exposure=rng.uniform(0.75, 1.35),
        contrast=rng.uniform(0.85, 1.15),
    )
