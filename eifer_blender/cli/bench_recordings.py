"""How fast recordings open, beside what laboratories use; runs where these packages are (`peers`).

Every contender runs in a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .bench import Row
from .environments import CHECKOUT

CHANNELS = 44
RATE = 4096
MINUTES = 10
TABLE_CHANNELS, TABLE_RATE, TABLE_MINUTES = 22, 1000, 5
_POOL = 16  # different seconds of signal that a long file is made of


class Measured(NamedTuple):
    """What one contender took."""

    seconds: float
    peak_mib: float  # resident memory at its peak, above that after the imports
    answer: object  # what it computed, to see that all did the same


def write_long_edf(path: Path, seconds: int, channels: int = CHANNELS, rate: int = RATE) -> None:
    """An EDF file of noise that swells and fades, with 50 Hz hum and drift; written second by second."""
    import edfio

    rng = np.random.default_rng(0)
    blank = [
        edfio.EdfSignal(
            np.zeros(rate),
            rate,
            label=f"EMG {i + 1}",
            physical_dimension="uV",
            physical_range=(-3276.8, 3276.7),
            digital_range=(-32768, 32767),
        )
        for i in range(channels)
    ]
    header = bytearray(edfio.Edf(blank, data_record_duration=1).to_bytes()[: 256 * (channels + 1)])
    header[236:244] = f"{seconds:<8d}".encode()
    time_s = np.arange(rate) / rate
    wave = 80 * np.sin(2 * np.pi * 50 * time_s) + 300 * np.sin(2 * np.pi * 0.5 * time_s)
    noise = [rng.standard_normal((channels, rate)) * 20 + wave for _ in range(_POOL)]
    loud = [20 + 400 * np.sin(np.pi * k / 7) ** 8 for k in range(7)]
    with path.open("wb") as file:
        file.write(header)
        for second in range(seconds):
            record = noise[second % _POOL] + loud[second % 7] * noise[(second + 5) % _POOL] / 20
            file.write(np.clip(record, -32768, 32767).astype("<i2").tobytes())


def write_table(path: Path, seconds: int, *, german: bool = False) -> None:
    """A CSV with a time column, as an amplifier's software exports it; `german` has ; and decimal commas."""
    import pandas as pd

    rng = np.random.default_rng(0)
    values = rng.standard_normal((seconds * TABLE_RATE, TABLE_CHANNELS)) * 40
    frame = pd.DataFrame(values, columns=[f"EMG {i + 1}" for i in range(TABLE_CHANNELS)])
    frame.insert(0, "Time (s)", np.arange(len(frame)) / TABLE_RATE)
    marks = {"sep": ";", "decimal": ","} if german else {}
    frame.to_csv(path, index=False, float_format="%.6g", **marks)


def measure(contender: str, *arguments: object, repeats: int = 2) -> Measured:
    """Run a function `module:name` with text arguments in a child process; the fastest of some runs."""
    code = f"import {__name__} as bench; bench.child({contender!r}, {[str(a) for a in arguments]!r})"
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    runs = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=CHECKOUT,
            env={**os.environ, **threads},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{contender} failed: {done.stderr[-2000:]}")
        runs.append(Measured(*json.loads(done.stdout.splitlines()[-1])))
    return min(runs, key=lambda run: run.seconds)


def child(contender: str, arguments: list[str]) -> None:
    """In the child: import, run, and print what it took as JSON.

    A function may return a second function, which is what is timed; it imports and prepares before.
    """
    module, _, name = contender.partition(":")
    job: Callable[[], object] = getattr(importlib.import_module(module), name)(*arguments)
    before = _peak_mib()
    start = time.perf_counter()
    answer = job()
    print(json.dumps([time.perf_counter() - start, _peak_mib() - before, answer]))


