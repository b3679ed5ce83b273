"""Clips to train on from a video's expressions and a recording, without a window."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EiferError
from .align import add_inputs, open_input

if TYPE_CHECKING:
    from ..alignment import ClockMap
    from ..interchange import ExpressionClip
    from ..recordings.types import Recording
    from ..training_clips import Cut, Made

_MANUAL = "manual"  # sync_grade of an offset that a person stated
_FEW_CLIPS = 3  # that a data set needs at least to be split for training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_inputs(parser)
    parser.add_argument("folder", type=Path, help="data set to make, or with --append to add to")
    parser.add_argument(
        "--person", required=True, metavar="CODE", help="pseudonym: letters and digits, no real name"
    )
    parser.add_argument(
        "--session", type=int, default=1, metavar="N", help="number of the person's session (1)"
    )
    parser.add_argument("--append", action="store_true", help="add the session to a data set")
    time = parser.add_argument_group("time", "without --offset the two are aligned, as by `align`")
    time.add_argument(
        "--offset", type=float, metavar="S", help="what to add to recording time to get video time"
    )
    time.add_argument(
        "--drift", type=float, default=0.0, metavar="PPM",
        help="by how much the video's clock gains on the recording's, counted from its second 0 (0)",
    )  # fmt: skip
    cut = parser.add_argument_group("what becomes a clip", "without these, all that both have is one clip")
    cut.add_argument("--by-marks", action="store_true", help="a clip for each mark of the recording")
    cut.add_argument(
        "--marks", action="append", default=[], metavar="TEXT",
        help="a clip for each mark that says this; may be repeated",
    )  # fmt: skip
    cut.add_argument(
        "--range", action="append", nargs=3, default=[], dest="ranges", metavar=("FROM", "TO", "TASK"),
        help="a clip of these seconds of the video; may be repeated",
    )  # fmt: skip
    cut.add_argument(
        "--confidence", type=float, metavar="C", help="frames below it count as without a face (0.5)"
    )
    parser.add_argument(
        "--video", type=Path, help="video file to copy into the data set; without it, none is"
    )
    parser.add_argument("--source", default="recorded", metavar="WORD", help="the index's source (recorded)")
    parser.add_argument(
        "--method", help="that made the parameters, where their file does not tell (SMIRK, ...)"
    )


def run(args: argparse.Namespace) -> int:
    """Align if need be, cut and write. Returns 0; raises EiferError before anything is written."""
    from ..alignment import CONFIDENT
    from ..datasets.append import write_session
    from ..interchange import read_expressions
    from ..training_clips import make_clips

    _check(args)
    face = read_expressions(args.parameters, fps=args.fps)
    recording = open_input(args)
    clock, grade, facts = _clock(args, face, recording)
    made = make_clips(
        face,
        recording,
        clock,
        _cuts(args, recording, clock),
        person=args.person,
        block=args.session,
        grade=grade,
        method=args.method,
        confident=CONFIDENT if args.confidence is None else args.confidence,
    )
    facts |= {"recording_sha256": recording.sha256}
    write_session(
        args.folder, made.clips, method=made.method.name, source=args.source, facts=facts, video=args.video,
        append=args.append,
    )  # fmt: skip
    for note in (*face.notes, *recording.notes, *made.notes):
        print(f"Note: {note}")
    _print_clips(args.folder, made)
    return 0


def _check(args: argparse.Namespace) -> None:
    for path in (args.parameters, args.recording, args.video):
        if path is not None and not path.is_file():
            raise EiferError(f"There is no file '{path}'; check the path.")
    if bool(args.by_marks) + bool(args.marks) + bool(args.ranges) > 1:
        raise EiferError("Choose one of --by-marks, --marks and --range.")
    if args.drift and args.offset is None:
        raise EiferError("--drift goes with --offset; without it, both are found.")
    if abs(args.drift) > 5000:
        raise EiferError("Clocks do not drift apart by more than 5000 ppm; give the drift in millionths.")
    if args.folder.exists() and any(args.folder.iterdir() if args.folder.is_dir() else [args.folder]):
        if not args.append:
            raise EiferError(
                f"'{args.folder}' exists already; choose another name, or --append to add to it."
            )
    elif args.append:
        raise EiferError(f"There is no data set '{args.folder}' to add to; leave out --append to make it.")


def _clock(
    args: argparse.Namespace, face: ExpressionClip, recording: Recording
) -> tuple[ClockMap, str, dict[str, object]]:
    """(clock, grade, how it was found); EiferError if an offset that was found is not to be trusted."""
    from ..alignment import ClockMap, align_clip

    if args.offset is not None:
        clock = ClockMap(args.offset, args.drift)
        return clock, _MANUAL, {"sync_grade": _MANUAL, **_told(clock)}
    found = align_clip(face, recording, model=args.model)
    for note in found.notes:
        print(f"Note: {note}")
    if not found.trusted:
        raise EiferError(
            f"{found.note} Nothing was written; if the offset is right all the same, look at it with `align "
            f"--plot` and repeat this with --offset {found.clock.to_video(0.0):.3f}."
        )
    print(f"Offset: {found.offset_text}, {found.grade_text}. {found.note}")
    facts = {"sync_grade": found.grade, **_told(found.clock), "uncertainty_s": round(found.uncertainty_s, 4)}
    return found.clock, found.grade, facts


def _told(clock: ClockMap) -> dict[str, object]:
    return {"offset_s": clock.offset_s, "drift_ppm": clock.drift_ppm, "at_s": clock.at_s}


def _cuts(args: argparse.Namespace, recording: Recording, clock: ClockMap) -> tuple[Cut, ...]:
    from ..training_clips import Cut, cuts_of_marks, task_of

    if args.by_marks or args.marks:
        return cuts_of_marks(recording, clock, args.marks)
    cuts = []
    for begin, end, text in args.ranges:
        try:
            start, stop = float(begin), float(end)
        except ValueError:
            raise EiferError(
                f"--range needs two numbers of seconds and a task, not '{begin} {end}'."
            ) from None
        if not 0 <= start < stop < float("inf"):
            raise EiferError(f"The range from {start:g} to {stop:g} s is empty or before the video.")
        mode, task = task_of(text)
        cuts.append(Cut(start, stop, task, mode))
    return tuple(cuts)


def _print_clips(folder: Path, made: Made) -> None:
    import numpy as np

    from ..datasets.mmm import RATE

    print("| clip | seconds | channels | without a face |\n| --- | ---: | ---: | ---: |")
    for clip in made.clips:
        channels = int(np.isfinite(clip.envelope).any(0).sum())
        lost = 100 * float(np.isnan(clip.parameters).any(1).mean())
        print(f"| {clip.clip_id} | {len(clip.envelope) / RATE:.1f} | {channels} | {lost:.1f} % |")
    print(f"{folder}: {len(made.clips)} clips of {made.method.name}")
    if len(made.clips) < _FEW_CLIPS:
        print("Note: Training needs at least three clips in all; cut by marks or ranges, or add sessions.")
