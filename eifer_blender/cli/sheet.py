"""The default head on one sheet: rest, the eleven movements of the Schaede protocol, six emotions."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from ..movements import EMOTIONS, MOVEMENTS, SCHAEDE

_SIDE = 300
_COLUMNS = 6


def make_sheet(output: Path) -> None:
    """Renders the movements on the default head with Workbench and writes a labelled PNG.

    Needs bpy, Pillow and EGL.
    """
    import bpy
    from PIL import Image

    from ..blender import head_object, render
    from ..heads.default import load_default_head
    from ..simulation.muscle_face import average_face, expression_of_activity, part_parameters
    from ..simulation.tasks import activity_of
    from .video import contact_sheet

    head = load_default_head()
    names = [*SCHAEDE, *EMOTIONS]
    activity = np.stack([activity_of(name) for name in names])
    params = expression_of_activity(activity, average_face(), part_parameters(head))
    scene = bpy.data.scenes.new("EIFER sheet")
    try:
        obj = head_object.add_head(scene, head)
        render.setup_portrait(scene, obj, resolution=(_SIDE, _SIDE), centre=(0, -0.05, 0.112), height=0.225)
        faces = []
        with tempfile.TemporaryDirectory() as folder:
            for row in params:
                head_object.set_expression(obj, row)
                (picture,) = render.render_frames(scene, [1], Path(folder))
                with Image.open(picture) as image:
                    faces.append(image.convert("RGB"))
    finally:
        bpy.data.scenes.remove(scene)
    labels = [(name, "Schaede" if name in SCHAEDE else "emotion") for name in names]
    sheet = contact_sheet(faces, labels, _COLUMNS, "The default head, driven by muscle activation")
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(output, optimize=True)


def make_portrait(output: Path, samples: int = 48) -> None:
    """Renders the default head with Cycles, smiling a little, and writes a PNG. Needs bpy."""
    import bpy

    from ..blender import head_object, render
    from ..heads.default import load_default_head
    from ..simulation.muscle_face import expression_of_muscles

    head = load_default_head()
    scene = bpy.data.scenes.new("EIFER portrait")
    try:
        obj = head_object.add_head(scene, head)
        smile = 0.6 * MOVEMENTS["Smile-Closed"]
        head_object.set_expression(obj, expression_of_muscles(head, smile[None])[0])
        size = (720, 720)
        render.setup_portrait(scene, obj, engine=render.CYCLES, resolution=size, yaw=24, samples=samples)
        with tempfile.TemporaryDirectory() as folder:
            (picture,) = render.render_frames(scene, [1], Path(folder))
            output.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(picture, output)
    finally:
        bpy.data.scenes.remove(scene)


def main() -> None:
    """Command line: python -m eifer_blender.cli.sheet [--portrait] OUTPUT.png."""
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="PNG file to write")
    parser.add_argument("--portrait", action="store_true", help="one portrait with Cycles instead")
    arguments = parser.parse_args()
    (make_portrait if arguments.portrait else make_sheet)(arguments.output)


if __name__ == "__main__":
    main()
