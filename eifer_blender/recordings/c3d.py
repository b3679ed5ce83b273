"""Analog channels of C3D files, as motion capture writes them beside its markers.

ezc3d, the usual library, ends the whole program or never ends on damaged files (found by mutating
them), so the analog part is read here, in blocks, after "The C3D File Format User Guide". The tests
compare it with ezc3d. Points, force plates and the subject's data are not read.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EiferError
from .assemble import Signals, assemble
from .binary import Damaged, check_unchanged, stamp_of, to_float32
from .blocks import BlockSamples
from .options import Options, is_rate
from .types import Annotation, Opened

_BLOCK = 512
_INTEL, _DEC, _MIPS = 84, 85, 86
_MOST_CHANNELS = 2048
_MOST_EVENTS = 10_000
_GROUPS = ("POINT", "ANALOG", "EVENT", "TRIAL")  # the others may hold the subject's data

Parameters = dict[str, Any]  # "GROUP:NAME" -> array, or list of texts


@dataclass(frozen=True)
class _Layout:
    """Where the analog samples are: `offset`, and so many bytes a frame, of which `skip` are points."""

    offset: int
    frames: int
    frame_bytes: int
    skip: int
    channels: int
    per_frame: int  # samples of a channel in a frame
    dtype: np.dtype
    is_dec: bool  # floating-point numbers of a VAX


def is_c3d(path: Path, head: bytes) -> bool:
    """Whether the first bytes are those of a C3D file whose parameters stand where they say."""
    if len(head) < _BLOCK or head[1] != 0x50 or not head[0]:
        return False
    at = (head[0] - 1) * _BLOCK
    try:
        with path.open("rb") as file:
            file.seek(at)
            start = file.read(4)
    except OSError:
        return False
    return len(start) < 4 or (at > 0 and start[3] in (_INTEL, _DEC, _MIPS))


def open_c3d(path: Path, options: Options, look: bool = False) -> Opened:
    """One stream of all analog channels, read where they are asked for; events as annotations."""
    try:
        layout, parameters, rate, notes = _read_header(path)
        names, units, scales, offsets = _channels(parameters, layout.channels)
        annotations = _events(parameters)
    except (Damaged, struct.error, IndexError) as error:
        reason = str(error) if isinstance(error, Damaged) else "its header ends too early"
        raise EiferError(f"'{path.name}' is a damaged C3D file: {reason}; export it again.") from None
    samples = _samples(path, layout, scales, offsets)
    signals = Signals(path.stem, samples, names, units, rate)
    return assemble(path, "C3D", [signals], options, annotations, notes)


def _samples(path: Path, layout: _Layout, scales: np.ndarray, offsets: np.ndarray) -> BlockSamples:
    stamp = stamp_of(path)
    width = layout.channels * layout.per_frame * layout.dtype.itemsize

    def read(start: int, stop: int, at: np.ndarray) -> np.ndarray:
        check_unchanged(path, stamp)
        first, last = start // layout.per_frame, -(-stop // layout.per_frame)
        with path.open("rb") as file:
            file.seek(layout.offset + first * layout.frame_bytes)
            data = file.read((last - first) * layout.frame_bytes)
        if len(data) < (last - first) * layout.frame_bytes:
            raise EiferError(f"'{path.name}' has become shorter since it was opened; copy it again.")
        frames = np.frombuffer(data, dtype=np.uint8).reshape(last - first, layout.frame_bytes)
        analog = np.ascontiguousarray(frames[:, layout.skip : layout.skip + width])
        if layout.is_dec and layout.dtype.itemsize == 4:
            numbers = _from_dec(analog.reshape(-1)).reshape(-1, layout.channels)
        else:
            numbers = analog.view(layout.dtype).reshape(-1, layout.channels)
        begin = start - first * layout.per_frame
        with np.errstate(all="ignore"):
            rows = numbers[begin : begin + stop - start, at].astype(np.float64)
            return to_float32((rows - offsets[at]) * scales[at])

    return BlockSamples(layout.frames * layout.per_frame, layout.channels, read)


# --- header ---------------------------------------------------------------------------------------


def _read_header(path: Path) -> tuple[_Layout, Parameters, float, list[str]]:
    """(where the samples are, parameters, samples per second, notes). Raises Damaged or EiferError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_BLOCK)
        file.seek((head[0] - 1) * _BLOCK)
        start = file.read(4)
        if len(start) < 4 or start[3] not in (_INTEL, _DEC, _MIPS):
            raise Damaged("it is cut off")
        section = start + file.read(256 * _BLOCK - 4)
    processor = start[3]
    order = ">" if processor == _MIPS else "<"
    parameters = _parameters(section, order, processor)
    points, measurements, first, last = struct.unpack(order + "4H", head[2:10])
    block, per_frame = struct.unpack(order + "2H", head[16:20])
    scale, frame_rate = (_float(head[at : at + 4], order, processor) for at in (12, 20))
    scale = _one(parameters, "POINT:SCALE", scale)
    block = int(_one(parameters, "POINT:DATA_START", block)) & 0xFFFF or block
    per_frame = per_frame or 1
    channels = measurements // per_frame
    if channels == 0:
        raise EiferError(
            f"'{path.name}' holds no analog channels, only points; choose the file with the EMG."
        )
    if channels * per_frame != measurements or channels > _MOST_CHANNELS or block < 2:
        raise Damaged("its numbers of channels contradict each other")
    is_float = scale < 0
    dtype = np.dtype(order + ("f4" if is_float else "i2"))
    if not is_float and "UNSIGNED" in "".join(_texts_of(parameters, "ANALOG:FORMAT")).upper():
        dtype = np.dtype(order + "u2")
    skip = 4 * points * dtype.itemsize
    frame_bytes = skip + measurements * dtype.itemsize
    offset = (block - 1) * _BLOCK
    there = max(size - offset, 0) // frame_bytes
    frames = _frame_count(parameters, first, last, there)
    if frames > there:
        raise Damaged(f"it is cut off, it announces {frames} frames and holds {there}")
    frame_rate = _one(parameters, "POINT:RATE", frame_rate)
    rate = _one(parameters, "ANALOG:RATE", frame_rate * per_frame)
    notes = []
    if frame_rate > 0 and abs(rate / (frame_rate * per_frame) - 1) > 0.01:
        notes.append(f"The file states {rate:g} Hz and {frame_rate * per_frame:g} Hz; the latter was taken.")
        rate = frame_rate * per_frame
    if not is_rate(rate):
        raise Damaged(f"a rate of {rate:g} Hz is impossible")
    if frames == 0:
        raise EiferError(f"'{path.name}' holds no samples; choose another file.")
    layout = _Layout(offset, frames, frame_bytes, skip, channels, per_frame, dtype, processor == _DEC)
    return layout, parameters, float(rate), notes


