"""The included sample recording: a short performance, simulated from muscle to electrode."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from ..movements import MOVEMENTS
from ..recordings.types import Annotation, Recording, Stream
from .laboratory import recorded_channels
from .plans import Step, activation_of_plan
from .semg import Settings, simulate_semg

RATE = 1000.0  # Hz; keeps 20-450 Hz, and the file small
DURATION = 16.0  # seconds
SEED = 20250612
FILE_NAME = "sample_recording.edf"


def sample_plan() -> list[Step]:
    """The performance: what the face does, and when.

    A face is never quite symmetric nor in unison: the smile leans to the left and begins there,
    the snarl is one-sided.
    """

    def step(name: str, onset: float, hold: float, **more: float) -> Step:
        return Step(name, MOVEMENTS[name], onset, hold=hold, **more)

    return [
        step("Forehead", 0.9, 0.65, attack=0.24, left=0.97),
        step("angry", 2.55, 0.75, attack=0.30, right=0.96),
        step("Eye-Tight", 4.35, 0.55, attack=0.20, release=0.40),
        step("Smile-Closed", 5.9, 0.75, attack=0.40, release=0.5, right=0.86, lag=0.05),
        step("Smile-Open", 7.0, 1.15, attack=0.36, release=0.65, right=0.93, lag=0.03),
        step("Lip-Pucker", 9.4, 0.65, attack=0.28, left=0.98),
        step("sad", 11.0, 0.90, attack=0.45, release=0.5, right=0.94),
        step("Snarl", 13.1, 0.65, attack=0.22, release=0.45, left=0.12, right=1.0),
    ]


def sample_activation(rate: float = RATE) -> np.ndarray:
    """The performance as activation, float32 [DURATION * rate, 22]."""
    return activation_of_plan(sample_plan(), DURATION, rate)


def sample_recording() -> Recording:
    """The performance as a laboratory would have recorded it: raw sEMG, 22 channels, 1000 Hz."""
    signal = simulate_semg(sample_activation(), SEED, Settings(rate=RATE))
    channels = recorded_channels()
    steps = sample_plan()
    notes = [Annotation(0.0, steps[0].onset, "Face-At-Rest")]
    ends = [min(s.end, after.onset) for s, after in pairwise(steps)] + [steps[-1].end]
    notes += [Annotation(s.onset, round(e - s.onset, 3), s.name) for s, e in zip(steps, ends, strict=True)]
    notes.append(Annotation(steps[-1].end, DURATION - steps[-1].end, "Face-At-Rest"))
    return Recording((Stream(channels, signal, RATE),), tuple(notes), format="simulated")


def write_sample(path: Path, *, overwrite: bool = False) -> None:
    """Write the sample recording as EDF+; the same bytes every time.

    Raises EiferError if the file exists and `overwrite` is not asked for.
    """
    from ..recordings.edf_write import write_edf

    write_edf(path, sample_recording(), overwrite=overwrite)
