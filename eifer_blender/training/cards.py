"""Stored evaluation results, and the model cards that are made from them and from nothing else.

Needs neither torch nor a model: a test makes the cards again and compares.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from ..errors import EiferError, unreadable
from .tables import Table, from_json, to_markdown

FORMAT = 1
EMG2EXP, EXP2EMG = "emg2exp", "exp2emg"

_SHARED = """\
## Please read this first

- **Simulated physiology.** No recorded data may be shipped, so the model was trained on simulated people:
  their muscles, faces and electrodes come from published anatomy, choices of this project and random
  numbers. Nobody was recorded for it.
- **The evaluation is circular.** Held-out subjects are other people of the same simulation. The tables say
  how well the model recovers that simulation, beside baselines in the same run. They do not say how close
  the result comes to a recorded person. Two checks are less flattering: the second, independent face in the
  card of `emg2exp.onnx`, and the recorded group averages of six emotions that the project's tests put
  through both models.
- **The paper's figures cannot be compared.** The only ones at hand are of one real clip of a smile: ρ 0.81
  for the zygomaticus and 0.76 for the corrugator, with a lag of 4 to 8 frames at onset. Other data, other
  frames, other truth.
- **Train on recordings for recorded people.** `python3 -m eifer_blender train` does so with a data set in
  the MMM layout, and `evaluate --data` prints these tables for it.
"""

_LIMITS = {
    EMG2EXP: """\
## What muscles cannot tell

- **The jaw.** The muscles that open it carry no electrode. The model infers what tends to go along, and
  what leaks into neighbouring channels; it is least exact in speech and chewing. The masseter opens nothing.
- **The lids.** Their levator is not recorded. Lids close with the orbicularis oculi, half by habit: a blink
  is short and weak in an envelope of 100 ms.
- **Missing channels are inferred** from the other side and from what goes together in the movements that it
  was trained on. A muscle that nothing else points to stays at rest.
- **A band, not a promise.** The band holds for simulated people; a recorded person may lie outside of it.
""",
    EXP2EMG: """\
## What a face cannot tell

- **Muscles without a movement of their own.** The channels marked hidden below hardly show; what the model
  says of them is what usually goes along.
- **Co-contraction.** Two muscles that pull against each other move little. The model gives the least that
  makes the face.
- **Microvolts.** The output is 0 at rest and 1 at the maximum of a session. It says nothing about the
  amplitude at anybody's electrode, and is no measurement: do not use it for diagnosis.
- **A static face.** A held pose and one that is being reached differ in activity; without neighbouring
  frames the model takes every frame for a held one.
""",
}

_WRITTEN = (
    "This file is written by the evaluation command; every figure in it is that of `evaluation.json`, "
    "and a test holds that."
)
_TITLES = {EMG2EXP: "muscle activity to expression", EXP2EMG: "expression to muscle activity"}
_TABLES = {
    EMG2EXP: (
        "goals",
        "regions",
        "face",
        "sides",
        "movements",
        "band",
        "robustness",
        "second domain",
        "round trips",
    ),
    EXP2EMG: ("goals", "activity", "muscles", "round trips", "keyed shapes"),
}


def card(kind: str, stored: dict[str, object]) -> str:
    """The card of the model of that kind, from a stored evaluation."""
    model = stored["models"][kind]
    about = model["metadata"]
    tables = {t.name: t for t in stored_tables(stored)}
    parts = [
        f"# {about['id']} {about['version']}: {_TITLES[kind]}\n",
        textwrap.fill(f"{_what(kind, about)} {_WRITTEN}", 108) + "\n",
        _SHARED,
        _LIMITS[kind],
        _interface(kind, about),
        _making(model, about, stored),
        "## Evaluation\n",
        f"Protocol of the simulation, fixed before the training: `{stored['protocol']}`.\n"
        f"Command: `{stored['command']}`.\n",
        *(to_markdown(tables[name]) for name in _TABLES[kind] if name in tables),
    ]
    return "\n".join(parts)


def stored_tables(stored: dict[str, object]) -> list[Table]:
    """Tables of a stored evaluation."""
    return [from_json(table) for table in stored["tables"]]


def read_stored(path: Path) -> dict[str, object]:
    """A stored evaluation. Raises EiferError if it cannot be read or is none."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise EiferError(f"'{path.name}' is not an evaluation of this version; run the evaluation again.")
    return stored


def _what(kind: str, about: dict[str, object]) -> str:
    count = len(about["parameters"])
    if kind == EMG2EXP:
        return (
            f"Turns the activity of 22 facial muscle channels into the {count} expression parameters of "
            f"{about['head']}."
        )
    return (
        f"Estimates the activity of 22 facial muscle channels from the {count} expression parameters of "
        f"{about['head']}: electromyography without electrodes."
    )


def _interface(kind: str, about: dict[str, object]) -> str:
    before, after = about["before"], about["after"]
    context = (
        "none; every frame stands alone"
        if not before and not after
        else f"{before} frames before and {after} after" + ("; causal" if not after else "")
    )
    rate = about["frame_rate"]
    count = len(about["parameters"])
    activity = "0 at rest, 1 at the session's maximum, in the order of the MMM data set"
    if kind == EMG2EXP:
        rows = [
            ("input `activation`", f"[frames, 22], {activity}"),
            ("input `present`", "[frames, 22] or [1, 22], 1 where a channel was measured, else 0"),
            ("output `expression`", f"[frames, {count}], space `{about['space']}`"),
            ("output `expression_sd`", "one standard deviation of each; ± 1.2816 of them is the 80 % band"),
            ("output `features`", "what a calibration weighs; zero without activity"),
        ]
    else:
        rows = [
            ("input `expression`", f"[frames, {count}], space `{about['space']}`"),
            ("output `activation`", f"[frames, 22], {activity}"),
            ("output `activation_sd`", "one standard deviation of each"),
            ("hidden channels", ", ".join(about["hidden"]) or "none"),
        ]
    rows += [
        ("head", f"{about['head']}, hash `{about['head_hash']}`"),
        ("envelope", f"{about['envelope']}, window {about['window_ms']:g} ms (preset `{about['preset']}`)"),
        ("delay and dynamics", f"{about['dynamics']} the model"),
        ("context", context),
        ("frame rate", "any" if rate is None else f"{rate:g}; others are resampled"),
    ]
    rest = {
        EMG2EXP: "No activity, or no channel, gives the neutral face exactly; lids and jaw have limits.",
        EXP2EMG: "The neutral face gives exactly zero.",
    }[kind]
    return f"## Input, output\n\n{_list(rows)}\n\n{rest}\n"


def _making(model: dict[str, object], about: dict[str, object], stored: dict[str, object]) -> str:
    rows = [
        ("command", f"`{about['training']}`"),
        ("trained on", about["data"]),
        ("seed", str(about["seed"])),
        ("file", f"{model['bytes'] / 1024:.0f} KiB, SHA-256 `{model['sha256']}`"),
        ("evaluated with", stored["versions"]),
        ("licence", about["licence"]),
    ]
    return f"## Making\n\n{_list(rows)}\n"


def _list(rows: list[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)])
