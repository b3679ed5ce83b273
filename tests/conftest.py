"""Tests that need bpy, torch or other laboratories' software are collected only where these are installed."""

from __future__ import annotations

import importlib.util

import pytest

collect_ignore = [
    folder
    for folder, module in (("blender", "bpy"), ("training", "torch"), ("peers", "mne"))
    if importlib.util.find_spec(module) is None
]


@pytest.fixture
def write(tmp_path):
    """Write text or bytes to a file and give its path."""

    def _write(content, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return _write
