"""Identity coefficients of a head, as programs that fit heads to pictures write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import EiferError, unreadable
from ..plain_arrays import from_npy, from_npz
from .flame import IDENTITY_COUNT

_NAMES = ("shape", "betas", "beta", "shape_params", "shapecode", "identity", "id", "idt")
_COLUMN = re.compile(
    r"(?:shape|beta|betas|shape_params|shapecode|identity|id|idt)[_ .]?(\d{1,3})", re.IGNORECASE
)
_MOST_BYTES = 400_000_000
_LARGEST = 50.0  # standard deviations
_SAME = 0.02  # of the coefficients' spread over the frames, against their size


class Identity(NamedTuple):
    """A person as coefficients in standard deviations."""

    values: np.ndarray  # float32 [k]
    notes: tuple[str, ...] = ()


def read_identity(path: Path | str) -> Identity:
    """Identity coefficients of an NPZ, an NPY or a CSV; of several frames their mean, which is told.

    Raises EiferError if the file holds none.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise EiferError(f"'{path.name}' is too large for the coefficients of a head.")
        data = path.read_bytes()
        table = _table(data)
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, IndexError):
        table = None
    if table is None or not table.size or not np.isfinite(table).all() or np.abs(table).max() > _LARGEST:
        raise EiferError(
            f"'{path.name}' holds no identity: needed is an NPZ or NPY with 'shape' or 'betas', or a CSV "
            "with columns such as shape_0, shape_1 and so on."
        )
    mean = table.mean(0)
    spread = float(np.linalg.norm(table - mean, axis=1).max()) if len(table) > 1 else 0.0
    notes = ()
    if spread > _SAME * max(float(np.linalg.norm(mean)), 1e-6):
        notes = (f"The identity differs between the {len(table)} frames of '{path.name}'; it was averaged.",)
    return Identity(mean[:IDENTITY_COUNT].astype(np.float32), notes)


def _table(data: bytes) -> np.ndarray | None:
    """float [frames, k]."""
    if data[:2] == b"PK":
        found = from_npz(data, _MOST_BYTES, _NAMES)
        chosen = next((name for name in _NAMES if name in found), None)
        return None if chosen is None else _rows(found[chosen])
    if data[:6] == b"\x93NUMPY":
        return _rows(from_npy(data))
    return _csv(data.decode("utf-8-sig", "replace"))


def _rows(array: np.ndarray) -> np.ndarray | None:
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        return None
    return np.atleast_2d(array).astype(np.float64)


def _csv(text: str) -> np.ndarray | None:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    mark = max(",;\t", key=lines[0].count)
    names = [name.strip().strip('"') for name in lines[0].split(mark)]
    found = {int(m[1]): k for k, name in enumerate(names) if (m := _COLUMN.fullmatch(name))}
    if found:
        first = min(found)
        columns = [found[first + k] for k in range(len(found))]
        lines = lines[1:]
    else:
        columns = list(range(len(names)))
    return np.array([[float(line.split(mark)[k]) for k in columns] for line in lines], np.float64)
