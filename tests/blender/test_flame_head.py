"""A FLAME head in Blender: what it shows is what FLAME's equations say."""

from __future__ import annotations

import bpy
import flame_files
import numpy as np
import pytest

from eifer_blender.blender import head_data, head_object, identity
from eifer_blender.blender.space import from_blender, to_quaternions
from eifer_blender.heads.flame import from_arrays
from eifer_blender.heads.flame_head import FlameHead, flame_head
from eifer_blender.heads.head import JOINTS

PARENTS = [-1, 0, 1, 1, 1]


@pytest.fixture(scope="module")
def made() -> FlameHead:
    return flame_head(from_arrays(flame_files.flame_arrays()))


@pytest.fixture
def flame(made):
    obj = head_object.add_head(bpy.context.scene, made.head, name="FLAME", identity_keys=20)
    head_data.store(obj, made.head, made.from_default, made.to_default)
    return obj


def rotation(vector: np.ndarray) -> np.ndarray:
    """Rodrigues, written down once more."""
    angle = np.linalg.norm(vector)
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def flame_equations(arrays, lids, beta, psi, closed, jaw, neck, lids_last=False) -> np.ndarray:
    """FLAME as published, one pose at a time, from the plain arrays of the file."""
    shaped = arrays["v_template"] + arrays["shapedirs"][..., : len(beta)] @ beta
    shaped = shaped + arrays["shapedirs"][..., 300 : 300 + len(psi)] @ psi
    joints = arrays["J_regressor"] @ shaped
    turns = [np.eye(3), rotation(neck), rotation(jaw), np.eye(3), np.eye(3)]
    feature = np.concatenate([(turn - np.eye(3)).ravel() for turn in turns[1:]])
    closing = np.tensordot(closed, lids, 1)
    posed = shaped + arrays["posedirs"] @ feature + (0 if lids_last else closing)
    world = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    result = np.zeros_like(posed)
    for joint, matrix in enumerate(world):
        moved = (posed - joints[joint]) @ matrix[:3, :3].T + matrix[:3, 3]
        result += arrays["weights"][:, joint, None] * moved
    return result + (closing if lids_last else 0)


def shown_vertices(obj: bpy.types.Object) -> np.ndarray:
    """Evaluated vertices in the head's frame."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    depsgraph.update()
    mesh = obj.evaluated_get(depsgraph).data
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", flat)
    return from_blender(flat.reshape(-1, 3)).astype(np.float64)


def pose(obj, made, params, neck):
    head_object.set_expression(obj, params, made.head)
    rig = head_object.armature_of(obj)
    bone = rig.pose.bones["neck"]
    bone.rotation_quaternion = to_quaternions(neck[None])[0].tolist()
    bone.location = (
        head_object.joints_of(obj, made.head).locations("neck", neck[None], params[None])[0].tolist()
    )
    rig.update_tag()


def random_pose(random):
    params = np.zeros(55, np.float32)
    params[:50] = random.normal(size=50)
    params[50:52] = random.uniform(0, 1, 2)
    params[52] = random.uniform(0, 0.5)
    params[53:] = random.uniform(-0.2, 0.2, 2)
    return params, random.uniform(-0.5, 0.5, 3)


def test_posed_vertices_follow_flames_equations(flame, made):
    arrays, random = flame_files.flame_arrays(), np.random.default_rng(5)
    lids = made.head.eyelids.astype(np.float64)
    beta = random.normal(size=20)
    identity.set_identity(flame, beta)
    worst = 0.0
    for _ in range(100):
        params, neck = random_pose(random)
        pose(flame, made, params, neck)
        wanted = flame_equations(arrays, lids, beta, params[:50], params[50:52], params[52:], neck)
        worst = max(worst, np.linalg.norm(shown_vertices(flame) - wanted, axis=1).max())
    assert worst < 1e-4
    bones = head_object.armature_of(flame).data.bones
    shaped = arrays["v_template"] + arrays["shapedirs"][..., :20] @ beta
    for name, joint in zip(JOINTS, arrays["J_regressor"] @ shaped, strict=True):
        np.testing.assert_allclose(from_blender(np.array(bones[name].head_local)), joint, atol=1e-5)
