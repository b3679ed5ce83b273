"""What FLAME's authors give beside a model: masks, UVs, eyelids, landmarks. All of it is optional."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import EiferError, unreadable
from ..plain_arrays import from_npy, from_npz
from . import pickled

_MOST_BYTES = 60_000_000
_MOST_LINES = 400_000
_LARGEST_LID_M = 0.05


class SideFiles(NamedTuple):
    """What was found beside a model; V vertices, F triangles."""

    uv: np.ndarray | None = None  # float32 [F, 3, 2]
    masks: dict[str, np.ndarray] | None = None  # name -> bool [V]
    eyelids: np.ndarray | None = None  # float32 [2, V, 3] closing, left and right
    landmarks: dict[int, np.ndarray] | None = None  # MediaPipe's number -> position [3] on the template


def read_side_files(paths: list[Path], template: np.ndarray, faces: np.ndarray) -> SideFiles:
    """Everything that the files hold; each is told by its content.

    template: [V, 3], faces: [F, 3] of the model. Raises EiferError for a file that is none of them or does
    not fit the model.
    """
    side, lids = SideFiles(), []
    for path in paths:
        found = _read(path, template, faces)
        if isinstance(found, np.ndarray):
            lids.append(found)
        else:
            side = side._replace(**found)
    return side._replace(eyelids=_pair(lids, template))


def _read(path: Path, template: np.ndarray, faces: np.ndarray) -> dict | np.ndarray:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise EiferError(f"'{path.name}' is larger than any of FLAME's side files.")
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        if data[:2] == b"PK":
            return {"landmarks": _landmarks(data, template, faces)}
        if data[:6] == b"\x93NUMPY":
            return _lid(from_npy(data), len(template))
        if data[:1] == b"\x80":
            return {"masks": _masks(path, len(template))}
        return {"uv": _obj_uvs(data, faces)}
    except EiferError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise EiferError(
            f"'{path.name}' is none of FLAME's side files for this model (masks, head_template.obj, "
            "eyelids, MediaPipe embedding), or it is damaged."
        ) from error


def _lid(array: np.ndarray, count: int) -> np.ndarray:
    """float32 [V, 3]."""
    if array.shape != (count, 3) or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise ValueError("no eyelid")
    if not 0 < np.abs(array).max() < _LARGEST_LID_M:
        raise ValueError("no eyelid")
    return array.astype(np.float32)


def _pair(lids: list[np.ndarray], template: np.ndarray) -> np.ndarray | None:
    """float32 [2, V, 3]: the left one, at +x, first; EiferError unless there is one of each."""
    if not lids:
        return None
    middle = np.median(template[:, 0])
    sides = [float((template[lid.any(1), 0] - middle).mean()) for lid in lids]
    if len(lids) != 2 or min(sides) >= 0 or max(sides) <= 0:
        raise EiferError("Eyelids come as two files, one of the left and one of the right eye; choose both.")
    return np.stack(lids if sides[0] > 0 else lids[::-1])


def _masks(path: Path, count: int) -> dict[str, np.ndarray]:
    masks = {}
    for name, value in pickled.mapping_of(pickled.read_pickle(path)).items():
        vertices = pickled.array_of(value).ravel()
        if vertices.dtype.kind not in "iu" or (
            len(vertices) and not 0 <= vertices.min() <= vertices.max() < count
        ):
            raise ValueError("no mask")
        masks[name[:60]] = np.zeros(count, bool)
        masks[name[:60]][vertices] = True
    if not masks or len(masks) > 200:
        raise ValueError("no masks")
    return masks


def _obj_uvs(data: bytes, faces: np.ndarray) -> np.ndarray:
    """float32 [F, 3, 2] from the texture coordinates of an OBJ with the model's triangles, in any order."""
    places, corners = [], []
    for number, line in enumerate(data.decode("ascii", "replace").splitlines()):
        if number > _MOST_LINES:
            raise ValueError("too many lines")
        if line.startswith("vt "):
            places.append([float(word) for word in line.split()[1:3]])
        elif line.startswith("f "):
            corners.append([[int(i) for i in word.split("/")[:2]] for word in line.split()[1:4]])
    uv, corner = np.array(places, np.float32), np.array(corners)
    if uv.ndim != 2 or corner.shape != (len(faces), 3, 2):
        raise ValueError("other faces")
    vertex, texture = corner[..., 0] - 1, corner[..., 1] - 1
    if texture.min() < 0 or texture.max() >= len(uv) or not np.isfinite(uv).all():
        raise ValueError("other faces")
    same = {tuple(face): row for row, face in enumerate(vertex.tolist())}
    rows = [same[tuple(face)] for face in faces.tolist()]
    return uv[texture[rows]]


def _landmarks(data: bytes, template: np.ndarray, faces: np.ndarray) -> dict[int, np.ndarray]:
    stored = from_npz(data, _MOST_BYTES)
    face, weights = stored["lmk_face_idx"].astype(np.int64), stored["lmk_b_coords"].astype(np.float64)
    numbers = stored["landmark_indices"].astype(np.int64)
    if weights.shape != (len(face), 3) or len(numbers) != len(face) or len(face) > 2000:
        raise ValueError("no embedding")
    if face.min() < 0 or face.max() >= len(faces) or not np.isfinite(weights).all():
        raise ValueError("no embedding")
    points = (template[faces[face]] * weights[..., None]).sum(1)
    return dict(zip(numbers.tolist(), points, strict=True))
