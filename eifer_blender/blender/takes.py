"""Takes: baked recordings of a head, as actions that play without the extension.

A take owns a fixed set of F-curves in up to three data-blocks: the expression keys (shape keys),
the jaw bone (armature) and muscle activity (properties of the head), measured and estimated. Every
other curve is the animator's and is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import bpy
import numpy as np

from .. import muscles, spaces
from ..errors import EiferError
from ..pipeline import TakeData, TakeMark
from ..signals import MAX_FRAMES
from . import actions, estimates, head_object
from .actions import Channels, CurveId
from .space import to_axis_angles

EXPRESSION, ACTIVITY, RIG = "Expression", "Muscle activity", "Rig"
_POINTERS = {EXPRESSION: "action_keys", ACTIVITY: "action_head", RIG: "action_rig"}

STAMP = "eifer_take"
MARKS = "eifer_marks"  # beside the stamp, which is read at every redraw
CALIBRATION = "eifer_calibration"  # likewise
EMG_PREFIX = "emg_"
IDENTITY_GROUP = "Identity"
EXPRESSIONS = "expressions"  # the stamp's "kind" of a take without recording

KEY_NAMES = spaces.EXPRESSION_NAMES + spaces.EYELID_NAMES

KEY_CURVES: tuple[CurveId, ...] = tuple((f'key_blocks["{name}"].value', 0) for name in KEY_NAMES)
JAW_CURVES: tuple[CurveId, ...] = tuple((head_object.jaw_bone_path(), i) for i in range(4))
JAW_LOCATION_CURVES: tuple[CurveId, ...] = tuple((head_object.jaw_location_path(), i) for i in range(3))
EMG_CURVES: tuple[CurveId, ...] = tuple((f'["{EMG_PREFIX}{name}"]', 0) for name in muscles.CHANNELS)
OWN_CURVES = {
    EXPRESSION: set(KEY_CURVES),
    ACTIVITY: set(EMG_CURVES) | estimates.CURVES,
    RIG: set(JAW_CURVES),
}


def own_curves(role: str, take: TakeData) -> set[CurveId]:
    """What a take that is being written animates in a role; everything else there is the animator's."""
    own = set(OWN_CURVES[role])
    if role == RIG and take.jaw_locations is not None:
        own |= set(JAW_LOCATION_CURVES)
    if role == EXPRESSION and take.identity is not None:
        own |= {identity_curve(number) for number in range(len(take.identity))}
    return own


def identity_curve(number: int) -> CurveId:
    """The curve of an identity key."""
    return f'key_blocks["{head_object.identity_name(number)}"].value', 0


def owned_curves(head: bpy.types.Object, role: str) -> set[CurveId]:
    """What takes of a head may animate in a role."""
    own = set(OWN_CURVES[role])
    if role == RIG and head_object.joints_move(head):
        own |= set(JAW_LOCATION_CURVES)
    return own


def targets(head: bpy.types.Object) -> dict[str, bpy.types.ID]:
    """Role -> data-block that the take animates."""
    return {
        EXPRESSION: head_object.mesh_keys(head),
        ACTIVITY: head,
        RIG: head_object.armature_of(head),
    }


def channels_of(head: bpy.types.Object, take: bpy.types.PropertyGroup) -> dict[str, Channels]:
    """Role -> channels of a take; roles whose action was deleted are left out."""
    found = {}
    for role, block in targets(head).items():
        action = _action_of(take, role, block)
        channels = actions.find_channels(action, block, role) if action else None
        if channels:
            found[role] = channels
    return found


def _action_of(take: bpy.types.PropertyGroup, role: str, block: bpy.types.ID) -> bpy.types.Action | None:
    """The action of a take for a data-block.

    Duplicating a head copies the actions that play, but not what the take list points to: the copy
    that plays on the duplicate is the duplicate's take.
    """
    action, playing = getattr(take, _POINTERS[role]), actions.assigned(block)
    if action and playing and playing.action != action and STAMP in action:
        same = _take_id(playing.action) == _take_id(action) is not None
        return playing.action if same else action
    return action


def _take_id(action: bpy.types.Action) -> str | None:
    return stamp_of(action).get("id") if STAMP in action else None


def adopt_copies(head: bpy.types.Object) -> None:
    """Let the take list of a duplicated head point to the actions that were duplicated with it."""
    for take in head.eifer.takes:
        for role, block in targets(head).items():
            setattr(take, _POINTERS[role], _action_of(take, role, block))


