"""The operator that exports animation: files for other programs, checked by reading them back."""

from time import monotonic

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty

from ...errors import EiferError
from .. import conditions, exporting
from ..exporting import sampling
from .animation import BakeOperator
from .base import FileSaver, JobOperator, report_errors

_WORKING_S = 0.04  # between two looks at the window

_VERTICES = [
    ("FBX", "FBX", "For Unreal, Unity, Maya: shape keys and bones, a key every frame"),
    ("GLB", "glTF Binary", "For the web and engines: one file with shape keys and bones"),
    ("GLTF", "glTF Separate", "A text file with its binary data beside it"),
    ("USD", "USD", "For pipelines: blend shapes and a skeleton"),
    ("ABC", "Alembic", "Every vertex in every frame; no shape keys, no bones"),
]
_NUMBERS = [(one.id, one.name, one.description) for one in exporting.TABLES.values()]


def needs_something(context: bpy.types.Context) -> str:
    """A head is chosen or meshes are selected."""
    head = context.scene.eifer.head
    if head is not None and head.name in context.scene.objects:
        return ""
    if any(obj.type == "MESH" for obj in context.selected_objects):
        return ""
    return "Choose a head in the panel 'Head', or select meshes"


class EIFER_OT_export_animation(FileSaver, JobOperator, conditions.Checked, bpy.types.Operator):
    """Write the animation for other programs, read the file back and compare it with what plays here"""

    bl_idname = "eifer.export_animation"
    bl_label = "Export Animation"
    bl_options = {"REGISTER"}
    needs = (needs_something,)
    suggested_name = "animation.fbx"
    passes = BakeOperator.passes
    cancelled_text = "Cancelled; nothing was written"
    _steps = None

    format: EnumProperty(name="Format", items=_VERTICES + _NUMBERS)
    what: EnumProperty(
        name="Objects",
        items=[
            ("HEAD", "Head", "The head of the panel with its armature"),
            ("SELECTED", "Selection", "The selected meshes, with the armatures that move them"),
        ],
    )
    extent: EnumProperty(
        name="Frames",
        items=[
            ("SCENE", "Scene", "The frame range of the scene, or its preview range"),
            ("KEYS", "Keys", "From the first to the last key of what is exported"),
            ("RANGE", "Range", "These frames"),
        ],
    )
    frame_from: IntProperty(name="From", default=1)
    frame_to: IntProperty(name="To", default=250)
    keep_all: BoolProperty(
        name="Keys at Rest",
        description="Also shape keys that never move in these frames, for a rig elsewhere that expects them",
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Choose a file, named after what is exported."""
        if context.scene.eifer.head is None:
            self.what = "SELECTED"
        if not self.filepath:
            named = context.scene.eifer.head or context.active_object
            name = bpy.path.clean_name(named.name) if named else "animation"
            self.filepath = bpy.path.abspath(f"//{name}{exporting.ending(self.format)}")
        return super().invoke(context, event)

    def check(self, _context: bpy.types.Context) -> bool:
        """Let the name in the file browser end as the format wants it."""
        path = _with_ending(self.filepath, exporting.ending(self.format))
        changed, self.filepath = path != self.filepath, path
        return changed

    def draw(self, context: bpy.types.Context) -> None:
        """The format's own switches and nothing else."""
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(self, "format")
        numbers = self.format in exporting.TABLES
        if not numbers:
            layout.prop(self, "what")
        layout.prop(self, "extent")
        if self.extent == "RANGE":
            column = layout.column(align=True)
            column.prop(self, "frame_from")
            column.prop(self, "frame_to")
        if self.format not in {"ABC", *exporting.TABLES}:
            layout.prop(self, "keep_all")
        if not numbers:
            self._draw_left_out(context)

    def _draw_left_out(self, context: bpy.types.Context) -> None:
        left = sampling.not_carried([obj for obj in self._objects(context) if obj.type == "MESH"])
        if left:
            column = self.layout.column(align=True)
            column.label(text="Not carried by any format:", icon="INFO")
            for name in left:
                column.label(text=name, icon="MODIFIER")

    def _objects(self, context: bpy.types.Context) -> list[bpy.types.Object]:
        head = context.scene.eifer.head
        if self.format in exporting.TABLES or self.what == "HEAD":
            return [head] if head is not None else []
        return list(context.selected_objects)

    @report_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """In a window, work between its events; from Python, in one go."""
        objects = self._objects(context)
        if not objects:
            raise EiferError("No head is chosen; choose one in the panel 'Head', or export the selection.")
        path = _with_ending(bpy.path.abspath(self.filepath), exporting.ending(self.format))
        arguments = (context.scene, objects, path, self.format, self._frames(context.scene, objects))
        options = {"replace": self.replace, "keep_all": self.keep_all}
        if bpy.app.background or context.window is None or not self.replace:
            return self._tell(exporting.export(*arguments, **options))
        self._steps = exporting.steps(*arguments, **options)
        return self.watch(context)

    def _frames(self, scene: bpy.types.Scene, objects: list[bpy.types.Object]) -> tuple[int, int]:
        if self.extent == "RANGE":
            return self.frame_from, self.frame_to
        if self.extent == "KEYS":
            return exporting.key_range(objects)
        if scene.use_preview_range:
            return scene.frame_preview_start, scene.frame_preview_end
        return scene.frame_start, scene.frame_end

    def advance(self, context: bpy.types.Context) -> set[str]:
        """Work for a moment."""
        until, share = monotonic() + _WORKING_S, (0.0, "")
        try:
            while monotonic() < until:
                share = next(self._steps)
            self.show_progress(context, *share)
            return {"RUNNING_MODAL"}
        except StopIteration as done:
            self._steps = None
            self.end_job(context)
            return self._tell(done.value)

    def job_cancelled(self) -> None:
        """Stop, and put the scene back to where it was."""
        if self._steps is not None:
            self._steps.close()

    def cancel(self, _context: bpy.types.Context) -> None:
        """Blender ends the operator."""
        self.job_cancelled()

    def _tell(self, done: exporting.Exported) -> set[str]:
        for note in done.notes:
            self.report({"INFO"}, note)
        self.report({"INFO"}, f"Saved '{done.path.name}': {exporting.describe(done)}")
        return {"FINISHED"}


def _with_ending(path: str, ending: str) -> str:
    """The path with the ending, in place of another format's."""
    kinds = (*exporting.FORMATS, *exporting.TABLES)
    for other in {exporting.ending(kind) for kind in kinds} - {ending}:
        if path.lower().endswith(other):
            path = path[: -len(other)]
    return bpy.path.ensure_ext(path, ending)


CLASSES = (EIFER_OT_export_animation,)
