"""What all operators share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import bpy

from ...errors import EiferError


def report_errors(execute: Callable) -> Callable:
    """Turn an EiferError of `execute` into an error report; anything else is a bug and shows itself.

    Only for methods with the arguments of `execute`: Blender counts them on the wrapper.
    """

    @wraps(execute)
    def wrapper(self: bpy.types.Operator, context: bpy.types.Context) -> set[str]:
        try:
            return execute(self, context)
        except EiferError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}

    return wrapper


def redraw(context: bpy.types.Context) -> None:
    """Redraw the sidebars, so that progress shows."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
