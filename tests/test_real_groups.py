"""Recorded group averages of six emotions through both bundled models: evidence that no simulation made.

The table's zeros are drop-outs: `happy` has no zygomaticus on either side and must smile all the same.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from eifer_blender import mapping, pipeline, recordings
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.mapping.metadata import EMG2EXP, EXP2EMG
from eifer_blender.muscles import CHANNELS
from eifer_blender.spaces import EYELIDS, JAW

FPS = 30.0
TABLE = Path(__file__).parent / "data" / "fridlund_emotions.csv"
SPELLING = {"suprised": "surprised", "distugusted": "disgusted"}  # the table's
# Pairs of emotions whose recorded level of a muscle differs at least so many times are told apart.
CLEARLY = 2.0


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def take(head):
    """The table's activity as a take: every emotion held for two seconds."""
    model = mapping.load_model(head=head, kind=EMG2EXP)
    chain = dataclasses.replace(mapping.settings_for(model), hold_s=2.0)
    table = recordings.open_recording(TABLE, zeros_missing=True)
    activation = pipeline.process_recording(table, pipeline.TakeSettings(chain, FPS))
    values, _, _ = mapping.emg_to_expression(model, activation.values, activation.present, FPS)
    return activation, values


@pytest.fixture(scope="module")
def middles(take):
    """emotion -> frame in the middle of its hold."""
    activation, _ = take
    return {SPELLING.get(text, text): start + round(FPS) for start, text in activation.labels}


@pytest.fixture(scope="module")
def faces(head, take, middles):
    """emotion -> displacement [V, 3] mm."""
    params = take[1][list(middles.values())]
    fields = (deform(head, params) - deform(head, params[:1] * 0)) * 1000
    return dict(zip(middles, fields, strict=True))


@pytest.fixture(scope="module")
def expressions(take, middles):
    """emotion -> parameters [55]."""
    return {name: take[1][frame] for name, frame in middles.items()}


def moved(head, field, landmark):
    """Mean of both sides of a landmark: (outwards, up, forwards) in mm."""
    if landmark in head.landmarks:
        return field[head.landmarks[landmark]]
    left, right = (field[head.landmarks[f"{landmark}_{side}"]] for side in "lr")
    return (left + right * np.array([-1, 1, 1])) / 2


def test_the_table_lacks_what_it_says(take, middles):
    activation, _ = take
    missing = ~activation.present[middles["happy"]]
    assert {c for c, m in zip(CHANNELS, missing, strict=True) if m} >= {"zygomaticus_l", "zygomaticus_r"}
    assert len(middles) == 6


# --- the face of the emotion ----------------------------------------------------------------------


def test_happiness_smiles_although_both_zygomatici_are_missing(head, faces):
    corner = moved(head, faces["happy"], "mouth_corner")
    assert corner[0] > 1.0 and corner[1] > 1.0
    assert moved(head, faces["happy"], "cheek")[1] > 1.0


def test_no_other_emotion_smiles(head, faces):
    happy = moved(head, faces["happy"], "mouth_corner")[1]
    assert all(moved(head, faces[e], "mouth_corner")[1] < happy for e in faces if e != "happy")


def test_sadness_holds_the_inner_brow_up_and_pulls_the_mouth(head, faces):
    # The corrugator is as active as in disgust; the medial frontalis holds against it.
    inner = {emotion: moved(head, field, "brow_inner") for emotion, field in faces.items()}
    assert inner["sad"][1] > inner["disgusted"][1] + 3.0 and inner["sad"][1] > inner["angry"][1] + 1.0
    assert inner["sad"][0] < -2.0
    sad = faces["sad"]
    assert moved(head, sad, "mouth_corner")[1] < -1.0 or moved(head, sad, "chin")[1] > 1.0


def test_surprise_raises_the_brows(head, faces):
    assert moved(head, faces["surprised"], "brow_inner")[1] > 2.0
    assert moved(head, faces["surprised"], "brow_outer")[1] > 2.0


def test_anger_lowers_the_brows_and_presses_the_lips(head, faces):
    angry = faces["angry"]
    assert moved(head, angry, "brow_inner")[1] < -1.5
    upper, lower = moved(head, angry, "lip_upper"), moved(head, angry, "lip_lower")
    pressed = upper[1] - lower[1] < 0.0
    puckered = moved(head, angry, "mouth_corner")[0] < -1.0 and min(upper[2], lower[2]) > 1.5
    assert pressed or puckered


