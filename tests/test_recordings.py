"""Whatever a laboratory wrote is read rightly, or one sentence says what is wrong with it."""

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eifer_blender.errors import EiferError
from eifer_blender.muscles import CHANNELS
from eifer_blender.recordings import (
    Annotation,
    Channel,
    Kind,
    Recording,
    Stream,
    inspect_recording,
    open_recording,
    write_edf,
)

DATA = Path(__file__).parent / "data"
REAL = os.environ.get("EIFER_REAL_DATA")
needs_real_data = pytest.mark.skipif(not REAL, reason="EIFER_REAL_DATA names no folder with the full files")

FMOV_NAMES = [
    *("skin conductance", "Zygomaticus raw left", "Corrugator raw left", "Zygomaticus rectified left"),
    *("Corrugator rectified left", "onset angry", "onset happy", "onset neutral"),
]
FMOV_UNITS = ["umho", "mV", "mV", "mV", "mV", "", "", ""]


def raw_rows(n=200, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, channels)) * 30


def csv_text(rows, names, *, sep=",", decimal=".", time=None, form="%.6f"):
    columns = rows if time is None else np.column_stack([time, rows])
    lines = [sep.join(names)] + [sep.join((form % v).replace(".", decimal) for v in row) for row in columns]
    return "\n".join(lines) + "\n"


def said(path, **options):
    """The sentence with which a file is refused."""
    with pytest.raises(EiferError) as error:
        open_recording(path, **options)
    text = str(error.value)
    assert text.count("\n") == 0 and text.endswith("."), text
    return text


# --- real files -----------------------------------------------------------------------------------


def test_emotion_table_opens_as_poses_with_dropouts_missing():
    recording = open_recording(DATA / "fridlund_emotions.csv")
    (stream,) = recording.streams
    assert stream.rate is None
    assert stream.labels == ("angry", "suprised", "sad", "fearful", "happy", "distugusted")
    assert {c.muscle for c in stream.channels} == set(CHANNELS)
    assert {c.kind for c in stream.channels} == {Kind.ENVELOPE}
    smile = [i for i, c in enumerate(stream.channels) if c.muscle.startswith("zygomaticus")]
    assert np.isnan(stream.samples[4, smile]).all()
    assert np.isnan(stream.samples).sum() == 8
    assert any("missing" in note for note in recording.notes)
    kept = open_recording(DATA / "fridlund_emotions.csv", zeros_missing=False)
    assert (kept.streams[0].samples == 0).sum() == 8
    assert inspect_recording(DATA / "fridlund_emotions.csv").needs == ()


def test_emotion_table_equals_pandas():
    pandas = pytest.importorskip("pandas")
    stream = open_recording(DATA / "fridlund_emotions.csv", zeros_missing=False).streams[0]
    frame = pandas.read_csv(DATA / "fridlund_emotions.csv", index_col=0)
    assert [c.name for c in stream.channels] == list(frame.columns)
    np.testing.assert_array_equal(stream.samples, frame.to_numpy(np.float32))


def test_acqknowledge_export_opens_without_hand_work():
    recording = open_recording(DATA / "acqknowledge_excerpt.txt")
    (stream,) = recording.streams
    assert recording.format == "AcqKnowledge text"
    assert stream.rate == 1000.0
    assert stream.samples.shape == (1000, 15)
    found = {c.name: c.muscle for c in stream.channels if c.muscle}
    assert found == {
        "Corr Raw": "corrugator_supercilii_l",
        "Zyg Raw": "zygomaticus_l",
        "Lev Raw": "levator_labii_superioris_l",
    }
    kinds = {c.name: c.kind for c in stream.channels}
    assert kinds["Corr Raw"] is Kind.RAW
    assert kinds["Corr Processed"] is Kind.ENVELOPE
    assert kinds["Digital input"] is kinds["Marker"] is Kind.EVENT
    assert all(c.doubtful for c in stream.channels if c.muscle)  # no side is named
    assert any("2054992" in note and "1000" in note for note in recording.notes)
    assert len(recording.sha256) == 64


