"""A video or sound of the session beside the take."""

import wave

import bpy
import numpy as np
import pytest


def strips(scene):
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(editor.strips if hasattr(editor, "strips") else editor.sequences)


@pytest.fixture
def sound(tmp_path):
    """Two seconds of a tone."""
    path = tmp_path / "session.wav"
    tone = (8000 * np.sin(np.arange(88200) * 0.05)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(tone.tobytes())
    return path


def test_a_sound_starts_where_its_offset_says(scene, head, sound):
    if bpy.app.version < (4, 3):
        pytest.skip("Blender 4.2 as a Python module has no sound")
    scene.eifer.animation.start_frame = 49
    bpy.ops.eifer.load_reference(filepath=str(sound), offset=0.5)
    (strip,) = strips(scene)
    assert strip.frame_start == pytest.approx(49 - 12)
    assert scene.sync_mode == "AUDIO_SYNC"


@pytest.mark.parametrize("content", [b"", b"not a film", bytes(5000)])
def test_a_file_that_is_neither_leaves_nothing(scene, head, tmp_path, content):
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="neither a video nor a sound"):
        bpy.ops.eifer.load_reference(filepath=str(path))
    assert not strips(scene)
    assert not [image for image in bpy.data.images if "broken" in image.name]


def test_a_file_that_is_not_there_is_named(scene, head):
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.eifer.load_reference(filepath="//nowhere.mp4")


def test_a_video_plays_on_a_screen_beside_the_head(scene, head, tmp_path):
    av = pytest.importorskip("av", reason="the video is written with PyAV")
    path = tmp_path / "session.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(0, 240, 10):
            picture = np.full((48, 64, 3), shade, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    scene.eifer.animation.start_frame = 25
    bpy.ops.eifer.load_reference(filepath=str(path), offset=1.0)
    (screen,) = [obj for obj in scene.objects if obj.type == "EMPTY"]
    assert screen.data.source == "MOVIE"
    assert screen.image_user.frame_start == 1 and screen.image_user.frame_duration == 24
    assert abs(screen.matrix_world.translation.x) > 0.1
