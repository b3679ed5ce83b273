"""What is wrong with a channel: measurements on its samples, and the mark with its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..dependencies import require
from .activation import ChannelQuality, Status
from .envelope import Block
from .source import Survey

# --- thresholds, and why ---------------------------------------------------------------------------

MISSING_CHECK, MISSING_BAD = 0.02, 0.5  # share of samples: a few blinks of the amplifier; most of it
CLIPPED_CHECK, CLIPPED_BAD = 5e-4, 0.02  # a clipped peak or two loses no envelope; 2 % are whole bursts
CLIPPED_PART = 0.05  # s of clipped samples close together: that burst is lost
SOFT_CLIPPED = 0.05  # share of the peaks in the outermost 3 %: a noise-like signal has some 0.1 %
MAINS_CHECK = 0.5  # hum over sEMG power before the notch, which takes sEMG at 50 Hz with it
RESIDUE_CHECK = 0.1  # hum over sEMG power that filters left: it lifts rest by 5 %
DRIFT_CHECK = 100.0  # power below 5 Hz over sEMG power: ten times its amplitude
NOISY_REST_UV = 15.0  # good facial recordings rest at 1-5 uV; the population's maxima begin at 100
TWIN_CORRELATION = 0.98  # neighbouring muscles share less; a bridge of gel makes two electrodes one
HEART_CHECK = 0.5  # autocorrelation of the resting envelope at the period of a pulse

_WHOLE_S = 60.0  # recordings up to this length are looked at completely
_STRETCHES, _STRETCH_S = 10, 2.0  # longer ones in stretches spread over them
_MOST_VALUES = 12_000_000  # samples of all leads that are looked at together
_EDGE = 0.03  # of half the range: the outermost part in which soft clipping piles up peaks


class Findings(NamedTuple):
    """Measurements on one channel of samples."""

    missing: float = 0.0  # share of samples without a value or on a flat line
    clipped: float = 0.0  # share of samples that sit at the extreme value in a row
    clipped_part: float = 0.0  # seconds of such samples where they are most frequent
    clipped_at: tuple[float, float] = (0.0, 0.0)  # there: seconds from the stream's beginning
    soft: float = 0.0  # share of the peaks that crowd below the extremes
    mains: float = 0.0  # mains hum over the power in the band
    residue: float = 0.0  # the same after the filters
    drift: float = 0.0  # power below 5 Hz over the power in the band
    twin: str = ""  # name of another channel that has the same signal
    inferred: str = ""  # how a muscle was computed that has no channel of its own
    aliased: bool = False


class Spectra(NamedTuple):
    """Power densities of a look at a stream."""

    frequency: np.ndarray  # [m] Hz; empty if the recording is too short
    density: np.ndarray  # [leads, m]


# --- looking at samples ----------------------------------------------------------------------------


def stretches(rows: int, leads: int, rate: float) -> list[tuple[int, int]]:
    """(first row, row after the last) of what is looked at: all of it, or stretches spread over it."""
    length = int(_STRETCH_S * rate)
    if rows <= 2 * length or (rows <= _WHOLE_S * rate and rows * leads <= _MOST_VALUES):
        return [(0, rows)]
    count = int(np.clip(_MOST_VALUES // (length * leads), 2, _STRETCHES))
    starts = np.linspace(0, rows - length, count).astype(int)
    return [(int(at), int(at) + length) for at in starts]


def read_stretches(survey: Survey, where: list[tuple[int, int]]) -> list[np.ndarray]:
    """Samples float32 [rows, leads] of stretches, gaps bridged, without each lead's mean."""
    return [(survey.read(a, b)[0] - survey.spread.mean).astype(np.float32) for a, b in where]


