"""Muscle activity of animated faces: as properties to scrub and drive with, with the take, against it."""

import csv
import json
from dataclasses import replace

import bpy
import numpy as np
import pytest

from eifer_blender import agreement, muscles
from eifer_blender.blender import actions, bake, estimates, head_object, takes

VISIBLE = [name for name in muscles.CHANNELS if not name.startswith("masseter")]


def column(name):
    return muscles.channel_index(name)


def keys_of(head):
    return head.data.shape_keys


def key(head, name, *points):
    block = keys_of(head).key_blocks[name]
    for frame, value in points:
        block.value = value
        block.keyframe_insert("value", frame=frame)


def own_names(head):
    return {name for name in dict(head.items()) if name.startswith("est_")}


def own_curves(head):
    channels = actions.assigned(head)
    return {path for path, _ in actions.curve_map(channels)} if channels else set()


def bake_take(head, take, **options):
    return bake.bake_take(head, take, **({"name": "Take", "start_frame": 1, "stamp": {}} | options))


def estimate(**options):
    assert bpy.ops.eifer.estimate_activity(**options) == {"FINISHED"}


@pytest.fixture
def smile(scene, head):
    """A left smile from frame 1 over 20 to 60, by hand."""
    scene.frame_end = 60
    key(head, "mouthSmileLeft", (1, 0.0), (20, 1.0), (40, 1.0), (60, 0.0))
    return head


# --- by hand --------------------------------------------------------------------------------------


def test_a_smile_keyed_on_the_left_is_led_by_the_left_zygomaticus(scene, smile):
    estimate()
    found = estimates.read(smile)
    values = found.estimate.values
    assert values.shape == (60, 22) and found.start_frame == 1 and found.estimate.fps == 24.0
    assert muscles.CHANNELS[np.nanargmax(values[30])] == "zygomaticus_l"
    assert values[30, column("zygomaticus_l")] > 3 * values[30, column("zygomaticus_r")]
    assert np.nan_to_num(values[[0, -1]]).max() < 0.05
    scene.frame_set(31)
    assert smile["est_zygomaticus_l"] == pytest.approx(values[30, column("zygomaticus_l")], abs=1e-6)


def test_estimates_are_keyed_properties_in_groups_with_limits_and_descriptions(smile):
    estimate()
    assert own_names(smile) == {f"est_{name}{end}" for name in VISIBLE for end in ("", "_sd")}
    assert own_curves(smile) == {f'["{name}"]' for name in own_names(smile)}
    for curve in actions.curves(actions.assigned(smile)):
        band = curve.data_path.endswith('_sd"]')
        assert curve.group.name == ("EMG estimated, band" if band else "EMG estimated")
        assert len(curve.keyframe_points) == 60
    settings = smile.id_properties_ui("est_zygomaticus_l").as_dict()
    assert (settings["min"], settings["max"]) == (0.0, 1.0)
    assert "Zygomaticus major, left" in settings["description"]
    assert "standard deviation" in smile.id_properties_ui("est_zygomaticus_l_sd").as_dict()["description"]


def test_what_a_face_does_not_show_is_said_and_left_out_unless_asked_for(scene, smile):
    estimate()
    assert "does not show the masseter" in scene.eifer.activity.notes
    assert estimates.read(smile).estimate.hidden == ("masseter_l", "masseter_r")
    scene.eifer.activity.include_hidden = True
    estimate()
    assert "est_masseter_l" in smile and estimates.read(smile).estimate.told.all()
    assert estimates.stamp_of(smile)["guessed"]
    scene.eifer.activity.include_hidden = False
    estimate()
    assert "est_masseter_l" not in smile and not any("masseter" in path for path in own_curves(smile))


def test_estimating_again_replaces_the_estimate_and_nothing_else(scene, smile):
    smile.location.x = 0.25
    smile.keyframe_insert("location", frame=1)
    action = actions.assigned(smile).action
    scene.eifer.activity.extent = "RANGE"
    scene.eifer.activity.frame_from, scene.eifer.activity.frame_to = 10, 40
    estimate()
    scene.eifer.activity.extent = "SCENE"
    estimate()
    assert actions.assigned(smile).action == action
    assert "location" in own_curves(smile) and estimates.stamp_of(smile)["frames"] == 60
    assert all(len(c.keyframe_points) in (1, 60) for c in actions.curves(actions.assigned(smile)))


def test_a_part_is_estimated_as_within_the_whole(scene, smile):
    estimate()
    whole = estimates.read(smile).estimate.values
    activity = scene.eifer.activity
    activity.extent, activity.frame_from, activity.frame_to = "RANGE", 15, 25
    estimate()
    found = estimates.read(smile)
    assert found.start_frame == 15
    np.testing.assert_allclose(found.estimate.values, whole[14:25], atol=0.02)


