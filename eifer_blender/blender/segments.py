"""The recording's marks in the panel, and what is chosen by them: stretches to animate, rest, maximum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..errors import EiferError
from ..recordings import marks
from ..recordings.types import Annotation, Recording
from ..signals import Part

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


@dataclass(frozen=True)
class Choice:
    """What the panel says is to be animated, as plain data."""

    extent: str = "WHOLE"
    range_s: tuple[float, float] = (0.0, 0.0)
    checked: tuple[int, ...] = ()  # numbers of marks
    listed: int = 0  # marks in the list
    before_s: float = 0.0
    after_s: float = 0.0
    pause_s: float = 0.0
    moment_s: float | None = None  # how long a mark without duration lasts; None: until the next

    def parts(self, recording: Recording) -> tuple[Part, ...]:
        """The stretches to animate; empty for everything from the sync offset on.

        Raises EiferError if that is nothing.
        """
        if self.extent == "WHOLE":
            return ()
        if self.extent == "RANGE":
            if self.range_s[1] <= self.range_s[0]:
                raise EiferError("The range to animate ends before it begins; set 'To' later than 'From'.")
            return (Part(*self.range_s),)
        if not self.checked:
            raise EiferError("No mark is checked; check some in the panel 'Marks', or animate all.")
        return self.of_marks(recording, self.checked)

    def of_marks(self, recording: Recording, chosen: Sequence[int]) -> tuple[Part, ...]:
        """Some of the recording's marks with the margins, in the order of their time."""
        annotations = recording.annotations
        if len(annotations) < self.listed:
            raise EiferError("The recording has other marks than when it was opened; open it again.")
        spans = marks.spans(annotations, marks.extent(recording)[1], self.moment_s)
        spans += (-self.before_s, self.after_s)
        made = []
        for number in sorted(chosen, key=lambda n: spans[n, 0]):
            (start, end), mark = spans[number].tolist(), annotations[number]
            if end <= start:
                raise EiferError(
                    f"The mark '{mark.text[:40]}' at {mark.onset:.2f} s has no length with these margins; "
                    "let moments last a fixed time, or uncheck it."
                )
            made.append(Part(start, end, mark.text))
        return tuple(made)


def read_choice(scene: bpy.types.Scene) -> Choice:
    """What the panel says now; a table of poses is always animated as a whole."""
    stored, animation = scene.eifer.recording, scene.eifer.animation
    return Choice(
        extent="WHOLE" if stored.is_poses else animation.extent,
        range_s=(animation.range_from, animation.range_to),
        checked=tuple(np.flatnonzero(_used(stored)).tolist()) if animation.extent == "MARKED" else (),
        listed=len(stored.marks),
        before_s=animation.before_s,
        after_s=animation.after_s,
        pause_s=animation.pause_s,
        moment_s=animation.moment_s if animation.moment_length == "FIXED" else None,
    )


def _used(stored: bpy.types.PropertyGroup) -> np.ndarray:
    """bool [marks]: what is checked."""
    used = np.zeros(len(stored.marks), dtype=bool)
    stored.marks.foreach_get("use", used)
    return used


def checked(stored: bpy.types.PropertyGroup) -> int:
    """How many marks are checked."""
    return int(_used(stored).sum())


def check(stored: bpy.types.PropertyGroup, which: str) -> int:
    """Check the marks that are the SAME as the selected one, ALL, NONE, or INVERT; returns how many."""
    if which == "SAME":
        mark = active(stored)
        used = [mark is not None and one.name == mark.name for one in stored.marks]
    elif which == "INVERT":
        used = ~_used(stored)
    else:
        used = [which == "ALL"] * len(stored.marks)
    stored.marks.foreach_set("use", np.array(used, dtype=bool))
    return checked(stored)


def find(stored: bpy.types.PropertyGroup) -> None:
    """Say in the panel what the texts for rest and maximum amount to."""
    chain = stored.chain
    chain.rest_found = _found(stored, chain.rest_marks)
    chain.maximum_found = _found(stored, chain.maximum_marks)


def _found(stored: bpy.types.PropertyGroup, text: str) -> str:
    """What the listed marks with a text amount to; empty for no text."""
    if not text:
        return ""
    rows = [Annotation(mark.onset, mark.duration, mark.name) for mark in stored.marks]
    said = np.array([row.text == text for row in rows], dtype=bool)
    if not said.any():
        return f"No mark says '{text[:40]}'"
    spans = marks.spans(rows, stored.end_s)[said]
    count = int(said.sum())
    return f"{count} segment{'s' if count != 1 else ''}, {float(np.ptp(spans, axis=1).sum()):.1f} s"