def test_disgust_wrinkles_the_nose_and_lifts_the_lip(head, faces):
    disgusted = faces["disgusted"]
    assert moved(head, disgusted, "nose_wing")[1] > 1.0
    assert moved(head, disgusted, "brow_inner")[1] < -1.0
    assert moved(head, disgusted, "lip_upper")[1] > 0.3


def test_eyes_stay_open_in_emotions(expressions):
    for emotion, params in expressions.items():
        assert params[EYELIDS].max() < 0.5, emotion


def test_the_jaw_stays_within_what_emotions_open(expressions):
    assert max(params[JAW][0] for params in expressions.values()) < 0.30


def test_the_six_emotions_are_six_faces(head, faces):
    skin = head.regions["skin"]
    fields = [field[skin] for field in faces.values()]
    for i, first in enumerate(fields):
        for second in fields[:i]:
            assert np.linalg.norm(first - second, axis=1).max() > 4.0


# --- and back to the muscles ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def returned(head, take, middles):
    """emotion -> muscle -> activity (mean of the sides) that the face of the emotion tells of."""
    model = mapping.load_model(head=head, kind=EXP2EMG)
    values, _ = mapping.expression_to_emg(model, take[1], FPS)
    told = ~np.isin(CHANNELS, model.metadata.hidden)  # a face says nothing of the others
    return {name: by_muscle(values[frame] * told) for name, frame in middles.items()}


def by_muscle(values):
    return {c[:-2]: float(np.mean(values[i : i + 2])) for i, c in enumerate(CHANNELS) if c.endswith("_l")}


# What leads in an emotion (facts of the recorded table and FACS), of which at least one must come back among
# the four strongest muscles relative to each muscle's own greatest value.
LEADING = {
    "happy": ("zygomaticus", "orbicularis_oculi", "levator_labii_superioris"),
    "angry": ("corrugator_supercilii", "depressor_supercilii", "orbicularis_oris"),
    "disgusted": ("corrugator_supercilii", "depressor_supercilii", "levator_labii_superioris"),
    "fearful": ("medial_frontalis",),
    "sad": ("medial_frontalis", "mentalis", "corrugator_supercilii"),
    "surprised": ("lateral_frontalis", "medial_frontalis"),
}


@pytest.mark.parametrize("emotion", LEADING)
def test_the_leading_muscles_come_back(returned, emotion):
    strongest = sorted(returned[emotion], key=returned[emotion].get, reverse=True)[:4]
    assert len(set(LEADING[emotion]) & set(strongest)) >= min(2, len(LEADING[emotion]))


def test_relations_between_emotions_come_back(returned):
    def level(muscle):
        return {emotion: values[muscle] for emotion, values in returned.items()}

    zygomaticus, corrugator = level("zygomaticus"), level("corrugator_supercilii")
    assert max(zygomaticus, key=zygomaticus.get) == "happy"
    assert min(corrugator, key=corrugator.get) in ("happy", "surprised")
    lateral = level("lateral_frontalis")
    assert max(lateral, key=lateral.get) == "surprised"
    mentalis = level("mentalis")
    assert mentalis["sad"] > mentalis["surprised"] and mentalis["sad"] > mentalis["disgusted"]
    assert level("orbicularis_oris")["angry"] > level("orbicularis_oris")["surprised"]


def test_recorded_differences_keep_their_direction(take, middles, returned):
    """Where a muscle was recorded clearly stronger in one emotion than in another, it comes back so."""
    activation, _ = take
    right = total = 0
    for muscle in returned["happy"]:
        at = [CHANNELS.index(f"{muscle}_{side}") for side in "lr"]
        levels = {
            name: float(activation.values[frame, at].mean())
            for name, frame in middles.items()
            if activation.present[frame, at].all()
        }
        for one, first in levels.items():
            for other, second in levels.items():
                if first > 0.15 and first > CLEARLY * second:
                    total += 1
                    right += returned[one][muscle] > returned[other][muscle]
    assert total > 40 and right / total > 0.85
