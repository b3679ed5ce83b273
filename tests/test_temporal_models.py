"""Models that see neighbouring frames: any frame rate, ends, chunks, gaps; and both kinds of model."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx_made
import pytest

pytest.importorskip("onnxruntime")

from eifer_blender import mapping
from eifer_blender.errors import EiferError
from eifer_blender.mapping import onnx_file
from eifer_blender.muscles import CHANNEL_COUNT
from eifer_blender.spaces import DEFAULT_SPACE

ALL = np.ones(CHANNEL_COUNT, bool)
RATE = 30.0
FPS = (24.0, 25.0, 30.0, 60.0, 120.0, 30000 / 1001)
FIRST = slice(0, CHANNEL_COUNT)  # parameters that follow a channel


@pytest.fixture
def load(tmp_path):
    def made(data, **options):
        path = tmp_path / "made.onnx"
        path.write_bytes(data)
        return mapping.load_model(path, **options)

    return made


@pytest.fixture
def late(load):
    """What the channels were three frames (100 ms) ago."""
    return load(onnx_made.emg2exp({-3: 1.0}, before=4, after=2))


@pytest.fixture
def mean(load):
    """Mean of five frames around each."""
    return load(onnx_made.emg2exp(dict.fromkeys(range(-2, 3), 0.2), before=2, after=2))


def breath(seconds):
    """Slow activity of all channels [n, 22], each at its own pace."""
    pace = np.linspace(0.2, 0.8, CHANNEL_COUNT)
    return (0.5 - 0.5 * np.cos(2 * np.pi * pace * seconds[:, None])).astype(np.float32)


def random(frames, seed=0):
    return np.random.default_rng(seed).random((frames, CHANNEL_COUNT), np.float32)


# --- frames ---------------------------------------------------------------------------------------


def test_each_frame_sees_its_neighbours_and_the_ends_are_held(late, mean):
    x = random(40)
    made = mapping.emg_to_expression(late, x, ALL, RATE)
    np.testing.assert_allclose(made.values[:, FIRST], np.concatenate([x[:1].repeat(3, 0), x[:-3]]), atol=1e-6)
    held = np.concatenate([x[:1], x[:1], x, x[-1:], x[-1:]])
    expected = np.mean([held[k : k + 40] for k in range(5)], axis=0)
    made = mapping.emg_to_expression(mean, x, ALL, RATE)
    np.testing.assert_allclose(made.values[:, FIRST], expected, atol=1e-6)
    np.testing.assert_allclose(made.sd, made.values / 10, atol=1e-6)
    np.testing.assert_allclose(made.features, made.values[:, :3], atol=1e-6)


def test_a_causal_model_knows_nothing_of_what_comes(load):
    model = load(onnx_made.emg2exp({-5: 0.5, 0: 0.5}, before=5))
    x = random(60)
    changed = np.concatenate([x[:30], random(30, seed=1)])
    first, second = (mapping.emg_to_expression(model, a, ALL, RATE).values for a in (x, changed))
    np.testing.assert_array_equal(first[:30], second[:30])
    assert (first[30] != second[30]).any()


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
@pytest.mark.parametrize("fps", FPS)
def test_very_short_takes(late, frames, fps):
    x = np.full((frames, CHANNEL_COUNT), 0.25, np.float32)
    made = mapping.emg_to_expression(late, x, ALL, fps)
    assert made.values.shape == made.sd.shape == (frames, DEFAULT_SPACE.size)
    assert made.features.shape == (frames, onnx_made.FEATURES)
    np.testing.assert_allclose(made.values[:, FIRST], 0.25, atol=1e-6)


@pytest.mark.parametrize("fps", [24.0, RATE])
def test_a_long_take_is_the_same_as_its_parts(mean, fps):
    x = random(onnx_file.CHUNK_ROWS * 2 + 77)
    whole = mapping.emg_to_expression(mean, x, ALL, fps).values
    at = onnx_file.CHUNK_ROWS // 40 * 40  # where frames of both rates coincide
    part = mapping.emg_to_expression(mean, x[at - 400 : at + 400], ALL, fps).values
    np.testing.assert_allclose(whole[at - 300 : at + 300], part[100:700], atol=1e-5)


def test_no_run_holds_more_rows_than_memory_was_reckoned_for(mean):
    rows = []

    class Watched:
        def run(self, outputs, feed):
            rows.append(max(len(part) for part in feed.values()))
            return mean.session.run(outputs, feed)

    mapping.emg_to_expression(dataclasses.replace(mean, session=Watched()), random(5000), ALL, RATE)
    assert max(rows) == onnx_file.CHUNK_ROWS


# --- frame rates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", FPS)
def test_time_is_kept_at_every_frame_rate(late, fps):
    times = np.arange(int(8 * fps)) / fps
    made = mapping.emg_to_expression(late, breath(times), ALL, fps).values[:, FIRST]
    np.testing.assert_allclose(made, breath(np.maximum(times - 0.1, 0)), atol=0.01)


@pytest.mark.parametrize("fps", FPS)
def test_nothing_overshoots(late, fps):
    x = (random(200) > 0.5).astype(np.float32)
    made = mapping.emg_to_expression(late, x, ALL, fps)
    assert made.values.min() == 0.0 and made.values.max() == 1.0
    assert made.sd.min() == 0.0


@pytest.mark.parametrize("fps", FPS)
def test_rest_is_exactly_zero_before_and_after_a_movement(late, fps):
    x = np.zeros((400, CHANNEL_COUNT), np.float32)
    x[200:220] = random(20)
    made = mapping.emg_to_expression(late, x, ALL, fps)
    for part in made:
        assert not part[:190].any() and not part[250:].any() and part[205:225].any()


@pytest.mark.parametrize("fps", FPS)
def test_a_missing_channel_has_no_influence(late, fps):
    x = random(80)
    present = ALL.copy()
    present[[2, 9]] = False
    other = x.copy()
    other[:, [2, 9]] = [np.nan, 7.0]
    first, second = (mapping.emg_to_expression(late, a, present, fps) for a in (x, other))
    np.testing.assert_array_equal(first.values, second.values)
    assert not first.values[:, [2, 9]].any() and first.values[:, 3].any()


@pytest.mark.parametrize("fps", FPS)
def test_a_channel_that_comes_and_goes_is_missing_then_only(load, fps):
    model = load(onnx_made.emg2exp({0: 1.0}, before=1, after=1))
    x = np.full((120, CHANNEL_COUNT), 0.5, np.float32)
    x[40:80, 4] = np.nan
    x[10, 7] = np.inf
    made = mapping.emg_to_expression(model, x, ALL, fps).values
    near = int(2 * max(1, fps / RATE))  # frames beside an edge that another rate may mix
    assert not made[40 + near : 80 - near, 4].any()
    np.testing.assert_allclose(made[40 + near : 80 - near, 3], 0.5 * 21 / 22, atol=1e-6)
    np.testing.assert_allclose(made[80 + near :, 4], 0.5, atol=1e-6)
    assert np.isfinite(made).all() and made.max() <= 0.5 + 1e-6


@pytest.mark.parametrize("fps", FPS)
def test_a_gap_is_no_rest_for_the_frames_beside_it(mean, fps):
    x = np.full((round(4 * fps), CHANNEL_COUNT), 0.6, np.float32)
    gap = slice(round(1.5 * fps), round(2 * fps))
    x[gap, 4] = np.nan
    made = mapping.emg_to_expression(mean, x, ALL, fps).values
    near = int(np.ceil(fps / RATE))  # frames beside an edge that another rate may mix
    outside = np.r_[: gap.start - near, gap.stop + near : len(x)]
    np.testing.assert_allclose(made[outside, 4], 0.6, atol=1e-6)
    inside = slice(gap.start + near, gap.stop - near)
    assert not made[inside, 4].any()
    np.testing.assert_allclose(made[inside, 3], 0.6 * 21 / 22, atol=1e-6)


def test_activity_across_a_gap_is_what_it_is_on_both_sides(mean):
    x = np.full((60, CHANNEL_COUNT), 0.6, np.float32)
    x[30:32, 4] = np.nan
    x[30:32, 5] = 0.0  # known to be at rest
    made = mapping.emg_to_expression(mean, x, ALL, RATE).values
    np.testing.assert_allclose(made[[28, 29, 32, 33], 4], 0.6, atol=1e-6)
    assert (made[[28, 29, 32, 33], 5] < 0.5).all()


@pytest.mark.parametrize("factor", [2, 4])
def test_what_flickers_between_the_models_frames_is_averaged(late, factor):
    x = np.zeros((300, CHANNEL_COUNT), np.float32)
    x[::factor] = 1.0
    made = mapping.emg_to_expression(late, x, ALL, RATE * factor).values[:, FIRST]
    np.testing.assert_allclose(made[20:-20], 1 / factor, atol=1e-5)


def test_a_take_that_would_fill_the_memory_is_refused(late):
    with pytest.raises(EiferError, match="too long"):
        mapping.emg_to_expression(late, np.zeros((100_000, CHANNEL_COUNT), np.float32), ALL, 0.1)


@pytest.mark.parametrize("fps", [0.0, -24.0, np.nan, np.inf])
def test_an_impossible_frame_rate_is_refused(late, fps):
    with pytest.raises(EiferError, match="frame rate"):
        mapping.emg_to_expression(late, random(3), ALL, fps)


def test_a_model_of_single_frames_runs_at_any_rate(load):
    model = load(onnx_made.emg2exp({0: 1.0}, frame_rate=None))
    x = random(30)
    for fps in FPS:
        np.testing.assert_array_equal(mapping.emg_to_expression(model, x, ALL, fps).values[:, FIRST], x)


# --- the other direction --------------------------------------------------------------------------


@pytest.mark.parametrize("fps", FPS)
def test_expressions_become_activity(load, fps):
    model = load(onnx_made.exp2emg({3: 1.0}, before=0, after=3), kind=mapping.EXP2EMG)
    times = np.arange(int(6 * fps)) / fps
    face = np.zeros((len(times), DEFAULT_SPACE.size), np.float32)
    face[:, FIRST] = breath(times)
    made = mapping.expression_to_emg(model, face, fps)
    assert made.values.shape == made.sd.shape == (len(times), CHANNEL_COUNT)
    inside = times < times[-1] - 0.1
    np.testing.assert_allclose(made.values[inside], breath(times + 0.1)[inside], atol=0.01)
    assert not mapping.expression_to_emg(model, face * 0, fps).values.any()
    assert np.isnan(made.sd).all()  # the model does not say it


def test_expressions_that_do_not_fit_are_refused(load):
    model = load(onnx_made.exp2emg({0: 1.0}), kind=mapping.EXP2EMG)
    for shape in ((5, DEFAULT_SPACE.size - 1), (DEFAULT_SPACE.size,)):
        with pytest.raises(EiferError, match=str(DEFAULT_SPACE.size)):
            mapping.expression_to_emg(model, np.zeros(shape), RATE)
    with pytest.raises(EiferError, match="not a number"):
        mapping.expression_to_emg(model, np.full((5, DEFAULT_SPACE.size), np.nan), RATE)


def test_a_model_of_the_other_kind_is_refused_where_it_is_loaded_and_where_it_is_used(load):
    with pytest.raises(EiferError, match="expression to muscle activity"):
        load(onnx_made.exp2emg({0: 1.0}))
    with pytest.raises(EiferError, match="muscle activity to expression"):
        load(onnx_made.emg2exp({0: 1.0}), kind=mapping.EXP2EMG)
    there, back = load(onnx_made.emg2exp({0: 1.0})), load(onnx_made.exp2emg({0: 1.0}), kind=mapping.EXP2EMG)
    with pytest.raises(EiferError, match="by-hand"):
        mapping.emg_to_expression(back, random(3), ALL, RATE)
    with pytest.raises(EiferError, match="by-hand"):
        mapping.expression_to_emg(there, np.zeros((3, DEFAULT_SPACE.size)), RATE)


# --- files ----------------------------------------------------------------------------------------


def test_a_space_without_a_head_of_its_own_fits_every_head(load):
    assert load(onnx_made.emg2exp({0: 1.0}), head_hash="a" * 64, space=DEFAULT_SPACE.id)
    with pytest.raises(EiferError, match="space"):
        load(onnx_made.emg2exp({0: 1.0}), head_hash="a" * 64, space="flame2020")
    with pytest.raises(EiferError, match="this head"):
        load(onnx_made.emg2exp({0: 1.0}, head_hash="b" * 64), head_hash="a" * 64)


@pytest.mark.parametrize("claim", [{"before": 2}, {"after": 1}])
def test_a_model_that_claims_another_context_than_it_has_is_refused(load, claim):
    data = onnx_made.emg2exp({0: 1.0})
    model = load(data)
    lying = dataclasses.replace(model, metadata=dataclasses.replace(model.metadata, **claim))
    with pytest.raises(EiferError, match="one row a frame"):
        mapping.emg_to_expression(lying, random(5), ALL, RATE)


@pytest.mark.parametrize("old, new", [(b"expression_sd", b"expression_ds"), (b"features", b"futurism")])
def test_outputs_that_are_unknown_are_refused(load, old, new):
    with pytest.raises(EiferError, match=new.decode()):
        load(onnx_made.emg2exp({0: 1.0}).replace(old, new))


def test_a_network_over_many_frames_passes_the_check():
    def layer(name, given, rows, columns):
        zeros = np.zeros((rows, columns))
        weights = onnx_made.weight(f"w{name}", zeros) + onnx_made.weight(f"b{name}", zeros[:1])
        product = onnx_made.node("MatMul", [given, f"w{name}"], [f"p{name}"])
        return weights + product + onnx_made.node("Add", [f"p{name}", f"b{name}"], [name])

    taps = {k: np.zeros((onnx_made.SIZE, 1)) for k in range(-12, 13)}
    graph = b"".join(
        [
            onnx_made.port(11, "expression", onnx_made.SIZE),
            onnx_made.window("expression", onnx_made.SIZE, taps, 12, 12),
            layer("h1", "window", len(taps) * onnx_made.SIZE, 256),
            *(layer(f"h{k}", f"h{k - 1}", 256, 256) for k in range(2, 8)),
        ]
    )
    assert onnx_file.inspect(onnx_made.model_file(graph, onnx_made.metadata()))["eifer.id"] == "by-hand"
