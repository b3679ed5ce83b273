"""Between the panel's settings and the plain data that the layers below work with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import bpy
import numpy as np
from bpy.app.handlers import persistent

from .. import keyframes, mapping, pipeline, recordings, signals
from ..errors import EiferError
from ..heads.default import load_default_head
from ..heads.head import ParametricHead
from ..pipeline import ChannelChoice, Progress, TakeData, TakeSettings
from ..recordings.types import Kind, Recording
from . import bake, head_object, markers, segments, takes, timeline
from .properties import NO_MUSCLE

# Panel property -> field of signals.ChainSettings; mains and sides are translated by hand.
_CHAIN_FIELDS = (
    *("low_hz", "high_hz", "window_ms", "dynamics", "delay_ms", "attack_ms", "release_ms"),
    *("hold_s", "transition_s"),
)


@dataclass(frozen=True)
class OpenOptions:
    """What the user answered when the file did not say it; None: as the file says."""

    rate: float | None = None
    names: tuple[str, ...] | None = None
    poses: bool | None = None
    zeros_missing: bool | None = None
    streams: tuple[str | int, ...] | None = None

    def given(self) -> dict:
        """Arguments for `recordings.open_recording`."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @staticmethod
    def from_json(text: str) -> OpenOptions:
        """From what the scene keeps; an empty text gives the defaults."""
        data = json.loads(text) if text else {}
        lists = {name: tuple(data[name]) for name in ("names", "streams") if data.get(name)}
        return OpenOptions(**data | {"names": None, "streams": None} | lists)


@dataclass(frozen=True)
class BakeWork:
    """A bake, split into what a thread computes and what Blender writes."""

    head: bpy.types.Object
    compute: Callable[[Progress], tuple[TakeData, list[keyframes.SparseKeys] | None, float]]
    options: dict  # name, start_frame, stamp, replace of `bake.bake_steps`
    notes: tuple[str, ...] = ()  # what the user should know beside the notes of the take


# --- recordings -----------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _open_version(path: str, _modified: int, _size: int, options: OpenOptions) -> Recording:
    """A cache by content version: the same file is not read again for every preview and bake."""
    return recordings.open_recording(Path(path), **options.given())


def _open(path: str, options: OpenOptions) -> Recording:
    full = bpy.path.abspath(path)
    try:
        info = os.stat(full)
    except OSError as error:
        raise EiferError(
            f"The recording '{full}' cannot be read ({error.strerror}); open it again."
        ) from None
    return _open_version(full, info.st_mtime_ns, info.st_size, options)


_QUESTIONS = {
    "rate": "The file does not say its sampling rate; give it, or read each row as a pose.",
    "names": "The file does not name its columns; name them, separated by commas.",
}


def inspect(path: str, options: OpenOptions | None = None) -> recordings.Inspection:
    """A quick look at a file, for the dialog; raises EiferError if it cannot be read."""
    given = options.given() if options else {}
    return recordings.inspect_recording(Path(bpy.path.abspath(path)), **given)


def questions(inspection: recordings.Inspection) -> list[str]:
    """What the dialog must ask, in sentences."""
    return [_QUESTIONS[need] for need in inspection.needs]


def current_recording(scene: bpy.types.Scene) -> Recording:
    """The recording of the panel, read again if it is not at hand."""
    stored = scene.eifer.recording
    return _open(stored.filepath, OpenOptions.from_json(stored.options))


def open_into(scene: bpy.types.Scene, path: str, options: OpenOptions) -> Recording:
    """Open a recording and fill the panel; the panel stays as it was if that fails."""
    if not path:
        raise EiferError("No file was chosen; choose a recording.")
    recording = _open(path, options)
    stored = scene.eifer.recording
    stored.filepath = bpy.path.abspath(path)
    stored.options = json.dumps(asdict(options))
    stored.sha256 = recording.sha256
    stored.format = recording.format
    stored.is_poses = signals.is_pose_table(recording)
    _fill_channels(stored, recording)
    segments.fill(stored, recording)
    segments.offer_range(scene.eifer.animation, recording)
    stored.chain.rest_found = segments.found(stored, stored.chain.rest_marks)
    stored.chain.maximum_found = segments.found(stored, stored.chain.maximum_marks)
    stored.summary = _summary(recording)
    update_quality(scene)
    return recording


