"""Files laid out as FLAME's, of a head of our own: the default head as another person, tessellated anew.

Nothing of FLAME is in here: template, bases and joints come from the default head and from smooth fields.
"""

from __future__ import annotations

import pickle
import sys
import types
from functools import lru_cache
from pathlib import Path

import numpy as np

from eifer_blender.heads.default import load_default_head
from eifer_blender.heads.deform import joint_positions
from eifer_blender.heads.head import ParametricHead

SKIN, BALL, FACES = 3931, 546, 9976
VERTICES = SKIN + 2 * BALL
RINGS, SEGMENTS = 17, 32  # of an eyeball: RINGS * SEGMENTS + 2 = BALL
PARENTS = (2**32 - 1, 0, 1, 1, 1)
NECK = -0.015  # metres, where the default head is cut off
SHIFT = np.array([0.0, -0.031, 0.012])  # metres: the origin is elsewhere than the default head's


@lru_cache(maxsize=2)
def flame_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Plain arrays under FLAME's names; v_template in metres, y up, +z, the subject's left +x."""
    random = np.random.default_rng(seed)
    head = load_default_head()
    faces, at, share = _tessellation(head, random)
    ball = [head.regions[f"eyeball_{side}"] for side in "lr"]

    def carried(field: np.ndarray) -> np.ndarray:
        """[k, VERTICES, 3] of a field [k, V, 3]; eyeballs move as a whole."""
        skin = sum(field[:, at[:, i]] * share[:, i, None] for i in range(3))
        eyes = [np.repeat(field[:, one].mean(1, keepdims=True), BALL, 1) for one in ball]
        return np.concatenate([skin, *eyes], 1)

    joints = joint_positions(head)
    template = carried(head.template[None].astype(np.float64))[0]
    for number in range(2):
        rows = slice(SKIN + number * BALL, SKIN + (number + 1) * BALL)
        radius = np.ptp(head.template[ball[number], 0]) / 2
        template[rows] = joints[3 + number] + radius * _sphere()
    identity = np.concatenate([carried(head.identity), _smooth_fields(template, random, 250, 0.0008)])
    chosen = random.normal(0.0, 0.7, len(head.identity))
    another = np.tensordot(chosen, identity[: len(chosen)], 1)
    expression = _expressions(carried(head.expression), template, random)
    weights = sum(head.weights[at[:, i]] * share[:, i, None] for i in range(3))
    weights = np.concatenate([weights, np.repeat(np.eye(5)[[3, 4]], BALL, 0)])
    regressor = _regressor(template, joints)
    posedirs = _smooth_fields(template, random, 36, 0.004)
    posedirs[18:] *= 0.15
    posedirs[9:18] *= weights[:, 2, None] + 0.1
    return {
        "v_template": _warped(template + another) + SHIFT,
        "f": faces.astype(np.uint32),
        "shapedirs": np.concatenate([identity, expression]).transpose(1, 2, 0),
        "posedirs": posedirs.transpose(1, 2, 0),
        "J_regressor": regressor,
        "J": regressor @ (_warped(template + another) + SHIFT),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([PARENTS, range(5)], np.int64),
    }


def write_npz(path: Path, seed: int = 0, **changed: np.ndarray) -> Path:
    """The arrays as NPZ; `changed` replaces some of them, None leaves one out."""
    arrays = {name: value for name, value in {**flame_arrays(seed), **changed}.items() if value is not None}
    np.savez(path, **arrays)
    return path


def _warped(points: np.ndarray) -> np.ndarray:
    """A narrower, longer head, bent a little: no identity of the default head is like it."""
    x, y, z = points.T
    return np.stack([x * 0.95, y * 1.05 + 0.15 * x * x, z * 1.02 + 0.3 * (y - 0.09) ** 2], 1)


def _sphere() -> np.ndarray:
    """float64 [BALL, 3] unit vectors, the poles on the optical axis z."""
    polar = np.pi * np.arange(1, RINGS + 1) / (RINGS + 1)
    turn = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    rings = [
        np.stack([np.sin(p) * np.cos(turn), np.sin(p) * np.sin(turn), np.full(SEGMENTS, np.cos(p))], 1)
        for p in polar
    ]
    return np.concatenate([[[0.0, 0.0, 1.0]], *rings, [[0.0, 0.0, -1.0]]])


def _sphere_faces() -> np.ndarray:
    ring = 1 + np.arange(RINGS * SEGMENTS).reshape(RINGS, SEGMENTS)
    after = np.roll(ring, -1, 1)
    front = np.stack([np.zeros(SEGMENTS, int), ring[0], after[0]], 1)
    back = np.stack([np.full(SEGMENTS, BALL - 1), after[-1], ring[-1]], 1)
    upper = np.stack([ring[:-1], ring[1:], after[1:]], -1).reshape(-1, 3)
    lower = np.stack([ring[:-1], after[1:], after[:-1]], -1).reshape(-1, 3)
    return np.concatenate([front, upper, lower, back])


def _tessellation(
    head: ParametricHead, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces [FACES, 3], and where on the default head's skin each of SKIN vertices lies."""
    triangles = head.triangles
    above = head.regions["skin"] & (head.template[:, 1] > NECK)
    skin = triangles[above[triangles].all(1)]
    old, skin = np.unique(skin, return_inverse=True)
    skin = skin.reshape(-1, 3)
    corners = np.stack([old] * 3, 1)
    share = np.tile([1.0, 0.0, 0.0], (len(old), 1))
    corners, share = _jittered(skin, old, corners, share, random)
    while len(corners) < SKIN:
        skin, corners, share = _split_largest(head, skin, old, corners, share)
    skin = _with_count(skin, FACES - 2 * len(_sphere_faces()))
    balls = [_sphere_faces() + SKIN + number * BALL for number in range(2)]
    return np.concatenate([skin, *balls]), corners, share


