"""Calibration: what examples ask for is done, what they do not agree on is not, and rest stays rest."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx_made
import pytest

from eifer_blender import examples, mapping, pipeline, signals, spaces
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.heads.metric import face_vertices, vertex_metric
from eifer_blender.mapping import calibration
from eifer_blender.movements import MOVEMENTS
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS
from eifer_blender.pipeline import TakeMark

FEATURES = 12
NAMES = spaces.DEFAULT_SPACE.names


@pytest.fixture(scope="module")
def metric():
    return vertex_metric(load_default_head())


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("onnxruntime")
    return mapping.load_model(head=load_default_head())


def made(features, predicted, wanted, groups=None):
    count = len(features)
    groups = np.arange(count) if groups is None else np.asarray(groups)
    names = tuple(f"frame {n}" for n in range(groups.max() + 1))
    return calibration.Examples(features, predicted, wanted, groups, np.ones(count), names)


@pytest.fixture
def person(metric):
    """A function that makes examples of one person whose muscles differ from the model's by `update`."""
    rng = np.random.default_rng(4)
    update = rng.normal(size=(FEATURES, len(NAMES))) @ np.linalg.inv(metric)
    update[:, 50:] = 0.0

    def examples_of(count, noise=0.0, seed=0):
        own = np.random.default_rng(seed)
        features = own.uniform(0.0, 1.0, (count, FEATURES)) * (own.random((count, FEATURES)) < 0.4)
        predicted = own.normal(size=(count, len(NAMES))) * 0.1
        predicted[:, 50:] = 0.05
        wanted = predicted + features @ update
        wanted[:, :50] += noise * own.normal(size=(count, 50))
        return made(features, predicted, wanted)

    return examples_of


def error(calibrated, examples_, metric):
    return np.sqrt((((calibrated - examples_.wanted) @ metric) ** 2).sum(1).mean())


# --- the fit --------------------------------------------------------------------------------------


def test_a_known_change_is_found_from_few_examples(person, metric):
    fitted = calibration.fit(person(20), metric, NAMES)
    unseen = person(200, seed=1)
    after = calibration.apply(fitted, unseen.predicted, unseen.features)
    assert error(after, unseen, metric) < 0.3 * error(unseen.predicted, unseen, metric)
    assert fitted.after < 0.15 * fitted.before and fitted.left_out < 0.6 * fitted.before


def test_the_errors_are_millimetres_on_the_face(metric):
    head = load_default_head()
    features, predicted = np.ones((1, 2)), np.zeros((1, len(NAMES)))
    wanted = predicted.copy()
    wanted[0, :3] = 1.0, -0.5, 0.7
    moved = (deform(head, wanted.astype(np.float32)) - head.template)[0, face_vertices(head)] * 1000
    fitted = calibration.fit(made(features, predicted, wanted), metric, NAMES)
    assert fitted.before == pytest.approx(np.sqrt((moved**2).sum(1).mean()), rel=1e-3)
    assert fitted.groups[0].before == pytest.approx(fitted.before)
    assert fitted.left_out is None and "add a second" in calibration.describe(fitted)


def test_examples_without_a_common_cause_change_nothing(metric):
    rng = np.random.default_rng(0)
    features = rng.uniform(0.3, 1.0, (12, FEATURES))
    predicted = np.zeros((12, len(NAMES)))
    wanted = rng.normal(size=predicted.shape) @ np.linalg.inv(metric) * 0.3
    fitted = calibration.fit(made(features, predicted, wanted), metric, NAMES)
    assert not fitted.changes and not fitted.update.any()
    np.testing.assert_array_equal(
        calibration.apply(fitted, predicted, features), np.clip(predicted, *calibration.limits(NAMES))
    )
    assert "do not agree" in calibration.describe(fitted)


def test_poses_of_different_movements_are_followed_although_none_helps_another(metric):
    features = np.eye(3, FEATURES)
    wanted = np.zeros((3, len(NAMES)))
    wanted[np.arange(3), np.arange(3)] = 1.0
    fitted = calibration.fit(made(features, np.zeros_like(wanted), wanted), metric, NAMES)
    assert fitted.changes and fitted.after < 0.15 * fitted.before
    assert fitted.left_out == pytest.approx(fitted.before)


