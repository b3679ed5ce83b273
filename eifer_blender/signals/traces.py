"""Envelopes of a stream's leads on their way to activations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..recordings.types import Channel
from .montage import Lead
from .normalise import Level
from .quality import Findings


class Traces(NamedTuple):
    """Envelopes in microvolts (or activations) of leads of one kind; NaN where unknown.

    frames: float32 [frames, leads], at the frames' instants. delayed: the same, earlier by the delay.
    fine: float32 [m, leads], every `step` seconds over the whole recording, at `seconds` [m].
    """

    leads: list[Lead]
    frames: np.ndarray
    delayed: np.ndarray
    fine: np.ndarray
    seconds: np.ndarray
    step: float
    findings: tuple[Findings, ...] | list[Findings] = ()


class Trace(NamedTuple):
    """One muscle channel on its way."""

    index: int  # column in [frames, 22]
    channel: Channel
    frames: np.ndarray  # float32 [frames]
    delayed: np.ndarray  # float32 [frames]
    level: Level | None
    findings: Findings
    heart: float = 0.0  # how regularly its rest beats
