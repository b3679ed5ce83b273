"""Data sets: pandas reads ours to the same values, and we read the published layout as pandas writes it."""

import numpy as np
import pandas as pd
import pytest

from eifer_blender.datasets.methods import METHODS
from eifer_blender.datasets.mmm import ClipData, read_dataset, write_dataset
from eifer_blender.muscles import CHANNEL_COUNT, CHANNELS

GROUPS = {
    "EIFER": {"idt": 300, "exp": 50, "eyelid": 2, "jaw": 3, "pose": 3, "cam": 3},
    "SMIRK": {"idt": 300, "exp": 50, "eyelid": 2, "jaw": 3, "pose": 3, "cam": 3},
    "DECA": {"idt": 100, "exp": 50, "pose": 6, "cam": 3, "light": 27, "tex": 50},
    "EMOCAv2": {"idt": 100, "exp": 50, "pose": 6, "cam": 3, "light": 27, "tex": 50},
    "Deep3DFace": {"idt": 80, "exp": 64, "tex": 80, "angle": 3, "gamma": 27, "trans": 3},
    "FOCUS": {"idt": 199, "exp": 100, "tex": 199, "angle": 3, "gamma": 27, "trans": 3},
}
COUNTS = {"EIFER": 361, "SMIRK": 361, "DECA": 236, "EMOCAv2": 236, "Deep3DFace": 257, "FOCUS": 531}
MUSCLES = (
    "Corrugator Supercilii",
    "Depressor Ang. Oris",
    "Depressor Supercilii Procerus",
    "Lateraler Frontalis",
    "Levator Labii Superioris",
    "Masseter",
    "Medialer Frontalis",
    "Mentalis",
    "Orbicularis Oculi",
    "Orbicularis Oris",
    "Zygomaticus",
)
ROWS = 45


def frames_of(method, rng):
    names = (
        [f"{k}_{i}" for k, n in GROUPS[method].items() for i in range(n)]
        if method in GROUPS
        else list(METHODS["MediaPipe"].space.names)
    )
    return pd.DataFrame(rng.normal(size=(ROWS, len(names))), columns=names)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """(folder, {clip: envelopes}, {(clip, method): parameters}) with all seven methods, as pandas writes."""
    root = tmp_path_factory.mktemp("MMM")
    rng = np.random.default_rng(0)
    clips, faces, envelopes, parameters = [], [], {}, {}
    tasks = [
        ("1S", "schaede", 1, "Face-At-Rest"),
        ("2S", "emotion", 12, "happy"),
        ("1N", "schaede", 2, "Snarl"),
    ]
    for number, (rec, mode, seq, task) in enumerate(tasks):
        session, name = f"99_{rec}", f"99_{rec}_{mode}_{seq:02d}_{task}"
        emg = f"emg/{session}/{name}.csv" if rec.endswith("S") else None
        video = f"video_noelec/{session}/{name}.mp4"
        clips.append(
            {"source": "cam", "index": number, "pid": "99", "rec": rec, "mode": mode, "task": task,
             "type": rec[-1], "sync_grade": 1, "use": emg is not None, "video": f"video/{session}/{name}.mp4",
             "video_no-cut": None, "emg": emg, "video_noelec": video}
        )  # fmt: skip
        if emg is None:
            continue
        columns = [f"{m}_{side}" for m in MUSCLES for side in "lr"]
        envelope = pd.DataFrame(rng.gamma(2, 9, (ROWS, CHANNEL_COUNT)), columns=columns)
        envelopes[name] = envelope
        (root / emg).parent.mkdir(parents=True, exist_ok=True)
        envelope.to_csv(root / emg)
        row = {"video_noelec": video, "emg": emg}
        for method in METHODS:
            if method == "eifer-head-1":
                continue
            path = f"video_noelec_params/{method}/{session}/{name}_params.csv.gz"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            parameters[name, method] = frames_of(method, rng)
            parameters[name, method].to_csv(root / path, index=False)
            row[method] = path
        faces.append(row)
    pd.DataFrame(clips).to_csv(root / "MMM.csv", index=False)
    pd.DataFrame(faces).to_csv(root / "MMM_3DMM.csv", index=False)
    return root, envelopes, parameters


@pytest.mark.parametrize("method", [m for m in METHODS if m != "eifer-head-1"])
def test_every_method_of_the_published_layout(published, method):
    root, envelopes, parameters = published
    read = read_dataset(root, method)
    assert not read.notes and [c.clip_id for c in read.clips] == list(envelopes)
    for clip in read.clips:
        frame = parameters[clip.clip_id, method]
        assert frame.shape[1] == COUNTS.get(method, 52)
        wanted = {"DECA": ["pose_3", "pose_4", "pose_5"], "EMOCAv2": ["pose_3", "pose_4", "pose_5"]}
        names = (
            list(frame)
            if method == "MediaPipe"
            else [c for c in frame if c.startswith(("exp_", "eyelid_", "jaw_"))] + wanted.get(method, [])
        )
        np.testing.assert_array_equal(clip.parameters, frame[names].to_numpy(np.float32))
        np.testing.assert_array_equal(clip.envelope, envelopes[clip.clip_id].to_numpy(np.float32))


def test_pandas_reads_what_we_write(tmp_path):
    rng = np.random.default_rng(1)
    clips = [
        ClipData(
            "07", "1S", "emotion", task, k,
            rng.gamma(2, 9, (ROWS, CHANNEL_COUNT)).astype(np.float32),
            rng.normal(size=(ROWS, 55)).astype(np.float32),
        )
        for k, task in enumerate(("happy", "sad"))
    ]  # fmt: skip
    clips[0].envelope[3, 5] = np.nan
    root = write_dataset(tmp_path / "d", clips)
    index = pd.read_csv(root / "MMM.csv", dtype={"pid": str})
    faces = pd.read_csv(root / "MMM_3DMM.csv")
    assert list(index["pid"]) == ["07", "07"] and index["use"].all()
    joined = index.merge(faces, on="emg")
    for clip, (_, row) in zip(clips, joined.iterrows(), strict=True):
        envelope = pd.read_csv(root / row["emg"], index_col=0)
        assert list(envelope.index) == list(range(ROWS)) and len(envelope.columns) == len(CHANNELS)
        np.testing.assert_allclose(envelope, clip.envelope, rtol=1e-5)
        values = pd.read_csv(root / row["eifer-head-1"])
        np.testing.assert_allclose(values, clip.parameters, rtol=1e-5)
        # Ours is the float32 that is nearest to what pandas reads exactly.
        again = next(c for c in read_dataset(root).clips if c.task == clip.task)
        exact = pd.read_csv(root / row["eifer-head-1"], float_precision="round_trip")
        np.testing.assert_array_equal(again.parameters, exact.to_numpy(np.float32))
