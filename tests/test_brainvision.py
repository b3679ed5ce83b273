"""BrainVision recordings of every variant are read exactly, or refused in one sentence."""

import hashlib
import os
import re
import tracemalloc

import made
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eifer_blender.errors import EiferError
from eifer_blender.recordings import (
    FILE_EXTENSIONS,
    Annotation,
    BlockSamples,
    Kind,
    inspect_recording,
    open_recording,
)

NUMBERS = {"INT_16": "i2", "UINT_16": "u2", "INT_32": "i4", "IEEE_FLOAT_32": "f4"}
CHANNELS = ("EMG Zyg li,,0.1,µV", "EMG Corr re,REF,0.5,µV", "Puls,,2,°C")
FACTORS = np.array([0.1, 0.5, 2.0], dtype=np.float32)


def stored(n=3000, form="INT_16", seed=0):
    """Numbers [n, 3] as they stand in a file."""
    rng = np.random.default_rng(seed)
    if form == "IEEE_FLOAT_32":
        return (rng.normal(size=(n, 3)) * 300).astype(np.float32)
    low = 0 if form == "UINT_16" else -3000
    return rng.integers(low, 3000, (n, 3))


def header(channels=CHANNELS, **changed):
    """Text of a header; a key of None is left out."""
    common = {
        "Codepage": "UTF-8",
        "DataFile": "a.eeg",
        "MarkerFile": "a.vmrk",
        "DataFormat": "BINARY",
        "DataOrientation": "MULTIPLEXED",
        "NumberOfChannels": len(channels),
        "SamplingInterval": "1000",
    } | {k: v for k, v in changed.items() if k[0].isupper()}
    lines = ["Brain Vision Data Exchange Header File Version 1.0", "; a comment", "", "[Common Infos]"]
    lines += [f"{k}={v}" for k, v in common.items() if v is not None]
    lines += ["[Binary Infos]", f"BinaryFormat={changed.get('form', 'INT_16')}"]
    if changed.get("big"):
        lines.append("UseBigEndianOrder=YES")
    lines += ["[ASCII Infos]", *changed.get("text", ())]
    lines += ["[Channel Infos]", *(f"Ch{i + 1}={c}" for i, c in enumerate(channels))]
    return "\r\n".join([*lines, "[Comment]", "Patient: Mustermann, Erika", "Ch1=wrong,,9,V", ""])


def markers(*entries):
    return "\r\n".join(
        [
            "Brain Vision Data Exchange Marker File, Version 1.0",
            "[Common Infos]",
            "DataFile=a.eeg",
            "[Marker Infos]",
            "; Mk<number>=<type>,<description>,<position>,<size>,<channel>",
            *(f"Mk{i + 1}={e}" for i, e in enumerate(entries)),
        ]
    )


@pytest.fixture
def write(tmp_path):
    """Write the files of a recording, which may be texts or bytes; the header's path."""

    def _write(head, data=b"", marks=None, name="a", encoding="utf-8"):
        path = tmp_path / f"{name}.vhdr"
        path.write_bytes(head if isinstance(head, bytes) else head.encode(encoding))
        if data is not None:
            (tmp_path / f"{name}.eeg").write_bytes(data if isinstance(data, bytes) else data.encode())
        if marks is not None:
            (tmp_path / f"{name}.vmrk").write_bytes(marks.encode(encoding))
        return path

    return _write


def said(path, **options):
    text = made.said(path, **options)
    assert "Mustermann" not in text, text
    return text


