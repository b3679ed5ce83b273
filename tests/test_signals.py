"""From samples to activation: right in time, in scale, and honest about channels that say nothing."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import one, recording, semg
from scipy import signal

from eifer_blender.errors import EiferError
from eifer_blender.movements import EMOTIONS, MOVEMENTS
from eifer_blender.muscles import CHANNELS, MUSCLES, channel_index
from eifer_blender.recordings import Channel, Kind, Recording, Stream, open_recording
from eifer_blender.signals import PRESETS, ChainSettings, Status, is_pose_table, pose_values, process

DATA = Path(__file__).parent / "data"
REAL = os.environ.get("EIFER_REAL_DATA")
ANIMATION = PRESETS["Animation"].without_dynamics()
ZYG = channel_index("zygomaticus_l")


# --- phase ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [24.0, 24000 / 1001, 25.0, 29.97, 30.0, 60.0, 120.0])
@pytest.mark.parametrize("rate", [1000.0, 2048.0, 4096.0])
@pytest.mark.parametrize("offset", [0.0, 0.7, -1.3])
def test_a_burst_at_a_known_time_falls_on_its_frame(fps, rate, offset):
    n, when = int(10 * rate), 6.0
    x = semg(n, rate, level=0.5)
    burst = np.arange(-int(0.05 * rate), int(0.05 * rate))
    x[int(when * rate) + burst] += (
        200 * np.sin(2 * np.pi * 120 * burst / rate) * np.hanning(len(burst))
    ).astype("f4")
    made = process(one(x, rate=rate), replace(ANIMATION, maximum_held_ms=60), fps, offset=offset)
    envelope = made.envelope_uv[:, ZYG].astype(float)
    near = envelope > 0.3 * envelope.max()
    centre = np.sum(np.flatnonzero(near) * envelope[near]) / envelope[near].sum()
    assert centre / fps + offset == pytest.approx(when, abs=0.25 / fps + 0.002)


def test_the_recordings_own_clock_counts():
    x = semg(20_000, 2000.0, [(5, 6)])
    plain = process(one(x), ANIMATION, 30.0)
    later = process(one(x, start=3.0), ANIMATION, 30.0)
    np.testing.assert_allclose(later.values[90:], plain.values, atol=1e-5)
    assert not later.present[:89].any()
    assert (later.values[:89] == 0).all()


def test_frames_and_offset_cut_without_changing_the_scale():
    x = semg(40_000, 2000.0, [(5, 6), (15, 16)])
    whole = process(one(x), ANIMATION, 25.0)
    part = process(one(x), ANIMATION, 25.0, frames=100, offset=4.0)
    assert part.values.shape == (100, 22)
    np.testing.assert_allclose(part.values, whole.values[100:200], atol=1e-6)
    beyond = process(one(x), ANIMATION, 25.0, frames=700)
    assert not beyond.present[520:].any()


def test_frame_aligned_envelopes_pass_frame_by_frame():
    envelope = np.abs(np.random.default_rng(0).normal(size=300)).cumsum() % 50
    stream = Stream(
        (Channel("Zyg", "uV", Kind.ENVELOPE, "zygomaticus_l"),),
        envelope[:, None].astype("f4"),
        30.0,
        frame_aligned=True,
    )
    made = process(Recording((stream,)), ANIMATION, 30.0)
    np.testing.assert_allclose(made.envelope_uv[:, ZYG], envelope, atol=1e-5)


# --- against independent implementations ----------------------------------------------------------


def test_envelope_equals_a_plain_implementation():
    rate, fps, n = 2000.0, 25.0, 20_000
    x = semg(n, rate, [(3, 4)]) + 150  # an amplifier offset
    made = process(one(x), replace(ANIMATION, mains_hz=50.0), fps)
    y = x.astype(float) - x.mean(dtype=float)
    b, a = signal.iirnotch(50, 30, fs=rate)
    y = signal.filtfilt(b, a, y, padlen=2000)
    y = signal.sosfiltfilt(signal.butter(4, [20, 450], "bandpass", fs=rate, output="sos"), y)
    half = 100
    frames = np.arange(5, 240)
    centre = np.round(frames / fps * rate).astype(int)
    weights = np.r_[0.5, np.ones(2 * half - 1), 0.5]  # a window of 100 ms about a sample's middle
    expected = [np.sqrt(np.sum(weights * y[c - half : c + half + 1] ** 2) / (2 * half)) for c in centre]
    np.testing.assert_allclose(made.envelope_uv[frames, ZYG], expected, rtol=2e-3)


def test_mmm_chain_equals_the_published_steps():
    rate, n = 4096.0, 4096 * 12
    x = semg(n, rate, [(4, 7)])
    x[5000:5050] = np.nan
    made = process(one(x, rate=rate), PRESETS["MMM"].without_dynamics(), 30.0)
    y = x.astype(float) - np.nanmean(x, dtype=float)
    y = np.nan_to_num(y)
    y = signal.lfilter(*signal.iirnotch(50, 2, fs=rate), y)
    y = np.convolve(y, signal.firwin(129, [10, 500], pass_zero=False, window="hamming", fs=rate), "same")
    power = np.convolve(y * y, np.ones(2048) / 2048, "same")
    expected = np.clip(signal.resample(np.sqrt(power), 12 * 30), 0, None)
    np.testing.assert_allclose(made.envelope_uv[:, ZYG], expected, atol=0.02)


def test_mains_are_found_and_removed():
    rate, n = 2000.0, 60_000
    time = np.arange(n) / rate
    for mains in (50.0, 60.0):
        hum = 30 * np.sin(2 * np.pi * mains * time) + 10 * np.sin(2 * np.pi * 3 * mains * time)
        dirty = process(one(semg(n, rate, [(10, 12)]) + hum.astype("f4")), ANIMATION, 30.0)
        clean = process(one(semg(n, rate, [(10, 12)])), ANIMATION, 30.0)
        quiet = dirty.envelope_uv[60:270, ZYG].mean()
        assert quiet < 1.3 * clean.envelope_uv[60:270, ZYG].mean()
        mark = dirty.quality[ZYG]
        assert mark.status is Status.CHECK and "hum" in mark.reason
        left = process(
            one(semg(n, rate, [(10, 12)]) + hum.astype("f4")), replace(ANIMATION, mains_hz=0.0), 30.0
        )
        assert left.envelope_uv[60:270, ZYG].mean() > 20


# --- scale ----------------------------------------------------------------------------------------


def test_contractions_reach_one_and_rest_is_zero():
    made = process(one(semg(120_000, 2000.0, [(10, 13), (30, 33)])), ANIMATION, 30.0)
    value = made.values[:, ZYG]
    assert value[330:360].mean() > 0.8
    assert value.max() == pytest.approx(1.0, abs=0.02)
    assert value[400:850].mean() < 0.003 and value[400:850].max() < 0.03
    assert made.quality[ZYG].status is Status.GOOD
    assert made.values.dtype == np.float32 and (made.values >= 0).all() and (made.values <= 1).all()


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("level", [0.3, 2.0, 10.0, 50.0])
@pytest.mark.parametrize("seconds", [8, 60])
def test_a_channel_of_noise_alone_stays_near_zero(preset, level, seconds):
    settings = PRESETS[preset].without_dynamics()
    made = process(one(semg(seconds * 2000, 2000.0, level=level)), settings, 30.0)
    assert made.values[:, ZYG].max() < 0.03
    assert made.quality[ZYG].prior
    assert made.quality[ZYG].status is Status.CHECK and "never contracts" in made.quality[ZYG].reason


def test_noise_with_an_artefact_never_reaches_one():
    x = semg(60_000, 2000.0)
    x[30_000:30_010] += 3000
    assert process(one(x), ANIMATION, 30.0).values[:, ZYG].max() < 0.3


def test_a_weak_muscle_takes_its_scale_from_the_population():
    made = process(one(semg(60_000, 2000.0, [(10, 14)], level=5.0, high=15.0)), ANIMATION, 30.0)
    active = made.values[330:390, ZYG].mean()
    assert 0.02 < active < 0.3
    assert made.maximum_uv[ZYG] == pytest.approx(MUSCLES[ZYG // 2].maximum_uv, rel=0.01)


def test_a_small_but_clear_contraction_counts_in_full():
    made = process(one(semg(60_000, 2000.0, [(10, 14)], level=0.3, high=3.0)), ANIMATION, 30.0)
    assert made.values[330:390, ZYG].mean() > 0.75


@pytest.mark.parametrize("gain", [0.01, 7.0, 300.0])
def test_gain_of_the_amplifier_does_not_matter(gain):
    x = semg(60_000, 2000.0, [(10, 14)])
    plain = process(one(x), ANIMATION, 30.0)
    loud = process(one(x * gain), ANIMATION, 30.0)
    np.testing.assert_allclose(loud.values, plain.values, atol=1e-4)


def test_both_sides_share_one_scale():
    both = recording({
        "zygomaticus_l": semg(60_000, 2000.0, [(10, 14)], high=60),
        "zygomaticus_r": semg(60_000, 2000.0, [(10, 14)], high=30, seed=1),
    })  # fmt: skip
    made = process(both, ANIMATION, 30.0)
    left, right = made.values[330:390, ZYG].mean(), made.values[330:390, ZYG + 1].mean()
    assert right / left == pytest.approx(0.5, abs=0.07)
    paralysed = recording({
        "zygomaticus_l": semg(60_000, 2000.0, [(10, 14)], high=60),
        "zygomaticus_r": semg(60_000, 2000.0, seed=1),
    })  # fmt: skip
    made = process(paralysed, ANIMATION, 30.0)
    assert made.values[:, ZYG + 1].max() < 0.03
    assert made.quality[ZYG + 1].status is Status.CHECK


def test_marked_rest_and_maximum_are_used():
    x = semg(60_000, 2000.0, [(0, 20), (22, 25)], level=2.0, high=40.0)
    x[44_000:50_000] *= 2
    settings = replace(ANIMATION, rest_segments=((26.0, 30.0),), maximum_segments=((22.2, 24.8),))
    made = process(one(x), settings, 30.0)
    assert made.rest_uv[ZYG] == pytest.approx(2.0, rel=0.15)
    assert made.values[30:570, ZYG].mean() == pytest.approx(0.45, abs=0.08)


# --- dirt -----------------------------------------------------------------------------------------


def test_gaps_do_not_disturb_what_lies_beside_them():
    x = semg(60_000, 2000.0, [(10, 14)])
    holes = x.copy()
    holes[12_000:14_000] = np.nan  # a second
    holes[30_000:30_020] = np.nan  # ten milliseconds
    plain, made = process(one(x), ANIMATION, 30.0), process(one(holes), ANIMATION, 30.0)
    assert not made.present[183:207, ZYG].any()
    assert made.present[440:460, ZYG].all()
    np.testing.assert_allclose(made.values[220:], plain.values[220:], atol=0.03)
    assert np.isfinite(made.values).all()
    assert made.quality[ZYG].status is Status.CHECK and "missing" in made.quality[ZYG].reason


def test_a_lead_that_falls_off_is_missing_from_then_on():
    x = semg(60_000, 2000.0, [(10, 14)])
    x[40_000:] = 12.0
    made = process(one(x), ANIMATION, 30.0)
    assert made.present[30:590, ZYG].all() and not made.present[610:, ZYG].any()
    assert (made.values[610:, ZYG] == 0).all()


def test_flat_and_clipped_channels_are_marked():
    flat = process(
        recording({"zygomaticus_l": np.zeros(20_000), "mentalis_l": semg(20_000, 2000.0, [(4, 6)])}),
        ANIMATION,
        30.0,
    )
    assert flat.quality[ZYG].status is Status.BAD and "flat" in flat.quality[ZYG].reason
    assert not flat.present[:, ZYG].any()
    clipped = process(one(np.clip(semg(60_000, 2000.0, [(10, 20)]), -40, 40)), ANIMATION, 30.0)
    assert "clipped" in clipped.quality[ZYG].reason


def test_all_nan_channel_is_missing_not_zero_muscle():
    made = process(
        recording({"zygomaticus_l": np.full(20_000, np.nan), "mentalis_l": semg(20_000, 2000.0)}),
        ANIMATION,
        30.0,
    )
    assert not made.present[:, ZYG].any() and (made.values[:, ZYG] == 0).all()


@pytest.mark.parametrize("n", [3, 50, 300])
def test_very_short_recordings(n):
    made = process(one(semg(n, 2000.0)), ANIMATION, 30.0)
    assert np.isfinite(made.values).all()
    process(one(semg(n, 2000.0)), PRESETS["MMM"], 30.0)


def test_an_envelope_is_not_filtered_as_raw():
    smooth = np.abs(semg(20_000, 2000.0, [(3, 5)]))
    with pytest.raises(EiferError, match="envelope"):
        process(one(smooth), ANIMATION, 30.0)
    made = process(one(smooth, kind=Kind.RECTIFIED), ANIMATION, 30.0)
    assert made.values[100:140, ZYG].mean() > 0.7


def test_raw_with_an_amplifier_offset_is_raw():
    made = process(one(semg(20_000, 2000.0, [(3, 5)]) + 1000), ANIMATION, 30.0)
    assert made.values[100:140, ZYG].mean() > 0.7


def test_too_slow_for_raw_is_refused_and_slow_is_marked():
    with pytest.raises(EiferError, match="too low"):
        process(one(semg(2000, 100.0), rate=100.0), ANIMATION, 30.0)
    slow = process(one(semg(5000, 250.0, [(5, 8)]), rate=250.0), ANIMATION, 30.0)
    assert slow.quality[ZYG].status is Status.CHECK
    assert any("instead of 450" in note for note in slow.notes)


def test_activation_channels_are_used_as_they_are():
    x = np.clip(np.sin(np.arange(300) / 20), 0, 1)
    made = process(one(x, rate=30.0, kind=Kind.ACTIVATION, unit=""), ANIMATION, 30.0)
    np.testing.assert_allclose(made.values[:, ZYG], x, atol=1e-6)


def test_missing_muted_and_mirrored_sides():
    x = semg(20_000, 2000.0, [(3, 5)])
    made = process(one(x), ANIMATION, 30.0)
    assert made.quality[ZYG + 1].status is Status.MISSING
    assert made.present.any(0).sum() == 1
    mirrored = process(one(x), replace(ANIMATION, sides="mirror"), 30.0)
    np.testing.assert_array_equal(mirrored.values[:, ZYG + 1], mirrored.values[:, ZYG])
    assert mirrored.quality[ZYG + 1].status is Status.CHECK
    two = recording({"zygomaticus_l": x, "mentalis_l": x})
    muted = process(two, ANIMATION, 30.0, muted=["zygomaticus_l"])
    assert not muted.present[:, ZYG].any()
    assert muted.quality[ZYG].reason == "Muted."


def test_what_cannot_be_processed_is_a_sentence():
    with pytest.raises(EiferError, match="no muscle channel"):
        process(
            Recording((Stream((Channel("x", "", Kind.OTHER),), np.zeros((5, 1), "f4"), 10.0),)),
            ANIMATION,
            30.0,
        )
    for bad in (0.0, np.nan, 1e6):
        with pytest.raises(EiferError, match="frame rate"):
            process(one(semg(2000, 2000.0)), ANIMATION, bad)
    with pytest.raises(EiferError, match="ends at"):
        process(one(semg(2000, 2000.0)), ANIMATION, 30.0, offset=60.0)
    for change in (
        {"low_hz": 500.0},
        {"order": 0},
        {"sides": "left"},
        {"method": "magic"},
        {"window_ms": 0.0},
    ):
        with pytest.raises(EiferError):
            process(one(semg(2000, 2000.0)), replace(ANIMATION, **change), 30.0)


# --- dynamics -------------------------------------------------------------------------------------


def test_delay_moves_the_face_and_not_the_measured_envelope():
    x = semg(40_000, 2000.0, [(8, 10)])
    still = process(one(x), ANIMATION, 100.0)
    late = process(one(x), replace(ANIMATION, dynamics=True, delay_ms=80, attack_ms=0, release_ms=0), 100.0)
    np.testing.assert_allclose(late.values[8:], still.values[:-8], atol=1e-5)
    np.testing.assert_array_equal(late.envelope_uv, still.envelope_uv)
    assert late.dynamics and not still.dynamics


def test_attack_is_faster_than_release():
    x = np.zeros(400)
    x[100:200] = 1.0
    settings = replace(ANIMATION, dynamics=True, delay_ms=0, attack_ms=50, release_ms=200)
    value = process(one(x, rate=100.0, kind=Kind.ACTIVATION, unit=""), settings, 100.0).values[:, ZYG]
    assert value[104] == pytest.approx(1 - np.exp(-1), abs=0.02)  # five frames of 10 ms
    assert value[219] == pytest.approx(np.exp(-1), abs=0.02)


# --- poses ----------------------------------------------------------------------------------------


def emotions():
    return open_recording(DATA / "fridlund_emotions.csv")


def test_emotion_table_becomes_poses_normalised_per_muscle():
    assert is_pose_table(emotions())
    levels, values, labels, _ = pose_values(emotions(), ANIMATION)
    row = {label: i for i, label in enumerate(labels)}
    at = {name: channel_index(name) for name in CHANNELS}
    # The highest row stands for what emotions take of a muscle: no emotion shuts the eyes.
    most = np.max([MOVEMENTS[name] for name in EMOTIONS], axis=0)
    for pose, name in (
        ("suprised", "lateral_frontalis_l"),
        ("distugusted", "corrugator_supercilii_l"),
        ("angry", "orbicularis_oris_r"),
        ("sad", "mentalis_r"),
        ("angry", "orbicularis_oculi_r"),
    ):
        assert values[row[pose], at[name]] == pytest.approx(most[at[name]])
    assert values[row["happy"], at["corrugator_supercilii_l"]] < 0.05
    # Drop-outs are unknown, and a muscle without any strong row is not blown up.
    assert np.isnan(values[row["happy"], [at["zygomaticus_l"], at["zygomaticus_r"]]]).all()
    assert np.nanmax(values[:, [at["zygomaticus_l"], at["zygomaticus_r"]]]) < 0.05
    assert np.isnan(levels).sum() == 8


def test_a_table_of_other_poses_reaches_the_maximum():
    table = emotions()
    renamed = replace(table.streams[0], labels=("Forehead", *table.streams[0].labels[1:]))
    values = pose_values(replace(table, streams=(renamed,)), ANIMATION)[1]
    assert np.nanmax(values[:, channel_index("orbicularis_oculi_r")]) == pytest.approx(1)


def test_poses_are_held_and_joined_smoothly():
    settings = replace(ANIMATION, hold_s=1.0, transition_s=0.5)
    made = process(emotions(), settings, 24.0)
    _, values, _, _ = pose_values(emotions(), settings)
    assert [text for _, text in made.labels] == [
        "angry",
        "suprised",
        "sad",
        "fearful",
        "happy",
        "distugusted",
    ]
    assert made.frames == 1 + round((6 * 1.0 + 5 * 0.5) * 24)
    for k, (first, _) in enumerate(made.labels):
        held = made.values[first : first + 24]
        known = np.isfinite(values[k])
        np.testing.assert_allclose(
            held[:, known], np.broadcast_to(values[k, known], (24, known.sum())), atol=1e-6
        )
        assert (made.present[first : first + 24] == known).all()
    assert np.abs(np.diff(made.values, axis=0)).max() < 0.2


# --- real recordings ------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL, reason="EIFER_REAL_DATA names no folder with the full files")
def test_real_recordings_go_through_the_chain():
    made = process(open_recording(Path(REAL) / "acqknowledge_text_export.txt"), PRESETS["Animation"], 24.0)
    assert made.present.any(0).sum() == 3
    assert made.values.max() < 1.0  # nothing in these 13 s is four times its rest
    names = ["scl", "x", "y", "Zyg li", "Corr li", "a", "b", "c"]
    fmov = open_recording(
        Path(REAL) / "fmov_24.txt", rate=100, names=names, units=["", *["mV"] * 4, "", "", ""]
    )
    made = process(fmov, PRESETS["Animation"], 24.0)
    assert made.quality[ZYG].status is Status.GOOD
    assert made.values[:, ZYG].max() > 0.95
    assert np.median(made.values[:, ZYG]) < 0.1


def test_settings_survive_as_plain_data():
    from dataclasses import asdict

    assert ChainSettings(**asdict(PRESETS["MMM"])) == PRESETS["MMM"]
