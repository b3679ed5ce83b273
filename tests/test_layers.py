"""What may import what, and that the command line starts with the standard library alone."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from eifer_blender.cli.build import PACKAGE, shipped_files

ROOT = PACKAGE.parent


def imported_modules(path: Path) -> set[str]:
    """Absolute names of everything that a source file imports, wherever in the file."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(relative, package) if node.level else node.module
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


def sources(*folders: str) -> list[Path]:
    """Source files of the package in none of these folders."""
    return [
        path
        for path in PACKAGE.rglob("*.py")
        if not any(path.is_relative_to(PACKAGE / folder) for folder in folders)
    ]


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", sources("blender", "cli"), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_blender_layer_and_the_command_line_know_blender(path):
    names = imported_modules(path)
    assert not roots(names) & {"bpy", "mathutils", "bpy_extras", "gpu", "bmesh"}
    if path != PACKAGE / "__init__.py":  # Blender's entry into the package
        assert not any(name.startswith("eifer_blender.blender") for name in names)


def test_what_ships_needs_neither_torch_nor_parts_that_stay_behind():
    unwanted = ("eifer_blender.cli", "eifer_blender.training", "eifer_blender.heads.build")
    for path in (one for one in shipped_files() if one.suffix == ".py"):
        names = imported_modules(path)
        assert not roots(names) & {"torch", "onnx", "pandas", "pytest"}, path
        assert not [name for name in names if name.startswith(unwanted)], path


def test_what_ships_imports_relatively():
    # Blender's name for the package is longer: bl_ext.<repository>.eifer_blender.
    for path in (one for one in shipped_files() if one.suffix == ".py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert not (node.module or "").startswith("eifer_blender"), path
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("eifer_blender") for alias in node.names), path


def modules_after(code: str, *options: str) -> set[str]:
    """Names of the modules that a fresh process has after some code."""
    done = subprocess.run(
        [sys.executable, *options, "-c", f"import json, sys\n{code}\nprint(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(json.loads(done.stdout))


def test_importing_the_package_imports_nothing_heavy():
    loaded = modules_after(
        "import eifer_blender, eifer_blender.recordings, eifer_blender.signals, eifer_blender.video.reader, "
        "eifer_blender.tracking"
    )
    assert "eifer_blender.signals" in loaded
    assert not loaded & {"scipy", "onnxruntime", "edfio", "av", "bpy"}
    assert "numpy" not in modules_after("import eifer_blender")


def test_the_command_line_starts_with_the_standard_library_alone():
    # -S: without site-packages, as on a bare Python
    code = "sys.path.insert(0, '.')\nfrom eifer_blender.cli.main import _parser\n_parser()"
    loaded = modules_after(code, "-S")
    assert "eifer_blender.cli.environments" in loaded
