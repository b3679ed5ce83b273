"""Bake a recording onto a head without a window: what the panel's button does, for scripts and batches."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import EiferError
from .outputs import open_blend, save_blend, silent, write_table

ENDINGS = {
    ".blend": "BLEND",
    ".fbx": "FBX",
    ".glb": "GLB",
    ".gltf": "GLTF",
    ".usdc": "USD",
    ".abc": "ABC",
    ".face.csv": "LIVE_LINK_FACE",
    ".npz": "PARAMETERS_NPZ",
}
"""What is written, by the ending of a file's name; `.face.csv` is for Live Link Face."""

_EXPRESSIONS = (".csv", ".csv.gz", ".tsv", ".txt", ".npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; what is left out is as in the panel."""
    parser.add_argument("recording", type=Path, help="recording, or file of expressions, to bake")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        default=[],
        help=f"file to write, of the kind that its ending says ({', '.join(ENDINGS)}); may be repeated",
    )
    parser.add_argument("--csv", type=Path, help="also write the expression parameters to this table")
    add_settings(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Options that are the same for one recording and for a batch."""
    parser.add_argument("--replace", action="store_true", help="overwrite outputs that exist")
    parser.add_argument(
        "--blend", type=Path, help=".blend to start from, or a FLAME file; without it, the default head"
    )
    parser.add_argument("--head", help="name of the head's object; without it, the file's only head")
    parser.add_argument("--take", default="", help="name of the take; without it, the recording's")
    parser.add_argument("--fps", type=float, help="frames per second; without it the file's, or 24")
    parser.add_argument("--start", type=int, default=1, help="first frame of the take (1)")
    parser.add_argument("--offset", type=float, default=0.0, help="second of the recording at that frame (0)")
    parser.add_argument("--gain", type=float, default=1.0, help="factor on the activity (1)")
    parser.add_argument("--smoothing", type=float, default=0.0, metavar="MS", help="smoothing over time (0)")
    parser.add_argument("--tolerance", type=float, metavar="MM", help="as few keys as this error allows")
    parser.add_argument("--preset", choices=("Animation", "MMM"), default="Animation", help="signal chain")
    parser.add_argument("--model", type=Path, help="EMG2Exp model; without it, the bundled one")
    parser.add_argument("--calibration", type=Path, help="calibration saved in the panel, of the same model")
    parser.add_argument("--rate", type=float, help="samples per second, if the file does not say it")
    parser.add_argument("--names", help="names of the columns, separated by commas, likewise")
    parser.add_argument(
        "--stream", action="append", metavar="NAME", help="stream of the file to read; may be repeated"
    )
    choose = parser.add_argument_group(
        "what to animate", "without these, the whole recording; seconds count on the recording's clock"
    )
    choose.add_argument("--from", type=float, dest="begin", metavar="S", help="begin at this second")
    choose.add_argument("--to", type=float, dest="end", metavar="S", help="end at this second")
    choose.add_argument(
        "--marks",
        action="append",
        metavar="TEXT",
        help="animate what is marked with this text, one mark after another; may be repeated",
    )
    choose.add_argument("--before", type=float, default=0.0, metavar="S", help="margin before each mark (0)")
    choose.add_argument("--after", type=float, default=0.0, metavar="S", help="margin after each mark (0)")
    choose.add_argument("--pause", type=float, default=1.0, metavar="S", help="rest between two marks (1)")
    choose.add_argument(
        "--mark-length",
        type=float,
        metavar="S",
        help="how long a mark without duration lasts; without it, until the next mark",
    )
    choose.add_argument(
        "--markers",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="show the recording's marks as markers of the timeline",
    )
    parser.add_argument(
        "--rest-marks", default="", metavar="TEXT", help="the face is at rest where marks say this"
    )
    parser.add_argument(
        "--maximum-marks", default="", metavar="TEXT", help="muscles contract most where marks say this"
    )


def run(args: argparse.Namespace) -> int:
    """Bake and save. Returns 0; raises EiferError before anything is written if something is wrong."""
    if not args.output and args.csv is None:
        raise EiferError("Say with -o which file to write.")
    kinds = {path: _kind(path) for path in args.output}
    for path in (*kinds, args.csv):
        if path is not None and path.exists() and not args.replace:
            raise EiferError(f"'{path}' exists already; choose another name or add --replace.")
    if args.marks and (args.begin is not None or args.end is not None):
        raise EiferError("Choose either --marks or --from and --to.")
    import bpy

    from ..blender import bake, exporting, head_object, register, work

    register()
    scene = _open(args)
    is_rig = not any(head_object.is_head(obj) for obj in scene.objects)
    head = choose_head(scene, args.head, add=True)
    job = _job(scene, args)
    take, keys, error = job.compute(lambda share, text: None)
    baked = bake.bake_take(head, take, keys=keys, error_mm=error, **job.options)
    missed = work.after_bake(scene, head, baked)
    for note in (*take.notes, *missed, *_drive_characters(scene, head, is_rig)):
        print(f"Note: {note}")
    frames = (args.start, args.start + take.frames - 1)
    objects = _exported(scene) or [head]
    for path, kind in kinds.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "BLEND":
            save_blend(path)
            print(f"{path}: {work.describe(baked)} on '{head.name}' in Blender {bpy.app.version_string}")
            continue
        with silent():
            chosen = [head] if kind in exporting.TABLES else objects
            done = exporting.export(scene, chosen, path, kind, frames, replace=args.replace)
        for note in done.notes:
            print(f"Note: {note}")
        print(f"{path}: {exporting.describe(done)}")
    if args.csv is not None:
        write_table(args.csv, take, args.start)
        print(f"{args.csv}: {take.frames} rows")
    return 0


def _kind(path: Path) -> str:
    """The format that a file's ending asks for; EiferError for an unknown one."""
    name = path.name.lower()
    for ending, kind in ENDINGS.items():
        if name.endswith(ending):
            return kind
    raise EiferError(f"'{path.name}' must end in one of {', '.join(ENDINGS)}; --csv writes parameters.")


def is_expressions(path: Path) -> bool:
    """Whether a file holds expressions of a face and no recording of muscles."""
    from ..interchange import read_expressions

    if not path.name.lower().endswith(_EXPRESSIONS) or not path.is_file():
        return False
    try:
        read_expressions(path)
    except EiferError:
        return False
    return True


def _job(scene: object, args: argparse.Namespace) -> object:
    """What the panel would do with the file and these settings."""
    from ..blender import calibrating, session, sources, work
    from ..recordings.marks import extent

    if is_expressions(args.recording):
        _set_up(scene, args)
        return work.expression_work(scene, str(args.recording.resolve()), args.rate)
    streams = tuple(args.stream) if args.stream else None
    options = sources.OpenOptions(rate=args.rate, names=_names(args.names), streams=streams)
    recording = session.open_into(scene, str(args.recording.resolve()), options)
    _choose_stretch(scene, args, extent(recording))
    _set_up(scene, args)
    if args.calibration is not None:
        calibrating.load(scene, str(args.calibration))
    return work.bake_work(scene, name=args.take)


def _drive_characters(scene: object, head: object, is_rig: bool) -> list[str]:
    """Let every character of the file play along; returns notes.

    is_rig: the file had no head of ours, so its meshes with known names become a character, and the head that
    was added for it is hidden.
    """
    from ..blender import characters, head_object

    stored, notes = scene.eifer, []
    others = [obj for obj in scene.objects if obj.type in {"MESH", "ARMATURE"}]
    objects = characters.family(others) if is_rig and not stored.characters else []
    if objects:
        row = stored.characters.add()
        row.name = characters.name_of(objects)
        try:
            notes += characters.find(row, objects)
        except EiferError as error:
            stored.characters.remove(len(stored.characters) - 1)
            return [f"No character was found in the file: {error}"]
    for row in stored.characters:
        done = characters.drive(row, characters.from_head(scene, head))
        notes += [f"'{row.name}' plays along: {done.properties} properties.", *done.notes]
    if is_rig and stored.characters:
        for obj in (head, head_object.armature_of(head)):
            obj.hide_viewport = obj.hide_render = True
    return notes


def _exported(scene: object) -> list[object]:
    """What formats of vertices hold: the objects of the characters, if there are any."""
    rows = [link.object for row in scene.eifer.characters for link in row.links if link.use and link.object]
    return list(dict.fromkeys(rows))


def _choose_stretch(scene: object, args: argparse.Namespace, span: tuple[float, float]) -> None:
    """Say in the panel's settings what is animated. Raises EiferError for a text that no mark has."""
    animation, stored = scene.eifer.animation, scene.eifer.recording
    stored.chain.rest_marks, stored.chain.maximum_marks = args.rest_marks, args.maximum_marks
    animation.add_markers = args.markers
    animation.before_s, animation.after_s, animation.pause_s = args.before, args.after, args.pause
    if args.mark_length is not None:
        animation.moment_length, animation.moment_s = "FIXED", args.mark_length
    animation.extent = "WHOLE"
    if args.begin is not None or args.end is not None:
        animation.extent = "RANGE"
        animation.range_from = span[0] if args.begin is None else args.begin
        animation.range_to = span[1] if args.end is None else args.end
    if args.marks:
        animation.extent = "MARKED"
        missing = set(args.marks) - {mark.name for mark in stored.marks}
        if missing:
            raise EiferError(_no_such_mark(min(missing), [mark.name for mark in stored.marks]))
        for mark in stored.marks:
            mark.use = mark.name in args.marks


def _no_such_mark(text: str, there: list[str]) -> str:
    known = ", ".join(f"'{name[:40]}'" for name in list(dict.fromkeys(there))[:12])
    return f"No mark of the recording says '{text}'" + (
        f"; there are {known}." if known else "; it has none."
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",")) if text else None


