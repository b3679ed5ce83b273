"""Panels of muscle activity: estimate it from the face, see it, compare it, hand it on."""

from __future__ import annotations

import math

import bpy

from .. import agreement, muscles
from . import conditions, estimates, timeline
from .panel_parts import SidebarPanel, progress, why_not, wrapped

_MUSCLE_LABELS = {muscle.name: muscle.label.split(" / ")[0] for muscle in muscles.MUSCLES}


def _figure(value: float, form: str = ".2f") -> str:
    return format(value, form) if math.isfinite(value) else "—"


class _NeedsHead(SidebarPanel):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a head."""
        return not conditions.needs_head(context)


class EIFER_PT_activity(_NeedsHead, bpy.types.Panel):
    """Estimate muscle activity from the animation of the head."""

    bl_idname = "EIFER_PT_activity"
    bl_label = "Muscle Activity"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        eifer = context.scene.eifer
        activity = eifer.activity
        layout.row().prop(activity, "extent", expand=True)
        if activity.extent == "RANGE":
            row = layout.row(align=True)
            row.prop(activity, "frame_from")
            row.prop(activity, "frame_to")
        if progress(layout, context):
            return
        column = layout.column(align=True)
        column.scale_y = 1.4
        column.operator("eifer.estimate_activity", icon="MOD_WAVE").pose = False
        row = column.row(align=True)
        row.operator("eifer.estimate_activity", text="Current Pose", icon="POSE_HLT").pose = True
        row.operator("eifer.estimate_from_file", text="From File", icon="FILE_FOLDER")
        why_not(layout, context, (conditions.needs_editable_animation,))
        self._draw_estimate(context, eifer.head, activity)

    def _draw_estimate(
        self, context: bpy.types.Context, head: bpy.types.Object, activity: bpy.types.PropertyGroup
    ) -> None:
        layout = self.layout
        stamp = estimates.stamp_of(head)
        if stamp:
            last = stamp["start_frame"] + stamp["frames"] - 1
            row = layout.row(align=True)
            row.label(
                text=f"Estimated: frames {stamp['start_frame']} to {last}", icon="OUTLINER_DATA_LIGHTPROBE"
            )
            row.operator("eifer.clear_estimate", text="", icon="X")
            column = layout.column(align=True)
            column.scale_y = 0.85
            column.label(text=f"Model {stamp['model']['id']} {stamp['model']['version']}", icon="BLANK1")
        for note in activity.notes.splitlines():
            wrapped(layout, context, note, "INFO")
        for sentence in timeline.stretched(context.scene) if stamp else ():
            wrapped(layout, context, sentence, "ERROR")


class EIFER_PT_activity_model(_NeedsHead, bpy.types.Panel):
    """Which model maps expression to activity."""

    bl_idname = "EIFER_PT_activity_model"
    bl_label = "Model"
    bl_parent_id = "EIFER_PT_activity"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        activity = context.scene.eifer.activity
        self.layout.prop(activity, "model", text="")
        if not activity.model:
            wrapped(
                self.layout,
                context,
                "The bundled model, trained on simulated physiology. An estimate is no measurement and no "
                "diagnosis.",
                "INFO",
            )
        self.layout.prop(activity, "include_hidden")


class EIFER_PT_heat_map(_NeedsHead, bpy.types.Panel):
    """Activity as colours on the face."""

    bl_idname = "EIFER_PT_heat_map"
    bl_label = "Heat Map"
    bl_parent_id = "EIFER_PT_activity"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        heat = context.scene.eifer.head.eifer.heat
        row = layout.row(align=True)
        text = "Hide Heat Map" if heat.show else "Show Heat Map"
        row.operator("eifer.heat_map", text=text, icon="SHADING_TEXTURE", depress=heat.show)
        row.operator("eifer.face_map", text="", icon="IMAGE_DATA")
        column = layout.column()
        column.active = heat.show
        column.row().prop(heat, "source", expand=True)
        column.row().prop(heat, "scheme", expand=True)
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(heat, "range_mode")
        if heat.range_mode == "FIXED":
            column.prop(heat, "maximum")
        column.prop(heat, "opacity")
        row = column.row(heading="Show")
        row.prop(heat, "electrodes", toggle=True)
        sub = row.row()
        sub.active = heat.electrodes
        sub.prop(heat, "labels", toggle=True)
        column.prop(heat, "bar")


class EIFER_PT_strips(_NeedsHead, bpy.types.Panel):
    """Activity over time in the viewport."""

    bl_idname = "EIFER_PT_strips"
    bl_label = "Strips"
    bl_parent_id = "EIFER_PT_activity"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header(self, context: bpy.types.Context) -> None:
        """On or off."""
        self.layout.prop(context.scene.eifer.activity, "strips", text="")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        activity = context.scene.eifer.activity
        layout.active = activity.strips
        layout.row().prop(activity, "strips_rows", expand=True)


class EIFER_UL_agreement(bpy.types.UIList):
    """Muscle, rank correlation, RMSE, SMAPE and lag of each channel."""

    bl_idname = "EIFER_UL_agreement"

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, _index) -> None:  # noqa: ANN001
        """Draw one row."""
        row = layout.row(align=True)
        split = row.split(factor=0.46, align=True)
        split.label(text=muscles.short_label(item.name), translate=False)
        right = split.row(align=True)
        if item.reason and not math.isfinite(item.rho):
            right.active = False
            right.label(text=item.reason[:1].upper() + item.reason[1:])
            return
        for text in (
            _figure(item.rho),
            _figure(item.rmse),
            _figure(item.smape, ".0f"),
            _figure(1000 * item.lag_s, "+.0f"),
        ):
            right.label(text=text)


class EIFER_PT_agreement(_NeedsHead, bpy.types.Panel):
    """The estimate against the recording."""

    bl_idname = "EIFER_PT_agreement"
    bl_label = "Agreement with the Recording"
    bl_parent_id = "EIFER_PT_activity"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        head = context.scene.eifer.head
        row = layout.row(align=True)
        row.operator("eifer.compare_activity", icon="CON_TRANSLIKE")
        rows = head.eifer.agreement
        if not rows:
            return
        row.operator("eifer.save_agreement", text="", icon="FILE_TICK")
        titles = layout.row(align=True)
        split = titles.split(factor=0.46, align=True)
        split.label(text="Muscle")
        right = split.row(align=True)
        for title in ("ρ", "RMSE", "SMAPE", "Lag ms"):
            right.label(text=title)
        layout.template_list(
            "EIFER_UL_agreement", "", head.eifer, "agreement", head.eifer, "active_agreement", rows=8
        )
        median = agreement.median_rho(rows)
        if math.isfinite(median):
            layout.label(text=f"Median ρ {median:.2f}", icon="BLANK1")


class EIFER_PT_asymmetry(_NeedsHead, bpy.types.Panel):
    """Left against right."""

    bl_idname = "EIFER_PT_asymmetry"
    bl_label = "Left and Right"
    bl_parent_id = "EIFER_PT_activity"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        sides = context.scene.eifer.head.eifer.sides
        layout.operator("eifer.measure_asymmetry", icon="MOD_MIRROR")
        if not sides:
            return
        column = layout.column(align=True)
        self._row(column, "Muscle", "Estimated", "Measured")
        for item in sides:
            self._row(column, _MUSCLE_LABELS[item.name], _lean(item.estimated), _lean(item.measured))
        wrapped(layout, context, "100 is one side alone, 0 both alike, a dash at rest.", "INFO")

    @staticmethod
    def _row(layout: bpy.types.UILayout, name: str, *texts: str) -> None:
        split = layout.split(factor=0.46, align=True)
        split.label(text=name, translate=False)
        right = split.row(align=True)
        for text in texts:
            right.label(text=text)


def _lean(index: float) -> str:
    if not math.isfinite(index):
        return "—"
    return "0" if round(index) == 0 else f"{abs(index):.0f} {'left' if index > 0 else 'right'}"


class EIFER_PT_hand_on(_NeedsHead, bpy.types.Panel):
    """Files for others."""

    bl_idname = "EIFER_PT_hand_on"
    bl_label = "Export and Report"
    bl_parent_id = "EIFER_PT_activity"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw."""
        column = self.layout.column(align=True)
        column.operator("eifer.export_activity", icon="EXPORT")
        column = self.layout.column(align=True)
        column.operator("eifer.save_face_map", icon="IMAGE_DATA")
        column.operator("eifer.save_report", icon="TEXT")


CLASSES = (
    EIFER_UL_agreement,
    EIFER_PT_activity,
    EIFER_PT_heat_map,
    EIFER_PT_strips,
    EIFER_PT_agreement,
    EIFER_PT_asymmetry,
    EIFER_PT_hand_on,
    EIFER_PT_activity_model,
)
