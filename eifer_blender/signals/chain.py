"""`Recording` -> `Activation`: filter, envelope, one value per video frame, 0..1.

Frame i is the instant i / fps + offset on the recording's clock. The envelope is a centred window
around that instant, read from the signal's running integral, so its phase is exact at any pair of
rates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np

from ..dependencies import require
from ..errors import EiferError
from ..muscles import CHANNEL_COUNT, CHANNELS, OTHER_SIDE, channel_index
from ..recordings.guess import excerpt, hugs_zero
from ..recordings.types import Channel, Kind, Recording, Stream
from .activation import Activation, ChannelQuality, Status, check_frames
from .dynamics import attack_release
from .envelope import integrate, interpolate, window_mean
from .filters import GOOD_RATE, band, fill_gaps, mains_lines, mmm_filter, sections, zero_phase
from .normalise import Level, Scale, apply, contracts, measure, scales
from .quality import Findings, find, flat_stretches, judge
from .settings import ChainSettings

USED_KINDS = (Kind.RAW, Kind.RECTIFIED, Kind.ENVELOPE, Kind.ACTIVATION)
_GROUP_SAMPLES = 4_000_000  # samples filtered at once, which bounds the memory of long recordings
_MMM_FPS = 30.0


class Trace(NamedTuple):
    """One channel on its way: envelopes in microvolts (or activation), times on the file's clock."""

    index: int  # column in [frames, 22]
    channel: Channel
    frames: np.ndarray  # float32 [frames], at the frames' instants; NaN where unknown
    delayed: np.ndarray  # float32 [frames], earlier by the delay
    level: Level | None
    findings: Findings


def is_pose_table(recording: Recording) -> bool:
    """Whether the recording's muscle channels are poses without time, for `process_poses`."""
    rates = [s.rate for s, _, _ in _members(recording, ())]
    return bool(rates) and all(rate is None for rate in rates)


def process(
    recording: Recording,
    settings: ChainSettings,
    fps: float,
    *,
    frames: int | None = None,
    offset: float = 0.0,
    muted: Collection[str] = (),
) -> Activation:
    """Activations of the recording's muscle channels at `fps` frames a second.

    `frames`: how many (None: to the end of the recording). `offset`: seconds on the recording's
    clock of frame 0. `muted`: names of `muscles.CHANNELS` to leave out. Rest and maximum are
    measured over the whole recording, whatever frames are asked for. A recording of poses goes to
    `process_poses`. Raises EiferError if there is no muscle channel, a raw channel holds no raw
    signal, or the rate is too low.
    """
    settings = settings.check()
    if not (np.isfinite(fps) and 0.1 <= fps <= 1000) or not np.isfinite(offset):
        raise EiferError(f"A frame rate of {fps} and an offset of {offset} s are not possible; correct them.")
    members = _members(recording, muted)
    if is_pose_table(recording):
        from .poses import process_poses

        return process_poses(recording, settings, fps, frames=frames, offset=offset, muted=muted)
    members = [m for m in members if m[0].rate is not None]
    if not members:
        raise EiferError("The recording has no muscle channel; give at least one channel a muscle.")
    count = _frame_count(members, fps, offset, frames)
    times = np.arange(count) / fps + offset
    delay = settings.delay_ms * 1e-3 if settings.dynamics else 0.0
    notes: list[str] = []
    traces = [
        t
        for stream in recording.streams
        for t in _traces(stream, members, settings, times, delay, fps, notes)
    ]
    return _assemble(traces, settings, fps, offset, count, muted, notes)


def _members(recording: Recording, muted: Collection[str]) -> list[tuple[Stream, int, Channel]]:
    """(stream, column, channel) of every channel that is used."""
    for name in muted:
        if name not in CHANNELS:
            raise EiferError(f"'{name}' is no muscle channel and cannot be muted.")
    return [
        (stream, column, channel)
        for stream in recording.streams
        for column, channel in enumerate(stream.channels)
        if channel.muscle
        and channel.kind in USED_KINDS
        and channel.muscle not in muted
        and len(stream.samples)
    ]


