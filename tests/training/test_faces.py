"""Pictures of simulated faces: surfaces, pixels, truth, and the networks that learn from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eifer_blender.drawing.raster import hit_triangles
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform, rotation_matrix
from eifer_blender.reconstruction import face_view
from eifer_blender.training.phase1 import assess, losses
from eifer_blender.training.phase1.batches import Sampler
from eifer_blender.training.phase1.cycle import Cycle, CycleSettings, transplant
from eifer_blender.training.phase1.detector import train_detector
from eifer_blender.training.phase1.export import to_onnx
from eifer_blender.training.phase1.material import SetSettings, obtain
from eifer_blender.training.phase1.mesh import TorchHead
from eifer_blender.training.phase1.mesh import rotation_matrix as torch_rotation
from eifer_blender.training.phase1.networks import Code, Detector, Encoder, Generator
from eifer_blender.training.phase1.rasteriser import rasterise
from eifer_blender.training.phase1.scenes import make_scenes, without_electrodes
from eifer_blender.training.phase1.studio import Studio
from eifer_blender.training.phase1.supervised import Supervised, SupervisedSettings, truth_of
from eifer_blender.training.phase1.view import FaceView

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("sets")
    return {
        "uncovered": obtain(SetSettings(False, 0, 3, 4, size=32), folder),
        "covered": obtain(SetSettings(True, 100, 3, 4, size=32, paired=True), folder),
        "folder": folder,
    }


def _faces(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    params = rng.normal(0, 0.5, (count, 55)).astype(np.float32)
    params[:, 50:52] = rng.random((count, 2))
    params[:, 52:] = [[0.2, 0.05, -0.03]] * count
    return params, rng.normal(0, 0.6, 50).astype(np.float32)


def test_surfaces_are_those_of_the_head() -> None:
    head = load_default_head()
    params, identity = _faces()
    eyes = np.random.default_rng(1).normal(0, 0.2, (3, 2, 3)).astype(np.float32)
    whole = TorchHead(head).surface(
        torch.from_numpy(np.tile(identity, (3, 1))), torch.from_numpy(params), torch.from_numpy(eyes)
    )
    assert np.abs(whole.numpy() - deform(head, params, identity=identity, eyes=eyes)).max() < 2e-6


def test_rotations_are_differentiable_at_rest() -> None:
    turn = torch.zeros(1, 3, requires_grad=True)
    torch_rotation(turn)[0, 2, 1].backward()
    assert torch.equal(turn.grad, torch.tensor([[1.0, 0.0, 0.0]]))
    vector = np.array([[0.3, -0.2, 0.9]], np.float32)
    assert np.abs(torch_rotation(torch.from_numpy(vector)).numpy() - rotation_matrix(vector)).max() < 1e-6


def test_pixels_show_the_nearest_triangle() -> None:
    rng = np.random.default_rng(2)
    points = (rng.random((2, 60, 3)) * [40, 30, 1]).astype(np.float32)
    triangles = rng.integers(0, 60, (80, 3))
    hits = rasterise(
        torch.from_numpy(points), torch.from_numpy(triangles), (30, 40), two_sided=torch.ones(80, dtype=bool)
    )
    for k in range(2):
        corners = points[k][triangles]
        wanted, weights = hit_triangles(corners[..., :2], corners[..., 2], (40, 30))
        mine = np.full(1200, -1)
        here = hits.picture == k
        mine[hits.pixel[here] - k * 1200] = hits.triangle[here]
        same = mine.reshape(30, 40) == wanted
        assert same.mean() > 0.995  # but for centres on an edge
        shares = np.zeros((1200, 3))
        shares[hits.pixel[here] - k * 1200] = hits.weights[here]
        assert np.abs(shares.reshape(30, 40, 3) - weights)[same].max() < 1e-3


def test_what_is_seen_from_behind_is_left_out() -> None:
    points = torch.tensor([[[2.0, 2.0, 0.0], [2.0, 8.0, 0.0], [8.0, 2.0, 0.0]]])
    assert len(rasterise(points, torch.tensor([[0, 1, 2]]), (10, 10)).pixel) > 5
    assert len(rasterise(points, torch.tensor([[0, 2, 1]]), (10, 10)).pixel) == 0


def test_renderings_with_and_without_torch_are_the_same() -> None:
    params, identity = _faces()
    rotation = np.random.default_rng(3).normal(0, 0.25, (3, 3)).astype(np.float32)
    camera = np.array([[10.3, 0.05, 0.0]] * 3, np.float32)
    pictures, cover = face_view.render(params, identity, rotation, camera, 96)
    code = Code(*map(torch.from_numpy, (params, np.tile(identity, (3, 1)), rotation, camera)))
    wanted, covered = FaceView().render(code, 96)
    assert (cover == (covered[:, 0].numpy() > 0)).mean() > 0.999
    assert np.abs(pictures - wanted.numpy()).mean() < 1e-4


def test_shading_tells_in_which_direction_a_face_should_move() -> None:
    params, identity = _faces(1)
    values = [torch.from_numpy(v) for v in (params, identity[None])]
    rotation, camera = torch.zeros(1, 3, requires_grad=True), torch.tensor([[10.3, 0.0, 0.0]])
    view = FaceView()
    with torch.no_grad():
        goal, _ = view.render(Code(*values, torch.tensor([[0.0, 0.06, 0.0]]), camera), 64)
    picture, _ = view.render(Code(*values, rotation, camera), 64)
    (picture - goal).square().mean().backward()
    assert rotation.grad[0, 1] < 0  # turning on brings it closer


def test_the_same_scene_is_the_same_picture(studio: Studio) -> None:
    scenes = make_scenes(7, 2, electrodes=True)
    one, other = studio.photograph(scenes, 48), studio.photograph(make_scenes(7, 2, electrodes=True), 48)
    assert torch.equal(one.images, other.images)
    alone = studio.photograph(scenes[1:], 48)
    assert (alone.images[0] - one.images[1]).abs().max() < 1e-3


def test_electrodes_change_nothing_but_what_they_hide_and_shade(studio: Studio) -> None:
    scenes = make_scenes(11, 4, electrodes=True)
    covered = studio.photograph(scenes, 64)
    clean = studio.photograph([without_electrodes(s) for s in scenes], 64)
    assert clean.covered.max() == 0
    assert 0.01 < float(covered.covered.mean()) < 0.4
    gap = (covered.images - clean.images).abs().mean(1, keepdim=True)
    far = torch.nn.functional.max_pool2d(covered.covered, 7, 1, 3) == 0
    assert gap[covered.covered > 0.5].mean() > 0.1
    assert gap[far].median() < 0.01
    assert torch.equal(covered.truth.params, clean.truth.params)


def test_truth_puts_the_marks_where_the_picture_has_them(studio: Studio) -> None:
    found = studio.photograph(make_scenes(21, 4, electrodes=False), 64).truth
    code = Code(found.params, found.identity, found.rotation, found.camera)
    gap = (FaceView().points(code) - found.points).norm(dim=-1)
    assert gap.mean() < 0.04  # of half the side: what perspective adds to a scaled orthographic view


def test_people_who_are_unseen_have_other_light_and_electrodes() -> None:
    seen, unseen = (make_scenes(21, 1, electrodes=True, unseen=u)[0] for u in (False, True))
    assert np.array_equal(seen.identity, unseen.identity)
    assert not np.array_equal(seen.light.key, unseen.light.key)
    assert not np.array_equal(seen.session.colours["body"], unseen.session.colours["body"])


def test_sets_are_made_once_and_come_back_whole(sets: dict) -> None:
    again = obtain(SetSettings(True, 100, 3, 4, size=32, paired=True), sets["folder"])
    assert np.array_equal(again.pictures, sets["covered"].pictures)
    assert again.pictures.shape == again.clean.shape == (12, 32, 32, 3)
    assert again.covered.max() > 200
    assert sorted(set(again.person.tolist())) == [100, 101, 102]
    assert not list(sets["folder"].glob("*/*.part"))


def test_every_picture_comes_once_before_any_comes_again(sets: dict) -> None:
    sampler = Sampler(sets["uncovered"], 5, 32, 1, CPU)
    rows = np.concatenate([sampler.rows(step) for step in range(5)])
    assert sorted(rows[:12].tolist()) == list(range(12)) == sorted(rows[12:24].tolist())
    assert torch.equal(sampler.draw(3)[0], Sampler(sets["uncovered"], 5, 32, 1, CPU).draw(3)[0])


def test_losses_are_nothing_for_the_right_answer(sets: dict) -> None:
    truth = truth_of({k: torch.from_numpy(v) for k, v in sets["uncovered"].truth.items()})
    metrics, metric = losses.expression_metrics(sets["uncovered"].truth["params"]), losses.shape_metric()
    other = truth._replace(shape=truth.shape.roll(1, 0) + 0.1, rotation=truth.rotation + 0.1)
    assert losses.occlusion_expression(truth, truth, metrics) < 0.02
    assert losses.occlusion_shape(truth, truth, metric) < 0.01 < losses.occlusion_shape(truth, other, metric)
    assert losses.global_transformation(truth, truth) == 0 < losses.global_transformation(truth, other)


def test_a_larger_head_further_away_is_no_other_shape() -> None:
    identity = np.zeros((1, 50), np.float32)
    basis = losses.shape_basis()
    head = load_default_head()
    size = np.linalg.norm(head.identity[0], axis=1).mean() * 1000
    left = np.linalg.norm(basis[0].reshape(-1, 3), axis=1).mean()
    assert left < 0.25 * size  # the first component is mostly size
    assert (identity @ basis == 0).all()


def test_scores_of_pictures_agree_with_their_definitions() -> None:
    rng = np.random.default_rng(0)
    one = torch.from_numpy(rng.random((1, 3, 32, 32)).astype(np.float32))
    other = (one + 0.1).clamp(0, 2)
    area = torch.ones(1, 1, 32, 32)
    assert assess.psnr(other, one, area).item() == pytest.approx(20.0, abs=1e-3)
    assert assess.ssim(one, one, area).item() == pytest.approx(1.0)
    assert torch.isnan(assess.psnr(one, one, area * 0)).all()
    assert assess.area_under_curve(np.array([0.0, 1, 2]), np.array([0.0, 1, 2])) == pytest.approx(0.5)
    assert assess.area_under_curve(np.array([0.0, 1]), np.array([2.0, 3])) == 1.0


def test_an_encoder_learns_from_truth_and_goes_on_after_an_interruption(sets: dict) -> None:
    settings = SupervisedSettings(10, 32, batch=4)
    trainer = Supervised(settings, sets["uncovered"], CPU)
    told: list[float] = []
    trainer.run(10, lambda step, parts: told.append(parts["marks"]))
    assert np.mean(told[-3:]) < 0.9 * np.mean(told[:3])
    first = Supervised(settings, sets["uncovered"], CPU)
    first.run(5)
    resumed = Supervised(settings, sets["uncovered"], CPU)
    resumed.restore(first.state())
    resumed.run(10)
    for one, other in zip(trainer.encoder.parameters(), resumed.encoder.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-3)


def test_one_step_both_ways_teaches_the_encoder_of_covered_faces(sets: dict) -> None:
    torch.manual_seed(0)
    settings = CycleSettings(2, 32, batch=2, transplants=4)
    cycle = Cycle(settings, sets["uncovered"], sets["covered"], Encoder(), Detector(), CPU)
    before = [p.clone() for p in cycle.encoder_s.parameters()]
    fixed = [p.clone() for p in cycle.encoder_n.parameters()]
    parts: dict[str, float] = {}
    cycle.run(1, lambda step, found: parts.update(found))
    assert set(parts) == {*losses.WEIGHTS, "judges"}
    assert all(np.isfinite(list(parts.values())))
    moved = sum(not torch.equal(a, b) for a, b in zip(before, cycle.encoder_s.parameters(), strict=True))
    assert moved > 0.9 * len(before) - 4  # all but the marks' layers, which only truth teaches
    assert all(torch.equal(a, b) for a, b in zip(fixed, cycle.encoder_n.parameters(), strict=True))
    again = Cycle(settings, sets["uncovered"], sets["covered"], Encoder(), Detector(), CPU)
    again.restore(cycle.state())
    assert again.step == 1


def test_a_transplant_takes_electrodes_and_nothing_else() -> None:
    face, source = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    hidden = torch.zeros(1, 1, 32, 32)
    hidden[..., 10:14, 10:14] = 1
    put_on = transplant(face, source, hidden)
    assert put_on[..., 10:14, 10:14].min() == 1
    assert put_on[..., :8, :].max() == 0 == put_on[..., 17:, :].max()


def test_the_detector_tells_covered_pictures_from_uncovered_ones(sets: dict) -> None:
    found: list[float] = []
    train_detector(
        sets["uncovered"], sets["covered"], steps=40, size=32, seed=1, device=CPU, batch=8,
        report=lambda step, parts: found.append(parts["detector"]),
    )  # fmt: skip
    assert np.mean(found[-5:]) < 0.9 * np.mean(found[:5])


@pytest.mark.parametrize(
    ("kind", "network"), [("encoder", Encoder), ("remover", Generator), ("detector", Detector)]
)
def test_files_say_what_the_networks_say(kind: str, network: type) -> None:
    from eifer_blender.mapping.onnx_file import inspect_pictures

    torch.manual_seed(1)
    data = to_onnx(kind, network(), 128, {"eifer.kind": f"phase1_{kind}"})
    assert inspect_pictures(data) == {"eifer.kind": f"phase1_{kind}"}
