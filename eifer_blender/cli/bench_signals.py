"""The chain from raw sEMG to envelopes beside the same chain in MNE; runs in the `peers` environment.

Both get the same EDF file and the same filters: a notch at 50 Hz with Q = 30 and a Butterworth
band-pass 20-450 Hz of order 4, forward and backward, then the RMS in windows of 100 ms at 30 frames
a second. Every contender runs in its own process on one thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from .bench import Row
from .bench_recordings import CHANNELS, MINUTES, RATE, measure, write_long_edf

FPS = 30.0
WINDOW_S = 0.1
NOTCH_HZ, NOTCH_Q = 50.0, 30.0
LOW_HZ, HIGH_HZ, ORDER = 20.0, 450.0, 4
AGREEMENT = 1e-4  # largest difference of the envelopes over their RMS
ENDS_S = 4.0  # both reflect the signal at its ends, but not the same signal


def run() -> list[Row]:
    """The rows of the table. Raises RuntimeError if the envelopes are not equal."""
    name = f"{CHANNELS} channels, {RATE} Hz"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.edf"
        write_long_edf(path, MINUTES * 60)
        chains = {who: measure(f"{__name__}:{who}_chain", path) for who in ("ours", "mne")}
        difference = _difference(path)
        files = {who: measure(f"{__name__}:{who}_file", path, repeats=1) for who in ("ours", "mne")}
        path.unlink()
        hour = Path(folder) / "hour.edf"
        write_long_edf(hour, 3600)
        long = measure(f"{__name__}:ours_file", hour, repeats=1)
    ours, peer = chains["ours"], chains["mne"]
    rows = [
        Row(
            f"Filter and envelope, {MINUTES} min, {name}",
            f"{ours.seconds:.2f} s",
            f"samples float32 in memory, filters {ours.answer}; envelopes within {difference:.0e} of MNE's",
        ),
        Row(
            "The same in MNE",
            f"{peer.seconds:.2f} s",
            f"float64 in memory; {peer.seconds / ours.seconds:.1f} times as long",
        ),
        Row(
            "The same from the file, peak memory",
            f"{files['ours'].peak_mib:.0f} MiB",
            f"opened and processed in {files['ours'].seconds:.1f} s, read in blocks",
        ),
        Row(
            "The same from the file in MNE",
            f"{files['mne'].peak_mib:.0f} MiB",
            f"loaded and processed in {files['mne'].seconds:.1f} s; "
            f"{files['mne'].peak_mib / files['ours'].peak_mib:.1f} times the memory",
        ),
        Row(
            f"One hour from the file, {name}", f"{long.seconds:.1f} s", f"peak memory {long.peak_mib:.0f} MiB"
        ),
    ]
    return rows


def _difference(path: Path) -> float:
    """Largest difference of both envelopes over the RMS of each channel, away from the ends."""
    ours, peer = np.load(_answer(path, "ours")), np.load(_answer(path, "mne"))
    inner = slice(int(ENDS_S * FPS), -int(ENDS_S * FPS))
    rms = np.sqrt(np.mean(peer.astype(np.float64) ** 2, axis=0))
    difference = float((np.abs(ours - peer)[inner] / rms).max())
    if not difference < AGREEMENT:
        raise RuntimeError(f"the envelopes differ by {difference:.1e}")
    return difference


def _answer(path: Path, who: str) -> Path:
    return path.with_name(f"{path.stem}.{who}.npy")


def _frame_times(rows: int, rate: float) -> np.ndarray:
    return np.arange(int(rows / rate * FPS)) / FPS


# Contenders: prepare, then return the job.


def ours_chain(path: str) -> Callable[[], object]:
    """`signals.envelopes` of samples in memory."""
    import scipy.signal  # noqa: F401

    samples = np.asarray(_open(path))
    return lambda: _ours(samples, path)


def ours_file(path: str) -> Callable[[], object]:
    """Open the file and compute the envelopes from it."""
    import edfio  # noqa: F401
    import scipy.signal  # noqa: F401

    from .. import recordings, signals  # noqa: F401

    return lambda: _ours(_open(path), path)


def _open(path: str) -> object:
    from ..recordings import open_recording

    return open_recording(path).streams[0].samples


def _ours(samples: object, path: str) -> str:
    from ..signals import PRESETS, envelopes, filter_blocks

    settings = replace(
        PRESETS["Animation"],
        mains_hz=NOTCH_HZ,
        notch_q=NOTCH_Q,
        low_hz=LOW_HZ,
        high_hz=HIGH_HZ,
        order=ORDER,
        window_ms=WINDOW_S * 1e3,
    )
    found = envelopes(samples, RATE, settings, _frame_times(len(samples), RATE))
    np.save(_answer(Path(path), "ours"), found)
    _, block = next(filter_blocks(samples[: 10 * RATE], RATE, settings))
    return str(block.dtype)


def mne_chain(path: str) -> Callable[[], object]:
    """MNE's notch and band-pass on data in memory, then the envelope."""
    raw = _mne_raw(path)
    return lambda: _mne(raw, path)


def mne_file(path: str) -> Callable[[], object]:
    """Load the file with MNE and do the same."""
    import mne  # noqa: F401
    import scipy.signal  # noqa: F401

    return lambda: _mne(_mne_raw(path), path)


def _mne_raw(path: str) -> object:
    import mne

    mne.set_log_level("error")
    return mne.io.read_raw_edf(path, preload=True)


def _mne(raw: object, path: str) -> str:
    from scipy import signal

    rate = raw.info["sfreq"]
    notch = signal.tf2sos(*signal.iirnotch(NOTCH_HZ, NOTCH_Q, fs=rate))
    raw.notch_filter([NOTCH_HZ], method="iir", iir_params={"sos": notch, "output": "sos"})
    raw.filter(LOW_HZ, HIGH_HZ, method="iir", iir_params={"order": ORDER, "ftype": "butter", "output": "sos"})
    rows = raw.n_times
    times = _frame_times(rows, rate)
    edges = np.clip((times[:, None] + [-WINDOW_S / 2, WINDOW_S / 2]) * rate + 0.5, 0, rows)
    whole = np.minimum(edges.astype(np.int64), rows - 1)
    running = np.empty(rows + 1)
    envelope = np.empty((len(times), len(raw.ch_names)), dtype=np.float32)
    for k in range(envelope.shape[1]):
        power = raw.get_data(picks=[k])[0] ** 2
        running[0] = 0.0
        np.cumsum(power, out=running[1:])
        integral = running[whole] + (edges - whole) * power[whole]
        envelope[:, k] = 1e6 * np.sqrt((integral[:, 1] - integral[:, 0]) / (edges[:, 1] - edges[:, 0]))
    np.save(_answer(Path(path), "mne"), envelope)
    return "float64"


if __name__ == "__main__":
    for row in run():
        print(*row, sep=" | ")
