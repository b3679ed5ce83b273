"""Loads the default head, which `heads.build` made."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..assets import model_file
from ..errors import EiferError
from ..spaces import DEFAULT_SPACE
from .head import ParametricHead
from .metric import vertex_metric

FILE_NAME = "default_head.npz"
BASES = ("identity", "expression", "eyelids", "jaw_correctives", "arkit")
GEOMETRY = ("template", "loops", "polygon_sizes", *BASES, "jaw_entries", "step", "strand_roots",
            "strand_weights", "strand_start", "joint_columns", "joint_values", "weights")  # fmt: skip


@lru_cache(maxsize=1)
def load_default_head() -> ParametricHead:
    """The head that the extension ships; its arrays are read-only.

    Raises EiferError if the file is missing or damaged.
    """
    return read_head(model_file(FILE_NAME))


@lru_cache(maxsize=1)
def default_metric() -> np.ndarray:
    """`metric.vertex_metric` of the default head."""
    return vertex_metric(load_default_head())


def read_head(path: Path) -> ParametricHead:
    """A head from the file that `heads.build` writes; EiferError if it is not one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
        head = _unpack(stored)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise EiferError(f"'{path.name}' is not a head of this extension; install it again.") from error
    for array in _arrays(head):
        array.setflags(write=False)
    return head


def geometry_hash(stored: dict[str, np.ndarray]) -> str:
    """SHA-256 over the geometry arrays as they lie in the file."""
    digest = hashlib.sha256()
    for name in GEOMETRY:
        array = np.ascontiguousarray(stored[name])
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array)
    return digest.hexdigest()


def _unpack(stored: dict[str, np.ndarray]) -> ParametricHead:
    hair = _Hair(stored)
    template = stored["template"].astype(np.float32)
    bases = {name: hair.grow(stored[name] * stored["step"]) for name in BASES}
    correctives = np.zeros((9, len(template), 3), dtype=np.float32)
    correctives[stored["jaw_entries"]] = bases["jaw_correctives"]
    regressor = np.zeros((5, len(template)), dtype=np.float32)
    np.put_along_axis(regressor, stored["joint_columns"].astype(np.int64), stored["joint_values"], axis=1)
    weights = hair.grow(stored["weights"].astype(np.float32) / np.float32(65535))
    bits = stored["regions"]
    names = stored["region_names"].tolist()
    return ParametricHead(
        name="EIFER default head",
        space=DEFAULT_SPACE.id,
        hash=geometry_hash(stored),
        template=template,
        polygon_sizes=stored["polygon_sizes"].astype(np.int32),
        loops=stored["loops"].astype(np.int32),
        uvs=stored["uvs"].astype(np.float32) / np.float32(65535),
        materials=tuple(stored["materials"].tolist()),
        polygon_material=stored["polygon_material"].astype(np.int32),
        identity=bases["identity"],
        expression=bases["expression"],
        eyelids=bases["eyelids"],
        jaw_correctives=correctives,
        arkit=bases["arkit"],
        joint_regressor=regressor,
        weights=weights / weights.sum(axis=1, keepdims=True),
        regions={name: (bits >> i & 1).astype(bool) for i, name in enumerate(names)},
        landmarks=dict(
            zip(stored["landmark_names"].tolist(), stored["landmark_vertices"].tolist(), strict=True)
        ),
        mirror=stored["mirror"].astype(np.int32),
        tints=stored["tints"].astype(np.float32) / np.float32(65535),
    )


class _Hair:
    """Carries fields from the modelled surface over to the strands that ride on it."""

    def __init__(self, stored: dict[str, np.ndarray]) -> None:
        self.roots = stored["strand_roots"].astype(np.int64)
        self.weights = stored["strand_weights"].astype(np.float32)
        self.points = (len(stored["template"]) - int(stored["strand_start"])) // max(len(self.roots), 1)

    def grow(self, field: np.ndarray) -> np.ndarray:
        """[..., base vertices, k] -> [..., V, k]: every vertex of a strand moves with its root."""
        at_root = sum(field[..., self.roots[:, i], :] * self.weights[:, i, None] for i in range(3))
        strands = np.repeat(at_root, self.points, axis=-2)
        return np.concatenate([field, strands], axis=-2, dtype=np.float32)


def _arrays(head: ParametricHead) -> list[np.ndarray]:
    values = list(vars(head).values())
    return [v for v in [*values, *head.regions.values()] if isinstance(v, np.ndarray)]
