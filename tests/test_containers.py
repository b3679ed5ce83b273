"""Matrices and tables out of scripts and recorders: NumPy, MATLAB, XDF, OTB+ open rightly or say why not."""

import io
import re
import struct
import sys
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import said

from eifer_blender.errors import EiferError
from eifer_blender.recordings import (
    Annotation,
    BlockSamples,
    Kind,
    inspect_recording,
    open_recording,
)

NAMES = ["Zyg links (µV)", "Corr re (µV)", "Größe"]
MUSCLES = ["zygomaticus_l", "corrugator_supercilii_r", None]


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and give its path."""

    def _write(content, name="file.bin"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return _write


def emg(n=5000, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, channels)) * 40


def muscles(recording):
    return [c.muscle for s in recording.streams for c in s.channels]


fuzzing = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
damages = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=12)), max_size=6)


def damaged(content, damage, keep, head=1024):
    """A file cut off, and with bytes replaced; half of the damage goes to its beginning."""
    content = bytearray(content[: max(1, int(len(content) * max(keep, 0.02)))])
    for where, patch in damage:
        at = int(where * len(content)) if where > 0.5 else int(2 * where * min(len(content), head))
        content[at : at + len(patch)] = patch
    return bytes(content)


def opens_or_refuses(path):
    """Either a consistent recording or one sentence; anything else is a bug."""
    try:
        view = inspect_recording(path)
        recording = open_recording(path, rate=1000 if "rate" in view.needs else None, names=None)
    except EiferError as error:
        assert re.fullmatch(r"[^\n]+\.", str(error)), str(error)
        return
    for stream in recording.streams:
        samples = np.asarray(stream.samples)
        assert samples.dtype == np.float32
        assert samples.shape[1] == len(stream.channels)
        assert not np.isinf(samples).any()
        assert np.isfinite(stream.start)
    assert all(np.isfinite([a.onset, a.duration]).all() for a in recording.annotations)


# --- NPY ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2", "<i2", ">i4", "u1"])
def test_npy_of_any_order_and_type_is_read_in_blocks(tmp_path, order, turned, dtype):
    values = (emg() + 100 * (dtype == "u1")).clip(0 if dtype == "u1" else -250, 250).astype(dtype)
    np.save(tmp_path / "a.npy", np.asarray(values.T if turned else values, order=order))
    (stream,) = open_recording(tmp_path / "a.npy", rate=2000, names=NAMES).streams
    assert isinstance(stream.samples, BlockSamples)
    assert (
        stream.rate == 2000 and muscles(open_recording(tmp_path / "a.npy", rate=2000, names=NAMES)) == MUSCLES
    )
    np.testing.assert_array_equal(np.asarray(stream.samples), values.astype(np.float32))
    np.testing.assert_array_equal(stream.samples[1234:1300, 1:], values[1234:1300, 1:].astype(np.float32))
    np.testing.assert_array_equal(
        stream.samples.read(10, 20, [2, 0]), values[10:20, [2, 0]].astype(np.float32)
    )


def test_npy_asks_for_what_it_does_not_say(tmp_path):
    np.save(tmp_path / "a.npy", emg())
    view = inspect_recording(tmp_path / "a.npy")
    assert view.needs == ("rate", "names")
    assert view.guesses["rate"] == 1000 and len(view.guesses["names"]) == 3
    assert view.streams[0].rows == 5000
    sentence = said(tmp_path / "a.npy")
    assert "rate" in sentence and "names" in sentence
    assert inspect_recording(tmp_path / "a.npy", rate=500, names=NAMES).needs == ()
    assert "4 names" in said(tmp_path / "a.npy", rate=500, names=["a", "b", "c", "d"])


def test_npy_with_a_time_column(tmp_path):
    values = emg(4000)
    np.save(tmp_path / "a.npy", np.column_stack([np.arange(4000) / 2048 + 3.5, values]))
    (stream,) = open_recording(tmp_path / "a.npy", names=NAMES).streams
    assert stream.rate == pytest.approx(2048) and stream.start == pytest.approx(3.5)
    assert isinstance(stream.samples, BlockSamples)
    np.testing.assert_array_equal(np.asarray(stream.samples), values.astype(np.float32))
    counted = open_recording(tmp_path / "a.npy", names=["time (s)", *NAMES])
    assert muscles(counted) == MUSCLES
    (whole,) = open_recording(tmp_path / "a.npy", time_column=False, rate=100, names=["x", *NAMES]).streams
    assert whole.samples.shape == (4000, 4)


def test_npy_with_gaps_in_time_keeps_the_gaps(tmp_path):
    time = np.delete(np.arange(3000), np.arange(1000, 1500)) / 1000
    np.save(tmp_path / "a.npy", np.column_stack([time, emg(2500)]))
    (stream,) = open_recording(tmp_path / "a.npy", names=NAMES).streams
    assert len(stream.samples) == 3000
    assert np.isnan(stream.samples[1001:1499]).all() and np.isfinite(stream.samples[1500:]).all()


def test_npy_with_gaps_that_needs_too_much_memory_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("eifer_blender.recordings.assemble.MOST_BYTES", 50_000)
    time = np.delete(np.arange(3000), np.arange(1000, 1500)) / 1000
    np.save(tmp_path / "a.npy", np.column_stack([time, emg(2500)]))
    assert "memory" in said(tmp_path / "a.npy", names=NAMES)


def test_npy_table_with_named_columns(tmp_path):
    table = np.zeros(3000, dtype=[("Zeit", "f8"), ("Zyg links (mV)", "f4"), ("Größe", "i2"), ("wer", "U8")])
    table["Zeit"], table["Zyg links (mV)"] = np.arange(3000) / 500, emg(3000)[:, 0] / 1000
    np.save(tmp_path / "a.npy", table)
    recording = open_recording(tmp_path / "a.npy")
    (stream,) = recording.streams
    assert stream.rate == 500 and [c.name for c in stream.channels] == ["Zyg links", "Größe"]
    np.testing.assert_allclose(stream.samples[:, 0], emg(3000)[:, 0], rtol=1e-5, atol=1e-4)
    assert any("wer" in note for note in recording.notes)


def test_npy_of_poses(tmp_path):
    np.save(tmp_path / "a.npy", np.abs(emg(6, 3)) + 1)
    (stream,) = open_recording(tmp_path / "a.npy", poses=True, names=NAMES).streams
    assert stream.rate is None and stream.labels[:2] == ("Pose 1", "Pose 2") and len(stream.labels) == 6


def test_npy_nan_and_impossible_numbers_are_missing(tmp_path):
    values = emg()
    values[10, 0], values[11, 1], values[12, 2] = np.nan, np.inf, 1e300
    np.save(tmp_path / "a.npy", values)
    samples = open_recording(tmp_path / "a.npy", rate=1000, names=NAMES).streams[0].samples
    assert np.isnan(samples[10:13]).sum() == 3 and not np.isinf(np.asarray(samples)).any()
    np.save(tmp_path / "b.npy", np.full((500, 2), np.nan))
    assert np.isnan(
        np.asarray(open_recording(tmp_path / "b.npy", rate=100, names=["Zyg li", "x"]).streams[0].samples)
    ).all()


def npy_bytes(array, **header):
    """An NPY file, with parts of its header replaced."""
    buffer = io.BytesIO()
    if not header:
        np.save(buffer, array)
        return buffer.getvalue()
    fields = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | header
    text = repr(fields).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + array.tobytes()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (lambda: npy_bytes(emg())[:-100], "cut off"),
        (lambda: npy_bytes(emg())[:40], "cut off"),
        (lambda: npy_bytes(emg())[:9], "damaged"),
        (lambda: npy_bytes(emg(), shape=(10**9, 10**6)), "cut off"),
        (lambda: npy_bytes(emg(), shape=(-5, 3)), "damaged"),
        (lambda: npy_bytes(emg(), shape="x"), "damaged"),
        (lambda: npy_bytes(emg(), descr="nonsense"), "damaged"),
        (lambda: npy_bytes(emg(), descr="V0"), "damaged"),
        (lambda: npy_bytes(emg(), descr="O"), "Python objects"),
        (lambda: npy_bytes(np.zeros((0, 3))), "no samples"),
        (lambda: npy_bytes(emg().astype(complex)), "complex"),
        (lambda: npy_bytes(np.array(["a", "b"])), "words"),
        (lambda: npy_bytes(np.zeros((50, 4, 6))), "dimensions"),
        (lambda: npy_bytes(np.zeros((9000, 5000), dtype=np.int8)), "5000 columns"),
        (lambda: b"\x93NUMPY\x02\x00" + struct.pack("<I", 4 * 10**9) + b"{" * 90_000, "announces"),
        (lambda: b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"(" * 60_000, "damaged"),
    ],
)
def test_npy_that_lies_is_refused(write, content, part):
    assert part in said(write(content(), "a.npy"), rate=1000)


def test_npy_that_changes_behind_our_back_is_noticed(tmp_path):
    np.save(tmp_path / "a.npy", emg())
    samples = open_recording(tmp_path / "a.npy", rate=1000, names=NAMES).streams[0].samples
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(50_000)
    with pytest.raises(EiferError, match="changed"):
        samples[4000:]
    (tmp_path / "a.npy").unlink()
    with pytest.raises(EiferError, match="no longer"):
        samples[:10]


@fuzzing
@given(damages, st.floats(0, 1), st.booleans())
def test_damaged_npy(write, damage, keep, table):
    array = emg(300)
    if table:
        array = np.rec.fromarrays(list(array.T), names="time,Zyg_li,x")
    opens_or_refuses(write(damaged(npy_bytes(array), damage, keep, 128), "a.npy"))


# --- NPZ ------------------------------------------------------------------------------------------


def npz_bytes(compressed=True, **arrays):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def npz_example(**more):
    marks = (np.arange(5000) // 1000 == 2) * 7
    labels = np.array(["Zyg links", "Corr re", "Größe"])
    return npz_bytes(**({"emg": emg(), "fs": 2000, "labels": labels, "unit": "uV", "trigger": marks} | more))


@pytest.mark.parametrize("turned", [False, True])
def test_npz_with_rate_names_unit_and_marks(write, turned):
    recording = open_recording(write(npz_example(emg=emg().T if turned else emg()), "a.npz"))
    assert recording.format == "NPZ"
    (stream,) = recording.streams
    assert stream.rate == 2000 and stream.name == "emg"
    assert muscles(recording) == MUSCLES
    assert recording.annotations == (Annotation(1.0, 0.5, "trigger 7"),)
    np.testing.assert_array_equal(stream.samples, emg().astype(np.float32))


def test_npz_is_known_by_content_and_is_no_excel_file(write):
    assert open_recording(write(npz_example(), "export.csv")).format == "NPZ"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/worksheets/sheet1.xml", "<x/>")
    assert "Excel" in said(write(buffer.getvalue(), "a.npz"))


def test_npz_with_a_vector_for_each_channel_and_a_time_vector(write):
    x = emg()
    time = 2.0 + np.arange(5000) / 1500
    recording = open_recording(write(npz_bytes(zyg_l=x[:, 0], corr_r=x[:, 1], t=time), "a.npz"))
    (stream,) = recording.streams
    assert stream.rate == pytest.approx(1500) and stream.start == pytest.approx(2.0)
    assert muscles(recording) == ["zygomaticus_l", "corrugator_supercilii_r"]
    np.testing.assert_allclose(stream.samples, x[:, :2], rtol=1e-6)


def test_npz_with_two_candidates_asks_which_is_meant(write):
    labels = np.array(["Zyg li", "Corr re", "x"])
    path = write(npz_bytes(roh=emg(), gefiltert=emg() / 2, fs=1000, labels=labels), "a.npz")
    view = inspect_recording(path)
    assert view.needs == ("streams",)
    assert view.guesses["streams"] == ("roh",)
    assert "streams" in said(path)
    recording = open_recording(path, streams=["gefiltert"])
    assert [s.name for s in recording.streams] == ["gefiltert"]
    assert muscles(recording)[0] == "zygomaticus_l"
    assert "no stream" in said(path, streams=["nobody"])


def test_npz_muscle_signal_is_told_from_others_by_its_name(write):
    path = write(npz_bytes(emg=emg(), glove=emg(5000, 9), fs=1000), "a.npz")
    view = inspect_recording(path)
    assert view.needs == ("names",)
    recording = open_recording(path, streams=["emg"], names=NAMES)
    assert muscles(recording) == MUSCLES


def test_npz_statements_count_for_the_chosen_stream(write):
    path = write(npz_bytes(a=emg(), b=emg(400, 2)), "a.npz")
    assert set(inspect_recording(path).needs) == {"rate", "names", "streams"}
    options = {"streams": ["b"], "rate": 50, "names": ["Zyg li", "Zyg re"], "kinds": {"Zyg re": "envelope"}}
    (stream,) = open_recording(path, **options).streams
    assert stream.rate == 50 and stream.channels[1].kind is Kind.ENVELOPE
    assert stream.channels[1].muscle == "zygomaticus_r"


def test_npz_never_unpickles(write):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("a pickle was run",)

    objects = np.array([Trap()], dtype=object)
    assert "Python objects" in said(write(npz_bytes(data=objects), "a.npz"))
    recording = open_recording(write(npz_example(info=objects), "a.npz"))
    assert muscles(recording) == MUSCLES and any("objects" in n for n in recording.notes)


def test_npz_bomb_and_lies_are_refused_early(write):
    zeros = np.zeros((1000, 1000))
    bomb = bytearray(npz_bytes(x=zeros))
    at = bomb.rindex(b"PK\x01\x02")  # the directory's entry: uncompressed size at 24
    bomb[at + 24 : at + 28] = struct.pack("<I", 0xFFFF_FFF0)
    assert "contradict" in said(write(bytes(bomb), "a.npz"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy_bytes(emg(), shape=(10**8, 10**4)))
    assert "announces" in said(write(buffer.getvalue(), "a.npz"))


@pytest.mark.parametrize("keep", [5, 40, 500, -30])
def test_npz_cut_off(write, keep):
    said(write(npz_example()[:keep], "a.npz"))


def test_npz_without_signals(write):
    assert "no matrix" in said(write(npz_bytes(fs=1000, labels=np.array(["a", "b"])), "a.npz"))


@fuzzing
@given(damages, st.floats(0, 1), st.booleans())
def test_damaged_npz(write, damage, keep, compressed):
    content = npz_bytes(compressed, emg=emg(200), fs=1000.0, labels=np.array(["Zyg li", "Corr re", "x"]))
    opens_or_refuses(write(damaged(content, damage, keep, len(content)), "a.npz"))


# --- MATLAB ---------------------------------------------------------------------------------------

LABELS = np.array(["Zyg links", "Corr re", "Größe"], dtype=object)


def mat_bytes(**variables):
    from scipy.io import savemat

    options = {k: variables.pop(k) for k in ("format", "do_compression") if k in variables}
    buffer = io.BytesIO()
    savemat(buffer, variables, **options)
    return buffer.getvalue()


def records(**columns):
    """A MATLAB structure array from equally long columns."""
    rows = list(zip(*columns.values(), strict=True))
    return np.array(rows, dtype=[(name, object) for name in columns])


def cells(*values):
    result = np.empty((1, len(values)), dtype=object)
    result[0, :] = values
    return result


def vector_of_labchart():
    x = emg()
    return {
        "data": x.T.reshape(1, -1),
        "datastart": np.array([[1.0], [5001], [10001]]),
        "dataend": np.array([[5000.0], [10000], [15000]]),
        "samplerate": np.full((3, 1), 2000.0),
        "titles": np.array(["Zyg links", "Corr re", "Groesse"]),
        "unittext": np.array(["uV"]),
        "unittextmap": np.ones((3, 1)),
        "com": np.array([[-1.0, 1, 2000, 1, 1]]),
        "comtext": np.array(["trigger 7"]),
        "tickrate": np.array([[2000.0]]),
    }


def spike_channels():
    wave = {"interval": 1 / 2000, "units": "uV", "start": 0.0}
    x = emg()
    titles = ["Zyg links", "Corr re", "Größe"]
    channels = {f"V_Ch{i}": wave | {"title": t, "values": x[:, i : i + 1]} for i, t in enumerate(titles)}
    return channels | {
        "Keys": {"title": "trigger", "times": np.array([[1.0]]), "codes": np.array([[7.0, 0, 0, 0]])}
    }


TRIGGER = ((np.arange(5000) // 1000 == 2) * 7).astype(float)
EEG = {
    "data": emg().T.astype(np.float32),
    "srate": 2000.0,
    "nbchan": 3.0,
    "subject": "Erika Mustermann",
    "chanlocs": records(labels=["Zyg links", "Corr re", "Größe"], X=[1.0, 2.0, 3.0]),
    "event": records(type=["trigger 7", "boundary"], latency=[2001.0, 4001.0], duration=[1000.0, 0.0]),
}
FIELDTRIP = {
    "trial": cells(emg()[:2000].T, emg()[2000:].T),
    "time": cells(np.arange(2000)[None] / 2000 - 0.5, np.arange(3000)[None] / 2000 - 0.5),
    "label": LABELS[:, None],
    "fsample": 2000.0,
}
PLAIN = {"emg": emg(), "Fs": 2000.0, "labels": LABELS, "unit": "uV", "trigger": TRIGGER}
LAYOUTS = {
    "matrix": PLAIN,
    "matrix turned": PLAIN | {"emg": emg().T},
    "structure": {"data": PLAIN},
    "rate above": {"rec": {"emg": emg(), "channels": LABELS, "trigger": TRIGGER}, "samplingRate": 2000},
    "interval": {"emg": emg(), "dt": 0.0005, "chans": LABELS, "trigger": TRIGGER},
    "time vector": {"emg": emg(), "t": np.arange(5000) / 2000, "names": LABELS, "trigger": TRIGGER},
    "time in ms": {"emg": emg(), "time_ms": np.arange(5000) / 2, "names": LABELS, "trigger": TRIGGER},
    "cell for each channel": {"emg": cells(*emg().T), "fs": 2000, "labels": LABELS, "trigger": TRIGGER},
    "EEGLAB": {"EEG": EEG},
    "EEGLAB, fields alone": EEG,
    "LabChart": vector_of_labchart(),
    "AcqKnowledge": {
        "data": emg(),
        "isi": 0.5,
        "isi_units": "ms",
        "labels": LABELS,
        "units": np.array(["uV"] * 3),
    },
    "FieldTrip": {"data": FIELDTRIP},
    "Spike2": spike_channels(),
    "structure array": {"ch": records(name=LABELS, signal=list(emg().T), fs=[2000.0] * 3)},
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_matlab_layouts(write, layout, compressed):
    recording = open_recording(write(mat_bytes(**LAYOUTS[layout], do_compression=compressed), "a.mat"))
    assert recording.format == "MATLAB"
    (stream,) = recording.streams
    assert stream.rate == 2000
    assert muscles(recording) == MUSCLES
    np.testing.assert_allclose(stream.samples, emg(), rtol=1e-6)
    if layout == "FieldTrip":
        assert recording.annotations == (Annotation(0.0, 1.0, "Trial 1"), Annotation(1.0, 1.5, "Trial 2"))
    elif layout not in ("AcqKnowledge", "structure array"):
        first = recording.annotations[0]
        assert (first.onset, first.text) == (1.0, "trigger 7")
    assert "Mustermann" not in repr(recording)


def test_matlab_structure_for_each_channel(write):
    x = emg()
    data = {"zyg_l": {"signal": x[:, 0], "fs": 1000.0}, "corr_r": {"signal": x[:, 1], "fs": 1000.0}}
    (stream,) = open_recording(write(mat_bytes(rec=data), "a.mat")).streams
    assert [c.name for c in stream.channels] == ["zyg_l", "corr_r"]
    assert [c.muscle for c in stream.channels] == ["zygomaticus_l", "corrugator_supercilii_r"]


def test_matlab_channels_with_rates_of_their_own(write):
    slow = np.zeros(5000)
    slow[:500] = emg()[:500, 2]
    content = mat_bytes(
        Data=np.vstack([emg()[:, :2].T, slow]), Fs=np.array([[2000.0], [2000.0], [200.0]]), Channels=LABELS
    )
    fast, slow = open_recording(write(content, "a.mat")).streams
    assert (fast.rate, slow.rate) == (2000, 200)
    assert fast.samples.shape == (5000, 2) and slow.samples.shape == (500, 1)


def test_matlab_epochs_of_eeglab_are_laid_one_after_another(write):
    epochs = emg().T.reshape(3, 5, 1000).transpose(0, 2, 1)
    recording = open_recording(write(mat_bytes(EEG=EEG | {"data": epochs}), "a.mat"))
    np.testing.assert_allclose(recording.streams[0].samples, emg(), rtol=1e-6)
    assert Annotation(0.5, 0.5, "Epoch 2") in recording.annotations


def test_matlab_of_version_4(write):
    content = mat_bytes(emg=emg(), fs=2000.0, labels=np.array(["Zyg li ", "Corr re", "x      "]), format="4")
    recording = open_recording(write(content, "a.mat"))
    assert recording.streams[0].rate == 2000
    assert muscles(recording) == MUSCLES
    np.testing.assert_allclose(recording.streams[0].samples, emg(), rtol=1e-6)
    assert "cut off" in said(write(content[:-500], "a.mat"))


def test_matlab_asks_for_what_it_does_not_say(write):
    path = write(mat_bytes(emg=emg(), stimulus=TRIGGER), "a.mat")
    view = inspect_recording(path)
    assert view.needs == ("rate", "names") and len(view.guesses["names"]) == 3
    assert any("stimulus" in note for note in view.notes)
    recording = open_recording(path, rate=2000, names=NAMES)
    assert muscles(recording) == MUSCLES
    assert recording.annotations == (Annotation(1.0, 0.5, "stimulus 7"),)


def test_matlab_names_count_for_the_stream_that_has_so_many(write):
    path = write(mat_bytes(emg=emg(), glove=emg(5000, 22), fs=1000), "a.mat")
    assert inspect_recording(path).guesses["names"] == ("Column 1", "Column 2", "Column 3")
    recording = open_recording(path, names=NAMES)
    assert muscles(recording)[:3] == MUSCLES and set(muscles(recording)[3:]) == {None}


def test_matlab_names_go_to_the_muscle_signal_among_equals(write):
    path = write(mat_bytes(force=emg(seed=1), emg=emg(), fs=1000), "a.mat")
    recording = open_recording(path, names=NAMES)
    found = {s.name: [c.muscle for c in s.channels] for s in recording.streams}
    assert found == {"force": [None] * 3, "emg": MUSCLES}


def test_matlab_time_vector_says_which_axis_is_time(write):
    content = mat_bytes(emg=emg(40, 50), t=np.arange(40) / 1000, fs=1000)
    assert open_recording(write(content, "a.mat"), names=["Zyg li"] * 50).streams[0].samples.shape == (40, 50)
    content = mat_bytes(emg=emg(40, 50), fs=1000)
    assert inspect_recording(write(content, "a.mat")).streams[0].rows == 50


def test_matlab_rate_that_contradicts_the_time(write):
    content = mat_bytes(emg=emg(), fs=2000.0, t=np.arange(1.0, 5001), labels=LABELS)
    recording = open_recording(write(content, "a.mat"))
    assert recording.streams[0].rate == 2000 and any("agree" in note for note in recording.notes)


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind, dims, name, *parts):
    """A variable as the format's description has it, so that dimensions may lie."""
    flags = element(6, struct.pack("<II", kind, 0))
    head = flags + element(5, struct.pack(f"<{len(dims)}i", *dims)) + element(1, name)
    return element(14, head + b"".join(parts))


