"""The bundled EMG2Exp model: anatomy, missing channels, and files that are no model."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import onnx_made
import pytest
from onnx_made import field, node

pytest.importorskip("onnxruntime")

from eifer_blender import mapping, signals
from eifer_blender.assets import model_file
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import deform
from eifer_blender.mapping import metadata as meta
from eifer_blender.mapping import onnx_file
from eifer_blender.movements import MOVEMENTS
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS, OTHER_SIDE
from eifer_blender.spaces import DEFAULT_SPACE, EYELIDS, JAW

ALL = np.ones(CHANNEL_COUNT, bool)
FPS = 30.0
REGIONS = ("brow", "eye", "cheek", "mouth_corner", "nose", "lips", "chin", "forehead")


def express(model, activation, present):
    """Faces of activity that is held: each row is a pose, not a moment of a movement."""
    held = model.metadata.before + model.metadata.after + 1
    rows, masks = np.repeat(activation, held, axis=0), np.asarray(present)
    if masks.ndim > 1:
        masks = np.repeat(masks, held, axis=0)
    return mapping.emg_to_expression(model, rows, masks, FPS).values[model.metadata.before :: held]


@pytest.fixture(scope="module")
def head():
    return load_default_head()


@pytest.fixture(scope="module")
def model(head):
    return mapping.load_model(head=head)


@pytest.fixture(scope="module")
def moved(head, model):
    """Displacement in mm [n, V, 3] of the head for activations [n, 22]."""

    def displacement(activation, present=ALL):
        expression = express(model, np.asarray(activation, np.float32), present)
        return (deform(head, expression) - deform(head, np.zeros_like(expression[:1]))) * 1000

    return displacement


@pytest.fixture(scope="module")
def alone(moved):
    """Displacement for each channel alone at 0.8: [22, V, 3]."""
    return moved(np.eye(CHANNEL_COUNT) * 0.8)


# --- each muscle alone ----------------------------------------------------------------------------


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_muscle_moves_its_own_side(head, alone, channel):
    size = np.linalg.norm(alone[CHANNELS.index(channel)], axis=1)
    x = head.template[:, 0] * (1 if channel.endswith("_l") else -1)
    skin = head.regions["skin"]
    own, other = size[skin & (x > 0.012)].mean(), size[skin & (x < -0.012)].mean()
    assert own > 3 * other


# muscle, regions of which one moves most, landmark, direction it moves in (towards the own side, up, out)
ANATOMY = {
    "corrugator_supercilii": (("brow", "forehead", "eye"), "brow_inner", (-1, -1, 0)),
    "depressor_supercilii": (("brow", "forehead", "nose", "eye"), "brow_inner", (-1, -1, 0)),
    "medial_frontalis": (("brow", "forehead", "eye"), "brow_inner", (0, 1, 0)),
    "lateral_frontalis": (("brow", "forehead", "eye"), "brow_outer", (0, 1, 0)),
    "orbicularis_oculi": (("cheek", "eye"), "lid_lower", (0, 1, 0)),
    "levator_labii_superioris": (("nose", "cheek", "lips"), "nose_wing", (1, 1, 0)),
    "zygomaticus": (("mouth_corner", "lips", "cheek"), "mouth_corner", (1, 1, -1)),
    "orbicularis_oris": (("lips", "mouth_corner"), "mouth_corner", (-1, 0, 1)),
    "depressor_anguli_oris": (("mouth_corner", "lips", "cheek"), "mouth_corner", (0, -1, 0)),
}


@pytest.mark.parametrize("side", "lr")
@pytest.mark.parametrize("muscle", ANATOMY)
def test_a_muscle_moves_the_anatomical_region_in_its_direction(head, alone, muscle, side):
    regions, landmark, direction = ANATOMY[muscle]
    field = alone[CHANNELS.index(f"{muscle}_{side}")]
    size = np.linalg.norm(field, axis=1)
    reach = {name: size[_region(head, name, side)].max() for name in REGIONS}
    assert max(reach, key=reach.get) in regions
    outward = np.array([1 if side == "l" else -1, 1, 1])
    step = field[head.landmarks[f"{landmark}_{side}"]] * outward
    for amount, sign in zip(step, direction, strict=True):
        assert sign == 0 or amount * sign > 0.5


def _region(head, name, side):
    return head.regions.get(f"{name}_{side}", head.regions.get(name))


@pytest.mark.parametrize("side", "lr")
def test_mentalis_lifts_the_chin_and_pushes_the_lower_lip(head, alone, side):
    field = alone[CHANNELS.index(f"mentalis_{side}")]
    size = np.linalg.norm(field, axis=1)
    reach = {name: size[_region(head, name, side)].max() for name in REGIONS}
    assert max(reach, key=reach.get) in ("chin", "lips")
    assert field[head.landmarks["lip_lower"]][1] > 1 and field[head.landmarks["lip_lower"]][2] > 0.5
    assert field[head.landmarks["chin"]][1] > 0.3


@pytest.mark.parametrize("side", "lr")
def test_the_masseter_opens_nothing(head, alone, side):
    field = alone[CHANNELS.index(f"masseter_{side}")]
    assert np.linalg.norm(field[head.regions["skin"]], axis=1).max() < 2
    gap = field[head.landmarks["lip_upper"]] - field[head.landmarks["lip_lower"]]
    assert gap[1] < 0.3


def test_orbicularis_oculi_closes_its_own_eye(head, alone, model):
    left = express(model, _single("orbicularis_oculi_l", 1.0), ALL)[0]
    assert left[EYELIDS][0] > 0.4 and left[EYELIDS][1] < 0.05


def _single(channel, amount):
    activation = np.zeros((1, CHANNEL_COUNT), np.float32)
    activation[0, CHANNELS.index(channel)] = amount
    return activation


def test_the_mirror_image_of_activity_gives_the_mirror_image_of_the_face(head, model):
    activation = np.stack(list(MOVEMENTS.values()))
    activation[:, 1::2] *= 0.4
    faces = [express(model, a, ALL) for a in (activation, activation[:, OTHER_SIDE])]
    for face in faces:
        face[:, JAW] = 0.0  # its muscles are not among the 22: how far it opens is a guess
    one, other = (deform(head, face) for face in faces)
    skin = head.regions["skin"]
    gap = one - other[:, head.mirror] * np.array([-1, 1, 1], np.float32)
    assert np.linalg.norm(gap, axis=2)[:, skin].max() * 1000 < 2.0


# --- rest, presence, limits -----------------------------------------------------------------------


def test_rest_is_exactly_neutral_whatever_is_present(model):
    rng = np.random.default_rng(0)
    present = rng.random((5000, CHANNEL_COUNT)) < rng.random((5000, 1))
    expression = express(model, np.zeros((5000, CHANNEL_COUNT), np.float32), present)
    assert not expression.any()


def test_nothing_present_is_exactly_neutral(model):
    activation = np.random.default_rng(1).random((10, CHANNEL_COUNT), np.float32)
    assert not express(model, activation, ~ALL).any()


def test_what_is_not_present_has_no_influence(model):
    rng = np.random.default_rng(2)
    activation = rng.random((50, CHANNEL_COUNT), np.float32)
    present = rng.random(CHANNEL_COUNT) < 0.5
    changed = np.where(present, activation, rng.random(activation.shape)).astype(np.float32)
    first, second = (express(model, a, present) for a in (activation, changed))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_counts_as_missing(model, value):
    activation = np.random.default_rng(3).random((8, CHANNEL_COUNT), np.float32)
    broken = activation.copy()
    broken[3, 5] = value
    present = np.ones_like(activation, bool)
    present[3, 5] = False
    expected = express(model, activation, present)
    np.testing.assert_array_equal(express(model, broken, ALL), expected)


def test_frames_do_not_depend_on_how_many_there_are(model):
    activation = np.random.default_rng(4).random((5000, CHANNEL_COUNT), np.float32)
    whole = express(model, activation, ALL)
    assert whole.shape == (5000, DEFAULT_SPACE.size) and whole.dtype == np.float32
    np.testing.assert_allclose(express(model, activation[2047:2050], ALL), whole[2047:2050], atol=1e-4)
    assert express(model, activation[:0], ALL).shape == (0, DEFAULT_SPACE.size)


def test_lids_and_jaw_stay_within_their_limits(model):
    activation = np.random.default_rng(5).uniform(-2, 5, (2000, CHANNEL_COUNT)).astype(np.float32)
    expression = express(model, activation, ALL)
    assert expression[:, EYELIDS].min() >= 0 and expression[:, EYELIDS].max() <= 1
    assert expression[:, JAW][:, 0].min() >= 0 and np.abs(expression[:, JAW][:, 1:]).max() <= 0.2
    np.testing.assert_array_equal(expression, express(model, np.clip(activation, 0, 1), ALL))


@pytest.mark.parametrize("shape", [(5,), (5, 21), (5, 22, 1)])
def test_activity_of_a_wrong_shape_is_refused(model, shape):
    with pytest.raises(EiferError, match="22"):
        express(model, np.zeros(shape, np.float32), ALL)


def test_a_missing_muscle_is_inferred_from_the_other_side(head, moved):
    present = ALL.copy()
    present[CHANNELS.index("zygomaticus_r")] = False
    field = moved(MOVEMENTS["Smile-Open"][None], present)[0]
    left, right = (np.linalg.norm(field[head.landmarks[f"mouth_corner_{s}"]]) for s in "lr")
    assert right > 0.6 * left > 3


# --- heads, spaces, chain -------------------------------------------------------------------------


def test_a_model_for_another_head_is_refused_and_says_whose_it_is(head):
    with pytest.raises(EiferError, match=head.hash[:12]):
        mapping.load_model(head=dataclasses.replace(head, hash="f" * 64))
    with pytest.raises(EiferError, match=head.space):
        mapping.load_model(space="flame2020")


def test_the_bundled_model_fits_its_own_chain(model):
    settings = mapping.settings_for(model)
    assert mapping.check_chain(model, settings) == []
    assert mapping.check_chain(model, mapping.fitting(model.metadata, signals.PRESETS["Animation"])) == []


def _with(model, **change):
    return dataclasses.replace(model, metadata=dataclasses.replace(model.metadata, **change))


@pytest.mark.parametrize(
    "change, word",
    [({"window_ms": 500.0}, "window"), ({"dynamics": False}, "too early"), ({"method": "mmm"}, "preset")],
)
def test_a_chain_that_does_not_fit_is_named(model, change, word):
    outside = _with(model, dynamics="outside")
    settings = dataclasses.replace(mapping.settings_for(outside), **change)
    (sentence,) = mapping.check_chain(outside, settings)
    assert word in sentence


def test_dynamics_inside_the_model_take_the_place_of_the_chains(model):
    inside, outside = (_with(model, dynamics=where) for where in ("inside", "outside"))
    chain = signals.PRESETS["Animation"]
    assert "twice" in mapping.check_chain(inside, chain)[0]
    for fitted in (mapping.settings_for(inside), mapping.fitting(inside.metadata, chain)):
        assert not fitted.dynamics and mapping.check_chain(inside, fitted) == []
    assert mapping.settings_for(outside).dynamics
    still = dataclasses.replace(chain, dynamics=False)
    assert mapping.fitting(outside.metadata, chain) == chain
    assert mapping.fitting(outside.metadata, still) == still


# --- metadata -------------------------------------------------------------------------------------


def test_metadata_survives_the_file(model):
    for written in (
        model.metadata,
        onnx_made.metadata(before=12, after=3, hidden=CHANNELS[-2:], protocol="0123abcd"),
        onnx_made.metadata(frame_rate=None),
    ):
        assert meta.from_props(meta.to_props(written)) == written
    assert mapping.read_metadata() == model.metadata


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "exp2face"},
        {"before": "-1"},
        {"after": "100000"},
        {"before": "2", "frame_rate": "any"},
        {"hidden": '["nose"]'},
        {"hidden": "{"},
        {"envelope": "guess"},
        {"window_ms": "nan"},
        {"seed": "-1"},
        {"dynamics": "both"},
        {"parameters": "[]"},
        {"parameters": "{"},
        {"parameters": "[" * 5000},
        {"parameters": '["a", "a"]'},
        {"channels": '["zygomaticus_l"]'},
        {"frame_rate": "fast"},
    ],
)
def test_impossible_metadata_is_refused(model, change):
    props = meta.to_props(model.metadata) | {f"eifer.{key}": value for key, value in change.items()}
    with pytest.raises(EiferError):
        meta.from_props(props)


@pytest.mark.parametrize("name", ["kind", "head_hash", "licence"])
def test_missing_metadata_is_named(model, name):
    props = meta.to_props(model.metadata)
    del props[f"eifer.{name}"]
    with pytest.raises(EiferError, match=name):
        meta.from_props(props)


def test_models_of_single_frames_need_not_say_so():
    written = onnx_made.metadata()
    props = meta.to_props(written)
    for name in ("before", "after", "hidden", "protocol"):
        del props[f"eifer.{name}"]
    assert meta.from_props(props) == written


# --- files that are no model ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundled():
    return model_file("emg2exp.onnx").read_bytes()


def _load(folder, data):
    path = folder / "other.onnx"
    path.write_bytes(data)
    return mapping.load_model(path)


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"ONNX", b"ORTM" * 20, bytes(range(256)) * 8])
def test_foreign_bytes_are_refused(tmp_path, data):
    with pytest.raises(EiferError):
        _load(tmp_path, data)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(EiferError, match="cannot be read"):
            mapping.load_model(path)


def test_a_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(onnx_file.MAXIMUM_BYTES + 1)
    with pytest.raises(EiferError, match="larger"):
        mapping.load_model(path)


def test_a_cut_file_is_refused(tmp_path, bundled):
    for end in (1, 100, 1000, len(bundled) // 2, len(bundled) - 1):
        with pytest.raises(EiferError):
            _load(tmp_path, bundled[:end])


def test_a_damaged_file_gives_a_sentence_or_a_model_that_works(tmp_path, bundled):
    rng = random.Random(0)
    for _ in range(300):
        data = bytearray(bundled)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data) if rng.random() < 0.3 else 4000)] = rng.randrange(256)
        try:
            model = _load(tmp_path, bytes(data))
            expression = express(model, np.full((3, CHANNEL_COUNT), 0.5, np.float32), ALL)
        except EiferError:
            continue
        assert expression.shape == (3, DEFAULT_SPACE.size)


def _hostile(graph, *more):
    """A file whose metadata are those of the bundled model, around another graph."""
    return onnx_made.model_file(graph, mapping.read_metadata(), *more)


INPUT = field(11, field(1, b"x"))
HOSTILE = {
    "weights outside the file": field(5, field(8, b"w") + field(13, field(1, b"location")) + field(14, 1)),
    "control flow": INPUT + node("Loop", ["x"], ["y"]),
    "a graph in an attribute": INPUT + node("Relu", ["x"], ["y"], field(5, field(6, b""))),
    "another domain": INPUT + node("Relu", ["x"], ["y"], field(7, b"com.evil")),
    "endless joining": INPUT
    + b"".join(
        node("Concat", [f"{'x' * i}"] * 2, ["x" * (i + 1)], onnx_made.integer("axis", i % 2))
        for i in range(1, 40)
    ),
    "a huge constant": field(5, field(8, b"w") + field(1, 2**40)),
    "many dimensions": field(5, field(8, b"w") + field(1, 2) * 9),
    "too much to multiply": INPUT
    + onnx_made.weight("w", np.zeros((2048, 2048)))
    + b"".join(node("MatMul", ["y" * k or "x", "w"], ["y" * (k + 1)]) for k in range(20)),
    "a table of tables": INPUT
    + onnx_made.weight("w", np.zeros((300, 300), np.int64))
    + node("Gather", ["x", "w"], ["y"]),
    "a long list that is gathered again": INPUT
    + onnx_made.weight("w", np.zeros(2_000_000, np.int64))
    + node("Gather", ["x", "w"], ["y"]),
    "a row that becomes a table": onnx_made.weight("r", np.zeros((1, 40_000)))
    + onnx_made.weight("c", np.zeros((40_000, 1)))
    + node("Add", ["r", "c"], ["y"]),
    "products of what is no table": onnx_made.weight("r", np.zeros(40_000))
    + INPUT
    + node("MatMul", ["x", "r"], ["y"]),
    "joining along an unknown side": INPUT + node("Concat", ["x", "x"], ["y"], onnx_made.integer("axis", 7)),
    "sums that lose a dimension": INPUT + node("ReduceMean", ["x"], ["y"], onnx_made.integer("keepdims", 0)),
    "an unknown input": node("Relu", ["nowhere"], ["y"]),
    "sparse tensors": field(15, b""),
}


def test_a_harmless_graph_reaches_onnxruntime(tmp_path, monkeypatch):
    monkeypatch.setattr(mapping.model, "require", lambda name: pytest.fail("asked"))
    with pytest.raises(pytest.fail.Exception, match="asked"):
        _load(tmp_path, _hostile(INPUT + node("Relu", ["x"], ["y"])))


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_refused_before_onnxruntime_sees_it(tmp_path, monkeypatch, what):
    monkeypatch.setattr(mapping.model, "require", lambda name: pytest.fail("the runtime was asked"))
    with pytest.raises(EiferError):
        _load(tmp_path, _hostile(HOSTILE[what]))


def test_functions_in_a_file_are_refused(tmp_path):
    with pytest.raises(EiferError, match="functions"):
        _load(tmp_path, _hostile(b"", field(25, b"")))
