"""Numbers out of text, many at a time: cells of a block of bytes -> float64, in array operations only.

Eight characters fit one 64-bit word, whose digits three multiplications put together (the method is
known as SWAR, "SIMD within a register"). A number has two runs of digits, before and after its decimal
sign, of up to 16 digits each; whatever is written otherwise is left to the caller.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FRONT = 32  # zero bytes in front of a block, so that words may reach back over its beginning
_BACK = 16
_LONGEST_BLANKS = 64  # blanks around one cell that are still taken off here

_BYTES = np.uint64(0x0101010101010101)
_ZEROS, _HIGH = _BYTES * np.uint64(ord("0")), _BYTES * np.uint64(0x80)
_TO_HIGH = _BYTES * np.uint64(0x80 - 10)  # lifts every byte above 9 into its highest bit
# Of a word whose last character is its highest byte: the mask that keeps the last k characters.
_KEEP = np.array([0, *(((1 << 64) - 1) ^ ((1 << (64 - 8 * k)) - 1) for k in range(1, 9))], dtype=np.uint64)
_POWERS = np.array([float(f"1e{k}") for k in range(309)])
_KEEP.flags.writeable = _POWERS.flags.writeable = False
_EXACT_DIGITS = 15  # any whole number of so many digits is a float64
_RUN = 16


class Cells(NamedTuple):
    """Where the cells of a block lie: positions in `data`, intp [cells]."""

    data: np.ndarray  # uint8, `FRONT` zero bytes and then the block
    start: np.ndarray
    end: np.ndarray
    dot: np.ndarray  # the last decimal sign, or `end`; another one is no digit
    counts: np.ndarray  # intp [lines], cells of each line; blank lines have none


def pad(block: bytes) -> np.ndarray:
    """The bytes of a block between the margins that the other functions rely on, uint8."""
    data = np.empty((FRONT + len(block) + _BACK) // 8 * 8 + 8, dtype=np.uint8)
    data[:FRONT], data[FRONT + len(block) :] = 0, 0
    data[FRONT : FRONT + len(block)] = np.frombuffer(block, dtype=np.uint8)
    return data


def find_cells(block: bytes, delimiter: str | None, decimal: str) -> Cells | None:
    """Cells of whole lines that end with a newline each, blanks and quotes around them taken off.

    None if a quoted cell runs over the end of its line.
    """
    data = pad(block)
    text = data[: FRONT + len(block)]
    newline, point = text == 10, text == ord(decimal)
    if delimiter is None:
        return _blank_separated(data, text, newline, point)
    separator = text == ord(delimiter)
    quoted = b'"' in block
    if quoted:
        inside = np.bitwise_and(np.cumsum(text == ord('"'), dtype=np.uint8), 1).view(bool)
        if np.any(inside & newline):
            return None
        separator &= ~inside
    separator |= newline
    if quoted and decimal == delimiter:
        point &= inside
    elif decimal == delimiter:
        point[:] = False
    marks = np.flatnonzero(separator | point)
    is_end = separator[marks]
    at = np.flatnonzero(is_end)
    end = marks[at]
    start = np.empty_like(end)
    start[:1] = FRONT
    np.add(end[:-1], 1, out=start[1:])
    dot = marks[at - 1]
    plain = dot < start  # the mark before is the end of the cell before: there is no decimal sign
    plain[:1] = at[:1] == 0
    np.copyto(dot, end, where=plain)
    last = np.flatnonzero(newline[end])
    counts = np.diff(last, prepend=-1)
    if quoted or b" " in block or (delimiter != "\t" and b"\t" in block):
        start, end = _stripped(data, start, end, quoted)
        np.copyto(dot, end, where=plain)
    blank = (counts == 1) & (start[last] == end[last])
    if blank.any():
        keep = np.repeat(~blank, counts)
        start, end, dot = start[keep], end[keep], dot[keep]
        counts = np.where(blank, 0, counts)
    return Cells(data, start, end, dot, counts)


def _blank_separated(data: np.ndarray, text: np.ndarray, newline: np.ndarray, point: np.ndarray) -> Cells:
    """Cells between any runs of blanks."""
    ink = text > 32
    edges = np.flatnonzero(ink[1:] != ink[:-1]) + 1
    start, end = edges[0::2], edges[1::2]  # the block ends with a newline, so every cell has an end
    dots = np.flatnonzero(point)
    cell = np.searchsorted(start, dots, side="right") - 1
    dot = end.copy()
    dot[cell] = dots
    counts = np.diff(np.searchsorted(start, np.flatnonzero(newline)), prepend=0)
    return Cells(data, start, end, dot, counts)


def _stripped(
    data: np.ndarray, start: np.ndarray, end: np.ndarray, quoted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Cells without the blanks around them, without their quotes, and without the blanks in these."""
    for step in range(3 if quoted else 1):
        for _ in range(1 if step == 1 else _LONGEST_BLANKS):
            first, last = data[start], data[end - 1]
            left = (first == 34) if step == 1 else (first == 32) | (first == 9)
            right = (last == 34) if step == 1 else (last == 32) | (last == 9)
            start = start + (left & (start < end))
            end = end - (right & (start < end))
            if step != 1 and not (np.any(left) or np.any(right)):
                break
    return start, end


