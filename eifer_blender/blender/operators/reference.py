"""A video or sound of the session beside the take."""

import bpy
from bpy.props import FloatProperty, StringProperty
from mathutils import Euler, Vector

from ...errors import EiferError
from .. import conditions, head_object, media
from .base import report_errors


class EIFER_OT_load_reference(conditions.Checked, bpy.types.Operator):
    """Load a video or sound of the session beside the head, in step with the take"""

    bl_idname = "eifer.load_reference"
    bl_label = "Load Reference"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_head,)

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_movie: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_sound: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    offset: FloatProperty(
        name="Offset",
        description="Second of the video or sound that plays at the take's start frame",
        default=0.0,
        precision=3,
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Choose a file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add an image empty for a video, a strip for its sound."""
        scene, head = context.scene, context.scene.eifer.head
        start = scene.eifer.animation.start_frame
        fps = scene.render.fps / scene.render.fps_base
        first = round(start - self.offset * fps)
        loaded = media.load(scene, bpy.path.abspath(self.filepath), first)
        if loaded.image is None and loaded.strip is None:
            raise EiferError(f"'{self.filepath}' is neither a video nor a sound that Blender can read.")
        if loaded.image is not None:
            empty = media.add_screen(scene, loaded.image, first, loaded.frames)
            rig = head_object.armature_of(head)
            empty.matrix_world = rig.matrix_world
            empty.location = rig.matrix_world @ Vector((-0.32, 0.0, 0.06))
            empty.rotation_euler = Euler((1.5707963, 0.0, rig.rotation_euler.z))
        kinds = [text for text, one in (("video", loaded.image), ("sound", loaded.strip)) if one is not None]
        self.report({"INFO"}, f"Loaded {' and '.join(kinds)}, first frame {first}")
        return {"FINISHED"}


CLASSES = (EIFER_OT_load_reference,)