def test_frames_come_from_the_timeline_the_keys_or_a_range(scene, smile):
    def covered():
        estimate()
        stamp = estimates.stamp_of(smile)
        return stamp["start_frame"], stamp["frames"]

    scene.frame_start = 5
    assert covered() == (5, 56)
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 20, 29
    assert covered() == (20, 10)
    scene.eifer.activity.extent = "ACTION"
    assert covered() == (1, 60)
    activity = scene.eifer.activity
    activity.extent, activity.frame_from, activity.frame_to = "RANGE", -20, 5
    assert covered() == (-20, 26)


def test_estimates_run_at_the_scenes_rate(scene, smile):
    estimate()
    slow = estimates.read(smile).estimate
    scene.render.fps, scene.frame_end = 48, 120
    for point in actions.curves(actions.assigned(keys_of(smile)))[0].keyframe_points:
        point.co_ui[0] = 1 + (point.co_ui[0] - 1) * 2
    estimate()
    fast = estimates.read(smile).estimate
    assert fast.fps == 48.0
    apart = np.abs(fast.values[:119:2] - slow.values)[:, column("zygomaticus_l")]
    assert apart.max() < 0.1 < slow.values[:, column("zygomaticus_l")].max() / 5


def test_estimating_keeps_the_frame_and_sliders_nobody_has_keyed(scene, smile):
    scene.frame_set(22, subframe=0.5)
    keys_of(smile).key_blocks["mouthSmileLeft"].value = 0.123
    estimate()
    assert (scene.frame_current, scene.frame_subframe) == (22, 0.5)
    assert keys_of(smile).key_blocks["mouthSmileLeft"].value == pytest.approx(0.123)
    curve = actions.curve_map(actions.assigned(smile))['["est_zygomaticus_l"]', 0]
    assert smile["est_zygomaticus_l"] == pytest.approx(curve.evaluate(22.5), abs=1e-6)
    assert smile["est_zygomaticus_l"] > 0.1


def test_the_current_pose_sets_properties_and_keys_nothing(scene, head):
    keys_of(head).key_blocks["mouthSmileRight"].value = 1.0
    estimate(pose=True)
    assert own_names(head) == {f"est_{name}{end}" for name in VISIBLE for end in ("", "_sd")}
    assert max(VISIBLE, key=lambda name: head[f"est_{name}"]) == "zygomaticus_r"
    assert actions.assigned(head) is None and not bpy.data.actions
    assert set(estimates.told(head)) == set(VISIBLE)
    keys_of(head).key_blocks["mouthSmileRight"].value = 0.0
    estimate(pose=True)
    assert all(head[f"est_{name}"] == 0.0 for name in VISIBLE)


def test_the_current_pose_is_the_one_on_screen(scene, head, recording):
    """A preview, or a driven key, counts as it shows."""
    driver = keys_of(head).key_blocks["browInnerUp"].driver_add("value").driver
    driver.expression = "frame / 10"
    scene.frame_set(10)
    estimate(pose=True)
    assert max(VISIBLE, key=lambda name: head[f"est_{name}"]).startswith("medial_frontalis")
    keys_of(head).key_blocks["browInnerUp"].driver_remove("value")
    keys_of(head).key_blocks["browInnerUp"].value = 0.0
    bpy.ops.eifer.preview()
    shown = {}
    for frame in (60, 300):
        scene.frame_set(frame)
        estimate(pose=True)
        shown[frame] = [head[f"est_{name}"] for name in VISIBLE]
        assert head.eifer.previewing
    assert shown[60] != shown[300]


def test_other_things_can_be_driven_by_an_estimate(scene, smile):
    estimate()
    lamp = bpy.data.objects.new("Lamp", None)
    scene.collection.objects.link(lamp)
    driver = lamp.driver_add("location", 2).driver
    variable = driver.variables.new()
    variable.name = "smile"
    variable.targets[0].id = smile
    variable.targets[0].data_path = '["est_zygomaticus_l"]'
    driver.expression = "smile"
    scene.frame_set(30)
    high = lamp.location.z
    assert high == pytest.approx(smile["est_zygomaticus_l"]) and high > 0.1
    estimate()  # again: the driver still has its property
    scene.frame_set(1)
    scene.frame_set(30)
    assert lamp.location.z == pytest.approx(high)


def test_clearing_leaves_no_trace(scene, smile):
    names, before = own_names(smile), sorted(action.name for action in bpy.data.actions)
    estimate()
    assert sorted(action.name for action in bpy.data.actions) != before
    bpy.ops.eifer.clear_estimate()
    assert own_names(smile) == names == set()
    assert sorted(action.name for action in bpy.data.actions) == before
    assert estimates.read(smile) is None and estimates.stamp_of(smile) == {}
    assert scene.eifer.activity.notes == "" and estimates.told(smile) == ()


