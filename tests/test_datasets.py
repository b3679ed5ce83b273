"""Data sets in the layout of MMM: written and read again, with all that goes wrong on people's disks."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eifer_blender.cli.main import run
from eifer_blender.datasets import mmm, simulated
from eifer_blender.datasets.methods import METHODS, find_method
from eifer_blender.datasets.mmm import ClipData, DataSet, read_dataset, write_dataset
from eifer_blender.datasets.sessions import activations, expressions
from eifer_blender.datasets.splits import split
from eifer_blender.errors import EiferError
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS
from eifer_blender.recordings import open_recording
from eifer_blender.recordings.types import Channel, Kind, Recording, Stream
from eifer_blender.signals import process
from eifer_blender.signals.settings import PRESETS
from eifer_blender.spaces import DEFAULT_SPACE

ID = "07_1S_schaede_03_Eye-Gentle"
EMG = f"emg/07_1S/{ID}.csv"
FACE = f"video_noelec_params/EIFER/07_1S/{ID}_params.csv.gz"


def clip(pid="07", rec="1S", mode="schaede", task="Eye-Gentle", index=3, frames=40, method="eifer-head-1"):
    rng = np.random.default_rng([int(pid), index, frames])
    envelope = 5 + 50 * np.abs(np.sin(np.arange(frames)[:, None] / 9 + np.arange(CHANNEL_COUNT)))
    envelope = envelope * rng.uniform(0.9, 1.1, envelope.shape)
    parameters = rng.normal(0, 1, (frames, METHODS[method].space.size))
    return ClipData(pid, rec, mode, task, index, envelope.astype(np.float32), parameters.astype(np.float32))


def dataset(clips):
    return DataSet(tuple(clips), DEFAULT_SPACE, None, "eifer-head-1")


@pytest.fixture
def folder(tmp_path):
    """Two clips with EIFER's 361 columns."""
    clips = [clip(method="EIFER"), clip(index=4, task="Eye-Tight", frames=50, method="EIFER")]
    return write_dataset(tmp_path / "MMM", clips, method="EIFER")


def change(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def unzipped(path):
    return gzip.decompress(path.read_bytes()).decode()


def rewrite(path, text):
    path.write_bytes(gzip.compress(text.encode()))


# --- what is written comes back ---------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_what_is_written_comes_back(tmp_path, method):
    clips = [clip(method=method), clip("12", "2S", "emotion", "happy", 12, 33, method)]
    clips[0].envelope[:5, 3] = np.nan
    read = read_dataset(write_dataset(tmp_path / "d", clips, method=method), method.lower())
    assert (read.method, read.space, read.notes) == (method, METHODS[method].space, ())
    for one, other in zip(read.clips, clips, strict=True):
        assert replace(one, envelope=0, parameters=0) == replace(other, envelope=0, parameters=0)
        np.testing.assert_allclose(one.envelope, other.envelope, rtol=1e-5)
        np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-5, atol=1e-30)
        assert one.envelope.dtype == one.parameters.dtype == np.float32


def test_files_lie_where_the_published_ones_do(folder):
    files = {str(p.relative_to(folder).as_posix()) for p in folder.rglob("*") if p.is_file()}
    assert {"MMM.csv", "MMM_3DMM.csv", EMG, FACE} <= files
    assert (folder / EMG).read_text().startswith(",Corrugator Supercilii_l,Corrugator Supercilii_r,")
    assert (folder / EMG).read_text().splitlines()[2].startswith("1,")
    assert len(unzipped(folder / FACE).splitlines()[0].split(",")) == 361


def test_blender_reads_the_envelopes_of_a_clip_as_what_they_are(folder):
    stream = open_recording(folder / EMG).streams[0]
    assert (stream.rate, stream.frame_aligned) == (30.0, True)
    assert [c.muscle for c in stream.channels] == list(CHANNELS)
    assert {c.kind for c in stream.channels} == {Kind.ENVELOPE}


