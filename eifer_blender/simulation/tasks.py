"""What every source of the simulated face does at the height of a movement, unmeasured ones included."""

from __future__ import annotations

import numpy as np

from ..movements import MOVEMENTS, TABLE
from .muscle_face import usual_activity
from .sources import SOURCES

# What unmeasured muscles do at the height of a movement; those not named stay at rest, but for levator
# palpebrae, which then does as it usually does (`muscle_face.usual_levator`).
_HIDDEN_TABLE: dict[str, dict[str, float]] = {
    "Eye-Gentle": {"levator_palpebrae": -1.0},
    "Eye-Tight": {"levator_palpebrae": -1.0},
    "Smile-Closed": {"risorius": 0.15, "buccinator": 0.1},
    "Smile-Open": {"jaw_opener": 0.2, "risorius": 0.4, "depressor_labii": 0.35},
    "Lip-Pucker": {"buccinator": 0.1},
    "Cheeks": {"cheek_inflation": 0.95, "buccinator": 0.35},
    "Snarl": {"depressor_labii": 0.35, "jaw_opener": 0.08},
    "Depress-Lip": {"depressor_labii": 0.8, "jaw_opener": 0.05},
    "angry": {"levator_palpebrae": 0.1},
    "disgusted": {"depressor_labii": 0.15, "levator_palpebrae": -0.1},
    "fearful": {"levator_palpebrae": 0.6, "risorius": 0.5, "jaw_opener": 0.2, "depressor_labii": 0.2},
    "happy": {"jaw_opener": 0.15, "risorius": 0.5, "depressor_labii": 0.35, "levator_palpebrae": 0.0},
    "sad": {"levator_palpebrae": -0.1},
    "surprised": {"levator_palpebrae": 0.6, "jaw_opener": 0.6, "depressor_labii": 0.4},
}


def activity_of(name: str) -> np.ndarray:
    """float32 [32]: all sources at the height of a movement, both sides alike; KeyError if unknown."""
    muscles = MOVEMENTS[name]
    activity = usual_activity(muscles[None])[0]
    for source, amount in _HIDDEN_TABLE.get(name, {}).items():
        for column in (source, f"{source}_l", f"{source}_r"):
            if column in SOURCES:
                activity[SOURCES.index(column)] = amount
    return activity


def tables() -> dict[str, object]:
    """All numbers of this module, for the protocol's hash."""
    return {"muscles": TABLE, "hidden": _HIDDEN_TABLE}
