"""The scores mean what they say: every definition on cases made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eifer_blender import agreement
from eifer_blender.datasets import mmm
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.simulation.amplitude import Electrodes
from eifer_blender.simulation.population import HELD_OUT, make_subject
from eifer_blender.spaces import DEFAULT_SPACE, EYELIDS, JAW, ExpressionSpace
from eifer_blender.training import (
    activity_tables,
    assess,
    baselines,
    cards,
    data,
    methods,
    plan,
    recorded,
    report,
    robustness,
    scores,
    tables,
    takes,
    waters,
)
from eifer_blender.training.perceptron import train_perceptron
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
    far = head.template[:, 0] < -0.04
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
    (late,) = agreement.lag([take.envelope_uv[:, [column]]], [take.force[:, [column]]])
    assert -10 <= late <= -2


# --- baselines ------------------------------------------------------------------------------------


def linear_pairs(seed, noise=0.0):
    rng = np.random.default_rng(seed)
    weights = np.arange(12.0).reshape(4, 3)
    clips = [rng.random((60, 4)) for _ in range(3)]
    return [(x, x @ weights + 2.0 + noise * rng.standard_normal((60, 3))) for x in clips]


def test_ridge_finds_a_line_and_its_constant():
    fitted = baselines.ridge(baselines.moments(linear_pairs(0)), 1e-9)
    for given, wanted in linear_pairs(1):
        np.testing.assert_allclose(fitted.predict(given), wanted, atol=1e-3)


def test_ridge_of_some_channels_is_the_fit_to_those_alone():
    pairs, used = linear_pairs(2, 0.1), np.array([True, False, True, True])
    some = baselines.ridge(baselines.moments(pairs), 1e-2, used)
    alone = baselines.ridge(baselines.moments([(x[:, used], y) for x, y in pairs]), 1e-2)
    given = pairs[0][0]
    np.testing.assert_allclose(some.predict(given), alone.predict(given[:, used]), rtol=1e-4)
    assert not some.weights[1].any()


def test_the_strength_is_chosen_on_other_subjects():
    def square(gap):
        return float((gap**2).sum())

    clean = baselines.choose_strength(baselines.moments(linear_pairs(3)), linear_pairs(4), square)
    assert clean == min(baselines.STRENGTHS)
    rng = np.random.default_rng(5)
    nothing = [(rng.random((8, 4)), rng.standard_normal((8, 3)))]
    other = [(rng.random((200, 4)), rng.standard_normal((200, 3)))]
    assert baselines.choose_strength(baselines.moments(nothing), other, square) == max(baselines.STRENGTHS)


def test_the_mean_is_the_training_outputs():
    pairs = linear_pairs(6)
    expected = np.concatenate([y for _, y in pairs]).mean(0)
    np.testing.assert_allclose(baselines.mean_of(baselines.moments(pairs)), expected, rtol=1e-5)


def test_the_perceptron_learns_and_repeats_itself():
    pairs = [(x.astype(np.float32), y.astype(np.float32)) for x, y in linear_pairs(7)]
    first, second = (train_perceptron(pairs, None, 300, seed=3) for _ in range(2))
    given, wanted = pairs[0]
    assert np.abs(first(given) - wanted).mean() < 0.5
    np.testing.assert_array_equal(first(given), second(given))


# --- subjects as models meet them -----------------------------------------------------------------


@pytest.fixture(scope="module")
def material():
    return takes.make_material(make_subject(HELD_OUT[5]), 40.0, 30.0)


@pytest.fixture(scope="module")
def session(material):
    return takes.takes_of(material, Electrodes(snr_db=20.0))


def test_a_session_is_normalised_as_one_and_repeats_itself(material, session):
    first, second = session
    again = takes.takes_of(material, Electrodes(snr_db=20.0))
    for one, other in zip([*first, *second], [*again[0], *again[1]], strict=True):
        np.testing.assert_array_equal(one.activation, other.activation)
        assert one.activation.shape == (len(one.expression), 22) and one.present.all()
        assert one.activation.min() >= 0 and one.activation.max() <= 1
    assert sum(len(t.expression) for t in first) >= 30 * 29
    assert {t.task for t in second} >= {"happy", "Smile-Open"}


def test_electrodes_change_nothing_about_the_face(material, session):
    noisy = takes.takes_of(material, Electrodes(snr_db=0.0))[1]
    for one, other in zip(session[1], noisy, strict=True):
        np.testing.assert_array_equal(one.expression, other.expression)
    gaps = [
        np.abs(a.activation - b.activation)[a.moving].mean() for a, b in zip(session[1], noisy, strict=True)
    ]
    assert max(gaps) > 0.02


# --- assessing methods ----------------------------------------------------------------------------


def perfect(take):
    return assess.Faces(take.expression, np.full_like(take.expression, 0.1))


def resting(take):
    return assess.Faces(take.expression * 0)


def test_a_perfect_method_and_one_that_rests(surface, session):
    right, still = (
        [assess.subject_faces(surface, session[1], method) for _ in range(2)] for method in (perfect, resting)
    )
    assert assess.goal_error(right) == 0 and assess.goal_error(still) == pytest.approx(1, abs=1e-3)
    assert assess.mean_mm(right)[0] == 0 and assess.p95_mm(right) < 0.02
    assert assess.coverage(right) == (1, 1, 1) and assess.coverage(still) is None
    own, true, rest = assess.jitter(right)
    assert own == true > 0 and rest < own
    assert assess.jitter(still)[0] == 0
    jaw, jaw_open = assess.jaw_degrees(still)
    assert jaw_open > max(jaw, assess.OPEN_DEGREES) and assess.jaw_degrees(right) == (0, 0)


def test_movements_are_scored_by_name_and_natural_ones_by_kind(surface, session):
    one = assess.subject_faces(surface, session[1], resting)
    assert set(one.task) >= {"happy", "Forehead", "speech", "chewing", "free"}
    brow = assess.relative([one], GROUPS["brow"], "Forehead")
    assert brow[0] == pytest.approx(1, abs=1e-3) and np.isnan(brow[1])
    assert np.isnan(assess.relative([one], GROUPS["brow"], "no such movement")[0])


def test_activity_is_scored_against_the_processed_envelope(session):
    second = session[1]
    exact = assess.subject_activity(second, [t.activation for t in second])
    assert exact.rho == pytest.approx(np.ones(22)) and not exact.rmse.any() and not exact.lag.any()
    late = [np.concatenate([t.activation[:1].repeat(3, 0), t.activation[:-3]]) for t in second]
    assert np.median(assess.subject_activity(second, late).lag) == 3
    both = [exact, assess.subject_activity(second, [t.activation * 0 for t in second])]
    assert assess.over_subjects(both, "rho") == pytest.approx(np.full(22, 0.5))
    visible = activity_tables.visible(("masseter_l", "masseter_r"))
    sds = [np.full_like(t.activation, 0.2) for t in second]
    held = assess.subject_activity(second, [t.activation * 0 for t in second], sds).inside
    active = np.concatenate([t.activation for t in second])
    for column in range(22):
        moving = active[:, column][active[:, column] > assess.STILL_ACTIVITY]
        assert held[column] == pytest.approx((moving <= 0.2 * agreement.BAND).mean(), abs=1e-3)
    assert visible.sum() == 20 and assess.median_of([exact], "rho_moving", visible) == pytest.approx(1)


def test_channel_sets_are_as_large_as_they_say():
    sets = robustness.channel_sets()
    assert [int(name.split()[0]) for name in sets] == [present.sum() for present in sets.values()]
    assert sorted({int(p.sum()) for p in sets.values()}) == [4, 6, 8, 12, 16]
    assert (
        robustness.random_eight(0).sum()
        == 8
        != (robustness.random_eight(0) & robustness.random_eight(1)).sum()
    )


@pytest.mark.parametrize("rate", [24.0, 60.0])
def test_a_take_at_another_frame_rate_keeps_its_course(session, rate):
    take = max(session[1], key=lambda t: len(t.expression))
    other = robustness.at_rate(take, rate)
    assert len(other.expression) == pytest.approx(len(take.expression) * rate / 30, abs=2)
    at = np.arange(len(other.expression)) / rate
    expected = np.interp(at, np.arange(len(take.expression)) / 30, take.expression[:, 0])
    np.testing.assert_allclose(other.expression[:, 0], expected, atol=1e-4)
    assert len(other.activation) == len(other.moving) == len(at)


# --- tables and the whole -------------------------------------------------------------------------


def test_tables_store_what_they_print():
    made = tables.make_table(
        "x", "Title", "Note.", [("name", -1), ("mm", 2)], [["a", 1.23456], ["b", np.nan]]
    )
    assert tables.from_json(json.loads(json.dumps(tables.to_json(made)))) == made
    text = tables.to_markdown(made)
    assert "### Title" in text and "| a | 1.23 |" in text and "| b |  |" in text


def stand_ins():
    """A pair of models that are no good but have the shape of one."""
    rng = np.random.default_rng(8)
    weights = rng.standard_normal((22, DEFAULT_SPACE.size)).astype(np.float32) * 0.1

    def to_face(activation, present, rate):
        assert rate in (24.0, 30.0, 60.0)
        values = (activation * present) @ weights
        return assess.Faces(values, np.abs(values) + 0.1, (activation * present)[:, :8])

    def to_activity(expression, rate):
        values = np.clip(expression @ weights.T, 0, 1)
        return methods.Activity(values, values * 0 + 0.1)

    return methods.Models(to_face, to_activity, ("masseter_l", "masseter_r"))


@pytest.fixture(scope="module")
def report_tables(head):
    return report.evaluate(head, stand_ins(), TINY, lambda line: None)


TINY = plan.Plan(2, 17.0, 12.0, 1, 1, 12.0, 1, 20, 1)


def test_the_whole_evaluation_gives_every_table(report_tables):
    found = {t.name: t for t in report_tables}
    wanted = {name for names in cards._TABLES.values() for name in names}
    assert set(found) == wanted and report_tables[-1].name == "goals"
    assert [row[0] for row in found["regions"].rows] == [
        "model",
        "model, calibrated",
        "perceptron",
        "ridge",
        "mean",
    ]
    assert len(found["muscles"].rows) == 11 and len(found["sides"].rows) == len(REGIONS)
    for table in report_tables:
        assert table.rows, table.name
    met = {row[0]: row[3] for row in found["goals"].rows}
    assert met["brow: the model's relative error"] == "no" and len(met) == 17


def test_a_card_is_made_from_what_is_stored(report_tables):
    about = {
        "id": "some-model", "version": "7", "parameters": ["a"] * 55, "head": "the head", "head_hash": "f00",
        "space": "s", "envelope": "rms", "window_ms": 100.0, "preset": "Animation", "dynamics": "inside",
        "before": 12, "after": 12, "hidden": ["masseter_l"], "frame_rate": 30.0, "training": "the command",
        "data": "Simulated.", "seed": 3, "licence": "CC0-1.0",
    }  # fmt: skip
    model = {"sha256": "abc", "bytes": 4096, "metadata": about}
    stored = {
        "format": cards.FORMAT, "command": "c", "versions": "v", "protocol": "p",
        "models": dict.fromkeys((cards.EMG2EXP, cards.EXP2EMG), model),
        "tables": [tables.to_json(t) for t in report_tables],
    }  # fmt: skip
    for kind in (cards.EMG2EXP, cards.EXP2EMG):
        text = cards.card(kind, json.loads(json.dumps(stored)))
        assert "some-model 7" in text and "CC0-1.0" in text and "`abc`" in text
        assert "12 frames before and 12 after" in text
        assert all(len(line) < 120 for line in text.splitlines() if not line.startswith("|"))
    assert "masseter_l" in text


# --- a data set of one's own ----------------------------------------------------------------------


def own_dataset(space, subjects=4):
    """Faces that follow the activity exactly, in a space of that many parameters."""
    rng = np.random.default_rng(9)
    weights = rng.standard_normal((22, space.size)).astype(np.float32)
    clips = []
    for subject in range(subjects):
        for index, task in enumerate(("happy", "sad"), 1):
            at = np.linspace(0, 12, 240)[:, None]
            course = np.clip(np.sin(at * rng.uniform(0.8, 1.2, 22) + rng.uniform(0, 6, 22)), 0, 1)
            course[:40] = 0.0  # at rest, by which faces are compared
            envelope = (2.0 + 150.0 * course).astype(np.float32)
            face = (course @ weights).astype(np.float32)
            clips.append(mmm.ClipData(f"{subject:02d}", "1S", "emotion", task, index, envelope, face))
    return mmm.DataSet(tuple(clips), space, Path("none"), "made")


def resting_models(parameters):
    """A pair that always rests."""

    def to_face(activation, present, rate):
        values = np.zeros((len(activation), parameters), np.float32)
        return assess.Faces(values, values + 1)

    def to_activity(expression, rate):
        return methods.Activity(np.zeros((len(expression), 22), np.float32))

    return methods.Models(to_face, to_activity, ())


@pytest.mark.parametrize("own", [True, False])
def test_a_data_set_of_ones_own_is_scored_in_its_own_space(own):
    space = DEFAULT_SPACE if own else ExpressionSpace("flame-53", tuple(f"p{k}" for k in range(53)))
    dataset = own_dataset(space)
    found, sentence = recorded.evaluate_recorded(dataset, resting_models(space.size))
    names = [t.name for t in found]
    assert names == ["parameters", *(["face", "movements"] if own else []), "activity", "muscles"]
    rows = {row[0]: row[1:] for row in found[0].rows}
    assert rows["ridge"][0] < 0.3 and rows["ridge"][1] > 0.95  # the faces are linear in the activity
    assert rows["model"][1] == 0 and rows["model"][0] > 0.9 and rows["mean"][2] is None
    assert "test" in sentence


def test_one_direction_alone_can_be_scored():
    dataset = own_dataset(DEFAULT_SPACE)
    models = resting_models(55)._replace(to_face=None)
    assert [t.name for t in recorded.evaluate_recorded(dataset, models)[0]] == ["activity", "muscles"]


@pytest.mark.parametrize("split_by", ["auto", "task", "clip"])
def test_what_is_reported_on_was_not_trained_on(tmp_path, split_by):
    clips = [
        replace(one, task=f"{one.task}{number % 4}", index=number)
        for number, one in enumerate(own_dataset(DEFAULT_SPACE).clips)
    ]
    folder = mmm.write_dataset(tmp_path / "own", clips)
    seen = []

    def to_activity(expression, rate):
        seen.append(expression)
        return methods.Activity(np.zeros((len(expression), 22), np.float32))

    models = methods.Models(None, to_activity, ())
    recorded.evaluate_recorded(mmm.read_dataset(folder), models, split_by)
    found = data.read_data(folder, None, split_by)
    reported = {row.tobytes() for row in np.concatenate(seen) if row.any()}
    for part in (found.train, found.validation):
        assert len(part) and not reported & {row.tobytes() for row in part.expression}
