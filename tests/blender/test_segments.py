"""Choosing what to animate: a range, marked stretches one after another; rest and maximum from marks."""

from itertools import pairwise

import bpy
import numpy as np
import pytest

from eifer_blender.blender import takes
from eifer_blender.recordings import Annotation, Recording, open_recording, write_edf

FPS = 24


@pytest.fixture
def marked(scene, sample, tmp_path):
    """The sample recording with five marks, open in the panel."""
    marks = (
        Annotation(1.0, 0.0, "smile"),
        Annotation(4.0, 2.0, "frown"),
        Annotation(8.0, 0.0, "smile"),
        Annotation(9.5, 0.0, "rest"),
        Annotation(15.0, 0.0, "end"),
    )
    path = write_edf(tmp_path / "marked.edf", Recording(open_recording(sample).streams, marks))
    bpy.ops.eifer.open_recording(filepath=str(path))
    return scene.eifer.recording


@pytest.fixture
def whole(scene, head, marked):
    """Activity of the whole recording, [frames, 22]."""
    bpy.ops.eifer.bake_take(name="whole")
    return takes.read_activity(head, head.eifer.takes[0])[0]


def baked_activity(head):
    bpy.ops.eifer.bake_take()
    return takes.read_activity(head, takes.selected(head))[0]


def same(stretch, whole, second):
    """Whether a stretch plays what the recording holds from a second on.

    A take that begins there knows nothing of the movement before, which fades within 0.75 s.
    """
    begin, settled = round(second * FPS), 18
    part = whole[begin : begin + len(stretch)]
    np.testing.assert_allclose(stretch[settled:], part[settled:], atol=5e-3)


def check(recording, *numbers):
    for number, mark in enumerate(recording.marks):
        mark.use = number in numbers


def test_the_list_shows_what_the_file_says(marked):
    assert [(m.name, round(m.onset, 3), m.duration) for m in marked.marks] == [
        ("smile", 1.0, 0.0),
        ("frown", 4.0, 2.0),
        ("smile", 8.0, 0.0),
        ("rest", 9.5, 0.0),
        ("end", 15.0, 0.0),
    ]
    assert marked.marks_total == 5 and not any(mark.use for mark in marked.marks)


def test_a_range_is_a_take_of_its_own_length(scene, head, marked, whole):
    animation = scene.eifer.animation
    animation.extent, animation.range_from, animation.range_to = "RANGE", 3.0, 7.0
    activity = baked_activity(head)
    assert len(activity) == 4 * FPS
    same(activity, whole, 3.0)


def test_checked_marks_play_one_after_another_with_rest_between(scene, head, marked, whole):
    animation = scene.eifer.animation
    check(marked, 0, 1, 2)
    animation.extent, animation.pause_s = "MARKED", 1.0
    activity = baked_activity(head)
    first, second, third = 3 * FPS, 2 * FPS, round(1.5 * FPS)
    assert len(activity) == first + FPS + second + FPS + third
    same(activity[:first], whole, 1.0)
    same(activity[first + FPS : first + FPS + second], whole, 4.0)
    same(activity[first + 2 * FPS + second :], whole, 8.0)
    # the movement that a part set off fades, then there is rest
    assert np.abs(activity[first + FPS - 2 : first + FPS]).max() < 0.02
    markers = sorted((m.frame, m.name) for m in scene.timeline_markers)
    assert markers == [(1, "smile"), (1 + first + FPS, "frown"), (1 + first + second + 2 * FPS, "smile")]


def test_margins_reach_out_and_moments_may_last_a_fixed_time(scene, head, marked, whole):
    animation = scene.eifer.animation
    check(marked, 2)
    animation.extent, animation.before_s, animation.after_s = "MARKED", 0.5, 0.25
    animation.moment_length, animation.moment_s = "FIXED", 2.0
    activity = baked_activity(head)
    assert len(activity) == round(2.75 * FPS)
    same(activity, whole, 7.5)
    assert [(m.frame, m.name) for m in scene.timeline_markers] == [(1 + 12, "smile"), (1 + 48, "rest")]