def mat5(*elements):
    return b"MATLAB 5.0 MAT-file, by hand".ljust(124) + b"\x00\x01IM" + b"".join(elements)


def doubles(values):
    return element(9, np.asarray(values, dtype="<f8").T.tobytes())


def packed(content, declared=None):
    if declared is not None:
        content = content[:4] + struct.pack("<I", declared) + content[8:]
    data = zlib.compress(content)
    return struct.pack("<II", 15, len(data)) + data


def deep(levels):
    inner = matrix(6, (1, 1), b"", doubles([[1.0]]))
    for _ in range(levels):
        inner = matrix(1, (1, 1), b"", inner)
    return matrix(1, (1, 1), b"x", inner)


def test_matlab_umlauts_as_matlab_writes_them(write):
    texts = [matrix(4, (1, len(n)), b"", element(4, n.encode("utf-16-le"))) for n in ("Zyg li", "Größe")]
    labels = matrix(1, (2, 1), b"labels", *texts)
    emg2 = matrix(6, (5000, 2), b"emg", doubles(emg()[:, :2]))
    (stream,) = open_recording(write(mat5(labels, packed(emg2)), "a.mat"), rate=1000).streams
    assert [c.name for c in stream.channels] == ["Zyg li", "Größe"]
    np.testing.assert_array_equal(stream.samples, emg()[:, :2].astype(np.float32))


