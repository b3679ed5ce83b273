"""What keys and bones of rigs with other names may mean: a start for a mapping that a person corrects."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..spaces import ARKIT_NAMES
from .names import arkit_of, words_of

JAW_RADIANS = 0.35  # that a jaw turns where jawOpen is 1, as in the default head


class Guess(NamedTuple):
    """Sources that add up, and how sure that is."""

    sources: tuple[tuple[str, float], ...]  # (ARKit shape, scale)
    sure: float  # 0..1


# Facial Action Coding System: action unit -> ARKit shapes, sided ones without their side.
_UNITS = {
    1: "browInnerUp", 2: "browOuterUp", 4: "browDown", 5: "eyeWide", 6: "cheekSquint", 7: "eyeSquint",
    9: "noseSneer", 10: "mouthUpperUp", 12: "mouthSmile", 14: "mouthDimple", 15: "mouthFrown",
    16: "mouthLowerDown", 17: "mouthShrugLower", 18: "mouthPucker", 20: "mouthStretch", 22: "mouthFunnel",
    24: "mouthPress", 26: "jawOpen", 27: "jawOpen", 43: "eyeBlink", 45: "eyeBlink",
}  # fmt: skip

# Words -> (ARKit shapes, how sure). VRM and VRoid, MMD, visemes, and what people call things.
_WORDS: dict[str, tuple[str, float]] = {
    "blink": ("eyeBlink", 0.9),
    "eye close": ("eyeBlink", 0.9),
    "eyes closed": ("eyeBlink", 0.9),
    "eye closed": ("eyeBlink", 0.9),
    "wink": ("eyeBlink", 0.7),
    "smile": ("mouthSmile", 0.8),
    "mouth smile": ("mouthSmile", 0.9),
    "grin": ("mouthSmile", 0.6),
    "joy": ("mouthSmile", 0.6),
    "happy": ("mouthSmile", 0.6),
    "frown": ("mouthFrown", 0.6),
    "sad": ("mouthFrown", 0.5),
    "sorrow": ("mouthFrown", 0.5),
    "angry": ("browDown", 0.5),
    "surprised": ("eyeWide", 0.5),
    "sneer": ("noseSneer", 0.7),
    "squint": ("eyeSquint", 0.8),
    "eye wide": ("eyeWide", 0.8),
    "eyes wide": ("eyeWide", 0.8),
    "brow up": ("browOuterUp", 0.6),
    "brow raise": ("browOuterUp", 0.6),
    "brows up": ("browOuterUp", 0.6),
    "brow down": ("browDown", 0.8),
    "brows down": ("browDown", 0.8),
    "jaw open": ("jawOpen", 0.9),
    "mouth open": ("jawOpen", 0.8),
    "open": ("jawOpen", 0.4),
    "pucker": ("mouthPucker", 0.8),
    "kiss": ("mouthPucker", 0.7),
    "funnel": ("mouthFunnel", 0.8),
    "puff": ("cheekPuff", 0.8),
    "cheek puff": ("cheekPuff", 0.9),
    "mth a": ("jawOpen", 0.7),
    "mth u": ("mouthPucker", 0.7),
    "mth o": ("mouthFunnel", 0.7),
    "mth i": ("mouthStretch", 0.6),
    "aa": ("jawOpen", 0.6),
    "viseme aa": ("jawOpen", 0.6),
    "ou": ("mouthPucker", 0.6),
    "viseme u": ("mouthPucker", 0.6),
    "oh": ("mouthFunnel", 0.6),
    "viseme o": ("mouthFunnel", 0.6),
    "ih": ("mouthStretch", 0.5),
}
_JAPANESE = {
    "まばたき": ("eyeBlink", 0.9), "ウィンク": ("eyeBlinkLeft", 0.8), "ウィンク右": ("eyeBlinkRight", 0.8),
    "にこり": ("mouthSmile", 0.5), "口角上げ": ("mouthSmile", 0.8), "口角下げ": ("mouthFrown", 0.8),
    "怒り": ("browDown", 0.6), "びっくり": ("eyeWide", 0.7), "あ": ("jawOpen", 0.7),
    "う": ("mouthPucker", 0.7), "お": ("mouthFunnel", 0.7), "い": ("mouthStretch", 0.6),
}  # fmt: skip
_EMPTY = frozenset("fcl eye mth all brw mouth face vrm vrc v a b expression head key shape".split())
_SIDES = {"l": "Left", "left": "Left", "r": "Right", "right": "Right"}
_BASES = {name.lower(): name for name in (re.sub(r"(Left|Right)$", "", one) for one in ARKIT_NAMES)}
_UNIT = re.compile(r"au_?0*(\d{1,2})", re.IGNORECASE)


def guess(name: str) -> Guess | None:
    """What a shape key may mean; None if nothing is known of its name. Without a side, half of each."""
    known = arkit_of(name)
    if known:
        return Guess(((known, 1.0),), 1.0)
    if name in _JAPANESE:
        base, sure = _JAPANESE[name]
        return Guess(_sources(base, ""), sure)
    words = words_of(name)
    side = next((_SIDES[word] for word in (words[-1:] + words[:1]) if word in _SIDES), "")
    words = [word for k, word in enumerate(words) if not (word in _SIDES and k in (0, len(words) - 1))]
    unit = _UNIT.fullmatch("".join(words))
    if unit:
        base = _UNITS.get(int(unit[1]))
        return Guess(_sources(base, side), 0.9) if base else None
    return _by_words(words, side)


def guess_bone(name: str) -> float | None:
    """How sure it is that a bone of this name turns the jaw; None if it is not."""
    words = words_of(name)
    if "jaw" not in words or {"end", "ik", "tip", "target", "upper"} & set(words):
        return None
    return 0.8 if {"def", "ctrl", "j", "mch", "org"}.isdisjoint(words) else 0.6


def _by_words(words: list[str], side: str) -> Guess | None:
    joined = "".join(words)
    if joined in _BASES:  # an ARKit shape for both sides at once
        return Guess(_sources(_BASES[joined], side), 0.9)
    for start in range(len(words)):
        if not set(words[:start]) <= _EMPTY:
            return None
        found = _WORDS.get(" ".join(words[start:]))
        if found:
            return Guess(_sources(found[0], side), found[1])
    return None


def _sources(base: str, side: str) -> tuple[tuple[str, float], ...]:
    if base in ARKIT_NAMES:
        return ((base, 1.0),)
    if side:
        return ((base + side, 1.0),)
    return ((base + "Left", 0.5), (base + "Right", 0.5))
