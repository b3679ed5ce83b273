"""A user's session with the installed zip, as a process of its own: install, main job, disable.

Run by test_installation.py: `python installed_session.py ZIP RESULT.json`. Packages that the zip
brings as wheels are hidden where the test environment has them, so that only the wheels can serve.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import sys
import sysconfig
from pathlib import Path

ZIP, RESULT = Path(sys.argv[1]), Path(sys.argv[2])
MODULE = "bl_ext.user_default.eifer_blender"
BROUGHT = ("scipy", "onnxruntime", "edfio", "pyxdf")
ABSENT = (
    "torch",
    "onnx",
    "pandas",
    "PIL",
    "av",
    "sympy",
    "coloredlogs",
    "flatbuffers",
    "google",
    "packaging",
)


class HideTestEnvironment:
    """Import hook: the named packages come from anywhere but the test environment."""

    def find_spec(self, name, path=None, target=None):
        if path is None and name in (*BROUGHT, *ABSENT):
            site = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
            spec = importlib.machinery.PathFinder.find_spec(name, [p for p in sys.path if p not in site])
            if spec is None:
                raise ModuleNotFoundError(f"No module named '{name}'", name=name)
            return spec
        return None


sys.meta_path.insert(0, HideTestEnvironment())

import bpy  # noqa: E402, I001 - makes addon_utils importable
import addon_utils  # noqa: E402


def traces() -> dict[str, list[str]]:
    """Everything in Blender that bears the extension's name."""
    handlers = {name: getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)}
    keyconfigs = bpy.context.window_manager.keyconfigs
    return {
        "handlers": [
            f"{name} {function}"
            for name, functions in handlers.items()
            if isinstance(functions, list)
            for function in functions
            if "eifer" in str(getattr(function, "__module__", ""))
        ],
        "classes": [name for name in dir(bpy.types) if "eifer" in name.lower()],
        "properties": [
            f"{owner}.{prop.identifier}"
            for owner in ("Scene", "Object", "WindowManager", "Mesh", "Key", "Action", "Armature", "Screen")
            for prop in getattr(bpy.types, owner).bl_rna.properties
            if "eifer" in prop.identifier.lower()
        ],
        "operators": [name for name in dir(bpy.ops.eifer)] if "eifer" in dir(bpy.ops) else [],
        "keymaps": [
            item.idname
            for config in (keyconfigs.addon, keyconfigs.user)
            if config
            for keymap in config.keymaps
            for item in keymap.keymap_items
            if item.idname.startswith("eifer")
        ],
        "menus": [
            f"{name} {function}"
            for name in dir(bpy.types)
            for function in getattr(getattr(getattr(bpy.types, name), "draw", None), "_draw_funcs", ())
            if "eifer" in str(getattr(function, "__module__", ""))
        ],
    }


def files_of(folder: Path) -> list[str]:
    """Files in a folder without Python's own cache."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def curve_count() -> int:
    """Number of animation curves in the file."""
    count = 0
    for action in bpy.data.actions:
        if hasattr(action, "layers"):
            bags = [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
            count += sum(len(bag.fcurves) for bag in bags)
        else:
            count += len(action.fcurves)
    return count


def face_at(frame: int) -> list[float]:
    """Values of the head's shape keys at a frame."""
    bpy.context.scene.frame_set(frame)
    return [block.value for block in bpy.context.scene.eifer.head.data.shape_keys.key_blocks]


def main() -> dict:
    """Go through the session. Returns what a test wants to know."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    result = {"before": traces()}
    bpy.ops.extensions.package_install_files(
        filepath=str(ZIP), repo="user_default", enable_on_install=True, overwrite=True
    )
    module = sys.modules[MODULE]
    folder = Path(module.__file__).parent
    installed = files_of(folder)
    result["enabled"] = traces()
    result["imported_by_enabling"] = sorted(set(sys.modules) & set(BROUGHT))

    bpy.ops.eifer.add_head()
    bpy.ops.eifer.open_recording(filepath=str(folder / "models" / "sample_recording.edf"))
    bpy.ops.eifer.bake_take()
    result["curves"] = curve_count()
    faces = [face_at(frame) for frame in range(1, 300, 10)]
    result["moving_keys"] = sum(max(values) - min(values) > 0.05 for values in zip(*faces, strict=True))

    result["sources"] = {name: importlib.import_module(name).__file__ for name in BROUGHT}
    result["absent"] = sorted(set(sys.modules) & set(ABSENT))
    result["new_files"] = sorted(set(files_of(folder)) - set(installed))
    addon_utils.disable(MODULE, default_set=True)
    result["disabled"] = traces()
    return result


RESULT.write_text(json.dumps(main()), encoding="utf-8")
