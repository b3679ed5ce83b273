"""The whole way from a file's expressions and a recording to their offset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EiferError
from .offset import Alignment, find_offset
from .traces import ActivityTraces, face_traces, recorded_traces, usable_frames

if TYPE_CHECKING:
    from ..interchange import ExpressionClip
    from ..pipeline import ChannelChoice
    from ..recordings.types import Recording


def align_clip(
    clip: ExpressionClip,
    recording: Recording,
    *,
    model: Path | None = None,
    choices: Sequence[ChannelChoice] = (),
) -> Alignment:
    """The offset of a video's expressions to a recording; second 0 of the video is the clip's first row.

    model: an Exp2EMG model, needed where the clip is of a head that the bundled one does not know. choices:
    what the user decided about channels. Raises EiferError if the clip does not say its rate, belongs to
    another head than the model, or one of the two cannot be aligned.
    """
    return find_offset(clip_traces(clip, model=model), recorded_traces(recording, choices))


def clip_traces(clip: ExpressionClip, *, model: Path | None = None) -> ActivityTraces:
    """Muscle activity that a file's expressions show; see `align_clip`."""
    from .. import mapping
    from ..heads.default import load_default_head
    from ..interchange import to_head

    if clip.fps is None:
        raise EiferError(
            "The parameters of the video do not say their frame rate; state the frames per second."
        )
    metadata = None if model is None else mapping.read_metadata(model, kind=mapping.EXP2EMG)
    head = load_default_head()
    if metadata is not None and metadata.space == clip.space.id != head.space:
        loaded, parameters = mapping.load_model(model, space=clip.space.id, kind=mapping.EXP2EMG), clip.values
    else:
        loaded = mapping.load_model(model, head=head, kind=mapping.EXP2EMG)
        parameters, _ = to_head(clip, head)
    usable = usable_frames(len(parameters), clip.extra.get("confidence"))
    return face_traces(loaded, parameters, clip.fps, usable=usable)
