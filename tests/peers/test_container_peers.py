"""MATLAB, HDF5, XDF and C3D files against the libraries that other laboratories write and read them with."""

import struct
from pathlib import Path

import ezc3d
import h5py
import numpy as np
import pytest
import pyxdf
import scipy.io

from eifer_blender.errors import EiferError
from eifer_blender.recordings import Annotation, inspect_recording, open_recording
from eifer_blender.recordings.matlab import open_matlab
from eifer_blender.recordings.options import Options

NAMES = ["Zyg links", "Corr re", "Größe"]
MUSCLES = ["zygomaticus_l", "corrugator_supercilii_r", None]


def emg(n=5000, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, channels)) * 40


def muscles(recording):
    return [c.muscle for s in recording.streams for c in s.channels]


# --- MATLAB up to version 7, against SciPy --------------------------------------------------------


def plain(value):
    """SciPy's array as the reader gives it."""
    if type(value) is not np.ndarray:
        return None
    if value.dtype.names:
        rows = [{n: plain(one[n]) for n in value.dtype.names} for one in value.reshape(-1)]
        rows = [{k: v for k, v in row.items() if v is not None} for row in rows]
        return rows[0] if len(rows) == 1 else rows
    if value.dtype.kind == "O":
        return [p for one in value.reshape(-1, order="F") if (p := plain(one)) is not None]
    if value.dtype.kind == "U":
        texts = [str(t).rstrip("\x00 ") for t in value.reshape(-1)]
        return texts if len(texts) > 1 else "".join(texts)
    return value if value.dtype.kind in "fiub" else None


def assert_same(ours, theirs):
    if isinstance(theirs, np.ndarray):
        if theirs.size or np.size(ours):
            np.testing.assert_array_equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert isinstance(ours, dict) and set(ours) == set(theirs)
        for key, value in theirs.items():
            assert_same(ours[key], value)
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
    else:
        assert ours == theirs


def variables(path, monkeypatch):
    """What our reader makes of a MATLAB file before it looks for signals."""
    kept = {}

    def catch(tree, stem, rate=None):
        kept.update(tree)
        raise EiferError("Enough.")

    monkeypatch.setattr("eifer_blender.recordings.matlab.signals_of", catch)
    with pytest.raises(EiferError, match=r"Enough\."):
        open_matlab(path, Options())
    return kept


FOLDER = Path(scipy.io.__file__).parent / "matlab/tests/data"
WRITTEN_BY_MATLAB = sorted(p for p in FOLDER.glob("test*.mat") if "hdf5" not in p.stem)


@pytest.mark.parametrize("path", WRITTEN_BY_MATLAB, ids=lambda p: p.stem)
def test_files_that_matlab_wrote_hold_what_scipy_reads(path, monkeypatch):
    codec = {"uint16_codec": "utf-16-le"} if "unicode" in path.stem else {}
    expected = scipy.io.loadmat(path, **codec)
    expected = {k: p for k, v in expected.items() if not k.startswith("__") and (p := plain(v)) is not None}
    assert_same(variables(path, monkeypatch), expected)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("form", ["4", "5"])
def test_matlab_values_equal_scipys(tmp_path, form, compressed):
    data = {"emg": emg(20_000, 8), "fs": 2048.0, "labels": np.array([f"EMG {i}" for i in range(8)])}
    scipy.io.savemat(tmp_path / "a.mat", data, format=form, do_compression=compressed and form == "5")
    (stream,) = open_recording(tmp_path / "a.mat").streams
    theirs = scipy.io.loadmat(tmp_path / "a.mat")["emg"]
    np.testing.assert_array_equal(stream.samples, theirs.astype(np.float32))
    assert stream.rate == 2048 and [c.name for c in stream.channels] == [f"EMG {i}" for i in range(8)]


# --- MATLAB 7.3 and HDF5, written by h5py ---------------------------------------------------------


