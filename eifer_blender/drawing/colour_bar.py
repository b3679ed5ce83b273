"""The meaning of a heat map's colours."""

from __future__ import annotations

import numpy as np

from .. import colours
from .shapes import Box, Drawing, Text
from .theme import Theme

_STEPS = 64
_BAR, _TEXT = 12.0, 10.5


def colour_bar(
    table: np.ndarray,
    low: float,
    high: float,
    label: str,
    size: tuple[float, float],
    theme: Theme,
    *,
    scale: float = 1.0,
    unknown: bool = True,
) -> Drawing:
    """A standing bar: table float32 [n, 3] sRGB from `low` below to `high` above, and grey for unknown."""
    width, height = size
    top, bottom = 34 * scale, height - (30 if unknown else 12) * scale
    x, bar = 12 * scale, _BAR * scale
    step = (bottom - top) / _STEPS
    items: list = [Box(0, 0, width, height, theme.panel)]
    for k in range(_STEPS):
        colour = table[round((k + 0.5) / _STEPS * (len(table) - 1))]
        items.append(Box(x, bottom - (k + 1) * step, bar, step + 0.5, (*map(float, colour), 1.0)))
    items.append(Text(x, 18 * scale, label, _TEXT * scale, theme.text))
    for share, value in ((0.0, low), (0.5, (low + high) / 2), (1.0, high)):
        y = bottom - share * (bottom - top) + 4 * scale
        text = f"{100 * value:.0f} %".replace("-", "−")
        items.append(Text(x + bar + 7 * scale, y, text, _TEXT * scale, theme.text))
    if unknown:
        grey = (*map(float, colours.UNKNOWN), 1.0)
        items.append(Box(x, bottom + 9 * scale, bar, bar, grey))
        items.append(Text(x + bar + 7 * scale, bottom + 19 * scale, "unknown", _TEXT * scale, theme.dim))
    return Drawing(width, height, tuple(items))
