"""Raw surface EMG of an activation plan.

Every channel is the sum of a pool of motor units in the manner of Fuglevand, Winter and Patla
(1993): units are recruited from small to large, each fires faster with more drive, with irregular
intervals, and adds its own potential to the electrode. The drive that makes a wanted amplitude is
found from the pool's own power (Campbell's theorem: power is the sum of rate times energy). On top
come cross-talk between near electrodes, amplifier noise, mains hum and slow drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..electrodes import CHANNEL_MM
from ..muscles import CHANNEL_COUNT, MUSCLE_OF_CHANNEL, MUSCLES, OTHER_SIDE

_OVERSAMPLING = 4  # firing times are placed on a grid this much finer than the samples
_TWITCH_RANGE = 30.0  # the largest unit's amplitude over the smallest's
_FIRST_RATE = 8.0  # Hz at recruitment
_PEAK_RATES = (35.0, 25.0)  # Hz of the first and of the last recruited unit
_GAIN = 60.0  # Hz per unit of drive above a unit's threshold
_INTERVAL_VARIATION = 0.2  # coefficient of variation of the intervals between firings


@dataclass(frozen=True)
class Settings:
    """What surrounds the muscles when a recording is made; amplitudes in microvolts."""

    rate: float = 1000.0
    units: int = 60  # motor units within reach of an electrode pair
    crosstalk: float = 0.35  # share of a neighbour's signal at distance zero
    crosstalk_mm: float = 11.0  # distance over which that share falls to 1/e
    mains_hz: float = 50.0
    mains_uv: float = 2.5
    drift_uv: float = 25.0
    low_hz: float = 20.0
    high_hz: float = 450.0
    bad_channel: int | None = None  # a loose electrode: mains and noise instead of muscle


def simulate_semg(activation: np.ndarray, seed: int, settings: Settings | None = None) -> np.ndarray:
    """Raw bipolar sEMG in microvolts, float32 [samples, 22].

    activation: [samples, 22] in 0..1, one row a sample of `settings.rate`. The RMS amplitude of a
    channel at activation 1 is the muscle's `maximum_uv`, with nothing contracting it is `rest_uv`.
    The same seed gives the same signal.
    """
    settings = settings or Settings()
    activation = np.clip(np.nan_to_num(np.asarray(activation, np.float64)), 0.0, 1.0)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(CHANNEL_COUNT + 1)]
    samples = len(activation)
    signal = np.empty((samples, CHANNEL_COUNT))
    for channel in range(CHANNEL_COUNT):
        muscle = MUSCLES[MUSCLE_OF_CHANNEL[channel]]
        unit_rms = _muscle_signal(activation[:, channel], settings, streams[channel])
        signal[:, channel] = muscle.maximum_uv * unit_rms
    signal = signal @ crosstalk_matrix(settings).T
    return _surroundings(signal, settings, streams[-1]).astype(np.float32)


def crosstalk_matrix(settings: Settings) -> np.ndarray:
    """[22, 22]: row = electrode, column = muscle; 1 on the diagonal, less with distance."""
    distance = np.linalg.norm(CHANNEL_MM[:, None] - CHANNEL_MM[None], axis=-1)
    matrix = settings.crosstalk * np.exp(-distance / settings.crosstalk_mm)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _muscle_signal(activation: np.ndarray, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """One muscle's signal [samples]; its RMS is the activation."""
    order = np.arange(settings.units) / settings.units
    size = _TWITCH_RANGE**order
    threshold = (_TWITCH_RANGE**order - 1) / (_TWITCH_RANGE - 1) * 0.75
    peak = _PEAK_RATES[0] + (_PEAK_RATES[1] - _PEAK_RATES[0]) * order
    potentials = _potentials(size, settings, rng, len(activation))
    energy = _energies(potentials, settings, len(activation))

    levels = np.linspace(0.0, 1.0, 400)
    power = np.sqrt(_rates(levels, threshold, peak) @ energy)
    drive = np.interp(activation, power / power[-1], levels)
    trains = _firings(_rates(drive, threshold, peak), settings, rng)
    spectrum = np.einsum("uf,uf->f", np.fft.rfft(trains, axis=1)[:, : potentials.shape[1]], potentials)
    return np.fft.irfft(spectrum, len(activation)) / power[-1]


