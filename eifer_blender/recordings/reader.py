"""Open any recording: the reader is chosen by what is in the file, not by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from ..errors import EiferError, plain
from .binary import reading
from .events import with_events
from .options import Options, PerChannel
from .types import Channel, Opened, Recording, Stream

_NO_RECORDING = {
    b"PK\x03\x04": "a zip or Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"BLENDER": "a Blender file",
    b"\x1f\x8b": "a gzip archive",
    b'{"': "JSON",
}


class Format(NamedTuple):
    """A kind of file: how it is known by its first bytes, and what opens it."""

    matches: Callable[[Path, bytes], bool]
    open: Callable[..., Opened]  # (path, options, look=False); a look may read only the beginning


def _formats() -> tuple[Format, ...]:
    """In the order in which they are tried; a text table is what is left.

    Imported here, because all of them together would double the time that Blender takes to enable
    the extension.
    """
    from .brainvision import is_brainvision, open_brainvision
    from .c3d import is_c3d, open_c3d
    from .edf import is_edf, open_edf
    from .matlab import is_matlab, open_matlab
    from .numpy_file import is_npy, is_npz, open_npy, open_npz
    from .otb import is_otb, open_otb
    from .xdf import is_xdf, open_xdf

    return (
        Format(lambda path, head: is_edf(head), open_edf),
        Format(is_npy, open_npy),
        Format(is_npz, open_npz),
        Format(is_matlab, open_matlab),
        Format(is_xdf, open_xdf),
        Format(is_c3d, open_c3d),
        Format(is_otb, open_otb),
        Format(is_brainvision, open_brainvision),
    )


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
    streams: Sequence[str | int] | None = None,
) -> Recording:
    """Read a whole file into a `Recording`.

    What is None is guessed. `rate` is in Hz. `names` counts all columns, or those that hold
    numbers. `kinds` (`Kind` or its name), `units` (text) and `muscles` (a name of
    `muscles.CHANNELS`, or "" for none) are lists over the channels or mappings {name or number:
    value}. `time_column` is a name, a number from 0, or False for "there is none". `poses` reads
    a table without time as one pose a row, `frame_aligned` says that row i is video frame i,
    `zeros_missing` that exact zeros of a table of poses are drop-outs. `streams` chooses among the
    streams of a file by name or number; without it all are read.

    Events in columns of triggers and marks become annotations, beside those of the file itself.

    Raises EiferError, one sentence, if the file cannot be read or an argument is missing or wrong.
    """
    path = _existing(path)
    options = Options(
        rate, names, kinds, units, muscles, time_column, poses, frame_aligned, zeros_missing, streams
    ).check()
    opened = _open(path, options)
    if opened.needs:
        asked = " and ".join(_ASKED[n] for n in opened.needs)
        hint = (
            "; a table without time can also be read as poses (poses=True)" if "rate" in opened.needs else ""
        )
        raise EiferError(f"'{path.name}' does not say {asked}: state it{hint}.")
    recording = with_events(opened.recording)
    return recording if recording.sha256 else replace(recording, sha256=_sha256(opened.files or (path,)))


_ASKED = {
    "rate": "its sampling rate (rate=...)",
    "names": "what its columns are (names=[...])",
    "streams": "which of its streams is meant (streams=[...])",
}


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
    streams: Sequence[str | int] | None = None,
) -> Inspection:
    """Look at the beginning of a file, for a dialog; same arguments and errors as `open_recording`.

    Nothing is needed any more (`needs` is empty) once the arguments say what the file does not.
    """
    path = _existing(path)
    options = Options(
        rate, names, kinds, units, muscles, time_column, poses, frame_aligned, zeros_missing, streams
    ).check()
    opened = _open(path, options, look=True)
    recording = opened.recording
    rows = opened.rows or tuple(len(s.samples) for s in recording.streams)
    views = tuple(_view(s, n, opened.rows is None) for s, n in zip(recording.streams, rows, strict=True))
    return Inspection(path, recording.format, views, opened.needs, opened.guesses, recording.notes)


def _open(path: Path, options: Options, look: bool = False) -> Opened:
    """By the reader whose file it is; the streams that were asked for."""
    from .table import open_text
    from .text import read_head

    head = read_head(path)
    opener = next((f.open for f in _formats() if f.matches(path, head)), None)
    if opener is None:
        _refuse_known(path, head)
        opened = open_text(path, options, look, head)
    else:
        opened = opener(path, options, look=look)
    opened = _shown(opened)
    return opened if options.streams is None else _chosen(opened, options.streams)


def _shown(opened: Opened) -> Opened:
    """With texts that a panel can show on one line."""
    recording = opened.recording
    return replace(
        opened,
        recording=replace(
            recording,
            streams=tuple(replace(s, name=plain(s.name)) for s in recording.streams),
            annotations=tuple(replace(a, text=plain(a.text)) for a in recording.annotations),
            notes=tuple(plain(n) for n in recording.notes),
        ),
    )


def _chosen(opened: Opened, wanted: Sequence[str | int]) -> Opened:
    """Only the streams that were asked for, in the order of the file."""
    streams = opened.recording.streams
    found = set()
    for one in wanted:
        at = [i for i, s in enumerate(streams) if one in (i, s.name)]
        if not at:
            names = ", ".join(f"'{s.name[:40]}'" for s in streams[:8])
            raise EiferError(f"The file has no stream '{one}'; choose from {names}.")
        found |= set(at)
    keep = sorted(found)
    return replace(
        opened,
        recording=replace(opened.recording, streams=tuple(streams[i] for i in keep)),
        needs=tuple(n for n in opened.needs if n != "streams"),
        rows=None if opened.rows is None else tuple(opened.rows[i] for i in keep),
    )


def _view(stream: Stream, rows: int, exact: bool) -> StreamView:
    return StreamView(
        stream.name, stream.channels, rows, exact, stream.rate, stream.frame_aligned, stream.labels
    )


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if path.is_dir():
        raise EiferError(f"'{path.name}' is a folder; choose the recording in it.")
    if not path.is_file():
        raise EiferError(f"There is no file '{path.name}' at that place; check the path.")
    return path


def _refuse_known(path: Path, head: bytes) -> None:
    for magic, what in _NO_RECORDING.items():
        if head.startswith(magic):
            raise EiferError(
                f"'{path.name}' is {what}, which cannot be read; export the recording as CSV or EDF."
            )


def _sha256(files: Sequence[Path]) -> str:
    """Of the contents, one file after the other."""
    digest = hashlib.sha256()
    block = bytearray(2**18)
    for path in files:
        with reading(path) as file:
            while count := file.readinto(block):
                digest.update(memoryview(block)[:count])
    return digest.hexdigest()
