"""The command `simulate`: a data set of simulated people on disk."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `simulate`."""
    parser.add_argument("folder", type=Path, help="the folder to make")
    parser.add_argument("--subjects", type=int, default=20, metavar="N", help="how many people (20)")
    parser.add_argument(
        "--seconds", type=float, default=150.0, metavar="S", help="length of each one's session (150)"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other sessions (0)")
    parser.add_argument("--raw", action="store_true", help="also write every session as raw EDF+")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (one for each core)")
    parser.add_argument("--replace", action="store_true", help="overwrite an earlier data set")


def run(args: argparse.Namespace) -> int:
    """Write the data set and say how to train on it. Returns 0; raises EiferError where it cannot be."""
    from ..datasets.simulated import simulate

    began = time.monotonic()
    end = "\r" if sys.stdout.isatty() else "\n"

    def show(done: int, subjects: int) -> None:
        left = (time.monotonic() - began) / done * (subjects - done)
        print(f"{done} of {subjects} subjects, {left:.0f} s left", end=end, flush=True)

    simulate(
        args.folder,
        subjects=args.subjects,
        seconds=args.seconds,
        seed=args.seed,
        raw=args.raw,
        jobs=args.jobs,
        replace=args.replace,
        progress=show,
    )
    print(f"\nThe data set is in {args.folder}. To train on it:")
    print(f'python -m eifer_blender train emg2exp --data "{args.folder}"')
    return 0