def add_to_list(head: bpy.types.Object, name: str, channels: dict[str, Channels]) -> bpy.types.PropertyGroup:
    """List new channels as a take of the head and make it the selected one."""
    take = head.eifer.takes.add()
    take.name = name
    for role, one in channels.items():
        setattr(take, _POINTERS[role], one.action)
    head.eifer.active_take = len(head.eifer.takes) - 1
    return take


def replace(head: bpy.types.Object, index: int, channels: dict[str, Channels]) -> bpy.types.PropertyGroup:
    """Put new channels in the place of a take's, for all its users (NLA strips among them).

    An action that also animates something else, or is a take of another head too, stays as it was
    for the others.
    """
    adopt_copies(head)
    take = head.eifer.takes[index]
    for role, one in channels.items():
        old = getattr(take, _POINTERS[role])
        if old and old != one.action and not _has_other_owner(head, old):
            name = old.name
            old.user_remap(one.action)
            bpy.data.actions.remove(old)
            one.action.name = name
        setattr(take, _POINTERS[role], one.action)
    head.eifer.active_take = index
    return take


def selected(head: bpy.types.Object) -> bpy.types.PropertyGroup | None:
    """The take that is selected in the list."""
    index = head.eifer.active_take
    return head.eifer.takes[index] if 0 <= index < len(head.eifer.takes) else None


def is_playing(head: bpy.types.Object, take: bpy.types.PropertyGroup) -> bool:
    """Whether the take animates the head now."""
    channels = channels_of(head, take)
    blocks = targets(head)
    return bool(channels) and all(actions.is_assigned(blocks[r], c) for r, c in channels.items())


def activate(head: bpy.types.Object, take: bpy.types.PropertyGroup) -> None:
    """Let a take animate the head.

    An action of the animator's that it takes the place of gets a fake user, so that saving keeps it.
    Raises EiferError if the take's actions were deleted.
    """
    channels = channels_of(head, take)
    if not channels:
        raise EiferError(f"The actions of the take '{take.name}' were deleted; remove it and bake again.")
    adopt_copies(head)
    rest_pose(head)  # what only the other take moved must not stay where it was
    for role, block in targets(head).items():
        protect(actions.assigned(block))
        if role in channels:
            actions.assign(block, channels[role])
    ensure_activity_properties(head)
    estimates.fit_properties(head)
    estimates.forget_findings(head)
    estimates.recolour(head)


def protect(channels: Channels | None) -> None:
    """Keep an action that is about to be displaced from vanishing at the next save."""
    if channels is None or channels.action.library is not None or _is_listed(channels.action):
        return
    if not estimates.holds_nothing_else(channels):
        channels.action.use_fake_user = True


def _is_listed(action: bpy.types.Action) -> bool:
    """Whether the action is in the take list of any head, which keeps it."""
    listed = (take for head in bpy.data.objects for take in head.eifer.takes)
    return any(getattr(take, pointer) == action for take in listed for pointer in _POINTERS.values())


def rest_pose(head: bpy.types.Object) -> None:
    """Expression keys, jaw and activity at rest; other keys and bones stay."""
    head_object.set_expression(head, np.zeros(spaces.DEFAULT_SPACE.size, dtype=np.float32))
    head_object.show_identity(head, head_object.own_identity(head))
    for name in muscles.CHANNELS:
        if EMG_PREFIX + name in head:
            head[EMG_PREFIX + name] = 0.0
    estimates.fit_properties(head)


def ensure_activity_properties(head: bpy.types.Object) -> None:
    """The 22 properties `emg_<muscle>_<side>` on the head, 0..1."""
    for name in muscles.CHANNELS:
        key = EMG_PREFIX + name
        if key not in head:
            head[key] = 0.0
            head.id_properties_ui(key).update(
                min=0.0,
                max=1.0,
                soft_min=0.0,
                soft_max=1.0,
                description=f"Measured activity of {muscles.channel_label(name)}, 0 rest to 1 maximum",
            )


def remove(head: bpy.types.Object, index: int) -> None:
    """Remove a take. Curves that the animator keyed into its actions stay and keep playing.

    An action that is a take of another head too, as after duplicating a head, is only let go.
    """
    adopt_copies(head)
    take = head.eifer.takes[index]
    playing = is_playing(head, take)
    channels = channels_of(head, take)
    blocks = targets(head)
    for role, one in list(channels.items()):
        if _listed_by_others(head, one.action):
            del channels[role]
            if actions.is_assigned(blocks[role], one) and not _moves_others(head, blocks[role]):
                actions.assign(blocks[role], None)
        else:
            actions.remove_curves(one, owned_curves(head, role) | _stamped_identity(take, role))
    for action in {one.action for one in channels.values()}:
        own = [one for one in channels.values() if one.action == action]
        if action.library is not None:
            continue
        for name in (STAMP, MARKS, CALIBRATION, estimates.STAMP):
            if name in action:
                del action[name]
        if any(actions.curves(one) for one in own):
            action.use_fake_user = True
        else:
            for role, one in channels.items():
                if one.action == action and actions.is_assigned(blocks[role], one):
                    actions.assign(blocks[role], None)
            if not _used_elsewhere(action, take):
                bpy.data.actions.remove(action)
    head.eifer.takes.remove(index)
    head.eifer.active_take = max(0, min(index, len(head.eifer.takes) - 1))
    if playing:
        rest_pose(head)
        estimates.forget_findings(head)
        estimates.recolour(head)


