"""The models' cards say what was measured, of the files that are shipped, by the protocol in the code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import pytest

from eifer_blender import mapping
from eifer_blender.assets import model_file
from eifer_blender.errors import EiferError
from eifer_blender.simulation.protocol import protocol_hash
from eifer_blender.training import cards

KINDS = (cards.EMG2EXP, cards.EXP2EMG)


@pytest.fixture(scope="module")
def stored():
    return cards.read_stored(model_file("evaluation.json"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_is_the_stored_evaluation(stored, kind):
    text = model_file(f"{kind}.md").read_text(encoding="utf-8")
    assert text == cards.card(kind, stored), "run `python3 -m eifer_blender evaluate --cards` again"


@pytest.mark.parametrize("kind", KINDS)
def test_the_evaluation_is_that_of_the_shipped_model(stored, kind):
    data = model_file(f"{kind}.onnx").read_bytes()
    told = stored["models"][kind]
    assert told["sha256"] == hashlib.sha256(data).hexdigest() and told["bytes"] == len(data)
    metadata = mapping.read_metadata(kind=kind)
    assert told["metadata"] == json.loads(json.dumps(asdict(metadata)))


@pytest.mark.parametrize("kind", KINDS)
def test_model_evaluation_and_code_share_one_protocol(stored, kind):
    metadata = mapping.read_metadata(kind=kind)
    assert metadata.protocol == stored["protocol"] == protocol_hash()


def test_a_full_evaluation_is_stored(stored):
    assert "--quick" not in stored["command"]
    names = {table.name for table in cards.stored_tables(stored)}
    assert names >= {"goals", "regions", "movements", "activity", "muscles", "robustness", "second domain"}


def test_cards_speak_plainly_about_what_they_rest_on(stored):
    for kind in KINDS:
        text = cards.card(kind, stored)
        assert "circular" in text and "Nobody was recorded" in text and "0.81" in text
        assert stored["models"][kind]["metadata"]["licence"] in text
        assert stored["models"][kind]["metadata"]["training"] in text


def test_a_changed_figure_changes_the_card(stored):
    changed = json.loads(json.dumps(stored))
    table = next(t for t in changed["tables"] if t["name"] == "regions")
    table["rows"][0][1] = "0.001 ± 0.001"
    assert cards.card(cards.EMG2EXP, changed) != cards.card(cards.EMG2EXP, stored)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0}'])
def test_a_file_that_is_no_evaluation_is_refused(tmp_path, text):
    path = tmp_path / "evaluation.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EiferError, match="evaluation"):
        cards.read_stored(path)
    with pytest.raises(EiferError, match="cannot be read"):
        cards.read_stored(tmp_path / "none.json")
