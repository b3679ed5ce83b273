"""What the strips over the viewport show is read from the head's curves, and read again when they change."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

import eifer_blender
from eifer_blender.blender import bake, overlay, takes
from eifer_blender.muscles import CHANNELS, channel_index


@pytest.fixture
def baked(head, make_take):
    """A take of 60 frames from frame 11 on, without the right mentalis."""
    present = tuple(name for name in CHANNELS if name != "mentalis_r")
    take = make_take(60, present=present)
    bake.bake_take(head, take, name="Take", start_frame=11, stamp={})
    return take


def estimate(scene, first, last):
    activity = scene.eifer.activity
    activity.extent, activity.frame_from, activity.frame_to = "RANGE", first, last
    bpy.ops.eifer.estimate_activity()


def test_a_head_without_activity_has_no_strips(head):
    assert overlay.strip_data(head) is None


def test_measured_activity_is_that_of_the_take(head, baked):
    data = overlay.strip_data(head)
    assert (data.start_frame, data.frames, data.fps) == (11, 60, 24.0)
    known = [k for k in range(22) if CHANNELS[k] != "mentalis_r"]
    np.testing.assert_allclose(data.measured[:, known], baked.activation.values[:, known], atol=1e-5)
    assert np.isnan(data.measured[:, channel_index("mentalis_r")]).all()
    assert data.estimated is None


def test_spans_of_both_are_put_side_by_side(head, scene, baked):
    estimate(scene, 41, 90)
    data = overlay.strip_data(head)
    assert (data.start_frame, data.frames) == (11, 80)
    zygomaticus = channel_index("zygomaticus_l")
    assert (
        np.isnan(data.estimated[:30, zygomaticus]).all()
        and np.isfinite(data.estimated[30:, zygomaticus]).all()
    )
    assert np.isnan(data.measured[60:, zygomaticus]).all()
    assert np.isfinite(data.sd[30:, zygomaticus]).all()
    assert set(data.hidden) == {"masseter_l", "masseter_r"}


def test_muted_and_doubtful_channels_are_marked(head, recording):
    for item in recording.channels:
        if item.muscle in ("zygomaticus_l",):
            item.mute = True
    bpy.ops.eifer.bake_take()
    data = overlay.strip_data(head)
    assert data.muted == ("zygomaticus_l",)
    stamp = takes.read_stamp(takes.selected(head))
    assert set(data.doubtful) == set(stamp["doubtful"])
    assert set(stamp["doubtful"]) == {
        c.muscle for c in recording.channels if c.status in ("CHECK", "BAD") and c.muscle != "NONE"
    }


def test_a_stamp_that_somebody_damaged_marks_nothing(head, baked):
    take = takes.selected(head)
    stamp = takes.read_stamp(take)
    channels = takes.channels_of(head, take)
    takes.write_stamp(channels.values(), stamp | {"muted": "all", "doubtful": [1, None, "zygomaticus_l"]})
    data = overlay.strip_data(head)
    assert data.muted == () and data.doubtful == ("zygomaticus_l",)


def test_deleted_actions_and_takes_leave_no_strips(head, scene, baked):
    for action in list(bpy.data.actions):
        bpy.data.actions.remove(action)
    assert overlay.strip_data(head) is None
    takes.remove(head, 0)
    assert overlay.strip_data(head) is None


def test_what_is_kept_is_read_again_when_keys_change(head, scene, baked):
    estimate(scene, 11, 70)
    kept = overlay._cached_data(head)
    assert overlay._cached_data(head) is kept
    estimate(scene, 20, 30)
    bpy.context.view_layer.update()
    again = overlay._cached_data(head)
    assert np.isfinite(again.estimated[:, channel_index("zygomaticus_l")]).sum() == 11
    action = head.animation_data.action
    action.update_tag()
    bpy.context.view_layer.update()
    assert overlay._cached_data(head) is not again


def test_other_takes_and_files_are_not_mixed_up(head, make_take, baked):
    first = overlay._cached_data(head)
    bake.bake_take(head, make_take(30, seed=5), name="Other", start_frame=1, stamp={})
    second = overlay._cached_data(head)
    assert (first.frames, second.frames) == (60, 30)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert not overlay._data and not overlay._drawn


def test_switching_settings_asks_for_nothing_that_is_not_there(head, scene):
    scene.eifer.activity.strips = True
    scene.eifer.activity.strips_rows = "ACTIVE"
    head.eifer.heat.bar = False
    scene.eifer.activity.strips = False


def test_the_theme_decides_between_light_and_dark():
    gradients = bpy.context.preferences.themes[0].view_3d.space.gradients
    before = tuple(gradients.high_gradient)
    try:
        gradients.high_gradient = (0.9, 0.9, 0.9)
        assert overlay.theme_of(bpy.context) is overlay.drawing.LIGHT
        gradients.high_gradient = (0.2, 0.2, 0.2)
        assert overlay.theme_of(bpy.context) is overlay.drawing.DARK
    finally:
        gradients.high_gradient = before


def test_the_strips_follow_the_preview_range(scene):
    scene.frame_start, scene.frame_end = 5, 80
    assert overlay.shown_frames(scene) == (5, 80)
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = 10, 20
    assert overlay.shown_frames(scene) == (10, 20)


def test_switching_the_extension_off_and_on_leaves_one_of_everything():
    eifer_blender.unregister()
    assert overlay._handle is None
    eifer_blender.register()
    mine = [h for h in bpy.app.handlers.depsgraph_update_post if h.__module__ == overlay.__name__]
    assert len(mine) == 1 and overlay._handle is not None


class Region:
    """As much of a region as matters."""

    def __init__(self, kind, alignment, x, y, width, height):
        self.type, self.alignment, self.x, self.y, self.width, self.height = (
            kind,
            alignment,
            x,
            y,
            width,
            height,
        )


def test_strips_keep_clear_of_toolbar_sidebar_and_headers():
    view = Region("WINDOW", "NONE", 0, 100, 1000, 600)
    others = [
        view,
        Region("HEADER", "TOP", 0, 675, 1000, 25),
        Region("TOOL_HEADER", "TOP", 0, 650, 1000, 50),
        Region("TOOLS", "LEFT", 0, 100, 60, 550),
        Region("UI", "RIGHT", 700, 100, 300, 550),
        Region("ASSET_SHELF", "BOTTOM", 0, 0, 1000, 100),  # below, not over it
    ]
    assert overlay._place(view, others) == (60, 0, 640, 550)
    quarter = Region("WINDOW", "NONE", 0, 100, 500, 300)
    assert overlay._place(quarter, others) == (60, 0, 440, 300)
