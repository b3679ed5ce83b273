"""Arguments, and the way from a bare Python into the environment that a command needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import EiferError
from . import environments


@dataclass(frozen=True)
class Command:
    """One sub-command; `environment` is None where the standard library is enough."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    environment: str | None = "blender-4.5"


def run(arguments: Sequence[str]) -> int:
    """Run one command. Returns the exit code; prints errors for users without a traceback."""
    args = _parser().parse_args(arguments)
    command: Command = args.command
    try:
        environment = environments.ENVIRONMENTS.get(command.environment or "")
        if environment is None or args.here or environments.is_current(environment):
            return command.run(args)
        return environments.run_in(environment, arguments)
    except EiferError as error:
        print(f"eifer {command.name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eifer_blender",
        description="Facial muscle recordings drive a face in Blender. Each command makes the environment it "
        "needs the first time, in your cache folder (or in EIFER_CACHE).",
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="use the running Python as it is instead of an environment of its own",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(one)
        one.set_defaults(command=command)
    return parser


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recording", nargs="?", type=Path, help="recording with named channels; without it, the sample"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="folder for the results; without it out/demo, whose earlier results are replaced",
    )
    parser.add_argument("--fps", type=int, default=24, help="frames per second of the scene (24)")
    parser.add_argument("--replace", action="store_true", help="overwrite results of an earlier run")


def _demo(args: argparse.Namespace) -> int:
    from . import demo

    return demo.run(
        args.output or Path("out/demo"),
        recording=args.recording,
        fps=args.fps,
        replace=args.replace or args.output is None,
    )


def _bake_arguments(parser: argparse.ArgumentParser) -> None:
    from . import bake

    bake.add_arguments(parser)


def _bake(args: argparse.Namespace) -> int:
    from . import bake

    return bake.run(args)


def _batch_arguments(parser: argparse.ArgumentParser) -> None:
    from . import batch

    batch.add_arguments(parser)


def _batch(args: argparse.Namespace) -> int:
    from . import batch

    return batch.run(args)


def _estimate_arguments(parser: argparse.ArgumentParser) -> None:
    from . import estimate

    estimate.add_arguments(parser)


def _estimate(args: argparse.Namespace) -> int:
    from . import estimate

    return estimate.run(args)


def _reconstruct_arguments(parser: argparse.ArgumentParser) -> None:
    from . import reconstruct

    reconstruct.add_arguments(parser)


def _reconstruct(args: argparse.Namespace) -> int:
    from . import reconstruct

    return reconstruct.run(args)


def _align_arguments(parser: argparse.ArgumentParser) -> None:
    from . import align

    align.add_arguments(parser)


def _align(args: argparse.Namespace) -> int:
    from . import align

    return align.run(args)


def _align_table_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=12, metavar="N", help="how many held-out people (12)")
    parser.add_argument("--long", type=int, default=3, metavar="N", help="how many for the drift (3)")


def _align_table(args: argparse.Namespace) -> int:
    from . import align_table

    return align_table.run(args)


def _clips_arguments(parser: argparse.ArgumentParser) -> None:
    from . import clips

    clips.add_arguments(parser)


def _clips(args: argparse.Namespace) -> int:
    from . import clips

    return clips.run(args)


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    from . import report

    report.add_arguments(parser)


def _report(args: argparse.Namespace) -> int:
    from . import report

    return report.run(args)


def _bench(_args: argparse.Namespace) -> int:
    from . import bench

    return bench.run()


def _sheet_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "output", nargs="?", type=Path, default=Path("out/sheet.png"), help="picture to write"
    )
    parser.add_argument(
        "--simulated",
        type=Path,
        metavar="FOLDER",
        help="instead, pictures of simulated takes: raw sEMG under the faces it belongs to",
    )


def _sheet(args: argparse.Namespace) -> int:
    from . import sheet, simulated_pictures

    if args.simulated:
        written = simulated_pictures.write_pictures(args.simulated)
    else:
        sheet.make_sheet(args.output)
        written = [args.output]
    print("\n".join(map(str, written)))
    return 0


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    from . import simulate

    simulate.add_arguments(parser)


def _simulate(args: argparse.Namespace) -> int:
    from . import simulate

    return simulate.run(args)


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    from ..training.command import add_arguments

    add_arguments(parser)


def _train(args: argparse.Namespace) -> int:
    from ..training.command import run

    return run(args)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    from ..training.command import add_export_arguments

    add_export_arguments(parser)


