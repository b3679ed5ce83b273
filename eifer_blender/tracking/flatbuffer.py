"""Tables of a FlatBuffers file, as far as reading a TensorFlow Lite model takes.

The layout is that of FlatBuffers' published internals: a table begins with the distance to its vtable, which
lists where each field lies; strings, vectors and tables are reached by distances forwards.
"""

from __future__ import annotations

import struct

import numpy as np


class Table:
    """One table; fields are asked for by number. struct.error and ValueError for a damaged file."""

    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place = data, place
        self._vtable = place - struct.unpack_from("<i", data, place)[0]
        if self._vtable < 0:
            raise ValueError("a table's fields lie before the file")
        self._size = struct.unpack_from("<H", data, self._vtable)[0]

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The table that a file is."""
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def number(self, field: int, kind: str, default: float = 0) -> int | float:
        """A number of a kind of `struct`."""
        place = self._place(field)
        return default if place is None else struct.unpack_from(f"<{kind}", self.data, place)[0]

    def table(self, field: int) -> Table | None:
        """A table within the table."""
        place = self._reference(field)
        return None if place is None else Table(self.data, place)

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        place = self._reference(field)
        if place is None:
            return []
        count = struct.unpack_from("<I", self.data, place)[0]
        at = [place + 4 + 4 * k for k in range(min(count, len(self.data) // 4))]
        return [Table(self.data, p + struct.unpack_from("<I", self.data, p)[0]) for p in at]

    def array(self, field: int, kind: str) -> np.ndarray:
        """A vector of numbers; empty if there is none."""
        place = self._reference(field)
        if place is None:
            return np.empty(0, kind)
        count = struct.unpack_from("<I", self.data, place)[0]
        return np.frombuffer(self.data, kind, count, place + 4)

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry >= self._size:
            return None
        offset = struct.unpack_from("<H", self.data, self._vtable + entry)[0]
        return self.place + offset if offset else None

    def _reference(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + struct.unpack_from("<I", self.data, place)[0]