def test_a_take_of_parts_is_made_again_from_its_stamp(scene, head, marked, whole):
    animation = scene.eifer.animation
    check(marked, 1, 2)
    animation.extent, animation.pause_s, animation.before_s = "MARKED", 0.5, 0.2
    first = baked_activity(head)
    stamp = takes.read_stamp(takes.selected(head))
    assert [part["label"] for part in stamp["settings"]["parts"]] == ["frown", "smile"]
    animation.extent, animation.before_s, animation.pause_s = "WHOLE", 0.0, 1.0
    bpy.ops.eifer.check_marks(which="NONE")
    bpy.ops.eifer.reload_take()
    again = takes.read_activity(head, takes.selected(head))[0]
    np.testing.assert_allclose(again, first, atol=1e-6)


def test_the_preview_shows_the_parts(scene, head, marked, whole):
    from eifer_blender.blender import head_object

    check(marked, 1)
    scene.eifer.animation.extent = "MARKED"
    bpy.ops.eifer.preview()
    scene.frame_set(1 + 30)
    shown = head_object.expression_of(head)
    bpy.ops.eifer.preview()
    bpy.ops.eifer.bake_take()
    scene.frame_set(1 + 30)
    np.testing.assert_allclose(shown, head_object.expression_of(head), atol=1e-4)
    bpy.ops.eifer.activate_take(index=0)
    scene.frame_set(1 + 30)
    assert np.abs(shown - head_object.expression_of(head)).max() > 0.01


def test_a_running_preview_follows_the_boxes(scene, head, marked):
    from eifer_blender.blender import head_object

    check(marked, 0)
    scene.eifer.animation.extent = "MARKED"
    bpy.ops.eifer.preview()
    scene.frame_set(30)
    before = head_object.expression_of(head)
    check(marked, 1)
    scene.frame_set(30)
    assert np.abs(before - head_object.expression_of(head)).max() > 0.01


def test_boxes_are_checked_by_text_all_none_and_inverted(scene, marked):
    def checked():
        return [number for number, mark in enumerate(marked.marks) if mark.use]

    marked.active_mark = 2
    bpy.ops.eifer.check_marks(which="SAME")
    assert checked() == [0, 2] and scene.eifer.animation.extent == "MARKED"
    bpy.ops.eifer.check_marks(which="INVERT")
    assert checked() == [1, 3, 4]
    bpy.ops.eifer.check_marks(which="ALL")
    assert checked() == [0, 1, 2, 3, 4]
    bpy.ops.eifer.check_marks(which="NONE")
    assert checked() == []


def test_the_range_can_be_taken_from_a_mark(scene, marked):
    marked.active_mark = 1
    bpy.ops.eifer.range_from_mark()
    animation = scene.eifer.animation
    assert (animation.extent, animation.range_from, animation.range_to) == ("RANGE", 4.0, 6.0)
    marked.active_mark = 3
    bpy.ops.eifer.range_from_mark()
    assert (animation.range_from, animation.range_to) == (9.5, 15.0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"extent": "MARKED"}, "No mark is checked"),
        ({"extent": "RANGE", "range_from": 5.0, "range_to": 4.0}, "ends before it begins"),
        ({"extent": "RANGE", "range_from": 500.0, "range_to": 504.0}, "outside of the recording"),
        ({"extent": "RANGE", "range_from": -9.0, "range_to": -4.0}, "outside of the recording"),
    ],
)
def test_nothing_to_animate_is_said(scene, head, marked, settings, sentence):
    for name, value in settings.items():
        setattr(scene.eifer.animation, name, value)
    for operator in (bpy.ops.eifer.bake_take, bpy.ops.eifer.preview):
        with pytest.raises(RuntimeError, match=sentence):
            operator()
    assert not bpy.data.actions and not scene.timeline_markers


def test_a_mark_without_length_is_named(scene, head, marked):
    check(marked, 1)
    scene.eifer.animation.extent, scene.eifer.animation.before_s = "MARKED", -3.0
    with pytest.raises(RuntimeError, match=r"The mark 'frown' at 4\.00 s has no length"):
        bpy.ops.eifer.bake_take()


