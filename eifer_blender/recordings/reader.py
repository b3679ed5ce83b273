"""Open any recording: the reader is chosen by what is in the file, not by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EiferError
from .edf import is_edf, look_at_edf, open_edf
from .guess import excerpt
from .options import Options, PerChannel
from .table import build
from .text import HEAD_BYTES, find_layout, read_head, read_rows
from .types import Channel, Kind, Recording, Stream

_MAGIC = {
    b"MATLAB 5.0": "a MATLAB file",
    b"\x89HDF": "an HDF5 or MATLAB 7.3 file",
    b"XDF:": "an XDF file",
    b"PK\x03\x04": "a zip or Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x93NUMPY": "a NumPy file",
    b"Brain Vision": "a BrainVision header",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"BLENDER": "a Blender file",
    b"\x1f\x8b": "a gzip archive",
}


@dataclass(frozen=True)
class StreamView:
    """One stream as a dialog shows it."""

    name: str
    channels: tuple[Channel, ...]
    rows: int  # an estimate for large text tables
    rows_exact: bool
    rate: float | None
    frame_aligned: bool
    labels: tuple[str, ...]  # rows of a table of poses

    @property
    def seconds(self) -> float | None:
        """Length, or None without a rate."""
        return self.rows / self.rate if self.rate else None


@dataclass(frozen=True)
class Inspection:
    """A cheap look at a file: what `open_recording` would make of it and what it must be told."""

    path: Path
    format: str
    streams: tuple[StreamView, ...]
    needs: tuple[str, ...]  # arguments of open_recording that must be given: "rate", "names"
    guesses: dict[str, object] = field(default_factory=dict)  # offers for what is needed
    notes: tuple[str, ...] = ()

    @property
    def muscles(self) -> tuple[str, ...]:
        """Channel names of `muscles.CHANNELS` that were found."""
        return tuple(c.muscle for s in self.streams for c in s.channels if c.muscle)


def open_recording(
    path: Path | str,
    *,
    rate: float | None = None,
    names: Sequence[str] | None = None,
    kinds: PerChannel = None,
    units: PerChannel = None,
    muscles: PerChannel = None,
    time_column: str | int | bool | None = None,
    poses: bool | None = None,
    frame_aligned: bool | None = None,
    zeros_missing: bool | None = None,
) -> Recording:
    """Read a whole file into a `Recording`.

    What is None is guessed. `rate` is in Hz. `names` counts all columns, or those that hold
    numbers. `kinds` (`Kind` or its name), `units` (text) and `muscles` (a name of
    `muscles.CHANNELS`, or "" for none) are lists over the channels or mappings {name or number:
    value}. `time_column` is a name, a number from 0, or False for "there is none". `poses` reads
    a table without time as one pose a row, `frame_aligned` says that row i is video frame i,
    `zeros_missing` that exact zeros of a table of poses are drop-outs.

    Raises EiferError, one sentence, if the file cannot be read or an argument is missing or wrong.
    """
    path = _existing(path)
    options = Options(
        rate, names, kinds, units, muscles, time_column, poses, frame_aligned, zeros_missing
    ).check()
    head = read_head(path)
    _refuse_known(path, head)
    if is_edf(head):
        return open_edf(path, options, _sha256(path))
    layout = find_layout(path, head)
    recording, needs = build(path, layout, read_rows(path, layout), options)
    if needs:
        told = {"rate": "its sampling rate (rate=...)", "names": "what its columns are (names=[...])"}
        asked = " and ".join(told[n] for n in needs)
        hint = "" if "rate" not in needs else "; a table without time can also be read as poses (poses=True)"
        raise EiferError(f"'{path.name}' does not say {asked}: state it{hint}.")
    return recording


def inspect_recording(
    path: Path | str,
    *,
    rate: float | None = None,
    names: Sequence[str] | None = None,
    kinds: PerChannel = None,
    units: PerChannel = None,
    muscles: PerChannel = None,
    time_column: str | int | bool | None = None,
    poses: bool | None = None,
    frame_aligned: bool | None = None,
    zeros_missing: bool | None = None,
) -> Inspection:
    """Look at the beginning of a file, for a dialog; same arguments and errors as `open_recording`.

    Nothing is needed any more (`needs` is empty) once the arguments say what the file does not.
    """
    path = _existing(path)
    options = Options(
        rate, names, kinds, units, muscles, time_column, poses, frame_aligned, zeros_missing
    ).check()
    head = read_head(path)
    _refuse_known(path, head)
    if is_edf(head):
        recording, counts = look_at_edf(path, options)
        views = tuple(_view(s, n, True) for s, n in zip(recording.streams, counts, strict=True))
        return Inspection(path, recording.format, views, (), {}, recording.notes)
    layout = find_layout(path, head)
    size = path.stat().st_size
    whole = size <= HEAD_BYTES
    recording, needs = build(path, layout, read_rows(path, layout, None if whole else HEAD_BYTES), options)
    stream = recording.streams[0]
    count = len(stream.samples) if whole else int(len(stream.samples) * size / HEAD_BYTES)
    guesses: dict[str, object] = {}
    if "rate" in needs:
        guesses["rate"] = _likely_rate(stream)
    if "names" in needs:
        guesses["names"] = tuple(c.name for c in stream.channels)
    notes = tuple(n for n in recording.notes if whole or not n.startswith("The file announces"))
    return Inspection(path, recording.format, (_view(stream, count, whole),), needs, guesses, notes)


def _view(stream: Stream, rows: int, exact: bool) -> StreamView:
    return StreamView(
        stream.name, stream.channels, rows, exact, stream.rate, stream.frame_aligned, stream.labels
    )


def _likely_rate(stream: Stream) -> float:
    """An offer for a table that says nothing: 30 for slow envelopes, 1000 for anything with raw EMG."""
    kinds = {c.kind for c in stream.channels}
    rough = any(
        c.kind is Kind.RAW and len(excerpt(stream.samples[:, i])) > 1 for i, c in enumerate(stream.channels)
    )
    return 1000.0 if rough or Kind.RECTIFIED in kinds else 30.0


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if path.is_dir():
        raise EiferError(f"'{path.name}' is a folder; choose the recording in it.")
    if not path.is_file():
        raise EiferError(f"There is no file '{path.name}' at that place; check the path.")
    return path


def _refuse_known(path: Path, head: bytes) -> None:
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise EiferError(
                f"'{path.name}' is {what}, which cannot be read; export the recording as CSV or EDF."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
