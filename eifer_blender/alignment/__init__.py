"""Video and recording on one clock: the offset between them, found without a trigger."""

from .files import align_clip, clip_traces
from .offset import GRADES, Alignment, ChannelMatch, ClockMap, find_offset
from .traces import (
    CONFIDENT,
    RATE,
    SHORTEST_S,
    ActivityTraces,
    face_traces,
    recorded_traces,
    usable_frames,
)

__all__ = [
    "CONFIDENT",
    "GRADES",
    "RATE",
    "SHORTEST_S",
    "ActivityTraces",
    "Alignment",
    "ChannelMatch",
    "ClockMap",
    "align_clip",
    "clip_traces",
    "face_traces",
    "find_offset",
    "recorded_traces",
    "usable_frames",
]
