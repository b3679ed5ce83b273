"""Settings of the way back, from face to muscles, and of how activity is shown.

What a head looks like (heat map, agreement of its estimate) lies on the head; how the panel works and
what the viewport shows beside the face lies on the scene. `properties` registers the classes.
"""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    StringProperty,
)

# From 4.5 a property must say that "//" paths are meant; before, the word is unknown.
RELATIVE_PATH = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()

# What belongs to a head that is a library override belongs to the file that overrides it.
OVERRIDABLE = {"LIBRARY_OVERRIDABLE"}

EXTENT_ITEMS = [
    ("SCENE", "Scene", "The frames that the timeline plays, or its preview range"),
    ("ACTION", "Keys", "From the first to the last key of what animates the head"),
    ("RANGE", "Range", "From one frame to another"),
]
SOURCE_ITEMS = [
    ("EST", "Estimated", "Activity that was estimated from the face (est_ properties)"),
    ("EMG", "Measured", "Activity that was recorded (emg_ properties)"),
    ("DIFFERENCE", "Difference", "Estimated minus measured"),
]
SCHEME_ITEMS = [
    ("FRIDLUND", "Fridlund", "The 22 bipolar electrodes of the muscles"),
    ("KURAMOTO", "Kuramoto", "What 19 monopolar electrodes on a regular grid would show"),
]
RANGE_ITEMS = [
    ("FIXED", "Fixed", "The colours end at the value below, in every take"),
    ("TAKE", "Take", "The colours end at the largest activity of what is shown"),
]
ROWS_ITEMS = [
    ("ALL", "All", "All 11 muscles"),
    ("ACTIVE", "Active", "Only muscles that are active somewhere"),
]
EST, EMG, DIFFERENCE = (item[0] for item in SOURCE_ITEMS)
FRIDLUND, KURAMOTO = (item[0] for item in SCHEME_ITEMS)


def _heat_changed(heat: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    """What the heat map shows; the property group lies on the head."""
    if heat.show:
        from . import heat_map

        heat_map.update(heat.id_data)


def _strips_changed(_activity: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    from . import overlay

    overlay.changed(context)


def _first_changed(activity: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    if activity.frame_to < activity.frame_from:
        activity.frame_to = activity.frame_from


def _last_changed(activity: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    if activity.frame_from > activity.frame_to:
        activity.frame_from = activity.frame_to


class EIFER_PG_agreement(bpy.types.PropertyGroup):
    """One channel of `agreement.compare`; the channel's name is the item's, NaN stands for no figure."""

    frames: IntProperty()
    rho: FloatProperty()
    rmse: FloatProperty()
    smape: FloatProperty()
    lag_s: FloatProperty()
    within_band: FloatProperty()
    reason: StringProperty()


class EIFER_PG_side(bpy.types.PropertyGroup):
    """`agreement.asymmetry` of one muscle, the item's name; NaN where it rests or a side is not known."""

    estimated: FloatProperty()
    measured: FloatProperty()


class EIFER_PG_heat(bpy.types.PropertyGroup):
    """The heat map of a head."""

    show: BoolProperty(
        description="Whether the head wears a heat map; the operators set it", override=OVERRIDABLE
    )
    source: EnumProperty(
        name="Show",
        description="Which activity colours the face",
        items=SOURCE_ITEMS,
        default=EST,
        update=_heat_changed,
        override=OVERRIDABLE,
    )
    scheme: EnumProperty(
        name="Electrodes",
        description="Where activity is known, and from where it is spread over the skin",
        items=SCHEME_ITEMS,
        default=FRIDLUND,
        update=_heat_changed,
        override=OVERRIDABLE,
    )
    range_mode: EnumProperty(
        name="Range",
        description="Which activity has the last colour",
        items=RANGE_ITEMS,
        default="FIXED",
        update=_heat_changed,
        override=OVERRIDABLE,
    )
    maximum: FloatProperty(
        name="Maximum",
        description="Activity at which the colours end; 1 is the strongest contraction of the session",
        default=1.0,
        min=0.01,
        max=1.0,
        soft_min=0.1,
        subtype="FACTOR",
        update=_heat_changed,
        override=OVERRIDABLE,
    )
    opacity: FloatProperty(
        name="Opacity",
        description="How much the colours cover the skin",
        default=0.9,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_heat_changed,
        override=OVERRIDABLE,
    )
    electrodes: BoolProperty(
        name="Electrodes",
        description="Show the electrodes as small discs on the skin",
        default=True,
        update=_heat_changed,
        override=OVERRIDABLE,
    )
    labels: BoolProperty(
        name="Labels",
        description="Write the names beside the electrodes",
        default=False,
        update=_heat_changed,
        override=OVERRIDABLE,
    )
    bar: BoolProperty(
        name="Colour Bar",
        description="Show the colours' meaning in the viewport",
        default=True,
        update=_strips_changed,
        override=OVERRIDABLE,
    )


class EIFER_PG_activity(bpy.types.PropertyGroup):
    """The panel of muscle activity."""

    model: StringProperty(
        name="Model",
        description="Exp2EMG model (.onnx), from face to muscles; empty is the bundled one",
        subtype="FILE_PATH",
        options=RELATIVE_PATH,
    )
    extent: EnumProperty(
        name="Frames",
        description="Which frames are estimated",
        items=EXTENT_ITEMS,
        default="SCENE",
    )
    frame_from: IntProperty(name="From", description="First frame", default=1, update=_first_changed)
    frame_to: IntProperty(name="To", description="Last frame", default=250, update=_last_changed)
    include_hidden: BoolProperty(
        name="Guess Hidden Muscles",
        description="Also estimate muscles that a face does not show, such as the masseter, from what "
        "usually goes along with the others",
        default=False,
    )
    strips: BoolProperty(
        name="Strips",
        description="Show the activity of each muscle over time in the viewport",
        default=False,
        update=_strips_changed,
    )
    strips_rows: EnumProperty(
        name="Muscles",
        description="Which muscles have a strip",
        items=ROWS_ITEMS,
        default="ALL",
        update=_strips_changed,
    )
    notes: StringProperty(description="What the last estimate has to say, sentences, one a line")


CLASSES = (EIFER_PG_agreement, EIFER_PG_side, EIFER_PG_heat, EIFER_PG_activity)
