"""Animation out of Blender, whole: written with the right switches, then read back and compared.

The user's scene stays as it is. Copies in a scene of their own carry the animation, one key a frame; see
`copies` for what happens to signed weights, `verify` for the comparison.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import bpy

from ...errors import EiferError
from . import copies, formats, sampling, verify
from .formats import FORMATS
from .verify import LIMIT_MM, Verification

__all__ = ["FORMATS", "LIMIT_MM", "Exported", "Verification", "export", "steps"]

UNVERIFIED = ".unverified"  # before the ending of a file that does not play as the scene does
_PLAYED = 0.5  # share of the progress after which the file is written


class Exported(NamedTuple):
    """What was written."""

    path: Path
    checked: Verification
    notes: tuple[str, ...]


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
    """Export meshes with the armatures that move them, and check the file.

    kind: one of FORMATS. frames: first and last. keep_all: also keys that never move, for a rig elsewhere that
    expects them. Yields (share, what is being done); its return value is an `Exported`. Raises EiferError if the
    file exists and `replace` is not asked for, if Blender cannot write it, or if what is read back is further
    than LIMIT_MM from the scene: then the file stays beside, marked as unverified.
    """
    form, path = FORMATS[kind], Path(path)
    path = path if path.suffix.lower() == form.ending else path.with_name(path.name + form.ending)
    _check_target(path, replace)
    if frames[1] < frames[0]:
        raise EiferError("The last frame lies before the first; correct the range.")
    chosen = sampling.objects_of(objects)
    playing = sampling.steps(scene, chosen, *frames)
    while True:
        try:
            yield _PLAYED * next(playing), "Playing the scene"
        except StopIteration as done:
            sampled = done.value
            break
    yield _PLAYED, f"Writing {form.name}"
    folder = Path(tempfile.mkdtemp(prefix=".eifer-", dir=path.parent))
    try:
        file = folder / path.name
        with copies.copied(scene, chosen, sampled, frames, keep_all) as (stage, twins):
            with verify.working_in(stage):
                _select(stage, twins)
                formats.run(lambda: form.write(str(file), frames), f"write {form.name}")
        yield 0.75, "Reading it back"
        checked = verify.verify(str(file), form, scene, sampled)
        if not checked.passed:
            kept = _move(folder, path.with_name(f"{path.stem}{UNVERIFIED}{path.suffix}"), path.name)
            raise EiferError(_failure(checked, form, kept))
        _move(folder, path, path.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Exported(path, checked, _notes(chosen))


def _check_target(path: Path, replace: bool) -> None:
    if not path.parent.is_dir():
        raise EiferError(f"The folder '{path.parent}' does not exist; choose another one.")
    if path.exists() and not replace:
        raise EiferError(f"'{path.name}' exists already; choose another name or allow replacing it.")


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
        f"The {form.name} file does not play as the scene does: '{checked.object}' is {checked.error_mm:.2f} mm "
        f"off at frame {checked.frame}; it was kept as '{kept.name}'."
    )


def _notes(objects: list[bpy.types.Object]) -> tuple[str, ...]:
    left = sampling.not_carried(objects)
    if not left:
        return ()
    return (f"Not carried: the modifier{'s' * (len(left) > 1)} {', '.join(left)}.",)
