"""Electrodes on a face: where a session has them, what they look like, and their surfaces.

A session wears Fridlund's pairs (two electrodes along each of the 22 muscles), Kuramoto's 19 sites, a ground
and a reference, about 65 in all, some of them lost; they are discs with a rim and an adhesive collar, most
of them with a cable, held by strips of tape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...electrodes import CHANNEL_MM, SITES, course_mm
from ...heads.default import load_default_head
from ...heads.frontal_plane import frontal_plane
from ...heads.surface_map import on_surface
from ...muscles import CHANNELS

_PAIR_MM = 8.0  # from a muscle's site to each of its two electrodes
_JITTER_MM = 3.5
_VARIANTS = 48  # layouts that are worked out once
_MORE_MM = ((0.0, 82.0), (0.0, 8.0))  # ground on the forehead, reference on the nose
_TAPES = 10

# A disc's profile: (radius, height) of the inner and the outer edge of each band, in the electrode's radius
# and height; what the band is made of; its glossiness.
BANDS = (
    ((0.0, 1.25), (0.34, 1.25), "snap"),
    ((0.34, 1.25), (0.40, 0.85), "snap"),
    ((0.40, 0.85), (0.80, 0.80), "body"),
    ((0.80, 0.80), (1.0, 0.40), "body"),
    ((1.0, 0.40), (1.0, 0.0), "rim"),
    ((1.0, 0.12), (1.0, 0.05), "collar"),  # the outer edge is the collar's own radius
)
SEGMENTS = 10
CABLE_POINTS = 9

_BODIES = np.array(
    [(0.55, 0.56, 0.55), (0.03, 0.03, 0.035), (0.75, 0.73, 0.68), (0.10, 0.16, 0.30), (0.42, 0.05, 0.05),
     (0.10, 0.25, 0.12), (0.60, 0.50, 0.10), (0.30, 0.30, 0.32)]
)  # fmt: skip
_CABLES = np.array(
    [(0.02, 0.02, 0.02), (0.55, 0.55, 0.53), (0.30, 0.04, 0.04), (0.04, 0.08, 0.25), (0.45, 0.36, 0.05),
     (0.05, 0.20, 0.07), (0.30, 0.15, 0.03), (0.20, 0.20, 0.21)]
)  # fmt: skip


@dataclass(frozen=True)
class Layouts:
    """Places of k electrodes on the default head, in several variants."""

    triangles: np.ndarray  # int64 [variants, k, 3] vertices of the head
    weights: np.ndarray  # float32 [variants, k, 3]
    names: tuple[str, ...]  # [k]


@dataclass(frozen=True)
class Session:
    """What one session of a person wears; colours are linear RGB, lengths metres."""

    variant: int  # of `layouts`
    present: np.ndarray  # bool [k]
    radius: np.ndarray  # [k]
    height: np.ndarray  # [k]
    collar: np.ndarray  # [k] radius
    colours: dict[str, np.ndarray]  # snap, body, rim, collar -> [k, 3]
    gloss: float
    collar_opacity: float
    wired: np.ndarray  # bool [k]
    cable_radius: float
    cable_colour: np.ndarray  # [k, 3]
    cable_end: np.ndarray  # [k, 3]
    cable_sag: np.ndarray  # [k]
    tapes: np.ndarray  # [t, 4] electrode it holds, direction (radians), half length, half width
    tape_colour: np.ndarray  # [3]
    tape_opacity: float


@lru_cache(maxsize=2)
def layouts(unseen: bool = False) -> Layouts:
    """Layouts to train on, or ones that were never trained on."""
    head = load_default_head()
    plane = frontal_plane(head)
    rng = np.random.default_rng(77 if unseen else 7)
    places, names = _chart()
    count = len(places)
    jitter = rng.normal(0.0, _JITTER_MM, (_VARIANTS, count, 2)) * [1.0, 1.0]
    jitter += rng.normal(0.0, _JITTER_MM / 2, (_VARIANTS, 1, 2))
    spread = rng.uniform(0.96, 1.04, (_VARIANTS, 1, 1))
    triangles, weights = on_surface(head, plane.to_surface((places * spread + jitter).reshape(-1, 2)))
    return Layouts(
        triangles.reshape(_VARIANTS, count, 3).astype(np.int64),
        weights.reshape(_VARIANTS, count, 3).astype(np.float32),
        names,
    )


def _chart() -> tuple[np.ndarray, tuple[str, ...]]:
    """(millimetres [k, 2], names) of a full montage on the chart of `electrodes`."""
    places, names = [], []
    for channel, site in zip(CHANNELS, CHANNEL_MM, strict=True):
        course = course_mm(channel)
        along = course[-1] - course[0]
        if np.linalg.norm(along) < 1e-6:  # a ring around the eye: along it, below
            along = np.array([1.0, 0.0])
        along = along / np.linalg.norm(along)
        places += [site - _PAIR_MM * along, site + _PAIR_MM * along]
        names += [f"{channel}+", f"{channel}-"]
    places += [np.array(p, float) for p in SITES.values()] + [np.array(p) for p in _MORE_MM]
    names += [*SITES, "ground", "reference"]
    return np.array(places), tuple(names)


def make_session(number: int, unseen: bool = False) -> Session:
    """What the session of that number wears; unseen: by rules a training never met."""
    rng = np.random.default_rng([number, 211 + unseen])
    names = layouts(unseen).names
    k = len(names)
    present = rng.random(k) > rng.choice([0.02, 0.1, 0.3])
    scheme = rng.random()
    if scheme < 0.15:
        present &= np.array([n.startswith("K") for n in names])
    elif scheme < 0.35:
        present &= np.array([not n.startswith("K") for n in names])
    size = rng.uniform(0.0030, 0.0056) if not unseen else rng.uniform(0.0026, 0.0062)
    collar = size * (rng.uniform(1.2, 1.9) if rng.random() < 0.7 else 1.0)
    end = _bundle(rng, k, names)
    return Session(
        variant=int(rng.integers(_VARIANTS)),
        present=present,
        radius=size * np.exp(rng.normal(0, 0.04, k)),
        height=rng.uniform(0.0012, 0.004) * np.exp(rng.normal(0, 0.05, k)),
        collar=collar * np.exp(rng.normal(0, 0.05, k)),
        colours=_colours(rng, k, unseen),
        gloss=rng.uniform(0.2, 1.0),
        collar_opacity=rng.uniform(0.5, 1.0),
        wired=rng.random(k) < rng.choice([0.0, 0.85, 0.95, 1.0], p=[0.1, 0.2, 0.4, 0.3]),
        cable_radius=rng.uniform(0.0004, 0.0011),
        cable_colour=_pick(rng, _CABLES, k, rng.random() < 0.5),
        cable_end=end,
        cable_sag=rng.uniform(0.004, 0.016, k),
        tapes=_tapes(rng, k),
        tape_colour=np.array([(0.78, 0.76, 0.72), (0.65, 0.48, 0.36), (0.80, 0.80, 0.80)])[rng.integers(3)],
        tape_opacity=rng.uniform(0.35, 0.95),
    )


def _colours(rng: np.random.Generator, k: int, unseen: bool) -> dict[str, np.ndarray]:
    varied = rng.random() < 0.3
    body = _pick(rng, _BODIES, k, varied)
    if unseen:
        body = np.clip(body * np.exp(rng.normal(0, 0.5, 3)), 0, 0.9)
    collar = np.array([(0.80, 0.79, 0.76), (0.62, 0.47, 0.36), (0.25, 0.40, 0.62), (0.05, 0.05, 0.05)])
    metal = np.array([(0.50, 0.49, 0.46), (0.60, 0.45, 0.18), (0.08, 0.08, 0.08)])
    return {
        "snap": np.tile(metal[rng.integers(len(metal))], (k, 1)),
        "body": body,
        "rim": body * rng.uniform(0.3, 1.2),
        "collar": np.tile(collar[rng.choice(len(collar), p=[0.55, 0.2, 0.15, 0.1])], (k, 1)),
    }


def _pick(rng: np.random.Generator, table: np.ndarray, k: int, varied: bool) -> np.ndarray:
    chosen = rng.integers(len(table), size=k) if varied else np.full(k, rng.integers(len(table)))
    return table[chosen] * np.exp(rng.normal(0, 0.1, (1, 3)))


def _bundle(rng: np.random.Generator, k: int, names: tuple[str, ...]) -> np.ndarray:
    """[k, 3] metres: where cables leave, by side of the face: behind the ears, over the head, or down."""
    layout = layouts()
    head = load_default_head()
    at = (head.template[layout.triangles[0]] * layout.weights[0][..., None]).sum(1)
    side = np.where(at[:, 0] + rng.normal(0, 0.012, k) >= 0, 1.0, -1.0)
    way = rng.choice(3, p=[0.5, 0.3, 0.2])
    if way == 0:
        place = np.stack([side * 0.105, np.full(k, rng.uniform(0.05, 0.14)), np.full(k, -0.02)], 1)
    elif way == 1:
        place = np.stack([side * 0.03, np.full(k, 0.27), np.full(k, 0.02)], 1)
        low = at[:, 1] < 0.135  # not over the eyes
        place[low] = np.stack([side * 0.105, np.full(k, 0.07), np.full(k, 0.0)], 1)[low]
    else:
        place = np.stack([side * 0.07, np.full(k, -0.06), np.full(k, rng.uniform(0.05, 0.12))], 1)
        up = at[:, 1] > 0.14
        place[up] = np.stack([side * 0.11, np.full(k, 0.12), np.full(k, 0.0)], 1)[up]
    return place + rng.normal(0, 0.006, (k, 3))


def _tapes(rng: np.random.Generator, k: int) -> np.ndarray:
    count = rng.integers(0, _TAPES + 1) if rng.random() < 0.7 else 0
    tapes = np.zeros((_TAPES, 4))
    tapes[:, 2:] = -1.0  # no tape
    tapes[:count, 0] = rng.integers(k, size=count)
    tapes[:count, 1] = rng.uniform(0, np.pi, count)
    tapes[:count, 2] = rng.uniform(0.010, 0.022, count)
    tapes[:count, 3] = rng.uniform(0.004, 0.008)
    return tapes
