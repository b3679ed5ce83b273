"""A table without time: one pose a row, held and joined by smooth transitions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..errors import EiferError
from ..movements import MOVEMENTS, emotion_of
from ..muscles import CHANNEL_COUNT, CHANNELS, OTHER_SIDE, channel_index
from ..recordings.types import Kind, Recording, Stream
from . import montage
from .activation import Activation, ChannelQuality, Status, check_frames
from .normalise import Level, apply, contracts, scales
from .settings import ChainSettings, Part

_LEAST_ROWS = 3  # fewer rows say nothing about rest


def pose_values(
    recording: Recording, settings: ChainSettings, muted: Collection[str] = ()
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[ChannelQuality, ...]]:
    """(levels in microvolts [poses, 22] with NaN for missing, values 0..1 [poses, 22], labels, quality).

    Each muscle is scaled over all rows: its lowest row is rest, the highest of both sides is 1, or in a
    table of emotions what the muscle reaches in these, as no emotion needs all that every muscle can. A
    muscle whose highest row stays below `contraction_ratio` times its lowest keeps near 0, as its
    differences are noise.
    """
    stream = next((s for s in recording.streams if s.rate is None), None)
    if stream is None or not any(c.muscle or c.site for c in stream.channels):
        raise EiferError("The recording has no table of poses with a muscle; give its columns their muscles.")
    rows = len(stream.samples)
    amplitude = np.full((rows, CHANNEL_COUNT), np.nan, dtype=np.float32)
    source: dict[int, str] = {}
    fixed = np.zeros(CHANNEL_COUNT, dtype=bool)
    explained = np.zeros(CHANNEL_COUNT)
    for column, channel in enumerate(stream.channels):
        if channel.muscle and channel.muscle not in muted and channel.kind not in (Kind.EVENT, Kind.OTHER):
            i = channel_index(channel.muscle)
            amplitude[:, i] = np.maximum(stream.samples[:, column], 0.0)
            source[i] = channel.name
            fixed[i] = channel.kind is Kind.ACTIVATION
    for i, column, share, name in _inferred(stream, {CHANNELS[i] for i in source} | set(muted)):
        amplitude[:, i], explained[i], source[i] = column, share, name
    levels = [_level(amplitude, i, rows) for i in range(CHANNEL_COUNT)]
    scale = scales(levels, np.zeros(CHANNEL_COUNT, dtype=bool), settings)
    heights = emotional_heights(stream.labels)
    values = np.full_like(amplitude, np.nan)
    quality = []
    for i in range(CHANNEL_COUNT):
        name, missing = CHANNELS[i], int(np.isnan(amplitude[:, i]).sum())
        if fixed[i]:
            values[:, i] = np.clip(amplitude[:, i], 0.0, 1.0)
        elif scale[i] is not None:
            values[:, i] = apply(scale[i], amplitude[:, i]) * heights[i]
        if i not in source or missing == rows:
            text = "Muted." if name in muted else "No pose has a value."
            quality.append(ChannelQuality(name, source.get(i, ""), Status.MISSING, text))
        elif not fixed[i] and not contracts(levels[i], settings):
            text = "It differs too little between the poses to be told from noise and stays near rest."
            quality.append(ChannelQuality(name, source[i], Status.CHECK, text, prior=True))
        elif explained[i] > 0:
            text = montage.inferred(float(explained[i]))
            quality.append(ChannelQuality(name, source[i], Status.CHECK, text))
        elif missing:
            quality.append(
                ChannelQuality(name, source[i], Status.CHECK, f"Missing in {missing} of {rows} poses.")
            )
        else:
            quality.append(ChannelQuality(name, source[i], Status.GOOD, "Measured in every pose."))
    return amplitude, values, stream.labels, tuple(quality)


def emotional_heights(labels: Sequence[str]) -> np.ndarray:
    """float32 [22]: what the highest row of each muscle stands for: 1, unless all rows are named emotions."""
    emotions = {emotion_of(label) for label in labels}
    if not emotions or None in emotions:
        return np.ones(CHANNEL_COUNT, np.float32)
    return np.max([MOVEMENTS[name] for name in emotions if name], axis=0)


def _inferred(stream: Stream, taken: set[str]) -> Iterator[tuple[int, np.ndarray, float, str]]:
    """(index, levels [poses], share explained, source) of muscles that the table's sites tell of."""
    columns = [
        k for k, c in enumerate(stream.channels) if c.site and not c.muscle and c.kind is not Kind.OTHER
    ]
    if not columns:
        return
    sites = [stream.channels[k].site or "" for k in columns]
    values = np.maximum(np.asarray(stream.samples)[:, columns], 0.0)
    mapping = montage.fit_map(sites, values)
    levels, explained = montage.muscles_of_sites(sites, values, mapping)
    for i, name in enumerate(CHANNELS):
        if name not in taken and np.isfinite(levels[:, i]).any():
            yield i, levels[:, i], float(explained[i]), f"{len(sites)} electrode positions"


