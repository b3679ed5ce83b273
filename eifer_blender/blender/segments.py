"""The recording's marks in the panel, and what is chosen by them: stretches to animate, rest, maximum."""

from __future__ import annotations

import bpy
import numpy as np

from ..errors import EiferError
from ..recordings import marks
from ..recordings.types import Annotation, Recording
from ..signals import Part
from ..signals.settings import Segments

MAX_ROWS = 5000  # of the list; a recording may have an event for every heart beat


def fill(stored: bpy.types.PropertyGroup, recording: Recording) -> None:
    """List the marks of a recording that was just opened, none checked."""
    stored.marks.clear()
    for annotation in recording.annotations[:MAX_ROWS]:
        item = stored.marks.add()
        item.name, item.onset, item.duration = annotation.text, annotation.onset, annotation.duration
    stored.marks_total = len(recording.annotations)
    stored.end_s = marks.extent(recording)[1]
    stored.active_mark = 0


def offer_range(animation: bpy.types.PropertyGroup, recording: Recording) -> None:
    """The whole recording as the range, if the present one has nothing of it."""
    start, end = marks.extent(recording)
    if animation.range_to <= max(start, animation.range_from) or animation.range_from >= end:
        animation.range_from, animation.range_to = start, end


def active(stored: bpy.types.PropertyGroup) -> bpy.types.PropertyGroup | None:
    """The mark that is selected in the list."""
    return stored.marks[stored.active_mark] if 0 <= stored.active_mark < len(stored.marks) else None


def parts(scene: bpy.types.Scene, recording: Recording) -> tuple[Part, ...]:
    """What the panel says is to be animated; empty for everything from the sync offset on.

    Raises EiferError if that is nothing.
    """
    animation = scene.eifer.animation
    if animation.extent == "WHOLE" or scene.eifer.recording.is_poses:
        return ()
    if animation.extent == "RANGE":
        if animation.range_to <= animation.range_from:
            raise EiferError("The range to animate ends before it begins; set 'To' later than 'From'.")
        return (Part(animation.range_from, animation.range_to),)
    chosen = [number for number, mark in enumerate(scene.eifer.recording.marks) if mark.use]
    if not chosen:
        raise EiferError("No mark is checked; check some in the panel 'Marks', or animate all.")
    return marked_parts(scene, recording, chosen)


def marked_parts(scene: bpy.types.Scene, recording: Recording, chosen: list[int]) -> tuple[Part, ...]:
    """Some of the recording's marks with the panel's margins, in the order of their time."""
    animation = scene.eifer.animation
    rows = scene.eifer.recording.marks
    if len(recording.annotations) < len(rows):
        raise EiferError("The recording has other marks than when it was opened; open it again.")
    instant = animation.moment_s if animation.moment_length == "FIXED" else None
    spans = marks.spans(recording.annotations, marks.extent(recording)[1], instant)
    spans += (-animation.before_s, animation.after_s)
    made = []
    for number in sorted(chosen, key=lambda n: spans[n, 0]):
        start, end = spans[number].tolist()
        text = recording.annotations[number].text
        if end <= start:
            raise EiferError(
                f"The mark '{text[:40]}' at {rows[number].onset:.2f} s has no length with these margins; "
                "let moments last a fixed time, or uncheck it."
            )
        made.append(Part(start, end, text))
    return tuple(made)


def checked(stored: bpy.types.PropertyGroup) -> int:
    """How many marks are checked."""
    used = np.zeros(len(stored.marks), dtype=bool)
    stored.marks.foreach_get("use", used)
    return int(used.sum())


def check(stored: bpy.types.PropertyGroup, used: np.ndarray) -> None:
    """Check the marks where `used`, bool [marks], and no others."""
    stored.marks.foreach_set("use", used)


def found(stored: bpy.types.PropertyGroup, text: str) -> str:
    """What the listed marks with a text amount to, for the panel; empty for no text."""
    rows = [Annotation(mark.onset, mark.duration, mark.name) for mark in stored.marks]
    said = np.array([row.text == text for row in rows], dtype=bool)
    if not text:
        return ""
    if not said.any():
        return f"No mark says '{text[:40]}'"
    spans = marks.spans(rows, stored.end_s)[said]
    count = int(said.sum())
    return f"{count} segment{'s' if count != 1 else ''}, {float(np.ptp(spans, axis=1).sum()):.1f} s"


def chain_segments(recording: Recording, chain: bpy.types.PropertyGroup) -> dict[str, Segments]:
    """Rest and maximum segments as `signals.ChainSettings` has them; EiferError for a text without marks."""
    return {
        field: marks.segments_with(recording, text) if text else ()
        for field, text in (
            ("rest_segments", chain.rest_marks),
            ("maximum_segments", chain.maximum_marks),
        )
    }
