"""Which instant of the recording each frame of a take shows: all of it, or parts one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from .activation import check_frames
from .settings import Part

_LONGEST_PAUSE_S = 3600.0


class Layout(NamedTuple):
    """Instants on the recording's clock, float64 [frames].

    times: what a frame shows, NaN in pauses. delayed: what drives it, earlier by the delay; NaN where
    a pause has nothing to show any more. labels: (first frame, text) of each part.
    """

    times: np.ndarray
    delayed: np.ndarray
    labels: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()


def lay_out(
    fps: float,
    span: tuple[float, float],
    *,
    offset: float,
    frames: int | None,
    parts: Sequence[Part] = (),
    pause_s: float = 0.0,
    delay: float = 0.0,
) -> Layout:
    """The frames of a take from a recording that lasts over `span` (seconds of first and last sample).

    Without parts: frame i shows i / fps + offset, to the last sample or as many as asked. With parts:
    each from its start + offset up to its end, with rest for `pause_s` between them; `frames` then
    cuts the take off. Raises EiferError for what cannot be.
    """
    if not (np.isfinite(pause_s) and 0 <= pause_s <= _LONGEST_PAUSE_S):
        raise EiferError(f"A pause of {pause_s:g} s between parts is not possible; choose from 0 to 3600 s.")
    if not parts:
        count = _whole(fps, span[1], offset) if frames is None else int(frames)
        check_frames(count)
        times = np.arange(count) / fps + offset
        return Layout(times, times - delay)
    return _parts(fps, span, offset, frames, parts, pause_s, delay)


def _whole(fps: float, end: float, offset: float) -> int:
    count = int(np.floor((end - offset) * fps + 1e-6)) + 1
    if count < 1:
        raise EiferError(f"The recording ends at {end:.2f} s, before the first frame at {offset:.2f} s.")
    return count


def _parts(
    fps: float,
    span: tuple[float, float],
    offset: float,
    frames: int | None,
    parts: Sequence[Part],
    pause_s: float,
    delay: float,
) -> Layout:
    counts, notes = [], []
    for part in parts:
        count, note = _count(part, fps, span, offset)
        counts.append(count)
        notes += note
    pause = int(np.floor(pause_s * fps + 0.5))
    total = sum(counts) + pause * (len(parts) - 1)
    check_frames(total if frames is None else min(total, int(frames)))
    times, delayed = np.full(total, np.nan), np.full(total, np.nan)
    labels, at = [], 0
    for part, count in zip(parts, counts, strict=True):
        labels.append((at, part.label))
        times[at : at + count] = np.arange(count) / fps + part.start + offset
        # What a part's last moments set off is still to be seen when its frames are over.
        after = np.arange(min(count + pause, total - at)) / fps + part.start + offset - delay
        shown = after < max(part.start + offset + count / fps - 1e-6, part.start + offset)
        shown[:count] = True
        delayed[at : at + len(after)][shown] = after[shown]
        at += count + pause
    until = total if frames is None else min(total, int(frames))
    kept = tuple(label for label in labels if label[0] < until)
    return Layout(times[:until], delayed[:until], kept, tuple(notes))


def _count(part: Part, fps: float, span: tuple[float, float], offset: float) -> tuple[int, list[str]]:
    """(frames of a part, notes)."""
    name = f"The part '{part.label}'" if part.label else f"The part from {part.start:.2f} s"
    if not (np.isfinite(part.start) and np.isfinite(part.end)):
        raise EiferError(f"{name} has no finite start and end; give both in seconds.")
    if part.end - max(part.start, part.start + offset) <= 0:
        raise EiferError(f"{name} is empty: it ends at {part.end:.2f} s; choose an end after its start.")
    if part.start > span[1] or part.end < span[0]:
        raise EiferError(
            f"{name} lies outside of the recording, which lasts from {span[0]:.2f} to {span[1]:.2f} s; "
            "choose another part."
        )
    end, notes = part.end, []
    if end > span[1] + 1.0 / fps:
        notes = [f"{name} ends after the recording and was cut at {span[1]:.2f} s."]
        end = span[1] + 1e-9
    return max(1, int(np.ceil((end - part.start - offset) * fps - 1e-6))), notes
