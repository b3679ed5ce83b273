"""Training in short: it learns, repeats itself, and its ONNX file is the network."""

from __future__ import annotations

from argparse import ArgumentParser

import numpy as np
import pytest
import torch

from eifer_blender import mapping
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.heads.metric import face_vertices, vertex_metric
from eifer_blender.muscles import CHANNEL_COUNT
from eifer_blender.simulation.generator import make_frames
from eifer_blender.simulation.muscle_face import expression_of_muscles
from eifer_blender.spaces import DEFAULT_SPACE, JAW
from eifer_blender.training import command, emg2exp, evaluation
from eifer_blender.training.metric import vertex_errors

SHORT = emg2exp.TrainingSettings(seed=3, frames=4000, steps=200, batch=256, hidden=(32, 24))


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def face(head):
    return lambda muscles: expression_of_muscles(head, muscles)


@pytest.fixture(scope="module")
def network(head, face):
    return emg2exp.train(face, vertex_metric(head), SHORT, report=lambda line: None).network


def test_training_beats_the_mean_face_and_repeats_itself(head, face, network):
    frames = evaluation.held_out(face, 99, 200)
    predicted = emg2exp.predict(network, frames)
    mean = np.broadcast_to(frames.expression.mean(0), predicted.shape)
    own, other = (evaluation.score(head, "", "", p, frames).mean for p in (predicted, mean))
    assert own < 0.8 * other
    again = emg2exp.train(face, vertex_metric(head), SHORT, report=lambda line: None).network
    np.testing.assert_array_equal(emg2exp.predict(again, frames), predicted)


def test_an_untrained_network_already_rests(face):
    torch.manual_seed(0)
    network = emg2exp.Emg2Exp()
    present = torch.rand(50, CHANNEL_COUNT).round()
    assert not network(torch.zeros(50, CHANNEL_COUNT), present).any()
    assert network(torch.rand(50, CHANNEL_COUNT), present).any()


def test_conditions_hide_what_they_say(face):
    frames = evaluation.held_out(face, 5, 100)
    found = evaluation.conditions(frames, 1)
    counts = [set(c.present.sum(1)) for c in found.values()]
    assert counts == [{22}, {20}, {11}, {11}]
    assert all(not c.activation[~c.present].any() for c in found.values())


def test_the_metric_is_the_vertex_distance_for_small_steps(head):
    rng = np.random.default_rng(0)
    step = (rng.standard_normal((1, DEFAULT_SPACE.size)) * 0.1).astype(np.float32)
    step[:, JAW] *= 0.05
    face = face_vertices(head)
    moved = (deform(head, step) - deform(head, step * 0))[0, face] * 1000
    mean_square = (moved**2).sum(1).mean()
    assert ((step @ vertex_metric(head)) ** 2).sum() == pytest.approx(mean_square, rel=0.05)
    errors = vertex_errors(head, step, step * 0)
    np.testing.assert_allclose(errors[0], np.linalg.norm(moved, axis=1), atol=1e-3)


def test_the_command_writes_a_model_that_loads_and_equals_the_network(tmp_path, head, face, capsys):
    parser = ArgumentParser()
    command.add_arguments(parser)
    path = tmp_path / "own.onnx"
    arguments = [str(path), "--seed", "4", "--steps", "30", "--frames", "4000"]
    assert command.run(parser.parse_args(arguments)) == 0

    settings = emg2exp.TrainingSettings(seed=4, steps=30, frames=4000)
    network = emg2exp.train(face, vertex_metric(head), settings, report=lambda line: None).network
    frames = make_frames(300, 77, face)
    model = mapping.load_model(path, head=head)
    exported = mapping.emg_to_expression(model, frames.activation, frames.present)
    np.testing.assert_allclose(exported, emg2exp.predict(network, frames), atol=1e-4)
    assert model.metadata.seed == 4 and "--steps 30" in model.metadata.training

    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert head.hash in card and "simulated" in card and "ridge" in card
    with pytest.raises(EiferError, match="--replace"):
        command.run(parser.parse_args(arguments))