def rows_of(path, **options):
    """Samples in the units of the file."""
    options = {"units": ["uV"] * 3, "kinds": ["other"] * 3} | options
    (stream,) = open_recording(path, **options).streams
    return np.asarray(stream.samples)


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ["MULTIPLEXED", "VECTORIZED"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", NUMBERS)
def test_every_binary_variant(write, form, order, orientation):
    numbers = stored(form=form)
    laid = numbers if orientation == "MULTIPLEXED" else numbers.T
    data = np.ascontiguousarray(laid).astype(order + NUMBERS[form]).tobytes()
    path = write(header(form=form, big=order == ">", DataOrientation=orientation), data)
    recording = open_recording(path)
    (stream,) = recording.streams
    assert recording.format == "BrainVision" and stream.rate == 1000.0 and stream.name == "a"
    assert isinstance(stream.samples, BlockSamples)
    assert [c.muscle for c in stream.channels] == ["zygomaticus_l", "corrugator_supercilii_r", None]
    assert [c.unit for c in stream.channels] == ["uV", "uV", "°C"]
    np.testing.assert_allclose(np.asarray(stream.samples), numbers * FACTORS, rtol=3e-7)
    assert inspect_recording(path).streams[0].rows == 3000


def test_32_bits_on_a_large_offset(write):
    numbers = stored(form="INT_32") + 8_000_000
    path = write(header(form="INT_32"), numbers.astype("<i4").tobytes())
    np.testing.assert_allclose(rows_of(path), numbers * FACTORS.astype(np.float64), rtol=1.3e-7)


def test_missing_and_impossible_floats_become_missing(write):
    numbers = stored(form="IEEE_FLOAT_32")
    numbers[5, 0], numbers[6, 1], numbers[7, 2] = np.nan, np.inf, -3e38
    path = write(header(form="IEEE_FLOAT_32"), numbers.astype("<f4").tobytes())
    assert np.argwhere(np.isnan(rows_of(path))).tolist() == [[5, 0], [6, 1], [7, 2]]


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("orientation", ["MULTIPLEXED", "VECTORIZED"])
def test_numbers_as_text(write, orientation, decimal):
    numbers = stored(400, "IEEE_FLOAT_32").round(3)
    if orientation == "MULTIPLEXED":
        lines = ["Zyg Corr Puls", *(" ".join(f"{v:.3f}" for v in row) for row in numbers)]
        text = ["SkipLines=1", "SkipColumns=0"]
    else:
        lines = [f"Ch{k} " + "  ".join(f"{v:.3f}" for v in numbers[:, k]) for k in range(3)]
        text = ["SkipLines=0", "SkipColumns=1"]
    text.append(f"DecimalSymbol={decimal}")
    head = header(DataFormat="ASCII", DataOrientation=orientation, text=text)
    path = write(head, "\r\n".join(lines).replace(".", decimal))
    np.testing.assert_allclose(rows_of(path), numbers * FACTORS, rtol=1e-6)
    assert inspect_recording(path).streams[0].rows == 400


def test_text_with_commas_between_the_numbers(write):
    head = header(DataFormat="ASCII", text=["DecimalSymbol=."])
    path = write(head, "\n".join(f"{k}.5,{k},-{k}" for k in range(200)))
    k = np.arange(200)
    np.testing.assert_allclose(rows_of(path), np.column_stack([k + 0.5, k, -k]) * FACTORS, rtol=1e-6)


def test_long_lines_and_looks_at_long_files_of_text(write):
    numbers = np.random.default_rng(0).normal(size=(250_000, 2)).round(4)
    channels = CHANNELS[:2]
    lines = ["name " + " ".join(f"{v:.4f}" for v in numbers[:, k]) for k in range(2)]
    head = header(channels, DataFormat="ASCII", DataOrientation="VECTORIZED", text=["SkipColumns=1"])
    path = write(head, "\n".join(lines))
    options = {"units": ["uV"] * 2, "kinds": ["other"] * 2}
    found = rows_of(path, **options)
    np.testing.assert_allclose(found, numbers * FACTORS[:2], rtol=1e-6)
    rows = "\n".join(" ".join(f"{v:.4f}" for v in row) for row in numbers)
    path = write(header(channels, DataFormat="ASCII"), rows, name="a")
    view = inspect_recording(path)
    assert abs(view.streams[0].rows - 250_000) < 2000 and not view.streams[0].rows_exact
    np.testing.assert_allclose(rows_of(path, **options), numbers * FACTORS[:2], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1 2 3\n4 5\n", "Line 2"),
        ("1 2 3\n4 x 6\n", "else than numbers"),
        ("", "no samples"),
        ("1 2 3\n", "cut off"),
    ],
)
def test_text_that_is_no_row_of_numbers(write, text, part):
    assert part in said(write(header(DataFormat="ASCII", DataPoints="2"), text))


