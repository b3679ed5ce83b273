"""Strips and colour bar over the 3D viewport.

Nothing here is part of the file: what is drawn is read from the head's curves, kept until an action changes,
and drawn with shaders that are made at the first drawing (there are none without a window).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import bpy
import numpy as np
from bpy.app.handlers import persistent

from .. import drawing, muscles
from ..drawing import Area, Box, Drawing, Line, StripData, Text, Theme
from ..drawing.strips import chosen_muscles
from ..drawing.svg import pieces
from ..errors import EiferError
from . import actions, estimates, estimating, takes

_ROW, _MARGINS = 21.0, 40.0  # pixels of a strip, and of head and foot, at scale 1
_SHARE = 0.5  # of the viewport's height that strips take at most
_BAR_SIZE = (128.0, 230.0)
_GAP = 12.0
_NARROWEST, _LOWEST = 360.0, 60.0  # below which strips are left out
_DARK = 0.5  # brightness of the theme's background below which drawings are light on dark

_handle: object | None = None  # of the draw handler, while the extension is registered
_data: dict[tuple, StripData] = {}  # what a head's curves say: a cache, emptied when an action changes
_drawn: dict[tuple, Drawing] = {}  # drawings of it, for the last few sizes


class _Place(NamedTuple):
    """The part of the viewport that no other region covers."""

    left: float
    bottom: float
    width: float
    height: float


def register() -> None:
    """Draw from now on."""
    global _handle
    _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
    for event in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post, bpy.app.handlers.load_post):
        event.append(_forget)
    bpy.app.handlers.depsgraph_update_post.append(_on_update)


def unregister() -> None:
    """Draw no more."""
    global _handle
    if _handle is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
        _handle = None
    for event in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post, bpy.app.handlers.load_post):
        event.remove(_forget)
    bpy.app.handlers.depsgraph_update_post.remove(_on_update)
    _forget()


@persistent
def _forget(*_args: object) -> None:
    _data.clear()
    _drawn.clear()


@persistent
def _on_update(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Keys were edited: read them again."""
    if _data and depsgraph.id_type_updated("ACTION"):
        _forget()


def changed(context: bpy.types.Context) -> None:
    """A setting of what is drawn changed."""
    _forget()
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


# --- what to draw ---------------------------------------------------------------------------------


def strip_data(head: bpy.types.Object) -> StripData | None:
    """Measured and estimated activity of a head over the frames of both; None if it has neither."""
    found, measured = estimates.read(head), _measured(head)
    spans = [
        (start, start + len(table))
        for start, table in (
            (found.start_frame, found.estimate.values) if found else (0, ()),
            measured[:2] if measured else (0, ()),
        )
        if len(table)
    ]
    if not spans:
        return None
    first, last = min(s[0] for s in spans), max(s[1] for s in spans)

    def placed(table: np.ndarray, start: int) -> np.ndarray:
        whole = np.full((last - first, muscles.CHANNEL_COUNT), np.nan, np.float32)
        whole[start - first : start - first + len(table)] = table
        return whole

    fps = found.estimate.fps if found else measured[2]
    return StripData(
        fps=fps,
        start_frame=first,
        measured=placed(measured[1], measured[0]) if measured else None,
        estimated=placed(found.estimate.values, found.start_frame) if found else None,
        sd=placed(found.estimate.sd, found.start_frame) if found else None,
        hidden=found.estimate.hidden if found else (),
        muted=_named(measured[3], "muted") if measured else (),
        doubtful=_named(measured[3], "doubtful") if measured else (),
    )


def _measured(head: bpy.types.Object) -> tuple[int, np.ndarray, float, dict] | None:
    """(first frame, values with NaN where nothing was recorded, rate, stamp) of the take."""
    try:
        take = estimating.measured_take(head)
        values, present = takes.read_activity(head, take)
    except EiferError:  # no take, or one without measured activity
        return None
    stamp = takes.read_stamp(take)
    return stamp["start_frame"], np.where(present, values, np.nan), stamp["fps"], stamp


def _named(stamp: dict, kind: str) -> tuple[str, ...]:
    """Channels that a stamp lists; anybody may have edited it."""
    found = stamp.get(kind)
    return tuple(name for name in muscles.CHANNELS if isinstance(found, list) and name in found)


def _key(head: bpy.types.Object) -> tuple:
    """Changes whenever another action or take is shown."""
    channels = actions.assigned(head)
    action = channels.action.session_uid if channels else 0
    return head.session_uid, action, head.eifer.active_take


def _cached_data(head: bpy.types.Object) -> StripData | None:
    key = _key(head)
    if key not in _data:
        _forget()
        _data[key] = strip_data(head)
    return _data[key]


def theme_of(context: bpy.types.Context) -> Theme:
    """Light drawings on a dark viewport, dark ones on a light viewport."""
    gradients = context.preferences.themes[0].view_3d.space.gradients
    brightness = sum(gradients.high_gradient) / 3
    return drawing.DARK if brightness < _DARK else drawing.LIGHT


def shown_frames(scene: bpy.types.Scene) -> tuple[int, int]:
    """The frames that the timeline plays."""
    if scene.use_preview_range:
        return scene.frame_preview_start, scene.frame_preview_end
    return scene.frame_start, scene.frame_end


def _place(region: bpy.types.Region, others: Iterable[bpy.types.Region]) -> _Place:
    """What toolbar, sidebar and headers leave of a part of the viewport; some may lie over it."""
    left = right = bottom = top = 0
    for other in others:
        if other.type == "WINDOW" or other.width <= 1 or other.height <= 1:
            continue
        across = min(other.x + other.width, region.x + region.width) - max(other.x, region.x)
        up = min(other.y + other.height, region.y + region.height) - max(other.y, region.y)
        if across <= 0 or up <= 0:
            continue
        if other.alignment == "LEFT":
            left = max(left, across)
        elif other.alignment == "RIGHT":
            right = max(right, across)
        elif other.alignment == "BOTTOM":
            bottom = max(bottom, up)
        elif other.alignment == "TOP":
            top = max(top, up)
    return _Place(left, bottom, region.width - left - right, region.height - bottom - top)


