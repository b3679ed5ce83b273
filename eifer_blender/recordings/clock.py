"""A time column -> an even clock: rate, start, and samples without holes in time."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from .options import is_rate

TIME_UNITS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "sekunden": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "usec": 1e-6,
    "min": 60.0, "minutes": 60.0, "minuten": 60.0, "hr": 3600.0, "h": 3600.0, "ns": 1e-9,
    "millisekunden": 1e-3, "microseconds": 1e-6, "mikrosekunden": 1e-6,
}  # fmt: skip
# Seconds since 1970 (some decades around now) in the units that computers count them in.
_EPOCHS = ((3e8, 1e10, 1.0), (3e11, 1e13, 1e-3), (3e14, 1e16, 1e-6), (3e17, 1e19, 1e-9))
_DAY = 86400.0
_FEW_ROWS = 64
_BURST_S = 0.25  # rows of one transmission may carry the time of its arrival
_JITTER = 0.5  # rows that lie closer than this many steps to the even grid stay as they are


class Clock(NamedTuple):
    """What a time column says."""

    rate: float  # Hz
    start: float  # seconds of the first sample
    samples: np.ndarray  # float32 [n, channels] on the even grid
    seconds: np.ndarray  # float64 [rows], of the rows of the file
    notes: list[str]


def even_clock(
    name: str, time: np.ndarray, unit: str, samples: np.ndarray, lines_above: int, stated: float | None = None
) -> Clock:
    """Clock of rows with a time each; times since 1970 and times of day begin at 0.

    Rows that are missing become NaN, uneven sampling is interpolated, and the notes say so. `stated` is
    the rate in Hz that the file names elsewhere: the times are believed rather than it, but where they
    agree and only come in bursts it is the better one. Raises EiferError if time does not rise.
    """
    notes: list[str] = []
    known = np.isfinite(time)
    if known.sum() < 2:
        raise EiferError(
            f"'{name}' has fewer than two rows with a time; check the time column or leave it out."
        )
    rows = np.arange(len(time))
    every = time if known.all() else np.interp(rows, rows[known], time[known])
    if not known.all():
        notes.append(f"{int((~known).sum())} rows without a time were left out.")
        time, samples = time[known], samples[known]
    steps = np.diff(time)
    back = steps < 0
    if back.any() or time[-1] == time[0]:
        line = lines_above + int(rows[known][int(np.argmax(back)) + 1]) + 1
        raise EiferError(
            f"The time in '{name}' does not rise at line {line}; correct it, or read the file without its "
            "time column and give the rate."
        )
    step = _step(time, steps)
    factor, origin, unit_notes = _unit(unit, time, step)
    notes += unit_notes
    every = (every - origin) * factor
    start = float(time[0] - origin) * factor
    for rate in (stated, _coarse_rate(time, steps, factor)):
        if rate and _only_bursts(time, factor, rate):
            return Clock(rate, start, samples, every, notes)
    position = (time - time[0]) / step
    jitter = float(np.abs(position - np.round(position)).max())
    rate = _tidy(1.0 / (step * factor), 2 * jitter / float(position[-1]))
    if not is_rate(rate):
        raise EiferError(
            f"The time in '{name}' means a rate of {rate:.3g} Hz, which cannot be; check its unit."
        )
    if stated and abs(rate - stated) > 0.02 * stated:
        notes.append(
            f"The header says {stated:g} Hz, the time column {rate:g} Hz; the time column was believed."
        )
    if np.any(np.abs(position - np.arange(len(position))) >= _JITTER):
        count = round(float(position[-1])) + 1
        if count > 4 * len(time) + 1000:
            raise EiferError(
                f"The time in '{name}' has gaps far longer than its data; split the file at the gaps."
            )
        samples = _onto_grid(position, samples, count, notes)
    return Clock(rate, start, samples, every, notes)


def _unit(unit: str, time: np.ndarray, step: float) -> tuple[float, float, list[str]]:
    """(seconds per unit, time that becomes 0, notes)."""
    factor = TIME_UNITS.get(unit.strip("[]() ").lower())
    if unit == CLOCK_UNIT:
        return 1.0, float(time[0]), []
    for low, high, seconds in _EPOCHS:
        if low <= time[0] < high and (factor in (None, seconds)) and 1e-6 <= step * seconds <= 100:
            return seconds, float(time[0]), []
    if factor is not None:
        return factor, 0.0, []
    if 30_000 < time[0] < 80_000 and step < 1e-6 * 1.5:  # days since 1900, as spreadsheets count
        return _DAY, float(time[0]), []
    factor = 1.0 if step < 0.2 else 1e-3 if step < 100 else 1e-6
    label = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds"}[factor]
    return factor, 0.0, [f"The time column names no unit and was read as {label}."]


def _coarse_rate(time: np.ndarray, steps: np.ndarray, factor: float) -> float | None:
    """Rate in Hz of times that were rounded until neighbours coincide; None if none do."""
    if np.all(steps > 0) or len(time) < _FEW_ROWS:
        return None
    width = max(16, len(time) // 50)
    spans = np.diff(time[::width])
    usual = np.abs(spans - np.median(spans)) <= 0.25 * np.median(spans)  # the others span a gap
    if not usual.any() or spans[usual].sum() <= 0:
        return None
    rate = width * usual.sum() / (spans[usual].sum() * factor)
    if usual.all():
        rate = (len(time) - 1) / ((time[-1] - time[0]) * factor)
    return _tidy(rate, 2 * float(steps.max()) / float(time[-1] - time[0]))


def _only_bursts(time: np.ndarray, factor: float, stated: float) -> bool:
    """Whether times wander about an even clock of the stated rate, as after a radio link."""
    seconds = (time - time[0]) * factor
    even = np.arange(len(time)) / stated
    steps = np.diff(seconds)
    uneven = np.mean(np.abs(steps * stated - 1) > 0.5) > 0.2 or np.mean(steps == 0) > 0.01
    alike = abs(seconds[-1] - even[-1]) < 0.02 * even[-1] + 2 * steps.max()
    return bool(uneven and alike and np.abs(seconds - even).max() < _BURST_S)


def _step(time: np.ndarray, steps: np.ndarray) -> float:
    """Typical time from row to row, gaps left out.

    Times that were rounded until neighbours coincide are averaged, the others may not be: a lost
    row here and there must not stretch the step.
    """
    middle = float(np.median(steps[steps > 0]))
    limit = 1.5 if np.all(steps > 0) else 5.0
    mean = float(steps[steps < limit * middle].mean())
    overall = float(time[-1] - time[0]) / len(steps)
    return overall if abs(overall - mean) < 1e-3 * mean else mean


def _onto_grid(position: np.ndarray, samples: np.ndarray, count: int, notes: list[str]) -> np.ndarray:
    """Samples at the whole positions 0 ... count - 1; NaN where the nearest row is far away."""
    result = np.empty((count, samples.shape[1]), dtype=np.float32)
    missing = 0
    size = max(1000, 4_000_000 // max(1, samples.shape[1]))
    for begin in range(0, count, size):
        grid = np.arange(begin, min(begin + size, count), dtype=np.float64)
        after = np.clip(np.searchsorted(position, grid), 1, len(position) - 1)
        left, right = position[after - 1], position[after]
        share = np.clip((grid - left) / np.maximum(right - left, 1e-9), 0.0, 1.0)[:, None].astype(np.float32)
        part = samples[after - 1] * (1 - share) + samples[after] * share
        near = np.minimum(np.abs(grid - left), np.abs(right - grid)) < 0.75
        part[~((right - left < 1.9) | near)] = np.nan
        missing += int(np.isnan(part).all(1).sum()) if part.size else 0
        result[begin : begin + len(grid)] = part
    notes.append(
        f"The rows are not evenly spaced in time: put on an even grid, {missing} missing rows."
        if missing
        else "The rows are not evenly spaced in time and were put on an even grid."
    )
    return result


def _tidy(rate: float, doubt: float) -> float:
    """A measured rate that is a whole number within its relative doubt becomes that number."""
    whole = round(rate)
    return (
        float(whole)
        if whole and rate > 5 and abs(rate - whole) <= min(max(doubt, 1e-6), 2e-3) * whole
        else rate
    )


CLOCK_UNIT = "clock"  # of `clock_seconds`: seconds since some midnight
_CLOCK = re.compile(
    r"(?:(?P<a>\d{1,4})[-./](?P<b>\d{1,2}|[A-Za-z]{3})[-./](?P<c>\d{1,4})[T ,;_]{1,2})?"
    r"(?P<h>\d{1,3}):(?P<m>\d{1,2})(?::(?P<s>\d{1,2})(?:[.,:](?P<f>\d{1,9}))?)?"
    r"\s?(?P<half>[AaPp][Mm])?\s?(?:Z|UTC|[+-]\d\d:?\d\d)?"
)
_MONTHS = {m: i + 1 for i, m in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split())} | {
    "mai": 5, "okt": 10, "dez": 12, "mrz": 3, "mär": 3,
}  # fmt: skip


def clock_seconds(words: np.ndarray) -> np.ndarray | None:
    """Seconds [n] of a column of clock times or dates with times (bytes [n]); None if it is something else.

    Understood are ``12:03:04.250`` and it after ``2024-05-31``, ``31.05.2024``, ``5/31/2024`` or
    ``31-May-2024``. Dates count from that of the first row, and a clock goes on past midnight.
    """
    if len(words) == 0:
        return None
    first = next((w for w in words[:1000].tolist() if w.strip()), b"")
    found = _CLOCK.fullmatch(first.decode("latin-1").strip())
    if not found:
        return None
    sample = [w for w in words[:: max(1, len(words) // 200)].tolist() if w.strip()]
    if not all(_CLOCK.fullmatch(w.decode("latin-1").strip()) for w in sample):
        return None
    seconds = _same_layout(words, found)
    if seconds is None:
        seconds = np.array([_one_clock(w) for w in words.tolist()])
    if found["a"] is None:
        past = np.diff(np.where(np.isfinite(seconds), seconds, 0.0), prepend=seconds[0]) < -_DAY / 2
        seconds += _DAY * np.cumsum(past)
    return seconds


def _same_layout(words: np.ndarray, found: re.Match[str]) -> np.ndarray | None:
    """Seconds of clock times that are all written with the first one's number of characters, or None."""
    width = len(found.string)
    letters = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1)
    if letters.shape[1] != width or found["half"] or (found["b"] or "0").isalpha():
        return None
    digits = letters.astype(np.int64) - ord("0")
    is_digit = np.array([c.isdigit() for c in found.string])
    inside = (digits >= 0) & (digits <= 9)
    if not np.all(inside == is_digit):
        return None

    def number(group: str) -> np.ndarray | int:
        if found[group] is None:
            return 0
        a, b = found.span(group)
        return digits[:, a:b] @ 10 ** np.arange(b - a - 1, -1, -1)

    date = number("a"), number("b"), number("c")
    seconds = number("h") * 3600.0 + number("m") * 60.0 + number("s")
    if found["f"]:
        seconds = seconds + number("f") / 10.0 ** len(found["f"])
    if found["a"] is None:
        return seconds
    if len(found["a"]) == 4:
        year, month, day = date
    elif "/" in found.string:  # as in the United States
        month, day, year = date
    else:
        day, month, year = date
    days = _days(np.asarray(year), np.asarray(month), np.asarray(day))
    return seconds + (days - days[0]) * _DAY


def _days(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01 of the Gregorian calendar."""
    months = (year.astype(np.int64) - 1970) * 12 + np.clip(month, 1, 12) - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1


def _one_clock(word: bytes) -> float:
    """Seconds of one clock time, NaN if it is none; days since 1970 count too."""
    found = _CLOCK.fullmatch(word.decode("latin-1").strip())
    if not found:
        return float("nan")
    hour = int(found["h"])
    if found["half"]:
        hour = hour % 12 + 12 * (found["half"].lower() == "pm")
    seconds = hour * 3600.0 + int(found["m"]) * 60.0 + int(found["s"] or 0)
    if found["f"]:
        seconds += int(found["f"]) / 10.0 ** len(found["f"])
    if found["a"] is None:
        return seconds
    a, b, c = found["a"], found["b"], found["c"]
    if len(a) == 4:
        year, month, day = a, b, c
    elif "/" in found.string:
        year, month, day = c, a, b
    else:
        year, month, day = c, b, a
    month = str(_MONTHS.get(month.lower(), 1)) if month.isalpha() else month
    days = _days(np.array(int(year)), np.array(int(month)), np.array(int(day)))
    return seconds + float(days) * _DAY