def test_text_channels_of_unequal_length(write):
    head = header(DataFormat="ASCII", DataOrientation="VECTORIZED")
    assert "same length" in said(write(head, "1 2 3\n1 2\n1 2 3\n"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bv")
    found = []
    for k, orientation in enumerate(["MULTIPLEXED", "VECTORIZED"]):
        (folder / f"{k}.vhdr").write_text(
            header(DataOrientation=orientation, DataFile="$b.eeg"), encoding="utf-8"
        )
        numbers = stored(5000) if k == 0 else stored(5000).T
        (folder / f"{k}.eeg").write_bytes(np.ascontiguousarray(numbers).astype("<i2").tobytes())
        (stream,) = open_recording(folder / f"{k}.vhdr").streams
        found.append((stream.samples, np.asarray(stream.samples)))
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_blocks_with_any_borders_equal_the_whole(files, data):
    samples, whole = data.draw(st.sampled_from(files))
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    columns = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=5))
    np.testing.assert_array_equal(samples.read(start, stop, columns), whole[start:stop, columns])


@pytest.mark.parametrize("change", [lambda p: os.truncate(p, 600), lambda p: p.unlink()])
def test_numbers_that_change_after_opening(write, change):
    path = write(header(), stored().astype("<i2").tobytes())
    (stream,) = open_recording(path).streams
    change(path.with_suffix(".eeg"))
    with pytest.raises(EiferError, match=r"changed|no longer"):
        stream.samples.read(0, 100)


# --- headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_headers_of_german_laboratories(write, encoding):
    channels = ("Lächeln links\\1 Wange,,0.1,µV", "Zyg li,,0.1,µV", "Wärme,,1,°C")
    marks = markers("Comment,Übung \\1 Teil 2,11,1,0")
    page = None if encoding == "cp1252" else "UTF-8"
    path = write(header(channels, Codepage=page), stored().astype("<i2").tobytes(), marks, encoding=encoding)
    recording = open_recording(path)
    names = [c.name for c in recording.streams[0].channels]
    assert names == ["Lächeln links, Wange", "Zyg li", "Wärme"]
    assert recording.streams[0].channels[2].unit == "°C"
    assert recording.annotations == (Annotation(0.01, 0.0, "Übung , Teil 2"),)


@pytest.mark.parametrize("unit", ["µV", "μV", "uV", "ÂµV", "Î¼V", "æV", "�V", "?V", "", "\xb5V"])
def test_microvolts_however_their_sign_has_suffered(write, unit):
    numbers = stored()
    path = write(header([f"Zyg li,,0.1,{unit}", "Corr re", "x,,,"]), numbers.astype("<i2").tobytes())
    recording = open_recording(path)
    (stream,) = recording.streams
    assert [c.unit for c in stream.channels] == ["uV"] * 3
    np.testing.assert_allclose(np.asarray(stream.samples)[:, 0], numbers[:, 0] * 0.1, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(stream.samples)[:, 1], numbers[:, 1])
    assert not any("unit" in n for n in recording.notes)


def test_millivolts_and_nanovolts(write):
    numbers = stored()
    path = write(header(["Zyg li,,0.0005,mV", "Corr re,,100,nV", "x,,1,µV"]), numbers.astype("<i2").tobytes())
    (stream,) = open_recording(path, kinds=["raw"] * 3).streams
    np.testing.assert_allclose(
        np.asarray(stream.samples)[:, :2], numbers[:, :2] * np.array([0.5, 0.1]), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("interval", "rate"),
    [("244.140625", 4096), ("488.28", 2048), ("200", 5000), ("33333.333", 30), ("1000,0", 1000)],
)
def test_rates(write, interval, rate):
    path = write(header(SamplingInterval=interval), stored().astype("<i2").tobytes())
    assert open_recording(path).streams[0].rate == pytest.approx(rate, rel=2e-5)


def test_header_without_a_rate_asks_for_it(write):
    path = write(header(SamplingInterval=None), stored().astype("<i2").tobytes())
    assert inspect_recording(path).needs == ("rate",)
    assert "rate" in said(path)
    assert open_recording(path, rate=500).streams[0].rate == 500


def test_what_the_caller_says_goes_before_the_header(write):
    path = write(header(), stored().astype("<i2").tobytes())
    (stream,) = open_recording(path, rate=2000, names=["a", "b", "Zyg re"], kinds=["raw"] * 3).streams
    assert stream.rate == 2000
    assert [c.muscle for c in stream.channels] == [None, None, "zygomaticus_r"]
    assert stream.channels[0].kind is Kind.RAW


