"""Frames in which a reconstruction lost the face: marked, and bridged by lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import EiferError
from ..mapping import rates
from .clock import Clock, counted

CONFIDENCE = ("confidence", "found")
"""Names of columns or arrays: how sure a reconstruction is of a frame, 0..1, and whether it found a face."""

_MOST_LOST = 0.1  # share of rows without a value, beside those that are marked as lost, that are bridged
_NEAR = 0.75  # frames; a frame that is farther from all rows was not in the file


def as_confidence(values: np.ndarray) -> np.ndarray:
    """float32 [n]: the least of columns [n, k], clamped to 0..1; what is no number is 0."""
    return np.clip(np.nan_to_num(values, nan=0.0), 0.0, 1.0).min(1).astype(np.float32)


def bridge_rows(
    values: np.ndarray, titles: Sequence[str], where: str, confidence: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(values [n, columns] with lines across rows in which one is missing, notes).

    Rows of confidence 0 may be empty, as many as there are, up to all but one. Raises EiferError if the empty
    ones among the others are more than a tenth of all rows.
    """
    usable = np.isfinite(values)
    empty = ~usable.all(1)
    if not empty.any():
        return values, ()
    lost = empty if confidence is None else empty & (confidence > 0)
    if lost.mean() > _MOST_LOST or empty.all():
        row = int(lost.argmax()) if lost.any() else 0
        title = titles[int((~usable[row]).argmax())]
        raise EiferError(
            f"'{where}' has no number in {empty.sum()} of {len(empty)} rows, first in row {row + 1} for "
            f"'{title[:40]}'; export it again."
        )
    return rates.bridged(values, usable), (
        f"Bridged {counted(int(empty.sum()), 'row')} without a value in some column.",
    )


def place_confidence(
    confidence: np.ndarray | None, values: np.ndarray, clock: Clock
) -> dict[str, np.ndarray]:
    """{"confidence": float32 [frames, 1]}, 0 in frames that are bridged; nothing if there is nothing to say.

    values: [n, columns] as the file has them, NaN where it has none.
    """
    empty = ~np.isfinite(values).all(1)
    missing = _missing(clock)
    if confidence is None and not empty.any() and not (missing is not None and missing.any()):
        return {}
    rows = np.ones(len(values), np.float32) if confidence is None else confidence
    placed = clock.place(np.where(empty, np.float32(0), rows)[:, None])
    if missing is not None:
        placed = np.where(missing[:, None], np.float32(0), placed)
    return {"confidence": placed.astype(np.float32)}


def _missing(clock: Clock) -> np.ndarray | None:
    """bool [frames]: no row lies near this frame; None where every row is a frame."""
    if clock.at is None:
        return None
    frames = np.arange(round(clock.at[-1]) + 1)
    after = np.clip(np.searchsorted(clock.at, frames), 1, len(clock.at) - 1)
    return np.minimum(np.abs(clock.at[after] - frames), np.abs(frames - clock.at[after - 1])) > _NEAR
