"""Words as triangles, as Blender's own font draws them."""

from __future__ import annotations

from functools import lru_cache

import bpy
import numpy as np


@lru_cache(maxsize=256)
def word(text: str) -> tuple[np.ndarray, float]:
    """Triangles float32 [T, 3, 2] of a word at size 1, from the baseline's left end up, and its width."""
    curve = bpy.data.curves.new("EIFER Word", "FONT")
    curve.body, curve.size, curve.resolution_u = text, 1.0, 3
    obj = bpy.data.objects.new("EIFER Word", curve)
    try:
        mesh = obj.to_mesh()
        points = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", points)
        mesh.calc_loop_triangles()
        corners = np.empty(3 * len(mesh.loop_triangles), np.int32)
        mesh.loop_triangles.foreach_get("vertices", corners)
        obj.to_mesh_clear()
    finally:
        bpy.data.objects.remove(obj)
        bpy.data.curves.remove(curve)
    flat = points.reshape(-1, 3)[:, :2]
    return flat[corners.reshape(-1, 3)], float(flat[:, 0].max(initial=0.0))
