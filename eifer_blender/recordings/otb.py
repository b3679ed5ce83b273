"""OTB+ and OTB4 recordings of OT Bioelettronica: a tar archive of integers and of XML that explains them.

Samples are read from the archive where they lie; nothing is unpacked. The layout of the XML and the
ranges of the amplifiers are those of the maker's published MATLAB scripts; `patient.xml` is never read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..errors import EiferError
from .assemble import Signals, assemble
from .binary import Damaged, Layout, file_samples
from .options import Options, is_rate
from .plain_xml import LONGEST_XML, parse_xml, text_of
from .types import Annotation, Kind, Opened

_BLOCK = 512
_MOST_MEMBERS = 10_000
_MOST_CHANNELS = 4096
_MOST_MARKERS = 10_000
_TYPES = {2: "<i2", 3: "V3", 4: "<i4", 8: "<f8"}
_CONTROL = re.compile(r"^(adapter)?(control|quaternion|buffer|ramp)", re.IGNORECASE)
_AUXILIARY = re.compile(r"^(aux|adapterloadcell|load ?cell|direct connection)", re.IGNORECASE)
_UNDEFINED = re.compile(r"^(|-+|n/?a|none|not (defined|specified|known)|undefined|unknown|no muscle)$", re.I)


@dataclass(frozen=True)
class _Member:
    """A file in the archive: where its content lies."""

    name: str
    offset: int
    size: int


class _Range(NamedTuple):
    """Volts that all steps of the converter span, and the gain in front of it."""

    volts: float
    gain: float


@dataclass
class _Column:
    """One channel of a file of samples."""

    name: str
    factor: float
    unit: str
    kind: Kind | None


def is_otb(path: Path, head: bytes) -> bool:
    """Whether a tar archive holds samples as OTBioLab+ and OT BioLab write them."""
    if len(head) < _BLOCK or _member_at(head, 0) is None:
        return False
    named = path.suffix.lower() in (".otb+", ".otb", ".otb4")
    try:
        return named or any(m.name.lower().endswith(".sig") for m in _members(path))
    except (Damaged, OSError):
        return False


def open_otb(path: Path, options: Options, look: bool = False) -> Opened:
    """A stream for each file of samples in the archive, read where they are asked for, with markers."""
    try:
        members = {m.name: m for m in _members(path)}
        tracks = sorted(n for n in members if re.fullmatch(r"tracks_\d+\.xml", n, re.IGNORECASE))
        signals = _newer(path, members, tracks) if tracks else _older(path, members)
        annotations = _markers(path, members)
    except Damaged as error:
        raise EiferError(f"'{path.name}' is a damaged OTB file: {error}; copy or save it again.") from None
    if not signals:
        raise EiferError(f"'{path.name}' holds no samples; choose another file.")
    return assemble(path, "OTB4" if tracks else "OTB+", signals, options, annotations)


# --- OTB+: one XML file beside each file of samples -----------------------------------------------


def _older(path: Path, members: dict[str, _Member]) -> list[Signals]:
    result = []
    for name, member in members.items():
        if not name.lower().endswith(".sig"):
            continue
        about = members.get(name[:-4] + ".xml")
        if about is None:
            raise Damaged(f"'{name[:60]}' has no XML file that explains it")
        device = _xml(path, about)
        count, bits = _whole(device, "DeviceTotalChannels", _MOST_CHANNELS), _whole(device, "ad_bits", 64)
        rate = _number(device.get("SampleFrequency"))
        if rate is None or not is_rate(rate):
            raise Damaged("its sampling rate is impossible")
        columns = _described(device, count, bits)
        signals = _stream(path, member, columns, -(-bits // 8), rate, path.stem)
        if signals is not None:
            result.append(signals)
    return result


def _described(device: ElementTree.Element, count: int, bits: int) -> list[_Column]:
    """Channels of a device; those that the XML leaves out are no EMG."""
    columns = [_Column(f"Channel {i + 1}", 1.0, "", Kind.OTHER) for i in range(count)]
    seen: dict[str, int] = {}
    for adapter in device.iter("Adapter"):
        adapter_id = (adapter.get("ID") or "").split(";")[0].strip()
        first = _number(adapter.get("ChannelStartIndex")) or 0.0
        for channel in adapter.iter("Channel"):
            at = first + (_number(channel.get("Index")) or 0.0)
            if not 0 <= at < count or at != int(at):
                raise Damaged("a channel has a number that no channel can have")
            columns[int(at)] = _column(device, adapter_id, adapter, channel, bits)
    for column in columns:
        seen[column.name] = seen.get(column.name, 0) + 1
    many = {n for n, k in seen.items() if k > 1}
    at_name: dict[str, int] = {}
    for column in columns:
        if column.name in many:
            at_name[column.name] = at_name.get(column.name, 0) + 1
            column.name = f"{column.name} {at_name[column.name]}"
    return columns


def _column(
    device: ElementTree.Element,
    adapter_id: str,
    adapter: ElementTree.Element,
    channel: ElementTree.Element,
    bits: int,
) -> _Column:
    """Name and factor of a channel: steps of the converter -> millivolts at the electrodes."""
    muscle, side = (channel.get("Muscle") or "").strip(), (channel.get("Side") or "").strip()
    channel_id = (channel.get("ID") or "").strip()
    name = channel_id or (channel.get("Description") or "").strip() or adapter_id or "Channel"
    if not _UNDEFINED.match(muscle):
        name = f"{muscle} {side}" if not _UNDEFINED.match(side) else muscle
    if _CONTROL.match(adapter_id) or _CONTROL.match(channel_id):
        return _Column(name[:80], 1.0, "", Kind.OTHER)
    device_name = (device.get("Name") or "").split(";")[0].strip().upper()
    known = _range_of(device_name, adapter_id, bits)
    gain = _number(adapter.get("Gain"))
    if gain is None or gain <= 0 or gain == 1:
        gain = known.gain
    own = _number(channel.get("Gain"))
    gain *= own if own is not None and 0 < own < 1e6 else 1.0
    auxiliary = bool(_AUXILIARY.match(adapter_id) or _AUXILIARY.match(channel_id))
    factor = known.volts / 2.0**bits / gain
    if auxiliary:
        return _Column(name[:80], factor, "V", Kind.OTHER)
    return _Column(name[:80], 1000 * factor, "mV", None)


def _range_of(device: str, adapter: str, bits: int) -> _Range:
    """Converter range and gain of an amplifier's input where its XML names no gain."""
    if adapter.lower().startswith("direct connection"):
        return _Range(5.0, 0.5)
    if device in ("QUATTRO", "QUATTROCENTO"):
        return _Range(5.0, 150.0)
    if device == "DUE":
        return _Range(5.0, 200.0)
    if device in ("DUE+", "QUATTRO+") or adapter in ("Due+", "Quattro+"):
        return _Range(3.3, 202.0)
    if adapter == "AdapterLoadCell":
        return _Range(5.0, 205.0)
    if device.startswith("EMG-USB"):
        return _Range(5.0, 1000.0)
    return _Range(4.8, 256.0 if bits <= 16 else 1.0)


