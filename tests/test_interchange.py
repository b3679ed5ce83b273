"""Files of other programs: what is read from them, what is written for them, and what is refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from eifer_blender.datasets.methods import ARKIT_52, FLAME_53, FLAME_55, METHODS, find_method
from eifer_blender.errors import EiferError
from eifer_blender.estimation import Estimate
from eifer_blender.heads.arkit import from_arkit
from eifer_blender.heads.default import load_default_head
from eifer_blender.interchange import (
    ExpressionClip,
    read_expressions,
    resample,
    to_head,
    write_activity_csv,
    write_activity_edf,
    write_live_link_face,
    write_parameters,
)
from eifer_blender.interchange.live_link import ANGLES, HEADER
from eifer_blender.muscles import CHANNELS, channel_index
from eifer_blender.recordings import Annotation, Kind, open_recording
from eifer_blender.spaces import ARKIT_NAMES, DEFAULT_SPACE

DATA = Path(__file__).parent / "data"
ACTOR, EACH = DATA / "live_link_face_excerpt.csv", DATA / "each_shape_excerpt.csv"
REAL = os.environ.get("EIFER_REAL_DATA")
NTSC = 30000 / 1001


def weights_of(frames, seed=0):
    return np.random.default_rng(seed).random((frames, 52), np.float32)


def activity_of(frames, seed=0):
    values = np.random.default_rng(seed).random((frames, 22), np.float32)
    values[0] = 0.0
    return values


def arkit_text(names, rows, first=(), delimiter=","):
    """A table of weights with other columns before them."""
    titles = [title for title, _ in first]
    lines = [delimiter.join([*titles, *names])]
    for k, row in enumerate(rows):
        lines.append(delimiter.join([*(str(cells[k]) for _, cells in first), *(f"{v:.6f}" for v in row)]))
    return "\n".join(lines) + "\n"


def timecodes(first, step, base, count):
    """Timecodes of rows that are `step` frames apart, counted on `base` frames a second."""
    total = [first + step * k for k in range(count)]
    return [f"10:{int(t // base) // 60:02d}:{int(t // base) % 60:02d}:{t % base:06.3f}" for t in total]


# --- reading: which columns -------------------------------------------------------------------------


def test_an_actors_take_is_read_by_name_rate_and_gap():
    clip = read_expressions(ACTOR)
    assert clip.format == "Live Link Face" and clip.space is ARKIT_52
    assert clip.fps == pytest.approx(30, rel=0.002)
    assert clip.start_s == pytest.approx(13 * 3600 + 15 * 60 + 3, abs=2)
    assert len(clip.values) == 121 and any("1 missing frame" in note for note in clip.notes)
    assert clip.extra["angles"].shape == (121, 9)
    table = np.genfromtxt(ACTOR, delimiter=",", names=True, usecols=range(2, 63))
    # This app writes JawRight before JawLeft, unlike Apple's list.
    for name in ("JawLeft", "JawRight", "MouthLeft", "TongueOut", "EyeBlinkRight"):
        column = [n.casefold() for n in ARKIT_NAMES].index(name.casefold())
        assert np.allclose(clip.values[:10, column], table[name][:10], atol=1e-6)
    assert np.allclose(clip.extra["angles"][:10, 0], table["HeadYaw"][:10], atol=1e-6)


def test_a_table_of_numbered_frames_is_read_at_the_rate_beside_them():
    clip = read_expressions(EACH)
    assert clip.fps == 60 and clip.start_s == pytest.approx(1337 / 60)
    assert len(clip.values) == 3720
    smile = clip.values[:, ARKIT_NAMES.index("mouthSmileLeft")]
    assert smile.max() == 1 and smile.min() == -1
    others = np.delete(clip.values[smile > 0.5], ARKIT_NAMES.index("mouthSmileLeft"), axis=1)
    assert np.abs(others).max() < 0.01


@pytest.mark.skipif(not REAL, reason="EIFER_REAL_DATA names no folder with the full files")
def test_the_whole_files_are_read():
    actor = read_expressions(Path(REAL) / "live_link_face_range_of_motion.csv")
    assert len(actor.values) == 4033 and actor.fps == pytest.approx(30, rel=0.001)
    assert len(read_expressions(Path(REAL) / "live_link_face_each_shape_alone.csv").values) == 3720


@pytest.mark.parametrize(
    "spell",
    [
        str,
        str.upper,
        lambda name: name[0].upper() + name[1:],
        lambda name: name.replace("Left", "_L").replace("Right", "_R") if len(name) > 10 else name,
        lambda name: f' "{name}"',
        lambda name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name),
    ],
)
def test_shapes_are_found_in_any_spelling_and_order(write, spell):
    weights, order = weights_of(12), np.random.default_rng(1).permutation(52)
    text = arkit_text([spell(ARKIT_NAMES[k]) for k in order], weights[:, order])
    clip = read_expressions(write(text), fps=25)
    assert np.allclose(clip.values, weights, atol=1e-5) and clip.fps == 25 and clip.format == "ARKit"


@pytest.mark.parametrize(("delimiter", "comma"), [(";", True), ("\t", True), (";", False), ("\t", False)])
def test_tables_of_other_countries_are_read(write, delimiter, comma):
    weights = weights_of(12)
    text = arkit_text(ARKIT_NAMES, weights, delimiter=delimiter)
    text = text.replace(".", ",") if comma else text
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        clip = read_expressions(write(text, encoding=encoding), fps=30)
        assert np.allclose(clip.values, weights, atol=1e-5)


def test_line_ends_blank_lines_and_gzip_make_no_difference(write):
    weights = weights_of(12)
    text = "\n\n" + arkit_text(ARKIT_NAMES, weights) + "\n\n"
    for content, name in (
        (text.replace("\n", "\r\n").encode(), "a.csv"),
        (text.replace("\n", "\r").encode(), "a.csv"),
        (gzip.compress(text.encode()), "a.csv.gz"),
    ):
        assert np.allclose(read_expressions(write(content, name), fps=30).values, weights, atol=1e-5)


def test_a_tracker_without_a_tongue_is_enough(write):
    text = arkit_text(ARKIT_NAMES[:-1], weights_of(5)[:, :-1])
    assert np.all(read_expressions(write(text), fps=30).values[:, -1] == 0)


def test_per_cent_are_told_from_shares(write):
    weights = weights_of(12)
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, weights * 100)), fps=30)
    assert np.allclose(clip.values, weights, atol=1e-5)
    assert any("per cent" in note for note in clip.notes)


@pytest.mark.parametrize("name", [n for n in METHODS if n != "MediaPipe"])
def test_parameters_of_every_method_come_back(tmp_path, name):
    method = find_method(name)
    values = np.random.default_rng(2).normal(0, 1, (20, method.space.size)).astype(np.float32)
    for ending in (".csv", ".csv.gz"):
        path = write_parameters(tmp_path / f"a{ending}", method, values)
        clip = read_expressions(path, fps=30)
        assert clip.space.id == method.space.id
        assert np.allclose(clip.values, values, rtol=1e-5, atol=1e-6)


def test_parameters_are_named_by_space_or_by_name(tmp_path):
    values = np.zeros((3, 55), np.float32)
    assert (
        read_expressions(write_parameters(tmp_path / "a.csv", DEFAULT_SPACE, values)).space is DEFAULT_SPACE
    )
    assert read_expressions(write_parameters(tmp_path / "b.csv", "smirk", values)).space is FLAME_55
    assert read_expressions(write_parameters(tmp_path / "c.csv", FLAME_53, values[:, 2:])).space is FLAME_53
    arkit = write_parameters(tmp_path / "d.csv", ARKIT_52, np.zeros((3, 52), np.float32))
    assert read_expressions(arkit).space is ARKIT_52


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not begin with the names"),
        ("a,b,c\n1,2,3\n", "none of the columns of an expression"),
        (arkit_text(ARKIT_NAMES[3:], weights_of(3)[:, 3:]), r"lacks 3 of ARKit's 52 shapes \(eyeBlinkLeft"),
        (arkit_text([*ARKIT_NAMES, "EyeBlink_L"], np.zeros((3, 53))), "two columns for 'eyeBlinkLeft'"),
        (arkit_text(DEFAULT_SPACE.names[:-1], np.zeros((3, 54))), "no column 'jaw_z'"),
        (arkit_text(ARKIT_NAMES, np.zeros((0, 52))), "no row of numbers"),
        (arkit_text(ARKIT_NAMES, np.full((3, 52), 9999.0)), "weight of 9999"),
        (arkit_text(ARKIT_NAMES, np.full((3, 52), 1e20)), "no face can mean"),
        (arkit_text(ARKIT_NAMES, weights_of(5)) + "0.5,0.5\n", "Row 6 .* has 2 cells"),
        (arkit_text(ARKIT_NAMES, np.full((9, 52), np.nan)), "no number in 9 of 9 rows, first in row 1 for"),
        ("\0\1\2" * 100, "no text"),
    ],
)
def test_a_table_that_is_none_gets_one_sentence(write, text, said):
    with pytest.raises(EiferError, match=said) as error:
        read_expressions(write(text), fps=30)
    assert str(error.value).count("\n") == 0 and len(str(error.value)) < 300


def test_a_file_that_cannot_be_read_is_named(tmp_path, write):
    with pytest.raises(EiferError, match=r"'none.csv' cannot be read"):
        read_expressions(tmp_path / "none.csv")
    with pytest.raises(EiferError, match="damaged"):
        read_expressions(write(b"no gzip", "a.csv.gz"))
    with pytest.raises(EiferError, match="frame rate"):
        read_expressions(ACTOR, fps=0)


def test_single_cells_without_a_value_are_bridged(write):
    weights = np.repeat(np.linspace(0, 1, 41, dtype=np.float32)[:, None], 52, 1)
    holes = weights.copy()
    holes[7, 3] = np.nan
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, holes)), fps=30)
    assert np.allclose(clip.values, weights, atol=1e-5)
    assert any("Bridged 1 row " in note for note in clip.notes)
    empty = write(arkit_text(ARKIT_NAMES, holes).replace("nan", ""))
    assert np.allclose(read_expressions(empty, fps=30).values, weights, atol=1e-5)


# --- reading: when ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "base", "fps"),
    [(1, 24, 24), (1, 25, 25), (1, 30, 30), (1, 60, 60), (2, 60, 30), (2, 50, 25), (1.001, 30, NTSC)],
)
def test_the_rate_comes_from_the_timecodes(write, step, base, fps):
    rows = weights_of(150)
    text = arkit_text(ARKIT_NAMES, rows, [("Timecode", timecodes(47.169, step, base, 150))])
    clip = read_expressions(write(text))
    assert clip.fps == pytest.approx(fps, rel=1e-3) and np.allclose(clip.values, rows, atol=1e-5)
    assert clip.start_s == pytest.approx(36_000 + 47.169 / base, abs=0.01) and not clip.notes


def test_milliseconds_behind_the_frame_do_not_disturb_the_rate(write):
    codes = [f"00:00:{k // 30:02d}:{k % 30:02d}.{round(k % 30 / 30 * 1000):03d}" for k in range(100)]
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, weights_of(100), [("Timecode", codes)])))
    assert clip.fps == 30 and len(clip.values) == 100


def test_midnight_is_no_gap(write):
    codes = [f"{'23:59:59' if k < 30 else '00:00:00'}:{k % 30:02d}.000" for k in range(60)]
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, weights_of(60), [("Timecode", codes)])))
    assert clip.fps == 30 and len(clip.values) == 60 and not clip.notes


def test_less_than_a_second_of_timecodes_tells_no_rate(write):
    text = arkit_text(ARKIT_NAMES, weights_of(20), [("Timecode", timecodes(0, 1, 24, 20))])
    assert read_expressions(write(text)).fps is None
    assert read_expressions(write(text), fps=24).fps == 24


@pytest.mark.parametrize(
    ("title", "scale"),
    [("time", 1), ("Timestamp", 1000), ("time (ms)", 1000), ("seconds", 1), ("t_ms", 1000)],
)
def test_seconds_and_milliseconds_tell_the_rate(write, title, scale):
    times = [f"{(5 + k / 50) * scale:.4f}" for k in range(60)]
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, weights_of(60), [(title, times)])))
    assert clip.fps == pytest.approx(50) and clip.start_s == pytest.approx(5) and len(clip.values) == 60


def test_missing_rows_are_bridged_by_lines(write):
    ramp = np.repeat(np.linspace(0, 1, 101, dtype=np.float32)[:, None], 52, 1)
    kept = np.setdiff1d(np.arange(101), [10, 40, 41, 42])
    codes = timecodes(0, 1, 30, 101)
    text = arkit_text(ARKIT_NAMES, ramp[kept], [("Timecode", [codes[k] for k in kept])])
    clip = read_expressions(write(text))
    assert clip.fps == 30 and np.allclose(clip.values, ramp, atol=1e-5)
    assert any("4 missing frames" in note for note in clip.notes)


def test_uneven_rows_are_laid_on_even_frames(write):
    rng = np.random.default_rng(0)
    times = np.sort(np.arange(200) / 30 + rng.uniform(-0.012, 0.012, 200))
    ramp = np.repeat((times / 10)[:, None], 52, 1)
    cells = [f"{t:.5f}" for t in times]
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, ramp, [("time", cells)])))
    assert clip.fps == pytest.approx(30, rel=0.01)
    assert len(clip.values) == pytest.approx(200, abs=2)


def test_times_that_run_backwards_or_jump_do_no_harm(write):
    rows = weights_of(100)
    repeated = [f"{max(0, k - (k == 50)) / 30:.4f}" for k in range(100)]
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, rows, [("time", repeated)])))
    assert len(clip.values) == 100 and any("Left out 1 row" in note for note in clip.notes)
    backwards = [f"{(100 - k) / 30:.4f}" for k in range(100)]
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, rows, [("time", backwards)])))
    assert clip.fps is None and np.allclose(clip.values, rows, atol=1e-5)
    jump = [f"{k / 30 + 1e7 * (k > 50):.4f}" for k in range(100)]
    clip = read_expressions(write(arkit_text(ARKIT_NAMES, rows, [("time", jump)])))
    assert clip.fps == pytest.approx(30, rel=1e-3) and len(clip.values) == 100
    assert any("jump" in note for note in clip.notes)


def test_a_stated_rate_makes_every_row_a_frame():
    clip = read_expressions(ACTOR, fps=24)
    assert clip.fps == 24 and len(clip.values) == 120 and not clip.notes


def test_resampling_keeps_length_limits_and_rest():
    values = np.zeros((121, 52), np.float32)
    values[40:80] = 1.0
    clip = ExpressionClip(ARKIT_52, values, 30.0, extra={"angles": np.zeros((121, 9), np.float32)})
    for fps, frames in ((24, 97), (60, 241), (30, 121)):
        other = resample(clip, fps)
        assert other.fps == fps and len(other.values) == frames == len(other.extra["angles"])
        assert other.values.min() >= 0 and other.values.max() <= 1
        assert np.all(other.values[: int(38 * fps / 30)] == 0)
        assert other.values[round(60 * fps / 30)].min() == 1
    with pytest.raises(EiferError, match="state the frames per second"):
        resample(ExpressionClip(ARKIT_52, values, None), 24)


def test_a_long_clip_at_nearly_the_same_rate_stays_in_step():
    values = np.zeros((6000, 52), np.float32)
    values[5000] = 1.0  # at 166.8 s
    other = resample(ExpressionClip(ARKIT_52, values, 30000 / 1001), 30.0)
    assert abs(int(other.values[:, 0].argmax()) - 5005) <= 1
    short = ExpressionClip(ARKIT_52, values[:100], 30000 / 1001)
    assert resample(short, 30.0).values is short.values


# --- to the head ------------------------------------------------------------------------------------


def test_impossible_weights_are_clamped_with_one_note():
    head, clip = load_default_head(), read_expressions(EACH)
    parameters, notes = to_head(clip, head)
    clamped = [note for note in notes if "clamped" in note]
    assert len(clamped) == 1 and "-1.00" in clamped[0]
    negative = (clip.values.min(1) <= 0) & (clip.values.max(1) <= 0)
    assert negative.sum() > 1000 and np.all(parameters[negative] == 0)
    smile = clip.values[:, ARKIT_NAMES.index("mouthSmileLeft")] == 1
    expected = from_arkit(head, np.eye(52, dtype=np.float32)[[ARKIT_NAMES.index("mouthSmileLeft")]])
    assert np.allclose(parameters[smile], expected.parameters, atol=1e-6)


def test_closed_lips_count_on_an_open_jaw_only():
    head = load_default_head()
    weights = np.zeros((2, 52), np.float32)
    weights[:, ARKIT_NAMES.index("mouthClose")] = 1.0
    weights[1, ARKIT_NAMES.index("jawOpen")] = 1.0
    parameters, _ = to_head(ExpressionClip(ARKIT_52, weights, 30.0), head)
    assert np.all(parameters[0] == 0) and np.any(parameters[1])


def test_the_heads_own_parameters_pass_within_limits():
    values = np.zeros((2, 55), np.float32)
    values[1] = 0.1
    values[1, -3] = 3.0
    parameters, _ = to_head(ExpressionClip(DEFAULT_SPACE, values, 30.0), load_default_head())
    assert np.all(parameters[0] == 0) and np.allclose(parameters[1, :-3], 0.1)
    assert parameters[1, -3] == pytest.approx(0.5)


def test_parameters_of_another_head_are_refused_with_its_name():
    clip = ExpressionClip(FLAME_55, np.zeros((2, 55), np.float32), 30.0)
    with pytest.raises(EiferError, match=r"FLAME head .*EIFER default head.*ARKit"):
        to_head(clip, load_default_head())


# --- writing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [12, 15, 24, 23.976, 25, NTSC, 30, 48, 50, 60, 120, 29.5])
def test_what_is_written_as_live_link_face_comes_back(tmp_path, fps):
    weights, angles = weights_of(300), np.random.default_rng(1).normal(0, 0.2, (300, 9)).astype(np.float32)
    path = write_live_link_face(tmp_path / "a.csv", weights, fps, angles=angles, start="23:59:58:10.000")
    clip = read_expressions(path)
    assert clip.fps == pytest.approx(fps, rel=2e-4) and not clip.notes
    assert np.abs(clip.values - weights).max() < 1e-6
    assert np.allclose(clip.extra["angles"], angles, atol=1e-6)


def test_live_link_face_is_written_as_the_app_writes_it(tmp_path):
    weights = np.zeros((40, 52), np.float32)
    weights[:, ARKIT_NAMES.index("jawLeft")] = 0.25
    lines = write_live_link_face(tmp_path / "a.csv", weights, 30).read_text().splitlines()
    real = ACTOR.read_text().splitlines()
    assert lines[0] == real[0] == ",".join(HEADER)
    assert [line.split(",")[0] for line in lines[30:33]] == [
        "00:00:00:29.000", "00:00:01:00.000", "00:00:01:01.000"
    ]  # fmt: skip
    cells = dict(zip(HEADER, lines[1].split(","), strict=True))
    assert cells["BlendShapeCount"] == "61" and cells["JawLeft"] == "0.2500000000"
    assert cells["JawRight"] == cells[ANGLES[0]] == "0.0000000000"


def test_activity_is_a_table_of_frames_and_unknown_cells_are_empty(tmp_path):
    values = activity_of(40)
    hidden = [channel_index("masseter_l"), channel_index("masseter_r")]
    values[:, hidden] = np.nan
    made = Estimate(values, values * 0.1, 24.0, ("masseter_l", "masseter_r"))
    text = write_activity_csv(tmp_path / "a.csv", made).read_text().splitlines()
    assert text[0].startswith(",Corrugator Supercilii_l,") and len(text) == 41
    assert text[1].split(",")[0] == "0" and text[40].split(",")[0] == "39"
    assert text[5].split(",")[1 + hidden[0]] == ""
    stream = open_recording(tmp_path / "a.csv").streams[0]
    known = np.setdiff1d(np.arange(22), hidden)
    columns = [[c.muscle for c in stream.channels].index(CHANNELS[k]) for k in known]
    assert np.allclose(stream.samples[:, columns], values[:, known], atol=1e-6)


@pytest.mark.parametrize("fps", [24, 23.976, NTSC, 60, 12.5, 30.0037])
def test_activity_as_edf_comes_back_as_activity(tmp_path, fps):
    values = activity_of(100)
    values[:, 10:12] = np.nan  # a muscle that a face does not show
    values[:, 4] = 0.0  # and one at rest throughout
    values[20:30, 3] = np.nan
    marks = [Annotation(1.0, 2.0, "smile")]
    path = write_activity_edf(tmp_path / "a.edf", values, fps, sd=0.1 * values, annotations=marks)
    recording = open_recording(path)
    (stream,) = recording.streams
    assert stream.rate == pytest.approx(fps, rel=1e-5)
    muscle = [c for c in stream.channels if c.muscle]
    assert [c.muscle for c in muscle] == [c for k, c in enumerate(CHANNELS) if k not in (10, 11)]
    assert {c.kind for c in muscle} == {Kind.ACTIVATION} and not any(c.doubtful for c in muscle)
    back = np.asarray(stream.samples[:100])[:, : len(muscle)]
    known = np.setdiff1d(np.arange(22), (10, 11))
    expected = np.nan_to_num(values[:, known])
    assert np.abs(back - expected).max() < 1e-4
    assert np.all(back[expected == 0] == 0)  # rest is rest
    bands = [k for k, c in enumerate(stream.channels) if c.name.startswith("SD ")]
    assert len(bands) == 20 and {stream.channels[k].unit for k in bands} == {"%"}
    assert np.allclose(np.asarray(stream.samples[:100])[:, bands], 10 * expected, atol=2e-3)
    texts = {a.text: a for a in recording.annotations}
    assert texts["smile"].onset == 1.0 and any("estimated" in text for text in texts)
    gap = next(a for text, a in texts.items() if "unknown" in text)
    assert gap.onset == pytest.approx(20 / fps) and gap.duration == pytest.approx(10 / fps)
    assert texts["End of the animation"].onset == pytest.approx(100 / fps)


def test_the_header_says_nothing_about_anybody(tmp_path):
    header = write_activity_edf(tmp_path / "a.edf", activity_of(50), 30, what="measured").read_bytes()[:192]
    assert header[8:12] == b"X X " and b"Startdate X X X X" in header


def write_all(folder, replace=False):
    """One call of every writer."""
    return {
        "a.csv": lambda: write_live_link_face(folder / "a.csv", weights_of(9), 30, replace=replace),
        "b.csv": lambda: write_parameters(folder / "b.csv", "EIFER", np.zeros((9, 55)), replace=replace),
        "c.csv": lambda: write_activity_csv(folder / "c.csv", activity_of(9), replace=replace),
        "d.edf": lambda: write_activity_edf(folder / "d.edf", activity_of(9), 30, replace=replace),
    }


@pytest.mark.parametrize("name", write_all(Path()))
def test_a_file_is_replaced_only_where_that_is_asked_for(tmp_path, name):
    path = tmp_path / name
    path.write_text("theirs")
    with pytest.raises(EiferError, match="exists already"):
        write_all(tmp_path)[name]()
    assert path.read_text() == "theirs"
    write_all(tmp_path, replace=True)[name]()
    assert path.read_bytes() != b"theirs" and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", write_all(Path()))
def test_a_write_that_fails_leaves_the_old_file(tmp_path, name, monkeypatch):
    path = tmp_path / name
    path.write_text("theirs")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises((EiferError, OSError), match="No space left"):
        write_all(tmp_path, replace=True)[name]()
    assert path.read_text() == "theirs" and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p: write_live_link_face(p, np.zeros((5, 51)), 30), "rows of 52 numbers"),
        (lambda p: write_live_link_face(p, np.full((5, 52), np.nan), 30), "Frame 1 .* no number"),
        (lambda p: write_live_link_face(p, np.zeros((5, 52)), 0), "frame rate"),
        (lambda p: write_live_link_face(p, np.zeros((5, 52)), 30, start="noon"), "no timecode"),
        (lambda p: write_parameters(p, "3DMM", np.zeros((5, 55))), "unknown"),
        (lambda p: write_parameters(p, "EIFER", np.zeros((5, 52))), "rows of 55"),
        (lambda p: write_activity_csv(p, np.zeros((0, 22))), "no activity"),
        (lambda p: write_activity_csv(p, np.full((3, 22), np.inf)), "no number"),
        (lambda p: write_activity_edf(p, np.full((3, 22), np.nan), 30), "no muscle activity"),
    ],
)
def test_what_cannot_be_written_is_said_before_a_file_is_touched(tmp_path, call, said):
    with pytest.raises(EiferError, match=said):
        call(tmp_path / "a.csv")
    assert not os.listdir(tmp_path)


# --- in the wrong place -----------------------------------------------------------------------------


def test_expressions_opened_as_a_recording_are_shown_the_right_door(tmp_path, write):
    own = write_parameters(tmp_path / "own.csv", DEFAULT_SPACE, np.random.default_rng(0).random((50, 55)))
    flame = write_parameters(tmp_path / "flame.csv", "EIFER", np.random.default_rng(0).random((50, 55)))
    for path in (ACTOR, EACH, own, flame):
        with pytest.raises(EiferError, match=r"facial expressions.*'Estimate from File'"):
            open_recording(path)
    muscles = [
        ("Zyg left", [f"{k % 7}.5" for k in range(50)]),
        ("time", [f"{k / 30:.4f}" for k in range(50)]),
    ]
    both = write(arkit_text(ARKIT_NAMES, weights_of(50), muscles))
    channels = open_recording(both).streams[0].channels
    assert "zygomaticus_l" in {c.muscle for c in channels}
