"""The scored part of the default head's surface: fast displacements in millimetres, by region.

Regions that the head has on both sides are kept apart here; `GROUPS` says how tables pool them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..heads.deform import jaw_rotation, joint_positions
from ..heads.head import JOINTS, ParametricHead
from ..heads.metric import face_vertices
from ..spaces import JAW

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

_BLOCK = 64  # frames deformed at once


class Surface(NamedTuple):
    """What is needed to deform and score the moving skin of a head; v vertices, lengths in mm."""

    vertices: np.ndarray  # int [v]: the face in the whole head
    rest: np.ndarray  # float32 [v, 3]: the neutral face
    basis: np.ndarray  # float32 [61, 3 v]: of 50 coefficients, two lids, nine entries of the jaw's turn
    jaw: np.ndarray  # int [j]: those of the v vertices that the jaw carries
    jaw_weights: np.ndarray  # float32 [j, 1]
    joint: np.ndarray  # float32 [3]: the jaw's
    mean_of: np.ndarray  # float32 [v, R + 1]: mean over each of REGIONS, last over the whole face


def face_surface(head: ParametricHead) -> Surface:
    """The surface that scores are computed on."""
    face = np.flatnonzero(face_vertices(head))
    members = np.stack([head.regions[name][face] for name in REGIONS] + [np.ones(len(face), bool)], 1)
    basis = np.concatenate([head.expression, head.eyelids, head.jaw_correctives])[:, face] * 1000
    weights = head.weights[face, JOINTS.index("jaw")]
    jaw = np.flatnonzero(weights)
    return Surface(
        vertices=face,
        rest=head.template[face] * np.float32(1000),
        basis=basis.reshape(len(basis), -1),
        jaw=jaw,
        jaw_weights=weights[jaw, None],
        joint=(joint_positions(head)[JOINTS.index("jaw")] * 1000).astype(np.float32),
        mean_of=(members / members.sum(0)).astype(np.float32),
    )


def displacements(surface: Surface, params: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(frames, displacement from neutral float32 [block, v, 3] mm) of parameters [n, 55], block by block.

    `heads.deform` for a head of which only the expression moves, so that the jaw is its only joint.
    """
    turn = jaw_rotation(params) - np.eye(3)
    coefficients = np.concatenate([params[:, : JAW.start], turn.reshape(-1, 9)], 1, dtype=np.float32)
    turn = turn.astype(np.float32)
    for start in range(0, len(params), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(params)))
        moved = (coefficients[rows] @ surface.basis).reshape(-1, *surface.rest.shape)
        arm = moved[:, surface.jaw] + (surface.rest[surface.jaw] - surface.joint)
        moved[:, surface.jaw] += surface.jaw_weights * (arm @ turn[rows].transpose(0, 2, 1))
        yield rows, moved
