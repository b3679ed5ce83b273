"""Times of rows -> one frame rate: which rows are missing, and where the rows lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .clip import MOST_FRAMES, RATES

_MOST_TURNED_BACK = 0.1  # share of rows whose time does not increase, which are left out
_LONGEST_GAP = 60.0  # seconds without rows that still belong to one animation
_USUAL = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0, 120.0)
_NEAR = 1e-4  # share by which a rate may miss a usual one: 0.3 s an hour
_ALIKE = 0.2  # share by which steps may differ from the median that are means of one step
_JITTER = 0.05  # of a frame
_LONG = 2.5  # frames
_UNITS = (1.0, 1e-3, 1e-6, 1e-9)  # seconds, milli-, micro-, nanoseconds


class Clock(NamedTuple):
    """What the times of rows say."""

    fps: float | None  # None: nothing
    start_s: float = 0.0
    rows: np.ndarray | None = None  # rows that count; None: every one is a frame
    at: np.ndarray | None = None  # float64, frames at which they lie; None: each at its own number
    notes: tuple[str, ...] = ()

    def place(self, values: np.ndarray) -> np.ndarray:
        """float32 [frames, columns]: values [rows, columns] at even frames, lines between rows."""
        if self.rows is not None:
            values = values[self.rows]
        if self.at is None:
            return values
        frames = np.arange(round(self.at[-1]) + 1)
        after = np.clip(np.searchsorted(self.at, frames, side="left"), 1, len(self.at) - 1)
        share = (frames - self.at[after - 1]) / (self.at[after] - self.at[after - 1])
        share = np.clip(share, 0.0, 1.0).astype(np.float32)[:, None]
        return values[after - 1] + share * (values[after] - values[after - 1])


def read_times(times: np.ndarray | None, tick: float | None = None) -> Clock:
    """The frame rate of rows at `times` [n] seconds (NaN where unknown), and how to make them even.

    tick: seconds of one frame, where the file says it.
    """
    if times is None or np.isfinite(times).sum() < 2:
        return Clock(None)
    known = np.flatnonzero(np.isfinite(times))
    rising = known[_record_highs(times[known])]
    if len(rising) < 2 or len(rising) < (1 - _MOST_TURNED_BACK) * len(times):
        return Clock(None, notes=("The times of the rows do not increase and were ignored.",))
    t = times[rising]
    steps = np.diff(t)
    usual = _usual(steps) if tick is None else tick
    if usual * RATES[1] < 0.5:
        return Clock(None, notes=("The times of the rows lie too close together and were ignored.",))
    counts = _counts(steps, usual)
    if steps.max() > _LONGEST_GAP or counts.sum() >= MOST_FRAMES:
        fps = _tidy(1.0 / usual)
        gap = f"The times jump by {steps.max():.6g} s, so the rows count one after another."
        return Clock(fps, float(t[0]), notes=(gap,)) if RATES[0] <= fps <= RATES[1] else Clock(None)
    fps = _tidy(counts.sum() / (t[-1] - t[0]))
    if not RATES[0] <= fps <= RATES[1]:
        return Clock(None, notes=(f"The times say {fps:.3g} frames a second and were ignored.",))
    return _placed(t, fps, counts, rising, len(times))


def _placed(t: np.ndarray, fps: float, counts: np.ndarray, rising: np.ndarray, rows: int) -> Clock:
    at = (t - t[0]) * fps
    notes = []
    if lost := rows - len(rising):
        notes.append(f"Left out {counted(lost, 'row')} without a later time than the row before.")
    if missing := int(counts.sum()) - (len(t) - 1):
        notes.append(f"Bridged {counted(missing, 'missing frame')}.")
    even = not missing and np.abs(at - np.arange(len(t))).max() < 0.5
    if not even and not missing:
        notes.append("The rows are not evenly spaced in time and were interpolated.")
    return Clock(fps, float(t[0]), rising if lost else None, None if even else at, tuple(notes))


def _usual(steps: np.ndarray) -> float:
    """Seconds from row to row: the mean of the steps next to the median, which times may round."""
    median = np.sort(steps)[len(steps) // 2]
    return float(steps[np.abs(steps - median) <= _ALIKE * median].mean())


def _counts(steps: np.ndarray, usual: float) -> np.ndarray:
    """Frames of each step. Where rows jitter, a long step need not be a missing row."""
    counts = np.maximum(np.rint(steps / usual), 1.0)
    if np.median(np.abs(steps / usual - counts)) > _JITTER:
        counts[steps < _LONG * usual] = 1.0
    return counts


def seconds(times: np.ndarray, title: str) -> np.ndarray:
    """Times in a unit that the title names or the rows give away, as seconds."""
    steps = np.diff(times[np.isfinite(times)])
    steps = steps[steps > 0]
    if not len(steps):
        return times
    if any(mark in title.casefold() for mark in ("msec", "(ms", "[ms", "_ms", "millis")):
        return times * 1e-3
    usual = float(np.median(steps))
    unit = next((u for u in _UNITS if RATES[0] <= 1.0 / (usual * u) <= RATES[1]), 1.0)
    return times * unit


def counted(number: int, what: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _record_highs(t: np.ndarray) -> np.ndarray:
    """Indices of values above all before them."""
    before = np.concatenate([[-np.inf], np.maximum.accumulate(t)[:-1]])
    return np.flatnonzero(t > before)


def _tidy(fps: float) -> float:
    """A rate next to a usual one is that one."""
    nearest = min(_USUAL, key=lambda usual: abs(usual - fps))
    return nearest if abs(nearest - fps) <= _NEAR * fps else round(fps, 4)
