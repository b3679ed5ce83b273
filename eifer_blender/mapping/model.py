"""Muscle activity -> expression parameters and back, with bundled or own models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..assets import model_file
from ..dependencies import require
from ..errors import EiferError
from ..heads.head import ParametricHead
from ..muscles import CHANNEL_COUNT
from . import onnx_file, rates
from .metadata import ANY_HEAD, EMG2EXP, EXP2EMG, KINDS, ModelMetadata, from_props

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

DEFAULT_MODELS = {EMG2EXP: "emg2exp.onnx", EXP2EMG: "exp2emg.onnx"}

# Inputs and outputs of the graphs.
ACTIVATION, PRESENT, ACTIVATION_SD = "activation", "present", "activation_sd"
EXPRESSION, EXPRESSION_SD, FEATURES = "expression", "expression_sd", "features"
MAXIMUM_FEATURES = 64

_INPUTS = {EMG2EXP: (ACTIVATION, PRESENT), EXP2EMG: (EXPRESSION,)}
_OUTPUTS = {EMG2EXP: (EXPRESSION, EXPRESSION_SD, FEATURES), EXP2EMG: (ACTIVATION, ACTIVATION_SD)}


@dataclass(frozen=True)
class MappingModel:
    """A loaded model: what runs, and what it says about itself."""

    session: InferenceSession
    metadata: ModelMetadata
    sha256: str
    widths: dict[str, int] = field(hash=False)  # columns of each output that the graph has


class Expression(NamedTuple):
    """What an EMG2Exp model says about n frames."""

    values: np.ndarray  # float32 [n, P]
    sd: np.ndarray  # float32 [n, P], one standard deviation; NaN where the model does not say it
    features: np.ndarray  # float32 [n, F], zero without activity, for calibration; F may be 0


class Activity(NamedTuple):
    """What an Exp2EMG model says about n frames."""

    values: np.ndarray  # float32 [n, 22], 0..1
    sd: np.ndarray  # float32 [n, 22], one standard deviation; NaN where the model does not say it


def read_metadata(path: Path | str | None = None, *, kind: str = EMG2EXP) -> ModelMetadata:
    """What a model file says about itself, without loading the network.

    path: an ONNX file, or None for the bundled model of a kind. Raises EiferError if it is not a
    usable model of that kind.
    """
    source = _resolve(path, kind)
    return _of_kind(from_props(onnx_file.inspect(_read(source))), kind, source)


def load_model(
    path: Path | str | None = None,
    *,
    head: ParametricHead | None = None,
    head_hash: str | None = None,
    space: str | None = None,
    kind: str = EMG2EXP,
) -> MappingModel:
    """Load a model for a head.

    path: an ONNX file, or None for the bundled model of the kind. The head is given as a whole, or
    by its hash and expression space as they are stored on an object; without any of them it is not
    checked.
    The file is read into memory and checked before onnxruntime sees it, so that nothing outside
    this file is ever opened.

    Raises EiferError if the file is missing, damaged, of another kind, asks for anything unusual,
    or was made for another head or expression space.
    """
    import hashlib

    source = _resolve(path, kind)
    data = _read(source)
    metadata = _of_kind(from_props(onnx_file.inspect(data)), kind, source)
    if head is not None:
        head_hash, space = head.hash, head.space
    _check_head(metadata, head_hash, space, source)
    session = _session(data)
    widths = _check_signature(session, metadata)
    return MappingModel(session, metadata, hashlib.sha256(data).hexdigest(), widths)


def emg_to_expression(
    model: MappingModel, activation: np.ndarray, present: np.ndarray, fps: float
) -> Expression:
    """Expressions of a whole take.

    activation: float32 [frames, 22], 0 at rest, 1 at maximal contraction, in the order of
    `muscles.CHANNELS`. present: bool [22] or [frames, 22], the channels that were measured; what is
    absent (or not a finite number) is inferred from the rest, as the model learnt it. fps: frames
    per second; a model that sees neighbouring frames runs at its own rate. Columns are in the order
    of `model.metadata.parameters`. No activity, or no channel, gives exactly the neutral face.

    Raises EiferError if the model is of another kind, the shapes do not fit or the model yields
    something that is no number.
    """
    _require_kind(model, EMG2EXP)
    activation = np.asarray(activation, np.float32)
    present = np.asarray(present, bool)
    if activation.ndim != 2 or activation.shape[1] != CHANNEL_COUNT:
        raise EiferError(f"Muscle activity must be a table of {CHANNEL_COUNT} columns, one row a frame.")
    if present.shape not in ((CHANNEL_COUNT,), activation.shape):
        raise EiferError("The list of present channels does not fit the muscle activity.")

    usable = np.isfinite(activation) & present
    # One row of the mask serves every frame; the network then looks at it only once.
    if (usable == usable[:1]).all():
        usable = usable[:1]
    rate, rows = _other_rate(model, fps), rates.bridged(activation, usable)
    if rate is not None:
        count = rates.count_at(len(rows), fps, rate)
        rows = rates.sample(rows, fps, rate, count)
        if len(usable) > 1:
            usable = rates.nearest(usable, fps, rate, count)
    return Expression(*_at_rate(_run(model, ACTIVATION, rows, usable), rate, fps, len(activation)))


def expression_to_emg(model: MappingModel, expression: np.ndarray, fps: float) -> Activity:
    """Muscle activity of a whole take.

    expression: float [frames, P] in the order of `model.metadata.parameters`. fps: frames per second; a
    model that sees neighbouring frames runs at its own rate. The neutral face gives exactly no activity.

    Raises EiferError if the model is of another kind, the shape does not fit, a value is no number
    or the model yields something that is no number.
    """
    _require_kind(model, EXP2EMG)
    expression = np.asarray(expression, np.float32)
    size = len(model.metadata.parameters)
    if expression.ndim != 2 or expression.shape[1] != size:
        raise EiferError(f"Expressions for this model must be a table of {size} columns, one row a frame.")
    if not np.isfinite(expression).all():
        raise EiferError("The expressions hold something that is not a number.")
    rate, rows = _other_rate(model, fps), expression
    if rate is not None:
        rows = rates.sample(rows, fps, rate, rates.count_at(len(rows), fps, rate))
    made = _run(model, EXPRESSION, rows)
    return Activity(*_at_rate(made, rate, fps, len(expression)))


# --- running --------------------------------------------------------------------------------------


def _require_kind(model: MappingModel, kind: str) -> None:
    if model.metadata.kind != kind:
        raise EiferError(
            f"The model '{model.metadata.id}' maps {KINDS[model.metadata.kind]}, not {KINDS[kind]}."
        )


def _other_rate(model: MappingModel, fps: float) -> float | None:
    """The rate to run at, or None if the frames are right as they are."""
    if not 0 < fps < np.inf:
        raise EiferError("The frame rate must be a positive number.")
    metadata = model.metadata
    if not metadata.temporal or rates.same_rate(fps, metadata.frame_rate):
        return None
    return metadata.frame_rate


def _run(
    model: MappingModel, name: str, rows: np.ndarray, present: np.ndarray | None = None
) -> list[np.ndarray]:
    """Results for rows [n, columns] of the input `name`, in the order of `Expression` or `Activity`.

    The first and the last row are repeated for the frames that the model sees beyond the ends. present:
    bool [n or 1, 22]; what is not present is zero in all rows that the model sees for a frame.
    """
    before, after = model.metadata.before, model.metadata.after
    padded = np.concatenate((rows[:1].repeat(before, 0), rows, rows[-1:].repeat(after, 0)))
    made = {output: np.empty((len(rows), width), np.float32) for output, width in model.widths.items()}
    for own in _pieces(len(rows), before + after, present):
        feed = {name: padded[own.start : own.stop + before + after]}
        if present is not None:
            one = len(present) == 1 or model.metadata.temporal
            mask = present[min(own.start, len(present) - 1)][None] if one else present[own]
            feed = {name: np.where(mask, feed[name], np.float32(0)), PRESENT: mask.astype(np.float32)}
        for output, part in zip(made, _results(model, list(made), feed), strict=True):
            if part.shape != made[output][own].shape:
                raise EiferError("The model does not give one row a frame; its file may be damaged.")
            made[output][own] = part
    if not all(np.isfinite(part).all() for part in made.values()):
        raise EiferError("The model's output is not a number; its file may be damaged.")
    values, sd, *more = _OUTPUTS[model.metadata.kind]
    unknown = np.full_like(made[values], np.nan)
    none = np.empty((len(rows), 0), np.float32)
    return [made[values], made.get(sd, unknown), *(made.get(output, none) for output in more)]


def _pieces(frames: int, context: int, present: np.ndarray | None) -> Iterator[slice]:
    """Frames that go through the model together: no more than it may take at once.

    A model that sees neighbours gets frames with the same channels only: it learnt from windows in which
    a channel is there or not, not from windows that a channel comes into.
    """
    step = onnx_file.CHUNK_ROWS - context
    bounds = np.arange(0, frames, step)
    if context and present is not None and len(present) > 1:
        bounds = np.union1d(bounds, np.flatnonzero((present[1:] != present[:-1]).any(1)) + 1)
    for start, stop in pairwise((*bounds.tolist(), frames)):
        yield slice(start, stop)


def _results(model: MappingModel, outputs: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    try:
        return model.session.run(outputs, feed)
    except Exception as error:  # onnxruntime's exceptions share no public base class
        reason = " ".join(str(error).split())[:160]
        raise EiferError(f"onnxruntime cannot run the model: {reason}") from None


def _at_rate(made: list[np.ndarray], rate: float | None, fps: float, frames: int) -> list[np.ndarray]:
    if rate is None:
        return made
    unknown = np.float32(np.nan)
    return [
        np.full((frames, part.shape[1]), unknown)
        if np.isnan(part).any()
        else rates.resample(part, rate, fps, frames)
        for part in made
    ]


# --- loading --------------------------------------------------------------------------------------


def _resolve(path: Path | str | None, kind: str) -> Path:
    return model_file(DEFAULT_MODELS[kind]) if path is None else Path(path)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(onnx_file.MAXIMUM_BYTES + 1)
    except OSError as error:
        raise EiferError(
            f"The model '{path.name}' cannot be read: {error.strerror or 'unknown reason'}."
        ) from None


def _of_kind(metadata: ModelMetadata, kind: str, path: Path) -> ModelMetadata:
    if metadata.kind != kind:
        raise EiferError(
            f"The model '{path.name}' maps {KINDS[metadata.kind]} ({metadata.kind}); choose one that maps "
            f"{KINDS[kind]} ({kind})."
        )
    return metadata


def _check_head(metadata: ModelMetadata, head_hash: str | None, space: str | None, path: Path) -> None:
    if space is not None and space != metadata.space:
        raise EiferError(
            f"The model '{path.name}' belongs to {metadata.head} (expression space '{metadata.space}'), "
            f"not to this head's space '{space}'; choose a model for this head."
        )
    if head_hash is not None and metadata.head_hash not in (ANY_HEAD, head_hash):
        raise EiferError(
            f"The model '{path.name}' belongs to {metadata.head} {metadata.head_hash[:12]}, "
            f"not to this head {head_hash[:12]}; choose a model for this head or train one."
        )


def _session(data: bytes) -> InferenceSession:
    ort = require("onnxruntime")
    options = ort.SessionOptions()
    # One thread: the same sums in the same order everywhere, and a network this small gains nothing.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no public base class
        reason = " ".join(str(error).split())[:160]
        raise EiferError(f"onnxruntime cannot load the model: {reason}") from None


def _check_signature(session: InferenceSession, metadata: ModelMetadata) -> dict[str, int]:
    """Columns of each output; EiferError unless inputs and outputs are those of the model's kind."""
    sides = session.get_inputs(), session.get_outputs()
    inputs, widths = ({value.name: (value.shape or [0])[-1] for value in side} for side in sides)
    columns = {EXPRESSION: len(metadata.parameters), EXPRESSION_SD: len(metadata.parameters)}
    expected = {name: columns.get(name, CHANNEL_COUNT) for name in _INPUTS[metadata.kind]}
    if inputs != expected:
        told = " and ".join(f"'{name}' of {width} columns" for name, width in expected.items())
        raise EiferError(f"The model's inputs are not {told}.")
    allowed = _OUTPUTS[metadata.kind]
    for name in (*allowed[:1], *widths):
        width = widths.get(name)
        wanted = range(1, MAXIMUM_FEATURES + 1) if name == FEATURES else (columns.get(name, CHANNEL_COUNT),)
        if name not in allowed or width not in wanted:
            raise EiferError(f"The model's output '{name}' is missing, unknown or not of the right width.")
    return widths
