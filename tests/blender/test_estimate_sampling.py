"""What is estimated is what Blender shows: any keys, curves, rigs and layers of animation."""

from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from eifer_blender import spaces
from eifer_blender.blender import actions, head_object, performance, preview, space, takes
from eifer_blender.blender.operators.estimate import EstimateOperator
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform

FRAMES = np.arange(-3, 48)


def keys_of(head):
    return head.data.shape_keys


def key(head, name, *points, interpolation="BEZIER"):
    """Key the value of a shape key at (frame, value)."""
    block = keys_of(head).key_blocks[name]
    for frame, value in points:
        block.value = value
        block.keyframe_insert("value", frame=frame)
    curve = curve_of(head, name)
    for point in curve.keyframe_points:
        point.interpolation = interpolation
    curve.update()
    return curve


def curve_of(head, name):
    return actions.curve_map(actions.assigned(keys_of(head)))[f'key_blocks["{name}"].value', 0]


def jaw_of(head):
    return head_object.armature_of(head).pose.bones["jaw"]


def turn_jaw(head, *points):
    bone = jaw_of(head)
    for frame, quaternion in points:
        bone.rotation_quaternion = quaternion
        bone.keyframe_insert("rotation_quaternion", frame=frame)


def animate(head):
    """A face in which everything moves: PCA keys, a lid, an ARKit key and the jaw."""
    key(head, "exp000", (1, 0.0), (17, 1.5), (40, -1.0))
    key(head, "exp007", (5, -0.5), (30, 0.5), interpolation="LINEAR")
    key(head, "eyelid_l", (1, 0.0), (11, 1.0), (13, 1.0), (20, 0.0))
    key(head, "mouthSmileLeft", (1, 0.0), (20, 0.9), (40, 0.1))
    turn_jaw(head, (1, (1, 0, 0, 0)), (25, (0.98, 0.2, 0.0, 0.05)), (40, (1, 0, 0, 0)))


def shown(scene, head, frames):
    """Parameters without ARKit keys, and ARKit weights, by playing the scene: what Blender shows."""
    before = scene.frame_current
    own, arkit = [], []
    for frame in frames.tolist():
        scene.frame_set(frame)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        blocks = keys_of(head).evaluated_get(depsgraph).key_blocks
        values = [0.0 if blocks[n].mute else blocks[n].value for n in takes.KEY_NAMES + spaces.ARKIT_NAMES]
        rig = head_object.armature_of(head).evaluated_get(depsgraph)
        bone = rig.pose.bones["jaw"]
        # Skinning turns the jaw's vertices so much more than the neck's.
        skull, chin = (
            (b.matrix @ b.bone.matrix_local.inverted()).to_quaternion() for b in (bone.parent, bone)
        )
        jaw = space.to_axis_angles(np.array(skull.inverted() @ chin)[None])[0]
        own.append([*values[:52], *jaw])
        arkit.append(values[52:])
    scene.frame_set(before)
    return np.array(own), np.array(arkit)


def assert_as_shown(scene, head, stepped):
    expected, arkit = shown(scene, head, FRAMES)
    read = performance.sample(head, scene, FRAMES)
    assert read.stepped == stepped
    np.testing.assert_allclose(read.own, expected, atol=1e-5)
    np.testing.assert_allclose(read.arkit, arkit, atol=1e-6)
    return read


# --- read in bulk ---------------------------------------------------------------------------------


def plain(head):
    pass


def constant_and_eased(head):
    for point in curve_of(head, "exp000").keyframe_points:
        point.interpolation = "CONSTANT"
    for point in curve_of(head, "exp007").keyframe_points:
        point.interpolation = "ELASTIC"


def extrapolated(head):
    curve_of(head, "exp007").extrapolation = "LINEAR"


def modified(head):
    curve_of(head, "exp000").modifiers.new("CYCLES")
    curve_of(head, "exp007").modifiers.new("NOISE")
    curve_of(head, "eyelid_l").modifiers.new("NOISE").mute = True


def without_keys(head):
    """A curve that is only a modifier."""
    curve = curve_of(head, "exp007")
    curve.keyframe_points.clear()
    curve.modifiers.new("GENERATOR").coefficients = (0.1, 0.02)


def emptied(head):
    """A curve without keys and modifiers leaves the slider alone."""
    curve_of(head, "exp007").keyframe_points.clear()
    keys_of(head).key_blocks["exp007"].value = 0.4


