"""EDF and BDF that other software wrote are read as that software reads them."""

import datetime

import mne
import numpy as np
import pyedflib
import pytest

from eifer_blender.recordings import open_recording, write_edf

RATE = 1000
UNITS = ("uV", "mV", "degC")


def noise(seconds, channels, seed=0):
    return np.random.default_rng(seed).normal(size=(seconds * RATE, channels)) * 30


def written_by_pyedflib(path, kind, rates=(RATE, RATE, 250), seconds=7, duration=None):
    """A file of signals at several rates, with annotations; their physical values."""
    bits = 24 if kind in (pyedflib.FILETYPE_BDF, pyedflib.FILETYPE_BDFPLUS) else 16
    headers = [
        {
            "label": f"EMG {k}",
            "dimension": UNITS[k],
            "sample_frequency": rate,
            "physical_min": -400.0 - k,
            "physical_max": 500.0 + k,
            "digital_min": -(2 ** (bits - 1)),
            "digital_max": 2 ** (bits - 1) - 1,
        }
        for k, rate in enumerate(rates)
    ]
    signals = [np.random.default_rng(k).normal(size=seconds * rate) * 50 for k, rate in enumerate(rates)]
    with pyedflib.EdfWriter(str(path), len(rates), file_type=kind) as writer:
        writer.setSignalHeaders(headers)
        writer.setPatientName("Mustermann")
        writer.setStartdatetime(datetime.datetime(2001, 1, 1, 12, 0, 0))
        if duration:
            writer.setDatarecordDuration(duration)
        writer.writeSamples(signals)
        if kind in (pyedflib.FILETYPE_EDFPLUS, pyedflib.FILETYPE_BDFPLUS):
            writer.writeAnnotation(0.5, 1.25, "Lächeln")
            writer.writeAnnotation(3.0, -1, "cue")
    return signals


def steps(path):
    """Size of one quantisation step of each signal."""
    with pyedflib.EdfReader(str(path)) as reader:
        return [
            (reader.getPhysicalMaximum(k) - reader.getPhysicalMinimum(k))
            / (reader.getDigitalMaximum(k) - reader.getDigitalMinimum(k))
            for k in range(reader.signals_in_file)
        ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pyedflib.FILETYPE_EDF, "EDF"),
        (pyedflib.FILETYPE_EDFPLUS, "EDF+"),
        (pyedflib.FILETYPE_BDF, "BDF"),
        (pyedflib.FILETYPE_BDFPLUS, "BDF+"),
    ],
)
def test_pyedflib_writes_and_reads_the_same(tmp_path, kind, name):
    path = tmp_path / "a.dat"
    signals = written_by_pyedflib(path, kind)
    recording = open_recording(path, units=["uV", "uV", "uV"], kinds=["raw"] * 3)
    assert recording.format == name
    fast, slow = recording.streams
    assert (fast.rate, slow.rate) == (RATE, 250)
    ours = [np.asarray(fast.samples)[:, 0], np.asarray(fast.samples)[:, 1], np.asarray(slow.samples)[:, 0]]
    with pyedflib.EdfReader(str(path)) as reader:
        theirs = [reader.readSignal(k) for k in range(3)]
        onsets, durations, marks = reader.readAnnotations()
    for mine, read, wrote, step in zip(ours, theirs, signals, steps(path), strict=True):
        np.testing.assert_allclose(mine, read, rtol=2**-23, atol=step * 1e-2)
        np.testing.assert_allclose(mine, wrote, rtol=2**-23, atol=step * 1.01)
    assert [(a.onset, a.text) for a in recording.annotations] == list(zip(onsets, marks, strict=True))
    assert [a.duration for a in recording.annotations] == [max(float(d), 0.0) for d in durations]
    if name.endswith("+"):
        assert [a.text for a in recording.annotations] == ["Lächeln", "cue"]
    assert "Mustermann" not in repr(recording)


def test_records_of_other_lengths(tmp_path):
    signals = written_by_pyedflib(tmp_path / "a.edf", pyedflib.FILETYPE_EDFPLUS, (1000, 1000), 5, 0.1)
    (stream,) = open_recording(tmp_path / "a.edf", kinds=["raw"] * 2, units=["uV"] * 2).streams
    assert stream.rate == pytest.approx(1000)
    for k in range(2):
        np.testing.assert_allclose(stream.samples[:5000, k], signals[k], atol=0.02)


@pytest.mark.parametrize(("ending", "read"), [("edf", mne.io.read_raw_edf), ("bdf", mne.io.read_raw_bdf)])
def test_mne_exports_and_reads_the_same(tmp_path, ending, read):
    data = noise(10, 3).T * 1e-6
    raw = mne.io.RawArray(data, mne.create_info(["Zyg li", "Corr re", "EMG 3"], RATE, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations([1.5, 4.0], [0.5, 0.0], ["smile", "Prüfung"]))
    path = tmp_path / f"a.{ending}"
    mne.export.export_raw(path, raw, verbose="error")
    recording = open_recording(path)
    (stream,) = recording.streams
    theirs = read(path, preload=True, verbose="error")
    step = 1e-2 if ending == "edf" else 1e-4
    np.testing.assert_allclose(np.asarray(stream.samples).T, theirs.get_data() * 1e6, atol=step / 10)
    np.testing.assert_allclose(np.asarray(stream.samples).T, data * 1e6, atol=step)
    assert [c.muscle for c in stream.channels] == ["zygomaticus_l", "corrugator_supercilii_r", None]
    found = [(a.onset, a.duration, a.text) for a in recording.annotations]
    expected = theirs.annotations
    assert found == [
        (pytest.approx(o), pytest.approx(d), t)
        for o, d, t in zip(expected.onset, expected.duration, expected.description, strict=True)
    ]


def test_what_we_write_others_read(tmp_path):
    signals = written_by_pyedflib(tmp_path / "a.edf", pyedflib.FILETYPE_EDFPLUS)
    recording = open_recording(tmp_path / "a.edf", kinds=["raw"] * 3, units=["uV"] * 3)
    path = write_edf(tmp_path / "b.edf", recording)
    with pyedflib.EdfReader(str(path)) as reader:
        for k in range(3):
            np.testing.assert_allclose(reader.readSignal(k)[: len(signals[k])], signals[k], atol=0.03)
        onsets, durations, marks = reader.readAnnotations()
        assert (list(onsets), list(marks)) == ([0.5, 3.0], ["Lächeln", "cue"])
        assert float(durations[0]) == 1.25
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    assert list(raw.annotations.description) == ["Lächeln", "cue"]
