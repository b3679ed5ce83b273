"""Heads that are linked from another file."""

import bpy
import numpy as np
import pytest

from eifer_blender import muscles
from eifer_blender.blender import estimates, head_object, takes


@pytest.fixture
def linked(scene, head, tmp_path):
    """A fresh file that links the collection of a head; returns the collection."""
    collection = bpy.data.collections.new("Character")
    scene.collection.children.link(collection)
    for obj in (head, head_object.armature_of(head)):
        collection.objects.link(obj)
        scene.collection.objects.unlink(obj)
    library = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.collections = ["Character"]
    return bpy.data.collections["Character"]


def test_a_linked_head_says_what_to_do(linked, sample):
    bpy.context.scene.collection.children.link(linked)
    bpy.context.scene.eifer.head = next(obj for obj in linked.objects if head_object.is_head(obj))
    bpy.ops.eifer.open_recording(filepath=str(sample))
    with pytest.raises(RuntimeError, match="Library Override"):
        bpy.ops.eifer.bake_take()


@pytest.fixture
def overridden(linked):
    """The head of the linked collection as a library override, chosen in the panel."""
    scene = bpy.context.scene
    empty = bpy.data.objects.new("Instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", linked
    scene.collection.objects.link(empty)
    linked.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    head = next(obj for obj in scene.objects if head_object.is_head(obj) and obj.library is None)
    scene.eifer.head = head
    return head


def test_an_overridden_head_bakes_and_keeps_its_takes(overridden, sample, tmp_path):
    scene, head = bpy.context.scene, overridden
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take(name="Overridden")
    scene.frame_set(200)
    face = head_object.expression_of(head)
    assert np.abs(face).max() > 0.5
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    scene, head = bpy.context.scene, bpy.context.scene.eifer.head
    scene.frame_set(1)
    scene.frame_set(200)
    np.testing.assert_allclose(head_object.expression_of(head), face, atol=1e-5)
    assert [take.name for take in head.eifer.takes] == ["Overridden"] and head["emg_zygomaticus_r"] > 0.0
    assert takes.is_playing(head, head.eifer.takes[0])


def test_an_overridden_head_can_be_estimated_and_keeps_its_estimate(overridden, tmp_path):
    smile = overridden.data.shape_keys.key_blocks["mouthSmileLeft"]
    for frame, value in ((1, 0.0), (20, 1.0)):
        smile.value = value
        smile.keyframe_insert("value", frame=frame)
    bpy.ops.eifer.estimate_activity()
    assert bpy.ops.eifer.estimate_activity(pose=True) == {"FINISHED"}
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    scene, head = bpy.context.scene, bpy.context.scene.eifer.head
    scene.frame_set(20)
    values = estimates.read(head).estimate.values
    assert head["est_zygomaticus_l"] == pytest.approx(values[19, muscles.channel_index("zygomaticus_l")])
    assert head["est_zygomaticus_l"] > 0.1


def test_a_linked_head_is_not_estimated(linked):
    bpy.context.scene.collection.children.link(linked)
    bpy.context.scene.eifer.head = next(obj for obj in linked.objects if head_object.is_head(obj))
    with pytest.raises(RuntimeError, match="Library Override"):
        bpy.ops.eifer.estimate_activity()
