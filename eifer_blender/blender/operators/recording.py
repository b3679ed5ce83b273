"""Operators of the panel "Recording", and dropping a file on the viewport."""

from functools import partial

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, StringProperty

from ...errors import EiferError
from ...recordings import FILE_EXTENSIONS, FORMATS_TEXT, Inspection
from .. import conditions, preview, session, sources
from ..properties import EIFER_PG_stream
from .base import JobOperator, report_errors


class EIFER_OT_open_recording(JobOperator, bpy.types.Operator):
    bl_idname = "eifer.open_recording"
    bl_label = "Open Recording"
    bl_description = f"Open a facial muscle recording ({FORMATS_TEXT})"
    bl_options = {"REGISTER", "UNDO"}
    passes = None  # the window can be used meanwhile: nothing of it is read any more
    cancelled_text = "Cancelled; the recording was not opened"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
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
    streams: CollectionProperty(
        type=EIFER_PG_stream,
        name="Streams",
        description="Streams to read; none takes all",
        options={"SKIP_SAVE"},
    )
    choose_streams: BoolProperty(
        description="Ask which streams of the file to read", options={"HIDDEN", "SKIP_SAVE"}
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
        if len(self.files) > 1:
            raise EiferError(f"{len(self.files)} files were given; open one recording at a time.")
        path = bpy.path.abspath(self.filepath)
        if self.questions or bpy.app.background or not path:
            return self._open(context)
        inspection = sources.inspect(path, self._options())
        choose = self.choose_streams or "streams" in inspection.needs
        if not inspection.needs and not choose:
            return self._open(context)
        self.rate = self.rate or inspection.guesses.get("rate") or 0.0
        self.names = self.names or ", ".join(inspection.guesses.get("names") or ())
        if choose and not self.streams:
            self._list_streams(context, path, inspection)
        self.questions = "\n".join(sources.questions(inspection) or ["Streams to read from the file:"])
        return context.window_manager.invoke_props_dialog(self, width=560)

    def _list_streams(self, context: bpy.types.Context, path: str, inspection: Inspection) -> None:
        """A box for each stream: checked what is open now, else what the reader suggests."""
        stored = context.scene.eifer.recording
        chosen = inspection.guesses.get("streams")
        if chosen is None and bpy.path.abspath(stored.filepath) == path:
            chosen = sources.OpenOptions.from_json(stored.options).streams
        for number, stream in enumerate(inspection.streams):
            item = self.streams.add()
            item.name = stream.name
            item.number = number
            item.text = sources.describe_stream(stream)
            item.use = chosen is None or stream.name in chosen or number in chosen

    def draw(self, _context: bpy.types.Context) -> None:
        """The questions, or the same fields at the side of the file browser."""
        layout = self.layout
        for question in self.questions.splitlines():
            layout.label(text=question, icon="QUESTION")
        column = layout.column(align=True)
        for item in self.streams:
            column.prop(item, "use", text=f"{item.name}: {item.text}" if item.name else item.text)
        if self.choose_streams:
            return
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("rate", "names", "poses", "zeros_missing"):
            layout.prop(self, name)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """After the file browser or the dialog, or from Python."""
        return self._ask_or_open(context)

    def _options(self) -> sources.OpenOptions:
        names = tuple(name.strip() for name in self.names.split(",")) if self.names.strip() else None
        streams = [item.name or item.number for item in self.streams if item.use]
        if self.streams and not streams:
            raise EiferError("No stream is checked; check at least one.")
        all_of_them = len(streams) == len(self.streams) and self.choose_streams
        return sources.OpenOptions(
            self.rate or None,
            names,
            self.poses or None,
            self.zeros_missing or None,
            tuple(streams) if streams and not all_of_them else None,
        )

    def _open(self, context: bpy.types.Context) -> set[str]:
        """Open the file, a long one in a thread; on an error the panel keeps the recording it had."""
        self._request = session.opening(context.scene, self.filepath, self._options())
        if bpy.app.background or context.window is None or not sources.is_large(self._request.path):
            return self._show(context, session.measure(self._request))
        return self.start_job(context, partial(session.measure, self._request, None))

    def job_done(self, context: bpy.types.Context, result: session.Measured) -> set[str]:
        """Fill the panel with what the thread read."""
        self.end_job(context)
        return self._show(context, result)

    def _show(self, context: bpy.types.Context, measured: session.Measured) -> set[str]:
        session.fill(context.scene, self._request, measured)
        head = context.scene.eifer.head
        if head is not None and head.eifer.previewing:
            self._preview_anew(context.scene, head)
        self.report({"INFO"}, f"{measured.recording.source.name}: {context.scene.eifer.recording.summary}")
        return {"FINISHED"}

    def _preview_anew(self, scene: bpy.types.Scene, head: bpy.types.Object) -> None:
        """A running preview shows the new recording."""
        if sources.is_large(self._request.path) and not bpy.app.background:
            preview.refresh_soon(scene)
        elif not preview.refresh(scene):
            preview.stop(head)


class EIFER_OT_refresh(JobOperator, conditions.Checked, bpy.types.Operator):
    """Compute quality and preview of a long recording again with the panel's settings"""

    bl_idname = "eifer.refresh"
    bl_label = "Processing the Recording"
    bl_options = {"INTERNAL"}
    needs = (conditions.needs_open_recording,)
    passes = None
    cancelled_text = "Cancelled; quality and preview are as they were"

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """One at a time: a running one looks itself whether the settings have changed."""
        if any(running.bl_idname == "EIFER_OT_refresh" for running in context.window.modal_operators):
            return {"CANCELLED"}
        return self._start(context)

    @report_errors
    def _start(self, context: bpy.types.Context) -> set[str]:
        self._request = session.read_panel(context.scene)
        return self.start_job(context, preview.measuring(context.scene))

    def job_done(self, context: bpy.types.Context, result: session.Measured) -> set[str]:
        """Show it, unless it is old already."""
        stored = context.scene.eifer.recording
        if stored.filepath and self._request != session.read_panel(context.scene):
            self._request = session.read_panel(context.scene)
            return self.restart_job(preview.measuring(context.scene))
        self.end_job(context)
        if stored.filepath:
            preview.update(context.scene, result)
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
    EIFER_OT_refresh,
    EIFER_OT_close_recording,
    EIFER_OT_reset_channels,
    EIFER_OT_reset_chain,
    EIFER_FH_recording,
)
