"""Columns of triggers and onset marks become annotations at the right moments."""

from pathlib import Path

import numpy as np
import pytest

from eifer_blender.recordings import Annotation, Channel, Kind, Recording, Stream, open_recording
from eifer_blender.recordings.blocks import BlockSamples
from eifer_blender.recordings.events import MOST_EVENTS, with_events
from eifer_blender.recordings.guess import guess_kind

DATA = Path(__file__).parent / "data"
FMOV_NAMES = [
    *("skin conductance", "Zygomaticus raw left", "Corrugator raw left", "Zygomaticus rectified left"),
    *("Corrugator rectified left", "onset angry", "onset happy", "onset neutral"),
]


def events(column, *, name="trigger", rate=1000.0, start=0.0, marks=(), blocks=False):
    """(annotations, notes) of one event column beside one muscle."""
    column = np.asarray(column, dtype=np.float32)
    samples = np.column_stack([np.zeros(len(column), np.float32), column])
    if blocks:
        whole = samples
        samples = BlockSamples(len(whole), 2, lambda a, b, columns: whole[a:b][:, columns].copy())
    channels = (Channel("Zyg li", "uV", Kind.RAW, "zygomaticus_l"), Channel(name, "", Kind.EVENT))
    recording = with_events(Recording((Stream(channels, samples, rate, start),), tuple(marks)))
    return recording.annotations, recording.notes


def pulses(n, *at, value=1.0, width=10, rest=0.0):
    column = np.full(n, rest)
    for start in at:
        column[start : start + width] = value
    return column


def test_onsets_of_the_faces_in_a_real_recording():
    recording = open_recording(DATA / "fmov_excerpt.txt", rate=100, names=FMOV_NAMES)
    # The rows of the excerpt that are not 0 in the last column are 303 to 313, counted from 1.
    assert recording.annotations == (Annotation(3.02, 0.11, "onset neutral"),)


def test_binary_column_is_named_codes_carry_their_value():
    assert events(pulses(1000, 200, 700, value=5.0), start=2.0)[0] == (
        Annotation(2.2, 0.01, "trigger"),
        Annotation(2.7, 0.01, "trigger"),
    )
    column = pulses(1000, 100) + pulses(1000, 300, value=4, width=1) + pulses(1000, 999, value=2)
    marks, notes = events(column)
    assert [(a.onset, a.duration, a.text) for a in marks] == [
        (0.1, 0.01, "trigger 1"),
        (0.3, 0.001, "trigger 4"),
        (0.999, 0.001, "trigger 2"),
    ]
    assert not notes


def test_codes_that_follow_each_other_without_a_rest_are_events_each():
    column = np.repeat([0, 1, 2, 0], 100)
    assert [a.text for a in events(column)[0]] == ["trigger 1", "trigger 2"]
    phases = np.repeat([1, 2, 3, 4], 100)
    assert [a.text for a in events(phases, name="phase")[0]] == ["phase 1", "phase 2", "phase 3", "phase 4"]


def test_inverted_trigger_rests_at_its_high_level():
    assert events(pulses(1000, 400, value=0.0, rest=255.0))[0] == (Annotation(0.4, 0.01, "trigger"),)


def test_switched_voltage_with_noise_on_it():
    noise = np.random.default_rng(0).normal(size=20_000) * 0.05
    column = pulses(20_000, 5000, 15_000, value=5.0, width=500) + noise
    column[4999] = 2.6  # the converter met the edge
    marks, notes = events(column)
    assert [(a.onset, a.duration, a.text) for a in marks] == [(5.0, 0.5, "trigger"), (15.0, 0.5, "trigger")]
    assert not notes


def test_clean_voltage_with_a_sample_on_its_edge():
    column = pulses(1000, 300, value=5.0)
    column[299], column[310] = 1.7, 3.1
    (mark,) = events(column)[0]
    assert mark.text == "trigger" and mark.onset == pytest.approx(0.3, abs=0.0011)


def test_missing_samples_neither_begin_nor_end_an_event():
    column = pulses(1000, 100, 500, width=50)
    column[[0, 1, 120, 121, 122, 300, 549]] = np.nan
    assert [(a.onset, a.duration) for a in events(column)[0]] == [(0.1, 0.05), (0.5, 0.05)]
    assert events(np.full(1000, np.nan)) == ((), ())


