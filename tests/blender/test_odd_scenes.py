"""Scenes at any rate, step and range: the take is right in them, or a sentence says what is not."""

import bpy
import numpy as np
import pytest

from eifer_blender.blender import actions, head_object, takes, timeline
from eifer_blender.recordings import Annotation, Channel, Kind, Recording, Stream, open_recording, write_edf
from eifer_blender.signals import MAX_FRAMES

RISE_S = 3.0


@pytest.fixture
def step_file(tmp_path):
    """An activation that jumps from 0 to 1 at 3 s of 6, at 1000 Hz, with a mark at the jump."""
    samples = np.zeros((6000, 1), dtype=np.float32)
    samples[round(RISE_S * 1000) :] = 1.0
    stream = Stream((Channel("Zyg left activation", "", Kind.ACTIVATION, "zygomaticus_l"),), samples, 1000.0)
    return write_edf(tmp_path / "step.edf", Recording((stream,), (Annotation(RISE_S, 0.0, "jump"),)))


@pytest.fixture
def step(scene, head, step_file):
    """That recording, open, without delay and dynamics."""
    bpy.ops.eifer.open_recording(filepath=str(step_file))
    scene.eifer.recording.channels[0].muscle = "zygomaticus_l"
    scene.eifer.recording.channels[0].kind = "ACTIVATION"
    scene.eifer.recording.chain.dynamics = False
    return scene.eifer.recording


def zygomaticus(head):
    curves = actions.curve_map(actions.assigned(head))
    return next(curve for path, curve in curves.items() if "zygomaticus_l" in path[0])


def rise_frame(head):
    """Frame, to a fraction, at which the activity passes one half."""
    curve = zygomaticus(head)
    frames = np.arange(curve.range()[0], curve.range()[1], 0.05)
    values = np.array([curve.evaluate(frame) for frame in frames])
    return frames[np.argmax(values > 0.5)]


@pytest.mark.parametrize(
    ("fps", "base"),
    [(24, 1.0), (25, 1.0), (24, 1.001), (30, 1.001), (60, 1.0), (120, 1.0), (240, 1.0), (12, 1.0)],
)
def test_what_happens_at_three_seconds_happens_there_at_any_frame_rate(scene, head, step, fps, base):
    scene.render.fps, scene.render.fps_base = fps, base
    bpy.ops.eifer.bake_take()
    expected = 1 + RISE_S * fps / base
    assert abs(rise_frame(head) - expected) <= 0.55
    (marker,) = scene.timeline_markers
    assert marker.frame == int(np.floor(expected + 0.5))
    # All of it: the last frame is the last that the recording has a sample for.
    assert takes.read_stamp(takes.selected(head))["frames"] == int(5.999 * fps / base) + 1


def test_every_frame_gets_a_key_whatever_the_frame_step(scene, head, step):
    scene.frame_step = 5
    bpy.ops.eifer.bake_take()
    keys = zygomaticus(head).keyframe_points
    assert [key.co[0] for key in keys] == list(range(1, len(keys) + 1))


def test_between_frames_the_take_moves_on_a_straight_line(scene, head, recording):
    bpy.ops.eifer.bake_take()
    scene.frame_set(150)
    before = head_object.expression_of(head)
    scene.frame_set(151)
    after = head_object.expression_of(head)
    scene.frame_set(150, subframe=0.5)
    np.testing.assert_allclose(
        head_object.expression_of(head)[:52], (before[:52] + after[:52]) / 2, atol=1e-5
    )


def test_a_longer_take_extends_the_scene_and_a_shorter_one_does_not_cut_it(scene, head, step):
    scene.frame_end = 20
    bpy.ops.eifer.bake_take()
    assert scene.frame_end == 144
    scene.frame_end = 500
    bpy.ops.eifer.bake_take()
    assert scene.frame_end == 500


