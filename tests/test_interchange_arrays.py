"""Expressions in NPZ files: our own, fits of FLAME, and files that are neither."""

import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eifer_blender import interchange, spaces
from eifer_blender.errors import EiferError
from eifer_blender.interchange import read_expressions, write_parameter_arrays
from eifer_blender.spaces import DEFAULT_SPACE

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(20, 55)).astype(np.float32)


def test_parameters_come_back_exactly_with_rate_and_person(tmp_path):
    person = RANDOM.normal(size=12).astype(np.float32)
    path = interchange.write_parameter_arrays(tmp_path / "a.npz", "flame-55", VALUES, 29.97, identity=person)
    clip = interchange.read_expressions(path)
    np.testing.assert_array_equal(clip.values, VALUES)
    np.testing.assert_array_equal(clip.extra["identity"], np.tile(person, (20, 1)))
    assert (clip.space.id, clip.fps) == ("flame-55", pytest.approx(29.97))
    assert interchange.read_expressions(path, fps=60.0).fps == 60.0
    with pytest.raises(EiferError, match="exists already"):
        interchange.write_parameter_arrays(path, spaces.DEFAULT_SPACE, VALUES, 30.0)


@pytest.mark.parametrize(
    "names", [("expression_params", "jaw_params", "eyelid_params"), ("exp", "jaw_pose", "eyelids")]
)
def test_fits_of_flame_are_understood(tmp_path, names):
    expression = RANDOM.normal(size=(20, 100))
    np.savez(
        tmp_path / "fit.npz",
        **dict(zip(names, (expression, VALUES[:, 52:], VALUES[:, 50:52]), strict=True)),
        shape=np.ones((20, 300)),
        cam=np.zeros((20, 3)),
    )
    clip = interchange.read_expressions(tmp_path / "fit.npz", fps=25.0)
    np.testing.assert_allclose(clip.values[:, :50], expression[:, :50], rtol=1e-6)
    np.testing.assert_allclose(clip.values[:, 50:], VALUES[:, 50:])
    assert clip.space.id == "flame-55" and clip.extra["identity"].shape == (20, 300)


def test_without_eyelids_it_is_flame_without_them(tmp_path):
    np.savez(tmp_path / "fit.npz", exp=VALUES[:, :50], jaw=VALUES[:, 52:])
    clip = interchange.read_expressions(tmp_path / "fit.npz")
    assert clip.space.id == "flame-53" and clip.fps is None


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"weights": VALUES}, "no expression of a face"),
        ({"parameters": VALUES}, "which face"),
        ({"parameters": VALUES[:, :40], "space": np.array("flame-55")}, "rows of 55 numbers"),
        ({"parameters": VALUES * np.nan, "space": np.array("flame-55")}, "no number in frame 1"),
        ({"parameters": VALUES[:0], "space": np.array("flame-55")}, "0 frames"),
        ({"parameters": VALUES, "space": np.array("flame-55"), "fps": np.array(1e9)}, "frame rate"),
        ({"exp": VALUES[:, :50], "jaw": VALUES[:5, 52:]}, "different numbers of frames"),
        ({"exp": VALUES[:, :20], "jaw": VALUES[:, 52:]}, "rows of 50 numbers"),
        ({"exp": np.array("text"), "jaw": VALUES[:, 52:]}, "rows of 50 numbers"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arrays, match):
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(EiferError, match=match):
        interchange.read_expressions(tmp_path / "wrong.npz")


def test_pickles_inside_do_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it ran",))

    np.savez(tmp_path / "bomb.npz", parameters=np.array([Bomb()], object), space=np.array("flame-55"))
    with pytest.raises(EiferError, match="cannot be read"):
        interchange.read_expressions(tmp_path / "bomb.npz")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=20))
def test_spoilt_archives_end_in_a_clip_or_a_sentence(tmp_path, spoilt):
    path = tmp_path / "spoilt.npz"
    interchange.write_parameter_arrays(path, "flame-55", VALUES, 30.0, replace=True)
    data = bytearray(path.read_bytes())
    for where, value in spoilt:
        data[where % len(data)] = value
    path.write_bytes(data)
    try:
        clip = interchange.read_expressions(path)
    except EiferError:
        return
    assert np.isfinite(clip.values).all()


def test_other_archives_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(EiferError, match=r"cannot be read|no expression"):
        interchange.read_expressions(tmp_path / "notes.zip")


# --- what a reconstruction says of its frames -------------------------------------------------------


def course(frames=60):
    return np.cumsum(np.ones((frames, DEFAULT_SPACE.size), np.float32), 0) / frames


def test_confidence_and_uneven_times_come_back(tmp_path):
    values, confidence = course(), np.linspace(0, 1, 60, dtype=np.float32)
    times = np.delete(np.arange(62) / 25, [20, 21])  # two frames dropped
    path = write_parameter_arrays(
        tmp_path / "a.npz", DEFAULT_SPACE, values, 25, times=times, confidence=confidence
    )
    clip = read_expressions(path)
    assert clip.fps == 25 and len(clip.values) == 62
    assert clip.extra["confidence"].shape == (62, 1)
    np.testing.assert_array_equal(clip.extra["confidence"][[20, 21], 0], 0)
    np.testing.assert_allclose(np.delete(clip.extra["confidence"][:, 0], [20, 21]), confidence, atol=1e-6)
    np.testing.assert_allclose(clip.values[22:], values[20:], atol=1e-6)
    assert len(read_expressions(path, fps=30).values) == 60


def test_frames_without_a_face_may_be_empty_where_the_file_says_so(tmp_path):
    values = course()
    values[10:40] = np.nan  # half of all
    found = np.isfinite(values).all(1)
    path = tmp_path / "a.npz"
    np.savez(path, parameters=values, space="eifer-head-1", fps=30.0, found=found)
    clip = read_expressions(path)
    np.testing.assert_array_equal(clip.extra["confidence"][:, 0], found)
    np.testing.assert_allclose(clip.values, course(), atol=1e-5)  # a line over a line
    for wrong in ({"found": found | True}, {"found": found[:9]}, {"confidence": np.array(["x"] * 60)}):
        np.savez(path, **({"parameters": values, "space": "eifer-head-1", "fps": 30.0} | wrong))
        with pytest.raises(EiferError):
            read_expressions(path)
    np.savez(path, parameters=values * np.nan, space="eifer-head-1", fps=30.0, found=found & False)
    with pytest.raises(EiferError, match="no number"):
        read_expressions(path)


def test_a_table_says_which_rows_are_sure(tmp_path):
    rows = [f"{k / 30:.6f},{0.9 if k != 5 else 0},{','.join(['0.1'] * 55)}" for k in range(40)]
    del rows[12]
    rows[20] = rows[20].replace("0.1", "", 1)
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["seconds,Confidence," + ",".join(DEFAULT_SPACE.names), *rows]))
    clip = read_expressions(path)
    sure = clip.extra["confidence"][:, 0]
    assert len(sure) == 40 and clip.fps == 30
    assert set(np.flatnonzero(sure < 0.5)) == {5, 12, 21}
    assert np.isfinite(clip.values).all()
