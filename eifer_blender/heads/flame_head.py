"""A FLAME model as a parametric head: what its file does not hold comes from the default head.

FLAME brings template, bases, joints and weights. ARKit's shapes, eyelids (where nobody gave FLAME's), the
surface's colours and landmarks are carried over from the default head by geometry, on the user's machine.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from ..errors import EiferError
from ..spaces import EXPRESSION_COUNT
from .correspondence import Correspondence, FaceSurface, correspond
from .default import load_default_head
from .flame import FlameFile
from .head import JOINTS, ParametricHead
from .transfer import Transfer, both_ways, face_surface

SPACE = "flame-55"  # `datasets.methods.FLAME_55`
IDENTITIES = 100  # components that a head gets unless more are asked for
MATERIALS = ("Skin", "Eye")
_VERSION = b"flame-head-1"
_LID_CLEARANCE = 0.0004  # metres between a closed lid and the eyeball
_LID_REACH = 0.004  # metres from the eyeball within which skin is a lid
_IRIS, _PUPIL, _LIMBUS = np.radians((29.0, 11.0, 33.0))  # angles from the optical axis
_COLOURS = {"sclera": (0.83, 0.80, 0.77), "limbus": (0.20, 0.19, 0.17), "iris": (0.19, 0.26, 0.26),
            "pupil": (0.01, 0.01, 0.01), "brow": (0.16, 0.09, 0.06)}  # fmt: skip
# Landmarks of the default head as numbers of MediaPipe's face mesh; several are averaged.
_MEDIAPIPE = {
    "brow_inner_l": (285, 336), "brow_outer_l": (276, 300),
    "brow_inner_r": (55, 107), "brow_outer_r": (46, 70),
    "mouth_corner_l": (291,), "mouth_corner_r": (61,), "nose_tip": (1,), "glabella": (9,), "chin": (152,),
}  # fmt: skip
_BROW_M = 0.0028  # metres around the roots of brow hairs that are darkened


class FlameHead(NamedTuple):
    """A head made from a FLAME file, and how it and the default head speak to each other."""

    head: ParametricHead
    from_default: Transfer
    to_default: Transfer
    notes: tuple[str, ...]


def flame_head(file: FlameFile, *, identities: int = IDENTITIES) -> FlameHead:
    """A parametric head for the first 50 expressions and some identity components of a FLAME file.

    Raises EiferError if the file's template is no upright face with two eyeballs.
    """
    default = load_default_head()
    eyes = _eyeballs(file)
    skin = np.ones(len(file.template), bool)
    skin[np.concatenate(eyes)] = False
    triangles = file.faces[skin[file.faces].all(1)]
    jaw = file.weights[:, JOINTS.index("jaw")].astype(np.float64)
    surface = FaceSurface(file.template.astype(np.float64), triangles, eyes, jaw)
    over = correspond(face_surface(default), surface, *_known_landmarks(default, file))
    notes = list(file.notes)
    lids = file.side.eyelids
    if lids is None:
        lids = _lids(default, over, file, eyes)
        notes.append("The eyelids were made from the geometry; FLAME's own eyelid files were not given.")
    head = ParametricHead(
        name=file.title,
        space=SPACE,
        hash=_hash(file, lids, identities),
        template=file.template,
        polygon_sizes=np.full(len(file.faces), 3, np.int32),
        loops=file.faces.astype(np.int32).ravel(),
        uvs=_uvs(file),
        materials=MATERIALS,
        polygon_material=np.where(skin[file.faces].all(1), 0, 1).astype(np.int32),
        identity=file.identity[:identities],
        expression=file.expression[:EXPRESSION_COUNT],
        eyelids=lids,
        jaw_correctives=file.pose_correctives[1],
        arkit=over.to_source.offsets(default.arkit),
        joint_regressor=file.joint_regressor,
        weights=file.weights,
        regions={
            **(file.side.masks or {}),
            "skin": skin,
            "eyeball_l": _members(skin, eyes[0]),
            "eyeball_r": _members(skin, eyes[1]),
        },
        landmarks=_landmarks(default, over),
        mirror=_mirror(file.template),
        tints=_tints(default, over, file, eyes),
        other_correctives={
            joint: file.pose_correctives[k]
            for k, joint in ((0, "neck"), (2, "eye_l"), (3, "eye_r"))
            if file.pose_correctives[k].any()
        },
    )
    return FlameHead(head, *both_ways(default, head, over), tuple(notes))


def _known_landmarks(
    default: ParametricHead, file: FlameFile
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The landmarks that both heads name, where FLAME's embedding was given."""
    points = file.side.landmarks or {}
    there = {
        name: np.mean([points[number] for number in numbers], 0)
        for name, numbers in _MEDIAPIPE.items()
        if all(number in points for number in numbers)
    }
    return {name: default.template[default.landmarks[name]].astype(np.float64) for name in there}, there


