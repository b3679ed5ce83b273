"""The three networks on pictures: faces, landmarks, scores.

What goes in and comes out follows Google's published descriptions of the models: BlazeFace (short range),
Face Mesh V2 and Blendshape V2.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..spaces import ARKIT_NAMES
from .model_file import FaceModels
from .squares import crop, overlap, to_image

LANDMARK_COUNT = 478
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
"""Landmarks whose line says how a face is rolled; the subject's right is on the picture's left."""

_DETECTOR_SIZE, _LANDMARK_SIZE = 128, 256
_ANCHOR_GRIDS = ((16, 2), (8, 6))  # cells across, anchors in each
_LEAST_SCORE = 0.3
_SAME_FACE = 0.3  # overlap of boxes
_ROOM = 1.5  # side of the square of the landmark network in sides of the face's box
_LARGEST_LOGIT = 100.0
_MIDDLE, _SIZE, _RIGHT_EYE, _LEFT_EYE = 0, 1, 2, 3  # pairs of numbers of a candidate; four points follow

# What the blendshape network is given of the landmarks: numbers, and first-last.
_SUBSET = """
0 1 4-8 10 13 14 17 21 33 37 39 40 46 52-55 58 61 63 65-67 70 78 80-82 84 87 88 91 93 95 103 105 107 109 127
132 133 136 144-146 148-150 152-155 157-163 168 172 173 176 178 181 185 191 195 197 234 246 249 251 263 267
269 270 276 282-285 288 291 293 295-297 300 308 310-312 314 317 318 321 323 324 332 334 336 338 356 361 362
365 373-375 377-382 384-390 397 398 400 402 405 409 415 454 466 468-477
"""
# Its scores are sorted by name, "_neutral" before them; it has none for the tongue.
_UNSCORED = "tongueOut"


class Detection(NamedTuple):
    """A face that was found in a picture."""

    score: float
    """0..1."""
    square: np.ndarray
    """float32 [4]: where to look for its landmarks."""
    box: np.ndarray
    """float32 [4]: x, y, width, height in pixels, of eyebrows to chin."""


class Landmarks(NamedTuple):
    """What the landmark network sees in a square."""

    points: np.ndarray
    """float32 [478, 3] in pixels of the picture; depth is less towards the camera."""
    presence: float
    """0..1: how sure the network is that there is a face."""


def detect(models: FaceModels, image: np.ndarray, squares: np.ndarray | None = None) -> list[Detection]:
    """Faces in a picture uint8 [h, w, 3], best first.

    squares: parts of the picture to look at, [n, 4]; the whole by default. A face should fill a tenth of a
    part.
    """
    if squares is None:
        squares = whole(image)[None]
    return _merged(np.concatenate([_candidates(models, image, square) for square in squares]))


def whole(image: np.ndarray) -> np.ndarray:
    """float32 [4]: the square that holds a picture."""
    height, width = image.shape[:2]
    return np.array([width / 2, height / 2, max(height, width) / 2, 0], np.float32)


def parts(image: np.ndarray, side: float) -> np.ndarray:
    """float32 [n, 4]: squares of a side in pixels that cover a picture and overlap by half."""
    height, width = image.shape[:2]

    def middles(length: int) -> np.ndarray:
        if length <= side:
            return np.array([length / 2])
        return np.linspace(side / 2, length - side / 2, int(np.ceil(2 * length / side)) - 1)

    y, x = (m.reshape(-1) for m in np.meshgrid(middles(height), middles(width), indexing="ij"))
    return np.stack([x, y, np.full_like(x, side / 2), np.zeros_like(x)], 1).astype(np.float32)


def landmarks(models: FaceModels, image: np.ndarray, square: np.ndarray) -> Landmarks:
    """The landmarks of the face in a square of a picture uint8 [h, w, 3]."""
    picture = crop(image, square, _LANDMARK_SIZE)
    points, presence, _ = models.landmarks.run(None, {"in0": picture[None]})
    points = to_image(points.reshape(LANDMARK_COUNT, 3), square, _LANDMARK_SIZE)
    return Landmarks(points, float(_sigmoid(presence.reshape(-1)[0])))


def blendshapes(models: FaceModels, points: np.ndarray) -> np.ndarray:
    """float32 [52] 0..1 in ARKit's order, of landmarks [478, 3]; the tongue's is always 0."""
    scores = models.blendshapes.run(None, {"in0": points[None, subset(), :2].astype(np.float32)})[0]
    return np.append(scores.reshape(-1), np.float32(0))[_arkit_order()]


@lru_cache(maxsize=1)
def subset() -> np.ndarray:
    """int64 [146]: the landmarks that the blendshape network is given."""
    spans = [[int(n) for n in word.split("-")] for word in _SUBSET.split()]
    return np.concatenate([np.arange(span[0], span[-1] + 1) for span in spans])


@lru_cache(maxsize=1)
def _arkit_order() -> np.ndarray:
    """int64 [52]: which of the network's scores, and after them a nought, is which of ARKit's."""
    order = ["_neutral", *sorted(name for name in ARKIT_NAMES if name != _UNSCORED), _UNSCORED]
    return np.array([order.index(name) for name in ARKIT_NAMES])


def square_of(points: np.ndarray) -> np.ndarray:
    """float32 [4]: where to look for a face in the next frame, from its landmarks [478, 3] in this one."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    return _square((low + high) / 2, high - low, points[RIGHT_EYE_OUTER], points[LEFT_EYE_OUTER])


