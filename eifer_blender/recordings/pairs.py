"""When two channels may name the same muscle: as the two electrodes of one bipolar channel."""

from __future__ import annotations

from collections.abc import Sequence

from ..muscles import CHANNELS, channel_label
from .types import Channel, Kind


def is_pair(channels: Sequence[Channel]) -> bool:
    """Whether channels of one stream with the same muscle are the electrodes of one bipolar channel."""
    return len(channels) == 2 and all(c.kind is Kind.RAW for c in channels)


def twice(channels: Sequence[Channel]) -> str:
    """The sentence for channels that claim one place and are no pair."""
    place = channels[0].muscle or channels[0].site or ""
    label = channel_label(place) if place in CHANNELS else f"the electrode position {place}"
    names = " and ".join(f"'{c.name[:40]}'" for c in channels[:3]) + (
        " and more" if len(channels) > 3 else ""
    )
    return (
        f"{names} are given to {label} at once; give it to one channel, "
        "or to the two raw channels of one stream whose difference it is."
    )
