"""Gathers a report of what a head shows: strips, faces at the peaks, agreement, provenance."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from .. import assets, report
from ..errors import EiferError
from ..report import Peak, ReportData
from . import estimates, estimating, head_object, heat_map, overlay, preview, render, takes
from .performance import Sliders

_SIZE = (360, 450)
_SAMPLES = 12
_CHAIN_TEXTS = (
    ("preset", "preset {}"),
    ("low_hz", "band from {} Hz"),
    ("high_hz", "to {} Hz"),
    ("window_ms", "window {} ms"),
    ("sides", "sides {}"),
)


def steps(scene: bpy.types.Scene, *, pictures: bool = True) -> Iterator[float]:
    """Gather the report of the panel's head; yields the share that is done, returns a `ReportData`.

    pictures: also render the head at the peaks, which takes a second or two each. The scene is
    afterwards, and when the generator is closed early, as it was. Raises EiferError without activity.
    """
    head = scene.eifer.head
    strips = overlay.strip_data(head)
    if strips is None:
        raise EiferError(f"'{head.name}' has no muscle activity to report; bake a recording or estimate it.")
    peaks = [Peak(row) for row in report.find_peaks(strips)]
    if pictures:
        frames = [strips.start_frame + peak.row for peak in peaks]
        images = yield from _render(scene, head, frames)
        peaks = [peak._replace(picture=image) for peak, image in zip(peaks, images, strict=True)]
    rows, notes = _compared(head)
    take, stamp = _take(head)
    source = stamp.get("source", "")
    return ReportData(
        title=take.name if take else head.name,
        subtitle=f"Muscle activity of the face{f', from {source}' if source else ''}",
        strips=strips,
        peaks=peaks,
        rows=rows,
        notes=notes,
        provenance=_provenance(head, stamp),
    )


def gather(scene: bpy.types.Scene, *, pictures: bool = True) -> ReportData:
    """`steps` in one go."""
    gathering = steps(scene, pictures=pictures)
    while True:
        try:
            next(gathering)
        except StopIteration as done:
            return done.value


def _compared(head: bpy.types.Object) -> tuple[list, list[str]]:
    try:
        return estimating.compare(head)
    except EiferError:  # there is only one of the two
        return [], []


def _take(head: bpy.types.Object) -> tuple[bpy.types.PropertyGroup | None, dict]:
    try:
        take = estimating.measured_take(head)
    except EiferError:
        return None, {}
    return take, takes.read_stamp(take)


def _provenance(head: bpy.types.Object, stamp: dict) -> list[tuple[str, str]]:
    """Names, hashes and settings; no path and no header field."""
    pairs = []
    if stamp.get("source"):
        pairs.append(("Recording", stamp["source"]))
    if stamp.get("sha256"):
        pairs.append(("SHA-256", stamp["sha256"]))
    if isinstance(stamp.get("model"), dict):
        pairs.append(("Activity to face", _model_text(stamp["model"])))
    if isinstance(stamp.get("settings"), dict) and isinstance(stamp["settings"].get("chain"), dict):
        chain = stamp["settings"]["chain"]
        told = [text.format(chain[key]) for key, text in _CHAIN_TEXTS if key in chain]
        pairs.append(("Signal processing", ", ".join(told)))
    made = estimates.stamp_of(head)
    if made:
        pairs.append(("Face to activity", _model_text(made["model"])))
        if made["model"].get("sha256"):
            pairs.append(("Its SHA-256", str(made["model"]["sha256"])))
    pairs.append(("Head", f"{head_object.space_of(head)}, {head_object.hash_of(head)[:16]}"))
    pairs.append(("Made with", f"EIFER for Blender {assets.version()}, Blender {bpy.app.version_string}"))
    return pairs


def _model_text(model: dict) -> str:
    return f"{model.get('id', '')} {model.get('version', '')}".strip()


# --- pictures -------------------------------------------------------------------------------------


def _render(scene: bpy.types.Scene, head: bpy.types.Object, frames: list[int]) -> Iterator[float]:
    """PNG files of the head at frames, from a scene that is made for it and taken away again."""
    rig = head_object.armature_of(head)
    before = _blocks()
    kept = (scene.frame_current, scene.frame_subframe)
    sliders = Sliders(head)
    images: list[bytes] = []
    with preview.paused(head), tempfile.TemporaryDirectory() as folder:
        studio = bpy.data.scenes.new("EIFER Report")
        try:
            with _bare(head):
                for obj in (rig, head):
                    studio.collection.objects.link(obj)
                render.setup_portrait(studio, head, engine=render.CYCLES, resolution=_SIZE, samples=_SAMPLES)
                studio.render.use_persistent_data = True  # the next picture shares most of this one
                studio.render.fps, studio.render.fps_base = scene.render.fps, scene.render.fps_base
                for number, frame in enumerate(frames):
                    (path,) = render.render_frames(studio, [frame], Path(folder))
                    images.append(path.read_bytes())
                    yield (number + 1) / len(frames)
        finally:
            _remove_new(before)
            scene.frame_set(kept[0], subframe=kept[1])
            sliders.restore(head)
    return images


@contextmanager
def _bare(head: bpy.types.Object) -> Iterator[None]:
    """The head without its heat map, which the flat maps beside it show."""
    modifier = head.modifiers.get(heat_map.MODIFIER)
    shown = modifier is not None and modifier.show_render
    if shown:
        modifier.show_render = False
    try:
        yield
    finally:
        if shown:
            modifier.show_render = True


_KINDS = ("scenes", "objects", "cameras", "lights", "worlds", "materials")


def _blocks() -> dict[str, set[int]]:
    """What there is, by kind."""
    return {kind: {block.session_uid for block in getattr(bpy.data, kind)} for kind in _KINDS}


def _remove_new(before: dict[str, set[int]]) -> None:
    """Take away what the studio needed."""
    for kind in _KINDS:
        blocks = getattr(bpy.data, kind)
        for block in [b for b in blocks if b.session_uid not in before[kind]]:
            blocks.remove(block)
