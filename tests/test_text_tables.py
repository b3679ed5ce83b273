"""Text tables as laboratories' programs write them, and as nobody should: read, or refused in a sentence.

The layouts are those of the programs named; all numbers in them are invented.
"""

import json
import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made import said

from eifer_blender.errors import EiferError
from eifer_blender.recordings import Annotation, Kind, inspect_recording, open_recording, rows
from eifer_blender.recordings.digits import find_cells, parse_cells

DATA = Path(__file__).parent / "data"
REAL = os.environ.get("EIFER_REAL_DATA")


def noise(n=400, channels=2, seed=0, scale=30.0):
    return np.random.default_rng(seed).normal(size=(n, channels)) * scale


def lines(values, sep=",", form="%.4f", decimal="."):
    return [sep.join((form % v).replace(".", decimal) for v in row) for row in values]


def timed(values, rate, sep=",", decimal=".", start=0.0):
    times = start + np.arange(len(values)) / rate
    return [f"{t:.6f}".replace(".", decimal) + sep + line
            for t, line in zip(times, lines(values, sep, decimal=decimal), strict=True)]  # fmt: skip


def only(path, **options):
    """The one stream of a file."""
    (stream,) = open_recording(path, **options).streams
    return stream


# --- programs -------------------------------------------------------------------------------------


def delsys_discover(markers=True):
    """Signals with a time column each, shorter ones padded; a table of markers at the right."""
    emg, acc = noise(852, 2), noise(100, 1, scale=1.0)
    head = [
        "Application:,Trigno Discover,,,,",
        "Date/Time:,01.02.2024 10:00,,,,",
        "Collection Length (seconds):,0.676,,,,",
        "Zygomaticus left (75923),,Corrugator left (75924),,,",
        "sensor mode: 50,,sensor mode: 40,,,",
        "EMG 1 Time Series (s),EMG 1 (mV),EMG 1 Time Series (s),EMG 1 (mV),ACC X Time Series (s),ACC X (G)",
        ",1259.2593 Hz,,1259.2593 Hz,,148.1481 Hz",
        ",0.000794 s,,0.000794 s,,0.00675 s" + (",,Type,Name,Time (s)" if markers else ""),
    ]
    body = []
    for i, (a, b) in enumerate(emg):
        t = i / 1259.2593
        more = f"{i / 148.1481:.6f},{acc[i, 0]:.5f}" if i < len(acc) else ","
        right = ",,General,Start,0.5" if markers and i == 0 else ""
        body.append(f"{t:.6f},{a / 1000:.7f},{t:.6f},{b / 1000:.7f},{more}{right}")
    return "\n".join(head + body) + "\n", emg, acc


@pytest.mark.parametrize("markers", [False, True])
def test_delsys_signals_of_several_rates_become_streams(write, markers):
    text, emg, acc = delsys_discover(markers)
    recording = open_recording(write(text))
    fast, slow = recording.streams
    assert fast.rate == pytest.approx(1259.2593, rel=1e-5)
    assert slow.rate == pytest.approx(148.1481, rel=1e-4)
    assert fast.samples.shape == (852, 2) and slow.samples.shape == (100, 1)
    assert [c.muscle for c in fast.channels] == ["zygomaticus_l", "corrugator_supercilii_l"]
    np.testing.assert_allclose(fast.samples, emg, atol=1e-3)
    assert slow.channels[0].kind is Kind.OTHER
    np.testing.assert_allclose(slow.samples, acc, atol=1e-4)


@pytest.mark.parametrize("padding", ["", ",,", ",0,0"])
def test_delsys_emgworks_pairs(write, padding):
    emg, acc = noise(400, 1), noise(60, 1, scale=1.0)
    head = [
        "Label: Zyg li: EMG 1 Sampling frequency: 1925.926 Number of points: 400 Unit: Volts",
        "X [s],Zyg li: EMG 1 (IM) [V],X [s],Zyg li: ACC X (IM) [G]",
    ]
    body = [
        f"{i / 1925.926:.7f},{emg[i, 0] / 1e6:.9f}"
        + (f",{i / 148.148:.7f},{acc[i, 0]:.4f}" if i < len(acc) else padding)
        for i in range(len(emg))
    ]
    streams = open_recording(write("\r\n".join(head + body))).streams
    assert [round(s.rate, 1) for s in streams] == [1925.9, 148.1]
    assert [s.samples.shape for s in streams] == [(400, 1), (60, 1)]
    np.testing.assert_allclose(streams[0].samples, emg, atol=2e-3)
    view = inspect_recording(write("\r\n".join(head + body)))
    assert [s.rows for s in view.streams] == [400, 60]


