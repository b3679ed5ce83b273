"""ARKit weights and the default head's parameters, each way, by what the face then looks like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eifer_blender.heads.arkit import arkit_parameters, from_arkit, to_arkit
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.heads.fitting import limited
from eifer_blender.heads.metric import face_vertices
from eifer_blender.spaces import ARKIT_NAMES, EXPRESSION, EYELIDS, JAW, JAW_LIMITS

GAZE = [n for n in ARKIT_NAMES if n.startswith("eyeLook")]
# What the head cannot do: it turns its jaw and does not shift it, and moves neither eyeballs nor tongue.
BEYOND = {"jawForward", "jawLeft", "jawRight", "mouthClose", "tongueOut", *GAZE}


@pytest.fixture(scope="module")
def head():
    return load_default_head()


def one(*names, weight=1.0):
    weights = np.zeros((1, 52), np.float32)
    weights[0, [ARKIT_NAMES.index(name) for name in names]] = weight
    return weights


def mirrored(names):
    return [n.replace("Left", "*").replace("Right", "Left").replace("*", "Right") for n in names]


def distance(head, parameters, weights):
    """Root mean square over the face, millimetres, by the deformation that everything else uses."""
    face = face_vertices(head)
    neutral = np.zeros((len(weights), 55), np.float32)
    wrong = deform(head, parameters)[:, face] - deform(head, neutral, arkit=weights)[:, face]
    return 1000 * np.sqrt(np.square(wrong).sum(-1).mean(-1))


def walk(frames, seed=3):
    """Smooth weights of shapes that the head can do, as a performance has them."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((frames, 52), np.float32)
    for k, name in enumerate(ARKIT_NAMES):
        if name not in BEYOND and rng.random() < 0.4:
            phase, speed = rng.uniform(0, 6), rng.uniform(0.01, 0.06)
            weights[:, k] = 0.6 * np.maximum(np.sin(phase + speed * np.arange(frames)), 0) ** 2
    return weights


def test_a_neutral_face_stays_exactly_neutral(head):
    there = from_arkit(head, np.zeros((3, 52), np.float32))
    assert np.all(there.parameters == 0) and np.all(there.residual_mm == 0)
    back = to_arkit(head, np.zeros((3, 55), np.float32))
    assert np.all(back.weights == 0) and np.all(back.residual_mm == 0)


@pytest.mark.parametrize("name", [n for n in ARKIT_NAMES if n not in BEYOND])
def test_each_shape_looks_the_same_in_parameters(head, name):
    weights = one(name)
    there = from_arkit(head, weights)
    assert distance(head, there.parameters, weights)[0] < 0.15
    back = to_arkit(head, there.parameters).weights[0]
    assert ARKIT_NAMES[int(back.argmax())] == name
    assert back.max() > 0.85
    assert np.sum(back > 0.05) == 1


def test_what_is_left_over_is_what_the_face_says(head):
    weights = np.concatenate([walk(20, seed) for seed in range(3)])
    there = from_arkit(head, weights)
    assert np.allclose(there.residual_mm, distance(head, there.parameters, weights), atol=1e-3)
    rng = np.random.default_rng(1)
    parameters = limited(rng.normal(0, 0.7, (20, 55)))
    back = to_arkit(head, parameters)
    assert np.allclose(back.residual_mm, distance(head, parameters, back.weights), atol=1e-3)


def test_an_open_jaw_is_the_jaw_alone(head):
    parameters = from_arkit(head, one("jawOpen")).parameters[0]
    assert 0.25 < parameters[JAW][0] < 0.4
    assert np.abs(parameters[EXPRESSION]).max() < 0.1
    assert distance(head, parameters[None], one("jawOpen"))[0] < 0.05
    half = np.zeros((1, 55), np.float32)
    half[0, JAW.start] = 0.16
    back = to_arkit(head, half)
    assert back.weights[0, ARKIT_NAMES.index("jawOpen")] == pytest.approx(0.5, abs=0.05)
    assert back.residual_mm[0] < 0.5


