"""Video and recording on one clock: offsets that are found, and those that are not to be trusted."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")

from eifer_blender import mapping
from eifer_blender.alignment import (
    RATE,
    ActivityTraces,
    ClockMap,
    align_clip,
    clip_traces,
    face_traces,
    find_offset,
    recorded_traces,
    usable_frames,
)
from eifer_blender.alignment.correlation import correlate, courses, size_of, summit
from eifer_blender.cli import main
from eifer_blender.cli.align_table import reconstructed
from eifer_blender.datasets.mmm import EMG_COLUMNS
from eifer_blender.datasets.tables import table_bytes
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.interchange import ExpressionClip, write_parameter_arrays
from eifer_blender.muscles import CHANNELS, OTHER_SIDE, channel_index
from eifer_blender.recordings import Channel, Kind, Recording, Stream
from eifer_blender.simulation.amplitude import RATE as FRAMES
from eifer_blender.simulation.amplitude import Electrodes
from eifer_blender.simulation.population import VALIDATION, make_subject
from eifer_blender.simulation.session import make_session
from eifer_blender.spaces import DEFAULT_SPACE

FRAME_S = 1 / 30


@pytest.fixture(scope="module")
def model():
    return mapping.load_model(None, head=load_default_head(), kind=mapping.EXP2EMG)


def envelopes(samples, start=0.0, rate=FRAMES, muscles=CHANNELS):
    channels = tuple(Channel(name, "uV", Kind.ENVELOPE, name) for name in muscles)
    return Recording((Stream(channels, np.asarray(samples, np.float32), rate, start),))


def session(number, seconds):
    """(expression [n, 55], recording) of one simulated person."""
    clips = make_session(make_subject(VALIDATION[number]), seconds=seconds, electrodes=Electrodes())
    return (
        np.concatenate([clip.expression for clip in clips]),
        envelopes(np.concatenate([clip.envelope_uv for clip in clips])),
    )


@pytest.fixture(scope="module")
def one():
    return session(0, 150.0)


@pytest.fixture(scope="module")
def other():
    return session(1, 90.0)


@pytest.fixture(scope="module")
def heard(one):
    return recorded_traces(one[1])


def face_of(model, expression, start=20.0, seconds=60.0, fps=30.0, clock_start=0.0, drift=0.0, **options):
    """What a video shows that begins at a second of the session."""
    times = start + np.arange(round(seconds * fps)) / fps / (1 + drift)
    video = reconstructed(expression, times, fps, np.random.default_rng(0), **options)
    return face_traces(model, video.parameters, fps, usable=video.usable, start_s=clock_start)


def cut(traces, first_s, last_s):
    a, b = round(first_s * RATE), round(last_s * RATE)
    return replace(
        traces, values=traces.values[a:b], known=traces.known[a:b], start_s=traces.start_s + a / RATE
    )


# --- correlation ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(3, 40), st.integers(3, 40), st.integers(0, 10_000))
def test_every_lag_is_the_correlation_of_what_both_know(n, m, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(5, 1, n), rng.normal(-3, 2, m)
    known, heard = rng.random(n) > 0.2, rng.random(m) > 0.2
    size = size_of(n, m)
    both = [courses(v[None], k[None], size, 1.0) for v, k in ((x, known), (y, heard))]
    found = correlate(*both, size, 4)
    assert found.first == 1 - m and found.r.shape == (1, n + m - 1)
    for place, r in enumerate(found.r[0]):
        lag = found.first + place
        rows = [i for i in range(n) if 0 <= i - lag < m and known[i] and heard[i - lag]]
        assert found.rows[0, place] == len(rows)
        pair = x[rows], y[[i - lag for i in rows]]
        if len(rows) < 4:
            assert r == 0
        elif min(np.var(p) for p in pair) > 0.05:
            assert r == pytest.approx(np.clip(np.corrcoef(*pair)[0, 1], -0.999, 0.999), abs=1e-5)


def test_the_top_of_a_parabola_lies_between_samples():
    at = np.arange(9.0)
    assert summit(5 - (at - 4.3) ** 2, 4) == pytest.approx(4.3)
    assert summit(at, 8) == 8 and summit(at * 0, 4) == 4


def test_seconds_of_both_clocks_are_each_others_inverse():
    clock = ClockMap(-37.25, 400.0, 120.0)
    at = np.linspace(-50, 3600, 7)
    np.testing.assert_allclose(clock.to_recording(clock.to_video(at)), at, atol=1e-9)
    assert clock.to_video(120.0) == pytest.approx(120 - 37.25)
    assert clock.to_video(1120.0) - clock.to_video(120.0) == pytest.approx(1000.4)


# --- offsets that are found -------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [24.0, 25.0, 30000 / 1001, 60.0])
def test_a_clip_is_found_in_its_recording_within_a_frame(model, one, heard, fps):
    found = find_offset(face_of(model, one[0], start=40.7, fps=fps), heard)
    assert found.offset_s == pytest.approx(-40.7, abs=FRAME_S)
    assert found.grade == "A" and found.trusted and "clear match" in found.note
    assert abs(found.offset_s + 40.7) < 4 * found.uncertainty_s < 2 * FRAME_S
    assert {c.channel for c in found.channels if "not visible" in c.reason} == {"masseter_l", "masseter_r"}
    assert sum(c.agrees for c in found.channels) == found.agreeing >= 15


def test_either_may_begin_first_and_both_may_have_their_own_clocks(model, one, heard):
    early = find_offset(face_of(model, one[0]), replace(cut(heard, 45, 140), start_s=1000.0))
    assert early.offset_s == pytest.approx(25.0 - 1000.0, abs=FRAME_S) and early.trusted
    assert early.overlap_s == pytest.approx(35.0, abs=3)
    late = find_offset(face_of(model, one[0], clock_start=7.0), cut(heard, 0, 60))
    assert late.offset_s == pytest.approx(-13.0, abs=FRAME_S) and late.trusted
    within = find_offset(face_of(model, one[0], start=0.0, seconds=140.0), cut(heard, 50, 110))
    assert within.offset_s == pytest.approx(0.0, abs=FRAME_S) and within.grade == "A"


def test_lost_frames_and_lost_electrodes_do_not_move_it(model, one, heard):
    face = face_of(model, one[0], lost=0.3)
    rng = np.random.default_rng(3)
    values = heard.values.copy()
    for k in range(0, len(CHANNELS), 2):  # the whole left side: noise, or contractions that never were
        values[:, k] = np.repeat(rng.random(len(values) // 10 + 1), 10)[: len(values)]
    found = find_offset(face, replace(heard, values=values))
    assert found.offset_s == pytest.approx(-20.0, abs=FRAME_S) and found.trusted
    assert not any(c.agrees for c in found.channels[::2]) and found.agreeing >= 6


def test_a_person_s_resting_face_plays_no_part(model, one, heard):
    rest = np.random.default_rng(1).normal(0, 1, 55).astype(np.float32) * 0.3
    times = 20 + np.arange(1800) / 30
    video = reconstructed(one[0], times, 30.0, np.random.default_rng(0))
    found = find_offset(face_traces(model, video.parameters + rest, 30.0, usable=video.usable), heard)
    assert found.offset_s == pytest.approx(-20.0, abs=FRAME_S) and found.grade == "A"


def test_the_offset_holds_no_delay_from_muscle_to_movement(model, one, heard):
    # Of these simulated people the face follows its muscles by 0.08 s and more.
    lags = [find_offset(face_of(model, one[0], start=s), heard).offset_s + s for s in (5.0, 30.0, 60.0, 85.0)]
    assert abs(np.mean(lags)) < 0.03


def test_sides_that_were_swapped_are_told(model, one, heard):
    swapped = replace(heard, values=heard.values[:, OTHER_SIDE], known=heard.known[:, OTHER_SIDE])
    face = face_of(model, one[0], start=5.0, seconds=140.0)
    found = find_offset(face, swapped)
    assert found.offset_s == pytest.approx(-5.0, abs=FRAME_S)
    assert any("swapped" in note for note in found.notes)
    assert not any("swapped" in note for note in find_offset(face, heard).notes)


def test_clocks_that_drift_apart_are_told_and_followed(model, one, heard):
    # 30 frames a second that are 29.97.
    face = face_of(model, one[0], start=5.0, seconds=140.0, drift=1e-3)
    found = find_offset(face, heard)
    assert found.clock.drift_ppm == pytest.approx(1000, abs=4 * found.drift_sd_ppm)
    assert any("drift" in note for note in found.notes)
    for second in (10.0, 75.0, 140.0):
        assert found.clock.to_video(second) == pytest.approx((second - 5.0) * 1.001, abs=FRAME_S)
    assert find_offset(face_of(model, one[0], start=5.0, seconds=140.0), heard).clock.drift_ppm == 0


# --- offsets that are not to be trusted -------------------------------------------------------------


def test_a_recording_of_somebody_else_is_not_trusted(model, one, other, heard):
    strange = recorded_traces(other[1])
    for face, recorded in (
        (face_of(model, one[0]), strange),
        (face_of(model, one[0], seconds=12.0), strange),
        (face_of(model, other[0]), heard),
        (face_of(model, other[0], seconds=15.0), heard),
    ):
        found = find_offset(face, recorded)
        assert found.grade in "CD" and not found.trusted
        assert "do not trust" in found.note.lower() or "look at the picture" in found.note


def test_noise_alone_is_not_trusted(model, one):
    rng = np.random.default_rng(0)
    noise = np.repeat(rng.random((600, 22)), 6, axis=0).astype(np.float32)
    found = find_offset(face_of(model, one[0]), ActivityTraces(noise, noise >= 0, 0.0, ("",) * 22))
    assert found.grade == "D" and np.isfinite([found.offset_s, found.uncertainty_s, found.second]).all()


def test_one_burst_beside_one_burst_is_no_match(model):
    values = np.zeros((1800, 22), np.float32)
    values[600:660] = 0.8
    later = np.roll(values, 431, axis=0)
    known = np.ones(values.shape, bool)
    found = find_offset(*(ActivityTraces(v, known, 0.0, ("",) * 22) for v in (values, later)))
    assert found.offset_s == pytest.approx(-431 / RATE, abs=0.02)
    assert found.carried_s < 3 and not found.trusted


def test_movements_in_a_steady_beat_fit_at_every_beat(model):
    values = np.zeros((3600, 22), np.float32)
    for k in range(14):
        at = 100 + 240 * k
        values[at : at + 60, k % 3 :: 3] = 0.8
    known = np.ones(values.shape, bool)
    found = find_offset(*(ActivityTraces(values, known, 0.0, ("",) * 22) for _ in range(2)))
    assert found.agreeing == 22 and found.carried_s > 8 and found.second > 0.65
    assert not found.trusted


def test_a_recording_with_a_piece_cut_out_is_not_trusted(model, one, heard):
    rows = np.r_[: round(60 * RATE), round(60.6 * RATE) : len(heard.values)]
    broken = replace(heard, values=heard.values[rows], known=heard.known[rows])
    found = find_offset(face_of(model, one[0], start=5.0, seconds=110.0), broken)
    assert found.agreeing >= 5 and found.carried_s > 8 and found.second < 0.5
    assert not found.trusted


# --- what cannot be aligned -------------------------------------------------------------------------


def refused(call, *arguments, **options):
    with pytest.raises(EiferError) as error:
        call(*arguments, **options)
    text = str(error.value)
    assert re.fullmatch(r"[^\n]+\.", text), text
    return text


def test_faces_that_cannot_be_aligned(model, one):
    face = one[0][:900]
    assert "5.0 s" in refused(face_traces, model, face[:150], 30.0)
    assert "never moves" in refused(face_traces, model, np.zeros((900, 55), np.float32), 30.0)
    assert "never moves" in refused(face_traces, model, np.repeat(face[200:201], 900, 0), 30.0)
    usable = np.zeros(900, bool)
    usable[100:200] = True
    assert "was found in 3 s" in refused(face_traces, model, face, 30.0, usable=usable)


def test_recordings_that_cannot_be_aligned(one):
    samples = np.asarray(one[1].streams[0].samples)
    assert "no muscle" in refused(recorded_traces, envelopes(samples, muscles=(None,) * 22)).replace(
        "No channel of the recording has a muscle", "no muscle"
    )
    assert "3.3 s" in refused(recorded_traces, envelopes(samples[:100]))
    assert "never contracts" in refused(recorded_traces, envelopes(np.full_like(samples, 2.0)))
    gone = samples[:, :1].copy()
    gone[200:] = np.nan
    assert "bad" in refused(recorded_traces, envelopes(gone, muscles=CHANNELS[:1]))
    assert "poses" in refused(recorded_traces, envelopes(samples[:12], rate=None))


def test_muscles_that_only_one_of_them_shows(model, one):
    masseter = channel_index("masseter_l")
    samples = np.asarray(one[1].streams[0].samples)[:, [masseter]]
    samples[300:600] += 200
    recorded = recorded_traces(envelopes(samples, muscles=("masseter_l",)))
    assert "none of those" in refused(find_offset, face_of(model, one[0]), recorded)


def test_clips_of_files(one):
    clip = ExpressionClip(DEFAULT_SPACE, one[0], 30.0)
    assert align_clip(clip, one[1]).offset_s == pytest.approx(0.0, abs=FRAME_S)
    assert "frame rate" in refused(align_clip, replace(clip, fps=None), one[1])
    confidence = np.ones((len(one[0]), 1), np.float32)
    confidence[300:400] = 0.2
    known = clip_traces(replace(clip, extra={"confidence": confidence})).known
    assert not known[600:800].any() and known[:598, 0].all()


def test_confidence_decides_which_frames_count():
    assert usable_frames(3, None).all()
    assert usable_frames(3, np.array([[0.49], [0.5], [np.nan]])).tolist() == [False, True, False]


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(one, tmp_path_factory):
    """Parameters of a clip of 25 frames a second that begins at 30 s, and the recording."""
    folder = tmp_path_factory.mktemp("align")
    video = reconstructed(one[0], 30 + np.arange(1250) / 25, 25.0, np.random.default_rng(0))
    parameters = write_parameter_arrays(folder / "clip.npz", DEFAULT_SPACE, video.parameters, 25.0)
    samples = np.asarray(one[1].streams[0].samples)
    recording = folder / "recording.csv"
    recording.write_bytes(table_bytes(EMG_COLUMNS, samples, index=True))
    return parameters, recording


def run(*arguments):
    return main.run(["--here", "align", *map(str, arguments)])


def test_the_command_prints_the_offset_and_draws_it(files, tmp_path, capsys):
    parameters, recording = files
    picture = tmp_path / "new" / "a.svg"
    assert run(parameters, recording, "--plot", picture) == 0
    said = capsys.readouterr().out
    offset = float(re.search(r"Offset: ([+-][0-9.]+) s", said)[1])
    assert offset == pytest.approx(-30.0, abs=0.05) and "grade A" in said
    assert said.count("| agrees |") > 12 and said.count("not visible on a face") == 2
    texts = [e.text for e in ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert any("grade A" in text for text in texts) and "Zyg" in texts and "Mass" not in texts
    assert [p.name for p in picture.parent.iterdir()] == ["a.svg"]


def test_the_command_says_when_not_to_trust_it(files, other, tmp_path, capsys):
    strange = tmp_path / "strange.csv"
    strange.write_bytes(table_bytes(EMG_COLUMNS, np.asarray(other[1].streams[0].samples), index=True))
    assert run(files[0], strange, "--plot", tmp_path / "a.svg") == 0
    said = capsys.readouterr().out
    assert re.search(r"Offset: [+-][0-9.]+ s, grade (C \(doubtful|D \(do not trust it)\)", said)
    assert "(do" in (tmp_path / "a.svg").read_text()


def test_wrong_input_ends_in_one_line_and_no_file(files, one, tmp_path, capsys):
    parameters, recording = files
    still = write_parameter_arrays(tmp_path / "still.npz", DEFAULT_SPACE, np.zeros((900, 55)), 30.0)
    short = write_parameter_arrays(tmp_path / "short.npz", DEFAULT_SPACE, one[0][:90], 30.0)
    flame = write_parameter_arrays(tmp_path / "flame.npz", "EIFER", one[0][:900], 30.0)
    there = tmp_path / "there.svg"
    there.write_text("mine")
    before = sorted(tmp_path.iterdir())
    for arguments, told in (
        ((parameters, recording, "--plot", tmp_path / "a.png"), "must end in .svg"),
        ((parameters, recording, "--plot", there), "exists already"),
        ((tmp_path / "none.npz", recording), "none.npz"),
        ((parameters, tmp_path / "none.csv"), "none.csv"),
        ((still, recording, "--plot", tmp_path / "a.svg"), "never moves"),
        ((short, recording), "3.0 s"),
        ((flame, recording), "FLAME head"),
        ((recording, parameters), "none of the columns"),
    ):
        assert run(*arguments) == 1
        out = capsys.readouterr()
        assert told in out.err and out.err.count("\n") == 1 and "Traceback" not in out.err
    assert sorted(tmp_path.iterdir()) == before and there.read_text() == "mine"