def test_an_existing_folder_is_not_touched_unasked(folder, tmp_path):
    before = (folder / "MMM.csv").read_bytes()
    with pytest.raises(EiferError, match="exists already"):
        write_dataset(folder, [clip()])
    assert (folder / "MMM.csv").read_bytes() == before
    write_dataset(folder, [clip()], replace=True)
    assert len(read_dataset(folder).clips) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["MMM"]


def test_replacing_spares_folders_that_were_not_written_here(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(EiferError, match="not written by this program"):
        write_dataset(tmp_path / "mine", [clip()], replace=True)
    assert (tmp_path / "mine/thesis.txt").exists()


def test_a_failure_leaves_the_old_data_set_and_nothing_else(folder, tmp_path):
    def broken():
        yield clip()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_dataset(folder, broken(), replace=True)
    assert [p.name for p in tmp_path.iterdir()] == ["MMM"]
    assert len(read_dataset(folder).clips) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"pid": "../7"},
        {"task": "a/b"},
        {"rec": ""},
        {"mode": "a_b"},
        {"parameters": np.zeros((40, 3), np.float32)},
        {"envelope": np.zeros((40, 21), np.float32)},
    ],
)
def test_clips_that_do_not_fit_the_layout_are_refused(tmp_path, wrong):
    with pytest.raises(EiferError):
        write_dataset(tmp_path / "d", [replace(clip(), **wrong)])
    with pytest.raises(EiferError, match="two clips"):
        write_dataset(tmp_path / "d", [clip(), clip()])
    assert not list(tmp_path.iterdir())


# --- the traps of the published data ----------------------------------------------------------------


def test_zeros_of_a_subject_stay_even_if_a_spreadsheet_took_them(folder):
    change(folder / "MMM.csv", (",07,1S", ",7,1S"))
    assert {c.pid for c in read_dataset(folder).clips} == {"07"}


def test_clips_without_electrodes_and_files_that_no_row_names_are_left_alone(folder):
    with (folder / "MMM.csv").open("a") as file:
        file.write("x,9,07,1N,schaede,Snarl,,,False,v.mp4,,,\n")
    (folder / "emg/07_1S/07_1S_schaede_09_Snarl.csv").write_text("not a table")
    read = read_dataset(folder)
    assert len(read.clips) == 2 and not read.notes


def test_a_clip_without_paired_semg_is_left_out(folder):
    change(folder / "MMM.csv", (f"True,,,{EMG}", f"False,,,{EMG}"))
    read = read_dataset(folder)
    assert [c.task for c in read.clips] == ["Eye-Tight"] and "use" in read.notes[0]


def test_grades_are_kept_as_they_are_written(folder):
    change(folder / "MMM.csv", (f",True,,,{EMG}", f"B+,True,,,{EMG}"))
    assert [c.sync_grade for c in read_dataset(folder).clips] == ["B+", ""]


def test_paths_with_either_slash(folder):
    for name in ("MMM.csv", "MMM_3DMM.csv"):
        change(folder / name, ("/", "\\"))
    assert len(read_dataset(folder).clips) == 2


def test_the_full_set_has_another_index(folder):
    (folder / "MMM.csv").rename(folder / "MaM.csv")
    (folder / "MMM_3DMM.csv").rename(folder / "MaM_3DMM.csv")
    assert len(read_dataset(folder).clips) == 2


def test_one_index_is_enough_where_files_lie_at_their_places(folder):
    kept = (folder / "MMM_3DMM.csv").read_bytes()
    (folder / "MMM_3DMM.csv").unlink()
    assert len(read_dataset(folder, "EIFER").clips) == 2
    (folder / "MMM_3DMM.csv").write_bytes(kept)
    (folder / "MMM.csv").unlink()
    first = read_dataset(folder).clips[0]
    assert (first.pid, first.rec, first.mode, first.task) == ("07", "1S", "schaede", "Eye-Gentle")


