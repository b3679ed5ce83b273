"""Names in the wild -> muscle channel or electrode site: the one home for reading what a laboratory wrote.

Understood are the MMM and MaM column names, Fridlund labels (F1 ... F22), the German short names
of the Jena group, Kuramoto positions (K1 ... K24 or E1 ... E24), English, Latin and German names and
their usual abbreviations, with the side as l, r, left, right, li, re, links, rechts (and more) before
or after the muscle or glued to it, and marks of the two electrodes of a monopolar pair. What a
name leaves open is doubtful; what only the other names of the file can tell, `match_names` decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from .electrodes import SITES
from .muscles import CHANNELS, MUSCLES, channel_label


def _bag(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LEFT = _bag(
    "l lt lft left li lks links linke linker linkes sin sinister sinistra sinistrum gauche izq "
    "izquierdo sinistro"
)
_RIGHT = _bag(
    "r rt rgt right re rts rechts rechte rechter rechtes dex dext dexter dextra dextrum droite droit "
    "derecho destro"
)
_UNSURE_SIDES = _bag("lt rt")  # RT is a reaction time as well

_GLUED = tuple(
    sorted([(w, "l") for w in _LEFT] + [(w, "r") for w in _RIGHT], key=lambda pair: (-len(pair[0]), pair[0]))
)

# Words that say how a channel was made, not where; they never decide the muscle.
_FILLER = _bag(
    "emg semg femg lemg iemg m musculus muscle muskel ch chan channel kanal electrode elektrode elec el "
    "sensor raw roh rohdaten rms env envelope huellkurve hullkurve rect rectified filt filtered "
    "gefiltert processed smooth smoothed ave avg average mean mw mittelwert integrated arv signal "
    "analog analogue ana input in ai uv mv nv v volt volts microvolt millivolt norm normalised "
    "normalized activation activity aktivitat aktivierung amplitude amp of the der des bp hp lp notch "
    "hz x data value values kanale mvc delsys trigno noraxon biopac acqknowledge shimmer tmsi otb "
    "avanti ultium cometa bioplux plux brainamp nexus mp150 mp160 mp36 im subject subj sub p s face "
    "facial gesicht"
)
# A number after one of these is the amplifier's own counting.
_COUNTED = _bag(
    "emg semg femg iemg ch chan channel kanal sensor analog ana ai input in p s sub subj subject x"
)
_MONOPOLAR = _bag("mono monopolar unipolar monopol unipol ref reference referenz vs")
_BIPOLAR = _bag("bip bipolar bipol diff difference differenz")
# Words that make a muscle's name something else than its signal.
_NO_SIGNAL = _bag(
    "eeg onset offset latency latenz impedance impedanz imp kohm freq frequency mdf mnf count flag "
    "quality trigger trig marker event artifact artefact artefakt threshold schwelle label rating score "
    "pvalue coefficient sd"
)
_QUALIFIERS = _bag(
    "major maior maj pars portion part caput superficial superficialis belly site placement lead region area"
)

# Mark of an electrode -> (which kind of mark, first or second electrode).
_MARKS: dict[str, tuple[str, int]] = {
    word: (kind, place)
    for kind, first, second in (
        ("number", "1", "2"),
        ("letter", "a", "b"),
        ("sign", "+ pos positive plus", "- neg negative minus"),
        ("end", "prox proximal", "dist distal"),
        ("height", "sup superior upper up oben obere", "inf inferior lower low unten untere"),
    )
    for place, words in enumerate((first, second))
    for word in words.split()
}
_WEAK_MARKS = ("number", "height")  # numbers may only count, heights may be parts of a muscle

# Whole names, letters only, without side and filler. The stems below catch longer spellings.
_EXACT: dict[str, str] = {
    alias: muscle
    for muscle, aliases in {
        "corrugator_supercilii": "corr corrug corrsup corrsuperc corrsupercilii corrugator "
        "corrugatorsup csup corrugatorsuperc corrugatorsupercilii corrugsup corrugsuperc "
        "corrugsupercilii augenbrauenrunzler stirnrunzler corrugatorsuperciliorum corrugatorsupercili "
        "corrugatorsupercillii",
        "depressor_anguli_oris": "dao depang deprang depangor depranguli depangulioris deprangulioris "
        "depangori depressorangoris depressoranguli depressorangulioris depressorangularis deprangoris "
        "depangoris triangularis mundwinkelsenker mundwinkelherabzieher danguliOris dangulioris "
        "depressoranglioris",
        "depressor_supercilii": "dsp deprsup depsup deprsuperc depsuperc deprsupercilii depressorsup "
        "depsupercilii depressorsuperc depressorsupercilii depressorsuperciliiprocerus deprsupprocerus "
        "dssproc dsproc deprsupproc procerus procer procerusnasi",
        "lateral_frontalis": "latfront latf latfrontalis lateralfrontalis lateralerfrontalis frontlat "
        "frolat frlat frontalislat frontalislateral frontalislateralis frontalisparslateralis "
        "outerfrontalis lfrontalislateral frontallateral frontalisouter frontouter outerfront "
        "lateralfront latfro frontalispl stirnlateral lateralstirn lateralestirn stirnaussen",
        "levator_labii_superioris": "lls llsup levlab levlabii levlabsup levlabiisup levatorlabii "
        "llevatorlabii levatorlabiisup levatorlabiisuperior levatorlabiisuperioris llsan llsaln "
        "levlabsupalnasi levatorlabiisuperiorisalaequenasi levatorlabiialaequenasi levlabiisuperioris "
        "oberlippenheber levlabs levatorlabsup levatorlabiisuperiorus",
        "masseter": "masseter massetermajor massseter masset kaumuskel",
        "medial_frontalis": "medfront medf medfrontalis medialfrontalis medialerfrontalis frontmed "
        "fromed frmed frontalismed frontalismedial frontalismedialis frontalisparsmedialis "
        "innerfrontalis frontalisinner frontalmedial frontinner innerfront medialfront medfro "
        "frontalispm stirnmedial medialstirn medialestirn stirninnen",
        "mentalis": "mentalis musculusmentalis kinnmuskel",
        "orbicularis_oculi": "orboc orbocc orbocu orbocul orboculi orbicoculi orbicularisoc "
        "orbicularisoculi orbiculoculi orbiculoc ooc oocu oocul ooculi orboculii augenringmuskel "
        "augenschliessmuskel orbicularisocculi orbicularisocul orbculi",
        "orbicularis_oris": "orbor orbori orboris orbicoris orbicularisor orbicularisoris oor oori "
        "ooris orbiculoris mundringmuskel lippenringmuskel",
        "zygomaticus": "zyg zygo zygom zygmaj zygomaj zygommaj zygomajor zygmajor zygomaticus "
        "zygomaticusmajor zygomaticusmaj zygomaticmajor zygomaticmaj zygomatic zmaj zmajor "
        "zygomaticusmaior zygomaticusm jochbeinmuskel grosserjochbeinmuskel zygomaticmuscle zygomat",
    }.items()
    for alias in aliases.lower().split()
}

# Names that mean these muscles among facial EMG and something else elsewhere: doubtful, and only alone.
_UNSURE: dict[str, str] = {
    alias: muscle
    for muscle, aliases in {
        "corrugator_supercilii": "cor cs",
        "depressor_supercilii": "ds proc pro",
        "levator_labii_superioris": "lev levator",
        "masseter": "mass mas",
        "medial_frontalis": "front frontal frontalis stirnmuskel fron",
        "mentalis": "ment men",
        "orbicularis_oculi": "oculi oocs",
        "orbicularis_oris": "oris oos ooi oosup ooinf oom",
        "zygomaticus": "zm",
    }.items()
    for alias in aliases.split()
}
# Abbreviations that are certain once the name says a side.
_SURE_WITH_SIDE = _bag("ment mass zm")
# Abbreviations that need a side or the word EMG to count at all: CS is a stimulus, mass is kilograms.
_NEED_COMPANY = _bag("cor cs ds proc pro mass mas men zm oom fron")

# Places on the face, which only a channel that says "EMG" can mean as a muscle.
_PLACES: dict[str, str] = {
    place: muscle
    for muscle, places in {
        "corrugator_supercilii": "brow eyebrow braue augenbraue",
        "masseter": "jaw kiefer",
        "medial_frontalis": "forehead stirn",
        "mentalis": "chin kinn",
        "zygomaticus": "cheek wange",
    }.items()
    for place in places.split()
}

# Beginnings that leave little choice; a name found this way is doubtful.
_STEMS: tuple[tuple[str, str], ...] = (
    ("corrug", "corrugator_supercilii"),
    ("depressorang", "depressor_anguli_oris"),
    ("depressorsup", "depressor_supercilii"),
    ("procer", "depressor_supercilii"),
    ("frontalislat", "lateral_frontalis"),
    ("lateralfront", "lateral_frontalis"),
    ("levatorlab", "levator_labii_superioris"),
    ("masseter", "masseter"),
    ("masset", "masseter"),
    ("mentalis", "mentalis"),
    ("orbicularisoc", "orbicularis_oculi"),
    ("orboc", "orbicularis_oculi"),
    ("orbicularisor", "orbicularis_oris"),
    ("orboris", "orbicularis_oris"),
    ("zygomaticusmaj", "zygomaticus"),
    ("zygomati", "zygomaticus"),
    ("frontalismed", "medial_frontalis"),
    ("medialfront", "medial_frontalis"),
)

# Muscles that are not among the eleven: beginnings of words, whole words, and parts of joined names.
_OTHER_STEMS = tuple(
    (
        "temporal risor buccin platysm nasalis digast auricul occipit trapez sternoc palpeb mylohy "
        "geniogl geniohy submental suprahy infrahy pteryg canin septi splen bicep tricep deltoid "
        "brachio extens flexor abduct adduct tibial soleus gastroc vastus femor pectoral erector zunge "
        "tongue incisiv"
    ).split()
)
_OTHER_WORDS = _bag("dli lao zmi zmin zygmin scm lps fdi apb adm bucc ris")
_OTHER_PARTS = (
    *("zygomaticusmin", "zygmin", "zygomin", "zygommin", "zygomaticmin", "zmin", "kleinerjochbein"),
    *("depressorlab", "deprlab", "deplab", "levatorang", "levang", "kinnunter", "unterlippen"),
)
_OPEN = _bag("oo orb orbic orbicularis orbicul depr depressor dep")  # could be several of the eleven

_FRIDLUND: dict[int, tuple[str, str]] = {
    m.fridlund + step: (m.name, "rl"[step]) for m in MUSCLES for step in (0, 1)
}
_LABEL = re.compile(r"(f|k|e)0?([0-9]{1,3})([ab])?")

# Electrodes of the 10-20 system that no facial channel is called like.
_EEG = re.compile(
    r"(fp[0-9z]|fz|cz|pz|oz|c[34]|p[347-8]|o[12]|t[3-8]|t9|t10|af[0-9z]+|fc[0-9z]+|cp[0-9z]+|po[0-9z]+|ft[0-9]+|tp[0-9]+)"
)
_UNIT = re.compile(r"[\[(]\s*(?:u|\u00b5|\u03bc|m|n)?v(?:olts?)?\s*[\])]", re.IGNORECASE)
_BOTH_MARKS = re.compile(
    r"(?:(?<![0-9fkeFKE])1\s*[-\u2013\u2212/]\s*2|(?<![0-9A-Za-z])[aA]\s*[-\u2013\u2212/]\s*[bB])\s*$"
)
_SIGN = re.compile(r"[0-9A-Za-z)\]]\s*[(\[]?\s*([+\-\u2013\u2212])\s*[)\]]?\s*$")
_MOST_WORDS = 16


class Match(NamedTuple):
    """What a name says: a muscle of `muscles.MUSCLES` and its side, or a site of `electrodes.SITES`."""

    muscle: str | None = None
    side: str | None = None  # "l", "r" or None where the name does not say
    doubtful: bool = False
    site: str | None = None  # "K3", where the name is an electrode that belongs to no one muscle
    mark: str = ""  # a word of `_MARKS`: which electrode of a pair; "bipolar": the difference of both
    monopolar: bool = False  # the name says that it is one electrode against a reference
    remark: str = ""  # "other": a muscle that is none of the eleven; "open": it could be several

    @property
    def channel(self) -> str | None:
        """Name in `muscles.CHANNELS`; a muscle without a side counts as left."""
        return None if self.muscle is None else f"{self.muscle}_{self.side or 'l'}"


_NOTHING = Match()


def match_name(name: str) -> Match:
    """What a channel name stands for, by itself; an unknown name gives an empty `Match`."""
    text, mark = _marks_at_the_end(name)
    words = _words(text)
    if not words or any(w in _NO_SIGNAL for w in words):
        return _NOTHING
    labels = [w for w in words if _LABEL.fullmatch(w)]
    rest = [w for w in words if w not in labels]
    mark, monopolar, rest = _mark_of(rest, labels, mark)
    side = _side_of(rest)
    places = [w for w in rest if w not in _LEFT and w not in _RIGHT and w not in _FILLER and not w.isdigit()]
    if not places:
        return _labelled(labels, side, mark, monopolar) if labels else _NOTHING
    if mark in ("+", "-") and places == ["cs"]:
        return _NOTHING
    match = _named(places, side, any("emg" in w for w in rest))
    if match.muscle is None:
        return _kuramoto_word(places, labels, side) or match
    fridlund = _fridlund(labels)
    agrees = fridlund is not None and fridlund[0] == match.muscle
    side = match.side or (fridlund[1] if agrees else None)
    doubtful = match.doubtful or side is None or (fridlund is not None and fridlund != (match.muscle, side))
    if any(w in _UNSURE_SIDES for w in rest):
        doubtful = True
    return Match(match.muscle, side, doubtful, None, match.mark or mark, monopolar)


class _Found(NamedTuple):
    muscle: str | None
    side: str | None
    doubtful: bool
    weak: bool = False  # the alias means other things too and stands only alone


def _named(places: list[str], side: str | None, emg: bool) -> Match:
    """Muscle of the words that are left; `side` is what the other words say."""
    joined = "".join(places)
    if any(part in joined for part in _OTHER_PARTS) and "maj" not in joined:
        return Match(remark="other")
    if any(w in _OTHER_WORDS or w.startswith(_OTHER_STEMS) for w in places):
        return Match(remark="other")
    found, leftover = _longest(places)
    if found is None:
        if len(places) == 1 and emg and places[0] in _PLACES:
            return Match(_PLACES[places[0]], side, True)
        is_open = "".join(w for w in places if w not in _MARKS).rstrip() in _OPEN
        return Match(remark="open") if is_open else _NOTHING
    heights = [w for w in leftover if w in _MARKS]
    strange = [w for w in leftover if w not in _QUALIFIERS and w not in _MARKS]
    again = [w for w in strange if _alias(w).muscle == found.muscle]
    strange = [w for w in strange if w not in again]
    unclear = found.weak or (found.muscle == "corrugator_supercilii" and "corr" in places and not side)
    if strange and (unclear or any(_alias(w).muscle for w in strange)):
        return _NOTHING  # two muscles, or a word that means something else in such company
    sure = side or found.side
    if joined in _NEED_COMPANY and not (sure or emg):
        return _NOTHING
    doubtful = found.doubtful or bool(strange)
    if found.weak and sure and joined in _SURE_WITH_SIDE:
        doubtful = bool(strange)
    mark = "bipolar" if any(places.count(w) > 1 for w in again) else heights[-1] if len(heights) == 1 else ""
    return Match(found.muscle, sure, doubtful, mark=mark)


def _longest(places: list[str]) -> tuple[_Found | None, list[str]]:
    """(what the longest run of words that is a name says, the other words)."""
    for look in (_alias, _stem):
        for length in range(len(places), 0, -1):
            for start in range(len(places) - length + 1):
                found = look("".join(places[start : start + length]))
                if found.muscle is not None:
                    return found, places[:start] + places[start + length :]
    return None, places


def _alias(text: str) -> _Found:
    """What joined words mean, with a side that is glued to them."""
    if text in _EXACT:
        return _Found(_EXACT[text], None, False)
    if text in _UNSURE:
        return _Found(_UNSURE[text], None, True, True)
    for table, unsure in ((_EXACT, False), (_UNSURE, True)):
        for word, side in _GLUED:
            for base in (text.removesuffix(word), text.removeprefix(word)):
                if base != text and base in table:
                    return _Found(table[base], side, unsure, unsure)
    return _Found(None, None, False)


def _stem(text: str) -> _Found:
    """What the beginning of joined words leaves little doubt about."""
    for stem, muscle in _STEMS:
        if text.startswith(stem):
            return _Found(muscle, None, True)
    return _Found(None, None, False)


def _labelled(labels: list[str], side: str | None, mark: str, monopolar: bool) -> Match:
    """A name that is a Fridlund or Kuramoto label and nothing else."""
    parsed = {_LABEL.fullmatch(w).groups()[:2] for w in labels}  # type: ignore[union-attr]
    if len(parsed) != 1:
        return _NOTHING
    letter, number = parsed.pop()
    if letter == "f":
        found = _FRIDLUND.get(int(number))
        if found is None or side not in (None, found[1]):
            return _NOTHING
        return Match(*found, False, None, "bipolar" if len(labels) > 1 else mark, monopolar)
    site = f"K{int(number)}"
    if site not in SITES or side not in (None, _side_of_site(site)):
        return _NOTHING
    return Match(side=side, doubtful=True, site=site)


def _kuramoto_word(places: list[str], labels: list[str], side: str | None) -> Match | None:
    """``Kuramoto 5`` and ``Kuramoto K5``."""
    if places not in (["kuramoto"], ["kur"]) or len(labels) != 1:
        return None
    match = _labelled(labels, side, "", False)
    return match._replace(doubtful=False) if match.site else None


def _side_of_site(site: str) -> str | None:
    x = SITES[site][0]
    return "l" if x > 0 else "r" if x < 0 else None


def _fridlund(labels: list[str]) -> tuple[str, str] | None:
    numbers = {int(w.strip("fab")) for w in labels if w.startswith("f") and w.strip("fab").isdigit()}
    return _FRIDLUND.get(numbers.pop()) if len(numbers) == 1 else None


# --- words ----------------------------------------------------------------------------------------


def _marks_at_the_end(name: str) -> tuple[str, str]:
    """(plain text, mark that is no word: a sign, or both electrodes)."""
    text = unicodedata.normalize("NFKD", name[:200].replace("\u00df", "ss"))
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = _UNIT.sub(" ", text).rstrip()
    both = _BOTH_MARKS.search(text)
    if both:
        return text[: both.start()], "bipolar"
    sign = _SIGN.search(text)
    return text, ("+" if sign.group(1) == "+" else "-") if sign else ""


def _words(text: str) -> list[str]:
    """Lower-case words; camel case and numbers are taken apart, labels such as F19a are kept."""
    text = re.sub(r"(?<![A-Za-z])([sfSF]?(?:EMG|emg|Emg))(?=[A-Za-z])", r"\1 ", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", text)
    words: list[str] = []
    for token in re.split(r"[^A-Za-z0-9]+", text)[: 2 * _MOST_WORDS]:
        word = token.lower()
        sided = re.fullmatch(r"([fke][0-9]{1,2})(l|r|li|re)", word)
        if _LABEL.fullmatch(word) or word in _FILLER:
            words.append(word)
        elif sided:
            words += sided.groups()
        else:
            words += re.findall(r"[a-z]+?(?=emg(?![a-z]))|[a-z]+|[0-9]+", word)
    merged: list[str] = []
    for word in words:  # "K 5", "Kuramoto 5"
        if word.isdigit() and merged and merged[-1] in ("k", "kuramoto", "kur") and len(word) < 3:
            merged[-1:] = [f"k{int(word)}"] if merged[-1] == "k" else [merged[-1], f"k{int(word)}"]
        else:
            merged.append(word)
    return merged[:_MOST_WORDS]


def _mark_of(words: list[str], labels: list[str], mark: str) -> tuple[str, bool, list[str]]:
    """(mark, whether the name says monopolar, the words without both)."""
    monopolar = any(w in _MONOPOLAR for w in words)
    if any(w in _BIPOLAR for w in words):
        mark = "bipolar"
    words = [w for w in words if w not in _MONOPOLAR and w not in _BIPOLAR]
    glued = [w[-1] for w in labels if w[-1] in "ab"]
    if mark:
        return mark, monopolar, words
    if len(glued) == 1 and len(labels) == 1:
        if words and words[-1] == "b" and len(words) == 1:  # "F1a-b"
            return "bipolar", monopolar, []
        return glued[0], monopolar, words
    end = len(words)
    while end and words[end - 1] in _FILLER and words[end - 1] not in _COUNTED:
        end -= 1
    last = words[end - 1] if end else ""
    counted = end > 1 and words[end - 2] in _COUNTED
    clear = last in _MARKS and _MARKS[last][0] not in _WEAK_MARKS
    number = last in ("1", "2") and not counted
    if ((clear or number) and (end > 1 or labels)) or (labels and end == 1 and last in _MARKS):
        mark = last
    if mark:
        words = words[: end - 1] + words[end:]
    return mark, monopolar, words


def _side_of(words: Sequence[str]) -> str | None:
    sides = {"l" for w in words if w in _LEFT} | {"r" for w in words if w in _RIGHT}
    return sides.pop() if len(sides) == 1 else None


# --- a whole file ---------------------------------------------------------------------------------


def match_names(
    names: Sequence[str], suitability: Sequence[int] | None = None, raw: Sequence[bool] | None = None
) -> list[Match]:
    """`match_name` for all channels of a stream, made consistent.

    Names such as F3 beside EEG electrodes (Cz, O1, ...) are EEG, E1 ... are Kuramoto positions only
    where the set of numbers fits. Two raw channels (`raw`; without the argument none is) that name
    one muscle and the two electrodes of a pair both keep it. Otherwise the channel with the
    lowest `suitability` keeps a muscle (a bipolar one before others, then the first of equals), the
    others get an empty `Match`. A negative suitability means that the channel takes no part.
    """
    order = list(suitability) if suitability is not None else [0] * len(names)
    matches = [_NOTHING if rank < 0 else match_name(n) for n, rank in zip(names, order, strict=True)]
    eeg = [is_eeg(n) for n in names]
    if any(eeg) or any(re.fullmatch(r"\s*[fF]0\s*(?:\W.*)?", n) for n in names):
        # Formants and the 10-20 system have labels like F1, too; neither has an F11.
        matches = [_without_label(m, n) for m, n in zip(matches, names, strict=True)]
    matches = _sites(matches, names, any(eeg))
    return _one_each(matches, order, list(raw) if raw is not None else [False] * len(names))


def is_eeg(name: str) -> bool:
    """Whether a name is an electrode of the 10-20 system that no facial channel is called like."""
    words = re.split(r"[^a-z0-9]+", name.strip().lower())
    return "eeg" in words or any(_EEG.fullmatch(w) for w in words[:1])


def _without_label(match: Match, name: str) -> Match:
    labels = [w for w in _words(name) if re.fullmatch(r"f0?[0-9]{1,2}[ab]?", w)]
    if not labels or match.muscle is None or int(labels[0].strip("fab")) > 10:
        return match
    return match if any(_alias(w).muscle for w in _words(name)) else _NOTHING


def _sites(matches: list[Match], names: Sequence[str], eeg: bool) -> list[Match]:
    """Kuramoto positions stay where the set of numbers of their letter can be that scheme."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for name in names:
        for word in _words(name):
            found = _LABEL.fullmatch(word)
            if found and found.group(1) in "ke":
                numbers[found.group(1)].add(int(found.group(2)))
    result = []
    seen: set[str] = set()
    for match, name in zip(matches, names, strict=True):
        if match.site is None:
            result.append(match)
            continue
        letter = next((w[0] for w in _words(name) if _LABEL.fullmatch(w)), "k")
        state = "sure" if not match.doubtful else _scheme(letter, numbers[letter], eeg)
        if match.site in seen or state == "no":
            match = Match(remark="numbered") if state == "no" and letter == "e" and not eeg else _NOTHING
        elif state == "sure":
            match = match._replace(doubtful=False)
        if match.site:
            seen.add(match.site)
        result.append(match)
    return result


