"""The command that writes simulated people: a data set to train on, or recordings to open."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import EiferError


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/simulated"), help="(out/simulated)")
    parser.add_argument("--subjects", type=int, default=8, help="number of people (8)")
    parser.add_argument("--first", type=int, default=0, help="number of the first; models train on 0 to 9999")
    parser.add_argument("--seconds", type=float, default=150.0, help="length of each session (150)")
    parser.add_argument("--seed", type=int, default=1, help="another seed: the same people, other sessions")
    parser.add_argument(
        "--raw",
        nargs="?",
        const="bipolar",
        choices=("bipolar", "electrodes", "kuramoto"),
        help="instead of a data set: raw sEMG as EDF+, to open in Blender (bipolar pairs, their single "
        "electrodes, or the Kuramoto positions)",
    )
    parser.add_argument("--rate", type=float, default=1000.0, help="of raw sEMG, Hz (1000)")


def run(args: Namespace) -> int:
    """Write a folder. Returns 0; EiferError if it exists already or a number makes no sense."""
    from ..datasets import simulated

    if args.raw:
        return _write_raw(args)
    count = simulated.simulate(
        args.folder, subjects=args.subjects, seconds=args.seconds, seed=args.seed, first=args.first
    )
    print(f"Wrote {count} clips of {args.subjects} simulated people to {args.folder}.")
    return 0


def _write_raw(args: Namespace) -> int:
    from ..simulation.laboratory import write_session
    from ..simulation.population import make_subject

    if args.folder.exists():
        raise EiferError(f"'{args.folder}' exists already; choose another folder.")
    args.folder.mkdir(parents=True)
    for number in range(args.first, args.first + args.subjects):
        subject = make_subject(number)
        path = args.folder / f"{subject.name}.edf"
        write_session(path, subject, seconds=args.seconds, seed=args.seed, montage=args.raw, rate=args.rate)
        print(f"Wrote {path}.")
    return 0
