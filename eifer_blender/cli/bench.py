"""Speed of the jobs people wait for, as a table; each peer is timed in the same run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import environments

FPS = 30.0  # the bundled models' own
FRAMES = 18_000  # ten minutes
CURVES = 61
PEER_FRAMES = 500
PREVIEW_FRAMES = 300


class Row(NamedTuple):
    """One line of the table."""

    what: str
    result: str
    note: str


def run() -> int:
    """Measure everything and print the table."""
    import bpy

    from . import bench_activity, bench_export

    rows = [*_import_rows(), _head_row(), *_mapping_rows(), *_bake_rows(), *_size_rows(), *_preview_rows()]
    rows += [*bench_activity.run(), *bench_export.run(), *_peer_rows()]
    print(f"\nBlender {bpy.app.version_string}, Python {platform.python_version()}, {_cpu()}\n")
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    print(
        "| " + " | ".join(t.ljust(w) for t, w in zip(("What", "Result", "How"), widths, strict=True)) + " |"
    )
    print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    for row in rows:
        print("| " + " | ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) + " |")
    return 0


def _peer_rows() -> list[Row]:
    """Recordings and signals beside other software, measured in the environment that has it."""
    python = environments.ensure(environments.ENVIRONMENTS["peers"])
    code = (
        "import json; from eifer_blender.cli import bench_activity, bench_recordings, bench_signals;"
        "rows = [*bench_activity.run_peer(), *bench_recordings.run(), *bench_signals.run()];"
        "print(json.dumps(rows))"
    )
    done = subprocess.run(
        [str(python), "-c", code],
        env=environments.child_variables(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Row(*row) for row in json.loads(done.stdout.splitlines()[-1])]


def _cpu() -> str:
    import os

    return f"{os.cpu_count()} cores, {platform.machine()}"


def best(function: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def _import_rows() -> list[Row]:
    code = (
        "import bpy, time, sys; t = time.perf_counter(); import eifer_blender; eifer_blender.register();"
        "print(time.perf_counter() - t);"
        "print(','.join(m for m in ('scipy', 'onnxruntime', 'edfio', 'torch') if m in sys.modules))"
    )
    seconds, heavy = [], ""
    with tempfile.TemporaryDirectory() as compiled:
        # Every Blender but the first finds the code compiled, whatever this shell says about that.
        variables = os.environ | {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
        for _ in range(4):
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables
            )
            lines = done.stdout.splitlines()
            seconds.append(float(lines[0]))
            heavy = lines[1] if len(lines) > 1 else ""
    first, *later = seconds
    note = f"heavy imports: {heavy or 'none'}; best of 3 processes; {ms(first)} the first time, to compile it"
    return [Row("Import and register the extension", ms(min(later)), note)]


def fresh() -> object:
    """An empty scene with the extension on."""
    import bpy

    import eifer_blender

    bpy.ops.wm.read_factory_settings(use_empty=True)
    if not hasattr(bpy.types.Scene, "eifer"):
        eifer_blender.register()
    return bpy.context.scene


def _head_row() -> Row:
    import bpy

    from ..heads.default import load_default_head

    def add() -> None:
        load_default_head.cache_clear()
        bpy.ops.eifer.add_head()

    fresh()
    first = best(add, 1)
    again = best(bpy.ops.eifer.add_head)
    return Row("Add the head", ms(first), f"file read included; {ms(again)} for another one")


def _long_activation(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The sample recording's activation, repeated to a length."""
    activation = _sample_activation(_chain())
    tiles = -(-frames // len(activation.values))
    return (
        np.tile(activation.values, (tiles, 1))[:frames],
        np.tile(activation.present, (tiles, 1))[:frames],
    )


def _chain() -> object:
    """The signal chain of the bundled model."""
    from .. import mapping

    return mapping.settings_for(mapping.load_model())


def _sample_activation(chain: object) -> object:
    from .. import pipeline, recordings
    from ..assets import model_file

    recording = recordings.open_recording(model_file("sample_recording.edf"))
    return pipeline.process_recording(recording, pipeline.TakeSettings(chain=chain, fps=FPS))


def long_take(frames: int) -> object:
    """The sample recording through the bundled model, repeated to a length."""
    from dataclasses import replace

    from .. import mapping, pipeline

    values, present = _long_activation(frames)
    activation = replace(_sample_activation(_chain()), values=values, present=present, envelope_uv=values)
    return pipeline.express_take(activation, mapping.load_model(), 1.0, 0.0)


def _mapping_rows() -> list[Row]:
    from .. import mapping

    chain = _chain()
    processed = best(lambda: _sample_activation(chain))
    values, present = _long_activation(FRAMES)
    to_face, to_activity = (mapping.load_model(kind=kind) for kind in (mapping.EMG2EXP, mapping.EXP2EMG))
    seen = to_face.metadata.before + 1 + to_face.metadata.after
    mapped, other_rate = (
        best(lambda fps=fps: mapping.emg_to_expression(to_face, values, present, fps)) for fps in (FPS, 24.0)
    )
    faces = mapping.emg_to_expression(to_face, values, present, FPS).values
    back = best(lambda: mapping.expression_to_emg(to_activity, faces, FPS))
    return [
        Row("Read and process the sample recording", ms(processed), "22 channels of raw sEMG"),
        Row(
            f"Map {FRAMES} frames",
            ms(mapped),
            f"EMG2Exp, {seen} frames seen for each, with uncertainty and features; one thread",
        ),
        Row("The same for a scene of 24 fps", ms(other_rate), "to the model's 30 fps and back"),
        Row(f"Map {FRAMES} frames back", ms(back), "Exp2EMG, with uncertainty; one thread"),
    ]


def _bake_rows() -> list[Row]:
    import bpy

    from ..blender import actions, bake

    scene = fresh()
    bpy.ops.eifer.add_head()
    head = scene.eifer.head
    keys = head.data.shape_keys
    names = [block.name for block in keys.key_blocks[1 : CURVES + 1]]
    values = np.random.default_rng(0).normal(size=(FRAMES, CURVES)).astype(np.float32)
    frames = np.arange(FRAMES, dtype=np.float32)

    def bulk() -> None:
        channels = actions.new_channels("bulk", {"keys": keys})["keys"]
        for column, name in enumerate(names):
            made = actions.Keys(frames, values[:, column])
            actions.write_curve(channels, (f'key_blocks["{name}"].value', 0), made, "Expression")
        actions.assign(keys, channels)

    def one_by_one() -> None:
        actions.assign(keys, None)
        for name in names:
            block = keys.key_blocks[name]
            for frame in range(PEER_FRAMES):
                block.keyframe_insert("value", frame=frame)

    ours = best(bulk)
    peer = best(one_by_one, 1) * FRAMES / PEER_FRAMES
    scene = fresh()
    bpy.ops.eifer.add_head()
    take = long_take(FRAMES)
    full = best(lambda: bake.bake_take(scene.eifer.head, take, name="bench", start_frame=1, stamp={}), 1)
    return [
        Row(f"Bake {FRAMES} frames x {CURVES} curves", s(ours), "bulk"),
        Row(
            "The same with keyframe_insert",
            s(peer),
            f"timed on {PEER_FRAMES} frames and scaled: {peer / ours:.0f} times as long",
        ),
        Row(f"Bake a take of {FRAMES} frames", s(full), "78 curves, as the button does it"),
    ]


def _size_rows() -> list[Row]:
    import bpy

    from ..blender import bake
    from ..heads.default import load_default_head

    take = long_take(FRAMES)
    start = time.perf_counter()
    sparse, error = bake.reduce(load_default_head(), take, 0.1)
    reducing = time.perf_counter() - start
    rows = []
    for label, keys in (("dense keys", None), ("reduced keys", sparse)):
        scene = fresh()
        bpy.ops.eifer.add_head()
        baked = bake.bake_take(scene.eifer.head, take, name="bench", start_frame=1, stamp={}, keys=keys)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "take.blend"
            bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
            size = path.stat().st_size / 1e6
        note = f"{baked.keys:,} keys, compressed"
        if keys:
            note += f"; within {error:.3f} mm, reducing took {s(reducing)}"
        rows.append(Row(f".blend of {FRAMES} frames, {label}", f"{size:.1f} MB", note))
    return rows


def _preview_rows() -> list[Row]:
    import bpy

    from ..blender import preview

    scene = fresh()
    bpy.ops.eifer.add_head()
    head = scene.eifer.head
    take = long_take(PREVIEW_FRAMES)

    def scrub() -> None:
        for frame in range(PREVIEW_FRAMES):
            scene.frame_set(frame)

    preview.start(head, take, 0)
    with_preview = best(scrub) / PREVIEW_FRAMES
    showing = best(lambda: [preview.show(head, frame) for frame in range(PREVIEW_FRAMES)]) / PREVIEW_FRAMES
    preview.stop(head)
    from ..blender import bake

    bake.bake_take(head, take, name="bench", start_frame=0, stamp={})
    baked = best(scrub) / PREVIEW_FRAMES
    return [
        Row("Live preview, per frame change", ms(with_preview), f"{ms(showing)} of it are ours"),
        Row("The same frames baked", ms(baked), "Blender's own evaluation"),
    ]


def ms(seconds: float) -> str:
    """In milliseconds."""
    return f"{seconds * 1000:.2f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def s(seconds: float) -> str:
    """In seconds."""
    return f"{seconds:.2f} s"
