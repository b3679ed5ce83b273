"""From a video to expression parameters and to a video without electrodes, without a window."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EiferError

if TYPE_CHECKING:
    from ..reconstruction.progress import Store
    from ..reconstruction.reconstruct import Reconstruction, Settings
    from ..video import Video

_TABLES = (".npz", ".csv", ".csv.gz")
_VIDEOS = (".mp4", ".mov", ".mkv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("video", type=Path, help="video file, folder of pictures, or one of a sequence")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        required=True,
        help="expression parameters (.npz with times and confidence, .csv), or the video without electrodes "
        "(.mp4, .mov, .mkv); may be given several times",
    )
    parser.add_argument(
        "--method",
        choices=("auto", "phase1", "landmarks"),
        default="auto",
        help="landmarks for uncovered faces, phase1 for faces under electrodes (auto: as is seen)",
    )
    parser.add_argument("--smoothing", type=float, default=0.12, metavar="SECONDS", help="without lag (0.12)")
    parser.add_argument("--face", type=int, default=1, help="which face to follow, 1 is the main one (1)")
    parser.add_argument("--fps", type=float, default=30.0, help="rate of a sequence of pictures (30)")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="networks of a training of your own")
    parser.add_argument("--replace", action="store_true", help="overwrite existing files")


def run(args: argparse.Namespace) -> int:
    """Reconstruct and write. Returns 0; raises EiferError before anything is written."""
    from ..reconstruction.progress import store_for
    from ..reconstruction.reconstruct import Settings
    from ..video import open_video
    from .environments import cache_folder

    tables, videos = _outputs(args)
    settings = Settings(args.method, max(args.smoothing, 0.0), face=args.face - 1, models=args.models)
    video = open_video(args.video, args.fps)
    progress = _Progress()
    store = store_for(video, settings, cache_folder() / "reconstructions", keep=True)
    try:
        found = _written(args, settings, video, store, progress, tables, videos)
    except KeyboardInterrupt:
        progress.end()
        print(f"Stopped{progress.where}; run the same command again to go on.", file=sys.stderr)
        return 130
    store.clear()
    progress.end()
    for note in found.notes:
        print(f"Note: {note}")
    seen = int(found.found.sum())
    print(
        f"{', '.join(map(str, args.output))}: {len(found)} frames, {float(video.rate):.5g} a second, "
        f"face found in {seen}; read by {found.method}{_electrodes(found.electrodes)}"
    )
    return 0


def _written(
    args: argparse.Namespace,
    settings: Settings,
    video: Video,
    store: Store,
    progress: _Progress,
    tables: list[Path],
    videos: list[Path],
) -> Reconstruction:
    """Reconstruct, and write the videos, which take long, before the tables.

    If that is stopped, what was written is removed, so that the same command can be given again.
    """
    from ..reconstruction.clean import write_clean_video
    from ..reconstruction.reconstruct import reconstruct

    found = reconstruct(video, settings, progress=progress.tell, store=store)
    written: list[Path] = []
    try:
        for path in (*videos, *tables):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path in tables:
                write_table(path, video, found, replace=args.replace)
            else:
                options = {"folder": args.models, "replace": args.replace, "progress": progress.tell}
                write_clean_video(path, video, found, **options)
            written.append(path)
    except BaseException:
        for path in () if args.replace else written:
            path.unlink(missing_ok=True)
        raise
    return found


def _outputs(args: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """Files for parameters, and for videos; EiferError if one cannot be written."""
    tables, videos = [], []
    for path in args.output:
        if path.name.lower().endswith(_TABLES):
            tables.append(path)
        elif path.suffix.lower() in _VIDEOS:
            videos.append(path)
        else:
            endings = ", ".join((*_TABLES, *_VIDEOS[:-1]))
            raise EiferError(f"'{path}' must end in {endings} or {_VIDEOS[-1]}.")
        if path.exists() and not args.replace:
            raise EiferError(f"'{path}' exists already; choose another name or add --replace.")
        if path.exists() and path.resolve() == args.video.resolve():
            raise EiferError(f"'{path}' is the video itself; choose another name.")
    if args.face < 1:
        raise EiferError("Faces are counted from 1.")
    return tables, videos


def write_table(path: Path, video: Video, found: Reconstruction, *, replace: bool) -> None:
    """Write the parameters of a reconstruction: NPZ with times, identity and confidence, or CSV."""
    from ..interchange import write
    from ..spaces import DEFAULT_SPACE

    if path.suffix.lower() == ".npz":
        write.write_parameter_arrays(
            path,
            DEFAULT_SPACE,
            found.params,
            float(video.rate),
            times=None if video.constant else found.times,
            confidence=found.confidence,
            replace=replace,
        )
    else:
        write.write_parameters(path, DEFAULT_SPACE, found.params, replace=replace)


def _electrodes(chance: float) -> str:
    return "" if chance != chance else f", electrodes {chance:.0%}"


class _Progress:
    """One line that says what is being done, on a terminal."""

    def __init__(self) -> None:
        self.shown = ""
        self.where = ""  # as in "Stopped at frame 120 of 300"

    def tell(self, what: str, done: int, total: int) -> None:
        """What is being done, how many frames of how many."""
        self.where = f" at frame {done} of {total}"
        if not sys.stderr.isatty():
            return
        text = f"{what}: {done} of {total} frames"
        print(f"\r{text:<{len(self.shown)}}", end="", file=sys.stderr, flush=True)
        self.shown = text

    def end(self) -> None:
        """Leave the line."""
        if self.shown:
            print(file=sys.stderr)
