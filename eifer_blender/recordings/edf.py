"""EDF, EDF+, BDF and BDF+, read in blocks; never the patient or recording identification.

The header is checked against the file's size first, so that a header that lies costs one sentence
and no memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EiferError, plain
from .assemble import one_owner
from .binary import LARGEST, reading
from .channels import make_channels
from .edf_records import RecordFile, RecordNotes, Signals, read_notes, record_samples, refuse_gaps, runs_of
from .options import HIGHEST_RATE, Options, per_channel
from .types import Annotation, Opened, Recording, Stream

_MOST_SIGNALS = 2048
_STATUS = re.compile(r"status|triggers?", re.IGNORECASE)


@dataclass(frozen=True)
class EdfHeader:
    """The fields of an EDF header that a recording needs, checked against the file.

    gains, zeros: a stored number times its gain plus its zero is the physical value.
    unusable: signals whose minimum and maximum are equal.
    """

    format: str  # EDF, EDF+, BDF, BDF+
    continuous: bool
    bytes: int
    records: int
    record_seconds: float
    labels: tuple[str, ...]
    units: tuple[str, ...]
    samples_per_record: tuple[int, ...]
    gains: tuple[float, ...]
    zeros: tuple[float, ...]
    unusable: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def signals(self) -> tuple[int, ...]:
        """Indices of ordinary signals: no annotations, none that is empty or without a range."""
        return tuple(
            i
            for i, label in enumerate(self.labels)
            if not _is_annotation(label) and self.samples_per_record[i] > 0 and i not in self.unusable
        )

    @property
    def annotation_signals(self) -> tuple[int, ...]:
        """Indices of the signals that hold text."""
        return tuple(i for i, label in enumerate(self.labels) if _is_annotation(label))

    @property
    def sample_bytes(self) -> int:
        """3 in BDF, 2 in EDF."""
        return 3 if self.format.startswith("BDF") else 2

    @property
    def offsets(self) -> np.ndarray:
        """Bytes from the beginning of a data record to each signal and to the record's end, int64."""
        return np.concatenate([[0], np.cumsum(self.samples_per_record, dtype=np.int64)]) * self.sample_bytes

    def rate(self, signal: int) -> float:
        """Samples per second of a signal."""
        return self.samples_per_record[signal] / self.record_seconds


def is_edf(head: bytes) -> bool:
    """Whether the first bytes are those of an EDF or BDF file."""
    return head[:8] in (b"0       ", b"\xffBIOSEMI")


def read_header(path: Path) -> EdfHeader:
    """Header of an EDF or BDF file. Raises EiferError if it contradicts itself or the file's size."""
    fixed, fields, count = _header_bytes(path)
    kind = "BDF" if fixed[0] == 0xFF else "EDF"
    reserved = _text(fixed[192:236])
    labels = tuple(_text(fields[16 * i : 16 * i + 16]) for i in range(count))
    units = tuple(_text(fields[at : at + 8]) for at in range(96 * count, 104 * count, 8))
    per_record = tuple(
        _number(fields[at : at + 8], path, "samples of a signal", int)
        for at in range(216 * count, 224 * count, 8)
    )
    gains, zeros, unusable = _scales(path, fields, labels, kind == "BDF")
    seconds = _number(fixed[244:252], path, "duration of a data record", float)
    records = _number(fixed[236:244], path, "number of data records", int)
    if min(per_record) < 0 or not 0 <= seconds < 1e6 or records < -1:
        raise EiferError(f"The header of '{path.name}' holds impossible numbers; export the file again.")
    record_bytes = sum(per_record) * (3 if kind == "BDF" else 2)
    records, notes = _records(path, records, len(fixed) + len(fields), record_bytes)
    notes += [f"Signal '{labels[i]}' has no range of values and was left out." for i in unusable]
    name = kind + ("+" if reserved[:4] == f"{kind}+" else "")
    continuous = reserved[:5] != f"{kind}+D"
    size = len(fixed) + len(fields)
    header = EdfHeader(
        *(name, continuous, size, records, seconds, labels, units, per_record, gains, zeros, unusable),
        tuple(notes),
    )
    if not header.signals:
        raise EiferError(
            f"'{path.name}' holds no signals, only annotations; choose the file with the signals."
        )
    if seconds == 0:
        raise EiferError(f"The data records of '{path.name}' have no duration; export the file again.")
    if (fastest := max(header.rate(i) for i in header.signals)) > HIGHEST_RATE:
        raise EiferError(
            f"The header of '{path.name}' means {fastest:.3g} Hz, which cannot be; export it again."
        )
    return header


