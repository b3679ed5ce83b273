"""Expressions from NPZ files: what this project writes, and fits of FLAME to a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..datasets.methods import FLAME_53, FLAME_55, METHODS
from ..errors import EiferError
from ..plain_arrays import from_npz
from ..spaces import EXPRESSION_NAMES, EYELIDS, JAW, ExpressionSpace
from .clip import MOST_FRAMES, RATES, ExpressionClip
from .clock import Clock, read_times
from .confidence import CONFIDENCE, as_confidence, bridge_rows, place_confidence

_MOST_BYTES = 1 << 30
_EXPRESSION = ("expression_params", "expression", "exp", "expr", "expcode")
_JAW = ("jaw_params", "jaw_pose", "jaw")
_EYELIDS = ("eyelid_params", "eyelids", "eyelid")
_IDENTITY = ("shape_params", "shape", "betas", "shapecode")


def is_npz(path: Path) -> bool:
    """Whether a file is an archive of arrays, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return False


def read_arrays(path: Path, *, fps: float | None = None) -> ExpressionClip:
    """Expressions from an NPZ with `parameters` [n, P] and their `space`, or with FLAME's own arrays.

    FLAME's are expression [n, 50 or more] and jaw [n, 3], with eyelids [n, 2] and shape if they are there,
    under the names that SMIRK, DECA and others give them. Frames of `confidence` 0, or not `found`, may be
    empty. `times` [n] seconds, or `fps`, say when the frames are; the argument overrides both. Raises
    EiferError if it is damaged or holds no expression.
    """
    try:
        arrays = from_npz(path, _MOST_BYTES)
    except (ValueError, OSError) as error:
        raise EiferError(f"'{path.name}' cannot be read: {error}.") from None
    space, values, extra = (_own if "parameters" in arrays else _flame)(arrays, path.name)
    if not 0 < len(values) <= MOST_FRAMES:
        raise EiferError(f"'{path.name}' has {len(values)} frames; it must have 1 to {MOST_FRAMES}.")
    sure = _confidence(arrays, len(values), path.name)
    lost = ~np.isfinite(values).all(1)
    if (lost if sure is None else lost & (sure > 0)).any():
        row = int((lost if sure is None else lost & (sure > 0)).argmax())
        raise EiferError(f"'{path.name}' has no number in frame {row + 1}; export it again.")
    whole, notes = bridge_rows(values, space.names, path.name, sure)
    clock = _clock(arrays, fps, len(values), path.name)
    extra = {name: clock.place(rows) for name, rows in extra.items()} | place_confidence(sure, values, clock)
    return ExpressionClip(
        space, clock.place(whole), clock.fps, clock.start_s, (*notes, *clock.notes), format="NPZ", extra=extra
    )


def _confidence(arrays: dict[str, np.ndarray], count: int, where: str) -> np.ndarray | None:
    """float32 [n], 0..1; None if the file does not say it."""
    given = [arrays[name] for name in CONFIDENCE if name in arrays]
    if any(one.size != count or one.dtype.kind not in "fiub" for one in given):
        raise EiferError(f"The confidence in '{where}' needs one number for each of its {count} frames.")
    columns = [one.reshape(count).astype(np.float32) for one in given]
    return as_confidence(np.stack(columns, 1)) if columns else None


def _clock(arrays: dict[str, np.ndarray], fps: float | None, count: int, where: str) -> Clock:
    if fps is not None:
        return Clock(fps)
    times = arrays.get("times")
    if times is None:
        return Clock(_rate(arrays, where))
    if times.shape != (count,) or times.dtype.kind not in "fiu":
        raise EiferError(f"The times in '{where}' need one number for each of its {count} frames.")
    clock = read_times(times.astype(np.float64))
    return clock if clock.fps is not None else clock._replace(fps=_rate(arrays, where))


def _own(arrays: dict[str, np.ndarray], where: str) -> tuple[ExpressionSpace, np.ndarray, dict]:
    known = {method.space.id: method.space for method in METHODS.values()}
    space = known.get(str(arrays["space"])) if "space" in arrays and arrays["space"].ndim == 0 else None
    if space is None:
        raise EiferError(f"'{where}' does not say which face its parameters belong to.")
    values = _matrix(arrays["parameters"], space.size, "parameters", where)
    return space, values, _identity(arrays, len(values), where)


def _flame(arrays: dict[str, np.ndarray], where: str) -> tuple[ExpressionSpace, np.ndarray, dict]:
    expression, jaw = _first(arrays, _EXPRESSION), _first(arrays, _JAW)
    if expression is None or jaw is None:
        raise EiferError(
            f"'{where}' has no expression of a face; needed are 'parameters' with their 'space', or FLAME's "
            "'expression' and 'jaw'."
        )
    count = len(EXPRESSION_NAMES)
    expression = _matrix(expression, count, "expression", where, more=True)[:, :count]
    parts = [expression, _matrix(jaw, JAW.stop - JAW.start, "jaw", where)]
    lids = _first(arrays, _EYELIDS)
    if lids is not None:
        parts.insert(1, _matrix(lids, EYELIDS.stop - EYELIDS.start, "eyelids", where))
    if len({len(part) for part in parts}) > 1:
        raise EiferError(f"The arrays of '{where}' have different numbers of frames; export it again.")
    space = FLAME_53 if lids is None else FLAME_55
    return space, np.hstack(parts), _identity(arrays, len(expression), where)


def _identity(arrays: dict[str, np.ndarray], count: int, where: str) -> dict[str, np.ndarray]:
    """One person for all frames, or for each."""
    person = _first(arrays, _IDENTITY)
    if person is None:
        return {}
    person = _matrix(np.atleast_2d(person), person.shape[-1] if person.ndim else 1, "shape", where)
    if len(person) == 1:
        person = np.repeat(person, count, axis=0)
    return {"identity": person} if len(person) == count else {}


def _first(arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _matrix(values: np.ndarray, columns: int, what: str, where: str, *, more: bool = False) -> np.ndarray:
    """float32 [n, columns], or more columns if that is allowed."""
    fits = values.ndim == 2 and values.dtype.kind in "fiu"
    if not fits or (values.shape[1] < columns if more else values.shape[1] != columns):
        raise EiferError(f"The array '{what}' of '{where}' needs rows of {columns} numbers.")
    return values.astype(np.float32)


def _rate(arrays: dict[str, np.ndarray], where: str) -> float | None:
    if "fps" not in arrays:
        return None
    rate = arrays["fps"]
    if rate.size != 1 or rate.dtype.kind not in "fiu" or not RATES[0] <= float(rate.reshape(())) <= RATES[1]:
        raise EiferError(f"'{where}' has a frame rate that no animation has; state the frames per second.")
    return float(rate.reshape(()))