def test_acqknowledge_volts_that_cannot_be_are_not_believed():
    recording = open_recording(DATA / "acqknowledge_excerpt.txt")
    stream = recording.streams[0]
    at = {c.name: i for i, c in enumerate(stream.channels)}
    np.testing.assert_allclose(stream.samples[0, at["Corr Raw"]], -3.84521, rtol=1e-5)  # mV in the file
    for name in ("Lev Raw", "Corr Processed", "Zyg Processed", "Lev Processed"):
        assert stream.channels[at[name]].doubtful
        assert np.abs(stream.samples[:, at[name]]).max() < 5000  # microvolts
    assert any("Volts" in note for note in recording.notes)


def test_acqknowledge_values_equal_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(DATA / "acqknowledge_excerpt.txt", skiprows=35, header=None)
    frame = frame.iloc[:, :15]
    stream = open_recording(DATA / "acqknowledge_excerpt.txt", units=["uV"] * 15).streams[0]
    np.testing.assert_array_equal(stream.samples, frame.to_numpy(np.float32))


def test_headerless_table_asks_for_rate_and_names():
    view = inspect_recording(DATA / "fmov_excerpt.txt")
    assert view.needs == ("rate", "names")
    assert view.guesses["rate"] > 0
    assert len(view.guesses["names"]) == 8
    kinds = [c.kind for c in view.streams[0].channels]
    assert kinds[1:5] == [Kind.RAW, Kind.RAW, Kind.ENVELOPE, Kind.ENVELOPE]
    assert Kind.EVENT in kinds[5:]
    sentence = said(DATA / "fmov_excerpt.txt")
    assert "rate" in sentence and "names" in sentence
    assert inspect_recording(DATA / "fmov_excerpt.txt", rate=100, names=FMOV_NAMES).needs == ()


def test_headerless_table_with_what_it_does_not_say():
    stream = open_recording(DATA / "fmov_excerpt.txt", rate=100, names=FMOV_NAMES, units=FMOV_UNITS).streams[
        0
    ]
    assert stream.rate == 100
    by_muscle = {c.muscle: c for c in stream.channels if c.muscle}
    # At 100 Hz raw sEMG is aliased, so the rectified channels drive the face.
    assert by_muscle["zygomaticus_l"].name == "Zygomaticus rectified left"
    assert by_muscle["corrugator_supercilii_l"].kind is Kind.ENVELOPE
    plain = np.loadtxt(DATA / "fmov_excerpt.txt", delimiter="\t", usecols=range(8))
    np.testing.assert_allclose(stream.samples[:, 3], plain[:, 3] * 1000, rtol=1e-6)
    np.testing.assert_allclose(stream.samples[:, 0], plain[:, 0], rtol=1e-6)


@needs_real_data
def test_full_files_open():
    folder = Path(REAL)
    acq = open_recording(folder / "acqknowledge_text_export.txt")
    assert acq.streams[0].samples.shape == (13150, 15)
    view = inspect_recording(folder / "fmov_24.txt")
    assert view.needs == ("rate", "names")
    assert abs(view.streams[0].rows - 38980) < 800
    fmov = open_recording(folder / "fmov_24.txt", rate=100, names=FMOV_NAMES, units=FMOV_UNITS)
    assert fmov.streams[0].samples.shape == (38980, 8)
    plain = np.loadtxt(folder / "fmov_24.txt", delimiter="\t", usecols=range(8))
    np.testing.assert_allclose(fmov.streams[0].samples[:, 4], plain[:, 4] * 1000, rtol=1e-6)
    assert len(open_recording(folder / "fridlund_emotions.csv").streams[0].labels) == 6


# --- tables of any origin -------------------------------------------------------------------------


