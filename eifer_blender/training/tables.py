"""Tables of numbers that are printed, stored as JSON and shown in cards, always the same way."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_WIDTH = 108

Cell = str | float | None


@dataclass(frozen=True)
class Table:
    """One table; the same numbers lie in `evaluation.json` and in the cards."""

    name: str  # key in the stored result
    title: str
    note: str  # what the numbers are, in a sentence or two
    columns: tuple[str, ...]
    digits: tuple[int, ...]  # decimals of every column
    rows: tuple[tuple[Cell, ...], ...]  # None where there is no number


def make_table(
    name: str,
    title: str,
    note: str,
    columns: Sequence[tuple[str, int]],
    rows: Sequence[Sequence[Cell]],
) -> Table:
    """A table whose numbers are rounded to what is shown, so that stored and printed ones are equal."""
    labels, digits = zip(*columns, strict=True)
    return Table(name, title, note, labels, digits, tuple(_rounded(row, digits) for row in rows))


def to_json(table: Table) -> dict[str, object]:
    """Plain values of a table."""
    return asdict(table)


def from_json(stored: dict[str, object]) -> Table:
    """The table that `to_json` stored."""
    fields = dict(stored)
    for key in ("columns", "digits"):
        fields[key] = tuple(fields[key])
    fields["rows"] = tuple(tuple(row) for row in fields["rows"])
    return Table(**fields)


def to_markdown(table: Table) -> str:
    """The table as Markdown, with its title as a third-level heading and its note above it."""
    ruler = ["---" if d < 0 else "---:" for d in table.digits]
    lines = [
        table.columns,
        ruler,
        *([_text(c, d) for c, d in zip(r, table.digits, strict=True)] for r in table.rows),
    ]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    note = textwrap.fill(table.note, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return f"### {table.title}\n\n{note}\n\n{body}\n"


def _rounded(row: Sequence[Cell], digits: Sequence[int]) -> tuple[Cell, ...]:
    def cell(value: Cell, places: int) -> Cell:
        if value is None or isinstance(value, str):
            return value
        return None if math.isnan(value) else round(float(value), places)

    return tuple(cell(v, d) for v, d in zip(row, digits, strict=True))


def _text(value: Cell, digits: int) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.{max(digits, 0)}f}"