def _stamped_identity(take: bpy.types.PropertyGroup, role: str) -> set[CurveId]:
    """Curves of the identity that a take brought with it."""
    count = read_stamp(take).get("identity", 0) if role == EXPRESSION else 0
    return {identity_curve(number) for number in range(count if isinstance(count, int) else 0)}


def _other_heads(head: bpy.types.Object) -> list[bpy.types.Object]:
    return [obj for obj in bpy.data.objects if obj != head and head_object.is_head(obj) and obj.users_scene]


def _listed_by_others(head: bpy.types.Object, action: bpy.types.Action) -> bool:
    """Whether the action is a take of another head too: duplicates of a head share its takes."""
    listed = (take for other in _other_heads(head) for take in other.eifer.takes)
    return any(getattr(take, pointer) == action for take in listed for pointer in _POINTERS.values())


def _moves_others(head: bpy.types.Object, block: bpy.types.ID) -> bool:
    """Whether another head has the same shape keys or armature."""
    return any(
        block in (other.data.shape_keys, *(m.object for m in other.modifiers if m.type == "ARMATURE"))
        for other in _other_heads(head)
    )


def _has_other_owner(head: bpy.types.Object, action: bpy.types.Action) -> bool:
    """Whether the action is more than this head's take."""
    return _listed_by_others(head, action) or actions.has_other_slots(action, targets(head).values())


def _used_elsewhere(action: bpy.types.Action, take: bpy.types.PropertyGroup) -> bool:
    """Whether anything but the take's own pointers uses the action (an NLA strip, another head)."""
    own = sum(getattr(take, pointer) == action for pointer in _POINTERS.values())
    return action.users - int(action.use_fake_user) > own


def copy_to(take: bpy.types.PropertyGroup, source: bpy.types.Object, target: bpy.types.Object) -> None:
    """Copy a take to another head and play it there; what the animator keyed there is kept.

    The heads are of one kind; `work.carry_take` is for others. Raises EiferError if its actions were deleted.
    """
    channels = channels_of(source, take)
    if not channels:
        raise EiferError(f"The actions of the take '{take.name}' were deleted; bake it again first.")
    blocks = targets(target)
    made = actions.new_channels(f"EIFER {take.name}", blocks)
    for role, one in channels.items():
        for curve in actions.curves(one):
            if (curve.data_path, curve.array_index) in owned_curves(source, role):
                actions.copy_curve(curve, made[role])
        actions.copy_foreign_curves(actions.assigned(blocks[role]), made[role], owned_curves(target, role))
    write_stamp(made.values(), read_stamp(take))
    write_marks(made.values(), read_marks(take))
    if text := read_calibration(take):
        write_calibration(made.values(), text)
    if ACTIVITY in channels:
        estimates.copy_stamp(channels[ACTIVITY].action, made[ACTIVITY].action)
    activate(target, add_to_list(target, take.name, made))


def write_stamp(channels: Iterable[Channels], stamp: dict) -> None:
    """Stamp settings and provenance (plain JSON values) on the actions of a take."""
    text = json.dumps(stamp, sort_keys=True)
    for one in channels:
        one.action[STAMP] = text


def read_stamp(take: bpy.types.PropertyGroup) -> dict:
    """Settings and provenance of a take; empty if its actions are gone or say nothing usable."""
    for pointer in _POINTERS.values():
        action = getattr(take, pointer)
        if action and STAMP in action:
            return stamp_of(action)
    return {}


def stamp_of(action: bpy.types.Action) -> dict:
    """The stamp of an action; empty if it is damaged, since anybody may have edited the file."""
    try:
        stamp = json.loads(action[STAMP])
        sound = 1 <= stamp["frames"] <= MAX_FRAMES and abs(stamp["start_frame"]) <= MAX_FRAMES
        return stamp if sound and stamp["fps"] > 0 else {}
    except (ValueError, TypeError, KeyError):
        return {}


