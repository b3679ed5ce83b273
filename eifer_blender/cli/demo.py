"""The main job from the command line: recording -> animated head, pictures, video and table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..assets import model_file
from ..errors import EiferError
from ..muscles import CHANNEL_COUNT
from ..recordings.types import Annotation, Recording
from ..simulation.sample import FILE_NAME
from . import frames, video
from .outputs import save_blend, write_table
from .strips import BACKGROUND, Strips, prepare_strips

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..pipeline import TakeData

PANEL = (640, 720)  # each half of the video, pixels
_RENDERED = (960, 1080)  # reduced to PANEL: smooth edges
_CYCLES_RENDERED = (480, 540)
_CYCLES_SECONDS = 6.0  # Cycles is slow: a shorter video, each picture shown twice
_CYCLES_EVERY = 2
_LONGEST_SECONDS = 20.0  # a video of a long recording shows its beginning
_PICTURES = 12
_PICTURE = (400, 450)
_REST = "Face-At-Rest"


@dataclass
class Log:
    """What was done and how long it took, printed as it happens."""

    started: float = field(default_factory=time.monotonic)
    steps: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """Time a step; the value takes what came of it."""
        begun = time.monotonic()
        outcome: list[str] = []
        yield outcome.append
        self.add(what, time.monotonic() - begun, "; ".join(outcome))

    def add(self, what: str, seconds: float, outcome: str = "") -> None:
        """Print a step that took some seconds."""
        self.steps.append((what, seconds))
        print(f"{seconds:7.2f} s  {what:<12}  {outcome}", flush=True)

    @property
    def total(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.started


@dataclass(frozen=True)
class Results:
    """The files of a run."""

    blend: Path
    table: Path
    sheet: Path
    video: Path

    @staticmethod
    def in_folder(folder: Path, stem: str) -> Results:
        """File names for a recording."""
        return Results(
            folder / f"{stem}.blend",
            folder / f"{stem}_expression.csv",
            folder / f"{stem}_contact_sheet.png",
            folder / f"{stem}.mp4",
        )


def run(
    output: Path,
    *,
    recording: Path | None = None,
    fps: int = 24,
    replace: bool = False,
    workers: int = 2,
) -> int:
    """Animate the default head with a recording and show the result. Returns 0.

    output: folder for the results. recording: a file with named muscle channels, or None for the
    included sample. replace: overwrite the results of an earlier run. Needs bpy, Pillow and PyAV.

    Raises EiferError if the recording cannot be used or a result would be overwritten.
    """
    log = Log()
    source = recording or model_file(FILE_NAME)
    results = Results.in_folder(output, source.stem)
    if not replace:
        _refuse_overwriting(results)
    output.mkdir(parents=True, exist_ok=True)
    opened, take = _animate(source, results, fps, log)
    _write_table(results.table, take, log)
    _show(results, opened, take, log, workers)
    print(f"{log.total:7.2f} s  in all. The results:")
    for path in vars(results).values():
        print(f"           {path} ({path.stat().st_size / 1024:,.0f} KiB)".replace(",", " "))
    return 0


def _refuse_overwriting(results: Results) -> None:
    for path in vars(results).values():
        if path.exists():
            raise EiferError(f"'{path}' exists already; choose another folder or add --replace.")


# --- Blender --------------------------------------------------------------------------------------


def _animate(source: Path, results: Results, fps: int, log: Log) -> tuple[Recording, TakeData]:
    """Load, process, map, bake and save, through what the panel's buttons call."""
    with log.step("start") as say:
        import bpy

        from ..blender import bake, head_object, register, session, sources, work
        from ..blender.render import setup_portrait
        from ..heads.default import load_default_head

        bpy.ops.wm.read_factory_settings(use_empty=True)
        register()
        say(f"Blender {bpy.app.version_string}")
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = fps, 1.0
    with log.step("load") as say:
        recording = session.open_into(scene, str(source.resolve()), sources.OpenOptions())
        say(f"{source.name}: {scene.eifer.recording.summary}")
    with log.step("head") as say:
        head = head_object.add_head(scene, load_default_head())
        scene.eifer.head = head
        say(f"{len(head.data.vertices)} vertices, {len(head.data.shape_keys.key_blocks) - 1} shape keys")
    job = work.bake_work(scene)
    take, keys, error = _compute(job, log)
    with log.step("bake") as say:
        baked = bake.bake_take(head, take, keys=keys, error_mm=error, **job.options)
        work.after_bake(scene, head, baked)
        scene.frame_end = job.options["start_frame"] + take.frames - 1
        say(work.describe(baked))
    with log.step("save") as say:
        setup_portrait(scene, head)
        save_blend(results.blend)
        say(results.blend.name)
    return recording, take