class Kept:
    """Stretches of a signal that passes by in blocks."""

    def __init__(self, where: list[tuple[int, int]], leads: int) -> None:
        self.where = where
        self.parts = [np.zeros((b - a, leads), dtype=np.float32) for a, b in where]

    def watch(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The same blocks; what lies in the stretches is copied on the way."""
        for block in blocks:
            start, x, _ = block
            for (a, b), part in zip(self.where, self.parts, strict=True):
                low, high = max(a, start), min(b, start + len(x))
                if low < high:
                    part[low - a : high - a] = x[low - start : high - start]
            yield block


def spectra(parts: list[np.ndarray], rate: float) -> Spectra:
    """Power densities of stretches [rows, leads] with a resolution of half a hertz."""
    signal = require("scipy.signal")

    size = min(len(parts[0]), int(2 * rate))
    if size < 0.5 * rate:
        return Spectra(np.zeros(0), np.zeros((parts[0].shape[1], 0)))
    density = 0.0
    for part in parts:
        frequency, found = signal.welch(np.ascontiguousarray(part.T), rate, nperseg=size, axis=-1)
        density = density + found / len(parts)
    return Spectra(frequency, np.asarray(density, dtype=np.float64))


def find(
    survey: Survey,
    rate: float,
    raw: Spectra,
    filtered: Spectra,
    kept: list[np.ndarray],
    look: list[np.ndarray],
    names: list[str],
    low: float,
    high: float,
    aliased: bool,
) -> list[Findings]:
    """Findings on each lead of a raw stream; band `low`..`high` Hz."""
    spread = survey.spread
    twins = _twins(kept, names)
    hum, drift = _impurities(raw, low, high)
    residue, _ = _impurities(filtered, low, high)
    result = []
    for k in range(len(names)):
        missing = 1.0 - float(spread.known[k]) / max(survey.source.rows, 1)
        if spread.known[k] < 64 or len(raw.frequency) == 0:
            result.append(Findings(missing, float(spread.clipped[k]), aliased=aliased))
            continue
        cell = int(np.argmax(spread.clipped_cells[:, k]))
        hard = float(spread.clipped[k])
        clean = hard < CLIPPED_CHECK and hum[k] < MAINS_CHECK and drift[k] < 1.0
        result.append(
            Findings(
                missing,
                hard,
                float(spread.clipped_cells[cell, k]) / rate,
                (cell * survey.size / rate, (cell + 1) * survey.size / rate),
                _soft(look, k, spread.low[k] - spread.mean[k], spread.high[k] - spread.mean[k])
                if clean
                else 0.0,
                float(hum[k]),
                float(residue[k]),
                float(drift[k]),
                twins[k],
                aliased=aliased,
            )
        )
    return result


def _impurities(look: Spectra, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """(mains hum, power below 5 Hz) of each lead, both over the power in the band."""
    frequency, density = look
    band_power = density[:, (frequency >= low) & (frequency <= high)].sum(1)
    floor = np.where(band_power > 0, band_power, 1.0)
    hum = np.zeros(len(density))
    for mains in (50.0, 60.0):
        lines = np.arange(mains, min(high, 4.5 * mains), mains)
        hum = np.maximum(hum, sum((_line(look, line) for line in lines), np.zeros(len(density))))
    return hum / floor, density[:, frequency < 5.0].sum(1) / floor


def _line(look: Spectra, line: float) -> np.ndarray:
    """Power [leads] of a line above its surroundings, 0 where it does not stand out from them."""
    distance = np.abs(look.frequency - line)
    near, around = look.density[:, distance <= 1.0], look.density[:, (distance > 2.0) & (distance < 8.0)]
    if near.shape[1] == 0 or around.shape[1] == 0:
        return np.zeros(len(look.density))
    base = np.median(around, axis=1, keepdims=True)
    power = np.maximum(near - base, 0.0).sum(1)
    return np.where(near.max(1) > 5.0 * base[:, 0], power, 0.0)


def _soft(look: list[np.ndarray], lead: int, low: float, high: float) -> float:
    """Share of the large peaks that lie in the outermost part of the range.

    Peaks of sEMG thin out towards the extremes; an amplifier that saturates piles them up there.
    """
    x = np.concatenate([part[:, lead] for part in look])
    inner = x[1:-1]
    tops = inner[(inner > x[:-2]) & (inner >= x[2:]) & (inner > 0.5 * high)]
    bottoms = inner[(inner < x[:-2]) & (inner <= x[2:]) & (inner < 0.5 * low)]
    large = len(tops) + len(bottoms)
    if large < 100:
        return 0.0
    outer = np.count_nonzero(tops > (1 - _EDGE) * high) + np.count_nonzero(bottoms < (1 - _EDGE) * low)
    return outer / large


def _twins(kept: list[np.ndarray], names: list[str]) -> list[str]:
    """For each lead the name of the one that has the same filtered signal, or nothing."""
    leads = len(names)
    products = sum(part.T @ part for part in kept).astype(np.float64)
    size = np.sqrt(np.diag(products))
    size = np.where(size > 0, size, np.inf)
    alike = np.abs(products) / np.outer(size, size)
    np.fill_diagonal(alike, 0.0)
    best = alike.argmax(1) if leads else []
    return [names[best[k]] if alike[k, best[k]] > TWIN_CORRELATION else "" for k in range(leads)]


# --- the mark --------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What the scaling of a channel adds to its findings."""

    snr_db: float | None = None  # maximum over rest
    quiet: bool = False  # it never contracts
    prior: bool = False  # scaled by the population
    noise_uv: float | None = None  # rest in microvolts, where microvolts are certain
    heart: float = 0.0  # how regularly its rest beats


def judge(muscle: str, source: str, doubtful: bool, findings: Findings, verdict: Verdict) -> ChannelQuality:
    """The mark of a channel with all its reasons, the most serious first."""
    told = [*_losses(findings), *_doubts(findings, verdict, doubtful), *_dirt(findings, verdict)]
    bad = [reason for status, reason in told if status is Status.BAD]
    reasons = (*bad, *(reason for status, reason in told if status is not Status.BAD))
    if not told:
        clear = "Clear contractions above a quiet rest."
        text = clear if verdict.snr_db is None else f"Maximum {verdict.snr_db:.0f} dB above rest."
        return ChannelQuality(muscle, source, Status.GOOD, text, verdict.snr_db, verdict.prior, (text,))
    status = Status.BAD if bad else Status.CHECK
    return ChannelQuality(muscle, source, status, reasons[0], verdict.snr_db, verdict.prior, reasons)


Reasons = Iterator[tuple[Status, str]]


def _losses(f: Findings) -> Reasons:
    """Samples that are lost."""
    if f.missing > MISSING_CHECK:
        status = Status.BAD if f.missing > MISSING_BAD else Status.CHECK
        yield status, f"{f.missing:.0%} of the samples are missing or on a flat line."
    if f.clipped > CLIPPED_CHECK:
        status = Status.BAD if f.clipped > CLIPPED_BAD else Status.CHECK
        yield status, f"The amplifier clipped {100 * f.clipped:.2g}% of the samples."
    elif f.clipped_part > CLIPPED_PART:
        where = f"between {f.clipped_at[0]:.0f} and {f.clipped_at[1]:.0f} s of the recording"
        yield Status.CHECK, f"The amplifier clipped {where}."
    if f.soft > SOFT_CLIPPED:
        yield Status.CHECK, f"{f.soft:.0%} of the large peaks crowd at the limit: the amplifier saturates."


def _doubts(f: Findings, verdict: Verdict, doubtful: bool) -> Reasons:
    """What makes the channel's scale or name uncertain."""
    if f.inferred:
        yield Status.CHECK, f.inferred
    if f.aliased:
        yield Status.CHECK, "The sampling rate is too low for raw sEMG; amplitudes are a rough guide."
    if f.twin:
        yield Status.CHECK, f"It has the same signal as '{f.twin}': the electrodes may be bridged."
    if verdict.quiet:
        by = "population values" if verdict.prior else "the other side"
        yield Status.CHECK, f"It never contracts clearly in this recording: scaled by {by}."
    if doubtful:
        yield Status.CHECK, "Muscle, side, kind or unit of this channel is a guess."


def _dirt(f: Findings, verdict: Verdict) -> Reasons:
    """What lies on the signal."""
    if f.mains > MAINS_CHECK:
        yield Status.CHECK, f"Mains hum is {f.mains:.0%} of the signal power; check the electrodes."
    if f.residue > RESIDUE_CHECK:
        yield Status.CHECK, f"Hum of {f.residue:.0%} of the signal power is left after the filters."
    if f.drift > DRIFT_CHECK:
        yield Status.CHECK, "The baseline drifts strongly (movement or a loose electrode)."
    if verdict.noise_uv is not None and verdict.noise_uv > NOISY_REST_UV:
        yield Status.CHECK, f"Rest is {verdict.noise_uv:.0f} µV: noise hides weak activity."
    if verdict.heart > HEART_CHECK:
        yield Status.CHECK, "Its rest beats regularly: the heart (ECG) is in the signal."


def heartbeat(envelope: np.ndarray, step_s: float) -> float:
    """How regularly a resting envelope [m] beats at 45 to 120 per minute: its autocorrelation, 0..1.

    Contractions are left out; a channel that hardly rests gives 0.
    """
    if step_s > 0.05 or len(envelope) * step_s < 10.0:
        return 0.0
    known = np.isfinite(envelope)
    limit = 3.0 * np.median(envelope[known]) if known.any() else 0.0
    resting = known & (envelope < limit)
    if resting.mean() < 0.3:
        return 0.0
    x = np.where(resting, envelope - envelope[resting].mean(), 0.0)[: int(300 / step_s)]
    size = 1 << (2 * len(x) - 1).bit_length()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(x, size)) ** 2)[: int(3.0 / step_s)]
    if correlation[0] <= 0:
        return 0.0
    correlation = correlation / correlation[0]
    lag = np.arange(len(correlation)) * step_s
    beat = (lag >= 0.5) & (lag <= 1.34)
    best = int(np.argmax(np.where(beat, correlation, -1.0)))
    # A beat returns after two periods too; a slow wave has no valley between.
    valley = float(correlation[int(0.3 * best) : max(best - 2, int(0.3 * best) + 1)].min())
    twice = float(correlation[min(2 * best, len(correlation) - 1)])
    return float(correlation[best]) if valley < 0.3 * correlation[best] and twice > 0.2 else 0.0
