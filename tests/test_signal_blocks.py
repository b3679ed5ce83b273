"""Long, dirty recordings: blocks give what the whole would give, parts become one take, faults are said."""

from __future__ import annotations

import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import one, recording, semg
from scipy import signal

from eifer_blender.errors import EiferError
from eifer_blender.muscles import CHANNELS, channel_index
from eifer_blender.recordings import Channel, Kind, Recording, Stream
from eifer_blender.recordings.blocks import BlockSamples
from eifer_blender.signals import (
    MAX_FRAMES,
    PRESETS,
    Part,
    Status,
    envelopes,
    filter_blocks,
    process,
)
from eifer_blender.signals.montage import Lead
from eifer_blender.signals.source import source_of, survey

ANIMATION = PRESETS["Animation"].without_dynamics()
HUM_50 = replace(ANIMATION, mains_hz=50.0)
ZYG = channel_index("zygomaticus_l")


# --- plain implementations to compare with ---------------------------------------------------------


def plain_known(x, rate):
    """Samples that are neither missing nor in a run of equal values of 0.2 s: sample by sample."""
    known, start = np.isfinite(x), 0
    for i in range(1, len(x) + 1):
        if i == len(x) or x[i] != x[start]:
            if i - start >= max(3, np.ceil(0.2 * rate)):
                known[start:i] = False
            start = i
    return known


def plain_filter(x, rate, order=4, low=20.0, high=450.0, seconds=20.0):
    """The whole signal at once: gaps bridged, scipy's sosfiltfilt with long padding."""
    x = x.astype(np.float64)
    known = plain_known(x, rate)
    at = np.arange(len(x))
    x = np.interp(at, at[known], x[known]) if known.any() else np.zeros(len(x))
    notch = signal.tf2sos(*signal.iirnotch(50.0, 30.0, fs=rate))
    sos = np.r_[notch, signal.butter(order, [low, min(high, 0.45 * rate)], "bandpass", fs=rate, output="sos")]
    reach = int(seconds * rate)
    mirror = np.pad(x - x.mean(), min(reach, len(x) - 1), mode="reflect", reflect_type="odd")
    held = np.pad(mirror, reach, mode="edge")
    cut = (len(held) - len(x)) // 2
    return signal.sosfiltfilt(sos, held, padlen=0)[cut : cut + len(x)]


def whole(blocks):
    """Blocks put together, after a look that they follow one another."""
    parts, at = [], 0
    for start, block in blocks:
        assert start == at
        parts.append(block)
        at += len(block)
    return np.concatenate(parts)


def assert_equal_to_rms(made, expected, tolerance=1e-5):
    assert np.abs(made - expected).max() <= tolerance * np.sqrt(np.mean(expected**2))


# --- blocks ----------------------------------------------------------------------------------------


