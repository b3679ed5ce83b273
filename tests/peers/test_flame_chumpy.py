"""Models written by chumpy and SciPy themselves, as FLAME's authors did."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import chumpy
import numpy as np
import pytest
from scipy import sparse

sys.path.append(str(Path(__file__).parents[1]))
import flame_files

from eifer_blender.heads.flame import is_flame, read_flame


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("form", ["csc_matrix", "csc_array", "csr_matrix"])
def test_models_written_by_chumpy_are_read(tmp_path, protocol, form):
    arrays = flame_files.flame_arrays()
    stored = dict(arrays)
    for name in ("v_template", "posedirs", "weights"):
        stored[name] = chumpy.array(arrays[name])
    wider = np.concatenate([arrays["shapedirs"], np.ones((5023, 3, 5))], 2)
    stored["shapedirs"] = chumpy.array(wider)[:, :, :400]  # a view, as some releases hold it
    stored["J_regressor"] = getattr(sparse, form)(arrays["J_regressor"])
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(stored, protocol=protocol))
    assert is_flame(path)
    model = read_flame(path)
    np.testing.assert_allclose(model.template, arrays["v_template"], atol=1e-6)
    np.testing.assert_allclose(model.expression[9], arrays["shapedirs"][..., 309], atol=1e-7)
    np.testing.assert_allclose(model.pose_correctives[0, 2], arrays["posedirs"][..., 2], atol=1e-7)
    np.testing.assert_allclose(model.joint_regressor, arrays["J_regressor"], atol=1e-6)
