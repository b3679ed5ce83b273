"""Operators of the panel "Muscle Activity": estimate it from the face, and compare it with a recording."""

from functools import partial
from time import monotonic

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty

from ... import agreement
from ...estimation import Estimate
from .. import bake, conditions, estimating, performance, work
from .animation import BakeOperator
from .base import FileSaver, JobOperator, redraw, report_errors

_PLAYING_S = 0.04  # of playing the scene between two looks at the window
_PLAYING_SHARE = 0.8  # of the progress, where the scene has to be played


class EstimateOperator(JobOperator):
    """Estimates an animation: in one go from Python, with progress and Esc in a window."""

    passes = BakeOperator.passes
    _plan = None
    _steps = None
    _played = None
    _begun = 0.0  # share of the progress when the thread begins

    def estimate_now(self, context: bpy.types.Context) -> set[str]:
        """Do everything now."""
        plan = estimating.prepare(context.scene)
        played = performance.sample(plan.head, context.scene, plan.sampled)
        return self._finish(context, plan, played, estimating.compute(plan, played, lambda share, text: None))

    @report_errors
    def start_estimate(self, context: bpy.types.Context) -> set[str]:
        """Do it bit by bit."""
        self._plan = estimating.prepare(context.scene)
        self._steps = performance.steps(self._plan.head, context.scene, self._plan.sampled)
        self._played, self._begun = None, 0.0
        return self.watch(context)

    def advance(self, context: bpy.types.Context) -> set[str]:
        """Read the face for a moment, then watch the thread."""
        if self._steps is None:
            return super().advance(context)
        until = monotonic() + _PLAYING_S
        try:
            while monotonic() < until:
                self._begun = _PLAYING_SHARE * next(self._steps)
            self.show_progress(context, self._begun, "Playing the scene")
            return {"RUNNING_MODAL"}
        except StopIteration as done:
            self._steps, self._played = None, done.value
        return self.restart_job(partial(estimating.compute, self._plan, self._played))

    def show_progress(self, context: bpy.types.Context, share: float, text: str) -> None:
        """The thread's share comes after the one of playing."""
        if self._played is not None and text:
            share = self._begun + (1.0 - self._begun) * share
        super().show_progress(context, share, text)

    def job_cancelled(self) -> None:
        """Stop, and put the scene back to where it was."""
        if self._steps is not None:
            self._steps.close()
        if self._job is not None:
            super().job_cancelled()

    def cancel(self, _context: bpy.types.Context) -> None:
        """Blender ends the operator."""
        self.job_cancelled()

    def job_done(self, context: bpy.types.Context, result: Estimate) -> set[str]:
        """Write the curves."""
        self.end_job(context)
        return self._finish(context, self._plan, self._played, result)

    def _finish(
        self,
        context: bpy.types.Context,
        plan: estimating.Plan,
        played: performance.Performance,
        made: Estimate,
    ) -> set[str]:
        self.tell(estimating.finish(context.scene, plan, played, made))
        redraw(context)
        how = ", playing the scene" if played.stepped else ""
        self.report({"INFO"}, f"{int(made.told.sum())} muscles in {len(plan.frames)} frames estimated{how}")
        return {"FINISHED"}

    def tell(self, notes: list[str]) -> None:
        """Report notes."""
        for note in notes:
            self.report({"INFO"}, note)


