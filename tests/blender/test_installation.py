"""The zip that users install, in a clean profile of this Blender: it works and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def session(extension_zip, tmp_path_factory):
    """What a session with the installed extension saw, and the profile it ran in."""
    profile = tmp_path_factory.mktemp("profile")
    result = profile / "result.json"
    script = Path(__file__).with_name("installed_session.py")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(script), str(extension_zip), str(result)],
        cwd=profile,
        env={**environment, "BLENDER_USER_RESOURCES": str(profile)},
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "Traceback" not in output, output
    return json.loads(result.read_text(encoding="utf-8")), profile


def test_a_clean_profile_knows_nothing_of_the_extension(session):
    result, _ = session
    assert not any(result["before"].values()), result["before"]


def test_enabling_registers_panels_properties_and_handlers_without_heavy_imports(session):
    result, _ = session
    assert any("_PT_" in name for name in result["enabled"]["classes"])
    assert result["enabled"]["properties"] and result["enabled"]["handlers"]
    assert any("TOPBAR_MT_file_export" in entry for entry in result["enabled"]["menus"])
    assert result["imported_by_enabling"] == []


def test_the_main_job_runs_on_the_wheels_in_the_zip_alone(session):
    result, profile = session
    for name, file in result["sources"].items():
        assert Path(file).is_relative_to(profile), f"{name} came from {file}"
    assert result["absent"] == []


def test_the_main_job_animates_the_head(session):
    result, _ = session
    assert result["curves"] >= 77  # 55 expression parameters and 22 activations
    assert result["moving_keys"] >= 10


def test_nothing_is_written_into_the_extension(session):
    result, _ = session
    assert result["new_files"] == []


def test_disabling_leaves_no_handler_class_property_key_or_menu(session):
    result, _ = session
    assert result["disabled"] == result["before"]
