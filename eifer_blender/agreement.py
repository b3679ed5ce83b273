"""How two courses of muscle activity agree: a recording and an estimate, or the two sides of a face."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .muscles import CHANNELS, MUSCLES

if TYPE_CHECKING:
    from .estimation import Estimate

BAND = 1.2816
"""The central 80 % of a normal distribution lie within so many standard deviations."""

ACTIVE = 0.05
"""Activity (0..1) above which a muscle counts as active in the band's share and in the asymmetry index."""

_REACH_S = 0.5  # longest lag that is looked for
_FEWEST_FRAMES = 12
_MIDDLE = 1e-9


class Row(NamedTuple):
    """One channel of an estimate against the recording of the same movement; NaN where there is no figure."""

    channel: str
    frames: int  # in which both are known
    rho: float  # Spearman's rank correlation
    rmse: float  # of activity, 0..1
    smape: float  # 0..200 %
    lag_s: float  # seconds by which the estimate follows the recording
    within_band: float  # share of the recording's active frames within the estimate's 80 % band
    reason: str = ""  # why there are no figures


def compare(measured: np.ndarray, present: np.ndarray, estimate: Estimate) -> list[Row]:
    """Agreement of an estimate with a recording, one row for each of the 22 channels.

    measured: [n, 22], 0..1. present: bool [22] or [n, 22], what was recorded. estimate: of the same
    frames. Only frames in which both are known count.
    """
    measured = np.asarray(measured, np.float32)
    known = np.broadcast_to(present, measured.shape) & np.isfinite(measured)
    return [_row(k, measured[:, k], known[:, k], estimate) for k in range(len(CHANNELS))]


def _row(column: int, measured: np.ndarray, known: np.ndarray, estimate: Estimate) -> Row:
    name, own, sd = CHANNELS[column], estimate.values[:, column], estimate.sd[:, column]
    both = known & np.isfinite(own)
    nothing = Row(name, int(both.sum()), *[np.nan] * 5)
    if not known.any():
        return nothing._replace(reason="not recorded")
    if name in estimate.hidden and not np.isfinite(own).any():
        return nothing._replace(reason="not visible on a face")
    if both.sum() < _FEWEST_FRAMES:
        return nothing._replace(reason=f"fewer than {_FEWEST_FRAMES} frames in common")
    a, b = own[both][:, None], measured[both][:, None]
    if np.ptp(b) <= 0:
        return nothing._replace(rmse=rmse(a, b)[0], reason="the recording does not vary")
    pieces = _runs(both)
    reach = max(1, round(_REACH_S * estimate.fps))
    late = lag([own[p, None] for p in pieces], [measured[p, None] for p in pieces], reach)[0]
    active = (b > ACTIVE)[:, 0]
    held = covered(a, sd[both][:, None], b)[active, 0]
    share = held.mean() if active.any() and np.isfinite(sd[both]).all() else np.nan
    figures = (spearman(a, b)[0], rmse(a, b)[0], smape(a, b)[0], late / estimate.fps, share)
    return Row(name, len(a), *(float(f) for f in figures))


