"""The calibration of a head, as data on the head: poses, and what was computed from them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

import bpy
import numpy as np

from .. import examples, spaces
from ..errors import EiferError
from ..heads.default import load_default_head
from ..heads.head import ParametricHead
from ..heads.metric import closest_step, vertex_metric
from ..mapping import Calibration, calibration
from . import head_object

UNKNOWN = -1.0  # error of a pose that no calibration was made with yet


@dataclass(frozen=True)
class Choice:
    """The calibration that shall be used, as plain data; none by default."""

    text: str = ""
    strength: float = 1.0

    def load(self) -> Calibration | None:
        """The calibration; EiferError if somebody damaged it."""
        return _loaded(self.text, self.strength) if self.text else None


@lru_cache(maxsize=8)
def _loaded(text: str, strength: float) -> Calibration:
    return replace(calibration.from_json(text, metric()), strength=strength)


@lru_cache(maxsize=1)
def metric() -> np.ndarray:
    """Metric of the default head's face; see `heads.metric.vertex_metric`."""
    return vertex_metric(load_default_head())


def drop() -> None:
    """Let go of what is at hand."""
    for cached in (_loaded, _mark, metric):
        cached.cache_clear()


def from_take(text: str) -> Calibration | None:
    """What a take keeps of the calibration that it was made with; None if it was made without."""
    return calibration.from_json(text, metric()) if text else None


def choice(head: bpy.types.Object | None) -> Choice:
    """The calibration that is switched on for a head."""
    if head is None or not head.eifer.calibration.use:
        return Choice()
    return Choice(head.eifer.calibration.data, head.eifer.calibration.strength)


def mark(used: Calibration | None) -> str:
    """A few letters that tell calibrations apart; empty for none."""
    return hashlib.sha256(calibration.to_json(used).encode()).hexdigest()[:16] if used else ""


def mark_of(head: bpy.types.Object) -> str:
    """The mark of the calibration that is switched on for a head."""
    chosen = choice(head)
    return _mark(chosen) if chosen.text else ""


@lru_cache(maxsize=8)
def _mark(chosen: Choice) -> str:
    try:
        return mark(chosen.load())
    except EiferError:
        return "damaged"


def store(head: bpy.types.Object, made: Calibration, notes: list[str]) -> None:
    """Keep a new calibration on a head and switch it on; one that changes nothing is no calibration."""
    stored = head.eifer.calibration
    stored.data = calibration.to_json(made) if made.changes else ""
    stored.result = "\n".join([calibration.describe(made), *notes])
    stored.use = True
    errors = {group.name: group for group in made.groups}
    for item in stored.poses:
        found = errors.get(item.name)
        item.before, item.after = (found.before, found.after) if found else (UNKNOWN, UNKNOWN)


def clear(head: bpy.types.Object) -> None:
    """Forget calibration and poses."""
    stored = head.eifer.calibration
    stored.poses.clear()
    for name in ("data", "result", "active_pose"):
        stored.property_unset(name)


# --- poses ----------------------------------------------------------------------------------------


def shown_face(head: bpy.types.Object, geometry: ParametricHead) -> np.ndarray:
    """float32 [55]: the face that a head shows, with what ARKit keys add to it, as far as parameters can.

    geometry: the head's; the face is in its space.
    """
    face = head_object.expression_of(head)
    blocks = head_object.mesh_keys(head).key_blocks
    used = [(i, blocks[n]) for i, n in enumerate(spaces.ARKIT_NAMES) if n in blocks]
    weights = {i: block.value for i, block in used if block.value and not block.mute}
    if not weights:
        return face
    offsets = np.tensordot(np.array(list(weights.values()), np.float32), geometry.arkit[list(weights)], 1)
    return face + closest_step(geometry, offsets)


def add_pose(head: bpy.types.Object, pose: examples.Pose, label: str, source: str) -> bpy.types.PropertyGroup:
    """List a pose, in the place of the one that was given for the same moment of the same recording."""
    stored = head.eifer.calibration
    same = [i for i, item in enumerate(stored.poses) if (item.moment, item.source) == (pose.name, source)]
    name = pose.name
    if not same and name in stored.poses:
        name = f"{pose.name} of {source}"
    index = same[0] if same else len(stored.poses)
    item = stored.poses[index] if same else stored.poses.add()
    if not same:
        item.name, item.moment, item.source = name, pose.name, source
    item.label, item.before, item.after = label, UNKNOWN, UNKNOWN
    item.data = examples.pose_to_json(replace(pose, name=item.name))
    stored.active_pose = index
    return item


def poses_of(head: bpy.types.Object) -> tuple[examples.Pose, ...]:
    """All poses of a head; EiferError if one is damaged."""
    return tuple(
        replace(examples.pose_from_json(item.data), name=item.name) for item in head.eifer.calibration.poses
    )