@pytest.mark.parametrize(("sep", "decimal"), [(",", "."), *((s, d) for s in ";\t|" for d in ".,")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiters_decimal_signs_and_encodings(write, sep, decimal, encoding):
    rows = raw_rows()
    names = ["Zeit [ms]", "Zygomaticus links (µV)", "Größe"]
    text = csv_text(rows, names, sep=sep, decimal=decimal, time=np.arange(200) * 0.5)
    stream = open_recording(write(text, encoding=encoding)).streams[0]
    assert stream.rate == 2000.0
    assert [c.name for c in stream.channels] == ["Zygomaticus links", "Größe"]
    assert stream.channels[0].muscle == "zygomaticus_l"
    assert stream.channels[0].kind is Kind.RAW
    np.testing.assert_allclose(stream.samples[:, 0], rows[:, 0], atol=1e-5)


def test_quoted_cells_with_decimal_commas(write):
    rows = raw_rows()
    lines = ['"time","Zyg li","Corr li"']
    lines += [f'"{i / 1000:.3f}","{a:.3f}","{b:.3f}"'.replace(".", ",") for i, (a, b) in enumerate(rows)]
    stream = open_recording(write("\r\n".join(lines))).streams[0]
    assert stream.rate == 1000.0
    np.testing.assert_allclose(stream.samples, rows, atol=6e-4)


@pytest.mark.parametrize("above", [0, 1, 7, 40])
@pytest.mark.parametrize("unit_row", [False, True])
def test_header_row_anywhere_with_titles_above(write, above, unit_row):
    titles = "".join(f"Session note {i}; block, with; words\n" for i in range(above))
    head = "time,Zyg left,Corr right\n" + ("s,mV,mV\n" if unit_row else "")
    rows = raw_rows() / 1000
    body = "".join(f"{i / 500:.3f},{a:.6f},{b:.6f}\n" for i, (a, b) in enumerate(rows))
    stream = open_recording(write(titles + head + body)).streams[0]
    assert stream.rate == 500.0
    assert [c.muscle for c in stream.channels] == ["zygomaticus_l", "corrugator_supercilii_r"]
    np.testing.assert_allclose(stream.samples[:, 0], rows[:, 0] * 1000, atol=1e-2)


@pytest.mark.parametrize(
    "line", ["# Sampling rate: 2000 Hz", "Abtastrate 2 kHz", "0.5 msec/sample", "SamplingFrequency=2000"]
)
def test_rate_from_a_title_line(write, line):
    path = write(line + "\n" + csv_text(raw_rows(), ["Zyg li", "Corr li"]))
    assert open_recording(path).streams[0].rate == pytest.approx(2000.0)


def test_trailing_delimiters_blank_lines_and_comments(write):
    body = "".join(f"{i / 1000:.3f};{i % 7 - 3};\n\n" for i in range(300))
    stream = open_recording(write("% made by hand\nt;Zyg li;\n" + body)).streams[0]
    assert stream.rate == 1000.0
    assert stream.samples.shape == (300, 1)


def test_missing_cells_become_nan(write):
    lines = [f"{i / 1000:.3f},{v:.3f},{w:.3f}" for i, (v, w) in enumerate(raw_rows(20))]
    lines[3], lines[4], lines[5] = "0.003,,1.5", "0.004,NaN,2.5", "0.005,n/a,"
    stream = open_recording(write("t,Zyg li,Corr li\n" + "\n".join(lines))).streams[0]
    assert np.isnan(stream.samples[3:6, 0]).all()
    assert stream.samples[3, 1] == 1.5 and np.isnan(stream.samples[5, 1])
    assert np.isfinite(stream.samples[6:]).all()


def test_gaps_in_time_stay_gaps_on_an_even_grid(write):
    time = np.delete(np.arange(1000), np.arange(300, 400)) / 1000
    path = write(csv_text(raw_rows(900, 1), ["time (s)", "Zyg li"], time=time))
    recording = open_recording(path)
    (stream,) = recording.streams
    assert len(stream.samples) == 1000
    assert np.isnan(stream.samples[301:399]).all() and np.isfinite(stream.samples[400:]).all()
    assert any("evenly" in note for note in recording.notes)


@pytest.mark.parametrize("rate", [512.0, 2048.0, 4096.0])
def test_times_rounded_to_milliseconds_still_give_the_rate(write, rate):
    time = np.round(np.arange(20_000) / rate, 3)
    path = write(csv_text(raw_rows(20_000, 1), ["time (s)", "Zyg li"], time=time))
    (stream,) = open_recording(path).streams
    assert stream.rate == pytest.approx(rate, rel=1e-3)
    assert len(stream.samples) == pytest.approx(20_000, abs=2)


def test_time_that_runs_back_is_refused_with_its_line(write):
    time = np.arange(100) / 1000
    time[50] = 0.001
    assert "line 52" in said(write(csv_text(raw_rows(100), ["time", "Zyg li", "Corr li"], time=time)))


def test_recording_that_starts_later_keeps_its_clock(write):
    path = write(csv_text(raw_rows(), ["time (s)", "Zyg li", "Corr li"], time=12.5 + np.arange(200) / 1000))
    stream = open_recording(path).streams[0]
    assert stream.start == pytest.approx(12.5)
    assert stream.rate == 1000.0


def test_clock_times(write):
    lines = [f"10:15:{30 + i * 0.002:09.6f},{v:.3f}" for i, v in enumerate(raw_rows(500, 1)[:, 0])]
    stream = open_recording(write("Zeit,Zyg li\n" + "\n".join(lines))).streams[0]
    assert stream.rate == pytest.approx(500.0)


def test_words_beside_numbers_become_annotations(write):
    rows = raw_rows(100, 1)[:, 0]
    body = "".join(f"{v:.3f},{'rest' if i < 40 else 'smile'}\n" for i, v in enumerate(rows))
    recording = open_recording(write("Zyg li,phase\n" + body), rate=100)
    assert recording.annotations == (Annotation(0.0, 0.4, "rest"), Annotation(0.4, 0.6, "smile"))


def mmm_text(rows):
    names = [c.replace("_", " ").title()[:-2] + c[-2:] for c in CHANNELS]
    lines = ["," + ",".join(names)]
    lines += [f"{i}," + ",".join(f"{v:.4f}" for v in row) for i, row in enumerate(rows)]
    return "\n".join(lines) + "\n"


def test_mmm_layout_is_frame_aligned(write):
    rows = np.abs(raw_rows(90, 22)) + 5
    rows[0, 0] = -0.05  # Fourier resampling rings a little
    (stream,) = open_recording(write(mmm_text(rows))).streams
    assert stream.frame_aligned
    assert stream.rate == 30.0
    assert [c.muscle for c in stream.channels] == list(CHANNELS)
    assert {c.kind for c in stream.channels} == {Kind.ENVELOPE}
    np.testing.assert_allclose(stream.samples, rows, atol=1e-3)


def test_any_subset_of_muscles_works(write):
    (stream,) = open_recording(write(mmm_text(np.abs(raw_rows(40, 22)) + 5))).streams
    few = write("Zyg li,foo\n" + "".join(f"{v:.3f},{i}\n" for i, v in enumerate(raw_rows(50, 1)[:, 0])))
    assert [c.muscle for c in open_recording(few, rate=1000).streams[0].channels] == ["zygomaticus_l", None]
    assert len(stream.channels) == 22


def test_table_without_time_reads_as_poses_when_asked(write):
    path = write("Zyg li,Zyg re\n1.5,2.5\n30.0,28.0\n2.0,1.0\n")
    assert inspect_recording(path).needs == ("rate",)
    (stream,) = open_recording(path, poses=True).streams
    assert stream.rate is None
    assert stream.labels == ("Pose 1", "Pose 2", "Pose 3")


def test_what_the_caller_says_goes_before_guesses(write):
    path = write(csv_text(np.abs(raw_rows()), ["Zyg li", "x"]))
    recording = open_recording(
        path, rate=2000, kinds={"Zyg li": "rectified"}, units={0: "mV"}, muscles=["mentalis_r", "Corr links"]
    )
    first, second = recording.streams[0].channels
    assert (first.kind, first.muscle, first.unit) == (Kind.RECTIFIED, "mentalis_r", "uV")
    assert second.muscle == "corrugator_supercilii_l"
    assert open_recording(path, rate=2000, muscles={"Zyg li": ""}).streams[0].channels[0].muscle is None


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"names": ["a"]}, "names"),
        ({"rate": -5}, "rate"),
        ({"kinds": {"Zyg li": "wavy"}}, "wavy"),
        ({"kinds": {"nobody": "raw"}}, "nobody"),
        ({"muscles": {"Zyg li": "elbow"}}, "elbow"),
        ({"muscles": ["zygomaticus_l"] * 2, "kinds": ["raw", "envelope"]}, "at once"),
        ({"time_column": "nobody"}, "nobody"),
    ],
)
def test_arguments_that_do_not_fit_are_named(write, options, part):
    path = write(csv_text(raw_rows(), ["Zyg li", "Corr li"]))
    with pytest.raises(EiferError, match=part):
        open_recording(path, **({"rate": 1000} | options))


