"""Recording → activation → expression: the main job without Blender.

The panel, the preview and the command line all animate through `make_take`, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import spaces
from .errors import EiferError
from .heads.default import default_metric
from .recordings.types import Kind, Recording

if TYPE_CHECKING:
    from .mapping import Calibration, MappingModel
    from .signals import Activation, ChainSettings, Part

_MOVING_MM = 1.0  # a face that differs more from the neutral one moves
# An uncertainty of so many millimetres, so many times the take's median, for so long is worth a sentence.
_UNSURE_MM, _UNSURE_TIMES, _UNSURE_S = 2.0, 2.0, 0.5

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and what is being done; may raise `CancelledError`."""


class CancelledError(Exception):
    """The user pressed Esc."""


@dataclass(frozen=True)
class ChannelChoice:
    """What the user decided about one column of a recording, where it differs from the guess."""

    stream: int
    column: int
    muscle: str | None  # one of muscles.CHANNELS; None: drives nothing
    kind: Kind | None = None  # None: as read
    muted: bool = False


@dataclass(frozen=True)
class TakeSettings:
    """Everything that decides how a recording becomes a take, beside the recording and the model."""

    chain: ChainSettings
    fps: float
    offset: float = 0.0  # seconds of the recording at the take's first frame; negative starts at rest
    frames: int | None = None  # None: to the end of the recording
    gain: float = 1.0  # factor on the activation, which stays within 0..1
    smoothing_ms: float = 0.0  # standard deviation of a Gaussian over the activation
    choices: tuple[ChannelChoice, ...] = field(default=())
    parts: tuple[Part, ...] = ()  # stretches to animate one after another; none: all from the offset on
    pause_s: float = 0.0  # seconds of rest between parts


class TakeMark(NamedTuple):
    """A mark of the recording in a take; frames count from the take's first."""

    frame: int
    text: str
    end: int | None = None  # frame at which a marked segment ends, if that is in the take


@dataclass(frozen=True)
class TakeData:
    """What bake writes.

    activation: as measured, before the animator's gain and smoothing. parameters: float32
    [frames, 55], with them, of the expression space `space`. marks: in the order of their frames.
    uncertainty_mm: float32 [frames], the distance from the true face that the model expects, root mean
    square over the face; None where it does not say. expected_error_mm: its median where the face moves.
    """

    activation: Activation
    parameters: np.ndarray
    fps: float
    notes: tuple[str, ...] = ()
    marks: tuple[TakeMark, ...] = ()
    calibration: Calibration | None = None  # that the expressions were made with
    uncertainty_mm: np.ndarray | None = None
    expected_error_mm: float | None = None
    space: str = spaces.DEFAULT_SPACE.id
    jaw_locations: np.ndarray | None = None  # float32 [frames, 3] of the jaw's bone, where joints move
    identity: np.ndarray | None = None  # float32 [k] coefficients of the person, if the take brings them

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.parameters)


def with_choices(recording: Recording, choices: tuple[ChannelChoice, ...]) -> Recording:
    """The recording with the user's muscles and kinds; muted channels drive nothing."""
    streams = [list(stream.channels) for stream in recording.streams]
    for choice in choices:
        try:
            channel = streams[choice.stream][choice.column]
        except IndexError:
            raise EiferError(
                f"The recording has no column {choice.column + 1} in stream {choice.stream + 1} any more; "
                "open it again."
            ) from None
        streams[choice.stream][choice.column] = replace(
            channel,
            muscle=None if choice.muted else choice.muscle,
            site=None if choice.muted or choice.muscle else channel.site,
            kind=choice.kind or channel.kind,
            doubtful=False,
        )
    return replace(
        recording,
        streams=tuple(replace(s, channels=tuple(c)) for s, c in zip(recording.streams, streams, strict=True)),
    )


def process_recording(recording: Recording, settings: TakeSettings) -> Activation:
    """Activation of a recording or of a table of poses, before gain and smoothing.

    Raises EiferError if no channel has a muscle or the chain refuses the signal.
    """
    from . import signals

    chosen = with_choices(recording, settings.choices)
    if not any(channel.muscle or channel.site for stream in chosen.streams for channel in stream.channels):
        raise EiferError(
            "No channel of the recording has a muscle; choose one for at least one channel in the list."
        )
    if signals.is_pose_table(chosen):
        return signals.process_poses(chosen, settings.chain, settings.fps, parts=settings.parts)
    return signals.process(
        chosen,
        settings.chain,
        settings.fps,
        frames=settings.frames,
        offset=settings.offset,
        parts=settings.parts,
        pause_s=settings.pause_s,
    )


def shape_activation(activation: Activation, gain: float, smoothing_ms: float) -> Activation:
    """Apply the animator's gain and smoothing; values stay within 0..1."""
    values = activation.values
    if smoothing_ms > 0:
        from scipy.ndimage import gaussian_filter1d

        sigma = smoothing_ms / 1000.0 * activation.fps
        values = gaussian_filter1d(values, sigma, axis=0, mode="nearest")
    return replace(activation, values=np.clip(values * gain, 0.0, 1.0).astype(np.float32))


def make_take(
    recording: Recording,
    settings: TakeSettings,
    model: MappingModel,
    progress: Progress = lambda share, text: None,
    process: Callable[[Recording, TakeSettings], Activation] = process_recording,
    calibration: Calibration | None = None,
) -> TakeData:
    """The whole main job up to Blender; EiferError says what the user can mend.

    `process` stands for `process_recording` where its result may be at hand already.
    """
    from . import mapping

    progress(0.0, "Processing the signals")
    activation = process(recording, settings)
    take = express_take(activation, model, settings.gain, settings.smoothing_ms, progress, calibration)
    notes = (*activation.notes, *mapping.check_chain(model, settings.chain), *take.notes)
    return replace(take, notes=notes, marks=take_marks(recording, activation))