def _frame_count(
    members: list[tuple[Stream, int, Channel]], fps: float, offset: float, frames: int | None
) -> int:
    """Frames from `offset` to the last sample, or as asked."""
    if frames is None:
        end = max(s.start + (len(s.samples) - 1) / s.rate for s, _, _ in members if s.rate)
        frames = int(np.floor((end - offset) * fps + 1e-6)) + 1
        if frames < 1:
            raise EiferError(f"The recording ends at {end:.2f} s, before the first frame at {offset:.2f} s.")
    check_frames(frames)
    return int(frames)


def _traces(
    stream: Stream,
    members: list[tuple[Stream, int, Channel]],
    settings: ChainSettings,
    times: np.ndarray,
    delay: float,
    fps: float,
    notes: list[str],
) -> Iterator[Trace]:
    """Traces of one stream's channels, raw ones in groups of bounded size."""
    mine = [(column, channel) for s, column, channel in members if s is stream]
    raw = [(c, ch) for c, ch in mine if ch.kind is Kind.RAW]
    if raw:
        yield from _raw_traces(stream, raw, settings, times, delay, fps, notes)
    for column, channel in mine:
        if channel.kind is not Kind.RAW:
            yield _smooth_trace(stream, column, channel, settings, times, delay, fps)


def _raw_traces(
    stream: Stream,
    raw: list[tuple[int, Channel]],
    settings: ChainSettings,
    times: np.ndarray,
    delay: float,
    fps: float,
    notes: list[str],
) -> Iterator[Trace]:
    rate = float(stream.rate or 0.0)
    low, high, note = band(settings, rate)
    if note:
        notes.append(note)
    for column, channel in raw:
        _refuse_envelope(stream.samples[:, column], channel)
    if settings.preset == "MMM":
        notes.append("The MMM chain expects bipolar channels; pair monopolar ones first.")
    columns = [c for c, _ in raw]
    lines = mains_lines(settings, np.nan_to_num(stream.samples[: int(60 * rate), columns].T), rate)
    sos = sections(settings, rate, lines) if settings.method == "butterworth" else None
    size = int(np.clip(_GROUP_SAMPLES // max(len(stream.samples), 1), 1, 8))
    for at in range(0, len(raw), size):
        group = raw[at : at + size]
        prepared = [_prepare(stream.samples[:, c], rate) for c, _ in group]
        found = [find(x, valid, rate, low, high, rate < GOOD_RATE) for x, valid in prepared]
        if sos is not None:
            filtered = zero_phase(sos, np.stack([x - x.mean() for x, _ in prepared]), rate)
        for k, (_, channel) in enumerate(group):
            x, valid = prepared[k]
            if sos is None:
                yield _mmm_trace(
                    stream,
                    channel,
                    mmm_filter(x, valid, rate, settings, lines),
                    settings,
                    times,
                    delay,
                    found[k],
                )
            else:
                yield _window_trace(
                    stream, channel, filtered[k], valid, settings, times, delay, fps, found[k]
                )


def _prepare(column: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """(samples without gaps float64 [n], valid [n]); flat stretches count as gaps."""
    column = column.copy()
    column[flat_stretches(column, rate)] = np.nan
    return fill_gaps(column)


def _refuse_envelope(column: np.ndarray, channel: Channel) -> None:
    x = excerpt(column)
    if len(x) >= 64 and np.ptp(x) > 0 and hugs_zero(x):
        raise EiferError(
            f"'{channel.name}' has no negative values: it is rectified or an envelope already "
            "and cannot be filtered as raw sEMG; set its kind to envelope."
        )


def _window_trace(
    stream: Stream,
    channel: Channel,
    x: np.ndarray,
    valid: np.ndarray,
    settings: ChainSettings,
    times: np.ndarray,
    delay: float,
    fps: float,
    findings: Findings,
) -> Trace:
    """RMS in a centred window; never shorter than a frame, so that no sample falls between frames."""
    rate = float(stream.rate or 0.0)
    window = max(settings.window_ms * 1e-3, 1.0 / fps) * rate
    integral = integrate(x * x, valid)

    def rms(seconds: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(window_mean(integral, (seconds - stream.start) * rate, window)[0], 0.0))

    step = max(settings.window_ms * 1e-3 / 4, 1.0 / rate)
    fine = stream.start + np.arange(0.0, len(x) / rate, step)
    return _trace(channel, rms(times), rms(times - delay), rms(fine), fine, step, settings, findings)


def _mmm_trace(
    stream: Stream,
    channel: Channel,
    x: np.ndarray,
    settings: ChainSettings,
    times: np.ndarray,
    delay: float,
    findings: Findings,
) -> Trace:
    """Sliding RMS, then Fourier resampling to 30 Hz and clamping, as published."""
    signal = require("scipy.signal")

    rate = float(stream.rate or 0.0)
    width = max(1, round(settings.window_ms * 1e-3 * rate))
    running = np.concatenate(([0.0], np.cumsum(x * x)))
    centre = np.arange(len(x))
    low, high = np.clip(centre - width // 2, 0, len(x)), np.clip(centre - width // 2 + width, 0, len(x))
    envelope = np.sqrt(np.maximum(running[high] - running[low], 0.0) / width)
    rows = max(1, round(len(x) / rate * _MMM_FPS))
    envelope = np.maximum(signal.resample(envelope, rows), 0.0)
    row_rate = rows * rate / len(x)
    at = stream.start + np.arange(rows) / row_rate

    def level(seconds: np.ndarray) -> np.ndarray:
        return interpolate(envelope, (seconds - stream.start) * row_rate)

    return _trace(channel, level(times), level(times - delay), envelope, at, 1 / row_rate, settings, findings)


def _smooth_trace(
    stream: Stream,
    column: int,
    channel: Channel,
    settings: ChainSettings,
    times: np.ndarray,
    delay: float,
    fps: float,
) -> Trace:
    """Rectified channels get the RMS window, envelopes and activations only the frame's own mean."""
    rate = float(stream.rate or 0.0)
    x = stream.samples[:, column].astype(np.float64)
    valid = np.isfinite(x)
    x = np.where(valid, np.maximum(x, 0.0), np.nan)  # envelopes may ring below zero
    findings = Findings(missing=1.0 - float(valid.mean()))
    if channel.kind is Kind.RECTIFIED:
        return _window_trace(stream, channel, np.nan_to_num(x), valid, settings, times, delay, fps, findings)
    integral = integrate(np.nan_to_num(x), valid)
    step = max(1.0 / rate, 0.02)
    fine = stream.start + np.arange(0.0, len(x) / rate, step)

    def level(seconds: np.ndarray, spacing: float) -> np.ndarray:
        position = (seconds - stream.start) * rate
        if rate * spacing > 1.5:
            return window_mean(integral, position, rate * spacing)[0]
        return interpolate(x, position)

    frames, delayed = level(times, 1 / fps), level(times - delay, 1 / fps)
    return _trace(channel, frames, delayed, level(fine, step), fine, step, settings, findings)


def _trace(
    channel: Channel,
    frames: np.ndarray,
    delayed: np.ndarray,
    fine: np.ndarray,
    seconds: np.ndarray,
    step: float,
    settings: ChainSettings,
    findings: Findings,
) -> Trace:
    level = measure(fine, seconds, step, settings)
    index = channel_index(channel.muscle or "")
    return Trace(index, channel, frames.astype(np.float32), delayed.astype(np.float32), level, findings)


def _assemble(
    traces: list[Trace],
    settings: ChainSettings,
    fps: float,
    offset: float,
    count: int,
    muted: Collection[str],
    notes: list[str],
) -> Activation:
    """Traces -> arrays [frames, 22], with scale, dynamics, mirrored sides and quality."""
    shape = (count, CHANNEL_COUNT)
    values, envelope = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    present = np.zeros(shape, dtype=bool)
    levels: list[Level | None] = [None] * CHANNEL_COUNT
    certain = np.zeros(CHANNEL_COUNT, dtype=bool)
    for t in traces:
        if t.channel.kind is not Kind.ACTIVATION:
            levels[t.index] = t.level
            certain[t.index] = t.channel.unit == "uV" and not t.channel.doubtful
    scale = scales(levels, certain, settings)
    quality = [_absent(i, muted) for i in range(CHANNEL_COUNT)]
    for t in traces:
        i = t.index
        activation = t.channel.kind is Kind.ACTIVATION
        quality[i] = _quality(t, levels[i], scale[i], settings)
        if scale[i] is None and not activation:
            continue
        column = np.clip(t.delayed, 0, 1) if activation else apply(scale[i], t.delayed)
        present[:, i] = np.isfinite(t.delayed)
        values[:, i] = _bridge(column)
        envelope[:, i] = 0.0 if activation else _bridge(t.frames)
    if settings.sides == "mirror":
        _mirror(values, envelope, present, quality, muted)
    if settings.dynamics:
        values = attack_release(values, fps, settings.attack_ms, settings.release_ms)
    nothing = float("nan")
    rest = np.array([s.rest if s else nothing for s in scale], dtype=np.float32)
    top = np.array([s.start + s.span if s else nothing for s in scale], dtype=np.float32)
    if any(q.prior for q in quality):
        names = sum(q.prior for q in quality)
        notes.append(f"{names} channels never contract clearly and were scaled by population values.")
    return Activation(
        values,
        envelope,
        present,
        fps,
        tuple(quality),
        tuple(dict.fromkeys(notes)),
        offset,
        settings.dynamics,
        rest,
        top,
    )


def _bridge(column: np.ndarray) -> np.ndarray:
    """A column without NaN: straight lines across gaps, rest (0) before the first and after the last
    known value."""
    known = np.isfinite(column)
    if known.all():
        return column
    if not known.any():
        return np.zeros_like(column)
    at = np.flatnonzero(known)
    return np.interp(np.arange(len(column)), at, column[at], left=0.0, right=0.0)


def _absent(i: int, muted: Collection[str]) -> ChannelQuality:
    reason = "Muted." if CHANNELS[i] in muted else "The recording has no such channel."
    return ChannelQuality(CHANNELS[i], "", Status.MISSING, reason)


def _quality(
    trace: Trace, level: Level | None, scale: Scale | None, settings: ChainSettings
) -> ChannelQuality:
    name = CHANNELS[trace.index]
    if trace.channel.kind is Kind.ACTIVATION:
        return judge(name, trace.channel.name, trace.channel.doubtful, trace.findings, None, False, False)
    if scale is None or level is None:
        return ChannelQuality(
            name, trace.channel.name, Status.BAD, "The channel is a flat line; it was left out."
        )
    snr = 20 * float(np.log10(level.maximum / level.rest)) if level.rest > 0 else None
    quiet = not contracts(level, settings)
    return judge(name, trace.channel.name, trace.channel.doubtful, trace.findings, snr, quiet, scale.prior)


def _mirror(
    values: np.ndarray,
    envelope: np.ndarray,
    present: np.ndarray,
    quality: list[ChannelQuality],
    muted: Collection[str],
) -> None:
    """A side without a channel moves like the other, in place; muted channels stay out."""
    for i in range(CHANNEL_COUNT):
        other = OTHER_SIDE[i]
        if quality[i].status is Status.MISSING and quality[other].source and CHANNELS[i] not in muted:
            values[:, i], envelope[:, i], present[:, i] = (
                values[:, other],
                envelope[:, other],
                present[:, other],
            )
            quality[i] = ChannelQuality(
                CHANNELS[i], "", Status.CHECK, f"Mirrored from '{quality[other].source}'."
            )