def _frame_count(parameters: Parameters, first: int, last: int, there: int) -> int:
    """Frames of the file; 16 bits are too few for long ones, which say it elsewhere."""
    stated = [last - first + 1 if last >= first else 0]
    stated += [int(v) & 0xFFFF for v in _numbers(parameters, "POINT:FRAMES")[:1] if v == int(v)]
    stated += [int(v) for v in _numbers(parameters, "POINT:LONG_FRAMES")[:1]]
    fields = [_numbers(parameters, f"TRIAL:ACTUAL_{end}_FIELD")[:2] for end in ("START", "END")]
    if all(len(f) == 2 for f in fields):
        begin, end = ((int(low) & 0xFFFF) + ((int(high) & 0xFFFF) << 16) for low, high in fields)
        stated.append(end - begin + 1)
    fits = [n for n in stated if 0 < n <= there]
    return max(fits, default=max(stated))


def _parameters(section: bytes, order: str, processor: int) -> Parameters:
    """Parameters of the groups that are needed."""
    groups: dict[int, str] = {}
    found: list[tuple[int, str, Any]] = []
    end, at = min(len(section), max(section[2], 1) * _BLOCK), 4
    while at + 2 <= end:
        length, number = (
            abs(struct.unpack("b", section[at : at + 1])[0]),
            struct.unpack("b", section[at + 1 : at + 2])[0],
        )
        if length == 0 or number == 0:
            break
        name = section[at + 2 : at + 2 + length].decode("latin-1").strip().upper()
        at += 2 + length
        step = struct.unpack(order + "H", section[at : at + 2])[0]
        if number < 0:
            groups[-number] = name
        elif at + 4 <= len(section):
            found.append((number, name, _value(section, at + 2, order, processor)))
        if step == 0:
            break
        if step < 2 or at + step > len(section):
            raise Damaged("its parameters are cut off")
        at += step
    return {
        f"{groups[number]}:{name}": value
        for number, name, value in found
        if groups.get(number) in _GROUPS and value is not None
    }


def _value(section: bytes, at: int, order: str, processor: int) -> Any:  # noqa: ANN401
    """Array, or list of texts, of a parameter at its type; None if it is not whole."""
    kind, count = struct.unpack("bB", section[at : at + 2])
    dims = tuple(section[at + 2 : at + 2 + count])
    size = abs(kind) * int(np.prod(dims, dtype=object))
    data = section[at + 2 + count : at + 2 + count + size]
    if kind not in (-1, 1, 2, 4) or count > 7 or len(dims) < count or len(data) < size:
        return None
    if kind == -1:
        width = dims[0] if dims else 1
        return [_decoded(data[i : i + width]) for i in range(0, size, width)] if width else []
    if kind == 4 and processor == _DEC:
        return _from_dec(np.frombuffer(data, dtype=np.uint8)).astype(np.float64).reshape(dims, order="F")
    form = {1: "i1", 2: order + "i2", 4: order + "f4"}[kind]
    return np.frombuffer(data, dtype=form).astype(np.float64).reshape(dims, order="F")


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8").strip("\x00 ")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace").strip("\x00 ")


