"""The live preview shows the take and leaves no trace."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from eifer_blender.blender import actions, bake, head_object, preview


def state(head):
    """Everything that the preview could change."""
    bpy.context.view_layer.update()  # the jaw's correctives are driven
    blocks = head.data.shape_keys.key_blocks
    bone = head_object.armature_of(head).pose.bones[head_object.JAW_BONE]
    curves = []
    for block in (head.data.shape_keys, head_object.armature_of(head), head):
        channels = actions.assigned(block)
        curves += [(c.data_path, c.array_index, c.mute) for c in actions.curves(channels)] if channels else []
    return {
        "keys": np.array([block.value for block in blocks], dtype=np.float32),
        "jaw": np.array(bone.rotation_quaternion, dtype=np.float32),
        "curves": curves,
        "previewing": head.eifer.previewing,
        "record": head.eifer.preview_record,
    }


def assert_same(before, after):
    for name in before:
        if isinstance(before[name], np.ndarray):
            np.testing.assert_array_equal(before[name], after[name], err_msg=name)
        else:
            assert before[name] == after[name], name


@pytest.fixture
def posed(head):
    """A head with a pose of the animator's own."""
    blocks = head.data.shape_keys.key_blocks
    blocks["exp003"].value = 1.25
    blocks["mouthSmileLeft"].value = 0.6
    head_object.armature_of(head).pose.bones[head_object.JAW_BONE].rotation_quaternion = (
        0.99,
        0.1,
        0.02,
        0.0,
    )
    return head


def test_scrubbing_shows_the_take_and_holds_its_ends(scene, posed, make_take):
    take = make_take()
    preview.start(posed, take, 10)
    for frame, index in ((10, 0), (31, 21), (-5, 0), (500, 59)):
        scene.frame_set(frame)
        np.testing.assert_allclose(head_object.expression_of(posed), take.parameters[index], atol=2e-6)
    assert posed.data.shape_keys.key_blocks["mouthSmileLeft"].value == pytest.approx(0.6)


def test_the_evaluated_mesh_follows_the_preview(scene, posed, make_take):
    def chin():
        evaluated = posed.evaluated_get(bpy.context.evaluated_depsgraph_get())
        points = np.empty(len(evaluated.data.vertices) * 3, dtype=np.float32)
        evaluated.data.vertices.foreach_get("co", points)
        return points

    preview.start(posed, make_take(), 1)
    scene.frame_set(1)
    first = chin().copy()
    scene.frame_set(25)
    assert np.abs(chin() - first).max() > 1e-3


def test_stopping_restores_everything(scene, posed, make_take):
    before = state(posed)
    preview.start(posed, make_take(), 1)
    scene.frame_set(30)
    preview.stop(posed)
    assert_same(before, state(posed))


def test_an_action_is_muted_not_overwritten(scene, head, make_take):
    baked, shown = make_take(seed=1), make_take(seed=2)
    bake.bake_take(head, baked, name="Baked", start_frame=1, stamp={})
    scene.frame_set(20)
    before = state(head)
    preview.start(head, shown, 1)
    scene.frame_set(40)
    np.testing.assert_allclose(head_object.expression_of(head), shown.parameters[39], atol=2e-6)
    preview.stop(head)
    scene.frame_set(20)
    assert_same(before, state(head))


def test_curves_that_the_animator_muted_stay_muted(scene, head, make_take):
    bake.bake_take(head, make_take(), name="Baked", start_frame=1, stamp={})
    curve = actions.curve_map(actions.assigned(head.data.shape_keys))['key_blocks["exp000"].value', 0]
    curve.mute = True
    preview.start(head, make_take(seed=5), 1)
    preview.stop(head)
    assert curve.mute


def test_a_saved_file_does_not_know_of_the_preview(scene, posed, make_take, tmp_path):
    before = state(posed)
    take = make_take()
    preview.start(posed, take, 1)
    scene.frame_set(30)
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    np.testing.assert_allclose(head_object.expression_of(posed), take.parameters[29], atol=2e-6)
    assert preview.is_shown(posed)
    name = posed.name
    bpy.ops.wm.open_mainfile(filepath=path)
    assert_same(before, state(bpy.data.objects[name]))
    assert not preview.previewing_heads()


def test_loading_another_file_ends_the_preview(scene, posed, make_take):
    preview.start(posed, make_take(), 1)
    bpy.ops.wm.read_homefile(app_template="", use_empty=True)
    bpy.context.scene.frame_set(12)
    assert not preview.previewing_heads()


def test_undo_restores(scene, posed, make_take):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="posed")
    name, before = posed.name, state(posed)
    preview.start(posed, make_take(), 1)
    scene.frame_set(30)
    bpy.ops.ed.undo_push(message="something else while previewing")
    bpy.ops.ed.undo_push(message="one more")
    bpy.ops.ed.undo()
    assert_same(before, state(bpy.data.objects[name]))
    assert not preview.previewing_heads()
    bpy.ops.ed.undo()
    assert_same(before, state(bpy.data.objects[name]))


def test_two_heads_preview_different_takes(scene, head, make_take):
    bpy.ops.eifer.add_head()
    other = scene.eifer.head
    first, second = make_take(seed=1), make_take(seed=2)
    preview.start(head, first, 1)
    preview.start(other, second, 11)
    scene.frame_set(21)
    np.testing.assert_allclose(head_object.expression_of(head), first.parameters[20], atol=2e-6)
    np.testing.assert_allclose(head_object.expression_of(other), second.parameters[10], atol=2e-6)
    preview.stop(head)
    assert preview.is_shown(other) and not preview.is_shown(head)


def test_a_changed_setting_changes_the_preview(scene, head, recording):
    bpy.ops.eifer.preview()
    scene.frame_set(100)
    strong = np.abs(head_object.expression_of(head)).max()
    scene.eifer.animation.gain = 0.2
    assert np.abs(head_object.expression_of(head)).max() < 0.6 * strong
    bpy.ops.eifer.preview()
    np.testing.assert_array_equal(head_object.expression_of(head), 0.0)


def test_a_running_preview_can_be_stopped_after_the_recording_was_closed(scene, head, recording):
    bpy.ops.eifer.preview()
    bpy.ops.eifer.close_recording()
    assert bpy.ops.eifer.preview.poll()
    bpy.ops.eifer.preview()
    assert not preview.previewing_heads()


def test_opening_another_recording_changes_the_preview(scene, head, recording):
    bpy.ops.eifer.preview()
    scene.frame_set(20)
    before = head_object.expression_of(head)
    poses = Path(__file__).parents[1] / "data" / "fridlund_emotions.csv"
    bpy.ops.eifer.open_recording(filepath=str(poses))
    assert preview.is_shown(head)
    scene.frame_set(20)
    assert np.abs(head_object.expression_of(head) - before).max() > 0.5


def test_opening_a_recording_that_cannot_be_shown_ends_the_preview(scene, head, recording, tmp_path):
    bpy.ops.eifer.preview()
    scene.frame_set(190)
    slow = tmp_path / "slow.csv"
    rows = "\n".join(f"{i / 100:.2f},{(-1) ** i}" for i in range(1500))
    slow.write_text(f"time,Zyg li\n{rows}\n")
    bpy.ops.eifer.open_recording(filepath=str(slow))
    assert not head.eifer.previewing
    np.testing.assert_array_equal(head_object.expression_of(head), 0.0)
    assert "too low" in scene.eifer.recording.notes
