"""Everything that moves the simulated face: the 22 recorded muscles, and causes that no electrode sits on."""

from __future__ import annotations

from ..muscles import CHANNELS

HIDDEN = (
    "jaw_opener",
    "levator_palpebrae_l",
    "levator_palpebrae_r",
    "risorius_l",
    "risorius_r",
    "buccinator_l",
    "buccinator_r",
    "depressor_labii_l",
    "depressor_labii_r",
    "cheek_inflation",
)
"""Unmeasured causes, 0..1; levator palpebrae is 0 at its tone, down to -1 where it lets the lid fall."""

SOURCES = CHANNELS + HIDDEN
"""Columns of `activity` arrays: the recorded muscles first."""
