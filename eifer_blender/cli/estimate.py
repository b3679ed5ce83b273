"""Muscle activity from expressions, without a window: of a file of another program, or of a .blend."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import EiferError

if TYPE_CHECKING:
    from ..estimation import Estimate
    from ..interchange import ExpressionClip

_TABLES = (".csv", ".csv.gz")


class _Made(NamedTuple):
    estimate: Estimate
    source: str  # what it was made from, for people
    notes: tuple[str, ...]
    clip: ExpressionClip | None = None  # of a table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "input", type=Path, help="CSV of expressions (Live Link Face, ARKit, parameters), or a .blend"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="table of 22 columns (.csv), or EDF+ with the uncertainty (.edf)",
    )
    parser.add_argument("--replace", action="store_true", help="overwrite the output if it exists")
    parser.add_argument(
        "--fps", type=float, help="frames per second of a table; without it, as its times say"
    )
    parser.add_argument("--model", type=Path, help="Exp2EMG model; without it, the bundled one")
    parser.add_argument(
        "--include-hidden",
        action="store_true",
        help="also guess the muscles that a face does not show",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="also print how each muscle follows the ARKit shape that it moves most like",
    )
    parser.add_argument("--head", help="name of the head's object in a .blend; without it, its only head")


def run(args: argparse.Namespace) -> int:
    """Estimate and write. Returns 0; raises EiferError before anything is written if something is wrong."""
    from ..interchange import write_activity_csv, write_activity_edf

    ending = args.output.suffix.lower()
    if ending not in (".csv", ".edf"):
        raise EiferError(f"'{args.output}' must end in .csv or .edf.")
    if args.output.exists() and not args.replace:
        raise EiferError(f"'{args.output}' exists already; choose another name or add --replace.")
    if not args.input.is_file():
        raise EiferError(f"There is no file '{args.input}'; check the path.")
    made = _from_blend(args) if args.input.suffix.lower() == ".blend" else _from_table(args)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    found = made.estimate
    if ending == ".csv":
        write_activity_csv(args.output, found, replace=args.replace)
    else:
        write_activity_edf(args.output, found.values, found.fps, sd=found.sd, replace=args.replace)
    for note in made.notes:
        print(f"Note: {note}")
    count, told = len(found.values), int(found.told.sum())
    print(
        f"{args.output}: {told} channels of muscle activity in {count} frames, {found.fps:g} a second, "
        f"from {made.source}"
    )
    if args.follow:
        _print_following(made)
    return 0


def _print_following(made: _Made) -> None:
    """The shape that each channel's activity correlates with most, Pearson's r over all frames."""
    import numpy as np

    from ..datasets.methods import ARKIT_52
    from ..muscles import CHANNELS, channel_label

    if made.clip is None or made.clip.space != ARKIT_52:
        raise EiferError("--follow needs a table of ARKit weights.")
    weights = np.clip(made.clip.values.astype(float), 0.0, 1.0)
    moving = np.flatnonzero(np.ptp(weights, axis=0) > 0)
    print("| muscle | shape | r |\n| --- | --- | ---: |")
    for k in np.flatnonzero(made.estimate.told):
        values = made.estimate.values[:, k].astype(float)
        if not np.ptp(values):
            continue
        r = np.corrcoef(np.column_stack([values, weights[:, moving]]), rowvar=False)[0, 1:]
        best = int(np.nanargmax(r))
        print(f"| {channel_label(CHANNELS[k])} | {made.clip.space.names[moving[best]]} | {r[best]:.2f} |")


def _from_table(args: argparse.Namespace) -> _Made:
    from .. import mapping
    from ..estimation import estimate
    from ..heads.default import load_default_head
    from ..interchange import read_expressions, to_head

    clip = read_expressions(args.input, fps=args.fps)
    if clip.fps is None:
        raise EiferError(f"'{args.input.name}' does not say its frame rate; add --fps.")
    metadata = None if args.model is None else mapping.read_metadata(args.model, kind=mapping.EXP2EMG)
    if metadata is not None and metadata.space == clip.space.id != load_default_head().space:
        model = mapping.load_model(args.model, space=clip.space.id, kind=mapping.EXP2EMG)
        parameters, notes = clip.values, clip.notes
    else:
        head = load_default_head()
        model = mapping.load_model(args.model, head=head, kind=mapping.EXP2EMG)
        parameters, notes = to_head(clip, head)
    found = estimate(model, parameters, clip.fps, include_hidden=args.include_hidden)
    return _Made(found, f"'{args.input.name}' ({clip.format})", (*notes, *found.notes), clip)


def _from_blend(args: argparse.Namespace) -> _Made:
    if args.fps is not None:
        raise EiferError("A .blend has its own frame rate; leave out --fps.")
    import bpy

    from ..blender import estimating, performance, register
    from .bake import choose_head
    from .outputs import open_blend

    register()
    open_blend(args.input)
    scene = bpy.context.scene
    head = choose_head(scene, args.head, add=False)
    activity = scene.eifer.activity
    activity.include_hidden |= args.include_hidden
    if args.model is not None:
        activity.model = str(args.model.resolve())
    plan = estimating.prepare(scene)
    played = performance.sample(head, scene, plan.sampled)
    found = estimating.compute(plan, played, lambda share, text: None)
    source = f"'{head.name}', frames {plan.frames[0]} to {plan.frames[-1]}"
    return _Made(found, source, (*played.notes, *found.notes))
