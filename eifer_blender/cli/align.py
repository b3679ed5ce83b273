"""The command `align`: the offset between a video's face and a recording that was made with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EiferError

if TYPE_CHECKING:
    from ..alignment import Alignment
    from ..recordings import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_inputs(parser)
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="draw both activities and the curve of all offsets"
    )
    parser.add_argument("--replace", action="store_true", help="overwrite the picture if it exists")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """What is aligned, for all commands that align."""
    parser.add_argument(
        "parameters", type=Path, help="expressions of the video: parameters or ARKit weights, CSV or NPZ"
    )
    parser.add_argument("recording", type=Path, help="sEMG that was recorded with it")
    parser.add_argument(
        "--fps", type=float, help="frames per second of the expressions; without it, as their times say"
    )
    parser.add_argument("--model", type=Path, help="Exp2EMG model; without it, the bundled one")
    parser.add_argument("--rate", type=float, help="samples per second, if the recording does not say it")
    parser.add_argument("--names", help="names of its columns, separated by commas, likewise")
    parser.add_argument(
        "--stream", action="append", metavar="NAME", help="stream of the recording; may be repeated"
    )


def open_input(args: argparse.Namespace) -> Recording:
    """The recording that the options of `add_inputs` name."""
    from ..recordings import open_recording

    names = [name.strip() for name in args.names.split(",")] if args.names else None
    return open_recording(args.recording, rate=args.rate, names=names, streams=args.stream)


def run(args: argparse.Namespace) -> int:
    """Align and print. Returns 0; raises EiferError if something is wrong, before anything is written."""
    from ..alignment import clip_traces, find_offset, recorded_traces
    from ..interchange import read_expressions

    if args.plot is not None:
        if args.plot.suffix.lower() != ".svg":
            raise EiferError(f"'{args.plot}' must end in .svg.")
        if args.plot.exists() and not args.replace:
            raise EiferError(f"'{args.plot}' exists already; choose another name or add --replace.")
    clip = read_expressions(args.parameters, fps=args.fps)
    recording = open_input(args)
    face, measured = clip_traces(clip, model=args.model), recorded_traces(recording)
    found = find_offset(face, measured)
    print_alignment(found)
    for note in (*clip.notes, *recording.notes, *found.notes):
        print(f"Note: {note}")
    if args.plot is not None:
        from ..alignment.figure import figure
        from ..drawing import LIGHT, to_svg
        from ..interchange.write import write_file

        drawing = figure(found, face, measured, float(clip.fps or 1.0), LIGHT)
        title = f"{args.parameters.name} and {args.recording.name}"
        args.plot.parent.mkdir(parents=True, exist_ok=True)
        write_file(args.plot, to_svg(drawing, title).encode(), replace=args.replace)
        print(f"The picture is in {args.plot}.")
    return 0


def print_alignment(found: Alignment) -> None:
    """The offset, how far to trust it, and every channel."""
    from ..muscles import channel_label

    print(f"Offset: {found.offset_text}, {found.grade_text}")
    print("(seconds to add to the recording's time to get the video's)")
    if found.clock.drift_ppm:
        print(
            f"Drift: {found.clock.drift_ppm:+.0f} ± {found.drift_sd_ppm:.0f} ppm; the offset is that at "
            f"{found.clock.at_s:.1f} s of the recording"
        )
        print(f"(for clips: --offset {found.clock.to_video(0.0):.4f} --drift {found.clock.drift_ppm:.1f})")
    elif found.drift_sd_ppm == found.drift_sd_ppm:
        print(f"Drift: none beyond ± {4 * found.drift_sd_ppm:.0f} ppm")
    print(found.note)
    print("| channel | offset s | r | |\n| --- | ---: | ---: | --- |")
    for channel in found.channels:
        label = channel_label(channel.channel)
        if channel.reason:
            print(f"| {label} | | | {channel.reason} |")
            continue
        verdict = "agrees" if channel.agrees else "disagrees"
        print(f"| {label} | {channel.offset_s:+.3f} | {channel.r:.2f} | {verdict} |")
