"""Muscle activity over time: a strip for each muscle, the left side upwards and the right side downwards.

So a symmetric movement is a mirrored shape, and any asymmetry shows at once. What was measured is a filled
area, what was estimated a line with its 80 % band.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..agreement import BAND
from ..muscles import CHANNELS, MUSCLES, SIDES, TOP_TO_BOTTOM
from .shapes import Area, Box, Drawing, Line, Text
from .theme import Theme

ACTIVE = 0.1  # a muscle that never gets here is left out where only active ones are wanted

_LABEL, _RIGHT, _HEAD, _FOOT = 64.0, 12.0, 22.0, 18.0  # margins in pixels at scale 1
_TEXT, _SMALL = 11.0, 9.5
_FEWEST_PIXELS = 70.0  # between two ticks
_STEPS = (1, 2, 5)


class StripData(NamedTuple):
    """What strips show; arrays are [n, 22] over the frames start_frame .. start_frame + n - 1."""

    fps: float
    start_frame: int
    measured: np.ndarray | None = None  # 0..1, NaN where nothing was recorded
    estimated: np.ndarray | None = None  # 0..1, NaN where nothing is told
    sd: np.ndarray | None = None  # of the estimate
    hidden: tuple[str, ...] = ()  # channels that a face does not show
    muted: tuple[str, ...] = ()  # channels that were recorded and left out
    doubtful: tuple[str, ...] = ()  # channels whose quality or name leaves doubts

    @property
    def frames(self) -> int:
        """Number of frames."""
        given = self.measured if self.measured is not None else self.estimated
        return 0 if given is None else len(given)


class _Frame(NamedTuple):
    """Where the strips lie in the drawing."""

    left: float
    right: float
    top: float
    row: float
    first: float  # frame at the left end
    last: float

    def x(self, frames: np.ndarray | float) -> np.ndarray | float:
        return self.left + (frames - self.first) / max(self.last - self.first, 1e-6) * (
            self.right - self.left
        )

    def middle(self, row: int) -> float:
        return self.top + self.row * (row + 0.5)


def chosen_muscles(data: StripData, only_active: bool = False) -> tuple[int, ...]:
    """Rows of `muscles.MUSCLES` that get a strip, from the forehead to the jaw."""
    if not only_active:
        return TOP_TO_BOTTOM
    given = [table for table in (data.measured, data.estimated) if table is not None and len(table)]
    if not given:
        return ()
    largest = np.max([np.nan_to_num(table).max(0) for table in given], axis=0)
    return tuple(k for k in TOP_TO_BOTTOM if largest[2 * k : 2 * k + 2].max() >= ACTIVE)


def layout(
    data: StripData,
    size: tuple[float, float],
    theme: Theme,
    frames: tuple[float, float] | None = None,
    *,
    scale: float = 1.0,
    rows: tuple[int, ...] | None = None,
) -> Drawing:
    """The strips without the playhead.

    size: of the drawing in pixels. frames: first and last frame of the time axis; without them, the data's.
    scale: of texts and margins. rows: indices of muscles; without them, all.
    """
    rows = chosen_muscles(data) if rows is None else rows
    frame = _frame(data, size, frames, scale, len(rows))
    items: list[Line | Area | Box | Text] = [Box(0, 0, *size, theme.panel)]
    items += _head(data, frame, theme, scale)
    for number, muscle in enumerate(rows):
        if number % 2 == 0:
            y = frame.top + number * frame.row
            items.append(Box(frame.left, y, frame.right - frame.left, frame.row, theme.row))
        items += _strip(data, muscle, frame, number, theme, scale)
    items += _time_axis(data, frame, len(rows), theme, scale)
    return Drawing(*size, tuple(items))


def playhead(
    data: StripData,
    size: tuple[float, float],
    theme: Theme,
    frame: float,
    frames: tuple[float, float] | None = None,
    *,
    scale: float = 1.0,
    rows: tuple[int, ...] | None = None,
) -> Drawing:
    """What changes with the frame, to be drawn over `layout` with the same arguments."""
    rows = chosen_muscles(data) if rows is None else rows
    place = _frame(data, size, frames, scale, len(rows))
    if not place.first <= frame <= place.last:
        return Drawing(*size, ())
    x, bottom = float(place.x(frame)), place.top + place.row * len(rows)
    line = np.array([[x, place.top - 4 * scale], [x, bottom]], np.float32)
    return Drawing(*size, (Line(line, theme.playhead, 1.4 * scale),))


def _frame(
    data: StripData, size: tuple[float, float], frames: tuple[float, float] | None, scale: float, count: int
) -> _Frame:
    first, last = frames or (data.start_frame, data.start_frame + max(data.frames - 1, 1))
    height = size[1] - (_HEAD + _FOOT) * scale
    row = height / max(count, 1)
    return _Frame(_LABEL * scale, size[0] - _RIGHT * scale, _HEAD * scale, row, first, last)


def _head(data: StripData, frame: _Frame, theme: Theme, scale: float) -> list:
    """The legend."""
    y, x = 15 * scale, frame.left
    items: list = []
    if data.measured is not None:
        items.append(Box(x, y - 7 * scale, 14 * scale, 7 * scale, theme.measured))
        items.append(Text(x + 19 * scale, y, "Measured", _TEXT * scale, theme.text))
        x += 88 * scale
    if data.estimated is not None:
        middle = y - 3.5 * scale
        if data.sd is not None:
            items.append(Box(x, y - 8 * scale, 14 * scale, 9 * scale, theme.band))
        items.append(Line(np.array([[x, middle], [x + 14 * scale, middle]]), theme.estimated, 1.6 * scale))
        told = "Estimated" if data.sd is None else "Estimated, 80 % band"
        items.append(Text(x + 19 * scale, y, told, _TEXT * scale, theme.text))
    items.append(Text(frame.right, y, "up: left, down: right", _SMALL * scale, theme.dim, "right"))
    return items


def _strip(data: StripData, muscle: int, frame: _Frame, row: int, theme: Theme, scale: float) -> list:
    """One muscle."""
    middle = frame.middle(row)
    doubtful = any(f"{MUSCLES[muscle].name}_{side}" in data.doubtful for side in SIDES)
    label = MUSCLES[muscle].short + (" ?" if doubtful else "")
    colour = theme.warning if doubtful else theme.text
    items: list = [Text(frame.left - 8 * scale, middle + 4 * scale, label, _TEXT * scale, colour, "right")]
    axis = np.array([[frame.left, middle], [frame.right, middle]], np.float32)
    items.append(Line(axis, theme.axis, max(0.6, 0.6 * scale)))
    reach = 0.47 * frame.row
    for side in range(len(SIDES)):
        items += _side(data, 2 * muscle + side, frame, middle, -reach if side == 0 else reach, theme, scale)
    note = _note(data, muscle)
    if note:
        width = (10 + 0.53 * _SMALL * len(note)) * scale  # about what the letters take
        items.append(Box(frame.left + 2 * scale, middle - 7 * scale, width, 14 * scale, theme.panel))
        items.append(Text(frame.left + 6 * scale, middle + 3.5 * scale, note, _SMALL * scale, theme.dim))
    return items


def _side(
    data: StripData, channel: int, frame: _Frame, middle: float, reach: float, theme: Theme, scale: float
) -> list:
    items = []
    if data.measured is not None and np.isfinite(data.measured[:, channel]).any():
        x, value = _thinned(data, data.measured[:, channel], frame)
        items.append(Area(x, *_between(middle, middle + reach * value), theme.measured))
    if data.estimated is None or not np.isfinite(data.estimated[:, channel]).any():
        return items
    x, value = _thinned(data, data.estimated[:, channel], frame)
    if data.sd is not None and np.isfinite(data.sd[:, channel]).any():
        spread = BAND * np.nan_to_num(_thinned(data, data.sd[:, channel], frame)[1])
        low, high = np.clip(value - spread, 0, 1), np.clip(value + spread, 0, 1)
        items.append(Area(x, *_between(middle + reach * low, middle + reach * high), theme.band))
    points = np.stack([x, middle + reach * value], 1).astype(np.float32)
    items.append(Line(points, theme.estimated, 1.3 * scale))
    return items


def _between(a: np.ndarray | float, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(upper, lower) of two lines on the screen."""
    a = np.broadcast_to(a, b.shape)
    return np.minimum(a, b).astype(np.float32), np.maximum(a, b).astype(np.float32)


