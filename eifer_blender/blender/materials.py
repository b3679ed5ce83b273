"""Materials of a head: skin, eyes, mouth and hair, for EEVEE, Cycles and the solid view."""

from __future__ import annotations

from collections.abc import Callable

import bpy

_VIEW_COLOURS = {
    "Skin": (0.55, 0.30, 0.21),
    "Mouth": (0.30, 0.06, 0.06),
    "Sclera": (0.83, 0.80, 0.77),
    "Cornea": (0.10, 0.11, 0.08),
    "Iris": (0.10, 0.11, 0.08),
    "Eye": (0.83, 0.80, 0.77),
    "Teeth": (0.80, 0.74, 0.62),
    "Gums": (0.45, 0.16, 0.15),
    "Tongue": (0.48, 0.14, 0.13),
    "Hair": (0.045, 0.026, 0.017),
    "Rim": (0.05, 0.045, 0.045),
}
EYE_AXIS = "eye_axis"
"""Vertex attribute of whole eyeballs: direction from the centre at rest, in Blender's axes, looking to -y."""

# Sines of the angle from the optical axis at which rings begin, and their colours.
_EYE_RINGS = (
    (0.001, (0.004, 0.004, 0.004)),
    (0.175, (0.004, 0.004, 0.004)),
    (0.195, (0.13, 0.10, 0.05)),
    (0.30, (0.10, 0.16, 0.15)),
    (0.46, (0.09, 0.14, 0.14)),
    (0.50, (0.03, 0.04, 0.04)),
    (0.56, (0.78, 0.74, 0.71)),
)
_SUBSURFACE_RADIUS = (1.0, 0.35, 0.18)  # red light goes deepest


def make(names: tuple[str, ...], tint: str) -> list[bpy.types.Material]:
    """New materials for a head's slots, coloured by the vertex colour `tint`."""
    return [_make(name, tint) for name in names]


def _make(name: str, tint: str) -> bpy.types.Material:
    material = bpy.data.materials.new(f"EIFER {name}")
    if bpy.app.version < (5, 0):  # later materials always have nodes
        material.use_nodes = True
    material.diffuse_color = (*_VIEW_COLOURS.get(name, _VIEW_COLOURS["Skin"]), 1.0)
    shader = material.node_tree.nodes["Principled BSDF"]
    _BUILDERS.get(name, _skin)(material, shader, tint)
    return material


def _tint(material: bpy.types.Material, tint: str) -> bpy.types.NodeSocket:
    node = material.node_tree.nodes.new("ShaderNodeAttribute")
    node.attribute_name = tint
    node.location = (-900, 200)
    return node.outputs["Color"]


def _noise(material: bpy.types.Material, scale: float, detail: float, y: float) -> bpy.types.NodeSocket:
    tree = material.node_tree
    place = tree.nodes.new("ShaderNodeTexCoord")
    place.location = (-1300, y)
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.location = (-1100, y)
    noise.inputs["Scale"].default_value = scale
    noise.inputs["Detail"].default_value = detail
    # UVs stick to the face while it moves
    tree.links.new(place.outputs["UV"], noise.inputs["Vector"])
    return noise.outputs["Fac"]


def _remap(
    material: bpy.types.Material, value: bpy.types.NodeSocket, low: float, high: float
) -> bpy.types.NodeSocket:
    node = material.node_tree.nodes.new("ShaderNodeMapRange")
    node.inputs["From Min"].default_value = 0.3
    node.inputs["From Max"].default_value = 0.7
    node.inputs["To Min"].default_value = low
    node.inputs["To Max"].default_value = high
    material.node_tree.links.new(value, node.inputs["Value"])
    return node.outputs["Result"]


