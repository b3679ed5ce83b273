"""Independent readers on what is written for other programs: pandas for tables, MNE for EDF+."""

from __future__ import annotations

import warnings
from pathlib import Path

import mne
import numpy as np
import pandas
import pytest

from eifer_blender.datasets.methods import METHODS, find_method
from eifer_blender.interchange import (
    read_expressions,
    write_activity_csv,
    write_activity_edf,
    write_live_link_face,
    write_parameters,
)
from eifer_blender.muscles import CHANNELS
from eifer_blender.recordings import Annotation
from eifer_blender.spaces import ARKIT_NAMES

ACTOR = Path(__file__).parents[1] / "data" / "live_link_face_excerpt.csv"
HIDDEN = [CHANNELS.index("masseter_l"), CHANNELS.index("masseter_r")]


@pytest.fixture
def activity():
    values = np.random.default_rng(3).random((100, 22), np.float32)
    values[:, HIDDEN] = np.nan
    return values


def test_pandas_reads_activity_with_its_frames(tmp_path, activity):
    table = pandas.read_csv(write_activity_csv(tmp_path / "a.csv", activity), index_col=0)
    assert table.shape == (100, 22) and table.index.tolist() == list(range(100))
    assert np.allclose(table.to_numpy(), activity, atol=1e-6, equal_nan=True)
    assert table.columns[0] == "Corrugator Supercilii_l" and table.columns[-1] == "Zygomaticus_r"
    assert table.columns[table.isna().all()].tolist() == ["Masseter_l", "Masseter_r"]


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_pandas_reads_parameters(tmp_path, name, ending):
    method = find_method(name)
    values = np.random.default_rng(1).random((30, method.space.size), np.float32)
    table = pandas.read_csv(write_parameters(tmp_path / f"a{ending}", method, values))
    assert tuple(table.columns) == method.columns
    filled = table.loc[:, (table != 0).any()]
    assert np.allclose(np.sort(filled.to_numpy(), axis=1), np.sort(values, axis=1), rtol=1e-5, atol=1e-6)


def test_pandas_sees_the_same_table_as_the_app_writes(tmp_path):
    clip = read_expressions(ACTOR, fps=30)
    path = write_live_link_face(tmp_path / "a.csv", clip.values, 30, angles=clip.extra["angles"])
    mine, theirs = pandas.read_csv(path), pandas.read_csv(ACTOR)
    assert mine.columns.tolist() == theirs.columns.tolist()
    assert mine.dtypes.tolist() == theirs.dtypes.tolist()
    numbers = mine.columns[2:]
    assert np.allclose(mine[numbers], theirs[numbers], atol=1e-6)
    assert (mine["BlendShapeCount"] == theirs["BlendShapeCount"]).all()
    for name in ARKIT_NAMES:
        column = mine[name[0].upper() + name[1:]]
        assert np.allclose(column, clip.values[:, ARKIT_NAMES.index(name)], atol=1e-6)


@pytest.mark.parametrize("fps", [24, 30000 / 1001, 60])
def test_mne_reads_channels_units_values_and_annotations(tmp_path, activity, fps):
    marks = [Annotation(1.0, 0.5, "smile")]
    path = write_activity_edf(
        tmp_path / "a.edf", activity, fps, sd=0.1 * activity, annotations=marks, what="measured"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    assert raw.info["sfreq"] == pytest.approx(fps, rel=1e-5)
    told = [k for k in range(22) if k not in HIDDEN]
    assert len(raw.ch_names) == 40 and raw.ch_names[0].endswith("Corr l") and raw.ch_names[-1] == "SD Zyg r"
    values = raw.get_data()[:, :100].T
    assert np.allclose(values[:, :20], 100 * activity[:, told], atol=0.01)
    assert np.allclose(values[:, 20:], 10 * activity[:, told], atol=0.01)
    found = {a["description"]: (a["onset"], a["duration"]) for a in raw.annotations}
    assert found["smile"] == (1.0, 0.5)
    assert found["End of the animation"][0] == pytest.approx(100 / fps, abs=1e-4)
    assert "Muscle activity, measured, per cent of the maximum" in found
    assert raw.info["subject_info"] is None or not raw.info["subject_info"].get("last_name", "").strip("X")
