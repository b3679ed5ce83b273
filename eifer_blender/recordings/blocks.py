"""Samples that stay in their file: read in blocks, so that an hour needs no more memory than a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

ReadBlock = Callable[[int, int, np.ndarray], np.ndarray]
"""(first row, row after the last, columns int [k]) -> float32 [rows, k]; raises EiferError if it cannot."""

LOOK = 60_000  # samples of a channel that are looked at for a guess
_MOST_LOOKED = 2**23  # samples of all channels, which shortens the look at very many


@dataclass(frozen=True)
class BlockSamples:
    """Stands for an array float32 [n, channels] that a function reads piece by piece.

    Indexing and `np.asarray` give real arrays, so that small recordings need no second thought;
    whoever handles long ones asks for blocks with `read` or `blocks`.
    """

    rows: int
    columns: int
    read_block: ReadBlock
    factors: np.ndarray | None = None  # float32 [channels], multiplied on reading

    @property
    def shape(self) -> tuple[int, int]:
        """(n, channels)."""
        return self.rows, self.columns

    @property
    def ndim(self) -> int:
        """Always 2."""
        return 2

    @property
    def dtype(self) -> np.dtype:
        """Always float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return self.rows

    def read(self, start: int, stop: int, columns: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Rows start..stop of some columns (all without a word), float32 [rows, k], a new array."""
        at = np.arange(self.columns) if columns is None else np.asarray(columns, dtype=np.intp)
        start, stop, _ = slice(start, stop).indices(self.rows)
        block = self.read_block(start, max(start, stop), at)
        return block if self.factors is None else block * self.factors[at]

    def scaled(self, factors: np.ndarray) -> BlockSamples:
        """The same samples, every column times its factor [channels]."""
        factors = np.asarray(factors, dtype=np.float32)
        return replace(self, factors=factors if self.factors is None else self.factors * factors)

    def __getitem__(self, key: object) -> np.ndarray:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        one = isinstance(columns, (int, np.integer))
        at = np.atleast_1d(np.arange(self.columns)[columns])
        if isinstance(rows, slice) and rows.step in (None, 1):
            block = self.read(*rows.indices(self.rows)[:2], at)
        else:
            block = self.read(0, self.rows, at)[rows]
        return block[..., 0] if one else block

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        block = self.read(0, self.rows)
        return block if dtype is None else block.astype(dtype)


def read_rows(
    samples: np.ndarray | BlockSamples, start: int, stop: int, columns: Sequence[int] | None = None
) -> np.ndarray:
    """float32 [rows, k] of an array or of samples in a file; rows outside are left out."""
    if isinstance(samples, BlockSamples):
        return samples.read(max(start, 0), min(stop, len(samples)), columns)
    rows = samples[max(start, 0) : max(stop, 0)]
    return rows if columns is None else rows[:, columns]


def blocks(
    samples: np.ndarray | BlockSamples, size: int, columns: Sequence[int] | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, float32 [up to size, k]) from beginning to end."""
    for start in range(0, len(samples), size):
        yield start, read_rows(samples, start, start + size, columns)


def scale(samples: np.ndarray | BlockSamples, factors: np.ndarray) -> np.ndarray | BlockSamples:
    """Samples with every column times its factor [channels]; arrays are changed in place."""
    if isinstance(samples, BlockSamples):
        return samples if np.all(factors == 1) else samples.scaled(factors)
    for column in np.flatnonzero(factors != 1):
        samples[:, column] *= np.float32(factors[column])
    return samples


def excerpt_rows(samples: np.ndarray | BlockSamples) -> np.ndarray:
    """Up to `LOOK` rows in three stretches (beginning, middle, end), so that neighbours stay neighbours."""
    n, third = len(samples), min(LOOK, _MOST_LOOKED // max(samples.shape[1], 1)) // 3
    if n <= 3 * third:
        return read_rows(samples, 0, n)
    starts = (0, n // 2, n - third)
    return np.concatenate([read_rows(samples, at, at + third) for at in starts])
