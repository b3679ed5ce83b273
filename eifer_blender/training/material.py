"""Clips as the arrays that training draws frames from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..muscles import CHANNEL_COUNT


@dataclass(frozen=True)
class Material:
    """All frames of some clips, one after another; N frames, S subjects."""

    activation: np.ndarray  # float32 [N, 22], 0 where there is no channel
    present: np.ndarray  # bool [N, 22]
    expression: np.ndarray  # float32 [N, P]
    first: np.ndarray  # int64 [N]: first frame of the frame's clip
    last: np.ndarray  # int64 [N]: last frame of the frame's clip
    subject: np.ndarray  # int64 [N], 0..S-1

    def __len__(self) -> int:
        return len(self.activation)

    def rows(self, frames: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """int64 [n, K]: rows at `offsets` [K] from `frames` [n], the clip's ends repeated."""
        rows = frames[:, None] + offsets
        return np.clip(rows, self.first[frames, None], self.last[frames, None])


def make_material(
    activity: Sequence[tuple[np.ndarray, np.ndarray]],
    expressions: Sequence[np.ndarray],
    subjects: Sequence[str],
) -> Material:
    """Material of clips: (activation [n, 22], present [22]), expression [n, P] and subject of each."""
    lengths = np.array([len(e) for e in expressions])
    ends = np.cumsum(lengths)
    numbers = {name: k for k, name in enumerate(dict.fromkeys(subjects))}
    masks = [
        np.broadcast_to(np.asarray(p, bool), (n, CHANNEL_COUNT))
        for (_, p), n in zip(activity, lengths, strict=True)
    ]
    present = np.concatenate(masks)
    activation = np.concatenate([a for a, _ in activity]).astype(np.float32)
    usable = present & np.isfinite(activation)
    return Material(
        activation=np.where(usable, activation, np.float32(0)),
        present=usable,
        expression=np.concatenate(list(expressions)).astype(np.float32),
        first=np.repeat(ends - lengths, lengths),
        last=np.repeat(ends - 1, lengths),
        subject=np.repeat([numbers[s] for s in subjects], lengths),
    )
