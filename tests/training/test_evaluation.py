"""The scores mean what they say: every definition on cases made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.spaces import DEFAULT_SPACE, EYELIDS, JAW
from eifer_blender.training import scores, waters
from eifer_blender.training.surface import GROUPS, REGIONS, displacements, face_surface, face_vertices


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def surface(head):
    return face_surface(head)


def faces(count, seed=0, size=0.5):
    """Random parameters that change slowly."""
    rng = np.random.default_rng(seed)
    params = np.zeros((count, DEFAULT_SPACE.size), np.float32)
    params[:, :50] = size * rng.standard_normal((1, 50)) * np.sin(np.linspace(0, 6, count))[:, None]
    params[:, EYELIDS] = 0.3
    params[:, JAW.start] = np.linspace(0, 0.3, count)
    return params


# --- the surface ----------------------------------------------------------------------------------


def test_displacements_are_those_of_the_whole_head_in_millimetres(head, surface):
    params = faces(300)
    field = np.concatenate([block for _, block in displacements(surface, params)])
    rest = deform(head, np.zeros_like(params[:1]))
    whole = ((deform(head, params[[0, 150, 299]]) - rest) * 1000)[:, face_vertices(head)]
    np.testing.assert_allclose(field[[0, 150, 299]], whole, atol=2e-3)


def test_every_region_is_scored_over_its_own_vertices(head, surface):
    face = face_vertices(head)
    for column, name in enumerate(REGIONS):
        members = surface.mean_of[:, column] > 0
        np.testing.assert_array_equal(members, head.regions[name][face])
        assert surface.mean_of[:, column].sum() == pytest.approx(1, abs=1e-4)
    assert sorted(r for group in GROUPS.values() for r in group) == sorted(REGIONS)


# --- errors of faces ------------------------------------------------------------------------------


def test_a_perfect_face_has_no_error(surface):
    params = faces(40)
    result = scores.face_errors(surface, params, params)
    assert not result.error.any() and not result.jaw.any()
    assert scores.percentile_mm(result.spread) < 0.02
    np.testing.assert_array_equal(result.bend, result.true_bend)


def test_the_resting_face_has_a_relative_error_of_one(surface):
    params = faces(60)
    result = scores.face_errors(surface, params * 0, params)
    np.testing.assert_allclose(result.error, result.moved, atol=1e-3)
    total, count = scores.relative_error(result.error, result.moved)
    assert count > 50 and total / count == pytest.approx(1, abs=1e-3)


def test_errors_are_mean_vertex_distances_of_each_region(head, surface):
    true = faces(30)
    predicted = 0.7 * true
    result = scores.face_errors(surface, predicted, true)
    distance = np.linalg.norm(deform(head, predicted) - deform(head, true), axis=-1) * 1000
    moved = np.linalg.norm(deform(head, true) - deform(head, true[:1] * 0), axis=-1) * 1000
    face = face_vertices(head)
    for column, name in enumerate(REGIONS):
        region = face & head.regions[name]
        np.testing.assert_allclose(result.error[:, column], distance[:, region].mean(1), atol=2e-3)
        np.testing.assert_allclose(result.moved[:, column], moved[:, region].mean(1), atol=2e-3)
    np.testing.assert_allclose(result.error[:, -1], distance[:, face].mean(1), atol=2e-3)
    assert scores.percentile_mm(result.spread) == pytest.approx(
        np.percentile(distance[:, face], 95), abs=0.02
    )


def test_blocks_of_frames_make_no_seams(surface):
    true, predicted = faces(600), faces(600, seed=1)
    whole = scores.face_errors(surface, predicted, true)
    late = scores.face_errors(surface, predicted[200:], true[200:])
    np.testing.assert_allclose(whole.error[200:], late.error, atol=1e-3)
    np.testing.assert_allclose(whole.bend[200:], late.bend, atol=1e-3)
    assert len(whole.bend) == 598


def test_the_jaw_is_scored_by_the_angle_between_rotations(surface):
    true, predicted = np.zeros((2, 2, DEFAULT_SPACE.size), np.float32)
    true[:, JAW] = [[0.3, 0, 0], [0.3, 0, 0]]
    predicted[:, JAW] = [[0.1, 0, 0], [0, 0.2, 0]]
    result = scores.face_errors(surface, predicted, true)
    np.testing.assert_allclose(result.opening, np.degrees([0.3, 0.3]), rtol=1e-4)
    # Rodrigues: cos(angle / 2) of two turns about right-angled axes is the product of their cosines.
    crossed = 2 * np.arccos(np.cos(0.15) * np.cos(0.1))
    np.testing.assert_allclose(result.jaw, np.degrees([0.2, crossed]), rtol=1e-4)


def test_jitter_is_the_second_difference_of_the_vertices(surface):
    params = np.zeros((3, DEFAULT_SPACE.size), np.float32)
    params[1, 0] = 1.0
    result = scores.face_errors(surface, params, params * 0)
    moved = np.concatenate([block for _, block in displacements(surface, params)])[1]
    rms = np.sqrt((4 * moved**2).sum(-1).mean())
    assert result.bend == pytest.approx([rms], rel=1e-4) and not result.true_bend.any()


def test_only_frames_in_which_the_region_moves_count():
    error = np.array([1.0, 1.0, 3.0, 9.0])
    moved = np.array([2.0, 4.0, 6.0, 1.99])
    assert scores.relative_error(error, moved) == (pytest.approx(0.5 + 0.25 + 0.5), 3)
    assert scores.relative_error(error, moved * 0) == (0.0, 0)


def test_pooling_weighs_frames_and_takes_its_error_from_subjects():
    mean, se = scores.pooled([(1.0, 10), (6.0, 20)])
    assert mean == pytest.approx(7 / 30)
    assert se == pytest.approx(np.sqrt(0.5 * 2 * ((0.3 - 0.1) / 2) ** 2))
    # Equal counts: the jackknife is the standard error of a mean.
    values = np.array([0.1, 0.3, 0.2, 0.6])
    mean, se = scores.pooled([(v * 50, 50) for v in values])
    assert mean == pytest.approx(values.mean()) and se == pytest.approx(values.std(ddof=1) / 2)
    assert np.isnan(scores.pooled([(0.0, 0)])).all()


def test_the_band_of_normal_errors_holds_eighty_percent():
    rng = np.random.default_rng(0)
    sd = rng.uniform(0.5, 2, (20_000, 2))
    inside = scores.covered(np.zeros_like(sd), sd, rng.standard_normal(sd.shape) * sd)
    np.testing.assert_allclose(inside.mean(0), 0.8, atol=0.01)


# --- scores of muscle activity --------------------------------------------------------------------


def test_rank_correlation_is_scipys_with_ties():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    true = np.round(rng.random((200, 3)), 1)
    predicted = np.round(true + 0.3 * rng.random((200, 3)), 1)
    expected = [spearmanr(predicted[:, k], true[:, k]).statistic for k in range(3)]
    np.testing.assert_allclose(scores.spearman(predicted, true), expected)


def test_rank_correlation_of_constants():
    line = np.arange(5.0)[:, None]
    assert scores.spearman(line * 0, line) == 0 and np.isnan(scores.spearman(line, line * 0))
    assert scores.spearman(line**3, line) == pytest.approx(1)
    assert scores.spearman(-line, line) == pytest.approx(-1)


def test_rmse_and_smape_of_known_pairs():
    predicted, true = np.array([[0.0], [0.3], [0.5]]), np.array([[0.0], [0.1], [0.5]])
    assert scores.rmse(predicted, true) == pytest.approx(np.sqrt(0.04 / 3))
    assert scores.smape(predicted, true) == pytest.approx(100 * (0 + 0.2 / 0.2 + 0) / 3)
    assert scores.smape(np.zeros((4, 1)), np.ones((4, 1))) == pytest.approx(200)


@pytest.mark.parametrize("shift", [-4, 0, 3])
def test_lag_is_positive_where_the_prediction_follows(shift):
    rng = np.random.default_rng(2)
    clips = [np.convolve(rng.random(200), np.ones(9) / 9, "valid") for _ in range(3)]
    true = [c[20:-20, None] for c in clips]
    predicted = [c[20 - shift : len(c) - 20 - shift, None] for c in clips]
    assert scores.lag(predicted, true) == shift


def test_lag_of_a_line_that_never_moves_is_unknown():
    clips = [np.arange(30.0)[:, None]]
    assert np.isnan(scores.lag([clips[0] * 0], clips)) and np.isnan(scores.lag(clips, [clips[0] * 0]))


# --- directions -----------------------------------------------------------------------------------


def test_direction_ignores_size_and_frames_at_rest():
    rng = np.random.default_rng(3)
    wanted = rng.standard_normal((4, 6, 3)) * 5
    wanted[3] *= 0.01
    own = wanted * np.array([0.5, 2.0, -1.0, 1.0])[:, None, None]
    assert scores.direction_cosine(own, wanted) == (pytest.approx(1.0), 3)
    assert scores.direction_cosine(wanted * 0, wanted) == (0.0, 3)
    assert scores.direction_cosine(wanted, wanted * 0) == (0.0, 0)


def test_correlation_along_the_main_direction():
    time = np.sin(np.linspace(0, 9, 80))
    wanted = time[:, None] * np.array([0.0, 3.0, 1.0]) + 0.01 * np.cos(np.linspace(0, 31, 80))[:, None]
    assert scores.movement_correlation(0.4 * wanted, wanted) == pytest.approx(1)
    assert scores.movement_correlation(-wanted, wanted) == pytest.approx(-1)
    assert scores.movement_correlation(wanted * 0, wanted) == 0
    assert np.isnan(scores.movement_correlation(wanted, wanted * 0))


# --- the second domain ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors(head):
    return waters.waters_field(head)


def pulled(head, vectors, **force):
    values = np.zeros((1, len(waters.FORCES)), np.float32)
    for name, amount in force.items():
        values[0, waters.FORCES.index(name)] = amount
    return waters.faces(head, vectors, values, np.arange(len(head.template)))[0] * 1000


# muscle of the left side, landmark, direction it moves in: outwards, up, forwards
PULLS = {
    "medial_frontalis_l": ("brow_inner_l", (0, 1, 0)),
    "lateral_frontalis_l": ("brow_outer_l", (0, 1, 0)),
    "corrugator_supercilii_l": ("brow_mid_l", (-1, -1, 0)),
    "depressor_supercilii_l": ("brow_inner_l", (0, -1, 0)),
    "levator_labii_superioris_l": ("nose_wing_l", (0, 1, 0)),
    "zygomaticus_l": ("mouth_corner_l", (1, 1, -1)),
    "depressor_anguli_oris_l": ("mouth_corner_l", (1, -1, 0)),
    "orbicularis_oris_l": ("mouth_corner_l", (-1, 0, 1)),
    "mentalis_l": ("chin", (0, 1, 0)),
    "orbicularis_oculi_l": ("lid_upper_l", (0, -1, 0)),
    "depressor_labii_l": ("lip_lower", (0, -1, 0)),
}


@pytest.mark.parametrize("muscle", PULLS)
def test_vector_muscles_pull_as_anatomy_has_it(head, vectors, muscle):
    landmark, direction = PULLS[muscle]
    field = pulled(head, vectors, **{muscle: 1.0})
    step = field[head.landmarks[landmark]]
    assert all(sign == 0 or amount * sign > 0.5 for amount, sign in zip(step, direction, strict=True))
    far = head.template[:, 0] < -0.03
    assert np.abs(field[far]).max() < 0.2


def test_the_second_domain_is_symmetric_and_rests(head, vectors):
    assert not np.abs(pulled(head, vectors)).max() > 1e-4
    left, right = (pulled(head, vectors, **{f"zygomaticus_{s}": 0.7}) for s in "lr")
    gap = left - right[head.mirror] * np.array([-1, 1, 1])
    assert np.linalg.norm(gap[head.regions["skin"]], axis=1).max() < 1.0


def test_some_vertices_of_the_second_domain_are_those_of_the_whole_head(head, vectors, surface):
    force = np.random.default_rng(4).random((3, len(waters.FORCES))).astype(np.float32)
    whole = waters.faces(head, vectors, force, np.arange(len(head.template)))
    np.testing.assert_allclose(
        waters.faces(head, vectors, force, surface.vertices), whole[:, surface.vertices], atol=1e-6
    )


def test_people_of_the_second_domain_are_repeatable_and_differ(head):
    one, again, other = (waters.make_person(head, n) for n in (1, 1, 2))
    first, second = waters.perform(one, 10, 5), waters.perform(again, 10, 5)
    np.testing.assert_array_equal(first.envelope_uv, second.envelope_uv)
    assert first.force.shape == (300, len(waters.FORCES)) and first.envelope_uv.shape == (300, 22)
    assert np.abs(one.field.pull - other.field.pull).max() > 1e-4
    assert np.isfinite(first.envelope_uv).all() and first.envelope_uv.min() > 0


def test_force_follows_activity(head):
    take = waters.perform(waters.make_person(head, 3), 60, 0)
    assert take.force.min() >= 0 and take.force.max() > 0.5
    column = waters.FORCES.index("zygomaticus_l")
    (late,) = scores.lag([take.envelope_uv[:, [column]]], [take.force[:, [column]]])
    assert -10 <= late <= -2
