"""Expressions from files become takes and estimates; activity and expressions go out and come back."""

import csv

import bpy
import numpy as np
import pytest

from eifer_blender import interchange, muscles, spaces
from eifer_blender.blender import actions, bake, estimates, head_object, performance, takes
from eifer_blender.heads.default import load_default_head
from eifer_blender.recordings import open_recording

COUNT = len(spaces.ARKIT_NAMES)


def column(name):
    return muscles.channel_index(name)


def shape(name):
    return spaces.ARKIT_NAMES.index(name)


@pytest.fixture
def smile_file(tmp_path):
    """A left smile of two seconds at 60 frames per second, as Live Link Face writes it."""
    weights = np.zeros((121, COUNT), np.float32)
    weights[:, shape("mouthSmileLeft")] = np.sin(np.linspace(0, np.pi, 121))
    return interchange.write_live_link_face(tmp_path / "smile.csv", weights, 60.0)


def own_curves(head, role):
    channels = actions.assigned(takes.targets(head)[role])
    return {path for path, _ in actions.curve_map(channels)} if channels else set()


def key(head, name, *points):
    block = head.data.shape_keys.key_blocks[name]
    for frame, value in points:
        block.value = value
        block.keyframe_insert("value", frame=frame)


# --- in -------------------------------------------------------------------------------------------


def test_a_file_of_expressions_becomes_a_take_and_its_estimate(scene, head, smile_file):
    assert bpy.ops.eifer.estimate_from_file(filepath=str(smile_file)) == {"FINISHED"}
    take = takes.selected(head)
    stamp = takes.read_stamp(take)
    assert take.name == "smile" and takes.is_playing(head, take)
    assert (stamp["frames"], stamp["fps"], stamp["source"]) == (49, 24.0, "smile.csv")
    found = estimates.read(head)
    assert found.start_frame == 1 and len(found.estimate.values) == 49
    assert muscles.CHANNELS[np.nanargmax(found.estimate.values[24])] == "zygomaticus_l"
    assert found.stamp["from"] == {"kind": "file", "source": "smile.csv", "sha256": stamp["sha256"]}
    assert not any("emg_" in path for path in own_curves(head, takes.ACTIVITY))
    # The take is what the estimate was made of: the animation gives the same.
    played = estimates.read(head).estimate.values
    bpy.ops.eifer.estimate_activity()
    scene.frame_set(25)
    assert np.abs(head_object.expression_of(head)).max() > 0.3
    np.testing.assert_allclose(estimates.read(head).estimate.values[:49], played, atol=2e-3)


def test_a_file_can_be_estimated_without_moving_the_head(scene, head, smile_file):
    scene.eifer.animation.start_frame = 11
    bpy.ops.eifer.estimate_from_file(filepath=str(smile_file), animate_head=False)
    assert len(head.eifer.takes) == 0 and head.data.shape_keys.animation_data.action is None
    assert estimates.read(head).start_frame == 11
    scene.frame_set(35)
    assert head["est_zygomaticus_l"] > 0.1 > head["est_zygomaticus_r"]
    np.testing.assert_array_equal(head_object.expression_of(head), 0.0)


def test_parameters_of_the_head_come_back_as_they_went_out(scene, head, make_take, tmp_path):
    take = make_take()
    bake.bake_take(head, take, name="Take", start_frame=1, stamp={})
    scene.frame_end = 60
    path = tmp_path / "parameters.csv"
    bpy.ops.eifer.export_animation(filepath=str(path), format="PARAMETERS_CSV")
    np.testing.assert_allclose(interchange.read_expressions(path).values, take.parameters, atol=1e-5)
    bpy.ops.eifer.estimate_from_file(filepath=str(path), fps=24.0)
    read = performance.sample(head, scene, np.arange(1, 61))
    # Limits of a face: nothing but lids and jaw is held within them.
    np.testing.assert_allclose(read.parameters[:, :50], take.parameters[:, :50], atol=1e-5)


def test_a_file_that_does_not_say_its_rate_asks_for_it(scene, head, make_take, tmp_path):
    path = tmp_path / "parameters.csv"
    interchange.write_parameters(path, spaces.DEFAULT_SPACE, make_take().parameters)
    with pytest.raises(RuntimeError, match="frames per second"):
        bpy.ops.eifer.estimate_from_file(filepath=str(path))
    assert len(head.eifer.takes) == 0 and not bpy.data.actions