def _runs(chosen: np.ndarray) -> list[slice]:
    """Stretches without a gap of a bool array."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], chosen, [0])).astype(np.int8)))
    return [slice(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]


def median_rho(rows: Sequence[Row]) -> float:
    """Median rank correlation of the channels that have one; NaN without any."""
    found = [row.rho for row in rows if np.isfinite(row.rho)]
    return float(np.median(found)) if found else float("nan")


def table_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV text with a header; cells without a figure are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["channel", "frames", "spearman_rho", "rmse", "smape_percent", "lag_s", "within_80_band", "note"]
    )
    for row in rows:
        figures = [f"{v:.4f}" if np.isfinite(v) else "" for v in row[2:-1]]
        writer.writerow([row.channel, row.frames, *figures, row.reason])
    return out.getvalue()


# --- left and right --------------------------------------------------------------------------------


class Side(NamedTuple):
    """One muscle on both sides of a face."""

    muscle: str  # name without side
    index: float  # -100 (right alone) .. 100 (left alone); NaN if it rests or a side is not known
    left: float  # mean activity while either side is active
    right: float


def asymmetry(values: np.ndarray, present: np.ndarray | bool = True) -> list[Side]:
    """Left against right of each of the 11 muscles.

    values: [n, 22]; NaN, or not present (bool, [22] or [n, 22]), is unknown. The index is the usual
    one of laterality, 100 (L - R) / (L + R), of the means over the frames in which either side is
    active; 0 is symmetric.
    """
    values = np.asarray(values, np.float64)
    known = np.broadcast_to(present, values.shape) & np.isfinite(values)
    sides = []
    for k, muscle in enumerate(MUSCLES):
        pair, usable = values[:, 2 * k : 2 * k + 2], known[:, 2 * k : 2 * k + 2].all(1)
        counts = usable & (np.where(usable[:, None], pair, 0.0) > ACTIVE).any(1)
        if not counts.any():
            sides.append(Side(muscle.name, np.nan, np.nan, np.nan))
            continue
        left, right = pair[counts].mean(0)
        total = max(left + right, _MIDDLE)
        sides.append(Side(muscle.name, float(100 * (left - right) / total), float(left), float(right)))
    return sides


def overall(sides: Sequence[Side]) -> float:
    """0 (symmetric) .. 100 (every movement on one side only): 100 sum |L - R| / sum (L + R); NaN at rest."""
    pairs = np.array([(s.left, s.right) for s in sides if np.isfinite(s.index)]).reshape(-1, 2)
    total = pairs.sum()
    return float(100 * np.abs(pairs[:, 0] - pairs[:, 1]).sum() / total) if total > 0 else float("nan")


# --- scores of columns -----------------------------------------------------------------------------


def covered(mean: np.ndarray, sd: np.ndarray, true: np.ndarray) -> np.ndarray:
    """bool [n, P]: the truth lies within the 80 % band of a prediction."""
    return np.abs(true - mean) <= BAND * sd


def spearman(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """float64 [k]: rank correlation of every column of [n, k]; ties share their average rank.

    NaN where the true column does not vary; 0 where only the prediction does not.
    """
    from scipy.stats import rankdata

    def centred(values: np.ndarray) -> np.ndarray:
        ranks = rankdata(values, axis=0)
        return ranks - ranks.mean(0)

    if len(true) < 2:
        return np.full(np.shape(true)[1], np.nan)
    own, wanted = centred(predicted), centred(true)
    scale = np.sqrt((own**2).sum(0) * (wanted**2).sum(0))
    rho = (own * wanted).sum(0) / np.where(scale > 0, scale, 1.0)
    return np.where((wanted**2).sum(0) > 0, rho, np.nan)


def rmse(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """float64 [k]: root mean squared difference of every column of [n, k]."""
    return np.sqrt(((predicted.astype(np.float64) - true) ** 2).mean(0))


def smape(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """float64 [k], 0..200: symmetric mean absolute percentage error of every column of [n, k].

    100 times the mean over frames of |p - t| / ((|p| + |t|) / 2); a frame in which both are zero is
    exact and counts 0.
    """
    p, t = predicted.astype(np.float64), true.astype(np.float64)
    size = (np.abs(p) + np.abs(t)) / 2
    return 100 * (np.abs(p - t) / np.where(size > 0, size, 1.0)).mean(0)


def lag(predicted: Sequence[np.ndarray], true: Sequence[np.ndarray], reach: int = 15) -> np.ndarray:
    """float64 [k] frames by which the prediction follows the truth: the peak of their cross-correlation.

    predicted, true: clips [n, k]. Columns are taken about their mean over all clips; beyond a clip's
    ends is nothing. Looks at shifts of at most `reach` frames; NaN where a column does not vary.
    """
    gap = np.zeros((reach, true[0].shape[1]))

    def line(clips: Sequence[np.ndarray]) -> np.ndarray:
        mean = np.concatenate(clips).mean(0, dtype=np.float64)
        return np.concatenate([gap, *(part for clip in clips for part in (clip - mean, gap))])

    own, wanted = line(predicted), line(true)
    inner = slice(reach, len(wanted) - reach)
    shifts = np.arange(-reach, reach + 1)
    # Nearest to zero first, so that a tie is no lag.
    shifts = shifts[np.argsort(np.abs(shifts), kind="stable")]
    height = np.stack([(own[reach + s : len(own) - reach + s] * wanted[inner]).sum(0) for s in shifts])
    varies = ((own**2).sum(0) > 1e-12) & ((wanted**2).sum(0) > 1e-12)
    return np.where(varies, shifts[height.argmax(0)], np.nan).astype(np.float64)
