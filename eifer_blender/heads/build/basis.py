"""Principal components of shape generators, in units of one standard deviation."""

from __future__ import annotations

import numpy as np


def principal_components(generators: np.ndarray, moments: np.ndarray, count: int) -> np.ndarray:
    """[count, V, 3] from generators [n, V, 3] whose random weights have second moments [n, n].

    Nothing is sampled: the components are those of infinitely many random faces. The mean is not
    taken out, because the neutral face must stay at zero. A unit coefficient is one standard
    deviation. The sign makes the largest coordinate positive.
    """
    flat = generators.reshape(len(generators), -1)
    root = np.linalg.cholesky(moments)
    gram = root.T @ (flat @ flat.T) @ root
    values, vectors = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1][:count]
    components = (root @ vectors[:, order]).T @ flat
    largest = np.abs(components).argmax(axis=1)
    components *= np.sign(np.take_along_axis(components, largest[:, None], 1))
    return components.reshape(len(order), -1, 3)


def paired_moments(pairs: list[int], sigma: np.ndarray, correlation: float) -> np.ndarray:
    """[n, n]: independent generators but for left/right twins (`pairs[i]` is the twin or i)."""
    moments = np.diag(sigma**2)
    for i, j in enumerate(pairs):
        if i != j:
            moments[i, j] = correlation * sigma[i] * sigma[j]
    return moments
