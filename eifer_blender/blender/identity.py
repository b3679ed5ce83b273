"""Which person a head is: identity keys, and joints that lie where that person's are."""

from __future__ import annotations

import bpy
import numpy as np

from .. import spaces
from ..errors import EiferError
from ..heads.deform import joint_positions
from ..heads.head import ParametricHead
from ..interchange.clip import ExpressionClip
from . import actions, head_object, session, takes
from .space import to_axis_angles, to_blender

_ASTRAY_M = 1e-4  # of a joint from its bone, before it is worth a sentence


def set_identity(head: bpy.types.Object, coefficients: np.ndarray) -> list[str]:
    """Make a head another person, bones included; returns notes.

    coefficients: [k] in standard deviations; components beyond are 0, those that the head has no key for are
    told. Takes follow. Raises EiferError for a head without identity keys.
    """
    values, notes = _fitting(head, coefficients)
    head_object.show_identity(head, values)
    head_object.mesh_keys(head).update_tag()
    fit_joints(head)
    return notes


def of_clip(clip: ExpressionClip, keys: int) -> np.ndarray | None:
    """float32 [keys]: the person in a clip, for a head with so many identity keys; None if it says none."""
    found = clip.extra.get("identity")
    if found is None or not keys:
        return None
    person = np.zeros(keys, np.float32)
    mean = np.nanmean(found, 0)
    used = min(keys, len(mean))
    person[:used] = np.nan_to_num(mean[:used])
    return person


def set_of_take(head: bpy.types.Object, coefficients: np.ndarray) -> list[str]:
    """Key an identity in the selected take, so that it shows its own person; returns notes.

    Raises EiferError without a take or identity keys, or if its actions are linked or deleted.
    """
    values, notes = _fitting(head, coefficients)
    take = takes.selected(head)
    channels = takes.channels_of(head, take) if take else {}
    if takes.EXPRESSION not in channels:
        raise EiferError(f"'{head.name}' has no take to give the identity to; bake one first.")
    if any(one.action.library is not None for one in channels.values()):
        raise EiferError(f"The actions of the take '{take.name}' are linked from another file.")
    stamp = takes.read_stamp(take)
    face = channels[takes.EXPRESSION]
    actions.remove_curves(face, {takes.identity_curve(number) for number in range(len(values))})
    start = np.array([stamp.get("start_frame", 1)], np.float32)
    for number, value in enumerate(values):
        keys = actions.Keys(start, np.array([value], np.float32))
        actions.write_curve(face, takes.identity_curve(number), keys, takes.IDENTITY_GROUP)
    takes.write_stamp(channels.values(), stamp | {"identity": len(values)})
    if head_object.joints_move(head):
        _refresh(head, take, session.parametric_head(head))
    return notes


def _fitting(head: bpy.types.Object, coefficients: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(coefficients [k] for the k identity keys of a head, notes); EiferError for a head without any."""
    names = head_object.identity_names(head)
    if not names:
        raise EiferError(f"'{head.name}' has no identity keys; add it from its FLAME file again with some.")
    values = np.zeros(len(names), np.float32)
    used = min(len(names), len(coefficients))
    values[:used] = coefficients[:used]
    beyond = float(np.linalg.norm(coefficients[used:]))
    if not beyond:
        return values, []
    share = beyond / float(np.linalg.norm(coefficients))
    return values, [
        f"The head has keys for {len(names)} of the {len(coefficients)} components; what is beyond makes up "
        f"{100 * share:.0f} % of the shape's length."
    ]


def astray(head: bpy.types.Object) -> bool:
    """Whether identity keys were changed and the bones have not followed."""
    if not head_object.identity_names(head) or _brings_identity(head):
        return False
    wanted = joint_positions(session.parametric_head(head), head_object.identity_of(head))
    return bool(np.abs(wanted - head_object.rest_joints(head)).max() > _ASTRAY_M)


def _brings_identity(head: bpy.types.Object) -> bool:
    """Whether what plays keys the identity, as a take with a person of its own does."""
    channels = actions.assigned(head_object.mesh_keys(head))
    return channels is not None and takes.identity_curve(0) in actions.curve_map(channels)


def fit_joints(head: bpy.types.Object) -> None:
    """Move the bones to the joints of the person that the identity keys show; takes stay exact."""
    if _brings_identity(head):
        raise EiferError(
            f"The take that plays on '{head.name}' brings its own identity; play another one first."
        )
    geometry = session.parametric_head(head)
    rig, shown = head_object.armature_of(head), head_object.identity_of(head)
    head_object.place_bones(rig, to_blender(joint_positions(geometry, shown)))
    head[head_object.IDENTITY_STAMP] = shown.tolist()
    if not head_object.joints_move(head):
        return
    for take in head.eifer.takes:
        _refresh(head, take, geometry)
    head_object.set_expression(head, head_object.expression_of(head), geometry)


def _refresh(head: bpy.types.Object, take: bpy.types.PropertyGroup, geometry: ParametricHead) -> None:
    """Compute the locations of the jaw's bone in a take anew, at the keys that it has."""
    channels = takes.channels_of(head, take)
    if not {takes.RIG, takes.EXPRESSION} <= channels.keys():
        return
    if any(one.action.library is not None for one in channels.values()):
        return
    rig, face = (actions.curve_map(channels[role]) for role in (takes.RIG, takes.EXPRESSION))
    for axis, curve_id in enumerate(takes.JAW_LOCATION_CURVES):
        curve = rig.get(curve_id)
        if curve is None or not len(curve.keyframe_points):
            continue
        points = np.empty(2 * len(curve.keyframe_points), np.float32)
        curve.keyframe_points.foreach_get("co", points)
        frames = points[::2].astype(np.float64)
        parameters, identity = _played(head, rig, face, frames)
        joints = head_object.joints_of(head, geometry, identity)
        turns = parameters[:, spaces.JAW]
        points[1::2] = joints.locations(head_object.JAW_BONE, turns, parameters)[:, axis]
        curve.keyframe_points.foreach_set("co", points)
        curve.update()


def _played(
    head: bpy.types.Object,
    rig: dict[actions.CurveId, bpy.types.FCurve],
    face: dict[actions.CurveId, bpy.types.FCurve],
    frames: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Parameters [n, 55] and identity [k] that a take's curves play."""
    parameters = np.zeros((len(frames), spaces.JAW.stop), np.float32)
    for column, curve_id in enumerate(takes.KEY_CURVES):
        if curve_id in face:
            parameters[:, column] = actions.sample(face[curve_id], frames)
    turns = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (len(frames), 1))
    for column, curve_id in enumerate(takes.JAW_CURVES):
        if curve_id in rig:
            turns[:, column] = actions.sample(rig[curve_id], frames)
    parameters[:, spaces.JAW] = to_axis_angles(turns)
    identity = head_object.own_identity(head)
    for number in range(len(identity)):
        if (curve_id := takes.identity_curve(number)) in face:
            identity[number] = actions.sample(face[curve_id], frames[:1])[0]
    return parameters, identity