def _export(args: argparse.Namespace) -> int:
    from ..training.command import run_export

    return run_export(args)


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    from ..training.evaluate import add_arguments

    add_arguments(parser)


def _evaluate(args: argparse.Namespace) -> int:
    from ..training.evaluate import run

    return run(args)


def _head_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "output",
        nargs="?",
        type=Path,
        default=Path("models"),
        help="folder for head and card (models)",
    )


def _head(args: argparse.Namespace) -> int:
    from ..heads.build import build_default_head
    from .wheels import head_source

    build_default_head(head_source(), args.output)
    print(f"The default head and its card are in {args.output}.")
    return 0


def _build_arguments(parser: argparse.ArgumentParser) -> None:
    from .wheels import PLATFORMS

    which = parser.add_mutually_exclusive_group()
    which.add_argument("--platform", choices=list(PLATFORMS), help="instead of this machine's")
    which.add_argument("--all", action="store_true", help="one zip for each platform")
    parser.add_argument(
        "--test-cp314",
        action="store_true",
        help="bring wheels for Python 3.14 too, for a test in Debian's newest Blender (Linux)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=environments.CHECKOUT / "dist", help="folder for the zips (dist)"
    )


def _build(args: argparse.Namespace) -> int:
    from . import build
    from .wheels import PLATFORMS, PYTHONS, TEST_PYTHON, this_platform

    platforms = list(PLATFORMS) if args.all else [args.platform or this_platform()]
    build.run(platforms, args.output, (*PYTHONS, TEST_PYTHON) if args.test_cp314 else PYTHONS)
    return 0


def _test_arguments(parser: argparse.ArgumentParser) -> None:
    from . import test

    test.add_arguments(parser)


def _test(args: argparse.Namespace) -> int:
    from . import test

    return test.run(args)


def _window_arguments(parser: argparse.ArgumentParser) -> None:
    from . import window

    window.add_arguments(parser)


def _window(args: argparse.Namespace) -> int:
    from . import window

    return window.run(args)


def _no_arguments(_parser: argparse.ArgumentParser) -> None:
    pass


COMMANDS = (
    Command("demo", "Animate the default head with a recording: .blend, video, contact sheet, table.",
            _demo_arguments, _demo),
    Command("bake", "Bake a recording onto a head and save the .blend, without a window.",
            _bake_arguments, _bake),
    Command("batch", "Bake a folder of recordings or expressions, several at once, in any format.",
            _batch_arguments, _batch),
    Command("estimate", "Estimate muscle activity from expressions: a table, or the animation of a .blend.",
            _estimate_arguments, _estimate),
    Command("reconstruct", "Read a face's expressions from a video, under electrodes too; and remove these.",
            _reconstruct_arguments, _reconstruct),
    Command("align", "Find the offset between a video's expressions and a recording, without a trigger.",
            _align_arguments, _align),
    Command("align-table", "Measure on simulated people how well offsets are found, and print the table.",
            _align_table_arguments, _align_table),
    Command("clips", "Cut an aligned video and recording into clips to train on, in the layout of MMM.",
            _clips_arguments, _clips),
    Command("report", "Write a page about a take: faces, maps, strips, agreement, left and right.",
            _report_arguments, _report),
    Command("test", "Run the linter and the tests; see --blender for more than one Blender version.",
            _test_arguments, _test, None),
    Command("build", "Build the extension as installable zips.", _build_arguments, _build),
    Command("window", "Run the extension in a real Blender window (Debian, as root) and save screenshots.",
            _window_arguments, _window, None),
    Command("bench", "Time the jobs people wait for and print a table.", _no_arguments, _bench),
    Command("sheet", "Render the neutral face, movements and emotions of the default head to one picture.",
            _sheet_arguments, _sheet),
    Command("simulate", "Write simulated people: a data set to train on, or raw recordings to open.",
            _simulate_arguments, _simulate),
    Command("train", "Train a model on a data set, or on a simulated population.",
            _train_arguments, _train, "train"),
    Command("export", "Write the model of a finished training's checkpoint again.",
            _export_arguments, _export, "train"),
    Command("evaluate", "Score a pair of models on subjects never trained on; tables, cards.",
            _evaluate_arguments, _evaluate, "train"),
    Command("head", "Build the default head from its source data.", _head_arguments, _head),
)  # fmt: skip