def is_from_expressions(stamp: dict) -> bool:
    """Whether a take with this stamp was made from a file of expressions and not from a recording."""
    return stamp.get("kind") == EXPRESSIONS


def write_calibration(channels: Iterable[Channels], text: str) -> None:
    """Keep the calibration that a take was made with at its actions."""
    for one in channels:
        one.action[CALIBRATION] = text


def read_calibration(take: bpy.types.PropertyGroup) -> str:
    """The calibration that a take was made with, as text; empty for none."""
    for pointer in _POINTERS.values():
        action = getattr(take, pointer)
        if action and CALIBRATION in action:
            return str(action[CALIBRATION])
    return ""


def write_marks(channels: Iterable[Channels], marks: Iterable[TakeMark]) -> None:
    """Keep the recording's marks in a take with its actions."""
    text = json.dumps([list(mark) for mark in marks])
    for one in channels:
        one.action[MARKS] = text


def read_marks(take: bpy.types.PropertyGroup) -> tuple[TakeMark, ...]:
    """The recording's marks in a take; those that somebody damaged are passed over."""
    for pointer in _POINTERS.values():
        action = getattr(take, pointer)
        if action and MARKS in action:
            return _marks_from_json(action[MARKS])
    return ()


def has_marks(take: bpy.types.PropertyGroup) -> bool:
    """Whether the take keeps marks, without reading them."""
    kept = (getattr(take, pointer) for pointer in _POINTERS.values())
    return any(action and len(action.get(MARKS, "")) > len("[]") for action in kept)


def _marks_from_json(text: object) -> tuple[TakeMark, ...]:
    try:
        rows = [TakeMark(int(f), str(t), None if e is None else int(e)) for f, t, e in json.loads(text)]
    except (ValueError, TypeError, OverflowError):
        return ()
    return tuple(row for row in rows if 0 <= row.frame < MAX_FRAMES)


def out_of_step(scene: bpy.types.Scene, stamp: dict) -> str:
    """A sentence if the scene's frame rate is no longer the one that the take was baked for."""
    fps = scene.render.fps / scene.render.fps_base
    if abs(fps - stamp["fps"]) < 1e-3:
        return ""
    return f"Baked for {stamp['fps']:g} fps, but the scene runs at {fps:g}; bake it again to stay in step."


def read_parameters(channels: Mapping[str, Channels], frames: np.ndarray) -> np.ndarray:
    """float32 [n, 55]: what the curves of a take play at frames [n]; 0 where a curve was deleted."""
    face, rig = actions.curve_map(channels[EXPRESSION]), actions.curve_map(channels[RIG])
    turns = np.zeros((len(frames), len(JAW_CURVES)), np.float32)
    turns[:, 0] = 1.0
    for column, curve_id in enumerate(JAW_CURVES):
        if curve_id in rig:
            turns[:, column] = actions.sample(rig[curve_id], frames)
    found = np.zeros((len(frames), len(KEY_CURVES)), np.float32)
    for column, curve_id in enumerate(KEY_CURVES):
        if curve_id in face:
            found[:, column] = actions.sample(face[curve_id], frames)
    return np.concatenate([found, to_axis_angles(turns)], 1).astype(np.float32)


def read_activity(head: bpy.types.Object, take: bpy.types.PropertyGroup) -> tuple[np.ndarray, np.ndarray]:
    """Measured activity of a take: values float32 [frames, 22] and what was recorded, bool [frames, 22].

    Read from the curves, so the recording's file is not needed. Raises EiferError without curves.
    """
    stamp = read_stamp(take)
    channels = channels_of(head, take).get(ACTIVITY)
    curves = actions.curve_map(channels) if channels else {}
    if is_from_expressions(stamp):
        raise EiferError(
            f"The take '{take.name}' was made from a file of expressions, which holds no measured activity."
        )
    if not stamp or not any(curve_id in curves for curve_id in EMG_CURVES):
        raise EiferError(f"The take '{take.name}' has no measured activity left; bake the recording again.")
    frames = np.arange(stamp["frames"], dtype=np.float64) + stamp["start_frame"]
    values = np.zeros((len(frames), len(EMG_CURVES)), dtype=np.float32)
    present = np.zeros(values.shape, dtype=bool)
    for column, curve_id in enumerate(EMG_CURVES):
        if curve_id in curves:
            values[:, column] = actions.sample(curves[curve_id], frames)
            present[:, column] = True
            for start, end in stamp.get("missing", {}).get(muscles.CHANNELS[column], ()):
                present[start:end, column] = False
    return values, present
