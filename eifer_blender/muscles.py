"""The eleven recorded facial muscles, their two sides and the names they go by in the wild.

This table is the only place that spells muscle names. The order is the order of the MMM and MaM
data sets: alphabetical, left before right; every `[frames, 22]` array of the project uses it.
Left is the subject's left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Muscle(NamedTuple):
    """One muscle, without its side."""

    name: str  # lower snake case, as used in properties, files and models
    label: str  # what a person reads
    short: str  # where there is little room
    german: str  # short name of the Jena group
    fridlund: int  # label of the right-hand Fridlund electrode; the left one is one higher
    action_units: tuple[int, ...]  # FACS
    site_mm: tuple[float, float]  # left electrode on a frontal plane, Frankfort horizontal = 0
    rest_uv: float  # population prior, RMS microvolts at rest
    maximum_uv: float  # population prior, RMS microvolts at maximal contraction


# The two microvolt columns are working defaults, not a measured table (none could be had): rest
# 1-5 uV, maximal 100-300 uV, masseter more; lower-face muscles give larger signals than the brow.
MUSCLES: tuple[Muscle, ...] = (
    Muscle("corrugator_supercilii", "Corrugator supercilii", "Corr", "Corr", 5, (4,), (22, 52), 2.0, 110.0),
    Muscle("depressor_anguli_oris", "Depressor anguli oris", "DAO", "DAO", 13, (15,), (26, -69), 2.5, 160.0),
    Muscle(
        "depressor_supercilii",
        "Depressor supercilii / procerus",
        "DSP",
        "Deprsup",
        7,
        (4, 9),
        (9, 49),
        2.0,
        100.0,
    ),
    Muscle("lateral_frontalis", "Frontalis, lateral", "latF", "lat Front", 3, (2,), (32, 60), 2.0, 100.0),
    Muscle(
        "levator_labii_superioris",
        "Levator labii superioris",
        "LLS",
        "Llsup",
        9,
        (9, 10),
        (28, -12),
        2.0,
        120.0,
    ),
    Muscle("masseter", "Masseter", "Mass", "Mass", 21, (), (70, -50), 2.5, 300.0),
    Muscle("medial_frontalis", "Frontalis, medial", "medF", "med Front", 1, (1,), (10, 65), 2.0, 100.0),
    Muscle("mentalis", "Mentalis", "Ment", "Ment", 15, (17,), (6, -65), 3.0, 220.0),
    Muscle(
        "orbicularis_oculi", "Orbicularis oculi", "OOc", "OrbOc", 17, (6, 7, 43, 45), (42, 10), 2.0, 130.0
    ),
    Muscle(
        "orbicularis_oris", "Orbicularis oris", "OOr", "OrbOr", 11, (18, 22, 23, 24), (21, -52), 2.5, 220.0
    ),
    Muscle("zygomaticus", "Zygomaticus major", "Zyg", "Zyg", 19, (12,), (53, -23), 2.0, 180.0),
)

SIDES = ("l", "r")

CHANNELS: tuple[str, ...] = tuple(f"{m.name}_{side}" for m in MUSCLES for side in SIDES)
"""The 22 channel names, e.g. ``zygomaticus_l``; the column order of every activation array."""

CHANNEL_COUNT = len(CHANNELS)

MUSCLE_OF_CHANNEL: np.ndarray = np.repeat(np.arange(len(MUSCLES)), len(SIDES))
"""int [22]: index into MUSCLES of every channel."""

TOP_TO_BOTTOM: tuple[int, ...] = tuple(
    [m.name for m in MUSCLES].index(name)
    for name in (
        "medial_frontalis",
        "lateral_frontalis",
        "corrugator_supercilii",
        "depressor_supercilii",
        "orbicularis_oculi",
        "levator_labii_superioris",
        "zygomaticus",
        "orbicularis_oris",
        "depressor_anguli_oris",
        "mentalis",
        "masseter",
    )
)
"""Indices into MUSCLES from the forehead to the jaw, for pictures."""

OTHER_SIDE: np.ndarray = np.arange(CHANNEL_COUNT) ^ 1
"""int [22]: the channel of the same muscle on the other side."""


def channel_index(name: str) -> int:
    """Column of a channel name in `[frames, 22]` arrays; ValueError for an unknown name."""
    return CHANNELS.index(name)


def short_label(name: str) -> str:
    """``zygomaticus_l`` -> ``Zygomaticus major L``, for lists."""
    muscle = MUSCLES[channel_index(name) // len(SIDES)]
    return f"{muscle.label.split(' / ')[0]} {name[-1].upper()}"


def channel_label(name: str) -> str:
    """``zygomaticus_l`` -> ``Zygomaticus major, left``."""
    muscle = MUSCLES[channel_index(name) // len(SIDES)]
    return f"{muscle.label}, {'left' if name.endswith('_l') else 'right'}"
