"""Colours of activity: made so that equal steps look equal, and lightness alone orders them.

The tables run along a curve in Oklab (Ottosson 2020, A perceptual color space for image processing),
sampled at equal distances there, so they are perceptually uniform by construction.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

STEPS = 256

# Oklab lightness, chroma and hue (degrees) of points on the curves.
_HEAT_POINTS = (
    (0.905, 0.045, 78.0),
    (0.845, 0.105, 72.0),
    (0.735, 0.165, 50.0),
    (0.615, 0.200, 28.0),
    (0.490, 0.185, 8.0),
    (0.370, 0.140, 340.0),
    (0.270, 0.085, 315.0),
)
_BELOW_POINTS = ((0.935, 0.012, 230.0), (0.800, 0.075, 235.0), (0.630, 0.125, 245.0), (0.440, 0.130, 262.0))
_ABOVE_POINTS = ((0.935, 0.012, 60.0), (0.800, 0.095, 60.0), (0.630, 0.160, 38.0), (0.440, 0.150, 18.0))
_FINE = 4001

_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def linear(srgb: np.ndarray) -> np.ndarray:
    """Linear values of sRGB [..., 3] (IEC 61966-2-1), 0..1."""
    srgb = np.asarray(srgb, np.float64)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _encoded(values: np.ndarray) -> np.ndarray:
    values = np.clip(values, 0.0, 1.0)
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


def srgb_of_oklab(lab: np.ndarray) -> np.ndarray:
    """sRGB [..., 3] of Oklab [..., 3], clipped to what a screen can show."""
    return _encoded(((np.asarray(lab) @ _TO_LMS.T) ** 3) @ _TO_LINEAR.T)


def _curve(points: tuple[tuple[float, float, float], ...], count: int) -> np.ndarray:
    """Oklab [count, 3] at equal distances along a smooth curve through points."""
    lightness, chroma, hue = np.array(points).T
    angle = np.unwrap(np.radians(hue))
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], 1)
    t = np.linspace(0, 1, len(lab))
    fine = np.linspace(0, 1, _FINE)
    # Cubic through the points by Lagrange would swing; a piecewise line smoothed by a Gaussian does not.
    rough = np.stack([np.interp(fine, t, column) for column in lab.T], 1)
    width = _FINE // (2 * (len(lab) - 1))
    kernel = np.exp(-0.5 * (np.arange(-width, width + 1) / (width / 2.5)) ** 2)
    padded = np.concatenate(
        [2 * rough[0] - rough[width:0:-1], rough, 2 * rough[-1] - rough[-2 : -width - 2 : -1]]
    )
    smooth = np.stack([np.convolve(column, kernel / kernel.sum(), "valid") for column in padded.T], 1)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(smooth, axis=0), axis=1))])
    wanted = np.linspace(0, along[-1], count)
    return np.stack([np.interp(wanted, along, column) for column in smooth.T], 1)


def _table(lab: np.ndarray) -> np.ndarray:
    table = srgb_of_oklab(lab).astype(np.float32)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1)
def heat() -> np.ndarray:
    """float32 [256, 3] sRGB: rest is nearly the colour of paper, the strongest contraction deep plum."""
    return _table(_curve(_HEAT_POINTS, STEPS))


@lru_cache(maxsize=1)
def difference() -> np.ndarray:
    """float32 [256, 3] sRGB: from blue (less) over white (the same) to red (more)."""
    halves = (_curve(_BELOW_POINTS, STEPS // 2)[::-1], _curve(_ABOVE_POINTS, STEPS // 2))
    return _table(np.concatenate(halves))


UNKNOWN: np.ndarray = _table(np.array([0.62, 0.0, 0.0]))
"""float32 [3] sRGB: grey, for what nobody knows."""


def colour_of(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """sRGB float32 [..., 3] of values 0..1; NaN is `UNKNOWN`."""
    values = np.asarray(values, np.float32)
    known = np.isfinite(values)
    place = np.clip(np.where(known, values, 0.0), 0.0, 1.0) * (len(table) - 1)
    colours = table[np.rint(place).astype(np.int64)]
    return np.where(known[..., None], colours, UNKNOWN)