def _rates(drive: np.ndarray, threshold: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """Firing rates in Hz [len(drive), units]."""
    above = drive[:, None] - threshold
    return np.where(above > 0, np.minimum(peak, _FIRST_RATE + _GAIN * above), 0.0)


def _firings(rates: np.ndarray, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """Impulses float32 [units, samples * oversampling] of units that fire at `rates` [samples, units].

    Intervals are gamma distributed on each unit's own clock, which runs as fast as its rate.
    """
    samples, units = rates.shape
    clock = np.cumsum(rates, axis=0) / settings.rate
    shape = 1.0 / _INTERVAL_VARIATION**2
    fine = np.zeros((units, samples * _OVERSAMPLING), np.float32)
    for unit in range(units):
        expected = clock[-1, unit]
        intervals = rng.gamma(shape, 1.0 / shape, int(expected * 1.3) + 20)
        intervals[0] *= rng.random()
        ticks = np.cumsum(intervals)
        ticks = ticks[ticks < expected]
        # `clock` is flat while a unit rests: the first sample that reaches a tick is when it fires.
        at = np.searchsorted(clock[:, unit], ticks)
        before = np.where(at > 0, clock[at - 1, unit], 0.0)
        share = (ticks - before) / (clock[at, unit] - before)
        position = ((at - 1 + share) * _OVERSAMPLING).astype(int)
        np.add.at(fine[unit], np.clip(position, 0, fine.shape[1] - 1), 1.0)
    return fine


def _potentials(size: np.ndarray, settings: Settings, rng: np.random.Generator, samples: int) -> np.ndarray:
    """Spectra [units, bins] of the units' potentials, limited to the band of the amplifier.

    Hermite functions of the first and second order mixed at random: the shapes that bipolar
    electrodes see. Deep units are wider and weaker than shallow ones.
    """
    frequency = np.fft.rfftfreq(samples, 1.0 / settings.rate)
    width = rng.uniform(0.9e-3, 2.0e-3, len(size))  # seconds
    depth = (width / 0.9e-3) ** -1.0
    turn = rng.uniform(0, 2 * np.pi, len(size))
    x = 2 * np.pi * frequency[None] * width[:, None]
    bell = np.exp(-(x**2) / 2) * np.sqrt(width)[:, None]
    shape = np.sin(turn)[:, None] * 1j * x * bell - np.cos(turn)[:, None] * x**2 * bell
    return (size * depth)[:, None] * shape * _band(frequency, settings)


def _band(frequency: np.ndarray, settings: Settings) -> np.ndarray:
    """Amplitude response of the amplifier: second-order slopes at both edges."""
    high_pass = frequency**2 / (frequency**2 + settings.low_hz**2)
    return high_pass / (1.0 + (frequency / settings.high_hz) ** 4)


def _energies(potentials: np.ndarray, settings: Settings, samples: int) -> np.ndarray:
    """[units]: mean square that one firing a second adds to the signal."""
    density = np.abs(potentials) ** 2
    total = density[:, 0] + 2 * density[:, 1:].sum(1)
    return total / samples / settings.rate


def _surroundings(signal: np.ndarray, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """Add what else an amplifier records."""
    samples = len(signal)
    seconds = np.arange(samples) / settings.rate
    rest = np.array([m.rest_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]
    frequency = np.fft.rfftfreq(samples, 1.0 / settings.rate)
    noise = rng.standard_normal((samples, CHANNEL_COUNT)) * rest

    phase = rng.uniform(0, 2 * np.pi, (2, CHANNEL_COUNT))
    hum = settings.mains_uv * rng.uniform(0.4, 1.6, CHANNEL_COUNT)
    angle = 2 * np.pi * settings.mains_hz * seconds[:, None]
    mains = hum * (np.sin(angle + phase[0]) + 0.2 * np.sin(3 * angle + phase[1]))

    if settings.bad_channel is not None:
        bad = settings.bad_channel
        signal = signal.copy()
        signal[:, bad] = 0.05 * signal[:, OTHER_SIDE[bad]]
        mains[:, bad] *= 25
        noise[:, bad] *= 6
    return signal + noise + mains + _drift(frequency, samples, settings, rng)


def _drift(frequency: np.ndarray, samples: int, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """Slow baseline, a tenth of a hertz to two, as sweat and movement make it."""
    slope = np.where((frequency > 0.05) & (frequency < 2.0), 1.0 / np.maximum(frequency, 0.1), 0.0)
    random = rng.standard_normal((2, len(frequency), CHANNEL_COUNT))
    drift = np.fft.irfft((random[0] + 1j * random[1]) * slope[:, None], samples, axis=0)
    return drift / np.maximum(drift.std(0), 1e-9) * settings.drift_uv
