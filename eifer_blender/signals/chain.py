"""`Recording` -> `Activation`: filter, envelope, one value per video frame, 0..1.

Frame i is the instant i / fps + offset on the recording's clock. The envelope is a centred window
around that instant, integrated exactly, so its phase is right at any pair of rates. Samples are
read in blocks: memory grows with the number of frames, not with the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from ..errors import EiferError
from ..muscles import CHANNEL_COUNT, CHANNELS, OTHER_SIDE
from ..recordings.blocks import BlockSamples
from ..recordings.guess import LOOK, hugs_zero
from ..recordings.types import Channel, Kind, Recording, Stream
from . import mmm, montage, quality, sites
from .activation import Activation, ChannelQuality, Status
from .dynamics import attack_release
from .envelope import Block, interpolate, window_means
from .filters import GOOD_RATE, band, mains_lines, sections
from .layout import Layout, lay_out
from .montage import Lead
from .normalise import Level, Scale, apply, contracts, scales, usable_segments
from .quality import Findings, Verdict, judge
from .settings import ChainSettings, Part
from .source import Survey, source_of, survey
from .traces import Trace, Traces
from .zero_phase import design
from .zero_phase import filter_blocks as filter_read

_SMOOTH_VALUES = 180_000  # samples of rectified channels and envelopes that are read at once
_SINGLE_PRECISION = 25.0  # largest sample over the RMS of the sEMG up to which float32 filters serve


def is_pose_table(recording: Recording) -> bool:
    """Whether the recording's muscle channels are poses without time, for `process_poses`."""
    rates = [recording.streams[lead.stream].rate for lead in montage.leads(recording)]
    return bool(rates) and all(rate is None for rate in rates)