def close(scene: bpy.types.Scene) -> None:
    """Forget the recording; the processing settings stay."""
    stored = scene.eifer.recording
    stored.channels.clear()
    stored.marks.clear()
    _open_version.cache_clear()  # hours of samples
    for name in ("filepath", "options", "sha256", "format", "summary", "notes"):
        setattr(stored, name, "")


def _fill_channels(stored: bpy.types.PropertyGroup, recording: Recording) -> None:
    stored.channels.clear()
    for stream_number, stream in enumerate(recording.streams):
        for column, channel in enumerate(stream.channels):
            item = stored.channels.add()
            item.name = channel.name
            item.stream, item.column = stream_number, column
            item.unit = channel.unit
            item.found_muscle = channel.muscle or NO_MUSCLE
            item.found_kind = channel.kind.name
            item.doubtful = channel.doubtful
    reset_channels(stored)
    stored.active_channel = 0


def reset_channels(stored: bpy.types.PropertyGroup) -> None:
    """Muscles and kinds as the names say, nothing muted."""
    with _filling(stored):
        for item in stored.channels:
            item.muscle, item.kind, item.mute = item.found_muscle, item.found_kind, False


@contextmanager
def _filling(stored: bpy.types.PropertyGroup) -> Iterator[None]:
    """Setting many properties at once computes nothing in between."""
    stored.filling = True
    try:
        yield
    finally:
        stored.filling = False


def _summary(recording: Recording) -> str:
    muscles_found = {c.muscle for s in recording.streams for c in s.channels if c.muscle}
    stream = max(recording.streams, key=lambda s: sum(bool(c.muscle) for c in s.channels))
    count = len(stream.samples)
    if stream.rate is None:
        extent = f"{count} pose{'s' if count != 1 else ''}"
    else:
        extent = f"{count / stream.rate:.1f} s at {stream.rate:g} Hz"
    return f"{extent}, {len(muscles_found)} of 22 muscles"


def update_quality(scene: bpy.types.Scene, activation: signals.Activation | None = None) -> None:
    """Show in the channel list how good each channel is, and what the chain noticed."""
    stored = scene.eifer.recording
    recording = current_recording(scene)
    try:
        activation = activation or pipeline.process_recording(recording, whole_settings(scene, recording))
    except EiferError as error:
        stored.notes = "\n".join([*recording.notes, str(error)])
        return
    stored.notes = "\n".join(dict.fromkeys([*recording.notes, *activation.notes, *_misfits(scene)]))
    by_muscle = {quality.channel: quality for quality in activation.quality}
    for item in stored.channels:
        quality = by_muscle.get(item.muscle)
        item.status = quality.status.upper() if quality and not item.mute else "UNKNOWN"
        item.reason = quality.reason if quality else ""


def _misfits(scene: bpy.types.Scene) -> list[str]:
    """Where the panel's signal chain does not fit its model, in sentences."""
    head = scene.eifer.head
    if head is None:
        return []
    try:
        model = model_for(scene.eifer.animation.model, head_object.hash_of(head))
    except EiferError as error:  # a bad model is no reason not to open a recording
        return [str(error)]
    return mapping.check_chain(model, chain_settings(scene.eifer.recording.chain))


# --- settings -------------------------------------------------------------------------------------


