"""Channel names of many laboratories find their muscle, and only theirs."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eifer_blender import electrodes, muscles
from eifer_blender.muscle_names import (
    Match,
    describe,
    in_pair_order,
    match_name,
    match_names,
    one_of_a_pair,
    parse_channel,
)

MMM = {
    "Corrugator Supercilii": "corrugator_supercilii",
    "Depressor Ang. Oris": "depressor_anguli_oris",
    "Depressor Supercilii Procerus": "depressor_supercilii",
    "Lateraler Frontalis": "lateral_frontalis",
    "Levator Labii Superioris": "levator_labii_superioris",
    "Masseter": "masseter",
    "Medialer Frontalis": "medial_frontalis",
    "Mentalis": "mentalis",
    "Orbicularis Oculi": "orbicularis_oculi",
    "Orbicularis Oris": "orbicularis_oris",
    "Zygomaticus": "zygomaticus",
}
FRIDLUND = (
    *("medial_frontalis", "lateral_frontalis", "corrugator_supercilii", "depressor_supercilii"),
    *("levator_labii_superioris", "orbicularis_oris", "depressor_anguli_oris", "mentalis"),
    *("orbicularis_oculi", "zygomaticus", "masseter"),
)


def test_the_table_is_in_the_data_sets_order():
    assert list(muscles.CHANNELS) == sorted(muscles.CHANNELS)
    assert len(muscles.CHANNELS) == 22


@pytest.mark.parametrize("form", ["{}_{}", "{} {}", "{}-{}", "{}.{}"])
@pytest.mark.parametrize("change", [str, str.lower, str.upper, lambda t: t.replace(" ", "_")])
def test_mmm_columns_in_any_spelling(form, change):
    columns = [change(form.format(name, side)) for name in MMM for side in "lr"]
    assert [m.channel for m in match_names(columns)] == list(muscles.CHANNELS)
    assert not any(m.doubtful for m in match_names(columns))


def test_fridlund_labels_odd_right_even_left():
    for number in range(1, 23):
        expected = f"{FRIDLUND[(number - 1) // 2]}_{'r' if number % 2 else 'l'}"
        assert match_name(f"F{number}").channel == expected
        assert match_name(f"F{number:02d}").channel == expected
    assert match_name("F0").channel is None
    assert match_name("F23").channel is None


def test_fridlund_labels_beside_eeg_electrodes_are_eeg():
    assert all(m.channel is None for m in match_names(["F3", "F4", "Cz", "O1"]))


@pytest.mark.parametrize("muscle", muscles.MUSCLES)
@pytest.mark.parametrize(("word", "side"), [("li", "l"), ("re", "r"), ("links", "l"), ("rechts", "r")])
def test_german_short_names(muscle, word, side):
    for text in (f"{muscle.german} {word}", f"{word} {muscle.german}", f"{muscle.german}_{word.upper()}"):
        assert match_name(text)[:3] == (muscle.name, side, False), text


@pytest.mark.parametrize("muscle", muscles.MUSCLES)
@pytest.mark.parametrize("word", ["left", "L", "Right", "r"])
def test_english_and_latin_names_prefix_or_suffix(muscle, word):
    plain = muscle.name.replace("_", " ")
    for text in (f"{plain} {word}", f"{word} {plain}", f"EMG M. {plain} ({word})", f"{word}_{muscle.name}"):
        assert match_name(text).muscle == muscle.name, text
        assert match_name(text).side == word[0].lower(), text


SHORT = {
    "corr": "corrugator_supercilii",
    "dao": "depressor_anguli_oris",
    "dsp": "depressor_supercilii",
    "latf": "lateral_frontalis",
    "lls": "levator_labii_superioris",
    "mass": "masseter",
    "medf": "medial_frontalis",
    "ment": "mentalis",
    "ooc": "orbicularis_oculi",
    "oor": "orbicularis_oris",
    "zyg": "zygomaticus",
}

# Name as laboratories write it -> muscle (short) and side; "?" after it: doubtful; "-": no muscle.
WILD = """
EMG_ZygL = zyg l
L_ZYG = zyg l
LLS_R = lls r
DAO left [µV] = dao l
CH3 Corrugator right = corr r
Zyg li (mV) RMS = zyg l
procerus r = dsp r
EMG1 Zyg_L = zyg l
EMG 12 - Corr_R = corr r
Trigno IM sensor 3: EMG 3 = -
Trigno Zyg L: EMG 4 = zyg l
Avanti sensor 2: EMG.A 2 = -
M. zygomaticus major sin. = zyg l
M. zygomaticus major dex. = zyg r
musculus corrugator supercilii sinister = corr l
Musculus orbicularis oculi dexter = ooc r
linker Zygomaticus = zyg l
rechter M. masseter = mass r
Großer Jochbeinmuskel links = zyg l
Kleiner Jochbeinmuskel links = -
Kaumuskel rechts = mass r
Augenringmuskel li = ooc l
Mundringmuskel re = oor r
Stirnmuskel re = medf r ?
Mundwinkelsenker li = dao l
Kinnmuskel li = ment l
ZygL = zyg l
ZYGL = zyg l
zygL = zyg l
ZygLeft = zyg l
LeftZyg = zyg l
leftZygomaticus = zyg l
RZyg = zyg r
rZM = zyg r
ZM_L = zyg l
ZM = -
EMG ZM = zyg ?
ZMR = zyg r ?
zygomaticusMajorRight = zyg r
Zyg.Maj.L = zyg l
zyg-maj-l = zyg l
Zygo_Right = zyg r
zygomatic L = zyg l
zygomatique gauche = zyg l ?
Zygomaticus = zyg ?
Zyg = zyg ?
zygomaticus minor R = -
Zyg. min. re = -
ZMi_L = -
EMGcorr = corr ?
zygEMG = zyg ?
EMGzyg_R = zyg r
CORR_left = corr l
Corrugator-R = corr r
corrugador izquierdo = corr l ?
cor_l = corr l ?
cor = -
CS_L = corr l ?
CS+ = -
CS- = -
CS = -
Corr Sup R = corr r
Corr RT = corr r ?
accuracy corr = -
corr coefficient = -
Brow EMG = corr ?
browDownLeft = -
EMG cheek left = zyg l ?
cheekPuff = -
cheekSquintLeft = -
Chin EMG = ment ?
Chin1-Chin2 = -
jawOpen = -
OrbOc li = ooc l
OrbOcLi = ooc l
Orb. Oc. R = ooc r
O. oculi L = ooc l
OOc L = ooc l
OOcR = ooc r
OOC = ooc ?
orbicularis oculi (lower) right = ooc r
OrbOr re = oor r
OOr_l = oor l
OOR_R = oor r
O.oris dex = oor r
orb oris sup li = oor l
OOS L = oor l ?
OOI L = oor l ?
OO L = -
Orbicularis R = -
LLS = lls ?
LLSAN left = lls l
Llsup re = lls r
Lev. lab. sup. L = lls l
levator labii superioris alaeque nasi R = lls r
Lev L = lls l ?
levator anguli oris L = -
levator palpebrae L = -
DAO_L = dao l
Depr. ang. oris re = dao r
depressor anguli oris, left = dao l
depressor labii inferioris L = -
DLI_R = -
Depressor L = -
Triangularis re = dao r
MENT_L = ment l
Mentalis - links = ment l
ment_r = ment r
Men L = ment l ?
FRONT med L = medf l
FRONT lat L = latf l
Frontalis lateralis re = latf r
Frontalis pars medialis dext = medf r
med Front li = medf l
latFrontRe = latf r
inner frontalis left = medf l
outer frontalis left = latf l
Frontalis R = medf r ?
Front camera = -
MASS_R = mass r
Mass re = mass r
Masseter superficialis left = mass l
body mass = -
mass (kg) = -
DS_l = dsp l ?
Depr sup li = dsp l
PRO L = dsp l ?
PRO = -
Proc R = dsp r ?
processed = -
procerus/depressor supercilii left = dsp l
F19 = zyg r
F20 = zyg l
F20L = zyg l
F20 re = -
F1a = medf r
F19b = zyg r
F3 prox = latf r
F3-F4 = -
EMG F22 = mass l
F19 Zyg re = zyg r
F19 Zyg li = zyg l ?
F23 = -
F1 score = -
Temporalis L = -
Risorius re = -
Buccinator = -
Platysma left = -
Nasalis R = -
Digastric L = -
trapezius_r = -
Biceps brachii = -
Submentalis EMG = -
EEG F3-Ref = -
ECG = -
EKG II = -
Resp = -
Digital input = -
Marker = -
Time = -
Time [s] = -
Trigger = -
Zyg L onset = -
Zyg_L impedance (kOhm) = -
Zyg L median frequency (Hz) = -
mouthSmileLeft = -
left = -
CH12 = -
Ref = -
GND = -
Masse = -
ear = -
Level = -
Color = -
mental load = -
AU12_r = -
Zyg L / Corr L = -
Subject 01 Zyg L = zyg l
P03_corr_r_filtered = corr r
Noraxon Zyg lt uV = zyg l ?
Zyg L blocked = zyg l ?
ZYG_L_1 = zyg l
zygomaticus_l_mono1 = zyg l
Zyg li + = zyg l
Zyg(-) re = zyg r
Zyg re prox = zyg r
Zyg re 1-2 = zyg r
Zyg bip re = zyg r
F19a-F19b = zyg r
F1a/F1b = medf r
K3 = -
"""
TABLE = [tuple(part.strip() for part in line.rsplit("=", 1)) for line in WILD.strip().splitlines()]


def test_the_table_of_names_is_long():
    assert len(dict(TABLE)) >= 150


@pytest.mark.parametrize(("name", "expected"), TABLE)
def test_names_of_other_laboratories(name, expected):
    match = match_name(name)
    if expected == "-":
        assert match.muscle is None
        return
    short, *more = expected.split()
    assert match.muscle == SHORT[short]
    assert match.side == next((w for w in more if w in "lr"), None)
    assert match.doubtful == ("?" in more)


@pytest.mark.parametrize("name", ["", " ", "\x00", "l", "EMG", "\u2212", "1", "K", "F", "[", "mV", "0" * 500])
def test_names_without_any_muscle(name):
    assert match_name(name) == Match()


def test_without_a_side_the_channel_is_left_and_doubtful():
    match = match_name("Zyg Raw")
    assert (match.channel, match.side, match.doubtful) == ("zygomaticus_l", None, True)
    assert describe(match) == "Zygomaticus major, side not said"


def test_one_channel_keeps_a_muscle_that_two_claim():
    names = ["Zyg li processed", "Zyg li raw"]
    assert [m.channel for m in match_names(names, [1, 0])] == [None, "zygomaticus_l"]
    assert [m.channel for m in match_names(names)] == ["zygomaticus_l", None]


@given(st.text(max_size=300))
@example("l" * 250 + " zyg")
@example("-".join(["zyg"] * 80))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_without_a_crash_and_always_the_same(text):
    match = match_name(text)
    assert match == match_name(text)
    assert match.muscle is None or match.channel in muscles.CHANNELS
    assert match.site is None or match.site in electrodes.SITES
    assert describe(match)
    assert len(match_names([text, text, "Zyg li"], raw=[True] * 3)) == 3


# --- sites ----------------------------------------------------------------------------------------

KURAMOTO = [f"{n}" for n in (*range(1, 11), *range(13, 19), 19, 20, 24)]


@pytest.mark.parametrize("form", ["E{}", "K{}", "k{}", "EMG E{}", "K {}", "E{} (uV)", "Kuramoto {}"])
def test_kuramoto_positions_of_a_whole_scheme(form):
    matches = match_names([form.format(n) for n in KURAMOTO])
    assert [m.site for m in matches] == [f"K{n}" for n in KURAMOTO]
    assert not any(m.doubtful or m.muscle for m in matches)


def test_kuramoto_sides_even_left_odd_right():
    assert all(
        (electrodes.SITES[f"K{n}"][0] > 0) == (n % 2 == 0)
        for n in range(1, 19)
        if f"K{n}" in electrodes.SITES
    )
    assert [electrodes.SITES[k][0] for k in ("K19", "K20", "K24")] == [0, 0, 0]
    assert match_name("K5 re").site == "K5"
    assert match_name("K5 li").site is None


@pytest.mark.parametrize(
    "names",
    [
        [f"E{n}" for n in range(1, 33)],  # an EGI net
        [f"E{n}" for n in range(1, 13)],
        [f"E{n}" for n in range(1, 9)],  # electrodes that are only counted
        ["E1", "E2"],
        [f"K{n}" for n in range(1, 17)],
        [f"E{n}" for n in KURAMOTO] + ["Cz", "Fp1"],
    ],
)
def test_numbers_that_are_not_the_scheme_are_no_positions(names):
    assert not any(m.site for m in match_names(names))


def test_a_few_positions_are_doubtful_where_they_may_be_counted_electrodes():
    assert all(m.site and m.doubtful for m in match_names(["K1", "K2", "K3", "K4"]))
    assert all(m.site and not m.doubtful for m in match_names(["K5", "K6", "K15", "K16"]))


@pytest.mark.parametrize(
    "names", [["F3", "F4", "C3", "C4"], ["EEG F3", "EEG F4"], ["F0", "F1", "F2"], ["F7", "Fz"]]
)
def test_labels_of_other_schemes_are_no_fridlund_labels(names):
    assert all(m.channel is None for m in match_names(names))


# --- pairs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Zyg li 1", "Zyg li 2"),
        ("ZYG_L_1", "ZYG_L_2"),
        ("Zyg L 1 raw", "Zyg L 2 raw"),
        ("F20a", "F20b"),
        ("F20-1", "F20-2"),
        ("F20 prox", "F20 dist"),
        ("F20+", "F20-"),
        ("Zyg li +", "Zyg li -"),
        ("Zyg li (+)", "Zyg li (-)"),
        ("Zyg_L_pos", "Zyg_L_neg"),
        ("zyg left sup", "zyg left inf"),
        ("Zyg L upper", "Zyg L lower"),
        ("zygomaticus_l_mono1", "zygomaticus_l_mono2"),
        ("EMG1 Zyg_L_a", "EMG2 Zyg_L_b"),
    ],
)
def test_two_electrodes_of_a_pair_share_the_muscle(first, second):
    names = [second, "Corr re", first]
    matches = match_names(names, raw=[True] * 3)
    assert [m.channel for m in matches] == ["zygomaticus_l", "corrugator_supercilii_r", "zygomaticus_l"]
    assert not any(m.doubtful for m in matches)
    assert in_pair_order(first, second)
    assert not in_pair_order(second, first)
    assert sum(m.channel == "zygomaticus_l" for m in match_names(names)) == 1  # envelopes make no pair


@pytest.mark.parametrize(
    "name", ["Zyg li 1-2", "Zyg li bip", "Zyg bipolar li", "F20a-F20b", "Zyg1 li - Zyg2 li"]
)
def test_a_bipolar_channel_goes_before_its_electrodes(name):
    matches = match_names(["Zyg li 1", "Zyg li 2", name], raw=[True] * 3)
    assert [m.channel for m in matches] == [None, None, "zygomaticus_l"]


@pytest.mark.parametrize("name", ["F20a", "Zyg li +", "Zyg li prox", "zygomaticus_l_mono1", "Zyg li - Ref"])
def test_one_electrode_without_the_other_is_doubtful(name):
    match = match_names([name, "Corr re"], raw=[True] * 2)[0]
    assert (match.channel, match.doubtful) == ("zygomaticus_l", True)
    assert one_of_a_pair(name)


def test_a_number_that_only_counts_is_no_electrode():
    matches = match_names(["Zyg li 1", "Corr re 2", "EMG 1 DAO li"], raw=[True] * 3)
    assert [m.doubtful for m in matches] == [False] * 3
    beside_a_pair = match_names(["Zyg li 1", "Zyg li 2", "Corr re 1"], raw=[True] * 3)
    assert beside_a_pair[2].doubtful


def test_arrays_and_repeated_names_are_no_pairs():
    for names in (["Zyg li 1", "Zyg li 2", "Zyg li 3"], ["Zyg li", "Zyg li.1"], ["Zyg li", "Zyg li"]):
        assert sum(m.channel is not None for m in match_names(names, raw=[True] * len(names))) == 1


def test_a_muscle_written_by_hand_needs_a_side():
    assert parse_channel("Zyg re") == "zygomaticus_r"
    assert parse_channel("mentalis_l") == "mentalis_l"
    with pytest.raises(ValueError, match="no muscle with a side"):
        parse_channel("zygomaticus")
