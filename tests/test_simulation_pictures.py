"""Pictures of simulated takes, without Blender."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from eifer_blender.cli import simulated_pictures
from eifer_blender.cli.strips import BACKGROUND, LEFT

ROWS = ("zygomaticus_l", "masseter_l")


@pytest.fixture(scope="module")
def take():
    return simulated_pictures.simulate_take("protocol", ("Smile-Open", "Forehead"), seconds=50.0, faces=1)


def coloured(picture, colour):
    return np.abs(np.asarray(picture.convert("RGB")).astype(int) - np.array(colour)).sum(2) < 90


def test_a_take_holds_the_chosen_tasks_and_a_face_of_each(take):
    assert [n.text for n in take.notes] == ["Smile-Open", "Forehead"]
    assert take.seconds == pytest.approx(take.notes[-1].onset + take.notes[-1].duration, abs=0.01)
    for note, (at, face) in zip(take.notes, take.peaks, strict=True):
        assert note.onset <= at <= note.onset + note.duration and np.abs(face).max() > 0.3


def test_traces_are_drawn_where_muscles_contract(take):
    faces = [Image.new("RGB", (50, 50), (90, 120, 200))] * 2
    picture = simulated_pictures.draw_take(take, ROWS, faces, "Title")
    zygomaticus = coloured(picture, LEFT)[-(2 * 66 + 62) :][:66, 190:1560]
    zygomaticus[25:41] = False  # what reaches further than rest
    smile, rest = np.split(zygomaticus, 2, axis=1)
    assert smile.sum() > 200 and rest.sum() < 0.05 * smile.sum()
    assert coloured(picture, (90, 120, 200)).sum() > 2 * 100**2


def test_single_signals_fill_their_sheet(take):
    picture = simulated_pictures.draw_signals(take)
    ink = ~coloured(picture, BACKGROUND)
    for part in (ink[40:340, :1000], ink[40:340, 1050:], ink[400:, :1000], ink[400:, 1050:]):
        assert 0.01 < part.mean() < 0.5
