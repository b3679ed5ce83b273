"""Tables of numbers in text files of any origin: where they begin, how they are written, their rows.

`find_layout` looks at the first megabyte only; `read_rows` streams the file in blocks of lines, so
memory stays a small multiple of the numbers.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import EiferError
from .guess import is_unit

HEAD_BYTES = 1 << 20  # titles, header and a first stretch of rows must lie in this much
_BLOCK_BYTES = 1 << 20
_LONGEST_LINE = 4 << 20
_MOST_COLUMNS = 4096
_SAMPLE_LINES = 60

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)
_MISSING = frozenset(
    ("", "na", "n/a", "null", "none", "nan", "-", "--", ".", "#n/a", "#nv", "inf", "-inf", "+inf")
)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]?\d)(?::([0-5]?\d(?:[.,]\d+)?))?")

_ENCODING_NAME = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "cp1252": "Windows-1252"}


@dataclass(frozen=True)
class TextLayout:
    """How a text file holds its table."""

    encoding: str
    delimiter: str | None  # None: any run of blanks
    decimal: str  # "." or ","
    first_line: int  # number of lines before the first row of numbers
    columns: int  # cells per row, without an empty last one
    trailing: bool  # every row ends with a delimiter
    names: tuple[str, ...] | None  # None where the file has no header row
    units: tuple[str, ...]
    text_columns: tuple[int, ...]  # columns that hold words
    interval: float | None = None  # seconds per row, where a title line says so
    stated_rows: int | None = None
    format: str = "table"
    notes: tuple[str, ...] = ()

    @property
    def number_columns(self) -> tuple[int, ...]:
        """Columns that hold numbers, in file order."""
        return tuple(i for i in range(self.columns) if i not in self.text_columns)


@dataclass(frozen=True)
class Rows:
    """What stands in the table: numbers float64 [n, number columns], words per text column."""

    numbers: np.ndarray
    words: dict[int, list[str]]
    sha256: str


def read_head(path: Path) -> bytes:
    """First bytes of a file; EiferError if it cannot be read or is empty."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise EiferError(f"'{path.name}' cannot be read ({error.strerror}); check the path.") from None
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise EiferError(f"'{path.name}' is empty; choose a file that holds a recording.")
    return head


def find_encoding(head: bytes, name: str) -> str:
    """Encoding of a text file; EiferError if the bytes are no text."""
    if head.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = head[0:4000:2].count(0), head[1:4000:2].count(0)
    if max(even, odd) > 0.3 * min(len(head), 4000) / 2 and min(even, odd) < 0.02 * len(head):
        return "utf-16-le" if odd > even else "utf-16-be"
    binary = len(re.findall(rb"[\x00-\x08\x0e-\x1f\x7f]", head[:65536]))
    if binary > 2 + len(head[:65536]) // 5000 or b"\x00" in head[:65536]:
        raise EiferError(
            f"'{name}' is neither a text table nor a format this extension reads; export it as CSV or EDF."
        )
    try:
        head[: max(0, len(head) - 4) or None].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 8 or len(head) < HEAD_BYTES:
            return "cp1252"
    return "utf-8"


def head_lines(path: Path, head: bytes) -> tuple[str, list[str]]:
    """(encoding, complete lines of the head)."""
    encoding = find_encoding(head, path.name)
    text = head.decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if len(head) >= HEAD_BYTES:
        lines = lines[:-1]
        if not lines:
            raise EiferError(
                f"Line 1 of '{path.name}' is longer than {HEAD_BYTES >> 20} MiB; "
                "save the table with one row a line."
            )
    while lines and not lines[-1].strip():
        lines.pop()
    return encoding, lines


