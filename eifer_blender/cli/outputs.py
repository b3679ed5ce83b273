"""Opening files, and writing results: whole or not at all."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EiferError

if TYPE_CHECKING:
    from ..pipeline import TakeData


def _flush() -> None:
    """Write out what waits in the buffers of Python and, where it can be reached, of C."""
    sys.stdout.flush()
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


@contextmanager
def silent() -> Iterator[None]:
    """Keep Blender quiet, which prints past Python and names temporary files."""
    _flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
        _flush()
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def open_blend(path: Path) -> None:
    """Open a file without running its scripts. Raises EiferError if it is missing or no Blender file."""
    import bpy

    if not path.is_file():
        raise EiferError(f"There is no file '{path}'; check the path.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path.resolve()), use_scripts=False)
    except RuntimeError:
        raise EiferError(f"'{path.name}' is no file that this Blender can open.") from None


def save_blend(path: Path) -> None:
    """Save the open file: whole under another name first, so that a failure leaves the old one."""
    import bpy

    temporary = path.with_name(path.stem + ".part.blend")
    bpy.context.preferences.filepaths.save_version = 0
    try:
        with silent():
            bpy.ops.wm.save_as_mainfile(filepath=str(temporary.resolve()), copy=True, compress=True)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(path: Path, take: TakeData, start_frame: int) -> None:
    """Write the expression parameters of a take as CSV, numbered from its first frame in Blender."""
    from ..pipeline import parameter_table

    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(parameter_table(take, start_frame=start_frame), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