def test_percent_activation_becomes_zero_to_one(write):
    rows = np.abs(raw_rows(200, 1)) % 100
    stream = open_recording(write(csv_text(rows, ["Zyg li activation (%)"])), rate=50).streams[0]
    assert stream.channels[0].kind is Kind.ACTIVATION
    np.testing.assert_allclose(stream.samples, rows / 100, atol=1e-5)


@pytest.mark.parametrize(("unit", "factor"), [("nV", 1e-3), ("uV", 1), ("µV", 1), ("mV", 1e3), ("V", 1e6)])
def test_voltages_become_microvolts(write, unit, factor):
    rows = raw_rows()
    path = write(csv_text(rows / factor, [f"Zyg li ({unit})", f"Corr li ({unit})"], form="%.9g"))
    recording = open_recording(path, rate=1000)
    np.testing.assert_allclose(recording.streams[0].samples, rows, rtol=1e-5)
    assert recording.streams[0].channels[0].unit == "uV"
    assert not recording.streams[0].channels[0].doubtful


def test_word_column_in_a_large_table(write):
    rows = raw_rows(30_000, 2)
    body = "".join(
        f"{i / 1000:.3f},{a:.3f},{'on' if i % 5000 < 50 else ''},{b:.3f}\n" for i, (a, b) in enumerate(rows)
    )
    recording = open_recording(write("time,Zyg li,cue,Corr li\n" + body))
    np.testing.assert_allclose(recording.streams[0].samples, rows, atol=6e-4)
    assert [round(a.onset, 3) for a in recording.annotations] == [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]
    assert {(round(a.duration, 3), a.text) for a in recording.annotations} == {(0.05, "on")}
    lines = body.split("\n")
    lines[20_000] += ",1"
    assert "Line 20002" in said(write("time,Zyg li,cue,Corr li\n" + "\n".join(lines)))


