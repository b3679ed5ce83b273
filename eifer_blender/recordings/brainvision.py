"""BrainVision: a text header (.vhdr), the numbers (.eeg, .dat), and markers (.vmrk).

Binary numbers stay in their file and are read in blocks. Nothing outside the header's folder is ever
opened. Dates and the comment section, where laboratories keep names, are not kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

import numpy as np

from ..errors import EiferError, plain
from .binary import MOST_BYTES, Layout, file_samples, reading, stamp_of, to_float32
from .blocks import BlockSamples
from .channels import make_channels
from .options import Options, is_rate, per_channel
from .types import Annotation, Opened, Recording, Stream

_FIRST_LINE = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?Brain ?Vision(?: Core| V-Amp)? Data(?: Exchange)? (Header|Marker) File",
    re.IGNORECASE,
)
_NUMBERS = {"INT_16": "i2", "UINT_16": "u2", "INT_32": "i4", "IEEE_FLOAT_32": "f4"}
_DATA_ENDINGS = (".eeg", ".dat", ".seg", ".avg")
_MOST_CHANNELS = 4096
_MOST_TEXT = 2**24  # bytes of a header or marker file
_MOST_ANNOTATIONS = 100_000
_LONGEST_TEXT = 500
_LARGEST_RESOLUTION = 1e9
_PIECE = 2**20  # bytes of text that are read at once
_LOOK_BYTES = 2**21
_MICRO = re.compile(r"^(?:Âµ|Î¼|μ|æ|\ufffd+|\?|\xb5)(?=V$|S$)")


@dataclass(frozen=True)
class Header:
    """What a header file says, checked; names, resolutions and units of all channels."""

    path: Path
    data: Path
    markers: Path | None
    rate: float | None
    names: tuple[str, ...]
    resolutions: tuple[float, ...]
    units: tuple[str, ...]
    points: int | None
    vectorized: bool
    number: np.dtype | None  # None: the data file is text
    text: Mapping[str, str]  # section [ASCII Infos]
    notes: tuple[str, ...]


def is_brainvision(path: Path, head: bytes) -> bool:
    """Whether a file is one of the three of a BrainVision recording."""
    if _FIRST_LINE.match(head):
        return True
    ending = path.suffix.lower()
    if ending not in _DATA_ENDINGS:
        return False
    header = _beside(path.parent, f"{path.stem}.vhdr")
    if header is not None:
        return _is_header(header)
    # Other amplifiers write .eeg too and begin with words.
    return ending == ".eeg" and not re.match(rb"[\x09\x0a\x0d\x20-\x7e]{8}", head)


def open_brainvision(path: Path, options: Options, look: bool = False) -> Opened:
    """One stream; of the three files any may be given.

    Raises EiferError if the header is damaged, or if the numbers are missing, cut off or outside of
    the header's folder.
    """
    notes: list[str] = []
    header_path = _header_of(path)
    if header_path != path:
        notes.append(f"'{header_path.name}' was opened, to which '{path.name}' belongs.")
    header = read_header(header_path)
    notes += header.notes
    titles = per_channel(options.names, header.names, "name")
    names = [own if given is None else str(given) for own, given in zip(header.names, titles, strict=True)]
    rate = options.rate or header.rate
    samples, rows = _samples(header, look, notes)
    channels, samples, more = make_channels(names, header.units, samples, rate, options)
    notes += more
    annotations: tuple[Annotation, ...] = ()
    if rate and header.markers is not None:
        annotations = _annotations(header.markers, rate, rows, notes)
    stream = Stream(channels, samples, None if rate is None else float(rate), name=header_path.stem)
    recording = Recording((stream,), annotations, header_path, "BrainVision", "", tuple(notes))
    files = tuple(p for p in (header_path, header.data, header.markers) if p is not None)
    needs = () if rate else ("rate",)
    guesses: dict[str, object] = {} if rate else {"rate": 1000.0}
    known = rows == len(samples)
    return Opened(recording, needs, guesses, None if known else (rows,), files)


# --- header ---------------------------------------------------------------------------------------


def read_header(path: Path) -> Header:
    """Header file, checked against itself. Raises EiferError if it cannot be used."""
    sections = _sections(_text(path))
    common = sections.get("common infos", {})
    if not common:
        raise EiferError(f"'{path.name}' has no section [Common Infos]; export the recording again.")
    if common.get("datatype", "TIMEDOMAIN").upper() != "TIMEDOMAIN":
        raise EiferError(f"'{path.name}' holds spectra, no signals; export the recording in the time domain.")
    count = _whole(path, common, "NumberOfChannels", 1, _MOST_CHANNELS)
    notes: list[str] = []
    names, resolutions, units = _channels(path, sections.get("channel infos", {}), count, notes)
    text = common.get("dataformat", "BINARY").upper() == "ASCII"
    points = _whole(path, common, "DataPoints", 0, 2**53) if common.get("datapoints") else None
    return Header(
        path,
        _data_file(path, common, notes),
        _marker_file(path, common, notes),
        _rate(common),
        names,
        resolutions,
        units,
        points or None,
        common.get("dataorientation", "MULTIPLEXED").upper().startswith("VECTOR"),
        None if text else _number(path, sections.get("binary infos", {})),
        sections.get("ascii infos", {}),
        tuple(notes),
    )


def _text(path: Path) -> str:
    """A header or marker file in whichever of the two encodings it is."""
    if stamp_of(path)[0] > _MOST_TEXT:
        raise EiferError(f"'{path.name}' is far too long for a header; export the recording again.")
    with reading(path) as file:
        data = file.read()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _sections(text: str) -> dict[str, dict[str, str]]:
    """{section: {key: value}} with sections and keys in small letters; of twice the same the first."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = found.setdefault(line[1:-1].strip().lower(), {})
        elif line and not line.startswith(";") and "=" in line:
            key, value = line.split("=", 1)
            section.setdefault(key.strip().lower(), value.strip())
    return found


