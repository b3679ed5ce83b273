"""What the face of a head does over a range of frames, as parameters of its expression space.

Plain F-curves are read in bulk. Where something else has a say (NLA, drivers, constraints), the scene is
played frame by frame, which is what Blender shows by definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import bpy
import numpy as np
from mathutils import Matrix

from .. import spaces
from ..errors import EiferError
from ..heads.arkit import arkit_parameters
from ..heads.head import ParametricHead
from ..signals import MAX_FRAMES
from . import actions, head_object, preview, session, takes
from .space import to_axis_angles

_KEY_PATH = re.compile(r'key_blocks\["((?:[^"\\]|\\.)*)"\]\.(.*)')
_JAW_PATH = f'pose.bones["{head_object.JAW_BONE}"].'
_TURNS = "rotation_quaternion"
_WITHOUT_EFFECT = {"location", "scale", "rotation_euler", "rotation_axis_angle"}  # on how the jaw turns
_CHAINS = {"IK", "SPLINE_IK"}  # constraints that turn other bones than their own
_FACE_KEYS = takes.KEY_NAMES + spaces.ARKIT_NAMES
_CORRECTIVE = "_corrective_"
_MOVED_M = 1e-4  # of the jaw bone, before it is worth a sentence


class Performance(NamedTuple):
    """The face over time."""

    parameters: np.ndarray  # float32 [n, 55]: `own` and what the ARKit keys add, within the head's limits
    stepped: bool  # the scene was played frame by frame
    notes: tuple[str, ...]
    own: np.ndarray  # float32 [n, 55], without ARKit keys
    arkit: np.ndarray  # float32 [n, 52] weights of the ARKit keys


class _Shown(NamedTuple):
    """Key values and the jaw, as Blender shows them."""

    keys: np.ndarray  # float32 [n, 104], in the order of _FACE_KEYS; 0 for a key that is muted or gone
    turns: np.ndarray  # float32 [n, 4] quaternions of the jaw bone


# --- reading --------------------------------------------------------------------------------------


def sample(head: bpy.types.Object, scene: bpy.types.Scene, frames: np.ndarray) -> Performance:
    """What a head shows at frames (int [n], on the time line of its curves).

    Frame, sliders and a running preview are afterwards what they were. Raises EiferError if nothing
    animates the face, for another head than the installed one and for keys that are no numbers.
    """
    playing = steps(head, scene, frames)
    while True:
        try:
            next(playing)
        except StopIteration as done:
            return done.value


def steps(head: bpy.types.Object, scene: bpy.types.Scene, frames: np.ndarray) -> Iterator[float]:
    """`sample` in steps: yields the share that is done; its return value is the `Performance`.

    Closing it early (Esc) leaves the scene as it was.
    """
    geometry = check(head)
    previewing = head.eifer.previewing
    with preview.paused(head):
        if not is_animated(head):
            raise EiferError(_nothing(head, previewing))
        stepped = needs_stepping(head)
        shown = (yield from _played(head, scene, frames)) if stepped else _read(head, frames)
    _check_numbers(shown, frames)
    return _performance(geometry, shown, stepped, _notes(head))


def pose(head: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Performance:
    """What a head shows now: one frame, sliders without keys and a preview included."""
    geometry = check(head)
    depsgraph.update()
    blocks = head_object.mesh_keys(head).key_blocks
    values = [_value(blocks.get(name)) for name in _FACE_KEYS]
    jaw = _jaw_turn(head_object.armature_of(head).evaluated_get(depsgraph))
    shown = _Shown(np.array([values], np.float32), np.array([jaw], np.float32))
    _check_numbers(shown, np.array([bpy.context.scene.frame_current]))
    return _performance(geometry, shown, False, _notes(head))


def check(head: bpy.types.Object) -> ParametricHead:
    """The geometry of a head whose keys mean what they should; EiferError says why they do not."""
    geometry = session.parametric_head(head)
    keys = head_object.mesh_keys(head)
    if len(head.data.vertices) != len(geometry.template):
        raise EiferError(
            f"'{head.name}' has {len(head.data.vertices)} vertices instead of "
            f"{len(geometry.template)}; undo the change of its mesh, or add a new head."
        )
    if not keys.use_relative:
        raise EiferError(f"The shape keys of '{head.name}' are absolute; switch on 'Relative'.")
    if head.show_only_shape_key:
        raise EiferError(f"'{head.name}' shows a single shape key; unpin it in the list of shape keys.")
    rig = head_object.armature_of(head)
    if rig.pose.bones[head_object.JAW_BONE].rotation_mode != "QUATERNION":
        raise EiferError(
            f"The jaw bone of '{rig.name}' must turn by quaternions; set its rotation mode to Quaternion."
        )
    return geometry


def _performance(
    geometry: ParametricHead, shown: _Shown, stepped: bool, notes: tuple[str, ...]
) -> Performance:
    count = len(takes.KEY_NAMES)
    own = np.concatenate([shown.keys[:, :count], to_axis_angles(shown.turns)], 1).astype(np.float32)
    weights = shown.keys[:, count:]
    parameters = own
    if weights.any():
        parameters = _within_limits(own, own + weights @ arkit_parameters(geometry))
    return Performance(parameters, stepped, notes, own, weights)


def _within_limits(own: np.ndarray, both: np.ndarray) -> np.ndarray:
    """ARKit keys carry lids and jaw no further than a face goes; what was keyed beyond stays."""
    low, high = np.array([(0.0, 1.0)] * 2 + list(spaces.JAW_LIMITS), np.float32).T
    part = slice(spaces.EYELIDS.start, spaces.JAW.stop)
    both[:, part] = np.clip(both[:, part], np.minimum(own[:, part], low), np.maximum(own[:, part], high))
    return both


def _check_numbers(shown: _Shown, frames: np.ndarray) -> None:
    for table, names in ((shown.keys, _FACE_KEYS), (shown.turns, ("the jaw bone",) * 4)):
        wrong = ~np.isfinite(table)
        if wrong.any():
            row = int(wrong.any(1).argmax())
            name = names[int(wrong[row].argmax())]
            name = name if " " in name else f"'{name}'"
            raise EiferError(
                f"The animation of {name} is not a number at frame {int(frames[row])}; correct that key."
            )


# --- frames ---------------------------------------------------------------------------------------


def frames_of(scene: bpy.types.Scene, head: bpy.types.Object) -> np.ndarray:
    """int [n]: the frames that the panel asks for, on the time line of the head's curves.

    Raises EiferError if there are no keys to take the range from, or more frames than Blender has.
    """
    activity = scene.eifer.activity
    if activity.extent == "RANGE":
        first, last = activity.frame_from, activity.frame_to
    elif activity.extent == "ACTION":
        with preview.paused(head):  # which mutes curves
            first, last = key_range(head)
    else:
        preview_range = scene.use_preview_range
        first = scene.frame_preview_start if preview_range else scene.frame_start
        last = scene.frame_preview_end if preview_range else scene.frame_end
        remapped = scene.render.frame_map_old / scene.render.frame_map_new
        first, last = int(np.floor(first * remapped)), int(np.ceil(last * remapped))
    if last - first >= MAX_FRAMES or max(-first, last) > MAX_FRAMES:
        raise EiferError(f"These are more than Blender's {MAX_FRAMES} frames; choose a shorter range.")
    return np.arange(first, max(first, last) + 1)


def key_range(head: bpy.types.Object) -> tuple[int, int]:
    """First and last frame of the keys and NLA strips that animate the face; EiferError without any."""
    ends = [tuple(curve.range()) for curve in _face_curves(head) if len(curve.keyframe_points)]
    for block in _blocks(head):
        ends += [(strip.frame_start, strip.frame_end) for strip in _strips(block)]
    ends = [pair for pair in ends if np.isfinite(pair).all()]
    if not ends:
        raise EiferError(
            f"The face of '{head.name}' has no keys to take the frames from; choose Scene or Range."
        )
    first, last = min(pair[0] for pair in ends), max(pair[1] for pair in ends)
    return int(np.floor(first + 1e-3)), int(np.ceil(last - 1e-3))


# --- what animates a face -------------------------------------------------------------------------


def _blocks(head: bpy.types.Object) -> tuple[bpy.types.ID, bpy.types.ID]:
    return head_object.mesh_keys(head), head_object.armature_of(head)


def is_animated(head: bpy.types.Object) -> bool:
    """Whether anything moves the face over time."""
    return bool(_face_curves(head)) or needs_stepping(head)


def needs_stepping(head: bpy.types.Object) -> bool:
    """Whether the face is more than its F-curves say."""
    return any(_is_mixed(block) for block in _blocks(head)) or _is_rigged(head_object.armature_of(head))


def _is_mixed(block: bpy.types.ID) -> bool:
    """NLA, drivers, muted groups, or curves of what is neither a key's value nor the jaw's turn."""
    data = block.animation_data
    if data is None:
        return False
    if data.use_nla and len(data.nla_tracks):
        return True
    if any(not driver.mute and _touches_face(driver.data_path) for driver in data.drivers):
        return True
    curves = [curve for curve in _curves(block) if actions.plays(curve) and _touches_face(curve.data_path)]
    return any(
        _face_column(curve) is None or (curve.group is not None and curve.group.mute) for curve in curves
    )


def _is_rigged(rig: bpy.types.Object) -> bool:
    """Constraints, or settings of the armature, that change how the jaw turns."""
    jaw = rig.pose.bones[head_object.JAW_BONE]
    if rig.data.pose_position == "REST" or not jaw.bone.use_inherit_rotation:
        return True
    data = rig.data.animation_data
    if data is not None and (data.action or len(data.drivers) or len(data.nla_tracks)):
        return True
    return any(
        (bone == jaw or constraint.type in _CHAINS)
        for bone in rig.pose.bones
        for constraint in bone.constraints
    )


def _touches_face(path: str) -> bool:
    """Whether a data path of the shape keys or the armature may change how the face looks."""
    key = _KEY_PATH.match(path)
    if key:
        return key[1] in _FACE_KEYS
    if path.startswith("key_blocks["):  # by number
        return True
    if path.startswith(_JAW_PATH):
        return path.removeprefix(_JAW_PATH) not in _WITHOUT_EFFECT
    return path.startswith("pose.bones[") and not path.startswith('pose.bones["')


def _face_column(curve: bpy.types.FCurve) -> tuple[str, int] | None:
    """Name of the key (index 0), or _TURNS and the component, whose value a curve is; None for others."""
    key = _KEY_PATH.fullmatch(curve.data_path)
    if key and key[2] == "value" and key[1] in _FACE_KEYS:
        return key[1], 0
    if curve.data_path == _JAW_PATH + _TURNS and curve.array_index < 4:
        return _TURNS, curve.array_index
    return None


def _curves(block: bpy.types.ID) -> list[bpy.types.FCurve]:
    channels = actions.assigned(block)
    return actions.curves(channels) if channels else []


def _face_curves(head: bpy.types.Object) -> list[bpy.types.FCurve]:
    """Curves that play and are the value of a key of the face or the jaw's turn."""
    curves = (curve for block in _blocks(head) for curve in _curves(block))
    return [curve for curve in curves if _face_column(curve) and actions.plays(curve)]


