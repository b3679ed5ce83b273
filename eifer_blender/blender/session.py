"""Between the panel's settings and the plain data that the layers below work with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import bpy
import numpy as np
from bpy.app.handlers import persistent

from .. import mapping, muscles, pipeline, signals
from ..electrodes import SITES
from ..errors import EiferError
from ..heads.default import load_default_head
from ..heads.head import ParametricHead
from ..heads.transfer import Transfer
from ..pipeline import ChannelChoice, Progress, TakeData, TakeSettings
from ..recordings import marks
from ..recordings.types import Kind, Recording
from ..signals.montage import spatial_map
from ..spaces import DEFAULT_SPACE, JAW
from . import actions, calibrations, estimates, head_data, head_object, segments, sources, takes
from .properties import NO_MUSCLE
from .sources import OpenOptions

# Panel property -> field of signals.ChainSettings; mains and sides are translated by hand.
_CHAIN_FIELDS = (
    *("low_hz", "high_hz", "window_ms", "dynamics", "delay_ms", "attack_ms", "release_ms"),
    *("hold_s", "transition_s"),
)


@dataclass(frozen=True)
class Request:
    """What the panel says, as plain data that a thread may use; equal if the panel says the same."""

    path: str
    options: OpenOptions
    settings: TakeSettings  # without what depends on the recording's marks
    rest_marks: str
    maximum_marks: str
    choice: segments.Choice
    calibration: calibrations.Choice

    def recording(self) -> Recording:
        """The recording; EiferError if it cannot be read."""
        return sources.read(self.path, self.options)

    def whole(self, recording: Recording) -> TakeSettings:
        """Settings for the whole recording; EiferError if no mark has the text for rest or maximum."""
        texts = {"rest_segments": self.rest_marks, "maximum_segments": self.maximum_marks}
        found = {name: marks.segments_with(recording, text) for name, text in texts.items() if text}
        return replace(self.settings, chain=replace(self.settings.chain, **found))

    def take(self, recording: Recording) -> TakeSettings:
        """Settings for what is chosen to be animated; EiferError if that is nothing."""
        parts = self.choice.parts(recording)
        return replace(self.whole(recording), parts=parts, pause_s=self.choice.pause_s if parts else 0.0)


@dataclass(frozen=True)
class Measured:
    """A recording that was read and processed; `error` says why there is no activation."""

    recording: Recording
    activation: signals.Activation | None = None
    take: TakeData | None = None
    error: str = ""


# --- recordings -----------------------------------------------------------------------------------


def read_panel(scene: bpy.types.Scene) -> Request:
    """Everything that the panel says about recording, processing and take."""
    stored, animation = scene.eifer.recording, scene.eifer.animation
    settings = TakeSettings(
        chain=chain_settings(scene),
        fps=scene.render.fps / scene.render.fps_base,
        offset=animation.offset,
        gain=animation.gain,
        smoothing_ms=animation.smoothing_ms,
        choices=_choices(stored),
    )
    return Request(
        path=bpy.path.abspath(stored.filepath),
        options=OpenOptions.from_json(stored.options),
        settings=settings,
        rest_marks=stored.chain.rest_marks,
        maximum_marks=stored.chain.maximum_marks,
        choice=segments.read_choice(scene),
        calibration=calibrations.choice(scene.eifer.head),
    )


def measure(
    request: Request,
    model: mapping.MappingModel | None = None,
    progress: Progress = lambda share, text: None,
) -> Measured:
    """Read and process a recording; with a model, also compute the take. A thread may do this.

    Raises EiferError if the file cannot be read; what cannot be processed is said in the result.
    """
    progress(0.05, "Reading the recording")
    recording = request.recording()
    progress(0.3, "Processing the signals")
    process = sources.processor(request.path, request.options)
    try:
        if model is None:
            return Measured(recording, process(recording, request.whole(recording)))
        used = request.calibration.load()
        take = pipeline.make_take(recording, request.take(recording), model, progress, process, used)
    except EiferError as error:
        return Measured(recording, error=str(error))
    return Measured(recording, take.activation, take)


def opening(scene: bpy.types.Scene, path: str, options: OpenOptions) -> Request:
    """The panel's request, but for another file, whose channels are as their names say."""
    if not path:
        raise EiferError("No file was chosen; choose a recording.")
    request = read_panel(scene)
    settings = replace(request.settings, choices=())
    return replace(request, path=bpy.path.abspath(path), options=options, settings=settings)


def open_into(scene: bpy.types.Scene, path: str, options: OpenOptions) -> Recording:
    """Open a recording and fill the panel; the panel stays as it was if that fails."""
    request = opening(scene, path, options)
    measured = measure(request)
    fill(scene, request, measured)
    return measured.recording


def fill(scene: bpy.types.Scene, request: Request, measured: Measured) -> None:
    """Show a recording that was just read in the panel."""
    stored, recording = scene.eifer.recording, measured.recording
    stored.filepath = request.path
    stored.options = json.dumps(asdict(request.options))
    stored.sha256 = recording.sha256
    stored.format = recording.format
    stored.is_poses = signals.is_pose_table(recording)
    stored.stream_count = len(recording.streams)
    if request.options.streams is not None:
        stored.stream_count = len(sources.inspect(request.path).streams)
    _fill_channels(stored, recording)
    segments.fill(stored, recording)
    segments.offer_range(scene.eifer.animation, recording)
    segments.find(stored)
    stored.summary = _summary(recording)
    show_quality(scene, measured)


