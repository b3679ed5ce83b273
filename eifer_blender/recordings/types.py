"""What every reader returns: one `Recording` of streams, channels and annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from .blocks import BlockSamples


class Kind(StrEnum):
    """What a channel's numbers are; decides how `signals` may treat them."""

    RAW = "raw"  # sEMG as amplified, microvolts, both signs
    RECTIFIED = "rectified"  # full-wave rectified, not yet smoothed
    ENVELOPE = "envelope"  # rectified or RMS and smoothed, microvolts
    ACTIVATION = "activation"  # already 0..1
    EVENT = "event"  # markers, triggers
    OTHER = "other"  # anything that is not muscle activity


@dataclass(frozen=True)
class Channel:
    """One column of a stream."""

    name: str  # as written in the file
    unit: str  # unit of `Stream.samples`: "uV" for muscle channels, else as in the file
    kind: Kind
    muscle: str | None = None  # one of muscles.CHANNELS, or None
    doubtful: bool = False  # the muscle or the kind is a guess that the user should look at
    site: str | None = None  # electrode position of `electrodes.SITES` that has no muscle of its own, "K3"


@dataclass(frozen=True)
class Stream:
    """Channels that share a clock.

    samples: float32 [n, channels]; NaN where the file has no value. Large files come as
        `BlockSamples`, which read from the disk what is asked for.
    rate: samples per second, or None for a table of poses without time.
    start: seconds of the first sample on the recording's clock.
    frame_aligned: row i belongs to video frame i (MMM layout); `rate` is then the video's.
    labels: one text per row for a table of poses, else empty.
    """

    channels: tuple[Channel, ...]
    samples: np.ndarray | BlockSamples
    rate: float | None
    start: float = 0.0
    frame_aligned: bool = False
    labels: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Annotation:
    """A marked moment or segment, seconds on the recording's clock."""

    onset: float
    duration: float
    text: str


@dataclass(frozen=True)
class Recording:
    """Everything a file said, without any patient field."""

    streams: tuple[Stream, ...]
    annotations: tuple[Annotation, ...] = ()
    source: Path | None = None
    format: str = ""
    sha256: str = ""
    notes: tuple[str, ...] = field(default=())  # sentences about guesses, for the user


@dataclass(frozen=True)
class Opened:
    """What the reader of one format returns to `reader`.

    needs: arguments of `open_recording` that the caller must state first ("rate", "names", "streams");
    guesses: offers for them. rows: of each stream, where a look read only the beginning.
    files: all that the recording was read from, where it is more than the one file.
    """

    recording: Recording
    needs: tuple[str, ...] = ()
    guesses: dict[str, object] = field(default_factory=dict)
    rows: tuple[int, ...] | None = None
    files: tuple[Path, ...] = ()