def test_clearing_keeps_what_else_the_action_holds(smile):
    smile.location.x = 0.25
    smile.keyframe_insert("location", frame=1)
    estimate()
    bpy.ops.eifer.clear_estimate()
    assert own_curves(smile) == {"location"}


def test_an_estimate_outlives_saving_without_the_extension(scene, smile, tmp_path):
    estimate()
    values = estimates.read(smile).estimate.values
    path = str(tmp_path / "estimate.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    head = bpy.context.scene.eifer.head
    np.testing.assert_array_equal(estimates.read(head).estimate.values, values)
    bpy.context.scene.frame_set(30)
    assert head["est_zygomaticus_l"] == pytest.approx(values[29, column("zygomaticus_l")], abs=1e-6)


def test_a_stamp_that_somebody_damaged_is_no_estimate(smile):
    estimate()
    action = actions.assigned(smile).action
    good = json.loads(action[estimates.STAMP])
    for bad in ("", "[]", "{", json.dumps(good | {"frames": 10**9}), json.dumps(good | {"model": 3})):
        action[estimates.STAMP] = bad
        assert estimates.stamp_of(smile) == {} and estimates.read(smile) is None
    action[estimates.STAMP] = 7
    assert estimates.stamp_of(smile) == {}


def test_a_linked_action_is_not_written_to(scene, smile, tmp_path):
    smile.location.x = 0.25
    smile.keyframe_insert("location", frame=1)
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {actions.assigned(smile).action})
    with bpy.data.libraries.load(path, link=True) as (there, wanted):
        wanted.actions = there.actions
    linked = wanted.actions[0]
    slot = next(s for s in linked.slots if s.target_id_type == "OBJECT") if actions.SLOTTED else None
    actions.assign(smile, actions.Channels(linked, slot))
    with pytest.raises(RuntimeError, match="is linked from another file"):
        bpy.ops.eifer.estimate_activity()
    assert own_names(smile) == set() and own_curves(smile) == {"location"}


def test_a_model_of_the_other_direction_is_refused(scene, smile):
    from eifer_blender.assets import model_file

    scene.eifer.activity.model = str(model_file("emg2exp.onnx"))
    with pytest.raises(RuntimeError, match="emg2exp"):
        bpy.ops.eifer.estimate_activity()
    scene.eifer.activity.model = "//nowhere.onnx"
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.eifer.estimate_activity()
    assert own_names(smile) == set()


# --- with takes -----------------------------------------------------------------------------------


@pytest.fixture
def estimated(scene, head, recording):
    """The sample recording as a take, with its estimate."""
    bpy.ops.eifer.bake_take(name="Sample")
    estimate()
    return head


def test_the_estimate_of_a_take_agrees_with_its_recording(scene, estimated):
    bpy.ops.eifer.compare_activity()
    rows = {item.name: item for item in estimated.eifer.agreement}
    assert list(rows) == list(muscles.CHANNELS)
    assert agreement.median_rho(estimated.eifer.agreement) > 0.85
    assert rows["masseter_l"].reason == "not visible on a face" and np.isnan(rows["masseter_l"].rho)
    assert abs(rows["zygomaticus_r"].lag_s) < 0.2


def test_a_new_take_does_not_inherit_an_estimate_and_the_old_one_keeps_it(scene, estimated, make_take):
    stamp = estimates.stamp_of(estimated)
    bake_take(estimated, make_take())
    assert estimates.read(estimated) is None and estimates.told(estimated) == ()
    assert all(estimated[name] == 0.0 for name in own_names(estimated))
    assert not any(path.startswith('["est_') for path in own_curves(estimated))
    bpy.ops.eifer.activate_take(index=0)
    assert estimates.stamp_of(estimated) == stamp and len(estimates.told(estimated)) == 20


def test_replacing_a_take_drops_its_estimate_and_what_was_found_about_it(scene, estimated):
    bpy.ops.eifer.compare_activity()
    bpy.ops.eifer.remap_take()
    assert estimates.read(estimated) is None and len(estimated.eifer.agreement) == 0


def test_removing_a_take_removes_its_estimate_and_keeps_hand_made_keys(scene, estimated):
    estimated.location.x = 0.5
    estimated.keyframe_insert("location", frame=1)
    bpy.ops.eifer.remove_take()
    assert own_curves(estimated) == {"location"} and estimates.stamp_of(estimated) == {}
    assert estimates.told(estimated) == ()