def _square(middle: np.ndarray, size: np.ndarray, right_eye: np.ndarray, left_eye: np.ndarray) -> np.ndarray:
    across = left_eye - right_eye
    roll = np.arctan2(across[1], across[0])
    return np.array([*middle, size.max() * _ROOM / 2, roll], np.float32)


def _candidates(models: FaceModels, image: np.ndarray, square: np.ndarray) -> np.ndarray:
    """float32 [n, 17] of what may be faces in a square: score, and eight pairs in pixels of the picture."""
    picture = crop(image, square, _DETECTOR_SIZE, outside=0.0) * 2 - 1
    raw, logits = models.detector.run(None, {"in0": picture[None]})
    scores = _sigmoid(logits.reshape(-1))
    good = scores >= _LEAST_SCORE
    pairs = raw[0, good].reshape(-1, 8, 2) / _DETECTOR_SIZE
    places = [k for k in range(8) if k != _SIZE]
    pairs[:, places] += anchor_points()[good][:, None]
    pairs *= 2 * square[2]
    pairs[:, places] += square[:2] - square[2]
    return np.concatenate([scores[good, None], pairs.reshape(-1, 16)], 1).astype(np.float32)


@lru_cache(maxsize=1)
def anchor_points() -> np.ndarray:
    """float32 [896, 2]: where the detector's candidates are reckoned from, in shares of its picture."""
    rows = []
    for cells, count in _ANCHOR_GRIDS:
        y, x = np.meshgrid(*[(np.arange(cells) + 0.5) / cells] * 2, indexing="ij")
        rows.append(np.repeat(np.stack([x.reshape(-1), y.reshape(-1)], 1), count, axis=0))
    return np.concatenate(rows).astype(np.float32)


def _merged(found: np.ndarray) -> list[Detection]:
    """Candidates [n, 17] of one face become one, their mean weighted by score; best first."""
    faces = []
    left = found[np.argsort(-found[:, 0], kind="stable")]
    while len(left):
        same = overlap(_as_squares(left[:1])[0], _as_squares(left)) > _SAME_FACE
        same[0] = True
        group, left = left[same], left[~same]
        mean = (group[:, :1] * group[:, 1:]).sum(0) / group[:, 0].sum()
        faces.append(_detection(float(group[0, 0]), mean.reshape(8, 2)))
    return faces


def _detection(score: float, pairs: np.ndarray) -> Detection:
    middle, size = pairs[_MIDDLE], pairs[_SIZE]
    box = np.concatenate([middle - size / 2, size]).astype(np.float32)
    return Detection(score, _square(middle, size, pairs[_RIGHT_EYE], pairs[_LEFT_EYE]), box)


def _as_squares(found: np.ndarray) -> np.ndarray:
    """float32 [n, 4]: boxes of candidates, which are square."""
    half = np.maximum(found[:, 3:5].mean(1), 1e-3) / 2
    return np.stack([found[:, 1], found[:, 2], half, np.zeros_like(half)], 1)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -_LARGEST_LOGIT, _LARGEST_LOGIT, dtype=np.float64)))
