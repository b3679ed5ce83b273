"""Which clips to train on, which to choose settings with, which to report on. Never single frames."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from .mmm import ClipData, DataSet

_KEYS: dict[str, Callable[[int, ClipData], Hashable]] = {
    "subject": lambda _, clip: clip.pid,
    "block": lambda _, clip: (clip.pid, clip.rec),
    "task": lambda _, clip: (clip.mode, clip.task),
    "clip": lambda number, _: number,
}
_SHARE = 0.15  # of the groups for validation, and again for the test


class Split(NamedTuple):
    """Numbers of clips; every clip is in one part, and no part is empty."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    sentence: str


def split(dataset: DataSet, by: str = "auto", seed: int = 1) -> Split:
    """Split by whole subjects, blocks of a session, tasks or clips; the same seed splits alike.

    Neighbouring frames are nearly the same, so frames of one clip always stay together. "auto" takes the
    first of these of which there are three; of two blocks, the clips of the second are shared out.
    Training and evaluation leave `seed` alone, whatever their own, so that both mean the same test part.
    Raises EiferError if `by` is unknown or there are too few of them.
    """
    if by != "auto":
        if by not in _KEYS:
            raise EiferError(f"'{by}' is no way to split; choose auto, {', '.join(_KEYS)}.")
        found = _split(dataset, by, seed)
        if found is None:
            raise EiferError(
                f"There are too few of them to split by {by}; choose another way, or more clips."
            )
        return found
    for kind in _KEYS:
        if kind == "subject" and len(_groups(dataset, kind)) < 3:
            continue
        if found := _split(dataset, kind, seed):
            return found
    raise EiferError("A data set needs at least three clips to be split.")


def _groups(dataset: DataSet, by: str) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for number, clip in enumerate(dataset.clips):
        groups.setdefault(_KEYS[by](number, clip), []).append(number)
    return groups


def _split(dataset: DataSet, by: str, seed: int) -> Split | None:
    """None if there are too few groups."""
    groups = list(_groups(dataset, by).values())
    rng = np.random.default_rng([seed, 23])
    if len(groups) == 2:
        groups.sort(key=len)
        if len(groups[0]) < 2:
            return None
        held = rng.permutation(groups[0]).tolist()
        half = len(held) // 2
        parts = (groups[1], held[half:], held[:half])
        how = f"One {by} for training, the other's clips for validation and test"
    elif len(groups) >= 3:
        few = max(1, round(_SHARE * len(groups)))
        order = rng.permutation(len(groups))
        chosen = (order[2 * few :], order[:few], order[few : 2 * few])
        parts = tuple([i for g in part for i in groups[g]] for part in chosen)
        how = f"Split by {by}: {len(chosen[0])} for training, {few} for validation, {few} for the test"
    else:
        return None
    train, validation, test = (tuple(sorted(part)) for part in parts)
    sentence = f"{how} ({len(train)}, {len(validation)} and {len(test)} clips)."
    return Split(train, validation, test, sentence)
