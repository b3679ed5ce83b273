"""A FLAME head in Blender: what it shows is what FLAME's equations say."""

from __future__ import annotations

import bpy
import flame_files
import numpy as np
import pytest

from eifer_blender import examples
from eifer_blender.blender import (
    bake,
    calibrating,
    head_data,
    head_object,
    identity,
    performance,
    session,
    takes,
)
from eifer_blender.blender.space import from_blender, to_quaternions
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.flame import from_arrays
from eifer_blender.heads.flame_head import FlameHead, flame_head
from eifer_blender.heads.head import JOINTS
from eifer_blender.muscles import CHANNELS

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


def test_smirk_adds_the_lids_after_the_bones_which_differs_by_the_turn_of_the_neck(flame, made):
    """docs/heads.md tells these millimetres."""
    arrays, random = flame_files.flame_arrays(), np.random.default_rng(6)
    lids = made.head.eyelids.astype(np.float64)
    worst = {}
    for turned in (0.0, 1.0):
        errors = []
        for _ in range(20):
            params, neck = random_pose(random)
            params[50:52], neck = 1.0, turned * 0.5 * neck / np.linalg.norm(neck)
            pose(flame, made, params, neck)
            smirk = flame_equations(arrays, lids, [], params[:50], params[50:52], params[52:], neck, True)
            errors.append(np.linalg.norm(shown_vertices(flame) - smirk, axis=1).max())
        worst[turned] = 1000 * np.max(errors)
    assert worst[0.0] < 0.1
    assert worst[1.0] == pytest.approx(3.9, abs=0.1)


# --- from a file, with the bundled models -----------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return flame_files.write_npz(tmp_path_factory.mktemp("flame") / "flame.npz")


@pytest.fixture
def opened(scene, file):
    """A FLAME head, chosen in the panel."""
    assert bpy.ops.eifer.add_flame_head(filepath=str(file), identity_keys=10) == {"FINISHED"}
    return scene.eifer.head


def at(frame):
    bpy.context.scene.frame_set(frame)


def corner_rise(obj, geometry):
    """Millimetres that the left and the right corner of the mouth have risen."""
    corners = [geometry.landmarks[f"mouth_corner_{side}"] for side in "lr"]
    return (shown_vertices(obj)[corners] - geometry.template[corners])[:, 1] * 1000


def test_a_recording_drives_a_flame_head_as_it_drives_the_default_one(scene, opened, sample):
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take()
    geometry = session.parametric_head(opened)
    bpy.ops.eifer.add_head()
    default = scene.eifer.head
    bpy.ops.eifer.bake_take()
    own, usual = [], []
    for frame in range(1, 385, 12):
        at(frame)
        own.append(corner_rise(opened, geometry))
        usual.append(corner_rise(default, session.parametric_head(default)))
    assert np.max(usual) > 3.0
    assert np.corrcoef(np.ravel(own), np.ravel(usual))[0, 1] > 0.97
    assert 0.7 < np.max(own) / np.max(usual) < 1.4


def test_its_animation_is_read_back_into_muscles(scene, opened, sample):
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.estimate_activity()
    bpy.ops.eifer.compare_activity()
    rho = [row.rho for row in opened.eifer.agreement if not row.reason]
    assert len(rho) == 20 and np.median(rho) > 0.9


def test_arkit_keys_are_there_and_lead_to_their_muscle(scene, opened):
    block = opened.data.shape_keys.key_blocks["mouthSmileLeft"]
    block.value = 1.0
    rise = corner_rise(opened, session.parametric_head(opened))
    assert rise[0] > 4 and rise[0] > 4 * abs(rise[1])
    bpy.ops.eifer.estimate_activity(pose=True)
    values = {f"est_{name}": opened[f"est_{name}"] for name in CHANNELS if f"est_{name}" in opened}
    assert max(values, key=values.get) == "est_zygomaticus_l"


