"""Pickles of plain data, read without running anything of them.

Every class and function that a pickle names becomes an inert stand-in that remembers its arguments and
state; names that no model file needs are refused. Arrays are made from the stand-ins afterwards, only those
that are asked for, and only if their bytes are in the file. Python's own unpickler in its slow form is used,
because the fast one reserves memory for numbers that a hostile file just names.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EiferError, unreadable

MOST_BYTES = 800_000_000  # of a file
_MOST_VALUES = 200_000_000  # of an array
_MOST_DENSE = 20_000_000  # of a sparse matrix, whose zeros are not in the file
_DEEP = 12  # stand-ins within each other
_ALLOWED = re.compile(
    r"numpy(\._?core)?(\.multiarray|\.numeric)?\.(_reconstruct|scalar|_frombuffer|ndarray|dtype)"
    r"|_codecs\.encode|(__builtin__|builtins)\.(set|frozenset|object|list|dict|tuple|bytes|bytearray|slice)"
    r"|(copy_reg|copyreg)\._reconstructor|collections\.(OrderedDict|defaultdict)"
    r"|chumpy\.[\w.]+|scipy\.sparse\.[\w.]+"
)
_KINDS = "fiub"  # of dtypes: numbers and truth values


class Inert:
    """What a pickle names, doing nothing."""

    named = ""
    args: tuple = ()  # stays so where a pickle makes an object without calling its class
    state: Any = None

    def __init__(self, *args: object) -> None:
        self.args = args

    @property
    def what(self) -> str:
        """The name of the class; of old-style pickles, which wrap it, the wrapped one."""
        wrapped = self.args[0] if self.args else None
        if (
            self.named.endswith("._reconstructor")
            and isinstance(wrapped, type)
            and issubclass(wrapped, Inert)
        ):
            return wrapped.named
        return self.named

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        """Items of a dictionary's stand-in do not matter."""

    def append(self, value: object) -> None:
        """Items of a list's stand-in do not matter."""

    def extend(self, values: object) -> None:
        """Items of a list's stand-in do not matter."""


class _Unpickler(pickle._Unpickler):
    """Makes stand-ins of everything that is no plain value."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, stream: io.BytesIO, length: int) -> None:
        super().__init__(stream, encoding="latin1")
        self._length = length
        self._classes: dict[str, type] = {}

    def find_class(self, module: str, name: str) -> type:
        what = f"{module}.{name}"
        if not _ALLOWED.fullmatch(what):
            raise pickle.UnpicklingError(f"names '{what[:80]}'")
        if what not in self._classes:
            self._classes[what] = type("Inert", (Inert,), {"named": what})
        return self._classes[what]

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError("names a class by number")

    def load_bytearray8(self) -> None:
        """As in the base class, but no room is made for more than the file holds."""
        (length,) = struct.unpack("<Q", self.read(8))
        if length > self._length:
            raise pickle.UnpicklingError("is cut off")
        self.append(bytes(self.read(length)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def read_pickle(path: Path) -> object:
    """The plain values of a pickle, with stand-ins for everything else; see `array_of`.

    Raises EiferError if the file cannot be read, is damaged or too large, or names what no data needs.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise EiferError(f"'{path.name}' is larger than any head model ({MOST_BYTES // 10**6} MB).")
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return _Unpickler(io.BytesIO(data), len(data)).load()
    except pickle.UnpicklingError as error:
        reason = str(error)
        if reason.startswith("names"):
            raise EiferError(
                f"'{path.name}' {reason}, which no head model needs; it was not opened, and nothing was run."
            ) from None
        raise _damaged(path) from None
    except (MemoryError, RecursionError, ArithmeticError, LookupError, ValueError) as error:
        raise _damaged(path) from error
    except (TypeError, AttributeError, EOFError, struct.error, ImportError, AssertionError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> EiferError:
    return EiferError(f"'{path.name}' is no readable pickle; it may be damaged or cut off.")


def array_of(value: object, depth: int = 0) -> np.ndarray:
    """The array that a value of a pickle stands for: of NumPy, chumpy or SciPy (sparse ones are made dense).

    Raises ValueError if it stands for none.
    """
    if depth > _DEEP:
        raise ValueError("wrapped too deeply")
    if not isinstance(value, Inert):
        return _plain(value)
    what = value.what
    if what.endswith("._reconstruct"):
        return _of_state(value.state)
    if what.endswith("._frombuffer"):
        raw, kind, shape, order, *axes = value.args
        array = _of_bytes(raw, kind, shape, order == "F")
        return array.transpose(axes[0]) if order == "K" and axes and axes[0] is not None else array
    if what.endswith(".scalar"):
        kind, raw = value.args
        return _of_bytes(raw, kind, (), False)
    if what.startswith("scipy.sparse."):
        return _dense(value, depth)
    if what.startswith("chumpy."):
        return _chumpy(value, depth)
    raise ValueError(f"no array: {what}")


def mapping_of(value: object) -> dict[str, object]:
    """The state of an object as a dictionary with text as keys; ValueError if it has none."""
    if isinstance(value, Inert):
        value = value.state
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0] or value[1], dict):
        value = {**(value[0] or {}), **(value[1] or {})}
    if not isinstance(value, dict):
        raise ValueError("no dictionary")
    return {_text(key): item for key, item in value.items()}


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _plain(value: object) -> np.ndarray:
    if not isinstance(value, (int, float, list, tuple)):
        raise ValueError("no numbers")
    array = np.array(value)
    if array.dtype.kind not in _KINDS:
        raise ValueError("no numbers")
    return array


