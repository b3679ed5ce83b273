"""Operators of the panel "Animation": bake and preview."""

import bpy
from bpy.props import BoolProperty, StringProperty

from ...pipeline import CancelledError
from .. import bake, conditions, jobs, preview, session
from .base import redraw, report_errors

_TICK = 0.05  # seconds between two looks at the thread
_CURVES_PER_TICK = 8


class BakeOperator(conditions.Checked):
    """Base of the operators that write a take: in one go from Python, with progress and Esc in a window.

    A sub-class has one method of its own, `prepare(context) -> session.BakeWork`, which reads the
    scene: what to compute in the thread and where to write it.
    """

    bl_options = {"REGISTER", "UNDO"}
    _work = None
    _job = None
    _steps = None
    _timer = None

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do everything now."""
        self._work = work = self.prepare(context)
        take, keys, error_mm = work.compute(lambda share, text: None)
        preview.stop(work.head)
        baked = bake.bake_take(work.head, take, keys=keys, error_mm=error_mm, **work.options)
        return self._finish(context, (*work.notes, *take.notes), baked)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window, work in a thread and watch it."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        return self._start(context)

    @report_errors
    def _start(self, context: bpy.types.Context) -> set[str]:
        self._work = self.prepare(context)
        self._job = jobs.Job(self._work.compute)
        self._steps = None
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.window_manager.progress_begin(0.0, 1.0)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show progress; Esc leaves everything as it was."""
        if event.type == "ESC" and event.value == "PRESS":
            self._job.cancel()
            if self._steps is not None:
                self._steps.close()
            self._end(context)
            self.report({"INFO"}, "Cancelled; nothing was changed")
            return {"CANCELLED"}
        if event.type != "TIMER":
            # Everything but looking around waits, so that no edit falls between reading and writing.
            return {"PASS_THROUGH"} if event.type in _LOOKING_AROUND else {"RUNNING_MODAL"}
        return self._tick(context)

    @report_errors
    def _tick(self, context: bpy.types.Context) -> set[str]:
        try:
            return self._advance(context)
        except BaseException:
            self._end(context)
            raise

    def _advance(self, context: bpy.types.Context) -> set[str]:
        if self._steps is None:
            self._show(context, 0.9 * self._job.share, self._job.text)
            if not self._job.done:
                return {"RUNNING_MODAL"}
            if isinstance(self._job.error, CancelledError):
                self._end(context)
                return {"CANCELLED"}
            if self._job.error is not None:
                raise self._job.error
            take, keys, error_mm = self._job.result
            preview.stop(self._work.head)
            self._take = take
            self._steps = bake.bake_steps(
                self._work.head, take, keys=keys, error_mm=error_mm, **self._work.options
            )
        try:
            for _ in range(_CURVES_PER_TICK):
                share = next(self._steps)
            self._show(context, 0.9 + 0.1 * share, "Writing the curves")
        except StopIteration as done:
            self._end(context)
            return self._finish(context, (*self._work.notes, *self._take.notes), done.value)
        return {"RUNNING_MODAL"}

    def _show(self, context: bpy.types.Context, share: float, text: str) -> None:
        animation = context.scene.eifer.animation
        animation.progress, animation.progress_text = share, text
        context.window_manager.progress_update(share)
        redraw(context)

    def _end(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self._timer)
        context.window_manager.progress_end()
        self._show(context, 0.0, "")

    def _finish(self, context: bpy.types.Context, notes: tuple[str, ...], baked: bake.Baked) -> set[str]:
        missed = session.after_bake(context.scene, self._work.head, baked)
        for note in (*notes, *missed):
            self.report({"WARNING"}, note)
        self.report({"INFO"}, session.describe(baked))
        return {"FINISHED"}


_LOOKING_AROUND = {"MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "MOUSEMOVE", "INBETWEEN_MOUSEMOVE"}


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

    def prepare(self, context: bpy.types.Context) -> session.BakeWork:
        """Take everything from the panel."""
        return session.bake_work(context.scene, name=self.name, replace=self.replace)


class EIFER_OT_preview(conditions.Checked, bpy.types.Operator):
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

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start or stop the preview of the chosen head."""
        scene = context.scene
        head = scene.eifer.head
        if head.eifer.previewing:
            preview.stop(head)
            return {"FINISHED"}
        take = session.compute_take(scene, head)
        preview.start(head, take, scene.eifer.animation.start_frame)
        preview.show(head, scene.frame_current)
        redraw(context)
        return {"FINISHED"}


CLASSES = (EIFER_OT_bake_take, EIFER_OT_preview)