def test_the_method_is_asked_for_where_there_are_several(folder):
    text = (folder / FACE).read_bytes()
    change(
        folder / "MMM_3DMM.csv",
        ("EIFER,", "EIFER,SMIRK,"),
        (FACE, f"{FACE},{FACE.replace('EIFER', 'SMIRK')}"),
    )
    other = folder / FACE.replace("EIFER", "SMIRK")
    other.parent.mkdir(parents=True)
    other.write_bytes(text)
    with pytest.raises(EiferError, match="EIFER, SMIRK"):
        read_dataset(folder)
    assert len(read_dataset(folder, "smirk").clips) == 1  # the other clip has no such parameters
    with pytest.raises(EiferError, match="unknown; known are"):
        read_dataset(folder, "FLAME")


def test_a_missing_file_costs_its_clip_and_the_last_one_the_data_set(folder):
    (folder / EMG).unlink()
    read = read_dataset(folder)
    assert len(read.clips) == 1 and "missing" in read.notes[0]
    for path in folder.rglob("*.gz"):
        path.unlink()
    with pytest.raises(EiferError, match=r"no clip.*missing"):
        read_dataset(folder)


@pytest.mark.parametrize(("less", "left"), [(1, 39), (2, 38), (3, None)])
@pytest.mark.parametrize("which", [EMG, FACE])
def test_a_few_frames_too_many_are_cut_off(folder, less, left, which):
    if which == EMG:
        lines = (folder / EMG).read_text().splitlines()
        (folder / EMG).write_text("\n".join(lines[:-less]))
    else:
        rewrite(folder / FACE, "\n".join(unzipped(folder / FACE).splitlines()[:-less]))
    read = read_dataset(folder)
    lengths = [len(c.envelope) for c in read.clips]
    assert lengths == ([left, 50] if left else [50]) and len(read.notes) == 1
    assert all(len(c.envelope) == len(c.parameters) for c in read.clips)


def test_envelopes_that_ring_below_zero_are_clamped_and_gaps_stay_unknown(folder):
    lines = (folder / EMG).read_text().splitlines()
    lines[1] = "0," + ",".join(["-0.3"] * CHANNEL_COUNT)
    lines[2] = "1," + ",".join(["", "NaN", "inf", "x"] + ["1"] * (CHANNEL_COUNT - 4))
    (folder / EMG).write_text("\n".join(lines))
    read = read_dataset(folder).clips[0]
    assert (read.envelope[0] == 0).all()
    assert np.isnan(read.envelope[1, :4]).all() and (read.envelope[1, 4:] == 1).all()
    assert np.isfinite(read.envelope[2:]).all()


def test_numbers_without_end_are_gaps_and_a_byte_order_mark_is_no_name(folder):
    lines = (folder / EMG).read_text().splitlines()
    lines[2] = "1,inf,-inf,1e60," + ",".join(["1"] * (CHANNEL_COUNT - 3))
    (folder / EMG).write_text("\n".join(lines))
    index = folder / "MMM_3DMM.csv"
    index.write_text(index.read_text(), encoding="utf-8-sig")
    assert np.isnan(read_dataset(folder).clips[0].envelope[1, :3]).all()


def test_frames_without_a_face_are_bridged_if_they_are_few(folder):
    whole = read_dataset(folder).clips[0].parameters
    lines = unzipped(folder / FACE).splitlines()
    lines[5] = ",".join([""] * 361)
    rewrite(folder / FACE, "\n".join(lines))
    read = read_dataset(folder)
    np.testing.assert_allclose(read.clips[0].parameters[4], (whole[3] + whole[5]) / 2, rtol=1e-5)
    assert "bridged" in read.notes[0]
    lines[5:20] = [lines[5]] * 15
    rewrite(folder / FACE, "\n".join(lines))
    assert len(read_dataset(folder).clips) == 1


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace("_l", " left").replace("_r", " right"),
        lambda name: name.replace("_", " ").upper(),
        lambda name: {"L": "li", "R": "re"}[name[-1].upper()] + " " + name[:-2],
    ],
)
def test_muscles_are_known_however_they_are_spelled_and_in_any_order(folder, rename):
    whole = read_dataset(folder).clips[0].envelope
    lines = [line.split(",") for line in (folder / EMG).read_text().splitlines()]
    order = [0, *np.random.default_rng(0).permutation(range(1, CHANNEL_COUNT + 1))]
    lines[0] = ["", *(rename(name) for name in lines[0][1:])]
    (folder / EMG).write_text("\n".join(",".join(line[k] for k in order) for line in lines))
    np.testing.assert_array_equal(read_dataset(folder).clips[0].envelope, whole)


