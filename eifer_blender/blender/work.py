"""Baking in two halves: what a thread computes from plain data, and what Blender writes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import bpy
import numpy as np

from .. import keyframes, mapping, muscles, pipeline, signals
from ..errors import EiferError
from ..heads.head import ParametricHead
from ..pipeline import Progress, TakeData, TakeSettings
from ..recordings.types import Recording
from . import bake, calibrations, head_data, head_object, identity, markers, session, sources, takes, timeline
from .sources import OpenOptions

Computed = tuple[TakeData, list[keyframes.SparseKeys] | None, float]
"""A take, its reduced keys if there are any, and their error in millimetres."""


@dataclass(frozen=True)
class BakeWork:
    """A bake, split into what a thread computes and what Blender writes."""

    head: bpy.types.Object
    compute: Callable[[Progress], Computed]  # also completes the stamp among the options
    options: dict  # name, start_frame, stamp, replace of `bake.bake_steps`


def panel_model(scene: bpy.types.Scene, head: bpy.types.Object) -> mapping.MappingModel:
    """The panel's model, which must fit the head."""
    return session.fitted_model(scene.eifer.animation.model, head).model


def bake_work(scene: bpy.types.Scene, *, name: str = "", replace: bool = False) -> BakeWork:
    """Bake the panel's recording to the panel's head."""
    eifer = scene.eifer
    head, animation, stored = eifer.head, eifer.animation, eifer.recording
    if replace and takes.selected(head) is None:
        raise EiferError(f"'{head.name}' has no take to replace; bake a new one.")
    request = session.read_panel(scene)
    work = _Work(
        head=head,
        file=request.path,
        options=request.options,
        settings=request.take,
        model_path=animation.model,
        tolerance=animation.tolerance_mm if animation.keys == "REDUCED" else None,
        calibration=request.calibration.load(),
    )
    return work.prepared(
        path=stored.filepath,
        absolute=stored.absolute,
        name=name or (takes.selected(head).name if replace else Path(request.path).stem),
        start_frame=animation.start_frame,
        replace=head.eifer.active_take if replace else None,
    )


def reload_work(scene: bpy.types.Scene) -> BakeWork:
    """Repeat the bake of the selected take from its file."""
    head = scene.eifer.head
    take = takes.selected(head)
    if takes.is_from_expressions(takes.read_stamp(take)):
        return _reload_expressions(scene, head, take)
    stamp = _complete_stamp(take)
    settings = session.settings_from_json(stamp["settings"])
    work = _Work(
        head=head,
        file=_find_source(stamp),
        options=OpenOptions.from_json(json.dumps(stamp["options"])),
        settings=lambda _recording: settings,
        model_path=stamp["model"]["path"],
        tolerance=stamp["tolerance_mm"],
        expected=stamp["sha256"],
        calibration=calibrations.from_take(takes.read_calibration(take)),
    )
    return work.prepared(
        path=stamp["path"],
        absolute=stamp["absolute"],
        name=take.name,
        start_frame=stamp["start_frame"],
        replace=head.eifer.active_take,
    )


def expression_work(
    scene: bpy.types.Scene, path: str, fps: float | None = None, *, name: str = ""
) -> BakeWork:
    """Bake the expressions in a file to the panel's head, without measured activity.

    fps: rows per second, for a file that does not say it. Raises EiferError without a file.
    """
    if not path:
        raise EiferError("No file was chosen; choose a table of expressions.")
    full = bpy.path.abspath(path)
    animation = scene.eifer.animation
    tolerance = animation.tolerance_mm if animation.keys == "REDUCED" else None
    stamp = {
        "version": 1,
        "kind": takes.EXPRESSIONS,
        "source": Path(full).name,
        "path": session.stored_path(full, False, bpy.data.filepath),
        "absolute": False,
        "options": {"fps": fps},
        "tolerance_mm": tolerance,
    }
    options = {"name": name or Path(full).name.split(".")[0], "start_frame": animation.start_frame}
    return _expressions(scene, full, options | {"stamp": stamp, "replace": None})


def _reload_expressions(
    scene: bpy.types.Scene, head: bpy.types.Object, take: bpy.types.PropertyGroup
) -> BakeWork:
    """Read the file of a take of expressions again, at the scene's present rate."""
    stamp = takes.read_stamp(take)
    if not stamp.keys() >= {"source", "path", "options", "tolerance_mm", "sha256"}:
        raise EiferError(f"The take '{take.name}' does not say what it was made from; bake its file again.")
    options = {"name": take.name, "start_frame": stamp["start_frame"], "stamp": dict(stamp)}
    file = _find_source(stamp)
    return _expressions(scene, file, options | {"replace": head.eifer.active_take}, stamp["sha256"])


