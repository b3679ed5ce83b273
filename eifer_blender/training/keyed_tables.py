"""What the model says of single ARKit shapes: the table of an animator's hand."""

from __future__ import annotations

import numpy as np

from ..heads.arkit import from_arkit
from ..heads.head import ParametricHead
from ..muscles import CHANNELS, channel_label
from ..simulation.session import RATE
from ..spaces import ARKIT_NAMES
from .methods import Models
from .tables import Table, make_table

_COMES = (20, 35, 65, 80)  # frames: rest, up in half a second, held for a second, down
_HEIGHT = slice(45, 60)
_NOTE = """\
Each shape alone on the default head, keyed to its full weight within half a second and held for a second: the
two most active muscles of the middle of the hold, with their standard deviation, 0..1; channels that a face
does not tell are left out. The model learnt from shapes as animators key them, by a table of muscles, so this
says that it learnt them, not that a person contracts so. Right shapes mirror left ones."""


def keyed_table(head: ParametricHead, models: Models) -> Table:
    """The two most active muscles for each shape; a dash where none reaches 0.05."""
    told = ~np.isin(CHANNELS, models.hidden)
    course = np.interp(np.arange(100), _COMES, (0.0, 1.0, 1.0, 0.0))
    rows = []
    for column, name in enumerate(ARKIT_NAMES):
        if name.endswith("Right") and name.replace("Right", "Left") in ARKIT_NAMES:
            continue
        weights = np.zeros((len(course), len(ARKIT_NAMES)), np.float32)
        weights[:, column] = course
        found = models.to_activity(from_arkit(head, weights).parameters, RATE)
        values = np.where(told, found.values[_HEIGHT].mean(0), 0.0)
        sd = found.sd[_HEIGHT].mean(0) if found.sd is not None else np.full(len(CHANNELS), np.nan)
        rows.append([name, *(cell for k in _leading(values) for cell in _cells(k, values, sd))])
    columns = [("shape", -1), ("most active", -1), ("", 2), ("sd", 2), ("next", -1), ("", 2), ("sd", 2)]
    return make_table("keyed shapes", "Single shapes, keyed by hand", _NOTE, columns, rows)


def _leading(values: np.ndarray) -> list[int]:
    """The strongest channel, and the strongest of another muscle."""
    order = np.argsort(-values, kind="stable").tolist()
    first = order[0]
    return [first, next(k for k in order if k // 2 != first // 2)]


def _cells(k: int, values: np.ndarray, sd: np.ndarray) -> list[str | float | None]:
    if values[k] < 0.05:
        return ["–", None, None]
    both = abs(float(values[k ^ 1]) - float(values[k])) < 0.02
    label = channel_label(CHANNELS[k])
    return [label.rpartition(", ")[0] if both else label, float(values[k]), float(sd[k])]
