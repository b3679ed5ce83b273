"""What users do to heads, takes and files between two clicks: nothing of theirs is lost, nothing crashes."""

import shutil

import bpy
import numpy as np
import pytest

import eifer_blender
from eifer_blender.blender import actions, bake, head_object, preview, takes
from eifer_blender.errors import EiferError


def bake_take(head, take, **options):
    return bake.bake_take(head, take, **({"name": "Take", "start_frame": 1, "stamp": {}} | options))


def assert_plays(head, take):
    bpy.context.scene.frame_set(30)
    np.testing.assert_allclose(head_object.expression_of(head), take.parameters[29], atol=2e-6)


@pytest.fixture
def twin(scene, head, make_take):
    """A second object with the mesh, the armature and the take of the baked head, as after Alt-D."""
    bake_take(head, make_take())
    other = head.copy()
    scene.collection.objects.link(other)
    scene.eifer.head = other
    return other


def test_removing_a_take_of_a_duplicate_leaves_the_first_head_animated(head, twin, make_take):
    bpy.ops.eifer.remove_take()
    assert len(twin.eifer.takes) == 0 and takes.is_playing(head, head.eifer.takes[0])
    assert_plays(head, make_take())


def test_replacing_a_take_of_a_duplicate_leaves_the_take_of_the_first_head(head, twin, make_take):
    bake_take(twin, make_take(seed=2), replace=0)
    assert_plays(twin, make_take(seed=2))
    takes.activate(head, head.eifer.takes[0])
    assert_plays(head, make_take())


@pytest.mark.skipif(not actions.SLOTTED, reason="before Blender 4.4 an action animates one data-block")
def test_replacing_a_take_keeps_what_else_its_action_animates(scene, head, make_take):
    bake_take(head, make_take())
    lamp = bpy.data.objects.new("Lamp", None)
    scene.collection.objects.link(lamp)
    action = actions.assigned(head).action
    actions.assign(lamp, actions.Channels(action, action.slots.new("OBJECT", "Lamp")))
    lamp.location.x = 3.0
    lamp.keyframe_insert("location", frame=1)
    bake_take(head, make_take(seed=2), replace=0)
    lamp.location.x = 0.0
    assert_plays(head, make_take(seed=2))
    assert lamp.location.x == pytest.approx(3.0)


def test_a_missing_shape_key_is_named_before_anything_is_written(head, recording):
    head.data.shape_keys.key_blocks["exp010"].name = "smile"
    for operator in (bpy.ops.eifer.bake_take, bpy.ops.eifer.preview):
        with pytest.raises(RuntimeError, match="lost the shape key 'exp010'"):
            operator()
    assert not bpy.data.actions and not head.eifer.takes and not head.eifer.preview_record


def test_a_preview_ends_by_itself_when_shape_keys_are_added(scene, head, recording):
    bpy.ops.eifer.preview()
    scene.frame_set(100)
    assert np.abs(head_object.expression_of(head)).max() > 0.1
    head.shape_key_add(name="mine")
    scene.frame_set(101)
    assert not head.eifer.previewing
    np.testing.assert_array_equal(head_object.expression_of(head), 0.0)


def test_a_preview_ends_cleanly_without_its_armature(scene, head, recording):
    bpy.ops.eifer.preview()
    scene.frame_set(100)
    bpy.data.objects.remove(head_object.armature_of(head))
    preview.stop(head)
    assert max(abs(block.value) for block in head.data.shape_keys.key_blocks[1:53]) == 0.0


def test_the_extension_can_be_disabled_while_a_broken_head_previews(scene, head, recording):
    bpy.ops.eifer.preview()
    bpy.data.objects.remove(head_object.armature_of(head))
    eifer_blender.unregister()
    eifer_blender.register()


def test_a_script_can_set_up_another_scene(scene):
    other = bpy.data.scenes.new("Other")
    before = scene.eifer.recording.chain.window_ms
    other.eifer.recording.chain.preset = "MMM"
    assert other.eifer.recording.chain.window_ms == 500.0
    assert scene.eifer.recording.chain.window_ms == before


def test_a_recording_opens_although_the_chosen_model_is_gone(scene, head, sample):
    scene.eifer.animation.model = "//gone.onnx"
    assert bpy.ops.eifer.open_recording(filepath=str(sample)) == {"FINISHED"}
    assert "does not exist" in scene.eifer.recording.notes


