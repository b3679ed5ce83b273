"""Kuramoto's monopolar sites -> the 22 muscle channels, through the places of electrodes and muscles.

A site sees every muscle, the near ones more. Potentials of different muscles are independent, so
their powers add: with v the RMS of a site, f its RMS at rest and a the amplitude of a muscle,

    v² - f² = sum over muscles of g(d)² a² + error,    g(d) = 1 / sqrt(1 + (d / 8 mm)²)

where d is the distance to the nearest part of the muscle. Nineteen sites cannot tell 22 muscles, so
the map is the mean of a Gaussian posterior: linear in power, with a prior that says how strong each
muscle gets and that both sides mostly act together. What is left of the prior's variance is the
uncertainty. Negative powers are cut at 0.

Neither the noise of a site nor what is left of a strong muscle far away must become activity. Each
muscle therefore keeps a rest of its own: what the map makes of the sites' rests, or more if it stays far
below the strongest. Rest and maximum are then measured on the muscles as for any other channel,
and the rule for channels that never contract holds for them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..electrodes import SITES, distances_to_muscles
from ..muscles import CHANNEL_COUNT, MUSCLE_OF_CHANNEL, MUSCLES, OTHER_SIDE

# Chosen by hand, not measured: a monopolar lead reaches far, with the inverse of the distance beyond
# the depth of the muscles. The ridge is the standard deviation of the error in units of the prior: places of
# electrodes and courses of muscles in one person differ by about the reach.
_REACH_MM = 8.0
_RIDGE = 0.6
_SIDES_TOGETHER = 0.5  # correlation of a muscle's two sides
_HALVES_TOGETHER = 0.9  # of muscles whose halves meet at the midline, where no electrode can part them
_AT_THE_MIDLINE = ("depressor_supercilii", "mentalis", "orbicularis_oris")
_REST_SHARE = 0.35**2  # of the sites' rest power that counts as the muscle's own
_TYPICAL_UV = 130.0
_CHEWING_UV = 65.0  # the masseter's part in expressions; its maximum is for biting
_LEAST_SHARE = 0.2 / 4.0  # a fifth of the strongest, over the ratio of the rule for contractions
_FEW_ROWS = 50
LEAST_EXPLAINED = 0.05  # a muscle of which less can be told is not told at all


@dataclass(frozen=True)
class SpatialMap:
    """From the power of some sites above their rest to the power of 22 muscles.

    sites: names of `electrodes.SITES`, k of them. weights: float64 [22, k]. explained: [22], share of
    the variance of each muscle's power that the sites tell, 0..1. rest_uv: [k], RMS of the sites at
    rest. floor_uv: [22], what the muscles have at rest.
    """

    sites: tuple[str, ...]
    weights: np.ndarray
    explained: np.ndarray
    rest_uv: np.ndarray
    floor_uv: np.ndarray


def spatial_map(sites: Sequence[str], rest_uv: np.ndarray) -> SpatialMap:
    """The map for sites [k] whose RMS at rest is `rest_uv` [k] in microvolts."""
    weights, explained = _posterior(gains(sites), np.ones(len(sites), dtype=bool))
    rest = np.nan_to_num(np.asarray(rest_uv, dtype=np.float64))
    floor = np.sqrt(_REST_SHARE * np.sqrt(weights**2 @ rest**4))
    return SpatialMap(tuple(sites), weights, explained, rest, floor)


def fit_map(sites: Sequence[str], values: np.ndarray) -> SpatialMap:
    """The map for a whole recording's site envelopes [n, k] in microvolts, or for all of its poses.

    Rest is a low quantile of each site, of a few poses the lowest. A muscle that never gets near to
    what the strongest one reaches, both seen as shares of what is usual, has recorded its neighbours:
    its rest is raised until the rule for channels that never contract holds.
    """
    values = np.asarray(values, dtype=np.float64)
    few = len(values) < _FEW_ROWS
    plain = spatial_map(sites, _quantile(values, 0.0 if few else 0.10))
    top = _quantile(muscles_of_sites(sites, values, plain)[0], 1.0 if few else 0.99)
    usual = _strengths() * np.sqrt(np.maximum(plain.explained, 1e-9))
    told = plain.explained >= LEAST_EXPLAINED
    strongest = float((top / usual)[told].max(initial=0.0))
    return replace(plain, floor_uv=np.maximum(plain.floor_uv, _LEAST_SHARE * strongest * usual))


def _quantile(values: np.ndarray, share: float) -> np.ndarray:
    """Quantile [k] of the known values [n, k]; 0 where there are none."""
    result = np.zeros(values.shape[1])
    known = np.isfinite(values).any(0)
    if known.any():
        result[known] = np.nanquantile(values[:, known], share, axis=0)
    return result


def muscles_of_sites(
    sites: Sequence[str], values: np.ndarray, mapping: SpatialMap
) -> tuple[np.ndarray, np.ndarray]:
    """(envelopes float32 [n, 22] in microvolts, explained float32 [22]) from site envelopes [n, k].

    `sites` are the columns of `values`, in the order of `mapping.sites`. A row without some sites (NaN)
    is told from the others; a muscle that they do not tell is NaN there. `explained` is the mean over
    the rows in which the muscle has a value, and of `mapping` where it has none.
    """
    if tuple(sites) != mapping.sites:
        raise ValueError("the columns are not the sites of the map")
    values = np.asarray(values, dtype=np.float64)
    result = np.full((len(values), CHANNEL_COUNT), np.nan, dtype=np.float32)
    told, rows = np.zeros(CHANNEL_COUNT), np.zeros(CHANNEL_COUNT)
    patterns, which = np.unique(np.isfinite(values), axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(which.ravel(), minlength=len(patterns)))
    gain = gains(sites)
    for known, start, end in zip(patterns, [0, *ends[:-1]], ends, strict=True):
        weights, explained = (mapping.weights, mapping.explained) if known.all() else _posterior(gain, known)
        clear = explained >= LEAST_EXPLAINED
        members = order[start:end]
        power = np.maximum(values[np.ix_(members, known)] ** 2 - mapping.rest_uv[known] ** 2, 0.0)
        level = np.sqrt(np.maximum(power @ weights[:, known].T, 0.0) + mapping.floor_uv**2)
        result[members] = np.where(clear, level, np.nan)
        told += np.where(clear, explained, 0.0) * len(members)
        rows += clear * len(members)
    return result, np.where(rows > 0, told / np.maximum(rows, 1), mapping.explained).astype(np.float32)


def inferred(explained: float) -> str:
    """The sentence about a muscle that comes from a map."""
    return (
        "Inferred from the Kuramoto electrodes nearby; "
        f"{explained:.0%} of its activity can be told from them.".replace("%", " %")
    )


def gains(sites: Sequence[str]) -> np.ndarray:
    """float64 [k, 22]: power that a site sees of each muscle, 1 on the muscle itself."""
    distance = distances_to_muscles(np.array([SITES[s] for s in sites], dtype=np.float64))
    return 1.0 / (1.0 + (distance / _REACH_MM) ** 2)


def _strengths() -> np.ndarray:
    """Microvolts [22] that muscles usually reach in expressions."""
    usual = np.array([_CHEWING_UV if m.name == "masseter" else m.maximum_uv for m in MUSCLES])
    return usual[MUSCLE_OF_CHANNEL]


def _prior() -> np.ndarray:
    """Covariance [22, 22] of the muscles' powers, in units of a typical muscle's."""
    power = (_strengths() / _TYPICAL_UV) ** 2
    together = np.eye(CHANNEL_COUNT)
    halves = np.array([m.name in _AT_THE_MIDLINE for m in MUSCLES])[MUSCLE_OF_CHANNEL]
    together[np.arange(CHANNEL_COUNT), OTHER_SIDE] = np.where(halves, _HALVES_TOGETHER, _SIDES_TOGETHER)
    return together * np.outer(power, power)


def _posterior(gain: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(weights [22, k], explained [22]) from the known sites alone; unknown ones weigh 0."""
    prior = _prior()
    seen = gain * known[:, None]
    cross = prior @ seen.T
    weights = np.linalg.solve(seen @ cross + _RIDGE**2 * np.eye(len(gain)), cross.T).T
    return weights, np.einsum("mk,mk->m", weights, cross) / np.diag(prior)
