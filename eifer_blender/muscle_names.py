"""Names in the wild -> muscle channel: the one home for reading what a laboratory wrote.

Understood are the MMM and MaM column names, Fridlund labels (F1 ... F22), the German short names
of the Jena group, English and Latin names and their usual abbreviations, with the side as l, r,
left, right, li, re, links, rechts (and Latin) before or after the muscle.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from .muscles import CHANNELS, MUSCLES, channel_label


def _bag(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LEFT = _bag("l lt lft left li links linke linker linkes sin sinister sinistra sinistrum")
_RIGHT = _bag("r rt rgt right re rechts rechte rechter rechtes dex dexter dextra dextrum")

# Words that say how a channel was made, not where; they never decide the muscle.
_FILLER = _bag(
    "emg semg femg m musculus muscle muskel ch chan channel kanal electrode elektrode sensor bip bipolar "
    "raw roh rms env envelope rect rectified filt filtered processed smooth smoothed ave avg "
    "average mean integrated arv signal analog input uv mv nv v volt volts norm normalised normalized "
    "activation amplitude of the"
)

# Whole names, letters only, without side and filler. The stems below catch longer spellings.
_EXACT: dict[str, str] = {
    alias: muscle
    for muscle, aliases in {
        "corrugator_supercilii": "corr cor corrug corrsup corrsuperc corrugator corrugatorsup "
        "corrugatorsuperc corrugatorsupercilii",
        "depressor_anguli_oris": "dao depang deprang depangor depranguli depangulioris deprangulioris "
        "depressorangoris depressoranguli depressorangulioris triangularis",
        "depressor_supercilii": "dsp deprsup depsup deprsuperc depsuperc deprsupercilii depressorsup "
        "depressorsuperc depressorsupercilii depressorsuperciliiprocerus deprsupprocerus "
        "deprsupproc procerus proc",
        "lateral_frontalis": "latfront latf latfrontalis lateralfrontalis lateralerfrontalis frontlat "
        "frontalislat frontalislateral frontalislateralis frontalisparslateralis outerfrontalis "
        "frontallateral",
        "levator_labii_superioris": "lls llsup lev levator levlab levlabii levlabsup levatorlabii "
        "levatorlabiisup levatorlabiisuperior levatorlabiisuperioris llsan "
        "levatorlabiisuperiorisalaequenasi levatorlabiialaequenasi",
        "masseter": "mass mas masseter massetermajor",
        "medial_frontalis": "medfront medf medfrontalis medialfrontalis medialerfrontalis frontmed "
        "frontalismed frontalismedial frontalismedialis frontalisparsmedialis innerfrontalis",
        "mentalis": "ment men mentalis",
        "orbicularis_oculi": "orboc orbocc orbocu orboculi orbicoculi orbicularisoc orbicularisoculi "
        "orbiculoculi ooc oocu ooculi oculi",
        "orbicularis_oris": "orbor orboris orbicoris orbicularisor orbicularisoris oor oori ooris",
        "zygomaticus": "zyg zygo zygom zygmaj zygomaj zygomaticus zygomaticusmajor zygomaticusmaj "
        "zygomaticmajor zm zmaj zygomaticusmaior",
    }.items()
    for alias in aliases.split()
}

# Beginnings that leave little choice; a name found this way is marked doubtful.
_STEMS: tuple[tuple[str, str], ...] = (
    ("corrug", "corrugator_supercilii"),
    ("depressorang", "depressor_anguli_oris"),
    ("depressorsup", "depressor_supercilii"),
    ("procer", "depressor_supercilii"),
    ("frontalislat", "lateral_frontalis"),
    ("lateralfront", "lateral_frontalis"),
    ("levatorlab", "levator_labii_superioris"),
    ("masseter", "masseter"),
    ("mentalis", "mentalis"),
    ("orbicularisoc", "orbicularis_oculi"),
    ("orboc", "orbicularis_oculi"),
    ("orbicularisor", "orbicularis_oris"),
    ("orboris", "orbicularis_oris"),
    ("zygomaticusmaj", "zygomaticus"),
    ("zygomaticusl", "zygomaticus"),
    ("front", "medial_frontalis"),
)
_NEVER = ("minor",)  # zygomaticus minor is not among the eleven

_FRIDLUND: dict[int, tuple[str, str]] = {
    m.fridlund + step: (m.name, "rl"[step]) for m in MUSCLES for step in (0, 1)
}

_EEG = re.compile(r"^(fp\d|fp?z|cz|pz|oz|c[34]|p[34]|o[12]|t[3-8]|af\d|fc\d|cp\d)$")


class Match(NamedTuple):
    """What a name says: a muscle of `muscles.MUSCLES`, its side, and whether that is sure."""

    muscle: str | None
    side: str | None  # "l", "r" or None where the name does not say
    doubtful: bool

    @property
    def channel(self) -> str | None:
        """Name in `muscles.CHANNELS`; a muscle without a side counts as left."""
        return None if self.muscle is None else f"{self.muscle}_{self.side or 'l'}"


_NOTHING = Match(None, None, False)


def match_name(name: str) -> Match:
    """Muscle and side that a channel name stands for; an unknown name gives an empty `Match`."""
    words = _words(name)
    side = _side_of(words)
    label = [w for w in words if re.fullmatch(r"f0?\d{1,2}", w)]
    rest = [w for w in words if w not in _LEFT and w not in _RIGHT and w not in _FILLER and w not in label]
    text = "".join(w for w in rest if not w.isdigit())
    fridlund = _FRIDLUND.get(int(label[0][1:])) if len(label) == 1 else None
    if not text:
        return Match(*fridlund, False) if fridlund and side in (None, fridlund[1]) else _NOTHING
    muscle, glued, doubtful = _muscle_of(text)
    if muscle is None:
        return _NOTHING
    side = side or glued or (fridlund[1] if fridlund and fridlund[0] == muscle else None)
    return Match(muscle, side, doubtful or side is None)


def match_names(names: Sequence[str], suitability: Sequence[int] | None = None) -> list[Match]:
    """`match_name` for all channels of a file, made consistent.

    Names F3, F4, F7 and F8 beside EEG electrodes (Cz, O1, ...) are EEG, not Fridlund labels. If
    several channels claim one muscle and side, the one with the lowest `suitability` keeps it
    (the first of equals; without the argument the order decides), the others get an empty
    `Match`. A negative suitability means that the channel takes no part.
    """
    order = suitability if suitability is not None else [0] * len(names)
    eeg = any(_EEG.fullmatch(name.strip().lower()) for name in names)
    matches = [
        _NOTHING if rank < 0 or (eeg and re.fullmatch(r"[fF]\d{1,2}", name.strip())) else match_name(name)
        for name, rank in zip(names, order, strict=True)
    ]
    owner: dict[str, int] = {}
    for i, match in enumerate(matches):
        if match.channel is not None:
            best = owner.setdefault(match.channel, i)
            owner[match.channel] = i if order[i] < order[best] else best
    return [m if m.channel is None or owner[m.channel] == i else _NOTHING for i, m in enumerate(matches)]


def parse_channel(text: str) -> str:
    """Channel of `muscles.CHANNELS` that a user wrote by hand; ValueError if it is not clear."""
    plain = text.strip().lower().replace(" ", "_")
    if plain in CHANNELS:
        return plain
    match = match_name(text)
    if match.channel is None or match.side is None:
        raise ValueError(f"'{text}' is no muscle with a side, such as '{CHANNELS[-1]}'")
    return match.channel


def describe(match: Match) -> str:
    """For people: ``Zygomaticus major, left`` or ``Zygomaticus major, side not said``."""
    if match.channel is None:
        return "no muscle"
    label = channel_label(match.channel)
    return label if match.side else f"{label.rsplit(',', 1)[0]}, side not said"


def _words(name: str) -> list[str]:
    """Lower-case words of a name; accents, units in brackets and camel case are taken apart."""
    text = unicodedata.normalize("NFKD", name[:200])
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"[\[(]\s*(?:u|µ|μ|m|n)?v(?:olts?)?\s*[\])]", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return [w.lower() for w in re.split(r"[^A-Za-z0-9]+", text) if w and not _only_channel(w)]


def _only_channel(word: str) -> bool:
    """CH12, chan3: the amplifier's own counting."""
    return re.fullmatch(r"(?:ch|chan|channel)\d+", word, flags=re.IGNORECASE) is not None


