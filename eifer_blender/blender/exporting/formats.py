"""Blender's exporters and importers with the switches that keep an animation whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import bpy

from ...errors import EiferError


class Format(NamedTuple):
    """How a format is written and read; `write` and `read` work on the scene of the context."""

    id: str
    name: str
    ending: str
    write: Callable[[str, tuple[int, int]], object]
    read: Callable[[str], object]
    same_order: bool  # vertices come back in their order
    stretch: Callable[[bpy.types.Scene], float] = lambda _scene: 1.0
    """How much later than at a frame the importer plays what belongs there; 1 if it reads rates well."""


def _write_fbx(path: str, _frames: tuple[int, int]) -> object:
    return bpy.ops.export_scene.fbx(
        filepath=path,
        use_selection=True,
        object_types={"ARMATURE", "MESH"},
        use_mesh_modifiers=False,
        add_leaf_bones=False,
        use_armature_deform_only=False,
        bake_anim=True,
        bake_anim_use_all_bones=True,
        # Otherwise only actions of objects are written, and the ones of shape keys are not.
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_force_startend_keying=True,
        bake_anim_step=1.0,
        bake_anim_simplify_factor=0.0,
        use_custom_props=False,
    )


def _read_fbx(path: str) -> object:
    if "fbx_import" in dir(bpy.ops.wm):  # from Blender 4.5
        return bpy.ops.wm.fbx_import(filepath=path, anim_offset=0.0)
    return bpy.ops.import_scene.fbx(filepath=path, anim_offset=0.0)


def _fbx_stretch(scene: bpy.types.Scene) -> float:
    """Blender's older importer reads times at 30 frames a second where they were written at 29.97."""
    return 1.0 if "fbx_import" in dir(bpy.ops.wm) else scene.render.fps_base


@contextmanager
def _gltf_rate() -> Iterator[None]:
    """glTF's add-on multiplies the frame rate by its base where Blender means a division.

    Without this a file of 29.97 frames a second plays 0.2 % too fast everywhere but in Blender, whose
    importer errs in the same way.
    """
    render = bpy.context.scene.render
    base = render.fps_base
    render.fps_base = 1.0 / base
    try:
        yield
    finally:
        render.fps_base = base


def _write_gltf(kind: str) -> Callable[[str, tuple[int, int]], object]:
    def write(path: str, _frames: tuple[int, int]) -> object:
        with _gltf_rate():
            return bpy.ops.export_scene.gltf(
                filepath=path,
                export_format=kind,
                use_active_scene=True,
                use_selection=True,
                export_animations=True,
                export_animation_mode="SCENE",
                export_anim_scene_split_object=False,
                export_frame_range=True,
                export_force_sampling=True,
                export_anim_slide_to_zero=False,
                export_optimize_animation_size=False,
                export_optimize_animation_keep_anim_armature=True,
                export_skins=True,
                export_all_influences=True,
                export_def_bones=False,
                export_rest_position_armature=True,
                export_morph=True,
                export_morph_normal=True,
                export_morph_animation=True,
                export_morph_reset_sk_data=True,
                export_apply=False,
            )

    return write


def _read_gltf(path: str) -> object:
    with _gltf_rate():
        return bpy.ops.import_scene.gltf(filepath=path)


def _write_usd(path: str, _frames: tuple[int, int]) -> object:
    return bpy.ops.wm.usd_export(
        filepath=path,
        selected_objects_only=True,
        export_animation=True,
        export_armatures=True,
        export_shapekeys=True,
        evaluation_mode="VIEWPORT",
    )


def _read_usd(path: str) -> object:
    return bpy.ops.wm.usd_import(filepath=path, set_frame_range=False)


def _write_alembic(path: str, frames: tuple[int, int]) -> object:
    return bpy.ops.wm.alembic_export(
        filepath=path,
        start=frames[0],
        end=frames[1],
        selected=True,
        as_background_job=False,
        evaluation_mode="VIEWPORT",
        export_hair=False,
        export_particles=False,
    )


def _read_alembic(path: str) -> object:
    return bpy.ops.wm.alembic_import(filepath=path, as_background_job=False, set_frame_range=False)


FORMATS: dict[str, Format] = {
    one.id: one
    for one in (
        Format("FBX", "FBX", ".fbx", _write_fbx, _read_fbx, True, _fbx_stretch),
        Format("GLB", "glTF Binary", ".glb", _write_gltf("GLB"), _read_gltf, False),
        Format("GLTF", "glTF Separate", ".gltf", _write_gltf("GLTF_SEPARATE"), _read_gltf, False),
        Format("USD", "USD", ".usdc", _write_usd, _read_usd, True),
        Format("ABC", "Alembic", ".abc", _write_alembic, _read_alembic, True),
    )
}
"""The formats that hold vertices, by their id."""


def run(operation: Callable[[], object], what: str) -> None:
    """Call one of Blender's operators; EiferError with its own words if it fails."""
    try:
        result = operation()
    except (RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()
        told = next((line for line in reversed(reason) if line.strip()), "unknown reason")
        raise EiferError(f"Blender could not {what}: {told.strip()[:200]}") from error
    if "FINISHED" not in result:  # type: ignore[operator]
        raise EiferError(f"Blender could not {what}; its console may say why.")
