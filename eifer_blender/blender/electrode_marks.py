"""Electrodes as small discs with labels that ride on a head's skin.

One mesh holds them all. Each of its vertices knows three vertices of the head, how it lies between them,
and its offset in the frame of that place; a few nodes put it there after every change of the face.
"""

from __future__ import annotations

import bpy
import numpy as np

from .. import colours, muscles
from ..heads.surface_map import FRIDLUND, SurfaceMap
from .head_object import TINT
from .letters import word

MARK = "eifer_electrodes"  # custom property of the object
_GROUP = "EIFER Electrodes"
_MATERIAL = "EIFER Electrode"
_CORNERS = tuple(f"corner_{k}" for k in range(3))
_SHARE, _OFFSET = "corner_share", "offset"
_SEGMENTS = 24
# (radius, height) in millimetres, from the rim under the skin to the middle.
_PROFILE = ((2.7, -0.8), (2.7, 0.35), (2.3, 0.75), (1.65, 0.75), (1.45, 0.45), (0.0, 0.62))
_MM = 1e-3
_RING, _METAL, _INK = (0.86, 0.86, 0.84), (0.33, 0.34, 0.36), (0.02, 0.02, 0.025)
_TEXT_SIZE_M = 0.0054
_TEXT_PLACE_M = np.array([0.0, 0.0038, 0.0042])  # across, up the face, off the skin
_UP = (0.0, 0.0, 1.0)


def marks_of(head: bpy.types.Object) -> bpy.types.Object | None:
    """The electrodes of a head."""
    return next((child for child in head.children if MARK in child), None)


def fit(
    head: bpy.types.Object, surface: SurfaceMap, present: np.ndarray, *, discs: bool, labels: bool
) -> None:
    """Let a head wear the electrodes of a map; present bool [22] are those that tell something."""
    if not discs:
        remove(head)
        return
    known = present if surface.scheme == FRIDLUND else np.full(len(surface.names), present.any())
    obj = marks_of(head) or _new_object(head)
    old = obj.data
    obj.data = _mesh(obj.name, surface, known, labels)
    if old.users == 0:
        bpy.data.meshes.remove(old)


def remove(head: bpy.types.Object) -> None:
    """Take the electrodes off a head."""
    obj = marks_of(head)
    if obj is None:
        return
    mesh = obj.data
    group = next((m.node_group for m in obj.modifiers if m.type == "NODES"), None)
    materials = list(mesh.materials)
    bpy.data.objects.remove(obj)
    if mesh.users == 0:
        bpy.data.meshes.remove(mesh)
    if group is not None and group.users == 0:
        bpy.data.node_groups.remove(group)
    for material in materials:
        if material is not None and material.users == 0:
            bpy.data.materials.remove(material)


def _new_object(head: bpy.types.Object) -> bpy.types.Object:
    name = f"{head.name} Electrodes"
    obj = bpy.data.objects.new(name, bpy.data.meshes.new(name))
    for collection in head.users_collection:
        collection.objects.link(obj)
    obj.parent = head
    obj.hide_select = True
    obj[MARK] = True
    modifier = obj.modifiers.new("Electrodes", "NODES")
    modifier.show_expanded = False
    modifier.node_group = _group()
    _set_head(modifier, head)
    return obj


def _set_head(modifier: bpy.types.Modifier, head: bpy.types.Object) -> None:
    items = modifier.node_group.interface.items_tree
    identifier = next(i.identifier for i in items if i.name == "Head" and i.in_out == "INPUT")
    if hasattr(modifier, "properties"):  # Blender 5.2
        getattr(modifier.properties.inputs, identifier).value = head
    else:
        modifier[identifier] = head


# --- the mesh -------------------------------------------------------------------------------------