def _whole(path: Path, common: Mapping[str, str], key: str, low: int, high: int) -> int:
    value = common.get(key.lower(), "")
    if not re.fullmatch(r"[0-9]{1,16}", value) or not low <= int(value) <= high:
        what = f"the {key} '{value[:20]}', which cannot be" if value else f"no {key}"
        raise EiferError(f"'{path.name}' states {what}; export the recording again.")
    return int(value)


def _rate(common: Mapping[str, str]) -> float | None:
    """Samples per second from the interval in microseconds; whole but for the interval's rounding."""
    try:
        rate = 1e6 / float(common.get("samplinginterval", "").replace(",", "."))
    except (ValueError, ZeroDivisionError):
        return None
    if not is_rate(rate):
        return None
    return float(round(rate)) if rate > 5 and abs(rate - round(rate)) < 1e-5 * rate else rate


def _number(path: Path, infos: Mapping[str, str]) -> np.dtype:
    form = infos.get("binaryformat", "INT_16").upper()
    if form not in _NUMBERS:
        known = ", ".join(_NUMBERS)
        raise EiferError(f"'{path.name}' holds numbers as '{form[:30]}'; export them as one of {known}.")
    big = infos.get("usebigendianorder", "NO").upper() == "YES"
    return np.dtype((">" if big else "<") + _NUMBERS[form])


def _channels(
    path: Path, infos: Mapping[str, str], count: int, notes: list[str]
) -> tuple[tuple[str, ...], tuple[float, ...], tuple[str, ...]]:
    """(names, resolutions, units) of ``name,reference,resolution,unit``; a comma in a name is ``\\1``."""
    names, resolutions, units = [], [], []
    for i in range(1, count + 1):
        name, _, resolution, unit, *_ = [*infos.get(f"ch{i}", "").split(","), *[""] * 4]
        names.append(name.replace("\\1", ",").strip() or f"Ch{i}")
        units.append(_unit(unit))
        try:
            value = float(resolution) if resolution.strip() else 1.0
        except ValueError:
            value = math.nan
        if not 0 < abs(value) <= _LARGEST_RESOLUTION:
            raise EiferError(
                f"Channel {i} of '{path.name}' has the resolution '{resolution[:20]}', which cannot be; "
                "correct it with a text editor or export the recording again."
            )
        resolutions.append(value)
    missing = sum(f"ch{i}" not in infos for i in range(1, count + 1))
    if missing:
        notes.append(
            f"The header describes {count - missing} of its {count} channels; the others are numbered."
        )
    return tuple(names), tuple(resolutions), tuple(units)


