"""Faces without their electrodes: what the remover draws, fitted into the picture it was drawn for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import face_view, models
from .models import Codes

_BLUR = 9  # pixels of 128 over which the drawn skin takes on the tone of the skin around it
_GROWN = 2  # pixels of 128 by which more is replaced than the detector is sure of
_SOFT = 1.2


def bare_faces(
    pictures: np.ndarray, codes: Codes, shape: np.ndarray, folder: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(float32 [n, s, s, 3] faces without electrodes, [n, s, s] 0..1 how much of each pixel is replaced).

    pictures: float32 [n, s, s, 3] in 0..1 with the encoder's codes; shape [50] is the clip's one identity.
    Where there are no electrodes the pictures stay what they are.
    """
    _, where = models.electrodes(pictures, folder)
    size = pictures.shape[1]
    rendering, cover = face_view.render(codes.expression, shape, codes.rotation, codes.camera, size)
    first = pictures.transpose(0, 3, 1, 2)
    remover = models.load(models.REMOVER, folder)
    (drawn,) = remover.run(rendering=rendering, masked=face_view.mask(first, cover, where))
    drawn = drawn.transpose(0, 2, 3, 1)
    replaced = replaced_share(where)
    return blended(pictures, drawn, replaced), replaced


def replaced_share(where: np.ndarray) -> np.ndarray:
    """float32 [n, s, s] 0..1: a little more than where [n, s, s] says electrodes are, with soft edges."""
    size = where.shape[-1]
    reach = max(1, round(_GROWN * size / 128))
    grown = where
    for axis in (1, 2):
        pads = [(0, 0)] + [(reach, reach) if a == axis else (0, 0) for a in (1, 2)]
        padded = np.pad(grown, pads)
        grown = np.maximum.reduce([np.take(padded, np.arange(size) + k, axis) for k in range(2 * reach + 1)])
    return np.clip(_blurred(grown[..., None], _SOFT * size / 128)[..., 0] * 1.2, 0.0, 1.0)


def blended(pictures: np.ndarray, drawn: np.ndarray, replaced: np.ndarray) -> np.ndarray:
    """Pictures [n, s, s, 3] with drawn ones where `replaced` [n, s, s] says, in the tone of what is around.

    The difference between picture and drawing, known where nothing is replaced, is carried on into what is
    (normalised convolution: Knutsson and Westin, 1993).
    """
    size = pictures.shape[1]
    known = (1.0 - replaced)[..., None] ** 2
    gap = (pictures - drawn) * known
    both = _blurred(np.concatenate([gap, known], -1), _BLUR * size / 128)
    wide = _blurred(np.concatenate([gap, known], -1), 3 * _BLUR * size / 128)
    both = both + 0.02 * wide  # far from all that is known, the wider surroundings decide
    tone = both[..., :3] / np.maximum(both[..., 3:], 1e-4)
    made = np.clip(drawn + tone, 0.0, 1.0)
    return pictures + (made - pictures) * replaced[..., None]


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """values [n, s, s, c], each picture blurred by a Gaussian of so many pixels."""
    from ..dependencies import require

    require("scipy")
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values, (0, sigma, sigma, 0), mode="nearest")
