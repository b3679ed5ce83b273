"""What all operators share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import bpy
from bpy.props import BoolProperty, StringProperty

from ...errors import EiferError
from ...pipeline import CancelledError, Progress
from .. import jobs

_TICK = 0.05  # seconds between two looks at the thread


def report_errors(execute: Callable) -> Callable:
    """Turn an EiferError of `execute` into an error report; anything else is a bug and shows itself.

    Only for methods with the arguments of `execute`: Blender counts them on the wrapper.
    """

    @wraps(execute)
    def wrapper(self: bpy.types.Operator, context: bpy.types.Context) -> set[str]:
        try:
            return execute(self, context)
        except EiferError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}

    return wrapper


def redraw(context: bpy.types.Context) -> None:
    """Redraw the sidebars, so that progress shows."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def show_colours(context: bpy.types.Context) -> None:
    """Let solid views of the scene that were left at their default show the colours of meshes."""
    for window in context.window_manager.windows:
        for area in window.screen.areas if window.scene == context.scene else ():
            for space in area.spaces:
                if space.type == "VIEW_3D" and space.shading.color_type == "MATERIAL":
                    space.shading.color_type = "VERTEX"


class FileSaver:
    """Mix-in of operators that write a file: the file browser asks, and confirms replacing a file."""

    suggested_name = ""

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    replace: BoolProperty(
        name="Replace", description="Write over a file that exists already", options={"HIDDEN", "SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Choose a file, beside the project."""
        self.filepath = self.filepath or bpy.path.abspath(f"//{self.suggested_name}")
        self.replace = True  # the browser has asked
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class JobOperator:
    """Base of operators that work in a thread, show their progress in the panel and end with Esc.

    A sub-class calls `start_job` and has `job_done(context, result)`, which Blender's thread calls with
    what the function returned. Nothing may have changed before that, so that Esc leaves no trace.
    """

    cancelled_text = "Cancelled; nothing was changed"
    passes = frozenset()  # events that reach Blender meanwhile; None: all of them
    job_share = 1.0  # of the progress that belongs to the thread
    _job = None
    _timer = None

    def start_job(self, context: bpy.types.Context, function: Callable[[Progress], object]) -> set[str]:
        """Run a function in a thread and watch it."""
        self._job = jobs.Job(function)
        return self.watch(context)

    def watch(self, context: bpy.types.Context) -> set[str]:
        """Call `advance` now and then, until `end_job`."""
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.window_manager.progress_begin(0.0, 1.0)
        return {"RUNNING_MODAL"}

    def restart_job(self, function: Callable[[Progress], object]) -> set[str]:
        """Go on with another function."""
        self._job = jobs.Job(function)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show progress; Esc leaves everything as it was."""
        if event.type == "ESC" and event.value == "PRESS":
            self.job_cancelled()
            self.end_job(context)
            self.report({"INFO"}, self.cancelled_text)
            return {"CANCELLED"}
        if event.type != "TIMER":
            passed = self.passes is None or event.type in self.passes
            return {"PASS_THROUGH"} if passed else {"RUNNING_MODAL"}
        return self._tick(context)

    def cancel(self, _context: bpy.types.Context) -> None:
        """Blender ends the operator: a file is loaded, the window is closed, a dialog was left."""
        if self._job is not None:
            self.job_cancelled()

    @report_errors
    def _tick(self, context: bpy.types.Context) -> set[str]:
        try:
            return self.advance(context)
        except BaseException:
            self.end_job(context)
            raise

    def advance(self, context: bpy.types.Context) -> set[str]:
        """One look at the thread."""
        self.show_progress(context, self.job_share * self._job.share, self._job.text)
        if not self._job.done:
            return {"RUNNING_MODAL"}
        if isinstance(self._job.error, CancelledError):
            self.end_job(context)
            return {"CANCELLED"}
        if self._job.error is not None:
            raise self._job.error
        return self.job_done(context, self._job.result)

    def job_cancelled(self) -> None:
        """Esc: ask the thread to stop."""
        self._job.cancel()

    def show_progress(self, context: bpy.types.Context, share: float, text: str) -> None:
        """Into the panel and at the mouse."""
        animation = context.scene.eifer.animation
        animation.progress, animation.progress_text = share, text
        context.window_manager.progress_update(share)
        redraw(context)

    def end_job(self, context: bpy.types.Context) -> None:
        """Take timer and progress away."""
        context.window_manager.event_timer_remove(self._timer)
        context.window_manager.progress_end()
        self.show_progress(context, 0.0, "")
