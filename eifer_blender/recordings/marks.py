"""Marked moments and segments: how long each lasts, and which say what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import EiferError
from .types import Annotation, Recording


def extent(recording: Recording) -> tuple[float, float]:
    """First and last second of all streams that have time, on the recording's clock; (0, 0) without one."""
    timed = [s for s in recording.streams if s.rate]
    if not timed:
        return 0.0, 0.0
    return min(s.start for s in timed), max(s.start + len(s.samples) / s.rate for s in timed)


def spans(annotations: Sequence[Annotation], end: float, instant_s: float | None = None) -> np.ndarray:
    """Start and end of each annotation in seconds, float64 [n, 2], in the order given.

    One without duration lasts `instant_s`, or without that until the next annotation begins; the
    last one until `end`, the recording's.
    """
    start = np.array([a.onset for a in annotations], dtype=np.float64)
    length = np.array([a.duration for a in annotations], dtype=np.float64)
    if instant_s is None:
        onsets = np.append(np.unique(start), max(end, start.max(initial=end)))
        upto = onsets[np.searchsorted(onsets[:-1], start, side="right")]
    else:
        upto = start + instant_s
    return np.column_stack([start, np.where(length > 0, start + length, upto)])


def texts(annotations: Sequence[Annotation]) -> list[str]:
    """The different texts in the order in which they first occur."""
    return list(dict.fromkeys(a.text for a in annotations))


def segments_with(recording: Recording, text: str) -> tuple[tuple[float, float], ...]:
    """Segments (start, end) in seconds that are marked with a text.

    A mark without duration lasts until the next one. Raises EiferError if no mark says so, or if
    what is marked has no length or lies outside of the recording.
    """
    begin, end = extent(recording)
    found = [a.text == text for a in recording.annotations]
    if not any(found):
        raise EiferError(f"No mark of the recording says '{text[:60]}'; choose another text or clear it.")
    marked = np.clip(spans(recording.annotations, end)[np.array(found)], begin, end)
    segments = tuple((float(a), float(b)) for a, b in marked if b > a)
    if not segments:
        raise EiferError(
            f"The marks '{text[:60]}' have no length within the recording; choose another text or clear it."
        )
    return segments
