"""Which filters raw sEMG gets: the band, the mains lines, and the sections of both."""

from __future__ import annotations

import numpy as np

from ..dependencies import require
from ..errors import EiferError
from .settings import ChainSettings

LOWEST_RATE = 100.0  # Hz; below this a band-pass for sEMG makes no sense
GOOD_RATE = 400.0  # Hz; below this the signal is aliased or most of it is lost
_MOST_HARMONICS = 4
_STANDS_OUT = 10.0  # power density of a mains line over that of its surroundings


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


def find_mains(frequency: np.ndarray, density: np.ndarray, rate: float) -> tuple[float, ...]:
    """Mains frequency and its harmonics that stand out in spectra density [channels, frequencies].

    A line counts if its power density is ten times that of its surroundings in the mean spectrum,
    each channel scaled to unit power. Harmonics alone, which an amplifier's own notch leaves, must
    stand out more.
    """
    if len(frequency) == 0:
        return ()
    total = density.sum(-1, keepdims=True)
    density = (density / np.where(total > 0, total, 1.0)).mean(0)
    found = {}
    for mains in (50.0, 60.0):
        lines = [mains * k for k in range(1, _MOST_HARMONICS + 1) if k == 1 or mains * k < 0.9 * rate / 2]
        found[mains] = {line: _excess(frequency, density, line) for line in lines}
    mains = max(found, key=lambda f: (found[f][f] > _STANDS_OUT, max(found[f].values())))
    above = found[mains]
    if above[mains] <= _STANDS_OUT and max(above.values()) <= 3 * _STANDS_OUT:
        return ()
    return (mains, *(line for line, excess in above.items() if line > mains and excess > _STANDS_OUT))


def _excess(frequency: np.ndarray, density: np.ndarray, line: float) -> float:
    """Peak of a spectrum at a line relative to the median around it."""
    if line + 8 > frequency[-1]:
        return 0.0
    distance = np.abs(frequency - line)
    around = density[(distance > 3) & (distance < 8)]
    base = np.median(around) if len(around) else 0.0
    return float(density[distance <= 1.0].max() / base) if base > 0 else 0.0


def mains_lines(
    settings: ChainSettings, frequency: np.ndarray, density: np.ndarray, rate: float
) -> tuple[float, ...]:
    """Frequencies to notch: as set, or as found in spectra [channels, frequencies]."""
    if settings.mains_hz is None:
        return find_mains(frequency, density, rate)
    return (settings.mains_hz,) if 0 < settings.mains_hz < 0.95 * rate / 2 else ()
