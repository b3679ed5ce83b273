"""What a file of expressions says, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import EiferError
from ..mapping import rates
from ..spaces import ExpressionSpace

MOST_FRAMES = 1_000_000
RATES = (1.0, 1000.0)  # frames a second that an animation can have
_UNSEEN = 0.5  # frames that the end of a clip may be early or late: 29.97 is 30 for seconds, not for minutes


@dataclass(frozen=True)
class ExpressionClip:
    """Expression parameters at an even frame rate."""

    space: ExpressionSpace
    values: np.ndarray  # float32 [n, P] in the order of space.names, finite
    fps: float | None  # None: the file does not say
    start_s: float = 0.0  # of the first row on the file's own clock
    notes: tuple[str, ...] = ()  # sentences about what was guessed, bridged or left out
    format: str = ""
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What no expression holds: "angles", float32 [n, 9] radians, in the order of `live_link.ANGLES`;
    "identity", float32 [n, k] standard deviations of FLAME's shape; and "confidence", float32 [n, 1], 0..1,
    how sure a reconstruction is of a frame's face: 0 where it was lost and the values are but a bridge."""


def resample(clip: ExpressionClip, fps: float) -> ExpressionClip:
    """The clip at another frame rate, its first frame at the same instant.

    Without overshoot; faster clips are averaged over the new frames. Raises EiferError if the clip does not
    know its own rate.
    """
    if clip.fps is None:
        raise EiferError("The file does not say its frame rate; state the frames per second.")
    if abs(clip.fps / fps - 1.0) * len(clip.values) < _UNSEEN or len(clip.values) < 2:
        return clip if clip.fps == fps else replace(clip, fps=fps)
    frames = int(np.floor((len(clip.values) - 1) * fps / clip.fps + 1e-6)) + 1
    if frames > MOST_FRAMES:
        raise EiferError(f"{frames} frames are more than can be animated; choose a lower frame rate.")
    extra = {k: rates.sample(v, clip.fps, fps, frames) for k, v in clip.extra.items()}
    return replace(clip, values=rates.sample(clip.values, clip.fps, fps, frames), fps=fps, extra=extra)
