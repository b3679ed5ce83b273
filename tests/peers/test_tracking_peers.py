"""The face networks against Google's own runtime, and on a photograph: NASA's portrait of Eileen Collins.

The portrait is in the public domain and comes with scikit-image.
"""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from eifer_blender.spaces import ARKIT_NAMES
from eifer_blender.tracking import crop, find_faces, track
from eifer_blender.tracking.convert import to_onnx
from eifer_blender.tracking.model_file import face_models, task_file
from eifer_blender.tracking.networks import landmarks, square_of, subset

interpreter = pytest.importorskip("ai_edge_litert.interpreter")
data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def photograph():
    return data.astronaut()


@pytest.fixture(scope="module")
def points(photograph):
    return track([(0, 0.0, photograph)], [0.0]).landmarks[0]


def in_litert(name, values):
    """What Google's runtime gives for a network of the task file, outputs by name."""
    with zipfile.ZipFile(io.BytesIO(task_file())) as task:
        model = interpreter.Interpreter(model_content=task.read(name), num_threads=1)
    model.allocate_tensors()
    model.set_tensor(model.get_input_details()[0]["index"], values)
    model.invoke()
    return [model.get_tensor(one["index"]) for one in model.get_output_details()]


def in_onnx(name, values):
    import onnxruntime

    with zipfile.ZipFile(io.BytesIO(task_file())) as task:
        session = onnxruntime.InferenceSession(to_onnx(task.read(name)), providers=["CPUExecutionProvider"])
    return session.run(None, {"in0": values})


def inputs(photograph, points):
    """What each network is given for the photograph."""
    face = square_of(points)
    return {
        "face_detector.tflite": crop(photograph, (256, 256, 256, 0), 128)[None] * 2 - 1,
        "face_landmarks_detector.tflite": crop(photograph, face, 256)[None],
        "face_blendshapes.tflite": points[None, subset(), :2],
    }


@pytest.mark.parametrize(
    "name", ["face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite"]
)
def test_the_converted_networks_give_what_google_s_runtime_gives(photograph, points, name):
    values = inputs(photograph, points)[name]
    theirs, ours = in_litert(name, values), in_onnx(name, values)
    assert len(theirs) == len(ours) and all(a.size == b.size for a, b in zip(theirs, ours, strict=True))
    for a, b in zip(theirs, ours, strict=True):
        assert np.abs(a.ravel() - b.ravel()).max() < 1e-5 * max(np.abs(a).max(), 1) + 1e-3 * (a.size > 52)


def test_the_photograph_s_face_is_found(photograph, points):
    (face,) = find_faces(photograph)
    assert face.score > 0.85
    # Eyes, nose and mouth where one sees them, in pixels.
    for number, place in ((468, (203, 101)), (473, (247, 103)), (1, (224, 131)), (13, (223, 143))):
        assert np.hypot(*(points[number, :2] - place)) < 2.5, number


def test_her_smile_is_seen(photograph):
    found = track([(0, 0.0, photograph)], [0.0])
    score = dict(zip(ARKIT_NAMES, found.blendshapes[0], strict=True))
    assert min(score["mouthSmileLeft"], score["mouthSmileRight"]) > 0.5
    assert max(score["eyeBlinkLeft"], score["eyeBlinkRight"], score["jawOpen"], score["mouthPucker"]) < 0.4
    assert found.presence[0] > 0.99 and np.abs(np.degrees(found.yaw[0])) < 10


def test_a_turned_and_shrunk_photograph_has_the_same_landmarks(photograph, points):
    models = face_models()
    turned = np.ascontiguousarray(np.rot90(photograph))
    there = track([(0, 0.0, turned)], [0.0]).landmarks[0]
    # A quarter turn anticlockwise takes (x, y) to (y, 512 - x).
    expected = np.stack([points[:, 1], 512 - points[:, 0]], 1)
    assert np.abs(there[:, :2] - expected).mean() < 1.0
    small = (255 * crop(photograph, (256, 256, 256, 0), 256)).astype(np.uint8)
    half = track([(0, 0.0, small)], [0.0]).landmarks[0]
    assert np.abs(2 * half[:, :2] - points[:, :2]).mean() < 1.0
    assert landmarks(models, photograph, square_of(points)).presence > 0.99
