"""What the panels of the sidebar have in common. Drawing reads, it never writes."""

from __future__ import annotations

import textwrap

import bpy

from . import conditions

CATEGORY = "EIFER"


def wrapped(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE") -> None:
    """A sentence over several lines, as wide as the sidebar."""
    width = context.region.width if context.region else 300
    scale = context.preferences.system.ui_scale
    columns = max(20, int((width - 55 * scale) / (6.6 * scale)))
    lines = textwrap.wrap(text, columns) or [""]
    column = layout.column(align=True)
    column.scale_y = 0.75
    for number, line in enumerate(lines):
        column.label(text=line, icon=icon if number == 0 else "BLANK1" if icon != "NONE" else "NONE")


def why_not(
    layout: bpy.types.UILayout, context: bpy.types.Context, needs: tuple[conditions.Condition, ...]
) -> bool:
    """Show why something cannot be done now; whether it can."""
    reason = conditions.reason_against(context, needs)
    if reason:
        wrapped(layout, context, reason + ".", "INFO")
    return not reason


def progress(layout: bpy.types.UILayout, context: bpy.types.Context) -> bool:
    """Show how far a running operator is; whether one runs."""
    animation = context.scene.eifer.animation
    if animation.progress > 0.0:
        layout.progress(factor=animation.progress, text=f"{animation.progress_text} (Esc cancels)")
    return animation.progress > 0.0


class SidebarPanel:
    """Where all panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = CATEGORY
