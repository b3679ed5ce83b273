"""Joints, their skinning weights, and the regressor that finds them on another identity."""

from __future__ import annotations

import numpy as np

from ..head import JOINTS
from . import eyes, mesh, paint
from .surface import Surface

WEIGHT_UNIT = 65535  # weights are stored as 16-bit shares that sum to this
_COLUMNS = 33  # vertices in the support of a joint


def joints(surface: Surface) -> np.ndarray:
    """[5, 3] metres: root, neck, jaw, left and right eye."""
    source = surface.source
    spine = source.group_vertices_mean("joint-neck")
    skull = source.group_vertices_mean("joint-head")
    neck = spine + 0.45 * (skull - spine)
    jaw = source.group_vertices_mean("joint-mouth")
    return np.array([spine, neck, jaw, surface.eye_centre, surface.eye_centre * [-1, 1, 1]])


def weights(surface: Surface) -> np.ndarray:
    """uint16 [B, 5] shares of the joints; the rim of the neck stays with the root."""
    down = surface.transfer @ np.clip(_bones(surface, "jaw"), 0, 1)
    neck = _neck(surface)
    for name in ("eyeball_l", "eyeball_r", "teeth_upper", "teeth_lower", "tongue"):
        neck[surface.slices[name]] = 1.0
    down[surface.slices["teeth_upper"]] = 0.0
    down[surface.slices["teeth_lower"]] = 1.0
    share = np.zeros((len(surface.base), len(JOINTS)))
    share[:, 2] = np.minimum(np.clip(down, 0, 1), neck)
    for name, joint in (("eyeball_l", 3), ("eyeball_r", 4)):
        share[surface.slices[name], joint] = 1.0
    share[:, 1] = neck - share[:, 2:].sum(axis=1)
    share[:, 0] = 1.0 - neck
    share = (share + share[surface.mirror[: len(share)]][:, [0, 1, 2, 4, 3]]) / 2
    whole = np.round(share * WEIGHT_UNIT).astype(np.int64)
    whole[:, 1] += WEIGHT_UNIT - whole.sum(axis=1)
    return whole.astype(np.uint16)


def _bones(surface: Surface, name: str) -> np.ndarray:
    return surface.source.bone_weights(surface.source.bones_below(name))


def _neck(surface: Surface) -> np.ndarray:
    """[B] what turns with the head: all of it, then less and less down to the rim."""
    source = surface.source
    head = surface.transfer @ np.clip(_bones(surface, "head"), 0, 1)
    neck = head + surface.transfer @ (
        0.80 * source.bone_weights(["neck03"])
        + 0.5 * source.bone_weights(["neck02"])
        + 0.2 * source.bone_weights(["neck01"])
    )
    point, normal = mesh.cut_plane()
    above = (surface.base - point) @ normal
    neck = np.clip(neck, 0, 1) * paint.smooth_step(above, 0.003, 0.05)
    neck[: surface.count] = surface.smoothed(neck[: surface.count], 12)
    return neck * paint.smooth_step(above, 0.001, 0.02)


def regressor(surface: Surface, places: np.ndarray, still: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Affine rows (columns uint16 [5, 33], values float32 [5, 33]) that give the joints `places`.

    still: bool [B], vertices that no expression moves; joints of bone are carried by skin among them.
    """
    columns, values = zip(*(_row(surface, i, place, still) for i, place in enumerate(places)), strict=True)
    return np.array(columns).astype(np.uint16), np.array(values).astype(np.float32)


def _row(surface: Surface, joint: int, place: np.ndarray, still: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    chosen = _eye_support(surface, joint) if joint >= 3 else _bone_support(surface, place, still)
    points = surface.template[chosen].astype(np.float64)
    system = np.vstack([points.T, np.ones(len(chosen))])
    value = np.zeros(_COLUMNS)
    value[: len(chosen)] = np.linalg.lstsq(system, np.append(place, 1.0), rcond=None)[0]
    # columns beyond the support have no weight and must not repeat a used one
    spare = np.setdiff1d(np.arange(200), chosen)[: _COLUMNS - len(chosen)]
    return np.concatenate([chosen, spare]), value


def _eye_support(surface: Surface, joint: int) -> np.ndarray:
    """A ring of the eyeball and its front pole."""
    where = surface.slices[f"eyeball_{'lr'[joint - 3]}"]
    ring = where.start + 1 + eyes.SEGMENTS * 10
    return np.concatenate([[where.start], np.arange(ring, ring + eyes.SEGMENTS)])


def _bone_support(surface: Surface, place: np.ndarray, still: np.ndarray) -> np.ndarray:
    """The nearest twelve vertices of skin on the left, and their twins."""
    on_left = still[: surface.count] & (surface.skin[:, 0] > 0.004)
    left = np.nonzero(on_left)[0]
    near = np.argsort(np.linalg.norm(surface.skin[left] - place, axis=1), kind="stable")[:12]
    return np.concatenate([left[near], surface.mirror[left[near]]])