def test_open_signals_header_in_json(write):
    header = {
        "00:07:80:00:00:00": {
            "sensor": ["EMG", "EDA"],
            "column": ["nSeq", "DI", "CH1", "CH2"],
            "label": ["Zygomaticus li", "CH2"],
            "sampling rate": 1000,
            "resolution": [4, 1, 16, 16],
            "date": "2024-1-2",
        }
    }
    values = np.random.default_rng(0).integers(30_000, 36_000, (300, 2))
    body = [f"{i % 16}\t{int(100 <= i < 110)}\t{a}\t{b}\t" for i, (a, b) in enumerate(values)]
    text = "# OpenSignals Text File Format. Version 1\n# " + json.dumps(header) + "\n# EndOfHeader\n"
    recording = open_recording(write(text + "\n".join(body) + "\n"))
    (stream,) = recording.streams
    assert recording.format == "OpenSignals text"
    assert stream.rate == 1000.0
    assert [c.name for c in stream.channels] == ["DI", "Zygomaticus li EMG", "CH2 EDA"]
    assert stream.channels[1].muscle == "zygomaticus_l"
    assert stream.channels[2].kind is Kind.OTHER
    assert recording.annotations == (Annotation(0.1, 0.01, "DI"),)


def test_openbci_times_that_come_in_bursts(write):
    values = noise(1000, 2)
    head = (
        "%OpenBCI Raw EXG Data\n%Number of channels = 2\n%Sample Rate = 250 Hz\n%Board = Invented\n"
        "Sample Index, EXG Channel 0, EXG Channel 1, Accel Channel 0, Timestamp, Timestamp (Formatted)\n"
    )
    body = []
    for i, (a, b) in enumerate(values):
        t = (i // 10) * 0.04  # ten samples of one packet
        body.append(f"{i % 256}, {a:.6f}, {b:.6f}, 0.0, {1.7e9 + t:.6f}, 2024-03-01 10:15:{30 + t:06.3f}")
    stream = only(write(head + "\n".join(body)))
    assert stream.rate == 250.0
    assert stream.start == 0.0
    assert len(stream.samples) == 1000
    assert [c.name for c in stream.channels][:2] == ["EXG Channel 0", "EXG Channel 1"]
    np.testing.assert_allclose(stream.samples[:, 0], values[:, 0], atol=1e-4)


def test_labchart_keys_in_front_of_the_header_cells(write):
    head = "Interval=\t0.0005 s\nExcelDateTime=\t4.5e4\t01.02.2024\nTimeFormat=\tStartOfBlock\n"
    head += "ChannelTitle=\tZyg left\tCorr left\nRange=\t10.000 mV\t10.000 mV\nUnitName=\tmV\tmV\n"
    stream = only(write(head + "\n".join(timed(noise() / 1000, 2000, "\t"))))
    assert stream.rate == 2000.0
    assert [c.muscle for c in stream.channels] == ["zygomaticus_l", "corrugator_supercilii_l"]


def test_noraxon_header_below_a_description(write):
    head = (
        '"Name","Invented"\n"Measured","5 s"\n"Frequency","1500 Hz"\n\n'
        '"Time,s","LT Zygomaticus,uV","RT Zygomaticus,uV","Marker"\n'
    )
    body = [f"{line},{int(i == 200)}" for i, line in enumerate(timed(noise(), 1500))]
    recording = open_recording(write(head + "\n".join(body)))
    (stream,) = recording.streams
    assert stream.rate == 1500.0
    assert [c.muscle for c in stream.channels] == ["zygomaticus_l", "zygomaticus_r", None]
    assert [a.text for a in recording.annotations] == ["Marker"]


@pytest.mark.parametrize("above", [0, 3, 25])
def test_emteq_header_after_comments_of_any_number(write, above):
    head = "".join(f"#Device.Key{i},value {i},{i}.5\n" for i in range(above))
    head += "Frame,Time,Emg/Raw[LeftZygomaticus],Emg/Raw[RightZygomaticus],HeartRate/Average\n"
    values = np.column_stack([noise(), np.full(400, 62.5)])
    body = [f"{i},{line}" for i, line in enumerate(timed(values, 1000))]
    stream = only(write(head + "\n".join(body)))
    assert stream.rate == 1000.0
    assert len(stream.channels) == 3


def test_matlab_writetable(write):
    stream = only(write("Var1,Var2,Var3\n" + "\n".join(timed(noise(), 1000))), time_column=0)
    assert stream.rate == 1000.0
    text = "Time,Zyg_left\n" + "\n".join(
        f"00:00:{i / 1000:09.6f},{v:.5g}" for i, v in enumerate(noise()[:, 0])
    )
    assert only(write(text)).rate == pytest.approx(1000.0)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_german_spreadsheet(write, encoding, newline):
    values = noise(600, 2, scale=2000.0)
    body = []
    for i, (a, b) in enumerate(values):
        cells = [f"{x:,.2f}".translate(str.maketrans(",.", ".,")) for x in (i * 0.5, a, b)]
        body.append(";".join(cells))
    head = ["Messung: Gesichtsmuskeln;;", "Abtastrate: 2000 Hz;;", ""]
    head += ["Zeit;Zygomaticus links;Augenbraue (Kälte)", "ms;µV;µV"]
    text = newline.join([*head, *body, ";;", ""])
    stream = only(write(text, encoding=encoding))
    assert stream.rate == 2000.0
    assert [c.name for c in stream.channels] == ["Zygomaticus links", "Augenbraue (Kälte)"]
    np.testing.assert_allclose(stream.samples[:600], values, atol=6e-3)


@pytest.mark.parametrize("scale", [5.0, 5e6])
def test_three_decimals_are_no_thousands_and_thousands_are_no_decimals(write, scale):
    values = np.abs(noise(scale=scale)) + scale
    cells = [f"{a:,.3f};{b:,.3f}".translate(str.maketrans(",.", ".,")) for a, b in values]
    stream = only(write("Zyg li;Corr li\n" + "\n".join(cells)), rate=1000, units=["uV", "uV"])
    np.testing.assert_allclose(stream.samples, values, rtol=1e-3)


@pytest.mark.parametrize("size", [1, 3, 101, 5000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_cut_of_the_file_into_blocks(write, monkeypatch, size, encoding, newline):
    values = noise(50)
    text = newline.join(["Time,Größe li,Corr li", *timed(values, 1000), ""])
    monkeypatch.setattr(rows, "_READ_BYTES", size)
    monkeypatch.setattr(rows, "_PARSE_BYTES", 64)
    stream = only(write(text, encoding=encoding))
    np.testing.assert_allclose(stream.samples, values, atol=1e-4)


def test_names_on_two_rows(write):
    head = "Time,Zygomaticus,,Corrugator,\ns,left,right,left,right\n"
    stream = only(write(head + "\n".join(timed(noise(400, 4), 1000))))
    assert [c.muscle for c in stream.channels] == [
        "zygomaticus_l", "zygomaticus_r", "corrugator_supercilii_l", "corrugator_supercilii_r",
    ]  # fmt: skip


# --- rates and clocks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "rate"),
    [
        ("Sampling interval 0.5 ms", 2000.0),
        ("Abtastintervall: 0,5 ms", 2000.0),
        ("Sampling Rate (Hz): 1024", 1024.0),
        ("Sample rate,1500", 1500.0),
        ("fs = 500 Hz", 500.0),
        ("Abtastfrequenz;4 kHz", 4000.0),
        ("dt = 0.001 s", 1000.0),
    ],
)
def test_rates_and_intervals_above_the_table(write, line, rate):
    sep = ";" if ";" in line else ","
    text = line + "\n" + sep.join(["Zyg li", "Corr li"]) + "\n" + "\n".join(lines(noise(), sep))
    assert only(write(text)).rate == pytest.approx(rate)


def test_time_column_is_believed_rather_than_the_header(write):
    path = write("Sampling rate: 2000 Hz\nTime (s),Zyg li\n" + "\n".join(timed(noise(400, 1), 1000)))
    recording = open_recording(path)
    assert recording.streams[0].rate == 1000.0
    assert any("2000" in n and "1000" in n for n in recording.notes)


STAMPS = {
    "ISO": lambda t: f"2024-03-31T23:59:{58 + t:09.6f}" if t < 2 else f"2024-04-01T00:00:{t - 2:09.6f}",
    "German": lambda t: f"31.03.2024 23:59:{58 + t:09.6f}" if t < 2 else f"01.04.2024 00:00:{t - 2:09.6f}",
    "comma": lambda t: f"10:15:{30 + t:09.6f}".replace(".", ","),
    "midnight": lambda t: f"23:59:{58 + t:09.6f}" if t < 2 else f"00:00:{t - 2:09.6f}",
    "month": lambda t: f"31-Mar-2024 10:15:{30 + t:09.6f}",
    "noon": lambda t: f"11:59:{58 + t:09.6f} AM" if t < 2 else f"12:00:{t - 2:09.6f} PM",
    "zone": lambda t: f"2024-03-31T10:15:{30 + t:09.6f}Z",
    "epoch": lambda t: f"{1.7e9 + t:.6f}",
    "epoch ms": lambda t: f"{1.7e12 + t * 1000:.3f}",
    "epoch us": lambda t: f"{1.7e15 + t * 1e6:.0f}",
    "epoch ns": lambda t: f"{1_700_000_000_000_000_000 + round(t * 1e9)}",
    "days": lambda t: f"{45_000 + t / 86400:.11f}",
}


@pytest.mark.parametrize("stamp", STAMPS)
def test_stamps_of_a_clock_begin_at_zero(write, stamp):
    values = noise(1000, 1)
    body = [f"{STAMPS[stamp](i / 250)};{v:.4f}" for i, (v,) in enumerate(values)]
    stream = only(write("Timestamp;Zyg li\n" + "\n".join(body)))
    assert stream.rate == pytest.approx(250.0, rel=1e-3)
    assert stream.start == 0.0
    assert len(stream.samples) == pytest.approx(1000, abs=1)
    np.testing.assert_allclose(stream.samples[:500, 0], values[:500, 0], atol=0.05)


def test_times_of_few_digits_keep_the_rows_as_they_are(write):
    values = noise(12_000, 1)
    body = [f"{'%.4g' % (i / 1000)},{v:.4f}" for i, (v,) in enumerate(values)]  # steps of 10 ms from 10 s on
    stream = only(write("Time (s),Zyg li\n" + "\n".join(body)))
    assert stream.rate == pytest.approx(1000.0, rel=1e-3)
    np.testing.assert_allclose(stream.samples, values, atol=1e-4)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("min", 1 / 60)])
