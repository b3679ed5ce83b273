"""Writing a take: one bulk write per F-curve, cancellable between curves."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from .. import keyframes, muscles, spaces
from ..errors import EiferError
from ..heads.head import ParametricHead
from ..mapping import calibration
from ..pipeline import Progress, TakeData
from ..signals import MAX_FRAMES
from . import actions, calibrations, head_object, takes
from .actions import CurveId, Keys

ACTIVITY_TOLERANCE = 0.005  # reduced activity curves stay within half a percent of full scale
_FACE_VERTICES = 1500  # an even sample of the skin measures the error of fewer keys
_DOUBTFUL = ("check", "bad")
_SAFETY = 0.95  # between the sample and all vertices, and float32 in Blender


@dataclass(frozen=True)
class Baked:
    """What bake did."""

    name: str
    start_frame: int
    frames: int
    curves: int
    keys: int
    error_mm: float  # largest error on the face through fewer keys; 0 for dense keys


@dataclass(frozen=True)
class _Curve:
    role: str
    curve_id: CurveId
    group: str
    values: np.ndarray  # float32 [frames]; a single value has a single key


def face_columns(parameters: np.ndarray, jaw: np.ndarray | None = None) -> np.ndarray:
    """Parameters [frames, 55] as Blender plays them, float32 [frames, 56 or 59].

    52 key values, the jaw's quaternion and, where joints move, its locations `jaw` [frames, 3].
    """
    turns = head_object.jaw_quaternions(parameters[:, spaces.JAW])
    parts = [parameters[:, : len(takes.KEY_NAMES)], turns]
    return np.concatenate(parts if jaw is None else [*parts, jaw], 1).astype(np.float32)


def face_effects(head: ParametricHead) -> np.ndarray:
    """Metres that one unit of each column of `face_columns` moves the face, float32 [56 or 59, n, 3].

    The jaw's part is its motion near rest: twice the lever arm about each axis, and its own locations.
    """
    skin = np.flatnonzero(head.regions["skin"])
    chosen = skin[:: max(1, len(skin) // _FACE_VERTICES)]
    keys = np.concatenate([head.expression, head.eyelids])[:, chosen]
    pivot = (head.joint_regressor @ head.template)[head_object.JAW_INDEX]
    arm = (head.template[chosen] - pivot) * head.weights[chosen, head_object.JAW_INDEX, None]
    axes = head_object.blender_axes()
    turns = np.stack([2.0 * np.cross(axis, arm) for axis in axes])
    still = np.zeros((1, len(chosen), 3), dtype=np.float32)
    parts = [keys, still, turns]
    if head.joints_move:
        share = head.weights[chosen, head_object.JAW_INDEX, None]
        parts.append(np.stack([share * axis for axis in axes]))
    return np.concatenate(parts).astype(np.float32)


def bake_steps(
    head: bpy.types.Object,
    take: TakeData,
    *,
    name: str,
    start_frame: int,
    stamp: dict,
    keys: list[keyframes.SparseKeys] | None = None,
    error_mm: float = 0.0,
    replace: int | None = None,
) -> Iterator[float]:
    """Write a take and yield the share that is done; its return value is a `Baked`.

    keys: reduced keys of the 56 face columns and 22 activities from `reduce`, or None for dense.
    replace: index of the take to write over; else the take is new. Nothing that was there before
    changes until all is written: an error, or closing the generator early (Esc), leaves no trace.
    """
    if start_frame + take.frames - 1 > MAX_FRAMES:
        raise EiferError(
            f"The take would end at frame {start_frame + take.frames - 1}, beyond Blender's {MAX_FRAMES}; "
            "start it earlier."
        )
    columns = _columns(take)
    frames = np.arange(take.frames, dtype=np.float32) + start_frame
    blocks = takes.targets(head)
    if replace is None:
        before = {role: actions.assigned(block) for role, block in blocks.items()}
    else:
        before = takes.channels_of(head, head.eifer.takes[replace])
        linked = [one.action.name for one in before.values() if one.action.library is not None]
        if linked:
            raise EiferError(
                f"The action '{linked[0]}' is linked from another file; bake a new take instead."
            )
    channels = actions.new_channels(f"EIFER {name}", blocks)
    try:
        for number, column in enumerate(columns):
            made = _keys(column, frames, keys[number] if keys else None)
            actions.write_curve(channels[column.role], column.curve_id, made, column.group)
            yield (number + 1) / len(columns)
        for role, one in channels.items():
            actions.copy_foreign_curves(before.get(role), one, takes.own_curves(role, take))
    except BaseException:
        for action in {one.action for one in channels.values()}:
            bpy.data.actions.remove(action)
        raise
    full = {**stamp, "id": uuid.uuid4().hex, "start_frame": start_frame, "frames": take.frames}
    full |= {"fps": take.fps, "missing": _missing_ranges(take.activation.present), "name": name}
    full |= {"calibration": calibrations.mark(take.calibration), "expected_mm": take.expected_error_mm}
    if take.identity is not None:
        full["identity"] = len(take.identity)
    full |= _marked_channels(take, stamp)
    full |= {"head_hash": head_object.hash_of(head), "space": head_object.space_of(head)}
    takes.write_stamp(channels.values(), full)
    takes.write_marks(channels.values(), take.marks)
    if take.calibration is not None:
        takes.write_calibration(channels.values(), calibration.to_json(take.calibration))
    if replace is None:
        entry = takes.add_to_list(head, name, channels)
    else:
        entry = takes.replace(head, replace, channels)
    takes.activate(head, entry)
    count = sum(len(k.indices) for k in keys) if keys else len(columns) * take.frames
    return Baked(entry.name, start_frame, take.frames, len(columns), count, error_mm)


def _marked_channels(take: TakeData, stamp: dict) -> dict:
    """Channels to be shown as doubtful or muted; a take that is mapped again keeps what it says."""
    if not take.activation.quality:
        return {}
    choices = stamp.get("settings", {}).get("choices", ())
    return {
        "doubtful": [q.channel for q in take.activation.quality if q.status in _DOUBTFUL],
        "muted": [choice["muscle"] for choice in choices if choice["muted"] and choice["muscle"]],
    }


def bake_take(head: bpy.types.Object, take: TakeData, **options: object) -> Baked:
    """`bake_steps` in one go."""
    steps = bake_steps(head, take, **options)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def reduce(
    head: ParametricHead, take: TakeData, tolerance_mm: float, progress: Progress = lambda share, text: None
) -> tuple[list[keyframes.SparseKeys], float]:
    """Reduced keys for the curves of a take and their error on the face in millimetres."""

    def tick() -> None:
        progress(0.9, "Reducing the keys")

    columns, effects = face_columns(take.parameters, take.jaw_locations), face_effects(head)
    face = keyframes.reduce_take(columns, effects, tolerance_mm * _SAFETY, tick)
    activity = [
        keyframes.reduce_curve(take.activation.values[:, column], ACTIVITY_TOLERANCE)
        for column in _recorded(take)
    ]
    progress(1.0, "Keys reduced")
    return face.keys + activity, face.error_mm


def _recorded(take: TakeData) -> np.ndarray:
    return np.flatnonzero(take.activation.present.any(0))


def _columns(take: TakeData) -> list[_Curve]:
    """All curves of a take, in the order of `reduce`."""
    face = face_columns(take.parameters, take.jaw_locations)
    columns = [
        _Curve(takes.EXPRESSION, curve_id, "Expression", face[:, i])
        for i, curve_id in enumerate(takes.KEY_CURVES)
    ]
    columns += [
        _Curve(takes.RIG, curve_id, head_object.JAW_BONE, column)
        for curve_id, column in zip(
            takes.JAW_CURVES + takes.JAW_LOCATION_CURVES, face[:, len(takes.KEY_CURVES) :].T, strict=False
        )
    ]
    if take.identity is not None:
        columns += [
            _Curve(
                takes.EXPRESSION, takes.identity_curve(number), takes.IDENTITY_GROUP, take.identity[[number]]
            )
            for number in range(len(take.identity))
        ]
    columns += [
        _Curve(takes.ACTIVITY, takes.EMG_CURVES[i], "EMG measured", take.activation.values[:, i])
        for i in _recorded(take)
    ]
    return columns


def _keys(column: _Curve, frames: np.ndarray, sparse: keyframes.SparseKeys | None) -> Keys:
    if len(column.values) == 1:
        return Keys(frames[:1], column.values)
    if sparse is None:
        return Keys(frames, column.values)
    return Keys(frames[sparse.indices], sparse.values, sparse.slopes)


def _missing_ranges(present: np.ndarray) -> dict[str, list[list[int]]]:
    """Frame ranges [first, last + 1) in which a recorded channel has no value."""
    ranges = {}
    for column in np.flatnonzero(present.any(0) & ~present.all(0)):
        edges = np.flatnonzero(np.diff(np.concatenate(([1], present[:, column], [1])).astype(np.int8)))
        ranges[muscles.CHANNELS[column]] = edges.reshape(-1, 2).tolist()
    return ranges
