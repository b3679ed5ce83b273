"""One recording in every format that others can write: the same muscles, the same activity."""

import ezc3d
import h5py
import mne
import numpy as np
import pandas as pd
import pybv
import pyedflib
import pytest
import scipy.io

from eifer_blender.assets import model_file
from eifer_blender.muscles import CHANNELS
from eifer_blender.recordings import open_recording
from eifer_blender.signals import PRESETS, process

RATE = 1000
LABELS = [f"{name[:-2].replace('_', ' ')} {'li' if name.endswith('_l') else 're'}" for name in CHANNELS]
SHORT_LABELS = [  # EDF and C3D give a name few characters
    f"{short} {side}"
    for short in (
        "Corr", "DAO", "Deprsup", "lat Front", "Llsup", "Mass", "med Front", "Ment", "OrbOc", "OrbOr", "Zyg"
    )
    for side in ("li", "re")
]  # fmt: skip


@pytest.fixture(scope="module")
def original():
    return open_recording(model_file("sample_recording.edf"))


@pytest.fixture(scope="module")
def samples(original):
    return np.asarray(original.streams[0].samples, dtype=np.float64)


@pytest.fixture(scope="module")
def expected(original):
    return process(original, PRESETS["Animation"], 30.0)


def csv(path, x):
    frame = pd.DataFrame(x, columns=[f"{name} [µV]" for name in LABELS])
    frame.insert(0, "time [s]", np.arange(len(x)) / RATE)
    frame.to_csv(path / "a.csv", index=False)
    return path / "a.csv"


def german_csv(path, x):
    frame = pd.DataFrame(x / 1000, columns=[f"{name} (mV)" for name in LABELS])
    frame.insert(0, "Zeit (ms)", np.arange(len(x)) * 1000 / RATE)
    frame.to_csv(path / "a.txt", index=False, sep=";", decimal=",", encoding="cp1252", lineterminator="\r\n")
    return path / "a.txt"


def bdf(path, x):
    heads = [
        {
            "label": name,
            "dimension": "uV",
            "sample_frequency": RATE,
            "physical_min": -3000.0,
            "physical_max": 3000.0,
            "digital_min": -8388608,
            "digital_max": 8388607,
        }
        for name in SHORT_LABELS
    ]
    with pyedflib.EdfWriter(str(path / "a.bdf"), len(heads), pyedflib.FILETYPE_BDFPLUS) as file:
        file.setSignalHeaders(heads)
        file.writeSamples([np.ascontiguousarray(c) for c in x.T])
    return path / "a.bdf"


def edf(path, x):
    info = mne.create_info(SHORT_LABELS, RATE, "eeg")
    mne.export.export_raw(path / "a.edf", mne.io.RawArray(x.T * 1e-6, info, verbose="error"), verbose="error")
    return path / "a.edf"


def brainvision(path, x):
    pybv.write_brainvision(
        data=x.T * 1e-6, sfreq=RATE, ch_names=SHORT_LABELS, fname_base="a", folder_out=path, unit="µV"
    )
    return path / "a.vhdr"


def npz(path, x):
    np.savez(path / "a.npz", emg=x, fs=RATE, channels=np.array(LABELS))
    return path / "a.npz"


def mat(path, x):
    names = np.array(LABELS, dtype=object)
    content = {"data": {"emg": x.T, "fs": RATE, "labels": names, "unit": "uV"}}
    scipy.io.savemat(path / "a.mat", content, do_compression=True)
    return path / "a.mat"


def mat_7_3(path, x):
    with h5py.File(path / "a.mat", "w", userblock_size=512) as file:
        file["emg"] = x.T
        file["fs"] = np.array([[float(RATE)]])
        text = h5py.string_dtype()
        file["labels"] = np.array(LABELS, dtype=text)
    with (path / "a.mat").open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path / "a.mat"


def c3d(path, x):
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100]
    file["parameters"]["ANALOG"]["RATE"]["value"] = [RATE]
    file["parameters"]["ANALOG"]["LABELS"]["value"] = SHORT_LABELS
    file["parameters"]["ANALOG"]["UNITS"]["value"] = ["uV"] * len(SHORT_LABELS)
    file["data"]["points"] = np.zeros((4, 0, len(x) * 100 // RATE))
    file["data"]["analogs"] = x.T[None]
    file.write(str(path / "a.c3d"))
    return path / "a.c3d"


@pytest.mark.parametrize("write", [csv, german_csv, edf, bdf, brainvision, npz, mat, mat_7_3, c3d])
def test_the_same_recording_in_every_format(tmp_path, samples, expected, write):
    recording = open_recording(write(tmp_path, samples))
    (stream,) = [s for s in recording.streams if any(c.muscle for c in s.channels)]
    assert [c.muscle for c in stream.channels if c.muscle] == list(CHANNELS)
    assert stream.rate == RATE
    activation = process(recording, PRESETS["Animation"], 30.0)
    frames = min(activation.frames, expected.frames)
    np.testing.assert_allclose(activation.values[:frames], expected.values[:frames], atol=2e-3)
    assert abs(activation.frames - expected.frames) <= 1