def test_a_range_of_an_earlier_recording_gives_way(scene, marked, tmp_path):
    animation = scene.eifer.animation
    assert (animation.range_from, animation.range_to) == (0.0, 16.0)
    animation.range_from, animation.range_to = 2.0, 5.0
    bpy.ops.eifer.open_recording(filepath=marked.filepath)
    assert (animation.range_from, animation.range_to) == (2.0, 5.0)
    animation.range_from, animation.range_to = 20.0, 50.0
    bpy.ops.eifer.open_recording(filepath=marked.filepath)
    assert (animation.range_from, animation.range_to) == (0.0, 16.0)


def test_rest_is_measured_where_the_marks_say(scene, head, marked, whole):
    chain = marked.chain
    chain.rest_marks = "frown"
    assert chain.rest_found == "1 segment, 2.0 s"
    changed = baked_activity(head)
    stamp = takes.read_stamp(takes.selected(head))
    assert stamp["settings"]["chain"]["rest_segments"] == [[4.0, 6.0]]
    assert np.abs(changed[96:144]).mean() < np.abs(whole[96:144]).mean()
    chain.rest_marks = ""
    assert chain.rest_found == ""
    np.testing.assert_allclose(baked_activity(head), whole, atol=1e-6)


def test_the_maximum_is_measured_where_the_marks_say(scene, head, marked, whole):
    marked.chain.maximum_marks = "smile"
    assert marked.chain.maximum_found == "2 segments, 4.5 s"
    baked_activity(head)
    stamp = takes.read_stamp(takes.selected(head))
    assert stamp["settings"]["chain"]["maximum_segments"] == [[1.0, 4.0], [8.0, 9.5]]


def test_a_text_that_is_gone_is_said_and_opening_goes_on(scene, head, marked, sample, tmp_path):
    marked.chain.rest_marks = "frown"
    other = write_edf(tmp_path / "other.edf", Recording(open_recording(sample).streams))
    bpy.ops.eifer.open_recording(filepath=str(other))
    assert "No mark of the recording says 'frown'" in marked.notes
    assert marked.chain.rest_found == "No mark says 'frown'"
    with pytest.raises(RuntimeError, match="No mark of the recording says 'frown'"):
        bpy.ops.eifer.bake_take()
    marked.chain.rest_marks = ""
    bpy.ops.eifer.bake_take()


def test_thousands_of_marks_are_listed_up_to_a_limit(scene, sample, tmp_path):
    from eifer_blender.blender.segments import MAX_ROWS

    marks = tuple(Annotation(i * 0.002, 0.0, "t") for i in range(MAX_ROWS + 10))
    path = write_edf(tmp_path / "many.edf", Recording(open_recording(sample).streams, marks))
    bpy.ops.eifer.open_recording(filepath=str(path))
    stored = scene.eifer.recording
    assert (len(stored.marks), stored.marks_total) == (MAX_ROWS, MAX_ROWS + 10)
    assert all(a.onset <= b.onset for a, b in pairwise(stored.marks))


def test_boxes_and_settings_survive_saving(scene, marked, tmp_path):
    check(marked, 2)
    scene.eifer.animation.extent, scene.eifer.animation.before_s = "MARKED", 0.5
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    eifer = bpy.context.scene.eifer
    assert [mark.use for mark in eifer.recording.marks] == [False, False, True, False, False]
    assert (eifer.animation.extent, eifer.animation.before_s) == ("MARKED", 0.5)


def test_a_table_of_poses_is_animated_as_a_whole(scene, head, tmp_path):
    table = tmp_path / "poses.csv"
    table.write_text("label,Zyg_li,Zyg_re,Cor_li,Cor_re\nhappy,90,80,2,3\nangry,3,2,70,60\n")
    bpy.ops.eifer.open_recording(filepath=str(table))
    scene.eifer.animation.extent = "MARKED"
    bpy.ops.eifer.bake_take()
    assert takes.read_stamp(takes.selected(head))["settings"]["parts"] == []
