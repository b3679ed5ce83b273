"""A parametric head in a Blender scene: mesh with shape keys, armature, correctives, materials.

The saved file needs nothing of this extension: correctives are driven by simple expressions, which
Blender evaluates without running Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import bpy
import numpy as np

from .. import spaces
from ..errors import EiferError
from ..heads.deform import joint_positions, moved_joints, rotation_matrix
from ..heads.head import JOINTS, PARENTS, ParametricHead
from . import materials
from .space import blender_axes, from_blender, to_axis_angles, to_blender, to_quaternions

__all__ = [
    "JAW_BONE",
    "JAW_INDEX",
    "add_head",
    "armature_of",
    "blender_axes",
    "expression_of",
    "hash_of",
    "head_of",
    "is_head",
    "jaw_bone_path",
    "jaw_location_path",
    "jaw_quaternions",
    "joints_move",
    "mesh_keys",
    "set_expression",
    "space_of",
]

JAW_BONE = "jaw"
JAW_INDEX = JOINTS.index(JAW_BONE)
SPACE_STAMP = "eifer_space"
HASH_STAMP = "eifer_head_hash"
IDENTITY_STAMP = "eifer_identity"
JOINTS_STAMP = "eifer_joints_move"
IDENTITY_PREFIX = "id"
TINT = "tint"

_EXPRESSION_LIMIT = 10.0  # Blender's hard limit for sliders
_LID_RANGE = (-0.25, 1.1)
_BONE_LENGTH = 0.03
_LARGEST_IDENTITY = 2.5  # standard deviations of one component
# Entries of R - I from the jaw's quaternion. The bone's axes are Blender's, the entries are the
# head's: its x, y, z are the bone's x, z, -y.
_ROTATION_ENTRIES = (
    "-2*(z*z+y*y)",
    "2*(x*z+w*y)",
    "2*(w*z-x*y)",
    "2*(x*z-w*y)",
    "-2*(x*x+y*y)",
    "-2*(y*z+w*x)",
    "-2*(x*y+w*z)",
    "2*(w*x-y*z)",
    "-2*(x*x+z*z)",
)


def add_head(
    scene: bpy.types.Scene,
    head: ParametricHead,
    *,
    name: str = "EIFER Head",
    identity_seed: int | None = None,
    identity_strength: float = 0.0,
    identity_keys: int = 0,
) -> bpy.types.Object:
    """Adds a head with its armature to the scene's collection and returns the mesh object.

    identity_seed and identity_strength (standard deviations) choose another person than the
    average; without them the head is the average one. identity_keys: how many identity components become
    shape keys `id000` ..., at 0; see `identity.set_identity`.
    """
    identity = identity_of_seed(head, identity_seed, identity_strength)
    mesh = _mesh(head, name, head.template + np.tensordot(identity, head.identity, 1))
    obj = bpy.data.objects.new(name, mesh)
    rig = _armature(scene, name, to_blender(joint_positions(head, identity)))
    scene.collection.objects.link(obj)
    obj.parent = rig
    obj[SPACE_STAMP] = head.space
    obj[HASH_STAMP] = head.hash
    obj[IDENTITY_STAMP] = identity.tolist()  # with keys, `identity.fit_joints` keeps it
    obj[JOINTS_STAMP] = head.joints_move
    _add_weights(obj, head)
    _add_keys(obj, head, identity_keys)
    _add_corrective_drivers(obj, rig, head)
    modifier = obj.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    modifier.use_deform_preserve_volume = False
    smooth = obj.modifiers.new("Subdivision", "SUBSURF")
    smooth.levels, smooth.render_levels = 0, 2
    smooth.show_only_control_edges = True
    return obj


def identity_of_seed(head: ParametricHead, seed: int | None, strength: float) -> np.ndarray:
    """float32 [I] identity coefficients; all zero without a seed or strength."""
    if seed is None or strength == 0.0:
        return np.zeros(len(head.identity), dtype=np.float32)
    drawn = np.random.default_rng(seed).standard_normal(len(head.identity)) * strength
    return np.clip(drawn, -_LARGEST_IDENTITY, _LARGEST_IDENTITY).astype(np.float32)


# -- finding heads and their parts ---------------------------------------------------------


def is_head(obj: bpy.types.Object | None) -> bool:
    """Whether an object is a head's mesh."""
    return obj is not None and obj.type == "MESH" and HASH_STAMP in obj


def head_of(obj: bpy.types.Object | None) -> bpy.types.Object | None:
    """The head that an object is or belongs to (its armature, or a child), else None."""
    if obj is None or is_head(obj):
        return obj
    if obj.type == "ARMATURE":
        return next((child for child in obj.children if is_head(child)), None)
    return head_of(obj.parent)