def _open(args: argparse.Namespace) -> object:
    import bpy

    from ..blender import flame
    from ..heads.flame import is_flame

    if args.blend is not None and not args.blend.is_file():
        raise EiferError(f"There is no file '{args.blend}'; check the path.")
    if args.blend is not None and not is_flame(args.blend):
        open_blend(args.blend)
        scene = bpy.context.scene
    else:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = bpy.context.scene
        scene.render.fps = 24
        if args.blend is not None:
            flame.add(scene, args.blend)
    if args.fps is not None:
        scene.render.fps = max(1, round(args.fps))
        scene.render.fps_base = scene.render.fps / args.fps
    return scene


def choose_head(scene: object, name: str | None, *, add: bool) -> object:
    """The named head, or the only head; in a file without heads a new one if `add`, else EiferError."""
    from ..blender import head_object
    from ..heads.default import load_default_head

    heads = [obj for obj in scene.objects if head_object.is_head(obj)]
    if name is not None:
        heads = [obj for obj in heads if obj.name == name]
        if not heads:
            raise EiferError(f"The file has no head '{name}'.")
    if len(heads) > 1:
        names = ", ".join(f"'{obj.name}'" for obj in heads)
        raise EiferError(f"The file has several heads ({names}); choose one with --head.")
    if not heads and not add:
        raise EiferError("The file has no head of this extension; add one and animate it.")
    head = heads[0] if heads else head_object.add_head(scene, load_default_head())
    scene.eifer.head = head
    return head


def _set_up(scene: object, args: argparse.Namespace) -> None:
    animation = scene.eifer.animation
    if args.model is not None:
        animation.model = str(args.model.resolve())
    if scene.eifer.recording.chain.preset != args.preset:
        scene.eifer.recording.chain.preset = args.preset
    animation.gain, animation.smoothing_ms = args.gain, args.smoothing
    animation.start_frame, animation.offset = args.start, args.offset
    animation.keys = "DENSE" if args.tolerance is None else "REDUCED"
    if args.tolerance is not None:
        animation.tolerance_mm = args.tolerance