def test_matlab_tables_and_objects_are_left_out(write):
    opaque = element(
        14,
        element(6, struct.pack("<II", 17, 0)) + element(1, b"T") + element(1, b"MCOS") + element(1, b"table"),
    )
    with_emg = mat5(opaque, matrix(6, (5000, 3), b"emg", doubles(emg())))
    recording = open_recording(write(with_emg, "a.mat"), rate=1000, names=NAMES)
    assert muscles(recording) == MUSCLES and any("objects" in note for note in recording.notes)
    assert "only MATLAB can read" in said(write(mat5(opaque), "a.mat"))


@pytest.mark.parametrize(
    "content",
    [
        lambda: mat5(matrix(1, (1, 400_000_000), b"x", matrix(6, (1, 1), b"", doubles([[1.0]])))),
        lambda: mat5(matrix(4, (1, 2_000_000_000), b"x", element(4, b""))),
        lambda: mat5(matrix(6, (2**30, 2**30), b"x", doubles([[1.0]]))),
        lambda: mat5(matrix(2, (1, 10**9), b"x", element(5, struct.pack("<i", 32)), element(1, b""))),
        lambda: mat5(packed(matrix(6, (2**14, 2**14), b"x", doubles([[1.0]])), 2**31 + 56)),
        lambda: mat5(deep(3000)),
        lambda: mat5(packed(deep(3000))),
        lambda: mat5(matrix(6, (-3, 5), b"x", doubles([[1.0]]))),
        lambda: mat5(b"\x0e\x00\x00\x00\xff\xff\xff\xff"),
        lambda: mat_bytes(**PLAIN)[:-300],
        lambda: mat_bytes(**PLAIN, do_compression=True)[:-300],
        lambda: mat_bytes(**PLAIN)[:100],
    ],
)
def test_matlab_that_lies_is_refused_early(write, content):
    assert "damaged" in said(write(content(), "a.mat"))