@pytest.mark.parametrize("form", ["{}_{}", "{} {}", "{}.{}", "{}{:03d}", "{}-{:02d}"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("method", ["EIFER", "DECA", "Deep3DFace", "FOCUS"])
def test_parameters_are_known_however_they_are_numbered(tmp_path, method, form, first):
    whole = read_dataset(write_dataset(tmp_path / "d", [clip(method=method)], method=method))
    path = next((tmp_path / "d").rglob("*.gz"))
    names = [
        form.format(group.prefix.upper(), k + first)
        for group in METHODS[method].groups
        for k in range(group.count)
    ]
    rewrite(path, ",".join(names) + unzipped(path)[unzipped(path).index("\n") :])
    again = read_dataset(tmp_path / "d")
    np.testing.assert_array_equal(again.clips[0].parameters, whole.clips[0].parameters)


@pytest.mark.parametrize(
    "name",
    [
        lambda prefix, k: {"exp": "expression"}.get(prefix, prefix) + f"_params_{k}",
        lambda prefix, k: prefix if k == 0 else f"{prefix}.{k}",
        lambda prefix, k: prefix,
    ],
)
def test_parameters_are_known_under_longer_names_and_under_one_name_each(folder, name):
    whole = read_dataset(folder).clips[0].parameters
    names = [name(group.prefix, k) for group in METHODS["EIFER"].groups for k in range(group.count)]
    text = unzipped(folder / FACE)
    rewrite(folder / FACE, ",".join(names) + text[text.index("\n") :])
    np.testing.assert_array_equal(read_dataset(folder).clips[0].parameters, whole)


def test_the_jaw_of_deca_is_the_second_half_of_its_pose(tmp_path):
    write_dataset(tmp_path / "d", [clip(method="DECA")], method="DECA")
    path = next((tmp_path / "d").rglob("*.gz"))
    names = unzipped(path).splitlines()[0].split(",")
    numbers = {name: k for k, name in enumerate(names)}
    rewrite(path, "\n".join([",".join(names)] + [",".join(map(str, range(236)))] * 40))
    read = read_dataset(tmp_path / "d").clips[0].parameters[0]
    assert list(read[50:]) == [numbers["pose3"], numbers["pose4"], numbers["pose5"]]
    assert list(read[:50]) == [numbers[f"exp{k}"] for k in range(50)]


def test_mediapipe_may_know_no_tongue(tmp_path):
    whole = read_dataset(write_dataset(tmp_path / "d", [clip(method="MediaPipe")], method="MediaPipe"))
    path = next((tmp_path / "d").rglob("*.gz"))
    rewrite(path, unzipped(path).replace("tongueOut", "_neutral"))
    again = read_dataset(tmp_path / "d").clips[0].parameters
    np.testing.assert_array_equal(again[:, :51], whole.clips[0].parameters[:, :51])
    assert (again[:, 51] == 0).all()


def test_parameters_of_another_method_are_told_by_their_columns(folder):
    path = folder / FACE
    rewrite(path, unzipped(path).replace("jaw", "chin"))
    assert "'jaw0'" in read_dataset(folder).notes[0]


# --- files that mean harm ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../secret.csv",
        "/etc/passwd",
        "C:/secret.csv",
        "emg/../../secret.csv",
        "..\\secret.csv",
        "\\\\host\\x.csv",
    ],
)
def test_no_file_outside_the_folder_is_read(folder, path):
    (folder.parent / "secret.csv").write_bytes((folder / EMG).read_bytes())
    for name in ("MMM.csv", "MMM_3DMM.csv"):
        change(folder / name, (EMG, path))
    read = read_dataset(folder, "EIFER")
    assert [c.task for c in read.clips] == ["Eye-Tight"]
    change(folder / "MMM_3DMM.csv", (FACE, "../secret.csv"))
    assert len(read_dataset(folder).clips) == 1


