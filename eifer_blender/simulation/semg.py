"""Raw surface EMG of muscle activity, as an amplifier gives it.

Every muscle is a pool of motor units in the manner of Fuglevand, Winter and Patla (1993): units are
recruited from small to large, each fires faster with more drive, with irregular intervals. The drive
that makes a wanted amplitude is found from the pool's own power (Campbell's theorem: power is the sum of
rate times energy). Every unit lies at one of a few places along its muscle, and an electrode sees it as
strongly as volume conduction lets it (`volume`), so near muscles leak into one another's electrodes as
they do on a face. On top come the amplifier's noise, mains, slow drift, movements of cables and electrodes
that are lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..heads.default import load_default_head
from ..muscles import CHANNEL_COUNT, MUSCLE_OF_CHANNEL, MUSCLES
from .sources import SOURCES
from .volume import POINTS, electrode_positions, point_gains, site_positions

MONTAGES = ("bipolar", "electrodes", "kuramoto")
"""What is recorded: 22 Fridlund pairs, their 44 electrodes against a far reference, the 19 Kuramoto sites."""

HIDDEN_UV = 150.0
"""RMS microvolts that a muscle without electrodes would give at full activity to a pair close above it."""

_SIZE_RANGE = 20.0  # the largest unit's amplitude over the smallest's
_LAST_RECRUITED = 0.75  # of the full drive
_FIRST_RATE = 8.0  # Hz at recruitment
_PEAK_RATES = (35.0, 25.0)  # Hz of the first and of the last recruited unit
_GAIN = 60.0  # Hz per unit of drive above a unit's threshold
_INTERVAL_VARIATION = 0.25  # coefficient of variation of the intervals between firings
_WIDTHS_S = (1.1e-3, 2.6e-3)  # of units' potentials, shallow and deep ones

_INNER_RATE = 2000.0  # Hz at least at which potentials are laid down
_PHASES = 4  # of a potential between two samples of the inner rate; others are mixed from the nearest two
_CONTROL_RATE = 250.0  # Hz at which the drive is looked at
_NOISE_BAND_HZ = 500.0  # noise is given as RMS up to here
_HARMONICS = ((1, 1.0), (2, 0.06), (3, 0.22), (5, 0.10), (7, 0.04))  # of the mains: multiple, amplitude
_LOOSE_HUM, _LOOSE_NOISE = 25.0, 6.0  # factors where an electrode has come off
_COMMON = 16.0  # mains on all electrodes alike, over what is left of it in a pair


@dataclass(frozen=True)
class Lost:
    """A loose electrode: mains and noise instead of muscle, or nothing at all."""

    column: int
    start: float = 0.0  # seconds
    end: float = math.inf
    flat: bool = False


@dataclass(frozen=True)
class Settings:
    """How a recording is made; amplitudes in microvolts."""

    rate: float = 1000.0
    montage: str = "bipolar"
    units: int = 100  # motor units within reach of an electrode pair
    crosstalk: float = 1.0  # factor on what the electrodes of a pair see of other muscles
    snr_db: float | None = None  # half a maximum over the noise; None: noise as the muscles' `rest_uv`
    mains_hz: float = 50.0
    mains_uv: float = 2.5
    drift_uv: float = 25.0
    artefacts_per_minute: float = 0.0
    artefact_uv: float = 250.0
    low_hz: float = 20.0
    high_hz: float = 450.0
    lost: tuple[Lost, ...] = ()


def simulate_semg(
    activity: np.ndarray,
    seed: int,
    settings: Settings | None = None,
    *,
    source_uv: np.ndarray | None = None,
    gain: np.ndarray | None = None,
) -> np.ndarray:
    """Raw sEMG in microvolts, float32 [samples, columns]: 22, 44 or 19 columns as `settings.montage` says.

    activity: [samples, 22] muscles or [samples, 32] all `SOURCES`, 0..1, one row a sample of `settings.rate`.
    source_uv: [32] RMS of a source at activity 1 at its own pair (None: the muscles' `maximum_uv`), with
    nothing contracting it is `rest_uv`. gain: factors on the columns, [columns] or [samples, columns].
    The two electrodes of pair i are columns 2 i and 2 i + 1, the pair is the first less the second. The same
    seed gives the same signal, the same muscles whatever the montage. ValueError for an unknown montage.
    """
    settings = settings or Settings()
    activity = np.clip(np.nan_to_num(np.asarray(activity, np.float32)), 0.0, 1.0)
    source_uv = default_source_uv() if source_uv is None else np.asarray(source_uv)
    seeds = np.random.SeedSequence(seed).spawn(len(SOURCES) + 1)
    places = _places(settings.montage, settings.crosstalk) * source_uv[:, None]
    factor = max(1, math.ceil(_INNER_RATE / settings.rate))
    signal = np.zeros((places.shape[0], len(activity) * factor), np.float32)
    for source in range(activity.shape[1]):
        if activity[:, source].any():
            rng = np.random.default_rng(seeds[source])
            waves = _source_waves(activity[:, source], _own_power()[source], settings, factor, rng)
            signal += places[:, source].astype(np.float32) @ waves
    recorded = np.stack([_amplified(row, factor, settings) for row in signal], 1)
    gain = np.ones(recorded.shape[1], np.float32) if gain is None else np.asarray(gain, np.float32)
    recorded *= gain
    noise_uv = _noise_uv(settings, source_uv[:CHANNEL_COUNT], np.atleast_2d(gain).mean(0))
    _add_surroundings(recorded, noise_uv, settings, np.random.default_rng(seeds[-1]))
    return recorded


def default_source_uv() -> np.ndarray:
    """float64 [32]: RMS microvolts of all `SOURCES` at full activity, at a pair close above each."""
    maximum = np.array([m.maximum_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]
    return np.concatenate([maximum, np.full(len(SOURCES) - CHANNEL_COUNT, HIDDEN_UV)])


def _places(montage: str, crosstalk: float) -> np.ndarray:
    """float64 [columns, 32, POINTS]: what each column sees of each place, 1 for all at the own pair."""
    gains = _gains(montage)
    if montage == "kuramoto":
        return gains
    own = np.arange(len(gains)) // (len(gains) // CHANNEL_COUNT)
    return np.where((np.arange(len(SOURCES)) == own[:, None])[..., None], gains, crosstalk * gains)


@lru_cache(maxsize=len(MONTAGES))
def _gains(montage: str) -> np.ndarray:
    head = load_default_head()
    pairs = electrode_positions(head)
    if montage not in MONTAGES:
        raise ValueError(f"unknown montage: {montage}")
    electrodes = {"bipolar": pairs, "electrodes": pairs.reshape(-1, 3)}.get(montage)
    gains = point_gains(site_positions(head) if electrodes is None else electrodes, head)
    gains.setflags(write=False)
    return gains


def _own_power() -> np.ndarray:
    """float64 [32, POINTS]: share of each place in the power at the source's own pair."""
    own = np.full((len(SOURCES), POINTS), 1.0 / POINTS)
    own[:CHANNEL_COUNT] = np.square(_gains("bipolar")[np.arange(CHANNEL_COUNT), np.arange(CHANNEL_COUNT)])
    return own


# --- motor units ----------------------------------------------------------------------------------


def _source_waves(
    activity: np.ndarray, own_power: np.ndarray, settings: Settings, factor: int, rng: np.random.Generator
) -> np.ndarray:
    """float32 [POINTS, samples * factor]: what the units at each place of one muscle emit.

    Scaled so that the places' powers, weighted with `own_power`, add up to the activity squared.
    """
    order = np.arange(settings.units) / settings.units
    size = _SIZE_RANGE**order
    threshold = (size - 1) / (_SIZE_RANGE - 1) * _LAST_RECRUITED
    peak = _PEAK_RATES[0] + (_PEAK_RATES[1] - _PEAK_RATES[0]) * order
    place = (np.arange(settings.units) + rng.integers(POINTS)) % POINTS
    inner = settings.rate * factor
    potentials = _potentials(size, inner, rng)
    energy = _energies(potentials, inner, settings) * own_power[place] * POINTS

    levels = np.linspace(0.0, 1.0, 400)
    amplitude = np.sqrt(_rates(levels, threshold, peak) @ energy)
    scale = np.sqrt(POINTS) / amplitude[-1]
    step = max(1, round(settings.rate / _CONTROL_RATE))
    drive = np.interp(activity[::step], amplitude / amplitude[-1], levels)
    unit, seconds = _firings(_rates(drive, threshold, peak), step / settings.rate, rng)
    return scale * _laid_down(unit, seconds * inner, place, potentials, len(activity) * factor)


def _rates(drive: np.ndarray, threshold: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """Firing rates in Hz [len(drive), units]."""
    above = drive[:, None] - threshold
    return np.where(above > 0, np.minimum(peak, _FIRST_RATE + _GAIN * above), 0.0)


def _firings(rates: np.ndarray, step_s: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(unit, seconds) of all firings of units that fire at `rates` [steps, units].

    Intervals are gamma distributed on each unit's own clock, which runs as fast as its rate.
    """
    clock = np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(rates, axis=0) * step_s])
    shape = 1.0 / _INTERVAL_VARIATION**2
    times, units = [], []
    for unit, expected in enumerate(clock[-1]):
        intervals = rng.gamma(shape, 1.0 / shape, int(expected * 1.3) + 20)
        intervals[0] *= rng.random()
        ticks = np.cumsum(intervals)
        ticks = ticks[ticks < expected]
        # `clock` is flat while a unit rests: the first step that reaches a tick is when it fires.
        at = np.searchsorted(clock[:, unit], ticks)
        share = (ticks - clock[at - 1, unit]) / (clock[at, unit] - clock[at - 1, unit])
        times.append((at - 1 + share) * step_s)
        units.append(np.full(len(ticks), unit))
    return np.concatenate(units), np.concatenate(times)


def _potentials(size: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """float32 [units, phases + 1, taps]: the units' potentials, shifted by parts of a sample.

    Hermite functions of the first and second order mixed at random: the shapes that surface electrodes see.
    Deep units are wider and weaker than shallow ones.
    """
    width = rng.uniform(*_WIDTHS_S, len(size))[:, None, None]
    turn = rng.uniform(0, 2 * np.pi, len(size))[:, None, None]
    reach = math.ceil(4.5 * _WIDTHS_S[1] * rate)
    seconds = (np.arange(-reach, reach + 1) - np.arange(_PHASES + 1)[:, None] / _PHASES) / rate
    x = seconds / width
    bell = np.exp(-(x**2) / 2)
    shape = np.cos(turn) * (1 - x**2) * bell + np.sin(turn) * x * bell
    strength = size[:, None, None] * np.sqrt(_WIDTHS_S[0] / width)
    return (strength * shape / width**0.5).astype(np.float32)


def _energies(potentials: np.ndarray, rate: float, settings: Settings) -> np.ndarray:
    """[units]: mean square that one firing a second adds to the signal within the amplifier's band."""
    bins = 2048
    density = np.abs(np.fft.rfft(potentials[:, 0], bins, axis=1)) ** 2
    density *= _band(np.fft.rfftfreq(bins, 1 / rate), settings) ** 2
    return (density[:, 0] + 2 * density[:, 1:].sum(1)) / bins / rate


def _laid_down(
    unit: np.ndarray, at: np.ndarray, place: np.ndarray, potentials: np.ndarray, samples: int
) -> np.ndarray:
    """float32 [POINTS, samples]: the potential of every firing at its (fractional) sample."""
    taps = potentials.shape[2]
    margin = taps // 2
    # Mixing phases, not rounding to one, keeps a signal the same where a transform or a power is rounded
    # differently, as it is from one NumPy to the next.
    ticks = np.floor(at * _PHASES).astype(np.int64)
    late = (at * _PHASES - ticks).astype(np.float32)[:, None]
    whole, phase = ticks // _PHASES, ticks % _PHASES
    length = samples + 2 * margin + 1
    waves = np.empty((POINTS, length), np.float32)
    for point in range(POINTS):
        mine = place[unit] == point
        index = whole[mine, None] + np.arange(taps)
        of, now, share = unit[mine], phase[mine], late[mine]
        values = (1 - share) * potentials[of, now] + share * potentials[of, now + 1]
        waves[point] = np.bincount(index.ravel(), values.ravel(), length)[:length]
    return waves[:, margin : margin + samples]


# --- amplifier ------------------------------------------------------------------------------------


def _amplified(wave: np.ndarray, factor: int, settings: Settings) -> np.ndarray:
    """float32 [samples]: one electrode's signal [samples * factor] in the amplifier's band, at its rate."""
    samples = len(wave) // factor
    inner = np.fft.rfft(wave)[: samples // 2 + 1] / factor
    frequency = np.fft.rfftfreq(samples, 1.0 / settings.rate)
    return np.fft.irfft(inner * _band(frequency, settings), samples).astype(np.float32)


def _band(frequency: np.ndarray, settings: Settings) -> np.ndarray:
    """Amplitude response: second-order slopes at both edges."""
    high_pass = frequency**2 / (frequency**2 + settings.low_hz**2)
    return high_pass / (1.0 + (frequency / settings.high_hz) ** 4)


def _add_surroundings(
    signal: np.ndarray, noise_uv: np.ndarray, settings: Settings, rng: np.random.Generator
) -> None:
    """Add to the muscles' signal [samples, columns], in place, what else an amplifier records."""
    samples, columns = signal.shape
    alone = settings.montage != "bipolar"
    part = np.sqrt(0.5) if alone else 1.0  # of a pair's disturbances that one electrode has
    hum_uv = part * settings.mains_uv * rng.uniform(0.4, 1.6, columns)
    phases = rng.uniform(0, 2 * np.pi, (columns + 1, len(_HARMONICS)))
    hertz = settings.mains_hz + rng.normal(0.0, 0.01)
    angle = 2 * np.pi * hertz * np.arange(samples) / settings.rate
    if alone:
        signal += (_COMMON * settings.mains_uv * _mains(angle, phases[-1]))[:, None]
    for column in range(columns):
        hum = hum_uv[column] * _mains(angle, phases[column])
        noise = noise_uv[column] * rng.standard_normal(samples, np.float32)
        for loose in (x for x in settings.lost if x.column == column):
            here = _rows(loose, samples, settings.rate)
            signal[here, column] = 0.0
            hum[here] *= _LOOSE_HUM
            noise[here] *= _LOOSE_NOISE
        signal[:, column] += hum + noise + part * _drift(samples, settings, rng)
    _add_movements(signal, settings, rng)
    for loose in (x for x in settings.lost if x.flat):
        signal[_rows(loose, samples, settings.rate), loose.column] = 0.0


def _mains(angle: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """float32, unit amplitude at the mains frequency, with its harmonics."""
    waves = (a * np.sin(k * angle + p) for (k, a), p in zip(_HARMONICS, phases, strict=True))
    return sum(waves).astype(np.float32)


def _noise_uv(settings: Settings, maximum_uv: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """[columns]: RMS of the noise over the whole band that the rate can hold."""
    if settings.snr_db is None:
        noise = np.array([m.rest_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]
    else:
        noise = 0.5 * maximum_uv * 10 ** (-settings.snr_db / 20)
    noise = noise * np.sqrt(settings.rate / 2 / _NOISE_BAND_HZ)
    if settings.montage == "kuramoto":
        noise = np.full(len(gain), noise.mean())
    elif settings.montage == "electrodes":
        noise = np.repeat(noise, 2)
    if settings.snr_db is not None:
        noise = noise * gain
    return noise if settings.montage == "bipolar" else noise * np.sqrt(0.5)


def _rows(loose: Lost, samples: int, rate: float) -> slice:
    first, last = (min(max(s, 0.0) * rate, samples) for s in (loose.start, loose.end))
    return slice(round(first), round(last))


def _drift(samples: int, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """[samples]: slow baseline, a twentieth of a hertz to two, as sweat and breathing make it."""
    frequency = np.fft.rfftfreq(samples, 1.0 / settings.rate)
    slow = int(np.searchsorted(frequency, 2.0))
    spectrum = np.zeros(len(frequency), complex)
    slope = np.where(frequency[:slow] > 0.05, 1.0 / np.maximum(frequency[:slow], 0.1), 0.0)
    spectrum[:slow] = slope * (rng.standard_normal(slow) + 1j * rng.standard_normal(slow))
    drift = np.fft.irfft(spectrum, samples)
    return drift / max(drift.std(), 1e-9) * settings.drift_uv


def _add_movements(signal: np.ndarray, settings: Settings, rng: np.random.Generator) -> None:
    """Jerks of cables, a few hertz, on one electrode more than on the others; in place."""
    samples, columns = signal.shape
    for _ in range(rng.poisson(settings.artefacts_per_minute * samples / settings.rate / 60)):
        hertz, decay = rng.uniform(1.5, 8.0), rng.uniform(0.08, 0.3)
        first = int(rng.integers(samples))
        t = np.arange(min(samples - first, round(8 * decay * settings.rate))) / settings.rate
        jerk = np.sin(2 * np.pi * hertz * t) * np.exp(-t / decay) * (1 - np.exp(-t / 0.01))
        share = 0.05 * rng.standard_normal(columns)
        share[rng.integers(columns)] = 1.0
        height = settings.artefact_uv * np.exp(rng.normal(0.0, 0.6)) * rng.choice((-1, 1))
        signal[first : first + len(t)] += height * jerk[:, None] * share
