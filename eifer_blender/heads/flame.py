"""FLAME models as the files of their authors hold them (Li et al. 2017; flame.is.tue.mpg.de).

No FLAME file comes with this project: a user who has one opens it. Frame: metres, y up, face towards +z, the
subject's left is +x.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from ..errors import EiferError

IDENTITY_COUNT = 300  # of the official releases; expressions follow
PARENTS = (-1, 0, 1, 1, 1)
_SHAPES = {
    "v_template": "V3", "f": "F3", "shapedirs": "V3S", "posedirs": "V3P", "weights": "VJ",
    "J_regressor": "JV", "kintree_table": "2J",
}  # fmt: skip


class FlameFile(NamedTuple):
    """A FLAME model; V vertices, F triangles, I identity and E expression components."""

    title: str  # what it is, for people
    template: np.ndarray  # float32 [V, 3] metres
    faces: np.ndarray  # int32 [F, 3]
    identity: np.ndarray  # float32 [I, V, 3] metres per standard deviation
    expression: np.ndarray  # float32 [E, V, 3] metres per standard deviation
    pose_correctives: np.ndarray  # float32 [4, 9, V, 3]: neck, jaw, left, right eye; entries of R - I
    joint_regressor: np.ndarray  # float32 [5, V]
    weights: np.ndarray  # float32 [V, 5], rows sum to 1
    hash: str  # SHA-256 over the arrays
    notes: tuple[str, ...] = ()
    uv: np.ndarray | None = None  # float32 [F, 3, 2]
    masks: dict[str, np.ndarray] | None = None  # name -> bool [V]
    eyelids: np.ndarray | None = None  # float32 [2, V, 3] closing, left and right
    mediapipe: dict[str, np.ndarray] | None = None  # ids [n], faces [n], weights [n, 3]


def from_arrays(arrays: dict[str, Any]) -> FlameFile:
    """A model from plain arrays under FLAME's names.

    Raises EiferError if one is missing, has an impossible shape or value, or does not fit the others.
    """
    missing = [name for name in _SHAPES if name not in arrays]
    if missing:
        raise EiferError(f"The file has no '{missing[0]}', so it is no FLAME model.")
    template = np.asarray(arrays["v_template"], np.float32)
    shapes = np.asarray(arrays["shapedirs"], np.float32).transpose(2, 0, 1)
    count = len(template)
    pose = np.asarray(arrays["posedirs"], np.float32).reshape(count, 3, 4, 9).transpose(2, 3, 0, 1)
    weights = np.asarray(arrays["weights"], np.float32)
    parts = (
        template,
        np.asarray(arrays["f"]).astype(np.int32),
        np.ascontiguousarray(shapes[:IDENTITY_COUNT]),
        np.ascontiguousarray(shapes[IDENTITY_COUNT:]),
        np.ascontiguousarray(pose),
        np.asarray(arrays["J_regressor"], np.float32),
        weights / weights.sum(1, keepdims=True),
    )
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part))
    return FlameFile("FLAME", *parts, digest.hexdigest())
