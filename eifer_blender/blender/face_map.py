"""The flat map of the face as an image of the file: what is measured and what is estimated, side by side."""

from __future__ import annotations

import bpy
import numpy as np

from .. import colours, drawing, muscles
from ..drawing import Box, Drawing, Text
from ..drawing.raster import paint
from ..errors import EiferError
from ..heads.face_picture import bar_drawing, face_drawing, face_picture
from . import activity_properties as props
from . import estimates, heat_map, session, takes
from .letters import word

IMAGE = "EIFER Face Map"
_SIZE = (480, 600)
_BAR_WIDTH = 130
_THEME = drawing.LIGHT
_PAPER = (0.975, 0.975, 0.97, 1.0)
_LEFT_RIGHT = "left is the subject's left, on the right here"


def make(scene: bpy.types.Scene) -> np.ndarray:
    """The map of the present frame, float32 [h, w, 4] sRGB; EiferError if the head has no activity."""
    head = scene.eifer.head
    geometry, heat = session.parametric_head(head), head.eifer.heat
    shown = [(name, values) for name, values in _activities(head) if np.isfinite(values).any()]
    if not shown:
        raise EiferError(f"'{head.name}' has no muscle activity to map; bake a recording or estimate it.")
    width, height = _SIZE[0] * len(shown) + _BAR_WIDTH, _SIZE[1]
    picture = np.empty((height, width, 4), np.float32)
    picture[:] = _PAPER
    limits = (0.0, heat_map.limits(head)[1])
    for number, (name, values) in enumerate(shown):
        face = face_picture(geometry, values, _SIZE, scheme=heat.scheme, limits=limits)
        over = face_drawing(
            geometry, _SIZE, _THEME, scheme=heat.scheme, present=np.isfinite(values), title=name
        )
        part = picture[:, number * _SIZE[0] : (number + 1) * _SIZE[0]]
        part[..., :3] += (face[..., :3] - part[..., :3]) * face[..., 3:]
        part[:] = paint(part, over, word)
    bar = bar_drawing(_SIZE, _THEME, limits, "Activity", colours.heat())
    picture[:, -_BAR_WIDTH:] = paint(picture[:, -_BAR_WIDTH:], _placed(bar), word)
    note = Text(
        width - 10, height - 10, f"Frame {scene.frame_current}; {_LEFT_RIGHT}", 11.0, _THEME.dim, "right"
    )
    return paint(picture, Drawing(width, height, (note,)), word)


def _placed(bar: Drawing) -> Drawing:
    """Without the bar's panel: the paper is behind it."""
    return bar._replace(items=tuple(item for item in bar.items[1:] if isinstance(item, Box | Text)))


def _activities(head: bpy.types.Object) -> list[tuple[str, np.ndarray]]:
    """Measured and estimated activity [22] of the present frame, NaN where there is none."""
    found = []
    for source, title, prefix in (
        (props.EMG, "Measured", takes.EMG_PREFIX),
        (props.EST, "Estimated", estimates.EST_PREFIX),
    ):
        there = heat_map.shown_channels(head, source)
        values = [float(head.get(prefix + name, np.nan)) for name in muscles.CHANNELS]
        found.append((title, np.where(there, values, np.nan)))
    return found


def show(scene: bpy.types.Scene) -> bpy.types.Image:
    """Make the image of the file, or bring it up to date, and return it."""
    picture = make(scene)
    height, width = picture.shape[:2]
    image = bpy.data.images.get(IMAGE)
    if image is None or image.library is not None:
        image = bpy.data.images.new(IMAGE, width, height, alpha=False)
    if tuple(image.size) != (width, height):
        image.scale(width, height)
    image.pixels.foreach_set(np.ascontiguousarray(picture[::-1]).ravel())
    image.update()
    image.pack()  # or it would be black after loading
    return image