def test_no_link_leads_outside_of_the_folder(folder):
    outside = folder.parent / "secret.csv"
    (folder / EMG).rename(outside)
    try:
        (folder / EMG).symlink_to(outside)
    except OSError:
        pytest.skip("no links on this file system")
    read = read_dataset(folder)
    assert len(read.clips) == 1 and "not within" in read.notes[0]


def test_a_small_file_that_unzips_to_gigabytes_is_refused(folder):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        for _ in range(160):
            file.write(b"0" * (1 << 20))
    (folder / FACE).write_bytes(packed.getvalue())
    tracemalloc.start()
    read = read_dataset(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read.clips) == 1 and "MiB" in read.notes[0]
    assert peak < 3 * 128 << 20


@pytest.mark.parametrize(
    "content",
    [
        b"Zygomaticus_l\n" + b"0\n" * (20 << 20),
        b"Zygomaticus_l\r" + b"x\r" * (20 << 20),
        b",".join(b"Zygomaticus_l" for _ in range(50_000)) + b"\n" + (b"," * 49_999 + b"\n") * 400,
    ],
)
def test_tables_that_are_no_clip_are_refused_before_they_fill_the_memory(folder, content):
    (folder / EMG).write_bytes(content)
    tracemalloc.start()
    read = read_dataset(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read.clips) == 1 and "is it one clip" in read.notes[0]
    assert peak < 256 << 20


def test_a_data_set_that_cannot_fit_into_memory_is_refused(folder, monkeypatch):
    monkeypatch.setattr(mmm, "_MOST_FRAMES", 80)
    with pytest.raises(EiferError, match="read a part"):
        read_dataset(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_beside_the_index_is_not_waited_for(folder):
    os.mkfifo(folder / "A.csv")
    assert len(read_dataset(folder).clips) == 2


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_spoilt_files_are_read_or_refused_in_one_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("spoilt") / "d"
    write_dataset(folder, [clip(frames=5), clip(index=5, frames=4)])
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(paths))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        what = data.draw(st.sampled_from(["cut", "drop", "insert", "repeat"]))
        if what == "cut":
            del content[at:]
        elif what == "drop":
            del content[at : at + data.draw(st.integers(1, 30))]
        elif what == "insert":
            some = st.sampled_from([b",", b"\n", b'"', b"\0", b"\xff", b"1e99", b"-", b"nan", b"../", b"\r"])
            content[at:at] = data.draw(some | st.binary(max_size=8))
        else:
            content[at:at] = content[at : at + 200]
    path.write_bytes(content)
    try:
        read = read_dataset(folder)
    except EiferError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
        return
    for one in read.clips:
        assert one.envelope.shape == (len(one.parameters), CHANNEL_COUNT)
        assert np.isfinite(one.parameters).all() and not (one.envelope < 0).any()
    for values, present in activations(read):
        assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1
        assert (values[~present] == 0).all()


@pytest.mark.parametrize("content", ["[]", "{", '{"simulation": 3}', '{"simulation": {"window_ms": "x"}}'])
def test_what_a_data_set_says_about_itself_is_not_trusted(folder, content):
    (folder / "dataset.json").write_text(content)
    assert read_dataset(folder).simulation is None


@pytest.mark.parametrize("content", [None, "a,b\n1,2\n", ""])
def test_a_folder_that_is_no_data_set(tmp_path, content):
    if content is not None:
        (tmp_path / "MMM.csv").write_text(content)
    with pytest.raises(EiferError, match="no index"):
        read_dataset(tmp_path)
    with pytest.raises(EiferError, match="no folder"):
        read_dataset(tmp_path / "nowhere")


# --- splits -----------------------------------------------------------------------------------------


def parts_of(data, by="auto", seed=0):
    """Split with what must hold of every one checked."""
    found = split(data, by, seed)
    parts = found.train, found.validation, found.test
    assert sorted(i for part in parts for i in part) == list(range(len(data.clips)))
    assert all(parts) and found.sentence.endswith(".")
    return [[data.clips[i] for i in part] for part in parts]