@st.composite
def dirty_signals(draw):
    """(samples [n, 2], rate, rows of a block): gaps and flat stretches anywhere, also over block edges."""
    rate = draw(st.sampled_from([500.0, 1000.0, 2048.5]))
    size = 64 * draw(st.integers(4, 40))
    n = draw(st.integers(1500, 9000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = (rng.normal(size=(n, 2)) * 10).astype(np.float32)
    for _ in range(draw(st.integers(0, 6))):
        column = draw(st.integers(0, 1))
        start = draw(st.one_of(st.integers(0, n - 1), st.integers(0, n // size).map(lambda k: k * size)))
        start = max(0, start - draw(st.sampled_from([0, 1, 50, 700])))
        length = draw(st.sampled_from([1, 3, 99, 150, 409, 410, 1200, 3000]))
        x[start : start + length, column] = draw(st.sampled_from([np.nan, 7.25, np.inf]))
    return x, rate, size


@settings(max_examples=40, deadline=None)
@given(dirty_signals())
def test_blocks_of_any_size_give_what_the_whole_gives(drawn):
    x, rate, size = drawn
    made = whole(filter_blocks(x, rate, HUM_50, size=size))
    assert made.shape == x.shape
    for k in range(2):
        expected = plain_filter(x[:, k], rate)
        np.testing.assert_allclose(made[:, k], expected, atol=1e-5 * max(expected.std(), 1e-3))


@pytest.mark.parametrize(
    ("rate", "n", "offset", "drift", "hum"),
    [
        (1000.0, 30_000, 0, 0, 0),
        (4096.0, 60_001, 1e5, 0, 30),
        (2048.0, 40_000, -1e5, 1e4, 500),
        (1000.0, 700, 200, 20, 5),
        (10_000.0, 90_000, 0, 3e3, 0),
    ],
)
def test_filtering_is_exact_everywhere_whatever_lies_under_the_signal(rate, n, offset, drift, hum):
    t = np.arange(n) / rate
    clean = np.stack([semg(n, rate, seed=s, level=20.0) for s in range(3)], 1).astype(np.float64)
    under = offset + drift * np.sin(2 * np.pi * 0.2 * t + 1) + hum * np.sin(2 * np.pi * 50 * t)
    x = (clean + under[:, None]).astype(np.float32)
    made = whole(filter_blocks(x, rate, HUM_50, size=1024))
    for k in range(3):
        assert_equal_to_rms(made[:, k], plain_filter(x[:, k], rate))


@pytest.mark.parametrize(
    ("order", "low", "high"), [(8, 20.0, 450.0), (8, 5.0, 200.0), (1, 20.0, 60.0), (4, 0.5, 1900.0)]
)
def test_any_band_is_filtered_exactly(order, low, high):
    rate, n = 4096.0, 30_000
    x = semg(n, rate, level=30.0)[:, None] + 1000
    made = whole(filter_blocks(x, rate, replace(HUM_50, order=order, low_hz=low, high_hz=high)))
    expected = plain_filter(x[:, 0], rate, order, low, high, seconds=60.0)
    assert_equal_to_rms(made[:, 0], expected)


def test_a_lead_that_is_off_for_minutes_is_bridged_across_many_blocks():
    rate = 500.0
    x = semg(100_000, rate, level=20.0)
    x[20_000:80_000] = 3.0
    made = whole(filter_blocks(x[:, None], rate, HUM_50, size=640))
    assert_equal_to_rms(made[:, 0], plain_filter(x, rate))
    assert np.abs(made[30_000:70_000]).max() < 1e-3


def test_pairs_are_subtracted_before_anything_is_rounded():
    n, rate = 20_000, 2000.0
    muscle = semg(n, rate, level=5.0).astype(np.float64)
    rng = np.random.default_rng(1)
    common = 100_000 + rng.normal(size=n).cumsum()
    plus, minus = (common + muscle / 2).astype(np.float32), (common - muscle / 2).astype(np.float32)
    channel = Channel("pair", "uV", Kind.RAW, "zygomaticus_l")
    samples = np.stack([np.zeros(n, "f4"), minus, plus], 1)
    found = survey(source_of(samples, [Lead(0, (2, 1), (1.0, -1.0), channel)]), rate)
    exact = plus.astype(np.float64) - minus.astype(np.float64)
    np.testing.assert_array_equal(found.read(0, n)[0][:, 0], exact)
    assert found.spread.mean[0] == pytest.approx(exact.mean())


def on_disk(samples, largest=1_000_000):
    """Samples behind `BlockSamples`, which refuses to be read at large."""

    def read(start, stop, columns):
        assert (stop - start) * len(columns) <= largest, "too much is read at once"
        return samples[start:stop][:, columns].copy()

    return BlockSamples(*samples.shape, read)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_file_read_in_blocks_gives_the_same_take(preset):
    rate, n = 2000.0, 200_000
    x = np.stack([semg(n, rate, [(20, 25)], seed=s) for s in range(3)], 1)
    x[30_000:50_000, 1] = np.nan
    channels = tuple(Channel(c, "uV", Kind.RAW, c) for c in CHANNELS[:3])
    array = process(Recording((Stream(channels, x, rate),)), PRESETS[preset], 30.0)
    file = process(Recording((Stream(channels, on_disk(x), rate),)), PRESETS[preset], 30.0)
    np.testing.assert_array_equal(file.values, array.values)
    np.testing.assert_array_equal(file.present, array.present)
    assert file.quality == array.quality


@pytest.mark.parametrize("kind", [Kind.RAW, Kind.RECTIFIED, Kind.ENVELOPE])
def test_memory_does_not_grow_with_the_recording(kind):
    piece = semg(64_000, 4000.0, [(10, 12)])
    piece = np.repeat((piece if kind is Kind.RAW else np.abs(piece))[:, None], 4, 1)

    def peak(rows):
        def read(start, stop, columns):
            return piece[np.arange(start, stop) % len(piece)][:, columns]

        samples = BlockSamples(rows, 4, read)
        channels = tuple(Channel(c, "uV", kind, c) for c in CHANNELS[:4])
        tracemalloc.start()
        process(Recording((Stream(channels, samples, 4000.0),)), ANIMATION, 5.0)
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    peak(10_000)  # imports
    samples_bytes = 1_600_000 * 4 * 4
    assert peak(2_000_000) - peak(400_000) < 0.3 * samples_bytes


def test_the_mmm_chain_equals_the_published_steps_across_blocks():
    rate, n = 2000.0, 121_357
    x = semg(n, rate, [(14, 17), (40, 45)], level=5.0) + 30
    x[50_000:50_900] = np.nan
    made = process(one(x, rate=rate), PRESETS["MMM"].without_dynamics(), 30.0, frames=1700)
    y = np.nan_to_num(x.astype(float) - np.nanmean(x, dtype=float))
    y = signal.lfilter(*signal.iirnotch(50, 2, fs=rate), y)
    y = np.convolve(y, signal.firwin(129, [10, 500], pass_zero=False, window="hamming", fs=rate), "same")
    power = np.convolve(y * y, np.ones(1000) / 1000, "same")
    rows = round(n / rate * 30)
    expected = np.clip(signal.resample(np.sqrt(np.maximum(power, 0)), rows), 0, None)
    expected = np.interp(np.arange(1700) / 30.0, np.arange(rows) * n / rate / rows, expected)
    np.testing.assert_allclose(made.envelope_uv[:, ZYG], expected, atol=2e-5 * expected.max())


# --- phase -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [23.976, 29.97, 30.0, 48.0, 1000 / 33])
@pytest.mark.parametrize("rate", [1000.0, 1024.0, 2048.5, 4096.0])
def test_a_click_lights_exactly_the_frames_whose_window_holds_it(fps, rate):
    n, sample = int(8 * rate), int(5.2 * rate)
    x = semg(n, rate, level=1e-3)
    x[sample] += 1e4
    made = process(one(x, rate=rate), replace(HUM_50, high_hz=0.45 * rate), fps)
    envelope = made.envelope_uv[:, ZYG].astype(float)
    frames = np.flatnonzero(envelope > 0.5 * envelope.max())
    when = sample / rate
    expected = np.flatnonzero(np.abs(np.arange(made.frames) / fps - when) < 0.05 - 1.5 / rate)
    assert set(expected) <= set(frames)
    assert len(frames) <= len(expected) + 2
    assert np.abs(made.times[frames].mean() - when) < 0.5 / fps + 0.5 / rate


# --- parts -----------------------------------------------------------------------------------------


def trials():
    return one(semg(60_000, 2000.0, [(5, 7), (15, 17), (24, 26)]))


def test_parts_are_slices_of_the_whole():
    whole_take = process(trials(), ANIMATION, 25.0)
    parts = (Part(14.0, 18.0, "smile"), Part(4.0, 8.0, "frown"), Part(23.0, 27.0))
    made = process(trials(), ANIMATION, 25.0, parts=parts)
    assert made.frames == 300
    assert made.labels == ((0, "smile"), (100, "frown"), (200, ""))
    for at, start in ((0, 14), (100, 4), (200, 23)):
        first = start * 25
        for name in ("values", "envelope_uv", "present"):
            np.testing.assert_allclose(
                getattr(made, name)[at : at + 100], getattr(whole_take, name)[first : first + 100], atol=1e-6
            )
        np.testing.assert_allclose(made.times[at : at + 100], start + np.arange(100) / 25)
    np.testing.assert_array_equal(made.maximum_uv, whole_take.maximum_uv)


def test_pauses_are_rest_in_which_movement_dies_away():
    parts = (Part(15.0, 16.0, "a"), Part(15.0, 16.0, "b"))
    settings_ = replace(ANIMATION, dynamics=True, delay_ms=100, attack_ms=0, release_ms=200)
    made = process(trials(), settings_, 50.0, parts=parts, pause_s=1.0)
    assert made.frames == 150 and made.labels == ((0, "a"), (100, "b"))
    pause = made.values[50:100, ZYG]
    assert np.isnan(made.times[50:100]).all() and np.isfinite(made.times[100:]).all()
    assert (made.envelope_uv[50:100] == 0).all() and made.present[50:100, ZYG].all()
    assert pause[4] > 0.4  # what the last 100 ms set off
    assert (np.diff(pause[5:]) <= 0).all() and pause[15] < 0.6 * pause[5] and pause[-1] < 0.02
    plain = process(trials(), ANIMATION, 50.0, parts=parts, pause_s=1.0)
    assert (plain.values[50:100] == 0).all()


def test_a_face_that_moves_before_its_muscles_keeps_the_last_frames_of_a_part():
    early = replace(ANIMATION, dynamics=True, delay_ms=-200, attack_ms=0, release_ms=0)
    whole_take = process(trials(), early, 50.0)
    made = process(trials(), early, 50.0, parts=(Part(15.0, 16.0), Part(5.0, 6.0)), pause_s=0.5)
    np.testing.assert_allclose(made.values[:50], whole_take.values[750:800], atol=1e-6)
    assert (made.values[50:75] == 0).all()


def test_offset_and_frames_hold_for_parts():
    part = Part(10.0, 12.0, "a")
    early = process(trials(), ANIMATION, 25.0, parts=(part, part), offset=-1.0)
    assert early.frames == 150 and early.times[0] == 9.0 and early.times[75] == 9.0
    assert process(trials(), ANIMATION, 25.0, parts=(part, part), frames=60).frames == 60
    before = process(trials(), ANIMATION, 25.0, parts=(Part(0.0, 2.0),), offset=-1.0)
    assert before.frames == 75 and not before.present[:24].any() and (before.values[:24] == 0).all()
    late = process(trials(), ANIMATION, 25.0, parts=(Part(29.0, 40.0, "end"),))
    assert late.frames <= 26 and any("'end'" in note and "cut" in note for note in late.notes)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Part(50.0, 60.0, "x"), "'x' lies outside of the recording, which lasts from 0.00 to 30.00 s"),
        (Part(-9.0, -3.0), "from -9.00 s lies outside"),
        (Part(5.0, 5.0, "x"), "'x' is empty"),
        (Part(7.0, 5.0, "x"), "'x' is empty"),
        (Part(np.nan, 5.0, "x"), "start and end"),
    ],
)
def test_parts_that_cannot_be_are_a_sentence(part, words):
    with pytest.raises(EiferError, match=words):
        process(trials(), ANIMATION, 25.0, parts=(part,))


def test_more_frames_than_a_scene_holds_are_a_sentence():
    with pytest.raises(EiferError, match=r"would have 1 048 575 frames.*\(1 048 574\); animate a part"):
        process(trials(), ANIMATION, 25.0, frames=MAX_FRAMES + 1)
    with pytest.raises(EiferError, match="more than a Blender scene can hold"):
        process(trials(), ANIMATION, 1000.0, parts=(Part(0.0, 30.0),) * 40)
    with pytest.raises(EiferError, match="at least one"):
        process(trials(), ANIMATION, 25.0, frames=0)
    with pytest.raises(EiferError, match="pause"):
        process(trials(), ANIMATION, 25.0, parts=(Part(0.0, 3.0),), pause_s=-1.0)


def test_parts_of_a_table_choose_poses_by_name():
    channel = Channel("Zyg", "uV", Kind.ENVELOPE, "zygomaticus_l")
    table = Stream((channel,), np.array([[1], [50], [90]], "f4"), None, labels=("rest", "smile", "laugh"))
    made = process(Recording((table,)), ANIMATION, 24.0, parts=(Part(0, 0, "laugh"), Part(0, 0, "rest")))
    assert [text for _, text in made.labels] == ["laugh", "rest"]
    assert made.values[0, ZYG] == pytest.approx(1.0) and made.values[-1, ZYG] == 0.0
    plain = process(Recording((table,)), ANIMATION, 24.0, parts=(Part(3, 9, "?"),))
    assert len(plain.labels) == 3 and any("no times" in note for note in plain.notes)


# --- marked rest and maximum -----------------------------------------------------------------------


def test_marked_segments_that_cannot_be_used_are_a_sentence():
    for change, words in (
        ({"rest_segments": ((50.0, 60.0),)}, "rest segment from 50.00 to 60.00 s lies outside"),
        ({"maximum_segments": ((5.0, 5.05),)}, "maximum segment.*too short"),
    ):
        with pytest.raises(EiferError, match=words):
            process(trials(), replace(ANIMATION, **change), 25.0)
    usable = replace(ANIMATION, rest_segments=((50.0, 60.0), (0.0, 4.0)))
    assert process(trials(), usable, 25.0).rest_uv[ZYG] == pytest.approx(2.0, rel=0.2)


def test_a_marked_rest_does_not_look_into_the_contraction_beside_it():
    x = semg(60_000, 2000.0, [(0, 10), (10.4, 30)])
    made = process(one(x), replace(ANIMATION, rest_segments=((10.0, 10.4),)), 30.0)
    assert made.rest_uv[ZYG] == pytest.approx(2.0, rel=0.35)


def test_a_marked_maximum_does_not_look_into_the_burst_beside_it():
    x = semg(60_000, 2000.0, [(10, 12)], high=30.0) + semg(60_000, 2000.0, [(12, 13)], 0.0, 400.0, seed=2)
    marked = replace(ANIMATION, maximum_segments=((10.0, 12.0),), maximum_held_ms=0.0)
    assert process(one(x), marked, 30.0).maximum_uv[ZYG] < 60


def test_a_channel_that_was_off_during_the_marked_rest_is_measured_elsewhere():
    x = semg(60_000, 2000.0, [(20, 24)])
    x[:8000] = np.nan
    made = process(one(x), replace(ANIMATION, rest_segments=((0.0, 3.5),)), 30.0)
    assert made.values[620:700, ZYG].mean() > 0.5
    assert made.rest_uv[ZYG] == pytest.approx(2.0, rel=0.3)


# --- faults that are said --------------------------------------------------------------------------


def reasons(made, channel="zygomaticus_l"):
    mark = made.quality[channel_index(channel)]
    assert mark.reason == mark.reasons[0] and all(r.endswith(".") for r in mark.reasons)
    return " ".join(mark.reasons)


def test_a_clean_channel_is_good():
    made = process(one(semg(120_000, 2000.0, [(10, 13), (30, 33)])), ANIMATION, 30.0)
    assert made.quality[ZYG].status is Status.GOOD and "dB above rest" in reasons(made)


def test_a_saturating_amplifier_is_marked():
    x = semg(120_000, 2000.0, [(10, 30)])
    assert "saturates" not in reasons(process(one(x), ANIMATION, 30.0))
    soft = 60 * np.tanh(x / 40)
    made = process(one(soft), ANIMATION, 30.0)
    assert made.quality[ZYG].status is Status.CHECK and "saturates" in reasons(made)


def test_one_clipped_burst_in_a_long_recording_is_marked_with_its_place():
    x = semg(1_000_000, 2000.0, [(200, 201), (300, 300.5)], high=60.0)
    x[600_000:601_000] = np.clip(5 * x[600_000:601_000], -260, 260)
    text = reasons(process(one(x), ANIMATION, 30.0))
    low, high = (float(word) for word in re.search(r"clipped between (\d+) and (\d+) s", text).groups())
    assert low <= 300 <= high < low + 60


def test_hum_that_the_filters_leave_is_marked():
    n, rate = 120_000, 2000.0
    t = np.arange(n) / rate
    x = semg(n, rate, [(10, 20)]) + 20 * np.sin(2 * np.pi * 150 * t)
    left = process(one(x), replace(ANIMATION, mains_hz=50.0), 30.0)
    assert "left after the filters" in reasons(left)
    assert "left after the filters" not in reasons(process(one(x), ANIMATION, 30.0))


def test_drift_is_marked():
    n = 120_000
    wander = 2000 * np.sin(2 * np.pi * 0.4 * np.arange(n) / 2000)
    assert "drifts" in reasons(process(one(semg(n, 2000.0, [(10, 20)]) + wander), ANIMATION, 30.0))


def test_a_noisy_rest_is_marked():
    made = process(one(semg(120_000, 2000.0, [(10, 20)], level=25.0, high=300.0)), ANIMATION, 30.0)
    assert "Rest is 2" in reasons(made) and made.quality[ZYG].status is Status.CHECK


def test_bridged_electrodes_name_each_other():
    n = 60_000
    x = semg(n, 2000.0, [(10, 14)])
    twin = x * 1.2 + semg(n, 2000.0, level=0.1, seed=5)
    made = process(
        recording(
            {"zygomaticus_l": x, "mentalis_l": twin, "masseter_l": semg(n, 2000.0, [(10, 14)], seed=9)}
        ),
        ANIMATION,
        30.0,
    )
    assert "'EMG mentalis_l'" in reasons(made) and "bridged" in reasons(made)
    assert "'EMG zygomaticus_l'" in reasons(made, "mentalis_l")
    assert "bridged" not in reasons(made, "masseter_l")


def test_a_heart_in_the_signal_is_marked():
    rate, n = 2000.0, 120_000
    x = semg(n, rate, [(30, 33)], level=1.5)
    beat = np.diff(np.hanning(int(0.08 * rate)), prepend=0) * 2000
    for at in np.arange(0.3, 59, 0.85):
        k = int(at * rate)
        x[k : k + len(beat)] += beat
    assert "heart" in reasons(process(one(x), ANIMATION, 30.0))
    assert "heart" not in reasons(process(one(semg(n, rate, [(30, 33)])), ANIMATION, 30.0))


def test_several_faults_are_all_told_the_worst_first():
    n = 120_000
    x = semg(n, 2000.0, [(10, 20)]) + 2000 * np.sin(2 * np.pi * 0.4 * np.arange(n) / 2000)
    x[:80_000] = np.nan
    made = process(one(x), ANIMATION, 30.0)
    assert made.quality[ZYG].status is Status.BAD and "missing" in made.quality[ZYG].reason
    assert len(made.quality[ZYG].reasons) >= 2


# --- electrode positions ---------------------------------------------------------------------------


def positions(gap=False):
    """Six monopolar sites; the left corner of the mouth is active, and one channel of its own."""
    sites = ("K7", "K8", "K17", "K18", "K9", "K10")
    loud = {"K8": 40.0, "K18": 80.0, "K10": 30.0}
    columns = [semg(60_000, 2000.0, [(10, 14)], 2.0, loud.get(s, 4.0), seed=k) for k, s in enumerate(sites)]
    if gap:
        columns[3][24_000:26_000] = np.nan
    channels = [Channel(s, "uV", Kind.RAW, None, site=s) for s in sites]
    channels.append(Channel("Ment", "uV", Kind.RAW, "mentalis_l"))
    columns.append(semg(60_000, 2000.0, [(20, 24)], seed=9))
    return Recording((Stream(tuple(channels), np.stack(columns, 1), 2000.0),))


def test_positions_drive_muscles_that_have_no_channel():
    made = process(positions(), ANIMATION, 25.0)
    left, right = (channel_index(f"levator_labii_superioris_{side}") for side in "lr")
    assert made.values[260:340, left].mean() > 0.5
    assert made.values[260:340, left].mean() > 1.5 * made.values[260:340, right].mean()
    assert made.values[:240, left].max() < 0.1 and made.present[:, left].all()
    mark = made.quality[left]
    assert mark.status is Status.CHECK and "Inferred" in mark.reason and "6 electrode" in mark.source
    own = made.quality[channel_index("mentalis_l")]
    assert own.source == "Ment" and "Inferred" not in own.reason
    assert made.values[510:590, channel_index("mentalis_l")].mean() > 0.5


def test_a_position_that_fails_leaves_the_others():
    plain, made = process(positions(), ANIMATION, 25.0), process(positions(gap=True), ANIMATION, 25.0)
    left = channel_index("levator_labii_superioris_l")
    np.testing.assert_allclose(made.values[360:], plain.values[360:], atol=0.1)
    assert np.isfinite(made.values).all() and made.values[310:320, left].mean() > 0.05
    muted = process(positions(), ANIMATION, 25.0, muted=["levator_labii_superioris_l"])
    assert not muted.present[:, left].any()


# --- public helpers --------------------------------------------------------------------------------


def test_envelopes_are_the_rms_of_the_filtered_signal():
    rate, n = 2000.0, 30_000
    x = np.stack([semg(n, rate, [(4, 6)]), semg(n, rate, seed=1)], 1)
    seconds = np.array([5.0, 2.0, 9.9])
    made = envelopes(x, rate, HUM_50, seconds, columns=[1])
    y = plain_filter(x[:, 1], rate)
    for value, second in zip(made[:, 0], seconds, strict=True):
        c = round(second * rate)
        weights = np.r_[0.5, np.ones(199), 0.5]
        expected = np.sqrt(np.sum(weights * y[c - 100 : c + 101] ** 2) / 200)
        assert value == pytest.approx(expected, rel=1e-5)
