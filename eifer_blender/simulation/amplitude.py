"""The fast amplitude model: RMS envelopes without the waveform.

Band-limited Gaussian noise of statistical bandwidth B, as the sum of many motor units is, has a mean square
over a time T that is close to gamma distributed with shape B T (Bendat and Piersol, Random Data, section 8.2:
the normalised error of a mean square is 1 / sqrt(B T)). Short bins of such power, summed over the window of
the chain, give envelopes with the right scatter and the right memory from frame to frame. Tests hold these
statistics against the raw simulation (`semg`) after the signal chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATE = 30.0  # frames a second
OVERSAMPLING = 4  # bins of power in a frame; activity is sampled at RATE times this
FINE_RATE = RATE * OVERSAMPLING
NOISE_BANDWIDTH_HZ = 400.0  # of an amplifier's white noise after the chain's band-pass
_BAND_HZ = (20.0, 450.0)


@dataclass(frozen=True)
class Electrodes:
    """Conditions of a recording, as they are varied in evaluations."""

    snr_db: float | None = None  # half a maximum over the noise; None: the subject's own
    crosstalk: float = 1.0  # factor on the subject's own
    gain_drift: float | None = None  # log-SD of an electrode's gain over the session; None: the protocol's
    band_hz: tuple[float, float] = _BAND_HZ  # of the recording
    window_ms: float = 100.0  # of the chain's RMS


def frames_of(bins: int) -> int:
    """Frames of so many bins of power."""
    return -(-bins // OVERSAMPLING)


def envelopes(
    signal_uv: np.ndarray,
    noise_uv: np.ndarray,
    bandwidth_hz: float,
    window_ms: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """RMS envelope float32 [frames, channels] at `RATE` of muscles and noise with given RMS amplitudes.

    signal_uv, noise_uv: [bins, channels] (or what broadcasts to it). bandwidth_hz is the muscles'; noise
    fills the band. Frame i is the RMS over the window about i / RATE seconds, cut at the ends as the chain
    does.
    """
    muscles, noise = np.square(signal_uv, dtype=np.float64), np.square(noise_uv, dtype=np.float64)
    total = np.maximum(muscles + noise, 1e-12)
    # Variances of the powers of independent signals add.
    shape = total**2 / (muscles**2 / bandwidth_hz + noise**2 / NOISE_BANDWIDTH_HZ + 1e-24) / FINE_RATE
    power = total / shape * rng.standard_gamma(shape)
    half = max(1, round(window_ms * 1e-3 * FINE_RATE / 2))
    running = np.concatenate([np.zeros((1, power.shape[1])), np.cumsum(power, axis=0)])
    centre = np.arange(frames_of(len(power))) * OVERSAMPLING
    low, high = np.clip(centre - half, 0, len(power)), np.clip(centre + half, 1, len(power))
    return np.sqrt((running[high] - running[low]) / (high - low)[:, None]).astype(np.float32)


def band_share(band_hz: tuple[float, float], bandwidth_hz: float) -> tuple[float, float]:
    """(statistical bandwidth in Hz, amplitude left) of sEMG recorded in a narrower band.

    The spectrum is taken as falling exponentially from its low edge, with the bandwidth given for 20-450 Hz.
    """
    scale = bandwidth_hz / 2.0  # an exponential spectrum of that scale has twice it as bandwidth
    low, high = max(band_hz[0], _BAND_HZ[0]), min(band_hz[1], _BAND_HZ[1])

    def kept(width: float) -> float:
        return float(np.exp(-(low - _BAND_HZ[0]) / width) - np.exp(-(high - _BAND_HZ[0]) / width))

    power, square = kept(scale), kept(scale / 2) / 2
    return scale * power**2 / square, float(np.sqrt(power))