class EIFER_OT_estimate_activity(EstimateOperator, conditions.Checked, bpy.types.Operator):
    """Estimate which muscles made the animation of the face, and key them as est_ properties of the head"""

    bl_idname = "eifer.estimate_activity"
    bl_label = "Estimate"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head, conditions.needs_editable_animation)

    pose: BoolProperty(
        name="Current Pose",
        description="Only the pose that the head shows now; nothing is keyed",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """The tool tip says which of the two it is."""
        if properties.pose:
            return "Estimate which muscles make the face that is shown now; nothing is keyed"
        return cls.__doc__

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do everything now."""
        if not self.pose:
            return self.estimate_now(context)
        self.tell(estimating.estimate_pose(context.scene, context.evaluated_depsgraph_get()))
        redraw(context)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window, show progress and listen to Esc."""
        if self.pose or bpy.app.background or context.window is None:
            return self.execute(context)
        return self.start_estimate(context)


class EIFER_OT_clear_estimate(conditions.Checked, bpy.types.Operator):
    """Remove the estimate from the head: its curves and its est_ properties"""

    bl_idname = "eifer.clear_estimate"
    bl_label = "Clear Estimate"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head, conditions.needs_editable_animation)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Clear it."""
        estimating.clear(context.scene)
        return {"FINISHED"}


class EIFER_OT_compare_activity(conditions.Checked, bpy.types.Operator):
    """Compare the estimate with the recording of the take that plays, muscle by muscle"""

    bl_idname = "eifer.compare_activity"
    bl_label = "Compare"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head,)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fill the table of the head."""
        head = context.scene.eifer.head
        rows, notes = estimating.compare(head)
        estimating.store_agreement(head, rows)
        for note in notes:
            self.report({"WARNING"}, note)
        median = agreement.median_rho(rows)
        compared = sum(row.rho == row.rho for row in rows)  # NaN is not itself
        told = f"median rho {median:.2f} of {compared} muscles" if compared else "no muscle can be compared"
        self.report({"INFO"}, f"Agreement: {told}")
        return {"FINISHED"}


class EIFER_OT_save_agreement(FileSaver, conditions.Checked, bpy.types.Operator):
    """Write the table of agreement to a CSV file"""

    bl_idname = "eifer.save_agreement"
    bl_label = "Save Agreement"
    bl_options = {"REGISTER"}
    needs = (conditions.needs_head, conditions.needs_agreement)
    suggested_name = "agreement.csv"

    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        from ...interchange.write import write_file

        path = bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".csv")
        rows = estimating.stored_agreement(context.scene.eifer.head)
        write_file(path, agreement.table_csv(rows).encode(), replace=self.replace)
        self.report({"INFO"}, f"Saved '{bpy.path.basename(path)}'")
        return {"FINISHED"}


class EIFER_OT_estimate_from_file(BakeOperator, bpy.types.Operator):
    """Estimate the activity behind expressions in a file: a Live Link Face or ARKit table, or parameters"""

    bl_idname = "eifer.estimate_from_file"
    bl_label = "Estimate from File"
    needs = (conditions.needs_head, conditions.needs_editable_animation)
    _asked = False  # by the file browser, with a window to show progress in
    _made = None

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.csv;*.csv.gz;*.npz", options={"HIDDEN"})
    fps: FloatProperty(
        name="Frame Rate",
        description="Rows per second; 0 takes what the file says",
        default=0.0,
        min=0.0,
        max=1000.0,
        options={"SKIP_SAVE"},
    )
    animate_head: BoolProperty(
        name="Animate the Head",
        description="Also bake the expressions, as a new take",
        default=True,
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Choose a file; then as for a bake."""
        if self.filepath:
            return super().invoke(context, event)
        self._asked = not bpy.app.background
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """After the file browser, or from Python in one go."""
        if self._asked:
            return self._start(context)
        return super().execute(context) if self.animate_head else self._only_estimate(context)

    @report_errors
    def _only_estimate(self, context: bpy.types.Context) -> set[str]:
        self.prepare(context).compute(lambda share, text: None)
        return self._key(context)

    def prepare(self, context: bpy.types.Context) -> work.BakeWork:
        """Read the panel."""
        self._made = estimating.from_file(context.scene, self.filepath, self.fps or None)
        return self._made.work

    def job_done(self, context: bpy.types.Context, result: object) -> set[str]:
        """Bake, or only key the estimate."""
        if self.animate_head:
            return super().job_done(context, result)
        self.end_job(context)
        return self._key(context)

    def _finish(self, context: bpy.types.Context, baked: bake.Baked) -> set[str]:
        super()._finish(context, baked)
        return self._key(context)

    def _key(self, context: bpy.types.Context) -> set[str]:
        said = self._take.notes if self._take else ()  # with the bake
        for note in estimating.finish_file(context.scene, self._made):
            if note not in said:
                self.report({"INFO"}, note)
        redraw(context)
        return {"FINISHED"}


CLASSES = (
    EIFER_OT_estimate_activity,
    EIFER_OT_estimate_from_file,
    EIFER_OT_clear_estimate,
    EIFER_OT_compare_activity,
    EIFER_OT_save_agreement,
)
