"""The command that turns a table of expressions into muscle activity, from a user's side."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from eifer_blender.cli import main
from eifer_blender.interchange import write_live_link_face, write_parameters
from eifer_blender.muscles import channel_index
from eifer_blender.recordings import open_recording
from eifer_blender.spaces import ARKIT_NAMES, DEFAULT_SPACE

DATA = Path(__file__).parent / "data"


@pytest.fixture
def smile(tmp_path):
    """Three seconds: rest, a smile of the left side, rest."""
    weights = np.zeros((90, 52), np.float32)
    course = np.sin(np.linspace(0, np.pi, 40)) ** 2
    weights[25:65, ARKIT_NAMES.index("mouthSmileLeft")] = 0.8 * course
    return write_live_link_face(tmp_path / "smile.csv", weights, 30)


def run(*arguments):
    return main.run(["--here", "estimate", *map(str, arguments)])


def activity_of(path):
    """float32 [frames, 22] of what the command wrote; NaN where it says nothing."""
    stream = open_recording(path).streams[0]
    values = np.full((len(stream.samples), 22), np.nan, np.float32)
    for k, channel in enumerate(stream.channels):
        if channel.muscle:
            values[:, channel_index(channel.muscle)] = np.asarray(stream.samples[:])[:, k]
    return values


@pytest.mark.parametrize("ending", [".csv", ".edf"])
def test_a_smile_of_the_left_side_is_read_from_a_table(smile, tmp_path, ending, capsys):
    assert run(smile, "-o", tmp_path / f"a{ending}") == 0
    values = activity_of(tmp_path / f"a{ending}")
    left, right = (values[:, channel_index(f"zygomaticus_{side}")] for side in "lr")
    assert left[40:50].mean() > 0.2 > 5 * right[40:50].mean()
    assert left[:10].max() < 0.02 and left[85:90].max() < 0.02
    said = capsys.readouterr().out
    assert "masseter" in said and "20 channels" in said and "90 frames, 30 a second" in said


def test_real_files_go_through(tmp_path, capsys):
    assert run(DATA / "live_link_face_excerpt.csv", "-o", tmp_path / "a.edf", "--include-hidden") == 0
    assert "22 channels" in capsys.readouterr().out
    assert run(DATA / "each_shape_excerpt.csv", "-o", tmp_path / "b.csv") == 0
    assert capsys.readouterr().out.count("clamped") == 1


def test_wrong_input_ends_in_one_line_and_no_file(smile, tmp_path, capsys):
    own = write_parameters(tmp_path / "own.csv", DEFAULT_SPACE, np.zeros((40, 55), np.float32))
    flame = write_parameters(tmp_path / "flame.csv", "EIFER", np.zeros((40, 55), np.float32))
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    blend = tmp_path / "a.blend"
    blend.write_bytes(b"BLENDER")
    there = sorted(os.listdir(tmp_path))
    for arguments, said in (
        ((smile, "-o", tmp_path / "a.txt"), "must end in .csv or .edf"),
        ((tmp_path / "none.csv", "-o", tmp_path / "a.csv"), "no file"),
        ((own, "-o", tmp_path / "a.csv"), "add --fps"),
        ((flame, "--fps", 30, "-o", tmp_path / "a.csv"), "FLAME head"),
        ((empty, "-o", tmp_path / "a.csv"), "does not begin with"),
        ((DATA / "fridlund_emotions.csv", "-o", tmp_path / "a.csv"), "none of the columns"),
        ((smile, "--model", DATA / "README.md", "-o", tmp_path / "a.csv"), "not an ONNX file"),
        ((smile, "--fps", 30, "-o", smile), "exists already"),
        ((blend, "--fps", 30, "-o", tmp_path / "a.csv"), "leave out --fps"),
    ):
        assert run(*arguments) == 1
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == there


def test_an_output_is_replaced_only_with_the_option(smile, tmp_path):
    assert run(smile, "-o", tmp_path / "a.csv") == 0
    first = (tmp_path / "a.csv").read_bytes()
    shutil.copy(DATA / "live_link_face_excerpt.csv", tmp_path / "other.csv")
    assert run(tmp_path / "other.csv", "-o", tmp_path / "a.csv") == 1
    assert (tmp_path / "a.csv").read_bytes() == first
    assert run(tmp_path / "other.csv", "-o", tmp_path / "a.csv", "--replace") == 0
    assert (tmp_path / "a.csv").read_bytes() != first
