"""Installable zips: stages package, models, wheels and manifest, then calls Blender's extension tool."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..errors import EiferError
from . import wheels
from .environments import CHECKOUT

PACKAGE = CHECKOUT / "eifer_blender"
MANIFEST = "blender_manifest.toml"

# Parts of the package that do nothing inside Blender.
_NOT_SHIPPED = ("cli", "training", "heads/build", "__main__.py")
_BESIDE = ("LICENSE",)
_MODELS = ("*.npz", "*.onnx", "*.edf", "*.md", "evaluation.json")


def run(platforms: Sequence[str], output: Path, pythons: Sequence[str] = wheels.PYTHONS) -> list[Path]:
    """Build and validate one zip per platform and print what makes up its size. Returns their paths.

    pythons: the versions to bring wheels for.

    Raises EiferError if a wheel cannot be had or Blender's tool refuses the extension.
    """
    output.mkdir(parents=True, exist_ok=True)
    built = []
    for platform in platforms:
        print(f"Building the extension for {platform}", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "extension"
            stage(platform, folder, pythons)
            built.append(_build(folder, platform, output))
    print("\n" + size_table(built))
    return built


def stage(platform: str, folder: Path, pythons: Sequence[str] = wheels.PYTHONS) -> None:
    """Put everything that belongs into the zip of a platform into a folder."""
    for path in shipped_files():
        target = folder / path.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / "models").mkdir()
    for path in sorted(path for pattern in _MODELS for path in (CHECKOUT / "models").glob(pattern)):
        shutil.copyfile(path, folder / "models" / path.name)
    for name in _BESIDE:
        shutil.copyfile(CHECKOUT / name, folder / name)
    brought = wheels.wheels_for(platform, pythons)
    (folder / "wheels").mkdir()
    for wheel in brought:
        shutil.copyfile(wheels.fetch(wheel), folder / "wheels" / wheel.file_name)
    text = (CHECKOUT / MANIFEST).read_text(encoding="utf-8")
    names = [wheel.file_name for wheel in brought]
    (folder / MANIFEST).write_text(complete_manifest(text, platform, names), encoding="utf-8")


def shipped_files() -> list[Path]:
    """Source files of the package that go into the zip."""
    found = []
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE)
        skipped = any(inside.is_relative_to(part) for part in _NOT_SHIPPED)
        if path.is_file() and not skipped and "__pycache__" not in inside.parts:
            found.append(path)
    return found


def complete_manifest(text: str, platform: str, wheel_names: Iterable[str]) -> str:
    """The manifest of the repository plus what only the build knows.

    The lines go first, because after a table's header they would belong to that table.
    """
    lines = [f'platforms = ["{platform}"]', "wheels = ["]
    lines += [f'  "./wheels/{name}",' for name in wheel_names]
    return "\n".join([*lines, "]", "", text])


def _build(folder: Path, platform: str, output: Path) -> Path:
    manifest = tomllib.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    path = output / f"{manifest['id']}-{manifest['version']}-{platform.replace('-', '_')}.zip"
    unfinished = folder.with_name("unfinished.zip")
    _extension_tool("validate", str(folder))
    _extension_tool("build", "--source-dir", str(folder), "--output-filepath", str(unfinished))
    _extension_tool("validate", str(unfinished))
    shutil.move(unfinished, path)
    return path


def _extension_tool(*arguments: str) -> None:
    """Run the command-line tool that Blender itself uses for extensions."""
    tool = _tool()
    done = subprocess.run([sys.executable, str(tool), *arguments], capture_output=True, text=True)
    if done.returncode:
        text = " ".join((done.stdout + done.stderr).split())
        raise EiferError(f"Blender's extension tool refused '{arguments[0]}': {text}")


def _tool() -> Path:
    """Path of Blender's tool, found without importing bpy, which takes seconds."""
    from importlib.util import find_spec

    spec = find_spec("bpy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(folder).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"):
            return path
    raise EiferError("Blender's extension tool was not found; use the command without --here.")


def size_table(zips: Iterable[Path]) -> str:
    """Size of each zip and of what makes it up, in MB, as a Markdown table."""
    rows = [_sizes(path) for path in zips]
    parts = list(dict.fromkeys(part for _, sizes in rows for part in sizes))
    lines = ["| zip | MB | " + " | ".join(parts) + " |", "|---" * (len(parts) + 2) + "|"]
    for name, sizes in rows:
        cells = (f"{sizes.get(part, 0) / 1e6:.1f}" for part in parts)
        lines.append(f"| {name} | {sum(sizes.values()) / 1e6:.1f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _sizes(path: Path) -> tuple[str, dict[str, int]]:
    sizes = dict.fromkeys(("code", "models"), 0)
    with zipfile.ZipFile(path) as file:
        for entry in file.infolist():
            part = _part(PurePosixPath(entry.filename))
            sizes[part] = sizes.get(part, 0) + entry.compress_size
    return path.name, sizes


def _part(name: PurePosixPath) -> str:
    if name.suffix == ".whl":
        return " ".join(name.name.split("-")[:3])
    return "models" if name.parts[0] == "models" else "code"
