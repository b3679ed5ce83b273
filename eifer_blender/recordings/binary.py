"""Rows of equal size in a binary file, read in blocks and never mapped into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

import numpy as np

from ..errors import EiferError
from .blocks import BlockSamples

LARGEST = 1e30  # no amplifier wrote that
MOST_BYTES = 3 * 2**30  # formats that cannot be read in blocks refuse above this


class Damaged(Exception):  # noqa: N818 - never leaves a reader
    """What a file says contradicts itself; the message is the reason, for people."""


@dataclass(frozen=True)
class Layout:
    """Where the numbers of a file are.

    dtype: of one number; a structured type is one row. Three bytes without a type of their own
        (``"V3"``) are little-endian 24-bit integers.
    by_column: all rows of the first channel come before those of the second.
    fields: names of the columns in a structured dtype.
    """

    offset: int
    dtype: np.dtype
    rows: int
    columns: int
    by_column: bool = False
    fields: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of all rows."""
        return self.rows * self.dtype.itemsize * (1 if self.fields else self.columns)


def file_samples(path: Path, layout: Layout, factors: np.ndarray | None = None) -> BlockSamples:
    """Samples that are read from the file where they are asked for; float32, NaN for impossible numbers.

    Reading raises EiferError if the file has become shorter or has changed since now.
    """
    stamp = stamp_of(path)

    def read(start: int, stop: int, at: np.ndarray) -> np.ndarray:
        check_unchanged(path, stamp)
        result = np.empty((stop - start, len(at)), dtype=np.float32)
        with reading(path) as file:
            if layout.by_column:
                for k, column in enumerate(at):
                    first = int(column) * layout.rows + start
                    result[:, k] = to_float32(_numbers(path, file, layout, first, stop - start, 1)[:, 0])
            elif layout.fields:
                records = _numbers(path, file, layout, start, stop - start, 1)[:, 0]
                for k, column in enumerate(at):
                    result[:, k] = to_float32(records[layout.fields[column]])
            else:
                wide = _numbers(path, file, layout, start * layout.columns, stop - start, layout.columns)
                result[:] = to_float32(wide if len(at) == layout.columns else wide[:, at])
                if len(at) == layout.columns and not np.array_equal(at, np.arange(layout.columns)):
                    result = result[:, at]
        return result

    return BlockSamples(layout.rows, layout.columns, read, factors)


def exact_column(path: Path, layout: Layout, column: int, block: int = 65_536) -> np.ndarray:
    """One column as float64 [rows], as a time column needs it."""
    result = np.empty(layout.rows)
    with reading(path) as file:
        if layout.by_column:
            return _numbers(path, file, layout, column * layout.rows, layout.rows, 1)[:, 0].astype(np.float64)
        for start in range(0, layout.rows, block):
            stop = min(start + block, layout.rows)
            if layout.fields:
                records = _numbers(path, file, layout, start, stop - start, 1)[:, 0]
                result[start:stop] = records[layout.fields[column]]
            else:
                wide = _numbers(path, file, layout, start * layout.columns, stop - start, layout.columns)
                result[start:stop] = wide[:, column]
    return result


def to_float32(values: np.ndarray) -> np.ndarray:
    """Numbers of any real type as float32; what no amplifier writes becomes NaN."""
    if values.dtype == np.float32 or values.dtype.kind in "iub":
        result = values.astype(np.float32)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            result = values.astype(np.float32)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            result[~(np.abs(result) <= LARGEST)] = np.nan
    return result


def _numbers(path: Path, file: RawIOBase, layout: Layout, first: int, rows: int, columns: int) -> np.ndarray:
    """[rows, columns] of the file's own type from number `first` on."""
    size = layout.dtype.itemsize
    data = np.empty(rows * columns * size, dtype=np.uint8)
    read_exactly(path, file, layout.offset + first * size, memoryview(data))
    if layout.dtype == np.dtype("V3"):
        return _int24(data).reshape(rows, columns)
    return data.view(layout.dtype).reshape(rows, columns)


def _int24(data: np.ndarray) -> np.ndarray:
    """int32 from little-endian bytes, three for each number."""
    wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = data.reshape(-1, 3)
    return wide.view("<i4")[:, 0] >> 8


def stamp_of(path: Path) -> tuple[int, int]:
    """(bytes, time of the last change) of a file, to tell later whether it is still the same."""
    try:
        status = path.stat()
    except OSError:
        raise EiferError(f"'{path.name}' is no longer there; put it back or open it again.") from None
    return status.st_size, status.st_mtime_ns


def check_unchanged(path: Path, stamp: tuple[int, int]) -> None:
    """Raises EiferError if a file has changed or gone since `stamp_of`."""
    if stamp_of(path) != stamp:
        raise EiferError(f"'{path.name}' has changed since it was opened; open it again.")


@contextmanager
def reading(path: Path) -> Iterator[RawIOBase]:
    """The file, opened for reading; EiferError if the disk or the network fails."""
    try:
        with path.open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        raise EiferError(unreadable(path, error)) from None


def unreadable(path: Path, error: OSError) -> str:
    """The sentence for a file that the system does not give."""
    reason = error.strerror or type(error).__name__
    return f"'{path.name}' could not be read ({reason}); check the drive and who may read the file."


def read_exactly(path: Path, file: RawIOBase, offset: int, into: memoryview) -> None:
    """Fill a buffer of bytes from `offset` on. Raises EiferError if the file ends before."""
    file.seek(offset)
    while len(into):
        count = file.readinto(into)
        if not count:
            raise EiferError(f"'{path.name}' has become shorter since it was opened; copy it again.")
        into = into[count:]
