"""The panel of files for other programs."""

from __future__ import annotations

import bpy

from .panel_parts import SidebarPanel, wrapped


class EIFER_PT_export(SidebarPanel, bpy.types.Panel):
    """Files of the animation for other programs."""

    bl_idname = "EIFER_PT_export"
    bl_label = "Export"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        column = self.layout.column()
        column.scale_y = 1.4
        column.operator("eifer.export_animation", icon="EXPORT")
        wrapped(self.layout, context, "FBX, glTF, USD, Alembic, Live Link Face, parameters.", "BLANK1")


CLASSES = (EIFER_PT_export,)
