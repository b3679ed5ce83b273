"""Small valid files of every format, ways to spoil them, and what must hold of whatever comes out.

`PYTHONPATH=. python tests/hostile.py 20000` spoils files for longer than the test suite does: in processes of
limited memory and time, so that a crash or a hang names the file that caused it.
"""

from __future__ import annotations

import importlib.util
import io
import re
import resource
import struct
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import test_brainvision as brainvision
import test_containers as containers
import test_edf as edf
import test_text_tables as text

from eifer_blender.errors import EiferError
from eifer_blender.recordings import inspect_recording, open_recording
from eifer_blender.signals import ChainSettings, process

DATA = Path(__file__).parent / "data"
PATIENT = ("Mustermann", "Erika")
SPARE_BYTES = 64 * 2**20  # of memory for a file of any size
BYTES_FOR_A_BYTE = 8  # and for each of the file's bytes
_QUOTED = re.compile(r"'[^']*'")


class Sample(NamedTuple):
    """The files of a recording, which of them is opened, and what is still to be done to the spoilt one.

    packed: {file: bytes -> bytes} puts content into its container, so that checksums hold again.
    """

    files: dict[str, bytes]
    opened: str
    packed: dict[str, Callable[[bytes], bytes]] = {}


def samples() -> dict[str, Sample]:
    """Name -> a valid recording."""
    made = _amplifiers() | _containers() | _tables()
    return made | ({"hdf5": _hdf5()} if importlib.util.find_spec("h5py") else {})


def _amplifiers() -> dict[str, Sample]:
    made = {}
    patient = "0815 F 02-MAY-1951 Mustermann_Erika"
    for name, bdf in (("edf+c", False), ("bdf+c", True)):
        content = edf.mixed(4, (500, 500, 20, 500), bdf=bdf, patient=patient)[1]
        made[name] = Sample({"a.edf": content}, "a.edf")
    zyg = edf.signal("EMG Zyg li", edf.noise(2000))
    corr = edf.signal("EMG Corr re", edf.noise(2000, 1))
    made["edf"] = Sample({"a.edf": edf.edf_file([zyg, corr], 4, patient=patient)}, "a.edf")
    begins = edf.texts(*(b"+%d\x14\x14\x00+%d.5\x150.1\x14Ruhe\x14\x00" % (t, t) for t in (0, 1, 3, 9)))
    content = edf.edf_file([zyg, corr, begins], 4, reserved="EDF+D", patient=patient)
    made["edf+d"] = Sample({"a.edf": content}, "a.edf")
    marks = brainvision.markers(
        "New Segment,,1,1,0,20240203101112", "Stimulus,S  7,501,1,0", "Comment,Ü,9,1,2"
    )
    for orientation in ("MULTIPLEXED", "VECTORIZED"):
        for form, dtype in brainvision.NUMBERS.items():
            numbers = brainvision.stored(2000, form)
            numbers = numbers if orientation == "MULTIPLEXED" else numbers.T
            data = np.ascontiguousarray(numbers).astype("<" + dtype).tobytes()
            head = brainvision.header(form=form, DataOrientation=orientation, SegmentDataPoints="500")
            files = {"a.vhdr": head.encode(), "a.eeg": data, "a.vmrk": marks.encode()}
            made[f"brainvision {orientation} {form}".lower()] = Sample(files, "a.vhdr")
    rows = "\n".join(" ".join(f"{v:d}" for v in row) for row in brainvision.stored(800)).encode()
    files = {"a.vhdr": brainvision.header(DataFormat="ASCII").encode("cp1252"), "a.eeg": rows}
    return made | {"brainvision text": Sample(files, "a.vhdr")}


