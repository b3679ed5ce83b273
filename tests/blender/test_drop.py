"""Dropping a file on the viewport."""

from types import SimpleNamespace

import bpy
import pytest

from eifer_blender.blender.operators.recording import EIFER_FH_recording
from eifer_blender.recordings import FILE_EXTENSIONS


def test_recordings_can_be_dropped_on_the_viewport_only():
    viewport = SimpleNamespace(area=SimpleNamespace(type="VIEW_3D"))
    assert EIFER_FH_recording.poll_drop(viewport)
    assert not EIFER_FH_recording.poll_drop(SimpleNamespace(area=SimpleNamespace(type="TEXT_EDITOR")))
    assert not EIFER_FH_recording.poll_drop(SimpleNamespace(area=None))
    assert set(EIFER_FH_recording.bl_file_extensions.split(";")) == set(FILE_EXTENSIONS)


def test_a_dropped_file_opens_without_a_dialog(scene, sample):
    # Blender calls the file handler's operator like this.
    bpy.ops.eifer.open_recording("INVOKE_DEFAULT", filepath=str(sample))
    assert "22 of 22" in scene.eifer.recording.summary


def test_a_dropped_file_that_is_no_recording_gets_one_sentence(scene, tmp_path):
    wrong = tmp_path / "picture.csv"
    wrong.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(RuntimeError, match=r"picture\.csv"):
        bpy.ops.eifer.open_recording("INVOKE_DEFAULT", filepath=str(wrong))
    assert not scene.eifer.recording.filepath
