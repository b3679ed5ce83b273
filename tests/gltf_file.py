"""Plays a GLB after the specification of glTF 2.0, without Blender: morph targets, skin and node animation.

Only what an exported head uses: linear samplers, one skinned mesh, float or sparse accessors.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Gltf:
    """An opened file."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, total = struct.unpack("<4sII", data[:12])
        assert (magic, version, total) == (b"glTF", 2, len(data))
        size = struct.unpack("<I", data[12:16])[0]
        self.tree = json.loads(data[20 : 20 + size])
        self.binary = data[28 + size :]
        self.parents = {c: k for k, n in enumerate(self.tree["nodes"]) for c in n.get("children", ())}

    def array(self, number: int) -> np.ndarray:
        """Values of an accessor, [count, width]."""
        accessor = self.tree["accessors"][number]
        width, count = _WIDTHS[accessor["type"]], accessor["count"]
        values = np.zeros((count, width))
        if "bufferView" in accessor:
            values = self._view(accessor, count, width).astype(np.float64)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            rows = self._view(sparse["indices"], sparse["count"], 1)[:, 0]
            values[rows] = self._view(sparse["values"] | {"componentType": 5126}, sparse["count"], width)
        return values

    def _view(self, part: dict, count: int, width: int) -> np.ndarray:
        view = self.tree["bufferViews"][part["bufferView"]]
        kind = np.dtype(_TYPES[part["componentType"]])
        start = view.get("byteOffset", 0) + part.get("byteOffset", 0)
        assert view.get("byteStride", kind.itemsize * width) == kind.itemsize * width
        return np.frombuffer(self.binary, kind, count * width, start).reshape(count, width)

    def times(self) -> tuple[float, float]:
        """Seconds of the first and the last key."""
        inputs = {s["input"] for a in self.tree["animations"] for s in a["samplers"]}
        ends = np.array([self.array(i)[[0, -1], 0] for i in inputs])
        return ends[:, 0].min(), ends[:, 1].max()

    def played(self, seconds: float) -> dict[tuple[int, str], np.ndarray]:
        """(node, property) -> value at a time."""
        found = {}
        for animation in self.tree["animations"]:
            for channel in animation["channels"]:
                sampler = animation["samplers"][channel["sampler"]]
                assert sampler.get("interpolation", "LINEAR") in {"LINEAR", "STEP"}
                time = self.array(sampler["input"])[:, 0]
                values = self.array(sampler["output"]).reshape(len(time), -1)
                row = np.interp(seconds, time, np.arange(len(time)))
                low = int(row)
                high = min(low + 1, len(time) - 1)
                value = values[low] + (row - low) * (values[high] - values[low])
                target = channel["target"]
                found[target["node"], target["path"]] = value
        return found

    def world(self, node: int, played: dict) -> np.ndarray:
        """[4, 4] of a node."""
        own = self.tree["nodes"][node]
        place = played.get((node, "translation"), np.array(own.get("translation", (0, 0, 0))))
        turn = played.get((node, "rotation"), np.array(own.get("rotation", (0, 0, 0, 1))))
        size = played.get((node, "scale"), np.array(own.get("scale", (1, 1, 1))))
        local = np.eye(4)
        local[:3, :3] = _rotation(turn) * size
        local[:3, 3] = place
        parent = self.parents.get(node)
        return local if parent is None else self.world(parent, played) @ local

    def vertices(self, seconds: float) -> np.ndarray:
        """[v, 3] in the world, y up, of the skinned mesh."""
        played = self.played(seconds)
        node = next(k for k, n in enumerate(self.tree["nodes"]) if "skin" in n)
        mesh = self.tree["meshes"][self.tree["nodes"][node]["mesh"]]
        skin = self.tree["skins"][self.tree["nodes"][node]["skin"]]
        rest = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = np.array([self.world(j, played) for j in skin["joints"]]) @ rest
        weights = played.get((node, "weights"), mesh.get("weights", []))
        parts = []
        for primitive in mesh["primitives"]:
            attributes = primitive["attributes"]
            points = self.array(attributes["POSITION"])
            for weight, target in zip(weights, primitive.get("targets", ()), strict=True):
                if weight:
                    points = points + weight * self.array(target["POSITION"])
            parts.append(_skinned(points, self._influences(attributes), joints))
        return np.concatenate(parts)

    def _influences(self, attributes: dict) -> list[tuple[np.ndarray, np.ndarray]]:
        sets = range(sum(name.startswith("JOINTS_") for name in attributes))
        return [
            (self.array(attributes[f"JOINTS_{k}"]).astype(int), self.array(attributes[f"WEIGHTS_{k}"]))
            for k in sets
        ]


def _skinned(points: np.ndarray, influences: list, joints: np.ndarray) -> np.ndarray:
    points = np.c_[points, np.ones(len(points))]
    matrices = sum(np.einsum("vk,vkij->vij", weight, joints[number]) for number, weight in influences)
    return np.einsum("vij,vj->vi", matrices, points)[:, :3]


def _rotation(turn: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_quat(turn).as_matrix()
