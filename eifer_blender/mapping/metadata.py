"""What a model file says about itself: the fields, their meaning and their check.

The fields lie in the ONNX file's `metadata_props`, each key with the prefix ``eifer.``; lists are
JSON. `docs/models.md` explains them to people who train a model of their own.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields

from ..errors import EiferError
from ..muscles import CHANNELS

PREFIX = "eifer."
EMG2EXP = "emg2exp"
EXP2EMG = "exp2emg"
KINDS = {EMG2EXP: "muscle activity to expression", EXP2EMG: "expression to muscle activity"}
ANY_HEAD = "any"
"""In place of a head's hash: for expression spaces whose parameters mean the same on every head."""

ENVELOPES = ("rms", "mean_rectified")
NORMALISATIONS = ("rest_maximum",)
DYNAMICS = ("inside", "outside")

MAXIMUM_PARAMETERS = 512
MAXIMUM_CONTEXT = 256  # frames, on each side
_LONGEST_TEXT = 500
_OLDER = {"before": "0", "after": "0", "hidden": "[]", "protocol": ""}  # fields that files may lack


@dataclass(frozen=True)
class ModelMetadata:
    """A model's statement about its input, its output and its making."""

    kind: str  # one of KINDS
    id: str  # name of the model, e.g. "emg2exp-default"
    version: str
    channels: tuple[str, ...]  # columns of muscle activity, names of `muscles.CHANNELS`
    space: str  # id of the expression space, see `spaces`
    parameters: tuple[str, ...]  # columns of that space
    head: str  # name of the head, for messages
    head_hash: str  # `ParametricHead.hash`, or ANY_HEAD
    envelope: str  # one of ENVELOPES
    window_ms: float  # length of the envelope's window
    preset: str  # name of the signal chain's preset that matches
    normalisation: str  # "rest_maximum": 0 at rest, 1 at the session's maximum
    dynamics: str  # "outside": the chain adds delay and attack/release; "inside": the model has them
    frame_rate: float | None  # frames per second it was made for, or None where it does not matter
    training: str  # the command that made it
    seed: int
    data: str  # what it was trained on, one sentence
    licence: str
    before: int = 0  # frames that the model sees before each frame
    after: int = 0  # and after it; 0 for a causal model
    hidden: tuple[str, ...] = ()  # channels that a face cannot tell (exp2emg)
    protocol: str = ""  # hash of the simulation that it was trained on; "": recorded data

    @property
    def temporal(self) -> bool:
        """Whether a frame's result depends on its neighbours, and so on the frame rate."""
        return self.before + self.after > 0


def to_props(metadata: ModelMetadata) -> dict[str, str]:
    """`metadata_props` of a model file."""
    props = {}
    for field in fields(metadata):
        value = getattr(metadata, field.name)
        if isinstance(value, tuple):
            value = json.dumps(list(value))
        elif value is None:
            value = "any"
        props[PREFIX + field.name] = str(value)
    return props


def from_props(props: dict[str, str]) -> ModelMetadata:
    """Metadata of a model file.

    Raises EiferError if a field is missing or has an impossible value.
    """
    values = {
        key.removeprefix(PREFIX): text[: _LONGEST_TEXT * MAXIMUM_PARAMETERS]
        for key, text in props.items()
        if key.startswith(PREFIX)
    }
    if "kind" not in values:
        raise EiferError("This ONNX file is not a model for EIFER: its metadata has no field 'eifer.kind'.")
    if values["kind"] not in KINDS:
        raise EiferError(
            f"This model is of the kind '{_short(values['kind'])}'; known are {', '.join(KINDS)}."
        )
    values = _OLDER | values
    missing = [field.name for field in fields(ModelMetadata) if field.name not in values]
    if missing:
        raise EiferError(f"The model's metadata has no field 'eifer.{missing[0]}'; export the model again.")
    metadata = ModelMetadata(
        kind=values["kind"],
        id=_short(values["id"]),
        version=_short(values["version"]),
        channels=_names(values, "channels"),
        space=_short(values["space"]),
        parameters=_names(values, "parameters"),
        head=_short(values["head"]),
        head_hash=_short(values["head_hash"]),
        envelope=_choice(values, "envelope", ENVELOPES),
        window_ms=_number(values, "window_ms", 0.0, 10_000.0),
        preset=_short(values["preset"]),
        normalisation=_choice(values, "normalisation", NORMALISATIONS),
        dynamics=_choice(values, "dynamics", DYNAMICS),
        frame_rate=None if values["frame_rate"] == "any" else _number(values, "frame_rate", 1.0, 1000.0),
        training=_short(values["training"]),
        seed=int(_number(values, "seed", 0, 2**53)),
        data=_short(values["data"]),
        licence=_short(values["licence"]),
        before=int(_number(values, "before", 0, MAXIMUM_CONTEXT)),
        after=int(_number(values, "after", 0, MAXIMUM_CONTEXT)),
        hidden=_names(values, "hidden", least=0),
        protocol=_short(values["protocol"]),
    )
    if metadata.channels != CHANNELS:
        raise EiferError("The model's channels are not the 22 muscles in the order of the MMM data set.")
    if metadata.temporal and metadata.frame_rate is None:
        raise EiferError("The model sees neighbouring frames but does not say at which frame rate.")
    if not set(metadata.hidden) <= set(CHANNELS):
        raise EiferError("The model's field 'eifer.hidden' names muscles that are not among its channels.")
    return metadata


def _short(text: str) -> str:
    """One line of printable text, safe to show."""
    return "".join(c for c in text[:_LONGEST_TEXT] if c.isprintable())


def _choice(values: dict[str, str], name: str, allowed: tuple[str, ...]) -> str:
    if values[name] not in allowed:
        raise EiferError(
            f"The model's field 'eifer.{name}' is '{_short(values[name])}'; known are {', '.join(allowed)}."
        )
    return values[name]


def _number(values: dict[str, str], name: str, low: float, high: float) -> float:
    try:
        number = float(values[name])
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise EiferError(
            f"The model's field 'eifer.{name}' is '{_short(values[name])}', not a usable number."
        )
    return number


def _names(values: dict[str, str], name: str, least: int = 1) -> tuple[str, ...]:
    try:
        names = json.loads(values[name])
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not least <= len(names) <= MAXIMUM_PARAMETERS:
        raise EiferError(f"The model's field 'eifer.{name}' is not a list of names.")
    if not all(isinstance(n, str) and 0 < len(n) <= 64 and n.isprintable() for n in names):
        raise EiferError(f"The model's field 'eifer.{name}' is not a list of names.")
    if len(set(names)) != len(names):
        raise EiferError(f"The model's field 'eifer.{name}' names something twice.")
    return tuple(names)