def _mesh(name: str, surface: SurfaceMap, known: np.ndarray, labels: bool) -> bpy.types.Mesh:
    vertices, faces, tints, electrode = [], [], [], []
    disc, disc_faces, disc_tints = _disc()
    grey = colours.linear(colours.UNKNOWN)
    for k, label in enumerate(_labels(surface)):
        parts = [(disc, disc_faces, disc_tints if known[k] else np.where(disc_tints > 0.5, grey, disc_tints))]
        if labels:
            letters, letter_faces = _text(label)
            parts.append((letters, letter_faces, np.tile(_INK, (len(letters), 1))))
        for points, polygons, tint in parts:
            start = sum(map(len, vertices))
            vertices.append(points)
            faces += [[start + v for v in polygon] for polygon in polygons]
            tints.append(tint)
            electrode.append(np.full(len(points), k))
    offsets, electrode = np.concatenate(vertices), np.concatenate(electrode)
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(offsets.tolist(), [], faces)
    mesh.polygons.foreach_set("use_smooth", np.array([len(f) == 4 for f in faces]))
    for corner, attribute in enumerate(_CORNERS):
        values = surface.triangles[electrode, corner].astype(np.int32)
        mesh.attributes.new(attribute, "INT", "POINT").data.foreach_set("value", values)
    for attribute, table in ((_SHARE, surface.barycentric[electrode]), (_OFFSET, offsets)):
        values = np.ascontiguousarray(table, np.float32).ravel()
        mesh.attributes.new(attribute, "FLOAT_VECTOR", "POINT").data.foreach_set("vector", values)
    tint = np.concatenate([np.concatenate(tints), np.ones((len(offsets), 1))], 1).astype(np.float32)
    layer = mesh.color_attributes.new(TINT, "FLOAT_COLOR", "POINT")
    layer.data.foreach_set("color", tint.ravel())
    mesh.color_attributes.active_color_index = mesh.color_attributes.render_color_index = 0
    mesh.materials.append(_material())
    mesh.update()
    return mesh


def _labels(surface: SurfaceMap) -> list[str]:
    """Short names: the muscle's for Fridlund's electrodes, the position's for Kuramoto's."""
    if surface.scheme != FRIDLUND:
        return list(surface.names)
    return [m.short for m in muscles.MUSCLES for _side in muscles.SIDES]


