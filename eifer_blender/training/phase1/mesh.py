"""A parametric head in torch: surfaces of a batch, every picture with its own identity, differentiable."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...heads.head import JOINTS, ParametricHead
from ...spaces import EXPRESSION, EYELIDS, JAW

_LEAST_ANGLE = 1e-6


class TorchHead:
    """Tensors of a head and their deformation, the equations of `heads.deform` (the neck stays still).

    With `vertices` (int array) only this part of the surface is made; `triangles` then count within it.
    The default head's joints do not move with expression; a head whose joints do raises ValueError.
    """

    def __init__(
        self, head: ParametricHead, vertices: np.ndarray | None = None, device: str | torch.device = "cpu"
    ) -> None:
        if head.joints_move:
            raise ValueError("the head's joints move with its expression")
        chosen = np.arange(len(head.template)) if vertices is None else np.asarray(vertices)
        number = np.full(len(head.template), -1)
        number[chosen] = np.arange(len(chosen))
        triangles = number[head.triangles]
        self.kept = (triangles >= 0).all(1)
        self.vertices = chosen
        self.device = torch.device(device)

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

        self.triangles = tensor(triangles[self.kept].astype(np.int64))
        self.template = tensor(head.template[chosen])
        self.identity = tensor(head.identity[:, chosen].reshape(len(head.identity), -1))
        self.expression = tensor(
            np.concatenate([head.expression, head.eyelids])[:, chosen].reshape(-1, 3 * len(chosen))
        )
        self.jaw_correctives = tensor(head.jaw_correctives[:, chosen].reshape(9, -1))
        self.weights = tensor(head.weights[chosen])
        self._joints = tensor((head.joint_regressor @ head.template).astype(np.float32))
        self._joint_identity = tensor(
            np.einsum("jv,iva->ija", head.joint_regressor, head.identity).astype(np.float32)
        )

    def shaped(self, identity: Tensor) -> Tensor:
        """[B, V, 3] metres: the resting surface of identities [B, <= I]."""
        offsets = identity @ self.identity[: identity.shape[1]]
        return self.template + offsets.reshape(len(identity), -1, 3)

    def surface(self, identity: Tensor, params: Tensor, gaze: Tensor | None = None) -> Tensor:
        """[B, V, 3] metres: surfaces of identities [B, <= I] with expressions [B, 55].

        gaze: [B, 2, 3] axis-angle of the left and the right eye, radians.
        """
        batch = len(params)
        movers = torch.cat([params[:, EXPRESSION], params[:, EYELIDS]], 1)
        jaw = rotation_matrix(params[:, JAW])
        entries = (jaw - torch.eye(3, device=params.device)).reshape(batch, 9)
        offsets = movers @ self.expression + entries @ self.jaw_correctives
        posed = self.shaped(identity) + offsets.reshape(batch, -1, 3)
        joints = self._joints + torch.einsum(
            "bi,ija->bja", identity, self._joint_identity[: identity.shape[1]]
        )
        moved = [("jaw", jaw)]
        if gaze is not None:
            moved += [("eye_l", rotation_matrix(gaze[:, 0])), ("eye_r", rotation_matrix(gaze[:, 1]))]
        result = posed
        for name, turn in moved:
            joint = JOINTS.index(name)
            arm = posed - joints[:, joint, None]
            result = result + self.weights[:, joint, None] * (arm @ turn.transpose(1, 2) - arm)
        return result


def rotation_matrix(axis_angle: Tensor) -> Tensor:
    """[..., 3, 3] of axis-angle [..., 3] in radians (Rodrigues' formula), differentiable at 0."""
    square = (axis_angle * axis_angle).sum(-1)[..., None, None]
    small = square < _LEAST_ANGLE
    safe = torch.where(small, torch.ones_like(square), square)
    angle = safe.sqrt()
    first = torch.where(small, 1 - square / 6, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / safe)
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return torch.eye(3, device=axis_angle.device) + first * cross + second * (cross @ cross)


def vertex_normals(points: Tensor, triangles: Tensor) -> Tensor:
    """[B, V, 3] unit normals of surfaces [B, V, 3], weighted by the areas of the triangles [F, 3]."""
    corners = points[:, triangles]
    faces = torch.linalg.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    total = torch.zeros_like(points)
    for k in range(3):
        total = total.index_add(1, triangles[:, k], faces)
    return torch.nn.functional.normalize(total, dim=-1, eps=1e-12)