def test_what_is_lost_of_each_expression_is_a_table(scene, opened, tmp_path):
    bpy.ops.eifer.save_residuals(filepath=str(tmp_path / "lost.csv"))
    lines = (tmp_path / "lost.csv").read_text().splitlines()
    rows = np.array([line.split(",")[1:] for line in lines[1:]], float)
    assert rows.shape == (55, 2) and 0 < np.median(rows[:50, 0]) < 0.2 and rows.max() < 3.0
    bpy.ops.eifer.add_head()
    with pytest.raises(RuntimeError, match="default head"):
        bpy.ops.eifer.save_residuals(filepath=str(tmp_path / "none.csv"))


def test_takes_go_to_heads_of_another_kind_and_back(scene, opened, sample):
    bpy.ops.eifer.add_head()
    default = scene.eifer.head
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take()
    frames = np.arange(20, 300, 10)
    wanted = performance.sample(default, scene, frames).parameters
    assert bpy.ops.eifer.copy_take(target=opened.name) == {"FINISHED"}
    scene.eifer.head = opened
    baked = performance.sample(opened, scene, frames).parameters
    bpy.ops.eifer.bake_take()
    np.testing.assert_allclose(performance.sample(opened, scene, frames).parameters, baked, atol=0.02)
    values, present = takes.read_activity(opened, opened.eifer.takes[0])
    assert present.any() and values.max() > 0.3
    opened.eifer.active_take = 0
    bpy.ops.eifer.copy_take(target=default.name)
    back = performance.sample(default, scene, frames).parameters
    metric = bake.face_effects(load_default_head())[:50].reshape(50, -1)
    apart = np.sqrt(
        ((1000 * (back - wanted)[:, :50] @ metric).reshape(len(frames), -1, 3) ** 2).sum(2).mean(1)
    )
    assert apart.max() < 1.0


def test_poses_for_the_calibration_are_read_in_the_models_space(scene, opened, sample):
    """A smile by an ARKit key is the same example on a FLAME head and on the default one."""
    bpy.ops.eifer.add_head()
    default = scene.eifer.head
    found = {}
    for head in (default, opened):
        scene.eifer.head = head
        bpy.ops.eifer.open_recording(filepath=str(sample))
        bpy.ops.eifer.bake_take()
        peak = int(np.nanargmax(takes.read_activity(head, takes.selected(head))[0][:, 12:14].mean(1)))
        scene.frame_set(takes.read_stamp(takes.selected(head))["start_frame"] + peak)
        found[head.name] = calibrating.use_current_pose(scene)
    faces = [examples.pose_from_json(row.data).wanted for row in found.values()]
    metric = bake.face_effects(load_default_head())[:50].reshape(50, -1)
    apart = np.abs(((faces[0] - faces[1])[:50] @ metric).reshape(-1, 3)).max() * 1000
    assert apart < 2.0


def test_the_heat_map_finds_its_electrodes(scene, opened):
    opened.data.shape_keys.key_blocks["mouthSmileLeft"].value = 1.0
    bpy.ops.eifer.estimate_activity(pose=True)
    bpy.ops.eifer.heat_map()
    assert opened.eifer.heat.show


def test_a_take_plays_flames_equations_with_the_jaws_joint(scene, opened, sample):
    bpy.ops.eifer.set_identity(filepath=str(write_identity(sample_person(1))))
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take()
    geometry = session.parametric_head(opened)
    assert worst_error(opened, geometry, sample_person(1), range(1, 385, 24)) < 1e-4
    # another person later: takes that are there stay exact
    bpy.ops.eifer.set_identity(filepath=str(write_identity(sample_person(2))))
    assert worst_error(opened, geometry, sample_person(2), range(1, 385, 24)) < 1e-4