def test_matlab_without_signals(write):
    assert "no matrix" in said(write(mat_bytes(fs=1000.0, who="me"), "a.mat"))
    fdt = {"EEG": EEG | {"data": "a.fdt"}}
    assert "second file" in said(write(mat_bytes(**fdt), "a.set"))


def test_matlab_too_large_for_memory_is_refused_early(tmp_path):
    path = tmp_path / "a.mat"
    head = matrix(6, (50_000_000, 8), b"emg")
    size = 3_200_000_000
    head = struct.pack("<II", 14, len(head) - 8 + 8 + size) + head[8:] + struct.pack("<II", 9, size)
    with path.open("wb") as file:  # a sparse file: nothing is written
        file.write(mat5(head))
        file.truncate(128 + len(head) + size)
    assert "EDF" in said(path)


def test_matlab_7_3_and_hdf5_without_h5py_say_what_to_do(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    content = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(2000)
    assert "-v7" in said(write(content, "a.mat"))
    assert "h5py" in said(write(content[512:], "a.h5"))


@fuzzing
@given(st.sampled_from(sorted(LAYOUTS)), damages, st.floats(0, 1), st.booleans())
def test_damaged_matlab(write, layout, damage, keep, compressed):
    content = mat_bytes(**LAYOUTS[layout], do_compression=compressed)
    opens_or_refuses(write(damaged(content, damage, keep), "a.mat"))


# --- XDF ------------------------------------------------------------------------------------------


def varlen(number):
    return b"\x04" + struct.pack("<I", number)


def xdf_chunk(tag, content):
    return varlen(len(content) + 2) + struct.pack("<H", tag) + content


def xdf_header(number, name, kind, channels, rate, form, labels=(), units=(), extra=""):
    units = units or [""] * len(labels)
    described = "".join(
        f"<channel><label>{n}</label><unit>{u}</unit></channel>" for n, u in zip(labels, units, strict=True)
    )
    xml = (
        f"<?xml version='1.0'?><info><name>{name}</name><type>{kind}</type><channel_count>{channels}"
        f"</channel_count><nominal_srate>{rate}</nominal_srate><channel_format>{form}</channel_format>"
        f"<hostname>erikas-laptop</hostname><source_id>Mustermann</source_id>"
        f"<desc><subject><name>Erika</name></subject><channels>{described}</channels></desc>{extra}</info>"
    )
    return xdf_chunk(2, struct.pack("<I", number) + xml.encode())


def xdf_samples(number, times, values, stamped="all"):
    parts = []
    for i, (t, row) in enumerate(zip(times, values, strict=True)):
        has = stamped == "all" or (stamped == "first" and i == 0) or (stamped == "some" and i % 7 == 0)
        parts.append(b"\x08" + struct.pack("<d", t) if has else b"\x00")
        if isinstance(row, list):
            parts += [varlen(len(v.encode())) + v.encode() for v in row]
        else:
            parts.append(row.tobytes())
    return xdf_chunk(3, struct.pack("<I", number) + varlen(len(times)) + b"".join(parts))


def xdf_stream(number, times, values, block=100, stamped="all"):
    return [
        xdf_samples(number, times[a : a + block], values[a : a + block], stamped)
        for a in range(0, len(times), block)
    ]


def xdf_file(*chunks):
    head = xdf_chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
    return b"XDF:" + head + b"".join(chunks)


def xdf_example(n=3000, rate=1000.0, stamped="all", form="float32", offset=5.0, emg_kind="EMG"):
    dtype = {"float32": "<f4", "double64": "<f8", "int16": "<i2", "int32": "<i4", "int64": "<i8"}[form]
    values = emg(n).astype(dtype)
    times = 100.0 + np.arange(n) / rate
    marks = [101.0 + offset, 102.5 + offset]
    return xdf_file(
        xdf_header(
            1, "Verstärker", emg_kind, 3, rate, form, ["Zyg links", "Corr re", "Größe"], ["microvolts"] * 3
        ),
        xdf_header(2, "Reize", "Markers", 1, 0, "string"),
        *(xdf_chunk(4, struct.pack("<Idd", 2, t, -offset)) for t in (100.0, 105.0, 110.0)),
        *xdf_stream(1, times, values, stamped=stamped),
        *xdf_stream(2, marks, [["Lächeln"], ["Ruhe"]]),
    )


@pytest.mark.parametrize("stamped", ["all", "first", "some"])
@pytest.mark.parametrize("form", ["float32", "double64", "int16", "int64"])
def test_xdf_signals_and_markers_on_one_clock(write, form, stamped):
    path = write(xdf_example(form=form, stamped=stamped), "a.xdf")
    recording = open_recording(path)
    (stream,) = recording.streams
    assert recording.format == "XDF" and stream.name == "Verstärker (EMG)"
    assert stream.rate == 1000 and stream.start == pytest.approx(0, abs=1e-6)
    assert muscles(recording) == MUSCLES
    expected = emg(3000) if form not in ("int16", "int64") else emg(3000).astype(int)
    np.testing.assert_allclose(stream.samples, expected, rtol=1e-6)
    # The marker's clock was 5 s ahead; its offsets say so.
    assert [(round(a.onset, 4), a.text) for a in recording.annotations] == [(1.0, "Lächeln"), (2.5, "Ruhe")]
    for private in ("Mustermann", "erikas-laptop", "Erika"):
        assert private not in repr(recording)
    view = inspect_recording(path)
    assert view.needs == () and view.streams[0].rows == 3000


def test_xdf_look_reads_the_beginning_only(write):
    view = inspect_recording(write(xdf_example(n=20_000), "a.xdf"))
    assert view.streams[0].rows == 20_000 and view.streams[0].rate == 1000


def test_xdf_pauses_stay_empty(write):
    times = 50 + np.concatenate([np.arange(2000), np.arange(2000) + 5000]) / 1000
    content = xdf_file(
        xdf_header(1, "A", "EMG", 1, 1000, "float32", ["Zyg li"]),
        *xdf_stream(1, times, emg(4000, 1).astype("<f4")),
    )
    recording = open_recording(write(content, "a.xdf"))
    samples = recording.streams[0].samples
    assert len(samples) == 7000
    assert np.isnan(samples[2000:5000]).all() and np.isfinite(samples[:2000]).all()
    np.testing.assert_allclose(samples[5000:, 0], emg(4000, 1)[2000:, 0], rtol=1e-6)
    assert any("pauses" in note for note in recording.notes)


def test_xdf_clock_that_strays_from_its_nominal_rate(write):
    times = np.arange(60_000) / 999.0
    content = xdf_file(
        xdf_header(1, "A", "EMG", 1, 1000, "int16", ["Zyg li"]),
        *xdf_stream(1, times, emg(60_000, 1).astype("<i2"), block=5000, stamped="all"),
    )
    recording = open_recording(write(content, "a.xdf"))
    assert recording.streams[0].rate == pytest.approx(999.0, rel=1e-6)
    assert any("999" in note for note in recording.notes)


def test_xdf_of_irregular_rate_is_put_on_an_even_grid(write):
    rng = np.random.default_rng(1)
    times = 7 + np.arange(900) / 30 + rng.uniform(-0.002, 0.002, 900)
    codes = [struct.pack("<i", c) for c in (3, 4)]
    content = xdf_file(
        xdf_header(1, "Kamera", "Expression", 2, 0, "float32", ["Zyg li", "Zyg re"]),
        xdf_header(2, "Trigger", "Stim", 1, 0, "int32"),
        *xdf_stream(1, times, np.abs(emg(900, 2)).astype("<f4")),
        *xdf_stream(2, [8.0, 9.0], [np.frombuffer(c, "<i4") for c in codes]),
    )
    recording = open_recording(write(content, "a.xdf"))
    assert recording.streams[0].rate == pytest.approx(30, rel=1e-2)
    assert [a.text for a in recording.annotations] == ["Trigger 3", "Trigger 4"]


def test_xdf_with_two_amplifiers_asks_which_is_meant(write):
    labels = ["Zyg li", "Corr re"]
    times = np.arange(2000) / 1000
    content = xdf_file(
        *(xdf_header(i, f"Amp {i}", "Signal", 2, 1000, "float32", labels) for i in (1, 2)),
        *(c for i in (1, 2) for c in xdf_stream(i, times, emg(2000, 2, i).astype("<f4"))),
    )
    path = write(content, "a.xdf")
    view = inspect_recording(path)
    assert view.needs == ("streams",) and view.guesses["streams"] == ("Amp 1 (Signal)",)
    recording = open_recording(path, streams=["Amp 2 (Signal)"])
    np.testing.assert_allclose(recording.streams[0].samples, emg(2000, 2, 2), rtol=1e-6)


def test_xdf_emg_is_told_from_other_streams_by_its_type(write):
    times = np.arange(2000) / 1000
    content = xdf_file(
        xdf_header(1, "Kappe", "EEG", 8, 1000, "float32"),
        xdf_header(2, "Gesicht", "EMG", 3, 1000, "float32"),
        *xdf_stream(1, times + 1, emg(2000, 8).astype("<f4")),
        *xdf_stream(2, times, emg(2000, 3).astype("<f4")),
    )
    path = write(content, "a.xdf")
    assert inspect_recording(path).needs == ("names",)
    recording = open_recording(path, names=NAMES)
    assert muscles(recording)[8:] == MUSCLES
    assert [round(s.start, 3) for s in recording.streams] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (lambda: xdf_example()[:-5], "cut off"),
        (lambda: xdf_example()[:3000], "cut off"),
        (lambda: b"XDF:", "no streams"),
        (lambda: b"XDF:" + b"\x00" * 500, "unreadable"),
        (lambda: b"XDF:\x08" + b"\xff" * 100, "cut off"),
        (lambda: xdf_file(xdf_header(1, "A", "EMG", 10**9, 1000, "float32")), "impossible"),
        (lambda: xdf_file(xdf_header(1, "A", "EMG", 1, 1e12, "float32")), "impossible"),
        (lambda: xdf_file(xdf_header(1, "A", "EMG", 1, "nan", "float32")), "impossible"),
        (lambda: xdf_file(xdf_header(1, "A", "EMG", 1, 1000, "float99")), "impossible"),
        (lambda: xdf_file(xdf_header(1, "A", "EMG", "x", 1000, "float32")), "unreadable"),
        (lambda: xdf_file(xdf_chunk(2, struct.pack("<I", 1) + b"<a>" * 100_000)), "unreadable"),
        (
            lambda: xdf_file(
                xdf_chunk(2, struct.pack("<I", 1) + b"<!DOCTYPE a [<!ENTITY b 'ha'>]><info>&b;</info>")
            ),
            "unreadable",
        ),
        (lambda: xdf_file(xdf_chunk(3, struct.pack("<I", 9) + varlen(1) + bytes(13))), "before the header"),
        (
            lambda: xdf_file(
                xdf_header(1, "A", "EMG", 1, 1000, "float32"),
                xdf_chunk(3, struct.pack("<I", 1) + varlen(4 * 10**9) + bytes(100)),
            ),
            "more samples",
        ),
        (
            lambda: xdf_file(
                xdf_header(1, "A", "Markers", 1, 0, "string"),
                xdf_chunk(3, struct.pack("<I", 1) + varlen(1) + b"\x00" + varlen(10**9) + b"hm"),
            ),
            "longer",
        ),
        (
            lambda: xdf_file(
                xdf_header(1, "A", "EMG", 1, 1000, "float32"),
                *xdf_stream(1, [0.0, np.nan, 1.0], np.zeros((3, 1), "<f4")),
            ),
            "time stamp",
        ),
        (
            lambda: xdf_file(
                xdf_header(1, "A", "EMG", 1, 1000, "int8"),
                *xdf_stream(1, np.arange(12_000) % 2 * 1e6, np.zeros((12_000, 1), "i1"), 12_000),
            ),
            "jump",
        ),
        (lambda: xdf_file(xdf_header(1, "A", "Markers", 1, 0, "string")), "only markers"),
    ],
)
def test_xdf_that_lies_is_refused(write, content, part):
    assert part in said(write(content(), "a.xdf"))