def _hash(file: FlameFile, lids: np.ndarray, identities: int) -> str:
    digest = hashlib.sha256(_VERSION)
    digest.update(f"{file.hash} {identities};".encode())
    digest.update(np.ascontiguousarray(lids, np.float32))
    return digest.hexdigest()


def _members(like: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    result = np.zeros(len(like), bool)
    result[chosen] = True
    return result


def _eyeballs(file: FlameFile) -> tuple[np.ndarray, np.ndarray]:
    """Vertices that turn wholly with an eye; EiferError without both."""
    eyes = tuple(np.flatnonzero(file.weights[:, JOINTS.index(f"eye_{side}")] > 0.99) for side in "lr")
    if min(len(eye) for eye in eyes) < 20:
        raise EiferError("This model has no eyeballs that turn with its eye joints; it is no FLAME head.")
    return eyes


def _lids(
    default: ParametricHead, over: Correspondence, file: FlameFile, eyes: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """float32 [2, V, 3]: the default head's lids, kept in front of this head's eyeballs."""
    lids = over.to_source.offsets(default.eyelids)
    for number, eye in enumerate(eyes):
        ball = file.template[eye]
        centre = (ball.min(0) + ball.max(0)) / 2
        radius = float(np.median(np.linalg.norm(ball - centre, axis=1)))
        moving = np.linalg.norm(lids[number], axis=1) > 1e-5
        closed = file.template[moving] + lids[number][moving]
        away = closed - centre
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        inside = distance < radius + _LID_CLEARANCE
        pushed = centre + away / np.maximum(distance, 1e-9) * (radius + _LID_CLEARANCE)
        lids[number][moving] = np.where(inside, pushed, closed) - file.template[moving]
    return lids


def _landmarks(default: ParametricHead, over: Correspondence) -> dict[str, int]:
    """The vertex here that lies where each landmark of the default head came to lie."""
    match = over.to_target
    best = match.corners[np.arange(len(match.corners)), match.weights.argmax(1)]
    return {name: int(best[vertex]) for name, vertex in default.landmarks.items()}


def _mirror(template: np.ndarray) -> np.ndarray:
    """int32 [V]: the vertex next to each one's mirror image."""
    from scipy.spatial import cKDTree

    return cKDTree(template).query(template * [-1.0, 1.0, 1.0])[1].astype(np.int32)


def _uvs(file: FlameFile) -> np.ndarray:
    """float32 [L, 2]: the file's, or a cylinder around the head."""
    if file.side.uv is not None:
        return file.side.uv.reshape(-1, 2).astype(np.float32)
    corners = file.template[file.faces.ravel()]
    middle = file.template.mean(0)
    around = np.arctan2(corners[:, 0] - middle[0], corners[:, 2] - middle[2]) / (2 * np.pi) + 0.5
    low, high = file.template[:, 1].min(), file.template[:, 1].max()
    return np.stack([around, (corners[:, 1] - low) / (high - low)], 1).astype(np.float32)


def _tints(
    default: ParametricHead,
    over: Correspondence,
    file: FlameFile,
    eyes: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """float32 [V, 3]: the default head's skin and brows, and irises around the optical axis."""
    from scipy.spatial import cKDTree

    match = over.to_source
    skin = default.regions["skin"]
    usual = np.median(default.tints[skin], 0)
    tints = np.where(match.found[:, None], match.carry(default.tints), usual).astype(np.float32)
    hairs = default.regions["eyebrows"]
    roots = np.unique(cKDTree(default.template[skin]).query(default.template[hairs])[1])
    places = over.placed[np.flatnonzero(skin)[roots]]
    near = cKDTree(places).query(file.template)[0]
    brow = np.exp(-np.square(near / _BROW_M))[:, None] * 0.75
    tints += (np.array(_COLOURS["brow"], np.float32) - tints) * brow
    for eye in eyes:
        ball = file.template[eye] - (file.template[eye].min(0) + file.template[eye].max(0)) / 2
        angle = np.arccos(np.clip(ball[:, 2] / np.linalg.norm(ball, axis=1), -1.0, 1.0))
        tints[eye] = _COLOURS["sclera"]
        for name, limit in (("limbus", _LIMBUS), ("iris", _IRIS), ("pupil", _PUPIL)):
            tints[eye[angle < limit]] = _COLOURS[name]
    return tints.astype(np.float32)
