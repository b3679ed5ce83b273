"""Scores of Phase 1 on people, electrodes and light that no training has met: the tables of its card."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ...errors import EiferError
from ...heads.arkit import from_arkit
from ...heads.default import load_default_head
from ...reconstruction import face_view, models, removal
from ...simulation.population import HELD_OUT
from ...tracking import track
from ..tables import Table, make_table
from . import assess
from .assess import Geometry
from .detector import odds_of, train_detector
from .material import SIZE, PictureSet, SetSettings, obtain
from .networks import Code, Detector, Encoder
from .supervised import encode

_CPU = torch.device("cpu")
_FRAME = 3  # a picture's side of a frame for the tracker, which wants a face with something around it
_NEUTRAL_SHARE = 0.2
_SPEED_FRAMES = 64

PICTURES = SetSettings(True, HELD_OUT.start, 80, 6, unseen=True, paired=True)
CLIPS = SetSettings(True, HELD_OUT.start + 1000, 10, 48, unseen=True, paired=True, still=True)
JUDGES = (SetSettings(False, 3000, 300, 4), SetSettings(True, 8000, 300, 4))
"""Pictures that the detector which judges removals is trained on: people whom no shipped network has seen."""


@dataclass(frozen=True)
class Networks:
    """What is compared."""

    folder: Path | None  # of the three ONNX files; None: the bundled ones
    encoder_n: Encoder | None  # E^N, the encoder without Phase 1
    upper: Encoder | None  # an encoder taught with truth on covered faces


def evaluate(networks: Networks, cache: Path) -> list[Table]:
    """All tables. Pictures are made in the cache folder if they are not there."""
    pictures, clips = (_at_size(networks, obtain(one, cache)) for one in (PICTURES, CLIPS))
    judge = _judge(cache)
    codes = encoded(pictures.pictures, networks.folder)
    return [
        _geometry(networks, pictures, codes),
        _appearance(networks, pictures, codes, judge),
        _steadiness(networks, clips),
        _speed(networks, pictures),
    ]


def scores(networks: Networks, cache: Path) -> dict[str, float]:
    """What an ablation is judged by, on the pictures of held-out people, at the networks' own size."""
    pictures = _at_size(networks, obtain(PICTURES, cache))
    codes = encoded(pictures.pictures, networks.folder)
    made, _ = removed(pictures.pictures, codes, networks.folder)
    geometry = assess.geometry_of(codes, pictures.truth).means()
    area = torch.from_numpy((_floats(pictures.covered) > 0.5).astype(np.float32))[:, None]
    clean, judge = _tensor(_floats(pictures.clean)), _judge(cache)
    odds = (odds_of(judge, raw, SIZE, _CPU) for raw in (pictures.clean, _bytes(made)))
    psnr, ssim = (float(score(_tensor(made), clean, area).nanmean()) for score in (assess.psnr, assess.ssim))
    return {
        **{name: geometry[name] for name in ("expression_mm", "shape_mm", "turn_degrees")},
        "psnr": psnr,
        "ssim": ssim,
        "auc": assess.area_under_curve(*odds),
    }


def _at_size(networks: Networks, pictures: PictureSet) -> PictureSet:
    """A set as large as the networks want it, in memory."""
    size = models.load(models.ENCODER, networks.folder).size
    names = ("pictures", "clean", "covered")
    return replace(pictures, **{name: _shrunk(getattr(pictures, name), size) for name in names})


