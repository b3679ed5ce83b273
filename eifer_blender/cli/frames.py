"""Frames of a saved take, rendered by child processes that know nothing but the .blend.

Every child renders its share; two of them keep two cores busy. Workbench needs EGL, and Blender
dies without it instead of raising: that ends a child, not the command, which then turns to Cycles.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..errors import EiferError

WORKBENCH, CYCLES = "BLENDER_WORKBENCH", "CYCLES"
_PACKAGE = __package__.partition(".")[0]
_POLL_SECONDS = 0.1
_SUBDIVISION = 1
_DRAFT_SAMPLES = 4
_CENTRE, _HEIGHT = (0.0, -0.05, 0.106), 0.305  # metres: the head fills the picture


@dataclass(frozen=True)
class RenderJob:
    """What to render."""

    blend: Path
    frames: tuple[int, ...]  # rising
    size: tuple[int, int]  # pixels
    background: tuple[float, float, float]  # linear RGB
    engine: str = WORKBENCH


def render_frames(job: RenderJob, folder: Path, workers: int = 2) -> Iterator[tuple[int, Path]]:
    """Render frames and yield (frame, PNG file) in order, each as soon as it is there.

    Raises EiferError if the engine does not work here.
    """
    workers = max(1, min(workers, len(job.frames)))
    shares = [job.frames[number::workers] for number in range(workers)]
    processes = [_start(job, folder, number, share) for number, share in enumerate(shares)]
    try:
        for number, frame in enumerate(job.frames):
            after = job.frames[number + workers] if number + workers < len(job.frames) else None
            yield frame, _wait(processes[number % workers], folder, frame, after, job)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def frame_path(folder: Path, frame: int) -> Path:
    """File of a rendered frame."""
    return folder / f"{frame:06d}.png"


def _start(job: RenderJob, folder: Path, number: int, share: tuple[int, ...]) -> subprocess.Popen:
    arguments = [str(job.blend), str(folder), ",".join(map(str, share)), job.engine]
    arguments += [*map(str, job.size), *map(str, job.background)]
    root = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ)
    # Mesa's software rasteriser would start a thread per core in every child.
    environment.setdefault("LP_NUM_THREADS", "1")
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, environment.get("PYTHONPATH")) if p)
    with (folder / f"render{number}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"{_PACKAGE}.cli.frames", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )


def _wait(process: subprocess.Popen, folder: Path, frame: int, after: int | None, job: RenderJob) -> Path:
    """The file of a frame, once it is complete: its process has made the next one, or ended well."""
    path = frame_path(folder, frame)
    following = None if after is None else frame_path(folder, after)
    while following is None or not following.exists():
        code = process.poll()
        if code == 0 and path.exists():
            return path
        if code is not None:
            name = "Workbench" if job.engine == WORKBENCH else "Cycles"
            raise EiferError(f"Rendering with {name} does not work here (the child ended with {code}).")
        time.sleep(_POLL_SECONDS)
    return path


def _work(arguments: argparse.Namespace) -> None:
    """In the child: render."""
    import bpy

    from ..blender.render import setup_portrait

    bpy.ops.wm.open_mainfile(filepath=arguments.blend, use_scripts=False)
    scene = bpy.context.scene
    head = next(o for o in scene.objects if o.type == "MESH" and o.data.shape_keys)
    setup_portrait(
        scene,
        head,
        engine=arguments.engine,
        resolution=(arguments.width, arguments.height),
        centre=_CENTRE,
        height=_HEIGHT,
    )
    for modifier in head.modifiers:
        if modifier.type == "SUBSURF":
            modifier.render_levels = _SUBDIVISION
    scene.world.color = arguments.background
    scene.render.image_settings.compression = 10
    scene.render.use_file_extension = False
    if arguments.engine == WORKBENCH:
        # Software rendering is slow: the pictures are reduced afterwards, which smooths edges far faster.
        scene.display.render_aa = "OFF"
        scene.display.shading.show_cavity = False
    else:
        _draft(scene, head)
    _render(scene, Path(arguments.folder), [int(frame) for frame in arguments.frames.split(",")])


def _render(scene: object, folder: Path, frames: list[int]) -> None:
    """Evenly spaced frames in one go, which keeps the graphics context; else one by one."""
    import bpy

    steps = {b - a for a, b in pairwise(frames)}
    if len(steps) == 1:
        scene.frame_start, scene.frame_end, scene.frame_step = frames[0], frames[-1], steps.pop()
        scene.render.filepath = str(folder / "######.png")
        bpy.ops.render.render(animation=True)
        return
    for frame in frames:
        scene.frame_set(frame)
        scene.render.filepath = str(frame_path(folder, frame))
        bpy.ops.render.render(write_still=True)


def _draft(scene: object, head: object) -> None:
    """Cycles as fast as it goes: direct light, few samples, skin without depth."""
    scene.render.film_transparent = True
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    cycles = scene.cycles
    cycles.samples, cycles.use_denoising = _DRAFT_SAMPLES, False
    cycles.max_bounces = cycles.glossy_bounces = 1
    cycles.diffuse_bounces = cycles.transmission_bounces = 0
    for slot in head.material_slots:
        for node in slot.material.node_tree.nodes:
            if node.type == "BSDF_PRINCIPLED":
                node.inputs["Subsurface Weight"].default_value = 0.0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Render frames of a saved take.")
    for name in ("blend", "folder", "frames"):
        parser.add_argument(name)
    parser.add_argument("engine", choices=(WORKBENCH, CYCLES))
    for name in ("width", "height"):
        parser.add_argument(name, type=int)
    parser.add_argument("background", type=float, nargs=3)
    return parser.parse_args()


def temporary_folder() -> tempfile.TemporaryDirectory:
    """Where frames lie until the video is written."""
    return tempfile.TemporaryDirectory(prefix="eifer-frames-")


if __name__ == "__main__":
    _work(_parse())
