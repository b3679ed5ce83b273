"""The face of a head as numbers: ARKit weights and expression parameters, written and read back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import bpy
import numpy as np

from ... import interchange
from ...errors import EiferError
from ...heads.arkit import to_arkit
from .. import head_object, performance

_WRITTEN = 6e-6  # relative: six significant digits
_FITTED_MM = 0.1  # of the face that ARKit's shapes cannot say, before it is worth a sentence


class Table(NamedTuple):
    """A format of numbers."""

    id: str
    name: str
    ending: str
    description: str


TABLES: dict[str, Table] = {
    one.id: one
    for one in (
        Table("LIVE_LINK_FACE", "Live Link Face", ".csv", "ARKit's 52 shapes with a timecode"),
        Table("PARAMETERS_CSV", "Parameters (CSV)", ".csv", "The head's parameters, as in the MMM data set"),
        Table("PARAMETERS_NPZ", "Parameters (NPZ)", ".npz", "The head's parameters, names and frame rate"),
    )
}
"""The formats that hold numbers, by their id."""


def steps(
    scene: bpy.types.Scene, head: bpy.types.Object, frames: tuple[int, int], kind: str, file: Path
) -> Iterator[float]:
    """Reads the face, writes `file` and reads it back; yields the share of the reading that is done.

    Its return value is a tuple of notes. Raises EiferError if nothing animates the face or the file says
    something else.
    """
    geometry = performance.check(head)
    fps = scene.render.fps / scene.render.fps_base
    played = yield from performance.steps(head, scene, np.arange(frames[0], frames[1] + 1))
    notes = list(played.notes)
    if kind == "LIVE_LINK_FACE":
        # ARKit keys are handed on as they were keyed; only the rest has to be fitted.
        fitted = to_arkit(geometry, played.own)
        values = np.clip(fitted.weights + played.arkit, 0.0, 1.0)
        interchange.write_live_link_face(file, values, fps)
        left = float(fitted.residual_mm.max(initial=0.0))
        if left >= _FITTED_MM:
            notes.append(f"ARKit's shapes leave up to {left:.1f} mm of the face unsaid.")
    elif kind == "PARAMETERS_CSV":
        values = played.parameters
        interchange.write_parameters(file, geometry.space, values, identity=_person(head))
    else:
        values = played.parameters
        interchange.write_parameter_arrays(file, geometry.space, values, fps, identity=_person(head))
    _compare(file, values)
    return tuple(notes)


def _person(head: bpy.types.Object) -> np.ndarray | None:
    return head_object.identity_of(head) if head_object.identity_names(head) else None


def _compare(file: Path, values: np.ndarray) -> None:
    """Raises EiferError if the file does not give the numbers back."""
    read = interchange.read_expressions(file).values
    if read.shape == values.shape and np.allclose(read, values, rtol=_WRITTEN, atol=1e-9):
        return
    raise EiferError("What was written does not read back as the same numbers; nothing was exported.")