def parse_cells(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """(float64 [cells], bool [cells]: was not read).

    An empty cell is NaN and was read. A number of up to 15 digits is the nearest float64; of more
    digits it may be a few units in the last place (or 1e-16) off, and where that could change its
    float32, or where a cell is written in another way, it was not read.
    """
    data, start, end, dot = cells.data, cells.start, cells.end, cells.dot
    words = data.view("<u8").astype(np.uint64, copy=False)
    first = data[start]
    empty = start >= end
    negative = first == 45
    start = start + (negative | (first == 43))
    dot, end, exponent, wrong = _exponents(data, start, end, dot)
    whole, fraction = dot - start, end - dot
    fraction -= fraction > 0  # the decimal sign itself
    digits = whole + fraction
    wrong |= (digits < 1) | (whole > _RUN) | (whole < 0)
    long = fraction > _RUN
    if has_long := bool(long.any()):  # digits far below a float64's
        end = np.where(long, dot + 1 + _RUN, end)
        np.minimum(fraction, _RUN, out=fraction)
    before = _run(words, dot, whole, wrong)
    after = _run(words, end, fraction, wrong)
    # In float64 all of this is exact up to 15 digits, but for the one rounding of the division.
    scale = _POWERS[fraction]
    value = before.astype(np.float64)
    value *= scale
    value += after
    if exponent is None:
        value /= scale
    else:
        shift = exponent - fraction
        wrong |= np.abs(shift) > 300
        down, up = np.clip(-shift, 0, 300), np.clip(shift, 0, 300)
        with np.errstate(over="ignore"):
            value = value / _POWERS[down] * _POWERS[up]
    many = digits > _EXACT_DIGITS
    if exponent is not None:
        many |= np.abs(shift) > 22
    if many.any():
        # Without whole digits, those that were cut off may matter more than a float64's rounding.
        cut = np.where(long & (before == 0), 2.0**53 / np.maximum(after, 1), 0) if has_long else 0
        wrong |= many & _near_tie(value, cut)
    value.view(np.int64)[...] ^= negative.astype(np.int64) << 63
    if empty.any():
        value[empty] = np.nan
        wrong &= ~empty
    return value, wrong


def _run(words: np.ndarray, end: np.ndarray, length: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """int64 value of the `length` <= 16 characters before `end`; sets `wrong` where one is no digit."""
    value, bad = _word(words, end, np.clip(length, 0, 8))
    wrong |= bad
    if length.max(initial=0) > 8:
        longer = np.flatnonzero(length > 8)
        more, bad = _word(words, end[longer] - 8, np.clip(length[longer] - 8, 0, 8))
        value[longer] += more * 100_000_000
        wrong[longer] |= bad
    return value


def _word(words: np.ndarray, end: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(int64 value of the `length` <= 8 characters before `end`, whether one is no digit)."""
    at = end >> 3
    bits = end << 3
    bits &= 56
    bits = bits.view(np.uint64)
    x = words[at]
    x <<= np.uint64(64) - bits  # by 64: NumPy gives 0
    at -= 1
    x |= words[at] >> bits
    x ^= _ZEROS
    x &= _KEEP[length]
    wrong = x + _TO_HIGH
    wrong |= x
    wrong &= _HIGH
    # Pairs of digits, then fours, then all eight; the last character is in the highest byte.
    x *= np.uint64(10 * 256 + 1)
    x >>= np.uint64(8)
    x &= np.uint64(0x00FF00FF00FF00FF)
    x *= np.uint64(100 * 65536 + 1)
    x >>= np.uint64(16)
    x &= np.uint64(0x0000FFFF0000FFFF)
    x *= np.uint64(10_000 * (1 << 32) + 1)
    x >>= np.uint64(32)
    return x.view(np.int64), wrong != 0


def _exponents(
    data: np.ndarray, start: np.ndarray, end: np.ndarray, dot: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """(decimal sign, end of the digits, exponents or None, cells whose exponent is none)."""
    wrong = np.zeros(len(start), dtype=bool)
    letter = (data | 0x20) == ord("e")
    if not letter.any() or not len(start):
        return dot, end, None, wrong
    cell, letters = _letters(letter, start, end)
    last = end[cell]
    sign = data[letters + 1]
    first = letters + 1 + ((sign == 45) | (sign == 43))
    length = last - first
    value = np.zeros(len(cell), dtype=np.intp)
    fits = (length >= 1) & (length <= 3)
    for k in range(min(3, int(length.max(initial=0)))):
        digit = data[np.minimum(first + k, len(data) - 1)].astype(np.intp)
        digit -= 48
        there = k < length
        if there.all():
            value *= 10
            value += digit
            fits &= (digit >= 0) & (digit <= 9)
        else:
            value = np.where(there, value * 10 + digit, value)
            fits &= ~there | ((digit >= 0) & (digit <= 9))
    exponent = np.zeros(len(start), dtype=np.intp)
    exponent[cell] = np.where(sign == 45, -value, value)
    wrong[cell] = ~fits
    wrong |= np.bincount(cell, minlength=len(start)) > 1
    end = end.copy()
    end[cell] = letters
    return np.minimum(dot, end), end, exponent, wrong


def _letters(letter: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(cells in which an "e" stands, its positions); a cell with several comes several times."""
    at = np.zeros(len(start), dtype=np.intp)
    for back in (4, 5, 3, 2):  # where it stands nearly always: e+01, e-001, e-1, e1
        found = letter[end - back] & (end - back > start)
        np.copyto(at, end - back, where=found)
        cell = np.flatnonzero(at)
        if len(cell) == np.count_nonzero(letter):
            return cell, at[cell]
    letters = np.flatnonzero(letter)
    cell = np.minimum(np.searchsorted(end, letters), len(end) - 1)
    inside = (start[cell] < letters) & (letters < end[cell])  # others stand in columns of words
    return cell[inside], letters[inside]


def _near_tie(value: np.ndarray, more: np.ndarray | float) -> np.ndarray:
    """Whether float64s that are some units in the last place off may round to the wrong float32."""
    low = value.view(np.int64) & ((1 << 29) - 1)
    return np.abs(low - (1 << 28)) <= 16 + more