def _skin(material: bpy.types.Material, shader: bpy.types.ShaderNode, tint: str) -> None:
    tree = material.node_tree
    blotches = _remap(material, _noise(material, 38.0, 4.0, 100), 0.93, 1.07)
    scale = tree.nodes.new("ShaderNodeVectorMath")
    scale.operation = "SCALE"
    tree.links.new(_tint(material, tint), scale.inputs[0])
    tree.links.new(blotches, scale.inputs["Scale"])
    tree.links.new(scale.outputs["Vector"], shader.inputs["Base Color"])
    tree.links.new(
        _remap(material, _noise(material, 160.0, 2.0, -150), 0.40, 0.52), shader.inputs["Roughness"]
    )
    bump = tree.nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value = 0.22
    bump.inputs["Distance"].default_value = 0.0006
    tree.links.new(_noise(material, 650.0, 3.0, -400), bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    _scatter(shader, 0.22, 0.006)
    shader.inputs["Specular IOR Level"].default_value = 0.42


def _scatter(shader: bpy.types.ShaderNode, weight: float, scale: float) -> None:
    shader.inputs["Subsurface Weight"].default_value = weight
    shader.inputs["Subsurface Scale"].default_value = scale
    shader.inputs["Subsurface Radius"].default_value = _SUBSURFACE_RADIUS


def _tinted(
    roughness: float, scatter: float = 0.0, coat: float = 0.0, glow: float = 0.0
) -> Callable[..., None]:
    """A plain surface in the vertex colour; `glow` stands for light that bounces inside the part."""

    def build(material: bpy.types.Material, shader: bpy.types.ShaderNode, tint: str) -> None:
        colour = _tint(material, tint)
        material.node_tree.links.new(colour, shader.inputs["Base Color"])
        if glow:
            material.node_tree.links.new(colour, shader.inputs["Emission Color"])
            shader.inputs["Emission Strength"].default_value = glow
        shader.inputs["Roughness"].default_value = roughness
        shader.inputs["Coat Weight"].default_value = coat
        shader.inputs["Coat Roughness"].default_value = 0.06
        if scatter:
            _scatter(shader, scatter, 0.004)

    return build


def _cornea(material: bpy.types.Material, shader: bpy.types.ShaderNode, _tint_name: str) -> None:
    """A clear film with a highlight; the dished iris shows through it."""
    tree = material.node_tree
    clear = tree.nodes.new("ShaderNodeBsdfTransparent")
    film = tree.nodes.new("ShaderNodeBsdfGlossy")
    film.inputs["Roughness"].default_value = 0.03
    facing = tree.nodes.new("ShaderNodeFresnel")
    facing.inputs["IOR"].default_value = 1.376  # of the human cornea
    mix = tree.nodes.new("ShaderNodeMixShader")
    tree.links.new(facing.outputs["Fac"], mix.inputs["Fac"])
    tree.links.new(clear.outputs["BSDF"], mix.inputs[1])
    tree.links.new(film.outputs["BSDF"], mix.inputs[2])
    output = tree.nodes["Material Output"]
    tree.links.new(mix.outputs["Shader"], output.inputs["Surface"])
    tree.nodes.remove(shader)
    material.surface_render_method = "BLENDED"


def _eye(material: bpy.types.Material, shader: bpy.types.ShaderNode, _tint_name: str) -> None:
    """A whole eyeball: rings by the distance from the optical axis, sharp at any tessellation."""
    tree = material.node_tree
    axis = tree.nodes.new("ShaderNodeAttribute")
    axis.attribute_name = EYE_AXIS
    flat = tree.nodes.new("ShaderNodeVectorMath")
    flat.operation = "MULTIPLY"
    flat.inputs[1].default_value = (1.0, 0.0, 1.0)
    distance = tree.nodes.new("ShaderNodeVectorMath")
    distance.operation = "LENGTH"
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    for place, colour in _EYE_RINGS:
        element = ramp.color_ramp.elements.new(place)
        element.color = (*colour, 1.0)
    ramp.color_ramp.elements.remove(ramp.color_ramp.elements[0])
    ramp.color_ramp.elements[-1].color = (*_VIEW_COLOURS["Sclera"], 1.0)
    tree.links.new(axis.outputs["Vector"], flat.inputs[0])
    tree.links.new(flat.outputs["Vector"], distance.inputs[0])
    tree.links.new(distance.outputs["Value"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.12
    shader.inputs["Coat Weight"].default_value = 0.8
    shader.inputs["Coat Roughness"].default_value = 0.03


def _rim(_material: bpy.types.Material, shader: bpy.types.ShaderNode, _tint_name: str) -> None:
    shader.inputs["Base Color"].default_value = (*_VIEW_COLOURS["Rim"], 1.0)
    shader.inputs["Roughness"].default_value = 0.6


_BUILDERS: dict[str, Callable[..., None]] = {
    "Skin": _skin,
    "Mouth": _tinted(0.35, scatter=0.2),
    "Sclera": _tinted(0.22, scatter=0.15, coat=0.6, glow=0.06),
    "Cornea": _cornea,
    "Iris": _tinted(0.55, glow=0.45),
    "Eye": _eye,
    "Teeth": _tinted(0.22, scatter=0.1, coat=0.4, glow=0.18),
    "Gums": _tinted(0.3, scatter=0.15, coat=0.4),
    "Tongue": _tinted(0.38, scatter=0.2, coat=0.2),
    "Hair": _tinted(0.55),
    "Rim": _rim,
}
