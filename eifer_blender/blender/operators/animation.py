"""Operators of the panel "Animation": bake and preview."""

import bpy
from bpy.props import BoolProperty, StringProperty

from ...errors import EiferError
from .. import bake, conditions, preview, session, sources, work
from .base import JobOperator, redraw, report_errors

_CURVES_PER_TICK = 8


class BakeOperator(JobOperator, conditions.Checked):
    """Base of the operators that write a take: in one go from Python, with progress and Esc in a window.

    A sub-class has one method of its own, `prepare(context) -> work.BakeWork`, which reads the
    scene: what to compute in the thread and where to write it.
    """

    bl_options = {"REGISTER", "UNDO"}
    # Everything but looking around waits, so that no edit falls between reading and writing.
    passes = frozenset(("MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "MOUSEMOVE", "INBETWEEN_MOUSEMOVE"))
    job_share = 0.9
    _work = None
    _take = None
    _steps = None

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do everything now."""
        self._work = self.prepare(context)
        self._take, keys, error_mm = self._work.compute(lambda share, text: None)
        preview.stop(self._work.head)
        options = {"keys": keys, "error_mm": error_mm, **self._work.options}
        return self._finish(context, bake.bake_take(self._work.head, self._take, **options))

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window, work in a thread and watch it."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        return self._start(context)

    @report_errors
    def _start(self, context: bpy.types.Context) -> set[str]:
        self._work = self.prepare(context)
        self._steps = None
        return self.start_job(context, self._work.compute)

    def advance(self, context: bpy.types.Context) -> set[str]:
        """Watch the thread, then write some curves at a time."""
        if self._steps is None:
            return super().advance(context)
        try:
            for _ in range(_CURVES_PER_TICK):
                share = next(self._steps)
            self.show_progress(context, self.job_share + (1.0 - self.job_share) * share, "Writing the curves")
        except StopIteration as done:
            self.end_job(context)
            return self._finish(context, done.value)
        return {"RUNNING_MODAL"}

    def job_done(self, _context: bpy.types.Context, result: object) -> set[str]:
        """Begin to write."""
        self._take, keys, error_mm = result
        preview.stop(self._work.head)
        options = {"keys": keys, "error_mm": error_mm, **self._work.options}
        self._steps = bake.bake_steps(self._work.head, self._take, **options)
        return {"RUNNING_MODAL"}

    def job_cancelled(self) -> None:
        """Stop the thread, or undo what is written so far."""
        super().job_cancelled()
        if self._steps is not None:
            self._steps.close()

    def _finish(self, context: bpy.types.Context, baked: bake.Baked) -> set[str]:
        missed = work.after_bake(context.scene, self._work.head, baked)
        for note in (*self._take.notes, *missed):
            self.report({"WARNING"}, note)
        self.report({"INFO"}, work.describe(baked))
        return {"FINISHED"}


class EIFER_OT_bake_take(BakeOperator, bpy.types.Operator):
    """Write the recording as animation of the head, as a new take"""

    bl_idname = "eifer.bake_take"
    bl_label = "Bake"
    needs = (
        conditions.needs_head,
        conditions.needs_recording,
        conditions.needs_editable_animation,
    )

    name: StringProperty(
        name="Take", description="Name of the take; empty takes the recording's", options={"SKIP_SAVE"}
    )
    replace: BoolProperty(
        name="Replace",
        description="Write over the selected take instead of adding one",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """The tool tip says which of the two it is."""
        if properties.replace:
            return "Bake again over the selected take; what you keyed on other channels stays"
        return "Write the recording as animation of the head, as a new take"

    def prepare(self, context: bpy.types.Context) -> work.BakeWork:
        """Take everything from the panel."""
        return work.bake_work(context.scene, name=self.name, replace=self.replace)


class EIFER_OT_preview(JobOperator, conditions.Checked, bpy.types.Operator):
    """Show the recording on the head while you scrub, without baking; click again to stop"""

    bl_idname = "eifer.preview"
    bl_label = "Live Preview"
    bl_options = {"REGISTER"}
    needs = (
        conditions.needs_head,
        conditions.needs_recording,
        conditions.needs_editable_animation,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A running preview can always be stopped."""
        head = context.scene.eifer.head
        return (head is not None and head.eifer.previewing) or super().poll(context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """A long recording is processed in a thread."""
        eifer = context.scene.eifer
        large = sources.is_large(bpy.path.abspath(eifer.recording.filepath))
        if bpy.app.background or context.window is None or eifer.head.eifer.previewing or not large:
            return self.execute(context)
        return self._start(context)

    @report_errors
    def _start(self, context: bpy.types.Context) -> set[str]:
        return self.start_job(context, preview.computing(context.scene))

    def job_done(self, context: bpy.types.Context, result: object) -> set[str]:
        """Show what the thread computed."""
        self.end_job(context)
        return self._show(context, result)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start or stop the preview of the chosen head."""
        head = context.scene.eifer.head
        if head.eifer.previewing:
            preview.stop(head)
            return {"FINISHED"}
        return self._show(context, preview.computing(context.scene)(lambda share, text: None))

    @staticmethod
    def _show(context: bpy.types.Context, measured: session.Measured) -> set[str]:
        if measured.take is None:
            raise EiferError(measured.error)
        scene = context.scene
        preview.start(scene.eifer.head, measured.take, scene.eifer.animation.start_frame)
        preview.show(scene.eifer.head, scene.frame_current)
        redraw(context)
        return {"FINISHED"}


CLASSES = (EIFER_OT_bake_take, EIFER_OT_preview)