class Mat73:
    """A file as MATLAB 7.3 lays it out: columns first, cells as references, its own 512 bytes in front."""

    def __init__(self, path):
        self.path = path
        self.file = h5py.File(path, "w", userblock_size=512)
        self.cells = self.file.create_group("#refs#")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        with self.path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")

    def put(self, group, name, value, **options):
        if isinstance(value, dict):
            inner = group.create_group(name)
            inner.attrs["MATLAB_class"] = np.bytes_("struct")
            for key, one in value.items():
                self.put(inner, key, one)
            return inner
        if isinstance(value, list):
            cells = [self.put(self.cells, f"c{len(self.cells)}", v).ref for v in value]
            made = group.create_dataset(name, data=np.array([cells], dtype=h5py.ref_dtype))
            kind = "cell"
        elif isinstance(value, str):
            made = group.create_dataset(name, data=np.array([[ord(c)] for c in value], dtype="<u2"))
            kind = "char"
        else:
            made = group.create_dataset(name, data=np.atleast_2d(value).T, **options)
            kind = "double"
        made.attrs["MATLAB_class"] = np.bytes_(kind)
        return made


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_7_3(tmp_path, turned, nested, compressed):
    path = tmp_path / "a.mat"
    options = {"compression": "gzip", "chunks": True} if compressed and not nested else {}
    with Mat73(path) as mat:
        group = mat.file
        if nested:
            group = mat.put(mat.file, "data", {"subject": "Erika Mustermann"})
        mat.put(group, "emg", emg().T if turned else emg(), **options)
        mat.put(group, "labels", NAMES)
        mat.put(group, "fs", 2000.0)
        mat.put(group, "units", "uV")
        mat.put(group, "trigger", (np.arange(5000) // 1000 == 2) * 7.0)
    recording = open_recording(path)
    assert recording.format == "MATLAB 7.3"
    assert recording.streams[0].rate == 2000 and muscles(recording) == MUSCLES
    np.testing.assert_allclose(recording.streams[0].samples, emg(), rtol=1e-6)
    assert recording.annotations == (Annotation(1.0, 0.5, "trigger 7"),)
    assert "Mustermann" not in repr(recording)


def test_eeglab_saved_as_7_3(tmp_path):
    with Mat73(tmp_path / "a.set") as mat:
        eeg = mat.put(mat.file, "EEG", {"data": emg().T, "srate": 500.0, "nbchan": 3.0})
        mat.put(eeg, "chanlocs", {"labels": ["Zyg links", "Corr re", "Größe"]})
        mat.put(eeg, "event", {"type": ["a", "b"], "latency": [1.0, 501.0]})
    recording = open_recording(tmp_path / "a.set")
    assert muscles(recording) == MUSCLES and recording.streams[0].rate == 500
    assert [(a.onset, a.text) for a in recording.annotations] == [(0.0, "a"), (1.0, "b")]


def test_hdf5_of_a_script(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["recording/emg"] = emg()
        file["recording/fs"] = 1000
        file["recording/channels"] = NAMES
    recording = open_recording(tmp_path / "a.h5")
    assert recording.format == "HDF5" and muscles(recording) == MUSCLES
    np.testing.assert_allclose(recording.streams[0].samples, emg(), rtol=1e-6)


def test_hdf5_asks_for_what_it_does_not_say(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = emg()
    assert inspect_recording(tmp_path / "a.h5").needs == ("rate", "names")


def test_hdf5_never_reads_other_files_and_no_bombs(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["emg"] = emg()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["emg"] = h5py.ExternalLink("other.h5", "emg")
    with pytest.raises(EiferError, match="no matrix"):
        open_recording(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("emg", shape=(10**9, 50), dtype="f8", chunks=(1000, 50))
    with pytest.raises(EiferError, match="far more"):
        open_recording(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        layout = h5py.VirtualLayout(shape=(5000, 3), dtype="f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "emg", shape=(5000, 3))
        file.create_virtual_dataset("emg", layout)
    with pytest.raises(EiferError, match="other files"):
        open_recording(tmp_path / "c.h5")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["a/b"] = np.zeros(3)
        file["a/loop"] = file["a"]
    with pytest.raises(EiferError, match="no matrix"):
        open_recording(tmp_path / "d.h5")


def test_damaged_hdf5(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["emg"], file["fs"] = emg(400), 1000
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content[: int(len(content) * min(1, rng.uniform(0.3, 1.5)))])
        for at in rng.integers(0, min(len(damaged), 3000), 5):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            open_recording(path, names=NAMES, rate=1000)
        except EiferError as error:
            assert str(error).endswith(".") and "\n" not in str(error)


# --- C3D, written by ezc3d ------------------------------------------------------------------------


@pytest.mark.parametrize("points", [0, 5])
def test_c3d_values_equal_ezc3ds(tmp_path, points):
    c3d = ezc3d.c3d()
    c3d["parameters"]["POINT"]["RATE"]["value"] = [100]
    c3d["parameters"]["POINT"]["LABELS"]["value"] = tuple(f"m{i}" for i in range(points))
    c3d["data"]["points"] = np.zeros((4, points, 250))
    c3d["parameters"]["ANALOG"]["RATE"]["value"] = [2000]
    c3d["parameters"]["ANALOG"]["LABELS"]["value"] = tuple(NAMES)
    c3d["parameters"]["ANALOG"]["UNITS"]["value"] = ("uV",) * 3
    c3d["data"]["analogs"] = emg().T[None]
    c3d.add_parameter("EVENT", "LABELS", ("smile", "rest"))
    c3d.add_parameter("EVENT", "TIMES", np.array([[0, 0], [0.5, 1.25]]))
    c3d.write(str(tmp_path / "a.c3d"))
    recording = open_recording(tmp_path / "a.c3d")
    theirs = ezc3d.c3d(str(tmp_path / "a.c3d"))["data"]["analogs"][0].T
    assert recording.streams[0].rate == 2000 and muscles(recording) == MUSCLES
    np.testing.assert_array_equal(np.asarray(recording.streams[0].samples), theirs.astype(np.float32))
    assert recording.annotations == (Annotation(0.5, 0.0, "smile"), Annotation(1.25, 0.0, "rest"))


# --- XDF against pyxdf itself ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:'where' used without 'out'")
def test_xdf_values_and_times_equal_pyxdfs(tmp_path):
    def chunk(tag, content):
        return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content

    def header(number, name, rate, form):
        xml = (
            f"<info><name>{name}</name><type>EMG</type><channel_count>2</channel_count><nominal_srate>{rate}"
            f"</nominal_srate><channel_format>{form}</channel_format></info>"
        )
        return chunk(2, struct.pack("<I", number) + xml.encode())

    rng = np.random.default_rng(3)
    parts = [
        chunk(1, b"<info><version>1.0</version></info>"),
        header(1, "A", 1000, "float32"),
        header(2, "B", 250, "int16"),
    ]
    for number, rate, dtype, late in ((1, 1000, "<f4", 0.0), (2, 250, "<i2", 0.4)):
        values = (rng.normal(size=(rate * 8, 2)) * 100).astype(dtype)
        times = 10 + late + np.arange(rate * 8) / rate + rng.normal(size=rate * 8) * 1e-4
        parts += [
            chunk(4, struct.pack("<Idd", number, 10 + t, 0.25 * number + 1e-5 * t)) for t in range(0, 8, 2)
        ]
        for a in range(0, rate * 8, 125):
            rows = [
                b"\x08" + struct.pack("<d", t) + v.tobytes()
                for t, v in zip(times[a : a + 125], values[a : a + 125], strict=True)
            ]
            parts.append(
                chunk(3, struct.pack("<I", number) + b"\x04" + struct.pack("<I", len(rows)) + b"".join(rows))
            )
    path = tmp_path / "a.xdf"
    path.write_bytes(b"XDF:" + b"".join(parts))
    theirs, _ = pyxdf.load_xdf(path)
    ours = open_recording(path, streams=[0, 1], muscles={0: "zygomaticus_l"}).streams
    first = min(s["time_stamps"][0] for s in theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.samples, b["time_series"].astype(np.float32))
        times = a.start + np.arange(len(a.samples)) / a.rate
        np.testing.assert_allclose(times, b["time_stamps"] - first, atol=1e-3)
