"""The three networks of Phase 1 as they are shipped: encoder, remover, detector of electrodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..assets import model_file
from ..dependencies import require
from ..errors import EiferError
from ..heads.default import load_default_head
from ..mapping.onnx_file import inspect_pictures

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

IDENTITIES = 50  # coefficients of the default head
ENCODER, REMOVER, DETECTOR = "encoder", "remover", "detector"
KINDS = (ENCODER, REMOVER, DETECTOR)
_LARGEST = 64 * 2**20
_SIZES = (32, 512)


@dataclass(frozen=True)
class PictureModel:
    """A network that looks at square pictures."""

    kind: str
    size: int  # pixels a side
    about: dict[str, str]  # its metadata without prefix
    session: InferenceSession

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """Its results, in the order of the file."""
        return self.session.run(None, {k: np.ascontiguousarray(v, np.float32) for k, v in inputs.items()})


class Codes:
    """What the encoder says of n pictures."""

    def __init__(self, parts: list[np.ndarray]) -> None:
        self.expression, self.shape, self.rotation, self.camera = parts


def file_name(kind: str) -> str:
    """What a network's file is called."""
    return f"phase1_{kind}.onnx"


def load(kind: str, folder: Path | None = None, threads: int = 1) -> PictureModel:
    """A network from a folder of trained models, or the bundled one.

    Raises EiferError if the file is missing, damaged, or was made for another head.
    """
    path = folder / file_name(kind) if folder else model_file(file_name(kind))
    try:
        return _load(path, path.stat().st_mtime_ns, kind, threads)
    except OSError as error:
        raise EiferError(f"'{path.name}' cannot be read: {error.strerror or 'unknown reason'}.") from error


@lru_cache(maxsize=2 * len(KINDS))
def _load(path: Path, _changed: int, kind: str, threads: int) -> PictureModel:
    if path.stat().st_size > _LARGEST:
        raise EiferError(f"'{path.name}' is larger than {_LARGEST // 2**20} MiB.")
    data = path.read_bytes()
    about = {k.removeprefix("eifer."): v for k, v in inspect_pictures(data).items() if k.startswith("eifer.")}
    size = about.get("size", "")
    if about.get("kind") != f"phase1_{kind}" or not size.isdigit() or not _SIZES[0] <= int(size) <= _SIZES[1]:
        raise EiferError(f"'{path.name}' is not the {kind} of a training of Phase 1.")
    if about.get("head_hash") != load_default_head().hash:
        raise EiferError(f"'{path.name}' was made for {about.get('head', 'another head')}; train it again.")
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own kinds
        raise EiferError(f"'{path.name}' is damaged or not an ONNX file.") from error
    return PictureModel(kind, int(size), about, session)


def encode(pictures: np.ndarray, folder: Path | None = None) -> Codes:
    """What the encoder says of pictures float32 [n, size, size, 3] in 0..1."""
    return Codes(load(ENCODER, folder).run(picture=pictures.transpose(0, 3, 1, 2)))


def electrodes(pictures: np.ndarray, folder: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(chance [n] that pictures float32 [n, size, size, 3] show electrodes, where [n, size, size] 0..1)."""
    chance, where = load(DETECTOR, folder).run(picture=pictures.transpose(0, 3, 1, 2))
    return chance, where[:, 0]
