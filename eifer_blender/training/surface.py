"""The scored part of the default head's surface: fast displacements in millimetres, by region.

Regions that the head has on both sides are kept apart here; `GROUPS` says how tables pool them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..heads.deform import deform
from ..heads.head import ParametricHead
from ..heads.metric import face_vertices

REGIONS = ("brow_l", "brow_r", "eye_l", "eye_r", "nose", "mouth_corner_l", "mouth_corner_r", "mouth", "chin")
"""Regions of the head that are scored, each over its vertices that expressions move."""

GROUPS: dict[str, tuple[str, ...]] = {
    "brow": ("brow_l", "brow_r"),
    "eyes": ("eye_l", "eye_r"),
    "nose": ("nose",),
    "mouth corners": ("mouth_corner_l", "mouth_corner_r"),
    "mouth": ("mouth",),
    "chin": ("chin",),
}
"""Rows of tables -> regions whose frames they pool."""

GOAL_GROUPS = ("brow", "eyes", "nose", "mouth corners")
"""Groups for which the project has a goal."""

_BLOCK = 256  # frames deformed at once


class Surface(NamedTuple):
    """What is needed to deform and score the moving skin of a head."""

    part: ParametricHead  # the head, cropped to the face and what its joints depend on
    inside: np.ndarray  # bool [part's vertices]: the face
    vertices: np.ndarray  # int [v]: the face in the whole head
    rest: np.ndarray  # float32 [v, 3] mm: the neutral face
    mean_of: np.ndarray  # float32 [v, R + 1]: mean over each of REGIONS, last over the whole face


def face_surface(head: ParametricHead) -> Surface:
    """The surface that scores are computed on."""
    face = face_vertices(head)
    kept = face | (head.joint_regressor != 0).any(0)
    part, inside = _crop(head, kept), face[kept]
    members = np.stack([head.regions[name][face] for name in REGIONS] + [np.ones(face.sum(), bool)], 1)
    rest = deform(part, np.zeros((1, 55), np.float32))[0, inside] * 1000
    mean_of = (members / members.sum(0)).astype(np.float32)
    return Surface(part, inside, np.flatnonzero(face), rest.astype(np.float32), mean_of)


def displacements(surface: Surface, params: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(frames, displacement from neutral float32 [block, v, 3] mm) of parameters [n, 55], block by block."""
    for start in range(0, len(params), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(params)))
        yield rows, deform(surface.part, params[rows])[:, surface.inside] * 1000 - surface.rest


def _crop(head: ParametricHead, kept: np.ndarray) -> ParametricHead:
    """The head with some of its vertices only: enough to deform, not to show."""
    return replace(
        head,
        template=head.template[kept],
        expression=head.expression[:, kept],
        eyelids=head.eyelids[:, kept],
        jaw_correctives=head.jaw_correctives[:, kept],
        joint_regressor=head.joint_regressor[:, kept],
        weights=head.weights[kept],
    )