# --- OTB4: one XML file for all tracks ------------------------------------------------------------


def _newer(path: Path, members: dict[str, _Member], tracks: list[str]) -> list[Signals]:
    files: dict[str, list[ElementTree.Element]] = {}
    for name in tracks:
        for track in _xml(path, members[name]).iter("TrackInfo"):
            files.setdefault(text_of(track, "SignalStreamPath"), []).append(track)
    result = []
    for name, parts in files.items():
        member = members.get(name)
        if member is None:
            if name.lower().endswith(".sig"):
                raise Damaged(f"'{name[:60]}' is missing in it")
            continue
        counts = [_count(t, "NumberOfChannels") for t in parts]
        total = int(_number(text_of(parts[0], "TotalChannelsInFile")) or 0)
        if not 1 <= total <= _MOST_CHANNELS:
            total = sum(counts)
        if not 1 <= total <= _MOST_CHANNELS:
            raise Damaged("its number of channels is impossible")
        size = int(_number(text_of(parts[0], "SampleSize")) or 0)
        if size not in _TYPES:
            size = -(-int(_number(text_of(parts[0], "ADC_Nbits")) or 16) // 8)
        rate = _number(text_of(parts[0], "SamplingFrequency"))
        if rate is None or not is_rate(rate):
            raise Damaged("its sampling rate is impossible")
        columns = [_Column(f"Channel {i + 1}", 1.0, "", Kind.OTHER) for i in range(total)]
        following = 0
        for track, count in zip(parts, counts, strict=True):
            stated = _number(text_of(track, "AcquisitionChannel"))
            first = following if stated is None else int(stated)
            if first < 0 or first + count > total:
                raise Damaged("a track has channels that its file has not")
            columns[first : first + count] = _track(track, count, size)
            following = first + count
        title = path.stem if len(files) == 1 else f"{path.stem} {rate:g} Hz"
        signals = _stream(path, member, columns, size, rate, title)
        if signals is not None:
            result.append(signals)
    return result


def _track(track: ElementTree.Element, count: int, size: int) -> list[_Column]:
    """Channels of a track, with the factor to the unit that it names."""
    title, subtitle = text_of(track, "Title"), text_of(track, "SubTitle")
    unit = text_of(track, "UnitOfMeasurement")
    control = text_of(track, "IsControl").lower() == "true" or any(
        _CONTROL.match(t) or _AUXILIARY.match(t) for t in (title, subtitle)
    )
    bits, volts = _number(text_of(track, "ADC_Nbits")) or 0.0, _number(text_of(track, "ADC_Range")) or 1.0
    gain, scale = (
        _number(text_of(track, "Gain")) or 1.0,
        _number(text_of(track, "UnitOfMeasurementFactor")) or 1.0,
    )
    factor = 1.0 if size == 8 else scale
    if size != 8 and 0 < bits <= 64:
        factor = volts / 2.0**bits / gain * scale
    labels = [text_of(c, "Label") for c in track.iter("ChannelRapresentation")][:count]
    labels += [""] * (count - len(labels))
    result = []
    for i, label in enumerate(labels):
        name = label if re.search(r"[^\W\d_]", label) else f"{subtitle or title} {label or i + 1}".strip()
        if count == 1 and not re.search(r"[^\W\d_]", label):
            name = title or subtitle or name
        result.append(_Column(name[:80], factor, unit, Kind.OTHER if control else None))
    return result


# --- both -----------------------------------------------------------------------------------------


def _stream(
    path: Path,
    member: _Member,
    columns: list[_Column],
    size: int,
    rate: float,
    title: str,
) -> Signals | None:
    if size not in _TYPES:
        raise Damaged(f"samples of {size} bytes are not known")
    row = size * len(columns)
    rows, left = divmod(member.size, row)
    if rows == 0:
        return None
    if left:
        raise Damaged(f"'{member.name[:60]}' does not hold whole rows of {len(columns)} channels")
    factors = np.array([c.factor for c in columns])
    if not np.all(np.isfinite(factors)) or np.any(np.abs(factors) > 1e9):
        raise Damaged("the scale of a channel is impossible")
    layout = Layout(member.offset, np.dtype(_TYPES[size]), rows, len(columns))
    samples = file_samples(path, layout, factors.astype(np.float32))
    return Signals(
        title,
        samples,
        tuple(c.name for c in columns),
        tuple(c.unit for c in columns),
        rate,
        kinds=tuple(c.kind for c in columns),
    )


def _markers(path: Path, members: dict[str, _Member]) -> list[Annotation]:
    """Moments that were marked by hand or by a trigger; a damaged list of them is left out."""
    found: set[tuple[float, str]] = set()
    for name, member in members.items():
        if not name.lower().startswith("marker") or not name.lower().endswith(".xml"):
            continue
        for marker in _xml(path, member).iter("Marker"):
            onset, text = _number(text_of(marker, "Milliseconds")), text_of(marker, "Description")
            if onset is not None and abs(onset) < 1e10 and text and len(found) < _MOST_MARKERS:
                found.add((onset / 1000, " ".join(text.split())[:200]))
    return [Annotation(onset, 0.0, text) for onset, text in sorted(found)]


def _xml(path: Path, member: _Member) -> ElementTree.Element:
    if member.size > LONGEST_XML:
        raise Damaged(f"'{member.name[:60]}' is too long")
    with path.open("rb") as file:
        file.seek(member.offset)
        data = file.read(member.size)
    try:
        return parse_xml(data)
    except ValueError:
        raise Damaged(f"'{member.name[:60]}' is unreadable") from None


def _number(text: str | None) -> float | None:
    try:
        value = float((text or "").strip().replace(",", "."))
    except ValueError:
        return None
    return value if np.isfinite(value) and abs(value) < 1e15 else None


def _whole(node: ElementTree.Element, name: str, most: int) -> int:
    value = _number(node.get(name))
    if value is None or not 1 <= value <= most or value != int(value):
        raise Damaged(f"its '{name}' is impossible")
    return int(value)


def _count(track: ElementTree.Element, name: str) -> int:
    value = _number(text_of(track, name)) or 0.0
    if not 0 <= value <= _MOST_CHANNELS:
        raise Damaged("its number of channels is impossible")
    return int(value)


# --- tar ------------------------------------------------------------------------------------------


def _members(path: Path) -> list[_Member]:
    """Plain files of a tar archive. Raises Damaged if one is longer than the archive.

    Python's own reader can be kept busy for ever by a damaged archive, and this needs little of it.
    """
    size = path.stat().st_size
    members: list[_Member] = []
    at = 0
    with path.open("rb") as file:
        while at + _BLOCK <= size:
            file.seek(at)
            header = file.read(_BLOCK)
            if not header.strip(b"\0"):
                break
            member = _member_at(header, at + _BLOCK)
            if member is None or len(members) >= _MOST_MEMBERS:
                raise Damaged("its list of files is unreadable")
            if member.offset + member.size > size:
                raise Damaged("it is cut off")
            if header[156:157] in (b"0", b"\0"):
                members.append(member)
            at = member.offset + -(-member.size // _BLOCK) * _BLOCK
    return members


def _member_at(header: bytes, offset: int) -> _Member | None:
    """The file that a header of 512 bytes announces, or None if it is no header."""
    try:
        checksum = int(header[148:156].strip(b"\0 ") or b"x", 8)
        length = header[124:136]
        if length[0] & 0x80:  # more than eleven octal digits hold
            size = int.from_bytes(length[1:], "big") if length[0] == 0x80 else -1
        else:
            size = int(length.strip(b"\0 ") or b"0", 8)
    except ValueError:
        return None
    if size < 0 or checksum != sum(header[:148]) + 8 * 32 + sum(header[156:_BLOCK]):
        return None
    name = header[:100].split(b"\0")[0].decode("utf-8", "replace")
    return _Member(name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1], offset, size)