def find_layout(path: Path, head: bytes) -> TextLayout:
    """Delimiter, decimal sign, header, units and first row of a text table.

    Raises EiferError, one sentence, if there is no table of numbers.
    """
    encoding, lines = head_lines(path, head)
    if special := _acknowledge(path.name, encoding, lines):
        return special
    delimiter, decimal = _find_delimiter(path.name, lines)
    sample = [split_line(line, delimiter) for line in _sample(lines)]
    lengths = [len(cells) for cells in sample]
    width = max(set(lengths), key=lambda n: (lengths.count(n), n))
    sample = [cells for cells in sample if len(cells) == width]
    trailing = width > 1 and sum(not cells[-1] for cells in sample) == len(sample)
    if trailing and _header_fills(lines, delimiter, width):
        trailing = False
    width -= trailing
    if width > _MOST_COLUMNS:
        raise EiferError(f"'{path.name}' has {width} columns; at most {_MOST_COLUMNS} can be read.")
    text_columns = _text_columns(lines, delimiter, width, decimal)
    if text_columns is None or len(text_columns) == width:
        raise EiferError(
            f"'{path.name}' holds no table of numbers; export the signals as columns of numbers."
        )
    first = _first_row(lines, delimiter, decimal, width, text_columns)
    if first is None:
        raise EiferError(
            f"No row of {width} numbers begins in the first {HEAD_BYTES >> 20} MiB of '{path.name}'; "
            "remove the text above the table."
        )
    names, units = _header(lines[:first], delimiter, width)
    interval = _stated_interval(lines[:first])
    return TextLayout(
        encoding, delimiter, decimal, first, width, trailing, names, units, text_columns, interval
    )


def split_line(line: str, delimiter: str | None) -> list[str]:
    """Cells of one line, unquoted and stripped."""
    if delimiter is None:
        return line.split()
    if '"' in line:
        try:
            return [c.strip() for c in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]
        except (csv.Error, StopIteration):
            pass
    return [cell.strip() for cell in line.split(delimiter)]


def is_number(cell: str, decimal: str) -> bool:
    """Whether a cell is a number in the file's own writing."""
    if decimal == ",":
        if "." in cell:
            return False
        cell = cell.replace(",", ".")
    return _NUMBER.fullmatch(cell) is not None


def _is_missing(cell: str) -> bool:
    return cell.lower() in _MISSING


def _sample(lines: Sequence[str]) -> list[str]:
    """The last lines of the head: rows of the table, if there is one."""
    full = [line for line in lines if line.strip()]
    return full[-_SAMPLE_LINES:]


def _find_delimiter(name: str, lines: Sequence[str]) -> tuple[str | None, str]:
    """Delimiter and decimal sign under which most cells of the sampled lines are numbers."""
    sample = [line[:200_000] for line in _sample(lines)]
    if not sample:
        raise EiferError(f"'{name}' holds no table of numbers; export the signals as columns of numbers.")
    best, choice = 0.0, None
    for delimiter in ("\t", ";", ",", "|", None):
        for decimal in (".", ",") if delimiter != "," else (".", "quoted"):
            sign = "," if decimal == "quoted" else decimal
            if decimal == "quoted" and not any('"' in line for line in sample):
                continue
            score = _numeric_score(sample, delimiter, sign)
            if score > best * 1.001 + 1e-9:
                best, choice = score, (delimiter, sign)
    if choice is None:
        raise EiferError(f"'{name}' holds no table of numbers; export the signals as columns of numbers.")
    return choice


def _numeric_score(sample: Sequence[str], delimiter: str | None, decimal: str) -> float:
    """Numeric characters in rows of the most frequent length: more is better."""
    rows = [split_line(line, delimiter) for line in sample]
    lengths = [len(cells) for cells in rows]
    width = max(set(lengths), key=lengths.count)
    # A wrong split tears numbers apart or leaves text: count the characters that are in numbers,
    # and divide by all; then prefer consistent rows.
    good = total = 0
    for cells in rows:
        total += sum(len(c) for c in cells) + 1
        if len(cells) == width:
            good += sum(len(c) for c in cells if is_number(c, decimal))
    return good / total if good else 0.0


def _text_columns(
    lines: Sequence[str], delimiter: str | None, width: int, decimal: str
) -> tuple[int, ...] | None:
    """Columns in which words outnumber numbers, or None if there is no number at all.

    All of the head counts, as cues may be rare; lines without any number are headers.
    """
    words, numbers = [0] * width, [0] * width
    for line in lines:
        cells = split_line(line, delimiter)[:width]
        found = [is_number(cell, decimal) for cell in cells]
        if len(cells) == width and any(found):
            for i, (cell, number) in enumerate(zip(cells, found, strict=True)):
                numbers[i] += number
                words[i] += not number and not _is_missing(cell)
    if not any(numbers):
        return None
    return tuple(i for i in range(width) if words[i] > numbers[i])


