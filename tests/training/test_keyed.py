"""Keyed faces: what Exp2EMG learns of an animator's hand."""

from __future__ import annotations

import numpy as np
import pytest

from eifer_blender.heads.default import load_default_head
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS
from eifer_blender.spaces import ARKIT_NAMES, EYELIDS, JAW, JAW_LIMITS
from eifer_blender.training import keyed


def activity(**weights):
    """{channel: activity} of a still face with some ARKit weights."""
    row = np.zeros((1, len(ARKIT_NAMES)))
    for name, weight in weights.items():
        row[0, ARKIT_NAMES.index(name)] = weight
    found = keyed.activity_of_shapes(row)[0]
    return {CHANNELS[k]: float(found[k]) for k in np.flatnonzero(found > 1e-6)}


@pytest.fixture(scope="module")
def material():
    return keyed.keyed_material(load_default_head(), 40, seed=3)


def test_a_shape_asks_for_its_own_muscle_on_its_own_side():
    assert set(activity(mouthSmileLeft=0.5)) == {"zygomaticus_l"}
    assert set(activity(browInnerUp=0.5)) == {"medial_frontalis_l", "medial_frontalis_r"}
    assert activity(eyeLookUpLeft=1.0, jawOpen=1.0, mouthLeft=1.0) == {}
    sneer = activity(noseSneerRight=0.9)
    assert sneer["levator_labii_superioris_r"] > 3 * sneer["depressor_supercilii_r"]


def test_what_a_smile_moves_along_is_not_asked_for_twice():
    smile = dict(mouthSmileLeft=0.8, mouthUpperUpLeft=0.3, cheekSquintLeft=0.3)
    assert set(activity(**smile)) == {"zygomaticus_l"}
    assert "orbicularis_oculi_l" in activity(**smile | dict(cheekSquintLeft=0.8))


def test_clips_are_the_same_for_the_same_seed_and_within_limits(material):
    again = keyed.keyed_material(load_default_head(), 40, seed=3)
    np.testing.assert_array_equal(material.expression, again.expression)
    np.testing.assert_array_equal(material.activation, again.activation)
    assert material.activation.min() >= 0 and material.activation.max() <= 1.2
    assert material.activation.shape[1] == CHANNEL_COUNT and material.present.all()
    lids = material.expression[:, EYELIDS]
    assert lids.min() >= 0 and lids.max() <= 1
    low, high = JAW_LIMITS[0]
    assert material.expression[:, JAW.start].min() >= low and material.expression[:, JAW.start].max() <= high


def test_the_face_follows_its_muscles():
    rng = np.random.default_rng(0)
    lags = []
    for _ in range(60):
        weights, muscles = keyed.keyed_clip(rng)
        move, act = weights.max(1), muscles.max(1)
        if np.ptp(move) > 0.3 and np.ptp(act) > 0.3:
            shifts = range(-8, 9)
            fit = [np.corrcoef(np.roll(move, -s)[10:-10], act[10:-10])[0, 1] for s in shifts]
            lags.append(shifts[int(np.argmax(fit))])
    assert len(lags) > 10 and np.median(lags) > 0
