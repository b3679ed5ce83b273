"""Expression → muscle activity: electromyography without electrodes, with what it cannot tell left open."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import mapping, muscles
from .errors import EiferError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .mapping import MappingModel

_UNUSUAL_SD = 0.4  # of full scale: the model was never shown such a face
_UNUSUAL_SHARE = 0.1  # of the moving frames, before it is worth a sentence
_MOVING = 0.05


class Estimate(NamedTuple):
    """Muscle activity that was read from a face.

    Channels that a face does not tell are NaN unless they were asked for as a guess.
    """

    values: np.ndarray  # float32 [n, 22], 0..1
    sd: np.ndarray  # float32 [n, 22], one standard deviation
    fps: float
    hidden: tuple[str, ...]  # channels that a face does not tell
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> np.ndarray:
        """bool [22]: channels with an estimate."""
        return np.isfinite(self.values).any(0)


def estimate(
    model: MappingModel, expression: np.ndarray, fps: float, *, include_hidden: bool = False
) -> Estimate:
    """Muscle activity of an animation.

    model: of the kind `exp2emg`. expression: [n, P] in the order of the model's parameters, at `fps`.
    include_hidden: also what the model guesses of muscles that a face does not tell, which is what
    usually goes along with the others. The neutral face gives exactly no activity.

    Raises EiferError for a model of the other kind or an expression that is not a number.
    """
    expression = np.asarray(expression, np.float32)
    wrong = ~np.isfinite(expression)
    if wrong.any():
        frame = int(wrong.any(1).argmax())
        name = model.metadata.parameters[int(wrong[frame].argmax())]
        raise EiferError(
            f"The expression holds no number for '{name}' in frame {frame + 1} of {len(expression)}; "
            "correct that key or cell."
        )
    found = mapping.expression_to_emg(model, expression, fps)
    values, sd = found.values.copy(), found.sd.copy()
    hidden = tuple(model.metadata.hidden)
    if not include_hidden:
        columns = [muscles.channel_index(name) for name in hidden]
        values[:, columns] = sd[:, columns] = np.nan
    return Estimate(values, sd, fps, hidden, _notes(values, sd, hidden, include_hidden))


def _notes(
    values: np.ndarray, sd: np.ndarray, hidden: Sequence[str], include_hidden: bool
) -> tuple[str, ...]:
    notes = []
    if hidden:
        told = "only guessed, from what usually goes along" if include_hidden else "left out"
        notes.append(f"A face does not show the {muscle_list(hidden)}: {told}.")
    with np.errstate(invalid="ignore"):
        moving = (values > _MOVING).any(1)
        unusual = moving & ((sd > _UNUSUAL_SD) & (values > _MOVING)).any(1)
    if unusual.sum() > _UNUSUAL_SHARE * max(1, moving.sum()):
        share = 100 * unusual.sum() / moving.sum()
        notes.append(
            f"In {share:.0f} % of the moving frames the face is unlike those that the model learnt from; "
            "take its numbers there as hints."
        )
    return tuple(notes)


def muscle_list(channels: Sequence[str]) -> str:
    """Channels in words: a muscle whose two sides are there is named once."""
    labels = []
    for k, muscle in enumerate(muscles.MUSCLES):
        sides = [s for s in muscles.SIDES if f"{muscle.name}_{s}" in channels]
        if len(sides) == len(muscles.SIDES):
            labels.append(muscle.label.lower())
        else:
            labels += [muscles.channel_label(muscles.CHANNELS[2 * k + muscles.SIDES.index(s)]) for s in sides]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}" if labels else ""
