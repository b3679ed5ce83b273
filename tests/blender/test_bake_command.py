"""The bake command: the panel's job for scripts and batches."""

import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

from eifer_blender.assets import model_file
from eifer_blender.blender import head_object, takes
from eifer_blender.recordings import Annotation, Recording, open_recording, write_edf

CHECKOUT = Path(__file__).parents[2]


def bake(*arguments):
    command = [sys.executable, "-m", "eifer_blender", "--here", "bake", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    """A file that the command made, and its table."""
    folder = tmp_path_factory.mktemp("bake")
    recording = model_file("sample_recording.edf")
    done = bake(recording, "-o", folder / "a.blend", "--csv", folder / "a.csv", "--start", 11)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_file_plays_what_the_table_says(baked):
    table = np.genfromtxt(baked / "a.csv", delimiter=",", names=True)
    bpy.ops.wm.open_mainfile(filepath=str(baked / "a.blend"))
    head = bpy.context.scene.eifer.head
    bpy.context.scene.frame_set(111)
    row = table[table["frame"] == 111]
    np.testing.assert_allclose(
        head_object.expression_of(head), [row[name][0] for name in table.dtype.names[2:]], atol=1e-4
    )


def test_a_second_recording_joins_the_same_head(baked):
    poses = CHECKOUT / "tests" / "data" / "fridlund_emotions.csv"
    done = bake(poses, "--blend", baked / "a.blend", "-o", baked / "b.blend", "--take", "Emotions")
    assert done.returncode == 0, done.stderr
    bpy.ops.wm.open_mainfile(filepath=str(baked / "b.blend"))
    head = bpy.context.scene.eifer.head
    assert [take.name for take in head.eifer.takes] == ["sample_recording", "Emotions"]
    assert takes.is_playing(head, head.eifer.takes[1])


def test_a_saved_calibration_is_used(head, recording, sample, tmp_path):
    bpy.ops.eifer.bake_take()
    bpy.context.scene.frame_set(156)
    head.data.shape_keys.key_blocks["exp000"].value += 1.0
    wanted = head_object.expression_of(head)
    bpy.ops.eifer.use_pose()
    bpy.ops.eifer.calibrate()
    bpy.ops.eifer.save_calibration(filepath=str(tmp_path / "c.json"))
    options = ("--fps", 24, "--calibration", tmp_path / "c.json")
    done = bake(sample, "-o", tmp_path / "a.blend", *options)
    assert done.returncode == 0, done.stderr
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.context.scene.frame_set(156)
    assert head_object.expression_of(bpy.context.scene.eifer.head)[0] == pytest.approx(wanted[0], abs=0.3)
    done = bake(sample, "-o", tmp_path / "b.blend", "--calibration", tmp_path / "none.json")
    assert done.returncode == 1 and "none.json" in done.stderr and not (tmp_path / "b.blend").exists()


def test_nothing_is_overwritten_unasked(baked):
    before = (baked / "a.blend").read_bytes()
    done = bake(model_file("sample_recording.edf"), "-o", baked / "a.blend")
    assert done.returncode == 1 and "--replace" in done.stderr and "Traceback" not in done.stderr
    assert (baked / "a.blend").read_bytes() == before


def test_a_bad_recording_writes_nothing(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing here\n")
    done = bake(bad, "-o", tmp_path / "out.blend")
    assert done.returncode == 1 and "bad.csv" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.blend").exists()


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """The sample recording with three marks."""
    marks = (Annotation(2.0, 1.0, "smile"), Annotation(5.0, 0.0, "frown"), Annotation(9.0, 1.0, "smile"))
    streams = open_recording(model_file("sample_recording.edf")).streams
    return write_edf(tmp_path_factory.mktemp("marked") / "marked.edf", Recording(streams, marks))


def test_marked_trials_are_baked_one_after_another_with_their_markers(marked, tmp_path):
    done = bake(
        *(marked, "-o", tmp_path / "a.blend", "--csv", tmp_path / "a.csv", "--fps", 20),
        *("--marks", "smile", "--before", 0.5, "--pause", 2, "--rest-marks", "frown"),
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 30 + 40 + 30
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    scene = bpy.context.scene
    assert [(m.frame, m.name) for m in scene.timeline_markers] == [(11, "smile"), (81, "smile")]
    stamp = takes.read_stamp(takes.selected(scene.eifer.head))
    assert stamp["settings"]["chain"]["rest_segments"] == [[5.0, 9.0]]


def test_a_range_without_markers(marked, tmp_path):
    done = bake(marked, "-o", tmp_path / "a.blend", "--csv", tmp_path / "a.csv", "--from", 12, "--no-markers")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 4 * 24
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    assert not bpy.context.scene.timeline_markers


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--marks", "sneer"), "No mark of the recording says 'sneer'; there are 'smile', 'frown'."),
        (("--marks", "smile", "--to", 3), "either --marks or --from"),
        (("--stream", "EEG"), "no stream 'EEG'"),
    ],
)
def test_what_cannot_be_chosen_is_said_and_writes_nothing(marked, tmp_path, options, sentence):
    done = bake(marked, "-o", tmp_path / "a.blend", *options)
    assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
