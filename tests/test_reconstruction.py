"""Smoothing without lag, skin fitted into pictures, and networks that are looked at before they run."""

from __future__ import annotations

import numpy as np
import onnx_made
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eifer_blender.errors import EiferError
from eifer_blender.mapping.onnx_file import inspect_pictures
from eifer_blender.reconstruction import face_view, models, removal
from eifer_blender.reconstruction.smooth import smoothed

TIMES = np.arange(300) / 30.0


def test_a_movement_is_smoothed_without_coming_later():
    bump = np.exp(-0.5 * ((TIMES - 5.0) / 0.3) ** 2)
    noisy = bump + np.random.default_rng(0).normal(0, 0.05, 300)
    found = smoothed(noisy[:, None], TIMES, np.ones(300), 0.2)[:, 0]
    assert abs(TIMES[found.argmax()] - 5.0) <= 1 / 30
    assert np.abs(np.diff(found, 2)).mean() < 0.3 * np.abs(np.diff(noisy, 2)).mean()
    assert found.max() > 0.9
    mirrored = smoothed(noisy[::-1, None], TIMES, np.ones(300), 0.2)[::-1, 0]
    assert np.abs(found - mirrored).max() < 1e-5  # before and after count alike


def test_what_is_not_trusted_is_bridged():
    values = np.sin(TIMES)[:, None].copy()
    values[100:110] = 50.0
    trust = np.ones(300)
    trust[100:110] = 0.0
    found = smoothed(values, TIMES, trust, 0.2)[:, 0]
    # the least trust that keeps the problem solvable leaves a trace of the wrong values
    assert np.abs(found - np.sin(TIMES)).max() < 0.1


def test_uneven_times_are_heeded():
    rng = np.random.default_rng(1)
    times = np.sort(rng.choice(TIMES, 200, replace=False))
    found = smoothed((2 * times)[:, None], times, np.ones(200), 0.5)[:, 0]
    assert np.abs(found - 2 * times).max() < 1e-3  # a straight line stays one


def test_no_smoothing_leaves_values_as_they_are():
    values = np.random.default_rng(2).normal(size=(50, 3)).astype(np.float32)
    assert np.array_equal(smoothed(values, TIMES[:50], np.ones(50), 0.0), values)
    assert np.array_equal(smoothed(values[:2], TIMES[:2], np.ones(2), 1.0), values[:2])


def test_drawn_skin_takes_the_tone_of_the_skin_around_it():
    picture = np.full((1, 64, 64, 3), 0.6, np.float32)
    picture[:, 24:40, 24:40] = [0.0, 0.2, 0.9]  # an electrode
    drawn = np.full_like(picture, 0.3)
    where = np.zeros((1, 64, 64), np.float32)
    where[:, 24:40, 24:40] = 1.0
    replaced = removal.replaced_share(where)
    bare = removal.blended(picture, drawn, replaced)
    assert np.abs(bare - 0.6).max() < 0.03
    far = replaced == 0
    assert np.array_equal(bare[far], picture[far])
    assert far.mean() > 0.8


def test_only_what_no_electrode_hides_is_shown_to_the_remover():
    rng = np.random.default_rng(3)
    pictures = rng.random((1, 3, 64, 64)).astype(np.float32)
    cover = np.zeros((1, 64, 64), bool)
    cover[:, 16:48, 16:48] = True
    electrodes = np.zeros((1, 64, 64), np.float32)
    electrodes[:, :, 30:] = 1.0
    masked = face_view.mask(pictures, cover, electrodes)
    kept = masked[0, 3]
    assert kept[:, 30:].max() == 0
    assert kept[:10, :10].min() == 1  # outside the face all is kept
    assert 0 < kept[20:44, 16:30].mean() < 0.15  # within it a few pixels
    assert np.array_equal(masked[0, :3], pictures[0] * kept)


def test_missing_networks_are_said_in_one_sentence(tmp_path):
    with pytest.raises(EiferError, match=r"phase1_encoder\.onnx"):
        models.load(models.ENCODER, tmp_path)
    (tmp_path / "phase1_encoder.onnx").write_bytes(b"not a network")
    with pytest.raises(EiferError, match="not an ONNX file"):
        models.load(models.ENCODER, tmp_path)


def network(operator, weights=b""):
    """A file of one operator on a picture, which says that it is an encoder."""
    graph = onnx_made.node(operator, ["x"], ["y"]) + weights
    says = onnx_made.field(14, onnx_made.field(1, b"eifer.kind") + onnx_made.field(2, b"phase1_encoder"))
    return onnx_made.field(1, 8) + onnx_made.field(7, graph) + says


def test_what_a_file_says_of_itself_is_read():
    assert inspect_pictures(network("Relu")) == {"eifer.kind": "phase1_encoder"}


@pytest.mark.parametrize("operator", ["Loop", "If", "ConvTranspose", "Einsum", "RandomNormal"])
def test_a_network_that_does_more_than_look_at_pictures_is_refused(operator):
    with pytest.raises(EiferError, match=operator):
        inspect_pictures(network(operator))


def test_a_network_that_would_fill_the_memory_is_refused():
    wide = onnx_made.weight("w", np.zeros((3000, 1, 1, 1)))
    with pytest.raises(EiferError, match="channels"):
        inspect_pictures(network("Conv", wide))
    many = b"".join(onnx_made.node("Resize", ["x"], ["y"]) for _ in range(9))
    with pytest.raises(EiferError, match="memory"):
        inspect_pictures(onnx_made.field(7, many))


@given(st.binary(max_size=400), st.integers(0, 300))
def test_damaged_networks_are_refused_in_one_sentence(noise, place):
    whole = network("Relu")
    damaged = whole[:place] + noise + whole[place + len(noise) // 2 :]
    try:
        assert isinstance(inspect_pictures(damaged), dict)
    except EiferError as error:
        assert "\n" not in str(error)