def _of_state(state: object) -> np.ndarray:
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        raise ValueError("no array")
    shape, kind, fortran, raw = state[-4:]
    return _of_bytes(raw, kind, shape, bool(fortran))


def _of_bytes(raw: object, kind: object, shape: object, fortran: bool) -> np.ndarray:
    dtype, data = _dtype(kind), _bytes(raw)
    sizes = [shape] if isinstance(shape, int) else list(shape)  # type: ignore[call-overload]
    if len(sizes) > 4 or any(not isinstance(size, int) or size < 0 for size in sizes):
        raise ValueError("no possible shape")
    count = int(np.prod(sizes, dtype=object)) if sizes else 1
    if count > _MOST_VALUES or count * dtype.itemsize != len(data):
        raise ValueError("bytes that do not fit the shape")
    return np.frombuffer(data, dtype).reshape(sizes, order="F" if fortran else "C")


def _dtype(kind: object) -> np.dtype:
    if not isinstance(kind, Inert) or not kind.what.endswith(".dtype") or not kind.args:
        raise ValueError("no dtype")
    name = _text(kind.args[0])
    if not re.fullmatch(r"[<>=|]?[fiub]\d{1,2}", name):
        raise ValueError("no dtype of numbers")
    dtype = np.dtype(name)
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "="
    return dtype.newbyteorder(_text(order)) if _text(order) in "<>" else dtype


def _bytes(raw: object) -> bytes:
    if isinstance(raw, Inert) and raw.what == "_codecs.encode" and raw.args:
        raw = raw.args[0]
    if isinstance(raw, Inert) and raw.what.endswith((".bytes", ".bytearray")) and raw.args:
        raw = raw.args[0]
        if isinstance(raw, Inert) and raw.what == "_codecs.encode" and raw.args:
            raw = raw.args[0]
    if isinstance(raw, str):
        return raw.encode("latin1")
    if isinstance(raw, (bytes, bytearray)):
        return bytes(raw)
    raise ValueError("no bytes")


def _chumpy(value: Inert, depth: int) -> np.ndarray:
    state = mapping_of(value)
    if value.what.endswith(".Select"):
        chosen = array_of(state["a"], depth + 1).ravel()[array_of(state["idxs"], depth + 1)]
        shape = state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape([int(size) for size in shape])  # type: ignore[attr-defined]
    if "x" not in state:
        raise ValueError("a chumpy object without values")
    return array_of(state["x"], depth + 1)


def _dense(value: Inert, depth: int) -> np.ndarray:
    state = mapping_of(value)
    shape = state.get("_shape", state.get("shape"))
    rows, columns = (int(array_of(size, depth + 1)) for size in shape)  # type: ignore[attr-defined]
    if not (rows > 0 and columns > 0 and rows * columns <= _MOST_DENSE):
        raise ValueError("no possible shape")
    data, index, ends = (array_of(state[name], depth + 1).ravel() for name in ("data", "indices", "indptr"))
    by_column = "csc" in value.what.lower()
    long, across = (columns, rows) if by_column else (rows, columns)
    if len(ends) != long + 1 or ends[0] != 0 or (np.diff(ends) < 0).any() or ends[-1] > len(data):
        raise ValueError("a damaged sparse matrix")
    line = np.repeat(np.arange(long), np.diff(ends))
    index, data = index[: len(line)], data[: len(line)]
    if len(index) != len(line) or (len(index) and not 0 <= index.min() <= index.max() < across):
        raise ValueError("a damaged sparse matrix")
    dense = np.zeros((rows, columns))
    np.add.at(dense, (index, line) if by_column else (line, index), data)
    return dense
