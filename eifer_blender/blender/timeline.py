"""What of a take a scene will not play as it was recorded, in sentences."""

from __future__ import annotations

import bpy


def notes(scene: bpy.types.Scene, first: int, last: int) -> list[str]:
    """Sentences about a take from frame `first` to `last` in a scene."""
    return [*stretched(scene), *unseen(scene, first, last)]


def stretched(scene: bpy.types.Scene) -> list[str]:
    """A sentence if time remapping changes the speed of everything."""
    old, new = scene.render.frame_map_old, scene.render.frame_map_new
    if old == new:
        return []
    return [
        f"Time remapping ({old} to {new}) makes this scene play {new / old:g} times as long as recorded; "
        "set both to 100 in Output > Frame Range > Time Stretching for real time."
    ]


def unseen(scene: bpy.types.Scene, first: int, last: int) -> list[str]:
    """Sentences about frames of the take that playback leaves out."""
    begin, end, name = scene.frame_start, scene.frame_end, "scene"
    if scene.use_preview_range:
        begin, end, name = scene.frame_preview_start, scene.frame_preview_end, "preview range"
    found = []
    if first < min(begin, 0):
        allow = (
            ""
            if bpy.context.preferences.edit.use_negative_frames
            else ("Allow Negative Frames in Preferences > Animation and ")
        )
        found.append(
            f"The take begins at frame {first}, where a scene cannot begin; to play frames below 0, set "
            f"{allow}a preview range, or start the take later."
        )
    elif first < begin:
        found.append(f"The take begins at frame {first}, before the {name}'s first frame {begin}.")
    if last > end:
        found.append(f"The take ends at frame {last}, after the {name}'s last frame {end}.")
    return found
