"""The panel of files for other programs, and their place in Blender's File menu."""

from __future__ import annotations

import bpy

from .panel_parts import SidebarPanel, progress, wrapped


class EIFER_PT_export(SidebarPanel, bpy.types.Panel):
    """Files of the animation for other programs."""

    bl_idname = "EIFER_PT_export"
    bl_label = "Export"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        if progress(self.layout, context):
            return
        column = self.layout.column()
        column.scale_y = 1.4
        column.operator("eifer.export_animation", icon="EXPORT")
        wrapped(self.layout, context, "FBX, glTF, USD, Alembic, Live Link Face, parameters.", "BLANK1")


def menu_entry(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """The same under File > Export."""
    menu.layout.operator("eifer.export_animation", text="EIFER Animation (.fbx, .glb, .usdc, .abc, .csv)")


def register() -> None:
    """Add the menu entry."""
    bpy.types.TOPBAR_MT_file_export.append(menu_entry)


def unregister() -> None:
    """Remove the menu entry."""
    bpy.types.TOPBAR_MT_file_export.remove(menu_entry)


CLASSES = (EIFER_PT_export,)
