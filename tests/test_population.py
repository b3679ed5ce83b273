"""The simulated population: repeatable, varied, and lifelike where a laboratory would look."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.movements import EMOTIONS, SCHAEDE
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS, MUSCLES, OTHER_SIDE
from eifer_blender.simulation.amplitude import Electrodes, envelopes
from eifer_blender.simulation.population import HELD_OUT, TRAIN, VALIDATION, make_subject
from eifer_blender.simulation.protocol import PROTOCOL, protocol_hash
from eifer_blender.simulation.session import HIDDEN, RATE, make_performances, make_session, record
from eifer_blender.spaces import DEFAULT_SPACE, EYELIDS, JAW

CLEAN = Electrodes(snr_db=60.0, crosstalk=0.0, gain_drift=0.0)


def column(name: str) -> int:
    return CHANNELS.index(name)


@pytest.fixture(scope="module")
def subjects():
    return [make_subject(number) for number in range(200)]


@pytest.fixture(scope="module")
def session():
    return make_session(make_subject(5), seconds=160.0, electrodes=Electrodes(snr_db=25.0))


def clip(session, task):
    return next(c for c in session if c.task == task)


def test_the_same_number_is_the_same_person_and_the_same_seed_the_same_session():
    one, again = (make_session(make_subject(3), seconds=30.0, seed=2) for _ in range(2))
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first.envelope_uv, second.envelope_uv)
        np.testing.assert_array_equal(first.expression, second.expression)
    other = make_session(make_subject(3), seconds=30.0, seed=3)
    assert any(
        a.muscles.shape != b.muscles.shape or (a.muscles != b.muscles).any()
        for a, b in zip(one, other, strict=False)
    )


def test_training_validation_and_held_out_subjects_are_different_people():
    assert not set(TRAIN) & set(VALIDATION) and not set(TRAIN) & set(HELD_OUT)
    assert not set(VALIDATION) & set(HELD_OUT)


def test_a_session_holds_the_protocol_and_free_behaviour(session):
    assert {c.task for c in session} >= {*SCHAEDE, *EMOTIONS, "natural"}
    assert {c.mode for c in session} == {"schaede", "emotion", "smile", "blink", "speech", "chewing", "free"}
    for c in session:
        frames = len(c.moving)
        assert c.muscles.shape == c.envelope_uv.shape == (frames, CHANNEL_COUNT)
        assert c.expression.shape == (frames, DEFAULT_SPACE.size) and c.hidden.shape == (frames, len(HIDDEN))
        assert all(np.isfinite(a).all() for a in (c.muscles, c.hidden, c.envelope_uv, c.expression))
        assert c.muscles.min() >= 0 and c.muscles.max() <= 1
        assert c.expression[:, EYELIDS].min() >= 0 and c.expression[:, EYELIDS].max() <= 1
    assert sum(len(c.moving) for c in session) / RATE == pytest.approx(160.0, rel=0.05)
    assert {c.mode for c in make_session(make_subject(1), kind="free", seconds=30.0)} >= {"speech", "free"}
    with pytest.raises(ValueError, match="nonsense"):
        make_session(make_subject(1), kind="nonsense")


@pytest.mark.parametrize(
    ("task", "leading"),
    [
        ("Forehead", {"medial_frontalis", "lateral_frontalis"}),
        ("Smile-Closed", {"zygomaticus"}),
        ("Lip-Pucker", {"orbicularis_oris"}),
        ("Depress-Lip", {"depressor_anguli_oris"}),
        ("Eye-Gentle", {"orbicularis_oculi"}),
    ],
)
def test_the_leading_muscles_lead(session, task, leading):
    strongest = clip(session, task).muscles.max(0).reshape(-1, 2).max(1)
    assert {MUSCLES[i].name for i in np.argsort(-strongest)[: len(leading)]} == leading


def test_the_muscle_contracts_before_the_face_moves(session):
    smile = clip(session, "Smile-Closed")
    corner = load_default_head().landmarks["mouth_corner_l"]
    height = deform(load_default_head(), smile.expression)[:, corner, 1]
    muscle = smile.muscles[:, column("zygomaticus_l")]
    height = (height - height.min()) / np.ptp(height)
    lags = np.arange(0, 10)
    agreement = [np.corrcoef(muscle[: len(muscle) - k], height[k:])[0, 1] for k in lags]
    assert 60 <= lags[int(np.argmax(agreement))] / RATE * 1000 <= 240
    assert max(agreement) > 0.95


def test_blinks_are_short_and_close_both_eyes(session):
    lids = clip(session, "Face-At-Rest").expression[:, EYELIDS]
    blinks = np.concatenate([c.expression[:, EYELIDS] for c in session if c.mode == "blink"] + [lids])
    closed = (blinks > 0.5).all(1)
    assert closed.any()
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], closed.astype(int), [0]]))))[::2]
    assert np.median(runs) / RATE < 0.3


def test_jaw_opens_in_speech_and_chewing_and_never_by_the_masseter(session):
    opening = {c.mode: c.expression[:, JAW.start].max() for c in session}
    assert opening["speech"] > 0.02 and opening["chewing"] > 0.05
    assert clip(session, "Lip-Pucker").expression[:, JAW.start].max() < 0.005
    chewing = next(c for c in session if c.mode == "chewing")
    masseter = chewing.muscles[:, [column("masseter_l"), column("masseter_r")]].max(1)
    assert np.corrcoef(masseter, chewing.hidden[:, HIDDEN.index("jaw_opener")])[0, 1] < 0.1


def test_the_population_is_varied_and_a_few_have_a_weak_side(subjects):
    ratio = np.array([s.effort[0::2].mean() / s.effort[1::2].mean() for s in subjects])
    weak = (ratio < 0.75) | (ratio > 1 / 0.75)
    assert 0.03 < weak.mean() < 0.25
    gains = np.array([s.face.strength for s in subjects])
    assert np.abs(gains.std(0) / gains.mean(0)).max() < 0.3 and (gains.std(0) > 0).all()
    assert np.ptp([s.delay_s.mean() for s in subjects]) > 0.015
    assert np.min([s.snr_db for s in subjects]) > 10 and np.max([s.snr_db for s in subjects]) < 32
    assert np.std([s.identity for s in subjects]) == pytest.approx(PROTOCOL.identity_sd, rel=0.05)


def test_noise_crosstalk_and_band_do_to_the_envelope_what_they_say():
    subject = make_subject(8)
    done = make_performances(subject, kind="protocol", seconds=60.0)

    def reported(electrodes):
        return np.concatenate([c.envelope_uv for c in record(subject, done, electrodes)])

    quiet = np.concatenate([c.muscles.max(1) for c in record(subject, done, CLEAN)]) < 0.01
    noisy, clean = reported(Electrodes(snr_db=10.0, crosstalk=0.0)), reported(CLEAN)
    expected = 0.5 * subject.maximum_uv * 10 ** (-10 / 20)
    np.testing.assert_allclose(np.median(noisy[quiet], 0), expected, rtol=0.1)
    assert (np.median(clean[quiet], 0) < 0.02 * expected).all()

    forehead = next(i for i, p in enumerate(done) if p.task == "Forehead")
    levels = [
        record(subject, done[forehead : forehead + 1], Electrodes(snr_db=60.0, crosstalk=k, gain_drift=0.0))
        for k in (0.0, 1.0, 2.0)
    ]
    peaks = [c[0].envelope_uv[:, column("depressor_supercilii_l")].max() for c in levels]
    assert peaks[1] > peaks[0] + 1 and peaks[2] == pytest.approx(2 * peaks[1], rel=0.5)
    narrow = reported(dataclasses.replace(CLEAN, band_hz=(20.0, 250.0)))
    assert 0.9 < narrow.mean() / clean.mean() < 1.0


def test_an_envelope_wavers_as_a_random_signal_does():
    rng = np.random.default_rng(0)
    amplitude = np.full((40_000, 3), 50.0)
    for bandwidth, window in ((175.0, 100.0), (175.0, 500.0), (80.0, 100.0)):
        envelope = envelopes(amplitude, 0.0, bandwidth, window, rng)[30:-30]
        power = envelope.astype(float) ** 2
        assert power.std() / power.mean() == pytest.approx((bandwidth * window / 1000) ** -0.5, rel=0.08)
        assert envelope.mean() == pytest.approx(50.0, rel=0.02)


def test_the_face_does_not_depend_on_the_electrodes():
    subject = make_subject(9)
    one = make_session(subject, seconds=30.0, electrodes=Electrodes(snr_db=5.0))
    other = make_session(subject, seconds=30.0, electrodes=Electrodes(snr_db=30.0, crosstalk=2.0))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.expression, b.expression)


def test_the_face_is_still_at_rest():
    rest = [c for c in make_session(make_subject(4), seconds=80.0) if c.task == "Face-At-Rest"]
    for c in rest:
        still = c.expression[~c.moving]
        assert np.abs(still[:, : EYELIDS.start]).max() == 0
        assert still[:, EYELIDS].max() < 0.02


def test_sides_are_treated_alike():
    numbers = [make_session(make_subject(n), kind="free", seconds=40.0) for n in range(12)]
    muscles = np.concatenate([c.muscles for s in numbers for c in s])
    means = muscles.mean(0)
    assert np.abs(means - means[OTHER_SIDE]).max() < 0.25 * means.max()


def test_the_protocol_has_a_hash_that_any_number_changes():
    assert len(protocol_hash()) == 64
    assert protocol_hash(dataclasses.replace(PROTOCOL, gain_sd=0.061)) != protocol_hash()
