"""The table of the Live Link Face app: its columns, in its order, and its timecode."""

from __future__ import annotations

import re

import numpy as np

from ..errors import EiferError

# The app's CSV has JawRight before JawLeft and MouthRight before MouthLeft, unlike ARKit and the app's own
# network messages: columns are always found by name.
SHAPES = tuple(
    (
        "EyeBlinkLeft EyeLookDownLeft EyeLookInLeft EyeLookOutLeft EyeLookUpLeft EyeSquintLeft EyeWideLeft "
        "EyeBlinkRight EyeLookDownRight EyeLookInRight EyeLookOutRight EyeLookUpRight EyeSquintRight "
        "EyeWideRight JawForward JawRight JawLeft JawOpen MouthClose MouthFunnel MouthPucker MouthRight "
        "MouthLeft MouthSmileLeft MouthSmileRight MouthFrownLeft MouthFrownRight MouthDimpleLeft "
        "MouthDimpleRight MouthStretchLeft MouthStretchRight MouthRollLower MouthRollUpper MouthShrugLower "
        "MouthShrugUpper MouthPressLeft MouthPressRight MouthLowerDownLeft MouthLowerDownRight "
        "MouthUpperUpLeft MouthUpperUpRight BrowDownLeft BrowDownRight BrowInnerUp BrowOuterUpLeft "
        "BrowOuterUpRight CheekPuff CheekSquintLeft CheekSquintRight NoseSneerLeft NoseSneerRight TongueOut"
    ).split()
)
ANGLES = tuple(
    "HeadYaw HeadPitch HeadRoll LeftEyeYaw LeftEyePitch LeftEyeRoll RightEyeYaw RightEyePitch "
    "RightEyeRoll".split()
)
"""Radians."""

HEADER = ("Timecode", "BlendShapeCount", *SHAPES, *ANGLES)

_TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})[:;](\d{1,3})(?:\.(\d{1,6}))?")
_BASES = (24, 25, 30, 48, 50, 60, 90, 96, 100, 120, 240)
_HALF_DAY, _DAY = 43_200, 86_400
_CLEARLY = 0.01  # of a step: rounding to thousandths decides nothing


def read_timecodes(cells: list[str]) -> np.ndarray | None:
    """float64 [n] seconds of timecodes `HH:MM:SS:FF.mmm`; NaN where a cell is none.

    How many frames a second has is nowhere written; it is the count under which the rows are most evenly
    spaced, and None if the rows lie within one second, or their frames do not count seconds at all. The
    fraction after the point is part of a frame; writers that mean something else by it are told by rows that
    are more even without it.
    """
    found = [_TIMECODE.fullmatch(cell.strip()) for cell in cells]
    parts = np.array(
        [
            (float(m[1]) * 3600 + float(m[2]) * 60 + float(m[3]), float(m[4]), float(f"0.{m[5] or 0}"))
            if m
            else (np.nan, np.nan, np.nan)
            for m in found
        ],
        np.float64,
    ).reshape(-1, 3)
    second, frame, fraction = parts.T.copy()
    known = np.isfinite(second)
    if known.sum() < 3 or not np.any(np.diff(second[known])):
        return None
    jumps = np.diff(second, prepend=second[:1])
    second += _DAY * np.cumsum(np.nan_to_num(jumps) < -_HALF_DAY)  # past midnight
    best, chosen = np.inf, None
    for base in _BASES:
        if base <= np.nanmax(frame):
            continue
        for part in (fraction, 0.0):
            times = second + (frame + part) / base
            uneven = _unevenness(times[known])
            if uneven < best - _CLEARLY:
                best, chosen = uneven, times
    return chosen


def _unevenness(times: np.ndarray) -> float:
    """Mean distance of the steps between rows from the usual step, in such steps."""
    steps = np.diff(times)
    usual = np.median(steps)
    return float(np.abs(steps - usual).mean() / usual) if usual > 0 else np.inf


def timecodes(frames: int, fps: float, start: str = "00:00:00:00.000") -> list[str]:
    """Timecodes of rows at a frame rate, from `start` on.

    They count on the frame rate where it is a usual one, so that every row is a whole frame; at other rates
    the rows lie between the frames of the next higher one. EiferError if `start` is no timecode.
    """
    match = _TIMECODE.fullmatch(start.strip())
    if not match:
        raise EiferError(f"'{start[:40]}' is no timecode; write it as hours:minutes:seconds:frames.")
    hours, minutes, seconds, frame = (int(match[k]) for k in range(1, 5))
    enough = [b for b in _BASES if b > fps - 0.5 and b > frame] or _BASES[-1:]
    base = next((b for b in enough if abs(b / fps - round(b / fps)) < 1e-3), enough[0])
    first = ((hours * 60 + minutes) * 60 + seconds) * base + frame + float(f"0.{match[5] or 0}")
    thousandths = np.rint((first + np.arange(frames) * (base / fps)) * 1000).astype(np.int64)
    whole, part = np.divmod(thousandths, 1000)
    second, count = np.divmod(whole, base)
    return [
        f"{s // 3600 % 24:02d}:{s // 60 % 60:02d}:{s % 60:02d}:{f:02d}.{p:03d}"
        for s, f, p in zip(second.tolist(), count.tolist(), part.tolist(), strict=True)
    ]