@pytest.mark.parametrize("shape", ["codes", "noisy"])
def test_blocks_give_what_the_whole_gives(shape):
    n, edge = 600_000, 1 << 18
    column = pulses(n, 5, edge - 5, 2 * edge, n - 3)
    column[edge + 1 : edge + 3] = np.nan
    if shape == "noisy":
        column = column + np.random.default_rng(1).normal(size=n) * 0.01
    whole = events(column)
    assert whole == events(column, blocks=True)
    assert [round(a.onset * 1000) for a in whole[0]] == [5, edge - 5, 2 * edge, n - 3]
    assert whole[0][1].duration == pytest.approx(0.01)


def test_column_that_changes_all_the_time_is_no_event_column():
    marks, notes = events(np.random.default_rng(0).normal(size=5000), name="sync")
    assert marks == () and len(notes) == 1 and "sync" in notes[0]
    marks, notes = events(np.arange(3 * MOST_EVENTS) // 6 % 2)
    assert len(marks) <= MOST_EVENTS
    marks, notes = events(np.arange(12 * MOST_EVENTS) // 5 % 2)
    assert marks == () and len(notes) == 1


def test_status_word_of_an_amplifier_keeps_the_trigger_bits():
    column = 0xD0000 + pulses(1000, 300, value=7)
    assert [a.text for a in events(column, name="Status")[0]] == ["Status"]
    two = 0xD0000 + pulses(1000, 300, value=7) + pulses(1000, 600, value=8)
    assert [a.text for a in events(two, name="Status")[0]] == ["Status 7", "Status 8"]


def test_what_the_file_annotates_itself_is_not_said_twice():
    own = (Annotation(0.1, 0.0, "S 1"), Annotation(0.5, 0.0, "S 1"))
    assert events(pulses(1000, 100, 500), marks=own)[0] == own
    late = (Annotation(0.9, 0.0, "end"),)
    assert [a.text for a in events(pulses(1000, 100, 500), marks=late)[0]] == ["trigger", "trigger", "end"]


def test_columns_of_one_name_are_told_apart(tmp_path):
    lines = [f"{i / 1000:.3f},{i % 7 - 3},{int(i == 20)},{int(i == 40)}" for i in range(200)]
    path = tmp_path / "a.csv"
    path.write_text("time,Zyg li,Digital input,Digital input\n" + "\n".join(lines))
    texts = [a.text for a in open_recording(path).annotations]
    assert texts == ["Digital input 2", "Digital input 3"]


def test_words_and_triggers_of_a_table_stand_in_one_order(tmp_path):
    phases = ["rest"] * 200 + ["smile"] * 100
    lines = [f"{i / 100:.2f},{i % 7 - 3},{int(i == 150)},{phase}" for i, phase in enumerate(phases)]
    path = tmp_path / "a.csv"
    path.write_text("time,Zyg li,TTL,phase\n" + "\n".join(lines))
    assert [a.text for a in open_recording(path).annotations] == ["rest", "TTL", "smile"]


def few(*values, n=5000, every=500):
    column = np.zeros(n)
    for k, value in enumerate(values):
        column[every * (k + 1) : every * (k + 1) + 20] = value
    return column


@pytest.mark.parametrize(
    "name",
    "Trigger|Marker Channel|onset_happy|Stim|STATUS|TTL in|event|Ereignis|DI|cue".split("|"),
)
def test_names_of_event_columns(name):
    assert guess_kind(name, "", few(1), 1000.0).kind is Kind.EVENT


def test_numbers_of_event_columns():
    assert guess_kind("CH9", "", few(1, 2, 4), 1000.0).kind is Kind.EVENT
    assert guess_kind("", "", few(*range(1, 9), n=6000), 1000.0).kind is Kind.EVENT
    assert guess_kind("CH9", "", few(*range(10, 20), n=8000), 1000.0).kind is Kind.EVENT
    for name in ("onset zygomaticus left", "Zyg li trigger", "TTL Zyg"):
        assert guess_kind(name, "", few(1), 1000.0).kind is Kind.EVENT


@pytest.mark.parametrize("name", ["", "CH1", "Zyg li", "EMG 1"])
@pytest.mark.parametrize("step", [0.0, 1.0, 5.0])
def test_muscle_signals_are_no_events(name, step):
    x = np.random.default_rng(0).normal(size=5000) * np.where(np.arange(5000) % 2000 < 1000, 3.0, 30.0)
    x = np.round(x / step) * step if step else x
    assert guess_kind(name, "", x, 1000.0).kind is Kind.RAW
    assert guess_kind(name, "", np.abs(x) + 1, 1000.0).kind in (Kind.RECTIFIED, Kind.ENVELOPE)
