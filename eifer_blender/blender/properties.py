"""What the extension stores in a .blend: the panel's settings on the scene, takes on the head.

Nothing lives in Python between two calls but caches that can be made again (see `session`), so a
second scene, undo and loading a file cannot disagree with what the panel shows.
"""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .. import muscles
from ..recordings.types import Kind
from ..signals.settings import ChainSettings
from . import activity_properties, character_properties, head_object
from .activity_properties import OVERRIDABLE, RELATIVE_PATH

_CHAIN = ChainSettings()

NO_MUSCLE = "NONE"

_KIND_TEXTS = {
    Kind.RAW: ("Raw sEMG", "As amplified, positive and negative; filtered and smoothed here"),
    Kind.RECTIFIED: ("Rectified", "Full-wave rectified, not yet smoothed"),
    Kind.ENVELOPE: ("Envelope", "Already smoothed; only resampled and normalised"),
    Kind.ACTIVATION: ("Activation", "Already 0 to 1; used as it is"),
    Kind.EVENT: ("Event", "Markers or triggers; drives nothing"),
    Kind.OTHER: ("Other", "No muscle activity; drives nothing"),
}
KIND_ITEMS = [(kind.name, *_KIND_TEXTS[kind]) for kind in Kind]

MUSCLE_ITEMS = [
    (NO_MUSCLE, "—", "This channel drives nothing"),
    *(
        (name, muscles.short_label(name), f"Drives {muscles.channel_label(name)}")
        for name in muscles.CHANNELS
    ),
]

STATUS_ITEMS = [
    ("UNKNOWN", "Not checked", ""),
    ("GOOD", "Good", ""),
    ("CHECK", "Look at it", ""),
    ("BAD", "Bad", ""),
    ("MISSING", "Missing", ""),
]


def _is_head(_self: object, obj: bpy.types.Object) -> bool:
    return head_object.is_head(obj)


