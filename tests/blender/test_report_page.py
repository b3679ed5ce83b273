"""Report and flat map from Blender: the file is written, and the scene is what it was."""

from __future__ import annotations

import base64
import re

import bpy
import numpy as np
import pytest

from eifer_blender import report as page
from eifer_blender.blender import face_map, report
from eifer_blender.muscles import CHANNELS


@pytest.fixture
def measured(head, scene, recording):
    """The sample recording on the head, with its estimate and a heat map, at some frame."""
    bpy.ops.eifer.bake_take(name="Session 3")
    scene.frame_start, scene.frame_end = 1, 384
    bpy.ops.eifer.estimate_activity()
    bpy.ops.eifer.heat_map()
    scene.frame_set(100)
    return head


def state(head, scene):
    """What a report must not change."""
    kinds = ("scenes", "objects", "cameras", "lights", "worlds", "materials", "meshes", "curves", "actions")
    values = [round(block.value, 6) for block in head.data.shape_keys.key_blocks]
    render = scene.render
    return (
        {kind: sorted(b.name for b in getattr(bpy.data, kind)) for kind in kinds},
        values,
        list(head.parent.pose.bones["jaw"].rotation_quaternion),
        (scene.frame_current, scene.camera, render.engine, render.resolution_x, render.filepath),
        head.modifiers["EIFER Heat Map"].show_render,
        [c.name for c in head.users_collection],
    )


@pytest.fixture
def brief(measured, monkeypatch):
    """With two peaks at most: rendering takes seconds."""
    whole = page.find_peaks
    monkeypatch.setattr(page, "find_peaks", lambda strips: whole(strips, 2))
    return measured


def test_the_report_of_a_take_leaves_the_scene_alone(brief, scene, tmp_path):
    brief.data.shape_keys.key_blocks["mouthPucker"].value = 0.3  # nobody has keyed it
    before = state(brief, scene)
    path = tmp_path / "report.html"
    bpy.ops.eifer.save_report(filepath=str(path))
    text = path.read_text(encoding="utf-8")
    assert state(brief, scene) == before
    for words in ("Session 3", "sample_recording.edf", "Agreement", "emg2exp-default", "exp2emg-default"):
        assert words in text
    pictures = [base64.b64decode(d) for d in re.findall(r'<img [^>]*base64,([^"]+)"', text)]
    assert len(pictures) == 2 and all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]
    assert str(tmp_path) not in text and "\\Users" not in text


def test_a_report_without_pictures_and_of_an_estimate_alone(head, scene, tmp_path):
    key = head.data.shape_keys.key_blocks["mouthSmileLeft"]
    for frame, value in ((1, 0.0), (10, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    scene.frame_end = 40
    bpy.ops.eifer.estimate_activity()
    path = tmp_path / "report.html"
    bpy.ops.eifer.save_report(filepath=str(path), pictures=False)
    text = path.read_text(encoding="utf-8")
    assert "<img" not in text and "Zygomaticus major, left" in text and "Agreement" not in text


def test_a_report_is_not_written_over_another_unasked(measured, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(RuntimeError, match="exists"):
        bpy.ops.eifer.save_report(filepath=str(path), pictures=False)
    assert path.read_text() == "mine"


def test_without_activity_there_is_a_sentence(head, tmp_path):
    for call, name in ((bpy.ops.eifer.save_report, "r.html"), (bpy.ops.eifer.save_face_map, "m.png")):
        with pytest.raises(RuntimeError, match="no muscle activity"):
            call(filepath=str(tmp_path / name))
    with pytest.raises(RuntimeError, match="no muscle activity"):
        bpy.ops.eifer.face_map()
    assert not list(tmp_path.iterdir())


def test_closing_a_report_early_takes_the_studio_away(measured, scene):
    before = state(measured, scene)
    steps = report.steps(scene)
    next(steps)
    assert any(s.name.startswith("EIFER Report") for s in bpy.data.scenes)
    steps.close()
    assert state(measured, scene) == before


def test_the_face_map_is_an_image_of_the_file(measured, scene, tmp_path):
    scene.frame_set(230)
    bpy.ops.eifer.face_map()
    image = bpy.data.images[face_map.IMAGE]
    assert tuple(image.size) == (2 * 480 + 130, 600)
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    shown = pixels.reshape(600, -1, 4)[::-1]
    np.testing.assert_allclose(shown, face_map.make(scene), atol=2 / 255)
    scene.frame_set(1)
    bpy.ops.eifer.face_map()
    assert [i.name for i in bpy.data.images if i.name.startswith(face_map.IMAGE)] == [face_map.IMAGE]
    path = tmp_path / "map.png"
    bpy.ops.eifer.save_face_map(filepath=str(path))
    saved = bpy.data.images.load(str(path))
    assert tuple(saved.size) == (1090, 600)


def test_the_map_of_an_estimate_alone_has_one_face(head, scene):
    head.data.shape_keys.key_blocks["mouthSmileLeft"].value = 0.8
    bpy.ops.eifer.estimate_activity(pose=True)
    assert face_map.make(scene).shape == (600, 480 + 130, 4)
    assert not any(f"emg_{name}" in head for name in CHANNELS)