def test_files_that_are_no_expressions_of_this_head_get_a_sentence(scene, head, smile_file, tmp_path):
    def refused(text, match, name="wrong.csv"):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(RuntimeError, match=match):
            bpy.ops.eifer.estimate_from_file(filepath=str(path), fps=30.0)
        assert len(head.eifer.takes) == 0 and not bpy.data.actions
        assert not any(n.startswith("est_") for n in dict(head.items()))

    text = smile_file.read_text()
    refused(text.replace("JawOpen", "Something"), "jawOpen")
    refused("a,b\n1,2\n", "none of the columns of an expression")
    flame = ",".join([f"exp{i}" for i in range(50)] + ["eyelid0", "eyelid1", "jaw0", "jaw1", "jaw2"])
    refused(f"{flame}\n{','.join(['0'] * 55)}\n", "FLAME")
    with pytest.raises(RuntimeError, match="nothing"):
        bpy.ops.eifer.estimate_from_file(filepath=str(tmp_path / "nothing.csv"))
    with pytest.raises(RuntimeError, match="No file was chosen"):
        bpy.ops.eifer.estimate_from_file(filepath="")


def test_a_take_from_expressions_is_baked_again_from_its_file(scene, head, smile_file):
    bpy.ops.eifer.estimate_from_file(filepath=str(smile_file))
    weights = np.zeros((61, COUNT), np.float32)
    weights[:, shape("browInnerUp")] = np.linspace(0, 1, 61)
    interchange.write_live_link_face(smile_file, weights, 60.0, replace=True)
    before = takes.read_stamp(takes.selected(head))
    scene.frame_set(25)
    smiling = head_object.expression_of(head)
    bpy.ops.eifer.reload_take()
    assert [take.name for take in head.eifer.takes] == ["smile"]
    after = takes.read_stamp(takes.selected(head))
    assert after["frames"] == 25 and after["sha256"] != before["sha256"]
    assert not np.allclose(head_object.expression_of(head), smiling, atol=0.05)
    smile_file.unlink()
    with pytest.raises(RuntimeError, match=r"The file 'smile\.csv' is no longer at"):
        bpy.ops.eifer.reload_take()


def test_a_take_from_expressions_has_nothing_measured(scene, head, smile_file, tmp_path):
    bpy.ops.eifer.estimate_from_file(filepath=str(smile_file))
    for operator in (
        bpy.ops.eifer.remap_take,
        bpy.ops.eifer.compare_activity,
        lambda: bpy.ops.eifer.export_activity(filepath=str(tmp_path / "a.csv"), source="EMG"),
    ):
        with pytest.raises(RuntimeError, match="made from a file of expressions"):
            operator()
    assert estimates.read(head) is not None and not (tmp_path / "a.csv").exists()


def test_expressions_can_be_baked_with_few_keys(scene, head, smile_file):
    scene.eifer.animation.keys, scene.eifer.animation.tolerance_mm = "REDUCED", 0.2
    bpy.ops.eifer.estimate_from_file(filepath=str(smile_file))
    count = actions.key_count(takes.channels_of(head, takes.selected(head))[takes.EXPRESSION])
    assert count < 52 * 49 / 2
    assert takes.read_stamp(takes.selected(head))["tolerance_mm"] == pytest.approx(0.2)


def test_the_path_of_a_file_is_kept_relative_to_the_project(scene, head, smile_file, tmp_path):
    bpy.ops.eifer.estimate_from_file(filepath=str(smile_file))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "project.blend"))
    assert takes.read_stamp(takes.selected(head))["path"] == "//smile.csv"
    bpy.ops.eifer.reload_take()


# --- out ------------------------------------------------------------------------------------------


@pytest.fixture
def estimated(scene, head, recording):
    """The sample recording as a take, with its estimate."""
    bpy.ops.eifer.bake_take(name="Sample")
    bpy.ops.eifer.estimate_activity()
    return head