def _side_of(words: Sequence[str]) -> str | None:
    sides = {"l" for w in words if w in _LEFT} | {"r" for w in words if w in _RIGHT}
    return sides.pop() if len(sides) == 1 else None


def _muscle_of(text: str) -> tuple[str | None, str | None, bool]:
    """(muscle, side glued to the name, doubtful) for the joined letters of a name."""
    if text in _EXACT:
        return _EXACT[text], None, False
    if any(word in text for word in _NEVER):
        return None, None, False
    for ending, side in (
        ("links", "l"),
        ("rechts", "r"),
        ("left", "l"),
        ("right", "r"),
        ("li", "l"),
        ("re", "r"),
    ):
        if text.endswith(ending) and text.removesuffix(ending) in _EXACT:
            return _EXACT[text.removesuffix(ending)], side, False
        if text.startswith(ending) and text.removeprefix(ending) in _EXACT:
            return _EXACT[text.removeprefix(ending)], side, False
    for letter in "lr":
        if text.endswith(letter) and text[:-1] in _EXACT and len(text) > 3:
            return _EXACT[text[:-1]], letter, True
        if text.startswith(letter) and text[1:] in _EXACT and len(text) > 3:
            return _EXACT[text[1:]], letter, True
    for stem, muscle in _STEMS:
        if text.startswith(stem):
            return muscle, None, True
    return None, None, False
