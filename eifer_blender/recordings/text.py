"""Tables of numbers in text files of any origin: where they begin and how they are written.

`find_layout` looks at the first megabyte only; `rows.read_rows` reads what it has found.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EiferError
from .digits import find_cells, parse_cells
from .guess import is_unit, split_unit
from .options import is_rate

HEAD_BYTES = 1 << 20  # titles, header and a first stretch of rows must lie in this much
_MOST_COLUMNS = 4096
_SAMPLE_LINES = 60
_DIGIT = re.compile(r"\d")
_SAMPLE_CHARACTERS = 200_000
_HEADER_LINES = 12  # directly above the rows: names, units, rates
_LONGEST_HEADER_LINE = 100_000

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)
_MISSING = frozenset(
    ("", "na", "n/a", "null", "none", "nan", "-", "--", ".", "#n/a", "#nv", "inf", "-inf", "+inf")
)
_THOUSANDS = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2}([,' \u00a0\u202f])\d{3}(\1\d{3})*(\.\d+)?"),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}([.' \u00a0\u202f])\d{3}(\1\d{3})*(,\d+)?"),
}
TIME_NAME = re.compile(
    r"^(x|t|time|zeit|times?tamps?|zeitstempel|seconds?|sekunden?|secs?|s|ms|msec|elapsed|milliseconds?|"
    r"usec|min|minutes?|lsl.?timestamp|time.?stamps?.*|(date|datum).{0,3}(time|zeit).{0,10}|datetime|"
    r"(time|zeit|uhrzeit).{0,20}|.{0,80}\btime series)$",
    re.IGNORECASE,
)


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
    ragged: bool = False  # rows may end early: columns of different lengths side by side
    header_lines: frozenset[bytes] = frozenset()  # as they may stand between the rows once more

    @property
    def number_columns(self) -> tuple[int, ...]:
        """Columns that hold numbers, in file order."""
        return tuple(i for i in range(self.columns) if i not in self.text_columns)


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
    width, trailing = _width(lines, delimiter)
    paired = _paired_width(lines, delimiter)
    if paired:
        width, trailing = paired, False
    if width > _MOST_COLUMNS:
        raise EiferError(f"'{path.name}' has {width} columns; at most {_MOST_COLUMNS} can be read.")
    text_columns = _text_columns(lines, delimiter, width, decimal)
    if text_columns is None or len(text_columns) == width:
        raise EiferError(
            f"'{path.name}' holds no table of numbers; export the signals as columns of numbers."
        )
    first = _first_row(lines, delimiter, decimal, width, text_columns, bool(paired))
    if first is None:
        raise EiferError(
            f"No row of {width} numbers begins in the first {HEAD_BYTES >> 20} MiB of '{path.name}'; "
            "remove the text above the table."
        )
    above = lines[:first]
    names, units = _header(above, delimiter, width, bool(paired))
    interval, format = _stated_interval(above), "table"
    if found := _open_signals(above, width):
        names, interval, format = found[0], found[1] or interval, "OpenSignals text"
    return TextLayout(
        encoding, delimiter, decimal, first, width, trailing, names, units, text_columns, interval,
        format=format, ragged=bool(paired), header_lines=_repeatable(above, encoding),
    )  # fmt: skip


def _repeatable(above: Sequence[str], encoding: str) -> frozenset[bytes]:
    """Lines of the header in the bytes in which `rows` would meet them again."""
    code = "utf-8" if "16" in encoding or encoding == "utf-8-sig" else encoding
    return frozenset(
        line.strip().encode(code, "replace")
        for line in above[-_HEADER_LINES:]
        if line.strip() and len(line) < _LONGEST_HEADER_LINE
    )


def _width(lines: Sequence[str], delimiter: str | None) -> tuple[int, bool]:
    """(cells of a row, whether every row ends with a delimiter) by the sampled lines."""
    sample = [split_line(line, delimiter) for line in _sample(lines)]
    lengths = [len(cells) for cells in sample]
    width = max(set(lengths), key=lambda n: (lengths.count(n), n))
    sample = [cells for cells in sample if len(cells) == width]
    trailing = width > 1 and sum(not cells[-1] for cells in sample) == len(sample)
    if trailing and _header_fills(lines, delimiter, width):
        trailing = False
    return width - trailing, trailing


def _paired_width(lines: Sequence[str], delimiter: str | None) -> int:
    """Columns of a table whose header names several time columns, the first one first; else 0.

    Every signal then has its own clock, and columns end where their signal ends.
    """
    for line in lines[:2000]:
        if delimiter is None or len(line) > _LONGEST_HEADER_LINE or not _may_name_times(line):
            continue
        cells = split_line(line, delimiter)
        while cells and not cells[-1]:
            cells.pop()
        at = [i for i, c in enumerate(cells) if is_time_title(c) and len(c) > 2]  # "x, y, x, y" are no times
        spaced = len(at) >= 2 and at[0] == 0 and min(np.diff([*at, len(cells)])) >= 2
        if spaced and not any(is_number(c, ".") for c in cells):
            return _last_paired(cells)
    return 0


def _last_paired(cells: Sequence[str]) -> int:
    """Columns up to an empty title: behind it another table may stand, such as one of markers."""
    return next((i for i, c in enumerate(cells) if not c), len(cells))


def _may_name_times(line: str) -> bool:
    """A quick look before the careful one."""
    line = line.lower()
    return any(part in line for part in ("time", "zeit", "x[", "x [", "t[", "t [", "sec", "sek"))


def is_time_title(title: str) -> bool:
    """Whether a column's title says that it holds times."""
    name = split_unit(title)[0]
    return bool(name) and len(name) < 200 and TIME_NAME.match(name) is not None


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
    return number_of(cell, decimal) is not None