def _fits(cells: Sequence[str], width: int, text_columns: Sequence[int], decimal: str) -> bool:
    """Whether cells are a row of the table."""
    if not (width <= len(cells) <= width + 1) or (len(cells) == width + 1 and cells[-1]):
        return False
    numbers = [cells[i] for i in range(width) if i not in text_columns]
    found = [is_number(cell, decimal) for cell in numbers]
    return any(found) and all(ok or _is_missing(c) for ok, c in zip(found, numbers, strict=True))


def _first_row(
    lines: Sequence[str], delimiter: str | None, decimal: str, width: int, text_columns: Sequence[int]
) -> int | None:
    """Index of the first line from which on a few rows in sequence fit the table."""
    run = 0
    for i, line in enumerate(lines):
        if not line.strip():
            continue
        run = run + 1 if _fits(split_line(line, delimiter), width, text_columns, decimal) else 0
        if run == 1:
            start = i
        if run >= 3:
            return start
    return start if run else None


def _header_fills(lines: Sequence[str], delimiter: str | None, width: int) -> bool:
    """Whether some line names the last column, although every sampled row leaves it empty."""
    return any(
        len(cells) == width and cells[-1] and not is_number(cells[-1], ".")
        for cells in (split_line(line, delimiter) for line in lines[:50])
    )


