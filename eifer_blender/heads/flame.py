"""FLAME models as the files of their authors hold them (Li et al. 2017; flame.is.tue.mpg.de).

No FLAME file comes with this project: a user who has one opens it. Frame: metres, y up, face towards +z, the
subject's left is +x.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import EiferError, unreadable
from ..plain_arrays import from_npz
from . import pickled
from .flame_side_files import SideFiles, read_side_files

IDENTITY_COUNT = 300  # of the official releases; expressions follow
LEAST_EXPRESSIONS = 50
PARENTS = (-1, 0, 1, 1, 1)
_NEEDED = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
_OPEN = "supr_expression_metadata"  # only FLAME 2023 Open has it
_OTHERS = {24: "SMPL, a body", 52: "SMPL+H, a body", 55: "SMPL-X, a body", 16: "MANO, a hand"}
_MOST_VERTICES = 200_000
_LARGEST_M = 2.0  # of a head
_JAW_TURN, _JAW_LEAST_M = 0.3, 0.006  # radians, and how far it moves a head that opens its mouth by it
_HEAD_BYTES = 4_000_000  # that are looked at to tell whether a pickle is a model


class FlameFile(NamedTuple):
    """A FLAME model; V vertices, F triangles, I identity and E expression components."""

    title: str  # what it is, for people
    template: np.ndarray  # float32 [V, 3] metres
    faces: np.ndarray  # int32 [F, 3]
    identity: np.ndarray  # float32 [I, V, 3] metres per standard deviation
    expression: np.ndarray  # float32 [E, V, 3] metres per standard deviation
    pose_correctives: np.ndarray  # float32 [4, 9, V, 3]: neck, jaw, left, right eye; entries of R - I
    joint_regressor: np.ndarray  # float32 [5, V]
    weights: np.ndarray  # float32 [V, 5], rows sum to 1
    hash: str  # SHA-256 over the arrays
    notes: tuple[str, ...] = ()
    side: SideFiles = SideFiles()


def is_flame(path: Path | str) -> bool:
    """Whether a file may be a FLAME model, by a look at its beginning; never raises."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if start[:2] == b"PK":
        return b"v_template.npy" in start or (zipfile.is_zipfile(path) and "v_template.npy" in _members(path))
    return start[:1] in (b"\x80", b"(", b"c") and b"v_template" in Path(path).read_bytes()


def _members(path: Path | str) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def read_flame(path: Path | str, *, side_files: Sequence[Path | str] = ()) -> FlameFile:
    """A FLAME model of any release, from a pickle or an NPZ with the same names; told by its content.

    side_files: FLAME's masks, UV template, eyelids or MediaPipe embedding, in any order. Raises EiferError if
    a file cannot be read, is no FLAME model, or does not fit the others.
    """
    path = Path(path)
    model = from_arrays(_arrays(path), path.name)
    side = read_side_files([Path(one) for one in side_files], model.template, model.faces)
    return model._replace(side=side)


def side_files_beside(path: Path | str) -> list[Path]:
    """FLAME's side files that lie in the folder of a model, by their usual names."""
    names = ("FLAME_masks.pkl", "head_template.obj", "l_eyelid.npy", "r_eyelid.npy",
             "mediapipe_landmark_embedding.npz")  # fmt: skip
    folder = Path(path).parent
    return [folder / name for name in names if (folder / name).is_file()]