def test_a_take_can_bring_its_own_person(scene, opened, sample):
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take(name="as the head")
    bpy.ops.eifer.bake_take(name="as another")
    path = write_identity(sample_person(3))
    bpy.ops.eifer.set_identity(filepath=str(path), for_take=True)
    geometry = session.parametric_head(opened)
    assert worst_error(opened, geometry, sample_person(3), range(1, 385, 48)) < 1e-4
    opened.eifer.active_take = 0
    bpy.ops.eifer.activate_take(index=0)
    assert worst_error(opened, geometry, np.zeros(10), range(1, 385, 48)) < 1e-4


def test_fits_of_flame_bring_parameters_and_person(scene, opened, tmp_path):
    groups = {"idt": 300, "exp": 50, "eyelid": 2, "jaw": 3, "pose": 3, "cam": 3}
    names = [f"{group}{k}" for group, count in groups.items() for k in range(count)]
    random = np.random.default_rng(0)
    table = np.zeros((20, len(names)))
    table[:, :10] = sample_person(4)
    table[:, 300:350] = random.normal(size=(20, 50)).cumsum(0) * 0.1
    table[:, 352] = np.linspace(0, 0.4, 20)
    rows = [",".join(["", *names])] + [",".join(map(str, [k, *row])) for k, row in enumerate(table.tolist())]
    path = tmp_path / "fit.csv"
    path.write_text("\n".join(rows))
    assert bpy.ops.eifer.estimate_from_file(filepath=str(path), fps=24.0) == {"FINISHED"}
    at(15)
    np.testing.assert_allclose(head_object.expression_of(opened)[:50], table[14, 300:350], atol=1e-5)
    geometry = session.parametric_head(opened)
    assert worst_error(opened, geometry, sample_person(4), range(1, 21, 4)) < 1e-4


def sample_person(seed):
    return np.random.default_rng(seed).normal(size=10)


def write_identity(person):
    path = bpy.app.tempdir + "person.npz"
    np.savez(path, shape=person)
    return path


def worst_error(obj, geometry, person, frames):
    """Metres between what plays and FLAME's equations for the parameters that play."""
    arrays, worst = flame_files.flame_arrays(), 0.0
    for frame in frames:
        at(frame)
        params = head_object.expression_of(obj).astype(np.float64)
        wanted = flame_equations(
            arrays, geometry.eyelids, person, params[:50], params[50:52], params[52:], np.zeros(3)
        )
        worst = max(worst, np.linalg.norm(shown_vertices(obj) - wanted, axis=1).max())
    return worst


def test_the_file_is_not_needed_again(scene, opened, sample, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "head.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    head_data.drop()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "head.blend"))
    scene = bpy.context.scene
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take()
    at(100)
    assert np.abs(head_object.expression_of(scene.eifer.head)).max() > 0.1


def test_the_preview_shows_it_too(scene, opened, sample):
    bpy.ops.eifer.open_recording(filepath=str(sample))
    rig = head_object.armature_of(opened)
    bpy.ops.eifer.preview()
    at(187)
    shown = head_object.expression_of(opened)
    place = list(rig.pose.bones["jaw"].location)
    assert np.abs(shown).max() > 0.3
    bpy.ops.eifer.preview()
    assert not head_object.expression_of(opened).any() and not any(rig.pose.bones["jaw"].location)
    bpy.ops.eifer.bake_take()
    at(187)
    np.testing.assert_allclose(head_object.expression_of(opened), shown, atol=1e-5)
    np.testing.assert_allclose(list(rig.pose.bones["jaw"].location), place, atol=1e-6)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04rubbish", "text", b"\x80\x04."])
def test_damaged_data_of_a_head_are_a_sentence(scene, opened, data):
    opened.data[head_data.PROPERTY] = data
    head_data.drop()
    with pytest.raises(RuntimeError, match=r"damaged; add it from its file again|vertices"):
        bpy.ops.eifer.estimate_activity(pose=True)


def test_a_wrong_file_adds_nothing(scene, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(RuntimeError, match="nothing was run"):
        bpy.ops.eifer.add_flame_head(filepath=str(path))
    assert not bpy.data.objects and not bpy.data.meshes
