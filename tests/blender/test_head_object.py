"""The head in Blender moves as the equations say, alone or beside others, with or without us."""

from __future__ import annotations

import subprocess
import sys

import bpy
import numpy as np
import pytest

from eifer_blender import spaces
from eifer_blender.blender import head_object, render
from eifer_blender.blender.space import from_blender, to_axis_angles, to_blender, to_quaternions
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform, jaw_rotation

TOLERANCE = 5e-5  # metres


@pytest.fixture
def default():
    return load_default_head()


def parameters(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    params = rng.standard_normal(spaces.DEFAULT_SPACE.size).astype(np.float32)
    params[spaces.EYELIDS] = rng.uniform(0, 1, 2)
    params[spaces.JAW] = rng.normal(0, 0.2, 3)
    return params


def evaluated(obj) -> np.ndarray:
    """Vertices that Blender shows, in the head's frame."""
    bpy.context.view_layer.update()
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    points = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    return from_blender(points.reshape(-1, 3))


@pytest.mark.parametrize("seed", range(4))
def test_blender_shows_what_the_equations_say(scene, default, seed):
    obj = head_object.add_head(scene, default)
    params = parameters(seed)
    head_object.set_expression(obj, params)
    assert np.abs(evaluated(obj) - deform(default, params[None])[0]).max() < TOLERANCE
    assert np.allclose(head_object.expression_of(obj), params, atol=1e-4)


def test_another_person_moves_by_the_same_equations(scene, default):
    obj = head_object.add_head(scene, default, identity_seed=7, identity_strength=0.8)
    identity = head_object.identity_of_seed(default, 7, 0.8)
    params = parameters(5)
    head_object.set_expression(obj, params)
    expected = deform(default, params[None], identity=identity)[0]
    assert np.abs(evaluated(obj) - expected).max() < TOLERANCE
    assert np.abs(expected - deform(default, params[None])[0]).max() > 1e-3


def test_neck_eyes_and_arkit_keys_move_it_too(scene, default):
    obj = head_object.add_head(scene, default)
    rng = np.random.default_rng(0)
    params, neck, eyes = parameters(2), rng.normal(0, 0.2, (1, 3)), rng.normal(0, 0.2, (1, 2, 3))
    head_object.set_expression(obj, params)
    bones = head_object.armature_of(obj).pose.bones
    bones["neck"].rotation_quaternion = to_quaternions(neck)[0]
    bones["eye_l"].rotation_quaternion = to_quaternions(eyes[0])[0]
    bones["eye_r"].rotation_quaternion = to_quaternions(eyes[0])[1]
    arkit = np.zeros((1, len(spaces.ARKIT_NAMES)), dtype=np.float32)
    arkit[0, ::7] = 0.6
    for name, value in zip(spaces.ARKIT_NAMES, arkit[0].tolist(), strict=True):
        head_object.mesh_keys(obj).key_blocks[name].value = value
    head_object.mesh_keys(obj).update_tag()
    expected = deform(default, params[None], arkit=arkit, neck=neck, eyes=eyes)[0]
    assert np.abs(evaluated(obj) - expected).max() < TOLERANCE


def test_correctives_are_simple_expressions_that_blender_accepts(scene, default):
    obj = head_object.add_head(scene, default)
    drivers = head_object.mesh_keys(obj).animation_data.drivers
    assert len(drivers) == default.jaw_correctives.any(axis=(1, 2)).sum()
    for curve in drivers:
        assert curve.is_valid and curve.driver.is_valid
        assert curve.driver.is_simple_expression
    # with a turned jaw the key carries its entry of R - I
    params = np.r_[np.zeros(52), [0.4, 0.1, -0.1]].astype(np.float32)
    head_object.set_expression(obj, params)
    bpy.context.view_layer.update()
    keys = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.shape_keys.key_blocks
    assert keys["jaw_corrective_21"].value == pytest.approx(jaw_rotation(params[None])[0, 2, 1], abs=1e-5)


def test_sliders_take_every_coefficient(scene, default):
    obj = head_object.add_head(scene, default)
    blocks = head_object.mesh_keys(obj).key_blocks
    for name in spaces.EXPRESSION_NAMES:
        for value in (-9.5, 9.5):
            blocks[name].value = value
            assert blocks[name].value == pytest.approx(value)
    for name in spaces.ARKIT_NAMES:
        assert (blocks[name].slider_min, blocks[name].slider_max) == (0.0, 1.0)
    for name in spaces.EYELID_NAMES:
        assert blocks[name].slider_min <= 0.0 and blocks[name].slider_max >= 1.0


def test_two_heads_share_nothing(scene, default):
    one, two = (head_object.add_head(scene, default) for _ in range(2))
    assert head_object.armature_of(one) != head_object.armature_of(two)
    assert not set(one.data.materials) & set(two.data.materials)
    before = evaluated(two)
    head_object.set_expression(one, parameters(3))
    assert np.abs(evaluated(two) - before).max() == 0
    assert np.abs(evaluated(one) - before).max() > 1e-3


def test_adding_a_head_leaves_the_scene_as_it_was(scene, default):
    other = bpy.data.objects.new("Other", None)
    scene.collection.objects.link(other)
    bpy.context.view_layer.objects.active = other
    head_object.add_head(scene, default)
    assert bpy.context.view_layer.objects.active == other
    assert bpy.context.mode == "OBJECT"


def test_a_head_is_found_from_its_parts(scene, default):
    obj = head_object.add_head(scene, default)
    rig = head_object.armature_of(obj)
    assert head_object.head_of(obj) == head_object.head_of(rig) == obj
    assert head_object.head_of(None) is None
    stranger = bpy.data.objects.new("Empty", None)
    assert head_object.head_of(stranger) is None and not head_object.is_head(stranger)
    assert head_object.hash_of(obj) == default.hash and head_object.space_of(obj) == default.space


def test_a_lost_armature_is_named(scene, default):
    obj = head_object.add_head(scene, default)
    bpy.data.objects.remove(head_object.armature_of(obj))
    with pytest.raises(EiferError, match="armature"):
        head_object.armature_of(obj)


def test_axis_angles_and_quaternions_are_each_others_inverse():
    vectors = np.random.default_rng(1).normal(0, 0.8, (50, 3))
    vectors[0] = 0.0
    assert np.allclose(to_axis_angles(to_quaternions(vectors)), vectors, atol=1e-5)
    assert np.allclose(from_blender(to_blender(vectors)), vectors)


REOPEN = """
import sys, bpy, numpy as np
bpy.ops.wm.open_mainfile(filepath=sys.argv[1], use_scripts=False)
assert not any(name.startswith("eifer") for name in sys.modules)
for frame in (1, 12, 20):
    bpy.context.scene.frame_set(frame)
    obj = bpy.data.objects["EIFER Head"]
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    points = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    np.save(f"{sys.argv[2]}/{frame}.npy", points.reshape(-1, 3))
"""


def test_a_saved_animation_plays_the_same_without_the_extension(scene, default, tmp_path):
    obj = head_object.add_head(scene, default)
    rig = head_object.armature_of(obj)
    for frame, seed in ((1, 0), (20, 1)):
        head_object.set_expression(obj, parameters(seed))
        for name in (*spaces.EXPRESSION_NAMES, *spaces.EYELID_NAMES):
            head_object.mesh_keys(obj).key_blocks[name].keyframe_insert("value", frame=frame)
        rig.keyframe_insert(head_object.jaw_bone_path(), frame=frame)
    expected = {}
    for frame in (1, 12, 20):
        scene.frame_set(frame)
        expected[frame] = to_blender(evaluated(obj))
    file = tmp_path / "head.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(file), copy=True)
    subprocess.run([sys.executable, "-c", REOPEN, str(file), str(tmp_path)], check=True, capture_output=True)
    for frame, points in expected.items():
        assert np.abs(np.load(tmp_path / f"{frame}.npy") - points).max() < 1e-6


def test_the_portrait_frames_the_head_wherever_it_stands(scene, default):
    obj = head_object.add_head(scene, default)
    head_object.armature_of(obj).location = (1.0, 2.0, 3.0)
    bpy.context.view_layer.update()
    camera = render.setup_portrait(scene, obj, resolution=(640, 480))
    bpy.context.view_layer.update()
    points = np.array([obj.matrix_world @ v.co for v in list(obj.data.vertices)[::50]])
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    seen = np.array([world_to_camera_view(scene, camera, Vector(p))[:] for p in points])
    assert seen[:, :2].min() > 0.0 and seen[:, :2].max() < 1.0
    assert seen[:, 2].min() > 0.0
    assert np.ptp(seen[:, 1]) > 0.7