def _scheme(letter: str, numbers: set[int], eeg: bool) -> str:
    """ "sure", "doubtful" or "no": whether numbers behind a letter are Kuramoto's."""
    if eeg or not all(f"K{n}" in SITES for n in numbers) or len(numbers) < 3:
        return "no"
    if max(numbers) > 10:
        return "sure"  # from 11 on the scheme has gaps that simple counting has not
    return "doubtful" if letter == "k" else "no"


def _one_each(matches: list[Match], order: list[int], raw: list[bool]) -> list[Match]:
    """At most one owner of each muscle and side, or the two electrodes of a pair."""
    claims: dict[str, list[int]] = defaultdict(list)
    for i, match in enumerate(matches):
        if match.channel is not None:
            claims[match.channel].append(i)
    kept: set[int] = set()
    pairs: set[int] = set()
    for members in claims.values():
        best = [i for i in members if order[i] == min(order[k] for k in members)]
        bipolar = [i for i in best if matches[i].mark == "bipolar"]
        pair = [i for i in best if raw[i]]
        if bipolar:
            kept.add(bipolar[0])
        elif len(best) == 2 and len(pair) == 2 and _complete(*(matches[i].mark for i in pair)):
            pairs.update(pair)
        else:
            plain = [i for i in best if not matches[i].mark]
            kept.add((plain or best)[0])
    lone_counts = bool(pairs)
    result = []
    for i, match in enumerate(matches):
        if match.channel is None or i in pairs:
            result.append(match)
        elif i in kept:
            result.append(match._replace(doubtful=match.doubtful or is_half(match, lone_counts)))
        else:
            result.append(_NOTHING)
    return result


