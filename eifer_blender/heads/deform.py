"""The head's surface from its parameters: FLAME's equations in NumPy.

    shaped = template + identity . beta
    joints = joint_regressor . (shaped + expression . psi)
    posed  = shaped + expression . psi + eyelids . lid + arkit . w + sum of correctives . vec(R_joint - I)
    vertex = linear blend skinning of posed about the joints

The eyelids act before skinning, as shape keys do. On the default head no expression moves a joint.
"""

from __future__ import annotations

import numpy as np

from ..spaces import EXPRESSION, EYELIDS, JAW
from .head import JOINTS, PARENTS, ParametricHead


def rotation_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """[..., 3] axis-angle in radians -> [..., 3, 3] (Rodrigues' formula)."""
    vector = np.asarray(axis_angle, dtype=np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    safe = np.where(angle < 1e-8, 1.0, angle)
    first = np.where(angle < 1e-8, 1.0, np.sin(safe) / safe)
    second = np.where(angle < 1e-8, 0.5, (1.0 - np.cos(safe)) / safe**2)
    return np.eye(3) + first * cross + second * (cross @ cross)


def jaw_rotation(params: np.ndarray) -> np.ndarray:
    """float64 [N, 3, 3]: the jaw's rotation in expression parameters [N, 55]."""
    return rotation_matrix(np.asarray(params)[:, JAW])


def joint_positions(head: ParametricHead, identity: np.ndarray | None = None) -> np.ndarray:
    """float64 [5, 3] metres: joints of the head, for identity coefficients [<= I] if given."""
    shaped = head.template.astype(np.float64)
    if identity is not None:
        shaped = shaped + np.tensordot(identity, head.identity[: len(identity)], 1)
    return head.joint_regressor.astype(np.float64) @ shaped


def deform(
    head: ParametricHead,
    params: np.ndarray,
    identity: np.ndarray | None = None,
    arkit: np.ndarray | None = None,
    neck: np.ndarray | None = None,
    eyes: np.ndarray | None = None,
) -> np.ndarray:
    """float32 [N, V, 3] metres: the surface for every frame.

    params: [N, 55] in the head's space. identity: [<= I] standard deviations. arkit: [N, 52] 0..1.
    neck: [N, 3] and eyes: [N, 2, 3] (left, right) axis-angle in radians.
    """
    params = np.asarray(params, dtype=np.float32)
    frames = len(params)
    shaped = head.template
    if identity is not None:
        weights = np.asarray(identity, dtype=np.float32)
        shaped = shaped + np.tensordot(weights, head.identity[: len(weights)], 1)
    posed = shaped + np.tensordot(params[:, EXPRESSION], head.expression, 1)
    posed += np.tensordot(params[:, EYELIDS], head.eyelids, 1)
    if arkit is not None:
        posed += np.tensordot(np.asarray(arkit, dtype=np.float32), head.arkit, 1)
    local = _local_rotations(frames, jaw_rotation(params), neck, eyes)
    for name, fields in head.correctives.items():
        entries = (local[:, JOINTS.index(name)] - np.eye(3)).reshape(frames, 9)
        used = np.flatnonzero(fields.any(axis=(1, 2)) & entries.any(0))
        posed += np.tensordot(entries[:, used].astype(np.float32), fields[used], 1)
    return _skin(head, posed, moved_joints(head, params, identity), local)


def moved_joints(head: ParametricHead, params: np.ndarray, identity: np.ndarray | None = None) -> np.ndarray:
    """float64 [N, 5, 3] metres: joints where identity and expression have them."""
    joints = np.broadcast_to(joint_positions(head, identity), (len(params), len(JOINTS), 3))
    if not head.joints_move:
        return joints
    return joints + np.tensordot(params[:, EXPRESSION].astype(np.float64), head.joint_motion, 1)


def _local_rotations(
    frames: int, jaw: np.ndarray, neck: np.ndarray | None, eyes: np.ndarray | None
) -> np.ndarray:
    local = np.broadcast_to(np.eye(3), (frames, len(JOINTS), 3, 3)).copy()
    local[:, JOINTS.index("jaw")] = jaw
    if neck is not None:
        local[:, JOINTS.index("neck")] = rotation_matrix(neck)
    if eyes is not None:
        local[:, JOINTS.index("eye_l") :] = rotation_matrix(eyes)
    return local


def _skin(head: ParametricHead, posed: np.ndarray, joints: np.ndarray, local: np.ndarray) -> np.ndarray:
    frames = len(posed)
    rotation = np.empty((frames, len(JOINTS), 3, 3))
    offset = np.empty((frames, len(JOINTS), 3))
    for joint, parent in enumerate(PARENTS):
        # x -> R (x - J) + J, then the parent's transform
        inner = joints[:, joint] - (local[:, joint] @ joints[:, joint, :, None])[..., 0]
        if parent < 0:
            rotation[:, joint], offset[:, joint] = local[:, joint], inner
        else:
            rotation[:, joint] = rotation[:, parent] @ local[:, joint]
            offset[:, joint] = (rotation[:, parent] @ inner[..., None])[..., 0] + offset[:, parent]
    result = np.zeros_like(posed)
    for joint in range(len(JOINTS)):
        moved = np.nonzero(head.weights[:, joint])[0]
        turned = posed[:, moved] @ rotation[:, joint].transpose(0, 2, 1).astype(np.float32)
        turned += offset[:, joint, None].astype(np.float32)
        result[:, moved] += head.weights[moved, joint, None] * turned
    return result