def process(
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
    """Activations of the recording's muscle channels at `fps` frames a second.

    `frames`: how many (None: to the end of the recording). `offset`: seconds on the recording's
    clock of frame 0. `muted`: names of `muscles.CHANNELS` to leave out. `parts`: stretches to lay
    out one after another, each from its start + `offset` up to its end, with `pause_s` seconds of
    rest between them. Rest and maximum are measured over the whole recording, whatever frames are
    asked for. A recording of poses goes to `process_poses`. Raises EiferError if there is no muscle
    channel, a raw channel holds no raw signal, the rate is too low, or a part cannot be.
    """
    settings = settings.check()
    if not (np.isfinite(fps) and 0.1 <= fps <= 1000) or not np.isfinite(offset):
        raise EiferError(f"A frame rate of {fps} and an offset of {offset} s are not possible; correct them.")
    leads = montage.leads(recording, muted)
    if is_pose_table(recording):
        from .poses import process_poses

        return process_poses(
            recording, settings, fps, frames=frames, offset=offset, muted=muted, parts=parts, pause_s=pause_s
        )
    leads = tuple(lead for lead in leads if recording.streams[lead.stream].rate is not None)
    if not leads:
        raise EiferError("The recording has no muscle channel; give at least one channel a muscle.")
    span = _span(recording, leads)
    settings = usable_segments(settings, span)
    delay = settings.delay_ms * 1e-3 if settings.dynamics else 0.0
    layout = lay_out(fps, span, offset=offset, frames=frames, parts=parts, pause_s=pause_s, delay=delay)
    notes = list(layout.notes)
    traces = []
    for number, stream in enumerate(recording.streams):
        mine = [lead for lead in leads if lead.stream == number]
        for group in _groups(stream, mine, settings, layout, fps, notes):
            traces += sites.to_muscles(group, settings, muted, leads)
    return _assemble(traces, settings, fps, offset, layout, muted, notes)


def filter_blocks(
    samples: np.ndarray | BlockSamples,
    rate: float,
    settings: ChainSettings,
    columns: Sequence[int] | None = None,
    size: int | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, float32 or float64 [rows, k]) of some columns of samples [n, c] after notch and band-pass.

    Gaps are bridged. The blocks together are what zero-phase filtering of the whole would give;
    `size` sets the rows of a block (a multiple of 64; None: as suits the memory).
    """
    found = survey(source_of(samples, _as_leads(samples, columns)), rate, size)
    look = _spectra(found, rate)[0]
    for start, block, _ in _filtered(found, rate, settings, look, mains_lines(settings, *look, rate)):
        yield start, block


def envelopes(
    samples: np.ndarray | BlockSamples,
    rate: float,
    settings: ChainSettings,
    seconds: np.ndarray,
    columns: Sequence[int] | None = None,
) -> np.ndarray:
    """RMS float32 [m, k] of filtered columns in centred windows at `seconds` [m] from the first sample."""
    found = survey(source_of(samples, _as_leads(samples, columns)), rate)
    look = _spectra(found, rate)[0]
    blocks = _filtered(found, rate, settings, look, mains_lines(settings, *look, rate))
    width = settings.window_ms * 1e-3 * rate
    return _rms(blocks, found.source.rows, found.source.leads, np.asarray(seconds) * rate, width)


def _as_leads(samples: np.ndarray | BlockSamples, columns: Sequence[int] | None) -> list[Lead]:
    chosen = range(samples.shape[1]) if columns is None else columns
    return [Lead(0, (int(c),), (1.0,), Channel(str(c), "uV", Kind.RAW)) for c in chosen]


def _span(recording: Recording, leads: Sequence[Lead]) -> tuple[float, float]:
    """Seconds of the first and the last sample of all leads."""
    streams = [recording.streams[number] for number in sorted({lead.stream for lead in leads})]
    return (
        min(s.start for s in streams),
        max(s.start + (len(s.samples) - 1) / (s.rate or 1.0) for s in streams),
    )


def _groups(
    stream: Stream,
    leads: list[Lead],
    settings: ChainSettings,
    layout: Layout,
    fps: float,
    notes: list[str],
) -> Iterator[Traces]:
    """Envelopes of one stream's leads, those of one kind together."""
    for kind in (Kind.RAW, Kind.RECTIFIED, Kind.ENVELOPE, Kind.ACTIVATION):
        mine = [lead for lead in leads if lead.channel.kind is kind]
        if mine and kind is Kind.RAW:
            yield _raw(stream, mine, settings, layout, fps, notes)
        elif mine:
            yield _smooth(stream, mine, kind, settings, layout, fps)


# --- raw sEMG --------------------------------------------------------------------------------------


def _raw(
    stream: Stream,
    leads: list[Lead],
    settings: ChainSettings,
    layout: Layout,
    fps: float,
    notes: list[str],
) -> Traces:
    rate = float(stream.rate or 0.0)
    low, high, note = band(settings, rate)
    if note:
        notes.append(note)
    found = survey(source_of(stream.samples, leads), rate)
    _refuse_envelopes(found, leads)
    raw, where, look = _spectra(found, rate)
    lines = mains_lines(settings, *raw, rate)
    kept = quality.Kept(where, len(leads))
    notes += montage.monopolar_notes(leads) if settings.expects_bipolar else []
    if settings.method == "mmm":
        traces = _mmm(stream, leads, found, settings, layout, lines, kept)
    else:
        blocks = kept.watch(_filtered(found, rate, settings, raw, lines))
        traces = _windows(stream, leads, blocks, settings, layout, fps)
    names = [lead.channel.name for lead in leads]
    findings = quality.find(
        found,
        rate,
        raw,
        quality.spectra(kept.parts, rate),
        kept.parts,
        look,
        names,
        low,
        high,
        rate < GOOD_RATE,
    )
    return traces._replace(findings=findings)


def _spectra(found: Survey, rate: float) -> tuple[quality.Spectra, list[tuple[int, int]], list[np.ndarray]]:
    """(power densities of a look at the samples, where it was taken, the samples)."""
    where = quality.stretches(found.source.rows, found.source.leads, rate)
    look = quality.read_stretches(found, where)
    return quality.spectra(look, rate), where, look


def _filtered(
    found: Survey, rate: float, settings: ChainSettings, raw: quality.Spectra, lines: tuple[float, ...]
) -> Iterator[Block]:
    """Blocks after notch and Butterworth band-pass, forward and backward."""
    low, high, _ = band(settings, rate)
    rows, spread = found.source.rows, found.spread
    largest = np.maximum(np.abs(spread.high - spread.mean), np.abs(spread.low - spread.mean))
    in_band = (raw.frequency >= low) & (raw.frequency <= high)
    resolution = raw.frequency[1] if len(raw.frequency) > 1 else 1.0
    semg = np.sqrt(raw.density[:, in_band].sum(1) * resolution)
    # Single precision errs by 1e-7 of the largest sample: enough unless drift or offsets dwarf the sEMG.
    enough = bool(np.all(largest <= _SINGLE_PRECISION * semg))
    form = design(sections(settings, rate, lines))
    dtype = np.float32 if enough else np.float64
    return filter_read(found.read, rows, spread.mean, form, found.size, dtype)


def _refuse_envelopes(found: Survey, leads: list[Lead]) -> None:
    """EiferError if a channel has no negative values and is not symmetric about an offset."""
    n, third = found.source.rows, LOOK // 3
    for k in np.flatnonzero((found.spread.low >= 0) & (found.spread.high > found.spread.low)):
        starts = (0,) if n <= LOOK else (0, n // 2, n - third)
        length = n if n <= LOOK else third
        only = np.array([k])
        x = np.concatenate([found.source.read(at, at + length, only)[:, 0] for at in starts])
        x = x[np.isfinite(x)].astype(np.float64)
        if len(leads[k].columns) == 1 and len(x) >= 64 and np.ptp(x) > 0 and hugs_zero(x):
            raise EiferError(
                f"'{leads[k].channel.name}' has no negative values: it is rectified or an envelope already "
                "and cannot be filtered as raw sEMG; set its kind to envelope."
            )


def _windows(
    stream: Stream,
    leads: list[Lead],
    blocks: Iterator[Block],
    settings: ChainSettings,
    layout: Layout,
    fps: float,
) -> Traces:
    """RMS in a centred window; never shorter than a frame, so that no sample falls between frames."""
    rate, rows = float(stream.rate or 0.0), len(stream.samples)
    width = max(settings.window_ms * 1e-3, 1.0 / fps) * rate
    step = max(settings.window_ms * 1e-3 / 4, 1.0 / rate)
    fine = stream.start + np.arange(0.0, rows / rate, step)
    at = np.unique(np.concatenate([t[np.isfinite(t)] for t in (layout.times, layout.delayed, fine)]))
    level = _rms(blocks, rows, len(leads), (at - stream.start) * rate, width)

    def pick(seconds: np.ndarray) -> np.ndarray:
        return _where_known(seconds, lambda known: level[np.searchsorted(at, known)], len(leads))

    return Traces(
        leads, pick(layout.times), pick(layout.delayed), level[np.searchsorted(at, fine)], fine, step
    )


def _rms(blocks: Iterator[Block], rows: int, leads: int, position: np.ndarray, width: float) -> np.ndarray:
    level = window_means(blocks, rows, leads, position, width)
    return np.sqrt(np.maximum(level, 0.0, out=level), out=level)


def _where_known(seconds: np.ndarray, values: Callable[[np.ndarray], np.ndarray], leads: int) -> np.ndarray:
    """float32 [frames, leads]: values at the finite instants, NaN at the others."""
    known = np.isfinite(seconds)
    if known.all():
        return values(seconds).astype(np.float32, copy=False)
    result = np.full((len(seconds), leads), np.nan, dtype=np.float32)
    result[known] = values(seconds[known])
    return result


def _mmm(
    stream: Stream,
    leads: list[Lead],
    found: Survey,
    settings: ChainSettings,
    layout: Layout,
    lines: tuple[float, ...],
    kept: quality.Kept,
) -> Traces:
    """The published chain; its envelope is read between its 30 rows a second."""
    rate = float(stream.rate or 0.0)
    envelope, row_rate = mmm.envelope(
        kept.watch(mmm.filtered(found, rate, settings, lines)), found, rate, settings
    )
    at = stream.start + np.arange(len(envelope)) / row_rate

    def level(seconds: np.ndarray) -> np.ndarray:
        return interpolate(envelope, (seconds - stream.start) * row_rate)

    frames, delayed = (_where_known(t, level, len(leads)) for t in (layout.times, layout.delayed))
    return Traces(leads, frames, delayed, envelope.astype(np.float32), at, 1 / row_rate)


# --- envelopes and activations ---------------------------------------------------------------------


def _smooth(
    stream: Stream, leads: list[Lead], kind: Kind, settings: ChainSettings, layout: Layout, fps: float
) -> Traces:
    """Rectified channels get the RMS window, envelopes and activations only the frame's own mean."""
    rate, rows = float(stream.rate or 0.0), len(stream.samples)
    source = source_of(stream.samples, leads)
    known = np.zeros(len(leads))

    def blocks() -> Iterator[Block]:
        size = max(1024, _SMOOTH_VALUES // len(leads))
        known[:] = 0
        for start in range(0, rows, size):
            x = source.read(start, min(start + size, rows)).astype(np.float64)
            valid = np.isfinite(x)
            known[:] += valid.sum(0)
            # Envelopes may ring below zero.
            yield start, np.where(valid, np.maximum(x, 0.0), 0.0), None if valid.all() else valid

    if kind is Kind.RECTIFIED:
        traces = _windows(stream, leads, blocks(), settings, layout, fps)
    else:
        step = max(1.0 / rate, 0.02)
        fine = stream.start + np.arange(0.0, rows / rate, step)

        def level(seconds: np.ndarray, spacing: float) -> np.ndarray:
            position = (seconds - stream.start) * rate
            if rate * spacing > 1.5:
                return window_means(blocks(), rows, len(leads), position, rate * spacing, power=False)
            return _between_samples(blocks(), position, len(leads))

        frames, delayed = (
            _where_known(t, lambda s: level(s, 1 / fps), len(leads)) for t in (layout.times, layout.delayed)
        )
        traces = Traces(leads, frames, delayed, level(fine, step).astype(np.float32), fine, step)
    findings = [Findings(missing=1.0 - float(k) / max(rows, 1)) for k in known]
    return traces._replace(findings=findings)


def _between_samples(blocks: Iterator[Block], position: np.ndarray, leads: int) -> np.ndarray:
    """Samples at fractional positions; there are not many more samples than positions asked for."""
    x = np.concatenate([np.where(valid, x, np.nan) if valid is not None else x for _, x, valid in blocks])
    return interpolate(x, position)


# --- putting together ------------------------------------------------------------------------------


def _assemble(
    traces: list[Trace],
    settings: ChainSettings,
    fps: float,
    offset: float,
    layout: Layout,
    muted: Collection[str],
    notes: list[str],
) -> Activation:
    """Traces -> arrays [frames, 22], with scale, dynamics, mirrored sides and quality."""
    rest = np.isnan(layout.delayed)
    shape = (len(layout.times), CHANNEL_COUNT)
    values, envelope = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    present = np.zeros(shape, dtype=bool)
    levels: list[Level | None] = [None] * CHANNEL_COUNT
    certain = np.zeros(CHANNEL_COUNT, dtype=bool)
    for t in traces:
        if t.channel.kind is not Kind.ACTIVATION:
            levels[t.index] = t.level
            certain[t.index] = t.channel.unit == "uV" and not t.channel.doubtful
    scale = scales(levels, certain, settings)
    marks = [_absent(i, muted) for i in range(CHANNEL_COUNT)]
    for t in traces:
        i = t.index
        activation = t.channel.kind is Kind.ACTIVATION
        marks[i] = _quality(t, levels[i], scale[i], certain[i], settings)
        if scale[i] is None and not activation:
            continue
        column = np.clip(t.delayed, 0, 1) if activation else apply(scale[i], t.delayed)
        # Pauses between parts are rest, which is known.
        column[rest] = 0.0
        present[:, i] = np.isfinite(column)
        values[:, i] = _bridge(column)
        envelope[:, i] = 0.0 if activation else _bridge(np.where(np.isnan(layout.times), 0.0, t.frames))
    if settings.sides != "as recorded":
        _other_sides(values, envelope, present, marks, muted, settings.sides)
    if settings.dynamics:
        values = attack_release(values, fps, settings.attack_ms, settings.release_ms)
    nothing = float("nan")
    lowest = np.array([s.rest if s else nothing for s in scale], dtype=np.float32)
    top = np.array([s.start + s.span if s else nothing for s in scale], dtype=np.float32)
    if quiet := sum(q.prior for q in marks):
        who = (
            "One channel never contracts clearly and was"
            if quiet == 1
            else (f"{quiet} channels never contract clearly and were")
        )
        notes.append(f"{who} scaled by population values.")
    return Activation(
        values,
        envelope,
        present,
        fps,
        tuple(marks),
        tuple(dict.fromkeys(notes)),
        offset,
        settings.dynamics,
        lowest,
        top,
        layout.labels,
        layout.times,
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
    return ChannelQuality(CHANNELS[i], "", Status.MISSING, reason, reasons=(reason,))


def _quality(
    trace: Trace, level: Level | None, scale: Scale | None, certain: bool, settings: ChainSettings
) -> ChannelQuality:
    name, channel = CHANNELS[trace.index], trace.channel
    if channel.kind is Kind.ACTIVATION:
        return judge(name, channel.name, channel.doubtful, trace.findings, Verdict())
    if scale is None or level is None:
        reason = "The channel has no values or is a flat line; it was left out."
        return ChannelQuality(name, channel.name, Status.BAD, reason, reasons=(reason,))
    snr = 20 * float(np.log10(level.maximum / level.rest)) if level.rest > 0 else None
    quiet = not contracts(level, settings)
    noise = level.rest if certain and channel.kind is Kind.RAW else None
    verdict = Verdict(snr, quiet, scale.prior, noise, trace.heart)
    return judge(name, channel.name, channel.doubtful, trace.findings, verdict)


def _other_sides(
    values: np.ndarray,
    envelope: np.ndarray,
    present: np.ndarray,
    marks: list[ChannelQuality],
    muted: Collection[str],
    sides: str,
) -> None:
    """A side without a channel moves like the other or stays at rest, in place; muted ones stay out."""
    for i in range(CHANNEL_COUNT):
        other = OTHER_SIDE[i]
        if marks[i].status is Status.MISSING and marks[other].source and CHANNELS[i] not in muted:
            if sides == "mirror":
                values[:, i], envelope[:, i] = values[:, other], envelope[:, other]
                present[:, i] = present[:, other]
                reason = f"Mirrored from '{marks[other].source}'."
            else:
                present[:, i] = True
                reason = "Held at rest: only the other side was recorded."
            marks[i] = ChannelQuality(CHANNELS[i], "", Status.CHECK, reason, reasons=(reason,))