def test_header_without_a_name_for_the_index(write):
    path = write(
        "Zyg li;Corr li\n" + "".join(f"{i};{a:.3f};{b:.3f}\n" for i, (a, b) in enumerate(raw_rows()))
    )
    assert [c.name for c in open_recording(path, rate=1000).streams[0].channels] == ["Zyg li", "Corr li"]


def test_large_table_equals_pandas(write):
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(3).normal(size=(60_000, 24)) * 40  # more than one block of lines
    rows[::977, 3] = np.nan
    buffer = io.StringIO()
    names = ["time", *CHANNELS, "temperature"]
    pandas.DataFrame(np.column_stack([np.arange(60_000) / 2000, rows[:, :23]]), columns=names).to_csv(
        buffer, index=False
    )
    path = write(buffer.getvalue())
    frame = pandas.read_csv(path)
    stream = open_recording(path).streams[0]
    assert stream.rate == 2000.0
    np.testing.assert_allclose(
        stream.samples[:, :22], frame[list(CHANNELS)].to_numpy(np.float32), rtol=1e-6, equal_nan=True
    )


# --- files that are not what they say -------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"\x00" * 5000, b"\xef\xbb\xbf", b"\xff\xfe"])
def test_empty_files(write, content):
    assert "empty" in said(write(content))


