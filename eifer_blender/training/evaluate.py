"""The command that scores a pair of models, prints the tables, stores them and writes the cards."""

from __future__ import annotations

import hashlib
import json
import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..assets import model_file
from ..errors import EiferError
from . import cards
from .tables import Table, to_json, to_markdown

if TYPE_CHECKING:  # a bare Python can list the commands
    import numpy as np

    from ..mapping import MappingModel
    from .methods import Activity, Models

KINDS = (cards.EMG2EXP, cards.EXP2EMG)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    for kind in KINDS:
        parser.add_argument(
            f"--{kind}", type=Path, metavar="FILE", help="an .onnx file instead of the bundled model"
        )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("out/evaluation.json"),
        help="file for the result (out/evaluation.json)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="score on the test part of a data set like MMM",
    )
    parser.add_argument("--method", help="whose expression parameters of it: EIFER, SMIRK, DECA, ...")
    parser.add_argument("--split", default="auto", help="as it was for the training (auto)")
    parser.add_argument("--cards", action="store_true", help="write the models' cards beside the result")
    parser.add_argument("--quick", action="store_true", help="a few subjects only: to see that it works")
    parser.add_argument("--replace", action="store_true", help="overwrite existing files")


def run(args: Namespace) -> int:
    """Evaluate, print, store. Returns 0.

    Raises EiferError if a file is in the way, a model does not fit or a package is missing.
    """
    written = [args.output, *(args.output.with_name(f"{k}.md") for k in KINDS if args.cards)]
    for path in written:
        if path.exists() and not args.replace:
            raise EiferError(f"'{path}' exists already; choose another place or add --replace.")
    if args.data and args.cards:
        raise EiferError("A card is about the simulated population; leave --cards or --data out.")
    try:
        tables, models, files = _on_data(args) if args.data else _on_population(args)
    except ModuleNotFoundError as error:
        raise EiferError(
            f"The evaluation needs the Python package '{error.name}'; use the training environment."
        ) from None
    for table in tables:
        print("\n" + to_markdown(table), end="")
    stored = _stored(models, files, tables, _command(args))
    _write(args.output, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    if args.cards:
        for kind in KINDS:
            _write(args.output.with_name(f"{kind}.md"), cards.card(kind, stored))
    print("Wrote " + ", ".join(str(path) for path in written))
    return 0


def _on_population(args: Namespace) -> tuple[list[Table], dict[str, MappingModel], dict[str, Path]]:
    """Tables of both models on held-out simulated subjects."""
    from .. import mapping
    from ..heads.default import load_default_head
    from . import plan, report

    head = load_default_head()
    files = {kind: getattr(args, kind) or model_file(f"{kind}.onnx") for kind in KINDS}
    models = {kind: mapping.load_model(path, head=head, kind=kind) for kind, path in files.items()}
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {what}", flush=True)

    tables = report.evaluate(head, _functions(models), plan.QUICK if args.quick else plan.Plan(), say)
    say("Done.")
    return tables, models, files


def _on_data(args: Namespace) -> tuple[list[Table], dict[str, MappingModel], dict[str, Path]]:
    """Tables of the given models (none given: the bundled ones) on a data set of one's own."""
    from .. import mapping
    from ..datasets.mmm import read_dataset
    from .recorded import evaluate_recorded

    given = {kind: getattr(args, kind) for kind in KINDS if getattr(args, kind)}
    files = given or {kind: model_file(f"{kind}.onnx") for kind in KINDS}
    dataset = read_dataset(args.data, args.method)
    for note in dataset.notes:
        print(note)
    models = {
        kind: mapping.load_model(path, space=dataset.space.id, kind=kind) for kind, path in files.items()
    }
    tables, sentence = evaluate_recorded(dataset, _functions(models), args.split)
    print(sentence)
    if dataset.simulation:
        print(
            "Models of simulated people learn from all but the validation part; leave --data out to be fair."
        )
    return tables, models, files


def _functions(models: dict[str, MappingModel]) -> Models:
    from .. import mapping
    from .assess import Faces
    from .methods import Activity, Models

    to_face, to_activity = (models.get(kind) for kind in KINDS)

    def faces(activation: np.ndarray, present: np.ndarray, rate: float) -> Faces:
        found = mapping.emg_to_expression(to_face, activation, present, rate)
        return Faces(found.values, _known(found.sd), found.features)

    def activity(expression: np.ndarray, rate: float) -> Activity:
        found = mapping.expression_to_emg(to_activity, expression, rate)
        return Activity(found.values, _known(found.sd))

    return Models(
        faces if to_face else None,
        activity if to_activity else None,
        to_activity.metadata.hidden if to_activity else (),
    )


def _known(sd: np.ndarray) -> np.ndarray | None:
    """None for the NaN of a model that says nothing about its uncertainty."""
    return sd if bool((sd == sd).all()) else None


def _stored(
    models: dict[str, MappingModel], files: dict[str, Path], tables: list[Table], command: str
) -> dict[str, object]:
    from importlib.metadata import version

    from ..simulation.protocol import protocol_hash

    described = {}
    for kind, model in models.items():
        data = files[kind].read_bytes()
        described[kind] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "metadata": json.loads(json.dumps(asdict(model.metadata))),
        }
    return {
        "format": cards.FORMAT,
        "command": command,
        "versions": ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "onnxruntime")),
        "protocol": protocol_hash(),
        "models": described,
        "tables": [to_json(table) for table in tables],
    }


def _command(args: Namespace) -> str:
    chosen = "".join(f" --{kind} {getattr(args, kind).as_posix()}" for kind in KINDS if getattr(args, kind))
    method = f" --method {args.method}" if args.method else ""
    split = f" --split {args.split}" if args.split != "auto" else ""
    data = f" --data FOLDER{method}{split}" if args.data else ""
    quick = " --quick" if args.quick else ""
    return f"python3 -m eifer_blender evaluate{chosen}{data}{quick}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)
