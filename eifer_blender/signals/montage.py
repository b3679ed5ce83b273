"""Which columns of a recording are one muscle: as recorded, as the difference of a pair, or as a site."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ..errors import EiferError
from ..muscles import CHANNELS
from ..recordings.types import Channel, Kind, Recording

USED_KINDS = (Kind.RAW, Kind.RECTIFIED, Kind.ENVELOPE, Kind.ACTIVATION)


class Lead(NamedTuple):
    """One signal of the chain: a weighted sum of columns of one stream.

    `channel` says what it is: its `muscle`, or its `site` where a spatial map makes muscles of sites.
    """

    stream: int
    columns: tuple[int, ...]
    weights: tuple[float, ...]  # (1,) for a channel as recorded, (1, -1) for a bipolar pair
    channel: Channel


def leads(recording: Recording, muted: Collection[str] = ()) -> tuple[Lead, ...]:
    """Every signal that the chain uses. Raises EiferError if a muted name is no muscle channel."""
    for name in muted:
        if name not in CHANNELS:
            raise EiferError(f"'{name}' is no muscle channel and cannot be muted.")
    return tuple(
        Lead(number, (column,), (1.0,), channel)
        for number, stream in enumerate(recording.streams)
        for column, channel in enumerate(stream.channels)
        if channel.muscle
        and channel.kind in USED_KINDS
        and channel.muscle not in muted
        and len(stream.samples)
    )
