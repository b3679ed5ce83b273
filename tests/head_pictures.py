"""Pictures of the default head for tests: shaded by one lamp, in front of a plain wall."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from eifer_blender.drawing.raster import hit_triangles
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform, rotation_matrix
from eifer_blender.spaces import ARKIT_NAMES

MIDDLE = (0.0, 0.115, 0.05)  # metres: what lies in the middle of the picture
FINE = 2
WALL = (96, 110, 124)


@lru_cache(maxsize=32)
def head_picture(
    degrees: tuple[float, float, float] = (0, 0, 0),
    size: int = 256,
    across: float = 0.3,
    shapes: tuple[tuple[str, float], ...] = (),
) -> np.ndarray:
    """uint8 [size, size, 3]: the head, turned by an axis-angle in degrees; across: metres in the picture."""
    head = load_default_head()
    weights = np.zeros((1, 52), np.float32)
    for name, value in shapes:
        weights[0, ARKIT_NAMES.index(name)] = value
    points = deform(head, np.zeros((1, 55), np.float32), arkit=weights)[0]
    turn = rotation_matrix(np.radians(degrees))
    seen = (points - MIDDLE) @ turn.T
    pixels = size * FINE
    at = np.stack([seen[:, 0], -seen[:, 1]], 1) * pixels / across + pixels / 2
    quads = head.polygon_sizes == 4
    material = np.concatenate([head.polygon_material, head.polygon_material[quads]])
    triangles = head.triangles[material != head.materials.index("Cornea")]
    hit, share = hit_triangles(at[triangles].astype(np.float32), seen[triangles][..., 2], (pixels, pixels))
    there = hit >= 0
    corners = triangles[hit[there]]
    normals = np.cross(seen[corners[:, 1]] - seen[corners[:, 0]], seen[corners[:, 2]] - seen[corners[:, 0]])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    lamp = np.array([0.3, 0.5, 0.8]) / np.linalg.norm([0.3, 0.5, 0.8])
    light = 0.35 + 0.75 * np.clip(normals @ lamp, 0, 1)
    colour = np.einsum("pk,pkc->pc", share[there], head.tints[corners]) * light[:, None]
    picture = np.empty((pixels, pixels, 3))
    picture[...] = WALL
    picture[there.reshape(pixels, pixels)] = 255 * np.clip(colour, 0, 1) ** (1 / 2.2)
    picture = picture.reshape(size, FINE, size, FINE, 3).mean((1, 3))
    return np.rint(picture).astype(np.uint8)


def placed(picture: np.ndarray, x: int, y: int, width: int = 640, height: int = 480) -> np.ndarray:
    """uint8 [h, w, 3]: a picture on the wall, its upper left corner at a place; it may stick out."""
    scene = np.empty((height, width, 3), np.uint8)
    scene[...] = WALL
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + picture.shape[1], width), min(y + picture.shape[0], height)
    if right > left and bottom > top:
        scene[top:bottom, left:right] = picture[top - y : bottom - y, left - x : right - x]
    return scene