def _compute(job: object, log: Log) -> tuple[TakeData, list | None, float]:
    """Signals and mapping; their share of the time is read off the progress."""
    begun = {"process": time.monotonic()}

    def progress(share: float, text: str) -> None:
        if text.startswith("Computing"):
            begun["map"] = time.monotonic()
        elif text == "Done":
            begun["end"] = time.monotonic()

    take, keys, error = job.compute(progress)
    here = int(take.activation.present.any(0).sum())
    log.add(
        "process",
        begun["map"] - begun["process"],
        f"{here} of {CHANNEL_COUNT} muscle channels, {take.frames} frames at {take.fps:g} fps",
    )
    log.add("map", begun["end"] - begun["map"], f"{take.parameters.shape[1]} expression parameters a frame")
    for note in take.notes:
        print(f"           Note: {note}")
    return take, keys, error


def _write_table(path: Path, take: TakeData, log: Log) -> None:
    with log.step("table") as say:
        write_table(path, take, start_frame=1)
        say(path.name)


# --- pictures -------------------------------------------------------------------------------------


def _show(results: Results, recording: Recording, take: TakeData, log: Log, workers: int) -> None:
    """Video and contact sheet, rendered from the saved .blend."""
    annotations = shown_annotations(recording.annotations, take) or pose_annotations(take)
    strips = prepare_strips(take.activation.values, take.activation.present, take.fps, PANEL, annotations)
    with log.step("render") as say:
        try:
            pictures = _film(results, take, strips, frames.WORKBENCH, workers)
            engine = "Workbench"
        except EiferError as error:
            print(f"           {error} Cycles takes its place, with a shorter video.")
            pictures = _film(results, take, strips, frames.CYCLES, workers)
            engine = "Cycles"
        say(f"{engine}; {results.video.name}, {take.fps:g} fps, {2 * PANEL[0]} x {PANEL[1]}")
    with log.step("sheet") as say:
        _write_sheet(results.sheet, recording, pictures, say)


def _film(
    results: Results, take: TakeData, strips: Strips, engine: str, workers: int
) -> dict[int, tuple[str, Image]]:
    """Write the video; returns the key moments: frame -> (label, picture of the face)."""
    from PIL import Image

    moments = key_moments(take.activation.values, strips.annotations, take.fps)
    first, count, every, size = _what_to_film(take, engine)
    filmed = range(first, first + count, every)
    wanted = sorted({*filmed, *moments})
    # Blender's frame 1 is the take's frame 0.
    job = frames.RenderJob(results.blend, tuple(f + 1 for f in wanted), size, _linear(BACKGROUND), engine)
    kept: dict[int, tuple[str, Image]] = {}

    def pictures(folder: Path) -> Iterator[Image]:
        for frame, path in frames.render_frames(job, folder, workers):
            index = frame - 1
            with Image.open(path) as file:
                face = _over_background(file)
            path.unlink()
            if index in moments:
                kept[index] = (moments[index], face.resize(_PICTURE, Image.Resampling.LANCZOS))
            if index in filmed:
                face = face.resize(PANEL, Image.Resampling.LANCZOS)
                for shown in range(index, min(index + every, first + count)):
                    yield video.compose(face, strips, shown)

    with frames.temporary_folder() as folder:
        video.write_video(pictures(Path(folder)), results.video, take.fps)
    return kept