def test_units_of_time(write, unit, factor):
    body = [f"{i / 500 * factor:.9f},{v:.4f}" for i, (v,) in enumerate(noise(400, 1))]
    assert only(write(f"Zeit [{unit}],Zyg li\n" + "\n".join(body))).rate == pytest.approx(500.0)


# --- what stands between and below the rows -------------------------------------------------------


def test_footers_comments_and_repeated_headers_are_left_out(write):
    values = noise()
    body = timed(values, 1000)
    head = ["Session of Monday", "Time,Zyg li,Corr li"]
    body[200:200] = ["# paused and went on", *head, ""]
    path = write("\n".join([*head, *body, "End of data", "Samples: 400", ""]))
    recording = open_recording(path)
    np.testing.assert_allclose(recording.streams[0].samples, values, atol=1e-4)
    assert any("3 lines between" in n for n in recording.notes)
    assert any("last 2 lines" in n for n in recording.notes)


@pytest.mark.parametrize("ending", ["0.4,1.5", "0.4,1.5,", "0.4", "0.4,1.5,-"])
def test_last_line_that_was_cut_off(write, ending):
    values = noise()
    recording = open_recording(write("\n".join(["Time,Zyg li,Corr li", *timed(values, 1000), ending])))
    assert len(recording.streams[0].samples) in (400, 401)
    np.testing.assert_allclose(recording.streams[0].samples[:400], values, atol=1e-4)


