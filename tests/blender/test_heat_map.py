"""The heat map in Blender: right colours on the moving face, without a handler, and gone without a trace."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from eifer_blender import colours
from eifer_blender.blender import estimates, heat_map, takes
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.surface_map import known_weights, surface_map
from eifer_blender.muscles import CHANNELS, channel_index


@pytest.fixture
def smiling(head):
    """The head with an estimate: the left zygomaticus alone, rising over ten frames."""
    key = head.data.shape_keys.key_blocks["mouthSmileLeft"]
    for frame, value in ((1, 0.0), (10, 0.6)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 30
    bpy.ops.eifer.estimate_activity()
    return head


def attribute(head, name, width, field):
    """An attribute of the head as Blender shows it now."""
    mesh = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    found = mesh.attributes.get(name)
    if found is None:
        return None
    values = np.empty(width * len(mesh.vertices), np.float32)
    found.data.foreach_get(field, values)
    return values.reshape(-1, width)


def heat(head):
    return attribute(head, "heat", 1, "value")[:, 0]


def tint(head):
    return attribute(head, "tint", 4, "color")[:, :3]


def nearest_vertex(channel, scheme="FRIDLUND"):
    surface = surface_map(load_default_head(), scheme)
    k = surface.names.index(channel)
    return int(surface.triangles[k, surface.barycentric[k].argmax()])


def traces(head):
    """Everything that a heat map could leave behind."""
    return (
        sorted(head.data.attributes.keys()),
        [m.name for m in head.modifiers],
        sorted(d.data_path for d in head.animation_data.drivers) if head.animation_data else [],
        sorted(o.name for o in bpy.data.objects),
        sorted(m.name for m in bpy.data.meshes),
        sorted(g.name for g in bpy.data.node_groups),
        sorted(m.name for m in bpy.data.materials),
    )


def test_solid_views_show_it_unless_they_were_set_to_something_else(smiling):
    areas = [area for area in bpy.context.window.screen.areas if area.type == "VIEW_3D"]
    shading = areas[0].spaces.active.shading
    for chosen, shown in (("MATERIAL", "VERTEX"), ("OBJECT", "OBJECT")):
        shading.color_type = chosen
        bpy.ops.eifer.heat_map()
        assert shading.color_type == shown
        bpy.ops.eifer.heat_map()


def test_the_face_takes_the_colour_of_its_activity_in_every_frame(smiling, scene):
    scene.frame_set(20)
    natural = tint(smiling)
    bpy.ops.eifer.heat_map()
    assert smiling.eifer.heat.show
    surface = surface_map(load_default_head())
    for frame in (1, 8, 20):
        scene.frame_set(frame)
        activity = np.array([smiling.get(f"est_{name}", 0.0) for name in CHANNELS])
        told = np.array([f"est_{name}" in smiling for name in CHANNELS])
        np.testing.assert_allclose(heat(smiling), known_weights(surface, told)[0] @ activity, atol=1e-5)
    left, right = nearest_vertex("zygomaticus_l"), nearest_vertex("zygomaticus_r")
    assert heat(smiling)[left] > 0.3 > 5 * heat(smiling)[right]
    shown = tint(smiling)
    bare = surface.cover == 0
    np.testing.assert_array_equal(shown[bare], natural[bare])
    wanted = colours.linear(colours.colour_of(heat(smiling)[[left]], colours.heat()))
    opacity = smiling.eifer.heat.opacity
    np.testing.assert_allclose(shown[left], opacity * wanted[0] + (1 - opacity) * natural[left], atol=0.03)


def test_no_handler_and_no_script_is_needed(smiling, scene, tmp_path):
    bpy.ops.eifer.heat_map()
    scene.frame_set(20)
    before = heat(smiling)
    name = smiling.name
    path = str(tmp_path / "heat.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    import eifer_blender

    eifer_blender.unregister()
    try:
        bpy.ops.wm.open_mainfile(filepath=path, use_scripts=False)
        bpy.context.scene.frame_set(1)
        bpy.context.scene.frame_set(20)
        np.testing.assert_allclose(heat(bpy.data.objects[name]), before, atol=1e-6)
    finally:
        eifer_blender.register()


def test_hiding_leaves_nothing(smiling):
    before = traces(smiling)
    bpy.ops.eifer.heat_map()
    smiling.eifer.heat.labels = True
    assert traces(smiling) != before
    bpy.ops.eifer.heat_map()
    assert traces(smiling) == before and not smiling.eifer.heat.show
    assert heat_map.is_shown(smiling) is False


def test_a_muscle_that_is_not_told_is_grey_not_at_rest(smiling, scene):
    bpy.ops.eifer.heat_map()
    smiling.eifer.heat.opacity = 1.0
    scene.frame_set(1)
    shown = tint(smiling)
    grey = colours.linear(colours.UNKNOWN)
    surface = surface_map(load_default_head())
    here = nearest_vertex("masseter_l")
    cover = surface.cover[here]
    natural = load_default_head().tints[here]
    np.testing.assert_allclose(shown[here], cover * grey + (1 - cover) * natural, atol=0.04)
    rest = colours.linear(colours.heat()[0])
    np.testing.assert_allclose(shown[nearest_vertex("medial_frontalis_l")], rest, atol=0.03)


def test_settings_show_at_once(smiling, scene):
    bpy.ops.eifer.heat_map()
    scene.frame_set(20)
    left = nearest_vertex("zygomaticus_l")
    settings = smiling.eifer.heat
    full = tint(smiling)[left]
    settings.maximum = 0.3
    assert np.linalg.norm(tint(smiling)[left] - full) > 0.1
    settings.range_mode = "TAKE"
    assert heat_map.limits(smiling)[1] == pytest.approx(_largest(smiling), abs=1e-4)
    settings.opacity = 0.0
    bare = load_default_head().tints[left]
    np.testing.assert_allclose(tint(smiling)[left], bare, atol=1e-5)
    settings.scheme = "KURAMOTO"
    assert np.ptp(heat(smiling)) > 0.02


def _largest(head):
    return np.nanmax(estimates.read(head).estimate.values)


def test_measured_activity_and_the_difference(take_with_estimate, scene):
    head = take_with_estimate
    bpy.ops.eifer.heat_map()
    settings = head.eifer.heat
    assert settings.source == "EST"
    scene.frame_set(busiest(head))
    weights = surface_map(load_default_head())
    settings.source = "EMG"
    measured = np.array([head.get(f"emg_{name}", 0.0) for name in CHANNELS])
    every = np.ones(22, bool)
    assert measured.max() > 0.2
    np.testing.assert_allclose(heat(head), known_weights(weights, every)[0] @ measured, atol=1e-5)
    settings.source = "DIFFERENCE"
    told = np.array([f"est_{name}" in head for name in CHANNELS])
    gap = np.array([head.get(f"est_{n}", 0.0) - head[f"emg_{n}"] for n in CHANNELS]) * told
    np.testing.assert_allclose(heat(head), known_weights(weights, told)[0] @ gap, atol=1e-5)
    assert heat_map.bar(head)[1] == -heat_map.bar(head)[2]


def busiest(head):
    """The frame in which most is estimated."""
    values = estimates.read(head).estimate.values
    return 1 + int(np.nansum(values, 1).argmax())


@pytest.fixture
def take_with_estimate(head, scene):
    from eifer_blender.assets import model_file

    bpy.ops.eifer.open_recording(filepath=str(model_file("sample_recording.edf")))
    bpy.ops.eifer.bake_take()
    scene.frame_start, scene.frame_end = 1, 384
    bpy.ops.eifer.estimate_activity()
    return head


def test_the_map_follows_the_take_that_plays(take_with_estimate, scene):
    head = take_with_estimate
    bpy.ops.eifer.heat_map()
    frame = busiest(head)
    scene.frame_set(frame)
    assert heat(head).max() > 0.05
    bpy.ops.eifer.bake_take(name="Another")  # has no estimate: nothing is known of it
    scene.frame_set(frame)
    assert not heat(head).any() and heat_map.is_shown(head)
    bpy.ops.eifer.activate_take(index=0)
    scene.frame_set(frame)
    assert heat(head).max() > 0.05
    takes.remove(head, 0)
    scene.frame_set(frame)
    assert not heat(head).any()


def test_without_activity_there_is_a_sentence(head):
    with pytest.raises(RuntimeError, match="no estimated activity to show"):
        bpy.ops.eifer.heat_map()
    head.eifer.heat.source = "DIFFERENCE"
    with pytest.raises(RuntimeError, match="both measured and estimated"):
        bpy.ops.eifer.heat_map()
    assert not heat_map.is_shown(head)


def test_electrodes_ride_on_the_moving_face(smiling, scene):
    bpy.ops.eifer.heat_map()
    (marks,) = [child for child in smiling.children if "eifer_electrodes" in child]
    assert marks.data is not None
    surface = surface_map(load_default_head())
    centre = _centres(marks)
    for frame in (1, 20):
        scene.frame_set(frame)
        skin = _positions(smiling)
        wanted = (surface.barycentric[..., None] * skin[surface.triangles]).sum(1)
        found = _positions(marks)[centre]
        np.testing.assert_allclose(np.linalg.norm(found - wanted, axis=1), 0.62e-3, atol=2e-5)
    smiling.eifer.heat.electrodes = False
    assert not [child for child in smiling.children if "eifer_electrodes" in child]


def _positions(obj):
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    values = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", values)
    return values.reshape(-1, 3)


def _centres(marks):
    """The middle vertex of each disc: where the offset is along the normal alone."""
    offsets = np.empty(3 * len(marks.data.vertices), np.float32)
    marks.data.attributes["offset"].data.foreach_get("vector", offsets)
    offsets = offsets.reshape(-1, 3)
    return np.flatnonzero((np.abs(offsets[:, :2]) < 1e-9).all(1))


def test_a_duplicate_shows_its_own_activity(smiling, scene):
    bpy.ops.eifer.heat_map()
    for obj in scene.objects:
        obj.select_set(obj in (smiling, smiling.parent))
    bpy.context.view_layer.objects.active = smiling
    bpy.ops.object.duplicate()
    copy = next(o for o in scene.objects if o.type == "MESH" and o != smiling and "eifer_head_hash" in o)
    copy.animation_data.action = None
    for name in CHANNELS:
        if f"est_{name}" in copy:
            copy[f"est_{name}"] = 0.0
    copy["est_mentalis_l"] = 0.8
    copy.update_tag()
    scene.frame_set(20)
    assert heat(copy)[nearest_vertex("mentalis_l")] > 0.5
    assert heat(smiling)[nearest_vertex("zygomaticus_l")] > 0.3
    heat_map.hide(copy)
    assert heat(smiling)[nearest_vertex("zygomaticus_l")] > 0.3


def test_undo_takes_the_map_off(smiling, scene):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.eifer.heat_map()
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    head = bpy.context.scene.eifer.head
    assert not heat_map.is_shown(head) and not head.eifer.heat.show
    bpy.ops.eifer.heat_map()
    assert heat_map.is_shown(head)


def test_the_modifier_may_be_removed_by_hand(smiling):
    bpy.ops.eifer.heat_map()
    smiling.modifiers.remove(smiling.modifiers["EIFER Heat Map"])
    smiling.eifer.heat.opacity = 0.5  # the next change of a setting notices it
    assert not smiling.eifer.heat.show
    assert "heat_cover" not in smiling.data.attributes


def test_every_channel_has_its_own_place():
    assert len({nearest_vertex(name) for name in CHANNELS}) == len(CHANNELS)
    assert channel_index("zygomaticus_l") == CHANNELS.index("zygomaticus_l")
