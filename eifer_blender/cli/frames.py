"""Frames of a saved take, rendered by child processes that know nothing but the .blend.

A child renders every n-th frame; two of them keep two cores busy. Workbench needs EGL, and Blender
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
from pathlib import Path

from ..errors import EiferError

WORKBENCH, CYCLES = "BLENDER_WORKBENCH", "CYCLES"
_PACKAGE = __package__.partition(".")[0]
_POLL_SECONDS = 0.1
_SUBDIVISION = 1
_CENTRE, _HEIGHT = (0.0, -0.05, 0.106), 0.305  # metres: the head fills the picture


@dataclass(frozen=True)
class RenderJob:
    """What to render."""

    blend: Path
    first: int
    last: int  # inclusive
    size: tuple[int, int]  # pixels
    background: tuple[float, float, float]  # linear RGB
    engine: str = WORKBENCH
    samples: int = 6  # Cycles only


def render_frames(job: RenderJob, folder: Path, workers: int = 2) -> Iterator[tuple[int, Path]]:
    """Render a range of frames and yield (frame, PNG file) in order, each as soon as it is there.

    Raises EiferError if the engine does not work here.
    """
    workers = max(1, min(workers, job.last - job.first + 1))
    processes = [_start(job, folder, number, workers) for number in range(workers)]
    try:
        for frame in range(job.first, job.last + 1):
            process = processes[(frame - job.first) % workers]
            yield frame, _wait(process, folder, frame, workers, job)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def frame_path(folder: Path, frame: int) -> Path:
    """File of a rendered frame."""
    return folder / f"{frame:06d}.png"


def _start(job: RenderJob, folder: Path, number: int, step: int) -> subprocess.Popen:
    arguments = [str(job.blend), str(folder), str(job.first + number), str(job.last), str(step), job.engine]
    arguments += [str(job.samples), *map(str, job.size), *map(str, job.background)]
    root = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, environment.get("PYTHONPATH")) if p)
    with (folder / f"render{number}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"{_PACKAGE}.cli.frames", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )


def _wait(process: subprocess.Popen, folder: Path, frame: int, step: int, job: RenderJob) -> Path:
    """The file of a frame, once it is complete: its process has begun the next one, or ended well."""
    path, after = frame_path(folder, frame), frame_path(folder, frame + step)
    while not (after.exists() and path.exists()):
        code = process.poll()
        if code == 0 and path.exists():
            return path
        if code is not None:
            name = "Workbench" if job.engine == WORKBENCH else "Cycles"
            raise EiferError(
                f"Rendering with {name} does not work on this machine (the child ended with {code})."
            )
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
        samples=arguments.samples,
        centre=_CENTRE,
        height=_HEIGHT,
    )
    for modifier in head.modifiers:
        if modifier.type == "SUBSURF":
            modifier.render_levels = _SUBDIVISION
    _quiet_background(scene, tuple(arguments.background))
    # Software rendering is slow: the pictures are reduced afterwards, which smooths edges far faster.
    scene.display.render_aa = "OFF"
    scene.display.shading.show_cavity = False
    scene.render.image_settings.compression = 10
    scene.render.use_stamp = False
    scene.frame_start, scene.frame_end, scene.frame_step = arguments.first, arguments.last, arguments.step
    scene.render.filepath = str(Path(arguments.folder) / "######.png")
    scene.render.use_file_extension = False
    bpy.ops.render.render(animation=True)


def _quiet_background(scene: object, colour: tuple[float, float, float]) -> None:
    """The colour behind the head: the world's for Workbench, the camera's view of it for Cycles."""
    scene.world.color = colour
    if scene.render.engine != WORKBENCH:
        scene.render.film_transparent = True
        scene.render.image_settings.color_mode = "RGBA"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Render every n-th frame of a saved take.")
    for name, kind in (("blend", str), ("folder", str), ("first", int), ("last", int), ("step", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("engine", choices=(WORKBENCH, CYCLES))
    for name in ("samples", "width", "height"):
        parser.add_argument(name, type=int)
    parser.add_argument("background", type=float, nargs=3)
    return parser.parse_args()


def temporary_folder() -> tempfile.TemporaryDirectory:
    """Where frames lie until the video is written."""
    return tempfile.TemporaryDirectory(prefix="eifer-frames-")


if __name__ == "__main__":
    _work(_parse())
