"""BrainVision recordings that pybv and MNE wrote are read as MNE reads them."""

import mne
import numpy as np
import pybv
import pytest

from eifer_blender.recordings import open_recording

RATE = 2048


def noise(channels=4, n=5000, seed=0):
    """Volts [channels, n]."""
    return np.random.default_rng(seed).normal(size=(channels, n)) * 40e-6


@pytest.mark.filterwarnings("ignore:Encountered unsupported voltage")
@pytest.mark.parametrize("unit", ["V", "mV", "µV", "nV"])
@pytest.mark.parametrize("form", ["binary_int16", "binary_float32"])
def test_pybv_writes_and_mne_reads_the_same(tmp_path, form, unit):
    resolution = {"V": 1e-8, "mV": 1e-5, "µV": 1e-2, "nV": 10.0}[unit]
    volts = noise()
    pybv.write_brainvision(
        data=volts,
        sfreq=RATE,
        ch_names=["Zyg li", "Corr re", "EMG 3", "EMG 4"],
        fname_base="a",
        folder_out=str(tmp_path),
        fmt=form,
        unit=unit,
        resolution=resolution,
        events=[
            {"onset": 100, "duration": 1, "description": 7, "type": "Stimulus", "channels": "all"},
            {"onset": 900, "duration": 512, "description": "Übung", "type": "Comment", "channels": "all"},
            {"onset": 1500, "duration": 1, "description": 2, "type": "Response", "channels": "all"},
        ],
    )
    recording = open_recording(tmp_path / "a.vhdr")
    (stream,) = recording.streams
    raw = mne.io.read_raw_brainvision(tmp_path / "a.vhdr", preload=True, verbose="error")
    ours = np.asarray(stream.samples).T
    np.testing.assert_allclose(ours, raw.get_data() * 1e6, rtol=3e-7, atol=1e-9)
    np.testing.assert_allclose(ours, volts * 1e6, atol=0.0101 if form == "binary_int16" else 1e-4)
    assert stream.rate == raw.info["sfreq"] == RATE
    assert [c.name for c in stream.channels] == raw.ch_names
    assert [c.muscle for c in stream.channels[:2]] == ["zygomaticus_l", "corrugator_supercilii_r"]
    assert [a.onset for a in recording.annotations] == pytest.approx(list(raw.annotations.onset), abs=1e-6)
    assert [a.text for a in recording.annotations] == ["S  7", "Übung", "R  2"]
    assert [d.split("/")[1] for d in raw.annotations.description] == ["S  7", "Übung", "R  2"]
    assert recording.annotations[1].duration == pytest.approx(raw.annotations.duration[1])


def test_mne_exports(tmp_path):
    volts = noise(3)
    raw = mne.io.RawArray(volts, mne.create_info(["Zyg li", "Corr re", "x"], RATE, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations([0.5], [0.25], ["smile"]))
    mne.export.export_raw(tmp_path / "a.vhdr", raw, verbose="error")
    recording = open_recording(tmp_path / "a.eeg")
    np.testing.assert_allclose(np.asarray(recording.streams[0].samples).T, volts * 1e6, atol=1e-4)
    assert [(a.onset, a.duration, a.text) for a in recording.annotations] == [(0.5, 0.25, "smile")]


@pytest.mark.parametrize("orientation", ["MULTIPLEXED", "VECTORIZED"])
@pytest.mark.parametrize("form", ["INT_16", "INT_32", "IEEE_FLOAT_32"])
def test_mne_reads_both_orientations_as_we_do(tmp_path, form, orientation):
    kind = {"INT_16": "<i2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4"}[form]
    numbers = (noise(3) * 1e7).astype(kind)
    laid = numbers.T if orientation == "MULTIPLEXED" else numbers
    (tmp_path / "a.eeg").write_bytes(np.ascontiguousarray(laid).tobytes())
    (tmp_path / "a.vhdr").write_bytes(
        (
            "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=a.eeg\n"
            f"DataFormat=BINARY\nDataOrientation={orientation}\nNumberOfChannels=3\nDataPoints=5000\n"
            f"SamplingInterval=500\n[Binary Infos]\nBinaryFormat={form}\n"
            "[Channel Infos]\nCh1=Zyg li,,0.1,µV\nCh2=Corr re,,0.05,µV\nCh3=Temp,,0.1,C\n"
        ).encode("cp1252")
    )
    raw = mne.io.read_raw_brainvision(tmp_path / "a.vhdr", preload=True, verbose="error")
    (stream,) = open_recording(tmp_path / "a.vhdr", kinds=["raw", "raw", "other"]).streams
    theirs = raw.get_data() * np.array([[1e6], [1e6], [1.0]])
    np.testing.assert_allclose(np.asarray(stream.samples).T, theirs, rtol=3e-7, atol=1e-9)
    assert stream.rate == raw.info["sfreq"]


def test_mne_reads_text_as_we_do(tmp_path):
    numbers = (noise(2, 300) * 1e6).round(3)
    lines = [" ".join(f"{v:.3f}" for v in row).replace(".", ",") for row in numbers.T]
    (tmp_path / "a.dat").write_text("Zyg Corr\n" + "\n".join(lines) + "\n")
    (tmp_path / "a.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=a.dat\n"
        "MarkerFile=\nDataFormat=ASCII\nDataOrientation=MULTIPLEXED\nNumberOfChannels=2\n"
        "SamplingInterval=1000\n[ASCII Infos]\nDecimalSymbol=,\nSkipLines=1\nSkipColumns=0\n"
        "[Channel Infos]\nCh1=Zyg li,,,µV\nCh2=Corr re,,,µV\n",
        encoding="utf-8",
    )
    raw = mne.io.read_raw_brainvision(tmp_path / "a.vhdr", preload=True, verbose="error")
    (stream,) = open_recording(tmp_path / "a.vhdr", kinds=["raw"] * 2).streams
    np.testing.assert_allclose(np.asarray(stream.samples).T, raw.get_data() * 1e6, rtol=1e-6, atol=1e-9)
