"""Calibration in Blender: from poses on the head to faces that come closer, and back."""

import bpy
import numpy as np
import pytest

from eifer_blender import spaces
from eifer_blender.assets import model_file
from eifer_blender.blender import calibrations, head_object, takes
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform

SMILE, FOREHEAD, REST, PUCKER = 156, 38, 1, 242  # frames of the sample recording at 24 frames per second
CHANGED = ("exp000", "exp001", "exp002")


def face_at(frame):
    bpy.context.scene.frame_set(frame)
    return head_object.expression_of(bpy.context.scene.eifer.head)


def change_face(amount=0.8, names=CHANGED):
    """What an animator does: move sliders, without keyframes. Returns the face that is then shown."""
    head = bpy.context.scene.eifer.head
    for name in names:
        head.data.shape_keys.key_blocks[name].value += amount
    bpy.context.view_layer.update()
    return head_object.expression_of(head)


def mm(step):
    return float(np.linalg.norm(step @ calibrations.metric()))


def stored():
    return bpy.context.scene.eifer.head.eifer.calibration


@pytest.fixture
def baked(head, recording):
    """The sample recording, baked; gives the faces at the frames that the tests look at."""
    bpy.ops.eifer.bake_take()
    return {frame: face_at(frame) for frame in (SMILE, FOREHEAD, REST, PUCKER)}


@pytest.fixture
def wanted(baked):
    """One pose, different from the take; gives the face."""
    face_at(SMILE)
    face = change_face()
    assert bpy.ops.eifer.use_pose() == {"FINISHED"}
    return face


@pytest.fixture
def other_model(tmp_path):
    """A model with the same network that is another file."""
    path = tmp_path / "other.onnx"
    path.write_bytes(model_file("emg2exp.onnx").read_bytes().replace(b"emg2exp-default", b"emg2exp-another"))
    return path


def refused(operator, **options):
    """The sentence with which an operator refuses."""
    with pytest.raises(RuntimeError) as error:
        operator(**options)
    return str(error.value)


# --- the whole way --------------------------------------------------------------------------------


def test_a_pose_changes_the_take_there_and_hardly_elsewhere(baked, wanted):
    assert bpy.ops.eifer.calibrate() == {"FINISHED"}
    assert bpy.ops.eifer.remap_take() == {"FINISHED"}
    asked = mm(wanted - baked[SMILE])
    assert mm(face_at(SMILE) - wanted) < 0.25 * asked
    assert mm(face_at(FOREHEAD) - baked[FOREHEAD]) < 0.15 * asked
    np.testing.assert_array_equal(face_at(REST), baked[REST])
    item = stored().poses[0]
    assert item.name == f"frame {SMILE}" and item.label == "Smile-Closed"
    assert item.before == pytest.approx(asked, rel=0.02) and item.after < 0.25 * item.before
    assert "error" in stored().result


def test_the_preview_and_a_new_bake_use_it_as_map_again_does(scene, head, wanted):
    bpy.ops.eifer.calibrate()
    bpy.ops.eifer.remap_take()
    mapped = face_at(SMILE)
    bpy.ops.eifer.bake_take(name="New")
    np.testing.assert_allclose(face_at(SMILE), mapped, atol=1e-5)
    bpy.ops.eifer.preview()
    np.testing.assert_allclose(face_at(SMILE), mapped, atol=1e-5)
    bpy.ops.eifer.preview()


def test_switch_and_strength_decide_how_much_of_it_counts(head, baked, wanted):
    bpy.ops.eifer.calibrate()
    bpy.ops.eifer.remap_take()
    whole = face_at(SMILE) - baked[SMILE]
    stored().strength = 0.5
    bpy.ops.eifer.remap_take()
    np.testing.assert_allclose(face_at(SMILE) - baked[SMILE], whole / 2, atol=1e-4)
    stored().use = False
    bpy.ops.eifer.remap_take()
    np.testing.assert_allclose(face_at(SMILE), baked[SMILE], atol=1e-5)


def test_a_running_preview_shows_the_strength_at_once(scene, head, baked, wanted):
    bpy.ops.eifer.calibrate()
    bpy.ops.eifer.preview()
    shown = face_at(SMILE)
    stored().strength = 0.0
    np.testing.assert_allclose(head_object.expression_of(head), baked[SMILE], atol=1e-5)
    stored().strength = 1.0
    np.testing.assert_allclose(head_object.expression_of(head), shown, atol=1e-5)
    bpy.ops.eifer.clear_calibration()
    np.testing.assert_allclose(head_object.expression_of(head), baked[SMILE], atol=1e-5)