@pytest.mark.parametrize("text", ["{", "[]", 7, '{"frames": 100000000000}', '{"version": 1}'])
def test_a_damaged_stamp_is_one_sentence(head, make_take, tmp_path, text):
    bake_take(head, make_take())
    for action in bpy.data.actions:
        action[takes.STAMP] = text
    for operator in (bpy.ops.eifer.remap_take, bpy.ops.eifer.reload_take):
        with pytest.raises(RuntimeError) as error:
            operator()
        assert "bake the recording again" in str(error.value) and "Traceback" not in str(error.value)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert takes.read_stamp(head.eifer.takes[0]) == {}


def test_baking_again_from_a_changed_file_says_so(scene, head, sample, tmp_path, capfd):
    path = tmp_path / "recording.edf"
    shutil.copy(sample, path)
    bpy.ops.eifer.open_recording(filepath=str(path))
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.reload_take()
    assert "has changed since" not in "".join(capfd.readouterr())
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    bpy.ops.eifer.reload_take()
    assert "has changed since" in "".join(capfd.readouterr())


def test_a_jaw_that_would_not_play_is_said_before_baking(head, recording):
    head_object.armature_of(head).pose.bones[head_object.JAW_BONE].rotation_mode = "XYZ"
    with pytest.raises(RuntimeError, match="set its rotation mode to Quaternion"):
        bpy.ops.eifer.bake_take()


@pytest.fixture
def duplicate(scene, head, recording):
    """A head with a take and its Shift-D duplicate, whose actions Blender duplicates too."""
    bpy.ops.eifer.bake_take(name="Take")
    rig = head_object.armature_of(head)
    for obj in (head, rig):
        obj.select_set(True)
    bpy.context.view_layer.objects.active = head
    bpy.context.preferences.edit.use_duplicate_action = True
    bpy.ops.object.duplicate()
    return next(obj for obj in scene.objects if head_object.is_head(obj) and obj != head)


def test_the_take_of_a_duplicated_head_is_its_own(scene, head, duplicate):
    assert takes.is_playing(duplicate, duplicate.eifer.takes[0])
    assert takes.is_playing(head, head.eifer.takes[0])
    scene.eifer.head = duplicate
    bpy.ops.eifer.remove_take()
    scene.frame_set(200)
    np.testing.assert_allclose(head_object.expression_of(duplicate), 0.0, atol=1e-6)
    assert np.abs(head_object.expression_of(head)).max() > 0.5


def test_hand_made_keys_on_a_duplicate_survive_a_new_take_and_saving(scene, head, duplicate, tmp_path):
    smile = duplicate.data.shape_keys.key_blocks["mouthSmileLeft"]
    smile.value = 0.3
    smile.keyframe_insert("value", frame=5)
    scene.eifer.head = duplicate
    bpy.ops.eifer.bake_take(name="Second")
    first = takes.channels_of(duplicate, duplicate.eifer.takes[0])[takes.EXPRESSION].action
    name = first.name
    path = str(tmp_path / "kept.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert name in bpy.data.actions


def test_another_chosen_head_ends_the_preview_of_the_first(scene, head, recording):
    bpy.ops.eifer.preview()
    assert head.eifer.previewing
    bpy.ops.eifer.add_head()
    assert not head.eifer.previewing


def test_a_damaged_record_of_a_preview_ends_it(scene, head, recording, tmp_path):
    bpy.ops.eifer.preview()
    head.eifer.preview_record = "{damaged"
    bpy.ops.eifer.preview()
    assert not head.eifer.previewing and not head.eifer.preview_record


def test_a_take_beyond_the_last_frame_is_refused(head, make_take):
    with pytest.raises(EiferError, match="start it earlier"):
        bake.bake_take(head, make_take(), name="Late", start_frame=1_048_560, stamp={})
    assert not bpy.data.actions


def test_a_take_says_that_the_scene_runs_at_another_rate(scene, head, recording):
    bpy.ops.eifer.bake_take()
    stamp = takes.read_stamp(takes.selected(head))
    assert takes.out_of_step(scene, stamp) == ""
    scene.render.fps = 30
    assert "24" in takes.out_of_step(scene, stamp) and "30" in takes.out_of_step(scene, stamp)


def test_a_take_is_found_again_after_its_slot_was_renamed(scene, head, make_take):
    if not actions.SLOTTED:
        pytest.skip("before Blender 4.4 there are no slots")
    bake.bake_take(head, make_take(), name="Take", start_frame=1, stamp={})
    actions.assigned(head.data.shape_keys).slot.name_display = "Mine"
    assert takes.is_playing(head, head.eifer.takes[0])
    bake.bake_take(head, make_take(seed=3), name="Take", start_frame=1, stamp={}, replace=0)
    scene.frame_set(20)
    np.testing.assert_allclose(head_object.expression_of(head), make_take(seed=3).parameters[19], atol=2e-6)
