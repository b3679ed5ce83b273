"""EDF, EDF+, BDF and BDF+ are read exactly, in blocks of any size, or refused in one sentence."""

import dataclasses
import os
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import said

from eifer_blender.errors import EiferError
from eifer_blender.recordings import (
    Annotation,
    BlockSamples,
    Channel,
    Kind,
    Recording,
    Stream,
    inspect_recording,
    open_recording,
    write_edf,
)

fuzzing = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def signal(label, stored, unit="uV", low=-3276.8, high=3276.7, stored_range=(-32768, 32767)):
    """One signal as it stands in a file: `stored` int [n]."""
    return label, unit, low, high, *stored_range, np.asarray(stored)


def texts(*records, width=60, label="EDF Annotations"):
    """An annotation signal: bytes of each record, `width` samples of it."""
    return label, "", -1, 1, -32768, 32767, (records, width)


def edf_file(signals, records, *, bdf=False, seconds=1, reserved="", **stated):
    """The bytes of a file, written from the specification. `stated` replaces fields of the header."""
    count, size = len(signals), 3 if bdf else 2
    per_record = [s[6][1] if isinstance(s[6], tuple) else len(s[6]) // records for s in signals]

    def field(value, width):
        return str(value).encode("latin-1").ljust(width)[:width]

    head = b"\xffBIOSEMI" if bdf else field("0", 8)
    head += field(stated.get("patient", "X X X X"), 80) + field("Startdate X X X X", 80)
    head += field("01.01.01", 8) + field("00.00.00", 8) + field(256 * (count + 1), 8) + field(reserved, 44)
    head += field(stated.get("announced", records), 8) + field(seconds, 8) + field(count, 4)
    columns = [(16, 0), (80, None), (8, 1), (8, 2), (8, 3), (8, 4), (8, 5), (80, None)]
    for width, at in columns:
        head += b"".join(field("" if at is None else s[at], width) for s in signals)
    head += b"".join(field(n, 8) for n in stated.get("per_record", per_record)) + b" " * 32 * count
    body = bytearray()
    for r in range(records):
        for s, n in zip(signals, per_record, strict=True):
            if isinstance(s[6], tuple):
                body += s[6][0][r].ljust(n * size, b"\x00")
            else:
                part = s[6][r * n : (r + 1) * n].astype("<i4")
                body += part.view(np.uint8).reshape(-1, 4)[:, :size].tobytes()
    return bytes(head + body)


def values(one):
    """Physical values of a signal by the formula of the specification, float32."""
    _, _, low, high, stored_low, stored_high, stored = one
    exact = (stored.astype(np.float64) - stored_low) * ((high - low) / (stored_high - stored_low)) + low
    return exact


def noise(n, seed=0, largest=32767):
    return np.random.default_rng(seed).integers(-largest, largest + 1, n)


@pytest.fixture
def write(tmp_path):
    def _write(content, name="a.edf"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return _write


def mixed(records=12, per_record=(40, 40, 8, 40), bdf=False, **options):
    """Signals of two rates with annotations between them."""
    largest = 2**23 - 1 if bdf else 32767
    span = (-(2**23), 2**23 - 1) if bdf else (-32768, 32767)
    made = [
        signal(f"EMG {k}", noise(n * records, k, largest), "uV", -100 - k, 120 + 7 * k, span)
        for k, n in enumerate(per_record)
    ]
    label = "BDF Annotations" if bdf else "EDF Annotations"
    marks = texts(*(b"+%d\x14\x14\x00" % r for r in range(records)), width=21, label=label)
    listed = [made[0], made[1], marks, *made[2:]]
    return made, edf_file(listed, records, bdf=bdf, reserved="BDF+C" if bdf else "EDF+C", **options)


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bdf", [False, True])
def test_values_are_exact_beside_other_rates_and_annotations(write, bdf):
    signals, content = mixed(bdf=bdf)
    recording = open_recording(write(content), units=["uV"] * 4, kinds=["raw"] * 4)
    fast, slow = recording.streams
    assert (fast.rate, slow.rate) == (40.0, 8.0)
    assert [c.name for c in fast.channels] == ["EMG 0", "EMG 1", "EMG 3"]
    assert isinstance(fast.samples, BlockSamples)
    for k, one in enumerate((signals[0], signals[1], signals[3])):
        np.testing.assert_array_equal(np.asarray(fast.samples)[:, k], values(one).astype(np.float32))
    np.testing.assert_array_equal(slow.samples[:, 0], values(signals[2]).astype(np.float32))


def test_24_bits_on_a_large_offset_lose_nothing_that_float32_holds(write):
    # A DC amplifier: 5 mV of electrode offset, steps of 0.03 uV.
    stored = 160_000 + noise(2000, 3, 900)
    one = signal("EMG Zyg li", stored, "uV", -262144, 262143.9, (-8388608, 8388607))
    (stream,) = open_recording(write(edf_file([one], 4, bdf=True)), kinds=["raw"]).streams
    np.testing.assert_array_equal(stream.samples[:, 0], values(one).astype(np.float32))
    assert len(np.unique(np.asarray(stream.samples))) == len(np.unique(stored))


@pytest.mark.parametrize(
    ("low", "high", "stored"),
    [(100, -100, (-32768, 32767)), (-100, 100, (32767, -32768)), (-900, -100, (-2048, 2047))],
)
def test_turned_polarity_and_odd_ranges(write, low, high, stored):
    one = signal("EMG Zyg li", noise(400, 1, 2047), "uV", low, high, stored)
    (stream,) = open_recording(write(edf_file([one], 4)), kinds=["raw"], units=["uV"]).streams
    np.testing.assert_array_equal(stream.samples[:, 0], values(one).astype(np.float32))


def test_units_and_names_beyond_ascii_and_twice_the_same_name(write):
    signals = [signal("EMG Zyg rechts", noise(2000, k, 900), "µV", -327.68, 327.67) for k in range(2)]
    signals.append(signal("Wärme", noise(2000, 3, 900), "°C"))
    (stream,) = open_recording(write(edf_file(signals, 2))).streams
    assert [c.name for c in stream.channels] == ["EMG Zyg rechts", "EMG Zyg rechts", "Wärme"]
    assert [c.unit for c in stream.channels] == ["uV", "uV", "°C"]
    assert sum(c.muscle is not None for c in stream.channels) == 1


@pytest.mark.parametrize("seconds", ["0.1", "0.015625", "2.5"])
def test_records_of_fractional_seconds(write, seconds):
    one = signal("EMG Zyg li", noise(1000))
    (stream,) = open_recording(write(edf_file([one], 10, seconds=seconds))).streams
    assert stream.rate == pytest.approx(100 / float(seconds))
    assert len(stream.samples) == 1000


def test_signal_of_impossible_values_is_left_out(write):
    signals = [
        signal("huge", noise(100), "uV", "-1e300", "1e300"),
        signal("EMG Zyg li", noise(100)),
    ]
    recording = open_recording(write(edf_file(signals, 1)))
    assert [c.name for c in recording.streams[0].channels] == ["EMG Zyg li"]
    assert any("huge" in n for n in recording.notes)


# --- blocks ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(samples, all their values) of files whose records are short, long, single and interrupted."""
    folder = tmp_path_factory.mktemp("edf")
    contents = {
        "short": mixed(300, (3, 3, 1, 3))[1],
        "wide": edf_file([signal(f"EMG {k}", noise(3 * 9000, k)) for k in range(6)], 3),
        "bdf": mixed(5, (3000, 3000, 500, 3000), bdf=True)[1],
        "single": edf_file([signal(f"EMG {k}", noise(5000, k)) for k in range(3)], 1, seconds=5),
        "pauses": interrupted([0, 1, 2, 4.5, 5.5, 9, 10])[1],
    }
    found = []
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        for stream in open_recording(folder / name).streams:
            found.append((stream.samples, np.asarray(stream.samples)))
    return found


def interrupted(onsets, per_record=50, reserved="EDF+D", extra=b""):
    """A file whose records begin at `onsets`."""
    one = signal("EMG Zyg li", noise(per_record * len(onsets)))
    begins = [b"+" + str(t).encode() + b"\x14\x14\x00" for t in onsets]
    begins[-1] += extra
    return one, edf_file([one, texts(*begins)], len(onsets), reserved=reserved)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_blocks_with_any_borders_equal_the_whole(files, data):
    samples, whole = data.draw(st.sampled_from(files))
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    columns = data.draw(st.lists(st.integers(0, whole.shape[1] - 1), min_size=1, max_size=8))
    np.testing.assert_array_equal(samples.read(start, stop, columns), whole[start:stop, columns])


def test_memory_of_blocks_does_not_grow_with_the_file(write):
    one = signal("EMG Zyg li", noise(2_000_000))
    path = write(edf_file([one, renamed(one)], 100))
    del one
    tracemalloc.start()
    try:
        (stream,) = open_recording(path).streams
        total = sum(float(b.sum()) for b in iter_blocks(stream.samples, 10_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(total)
    assert peak < 6e6 < stream.samples.rows * 2 * 4 / 2


def renamed(one):
    return ("EMG Corr re", *one[1:])


def iter_blocks(samples, size):
    for start in range(0, len(samples), size):
        yield samples.read(start, start + size)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda p: os.truncate(p, p.stat().st_size - 5000), "changed"),
        (lambda p: p.write_bytes(p.read_bytes() + b"more"), "changed"),
        (lambda p: p.unlink(), "no longer there"),
    ],
)
def test_file_that_changes_after_opening(write, change, part):
    path = write(edf_file([signal("EMG Zyg li", noise(20_000))], 10))
    (stream,) = open_recording(path).streams
    change(path)
    with pytest.raises(EiferError, match=part) as error:
        stream.samples.read(0, 100)
    assert re.fullmatch(r"[^\n]+\.", str(error.value))


def test_file_that_shrinks_unseen_while_it_is_read(write):
    path = write(edf_file([signal("EMG Zyg li", noise(20_000))], 10))
    (stream,) = open_recording(path).streams
    status = path.stat()
    kept = path.read_bytes()[:-5000]
    path.write_bytes(kept + bytes(5000))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    stream.samples.read(0, 20_000)  # same size, same time: nobody can tell
    os.truncate(path, 1000)
    with pytest.raises(EiferError):
        stream.samples.read(0, 20_000)


def test_drive_that_fails_while_reading(write, monkeypatch):
    path = write(edf_file([signal("EMG Zyg li", noise(20_000))], 10))
    (stream,) = open_recording(path).streams

    def fail(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(type(path), "open", fail)
    with pytest.raises(EiferError, match="Input/output error"):
        stream.samples.read(0, 100)


# --- pauses, annotations --------------------------------------------------------------------------


def test_discontinuous_records_stand_at_their_times(write):
    mark = b"+4.75\x15" + b"0.5\x14smile\x14\x00"
    one, content = interrupted([0.5, 1.5, 4.5, 5.5], extra=mark)
    recording = open_recording(write(content), kinds=["raw"], units=["uV"])
    (stream,) = recording.streams
    found, exact = np.asarray(stream.samples)[:, 0], values(one).astype(np.float32)
    assert stream.samples.rows == 300
    np.testing.assert_array_equal(found[:100], exact[:100])
    assert np.isnan(found[100:200]).all()
    np.testing.assert_array_equal(found[200:], exact[100:])
    assert recording.annotations == (Annotation(4.25, 0.5, "smile"),)
    assert any("pauses once" in n for n in recording.notes)
    assert inspect_recording(write(content)).streams[0].seconds == 6.0


def test_times_that_are_only_rounded_make_no_pause(write):
    onsets = [f"{k / 3:.3f}" for k in range(9)]
    one = signal("EMG Zyg li", noise(9 * 100))
    begins = [f"+{t}\x14\x14\x00".encode() for t in onsets]
    content = edf_file([one, texts(*begins)], 9, seconds="0.333333", reserved="EDF+D")
    recording = open_recording(write(content))
    assert recording.streams[0].samples.rows == 900
    assert not any("pause" in n for n in recording.notes)


@pytest.mark.parametrize(
    ("onsets", "part"),
    [
        ([0, 1, 90_000], "far longer"),
        ([0, 1, 1.5], "overlap"),
        ([5, 1, 9], "overlap"),
    ],
)
def test_discontinuous_times_that_cannot_be_used(write, onsets, part):
    assert part in said(write(interrupted(onsets)[1]))


def test_discontinuous_file_without_times(write):
    _, content = interrupted([0, 1, 2])
    assert "no time" in said(write(content.replace(b"+1\x14\x14", b"\x00" * 4)))


def test_pauses_of_a_file_that_calls_itself_continuous_are_told(write):
    recording = open_recording(write(interrupted([0, 1, 7, 8], reserved="EDF+C")[1]))
    assert recording.streams[0].samples.rows == 200
    assert any("uneven" in n for n in recording.notes)


def test_annotations_count_from_the_first_sample(write):
    # The file's start time has whole seconds; the first record says how much later it begins.
    record = b"+0.25\x14\x14\x00+0.75\x1520\x14blink\x14smile\x14\x00-2\x14before\x14\x00"
    content = edf_file([signal("EMG Zyg li", noise(50)), texts(record)], 1, reserved="EDF+C")
    assert open_recording(write(content)).annotations == (
        Annotation(-2.25, 0.0, "before"),
        Annotation(0.5, 20.0, "blink"),
        Annotation(0.5, 20.0, "smile"),
    )


def test_annotations_in_other_encodings_and_several_signals(write):
    first = texts(b"+0\x14\x14\x00+0.1\x14L\xc3\xa4cheln\x14\x00", width=40)
    second = texts("+0.2\x14Schürzen\n rechts\x14\x00".encode("cp1252"), width=40)
    content = edf_file([first, signal("EMG Zyg li", noise(50)), second], 1, reserved="EDF+C")
    found = [a.text for a in open_recording(write(content)).annotations]
    assert found == ["Lächeln", "Schürzen rechts"]


def test_damaged_annotations_are_told_and_the_others_kept(write):
    record = b"+0\x14\x14\x00nonsense\x14\x00+0.5\x14good\x14\x00+1e5\x14bad\x14\x00+0.6\x14open"
    content = edf_file([signal("EMG Zyg li", noise(50)), texts(record)], 1, reserved="EDF+C")
    recording = open_recording(write(content))
    assert [a.text for a in recording.annotations] == ["good"]
    assert any("3 annotations" in n for n in recording.notes)


def test_annotation_signal_full_of_rubbish_does_not_hang(write):
    rubbish = b"+1\x14" * 300_000
    content = edf_file(
        [signal("EMG Zyg li", noise(50)), texts(rubbish, width=len(rubbish) // 2)], 1, reserved="EDF+C"
    )
    assert len(open_recording(write(content)).annotations) <= 100_000


def test_many_annotations_are_limited(write):
    record = b"+0\x14\x14\x00" + b"".join(b"+0.%d\x14a\x14\x00" % k for k in range(100_500))
    content = edf_file(
        [signal("EMG Zyg li", noise(50)), texts(record, width=len(record) // 2 + 1)], 1, reserved="EDF+C"
    )
    recording = open_recording(write(content))
    assert len(recording.annotations) == 100_000
    assert any("more than 100000" in n for n in recording.notes)


def test_look_gives_the_same_as_opening(write):
    _, content = mixed()
    path = write(content)
    view, recording = inspect_recording(path), open_recording(path)
    assert [(s.rows, s.rate, s.channels, s.rows_exact) for s in view.streams] == [
        (len(s.samples), s.rate, s.channels, True) for s in recording.streams
    ]
    assert view.notes == recording.notes


# --- files that lie -------------------------------------------------------------------------------


def test_incomplete_last_record(write):
    one = signal("EMG Zyg li", noise(500))
    cut = edf_file([one], 5)[:-30]
    assert "cut off" in said(write(cut))
    unknown = edf_file([one], 5, announced=-1)[:-30]
    recording = open_recording(write(unknown))
    assert len(recording.streams[0].samples) == 400
    assert any("incomplete" in n for n in recording.notes)


@pytest.mark.parametrize(
    "stated", [{"announced": 99_999_999}, {"per_record": [99_999_999] * 2}, {"announced": -7}]
)
def test_headers_that_announce_the_impossible_cost_no_memory(write, stated):
    path = write(edf_file([signal("EMG Zyg li", noise(100)), signal("b", noise(100))], 2, **stated))
    said(path)
    tracemalloc.start()
    try:
        said(path)
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()


def test_patient_goes_nowhere(write):
    _, content = interrupted([0, 1, 2])
    path = write(content[:8] + b"0815 F 02-MAY-1951 Mustermann_Erika".ljust(80) + content[88:])
    recording = open_recording(path)
    assert "Mustermann" not in repr(recording) and "Mustermann" not in repr(inspect_recording(path))
    assert "Mustermann" not in repr(dataclasses.asdict(recording))


@fuzzing
@given(
    st.sampled_from(["C", "D", "BDF"]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=10)), max_size=6),
    st.floats(0.1, 1.0),
)
def test_damaged_files_open_or_are_refused(write, kind, damage, keep):
    if kind == "BDF":
        content = bytearray(mixed(bdf=True)[1])
    else:
        content = bytearray(interrupted([0, 1, 2.5, 4], reserved=f"EDF+{kind}")[1])
    content = content[: int(len(content) * keep)]
    for where, patch in damage:
        at = int(where * min(len(content), 256 * 3)) if where < 0.7 else int(where * len(content))
        content[at : at + len(patch)] = patch
    try:
        recording = open_recording(write(bytes(content)))
        for stream in recording.streams:
            block = stream.samples.read(0, 200)
            assert block.dtype == np.float32 and not np.isinf(block).any()
    except EiferError as error:
        assert re.fullmatch(r"[^\n]+\.", str(error)), str(error)


# --- writing --------------------------------------------------------------------------------------


def test_recording_on_the_disk_is_written_in_bounded_memory(write, tmp_path):
    signals = [signal(f"EMG {k}", noise(1_000_000, k), "uV", -100, 100) for k in range(2)]
    recording = open_recording(write(edf_file(signals, 100)), kinds=["raw"] * 2)
    write_edf(tmp_path / "small.edf", Recording(recording.streams))  # what is imported first is not counted
    tracemalloc.start()
    try:
        path = write_edf(tmp_path / "b.edf", recording)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
    again = open_recording(path, kinds=["raw"] * 2)
    np.testing.assert_allclose(
        np.asarray(again.streams[0].samples), np.asarray(recording.streams[0].samples), atol=200 / 65535
    )


def test_missing_samples_become_zero_and_annotations_in_one_place_find_room(tmp_path):
    x = np.linspace(-50, 50, 30_000, dtype=np.float32)[:, None].copy()
    x[100:200] = np.nan
    marks = tuple(Annotation(round(1.0 + k * 1e-4, 6), 0.0, f"mark {k}") for k in range(2000))
    stream = Stream((Channel("EMG Zyg li", "uV", Kind.RAW),), x, 1000.0)
    path = write_edf(tmp_path / "a.edf", Recording((stream,), marks))
    again = open_recording(path)
    assert again.annotations == marks
    np.testing.assert_allclose(again.streams[0].samples[:, 0], np.nan_to_num(x[:, 0]), atol=0.01)
    assert path.stat().st_size < 400_000


@pytest.mark.parametrize("seconds", ["0.0001", "0.00051"])
def test_rates_that_no_amplifier_has_make_no_endless_pauses(write, seconds):
    """A record that is said to last no time at all would make hours of work of a pause."""
    one = signal("EMG Zyg li", noise(2000))
    begins = texts(*(b"+%d\x14\x14\x00" % t for t in (0, 1, 3, 300)))
    content = edf_file([one, begins], 4, reserved="EDF+D", seconds=seconds)
    assert re.search("which cannot be|far longer than its data", said(write(content)))