def number_of(cell: str, decimal: str) -> float | None:
    """Value of a cell, or None if it is no number in the file's own writing; infinite ones are NaN.

    Groups of thousands (``1.234,5``, ``1'234.5``) are understood.
    """
    cell = cell.replace("\u2212", "-")
    if not _is_plain(cell, decimal):
        if len(cell) < 5 or not _THOUSANDS[decimal].fullmatch(cell):
            return None
        cell = re.sub(r"[.' \u00a0\u202f]" if decimal == "," else r"[,' \u00a0\u202f]", "", cell)
    value = float(cell.replace(",", "."))
    return value if np.isfinite(value) else float("nan")


def _is_plain(cell: str, decimal: str) -> bool:
    """Whether a cell is a number without groups of thousands."""
    if decimal == ",":
        if "." in cell:
            return False
        cell = cell.replace(",", ".")
    return _NUMBER.fullmatch(cell) is not None


_GROUPED = {
    ",": re.compile(rb"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3})+(?![\d.])"),
    ".": re.compile(rb"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])"),
}


def without_thousands(block: bytes, delimiter: str | None, decimal: str) -> bytes:
    """The text of a table with ``1.234,5`` as ``1234,5``."""
    sign = b"." if decimal == "," else b","
    if sign not in block or sign.decode() == delimiter:
        return block
    return _GROUPED[decimal].sub(lambda found: found.group().replace(sign, b""), block)


def is_missing(cell: str) -> bool:
    """Whether a cell is empty or says in words that there is no value."""
    return cell.lower() in _MISSING


def _sample(lines: Sequence[str]) -> list[str]:
    """The last lines of the head with a digit: rows of the table, if there is one."""
    full = [line for line in lines if _DIGIT.search(line)]
    return full[-_SAMPLE_LINES:]


