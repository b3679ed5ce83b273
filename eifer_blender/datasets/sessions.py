"""Microvolts to activation 0..1, session by session, by the rule of the signal chain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..muscles import CHANNEL_COUNT
from ..signals.normalise import Scale, apply, measure, scales
from ..signals.settings import PRESETS
from .mmm import RATE, ClipData, DataSet

_RESTING = 0.02  # activity up to which all muscles count as resting
_QUIETEST = 0.1


def activations(dataset: DataSet) -> list[tuple[np.ndarray, np.ndarray]]:
    """(activation float32 [n, 22] in 0..1, present bool [n, 22]) of every clip, in their order.

    Rest and maximum are measured over all clips of a session (a subject's block), as Blender measures
    them over a recording. Where nothing is known, activation is 0 and `present` False.
    """
    result: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for numbers in _members(dataset):
        clips = [dataset.clips[i] for i in numbers]
        scale = session_scales(clips)
        result |= {i: _scaled(clip.envelope, scale) for i, clip in zip(numbers, clips, strict=True)}
    return [result[i] for i in range(len(dataset.clips))]


def expressions(dataset: DataSet, activity: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """float32 [n, P] of every clip, relative to the resting face of its session.

    activity: of `activations`. A reconstruction of a resting face is not zero, but differs from person to
    person, while a model's rest is. The resting face is the median over frames in which no muscle is active,
    or over the quietest tenth where there are few. A simulated face at rest is zero already.
    """
    result = [clip.parameters for clip in dataset.clips]
    if dataset.simulation is not None:
        return result
    for numbers in _members(dataset):
        effort = np.concatenate([activity[i][0].max(1) for i in numbers])
        quiet = effort <= max(_RESTING, float(np.quantile(effort, _QUIETEST)))
        rest = np.median(np.concatenate([result[i] for i in numbers])[quiet], axis=0)
        for i in numbers:
            result[i] = (result[i] - rest).astype(np.float32)
    return result


def _members(dataset: DataSet) -> list[list[int]]:
    """Numbers of the clips of each session."""
    members: dict[tuple[str, str], list[int]] = {}
    for number, clip in enumerate(dataset.clips):
        members.setdefault((clip.pid, clip.rec), []).append(number)
    return list(members.values())


def session_scales(clips: Sequence[ClipData]) -> list[Scale | None]:
    """Scale of each of the 22 channels over the clips of one session; None where there is no signal."""
    settings = PRESETS["Animation"]  # all presets scale alike
    envelope = np.maximum(np.concatenate([clip.envelope for clip in clips]), 0.0)
    seconds = np.arange(len(envelope)) / RATE
    levels = [measure(envelope[:, i], seconds, 1.0 / RATE, settings) for i in range(CHANNEL_COUNT)]
    return scales(levels, np.ones(CHANNEL_COUNT, dtype=bool), settings)


def _scaled(envelope: np.ndarray, scale: Sequence[Scale | None]) -> tuple[np.ndarray, np.ndarray]:
    values = np.full(envelope.shape, np.nan, np.float32)
    for i, one in enumerate(scale):
        if one is not None:
            values[:, i] = apply(one, np.maximum(envelope[:, i], 0.0))
    present = np.isfinite(values)
    return np.where(present, values, np.float32(0)), present