@pytest.mark.parametrize("seed", range(5))
def test_subjects_are_kept_apart_where_there_are_several(seed):
    data = dataset(clip(f"{p:02d}", index=k, frames=2) for p in range(10) for k in range(3))
    people = [{c.pid for c in part} for part in parts_of(data, seed=seed)]
    assert not people[0] & people[1] and not people[0] & people[2] and not people[1] & people[2]
    assert len(people[0]) > 2 * len(people[1])


def test_a_single_subject_is_split_by_block():
    data = dataset(clip(rec=r, index=k, frames=2) for r in ("1S", "2S") for k in range(6))
    train, validation, test = parts_of(data)
    assert len({c.rec for c in train}) == 1
    assert {c.rec for c in validation} == {c.rec for c in test} != {c.rec for c in train}


def test_two_subjects_are_too_few_to_be_kept_apart_unasked():
    data = dataset(
        clip(p, r, index=k, frames=2) for p in ("01", "02") for r in ("1S", "2S") for k in range(3)
    )
    assert "by block" in split(data).sentence
    blocks = [{(c.pid, c.rec) for c in part} for part in parts_of(data)]
    assert not blocks[0] & blocks[1] and not blocks[0] & blocks[2] and not blocks[1] & blocks[2]


def test_a_single_block_is_split_by_task():
    data = dataset(clip(task=t, index=k, frames=2) for k in range(2) for t in ("a", "b", "c", "d"))
    tasks = [{c.task for c in part} for part in parts_of(data)]
    assert not tasks[0] & tasks[1] and not tasks[0] & tasks[2] and not tasks[1] & tasks[2]


def test_one_task_is_split_by_clip_and_less_is_refused():
    parts_of(dataset(clip(index=k, frames=2) for k in range(3)))
    with pytest.raises(EiferError, match="three clips"):
        split(dataset(clip(index=k, frames=2) for k in range(2)))


def test_the_way_to_split_can_be_chosen():
    data = dataset(clip(f"{p:02d}", index=k, task=f"t{k}", frames=2) for p in range(2) for k in range(4))
    assert len({c.pid for c in parts_of(data, "subject")[0]}) == 1
    assert not {c.task for c in parts_of(data, "task")[0]} & {c.task for c in parts_of(data, "task")[2]}
    parts_of(data, "clip")
    assert split(data, "clip", 1) == split(data, "clip", 1) != split(data, "clip", 2)
    with pytest.raises(EiferError, match="no way to split"):
        split(data, "frame")
    with pytest.raises(EiferError, match="too few"):
        split(dataset([clip(index=k) for k in range(4)]), "subject")


# --- activation -------------------------------------------------------------------------------------


def test_activation_is_what_the_signal_chain_makes_of_the_same_session():
    clips = [clip(index=k, frames=200) for k in range(3)]
    clips[0].envelope[:, 4] = 3.0  # never contracts
    clips[1].envelope[:, 4] = 3.1
    clips[2].envelope[:, 4] = 2.9
    for one in clips:
        one.envelope[:, 6:8] = 4.0  # neither side contracts clearly
        one.envelope[50:80, 6:8] = 12.0
        one.envelope[:, 9] = 0.0  # lost
        one.envelope[:, 12] = np.nan  # not recorded
    clips[1].envelope[20:40, 2] = np.nan
    clips[1].envelope[0, 3] = -0.5
    channels = tuple(Channel(name, "uV", Kind.ENVELOPE, name) for name in CHANNELS)
    joined = np.concatenate([c.envelope for c in clips])
    recording = Recording((Stream(channels, joined, mmm.RATE, frame_aligned=True),))
    chain = process(recording, PRESETS["MMM"].without_dynamics(), mmm.RATE, frames=len(joined))
    ours = activations(dataset(clips))
    values, present = (np.concatenate(parts) for parts in zip(*ours, strict=True))
    np.testing.assert_array_equal(present.any(0), chain.present.any(0))
    assert not present[:, [9, 12]].any() and not present[220:240, 2].any()
    np.testing.assert_allclose(values[present], chain.values[present], atol=1e-6)
    assert values[:, 6].max() > 0.005 and (values[~present] == 0).all()


