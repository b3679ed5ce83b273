"""The way back without Blender: what is told, what is left open, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from eifer_blender import estimation, mapping
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.mapping.metadata import EXP2EMG
from eifer_blender.muscles import CHANNELS, channel_index
from eifer_blender.simulation.muscle_face import expression_of_muscles
from eifer_blender.spaces import DEFAULT_SPACE


@pytest.fixture(scope="module")
def model():
    return mapping.load_model(head=load_default_head(), kind=EXP2EMG)


def test_a_muscle_that_a_face_does_not_show_is_left_open(model):
    face = np.zeros((60, DEFAULT_SPACE.size), np.float32)
    found = estimation.estimate(model, face, 30.0)
    assert set(found.hidden) == {"masseter_l", "masseter_r"}
    hidden = [channel_index(name) for name in found.hidden]
    assert np.isnan(found.values[:, hidden]).all() and np.isnan(found.sd[:, hidden]).all()
    assert not found.told[hidden].any() and found.told.sum() == 20
    assert any("masseter" in note and "left out" in note for note in found.notes)
    assert np.all(found.values[:, found.told] == 0)


def test_it_is_guessed_where_somebody_asks_for_it(model):
    found = estimation.estimate(model, np.zeros((60, 55), np.float32), 30.0, include_hidden=True)
    assert found.told.all()
    assert any("only guessed" in note for note in found.notes)


def test_an_expression_that_is_no_number_is_refused_by_frame_and_name(model):
    face = np.zeros((60, 55), np.float32)
    face[7, 2] = np.nan
    with pytest.raises(EiferError, match=r"'exp002' in frame 8 of 60"):
        estimation.estimate(model, face, 30.0)


def test_a_model_of_the_other_direction_is_refused():
    with pytest.raises(EiferError, match="maps"):
        estimation.estimate(mapping.load_model(), np.zeros((5, 55), np.float32), 30.0)


def test_faces_unlike_those_of_the_training_are_told(model):
    head = load_default_head()
    muscles = np.zeros((60, len(CHANNELS)), np.float32)
    muscles[20:40, channel_index("zygomaticus_l")] = muscles[20:40, channel_index("zygomaticus_r")] = 0.7
    usual = estimation.estimate(model, expression_of_muscles(head, muscles), 30.0)
    odd = np.zeros((60, 55), np.float32)
    odd[20:40, :50] = np.random.default_rng(5).normal(0.0, 6.0, 50)
    unusual = estimation.estimate(model, odd, 30.0)
    assert not any("hints" in note for note in usual.notes)
    assert any("hints" in note for note in unusual.notes)


def test_muscles_are_listed_once_where_both_sides_are_meant():
    both = estimation.muscle_list(("masseter_l", "masseter_r"))
    assert both == "masseter"
    assert estimation.muscle_list(("masseter_l", "masseter_r", "mentalis_l")) == "masseter and Mentalis, left"
    assert estimation.muscle_list(()) == ""
