"""Operators of the panel "Calibration"."""

import bpy
from bpy.props import BoolProperty, StringProperty

from ...mapping import calibration
from .. import calibrating, calibrations, conditions, preview
from .base import report_errors


class EIFER_OT_use_pose(conditions.Checked, bpy.types.Operator):
    """Take the face that the head shows now as how it should look at this moment of the recording. \
Change expression keys, jaw or ARKit keys first; they need no keyframes"""

    bl_idname = "eifer.use_pose"
    bl_label = "Use Current Pose"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head, conditions.needs_moment)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add it to the list."""
        item = calibrating.use_current_pose(context.scene)
        self.report({"INFO"}, f"The head shall look like this at {item.name}")
        return {"FINISHED"}


class EIFER_OT_remove_pose(conditions.Checked, bpy.types.Operator):
    """Remove the selected pose; the calibration stays as it is until you calibrate again"""

    bl_idname = "eifer.remove_pose"
    bl_label = "Remove Pose"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head, conditions.needs_pose)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Take it out of the list."""
        stored = context.scene.eifer.head.eifer.calibration
        stored.poses.remove(stored.active_pose)
        stored.active_pose = max(0, min(stored.active_pose, len(stored.poses) - 1))
        return {"FINISHED"}


class EIFER_OT_calibrate(conditions.Checked, bpy.types.Operator):
    """Change the mapping of this head so that its faces come closer to the poses and labelled movements"""

    bl_idname = "eifer.calibrate"
    bl_label = "Calibrate"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head, conditions.needs_examples)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fit, and show it in a running preview."""
        scene = context.scene
        made = calibrating.calibrate(scene)
        if scene.eifer.head.eifer.previewing:
            preview.refresh(scene)
        self.report({"INFO" if made.changes else "WARNING"}, calibration.describe(made))
        return {"FINISHED"}


class EIFER_OT_clear_calibration(conditions.Checked, bpy.types.Operator):
    """Forget the calibration and its poses; takes stay as they were baked"""

    bl_idname = "eifer.clear_calibration"
    bl_label = "Clear Calibration"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head,)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Clear the head, and show it in a running preview."""
        scene = context.scene
        calibrations.clear(scene.eifer.head)
        if scene.eifer.head.eifer.previewing:
            preview.refresh(scene)
        return {"FINISHED"}


class _FileOperator(conditions.Checked):
    """What saving and loading share."""

    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Choose a file, beside the project."""
        self.filepath = self.filepath or bpy.path.abspath("//calibration.json")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class EIFER_OT_save_calibration(_FileOperator, bpy.types.Operator):
    """Write the calibration to a file, for other heads and projects with the same model"""

    bl_idname = "eifer.save_calibration"
    bl_label = "Save Calibration"
    needs = (conditions.needs_head, conditions.needs_calibration)

    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    replace: BoolProperty(
        name="Replace", description="Write over a file that exists already", options={"SKIP_SAVE"}
    )

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        path = bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".json")
        calibrating.save(context.scene, path, replace=self.replace)
        self.report({"INFO"}, f"Saved '{bpy.path.basename(path)}'")
        return {"FINISHED"}


class EIFER_OT_load_calibration(_FileOperator, bpy.types.Operator):
    """Give this head the calibration in a file; it must belong to the same model"""

    bl_idname = "eifer.load_calibration"
    bl_label = "Load Calibration"
    needs = (conditions.needs_head,)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read it, and show it in a running preview."""
        scene = context.scene
        read = calibrating.load(scene, bpy.path.abspath(self.filepath))
        if scene.eifer.head.eifer.previewing:
            preview.refresh(scene)
        self.report({"INFO"}, calibration.describe(read))
        return {"FINISHED"}


CLASSES = (
    EIFER_OT_use_pose,
    EIFER_OT_remove_pose,
    EIFER_OT_calibrate,
    EIFER_OT_clear_calibration,
    EIFER_OT_save_calibration,
    EIFER_OT_load_calibration,
)
