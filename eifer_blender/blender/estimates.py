"""Estimated muscle activity of a head: keyed custom properties that anybody can scrub and drive with.

`est_<channel>` is the estimate, `est_<channel>_sd` one standard deviation of it. The curves lie in the
head object's action, and what they were made from is stamped on it. They belong to the animation they
were estimated from: a take takes them along, and a new animation does not inherit them.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import bpy
import numpy as np

from .. import muscles
from ..errors import EiferError
from ..estimation import Estimate
from ..signals import MAX_FRAMES
from . import actions
from .actions import Channels, CurveId

EST_PREFIX = "est_"
SD_SUFFIX = "_sd"
STAMP = "eifer_estimate"
GROUP, BAND_GROUP = "EMG estimated", "EMG estimated, band"
SLOT = "Muscle activity"  # of a new action; the role of a take's, so that a take finds it


def property_name(channel: str) -> str:
    """Name of the property with a channel's estimate."""
    return f"{EST_PREFIX}{channel}"


def band_name(channel: str) -> str:
    """Name of the property with the standard deviation of a channel's estimate."""
    return f"{EST_PREFIX}{channel}{SD_SUFFIX}"


def _curve(name: str) -> CurveId:
    return (f'["{name}"]', 0)


VALUE_CURVES: tuple[CurveId, ...] = tuple(_curve(property_name(name)) for name in muscles.CHANNELS)
BAND_CURVES: tuple[CurveId, ...] = tuple(_curve(band_name(name)) for name in muscles.CHANNELS)
CURVES = frozenset(VALUE_CURVES + BAND_CURVES)


class Read(NamedTuple):
    """An estimate as it lies in the curves of a head."""

    estimate: Estimate
    start_frame: int
    stamp: dict


# --- curves ---------------------------------------------------------------------------------------


def check_writable(head: bpy.types.Object) -> None:
    """EiferError if the curves of an estimate cannot be written to a head."""
    channels = actions.assigned(head)
    if channels is not None and channels.action.library is not None:
        raise EiferError(
            f"The action '{channels.action.name}' of '{head.name}' is linked from another file; make it "
            "local, or unlink it from the head."
        )


def write(head: bpy.types.Object, estimate: Estimate, start_frame: int, stamp: dict) -> None:
    """Key an estimate on a head in place of an older one.

    stamp: what it was made from, plain JSON values; fps, start_frame, frames and hidden are added.
    Properties and curves are made for the channels with an estimate only. The head's other curves stay;
    without an action it gets one. Raises EiferError if its action is linked, or past Blender's last frame.
    """
    check_writable(head)
    count = len(estimate.values)
    if not 1 <= count <= MAX_FRAMES or abs(start_frame) + count > MAX_FRAMES:
        raise EiferError(f"Estimates must lie within Blender's {MAX_FRAMES} frames; choose fewer.")
    told = np.flatnonzero(estimate.told)
    channels = actions.assigned(head)
    if channels is None:
        _keep_unused_action(head)
        channels = actions.new_channels(f"{head.name} activity", {SLOT: head})[SLOT]
    actions.remove_curves(channels, CURVES)
    frames = np.arange(count, dtype=np.float32) + start_frame
    for curves, table, group in (
        (VALUE_CURVES, estimate.values, GROUP),
        (BAND_CURVES, estimate.sd, BAND_GROUP),
    ):
        for column in told:
            if np.isfinite(table[:, column]).all():
                actions.write_curve(channels, curves[column], actions.Keys(frames, table[:, column]), group)
    full = {**stamp, "fps": estimate.fps, "start_frame": start_frame, "frames": count}
    channels.action[STAMP] = json.dumps(full | {"hidden": list(estimate.hidden)}, sort_keys=True)
    if not actions.is_assigned(head, channels):
        actions.assign(head, channels)
    fit_properties(head)
    _drop_unknown(head)
    _show(head, channels, bpy.context.scene)
    recolour(head)


def _keep_unused_action(head: bpy.types.Object) -> None:
    """An action that animates nothing, since it has no slot for the head, outlives being displaced."""
    action = head.animation_data.action if head.animation_data else None
    if action is not None and action.library is None:
        action.use_fake_user = True


def _show(head: bpy.types.Object, channels: Channels, scene: bpy.types.Scene) -> None:
    """Set the properties to what the curves say at the present frame."""
    frame = scene.frame_current_final * scene.render.frame_map_old / scene.render.frame_map_new
    for (path, index), curve in actions.curve_map(channels).items():
        if (path, index) in CURVES:
            head[path[2:-2]] = float(np.clip(curve.evaluate(frame), 0.0, 1.0))
    head.update_tag(refresh={"TIME"})


def read(head: bpy.types.Object) -> Read | None:
    """The estimate that is keyed on a head; None if there is none."""
    stamp, channels = stamp_of(head), actions.assigned(head)
    curves = actions.curve_map(channels) if stamp and channels else {}
    if not any(curve_id in curves for curve_id in VALUE_CURVES):
        return None
    frames = np.arange(stamp["frames"], dtype=np.float64) + stamp["start_frame"]
    values, sd = (np.full((len(frames), muscles.CHANNEL_COUNT), np.nan, np.float32) for _ in range(2))
    for table, ids in ((values, VALUE_CURVES), (sd, BAND_CURVES)):
        for column, curve_id in enumerate(ids):
            if curve_id in curves:
                table[:, column] = actions.sample(curves[curve_id], frames)
    hidden = tuple(name for name in muscles.CHANNELS if name in stamp["hidden"])
    return Read(Estimate(values, sd, float(stamp["fps"]), hidden), stamp["start_frame"], stamp)


