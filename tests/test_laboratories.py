"""Files as laboratories really have them: broken electrodes, drifting offsets, trigger words, odd names."""

import re

import numpy as np
import pytest
from test_edf import edf_file, noise, signal

from eifer_blender.errors import EiferError
from eifer_blender.recordings import BlockSamples, Kind, open_recording
from eifer_blender.recordings.blocks import excerpt_rows

RATE = 1000


@pytest.fixture
def write(tmp_path):
    """Write bytes or text to a file and give its path."""

    def _write(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def semg(seconds=12, channels=3, microvolts=40.0, seed=0):
    return np.random.default_rng(seed).normal(size=(seconds * RATE, channels)) * microvolts


def csv(values, names, unit):
    head = ",".join(["Time [s]", *(f"{n} [{unit}]" for n in names)])
    rows = (",".join([f"{i / RATE:.4f}", *(f"{v:.7g}" for v in row)]) for i, row in enumerate(values))
    return "\n".join([head, *rows])


NAMES = ["Zyg li", "Zyg re", "Corr li"]


# --- units ----------------------------------------------------------------------------------------


def test_an_open_electrode_is_no_reason_to_doubt_the_unit_of_the_others(write):
    values = semg() / 1000
    values[:, 2] = np.clip(30 * np.sin(np.arange(len(values)) * 2 * np.pi * 50 / RATE), -10, 10)
    recording = open_recording(write(csv(values, NAMES, "mV")))
    (stream,) = recording.streams
    assert recording.notes == () and not any(c.doubtful for c in stream.channels)
    np.testing.assert_allclose(stream.samples, values * 1000, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("disturbance", ["drift", "jump"])
def test_offsets_of_electrodes_say_nothing_about_the_unit(write, disturbance):
    values = semg(channels=1)
    t = np.arange(len(values)) / RATE
    values[:, 0] += 20_000 * np.sin(t / 3) if disturbance == "drift" else 100_000 * (t > 6)
    recording = open_recording(write(csv(values, ["Zyg li"], "µV")))
    assert recording.notes == () and not recording.streams[0].channels[0].doubtful


def test_microvolts_that_no_muscle_has_are_kept_and_said(write):
    recording = open_recording(write(csv(semg(channels=1) * 500, ["Zyg li"], "µV")))
    (note,) = recording.notes
    assert re.fullmatch(r"2\d\.\d mV RMS is more than .* check the unit 'µV', .*: 'Zyg li'\.", note)
    assert recording.streams[0].samples.std() == pytest.approx(20_000, rel=0.05)
    assert recording.streams[0].channels[0].doubtful


# --- triggers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [8388607, 262143], ids=["as recorded", "converted"])
@pytest.mark.parametrize("state", [0x100000, 0x500000, 0xFF0000])
@pytest.mark.parametrize("rest", [0, 255])
def test_the_low_16_bits_of_a_status_word_are_annotations(write, largest, state, rest):
    word = np.full(20_000, state | rest)
    word[0] |= 0x10000  # a new epoch
    word[3000:3100] = state | 5
    word[9000:9100] = state | 0x8001
    word[12_000:] ^= 0x400000  # the battery gets low
    word = (word + 2**23) % 2**24 - 2**23
    span = (-8388608, 8388607)
    channels = [
        signal("EXG1 Zyg li", noise(20_000, 0, 30_000), "uV", -262144, 262143, span),
        signal("Status", word, "Boolean", -largest - 1, largest, span),
    ]
    recording = open_recording(write(edf_file(channels, 20, bdf=True, reserved="24BIT"), "a.bdf"))
    assert recording.streams[0].channels[1].kind is Kind.EVENT
    marks = [(a.onset, a.duration, a.text) for a in recording.annotations]
    assert marks == [(3.0, 0.1, "Status 5"), (9.0, 0.1, "Status 32769")]


# --- names ----------------------------------------------------------------------------------------


def test_nothing_that_is_shown_breaks_a_line(write):
    content = edf_file([signal("EMG Zyg\nli\x07", noise(2000))], 2)
    recording = open_recording(write(content, "a.edf"))
    assert recording.streams[0].channels[0].name == "EMG Zyg li"
    assert recording.streams[0].channels[0].muscle == "zygomaticus_l"
    with pytest.raises(EiferError) as error:
        open_recording(write("Time,Zyg\x0b li,Zyg re\n" + "0,1,x\x07y\n" * 30))
    assert str(error.value).isprintable()


# --- size -----------------------------------------------------------------------------------------


def test_a_look_at_very_many_channels_is_short():
    asked = []

    def read(start, stop, columns):
        asked.append((stop - start) * len(columns))
        return np.zeros((stop - start, len(columns)), dtype=np.float32)

    for columns in (1, 44, 2048):
        look = excerpt_rows(BlockSamples(10**7, columns, read))
        assert 3000 <= len(look) <= 60_000 and look.shape[1] == columns
    assert sum(asked[-3:]) <= 2**23
    assert sum(asked[:3]) == 60_000


@pytest.mark.parametrize(
    ("name", "muscle"),
    [
        ("Stirn medial links", "medial_frontalis_l"),
        ("Stirn lateral re", "lateral_frontalis_r"),
        ("Lippenringmuskel li", "orbicularis_oris_l"),
    ],
)
def test_german_names_of_the_face(write, name, muscle):
    recording = open_recording(write(csv(semg(channels=1), [name], "µV")))
    assert recording.streams[0].channels[0].muscle == muscle


def test_a_name_that_is_there_twice_is_said_to_be(write):
    recording = open_recording(write(csv(semg(), ["Zyg li", "Zyg li", "Corr re"], "µV")))
    assert [c.muscle for c in recording.streams[0].channels] == [
        "zygomaticus_l",
        None,
        "corrugator_supercilii_r",
    ]
    assert recording.notes == (
        "Several channels have the same name, and one of them is used; please check: 'Zyg li'.",
    )


@pytest.mark.parametrize("envelope_first", [False, True])
def test_the_raw_signal_keeps_its_muscle_beside_an_envelope_of_another_rate(write, envelope_first):
    raw = signal("EMG Zyg li", noise(12_000, 0, 2000))
    envelope = signal("Zyg li RMS", np.abs(noise(1200, 1, 2000)) + 200)
    listed = [envelope, raw] if envelope_first else [raw, envelope]
    recording = open_recording(write(edf_file(listed, 12), "a.edf"))
    owners = {c.name: c.muscle for s in recording.streams for c in s.channels}
    assert owners == {"EMG Zyg li": "zygomaticus_l", "Zyg li RMS": None}
    assert recording.notes == (
        "Left without a muscle, because another channel serves it better: 'Zyg li RMS'.",
    )


def test_what_is_called_rms_is_an_envelope_even_if_it_hardly_moves(write):
    steady = 50 + np.random.default_rng(0).normal(size=(6000, 1)) * 2
    recording = open_recording(write(csv(steady, ["Zyg li RMS"], "µV")))
    assert recording.streams[0].channels[0].kind is Kind.ENVELOPE


def test_json_is_called_by_its_name(write):
    with pytest.raises(EiferError, match="is JSON, which cannot be read"):
        open_recording(write('{"emg": [1, 2, 3]}'))
