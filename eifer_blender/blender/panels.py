"""The sidebar tab. Drawing reads, it never writes."""

from __future__ import annotations

import bpy

from .. import muscles
from ..recordings import FORMATS_TEXT
from . import (
    actions,
    calibrations,
    conditions,
    flame,
    head_data,
    head_object,
    identity,
    segments,
    session,
    takes,
    timeline,
)
from .panel_parts import SidebarPanel, progress, why_not, wrapped
from .properties import NO_MUSCLE

_SHOWN_IDENTITIES = 5
_WIDE = 380  # pixels of a sidebar with room for the whole names of muscles
_UNITS = {"uV": "µV"}
_STATUS_ICONS = {
    "UNKNOWN": "BLANK1",
    "GOOD": "CHECKMARK",
    "CHECK": "QUESTION",
    "BAD": "ERROR",
    "MISSING": "X",
}


class EIFER_PT_head(SidebarPanel, bpy.types.Panel):
    """Add a head or choose one."""

    bl_idname = "EIFER_PT_head"
    bl_label = "Head"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        eifer = context.scene.eifer
        if eifer.head is None:
            column = layout.column()
            column.scale_y = 1.5
            column.operator("eifer.add_head", icon="ADD")
            layout.operator("eifer.add_flame_head", icon="FILE_FOLDER", text="FLAME Head from File")
        else:
            row = layout.row(align=True)
            row.prop(eifer, "head", text="", icon="USER")
            row.operator("eifer.add_head", text="", icon="ADD")
            row.operator("eifer.add_flame_head", text="", icon="FILE_FOLDER")
        active = head_object.head_of(context.object)
        if active is not None and active != eifer.head:
            layout.operator("eifer.choose_head", text=f"Use '{active.name}'", icon="EYEDROPPER")
        if eifer.head is not None:
            why_not(layout, context, (conditions.needs_head,))


class EIFER_PT_identity(SidebarPanel, bpy.types.Panel):
    """Which person a head with identity keys is, and how performances reach it."""

    bl_idname = "EIFER_PT_identity"
    bl_label = "Identity"
    bl_parent_id = "EIFER_PT_head"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only for a head that brings its own geometry."""
        head = context.scene.eifer.head
        return head is not None and head_object.is_head(head) and head_data.is_stored(head)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout, head = self.layout, context.scene.eifer.head
        names = head_object.identity_names(head)
        if names:
            row = layout.row(align=True)
            row.operator("eifer.set_identity", icon="FILE_FOLDER", text="Set from File")
            row.operator("eifer.fit_joints", icon="BONE_DATA", text="Fit Joints")
            keys = head.data.shape_keys
            column = layout.column(align=True)
            for name in names[:_SHOWN_IDENTITIES]:
                column.prop(keys.key_blocks[name], "value", text=name)
        if not why_not(layout, context, (conditions.needs_head,)):
            return
        if identity.astray(head):
            wrapped(
                layout, context, "The joints are still those of another person; press Fit Joints.", "ERROR"
            )
        wrapped(layout, context, flame.describe(head_data.load(head).from_default), "INFO")
        layout.operator("eifer.save_residuals", icon="FILE_TICK")


class EIFER_PT_recording(SidebarPanel, bpy.types.Panel):
    """Open a recording and see what was found."""

    bl_idname = "EIFER_PT_recording"
    bl_label = "Recording"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        stored = context.scene.eifer.recording
        if not stored.filepath:
            column = layout.column()
            column.scale_y = 1.5
            column.operator("eifer.open_recording", icon="FILE_FOLDER")
            wrapped(layout, context, f"Or drop a file on the viewport: {FORMATS_TEXT}.")
            return
        row = layout.row(align=True)
        row.label(text=bpy.path.basename(stored.filepath), icon="RNDCURVE")
        row.operator("eifer.open_recording", text="", icon="FILE_FOLDER")
        row.operator("eifer.close_recording", text="", icon="X")
        column = layout.column(align=True)
        column.scale_y = 0.85
        column.label(text=stored.format, icon="BLANK1")
        column.label(text=stored.summary, icon="BLANK1")
        if stored.stream_count > 1:
            opened = len({item.stream for item in stored.channels})
            text = f"{opened} of {stored.stream_count} streams" if opened < stored.stream_count else "Streams"
            button = layout.operator("eifer.open_recording", text=f"{text}…", icon="LINENUMBERS_ON")
            button.filepath, button.choose_streams = stored.filepath, True
        if stored.is_poses:
            column = layout.column(align=True)
            column.use_property_split = True
            column.use_property_decorate = False
            column.prop(stored.chain, "hold_s", text="Hold (s)")
            column.prop(stored.chain, "transition_s", text="Transition (s)")


class EIFER_PT_notes(SidebarPanel, bpy.types.Panel):
    """What the reader and the signal chain noticed."""

    bl_idname = "EIFER_PT_notes"
    bl_label = "Notes"
    bl_parent_id = "EIFER_PT_recording"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with something to say."""
        return bool(context.scene.eifer.recording.notes)

    def draw_header(self, context: bpy.types.Context) -> None:
        """The number of notes, so that a closed panel is not overlooked."""
        self.layout.label(text=f"{len(context.scene.eifer.recording.notes.splitlines())}", icon="INFO")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        for note in context.scene.eifer.recording.notes.splitlines():
            wrapped(self.layout, context, note, "DOT")


