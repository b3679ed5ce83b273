"""`Recording` -> `Activation`: the chain from samples to muscle activity per video frame."""

from .activation import MAX_FRAMES, Activation, ChannelQuality, Status
from .chain import envelopes, filter_blocks, is_pose_table, process
from .poses import pose_values, process_poses
from .settings import PRESETS, ChainSettings, Part

__all__ = [
    "MAX_FRAMES",
    "PRESETS",
    "Activation",
    "ChainSettings",
    "ChannelQuality",
    "Part",
    "Status",
    "envelopes",
    "filter_blocks",
    "is_pose_table",
    "pose_values",
    "process",
    "process_poses",
]