def _header_bytes(path: Path) -> tuple[bytes, bytes, int]:
    """(the first 256 bytes, those of the signals, number of signals)."""
    with reading(path) as file:
        fixed = file.read(256)
        if len(fixed) < 256:
            raise EiferError(f"'{path.name}' ends within its EDF header; copy or export it again.")
        count = _number(fixed[252:256], path, "number of signals", int)
        if not 1 <= count <= _MOST_SIGNALS:
            raise EiferError(
                f"'{path.name}' announces {count} signals, which no EDF file holds; export it again."
            )
        fields = file.read(256 * count)
    if len(fields) < 256 * count:
        raise EiferError(
            f"'{path.name}' ends within the header of its {count} signals; copy or export it again."
        )
    stated = _number(fixed[184:192], path, "header size", int)
    if stated != 256 * (count + 1):
        raise EiferError(
            f"The header of '{path.name}' says {stated} bytes but {count} signals need {256 * (count + 1)}; "
            "export the file again."
        )
    return fixed, fields, count


def _records(path: Path, stated: int, header_bytes: int, record_bytes: int) -> tuple[int, list[str]]:
    """(data records to read, notes) from what the header says and what the file holds."""
    data = path.stat().st_size - header_bytes
    there = data // record_bytes if record_bytes else 0
    if there < stated:
        raise EiferError(
            f"'{path.name}' is cut off: it announces {stated} data records and holds {there}; copy it again."
        )
    if there == 0:
        raise EiferError(f"'{path.name}' holds no samples; choose another file.")
    if stated == -1:
        notes = ["The header does not say how many data records there are; all of the file was read."]
        if data % record_bytes:
            notes.append("The last data record is incomplete and was left out.")
        return there, notes
    if there > stated:
        return there, [f"{there - stated} data records after the announced {stated} were read too."]
    return there, []


def _is_annotation(label: str) -> bool:
    return label in ("EDF Annotations", "BDF Annotations")


def open_edf(path: Path, options: Options, look: bool = False) -> Opened:
    """A stream for each sampling rate, whose samples stay in the file; a look is no cheaper.

    Pauses of a discontinuous file are rows of NaN. Raises EiferError if the file is damaged.
    """
    header = read_header(path)
    offsets = header.offsets
    records = RecordFile.of(path, header.bytes, int(offsets[-1]), header.records, header.sample_bytes == 3)
    texts = header.annotation_signals
    said = read_notes(
        records,
        [int(offsets[i]) for i in texts],
        [int(offsets[i + 1] - offsets[i]) for i in texts],
        header.record_seconds,
    )
    notes = [*header.notes, *_about(said, header)]
    streams = _streams(
        header, options, records, said.begins if _has_pauses(path, header, said) else (), notes
    )
    annotations = tuple(Annotation(*a) for a in said.annotations)
    return Opened(Recording(streams, annotations, path, header.format, "", tuple(notes)))


def _about(said: RecordNotes, header: EdfHeader) -> list[str]:
    """Sentences about annotations and time-keeping."""
    notes = []
    if said.damaged:
        notes.append(f"{said.damaged} annotations of the file are damaged and were left out.")
    if said.more:
        notes.append(f"The file has more than {len(said.annotations)} annotations; the rest was left out.")
    if header.continuous and len(said.begins) > 1:
        notes.append(
            "The times of the data records are uneven although the file calls itself continuous; it was "
            "read as continuous."
        )
    elif len(said.begins) > 1:
        notes.append(f"The recording pauses {_times(len(said.begins) - 1)}; the pauses are empty.")
    return notes


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _has_pauses(path: Path, header: EdfHeader, said: RecordNotes) -> bool:
    """Whether records must be put where their times are. Raises EiferError if these cannot be used."""
    if header.continuous:
        return False
    if said.unkept:
        raise EiferError(
            f"'{path.name}' is a discontinuous {header.format} file in which {said.unkept} of "
            f"{header.records} data records have no time; export it as {header.format}C."
        )
    try:
        end = runs_of(said.begins, header.records, 1000, header.record_seconds)[-1]
    except ValueError:
        raise EiferError(
            f"The data records of '{path.name}' overlap in time; export it as {header.format}C."
        ) from None
    second = header.record_seconds / 1000
    fastest = max(header.rate(i) for i in header.signals)
    refuse_gaps(path, float(end[0] + end[2]) * second, header.records * header.record_seconds, fastest)
    return True


