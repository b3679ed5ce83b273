"""The operator of the panel "Heat Map"."""

import bpy

from .. import conditions
from .base import redraw, report_errors, show_colours


class EIFER_OT_heat_map(conditions.Checked, bpy.types.Operator):
    """Show the activity of the muscles as colours on the face, or take them away again"""

    bl_idname = "eifer.heat_map"
    bl_label = "Heat Map"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head,)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show or hide it."""
        from .. import heat_map

        head = context.scene.eifer.head
        if heat_map.is_shown(head):
            heat_map.hide(head)
        else:
            heat_map.show(head)
            show_colours(context)
        redraw(context)
        return {"FINISHED"}


CLASSES = (EIFER_OT_heat_map,)