def test_prose_below_the_rows_that_does_not_end_is_no_footer(write):
    text = "\n".join(["Time,Zyg li,Corr li", *timed(noise(), 1000), *["and so on"] * 200])
    assert "Line 402" in said(write(text))


@pytest.mark.parametrize("far", [10, 390])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_the_line_of_a_mistake_is_counted_in_the_file(write, monkeypatch, far, size):
    monkeypatch.setattr(rows, "_READ_BYTES", size)
    body = timed(noise(), 1000)
    body[5:5] = ["", "# note", "   "]
    body[far] += ",7,8"
    assert f"Line {far + 3} " in said(write("\r\n".join(["title", "Time,Zyg li,Corr li", *body])))


def test_quoted_cell_that_is_never_closed(write):
    body = timed(noise(), 1000)
    body[100] = '0.1,"5.0,3.0'
    assert "line 102" in said(write("\n".join(["Time,Zyg li,Corr li", *body])))


# --- numbers --------------------------------------------------------------------------------------

number = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(lambda x: f"{x:.6f}"),
    st.floats(-1e3, 1e3).map(lambda x: f"{x:.18e}"),
    st.floats(-10, 10).map(lambda x: f"{x:.25f}"),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda x: f"{x:+.9g}"),
    st.integers(-(10**25), 10**25).map(str),
    st.from_regex(r"[+-]?[0-9]{0,3}\.[0-9]{1,20}([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{1,20}\.?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(number, min_size=1, max_size=40), st.sampled_from([",", "\t", ";"]), st.sampled_from(".,"))
@example(["1.00000005960464477540"], ";", ".")  # just above the middle of two float32s
@example(["16777217", "9007199254740993", "-0", ".5", "5.", "+7", "1e5", "12345678.12345678"], ";", ".")
def test_every_number_is_the_nearest_float32_of_its_float64(cells, separator, decimal):
    if separator == decimal:
        decimal = "."
    block = separator.join(c.replace(".", decimal) for c in cells) + "\n"
    found = find_cells(block.encode(), separator, decimal)
    values, wrong = parse_cells(found)
    exact = np.array([float(c) for c in cells])
    assert len(values) == len(cells)
    with np.errstate(over="ignore"):
        right = exact.astype(np.float32) == values.astype(np.float32)
    assert np.all(right | wrong)
    plain = [i for i, c in enumerate(cells) if len(c) <= 15 and "e" not in c.lower()]
    assert not wrong[plain].any()
    np.testing.assert_array_equal(values[plain], exact[plain])


def test_numbers_beside_the_middle_of_two_float32s():
    rng = np.random.default_rng(0)
    low = rng.normal(size=4000).astype(np.float32) * np.float32(10.0) ** rng.integers(-3, 4, 4000).astype(
        np.float32
    )
    middle = (low.astype(np.float64) + np.nextafter(low, np.float32(np.inf)).astype(np.float64)) / 2
    exact = np.concatenate([middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)])
    cells = [np.format_float_positional(v, unique=True) for v in exact]
    values, wrong = parse_cells(find_cells((";".join(cells) + "\n").encode(), ";", "."))
    same = values.astype(np.float32) == exact.astype(np.float32)
    assert np.all(same | wrong)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="0123456789.-+eEaN \"'", max_size=12), min_size=1, max_size=20))
