"""Face → muscles: the right muscle leads, for keyed shapes, for movements, and for files of real actors.

Movements and emotions are a test of plumbing: the simulation knows the same table of muscles. The files of
ARKit weights are somebody else's.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from eifer_blender import estimation, mapping
from eifer_blender.heads.arkit import from_arkit
from eifer_blender.heads.default import load_default_head
from eifer_blender.interchange import read_expressions, to_head
from eifer_blender.mapping.metadata import EXP2EMG
from eifer_blender.movements import EMOTIONS, SCHAEDE
from eifer_blender.muscles import CHANNELS, MUSCLES, channel_index
from eifer_blender.simulation.muscle_face import expression_of_muscles
from eifer_blender.spaces import ARKIT_NAMES

DATA = Path(__file__).parent / "data"
REAL = os.environ.get("EIFER_REAL_DATA")
FPS = 30.0
HEIGHT = slice(45, 60)  # frames in which `held` is at its height
STRONG = 0.2

# Shapes of a file -> muscles of which one must lead.
LEADING = {
    "mouthSmileLeft": ("zygomaticus_l",),
    "mouthSmileRight": ("zygomaticus_r",),
    "browInnerUp": ("medial_frontalis_l", "medial_frontalis_r"),
    "browOuterUpLeft": ("lateral_frontalis_l",),
    "browDownLeft": ("corrugator_supercilii_l", "depressor_supercilii_l"),
    "browDownRight": ("corrugator_supercilii_r", "depressor_supercilii_r"),
    "noseSneerLeft": ("levator_labii_superioris_l",),
    "noseSneerRight": ("levator_labii_superioris_r",),
    "mouthUpperUpRight": ("levator_labii_superioris_r",),
    "cheekSquintLeft": ("orbicularis_oculi_l",),
    "mouthPucker": ("orbicularis_oris_l", "orbicularis_oris_r"),
    "mouthFunnel": ("orbicularis_oris_l", "orbicularis_oris_r"),
    "mouthFrownLeft": ("depressor_anguli_oris_l",),
    "mouthFrownRight": ("depressor_anguli_oris_r",),
    "mouthShrugLower": ("mentalis_l", "mentalis_r"),
}
NOBODY = ("jawOpen", "jawLeft", "eyeLookUpLeft", "eyeLookInRight", "eyeWideLeft", "mouthLeft", "tongueOut")


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def model(head):
    return mapping.load_model(head=head, kind=EXP2EMG)


def held(row):
    """[100, k]: a row that comes within half a second, stays for a second, and goes."""
    course = np.interp(np.arange(100), [20, 35, 65, 80], [0.0, 1.0, 1.0, 0.0])
    return (course[:, None] * np.asarray(row)).astype(np.float32)


def activity_of(model, expression):
    """[22] estimated while `held` is at its height; unknown is 0."""
    return np.nan_to_num(estimation.estimate(model, expression, FPS).values[HEIGHT]).mean(0)


def shape_alone(head, name, weight=1.0):
    weights = np.zeros(len(ARKIT_NAMES), np.float32)
    weights[ARKIT_NAMES.index(name)] = weight
    return from_arkit(head, held(weights)).parameters


def leading(values):
    return CHANNELS[int(values.argmax())]


# --- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.5, 1.0])
@pytest.mark.parametrize("name", LEADING)
def test_a_shape_alone_leads_to_its_muscle(head, model, name, weight):
    values = activity_of(model, shape_alone(head, name, weight))
    assert leading(values) in LEADING[name]
    assert values.max() > STRONG
    others = [k for k, channel in enumerate(CHANNELS) if channel[:-2] != leading(values)[:-2]]
    assert values[others].max() < 0.6 * values.max()


@pytest.mark.parametrize("name", NOBODY)
def test_shapes_that_none_of_the_muscles_makes_light_none(head, model, name):
    assert activity_of(model, shape_alone(head, name)).max() < STRONG


@pytest.mark.parametrize("name", [n for n in LEADING if n.endswith("Left")])
def test_a_shape_of_one_side_lights_that_side(head, model, name):
    values = activity_of(model, shape_alone(head, name))
    assert values[::2].sum() > 4 * values[1::2].sum()


def test_more_of_a_shape_is_more_of_its_muscle(head, model):
    found = [
        activity_of(model, shape_alone(head, "mouthSmileLeft", w))[channel_index("zygomaticus_l")]
        for w in (0.2, 0.4, 0.6, 0.8)
    ]
    assert np.all(np.diff(found) > 0.05)


def test_the_neutral_face_is_rest(head, model):
    neutral = from_arkit(head, np.zeros((40, len(ARKIT_NAMES)), np.float32)).parameters
    assert not np.nan_to_num(estimation.estimate(model, neutral, FPS).values).any()


def test_keyed_faces_are_not_called_strange(head, model):
    for name in ("mouthSmileLeft", "browInnerUp", "mouthPucker"):
        found = estimation.estimate(model, shape_alone(head, name), FPS)
        assert not any("hints" in note for note in found.notes)


# --- movements and emotions -----------------------------------------------------------------------


def task_table():
    """Task -> {muscle: grade}, S, w, 0 or ?."""
    short = dict(medF="medial_frontalis", latF="lateral_frontalis", Corr="corrugator_supercilii")
    short |= dict(DSP="depressor_supercilii", OOc="orbicularis_oculi", Zyg="zygomaticus", Mass="masseter")
    short |= dict(LLS="levator_labii_superioris", OOr="orbicularis_oris", Ment="mentalis")
    short |= dict(DAO="depressor_anguli_oris")
    with (DATA / "task_muscle_table.csv").open(encoding="utf-8") as file:
        return {row["task"]: {short[k]: row[k] for k in short} for row in csv.DictReader(file)}


def played(head, model, task, sides=(1.0, 1.0)):
    """{muscle: (left, right)} estimated of the default head doing a task."""
    from eifer_blender.movements import MOVEMENTS

    pattern = MOVEMENTS[task] * np.tile(sides, len(MUSCLES))
    values = activity_of(model, expression_of_muscles(head, held(pattern)))
    return {m.name: (values[2 * k], values[2 * k + 1]) for k, m in enumerate(MUSCLES)}


@pytest.mark.parametrize("task", [*SCHAEDE, *EMOTIONS])
def test_the_muscles_that_should_lead_rank_highest(head, model, task):
    grades = task_table()[task]
    found = {name: np.mean(sides) for name, sides in played(head, model, task).items()}
    strong = [found[name] for name, grade in grades.items() if grade == "S"]
    quiet = [found[name] for name, grade in grades.items() if grade == "0"]
    weak = [found[name] for name, grade in grades.items() if grade == "w"]
    if strong:
        assert min(strong) > max([*quiet, *weak], default=0.0)
        assert min(strong) > STRONG
    assert max(quiet, default=0.0) < STRONG


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("task", [t for t in (*SCHAEDE, *EMOTIONS) if t != "Face-At-Rest"])
def test_a_one_sided_movement_lights_one_side(head, model, task, side):
    found = played(head, model, task, sides=(1.0, 0.0) if side == 0 else (0.0, 1.0))
    own, other = (sum(pair[s] for pair in found.values()) for s in (side, 1 - side))
    assert own > 3 * other


# --- files ----------------------------------------------------------------------------------------


def test_a_file_of_single_shapes_leads_to_their_muscles(head, model):
    clip = read_expressions(DATA / "each_shape_excerpt.csv")
    parameters, notes = to_head(clip, head)
    assert sum("clamped" in note for note in notes) == 1
    names = {name.casefold(): k for k, name in enumerate(ARKIT_NAMES)}
    for name, muscles in LEADING.items():
        column = names[name.casefold()]
        rows = np.flatnonzero(clip.values[:, column] >= 0.5)
        assert len(rows)
        for row in rows[:: max(1, len(rows) // 4)]:
            assert leading(activity_of(model, held(parameters[row]))) in muscles, name


@pytest.mark.skipif(REAL is None, reason="EIFER_REAL_DATA names no folder with the whole recordings")
def test_the_whole_file_of_single_shapes(head, model):
    clip = read_expressions(Path(REAL) / "live_link_face_each_shape_alone.csv")
    values = np.nan_to_num(estimation.estimate(model, to_head(clip, head)[0], clip.fps).values)
    for name, muscles in LEADING.items():
        high = clip.values[:, ARKIT_NAMES.index(name)] >= 0.5
        assert leading(values[high].mean(0)) in muscles, name
    jaw = clip.values[:, ARKIT_NAMES.index("jawOpen")] >= 0.5
    assert values[jaw].max() < 2 * STRONG


PAIRS = (
    ("zygomaticus_l", "mouthSmileLeft"),
    ("zygomaticus_r", "mouthSmileRight"),
    ("medial_frontalis_l", "browInnerUp"),
    ("corrugator_supercilii_l", "browDownLeft"),
    ("levator_labii_superioris_l", "noseSneerLeft"),
    ("orbicularis_oris_l", "mouthPucker"),
    ("depressor_anguli_oris_l", "mouthFrownLeft"),
)


@pytest.mark.skipif(REAL is None, reason="EIFER_REAL_DATA names no folder with the whole recordings")
def test_activity_follows_an_actors_shapes_over_time(head, model):
    clip = read_expressions(Path(REAL) / "live_link_face_range_of_motion.csv")
    values = np.nan_to_num(estimation.estimate(model, to_head(clip, head)[0], clip.fps).values)
    for channel, shape in PAIRS:
        weight = clip.values[:, ARKIT_NAMES.index(shape)]
        assert np.corrcoef(values[:, channel_index(channel)], weight)[0, 1] > 0.6, (channel, shape)
