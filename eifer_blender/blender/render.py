"""A portrait of a head: camera, three soft lights, a quiet background, for every render engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector

from .head_object import TINT, armature_of

WORKBENCH, CYCLES = "BLENDER_WORKBENCH", "CYCLES"
_LENS = 85.0  # millimetres, a portrait lens
_SENSOR = 36.0
_BACKGROUND = (0.115, 0.125, 0.14)
# name, position about the face (metres, Blender's axes), size, watts, colour
_LIGHTS = (
    ("Key", (0.60, -1.05, 0.55), 0.55, 17.0, (1.0, 0.95, 0.89)),
    ("Fill", (-0.90, -1.00, -0.05), 1.2, 6.5, (0.86, 0.92, 1.0)),
    ("Rim", (-0.55, 0.85, 0.75), 0.5, 16.0, (1.0, 0.98, 0.95)),
)


def eevee() -> str:
    """The id of EEVEE in this Blender."""
    return "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0) else "BLENDER_EEVEE"


def setup_portrait(
    scene: bpy.types.Scene,
    head: bpy.types.Object,
    *,
    engine: str = WORKBENCH,
    resolution: tuple[int, int] = (720, 720),
    yaw: float = 0.0,
    pitch: float = 0.0,
    centre: tuple[float, float, float] = (0.0, -0.05, 0.105),
    height: float = 0.315,
    samples: int = 48,
) -> bpy.types.Object:
    """Frames a head for a render and returns the camera.

    yaw turns the camera to the subject's left, pitch lifts it (degrees). centre and height (metres,
    in the head's rest position, Blender's axes) choose what fills the picture.
    """
    camera = _camera(scene, head, yaw, pitch, centre, height, resolution)
    scene.render.engine = engine
    scene.render.resolution_x, scene.render.resolution_y = resolution
    scene.render.resolution_percentage = 100
    scene.render.film_transparent = False
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    _world(scene)
    if engine == WORKBENCH:
        _workbench(scene, head)
    else:
        _lights(scene, head)
        scene.view_settings.view_transform = "AgX"
        scene.view_settings.look = "AgX - Medium High Contrast"
        if engine == CYCLES:
            scene.cycles.samples = samples
            scene.cycles.use_denoising = _can_denoise()
        else:
            scene.eevee.taa_render_samples = samples
    return camera


def _can_denoise() -> bool:
    try:
        import _cycles
    except ImportError:
        return False
    return bool(getattr(_cycles, "with_openimagedenoise", False))


def render_frames(
    scene: bpy.types.Scene, frames: list[int], folder: Path, done: Callable[[int], None] = lambda _: None
) -> list[Path]:
    """Renders single frames as PNG files and returns their paths."""
    paths = []
    for frame in frames:
        scene.frame_set(frame)
        path = folder / f"{frame:06d}.png"
        scene.render.filepath = str(path)
        with bpy.context.temp_override(scene=scene):
            bpy.ops.render.render(write_still=True, scene=scene.name)
        paths.append(path)
        done(frame)
    return paths


def _place(head: bpy.types.Object) -> Matrix:
    """Where the head stands; its armature's transform."""
    rig = armature_of(head)
    return rig.matrix_basis if rig.parent is None else rig.matrix_world


def _camera(
    scene: bpy.types.Scene,
    head: bpy.types.Object,
    yaw: float,
    pitch: float,
    centre: tuple[float, float, float],
    height: float,
    resolution: tuple[int, int],
) -> bpy.types.Object:
    camera = scene.camera
    if camera is None:
        camera = bpy.data.objects.new("EIFER Camera", bpy.data.cameras.new("EIFER Camera"))
        scene.collection.objects.link(camera)
        scene.camera = camera
    camera.data.lens, camera.data.sensor_width = _LENS, _SENSOR
    camera.data.sensor_fit = "VERTICAL" if resolution[1] >= resolution[0] else "HORIZONTAL"
    camera.data.sensor_height = _SENSOR
    camera.data.clip_start = 0.01
    turn = Euler((np.radians(90.0 - pitch), 0.0, np.radians(yaw))).to_matrix()
    across = height if camera.data.sensor_fit == "VERTICAL" else height * resolution[0] / resolution[1]
    distance = across * _LENS / _SENSOR
    position = Vector(centre) + turn @ Vector((0.0, 0.0, distance))
    camera.matrix_world = _place(head) @ (Matrix.Translation(position) @ turn.to_4x4())
    return camera


def _world(scene: bpy.types.Scene) -> None:
    world = scene.world or bpy.data.worlds.new("EIFER World")
    scene.world = world
    world.color = _BACKGROUND
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    node = next((n for n in world.node_tree.nodes if n.type == "BACKGROUND"), None)
    if node is not None:
        node.inputs["Color"].default_value = (*_BACKGROUND, 1.0)
        node.inputs["Strength"].default_value = 1.0


def _lights(scene: bpy.types.Scene, head: bpy.types.Object) -> None:
    place = _place(head)
    face = Vector((0.0, -0.05, 0.11))
    for name, position, size, watts, colour in _LIGHTS:
        label = f"EIFER {name} Light"
        light = scene.objects.get(label)
        if light is None:
            light = bpy.data.objects.new(label, bpy.data.lights.new(label, "AREA"))
            scene.collection.objects.link(light)
        light.data.size, light.data.energy, light.data.color = size, watts, colour
        point = face + Vector(position)
        aim = (face - point).to_track_quat("-Z", "Y").to_matrix().to_4x4()
        light.matrix_world = place @ (Matrix.Translation(point) @ aim)


def _workbench(scene: bpy.types.Scene, head: bpy.types.Object) -> None:
    shading = scene.display.shading
    shading.light = "STUDIO"
    shading.studio_light = "paint.sl"
    shading.color_type = "VERTEX"
    shading.show_cavity = True
    shading.cavity_type = "BOTH"
    shading.cavity_ridge_factor = 0.5
    shading.cavity_valley_factor = 1.0
    shading.curvature_ridge_factor = 0.4
    shading.curvature_valley_factor = 0.7
    shading.show_shadows = False
    shading.show_object_outline = False
    shading.show_specular_highlight = True
    scene.display.render_aa = "16"
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    colours = head.data.color_attributes
    if TINT in colours:
        colours.render_color_index = colours.find(TINT)
        colours.active_color_index = colours.find(TINT)
