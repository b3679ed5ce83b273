"""Operators that put muscle activity on paper: the flat map, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import conditions
from .base import FileSaver, JobOperator, redraw, report_errors

if TYPE_CHECKING:
    from ... import report as page


class EIFER_OT_face_map(conditions.Checked, bpy.types.Operator):
    """Draw the activity of this frame on a flat map of the face, as an image that the image editor shows"""

    bl_idname = "eifer.face_map"
    bl_label = "Face Map"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head,)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make it, and show it where an image editor is open."""
        from .. import face_map

        image = face_map.show(context.scene)
        windows = context.window_manager.windows
        areas = [area for window in windows for area in window.screen.areas if area.type == "IMAGE_EDITOR"]
        for area in areas[:1]:
            area.spaces.active.image = image
            area.tag_redraw()
        where = "" if areas else "; open an image editor to see it"
        self.report({"INFO"}, f"Image '{image.name}' shows frame {context.scene.frame_current}{where}")
        return {"FINISHED"}


class EIFER_OT_save_face_map(FileSaver, conditions.Checked, bpy.types.Operator):
    """Save the flat map of this frame as a PNG file"""

    bl_idname = "eifer.save_face_map"
    bl_label = "Save Face Map"
    bl_options = {"REGISTER"}
    needs = (conditions.needs_head,)
    suggested_name = "face_map.png"

    filter_glob: StringProperty(default="*.png", options={"HIDDEN"})

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        from ...drawing.png import to_png
        from ...interchange.write import write_file
        from .. import face_map

        path = bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".png")
        write_file(path, to_png(face_map.make(context.scene)), replace=self.replace)
        self.report({"INFO"}, f"Saved '{bpy.path.basename(path)}'")
        return {"FINISHED"}


class EIFER_OT_save_report(FileSaver, JobOperator, conditions.Checked, bpy.types.Operator):
    """Save one page about the take: faces and maps at the peaks, strips, agreement, left and right"""

    bl_idname = "eifer.save_report"
    bl_label = "Save Report"
    bl_options = {"REGISTER"}
    needs = (conditions.needs_head, conditions.needs_editable_animation)
    suggested_name = "muscle_activity.html"
    cancelled_text = "Cancelled; no report was written"
    _steps = None
    _asked = False  # by the file browser, with a window to show progress in

    filter_glob: StringProperty(default="*.html", options={"HIDDEN"})
    pictures: BoolProperty(
        name="Pictures", description="Render the head at the strongest moments", default=True
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Choose a file."""
        self._asked = not bpy.app.background
        return super().invoke(context, event)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """After the file browser bit by bit, from Python in one go."""
        from .. import report

        if self._asked:
            self._steps = report.steps(context.scene, pictures=self.pictures)
            self.show_progress(context, 0.01, "Rendering the head")
            return self.watch(context)
        return self._write(context, report.gather(context.scene, pictures=self.pictures))

    def advance(self, context: bpy.types.Context) -> set[str]:
        """Render one picture."""
        try:
            self.show_progress(context, 0.95 * next(self._steps), "Rendering the head")
        except StopIteration as done:
            self.end_job(context)
            return self._write(context, done.value)
        return {"RUNNING_MODAL"}

    def job_cancelled(self) -> None:
        """Esc: take the studio away."""
        if self._steps is not None:
            self._steps.close()

    def cancel(self, _context: bpy.types.Context) -> None:
        """Blender ends the operator."""
        self.job_cancelled()

    def _write(self, context: bpy.types.Context, data: page.ReportData) -> set[str]:
        from ... import report as page
        from .. import session

        path = bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".html")
        page.write_report(path, data, session.parametric_head(context.scene.eifer.head), replace=self.replace)
        redraw(context)
        self.report({"INFO"}, f"Saved '{bpy.path.basename(path)}'")
        return {"FINISHED"}


CLASSES = (EIFER_OT_face_map, EIFER_OT_save_face_map, EIFER_OT_save_report)