def test_an_estimate_as_a_table_has_empty_cells_for_what_a_face_does_not_show(estimated, tmp_path):
    bpy.ops.eifer.export_activity(filepath=str(tmp_path / "activity"), format="CSV")
    with (tmp_path / "activity.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    values = estimates.read(estimated).estimate.values
    assert len(rows) == 1 + len(values) and len(rows[0]) == 23 and rows[0][0] == ""
    assert rows[1][0] == "0" and rows[1][1 + column("masseter_l")] == ""
    there = [k for k, name in enumerate(muscles.CHANNELS) if not name.startswith("masseter")]
    written = np.array([[float(row[1 + k]) for k in there] for row in rows[1:]])
    np.testing.assert_allclose(written, values[:, there], atol=1e-6)


def test_activity_as_edf_is_read_back_by_our_own_reader(scene, estimated, tmp_path):
    path = tmp_path / "estimated.csv"  # the ending follows the format
    bpy.ops.eifer.export_activity(filepath=str(path), format="EDF")
    read = open_recording(tmp_path / "estimated.edf")
    values = estimates.read(estimated).estimate.values
    stream = read.streams[0]
    named = {c.muscle: k for k, c in enumerate(stream.channels) if c.muscle}
    assert set(named) == set(muscles.CHANNELS) - {"masseter_l", "masseter_r"} and stream.rate == 24.0
    mine = stream.samples[: len(values), named["zygomaticus_l"]]
    np.testing.assert_allclose(mine, values[:, column("zygomaticus_l")], atol=1e-3)
    bpy.ops.eifer.export_activity(filepath=str(tmp_path / "m.edf"), format="EDF", source="EMG")
    measured = open_recording(tmp_path / "m.edf")
    marks = [mark.text for mark in takes.read_marks(takes.selected(estimated))]
    assert marks and set(marks) <= {annotation.text for annotation in measured.annotations}
    kept, _ = takes.read_activity(estimated, takes.selected(estimated))
    stream = measured.streams[0]
    named = {c.muscle: k for k, c in enumerate(stream.channels) if c.muscle}
    mine = stream.samples[: len(kept), named["masseter_r"]]
    np.testing.assert_allclose(mine, kept[:, column("masseter_r")], atol=1e-3)


def test_what_was_not_recorded_stays_unknown_in_a_file(head, make_take, tmp_path):
    take = make_take(present=("zygomaticus_l",))
    bake.bake_take(head, take, name="Take", start_frame=1, stamp={})
    bpy.ops.eifer.export_activity(filepath=str(tmp_path / "m.csv"), source="EMG")
    with (tmp_path / "m.csv").open(newline="") as file:
        row = next(r for i, r in enumerate(csv.reader(file)) if i == 5)
    known = [k for k, cell in enumerate(row[1:]) if cell]
    assert known == [column("zygomaticus_l")]


def test_arkit_keys_go_out_as_they_were_keyed(scene, head, tmp_path):
    scene.frame_end = 30
    key(head, "mouthSmileLeft", (1, 0.0), (20, 0.8))
    key(head, "browDownRight", (1, 0.3), (30, 0.6))
    path = tmp_path / "keys.csv"
    bpy.ops.eifer.export_animation(filepath=str(path), format="LIVE_LINK_FACE")
    clip = interchange.read_expressions(path)
    assert clip.fps == pytest.approx(24.0) and len(clip.values) == 30
    arkit = performance.sample(head, scene, np.arange(1, 31)).arkit
    np.testing.assert_allclose(clip.values, arkit, atol=1e-6)


def test_a_performance_comes_back_through_live_link_face_as_nearly_the_same_face(scene, estimated, tmp_path):
    geometry = load_default_head()
    wanted = performance.sample(estimated, scene, np.arange(1, 385)).parameters
    path = tmp_path / "face.csv"
    bpy.ops.eifer.export_animation(filepath=str(path), format="LIVE_LINK_FACE")
    parameters, _ = interchange.to_head(interchange.read_expressions(path), geometry)
    metric = bake.face_effects(geometry)[:50].reshape(50, -1)
    apart = np.abs((parameters - wanted)[:, :50] @ metric).max(1) * 1000
    assert np.median(apart) < 3.0


def test_frames_go_out_as_the_panel_says(scene, head, tmp_path):
    key(head, "exp000", (5, 0.0), (24, 1.0))
    options = {"format": "PARAMETERS_CSV", "extent": "KEYS"}
    bpy.ops.eifer.export_animation(filepath=str(tmp_path / "a.csv"), **options)
    values = interchange.read_expressions(tmp_path / "a.csv").values
    assert len(values) == 20 and values[0, 0] == 0.0 and values[-1, 0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "operator",
    [
        lambda **options: bpy.ops.eifer.export_activity(**options),
        lambda **options: bpy.ops.eifer.export_activity(format="EDF", **options),
        lambda **options: bpy.ops.eifer.export_animation(format="LIVE_LINK_FACE", **options),
        lambda **options: bpy.ops.eifer.export_animation(format="PARAMETERS_CSV", **options),
    ],
)
def test_no_file_is_replaced_unasked_and_a_failed_write_leaves_it(scene, head, tmp_path, operator):
    key(head, "exp000", (1, 0.0), (20, 1.0))
    scene.frame_end = 20
    bpy.ops.eifer.estimate_activity()
    for name in ("file.csv", "file.edf"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(RuntimeError, match="exists already"):
        operator(filepath=str(tmp_path / "file"))
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}
    with pytest.raises(RuntimeError, match="cannot be written"):
        operator(filepath=str(tmp_path / "nowhere" / "file"))
    operator(filepath=str(tmp_path / "file"), replace=True)
    contents = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert sum(content != b"mine" for content in contents) == 1 and len(contents) == 2


def test_nothing_to_hand_on_is_said(scene, head, tmp_path):
    with pytest.raises(RuntimeError, match="no estimate"):
        bpy.ops.eifer.export_activity(filepath=str(tmp_path / "a.csv"))
    with pytest.raises(RuntimeError, match="no take with measured activity"):
        bpy.ops.eifer.export_activity(filepath=str(tmp_path / "a.csv"), source="EMG")
    with pytest.raises(RuntimeError, match="Nothing animates the face"):
        bpy.ops.eifer.export_animation(filepath=str(tmp_path / "a.csv"), format="PARAMETERS_CSV")
    assert not list(tmp_path.iterdir())
