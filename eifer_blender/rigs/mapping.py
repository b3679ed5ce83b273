"""Tables of links from a performance to a character's properties: values, and files that can be shared."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from ..muscles import CHANNELS
from ..spaces import ARKIT_NAMES, DEFAULT_SPACE

VERSION = 1
MOST_LINKS = 5000
MOST_BYTES = 8 << 20
_MOST_TEXT = 500  # characters of a name or path
_FORMAT = "eifer-character"


def _sources() -> dict[str, tuple[str, int]]:
    groups = (("arkit", ARKIT_NAMES), ("muscle", CHANNELS), ("parameter", DEFAULT_SPACE.names))
    return {f"{kind}:{name}": (kind, k) for kind, names in groups for k, name in enumerate(names)}


SOURCES = _sources()
"""`arkit:mouthSmileLeft`, `muscle:zygomaticus_l`, `parameter:exp000` -> (table, column)."""


class Link(NamedTuple):
    """One source on one property: value = offset + scale * source; links to one property add up."""

    source: str  # of SOURCES
    object: str  # name of the object
    path: str  # from the object, or from its shape keys: key_blocks["..."].value
    index: int = 0  # of an array property
    scale: float = 1.0
    offset: float = 0.0
    low: float = 0.0
    high: float = 1.0

    @property
    def target(self) -> tuple[str, str, int]:
        """What it moves."""
        return self.object, self.path, self.index


class Mapping(NamedTuple):
    """A character's links under a name."""

    name: str
    links: tuple[Link, ...]


def evaluate(
    links: Sequence[Link],
    arkit: np.ndarray,
    muscles: np.ndarray | None = None,
    parameters: np.ndarray | None = None,
) -> tuple[list[tuple[str, str, int]], np.ndarray]:
    """(targets, float32 [n, targets]) for weights [n, 52], activity [n, 22] and parameters [n, 55].

    Links to one property add up; then it is held between the lowest `low` and the highest `high` of them.
    Unknown activity counts as none. Raises EiferError for an unknown source, or one that is not given.
    """
    tables = {"arkit": arkit, "muscle": muscles, "parameter": parameters}
    targets = list(dict.fromkeys(link.target for link in links))
    place = {target: k for k, target in enumerate(targets)}
    values = np.zeros((len(arkit), len(targets)), np.float32)
    low, high = np.full(len(targets), np.inf, np.float32), np.full(len(targets), -np.inf, np.float32)
    for link in links:
        kind, column = _source(link.source)
        if tables[kind] is None:
            raise EiferError(f"'{link.source}' needs {_NEEDED[kind]}; change that link or drive from a head.")
        k = place[link.target]
        values[:, k] += link.offset + link.scale * np.nan_to_num(tables[kind][:, column])
        low[k], high[k] = min(low[k], link.low), max(high[k], link.high)
    return targets, np.clip(values, low, high)


_NEEDED = {
    "muscle": "the activity of muscles",
    "parameter": "the parameters of a head",
    "arkit": "ARKit weights",
}


def _source(name: str) -> tuple[str, int]:
    if name not in SOURCES:
        raise EiferError(f"The source '{name[:60]}' is unknown; use one such as 'arkit:mouthSmileLeft'.")
    return SOURCES[name]


# --- files ----------------------------------------------------------------------------------------


def to_json(mapping: Mapping) -> str:
    """A mapping as text, one link a line, to be shared."""
    head = {"format": _FORMAT, "version": VERSION, "name": mapping.name}
    lines = ",\n".join("  " + json.dumps(link._asdict(), ensure_ascii=False) for link in mapping.links)
    start = json.dumps(head, ensure_ascii=False)[:-1]
    return f'{start}, "links": [\n{lines}\n]}}\n'


def from_json(text: str, where: str = "the file") -> Mapping:
    """A mapping from text. Raises EiferError, naming `where`, for anything that is none."""
    if len(text) > MOST_BYTES:
        raise EiferError(f"'{where}' is larger than any mapping.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise EiferError(f"'{where}' is no mapping of a character.") from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT or not isinstance(data.get("links"), list):
        raise EiferError(f"'{where}' is no mapping of a character.")
    if data.get("version") != VERSION:
        raise EiferError(f"'{where}' is of another version of this extension; save it again there.")
    if len(data["links"]) > MOST_LINKS:
        raise EiferError(f"'{where}' has more than {MOST_LINKS} links.")
    links = tuple(_link(one, number, where) for number, one in enumerate(data["links"], 1))
    return Mapping(str(data.get("name", ""))[:60], links)


def _link(data: object, number: int, where: str) -> Link:
    wrong = EiferError(f"Link {number} of '{where}' is damaged; correct or remove it.")
    if not isinstance(data, dict) or not set(data) <= set(Link._fields):
        raise wrong
    texts = [data.get(name) for name in ("source", "object", "path")]
    if not all(isinstance(text, str) and 0 < len(text) <= _MOST_TEXT for text in texts):
        raise wrong
    numbers = {
        name: data.get(name, Link._field_defaults[name]) for name in ("scale", "offset", "low", "high")
    }
    index = data.get("index", 0)
    if not all(type(value) in (int, float) and math.isfinite(value) for value in numbers.values()):
        raise wrong
    if type(index) is not int or not 0 <= index < 64 or numbers["low"] > numbers["high"]:
        raise wrong
    if texts[0] not in SOURCES:
        raise EiferError(f"Link {number} of '{where}' has the unknown source '{texts[0][:60]}'.")
    return Link(*texts, index, **{name: float(value) for name, value in numbers.items()})
