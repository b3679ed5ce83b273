"""Number tables of a data set: CSV, plain or gzipped, read whole and written fast."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import EiferError

MAXIMUM_BYTES = 128 << 20  # of a table's text; half a minute of 531 columns has about 10 MB
MAXIMUM_FRAMES = 1_000_000  # of a table: nine hours
MAXIMUM_ROWS = 50_000  # of an index
_MAXIMUM_COLUMNS = 4096
_LONGEST_LINE = 1 << 20
_BLOCK = 1 << 20
_FEW_ROWS = 256  # rows of words that are held at once


def read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """(header, values float32 [rows, columns]) of a CSV file; cells that are empty or no numbers are NaN.

    Raises EiferError if it cannot be read, is larger than a clip can be, or rows differ in length.
    """
    data = read_bytes(path)
    if max(data.count(b"\n"), data.count(b"\r")) > MAXIMUM_FRAMES:
        raise EiferError(f"'{path.name}' has more than {MAXIMUM_FRAMES} rows; is it one clip?")
    header, lines = _header(data, path)
    if len(header) > _MAXIMUM_COLUMNS:
        raise EiferError(f"'{path.name}' has {len(header)} columns; is it one clip?")
    start = lines.tell()
    if not any(line.strip() for line in itertools.islice(lines, 100)):
        return header, np.empty((0, len(header)), np.float32)
    lines.seek(start)
    try:
        values = np.loadtxt(lines, dtype=np.float32, delimiter=",", ndmin=2, comments=None)
    except ValueError:
        header, lines = _header(data, path)
        values = _slowly(lines, len(header), path)
    if values.shape[1] != len(header):
        raise EiferError(
            f"'{path.name}' has {len(header)} column names but {values.shape[1]} columns of numbers."
        )
    values[~np.isfinite(values)] = np.nan
    return header, values


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of an index, each a dictionary of its cells by lower-case column names.

    Raises EiferError if it cannot be read or is longer than an index can be.
    """
    header, lines = _header(read_bytes(path), path)
    names = [name.strip().casefold() for name in header]
    rows = []
    for cells in _cells(lines, path):
        rows.append(dict(zip(names, (cell.strip() for cell in cells), strict=False)))
        if len(rows) > MAXIMUM_ROWS:
            raise EiferError(f"'{path.name}' has more than {MAXIMUM_ROWS} rows; is it the index?")
    return rows


def read_header(path: Path) -> list[str]:
    """Column names of a CSV file in lower case; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE).decode("utf-8-sig", "replace")
        return [name.strip().casefold() for name in next(csv.reader([line]), [])]
    except (OSError, csv.Error):
        return []


def _header(data: bytes, path: Path) -> tuple[list[str], io.TextIOWrapper]:
    """(column names, the lines below them)."""
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", errors="replace")
    try:
        header = next(csv.reader([lines.readline(_LONGEST_LINE)]), [])
    except csv.Error:
        header = []
    if not any(header):
        raise EiferError(f"'{path.name}' is empty; a table begins with the names of its columns.")
    return header, lines


def _slowly(lines: Iterable[str], width: int, path: Path) -> np.ndarray:
    """Values cell by cell, for files with empty cells or words."""
    rows, parts = _cells(lines, path), []
    while few := list(itertools.islice(rows, _FEW_ROWS)):
        wrong = next((row for row in few if len(row) != width), None)
        if wrong is not None:
            raise EiferError(f"'{path.name}' has {width} columns but a row of {len(wrong)} cells.")
        parts.append(np.array([[_number(cell) for cell in row] for row in few], np.float32))
    return np.concatenate(parts) if parts else np.empty((0, width), np.float32)


def _cells(lines: Iterable[str], path: Path) -> Iterator[list[str]]:
    """Cells of every line that is not empty."""
    try:
        for line in lines:
            if len(line) > _LONGEST_LINE:
                raise EiferError(f"'{path.name}' has a line that is too long for a table.")
            cells = next(csv.reader([line]), [])
            if cells:
                yield cells
    except csv.Error:
        raise EiferError(f"'{path.name}' is no CSV table.") from None


def _number(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        return float("nan")
    return value if abs(value) < 3e38 else float("nan")


def read_bytes(path: Path) -> bytes:
    """A file's bytes, unzipped if its name ends in .gz; never more than MAXIMUM_BYTES of them."""
    try:
        with path.open("rb") as file:
            stream = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            parts, size = [], 0
            while block := stream.read(_BLOCK):
                size += len(block)
                if size > MAXIMUM_BYTES:
                    raise EiferError(
                        f"'{path.name}' holds more than {MAXIMUM_BYTES >> 20} MiB; is it one clip?"
                    )
                parts.append(block)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise EiferError(f"'{path.name}' cannot be read: {reason}.") from None
    return b"".join(parts)


def table_bytes(
    header: Sequence[str], values: np.ndarray, *, index: bool = False, zipped: bool = False
) -> bytes:
    """CSV of values [rows, columns] with six significant digits, NaN as empty cells.

    With `index` a first, unnamed column counts 0, 1, ... Gzipped without a time stamp, so that the same
    values give the same bytes.
    """
    one = ",".join(["%.6g"] * values.shape[1])  # one format for a row: several times as fast as cells
    rows = (one % tuple(row) for row in values.tolist())
    if np.isnan(values).any():
        rows = (row.replace("nan", "") for row in rows)
    lines = [("," if index else "") + ",".join(header)]
    lines += (f"{k},{row}" if index else row for k, row in enumerate(rows))
    data = ("\n".join(lines) + "\n").encode()
    return gzip.compress(data, 1, mtime=0) if zipped else data


def rows_bytes(names: Sequence[str], rows: Iterable[dict[str, object]]) -> bytes:
    """CSV of an index with these columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
