"""The operator that hands muscle activity on to other programs, as a file."""

import bpy
import numpy as np
from bpy.props import EnumProperty

from ... import pipeline
from ...errors import EiferError
from ...recordings.types import Annotation
from .. import conditions, estimates, estimating, takes
from .base import FileSaver, report_errors

_ACTIVITY_ENDINGS = {"CSV": ".csv", "EDF": ".edf"}


class EIFER_OT_export_activity(FileSaver, conditions.Checked, bpy.types.Operator):
    """Write muscle activity as a table of 22 columns or as EDF+"""

    bl_idname = "eifer.export_activity"
    bl_label = "Export Activity"
    bl_options = {"REGISTER"}
    needs = (conditions.needs_head,)
    suggested_name = "activity.csv"

    format: EnumProperty(
        name="Format",
        items=[
            ("CSV", "CSV", "A row a frame and 22 columns, as in the MMM data set; unknown cells are empty"),
            ("EDF", "EDF+", "Per cent of the maximum, with the uncertainty and the marks of the take"),
        ],
    )
    source: EnumProperty(
        name="Activity",
        items=[
            ("EST", "Estimated", "The estimate that is keyed on the head"),
            ("EMG", "Measured", "The recording of the take that plays, else of the selected one"),
        ],
    )

    def check(self, _context: bpy.types.Context) -> bool:
        """Let the name in the file browser end as the format wants it."""
        path = _with_ending(self.filepath, _ACTIVITY_ENDINGS[self.format])
        changed, self.filepath = path != self.filepath, path
        return changed

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        from ... import interchange

        head = context.scene.eifer.head
        path = _with_ending(bpy.path.abspath(self.filepath), _ACTIVITY_ENDINGS[self.format])
        values, sd, fps, marks = (_estimated if self.source == "EST" else _measured)(head)
        if self.format == "CSV":
            interchange.write_activity_csv(path, values, replace=self.replace)
        else:
            what = "estimated" if self.source == "EST" else "measured"
            options = {"sd": sd, "annotations": marks, "what": what, "replace": self.replace}
            interchange.write_activity_edf(path, values, fps, **options)
        self.report(
            {"INFO"}, f"Saved '{bpy.path.basename(path)}': {len(values)} frames at {fps:g} per second"
        )
        return {"FINISHED"}


def _estimated(head: bpy.types.Object) -> tuple[np.ndarray, np.ndarray, float, list[Annotation]]:
    found = estimates.read(head)
    if found is None:
        raise EiferError(f"'{head.name}' has no estimate; estimate its activity first.")
    return found.estimate.values, found.estimate.sd, found.estimate.fps, []


def _measured(head: bpy.types.Object) -> tuple[np.ndarray, None, float, list[Annotation]]:
    take = estimating.measured_take(head)
    values, present = takes.read_activity(head, take)
    fps = takes.read_stamp(take)["fps"]
    marks = [_annotation(mark, fps) for mark in takes.read_marks(take)]
    return np.where(present, values, np.float32(np.nan)), None, fps, marks


def _annotation(mark: pipeline.TakeMark, fps: float) -> Annotation:
    length = 0.0 if mark.end is None else (mark.end - mark.frame) / fps
    return Annotation(mark.frame / fps, length, mark.text)


def _with_ending(path: str, ending: str) -> str:
    """The path with the ending, in place of another of ours."""
    for other in (".csv", ".edf"):
        if path.lower().endswith(other) and other != ending:
            path = path[: -len(other)]
    return bpy.path.ensure_ext(path, ending)


CLASSES = (EIFER_OT_export_activity,)