def muted_curve(head):
    curve_of(head, "exp000").mute = True
    keys_of(head).key_blocks["exp000"].value = 0.7


def muted_key(head):
    keys_of(head).key_blocks["exp000"].mute = True
    keys_of(head).key_blocks["mouthSmileLeft"].mute = True


def beyond_the_slider(head):
    keys_of(head).key_blocks["exp000"].slider_max = 0.5
    key(head, "mouthSmileRight", (1, 0.0), (20, 1.0))
    curve_of(head, "mouthSmileRight").keyframe_points[1].co[1] = 3.0
    curve_of(head, "mouthSmileRight").update()


def keys_between_frames(head):
    curve = curve_of(head, "exp007")
    for point, frame in zip(curve.keyframe_points, (5.3, 29.8), strict=True):
        point.co[0] = frame
    curve.update()


def two_keys_on_one_frame(head):
    points = curve_of(head, "exp007").keyframe_points
    points[1].co[0] = points[0].co[0]


def sliders_without_keys(head):
    keys_of(head).key_blocks["exp020"].value = 0.6
    keys_of(head).key_blocks["jawOpen"].value = 0.3


def driver_elsewhere(head):
    """The jaw's correctives and a key of the animator's own are driven, the face is not."""
    head.shape_key_add(name="mine")
    keys_of(head).key_blocks["mine"].driver_add("value").driver.expression = "frame / 100"


def influence_without_nla(head):
    """Blender minds it only where there are NLA tracks."""
    data = keys_of(head).animation_data
    data.action_influence, data.action_blend_type = 0.3, "ADD"


def jaw_quaternion_of_any_length(head):
    for index in range(4):
        path = 'pose.bones["jaw"].rotation_quaternion'
        curve = actions.curve_map(actions.assigned(head_object.armature_of(head)))[path, index]
        for point in curve.keyframe_points:
            point.co[1] *= 3.0
        curve.update()


@pytest.mark.parametrize(
    "change",
    [
        plain,
        constant_and_eased,
        extrapolated,
        modified,
        without_keys,
        emptied,
        muted_curve,
        muted_key,
        beyond_the_slider,
        keys_between_frames,
        two_keys_on_one_frame,
        sliders_without_keys,
        driver_elsewhere,
        influence_without_nla,
        jaw_quaternion_of_any_length,
    ],
)
def test_plain_curves_are_read_in_bulk_and_give_what_blender_shows(scene, head, change):
    animate(head)
    change(head)
    assert_as_shown(scene, head, stepped=False)


# --- played ---------------------------------------------------------------------------------------


def driven(head):
    driver = keys_of(head).key_blocks["exp010"].driver_add("value").driver
    driver.expression = "sin(frame / 5)"


def driven_arkit_key(head):
    head["control"] = 0.0
    head.keyframe_insert('["control"]', frame=1)
    head["control"] = 1.0
    head.keyframe_insert('["control"]', frame=30)
    driver = keys_of(head).key_blocks["browInnerUp"].driver_add("value").driver
    driver.type = "AVERAGE"
    variable = driver.variables.new()
    variable.targets[0].id = head
    variable.targets[0].data_path = '["control"]'


def nla(head):
    channels = actions.assigned(keys_of(head))
    data = keys_of(head).animation_data
    strip = data.nla_tracks.new().strips.new("strip", 10, channels.action)
    if actions.SLOTTED:
        strip.action_slot = channels.slot
    strip.scale = 0.5
    data.action = None


def nla_below_an_action(head):
    """An added layer at half influence, over a strip."""
    nla(head)
    data = keys_of(head).animation_data
    keys_of(head).key_blocks["exp000"].keyframe_insert("value", frame=3)
    key(head, "exp000", (3, 0.2), (33, 1.0))
    data.action_influence, data.action_blend_type = 0.5, "ADD"


def constrained_jaw(head):
    target = bpy.data.objects.new("Target", None)
    bpy.context.scene.collection.objects.link(target)
    for frame, angle in ((1, 0.0), (30, 0.3)):
        target.rotation_euler.x = angle
        target.keyframe_insert("rotation_euler", frame=frame)
    constraint = jaw_of(head).constraints.new("COPY_ROTATION")
    constraint.target = target
    constraint.target_space = constraint.owner_space = "LOCAL"


