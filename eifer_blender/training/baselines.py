"""What the models are compared with in the same run: the mean, and ridge regression frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Ridge penalties to choose from, relative to the mean variance of the inputs."""

Pair = tuple[np.ndarray, np.ndarray]
"""A clip's input [n, k] and output [n, m]."""


@dataclass(frozen=True)
class Moments:
    """Sums over all training frames from which any ridge regression follows, also of some inputs only."""

    gram: np.ndarray  # [k + 1, k + 1] of the inputs and a constant
    cross: np.ndarray  # [k + 1, m]
    count: int


@dataclass(frozen=True)
class Ridge:
    """Linear regression from `inputs` columns and a constant."""

    weights: np.ndarray  # [k + 1, m], the constant last; zero rows for inputs that are not used

    def predict(self, values: np.ndarray) -> np.ndarray:
        """float32 [n, m] of inputs [n, k]."""
        return (values @ self.weights[:-1] + self.weights[-1]).astype(np.float32)


def moments(pairs: Sequence[Pair]) -> Moments:
    """Sums over clips."""
    gram: np.ndarray | float = 0.0
    cross: np.ndarray | float = 0.0
    for given, wanted in pairs:
        x = np.concatenate([given, np.ones((len(given), 1))], 1, dtype=np.float64)
        gram, cross = gram + x.T @ x, cross + x.T @ wanted.astype(np.float64)
    return Moments(gram, cross, sum(len(x) for x, _ in pairs))


def mean_of(sums: Moments) -> np.ndarray:
    """float32 [m]: the mean output."""
    return (sums.cross[-1] / sums.count).astype(np.float32)


def ridge(sums: Moments, strength: float, used: np.ndarray | None = None) -> Ridge:
    """Ridge regression from the inputs of `used` bool [k] (all if None); the constant is not penalised."""
    inputs = len(sums.gram) - 1
    used = np.ones(inputs, bool) if used is None else used
    rows = np.append(np.flatnonzero(used), inputs)
    gram, cross = sums.gram[np.ix_(rows, rows)], sums.cross[rows]
    mean = gram[-1, :-1] / sums.count
    variance = np.diag(gram)[:-1] / sums.count - mean**2
    penalty = np.append(np.full(len(rows) - 1, strength * sums.count * variance.mean()), 0.0)
    weights = np.zeros((inputs + 1, cross.shape[1]))
    weights[rows] = np.linalg.solve(gram + np.diag(penalty), cross)
    return Ridge(weights.astype(np.float32))


def choose_strength(sums: Moments, validation: Sequence[Pair], loss: Callable[[np.ndarray], float]) -> float:
    """The strength of STRENGTHS whose errors on other subjects have the least `loss` (of [n, m])."""

    def total(strength: float) -> float:
        fitted = ridge(sums, strength)
        return sum(loss(fitted.predict(given) - wanted) for given, wanted in validation)

    return min(STRENGTHS, key=total)