def _jittered(
    skin: np.ndarray,
    old: np.ndarray,
    corners: np.ndarray,
    share: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Inner vertices moved into one of their triangles."""
    edge = np.sort(np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]]), 1)
    edges, count = np.unique(edge, axis=0, return_counts=True)
    inner = np.ones(len(old), bool)
    inner[edges[count == 1].ravel()] = False
    corners, share = corners.copy(), share.copy()
    for number in random.permutation(len(skin)):
        for k in range(3):
            vertex = skin[number, k]
            if inner[vertex]:
                inner[vertex] = False
                corners[vertex] = old[np.roll(skin[number], -k)]
                aside = random.uniform(0.0, 0.16, 2)
                share[vertex] = [1.0 - aside.sum(), *aside]
    return corners, share


def _split_largest(
    head: ParametricHead, skin: np.ndarray, old: np.ndarray, corners: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """New vertices in the middle of the largest triangles of the original skin."""
    whole = skin[(skin < len(old)).all(1)]
    others = skin[(skin >= len(old)).any(1)]
    points = head.template[old]
    a, b, c = (points[whole[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chosen = np.argsort(-area)[: SKIN - len(corners)]
    new = len(corners) + np.arange(len(chosen))
    a, b, c = whole[chosen].T
    parts = np.concatenate([np.stack(t, 1) for t in ((a, b, new), (b, c, new), (c, a, new))])
    kept = np.delete(whole, chosen, axis=0)
    corners = np.concatenate([corners, old[whole[chosen]]])
    share = np.concatenate([share, np.full((len(chosen), 3), 1 / 3)])
    return np.concatenate([kept, parts, others]), corners, share


def _with_count(faces: np.ndarray, wanted: int) -> np.ndarray:
    """Exactly so many faces: holes are closed a little, or triangles at the rim left out."""
    while len(faces) != wanted:
        directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        present = {tuple(edge) for edge in directed.tolist()}
        rim = [edge for edge in directed.tolist() if (edge[1], edge[0]) not in present]
        if len(faces) < wanted:
            after = dict(rim)
            used: set[int] = set()
            ears = []
            for a, b in rim:
                c = after.get(b)
                if c is not None and c != a and not {a, b, c} & used and (a, c) not in present:
                    ears.append([c, b, a])
                    used |= {a, b, c}
            faces = np.concatenate([faces, ears[: wanted - len(faces)]])
        else:
            on_rim = {edge for a, b in rim for edge in ((a, b),)}
            edges_on_rim = np.array(
                [sum(tuple(np.roll(face, -k)[:2].tolist()) in on_rim for k in range(3)) for face in faces]
            )
            touched = np.bincount(np.array(rim).ravel(), minlength=faces.max() + 1)[faces]
            removable = np.flatnonzero((edges_on_rim == 1) & (touched.min(1) == 0))
            faces = np.delete(
                faces, removable[: len(faces) - wanted][::2] if len(removable) > 3 else removable[:1], 0
            )
    return faces


def _smooth_fields(template: np.ndarray, random: np.random.Generator, count: int, size: float) -> np.ndarray:
    """float64 [count, V, 3] metres: sums of waves longer than a hand is wide; eyeballs move as a whole."""
    waves = random.normal(0.0, 18.0, (count, 4, 3))
    phase = random.uniform(0.0, 2 * np.pi, (count, 4, 1))
    direction = random.normal(0.0, size / 2, (count, 4, 3))
    points = template.copy()
    for number in range(2):
        rows = slice(SKIN + number * BALL, SKIN + (number + 1) * BALL)
        points[rows] = points[rows].mean(0)
    value = np.cos(np.einsum("kwa,va->kwv", waves, points) + phase)
    return np.einsum("kwv,kwa->kva", value, direction)


def _expressions(carried: np.ndarray, template: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """[100, V, 3]: fifty that together say what the default head's say, and fifty more that add little."""
    turn, _ = np.linalg.qr(random.normal(size=(len(carried), len(carried))))
    mixed = np.tensordot(turn, carried, 1)
    face = np.exp(-(((template - template[np.argmax(template[:, 2])]) / 0.07) ** 2).sum(1))
    more = _smooth_fields(template, random, 50, 0.0004) * face[:, None]
    return np.concatenate([mixed, more])


def _regressor(template: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """[5, V]: each joint from some vertices, with weights that sum to 1."""
    regressor = np.zeros((5, len(template)))
    for joint, position in enumerate(joints):
        if joint >= 3:
            rows = slice(SKIN + (joint - 3) * BALL, SKIN + (joint - 2) * BALL)
            regressor[joint, rows] = 1.0 / BALL
            continue
        near = np.argsort(np.linalg.norm(template[:SKIN] - position, axis=1))[:: 9 if joint == 2 else 3][:40]
        system = np.concatenate([template[near].T, np.ones((1, len(near)))])
        regressor[joint, near] = np.linalg.lstsq(system, np.append(position, 1.0), rcond=None)[0]
    return regressor


def write_pickle(path: Path, seed: int = 0, protocol: int = 5, **changed: object) -> Path:
    """The arrays as a pickle, the regressor sparse: protocol 5 as FLAME 2023 Open has it."""
    from scipy import sparse

    arrays = {name: value for name, value in {**flame_arrays(seed), **changed}.items() if value is not None}
    if isinstance(arrays.get("J_regressor"), np.ndarray):
        arrays["J_regressor"] = sparse.csc_matrix(arrays["J_regressor"])
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    return path


def write_old_pickle(path: Path, seed: int = 0) -> Path:
    """As the releases up to 2023: protocol 2, arrays inside objects of a package that is not installed."""
    chumpy = types.ModuleType("chumpy.ch")
    chumpy.Ch = type("Ch", (), {"__module__": "chumpy.ch", "__qualname__": "Ch"})
    modules = {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": chumpy}
    known = {name: sys.modules.get(name) for name in modules}
    arrays: dict[str, object] = dict(flame_arrays(seed))
    sys.modules.update(modules)
    try:
        for name in ("v_template", "shapedirs", "posedirs", "weights"):
            wrapped = chumpy.Ch()
            wrapped.x = np.asfortranarray(arrays[name])
            arrays[name] = wrapped
        arrays["bs_style"] = "lbs"
        return write_pickle(path, seed, 2, **arrays)
    finally:
        for name, module in known.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