def close(scene: bpy.types.Scene) -> None:
    """Forget the recording; the processing settings stay."""
    stored = scene.eifer.recording
    stored.channels.clear()
    stored.marks.clear()
    sources.drop()
    for name in ("filepath", "options", "sha256", "format", "summary", "notes", "inferred"):
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
            item.site = channel.site or ""
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
    sites = {c.site for s in recording.streams for c in s.channels if c.site}
    stream = max(recording.streams, key=lambda s: sum(bool(c.muscle or c.site) for c in s.channels))
    count = len(stream.samples)
    if stream.rate is None:
        extent = f"{count} pose{'s' if count != 1 else ''}"
    else:
        extent = f"{count / stream.rate:.1f} s at {stream.rate:g} Hz"
    if sites and not muscles_found:
        return f"{extent}, {len(sites)} of {len(SITES)} Kuramoto positions"
    return f"{extent}, {len(muscles_found)} of 22 muscles"


def show_quality(scene: bpy.types.Scene, measured: Measured) -> None:
    """Show in the channel list how good each channel is, and what reader and chain noticed."""
    stored, activation = scene.eifer.recording, measured.activation
    if activation is None:
        stored.notes = "\n".join([*measured.recording.notes, measured.error])
        return
    notes = [*measured.recording.notes, *activation.notes, *_misfits(scene)]
    stored.notes = "\n".join(dict.fromkeys(notes))
    by_muscle = {quality.channel: quality for quality in activation.quality}
    for item in stored.channels:
        quality = by_muscle.get(item.muscle)
        item.status = quality.status.upper() if quality and not item.mute else "UNKNOWN"
        item.reason = "\n".join(quality.reasons or (quality.reason,)) if quality else ""
    stored.inferred = _inferred(stored, activation)


def _inferred(stored: bpy.types.PropertyGroup, activation: signals.Activation) -> str:
    """The muscles that come from electrode positions, and how much of each can be told from them."""
    recorded = {item.muscle for item in stored.channels if not item.mute}
    sites = [i.site for i in stored.channels if i.site and i.muscle == NO_MUSCLE and not i.mute]
    made = [q.channel for q in activation.quality if q.source and q.channel not in recorded]
    if not sites or not made:
        return ""
    explained = spatial_map(sites, np.zeros(len(sites))).explained
    shares: dict[str, list[str]] = {}
    for name in sorted(made, key=lambda n: -explained[muscles.channel_index(n)]):
        muscle, side = muscles.short_label(name).rsplit(" ", 1)
        shares.setdefault(f"{muscle} {100 * explained[muscles.channel_index(name)]:.0f} %", []).append(side)
    texts = [share if len(sides) == 2 else f"{share} ({sides[0]})" for share, sides in shares.items()]
    return (
        f"{len(made)} muscles are inferred from {len(sites)} positions. Share of each that can be told: "
        f"{', '.join(texts)}."
    )


def _misfits(scene: bpy.types.Scene) -> list[str]:
    """Where the panel's signal chain does not fit its model, in sentences."""
    head = scene.eifer.head
    if head is None:
        return []
    try:
        model = fitted_model(scene.eifer.animation.model, head).model
    except EiferError as error:  # a bad model is no reason not to open a recording
        return [str(error)]
    return mapping.check_chain(model, chain_settings(scene))


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
_SIDES_ITEMS = {"as recorded": "AS_RECORDED", "mirror": "MIRROR", "rest": "REST"}


def chain_settings(scene: bpy.types.Scene) -> signals.ChainSettings:
    """The processing that the panel shows; its model decides whether delay and dynamics are part of it."""
    chain = scene.eifer.recording.chain
    values = {name: getattr(chain, name) for name in _CHAIN_FIELDS}
    mains = next(hz for hz, item in _MAINS_ITEMS.items() if item == chain.mains)
    sides = next(name for name, item in _SIDES_ITEMS.items() if item == chain.sides)
    settings = replace(signals.PRESETS[chain.preset], mains_hz=mains, sides=sides, **values)
    return settings.without_dynamics() if dynamics_inside(scene) else settings


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
    path = scene.eifer.animation.model
    model = fitted_model(path, head).model if head else model_for(path, None)
    wanted = mapping.settings_for(model)
    stored.chain.preset = wanted.preset
    with _filling(stored):
        for name in _CHAIN_FIELDS:
            # What the switch says where the model decides is kept for the next model.
            if name != "dynamics" or wanted.dynamics:
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
    """The head's geometry; EiferError if it is neither the installed default head nor brings its own."""
    if head_data.is_stored(head):
        return head_data.load(head).head
    default = load_default_head()
    if head_object.hash_of(head) != default.hash:
        raise EiferError(f"'{head.name}' was made from another version of the default head; add a new head.")
    return default