def jaw_that_does_not_follow_the_neck(head):
    jaw_of(head).bone.use_inherit_rotation = False
    neck = head_object.armature_of(head).pose.bones["neck"]
    for frame, turn in ((1, 0.0), (30, 0.2)):
        neck.rotation_quaternion = (1.0, 0.0, turn, 0.0)
        neck.keyframe_insert("rotation_quaternion", frame=frame)


def key_that_is_muted_for_a_while(head):
    block = keys_of(head).key_blocks["exp000"]
    for frame, mute in ((1, False), (15, True), (30, False)):
        block.mute = mute
        block.keyframe_insert("mute", frame=frame)


def muted_group(head):
    """Blender 4.2 obeys it, 4.4 to 5.2 do not."""
    channels = actions.assigned(keys_of(head))
    curve = curve_of(head, "exp000")
    bag = actions._bag(channels, ensure=True)
    curve.group = bag.groups.new("mine")
    curve.group.mute = True
    keys_of(head).key_blocks["exp000"].value = -0.4


def rest_position(head):
    head_object.armature_of(head).data.pose_position = "REST"


@pytest.mark.parametrize(
    "change",
    [
        driven,
        driven_arkit_key,
        nla,
        nla_below_an_action,
        constrained_jaw,
        jaw_that_does_not_follow_the_neck,
        key_that_is_muted_for_a_while,
        muted_group,
        rest_position,
    ],
)
def test_what_is_more_than_curves_is_played_and_gives_what_blender_shows(scene, head, change):
    animate(head)
    change(head)
    read = assert_as_shown(scene, head, stepped=True)
    assert np.ptp(read.parameters, axis=0).max() > 0.1


def test_in_a_scene_with_time_stretching_frames_are_those_of_the_curves(scene, head):
    animate(head)
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 200
    expected, _ = shown(scene, head, 2 * FRAMES)
    np.testing.assert_allclose(performance.sample(head, scene, FRAMES).own, expected, atol=1e-5)
    driven(head)
    read = performance.sample(head, scene, FRAMES)
    assert read.stepped
    np.testing.assert_allclose(read.own[:, 0], expected[:, 0], atol=1e-5)
    scene.frame_start, scene.frame_end = 1, 80
    assert performance.frames_of(scene, head)[[0, -1]].tolist() == [0, 40]


def test_parameters_put_the_vertices_where_blender_puts_them(scene, head):
    animate(head)
    curve_of(head, "eyelid_l").mute = True
    read = performance.sample(head, scene, np.array([20]))
    scene.frame_set(20)
    mesh = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    points = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    geometry = load_default_head()
    modelled = deform(geometry, read.own, arkit=read.arkit)[0]
    np.testing.assert_allclose(space.from_blender(points.reshape(-1, 3)), modelled, atol=2e-5)
    # With the ARKit key as parameters, too, the face is close.
    skin = geometry.regions["skin"]
    apart = np.linalg.norm(deform(geometry, read.parameters)[0] - modelled, axis=1)[skin] * 1000
    assert np.sqrt((apart**2).mean()) < 0.5


def test_arkit_keys_carry_lids_and_jaw_no_further_than_a_face_goes(scene, head):
    key(head, "eyelid_l", (1, 0.9), (10, 0.9))
    key(head, "eyeBlinkLeft", (1, 1.0), (10, 1.0))
    key(head, "jawOpen", (1, 1.0), (10, 1.0))
    turn_jaw(head, (1, (0.95, 0.31, 0, 0)), (10, (0.95, 0.31, 0, 0)))
    read = performance.sample(head, scene, np.array([5]))
    assert read.parameters[0, spaces.EYELIDS][0] == pytest.approx(1.0)
    # What was keyed beyond the usual stays as it was keyed.
    assert read.own[0, spaces.JAW][0] > 0.5
    np.testing.assert_allclose(read.parameters[0, spaces.JAW][0], read.own[0, spaces.JAW][0])


def test_what_parameters_do_not_hold_is_said(scene, head):
    animate(head)
    assert performance.sample(head, scene, FRAMES).notes == ()
    head.shape_key_add(name="bump", from_mix=False)
    keys_of(head).key_blocks["bump"].value = 0.5
    keys_of(head).key_blocks["exp001"].vertex_group = "jaw"
    jaw_of(head).location.x = 0.01
    notes = " ".join(performance.sample(head, scene, FRAMES).notes)
    assert "'bump'" in notes and "'exp001'" in notes and "jaw bone is moved" in notes


