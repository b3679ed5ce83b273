"""What objects do over a range of frames, as Blender shows it: key values, bones, places and vertices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import bpy
import numpy as np

from ...errors import EiferError
from .. import actions

MOST_FRAMES = 200_000
CHECKED_FRAMES = 12  # at which vertices are compared


@dataclass
class Sampled:
    """One object over n frames."""

    name: str
    world: np.ndarray  # float64 [n, 4, 4]
    keys: dict[str, np.ndarray] = field(default_factory=dict)  # shape key -> float64 [n]
    bones: dict[str, np.ndarray] = field(default_factory=dict)  # pose bone -> float64 [n, 4, 4], as keyed
    vertices: dict[int, np.ndarray] = field(default_factory=dict)  # frame -> float64 [v, 3] in the world


def objects_of(chosen: list[bpy.types.Object]) -> list[bpy.types.Object]:
    """The chosen meshes and armatures, and the armatures that move the meshes, armatures first."""
    found = {obj: None for obj in chosen if obj.type in {"MESH", "ARMATURE"}}
    for obj in list(found):
        if obj.type == "MESH":
            found |= {m.object: None for m in obj.modifiers if m.type == "ARMATURE" and m.object}
    if not any(obj.type == "MESH" for obj in found):
        raise EiferError("There is no mesh to export; choose a head, or select meshes.")
    return sorted(found, key=lambda obj: (obj.type != "ARMATURE", obj.name))


def not_carried(objects: list[bpy.types.Object]) -> list[str]:
    """Names of the modifiers that change the mesh and that no export carries."""
    return sorted(
        {
            m.name
            for obj in objects
            for m in obj.modifiers
            if m.type != "ARMATURE" and (m.show_viewport or m.show_render)
        }
    )


def key_range(objects: list[bpy.types.Object]) -> tuple[int, int]:
    """First and last frame of what animates objects and their shape keys; EiferError if nothing does."""
    ends = []
    for obj in objects:
        for block in (obj, obj.data.shape_keys if obj.type == "MESH" else None):
            data = block.animation_data if block else None
            if data and (channels := actions.assigned(block)):
                ends += [tuple(c.range()) for c in actions.curves(channels) if len(c.keyframe_points)]
            for track in data.nla_tracks if data else ():
                ends += [(strip.frame_start, strip.frame_end) for strip in track.strips]
    if not ends:
        raise EiferError("Nothing that is to be exported has keys; choose the scene's frames instead.")
    return int(np.floor(min(a for a, _ in ends) + 1e-3)), int(np.ceil(max(b for _, b in ends) - 1e-3))


def checked_frames(first: int, last: int) -> list[int]:
    """Whole frames, evenly spread, at which an export is compared with the scene."""
    return sorted(set(np.linspace(first, last, CHECKED_FRAMES).round().astype(int).tolist()))


def steps(scene: bpy.types.Scene, objects: list[bpy.types.Object], first: int, last: int) -> Iterator[float]:
    """Plays the scene and yields the share that is done; its return value is a list of `Sampled`.

    Frame, sliders and modifiers are afterwards what they were, also if it is closed early.
    """
    layer = next((v for v in scene.view_layers if all(o.name in v.objects for o in objects)), None)
    if layer is None:
        lost = [o.name for o in objects if not any(o.name in v.objects for v in scene.view_layers)]
        raise EiferError(f"'{(lost or [objects[0].name])[0]}' is excluded from the scene's view; include it.")
    frames = np.arange(first, last + 1)
    if len(frames) > MOST_FRAMES:
        raise EiferError(f"These are more than {MOST_FRAMES} frames; choose a shorter range.")
    found = [Sampled(obj.name, np.empty((len(frames), 4, 4))) for obj in objects]
    compared = set(checked_frames(first, last))
    before = scene.frame_current, scene.frame_subframe
    sliders = [_sliders(obj) for obj in objects]
    with _bare(objects):
        try:
            for row, frame in enumerate(frames.tolist()):
                scene.frame_set(frame)
                layer.depsgraph.update()
                for obj, into in zip(objects, found, strict=True):
                    _take(obj, into, layer.depsgraph, row, len(frames))
                    if frame in compared and obj.type == "MESH":
                        into.vertices[frame] = world_vertices(obj, layer.depsgraph)
                yield (row + 1) / len(frames)
        finally:
            for restore in sliders:
                restore()
            scene.frame_set(before[0], subframe=before[1])
    return found


def _sliders(obj: bpy.types.Object):  # noqa: ANN202
    """What puts key values and bones back that nobody has keyed: playing leaves the last frame's there."""
    keys = obj.data.shape_keys if obj.type == "MESH" else None
    values = [block.value for block in keys.key_blocks] if keys else []
    poses = [(b.name, b.matrix_basis.copy()) for b in obj.pose.bones] if obj.pose else []

    def restore() -> None:
        for block, value in zip(keys.key_blocks if keys else (), values, strict=True):
            block.value = value
        for name, basis in poses:
            obj.pose.bones[name].matrix_basis = basis
        if keys:
            keys.update_tag()

    return restore


@contextmanager
def _bare(objects: list[bpy.types.Object]) -> Iterator[None]:
    """Without modifiers that no export carries."""
    hidden = [m for obj in objects for m in obj.modifiers if m.type != "ARMATURE" and m.show_viewport]
    for modifier in hidden:
        modifier.show_viewport = False
    try:
        yield
    finally:
        for modifier in hidden:
            modifier.show_viewport = True


def _take(obj: bpy.types.Object, into: Sampled, depsgraph: bpy.types.Depsgraph, row: int, count: int) -> None:
    shown = obj.evaluated_get(depsgraph)
    into.world[row] = shown.matrix_world
    if obj.type == "MESH" and obj.data.shape_keys:
        if not obj.data.shape_keys.use_relative:
            raise EiferError(f"The shape keys of '{obj.name}' are absolute; switch on 'Relative'.")
        if obj.show_only_shape_key:
            raise EiferError(f"'{obj.name}' shows a single shape key; unpin it in the list of shape keys.")
        _take_keys(obj.data.shape_keys.evaluated_get(depsgraph).key_blocks, into, row, count)
    if obj.type == "ARMATURE":
        for bone in shown.pose.bones:
            basis = shown.convert_space(
                pose_bone=bone, matrix=bone.matrix, from_space="POSE", to_space="LOCAL"
            )
            into.bones.setdefault(bone.name, np.empty((count, 4, 4)))[row] = basis


def _take_keys(blocks: bpy.types.bpy_prop_collection, into: Sampled, row: int, count: int) -> None:
    """Values of all keys but the first, in bulk: a head has hundreds."""
    values, mute = np.empty(len(blocks), np.float32), np.empty(len(blocks), bool)
    blocks.foreach_get("value", values)
    blocks.foreach_get("mute", mute)
    values[mute] = 0.0
    if not into.keys:
        table = np.zeros((len(blocks), count))
        into.keys = {block.name: line for block, line in zip(blocks[1:], table[1:], strict=True)}
    for line, value in zip(into.keys.values(), values[1:].tolist(), strict=True):
        line[row] = value


def world_vertices(obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> np.ndarray:
    """float64 [v, 3] metres: an object's evaluated vertices in the world."""
    shown = obj.evaluated_get(depsgraph)
    mesh = shown.data
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", flat)
    world = np.array(shown.matrix_world)
    return flat.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
