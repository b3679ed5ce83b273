"""From a FLAME file to a head in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import bpy
import numpy as np

from .. import spaces
from ..errors import EiferError
from . import head_data, head_object


class Added(NamedTuple):
    """A new head."""

    object: bpy.types.Object
    notes: tuple[str, ...]


def add(
    scene: bpy.types.Scene, path: str | Path, *, identity_keys: int = 100, side_files: bool = True
) -> Added:
    """Add the head of a FLAME file to a scene.

    side_files: also use what lies beside it. Raises EiferError before anything is added.
    """
    from ..heads.flame import read_flame, side_files_beside
    from ..heads.flame_head import flame_head

    if not str(path):
        raise EiferError("No file was chosen; choose a FLAME model, a .pkl or an .npz.")
    path = Path(path)
    file = read_flame(path, side_files=side_files_beside(path) if side_files else ())
    made = flame_head(file, identities=identity_keys)
    obj = head_object.add_head(scene, made.head, name=file.title, identity_keys=identity_keys)
    head_data.store(obj, made.head, made.from_default, made.to_default)
    for name, members in (file.side.masks or {}).items():
        group = obj.vertex_groups.new(name=f"FLAME {name}")
        group.add(np.flatnonzero(members).tolist(), 1.0, "REPLACE")
    return Added(obj, (*made.notes, describe(made.from_default)))


def describe(transfer: head_data.Transfer) -> str:
    """How well the default head's expressions arrive, in a sentence."""
    residual = transfer.residual_mm
    return (
        f"Expressions of the default head arrive within {np.median(residual[:50]):.2f} mm (median; at most "
        f"{residual[:50].max():.2f} mm), lids within {residual[50:52].max():.2f} mm and an open jaw within "
        f"{residual[52]:.2f} mm, root mean square over the face."
    )


def residual_table(head: bpy.types.Object) -> str:
    """CSV: how far each expression of one head is from what the other makes of it, root mean square in mm.

    At 1 of each parameter, the jaw at 0.25, 0.1 and 0.1 rad. Raises EiferError for the default head, which
    has nothing to be translated.
    """
    if not head_data.is_stored(head):
        raise EiferError(f"'{head.name}' is the default head, which takes performances as they are.")
    data = head_data.load(head)
    lines = ["parameter,from_default_mm,to_default_mm"]
    columns = (spaces.DEFAULT_SPACE.names, data.from_default.residual_mm, data.to_default.residual_mm)
    lines += [f"{name},{there:.4f},{back:.4f}" for name, there, back in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"
