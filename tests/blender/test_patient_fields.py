"""What a header says about a person never leaves the file: no .blend, table, text or error has it."""

import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

from eifer_blender.recordings import Annotation, Channel, Kind, Recording, Stream, open_recording, write_edf

CHECKOUT = Path(__file__).parents[2]
PERSON = ("Zaphirovna", "Quillon", "ZX4711-07", "17-MAY-1951", "Wexelblatt Klinik")
NAMES = ("Zyg left", "Zyg right", "Corr left", "Corr right")
RATE = 1000


def semg(seconds=8):
    rng = np.random.default_rng(1)
    strength = np.where(np.arange(seconds * RATE) % 4000 < 2000, 2.0, 60.0)[:, None]
    return (rng.normal(size=(seconds * RATE, len(NAMES))) * strength).astype(np.float32)


def header_texts():
    """Patient and recording identification as EDF has them, 80 bytes each."""
    name, first, code, born, place = PERSON
    patient = f"{code} F {born} {name}_{first}"
    recording = f"Startdate 02-MAR-2020 {code} Dr_{name} {place.replace(' ', '_')}"
    return patient.ljust(80).encode() + recording.ljust(80).encode()


def make_edf(folder):
    channels = tuple(Channel(name, "uV", Kind.RAW) for name in NAMES)
    path = write_edf(
        folder / "a.edf",
        Recording((Stream(channels, semg(), float(RATE)),), (Annotation(1.0, 0.0, "smile"),)),
    )
    content = path.read_bytes()
    path.write_bytes(content[:8] + header_texts() + content[168:])
    return path


def make_bdf(folder):
    samples = semg()
    count, seconds = len(NAMES), len(samples) // RATE
    fields = [
        (NAMES, 16),
        ([f"Electrode of {PERSON[0]}"] * count, 80),
        (["uV"] * count, 8),
        (["-262144"] * count, 8),
        (["262143"] * count, 8),
        (["-8388608"] * count, 8),
        (["8388607"] * count, 8),
        (["HP:DC"] * count, 80),
        ([str(RATE)] * count, 8),
        ([PERSON[2]] * count, 32),
    ]
    signals = "".join(text.ljust(width) for texts, width in fields for text in texts).encode()
    begin = b"\xffBIOSEMI" + header_texts() + b"02.03.2010.30.00" + str(256 * (count + 1)).ljust(8).encode()
    begin += (
        b"24BIT".ljust(44) + str(seconds).ljust(8).encode() + b"1".ljust(8) + str(count).ljust(4).encode()
    )
    digital = np.round(samples * 32).astype("<i4").reshape(seconds, RATE, count).transpose(0, 2, 1)
    words = np.ascontiguousarray(digital).view(np.uint8).reshape(-1, 4)[:, :3]
    path = folder / "a.bdf"
    path.write_bytes(begin + signals + words.tobytes())
    return path


def make_brainvision(folder):
    name, first, code, born, place = PERSON
    (folder / "a.eeg").write_bytes(semg().astype("<f4").tobytes())
    channels = "\n".join(f"Ch{i + 1}={name_},,1,µV" for i, name_ in enumerate(NAMES))
    (folder / "a.vmrk").write_text(
        f"Brain Vision Data Exchange Marker File, Version 1.0\n; {name}, {first}\n[Common Infos]\n"
        f"Codepage=UTF-8\nDataFile=a.eeg\n[Marker Infos]\nMk1=New Segment,,1,1,0,20200302103000000000\n"
        f"Mk2=Stimulus,smile,1000,1,0\n[User Infos]\nPatient={name} {code}\n",
        encoding="utf-8",
    )
    path = folder / "a.vhdr"
    path.write_text(
        f"Brain Vision Data Exchange Header File Version 1.0\n; {name}, {first} {born}\n[Common Infos]\n"
        f"Codepage=UTF-8\nDataFile=a.eeg\nMarkerFile=a.vmrk\nDataFormat=BINARY\n"
        f"DataOrientation=MULTIPLEXED\nNumberOfChannels={len(NAMES)}\nSamplingInterval={1_000_000 // RATE}\n"
        f"[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}\n"
        f"[User Infos]\nProp1=string,subject,{name} {first}\n"
        f"[Comment]\nPatient: {name} {first}, {code}, {place}\n",
        encoding="utf-8",
    )
    return path


MAKERS = {"EDF": make_edf, "BDF": make_bdf, "BrainVision": make_brainvision}


@pytest.fixture(params=MAKERS)
def recording_file(request, tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    return MAKERS[request.param](folder)


def told(content):
    """Which words about the person some bytes contain, in any usual encoding."""
    words = [word for field in PERSON for word in field.split()]
    return [
        word
        for word in words
        for code in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")
        if word.lower().encode(code) in content.lower()
    ]


def unpacked(path):
    """The content of a .blend without its compression."""
    content = path.read_bytes()
    if content.startswith(b"BLENDER"):
        return content
    import zstandard

    with zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True) as reader:
        return reader.read()


def test_the_files_of_this_test_do_name_the_person(recording_file):
    assert told(recording_file.read_bytes())
    assert len(open_recording(recording_file).streams[0].channels) == len(NAMES)


def test_nothing_of_the_person_is_in_the_blend_or_in_what_the_panel_shows(
    scene, head, recording_file, tmp_path
):
    bpy.ops.eifer.open_recording(filepath=str(recording_file))
    stored = scene.eifer.recording
    assert stored.filepath and not told(repr(open_recording(recording_file)).encode())
    bpy.ops.eifer.preview()
    scene.frame_set(40)
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.reload_take()
    for compress in (False, True):
        path = tmp_path / f"{compress}.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=compress)
        content = unpacked(path)
        assert content.startswith(b"BLENDER") and b"emg_zygomaticus_l" in content  # it was searched
        assert told(content) == []


def test_nothing_of_the_person_is_in_tables_markers_or_on_the_screen(recording_file, tmp_path):
    output = tmp_path / "out"
    command = [sys.executable, "-m", "eifer_blender", "--here", "bake", recording_file]
    command += ["-o", output / "a.blend", "--csv", output / "a.csv"]
    done = subprocess.run(list(map(str, command)), cwd=CHECKOUT, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert told(done.stdout + done.stderr) == []
    files = [path for path in output.iterdir() if path.is_file()]
    assert {path.suffix for path in files} >= {".blend", ".csv"}
    for path in files:
        assert told(unpacked(path) if path.suffix == ".blend" else path.read_bytes()) == []
        assert told(path.name.encode()) == []


def test_errors_do_not_quote_the_person(scene, recording_file, capfd):
    content = recording_file.read_bytes()
    damaged = [content[: len(content) // share] for share in (50, 8, 3, 2)]
    damaged += [content[:at] + b"\xff?x" + content[at + 3 :] for at in (168, 184, 192, 236, 252, 300, 700)]
    sentences = []
    for number, one in enumerate(damaged):
        path = recording_file.with_stem(f"damaged_{number}")
        path.write_bytes(one)
        try:
            bpy.ops.eifer.open_recording(filepath=str(path))
        except RuntimeError as error:
            sentences.append(str(error))
    assert sentences
    assert told("\n".join(sentences).encode()) == []
    assert told(scene.eifer.recording.notes.encode()) == []
    output = capfd.readouterr()
    assert told((output.out + output.err).encode()) == []
