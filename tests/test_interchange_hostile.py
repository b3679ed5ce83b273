"""Whatever a file holds, reading it ends in expressions or in one sentence, and in little memory."""

from __future__ import annotations

import gzip
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eifer_blender.datasets import tables
from eifer_blender.datasets.methods import ARKIT_52
from eifer_blender.errors import EiferError
from eifer_blender.heads.default import load_default_head
from eifer_blender.interchange import ExpressionClip, read_expressions, to_head, write_live_link_face
from eifer_blender.interchange.live_link import HEADER, read_timecodes
from eifer_blender.spaces import ARKIT_NAMES, DEFAULT_SPACE

DATA = Path(__file__).parent / "data"
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def sources():
    """Real files and our own, short enough to be damaged often."""
    numbers = "\n".join(",".join(["0.25"] * 55) for _ in range(8))
    own = f"{','.join(DEFAULT_SPACE.names)}\n{numbers}\n".encode()
    flame = ",".join([*(f"exp{k}" for k in range(50)), "eyelid0", "eyelid1", "jaw0", "jaw1", "jaw2"])
    return [
        *(
            (DATA / name).read_bytes()[:9000]
            for name in ("live_link_face_excerpt.csv", "each_shape_excerpt.csv")
        ),
        own,
        f"{flame}\n{numbers}\n".encode(),
        f"{','.join(ARKIT_NAMES)}\n{numbers}".replace(",", ";").replace(".", ",").encode("utf-16"),
        gzip.compress(own),
    ]


SOURCES = sources()
patch = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b",", b"\n", b"\r", b'"', b";", b"\t", b"nan", b"inf", b"-1e308", b"1e5", b"99:99:99:99.9", b"",
         b"\0", b"23:59:59:29.999", b"Timecode", b"fps_num", b"0x1p9", b"1_000", b"\xff\xfe", b"exp"]
    ),
)  # fmt: skip


def read(data, name="a.csv", fps=None):
    """A clip that keeps its promises, or None for a refusal in one sentence."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            clip = read_expressions(path, fps=fps)
        except EiferError as error:
            assert 10 < len(str(error)) < 500 and "\n" not in str(error)
            return None
    assert clip.values.dtype == np.float32 and np.isfinite(clip.values).all()
    assert clip.values.shape[1] == clip.space.size and len(clip.values) <= 1_000_000
    assert clip.fps is None or 1 <= clip.fps <= 1000
    assert np.isfinite(clip.start_s)
    for extra in clip.extra.values():
        assert len(extra) == len(clip.values) and np.isfinite(extra).all()
    return clip


@QUICK
@given(
    source=st.sampled_from(range(len(SOURCES))),
    patches=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), patch), min_size=1, max_size=6),
    end=st.floats(0.05, 1),
    fps=st.sampled_from([None, 24.0]),
)
def test_damaged_files_end_in_a_clip_or_a_sentence(source, patches, end, fps):
    data = bytearray(SOURCES[source])
    for at, gone, new in patches:
        place = int(at * len(data))
        data[place : place + gone] = new
    data = bytes(data[: int(end * len(data))])
    clip = read(data, "a.csv.gz" if source == len(SOURCES) - 1 else "a.csv", fps)
    if clip is not None and clip.space.id in ("arkit-52", "eifer-head-1"):
        parameters, _ = to_head(clip, load_default_head())
        assert np.isfinite(parameters).all()


@QUICK
@given(st.binary(max_size=400))
def test_anything_at_all_is_refused_in_a_sentence(data):
    assert read(data) is None
    assert read(data, "a.csv.gz") is None


@QUICK
@given(times=st.lists(st.floats(-1e18, 1e18) | st.just(float("nan")), min_size=2, max_size=40))
def test_any_times_give_a_rate_or_none(times):
    rows = "\n".join(f"{t!r},{','.join(['0.5'] * 52)}" for t in times)
    clip = read(f"time,{','.join(ARKIT_NAMES)}\n{rows}\n".encode())
    assert clip is not None and np.allclose(clip.values, 0.5)


@QUICK
@given(st.lists(st.from_regex(r"\d{1,2}:\d{1,2}:\d{1,2}:\d{1,3}(\.\d{1,6})?", fullmatch=True), max_size=30))
def test_any_timecodes_give_times_or_none(cells):
    times = read_timecodes(cells)
    assert times is None or (times.shape == (len(cells),) and np.isfinite(times).all())


@QUICK
@given(
    fps=st.sampled_from([12.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0]) | st.floats(5, 240),
    start=st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 11)),
    seed=st.integers(0, 99),
)
def test_what_is_written_comes_back_at_any_rate_and_start(fps, start, seed):
    frames = int(4 * fps) + 3
    weights = np.random.default_rng(seed).random((frames, 52), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        code = "{:02d}:{:02d}:{:02d}:{:02d}.000".format(*start)
        clip = read_expressions(write_live_link_face(Path(folder) / "a.csv", weights, fps, start=code))
    assert abs(clip.fps / fps - 1) < 1e-3
    assert len(clip.values) == frames and np.abs(clip.values - weights).max() < 1e-6


# --- bounded ----------------------------------------------------------------------------------------


def peak_of(call):
    """Bytes that a call that is refused takes at most."""
    tracemalloc.start()
    try:
        with pytest.raises(EiferError):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_that_unfolds_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAXIMUM_BYTES", 4 << 20)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"0," * (32 << 20)))
    peak = peak_of(lambda: read_expressions(path))
    assert path.stat().st_size < 1 << 18 and peak < 24 << 20


@pytest.mark.parametrize(
    "data",
    [
        b"\n" * 3_000_000,
        ",".join(HEADER).encode() + b"\n" * 3_000_000,
        b"," * 3_000_000,
        b"a" * 3_000_000,
        b'"' + b"a," * 1_500_000,
        (",".join(ARKIT_NAMES) + "\n").encode() + b"1," * 1_500_000,
        (",".join(ARKIT_NAMES) + "\n").encode() + b"x\n" * 900_000,
    ],
)
def test_tables_of_nothing_are_refused_at_once(tmp_path, data):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    peak = peak_of(lambda: read_expressions(path))
    assert peak < 64 << 20


def test_a_clock_that_leaps_does_not_fill_the_memory(tmp_path):
    codes = [f"{k % 24:02d}:00:00:{k % 30:02d}.000" for k in range(60)]
    zeros = ",".join(["0.0"] * 61)
    path = tmp_path / "a.csv"
    path.write_text("\n".join([",".join(HEADER), *(f"{code},61,{zeros}" for code in codes)]))
    assert len(read_expressions(path).values) <= 60


def test_a_clip_of_garbage_stays_within_the_heads_limits():
    garbage = np.full((4, 52), 1e30, np.float32)
    parameters, notes = to_head(ExpressionClip(ARKIT_52, garbage, 30.0), load_default_head())
    assert np.isfinite(parameters).all() and len(notes) == 1
