"""The Blender layer: everything that imports bpy."""

from __future__ import annotations


def register() -> None:
    """Register properties, operators, panels and handlers."""
    import atexit

    import bpy

    from . import export_panels, overlay, preview, properties, session

    properties.register()
    for cls in _classes():
        bpy.utils.register_class(cls)
    export_panels.register()
    preview.register()
    overlay.register()
    session.register()
    if not bpy.app.binary_path:
        # Blender as a Python module never ends while classes written in Python are registered.
        atexit.register(unregister)


def _classes() -> tuple[type, ...]:
    """Operators and panels, panels in the order of the sidebar."""
    from . import activity_panels, character_panels, export_panels, operators, panels

    sidebar = (panels, activity_panels, character_panels, export_panels)
    return (*operators.CLASSES, *(cls for module in sidebar for cls in module.CLASSES))


def unregister() -> None:
    """Undo `register`, in reverse order."""
    import atexit

    import bpy

    from . import export_panels, overlay, preview, properties, session

    atexit.unregister(unregister)
    session.unregister()
    overlay.unregister()
    preview.unregister()
    export_panels.unregister()
    for cls in reversed(_classes()):
        bpy.utils.unregister_class(cls)
    properties.unregister()