def test_binary_and_foreign_files(write):
    assert "text" in said(write(bytes(range(256)) * 40))
    assert "MATLAB" in said(write(b"MATLAB 5.0 MAT-file, Platform: GLNX", "a.mat"))
    assert "Excel" in said(write(b"PK\x03\x04" + bytes(100), "a.csv"))


def test_prose_is_no_table(write):
    assert "table" in said(write("Dear colleague,\nhere are the results.\nYours\n"))


def test_header_without_rows(write):
    said(write("time,Zyg li\n"))


def test_ragged_line_is_named(write):
    lines = csv_text(raw_rows(), ["Zyg li", "Corr li"]).split("\n")
    lines[120] += ",5.0"
    assert "Line 121" in said(write("\n".join(lines)), rate=1000)


@pytest.mark.parametrize(("cell", "said_as"), [("12x7", "'12x7'"), ("Mustermann", "a word")])
def test_word_among_numbers_is_named_with_line_and_column(write, cell, said_as):
    """What has no digit may be a person's name and is not repeated."""
    lines = csv_text(raw_rows(), ["Zyg li", "Corr li"]).split("\n")
    lines[120] = f"1.0,{cell}"
    sentence = said(write("\n".join(lines)), rate=1000)
    assert sentence.startswith("Line 121 of ") and f" has {said_as} where column 'Corr li' " in sentence


def test_word_far_behind_the_head_is_found(write):
    lines = csv_text(raw_rows(90_000), ["Zyg li", "Corr li"]).split("\n")
    lines[85_000] = "1.0,broken"
    with pytest.raises(EiferError, match="Line 85001"):
        open_recording(write("\n".join(lines)), rate=1000)


def test_giant_line_and_endless_header(write):
    assert "longer" in said(write("1," * 3_000_000))
    assert "table" in said(write("words of a title\n" * 200_000))


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(EiferError, match="no file"):
        open_recording(tmp_path / "nothing.csv")
    with pytest.raises(EiferError, match="folder"):
        open_recording(tmp_path)


# --- EDF ------------------------------------------------------------------------------------------