def _from_dec(data: np.ndarray) -> np.ndarray:
    """float32 from a VAX's numbers, uint8 [4 n]: halves swapped, exponent two higher."""
    halves = np.ascontiguousarray(data).view("<u2").reshape(-1, 2)[:, ::-1]
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(halves).view("<f4")[:, 0] / np.float32(4)


def _float(data: bytes, order: str, processor: int) -> float:
    if processor == _DEC:
        return float(_from_dec(np.frombuffer(data, dtype=np.uint8))[0])
    return struct.unpack(order + "f", data)[0]


def _numbers(parameters: Parameters, name: str) -> list[float]:
    value = parameters.get(name)
    if not isinstance(value, np.ndarray):
        return []
    return [float(v) for v in value.reshape(-1, order="F") if np.isfinite(v)]


def _one(parameters: Parameters, name: str, otherwise: float) -> float:
    return next((v for v in _numbers(parameters, name) if v), otherwise)


def _texts_of(parameters: Parameters, name: str) -> list[str]:
    """Texts of a parameter and of its continuations (LABELS, LABELS2, ...)."""
    texts: list[str] = []
    for key in (name, *(f"{name}{i}" for i in range(2, 10))):
        value = parameters.get(key)
        texts += value if isinstance(value, list) else []
    return texts


# --- channels and events --------------------------------------------------------------------------


def _channels(
    parameters: Parameters, count: int
) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray, np.ndarray]:
    """(names, units, scales float64 [channels], offsets float64 [channels])."""
    labels = _texts_of(parameters, "ANALOG:LABELS")[:count]
    descriptions = _texts_of(parameters, "ANALOG:DESCRIPTIONS")[:count]
    labels += [""] * (count - len(labels))
    for i, description in enumerate(descriptions):
        # Amplifiers number their inputs; the muscle then stands in the description.
        if description and re.fullmatch(
            r"(|ch|channel|analog|emg|voltage|input|a)?[ ._-]*\d*", labels[i], re.I
        ):
            labels[i] = description
    names = tuple(n or f"Analog {i + 1}" for i, n in enumerate(labels))
    units = _texts_of(parameters, "ANALOG:UNITS")[:count]
    general = _one(parameters, "ANALOG:GEN_SCALE", 1.0)
    scales = _filled(_numbers(parameters, "ANALOG:SCALE"), count, 1.0) * general
    offsets = _filled(_numbers(parameters, "ANALOG:OFFSET"), count, 0.0)
    if "UNSIGNED" in "".join(_texts_of(parameters, "ANALOG:FORMAT")).upper():
        offsets = np.where(offsets < 0, offsets + 65_536, offsets)
    return names, (*units, *[""] * (count - len(units))), scales, offsets


def _filled(values: list[float], count: int, otherwise: float) -> np.ndarray:
    result = np.full(count, otherwise)
    result[: len(values)] = values[:count]
    return result


def _events(parameters: Parameters) -> list[Annotation]:
    """Events with their side; times are minutes and seconds, from the first frame of the trial on."""
    labels = _texts_of(parameters, "EVENT:LABELS")
    contexts = _texts_of(parameters, "EVENT:CONTEXTS")
    times = parameters.get("EVENT:TIMES")
    if not isinstance(times, np.ndarray) or times.ndim != 2 or len(times) != 2:
        return []
    starts = _numbers(parameters, "TRIAL:ACTUAL_START_FIELD")[:2]
    rate = _one(parameters, "POINT:RATE", 0.0)
    begin = 0.0
    if len(starts) == 2 and rate > 0:
        begin = ((int(starts[0]) & 0xFFFF) + ((int(starts[1]) & 0xFFFF) << 16) - 1) / rate
    result = []
    for i, (minutes, seconds) in enumerate(times.T[:_MOST_EVENTS].tolist()):
        onset = 60 * minutes + seconds
        if not np.isfinite(onset) or abs(onset) > 1e7 or i >= len(labels) or not labels[i]:
            continue
        side = contexts[i] if i < len(contexts) and contexts[i] not in ("", "General") else ""
        onset -= begin if onset >= begin > 0 else 0.0
        result.append(Annotation(onset, 0.0, f"{labels[i]} {side}".strip()[:200]))
    return result