def _strips(block: bpy.types.ID) -> list[bpy.types.NlaStrip]:
    data = block.animation_data
    tracks = data.nla_tracks if data is not None and data.use_nla else ()
    return [strip for track in tracks if not track.mute for strip in track.strips if not strip.mute]


def _nothing(head: bpy.types.Object, previewing: bool) -> str:
    """Why there is nothing to read."""
    names = [c.action.name for b in (*_blocks(head), head) if (c := actions.assigned(b)) is not None]
    if previewing:
        return "A live preview is no animation; bake the recording first, or use the current pose."
    if names:
        told = " and ".join(f"'{name}'" for name in dict.fromkeys(names))
        return (
            f"{told} has no keys of the face of '{head.name}': none of its expression keys, ARKit keys or "
            "jaw bone is animated; choose another action, or use the current pose."
        )
    return (
        f"Nothing animates the face of '{head.name}'; key its expression keys, ARKit keys or jaw bone, or "
        "use the current pose."
    )


def _notes(head: bpy.types.Object) -> tuple[str, ...]:
    """What of the face the parameters do not hold, in sentences."""
    keys, rig = head_object.mesh_keys(head), head_object.armature_of(head)
    basis, notes = keys.reference_key, []
    moved = {m[1] for curve in _curves(keys) if (m := _KEY_PATH.match(curve.data_path))}
    person = set(head_object.identity_names(head))
    others = [
        block.name
        for block in keys.key_blocks
        if block != basis
        and block.name not in _FACE_KEYS
        and _CORRECTIVE not in block.name
        and block.name not in person
    ]
    own = [n for n in others if not keys.key_blocks[n].mute and (n in moved or keys.key_blocks[n].value)]
    if own:
        notes.append(f"Keys that the head did not come with are not counted: {_listed(own)}.")
    changed = [
        name
        for name in _FACE_KEYS
        if (block := keys.key_blocks.get(name)) and (block.vertex_group or block.relative_key != basis)
    ]
    if changed:
        notes.append(f"Keys with a vertex group or another base are counted as a whole: {_listed(changed)}.")
    jaw = rig.pose.bones[head_object.JAW_BONE]
    paths = {curve.data_path for curve in _curves(rig) if actions.plays(curve)}
    moved = max(map(abs, jaw.location)) > _MOVED_M or _JAW_PATH + "location" in paths
    if moved and not head_object.joints_move(head):
        notes.append("The jaw bone is moved as well as turned; only its turn is counted.")
    return tuple(notes)