def _is_paired(channels: bpy.types.bpy_prop_collection, item: bpy.types.PropertyGroup) -> bool:
    """Whether the channel and another one are the electrodes of one bipolar channel."""
    if item.muscle == NO_MUSCLE or item.mute or item.kind != "RAW":
        return False
    same = (c for c in channels if c.muscle == item.muscle and c.stream == item.stream and not c.mute)
    return sum(c.kind == "RAW" for c in same) == 2


def _muscle_text(context: bpy.types.Context, name: str) -> str:
    """A muscle as the list shows it: a narrow sidebar has no room for its whole name."""
    if name == NO_MUSCLE:
        return "—"
    width = context.region.width if context.region else 300
    if width > _WIDE * context.preferences.system.ui_scale:
        return muscles.short_label(name)
    muscle = muscles.MUSCLES[muscles.MUSCLE_OF_CHANNEL[muscles.channel_index(name)]]
    return f"{muscle.german} {name[-1].upper()}"


class EIFER_UL_channels(bpy.types.UIList):
    """Name, muscle, quality and mute of each channel."""

    bl_idname = "EIFER_UL_channels"

    use_filter_unused: bpy.props.BoolProperty(
        name="Only muscles", description="Hide channels that drive nothing", default=False
    )

    def draw_item(self, context, layout, data, item, _icon, _active_data, _active_property, _index) -> None:  # noqa: ANN001
        """Draw one row."""
        row = layout.row(align=True)
        row.active = not item.mute and bool(item.muscle != NO_MUSCLE or item.site)
        split = row.split(factor=0.34, align=True)
        split.label(text=item.name, translate=False)
        right = split.row(align=True)
        at_site = bool(item.site) and item.muscle == NO_MUSCLE
        name = right.row(align=True)
        name.emboss = "NONE"
        name.active = not at_site
        text = f"Kuramoto {item.site}" if at_site else _muscle_text(context, item.muscle)
        name.prop_menu_enum(item, "muscle", text=text)
        if _is_paired(data.channels, item):
            right.label(text="", icon="LINKED")
        doubtful = item.doubtful and item.muscle == item.found_muscle and item.muscle != NO_MUSCLE
        right.label(text="", icon="QUESTION" if doubtful else _STATUS_ICONS[item.status])
        right.prop(item, "mute", text="", emboss=False, icon="HIDE_ON" if item.mute else "HIDE_OFF")

    def draw_filter(self, _context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
        """Search and hide."""
        row = layout.row(align=True)
        row.prop(self, "filter_name", text="")
        row.prop(self, "use_filter_unused", text="", icon="FILTER")

    def filter_items(
        self, _context: bpy.types.Context, data: object, name: str
    ) -> tuple[list[int], list[int]]:
        """By name, muscle, and whether the channel drives anything."""
        items = getattr(data, name)
        wanted = self.filter_name.lower()
        flags = [
            self.bitflag_filter_item
            if wanted in f"{item.name} {item.muscle}".lower()
            and not (self.use_filter_unused and item.muscle == NO_MUSCLE and not item.site)
            else 0
            for item in items
        ]
        return flags, []


class EIFER_PT_channels(SidebarPanel, bpy.types.Panel):
    """The channel list."""

    bl_idname = "EIFER_PT_channels"
    bl_label = "Channels"
    bl_parent_id = "EIFER_PT_recording"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a recording."""
        return bool(context.scene.eifer.recording.filepath)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        stored = context.scene.eifer.recording
        layout.template_list("EIFER_UL_channels", "", stored, "channels", stored, "active_channel", rows=6)
        if 0 <= stored.active_channel < len(stored.channels):
            item = stored.channels[stored.active_channel]
            column = layout.column(align=True)
            column.prop(item, "muscle", text="")
            column = layout.column(align=True)
            column.use_property_split = True
            column.use_property_decorate = False
            column.prop(
                item, "kind", text=f"Kind ({_UNITS.get(item.unit, item.unit)})" if item.unit else "Kind"
            )
            if item.site and item.muscle == NO_MUSCLE:
                text = f"Kuramoto position {item.site}: muscles are inferred from it and the others."
                wrapped(layout, context, text, "INFO")
            if item.doubtful:
                wrapped(
                    layout, context, "The muscle or kind is a guess from the name; please check.", "QUESTION"
                )
            for number, reason in enumerate(item.reason.splitlines()):
                wrapped(layout, context, reason, _STATUS_ICONS[item.status] if number == 0 else "BLANK1")
        if stored.inferred:
            wrapped(layout, context, stored.inferred, "INFO")
        layout.operator("eifer.reset_channels", icon="LOOP_BACK")


class EIFER_UL_marks(bpy.types.UIList):
    """Box, time, text and duration of each mark."""

    bl_idname = "EIFER_UL_marks"

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, _index) -> None:  # noqa: ANN001
        """Draw one row."""
        row = layout.row(align=True)
        row.prop(item, "use", text="")
        split = row.split(factor=0.26, align=True)
        split.label(text=_clock(item.onset))
        split = split.split(factor=0.7, align=True)
        split.label(text=item.name or "—", translate=False)
        right = split.row(align=True)
        right.alignment = "RIGHT"
        right.active = False
        right.label(text=f"{item.duration:.3g} s" if item.duration > 0 else "")


def _clock(seconds: float) -> str:
    """A moment of a recording: 75.25 is 1:15.25."""
    hundredths = round(abs(seconds) * 100)
    minutes, rest = divmod(hundredths, 6000)
    return f"{'-' if seconds < 0 and hundredths else ''}{minutes}:{rest / 100:05.2f}"


class EIFER_PT_marks(SidebarPanel, bpy.types.Panel):
    """The marks of the recording."""

    bl_idname = "EIFER_PT_marks"
    bl_label = "Marks"
    bl_parent_id = "EIFER_PT_recording"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with marks."""
        return not conditions.needs_marks(context)

    def draw_header(self, context: bpy.types.Context) -> None:
        """How many there are."""
        self.layout.label(text=f"{context.scene.eifer.recording.marks_total}")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        stored = context.scene.eifer.recording
        layout.template_list("EIFER_UL_marks", "", stored, "marks", stored, "active_mark", rows=5)
        if stored.marks_total > len(stored.marks):
            wrapped(layout, context, f"Only the first {len(stored.marks)} are listed.", "INFO")
        column = layout.column(align=True)
        column.operator("eifer.check_marks", text="Check the Same Text").which = "SAME"
        row = column.row(align=True)
        for which, text in (("ALL", "All"), ("NONE", "None"), ("INVERT", "Invert")):
            row.operator("eifer.check_marks", text=text).which = which
        layout.operator("eifer.range_from_mark", icon="PREVIEW_RANGE")


def _rest_and_maximum(layout: bpy.types.UILayout, stored: bpy.types.PropertyGroup) -> None:
    """Marks that say where the face is at rest and where muscles contract most, and what they amount to."""
    if not stored.marks:
        return
    chain = stored.chain
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    for text, name, found in (
        ("Rest from marks", "rest_marks", chain.rest_found),
        ("Max. from marks", "maximum_marks", chain.maximum_found),
    ):
        column.prop(chain, name, text=text, placeholder="Text")
        if found:
            row = column.row()
            row.alignment = "RIGHT"
            row.label(text=found)


class EIFER_PT_signal(SidebarPanel, bpy.types.Panel):
    """The signal chain."""

    bl_idname = "EIFER_PT_signal"
    bl_label = "Signal Processing"
    bl_parent_id = "EIFER_PT_recording"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a recording."""
        return bool(context.scene.eifer.recording.filepath)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        chain = context.scene.eifer.recording.chain
        row = layout.row(align=True)
        row.prop(chain, "preset")
        row.operator("eifer.reset_chain", text="", icon="LOOP_BACK")
        column = layout.column(align=True)
        column.prop(chain, "low_hz", text="Band from (Hz)")
        column.prop(chain, "high_hz", text="to (Hz)")
        layout.prop(chain, "mains")
        layout.prop(chain, "window_ms", text="RMS (ms)")
        layout.prop(chain, "sides")
        _rest_and_maximum(layout, context.scene.eifer.recording)
        if session.dynamics_inside(context.scene):
            wrapped(layout, context, "Delay, attack and release are part of the model.", "INFO")
            return
        layout.prop(chain, "dynamics")
        column = layout.column(align=True)
        column.active = chain.dynamics
        column.prop(chain, "delay_ms", text="Delay (ms)")
        column.prop(chain, "attack_ms", text="Attack (ms)")
        column.prop(chain, "release_ms", text="Release (ms)")


class EIFER_PT_animation(SidebarPanel, bpy.types.Panel):
    """Preview and bake."""

    bl_idname = "EIFER_PT_animation"
    bl_label = "Animation"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        eifer = context.scene.eifer
        animation = eifer.animation
        column = layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(animation, "gain")
        column.prop(animation, "smoothing_ms", text="Smoothing (ms)")
        self._draw_extent(context)
        column = layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(animation, "start_frame", text="Start frame")
        column.prop(animation, "offset", text="Sync offset (s)")
        layout.row().prop(animation, "keys", expand=True)
        if animation.keys == "REDUCED":
            row = layout.row()
            row.use_property_split = True
            row.use_property_decorate = False
            row.prop(animation, "tolerance_mm", text="Tolerance (mm)")
        if progress(layout, context):
            return
        self._draw_buttons(context)

    def _draw_extent(self, context: bpy.types.Context) -> None:
        """What of the recording is animated."""
        stored, animation = context.scene.eifer.recording, context.scene.eifer.animation
        if not stored.filepath or stored.is_poses:
            return
        column = self.layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(animation, "extent")
        if animation.extent == "RANGE":
            column.prop(animation, "range_from", text="From (s)")
            column.prop(animation, "range_to", text="To (s)")
        elif animation.extent == "MARKED":
            column.prop(animation, "before_s", text="Before (s)")
            column.prop(animation, "after_s", text="After (s)")
            column.prop(animation, "pause_s", text="Pause (s)")
            column.prop(animation, "moment_length")
            if animation.moment_length == "FIXED":
                column.prop(animation, "moment_s", text="Seconds")
            row = column.row()
            row.alignment = "RIGHT"
            row.label(text=f"{segments.checked(stored)} of {len(stored.marks)} marks checked")

    def _draw_buttons(self, context: bpy.types.Context) -> None:
        head = context.scene.eifer.head
        layout = self.layout
        column = layout.column(align=True)
        column.scale_y = 1.4
        column.operator("eifer.bake_take", icon="REC").replace = False
        row = column.row(align=True)
        previewing = head is not None and head.eifer.previewing
        row.operator(
            "eifer.preview",
            text="Stop Preview" if previewing else "Live Preview",
            icon="PAUSE" if previewing else "PLAY",
            depress=previewing,
        )
        if head is not None and len(head.eifer.takes):
            row.operator("eifer.bake_take", text="Replace Take", icon="FILE_REFRESH").replace = True
        why_not(layout, context, (conditions.needs_head, conditions.needs_recording))


class EIFER_PT_animation_model(SidebarPanel, bpy.types.Panel):
    """Which model maps activity to expression."""

    bl_idname = "EIFER_PT_animation_model"
    bl_label = "Model"
    bl_parent_id = "EIFER_PT_animation"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        animation = context.scene.eifer.animation
        self.layout.prop(animation, "model", text="")
        if not animation.model:
            wrapped(
                self.layout,
                context,
                "The bundled model, trained on simulated physiology. Jaw opening and lid lift come from "
                "muscles that are not recorded, so they are guesses.",
                "INFO",
            )
        self.layout.prop(animation, "extend_scene")
        self.layout.prop(animation, "add_markers")
        self.layout.prop(context.scene.eifer.recording, "absolute")


class EIFER_UL_poses(bpy.types.UIList):
    """Moment, label and error of each pose."""

    bl_idname = "EIFER_UL_poses"

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, _index) -> None:  # noqa: ANN001
        """Draw one row."""
        split = layout.split(factor=0.62, align=True)
        text = item.name[:1].upper() + item.name[1:]
        split.label(text=f"{text}, {item.label}" if item.label else text, translate=False)
        right = split.row()
        right.alignment = "RIGHT"
        right.active = item.before >= 0.0
        right.label(text=f"{item.before:.1f} → {item.after:.1f} mm" if item.before >= 0.0 else "New")


class EIFER_PT_calibration(SidebarPanel, bpy.types.Panel):
    """Bring the mapping closer to this person."""

    bl_idname = "EIFER_PT_calibration"
    bl_label = "Calibration"
    bl_parent_id = "EIFER_PT_animation"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a head, on which it is kept."""
        return not conditions.needs_head(context)

    def draw_header(self, context: bpy.types.Context) -> None:
        """Whether it is used, once there is one."""
        stored = context.scene.eifer.head.eifer.calibration
        if stored.data:
            self.layout.prop(stored, "use", text="")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        stored = context.scene.eifer.head.eifer.calibration
        row = layout.row()
        row.template_list("EIFER_UL_poses", "", stored, "poses", stored, "active_pose", rows=3)
        side = row.column(align=True)
        side.operator("eifer.remove_pose", text="", icon="REMOVE")
        side.separator()
        side.operator("eifer.load_calibration", text="", icon="FILE_FOLDER")
        side.operator("eifer.save_calibration", text="", icon="FILE_TICK")
        layout.operator("eifer.use_pose", icon="POSE_HLT")
        if not stored.poses:
            why_not(layout, context, (conditions.needs_moment,))
        layout.prop(stored, "use_labels")
        _rest_and_maximum(layout, context.scene.eifer.recording)
        column = layout.column()
        column.scale_y = 1.4
        column.operator("eifer.calibrate", icon="CON_TRACKTO")
        for number, line in enumerate(stored.result.splitlines()):
            icon = ("CHECKMARK" if stored.data else "ERROR") if number == 0 else "DOT"
            wrapped(layout, context, line, icon)
        if stored.data:
            self._draw_use(context, stored)
        if stored.data or stored.poses:
            layout.operator("eifer.clear_calibration", icon="X")

    def _draw_use(self, context: bpy.types.Context, stored: bpy.types.PropertyGroup) -> None:
        """How much of it is used, and whether the selected take was made with it."""
        layout = self.layout
        row = layout.row()
        row.active = stored.use
        row.prop(stored, "strength")
        head = context.scene.eifer.head
        take = takes.selected(head)
        stamp = takes.read_stamp(take) if take else {}
        recorded = stamp and not takes.is_from_expressions(stamp)
        if recorded and stamp.get("calibration", "") != calibrations.mark_of(head):
            text = "without this calibration" if stored.use else "with a calibration"
            wrapped(layout, context, f"The take '{take.name}' was made {text}.", "INFO")
            layout.operator("eifer.remap_take", icon="MOD_DATA_TRANSFER")


class EIFER_UL_takes(bpy.types.UIList):
    """Takes of the head."""

    bl_idname = "EIFER_UL_takes"

    def draw_item(self, context, layout, _data, item, _icon, _active_data, _active_property, index) -> None:  # noqa: ANN001
        """Draw one row."""
        row = layout.row(align=True)
        playing = takes.is_playing(context.scene.eifer.head, item)
        button = row.operator(
            "eifer.activate_take", text="", icon="RADIOBUT_ON" if playing else "RADIOBUT_OFF", emboss=False
        )
        button.index = index
        row.prop(item, "name", text="", emboss=False)


class EIFER_PT_takes(SidebarPanel, bpy.types.Panel):
    """The take list."""

    bl_idname = "EIFER_PT_takes"
    bl_label = "Takes"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a head that has takes."""
        return not conditions.needs_head(context) and len(context.scene.eifer.head.eifer.takes) > 0

    def draw(self, context: bpy.types.Context) -> None:
        """Draw."""
        layout = self.layout
        head = context.scene.eifer.head
        row = layout.row()
        row.template_list("EIFER_UL_takes", "", head.eifer, "takes", head.eifer, "active_take", rows=3)
        side = row.column(align=True)
        side.operator("eifer.remove_take", text="", icon="REMOVE")
        side.operator("eifer.copy_take", text="", icon="COPYDOWN")
        side.operator("eifer.reload_take", text="", icon="FILE_REFRESH")
        side.operator("eifer.remap_take", text="", icon="MOD_DATA_TRANSFER")
        take = takes.selected(head)
        if take is not None:
            self._draw_provenance(context, head, take)
        layout.operator("eifer.load_reference", icon="FILE_MOVIE")

    def _draw_provenance(
        self, context: bpy.types.Context, head: bpy.types.Object, take: bpy.types.PropertyGroup
    ) -> None:
        stamp = takes.read_stamp(take)
        if not stamp:
            wrapped(self.layout, context, "The actions of this take were deleted; remove it.", "ERROR")
            return
        keys = sum(actions.key_count(one) for one in takes.channels_of(head, take).values())
        last = stamp["start_frame"] + stamp["frames"] - 1
        column = self.layout.column(align=True)
        column.scale_y = 0.85
        column.label(text=f"From {stamp.get('source', 'a script')}", icon="RNDCURVE")
        column.label(text=f"Frames {stamp['start_frame']} to {last} at {stamp['fps']:g} fps", icon="BLANK1")
        column.label(text=f"{keys:,} keys", icon="BLANK1")
        if "model" in stamp:
            calibrated = ", calibrated" if stamp.get("calibration") else ""
            column.label(text=f"Model {stamp['model']['id']}{calibrated}", icon="BLANK1")
        if stamp.get("expected_mm") is not None:
            column.label(text=f"Expected error {stamp['expected_mm']:.1f} mm", icon="BLANK1")
        out_of_step = takes.out_of_step(context.scene, stamp)
        for sentence in (*([out_of_step] if out_of_step else []), *timeline.stretched(context.scene)):
            wrapped(self.layout, context, sentence, "ERROR")
        if takes.has_marks(take):
            row = self.layout.row(align=True)
            row.operator("eifer.add_markers", icon="MARKER_HLT")
            row.operator("eifer.remove_markers", text="", icon="X")


CLASSES = (
    EIFER_UL_channels,
    EIFER_UL_marks,
    EIFER_UL_poses,
    EIFER_UL_takes,
    EIFER_PT_head,
    EIFER_PT_identity,
    EIFER_PT_recording,
    EIFER_PT_channels,
    EIFER_PT_marks,
    EIFER_PT_signal,
    EIFER_PT_notes,
    EIFER_PT_animation,
    EIFER_PT_animation_model,
    EIFER_PT_calibration,
    EIFER_PT_takes,
)
