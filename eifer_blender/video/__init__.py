"""Moving pictures in and out: video files and numbered pictures as upright RGB frames with their times."""

from .reader import open_video, read_frames
from .types import Frame, Video
from .writer import write_video

__all__ = ["Frame", "Video", "open_video", "read_frames", "write_video"]
