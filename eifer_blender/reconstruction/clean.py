"""The video beside the source: the same frames, without electrodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..errors import EiferError
from ..tracking import crop, paste
from ..video import Video, read_frames, write_video
from . import models, removal
from .models import Codes
from .reconstruct import Progress, Reconstruction


def write_clean_video(
    path: Path,
    video: Video,
    found: Reconstruction,
    *,
    folder: Path | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> int:
    """Write the video with the face's electrodes replaced by skin; returns how many frames.

    Needs a reconstruction by Phase 1. Frames in which the face was lost stay as they are. folder: of other
    networks than the bundled ones. Raises EiferError if the file exists and is not to be replaced, if the
    face was not read by Phase 1, or after `cancelled` says so.
    """
    if found.camera is None:
        raise EiferError("Electrodes are removed from faces read with Phase 1 only; choose that method.")
    frames = cleaned_frames(video, found, folder=folder)

    def told() -> Iterator[np.ndarray]:
        for done, frame in enumerate(frames, 1):
            if cancelled and cancelled():
                raise EiferError("Stopped; nothing was changed.")
            yield frame
            if progress:
                progress("removing electrodes", done, video.count)

    times = None if video.constant else video.times
    return write_video(path, told(), video.rate, times, replace=replace)


def cleaned_frames(
    video: Video, found: Reconstruction, *, folder: Path | None = None
) -> Iterator[np.ndarray]:
    """Frames uint8 [h, w, 3] of the video without electrodes, one at a time."""
    size = models.load(models.REMOVER, folder).size
    for frame in read_frames(video):
        i = frame.index
        if not found.found[i]:
            yield frame.image
            continue
        look = crop(frame.image, found.squares[i], size)
        codes = Codes([found.params[i : i + 1], found.identity[None], found.turn_in_square(i)[None],
                       found.camera[i : i + 1]])  # fmt: skip
        bare, replaced = removal.bare_faces(look[None], codes, found.identity, folder)
        yield paste(frame.image, bare[0], found.squares[i], replaced[0])
