"""Fewer keys stay within the tolerance that the animator asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eifer_blender import keyframes


def smooth_take(frames, columns, seed=0, width=6):
    rng = np.random.default_rng(seed)
    kernel = np.hanning(2 * width + 1)
    noise = rng.normal(size=(frames + 2 * width, columns))
    return np.stack([np.convolve(noise[:, c], kernel, "valid") for c in range(columns)], 1).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.floats(1e-4, 1.0), st.integers(0, 10_000))
def test_every_sample_is_within_the_tolerance(frames, tolerance, seed):
    values = np.random.default_rng(seed).normal(size=frames).astype(np.float32)
    keys = keyframes.reduce_curve(values, tolerance)
    assert np.abs(keyframes.interpolate(keys, frames) - values).max() <= tolerance + 1e-6
    assert keys.indices[0] == 0 and keys.indices[-1] == frames - 1
    assert np.all(np.diff(keys.indices) > 0)


def test_a_curve_at_rest_needs_two_flat_keys():
    keys = keyframes.reduce_curve(np.zeros(500, dtype=np.float32), 0.01)
    assert len(keys.indices) == 2 and not keys.slopes.any()


def test_hermite_segments_are_exact_for_a_cubic():
    x = np.linspace(0.0, 1.0, 41)
    keys = keyframes.SparseKeys(np.array([0, 40]), np.array([0.0, 1.0]), np.array([0.0, 3.0 / 40]))
    np.testing.assert_allclose(keyframes.interpolate(keys, 41), x**3, atol=1e-12)


def test_the_face_stays_within_the_tolerance_and_keys_are_saved():
    values = 0.2 * smooth_take(400, 12)
    effects = np.random.default_rng(1).normal(size=(12, 200, 3)).astype(np.float32) * 5e-4
    reduced = keyframes.reduce_take(values, effects, 0.1)
    error = np.stack([keyframes.interpolate(k, 400) for k in reduced.keys], 1) - values
    moved = np.linalg.norm(np.einsum("fc,cvd->fvd", error, effects), axis=2).max() * 1000
    assert moved <= 0.1
    assert abs(moved - reduced.error_mm) < 1e-3
    assert sum(len(k.indices) for k in reduced.keys) < 0.5 * values.size


def test_a_looser_tolerance_needs_fewer_keys():
    values = smooth_take(300, 5)
    effects = np.random.default_rng(2).normal(size=(5, 50, 3)).astype(np.float32) * 1e-3
    counts = [
        sum(len(k.indices) for k in keyframes.reduce_take(values, effects, mm).keys)
        for mm in (0.02, 0.2, 2.0)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_reducing_a_long_take_can_be_cancelled():
    seen = []

    def tick():
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keyframes.reduce_take(smooth_take(100, 6), np.ones((6, 4, 3), dtype=np.float32), 0.1, tick)
    assert len(seen) == 3
