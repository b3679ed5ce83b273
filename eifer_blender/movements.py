"""The movements of the Schaede protocol and the six emotions as muscle activations.

Which muscles lead in which movement follows FACS and published recordings of the protocol; the
amounts are settings of this project, chosen so that every movement reads clearly on a face. In happiness the
levator is as strong as recordings have it: stronger than in disgust (tests/data/fridlund_emotions.csv).
"""

from __future__ import annotations

import numpy as np

from .muscles import CHANNEL_COUNT, MUSCLES

SCHAEDE = (
    "Face-At-Rest",
    "Forehead",
    "Eye-Gentle",
    "Eye-Tight",
    "Nose-Pucker",
    "Smile-Closed",
    "Smile-Open",
    "Lip-Pucker",
    "Cheeks",
    "Snarl",
    "Depress-Lip",
)
"""Movements of the protocol, in its order and spelling."""

EMOTIONS = ("angry", "disgusted", "fearful", "happy", "sad", "surprised")

# Columns of the table below, as muscle names.
_COLUMNS = (
    "medial_frontalis",
    "lateral_frontalis",
    "corrugator_supercilii",
    "depressor_supercilii",
    "orbicularis_oculi",
    "zygomaticus",
    "levator_labii_superioris",
    "orbicularis_oris",
    "depressor_anguli_oris",
    "mentalis",
    "masseter",
)
# fmt: off
TABLE = {
    #               medF  latF  Corr  DSP   OOc   Zyg   LLS   OOr   DAO   Ment  Mass
    "Face-At-Rest": (0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    "Forehead":     (0.90, 0.90, 0.08, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    "Eye-Gentle":   (0.00, 0.00, 0.00, 0.00, 0.55, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    "Eye-Tight":    (0.00, 0.00, 0.65, 0.60, 1.00, 0.18, 0.20, 0.05, 0.00, 0.00, 0.00),
    "Nose-Pucker":  (0.00, 0.00, 0.55, 0.75, 0.25, 0.05, 0.90, 0.05, 0.00, 0.05, 0.00),
    "Smile-Closed": (0.00, 0.00, 0.00, 0.00, 0.15, 0.75, 0.08, 0.10, 0.04, 0.05, 0.00),
    "Smile-Open":   (0.00, 0.00, 0.00, 0.00, 0.35, 0.95, 0.55, 0.08, 0.08, 0.08, 0.00),
    "Lip-Pucker":   (0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.95, 0.12, 0.45, 0.00),
    "Cheeks":       (0.00, 0.00, 0.00, 0.00, 0.05, 0.05, 0.05, 0.70, 0.20, 0.20, 0.05),
    "Snarl":        (0.00, 0.00, 0.20, 0.20, 0.18, 0.18, 0.90, 0.10, 0.45, 0.40, 0.08),
    "Depress-Lip":  (0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.18, 0.90, 0.60, 0.00),
    "angry":        (0.00, 0.00, 0.85, 0.85, 0.22, 0.00, 0.10, 0.75, 0.18, 0.45, 0.25),
    "disgusted":    (0.00, 0.00, 0.60, 0.75, 0.45, 0.05, 0.90, 0.12, 0.22, 0.18, 0.00),
    "fearful":      (0.85, 0.35, 0.35, 0.18, 0.05, 0.00, 0.08, 0.12, 0.30, 0.18, 0.00),
    "happy":        (0.00, 0.00, 0.00, 0.00, 0.40, 0.90, 0.70, 0.10, 0.06, 0.10, 0.00),
    "sad":          (0.85, 0.00, 0.60, 0.45, 0.08, 0.00, 0.05, 0.08, 0.40, 0.75, 0.00),
    "surprised":    (0.90, 0.95, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
}
# fmt: on


def _channels(row: tuple[float, ...]) -> np.ndarray:
    amounts = dict(zip(_COLUMNS, row, strict=True))
    values = np.repeat([amounts[m.name] for m in MUSCLES], CHANNEL_COUNT // len(MUSCLES))
    values = values.astype(np.float32)
    values.flags.writeable = False
    return values


MOVEMENTS: dict[str, np.ndarray] = {name: _channels(row) for name, row in TABLE.items()}
"""name -> float32 [22] activation, both sides alike, at the height of the movement."""


def emotion_of(label: str) -> str | None:
    """The emotion that a label means, allowing for a slip of the pen; None if it means none of them."""
    from difflib import get_close_matches

    found = get_close_matches(label.strip().casefold(), EMOTIONS, n=1, cutoff=0.75)
    return found[0] if found else None
