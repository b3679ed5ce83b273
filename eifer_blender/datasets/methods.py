"""The reconstruction methods whose parameters a data set can hold, and which columns are expression."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import EiferError
from ..spaces import (
    ARKIT_NAMES,
    DEFAULT_SPACE,
    EXPRESSION_COUNT,
    EXPRESSION_NAMES,
    EYELID_NAMES,
    JAW_NAMES,
    ExpressionSpace,
)


class Group(NamedTuple):
    """Columns of one kind: `exp` x 50 are exp0 ... exp49, however a file spells them."""

    prefix: str
    count: int


class Method(NamedTuple):
    """A method's columns in their order, and those that are an expression."""

    name: str  # of its folder
    groups: tuple[Group, ...]  # none: the columns have the names of the space
    target: tuple[tuple[str, int], ...]  # (prefix, number) of each column of the space
    space: ExpressionSpace
    optional: tuple[str, ...] = ()  # parameters that are 0 where a file has no such column

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, as this project writes them."""
        if not self.groups:
            return self.space.names
        return tuple(f"{group.prefix}{k}" for group in self.groups for k in range(group.count))


def _run(prefix: str, count: int, first: int = 0) -> tuple[tuple[str, int], ...]:
    return tuple((prefix, first + k) for k in range(count))


def _bfm(count: int) -> ExpressionSpace:
    return ExpressionSpace(f"bfm-{count}", tuple(f"exp{k:03d}" for k in range(count)))


FLAME_55 = ExpressionSpace("flame-55", EXPRESSION_NAMES + EYELID_NAMES + JAW_NAMES)
"""FLAME with SMIRK's two eyelids: laid out as the default head's, but another head's coefficients."""

FLAME_53 = ExpressionSpace("flame-53", EXPRESSION_NAMES + JAW_NAMES)
"""FLAME without eyelids."""

ARKIT_52 = ExpressionSpace("arkit-52", ARKIT_NAMES)
"""Apple's 52 blend shapes, 0..1."""

_FLAME_GROUPS = tuple(
    Group(*g) for g in (("idt", 300), ("exp", 50), ("eyelid", 2), ("jaw", 3), ("pose", 3), ("cam", 3))
)
_DECA_GROUPS = tuple(
    Group(*g) for g in (("idt", 100), ("exp", 50), ("pose", 6), ("cam", 3), ("light", 27), ("tex", 50))
)
_FLAME_TARGET = _run("exp", EXPRESSION_COUNT) + _run("eyelid", 2) + _run("jaw", 3)
_DECA_TARGET = _run("exp", EXPRESSION_COUNT) + _run("pose", 3, 3)  # three of the head, then three of the jaw

METHODS: dict[str, Method] = {
    m.name: m
    for m in (
        Method("EIFER", _FLAME_GROUPS, _FLAME_TARGET, FLAME_55),
        Method("SMIRK", _FLAME_GROUPS, _FLAME_TARGET, FLAME_55),
        Method("DECA", _DECA_GROUPS, _DECA_TARGET, FLAME_53),
        Method("EMOCAv2", _DECA_GROUPS, _DECA_TARGET, FLAME_53),
        Method("Deep3DFace", (Group("idt", 80), Group("exp", 64)), _run("exp", 64), _bfm(64)),
        Method("FOCUS", (Group("idt", 199), Group("exp", 100)), _run("exp", 100), _bfm(100)),
        # MediaPipe's own 52nd name is "_neutral"; it does not know the tongue.
        Method("MediaPipe", (), (), ARKIT_52, ("tongueOut",)),
        Method("eifer-head-1", (), (), DEFAULT_SPACE),
    )
}
"""The seven methods of MMM and this project's own head, by the names of their folders.

Of Deep3DFace and FOCUS only the columns that are published are named here; files hold more.
"""

_PREFIX = re.compile(r"[a-z]+")
_DIGITS = "0123456789"
_LONGER = {"expression": "exp", "expr": "exp", "eyelids": "eyelid"}


def find_method(name: str) -> Method:
    """The method of a name, whatever its case; EiferError for an unknown one."""
    for method in METHODS.values():
        if method.name.casefold() == name.casefold():
            return method
    raise EiferError(f"The method '{name[:40]}' is unknown; known are {', '.join(METHODS)}.")


def target_columns(method: Method, header: Sequence[str], where: str) -> list[int]:
    """Position of every parameter of the method's space in a file's header.

    Numbers may begin at 0 or 1 and be padded; case, separators and words between name and number do not
    matter (`expression_params_7`). Columns without distinct numbers count from left to right, as when pandas
    tells columns of one name apart. An optional parameter that is not there is at -1. EiferError names the
    first column that is missing; `where` names the file.
    """
    if not method.target:
        plain = {_plain(title): k for k, title in enumerate(header)}
        otherwise = {name: -1 for name in method.optional}
        wanted = [(name, plain.get(_plain(name), otherwise.get(name))) for name in method.space.names]
    else:
        runs = _runs(header)
        wanted = [(f"{prefix}{k}", runs.get(prefix, {}).get(k)) for prefix, k in method.target]
    missing = [name for name, position in wanted if position is None]
    if missing:
        raise EiferError(
            f"'{where}' has no column '{missing[0]}' ({len(missing)} of {len(wanted)} are missing); "
            f"are these parameters of {method.name}?"
        )
    return [position for _, position in wanted if position is not None]


def identity_columns(header: Sequence[str]) -> list[int]:
    """Positions of FLAME's shape coefficients, in their order; empty if a file has none."""
    found = _runs(header).get("idt", {})
    return [found[k] for k in range(len(found)) if k in found]


def _runs(header: Sequence[str]) -> dict[str, dict[int, int]]:
    """Position of each column by its prefix and its number from 0."""
    found: dict[str, list[tuple[int | None, int]]] = {}
    for position, title in enumerate(header):
        name = title.strip().casefold()
        if match := _PREFIX.match(name):
            digits = name[len(name.rstrip(_DIGITS)) :]
            number = int(digits) if 0 < len(digits) <= 6 else None
            found.setdefault(_LONGER.get(match[0], match[0]), []).append((number, position))
    runs = {}
    for prefix, columns in found.items():
        numbers = {number for number, _ in columns}
        if None in numbers or len(numbers) < len(columns):
            runs[prefix] = {k: position for k, (_, position) in enumerate(columns)}
        else:
            lowest = min(numbers)
            runs[prefix] = {number - lowest: position for number, position in columns}
    return runs


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
