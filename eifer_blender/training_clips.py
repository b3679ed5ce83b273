"""A video's expressions beside an aligned recording -> clips to train on, in the layout of MMM.

Everything lies on the data set's 30 frames a second, counted from the video's first frame: expressions are
interpolated to these instants, and envelopes are taken from the recording at the very same ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import pipeline
from .datasets.methods import METHODS, Method, find_method
from .datasets.mmm import OWN, RATE, ClipData
from .errors import EiferError
from .mapping import rates
from .movements import EMOTIONS, SCHAEDE, emotion_of
from .recordings.marks import extent, spans
from .signals import PRESETS, Status
from .spaces import ARKIT_NAMES

if TYPE_CHECKING:
    from .alignment import ClockMap
    from .interchange import ExpressionClip
    from .recordings.types import Recording

SHORTEST_S = 1.0
"""Seconds that a clip needs at least."""

CHAIN = PRESETS["MMM"].without_dynamics()
"""How envelopes are made: as the published ones."""

_LONGEST_GAP_S = 0.2  # without a face that is left to the reader to bridge; longer ones part two clips
_MOST_LOST = 0.1  # share of a clip's frames without a face; beyond it, a reader leaves the clip out
_WORD = re.compile(r"[^A-Za-z0-9.+-]+")
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,15}")
_TASKS = {name.casefold(): ("schaede", name) for name in SCHAEDE} | {n: ("emotion", n) for n in EMOTIONS}
_OTHER = "free"  # mode of what is no movement or emotion of the protocol


class Cut(NamedTuple):
    """A stretch of the video that becomes a clip."""

    start_s: float  # seconds of the video
    end_s: float
    task: str = "all"
    mode: str = _OTHER


class Made(NamedTuple):
    """Clips of one session, and sentences on what was left out."""

    clips: tuple[ClipData, ...]
    method: Method
    notes: tuple[str, ...]


def cuts_of_marks(recording: Recording, clock: ClockMap, texts: Sequence[str] = ()) -> tuple[Cut, ...]:
    """A cut for each mark of the recording, or for those that say one of `texts`, in the order of time.

    A mark without duration lasts until the next one. Movements and emotions of the protocol are called by
    their names and get their modes. Raises EiferError if there is no such mark.
    """
    end = extent(recording)[1]
    cuts = []
    marked = spans(recording.annotations, end) if recording.annotations else np.empty((0, 2))
    for mark, (start, stop) in zip(recording.annotations, marked.tolist(), strict=True):
        if not texts or mark.text in texts:
            mode, task = task_of(mark.text)
            cuts.append(Cut(float(clock.to_video(start)), float(clock.to_video(stop)), task, mode))
    missing = [text for text in texts if text not in {mark.text for mark in recording.annotations}]
    if missing or not cuts:
        what = f" '{missing[0][:60]}'" if missing else ""
        raise EiferError(f"The recording has no mark{what} to cut by; cut by ranges of seconds instead.")
    return tuple(sorted(cuts))


def task_of(text: str) -> tuple[str, str]:
    """(mode, task) of what a mark or a person calls a stretch, as they may stand in a clip's name."""
    word = _WORD.sub("-", text.strip()).strip("-.+")[:40] or "unnamed"
    found = _TASKS.get(word.casefold())
    if found is None and (emotion := emotion_of(text)):
        found = ("emotion", emotion)
    return found or (_OTHER, word)


def method_of(face: ExpressionClip, name: str | None = None) -> Method:
    """The method of the data set that a file of expressions belongs to.

    ARKit's weights become parameters of the default head unless `name` is MediaPipe. Raises EiferError if
    `name` is of another space, or several methods share the file's.
    """
    if name is None and face.space.size == len(ARKIT_NAMES):
        return METHODS[OWN]
    fitting = [m for m in METHODS.values() if m.space == face.space]
    if name is not None:
        chosen = find_method(name)
        if chosen in fitting or (chosen.name == OWN and face.space.size == len(ARKIT_NAMES)):
            return chosen
        raise EiferError(
            f"The file holds parameters of the space '{face.space.id}', not of {chosen.name}; choose "
            f"{' or '.join(m.name for m in fitting) or 'another file'}."
        )
    if len(fitting) != 1:
        names = ", ".join(m.name for m in fitting)
        raise EiferError(f"Several methods give such parameters ({names}); say with --method which it was.")
    return fitting[0]


