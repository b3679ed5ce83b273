"""Packages that are imported at first use, and the sentence a user gets where one is missing."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from .errors import EiferError


def require(name: str) -> ModuleType:
    """Import a package that the extension brings as a wheel.

    Raises EiferError if it is missing, or if it cannot be loaded beside what else is installed
    (another extension may have brought other versions).
    """
    if name == "onnxruntime":
        # Builds after 1.23 report usage unless told not to; child processes inherit the variable.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EiferError(
            f"The Python package '{error.name or name}' is missing; install the extension again from the zip "
            "for this system and this Blender version."
        ) from None
    except Exception as error:  # a compiled package that does not fit raises anything
        reason = " ".join(str(error).split())[:160]
        raise EiferError(
            f"The Python package '{name}' does not work here: {reason}; another extension may have "
            "installed a version that does not fit."
        ) from None
    if name == "onnxruntime" and hasattr(module, "disable_telemetry_events"):
        module.disable_telemetry_events()
    return module
