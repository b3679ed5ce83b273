"""NPY and NPZ files; nothing in them is ever unpickled.

A large NPY matrix stays on the disk and is read in blocks; members of an NPZ are read whole after
their sizes have been compared with what they announce.
"""

from __future__ import annotations

import ast
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import EiferError
from .assemble import Signals, assemble
from .binary import MOST_BYTES, Layout, exact_column, file_samples
from .options import Options
from .types import Opened
from .variables import Tree, signals_of

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 65_536
_MOST_MEMBERS = 4096
_MOST_COLUMNS = 4096
_DEFLATE_RATIO = 1100  # no deflated data unfolds to more


def is_npy(path: Path, head: bytes) -> bool:
    """Whether the first bytes are those of an NPY file."""
    return head.startswith(_MAGIC)


def is_npz(path: Path, head: bytes) -> bool:
    """Whether a zip archive holds arrays (an Excel file is a zip archive too)."""
    if not head.startswith(b"PK\x03\x04") or len(head) < 30:
        return False
    length = struct.unpack("<H", head[26:28])[0]
    if head[30 : 30 + length].lower().endswith(b".npy"):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:_MOST_MEMBERS]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError):
        return False
    return any(n.lower().endswith(".npy") for n in names) and "[Content_Types].xml" not in names


def open_npy(path: Path, options: Options, look: bool = False) -> Opened:
    """One array; its longer axis is time. Samples are read from the file where they are asked for."""
    with path.open("rb") as file:
        shape, fortran, dtype, offset = _header(file, path.name, "")
    count = int(np.prod(shape, dtype=object))
    there = path.stat().st_size - offset
    if count * dtype.itemsize > there:
        raise EiferError(
            f"'{path.name}' is cut off: it announces {count * dtype.itemsize} bytes of numbers and holds "
            f"{there}; copy it again."
        )
    if count == 0:
        raise EiferError(f"'{path.name}' holds no samples; choose another file.")
    signals, notes = _array(path, shape, fortran, dtype, offset, options)
    return assemble(path, "NPY", [signals], options, notes=notes)


def _array(
    path: Path, shape: tuple[int, ...], fortran: bool, dtype: np.dtype, offset: int, options: Options
) -> tuple[Signals, list[str]]:
    notes: list[str] = []
    lengths = tuple(n for n in shape if n != 1) or (1,)
    if dtype.names:
        fields = tuple(n for n in dtype.names if dtype[n].kind in "fiub" and not dtype[n].shape)
        left_out = [n for n in dtype.names if n not in fields]
        if left_out:
            listed = ", ".join(f"'{n[:40]}'" for n in left_out[:6])
            notes.append(f"Columns without numbers were left out: {listed}.")
        if len(lengths) > 1 or not fields:
            raise EiferError(f"'{path.name}' is no table of numbers; save one named column for each channel.")
        layout = Layout(offset, dtype, lengths[0], len(fields), fields=fields)
    elif dtype.kind not in "fiub":
        raise EiferError(
            f"'{path.name}' holds {_kind(dtype)}, no signals; save a real matrix of samples × channels."
        )
    elif len(lengths) > 2:
        raise EiferError(
            f"'{path.name}' has {len(lengths)} dimensions; save a matrix of samples × channels instead."
        )
    else:
        rows, columns = lengths if len(lengths) == 2 else (lengths[0], 1)
        turned = columns > rows and not _wide_is_meant(columns, rows, options)
        layout = Layout(
            offset, dtype, columns if turned else rows, rows if turned else columns, turned != fortran
        )
    if layout.columns > _MOST_COLUMNS:
        raise EiferError(f"'{path.name}' has {layout.columns} columns, too many for a recording; save less.")
    signals = Signals(
        path.stem,
        file_samples(path, layout),
        layout.fields or None,
        exact=lambda column: exact_column(path, layout, column),
    )
    return signals, notes


def _wide_is_meant(columns: int, rows: int, options: Options) -> bool:
    """Whether a matrix that is wider than long has its channels in columns: the names say so."""
    return options.names is not None and len(options.names) == columns != rows


def open_npz(path: Path, options: Options, look: bool = False) -> Opened:
    """The arrays of an archive: signals, and beside them rate, time, names and events."""
    try:
        tree, notes = _members(path)
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        struct.error,
        MemoryError,
    ):
        raise EiferError(f"'{path.name}' is a damaged or cut off NPZ archive; save it again.") from None
    found = signals_of(tree, path.stem, options.rate)
    if not found.signals:
        raise EiferError(_nothing(path.name, notes, tree))
    return assemble(path, "NPZ", found.signals, options, found.annotations, [*notes, *found.notes])


def _nothing(name: str, notes: list[str], tree: Tree) -> str:
    if any("Python objects" in n for n in notes):
        return (
            f"'{name}' holds Python objects, which are not read because they could run code; save plain "
            "arrays of numbers."
        )
    return f"'{name}' holds no matrix of samples × channels; save the signals as one array."


