"""Clips to train on from a video's expressions and an aligned recording, written and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from eifer_blender.alignment import ClockMap
from eifer_blender.datasets import append, mmm
from eifer_blender.datasets.append import write_session
from eifer_blender.datasets.methods import FLAME_55, METHODS
from eifer_blender.datasets.mmm import read_dataset, write_dataset
from eifer_blender.datasets.sessions import activations, expressions
from eifer_blender.errors import EiferError
from eifer_blender.interchange import ExpressionClip
from eifer_blender.muscles import CHANNELS, channel_index
from eifer_blender.recordings.types import Annotation, Channel, Kind, Recording, Stream
from eifer_blender.signals import PRESETS, process
from eifer_blender.spaces import DEFAULT_SPACE
from eifer_blender.training_clips import Cut, cuts_of_marks, make_clips, task_of

RATE = 1000.0
MUSCLES = ("zygomaticus_l", "zygomaticus_r", "corrugator_supercilii_l", "medial_frontalis_r")


def course(seconds):
    """A smooth course that is never the same twice."""
    seconds = np.asarray(seconds, float)
    return np.clip(np.sin(seconds * 1.3) * np.sin(seconds * 0.37 + 1) + 0.3, 0, 1)


@lru_cache
def recording(seconds=60.0, marks=()):
    """Raw sEMG whose amplitude follows `course`, one second later for every channel."""
    rng = np.random.default_rng(4)
    t = np.arange(int(seconds * RATE)) / RATE
    columns = [(2 + 150 * course(t + k)) * rng.standard_normal(len(t)) for k in range(len(MUSCLES))]
    channels = tuple(Channel(name, "uV", Kind.RAW, name) for name in MUSCLES)
    stream = Stream(channels, np.stack(columns, 1).astype(np.float32), RATE)
    return Recording((stream,), tuple(marks), format="made")


def video(clock, seconds=40.0, fps=29.97, lost=()):
    """Expressions whose first parameters follow the muscles; `lost`: (from, to) seconds without a face."""
    t = np.arange(int(seconds * fps)) / fps
    values = np.zeros((len(t), DEFAULT_SPACE.size), np.float32)
    for k in range(len(MUSCLES)):
        values[:, k] = course(clock.to_recording(t) + k)
    confidence = np.ones((len(t), 1), np.float32)
    for start, stop in lost:
        confidence[(t >= start) & (t < stop)] = 0
        values[(t >= start) & (t < stop)] = 9.0
    return ExpressionClip(DEFAULT_SPACE, values, fps, extra={"confidence": confidence})


def made(clock=None, cuts=(), marks=(), **more):
    clock = clock or ClockMap(-7.3)
    keys = {"person": "07", "block": 2, "grade": "A", **more}
    face = keys.pop("face", None) or video(clock)
    return make_clips(face, recording(marks=marks), clock, cuts, **keys)


def written(folder, clips, **more):
    keys = {"method": "eifer-head-1", "source": "recorded", "facts": {"offset_s": 1.5}, **more}
    return write_session(folder, clips, **keys)


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 30.0, 60.0])
@pytest.mark.parametrize("clock", [ClockMap(-7.3), ClockMap(4.21), ClockMap(-7.3, 200.0, 30.0)])
def test_face_and_muscles_of_a_row_belong_to_one_instant(fps, clock):
    clip = made(clock, face=video(clock, fps=fps)).clips[0]
    first = max(0.0, np.ceil((clock.to_video(0.25)) * 30)) / 30
    at = clock.to_recording(first + np.arange(len(clip.envelope)) / 30)
    face = np.stack([course(at + k) for k in range(len(MUSCLES))], 1)
    assert np.abs(clip.parameters[:, : len(MUSCLES)] - face).max() < 0.02
    # The envelope is blurred by its window of 500 ms; a shift by a frame lowers what it has in common.
    for k, name in enumerate(MUSCLES):
        heard = clip.envelope[:, channel_index(name)]
        shifts = range(-3, 4)
        fit = [np.corrcoef(heard[5:-5], course(at + k + s / 30)[5:-5])[0, 1] for s in shifts]
        assert shifts[int(np.argmax(fit))] == 0 and max(fit) > 0.95
    assert np.isnan(clip.envelope[:, channel_index("masseter_l")]).all()
    assert (clip.pid, clip.rec, clip.index, clip.sync_grade) == ("07", "2S", 1, "A")


def test_envelopes_are_those_of_the_published_chain():
    clip = made(ClockMap(-2.0)).clips[0]
    chain = PRESETS["MMM"].without_dynamics()
    whole = process(recording(), chain, 30.0)
    np.testing.assert_allclose(
        clip.envelope[:, channel_index("zygomaticus_l")],
        whole.envelope_uv[60 : 60 + len(clip.envelope), channel_index("zygomaticus_l")],
        rtol=1e-3,
    )


def test_a_wrong_offset_shows():
    clock = ClockMap(-7.3)
    right, wrong = (
        make_clips(video(clock), recording(), c, person="1", block=1, grade="").clips[0]
        for c in (clock, ClockMap(-6.8))
    )

    def agreement(clip):
        return np.corrcoef(clip.parameters[:, 0], clip.envelope[:, channel_index("zygomaticus_l")])[0, 1]

    assert agreement(right) > 0.98 > agreement(wrong) + 0.02


def test_what_does_not_overlap_is_said():
    for offset in (100.0, -59.9):
        with pytest.raises(EiferError, match="do not overlap"):
            make_clips(video(ClockMap(0)), recording(), ClockMap(offset), person="1", block=1, grade="")


# --- cutting ----------------------------------------------------------------------------------------


def test_marks_become_tasks():
    marks = (
        Annotation(10.0, 5.0, "Smile-Closed"),
        Annotation(20.0, 0.0, "HAPPY"),
        Annotation(26.0, 4.0, "telling a story / 2"),
        Annotation(2.0, 1.0, "before the video"),
        Annotation(31.0, 0.5, "short"),
    )
    clock = ClockMap(-7.3)
    cuts = cuts_of_marks(recording(marks=marks), clock)
    found = made(clock, cuts)
    assert [(c.mode, c.task, c.index) for c in found.clips] == [
        ("schaede", "Smile-Closed", 1),
        ("emotion", "happy", 2),
        ("free", "telling-a-story-2", 3),
    ]
    assert [len(c.envelope) for c in found.clips] == [150, 180, 120]
    assert sum("Left out" in note for note in found.notes) == 2
    chosen = cuts_of_marks(recording(marks=marks), clock, ["HAPPY"])
    assert [c.task for c in made(clock, chosen).clips] == ["happy"]
    with pytest.raises(EiferError, match="no mark 'sad'"):
        cuts_of_marks(recording(marks=marks), clock, ["sad"])
    with pytest.raises(EiferError, match="no mark"):
        cuts_of_marks(recording(), clock)


def test_names_of_tasks_are_names_of_files():
    assert task_of("../../Lip_Pucker") == ("free", "Lip-Pucker") or task_of("Lip-Pucker")[0] == "schaede"
    assert task_of("  ") == ("free", "unnamed")
    assert task_of("Überraschung!")[1].isascii()


def test_ranges_are_seconds_of_the_video():
    first, second = made(cuts=[Cut(3.0, 5.0, "a"), Cut(10.0, 13.5, "b")]).clips
    assert (len(first.envelope), len(second.envelope)) == (60, 105)
    whole = made().clips[0]
    np.testing.assert_array_equal(second.parameters, whole.parameters[300:405])
    np.testing.assert_array_equal(second.envelope, whole.envelope[300:405])


def test_lost_faces_are_empty_cells_or_part_clips(tmp_path):
    clock = ClockMap(-7.3)
    face = video(clock, fps=25.0, lost=[(0.0, 0.5), (6.0, 6.15), (12.0, 14.0), (14.4, 15.0), (33.0, 33.1)])
    found = made(clock, face=face)
    assert len(found.clips) == 2 and any("became 2 clips" in note for note in found.notes)
    for clip in found.clips:
        gone = np.isnan(clip.parameters).any(1)
        assert 0 < gone.sum() <= 6 and not gone[[0, -1]].any()
        assert np.nanmax(clip.parameters) < 1.5, "nothing of a frame without a face may leak into others"
    read = read_dataset(written(tmp_path / "d", found.clips))
    assert len(read.clips) == 2 and all(np.isfinite(c.parameters).all() for c in read.clips)
    truth = video(clock, fps=25.0)
    whole = made(clock, face=truth).clips[0].parameters
    at = 15  # 0.5 s
    np.testing.assert_allclose(
        read.clips[0].parameters[:, :4], whole[at : at + len(read.clips[0].parameters), :4], atol=0.06
    )


def test_a_row_is_lost_if_any_frame_is_that_it_is_made_from():
    clock = ClockMap(-7.3)
    whole = made(clock, face=video(clock, fps=25.0)).clips[0].parameters
    clip = made(clock, face=video(clock, fps=25.0, lost=[(6.0, 6.04)])).clips[0]  # one frame, row 180
    gone = np.isnan(clip.parameters).any(1)
    assert list(np.flatnonzero(gone)) == [179, 180, 181]
    np.testing.assert_allclose(clip.parameters[~gone], whole[~gone], atol=0.01)


@pytest.mark.parametrize(("seconds", "clips"), [(0.15, 1), (0.3, 2)])
def test_short_gaps_are_left_to_the_reader_and_long_ones_part(seconds, clips):
    clock = ClockMap(-7.3)
    found = made(clock, face=video(clock, fps=30.0, lost=[(6.0, 6.0 + seconds)]))
    assert len(found.clips) == clips


def test_clocks_that_drift_apart_stay_together_to_the_end():
    clock = ClockMap(-7.3, 4000.0, 20.0)
    clip = made(clock, face=video(clock, fps=30.0)).clips[0]
    for part in (slice(5, 200), slice(-200, -5)):
        heard = clip.envelope[part, channel_index("zygomaticus_l")]
        at = clock.to_recording(np.arange(len(clip.envelope)) / 30)[part]
        fit = [np.corrcoef(heard, course(at + shift / 30))[0, 1] for shift in range(-3, 4)]
        assert int(np.argmax(fit)) == 3


def test_a_face_that_was_hardly_found_gives_no_clip():
    clock = ClockMap(-7.3)
    flicker = [(k / 2, k / 2 + 0.15) for k in range(80)]
    with pytest.raises(EiferError, match="face was lost"):
        made(clock, face=video(clock, lost=flicker))
    with pytest.raises(EiferError, match="no frame"):
        made(clock, face=video(clock, lost=[(0, 99)]))


def test_a_bad_electrode_is_unknown():
    loose = recording()
    samples = loose.streams[0].samples.copy()
    samples[:40000, 0] = np.nan
    loose = replace(loose, streams=(replace(loose.streams[0], samples=samples),))
    clock = ClockMap(-7.3)
    found = make_clips(video(clock), loose, clock, person="1", block=1, grade="")
    known = np.isfinite(found.clips[0].envelope).any(0)
    assert {CHANNELS[k] for k in np.flatnonzero(known)} == set(MUSCLES[1:])
    assert any(note.startswith("Left out 'zygomaticus_l'") for note in found.notes)


@pytest.mark.parametrize("wrong", [{"person": "Jane Doe"}, {"person": ""}, {"person": "a/b"}, {"block": 0}])
def test_names_that_cannot_be(wrong):
    with pytest.raises(EiferError):
        made(**wrong)


def test_parameters_belong_to_a_method():
    clock = ClockMap(-7.3)
    flame = replace(video(clock), space=FLAME_55)
    with pytest.raises(EiferError, match="EIFER, SMIRK"):
        made(clock, face=flame)
    assert made(clock, face=flame, method="smirk").method == METHODS["SMIRK"]
    with pytest.raises(EiferError, match="not of DECA"):
        made(clock, face=flame, method="DECA")
    with pytest.raises(EiferError, match="microvolts"):
        quiet = recording()
        channels = tuple(replace(c, kind=Kind.ACTIVATION) for c in quiet.streams[0].channels)
        stream = replace(quiet.streams[0], channels=channels, samples=np.abs(quiet.streams[0].samples) / 1e3)
        make_clips(video(clock), replace(quiet, streams=(stream,)), clock, person="1", block=1, grade="")


# --- on disk ----------------------------------------------------------------------------------------


def test_what_is_written_is_read_and_scaled(tmp_path):
    cuts = [Cut(0, 12, "a"), Cut(12, 24, "b"), Cut(24, 39, "c")]
    found = made(cuts=cuts)
    movie = tmp_path / "Jane Doe.MP4"
    movie.write_bytes(b"moving picture")
    folder = written(tmp_path / "d", found.clips, video=movie)
    read = read_dataset(folder)
    assert (read.method, read.simulation, read.notes) == ("eifer-head-1", None, ())
    for one, other in zip(read.clips, found.clips, strict=True):
        assert (one.clip_id, one.sync_grade) == (other.clip_id, "A")
        np.testing.assert_allclose(one.envelope, other.envelope, rtol=1e-5)
        np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-5, atol=1e-6)
    activity = activations(read)
    column = channel_index("zygomaticus_l")
    assert activity[0][0][:, column].max() > 0.8
    assert np.isfinite(np.concatenate(expressions(read, activity))).all()
    assert (folder / "video/07_2S/07_2S.mp4").read_bytes() == b"moving picture"
    index = (folder / "MMM.csv").read_text()
    assert index.count("recorded,") == 3 and index.count("video/07_2S/07_2S.mp4") == 3
    everything = b"".join(files(folder).values())
    assert b"Jane" not in everything and str(tmp_path).encode() not in everything
    facts = json.loads((folder / "dataset.json").read_text())
    assert facts["sessions"] == [{"session": "07_2S", "offset_s": 1.5}]


def test_a_session_is_added_without_touching_the_others(tmp_path):
    folder = written(tmp_path / "d", made(cuts=[Cut(0, 5, "a"), Cut(5, 10, "b")]).clips)
    before = files(folder)
    with pytest.raises(EiferError, match="exists already"):
        written(folder, made(block=3).clips)
    written(folder, made(block=3).clips, append=True)
    after = files(folder)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"MMM.csv", "MMM_3DMM.csv", "dataset.json"}
    for name in ("MMM.csv", "MMM_3DMM.csv"):
        assert after[name].startswith(before[name])
    assert sorted({(c.pid, c.rec) for c in read_dataset(folder).clips}) == [("07", "2S"), ("07", "3S")]
    assert [s["session"] for s in json.loads(after["dataset.json"])["sessions"]] == ["07_2S", "07_3S"]
    with pytest.raises(EiferError, match="has the session 07_3S already"):
        written(folder, made(block=3).clips, append=True)
    assert files(folder) == after


def test_a_published_data_set_keeps_its_own_columns(tmp_path):
    folder = write_dataset(tmp_path / "MaM", made().clips)
    (folder / "dataset.json").unlink()
    index = (folder / "MMM.csv").read_text().replace("source,", "room,source,").replace("\n,1", "\n9,,1")
    (folder / "MMM.csv").unlink()
    (folder / "MaM.csv").write_bytes(b"\xef\xbb\xbf" + index.replace("\n", "\r\n").rstrip().encode())
    before = files(folder)
    written(folder, made(block=3).clips, append=True)
    after = files(folder)
    assert after["MaM.csv"].startswith(before["MaM.csv"] + b"\r\n,recorded,1,07,3S,")
    assert "dataset.json" not in after
    assert len(read_dataset(folder).clips) == 2


def test_two_that_add_at_once_do_not_lose_rows(tmp_path, monkeypatch):
    folder = written(tmp_path / "d", made().clips)
    clips, others = made(block=3).clips, made(block=4).clips

    def meanwhile(*arguments):
        monkeypatch.undo()
        written(folder, others, append=True)
        return mmm.write_clip(*arguments)

    monkeypatch.setattr(append, "write_clip", meanwhile)
    with pytest.raises(EiferError, match="changed meanwhile"):
        written(folder, clips, append=True)
    assert sorted(c.rec for c in read_dataset(folder).clips) == ["2S", "4S"]
    assert not list(folder.glob("**/*3S*")) and not list(folder.glob(".*"))


def test_data_sets_of_another_kind_are_not_added_to(tmp_path):
    clips = made(block=3).clips
    simulated = {"protocol": "", "window_ms": 100}
    with pytest.raises(EiferError, match="simulated"):
        written(write_dataset(tmp_path / "s", made().clips, simulation=simulated), clips, append=True)
    with pytest.raises(EiferError, match="another method"):
        written(write_dataset(tmp_path / "f", made().clips, method="EIFER"), clips, append=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(EiferError, match="no index"):
        written(tmp_path / "mine", clips, append=True)
    folder = written(tmp_path / "d", made().clips)
    (folder / "emg/07_3S").mkdir()
    with pytest.raises(EiferError, match="no row names it"):
        written(folder, clips, append=True)
    (folder / "emg/07_3S").rmdir()
    (folder / "dataset.json").write_text("{")
    before = files(folder)
    with pytest.raises(EiferError, match="damaged"):
        written(folder, clips, append=True)
    assert files(folder) == before


@pytest.mark.parametrize("moment", range(7))
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interruption_leaves_the_data_set_as_it_was(tmp_path, monkeypatch, moment, error):
    folder = written(tmp_path / "d", made().clips)
    before, calls = files(folder), []

    def interrupted(function, last):
        def call(*args, **keys):
            calls.append(function)
            if len(calls) == last + 1:
                raise error
            return function(*args, **keys)

        return call

    clips, movie = made(block=3).clips, tmp_path / "a.mp4"
    movie.write_bytes(b"m")
    path = type(folder)
    monkeypatch.setattr(append, "write_clip", interrupted(mmm.write_clip, moment))
    monkeypatch.setattr(path, "rename", interrupted(path.rename, moment))
    real = path.replace
    monkeypatch.setattr(path, "replace", interrupted(real, moment))
    with pytest.raises((KeyboardInterrupt, EiferError)):
        written(folder, clips, append=True, video=movie)
    monkeypatch.undo()
    assert files(folder) == before and len(calls) > moment
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]
    written(folder, clips, append=True, video=movie)
    assert len(read_dataset(folder).clips) == 2
