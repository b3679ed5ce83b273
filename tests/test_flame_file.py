"""FLAME's files of every release are read by what they hold; hostile ones run nothing and are told."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile

import flame_files
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eifer_blender.errors import EiferError
from eifer_blender.heads.flame import is_flame, read_flame, side_files_beside
from eifer_blender.heads.identity_file import read_identity


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("flame")


@pytest.fixture(scope="module")
def files(folder):
    return {
        "old": flame_files.write_old_pickle(folder / "generic_model.pkl"),
        "open": flame_files.write_pickle(
            folder / "anything.bin", supr_expression_metadata={"n_expr": 100, "expr_components": "last_100"}
        ),
        "npz": flame_files.write_npz(folder / "flame.npz"),
    }


def same(model, arrays=None):
    arrays = arrays or flame_files.flame_arrays()
    np.testing.assert_allclose(model.template, arrays["v_template"], atol=1e-6)
    np.testing.assert_array_equal(model.faces, arrays["f"])
    np.testing.assert_allclose(model.identity[7], arrays["shapedirs"][..., 7], atol=1e-7)
    np.testing.assert_allclose(model.expression[3], arrays["shapedirs"][..., 303], atol=1e-7)
    np.testing.assert_allclose(model.pose_correctives[1, 4], arrays["posedirs"][..., 13], atol=1e-7)
    np.testing.assert_allclose(model.joint_regressor, arrays["J_regressor"], atol=1e-6)
    np.testing.assert_allclose(model.weights, arrays["weights"], atol=1e-6)


@pytest.mark.parametrize("kind", ["old", "open", "npz"])
def test_every_release_is_read_by_its_content(files, kind):
    assert is_flame(files[kind])
    model = read_flame(files[kind])
    same(model)
    assert model.identity.shape == (300, 5023, 3) and model.expression.shape == (100, 5023, 3)
    assert ("Open" in model.title) == (kind == "open")
    assert model.hash == read_flame(files["npz"]).hash
    assert model.hash != read_flame(flame_files.write_npz(files[kind].parent / "other.npz", 1)).hash


def test_neither_chumpy_nor_scipy_is_needed(files):
    code = (
        "import sys; sys.modules['chumpy'] = sys.modules['scipy'] = None\n"
        "from eifer_blender.heads.flame import read_flame\n"
        f"print(read_flame({str(files['old'])!r}).template.shape)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert made.stdout.strip() == "(5023, 3)", made.stderr


class Runs:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        (os.system, "touch {}"),
        (builtins.exec, "open({!r}, 'w')"),
        (builtins.eval, "open({!r}, 'w')"),
        (subprocess.Popen, "touch {}", 0, None, None, None, None, None, True, True),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_hostile_pickle_runs_nothing(tmp_path, call, protocol):
    marker = tmp_path / "ran"
    function, text, *more = call
    hostile = {"v_template": Runs(function, text.format(str(marker)), *more)}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(hostile, protocol=protocol))
    with pytest.raises(EiferError, match="nothing was run"):
        read_flame(path)
    assert not marker.exists()


def bomb(*parts: bytes) -> bytes:
    return b"\x80\x05" + b"".join(parts) + b"."


@pytest.mark.parametrize(
    "data",
    [
        bomb(b"\x96" + struct.pack("<Q", 2**40)),  # a byte array larger than the file
        bomb(b"\x8e" + struct.pack("<Q", 2**40)),
        bomb(b"N", b"r" + struct.pack("<I", 2**31)),  # a place far out in the memo
        bomb(b"\x95" + struct.pack("<Q", 2**50)),
        bomb(b"(" * 100_000),
        bomb(b"]" + b"]a" * 0 + b"q\x00h\x00a" * 1000),  # a list that holds itself
        b"\x80\x02]" + b"]" * 50_000 + b"a" * 50_000 + b".",
        b"cos\nsystem\n.",
        b"\x80\x04\x82\x01.",
        b"",
        b"\x80",
    ],
)
def test_bombs_are_a_sentence(tmp_path, data):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(data)
    with pytest.raises(EiferError, match=r"bomb\.pkl"):
        read_flame(path)


def test_shapes_that_the_bytes_do_not_fill_are_refused(tmp_path):
    array = np.zeros(3)
    data = pickle.dumps({"v_template": array}, protocol=2).replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")
    path = tmp_path / "large.pkl"
    path.write_bytes(data)
    with pytest.raises(EiferError, match="v_template"):
        read_flame(path)


@pytest.fixture(scope="module")
def small_pickle():
    return pickle.dumps({"v_template": np.zeros((4, 3)), "f": np.zeros((2, 3), np.uint32)}, protocol=2)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_pickles_are_a_sentence(tmp_path, small_pickle, data):
    changed = bytearray(small_pickle)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.pkl"
    path.write_bytes(bytes(changed[: data.draw(st.integers(1, len(changed)))]))
    with pytest.raises(EiferError):
        read_flame(path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"posedirs": None}, "no 'posedirs'"),
        ({"weights": np.ones((5023, 24))}, "SMPL, a body"),
        ({"weights": np.ones((5023, 55))}, "SMPL-X"),
        ({"shapedirs": np.zeros((5023, 3, 20))}, "5023 x 3 x 20"),
        ({"f": np.full((10, 3), 6000)}, "not there"),
        ({"v_template": np.full((5023, 3), np.nan)}, "no number"),
        ({"v_template": np.arange(5023 * 3).reshape(5023, 3) / 100.0}, "metres"),
        ({"kintree_table": np.array([[0, 0, 1, 2, 3], range(5)])}, "hang together"),
    ],
)
def test_what_is_no_flame_head_says_what_it_is(tmp_path, changed, told):
    path = flame_files.write_npz(tmp_path / "model.npz", **changed)
    with pytest.raises(EiferError, match=told):
        read_flame(path)


def test_an_npz_with_objects_or_a_bomb_is_refused(tmp_path):
    objects = tmp_path / "objects.npz"
    np.savez(objects, v_template=np.array([Runs(os.system, "true")], object))
    with pytest.raises(EiferError, match="plain arrays"):
        read_flame(objects)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}
    )
    huge = tmp_path / "huge.npz"
    with zipfile.ZipFile(huge, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v_template.npy", header.getvalue())
    with pytest.raises(EiferError, match="plain arrays"):
        read_flame(huge)
    assert not is_flame(tmp_path / "missing.pkl")


def test_a_release_without_jaw_motion_says_so(tmp_path):
    arrays = flame_files.flame_arrays()
    weights = arrays["weights"].copy()
    weights[:, 1] += weights[:, 2] * 0.95
    weights[:, 2] *= 0.05
    model = read_flame(flame_files.write_npz(tmp_path / "no_jaw.npz", weights=weights))
    assert any("jaw parameters do little" in note for note in model.notes)
    assert not read_flame(flame_files.write_npz(tmp_path / "jaw.npz")).notes


# --- side files -------------------------------------------------------------------------------------


def write_lids(folder):
    arrays = flame_files.flame_arrays()
    lids = []
    for name, joint in (("l_eyelid.npy", 3), ("r_eyelid.npy", 4)):
        near = np.linalg.norm(arrays["v_template"] - arrays["J"][joint], axis=1)
        lid = np.zeros((5023, 3))
        lid[:, 1] = -0.008 * np.exp(-((near / 0.015) ** 2))
        lid[near > 0.03] = 0
        np.save(folder / name, lid)
        lids.append(lid)
    return lids


def test_side_files_are_told_by_their_content(tmp_path):
    arrays = flame_files.flame_arrays()
    model = flame_files.write_npz(tmp_path / "flame.npz")
    lids = write_lids(tmp_path)
    masks = {"face": np.arange(100), "scalp": np.arange(50, 70)}
    (tmp_path / "FLAME_masks.pkl").write_bytes(pickle.dumps(masks, protocol=2))
    lines = [f"v {x} {y} {z}" for x, y, z in arrays["v_template"][:5].tolist()]
    lines += [f"vt {k / 10000} {k / 20000}" for k in range(5118)]
    lines += [
        "f " + " ".join(f"{v + 1}/{(v + k) % 5118 + 1}" for k, v in enumerate(f))
        for f in arrays["f"].tolist()
    ]
    (tmp_path / "head_template.obj").write_text("\n".join(lines))
    np.savez(
        tmp_path / "mediapipe_landmark_embedding.npz",
        lmk_face_idx=np.array([0, 10], np.uint32),
        lmk_b_coords=np.full((2, 3), 1 / 3),
        landmark_indices=np.array([276, 46]),
    )
    found = read_flame(model, side_files=side_files_beside(model)).side
    np.testing.assert_allclose(found.eyelids, lids, atol=1e-6)
    assert found.masks["scalp"].sum() == 20 and found.masks["face"].shape == (5023,)
    assert found.uv.shape == (9976, 3, 2)
    np.testing.assert_allclose(found.uv[7, 1, 0], ((arrays["f"][7, 1] + 1) % 5118) / 10000)
    np.testing.assert_allclose(found.landmarks[46], arrays["v_template"][arrays["f"][10]].mean(0), atol=1e-6)
    swapped = read_flame(model, side_files=[tmp_path / "r_eyelid.npy", tmp_path / "l_eyelid.npy"]).side
    np.testing.assert_allclose(swapped.eyelids, lids, atol=1e-6)


def test_side_files_that_do_not_fit_are_named(tmp_path):
    model = flame_files.write_npz(tmp_path / "flame.npz")
    write_lids(tmp_path)
    with pytest.raises(EiferError, match="left and one of the right"):
        read_flame(model, side_files=[tmp_path / "l_eyelid.npy"])
    for name, data in {
        "masks.pkl": pickle.dumps({"face": np.array([6000])}),
        "template.obj": b"v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1\n",
        "noise.npy": b"\x93NUMPY\x01\x00",
        "text.txt": b"hello",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EiferError, match=name):
            read_flame(model, side_files=[tmp_path / name])


# --- identity ---------------------------------------------------------------------------------------


def test_identities_of_fits_are_read(tmp_path):
    betas = np.random.default_rng(0).normal(size=100).astype(np.float32)
    np.savez(tmp_path / "fit.npz", expression=np.zeros(50), shape=betas[None])
    np.save(tmp_path / "fit.npy", betas)
    names = ",".join(f"shape_{k}" for k in range(100))
    values = ",".join(map(str, betas.tolist()))
    (tmp_path / "fit.csv").write_text(f"{names}\n{values}\n{values}\n")
    (tmp_path / "row.csv").write_text(values + "\n")
    (tmp_path / "mmm.csv").write_text(
        "idx," + ",".join(f"idt{k}" for k in range(100)) + ",exp0\n" + f"0,{values},1.5\n"
    )
    for name in ("fit.npz", "fit.npy", "fit.csv", "row.csv", "mmm.csv"):
        read = read_identity(tmp_path / name)
        np.testing.assert_allclose(read.values, betas, rtol=1e-5, err_msg=name)
        assert read.notes == ()


def test_an_identity_that_varies_is_averaged_and_told(tmp_path):
    np.savez(tmp_path / "fit.npz", betas=np.array([[1.0, 0.0], [2.0, 0.0]]))
    read = read_identity(tmp_path / "fit.npz")
    np.testing.assert_allclose(read.values, [1.5, 0.0])
    assert "averaged" in read.notes[0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text.csv", b"a,b\nc,d\n"),
        ("empty.csv", b""),
        ("nan.csv", b"nan,1,2\n"),
        ("huge.csv", b"1e30,1\n"),
        ("bad.npz", b"PK\x03\x04"),
        ("bad.npy", b"\x93NUMPY\x01\x00junk"),
    ],
)
def test_what_is_no_identity_is_a_sentence(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(EiferError, match=name):
        read_identity(tmp_path / name)
