"""A real Blender window: a Debian in a folder (chroot), a virtual screen, and `tests/window/session.py`.

The bpy module has no window, so panels are drawn, and clicked, only here.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import EiferError
from . import environments
from .environments import CHECKOUT, locked, logged, step

SUITES = ("trixie", "sid")
_PACKAGES = ("blender", "python3-numpy", "python3-cattr", "python3-requests", "python3-zstandard", "xvfb",
             "xdotool", "imagemagick", "fonts-dejavu-core", "libgl1-mesa-dri", "libegl1", "libgl1",
             "libegl-mesa0", "libglx-mesa0")  # fmt: skip
_SCRIPT = CHECKOUT / "tests" / "window" / "session.py"
_SAMPLE = CHECKOUT / "models" / "sample_recording.edf"
_WORK = "eifer"  # folder of a run inside the Debian
_LIMIT = 600  # seconds after which a window that hangs is closed
_SUSPICIOUS = re.compile(r"Traceback|^Error: Python|AttributeError|RecursionError|GPU.*(fail|crash)|SIGSEGV")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("out/window"),
        help="folder for the screenshots (out/window)",
    )
    parser.add_argument("--zip", type=Path, help="extension to install; without it, it is built first")
    parser.add_argument(
        "--suite",
        choices=SUITES,
        default=SUITES[0],
        help="Debian to run: trixie has Blender 4.3, sid the newest",
    )
    parser.add_argument("--size", default="1600x1000", help="size of the screen in pixels (1600x1000)")


def run(args: argparse.Namespace) -> int:
    """Install the extension in a desktop Blender, click through the main job, save screenshots.

    Returns 0 if every step reached its state and nothing was printed that looks like a bug.
    Raises EiferError where it cannot run.
    """
    if not environments.may_install_system_packages():
        raise EiferError("The window run sets up a Debian of its own: it needs root and apt-get.")
    match = re.fullmatch(r"(\d{3,5})x(\d{3,5})", args.size)
    if not match:
        raise EiferError(f"'{args.size}' is not a size such as 1600x1000.")
    begun = time.monotonic()
    extension = args.zip or _build_zip(args.suite)
    debian = _debian(args.suite)
    work = _prepare(debian, extension)
    log = work / "window.log"
    with step("installing the extension in the desktop Blender"):
        install = ["blender", "--background", "--command", "extension", "install-file"]
        _inside(debian, [*install, "--repo", "user_default", "--enable", f"/{_WORK}/extension.zip"], log, {})
    with _screen(debian, args.size, work) as display, step("the session in the window"):
        code = _inside(
            debian,
            [
                "blender",
                "--window-geometry",
                "0",
                "0",
                match[1],
                match[2],
                "--python",
                f"/{_WORK}/session.py",
            ],
            log,
            {"DISPLAY": display},
        )
    complaints = [line for line in _lines(log) if _SUSPICIOUS.search(line)]
    _collect(work, args.output)
    for line in _lines(log):
        if line.startswith("window: "):
            print("  " + line)
    ok = code == 0 and not complaints
    if not ok:
        print("\n".join(_lines(log)[-60:]))
        print(f"The window run failed: exit code {code}, {len(complaints)} lines that look like bugs.")
    print(f"Window run {'passed' if ok else 'failed'} in {time.monotonic() - begun:.1f} s; "
          f"screenshots and window.log are in {args.output}")  # fmt: skip
    return 0 if ok else 1


def _build_zip(suite: str) -> Path:
    """The extension for Linux, built into the cache."""
    folder = environments.cache_folder() / "window-zip"
    shutil.rmtree(folder, ignore_errors=True)
    arguments = ["build", "--platform", "linux-x64", "--output", str(folder)]
    if suite == "sid":
        arguments.append("--test-cp314")
    if environments.run_in(environments.ENVIRONMENTS["blender-4.5"], arguments):
        raise EiferError("The extension could not be built; see above.")
    return next(folder.glob("*.zip"))


def _debian(suite: str) -> Path:
    """Folder with a Debian that has Blender, made at the first call."""
    folder = environments.cache_folder() / f"debian-{suite}"
    ready = folder / "eifer-ready"
    wanted = " ".join(_PACKAGES)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        if ready.is_file() and ready.read_text() == wanted:
            return folder
        print(f"Setting up a Debian '{suite}' with Blender (once) in {folder}", flush=True)
        if shutil.which("debootstrap") is None:
            environments.install_system_packages(["debootstrap"])
        if folder.exists():
            shutil.rmtree(folder)
        log = folder.with_suffix(".log")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        with step("debootstrap"):
            logged(["debootstrap", "--variant=minbase", suite, str(folder), _mirror()], log, quiet)
        with step(f"apt-get install {' '.join(_PACKAGES[:2])} and {len(_PACKAGES) - 2} more"):
            inside = ["chroot", str(folder), "apt-get"]
            # A mirror of sid that lags behind counts as expired; its signatures are checked all the same.
            logged([*inside, "-o", "Acquire::Check-Valid-Until=false", "update"], log, quiet)
            logged([*inside, "install", "-y", "--no-install-recommends", *_PACKAGES], log, quiet)
            logged([*inside, "clean"], log, quiet)
        ready.write_text(wanted)
    return folder


def _mirror() -> str:
    """Where this machine gets its Debian packages from."""
    found = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=True
    )
    mirrors = sorted({line for line in found.stdout.split() if "debian" in line and "security" not in line})
    if not mirrors:
        raise EiferError("This machine's apt sources name no Debian mirror to set up the window run from.")
    return mirrors[0]


def _prepare(debian: Path, extension: Path) -> Path:
    """A fresh folder for one run inside the Debian."""
    work = debian / _WORK
    if work.exists():
        shutil.rmtree(work)
    (work / "recordings").mkdir(parents=True)
    (work / "runtime").mkdir(mode=0o700)
    shutil.copyfile(extension, work / "extension.zip")
    shutil.copyfile(_SCRIPT, work / "session.py")
    shutil.copyfile(_SAMPLE, work / "recordings" / _SAMPLE.name)
    # onnxruntime reads what the processor can do; a copy needs no mount that could be left behind.
    for name in ("cpuinfo", "meminfo"):
        (debian / "proc" / name).write_bytes(Path("/proc", name).read_bytes())
    return work


def _inside(debian: Path, command: Sequence[str], log: Path, variables: dict[str, str]) -> int:
    """Run a command inside the Debian with its output in the log. Returns its exit code."""
    settings = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "HOME": "/root",
        "BLENDER_USER_RESOURCES": f"/{_WORK}/profile",
        "XDG_RUNTIME_DIR": f"/{_WORK}/runtime",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        **variables,
    }
    with log.open("ab") as file:
        try:
            return subprocess.call(
                ["chroot", str(debian), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=settings,
                timeout=_LIMIT,
            )
        except subprocess.TimeoutExpired:
            file.write(f"window: nothing happened for too long, closed after {_LIMIT} s\n".encode())
            return 124


@contextmanager
def _screen(debian: Path, size: str, work: Path) -> Iterator[str]:
    """A virtual screen inside the Debian; gives the name of the display."""
    reading, writing = os.pipe()
    command = ["chroot", str(debian), "Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24",
               "-nolisten", "tcp"]  # fmt: skip
    with (work / "xvfb.log").open("wb") as log:
        server = subprocess.Popen(command, pass_fds=[writing], stdout=log, stderr=log)
        os.close(writing)
        try:
            with os.fdopen(reading) as answer:
                number = answer.readline().strip()
            if not number:
                raise EiferError("The virtual screen did not start; see xvfb.log.")
            yield f":{number}"
        finally:
            server.terminate()
            server.wait()


def _collect(work: Path, output: Path) -> None:
    """Copy screenshots and logs out of the Debian, in place of those of an earlier run."""
    output.mkdir(parents=True, exist_ok=True)
    for path in (*output.glob("[0-9]_*.png"), *output.glob("failed.png")):
        path.unlink()
    for path in (*work.glob("*.png"), *work.glob("*.log")):
        shutil.copyfile(path, output / path.name)


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()
