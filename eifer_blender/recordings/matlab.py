"""MATLAB files: version 4 to 7 are read here, version 7.3 (which is HDF5) where h5py is at hand.

SciPy's reader believes what a file announces: damaged files make it crash the whole program or take
all memory (found by mutating files). Here every length, dimension and depth is compared with what
is there before it is used. The layout is that of MathWorks' "MAT-File Format"; the tests compare the
values with SciPy's.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import EiferError
from .assemble import assemble
from .binary import MOST_BYTES, Damaged
from .hdf5 import HDF5_MAGIC, read_hdf5
from .options import Options
from .types import Opened
from .variables import Found, Tree, signals_of

_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CODECS = {1: "latin-1", 2: "latin-1", 3: "utf-16", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_NUMERIC = range(6, 16)
_DEEPEST = 40
_MOST_VARIABLES = 20_000
_MOST_PARTS = 2_000_000  # cells and fields of a file
_INFLATE_RATIO = 1100  # no deflated data unfolds to more
_TYPES_4 = ("f8", "f4", "i4", "i2", "u2", "u1")


def is_matlab(path: Path, head: bytes) -> bool:
    """Whether the first bytes are those of a MATLAB (or another HDF5) file."""
    if head.startswith(HDF5_MAGIC) or head.startswith(b"MATLAB 7.3 MAT-file"):
        return True
    if head[:10] == b"MATLAB 5.0" or (len(head) >= 128 and head[124:128] in (b"\x00\x01IM", b"\x01\x00MI")):
        return True
    return _is_version_4(head)


def open_matlab(path: Path, options: Options, look: bool = False) -> Opened:
    """The signals among the variables of a file, and beside them rate, time, names and events."""
    with path.open("rb") as file:
        head = file.read(520)
    form = "MATLAB"
    notes: list[str] = []
    if head.startswith(HDF5_MAGIC) or head[512:].startswith(HDF5_MAGIC) or head.startswith(b"MATLAB 7.3"):
        form = "HDF5" if head.startswith(HDF5_MAGIC) else "MATLAB 7.3"
        tree = read_hdf5(path, form, notes)
    else:
        tree = _read(path, _is_version_4(head), notes)
    found = signals_of(tree, path.stem, options.rate)
    if not found.signals:
        raise EiferError(_nothing(path.name, form, found, notes))
    return assemble(path, form, found.signals, options, found.annotations, [*notes, *found.notes])


def _nothing(name: str, form: str, found: Found, notes: list[str]) -> str:
    if found.elsewhere:
        return (
            f"'{name}' keeps its samples in a second file (.fdt); in EEGLAB save the set as one file, or "
            "export it as EDF."
        )
    if any("objects" in n for n in notes):
        return (
            f"'{name}' holds its data as a MATLAB table or object, which only MATLAB can read; save the "
            "signals as a matrix of samples × channels."
        )
    return f"'{name}' holds no matrix of samples × channels; save the signals as one {form} matrix."


# --- version 5 to 7 -------------------------------------------------------------------------------


def _read(path: Path, version_4: bool, notes: list[str]) -> Tree:
    """Variables as plain arrays, texts, lists and dictionaries. Raises EiferError."""
    try:
        tree, objects = _read_4(path) if version_4 else _read_5(path)
    except (Damaged, struct.error, zlib.error, EOFError, UnicodeError, MemoryError):
        raise EiferError(f"'{path.name}' is a damaged or cut off MATLAB file; save it again.") from None
    if objects:
        notes.append(f"{objects} MATLAB tables, functions, objects or sparse matrices were left out.")
    return tree


def _read_5(path: Path) -> tuple[Tree, int]:
    """(variables by name, number of those that are objects). Raises Damaged or EiferError."""
    size = path.stat().st_size
    tree: Tree = {}
    objects = variables = 0
    with path.open("rb") as file:
        header = file.read(128)
        if len(header) < 128 or header[126:128] not in (b"IM", b"MI"):
            raise Damaged("header")
        order = "<" if header[126:128] == b"IM" else ">"
        tally = _Tally(path.name)
        while file.tell() < size:
            tag = file.read(8)
            if len(tag) < 8:
                raise Damaged("tag")
            kind, length = struct.unpack(order + "II", tag)
            end = file.tell() + length
            variables += 1
            if kind not in (_MATRIX, _COMPRESSED) or not length or end > size or variables > _MOST_VARIABLES:
                raise Damaged("element")
            source = _Source(file, length, kind == _COMPRESSED)
            if kind == _COMPRESSED:
                inner, within = struct.unpack(order + "II", source.read(8))
                if inner != _MATRIX or within > _INFLATE_RATIO * length + 1024:
                    raise Damaged("compressed element")
                length = within
            name, value = _Reader(source, order, tally).matrix(length, 0)
            source.finish()
            if value is None:
                objects += name is None
            elif name:
                tree[name] = value
            file.seek(end)
    return tree, objects


class _Tally:
    """Memory and parts that the variables of a file add up to."""

    def __init__(self, name: str) -> None:
        self.name, self.bytes, self.parts = name, 0, 0

    def add(self, size: int, count: int, parts: int = 1) -> None:
        """Count an element of `size` bytes; EiferError if all together need too much memory."""
        self.bytes += size + 4 * count  # as it is, and as float32
        self.parts += parts
        if self.parts > _MOST_PARTS:
            raise Damaged("too many parts")
        if self.bytes > MOST_BYTES:
            raise EiferError(
                f"'{self.name}' needs more than {MOST_BYTES / 2**30:.0f} GiB of memory; save the signals "
                "as EDF, BrainVision or NPY, which are read in blocks."
            )


class _Source:
    """Bytes of one element, compressed or not, read forwards only."""

    def __init__(self, file: BinaryIO, size: int, packed: bool) -> None:
        self.file, self.left = file, size
        self.unpacker = zlib.decompressobj() if packed else None

    def read(self, count: int) -> bytes:
        """The next few bytes; Damaged if there are fewer."""
        return self.take(count).tobytes()

    def take(self, count: int) -> np.ndarray:
        """The next bytes, uint8 [count]; memory is touched only as far as the bytes are there."""
        if self.unpacker is None and count > self.left:
            raise Damaged("cut off")
        result = np.empty(count, dtype=np.uint8)
        view, at = memoryview(result), 0
        while at < count:
            if self.unpacker is None:
                got = self.file.readinto(view[at:])
                self.left -= got
            else:
                more = self.unpacker.decompress(self._packed(), min(count - at, 1 << 20))
                got = len(more)
                view[at : at + got] = more
            if not got and (self.unpacker is None or self._ended()):
                raise Damaged("cut off")
            at += got
        return result

    def skip(self, count: int) -> None:
        """Go on without keeping anything."""
        if self.unpacker is None:
            if count > self.left:
                raise Damaged("cut off")
            self.file.seek(count, 1)
            self.left -= count
            return
        while count > 0:
            count -= len(self.take(min(count, 1 << 20)))

    def finish(self) -> None:
        """Compare the checksum of compressed data, where all of it was read."""
        if self.unpacker is not None and not self.unpacker.eof:
            self.unpacker.decompress(self._packed(), 1024)
            if not self.unpacker.eof and self._ended():
                raise Damaged("checksum")

    def _ended(self) -> bool:
        return self.unpacker.eof or (not self.left and not self.unpacker.unconsumed_tail)

    def _packed(self) -> bytes:
        if self.unpacker.unconsumed_tail:
            return self.unpacker.unconsumed_tail
        data = self.file.read(min(65_536, self.left))
        self.left -= len(data)
        return data


class _Reader:
    """Takes the matrices of one element apart."""

    def __init__(self, source: _Source, order: str, tally: _Tally) -> None:
        self.source, self.order, self.tally = source, order, tally

    def matrix(self, size: int, depth: int) -> tuple[str | None, Any]:
        """(name, value) of a matrix of `size` bytes; (None, None) for what is no plain data."""
        if depth > _DEEPEST:
            raise Damaged("too deep")
        self.tally.add(64, 0)
        flags = self.source.read(16)
        if self._unpack("I", flags[:4]) != 6 or size < 16:
            raise Damaged("flags")
        word, left = self._unpack("I", flags[8:12]), size - 16
        kind, is_complex = word & 0xFF, bool(word >> 8 & 8)
        if kind == _OPAQUE:
            if depth:  # at the top nothing follows
                for _ in range(3):
                    left -= self.element(min(left, 4096))[2]
                left -= self.nested(left, depth)[1]
                _ended(left)
            return None, None
        _, data, taken = self.element(128)
        dims = struct.unpack(f"{self.order}{len(data) // 4}i", data[: len(data) // 4 * 4].tobytes())
        left -= taken
        _, name, taken = self.element(4096)
        left -= taken
        if len(dims) < 2 or min(dims) < 0 or left < 0:
            raise Damaged("dimensions")
        value, left = self.value(kind, is_complex, dims, left, depth)
        _ended(left)
        plain = kind not in (_OBJECT, _FUNCTION, _SPARSE) and not is_complex
        return (name.tobytes().decode("latin-1"), value) if plain else (None, None)

    def value(
        self, kind: int, is_complex: bool, dims: tuple[int, ...], left: int, depth: int
    ) -> tuple[Any, int]:
        """(array, text, list or dictionary; bytes that are left)."""
        count = int(np.prod(dims, dtype=object))
        if kind in _NUMERIC:
            value, left = self.numbers(dims, count, left)
            return (None, self.numbers(dims, count, left)[1]) if is_complex else (value, left)
        if kind == _CHAR:
            item, data, taken = self.element(left, 5)
            return _texts(item, data, dims, count, self.order), left - taken
        if kind == _CELL:
            cells, left = self.parts(count, left, depth)
            return [c for c in cells if c is not None], left
        if kind in (_STRUCT, _OBJECT):
            if kind == _OBJECT:
                left -= self.element(4096)[2]
            return self.fields(count, left, depth)
        if kind == _SPARSE:
            for _ in range(4 if is_complex else 3):
                left -= self.element(left)[2]
            return None, left
        if kind == _FUNCTION:
            return None, left - self.nested(left, depth)[1]
        raise Damaged("class")

    def numbers(self, dims: tuple[int, ...], count: int, left: int) -> tuple[np.ndarray, int]:
        """(real array of the type in which it was saved, bytes that are left)."""
        item, data, taken = self.element(left, 4)
        if item not in _TYPES or len(data) != count * np.dtype(_TYPES[item]).itemsize:
            raise Damaged("numbers")
        return data.view(self.order + _TYPES[item]).reshape(dims, order="F"), left - taken

    def fields(self, count: int, left: int, depth: int) -> tuple[Any, int]:
        """(dictionary, or list of dictionaries; bytes that are left) of a structure."""
        _, width, taken = self.element(8)
        left -= taken
        _, names, taken = self.element(min(max(left, 0), 1_000_000))
        left -= taken
        step = self._unpack("i", width[:4].tobytes()) if len(width) >= 4 else 0
        if not 1 <= step <= 4096:
            raise Damaged("field names")
        keys = [
            names[at : at + step].tobytes().split(b"\x00")[0].decode("latin-1")
            for at in range(0, len(names) // step * step, step)
        ]
        if not keys and count > 100_000:
            raise Damaged("fields")
        values, left = self.parts(count * len(keys), left, depth)
        entries = [
            {k: v for k, v in zip(keys, values[i : i + len(keys)], strict=True) if v is not None}
            for i in range(0, len(values), max(len(keys), 1))
        ]
        return entries[0] if len(entries) == 1 else entries, left

    def parts(self, count: int, left: int, depth: int) -> tuple[list[Any], int]:
        """(values of so many matrices one after another, bytes that are left)."""
        values = []
        for _ in range(count):
            value, taken = self.nested(left, depth)
            left -= taken
            values.append(value)
        return values, left

    def nested(self, left: int, depth: int) -> tuple[Any, int]:
        """(value, bytes taken) of one matrix within another."""
        kind, length = struct.unpack(self.order + "II", self.source.read(8))
        if kind != _MATRIX or length + 8 > left:
            raise Damaged("nested element")
        if not length:
            self.tally.add(64, 0)
            return np.zeros((0, 0)), 8
        return self.matrix(length, depth + 1)[1], 8 + length

    def element(self, most: int, item: int = 1) -> tuple[int, np.ndarray, int]:
        """(type, content uint8, bytes taken) of an element of at most `most` bytes.

        Short content stands in the tag itself. `item` counts bytes of use for each byte read.
        """
        tag = self.source.read(8)
        kind, length = struct.unpack(self.order + "II", tag)
        if kind >> 16:
            kind, length = kind & 0xFFFF, kind >> 16
            if length > 4:
                raise Damaged("small element")
            return kind, np.frombuffer(tag, dtype=np.uint8)[4 : 4 + length], 8
        if length > most:
            raise Damaged("long element")
        size = np.dtype(_TYPES.get(kind, "u1")).itemsize
        self.tally.add(length, length // size if item > 1 else 0)
        data = self.source.take(length)
        self.source.skip(-length % 8 if self.source.unpacker else min(-length % 8, self.source.left))
        return kind, data, 8 + length + -length % 8

    def _unpack(self, form: str, data: bytes) -> int:
        return struct.unpack(self.order + form, data)[0]


def _ended(left: int) -> None:
    """The parts of a matrix must fill it (some writers leave out the last padding)."""
    if not -8 < left <= 0:
        raise Damaged("size")


def _texts(item: int, data: np.ndarray, dims: tuple[int, ...], count: int, order: str) -> Any:  # noqa: ANN401
    """A text, or a list of texts for several rows; characters stand column by column."""
    codec = _CODECS.get(item)
    if codec is None or count > max(len(data), 100_000 if not len(data) else 0):
        raise Damaged("characters")
    if not len(data):
        return ""
    if codec in ("utf-16", "utf-32"):
        codec += "-le" if order == "<" else "-be"
    text = data.tobytes().decode(codec, "replace")
    if dims[0] == 1 or len(dims) != 2:
        return text.rstrip("\x00 ")
    if len(text) != count:
        return None
    return ["".join(row).rstrip("\x00 ") for row in np.array(list(text)).reshape(dims, order="F").tolist()]


# --- version 4 ------------------------------------------------------------------------------------


def _is_version_4(head: bytes) -> bool:
    """Whether the first bytes are the header of a variable as MATLAB 4 wrote it."""
    try:
        _, _, _, _, name_length, _ = _header_4(head)
    except Damaged:
        return False
    name = head[20 : 20 + name_length]
    return len(name) == name_length and name.endswith(b"\x00") and name[:-1].decode("latin-1").isidentifier()


def _header_4(head: bytes) -> tuple[str, int, int, bool, int, int]:
    """(type, rows, columns, complex, length of the name, kind: 0 numbers, 1 text, 2 sparse)."""
    if len(head) < 20:
        raise Damaged("cut off")
    for order in "<>":
        kind, rows, columns, imaginary, name_length = struct.unpack(order + "5i", head[:20])
        m, o, p, t = kind // 1000, kind // 100 % 10, kind // 10 % 10, kind % 10
        if 0 <= kind < 5000 and m == (order == ">") and o == 0 and p < 6 and t < 3:
            if rows < 1 or columns < 1 or imaginary not in (0, 1) or not 1 < name_length <= 256:
                raise Damaged("header")
            return order + _TYPES_4[p], rows, columns, bool(imaginary), name_length, t
    raise Damaged("header")


def _read_4(path: Path) -> tuple[Tree, int]:
    """As `_read_5`."""
    size = path.stat().st_size
    tree: Tree = {}
    objects = 0
    tally = _Tally(path.name)
    with path.open("rb") as file:
        while file.tell() < size:
            dtype, rows, columns, is_complex, name_length, kind = _header_4(file.read(20))
            name = file.read(name_length).split(b"\x00")[0].decode("latin-1")
            length = rows * columns * np.dtype(dtype).itemsize
            end = file.tell() + length * (2 if is_complex else 1)
            if end > size or len(tree) > _MOST_VARIABLES:
                raise Damaged("cut off")
            tally.add(length, rows * columns)
            if kind == 2 or is_complex:
                objects += 1
            else:
                values = (
                    _Source(file, length, False).take(length).view(dtype).reshape((rows, columns), order="F")
                )
                tree[name] = _letters(values) if kind == 1 else values
            file.seek(end)
    return tree, objects


def _letters(values: np.ndarray) -> Any:  # noqa: ANN401
    codes = np.nan_to_num(values.astype(np.float64)).clip(0, 0xFFFF).astype(int)
    texts = ["".join(map(chr, row)).rstrip("\x00 ") for row in codes.tolist()]
    return texts[0] if len(texts) == 1 else texts