def armature_of(head: bpy.types.Object) -> bpy.types.Object:
    """The armature that moves a head; EiferError if it was removed."""
    for modifier in head.modifiers:
        if modifier.type == "ARMATURE" and modifier.object and JAW_BONE in modifier.object.pose.bones:
            return modifier.object
    raise EiferError(f"'{head.name}' has lost its armature; undo its removal or add a new head.")


def mesh_keys(head: bpy.types.Object) -> bpy.types.Key:
    """The shape keys of a head; EiferError if they were removed."""
    keys = head.data.shape_keys
    names = set(keys.key_blocks.keys()) if keys else set()
    lost = [name for name in spaces.EXPRESSION_NAMES + spaces.EYELID_NAMES if name not in names]
    if lost:
        which = f"the shape key '{lost[0]}'" if len(lost) == 1 else f"{len(lost)} of its shape keys"
        raise EiferError(f"'{head.name}' has lost {which}; undo the removal or renaming, or add a new head.")
    return keys


def hash_of(head: bpy.types.Object) -> str:
    """Hash of the parametric head that the object was made from."""
    return str(head.get(HASH_STAMP, ""))


def space_of(head: bpy.types.Object) -> str:
    """Id of the expression space of the head."""
    return str(head.get(SPACE_STAMP, ""))


def jaw_bone_path() -> str:
    """Animation path of the jaw's rotation, on the armature."""
    return f'pose.bones["{JAW_BONE}"].rotation_quaternion'


def jaw_location_path() -> str:
    """Animation path of the jaw's location, on the armature."""
    return f'pose.bones["{JAW_BONE}"].location'


def jaw_quaternions(jaw: np.ndarray) -> np.ndarray:
    """float32 [N, 4] rotations of the jaw bone, for the jaw's axis-angle parameters [N, 3]."""
    return to_quaternions(jaw)


def joints_move(head: bpy.types.Object) -> bool:
    """Whether the head's joints follow its expressions, as FLAME's do."""
    return bool(head.get(JOINTS_STAMP, False))


def identity_name(number: int) -> str:
    """Name of the key of an identity component."""
    return f"{IDENTITY_PREFIX}{number:03d}"


def identity_names(head: bpy.types.Object) -> list[str]:
    """Names of the head's identity keys, in their order."""
    keys = head.data.shape_keys
    names = keys.key_blocks.keys() if keys else []
    return [n for n in names if n.startswith(IDENTITY_PREFIX) and n[len(IDENTITY_PREFIX) :].isdecimal()]


def identity_of(head: bpy.types.Object) -> np.ndarray:
    """float32 [k]: the identity that the head's keys show now; of a head without them, the one it has."""
    names = identity_names(head)
    if not names:
        return np.array(head.get(IDENTITY_STAMP, ()), np.float32)
    return np.array([head.data.shape_keys.key_blocks[name].value for name in names], np.float32)


def own_identity(head: bpy.types.Object) -> np.ndarray:
    """float32 [k]: the identity that a head was given, whatever person the take that plays brings with it."""
    return np.array(head.get(IDENTITY_STAMP, ()), np.float32)


def show_identity(head: bpy.types.Object, identity: np.ndarray) -> None:
    """Set the identity keys; those beyond the coefficients are 0."""
    blocks = head.data.shape_keys.key_blocks
    names = identity_names(head)
    padded = np.zeros(len(names), np.float32)
    padded[: len(identity)] = identity[: len(names)]
    for name, value in zip(names, padded.tolist(), strict=True):
        blocks[name].value = value


def rest_joints(head: bpy.types.Object) -> np.ndarray:
    """float64 [5, 3] metres in the head's frame: where the armature's bones have the joints at rest."""
    bones = armature_of(head).data.bones
    return from_blender(np.array([bones[joint].head_local[:] for joint in JOINTS], np.float64))