def _shrunk(pictures: np.ndarray, size: int) -> np.ndarray:
    """uint8 [n, size, size, ...] means of squares of pixels."""
    share, rest = divmod(pictures.shape[1], size)
    if rest:
        raise EiferError(f"Pictures of {pictures.shape[1]} pixels cannot be shrunk to {size} evenly.")
    tail = pictures.shape[3:]
    parts = [
        some.reshape(len(some), size, share, size, share, *tail).astype(np.float32).mean((2, 4))
        for some in np.array_split(pictures, max(1, len(pictures) // 64))
    ]
    return np.rint(np.concatenate(parts)).astype(np.uint8)


def _bytes(pictures: np.ndarray) -> np.ndarray:
    return np.rint(pictures * 255).astype(np.uint8)


def encoded(pictures: np.ndarray, folder: Path | None) -> Code:
    """The shipped encoder's codes of pictures uint8 [n, s, s, 3]."""
    parts = []
    for start in range(0, len(pictures), 32):
        found = models.encode(_floats(pictures[start : start + 32]), folder)
        parts.append((found.expression, found.shape, found.rotation, found.camera))
    return Code(*(torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True)))


def removed(pictures: np.ndarray, codes: Code, folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """(float32 [n, s, s, 3] pictures without electrodes, [n, s, s] how much of each pixel was replaced)."""
    bare, replaced = [], []
    for i in range(len(pictures)):
        one = models.Codes([part[i : i + 1].numpy() for part in codes])
        made, share = removal.bare_faces(_floats(pictures[i : i + 1]), one, one.shape[0], folder)
        bare.append(made)
        replaced.append(share)
    return np.concatenate(bare), np.concatenate(replaced)


def by_landmarks(pictures: PictureSet) -> tuple[np.ndarray, np.ndarray]:
    """(expressions [n, 55], bool [n] in how many pictures a face was found) by landmarks and blendshapes.

    Less each person's own lowest fifth of every score, as `reconstruction` does it for a clip.
    """
    scores = np.full((len(pictures), 52), np.nan, np.float32)
    for i, picture in enumerate(pictures.pictures):
        found = track([(0, 0.0, _framed(picture))], [0.0])
        scores[i] = found.blendshapes[0]
    known = np.isfinite(scores[:, 0])
    weights = np.zeros_like(scores)
    for person in np.unique(pictures.person):
        mine = (pictures.person == person) & known
        if mine.any():
            rest = np.quantile(scores[mine], _NEUTRAL_SHARE, axis=0)
            weights[mine] = np.clip((scores[mine] - rest) / np.maximum(1 - rest, 0.2), 0, 1)
    return from_arkit(load_default_head(), weights).parameters, known


def _framed(picture: np.ndarray) -> np.ndarray:
    """A picture three times as large, with its border around it."""
    size = len(picture)
    large = picture.repeat(_FRAME, 0).repeat(_FRAME, 1)
    return np.pad(large, [(size, size), (size, size), (0, 0)], mode="edge")


def _floats(pictures: np.ndarray) -> np.ndarray:
    return np.asarray(pictures, np.float32) / 255


# --- tables -----------------------------------------------------------------------------------


def _geometry(networks: Networks, pictures: PictureSet, codes: Code) -> Table:
    truth, size = pictures.truth, models.load(models.ENCODER, networks.folder).size
    neutral, average, ahead = (np.zeros_like(truth[name]) for name in ("params", "identity", "rotation"))
    expressions, known = by_landmarks(pictures)
    rows: dict[str, Geometry] = {"this encoder, E^S": assess.geometry_of(codes, truth)}
    if networks.encoder_n is not None:
        without = encode(networks.encoder_n, pictures.pictures, size, _CPU)
        rows["the same without Phase 1, E^N"] = assess.geometry_of(without, truth)
    name = f"landmarks and blendshapes (a face found in {known.mean():.0%})"
    rows[name] = assess.geometry(expressions, average, ahead, truth)
    rows["the neutral face"] = assess.geometry(neutral, average, ahead, truth)
    if networks.upper is not None:
        most = encode(networks.upper, pictures.pictures, size, _CPU)
        rows["upper bound: taught with truth on covered faces"] = assess.geometry_of(most, truth)
    if networks.encoder_n is not None:
        bare = encode(networks.encoder_n, pictures.clean, size, _CPU)
        rows["E^N on the same faces uncovered"] = assess.geometry_of(bare, truth)
    return make_table(
        "phase1_geometry",
        "Geometry under electrodes",
        f"{len(pictures)} pictures of {PICTURES.people} held-out people, layouts and light never trained on.",
        (("method", 0), ("expression, mm", 2), ("shape, mm", 2), ("lids", 3), ("jaw, degrees", 2),
         ("turn, degrees", 1)),
        [[name, *found.means().values()] for name, found in rows.items()],
    )  # fmt: skip


def _appearance(networks: Networks, pictures: PictureSet, codes: Code, judge: Detector) -> Table:
    made, replaced = removed(pictures.pictures, codes, networks.folder)
    size = models.load(models.ENCODER, networks.folder).size
    hidden = _floats(pictures.covered)
    area = torch.from_numpy((hidden > 0.5).astype(np.float32))[:, None]
    clean = _tensor(_floats(pictures.clean))
    shown = {
        "covered": pictures.pictures,
        "removed": _bytes(made),
        "never covered": pictures.clean,
    }
    bare_odds = odds_of(judge, pictures.clean, size, _CPU)
    rows = []
    for name, raw in shown.items():
        images = _tensor(_floats(raw))
        row: list[str | float | None] = [name, None, None]
        if raw is not pictures.clean:
            row[1:] = [float(score(images, clean, area).nanmean()) for score in (assess.psnr, assess.ssim)]
        row.append(assess.area_under_curve(bare_odds, odds_of(judge, raw, size, _CPU)))
        if networks.encoder_n is not None:
            again = assess.geometry_of(encode(networks.encoder_n, raw, size, _CPU), pictures.truth).means()
            row += [again["expression_mm"], again["shape_mm"]]
        rows.append(row)
    columns = [("picture", 0), ("PSNR, dB", 1), ("SSIM", 3), ("judge's AUC, 0.5 is chance", 2)]
    if networks.encoder_n is not None:
        columns += [("E^N's expression, mm", 2), ("E^N's shape, mm", 2)]
    return make_table(
        "phase1_appearance",
        "Appearance where electrodes were",
        f"{(replaced > 0.5).mean():.0%} of the pixels are replaced, {(hidden > 0.5).mean():.0%} "
        "are hidden. The judge was trained on other people than the shipped detector.",
        columns,
        rows,
    )


def _steadiness(networks: Networks, clips: PictureSet) -> Table:
    codes = encoded(clips.pictures, networks.folder)
    moved = assess.shape_displacements(codes.shape.numpy())
    people = [moved[clips.person == person] for person in np.unique(clips.person)]
    between = np.var([one.mean(0) for one in people], axis=0).sum()
    within = np.mean([one.var(0).sum() for one in people])
    made, _ = removed(clips.pictures, codes, networks.folder)
    same = clips.person[1:] == clips.person[:-1]
    shown = {"removed": made, "never covered": _floats(clips.clean), "covered": _floats(clips.pictures)}
    rows = [["variance of the shape between people, in that within a clip", float(between / within)]]
    for name, pictures in shown.items():
        change = 255 * float(np.abs(np.diff(pictures, axis=0))[same].mean())
        rows.append([f"change from frame to frame, of 255: {name}", change])
    return make_table(
        "phase1_steadiness",
        "Steadiness over clips",
        f"{CLIPS.people} clips of {CLIPS.each} frames, 30 a second, of held-out people.",
        (("what", 0), ("value", 2)),
        rows,
    )


def _speed(networks: Networks, pictures: PictureSet) -> Table:
    some = pictures.pictures[:_SPEED_FRAMES]
    codes = encoded(some, networks.folder)

    def drawn() -> None:
        for i in range(len(some)):
            one = [part[i : i + 1].numpy() for part in codes]
            face_view.render(one[0], one[1][0], one[2], one[3], some.shape[1])

    jobs = {
        "encoder": lambda: encoded(some, networks.folder),
        "removal, rendering included": lambda: removed(some, codes, networks.folder),
        "of it the rendering": drawn,
    }
    spent = {}
    for name, job in jobs.items():
        begun = time.perf_counter()
        job()
        spent[name] = 1000 * (time.perf_counter() - begun) / len(some)
    both = 1000 / (spent["encoder"] + spent["removal, rendering included"])
    rows = [*([name, value] for name, value in spent.items()), ["encoder and removal: frames a second", both]]
    return make_table(
        "phase1_speed",
        "Speed, one thread",
        "Milliseconds a frame, at the shipped size, without reading the video and following the face.",
        (("job", 0), ("value", 1)),
        rows,
    )


def _tensor(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))


def _judge(cache: Path) -> Detector:
    uncovered, covered = (obtain(one, cache) for one in JUDGES)
    return train_detector(uncovered, covered, steps=150, size=SIZE, seed=99, device=_CPU)