def test_a_copied_take_brings_its_estimate(scene, estimated):
    values = estimates.read(estimated).estimate.values
    bpy.ops.eifer.add_head()
    other = scene.eifer.head
    scene.eifer.head = estimated
    bpy.ops.eifer.copy_take(target=other.name)
    np.testing.assert_allclose(estimates.read(other).estimate.values, values, atol=1e-7)
    assert own_names(other) == own_names(estimated)


def test_an_action_that_only_held_an_estimate_is_not_kept_when_a_take_displaces_it(smile, make_take):
    estimate()
    mine = actions.assigned(smile).action
    bake_take(smile, make_take())
    assert mine.users == 0 and not mine.use_fake_user


def test_comparing_uses_the_frames_that_both_cover_and_says_so(scene, head, make_take):
    take = make_take(frames=60)
    present = take.activation.present.copy()
    present[:, column("mentalis_l")] = False
    present[30:, column("zygomaticus_l")] = False
    bake_take(head, replace(take, activation=replace(take.activation, present=present)), start_frame=11)
    activity = scene.eifer.activity
    activity.extent, activity.frame_from, activity.frame_to = "RANGE", 1, 50
    estimate()
    bpy.ops.eifer.compare_activity()
    rows = {item.name: item for item in head.eifer.agreement}
    assert rows["zygomaticus_r"].frames == 40 and rows["zygomaticus_l"].frames == 30
    assert rows["mentalis_l"].reason == "not recorded"
    from eifer_blender.blender import estimating

    assert estimating.compare(head)[1] == ["Compared in frames 11 to 50, which estimate and take both cover."]


def test_nothing_to_compare_is_said(scene, head, make_take):
    with pytest.raises(RuntimeError, match="no estimate to compare"):
        bpy.ops.eifer.compare_activity()
    key(head, "exp000", (1, 0.0), (30, 1.0))
    estimate()
    with pytest.raises(RuntimeError, match="no take with measured activity"):
        bpy.ops.eifer.compare_activity()
    bake_take(head, make_take(frames=20), start_frame=500)
    activity = scene.eifer.activity
    activity.extent, activity.frame_from, activity.frame_to = "RANGE", 1, 50
    estimate()
    with pytest.raises(RuntimeError, match="frames 1 to 50, the take 'Take' frames 500 to 519"):
        bpy.ops.eifer.compare_activity()
    with pytest.raises(RuntimeError, match="Compare the estimate"):
        bpy.ops.eifer.save_agreement(filepath="anything.csv")


def test_agreement_is_saved_as_a_table_and_never_over_a_file_unasked(scene, estimated, tmp_path):
    bpy.ops.eifer.compare_activity()
    path = tmp_path / "table.csv"
    bpy.ops.eifer.save_agreement(filepath=str(tmp_path / "table"))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["channel"] for row in rows] == list(muscles.CHANNELS)
    stored = estimated.eifer.agreement["zygomaticus_r"]
    assert float(rows[column("zygomaticus_r")]["spearman_rho"]) == pytest.approx(stored.rho, abs=1e-4)
    assert rows[column("masseter_l")]["spearman_rho"] == ""
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="exists already"):
        bpy.ops.eifer.save_agreement(filepath=str(path))
    assert path.read_bytes() == before
    bpy.ops.eifer.save_agreement(filepath=str(path), replace=True)


def test_an_estimate_needs_a_head_that_may_be_changed(scene, head):
    key(head, "exp000", (1, 0.0), (30, 1.0))
    scene.eifer.head = None
    with pytest.raises(RuntimeError, match="Add a head"):
        bpy.ops.eifer.estimate_activity()
    scene.eifer.head = head
    rig = head_object.armature_of(head)
    bpy.data.objects.remove(rig)
    with pytest.raises(RuntimeError, match="lost its armature"):
        bpy.ops.eifer.estimate_activity()


def test_an_estimate_is_not_made_inside_an_nla_strip(scene, smile):
    channels = actions.assigned(keys_of(smile))
    data = keys_of(smile).animation_data
    strip = data.nla_tracks.new().strips.new("strip", 1, channels.action)
    if actions.SLOTTED:
        strip.action_slot = channels.slot
    data.action = None
    data.nla_tracks[0].strips[0].select = True
    data.nla_tracks.active = data.nla_tracks[0]
    data.use_tweak_mode = True
    with pytest.raises(RuntimeError, match="leave tweak mode"):
        bpy.ops.eifer.estimate_activity()


def test_takes_keep_their_own_activity_apart_from_estimates(estimated):
    take = takes.selected(estimated)
    values, present = takes.read_activity(estimated, take)
    assert present.any() and not np.array_equal(values, estimates.read(estimated).estimate.values)
    bpy.ops.eifer.clear_estimate()
    np.testing.assert_array_equal(takes.read_activity(estimated, take)[0], values)
    assert takes.is_playing(estimated, take)
