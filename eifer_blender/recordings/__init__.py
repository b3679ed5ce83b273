"""Files -> `Recording`: streams of channels with name, unit, kind and muscle, and annotations."""

from .blocks import BlockSamples
from .edf_write import write_edf
from .reader import Inspection, StreamView, inspect_recording, open_recording
from .types import Annotation, Channel, Kind, Recording, Stream

FILE_EXTENSIONS = (
    ".edf",
    ".bdf",
    ".vhdr",
    ".xdf",
    ".c3d",
    ".otb+",
    ".otb4",
    ".mat",
    ".set",
    ".h5",
    ".npy",
    ".npz",
    ".csv",
    ".tsv",
    ".txt",
)
"""Endings that a file browser offers; what a file is, its content decides."""

FORMATS_TEXT = ", ".join(ending.lstrip(".").upper() for ending in FILE_EXTENSIONS)
"""The same for people."""

__all__ = [
    "FILE_EXTENSIONS",
    "FORMATS_TEXT",
    "Annotation",
    "BlockSamples",
    "Channel",
    "Inspection",
    "Kind",
    "Recording",
    "Stream",
    "StreamView",
    "inspect_recording",
    "open_recording",
    "write_edf",
]
