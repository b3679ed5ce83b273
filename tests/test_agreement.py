"""How an estimate agrees with a recording, and the two sides of a face with one another."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from eifer_blender import agreement
from eifer_blender.agreement import covered, lag, rmse, smape, spearman
from eifer_blender.estimation import Estimate
from eifer_blender.muscles import CHANNELS, channel_index

FPS = 30.0


def bumps(n=240, seed=0):
    """Smooth activity [n, 22] in 0..1, another course in each channel."""
    rng = np.random.default_rng(seed)
    waves = np.stack([np.convolve(rng.random(n + 20), np.ones(21) / 21, "valid") for _ in CHANNELS], 1)
    low, high = waves.min(0), waves.max(0)
    return ((waves - low) / (high - low)).astype(np.float32)


def estimate(values, sd=0.1, hidden=()):
    return Estimate(values, np.full_like(values, sd), FPS, hidden)


def row_of(rows, name):
    return next(row for row in rows if row.channel == name)


def test_an_estimate_that_is_the_recording_agrees_wholly():
    values = bumps()
    rows = agreement.compare(values, np.ones(22, bool), estimate(values))
    assert [row.channel for row in rows] == list(CHANNELS)
    for row in rows:
        assert (row.frames, row.rmse, row.smape, row.lag_s, row.within_band) == (240, 0, 0, 0, 1)
        assert row.rho == pytest.approx(1) and row.reason == ""
    assert agreement.median_rho(rows) == pytest.approx(1)


def test_lag_is_in_seconds_and_positive_where_the_estimate_is_late():
    values = bumps(300)
    rows = agreement.compare(values[6:], np.ones(22, bool), estimate(values[:-6]))
    assert {round(row.lag_s, 6) for row in rows} == {0.2}


def test_only_frames_that_both_know_count():
    values = bumps()
    wrong = values.copy()
    present = np.ones(values.shape, bool)
    k = channel_index("zygomaticus_l")
    wrong[100:150, k] = 0.9
    present[100:150, k] = False
    row = row_of(agreement.compare(wrong, present, estimate(values)), "zygomaticus_l")
    assert row.frames == 190 and row.rmse == 0 and row.rho == pytest.approx(1)


def test_rows_without_figures_say_why():
    values = bumps()
    present = np.ones(22, bool)
    present[channel_index("mentalis_l")] = False
    told = values.copy()
    told[:, channel_index("masseter_l")] = np.nan
    told[10:, channel_index("mentalis_r")] = np.nan
    still = values.copy()
    still[:, channel_index("zygomaticus_r")] = 0.5
    rows = agreement.compare(still, present, estimate(told, hidden=("masseter_l",)))
    assert row_of(rows, "mentalis_l").reason == "not recorded"
    assert row_of(rows, "masseter_l").reason == "not visible on a face"
    assert "frames in common" in row_of(rows, "mentalis_r").reason
    assert "does not vary" in row_of(rows, "zygomaticus_r").reason
    assert all(np.isnan(row.rho) for row in rows if row.reason)


def test_the_share_within_the_band_counts_active_frames():
    values = np.zeros((200, 22), np.float32)
    values[100:, 0] = np.linspace(0.2, 0.8, 100)
    far = values.copy()
    far[150:, 0] += 0.15  # one and a half standard deviations
    row = agreement.compare(values, np.ones(22, bool), estimate(far))[0]
    assert row.within_band == pytest.approx(0.5)


def test_the_table_can_be_read_back():
    values = bumps()
    present = np.ones(22, bool)
    present[3] = False
    rows = agreement.compare(values, present, estimate(np.roll(values, 2, 0)))
    read = list(csv.DictReader(io.StringIO(agreement.table_csv(rows))))
    assert [r["channel"] for r in read] == list(CHANNELS)
    assert read[3]["spearman_rho"] == "" and read[3]["note"] == "not recorded"
    assert float(read[0]["rmse"]) == pytest.approx(rows[0].rmse, abs=1e-4)


# --- left and right -------------------------------------------------------------------------------


def sides_of(values, present=True):
    return {side.muscle: side for side in agreement.asymmetry(values, present)}


def test_a_smile_on_the_left_alone_leans_wholly_to_the_left():
    values = np.zeros((50, 22), np.float32)
    values[20:40, channel_index("zygomaticus_l")] = 0.6
    sides = sides_of(values)
    assert len(sides) == 11
    assert sides["zygomaticus"].index == pytest.approx(100)
    assert (sides["zygomaticus"].left, sides["zygomaticus"].right) == (pytest.approx(0.6), 0)
    assert np.isnan(sides["mentalis"].index)
    assert agreement.overall(list(sides.values())) == pytest.approx(100)


def test_mirrored_activity_has_the_opposite_index():
    values = bumps(seed=3)
    mirrored = values[:, np.arange(22) ^ 1]
    for own, other in zip(agreement.asymmetry(values), agreement.asymmetry(mirrored), strict=True):
        assert own.index == pytest.approx(-other.index)
    both = values.copy()
    both[:, 1::2] = both[:, ::2]
    assert agreement.overall(agreement.asymmetry(both)) == 0


def test_a_side_that_is_not_known_gives_no_index():
    values = bumps()
    values[:, channel_index("zygomaticus_r")] = np.nan
    present = np.ones(22, bool)
    present[channel_index("mentalis_l")] = False
    sides = sides_of(values, present)
    assert np.isnan(sides["zygomaticus"].index) and np.isnan(sides["mentalis"].index)
    assert np.isfinite(sides["corrugator_supercilii"].index)
    assert np.isnan(agreement.overall(agreement.asymmetry(np.zeros((5, 22)))))


# --- scores of columns ----------------------------------------------------------------------------


def test_the_band_of_normal_errors_holds_eighty_percent():
    rng = np.random.default_rng(0)
    sd = rng.uniform(0.5, 2, (20_000, 2))
    inside = covered(np.zeros_like(sd), sd, rng.standard_normal(sd.shape) * sd)
    np.testing.assert_allclose(inside.mean(0), 0.8, atol=0.01)


def test_rank_correlation_is_scipys_with_ties():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    true = np.round(rng.random((200, 3)), 1)
    predicted = np.round(true + 0.3 * rng.random((200, 3)), 1)
    expected = [spearmanr(predicted[:, k], true[:, k]).statistic for k in range(3)]
    np.testing.assert_allclose(spearman(predicted, true), expected)


def test_rank_correlation_of_constants():
    line = np.arange(5.0)[:, None]
    assert spearman(line * 0, line) == 0 and np.isnan(spearman(line, line * 0))
    assert spearman(line**3, line) == pytest.approx(1)
    assert spearman(-line, line) == pytest.approx(-1)


def test_rmse_and_smape_of_known_pairs():
    predicted, true = np.array([[0.0], [0.3], [0.5]]), np.array([[0.0], [0.1], [0.5]])
    assert rmse(predicted, true) == pytest.approx(np.sqrt(0.04 / 3))
    assert smape(predicted, true) == pytest.approx(100 * (0 + 0.2 / 0.2 + 0) / 3)
    assert smape(np.zeros((4, 1)), np.ones((4, 1))) == pytest.approx(200)


@pytest.mark.parametrize("shift", [-4, 0, 3])
def test_lag_is_positive_where_the_prediction_follows(shift):
    rng = np.random.default_rng(2)
    clips = [np.convolve(rng.random(200), np.ones(9) / 9, "valid") for _ in range(3)]
    true = [c[20:-20, None] for c in clips]
    predicted = [c[20 - shift : len(c) - 20 - shift, None] for c in clips]
    assert lag(predicted, true) == shift


def test_lag_of_a_line_that_never_moves_is_unknown():
    clips = [np.arange(30.0)[:, None]]
    assert np.isnan(lag([clips[0] * 0], clips)) and np.isnan(lag(clips, [clips[0] * 0]))
