"""Strips, contact sheet and video of the main-job command, without Blender."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from eifer_blender import pipeline, recordings, signals
from eifer_blender.cli import demo, strips, video
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS
from eifer_blender.recordings.types import Annotation

FPS = 24.0
NOTES = (
    Annotation(0.0, 1.0, "Face-At-Rest"),
    Annotation(1.0, 2.0, "Smile-Open"),
    Annotation(3.0, 1.0, "sad"),
)


@pytest.fixture
def activation():
    values = np.zeros((96, CHANNEL_COUNT), np.float32)
    values[30:60, CHANNELS.index("zygomaticus_l")] = 1.0
    values[80, CHANNELS.index("mentalis_r")] = 0.7
    return values


def prepared(activation, present=None, size=(320, 360)):
    present = np.ones(CHANNEL_COUNT, bool) if present is None else present
    return strips.prepare_strips(activation, present, FPS, size, NOTES)


def colour_share(picture, colour):
    pixels = np.asarray(picture).astype(int)
    return (np.abs(pixels - np.array(colour)).sum(2) < 120).mean()


def test_strips_have_the_size_asked_for_and_move_with_the_frame(activation):
    ready = prepared(activation)
    first, later = (np.asarray(strips.draw_strips(ready, f)).astype(int) for f in (10, 70))
    assert first.shape == (360, 320, 3)
    changed = np.abs(first - later).sum(2).max(0) > 60
    left, _, right, _ = ready.plot
    at = [round(left + (right - left) * f / 96) for f in (10, 70)]
    assert changed[at[0] - 2 : at[0] + 3].any() and changed[at[1] - 2 : at[1] + 3].any()


def test_each_side_has_its_colour(activation):
    one = prepared(np.roll(activation, 0, 1))
    other = prepared(np.roll(activation, 1, 1))  # left channels become right ones
    shares = [
        [colour_share(strips.draw_strips(s, 95), c) for c in (strips.LEFT, strips.RIGHT)]
        for s in (one, other)
    ]
    assert shares[0][0] > shares[1][0] and shares[1][1] > shares[0][1]


def test_a_channel_that_was_not_recorded_is_not_drawn(activation):
    present = np.ones(CHANNEL_COUNT, bool)
    present[CHANNELS.index("zygomaticus_l")] = False
    full, without = (
        colour_share(strips.draw_strips(prepared(activation, p), 95), strips.LEFT) for p in (None, present)
    )
    assert without < full


def test_frames_beyond_the_take_and_missing_numbers_are_drawn(activation):
    activation[5, 3] = np.nan
    ready = prepared(activation)
    for frame in (-5, 0.5, 95, 400):
        assert strips.draw_strips(ready, frame).size == (320, 360)


@pytest.mark.parametrize(
    "seconds, text", [(0.5, "Face-At-Rest"), (1.0, "Smile-Open"), (3.5, "sad"), (9.0, "")]
)
def test_the_movement_at_a_time_is_named(seconds, text):
    assert strips.movement_at(NOTES, seconds) == text


def test_key_moments_are_the_height_of_each_movement(activation):
    moments = demo.key_moments(activation, NOTES, FPS)
    named = {text: frame for frame, text in moments.items()}
    assert 30 <= named["Smile-Open"] < 60 and named["sad"] == 80 and named["Face-At-Rest"] < 24


def test_key_moments_without_annotations_spread_over_the_take(activation):
    moments = demo.key_moments(activation, (), FPS)
    assert len(moments) == 12 and 80 in moments
    assert len(demo.key_moments(activation[:3], (), FPS)) == 3


def test_a_contact_sheet_holds_every_picture():
    colours = [(200, 40 * i, 30) for i in range(5)]
    sheet = video.contact_sheet(
        [Image.new("RGB", (80, 90), c) for c in colours], [("a", "b")] * 5, 3, "title"
    )
    pixels = np.asarray(sheet).reshape(-1, 3)
    for colour in colours:
        assert (pixels == colour).all(1).sum() == 80 * 90


def test_the_video_plays_as_long_as_it_has_frames(tmp_path, activation):
    av = pytest.importorskip("av")
    ready = prepared(activation)
    face = Image.new("RGB", (240, 270), (90, 80, 70))
    path = tmp_path / "take.mp4"
    video.write_video((video.compose(face, ready, f) for f in range(12)), path, FPS)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", 24)
        assert len(list(container.decode(stream))) == 12
        assert stream.height == 360 and stream.width == 640
    assert [p.name for p in tmp_path.iterdir()] == ["take.mp4"]


def test_a_video_that_fails_leaves_no_file(tmp_path):
    pytest.importorskip("av")

    def pictures():
        yield Image.new("RGB", (64, 64))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        video.write_video(pictures(), tmp_path / "take.mp4", FPS)
    assert not list(tmp_path.iterdir())


def test_the_poses_of_a_table_are_the_moments_of_its_sheet():
    recording = recordings.open_recording(Path(__file__).parent / "data" / "fridlund_emotions.csv")
    settings = pipeline.TakeSettings(chain=signals.PRESETS["Animation"], fps=24.0)
    activation = pipeline.process_recording(recording, settings)
    take = pipeline.TakeData(activation, np.zeros((len(activation.values), 55)), 24.0)
    moments = demo.key_moments(activation.values, demo.pose_annotations(take), 24.0)
    assert list(moments.values()) == ["angry", "suprised", "sad", "fearful", "happy", "distugusted"]
