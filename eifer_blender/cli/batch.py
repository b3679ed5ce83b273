"""Bake a folder of recordings or expression files, several at once, each in a process of its own."""

from __future__ import annotations

import argparse
import csv
import io
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EiferError
from . import bake, environments

FORMATS = {
    "blend": ".blend",
    "fbx": ".fbx",
    "glb": ".glb",
    "gltf": ".gltf",
    "usd": ".usdc",
    "abc": ".abc",
    "live-link-face": ".face.csv",
    "npz": ".npz",
    "csv": ".csv",
}
SUMMARY = "summary.csv"
_COLUMNS = ("file", "state", "seconds", "outputs", "message")  # of the summary
_WIDTH = 48  # of a file's name in the table


@dataclass
class _Outcome:
    """What became of a file."""

    source: str
    state: str = "failed"  # or "done", "skipped"
    seconds: float = 0.0
    message: str = ""
    outputs: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command: its own, and those of `bake`, which hold for every file."""
    parser.add_argument("folder", type=Path, help="folder of recordings or expression files, with subfolders")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--format",
        action="append",
        choices=list(FORMATS),
        help="what to write for every take; may be repeated (blend)",
    )
    parser.add_argument("--jobs", type=int, help="processes at once; without it, one for every two cores")
    parser.add_argument(
        "--pattern", default="*", help="only files whose name fits this, such as '*smile*.edf'"
    )
    bake.add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Bake all. Returns 0 if every file was baked, else 1; raises EiferError if there is nothing to do."""
    from ..interchange.write import write_file

    if not args.folder.is_dir():
        raise EiferError(f"There is no folder '{args.folder}'; check the path.")
    if args.jobs is not None and args.jobs < 1:
        raise EiferError("--jobs must be at least 1.")
    if args.blend is not None and not args.blend.is_file():
        raise EiferError(f"There is no file '{args.blend}'; check the path.")
    _check_results(args.folder, args.output)
    sources = _sources(args.folder, args.pattern, args.output)
    if not sources:
        raise EiferError(f"'{args.folder}' has no file of a known kind that fits '{args.pattern}'.")
    plan = _plan(sources, args)
    jobs = args.jobs or max(1, (os.cpu_count() or 2) // 2)
    outcomes = _run_all(plan, args, min(jobs, len(plan)))
    _print_table(outcomes)
    args.output.mkdir(parents=True, exist_ok=True)
    write_file(args.output / SUMMARY, _summary(outcomes), replace=True)
    return int(any(one.state == "failed" for one in outcomes))


def _check_results(folder: Path, output: Path) -> None:
    """Results need a folder of their own, in which `summary.csv` is ours or not yet there."""
    if output.resolve() == folder.resolve():
        raise EiferError("The results would lie among the recordings; choose another folder with -o.")
    try:
        with (output / SUMMARY).open(encoding="utf-8", errors="replace") as file:
            ours = file.readline(1000).rstrip("\n") == ",".join(_COLUMNS)
    except FileNotFoundError:
        return
    except OSError as error:
        raise EiferError(f"'{output}' cannot be used for results: {error.strerror}.") from None
    if not ours:
        raise EiferError(
            f"'{output / SUMMARY}' did not come from this command and would be lost; choose another folder "
            "with -o, or move the file."
        )


def _sources(folder: Path, pattern: str, output: Path) -> list[Path]:
    """Files to bake, in the order of their names; results of an earlier run are none."""
    from ..recordings import FILE_EXTENSIONS

    results, known = output.resolve(), (*FILE_EXTENSIONS, ".csv.gz")
    inside = results.is_relative_to(folder.resolve())
    found = [
        path
        for path in folder.rglob(pattern)
        if path.is_file()
        and path.name.lower().endswith(known)
        and not path.name.startswith(".")
        and not (inside and path.resolve().is_relative_to(results))
    ]
    return sorted(found)


def _plan(sources: Sequence[Path], args: argparse.Namespace) -> dict[Path, list[Path]]:
    """Outputs of each file: its own name in the same subfolder, with its ending where two would collide."""
    formats = list(dict.fromkeys(args.format or ["blend"]))
    stems = {path: path.relative_to(args.folder).with_name(_stem(path)) for path in sources}
    count = Counter(str(stem).casefold() for stem in stems.values())
    plan = {}
    for path, stem in stems.items():
        if count[str(stem).casefold()] > 1:
            stem = path.relative_to(args.folder)
        plan[path] = [args.output / stem.with_name(stem.name + FORMATS[one]) for one in formats]
    outputs = {path.resolve() for paths in plan.values() for path in paths}
    clash = next((path for path in sources if path.resolve() in outputs), None)
    if clash is not None:
        raise EiferError(f"The results would replace '{clash.name}'; choose another folder with -o.")
    return plan


def _stem(path: Path) -> str:
    name = path.name[: -len(".gz")] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


# --- work -----------------------------------------------------------------------------------------


def _run_all(plan: dict[Path, list[Path]], args: argparse.Namespace, jobs: int) -> list[_Outcome]:
    """Outcomes in the order of the plan. Ctrl-C ends the processes too."""
    settings, running, stop = _settings(args), set(), threading.Event()
    print(f"{len(plan)} files, {jobs} at once", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(_bake, path, outputs, args, settings, running, stop): path
            for path, outputs in plan.items()
        }
        try:
            for number, future in enumerate(as_completed(futures), 1):
                one = future.result()
                said = f": {one.message}" if one.message else ""
                print(
                    f"[{number}/{len(plan)}] {one.source} {one.state}, {one.seconds:.1f} s{said}", flush=True
                )
        except BaseException:
            stop.set()
            for process in list(running):
                process.terminate()
            raise
    return [future.result() for future in futures]


def _settings(args: argparse.Namespace) -> list[str]:
    """The options of `bake` that were given, as they go on to each process.

    argparse has no public way to ask for a parser's options.
    """
    parser = argparse.ArgumentParser()
    bake.add_settings(parser)
    given = []
    for action in parser._actions:
        if action.dest in {"help", "replace"}:
            continue
        value = getattr(args, action.dest)
        if value == action.default or value is None:
            continue
        if isinstance(action, argparse.BooleanOptionalAction):
            given.append(action.option_strings[0] if value else action.option_strings[1])
            continue
        for one in value if isinstance(value, list) else [value]:
            text = str(one.resolve()) if isinstance(one, Path) else str(one)
            given.append(f"{action.option_strings[-1]}={text}")
    return given


def _bake(
    source: Path,
    outputs: list[Path],
    args: argparse.Namespace,
    settings: list[str],
    running: set[subprocess.Popen],
    stop: threading.Event,
) -> _Outcome:
    """One file in a process: whatever happens to it happens to no other."""
    found = _Outcome(source.relative_to(args.folder).as_posix())
    if not args.replace and any(path.exists() for path in outputs):
        there = next(path for path in outputs if path.exists())
        missing = [path for path in outputs if not path.exists()]
        found.state = "failed" if missing else "skipped"
        found.message = f"'{there.name}' exists already" + ("; add --replace" if missing else "")
        return found
    if stop.is_set():
        return found
    begun = time.monotonic()
    command = [sys.executable, "-m", "eifer_blender", "--here", "bake", str(source.resolve()), *settings]
    command += ["--replace"] if args.replace else []
    for path in outputs:
        command += ["--csv" if _is_table(path) else "-o", str(path.resolve())]
    process = subprocess.Popen(
        command,
        cwd=environments.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environments.child_variables() | {"OMP_NUM_THREADS": "1"},
    )
    running.add(process)
    try:
        _, errors = process.communicate()
    finally:
        running.discard(process)
    found.seconds = time.monotonic() - begun
    if process.returncode == 0:
        found.state, found.outputs = "done", [path.name for path in outputs]
    else:
        found.message = _reason(errors, process.returncode)
    return found


def _is_table(path: Path) -> bool:
    return path.name.endswith(FORMATS["csv"]) and not path.name.endswith(FORMATS["live-link-face"])


def _reason(errors: str, code: int) -> str:
    """The sentence that `bake` ended with, or how the process ended."""
    for line in reversed(errors.splitlines()):
        if line.startswith("eifer bake: "):
            return line.removeprefix("eifer bake: ")
    if code < 0:
        return f"Blender crashed (signal {-code})."
    last = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "")
    return f"Unexpected end with code {code}: {last[:200]}"


# --- results --------------------------------------------------------------------------------------


def _print_table(outcomes: Sequence[_Outcome]) -> None:
    print(f"\n{'file':<{_WIDTH}} {'state':<8} {'seconds':>8}  what")
    for one in outcomes:
        name = one.source if len(one.source) <= _WIDTH else "…" + one.source[1 - _WIDTH :]
        print(f"{name:<{_WIDTH}} {one.state:<8} {one.seconds:>8.1f}  {one.message or ', '.join(one.outputs)}")
    count = Counter(one.state for one in outcomes)
    print(", ".join(f"{count[state]} {state}" for state in ("done", "skipped", "failed") if count[state]))


def _summary(outcomes: Sequence[_Outcome]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in outcomes:
        writer.writerow((one.source, one.state, f"{one.seconds:.1f}", " ".join(one.outputs), one.message))
    return text.getvalue().encode()
