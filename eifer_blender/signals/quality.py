"""What is wrong with a channel before it is filtered, and the mark it gets at the end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..dependencies import require
from .activation import ChannelQuality, Status

_LOOK_S = 60.0


class Findings(NamedTuple):
    """Measurements on one channel of samples."""

    missing: float = 0.0  # share of samples without a value or on a flat line
    clipped: float = 0.0  # share of samples that sit at the extreme value in a row
    mains: float = 0.0  # share of the power that is mains hum
    drift: float = 0.0  # power below 5 Hz over the power in the band of sEMG
    aliased: bool = False


def flat_stretches(x: np.ndarray, rate: float, least_s: float = 0.2) -> np.ndarray:
    """bool [n]: samples in runs of exactly equal values that last at least `least_s` (lead off)."""
    change = np.flatnonzero(x[1:] != x[:-1]) + 1
    edges = np.concatenate(([0], change, [len(x)]))
    length = np.diff(edges)
    flat = np.zeros(len(x), dtype=bool)
    for start, size in zip(
        edges[:-1][length >= least_s * rate].tolist(), length[length >= least_s * rate].tolist(), strict=True
    ):
        if size > 2:
            flat[start : start + size] = True
    return flat


def find(x: np.ndarray, valid: np.ndarray, rate: float, low: float, high: float, aliased: bool) -> Findings:
    """Findings on raw samples x [n], gaps bridged; band `low`..`high` Hz."""
    signal = require("scipy.signal")

    known = x[valid]
    missing = 1.0 - len(known) / max(len(x), 1)
    if len(known) < 64:
        return Findings(missing, aliased=aliased)
    top, bottom = known.max(), known.min()
    extreme = (known == top) | (known == bottom)
    clipped = float(np.mean(extreme[1:] & extreme[:-1] & (known[1:] == known[:-1])))
    part = x[: int(_LOOK_S * rate)] - known.mean()
    frequency, density = signal.welch(part, rate, nperseg=min(len(part), int(2 * rate)))
    in_band = (frequency >= low) & (frequency <= high)
    band_power = float(density[in_band].sum())
    hum = 0.0
    for mains in (50.0, 60.0):
        near = np.abs(frequency - mains) <= 1.0
        around = (np.abs(frequency - mains) > 2.0) & (np.abs(frequency - mains) < 8.0)
        if near.any() and around.any():
            hum = max(hum, float(np.maximum(density[near] - np.median(density[around]), 0.0).sum()))
    drift = float(density[frequency < 5.0].sum())
    floor = band_power if band_power > 0 else 1.0
    return Findings(missing, clipped, hum / floor, drift / floor, aliased)


def judge(
    muscle: str,
    source: str,
    doubtful: bool,
    findings: Findings,
    snr_db: float | None,
    quiet: bool,
    prior: bool,
) -> ChannelQuality:
    """The mark of a channel with its most serious reason first."""
    reasons: list[tuple[Status, str]] = []
    if findings.missing > 0.5:
        reasons.append((Status.BAD, f"{findings.missing:.0%} of the samples are missing or on a flat line."))
    elif findings.missing > 0.02:
        reasons.append(
            (Status.CHECK, f"{findings.missing:.0%} of the samples are missing or on a flat line.")
        )
    if findings.clipped > 0.02:
        reasons.append((Status.BAD, f"The amplifier clipped {findings.clipped:.1%} of the samples."))
    elif findings.clipped > 0.0005:
        reasons.append((Status.CHECK, f"The amplifier clipped {findings.clipped:.2%} of the samples."))
    if findings.aliased:
        reasons.append(
            (Status.CHECK, "The sampling rate is too low for raw sEMG; amplitudes are a rough guide.")
        )
    if quiet:
        told = "scaled by population values" if prior else "scaled by the other side"
        reasons.append((Status.CHECK, f"It never contracts clearly in this recording: {told}."))
    if doubtful:
        reasons.append((Status.CHECK, "Muscle, side, kind or unit of this channel is a guess."))
    if findings.mains > 0.5:
        reasons.append(
            (Status.CHECK, f"Mains hum is {findings.mains:.0%} of the signal power; check the electrodes.")
        )
    if findings.drift > 100.0:
        reasons.append((Status.CHECK, "The baseline drifts strongly (movement or a loose electrode)."))
    if not reasons:
        text = (
            "Clear contractions above a quiet rest."
            if snr_db is None
            else f"Maximum {snr_db:.0f} dB above rest."
        )
        return ChannelQuality(muscle, source, Status.GOOD, text, snr_db, prior)
    status, reason = next((r for r in reasons if r[0] is Status.BAD), reasons[0])
    return ChannelQuality(muscle, source, status, reason, snr_db, prior)
