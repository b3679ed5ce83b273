"""The commands `train` and `export`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import EiferError

KINDS = ("emg2exp", "exp2emg")
PHASE1 = "phase1"
STEPS = {"emg2exp": 30_000, "exp2emg": 8_000}
"""Training steps of the bundled models."""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of `train`."""
    parser.add_argument(
        "kind",
        choices=(*KINDS, PHASE1),
        help="muscle activity to expression, the way back, or faces under electrodes (phase1)",
    )
    parser.add_argument(
        "output", nargs="?", type=Path, help="the .onnx file to write (out/KIND.onnx); of phase1 a folder"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="data set in the layout of MMM; without it a simulated population",
    )
    parser.add_argument(
        "--method", help="whose expression parameters: EIFER, SMIRK, DECA, ... (the only one)"
    )
    parser.add_argument(
        "--split",
        default="auto",
        choices=("auto", "subject", "block", "task", "clip"),
        help="what is kept apart for validation (auto: subjects, or blocks of a single subject)",
    )
    parser.add_argument("--causal", action="store_true", help="see no later frames, for live use")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other weights")
    parser.add_argument("--steps", type=int, help="training steps (30000 and 8000)")
    parser.add_argument(
        "--size", type=int, choices=(64, 128), default=128, help="pixels a side of phase1's pictures (128)"
    )
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted training stopped")
    parser.add_argument("--replace", action="store_true", help="overwrite existing files")


def run(args: Namespace) -> int:
    """Train a model and write it, with its checkpoint and log beside it. Returns 0.

    Raises EiferError if a file is in the way, a package is missing or the data cannot be used.
    """
    if args.kind == PHASE1:
        return _run_phase1(args)
    output = args.output or Path(f"out/{args.kind}.onnx")
    if output.suffix != ".onnx":
        raise EiferError(f"The model is an ONNX file; call it '{output.with_suffix('.onnx').name}'.")
    for path in (output.with_suffix(suffix) for suffix in (".onnx", ".pt", ".csv", ".svg")):
        if path.exists() and not (args.replace or args.resume):
            more = " or, to go on with that training, --resume" if path.suffix == ".pt" else ""
            raise EiferError(f"'{path}' exists already; choose another name or add --replace{more}.")
    if args.steps is not None and args.steps < 1:
        raise EiferError("Training needs at least one step.")
    with _packages():
        from .job import train_model

        train_model(
            output,
            args.kind,
            data=args.data,
            method=args.method,
            split_by=args.split,
            causal=args.causal,
            seed=args.seed,
            steps=args.steps or STEPS[args.kind],
            resume=args.resume,
        )
    return 0


def _run_phase1(args: Namespace) -> int:
    """Train the networks of Phase 1 into a folder."""
    folder = args.output or Path("out/phase1")
    if folder.exists() and not folder.is_dir():
        raise EiferError(f"'{folder}' is a file; phase1 needs a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not args.resume:
        raise EiferError(
            f"'{folder}' is not empty; choose another folder or, to go on with its training, add --resume."
        )
    with _packages():
        from ..cli.environments import cache_folder
        from .phase1 import job

        plan = job.plan_for(args.size, args.seed, args.steps)
        command = f"python3 -m eifer_blender train phase1 {folder.name} --size {args.size} --seed {args.seed}"
        job.train(folder, cache_folder() / "faces", plan, command)
    return 0


def add_export_arguments(parser: ArgumentParser) -> None:
    """Options of `export`."""
    parser.add_argument("checkpoint", type=Path, help="the .pt file that a training left")
    parser.add_argument("output", type=Path, help="the .onnx file to write")
    parser.add_argument("--replace", action="store_true", help="overwrite an existing file")


def run_export(args: Namespace) -> int:
    """Write the model of a finished training's checkpoint again. Returns 0.

    Raises EiferError if a file is in the way or the checkpoint cannot be used.
    """
    if args.output.exists() and not args.replace:
        raise EiferError(f"'{args.output}' exists already; choose another name or add --replace.")
    with _packages():
        from .job import export_checkpoint

        export_checkpoint(args.checkpoint, args.output)
    return 0


@contextmanager
def _packages() -> Iterator[None]:
    """A missing package as one sentence."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EiferError(
            f"Training needs the Python package '{error.name}'; use the training environment."
        ) from None
