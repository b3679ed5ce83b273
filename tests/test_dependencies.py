"""Packages that come as wheels: clear sentences where they fail, and no telemetry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eifer_blender.dependencies import require
from eifer_blender.errors import EiferError

ROOT = Path(__file__).resolve().parents[1]

RUN_A_MODEL = """
import json, os, sys

seen = []

def watch(event, arguments):
    if event.startswith("socket."):
        seen.append(event)
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and path != os.devnull:
            seen.append(f"open {path} for writing")

sys.addaudithook(watch)
import numpy as np
from eifer_blender.mapping import emg_to_expression, load_model
from eifer_blender.muscles import CHANNEL_COUNT

model = load_model(None)
result = emg_to_expression(model, np.ones((5, CHANNEL_COUNT)), np.ones(CHANNEL_COUNT, bool), 30.0).values
links = []
if os.path.isdir("/proc/self/fd"):  # sees what native code opened, which Python's hook does not
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass
print(json.dumps({"seen": seen, "links": links, "telemetry": os.environ["ORT_DISABLE_TELEMETRY"],
                  "shape": result.shape}))
"""


def write_module(folder, name, code):
    (folder / f"{name}.py").write_text(code, encoding="utf-8")


@pytest.fixture
def module_folder(tmp_path, monkeypatch):
    """A folder that Python imports from, for the length of one test."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_missing_package_is_named_in_a_sentence():
    with pytest.raises(EiferError, match="'no_such_package' is missing"):
        require("no_such_package")


def test_a_package_that_does_not_fit_is_named_with_its_reason(module_folder):
    write_module(module_folder, "unfitting", "raise RuntimeError('built for another NumPy')")
    with pytest.raises(EiferError, match=r"'unfitting' does not work here: built for another NumPy"):
        require("unfitting")


def test_telemetry_of_newer_builds_is_off_before_first_use(module_folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    code = "import os\nat_import = os.environ.get('ORT_DISABLE_TELEMETRY')\ncalls = []\n"
    write_module(module_folder, "onnxruntime", code + "def disable_telemetry_events(): calls.append(1)\n")
    module = require("onnxruntime")
    assert module.at_import == "1"
    assert module.calls == [1]
    child = [sys.executable, "-c", "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"]
    assert subprocess.run(child, capture_output=True, text=True, check=True).stdout.strip() == "1"


def test_running_a_model_opens_no_socket_and_writes_no_file(tmp_path):
    pytest.importorskip("onnxruntime")
    home = tmp_path / "home"
    home.mkdir()
    # Newer onnxruntime keeps silent where CI is set, so the test must not look like CI.
    hidden = ("CI", "ORT_DISABLE_TELEMETRY", "GITHUB_ACTIONS")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR", "TEMP", "APPDATA"):
        environment[name] = str(home)
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_A_MODEL], capture_output=True, text=True, env=environment, cwd=home
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["shape"][0] == 5
    assert told["telemetry"] == "1"
    assert told["seen"] == []
    assert not [link for link in told["links"] if link.startswith("socket:")]
    assert list(home.iterdir()) == []
