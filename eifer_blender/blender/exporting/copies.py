"""Copies of objects in a scene of their own, with everything that moves them keyed frame by frame.

Exporters then meet nothing that they treat differently from each other: no drivers, constraints, NLA, linked
data or signed weights. A key that goes below 0 or above 1 becomes two, `…_pos` and `…_neg`, within 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Matrix

from .. import actions
from .sampling import Sampled

_STILL = 1e-6  # of a weight or a matrix: less is no movement
_ASIDE = " (original)"
POSITIVE, NEGATIVE = "_pos", "_neg"


@contextmanager
def copied(
    scene: bpy.types.Scene,
    objects: list[bpy.types.Object],
    sampled: list[Sampled],
    frames: tuple[int, int],
    keep_all: bool,
) -> Iterator[tuple[bpy.types.Scene, list[bpy.types.Object]]]:
    """A scene with baked copies under the originals' names; everything is as before afterwards."""
    stage = bpy.data.scenes.new("EIFER export")
    renamed: dict[bpy.types.ID, str] = {}
    made: list[bpy.types.ID] = []
    known = set(bpy.data.actions) | set(bpy.data.shape_keys)
    try:
        _like(scene, stage, frames)
        twins = {obj: _twin(obj, stage, made) for obj in objects}
        for obj, twin in twins.items():
            _swap_names(obj, twin, renamed)
            _swap_names(obj.data, twin.data, renamed)
        every = dict(zip(objects, sampled, strict=True))
        for obj in objects:
            _bake(obj, twins, every, frames[0], keep_all)
        yield stage, list(twins.values())
    finally:
        bpy.data.scenes.remove(stage)
        for block in reversed(made):
            _remove(block)
        bpy.data.batch_remove((set(bpy.data.actions) | set(bpy.data.shape_keys)) - known)
        for original, name in renamed.items():
            original.name = name


def _like(scene: bpy.types.Scene, stage: bpy.types.Scene, frames: tuple[int, int]) -> None:
    stage.render.fps, stage.render.fps_base = scene.render.fps, scene.render.fps_base
    stage.frame_start, stage.frame_end = frames
    stage.frame_set(frames[0])
    for name in ("system", "scale_length", "length_unit"):
        setattr(stage.unit_settings, name, getattr(scene.unit_settings, name))


def _twin(obj: bpy.types.Object, stage: bpy.types.Scene, made: list[bpy.types.ID]) -> bpy.types.Object:
    twin = obj.copy()
    made.append(twin)
    twin.data = obj.data.copy()
    made.append(twin.data)
    for block in (twin, twin.data, getattr(twin.data, "shape_keys", None)):
        if block is not None:
            block.animation_data_clear()
    for name in list(twin.keys()):
        del twin[name]
    for name in list(twin.data.keys()):
        del twin.data[name]
    for modifier in [m for m in twin.modifiers if m.type != "ARMATURE"]:
        twin.modifiers.remove(modifier)
    twin.constraints.clear()
    for bone in twin.pose.bones if twin.pose else ():
        for constraint in list(bone.constraints):
            bone.constraints.remove(constraint)
    twin.hide_viewport = twin.hide_render = twin.hide_select = False
    stage.collection.objects.link(twin)
    return twin


def _swap_names(original: bpy.types.ID, copy: bpy.types.ID, renamed: dict[bpy.types.ID, str]) -> None:
    """The file shall hold the names that the user gave."""
    name = renamed.get(original, original.name)
    if original.library is None and original not in renamed:
        renamed[original] = name
        original.name = name[: 63 - len(_ASIDE)] + _ASIDE
    copy.name = name


def _remove(block: bpy.types.ID) -> None:
    """Remove a copy, as far as nothing else took it away."""
    for collection in (bpy.data.objects, bpy.data.meshes, bpy.data.armatures):
        try:
            if block.name in collection and collection[block.name] == block:
                collection.remove(block)
                return
        except ReferenceError:
            return


# --- baking ---------------------------------------------------------------------------------------


def _bake(
    obj: bpy.types.Object,
    twins: dict[bpy.types.Object, bpy.types.Object],
    every: dict[bpy.types.Object, Sampled],
    first: int,
    keep_all: bool,
) -> None:
    twin, data = twins[obj], every[obj]
    for modifier in twin.modifiers:
        if modifier.object in twins:
            modifier.object = twins[modifier.object]
    twin.parent = twins.get(obj.parent)
    twin.parent_type = "OBJECT"
    twin.matrix_parent_inverse = Matrix.Identity(4)
    local = data.world
    if twin.parent is not None:
        local = np.linalg.inv(every[obj.parent].world) @ data.world
    frames = np.arange(first, first + len(local), dtype=np.float32)
    _place(twin, local, frames)
    if data.keys:
        _bake_keys(twin, data.keys, frames, keep_all)
    if data.bones:
        _bake_bones(twin, data.bones, frames)


