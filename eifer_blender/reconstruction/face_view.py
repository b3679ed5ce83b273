"""An estimated face as the remover of electrodes sees it: its rendering, and the picture without the face.

The NumPy counterpart of `training.phase1.view`, which says what the rendering and the mask are; a test holds
that both give the same pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..drawing.raster import hit_triangles
from ..heads.default import load_default_head
from ..heads.deform import jaw_rotation, joint_positions, rotation_matrix
from ..heads.head import JOINTS, ParametricHead
from ..spaces import JAW

MIDDLE = (0.0, 0.115, 0.05)
"""Metres: the point of the default head about which it turns, and which a camera's shift is of."""
KEPT = 0.04
"""Share of the face's pixels that the remover gets to see."""
HIDDEN_AT = 0.4
"""How sure it must be that electrodes hide a pixel, 0..1, for the remover not to see it."""
WIDER = 2
"""Pixels of 128 by which the masked face is larger than the rendered one."""


def shown_vertices(head: ParametricHead) -> np.ndarray:
    """int64 [v]: the face between ears, hairline and chin, and the eyeballs."""
    x = head.template
    shown = head.regions["skin"] & (x[:, 2] > 0.03) & (x[:, 1] > 0.02) & (x[:, 1] < 0.205)
    return np.flatnonzero(shown | head.regions["eyeball_l"] | head.regions["eyeball_r"])


def shown_triangles(head: ParametricHead) -> np.ndarray:
    """int64 [f, 3] of `shown_vertices`, numbered within them; without the clear corneas."""
    number = np.full(len(head.template), -1)
    chosen = shown_vertices(head)
    number[chosen] = np.arange(len(chosen))
    quads = head.polygon_sizes == 4
    material = np.concatenate([head.polygon_material, head.polygon_material[quads]])
    triangles = number[head.triangles]
    return triangles[(triangles >= 0).all(1) & (material != head.materials.index("Cornea"))]


@dataclass(frozen=True)
class _Parts:
    """What is needed to move the shown part of the head."""

    rest: np.ndarray  # float32 [v, 3] metres
    identity: np.ndarray  # float32 [I, 3 v]
    basis: np.ndarray  # float32 [61, 3 v]: 50 coefficients, two lids, nine entries of the jaw's turn
    jaw_weights: np.ndarray  # float32 [v, 1]
    triangles: np.ndarray  # int64 [f, 3]


@lru_cache(maxsize=1)
def _parts() -> _Parts:
    head = load_default_head()
    chosen = shown_vertices(head)
    basis = np.concatenate([head.expression, head.eyelids, head.jaw_correctives])[:, chosen]
    return _Parts(
        head.template[chosen],
        head.identity[:, chosen].reshape(len(head.identity), -1),
        basis.reshape(len(basis), -1),
        head.weights[chosen, JOINTS.index("jaw"), None],
        shown_triangles(head),
    )


def surfaces(expression: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """float32 [n, v, 3] metres: the shown part for expressions [n, 55] of one identity [<= I]."""
    parts, head = _parts(), load_default_head()
    identity = np.asarray(identity, np.float32)
    turn = jaw_rotation(expression).astype(np.float32) - np.eye(3, dtype=np.float32)
    weights = np.concatenate([expression[:, : JAW.start], turn.reshape(-1, 9)], 1, dtype=np.float32)
    rest = parts.rest + (identity @ parts.identity[: len(identity)]).reshape(-1, 3)
    posed = (weights @ parts.basis).reshape(len(weights), -1, 3) + rest
    joint = joint_positions(head, identity)[JOINTS.index("jaw")].astype(np.float32)
    return posed + parts.jaw_weights * ((posed - joint) @ turn.transpose(0, 2, 1))


def render(
    expression: np.ndarray, identity: np.ndarray, rotation: np.ndarray, camera: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """(float32 [n, 3, size, size] the surface's directions as colours, bool [n, size, size] where it is).

    expression [n, 55] of one identity [<= I]; rotation [n, 3] axis-angle; camera [n, 3] scale (halves of the
    side per metre) and shift of a scaled orthographic view whose y points down.
    """
    triangles = _parts().triangles
    surface = surfaces(expression, identity)
    turns = rotation_matrix(rotation).astype(np.float32)
    pictures = np.zeros((len(surface), 3, size, size), np.float32)
    cover = np.zeros((len(surface), size, size), bool)
    for i, (points, turn, (scale, across, down)) in enumerate(zip(surface, turns, camera, strict=True)):
        seen = (points - np.array(MIDDLE, np.float32)) @ turn.T
        at = (np.stack([seen[:, 0] * scale + across, -seen[:, 1] * scale + down], 1) + 1) * (size / 2)
        corners = at[triangles]
        one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        facing = triangles[one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] < 0]
        hit, weights = hit_triangles(at[facing], seen[facing][..., 2], (size, size))
        cover[i] = hit >= 0
        normals = _normals(points, triangles) @ turn.T
        lit = (weights[cover[i]][..., None] * normals[facing[hit[cover[i]]]]).sum(1)
        lit /= np.maximum(np.linalg.norm(lit, axis=1, keepdims=True), 1e-12)
        pictures[i][:, cover[i]] = (lit * 0.5 + 0.5).T
    return pictures, cover


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """float32 [v, 3] unit normals, weighted by area."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    total = np.stack(
        [sum(np.bincount(triangles[:, k], faces[:, d], len(points)) for k in range(3)) for d in range(3)], 1
    )
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return total.astype(np.float32)


@lru_cache(maxsize=2)
def _scatter(size: int) -> np.ndarray:
    """bool [size, size]: which of the face's pixels are kept; always the same, so that nothing flickers."""
    return np.random.default_rng(3).random((size, size)) < KEPT


def mask(pictures: np.ndarray, cover: np.ndarray, electrodes: np.ndarray) -> np.ndarray:
    """float32 [n, 4, size, size]: pictures [n, 3, size, size] where they are kept, and what is kept.

    cover: bool [n, size, size] of `render`; electrodes [n, size, size] 0..1, how sure they are there.
    """
    size = pictures.shape[-1]
    reach = max(1, round(WIDER * size / 128))
    hidden = cover
    for axis in (1, 2):
        padded = np.pad(hidden, [(0, 0), *((reach, reach) if a == axis else (0, 0) for a in (1, 2))])
        shifted = [np.take(padded, np.arange(size) + k, axis=axis) for k in range(2 * reach + 1)]
        hidden = np.logical_or.reduce(shifted)
    kept = ((~hidden | _scatter(size)) & (electrodes < HIDDEN_AT))[:, None].astype(np.float32)
    return np.concatenate([pictures * kept, kept], 1)
