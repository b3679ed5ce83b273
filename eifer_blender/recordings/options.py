"""What a caller may state about a file instead of leaving it to be guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import EiferError
from ..muscle_names import parse_channel
from .types import Kind

PerChannel = Sequence[Any] | Mapping[str | int, Any] | None


LOWEST_RATE, HIGHEST_RATE = 0.01, 1e6  # samples per second


def is_rate(rate: float) -> bool:
    """Whether a recording can have so many samples per second."""
    return LOWEST_RATE <= rate <= HIGHEST_RATE


@dataclass(frozen=True)
class Options:
    """Arguments of `open_recording`; None everywhere means "guess"."""

    rate: float | None = None
    names: Sequence[str] | None = None
    kinds: PerChannel = None
    units: PerChannel = None
    muscles: PerChannel = None
    time_column: str | int | bool | None = None
    poses: bool | None = None
    frame_aligned: bool | None = None
    zeros_missing: bool | None = None
    streams: Sequence[str | int] | None = None

    def check(self) -> Options:
        """Self, or EiferError if a value cannot be meant."""
        if self.rate is not None and not is_rate(float(self.rate)):
            raise EiferError(f"A rate of {self.rate} Hz is not possible; give samples per second.")
        if isinstance(self.names, str):
            raise EiferError("Give the channel names as a list, one for each column.")
        if isinstance(self.streams, str):
            raise EiferError("Give the streams as a list of names or numbers.")
        return self


def per_channel(given: PerChannel, names: Sequence[str], what: str) -> list[Any]:
    """One value or None for each channel, from a list in file order or from {name or number: value}.

    Raises EiferError if the list has another length or a name is unknown.
    """
    if given is None:
        return [None] * len(names)
    if isinstance(given, Mapping):
        values: list[Any] = [None] * len(names)
        for key, value in given.items():
            hits = [key] if isinstance(key, int) else [i for i, n in enumerate(names) if n == key]
            if not hits or not 0 <= hits[0] < len(names):
                raise EiferError(f"There is no channel '{key}' whose {what} could be set; check the name.")
            for i in hits:
                values[i] = value
        return values
    if isinstance(given, str) or len(given) != len(names):
        count = 1 if isinstance(given, str) else len(given)
        raise EiferError(f"{count} {what}s are given for {len(names)} channels; give one for each.")
    return list(given)


def kind_of(value: Any) -> Kind | None:  # noqa: ANN401 - a Kind, its name, or nothing
    """`Kind` from itself or its name; EiferError lists the names."""
    if value is None or isinstance(value, Kind):
        return value
    try:
        return Kind(str(value).lower())
    except ValueError:
        known = ", ".join(k.value for k in Kind)
        raise EiferError(f"'{value}' is no kind of channel; choose one of {known}.") from None


def muscle_of(value: Any) -> str | None:  # noqa: ANN401 - a name or nothing
    """Channel name of `muscles.CHANNELS`; empty text means "no muscle"; EiferError if unknown."""
    if not value:
        return None
    try:
        return parse_channel(str(value))
    except ValueError as error:
        raise EiferError(f"{error}.") from None
