"""Examples for a calibration: poses at moments of a recording, and its labelled movements."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from . import mapping, pipeline
from .errors import EiferError
from .mapping import calibration
from .mapping.calibration import Calibration, Examples
from .movements import MOVEMENTS
from .muscles import CHANNEL_COUNT, CHANNELS
from .pipeline import TakeMark
from .signals import Activation

WINDOW_S = 1.5  # of muscle activity that a pose keeps before and after its moment: what a model may look at
LABEL_WEIGHT = 0.25  # of a labelled movement beside a pose: nobody saw the face
_LONGEST_LABEL_S = 10.0  # of a label without an end
_PLATEAU = 0.8  # share of the movement's height from which on it is a plateau
_LEAST_ACTIVITY = 0.1  # at the height of a movement; at a pose half of it
_AMPLITUDES = np.linspace(0.0, 1.2, 9)
_UNEXPLAINED = 0.5  # share of a face's squared extent that may be no part of the labelled movement
_LONGEST_WINDOW = 4096  # rows, read from a file
_LEFT = np.array([name.endswith("_l") for name in CHANNELS])


@dataclass(frozen=True)
class Pose:
    """How the face should look at a moment of a recording, with the muscle activity around it."""

    name: str  # for people, e.g. "frame 51"
    wanted: np.ndarray  # float32 [P]
    values: np.ndarray  # float32 [m, 22], measured activity before gain and smoothing
    present: np.ndarray  # bool [m, 22]
    fps: float
    row: int  # of the moment in `values`


class Labelled(NamedTuple):
    """A movement that the recording names, as frames [first, last) of its activation."""

    movement: str  # one of movements.MOVEMENTS
    first: int
    last: int


@dataclass(frozen=True)
class Material:
    """Everything that a calibration is made from."""

    poses: tuple[Pose, ...] = ()
    activation: Activation | None = None  # with labelled movements
    marks: tuple[TakeMark, ...] = ()  # their labels
    gain: float = 1.0
    smoothing_ms: float = 0.0


def calibrate(
    model: mapping.MappingModel, material: Material, metric: np.ndarray
) -> tuple[Calibration, list[str]]:
    """The calibration that the material asks for, and what of it was left out, in sentences.

    metric: as for `calibration.fit`. Raises EiferError if there is nothing to learn from, or if poses
    contradict each other.
    """
    poses = [_pose_row(model, pose, material) for pose in material.poses]
    if len(poses) > 1:
        reason = calibration.contradiction(_stack(poses), metric)
        if reason:
            raise EiferError(reason)
    rows, notes = poses, []
    if material.activation is not None:
        labelled, notes = _labelled_rows(model, material, metric)
        rows = poses + labelled
    if not rows:
        raise EiferError("There is nothing to calibrate from; add a pose, or use labelled movements.")
    made = calibration.fit(_stack(rows), metric, model.metadata.parameters)
    return calibration.for_model(made, model.metadata.id, model.sha256), notes


# --- poses ----------------------------------------------------------------------------------------


def pose_at(name: str, wanted: np.ndarray, activation: Activation, row: int) -> Pose:
    """A pose at a row of an activation. Raises EiferError if no muscle is active there."""
    around = round(WINDOW_S * activation.fps)
    rows = slice(max(0, row - around), row + around + 1)
    present = np.broadcast_to(activation.present, activation.values.shape)
    known = np.where(present[row], activation.values[row], 0.0)
    if known.max() < _LEAST_ACTIVITY / 2:
        raise EiferError(
            f"At {name} the muscles are at rest, and a calibration leaves the face at rest as it is; "
            "choose a moment of movement."
        )
    return Pose(
        name,
        np.asarray(wanted, np.float32),
        activation.values[rows].astype(np.float32),
        present[rows].copy(),
        activation.fps,
        row - rows.start,
    )


def pose_to_json(pose: Pose) -> str:
    """A pose as text; activity keeps three digits."""
    data = {
        "name": pose.name,
        "wanted": [float(f"{value:.6g}") for value in pose.wanted.tolist()],
        "values": _encoded(pose.values.astype("<f2")),
        "present": _encoded(np.packbits(pose.present)),
        "fps": pose.fps,
        "row": pose.row,
    }
    return json.dumps(data)


def pose_from_json(text: str) -> Pose:
    """Inverse of `pose_to_json`; EiferError if the text is none of its results."""
    try:
        data = json.loads(text)
        values = np.frombuffer(base64.b64decode(data["values"]), "<f2").astype(np.float32)
        values = values.reshape(-1, CHANNEL_COUNT)
        bits = np.frombuffer(base64.b64decode(data["present"]), np.uint8)
        present = np.unpackbits(bits, count=values.size).reshape(values.shape).astype(bool)
        wanted = np.array(data["wanted"], np.float32).reshape(-1)
        pose = Pose(str(data["name"])[:200], wanted, values, present, float(data["fps"]), int(data["row"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise EiferError("An example of the calibration is damaged; remove it and add it again.") from None
    sound = np.isfinite(wanted).all() and np.isfinite(values).all() and len(values) <= _LONGEST_WINDOW
    if not (sound and 0 <= pose.row < len(values) and 0.0 < pose.fps < np.inf):
        raise EiferError("An example of the calibration is damaged; remove it and add it again.")
    return pose


def _encoded(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


class _Row(NamedTuple):
    """One example: a face at given features."""

    name: str
    features: np.ndarray
    predicted: np.ndarray
    wanted: np.ndarray
    weight: float


def _stack(rows: Sequence[_Row]) -> Examples:
    names = tuple(dict.fromkeys(row.name for row in rows))
    return Examples(
        features=np.stack([row.features for row in rows]),
        predicted=np.stack([row.predicted for row in rows]),
        wanted=np.stack([row.wanted for row in rows]),
        groups=np.array([names.index(row.name) for row in rows]),
        weights=np.array([row.weight for row in rows]),
        names=names,
    )


def _pose_row(model: mapping.MappingModel, pose: Pose, material: Material) -> _Row:
    if len(pose.wanted) != len(model.metadata.parameters):
        raise EiferError(
            f"The pose at {pose.name} is of another head than the model '{model.metadata.id}'; remove it."
        )
    measured = Activation(pose.values, np.full_like(pose.values, np.nan), pose.present, pose.fps)
    faces = _faces(model, _shaped(measured, material))
    return _Row(pose.name, faces.features[pose.row], faces.values[pose.row], pose.wanted, 1.0)


def _faces(model: mapping.MappingModel, activation: Activation) -> calibration.Faces:
    return calibration.faces(model, activation.values, activation.present, activation.fps)


def _shaped(activation: Activation, material: Material) -> Activation:
    return pipeline.shape_activation(activation, material.gain, material.smoothing_ms)


# --- labelled movements ---------------------------------------------------------------------------


def movement_of(label: str) -> str | None:
    """The movement or emotion that a label names, whatever its case, separators and number."""
    plain = re.sub(r"[^a-z]", "", label.casefold())
    return _PLAIN.get(plain)


_PLAIN = {re.sub(r"[^a-z]", "", name.casefold()): name for name in MOVEMENTS}


def labelled_movements(marks: Sequence[TakeMark], frames: int, fps: float) -> list[Labelled]:
    """Stretches of a take whose marks name a movement.

    A mark without an end lasts until the next one, but no longer than 10 s.
    """
    starts = sorted({mark.frame for mark in marks} | {frames})
    found = []
    for mark in marks:
        movement = movement_of(mark.text)
        if movement is None or not MOVEMENTS[movement].any():
            continue
        following = next(start for start in starts if start > mark.frame or start == frames)
        longest = mark.frame + round(_LONGEST_LABEL_S * fps)
        last = min(following, longest) if mark.end is None else mark.end
        if mark.frame < last:
            found.append(Labelled(movement, mark.frame, min(last, frames)))
    return found


def plateau(activation: Activation, labelled: Labelled) -> np.ndarray:
    """Rows of an activation at which a labelled movement is at its height; none if it never moves."""
    leading = MOVEMENTS[labelled.movement] >= 0.5 * MOVEMENTS[labelled.movement].max()
    values = np.where(activation.present, activation.values, np.nan)[labelled.first : labelled.last, leading]
    known = np.isfinite(values)
    level = np.where(known, values, 0.0).sum(1) / np.maximum(known.sum(1), 1)
    height = np.quantile(level, 0.9) if len(level) else 0.0
    if height < _LEAST_ACTIVITY:
        return np.empty(0, np.int64)
    return labelled.first + np.flatnonzero(level >= _PLATEAU * height)


def _labelled_rows(
    model: mapping.MappingModel, material: Material, metric: np.ndarray
) -> tuple[list[_Row], list[str]]:
    activation = _shaped(material.activation, material)
    activation = replace(activation, present=np.broadcast_to(activation.present, activation.values.shape))
    stretches = labelled_movements(material.marks, activation.frames, activation.fps)
    if not stretches:
        return [], ["No mark names a movement of the protocol or an emotion."]
    faces = _faces(model, activation)
    rows, idle, other = [], set(), set()
    for stretch in stretches:
        frames = plateau(activation, stretch)
        if not len(frames):
            idle.add(stretch.movement)
            continue
        predicted = faces.values[frames].mean(0)
        wanted = _closest(_canonical_faces(model, stretch.movement), predicted, metric)
        if wanted is None:
            other.add(stretch.movement)
            continue
        rows.append(_Row(stretch.movement, faces.features[frames].mean(0), predicted, wanted, LABEL_WEIGHT))
    notes = [f"Nothing happens where the marks say {name}; it is left out." for name in sorted(idle)]
    notes += [f"What the marks call {name} does not look like it; it is left out." for name in sorted(other)]
    return rows, notes


def _canonical_faces(model: mapping.MappingModel, movement: str) -> np.ndarray:
    """Faces of a movement float32 [81, P], left and right from nothing to more than usual."""
    left, right = (grid.ravel()[:, None] for grid in np.meshgrid(_AMPLITUDES, _AMPLITUDES))
    levels = np.clip(MOVEMENTS[movement] * np.where(_LEFT, left, right), 0.0, 1.0).astype(np.float32)
    # Each level is held for as long as the model looks around.
    metadata = model.metadata
    held = metadata.before + metadata.after + 1
    activation = Activation(
        values=np.repeat(levels, held, axis=0),
        envelope_uv=np.empty((0, CHANNEL_COUNT)),
        present=np.ones(CHANNEL_COUNT, bool),
        fps=metadata.frame_rate or 30.0,
    )
    return _faces(model, activation).values[metadata.before :: held]


def _closest(faces: np.ndarray, predicted: np.ndarray, metric: np.ndarray) -> np.ndarray | None:
    """The face of a movement that is closest to a predicted one; None if it says too little of it."""
    apart = (((faces - predicted) @ metric) ** 2).sum(1)
    if apart.min() > _UNEXPLAINED * ((predicted @ metric) ** 2).sum():
        return None
    return faces[apart.argmin()]