class Joints(NamedTuple):
    """Where a head's bones are at rest, and what moves its joints from there."""

    geometry: ParametricHead
    rest: np.ndarray  # float64 [5, 3] metres in the head's frame, of the bones
    identity: np.ndarray  # float32 [k]

    def locations(self, joint: str, turns: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """float32 [n, 3] in Blender's frame: locations of a joint's bone.

        turns: [n, 3] axis-angle of the joint, in the head's frame, for faces `parameters` [n, 55]. A turn R
        about a joint that is `shift` away from the bone's head is a turn about that head and a move by
        (I - R) shift.
        """
        index = JOINTS.index(joint)
        shift = moved_joints(self.geometry, parameters, self.identity)[:, index] - self.rest[index]
        turned = (rotation_matrix(turns) @ shift[..., None])[..., 0]
        return to_blender(shift - turned).astype(np.float32)


def joints_of(head: bpy.types.Object, geometry: ParametricHead, identity: np.ndarray | None = None) -> Joints:
    """The joints of a head with the identity that it shows, or with other coefficients [k]."""
    return Joints(geometry, rest_joints(head), identity_of(head) if identity is None else identity)


def set_expression(
    head: bpy.types.Object, params: np.ndarray, geometry: ParametricHead | None = None
) -> None:
    """Poses a head, without animating it, by the 55 parameters of its space.

    geometry: of a head whose joints move; without it the jaw's bone stays in its place.
    """
    params = np.asarray(params, dtype=np.float32)
    keys = mesh_keys(head)
    for name, value in zip(spaces.EXPRESSION_NAMES + spaces.EYELID_NAMES, params.tolist(), strict=False):
        keys.key_blocks[name].value = value
    keys.update_tag()  # Blender 4.2 does not notice every write
    rig = armature_of(head)
    jaw = rig.pose.bones[JAW_BONE]
    jaw.rotation_quaternion = to_quaternions(params[None, spaces.JAW])[0].tolist()
    if joints_move(head):
        jaw.location = (0.0, 0.0, 0.0)
        if geometry is not None:
            placed = joints_of(head, geometry).locations(JAW_BONE, params[None, spaces.JAW], params[None])
            jaw.location = placed[0].tolist()
    rig.update_tag()


def expression_of(head: bpy.types.Object) -> np.ndarray:
    """float32 [55]: the parameters that a head shows now, without its ARKit keys."""
    blocks = mesh_keys(head).key_blocks
    values = [blocks[name].value for name in spaces.EXPRESSION_NAMES + spaces.EYELID_NAMES]
    turn = armature_of(head).pose.bones[JAW_BONE].rotation_quaternion
    return np.concatenate([values, to_axis_angles(np.array(turn)[None])[0]]).astype(np.float32)


# -- building ------------------------------------------------------------------------------


def _mesh(head: ParametricHead, name: str, vertices: np.ndarray) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", to_blender(vertices).astype(np.float32).ravel())
    mesh.loops.add(len(head.loops))
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(head.loops, dtype=np.int32))
    mesh.polygons.add(len(head.polygon_sizes))
    starts = np.concatenate([[0], np.cumsum(head.polygon_sizes)[:-1]]).astype(np.int32)
    mesh.polygons.foreach_set("loop_start", starts)
    for material in materials.make(head.materials, TINT):
        mesh.materials.append(material)
    mesh.update(calc_edges=True)
    mesh.polygons.foreach_set("material_index", np.ascontiguousarray(head.polygon_material, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(starts), dtype=bool))
    layer = mesh.uv_layers.new(name="UVMap", do_init=False)
    layer.data.foreach_set("uv", head.uvs.astype(np.float32).ravel())
    tint = mesh.color_attributes.new(TINT, "FLOAT_COLOR", "POINT")
    colours = np.ones((len(vertices), 4), dtype=np.float32)
    colours[:, :3] = head.tints
    tint.data.foreach_set("color", colours.ravel())
    if "Eye" in head.materials:
        _add_eye_axes(mesh, head)
    mesh.color_attributes.active_color_index = 0
    mesh.color_attributes.render_color_index = 0
    mesh.update()
    return mesh


def _add_eye_axes(mesh: bpy.types.Mesh, head: ParametricHead) -> None:
    axes = np.zeros((len(head.template), 3), np.float32)
    for side in "lr":
        eye = head.regions[f"eyeball_{side}"]
        ball = head.template[eye] - (head.template[eye].min(0) + head.template[eye].max(0)) / 2
        axes[eye] = ball / np.linalg.norm(ball, axis=1, keepdims=True)
    attribute = mesh.attributes.new(materials.EYE_AXIS, "FLOAT_VECTOR", "POINT")
    attribute.data.foreach_set("vector", to_blender(axes).astype(np.float32).ravel())


def _armature(scene: bpy.types.Scene, name: str, joints: np.ndarray) -> bpy.types.Object:
    data = bpy.data.armatures.new(f"{name} Rig")
    data.display_type = "STICK"
    rig = bpy.data.objects.new(f"{name} Rig", data)
    scene.collection.objects.link(rig)
    with _editing(scene, scene.view_layers[0], rig):
        for joint, parent, position in zip(JOINTS, PARENTS, joints, strict=True):
            bone = data.edit_bones.new(joint)
            # A bone along +Y without roll has Blender's axes: its rotation is the joint's.
            bone.head = position
            bone.tail = position + np.array([0.0, _BONE_LENGTH, 0.0])
            if parent >= 0:
                bone.parent = data.edit_bones[JOINTS[parent]]
    return rig