def load_preset(stored: bpy.types.PropertyGroup) -> None:
    """Set the processing of a recording to what its preset says."""
    chain = stored.chain
    preset = signals.PRESETS[chain.preset]
    with _filling(stored):
        for name in _CHAIN_FIELDS:
            setattr(chain, name, getattr(preset, name))
        chain.mains = _MAINS_ITEMS.get(preset.mains_hz, "AUTO")
        chain.sides = _SIDES_ITEMS[preset.sides]


_MAINS_ITEMS = {None: "AUTO", 0.0: "OFF", 50.0: "50", 60.0: "60"}
_SIDES_ITEMS = {"as recorded": "AS_RECORDED", "mirror": "MIRROR"}


def chain_settings(chain: bpy.types.PropertyGroup) -> signals.ChainSettings:
    """The processing that the panel shows."""
    values = {name: getattr(chain, name) for name in _CHAIN_FIELDS}
    mains = next(hz for hz, item in _MAINS_ITEMS.items() if item == chain.mains)
    sides = next(name for name, item in _SIDES_ITEMS.items() if item == chain.sides)
    return replace(signals.PRESETS[chain.preset], mains_hz=mains, sides=sides, **values)


def whole_settings(scene: bpy.types.Scene, recording: Recording) -> TakeSettings:
    """What the panel says about the take, but of the whole recording."""
    stored, animation = scene.eifer.recording, scene.eifer.animation
    chain = chain_settings(stored.chain)
    return TakeSettings(
        chain=replace(chain, **segments.chain_segments(recording, stored.chain)),
        fps=scene.render.fps / scene.render.fps_base,
        offset=animation.offset,
        gain=animation.gain,
        smoothing_ms=animation.smoothing_ms,
        choices=_choices(stored),
    )


def take_settings(scene: bpy.types.Scene, recording: Recording) -> TakeSettings:
    """Everything that the panel says about the take.

    Raises EiferError if the marks or the range that it names are not in the recording.
    """
    parts = segments.parts(scene, recording)
    pause = scene.eifer.animation.pause_s if parts else 0.0
    return replace(whole_settings(scene, recording), parts=parts, pause_s=pause)


def _choices(stored: bpy.types.PropertyGroup) -> tuple[ChannelChoice, ...]:
    return tuple(
        ChannelChoice(
            item.stream,
            item.column,
            None if item.muscle == NO_MUSCLE else item.muscle,
            Kind[item.kind],
            item.mute,
        )
        for item in stored.channels
        if item.mute or item.muscle != item.found_muscle or item.kind != item.found_kind
    )


def match_chain(scene: bpy.types.Scene) -> None:
    """Set the signal chain to what the chosen model was made with. Raises EiferError for a bad model."""
    head, stored = scene.eifer.head, scene.eifer.recording
    model = model_for(scene.eifer.animation.model, head_object.hash_of(head) if head else None)
    wanted = mapping.settings_for(model)
    stored.chain.preset = wanted.preset
    with _filling(stored):
        for name in _CHAIN_FIELDS:
            setattr(stored.chain, name, getattr(wanted, name))


def settings_to_json(settings: TakeSettings) -> dict:
    """Plain values for the stamp of a take."""
    data = asdict(settings)
    data["choices"] = [
        {**choice, "kind": choice["kind"] and choice["kind"].name} for choice in data["choices"]
    ]
    return data


def settings_from_json(data: dict) -> TakeSettings:
    """Inverse of `settings_to_json`."""
    choices = tuple(
        ChannelChoice(**{**choice, "kind": Kind[choice["kind"]] if choice["kind"] else None})
        for choice in data["choices"]
    )
    chain = {
        name: tuple(tuple(pair) for pair in value) if isinstance(value, list) else value
        for name, value in data["chain"].items()
    }
    parts = tuple(signals.Part(**part) for part in data.get("parts", ()))
    return TakeSettings(
        **{**data, "chain": signals.ChainSettings(**chain), "choices": choices, "parts": parts}
    )


# --- models and heads -----------------------------------------------------------------------------