def _expressions(scene: bpy.types.Scene, file: str, options: dict, expected: str = "") -> BakeWork:
    head = scene.eifer.head
    geometry, rate = session.parametric_head(head), scene.render.fps / scene.render.fps_base
    from_default = head_data.load(head).from_default if head_data.is_stored(head) else None
    onto, identity_count = session.translator(head), len(head_object.identity_names(head))
    stamp = options["stamp"]

    def compute(progress: Progress) -> Computed:
        from .. import interchange

        progress(0.05, "Reading the expressions")
        clip = interchange.read_expressions(file, fps=stamp["options"]["fps"])
        progress(0.5, "Fitting the head")
        parameters, notes = interchange.to_head(interchange.resample(clip, rate), geometry, from_default)
        with open(file, "rb") as stream:
            stamp["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
        if expected not in ("", stamp["sha256"]):
            notes = (f"'{stamp['source']}' has changed since the take was baked from it.", *notes)
        nothing = np.zeros((len(parameters), muscles.CHANNEL_COUNT), np.float32)
        activation = signals.Activation(nothing, np.full_like(nothing, np.nan), nothing > 0, rate)
        person = identity.of_clip(clip, identity_count)
        take = TakeData(activation, parameters, rate, notes, space=geometry.space, identity=person)
        return _reduced(onto(take), geometry, stamp["tolerance_mm"], progress)

    return BakeWork(head, compute, options)


def remap_work(scene: bpy.types.Scene) -> BakeWork:
    """Map the measured activity of the selected take anew with the panel's model, gain and smoothing.

    The head's calibration is used, if it is switched on.
    """
    head, animation = scene.eifer.head, scene.eifer.animation
    take = takes.selected(head)
    stamp, marks = _complete_stamp(take), takes.read_marks(take)
    values, present = takes.read_activity(head, take)
    activation = signals.Activation(
        values=values,
        envelope_uv=np.full_like(values, np.nan),
        present=present,
        fps=stamp["fps"],
        quality=(),
        notes=(),
    )
    geometry = session.parametric_head(head)
    model = session.fitted_model(animation.model, head).model
    gain, smoothing = animation.gain, animation.smoothing_ms
    onto = session.translator(head)
    used = calibrations.choice(head).load()
    misfits = mapping.check_chain(model, session.settings_from_json(stamp["settings"]).chain)
    settings = stamp["settings"] | {"gain": gain, "smoothing_ms": smoothing}
    new = stamp | {"settings": settings, "model": _model_stamp(model, animation.model)}

    def compute(progress: Progress) -> Computed:
        made = pipeline.express_take(activation, model, gain, smoothing, progress, used)
        made = dataclasses.replace(made, marks=marks, notes=(*misfits, *made.notes))
        return _reduced(onto(made), geometry, stamp["tolerance_mm"], progress)

    options = {"name": take.name, "start_frame": stamp["start_frame"], "stamp": new}
    return BakeWork(head, compute, options | {"replace": head.eifer.active_take})


def carry_take(
    source: bpy.types.Object, take: bpy.types.PropertyGroup, target: bpy.types.Object
) -> bake.Baked:
    """Copy a take to a head of another kind, by way of the default head's geometry, and play it there.

    Its keys become dense. Raises EiferError if its actions were deleted.
    """
    stamp, channels = takes.read_stamp(take), takes.channels_of(source, take)
    if not {takes.EXPRESSION, takes.RIG} <= channels.keys() or not stamp:
        raise EiferError(f"The actions of the take '{take.name}' were deleted; bake it again first.")
    frames = np.arange(stamp["frames"], dtype=np.float64) + stamp["start_frame"]
    parameters = takes.read_parameters(channels, frames)
    if head_data.is_stored(source):
        parameters = head_data.load(source).to_default(parameters)
    values = np.zeros((len(frames), muscles.CHANNEL_COUNT), np.float32)
    present = values > 0
    if not takes.is_from_expressions(stamp):
        values, present = takes.read_activity(source, take)
    activation = signals.Activation(values, np.full_like(values, np.nan), present, stamp["fps"])
    made = TakeData(activation, parameters, stamp["fps"], marks=takes.read_marks(take))
    onto = session.translator(target)
    options = {
        "name": take.name,
        "start_frame": stamp["start_frame"],
        "stamp": stamp | {"tolerance_mm": None},
    }
    return bake.bake_take(target, onto(made), **options)


@dataclass(frozen=True)
class _Work:
    """What bake and reload have in common."""

    head: bpy.types.Object
    file: str
    options: OpenOptions
    settings: Callable[[Recording], TakeSettings]
    model_path: str
    tolerance: float | None
    expected: str = ""  # SHA-256 that the file had
    calibration: mapping.Calibration | None = None

    def prepared(
        self, *, path: str, absolute: bool, name: str, start_frame: int, replace: int | None
    ) -> BakeWork:
        geometry = session.parametric_head(self.head)
        model = session.fitted_model(self.model_path, self.head).model
        onto = session.translator(self.head)
        stamp = {
            "version": 1,
            "source": Path(self.file).name,
            "path": session.stored_path(path, absolute, bpy.data.filepath),
            "absolute": absolute,
            "options": asdict(self.options),
            "model": _model_stamp(model, self.model_path),
            "tolerance_mm": self.tolerance,
        }

        def compute(progress: Progress) -> Computed:
            progress(0.05, "Reading the recording")
            recording = sources.read(self.file, self.options)
            settings = self.settings(recording)
            settings = dataclasses.replace(settings, chain=mapping.fitting(model.metadata, settings.chain))
            stamp["sha256"], stamp["settings"] = recording.sha256, session.settings_to_json(settings)
            process = sources.processor(self.file, self.options)
            take = pipeline.make_take(recording, settings, model, progress, process, self.calibration)
            if self.expected not in ("", recording.sha256):
                changed = f"'{stamp['source']}' has changed since the take was baked from it."
                take = dataclasses.replace(take, notes=(changed, *take.notes))
            return _reduced(onto(take), geometry, self.tolerance, progress)

        options = {"name": name, "start_frame": start_frame, "stamp": stamp, "replace": replace}
        return BakeWork(self.head, compute, options)


def _reduced(
    take: TakeData, geometry: ParametricHead, tolerance: float | None, progress: Progress
) -> Computed:
    if tolerance is None:
        return take, None, 0.0
    return (take, *bake.reduce(geometry, take, tolerance, progress))


def _model_stamp(model: mapping.MappingModel, path: str) -> dict:
    return {"id": model.metadata.id, "version": model.metadata.version, "path": path}


_STAMP_FIELDS = {"source", "path", "absolute", "sha256", "options", "settings", "model", "tolerance_mm"}


def _complete_stamp(take: bpy.types.PropertyGroup) -> dict:
    stamp = takes.read_stamp(take)
    if not stamp:
        raise EiferError(f"The actions of the take '{take.name}' were deleted; bake the recording again.")
    if takes.is_from_expressions(stamp):
        raise EiferError(
            f"The take '{take.name}' was made from a file of expressions; it has no measured activity to map."
        )
    if not stamp.keys() >= _STAMP_FIELDS:
        raise EiferError(
            f"The take '{take.name}' does not say what it was made from; bake the recording again."
        )
    return stamp


def _find_source(stamp: dict) -> str:
    """The recording of a take: where it was, else beside the .blend."""
    beside = os.path.join(os.path.dirname(bpy.data.filepath), stamp["source"])
    for path in (bpy.path.abspath(stamp["path"]), beside):
        if path and os.path.isfile(path):
            return path
    if takes.is_from_expressions(stamp):
        raise EiferError(
            f"The file '{stamp['source']}' is no longer at '{stamp['path']}'; put it beside the .blend."
        )
    raise EiferError(
        f"The recording '{stamp['source']}' is no longer at '{stamp['path']}'; put it beside the .blend, "
        "or open it in the panel and replace the take."
    )


def after_bake(scene: bpy.types.Scene, head: bpy.types.Object, baked: bake.Baked) -> list[str]:
    """Make room for the take on the timeline, mark it there, and show its first state.

    Returns what of it the scene will not play, in sentences.
    """
    last = baked.start_frame + baked.frames - 1
    if scene.eifer.animation.extend_scene and scene.frame_end < last:
        scene.frame_end = last
    if scene.eifer.animation.add_markers:
        markers.show(scene, takes.selected(head))
    else:
        markers.follow(scene, takes.selected(head))
    scene.frame_set(scene.frame_current)
    return timeline.notes(scene, baked.start_frame, last)


def describe(baked: bake.Baked) -> str:
    """One line for the status bar."""
    text = f"'{baked.name}': {baked.frames} frames, {baked.curves} curves, {baked.keys} keys"
    return text + (f", within {baked.error_mm:.2f} mm" if baked.error_mm else "")
