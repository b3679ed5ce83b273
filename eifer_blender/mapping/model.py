"""Muscle activity -> expression parameters with a bundled or own EMG2Exp model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..assets import model_file
from ..dependencies import require
from ..errors import EiferError
from ..heads.head import ParametricHead
from ..muscles import CHANNEL_COUNT
from . import onnx_file
from .metadata import ModelMetadata, from_props

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

DEFAULT_MODEL = "emg2exp.onnx"
INPUTS = ("activation", "present")
OUTPUT = "expression"


@dataclass(frozen=True)
class ExpressionModel:
    """A loaded model: what runs, and what it says about itself."""

    session: InferenceSession
    metadata: ModelMetadata
    sha256: str


def read_metadata(path: Path | str | None = None) -> ModelMetadata:
    """What a model file says about itself, without loading the network.

    path: an ONNX file, or None for the bundled model. Raises EiferError if it is not a usable model.
    """
    return from_props(onnx_file.inspect(_read(_resolve(path))))


def load_model(
    path: Path | str | None = None,
    *,
    head: ParametricHead | None = None,
    head_hash: str | None = None,
    space: str | None = None,
) -> ExpressionModel:
    """Load an EMG2Exp model for a head.

    path: an ONNX file, or None for the bundled model. The head is given as a whole, or by its hash
    and expression space as they are stored on an object; without any of them it is not checked.
    The file is read into memory and checked before onnxruntime sees it, so that nothing outside
    this file is ever opened.

    Raises EiferError if the file is missing, damaged, of another kind, asks for anything unusual,
    or was made for another head or expression space.
    """
    import hashlib

    source = _resolve(path)
    data = _read(source)
    metadata = from_props(onnx_file.inspect(data))
    if head is not None:
        head_hash, space = head.hash, head.space
    _check_head(metadata, head_hash, space, source)
    session = _session(data)
    _check_signature(session, metadata)
    return ExpressionModel(session, metadata, hashlib.sha256(data).hexdigest())


def emg_to_expression(model: ExpressionModel, activation: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Expression parameters of a whole take.

    activation: float32 [frames, 22], 0 at rest, 1 at maximal contraction, in the order of
    `muscles.CHANNELS`. present: bool [22] or [frames, 22], the channels that were measured; what is
    absent (or not a finite number) is inferred from the rest, as the model learnt it. Returns
    float32 [frames, P] in the order of `model.metadata.parameters`. No activity, or no channel,
    gives exactly the neutral face.

    Raises EiferError if the shapes do not fit or the model yields something that is no number.
    """
    activation = np.asarray(activation, np.float32)
    present = np.asarray(present, bool)
    if activation.ndim != 2 or activation.shape[1] != CHANNEL_COUNT:
        raise EiferError(f"Muscle activity must be a table of {CHANNEL_COUNT} columns, one row a frame.")
    if present.shape not in ((CHANNEL_COUNT,), activation.shape):
        raise EiferError("The list of present channels does not fit the muscle activity.")

    usable = np.isfinite(activation) & present
    clean = np.where(usable, activation, np.float32(0))
    # One row of the mask serves every frame; the network then looks at it only once.
    constant = bool((usable == usable[:1]).all())
    expression = np.empty((len(clean), len(model.metadata.parameters)), np.float32)
    for start in range(0, len(clean), onnx_file.CHUNK_ROWS):
        rows = slice(start, start + onnx_file.CHUNK_ROWS)
        mask = usable[:1] if constant else usable[rows]
        feed = dict(zip(INPUTS, (clean[rows], mask.astype(np.float32)), strict=True))
        (expression[rows],) = model.session.run([OUTPUT], feed)
    if not np.isfinite(expression).all():
        raise EiferError("The model's output is not a number; its file may be damaged.")
    return expression


def _resolve(path: Path | str | None) -> Path:
    return model_file(DEFAULT_MODEL) if path is None else Path(path)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(onnx_file.MAXIMUM_BYTES + 1)
    except OSError as error:
        raise EiferError(
            f"The model '{path.name}' cannot be read: {error.strerror or 'unknown reason'}."
        ) from None


def _check_head(metadata: ModelMetadata, head_hash: str | None, space: str | None, path: Path) -> None:
    if space is not None and space != metadata.space:
        raise EiferError(
            f"The model '{path.name}' belongs to {metadata.head} (expression space '{metadata.space}'), "
            f"not to this head's space '{space}'; choose a model for this head."
        )
    if head_hash is not None and head_hash != metadata.head_hash:
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


def _check_signature(session: InferenceSession, metadata: ModelMetadata) -> None:
    inputs = {value.name: value.shape for value in session.get_inputs()}
    outputs = {value.name: value.shape for value in session.get_outputs()}
    widths = [inputs.get(name, [None])[-1] for name in INPUTS]
    if set(inputs) != set(INPUTS) or widths != [CHANNEL_COUNT] * 2:
        raise EiferError("The model's inputs are not 'activation' and 'present', 22 columns each.")
    if list(outputs) != [OUTPUT] or outputs[OUTPUT][-1:] != [len(metadata.parameters)]:
        raise EiferError("The model's output is not 'expression' with one column a parameter.")
