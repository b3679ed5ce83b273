"""From envelopes at electrodes to muscles: channels as recorded, and muscles inferred from positions."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..muscles import channel_index
from ..recordings.types import Kind
from .montage import Lead
from .normalise import measure
from .quality import heartbeat
from .settings import ChainSettings
from .traces import Trace, Traces


def to_muscles(
    group: Traces, settings: ChainSettings, muted: Collection[str], leads: Sequence[Lead]
) -> list[Trace]:
    """Traces of the muscles of a group of leads."""
    result = []
    for k, lead in enumerate(group.leads):
        if lead.channel.muscle:
            fine = group.fine[:, k].astype("f8")
            result.append(
                Trace(
                    channel_index(lead.channel.muscle),
                    lead.channel,
                    group.frames[:, k],
                    group.delayed[:, k],
                    measure(fine, group.seconds, group.step, settings),
                    group.findings[k],
                    heartbeat(fine, group.step) if lead.channel.kind is Kind.RAW else 0.0,
                )
            )
    return result