def edf_bytes(signals, records, *, duration=1.0, patient="X X X X", reserved="", stated=None, header=None):
    """An EDF file written from the specification: signals are (label, unit, range, int16 [n])."""
    count = len(signals)
    per_record = [len(s[3]) // records for s in signals]

    def field(text, width):
        return str(text).encode("latin-1").ljust(width)[:width]

    head = field("0", 8) + field(patient, 80) + field("Startdate X X X X", 80) + field("01.01.01", 8)
    head += field("00.00.00", 8) + field(header or 256 * (count + 1), 8) + field(reserved, 44)
    head += field(records if stated is None else stated, 8) + field(duration, 8) + field(count, 4)
    for width, values in (
        (16, [s[0] for s in signals]),
        (80, [""] * count),
        (8, [s[1] for s in signals]),
        (8, [-s[2] for s in signals]),
        (8, [s[2] for s in signals]),
        (8, [-32768] * count),
        (8, [32767] * count),
        (80, [""] * count),
        (8, per_record),
        (32, [""] * count),
    ):
        head += b"".join(field(v, width) for v in values)
    blocks = [
        np.asarray(s[3][r * n : (r + 1) * n], dtype="<i2").tobytes()
        for r in range(records)
        for s, n in zip(signals, per_record, strict=True)
    ]
    return head + b"".join(blocks)


def edf_example(**options):
    rng = np.random.default_rng(1)
    fast = [rng.integers(-20000, 20000, 4000) for _ in range(2)]
    slow = rng.integers(-20000, 20000, 200)
    signals = [
        ("EMG Zyg li", "mV", 3.0, fast[0]),
        ("EMG Corr re", "uV", 500.0, fast[1]),
        ("Skin", "uS", 20, slow),
    ]
    return signals, edf_bytes(signals, 4, **options)


def test_edf_values_units_and_streams(write):
    signals, content = edf_example()
    recording = open_recording(write(content, "a.edf"))
    assert recording.format == "EDF"
    fast, slow = recording.streams
    assert (fast.rate, slow.rate) == (1000.0, 50.0)
    assert [c.muscle for c in fast.channels] == ["zygomaticus_l", "corrugator_supercilii_r"]
    for k, (factor, largest) in enumerate([(1000.0, 3.0), (1.0, 500.0)]):
        exact = ((signals[k][3] + 32768) / 65535 * 2 * largest - largest) * factor
        np.testing.assert_allclose(fast.samples[:, k], exact, atol=largest * factor * 1e-6)
    assert slow.channels[0].kind is Kind.OTHER
    view = inspect_recording(write(content, "a.edf"))
    assert [s.rows for s in view.streams] == [4000, 200]
    assert view.needs == ()


def test_edf_is_known_by_content_not_by_name(write):
    _, content = edf_example()
    assert open_recording(write(content, "export.csv")).format == "EDF"


def test_patient_and_recording_identification_go_nowhere(write):
    _, content = edf_example(patient="0815 F 02-MAY-1951 Mustermann_Erika")
    recording = open_recording(write(content, "a.edf"))
    assert "Mustermann" not in repr(recording) and "0815" not in repr(recording)
    _, broken = edf_example(patient="0815 F 02-MAY-1951 Mustermann_Erika", duration="?")
    with pytest.raises(EiferError) as error:
        open_recording(write(broken, "a.edf"))
    assert "Mustermann" not in str(error.value)


def test_edf_written_and_read_again(tmp_path):
    rng = np.random.default_rng(2)
    channels = tuple(Channel(c, "uV", Kind.RAW, c) for c in ("zygomaticus_l", "mentalis_r"))
    stream = Stream(channels, (rng.normal(size=(3000, 2)) * [40, 200]).astype(np.float32), 1000.0)
    marks = (Annotation(0.5, 1.25, "smile"), Annotation(2.0, 0.0, "cue"))
    path = write_edf(tmp_path / "ours.edf", Recording((stream,), marks))
    again = open_recording(path)
    assert again.annotations == marks
    assert [c.muscle for c in again.streams[0].channels] == ["zygomaticus_l", "mentalis_r"]
    step = 2 * np.abs(stream.samples).max(0) / 65535
    assert (np.abs(again.streams[0].samples - stream.samples).max(0) <= step).all()
    with pytest.raises(EiferError, match="exists"):
        write_edf(path, Recording((stream,)))
    write_edf(path, Recording((stream,)), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["ours.edf"]


@pytest.mark.parametrize(("n", "rate"), [(12_347, 1000.0), (997, 2048.0), (500, 30.0), (1001, 29.97)])
def test_edf_of_any_length_and_rate(tmp_path, n, rate):
    x = np.linspace(-1, 1, n, dtype=np.float32)[:, None] * 100
    recording = Recording((Stream((Channel("Zyg li", "uV", Kind.RAW),), x, rate),))
    (stream,) = open_recording(write_edf(tmp_path / "a.edf", recording)).streams
    assert stream.rate == pytest.approx(rate)
    np.testing.assert_allclose(stream.samples[:n], x, atol=0.01)
    np.testing.assert_allclose(stream.samples[n:], 100, atol=0.01)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda c: c[:100], "ends within"),
        (lambda c: c[:700], "ends within"),
        (lambda c: c[:-1000], "cut off"),
        (lambda c: c[:236] + b"99999999" + c[244:], "cut off"),
        (lambda c: c[:252] + b"9999" + c[256:], "9999 signals"),
        (lambda c: c[:184] + b"512     " + c[192:], "512"),
        (lambda c: c[:244] + b"0       " + c[252:], "duration"),
        (lambda c: c[:192] + b"EDF+D" + c[197:], "discontinuous"),
    ],
)
def test_edf_that_lies_is_refused(write, change, part):
    _, content = edf_example()
    assert part in said(write(change(content), "a.edf"))