# --- the scene stays as it was --------------------------------------------------------------------


def state(scene, head):
    blocks = keys_of(head).key_blocks
    return (
        scene.frame_current,
        scene.frame_subframe,
        [block.value for block in blocks],
        list(jaw_of(head).rotation_quaternion),
        [actions.assigned(block) for block in takes.targets(head).values()],
        sorted(action.name for action in bpy.data.actions),
        head.eifer.previewing,
    )


@pytest.fixture
def unkeyed(scene, head):
    """A played animation at a frame between frames, with sliders that nobody has keyed yet."""
    animate(head)
    driven(head)
    scene.frame_set(7, subframe=0.25)
    keys_of(head).key_blocks["exp000"].value = 0.33
    jaw_of(head).rotation_quaternion = (0.9, 0.1, 0.0, 0.0)
    bpy.context.view_layer.update()
    return state(scene, head)


def test_playing_leaves_frame_and_sliders_as_they_were(scene, head, unkeyed):
    performance.sample(head, scene, FRAMES)
    assert state(scene, head) == unkeyed


def test_stopping_halfway_leaves_frame_and_sliders_as_they_were(scene, head, unkeyed):
    steps = performance.steps(head, scene, FRAMES)
    for _ in range(10):
        share = next(steps)
    assert 0.0 < share < 1.0
    steps.close()
    assert state(scene, head) == unkeyed


def test_an_error_leaves_frame_and_sliders_as_they_were(scene, head, unkeyed):
    curve_of(head, "exp007").keyframe_points[1].co[1] = np.nan
    with pytest.raises(EiferError, match="'exp007' is not a number at frame"):
        performance.sample(head, scene, FRAMES)
    assert state(scene, head) == unkeyed


@pytest.mark.parametrize("change", [plain, driven_arkit_key])
def test_a_live_preview_is_not_what_is_read_and_goes_on(scene, head, recording, change):
    animate(head)
    key(head, "exp003", (1, 0.0), (45, 1.0))
    change(head)
    expected, _ = shown(scene, head, FRAMES)
    scene.frame_set(150)
    bpy.ops.eifer.preview()
    face = head_object.expression_of(head)
    read = performance.sample(head, scene, FRAMES)
    np.testing.assert_allclose(read.own, expected, atol=1e-5)
    assert preview.is_shown(head)
    np.testing.assert_allclose(head_object.expression_of(head), face, atol=1e-6)
    scene.eifer.activity.extent = "ACTION"
    assert performance.frames_of(scene, head)[[0, -1]].tolist() == [1, 45]
    bpy.ops.eifer.preview()
    assert not curve_of(head, "exp000").mute


def test_a_preview_alone_is_no_animation(scene, head, recording):
    bpy.ops.eifer.preview()
    with pytest.raises(EiferError, match="live preview is no animation"):
        performance.sample(head, scene, FRAMES)
    assert preview.is_shown(head)


# --- progress and Esc -----------------------------------------------------------------------------


class Estimate(EstimateOperator):
    """The operator without Blender's window."""

    def __init__(self):
        self.reports = []

    def report(self, kind, text):
        self.reports.append((*kind, text))


@pytest.fixture
def window(scene):
    """A context with a window's timer and cursor."""
    shares = []
    manager = SimpleNamespace(
        windows=(),
        event_timer_add=lambda seconds, window: "timer",
        event_timer_remove=lambda timer: None,
        modal_handler_add=lambda operator: None,
        progress_begin=lambda low, high: None,
        progress_update=shares.append,
        progress_end=lambda: None,
    )
    return SimpleNamespace(window_manager=manager, window=None, scene=scene, shares=shares)


def test_in_a_window_it_works_bit_by_bit_with_progress(scene, head, window):
    animate(head)
    driven(head)
    scene.frame_end = 60
    operator = Estimate()
    assert operator.start_estimate(window) == {"RUNNING_MODAL"}
    result = {"RUNNING_MODAL"}
    while result == {"RUNNING_MODAL"}:
        result = operator.modal(window, SimpleNamespace(type="TIMER", value="NOTHING"))
    assert result == {"FINISHED"}
    assert "20 muscles in 60 frames estimated, playing the scene" in operator.reports[-1][1]
    assert window.shares[:-1] == sorted(window.shares[:-1]) and window.shares[-1] == 0.0
    scene.frame_set(20)
    assert head["est_zygomaticus_l"] > 0.05 > head["est_zygomaticus_r"]