def _arrays(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
    except OSError as error:
        raise unreadable(path, error) from None
    return _of_npz(path) if zipped else _of_pickle(path)


def _of_npz(path: Path) -> dict[str, Any]:
    try:
        return from_npz(path, pickled.MOST_BYTES, (*_NEEDED, _OPEN))
    except (OSError, ValueError) as error:
        raise EiferError(
            f"'{path.name}' is no readable NPZ of plain arrays; save the model's arrays without pickling."
        ) from error


def _of_pickle(path: Path) -> dict[str, Any]:
    try:
        stored = pickled.mapping_of(pickled.read_pickle(path))
    except ValueError:
        raise EiferError(f"'{path.name}' is a pickle of something else than a FLAME model.") from None
    arrays: dict[str, Any] = {}
    for name in _NEEDED:
        if name in stored:
            try:
                arrays[name] = pickled.array_of(stored[name])
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise EiferError(f"'{name}' in '{path.name}' is no readable array: {error}.") from None
    return arrays | ({_OPEN: True} if _OPEN in stored else {})


def from_arrays(arrays: Mapping[str, Any], source: str = "the file") -> FlameFile:
    """A model from arrays under FLAME's names.

    Raises EiferError if one is missing, has an impossible shape or value, or does not fit the others.
    """
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise EiferError(f"'{source}' has no '{missing[0]}', so it is no FLAME model.")
    found = {name: np.asarray(arrays[name]) for name in _NEEDED}
    _check_kind(found, source)
    template = _numbers(found["v_template"], source, "v_template")
    count = len(template)
    weights = _numbers(found["weights"], source, "weights")
    shapes = _numbers(found["shapedirs"], source, "shapedirs").transpose(2, 0, 1)
    pose = _numbers(found["posedirs"], source, "posedirs").reshape(count, 3, 4, 9).transpose(2, 3, 0, 1)
    parts = (
        template,
        found["f"].astype(np.int32),
        np.ascontiguousarray(shapes[:IDENTITY_COUNT]),
        np.ascontiguousarray(shapes[IDENTITY_COUNT:]),
        np.ascontiguousarray(pose),
        _numbers(found["J_regressor"], source, "J_regressor"),
        weights / weights.sum(1, keepdims=True),
    )
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part))
    title = "FLAME 2023 Open" if _OPEN in arrays else "FLAME"
    model = FlameFile(title, *parts, digest.hexdigest())
    return model._replace(notes=_notes(model))


def _check_kind(found: dict[str, np.ndarray], source: str) -> None:
    """EiferError unless the shapes are those of a FLAME head."""
    template, weights = found["v_template"], found["weights"]
    if weights.ndim == 2 and weights.shape[1] != len(PARENTS):
        told = _OTHERS.get(weights.shape[1], f"a model with {weights.shape[1]} joints")
        raise EiferError(f"'{source}' is {told}; a FLAME head has {len(PARENTS)} joints.")
    count = len(template) if template.ndim == 2 else 0
    shapes: dict[str, tuple[int | Callable[[int], bool], ...]] = {
        "v_template": (count, 3),
        "f": (lambda n: n > 0, 3),
        "shapedirs": (count, 3, lambda n: n >= IDENTITY_COUNT + LEAST_EXPRESSIONS),
        "posedirs": (count, 3, 36),
        "J_regressor": (len(PARENTS), count),
        "weights": (count, len(PARENTS)),
        "kintree_table": (2, len(PARENTS)),
    }
    for name, wanted in shapes.items():
        shape = found[name].shape
        fits = len(shape) == len(wanted) and all(
            want(have) if callable(want) else have == want for have, want in zip(shape, wanted, strict=True)
        )
        if not fits:
            size = " x ".join(map(str, shape)) or "a single value"
            raise EiferError(f"'{name}' in '{source}' is {size}, which is not FLAME's layout.")
    if not 0 < count <= _MOST_VERTICES:
        raise EiferError(f"'{source}' has {count} vertices, which is not FLAME's layout.")
    faces, parents = found["f"], found["kintree_table"][0].astype(np.int64)
    if faces.dtype.kind not in "iu" or faces.min() < 0 or faces.max() >= count:
        raise EiferError(f"The faces in '{source}' name vertices that are not there; the file is damaged.")
    if not np.array_equal(parents[1:], PARENTS[1:]):
        raise EiferError(f"The joints in '{source}' do not hang together as FLAME's: neck, jaw and two eyes.")


def _numbers(array: np.ndarray, source: str, name: str) -> np.ndarray:
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all() or np.abs(array).max() > 1e6:
        raise EiferError(f"'{name}' in '{source}' holds something that is no number; the file is damaged.")
    result = array.astype(np.float32)
    if name == "v_template" and not 0.05 < np.ptp(result, axis=0).max() < _LARGEST_M:
        raise EiferError(f"The head in '{source}' is not as large as a head in metres.")
    if name == "weights" and (result.min() < 0 or result.sum(1).min() <= 0):
        raise EiferError("Some vertices belong to no joint; the file is damaged.")
    return result


def _notes(model: FlameFile) -> tuple[str, ...]:
    """What of a release limits what it can show."""
    jaw = model.weights[:, 2] * np.linalg.norm(model.template - _joint(model, 2), axis=1)
    if jaw.max() * _JAW_TURN < _JAW_LEAST_M:
        return (
            "This release opens its mouth by expressions and not by its jaw, so the three jaw parameters do "
            "little.",
        )
    return ()


def _joint(model: FlameFile, number: int) -> np.ndarray:
    return model.joint_regressor[number] @ model.template
