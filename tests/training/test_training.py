"""Training in short: it learns, repeats itself, can be interrupted, and its ONNX file is the network."""

from __future__ import annotations

import csv
import pickle
from argparse import ArgumentParser
from dataclasses import replace

import numpy as np
import pytest
import torch

from eifer_blender import mapping
from eifer_blender.datasets import simulated
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.heads.metric import vertex_metric
from eifer_blender.heads.shapes import mirror_matrix
from eifer_blender.mapping.metadata import EMG2EXP, EXP2EMG
from eifer_blender.muscles import CHANNEL_COUNT, OTHER_SIDE
from eifer_blender.simulation.muscle_face import expression_of_muscles
from eifer_blender.spaces import DEFAULT_SPACE
from eifer_blender.training import augment, command, data, finish, fit, job, losses, network
from eifer_blender.training.log import Log

STEPS = 150


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "population"
    simulated.simulate(path, subjects=6, seconds=25.0, seed=3)
    return path


@pytest.fixture(scope="module")
def material(folder):
    return data.read_data(folder, None, "auto")


def settings(kind, **more):
    return fit.Settings(kind, **({"seed": 3, "steps": STEPS, "batch": 128, "hidden": (32, 24)} | more))


def trainer(kind, material, **more):
    return fit.Trainer(settings(kind, **more), job._space(material))


def fitted(kind, material, **more):
    one = trainer(kind, material, **more)
    while one.step < STEPS:
        one.train_step(material.train)
    return one


def run(*words):
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(w) for w in words]))


@pytest.mark.parametrize("kind", [EMG2EXP, EXP2EMG])
def test_training_learns_and_repeats_itself(material, kind):
    rows = np.arange(len(material.validation))
    before = trainer(kind, material).score(material.validation, rows)
    first, second = (fitted(kind, material) for _ in range(2))
    assert first.score(material.validation, rows) < 0.8 * before
    for one, other in zip(
        first.predict(material.validation), second.predict(material.validation), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert fitted(kind, material, seed=4).score(material.validation, rows) != first.score(
        material.validation, rows
    )


def test_an_untrained_network_already_rests():
    torch.manual_seed(0)
    one = network.Network(network.Shape(CHANNEL_COUNT, 55, network.window(6, 6), (32, 24), masked=True))
    present = torch.rand(50, CHANNEL_COUNT).round()
    width = one.of_input.in_features
    assert not one(torch.zeros(50, width), present)[0].any()
    assert one(torch.rand(50, width), present)[0].any()


def test_an_interrupted_training_goes_on_as_if_it_had_not_stopped(material, tmp_path):
    whole = fitted(EMG2EXP, material)
    one = trainer(EMG2EXP, material)
    while one.step < STEPS // 2:
        one.train_step(material.train)
    fit.save_checkpoint(tmp_path / "half.pt", one.state())
    other = trainer(EMG2EXP, material)
    other.restore(fit.load_checkpoint(tmp_path / "half.pt"))
    while other.step < STEPS:
        other.train_step(material.train)
    np.testing.assert_array_equal(
        other.predict(material.validation)[0], whole.predict(material.validation)[0]
    )
    with pytest.raises(EiferError, match="other settings"):
        trainer(EMG2EXP, material, seed=9).restore(fit.load_checkpoint(tmp_path / "half.pt"))
    space = job._space(material)
    changed = fit.Trainer(settings(EMG2EXP), replace(space, spread=space.spread * 1.1))
    with pytest.raises(EiferError, match="other data"):
        changed.restore(fit.load_checkpoint(tmp_path / "half.pt"))


def test_a_checkpoint_is_data_not_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("executed",))

    path = tmp_path / "trap.pt"
    path.write_bytes(pickle.dumps({"format": 1, "x": Trap()}))
    with pytest.raises(EiferError, match="not a checkpoint"):
        fit.load_checkpoint(path)
    torch.save({"something": 1}, path)
    with pytest.raises(EiferError, match="not a checkpoint"):
        fit.load_checkpoint(path)


def test_windows_stop_at_the_ends_of_a_clip(material):
    some = material.train
    last = int(some.last[0])
    rows = some.rows(np.array([0, last]), np.array([-3, 0, 3]))
    np.testing.assert_array_equal(rows, [[0, 0, 3], [last - 3, last, last]])


def test_a_causal_network_sees_nothing_of_the_future(material):
    one = fitted(EMG2EXP, material, before=10, after=0)
    assert max(one.offsets) == 0
    rows = np.arange(30)
    plain = one.predict(material.train, rows)[0]
    changed = np.array(material.train.activation)
    changed[30:] = 0.7
    import dataclasses

    other = one.predict(dataclasses.replace(material.train, activation=changed), rows)[0]
    np.testing.assert_array_equal(other, plain)


def test_mirroring_is_that_of_the_face(head):
    left = np.zeros((1, CHANNEL_COUNT), np.float32)
    left[0, 0::2] = 0.8
    mirrored = expression_of_muscles(head, left) @ mirror_matrix(head)
    wanted = expression_of_muscles(head, left[:, OTHER_SIDE])
    gap = np.linalg.norm(deform(head, mirrored) - deform(head, wanted), axis=-1)
    assert gap.max() < 1e-6


