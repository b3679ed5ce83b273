"""A parametric head with FLAME's interface, and its deformation in NumPy.

Frame of this module: metres, y up, face towards +z, the subject's left is +x.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

JOINTS = ("root", "neck", "jaw", "eye_l", "eye_r")
PARENTS = (-1, 0, 1, 1, 1)
_STILL = 1e-6  # metres that a joint may move and still counts as fixed


@dataclass(frozen=True, eq=False)
class ParametricHead:
    """Template, bases, joints and the surface that Blender shows.

    V vertices, P polygons, L loops (polygon corners), I identity and E = 50 expression
    components. All float arrays are float32.
    """

    name: str
    space: str  # id of the expression space, see `spaces`
    hash: str  # SHA-256 over the geometry arrays: a model is bound to it
    template: np.ndarray  # [V, 3]
    polygon_sizes: np.ndarray  # int32 [P], 3 or 4
    loops: np.ndarray  # int32 [L], vertex of every polygon corner, counter-clockwise from outside
    uvs: np.ndarray  # [L, 2]
    materials: tuple[str, ...]  # names of the material slots
    polygon_material: np.ndarray  # int32 [P]
    identity: np.ndarray  # [I, V, 3], units of one standard deviation
    expression: np.ndarray  # [E, V, 3], units of one standard deviation
    eyelids: np.ndarray  # [2, V, 3] closing, left and right
    jaw_correctives: np.ndarray  # [9, V, 3], one per entry of (R_jaw - I), row-major
    arkit: np.ndarray  # [52, V, 3], in the order of `spaces.ARKIT_NAMES`
    joint_regressor: np.ndarray  # [5, V]; J = joint_regressor @ shaped vertices
    weights: np.ndarray  # [V, 5] skinning weights
    regions: dict[str, np.ndarray]  # name -> bool [V]: skin, brow, eyes, nose, mouth, chin, cheeks ...
    landmarks: dict[str, int]  # name -> vertex index
    mirror: np.ndarray  # int32 [V]: vertex on the other side
    tints: np.ndarray  # [V, 3] linear RGB surface colour
    # Joint -> [9, V, 3] as `jaw_correctives`, for the neck and the eyes where a head has them.
    other_correctives: dict[str, np.ndarray] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Of the same geometry; so a head can be the key of a cache."""
        return isinstance(other, ParametricHead) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    @property
    def correctives(self) -> dict[str, np.ndarray]:
        """Joint -> correctives [9, V, 3], the jaw's included."""
        return {"jaw": self.jaw_correctives, **self.other_correctives}

    @cached_property
    def joint_motion(self) -> np.ndarray:
        """float32 [E, 5, 3] metres that one standard deviation of each expression moves the joints."""
        return np.einsum("jv,eva->eja", self.joint_regressor, self.expression, optimize=True)

    @cached_property
    def joints_move(self) -> bool:
        """Whether expressions move the joints, as FLAME's do."""
        return bool(np.abs(self.joint_motion).max(initial=0.0) > _STILL)

    @property
    def triangles(self) -> np.ndarray:
        """int32 [F, 3]: polygons split into triangles (fan from the first corner)."""
        starts = np.concatenate(([0], np.cumsum(self.polygon_sizes)[:-1]))
        first = np.stack([self.loops[starts], self.loops[starts + 1], self.loops[starts + 2]], 1)
        quads = starts[self.polygon_sizes == 4]
        second = np.stack([self.loops[quads], self.loops[quads + 2], self.loops[quads + 3]], 1)
        return np.concatenate([first, second])
