"""Models that contain delay and dynamics, in panel, preview, bake, reload and mapping again."""

from __future__ import annotations

import bpy
import numpy as np
import onnx_made
import pytest

from eifer_blender.blender import head_object, session, takes, work

LATE = 6  # frames of 30 per second


@pytest.fixture
def inside(tmp_path):
    """A model that delays by 200 ms itself."""
    return _write(tmp_path / "inside.onnx", onnx_made.emg2exp({-LATE: 1.0}, before=LATE))


@pytest.fixture
def outside(tmp_path):
    """A model of single frames that expects delayed activity."""
    return _write(tmp_path / "outside.onnx", onnx_made.emg2exp({0: 1.0}, dynamics="outside", frame_rate=None))


def _write(path, data):
    path.write_bytes(data)
    return str(path)


def _silent(_share, _text):
    """No progress is shown."""


def _played(scene, head, frames):
    rows = []
    for frame in frames:
        scene.frame_set(frame)
        rows.append(head_object.expression_of(head))
    return np.array(rows)


def test_a_model_with_dynamics_inside_takes_the_place_of_the_panels(scene, head, recording, inside, outside):
    recording.chain.dynamics = True
    for path, applied in ((inside, False), (outside, True)):
        scene.eifer.animation.model = path
        assert session.chain_settings(scene).dynamics is applied
        assert recording.chain.dynamics  # what the animator chose comes back with the next model
        take, _, _ = work.bake_work(scene).compute(_silent)
        assert take.activation.dynamics is applied
        assert not any("twice" in note or "too early" in note for note in take.notes)


@pytest.mark.parametrize("fps", [24, 60])
def test_the_preview_shows_what_is_baked(scene, head, recording, inside, fps):
    scene.render.fps = fps
    scene.eifer.animation.model = inside
    frames = range(1, 9 * fps, fps // 3)
    bpy.ops.eifer.preview()
    previewed = _played(scene, head, frames)
    bpy.ops.eifer.preview()
    bpy.ops.eifer.bake_take()
    baked = _played(scene, head, frames)
    np.testing.assert_allclose(previewed, baked, atol=2e-6)
    assert baked.max() > 0.5


def test_a_model_is_as_late_at_every_frame_rate(scene, head, recording, inside, outside):
    for fps in (24, 60):
        scene.render.fps = fps
        courses = []
        for path in (inside, outside):
            scene.eifer.animation.model = path
            recording.chain.dynamics = False
            take, _, _ = work.bake_work(scene).compute(_silent)
            courses.append(take.parameters.sum(1) - take.parameters.sum(1).mean())
        late = np.correlate(*courses, "full").argmax() - (len(courses[1]) - 1)
        assert late / fps == pytest.approx(LATE / 30, abs=0.06)


def test_a_take_says_what_its_model_expects_of_itself(scene, head, recording, inside):
    scene.eifer.animation.model = inside
    bpy.ops.eifer.bake_take()
    stamp = takes.read_stamp(takes.selected(head))
    assert 0.1 < stamp["expected_mm"] < 5
    assert stamp["settings"]["chain"]["dynamics"] is False


def test_baking_again_from_the_file_follows_a_model_that_has_learnt_dynamics(
    scene, head, recording, inside, outside
):
    scene.eifer.animation.model = outside
    bpy.ops.eifer.bake_take()
    with open(inside, "rb") as new, open(outside, "wb") as old:
        old.write(new.read())
    bpy.ops.eifer.reload_take()
    chain = takes.read_stamp(takes.selected(head))["settings"]["chain"]
    assert chain["dynamics"] is False and chain["window_ms"] == recording.chain.window_ms


def test_mapping_again_says_where_delayed_activity_meets_a_model_with_dynamics(
    scene, head, recording, inside, outside
):
    scene.eifer.animation.model = outside
    bpy.ops.eifer.bake_take()
    scene.eifer.animation.model = inside
    take, _, _ = work.remap_work(scene).compute(_silent)
    assert any("twice" in note for note in take.notes)
    bpy.ops.eifer.bake_take(replace=True)
    take, _, _ = work.remap_work(scene).compute(_silent)
    assert not any("twice" in note for note in take.notes)
    scene.eifer.animation.model = outside
    take, _, _ = work.remap_work(scene).compute(_silent)
    assert any("too early" in note for note in take.notes)


def test_a_damaged_model_leaves_the_panels_dynamics_as_they_are(scene, head, recording, tmp_path):
    recording.chain.dynamics = True
    scene.eifer.animation.model = _write(tmp_path / "bad.onnx", b"no model")
    assert session.chain_settings(scene).dynamics
    scene.eifer.animation.model = str(tmp_path / "nowhere.onnx")
    assert session.chain_settings(scene).dynamics
