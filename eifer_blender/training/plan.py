"""How much an evaluation simulates, and what the project set out to reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes; seconds are of every subject."""

    subjects: int = 24
    seconds: float = 90.0
    calibration_s: float = 60.0
    curve_subjects: int = 10  # for robustness
    train_subjects: int = 80  # for the baselines
    train_s: float = 60.0
    validation_subjects: int = 6
    steps: int = 4000  # of the perceptrons
    people: int = 8  # of the second domain


QUICK = Plan(3, 25.0, 25.0, 2, 6, 25.0, 2, 60, 1)
"""Enough to see that everything works; its numbers say nothing."""

SNR_DB = 20.0  # half a maximum over the noise, on which the goals are judged
RELATIVE_ERROR = 0.15
SHARE_OF_RIDGE = 0.5
RIDGE_ERROR = 0.25  # the protocol is hard enough from this error of ridge regression on
RHO = 0.9
BAND = (0.75, 0.85)
EIGHT_CHANNELS = 2.0  # error with 8 of 22 channels over that with all
SECOND_DOMAIN_DROP = 0.3