def test_what_is_no_number_is_never_read_as_one(cells):
    cells = [c.replace('"', "").strip() for c in cells]
    found = find_cells((";".join(cells) + "\n").encode(), ";", ".")
    values, wrong = parse_cells(found)
    if len(values) == 0:  # a blank line
        assert cells == [""]
        return
    for cell, value, left in zip(cells, values, wrong, strict=True):
        try:
            exact = float(cell) if "_" not in cell else None
        except ValueError:
            exact = None
        with np.errstate(over="ignore"):
            same = left or cell == "" or np.float32(value) == np.float32(exact)
        assert same and (cell or np.isnan(value)), cell


# --- hostile files --------------------------------------------------------------------------------


def test_tables_that_would_not_fit_into_memory_are_refused_early(write, monkeypatch):
    path = write("\n".join(["Time,Zyg li,Corr li", *timed(noise(120_000), 1000)]))
    monkeypatch.setattr(rows, "MOST_BYTES", 1_500_000)
    assert "memory" in said(path)
    with pytest.raises(EiferError, match="memory"):
        inspect_recording(path)


def test_memory_is_that_of_the_numbers(write):
    values = noise(60_000, 8)
    path = write("\n".join([",".join(f"Zyg{i}" for i in range(8)), *lines(values)]))
    open_recording(path, rate=1000)
    tracemalloc.start()
    try:
        stream = only(path, rate=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The head, a block with its cells, and an excerpt to guess from; all of them do not grow.
    assert peak < stream.samples.nbytes * 1.2 + 60e6


NUMBERS = "\n".join(["Time,Zyg li,Corr li", *timed(noise(), 1000)])


@pytest.mark.parametrize(
    "content",
    [
        b"1," * 8_000_000,
        b"time,Zyg li\n0,1\n1,2\n" + b"7" * 8_000_000,
        b"time,Zyg li\n0,1\n1,2\n2," + b"7" * 8_000_000 + b"\n",
        ",".join(map(str, range(100_000))).encode() + b"\n",
        NUMBERS.encode()[:3000] + b"\x00" * 5000,
        NUMBERS.encode()[:9000].replace(b"1", b"\x00"),
        b'"' * 2_000_000,
        (NUMBERS + '\n0.4,"' + "x" * 3_000_000).encode(),
        b"time,Zyg li\n" + b'"' * 40_001 + b"\n0,1\n",
        (";" * 5000 + "\n").encode() * 300,
        b"\n" * 3_000_000,
        b"a\xff" * 500_000,
        np.random.default_rng(0).bytes(300_000),
        ("é" * 400_000).encode("utf-16"),
        b"# {" + b'{"a":' * 50_000 + b"\n0\t1\n0\t1\n",
        b"# OpenSignals\n# " + b'{"a":' * 15_000 + b"\n0\t1\n0\t2\n",
    ],
    ids=lambda c: repr(c[:16]),
)
def test_hostile_files_are_refused_or_read(write, content):
    opens_or_refuses(write(content))


def test_digits_without_end_are_no_reason_to_wait(write):
    long = "1" * 100_000
    text = "\n".join(["Zyg li,Corr li", *lines(noise()), f"{long},0.{long}"])
    stream = only(write(text), rate=1000)
    assert np.isnan(stream.samples[-1, 0]) and stream.samples[-1, 1] == pytest.approx(1 / 9)


def opens_or_refuses(path):
    """Either a consistent recording or one sentence; anything else is a bug."""
    for look in (inspect_recording, open_recording):
        try:
            result = look(path)
        except EiferError as error:
            assert re.fullmatch(r"[^\n]+\.", str(error)), str(error)
            assert len(str(error)) < 500
            continue
        for stream in result.streams if look is open_recording else ():
            assert stream.samples.dtype == np.float32
            assert stream.samples.shape[1] == len(stream.channels)
            assert not np.isinf(stream.samples).any()


def sources():
    """Real files, and tables of the layouts above, to be damaged."""
    files = [(DATA / n).read_bytes()[:20_000] for n in sorted(os.listdir(DATA)) if n.endswith(("txt", "csv"))]
    if REAL:
        files += [
            p.read_bytes()[:30_000] for p in sorted(Path(REAL).glob("*.*")) if p.suffix in (".csv", ".txt")
        ]
    text = delsys_discover()[0]
    return [*files, text.encode(), NUMBERS.encode(), NUMBERS.replace(",", ";").encode("utf-16")]


SOURCES = sources()
patch = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [b"\n", b"\r", b'"', b",", b";", b"\t", b"nan", b"1e999", b"\x00", b"\xff", b"#", b"--", b" "]
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(SOURCES) - 1),
    st.lists(st.tuples(st.floats(0, 1), patch, st.booleans()), max_size=8),
    st.floats(0.01, 1),
)
def test_damaged_files(write, source, damage, keep):
    content = bytearray(SOURCES[source])
    content = content[: max(1, int(len(content) * keep))]
    for where, what, insert in damage:
        at = int(where * len(content))
        content[at : at if insert else at + len(what)] = what
    opens_or_refuses(write(bytes(content)))


def test_a_look_reads_the_beginning_only(write):
    path = write("\n".join(["Time,Zyg li,Corr li", *timed(noise(200_000), 1000)]))
    view = inspect_recording(path)
    assert not view.streams[0].rows_exact
    assert view.streams[0].rows == pytest.approx(200_000, rel=0.03)
    with path.open("ab") as file:
        file.truncate(1 << 30)  # a hole of zero bytes that nobody has to read
    assert inspect_recording(path).streams[0].rate == 1000.0
