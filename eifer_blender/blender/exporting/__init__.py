"""Animation out of Blender, whole: written with the right switches, then read back and compared.

The user's scene stays as it is. Copies in a scene of their own carry the animation, one key a frame; see
`copies` for what happens to signed weights, `verify` for the comparison, `parameters` for tables of numbers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import bpy

from ...errors import EiferError
from .. import head_object
from . import copies, formats, parameters, sampling, verify
from .formats import FORMATS
from .parameters import TABLES
from .verify import LIMIT_MM, Verification

__all__ = [
    "FORMATS",
    "LIMIT_MM",
    "TABLES",
    "EiferError",
    "Exported",
    "describe",
    "ending",
    "export",
    "key_range",
    "steps",
]

UNVERIFIED = ".unverified"  # before the ending of a file that does not play as the scene does
_PLAYED = 0.6  # share of the progress after which the file is written
_WRITTEN = 0.8


class Exported(NamedTuple):
    """What was written."""

    path: Path
    frames: int
    checked: Verification | None  # None for numbers, which read back as written
    notes: tuple[str, ...]


def describe(done: Exported) -> str:
    """What was written and how well it reads back, for people."""
    if done.checked is None:
        return f"{done.frames} frames, read back as the same numbers"
    return f"{done.frames} frames, read back within {done.checked.error_mm:.4f} mm"


def ending(kind: str) -> str:
    """How files of a format end."""
    return (FORMATS.get(kind) or TABLES[kind]).ending


def key_range(objects: list[bpy.types.Object]) -> tuple[int, int]:
    """First and last frame of the keys of objects, their shape keys and their armatures.

    Raises EiferError if there are none.
    """
    return sampling.key_range(sampling.objects_of(objects))


def export(
    scene: bpy.types.Scene,
    objects: list[bpy.types.Object],
    path: Path | str,
    kind: str,
    frames: tuple[int, int],
    *,
    replace: bool = False,
    keep_all: bool = False,
) -> Exported:
    """`steps` in one go."""
    going = steps(scene, objects, path, kind, frames, replace=replace, keep_all=keep_all)
    while True:
        try:
            next(going)
        except StopIteration as done:
            return done.value


def steps(
    scene: bpy.types.Scene,
    objects: list[bpy.types.Object],
    path: Path | str,
    kind: str,
    frames: tuple[int, int],
    *,
    replace: bool = False,
    keep_all: bool = False,
) -> Iterator[tuple[float, str]]:
    """Export meshes with the armatures that move them, or the numbers of one head, and check the file.

    kind: one of FORMATS, or of TABLES if `objects` is one head. frames: first and last. keep_all: also keys
    that never move, for a rig elsewhere that expects them. Yields (share, what is being done); its return
    value is an `Exported`. Raises EiferError if the file exists and `replace` is not asked for, if Blender
    cannot write it, or if what is read back is further than LIMIT_MM from the scene: then the file stays
    beside, marked as unverified.
    """
    path = Path(path)
    path = path if path.suffix.lower() == ending(kind) else path.with_name(path.name + ending(kind))
    if frames[1] < frames[0]:
        raise EiferError("The last frame lies before the first; correct the range.")
    _check_target(path, replace)
    if kind in TABLES:
        return (yield from _numbers(scene, objects, path, kind, frames))
    form, chosen = FORMATS[kind], sampling.objects_of(objects)
    _check_side_files(path, form, replace)
    with closing(sampling.steps(scene, chosen, *frames)) as playing:
        sampled = yield from _told(playing, _PLAYED, "Playing the scene")
    yield _PLAYED, f"Writing {form.name}"
    with _folder(path) as folder:
        file = folder / path.name
        with copies.copied(scene, chosen, sampled, frames, keep_all) as (stage, twins):
            _write(stage, twins, form, file, frames)
        yield _WRITTEN, "Reading it back"
        checked = verify.verify(str(file), form, scene, sampled)
        if not checked.passed:
            kept = _move(folder, path.with_name(f"{path.stem}{UNVERIFIED}{path.suffix}"), path.name)
            raise EiferError(_failure(checked, form, kept))
        _move(folder, path, path.name)
    return Exported(path, frames[1] - frames[0] + 1, checked, _notes(chosen))


def _numbers(
    scene: bpy.types.Scene, objects: list[bpy.types.Object], path: Path, kind: str, frames: tuple[int, int]
) -> Iterator[tuple[float, str]]:
    """`steps` for a format of numbers."""
    heads = [obj for obj in objects if head_object.is_head(obj)]
    if len(heads) != 1:
        raise EiferError(f"{TABLES[kind].name} holds one head; choose it.")
    with _folder(path) as folder:
        file = folder / path.name
        with closing(parameters.steps(scene, heads[0], frames, kind, file)) as working:
            notes = yield from _told(working, 1.0, "Reading the face")
        _move(folder, path, path.name)
    return Exported(path, frames[1] - frames[0] + 1, None, notes)


def _told(working: Iterator[float], part: float, text: str) -> Iterator[tuple[float, str]]:
    """Passes shares on as a part of the whole, with a text; returns what the generator returns."""
    while True:
        try:
            yield part * next(working), text
        except StopIteration as done:
            return done.value


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A folder beside a file, for what becomes it, on the same disk."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=".eifer-", dir=path.parent))
    except OSError as error:
        raise EiferError(f"'{path.name}' cannot be written: {error.strerror or error}.") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_target(path: Path, replace: bool) -> None:
    if not path.parent.is_dir():
        raise EiferError(
            f"'{path.name}' cannot be written: the folder '{path.parent}' does not exist; choose another one."
        )
    if path.exists() and not replace:
        raise EiferError(f"'{path.name}' exists already; choose another name or allow replacing it.")


def _check_side_files(path: Path, form: formats.Format, replace: bool) -> None:
    """The file browser asks about the file itself only."""
    beside = path.with_suffix(".bin")
    if form.id == "GLTF" and beside.exists() and not (replace and path.exists()):
        raise EiferError(
            f"'{beside.name}' exists already and glTF Separate would replace it; choose another name."
        )


def _write(
    stage: bpy.types.Scene,
    twins: list[bpy.types.Object],
    form: formats.Format,
    file: Path,
    frames: tuple[int, int],
) -> None:
    with verify.working_in(stage):
        _select(stage, twins)
        formats.run(lambda: form.write(str(file), frames), f"write {form.name}")


def _select(stage: bpy.types.Scene, twins: list[bpy.types.Object]) -> None:
    layer = stage.view_layers[0]
    for twin in twins:
        twin.hide_set(False, view_layer=layer)
        twin.select_set(True, view_layer=layer)
    layer.objects.active = twins[-1]
    layer.depsgraph.update()


def _move(folder: Path, target: Path, written: str) -> Path:
    """Put what was written in its place: side files (of glTF) first, the file itself last."""
    for file in sorted(folder.iterdir(), key=lambda one: one.name == written):
        os.replace(file, target if file.name == written else target.with_name(file.name))
    return target


def _failure(checked: Verification, form: formats.Format, kept: Path) -> str:
    return (
        f"The {form.name} file does not play as the scene does: '{checked.object}' is "
        f"{checked.error_mm:.2f} mm off at frame {checked.frame}; it was kept as '{kept.name}'."
    )


def _notes(objects: list[bpy.types.Object]) -> tuple[str, ...]:
    left = sampling.not_carried(objects)
    if not left:
        return ()
    return (f"Not carried: the modifier{'s' * (len(left) > 1)} {', '.join(left)}.",)