def test_xdf_with_nan_keeps_them_and_says_nothing_on_the_console(write, capfd):
    values = emg(3000, 1).astype("<f4")
    values[100:200] = np.nan
    content = xdf_file(
        xdf_header(1, "A", "EMG", 1, 400, "float32", ["Zyg li"]),
        *xdf_stream(1, np.arange(3000) / 1000, values),
    )
    recording = open_recording(write(content, "a.xdf"))
    assert np.isnan(recording.streams[0].samples).sum() == 100
    assert recording.streams[0].rate == pytest.approx(1000)
    assert capfd.readouterr() == ("", "")


@fuzzing
@given(damages, st.floats(0, 1), st.sampled_from(["all", "first", "some"]))
def test_damaged_xdf(write, damage, keep, stamped):
    content = xdf_example(n=200, stamped=stamped)
    opens_or_refuses(write(damaged(content, damage, max(keep, 0.5), len(content)), "a.xdf"))


# --- C3D ------------------------------------------------------------------------------------------


def c3d_number(value, form, order, dec):
    """A floating-point number as a VAX has it, or as the rest of the world."""
    if not dec:
        return struct.pack(order + form, value)
    low, high = struct.unpack("<2H", struct.pack("<f", value * 4))
    return struct.pack("<2H", high, low)


