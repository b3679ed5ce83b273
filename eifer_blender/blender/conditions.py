"""Why a button is disabled: one sentence each, shared by poll, tool tips and scripts."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from ..errors import EiferError
from . import head_object, takes
from .properties import NO_MUSCLE

Condition = Callable[[bpy.types.Context], str]
"""Returns the reason against, or an empty string."""


def needs_head(context: bpy.types.Context) -> str:
    """A head is chosen, complete, and may be changed."""
    head = context.scene.eifer.head
    if head is None:
        return "Add a head or choose one in the panel 'Head' first"
    if not head_object.is_head(head):
        return f"'{head.name}' is not a head of this extension"
    try:
        rig = head_object.armature_of(head)
        head_object.mesh_keys(head)
    except EiferError as error:
        return str(error).removesuffix(".")
    for block in (head, head.data, rig):
        if block.library is not None:
            return (
                f"'{block.name}' is linked from another file and cannot be animated here; "
                "use Object > Library Override > Make on the head's collection"
            )
    if rig.pose.bones[head_object.JAW_BONE].rotation_mode != "QUATERNION":
        return f"The jaw bone of '{rig.name}' must turn by quaternions; set its rotation mode to Quaternion"
    if not any(obj == head for obj in context.scene.objects):
        return f"The head '{head.name}' is not in this scene; choose another one"
    return ""


def needs_identity_keys(context: bpy.types.Context) -> str:
    """The head has keys for identity."""
    head = context.scene.eifer.head
    if head_object.identity_names(head):
        return ""
    return f"'{head.name}' has no identity keys; FLAME heads have them"


def needs_editable_animation(context: bpy.types.Context) -> str:
    """No NLA strip is being edited on the head."""
    head = context.scene.eifer.head
    for block in takes.targets(head).values():
        data = block.animation_data
        if data is not None and data.use_tweak_mode:
            return f"An NLA strip of '{block.name}' is being edited; leave tweak mode (Tab in the NLA editor)"
    return ""


def needs_open_recording(context: bpy.types.Context) -> str:
    """A recording is open."""
    if not context.scene.eifer.recording.filepath:
        return "Open a recording in the panel 'Recording' first"
    return ""


def needs_recording(context: bpy.types.Context) -> str:
    """A recording is open and at least one of its channels has a muscle."""
    reason = needs_open_recording(context)
    if reason:
        return reason
    recording = context.scene.eifer.recording
    if not any((c.muscle != NO_MUSCLE or c.site) and not c.mute for c in recording.channels):
        return "No channel has a muscle; choose one in the channel list"
    return ""


def needs_marks(context: bpy.types.Context) -> str:
    """The recording has marks."""
    return "" if context.scene.eifer.recording.marks else "The recording has no marks"


def needs_take(context: bpy.types.Context) -> str:
    """A take is selected in the list."""
    if takes.selected(context.scene.eifer.head) is None:
        return "This head has no take yet; bake one first"
    return ""


def needs_moment(context: bpy.types.Context) -> str:
    """The head shows a moment of a recording."""
    head = context.scene.eifer.head
    if head.eifer.previewing or any(takes.is_playing(head, take) for take in head.eifer.takes):
        return ""
    return "Bake a take or start the live preview first: a pose belongs to a moment of a recording"


def needs_pose(context: bpy.types.Context) -> str:
    """A pose of the calibration is selected."""
    stored = context.scene.eifer.head.eifer.calibration
    return "" if 0 <= stored.active_pose < len(stored.poses) else "There is no pose in the list"


def needs_examples(context: bpy.types.Context) -> str:
    """There is something to calibrate from."""
    stored = context.scene.eifer.head.eifer.calibration
    if stored.poses or stored.use_labels:
        return ""
    return "Add a pose with 'Use Current Pose', or use labelled movements"


def needs_calibration(context: bpy.types.Context) -> str:
    """The head has a calibration."""
    return "" if context.scene.eifer.head.eifer.calibration.data else "The head is not calibrated yet"


def needs_agreement(context: bpy.types.Context) -> str:
    """The estimate was compared with a recording."""
    compared = len(context.scene.eifer.head.eifer.agreement) > 0
    return "" if compared else "Compare the estimate with a recording first"


def needs_editable_take(context: bpy.types.Context) -> str:
    """The selected take is not linked from another file."""
    for channels in takes.channels_of(
        context.scene.eifer.head, takes.selected(context.scene.eifer.head)
    ).values():
        if channels.action.library is not None:
            return f"The action '{channels.action.name}' is linked from another file and cannot be changed"
    return ""


def reason_against(context: bpy.types.Context, conditions: tuple[Condition, ...]) -> str:
    """The first reason why something cannot be done now; empty if it can."""
    return next((reason for reason in (condition(context) for condition in conditions) if reason), "")


class Checked:
    """Mix-in for operators: `needs` decides poll, and the reason shows in the tool tip."""

    needs: tuple[Condition, ...] = ()

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether the operator can run; says why not."""
        reason = reason_against(context, cls.needs)
        if reason:
            cls.poll_message_set(reason)
        return not reason