def _head_changed(eifer: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    """The button that stops a preview belongs to the chosen head, so no other head keeps one."""
    from . import preview

    for head in preview.previewing_heads():
        if head != eifer.head and eifer.id_data.objects.get(head.name) == head:
            preview.stop(head)


def _model_changed(animation: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    """Another model wants the signal chain it was made with."""
    from ..errors import EiferError
    from . import session

    try:
        session.match_chain(animation.id_data)
    except EiferError as error:
        animation.id_data.eifer.recording.notes = str(error)
        return
    _settings_changed(animation, context)


def _settings_changed(settings: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    """A changed setting makes the shown quality and a running preview old."""
    from . import preview

    scene = settings.id_data  # not the context's: a script may set up another scene
    if not scene.eifer.recording.filling:
        preview.refresh_soon(scene)


def _extent_changed(settings: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    """Another stretch to animate: only a running preview is old."""
    from . import preview

    if not settings.id_data.eifer.recording.filling:
        preview.refresh_shown(settings.id_data)


def _calibration_changed(settings: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    """A running preview of the head is old."""
    from . import preview

    for scene in bpy.data.scenes:
        if scene.eifer.head == settings.id_data:
            preview.refresh_shown(scene)


def _marked_segments_changed(chain: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    """Say what the texts of rest and maximum marks amount to."""
    from . import segments

    segments.find(chain.id_data.eifer.recording)
    _settings_changed(chain, context)


def _mark_texts(chain: bpy.types.PropertyGroup, _context: bpy.types.Context, typed: str) -> list[str]:
    """Texts of the recording's marks that contain what was typed."""
    texts = dict.fromkeys(mark.name for mark in chain.id_data.eifer.recording.marks)
    return [text for text in texts if typed.lower() in text.lower()]


class EIFER_PG_channel(bpy.types.PropertyGroup):
    """One column of the open recording."""

    stream: IntProperty()
    column: IntProperty()
    unit: StringProperty()
    found_muscle: StringProperty(description="What the name said, to tell a choice from a guess")
    found_kind: StringProperty()
    site: StringProperty(description="Electrode position that muscles are inferred from, where it has none")
    doubtful: BoolProperty(description="The muscle or the kind is a guess")
    muscle: EnumProperty(
        name="Muscle",
        description="Muscle that this channel records",
        items=MUSCLE_ITEMS,
        update=_settings_changed,
    )
    kind: EnumProperty(
        name="Kind",
        description="What the numbers of this channel are",
        items=KIND_ITEMS,
        update=_settings_changed,
    )
    mute: BoolProperty(
        name="Mute",
        description="Leave this channel out, as if it had not been recorded",
        update=_settings_changed,
    )
    status: EnumProperty(items=STATUS_ITEMS)
    reason: StringProperty()


class EIFER_PG_stream(bpy.types.PropertyGroup):
    """One stream of a file in the dialog that asks for streams."""

    number: IntProperty()
    text: StringProperty(description="What it holds")
    use: BoolProperty(name="Read", description="Read this stream", default=True)


class EIFER_PG_mark(bpy.types.PropertyGroup):
    """One annotation or event of the open recording; its text is the name."""

    onset: FloatProperty(description="Seconds on the recording's clock")
    duration: FloatProperty(description="Seconds; 0 for a moment")
    use: BoolProperty(
        name="Animate", description="Animate this mark if marked stretches are", update=_extent_changed
    )


class EIFER_PG_chain(bpy.types.PropertyGroup):
    """Settings of the signal chain; `signals.ChainSettings` owns the defaults."""

    preset: EnumProperty(
        name="Preset",
        description="Which processing turns raw sEMG into activity",
        items=[
            ("Animation", "Animation", "Quick: 20-450 Hz, RMS over 100 ms, for lively motion"),
            ("MMM", "MMM data set", "The published chain of the MMM recordings: RMS over 500 ms, slower"),
        ],
        update=lambda self, context: _preset_changed(self, context),
    )
    low_hz: FloatProperty(
        name="From",
        default=_CHAIN.low_hz,
        description="Lower edge of the band",
        min=0.5,
        max=500.0,
        update=_settings_changed,
    )
    high_hz: FloatProperty(
        name="To",
        default=_CHAIN.high_hz,
        description="Upper edge of the band; limited by half the sampling rate",
        min=20.0,
        max=4000.0,
        update=_settings_changed,
    )
    mains: EnumProperty(
        name="Mains",
        description="Frequency of the mains hum to remove",
        items=[
            ("AUTO", "Find", "Find 50 or 60 Hz in the signal"),
            ("50", "50 Hz", "Europe, Asia, Africa, Australia"),
            ("60", "60 Hz", "The Americas"),
            ("OFF", "Off", "No notch"),
        ],
        update=_settings_changed,
    )
    window_ms: FloatProperty(
        name="Window",
        default=_CHAIN.window_ms,
        description="Length of the RMS window in milliseconds",
        min=5.0,
        max=2000.0,
        update=_settings_changed,
    )
    dynamics: BoolProperty(
        name="Muscle dynamics",
        default=_CHAIN.dynamics,
        description="Let the face follow the activity with delay, attack and release, as skin does",
        update=_settings_changed,
    )
    delay_ms: FloatProperty(
        name="Delay",
        default=_CHAIN.delay_ms,
        description="Milliseconds from muscle activity to visible movement",
        min=0.0,
        max=500.0,
        update=_settings_changed,
    )
    attack_ms: FloatProperty(
        name="Attack",
        default=_CHAIN.attack_ms,
        description="Time constant of rising movement in milliseconds",
        min=0.0,
        max=1000.0,
        update=_settings_changed,
    )
    release_ms: FloatProperty(
        name="Release",
        default=_CHAIN.release_ms,
        description="Time constant of falling movement in milliseconds",
        min=0.0,
        max=2000.0,
        update=_settings_changed,
    )
    sides: EnumProperty(
        name="One side only",
        description="What the other side does when only one was recorded",
        items=[
            ("AS_RECORDED", "Leave to the model", "A side without channels is unknown to the model"),
            ("MIRROR", "Mirror", "The other side does the same"),
            ("REST", "Leave at rest", "The other side does not move"),
        ],
        update=_settings_changed,
    )
    rest_marks: StringProperty(
        name="Rest from marks",
        description="Text of the marks during which the face is at rest; empty finds rest in the signal",
        search=_mark_texts,
        search_options={"SUGGESTION"},
        update=_marked_segments_changed,
    )
    maximum_marks: StringProperty(
        name="Maximum from marks",
        description="Text of the marks of strongest voluntary contraction; empty finds it in the signal",
        search=_mark_texts,
        search_options={"SUGGESTION"},
        update=_marked_segments_changed,
    )
    rest_found: StringProperty()
    maximum_found: StringProperty()
    hold_s: FloatProperty(
        name="Hold",
        description="Seconds that each pose of a table without time is held",
        default=_CHAIN.hold_s,
        min=0.0,
        max=60.0,
        update=_settings_changed,
    )
    transition_s: FloatProperty(
        name="Transition",
        description="Seconds from one pose to the next",
        default=_CHAIN.transition_s,
        min=0.0,
        max=10.0,
        update=_settings_changed,
    )


def _preset_changed(chain: EIFER_PG_chain, context: bpy.types.Context) -> None:
    from . import session

    session.load_preset(chain.id_data.eifer.recording)
    _settings_changed(chain, context)


class EIFER_PG_recording(bpy.types.PropertyGroup):
    """The open recording: where it is, how it was read, what was found."""

    filepath: StringProperty(
        name="File",
        description="The recording; stored relative to the .blend file",
        subtype="FILE_PATH",
        options=RELATIVE_PATH,
    )
    absolute: BoolProperty(
        name="Keep the absolute path",
        description="Store the full path in the .blend instead of one relative to it",
    )
    filling: BoolProperty(options={"SKIP_SAVE"}, description="Many settings are being set at once")
    sha256: StringProperty()
    options: StringProperty(description="How the file was read, as JSON")
    format: StringProperty()
    summary: StringProperty()
    notes: StringProperty(description="Sentences, one a line")
    is_poses: BoolProperty()
    stream_count: IntProperty(description="Streams in the file; not all need to be open")
    channels: CollectionProperty(type=EIFER_PG_channel)
    active_channel: IntProperty()
    inferred: StringProperty(description="Muscles that come from electrode positions, one sentence")
    marks: CollectionProperty(type=EIFER_PG_mark)
    active_mark: IntProperty()
    marks_total: IntProperty(description="Marks in the file; the list holds no more than fit")
    end_s: FloatProperty(description="Last second on the recording's clock")
    chain: PointerProperty(type=EIFER_PG_chain)


class EIFER_PG_animation(bpy.types.PropertyGroup):
    """How the recording becomes animation."""

    model: StringProperty(
        name="Model",
        description="EMG2Exp model to use; empty is the one that comes with the extension",
        subtype="FILE_PATH",
        options=RELATIVE_PATH,
        update=_model_changed,
    )
    gain: FloatProperty(
        name="Gain",
        description="Factor on the muscle activity",
        default=1.0,
        min=0.0,
        soft_max=2.0,
        max=10.0,
        update=_settings_changed,
    )
    smoothing_ms: FloatProperty(
        name="Smoothing",
        description="Standard deviation in milliseconds of the smoothing over time",
        default=0.0,
        min=0.0,
        soft_max=200.0,
        max=2000.0,
        update=_settings_changed,
    )
    start_frame: IntProperty(
        name="Start",
        description="Frame at which the take begins",
        default=1,
        min=-1_000_000,
        max=1_000_000,
        update=_settings_changed,
    )
    offset: FloatProperty(
        name="Offset",
        description="Second of the recording that plays at the start frame; negative waits at rest first",
        default=0.0,
        soft_min=-60.0,
        soft_max=3600.0,
        precision=3,
        step=1,
        update=_settings_changed,
    )
    extent: EnumProperty(
        name="Animate",
        description="Which part of the recording becomes the take",
        items=[
            ("WHOLE", "Whole recording", "From the sync offset to the end"),
            ("RANGE", "Range", "One stretch, given in seconds"),
            ("MARKED", "Marked", "The checked marks of the recording, one after another"),
        ],
        update=_extent_changed,
    )
    range_from: FloatProperty(
        name="From",
        description="Second of the recording at which the stretch begins",
        precision=3,
        step=10,
        update=_extent_changed,
    )
    range_to: FloatProperty(
        name="To",
        description="Second of the recording at which the stretch ends",
        precision=3,
        step=10,
        update=_extent_changed,
    )
    before_s: FloatProperty(
        name="Before",
        description="Seconds to add before each mark; negative leaves out its beginning",
        soft_min=0.0,
        soft_max=10.0,
        min=-3600.0,
        max=3600.0,
        update=_extent_changed,
    )
    after_s: FloatProperty(
        name="After",
        description="Seconds to add after each mark; negative leaves out its end",
        soft_min=0.0,
        soft_max=10.0,
        min=-3600.0,
        max=3600.0,
        update=_extent_changed,
    )
    pause_s: FloatProperty(
        name="Pause",
        description="Seconds of rest between two marks",
        default=1.0,
        min=0.0,
        soft_max=10.0,
        max=3600.0,
        update=_extent_changed,
    )
    moment_length: EnumProperty(
        name="Moments last",
        description="How long a mark without duration lasts",
        items=[
            ("NEXT", "Until the next", "Until the next mark of the recording begins"),
            ("FIXED", "Fixed time", "As many seconds as given"),
        ],
        update=_extent_changed,
    )
    moment_s: FloatProperty(
        name="Seconds",
        description="Seconds that a mark without duration lasts",
        default=3.0,
        min=0.01,
        soft_max=60.0,
        max=36000.0,
        update=_extent_changed,
    )
    add_markers: BoolProperty(
        name="Timeline markers",
        description="On bake, show the recording's marks in the take as markers of the timeline",
        default=True,
    )
    keys: EnumProperty(
        name="Keys",
        items=[
            ("DENSE", "Every frame", "One key a frame"),
            ("REDUCED", "Reduced", "As few smooth keys as the tolerance allows"),
        ],
        description="How many keys bake writes",
        default="DENSE",
    )
    tolerance_mm: FloatProperty(
        name="Tolerance",
        description="Largest error on the face in millimetres that fewer keys may make",
        default=0.1,
        min=0.001,
        soft_max=2.0,
        max=10.0,
        precision=3,
    )
    extend_scene: BoolProperty(
        name="Extend the scene",
        description="Move the scene's last frame to the end of a longer take",
        default=True,
    )
    progress: FloatProperty(options={"SKIP_SAVE"})
    progress_text: StringProperty(options={"SKIP_SAVE"})


class EIFER_PG_take(bpy.types.PropertyGroup):
    """A baked take of a head. Its settings are stamped on its actions, see `takes`."""

    name: StringProperty(name="Name", description="Name of the take", override=OVERRIDABLE)
    action_keys: PointerProperty(type=bpy.types.Action, override=OVERRIDABLE)
    action_head: PointerProperty(type=bpy.types.Action, override=OVERRIDABLE)
    action_rig: PointerProperty(type=bpy.types.Action, override=OVERRIDABLE)


class EIFER_PG_pose(bpy.types.PropertyGroup):
    """How the head should look at a moment of a recording; `examples.Pose` in `data`."""

    name: StringProperty(override=OVERRIDABLE)
    moment: StringProperty(description="Frame at which it was taken", override=OVERRIDABLE)
    source: StringProperty(description="Name of the recording", override=OVERRIDABLE)
    label: StringProperty(description="Text of the mark at that moment", override=OVERRIDABLE)
    data: StringProperty(override=OVERRIDABLE)
    before: FloatProperty(
        description="Error in millimetres before the calibration; negative if unknown",
        default=-1.0,
        override=OVERRIDABLE,
    )
    after: FloatProperty(
        description="Error in millimetres after the calibration", default=-1.0, override=OVERRIDABLE
    )


class EIFER_PG_calibration(bpy.types.PropertyGroup):
    """A change of the mapping for one head, and what it was made from."""

    use: BoolProperty(
        name="Use Calibration",
        description="Apply the calibration in preview, bake and Map Again",
        default=True,
        update=_calibration_changed,
        override=OVERRIDABLE,
    )
    strength: FloatProperty(
        name="Strength",
        description="Share of the calibration's change that is applied",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_calibration_changed,
        override=OVERRIDABLE,
    )
    use_labels: BoolProperty(
        name="Use Labelled Movements",
        description="Also learn from movements and emotions that the recording's marks name, "
        "such as Smile-Open or happy",
        override=OVERRIDABLE,
    )
    poses: CollectionProperty(type=EIFER_PG_pose, override=OVERRIDABLE | {"USE_INSERTION"})
    active_pose: IntProperty(override=OVERRIDABLE)
    data: StringProperty(description="The calibration as text; empty for none", override=OVERRIDABLE)
    result: StringProperty(description="What it does, sentences, one a line", override=OVERRIDABLE)


class EIFER_PG_head(bpy.types.PropertyGroup):
    """What belongs to one head."""

    takes: CollectionProperty(type=EIFER_PG_take, override=OVERRIDABLE | {"USE_INSERTION"})
    active_take: IntProperty(override=OVERRIDABLE)
    calibration: PointerProperty(type=EIFER_PG_calibration, override=OVERRIDABLE)
    heat: PointerProperty(type=activity_properties.EIFER_PG_heat, override=OVERRIDABLE)
    agreement: CollectionProperty(
        type=activity_properties.EIFER_PG_agreement,
        description="The estimate against the recording of the take that plays, a row for each channel",
        override=OVERRIDABLE | {"USE_INSERTION"},
    )
    active_agreement: IntProperty(override=OVERRIDABLE)
    sides: CollectionProperty(
        type=activity_properties.EIFER_PG_side,
        description="Left against right, a row for each muscle",
        override=OVERRIDABLE | {"USE_INSERTION"},
    )
    previewing: BoolProperty(override=OVERRIDABLE)
    preview_record: StringProperty(
        description="Values to restore when the preview ends, as JSON", override=OVERRIDABLE
    )


class EIFER_PG_marker(bpy.types.PropertyGroup):
    """A marker that the extension put on the timeline; its name is the marker's.

    Blender 5 keeps no custom properties on markers, so the scene remembers which are not the animator's.
    """

    frame: IntProperty()


class EIFER_PG_scene(bpy.types.PropertyGroup):
    """The panel's settings."""

    head: PointerProperty(
        name="Head",
        description="The head that the recording drives",
        type=bpy.types.Object,
        poll=_is_head,
        update=_head_changed,
    )
    recording: PointerProperty(type=EIFER_PG_recording)
    animation: PointerProperty(type=EIFER_PG_animation)
    activity: PointerProperty(type=activity_properties.EIFER_PG_activity)
    markers: CollectionProperty(type=EIFER_PG_marker)
    markers_take: StringProperty(description="Id of the take whose marks are on the timeline")
    characters: CollectionProperty(type=character_properties.EIFER_PG_character)
    active_character: IntProperty()


CLASSES = (
    EIFER_PG_channel,
    EIFER_PG_stream,
    EIFER_PG_mark,
    EIFER_PG_chain,
    EIFER_PG_recording,
    EIFER_PG_animation,
    EIFER_PG_take,
    EIFER_PG_pose,
    EIFER_PG_calibration,
    *activity_properties.CLASSES,
    EIFER_PG_head,
    EIFER_PG_marker,
    *character_properties.CLASSES,
    EIFER_PG_scene,
)


def register() -> None:
    """Register the classes and hang them on Scene and Object."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.eifer = PointerProperty(type=EIFER_PG_scene)
    bpy.types.Object.eifer = PointerProperty(type=EIFER_PG_head, override=OVERRIDABLE)


def unregister() -> None:
    """Take everything away again."""
    del bpy.types.Object.eifer
    del bpy.types.Scene.eifer
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
