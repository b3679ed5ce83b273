"""Simulated people: how each contracts muscles, how these move the face, what electrodes make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..muscles import CHANNEL_COUNT, CHANNELS, MUSCLE_OF_CHANNEL, MUSCLES
from .muscle_face import PART_WEIGHTS, PARTS, FaceModel, average_face
from .protocol import PROTOCOL, Protocol
from .sources import SOURCES

TRAIN = range(0, 10_000)
VALIDATION = range(10_000, 11_000)
HELD_OUT = range(20_000, 30_000)
"""Numbers of the subjects to train on, to choose settings with, and to report on."""

_IDENTITY_COUNT = 20
# Muscles that go along with one another when one of them is meant, as neighbours do.
_SYNERGIES = (
    ("corrugator_supercilii", "depressor_supercilii"),
    ("medial_frontalis", "lateral_frontalis"),
    ("orbicularis_oculi", "zygomaticus"),
    ("levator_labii_superioris", "zygomaticus"),
    ("depressor_anguli_oris", "mentalis"),
    ("orbicularis_oris", "mentalis"),
    ("orbicularis_oris", "depressor_anguli_oris"),
    ("orbicularis_oculi", "corrugator_supercilii"),
)


@dataclass(frozen=True)
class Subject:
    """One simulated person; the same number is always the same person."""

    number: int
    effort: np.ndarray  # [22] share of the true maximum that is reached, by side too
    pattern: np.ndarray  # [11] factor on a muscle's share in any movement
    synergy: np.ndarray  # [22, 22] what is meant -> what contracts
    lag: float  # seconds by which the right side follows
    face: FaceModel
    identity: np.ndarray  # float32 [20] standard deviations of the head's identity basis
    delay_s: np.ndarray  # [32] electromechanical delay of every source
    contraction_s: float
    relaxation_s: float
    maximum_uv: np.ndarray  # [22] RMS at full contraction
    crosstalk: float  # factor on the leak between electrodes
    snr_db: float
    bandwidth_hz: float

    @property
    def name(self) -> str:
        """How data sets call the subject."""
        return f"{self.number:05d}"


def make_subject(number: int, protocol: Protocol = PROTOCOL) -> Subject:
    """The person of that number."""
    rng = np.random.default_rng([number, 7])
    muscles = len(MUSCLES)
    effort = rng.uniform(*protocol.effort, muscles)[MUSCLE_OF_CHANNEL] * _sides(rng, protocol)
    count = len(SOURCES)
    delay = rng.uniform(*protocol.delay_ms) * 1e-3
    maximum = np.array([m.maximum_uv for m in MUSCLES])[MUSCLE_OF_CHANNEL]
    return Subject(
        number=number,
        effort=effort,
        pattern=np.exp(rng.normal(0.0, protocol.pattern_sd, muscles)),
        synergy=_synergy(rng, protocol),
        lag=float(rng.normal(0.0, protocol.lag_s)),
        face=_face(rng, protocol),
        identity=rng.normal(0.0, protocol.identity_sd, _IDENTITY_COUNT).astype(np.float32),
        delay_s=delay * np.exp(rng.normal(0.0, 0.08, count)),
        contraction_s=rng.uniform(*protocol.contraction_ms) * 1e-3,
        relaxation_s=rng.uniform(*protocol.relaxation_ms) * 1e-3,
        maximum_uv=maximum * np.exp(rng.normal(0.0, protocol.electrode_gain_sd, CHANNEL_COUNT)),
        crosstalk=rng.uniform(*protocol.crosstalk),
        snr_db=rng.uniform(*protocol.snr_db),
        bandwidth_hz=protocol.bandwidth_hz * np.exp(rng.normal(0.0, 0.1)),
    )


def _sides(rng: np.random.Generator, protocol: Protocol) -> np.ndarray:
    """[22] factors at most 1: a slightly stronger side, or a palsy."""
    lean = rng.normal(0.0, protocol.asymmetry_sd, len(MUSCLES))
    factors = np.exp(np.minimum(np.stack([lean, -lean], 1), 0.0)).ravel()
    if rng.random() < protocol.weak_side:
        factors[rng.integers(2) :: 2] *= rng.uniform(*protocol.weakness)
    return factors


def _synergy(rng: np.random.Generator, protocol: Protocol) -> np.ndarray:
    matrix = np.eye(CHANNEL_COUNT)
    for one, other in _SYNERGIES:
        there, back = rng.uniform(0.0, protocol.synergy, 2)
        for side in "lr":
            i, k = (CHANNELS.index(f"{name}_{side}") for name in (one, other))
            matrix[i, k], matrix[k, i] = there, back
    return matrix


def _face(rng: np.random.Generator, protocol: Protocol) -> FaceModel:
    """The average face, each muscle and each of its parts stronger or weaker; both sides nearly alike."""
    average = average_face()
    columns = np.array([p.source for p in PARTS])
    names = [SOURCES[c].removesuffix("_l").removesuffix("_r") for c in columns]
    gains = {name: rng.normal(0.0, protocol.gain_sd) for name in dict.fromkeys(names)}
    shapes = {
        key: rng.normal(0.0, protocol.shape_sd)
        for key in dict.fromkeys(zip(names, (p.shape for p in PARTS), strict=True))
    }
    both = np.array([gains[n] + shapes[n, p.shape] for n, p in zip(names, PARTS, strict=True)])
    own = rng.normal(0.0, protocol.gain_sd / 2, len(SOURCES))[columns]
    saturation = {name: rng.uniform(*protocol.saturation) for name in dict.fromkeys(names)}
    of_source = [s.removesuffix("_l").removesuffix("_r") for s in SOURCES]
    middle = sum(protocol.saturation) / 2
    share = average.suppression * np.exp(rng.normal(0.0, protocol.antagonism_sd, len(average.suppression)))
    return replace(
        average,
        strength=PART_WEIGHTS * np.exp(both + own),
        saturation=np.array([saturation.get(n, middle) for n in of_source]),
        suppression=np.clip(share, 0.0, 0.95),
        jaw_rad=rng.uniform(*protocol.jaw_rad),
    )
