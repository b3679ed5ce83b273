"""Every test starts from an empty scene with the extension on, and must leave nothing behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

import eifer_blender
from eifer_blender import muscles, pipeline, signals, spaces
from eifer_blender.assets import model_file
from eifer_blender.cli import build, wheels

_CODE = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """End at once: Blender as a module hangs while it unloads, after it has imported glTF."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(config.stash.get(_CODE, 1)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """Remember how it went."""
    session.config.stash[_CODE] = int(exitstatus)


def our_handlers() -> list[str]:
    """Handlers of the extension that are in place."""
    found = []
    for name in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, name)
        if isinstance(handlers, list):
            found += [name for h in handlers if getattr(h, "__module__", "").startswith("eifer_blender")]
    return found


def our_classes() -> list[str]:
    """Registered classes of the extension."""
    return [name for name in dir(bpy.types) if name.startswith("EIFER_")]


@pytest.fixture(autouse=True)
def extension():
    """The extension, registered in an empty scene at 24 frames per second."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 24
    eifer_blender.register()
    yield
    eifer_blender.unregister()
    assert our_handlers() == []
    assert our_classes() == []
    assert not hasattr(bpy.types.Scene, "eifer") and not hasattr(bpy.types.Object, "eifer")


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory):
    """The extension as users install it, for this machine."""
    return build.run([wheels.this_platform()], tmp_path_factory.mktemp("dist"))[0]


@pytest.fixture
def scene():
    """The scene."""
    return bpy.context.scene


@pytest.fixture
def head(scene):
    """The default head, chosen in the panel."""
    bpy.ops.eifer.add_head()
    return scene.eifer.head


@pytest.fixture
def sample() -> Path:
    """The recording that the extension ships."""
    return model_file("sample_recording.edf")


@pytest.fixture
def recording(scene, sample):
    """The sample recording, open in the panel."""
    bpy.ops.eifer.open_recording(filepath=str(sample))
    return scene.eifer.recording


@pytest.fixture
def make_take():
    """Returns a function that makes a take of random but smooth parameters."""

    def make(
        frames: int = 60, seed: int = 0, present: tuple[str, ...] = muscles.CHANNELS
    ) -> pipeline.TakeData:
        rng = np.random.default_rng(seed)
        time = np.linspace(0.0, 2.0 * np.pi, frames)[:, None]
        waves = np.sin(time + rng.uniform(0, 6, spaces.DEFAULT_SPACE.size)) + 1.0
        parameters = (waves * rng.uniform(-0.6, 0.6, spaces.DEFAULT_SPACE.size)).astype(np.float32)
        parameters[:, spaces.EYELIDS] = np.abs(parameters[:, spaces.EYELIDS]) * 0.4
        parameters[:, spaces.JAW] *= 0.1
        values = (0.5 + 0.5 * np.sin(time + rng.uniform(0, 6, muscles.CHANNEL_COUNT))).astype(np.float32)
        mask = np.broadcast_to([name in present for name in muscles.CHANNELS], values.shape)
        activation = signals.Activation(
            values=np.where(mask, values, 0.0).astype(np.float32),
            envelope_uv=values * 100.0,
            present=mask,
            fps=24.0,
            quality=(),
            notes=(),
        )
        return pipeline.TakeData(activation, parameters, 24.0)

    return make
