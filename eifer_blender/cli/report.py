"""The report of a take, without a window: of a .blend, a recording, or a table of expressions."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import EiferError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("input", type=Path, help=".blend, recording, or table of expressions (.csv)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="page to write (.html)")
    parser.add_argument("--replace", action="store_true", help="overwrite the output if it exists")
    parser.add_argument("--head", help="name of the head's object in a .blend; without it, its only head")
    parser.add_argument("--fps", type=float, default=None, help="frames per second of the take (30)")
    parser.add_argument(
        "--no-pictures",
        dest="pictures",
        action="store_false",
        help="leave out the head, which takes seconds to render",
    )


def run(args: argparse.Namespace) -> int:
    """Estimate what is not there yet, and write the page. Returns 0; raises EiferError."""
    if args.output.suffix.lower() != ".html":
        raise EiferError(f"'{args.output}' must end in .html.")
    if args.output.exists() and not args.replace:
        raise EiferError(f"'{args.output}' exists already; choose another name or add --replace.")
    if not args.input.is_file():
        raise EiferError(f"There is no file '{args.input}'; check the path.")
    if args.fps is not None and not 1 <= args.fps <= 1000:
        raise EiferError("--fps must be from 1 to 1000.")
    from .. import report
    from ..blender import register, session
    from ..blender import report as gathering

    register()
    scene = _open_blend(args) if args.input.suffix.lower() == ".blend" else _open_new(args)
    data = gathering.gather(scene, pictures=args.pictures)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    head = session.parametric_head(scene.eifer.head)
    report.write_report(args.output, data, head, replace=args.replace)
    print(f"{args.output}: {data.strips.frames} frames, {len(data.peaks)} peaks")
    return 0


def _open_blend(args: argparse.Namespace) -> object:
    """The scene of a file, its head estimated if nobody has done so."""
    import bpy

    from ..blender import estimates
    from .bake import choose_head
    from .outputs import open_blend

    if args.fps is not None:
        raise EiferError("A .blend has its own frame rate; leave out --fps.")
    open_blend(args.input)
    scene = bpy.context.scene
    head = choose_head(scene, args.head, add=False)
    if estimates.read(head) is None:
        _estimate(scene)
    return scene


def _open_new(args: argparse.Namespace) -> object:
    """A new scene with the recording, or the expressions, on the default head."""
    import bpy

    from ..blender import bake, session, sources, work
    from .bake import choose_head

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    fps = 30.0 if args.fps is None else args.fps
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps
    head = choose_head(scene, None, add=True)
    path = str(args.input.resolve())
    if _is_expressions(args.input):
        job = work.expression_work(scene, path, None)
    else:
        session.open_into(scene, path, sources.OpenOptions())
        job = work.bake_work(scene)
    take, keys, error = job.compute(lambda share, text: None)
    baked = bake.bake_take(head, take, keys=keys, error_mm=error, **job.options)
    work.after_bake(scene, head, baked)
    scene.frame_start, scene.frame_end = baked.start_frame, baked.start_frame + baked.frames - 1
    _estimate(scene)
    return scene


def _is_expressions(path: Path) -> bool:
    """Whether a table holds expressions; anything else is taken for a recording, whose reader says more."""
    from ..interchange import read_expressions

    if not path.name.lower().endswith((".csv", ".csv.gz")):
        return False
    try:
        read_expressions(path)
    except EiferError:
        return False
    return True


def _estimate(scene: object) -> None:
    """Key the estimate of all that plays."""
    from ..blender import estimating, performance

    plan = estimating.prepare(scene)
    played = performance.sample(plan.head, scene, plan.sampled)
    for note in estimating.finish(scene, plan, played, estimating.compute(plan, played, lambda *_: None)):
        print(f"Note: {note}")
