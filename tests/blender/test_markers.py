"""The marks of a recording on the timeline: theirs come and go, the animator's stay."""

import json

import bpy
import pytest

from eifer_blender.blender import takes
from eifer_blender.recordings import Annotation, Recording, open_recording, write_edf


def shown(scene):
    return sorted((marker.frame, marker.name) for marker in scene.timeline_markers)


@pytest.fixture
def marked_file(sample, tmp_path):
    """The sample recording with three marks, one of them a segment."""
    plain = open_recording(sample)
    marks = (Annotation(1.0, 0.0, "smile"), Annotation(4.02, 2.0, "frown"), Annotation(8.0, 0.0, "smile"))
    return write_edf(tmp_path / "marked.edf", Recording(plain.streams, marks))


@pytest.fixture
def marked(scene, marked_file):
    """That recording, open in the panel."""
    bpy.ops.eifer.open_recording(filepath=str(marked_file))
    return scene.eifer.recording


def test_baking_marks_the_timeline_at_the_nearest_frames(scene, head, marked):
    scene.eifer.animation.start_frame = 11
    bpy.ops.eifer.bake_take()
    assert shown(scene) == [(11 + 24, "smile"), (11 + 96, "frown"), (11 + 192, "smile")]


def test_the_offset_moves_markers_and_leaves_out_what_is_not_in_the_take(scene, head, marked):
    scene.eifer.animation.offset = 2.0
    bpy.ops.eifer.bake_take()
    assert shown(scene) == [(1 + 48, "frown"), (1 + 144, "smile")]


def test_baking_without_markers_adds_none_and_the_button_adds_them_later(scene, head, marked):
    scene.eifer.animation.add_markers = False
    bpy.ops.eifer.bake_take()
    assert shown(scene) == []
    bpy.ops.eifer.add_markers()
    assert len(shown(scene)) == 3


def test_marked_segments_get_an_end_on_request(scene, head, marked):
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.add_markers(ends=True)
    assert (1 + 144, "frown end") in shown(scene) and len(shown(scene)) == 4
    bpy.ops.eifer.add_markers()
    assert len(shown(scene)) == 3


def test_repeating_adds_nothing_and_the_animators_markers_stay(scene, head, marked):
    scene.timeline_markers.new("mine", frame=25)
    scene.timeline_markers.new("smile", frame=25)  # the same as a mark of the recording
    scene.timeline_markers.new("smile", frame=26)
    mine = shown(scene)
    for _ in range(2):
        bpy.ops.eifer.bake_take()
        bpy.ops.eifer.add_markers()
        assert len(shown(scene)) == len(mine) + 2
    bpy.ops.eifer.remove_markers()
    assert shown(scene) == mine


def test_a_marker_that_the_animator_moved_or_renamed_is_theirs(scene, head, marked):
    bpy.ops.eifer.bake_take()
    first, second, _ = sorted(scene.timeline_markers, key=lambda marker: marker.frame)
    first.frame, second.name = 30, "anger"
    bpy.ops.eifer.remove_markers()
    assert shown(scene) == [(30, "smile"), (97, "anger")]


def test_markers_follow_the_take_that_plays(scene, head, marked):
    bpy.ops.eifer.bake_take()
    scene.eifer.animation.start_frame = 101
    bpy.ops.eifer.bake_take()
    assert shown(scene)[0] == (125, "smile") and len(shown(scene)) == 3
    bpy.ops.eifer.activate_take(index=0)
    assert shown(scene)[0] == (25, "smile") and len(shown(scene)) == 3
    bpy.ops.eifer.remove_take()
    assert shown(scene) == []
    bpy.ops.eifer.activate_take(index=0)
    assert shown(scene) == []  # they were removed, not to come back unasked
    bpy.ops.eifer.add_markers()
    assert shown(scene)[0] == (125, "smile")


def test_markers_need_neither_the_recording_nor_its_file(scene, head, marked, marked_file, tmp_path):
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.close_recording()
    marked_file.unlink()
    bpy.ops.eifer.remap_take()
    bpy.ops.eifer.remove_markers()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.eifer.add_markers()
    assert len(shown(bpy.context.scene)) == 3
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "b.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "b.blend"))
    bpy.ops.eifer.add_markers()
    assert len(shown(bpy.context.scene)) == 3
    bpy.ops.eifer.remove_markers()
    assert shown(bpy.context.scene) == []


def test_a_copied_take_brings_its_marks(scene, head, marked):
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.remove_markers()
    bpy.ops.eifer.add_head()
    other = scene.eifer.head
    scene.eifer.head = head
    bpy.ops.eifer.copy_take(target=other.name)
    scene.eifer.head = other
    bpy.ops.eifer.add_markers()
    assert len(shown(scene)) == 3


def test_long_names_are_shortened_as_blender_does_and_removed_again(scene, head, sample, tmp_path):
    text = "Lächeln " * 20
    plain = open_recording(sample)
    path = write_edf(tmp_path / "long.edf", Recording(plain.streams, (Annotation(1.0, 0.0, text),)))
    bpy.ops.eifer.open_recording(filepath=str(path))
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.add_markers()
    assert len(shown(scene)) == 1 and text.startswith(shown(scene)[0][1])
    bpy.ops.eifer.remove_markers()
    assert shown(scene) == []


def test_poses_are_marked_with_their_labels(scene, head, tmp_path):
    table = tmp_path / "poses.csv"
    table.write_text("label,Zyg_li,Zyg_re,Cor_li,Cor_re\nhappy,90,80,2,3\nangry,3,2,70,60\n")
    bpy.ops.eifer.open_recording(filepath=str(table))
    bpy.ops.eifer.bake_take()
    assert [name for _, name in shown(scene)] == ["happy", "angry"]


def test_damaged_marks_are_passed_over(scene, head, marked):
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.remove_markers()
    far = json.dumps([[-5, "x", None], [10**9, "x", None]])
    for text in ("[[1", '[["a", 1]]', "[[1e999, null, null]]", far):
        for action in bpy.data.actions:
            if takes.MARKS in action:
                action[takes.MARKS] = text
        with pytest.raises(RuntimeError, match="has no marks"):
            bpy.ops.eifer.add_markers()


def test_a_take_without_marks_says_so(scene, head, sample, tmp_path):
    stream = open_recording(sample).streams
    path = write_edf(tmp_path / "plain.edf", Recording(stream))
    bpy.ops.eifer.open_recording(filepath=str(path))
    bpy.ops.eifer.bake_take()
    with pytest.raises(RuntimeError, match="has no marks"):
        bpy.ops.eifer.add_markers()


def test_adding_markers_can_be_undone(scene, head, marked):
    scene.eifer.animation.add_markers = False
    bpy.ops.eifer.bake_take()
    scene.timeline_markers.new("mine", frame=5)
    bpy.ops.ed.undo_push(message="baked")
    bpy.ops.eifer.add_markers()
    bpy.ops.ed.undo_push(message="markers")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert shown(scene) == [(5, "mine")] and not scene.eifer.markers and not scene.eifer.markers_take
    bpy.ops.ed.redo()
    assert len(shown(bpy.context.scene)) == 4 and len(bpy.context.scene.eifer.markers) == 3
