"""The modelled surface: skin, eyeballs, teeth and tongue in one vertex list, with the hair on it."""

from __future__ import annotations

import numpy as np

from . import eyes, lids, mesh, paint, strands, teeth
from .source import Source

BROW_HAIRS, UPPER_LASHES, LOWER_LASHES = 460, 95, 55  # on one side


class Surface:
    """Vertices, polygons and how offsets of the base mesh reach them.

    base: [B, 3] the modelled vertices; template: [V, 3] with the strands behind them.
    slices: where the parts lie in `base`. mirror: [V]. transfer: [B, source vertices], sparse.
    lid_rows: left lid vertex -> ring, counted from inside. skin: the first `count` vertices.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.eye_centre = source.group_vertices_mean("helper-l-eye")
        hidden, source_rows = mesh.eye_pocket(source)
        skin = mesh.crop_skin(source, hidden)
        self._join(
            {
                "skin": skin,
                "eyeball_l": eyes.eyeball(self.eye_centre, 1),
                "eyeball_r": eyes.eyeball(self.eye_centre * [-1, 1, 1], -1),
                "teeth_upper": self._teeth("upper", 0.0735, 0.1322),
                "teeth_lower": self._teeth("lower", 0.0752, 0.1292),
                "tongue": mesh.helper_part(source, "helper-tongue", "Tongue"),
            }
        )
        self.count = self.slices["skin"].stop
        self.skin = self.base[: self.count]
        self._link(skin)
        by_source = {next(iter(s)): i for i, s in enumerate(skin.sources) if len(s) == 1}
        self.lid_rows = {by_source[v]: r for v, r in source_rows.items() if v in by_source}
        self.triangles = np.array(
            [t for f in self.faces_of("Skin") for t in ([f[:3]] if len(f) == 3 else [f[:3], (f[0], *f[2:])])]
        )
        self.front = strands.SkinSurface(self.skin, self.triangles)
        self._add_strands()

    # -- making it --------------------------------------------------------------------------

    def _teeth(self, which: str, edge: float, front: float) -> mesh.Part:
        ids = self.source.group_vertices(f"helper-{which}-teeth")
        return teeth.row(which == "upper", edge, front, (ids, self.source.vertices[ids]))

    def _join(self, parts: dict[str, mesh.Part]) -> None:
        from scipy.sparse import csr_matrix

        self.slices, start = {}, 0
        for name, part in parts.items():
            self.slices[name] = slice(start, start + len(part.vertices))
            start += len(part.vertices)
        self.base = np.concatenate([p.vertices for p in parts.values()])
        self.faces, self.face_uvs, self.face_material, mirror = [], [], [], []
        rows, columns, values = [], [], []
        for name, part in parts.items():
            offset = self.slices[name].start
            self.faces += [tuple(v + offset for v in face) for face in part.faces]
            self.face_uvs += part.face_uvs
            self.face_material += part.face_material
            twin = {"eyeball_l": "eyeball_r", "eyeball_r": "eyeball_l"}.get(name, name)
            mirror.append(part.mirror + self.slices[twin].start)
            for i, combination in enumerate(part.sources):
                rows += [i + offset] * len(combination)
                columns += list(combination)
                values += list(combination.values())
        self.mirror = np.concatenate(mirror)
        self.transfer = csr_matrix((values, (rows, columns)), shape=(start, len(self.source.vertices)))

    def _link(self, skin: mesh.Part) -> None:
        """Averaging over neighbours, and the graph Laplacian that belongs to it."""
        from scipy.sparse import csr_matrix, diags

        n = self.count
        edges = {tuple(sorted((f[i], f[(i + 1) % len(f)]))) for f in skin.faces for i in range(len(f))}
        a, b = np.array(sorted(edges)).T
        links = csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n, n))
        self._average = diags(1.0 / np.asarray(links.sum(1)).ravel()) @ links
        self.laplacian = (diags(np.ones(n)) - self._average).tocsr()

    def _add_strands(self) -> None:
        """Brows and lashes: the left side is grown, the right side is its mirror image."""
        upper, lower = lids.lid_lines(self.skin, self.lid_rows, 3, self.eye_centre)
        left = [
            strands.eyebrow(self.front, paint.BROW_PATH, paint.BROW_THICKNESS, BROW_HAIRS),
            strands.lashes(self.skin[upper], upper, self.eye_centre, True, UPPER_LASHES),
            strands.lashes(self.skin[lower], lower, self.eye_centre, False, LOWER_LASHES),
        ]
        both = left + [group.mirrored(self.mirror) for group in left]
        self.strand_roots = np.concatenate([group.roots for group in both])
        self.strand_weights = np.concatenate([group.weights for group in both]).astype(np.float32)
        start, points, half = len(self.base), strands.POINTS_PER_STRAND, sum(len(g.roots) for g in left)
        faces = strands.faces(start, 2 * half)
        self.faces += faces
        self.face_uvs += [tuple((0.5, 0.25 * k) for k in range(len(f))) for f in faces]
        self.face_material += ["Hair"] * len(faces)
        index = np.arange(2 * half * points).reshape(2, half, points)
        self.mirror = np.concatenate([self.mirror, start + index[:, :, [1, 0, 3, 2, 4]][::-1].ravel()])
        names = np.repeat(["eyebrows", "lashes", "lashes"], [len(g.roots) for g in left])
        self.strand_name = np.repeat(np.tile(names, 2), points)
        hair = np.concatenate([group.vertices for group in both]).reshape(-1, 3)
        self.template = np.concatenate([self.base, hair]).astype(np.float32)

    # -- using it ---------------------------------------------------------------------------

    def faces_of(self, material: str) -> list[tuple[int, ...]]:
        """Polygons of one material."""
        return [f for f, m in zip(self.faces, self.face_material, strict=True) if m == material]

    def mirrored(self, offsets: np.ndarray) -> np.ndarray:
        """The same offsets [B, 3] on the other side."""
        return offsets[self.mirror[: len(self.base)]] * [-1, 1, 1]

    def smoothed(self, field: np.ndarray, rounds: int) -> np.ndarray:
        """A field [skin, ...] averaged over neighbours."""
        for _ in range(rounds):
            field = 0.5 * field + 0.5 * (self._average @ field)
        return field

    def mask(self, texture: str) -> np.ndarray:
        """[B] one of the painted masks of the base mesh."""
        return self.transfer @ self.source.mask(texture)