def _what_to_film(take: TakeData, engine: str) -> tuple[int, int, int, tuple[int, int]]:
    """(first frame, frames, step between rendered frames, size): what an engine does in a minute."""
    if engine == frames.WORKBENCH:
        return 0, min(take.frames, round(_LONGEST_SECONDS * take.fps)), 1, _RENDERED
    count = min(take.frames, round(_CYCLES_SECONDS * take.fps))
    return _liveliest(take.activation.values, count), count, _CYCLES_EVERY, _CYCLES_RENDERED


def _over_background(picture: Image) -> Image:
    from PIL import Image

    if picture.mode != "RGBA":
        return picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, (*BACKGROUND, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def _linear(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """sRGB 0..255 -> linear 0..1 (IEC 61966-2-1)."""
    share = np.array(colour) / 255.0
    return tuple(np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4).tolist())


def _liveliest(activation: np.ndarray, count: int) -> int:
    """First frame of the stretch of `count` frames in which most happens."""
    total = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(activation, axis=0)).sum(1))])
    return int(np.argmax(total[count - 1 :] - total[: len(total) - count + 1]))


def shown_annotations(annotations: tuple[Annotation, ...], take: TakeData) -> list[Annotation]:
    """Annotations on the take's clock that lie within it."""
    offset, duration = take.activation.offset, take.frames / take.fps
    moved = [Annotation(a.onset - offset, a.duration, a.text) for a in annotations]
    return [a for a in moved if 0 <= a.onset < duration]


def pose_annotations(take: TakeData) -> list[Annotation]:
    """The held poses of a table without time, by the labels of its rows."""
    from ..signals import ChainSettings

    hold = ChainSettings().hold_s  # the demo takes the defaults
    return [Annotation(frame / take.fps, hold, text) for frame, text in take.activation.labels]


def key_moments(activation: np.ndarray, annotations: tuple[Annotation, ...], fps: float) -> dict[int, str]:
    """Frames worth a picture, with a label: the height of every annotated movement.

    Without annotations: the height of each of several equal parts of the take.
    """
    effort = activation.sum(1)
    named: dict[str, tuple[int, int]] = {}
    for a in annotations:
        if a.duration > 0 and len(named) < _PICTURES:
            named.setdefault(a.text, (int(a.onset * fps), int(np.ceil((a.onset + a.duration) * fps))))
    segments = [(text, start, end) for text, (start, end) in named.items()]
    if not segments:
        edges = np.linspace(0, len(effort), min(_PICTURES, len(effort)) + 1).astype(int)
        segments = [("", start, end) for start, end in pairwise(edges.tolist())]
    moments = {}
    for text, start, end in segments:
        part = effort[start : max(end, start + 1)]
        if len(part):
            frame = start + int(part.argmin() if text == _REST else part.argmax())
            moments[frame] = text or f"{frame / fps:.1f} s"
    return moments


def _write_sheet(
    path: Path, recording: Recording, pictures: dict[int, tuple[str, Image]], say: Callable[[str], None]
) -> None:
    ordered = sorted(pictures.items())
    fps_labels = [(label, f"frame {frame + 1}") for frame, (label, _) in ordered]
    title = recording.source.stem.replace("_", " ") if recording.source else "Recording"
    sheet = video.contact_sheet([p for _, (_, p) in ordered], fps_labels, _columns(len(ordered)), title)
    temporary = path.with_name(path.stem + ".part.png")
    sheet.save(temporary)
    temporary.replace(path)
    say(f"{path.name}, {len(ordered)} moments")


def _columns(count: int) -> int:
    """Columns that leave the fewest gaps in the last row, rather more than fewer."""
    if count <= 5:
        return max(count, 1)
    return min((5, 4, 3), key=lambda columns: -count % columns)
