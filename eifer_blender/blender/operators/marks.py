"""Operators of the list of marks, and the take's marks on the timeline."""

import bpy
from bpy.props import BoolProperty, EnumProperty

from ...errors import EiferError
from .. import conditions, markers, preview, segments, session, takes
from .base import report_errors

_NEEDS_MARKS = (conditions.needs_open_recording, conditions.needs_marks)


def _selected(stored: bpy.types.PropertyGroup) -> bpy.types.PropertyGroup:
    """The selected mark; EiferError without one."""
    mark = segments.active(stored)
    if mark is None:
        raise EiferError("No mark is selected; click one in the list.")
    return mark


class EIFER_OT_check_marks(conditions.Checked, bpy.types.Operator):
    """Check several marks at once"""

    bl_idname = "eifer.check_marks"
    bl_label = "Check Marks"
    bl_options = {"REGISTER", "UNDO"}
    needs = _NEEDS_MARKS

    which: EnumProperty(
        name="Which",
        items=[
            ("SAME", "Same text", "Check every mark with the text of the selected one, and no other"),
            ("ALL", "All", "Check every mark"),
            ("NONE", "None", "Check no mark"),
            ("INVERT", "Invert", "Check what is not checked and the reverse"),
        ],
        default="SAME",
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """What the button with this choice does."""
        items = cls.bl_rna.properties["which"].enum_items if "which" in cls.bl_rna.properties else ()
        return items[properties.which].description if items else cls.__doc__

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the boxes and the take to marked stretches."""
        eifer = context.scene.eifer
        if self.which == "SAME":
            _selected(eifer.recording)
        if segments.check(eifer.recording, self.which):
            eifer.animation.extent = "MARKED"
        preview.refresh_shown(context.scene)
        return {"FINISHED"}


class EIFER_OT_range_from_mark(conditions.Checked, bpy.types.Operator):
    """Animate the stretch of the selected mark, with the margins of marked stretches"""

    bl_idname = "eifer.range_from_mark"
    bl_label = "Set Range from Mark"
    bl_options = {"REGISTER", "UNDO"}
    needs = _NEEDS_MARKS

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the range."""
        scene = context.scene
        stored, animation = scene.eifer.recording, scene.eifer.animation
        _selected(stored)
        request = session.read_panel(scene)
        (part,) = request.choice.of_marks(request.recording(), [stored.active_mark])
        animation.range_from, animation.range_to = part.start, part.end
        animation.extent = "RANGE"
        return {"FINISHED"}


class EIFER_OT_add_markers(conditions.Checked, bpy.types.Operator):
    """Show the recording's marks in the selected take as markers of the timeline; your own markers stay"""

    bl_idname = "eifer.add_markers"
    bl_label = "Add Timeline Markers"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head, conditions.needs_take)

    ends: BoolProperty(
        name="Ends too", description="Also a marker where a marked segment ends", default=False
    )

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Replace the markers of the extension."""
        take = takes.selected(context.scene.eifer.head)
        if not takes.read_marks(take):
            raise EiferError(f"The take '{take.name}' has no marks of its recording.")
        count = markers.show(context.scene, take, self.ends)
        self.report({"INFO"}, f"{count} marks of '{take.name}' are on the timeline")
        return {"FINISHED"}


class EIFER_OT_remove_markers(bpy.types.Operator):
    """Remove the markers that come from a take; your own markers stay"""

    bl_idname = "eifer.remove_markers"
    bl_label = "Remove Timeline Markers"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with markers of a take."""
        if not context.scene.eifer.markers:
            cls.poll_message_set("No marks of a take are on the timeline")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove them."""
        count = markers.remove(context.scene)
        self.report({"INFO"}, f"{count} markers removed")
        return {"FINISHED"}


CLASSES = (
    EIFER_OT_check_marks,
    EIFER_OT_range_from_mark,
    EIFER_OT_add_markers,
    EIFER_OT_remove_markers,
)
