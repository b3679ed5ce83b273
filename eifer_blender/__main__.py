"""`python -m eifer_blender COMMAND`: needs nothing but Python 3.11; see `cli.main`."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line. Returns the exit code."""
    from .cli.main import run

    code = run(sys.argv[1:])
    bpy = sys.modules.get("bpy")
    if bpy is not None:
        # As a Python module, Blender 4.2 crashes at the very end of a process in which a property had a
        # callback, and later ones hang after an import of glTF; all is done and written by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
