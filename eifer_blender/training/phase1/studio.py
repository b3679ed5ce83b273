"""Photographs of simulated people: scenes in, pictures and what is true of them out.

A deferred renderer in torch on `rasteriser`: finer than the picture, one key light with a shadow map, an
ambient light that varies with direction and is occluded in hollows, skin, hair, eyes, teeth, electrodes,
cables and tape. It is made to be varied and quick, not to be photographic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...heads.default import load_default_head
from ...reconstruction.face_view import MIDDLE
from . import gear as gear_of
from .electrodes import layouts
from .mesh import TorchHead, rotation_matrix, vertex_normals
from .networks import MARKS
from .rasteriser import Hits, rasterise
from .scenes import Scene
from .skin import SkinMaps, noise_of, skin_colour

FINE = 1.5  # samples a side of a pixel
_SHADOW_SIZE = 160
_SHADOW_REACH = 0.21  # metres around the head's middle
_SHADOW_BIAS = 0.005
CROP_FACTOR = 1.10  # side of the picture, of the larger side of the face's box
_TURNS = 24  # directions that hollows are found from
_MATERIALS = ("Skin", "Sclera", "Iris", "Teeth", "Gums", "Tongue", "Hair")
_GEAR, _PLUG = 20, 21
_SPECULAR = {"Skin": (0.05, 22.0), "Sclera": (0.5, 160.0), "Iris": (0.6, 200.0), "Teeth": (0.25, 60.0),
             "Gums": (0.15, 40.0), "Tongue": (0.12, 25.0), "Hair": (0.02, 12.0)}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What is true of a batch of pictures; positions are in halves of the picture's side, x right, y down."""

    params: Tensor  # [B, 55]
    identity: Tensor  # [B, 50]
    rotation: Tensor  # [B, 3] axis-angle in the picture
    camera: Tensor  # [B, 3] scale (halves of the side per metre) and shift of the scaled orthographic view
    points: Tensor  # [B, P, 2] positions of `Studio.marks`


@dataclass(frozen=True)
class Photographs:
    """Pictures and what is true of them."""

    images: Tensor  # float32 [B, 3, size, size] sRGB 0..1
    covered: Tensor  # float32 [B, 1, size, size] share of a pixel that electrodes, cables and tape hide
    face: Tensor  # float32 [B, 1, size, size] share of a pixel that shows the head
    truth: Truth