def test_a_group_counts_once_however_many_rows_it_has(metric):
    features = np.repeat(np.eye(2, FEATURES), (1, 50), axis=0)
    wanted = np.ones((51, len(NAMES))) * 0.1
    once = calibration.fit(made(features[:2], 0 * wanted[:2], wanted[:2]), metric, NAMES)
    often = calibration.fit(made(features, 0 * wanted, wanted, [0] + [1] * 50), metric, NAMES)
    np.testing.assert_allclose(once.update, often.update, atol=1e-6)


def test_rest_stays_exactly_neutral(person, metric):
    fitted = calibration.fit(person(8), metric, NAMES)
    rest = calibration.apply(fitted, np.zeros((4, len(NAMES))), np.zeros((4, FEATURES)))
    assert not rest.any()


def test_no_face_is_changed_by_more_than_an_example_asked_for(metric):
    """A faint movement that is asked to do much must not explode where the muscle is strong."""
    features, predicted = np.full((1, 1), 0.2), np.zeros((1, len(NAMES)))
    wanted = predicted.copy()
    wanted[0, 0] = 1.0
    fitted = calibration.fit(made(features, predicted, wanted), metric, NAMES)
    strong = calibration.apply(fitted, np.zeros((1, len(NAMES))), np.full((1, 1), 5.0))
    assert np.linalg.norm(strong @ metric) <= fitted.before * 1.001


def test_lids_and_jaw_stay_within_their_limits(metric):
    features, predicted = np.ones((1, 1)), np.zeros((1, len(NAMES)))
    wanted = predicted.copy()
    wanted[0, spaces.EYELIDS], wanted[0, spaces.JAW.start] = 3.0, 2.0
    fitted = calibration.fit(made(features, predicted, wanted), metric, NAMES)
    face = calibration.apply(fitted, np.zeros((1, len(NAMES))), features)[0]
    assert face[spaces.EYELIDS].tolist() == [1.0, 1.0]
    assert face[spaces.JAW.start] == pytest.approx(spaces.JAW_LIMITS[0][1])


def test_the_strength_is_a_share_of_the_change(person, metric):
    data = person(8)
    fitted = calibration.fit(data, metric, NAMES)
    whole = calibration.apply(fitted, data.predicted, data.features) - data.predicted
    half = calibration.apply(replace(fitted, strength=0.5), data.predicted, data.features) - data.predicted
    np.testing.assert_allclose(half[:, :50], whole[:, :50] / 2, atol=1e-6)


@pytest.mark.parametrize("features, say", [(np.zeros((1, 3)), "muscle activity"), ([[np.nan, 1]], "number")])
def test_examples_that_cannot_be_learnt_from_are_refused(metric, features, say):
    face = np.zeros((1, len(NAMES)))
    with pytest.raises(EiferError, match=say):
        calibration.fit(made(np.asarray(features, float), face, face + 1), metric, NAMES)


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture
def fitted(person, metric):
    return calibration.for_model(calibration.fit(person(6), metric, NAMES), "a model", "ab" * 32)


def test_a_file_gives_the_same_faces_again(fitted, person, metric, tmp_path):
    calibration.write(tmp_path / "c.json", fitted)
    again = calibration.read(tmp_path / "c.json", metric)
    data = person(5, seed=9)
    np.testing.assert_allclose(
        calibration.apply(again, data.predicted, data.features),
        calibration.apply(fitted, data.predicted, data.features),
        atol=1e-4,
    )
    assert again.groups == fitted.groups and again.model_sha256 == fitted.model_sha256
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


def test_a_file_is_never_overwritten_unasked(fitted, metric, tmp_path):
    path = tmp_path / "c.json"
    path.write_text("mine")
    with pytest.raises(EiferError, match="exists already"):
        calibration.write(path, fitted)
    assert path.read_text() == "mine"
    calibration.write(path, fitted, replace_file=True)
    assert calibration.read(path, metric).groups == fitted.groups


