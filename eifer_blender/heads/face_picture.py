"""A flat map of the face: the head from the front, at rest, coloured by muscle activity.

Where each pixel lies on the head is found once for a head and a size; a map is then one product of pixels
by channels. Electrodes, names and the colour bar are a drawing over it (`face_drawing`), so that they stay
sharp.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import colours
from ..drawing import Box, Drawing, Line, Text, Theme, colour_bar
from ..drawing.raster import hit_triangles
from ..muscles import CHANNEL_COUNT, MUSCLES
from .head import ParametricHead
from .surface_map import FRIDLUND, SurfaceMap, known_weights, surface_map

_FINE = 2  # samples a side of a pixel
_MARGIN = 0.03  # of the picture's height
_HEIGHT_M = 0.262  # of the head that the picture shows, from the crown down
_LIGHT = np.array([0.28, 0.42, 0.86])  # towards the lamp
_PLASTER, _SHADE = 0.93, 0.55  # lightness of the bare head in the light, and how far shadows go down
_FLAT = 0.82  # how much of the shading coloured skin does without
_OPACITY = 0.94
_DISC_M = 0.0024
_INK = (0.08, 0.08, 0.09, 1.0)
_BAR_SIZE = (126.0, 190.0)


@dataclass(frozen=True)
class _View:
    """What the pixels of a size show; M pixels show the head."""

    pixels: np.ndarray  # int [M] flat
    alpha: np.ndarray  # float32 [M], share of the pixel that is head
    bare: np.ndarray  # float32 [M, 3] sRGB of the head without colours
    skin: np.ndarray  # int [K] of the M pixels: those that electrodes cover
    shade: np.ndarray  # float32 [K] 0..1
    share: np.ndarray  # float32 [K, 22] weights of the channels
    cover: np.ndarray  # float32 [K] 0..1
    scale: float  # pixels per metre
    origin: tuple[float, float]  # pixel of x = 0, y = 0


def face_picture(
    head: ParametricHead,
    activity: np.ndarray,
    size: tuple[int, int] = (480, 600),
    *,
    scheme: str = FRIDLUND,
    limits: tuple[float, float] = (0.0, 1.0),
    table: np.ndarray | None = None,
) -> np.ndarray:
    """float32 [height, width, 4]: sRGB with alpha, clear around the head.

    activity: [22], NaN is unknown and grey. limits: values of the first and last
    colour of the table, by default the one for activity.
    """
    view = _view(head, size, scheme)
    activity = np.asarray(activity, np.float32).reshape(CHANNEL_COUNT)
    present = np.isfinite(activity)
    told = view.share @ present.astype(np.float32)
    values = view.share @ np.nan_to_num(activity) / np.where(told > 0, told, 1.0)
    known = told / np.maximum(view.share.sum(1), 1e-9)
    low, high = limits
    table = colours.heat() if table is None else table
    colour = colours.colour_of((values - low) / max(high - low, 1e-6), table)
    colour = colours.UNKNOWN + (colour - colours.UNKNOWN) * known[:, None]
    colour = colour * (_FLAT + (1 - _FLAT) * view.shade)[:, None]
    mixed = view.bare.copy()
    mixed[view.skin] += (colour - mixed[view.skin]) * (_OPACITY * view.cover)[:, None]
    picture = np.zeros((size[1] * size[0], 4), np.float32)
    picture[view.pixels, :3], picture[view.pixels, 3] = mixed, view.alpha
    return picture.reshape(size[1], size[0], 4)


def face_drawing(
    head: ParametricHead,
    size: tuple[int, int],
    theme: Theme,
    *,
    scheme: str = FRIDLUND,
    present: np.ndarray | None = None,
    labels: bool = True,
    title: str = "",
) -> Drawing:
    """Electrodes and names over a `face_picture` of the same size; present bool [22], else all are."""
    view, surface = _view(head, size, scheme), surface_map(head, scheme)
    skin = head.template.astype(np.float64)[surface.triangles]
    places = (surface.barycentric[..., None] * skin).sum(1)
    unit = size[1] / 600
    items: list = []
    known = np.ones(len(places), bool) if present is None or scheme != FRIDLUND else np.asarray(present)
    for k, (x, y) in enumerate(_to_pixels(places, view)):
        items += _disc(x, y, _DISC_M * view.scale, bool(known[k]))
        if labels:
            items.append(
                Text(x, y - 5.5 * unit, _label(surface, k), 11 * unit, (0.08, 0.08, 0.09, 1.0), "middle")
            )
    if title:
        items.append(Text(size[0] / 2, 18 * unit, title, 14 * unit, theme.text, "middle"))
    return Drawing(*size, tuple(items))


def bar_drawing(
    size: tuple[int, int], theme: Theme, limits: tuple[float, float], label: str, table: np.ndarray
) -> Drawing:
    """A colour bar for a picture of that height."""
    unit = size[1] / 600
    return colour_bar(table, *limits, label, (_BAR_SIZE[0] * unit, _BAR_SIZE[1] * unit), theme, scale=unit)


def _label(surface: SurfaceMap, k: int) -> str:
    return MUSCLES[k // 2].short if surface.scheme == FRIDLUND else surface.names[k]


def _disc(x: float, y: float, radius: float, known: bool) -> list:
    angle = np.linspace(0, 2 * np.pi, 25)
    circle = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1).astype(np.float32)
    half = 0.45 * radius
    middle = (0.30, 0.31, 0.33, 1.0) if known else (0.62, 0.62, 0.62, 1.0)
    return [
        Line(circle, (0.15, 0.15, 0.16, 0.9), 0.95 * radius),
        Line(circle, (0.97, 0.97, 0.96, 1.0), 0.62 * radius),
        Box(x - half, y - half, 2 * half, 2 * half, middle),
    ]


# --- the view -------------------------------------------------------------------------------------


def _to_pixels(points: np.ndarray, view: _View) -> np.ndarray:
    return np.stack(
        [view.origin[0] + view.scale * points[:, 0], view.origin[1] - view.scale * points[:, 1]], 1
    )


@lru_cache(maxsize=4)
def _view(head: ParametricHead, size: tuple[int, int], scheme: str) -> _View:
    width, height = size
    template = head.template.astype(np.float64)
    top = template[:, 1].max()
    scale = height * (1 - 2 * _MARGIN) / _HEIGHT_M
    # The subject's left is +x and appears on the right, as a person looks at a person.
    origin = (width / 2, height * _MARGIN + scale * top)
    at = np.stack([origin[0] + scale * template[:, 0], origin[1] - scale * template[:, 1]], 1)
    triangles = head.triangles
    fine = (width * _FINE, height * _FINE)
    hit, weights = hit_triangles((at * _FINE)[triangles], template[triangles][..., 2], fine)
    seen = hit >= 0
    corners, share = triangles[hit[seen]], weights[seen]
    shade = (share * _shading(template, triangles)[corners]).sum(1)
    bare = (share * _tones(head)[corners]).sum(1) * (_SHADE + (1 - _SHADE) * shade)
    surface = surface_map(head, scheme)
    pixel = _pixel_of(seen, width)
    count = np.bincount(pixel, minlength=width * height).astype(np.float32)
    pixels = np.flatnonzero(count)

    def averaged(values: np.ndarray) -> np.ndarray:
        return np.bincount(pixel, values, width * height)[pixels].astype(np.float32) / count[pixels]

    every, _known = known_weights(surface, np.ones(CHANNEL_COUNT, bool))
    covering = (share * surface.cover[corners]).sum(1)
    channels = [averaged((share * every[corners, k]).sum(1)) for k in range(CHANNEL_COUNT)]
    tone, cover = averaged(bare), averaged(covering)
    skin = np.flatnonzero(cover > 0)
    return _View(
        pixels=pixels,
        alpha=count[pixels] / _FINE**2,
        bare=np.stack([tone, tone * 0.985, tone * 0.965], 1),
        skin=skin,
        shade=averaged(shade)[skin],
        share=np.stack(channels, 1)[skin],
        cover=cover[skin],
        scale=scale,
        origin=origin,
    )


def _pixel_of(seen: np.ndarray, width: int) -> np.ndarray:
    y, x = np.nonzero(seen)
    return (y // _FINE) * width + x // _FINE


def _shading(template: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """float64 [V] 0..1: how much light reaches a vertex."""
    a, b, c = (template[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    smooth = np.zeros_like(template)
    for k in range(3):
        np.add.at(smooth, triangles[:, k], normal)
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-12)
    return np.clip(smooth @ (_LIGHT / np.linalg.norm(_LIGHT)), 0.0, 1.0)


def _tones(head: ParametricHead) -> np.ndarray:
    """float64 [V] lightness of the bare head: skin is plaster, the rest keeps how dark it is against skin."""
    luminance = head.tints @ np.array([0.2126, 0.7152, 0.0722])
    skin = np.median(luminance[head.regions["skin"]])
    return _PLASTER * np.clip((luminance / skin) ** 0.45, 0.25, 1.06)