def _listed(names: list[str]) -> str:
    told = ", ".join(f"'{name}'" for name in names[:5])
    return told if len(names) <= 5 else f"{told} and {len(names) - 5} more"


# --- in bulk --------------------------------------------------------------------------------------


def _read(head: bpy.types.Object, frames: np.ndarray) -> _Shown:
    """From the F-curves; what has none keeps its present value."""
    blocks = head_object.mesh_keys(head).key_blocks
    turn = head_object.armature_of(head).pose.bones[head_object.JAW_BONE].rotation_quaternion
    keys = np.tile(np.array([_value(blocks.get(name)) for name in _FACE_KEYS], np.float32), (len(frames), 1))
    turns = np.tile(np.array(turn, np.float32), (len(frames), 1))
    for curve in _face_curves(head):
        name, component = _face_column(curve)
        if name == _TURNS:
            turns[:, component] = actions.sample(curve, frames)
        elif name in blocks and not blocks[name].mute:
            # Blender holds every value within the slider's range.
            block = blocks[name]
            values = actions.sample(curve, frames)
            keys[:, _FACE_KEYS.index(name)] = np.clip(values, block.slider_min, block.slider_max)
    return _Shown(keys, turns)


def _value(block: bpy.types.ShapeKey | None) -> float:
    return 0.0 if block is None or block.mute else block.value


