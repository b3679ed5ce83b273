"""Settings of the chain from samples to activation, and the named presets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import EiferError

SIDES_CHOICES = ("as recorded", "mirror", "rest")

Segments = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Part:
    """A stretch of a recording that is animated, seconds on the recording's clock."""

    start: float
    end: float
    label: str = ""


@dataclass(frozen=True)
class ChainSettings:
    """How raw muscle signals become activations 0..1. Frequencies in Hz, windows in ms.

    Times of segments are seconds on the recording's clock.
    """

    preset: str = "Animation"

    # Filters: raw channels only.
    mains_hz: float | None = None  # None: 50 or 60, whichever stands out; 0: no notch
    notch_q: float = 30.0  # centre / width at -3 dB
    low_hz: float = 20.0  # high-pass edge: below lie movement artefacts (van Boxtel 2001: 15-25 Hz)
    high_hz: float = 450.0  # low-pass edge, limited by the sampling rate
    order: int = 4  # Butterworth, run forward and backward

    # Envelope.
    method: str = "butterworth"  # or "mmm": the published chain of the MMM data set
    window_ms: float = 100.0  # centred RMS
    expects_bipolar: bool = True  # say so where a channel is one electrode of a pair

    # Rest and maximum of each muscle.
    rest_quantile: float = 0.10  # of the envelope over the whole recording
    maximum_held_ms: float = 300.0  # the maximum is the level reached for this long in total
    rest_segments: Segments = ()  # if given, rest is measured here only
    maximum_segments: Segments = ()  # if given, the maximum is measured here only
    contraction_ratio: float = 4.0  # a maximum below this many times rest is no contraction
    pool_sides: bool = True  # left and right share one scale, so that asymmetry stays

    # Muscle activity precedes the movement it causes: either here or inside the model, never both.
    dynamics: bool = True
    delay_ms: float = 50.0
    attack_ms: float = 30.0  # time constants
    release_ms: float = 120.0

    # A muscle recorded on one side only: the model infers the other side ("as recorded"), or it moves
    # like the recorded one ("mirror"), or stays at rest ("rest").
    sides: str = "as recorded"

    # Tables of poses.
    hold_s: float = 1.0
    transition_s: float = 0.5

    def check(self) -> ChainSettings:
        """Self, or EiferError that names the setting that cannot be."""
        if self.method not in ("butterworth", "mmm"):
            raise EiferError(f"The method '{self.method}' is unknown; choose 'butterworth' or 'mmm'.")
        if self.sides not in SIDES_CHOICES:
            raise EiferError(
                f"'{self.sides}' is unknown for the sides; choose 'as recorded', 'mirror' or 'rest'."
            )
        if not 0 < self.low_hz < self.high_hz:
            raise EiferError("The lower band edge must lie above 0 Hz and below the upper one.")
        if not 1 <= self.order <= 8:
            raise EiferError("The filter order must be from 1 to 8.")
        if not 0 < self.notch_q <= 1000 or (self.mains_hz or 0) < 0:
            raise EiferError("The mains frequency and the notch quality must be positive.")
        if not 0 < self.window_ms <= 10_000 or not 0 <= self.maximum_held_ms <= 60_000:
            raise EiferError("The envelope window must be from 0 to 10 000 ms.")
        if not 0 <= self.rest_quantile <= 0.9 or not 1 < self.contraction_ratio <= 100:
            raise EiferError("The rest quantile must be from 0 to 0.9 and the contraction ratio above 1.")
        if min(self.attack_ms, self.release_ms) < 0 or abs(self.delay_ms) > 5000:
            raise EiferError("Attack and release must not be negative, and the delay at most 5 s.")
        if self.hold_s < 0 or self.transition_s < 0 or self.hold_s + self.transition_s <= 0:
            raise EiferError("Each pose needs some time: make hold or transition longer than 0 s.")
        return self

    def without_dynamics(self) -> ChainSettings:
        """The same for a model that contains delay and dynamics itself."""
        return replace(self, dynamics=False)


PRESETS: dict[str, ChainSettings] = {
    "Animation": ChainSettings(),
    # Mean removal, NaN to 0, notch at 50 Hz with Q = 2, FIR 10-500 Hz with 129 Hamming taps and
    # zero phase, sliding RMS of 2048 samples at 4096 Hz, Fourier resampling to 30 Hz, clamp at 0.
    "MMM": ChainSettings(
        preset="MMM", method="mmm", mains_hz=50.0, notch_q=2.0, low_hz=10.0, high_hz=500.0, window_ms=500.0
    ),
}
"""Named settings; all of them expect bipolar channels."""
