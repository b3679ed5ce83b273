"""Faces found and followed through a clip: landmarks, ARKit scores, the head's turn. No network, no torch."""

from .bridging import bridge, bridge_rotations
from .follow import find_faces, track
from .squares import Square, crop, paste
from .types import Track

__all__ = ["Square", "Track", "bridge", "bridge_rotations", "crop", "find_faces", "paste", "track"]
