"""Drawings as SVG."""

from __future__ import annotations

from html import escape

import numpy as np

from .shapes import Area, Box, Colour, Drawing, Line, Text

_FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
_ANCHORS = {"left": "start", "middle": "middle", "right": "end"}


def to_svg(drawing: Drawing, title: str = "") -> str:
    """One `svg` element with a view box, so that it takes any width; texts are escaped."""
    body = "".join(_element(item) for item in drawing.items)
    told = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width:g} {drawing.height:g}" '
        f'font-family="{_FONT}" role="img">{told}{body}</svg>'
    )


def _element(item: Line | Area | Box | Text) -> str:
    if isinstance(item, Box):
        return (
            f'<rect x="{item.x:.2f}" y="{item.y:.2f}" width="{item.width:.2f}" height="{item.height:.2f}" '
            f"{_paint('fill', item.colour)}/>"
        )
    if isinstance(item, Text):
        return (
            f'<text x="{item.x:.2f}" y="{item.y:.2f}" font-size="{item.size:.2f}" '
            f'text-anchor="{_ANCHORS[item.align]}" {_paint("fill", item.colour)}>{escape(item.text)}</text>'
        )
    if isinstance(item, Line):
        path = "".join(_path(part) for part in pieces(item.points))
        stroke = f'stroke-width="{item.width:.2f}" stroke-linejoin="round" {_paint("stroke", item.colour)}'
        return f'<path d="{path}" fill="none" {stroke}/>' if path else ""
    rows = np.stack([item.x, item.top, item.bottom], 1)
    path = "".join(_path(np.concatenate([p[:, [0, 1]], p[::-1][:, [0, 2]]])) + "Z" for p in pieces(rows))
    return f'<path d="{path}" {_paint("fill", item.colour)}/>' if path else ""


def pieces(rows: np.ndarray) -> list[np.ndarray]:
    """Stretches [m, k] of rows [n, k] without a NaN; single rows are left out."""
    known = np.isfinite(rows).all(1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], known, [0])).astype(np.int8))).reshape(-1, 2)
    return [rows[start:stop] for start, stop in edges if stop - start > 1]


def _path(points: np.ndarray) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points.tolist())
    return f"M{text}"


def _paint(name: str, colour: Colour) -> str:
    red, green, blue = (round(255 * min(max(c, 0.0), 1.0)) for c in colour[:3])
    opacity = f' {name}-opacity="{colour[3]:.3g}"' if colour[3] < 1.0 else ""
    return f'{name}="#{red:02x}{green:02x}{blue:02x}"{opacity}'