def _header(
    above: Sequence[str], delimiter: str | None, width: int
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """(names or None, units) from the lines above the first row."""
    rows = []
    for line in [text for text in above if text.strip()][-3:]:
        cells = split_line(line.lstrip("#%").strip(" ") if line.lstrip()[:1] in "#%" else line, delimiter)
        if len(cells) == width + 1 and not cells[-1]:
            cells = cells[:-1]
        if len(cells) == width - 1 and not rows:
            cells = ["", *cells]  # an index column without a name
        rows.append(cells if len(cells) == width else None)
    rows.reverse()
    if not rows or rows[0] is None:
        return None, ("",) * width
    units: list[str] = [""] * width
    below_names = rows[0]
    named = [c for c in below_names if c]
    if len(rows) > 1 and rows[1] is not None and named and all(is_unit(c) for c in named):
        units = [c.strip("[]() ") for c in below_names]
        below_names = rows[1]
    if not any(below_names):
        return None, tuple(units)
    return tuple(c[:200] for c in below_names), tuple(units)


_PER_SAMPLE = {
    "usec": 1e-6, "us": 1e-6, "µs": 1e-6, "microseconds": 1e-6, "msec": 1e-3, "ms": 1e-3,
    "milliseconds": 1e-3, "sec": 1.0, "s": 1.0, "seconds": 1.0, "min": 60.0,
}  # fmt: skip


def _stated_interval(above: Sequence[str]) -> float | None:
    """Seconds per row from a title line such as ``Sampling rate: 2000 Hz`` or ``0.5 msec/sample``."""
    for line in above[-200:]:
        line = line[:500]
        if found := re.search(r"([\d.,]+)\s*(k?)Hz", line, re.IGNORECASE):
            if re.search(r"rate|freq|sampl|abtast|fs\b|sr\b", line, re.IGNORECASE):
                value = _float(found.group(1)) * (1000.0 if found.group(2) else 1.0)
                if 0.01 <= value <= 1e6:
                    return 1.0 / value
        elif found := re.search(r"([\d.,]+)\s*([a-zµ]+)\s*/\s*sample", line, re.IGNORECASE):
            value = _float(found.group(1)) * _PER_SAMPLE.get(found.group(2).lower(), np.nan)
            if 1e-6 <= value <= 100:
                return value
        elif found := re.search(
            r"(?:sampl\w*|abtast\w*)[\s_-]*(?:rate|freq\w*)\W{1,5}([\d.,]+)\s*$", line, re.IGNORECASE
        ):
            value = _float(found.group(1))
            if 0.01 <= value <= 1e6:
                return 1.0 / value
    return None


def _float(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


def _acknowledge(name: str, encoding: str, lines: Sequence[str]) -> TextLayout | None:
    """BIOPAC AcqKnowledge text export: title, interval, channel count, name and unit lines."""
    for start in range(min(3, len(lines) - 1)):
        interval = re.fullmatch(r"\s*([\d.,]+)\s*(\w+)\s*/\s*sample\s*", lines[start][:100])
        count = re.fullmatch(r"\s*(\d{1,4})\s*channels?\s*", lines[start + 1][:100])
        if interval and count:
            break
    else:
        return None
    channels = int(count.group(1))
    seconds = _float(interval.group(1)) * _PER_SAMPLE.get(interval.group(2).lower(), np.nan)
    after = start + 2 + 2 * channels
    pairs = [line.strip(" ,;\t")[:200] for line in lines[start + 2 : after]]
    if channels == 0 or len(pairs) < 2 * channels or not seconds > 0:
        raise EiferError(
            f"'{name}' begins as an AcqKnowledge text export but its list of {channels} channels "
            "is incomplete; export it again."
        )
    body = lines[after : after + _SAMPLE_LINES]
    delimiter, decimal = _find_delimiter(name, body)
    names, units = pairs[0::2], pairs[1::2]
    heading = [c for c in split_line(body[0], delimiter) if c] if body else []
    timed = len(heading) == channels + 1
    if timed:
        names, units = [heading[0], *names], ["", *units]
    stated, first = None, after
    if heading and not all(is_number(c, decimal) for c in heading):
        first += 1
        counts = [c for c in split_line(body[1], delimiter) if c] if len(body) > 1 else []
        if len(set(counts)) == 1 and counts[0].isdigit() and len(counts) >= channels:
            stated, first = int(counts[0]), first + 1
    rows = [split_line(line, delimiter) for line in lines[first : first + _SAMPLE_LINES] if line.strip()]
    width = channels + timed
    if not rows or not any(_fits(row, width, (), decimal) for row in rows):
        raise EiferError(
            f"'{name}' names {channels} channels but line {first + 1} does not hold {width} "
            "numbers; export it again."
        )
    trailing = all(len(row) == width + 1 for row in rows)
    return TextLayout(
        encoding, delimiter, decimal, first, width, trailing, tuple(names), tuple(units), (),
        seconds, stated, "AcqKnowledge text",
    )  # fmt: skip


def read_rows(path: Path, layout: TextLayout, limit: int | None = None) -> Rows:
    """Rows of a table, streamed; with `limit` only about that many bytes (for a quick look).

    Raises EiferError that names the line if a row has too few or too many cells, or a word where
    a number belongs.
    """
    digest = hashlib.sha256()
    parts: list[np.ndarray] = []
    words: dict[int, list[str]] = {i: [] for i in layout.text_columns}
    line_number, to_skip = 1, layout.first_line
    try:
        with path.open("rb") as file:
            for block in _line_blocks(file, path.name, layout.encoding, digest, limit):
                skipped = 0
                while to_skip and (end := block.find("\n", skipped)) >= 0:
                    skipped, to_skip = end + 1, to_skip - 1
                if to_skip:
                    continue
                line_number += layout.first_line if not parts else 0
                block = block[skipped:]
                parts.append(_parse(block, layout, path.name, line_number, words))
                line_number += block.count("\n")
    except OSError as error:
        raise EiferError(f"'{path.name}' cannot be read ({error.strerror}); try again.") from None
    width = len(layout.number_columns)
    numbers = np.concatenate(parts) if parts else np.empty((0, width))
    if len(numbers) == 0:
        raise EiferError(f"'{path.name}' has a header but no rows; export it again.")
    return Rows(numbers, words, digest.hexdigest())


def _line_blocks(
    file: BinaryIO, name: str, encoding: str, digest: hashlib._Hash, limit: int | None
) -> Iterator[str]:
    """Text of whole lines, about `_BLOCK_BYTES` at a time, newlines unified."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors="replace"), True)
    pending, taken = "", 0
    while True:
        data = file.read(min(_BLOCK_BYTES, limit - taken) if limit else _BLOCK_BYTES)
        taken += len(data)
        digest.update(data)
        text = pending + decoder.decode(data, final=not data)
        if not data or (limit and taken >= limit):
            end = text.rfind("\n") + 1 if data else len(text)
            if text[:end]:
                yield text[:end]
            return
        end = text.rfind("\n") + 1
        pending = text[end:]
        if len(pending) > _LONGEST_LINE:
            raise EiferError(
                f"A line of '{name}' is longer than {_LONGEST_LINE >> 20} MiB; "
                "save the table with one row a line."
            )
        if end:
            yield text[:end]


def _parse(block: str, layout: TextLayout, name: str, line: int, words: dict[int, list[str]]) -> np.ndarray:
    """float64 [rows, number columns] of a block that begins at line number `line`."""
    if not block.strip():
        return np.empty((0, len(layout.number_columns)))
    if '"' not in block and (layout.delimiter is not None or not layout.text_columns):
        values = _parse_fast(block, layout)
        if values is not None:
            for i in layout.text_columns:
                words[i] += [
                    line.split(layout.delimiter, i + 1)[i].strip()[:200]
                    for line in block.split("\n")
                    if line.strip()
                ]
            return values
    return _parse_slowly(block, layout, name, line, words)


def _parse_fast(block: str, layout: TextLayout) -> np.ndarray | None:
    """NumPy's own tokenizer; None if a row is not plain numbers (the slow way finds out why)."""
    d = layout.delimiter
    if layout.decimal == ",":
        block = block.replace(",", ".")
    if d is not None:
        if layout.trailing:
            block = block.rstrip("\n").replace(d + "\n", "\n").removesuffix(d) + "\n"
        if d + d in block:
            block = block.replace(d + d, f"{d}nan{d}").replace(d + d, f"{d}nan{d}")
        if "\n" + d in block:
            block = block.replace("\n" + d, f"\nnan{d}")
        if d + "\n" in block:
            block = block.replace(d + "\n", f"{d}nan\n")
        if block.startswith(d):
            block = "nan" + block
        if block.endswith(d):
            block += "nan"
    if layout.text_columns and not _even(block, d, layout.columns):
        return None
    try:
        values = np.loadtxt(
            io.StringIO(block),
            delimiter=d,
            comments=None,
            ndmin=2,
            usecols=layout.number_columns if layout.text_columns else None,
        )
    except (ValueError, IndexError):
        return None
    if values.shape[1] != len(layout.number_columns):
        return None
    values[~np.isfinite(values)] = np.nan
    return values


def _even(block: str, delimiter: str, columns: int) -> bool:
    """Whether every line has as many cells as the table: told which to use, NumPy does not count."""
    data = np.frombuffer(block.encode("utf-8"), dtype=np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    if len(data) and data[-1] != ord("\n"):
        ends = np.append(ends, len(data))
    between = np.diff(np.searchsorted(np.flatnonzero(data == ord(delimiter)), ends), prepend=0)
    return bool(np.all(between == columns - 1))


def _parse_slowly(
    block: str, layout: TextLayout, name: str, first_line: int, words: dict[int, list[str]]
) -> np.ndarray:
    """Cell by cell: quoted and missing cells, columns of words, and the reason if a row is wrong."""
    number_columns = layout.number_columns
    values: list[list[float]] = []
    for line, text in enumerate(block.split("\n"), first_line):
        if not text.strip():
            continue
        cells = split_line(text, layout.delimiter)
        while len(cells) > layout.columns and not cells[-1]:
            cells.pop()
        if len(cells) != layout.columns:
            raise EiferError(
                f"Line {line} of '{name}' has {len(cells)} cells where the rows above have {layout.columns}; "
                "correct or remove that line."
            )
        values.append([_cell(cells[i], layout, name, line, i) for i in number_columns])
        for i in layout.text_columns:
            words[i].append(cells[i][:200])
    return np.array(values, dtype=np.float64).reshape(len(values), len(number_columns))


def _cell(text: str, layout: TextLayout, name: str, line: int, column: int) -> float:
    if is_number(text, layout.decimal):
        value = float(text.replace(",", "."))
        return value if np.isfinite(value) else np.nan
    if _is_missing(text):
        return np.nan
    title = layout.names[column] if layout.names and layout.names[column] else str(column + 1)
    raise EiferError(
        f"Line {line} of '{name}' has '{text[:40]}' where column '{title[:40]}' holds numbers; "
        "correct or remove that line."
    )


def clock_seconds(words: Sequence[str]) -> np.ndarray | None:
    """Seconds [n] of a column of clock times (``12:03:04.250``), or None if it is something else."""
    found = [_CLOCK.fullmatch(word.strip()) for word in words[:1000]]
    if not found or not all(found):
        return None
    seconds = np.full(len(words), np.nan)
    for i, word in enumerate(words):
        if match := _CLOCK.fullmatch(word.strip()):
            parts = [float(p.replace(",", ".")) for p in match.groups() if p is not None]
            seconds[i] = sum(p * 60.0 ** (len(parts) - 1 - k) for k, p in enumerate(parts))
    return seconds