def place_bones(rig: bpy.types.Object, joints: np.ndarray) -> None:
    """Move the bones of an armature to joints [5, 3] in its frame; EiferError if it cannot be edited now."""
    places = ((s, v) for s in bpy.data.scenes for v in s.view_layers if rig.name in v.objects)
    scene, layer = next(places, (None, None))
    if layer is None or rig.data.library is not None or bpy.context.mode != "OBJECT":
        raise EiferError(
            f"The bones of '{rig.name}' cannot be moved; be in object mode, in a scene that has it."
        )
    hidden, rig.hide_viewport = rig.hide_viewport, False
    hidden_here = rig.hide_get(view_layer=layer)
    rig.hide_set(False, view_layer=layer)
    try:
        with _editing(scene, layer, rig):
            for joint, position in zip(JOINTS, joints, strict=True):
                bone = rig.data.edit_bones[joint]
                way = bone.tail - bone.head
                bone.head = position
                bone.tail = bone.head + way
    finally:
        rig.hide_viewport = hidden
        rig.hide_set(hidden_here, view_layer=layer)


@contextmanager
def _editing(scene: bpy.types.Scene, layer: bpy.types.ViewLayer, rig: bpy.types.Object) -> Iterator[None]:
    """Edit mode of an armature: bones exist there only, and there is no other way into it."""
    before = layer.objects.active
    layer.objects.active = rig
    with bpy.context.temp_override(scene=scene, view_layer=layer, active_object=rig, object=rig):
        bpy.ops.object.mode_set(mode="EDIT")
        try:
            yield
        finally:
            bpy.ops.object.mode_set(mode="OBJECT")
    layer.objects.active = before


def _add_weights(obj: bpy.types.Object, head: ParametricHead) -> None:
    for index, joint in enumerate(JOINTS):
        group = obj.vertex_groups.new(name=joint)
        column = head.weights[:, index]
        values, inverse = np.unique(column, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        ends = np.cumsum(np.bincount(inverse.ravel()))
        for value, members in zip(values.tolist(), np.split(order, ends[:-1]), strict=True):
            if value > 0.0:
                group.add(members.tolist(), value, "REPLACE")


def _add_keys(obj: bpy.types.Object, head: ParametricHead, identity_keys: int) -> None:
    basis = np.empty(len(head.template) * 3, dtype=np.float32)
    obj.data.vertices.foreach_get("co", basis)
    obj.shape_key_add(name="Basis", from_mix=False)
    for number, offsets in enumerate(head.identity[:identity_keys]):
        _add_key(obj, basis, identity_name(number), offsets, (-_EXPRESSION_LIMIT, _EXPRESSION_LIMIT))
    for name, offsets in zip(spaces.EXPRESSION_NAMES, head.expression, strict=True):
        _add_key(obj, basis, name, offsets, (-_EXPRESSION_LIMIT, _EXPRESSION_LIMIT))
    for name, offsets in zip(spaces.EYELID_NAMES, head.eyelids, strict=True):
        _add_key(obj, basis, name, offsets, _LID_RANGE)
    for joint, entry in _used_entries(head):
        _add_key(obj, basis, corrective_name(joint, entry), head.correctives[joint][entry], (-2.0, 2.0))
    for name, offsets in zip(spaces.ARKIT_NAMES, head.arkit, strict=True):
        _add_key(obj, basis, name, offsets, (0.0, 1.0))
    obj.data.shape_keys.name = obj.name


def _add_key(
    obj: bpy.types.Object, basis: np.ndarray, name: str, offsets: np.ndarray, limits: tuple[float, float]
) -> None:
    block = obj.shape_key_add(name=name, from_mix=False)
    block.points.foreach_set("co", basis + to_blender(offsets).ravel())
    block.slider_min, block.slider_max = limits
    block.value = 0.0


def _used_entries(head: ParametricHead) -> list[tuple[str, int]]:
    """(joint, entry of R - I) of all correctives that are not zero."""
    return [
        (joint, int(entry))
        for joint, fields in head.correctives.items()
        for entry in np.flatnonzero(fields.any(axis=(1, 2)))
    ]


def corrective_name(joint: str, entry: int) -> str:
    """Name of the key for an entry (0 to 8, row-major) of a joint's R - I."""
    return f"{joint}_corrective_{entry // 3}{entry % 3}"


def _add_corrective_drivers(obj: bpy.types.Object, rig: bpy.types.Object, head: ParametricHead) -> None:
    for joint, entry in _used_entries(head):
        block = obj.data.shape_keys.key_blocks[corrective_name(joint, entry)]
        driver = block.driver_add("value").driver
        driver.type = "SCRIPTED"
        for letter in "wxyz":
            variable = driver.variables.new()
            variable.name = letter
            variable.type = "TRANSFORMS"
            target = variable.targets[0]
            target.id = rig
            target.bone_target = joint
            target.transform_type = f"ROT_{letter.upper()}"
            target.rotation_mode = "QUATERNION"
            target.transform_space = "LOCAL_SPACE"
        driver.expression = _ROTATION_ENTRIES[entry]
