"""Names of shape keys, guesses for rigs, and mappings as values and files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eifer_blender import muscles, rigs, spaces
from eifer_blender.errors import EiferError
from eifer_blender.rigs import guesses

SPELLINGS = {
    "Apple": lambda n: n,
    "Unreal, VRM perfect sync": lambda n: n[0].upper() + n[1:],
    "snake": lambda n: "".join("_" + c.lower() if c.isupper() else c for c in n),
    "lower": str.lower,
    "Face Cap": lambda n: n.replace("Left", "_L").replace("Right", "_R"),
    "Blender": lambda n: n.replace("Left", ".L").replace("Right", ".R"),
    "Maya": lambda n: f"blendShape1.{n}",
    "Mesh": lambda n: f"Wolf3D_Head.{n}",
    "copy": lambda n: f"{n}.001",
    "MetaHuman": lambda n: "CTRL_expressions_" + n.replace("Left", "L").replace("Right", "R"),
    "ARKit": lambda n: f"ARKit_{n}",
    "name space": lambda n: f"rig:face|{n}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_shape_is_found_in_every_spelling(spelling):
    for name in spaces.ARKIT_NAMES:
        if spelling in {"Face Cap", "Blender", "MetaHuman"} and name in {
            "jawLeft",
            "jawRight",
            "mouthLeft",
            "mouthRight",
        }:
            continue
        assert rigs.arkit_of(SPELLINGS[spelling](name)) == name


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Mouth_Smile_L", "mouthSmileLeft"),
        ("Eye_Blink_R", "eyeBlinkRight"),
        ("Brow_Drop_L", "browDownLeft"),
        ("Brow_Raise_Inner_R", "browInnerUp"),
        ("Brow_Raise_Outer_R", "browOuterUpRight"),
        ("Cheek_Raise_L", "cheekSquintLeft"),
        ("Eye_L_Look_L", "eyeLookOutLeft"),
        ("Eye_R_Look_L", "eyeLookInRight"),
        ("Mouth_Roll_In_Upper", "mouthRollUpper"),
        ("Jaw_L", "jawLeft"),
        ("Mouth_R", "mouthRight"),
        ("CTRL_expressions_mouthCornerPullL", "mouthSmileLeft"),
        ("CTRL_expressions_noseWrinkleR", "noseSneerRight"),
        ("CTRL_expressions_mouthFunnelUL", "mouthFunnel"),
        ("CTRL_expressions_jawFwd", "jawForward"),
        ("left_eye_blink", "eyeBlinkLeft"),
        ("L_eyeBlink", "eyeBlinkLeft"),
        ("cheekPuffLeft", "cheekPuff"),
    ],
)
def test_names_of_tools_are_known(name, shape):
    assert rigs.arkit_of(name) == shape


@pytest.mark.parametrize(
    "name",
    ["eyeLookUp", "mouthSmile", "corrective_eyeBlinkLeft", "eyeBlinkLeft_jawOpen", "noEyeBlinkLeft", "Basis",
     "eyeBlinkLeftOff", "mouth", "L", "", "....", "eye_L", "exp000", "jawOpenCorrective", "smile"],
)  # fmt: skip
def test_what_is_no_shape_of_arkit_is_none(name):
    assert rigs.arkit_of(name) is None


@given(st.text(max_size=60))
def test_any_name_is_a_shape_or_none(name):
    assert rigs.arkit_of(name) in {None, *spaces.ARKIT_NAMES}
    found = rigs.guess(name)
    assert found is None or all(shape in spaces.ARKIT_NAMES for shape, _ in found.sources)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("AU12_L", {"mouthSmileLeft": 1.0}),
        ("au_4", {"browDownLeft": 0.5, "browDownRight": 0.5}),
        ("AU26", {"jawOpen": 1.0}),
        ("Fcl_EYE_Close_R", {"eyeBlinkRight": 1.0}),
        ("Fcl_MTH_A", {"jawOpen": 1.0}),
        ("まばたき", {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5}),
        ("ウィンク右", {"eyeBlinkRight": 1.0}),
        ("blink.L", {"eyeBlinkLeft": 1.0}),
        ("smile_R", {"mouthSmileRight": 1.0}),
        ("mouthSmile", {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}),
        ("jaw_open", {"jawOpen": 1.0}),
    ],
)
def test_guesses_for_other_rigs(name, shapes):
    found = rigs.guess(name)
    assert dict(found.sources) == shapes and 0 < found.sure <= 1


def test_guesses_leave_the_rest_alone():
    for name in ("Basis", "fat belly", "skirt up", "AU99", "corrective_smile_L", "arm_bend.R"):
        assert rigs.guess(name) is None
    assert guesses.guess_bone("DEF-jaw") and guesses.guess_bone("Jaw") and not guesses.guess_bone("jaw_end")
    assert not guesses.guess_bone("forearm.L")


ARKIT = np.random.default_rng(0).uniform(0, 1, (30, 52)).astype(np.float32)
ACTIVITY = np.random.default_rng(1).uniform(0, 1, (30, 22)).astype(np.float32)
LINKS = (
    rigs.Link("arkit:mouthSmileLeft", "Face", 'key_blocks["smile"].value', scale=0.5),
    rigs.Link("arkit:mouthSmileRight", "Face", 'key_blocks["smile"].value', scale=0.5),
    rigs.Link("muscle:zygomaticus_l", "Rig", 'pose.bones["lip ü"].location', 2, 0.01, 0.1, -1.0, 0.105),
)


def test_links_scale_add_up_and_stay_within_their_range():
    targets, values = rigs.evaluate(LINKS, ARKIT, ACTIVITY)
    assert targets == [LINKS[0].target, LINKS[2].target]
    left, right = (spaces.ARKIT_NAMES.index(f"mouthSmile{side}") for side in ("Left", "Right"))
    np.testing.assert_allclose(values[:, 0], (ARKIT[:, left] + ARKIT[:, right]) / 2, rtol=1e-6)
    activity = ACTIVITY[:, muscles.channel_index("zygomaticus_l")]
    np.testing.assert_allclose(values[:, 1], np.minimum(0.1 + 0.01 * activity, 0.105), rtol=1e-6)


def test_unknown_activity_is_rest_and_missing_sources_are_said():
    _, values = rigs.evaluate(LINKS, ARKIT, np.full((30, 22), np.nan))
    assert (values[:, 1] == np.float32(0.1)).all()
    with pytest.raises(EiferError, match="activity of muscles"):
        rigs.evaluate(LINKS, ARKIT)
    with pytest.raises(EiferError, match="unknown"):
        rigs.evaluate([LINKS[0]._replace(source="arkit:nothing")], ARKIT)


def test_mappings_come_back_from_their_file():
    mapping = rigs.Mapping("Hero", LINKS)
    text = rigs.to_json(mapping)
    assert rigs.from_json(text) == mapping and len(text.splitlines()) == len(LINKS) + 2


LINK = {"source": "arkit:jawOpen", "object": "Face", "path": "x"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"links": [LINK | {"scale": "1"}]}, "Link 1"),
        ({"links": [LINK | {"scale": float("inf")}]}, "Link 1"),
        ({"links": [LINK, LINK | {"low": 2.0}]}, "Link 2"),
        ({"links": [LINK | {"index": -1}]}, "Link 1"),
        ({"links": [LINK | {"path": ""}]}, "Link 1"),
        ({"links": [LINK | {"code": "import os"}]}, "Link 1"),
        ({"links": [LINK | {"source": "arkit:wing"}]}, "unknown source"),
        ({"links": "all"}, "no mapping"),
        ({"version": 99}, "another version"),
        ({"format": "other"}, "no mapping"),
        ({"links": [LINK] * 5001}, "more than"),
    ],
)
def test_damaged_files_are_a_sentence(change, match):
    data = json.loads(rigs.to_json(rigs.Mapping("Hero", LINKS))) | change
    with pytest.raises(EiferError, match=match):
        rigs.from_json(json.dumps(data), "hero.json")


@given(st.text(max_size=200) | st.just("[" * 100_000))
def test_any_text_is_a_mapping_or_a_sentence(text):
    with pytest.raises(EiferError):
        rigs.from_json(text)