def test_lips_close_on_an_open_jaw_only(head):
    both = from_arkit(head, one("jawOpen", "mouthClose"))
    assert both.residual_mm[0] < 1.5
    back = to_arkit(head, both.parameters).weights[0]
    assert back[ARKIT_NAMES.index("mouthClose")] > 0.5
    half = one("jawOpen", weight=0.8) + one("mouthClose", weight=0.4)
    back = to_arkit(head, from_arkit(head, half).parameters).weights[0]
    assert back[ARKIT_NAMES.index("jawOpen")] == pytest.approx(0.8, abs=0.15)
    assert back[ARKIT_NAMES.index("mouthClose")] == pytest.approx(0.4, abs=0.15)
    frames = to_arkit(head, limited(np.random.default_rng(4).normal(0, 1, (100, 55)))).weights
    closed, opened = (frames[:, ARKIT_NAMES.index(n)] for n in ("mouthClose", "jawOpen"))
    assert np.all(closed <= opened)


def test_left_is_the_subjects_left_both_ways(head):
    weights = one("mouthSmileLeft", "browDownLeft", "eyeBlinkLeft", weight=0.8)
    parameters = from_arkit(head, weights).parameters
    assert parameters[0, EYELIDS][0] > 0.75 and parameters[0, EYELIDS][1] < 0.05
    left = head.template[:, 0] > 0.02
    moved = np.linalg.norm(deform(head, parameters)[0] - head.template, axis=1)
    assert moved[left].max() > 5 * moved[head.template[:, 0] < -0.02].max()
    found = to_arkit(head, parameters).weights[0]
    used = {ARKIT_NAMES[k] for k in np.flatnonzero(found > 0.1)}
    assert used == {"mouthSmileLeft", "browDownLeft", "eyeBlinkLeft"}


def test_a_mirrored_face_gives_mirrored_weights(head):
    weights = walk(40)
    other = np.zeros_like(weights)
    other[:, [ARKIT_NAMES.index(n) for n in mirrored(ARKIT_NAMES)]] = weights
    one_way = to_arkit(head, from_arkit(head, weights).parameters).weights
    other_way = to_arkit(head, from_arkit(head, other).parameters).weights
    back = other_way[:, [ARKIT_NAMES.index(n) for n in mirrored(ARKIT_NAMES)]]
    assert np.abs(back - one_way).max() < 0.06


def test_weights_come_back_and_stay_few(head):
    weights = walk(120)
    back = to_arkit(head, from_arkit(head, weights).parameters)
    assert np.abs(back.weights - weights).mean() < 0.01
    assert back.residual_mm.max() < 0.3
    assert np.sum(back.weights > 0.02, axis=1).mean() < np.sum(weights > 0.02, axis=1).mean() + 4


def test_smooth_parameters_give_smooth_weights(head):
    parameters = from_arkit(head, walk(240)).parameters
    weights = to_arkit(head, parameters).weights
    # A frame between two neighbours lies between their weights, so no shape takes over from another at once.
    fine = to_arkit(head, 0.5 * (parameters[:-1] + parameters[1:])).weights
    assert np.abs(fine - 0.5 * (weights[:-1] + weights[1:])).max() < 0.02
    assert np.abs(np.diff(weights, axis=0)).max() < 0.1


def test_frames_do_not_depend_on_their_neighbours(head):
    parameters = from_arkit(head, walk(60)).parameters
    whole = to_arkit(head, parameters).weights
    alone = np.concatenate([to_arkit(head, parameters[k : k + 1]).weights for k in (0, 17, 59)])
    assert np.abs(whole[[0, 17, 59]] - alone).max() < 0.02


def test_shapes_without_a_parameter_are_never_invented(head):
    frames = to_arkit(head, limited(np.random.default_rng(2).normal(0, 1, (60, 55)))).weights
    assert np.all(frames[:, [ARKIT_NAMES.index(n) for n in (*GAZE, "tongueOut")]] == 0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0, 40))
def test_any_face_gives_weights_and_parameters_within_limits(seed, scale):
    head = load_default_head()
    rng = np.random.default_rng(seed)
    weights = to_arkit(head, rng.normal(0, scale, (3, 55))).weights
    assert weights.min() >= 0 and weights.max() <= 1
    parameters = from_arkit(head, rng.uniform(0, 1, (3, 52))).parameters
    lids, jaw = parameters[:, EYELIDS], parameters[:, JAW]
    assert lids.min() >= 0 and lids.max() <= 1
    for column, (low, high) in zip(jaw.T, np.array(JAW_LIMITS, np.float32), strict=True):
        assert column.min() >= low and column.max() <= high


def test_the_table_is_the_linear_part(head):
    weights = walk(10)
    assert np.allclose(weights @ arkit_parameters(head), from_arkit(head, weights).parameters, atol=1e-5)
    table = arkit_parameters(head)
    table[:] = 0  # a copy: nobody can spoil what others use
    assert np.any(arkit_parameters(head))
