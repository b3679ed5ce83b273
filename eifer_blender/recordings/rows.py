"""Rows of a text table, streamed: numbers as float32, times as float64, words as bytes.

Blocks of whole lines go through `digits`; only lines that are no rows, and cells that are written in
some other way, are looked at one by one. Memory is the result and a few blocks.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import EiferError
from .binary import MOST_BYTES
from .digits import FRONT, Cells, find_cells, parse_cells
from .text import TextLayout, is_missing, number_of, without_thousands

_READ_BYTES = 1 << 20
_PARSE_BYTES = 1 << 17  # so many bytes make arrays that stay in a core's cache
_LONGEST_LINE = 4 << 20
_LONGEST_WORD = 200
_MOST_ODD_LINES = 50  # below the last row
_MOST_KNOWN_WORDS = 10_000
_MANY_GROUPED = 200
_LARGEST = 1e30  # no amplifier wrote more
_COMMENTS = (b"#", b"%", b"//")


@dataclass
class Rows:
    """What stands in a table."""

    numbers: np.ndarray  # float32 [n, number columns]; NaN where a cell is empty or says "missing"
    exact: dict[int, np.ndarray]  # float64 [n] of the columns of the file that were asked for
    words: dict[int, np.ndarray]  # bytes "S" [n] of the text columns
    sha256: str
    notes: list[str] = field(default_factory=list)


def read_rows(
    path: Path, layout: TextLayout, exact: Sequence[int] = (), limit: int | None = None, size: int = 0
) -> Rows:
    """Rows of a table; with `limit` only about that many bytes of the file (for a quick look).

    Columns in `exact` are kept as float64 too. `size` is the size of the file, from which the memory
    is foreseen. Raises EiferError that names the line if a row has too few or too many cells, or a word
    where a number belongs, and at once if the table would need more than `MOST_BYTES`.
    """
    table = _Table(path.name, layout, exact)
    digest = hashlib.sha256()
    try:
        # Hashing leaves the interpreter free, so it goes on beside the parsing.
        with path.open("rb") as file, ThreadPoolExecutor(1) as beside:
            pieces = _Pieces(path.name, layout.encoding)
            hashed: Future | None = None
            taken = 0
            while data := file.read(min(_READ_BYTES, limit - taken) if limit else _READ_BYTES):
                taken += len(data)
                if hashed is not None:
                    hashed.result()
                if not limit:
                    hashed = beside.submit(digest.update, data)
                for piece in _cut(pieces.add(data)):
                    table.add(piece)
                table.foresee(taken, size, look=bool(limit))
            if not limit:
                for piece in _cut(pieces.rest()):
                    table.add(piece, last=True)
    except OSError as error:
        raise EiferError(f"'{path.name}' cannot be read ({error.strerror}); try again.") from None
    except MemoryError:
        raise _too_large(path.name, MOST_BYTES) from None
    return table.finish(digest.hexdigest(), bool(limit))


def _too_large(name: str, needed: float) -> EiferError:
    return EiferError(
        f"'{name}' would need about {needed / (1 << 30):.1f} GiB of memory; split it, or save it as EDF or "
        "BrainVision, which are read piece by piece."
    )


class _Pieces:
    """Bytes as they come -> whole lines, newlines unified, UTF-16 as UTF-8."""

    def __init__(self, name: str, encoding: str) -> None:
        self.name, self.pending, self.held = name, b"", b""
        self.decoder = codecs.getincrementaldecoder(encoding)("replace") if "16" in encoding else None
        self.begun = False

    def add(self, data: bytes) -> bytes:
        """The lines that are complete now."""
        if not self.begun:
            self.begun, data = True, data.removeprefix(codecs.BOM_UTF8)
        if self.decoder:
            data = self.decoder.decode(data).encode("utf-8", "replace")
        data = self.held + data
        self.held = data[-1:] if data.endswith(b"\r") else b""
        if b"\r" in data:
            data = data[: len(data) - len(self.held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        data = self.pending + data
        end = data.rfind(b"\n") + 1
        self.pending = data[end:]
        if len(self.pending) > _LONGEST_LINE:
            raise EiferError(
                f"A line of '{self.name}' is longer than {_LONGEST_LINE >> 20} MiB; "
                "save the table with one row a line."
            )
        return data[:end]

    def rest(self) -> bytes:
        """The last line, if it does not end; it still does not."""
        if self.decoder:
            self.pending += self.decoder.decode(b"", final=True).encode("utf-8", "replace")
        return self.pending


def _cut(block: bytes) -> Iterator[bytes]:
    """A block in pieces of whole lines of about `_PARSE_BYTES`."""
    start = 0
    while start < len(block):
        end = block.rfind(b"\n", start, start + _PARSE_BYTES) + 1
        if end <= start:
            end = block.find(b"\n", start) + 1 or len(block)
        yield block[start:end]
        start = end


class _Table:
    """The rows found so far."""

    def __init__(self, name: str, layout: TextLayout, exact: Sequence[int]) -> None:
        self.name, self.layout = name, layout
        self.columns = np.array(layout.number_columns)
        self.cells = layout.columns + layout.trailing
        self.numbers = np.empty((0, len(self.columns)), dtype=np.float32)
        self.exact = {c: np.empty(0) for c in exact if c in layout.number_columns}
        self.words: dict[int, list[np.ndarray]] = {c: [] for c in layout.text_columns}
        self.word_bytes = 0
        self.rows, self.line, self.to_skip = 0, 1, layout.first_line
        self.odd: list[tuple[int, str, bool]] = []  # (line, what is wrong, whether it may be a footer)
        self.skipped = 0  # comments and repeated headers
        self.grouped = 0  # numbers with groups of thousands
        self.known: dict[bytes, float | None] = {}

    def add(self, block: bytes, last: bool = False) -> None:
        """Take the rows of whole lines; of the last line of the file, which may be cut off."""
        while self.to_skip and block:
            end = block.find(b"\n") + 1 or len(block)
            block, self.to_skip, self.line = block[end:], self.to_skip - 1, self.line + 1
        if not block:
            return
        cut_off = last and not block.endswith(b"\n")
        text = block + b"\n" if cut_off else block
        if self.grouped > _MANY_GROUPED:
            text = without_thousands(text, self.layout.delimiter, self.layout.decimal)
        cells = find_cells(text, self.layout.delimiter, self.layout.decimal)
        if cells is None:
            raise EiferError(
                f"A quotation mark in line {self._open_quote(block)} of '{self.name}' is not closed there; "
                "correct that line."
            )
        lines, at = self._row_cells(cells, block, cut_off)
        if len(lines):
            self._take(cells, lines, at, cut_off)
        self.line += len(cells.counts)
        if len(self.odd) > _MOST_ODD_LINES:
            raise EiferError(self.odd[0][1])

    def _open_quote(self, block: bytes) -> int:
        """Number of the first line with an odd number of quotation marks."""
        odd = (i for i, text in enumerate(block.split(b"\n")) if text.count(b'"') % 2)
        return self.line + next(odd, 0)

    def _row_cells(self, cells: Cells, block: bytes, cut_off: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """(lines that are rows, index of their cells [rows, columns] or None for "all of them")."""
        counts = cells.counts
        width = self.layout.columns
        if np.all(counts == width):
            return np.arange(len(counts)), None
        first = np.cumsum(counts) - counts
        # Cells behind the table's last column must be empty; `filled` counts those that are not.
        filled = np.concatenate(([0], np.cumsum(cells.end > cells.start)))
        behind = filled[first + counts] - filled[np.minimum(first + width, first + counts)]
        row = (counts >= width) & (behind == 0)
        if self.layout.ragged:
            row |= counts > 0
        for k in np.flatnonzero(~row & (counts > 0))[: 10 * _MOST_ODD_LINES]:
            self._odd_line(int(k), block, int(counts[k]), cut_off)
        if not self.layout.ragged:
            # A line whose extra cells are empty is a row too, unless other lines show that it is a short one.
            lines = np.flatnonzero(row)
            return lines, first[lines, None] + np.arange(width)
        lines = np.flatnonzero(row)
        at = first[lines, None] + np.minimum(np.arange(width), counts[lines, None] - 1)
        at[np.arange(width) >= counts[lines, None]] = -1
        return lines, at

    def _odd_line(self, k: int, block: bytes, count: int, cut_off: bool) -> None:
        """A line with too few or too many cells: a comment, a repeated header, a footer, or a mistake."""
        text = block.split(b"\n", k + 1)[k].strip()
        if text.startswith(_COMMENTS) or text in self.layout.header_lines:
            self.skipped += 1
            return
        line = self.line + k
        first = text.split((self.layout.delimiter or " ").encode(), 1)[0].strip(b'" \t')
        wordy = number_of(self._text(first), self.layout.decimal) is None and bool(first)
        is_last = cut_off and k == block.count(b"\n")
        self.odd.append(
            (
                line,
                f"Line {line} of '{self.name}' has {count} cells where the rows above have "
                f"{self.layout.columns}; correct or remove that line.",
                wordy or is_last,
            )
        )

    def _take(self, cells: Cells, lines: np.ndarray, at: np.ndarray | None, cut_off: bool) -> None:
        """Parse rows and add them."""
        every = at is None and len(self.columns) == self.layout.columns
        if at is None:
            at = np.arange(len(cells.start)).reshape(len(lines), self.layout.columns)
        chosen = cells if every else _choose(cells, at[:, self.columns])
        values, wrong = parse_cells(chosen)
        rows = np.ones(len(lines), dtype=bool)
        if wrong.any():
            self._other_writing(chosen, values, np.flatnonzero(wrong), lines, rows, cut_off)
        values = values.reshape(len(lines), len(self.columns))
        if not rows.all():
            values, lines, at = values[rows], lines[rows], at[rows]
        if len(lines) and self.odd and self.odd[0][0] < self.line + lines[-1]:
            raise EiferError(self.odd[0][1])  # rows go on below it, so it is no footer
        self._append(values)
        for c, parts in self.words.items():
            parts.append(_words(cells, at[:, c]))
            self.word_bytes += parts[-1].nbytes
        if self.word_bytes > MOST_BYTES // 2:
            raise _too_large(self.name, 2 * self.word_bytes)

    def _other_writing(
        self,
        cells: Cells,
        values: np.ndarray,
        wrong: np.ndarray,
        lines: np.ndarray,
        rows: np.ndarray,
        cut_off: bool,
    ) -> None:
        """Cells that `digits` leaves over: many digits, thousands, words for missing; or mistakes."""
        data, width = cells.data, len(self.columns)
        # "nan" is frequent enough to be known without a look at each.
        letters = data[cells.start[wrong][:, None] + np.arange(3)] | 0x20
        nan = (letters == (110, 97, 110)).all(1) & (cells.end[wrong] - cells.start[wrong] == 3)
        values[wrong[nan]] = np.nan
        for i in wrong[~nan].tolist():
            text = data[cells.start[i] : min(cells.end[i], cells.start[i] + 400)].tobytes()
            if text in self.known:
                value = self.known[text]
            else:
                value = self._cell(text)
                if len(self.known) < _MOST_KNOWN_WORDS:
                    self.known[text] = value
            if value is not None:
                values[i] = value
                self.grouped += b"." in text and b"," in text
                continue
            row = i // width
            if rows[row]:
                rows[row] = False
                start = cells.start[row * width]
                self._odd_cell(
                    int(lines[row]), text, i % width, data, start, cut_off and row == len(rows) - 1
                )

    def _cell(self, text: bytes) -> float | None:
        word = self._text(text).strip().strip('"').strip()
        value = number_of(word, self.layout.decimal)
        if value is None and is_missing(word):
            return float("nan")
        return value

    def _odd_cell(
        self, k: int, text: bytes, column: int, data: np.ndarray, start: int, is_last: bool
    ) -> None:
        """A row with a word where a number belongs."""
        begin = int(start)
        before = data[max(FRONT, begin - _LONGEST_WORD) : begin][::-1] == 10
        line_start = begin - (int(before.argmax()) if before.any() else 0)
        whole = data[line_start : line_start + 100_000].tobytes().split(b"\n", 1)[0].strip(b"\x00 \t")
        if whole.startswith(_COMMENTS) or whole in self.layout.header_lines:
            self.skipped += 1
            return
        line, c = self.line + k, int(self.columns[column])
        names = self.layout.names
        title = names[c] if names and names[c] else str(c + 1)
        wordless = column == 0 or c == 0
        word = self._text(text)[:40]
        # Words may be a person's name; digits tell where to look.
        there = f"'{word}'" if any(character.isdigit() for character in word) else "a word"
        self.odd.append(
            (
                line,
                f"Line {line} of '{self.name}' has {there} where column '{title[:40]}' "
                "holds numbers; correct or remove that line.",
                wordless or is_last,
            )
        )

    def _text(self, text: bytes) -> str:
        encoding = "utf-8" if "16" in self.layout.encoding else self.layout.encoding
        return text.decode(encoding, "replace")

    def _append(self, values: np.ndarray) -> None:
        count = self.rows + len(values)
        if count > len(self.numbers):
            self._grow(max(count, len(self.numbers) * 5 // 4))
        with np.errstate(over="ignore", invalid="ignore"):
            for c, column in self.exact.items():
                column[self.rows : count] = values[:, int(np.searchsorted(self.columns, c))]
            values[~(np.abs(values) <= _LARGEST)] = np.nan
            self.numbers[self.rows : count] = values
        self.rows = count

    def _grow(self, rows: int) -> None:
        self._refuse_beyond(rows)
        self.numbers.resize((rows, len(self.columns)), refcheck=False)
        for column in self.exact.values():
            column.resize(rows, refcheck=False)

    def foresee(self, taken: int, size: int, look: bool) -> None:
        """Make room for the rest of the file, or refuse it, by what its beginning was like."""
        if not self.rows or size <= taken or len(self.numbers) > self.rows * 2:
            return
        rows = int(self.rows / taken * size * 1.02) + 1000
        if look:
            self._refuse_beyond(rows)
        elif rows > len(self.numbers):
            self._grow(rows)

    def _refuse_beyond(self, rows: int) -> None:
        needed = rows * (4 * len(self.columns) + 8 * len(self.exact)) + self.word_bytes
        if needed > MOST_BYTES:
            raise _too_large(self.name, needed)

    def finish(self, sha256: str, look: bool) -> Rows:
        """The whole table. Raises EiferError if there is none, or if its end is wrong."""
        if self.rows == 0:
            raise EiferError(
                self.odd[0][1] if self.odd else f"'{self.name}' has a header but no rows; export it again."
            )
        notes = []
        for _, sentence, footer in self.odd:
            if not footer and not look:
                raise EiferError(sentence)
        if self.odd and not look:
            many = len(self.odd)
            notes.append(
                f"The last {many} lines of the file are no rows and were left out."
                if many > 1
                else "The last line of the file is no row and was left out."
            )
        if self.skipped:
            notes.append(f"{self.skipped} lines between the rows are comments or headers and were left out.")
        self.numbers.resize((self.rows, len(self.columns)), refcheck=False)
        for column in self.exact.values():
            column.resize(self.rows, refcheck=False)
        words = {c: np.concatenate(parts) for c, parts in self.words.items()}
        return Rows(self.numbers, self.exact, words, sha256, notes)


def _choose(cells: Cells, at: np.ndarray) -> Cells:
    """Cells at some indices; -1 stands for an empty cell."""
    at = at.ravel()
    start, end = cells.start[at], cells.end[at]
    none = at < 0
    if none.any():
        end = np.where(none, start, end)
    return Cells(cells.data, start, end, np.minimum(cells.dot[at], end), cells.counts)


def _words(cells: Cells, at: np.ndarray) -> np.ndarray:
    """Texts of cells as bytes "S" [n]."""
    start = cells.start[at]
    length = np.where(at < 0, 0, np.minimum(cells.end[at] - start, _LONGEST_WORD))
    width = max(int(length.max(initial=0)), 1)
    offset = np.arange(width)
    letters = cells.data[np.minimum(start[:, None] + offset, len(cells.data) - 1)]
    letters[offset >= length[:, None]] = 0
    return np.ascontiguousarray(letters).view(f"S{width}")[:, 0]
