"""What the face of a head does over a range of frames, as parameters of its expression space."""

from __future__ import annotations

from typing import NamedTuple

import bpy
import numpy as np


class Performance(NamedTuple):
    """The face over time."""

    parameters: np.ndarray  # float32 [n, 55], ARKit keys included
    stepped: bool  # the scene had to be played frame by frame
    notes: tuple[str, ...]


def sample(head: bpy.types.Object, scene: bpy.types.Scene, frames: np.ndarray) -> Performance:
    """What a head shows at frames (int [n], of its curves)."""
    raise NotImplementedError
