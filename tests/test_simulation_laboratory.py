"""Simulated sessions as recordings: they open and animate like those of a laboratory."""

from __future__ import annotations

import numpy as np
import pytest

from eifer_blender.electrodes import SITES
from eifer_blender.errors import EiferError
from eifer_blender.movements import EMOTIONS, SCHAEDE
from eifer_blender.muscles import CHANNELS
from eifer_blender.recordings import open_recording
from eifer_blender.signals import PRESETS, Status, process
from eifer_blender.simulation import laboratory, population, session
from eifer_blender.simulation.amplitude import Electrodes
from eifer_blender.simulation.semg import Lost

pytest.importorskip("edfio")


@pytest.fixture(scope="module")
def subject():
    return population.make_subject(20_003)


@pytest.fixture(scope="module")
def performances(subject):
    return session.make_performances(subject, kind="protocol", seconds=43.0, seed=4)


@pytest.fixture(scope="module")
def written(tmp_path_factory, subject):
    folder = tmp_path_factory.mktemp("laboratory")

    def write(montage):
        path = folder / f"{montage}.edf"
        if not path.exists():
            laboratory.write_session(path, subject, kind="protocol", seconds=43.0, seed=4, montage=montage)
        return path

    return write


def muscles(performances):
    return np.concatenate([p.activity for p in performances])[::4, : len(CHANNELS)]


def correlation(a, b):
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True)])


@pytest.mark.parametrize("montage", ["bipolar", "electrodes"])
def test_a_session_opens_with_all_muscles_and_follows_them(written, performances, montage):
    recording = open_recording(written(montage))
    (stream,) = recording.streams
    assert [c.muscle for c in stream.channels] == [
        name for name in CHANNELS for _ in range(1 if montage == "bipolar" else 2)
    ]
    made = process(recording, PRESETS["Animation"].without_dynamics(), 30.0)
    truth = muscles(performances)
    frames = min(len(truth), made.frames)
    assert np.median(correlation(made.values[:frames], truth[:frames])) > 0.9
    assert all(q.status in (Status.GOOD, Status.CHECK) for q in made.quality)


def test_kuramoto_sites_are_read_as_such(written, performances):
    recording = open_recording(written("kuramoto"))
    assert [c.site for c in recording.streams[0].channels] == list(SITES)
    made = process(recording, PRESETS["Animation"].without_dynamics(), 30.0)
    truth = muscles(performances)
    frames = min(len(truth), made.frames)
    assert np.median(correlation(made.values[:frames], truth[:frames])) > 0.6


def test_tasks_are_marked_from_end_to_end(written, performances):
    notes = open_recording(written("bipolar")).annotations
    assert {n.text for n in notes} == {*SCHAEDE, *EMOTIONS}
    assert notes[0].onset == 0
    for note, after, done in zip(notes, notes[1:], performances, strict=False):
        assert note.onset + note.duration == pytest.approx(after.onset, abs=1e-3)
        assert note.text == done.task


def test_the_recording_knows_no_time_after_its_samples(subject, performances):
    recording = laboratory.laboratory_recording(subject, performances[:3], rate=2000.0)
    (stream,) = recording.streams
    last = recording.annotations[-1]
    assert len(stream.samples) / stream.rate == pytest.approx(last.onset + last.duration, abs=1e-3)


def test_sessions_are_repeatable_and_a_lost_electrode_is_told(subject, performances):
    one, two, loose = (
        laboratory.laboratory_recording(subject, performances[:6], lost=lost)
        for lost in ((), (), (Lost(2, flat=True),))
    )
    np.testing.assert_array_equal(one.streams[0].samples, two.streams[0].samples)
    made = process(loose, PRESETS["Animation"], 30.0)
    assert made.quality[2].status is Status.BAD


def test_noise_is_as_asked(subject, performances):
    quiet = [p for p in performances if p.task == "Face-At-Rest"]
    level = [
        laboratory.laboratory_recording(subject, quiet, electrodes=Electrodes(snr_db=snr)).streams[0].samples
        for snr in (30.0, 0.0)
    ]
    steps = [np.diff(x, axis=0).std() for x in level]
    assert steps[1] > 10 * steps[0]


def test_a_file_is_not_overwritten_unasked(tmp_path, subject):
    path = tmp_path / "a.edf"
    path.write_bytes(b"mine")
    with pytest.raises(EiferError):
        laboratory.write_session(path, subject, kind="free", seconds=20.0)
    assert path.read_bytes() == b"mine"
