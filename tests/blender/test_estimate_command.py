"""The command `estimate` on a .blend: what the panel would find, written to a file."""

import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

from eifer_blender import muscles
from eifer_blender.blender import head_object
from eifer_blender.heads.default import load_default_head
from eifer_blender.recordings import open_recording

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def smiling(tmp_path):
    """A saved file in which the left side of the default head smiles in frames 20 to 60."""
    scene = bpy.context.scene
    head = head_object.add_head(scene, load_default_head())
    scene.eifer.head = head
    scene.frame_start, scene.frame_end = 1, 80
    block = head.data.shape_keys.key_blocks["mouthSmileLeft"]
    for frame, value in ((1, 0.0), (20, 0.0), (35, 0.8), (45, 0.8), (60, 0.0), (80, 0.0)):
        block.value = value
        block.keyframe_insert("value", frame=frame)
    path = tmp_path / "smile.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def run(*arguments):
    command = [sys.executable, "-m", "eifer_blender", "--here", "estimate", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)


def test_an_animation_of_a_blend_becomes_activity_and_the_file_stays_as_it_was(smiling, tmp_path):
    before = smiling.read_bytes()
    done = run(smiling, "-o", tmp_path / "a.edf")
    assert done.returncode == 0, done.stderr
    stream = open_recording(tmp_path / "a.edf").streams[0]
    assert stream.rate == 24
    named = {c.muscle: k for k, c in enumerate(stream.channels) if c.muscle}
    assert set(named) == {n for n in muscles.CHANNELS if not n.startswith("masseter")}
    samples = np.asarray(stream.samples[:80])
    left, right = (samples[:, named[f"zygomaticus_{side}"]] for side in "lr")
    assert left[36:44].mean() > 0.2 > 5 * right[36:44].mean()
    assert left[:15].max() < 0.02
    assert "frames 1 to 80" in done.stdout
    assert smiling.read_bytes() == before


def test_a_blend_that_has_nothing_to_estimate_says_why(smiling, tmp_path):
    empty, broken = tmp_path / "empty.blend", tmp_path / "broken.blend"
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(empty))
    broken.write_bytes(b"BLENDER is not enough")
    for arguments, said in (
        ((smiling, "--head", "Nobody"), "no head 'Nobody'"),
        ((empty,), "has no head of this extension"),
        ((broken,), "'broken.blend' is no file that this Blender can open"),
    ):
        done = run(*arguments, "-o", tmp_path / "a.csv")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith("eifer estimate: ") and said in done.stderr
    assert not (tmp_path / "a.csv").exists()
