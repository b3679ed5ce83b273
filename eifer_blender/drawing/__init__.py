"""Pictures of muscle activity as plain lists of shapes; the viewport and SVG files draw them alike."""

from .colour_bar import colour_bar
from .shapes import Area, Box, Drawing, Line, Text
from .strips import StripData, layout, playhead
from .svg import to_svg
from .theme import DARK, LIGHT, Theme

__all__ = [
    "DARK",
    "LIGHT",
    "Area",
    "Box",
    "Drawing",
    "Line",
    "StripData",
    "Text",
    "Theme",
    "colour_bar",
    "layout",
    "playhead",
    "to_svg",
]
