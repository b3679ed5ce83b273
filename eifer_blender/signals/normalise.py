"""Rest and maximum of a muscle, and the scale from microvolts to 0..1.

A channel that never contracts must not have its noise blown up to a full contraction. Its scale
then comes from the population (`muscles.MUSCLES`), which the result says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from ..muscles import CHANNEL_COUNT, MUSCLE_OF_CHANNEL, MUSCLES, OTHER_SIDE
from .settings import ChainSettings

# A channel without contraction spans at least this many times its rest. Together with the cap at
# `contraction_ratio` times rest it stays below (4 - 1) / 12 even at an artefact.
_QUIET_SPAN = 12.0
# Rest fluctuates: activation begins this many standard deviations above the mean of rest.
_THRESHOLD_SDS = 3.5
_QUANTILE_10_SDS = 1.2816  # a normal distribution's 10 % quantile lies this far below its mean
_QUANTILES_5_25_SDS = 0.9704  # distance of the 5 % and 25 % quantiles in standard deviations


class Level(NamedTuple):
    """Envelope levels of one channel in microvolts."""

    rest: float
    threshold: float  # fluctuation of rest ends here
    maximum: float


class Scale(NamedTuple):
    """value = clip((min(envelope, cap) - start) / span)."""

    rest: float
    start: float
    span: float
    cap: float
    prior: bool


def measure(
    envelope: np.ndarray, seconds: np.ndarray, step_s: float, settings: ChainSettings
) -> Level | None:
    """Levels of a finely sampled envelope [m] at times [m], a value every `step_s`; None if empty.

    A channel without a value in the marked segments is measured over the whole recording.
    """
    known = np.isfinite(envelope)
    envelope = envelope.astype(np.float64)
    marked_rest = known & _within(seconds, settings.rest_segments)
    marked_top = known & _within(seconds, settings.maximum_segments)
    rest_part = envelope[marked_rest if marked_rest.any() else known]
    top_part = envelope[marked_top if marked_top.any() else known]
    if len(rest_part) == 0:
        return None
    if settings.rest_segments and marked_rest.any():
        rest = float(np.median(rest_part))
        deviation = 1.4826 * float(np.median(np.abs(rest_part - rest)))
        threshold = rest + _THRESHOLD_SDS * deviation
    else:
        q05, rest, q25 = (float(q) for q in np.quantile(rest_part, [0.05, settings.rest_quantile, 0.25]))
        deviation = max(q25 - q05, 0.0) / _QUANTILES_5_25_SDS
        threshold = rest + (_QUANTILE_10_SDS + _THRESHOLD_SDS) * deviation
    held = round(settings.maximum_held_ms * 1e-3 / step_s)
    held = int(np.clip(held, 1, max(1, len(top_part) // 10)))
    maximum = float(np.partition(top_part, len(top_part) - held)[len(top_part) - held])
    return Level(rest, min(threshold, 2.0 * rest) if rest > 0 else threshold, maximum)


def usable_segments(settings: ChainSettings, span: tuple[float, float]) -> ChainSettings:
    """Settings whose marked segments lie in the recording (`span`: its first and last second).

    Each loses half a window at both ends, where the envelope looks beyond it. Raises EiferError if
    segments are marked and none of them is long enough and within the recording.
    """
    half = settings.window_ms * 0.5e-3
    kept = {}
    for name, what in (("rest_segments", "rest"), ("maximum_segments", "maximum")):
        segments = getattr(settings, name)
        inside = [(max(start, span[0] - half), min(end, span[1] + half)) for start, end in segments]
        long = tuple((start + half, end - half) for start, end in inside if end - start > 3.0 * half)
        if segments and not long:
            start, end = segments[0]
            outside = end <= span[0] or start >= span[1]
            why = (
                f"lies outside of the recording, which lasts from {span[0]:.2f} to {span[1]:.2f} s"
                if outside
                else f"is too short for the envelope's window of {settings.window_ms:g} ms"
            )
            raise EiferError(
                f"The {what} segment from {start:.2f} to {end:.2f} s {why}; mark another one, or none."
            )
        kept[name] = long
    return replace(settings, **kept)


def _within(seconds: np.ndarray, segments: tuple[tuple[float, float], ...]) -> np.ndarray:
    if not segments:
        return np.ones(len(seconds), dtype=bool)
    inside = np.zeros(len(seconds), dtype=bool)
    for start, end in segments:
        inside |= (seconds >= start) & (seconds <= end)
    return inside


def contracts(level: Level | None, settings: ChainSettings) -> bool:
    """Whether the channel's maximum is far enough above its rest to be a contraction."""
    return (
        level is not None and level.maximum > 0 and level.maximum >= settings.contraction_ratio * level.rest
    )


def scales(levels: list[Level | None], certain: np.ndarray, settings: ChainSettings) -> list[Scale | None]:
    """Scale of each of the 22 channels; `certain` bool [22] says that microvolts are microvolts.

    Where they are not, the population's maximum is taken relative to the measured rest.
    """
    spans = np.array(
        [lv.maximum - lv.rest if contracts(lv, settings) else 0.0 for lv in levels] or [0.0] * CHANNEL_COUNT
    )
    result: list[Scale | None] = []
    for i, level in enumerate(levels):
        if level is None or level.maximum <= 0:
            result.append(None)
            continue
        # If one side contracts, its span holds for both, so that asymmetry stays visible.
        span = max(spans[i], spans[OTHER_SIDE[i]]) if settings.pool_sides else spans[i]
        if spans[i] > 0:
            cap, prior = np.inf, False
        else:
            prior = span == 0
            cap = settings.contraction_ratio * level.rest
            quiet = _QUIET_SPAN * level.rest
            if prior:
                muscle = MUSCLES[MUSCLE_OF_CHANNEL[i]]
                maximum = muscle.maximum_uv if certain[i] else level.rest * muscle.maximum_uv / muscle.rest_uv
                span = maximum - level.rest
            span = max(span, quiet)
        lift = min(level.threshold - level.rest, 0.5 * span)
        result.append(Scale(level.rest, level.rest + lift, span - lift, cap, prior))
    return result


def apply(scale: Scale, envelope: np.ndarray) -> np.ndarray:
    """Activation 0..1 of an envelope in microvolts; NaN stays."""
    return np.clip((np.minimum(envelope, scale.cap) - scale.start) / scale.span, 0.0, 1.0)
