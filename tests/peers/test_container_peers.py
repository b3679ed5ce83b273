"""MATLAB, HDF5, XDF and C3D files against the libraries that other laboratories write and read them with."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from eifer_blender.errors import EiferError
from eifer_blender.recordings import open_recording
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


WRITTEN_BY_MATLAB = sorted((Path(scipy.io.__file__).parent / "matlab/tests/data").glob("test*.mat"))


@pytest.mark.parametrize("path", WRITTEN_BY_MATLAB, ids=lambda p: p.stem)
def test_files_that_matlab_wrote_hold_what_scipy_reads(path, monkeypatch):
    if "hdf5" in path.stem or path.stem in ("test_skip_variable", "testunicode_7.1_GLNX86"):
        pytest.skip("HDF5, or SciPy needs a codec for it")
    expected = scipy.io.loadmat(path)
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