def _unit(text: str) -> str:
    """A unit whose micro sign may have suffered; microvolts where none is given, as the format says."""
    return _MICRO.sub("µ", text.strip()) or "µV"


# --- the other files ------------------------------------------------------------------------------


def _beside(folder: Path, name: str) -> Path | None:
    """A file of this name, or of this name in other capitals."""
    path = folder / name
    if path.is_file():
        return path
    try:
        return next((p for p in folder.iterdir() if p.name.lower() == name.lower() and p.is_file()), None)
    except OSError:
        return None


def _is_header(path: Path) -> bool:
    with reading(path) as file:
        match = _FIRST_LINE.match(file.read(200))
    return match is not None and match[1].lower() == b"header"


def _header_of(path: Path) -> Path:
    """The header file to which a file belongs."""
    if _is_header(path):
        return path
    header = _beside(path.parent, f"{path.stem}.vhdr")
    if header is None or not _is_header(header):
        raise EiferError(
            f"'{path.name}' is only a part of a BrainVision recording; put its header '{path.stem}.vhdr' "
            "beside it and open that."
        )
    return header


def _named(path: Path, name: str, key: str) -> str:
    """Relative name of a file in the header's folder. Raises EiferError if it leads elsewhere."""
    name = name.replace("$b", path.stem).replace("\\1", ",").replace("\\", "/")
    where = PureWindowsPath(name)  # knows drives and both kinds of slashes
    upwards = any(not part.strip(" .") for part in where.parts)  # some systems strip blanks and dots
    if where.anchor or upwards or "\x00" in name:
        raise EiferError(
            f"The {key} in '{path.name}' lies outside of its folder; put the file beside the header "
            "and write its name only."
        )
    return where.as_posix()


def _data_file(path: Path, common: Mapping[str, str], notes: list[str]) -> Path:
    name = _named(path, common.get("datafile") or "$b.eeg", "DataFile")
    found = _beside((path.parent / name).parent, Path(name).name)
    if found is not None:
        return found
    for ending in _DATA_ENDINGS:  # renamed together with the header
        found = _beside(path.parent, path.stem + ending)
        if found is not None:
            notes.append(f"'{found.name}' was read, since there is no '{name[:80]}'.")
            return found
    raise EiferError(
        f"'{name[:80]}', which holds the numbers of '{path.name}', is missing; copy it into the same folder."
    )


def _marker_file(path: Path, common: Mapping[str, str], notes: list[str]) -> Path | None:
    if not common.get("markerfile"):
        return None
    name = _named(path, common["markerfile"], "MarkerFile")
    found = _beside((path.parent / name).parent, Path(name).name) or _beside(path.parent, f"{path.stem}.vmrk")
    if found is None:
        notes.append(f"The markers '{name[:80]}' are missing; copy them into the same folder to have them.")
    return found


# --- numbers --------------------------------------------------------------------------------------


def _samples(header: Header, look: bool, notes: list[str]) -> tuple[np.ndarray | BlockSamples, int]:
    """(samples [n, channels] times their resolution, rows of the whole file)."""
    resolutions = np.array(header.resolutions, dtype=np.float32)
    if header.number is None:
        samples, rows = _from_text(header, look)
        return samples * resolutions, rows
    columns, size = len(header.names), header.number.itemsize
    there = stamp_of(header.data)[0]
    rows = there // (columns * size)
    if header.points is not None and rows < header.points:
        raise EiferError(_cut_off(header, rows))
    if rows == 0:
        raise EiferError(f"'{header.data.name}' holds no samples; choose another recording.")
    if header.points is not None and rows > header.points:
        notes.append(f"{rows - header.points} rows behind the announced {header.points} were left out.")
        rows = header.points
    elif there % (columns * size):
        notes.append("The last row of the file is incomplete and was left out.")
        if header.vectorized:
            raise EiferError(
                f"'{header.data.name}' does not hold the same number of samples for each of its {columns} "
                "channels; copy it again."
            )
    layout = Layout(0, header.number, rows, columns, by_column=header.vectorized)
    return file_samples(header.data, layout, None if np.all(resolutions == 1) else resolutions), rows


