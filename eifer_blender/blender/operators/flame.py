"""Operators of FLAME heads: add one, make it a person, fit its joints."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

from .. import conditions, head_object, identity
from .base import FileSaver, redraw, report_errors
from .head import in_object_mode, look_at_selected, show_new_head


class EIFER_OT_add_flame_head(bpy.types.Operator):
    """Add a head from a FLAME file of your own: any release, as pickle or NPZ. Nothing in the file is run"""

    bl_idname = "eifer.add_flame_head"
    bl_label = "Add FLAME Head"
    bl_options = {"REGISTER", "UNDO"}
    _by_hand = False

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.pkl;*.npz", options={"HIDDEN"})
    identity_keys: IntProperty(
        name="Identity Keys",
        description="How many identity components become shape keys",
        default=100,
        min=0,
        max=300,
    )
    side_files: BoolProperty(
        name="Files Beside It",
        description=(
            "Also use FLAME's masks, head_template.obj, eyelids and MediaPipe embedding if they lie in the "
            "same folder; without its own eyelids the head gets some from its geometry"
        ),
        default=True,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Objects can be added in object mode only."""
        return in_object_mode(cls, context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Choose the file."""
        self._by_hand = True
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the file, add the head, choose it in the panel and look at it."""
        from .. import flame

        path = bpy.path.abspath(self.filepath)
        made = flame.add(context.scene, path, identity_keys=self.identity_keys, side_files=self.side_files)
        head_object.armature_of(made.object).location = context.scene.cursor.location
        show_new_head(context, made.object)
        if self._by_hand:
            look_at_selected(context)
        for note in made.notes:
            self.report({"INFO"}, note)
        redraw(context)
        return {"FINISHED"}


class EIFER_OT_set_identity(conditions.Checked, bpy.types.Operator):
    """Make the head a person: identity coefficients from an NPZ, NPY or CSV of a fit, joints included"""

    bl_idname = "eifer.set_identity"
    bl_label = "Set Identity"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head, conditions.needs_identity_keys)

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.npz;*.npy;*.csv", options={"HIDDEN"})
    for_take: BoolProperty(
        name="For the Selected Take Only",
        description="Key the identity in the take, so that each take shows its own person",
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Choose the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the file and set the keys."""
        from ...heads.identity_file import read_identity

        head = context.scene.eifer.head
        read = read_identity(bpy.path.abspath(self.filepath))
        if self.for_take:
            told = identity.set_of_take(head, read.values)
        else:
            told = identity.set_identity(head, read.values)
        for note in (*read.notes, *told):
            self.report({"INFO"}, note)
        context.scene.frame_set(context.scene.frame_current)
        return {"FINISHED"}


class EIFER_OT_fit_joints(conditions.Checked, bpy.types.Operator):
    """Move neck, jaw and eyes to where the person that the identity keys show has them"""

    bl_idname = "eifer.fit_joints"
    bl_label = "Fit Joints"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head, conditions.needs_identity_keys)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Move the bones; takes follow."""
        identity.fit_joints(context.scene.eifer.head)
        context.scene.frame_set(context.scene.frame_current)
        return {"FINISHED"}


class EIFER_OT_save_residuals(FileSaver, conditions.Checked, bpy.types.Operator):
    """Save a table of what is lost of each expression between this head and the default one, in mm"""

    bl_idname = "eifer.save_residuals"
    bl_label = "Save Residuals"
    bl_options = {"REGISTER"}
    needs = (conditions.needs_head,)
    suggested_name = "residuals.csv"

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        from ...interchange.write import write_file
        from .. import flame

        path = Path(bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".csv"))
        write_file(path, flame.residual_table(context.scene.eifer.head).encode(), replace=self.replace)
        self.report({"INFO"}, f"Saved '{path.name}'")
        return {"FINISHED"}


CLASSES = (EIFER_OT_add_flame_head, EIFER_OT_set_identity, EIFER_OT_fit_joints, EIFER_OT_save_residuals)
