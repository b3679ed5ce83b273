"""The three clicks, as operators: add a head, open a recording, bake; and what goes wrong on the way."""

import json
import shutil

import bpy
import numpy as np
import pytest

from eifer_blender import muscles
from eifer_blender.assets import model_file
from eifer_blender.blender import actions, head_object, takes
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform


def shown(head, frame):
    bpy.context.scene.frame_set(frame)
    return head_object.expression_of(head)


def smile_height(parameters):
    """Millimetres that the mouth's corners rise."""
    head = load_default_head()
    corners = [head.landmarks[f"mouth_corner_{side}"] for side in "lr"]
    moved = deform(head, np.stack([np.zeros_like(parameters), parameters]))[:, corners]
    return (moved[1] - moved[0])[:, 1].mean() * 1000


def test_three_clicks_make_a_moving_face(scene, sample):
    bpy.ops.eifer.add_head()
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take()
    head = scene.eifer.head
    take = takes.selected(head)
    assert scene.frame_end >= takes.read_stamp(take)["frames"]
    assert takes.is_playing(head, take)
    # the smile of the sample is in its second quarter to middle; rest is at its very start
    heights = [smile_height(shown(head, frame)) for frame in range(1, 385, 12)]
    assert abs(heights[0]) < 0.5 and max(heights) > 3.0


def test_the_panel_knows_what_the_recording_holds(recording):
    assert "22 of 22" in recording.summary
    assert {item.muscle for item in recording.channels} == set(muscles.CHANNELS)
    assert all(item.status in {"GOOD", "CHECK"} for item in recording.channels)


def test_a_muted_channel_is_left_out(scene, head, recording):
    for item in recording.channels:
        item.mute = item.muscle != "zygomaticus_l"
    bpy.ops.eifer.bake_take()
    assert set(actions.curve_map(actions.assigned(head))) == {('["emg_zygomaticus_l"]', 0)}


def test_a_muscle_chosen_by_hand_counts(scene, head, recording):
    left = next(item for item in recording.channels if item.muscle == "zygomaticus_l")
    right = next(item for item in recording.channels if item.muscle == "zygomaticus_r")
    bpy.ops.eifer.bake_take(name="as recorded")
    left.muscle, right.muscle = "zygomaticus_r", "zygomaticus_l"
    bpy.ops.eifer.bake_take(name="swapped")
    recorded, _ = takes.read_activity(head, head.eifer.takes[0])
    swapped, _ = takes.read_activity(head, head.eifer.takes[1])
    index = muscles.channel_index("zygomaticus_l")
    np.testing.assert_allclose(swapped[:, index], recorded[:, index + 1], atol=1e-6)
    bpy.ops.eifer.reset_channels()
    assert left.muscle == "zygomaticus_l"


def test_offset_and_start_frame_place_the_take(scene, head, recording):
    bpy.ops.eifer.bake_take(name="whole")
    scene.eifer.animation.offset = 2.0
    scene.eifer.animation.start_frame = 101
    bpy.ops.eifer.bake_take(name="later")
    whole, later = head.eifer.takes
    bpy.ops.eifer.activate_take(index=1)
    late = shown(head, 101 + 60)
    bpy.ops.eifer.activate_take(index=0)
    np.testing.assert_allclose(shown(head, 1 + 48 + 60), late, atol=1e-4)
    assert takes.read_stamp(later)["frames"] == takes.read_stamp(whole)["frames"] - 48


def test_the_gain_is_not_in_the_measured_activity(scene, head, recording):
    bpy.ops.eifer.bake_take()
    before, _ = takes.read_activity(head, head.eifer.takes[0])
    face = shown(head, 200)
    scene.eifer.animation.gain = 0.5
    bpy.ops.eifer.bake_take(replace=True)
    after, _ = takes.read_activity(head, head.eifer.takes[0])
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert np.abs(shown(head, 200)).max() < np.abs(face).max()


