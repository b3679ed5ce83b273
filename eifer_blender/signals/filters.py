"""Filters for raw sEMG: mains notch, band-pass, and the filters of the MMM chain. Float64 inside."""

from __future__ import annotations

import numpy as np

from ..dependencies import require
from ..errors import EiferError
from .settings import ChainSettings

LOWEST_RATE = 100.0  # Hz; below this a band-pass for sEMG makes no sense
GOOD_RATE = 400.0  # Hz; below this the signal is aliased or most of it is lost
_MOST_HARMONICS = 4
_MMM_TAPS = 129


def fill_gaps(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x [n] float64 with NaN bridged by straight lines, valid bool [n])."""
    valid = np.isfinite(x)
    x = x.astype(np.float64)
    if not valid.all():
        at = np.flatnonzero(valid)
        x[~valid] = np.interp(np.flatnonzero(~valid), at, x[at]) if len(at) else 0.0
    return x, valid


def band(settings: ChainSettings, rate: float) -> tuple[float, float, str]:
    """(low, high, note) of the band-pass at a sampling rate; EiferError if nothing is left of it."""
    nyquist = rate / 2
    high = min(settings.high_hz, 0.9 * nyquist)
    if rate < LOWEST_RATE * 1.001 or high < settings.low_hz * 1.5:
        raise EiferError(
            f"A rate of {rate:g} Hz is too low for raw sEMG (muscle activity lies at 20 to 450 Hz); "
            "use the channels that were already rectified or smoothed, or a faster recording."
        )
    note = ""
    if high < settings.high_hz:
        note = f"At {rate:g} Hz the band ends at {high:.0f} Hz instead of {settings.high_hz:.0f} Hz."
    if rate < GOOD_RATE:
        note += " The signal is probably aliased: amplitudes are only a rough guide."
    return settings.low_hz, high, note.strip()


def sections(settings: ChainSettings, rate: float, mains: tuple[float, ...]) -> np.ndarray:
    """Second-order sections [k, 6]: notches at `mains` Hz, then the Butterworth band-pass."""
    signal = require("scipy.signal")

    low, high, _ = band(settings, rate)
    width = mains[0] / settings.notch_q if mains else 0.0
    parts = [signal.tf2sos(*signal.iirnotch(f, f / width, fs=rate)) for f in mains if f < 0.98 * rate / 2]
    parts.append(signal.butter(settings.order, [low, high], "bandpass", fs=rate, output="sos"))
    return np.concatenate(parts)


def zero_phase(sos: np.ndarray, x: np.ndarray, rate: float) -> np.ndarray:
    """x [..., n] forward and backward through `sos`; short signals get less padding."""
    signal = require("scipy.signal")

    n = x.shape[-1]
    padding = min(int(0.25 * rate) + 3 * (2 * len(sos) + 1), n - 1)
    return signal.sosfiltfilt(sos, x, axis=-1, padlen=max(padding, 0))


def find_mains(x: np.ndarray, rate: float) -> tuple[float, ...]:
    """Mains frequency of x [channels, n] and its harmonics that stand out, or nothing.

    A line counts if its power density is ten times that of its surroundings in the loudest
    spectrum, averaged over channels after scaling each to unit power.
    """
    signal = require("scipy.signal")

    n = min(x.shape[-1], int(60 * rate))
    size = min(n, int(2 * rate))
    if size < 0.5 * rate:
        return ()
    frequency, density = signal.welch(x[..., :n], rate, nperseg=size, axis=-1)
    total = density.sum(-1, keepdims=True)
    density = (density / np.where(total > 0, total, 1.0)).mean(0)
    excess = {f: _excess(frequency, density, f) for f in (50.0, 60.0)}
    mains = max(excess, key=lambda f: excess[f])
    if excess[mains] < 10.0:
        return ()
    harmonics = (mains * k for k in range(2, _MOST_HARMONICS + 1))
    return (mains, *(f for f in harmonics if f < 0.9 * rate / 2 and _excess(frequency, density, f) > 10.0))


def _excess(frequency: np.ndarray, density: np.ndarray, line: float) -> float:
    """Peak of a spectrum at a line relative to the median around it."""
    if line + 8 > frequency[-1]:
        return 0.0
    distance = np.abs(frequency - line)
    around = density[(distance > 3) & (distance < 8)]
    base = np.median(around) if len(around) else 0.0
    return float(density[distance <= 1.0].max() / base) if base > 0 else 0.0


def mains_lines(settings: ChainSettings, x: np.ndarray, rate: float) -> tuple[float, ...]:
    """Frequencies to notch: as set, or as found in x [channels, n]."""
    if settings.mains_hz is None:
        return find_mains(x, rate)
    return (settings.mains_hz,) if 0 < settings.mains_hz < 0.95 * rate / 2 else ()


def mmm_filter(
    x: np.ndarray, valid: np.ndarray, rate: float, settings: ChainSettings, mains: tuple[float, ...]
) -> np.ndarray:
    """Filters of the MMM chain on one channel x [n]: mean, NaN to 0, notch, FIR band-pass.

    The notch runs once, forward, as its published width (-3 dB at 39.5 and 64 Hz) says; the
    linear-phase FIR is centred, which is zero phase.
    """
    signal = require("scipy.signal")

    x = np.where(valid, x - (x[valid].mean() if valid.any() else 0.0), 0.0)
    for line in mains[:1]:
        x = signal.lfilter(*signal.iirnotch(line, settings.notch_q, fs=rate), x)
    low, high, _ = band(settings, rate)
    taps = signal.firwin(_MMM_TAPS, [low, high], pass_zero=False, window="hamming", fs=rate)
    return signal.oaconvolve(x, taps, mode="same") if len(x) >= _MMM_TAPS else np.zeros_like(x)
