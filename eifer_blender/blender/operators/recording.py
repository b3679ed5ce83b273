"""Operators of the panel "Recording", and dropping a file on the viewport."""

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty

from ...recordings import FILE_EXTENSIONS
from .. import conditions, preview, session
from .base import report_errors


class EIFER_OT_open_recording(bpy.types.Operator):
    """Open a facial muscle recording (EDF, CSV, TSV, AcqKnowledge text)"""

    bl_idname = "eifer.open_recording"
    bl_label = "Open Recording"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(
        default=";".join(f"*{ending}" for ending in FILE_EXTENSIONS), options={"HIDDEN", "SKIP_SAVE"}
    )
    rate: FloatProperty(
        name="Rate",
        description="Samples per second; 0 takes what the file says",
        default=0.0,
        min=0.0,
        options={"SKIP_SAVE"},
    )
    names: StringProperty(
        name="Columns",
        description="Names of the columns, separated by commas; empty takes what the file says",
        options={"SKIP_SAVE"},
    )
    poses: BoolProperty(
        name="Each row is a pose",
        description="Read a table without time as one held pose a row",
        default=False,
        options={"SKIP_SAVE"},
    )
    zeros_missing: BoolProperty(
        name="Zero means missing",
        description="In a table of poses, treat exact zeros as lost channels, not as silent muscles",
        default=False,
        options={"SKIP_SAVE"},
    )
    questions: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """A dropped file opens at once; else the file browser asks."""
        if self.filepath:
            return self._ask_or_open(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def _ask_or_open(self, context: bpy.types.Context) -> set[str]:
        """Ask for what the file does not say, with guesses; open it if it says everything."""
        inspection = session.inspect(self.filepath, self._options())
        if not inspection.needs or self.questions or bpy.app.background:
            return self._open(context)
        self.rate = self.rate or inspection.guesses.get("rate") or 0.0
        self.names = self.names or ", ".join(inspection.guesses.get("names") or ())
        self.questions = "\n".join(session.questions(inspection))
        return context.window_manager.invoke_props_dialog(self, width=560)

    def draw(self, _context: bpy.types.Context) -> None:
        """The questions, or the same fields at the side of the file browser."""
        layout = self.layout
        for question in self.questions.splitlines():
            layout.label(text=question, icon="QUESTION")
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("rate", "names", "poses", "zeros_missing"):
            layout.prop(self, name)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """After the file browser or the dialog, or from Python."""
        return self._ask_or_open(context)

    def _options(self) -> session.OpenOptions:
        names = tuple(name.strip() for name in self.names.split(",")) if self.names.strip() else None
        return session.OpenOptions(self.rate or None, names, self.poses or None, self.zeros_missing or None)

    @report_errors
    def _open(self, context: bpy.types.Context) -> set[str]:
        """Open the file and fill the panel; on an error the panel keeps the recording it had."""
        recording = session.open_into(context.scene, self.filepath, self._options())
        head = context.scene.eifer.head
        if head is not None and head.eifer.previewing and not preview.refresh(context.scene):
            preview.stop(head)
        self.report({"INFO"}, f"{recording.source.name}: {context.scene.eifer.recording.summary}")
        return {"FINISHED"}


class EIFER_OT_close_recording(conditions.Checked, bpy.types.Operator):
    """Close the recording; takes that were baked from it stay"""

    bl_idname = "eifer.close_recording"
    bl_label = "Close Recording"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_open_recording,)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Empty the panel."""
        session.close(context.scene)
        return {"FINISHED"}


class EIFER_OT_reset_channels(conditions.Checked, bpy.types.Operator):
    """Forget the muscles, kinds and mutes chosen by hand and use what the names say"""

    bl_idname = "eifer.reset_channels"
    bl_label = "Reset to the Guesses"
    bl_options = {"REGISTER", "UNDO"}
    needs = (conditions.needs_open_recording,)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put the guesses back."""
        session.reset_channels(context.scene.eifer.recording)
        preview.refresh_soon(context.scene)
        return {"FINISHED"}


class EIFER_OT_reset_chain(bpy.types.Operator):
    """Set the signal processing back to its preset"""

    bl_idname = "eifer.reset_chain"
    bl_label = "Reset to the Preset"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Load the preset again."""
        session.load_preset(context.scene.eifer.recording)
        preview.refresh_soon(context.scene)
        return {"FINISHED"}


class EIFER_FH_recording(bpy.types.FileHandler):
    """Lets a recording be dropped on the 3D viewport."""

    bl_idname = "EIFER_FH_recording"
    bl_label = "Facial muscle recording (EIFER)"
    bl_import_operator = "eifer.open_recording"
    bl_file_extensions = ";".join(FILE_EXTENSIONS)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Recordings belong on the viewport."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (
    EIFER_OT_open_recording,
    EIFER_OT_close_recording,
    EIFER_OT_reset_channels,
    EIFER_OT_reset_chain,
    EIFER_FH_recording,
)