# --- frame by frame -------------------------------------------------------------------------------


def _played(head: bpy.types.Object, scene: bpy.types.Scene, frames: np.ndarray) -> Iterator[float]:
    """Plays the scene; returns a `_Shown`."""
    layer = next((one for one in scene.view_layers if head.name in one.objects), None)
    if layer is None:
        raise EiferError(f"'{head.name}' is in a collection that is excluded from the scene; include it.")
    remapped = scene.render.frame_map_new / scene.render.frame_map_old
    shown = _Shown(
        np.zeros((len(frames), len(_FACE_KEYS)), np.float32), np.zeros((len(frames), 4), np.float32)
    )
    frame, sliders = (scene.frame_current, scene.frame_subframe), Sliders(head)
    try:
        for row, time in enumerate((frames * remapped).tolist()):
            scene.frame_set(int(np.floor(time)), subframe=time - np.floor(time))
            keys, rig = (block.evaluated_get(layer.depsgraph) for block in _blocks(head))
            shown.keys[row] = _values(keys)
            shown.turns[row] = _jaw_turn(rig)
            yield (row + 1) / len(frames)
    finally:
        scene.frame_set(frame[0], subframe=frame[1])
        sliders.restore(head)
    return shown


def _values(keys: bpy.types.Key) -> np.ndarray:
    """float32 [104] values of the face's keys."""
    blocks = keys.key_blocks
    values, mute = np.empty(len(blocks), np.float32), np.empty(len(blocks), bool)
    blocks.foreach_get("value", values)
    blocks.foreach_get("mute", mute)
    places = {name: place for place, name in enumerate(blocks.keys())}
    values = np.append(np.where(mute, 0.0, values), 0.0)  # the last for keys that are gone
    return values[[places.get(name, -1) for name in _FACE_KEYS]]


def _jaw_turn(rig: bpy.types.Object) -> list[float]:
    """Quaternion of an evaluated jaw bone against its parent, beyond rest."""
    bone = rig.pose.bones[head_object.JAW_BONE]

    def against_parent(own: Matrix, parent: Matrix | None) -> Matrix:
        return own if parent is None else parent.inverted_safe() @ own

    parent = bone.parent
    rest = against_parent(bone.bone.matrix_local, parent and parent.bone.matrix_local)
    now = against_parent(bone.matrix, parent and parent.matrix)
    return list((rest.inverted_safe() @ now).to_quaternion())


class Sliders:
    """Key values and the jaw of a head, as far as nobody has keyed them yet."""

    def __init__(self, head: bpy.types.Object) -> None:
        blocks = head_object.mesh_keys(head).key_blocks
        self.values = np.empty(len(blocks), np.float32)
        blocks.foreach_get("value", self.values)
        self.turn = list(head_object.armature_of(head).pose.bones[head_object.JAW_BONE].rotation_quaternion)

    def restore(self, head: bpy.types.Object) -> None:
        """Put them back after the scene was played."""
        keys, rig = _blocks(head)
        keys.key_blocks.foreach_set("value", self.values)
        keys.update_tag()
        rig.pose.bones[head_object.JAW_BONE].rotation_quaternion = self.turn
        rig.update_tag()