def test_every_session_has_its_own_scale():
    quiet, loud = clip(rec="1S", frames=300), clip(rec="2S", frames=300)
    loud = replace(loud, envelope=quiet.envelope * 7)
    other = replace(loud, pid="08")
    for values, _ in activations(dataset([quiet, loud, other]))[1:]:
        np.testing.assert_allclose(values, activations(dataset([quiet]))[0][0], atol=1e-5)


# --- simulated people -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people") / "population"
    return simulated.simulate(folder, subjects=1, seconds=25.0, seed=5, raw=True, jobs=1)


def test_a_population_says_what_it_is(population):
    read = read_dataset(population)
    assert {c.pid for c in read.clips} == {"00000"} and not read.notes
    assert read.simulation["seed"] == 5 and len(read.simulation["protocol"]) == 64
    assert "SIMULATED" in (population / "README.txt").read_text()
    assert json.loads((population / "dataset.json").read_text())["method"] == "eifer-head-1"


def test_a_population_is_what_the_simulator_makes(population):
    from eifer_blender.simulation.population import make_subject
    from eifer_blender.simulation.session import make_session

    session = make_session(make_subject(0), seconds=25.0, seed=5)
    read = read_dataset(population).clips
    assert [(c.mode, c.task) for c in read] == [(c.mode, c.task) for c in session]
    for one, other in zip(read, session, strict=True):
        np.testing.assert_allclose(one.envelope, other.envelope_uv, rtol=1e-5)
        np.testing.assert_allclose(one.parameters, other.expression, rtol=1e-5, atol=1e-6)


def test_raw_sessions_lie_beside_and_last_as_long(population):
    clips = read_dataset(population).clips
    recording = open_recording(population / "raw/00000_1S.edf")
    stream = recording.streams[0]
    assert len(stream.samples) / stream.rate == pytest.approx(sum(len(c.envelope) for c in clips) / 30, abs=2)
    assert all(
        {c.task, c.mode} & set(a.text.split()) for c, a in zip(clips, recording.annotations, strict=True)
    )


def test_the_number_of_processes_changes_nothing(tmp_path):
    one = simulated.simulate(tmp_path / "1", subjects=5, seconds=20.0, jobs=1)
    two = simulated.simulate(tmp_path / "2", subjects=5, seconds=20.0, jobs=2)
    for path in one.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()


def test_the_command_reports_how_far_it_is_and_does_not_overwrite(tmp_path, capsys):
    arguments = ["--here", "simulate", str(tmp_path / "d"), "--subjects", "1", "--seconds", "20"]
    assert run(arguments) == 0
    assert "1 of 1 subjects" in capsys.readouterr().out
    assert run(arguments) == 1
    assert "--replace" in capsys.readouterr().err
    assert run([*arguments, "--replace"]) == 0
    assert run([*arguments[:-1], "3"]) == 1


def test_methods_are_found_in_any_case():
    assert find_method("emocaV2").name == "EMOCAv2"


def test_faces_are_relative_to_the_resting_face_of_their_session():
    rng = np.random.default_rng(4)
    rest = {"07": rng.normal(size=55), "08": rng.normal(size=55)}
    clips = []
    for pid, offset in rest.items():
        one = clip(pid=pid, frames=200, method="EIFER")
        smile = np.zeros((200, 1))
        smile[120:180] = 1.0
        envelope = rng.uniform(1.9, 2.1, (200, CHANNEL_COUNT)) + 80.0 * smile
        face = offset + 0.5 * smile + rng.normal(0, 0.01, (200, 55))
        clips.append(replace(one, envelope=envelope.astype(np.float32), parameters=face.astype(np.float32)))
    recorded = dataset(clips)
    for face in expressions(recorded, activations(recorded)):
        np.testing.assert_allclose(face[:100].mean(0), 0, atol=0.01)
        np.testing.assert_allclose(face[130:170].mean(0), 0.5, atol=0.02)
    simulated_one = replace(recorded, simulation={"window_ms": 100.0, "protocol": ""})
    for face, own in zip(expressions(simulated_one, activations(recorded)), clips, strict=True):
        np.testing.assert_array_equal(face, own.parameters)