def test_mapping_again_needs_no_file_and_equals_a_bake(scene, head, sample, tmp_path):
    moved = tmp_path / "session.edf"
    shutil.copy(sample, moved)
    bpy.ops.eifer.open_recording(filepath=str(moved))
    scene.eifer.animation.gain = 0.6
    bpy.ops.eifer.bake_take(name="direct")
    scene.eifer.animation.gain = 1.0
    bpy.ops.eifer.bake_take(name="again")
    moved.unlink()
    scene.eifer.animation.gain = 0.6
    bpy.ops.eifer.remap_take()
    again = shown(head, 150)
    bpy.ops.eifer.activate_take(index=0)
    np.testing.assert_allclose(shown(head, 150), again, atol=1e-4)


def test_baking_again_from_the_file_repeats_the_settings(scene, head, recording):
    scene.eifer.animation.gain = 0.7
    recording.chain.window_ms = 250.0
    recording.channels[3].mute = True
    bpy.ops.eifer.bake_take()
    first = shown(head, 180)
    stamp = takes.read_stamp(head.eifer.takes[0])
    scene.eifer.animation.gain = 1.0
    bpy.ops.eifer.reset_chain()
    bpy.ops.eifer.reset_channels()
    bpy.ops.eifer.reload_take()
    np.testing.assert_allclose(shown(head, 180), first, atol=1e-6)
    again = takes.read_stamp(head.eifer.takes[0])
    assert {**again, "id": 0} == {**stamp, "id": 0}


def test_a_lost_file_is_named_and_nothing_changes(scene, head, sample, tmp_path):
    moved = tmp_path / "session.edf"
    shutil.copy(sample, moved)
    bpy.ops.eifer.open_recording(filepath=str(moved))
    bpy.ops.eifer.bake_take()
    before = shown(head, 100)
    moved.unlink()
    for operator in (bpy.ops.eifer.reload_take, bpy.ops.eifer.bake_take):
        with pytest.raises(RuntimeError, match=r"session\.edf"):
            operator()
    np.testing.assert_array_equal(shown(head, 100), before)
    assert len(head.eifer.takes) == 1


def test_a_bad_file_leaves_the_panel_as_it_was(recording, tmp_path):
    summary, names = recording.summary, [item.name for item in recording.channels]
    bad = tmp_path / "noise.csv"
    bad.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(RuntimeError, match=r"noise\.csv"):
        bpy.ops.eifer.open_recording(filepath=str(bad))
    assert recording.summary == summary
    assert [item.name for item in recording.channels] == names


def test_a_table_that_does_not_say_its_rate_asks_and_takes_the_answer(scene, head, tmp_path):
    table = tmp_path / "plain.txt"
    rows = np.abs(np.sin(np.linspace(0, 20, 3000)))[:, None] * [[30.0, 12.0]]
    np.savetxt(table, rows, delimiter="\t", fmt="%.4f")
    with pytest.raises(RuntimeError, match="rate"):
        bpy.ops.eifer.open_recording(filepath=str(table))
    bpy.ops.eifer.open_recording(filepath=str(table), rate=100.0, names="Zyg li, Corr li")
    assert "30.0 s" in scene.eifer.recording.summary
    bpy.ops.eifer.bake_take()
    assert takes.read_stamp(takes.selected(head))["options"]["rate"] == 100.0


def test_disabled_buttons_say_why(scene, sample):
    with pytest.raises(RuntimeError, match="Add a head"):
        bpy.ops.eifer.bake_take()
    bpy.ops.eifer.add_head()
    with pytest.raises(RuntimeError, match="Open a recording"):
        bpy.ops.eifer.bake_take()
    with pytest.raises(RuntimeError, match="bake one first"):
        bpy.ops.eifer.remap_take()
    bpy.ops.eifer.open_recording(filepath=str(sample))
    for item in scene.eifer.recording.channels:
        item.muscle = "NONE"
    with pytest.raises(RuntimeError, match="No channel has a muscle"):
        bpy.ops.eifer.bake_take()


