"""Tests that need bpy, torch or other laboratories' software are collected only where these are installed."""

from __future__ import annotations

import importlib.util

collect_ignore = [
    folder
    for folder, module in (("blender", "bpy"), ("training", "torch"), ("peers", "mne"))
    if importlib.util.find_spec(module) is None
]