def _thinned(data: StripData, values: np.ndarray, frame: _Frame) -> tuple[np.ndarray, np.ndarray]:
    """(x, values) of the visible frames; of many on one pixel the largest, so that no burst is lost."""
    numbers = np.arange(len(values)) + data.start_frame
    inside = (numbers >= np.floor(frame.first)) & (numbers <= np.ceil(frame.last))
    numbers, values = numbers[inside], np.clip(values[inside], 0.0, 1.0)
    columns = max(2, int(frame.right - frame.left))
    step = len(values) // columns + 1
    if step > 1:
        # Steps count from frame 0, so that the shapes stand still while the view scrolls.
        skip = int(-numbers[0] % step) if len(numbers) else 0
        numbers, values = numbers[skip:], values[skip:]
        count = len(values) // step * step
        blocks = values[:count].reshape(-1, step)
        known = np.isfinite(blocks)
        values = np.where(known.any(1), np.where(known, blocks, 0.0).max(1), np.nan)
        numbers = numbers[:count:step] + (step - 1) / 2
    return np.asarray(frame.x(numbers), np.float32), values.astype(np.float32)


def _note(data: StripData, muscle: int) -> str:
    """Why a muscle shows less than the others."""
    names = [f"{MUSCLES[muscle].name}_{side}" for side in SIDES]
    columns = [CHANNELS.index(name) for name in names]

    def known(table: np.ndarray | None) -> np.ndarray:
        return np.array([table is not None and np.isfinite(table[:, c]).any() for c in columns])

    notes = []
    if data.measured is not None and not known(data.measured).all():
        muted = any(name in data.muted for name in names)
        notes.append(_which(~known(data.measured)) + ("muted" if muted else "not recorded"))
    if data.estimated is not None:
        hidden = np.array([name in data.hidden for name in names])
        if hidden.any():
            guessed = known(data.estimated).any()
            notes.append("guessed, a face does not show it" if guessed else "not visible on a face")
        elif not known(data.estimated).all():
            notes.append(_which(~known(data.estimated)) + "not estimated")
    return ", ".join(notes)


def _which(missing: np.ndarray) -> str:
    return "" if missing.all() else ("left side " if missing[0] else "right side ")


def _time_axis(data: StripData, frame: _Frame, count: int, theme: Theme, scale: float) -> list:
    """Frame numbers, with seconds from the first frame of the data at both ends."""
    bottom = frame.top + frame.row * count
    items: list = []
    span = max(frame.last - frame.first, 1.0)
    wanted = span * _FEWEST_PIXELS * scale / max(frame.right - frame.left, 1.0)
    power = 10.0 ** np.floor(np.log10(max(wanted, 1.0)))
    step = next(s * power for s in (*_STEPS, 10) if s * power >= wanted)
    ticks = np.arange(np.ceil(frame.first / step) * step, frame.last + 1e-6, step)
    for tick in ticks.tolist():
        x = float(frame.x(tick))
        items.append(Line(np.array([[x, frame.top], [x, bottom]], np.float32), (*theme.axis[:3], 0.08), 1.0))
        items.append(Text(x, bottom + 13 * scale, f"{tick:.0f}", _SMALL * scale, theme.dim, "middle"))
    items.append(
        Text(frame.left - 8 * scale, bottom + 13 * scale, "Frame", _SMALL * scale, theme.dim, "right")
    )
    return items
