"""`python -m eifer_blender COMMAND`: needs nothing but Python 3.11; see `cli.main`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line. Returns the exit code."""
    from .cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
