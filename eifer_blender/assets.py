"""Where the shipped models lie: beside the package in a checkout, inside it in the extension."""

from __future__ import annotations

import tomllib
from pathlib import Path

from .errors import EiferError

_PACKAGE = Path(__file__).resolve().parent


def model_folder() -> Path:
    """Folder with the default head, the ONNX models, their cards and the sample recording.

    Raises EiferError if the installation is incomplete.
    """
    for folder in (_PACKAGE / "models", _PACKAGE.parent / "models"):
        if folder.is_dir():
            return folder
    raise EiferError("The folder 'models' is missing; install the extension again from its zip.")


def model_file(name: str) -> Path:
    """Path of one shipped file; EiferError names the file that is missing."""
    path = model_folder() / name
    if not path.is_file():
        raise EiferError(f"The file '{name}' is missing from 'models'; install the extension again.")
    return path


def version() -> str:
    """Version of the extension, as its manifest says; empty if there is none."""
    for folder in (_PACKAGE, _PACKAGE.parent):
        path = folder / "blender_manifest.toml"
        if path.is_file():
            return str(tomllib.loads(path.read_text(encoding="utf-8")).get("version", ""))
    return ""