def take_marks(recording: Recording, activation: Activation) -> tuple[TakeMark, ...]:
    """The recording's marks that lie in a take, and the labels of its poses or parts.

    A mark is at the frame nearest to it, in every part that contains it. The label of a part is
    left out where the mark of that name is in the part itself.
    """
    times = activation.times
    if times is None:
        times = np.arange(activation.frames) / activation.fps + activation.offset
    found = set()
    for first, last in _stretches(times, activation.fps):
        onset = np.array([a.onset for a in recording.annotations], dtype=np.float64)
        length = np.array([a.duration for a in recording.annotations], dtype=np.float64)
        frame, end = (
            first + np.floor((seconds - times[first]) * activation.fps + 0.5).astype(np.int64)
            for seconds in (onset, onset + length)
        )
        # What begins after the last frame belongs to what comes next.
        inside = np.flatnonzero((frame >= first) & (frame <= last) & (onset <= times[last] + 1e-6))
        here = {
            TakeMark(
                int(frame[i]),
                recording.annotations[i].text,
                int(end[i]) if length[i] > 0 and end[i] <= last else None,
            )
            for i in inside
        }
        told = {mark.text for mark in here}
        found |= here
        found |= {TakeMark(f, t) for f, t in activation.labels if first <= f <= last and t and t not in told}
    return tuple(sorted(found, key=lambda mark: (mark.frame, mark.text, mark.end or -1)))


def _stretches(times: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """First and last frame of each stretch in which the recording's time (NaN in pauses) runs on."""
    known = np.flatnonzero(np.isfinite(times))
    if not len(known):
        return []
    steps = np.diff(known)
    breaks = np.flatnonzero((steps > 1) | (np.abs(np.diff(times[known]) * fps - steps) > 1e-3))
    firsts = known[np.append(0, breaks + 1)]
    lasts = known[np.append(breaks, len(known) - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def express_take(
    activation: Activation,
    model: MappingModel,
    gain: float,
    smoothing_ms: float,
    progress: Progress = lambda share, text: None,
    calibration: Calibration | None = None,
) -> TakeData:
    """Expressions of a measured activation; the take keeps the activation as it was measured.

    Raises EiferError if the calibration was made with another model.
    """
    from . import mapping

    progress(0.7, "Shaping the activity")
    shaped = shape_activation(activation, gain, smoothing_ms)
    progress(0.8, "Computing the expressions")
    inputs = shaped.values, shaped.present, shaped.fps
    uncertainty = None
    if calibration is None:
        made = mapping.emg_to_expression(model, *inputs)
        parameters, uncertainty = made.values, _uncertainty_mm(made.sd)
    else:  # what the model says of itself is not true of the calibrated one
        parameters = mapping.calibrated_expression(model, calibration, *inputs)
    progress(1.0, "Done")
    notes = _least_certain(parameters, uncertainty, activation.fps)
    return TakeData(
        activation,
        parameters,
        activation.fps,
        notes,
        calibration=calibration,
        uncertainty_mm=uncertainty,
        expected_error_mm=_expected_error(parameters, uncertainty),
        space=model.metadata.space,
    )


def _expected_error(parameters: np.ndarray, uncertainty: np.ndarray | None) -> float | None:
    """Median uncertainty of the frames in which the face moves."""
    if uncertainty is None:
        return None
    moving = _size_mm(parameters) > _MOVING_MM
    return float(np.median(uncertainty[moving])) if moving.any() else None


def _uncertainty_mm(sd: np.ndarray) -> np.ndarray | None:
    """float32 [frames] for the standard deviations of the parameters [frames, 55], taken as independent."""
    if not np.isfinite(sd).all():
        return None
    squares = (default_metric() ** 2).sum(1)
    return np.sqrt((sd.astype(np.float32) ** 2) @ squares)


def _size_mm(parameters: np.ndarray) -> np.ndarray:
    """How far each frame [frames] is from the neutral face, root mean square over the face."""
    return np.linalg.norm(parameters @ default_metric(), axis=1)


def _least_certain(parameters: np.ndarray, uncertainty: np.ndarray | None, fps: float) -> tuple[str, ...]:
    """A sentence about the longest stretch in which the model knows the face far worse than elsewhere."""
    if uncertainty is None:
        return ()
    moving = _size_mm(parameters) > _MOVING_MM
    usual = float(np.median(uncertainty[moving])) if moving.any() else 0.0
    high = np.flatnonzero(uncertainty > max(_UNSURE_MM, _UNSURE_TIMES * usual))
    stretches = np.split(high, np.flatnonzero(np.diff(high) > 1) + 1)
    longest = max(stretches, key=len)
    if len(longest) < _UNSURE_S * fps:
        return ()
    first, last = longest[[0, -1]] / fps
    return (
        f"From {first:.1f} to {last:.1f} s of the take the model is less sure of the face: it expects to be "
        f"about {np.median(uncertainty[longest]):.0f} mm off, elsewhere {usual:.1f} mm.",
    )


def parameter_table(take: TakeData, start_frame: int = 0) -> str:
    """CSV text of a take: frame, seconds, then the expression parameters by name."""
    names = spaces.DEFAULT_SPACE.names
    frame = np.arange(take.frames)
    rows = np.column_stack([frame + start_frame, frame / take.fps, take.parameters])
    head = ",".join(("frame", "seconds", *names))
    lines = (f"{int(r[0])},{r[1]:.6f}," + ",".join(f"{v:.6g}" for v in r[2:]) for r in rows)
    return "\n".join((head, *lines)) + "\n"
