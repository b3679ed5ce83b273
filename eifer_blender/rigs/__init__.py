"""Characters of any origin: what their properties mean, and the values that a performance gives them."""

from .guesses import Guess, guess
from .mapping import SOURCES, Link, Mapping, evaluate, from_json, to_json
from .names import arkit_of

__all__ = [
    "SOURCES",
    "Guess",
    "Link",
    "Mapping",
    "arkit_of",
    "evaluate",
    "from_json",
    "guess",
    "to_json",
]
