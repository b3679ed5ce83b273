"""Recordings as files: how they are opened, kept at hand, and let go. Threads may use all of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from .. import pipeline, recordings
from ..errors import EiferError
from ..pipeline import TakeSettings
from ..recordings.types import Recording
from ..signals import Activation

LARGE_BYTES = 50_000_000  # from here on reading and processing take longer than a window may stand still


@dataclass(frozen=True)
class OpenOptions:
    """What the user answered when the file did not say it; None: as the file says."""

    rate: float | None = None
    names: tuple[str, ...] | None = None
    poses: bool | None = None
    zeros_missing: bool | None = None
    streams: tuple[str | int, ...] | None = None

    def given(self) -> dict:
        """Arguments for `recordings.open_recording`."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @staticmethod
    def from_json(text: str) -> OpenOptions:
        """From what the scene keeps; an empty text gives the defaults."""
        data = json.loads(text) if text else {}
        lists = {name: tuple(data[name]) for name in ("names", "streams") if data.get(name)}
        return OpenOptions(**data | {"names": None, "streams": None} | lists)


@lru_cache(maxsize=2)
def _open_version(path: str, _modified: int, _size: int, options: OpenOptions) -> Recording:
    """A cache by content version: the same file is not read again for every preview and bake."""
    return recordings.open_recording(Path(path), **options.given())


@lru_cache(maxsize=4)
def _process_version(
    path: str, modified: int, size: int, options: OpenOptions, settings: TakeSettings
) -> Activation:
    """An hour takes half a minute: opening, preview and bake with the same settings share the result."""
    return pipeline.process_recording(_open_version(path, modified, size, options), settings)


def read(path: str, options: OpenOptions) -> Recording:
    """The recording in a file; EiferError if it cannot be read."""
    return _open_version(path, *_version(path), options)


def processor(path: str, options: OpenOptions) -> Callable[[Recording, TakeSettings], Activation]:
    """`pipeline.process_recording` for the recording in a file, which remembers what it computed last."""

    def process(_recording: Recording, settings: TakeSettings) -> Activation:
        # What acts after the chain does not make another activation.
        plain = replace(settings, gain=1.0, smoothing_ms=0.0)
        return _process_version(path, *_version(path), options, plain)

    return process


def _version(path: str) -> tuple[int, int]:
    """When the file was changed and its size; EiferError if it cannot be read."""
    try:
        info = os.stat(path)
    except OSError as error:
        raise EiferError(
            f"The recording '{path}' cannot be read ({error.strerror}); open it again."
        ) from None
    return info.st_mtime_ns, info.st_size


def is_large(path: str) -> bool:
    """Whether opening the file needs a thread."""
    try:
        return os.stat(path).st_size > LARGE_BYTES
    except OSError:
        return False


def drop() -> None:
    """Let go of the recordings at hand: they may be hours of samples."""
    _open_version.cache_clear()
    _process_version.cache_clear()


_QUESTIONS = {
    "rate": "The file does not say its sampling rate; give it, or read each row as a pose.",
    "names": "The file does not name its columns; name them, separated by commas.",
    "streams": "The file holds several streams that could be meant; choose.",
}


def inspect(path: str, options: OpenOptions | None = None) -> recordings.Inspection:
    """A quick look at a file, for the dialog; raises EiferError if it cannot be read."""
    given = options.given() if options else {}
    return recordings.inspect_recording(Path(path), **given)


def questions(inspection: recordings.Inspection) -> list[str]:
    """What the dialog must ask, in sentences."""
    return [_QUESTIONS[need] for need in inspection.needs]


def describe_stream(stream: recordings.StreamView) -> str:
    """What a stream holds, in a few words."""
    count = len(stream.channels)
    rate = f" at {stream.rate:g} Hz" if stream.rate else ""
    muscles = sum(bool(channel.muscle) for channel in stream.channels)
    found = f", {muscles} muscle{'s' if muscles != 1 else ''}" if muscles else ""
    return f"{count} channel{'s' if count != 1 else ''}{rate}{found}"
