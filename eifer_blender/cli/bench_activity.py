"""Speed of the way back: estimates, conversions and the heat map; the peer runs in its own environment."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from .bench import CURVES, FPS, FRAMES, Row, best, fresh, long_take, ms, s

HEAT_FRAMES = 300
MAP_PIXELS = 512


def run() -> list[Row]:
    """Rows of what Blender does."""
    return [*_estimate_rows(), _arkit_row(), *_heat_rows(), _picture_row()]


def run_peer() -> list[Row]:
    """The heat map of electromyogram, which solves for each map anew; for the `peers` environment."""
    import electromyogram

    scheme = electromyogram.Fridlund()
    values = dict(zip(scheme.locations, np.random.default_rng(0).random(22).tolist(), strict=True))
    shape = (MAP_PIXELS, MAP_PIXELS)
    seconds = best(lambda: electromyogram.interpolate(scheme, values, shape=shape))
    return [Row(f"A map of {MAP_PIXELS} x {MAP_PIXELS} in electromyogram", ms(seconds), "without colours")]


def _estimate_rows() -> list[Row]:
    import bpy

    from ..blender import bake
    from ..heads.default import load_default_head

    take = long_take(FRAMES)
    rows = []
    for label, keys in (("dense", None), ("reduced", bake.reduce(load_default_head(), take, 0.1)[0])):
        scene = fresh()
        bpy.ops.eifer.add_head()
        scene.render.fps = round(FPS)
        bake.bake_take(scene.eifer.head, take, name="bench", start_frame=1, stamp={}, keys=keys)
        scene.frame_end = FRAMES
        seconds = best(bpy.ops.eifer.estimate_activity, 2)
        note = "read, estimated, 40 curves written" if keys is None else "Bezier keys"
        rows.append(Row(f"Estimate {FRAMES} frames of {CURVES} curves, {label} keys", s(seconds), note))
    return rows


def _arkit_row() -> Row:
    from ..heads import arkit
    from ..heads.default import load_default_head

    head, faces = load_default_head(), long_take(FRAMES).parameters
    seconds = best(lambda: arkit.to_arkit(head, faces), 1)
    rate = FRAMES / seconds
    return Row(f"{FRAMES} frames as 52 ARKit weights", s(seconds), f"{rate:,.0f} frames a second; bounded")


def _scrubbed(scene: object) -> Callable[[], None]:
    def scrub() -> None:
        for frame in range(HEAT_FRAMES):
            scene.frame_set(frame)

    return scrub


def _heat_rows() -> list[Row]:
    import bpy

    from ..blender import bake

    scene = fresh()
    bpy.ops.eifer.add_head()
    scene.render.fps = round(FPS)
    bake.bake_take(scene.eifer.head, long_take(HEAT_FRAMES), name="bench", start_frame=0, stamp={})
    scene.frame_start, scene.frame_end = 0, HEAT_FRAMES - 1
    bpy.ops.eifer.estimate_activity()
    scrub = _scrubbed(scene)
    without = best(scrub) / HEAT_FRAMES
    begun = time.perf_counter()
    bpy.ops.eifer.heat_map()
    shown = time.perf_counter() - begun
    coloured = best(scrub) / HEAT_FRAMES - without
    return [
        Row(
            "Heat map on the face, per frame change",
            ms(coloured),
            f"on top of {ms(without)} for the animation; electrodes too; shown in {ms(shown)}",
        )
    ]


def _picture_row() -> Row:
    from ..heads.default import load_default_head
    from ..heads.face_picture import face_picture

    head = load_default_head()
    values = np.random.default_rng(0).random(22).astype(np.float32)
    size = (MAP_PIXELS, MAP_PIXELS)
    face_picture(head, values, size)
    seconds = best(lambda: face_picture(head, values, size))
    return Row(f"A flat map of {MAP_PIXELS} x {MAP_PIXELS} pixels", ms(seconds), "shaded, with colours")
