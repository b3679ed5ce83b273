"""The activation strips beside the face: eleven muscles, left above the line, right below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..muscles import CHANNEL_COUNT, MUSCLES, TOP_TO_BOTTOM
from ..recordings.types import Annotation

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]

BACKGROUND: Colour = (27, 28, 31)
TEXT: Colour = (214, 216, 220)
FAINT_TEXT: Colour = (126, 130, 138)
LINE: Colour = (52, 54, 59)
LEFT: Colour = (240, 160, 96)
RIGHT: Colour = (92, 178, 200)
PLAYHEAD: Colour = (245, 245, 245)

_SCALE = 3  # drawn this much larger, then reduced: smooth edges
_FUTURE = 0.38  # how much of the colour remains to the right of the playhead


@dataclass(frozen=True)
class Strips:
    """Everything about the strips that does not change from frame to frame."""

    past: Image  # with full colours
    future: Image  # dimmed
    plot: tuple[int, int, int, int]  # left, top, right, bottom of the plot in pixels
    duration: float  # seconds
    fps: float
    annotations: tuple[Annotation, ...]
    values: np.ndarray  # [frames, 22]


@dataclass(frozen=True)
class _Layout:
    """Measures in pixels of the enlarged picture."""

    size: tuple[int, int]
    left: float
    right: float
    top: float
    row: float
    duration: float

    def x(self, seconds: np.ndarray | float) -> np.ndarray | float:
        return self.left + (self.right - self.left) * seconds / self.duration

    def base(self, row: int) -> float:
        return self.top + self.row * (row + 0.5)


def prepare_strips(
    activation: np.ndarray,
    present: np.ndarray,
    fps: float,
    size: tuple[int, int],
    annotations: Sequence[Annotation] = (),
) -> Strips:
    """Draw the strips of a whole take once.

    activation: [frames, 22] in 0..1; present: bool [22] or [frames, 22]; annotations in seconds from
    the first frame; size in pixels.
    """
    activation = np.clip(np.nan_to_num(np.asarray(activation, float)), 0.0, 1.0)
    present = np.broadcast_to(present, activation.shape)
    duration = max(len(activation) / fps, 1e-3)
    width, height = size[0] * _SCALE, size[1] * _SCALE
    layout = _Layout((width, height), 0.275 * width, 0.965 * width, 0.152 * height, 0.0695 * height, duration)
    future = _draw_take(activation, present, fps, tuple(annotations), layout, _FUTURE).resize(size, 1)
    past = _draw_take(activation, present, fps, tuple(annotations), layout, 1.0).resize(size, 1)
    plot = (layout.left, layout.top, layout.right, layout.base(len(TOP_TO_BOTTOM) - 1) + layout.row / 2)
    return Strips(
        past,
        future,
        tuple(round(v / _SCALE) for v in plot),
        duration,
        fps,
        tuple(annotations),
        activation,
    )


def draw_strips(strips: Strips, frame: float) -> Image:
    """The strips with the playhead at a frame (counted from the take's first): an RGB picture."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = strips.plot
    x = left + (right - left) * min(max(frame / strips.fps / strips.duration, 0.0), 1.0)
    picture = strips.future.copy()
    seam = round(x)
    picture.paste(strips.past.crop((left, 0, seam, picture.height)), (left, 0))

    # A narrow band around the playhead is drawn enlarged, so that the line glides.
    band_left = int(x) - 12
    band = picture.crop((band_left, 0, band_left + 24, picture.height))
    band = band.resize((24 * _SCALE, picture.height * _SCALE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(band)
    at = (x - band_left) * _SCALE
    draw.line((at, (top - 8) * _SCALE, at, bottom * _SCALE), fill=PLAYHEAD, width=round(1.4 * _SCALE))
    tip = 5 * _SCALE
    draw.polygon(
        ((at - tip, (top - 15) * _SCALE), (at + tip, (top - 15) * _SCALE), (at, (top - 7) * _SCALE)),
        fill=PLAYHEAD,
    )
    _draw_dots(draw, strips, frame, at)
    band = band.resize((24, picture.height), Image.Resampling.LANCZOS)
    picture.paste(band, (band_left, 0))
    _draw_current(picture, strips, frame)
    return picture


def movement_at(annotations: Sequence[Annotation], seconds: float) -> str:
    """Text of the annotated segment at a time; the one that began last, or ''."""
    here = [a for a in annotations if a.onset <= seconds < a.onset + a.duration]
    return max(here, key=lambda a: a.onset).text if here else ""


def font(size: float) -> FreeTypeFont:
    """Pillow's own outline font, the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _mix(colour: Colour, share: float, ground: Colour = BACKGROUND) -> Colour:
    return tuple(round(g + (c - g) * share) for c, g in zip(colour, ground, strict=True))


def _draw_take(
    activation: np.ndarray,
    present: np.ndarray,
    fps: float,
    annotations: tuple[Annotation, ...],
    layout: _Layout,
    strength: float,
) -> Image:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", layout.size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    bottom = layout.base(len(TOP_TO_BOTTOM) - 1) + layout.row / 2
    _draw_annotations(draw, annotations, layout, bottom)
    _draw_time(draw, layout, bottom)
    seconds = np.arange(len(activation)) / fps
    small = font(layout.row * 0.27)
    for row, muscle in enumerate(TOP_TO_BOTTOM):
        base = layout.base(row)
        label = MUSCLES[muscle].label.split(" / ")[0]
        draw.text((layout.left - layout.row * 0.35, base), label, TEXT, small, anchor="rm")
        for channel, colour, sign in ((2 * muscle, LEFT, -1), (2 * muscle + 1, RIGHT, 1)):
            if present[:, channel].any():
                trace = np.where(present[:, channel], activation[:, channel], 0.0)
                _draw_trace(draw, seconds, trace, base, sign, _mix(colour, strength), layout)
        both = present[:, 2 * muscle : 2 * muscle + 2].any()
        draw.line((layout.left, base, layout.right, base), _mix(TEXT, 0.30), max(1, _SCALE // 2))
        if not both:
            note = font(layout.row * 0.22)
            draw.text((layout.left + layout.row * 0.2, base), "not recorded", FAINT_TEXT, note, anchor="lb")
    _draw_legend(draw, layout, bottom)
    return picture


def _draw_trace(
    draw: ImageDraw,
    seconds: np.ndarray,
    values: np.ndarray,
    base: float,
    sign: int,
    colour: Colour,
    layout: _Layout,
) -> None:
    x = layout.x(seconds)
    y = base + sign * values * layout.row * 0.46
    outline = np.stack([x, y], 1)
    shape = [(x[0], base), *map(tuple, outline), (x[-1], base)]
    draw.polygon(shape, fill=_mix(colour, 0.62))
    draw.line([tuple(p) for p in outline], fill=colour, width=round(1.1 * _SCALE), joint="curve")


def _draw_annotations(
    draw: ImageDraw, annotations: tuple[Annotation, ...], layout: _Layout, bottom: float
) -> None:
    for annotation in annotations:
        start, end = layout.x(annotation.onset), layout.x(annotation.onset + annotation.duration)
        if annotation.duration > 0 and annotation.text != "Face-At-Rest":
            draw.rectangle((start, layout.top, end, bottom), fill=_mix((255, 255, 255), 0.035))
        draw.line((start, layout.top, start, bottom), LINE, max(1, _SCALE // 2))
    _draw_names(draw, [a for a in annotations if a.text != "Face-At-Rest"], layout)


def _draw_names(draw: ImageDraw, annotations: list[Annotation], layout: _Layout) -> None:
    """Names over their segments, on two lines in turn; a name without room is left out."""
    small = font(layout.row * 0.205)
    free = [0.0, 0.0]
    for number, annotation in enumerate(annotations):
        line = number % 2
        x = layout.x(annotation.onset)
        end = x + draw.textlength(annotation.text, small)
        if x < free[line] or end > layout.size[0]:
            continue
        free[line] = end + layout.row * 0.15
        y = layout.top - layout.row * (0.62 if line else 0.36)
        draw.text((x, y), annotation.text, FAINT_TEXT, small, anchor="ls")


def _draw_time(draw: ImageDraw, layout: _Layout, bottom: float) -> None:
    step = next(s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 10**9) if layout.duration / s <= 9)
    small = font(layout.row * 0.24)
    for second in np.arange(0, layout.duration + 1e-6, step):
        x = layout.x(float(second))
        draw.line((x, bottom, x, bottom + layout.row * 0.1), FAINT_TEXT, max(1, _SCALE // 2))
        text = f"{second:.0f} s" if second == 0 else f"{second:.0f}"
        draw.text((x, bottom + layout.row * 0.17), text, FAINT_TEXT, small, anchor="mt")


def _draw_legend(draw: ImageDraw, layout: _Layout, bottom: float) -> None:
    small = font(layout.row * 0.25)
    y = bottom + layout.row * 0.82
    x = layout.left
    for colour, text in ((LEFT, "left side of the face"), (RIGHT, "right side")):
        radius = layout.row * 0.085
        draw.ellipse((x, y - radius, x + 2 * radius, y + radius), fill=colour)
        draw.text((x + 3.4 * radius, y), text, FAINT_TEXT, small, anchor="lm")
        x += 3.4 * radius + draw.textlength(text, small) + layout.row * 0.5


def _draw_dots(draw: ImageDraw, strips: Strips, frame: float, at: float) -> None:
    """Where the playhead meets each trace."""
    _, top, _, bottom = strips.plot
    row = (bottom - top) / len(TOP_TO_BOTTOM)
    index = min(max(round(frame), 0), len(strips.values) - 1)
    for channel in range(CHANNEL_COUNT):
        value = strips.values[index, channel]
        if value < 0.03:
            continue
        sign, colour = ((-1, LEFT), (1, RIGHT))[channel % 2]
        y = (top + row * (TOP_TO_BOTTOM.index(channel // 2) + 0.5 + sign * value * 0.46)) * _SCALE
        radius = 2.6 * _SCALE
        draw.ellipse((at - radius, y - radius, at + radius, y + radius), fill=_mix(colour, 0.75, PLAYHEAD))


def _draw_current(picture: Image, strips: Strips, frame: float) -> None:
    """Name of the movement at the playhead and the time, above the plot."""
    from PIL import ImageDraw

    left, top, right, _ = strips.plot
    draw = ImageDraw.Draw(picture)
    seconds = frame / strips.fps
    name = movement_at(strips.annotations, seconds)
    size = picture.height / 30
    draw.text((left, top * 0.36), name, TEXT, font(size), anchor="lm")
    draw.text((right, top * 0.36), f"{seconds:.1f} s", FAINT_TEXT, font(size * 0.72), anchor="rm")