def _peak_mib() -> float:
    """Largest resident memory so far; getrusage would also count the parent before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    scale = 1 if sys.platform == "darwin" else 1024  # kilobytes but on a Mac
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**20


# Contenders: prepare, then return the job.


def ours_open(path: str) -> Callable[[], object]:
    """`open_recording`: header, annotations, names, kinds, units, SHA-256."""
    from ..recordings import edf, open_recording  # noqa: F401

    return lambda: len(open_recording(path).streams[0].channels)


def ours_read(path: str) -> Callable[[], object]:
    """Open and read every sample once, in blocks."""
    from ..recordings import blocks, edf, open_recording  # noqa: F401

    def job() -> float:
        samples = open_recording(path).streams[0].samples
        return float(
            sum(np.abs(block[::997]).sum(dtype=np.float64) for _, block in blocks.blocks(samples, 65536))
        )

    return job


def pyedflib_open(path: str) -> Callable[[], object]:
    """Header only."""
    import pyedflib

    def job() -> int:
        with pyedflib.EdfReader(path) as file:
            return file.signals_in_file

    return job


def pyedflib_read(path: str) -> Callable[[], object]:
    """Every signal as float64, one at a time."""
    import pyedflib

    def job() -> int:
        with pyedflib.EdfReader(path) as file:
            return sum(len(file.readSignal(i)) for i in range(file.signals_in_file))

    return job


def mne_open(path: str) -> Callable[[], object]:
    """Header only."""
    import mne

    mne.set_log_level("ERROR")
    mne.io.read_raw_edf  # noqa: B018 - MNE imports its parts when they are first named
    return lambda: len(mne.io.read_raw_edf(path, preload=False).ch_names)


def mne_read(path: str) -> Callable[[], object]:
    """Every sample as float64 in memory."""
    import mne

    mne.set_log_level("ERROR")
    mne.io.read_raw_edf  # noqa: B018
    return lambda: int(mne.io.read_raw_edf(path, preload=True).n_times)


def ours_table(path: str) -> Callable[[], object]:
    """`open_recording` of a text table, everything included."""
    from ..recordings import open_recording, table  # noqa: F401

    return lambda: list(open_recording(path).streams[0].samples.shape)


def pandas_table(path: str, german: str) -> Callable[[], object]:
    """pandas' C engine, numbers only."""
    import pandas as pd

    marks = {"sep": ";", "decimal": ","} if german == "True" else {}
    return lambda: list(pd.read_csv(path, engine="c", **marks).shape)


def run() -> list[Row]:
    """The rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_edf_rows(Path(folder)), *_table_rows(Path(folder))]


def _edf_rows(folder: Path) -> list[Row]:
    path = folder / "long.edf"
    write_long_edf(path, MINUTES * 60)
    what = f"EDF of {MINUTES} min x {CHANNELS} channels x {RATE} Hz"
    found = {name: measure(f"{__name__}:{name}", path) for name in (
        "ours_open", "pyedflib_open", "mne_open", "ours_read", "pyedflib_read", "mne_read")}  # fmt: skip
    return [
        Row(
            f"Open an {what}",
            _ms(found["ours_open"]),
            f"SHA-256 of {path.stat().st_size / 1e6:.0f} MB included; header alone: pyEDFlib "
            f"{_ms(found['pyedflib_open'])}, MNE {_ms(found['mne_open'])}",
        ),
        Row(
            "Open it and read all samples",
            f"{found['ours_read'].seconds:.2f} s, {found['ours_read'].peak_mib:.0f} MiB",
            f"in blocks; pyEDFlib {_cost(found['pyedflib_read'])}, MNE {_cost(found['mne_read'])}",
        ),
    ]


def _table_rows(folder: Path) -> list[Row]:
    lines = []
    for german in (False, True):
        path = folder / "table.csv"
        write_table(path, TABLE_MINUTES * 60, german=german)
        ours = measure(f"{__name__}:ours_table", path, repeats=3)
        peer = measure(f"{__name__}:pandas_table", path, german, repeats=3)
        kind = "; and decimal commas" if german else "commas"
        lines.append(
            Row(
                f"Open a CSV of {TABLE_MINUTES} min x {TABLE_CHANNELS} channels x {TABLE_RATE} Hz, {kind}",
                f"{ours.seconds:.2f} s, {ours.peak_mib:.0f} MiB",
                f"pandas' C engine {_cost(peer)}: {ours.seconds / peer.seconds:.2f} times as long",
            )
        )
    return lines


def _cost(found: Measured) -> str:
    return f"{found.seconds:.2f} s, {found.peak_mib:.0f} MiB"


def _ms(found: Measured) -> str:
    return f"{found.seconds * 1000:.0f} ms"
