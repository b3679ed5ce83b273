"""Colours of drawings, for dark and for light surroundings."""

from __future__ import annotations

from typing import NamedTuple

from .shapes import Colour


class Theme(NamedTuple):
    """Colours by what they stand for."""

    panel: Colour
    row: Colour  # every second row
    axis: Colour
    text: Colour
    dim: Colour
    measured: Colour
    estimated: Colour
    band: Colour
    playhead: Colour
    warning: Colour


DARK = Theme(
    panel=(0.09, 0.095, 0.105, 0.86),
    row=(1.0, 1.0, 1.0, 0.035),
    axis=(1.0, 1.0, 1.0, 0.22),
    text=(0.92, 0.92, 0.92, 1.0),
    dim=(0.66, 0.67, 0.69, 1.0),
    measured=(0.32, 0.62, 0.86, 0.62),
    estimated=(1.0, 0.62, 0.22, 1.0),
    band=(1.0, 0.62, 0.22, 0.20),
    playhead=(0.98, 0.98, 0.98, 0.9),
    warning=(1.0, 0.80, 0.35, 1.0),
)

LIGHT = Theme(
    panel=(0.975, 0.975, 0.97, 0.90),
    row=(0.0, 0.0, 0.0, 0.03),
    axis=(0.0, 0.0, 0.0, 0.25),
    text=(0.10, 0.10, 0.11, 1.0),
    dim=(0.36, 0.37, 0.39, 1.0),
    measured=(0.16, 0.44, 0.70, 0.50),
    estimated=(0.80, 0.34, 0.02, 1.0),
    band=(0.80, 0.34, 0.02, 0.16),
    playhead=(0.05, 0.05, 0.06, 0.9),
    warning=(0.62, 0.38, 0.0, 1.0),
)
