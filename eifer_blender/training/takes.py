"""Simulated subjects as the models meet them: activity after the chain's normalisation, and the true face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..datasets import mmm, sessions
from ..simulation.amplitude import Electrodes
from ..simulation.population import Subject
from ..simulation.session import Performance, make_performances, record
from ..spaces import DEFAULT_SPACE


class Take(NamedTuple):
    """One clip; n frames."""

    mode: str
    task: str
    activation: np.ndarray  # float32 [n, 22], 0..1
    present: np.ndarray  # bool [22]
    expression: np.ndarray  # float32 [n, 55], the truth
    moving: np.ndarray  # bool [n]: within a movement


class Material(NamedTuple):
    """What one subject does: a minute or so to calibrate with, then what is scored."""

    subject: Subject
    seconds: float  # of the first part
    first: list[Performance]
    second: list[Performance]


def make_material(subject: Subject, seconds: float, calibration_seconds: float = 0.0) -> Material:
    """Performances of a subject; the two parts have nothing in common but the person."""
    first = (
        make_performances(subject, kind="mixed", seconds=calibration_seconds, seed=1)
        if calibration_seconds
        else []
    )
    second = make_performances(subject, kind="mixed", seconds=seconds, seed=0)
    return Material(subject, calibration_seconds, first, second)


def takes_of(material: Material, electrodes: Electrodes) -> tuple[list[Take], list[Take]]:
    """(takes to calibrate with, takes to score), recorded in one session and normalised as one."""
    performances = [*material.first, *material.second]
    clips = record(material.subject, performances, electrodes)
    activity, present = normalised([c.envelope_uv for c in clips])
    takes = [
        Take(c.mode, c.task, a, present, c.expression, c.moving) for c, a in zip(clips, activity, strict=True)
    ]
    return takes[: len(material.first)], takes[len(material.first) :]


def normalised(envelopes: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """(activity float32 [n, 22] of each clip, present bool [22]) of one session's envelopes in microvolts.

    By the rule that training data and the signal chain go by. Rows are frames at `datasets.mmm.RATE`.
    """
    clips = tuple(
        mmm.ClipData("0", "1S", "", "", k, e, np.empty((len(e), DEFAULT_SPACE.size), np.float32))
        for k, e in enumerate(envelopes)
    )
    found = sessions.activations(mmm.DataSet(clips, DEFAULT_SPACE, Path(), mmm.OWN))
    return [values for values, _ in found], np.all([present.all(0) for _, present in found], axis=0)
