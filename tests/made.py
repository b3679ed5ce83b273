"""What several test files share: simulated raw sEMG, recordings of it, and the sentence of a refusal."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import signal

from eifer_blender.errors import EiferError
from eifer_blender.recordings import Channel, Kind, Recording, Stream, open_recording


def said(path, **options):
    """The one sentence with which a file is refused."""
    with pytest.raises(EiferError) as error:
        open_recording(path, **options)
    text = str(error.value)
    assert re.fullmatch(r"[^\n]+\.", text), text
    return text


def semg(n, rate, active=(), level=2.0, high=60.0, seed=0):
    """Raw sEMG of one channel in microvolts: band-limited noise, louder in the `active` seconds."""
    rng = np.random.default_rng(seed)
    top = min(450, 0.45 * rate)
    x = signal.sosfilt(signal.butter(2, [25, top], "bandpass", fs=rate, output="sos"), rng.normal(size=n))
    amplitude = np.full(n, level)
    for start, end in active:
        amplitude[int(start * rate) : int(end * rate)] = high
    return (x / x.std() * amplitude).astype(np.float32)


def recording(columns, rate=2000.0, kind=Kind.RAW, start=0.0, unit="uV"):
    """A recording from {channel: samples}."""
    channels = tuple(Channel(f"EMG {name}", unit, kind, name) for name in columns)
    samples = np.stack(list(columns.values()), 1).astype(np.float32)
    return Recording((Stream(channels, samples, rate, start),))


def one(x, **options):
    return recording({"zygomaticus_l": x}, **options)