def parametric_head(head: bpy.types.Object) -> ParametricHead:
    """The head's geometry; EiferError if the object is of another head than the installed one."""
    default = load_default_head()
    if head_object.hash_of(head) != default.hash:
        raise EiferError(f"'{head.name}' was made from another version of the default head; add a new head.")
    return default


@lru_cache(maxsize=4)
def _model_version(path: str, _modified: int, head_hash: str | None) -> mapping.ExpressionModel:
    return mapping.load_model(Path(path) if path else None, head_hash=head_hash)


def model_for(path: str, head_hash: str | None) -> mapping.ExpressionModel:
    """The EMG2Exp model of a file, or the bundled one for an empty path."""
    full = bpy.path.abspath(path) if path else ""
    if full and not os.path.isfile(full):
        raise EiferError(f"The model '{full}' does not exist; choose another or clear the field.")
    return _model_version(full, os.stat(full).st_mtime_ns if full else 0, head_hash)


# --- takes ----------------------------------------------------------------------------------------


def compute_take(scene: bpy.types.Scene, head: bpy.types.Object) -> TakeData:
    """The take that the panel describes, without baking."""
    model = model_for(scene.eifer.animation.model, parametric_head(head).hash)
    recording = current_recording(scene)
    return pipeline.make_take(recording, take_settings(scene, recording), model)


def bake_work(scene: bpy.types.Scene, *, name: str = "", replace: bool = False) -> BakeWork:
    """Bake the panel's recording to the panel's head."""
    eifer = scene.eifer
    head, animation, stored = eifer.head, eifer.animation, eifer.recording
    if replace and takes.selected(head) is None:
        raise EiferError(f"'{head.name}' has no take to replace; bake a new one.")
    recording = current_recording(scene)
    work = _Work(
        head=head,
        settings=take_settings(scene, recording),
        model_path=animation.model,
        options=OpenOptions.from_json(stored.options),
        tolerance=animation.tolerance_mm if animation.keys == "REDUCED" else None,
    )
    return work.for_recording(
        recording,
        path=stored.filepath,
        absolute=stored.absolute,
        name=name or (takes.selected(head).name if replace else recording.source.stem),
        start_frame=animation.start_frame,
        replace=head.eifer.active_take if replace else None,
    )


def reload_work(scene: bpy.types.Scene) -> BakeWork:
    """Repeat the bake of the selected take from its file."""
    head = scene.eifer.head
    take = takes.selected(head)
    stamp = _complete_stamp(take)
    recording = _open(_find_source(stamp), OpenOptions.from_json(json.dumps(stamp["options"])))
    work = _Work(
        head=head,
        settings=settings_from_json(stamp["settings"]),
        model_path=stamp["model"]["path"],
        options=OpenOptions.from_json(json.dumps(stamp["options"])),
        tolerance=stamp["tolerance_mm"],
    )
    again = work.for_recording(
        recording,
        path=stamp["path"],
        absolute=stamp["absolute"],
        name=take.name,
        start_frame=stamp["start_frame"],
        replace=head.eifer.active_take,
    )
    if recording.sha256 == stamp["sha256"]:
        return again
    return replace(again, notes=(f"'{stamp['source']}' has changed since the take was baked from it.",))


def remap_work(scene: bpy.types.Scene) -> BakeWork:
    """Map the measured activity of the selected take anew with the panel's model, gain and smoothing."""
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
    geometry = parametric_head(head)
    model = model_for(animation.model, geometry.hash)
    gain, smoothing = animation.gain, animation.smoothing_ms
    settings = stamp["settings"] | {"gain": gain, "smoothing_ms": smoothing}
    new = stamp | {"settings": settings, "model": _model_stamp(model, animation.model)}

    def compute(progress: Progress) -> tuple[TakeData, list[keyframes.SparseKeys] | None, float]:
        made = pipeline.express_take(activation, model, gain, smoothing, progress)
        return _reduced(replace(made, marks=marks), geometry, stamp["tolerance_mm"], progress)

    options = {"name": take.name, "start_frame": stamp["start_frame"], "stamp": new}
    return BakeWork(head, compute, options | {"replace": head.eifer.active_take})


