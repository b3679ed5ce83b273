"""What the chain returns: activations per frame, what they rest on, and how good each channel is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..errors import EiferError

MAX_FRAMES = 1_048_574  # as many as a scene of Blender has


class Status(StrEnum):
    """Mark of one muscle channel."""

    GOOD = "good"
    CHECK = "check"
    BAD = "bad"
    MISSING = "missing"


@dataclass(frozen=True)
class ChannelQuality:
    """How far one of the 22 channels can be trusted."""

    channel: str  # a name of muscles.CHANNELS
    source: str  # channel name in the file, "" if there is none
    status: Status
    reason: str  # one sentence, the most serious
    snr_db: float | None = None  # maximum over rest of the envelope, 20 log10
    prior: bool = False  # scaled by the population's values: it never contracts in this recording
    reasons: tuple[str, ...] = ()  # all sentences, the most serious first


@dataclass(frozen=True)
class Activation:
    """Muscle activity per video frame; columns in the order of `muscles.CHANNELS`.

    values: float32 [frames, 22], 0..1, delay and dynamics applied if the settings ask for them.
    envelope_uv: float32 [frames, 22], the envelope in microvolts without delay; 0 where unknown.
    present: bool [frames, 22], False where nothing was measured (values are then only a bridge).
    rest_uv, maximum_uv: float32 [22], the envelope that became 0 and 1; NaN where unknown, None
    where no chain made this activation.
    quality: one entry for each of the 22 channels, or none.
    offset: seconds on the recording's clock of frame 0; frame i is at i / fps + offset.
    dynamics: whether delay, attack and release are in `values`.
    """

    values: np.ndarray
    envelope_uv: np.ndarray
    present: np.ndarray
    fps: float
    quality: tuple[ChannelQuality, ...] = ()
    notes: tuple[str, ...] = ()
    offset: float = 0.0
    dynamics: bool = False
    rest_uv: np.ndarray | None = None
    maximum_uv: np.ndarray | None = None
    labels: tuple[tuple[int, str], ...] = ()  # (first frame, text) of each pose or part
    times: np.ndarray | None = None  # float64 [frames], recording time of each frame; NaN in pauses

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.values)


def check_frames(count: int) -> None:
    """EiferError unless a take can have so many frames."""
    if count < 1:
        raise EiferError(f"{count} frames are asked for; choose at least one.")
    if count > MAX_FRAMES:
        raise EiferError(
            f"The take would have {_grouped(count)} frames, more than a Blender scene can hold "
            f"({_grouped(MAX_FRAMES)}); animate a part of the recording or lower the frame rate."
        )


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", " ")