def _complete(first: str, second: str) -> bool:
    one, other = _MARKS.get(first), _MARKS.get(second)
    return one is not None and other is not None and one[0] == other[0] and one[1] != other[1]


def is_half(match: Match, pairs_beside: bool) -> bool:
    """Whether a channel that stands alone is one electrode of a pair.

    Numbers count as marks of electrodes only if other channels of the file are pairs (`pairs_beside`).
    """
    if match.monopolar:
        return True
    kind = _MARKS.get(match.mark, ("", 0))[0]
    return bool(kind) and (kind not in _WEAK_MARKS or pairs_beside)


def one_of_a_pair(name: str) -> bool:
    """Whether a name by itself says that the channel is one electrode and no bipolar pair."""
    return is_half(match_name(name), False)


def in_pair_order(first: str, second: str) -> bool:
    """Whether two electrodes' names stand in the order of their marks; without marks they do."""
    marks = match_name(first).mark, match_name(second).mark
    return not _complete(*marks) or _MARKS[marks[0]][1] < _MARKS[marks[1]][1]


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
    if match.site is not None:
        return f"Kuramoto position {match.site}"
    if match.channel is None:
        return "no muscle"
    label = channel_label(match.channel)
    return label if match.side else f"{label.rsplit(',', 1)[0]}, side not said"