def test_channels_that_the_header_does_not_describe(write):
    path = write(header(CHANNELS[:2], NumberOfChannels=3), stored().astype("<i2").tobytes())
    recording = open_recording(path)
    assert [c.name for c in recording.streams[0].channels][2] == "Ch3"
    assert any("2 of its 3" in n for n in recording.notes)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"NumberOfChannels": "1000000000"}, "NumberOfChannels"),
        ({"NumberOfChannels": "many"}, "NumberOfChannels"),
        ({"NumberOfChannels": None}, "no NumberOfChannels"),
        ({"DataPoints": "99999999999"}, "cut off"),
        ({"form": "COMPLEX"}, "COMPLEX"),
        ({"DataType": "FREQUENCYDOMAIN"}, "spectra"),
        ({"channels": ["a,,nonsense,µV"]}, "resolution"),
        ({"channels": ["a,,0,µV"]}, "resolution"),
        ({"channels": ["a,,1e300,µV"]}, "resolution"),
        ({"DataFormat": "ASCII", "text": ["SkipLines=-3"]}, "SkipLines"),
    ],
)
def test_headers_that_lie_cost_one_sentence_and_no_memory(write, changed, part):
    path = write(header(**changed), stored().astype("<i2").tobytes())
    assert part in said(path)
    tracemalloc.start()
    try:
        said(path)
        assert tracemalloc.get_traced_memory()[1] < 6e6
    finally:
        tracemalloc.stop()


def test_header_without_sections(write):
    assert "[Common Infos]" in said(write("Brain Vision Data Exchange Header File Version 1.0\n"))


def test_incomplete_last_row_and_more_than_announced(write):
    data = stored().astype("<i2").tobytes()
    recording = open_recording(write(header(), data[:-2]))
    assert len(recording.streams[0].samples) == 2999
    assert any("incomplete" in n for n in recording.notes)
    recording = open_recording(write(header(DataPoints="2900"), data))
    assert len(recording.streams[0].samples) == 2900
    assert any("100 rows" in n for n in recording.notes)
    assert "same number" in said(write(header(DataOrientation="VECTORIZED"), data[:-2]))


def test_nothing_personal_is_kept(write):
    marks = markers("New Segment,,1,1,0,20160504101112000000", "Stimulus,S  1,5,1,0")
    recording = open_recording(write(header(), stored().astype("<i2").tobytes(), marks))
    assert "Mustermann" not in repr(recording) and "2016" not in repr(recording)


# --- the three files ------------------------------------------------------------------------------


def test_any_of_the_three_files_opens_the_recording(write):
    data, marks = stored().astype("<i2").tobytes(), markers("Stimulus,S  1,5,1,0")
    path = write(header(), data, marks)
    first = open_recording(path)
    expected = hashlib.sha256(path.read_bytes() + data + path.with_suffix(".vmrk").read_bytes())
    assert first.sha256 == expected.hexdigest()
    for ending in (".eeg", ".vmrk"):
        other = open_recording(path.with_suffix(ending))
        assert other.annotations == first.annotations and other.sha256 == first.sha256
        assert other.source == path
        assert "belongs" in other.notes[0]
    assert ".vhdr" in FILE_EXTENSIONS


@pytest.mark.parametrize("ending", [".eeg", ".vmrk"])
def test_part_of_a_recording_without_its_header(write, ending):
    path = write(header(), stored().astype("<i2").tobytes(), markers())
    path.unlink()
    assert "a.vhdr" in said(path.with_suffix(ending))


def test_numbers_that_are_missing(write):
    assert "missing" in said(write(header(), None))
    assert "no samples" in said(write(header(), b""))


def test_markers_that_are_missing_are_told(write):
    recording = open_recording(write(header(), stored().astype("<i2").tobytes()))
    assert recording.annotations == () and any("a.vmrk" in n for n in recording.notes)
    path = write(header(MarkerFile=None), stored().astype("<i2").tobytes())
    assert open_recording(path).notes == ()


def test_placeholder_capitals_subfolders_and_renamed_files(write, tmp_path):
    data = stored().astype("<i2").tobytes()
    marks = markers("Stimulus,S  1,5,1,0")
    path = write(header(DataFile="$b.eeg", MarkerFile="$b.vmrk"), data, marks, name="run $1")
    assert len(open_recording(path).annotations) == 1 and open_recording(path).notes == ()
    path = write(header(DataFile="A.EEG"), data, marks)
    assert open_recording(path).notes == ()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "b.dat").write_bytes(data)
    path = write(header(DataFile="raw\\b.dat"), None, name="c")
    assert len(open_recording(path).streams[0].samples) == 3000
    path = write(header(DataFile="before.eeg", MarkerFile="before.vmrk"), data, marks, name="renamed")
    recording = open_recording(path)
    assert len(recording.annotations) == 1 and any("renamed.eeg" in n for n in recording.notes)


