"""Shapes of a drawing: pixels, x to the right, y down; colours are sRGB with alpha, 0..1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Colour = tuple[float, float, float, float]


class Line(NamedTuple):
    """A line through points; a NaN breaks it."""

    points: np.ndarray  # float32 [n, 2]
    colour: Colour
    width: float


class Area(NamedTuple):
    """What lies between two lines over the same x; a NaN leaves a gap."""

    x: np.ndarray  # float32 [n]
    top: np.ndarray  # float32 [n]
    bottom: np.ndarray  # float32 [n]
    colour: Colour


class Box(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: Colour


class Text(NamedTuple):
    """A word; y is its baseline."""

    x: float
    y: float
    text: str
    size: float
    colour: Colour
    align: str = "left"  # left, middle or right of x


class Drawing(NamedTuple):
    """Shapes from back to front."""

    width: float
    height: float
    items: tuple[Line | Area | Box | Text, ...]
