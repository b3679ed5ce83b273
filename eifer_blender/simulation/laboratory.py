"""A session of a simulated subject as a laboratory would have recorded it: raw sEMG with marked tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..electrodes import SITES
from ..muscles import CHANNEL_COUNT, CHANNELS, MUSCLES
from ..recordings.types import Annotation, Channel, Kind, Recording, Stream
from .amplitude import FINE_RATE, Electrodes
from .population import Subject
from .protocol import PROTOCOL, Protocol
from .semg import Lost, Settings, default_source_uv, simulate_semg
from .session import Performance, make_performances

_SIDE_NAMES = ("li", "re")


def recorded_channels(montage: str = "bipolar") -> tuple[Channel, ...]:
    """Channels of a montage of `semg.MONTAGES`, with names as laboratories write them and EDF holds them."""
    if montage == "kuramoto":
        return tuple(Channel(name, "uV", Kind.RAW, site=name) for name in SITES)
    # EDF leaves a label 16 characters, too few for the muscles' full names.
    names = [f"{MUSCLES[i // 2].german} {_SIDE_NAMES[i % 2]}" for i in range(CHANNEL_COUNT)]
    if montage == "bipolar":
        return tuple(Channel(n, "uV", Kind.RAW, c) for n, c in zip(names, CHANNELS, strict=True))
    return tuple(
        Channel(f"{n} {electrode}", "uV", Kind.RAW, c)
        for n, c in zip(names, CHANNELS, strict=True)
        for electrode in (1, 2)
    )


def laboratory_recording(
    subject: Subject,
    performances: Sequence[Performance],
    *,
    montage: str = "bipolar",
    rate: float = 1000.0,
    electrodes: Electrodes | None = None,
    lost: tuple[Lost, ...] = (),
    seed: int = 0,
    protocol: Protocol = PROTOCOL,
) -> Recording:
    """Performances of one subject, one after another, as raw sEMG with an annotation for each.

    montage: one of `semg.MONTAGES`. rate: samples a second. electrodes: as in `session.record`. lost:
    columns whose electrode is loose. The same arguments give the same samples.
    """
    electrodes = electrodes or Electrodes()
    rng = np.random.default_rng([subject.number, seed, 17])
    activity = np.concatenate([p.activity for p in performances])
    bins = np.array([len(p.activity) for p in performances])
    samples = round(len(activity) / FINE_RATE * rate)
    settings = Settings(
        rate=rate,
        montage=montage,
        crosstalk=subject.crosstalk * electrodes.crosstalk,
        snr_db=subject.snr_db if electrodes.snr_db is None else electrodes.snr_db,
        artefacts_per_minute=protocol.artefacts_per_minute,
        low_hz=electrodes.band_hz[0],
        high_hz=electrodes.band_hz[1],
        lost=lost,
    )
    signal = simulate_semg(
        _at_rate(activity, samples, rate),
        int(rng.integers(2**31)),
        settings,
        gain=_gains(subject, montage, electrodes, samples, rng, protocol),
    )
    stream = Stream(recorded_channels(montage), signal, rate)
    return Recording((stream,), _annotations(performances, bins), format="simulated")


def write_session(
    path: Path,
    subject: Subject,
    *,
    kind: str = "mixed",
    seconds: float = 150.0,
    seed: int = 0,
    montage: str = "bipolar",
    rate: float = 1000.0,
    overwrite: bool = False,
) -> Path:
    """Write a session of `session.make_session`, with the same movements, as raw EDF+.

    Raises EiferError if the file exists and `overwrite` is not asked for.
    """
    from ..recordings.edf_write import write_edf

    performances = make_performances(subject, kind=kind, seconds=seconds, seed=seed)
    recording = laboratory_recording(subject, performances, montage=montage, rate=rate, seed=seed)
    return write_edf(path, recording, overwrite=overwrite)


def _at_rate(activity: np.ndarray, samples: int, rate: float) -> np.ndarray:
    """float32 [samples, sources]: activity at FINE_RATE, read between its bins."""
    at = np.arange(samples) * FINE_RATE / rate
    lower = np.minimum(at.astype(np.int64), len(activity) - 1)
    upper = np.minimum(lower + 1, len(activity) - 1)
    share = (at - lower).astype(np.float32)[:, None]
    return activity[lower] * (1 - share) + activity[upper] * share


def _gains(
    subject: Subject,
    montage: str,
    electrodes: Electrodes,
    samples: int,
    rng: np.random.Generator,
    protocol: Protocol,
) -> np.ndarray:
    """float32 [samples, columns]: what skin, fat and contact make of a column, drifting over the session."""
    if montage == "kuramoto":
        start = np.exp(rng.normal(0.0, protocol.electrode_gain_sd, len(SITES)))
    else:
        start = subject.maximum_uv / default_source_uv()[:CHANNEL_COUNT]
    drift_sd = protocol.gain_drift_sd if electrodes.gain_drift is None else electrodes.gain_drift
    end = rng.normal(0.0, drift_sd, len(start))
    gains = start * np.exp(np.linspace(0.0, 1.0, samples)[:, None] * end)
    return (np.repeat(gains, 2, axis=1) if montage == "electrodes" else gains).astype(np.float32)


def _annotations(performances: Sequence[Performance], bins: np.ndarray) -> tuple[Annotation, ...]:
    starts = (np.cumsum(bins) - bins) / FINE_RATE
    return tuple(
        Annotation(float(start), float(count / FINE_RATE), _label(p))
        for p, start, count in zip(performances, starts, bins, strict=True)
    )


def _label(performance: Performance) -> str:
    """What a laboratory would write: a task's name, or what the subject was free to do."""
    mode, task = performance.mode, performance.task
    if mode in ("schaede", "emotion"):
        return task
    return mode if task in ("", "natural") else f"{mode} {task}"
