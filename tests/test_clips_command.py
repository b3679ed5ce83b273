"""From a simulated session to a data set with the commands that a laboratory would type."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from eifer_blender.cli import main
from eifer_blender.datasets.mmm import read_dataset
from eifer_blender.datasets.sessions import activations, expressions
from eifer_blender.interchange import write_parameter_arrays
from eifer_blender.recordings import open_recording
from eifer_blender.recordings.edf_write import write_edf
from eifer_blender.simulation.laboratory import laboratory_recording
from eifer_blender.simulation.population import VALIDATION, make_subject
from eifer_blender.simulation.session import make_performances
from eifer_blender.spaces import DEFAULT_SPACE

OFFSET = -3.37  # the camera was started so long after the amplifier
FPS = 29.97
RATE = 1000.0


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """(NPZ of a reconstruction, EDF+, the true expression at any second of the recording)."""
    folder = tmp_path_factory.mktemp("session")
    subject = make_subject(VALIDATION[7])
    performances = make_performances(subject, kind="protocol", seconds=50.0, seed=1)
    recording = laboratory_recording(subject, performances, rate=RATE)
    write_edf(folder / "raw.edf", recording)
    expression = np.concatenate([p.expression for p in performances])
    truth = PchipInterpolator(np.arange(len(expression)) / 30, expression)
    times = np.arange(int(42 * FPS)) / FPS
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, (len(times), 55)) * np.repeat([0.15, 0.02, 0.005], [50, 2, 3])
    seen = gaussian_filter1d(truth(times - OFFSET) + noise, 0.8, axis=0) + rng.normal(0, 0.2, 55) * 0.5
    confidence = np.ones(len(times), np.float32)
    confidence[600:640] = 0
    seen[600:640] = 5.0
    write_parameter_arrays(
        folder / "video.npz", DEFAULT_SPACE, seen.astype(np.float32), FPS, times=times, confidence=confidence
    )
    return folder / "video.npz", folder / "raw.edf", truth


def clips(*arguments):
    return main.run(["--here", "clips", *map(str, arguments)])


def test_a_session_becomes_a_data_set(session, tmp_path, capsys):
    parameters, raw, truth = session
    assert clips(parameters, raw, tmp_path / "d", "--person", "P1", "--by-marks") == 0
    said = capsys.readouterr().out
    assert "became 2 clips" in said or "face was lost" in said
    facts = json.loads((tmp_path / "d/dataset.json").read_text())["sessions"][0]
    assert abs(facts["offset_s"] - OFFSET) < 1 / FPS and facts["sync_grade"] in "AB"
    read = read_dataset(tmp_path / "d")
    assert len(read.clips) >= 10 and {c.sync_grade for c in read.clips} == {facts["sync_grade"]}
    assert {"schaede", "emotion"} == {c.mode for c in read.clips}
    faces = expressions(read, activations(read))
    # Face and muscles of a clip are those of the second at which the recording marks its task.
    onsets = {a.text: (a.onset, a.duration) for a in open_recording(raw).annotations}
    late, error = [], []
    for clip, face in zip(read.clips, faces, strict=True):
        onset, duration = onsets[clip.task]
        if abs(len(face) - 30 * duration) > 2 or clip.task == "Face-At-Rest":
            continue  # the face was lost in it, or does not move
        first = np.ceil((onset + facts["offset_s"]) * 30) / 30 - OFFSET
        wanted = [truth(first + (np.arange(len(face)) + shift) / 30)[:, :50] for shift in range(-4, 5)]
        fit = [np.sum((face[:, :50] - one - np.mean(face[:, :50] - one, 0)) ** 2) for one in wanted]
        late.append(int(np.argmin(fit)) - 4)
        error.append(np.abs(face[:, :50] - wanted[4]).mean())
    assert len(late) >= 8 and abs(np.median(late)) < 1 and np.max(np.abs(late)) <= 1
    assert np.median(error) < 0.25


def test_an_offset_by_hand_and_a_second_session(session, tmp_path, capsys):
    parameters, raw, _ = session
    cut = ("--range", 1, 6, "Smile-Closed", "--range", 8, 14, "something else")
    given = ("--offset", OFFSET, *cut)
    assert clips(parameters, raw, tmp_path / "d", "--person", "P1", *given) == 0
    assert clips(parameters, raw, tmp_path / "d", "--person", "P1", *given) == 1
    assert "--append" in capsys.readouterr().err
    again = ("--session", 2, "--append", "--drift", 50)
    assert clips(parameters, raw, tmp_path / "d", "--person", "P1", *given, *again) == 0
    read = read_dataset(tmp_path / "d")
    assert [(c.rec, c.task, c.sync_grade) for c in read.clips] == [
        (rec, task, "manual") for rec in ("1S", "2S") for task in ("Smile-Closed", "something-else")
    ]
    assert b"raw" not in (tmp_path / "d/dataset.json").read_bytes()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--offset", 500], "do not overlap"),
        (["--drift", 10], "--offset"),
        (["--by-marks", "--marks", "sad"], "Choose one"),
        (["--offset", 0, "--marks", "no such mark"], "no mark 'no such mark'"),
        (["--offset", 0, "--range", "a", "b", "c"], "two numbers"),
        (["--offset", 0, "--range", 9, 3, "c"], "empty"),
        (["--append"], "no data set"),
        (["--video", "nowhere.mp4"], "no file"),
        (["--person", "Jane Doe", "--offset", 0], "no real name"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(session, tmp_path, wrong, told, capsys):
    parameters, raw, _ = session
    assert clips(parameters, raw, tmp_path / "d", "--person", "P1", *wrong) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_recording_of_somebody_else_is_refused(session, tmp_path, capsys):
    parameters, _, _ = session
    subject = make_subject(VALIDATION[8])
    other = laboratory_recording(subject, make_performances(subject, seconds=40.0, seed=2), rate=RATE)
    write_edf(tmp_path / "other.edf", other)
    assert clips(parameters, tmp_path / "other.edf", tmp_path / "d", "--person", "P1") == 1
    assert "--offset" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
