"""Arrays from NPY and NPZ data of unknown origin: numbers and text only, never larger than what is there."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_KINDS = "fiubU"


def from_npy(data: bytes) -> np.ndarray:
    """The array of an NPY file's bytes.

    Raises ValueError if it is damaged, holds something else than numbers or text, or announces more values
    than it has.
    """
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"an NPY file of version {version}")
    try:
        shape, fortran, dtype = readers[version](stream)
    except (SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise ValueError("a damaged header") from error
    count = int(np.prod([int(size) for size in shape], dtype=object)) if shape else 1
    rest = data[stream.tell() :]
    if (
        dtype.kind not in _KINDS
        or dtype.itemsize == 0
        or min(shape, default=1) < 0
        or count * dtype.itemsize != len(rest)
    ):
        raise ValueError("values that do not fit the header")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")


def from_npz(
    source: Path | bytes, most_bytes: int, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Arrays of an NPZ by name: all of them, or of `names` those that are there.

    Raises ValueError if the archive or one of these arrays is damaged, or if they unpack to more than
    `most_bytes`; OSError if it cannot be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            sizes = {i.filename.removesuffix(".npy"): i.file_size for i in archive.infolist()}
            wanted = list(sizes) if names is None else [name for name in names if name in sizes]
            if sum(sizes[name] for name in wanted) > most_bytes:
                raise ValueError("more than it should hold")
            return {name: from_npy(archive.read(f"{name}.npy")) for name in wanted}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, KeyError, zlib.error) as error:
        raise ValueError("a damaged archive") from error
