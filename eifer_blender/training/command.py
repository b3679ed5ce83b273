"""The command that trains the bundled EMG2Exp model and writes it with its card."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import EiferError


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "output",
        nargs="?",
        type=Path,
        default=Path("out/emg2exp.onnx"),
        help="the .onnx file to write, its card goes beside it as .md (out/emg2exp.onnx)",
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other data and weights")
    parser.add_argument(
        "--steps", type=int, default=6000, help="training steps; 6000 take less than a minute"
    )
    parser.add_argument("--frames", type=int, default=240_000, help="simulated frames to train on")
    parser.add_argument("--replace", action="store_true", help="overwrite existing files")


def run(args: Namespace) -> int:
    """Train a model and write it. Returns 0.

    Raises EiferError if a file is in the way, a package is missing or the export fails its check.
    """
    for path in (args.output, args.output.with_suffix(".md")):
        if path.exists() and not args.replace:
            raise EiferError(f"'{path}' exists already; choose another name or add --replace.")
    try:
        from .emg2exp import TrainingSettings
        from .job import train_model
    except ModuleNotFoundError as error:
        raise EiferError(
            f"Training needs the Python package '{error.name}'; use the training environment."
        ) from None

    train_model(args.output, TrainingSettings(seed=args.seed, steps=args.steps, frames=args.frames))
    return 0
