"""The Blender layer: everything that imports bpy."""

from __future__ import annotations


def register() -> None:
    """Register properties, operators, panels and handlers."""
    import bpy

    from . import operators, panels, preview, properties, session

    properties.register()
    for cls in (*operators.CLASSES, *panels.CLASSES):
        bpy.utils.register_class(cls)
    preview.register()
    session.register()


def unregister() -> None:
    """Undo `register`, in reverse order."""
    import bpy

    from . import operators, panels, preview, properties, session

    session.unregister()
    preview.unregister()
    for cls in reversed((*operators.CLASSES, *panels.CLASSES)):
        bpy.utils.unregister_class(cls)
    properties.unregister()
