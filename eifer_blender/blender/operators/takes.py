"""Operators of the take list."""

import bpy
from bpy.props import IntProperty, StringProperty

from ...errors import EiferError
from .. import conditions, head_object, markers, preview, takes, work
from .animation import BakeOperator
from .base import report_errors

_NEEDS_TAKE = (conditions.needs_head, conditions.needs_take)
_NEEDS_EDITABLE_TAKE = (*_NEEDS_TAKE, conditions.needs_editable_animation, conditions.needs_editable_take)


class EIFER_OT_activate_take(conditions.Checked, bpy.types.Operator):
    """Let this take animate the head"""

    bl_idname = "eifer.activate_take"
    bl_label = "Play This Take"
    bl_options = {"REGISTER", "UNDO"}
    needs = (*_NEEDS_TAKE, conditions.needs_editable_animation)

    index: IntProperty(name="Take", default=-1, description="Number of the take; -1 is the selected one")

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Assign the take's actions."""
        head = context.scene.eifer.head
        if self.index >= len(head.eifer.takes):
            raise EiferError(f"'{head.name}' has only {len(head.eifer.takes)} takes; choose one of the list.")
        if self.index >= 0:
            head.eifer.active_take = self.index
        preview.stop(head)
        takes.activate(head, takes.selected(head))
        markers.follow(context.scene, takes.selected(head))
        return {"FINISHED"}


class EIFER_OT_remove_take(conditions.Checked, bpy.types.Operator):
    """Remove the selected take; what you keyed yourself in its action stays"""

    bl_idname = "eifer.remove_take"
    bl_label = "Remove Take"
    bl_options = {"REGISTER", "UNDO"}
    needs = _NEEDS_EDITABLE_TAKE

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first."""
        return context.window_manager.invoke_confirm(self, event)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the curves of the take and its entry."""
        head = context.scene.eifer.head
        preview.stop(head)
        markers.forget(context.scene, takes.selected(head))
        takes.remove(head, head.eifer.active_take)
        return {"FINISHED"}


class EIFER_OT_copy_take(conditions.Checked, bpy.types.Operator):
    """Copy the selected take to another head of the scene and play it there"""

    bl_idname = "eifer.copy_take"
    bl_label = "Copy Take to Head"
    bl_options = {"REGISTER", "UNDO"}
    needs = _NEEDS_TAKE

    target: StringProperty(name="To", description="Head that gets the copy")

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for the head; suggest the only other one."""
        others = self._others(context)
        if not others:
            self.report({"ERROR"}, "There is no other head in this scene; add one first")
            return {"CANCELLED"}
        self.target = others[0].name
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context: bpy.types.Context) -> None:
        """One field."""
        self.layout.prop_search(self, "target", context.scene, "objects")

    @staticmethod
    def _others(context: bpy.types.Context) -> list[bpy.types.Object]:
        source = context.scene.eifer.head
        return [o for o in context.scene.objects if o != source and head_object.is_head(o)]

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Copy the take."""
        source = context.scene.eifer.head
        target = head_object.head_of(context.scene.objects.get(self.target))
        if target is None or target == source:
            raise EiferError(f"'{self.target}' is not another head of this scene; choose one.")
        preview.stop(target)
        if head_object.hash_of(source) == head_object.hash_of(target):
            takes.copy_to(takes.selected(source), source, target)
        else:
            work.carry_take(source, takes.selected(source), target)
        self.report({"INFO"}, f"'{takes.selected(source).name}' now plays on '{target.name}' too")
        return {"FINISHED"}


class EIFER_OT_reload_take(BakeOperator, bpy.types.Operator):
    """Read the recording of the selected take again and bake it with the settings it was made with"""

    bl_idname = "eifer.reload_take"
    bl_label = "Bake Again from File"
    bl_options = {"REGISTER", "UNDO"}
    needs = _NEEDS_EDITABLE_TAKE

    def prepare(self, context: bpy.types.Context) -> work.BakeWork:
        """Take everything from the stamp of the take."""
        return work.reload_work(context.scene)


class EIFER_OT_remap_take(BakeOperator, bpy.types.Operator):
    """Compute the expressions of the selected take anew from its measured activity, with the model, \
gain and smoothing of the panel; the recording's file is not needed"""

    bl_idname = "eifer.remap_take"
    bl_label = "Map Again"
    bl_options = {"REGISTER", "UNDO"}
    needs = _NEEDS_EDITABLE_TAKE

    def prepare(self, context: bpy.types.Context) -> work.BakeWork:
        """Take the activity from the curves and the rest from the panel."""
        return work.remap_work(context.scene)


CLASSES = (
    EIFER_OT_activate_take,
    EIFER_OT_remove_take,
    EIFER_OT_copy_take,
    EIFER_OT_reload_take,
    EIFER_OT_remap_take,
)