def _cut_off(header: Header, rows: int) -> str:
    return (
        f"'{header.data.name}' is cut off: '{header.path.name}' announces {header.points} samples of each "
        f"channel and the file holds {rows}; copy it again."
    )


def _from_text(header: Header, look: bool) -> tuple[np.ndarray, int]:
    """(float32 [n, channels], rows of the whole file) of a data file in text."""
    size = stamp_of(header.data)[0]
    part = look and not header.vectorized
    if size > MOST_BYTES // 2 and not part:
        raise EiferError(
            f"'{header.data.name}' would need too much memory as text ({size / 2**30:.1f} GiB); export it in "
            "binary format."
        )
    skip = _whole(header.path, {"skipcolumns": "0", **header.text}, "SkipColumns", 0, 1000)
    lines = _whole(header.path, {"skiplines": "0", **header.text}, "SkipLines", 0, 1000)
    comma = header.text.get("decimalsymbol", ".") == ","
    with reading(header.data) as raw, BufferedReader(raw) as file:
        for _ in range(lines):
            _skip_line(file)
        if header.vectorized:
            samples = _stacked(header, list(_text_channels(header, file, skip, lines + 1, comma)))
        else:
            blocks = list(_text_rows(header, file, skip, lines, comma, _LOOK_BYTES if part else size))
            samples = np.concatenate(blocks) if blocks else np.empty((0, 1), dtype=np.float32)
        done = file.tell()
    if len(samples) == 0:
        raise EiferError(f"'{header.data.name}' holds no samples; choose another recording.")
    if done < size:
        return samples, header.points or int(len(samples) * size / done)
    if header.points is not None and len(samples) < header.points:
        raise EiferError(_cut_off(header, len(samples)))
    return samples, len(samples)


def _stacked(header: Header, columns: list[np.ndarray]) -> np.ndarray:
    """float32 [n, channels] of one line for each channel."""
    if len(columns) != len(header.names) or len({len(c) for c in columns}) != 1:
        raise EiferError(
            f"'{header.data.name}' does not hold a line of the same length for each of its "
            f"{len(header.names)} channels; export it again."
        )
    return np.stack(columns, axis=1)


def _skip_line(file: BinaryIO) -> None:
    while (piece := file.readline(_PIECE)) and not piece.endswith(b"\n"):
        pass


def _words(text: bytes, comma: bool) -> list[bytes]:
    """Numbers of a line; a comma is their decimal sign or stands between them."""
    return text.replace(b",", b"." if comma else b" ").replace(b";", b" ").split()


def _floats(header: Header, words: Sequence[bytes], line: int) -> np.ndarray:
    try:
        return to_float32(np.array(words).astype(np.float64) if words else np.empty(0))
    except ValueError:
        raise EiferError(
            f"'{header.data.name}' holds something else than numbers at or behind line {line}; "
            "export it again."
        ) from None


