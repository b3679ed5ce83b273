"""Text tables hold the values that pandas reads, in its own writings of them."""

import io

import numpy as np
import pandas as pd
import pytest

from eifer_blender.recordings import open_recording

RATE = 1000.0


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6_000, 6)) * 10.0 ** rng.integers(-6, 5, 6)
    frame = pd.DataFrame(values, columns=[f"CH {i}" for i in range(6)])
    frame.insert(0, "time", np.arange(len(frame)) / RATE)
    return frame


def assert_same(path, options=None, **pandas):
    """Every value is the float32 that is nearest to what pandas reads exactly."""
    stream = open_recording(path, units=[""] * 6, kinds=["other"] * 6, **options or {}).streams[0]
    again = pd.read_csv(path, float_precision="round_trip", **pandas)
    assert stream.rate == RATE
    np.testing.assert_array_equal(stream.samples, again.iloc[:, -6:].to_numpy(np.float32))


@pytest.mark.parametrize("form", [None, "%.6f", "%.17g", "%.18e", "%.3e", "%g", "%.25f", "%+.9f"])
@pytest.mark.parametrize(("sep", "decimal"), [(",", "."), ("\t", "."), (";", ","), ("|", ",")])
def test_values_in_every_writing(tmp_path, frame, form, sep, decimal):
    path = tmp_path / "a.csv"
    frame.to_csv(path, sep=sep, decimal=decimal, float_format=form, index=False)
    if decimal == "," and form is not None:  # pandas leaves formatted numbers with a point
        path.write_text(path.read_text().replace(".", ","))
    assert_same(path, sep=sep, decimal=decimal)


@pytest.mark.parametrize("missing", ["", "NaN", "NA", "null"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_gaps(tmp_path, frame, missing, encoding):
    path = tmp_path / "a.csv"
    holes = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.1)
    holes["time"] = frame["time"]
    holes.to_csv(path, na_rep=missing, index=False, encoding=encoding, lineterminator="\r\n")
    assert_same(path, encoding=encoding)


def test_quoted_cells(tmp_path, frame):
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False, quoting=1)
    assert_same(path)


def test_thousands(tmp_path, frame):
    path = tmp_path / "a.csv"
    text = io.StringIO()
    text.write(";".join(frame.columns) + "\n")
    for row in (frame * [1, 1, 1, 1e3, 1e5, 10, 1]).head(5000).itertuples(index=False):
        text.write(";".join(f"{v:,.4f}".translate(str.maketrans(",.", ".,")) for v in row) + "\n")
    path.write_text(text.getvalue())
    assert_same(path, sep=";", decimal=",", thousands=".")


def test_fixed_width(tmp_path, frame):
    path = tmp_path / "a.txt"
    np.savetxt(path, frame.to_numpy(), fmt="%18.9f")
    assert_same(path, {"names": list(frame.columns)}, sep=r"\s+", header=None)


def test_words_between_the_numbers(tmp_path, frame):
    path = tmp_path / "a.csv"
    frame.assign(phase=np.repeat(["rest", "smile, wide"], len(frame) // 2))[
        ["time", "phase", *frame.columns[1:]]
    ].to_csv(path, index=False)
    assert_same(path)
    texts = [a.text for a in open_recording(path, kinds=["other"] * 6).annotations]
    assert texts == ["rest", "smile, wide"]


@pytest.mark.parametrize("stamp", ["%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f", "%H:%M:%S.%f"])
def test_dates(tmp_path, frame, stamp):
    path = tmp_path / "a.csv"
    dates = pd.Timestamp("2024-02-28 23:59:50") + pd.to_timedelta(frame["time"], unit="s")
    frame.assign(time=dates.dt.strftime(stamp)).to_csv(path, index=False)
    assert_same(path)
