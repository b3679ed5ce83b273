"""Operators of the panel "Head"."""

import bpy
from bpy.props import FloatProperty, IntProperty

from .. import head_object
from .base import report_errors, show_colours


class EIFER_OT_add_head(bpy.types.Operator):
    """Add the default head at the 3D cursor, ready to be driven by a recording"""

    bl_idname = "eifer.add_head"
    bl_label = "Add Head"
    bl_options = {"REGISTER", "UNDO"}

    identity_seed: IntProperty(
        name="Identity", description="Number of the face; each gives another person", default=0, min=0
    )
    identity_strength: FloatProperty(
        name="Strength",
        description="How far the face departs from the average, 0 is the average itself",
        default=0.0,
        min=0.0,
        max=1.5,
        subtype="FACTOR",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Objects can be added in object mode only."""
        return in_object_mode(cls, context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Add the head and look at it: it is small beside what the default view shows."""
        result = self.execute(context)
        if "FINISHED" in result:
            look_at_selected(context)
        return result

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the head and choose it in the panel."""
        from ...heads.default import load_default_head

        head = head_object.add_head(
            context.scene,
            load_default_head(),
            identity_seed=self.identity_seed,
            identity_strength=self.identity_strength,
        )
        head_object.armature_of(head).location = context.scene.cursor.location
        show_new_head(context, head)
        return {"FINISHED"}


class EIFER_OT_choose_head(bpy.types.Operator):
    """Drive the active object, which is a head, with the recording"""

    bl_idname = "eifer.choose_head"
    bl_label = "Use the Active Head"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object or its child must be a head."""
        if head_object.head_of(context.object) is None:
            cls.poll_message_set("Make a head of this extension the active object first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Choose the active head in the panel."""
        context.scene.eifer.head = head_object.head_of(context.object)
        return {"FINISHED"}


def in_object_mode(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """For `poll`: objects can be added in object mode only."""
    if context.mode != "OBJECT":
        operator.poll_message_set("Leave edit or pose mode first (Tab)")
        return False
    return True


def show_new_head(context: bpy.types.Context, head: bpy.types.Object) -> None:
    """Select a new head and choose it in the panel."""
    for obj in context.selected_objects:
        obj.select_set(False)
    head.select_set(True)
    context.view_layer.objects.active = head
    context.scene.eifer.head = head


def look_at_selected(context: bpy.types.Context) -> None:
    """Frame the selection if the operator was called in a viewport, and show the head's own colours."""
    if context.area is None or context.area.type != "VIEW_3D":
        return
    show_colours(context)
    window_region = next((region for region in context.area.regions if region.type == "WINDOW"), None)
    if window_region is not None:
        with context.temp_override(region=window_region):
            bpy.ops.view3d.view_selected()


CLASSES = (EIFER_OT_add_head, EIFER_OT_choose_head)
