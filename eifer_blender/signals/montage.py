"""Which columns of a recording are one muscle: as recorded, as the difference of a pair, or as a site."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..errors import EiferError
from ..muscle_names import in_pair_order, one_of_a_pair
from ..muscles import CHANNELS
from ..recordings.pairs import is_pair, twice
from ..recordings.types import Channel, Kind, Recording
from .spatial import SpatialMap, fit_map, gains, inferred, muscles_of_sites, spatial_map

__all__ = [
    "USED_KINDS",
    "Lead",
    "SpatialMap",
    "fit_map",
    "gains",
    "inferred",
    "leads",
    "monopolar_notes",
    "muscles_of_sites",
    "spatial_map",
]

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
    """Every signal that the chain uses, in file order; a pair stands where its first column does.

    Two raw channels of one stream with the same muscle are the electrodes of one bipolar channel and
    become their difference. Raises EiferError if channels claim one muscle in any other way, or if a
    muted name is no muscle channel.
    """
    for name in muted:
        if name not in CHANNELS:
            raise EiferError(f"'{name}' is no muscle channel and cannot be muted.")
    owners: dict[str, list[tuple[int, int, Channel]]] = {}
    for number, stream in enumerate(recording.streams):
        for column, channel in enumerate(stream.channels):
            place = channel.muscle or channel.site
            usable = channel.kind in USED_KINDS and (channel.muscle or channel.kind is not Kind.ACTIVATION)
            if place and usable and place not in muted and len(stream.samples):
                owners.setdefault(place, []).append((number, column, channel))
    return tuple(_lead(place, claims) for place, claims in owners.items())


def monopolar_notes(found: Sequence[Lead]) -> list[str]:
    """A sentence about channels used alone although they are one electrode of a bipolar pair, if any."""
    names = [
        f"'{lead.channel.name[:40]}'"
        for lead in found
        if len(lead.columns) == 1
        and lead.channel.muscle
        and lead.channel.kind is Kind.RAW
        and one_of_a_pair(lead.channel.name)
    ]
    if not names:
        return []
    listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return [
        "Single electrodes against a reference also record distant muscles; give the other electrode of the "
        f"pair the same muscle: {listed}."
    ]


def _lead(place: str, claims: list[tuple[int, int, Channel]]) -> Lead:
    (stream, column, channel), *others = claims
    if not others:
        return Lead(stream, (column,), (1.0,), channel)
    pair = [c for _, _, c in claims]
    if not channel.muscle or not is_pair(pair) or others[0][0] != stream:
        raise EiferError(twice(pair))
    columns = (column, others[0][1])
    if not in_pair_order(pair[0].name, pair[1].name):
        pair, columns = pair[::-1], columns[::-1]
    both = Channel(
        f"{pair[0].name} \u2212 {pair[1].name}",
        channel.unit,
        Kind.RAW,
        place,
        any(c.doubtful for c in pair),
    )
    return Lead(stream, columns, (1.0, -1.0), both)
