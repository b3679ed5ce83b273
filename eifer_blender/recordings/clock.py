"""A time column -> an even clock: rate, start, and samples without holes in time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import EiferError

TIME_UNITS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "sekunden": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "usec": 1e-6,
    "min": 60.0, "minutes": 60.0, "hr": 3600.0,
}  # fmt: skip
_JITTER = 0.5  # rows that lie closer than this many steps to the even grid stay as they are


class Clock(NamedTuple):
    """What a time column says."""

    rate: float  # Hz
    start: float  # seconds of the first sample
    samples: np.ndarray  # float32 [n, channels] on the even grid
    seconds: np.ndarray  # float64 [rows], of the rows of the file
    notes: list[str]


def even_clock(name: str, time: np.ndarray, unit: str, samples: np.ndarray, lines_above: int) -> Clock:
    """Clock of rows with a time each.

    Rows that are missing become NaN, uneven sampling is interpolated, and the notes say so. Raises
    EiferError if time does not rise.
    """
    notes: list[str] = []
    known = np.isfinite(time)
    if known.sum() < 2:
        raise EiferError(
            f"'{name}' has fewer than two rows with a time; check the time column or leave it out."
        )
    rows = np.arange(len(time))
    every = np.interp(rows, rows[known], time[known])
    if not known.all():
        notes.append(f"{int((~known).sum())} rows without a time were left out.")
        time, samples = time[known], samples[known]
    back = np.diff(time) < 0
    if back.any() or time[-1] == time[0]:
        line = lines_above + int(rows[known][int(np.argmax(back)) + 1]) + 1
        raise EiferError(
            f"The time in '{name}' does not rise at line {line}; correct it, or read the file without its "
            "time column and give the rate."
        )
    step = _step(time)
    factor = TIME_UNITS.get(unit.strip("[]() ").lower())
    if factor is None:
        factor = 1.0 if step < 0.2 else 1e-3 if step < 100 else 1e-6
        label = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds"}[factor]
        notes.append(f"The time column names no unit and was read as {label}.")
    rate = _tidy(1.0 / (step * factor))
    if not 0.01 <= rate <= 1e6:
        raise EiferError(
            f"The time in '{name}' means a rate of {rate:.3g} Hz, which cannot be; check its unit."
        )
    position = (time - time[0]) / step
    if np.any(np.abs(position - np.arange(len(position))) >= _JITTER):
        count = round(float(position[-1])) + 1
        if count > 4 * len(time) + 1000:
            raise EiferError(
                f"The time in '{name}' has gaps far longer than its data; split the file at the gaps."
            )
        samples = _onto_grid(position, samples, count, notes)
    return Clock(rate, float(time[0]) * factor, samples, every * factor, notes)


def _step(time: np.ndarray) -> float:
    """Typical time from row to row, gaps left out.

    Times that were rounded until neighbours coincide are averaged, the others may not be: a lost
    row here and there must not stretch the step.
    """
    steps = np.diff(time)
    middle = float(np.median(steps[steps > 0]))
    limit = 1.5 if np.all(steps > 0) else 5.0
    mean = float(steps[steps < limit * middle].mean())
    overall = float(time[-1] - time[0]) / len(steps)
    return overall if abs(overall - mean) < 1e-3 * mean else mean


def _onto_grid(position: np.ndarray, samples: np.ndarray, count: int, notes: list[str]) -> np.ndarray:
    """Samples at the whole positions 0 ... count - 1; NaN where the nearest row is far away."""
    grid = np.arange(count, dtype=np.float64)
    after = np.clip(np.searchsorted(position, grid), 1, len(position) - 1)
    left, right = position[after - 1], position[after]
    share = np.clip((grid - left) / np.maximum(right - left, 1e-9), 0.0, 1.0)[:, None].astype(np.float32)
    result = samples[after - 1] * (1 - share) + samples[after] * share
    near = np.minimum(np.abs(grid - left), np.abs(right - grid)) < 0.75
    result[~((right - left < 1.9) | near)] = np.nan
    missing = int(np.isnan(result).all(1).sum()) if result.size else 0
    notes.append(
        f"The rows are not evenly spaced in time: put on an even grid, {missing} missing rows."
        if missing
        else "The rows are not evenly spaced in time and were put on an even grid."
    )
    return result.astype(np.float32)


def _tidy(rate: float) -> float:
    """A measured rate that is a whole number but for rounding becomes that number."""
    whole = round(rate)
    return float(whole) if whole and abs(rate - whole) < 2e-3 * whole and rate > 5 else rate
