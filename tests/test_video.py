"""Moving pictures: what is read is what was written, at its own times, and nothing hostile gets through."""

from __future__ import annotations

import struct
import wave
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eifer_blender.errors import EiferError
from eifer_blender.video import open_video, read_frames, write_video

av = pytest.importorskip("av")

RED, BLUE = (255, 0, 0), (0, 0, 255)


def pictures(count, height=48, width=64):
    """Pictures with a red top left corner, a blue bottom right one, and their number as grey."""
    for number in range(count):
        picture = np.full((height, width, 3), 20 + 5 * number, np.uint8)
        picture[: height // 3, : width // 3] = RED
        picture[-(height // 3) :, -(width // 3) :] = BLUE
        yield picture


def number_of(picture):
    """The number that the middle of a picture shows."""
    height, width = picture.shape[:2]
    return round((picture[height // 2, width // 2].mean() - 20) / 5)


def numbers(video, start=0):
    return [number_of(frame.image) for frame in read_frames(video, start)]


def close(colour, wanted):
    return np.abs(colour.astype(int) - wanted).max() < 12


def encode(path, codec="libx264", count=40, turn=None, stamps=None, size=(64, 48), **options):
    """A file as other programs write them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, 25)
        stream.width, stream.height = size
        stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        stream.options = options
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if turn:
            stream.set_display_rotation(*turn)
        for number, picture in enumerate(pictures(count, size[1], size[0])):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            if stamps is not None:
                frame.pts, frame.time_base = int(stamps[number]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_was_written_is_read_at_its_times(tmp_path, rate, suffix):
    path = tmp_path / f"clip{suffix}"
    assert write_video(path, pictures(40), rate) == 40
    video = open_video(path)
    assert (video.size, video.rate, video.count) == ((64, 48), rate, 40)
    assert video.constant and video.notes == ()
    frames = list(read_frames(video))
    assert [number_of(f.image) for f in frames] == [f.index for f in frames] == list(range(40))
    tick = 0.001 if suffix == ".mkv" else 1e-6
    assert np.abs(video.times - np.arange(40) / float(rate)).max() < tick
    assert [f.time for f in frames] == video.times.tolist()
    assert close(frames[0].image[3, 3], RED) and close(frames[0].image[-3, -3], BLUE)
    assert frames[0].image.dtype == np.uint8


def test_colours_survive_at_high_definition(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, pictures(2, 720, 960), 25)
    picture = next(read_frames(open_video(path))).image
    assert close(picture[50, 50], RED) and close(picture[-50, -50], BLUE)
    assert close(picture[360, 480], (20, 20, 20))


def test_colours_of_high_definition_are_those_of_its_custom_if_none_are_named(tmp_path):
    path = tmp_path / "camera.mp4"
    green = np.zeros((720, 960, 3), np.uint8)
    green[..., 1] = 200
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 960, 720, "yuv420p"
        frame = av.VideoFrame.from_ndarray(green, "rgb24").reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.colorspace = 2  # unspecified
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert close(next(read_frames(open_video(path))).image[360, 480], (0, 200, 0))


def test_an_odd_size_grows_by_a_line(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, pictures(2, 47, 63), 25)
    assert open_video(path).size == (64, 48)


def test_a_variable_rate_keeps_the_time_of_every_frame(tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 40))
    path = tmp_path / "phone.mp4"
    write_video(path, pictures(40), 30, times)
    video = open_video(path)
    assert not video.constant and "variable frame rate" in video.notes[0]
    assert np.abs(video.times - (times - times[0])).max() < 2e-5
    assert float(video.rate) == pytest.approx(39 / (times[-1] - times[0]), rel=1e-3)
    assert numbers(video) == list(range(40))


def test_a_first_frame_that_is_not_at_nought(tmp_path):
    path = encode(tmp_path / "late.mkv", stamps=1500 + 40 * np.arange(40))
    video = open_video(path)
    assert video.start == pytest.approx(1.5)
    assert np.allclose(video.times, 0.04 * np.arange(40), atol=1e-9)
    assert numbers(video) == list(range(40))


def test_an_edit_list_hides_frames(tmp_path):
    path = encode(tmp_path / "edited.mp4", bf="0", g="40")
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4
    assert struct.unpack_from(">I", data, at + 4)[0] == 1
    media_rate = Fraction(1, 12800)
    first = round(Fraction(10, 25) / media_rate)
    struct.pack_into(">i", data, at + 12, first)  # the track is shown from its eleventh frame on
    path.write_bytes(data)
    video = open_video(path)
    assert video.count == 30
    assert numbers(video) == list(range(10, 40))
    assert video.times[0] == 0
    assert numbers(video, 12) == list(range(22, 40))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
        ("clip.webm", "libvpx-vp9", {}),
        ("clip.avi", "mpeg4", {}),
        ("clip.avi", "mjpeg", {}),
        ("clip.avi", "libx264", {}),
        ("clip.ts", "libx264", {}),
        ("clip.mpg", "mpeg2video", {}),
        ("clip.gif", "gif", {}),
        ("clip.h264", "libx264", {}),
        ("clip.wmv", "wmv2", {}),
        ("clip.mov", "libx265", {"x265-params": "log-level=none"}),
    ],
)
def test_every_frame_has_its_number_from_any_start(tmp_path, name, codec, options):
    video = open_video(encode(tmp_path / name, codec, **options))
    assert video.count == 40
    assert [frame.index for frame in read_frames(video)] == list(range(40))
    whole = [frame.image for frame in read_frames(video)]
    for start in (1, 17, 39, 40):
        assert len(list(read_frames(video, start))) == 40 - start
    assert np.array_equal(next(read_frames(video, 17)).image, whole[17])
    assert float(video.rate) == pytest.approx(25, rel=0.01)


def test_frames_that_are_only_referred_to_are_not_counted(tmp_path):
    source = encode(tmp_path / "source.webm", "libvpx", **{"auto-alt-ref": "0"})
    path = tmp_path / "hidden.webm"
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(p for p in old.demux(video=0) if p.size):
            data = bytearray(bytes(packet))
            if number in (7, 20):
                data[0] &= ~0x10  # "show frame"
            hidden = av.Packet(bytes(data))
            hidden.pts, hidden.dts, hidden.time_base = packet.pts, packet.dts, packet.time_base
            hidden.is_keyframe, hidden.stream = packet.is_keyframe, stream
            new.mux(hidden)
    video = open_video(path)
    assert video.count == 38
    assert [frame.index for frame in read_frames(video)] == list(range(38))
    assert numbers(video, 30) == list(range(32, 40))


# Where red and blue are once a picture is shown: the corner's row and column, 0 or -1.
@pytest.mark.parametrize(
    ("turn", "red", "blue", "size"),
    [
        ((90,), (-1, 0), (0, -1), (48, 64)),  # anticlockwise
        ((-90,), (0, -1), (-1, 0), (48, 64)),
        ((180,), (-1, -1), (0, 0), (64, 48)),
        ((0, True), (0, -1), (-1, 0), (64, 48)),
        ((0, False, True), (-1, 0), (0, -1), (64, 48)),
    ],
)
def test_a_phone_s_video_is_upright(tmp_path, turn, red, blue, size):
    video = open_video(encode(tmp_path / "phone.mp4", count=3, turn=turn))
    picture = next(read_frames(video)).image
    assert video.size == size == picture.shape[1::-1]
    inside = {0: 3, -1: -4}
    assert close(picture[inside[red[0]], inside[red[1]]], RED)
    assert close(picture[inside[blue[0]], inside[blue[1]]], BLUE)


def test_pixels_that_are_not_square_are_stretched(tmp_path):
    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        for picture in pictures(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    video = open_video(path)
    assert video.size == (96, 48)
    assert next(read_frames(video)).image.shape == (48, 96, 3)


def save(path, picture):
    from PIL import Image

    Image.fromarray(picture).save(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
def test_numbered_pictures_are_a_video(tmp_path, suffix):
    for number, picture in enumerate(pictures(12)):
        save(tmp_path / f"shot_{number + 1}{suffix}", picture)
    (tmp_path / "notes.txt").write_text("not a picture", encoding="utf-8")
    for path in (tmp_path, tmp_path / f"shot_3{suffix}"):
        video = open_video(path, 24)
        assert (video.count, video.rate, video.size, video.constant) == (12, 24, (64, 48), True)
        assert numbers(video) == list(range(12))
        assert numbers(video, 9) == [9, 10, 11]
        assert video.times[-1] == pytest.approx(11 / 24)


def test_missing_numbers_are_missing_frames(tmp_path):
    for number, picture in enumerate(pictures(12)):
        if number not in (4, 5):
            save(tmp_path / f"a{number:04d}.png", picture)
    video = open_video(tmp_path / "a0000.png", 10)
    assert "2 of the numbered pictures" in video.notes[0]
    assert np.allclose(video.times * 10, [0, 1, 2, 3, *range(6, 12)])


def test_pictures_of_other_sequences_and_sizes_do_not_mix_in(tmp_path):
    for number, picture in enumerate(pictures(3)):
        save(tmp_path / f"a{number}.png", picture)
        save(tmp_path / f"b{number}.png", picture[:, ::-1])
    assert open_video(tmp_path / "a1.png").count == 3
    save(tmp_path / "a3.png", np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(EiferError, match=r"'a3.png' is 10 × 10 pixels.*64 × 48"):
        numbers(open_video(tmp_path / "a1.png"))


def test_a_single_photograph_is_one_frame_and_stands_upright(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    picture = next(pictures(1))
    Image.fromarray(picture).save(tmp_path / "photo.jpg", exif=exif, quality=95, subsampling=0)
    video = open_video(tmp_path / "photo.jpg")
    frame = next(read_frames(video))
    assert (video.count, video.size) == (1, (48, 64))
    assert close(frame.image[3, -4], RED) and close(frame.image[-4, 3], BLUE)


def test_a_truncated_video_gives_what_is_there_and_says_so(tmp_path):
    path = tmp_path / "clip.mp4"
    rng = np.random.default_rng(0)
    noisy = [np.clip(p + rng.normal(0, 20, p.shape), 0, 255).astype(np.uint8) for p in pictures(46)]
    write_video(path, noisy, 25)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    video = open_video(path)
    found = [frame.index for frame in read_frames(video)]
    assert "ends early" in video.notes[0]
    assert 10 < len(found) < 45 and found == sorted(set(found)) and found[-1] < video.count


def test_damage_in_the_middle_leaves_numbers_out_or_spoils_pictures_but_goes_on(tmp_path):
    path = encode(tmp_path / "clip.mp4", g="8")
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 3
    data[middle : middle + 60] = bytes(60)
    path.write_bytes(data)
    found = [frame.index for frame in read_frames(open_video(path))]
    assert found[-1] == 39 and found == sorted(found) and len(found) > 25


def silence(path):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))


def test_what_is_no_video_is_told_in_a_sentence(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("This is a letter.\n" * 100, encoding="utf-8")
    (tmp_path / "text.png").write_text("This is a letter.\n" * 100, encoding="utf-8")
    silence(tmp_path / "voice.wav")
    unfinished = encode(tmp_path / "unfinished.mp4")
    unfinished.write_bytes(unfinished.read_bytes()[:2000])  # the table at the end is not there
    (tmp_path / "folder").mkdir()
    for name, said in (
        ("empty.mp4", "is empty"),
        ("text.mp4", "not a video"),
        ("text.png", "not a video or picture"),
        ("voice.wav", "no moving picture"),
        ("unfinished.mp4", "never finished"),
        ("folder", "holds no pictures"),
        ("nothing.mp4", "no file or folder"),
    ):
        with pytest.raises(EiferError, match=said):
            open_video(tmp_path / name)


def test_an_unknown_coding_is_told(tmp_path):
    path = encode(tmp_path / "clip.mkv")
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MADEUP/ABC/AV"))
    with pytest.raises(EiferError, match=r"cannot be decoded here|not a video"):
        open_video(path)


def test_a_playlist_opens_no_other_file(tmp_path):
    encode(tmp_path / "clip.ts")
    lines = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\nclip.ts\n#EXT-X-ENDLIST\n"
    for name in ("list.m3u8", "list.mp4"):
        (tmp_path / name).write_text(lines, encoding="utf-8")
        with pytest.raises(EiferError, match="not a video"):
            open_video(tmp_path / name)
    (tmp_path / "concat.txt").write_text("ffconcat version 1.0\nfile clip.ts\n", encoding="utf-8")
    with pytest.raises(EiferError, match="not a video"):
        open_video(tmp_path / "concat.txt")


def test_a_header_that_claims_giant_frames_is_refused(tmp_path):
    (tmp_path / "giant.y4m").write_bytes(b"YUV4MPEG2 W30000 H30000 F25:1\nFRAME\n" + bytes(5000))
    bomb = bytearray(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR")
    bomb += struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    (tmp_path / "giant.png").write_bytes(bomb + bytes(200))
    for name in ("giant.y4m", "giant.png"):
        with pytest.raises(EiferError):
            open_video(tmp_path / name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=0, max_size=2000), name=st.sampled_from(["a.mp4", "a.avi", "a.png", "a.jpg"]))
def test_random_bytes_are_no_video(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    try:
        video = open_video(path)
    except EiferError:
        return
    assert sum(1 for _ in zip(range(5), read_frames(video), strict=False)) <= 5


@pytest.fixture(scope="module")
def sound_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    return [
        encode(folder / "a.mp4", count=12).read_bytes(),
        encode(folder / "b.mkv", count=12).read_bytes(),
        encode(folder / "c.avi", "mpeg4", count=12).read_bytes(),
        encode(folder / "d.ts", count=12).read_bytes(),
    ]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 3),
    cut=st.floats(0.05, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
)
def test_damaged_files_raise_nothing_but_sentences(tmp_path, sound_files, which, cut, changes):
    data = bytearray(sound_files[which])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    path = tmp_path / f"damaged.{('mp4', 'mkv', 'avi', 'ts')[which]}"
    path.write_bytes(data[: max(int(cut * len(data)), 1)])
    try:
        video = open_video(path)
        found = [frame.index for _, frame in zip(range(30), read_frames(video), strict=False)]
    except EiferError as error:
        assert str(error).endswith((".", "?"))
        return
    assert found == sorted(set(found)) and (np.diff(video.times) > 0).all() and np.isfinite(video.times).all()


def test_files_that_are_there_stay(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(EiferError, match="is there already"):
        write_video(path, pictures(3), 25)
    assert path.read_bytes() == b"precious"

    def failing():
        yield from pictures(2)
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError):
        write_video(path, failing(), 25, replace=True)
    assert path.read_bytes() == b"precious"
    assert write_video(path, pictures(3), 25, replace=True) == 3
    assert open_video(path).count == 3
    assert [one.name for one in tmp_path.iterdir()] == ["clip.mp4"]


def test_what_cannot_be_written_is_told(tmp_path):
    with pytest.raises(EiferError, match="ends with"):
        write_video(tmp_path / "clip.txt", pictures(3), 25)
    with pytest.raises(EiferError, match="no picture"):
        write_video(tmp_path / "clip.mp4", [], 25)
    with pytest.raises(EiferError, match="cannot be written"):
        write_video(tmp_path / "nowhere" / "clip.mp4", pictures(3), 25)
    assert not list(tmp_path.iterdir())