def test_a_scene_that_must_not_grow_is_left_alone_and_that_is_said(scene, head, step):
    scene.frame_end, scene.eifer.animation.extend_scene = 20, False
    bpy.ops.eifer.bake_take()
    assert scene.frame_end == 20
    assert timeline.notes(scene, 1, 144) == ["The take ends at frame 144, after the scene's last frame 20."]


def test_the_preview_range_stays_and_what_it_hides_is_said(scene, head, step):
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 10, 50
    bpy.ops.eifer.bake_take()
    assert (scene.frame_preview_start, scene.frame_preview_end) == (10, 50)
    assert timeline.notes(scene, 1, 144) == [
        "The take begins at frame 1, before the preview range's first frame 10.",
        "The take ends at frame 144, after the preview range's last frame 50.",
    ]


def test_a_take_at_negative_frames_is_right_and_the_preference_is_named(scene, head, step):
    scene.eifer.animation.start_frame = -100
    bpy.ops.eifer.bake_take()
    assert abs(rise_frame(head) - (-100 + 72)) <= 0.55
    assert [marker.frame for marker in scene.timeline_markers] == [-28]
    (sentence,) = timeline.notes(scene, -100, 43)
    assert "frame -100" in sentence and "Allow Negative Frames" in sentence and "preview range" in sentence
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, -100, 43
    assert timeline.notes(scene, -100, 43) == []


def test_time_remapping_is_said_in_figures(scene, head, step):
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 200
    bpy.ops.eifer.bake_take()
    assert abs(rise_frame(head) - 73) <= 0.55
    (sentence,) = timeline.notes(scene, 1, 144)
    assert "2 times as long" in sentence


def test_a_negative_offset_waits_at_rest(scene, head, step):
    scene.eifer.animation.offset = -2.0
    bpy.ops.eifer.bake_take()
    assert abs(rise_frame(head) - (1 + (RISE_S + 2.0) * 24)) <= 0.55
    scene.frame_set(20)
    np.testing.assert_allclose(head_object.expression_of(head), 0.0, atol=1e-4)
    (marker,) = scene.timeline_markers
    assert marker.frame == 1 + 120


def test_an_offset_beyond_the_end_is_said(scene, head, step):
    scene.eifer.animation.offset = 100.0
    with pytest.raises(RuntimeError, match="ends at"):
        bpy.ops.eifer.bake_take()
    assert not bpy.data.actions


def test_more_frames_than_a_scene_can_hold_are_refused_at_once(scene, head, tmp_path):
    samples = np.tile(np.float32([[0.0], [1.0]]), (2500, 1))
    stream = Stream((Channel("Zyg left", "", Kind.ACTIVATION, "zygomaticus_l"),), samples, 1.0)
    path = write_edf(tmp_path / "hours.edf", Recording((stream,)))
    scene.render.fps = 240
    bpy.ops.eifer.open_recording(filepath=str(path))
    scene.eifer.recording.channels[0].muscle = "zygomaticus_l"
    scene.eifer.recording.channels[0].kind = "ACTIVATION"
    assert MAX_FRAMES < 5000 * 240
    with pytest.raises(RuntimeError, match="frames"):
        bpy.ops.eifer.bake_take()
    assert not bpy.data.actions


def test_a_take_that_would_end_beyond_blenders_last_frame_is_refused(scene, head, step):
    scene.eifer.animation.start_frame = 1_000_000
    scene.render.fps = 240
    bpy.ops.eifer.bake_take()  # 1 440 frames: just inside
    scene.eifer.animation.offset = -300.0
    with pytest.raises(RuntimeError, match="start it earlier"):
        bpy.ops.eifer.bake_take()


def test_two_scenes_with_different_rates_keep_their_own_takes(scene, head, sample):
    bpy.ops.eifer.open_recording(filepath=str(sample))
    bpy.ops.eifer.bake_take()
    assert takes.read_stamp(takes.selected(head))["fps"] == 24
    scene.render.fps = 50
    bpy.ops.eifer.bake_take()
    stamp = takes.read_stamp(takes.selected(head))
    assert stamp["fps"] == 50 and stamp["frames"] == len(open_recording(sample).streams[0].samples) // 20