def test_the_saved_file_names_the_recording_relative_to_itself(scene, head, sample, tmp_path):
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    shutil.copy(sample, folder / "data" / "session.edf")
    bpy.ops.eifer.open_recording(filepath=str(folder / "data" / "session.edf"))
    bpy.ops.eifer.bake_take()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"), compress=False)
    assert scene.eifer.recording.filepath == "//data/session.edf"
    stamp = takes.read_stamp(takes.selected(head))
    assert stamp["path"] == "//data/session.edf" and len(stamp["sha256"]) == 64
    assert str(folder).encode() not in (folder / "shot.blend").read_bytes()
    # the project moves as a whole and still bakes
    shutil.move(folder, tmp_path / "elsewhere")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "elsewhere" / "shot.blend"))
    bpy.ops.eifer.reload_take()
    bpy.ops.eifer.bake_take()


def test_the_absolute_path_stays_if_the_user_wants_it(scene, head, recording, sample, tmp_path):
    recording.absolute = True
    bpy.ops.eifer.bake_take()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert takes.read_stamp(takes.selected(head))["path"] == str(sample)


def test_a_patient_name_never_reaches_the_blend_file(scene, head, sample, tmp_path):
    data = bytearray(sample.read_bytes())
    data[8:88] = b"X F 01-JAN-1980 Muster_Patientin".ljust(80)
    named = tmp_path / "named.edf"
    named.write_bytes(bytes(data))
    bpy.ops.eifer.open_recording(filepath=str(named))
    bpy.ops.eifer.bake_take()
    path = tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=False)
    assert b"Muster" not in path.read_bytes()


def test_a_bake_is_one_undo_step(scene, head, recording):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    name = head.name
    bpy.ops.eifer.bake_take("EXEC_DEFAULT", True)
    assert len(bpy.data.actions) > 0
    bpy.ops.ed.undo()
    assert len(bpy.data.actions) == 0
    assert len(bpy.data.objects[name].eifer.takes) == 0
    bpy.ops.ed.redo()
    assert len(bpy.data.objects[name].eifer.takes) == 1


def test_every_take_carries_its_provenance(scene, head, recording, sample):
    import hashlib

    bpy.ops.eifer.bake_take(name="Named")
    stamp = takes.read_stamp(takes.selected(head))
    assert stamp["source"] == sample.name
    assert stamp["sha256"] == hashlib.sha256(sample.read_bytes()).hexdigest()
    assert stamp["head_hash"] == load_default_head().hash
    assert stamp["model"]["id"]
    for action in {one.action for one in takes.channels_of(head, takes.selected(head)).values()}:
        assert json.loads(action[takes.STAMP])["name"] == "Named"


def test_poses_of_a_table_become_held_faces(scene, head):
    from pathlib import Path

    table = Path(__file__).parents[1] / "data" / "fridlund_emotions.csv"
    bpy.ops.eifer.open_recording(filepath=str(table))
    assert scene.eifer.recording.is_poses
    scene.eifer.recording.chain.hold_s = 2.0
    bpy.ops.eifer.bake_take()
    values, present = takes.read_activity(head, takes.selected(head))
    assert len(values) > 6 * 2 * 24
    assert not present.all() and present.any(0).all()


def test_a_chosen_model_sets_the_chain_it_was_made_with_and_a_departure_is_noted(
    scene, head, recording, tmp_path
):
    recording.chain.preset = "MMM"
    copy = tmp_path / "own.onnx"
    shutil.copy(model_file("emg2exp.onnx"), copy)
    scene.eifer.animation.model = str(copy)
    assert recording.chain.preset == "Animation"
    assert recording.chain.window_ms == pytest.approx(100.0)
    bpy.ops.eifer.bake_take()
    assert takes.read_stamp(takes.selected(head))["model"]["path"]


def test_a_file_that_is_no_model_is_refused(scene, head, recording, tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a model")
    scene.eifer.animation.model = str(bad)
    assert "model file is damaged" in recording.notes
    with pytest.raises(RuntimeError, match="model file is damaged"):
        bpy.ops.eifer.bake_take()
    assert not bpy.data.actions