class FittedModel(NamedTuple):
    """A model, and the way between its expressions and those of a head; None where they are the same."""

    model: mapping.MappingModel
    to_head: Transfer | None
    from_head: Transfer | None

    def face(self, parameters: np.ndarray) -> np.ndarray:
        """float32 [n, 55] in the model's space, for parameters [n, 55] of the head."""
        return parameters if self.from_head is None else self.from_head(parameters)


def fitted_model(path: str, head: bpy.types.Object, kind: str = mapping.EMG2EXP) -> FittedModel:
    """A model for a head: of the head's own space, or of the default head's, which is then carried over.

    Raises EiferError if the model is of neither.
    """
    geometry = parametric_head(head)
    if not head_data.is_stored(head):
        return FittedModel(model_for(path, geometry.hash, kind), None, None)
    metadata = mapping.read_metadata(bpy.path.abspath(path) if path else None, kind=kind)
    if metadata.space == geometry.space:
        return FittedModel(model_for(path, geometry.hash, kind), None, None)
    data = head_data.load(head)
    return FittedModel(model_for(path, load_default_head().hash, kind), data.from_default, data.to_default)


def translator(head: bpy.types.Object) -> Callable[[TakeData], TakeData]:
    """What makes a take one of a head: in its own space, with the way of its jaw. A thread may call it.

    It raises EiferError for a take from which no way leads there.
    """
    name, space = head.name, head_object.space_of(head)
    from_default = head_data.load(head).from_default if head_data.is_stored(head) else None
    moving = head_object.joints_move(head)
    own = head_object.own_identity(head)
    joints = head_object.joints_of(head, parametric_head(head), own) if moving else None

    def onto(take: TakeData) -> TakeData:
        if take.space != space:
            if take.space != DEFAULT_SPACE.id or from_default is None:
                raise EiferError(
                    f"This take is of the expression space '{take.space}', '{name}' of '{space}'."
                )
            take = replace(take, parameters=from_default(take.parameters), space=space)
        if joints is None:
            return take
        person = joints if take.identity is None else joints._replace(identity=take.identity)
        located = person.locations(head_object.JAW_BONE, take.parameters[:, JAW], take.parameters)
        return replace(take, jaw_locations=located)

    return onto


@lru_cache(maxsize=4)
def _metadata_version(path: str, _modified: int) -> mapping.ModelMetadata | None:
    try:
        return mapping.read_metadata(path or None)
    except EiferError:
        return None


def dynamics_inside(scene: bpy.types.Scene) -> bool:
    """Whether the panel's model contains delay and dynamics; a file that is no model does not."""
    path = scene.eifer.animation.model
    full = bpy.path.abspath(path) if path else ""
    try:
        metadata = _metadata_version(full, os.stat(full).st_mtime_ns if full else 0)
    except OSError:
        return False
    return metadata is not None and metadata.dynamics == "inside"


@lru_cache(maxsize=4)
def _model_version(path: str, _modified: int, head_hash: str | None, kind: str) -> mapping.MappingModel:
    return mapping.load_model(Path(path) if path else None, head_hash=head_hash, kind=kind)


def model_for(path: str, head_hash: str | None, kind: str = mapping.EMG2EXP) -> mapping.MappingModel:
    """The model of a file, or the bundled one of that kind for an empty path."""
    full = bpy.path.abspath(path) if path else ""
    if full and not os.path.isfile(full):
        raise EiferError(f"The model '{full}' does not exist; choose another or clear the field.")
    return _model_version(full, os.stat(full).st_mtime_ns if full else 0, head_hash, kind)


# --- paths ----------------------------------------------------------------------------------------


def stored_path(path: str, absolute: bool, blend: str) -> str:
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
            stored.filepath = stored_path(stored.filepath, stored.absolute, blend)
    for action in bpy.data.actions:
        if takes.STAMP in action and action.library is None:
            stamp = takes.stamp_of(action)
            if stamp.get("path"):
                stamp["path"] = stored_path(stamp["path"], bool(stamp.get("absolute")), blend)
                action[takes.STAMP] = json.dumps(stamp, sort_keys=True)


@persistent
def complete_overrides(*_args: object) -> None:
    """After loading: of properties that a library override added, Blender saves the keys alone."""
    for head in bpy.data.objects:
        if head.override_library is None or not head_object.is_head(head):
            continue
        channels = actions.assigned(head)
        if channels is not None and not set(takes.EMG_CURVES).isdisjoint(actions.curve_map(channels)):
            takes.ensure_activity_properties(head)
        estimates.fit_properties(head)
        head.update_tag(refresh={"TIME"})


def register() -> None:
    """Add the handlers."""
    bpy.app.handlers.save_pre.append(make_paths_relative)
    bpy.app.handlers.load_post.append(complete_overrides)


def unregister() -> None:
    """Take the handlers away and drop the caches."""
    bpy.app.handlers.save_pre.remove(make_paths_relative)
    bpy.app.handlers.load_post.remove(complete_overrides)
    sources.drop()
    calibrations.drop()
    head_data.drop()
    _model_version.cache_clear()
    _metadata_version.cache_clear()