def _is_first(context: bpy.types.Context) -> bool:
    """Whether this is the part of the viewport to draw in: in a quad view, one of the four is enough."""
    return next(r for r in context.area.regions if r.type == "WINDOW") == context.region


def _draw() -> None:
    context = bpy.context
    scene = context.scene
    head = scene.eifer.head if scene else None
    if head is None or not context.space_data.overlay.show_overlays:
        return
    if head.name not in scene.objects or not _is_first(context):
        return
    place, theme = _place(context.region, context.area.regions), theme_of(context)
    scale = context.preferences.system.ui_scale
    occupied = _draw_strips(context, head, place, theme, scale) if scene.eifer.activity.strips else 0.0
    if head.eifer.heat.show and head.eifer.heat.bar:
        _draw_bar(head, place, occupied, theme, scale)


def _draw_strips(
    context: bpy.types.Context, head: bpy.types.Object, place: _Place, theme: Theme, scale: float
) -> float:
    """Draw them and return the height that they take."""
    scene = context.scene
    data = _cached_data(head)
    if data is None:
        return _draw_hint(place, theme, scale)
    rows = chosen_muscles(data, scene.eifer.activity.strips_rows == "ACTIVE")
    gap = _GAP * scale
    width = place.width - 2 * gap
    height = min((_MARGINS + _ROW * max(len(rows), 1)) * scale, _SHARE * place.height)
    if width < _NARROWEST * scale or height < _LOWEST * scale:
        return 0.0
    frames, size = shown_frames(scene), (round(width), round(height))
    origin = (place.left + gap, place.bottom + gap + size[1])
    key = (_key(head), size, frames, rows, scale, theme is drawing.DARK)
    if key not in _drawn:
        _drawn.clear()
        _drawn[key] = drawing.layout(data, size, theme, frames, scale=scale, rows=rows)
    draw(_drawn[key], origin)
    draw(
        drawing.playhead(data, size, theme, scene.frame_current_final, frames, scale=scale, rows=rows), origin
    )
    return height + gap


def _draw_hint(place: _Place, theme: Theme, scale: float) -> float:
    text = "No muscle activity yet: bake a recording, or estimate it"
    height, gap = 26 * scale, _GAP * scale
    size = (min(place.width - 2 * gap, 380 * scale), height)
    items = (Box(0, 0, *size, theme.panel), Text(10 * scale, 17 * scale, text, 11 * scale, theme.text))
    draw(Drawing(*size, items), (place.left + gap, place.bottom + gap + height))
    return height + gap


def _draw_bar(head: bpy.types.Object, place: _Place, occupied: float, theme: Theme, scale: float) -> None:
    from . import heat_map

    if not heat_map.is_shown(head):
        return
    gap = _GAP * scale
    width, height = (value * scale for value in _BAR_SIZE)
    room = place.height - occupied - 2 * gap
    height = min(height, room)
    if height < 110 * scale:
        return
    made = drawing.colour_bar(*heat_map.bar(head), (width, height), theme, scale=scale)
    draw(made, (place.left + gap, place.bottom + occupied + gap + height))


# --- drawing --------------------------------------------------------------------------------------


def draw(made: Drawing, origin: tuple[float, float]) -> None:
    """Draw shapes into the region; origin is the drawing's upper left corner in the region's pixels."""
    import gpu

    for item in made.items:
        if isinstance(item, Text):
            _draw_text(item, origin)
            continue
        gpu.state.blend_set("ALPHA")  # texts switch it off
        if isinstance(item, Line):
            _draw_line(item, origin)
        else:
            _draw_filled(item, origin)
    gpu.state.blend_set("NONE")


def _flipped(points: np.ndarray, origin: tuple[float, float]) -> np.ndarray:
    """Points [n, 2] of a drawing, whose y runs down, in the region, whose y runs up."""
    return (np.asarray(points, np.float32) * [1.0, -1.0] + origin).astype(np.float32)


def _draw_filled(item: Area | Box, origin: tuple[float, float]) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    if isinstance(item, Box):
        x, y, right, bottom = item.x, item.y, item.x + item.width, item.y + item.height
        strips = [np.array([[x, y], [x, bottom], [right, y], [right, bottom]])]
    else:
        rows = np.stack([item.x, item.top, item.bottom], 1)
        strips = [p[:, [0, 1, 0, 2]].reshape(-1, 2) for p in pieces(rows)]
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", item.colour)
    for strip in strips:
        batch_for_shader(shader, "TRI_STRIP", {"pos": _flipped(strip, origin)}).draw(shader)


def _draw_line(item: Line, origin: tuple[float, float]) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", item.width)
    shader.uniform_float("color", item.colour)
    for part in pieces(item.points):
        points = np.column_stack([_flipped(part, origin), np.zeros(len(part), np.float32)])
        batch_for_shader(shader, "LINE_STRIP", {"pos": points}).draw(shader)


def _draw_text(item: Text, origin: tuple[float, float]) -> None:
    import blf

    font = 0
    blf.size(font, item.size)
    blf.color(font, *item.colour)
    width = blf.dimensions(font, item.text)[0]
    x = origin[0] + item.x - {"left": 0.0, "middle": width / 2, "right": width}[item.align]
    blf.position(font, x, origin[1] - item.y, 0)
    blf.draw(font, item.text)