def c3d_parameter(group, name, value, order="<", dec=False):
    if isinstance(value, list):
        width = max(len(v.encode()) for v in value)
        body = b"".join(v.encode().ljust(width) for v in value)
        head = struct.pack("bBBB", -1, 2, width, len(value))
    elif isinstance(value, np.ndarray):
        body = b"".join(c3d_number(v, "f", order, dec) for v in value.reshape(-1, order="F"))
        head = struct.pack("bB", 4, value.ndim) + bytes(value.shape)
    else:
        body, head = struct.pack(order + "h", value), struct.pack("bB", 2, 0)
    content = head + body + b"\0"
    return (
        struct.pack("bb", len(name), group)
        + name.encode()
        + struct.pack(order + "h", len(content) + 2)
        + content
    )


def c3d_group(number, name, order):
    return struct.pack("bb", len(name), -number) + name.encode() + struct.pack(order + "h", 3) + b"\0"


def c3d_bytes(values, rate=2000.0, frames=500, form="f", machine=84, points=2, **changes):
    """A C3D file written from the format's guide; values [n, channels], so many a frame."""
    order, dec = (">" if machine == 86 else "<"), machine == 85
    n, channels = values.shape
    each = n // frames
    fields = {
        "labels": ["Zyg links", "Corr re", "Größe"],
        "units": ["uV"] * 3,
        "scale": np.ones(3, dtype=np.float32),
        "offset": 0,
        "announced": frames,
    } | changes
    parameters = b"".join(
        [
            c3d_group(1, "POINT", order),
            c3d_group(2, "ANALOG", order),
            c3d_group(3, "EVENT", order),
            c3d_group(4, "SUBJECTS", order),
            c3d_parameter(4, "NAMES", ["Erika Mustermann"], order),
            c3d_parameter(1, "RATE", np.array([rate / each]), order, dec),
            c3d_parameter(2, "LABELS", fields["labels"], order),
            c3d_parameter(2, "UNITS", fields["units"], order),
            c3d_parameter(2, "SCALE", fields["scale"], order, dec),
            c3d_parameter(2, "GEN_SCALE", np.array([2.0]), order, dec),
            c3d_parameter(2, "RATE", np.array([rate]), order, dec),
            c3d_parameter(3, "LABELS", ["Lächeln", "Ruhe"], order),
            c3d_parameter(3, "TIMES", np.array([[0, 1.0], [1.5, 2.0]]), order, dec),
        ]
    )
    parameters = b"\x01\x50" + bytes([-(-(len(parameters) + 6) // 512), machine]) + parameters
    parameters = parameters.ljust(-(-(len(parameters) + 2) // 512) * 512, b"\0")
    scale = -1.0 if form == "f" else 0.1
    head = b"\x02\x50" + struct.pack(order + "4HH", points, channels * each, 1, fields["announced"], 10)
    head += c3d_number(scale, "f", order, dec) + struct.pack(order + "2H", 2 + len(parameters) // 512, each)
    head += c3d_number(rate / each, "f", order, dec)
    if form == "f" and dec:
        halves = (values * 4).astype("<f4").view("<u2").reshape(n, channels, 2)[..., ::-1]
        analog = np.ascontiguousarray(halves).reshape(n, -1).view(np.uint8)
    else:
        analog = np.ascontiguousarray(values.astype(order + ("f4" if form == "f" else "i2"))).view(np.uint8)
    analog = analog.reshape(frames, -1)
    empty = np.zeros((frames, points * (16 if form == "f" else 8)), dtype=np.uint8)
    return head.ljust(512, b"\0") + parameters + np.hstack([empty, analog]).tobytes()


@pytest.mark.parametrize("machine", [84, 85, 86])
@pytest.mark.parametrize("form", ["f", "h"])
@pytest.mark.parametrize("points", [0, 2])
def test_c3d_of_any_machine_is_read_in_blocks(write, machine, form, points):
    values = emg().round()
    recording = open_recording(write(c3d_bytes(values, form=form, machine=machine, points=points), "a.c3d"))
    (stream,) = recording.streams
    assert recording.format == "C3D" and isinstance(stream.samples, BlockSamples)
    assert stream.rate == 2000 and muscles(recording) == MUSCLES
    np.testing.assert_allclose(np.asarray(stream.samples), 2 * values, rtol=1e-6)
    np.testing.assert_allclose(
        stream.samples.read(1233, 1301, [2, 0]), 2 * values[1233:1301, [2, 0]], rtol=1e-6
    )
    assert [(a.onset, a.text) for a in recording.annotations] == [(1.5, "Lächeln"), (62.0, "Ruhe")]
    assert "Mustermann" not in repr(recording)


def test_c3d_cut_off_or_empty(write):
    content = c3d_bytes(emg())
    assert "cut off" in said(write(content[:-5000], "a.c3d"))
    assert "cut off" in said(write(content[:600], "a.c3d"))
    assert "cut off" in said(write(content[:512], "a.c3d"))
    assert "cut off" in said(write(c3d_bytes(emg(), announced=60_000), "a.c3d"))
    assert "only points" in said(write(c3d_bytes(np.zeros((500, 0)), labels=["x"]), "a.c3d"))


def test_c3d_channels_without_a_label_are_numbered(write):
    content = c3d_bytes(emg(), labels=["Zyg li", "", "Zyg li"])
    names = [c.name for c in open_recording(write(content, "a.c3d")).streams[0].channels]
    assert names == ["Zyg li", "Analog 2", "Zyg li"]


@fuzzing
@given(damages, st.floats(0, 1), st.sampled_from([84, 85, 86]), st.sampled_from("fh"))
def test_damaged_c3d(write, damage, keep, machine, form):
    content = c3d_bytes(emg(500), frames=50, machine=machine, form=form)
    opens_or_refuses(write(damaged(content, damage, max(keep, 0.5), 1600), "a.c3d"))


# --- OTB+ and OTB4 --------------------------------------------------------------------------------


def tar_bytes(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def int24(values):
    return np.ascontiguousarray(values.astype("<i4").reshape(-1, 1)).view(np.uint8)[:, :3].tobytes()


def otb_xml(device="QUATTROCENTO", bits=16, gain=150, rate=2048, channels=5, muscle=True):
    emg_names = [("Zygomaticus", "Left"), ("Corrugator", "Right"), ("Größe", "Not defined")]
    described = "".join(
        f'<Channel Index="{i}" ID="BP{i}" Muscle="{m if muscle else "Not defined"}" Side="{s}" Gain="1"/>'
        for i, (m, s) in enumerate(emg_names)
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Device Name="{device};x" SampleFrequency="{rate}" '
        f'DeviceTotalChannels="{channels}" ad_bits="{bits}"><Channels>'
        f'<Adapter ID="AD8x2JD" Gain="{gain}" ChannelStartIndex="0">{described}</Adapter>'
        f'<Adapter ID="Direct connection" Gain="0.5" ChannelStartIndex="3">'
        f'<Channel Index="0" ID="AUX 1" Gain="1"/></Adapter>'
        f'<Adapter ID="AdapterControl" Gain="1" ChannelStartIndex="4">'
        f'<Channel Index="0" ID="Ramp" Gain="1"/></Adapter>'
        f"</Channels></Device>"
    ).encode()


MARKERS = (
    b"<ArrayOfMarker><Marker><Milliseconds>1500</Milliseconds><Description>smile</Description></Marker>"
    b"</ArrayOfMarker>"
)
PATIENT = b"<Patient><family_name>Mustermann</family_name><first_name>Erika</first_name></Patient>"


def otb_values(n=4000, bits=16):
    return np.random.default_rng(5).integers(-(2 ** (bits - 4)), 2 ** (bits - 4), (n, 5))


def otb_bytes(values=None, **options):
    values = otb_values(bits=options.get("bits", 16)) if values is None else values
    data = int24(values) if options.get("bits") == 24 else values.astype("<i2").tobytes()
    return tar_bytes(
        patient__xml=PATIENT, take__sig=data, take__xml=otb_xml(**options), markers_0__xml=MARKERS
    )


@pytest.mark.parametrize(
    ("device", "bits", "gain", "microvolts"),
    [
        ("QUATTROCENTO", 16, 150, 5 / 2**16 / 150 * 1e6),
        ("QUATTROCENTO", 16, 1, 5 / 2**16 / 150 * 1e6),
        ("DUE+", 16, 202, 3.3 / 2**16 / 202 * 1e6),
        ("SESSANTAQUATTRO", 16, 1, 4.8 / 2**16 / 256 * 1e6),
        ("SESSANTAQUATTRO", 24, 1, 4.8 / 2**24 * 1e6),
        ("EMG-USB2", 16, 2000, 5 / 2**16 / 2000 * 1e6),
    ],
)
def test_otb_values_names_and_markers(write, device, bits, gain, microvolts):
    values = otb_values(bits=bits)
    path = write(otb_bytes(values, device=device, bits=bits, gain=gain), "take.otb+")
    recording = open_recording(path, units=["mV", "mV", "mV", "V", ""])
    (stream,) = recording.streams
    assert recording.format == "OTB+" and stream.rate == 2048 and isinstance(stream.samples, BlockSamples)
    assert muscles(recording) == ["zygomaticus_l", "corrugator_supercilii_r", None, None, None]
    assert [c.name for c in stream.channels] == [
        "Zygomaticus Left",
        "Corrugator Right",
        "Größe",
        "AUX 1",
        "Ramp",
    ]
    assert [c.kind for c in stream.channels][3:] == [Kind.OTHER, Kind.OTHER]
    np.testing.assert_allclose(np.asarray(stream.samples)[:, :3], values[:, :3] * microvolts, rtol=1e-5)
    np.testing.assert_allclose(stream.samples[100:200, 3], values[100:200, 3] * 5 / 2**bits / 0.5, rtol=1e-5)
    np.testing.assert_array_equal(stream.samples[:, 4], values[:, 4])
    assert recording.annotations == (Annotation(1.5, 0.0, "smile"),)
    assert "Mustermann" not in repr(recording) and "Erika" not in repr(recording)
    assert inspect_recording(path).needs == ()


def otb4_bytes(values, size=2, units="mV", path="a.sig"):
    def track(title, first, count, gain, bits, control="false", labels=()):
        shown = "".join(f"<ChannelRapresentation><Label>{n}</Label></ChannelRapresentation>" for n in labels)
        return (
            f"<TrackInfo><Title>{title}</Title><SubTitle>{title}</SubTitle><Device>Novecento+</Device>"
            f"<SignalStreamPath>{path}</SignalStreamPath><AcquisitionChannel>{first}</AcquisitionChannel>"
            f"<NumberOfChannels>{count}</NumberOfChannels><TotalChannelsInFile>5</TotalChannelsInFile>"
            f"<SamplingFrequency>2000</SamplingFrequency><SampleSize>{size}</SampleSize><ADC_Nbits>{bits}</ADC_Nbits>"
            f"<ADC_Range>2.4</ADC_Range><Gain>{gain}</Gain><UnitOfMeasurement>{units}</UnitOfMeasurement>"
            f"<UnitOfMeasurementFactor>1000</UnitOfMeasurementFactor><IsControl>{control}</IsControl>"
            f"<Channels>{shown}</Channels></TrackInfo>"
        )

    tracks = track("Gesicht", 0, 3, 4, 16, labels=["Zyg li", "Corr re", "7"])
    tracks += track("Buffer", 3, 1, 1, 0, "true") + track("AUX", 4, 1, 1, 0)
    xml = f"<ArrayOfTrackInfo>{tracks}</ArrayOfTrackInfo>".encode()
    data = int24(values) if size == 3 else values.astype({2: "<i2", 4: "<i4", 8: "<f8"}[size]).tobytes()
    return tar_bytes(Tracks_000__xml=xml, a__sig=data, DeviceParameters__xml=b"<DeviceParameters/>")


@pytest.mark.parametrize("size", [2, 3, 4])
def test_otb4(write, size):
    values = otb_values()
    recording = open_recording(write(otb4_bytes(values, size), "take.otb4"), units=["mV"] * 3 + ["", ""])
    (stream,) = recording.streams
    assert recording.format == "OTB4" and stream.rate == 2000
    assert [c.name for c in stream.channels] == ["Zyg li", "Corr re", "Gesicht 7", "Buffer", "AUX"]
    assert [c.kind for c in stream.channels][3:] == [Kind.OTHER, Kind.OTHER]
    expected = values[:, :3] * 2.4 / 2**16 / 4 * 1e6
    np.testing.assert_allclose(np.asarray(stream.samples)[:, :3], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (lambda: otb_bytes()[:-30_000], "cut off"),
        (lambda: otb_bytes()[:600], "no samples"),
        (lambda: otb_bytes(channels=3), "a channel"),
        (lambda: otb_bytes(channels=10**7), "DeviceTotalChannels"),
        (lambda: otb_bytes(rate="1e99"), "rate"),
        (lambda: otb_bytes(bits=48), "6 bytes"),
        (lambda: otb_bytes(otb_values()[:0]), "no samples"),
        (lambda: tar_bytes(a__sig=bytes(1000)), "no XML"),
        (lambda: tar_bytes(a__sig=bytes(1001), a__xml=otb_xml()), "whole rows"),
        (lambda: tar_bytes(a__sig=bytes(1000), a__xml=b"<Device>"), "unreadable"),
        (lambda: tar_bytes(a__sig=bytes(1000), a__xml=b"<!DOCTYPE a><Device/>"), "unreadable"),
        (lambda: tar_bytes(a__sig=bytes(1000), a__xml=bytes(5_000_000)), "too long"),
        (
            lambda: tar_bytes(
                a__sig=bytes(1000),
                a__xml=otb_xml().replace(b"</Device>", b"<x>" * 9000 + b"</x>" * 9000 + b"</Device>"),
            ),
            "unreadable",
        ),
        (lambda: otb4_bytes(otb_values(), path="other.sig"), "missing"),
        (lambda: otb4_bytes(otb_values(), size=8)[:-30_000], "cut off"),
    ],
)
def test_otb_that_lies_is_refused(write, content, part):
    assert part in said(write(content(), "take.otb+"))


def test_tar_of_something_else_is_no_recording(write):
    said(write(tar_bytes(readme__txt=b"hello"), "a.tar"))


def test_otb_that_changes_behind_our_back_is_noticed(write):
    path = write(otb_bytes(), "take.otb+")
    samples = open_recording(path).streams[0].samples
    with path.open("r+b") as file:
        file.truncate(3000)
    with pytest.raises(EiferError, match="changed"):
        samples[3000:]


@fuzzing
@given(damages, st.floats(0, 1), st.booleans())
def test_damaged_otb(write, damage, keep, newer):
    values = otb_values(300)
    content = otb4_bytes(values) if newer else otb_bytes(values)
    opens_or_refuses(write(damaged(content, damage, max(keep, 0.5), len(content)), "take.otb+"))