@dataclass(frozen=True)
class _Work:
    """What bake and reload have in common."""

    head: bpy.types.Object
    settings: TakeSettings
    model_path: str
    options: OpenOptions
    tolerance: float | None

    def for_recording(
        self,
        recording: Recording,
        *,
        path: str,
        absolute: bool,
        name: str,
        start_frame: int,
        replace: int | None,
    ) -> BakeWork:
        geometry = parametric_head(self.head)
        model = model_for(self.model_path, geometry.hash)
        stamp = {
            "version": 1,
            "source": recording.source.name,
            "path": _stored_path(path, absolute, bpy.data.filepath),
            "absolute": absolute,
            "sha256": recording.sha256,
            "options": asdict(self.options),
            "settings": settings_to_json(self.settings),
            "model": _model_stamp(model, self.model_path),
            "tolerance_mm": self.tolerance,
        }

        def compute(progress: Progress) -> tuple[TakeData, list[keyframes.SparseKeys] | None, float]:
            take = pipeline.make_take(recording, self.settings, model, progress)
            return _reduced(take, geometry, self.tolerance, progress)

        options = {"name": name, "start_frame": start_frame, "stamp": stamp, "replace": replace}
        return BakeWork(self.head, compute, options)


def _reduced(
    take: TakeData, geometry: ParametricHead, tolerance: float | None, progress: Progress
) -> tuple[TakeData, list[keyframes.SparseKeys] | None, float]:
    if tolerance is None:
        return take, None, 0.0
    return (take, *bake.reduce(geometry, take, tolerance, progress))


def _model_stamp(model: mapping.ExpressionModel, path: str) -> dict:
    return {"id": model.metadata.id, "version": model.metadata.version, "path": path}


_STAMP_FIELDS = {"source", "path", "absolute", "sha256", "options", "settings", "model", "tolerance_mm"}


def _complete_stamp(take: bpy.types.PropertyGroup) -> dict:
    stamp = takes.read_stamp(take)
    if not stamp:
        raise EiferError(f"The actions of the take '{take.name}' were deleted; bake the recording again.")
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


# --- paths ----------------------------------------------------------------------------------------


def _stored_path(path: str, absolute: bool, blend: str) -> str:
    """A path as the .blend shall keep it: relative to it unless the user wants otherwise."""
    full = bpy.path.abspath(path)
    if absolute or not blend or not full:
        return full
    try:
        return "//" + Path(os.path.relpath(full, os.path.dirname(blend))).as_posix()
    except ValueError:  # another drive on Windows: only the name may be kept
        return os.path.basename(full)


@persistent
def make_paths_relative(blend: str = "", *_args: object) -> None:
    """Before a save: paths of recordings become relative to the file that is being written."""
    if not blend:
        return
    for scene in bpy.data.scenes:
        stored = scene.eifer.recording
        if stored.filepath:
            stored.filepath = _stored_path(stored.filepath, stored.absolute, blend)
    for action in bpy.data.actions:
        if takes.STAMP in action and action.library is None:
            stamp = takes.stamp_of(action)
            if stamp.get("path"):
                stamp["path"] = _stored_path(stamp["path"], bool(stamp.get("absolute")), blend)
                action[takes.STAMP] = json.dumps(stamp, sort_keys=True)


def register() -> None:
    """Add the handler."""
    bpy.app.handlers.save_pre.append(make_paths_relative)


def unregister() -> None:
    """Take the handler away and drop the caches."""
    bpy.app.handlers.save_pre.remove(make_paths_relative)
    _open_version.cache_clear()
    _model_version.cache_clear()