def make_clips(
    face: ExpressionClip,
    recording: Recording,
    clock: ClockMap,
    cuts: Sequence[Cut] = (),
    *,
    person: str,
    block: int,
    grade: str,
    method: str | None = None,
    confident: float = 0.5,
    choices: tuple[pipeline.ChannelChoice, ...] = (),
) -> Made:
    """Clips of one session with electrodes.

    face: expressions of the video; its `extra["confidence"]` says in which frames the face was found. clock:
    how video and recording lie to each other. cuts: what becomes a clip, by default all that both have.
    person: a pseudonym of letters and digits. block: number of the session. grade: the alignment's.
    confident: from which confidence on a frame counts. Frames without a face stay empty cells where they are
    few, and part two clips where they last longer than 0.2 s; channels of bad quality are unknown.

    Raises EiferError if video and recording do not overlap, nothing is left, or a name cannot be.
    """
    rec = _session(person, block)
    if face.fps is None:
        raise EiferError("The file of expressions does not say its frame rate; add --fps.")
    chosen = method_of(face, method)
    parameters, lost = _at_rate(_of_method(face, chosen), _found(face, confident), face.fps)
    first, last = _common(len(parameters), recording, clock)
    envelope, notes = _envelopes(recording, clock, first, last, choices)
    clips: list[ClipData] = []
    for cut in cuts or (Cut(first / RATE, (last + 1) / RATE),):
        for start, stop in _pieces(cut, lost, first, last, notes):
            rows = np.where(lost[start:stop, None], np.float32(np.nan), parameters[start:stop])
            heard = envelope[start - first : stop - first]
            clips.append(
                ClipData(person, rec, cut.mode, cut.task, len(clips) + 1, heard, rows, sync_grade=grade)
            )
    if not clips:
        why = f" {notes[-1]}" if notes else ""
        raise EiferError(f"No clip is left.{why}")
    return Made(tuple(clips), chosen, tuple(notes))


# --- the face ---------------------------------------------------------------------------------------


def _session(person: str, block: int) -> str:
    if not _PERSON.fullmatch(person):
        raise EiferError(
            f"'{person[:40]}' cannot stand for a person; use up to 16 letters, digits and '-', and no real "
            "name."
        )
    if not 1 <= block <= 999:
        raise EiferError("The number of the session must lie between 1 and 999.")
    return f"{block}S"  # with sEMG, so with electrodes


def _of_method(face: ExpressionClip, method: Method) -> np.ndarray:
    if method.space == face.space:
        return face.values
    from .heads.default import load_default_head
    from .interchange import to_head

    return to_head(face, load_default_head())[0]


def _found(face: ExpressionClip, confident: float) -> np.ndarray:
    """bool [n]: frames in which the face was seen."""
    confidence = face.extra.get("confidence")
    return np.ones(len(face.values), bool) if confidence is None else confidence[:, 0] >= confident


