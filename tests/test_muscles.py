"""Channel names of many laboratories find their muscle, and only theirs."""

import pytest

from eifer_blender import muscles
from eifer_blender.muscle_names import describe, match_name, match_names, parse_channel

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
        assert match_name(text) == (muscle.name, side, False), text


@pytest.mark.parametrize("muscle", muscles.MUSCLES)
@pytest.mark.parametrize("word", ["left", "L", "Right", "r"])
def test_english_and_latin_names_prefix_or_suffix(muscle, word):
    plain = muscle.name.replace("_", " ")
    for text in (f"{plain} {word}", f"{word} {plain}", f"EMG M. {plain} ({word})", f"{word}_{muscle.name}"):
        assert match_name(text).muscle == muscle.name, text
        assert match_name(text).side == word[0].lower(), text


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("EMG_ZygL", "zygomaticus_l"),
        ("L_ZYG", "zygomaticus_l"),
        ("LLS_R", "levator_labii_superioris_r"),
        ("DAO left [µV]", "depressor_anguli_oris_l"),
        ("CH3 Corrugator right", "corrugator_supercilii_r"),
        ("Zyg li (mV) RMS", "zygomaticus_l"),
        ("procerus r", "depressor_supercilii_r"),
    ],
)
def test_names_of_other_laboratories(name, channel):
    assert match_name(name).channel == channel


@pytest.mark.parametrize(
    "name",
    [
        "ECG",
        "Digital input",
        "Marker",
        "Time",
        "mouthSmileLeft",
        "left",
        "CH12",
        "",
        "Zygomaticus minor L",
        "ear",
    ],
)
def test_what_is_no_muscle_stays_without(name):
    assert match_name(name).channel is None


def test_without_a_side_the_channel_is_left_and_doubtful():
    match = match_name("Zyg Raw")
    assert (match.channel, match.side, match.doubtful) == ("zygomaticus_l", None, True)
    assert describe(match) == "Zygomaticus major, side not said"


def test_one_channel_keeps_a_muscle_that_two_claim():
    names = ["Zyg li processed", "Zyg li raw"]
    assert [m.channel for m in match_names(names, [1, 0])] == [None, "zygomaticus_l"]
    assert [m.channel for m in match_names(names)] == ["zygomaticus_l", None]


def test_a_muscle_written_by_hand_needs_a_side():
    assert parse_channel("Zyg re") == "zygomaticus_r"
    assert parse_channel("mentalis_l") == "mentalis_l"
    with pytest.raises(ValueError, match="no muscle with a side"):
        parse_channel("zygomaticus")