@pytest.mark.parametrize(
    "name",
    [
        "../b.eeg",
        "..\\b.eeg",
        "x/../../b.eeg",
        "/etc/passwd",
        "C:\\b.eeg",
        "C:b.eeg",
        "\\\\server\\b.eeg",
        ".. /b.eeg",
    ],
)
@pytest.mark.parametrize("key", ["DataFile", "MarkerFile"])
def test_files_outside_the_folder_are_never_opened(tmp_path, key, name):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "b.eeg").write_bytes(stored().astype("<i2").tobytes())
    (folder / "a.eeg").write_bytes(stored().astype("<i2").tobytes())
    (folder / "a.vhdr").write_text(header(**{key: name}), encoding="utf-8")
    assert "outside" in said(folder / "a.vhdr")


# --- markers --------------------------------------------------------------------------------------


def test_markers_become_annotations(write):
    marks = markers(
        "New Segment,,1,1,0,20160504101112000000",
        "Stimulus,S  1,101,1,0",
        "Response,R  2,201,1,0",
        "Comment,smile\\1 please,301,1000,0",
        "Stimulus,,401,1,0",
        "SyncStatus,Sync On,501,1,0",
        "Bad Interval,Bad Min-Max,601,200,2",
        "nonsense",
        "Stimulus,S  9,x,1,0",
    )
    recording = open_recording(write(header(), stored().astype("<i2").tobytes(), marks))
    assert recording.annotations == (
        Annotation(0.1, 0.0, "S  1"),
        Annotation(0.2, 0.0, "R  2"),
        Annotation(0.3, 1.0, "smile, please"),
        Annotation(0.4, 0.0, "Stimulus"),
        Annotation(0.6, 0.2, "Bad Min-Max"),
    )
    assert any("synchronisation" in n for n in recording.notes)


def test_segments_and_their_pauses(write):
    marks = markers(
        "New Segment,,1,1,0,20160504235959500000",
        "Stimulus,S  1,1501,1,0",
        "New Segment,,1001,1,0,20160505000003000000",
        "New Segment,,2001,1,0,20160505000004000000",
    )
    recording = open_recording(write(header(), stored().astype("<i2").tobytes(), marks))
    assert recording.annotations == (
        Annotation(0.0, 1.0, "Segment 1"),
        Annotation(1.0, 1.0, "Segment 2"),
        Annotation(1.5, 0.0, "S  1"),
        Annotation(2.0, 1.0, "Segment 3"),
    )
    (note,) = recording.notes
    assert "2.5 s after 1 s" in note and "2016" not in note


def test_rubbish_instead_of_markers(write):
    path = write(header(), stored().astype("<i2").tobytes(), "")
    path.with_suffix(".vmrk").write_bytes(bytes(range(256)) * 20)
    assert open_recording(path).annotations == ()


# --- fuzzing --------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["INT_16", "IEEE_FLOAT_32", "ASCII"]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=6),
    st.floats(0.1, 1.0),
)
def test_damaged_files_open_or_are_refused(write, form, damage, keep):
    numbers = stored(200, "IEEE_FLOAT_32")
    if form == "ASCII":
        head = header(DataFormat="ASCII").encode()
        data = "\n".join(" ".join(f"{v:.2f}" for v in row) for row in numbers).encode()
    else:
        head = header(form=form).encode()
        data = numbers.astype("<" + NUMBERS[form]).tobytes()
    marks = markers("Stimulus,S  1,101,1,0", "New Segment,,1,1,0,1", "New Segment,,9,1,0,2")
    head = bytearray(head[:60] + head[60:][: int(len(head) * keep)])
    for where, patch in damage:
        at = 60 + int(where * (len(head) - 60))
        head[at : at + len(patch)] = patch
    path = write(bytes(head), data, marks)
    try:
        inspect_recording(path)
        recording = open_recording(path)
        for stream in recording.streams:
            block = np.asarray(stream.samples)
            assert block.dtype == np.float32 and block.shape[1] == len(stream.channels)
    except EiferError as error:
        assert re.fullmatch(r"[^\n]+\.", str(error)), str(error)
