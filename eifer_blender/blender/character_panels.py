"""The panel of characters: what moves which of their properties."""

from __future__ import annotations

import bpy

from .operators.characters import active
from .panel_parts import SidebarPanel, wrapped


class EIFER_UL_characters(bpy.types.UIList):
    """Characters of the scene."""

    bl_idname = "EIFER_UL_characters"

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, _index) -> None:  # noqa: ANN001
        """Draw one row."""
        layout.prop(item, "name", text="", emboss=False, icon="ARMATURE_DATA")


class EIFER_UL_links(bpy.types.UIList):
    """Links of a character."""

    bl_idname = "EIFER_UL_links"

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, _index) -> None:  # noqa: ANN001
        """Draw one row: the source and what it moves."""
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        row.label(text=item.source.partition(":")[2] or "choose a source")
        row.label(text=_short(item), icon="ERROR" if item.object is None else "NONE")

    def filter_items(self, _context, data, name) -> tuple[list[int], list[int]]:  # noqa: ANN001
        """The list's search looks at source and target."""
        text = self.filter_name.casefold()
        rows = getattr(data, name)
        shown = [text in f"{row.source} {_short(row)}".casefold() for row in rows]
        return [self.bitflag_filter_item if one else 0 for one in shown], []


def _short(link: bpy.types.PropertyGroup) -> str:
    """What a link moves, as short as can be."""
    target = link.path.split('"')[1] if link.path.count('"') > 1 else link.path
    return f"{link.object.name}: {target}" if link.object else target


class EIFER_PT_characters(SidebarPanel, bpy.types.Panel):
    """Characters that play along."""

    bl_idname = "EIFER_PT_characters"
    bl_label = "Characters"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout, stored = self.layout, context.scene.eifer
        row = active(context)
        column = layout.column(align=True)
        column.operator("eifer.find_character", icon="VIEWZOOM")
        column.operator("eifer.load_mapping", icon="FILE_FOLDER")
        if row is None:
            return
        line = layout.row()
        line.template_list(
            "EIFER_UL_characters", "", stored, "characters", stored, "active_character", rows=2, maxrows=4
        )
        side = line.column(align=True)
        side.operator("eifer.remove_character", text="", icon="REMOVE")
        side.operator("eifer.save_mapping", text="", icon="FILE_TICK")
        column = layout.column(align=True)
        column.scale_y = 1.3
        column.operator("eifer.drive_character", icon="PLAY")
        column.operator("eifer.drive_character_from_file", icon="FILE")
        for note in row.notes.splitlines():
            wrapped(layout, context, note, "INFO")


class EIFER_PT_links(SidebarPanel, bpy.types.Panel):
    """The links of the chosen character."""

    bl_idname = "EIFER_PT_links"
    bl_label = "Mapping"
    bl_parent_id = "EIFER_PT_characters"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a character."""
        return active(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout, row = self.layout, active(context)
        line = layout.row()
        line.template_list("EIFER_UL_links", "", row, "links", row, "active_link", rows=6)
        side = line.column(align=True)
        side.operator("eifer.edit_links", text="", icon="ADD").do = "ADD"
        side.operator("eifer.edit_links", text="", icon="REMOVE").do = "REMOVE"
        if not 0 <= row.active_link < len(row.links):
            return
        link = row.links[row.active_link]
        layout.use_property_split, layout.use_property_decorate = True, False
        column = layout.column(align=True)
        column.prop(link, "source")
        column.prop(link, "object")
        column.prop(link, "path")
        if not link.path.startswith("key_blocks["):
            column.prop(link, "index")
        column = layout.column(align=True)
        column.prop(link, "scale")
        column.prop(link, "offset")
        column.prop(link, "low")
        column.prop(link, "high")


CLASSES = (EIFER_UL_characters, EIFER_UL_links, EIFER_PT_characters, EIFER_PT_links)