def test_edf_signal_without_a_range_is_left_out(write):
    signals, _ = edf_example()
    signals[0] = (*signals[0][:2], 0.0, signals[0][3])
    recording = open_recording(write(edf_bytes(signals, 4), "a.edf"))
    assert [c.name for s in recording.streams for c in s.channels] == ["EMG Corr re", "Skin"]
    assert any("Zyg li" in note for note in recording.notes)


def test_edf_of_unknown_length_is_read_to_its_end(write):
    _, content = edf_example(stated=-1)
    assert len(open_recording(write(content, "a.edf")).streams[0].samples) == 4000


# --- fuzzing --------------------------------------------------------------------------------------

fuzzing = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def opens_or_refuses(path):
    """Either a consistent recording or one sentence; anything else is a bug."""
    try:
        inspect_recording(path)
        recording = open_recording(path)
    except EiferError as error:
        assert re.fullmatch(r"[^\n]+\.", str(error)), str(error)
        return
    for stream in recording.streams:
        assert stream.samples.dtype == np.float32
        assert stream.samples.shape[1] == len(stream.channels)
        assert not np.isinf(stream.samples).any()


@fuzzing
@given(st.binary(max_size=3000))
def test_any_bytes(write, content):
    opens_or_refuses(write(content, "fuzz.csv"))


@fuzzing
@given(st.text(alphabet='0123456789.,;\t \n-+e"aZyg li#:/', max_size=600))
def test_any_tables(write, content):
    opens_or_refuses(write(content, "fuzz.csv"))


@fuzzing
@given(
    st.sampled_from(["fridlund_emotions.csv", "acqknowledge_excerpt.txt", "fmov_excerpt.txt", "edf"]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=12)), max_size=6),
    st.floats(0, 1),
)
def test_damaged_real_files(write, name, damage, keep):
    content = bytearray(edf_example()[1] if name == "edf" else (DATA / name).read_bytes()[:20_000])
    content = content[: max(1, int(len(content) * max(keep, 0.02)))]
    for where, patch in damage:
        # Half of the damage goes to the header, where the structure is.
        at = int(where * len(content)) if where > 0.5 else int(where * min(len(content), 1024))
        content[at : at + len(patch)] = patch
    opens_or_refuses(write(bytes(content), "fuzz.dat"))


def test_bdf_keeps_its_24_bits(tmp_path):
    from edfio import Bdf, BdfSignal

    wave = np.sin(np.arange(2000) * 0.3) * 50.0
    signal = BdfSignal(wave, 1000, label="Zyg li", physical_dimension="uV", physical_range=(-100, 100))
    Bdf([signal]).write(tmp_path / "a.bdf")
    stream = open_recording(tmp_path / "a.bdf").streams[0]
    assert stream.rate == 1000 and stream.channels[0].muscle == "zygomaticus_l"
    np.testing.assert_allclose(stream.samples[:, 0], wave, atol=200 / 2**24 + 1e-5)