SPOILT = {
    "no object": lambda data: 3,
    "another format": lambda data: data | {"eifer_calibration": 99},
    "infinite": lambda data: data | {"update": [[float("inf")] * 55]},
    "no number": lambda data: data | {"update": [[float("nan")] * 55]},
    "text": lambda data: data | {"update": [["x"] * 55]},
    "ragged": lambda data: data | {"update": [[0.0] * 55, [0.0]]},
    "too many rows": lambda data: data | {"update": [[0.0] * 55] * 1000},
    "too few columns": lambda data: data | {"update": [[0.0] * 54]},
    "another space": lambda data: data | {"update": [[0.0]], "parameters": ["a"]},
    "negative bound": lambda data: data | {"bound_mm": -1},
    "no model": lambda data: {k: v for k, v in data.items() if k != "model"},
    "nested": lambda data: data | {"examples": [[["x"], 1, 1]]},
    "huge integer": lambda data: data | {"bound_mm": 10**400},
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_file_is_one_sentence(fitted, metric, tmp_path, what):
    data = SPOILT[what](json.loads(calibration.to_json(fitted)))
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data))
    with pytest.raises(EiferError, match=r"^'c\.json' cannot be used\. [^\n]+\.$"):
        calibration.read(path, metric)


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe\x00", b"[" * 100_000, b"0" * (5 << 20)])
def test_a_file_that_is_something_else_is_one_sentence(metric, tmp_path, raw):
    path = tmp_path / "c.json"
    path.write_bytes(raw)
    with pytest.raises(EiferError, match=r"^'c\.json' cannot be used\. [^\n]+\.$"):
        calibration.read(path, metric)
    with pytest.raises(EiferError, match="cannot be read"):
        calibration.read(tmp_path / "none.json", metric)


# --- poses and labelled movements through a model -------------------------------------------------


def activation_of(values, present=True, fps=24.0):
    values = np.asarray(values, np.float32)
    mask = np.broadcast_to(present, values.shape).copy()
    return signals.Activation(values, np.full_like(values, np.nan), mask, fps)


def course(movements, seconds=3.0, fps=24.0, weight=1.0):
    """Activation that goes through movements one after another with rests, and the marks of each."""
    frames = int(seconds * fps)
    rise = np.clip(np.minimum(np.arange(frames), np.arange(frames)[::-1]) / (0.5 * fps), 0, 1)[:, None]
    parts, marks = [], []
    for name in movements:
        at = sum(map(len, parts))
        marks.append(TakeMark(at, name, at + frames))
        parts += [rise * MOVEMENTS[name] * weight, np.zeros((int(fps), CHANNEL_COUNT))]
    return np.concatenate(parts), tuple(marks)


def test_a_pose_changes_its_moment_and_less_what_other_muscles_do(model, metric):
    values, _ = course(["Smile-Closed", "Forehead"])
    activation = activation_of(values)
    plain = pipeline.express_take(activation, model, 1.0, 0.0).parameters
    smile, brow, rest = 36, 36 + 96, 84
    wanted = plain[smile].copy()
    wanted[:5] += 0.8
    pose = examples.pose_at("frame 37", wanted, activation, smile)
    made_, notes = examples.calibrate(model, examples.Material(poses=(pose,)), metric)
    after = pipeline.express_take(activation, model, 1.0, 0.0, calibration=made_).parameters
    assert notes == []
    assert mm(after[smile] - wanted, metric) < 0.3 * mm(plain[smile] - wanted, metric)
    assert mm(after[brow] - plain[brow], metric) < 0.3 * mm(wanted - plain[smile], metric)
    assert not after[rest].any()


@pytest.fixture
def late(tmp_path):
    """A model that sees neighbouring frames and gives features: the first three channels, 100 ms later."""
    pytest.importorskip("onnxruntime")
    path = tmp_path / "late.onnx"
    path.write_bytes(onnx_made.emg2exp({-3: 1.0}, before=4, after=2))
    return mapping.load_model(path)


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0])
def test_a_model_with_features_over_time_is_calibrated_through_them(late, metric, fps):
    seconds = np.arange(round(8 * fps)) / fps
    values = np.zeros((len(seconds), CHANNEL_COUNT))
    values[:, 0] = 0.8 * np.maximum(np.cos(2 * (seconds - 2)), 0) * (seconds < 4)
    values[:, 7] = 0.8 * np.maximum(np.cos(2 * (seconds - 6)), 0) * (seconds > 4)  # no feature tells of it
    activation = activation_of(values, fps=fps)
    plain = pipeline.express_take(activation, late, 1.0, 0.0).parameters
    moment, other = round(2.1 * fps), round(6.1 * fps)
    same = examples.pose_at("frame 1", plain[moment], activation, moment)
    assert examples.calibrate(late, examples.Material((same,)), metric)[0].before < 0.02
    wanted = plain[moment].copy()
    wanted[20:30] = 0.5
    pose = examples.pose_at("frame 1", wanted, activation, moment)
    made_, _ = examples.calibrate(late, examples.Material((pose,)), metric)
    assert made_.update.shape == (3, len(NAMES))
    after = pipeline.express_take(activation, late, 1.0, 0.0, calibration=made_).parameters
    assert mm(after[moment] - wanted, metric) < 0.2 * mm(plain[moment] - wanted, metric)
    np.testing.assert_allclose(after[other], plain[other], atol=1e-5)
    assert not after[-1].any()