def test_escape_leaves_everything_as_it_was(scene, head, unkeyed, window):
    scene.frame_end = 100_000
    operator = Estimate()
    operator.start_estimate(window)
    tick, escape = SimpleNamespace(type="TIMER", value="NOTHING"), SimpleNamespace(type="ESC", value="PRESS")
    assert operator.modal(window, tick) == {"RUNNING_MODAL"}
    assert operator.modal(window, escape) == {"CANCELLED"}
    assert state(scene, head) == unkeyed
    assert not any(name.startswith("est_") for name in dict(head.items()))


# --- what cannot be read --------------------------------------------------------------------------


def refused(scene, head, match):
    with pytest.raises(RuntimeError, match=match):
        bpy.ops.eifer.estimate_activity()
    assert not any(name.startswith("est_") for name in dict(head.items()))


def test_a_still_face_is_no_animation(scene, head):
    keys_of(head).key_blocks["exp000"].value = 1.0
    refused(scene, head, "Nothing animates the face")


def test_an_action_without_our_keys_is_named_with_what_is_missing(scene, head):
    head.shape_key_add(name="mine")
    keys_of(head).key_blocks["mine"].keyframe_insert("value", frame=1)
    actions.assigned(keys_of(head)).action.name = "Other things"
    refused(scene, head, "'Other things' has no keys of the face .* expression keys, ARKit keys or jaw bone")
    scene.eifer.activity.extent = "ACTION"
    refused(scene, head, "no keys to take the frames from")


def test_a_key_that_is_no_number_is_named_with_its_frame(scene, head):
    animate(head)
    curve_of(head, "exp007").keyframe_points[1].co[1] = np.nan
    scene.frame_start = 6
    refused(scene, head, r"'exp007' is not a number at frame \d+; correct that key")
    curve_of(head, "exp007").keyframe_points[1].co[1] = 0.0
    path = 'pose.bones["jaw"].rotation_quaternion'
    curve = actions.curve_map(actions.assigned(head_object.armature_of(head)))[path, 1]
    curve.keyframe_points[0].co[1] = np.nan
    refused(scene, head, "the jaw bone is not a number")


def test_a_head_of_another_version_or_topology_is_refused(scene, head):
    animate(head)
    stamp = head[head_object.HASH_STAMP]
    head[head_object.HASH_STAMP] = "0" * 64
    refused(scene, head, "another version of the default head")
    head[head_object.HASH_STAMP] = stamp
    head.data.vertices.add(3)
    refused(scene, head, "vertices instead of 13610")


def test_settings_that_make_keys_mean_something_else_are_refused(scene, head):
    animate(head)
    head.show_only_shape_key = True
    refused(scene, head, "unpin it")
    head.show_only_shape_key = False
    keys_of(head).use_relative = False
    refused(scene, head, "Relative")
    keys_of(head).use_relative = True
    jaw_of(head).rotation_mode = "XYZ"
    refused(scene, head, "Quaternion")


def test_something_else_than_a_head_is_refused(scene, head):
    scene.eifer.head = head_object.armature_of(head)
    with pytest.raises(RuntimeError, match="not a head of this extension"):
        bpy.ops.eifer.estimate_activity()


def test_a_head_that_the_scene_leaves_out_can_be_read_but_not_played(scene, head):
    animate(head)
    hidden = bpy.data.collections.new("Hidden")
    scene.collection.children.link(hidden)
    for obj in (head, head_object.armature_of(head)):
        hidden.objects.link(obj)
        scene.collection.objects.unlink(obj)
    head.hide_viewport = True
    assert_as_shown(scene, head, stepped=False)
    driven(head)
    assert_as_shown(scene, head, stepped=True)
    bpy.context.view_layer.layer_collection.children["Hidden"].exclude = True
    refused(scene, head, "excluded from the scene")


def test_more_frames_than_a_scene_can_hold_are_refused(scene, head):
    animate(head)
    scene.eifer.activity.extent = "RANGE"
    scene.eifer.activity.frame_from, scene.eifer.activity.frame_to = -1_000_000, 1_000_000
    refused(scene, head, "choose a shorter range")
