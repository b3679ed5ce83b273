"""Marks of a recording: how long they last, and where they are in a take."""

from dataclasses import replace

import numpy as np
import pytest

from eifer_blender.errors import EiferError
from eifer_blender.pipeline import TakeMark, take_marks
from eifer_blender.recordings import Annotation, Channel, Kind, Recording, Stream, marks
from eifer_blender.signals import Activation


def recording(*annotations, seconds=10.0, start=0.0):
    samples = np.zeros((int(seconds * 100), 1), dtype=np.float32)
    stream = Stream((Channel("Zyg", "uV", Kind.RAW, "zygomaticus_l"),), samples, 100.0, start)
    return Recording((stream,), tuple(Annotation(*one) for one in annotations))


def test_a_moment_lasts_until_the_next_mark_and_the_last_one_until_the_end():
    marked = recording((1.0, 0.0, "rest"), (4.0, 0.0, "smile"), (6.0, 1.5, "frown"), (8.0, 0.0, "rest"))
    np.testing.assert_allclose(
        marks.spans(marked.annotations, 10.0), [[1, 4], [4, 6], [6, 7.5], [8, 10]], atol=1e-9
    )


def test_moments_may_last_a_fixed_time():
    marked = recording((1.0, 0.0, "a"), (2.0, 3.0, "b"))
    np.testing.assert_allclose(marks.spans(marked.annotations, 10.0, 0.5), [[1, 1.5], [2, 5]], atol=1e-9)


def test_marks_at_the_same_moment_and_out_of_order_last_until_the_next_moment():
    marked = recording((5.0, 0.0, "b"), (2.0, 0.0, "a"), (2.0, 0.0, "other"))
    np.testing.assert_allclose(marks.spans(marked.annotations, 10.0), [[5, 10], [2, 5], [2, 5]], atol=1e-9)


def test_a_mark_after_the_end_has_no_length():
    marked = recording((12.0, 0.0, "late"))
    np.testing.assert_allclose(marks.spans(marked.annotations, 10.0), [[12, 12]])


def test_segments_with_a_text_stay_within_the_recording():
    marked = recording((-1.0, 2.0, "rest"), (3.0, 0.0, "smile"), (9.0, 5.0, "rest"))
    assert marks.segments_with(marked, "rest") == ((0.0, 1.0), (9.0, 10.0))


def test_the_clock_of_the_recording_counts():
    marked = recording((100.0, 0.0, "rest"), start=100.0)
    assert marks.extent(marked) == (100.0, 110.0)
    assert marks.segments_with(marked, "rest") == ((100.0, 110.0),)


def test_a_text_that_no_mark_has_is_said():
    with pytest.raises(EiferError, match="No mark of the recording says 'sleep'"):
        marks.segments_with(recording((1.0, 0.0, "rest")), "sleep")


def test_marks_without_length_in_the_recording_are_said():
    with pytest.raises(EiferError, match="have no length"):
        marks.segments_with(recording((12.0, 0.0, "rest")), "rest")


def activation(times, fps=10.0, labels=()):
    count = len(times)
    empty = np.zeros((count, 22), dtype=np.float32)
    return Activation(empty, empty, empty > 0, fps, labels=labels, times=np.asarray(times, dtype=np.float64))


def test_marks_are_at_the_nearest_frame_of_the_take():
    marked = recording((0.0, 0.0, "before"), (1.04, 0.0, "a"), (1.26, 0.5, "b"), (9.0, 0.0, "after"))
    found = take_marks(marked, activation(1.0 + np.arange(30) / 10))
    assert found == (TakeMark(0, "a"), TakeMark(3, "b", 8))


def test_marks_are_in_every_part_that_contains_them():
    marked = recording((2.0, 0.0, "a"), (5.0, 0.0, "b"))
    one, other, pause = 1.5 + np.arange(10) / 10, 4.5 + np.arange(10) / 10, [np.nan] * 5
    times = np.concatenate([one, pause, other, pause, one])
    found = take_marks(marked, activation(times, labels=((0, "a"), (15, "b"), (30, "a"))))
    assert found == (TakeMark(5, "a"), TakeMark(20, "b"), TakeMark(35, "a"))


def test_what_begins_between_the_last_frame_and_the_end_belongs_to_the_next_part():
    marked = recording((1.0, 0.0, "a"), (1.52, 0.0, "b"))
    times = np.concatenate([1.0 + np.arange(6) / 10, 1.52 + np.arange(6) / 10])
    assert take_marks(marked, activation(times)) == (TakeMark(0, "a"), TakeMark(6, "b"))


def test_a_part_without_its_mark_gets_its_label_and_poses_get_theirs():
    times = np.concatenate([3.0 + np.arange(5) / 10, [np.nan] * 2, 7.0 + np.arange(5) / 10])
    labelled = activation(times, labels=((0, "smile"), (7, "frown")))
    assert take_marks(recording((2.9, 0.0, "smile")), labelled) == (
        TakeMark(0, "smile"),
        TakeMark(7, "frown"),
    )
    poses = replace(activation(np.zeros(40), labels=((0, "happy"), (30, "sad"))), times=None)
    assert take_marks(recording(), poses) == (TakeMark(0, "happy"), TakeMark(30, "sad"))