def mm(step, metric):
    return float(np.linalg.norm(step @ metric))


def test_a_pose_keeps_what_it_needs_when_it_is_stored(model, metric):
    values, _ = course(["happy"])
    pose = examples.pose_at("frame 31", np.full(55, 0.1), activation_of(values), 30)
    again = examples.pose_from_json(examples.pose_to_json(pose))
    assert (again.name, again.fps, again.row) == (pose.name, pose.fps, pose.row)
    made_ = [examples.calibrate(model, examples.Material(poses=(p,)), metric)[0] for p in (pose, again)]
    np.testing.assert_allclose(made_[0].update, made_[1].update, atol=5e-3)
    for text in ("", "{}", "[1]", examples.pose_to_json(pose).replace('"row": 30', '"row": 3000')):
        with pytest.raises(EiferError, match="damaged"):
            examples.pose_from_json(text)


def test_a_pose_at_rest_is_refused(model):
    values, _ = course(["happy"])
    with pytest.raises(EiferError, match="frame 90 the muscles are at rest"):
        examples.pose_at("frame 90", np.ones(55), activation_of(values), 89)
    unknown = activation_of(values, present=False)
    with pytest.raises(EiferError, match="at rest"):
        examples.pose_at("frame 30", np.ones(55), unknown, 30)


def test_poses_that_contradict_each_other_are_named(model, metric):
    values, _ = course(["happy", "happy", "sad"])
    activation = activation_of(values)
    face = pipeline.express_take(activation, model, 1.0, 0.0).parameters
    first, second, third = 36, 36 + 96, 36 + 192
    frown, smile = face[first].copy(), face[first].copy()
    frown[:4] -= 1.0
    smile[:4] += 1.0
    poses = tuple(
        examples.pose_at(f"frame {row + 1}", wanted, activation, row)
        for row, wanted in ((first, frown), (third, face[third] * 1.3), (second, smile))
    )
    with pytest.raises(EiferError, match=r"At frame 37 and frame 133 the muscles look alike .* \d\.\d mm; "):
        examples.calibrate(model, examples.Material(poses=poses), metric)
    examples.calibrate(model, examples.Material(poses=poses[:2]), metric)


def test_a_pose_is_measured_with_gain_and_smoothing(model, metric):
    """The take that shall look like this was made with them."""
    values, _ = course(["happy"], weight=0.5)
    activation = activation_of(values)
    take = pipeline.express_take(activation, model, 1.6, 40.0)
    pose = examples.pose_at("frame 37", take.parameters[36], activation, 36)
    made_, _ = examples.calibrate(model, examples.Material((pose,), gain=1.6, smoothing_ms=40.0), metric)
    assert made_.before == pytest.approx(0.0, abs=0.01)


def test_labels_name_movements_whatever_their_spelling():
    assert examples.movement_of("smile_open 2") == "Smile-Open"
    assert examples.movement_of("HAPPY") == "happy"
    assert examples.movement_of("happy hour") is None and examples.movement_of("") is None
    marks = (TakeMark(10, "happy"), TakeMark(30, "noise"), TakeMark(40, "sad", 60), TakeMark(70, "sad"))
    marks += (TakeMark(65, "Face-At-Rest", 66),)
    assert examples.labelled_movements(marks, 100, 24.0) == [
        ("happy", 10, 30),
        ("sad", 40, 60),
        ("sad", 70, 100),
    ]


