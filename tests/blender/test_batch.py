"""The batch command: a folder of takes, several processes, a summary, and one broken file among them."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import bpy
import flame_files
import numpy as np
import pytest
from gltf_file import Gltf

from eifer_blender import interchange, spaces
from eifer_blender.assets import model_file
from eifer_blender.blender import head_object

CHECKOUT = Path(__file__).parents[2]


def batch(*arguments):
    command = [sys.executable, "-m", "eifer_blender", "--here", "batch", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300)


def summary(folder):
    with (folder / "summary.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def write_smile(path, *, fps=30.0):
    weights = np.zeros((60, len(spaces.ARKIT_NAMES)), np.float32)
    weights[:, spaces.ARKIT_NAMES.index("mouthSmileLeft")] = np.sin(np.linspace(0, np.pi, 60))
    interchange.write_live_link_face(path, weights, fps)


@pytest.fixture(scope="module")
def takes_folder(tmp_path_factory):
    """Two recordings and a performance of a face, and two files that cannot be baked."""
    folder = tmp_path_factory.mktemp("takes")
    (folder / "day 2").mkdir()
    shutil.copy(model_file("sample_recording.edf"), folder / "smile.edf")
    shutil.copy(model_file("sample_recording.edf"), folder / "day 2" / "smile.edf")
    write_smile(folder / "smile.csv")
    (folder / "broken.edf").write_bytes(b"0       " + b"\xff" * 500)
    (folder / "notes.txt").write_text("Nothing that anybody recorded.\n")
    (folder / "picture.png").write_bytes(b"not a take")
    return folder


@pytest.fixture(scope="module")
def done(takes_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    options = (
        "--format",
        "blend",
        "--format",
        "glb",
        "--format",
        "csv",
        "--jobs",
        2,
        "--to",
        3,
        "--gain",
        1.5,
    )
    return batch(takes_folder, "-o", out, *options), out


def test_every_take_becomes_its_set_and_a_broken_file_stops_none(done):
    result, out = done
    assert result.returncode == 1
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    sets = {
        f"{stem}.{kind}"
        for stem in ("smile.edf", "smile.csv", "day 2/smile")
        for kind in ("blend", "glb", "csv")
    }
    assert names == sets | {"summary.csv"}
    rows = summary(out)
    assert {name: row["state"] for name, row in rows.items()} == {
        "broken.edf": "failed",
        "day 2/smile.edf": "done",
        "notes.txt": "failed",
        "smile.csv": "done",
        "smile.edf": "done",
    }
    assert rows["broken.edf"]["message"].endswith(".") and "Traceback" not in result.stdout + result.stderr
    assert rows["day 2/smile.edf"]["outputs"] == "smile.blend smile.glb smile.csv"
    assert result.stdout.splitlines()[-1] == "3 done, 2 failed"
    assert "[5/5]" in result.stdout


def test_the_settings_reach_every_take(done):
    _, out = done
    bpy.ops.wm.open_mainfile(filepath=str(out / "day 2" / "smile.blend"))
    scene = bpy.context.scene
    assert scene.eifer.animation.gain == 1.5
    assert len((out / "day 2" / "smile.csv").read_text().splitlines()) == 1 + 3 * scene.render.fps


def test_what_is_there_stays_and_is_told(done, takes_folder):
    _, out = done
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.blend")}
    again = batch(takes_folder, "-o", out, "--pattern", "smile*", "--jobs", 2)
    assert again.returncode == 0, again.stderr
    assert {row["state"] for row in summary(out).values()} == {"skipped"}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_flame_file_is_a_target(takes_folder, tmp_path):
    file = flame_files.write_npz(tmp_path / "flame.npz")
    options = ("--blend", file, "--pattern", "smile.csv", "--format", "blend", "--format", "npz")
    result = batch(takes_folder, "-o", tmp_path / "out", *options)
    assert result.returncode == 0, result.stdout
    clip = interchange.read_expressions(tmp_path / "out" / "smile.npz")
    assert clip.space.id == "flame-55" and np.abs(clip.values).max() > 0.3
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out" / "smile.blend"))
    assert head_object.space_of(bpy.context.scene.eifer.head) == "flame-55"


def test_a_rig_is_a_target(takes_folder, tmp_path):
    """A character with ARKit's shapes in a file of its own, without any head of ours."""
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    cube.name = "Hero"
    cube.shape_key_add(name="Basis")
    for name in spaces.ARKIT_NAMES:
        cube.shape_key_add(name=name).points[0].co.z += 0.1
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "rig.blend"))
    options = ("--blend", tmp_path / "rig.blend", "--pattern", "smile.csv", "--format", "blend")
    result = batch(takes_folder, "-o", tmp_path / "out", *options, "--format", "glb", "--fps", 30)
    assert result.returncode == 0, result.stdout
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out" / "smile.blend"))
    scene, keys = bpy.context.scene, bpy.data.objects["Hero"].data.shape_keys.key_blocks
    scene.frame_set(30)
    assert keys["mouthSmileLeft"].value > 0.8 and keys["mouthSmileRight"].value < 0.1
    meshes = {node["name"] for node in Gltf(tmp_path / "out" / "smile.glb").tree["nodes"]}
    assert meshes == {"Hero"}


def test_a_summary_of_somebody_else_is_not_written_over(takes_folder, tmp_path):
    (tmp_path / "summary.csv").write_text("my own notes\n")
    result = batch(takes_folder, "-o", tmp_path, "--pattern", "smile.csv")
    assert result.returncode == 1 and "did not come from this command" in result.stderr
    assert (tmp_path / "summary.csv").read_text() == "my own notes\n"
    assert [path.name for path in tmp_path.iterdir()] == ["summary.csv"]


def test_no_result_takes_the_place_of_a_recording(tmp_path):
    """The result of takes/takes/smile.csv would be takes/smile.csv."""
    take = tmp_path / "takes" / "smile.csv"
    (tmp_path / "takes" / "takes").mkdir(parents=True)
    for path in (take, tmp_path / "takes" / "takes" / "smile.csv"):
        write_smile(path)
    before = take.read_bytes()
    result = batch(tmp_path / "takes", "-o", tmp_path, "--format", "csv", "--replace")
    assert result.returncode == 1 and "would replace 'smile.csv'" in result.stderr
    assert take.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("nowhere", "-o", "out"), "There is no folder"),
        ((".", "-o", "out", "--pattern", "*.xyz"), "no file of a known kind"),
        ((".", "-o", "out", "--jobs", "0"), "at least 1"),
        ((".", "-o", "out", "--blend", "missing.blend"), "There is no file"),
        ((".", "-o", ".", "--format", "csv", "--pattern", "smile.csv"), "among the recordings"),
    ],
)
def test_what_cannot_begin_says_why(takes_folder, tmp_path, options, sentence):
    places = [str(takes_folder) if one == "." else one for one in options]
    places = [str(tmp_path / "out") if one == "out" else one for one in places]
    result = batch(*places)
    assert result.returncode == 1 and sentence in result.stderr
    assert "Traceback" not in result.stderr and not list(tmp_path.iterdir())
