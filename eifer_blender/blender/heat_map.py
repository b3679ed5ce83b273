"""Muscle activity as colours on the face.

A Geometry Nodes modifier colours the head: each vertex has a weight for every channel (`heads.surface_map`),
and plain drivers bring the head's own `est_` or `emg_` properties in. It writes the colour attribute that the
head's materials and the solid view show anyway. So the map follows the face, scrubs and renders in every
engine without a handler, plays without this extension, and taking the modifier away takes all of it away.
"""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import numpy as np

from .. import colours, muscles
from ..errors import EiferError
from ..heads.surface_map import SurfaceMap, known_weights, surface_map
from . import actions, electrode_marks, estimates, session, takes
from . import activity_properties as props
from .head_object import TINT

MODIFIER = "EIFER Heat Map"
_GROUPS = {
    props.EST: "EIFER Heat Map",
    props.EMG: "EIFER Heat Map",
    props.DIFFERENCE: "EIFER Heat Map, Difference",
}
_WEIGHTS = tuple(f"heat_weights_{k}" for k in range(-(-muscles.CHANNEL_COUNT // 3)))
_COVER, _KNOWN = "heat_cover", "heat_known"
_ATTRIBUTES = (*_WEIGHTS, _COVER, _KNOWN)
_VALUE = "heat"  # what the map leaves for the user's own shaders
_LOW, _HIGH, _OPACITY = "Low", "High", "Opacity"
_STOPS = 32  # that a colour ramp can have
_LEAST_RANGE = 0.05

# (table float32 [n, 3] sRGB, lowest value, highest value, what it is)
Bar = tuple[np.ndarray, float, float, str]


def is_shown(head: bpy.types.Object) -> bool:
    """Whether a head wears a heat map."""
    return head.modifiers.get(MODIFIER) is not None


def show(head: bpy.types.Object) -> None:
    """Let a head wear a heat map with the settings that lie on it.

    Raises EiferError if the head has no activity of the kind that shall be shown, or is of another
    version of the default head.
    """
    geometry = session.parametric_head(head)
    heat = head.eifer.heat
    present = shown_channels(head)
    if not present.any():
        raise EiferError(_NOTHING[heat.source].format(head=head.name))
    surface = surface_map(geometry, heat.scheme)
    _write_weights(head.data, surface, present)
    modifier = head.modifiers.get(MODIFIER) or _add_modifier(head)
    modifier.node_group = _group(_GROUPS[heat.source], heat.source == props.DIFFERENCE)
    low, high = limits(head)
    for name, value in ((_LOW, low), (_HIGH, high), (_OPACITY, heat.opacity)):
        _set_input(modifier, name, value)
    _drive(head, modifier, present)
    electrode_marks.fit(head, surface, present, discs=heat.electrodes, labels=heat.labels)
    heat.show = True
    head.update_tag()
    head.data.update_tag()


_NOTHING = {
    props.EST: "'{head}' has no estimated activity to show; estimate it first.",
    props.EMG: "'{head}' has no measured activity to show; bake a recording first.",
    props.DIFFERENCE: "'{head}' needs both measured and estimated activity to show their difference.",
}


def hide(head: bpy.types.Object) -> None:
    """Take the heat map off a head; nothing of it stays."""
    modifier = head.modifiers.get(MODIFIER)
    group = modifier.node_group if modifier else None
    if modifier:
        _undrive(head, modifier)
        head.modifiers.remove(modifier)
    if head.data.users == 1 or not any(is_shown(o) for o in bpy.data.objects if o.data == head.data):
        for name in _ATTRIBUTES:
            if name in head.data.attributes:
                head.data.attributes.remove(head.data.attributes[name])
    if group is not None and group.users == 0:
        bpy.data.node_groups.remove(group)
    electrode_marks.remove(head)
    head.eifer.heat.show = False
    head.update_tag()


def update(head: bpy.types.Object) -> None:
    """Settings or activity changed: show what there is now; a head without a heat map stays as it is.

    Where nothing of the chosen kind is left, the whole map is unknown.
    """
    if not is_shown(head):
        if head.eifer.heat.show:  # somebody took the modifier away
            hide(head)
        return
    try:
        show(head)
    except EiferError:
        modifier = head.modifiers[MODIFIER]
        none = np.zeros(muscles.CHANNEL_COUNT, dtype=bool)
        _drive(head, modifier, none)
        surface = surface_map(session.parametric_head(head), head.eifer.heat.scheme)
        _write_weights(head.data, surface, none)
        electrode_marks.fit(
            head, surface, none, discs=head.eifer.heat.electrodes, labels=head.eifer.heat.labels
        )
        head.data.update_tag()


def shown_channels(head: bpy.types.Object, source: str = "") -> np.ndarray:
    """bool [22]: channels whose activity of a kind, by default the chosen one, the head has."""
    told = estimates.told(head)
    estimated = np.array([name in told for name in muscles.CHANNELS])
    source = source or head.eifer.heat.source
    if source == props.EST:
        return estimated
    channels = actions.assigned(head)
    curves = actions.curve_map(channels) if channels else {}
    measured = np.array([curve_id in curves for curve_id in takes.EMG_CURVES])
    return measured if source == props.EMG else measured & estimated


def limits(head: bpy.types.Object) -> tuple[float, float]:
    """Activity that has the first and the last colour."""
    heat = head.eifer.heat
    high = heat.maximum if heat.range_mode == "FIXED" else _largest(head)
    return (-high, high) if heat.source == props.DIFFERENCE else (0.0, high)


def bar(head: bpy.types.Object) -> Bar:
    """What a colour bar has to show for the head's heat map."""
    source = head.eifer.heat.source
    table = colours.difference() if source == props.DIFFERENCE else colours.heat()
    label = {
        props.EST: "Estimated activity",
        props.EMG: "Measured activity",
        props.DIFFERENCE: "Estimated − measured",
    }[source]
    return (table, *limits(head), label)


def _largest(head: bpy.types.Object) -> float:
    """Largest activity of what is keyed, of the kind that is shown."""
    channels = actions.assigned(head)
    curves = actions.curve_map(channels) if channels else {}
    ids = (estimates.VALUE_CURVES, takes.EMG_CURVES)
    sources = {props.EST: ids[:1], props.EMG: ids[1:], props.DIFFERENCE: ids}[head.eifer.heat.source]
    found = [curves[curve_id] for kind in sources for curve_id in kind if curve_id in curves]
    return max([_LEAST_RANGE, *(_highest_key(curve) for curve in found)])


def _highest_key(curve: bpy.types.FCurve) -> float:
    points = np.empty(2 * len(curve.keyframe_points), dtype=np.float32)
    curve.keyframe_points.foreach_get("co", points)
    return min(1.0, float(points[1::2].max(initial=0.0)))


# --- weights --------------------------------------------------------------------------------------


def _write_weights(mesh: bpy.types.Mesh, surface: SurfaceMap, present: np.ndarray) -> None:
    weights, known = known_weights(surface, present)
    wide = np.zeros((len(weights), 3 * len(_WEIGHTS)), dtype=np.float32)
    wide[:, : weights.shape[1]] = weights
    for k, name in enumerate(_WEIGHTS):
        part = np.ascontiguousarray(wide[:, 3 * k : 3 * k + 3])
        _attribute(mesh, name, "FLOAT_VECTOR").data.foreach_set("vector", part.ravel())
    for name, values in ((_COVER, surface.cover), (_KNOWN, known)):
        _attribute(mesh, name, "FLOAT").data.foreach_set("value", np.ascontiguousarray(values, np.float32))


def _attribute(mesh: bpy.types.Mesh, name: str, kind: str) -> bpy.types.Attribute:
    found = mesh.attributes.get(name)
    if found is not None and (found.data_type, found.domain) == (kind, "POINT"):
        return found
    if found is not None:
        mesh.attributes.remove(found)
    return mesh.attributes.new(name, kind, "POINT")


# --- the modifier ---------------------------------------------------------------------------------


def _add_modifier(head: bpy.types.Object) -> bpy.types.Modifier:
    modifier = head.modifiers.new(MODIFIER, "NODES")
    modifier.show_expanded = False
    smooth = next((i for i, m in enumerate(head.modifiers) if m.type == "SUBSURF"), None)
    if smooth is not None:  # fewer vertices to colour
        head.modifiers.move(len(head.modifiers) - 1, smooth)
    return modifier


def _identifier(modifier: bpy.types.Modifier, name: str) -> str:
    items = modifier.node_group.interface.items_tree
    return next(item.identifier for item in items if item.name == name and item.in_out == "INPUT")


def _has_rna_inputs(modifier: bpy.types.Modifier) -> bool:
    """From Blender 5.2 on, the inputs of a modifier are properties of its own."""
    return hasattr(modifier, "properties")


def _input_path(modifier: bpy.types.Modifier, name: str) -> str:
    identifier, start = _identifier(modifier, name), f'modifiers["{MODIFIER}"]'
    if _has_rna_inputs(modifier):
        return f"{start}.properties.inputs.{identifier}.value"
    return f'{start}["{identifier}"]'


def _set_input(modifier: bpy.types.Modifier, name: str, value: float) -> None:
    identifier = _identifier(modifier, name)
    if _has_rna_inputs(modifier):
        getattr(modifier.properties.inputs, identifier).value = value
    else:
        modifier[identifier] = value


def _drive(head: bpy.types.Object, modifier: bpy.types.Modifier, present: np.ndarray) -> None:
    """Let the head's properties set the inputs of the channels that are there; the others are 0."""
    _undrive(head, modifier)
    for channel, there in zip(muscles.CHANNELS, present.tolist(), strict=True):
        if not there:
            _set_input(modifier, channel, 0.0)
            continue
        driver = head.driver_add(_input_path(modifier, channel)).driver
        names = tuple(_driving_properties(head.eifer.heat.source, channel))
        for letter, name in zip("ab", names, strict=False):
            variable = driver.variables.new()
            variable.name, variable.type = letter, "SINGLE_PROP"
            variable.targets[0].id = head
            variable.targets[0].data_path = f'["{name}"]'
        driver.type = "SCRIPTED"  # expressions so simple run without Python
        driver.expression = "a - b" if len(names) == 2 else "a"


def _driving_properties(source: str, channel: str) -> Iterator[str]:
    if source != props.EMG:
        yield estimates.property_name(channel)
    if source != props.EST:
        yield takes.EMG_PREFIX + channel


def _undrive(head: bpy.types.Object, modifier: bpy.types.Modifier) -> None:
    start = f'modifiers["{modifier.name}"]'
    drivers = head.animation_data.drivers if head.animation_data else ()
    for path in [curve.data_path for curve in drivers if curve.data_path.startswith(start)]:
        head.driver_remove(path)


# --- nodes ----------------------------------------------------------------------------------------


def _group(name: str, difference: bool) -> bpy.types.NodeTree:
    """The node group of a file; made at first use, or again if somebody broke it."""
    tree = bpy.data.node_groups.get(name)
    if tree is not None and tree.library is None and _is_whole(tree):
        return tree
    if tree is not None:
        tree.name = f"{name} (old)"
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    _build(tree, colours.difference() if difference else colours.heat())
    return tree


def _is_whole(tree: bpy.types.NodeTree) -> bool:
    names = {item.name for item in tree.interface.items_tree}
    return tree.bl_idname == "GeometryNodeTree" and names >= {*muscles.CHANNELS, _LOW, _HIGH, _OPACITY}


class _Nodes:
    """Adds nodes from left to right."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree
        self.x = 0

    def add(self, kind: str, y: float = 0.0, **settings: object) -> bpy.types.Node:
        node = self.tree.nodes.new(kind)
        node.location = (self.x, y)
        self.x += 180
        for name, value in settings.items():
            setattr(node, name, value)
        return node

    def link(self, out: bpy.types.NodeSocket, into: bpy.types.NodeSocket) -> None:
        self.tree.links.new(out, into)

    def attribute(self, name: str, kind: str) -> bpy.types.NodeSocket:
        node = self.add("GeometryNodeInputNamedAttribute", -300, data_type=kind)
        node.inputs["Name"].default_value = name
        return next(out for out in node.outputs if out.enabled and out.name == "Attribute")

    def math(self, operation: str, *inputs: object) -> bpy.types.NodeSocket:
        node = self.add("ShaderNodeMath", 0, operation=operation)
        for socket, value in zip(node.inputs, inputs, strict=False):
            if isinstance(value, float):
                socket.default_value = value
            else:
                self.link(value, socket)
        return node.outputs[0]

    def mix(self, factor: bpy.types.NodeSocket, a: object, b: object) -> bpy.types.NodeSocket:
        node = self.add("ShaderNodeMix", 200, data_type="RGBA", clamp_factor=True)
        self.link(factor, node.inputs["Factor"])
        for name, value in (("A", a), ("B", b)):
            socket = next(s for s in node.inputs if s.name == name and s.type == "RGBA")
            if isinstance(value, tuple):
                socket.default_value = value
            else:
                self.link(value, socket)
        return next(out for out in node.outputs if out.type == "RGBA")

    def store(
        self, geometry: bpy.types.NodeSocket, name: str, kind: str, value: bpy.types.NodeSocket
    ) -> object:
        node = self.add("GeometryNodeStoreNamedAttribute", 400, data_type=kind, domain="POINT")
        node.inputs["Name"].default_value = name
        self.link(geometry, node.inputs["Geometry"])
        self.link(value, next(s for s in node.inputs if s.name == "Value" and s.enabled))
        return node.outputs["Geometry"]


def _build(tree: bpy.types.NodeTree, table: np.ndarray) -> None:
    tree.is_modifier = True
    face = tree.interface
    face.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    face.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    for name in (*muscles.CHANNELS, _LOW, _HIGH, _OPACITY):
        face.new_socket(name, in_out="INPUT", socket_type="NodeSocketFloat")
    nodes = _Nodes(tree)
    given = nodes.add("NodeGroupInput").outputs
    total = _weighted_sum(nodes, [given[name] for name in muscles.CHANNELS])
    width = nodes.math("MAXIMUM", nodes.math("SUBTRACT", given[_HIGH], given[_LOW]), 1e-6)
    share = nodes.math("DIVIDE", nodes.math("SUBTRACT", total, given[_LOW]), width)
    ramp = nodes.add("ShaderNodeValToRGB")
    _fill(ramp.color_ramp, table)
    nodes.link(share, ramp.inputs[0])
    grey = (*colours.linear(colours.UNKNOWN).tolist(), 1.0)
    told = nodes.mix(nodes.attribute(_KNOWN, "FLOAT"), grey, ramp.outputs["Color"])
    cover = nodes.math("MULTIPLY", nodes.attribute(_COVER, "FLOAT"), given[_OPACITY])
    colour = nodes.mix(cover, nodes.attribute(TINT, "FLOAT_COLOR"), told)
    stored = nodes.store(given["Geometry"], _VALUE, "FLOAT", total)
    stored = nodes.store(stored, TINT, "FLOAT_COLOR", colour)
    nodes.link(stored, nodes.add("NodeGroupOutput").inputs["Geometry"])


def _weighted_sum(nodes: _Nodes, values: list[bpy.types.NodeSocket]) -> bpy.types.NodeSocket:
    total = None
    for k, name in enumerate(_WEIGHTS):
        three = nodes.add("ShaderNodeCombineXYZ")
        for socket, value in zip(three.inputs, values[3 * k : 3 * k + 3], strict=False):
            nodes.link(value, socket)
        dot = nodes.add("ShaderNodeVectorMath", operation="DOT_PRODUCT")
        nodes.link(nodes.attribute(name, "FLOAT_VECTOR"), dot.inputs[0])
        nodes.link(three.outputs[0], dot.inputs[1])
        part = dot.outputs["Value"]
        total = part if total is None else nodes.math("ADD", total, part)
    return total


def _fill(ramp: bpy.types.ColorRamp, table: np.ndarray) -> None:
    places = np.linspace(0.0, 1.0, _STOPS)
    stops = colours.linear(table)[np.rint(places * (len(table) - 1)).astype(int)]
    while len(ramp.elements) < _STOPS:
        ramp.elements.new(0.5)
    for element, place, colour in zip(ramp.elements, places.tolist(), stops.tolist(), strict=True):
        element.position = place
        element.color = (*colour, 1.0)