def test_a_take_repeats_its_calibration_from_the_file(head, wanted):
    bpy.ops.eifer.calibrate()
    stored().strength = 0.7
    bpy.ops.eifer.remap_take()
    mapped = face_at(SMILE)
    bpy.ops.eifer.clear_calibration()
    bpy.ops.eifer.reload_take()
    np.testing.assert_allclose(face_at(SMILE), mapped, atol=1e-5)
    assert takes.read_stamp(takes.selected(head))["calibration"]
    bpy.ops.eifer.remap_take()  # as the panel says now
    assert mm(face_at(SMILE) - mapped) > 0.1
    assert not takes.read_calibration(takes.selected(head))


def test_undo_and_redo(scene, wanted):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="pose")
    bpy.ops.eifer.calibrate()
    bpy.ops.ed.undo_push(message="calibrated")
    data = stored().data
    bpy.ops.ed.undo()
    assert not stored().data and len(stored().poses) == 1 and stored().poses[0].before < 0
    bpy.ops.ed.redo()
    assert stored().data == data and stored().poses[0].before > 0


def test_it_is_saved_with_the_file_and_copied_with_the_head(scene, head, wanted, tmp_path):
    bpy.ops.eifer.calibrate()
    data = stored().data
    copy = head.copy()
    scene.collection.objects.link(copy)
    assert copy.eifer.calibration.data == data and len(copy.eifer.calibration.poses) == 1
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert stored().data == data
    bpy.ops.eifer.remap_take()
    assert mm(face_at(SMILE) - wanted) < 1.0
    bpy.ops.eifer.calibrate()  # the pose kept all that it needs
    assert stored().data == data


# --- poses ----------------------------------------------------------------------------------------


def test_values_on_the_screen_count_whether_they_are_keyed_or_not(head, baked):
    face_at(SMILE)
    face = change_face()
    head.data.shape_keys.key_blocks["exp000"].keyframe_insert("value", frame=SMILE)
    turn = head_object.armature_of(head).pose.bones["jaw"]
    turn.rotation_quaternion = head_object.jaw_quaternions(np.array([[0.2, 0.0, 0.0]]))[0]
    bpy.ops.eifer.use_pose()
    pose = calibrations.poses_of(head)[0]
    np.testing.assert_allclose(pose.wanted[:50], face[:50], atol=1e-5)
    assert pose.wanted[spaces.JAW] == pytest.approx([0.2, 0.0, 0.0], abs=1e-4)


def test_arkit_keys_on_top_count_too(head, baked):
    face_at(SMILE)
    blocks = head.data.shape_keys.key_blocks
    blocks["jawOpen"].value, blocks["browInnerUp"].value, blocks["cheekPuff"].value = 0.5, 0.6, 1.0
    blocks["cheekPuff"].mute = True
    bpy.ops.eifer.use_pose()
    face = calibrations.poses_of(head)[0].wanted
    geometry = load_default_head()
    skin = geometry.regions["skin"]
    weights = np.zeros((1, len(spaces.ARKIT_NAMES)), np.float32)
    weights[0, [spaces.ARKIT_NAMES.index(n) for n in ("jawOpen", "browInnerUp")]] = 0.5, 0.6
    shown = deform(geometry, baked[SMILE][None], arkit=weights)[0, skin]
    apart = np.linalg.norm(deform(geometry, face[None])[0, skin] - shown, axis=1) * 1000
    before = np.linalg.norm(deform(geometry, baked[SMILE][None])[0, skin] - shown, axis=1) * 1000
    assert apart.mean() < 0.2 * before.mean()


def test_a_pose_may_be_given_in_the_preview(scene, head, recording):
    bpy.ops.eifer.preview()
    plain = face_at(SMILE)
    face = change_face()
    bpy.ops.eifer.use_pose()
    bpy.ops.eifer.calibrate()
    assert mm(head_object.expression_of(head) - face) < 0.25 * mm(plain - face)
    bpy.ops.eifer.preview()
    assert not head_object.expression_of(head).any()


def test_a_pose_given_again_takes_the_place_of_the_first(baked, wanted):
    face_at(SMILE)
    change_face(-0.5)
    bpy.ops.eifer.use_pose()
    assert len(stored().poses) == 1
    face_at(PUCKER)
    change_face(0.5)
    bpy.ops.eifer.use_pose()
    assert [item.name for item in stored().poses] == [f"frame {SMILE}", f"frame {PUCKER}"]
    stored().active_pose = 0
    bpy.ops.eifer.remove_pose()
    assert [item.name for item in stored().poses] == [f"frame {PUCKER}"]
    bpy.ops.eifer.calibrate()
    assert stored().poses[0].after < 0.5 * stored().poses[0].before


