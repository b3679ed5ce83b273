"""What is correlated: muscle activity that a face shows, beside the activity that electrodes measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EiferError
from ..muscles import CHANNELS, channel_label

if TYPE_CHECKING:
    from ..mapping import MappingModel
    from ..pipeline import ChannelChoice
    from ..recordings.types import Recording

RATE = 60.0
"""Rows a second of what is correlated; peaks are some tenths of a second wide, so more tells no more."""

CONFIDENT = 0.5
"""Confidence (0..1) of a reconstruction from which on a frame counts as found."""

SHORTEST_S = 10.0
"""Seconds that a clip, a recording and their overlap need at least."""

_STILL = 0.05  # activity; a channel that never gets here tells nothing
_LONGEST_S = 4 * 3600.0


@dataclass(frozen=True)
class ActivityTraces:
    """Muscle activity at `RATE` rows a second.

    values: float32 [n, 22], 0..1. known: bool [n, 22]. start_s: seconds of the first row on the clock of the
    video or of the recording. reasons: for each of the 22 channels why it is of no use, or nothing.
    """

    values: np.ndarray
    known: np.ndarray
    start_s: float
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.values) / RATE


def usable_frames(count: int, confidence: np.ndarray | None) -> np.ndarray:
    """bool [count]: frames in which the face was found; all of them where nothing is said."""
    if confidence is None:
        return np.ones(count, bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(confidence).reshape(count) >= CONFIDENT


def face_traces(
    model: MappingModel,
    parameters: np.ndarray,
    fps: float,
    *,
    usable: np.ndarray | None = None,
    start_s: float = 0.0,
) -> ActivityTraces:
    """Muscle activity that the face of a video shows.

    model: of the kind `exp2emg`. parameters: [n, P] of the model's space, one row a video frame. usable: bool
    [n], frames in which the face was found. start_s: seconds of the first frame on the video's clock. The
    person's resting face, the median of all frames, is taken off, since a reconstruction of it is not zero.
    Raises EiferError if the clip is too short, the face was hardly found, or it never moves.
    """
    from ..estimation import estimate
    from ..mapping.rates import bridged

    usable = usable_frames(len(parameters), None) if usable is None else np.asarray(usable, bool)
    _check_length(len(parameters) / fps, "video")
    if usable.sum() < SHORTEST_S * fps:
        raise EiferError(
            f"The face was found in {usable.sum() / fps:.0f} s of the video only; "
            f"{SHORTEST_S:g} s are needed to align it."
        )
    parameters = bridged(
        np.asarray(parameters, np.float32), np.repeat(usable[:, None], parameters.shape[1], 1)
    )
    found = estimate(model, parameters - np.median(parameters[usable], axis=0), fps)
    rows = max(int((len(parameters) - 1) / fps * RATE), 1)
    at = np.arange(rows) * (fps / RATE)
    values = _between(np.nan_to_num(found.values), at)
    known = _between(usable[:, None].astype(np.float32), at)[:, 0] > 0.999  # both frames beside it
    told = [name not in found.hidden for name in CHANNELS]
    moves = _moves(values, known[:, None])
    reasons = tuple(
        "not visible on a face" if not t else "" if m else "the face shows none of it"
        for t, m in zip(told, moves, strict=True)
    )
    if not any(not reason for reason in reasons):
        raise EiferError(
            "The face of the video never moves enough to be aligned; choose a clip with expressions."
        )
    return ActivityTraces(values, known[:, None] & np.array(told), start_s, reasons)


def recorded_traces(recording: Recording, choices: Sequence[ChannelChoice] = ()) -> ActivityTraces:
    """Muscle activity that a recording measured, without delay and dynamics.

    Bad channels, and those that never contract, are of no use. Raises EiferError if no channel has a muscle,
    all are bad, there is no time, or it is too short.
    """
    from .. import pipeline, signals
    from ..recordings.marks import extent
    from ..signals import PRESETS, Status

    if signals.is_pose_table(pipeline.with_choices(recording, tuple(choices))):
        raise EiferError("The recording is a table of poses without time and cannot be aligned with a video.")
    begin, end = extent(recording)
    _check_length(end - begin, "recording")
    settings = pipeline.TakeSettings(
        PRESETS["Animation"].without_dynamics(), RATE, offset=begin, choices=tuple(choices)
    )
    activation = pipeline.process_recording(recording, settings)
    reasons = []
    for k, quality in enumerate(activation.quality):
        if quality.status is Status.MISSING:
            reasons.append("not recorded")
        elif quality.status is Status.BAD:
            reasons.append(f"bad: {quality.reason[:1].lower()}{quality.reason[1:].rstrip('.')}")
        elif not _moves(activation.values[:, k : k + 1], activation.present[:, k : k + 1])[0]:
            reasons.append("never contracts")
        else:
            reasons.append("")
    if all(reasons):
        told = next((r for r in reasons if r.startswith("bad")), "") or next(
            (r for r in reasons if r != "not recorded"), reasons[0]
        )
        channel = channel_label(CHANNELS[reasons.index(told)])
        raise EiferError(f"No channel of the recording can be aligned; {channel}, for one: {told}.")
    return ActivityTraces(activation.values, activation.present, begin, tuple(reasons), activation.notes)


def moved(traces: ActivityTraces, drift: float, at_s: float) -> ActivityTraces:
    """The traces on a clock that runs faster by the share `drift`, and agrees at the second `at_s`.

    Second t becomes t + drift (t - at_s).
    """
    if not drift:
        return traces
    start = traces.start_s + drift * (traces.start_s - at_s)
    rows = max(int((len(traces.values) - 1) * (1.0 + drift)), 1)
    at = np.minimum(np.arange(rows) / (1.0 + drift), len(traces.values) - 1.0)
    known = _between(traces.known.astype(np.float32), at) > 0.999
    return replace(traces, values=_between(traces.values, at), known=known, start_s=start)


def _check_length(seconds: float, what: str) -> None:
    if seconds < SHORTEST_S:
        raise EiferError(
            f"The {what} lasts {seconds:.1f} s; at least {SHORTEST_S:g} s are needed to align it."
        )
    if seconds > _LONGEST_S:
        raise EiferError(
            f"The {what} lasts {seconds / 3600:.1f} hours; cut it to {_LONGEST_S / 3600:g} at most."
        )


def _moves(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """bool [columns]: gets beyond `_STILL` for at least half a second in total."""
    return ((values > _STILL) & known).sum(0) >= RATE / 2


def _between(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """float32 [m, columns]: values [n, columns] at fractional rows `at` [m], by lines."""
    lower = np.clip(at.astype(np.int64), 0, max(len(values) - 2, 0))
    upper = np.minimum(lower + 1, len(values) - 1)
    share = (at - lower).astype(np.float32)[:, None]
    return (values[lower] * (1 - share) + values[upper] * share).astype(np.float32)
