"""From what the head shows and the recording says to a calibration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from .. import examples, pipeline, signals
from ..errors import EiferError
from ..mapping import Calibration, calibration
from ..pipeline import TakeMark
from . import calibrations, preview, session, sources, takes, work


@dataclass(frozen=True)
class Moment:
    """What the head shows now, as a row of a take."""

    activation: signals.Activation
    marks: tuple[TakeMark, ...]
    row: int
    source: str  # name of the recording

    @property
    def label(self) -> str:
        """Text of the mark that the moment lies in."""
        ended = [m for m in self.marks if m.frame <= self.row and (m.end is None or self.row < m.end)]
        return ended[-1].text if ended else ""


def playing_take(head: bpy.types.Object) -> bpy.types.PropertyGroup | None:
    """The take that animates the head, if one does."""
    return next((take for take in head.eifer.takes if takes.is_playing(head, take)), None)


def use_current_pose(scene: bpy.types.Scene) -> bpy.types.PropertyGroup:
    """List what the head shows at the scene's frame as how it should look there.

    Raises EiferError where no take or preview is shown, or where the muscles are at rest.
    """
    head = scene.eifer.head
    geometry = session.parametric_head(head)
    moment = _previewed(scene) if head.eifer.previewing else _played(scene)
    name = f"frame {scene.frame_current}"
    fitted = session.fitted_model(scene.eifer.animation.model, head)
    face = fitted.face(calibrations.shown_face(head, geometry)[None])[0]
    pose = examples.pose_at(name, face, moment.activation, moment.row)
    return calibrations.add_pose(head, pose, moment.label, moment.source)


def _played(scene: bpy.types.Scene) -> Moment:
    head = scene.eifer.head
    take = playing_take(head)
    if take is None:
        raise EiferError("No take plays on the head; play one, or start the live preview.")
    stamp = takes.read_stamp(take)
    row = _row(scene, stamp["start_frame"], stamp["frames"], f"take '{take.name}'")
    return Moment(_measured(head, take), takes.read_marks(take), row, str(stamp.get("source", "")))


def _measured(head: bpy.types.Object, take: bpy.types.PropertyGroup) -> signals.Activation:
    values, present = takes.read_activity(head, take)
    fps = takes.read_stamp(take)["fps"]
    return signals.Activation(values, np.full_like(values, np.nan), present, fps)


def _previewed(scene: bpy.types.Scene) -> Moment:
    measured = preview.computing(scene)(lambda share, text: None)
    if measured.take is None:
        raise EiferError(measured.error)
    take = measured.take
    row = _row(scene, scene.eifer.animation.start_frame, take.frames, "preview")
    return Moment(take.activation, take.marks, row, Path(scene.eifer.recording.filepath).name)


def _row(scene: bpy.types.Scene, start: int, frames: int, what: str) -> int:
    row = scene.frame_current - start
    if not 0 <= row < frames:
        raise EiferError(
            f"Frame {scene.frame_current} lies outside of the {what} (frames {start} to "
            f"{start + frames - 1}); go to a moment of it."
        )
    return row


def calibrate(scene: bpy.types.Scene) -> Calibration:
    """Calibrate the panel's head with its poses and, if wanted, the labelled movements.

    The labels are those of the open recording, else of the selected take. Raises EiferError if there is
    nothing to learn from, or if poses contradict each other; the head is as before then.
    """
    head, animation = scene.eifer.head, scene.eifer.animation
    model = work.panel_model(scene, head)
    activation, marks = _labelled(scene) if head.eifer.calibration.use_labels else (None, ())
    material = examples.Material(
        calibrations.poses_of(head), activation, marks, animation.gain, animation.smoothing_ms
    )
    made, notes = examples.calibrate(model, material, calibrations.metric())
    calibrations.store(head, made, notes)
    return made


def _labelled(scene: bpy.types.Scene) -> tuple[signals.Activation, tuple[TakeMark, ...]]:
    if scene.eifer.recording.filepath:
        request = session.read_panel(scene)
        recording = request.recording()
        process = sources.processor(request.path, request.options)
        activation = process(recording, request.whole(recording))
        return activation, pipeline.take_marks(recording, activation)
    head = scene.eifer.head
    take = takes.selected(head)
    if take is None:
        raise EiferError("There are no labelled movements; open a recording with marks.")
    return _measured(head, take), takes.read_marks(take)


def load(scene: bpy.types.Scene, path: str) -> Calibration:
    """Give the panel's head the calibration in a file; its poses stay.

    Raises EiferError if the file is none, or belongs to another model than the panel's.
    """
    head = scene.eifer.head
    session.parametric_head(head)
    read = calibration.read(path, calibrations.metric())
    calibration.check_model(read, work.panel_model(scene, head))
    calibrations.store(head, read, [])
    head.eifer.calibration.strength = read.strength
    return read


def save(scene: bpy.types.Scene, path: str, *, replace: bool = False) -> None:
    """Write the calibration of the panel's head to a file. Raises EiferError if it cannot be written."""
    stored = scene.eifer.head.eifer.calibration
    chosen = calibrations.Choice(stored.data, stored.strength).load()
    if chosen is None:
        raise EiferError("The head has no calibration yet; calibrate it first.")
    calibration.write(path, chosen, replace_file=replace)
