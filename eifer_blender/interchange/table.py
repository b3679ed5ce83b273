"""Tables of other programs: comma, semicolon or tab, decimal comma, gzipped or not, of any encoding."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..datasets.tables import read_bytes
from ..errors import EiferError
from .clip import MOST_FRAMES

_MOST_COLUMNS = 4096
_LONGEST_LINE = 1 << 20
_FEW_ROWS = 256  # rows of words that are held at once
_LONGEST_WORD = 64
_LARGEST = 1e6  # no parameter of a face is larger


class Table:
    """A text table in memory; its columns are parsed when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Raises EiferError if the file cannot be read, is too large, or does not begin with names."""
        self.path = path
        self.data = read_bytes(path)
        if max(self.data.count(b"\n"), self.data.count(b"\r")) > MOST_FRAMES:
            raise EiferError(f"'{path.name}' has more than {MOST_FRAMES} rows; is it one animation?")
        if b"\0" in self.data[:4096] and not self.data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise EiferError(f"'{path.name}' is no text; choose a CSV file with a row for each frame.")
        self.delimiter = self._find_delimiter()
        self.names = [name.strip() for name in self._header(self._lines())]
        if len(self.names) > _MOST_COLUMNS:
            raise EiferError(f"'{path.name}' has {len(self.names)} columns; is it one animation?")
        lines = max(self.data.count(b"\n"), self.data.count(b"\r")) + 1
        if self.data.count(self.delimiter.encode()) > lines * len(self.names):
            raise EiferError(
                f"The rows of '{path.name}' have more cells than the {len(self.names)} columns with names; "
                "export it again."
            )
        self._mend_decimals()

    def numbers(self, columns: Sequence[int]) -> np.ndarray:
        """float32 [rows, columns]; NaN where a cell is empty or no number.

        Raises EiferError if a row is too short, or a number is beyond all that a face can mean.
        """
        try:
            values = self._fast(columns)
        except (ValueError, IndexError):
            values = self._slowly(columns)
        values[~np.isfinite(values)] = np.nan
        if np.nanmax(np.abs(values), initial=0.0) > _LARGEST:
            raise EiferError(f"'{self.path.name}' holds numbers that no face can mean; export it again.")
        return values

    def words(self, column: int) -> list[str]:
        """Cells of one column as text."""
        return [row[column][:_LONGEST_WORD] for row in self._rows([column])]

    def _fast(self, columns: Sequence[int]) -> np.ndarray:
        lines = self._lines()
        self._header(lines)
        if not self._has_rows():
            return np.empty((0, len(columns)), np.float32)
        return np.loadtxt(
            lines, np.float32, comments=None, delimiter=self.delimiter, usecols=columns, ndmin=2
        )

    def _slowly(self, columns: Sequence[int]) -> np.ndarray:
        rows = self._rows(columns)
        parts = [np.empty((0, len(columns)), np.float32)]
        while few := list(itertools.islice(rows, _FEW_ROWS)):
            parts.append(np.array([[_number(row[c]) for c in columns] for row in few], np.float32))
        return np.concatenate(parts)

    def _rows(self, columns: Sequence[int]) -> Iterator[list[str]]:
        """Cells of every line that is not empty."""
        lines = self._lines()
        self._header(lines)
        try:
            for count, line in enumerate(lines, 1):
                if len(line) > _LONGEST_LINE:
                    raise EiferError(f"'{self.path.name}' has a line that is too long for a table.")
                cells = next(csv.reader([line], delimiter=self.delimiter), [])
                if len(cells) > max(columns):
                    yield cells
                elif any(cells):
                    raise EiferError(
                        f"Row {count} of '{self.path.name}' has {len(cells)} cells, but {len(self.names)} "
                        "columns have names; export it again."
                    )
        except csv.Error:
            raise EiferError(f"'{self.path.name}' is no CSV table; export it again.") from None

    def _lines(self) -> io.TextIOWrapper:
        utf16 = self.data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return io.TextIOWrapper(
            io.BytesIO(self.data), "utf-16" if utf16 else "utf-8-sig", errors="replace", newline=None
        )

    def _header(self, lines: io.TextIOWrapper) -> list[str]:
        """Names of the columns: the first line that is not empty."""
        for line in itertools.islice(iter(lambda: lines.readline(_LONGEST_LINE), ""), 100):
            if line.strip():
                try:
                    return next(csv.reader([line], delimiter=self.delimiter))
                except csv.Error:
                    break
        raise EiferError(f"'{self.path.name}' does not begin with the names of its columns; export it again.")

    def _has_rows(self) -> bool:
        lines = self._lines()
        self._header(lines)
        return any(line.strip() for line in itertools.islice(lines, 100))

    def _find_delimiter(self) -> str:
        """What splits the names most often."""
        first = next((line for line in itertools.islice(self._lines(), 100) if line.strip()), "")
        return max(",;\t", key=first[:_LONGEST_LINE].count)

    def _mend_decimals(self) -> None:
        """Decimal commas, which spreadsheets of many countries write, become points."""
        if self.delimiter != ",":
            self.data = self.data.replace(b",", b".")


def _number(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        return float("nan")
    return value if abs(value) < 3e38 else float("nan")
