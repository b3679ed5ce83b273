"""The identity basis: how heads of other people differ from the average one."""

from __future__ import annotations

import numpy as np

from . import paint
from .basis import principal_components
from .surface import Surface

COUNT = 50
_FOLDERS = ("cheek", "chin", "ears", "eyes", "eyebrows", "forehead", "head", "mouth", "nose")
_SIGMA = 0.3  # of the weight of every generating shape


def identity_basis(surface: Surface) -> np.ndarray:
    """[50, B, 3] components in standard deviations, from MakeHuman's local and ancestry targets."""
    source, shapes = surface.source, []
    for folder in _FOLDERS:
        amount = 0.3 if folder == "head" else 0.5  # whole-head scales would swamp the rest
        names = [name for name in source.target_names(folder) if "trans" not in name]
        shapes += [_shape(surface, source.target(name)) * amount for name in names]
    macro = [
        source.target(f"macrodetails/{ancestry}-{sex}-young")
        for sex in ("female", "male")
        for ancestry in ("african", "asian", "caucasian")
    ]
    mean = sum(macro) / len(macro)
    shapes += [_shape(surface, offsets - mean) for offsets in macro]
    return principal_components(np.stack(shapes), np.eye(len(shapes)) * _SIGMA**2, COUNT)


def _shape(surface: Surface, offsets: np.ndarray) -> np.ndarray:
    """Offsets of one target: even in left and right, the eyeballs stay balls, the neck stays put."""
    whole = surface.base[:, 1] > 0.06
    offsets = offsets - (surface.transfer @ offsets)[whole].mean(axis=0)
    shape = surface.transfer @ offsets
    helper = surface.source.group_vertices("helper-l-eye")
    points = surface.source.vertices[helper] - surface.eye_centre
    moved = offsets[helper]
    shift = moved.mean(axis=0)
    scale = ((moved - shift) * points).sum() / (points**2).sum()
    ball = surface.slices["eyeball_l"]
    shape[ball] = shift + scale * (surface.base[ball] - surface.eye_centre)
    shape[surface.slices["eyeball_r"]] = shape[ball] * [-1, 1, 1]
    shape *= paint.smooth_step(surface.base[:, 1], -0.005, 0.065)[:, None]
    return (shape + surface.mirrored(shape)) / 2