def test_electrodes_are_lost_in_every_way_and_often_none_is():
    generator = torch.Generator().manual_seed(0)
    present = augment.random_presence(4000, generator, 0.5).numpy()
    counts = present.sum(1)
    assert 0.45 < (counts == CHANNEL_COUNT).mean() < 0.6
    assert {2 * k for k in range(2, 8)} <= set(counts) and counts.min() < 8
    side = present[:, 0::2].all(1) & ~present[:, 1::2].any(1)
    assert side.any()


def test_bands_are_widened_to_hold_what_they_say(material):
    one = fitted(EMG2EXP, material)
    finish.fit_bands(one, material.validation)
    values, log_sd = one.predict(material.validation)
    truth = material.validation.expression
    moving = np.abs(truth).max(1) > 1e-3
    inside = (np.abs(values - truth) < 1.2816 * np.exp(log_sd))[moving]
    assert 0.7 < inside.mean() < 0.9


def test_features_bring_a_subject_closer(material, head):
    one = fitted(EMG2EXP, material)
    metric = vertex_metric(head)
    features = finish.calibration_features(one, material.train, metric)
    assert features.shape == (24, min(finish.FEATURES, 24)) and np.isfinite(features).all()
    rows = np.flatnonzero(material.validation.subject == 0)
    hidden, gap = finish._hidden(one, material.validation, rows)
    x, y = hidden @ features, gap @ metric
    # Other moments of the same movements: a network of so few steps has much to learn about any movement.
    seen = np.arange(len(x)) // 15 % 2 == 0
    w = np.linalg.solve(x[seen].T @ x[seen] + 5 * np.eye(x.shape[1]), x[seen].T @ y[seen])
    assert ((y[~seen] - x[~seen] @ w) ** 2).sum() < 0.9 * (y[~seen] ** 2).sum()


def test_an_error_below_rest_is_none():
    values, wanted = torch.tensor([[-0.5, 0.2]]), torch.tensor([[0.0, 0.2]])
    assert losses.activity_loss(values, wanted) < 2e-3
    assert losses.activity_loss(-values, wanted) > 0.3


@pytest.mark.parametrize("kind", [EMG2EXP, EXP2EMG])
def test_the_command_writes_a_model_that_loads_and_says_what_it_is(tmp_path, folder, head, kind):
    path = tmp_path / f"{kind}.onnx"
    words = (kind, path, "--data", folder, "--seed", 4, "--steps", 20)
    assert run(*words) == 0
    model = mapping.load_model(path, head=head, kind=kind)
    said = model.metadata
    assert (said.kind, said.seed, said.space) == (kind, 4, DEFAULT_SPACE.id)
    assert "--steps 20" in said.training and said.protocol and said.frame_rate == 30
    rng = np.random.default_rng(0)
    if kind == EMG2EXP:
        values, sd, features = mapping.emg_to_expression(
            model, rng.random((50, CHANNEL_COUNT)).astype(np.float32), np.ones(CHANNEL_COUNT, bool), 30.0
        )
        assert features.shape == (50, finish.FEATURES)
        assert not mapping.emg_to_expression(model, np.zeros((9, 22), np.float32), np.ones(22, bool), 30.0)[
            0
        ].any()
    else:
        values, sd = mapping.expression_to_emg(model, rng.normal(size=(50, 55)).astype(np.float32), 30.0)
        assert values.min() >= 0 and values.max() <= 1
        assert not mapping.expression_to_emg(model, np.zeros((9, 55), np.float32), 30.0)[0].any()
    assert np.isfinite(values).all() and (sd > 0).all()
    with pytest.raises(EiferError, match="--replace"):
        run(*words)

    parser = ArgumentParser()
    command.add_export_arguments(parser)
    again = tmp_path / "again.onnx"
    assert command.run_export(parser.parse_args([str(path.with_suffix(".pt")), str(again)])) == 0
    assert again.read_bytes() == path.read_bytes()
    rows = list(csv.DictReader(path.with_suffix(".csv").open()))
    assert [int(r["step"]) for r in rows][-1] == 20
    assert path.with_suffix(".svg").read_text().startswith("<svg")


def test_an_interrupted_training_is_not_overwritten_unasked(tmp_path, folder):
    (tmp_path / "own.pt").write_bytes(b"hours of work")
    with pytest.raises(EiferError, match="--resume"):
        run(EMG2EXP, tmp_path / "own.onnx", "--data", folder, "--steps", 5)
    assert (tmp_path / "own.pt").read_bytes() == b"hours of work"


def test_a_log_goes_on_after_a_break(tmp_path):
    log = Log(tmp_path / "log.csv")
    log.begin(0)
    for step in (10, 20, 30):
        log.add(step, step / 10, 1 / step, 2 / step)
    log.begin(20)
    assert [row[0] for row in log.rows()] == [10, 20]


def test_wrong_requests_get_a_sentence(tmp_path, folder):
    for words, match in (
        ((EMG2EXP, tmp_path / "model.bin", "--data", folder), "ONNX"),
        ((EMG2EXP, tmp_path / "m.onnx", "--data", tmp_path / "nowhere"), "nowhere"),
        ((EMG2EXP, tmp_path / "m.onnx", "--data", folder, "--steps", 0), "step"),
    ):
        with pytest.raises(EiferError, match=match):
            run(*words)