def _containers() -> dict[str, Sample]:
    values = containers.emg(1500)
    table = np.rec.fromarrays([np.arange(1500) / 1000, *values.T], names="time,Zyg_li,Corr_re,x")
    made = {
        "npy": containers.npy_bytes(values),
        "npy table": containers.npy_bytes(table),
        "npz": containers.npz_example(emg=values, trigger=np.arange(1500) // 500),
        "mat": containers.mat_bytes(emg=values, fs=1000.0, labels=containers.LABELS),
        "mat compressed": containers.mat_bytes(
            emg=values, fs=1000.0, labels=containers.LABELS, do_compression=True
        ),
        "mat labchart": containers.mat_bytes(**containers.vector_of_labchart()),
        "mat spike2": containers.mat_bytes(**containers.spike_channels()),
        "mat 4": containers.mat_bytes(emg=values, fs=1000.0, format="4"),
        "xdf": containers.xdf_example(1500),
        "xdf int16": containers.xdf_example(1500, form="int16", stamped="some"),
        "otb4": containers.otb4_bytes(containers.otb_values(1500)),
        "otb+": containers.otb_bytes(containers.otb_values(1500)),
    }
    for machine in (84, 85, 86):
        for form in "fh":
            made[f"c3d {machine} {form}"] = containers.c3d_bytes(
                values.round(), frames=150, form=form, machine=machine
            )
    whole = {name: Sample({"a.dat": content}, "a.dat") for name, content in made.items()}

    def in_archive(content: bytes) -> bytes:
        buffer = io.BytesIO()
        with containers.zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("emg.npy", content)
            archive.writestr("fs.npy", containers.npy_bytes(np.array(1000.0)))
        return buffer.getvalue()

    def in_tar(content: bytes) -> bytes:
        data = containers.otb_values(1500).astype("<i2").tobytes()
        return containers.tar_bytes(take__sig=data, take__xml=content, patient__xml=containers.PATIENT)

    def in_matlab(content: bytes) -> bytes:
        return containers.mat5(containers.packed(content))

    element = containers.matrix(6, (1500, 3), b"emg", containers.doubles(values))
    return whole | {
        "npy in npz": Sample({"a.npz": containers.npy_bytes(values)}, "a.npz", {"a.npz": in_archive}),
        "xml in otb+": Sample({"a.otb": containers.otb_xml()}, "a.otb", {"a.otb": in_tar}),
        "element in mat": Sample({"a.mat": element}, "a.mat", {"a.mat": in_matlab}),
    }


def _hdf5() -> Sample:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["emg"] = containers.emg(1500)
        file["fs"] = 1000.0
    return Sample({"a.h5": buffer.getvalue()}, "a.h5")


def _tables() -> dict[str, Sample]:
    noise = text.noise(1200)
    german = [
        "Prüfling;Mustermann, Erika",
        "Gerät;Verstärker",
        "Zeit;Lächeln links;Stirn außen re;Auslöser",
        "s;µV;µV;",
        *(f"{row};{int(300 < i < 340)}" for i, row in enumerate(text.timed(noise, 1000, ";", ","))),
    ]
    clock = ["Uhrzeit\tZyg li [mV]\tZyg re [mV]"]
    clock += [f"12:27:{i // 100:02d}.{i % 100:02d}\t{a:.4f}\t{b:.4f}" for i, (a, b) in enumerate(noise)]
    mmm = ["," + ",".join(f"Zygomaticus_{s}" for s in "lr")]
    mmm += [f"{i},{abs(a):.3f},{abs(b):.3f}" for i, (a, b) in enumerate(noise)]
    made = {
        "csv german": "\r\n".join(german).encode("cp1252"),
        "csv utf-16": text.NUMBERS.replace(",", ";").encode("utf-16"),
        "csv": text.NUMBERS.encode(),
        "csv clock": "\n".join(clock).encode(),
        "csv mmm": "\n".join(mmm).encode(),
        "csv delsys": text.delsys_discover()[0].encode(),
        "csv poses": (DATA / "fridlund_emotions.csv").read_bytes(),
        "csv positions": (DATA / "kuramoto_emotions.csv").read_bytes(),
        "acqknowledge": (DATA / "acqknowledge_excerpt.txt").read_bytes()[:30_000],
        "text without rate": (DATA / "fmov_excerpt.txt").read_bytes()[:20_000],
    }
    return {name: Sample({"a.txt": content}, "a.txt") for name, content in made.items()}


# --- spoiling -------------------------------------------------------------------------------------

_PIECES = (*(c.encode() for c in "\n\r\"',;\t\x00ü<"), b"\xff", b"nan", b"1e999", b"<a>", b"9" * 400)
_VALUES = (b"999999999999", b"0", b"-1", b"1e9", b"1e-9", b"nan", b"2147483647", b"0.0001", b"inf", b"65536")


def spoil(rng: np.random.Generator, sample: Sample, others: list[Sample]) -> dict[str, bytes]:
    """The sample's files, one of them spoilt in up to four ways."""
    names = sorted(sample.files)
    name = sample.opened if rng.random() < 0.5 else names[rng.integers(len(names))]
    content = sample.files[name]
    for _ in range(rng.integers(1, 5)):
        way = _WAYS[rng.integers(len(_WAYS))]
        content = way(rng, content or b" ", others)
    content = sample.packed.get(name, lambda c: c)(content)
    return {
        n: content if n == name else sample.packed.get(n, lambda c: c)(c) for n, c in sample.files.items()
    }


def _place(rng: np.random.Generator, content: bytes) -> int:
    """A position; half of them where the structure is."""
    return int(rng.integers(min(len(content), 2048) if rng.random() < 0.6 else len(content)))


def _cut(rng, content, _):
    return content[: _place(rng, content)] if rng.random() < 0.5 else content[: rng.integers(len(content))]


def _flip(rng, content, _):
    spoilt = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        spoilt[_place(rng, content)] ^= 1 << int(rng.integers(8))
    return bytes(spoilt)


def _overwrite(rng, content, _):
    at, n = _place(rng, content), int(rng.choice([1, 2, 4, 8, 64, 512]))
    block = rng.bytes(n) if rng.random() < 0.5 else bytes([int(rng.choice([0, 32, 48, 57, 127, 255]))]) * n
    return content[:at] + block + content[at + n :]


def _insert(rng, content, _):
    at = _place(rng, content)
    piece = _PIECES[rng.integers(len(_PIECES))] if rng.random() < 0.6 else rng.bytes(int(rng.integers(1, 40)))
    return content[:at] + piece + content[at:]


def _remove(rng, content, _):
    at = _place(rng, content)
    return content[:at] + content[at + int(rng.integers(1, 600)) :]


def _repeat(rng, content, _):
    at, n = _place(rng, content), int(rng.integers(1, 400))
    return content[:at] + content[at : at + n] * int(rng.integers(2, 30)) + content[at + n :]


def _inflate_text(rng, content, _):
    """A number that is written out becomes an impossible one, where there is room of the same length."""
    numbers = list(re.finditer(rb"-?[0-9][0-9.]*", content[:6000]))
    if not numbers:
        return content
    found = numbers[rng.integers(len(numbers))]
    value = _VALUES[rng.integers(len(_VALUES))]
    room = len(content[found.start() : found.end()])
    spaces = len(content[found.end() :][:12]) - len(content[found.end() :][:12].lstrip(b" "))
    if rng.random() < 0.7:  # in place, as in headers of fixed width
        value = value[: room + spaces].ljust(room)
    return content[: found.start()] + value + content[found.start() + max(room, len(value)) :]


def _inflate_binary(rng, content, _):
    at = _place(rng, content) // 2 * 2
    value = int(rng.choice([-1, 0, 1, 2**31 - 1, -(2**31), 2**16, 2**24, 2**29, 65535]))
    pack = ("<q", "<i", ">i", "<h", "<d", "<f")[rng.integers(6)]
    if pack == "<h":
        value = max(min(value, 32767), -32768)
    block = struct.pack(pack, value)
    return content[:at] + block + content[at + len(block) :]


def _swap_magic(rng, content, others):
    other = others[rng.integers(len(others))]
    begin = other.packed.get(other.opened, lambda c: c)(other.files[other.opened])
    n = int(rng.choice([2, 4, 8, 128, 512, 1024]))
    return begin[:n] + content[n:]


_WAYS = (
    _cut,
    _flip,
    _flip,
    _overwrite,
    _insert,
    _remove,
    _repeat,
    _inflate_text,
    _inflate_text,
    _inflate_binary,
    _swap_magic,
)


# --- what must hold -------------------------------------------------------------------------------


def check(path: Path) -> bool:
    """Look, open and process; whether it opened. AssertionError for anything but a result or a sentence."""
    size = sum(p.stat().st_size for p in path.parent.iterdir())
    tracemalloc.start()
    try:
        opened = _attempt(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= SPARE_BYTES + BYTES_FOR_A_BYTE * size, f"{peak / 2**20:.0f} MiB for {size} bytes"
    return opened


def _attempt(path: Path) -> bool:
    options: dict[str, object] = {}
    try:
        view = inspect_recording(path)
        check_notes(view.notes)
        if "rate" in view.needs:
            options["rate"] = 1000.0
        if "streams" in view.needs:
            options["streams"] = [0]
        if "names" in view.needs:
            options["names"] = view.guesses.get("names") or [f"EMG {i}" for i in range(99)]
    except EiferError as error:
        check_error(str(error))
    try:
        recording = open_recording(path, **options)
    except EiferError as error:
        check_error(str(error))
        return False
    check_notes(recording.notes)
    assert not any(name in repr(recording.annotations) + repr(recording.notes) for name in PATIENT)
    for mark in recording.annotations:
        assert np.isfinite([mark.onset, mark.duration]).all() and mark.duration >= 0
        assert mark.text.isprintable() and len(mark.text) <= 1000
    for stream in recording.streams:
        assert stream.samples.shape == (len(stream.samples), len(stream.channels))
        assert stream.samples.dtype == np.float32 and stream.name.isprintable()
        assert np.isfinite(stream.start) and (stream.rate is None or 0 < stream.rate < np.inf)
        assert all(c.name.isprintable() and c.unit.isprintable() for c in stream.channels)
        assert not np.isinf(stream.samples[: 2**15]).any()
    try:
        made = process(recording, ChainSettings(), 30.0, frames=200)
    except EiferError as error:
        check_error(str(error))
        return True
    check_notes([*made.notes, *(reason for q in made.quality for reason in q.reasons)])
    assert np.isfinite(made.values).all() and made.values.min() >= 0 and made.values.max() <= 1
    return True


def check_sentence(sentence: str) -> None:
    """For a person: short, printable, without insides or names of patients."""
    assert sentence.isprintable() and len(sentence) < 400 and sentence.endswith("."), repr(sentence)
    inside = ("Traceback", "NoneType", "object has no", "errno", "0x", "array(", "dtype")
    assert not any(part in _QUOTED.sub("", sentence) for part in inside), sentence
    # A header that has become a table may have a person for a column.
    told = re.sub(r"[Cc]olumn '[^']*'", "", sentence)
    assert not any(name in told for name in PATIENT), sentence


def check_error(sentence: str) -> None:
    """No more than one sentence."""
    check_sentence(sentence)
    assert not re.search(r"[.!?] [A-Z]", _QUOTED.sub("x", sentence)), sentence


def check_notes(sentences: Iterable[str]) -> None:
    """Each of them; a note may have more than one sentence."""
    for sentence in sentences:
        check_sentence(sentence)


def store(folder: Path, files: dict[str, bytes], opened: str) -> Path:
    """Write the files into an empty folder; the one to open."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / opened


# --- for longer -----------------------------------------------------------------------------------


def main(count: int, first: int = 0, only: str = "") -> int:
    """Spoil every sample `count` times; the number of findings, each printed with its seed."""
    findings = 0
    for name in samples():
        if only not in name:
            continue
        for begin in range(first, first + count, 200):
            number = min(200, first + count - begin)
            seed, shown = begin, ""
            while seed < begin + number:
                command = [sys.executable, __file__, "--child", name, str(seed), str(begin + number - seed)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                lines = done.stdout.splitlines()
                if done.returncode == 0:
                    break
                last = int(lines[-1].split()[0]) if lines else seed
                shown = done.stderr.strip().splitlines()
                findings += 1
                print(f"{name} seed {last}: exit {done.returncode}", *shown[-12:], sep="\n    ", flush=True)
                seed = last + 1
        print(f"{name}: done", flush=True)
    return findings


def child(name: str, seed: int, count: int) -> None:
    """Some seeds of one sample in limited memory and time; prints each seed before it is tried."""
    every = samples()
    resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30,) * 2)
    for one in range(seed, seed + count):
        print(one, flush=True)
        used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used + 30, resource.RLIM_INFINITY))
        rng = np.random.default_rng([one, *name.encode()])
        with tempfile.TemporaryDirectory() as folder:
            files = spoil(rng, every[name], list(every.values()))
            check(store(Path(folder) / "r", files, every[name].opened))


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(main(int(sys.argv[1]), *map(int, sys.argv[2:3]), *sys.argv[3:4]) > 0)
