"""Baking, and what must survive it."""

import json

import bpy
import numpy as np
import pytest

from eifer_blender import muscles, spaces
from eifer_blender.blender import actions, bake, head_object, takes
from eifer_blender.heads.default import load_default_head


def bake_take(head, take, **options):
    return bake.bake_take(head, take, **({"name": "Take", "start_frame": 1, "stamp": {}} | options))


def shown(head, frame):
    bpy.context.scene.frame_set(frame)
    return head_object.expression_of(head)


def evaluated_vertices(head):
    evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    evaluated.to_mesh_clear()
    return points.reshape(-1, 3)


def test_dense_bake_plays_every_frame_of_the_take(head, make_take):
    take = make_take()
    bake_take(head, take, start_frame=10)
    for index in (0, 17, 59):
        np.testing.assert_allclose(shown(head, 10 + index), take.parameters[index], atol=2e-6)
        for name in ("zygomaticus_l", "masseter_r"):
            value = take.activation.values[index, muscles.channel_index(name)]
            assert head[f"emg_{name}"] == pytest.approx(value, abs=1e-6)


def test_reduced_bake_stays_within_its_tolerance_on_the_evaluated_mesh(head, make_take):
    take = make_take(frames=120)
    sparse, error = bake.reduce(load_default_head(), take, 0.1)
    baked = bake_take(head, take, keys=sparse, error_mm=error)
    assert baked.keys < 0.5 * 120 * baked.curves
    for index in range(0, 120, 7):
        bpy.context.scene.frame_set(1 + index)
        reduced = evaluated_vertices(head)
        takes_off = actions.assigned(head.data.shape_keys), actions.assigned(head_object.armature_of(head))
        actions.assign(head.data.shape_keys, None)
        actions.assign(head_object.armature_of(head), None)
        head_object.set_expression(head, take.parameters[index])
        bpy.context.view_layer.update()
        exact = evaluated_vertices(head)
        assert np.linalg.norm(reduced - exact, axis=1).max() * 1000 <= 0.1
        actions.assign(head.data.shape_keys, takes_off[0])
        actions.assign(head_object.armature_of(head), takes_off[1])


def test_one_action_with_a_slot_for_each_data_block_or_one_action_each(head, make_take):
    bake_take(head, make_take())
    blocks = takes.targets(head).values()
    used = {actions.assigned(block).action for block in blocks}
    if actions.SLOTTED:
        assert len(used) == 1 and len(next(iter(used)).slots) == 3
    else:
        assert len(used) == 3
        stamps = {json.loads(action[takes.STAMP])["id"] for action in used}
        assert len(stamps) == 1


def test_only_recorded_muscles_get_curves(head, make_take):
    bake_take(head, make_take(present=("zygomaticus_l", "mentalis_r")))
    curves = actions.curve_map(actions.assigned(head))
    assert set(curves) == {('["emg_zygomaticus_l"]', 0), ('["emg_mentalis_r"]', 0)}
    values, present = takes.read_activity(head, takes.selected(head))
    assert present.any(0).sum() == 2 and not values[:, ~present.any(0)].any()


def test_hand_made_keys_and_head_pose_keep_playing_through_every_bake(head, make_take):
    rig = head_object.armature_of(head)
    neck = rig.pose.bones["neck"]
    smile = head.data.shape_keys.key_blocks["mouthSmileLeft"]
    for frame, turn in ((1, 1.0), (40, 0.8)):
        neck.rotation_quaternion = (turn, 0.0, 0.2, 0.0)
        neck.keyframe_insert("rotation_quaternion", frame=frame)
    smile.value = 0.7
    smile.keyframe_insert("value", frame=1)
    head.location.x = 0.25
    head.keyframe_insert("location", frame=1)
    mine = actions.assigned(rig).action
    for replace in (None, None, 1):
        bake_take(head, make_take(), replace=replace)
        bpy.context.scene.frame_set(40)
        assert neck.rotation_quaternion[0] == pytest.approx(0.8)
        assert smile.value == pytest.approx(0.7)
        assert head.location.x == pytest.approx(0.25)
    assert mine.use_fake_user and actions.curve_map(
        actions.Channels(mine, mine.slots[0] if actions.SLOTTED else None)
    )
    assert len(head.eifer.takes) == 2


def test_a_copied_curve_is_the_same_curve(head):
    source = actions.new_channels("source", {"head": head})["head"]
    keys = actions.Keys(np.array([1.0, 5.0, 9.0]), np.array([0.0, 1.0, 0.5]), np.array([0.0, 0.3, -0.2]))
    curve = actions.write_curve(source, ("location", 1), keys, "Mine")
    curve.keyframe_points[1].interpolation = "ELASTIC"
    curve.extrapolation = "LINEAR"
    modifier = curve.modifiers.new("CYCLES")
    modifier.mode_after = "REPEAT_OFFSET"
    target = actions.new_channels("target", {"head": head})["head"]
    copy = actions.copy_curve(curve, target)
    frames = np.linspace(-5.0, 30.0, 141)
    np.testing.assert_allclose(
        [copy.evaluate(f) for f in frames], [curve.evaluate(f) for f in frames], atol=1e-6
    )
    assert copy.group.name == "Mine"


