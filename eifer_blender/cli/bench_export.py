"""Speed of heads from FLAME files, of characters, and of exports with their check."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

from .bench import Row, fresh, long_take, s
from .environments import CHECKOUT
from .outputs import silent

FRAMES = 1000
_KINDS = ("FBX", "GLB", "USD", "ABC")


def run() -> list[Row]:
    """Rows of what Blender does."""
    with tempfile.TemporaryDirectory() as folder:
        return [_flame_row(Path(folder)), *_export_rows(Path(folder)), _character_row()]


def _flame_row(folder: Path) -> Row:
    """A file of FLAME's layout and size, as the tests build it: no FLAME file may be here."""
    import bpy

    sys.path.insert(0, str(CHECKOUT / "tests"))
    try:
        import flame_files
    finally:
        sys.path.pop(0)
    path = flame_files.write_old_pickle(folder / "flame.pkl")
    fresh()
    with silent():
        began = time.perf_counter()
        bpy.ops.eifer.add_flame_head(filepath=str(path))
        seconds = time.perf_counter() - began
    return Row(
        "Add a FLAME head from its pickle", s(seconds), "100 identity keys, fitted to the default head"
    )


def _export_rows(folder: Path) -> list[Row]:
    import bpy

    from ..blender import bake, exporting

    scene = fresh()
    bpy.ops.eifer.add_head()
    head = scene.eifer.head
    bake.bake_take(head, long_take(FRAMES), name="bench", start_frame=1, stamp={})
    rows = []
    for kind in _KINDS:
        times: dict[str, float] = {}
        with silent(), contextlib.redirect_stdout(io.StringIO()):
            began = time.perf_counter()
            going = exporting.steps(scene, [head], folder / "bench", kind, (1, FRAMES))
            while True:
                try:
                    times.setdefault(next(going)[1], time.perf_counter() - began)
                except StopIteration as stop:
                    done = stop.value
                    break
            seconds = time.perf_counter() - began
        checking = seconds - times["Reading it back"]
        size = done.path.stat().st_size / 1e6
        note = f"{size:.1f} MB; {s(checking)} of it reading back, {done.checked.error_mm:.4f} mm off at most"
        rows.append(Row(f"Export {FRAMES} frames, {exporting.FORMATS[kind].name}", s(seconds), note))
    return rows


def _character_row() -> Row:
    import bpy

    from ..blender import bake, characters
    from ..spaces import ARKIT_NAMES

    scene = fresh()
    bpy.ops.eifer.add_head()
    head = scene.eifer.head
    bake.bake_take(head, long_take(FRAMES), name="bench", start_frame=1, stamp={})
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    for name in ("Basis", *ARKIT_NAMES):
        cube.shape_key_add(name=name)
    began = time.perf_counter()
    row = scene.eifer.characters.add()
    row.name = "Cube"
    characters.find(row, [cube])
    characters.drive(row, characters.from_head(scene, head))
    seconds = time.perf_counter() - began
    return Row(f"Find a character and drive it, {FRAMES} frames", s(seconds), "52 ARKit shapes, fitted")