class Studio:
    """Renders scenes of the default head; make one and keep it."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        head = load_default_head()
        materials = np.array(head.materials)[_triangle_material(head)]
        self.device = torch.device(device)
        self.head = TorchHead(head, device=device)
        keep = torch.from_numpy(materials != "Cornea").to(self.device)
        self._triangles = self.head.triangles[keep]
        names = materials[materials != "Cornea"]
        number = {name: i for i, name in enumerate(_MATERIALS)}
        self._material = torch.tensor([number.get(n, 0) for n in names], device=self.device)
        self._specular = torch.tensor([_SPECULAR[n] for n in _MATERIALS], device=self.device)
        self._maps = SkinMaps.of(head, self.device)
        self._strands = torch.from_numpy(names == "Hair").to(self.device)
        skin = head.regions["skin"]
        x = head.template
        self._box = torch.from_numpy(
            np.flatnonzero(skin & (x[:, 2] > 0.055) & (x[:, 1] > 0.035) & (x[:, 1] < 0.205))
        ).to(self.device)
        self.marks = mark_vertices(head)
        self._marks = torch.from_numpy(self.marks).to(self.device)
        self._plug = torch.tensor(
            [(-0.024, 0.045, 0.098), (0.024, 0.045, 0.098), (0.024, 0.088, 0.104), (-0.024, 0.088, 0.104)],
            device=self.device,
        )
        self._hollows = _hollows(self.head.template, self._triangles[self._material == 0])

    @torch.no_grad()
    def photograph(self, scenes: Sequence[Scene], size: int = 128) -> Photographs:
        """Pictures of scenes; all of them with electrodes, or none."""
        dressed = [s.session is not None for s in scenes]
        if len(set(dressed)) > 1:
            raise ValueError("photograph scenes with electrodes apart from those without")
        identity, params, gaze, turn = (
            self._tensor([getattr(s, name) for s in scenes])
            for name in ("identity", "params", "gaze", "rotation")
        )
        surface = self.head.surface(identity, params, gaze)
        normals = vertex_normals(surface, self.head.triangles)
        gear = None
        if dressed[0]:
            gear = gear_of.wear([s.session for s in scenes], [s.unseen for s in scenes], surface, normals)
        rotation = rotation_matrix(turn)
        middle = torch.tensor(MIDDLE, device=self.device)
        model = _Model.of(self, surface, normals, gear)
        seen = (model.points - middle) @ rotation.transpose(1, 2)
        facing = model.normals @ rotation.transpose(1, 2)
        flat, scale = self._project(scenes, seen)
        side = round(size * FINE)
        hits = rasterise(flat * torch.tensor([side / 2, side / 2, 1.0], device=self.device)
                         + torch.tensor([side / 2, side / 2, 0.0], device=self.device),
                         model.triangles, (side, side), two_sided=model.two_sided)  # fmt: skip
        colour, covered = self._shade(scenes, model, hits, seen, facing, gear)
        exposure = self._tensor([s.light.exposure for s in scenes])[:, None, None, None]
        backdrop = torch.cat([_backdrop(s.backdrop, side, self.device) for s in scenes])
        fine = hits.as_picture(colour, backdrop) * exposure
        mask = hits.as_picture(covered[:, None])
        face = hits.as_picture(torch.ones_like(covered[:, None]))
        images = _shrink(fine.clamp(0, 4), size)
        images = _develop(images, scenes)
        truth = self._truth(scenes, identity, params, rotation, surface, flat, scale)
        return Photographs(images, _shrink(mask, size), _shrink(face, size), truth)

    # --- geometry -----------------------------------------------------------------------------

    def _project(self, scenes: Sequence[Scene], seen: Tensor) -> tuple[Tensor, Tensor]:
        """([B, V, 3] positions in halves of the side and nearness, [B] scale at the head's middle)."""
        distance = self._tensor([s.distance for s in scenes])[:, None]
        crop = self._tensor([s.crop for s in scenes])
        near = 1.0 / (distance - seen[..., 2])
        xy = torch.stack([seen[..., 0], -seen[..., 1]], -1) * (near * distance)[..., None]
        c, s = crop[:, 3].cos(), crop[:, 3].sin()
        roll = torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)
        xy = xy @ roll.transpose(1, 2)
        box = xy[:, self._box]
        low, high = box.amin(1), box.amax(1)
        half = (high - low).amax(1) * CROP_FACTOR * crop[:, 2] / 2
        centre = (low + high) / 2 + crop[:, :2] * 2 * half[:, None]
        xy = (xy - centre[:, None]) / half[:, None, None]
        return torch.cat([xy, near[..., None]], -1), 1.0 / half

    def _truth(
        self,
        scenes: Sequence[Scene],
        identity: Tensor,
        params: Tensor,
        rotation: Tensor,
        surface: Tensor,
        flat: Tensor,
        scale: Tensor,
    ) -> Truth:
        crop = self._tensor([s.crop for s in scenes])
        zero = torch.zeros_like(crop[:, 3])
        # The picture's y points down: a turn of the picture is the opposite turn of the head.
        whole = rotation_matrix(torch.stack([zero, zero, -crop[:, 3]], 1)) @ rotation
        middle = torch.tensor(MIDDLE, device=self.device)
        turned = (surface[:, self._marks] - middle) @ whole.transpose(1, 2)
        own = torch.stack([turned[..., 0], -turned[..., 1]], -1)
        points = flat[:, self._marks, :2]
        a, b = own - own.mean(1, keepdim=True), points - points.mean(1, keepdim=True)
        fitted = (a * b).sum((1, 2)) / (a * a).sum((1, 2))
        shift = points.mean(1) - fitted[:, None] * own.mean(1)
        camera = torch.cat([fitted[:, None], shift], 1)
        return Truth(params, identity, axis_angle(whole), camera, points)

    # --- light --------------------------------------------------------------------------------

    def _shade(
        self,
        scenes: Sequence[Scene],
        model: _Model,
        hits: Hits,
        seen: Tensor,
        facing: Tensor,
        gear: gear_of.Gear | None,
    ) -> tuple[Tensor, Tensor]:
        """(linear RGB [K, 3], share hidden by electrodes [K])."""
        picture = hits.picture
        template = hits.of_vertices(model.template)
        normal = functional.normalize(hits.of_vertices(facing), dim=-1)
        at = hits.of_vertices(seen)
        material = model.material[hits.triangle]
        albedo, gloss, power = self._surface(scenes, model, hits, template, material)
        covered = (material == _GEAR).to(albedo.dtype)
        if gear is not None:
            albedo, covered = _tape(scenes, picture, template, material, albedo, covered, self)
        open_sky = hits.of_vertices(model.hollow)[:, 0]
        light = [s.light for s in scenes]
        ambient = self._each([one.ambient for one in light], picture)
        gradient = self._each([one.gradient for one in light], picture)
        around = (ambient + _matvec(gradient, normal)).clamp(min=0.02) * open_sky[:, None]
        key = self._tensor([one.key for one in light])
        own_key = self._each(key, picture)
        soft = self._each([one.key_softness for one in light], picture)
        falls = ((normal * own_key).sum(1) + soft) / (1 + soft)
        lit = self._lit(model, seen, at, key, picture)
        key_colour = self._each([one.key_colour for one in light], picture)
        rim = self._each([one.rim for one in light], picture)
        rim_colour = self._each([one.rim_colour for one in light], picture)
        direct = key_colour * (falls.clamp(min=0) * lit)[:, None]
        edge = rim_colour * (normal * rim).sum(1).clamp(min=0)[:, None] * open_sky[:, None]
        # Light that has gone through skin is red where the shadow begins.
        bleed = ((falls.clamp(min=-0.3) + 0.3) / 1.3).clamp(0, 1) * (1 - falls.clamp(0, 1)) * (material == 0)
        red = torch.tensor([0.10, 0.02, 0.01], device=self.device) * bleed[:, None] * key_colour
        half = functional.normalize(own_key + torch.tensor([0.0, 0.0, 1.0], device=self.device), dim=-1)
        glance = (normal * half).sum(1).clamp(min=0) ** power * gloss * lit
        edge_on = (1 - normal[:, 2].clamp(0, 1)) ** 4 * 0.25 * gloss
        shine = key_colour * glance[:, None] + around * edge_on[:, None]
        return albedo * (around + direct + edge + red) + shine, covered

    def _surface(
        self, scenes: Sequence[Scene], model: _Model, hits: Hits, template: Tensor, material: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(reflectance [K, 3], gloss [K], sharpness of highlights [K])."""
        picture = hits.picture
        noise = noise_of([s.look.texture for s in scenes], picture, template)
        marks = hits.of_vertices(model.maps)
        albedo = skin_colour([s.look for s in scenes], picture, template, marks, noise)
        known = material.clamp(max=len(_MATERIALS) - 1)
        gloss, power = self._specular[known].unbind(1)
        own = self._each([s.look.gloss for s in scenes], picture)
        gloss = torch.where(material == 0, gloss * own * (1 + noise[:, 2] * 0.5), gloss)
        tint = marks[:, :3]
        for name, colour in (("Sclera", (0.68, 0.64, 0.60)), ("Teeth", (0.68, 0.62, 0.50)),
                             ("Gums", (0.42, 0.14, 0.13)), ("Tongue", (0.42, 0.13, 0.12))):  # fmt: skip
            mine = material == _MATERIALS.index(name)
            albedo = torch.where(mine[:, None], torch.tensor(colour, device=self.device), albedo)
        iris = self._each([s.look.iris for s in scenes], picture)
        bright = (tint.mean(1, keepdim=True) / 0.12).clamp(0.02, 1.4)
        albedo = torch.where((material == _MATERIALS.index("Iris"))[:, None], iris * bright, albedo)
        hair = self._each([s.look.hair for s in scenes], picture)
        dense = self._each([s.look.brows for s in scenes], picture)
        dense = torch.where(marks[:, 7] > 0.5, dense, torch.ones_like(dense))[:, None]  # lashes are dark
        strand = material == _MATERIALS.index("Hair")
        albedo = torch.where(strand[:, None], albedo + (hair - albedo) * dense, albedo)
        plug = torch.tensor([0.03, 0.006, 0.006], device=self.device)
        albedo = torch.where((material == _PLUG)[:, None], plug, albedo)
        if model.gear_colour is not None:
            worn = material == _GEAR
            extra = hits.of_vertices(model.gear_colour)
            clear = extra[:, 4:5]
            base = self._each([s.look.skin for s in scenes], picture)
            albedo = torch.where(worn[:, None], base + (extra[:, :3] - base) * clear, albedo)
            gloss = torch.where(worn, 0.35 * extra[:, 3], gloss)
            power = torch.where(worn, torch.full_like(power, 45.0), power)
        return albedo.clamp(0.002, 0.95), gloss, power

    def _lit(self, model: _Model, seen: Tensor, at: Tensor, key: Tensor, picture: Tensor) -> Tensor:
        """[K] share of the key light that arrives."""
        up = torch.tensor([0.0, 1.0, 0.13], device=self.device).expand_as(key)
        aside = functional.normalize(torch.linalg.cross(up, key), dim=-1)
        frame = torch.stack([aside, torch.linalg.cross(key, aside), key], 1)  # rows
        moved = seen @ frame.transpose(1, 2)
        pixels = _SHADOW_SIZE / (2 * _SHADOW_REACH)
        flat = torch.stack(
            [moved[..., 0] * pixels + _SHADOW_SIZE / 2, -moved[..., 1] * pixels + _SHADOW_SIZE / 2,
             moved[..., 2]], -1
        )  # fmt: skip
        hits = rasterise(flat, model.triangles, (_SHADOW_SIZE, _SHADOW_SIZE))
        depth = hits.as_picture(hits.of_vertices(moved[..., 2:]), -10.0)
        mine = at @ frame[0].T if len(frame) == 1 else (frame[picture] @ at[..., None])[..., 0]
        x = mine[:, 0] * pixels + _SHADOW_SIZE / 2 - 0.5
        y = -mine[:, 1] * pixels + _SHADOW_SIZE / 2 - 0.5
        column, row = x.floor(), y.floor()
        fx, fy = x - column, y - row
        total = torch.zeros_like(fx)
        flat_depth = depth.reshape(-1)
        for dx in (0, 1):
            for dy in (0, 1):
                i = (column + dx).clamp(0, _SHADOW_SIZE - 1).long()
                k = (row + dy).clamp(0, _SHADOW_SIZE - 1).long()
                nearest = flat_depth[(picture * _SHADOW_SIZE + k) * _SHADOW_SIZE + i]
                share = (fx if dx else 1 - fx) * (fy if dy else 1 - fy)
                total = total + share * (nearest < mine[:, 2] + _SHADOW_BIAS)
        return total

    def _tensor(self, values: Sequence) -> Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(self.device)

    def _each(self, values: Sequence, picture: Tensor) -> Tensor:
        """What belongs to a picture, at its pixels: [K, ...], or [1, ...] if there is one picture only."""
        values = values if isinstance(values, Tensor) else self._tensor(values)
        return values if len(values) == 1 else values[picture]


@dataclass(frozen=True)
class _Model:
    """Head, plug of the mouth and electrodes as one surface."""

    points: Tensor  # [B, V, 3]
    normals: Tensor
    triangles: Tensor  # [F, 3]
    material: Tensor  # [F]
    two_sided: Tensor  # bool [F]
    template: Tensor  # [V, 3]
    maps: Tensor  # [V, M]
    hollow: Tensor  # [V, 1]
    gear_colour: Tensor | None  # [B, V, 5]

    @classmethod
    def of(cls, studio: Studio, surface: Tensor, normals: Tensor, gear: gear_of.Gear | None) -> _Model:
        batch, count = surface.shape[:2]
        device = surface.device
        plug = studio._plug.expand(batch, -1, -1)
        front = torch.tensor([0.0, 0.0, 1.0], device=device).expand(batch, 4, 3)
        points, turned = [surface, plug], [normals, front]
        triangles = [studio._triangles, torch.tensor([[0, 1, 2], [0, 2, 3]], device=device) + count]
        material = [studio._material, torch.full((2,), _PLUG, device=device)]
        two_sided = [studio._strands, torch.zeros(2, dtype=torch.bool, device=device)]
        extra = 4
        gear_colour = None
        if gear is not None:
            points.append(gear.points)
            turned.append(gear.normals)
            triangles.append(gear.triangles + count + 4)
            material.append(torch.full((len(gear.triangles),), _GEAR, device=device))
            two_sided.append(torch.zeros(len(gear.triangles), dtype=torch.bool, device=device))
            extra += gear.points.shape[1]
            own = torch.cat([gear.colours, gear.gloss[..., None], gear.opaque[..., None]], -1)
            gear_colour = torch.cat([torch.zeros(batch, count + 4, 5, device=device), own], 1)
        head = studio.head

        def more(values: Tensor, fill: float) -> Tensor:
            return torch.cat([values, torch.full((extra, values.shape[1]), fill, device=device)])

        return cls(
            torch.cat(points, 1), torch.cat(turned, 1), torch.cat(triangles), torch.cat(material),
            torch.cat(two_sided), more(head.template, 9.0), more(studio._maps.values, 0.0),
            more(studio._hollows, 0.9), gear_colour,
        )  # fmt: skip


def mark_vertices(head: object, count: int = MARKS) -> np.ndarray:
    """int64 [P]: the head's landmarks and points spread evenly over the face, whose positions are truth."""
    landmarks = np.array(list(head.landmarks.values()))
    x = head.template
    face = np.flatnonzero(head.regions["skin"] & (x[:, 2] > 0.075) & (x[:, 1] > 0.035) & (x[:, 1] < 0.20))
    chosen = list(landmarks)
    distance = np.linalg.norm(x[face][:, None] - x[landmarks][None], axis=-1).min(1)
    while len(chosen) < count:  # always the point that is farthest from all chosen ones
        vertex = face[distance.argmax()]
        chosen.append(vertex)
        distance = np.minimum(distance, np.linalg.norm(x[face] - x[vertex], axis=1))
    return np.array(chosen, dtype=np.int64)


def axis_angle(rotation: Tensor) -> Tensor:
    """[B, 3] axis-angle of rotations [B, 3, 3] by less than half a turn."""
    trace = rotation.diagonal(dim1=1, dim2=2).sum(1)
    angle = ((trace - 1) / 2).clamp(-1, 1).acos()
    vector = torch.stack(
        [rotation[:, 2, 1] - rotation[:, 1, 2], rotation[:, 0, 2] - rotation[:, 2, 0],
         rotation[:, 1, 0] - rotation[:, 0, 1]], 1
    )  # fmt: skip
    sine = angle.sin()
    factor = torch.where(sine.abs() < 1e-5, torch.full_like(sine, 0.5), angle / (2 * sine.clamp(min=1e-8)))
    return vector * factor[:, None]


def uncovered(scenes: Sequence[Scene]) -> list[Scene]:
    """The same scenes without electrodes."""
    return [replace(s, session=None) for s in scenes]


def _matvec(matrices: Tensor, vectors: Tensor) -> Tensor:
    """[K, ..., n] of matrices [K or 1, ..., n, 3] and vectors [K, ..., 3], not as tiny products."""
    return (matrices * vectors[..., None, :]).sum(-1)


def _triangle_material(head: object) -> np.ndarray:
    quads = head.polygon_sizes == 4
    return np.concatenate([head.polygon_material, head.polygon_material[quads]])


def _hollows(template: Tensor, triangles: Tensor) -> Tensor:
    """[V, 1] 0..1: how much of the surroundings a vertex of the resting head sees."""
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(_TURNS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    direction = torch.from_numpy(directions.astype(np.float32)).to(template.device)
    normal = vertex_normals(template[None], triangles)[0]
    middle = torch.tensor(MIDDLE, device=template.device)
    total, most = torch.zeros(len(template), device=template.device), 0.0
    size, pixels = 192, 192 / 0.42
    for d in direction:
        aside = functional.normalize(
            torch.linalg.cross(torch.tensor([0.3, 1.0, 0.2], device=d.device), d), dim=0
        )
        frame = torch.stack([aside, torch.linalg.cross(d, aside), d])
        moved = (template - middle) @ frame.T
        flat = torch.stack(
            [moved[:, 0] * pixels + size / 2, -moved[:, 1] * pixels + size / 2, moved[:, 2]], 1
        )
        hits = rasterise(flat[None], triangles, (size, size))
        depth = hits.as_picture(hits.of_vertices(moved[None, :, 2:]), -10.0)[0, 0]
        i = flat[:, 0].long().clamp(0, size - 1)
        k = flat[:, 1].long().clamp(0, size - 1)
        falls = (normal @ d).clamp(min=0)
        total = total + falls * (depth[k, i] < moved[:, 2] + 0.006)
        most = most + falls
    seen = total / torch.as_tensor(most).clamp(min=1e-3)
    seen = torch.where(normal.norm(dim=1) > 0.5, seen, torch.full_like(seen, 0.75))
    return (0.25 + 0.75 * seen.clamp(0, 1))[:, None]


def _tape(
    scenes: Sequence[Scene],
    picture: Tensor,
    template: Tensor,
    material: Tensor,
    albedo: Tensor,
    covered: Tensor,
    studio: Studio,
) -> tuple[Tensor, Tensor]:
    """Strips of tape over the skin."""
    centres, axes, sizes = [], [], []
    for s in scenes:
        layout = layouts(s.unseen)
        corner = layout.triangles[s.session.variant]
        base = studio.head.template.cpu().numpy()
        place = (base[corner] * layout.weights[s.session.variant][..., None]).sum(1)
        which = s.session.tapes[:, 0].astype(int)
        edge = base[corner[which]]
        out = np.cross(edge[:, 1] - edge[:, 0], edge[:, 2] - edge[:, 0])
        out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-12
        along = np.stack([np.cos(s.session.tapes[:, 1]), np.sin(s.session.tapes[:, 1]), 0 * which], 1)
        along -= (along * out).sum(1, keepdims=True) * out
        along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
        centres.append(place[which])
        axes.append(np.stack([along, np.cross(out, along), out], 1))
        sizes.append(s.session.tapes[:, 2:])
    centre, axis, half = (studio._each(v, picture) for v in (centres, axes, sizes))
    worn = torch.zeros_like(material, dtype=torch.bool)
    for k in range(half.shape[1]):
        if (half[:, k, 0] < 0).all():
            continue
        local = _matvec(axis[:, k], template - centre[:, k]).abs()
        worn |= (local[:, 0] < half[:, k, 0]) & (local[:, 1] < half[:, k, 1]) & (local[:, 2] < 0.015)
    worn &= material == 0
    opacity = studio._each([s.session.tape_opacity for s in scenes], picture) * worn
    colour = studio._each([s.session.tape_colour for s in scenes], picture)
    return albedo + (colour - albedo) * opacity[:, None], torch.maximum(covered, worn.to(covered.dtype))


def _backdrop(seed: int, side: int, device: torch.device) -> Tensor:
    """[1, 3, side, side] linear RGB: a wall, blurred things before it, a shoulder."""
    rng = np.random.default_rng(seed)
    base = np.exp(rng.uniform(np.log(0.03), np.log(0.8))) * np.exp(rng.normal(0, 0.15, 3))
    detail = int(rng.choice([2, 4, 8, 16]))
    grid = rng.normal(0, rng.uniform(0.02, 0.7), (1, detail, detail)) + rng.normal(
        0, 0.08, (3, detail, detail)
    )
    grid = base[:, None, None] * np.exp(grid)
    small = torch.from_numpy(grid.astype(np.float32))[None].to(device)
    wall = functional.interpolate(small, (side, side), mode="bicubic", align_corners=False).clamp(0, 1.5)
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side, device=device),) * 2, indexing="ij")
    top, wide = rng.uniform(0.7, 1.05), rng.uniform(0.6, 1.1)
    shoulder = ((x / wide).abs() ** 2.5 * 0.35 + top - y) * 30
    cloth = np.exp(rng.uniform(np.log(0.02), np.log(0.7))) * np.exp(rng.normal(0, 0.4, 3))
    there = torch.sigmoid(-shoulder)
    return wall + (torch.from_numpy(cloth.astype(np.float32)).to(device)[None, :, None, None] - wall) * there


def _shrink(fine: Tensor, size: int) -> Tensor:
    return functional.interpolate(fine, (size, size), mode="bilinear", antialias=True, align_corners=False)


def _develop(linear: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """sRGB pictures of linear ones: contrast, blur, the sensor's grain."""
    image = torch.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055
    )
    image = image / (1 + 0.25 * image) * 1.25  # highlights roll off
    device = linear.device
    result = []
    for one, scene in zip(image, scenes, strict=True):
        one = (one - 0.5) * scene.light.contrast + 0.5
        if scene.blur > 0.05:
            reach = torch.arange(-2, 3, device=device)
            kernel = torch.exp(-0.5 * (reach / scene.blur) ** 2)
            kernel = (kernel / kernel.sum()).expand(3, 1, 1, 5)
            one = functional.conv2d(one[None], kernel, padding=(0, 2), groups=3)
            one = functional.conv2d(one, kernel.transpose(2, 3), padding=(2, 0), groups=3)[0]
        generator = torch.Generator().manual_seed(scene.noise)
        one = one + torch.randn(one.shape, generator=generator).to(device) * scene.grain
        result.append(one.clamp(0, 1))
    return torch.stack(result)
