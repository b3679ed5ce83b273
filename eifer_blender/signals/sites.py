"""From envelopes at electrodes to muscles: channels as recorded, and muscles inferred from positions."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from ..muscles import CHANNELS, channel_index
from ..recordings.types import Channel, Kind
from . import montage
from .montage import Lead
from .normalise import measure
from .quality import Findings, heartbeat
from .settings import ChainSettings
from .traces import Trace, Traces


def to_muscles(
    group: Traces, settings: ChainSettings, muted: Collection[str], leads: Sequence[Lead]
) -> list[Trace]:
    """Traces of the muscles of a group of leads.

    A muscle that has a channel of its own among all `leads` is never inferred from sites.
    """
    own = {lead.channel.muscle for lead in leads if lead.channel.muscle}
    return [*_measured(group, settings), *_inferred(group, settings, own | set(muted))]


def _measured(group: Traces, settings: ChainSettings) -> list[Trace]:
    result = []
    for k, lead in enumerate(group.leads):
        if not lead.channel.muscle:
            continue
        raw = lead.channel.kind is Kind.RAW
        result.append(
            Trace(
                channel_index(lead.channel.muscle),
                lead.channel,
                group.frames[:, k],
                group.delayed[:, k],
                measure(group.fine[:, k], group.seconds, group.step, settings),
                group.findings[k],
                heartbeat(group.fine[:, k], group.step) if raw else 0.0,
            )
        )
    return result


def _inferred(group: Traces, settings: ChainSettings, taken: set[str]) -> list[Trace]:
    """Muscles that the sites of a group tell something about."""
    at = [k for k, lead in enumerate(group.leads) if not lead.channel.muscle and lead.channel.site]
    if not at:
        return []
    names = [group.leads[k].channel.site or "" for k in at]
    mapping = montage.fit_map(names, group.fine[:, at])
    fine, explained = montage.muscles_of_sites(names, group.fine[:, at], mapping)
    frames, _ = montage.muscles_of_sites(names, group.frames[:, at], mapping)
    delayed, _ = montage.muscles_of_sites(names, group.delayed[:, at], mapping)
    kind, source = group.leads[at[0]].channel.kind, f"{len(at)} electrode positions"
    missing = float(np.mean([group.findings[k].missing for k in at]))
    aliased = any(group.findings[k].aliased for k in at)
    result = []
    for index, muscle in enumerate(CHANNELS):
        if muscle in taken or not np.isfinite(fine[:, index]).any():
            continue
        findings = Findings(missing, inferred=montage.inferred(float(explained[index])), aliased=aliased)
        level = measure(fine[:, index], group.seconds, group.step, settings)
        channel = Channel(source, "uV", kind, muscle)
        result.append(Trace(index, channel, frames[:, index], delayed[:, index], level, findings))
    return result