def test_poses_that_cannot_be_are_one_sentence(scene, head, recording):
    assert "belongs to a moment of a recording" in refused(bpy.ops.eifer.use_pose)
    bpy.ops.eifer.bake_take()
    scene.frame_set(REST)
    assert f"At frame {REST} the muscles are at rest" in refused(bpy.ops.eifer.use_pose)
    scene.frame_set(5000)
    assert "Frame 5000 lies outside of the take" in refused(bpy.ops.eifer.use_pose)
    assert "Use Current Pose" in refused(bpy.ops.eifer.calibrate)
    assert not stored().poses and not stored().data


def test_contradicting_poses_leave_everything_as_it_was(baked, wanted):
    bpy.ops.eifer.calibrate()
    data = stored().data
    face_at(SMILE + 1)
    change_face(-1.0)
    bpy.ops.eifer.use_pose()
    text = refused(bpy.ops.eifer.calibrate)
    assert f"At frame {SMILE} and frame {SMILE + 1} the muscles look alike but the poses differ by" in text
    assert stored().data == data


def test_a_damaged_pose_or_calibration_is_one_sentence(head, baked, wanted):
    bpy.ops.eifer.calibrate()
    stored().poses[0].data = "{"
    assert "damaged; remove it" in refused(bpy.ops.eifer.calibrate)
    stored().data = '{"eifer_calibration": 1, "update": [[1e99]]}'
    assert "calibrate again" in refused(bpy.ops.eifer.remap_take)
    stored().use = False
    assert bpy.ops.eifer.remap_take() == {"FINISHED"}


# --- labelled movements ---------------------------------------------------------------------------


def test_labelled_movements_of_the_recording_or_the_take(head, baked):
    stored().use_labels = True
    bpy.ops.eifer.calibrate()
    from_recording = stored().result
    bpy.ops.eifer.close_recording()
    bpy.ops.eifer.calibrate()
    assert "examples" in from_recording and "examples" in stored().result
    bpy.ops.eifer.clear_calibration()
    assert not stored().data and not stored().result


# --- files and models -----------------------------------------------------------------------------


def test_a_file_carries_it_to_another_head(scene, head, wanted, tmp_path):
    bpy.ops.eifer.calibrate()
    bpy.ops.eifer.remap_take()
    mapped = face_at(SMILE)
    path = tmp_path / "mine.json"
    bpy.ops.eifer.save_calibration(filepath=str(path))
    text = path.read_text()
    assert "exists already" in refused(bpy.ops.eifer.save_calibration, filepath=str(path))
    bpy.ops.eifer.save_calibration(filepath=str(path), replace=True)
    assert path.read_text() == text
    bpy.ops.eifer.add_head()
    assert scene.eifer.head != head
    bpy.ops.eifer.load_calibration(filepath=str(path))
    bpy.ops.eifer.bake_take()
    np.testing.assert_allclose(face_at(SMILE), mapped, atol=1e-3)


def test_another_model_is_refused_with_a_sentence(scene, head, wanted, other_model, tmp_path):
    bpy.ops.eifer.calibrate()
    bpy.ops.eifer.save_calibration(filepath=str(tmp_path / "mine.json"))
    scene.eifer.animation.model = str(other_model)
    text = refused(bpy.ops.eifer.remap_take)
    assert "made with the model 'emg2exp-default', not with this 'emg2exp-another'" in text
    assert "not with this" in refused(bpy.ops.eifer.load_calibration, filepath=str(tmp_path / "mine.json"))
    bpy.ops.eifer.calibrate()  # the poses serve any model
    assert bpy.ops.eifer.remap_take() == {"FINISHED"}
    assert mm(face_at(SMILE) - wanted) < 1.0


@pytest.mark.parametrize("text", ["", "{}", "[[[", '{"eifer_calibration": 1}'])
def test_a_file_that_is_no_calibration_changes_nothing(head, wanted, tmp_path, text):
    bpy.ops.eifer.calibrate()
    data = stored().data
    path = tmp_path / "foreign.json"
    path.write_text(text)
    assert "'foreign.json' cannot be used" in refused(bpy.ops.eifer.load_calibration, filepath=str(path))
    assert stored().data == data