def test_replacing_changes_only_the_chosen_take(head, make_take):
    first, second, third = (make_take(seed=seed) for seed in (1, 2, 3))
    bake_take(head, first, name="First")
    bake_take(head, second, name="Second")
    bake_take(head, third, replace=0)
    assert [take.name for take in head.eifer.takes] == ["First", "Second"]
    np.testing.assert_allclose(shown(head, 20), third.parameters[19], atol=2e-6)
    bpy.ops.eifer.activate_take(index=1)
    np.testing.assert_allclose(shown(head, 20), second.parameters[19], atol=2e-6)


def test_replacing_reaches_the_nla_strips_of_the_take(head, make_take):
    bake_take(head, make_take(seed=1))
    keys = head.data.shape_keys
    before = actions.assigned(keys)
    strip = keys.animation_data.nla_tracks.new().strips.new("strip", 1, before.action)
    if actions.SLOTTED:
        strip.action_slot = before.slot
    bake_take(head, make_take(seed=2), replace=0)
    assert strip.action == actions.assigned(keys).action
    if actions.SLOTTED:
        assert strip.action_slot == actions.assigned(keys).slot


def test_an_unfinished_bake_leaves_nothing(head, make_take):
    bake_take(head, make_take(seed=1), name="Kept")
    names = sorted(action.name for action in bpy.data.actions)
    for replace in (None, 0):
        options = {"name": "New", "start_frame": 1, "stamp": {}, "replace": replace}
        steps = bake.bake_steps(head, make_take(seed=2), **options)
        for _ in range(30):
            next(steps)
        steps.close()
        assert sorted(action.name for action in bpy.data.actions) == names
        assert [take.name for take in head.eifer.takes] == ["Kept"]
        np.testing.assert_allclose(shown(head, 9), make_take(seed=1).parameters[8], atol=2e-6)


def test_removing_a_take_rests_the_face_and_keeps_hand_made_keys(head, make_take):
    bake_take(head, make_take())
    bpy.context.scene.frame_set(20)
    smile = head.data.shape_keys.key_blocks["mouthSmileLeft"]
    smile.value = 0.4
    smile.keyframe_insert("value", frame=20)
    bpy.ops.eifer.remove_take()
    bpy.context.scene.frame_set(21)
    assert len(head.eifer.takes) == 0
    np.testing.assert_allclose(head_object.expression_of(head), 0.0, atol=1e-6)
    assert smile.value == pytest.approx(0.4)
    assert actions.assigned(head.data.shape_keys) is not None


def test_a_take_copies_to_another_head_which_then_is_independent(scene, head, make_take):
    take = make_take(seed=4)
    bake_take(head, take)
    bpy.ops.eifer.add_head(identity_seed=3, identity_strength=0.8)
    other = scene.eifer.head
    assert other != head
    scene.eifer.head = head
    bpy.ops.eifer.copy_take(target=other.name)
    np.testing.assert_allclose(shown(other, 30), take.parameters[29], atol=2e-6)
    scene.eifer.head = head
    bpy.ops.eifer.remove_take()
    np.testing.assert_allclose(shown(other, 31), take.parameters[30], atol=2e-6)


def test_a_file_plays_without_the_extension(head, make_take, tmp_path):
    """Vertices are equal when the extension is absent and scripts may not run."""
    import subprocess
    import sys

    bake_take(head, make_take())
    bpy.context.scene.frame_set(33)
    expected = evaluated_vertices(head)
    path, points = tmp_path / "take.blend", tmp_path / "points.npy"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    code = f"""
import bpy, numpy as np
bpy.context.preferences.filepaths.use_scripts_auto_execute = False
bpy.ops.wm.open_mainfile(filepath={str(path)!r}, use_scripts=False)
bpy.context.scene.frame_set(1)
bpy.context.scene.frame_set(33)
head = bpy.data.objects[{head.name!r}]
mesh = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
points = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
mesh.vertices.foreach_get('co', points)
np.save({str(points)!r}, points.reshape(-1, 3))
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(points), expected, atol=1e-6)


def test_values_beyond_what_a_slider_holds_are_not_written_wrong(head, make_take):
    take = make_take()
    take.parameters[:, 0] = 4.5
    bake_take(head, take)
    assert shown(head, 5)[0] == pytest.approx(4.5)


def test_missing_frames_of_a_channel_are_remembered(head, make_take):
    take = make_take()
    present = take.activation.present.copy()
    column = muscles.channel_index("zygomaticus_l")
    present[5:9, column] = False
    present[50:, column] = False
    from dataclasses import replace

    bake_take(head, replace(take, activation=replace(take.activation, present=present)))
    _, read = takes.read_activity(head, takes.selected(head))
    np.testing.assert_array_equal(read, present)


def test_parameters_are_named_in_one_place(head):
    assert takes.KEY_CURVES[0][0] == f'key_blocks["{spaces.DEFAULT_SPACE.names[0]}"].value'
    assert len(takes.KEY_CURVES) + 3 == spaces.DEFAULT_SPACE.size
