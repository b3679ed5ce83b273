"""A picture to judge an alignment by: activities on the video's clock, and how well every offset fits."""

from __future__ import annotations

import numpy as np

from ..drawing import Area, Box, Drawing, Line, StripData, Text, Theme, layout
from ..drawing.strips import chosen_muscles
from ..muscles import SIDES
from .offset import Alignment
from .traces import RATE, ActivityTraces

SIZE = (1000.0, 760.0)

_CURVE = 190.0  # height of the lower part
_TEXT, _SMALL = 12.0, 9.5
_LEFT, _RIGHT, _GAP = 64.0, 12.0, 64.0
_ZOOM_S = 1.0  # either side of the offset
_TICK = 60.0  # fewest pixels between two numbers
_ZOOM_SHARE = 0.30  # of the width


def figure(
    found: Alignment, face: ActivityTraces, recorded: ActivityTraces, fps: float, theme: Theme
) -> Drawing:
    """Strips of the muscles that both show, over the curve of all offsets and a closer look at its peak.

    fps: of the video, whose frames the strips count.
    """
    data = _strips(found, face, recorded, fps)
    rows = _rows(found, data)
    width = SIZE[0]
    height = min(SIZE[1] - _CURVE, 40.0 + 58.0 * len(rows))
    strips = layout(data, (width, height), theme, rows=rows)
    items: list = [Box(0, 0, width, height + _CURVE, theme.panel), *strips.items]
    right = width - _RIGHT
    middle = _LEFT + (right - _LEFT - _GAP) * (1 - _ZOOM_SHARE)
    top, bottom = height + 58.0, height + _CURVE - 34.0
    items.append(Text(_LEFT, height + 24.0, _headline(found), _TEXT, theme.text))
    items.append(Text(_LEFT, height + 41.0, "Agreement at every offset", _SMALL, theme.dim))
    zoom = (found.offset_s - _ZOOM_S, found.offset_s + _ZOOM_S)
    whole = (float(found.lags_s[0]), float(found.lags_s[-1]))
    items += _curve(found, whole, (_LEFT, middle, top, bottom), theme)
    items.append(Text(middle + _GAP, height + 41.0, "Near it; a tick for each channel", _SMALL, theme.dim))
    items += _curve(found, zoom, (middle + _GAP, right, top, bottom), theme)
    items += _channel_ticks(found, zoom, (middle + _GAP, right, top, bottom), theme)
    return Drawing(width, height + _CURVE, tuple(items))


def _rows(found: Alignment, data: StripData) -> tuple[int, ...]:
    """Muscles that were correlated and are active; all that were correlated if none is."""
    used = {k // len(SIDES) for k, channel in enumerate(found.channels) if not channel.reason}
    active = tuple(k for k in chosen_muscles(data, only_active=True) if k in used)
    return active or tuple(k for k in chosen_muscles(data) if k in used)


def _strips(found: Alignment, face: ActivityTraces, recorded: ActivityTraces, fps: float) -> StripData:
    """Both activities at the video's frames; NaN where nothing is known or the channel is of no use."""
    frames = max(int(face.seconds * fps), 2)
    video = face.start_s + np.arange(frames) / fps
    usable = np.array([not reason for reason in face.reasons])
    heard = np.array([not reason for reason in recorded.reasons])
    return StripData(
        fps,
        0,
        measured=_at(recorded, found.clock.to_recording(video), heard),
        estimated=_at(face, video, usable),
        hidden=tuple(c.channel for c in found.channels if "not visible" in c.reason),
    )


def _at(traces: ActivityTraces, seconds: np.ndarray, usable: np.ndarray) -> np.ndarray:
    row = np.rint((seconds - traces.start_s) * RATE).astype(np.int64)
    inside = (row >= 0) & (row < len(traces.values))
    row = np.clip(row, 0, len(traces.values) - 1)
    known = inside[:, None] & traces.known[row] & usable
    return np.where(known, traces.values[row], np.nan).astype(np.float32)


def _headline(found: Alignment) -> str:
    drift = f", drift {found.clock.drift_ppm:+.0f} ppm" if found.clock.drift_ppm else ""
    return f"Offset {found.offset_text}{drift}, {found.grade_text}".replace("-", "−")


def _curve(
    found: Alignment, span: tuple[float, float], frame: tuple[float, float, float, float], theme: Theme
) -> list:
    """The score between two offsets, with its axis and its peak."""
    left, right, top, bottom = frame
    lags, score = found.lags_s.astype(np.float64), found.curve
    inside = (lags >= span[0]) & (lags <= span[1])
    lags, score = _thinned(lags[inside], score[inside], int(right - left))
    highest = max(float(found.curve.max(initial=0.0)), 1e-6)
    scale = (right - left) / max(span[1] - span[0], 1e-6)
    x = (left + (lags - span[0]) * scale).astype(np.float32)
    y = (bottom - score / highest * (bottom - top)).astype(np.float32)
    peak = left + (found.offset_s - span[0]) * scale
    base = np.array([[left, bottom], [right, bottom]], np.float32)
    items: list = [Box(left, top, right - left, bottom - top, theme.row), *_ticks(span, frame, theme)]
    items.append(Area(x, y, np.full(len(x), bottom, np.float32), theme.measured))
    items.append(Line(base, theme.axis, 1.0))
    # A pointer above the peak: a line through it would hide a narrow one.
    items.append(Line(np.array([[peak, top - 14], [peak, top - 2]], np.float32), theme.estimated, 2.0))
    return items


def _thinned(lags: np.ndarray, score: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Of many values on one pixel the largest, so that no peak is lost."""
    step = len(lags) // max(columns, 1) + 1
    count = len(lags) // step * step
    if step == 1 or not count:
        return lags, score
    return lags[:count:step], score[:count].reshape(-1, step).max(1)


def _ticks(span: tuple[float, float], frame: tuple[float, float, float, float], theme: Theme) -> list:
    """Seconds under the curve, at round numbers."""
    left, right, top, bottom = frame
    wanted = (span[1] - span[0]) / max((right - left) / _TICK, 1.0)
    power = 10.0 ** np.floor(np.log10(max(wanted, 1e-3)))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= wanted * 0.999)
    digits = max(0, -int(np.floor(np.log10(step))))
    items: list = []
    for tick in np.arange(np.ceil(span[0] / step), np.floor(span[1] / step) + 1) * step:
        x = left + (tick - span[0]) / (span[1] - span[0]) * (right - left)
        items.append(Line(np.array([[x, top], [x, bottom]], np.float32), (*theme.axis[:3], 0.08), 1.0))
        text = f"{tick + 0.0:.{digits}f}".replace("-", "−")
        if x <= right - _RIGHT:  # a number at the very end would be cut off
            items.append(Text(x, bottom + 14, text, _SMALL, theme.dim, "middle"))
    items.append(Text(right, bottom + 28, "offset in seconds", _SMALL, theme.dim, "right"))
    return items


def _channel_ticks(
    found: Alignment, span: tuple[float, float], frame: tuple[float, float, float, float], theme: Theme
) -> list:
    """Where each channel alone has the offset."""
    left, right, _, bottom = frame
    items: list = []
    for channel in found.channels:
        if np.isfinite(channel.offset_s) and span[0] <= channel.offset_s <= span[1]:
            x = left + (channel.offset_s - span[0]) / (span[1] - span[0]) * (right - left)
            colour = theme.estimated if channel.agrees else theme.dim
            items.append(Line(np.array([[x, bottom - 12], [x, bottom]], np.float32), colour, 1.2))
    return items
