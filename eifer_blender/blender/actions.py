"""The only module that knows legacy from slotted actions.

Up to Blender 4.3 an action animates one kind of data-block and owns its F-curves; from 4.4 it has
a slot per data-block, with the curves in the slot's channelbag. `Channels` hides the difference:
an action together with the slot (or None) that animates one data-block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import bpy
import numpy as np

SLOTTED = bpy.app.version >= (4, 4, 0)

LINEAR, BEZIER = 1, 2  # order of the interpolation enum, after CONSTANT
_ALIGNED_HANDLE = 3  # order of the handle type enum: FREE, AUTO, VECTOR, ALIGNED

CurveId = tuple[str, int]  # data path relative to the data-block, array index


class Channels(NamedTuple):
    """The part of an action that animates one data-block."""

    action: bpy.types.Action
    slot: object | None  # bpy.types.ActionSlot from Blender 4.4


def id_type(datablock: bpy.types.ID) -> str:
    """The type name that actions and slots use: OBJECT, KEY ..."""
    return datablock.id_type


def new_channels(name: str, targets: Mapping[str, bpy.types.ID]) -> dict[str, Channels]:
    """Empty channels for several data-blocks, not yet assigned to them.

    targets: role -> data-block. From Blender 4.4 they share one action called `name` with a slot
    named after each role; before, each role gets its own action called "name (role)".
    """
    if SLOTTED:
        action = bpy.data.actions.new(name)
        action.layers.new("Layer").strips.new(type="KEYFRAME")
        return {
            role: Channels(action, action.slots.new(id_type=id_type(block), name=role))
            for role, block in targets.items()
        }
    made = {}
    for role, block in targets.items():
        action = bpy.data.actions.new(f"{name} ({role})")
        action.id_root = id_type(block)
        made[role] = Channels(action, None)
    return made


def assigned(datablock: bpy.types.ID) -> Channels | None:
    """What animates a data-block now, NLA aside; None without an action (or without a slot)."""
    data = datablock.animation_data
    if data is None or data.action is None:
        return None
    if not SLOTTED:
        return Channels(data.action, None)
    return Channels(data.action, data.action_slot) if data.action_slot else None


def assign(datablock: bpy.types.ID, channels: Channels | None) -> None:
    """Let the channels animate the data-block; None takes its action away."""
    data = datablock.animation_data or (datablock.animation_data_create() if channels else None)
    if data is None:
        return
    data.action = channels.action if channels else None
    # Blender finds a slot by name only, so the slot is always set as well.
    if channels and SLOTTED:
        data.action_slot = channels.slot


def is_assigned(datablock: bpy.types.ID, channels: Channels) -> bool:
    """Whether exactly these channels animate the data-block."""
    now = assigned(datablock)
    return now is not None and now.action == channels.action and now.slot == channels.slot


def find_channels(action: bpy.types.Action, datablock: bpy.types.ID, role: str) -> Channels | None:
    """The channels that `new_channels` made in `action` for a role; None if somebody removed them."""
    if not SLOTTED:
        return Channels(action, None) if action.id_root in ("UNSPECIFIED", id_type(datablock)) else None
    for slot in action.slots:
        if slot.target_id_type == id_type(datablock) and slot.name_display == role:
            return Channels(action, slot)
    playing = assigned(datablock)  # the slot may have been renamed
    return playing if playing and playing.action == action else None


def has_other_slots(action: bpy.types.Action, datablocks: Iterable[bpy.types.ID]) -> bool:
    """Whether the action has a slot that animates something beside these data-blocks."""
    if not SLOTTED:
        return False
    known = set(datablocks)
    return any(set(slot.users()) - known for slot in action.slots)


def _bag(channels: Channels, ensure: bool) -> object | None:
    """The owner of F-curves and groups: the action itself, or the channelbag of the slot.

    Blender 4.4 to 5.2 make actions with one layer and one strip, and evaluate only those.
    """
    if not SLOTTED:
        return channels.action
    action = channels.action
    if not action.layers:
        if not ensure:
            return None
        action.layers.new("Layer")
    layer = action.layers[0]
    if not layer.strips:
        if not ensure:
            return None
        layer.strips.new(type="KEYFRAME")
    return layer.strips[0].channelbag(channels.slot, ensure=ensure)


def curves(channels: Channels) -> list[bpy.types.FCurve]:
    """All F-curves of the channels."""
    bag = _bag(channels, ensure=False)
    return list(bag.fcurves) if bag else []


def curve_map(channels: Channels) -> dict[CurveId, bpy.types.FCurve]:
    """F-curves by data path and array index."""
    return {(curve.data_path, curve.array_index): curve for curve in curves(channels)}


def remove_curves(channels: Channels, which: Iterable[CurveId]) -> None:
    """Remove the named F-curves, and the groups that this leaves empty."""
    bag = _bag(channels, ensure=False)
    if bag is None:
        return
    wanted = set(which)
    for curve in [c for c in bag.fcurves if (c.data_path, c.array_index) in wanted]:
        bag.fcurves.remove(curve)
    for group in [g for g in bag.groups if not len(g.channels)]:
        bag.groups.remove(group)


def _new_curve(bag: object, curve_id: CurveId, group_name: str) -> bpy.types.FCurve:
    path, index = curve_id
    curve = bag.fcurves.new(path, index=index)
    if group_name:
        curve.group = bag.groups.get(group_name) or bag.groups.new(group_name)
    return curve


class Keys(NamedTuple):
    """Keys of one F-curve. slopes None: linear between the keys; else Bezier with those slopes."""

    frames: np.ndarray  # float32 [n]
    values: np.ndarray  # float32 [n]
    slopes: np.ndarray | None = None  # value per frame, float32 [n]


def write_curve(channels: Channels, curve_id: CurveId, keys: Keys, group: str = "") -> bpy.types.FCurve:
    """Write a new F-curve in bulk; the channels must not have one of this id yet."""
    curve = _new_curve(_bag(channels, ensure=True), curve_id, group)
    count = len(keys.frames)
    points = curve.keyframe_points
    points.add(count)
    points.foreach_set("co", np.stack([keys.frames, keys.values], 1).astype(np.float32).ravel())
    if keys.slopes is None:
        points.foreach_set("interpolation", np.full(count, LINEAR, dtype=np.int32))
    else:
        _set_handles(points, keys)
    curve.update()
    return curve


def _set_handles(points: object, keys: Keys) -> None:
    """Handles a third of the way to the neighbours: the segment is then a cubic Hermite in time."""
    count = len(keys.frames)
    frames, values, slopes = (np.asarray(a, dtype=np.float64) for a in keys)
    gaps = np.diff(frames) / 3.0
    before = np.concatenate((gaps[:1], gaps)) if count > 1 else np.ones(count)
    after = np.concatenate((gaps, gaps[-1:])) if count > 1 else np.ones(count)
    left = np.stack([frames - before, values - before * slopes], 1)
    right = np.stack([frames + after, values + after * slopes], 1)
    points.foreach_set("interpolation", np.full(count, BEZIER, dtype=np.int32))
    points.foreach_set("handle_left_type", np.full(count, _ALIGNED_HANDLE, dtype=np.int32))
    points.foreach_set("handle_right_type", np.full(count, _ALIGNED_HANDLE, dtype=np.int32))
    points.foreach_set("handle_left", left.astype(np.float32).ravel())
    points.foreach_set("handle_right", right.astype(np.float32).ravel())


def sample(curve: bpy.types.FCurve, frames: np.ndarray) -> np.ndarray:
    """Values of an F-curve at frames, float32 [n].

    Dense linear keys are read in bulk; anything else (Bezier, modifiers) is evaluated by Blender.
    """
    points = curve.keyframe_points
    count = len(points)
    if count and all(modifier.mute for modifier in curve.modifiers):
        interpolation = np.empty(count, dtype=np.int32)
        points.foreach_get("interpolation", interpolation)
        if np.all(interpolation == LINEAR) and curve.extrapolation == "CONSTANT":
            co = np.empty(2 * count, dtype=np.float32)
            points.foreach_get("co", co)
            if np.all(np.diff(co[0::2]) > 0):
                return np.interp(frames, co[0::2], co[1::2]).astype(np.float32)
    times = np.asarray(frames, np.float64).tolist()  # half the time that array elements take
    return np.fromiter(map(curve.evaluate, times), dtype=np.float32, count=len(times))


def plays(curve: bpy.types.FCurve) -> bool:
    """Whether Blender evaluates an F-curve of an action: it is not muted, broken or empty.

    A muted group stops its curves in Blender 4.2 and does not from 4.4 on, so it is no answer here.
    """
    return not curve.mute and curve.is_valid and not curve.is_empty


def key_count(channels: Channels) -> int:
    """Number of keyframes in all F-curves."""
    return sum(len(curve.keyframe_points) for curve in curves(channels))


_POINT_ARRAYS = (
    ("co", 2, np.float32),
    ("interpolation", 1, np.int32),
    ("easing", 1, np.int32),
    ("handle_left_type", 1, np.int32),
    ("handle_right_type", 1, np.int32),
    ("handle_left", 2, np.float32),
    ("handle_right", 2, np.float32),
    ("amplitude", 1, np.float32),
    ("back", 1, np.float32),
    ("period", 1, np.float32),
    ("type", 1, np.int32),
)
_CURVE_SETTINGS = ("extrapolation", "mute", "hide", "lock", "color_mode", "color", "auto_smoothing")


def copy_curve(source: bpy.types.FCurve, target: Channels) -> bpy.types.FCurve:
    """Copy an F-curve with its keys, handles, modifiers and group into other channels."""
    group = source.group.name if source.group else ""
    curve = _new_curve(_bag(target, ensure=True), (source.data_path, source.array_index), group)
    count = len(source.keyframe_points)
    curve.keyframe_points.add(count)
    for name, width, dtype in _POINT_ARRAYS:
        values = np.empty(count * width, dtype=dtype)
        source.keyframe_points.foreach_get(name, values)
        curve.keyframe_points.foreach_set(name, values)
    for name in _CURVE_SETTINGS:
        setattr(curve, name, getattr(source, name))
    for modifier in source.modifiers:
        _copy_settings(modifier, curve.modifiers.new(modifier.type))
    curve.update()
    return curve


def _copy_settings(source: bpy.types.bpy_struct, target: bpy.types.bpy_struct) -> None:
    for prop in source.bl_rna.properties:
        if not prop.is_readonly and prop.identifier != "type":
            setattr(target, prop.identifier, getattr(source, prop.identifier))
    if source.bl_rna.identifier == "FModifierGenerator":
        target.coefficients = list(source.coefficients)
    if source.bl_rna.identifier == "FModifierEnvelope":
        for point in source.control_points:
            added = target.control_points.add(point.frame)
            added.min, added.max = point.min, point.max


def copy_foreign_curves(source: Channels | None, target: Channels, own: set[CurveId]) -> int:
    """Copy what somebody else keyed (all curves but `own`) from one action to another; how many."""
    if source is None or source == target:
        return 0
    taken = set(curve_map(target))
    foreign = [c for c in curves(source) if (c.data_path, c.array_index) not in own | taken]
    for curve in foreign:
        copy_curve(curve, target)
    return len(foreign)
