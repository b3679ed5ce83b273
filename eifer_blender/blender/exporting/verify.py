"""Reads an exported file back with Blender's own importer and compares its vertices with the scene's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import bpy
import numpy as np

from ...errors import EiferError
from . import formats
from .sampling import Sampled, world_vertices

LIMIT_MM = 0.1
_SAME_PLACE = 2e-6  # metres between vertices at rest that may be one
_PARTNERS = 8  # vertices at one place that are looked at
_COLLECTIONS = (
    "objects", "meshes", "armatures", "actions", "materials", "images", "textures", "node_groups",
    "collections", "worlds", "cameras", "lights", "curves", "cache_files", "texts", "shape_keys",
)  # fmt: skip


class Verification(NamedTuple):
    """How far what was read back is from the scene."""

    error_mm: float  # of any vertex at any compared frame
    frame: int  # at which it is largest
    object: str
    frames: tuple[int, ...]  # that were compared

    @property
    def passed(self) -> bool:
        """Whether the file plays as the scene does."""
        return self.error_mm <= LIMIT_MM


def verify(path: str, kind: formats.Format, scene: bpy.types.Scene, sampled: list[Sampled]) -> Verification:
    """Import a file into a scratch scene and compare it. Raises EiferError if it holds other meshes."""
    meshes = [one for one in sampled if one.vertices]
    with scratch(scene) as stage:
        formats.run(lambda: kind.read(path), f"read the {kind.name} file back")
        found = _assign(meshes, [o for o in stage.objects if o.type == "MESH"])
        layer = stage.view_layers[0]
        shown: dict[str, dict[int, np.ndarray]] = {one.name: {} for one in meshes}
        frames, stretch = sorted(meshes[0].vertices), kind.stretch(stage)
        for frame in frames:
            moment = frame * stretch
            stage.frame_set(math.floor(moment), subframe=moment % 1.0)
            layer.depsgraph.update()
            for one in meshes:
                shown[one.name][frame] = world_vertices(found[one.name], layer.depsgraph)
    worst = Verification(0.0, frames[0], meshes[0].name, tuple(frames))
    for one in meshes:
        for frame, error in errors(one.vertices, shown[one.name], kind.same_order).items():
            if error * 1000 > worst.error_mm or np.isnan(error):
                worst = worst._replace(error_mm=float(error * 1000), frame=frame, object=one.name)
    return worst


@contextmanager
def scratch(scene: bpy.types.Scene) -> Iterator[bpy.types.Scene]:
    """An empty scene of the same frame rate, in which operators work; all that came into it goes again."""
    stage = bpy.data.scenes.new("EIFER check")
    stage.render.fps, stage.render.fps_base = scene.render.fps, scene.render.fps_base
    known = {name: set(getattr(bpy.data, name)) for name in _COLLECTIONS if hasattr(bpy.data, name)}
    known_scenes = set(bpy.data.scenes)
    try:
        with working_in(stage):
            yield stage
    finally:
        for extra in set(bpy.data.scenes) - known_scenes:
            bpy.data.scenes.remove(extra)
        bpy.data.scenes.remove(stage)
        for name, before in known.items():
            # A mesh may have taken its keys along: what is left is looked up anew each time.
            bpy.data.batch_remove(set(getattr(bpy.data, name)) - before)


@contextmanager
def working_in(stage: bpy.types.Scene) -> Iterator[None]:
    """Blender's operators work in a scene; the window shows the user's again afterwards."""
    window = bpy.context.window or next(iter(bpy.context.window_manager.windows), None)
    if window is None:
        with bpy.context.temp_override(scene=stage, view_layer=stage.view_layers[0]):
            yield
        return
    before, layer = window.scene, window.view_layer
    try:
        window.scene = stage
        with bpy.context.temp_override(window=window, scene=stage, view_layer=stage.view_layers[0]):
            yield
    finally:
        window.scene = before
        window.view_layer = layer


def _assign(wanted: list[Sampled], found: list[bpy.types.Object]) -> dict[str, bpy.types.Object]:
    """Imported meshes by the name of what they were; EiferError if one is missing."""
    left, result = list(found), {}
    for one in wanted:
        count = len(next(iter(one.vertices.values())))
        alike = sorted(
            left, key=lambda obj: (_plain(obj.name) != _plain(one.name), abs(len(obj.data.vertices) - count))
        )
        if not alike:
            raise EiferError(f"The file holds no mesh for '{one.name}'.")
        result[one.name] = alike[0]
        left.remove(alike[0])
    return result


def _plain(name: str) -> str:
    """A name as formats that allow letters and digits only spell it, without Blender's number of copies."""
    base, _, number = name.rpartition(".")
    name = base if base and number.isdecimal() else name
    return "".join(c.casefold() for c in name if c.isalnum())


def errors(wanted: dict[int, np.ndarray], shown: dict[int, np.ndarray], same_order: bool) -> dict[int, float]:
    """Frame -> largest distance in metres between vertices and their partners."""
    frames = sorted(wanted)
    first = frames[0]
    if same_order and len(wanted[first]) == len(shown[first]):
        return {f: float(np.linalg.norm(wanted[f] - shown[f], axis=1).max()) for f in frames}
    return _unordered(wanted, shown, frames)


def _unordered(
    wanted: dict[int, np.ndarray], shown: dict[int, np.ndarray], frames: list[int]
) -> dict[int, float]:
    """The same where vertices were split or put in another order.

    Partners lie at the same place in the first frame; of several (lips that touch) the one that stays.
    """
    from scipy.spatial import cKDTree

    count = min(_PARTNERS, len(shown[frames[0]]))
    _, near = cKDTree(shown[frames[0]]).query(wanted[frames[0]], k=count)
    near = near.reshape(len(wanted[frames[0]]), count)
    far = np.stack([np.linalg.norm(wanted[f][:, None] - shown[f][near], axis=2) for f in frames])
    best = far.max(0).argmin(1)
    chosen = far[:, np.arange(len(near)), best]
    return {frame: float(chosen[row].max()) for row, frame in enumerate(frames)}