def _find_delimiter(name: str, lines: Sequence[str]) -> tuple[str | None, str]:
    """Delimiter and decimal sign under which most cells of the sampled lines are numbers."""
    sample = [line[: _SAMPLE_CHARACTERS // _SAMPLE_LINES * 4] for line in _sample(lines)]
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
    score = 0.0
    for cells in rows:
        if len(cells) == width:
            plain = [_is_plain(c, decimal) for c in cells]
            good = sum(len(c) for c, p in zip(cells, plain, strict=True) if p)
            # "1,234" may be thousands, but is more often a decimal comma.
            good += sum(
                0.9 * len(c) for c, p in zip(cells, plain, strict=True) if not p and is_number(c, decimal)
            )
            score += good / (sum(len(c) for c in cells) + 1)
    return score / len(rows)


def _text_columns(
    lines: Sequence[str], delimiter: str | None, width: int, decimal: str
) -> tuple[int, ...] | None:
    """Columns in which words outnumber numbers, or None if there is no number at all.

    All of the head counts, as cues may be rare; lines without any number are headers.
    """
    block = "".join(f"{line}\n" for line in lines if line.count('"') % 2 == 0).encode("utf-8", "replace")
    cells = find_cells(without_thousands(block, delimiter, decimal), delimiter, decimal)
    if cells is None or len(cells.start) == 0:
        return None
    _, wrong = parse_cells(cells)
    column = np.arange(len(cells.start)) - np.repeat(np.cumsum(cells.counts) - cells.counts, cells.counts)
    line = np.repeat(np.arange(len(cells.counts)), cells.counts)
    number = ~wrong & (cells.end > cells.start)
    with_numbers = np.bincount(line[number], minlength=len(cells.counts)) > 0
    inside = with_numbers[line] & (column < width)
    numbers = np.bincount(column[inside & number], minlength=width)
    words = np.zeros(width)
    for c in np.unique(column[inside & wrong]).tolist():
        odd = np.flatnonzero(inside & wrong & (column == c))
        some = odd[:: max(1, len(odd) // 500)]
        texts = [
            cells.data[cells.start[i] : min(cells.end[i], cells.start[i] + 100)]
            .tobytes()
            .decode("utf-8", "replace")
            for i in some.tolist()
        ]
        share = len(odd) / len(some)
        numbers[c] += round(share * sum(is_number(t, decimal) for t in texts))
        words[c] = share * sum(not is_number(t, decimal) and not is_missing(t) for t in texts)
    if not numbers.any():
        return None
    return tuple(int(c) for c in np.flatnonzero(words > numbers))


def _fits(
    cells: Sequence[str], width: int, text_columns: Sequence[int], decimal: str, ragged: bool = False
) -> bool:
    """Whether cells are a row of the table."""
    if ragged:
        cells = [*cells[:width], *[""] * (width - len(cells))]
    if not (width <= len(cells) <= width + 1) or (len(cells) == width + 1 and cells[-1]):
        return False
    numbers = [cells[i] for i in range(width) if i not in text_columns]
    found = [is_number(cell, decimal) for cell in numbers]
    return any(found) and all(ok or is_missing(c) for ok, c in zip(found, numbers, strict=True))


def _first_row(
    lines: Sequence[str],
    delimiter: str | None,
    decimal: str,
    width: int,
    text_columns: Sequence[int],
    ragged: bool,
) -> int | None:
    """Index of the first line from which on a few rows in sequence fit the table."""
    run = 0
    for i, line in enumerate(lines):
        if not line.strip():
            continue
        fits = _fits(split_line(line, delimiter), width, text_columns, decimal, ragged)
        run = run + 1 if fits else 0
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
    above: Sequence[str], delimiter: str | None, width: int, ragged: bool
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """(names or None, units) from the lines above the first row."""
    lines = [line for line in above if line.strip() and len(line) < _LONGEST_HEADER_LINE]
    keyed = {}
    for line in lines[-_HEADER_LINES:]:  # LabChart writes "ChannelTitle=" and "Range=" in front
        key, *cells = split_line(line, delimiter)
        if key.endswith("=") and len(cells) >= width - 1:
            keyed[key.lower()] = ("", *cells[: width - 1])
    if "channeltitle=" in keyed:
        units = tuple(u.strip("*") for u in keyed.get("unitname=", ("",) * width))
        return ("Time", *keyed["channeltitle="][1:]), ("s", *units[1:])
    rows: list[list[str] | None] = []
    for line in reversed(lines[-_HEADER_LINES:]):
        cells = _header_cells(line, delimiter, width, ragged or bool(rows))
        if cells is None and not rows:
            cells = _header_cells(line, delimiter, width - 1, False)
            cells = cells and ["", *cells]  # an index column without a name
        rows.append(cells)
    units = [""] * width
    while rows and rows[0] is not None and (named := [c for c in rows[0] if c]):
        if len(rows) > 1 and rows[1] is not None and all(is_unit(c) for c in named):
            units = [c.strip("[]() ") for c in rows[0]]
        elif not (len(rows) > 1 and all(_RATE_CELL.fullmatch(c) for c in named)):
            break
        rows.pop(0)
    if not rows or rows[0] is None or not any(rows[0]):
        return None, tuple(units)
    names = _two_rows(rows[0], rows[1:4])
    return tuple(c[:200] for c in names), tuple(units)


_RATE_CELL = re.compile(r"[\d.,]+\s*(k?hz|sps|m?s|m?sec|samples?)", re.IGNORECASE)


def _header_cells(line: str, delimiter: str | None, width: int, short: bool) -> list[str] | None:
    """The cells of a line above the rows if they are as many as the table's columns."""
    cells = split_line(line.lstrip("#%").strip(" ") if line.lstrip()[:1] in "#%" else line, delimiter)
    if len(cells) > width and (short or not any(cells[width:])):
        cells = cells[:width]
    if short and 2 <= len(cells) < width and not all(cells):
        cells = [*cells, *[""] * (width - len(cells))]
    return cells if len(cells) == width and width else None


def _two_rows(names: list[str], above: Sequence[list[str] | None]) -> list[str]:
    """Names that are told apart only by a row above them (muscle over side, sensor over channel)."""
    filled = [n for n in names if n]
    if len(set(filled)) == len(filled) and len(filled) == len(names):
        return names
    best, count = names, len(set(names))
    for upper in above:
        if upper is None:
            break
        if not any(upper) or any(re.search(r"\bmode\b", c, re.IGNORECASE) for c in upper):
            continue
        group, joined = "", []
        for over, name in zip(upper, names, strict=True):
            group = over or group
            joined.append(f"{group} {name}".strip() if group != name else name)
        if len(set(joined)) > count:
            best, count = joined, len(set(joined))
    return best


_PER_SAMPLE = {
    "usec": 1e-6, "us": 1e-6, "µs": 1e-6, "microseconds": 1e-6, "msec": 1e-3, "ms": 1e-3,
    "milliseconds": 1e-3, "sec": 1.0, "s": 1.0, "seconds": 1.0, "min": 60.0,
}  # fmt: skip


_RATE_WORD = r"(?:sampl\w*|abtast\w*|acqui\w*|aufnahme\w*|scan\w*)"
_RATE_LINE = re.compile(
    rf"{_RATE_WORD}[\s_-]*(?:rate|freq\w*)?|\bfreq\w*|\brate\b|\bfs\b|\bsr\b", re.IGNORECASE
)
_INTERVAL_LINE = re.compile(
    r"(?:interval\w*|periode?|abtastabstand|\bdt\b|zeitschritt|time\s?step)[^\d]{0,30}?([\d.,]+(?:e-?\d+)?)\s*([a-zµ]+)",
    re.IGNORECASE,
)
_EACH_SAMPLE = re.compile(r"([\d.,]+)\s*([a-zµ]+)\s*/\s*sample", re.IGNORECASE)
_PLAIN_RATE = re.compile(
    rf"{_RATE_WORD}[\s_-]*(?:rate|freq\w*)[\"']?\W{{1,3}}(?:Hz\W{{1,4}})?([\d.,]+)\W*$"
    r"|\"sampling rate\"\s*:\s*([\d.]+)",
    re.IGNORECASE,
)


def _stated_interval(above: Sequence[str]) -> float | None:
    """Seconds per row from a title line such as ``Sampling rate: 2000 Hz`` or ``0.5 msec/sample``."""
    for line in above[-200:]:
        line = line[:500]
        value = None
        if (found := re.search(r"([\d.,]+)\s*(k?)Hz", line, re.IGNORECASE)) and _RATE_LINE.search(line):
            value = _inverse(_float(found.group(1)) * (1000.0 if found.group(2) else 1.0))
        elif found := _EACH_SAMPLE.search(line) or _INTERVAL_LINE.search(line):
            value = _float(found.group(1)) * _PER_SAMPLE.get(found.group(2).lower(), np.nan)
        elif found := _PLAIN_RATE.search(line):
            value = _inverse(_float(found.group(1) or found.group(2)))
        if value is not None and 1e-6 <= value <= 100:
            return value
    return None


def _inverse(rate: float) -> float:
    return 1.0 / rate if rate > 0 else float("nan")


def _open_signals(above: Sequence[str], width: int) -> tuple[tuple[str, ...], float | None] | None:
    """(column names, seconds per row) of an OpenSignals (r)evolution text file, from its JSON line."""
    if not above or "opensignals" not in above[0].lower():
        return None
    line = next((text for text in above[:20] if text.lstrip("# \t").startswith("{")), "")
    try:
        devices = json.loads(line.lstrip("# \t")[:_LONGEST_HEADER_LINE])
    except (ValueError, RecursionError):
        return None
    names: list[str] = []
    interval = None
    for device in devices.values() if isinstance(devices, dict) else ():
        if not isinstance(device, dict):
            continue
        columns, sensors = _texts(device.get("column")), _texts(device.get("sensor"))
        labels = _texts(device.get("label"))
        plain = len(columns) - len(sensors)  # the counter and digital inputs come first
        for i, column in enumerate(columns):
            k = i - plain
            label = labels[k] if 0 <= k < len(labels) == len(sensors) else column
            names.append(f"{label} {sensors[k]}" if 0 <= k < len(sensors) and plain > 0 else column)
        rate = device.get("sampling rate")
        if isinstance(rate, int | float) and is_rate(rate):
            interval = 1.0 / rate
    return (tuple(n[:200] for n in names), interval) if len(names) == width else None


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - whatever the JSON holds
    return [str(v) for v in value] if isinstance(value, list) else []


def _float(text: str) -> float:
    try:
        return float(text.replace(",", ".").rstrip("."))
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