def _streams(
    header: EdfHeader,
    options: Options,
    records: RecordFile,
    begins: Sequence[tuple[int, float]],
    notes: list[str],
) -> tuple[Stream, ...]:
    by_rate: dict[int, list[int]] = {}
    for i in header.signals:
        by_rate.setdefault(header.samples_per_record[i], []).append(i)
    order = [i for members in by_rate.values() for i in members]
    options = _in_file_order(options, header, order)
    streams = []
    at = 0
    for per_record, members in by_rate.items():
        part = _part(options, order, at, len(members), header)
        at += len(members)
        samples = record_samples(
            records,
            Signals(
                per_record,
                header.offsets[members],
                np.array(header.gains)[members],
                np.array(header.zeros)[members],
                runs_of(begins or [(0, 0.0)], header.records, per_record, header.record_seconds),
            ),
        )
        rate = options.rate or header.rate(members[0])
        names = [header.labels[i] or f"Signal {i + 1}" for i in members]
        if part.names is not None:
            names = [str(n) for n in part.names]
        channels, samples, more = make_channels(
            names, [header.units[i] for i in members], samples, rate, part
        )
        notes += more
        name = records.path.stem
        streams.append(
            Stream(channels, samples, float(rate), name=f"{name} {rate:g} Hz" if len(by_rate) > 1 else name)
        )
    one_owner(streams, range(len(streams)), notes)
    return tuple(streams)


def _in_file_order(options: Options, header: EdfHeader, order: Sequence[int]) -> Options:
    """Options whose lists and mappings are lists over the signals, in the order of the streams."""
    if options.rate and len({header.samples_per_record[i] for i in header.signals}) > 1:
        raise EiferError("This file has signals of several rates; leave the rate to the file.")
    signals = header.signals
    names = per_channel(options.names, [header.labels[i] for i in signals], "name")
    titles = [str(n) if n is not None else header.labels[i] for n, i in zip(names, signals, strict=True)]
    at = [signals.index(i) for i in order]

    def listed(given: Any, what: str) -> list[Any] | None:  # noqa: ANN401
        values = per_channel(given, titles, what)
        return None if given is None else [values[k] for k in at]

    return replace(
        options,
        names=[titles[k] for k in at],
        kinds=listed(options.kinds, "kind"),
        units=listed(options.units, "unit"),
        muscles=listed(options.muscles, "muscle"),
    )


def _part(options: Options, order: Sequence[int], at: int, count: int, header: EdfHeader) -> Options:
    """Options of one stream."""

    def cut(values: Any) -> Any:  # noqa: ANN401
        return None if values is None else values[at : at + count]

    return replace(
        options,
        names=cut(options.names),
        kinds=cut(options.kinds),
        units=cut(options.units),
        muscles=cut(options.muscles),
    )


def _scales(
    path: Path, fields: bytes, labels: Sequence[str], wide: bool
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    """(gains, zeros, signals without a range of values); minima and maxima must be numbers.

    A minimum above its maximum turns the polarity, as the format says.
    """
    count = len(labels)
    gains, zeros, unusable = [0.0] * count, [0.0] * count, []
    for i, label in enumerate(labels):
        if _is_annotation(label):
            continue
        at = [104 * count + 8 * (k * count + i) for k in range(4)]
        low, high, digital_low, digital_high = (
            _number(fields[a : a + 8], path, f"range of signal {i + 1}", float) for a in at
        )
        if wide and _STATUS.fullmatch(label):  # a word of bits, whatever range a converter states
            gains[i] = 1.0
            continue
        if low == high or digital_low == digital_high:
            unusable.append(i)
            continue
        gains[i] = (high - low) / (digital_high - digital_low)
        # Exactly 0 where both ranges lie evenly about 0, so that rest stays rest.
        zeros[i] = (low * digital_high - high * digital_low) / (digital_high - digital_low)
        if not max(abs(gains[i]) * 2**23, abs(zeros[i])) <= LARGEST:
            unusable.append(i)
    return tuple(gains), tuple(zeros), tuple(unusable)


def _number(field: bytes, path: Path, what: str, convert: type) -> Any:  # noqa: ANN401
    try:
        value = convert(field.decode("ascii").strip("\x00 ").replace(",", "."))
        if not np.isfinite(value):
            raise ValueError
        return value
    except (ValueError, OverflowError):
        raise EiferError(
            f"The EDF header of '{path.name}' has no number for the {what}; the file is "
            "damaged, export it again."
        ) from None


def _text(field: bytes) -> str:
    return plain(field.decode("latin-1")).strip()
