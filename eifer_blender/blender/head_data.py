"""What a head that is not the default one needs beside its mesh, kept with it in the .blend.

A FLAME head then works on any machine, without the file that it was made from. Shapes are read back from the
mesh's own keys; the rest lies in one property of the mesh as an NPZ that holds plain arrays only.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import NamedTuple

import bpy
import numpy as np

from .. import spaces
from ..errors import EiferError
from ..heads.head import JOINTS, ParametricHead
from ..heads.transfer import Transfer
from ..plain_arrays import from_npz
from . import head_object
from .space import from_blender

PROPERTY = "eifer_head_data"
_MOST_BYTES = 64_000_000
_MOST_VERTICES = 1_000_000


class HeadData(NamedTuple):
    """A head of another kind, and how it and the default head speak to each other."""

    head: ParametricHead
    from_default: Transfer
    to_default: Transfer


def store(obj: bpy.types.Object, head: ParametricHead, from_default: Transfer, to_default: Transfer) -> None:
    """Keep with a head's mesh what its keys do not say."""
    joint, vertex = np.nonzero(head.joint_regressor)
    arrays = {
        "name": np.array(head.name),
        "joint": joint.astype(np.int8),
        "vertex": vertex.astype(np.int32),
        "share": head.joint_regressor[joint, vertex],
        "weights": head.weights,
        "identities": np.array(len(head.identity)),
        "regions": np.array(list(head.regions)),
        "members": np.packbits(np.stack(list(head.regions.values())), axis=1),
        "landmarks": np.array(list(head.landmarks)),
        "places": np.array(list(head.landmarks.values()), np.int32),
        "mirror": head.mirror,
        "tints": head.tints.astype(np.float16),
        "materials": np.array(head.materials),
        "in_matrix": from_default.matrix,
        "in_residual": from_default.residual_mm,
        "out_matrix": to_default.matrix,
        "out_residual": to_default.residual_mm,
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    obj.data[PROPERTY] = stream.getvalue()


def is_stored(obj: bpy.types.Object) -> bool:
    """Whether a head brings its own data."""
    return obj.data is not None and PROPERTY in obj.data


def load(obj: bpy.types.Object) -> HeadData:
    """The head of an object; made once for each kind of head.

    Raises EiferError if the data or the shape keys were damaged.
    """
    wanted = head_object.hash_of(obj)
    if wanted not in _kept():
        _kept().clear()  # one kind of head at a time is what scenes have
        _kept()[wanted] = _read(obj)
    return _kept()[wanted]


@lru_cache(maxsize=1)
def _kept() -> dict[str, HeadData]:
    """Hash -> head: heads of one hash are equal, whichever object they were read from."""
    return {}


def drop() -> None:
    """Let go of what is at hand."""
    _kept.cache_clear()


def _read(obj: bpy.types.Object) -> HeadData:
    arrays = _arrays(obj)
    try:
        return HeadData(
            _head(obj, arrays),
            Transfer(_checked(arrays["in_matrix"], (55, 55)), _checked(arrays["in_residual"], (55,))),
            Transfer(_checked(arrays["out_matrix"], (55, 55)), _checked(arrays["out_residual"], (55,))),
        )
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise _damaged(obj) from error


def _damaged(obj: bpy.types.Object) -> EiferError:
    return EiferError(f"The data of the head '{obj.name}' are damaged; add it from its file again.")


def _arrays(obj: bpy.types.Object) -> dict[str, np.ndarray]:
    stored = obj.data.get(PROPERTY)
    if not isinstance(stored, bytes) or len(stored) > _MOST_BYTES:
        raise _damaged(obj)
    try:
        return from_npz(stored, _MOST_BYTES)
    except ValueError as error:
        raise _damaged(obj) from error


def _checked(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"not an array of {shape}")
    return array.astype(np.float32)


def _head(obj: bpy.types.Object, arrays: dict[str, np.ndarray]) -> ParametricHead:
    mesh, keys = obj.data, head_object.mesh_keys(obj)
    count = len(mesh.vertices)
    if not 0 < count <= _MOST_VERTICES or arrays["weights"].shape != (count, len(JOINTS)):
        raise EiferError(
            f"'{obj.name}' has other vertices than the head it was made from; undo the change of its mesh."
        )
    blocks = keys.key_blocks
    basis = _points(keys.reference_key, count)

    def shapes(names: list[str]) -> np.ndarray:
        lost = [name for name in names if name not in blocks]
        if lost:
            raise EiferError(
                f"'{obj.name}' has lost the shape key '{lost[0]}'; undo its removal or renaming."
            )
        found = np.empty((len(names), count, 3), np.float32)
        for row, name in enumerate(names):
            found[row] = _points(blocks[name], count) - basis
        return found

    def correctives(joint: str) -> np.ndarray:
        found = np.zeros((9, count, 3), np.float32)
        for entry in range(9):
            name = head_object.corrective_name(joint, entry)
            if name in blocks:
                found[entry] = _points(blocks[name], count) - basis
        return found

    regressor = np.zeros((len(JOINTS), count), np.float32)
    regressor[arrays["joint"], arrays["vertex"]] = arrays["share"]
    members = np.unpackbits(arrays["members"], axis=1, count=count).astype(bool)
    sizes, loops = np.empty(len(mesh.polygons), np.int32), np.empty(len(mesh.loops), np.int32)
    material = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", sizes)
    mesh.polygons.foreach_get("material_index", material)
    mesh.loops.foreach_get("vertex_index", loops)
    others = {joint: correctives(joint) for joint in ("neck", "eye_l", "eye_r")}
    return ParametricHead(
        name=str(arrays["name"]),
        space=head_object.space_of(obj),
        hash=head_object.hash_of(obj),
        template=basis,
        polygon_sizes=sizes,
        loops=loops,
        uvs=np.zeros((len(loops), 2), np.float32),
        materials=tuple(arrays["materials"].tolist()),
        polygon_material=material,
        identity=shapes(head_object.identity_names(obj)),
        expression=shapes(list(spaces.EXPRESSION_NAMES)),
        eyelids=shapes(list(spaces.EYELID_NAMES)),
        jaw_correctives=correctives("jaw"),
        arkit=shapes(list(spaces.ARKIT_NAMES)),
        joint_regressor=regressor,
        weights=_checked(arrays["weights"], (count, len(JOINTS))),
        regions=dict(zip(arrays["regions"].tolist(), members, strict=True)),
        landmarks=dict(zip(arrays["landmarks"].tolist(), arrays["places"].tolist(), strict=True)),
        mirror=arrays["mirror"].astype(np.int32),
        tints=_checked(arrays["tints"], (count, 3)),
        other_correctives={joint: fields for joint, fields in others.items() if fields.any()},
    )


def _points(block: bpy.types.ShapeKey, count: int) -> np.ndarray:
    """float32 [count, 3] metres in the head's frame."""
    flat = np.empty(count * 3, np.float32)
    block.points.foreach_get("co", flat)
    return from_blender(flat.reshape(-1, 3))