def _level(amplitude: np.ndarray, i: int, rows: int) -> Level | None:
    """Rest and maximum of a channel over the poses of both its sides."""
    both = amplitude[:, [i, OTHER_SIDE[i]]]
    known = both[np.isfinite(both)]
    if not np.isfinite(amplitude[:, i]).any() or known.max(initial=0.0) <= 0:
        return None
    rest = float(known.min()) if rows >= _LEAST_ROWS else 0.0
    return Level(rest, rest, float(known.max()))


def process_poses(
    recording: Recording,
    settings: ChainSettings,
    fps: float,
    *,
    frames: int | None = None,
    offset: float = 0.0,
    muted: Collection[str] = (),
    parts: Sequence[Part] = (),
    pause_s: float = 0.0,
) -> Activation:
    """Each row as a pose held for `settings.hold_s`, then eased over `settings.transition_s`.

    `offset` shifts the first pose to an earlier time, as for recordings. `parts` choose rows by their
    labels; a table has no times, so `pause_s` is not used. Where a pose lacks a
    muscle, the value comes from the poses around it and `present` says so.
    """
    settings = settings.check()
    amplitude, poses, labels, quality = pose_values(recording, settings, muted)
    notes: tuple[str, ...] = ()
    if settings.dynamics:
        notes = ("A pose is no movement: delay, attack and release are not applied.",)
    if (emotional_heights(labels) < 1.0).any():
        notes += ("All poses are emotions: a muscle's highest value counts as what emotions take of it.",)
    if parts:
        rows = [labels.index(part.label) for part in parts if part.label in labels]
        if rows:
            amplitude, poses, labels = amplitude[rows], poses[rows], tuple(labels[r] for r in rows)
        else:
            notes = (*notes, "Poses have no times, and no part has the name of one; all of them were used.")
    cycle = settings.hold_s + settings.transition_s
    total = len(poses) * cycle - settings.transition_s
    count = frames if frames is not None else max(1, int(np.floor((total - offset) * fps + 1e-6)) + 1)
    check_frames(count)
    times = np.clip(np.arange(count) / fps + offset, 0.0, total)
    first = np.minimum((times / cycle + 1e-9).astype(np.int64), len(poses) - 1)
    second = np.minimum(first + 1, len(poses) - 1)
    into = times - first * cycle - settings.hold_s
    share = (
        np.clip(into / settings.transition_s, 0.0, 1.0) if settings.transition_s > 0 else (into >= 0) * 0.0
    )
    share = (share * share * (3.0 - 2.0 * share))[:, None]
    known = np.isfinite(poses)
    present = np.where(share < 0.5, known[first], known[second])
    starts = tuple((max(0, round((k * cycle - offset) * fps)), text) for k, text in enumerate(labels or ()))
    if settings.sides == "mirror":
        amplitude, poses, present, quality = _mirrored(amplitude, poses, present, quality, muted)
    elif settings.sides == "rest":
        present, quality = _at_rest(present, quality, muted)
    values, envelope = (_ease(table, first, second, share) for table in (poses, amplitude))
    return Activation(values, envelope, present, fps, quality, notes, offset, labels=starts)


def _mirrored(
    amplitude: np.ndarray,
    poses: np.ndarray,
    present: np.ndarray,
    quality: tuple[ChannelQuality, ...],
    muted: Collection[str],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[ChannelQuality, ...]]:
    """Sides without any channel filled from the other."""
    marks = list(quality)
    take = np.arange(CHANNEL_COUNT)
    for i, mark in enumerate(quality):
        other = quality[OTHER_SIDE[i]]
        if not mark.source and other.source and CHANNELS[i] not in muted:
            take[i] = OTHER_SIDE[i]
            marks[i] = replace(mark, status=Status.CHECK, reason=f"Mirrored from '{other.source}'.")
    return amplitude[:, take], poses[:, take], present[:, take], tuple(marks)


def _at_rest(
    present: np.ndarray, quality: tuple[ChannelQuality, ...], muted: Collection[str]
) -> tuple[np.ndarray, tuple[ChannelQuality, ...]]:
    """Sides without any channel known to be at rest (their values are 0 already)."""
    marks, present = list(quality), present.copy()
    for i, mark in enumerate(quality):
        if not mark.source and quality[OTHER_SIDE[i]].source and CHANNELS[i] not in muted:
            present[:, i] = True
            reason = "Held at rest: only the other side was recorded."
            marks[i] = replace(mark, status=Status.CHECK, reason=reason)
    return present, tuple(marks)


def _ease(table: np.ndarray, first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """float32 [frames, 22] between rows; missing cells are bridged from the poses around them."""
    filled = table.astype(np.float64)
    rows = np.arange(len(filled))
    for column in filled.T:
        known = np.isfinite(column)
        column[:] = np.interp(rows, rows[known], column[known]) if known.any() else 0.0
    return (filled[first] + (filled[second] - filled[first]) * share).astype(np.float32)
