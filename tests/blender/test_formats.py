"""Opening what laboratories record: streams, sites, pairs, long files, several files at once."""

from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from eifer_blender import pipeline
from eifer_blender.blender import sources, takes
from eifer_blender.recordings import (
    FILE_EXTENSIONS,
    FORMATS_TEXT,
    Channel,
    Kind,
    Recording,
    Stream,
    write_edf,
)

SIDES = ("left", "right")


def semg(seconds, rate, channels, seed=0):
    """Noise that is strong in the second half of each four seconds, microvolts [n, channels]."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    strength = np.where(time % 4 < 2, 2.0, 60.0)[:, None]
    return (rng.normal(size=(len(time), channels)) * strength).astype(np.float32)


def edf(path, *streams):
    """An EDF of streams, each (names, rate)."""
    made = tuple(
        Stream(tuple(Channel(name, "uV", Kind.RAW) for name in names), semg(8, rate, len(names), i), rate)
        for i, (names, rate) in enumerate(streams)
    )
    return write_edf(path, Recording(made))


@pytest.fixture
def two_rates(tmp_path):
    """A file with two streams: zygomaticus at 1000 Hz, corrugator at 500 Hz."""
    return edf(
        tmp_path / "two.edf",
        ([f"Zyg {side}" for side in SIDES], 1000.0),
        ([f"Corr {side}" for side in SIDES], 500.0),
    )


def open_file(path, **options):
    bpy.ops.eifer.open_recording(filepath=str(path), **options)
    return bpy.context.scene.eifer.recording


def streams_of(path):
    return [view.name for view in sources.inspect(str(path)).streams]


def test_the_endings_in_texts_dialog_and_drop_are_one_list():
    assert all(ending.lstrip(".").upper() in FORMATS_TEXT for ending in FILE_EXTENSIONS)
    operator = bpy.ops.eifer.open_recording.get_rna_type()
    assert FORMATS_TEXT in operator.description
    glob = operator.properties["filter_glob"].default
    assert glob.split(";") == [f"*{ending}" for ending in FILE_EXTENSIONS]


def test_all_streams_are_read_unless_some_are_chosen(scene, two_rates):
    stored = open_file(two_rates)
    assert stored.stream_count == 2 and {c.stream for c in stored.channels} == {0, 1}


def chosen(*names_and_boxes):
    """What the dialog hands over."""
    return [
        {"name": name, "number": number, "text": "", "use": use}
        for number, (name, use) in enumerate(names_and_boxes)
    ]


def test_chosen_streams_are_remembered_baked_and_baked_again(scene, head, two_rates):
    names = streams_of(two_rates)
    stored = open_file(two_rates, streams=chosen((names[0], False), (names[1], True)))
    assert [c.name for c in stored.channels] == ["Corr left", "Corr right"]
    assert stored.stream_count == 2
    bpy.ops.eifer.bake_take()
    first, present = takes.read_activity(head, takes.selected(head))
    assert takes.read_stamp(takes.selected(head))["options"]["streams"] == [names[1] or 1]
    open_file(two_rates)
    bpy.ops.eifer.reload_take()
    again, present_again = takes.read_activity(head, takes.selected(head))
    np.testing.assert_allclose(again, first, atol=1e-6)
    np.testing.assert_array_equal(present_again, present)


def test_no_stream_at_all_is_refused(two_rates):
    name = streams_of(two_rates)[0]
    with pytest.raises(RuntimeError, match="No stream is checked"):
        open_file(two_rates, streams=chosen((name, False)))
    assert not bpy.context.scene.eifer.recording.filepath


def test_a_stream_that_is_gone_is_said(scene, two_rates):
    with pytest.raises(RuntimeError, match="no stream 'EMG'"):
        open_file(two_rates, streams=chosen(("EMG", True)))


def test_several_files_get_one_sentence(scene, two_rates):
    files = [{"name": "two.edf"}, {"name": "other.edf"}, {"name": "third.edf"}]
    with pytest.raises(RuntimeError, match="3 files were given; open one recording at a time"):
        open_file(two_rates, files=files, directory=str(two_rates.parent))
    assert not scene.eifer.recording.filepath
    open_file(two_rates, files=[{"name": "two.edf"}])
    assert scene.eifer.recording.filepath


def test_closing_lets_go_of_the_samples(scene, two_rates):
    open_file(two_rates)
    assert sources._open_version.cache_info().currsize == 1
    bpy.ops.eifer.close_recording()
    assert sources._open_version.cache_info().currsize == 0
    assert not scene.eifer.recording.marks and not scene.eifer.recording.channels


def test_a_saved_file_opens_without_its_recording(scene, two_rates, tmp_path):
    open_file(two_rates)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    two_rates.unlink()
    sources.drop()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "b.blend"))  # saving needs no recording
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "b.blend"))
    assert len(bpy.context.scene.eifer.recording.channels) == 4


def test_electrode_positions_drive_the_face_and_say_what_they_know(scene, head, tmp_path):
    names = ["K3", "K4", "K5", "K6", "K7", "K8"]
    stored = open_file(edf(tmp_path / "k.edf", (names, 1000.0)))
    assert [c.site for c in stored.channels] == names
    assert "inferred from 6 positions" in stored.inferred and "%" in stored.inferred
    bpy.ops.eifer.bake_take()
    assert takes.read_activity(head, takes.selected(head))[1].any()
    bpy.ops.eifer.close_recording()
    assert stored.inferred == ""


def test_a_position_can_be_given_a_muscle_or_left_out(scene, head, tmp_path):
    stored = open_file(edf(tmp_path / "k.edf", (["K3", "K4", "K5", "K6"], 1000.0)))
    stored.channels[0].muscle = "zygomaticus_l"
    bpy.ops.eifer.bake_take()
    assert takes.read_activity(head, takes.selected(head))[1].any()
    for channel in stored.channels:
        channel.mute = True
    with pytest.raises(RuntimeError, match="No channel has a muscle"):
        bpy.ops.eifer.bake_take()


def test_all_reasons_of_a_mark_are_shown(scene, tmp_path):
    samples = np.clip(semg(8, 1000, 2) + 40 * np.sin(np.arange(8000) * 0.1 * np.pi)[:, None], -30, 30)
    stream = Stream(
        tuple(Channel(f"Zyg {side}", "uV", Kind.RAW) for side in SIDES), samples.astype(np.float32), 1000.0
    )
    stored = open_file(write_edf(tmp_path / "dirty.edf", Recording((stream,))))
    assert any(len(c.reason.splitlines()) > 1 for c in stored.channels)


def test_only_large_files_need_a_thread(monkeypatch, two_rates):
    assert not sources.is_large(str(two_rates)) and not sources.is_large("gone.edf")
    monkeypatch.setattr(sources, "LARGE_BYTES", two_rates.stat().st_size - 1)
    assert sources.is_large(str(two_rates))


def test_streams_are_described_for_the_dialog():
    channel = SimpleNamespace(muscle="zygomaticus_l")
    view = SimpleNamespace(channels=(channel, SimpleNamespace(muscle=None)), rate=2000.0)
    assert sources.describe_stream(view) == "2 channels at 2000 Hz, 1 muscle"


def test_a_recording_is_processed_once_for_opening_preview_and_bake(scene, head, recording, monkeypatch):
    runs = []
    process = pipeline.process_recording
    monkeypatch.setattr(pipeline, "process_recording", lambda *given: runs.append(given) or process(*given))
    scene.eifer.animation.gain = 0.5  # acts after the chain
    bpy.ops.eifer.bake_take()
    assert runs == []
    scene.eifer.recording.chain.window_ms = 60.0
    bpy.ops.eifer.bake_take()
    bpy.ops.eifer.bake_take()
    assert len(runs) == 1


def test_a_recording_that_was_written_anew_is_processed_anew(scene, head, tmp_path):
    path = tmp_path / "a.csv"
    signal = semg(4, 500, 1)[:, 0]  # rest, then a contraction
    middles = []
    for column in (signal, signal[::-1]):
        rows = "".join(f"{i / 500},{value:+09.3f}\n" for i, value in enumerate(column))
        path.write_text(f"time (s),Zyg left (uV)\n{rows}")
        bpy.ops.eifer.open_recording(filepath=str(path))
        bpy.ops.eifer.bake_take()
        values, _ = takes.read_activity(head, takes.selected(head))
        activity = values.sum(1)
        middles.append(float(activity @ np.arange(len(activity)) / activity.sum() / len(activity)))
    assert middles[0] > 0.6 and middles[1] < 0.4
