"""Clips that were made of a video and a recording are what `train` reads."""

from __future__ import annotations

from argparse import ArgumentParser

import numpy as np
import pytest

pytest.importorskip("torch")

from eifer_blender import mapping
from eifer_blender.alignment import ClockMap
from eifer_blender.datasets.append import write_session
from eifer_blender.heads.default import load_default_head
from eifer_blender.interchange import ExpressionClip
from eifer_blender.mapping.metadata import EMG2EXP
from eifer_blender.muscles import CHANNELS
from eifer_blender.recordings.types import Channel, Kind, Recording, Stream
from eifer_blender.spaces import DEFAULT_SPACE
from eifer_blender.training import command
from eifer_blender.training_clips import Cut, make_clips


def test_training_takes_clips_of_recordings(tmp_path):
    rng = np.random.default_rng(2)
    t = np.arange(0, 24, 1 / 100)
    activity = np.clip(np.sin(t[:, None] * (1 + np.arange(22) / 30)), 0, 1) ** 2
    samples = (2 + 150 * activity * rng.uniform(0.9, 1.1, activity.shape)).astype(np.float32)
    channels = tuple(Channel(name, "uV", Kind.ENVELOPE, name) for name in CHANNELS)
    recording = Recording((Stream(channels, samples, 100.0),))
    expression = np.zeros((600, DEFAULT_SPACE.size), np.float32)
    expression[:, :22] = activity[::4]
    expression[300:303] = np.nan
    found = np.isfinite(expression).all(1)
    face = ExpressionClip(DEFAULT_SPACE, expression, 25.0, extra={"confidence": found[:, None] * 1.0})
    cuts = [Cut(4.0 * k, 4.0 * k + 4, f"part-{k}") for k in range(6)]
    made = make_clips(face, recording, ClockMap(0.0), cuts, person="P1", block=1, grade="A")
    folder = tmp_path / "d"
    write_session(folder, made.clips, method=made.method.name, source="recorded", facts={})
    parser = ArgumentParser()
    command.add_arguments(parser)
    path = tmp_path / "model.onnx"
    words = [EMG2EXP, str(path), "--data", str(folder), "--steps", "5"]
    assert command.run(parser.parse_args(words)) == 0
    said = mapping.load_model(path, head=load_default_head(), kind=EMG2EXP).metadata
    assert (said.preset, said.window_ms, said.protocol) == ("MMM", 500.0, "")
