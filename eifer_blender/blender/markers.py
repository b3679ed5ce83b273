"""The marks of a take as markers of the timeline, never in the way of the animator's own."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from ..pipeline import TakeMark
from . import takes


def show(scene: bpy.types.Scene, take: bpy.types.PropertyGroup, ends: bool = False) -> int:
    """Put the marks of a take on the timeline in place of those of another; returns how many there are.

    Where the animator has a marker of that name and frame already, none is added. `ends`: also a
    marker where a marked segment ends.
    """
    remove(scene)
    stamp = takes.read_stamp(take)
    scene.eifer.markers_take = stamp.get("id", "")
    start = stamp.get("start_frame", 0)
    places = _places(takes.read_marks(take), ends)
    theirs = {(marker.name, marker.frame) for marker in scene.timeline_markers}
    for frame, name in places:
        marker = scene.timeline_markers.new(name, frame=start + frame)
        if (marker.name, marker.frame) in theirs:  # only now the name is as short as Blender keeps it
            scene.timeline_markers.remove(marker)
            continue
        theirs.add((marker.name, marker.frame))
        ours = scene.eifer.markers.add()
        ours.name, ours.frame = marker.name, marker.frame
    return len(places)


def _places(marks: Sequence[TakeMark], ends: bool) -> list[tuple[int, str]]:
    """Frame in the take and name of each marker, in order."""
    places = [(mark.frame, mark.text) for mark in marks]
    if ends:
        places += [(mark.end, f"{mark.text} end") for mark in marks if mark.end is not None]
    return sorted(dict.fromkeys(places))


def remove(scene: bpy.types.Scene) -> int:
    """Take away what `show` added; markers that the animator renamed or moved meanwhile are theirs now."""
    ours = {(marker.name, marker.frame) for marker in scene.eifer.markers}
    gone = [marker for marker in scene.timeline_markers if (marker.name, marker.frame) in ours]
    for marker in gone:
        scene.timeline_markers.remove(marker)
    scene.eifer.markers.clear()
    scene.eifer.markers_take = ""
    return len(gone)


def follow(scene: bpy.types.Scene, take: bpy.types.PropertyGroup) -> None:
    """Another take plays: markers that are shown become its."""
    if scene.eifer.markers_take:
        show(scene, take)


def forget(scene: bpy.types.Scene, take: bpy.types.PropertyGroup) -> None:
    """A take is about to be removed, and its markers with it."""
    if scene.eifer.markers_take and scene.eifer.markers_take == takes.read_stamp(take).get("id"):
        remove(scene)
