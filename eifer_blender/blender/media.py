"""Reference media: a movie on an image empty, and sound in the sequencer."""

from __future__ import annotations

import os
from typing import NamedTuple

import bpy

from ..errors import EiferError

_SCREEN_HEIGHT = 0.25  # metres, about the height of the head


class Loaded(NamedTuple):
    """What a media file gave."""

    image: bpy.types.Image | None
    strip: object | None  # the sequencer's sound strip
    frames: int  # length of the movie, 1 without one


def load(scene: bpy.types.Scene, path: str, first_frame: int) -> Loaded:
    """Load a movie and the sound of it, or a sound. Raises EiferError if the file is not there."""
    if not os.path.isfile(path):
        raise EiferError(f"The file '{path}' does not exist; choose a video or sound.")
    image = _movie(path)
    return Loaded(image, _sound(scene, path, first_frame), image.frame_duration if image else 1)


def _movie(path: str) -> bpy.types.Image | None:
    image = bpy.data.images.load(path)
    if image.source == "MOVIE" and image.frame_duration > 1 and image.size[0]:
        _make_relative(image)
        return image
    bpy.data.images.remove(image)
    return None


def _sound(scene: bpy.types.Scene, path: str, first_frame: int) -> object | None:
    editor = scene.sequence_editor or scene.sequence_editor_create()
    # Blender 4.4 renamed `sequences`; 5.0 removed the old name.
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    used = {strip.channel for strip in strips}
    channel = next(number for number in range(1, 129) if number not in used)
    try:
        strip = strips.new_sound(os.path.basename(path), path, channel, first_frame)
    except RuntimeError:
        return None
    if strip.frame_final_duration <= 1 and strip.sound.channels == "INVALID":
        sound = strip.sound
        strips.remove(strip)
        bpy.data.sounds.remove(sound)
        return None
    _make_relative(strip.sound)
    scene.sync_mode = "AUDIO_SYNC"
    return strip


def _make_relative(block: bpy.types.ID) -> None:
    if bpy.data.filepath:
        try:
            block.filepath = bpy.path.relpath(bpy.path.abspath(block.filepath))
        except ValueError:  # another drive on Windows
            return


def add_screen(
    scene: bpy.types.Scene, image: bpy.types.Image, first_frame: int, frames: int
) -> bpy.types.Object:
    """An image empty that plays a movie from `first_frame` on."""
    empty = bpy.data.objects.new(f"Reference {image.name}", None)
    empty.empty_display_type = "IMAGE"
    empty.data = image
    empty.empty_display_size = _SCREEN_HEIGHT * max(1.0, image.size[0] / max(image.size[1], 1))
    empty.image_user.frame_start = first_frame
    empty.image_user.frame_duration = frames
    empty.image_user.use_auto_refresh = True
    scene.collection.objects.link(empty)
    return empty
