"""The protocol: every distribution that the simulated population is drawn from, in one place.

It is fixed before a model is trained, and its hash is written into the model, so that nobody can
make a model look better by making its test easier afterwards. Amounts are settings of this project,
chosen within what is published about facial sEMG; where a number has a source, it is named.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Protocol:
    """Ranges are uniform, `sd` are standard deviations (of the logarithm for factors)."""

    version: int = 1  # raised when the simulation's code changes what it makes of these numbers

    # Sessions: what a subject does, in which shares of the time.
    attack_s: Range = (0.12, 0.60)
    hold_s: Range = (0.35, 1.60)
    release_s: Range = (0.20, 0.90)
    pause_s: Range = (0.35, 1.10)
    height: Range = (0.45, 1.0)  # of a repetition, relative to the movement at its height
    strongest: Range = (0.85, 1.0)  # the same for movements that are done as strongly as one can
    repetition_sd: float = 0.12  # of a muscle from one repetition to the next
    tremor_sd: float = 0.05  # slow wavering of a held contraction
    blinks_per_minute: float = 14.0

    # Subjects: how they contract their muscles.
    effort: Range = (0.85, 1.0)  # of the true maximum that a subject reaches in a session
    pattern_sd: float = 0.45  # of a muscle's share in a movement
    synergy: float = 0.06  # share with which neighbouring muscles go along, at most
    asymmetry_sd: float = 0.08
    lag_s: float = 0.03  # standard deviation between the sides
    weak_side: float = 0.12  # share of subjects with a palsy of one side
    weakness: Range = (0.1, 0.7)  # what is left on that side

    # Subjects: how their muscles move the face.
    gain_sd: float = 0.06  # of a muscle's whole effect
    shape_sd: float = 0.08  # of each part of its effect
    saturation: Range = (0.40, 0.70)  # activation at which the effect has reached 63 % of its end
    antagonism_sd: float = 0.12
    hidden_sd: float = 0.15  # of what unmeasured muscles do in a movement
    jaw_rad: Range = (0.26, 0.36)  # rotation at full activity of the openers
    identity_sd: float = 0.6  # of identity coefficients

    # From activity to movement: delay (electromechanical, some 30-100 ms) and the muscle's own time
    # constants; the lid is faster than the rest of the face.
    delay_ms: Range = (35.0, 65.0)
    contraction_ms: Range = (28.0, 42.0)
    relaxation_ms: Range = (65.0, 100.0)
    lid_share: float = 0.5  # of those time constants
    fatigue_s: float = 40.0
    fatigue: float = 0.15  # of force that a minute's full contraction costs

    # Electrodes and amplifier.
    electrode_gain_sd: float = 0.35
    crosstalk: Range = (0.6, 1.4)  # factor on the leak that the electrodes' places give
    snr_db: Range = (12.0, 30.0)  # half a maximum over the noise
    gain_drift_sd: float = 0.04  # over a session
    bandwidth_hz: float = 175.0  # statistical bandwidth of sEMG within 20-450 Hz
    artefacts_per_minute: float = 0.5

    # Scoring.
    moving_mm: float = 2.0  # a region counts in frames in which it moves so far on average


PROTOCOL = Protocol()
"""What the bundled models are trained and evaluated on."""


def protocol_hash(protocol: Protocol = PROTOCOL) -> str:
    """SHA-256 over the protocol and the tables of movements, of muscles on the face, and of electrodes."""
    from . import muscle_face, tasks, volume

    content = {"protocol": asdict(protocol)}
    content |= {part.__name__.rpartition(".")[2]: part.tables() for part in (tasks, muscle_face, volume)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
