"""Columns of any reader -> channels with unit, kind and muscle, samples in microvolts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import EiferError, plain
from .blocks import BlockSamples, excerpt_rows, scale
from .guess import assign_muscles, guess_kind, listed, to_microvolts
from .options import Options, kind_of, muscle_of, per_channel
from .pairs import is_pair, twice
from .types import Channel, Kind


def make_channels(
    names: Sequence[str],
    units: Sequence[str],
    samples: np.ndarray | BlockSamples,
    rate: float | None,
    options: Options,
    levels: bool = False,
) -> tuple[tuple[Channel, ...], np.ndarray | BlockSamples, list[str]]:
    """(channels, samples [n, channels] in microvolts where they are muscles, notes).

    An array is scaled in place; of samples in a file only an excerpt is read.

    What the caller states in `options` goes before any guess. Raises EiferError if a statement
    does not fit the file. `levels` says that the layout (poses, numbered video frames) holds levels of
    activity, so that the course of the numbers need not be looked at.
    """
    names, units = [plain(n).strip() for n in names], [plain(u) for u in units]
    kinds = [kind_of(k) for k in per_channel(options.kinds, names, "kind")]
    given_units = per_channel(options.units, names, "unit")
    muscles = per_channel(options.muscles, names, "muscle")
    look = excerpt_rows(samples)
    channels = []
    for i, name in enumerate(names):
        unit = units[i] if given_units[i] is None else str(given_units[i])
        kind, doubtful = kinds[i], False
        if kind is None and levels and _is_level(look[:, i]):
            kind = Kind.ENVELOPE
        if kind is None:
            kind, doubtful = guess_kind(name, unit, look[:, i], rate)
            if muscles[i] and kind in (Kind.EVENT, Kind.OTHER):
                kind, doubtful = guess_kind("Zyg left", unit, look[:, i], rate).kind, True
        channels.append(Channel(name, unit, kind, muscle_of(muscles[i]), doubtful))
    _refuse_twice(channels)
    blocked = [i for i, m in enumerate(muscles) if m is not None and not m]
    channels, notes = assign_muscles(channels, [rate] * len(channels))
    for i in blocked:  # the caller says: no muscle
        channels[i] = replace(channels[i], muscle=None)
    channels, factors, unit_notes = to_microvolts(channels, look, [u is not None for u in given_units])
    percent_notes = _percent(channels, factors)
    return tuple(channels), scale(samples, factors), [*notes, *unit_notes, *percent_notes]


def _is_level(column: np.ndarray) -> bool:
    """Whether a column is non-negative, but for the ringing of a resampled envelope."""
    known = column[np.isfinite(column)]
    return len(known) == 0 or bool(known.min() >= -0.1 * np.abs(known).max())


def _refuse_twice(channels: Sequence[Channel]) -> None:
    claims: dict[str, list[Channel]] = {}
    for channel in channels:
        if channel.muscle:
            claims.setdefault(channel.muscle, []).append(channel)
    for members in claims.values():
        if len(members) > 1 and not is_pair(members):
            raise EiferError(twice(members))


def _percent(channels: list[Channel], factors: np.ndarray) -> list[str]:
    """Activations in per cent become 0..1; both arguments are changed in place."""
    found = []
    for i, channel in enumerate(channels):
        if channel.kind is Kind.ACTIVATION and "%" in f"{channel.unit} {channel.name}":
            factors[i] = 0.01
            channels[i] = replace(channel, unit="")
            found.append(channel.name)
    return [f"Read as per cent of the maximum: {listed(found)}."] if found else []