def _text_rows(
    header: Header, file: BinaryIO, skip: int, line: int, comma: bool, most: int
) -> Iterator[np.ndarray]:
    """Blocks float32 [rows, channels] of lines that hold one row each."""
    columns = len(header.names)
    while file.tell() < most:
        words: list[bytes] = []
        first = line + 1
        for _ in range(max(1, _PIECE // (8 * columns))):
            text = file.readline(_PIECE)
            line += 1
            row = _words(text, comma)
            if not row:
                if not text:
                    break
                continue
            if len(row) != columns + skip:
                raise EiferError(
                    f"Line {line} of '{header.data.name}' holds {len(row)} values where {columns + skip} are "
                    "expected; export it again."
                )
            words += row[skip:]
        if not words and file.tell() >= most:
            return
        yield _floats(header, words, first).reshape(-1, columns)
        if not text:
            return


def _text_channels(header: Header, file: BinaryIO, skip: int, line: int, comma: bool) -> Iterator[np.ndarray]:
    """float32 [n] of lines that hold one channel each; a line is read in pieces."""
    between = (b" ", b"\t", b";") if comma else (b" ", b"\t", b";", b",")
    while True:
        parts: list[np.ndarray] = []
        left, words_before = b"", 0
        piece = b" "
        while piece and not piece.endswith(b"\n"):
            piece = file.readline(_PIECE)
            text = left + piece
            # A number may go on in the next piece.
            ended = not piece or piece.endswith(b"\n")
            cut = len(text) if ended else max(text.rfind(s) for s in between) + 1
            words, left = _words(text[:cut], comma), text[cut:]
            parts.append(_floats(header, words[max(skip - words_before, 0) :], line))
            words_before += len(words)
            if len(left) > _PIECE:
                raise EiferError(f"Line {line} of '{header.data.name}' holds no numbers; export it again.")
        if words_before:
            yield np.concatenate(parts)
        if not piece:
            return
        line += 1


# --- markers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Marker:
    kind: str
    text: str
    position: int  # samples from 0
    size: int
    date: str


def _annotations(path: Path, rate: float, rows: int, notes: list[str]) -> tuple[Annotation, ...]:
    """Markers as annotations; segments, if there are several, from each beginning to the next."""
    try:
        markers = _markers(path)
    except EiferError:
        notes.append("The markers are damaged and were left out.")
        return ()
    beginnings = sorted((m for m in markers if m.kind == "New Segment"), key=lambda m: m.position)
    synchronising = sum(m.kind == "SyncStatus" for m in markers)
    if synchronising:
        notes.append(f"{synchronising} markers of clock synchronisation were left out.")
    found = [
        Annotation(m.position / rate, m.size / rate if m.size > 1 else 0.0, m.text or m.kind)
        for m in markers
        if m.kind not in ("New Segment", "SyncStatus") and (m.text or m.kind)
    ]
    found += _segments(beginnings, rate, rows, notes)
    if len(found) > _MOST_ANNOTATIONS:
        notes.append(f"The file has more than {_MOST_ANNOTATIONS} markers; the rest was left out.")
    return tuple(sorted(found, key=lambda a: a.onset)[:_MOST_ANNOTATIONS])


def _markers(path: Path) -> list[_Marker]:
    """Entries ``type,description,position,size,channel,date`` in the order of the file."""
    found = []
    for key, value in _sections(_text(path)).get("marker infos", {}).items():
        if not re.fullmatch(r"mk[0-9]+", key):
            continue
        kind, text, position, size, _, date, *_ = [*value.split(","), *[""] * 6]
        if not re.fullmatch(r"[0-9]{1,15}", position.strip()):
            continue
        length = int(size) if re.fullmatch(r"[0-9]{1,15}", size.strip()) else 0
        row = max(int(position) - 1, 0)
        found.append(_Marker(_unescaped(kind), _unescaped(text), row, length, date.strip()))
    return found


def _unescaped(text: str) -> str:
    return plain(text.replace("\\1", ",")[:_LONGEST_TEXT]).strip()


def _segments(beginnings: Sequence[_Marker], rate: float, rows: int, notes: list[str]) -> list[Annotation]:
    """Segments follow each other in the file; pauses between them are told, for the clock ran on."""
    if len(beginnings) < 2:
        return []
    found, pauses = [], []
    for k, one in enumerate(beginnings):
        end = beginnings[k + 1].position if k + 1 < len(beginnings) else rows
        found.append(Annotation(one.position / rate, max(end - one.position, 0) / rate, f"Segment {k + 1}"))
        before = beginnings[k - 1] if k else one
        paused = _seconds(before.date, one.date)
        if k and paused is not None:
            pause = paused - (one.position - before.position) / rate
            if pause > max(2e-3, 2 / rate):
                pauses.append(f"{pause:.6g} s after {one.position / rate:.6g} s")
    if pauses:
        shown = ", ".join(pauses[:4]) + (f" and {len(pauses) - 4} more" if len(pauses) > 4 else "")
        notes.append(
            f"The recording was paused ({shown}); its segments follow each other without the pauses."
        )
    return found


def _seconds(before: str, after: str) -> float | None:
    """Seconds between two dates of twenty digits; only their difference is used."""
    try:
        first, second = (datetime.strptime(d, "%Y%m%d%H%M%S%f") for d in (before, after))
    except ValueError:
        return None
    return (second - first).total_seconds()