def _members(path: Path) -> tuple[Tree, list[str]]:
    """(arrays by name, notes) of an archive whose sizes are true."""
    tree: Tree = {}
    notes: list[str] = []
    with zipfile.ZipFile(path) as archive:
        infos = [i for i in archive.infolist() if i.filename.lower().endswith(".npy")]
        if len(infos) > _MOST_MEMBERS:
            raise EiferError(f"'{path.name}' holds {len(infos)} arrays, too many for a recording.")
        _check_sizes(path, infos)
        for info in infos:
            name = info.filename[:-4]
            with archive.open(info) as file:
                value = _member(file, path.name, name, info.file_size, notes)
            if value is not None:
                tree[name] = value
    return tree, notes


def _check_sizes(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    size = path.stat().st_size
    if any(i.flag_bits & 1 for i in infos):
        raise EiferError(f"'{path.name}' is encrypted; save it without a password.")
    for info in infos:
        packed = info.compress_size
        lies = info.compress_type == zipfile.ZIP_STORED and info.file_size != packed
        lies |= info.compress_type == zipfile.ZIP_DEFLATED and info.file_size > _DEFLATE_RATIO * packed + 1024
        if packed > size or lies:
            raise EiferError(f"'{path.name}' is damaged, its sizes contradict each other; save it again.")
    needed = sum(i.file_size for i in infos)
    if needed > MOST_BYTES:
        raise EiferError(
            f"'{path.name}' would need {needed / 2**30:.1f} GiB of memory; save the signals as an NPY file "
            "or as EDF, which are read in blocks."
        )


def _member(file: BinaryIO, path_name: str, name: str, size: int, notes: list[str]) -> Any:  # noqa: ANN401
    """An array, a text, texts, a table as a dictionary, or None for what cannot be used."""
    shape, fortran, dtype, offset = _header(file, path_name, name)
    if dtype.hasobject:
        notes.append(f"'{name[:40]}' holds Python objects and was left out, because they could run code.")
        return None
    count = int(np.prod(shape, dtype=object))
    if count * dtype.itemsize != size - offset:
        raise EiferError(
            f"'{path_name}' is damaged: array '{name[:40]}' announces {count * dtype.itemsize} bytes and has "
            f"{size - offset}; save it again."
        )
    data = file.read(count * dtype.itemsize)
    array = np.frombuffer(data, dtype=dtype, count=count)
    array = array.reshape(shape, order="F" if fortran else "C")
    if dtype.names:
        return {n: _value(array[n]) for n in dtype.names}
    if dtype.kind == "c":
        notes.append(f"'{name[:40]}' holds complex numbers and was left out.")
        return None
    return _value(array)


def _value(array: np.ndarray) -> Any:  # noqa: ANN401
    if array.dtype.kind in "US":
        texts = [_text(v) for v in array.reshape(-1)[:_MOST_MEMBERS].tolist()]
        return texts[0] if array.ndim == 0 else texts
    return array


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _header(file: BinaryIO, path_name: str, member: str) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """(shape, Fortran order, type, bytes of the header) of an array in the NPY format."""
    what = f"array '{member[:40]}' of '{path_name}'" if member else f"'{path_name}'"
    start = file.read(12)
    if len(start) < 12 or not start.startswith(_MAGIC) or start[6] not in (1, 2, 3):
        raise EiferError(f"The header of {what} is damaged; save it again.")
    if start[6] == 1:
        length, begin = struct.unpack("<H", start[8:10])[0], start[10:]
    else:
        length, begin = struct.unpack("<I", start[8:12])[0], b""
    if length > _LONGEST_HEADER:
        raise EiferError(f"The header of {what} announces {length} bytes, which cannot be; save it again.")
    offset = 12 - len(begin) + length
    text = begin + file.read(max(length - len(begin), 0))
    if len(text) < length or length < len(begin):
        raise EiferError(f"The header of {what} is cut off; copy or save it again.")
    try:
        header = ast.literal_eval(text.decode("utf-8" if start[6] == 3 else "latin-1").strip())
        shape, fortran = header["shape"], header["fortran_order"]
        dtype = np.lib.format.descr_to_dtype(header["descr"])
        whole = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 2**48 for n in shape)
        if not whole or not isinstance(fortran, bool) or len(shape) > 16 or dtype.itemsize == 0:
            raise ValueError
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError, IndexError):
        raise EiferError(f"The header of {what} is damaged; save it again.") from None
    if dtype.hasobject and not member:
        raise EiferError(
            f"{what} holds Python objects, which are not read because they could run code; save plain "
            "numbers."
        )
    return shape, fortran, dtype, offset


def _kind(dtype: np.dtype) -> str:
    return {"c": "complex numbers", "U": "words", "S": "words", "M": "dates", "m": "durations"}.get(
        dtype.kind, "something else than numbers"
    )