def _place(twin: bpy.types.Object, local: np.ndarray, frames: np.ndarray) -> None:
    twin.rotation_mode = "QUATERNION"
    twin.delta_location, twin.delta_scale = (0, 0, 0), (1, 1, 1)
    twin.delta_rotation_quaternion, twin.delta_rotation_euler = (1, 0, 0, 0), (0, 0, 0)
    twin.matrix_basis = Matrix(local[0].tolist())
    if np.abs(local - local[0]).max() > _STILL:
        channels = _channels(twin)
        _write_matrices(channels, "", local, frames)


def _channels(block: bpy.types.ID) -> actions.Channels:
    assigned = actions.assigned(block)
    if assigned is not None:
        return assigned
    made = actions.new_channels(f"{block.name} animation", {"Animation": block})["Animation"]
    actions.assign(block, made)
    return made


def _write_matrices(
    channels: actions.Channels, path: str, matrices: np.ndarray, frames: np.ndarray, group: str = ""
) -> None:
    """Location, rotation and scale of matrices [n, 4, 4], quaternions without jumps of sign."""
    parts = [Matrix(matrix.tolist()).decompose() for matrix in matrices]
    turns = np.array([turn for _, turn, _ in parts])
    flips = np.cumprod(np.where((turns[1:] * turns[:-1]).sum(1) < 0, -1.0, 1.0))
    turns[1:] *= flips[:, None]
    table = {
        "location": np.array([place for place, _, _ in parts]),
        "rotation_quaternion": turns,
        "scale": np.array([size for _, _, size in parts]),
    }
    for name, values in table.items():
        for index in range(values.shape[1]):
            keys = actions.Keys(frames, values[:, index].astype(np.float32))
            actions.write_curve(channels, (path + name, index), keys, group)


def _bake_bones(rig: bpy.types.Object, bones: dict[str, np.ndarray], frames: np.ndarray) -> None:
    rig.data.pose_position = "POSE"
    channels = _channels(rig)
    for name, basis in bones.items():
        bone = rig.pose.bones[name]
        bone.rotation_mode = "QUATERNION"
        bone.matrix_basis = Matrix(basis[0].tolist())
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"].'
        _write_matrices(channels, path, basis, frames, name)


def _bake_keys(
    twin: bpy.types.Object, keys: dict[str, np.ndarray], frames: np.ndarray, keep_all: bool
) -> None:
    """Values of the keys; what never moves becomes part of the mesh, or is left out if it shows nothing."""
    blocks = twin.data.shape_keys.key_blocks
    basis = _points(twin.data.shape_keys.reference_key)
    offsets = {name: _effect(twin, blocks[name]) for name in keys}
    curves: list[tuple[str, np.ndarray, np.ndarray]] = []
    base = basis.copy()
    for name, values in keys.items():
        moving = np.ptp(values) > _STILL
        if not moving and not keep_all:
            base += offsets[name] * values[0]
        elif values.min() >= -_STILL and values.max() <= 1.0 + _STILL:
            curves.append((name, offsets[name], np.clip(values, 0.0, 1.0)))
        else:
            for ending, sign in ((POSITIVE, 1.0), (NEGATIVE, -1.0)):
                size = max((sign * values).max(), 0.0)
                if size > _STILL:
                    share = np.clip(sign * values / size, 0.0, 1.0)
                    curves.append((name + ending, offsets[name] * (sign * size), share))
    twin.shape_key_clear()
    twin.data.vertices.foreach_set("co", base.ravel())
    twin.data.update()
    if not curves:
        return
    twin.shape_key_add(name="Basis", from_mix=False)
    for name, offset, _ in curves:
        block = twin.shape_key_add(name=name, from_mix=False)
        block.points.foreach_set("co", (base + offset).ravel())
        block.slider_min, block.slider_max = 0.0, 1.0
    twin.data.shape_keys.name = twin.name
    channels = _channels(twin.data.shape_keys)
    for name, _, values in curves:
        path = f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'
        actions.write_curve(channels, (path, 0), actions.Keys(frames, values.astype(np.float32)))


def _points(block: bpy.types.ShapeKey) -> np.ndarray:
    flat = np.empty(3 * len(block.points), np.float32)
    block.points.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def _effect(twin: bpy.types.Object, block: bpy.types.ShapeKey) -> np.ndarray:
    """float32 [v, 3]: what a key at 1 adds, its vertex group included."""
    offset = _points(block) - _points(block.relative_key)
    group = twin.vertex_groups.get(block.vertex_group) if block.vertex_group else None
    if group is None:
        return offset
    share = np.zeros(len(offset), np.float32)
    for vertex in twin.data.vertices:
        for member in vertex.groups:
            if member.group == group.index:
                share[vertex.index] = member.weight
    return offset * share[:, None]
