"""ARKit's 52 shapes under the names that tools and engines give them.

A name counts only if all of it is understood: what is left over beside an ARKit name must be a word that
tools put before it, such as a mesh's name. So `corrective_eyeBlinkLeft` is not taken for `eyeBlinkLeft`.
"""

from __future__ import annotations

import re
from functools import cache

from ..spaces import ARKIT_NAMES

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDES = {"Left": ("left", "l"), "Right": ("right", "r")}

# What comes before a shape's name: kinds of objects and conventions, never a part of a movement.
_PREFIXES = frozenset(
    "a ar kit avatar base bs blend blendshape blendshapes body cc char character ctrl d expression "
    "expressions eyelashes face facecap facial fbs geo h head key keys ll livelink m mesh mh morph morphs "
    "morpher node shape shapes sk skin target targets teeth ue vrm wolf".split()
)

# Reallusion's Character Creator, MetaHuman's raw controls and other spellings: base -> base of ARKit.
_SIDED = {
    "browDrop": "browDown",
    "browLower": "browDown",
    "browRaiseOuter": "browOuterUp",
    "browOuterRaise": "browOuterUp",
    "cheekRaise": "cheekSquint",
    "eyeCheekRaise": "cheekSquint",
    "eyeWiden": "eyeWide",
    "eyeSquintInner": "eyeSquint",
    "mouthCornerPull": "mouthSmile",
    "mouthCornerDepress": "mouthFrown",
    "mouthUpUpper": "mouthUpperUp",
    "mouthUpperLipRaise": "mouthUpperUp",
    "mouthDownLower": "mouthLowerDown",
    "mouthLowerLipDepress": "mouthLowerDown",
    "mouthLipsPress": "mouthPress",
    "noseWrinkle": "noseSneer",
}
# The same movement cut into parts that ARKit moves as one.
_PARTS = {
    "browInnerUp": "browInnerUp",
    "browRaiseInner": "browInnerUp",
    "browRaiseIn": "browInnerUp",
    "cheekPuff": "cheekPuff",
    "mouthCheekBlow": "cheekPuff",
    "mouthFunnel": "mouthFunnel",
    "mouthPucker": "mouthPucker",
    "mouthLipsPurse": "mouthPucker",
}
_WHOLE = {
    "jawFwd": "jawForward",
    "jawDrop": "jawOpen",
    "mouthRollInUpper": "mouthRollUpper",
    "mouthRollInLower": "mouthRollLower",
    "mouthRollUpperIn": "mouthRollUpper",
    "mouthRollLowerIn": "mouthRollLower",
    "tongueExtend": "tongueOut",
}
# Character Creator says to which side an eye looks, ARKit whether it looks in or out.
_GAZE = {
    "eyeLLookL": "eyeLookOutLeft",
    "eyeLLookR": "eyeLookInLeft",
    "eyeRLookR": "eyeLookOutRight",
    "eyeRLookL": "eyeLookInRight",
    "eyeLLookUp": "eyeLookUpLeft",
    "eyeRLookUp": "eyeLookUpRight",
    "eyeLLookDown": "eyeLookDownLeft",
    "eyeRLookDown": "eyeLookDownRight",
}
_QUARTERS = ("ul", "ur", "dl", "dr")


def arkit_of(name: str) -> str | None:
    """ARKit's name of a shape key by any common spelling; None if it is none, or leaves its side open.

    Understood are separators of any kind, left and right as words or letters before or after, the prefixes
    of meshes and exporters, and the names of Faceit, Ready Player Me, MPFB, VRM (perfect sync), MetaHuman,
    Unreal, Face Cap and Character Creator.
    """
    table = _table()
    words = words_of(name)
    for start in range(len(words)):
        if any(word not in _PREFIXES and not word.isdigit() for word in words[:start]):
            return None
        found = table.get("".join(words[start:]))
        if found:
            return found
    return None


def words_of(name: str) -> list[str]:
    """Lower-case words of a name, without Blender's number of a copy and the owner before the last point."""
    name = re.sub(r"\.\d{3,}$", "", name[:200])
    parts = re.split(r"[|:.]", name)
    while len(parts) > 1 and not (len(parts) == 2 and parts[1].lower() in {"l", "r", "left", "right"}):
        parts = parts[1:]
    return [word.lower() for word in _WORD.findall(" ".join(parts))]


@cache
def _table() -> dict[str, str]:
    """Joined words of every spelling -> ARKit's name."""
    found = {}
    for name in ARKIT_NAMES:
        found[name.lower()] = name
        for side, letters in _SIDES.items():
            if name.endswith(side):
                found |= _spellings(name.removesuffix(side), letters, name)
    for other, base in _SIDED.items():
        for side, letters in _SIDES.items():
            found |= _spellings(other, letters, base + side)
    for other, name in _PARTS.items():
        found[other.lower()] = name
        for letters in (*_SIDES.values(), _QUARTERS):
            found |= _spellings(other, letters, name)
    found |= {other.lower(): name for other, name in (_WHOLE | _GAZE).items()}
    return found


def _spellings(base: str, sides: tuple[str, ...], name: str) -> dict[str, str]:
    """The side after the words of a base, before them, and between the first and the second."""
    words = [word.lower() for word in _WORD.findall(base)]
    made = {}
    for side in sides:
        made["".join((*words, side))] = name
        made["".join((side, *words))] = name
        if len(side) > 1 and len(words) > 1:
            made["".join((words[0], side, *words[1:]))] = name
    return made