def test_only_the_height_of_a_labelled_movement_counts():
    values, marks = course(["happy"])
    labelled = examples.labelled_movements(marks, len(values), 24.0)[0]
    rows = examples.plateau(activation_of(values), labelled)
    assert rows.min() >= 9 and rows.max() <= 62 and len(rows) > 40
    assert not len(examples.plateau(activation_of(values * 0.05), labelled))


def test_labelled_movements_take_crosstalk_out_of_the_face(model, metric):
    """Electrodes at the brow that also hear the smile: the labels say that the brow is still."""
    movements = ["Smile-Closed", "Lip-Pucker", "Depress-Lip", "Smile-Open", "Cheeks", "Snarl"]
    values, marks = course(movements, weight=0.8)
    true = pipeline.express_take(activation_of(values), model, 1.0, 0.0).parameters
    heard = values.copy()
    zygomaticus = heard[:, [CHANNELS.index(f"zygomaticus_{s}") for s in "lr"]]
    heard[:, [CHANNELS.index(f"corrugator_supercilii_{s}") for s in "lr"]] += 0.4 * zygomaticus
    activation = activation_of(heard)
    plain = pipeline.express_take(activation, model, 1.0, 0.0).parameters
    made_, notes = examples.calibrate(model, examples.Material(activation=activation, marks=marks), metric)
    after = pipeline.express_take(activation, model, 1.0, 0.0, calibration=made_).parameters
    smile = slice(30, 42)
    assert notes == [] and made_.changes
    assert mm((after - true)[smile], metric) < 0.85 * mm((plain - true)[smile], metric)


def test_a_one_sided_movement_stays_one_sided(model, metric):
    """The amplitude of each side is fitted: a paralysed side is not lifted because the label says smile."""
    values, marks = course(["Smile-Closed", "Smile-Open", "happy"])
    right = [i for i, name in enumerate(CHANNELS) if name.endswith("_r")]
    values[:, right] = 0.0
    activation = activation_of(values)
    plain = pipeline.express_take(activation, model, 1.0, 0.0).parameters
    made_, _ = examples.calibrate(model, examples.Material(activation=activation, marks=marks), metric)
    after = pipeline.express_take(activation, model, 1.0, 0.0, calibration=made_).parameters
    head = load_default_head()
    corner = head.landmarks["mouth_corner_r"]
    before, now = (deform(head, p[36:37])[0, corner] * 1000 for p in (plain, after))
    assert np.linalg.norm(now - before) < 0.5


def test_labels_that_do_not_fit_are_left_out_with_a_sentence(model, metric):
    values, marks = course(["happy", "Forehead", "Lip-Pucker"])
    wrong = (marks[0], TakeMark(marks[1].frame, "Depress-Lip", marks[1].end))
    wrong += (TakeMark(marks[2].end, "sad", marks[2].end + 20),)
    material = examples.Material(activation=activation_of(values), marks=wrong)
    made_, notes = examples.calibrate(model, material, metric)
    assert [group.name for group in made_.groups] == ["happy"]
    assert len(notes) == 2 and all("Nothing happens where the marks say" in note for note in notes)
    values = values + 0.25 * MOVEMENTS["Depress-Lip"] * (values[:, :1] > 0)  # beside a raised brow
    material = examples.Material(activation=activation_of(values), marks=wrong[:2])
    made_, notes = examples.calibrate(model, material, metric)
    assert [group.name for group in made_.groups] == ["happy"]
    assert notes == ["What the marks call Depress-Lip does not look like it; it is left out."]
    with pytest.raises(EiferError, match="nothing to calibrate from"):
        examples.calibrate(model, replace(material, marks=()), metric)


def test_a_calibration_of_another_model_is_refused(model, fitted):
    values, _ = course(["happy"])
    with pytest.raises(EiferError, match=r"the model 'a model', not with this .*calibrate again"):
        pipeline.express_take(activation_of(values), model, 1.0, 0.0, calibration=fitted)


def test_another_version_of_the_same_model_is_called_so(model, fitted):
    same_name = replace(fitted, model_id=model.metadata.id)
    with pytest.raises(EiferError, match="another version of the model"):
        calibration.check_model(same_name, model)
    calibration.check_model(replace(fitted, model_sha256=model.sha256), model)