def _disc() -> tuple[np.ndarray, list[list[int]], np.ndarray]:
    """(vertices [n, 3] about the skin's normal z, polygons, linear colours [n, 3])."""
    angle = np.linspace(0, 2 * np.pi, _SEGMENTS, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    rings = [np.column_stack([r * circle, np.full(_SEGMENTS, h)]) for r, h in _PROFILE[:-1]]
    points = np.concatenate([*rings, [[0.0, 0.0, _PROFILE[-1][1]]]]) * _MM
    polygons = []
    for ring in range(len(rings) - 1):
        a = ring * _SEGMENTS
        polygons += [
            [a + i, a + (i + 1) % _SEGMENTS, a + _SEGMENTS + (i + 1) % _SEGMENTS, a + _SEGMENTS + i]
            for i in range(_SEGMENTS)
        ]
    last, middle = (len(rings) - 1) * _SEGMENTS, len(points) - 1
    polygons += [[last + i, last + (i + 1) % _SEGMENTS, middle] for i in range(_SEGMENTS)]
    metal = np.arange(len(points)) >= last
    return points, polygons, np.where(metal[:, None], _METAL, _RING)


def _text(text: str) -> tuple[np.ndarray, list[list[int]]]:
    """(vertices [n, 3], triangles) of a word above its electrode."""
    triangles, width = word(text)
    flat = (triangles.reshape(-1, 2) - [width / 2, 0.0]) * _TEXT_SIZE_M
    points = np.column_stack([flat, np.zeros(len(flat))]) + _TEXT_PLACE_M
    return points, np.arange(len(flat)).reshape(-1, 3).tolist()


def _material() -> bpy.types.Material:
    material = bpy.data.materials.get(_MATERIAL)
    if material is not None:
        return material
    material = bpy.data.materials.new(_MATERIAL)
    if bpy.app.version < (5, 0):  # later materials always have nodes
        material.use_nodes = True
    tree = material.node_tree
    shader = tree.nodes["Principled BSDF"]
    tint = tree.nodes.new("ShaderNodeAttribute")
    tint.attribute_name, tint.location = TINT, (-300, 200)
    tree.links.new(tint.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.6
    shader.inputs["Specular IOR Level"].default_value = 0.2  # or the labels would shine
    material.diffuse_color = (*_RING, 1.0)
    return material


# --- nodes ----------------------------------------------------------------------------------------


def _group() -> bpy.types.NodeTree:
    """Puts every vertex at its place on the head."""
    tree = bpy.data.node_groups.get(_GROUP)
    if tree is not None and tree.library is None:
        return tree
    tree = bpy.data.node_groups.new(_GROUP, "GeometryNodeTree")
    tree.is_modifier = True
    face, nodes, link = tree.interface, tree.nodes, tree.links.new
    face.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    face.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    face.new_socket("Head", in_out="INPUT", socket_type="NodeSocketObject")
    given = nodes.new("NodeGroupInput")
    info = nodes.new("GeometryNodeObjectInfo")
    info.transform_space = "RELATIVE"
    link(given.outputs["Head"], info.inputs["Object"])
    position = nodes.new("GeometryNodeInputPosition")
    share = nodes.new("ShaderNodeSeparateXYZ")
    link(_attribute(tree, _SHARE, "FLOAT_VECTOR"), share.inputs[0])
    corners = []
    for name in _CORNERS:
        sample = nodes.new("GeometryNodeSampleIndex")
        sample.data_type, sample.domain = "FLOAT_VECTOR", "POINT"
        link(info.outputs["Geometry"], sample.inputs["Geometry"])
        link(position.outputs[0], next(s for s in sample.inputs if s.name == "Value" and s.enabled))
        link(_attribute(tree, name, "INT"), sample.inputs["Index"])
        corners.append(next(out for out in sample.outputs if out.enabled))
    parts = [_vector(tree, "SCALE", c, share.outputs[k]) for k, c in enumerate(corners)]
    place = _vector(tree, "ADD", _vector(tree, "ADD", parts[0], parts[1]), parts[2])
    edges = [_vector(tree, "SUBTRACT", c, corners[0]) for c in corners[1:]]
    normal = _vector(tree, "NORMALIZE", _vector(tree, "CROSS_PRODUCT", *edges))
    across = _vector(tree, "NORMALIZE", _vector(tree, "CROSS_PRODUCT", _UP, normal))
    up = _vector(tree, "CROSS_PRODUCT", normal, across)
    offset = nodes.new("ShaderNodeSeparateXYZ")
    link(_attribute(tree, _OFFSET, "FLOAT_VECTOR"), offset.inputs[0])
    for k, axis in enumerate((across, up, normal)):
        place = _vector(tree, "ADD", place, _vector(tree, "SCALE", axis, offset.outputs[k]))
    moved = nodes.new("GeometryNodeSetPosition")
    link(given.outputs["Geometry"], moved.inputs["Geometry"])
    link(place, moved.inputs["Position"])
    out = nodes.new("NodeGroupOutput")
    link(moved.outputs[0], out.inputs["Geometry"])
    return tree


def _attribute(tree: bpy.types.NodeTree, name: str, kind: str) -> bpy.types.NodeSocket:
    node = tree.nodes.new("GeometryNodeInputNamedAttribute")
    node.data_type = kind
    node.inputs["Name"].default_value = name
    return next(out for out in node.outputs if out.enabled and out.name == "Attribute")


def _vector(tree: bpy.types.NodeTree, operation: str, *values: object) -> bpy.types.NodeSocket:
    """A vector node; a number beside a vector is a factor."""
    node = tree.nodes.new("ShaderNodeVectorMath")
    node.operation = operation
    sockets = [node.inputs[0], node.inputs["Scale" if operation == "SCALE" else 1]]
    for socket, value in zip(sockets, values, strict=False):
        if isinstance(value, tuple):
            socket.default_value = value
        else:
            tree.links.new(value, socket)
    return node.outputs[0]