def _at_rate(parameters: np.ndarray, found: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """(parameters [m, P], lost bool [m]) at `RATE`, the first row of both at the same instant.

    A row is lost if any frame that it is made from is.
    """
    if not found.any():
        raise EiferError("The face was found in no frame of the video; reconstruct it again.")
    if fps == RATE:
        return parameters, ~found
    rows = int(np.floor((len(parameters) - 1) * RATE / fps + 1e-6)) + 1
    bridged = rates.bridged(parameters, np.broadcast_to(found[:, None], parameters.shape))
    at = np.arange(rows) * (fps / RATE)
    reach = max(0.0, (fps / RATE - 1.0) / 2)
    low = np.clip(np.floor(at - reach + 1e-6).astype(np.int64), 0, len(found) - 1)
    high = np.clip(np.ceil(at + reach - 1e-6).astype(np.int64), 0, len(found) - 1)
    before = np.concatenate([[0], np.cumsum(~found)])
    return rates.sample(bridged, fps, RATE, rows), before[high + 1] > before[low]


# --- the recording ----------------------------------------------------------------------------------


def _common(frames: int, recording: Recording, clock: ClockMap) -> tuple[int, int]:
    """First and last frame that video and recording share; the envelope's window lies in the recording."""
    margin = CHAIN.window_ms * 0.5e-3
    begin, end = extent(recording)
    if end - begin <= 2 * margin + SHORTEST_S:
        raise EiferError(f"The recording lasts {end - begin:.1f} s, too short for a clip.")
    starts, ends = float(clock.to_video(begin + margin)), float(clock.to_video(end - margin))
    first, last = (
        max(0, int(np.ceil(starts * RATE - 1e-6))),
        min(frames - 1, int(np.floor(ends * RATE + 1e-6))),
    )
    if last - first < SHORTEST_S * RATE:
        raise EiferError(
            f"With this offset the recording lies from {float(clock.to_video(begin)):.1f} to "
            f"{float(clock.to_video(end)):.1f} s of the video, which lasts {frames / RATE:.1f} s: they do "
            "not overlap; correct the offset."
        )
    return first, last


def _envelopes(
    recording: Recording,
    clock: ClockMap,
    first: int,
    last: int,
    choices: tuple[pipeline.ChannelChoice, ...],
) -> tuple[np.ndarray, list[str]]:
    """(microvolts float32 [last - first + 1, 22], NaN where unknown; notes)."""
    start, end = (float(clock.to_recording(frame / RATE)) for frame in (first, last))
    # On the recording's clock a frame of the video may last a little longer or shorter.
    fps = (last - first) / (end - start)
    settings = pipeline.TakeSettings(CHAIN, fps, offset=start, frames=last - first + 1, choices=choices)
    activation = pipeline.process_recording(recording, settings)
    bad = np.array([quality.status is Status.BAD for quality in activation.quality])
    known = activation.present & ~bad
    silent = known.any(0) & ~(activation.envelope_uv > 0).any(0)
    known &= ~silent
    if not known.any():
        raise EiferError(
            "No channel of the recording gives an envelope in microvolts; training needs raw sEMG or "
            "envelopes."
        )
    notes = [
        f"Left out '{q.source}': {q.reason[:1].lower()}{q.reason[1:]}"
        for q in activation.quality
        if q.status is Status.BAD
    ]
    return np.where(known, activation.envelope_uv, np.float32(np.nan)), [*notes, *activation.notes]


# --- cutting ----------------------------------------------------------------------------------------


def _pieces(cut: Cut, lost: np.ndarray, first: int, last: int, notes: list[str]) -> list[tuple[int, int]]:
    """Start and stop of the clips that a cut becomes, between the stretches in which the face was lost."""
    start = max(first, int(np.ceil(cut.start_s * RATE - 1e-6)))
    stop = min(last + 1, int(np.ceil(cut.end_s * RATE - 1e-6)))
    name = f"'{cut.task}' at {cut.start_s:.1f} s"
    if stop - start < SHORTEST_S * RATE:
        notes.append(f"Left out {name}: less than {SHORTEST_S:g} s of it lie in video and recording.")
        return []
    pieces = []
    for low, high in _between_gaps(lost[start:stop]):
        share = lost[start + low : start + high].mean()
        if share > _MOST_LOST:
            notes.append(f"Left out a part of {name}: the face was lost in {100 * share:.0f} % of it.")
        elif high - low >= SHORTEST_S * RATE:
            pieces.append((start + low, start + high))
    kept = sum(high - low for low, high in pieces)
    if not pieces:
        notes.append(f"Left out {name}: the face was lost too often.")
    elif kept < stop - start:
        notes.append(
            f"{name} became {len(pieces)} clip{'s' if len(pieces) > 1 else ''}: the face was lost for "
            f"{(stop - start - kept) / RATE:.1f} s, or next to it."
        )
    return pieces


def _between_gaps(lost: np.ndarray) -> list[tuple[int, int]]:
    """Stretches without a long gap; they begin and end with a face."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], lost, [0])).astype(np.int8))).reshape(-1, 2)
    ends = (edges[:, 0] == 0) | (edges[:, 1] == len(lost))
    gaps = edges[(np.diff(edges, axis=1)[:, 0] > _LONGEST_GAP_S * RATE) | ends]
    bounds = np.concatenate([[0], gaps.ravel(), [len(lost)]]).reshape(-1, 2)
    return [(low, high) for low, high in bounds.tolist() if high > low]