def stamp_of(head: bpy.types.Object) -> dict:
    """What the estimate on a head was made from; empty without one, or if somebody damaged it."""
    channels = actions.assigned(head)
    if channels is None or STAMP not in channels.action:
        return {}
    try:
        stamp = json.loads(channels.action[STAMP])
        frames, start = stamp["frames"], stamp["start_frame"]
        sound = isinstance(frames, int) and 1 <= frames <= MAX_FRAMES
        sound = sound and isinstance(start, int) and abs(start) <= MAX_FRAMES
        sound = sound and 0.0 < stamp["fps"] < 1e6 and isinstance(stamp["hidden"], list)
        named = all(isinstance(stamp["model"][key], str) for key in ("id", "version"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return stamp if sound and named else {}


def clear(head: bpy.types.Object) -> None:
    """Take the estimate off a head: curves, properties, and an action that held nothing else.

    Raises EiferError if the action is linked.
    """
    channels = actions.assigned(head)
    if channels is not None and has_estimate(channels):
        check_writable(head)
        actions.remove_curves(channels, CURVES)
        if STAMP in channels.action:
            del channels.action[STAMP]
        if _is_made_for_it(channels) and channels.action.users <= 1:
            bpy.data.actions.remove(channels.action)
    _drop_unknown(head)
    recolour(head)


def has_estimate(channels: Channels) -> bool:
    """Whether channels hold an estimate."""
    return STAMP in channels.action or not CURVES.isdisjoint(actions.curve_map(channels))


def holds_nothing_else(channels: Channels) -> bool:
    """Whether an action was made for an estimate alone, so that nothing is lost with it."""
    return STAMP in channels.action and _is_made_for_it(channels)


def _is_made_for_it(channels: Channels) -> bool:
    alone = channels.slot is None or len(channels.action.slots) == 1
    return alone and set(channels.action.keys()) <= {STAMP} and set(actions.curve_map(channels)) <= CURVES


def copy_stamp(source: bpy.types.Action, target: bpy.types.Action) -> None:
    """Keep what an estimate was made from with a copy of its curves."""
    if STAMP in source:
        target[STAMP] = source[STAMP]


def forget_findings(head: bpy.types.Object) -> None:
    """Agreement and asymmetry were found for another estimate or recording."""
    head.eifer.agreement.clear()
    head.eifer.sides.clear()


# --- properties -----------------------------------------------------------------------------------


def set_properties(head: bpy.types.Object, estimate: Estimate, row: int = 0) -> None:
    """Set the properties to one row of an estimate, without keys.

    Channels without an estimate lose theirs, unless they are keyed.
    """
    keyed = _curves_of(head)
    for column, channel in enumerate(muscles.CHANNELS):
        for name, table in ((property_name(channel), estimate.values), (band_name(channel), estimate.sd)):
            if np.isfinite(table[row, column]):
                _ensure(head, name, channel)
                head[name] = float(np.clip(table[row, column], 0.0, 1.0))
            elif name in head and _curve(name) not in keyed:
                del head[name]
    head.update_tag()
    recolour(head)


def recolour(head: bpy.types.Object) -> None:
    """Let the head's heat map, if it wears one, show the channels that there are now."""
    from . import heat_map  # which reads estimates

    heat_map.update(head)


def fit_properties(head: bpy.types.Object) -> None:
    """After another action was assigned: properties for what it keys, the others at rest.

    They stay, since a driver that has lost its property does not find it again.
    """
    keyed = _curves_of(head)
    for channel in muscles.CHANNELS:
        for name in (property_name(channel), band_name(channel)):
            if _curve(name) in keyed:
                _ensure(head, name, channel)
            elif name in head:
                head[name] = 0.0


def _drop_unknown(head: bpy.types.Object) -> None:
    """Take away properties that are not keyed."""
    keyed = _curves_of(head)
    for channel in muscles.CHANNELS:
        for name in (property_name(channel), band_name(channel)):
            if name in head and _curve(name) not in keyed:
                del head[name]
    head.update_tag()


def told(head: bpy.types.Object) -> tuple[str, ...]:
    """Channels whose activity an estimate tells now: those that are keyed, else those of a single pose."""
    keyed = _curves_of(head)
    found = [n for n, curve_id in zip(muscles.CHANNELS, VALUE_CURVES, strict=True) if curve_id in keyed]
    if not found and any(
        head.get(band_name(n), 0.0) or head.get(property_name(n), 0.0) for n in muscles.CHANNELS
    ):
        found = [name for name in muscles.CHANNELS if property_name(name) in head]
    return tuple(found)


def _curves_of(head: bpy.types.Object) -> dict[CurveId, bpy.types.FCurve]:
    channels = actions.assigned(head)
    return actions.curve_map(channels) if channels else {}


def _ensure(head: bpy.types.Object, name: str, channel: str) -> None:
    if name in head:
        return
    head[name] = 0.0
    label = muscles.channel_label(channel)
    text = (
        f"One standard deviation of the estimated activity of {label}"
        if name.endswith(SD_SUFFIX)
        else f"Estimated activity of {label}, 0 rest to 1 maximum"
    )
    head.id_properties_ui(name).update(min=0.0, max=1.0, soft_min=0.0, soft_max=1.0, description=text)
