"""EIFER for Blender: a face from facial muscle recordings, and muscle activity from a face.

Importing this package is cheap: bpy and everything heavy are imported when `register` runs or later.
"""

from __future__ import annotations


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from .blender import register as register_blender

    register_blender()


def unregister() -> None:
    """Called by Blender when the extension is disabled; leaves nothing behind."""
    from .blender import unregister as unregister_blender

    unregister_blender()
