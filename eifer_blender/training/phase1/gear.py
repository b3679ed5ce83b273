"""Surfaces of electrodes and cables on a batch of faces, in torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .electrodes import BANDS, CABLE_POINTS, SEGMENTS, Session, layouts

# The skull that cables run around, an ellipsoid about the default head: centre and radii in metres.
_SKULL_CENTRE = (0.0, 0.125, 0.045)
_SKULL_RADII = (0.083, 0.128, 0.112)


@dataclass(frozen=True)
class Gear:
    """Everything on the skin, as vertices to append to a head's."""

    points: Tensor  # [B, G, 3]
    normals: Tensor  # [B, G, 3]
    colours: Tensor  # [B, G, 3] linear RGB
    gloss: Tensor  # [B, G]
    triangles: Tensor  # int64 [F, 3]
    opaque: Tensor  # [B, G] 1, less where a collar is translucent
    centres: Tensor  # [B, k, 3]


def wear(sessions: Sequence[Session], unseen: Sequence[bool], skin: Tensor, normals: Tensor) -> Gear:
    """The electrodes of sessions on surfaces [B, V, 3] with their normals; unseen: whose layouts are used."""
    device = skin.device
    chosen = [layouts(bool(u)) for u in unseen]
    corners = _tensor([c.triangles[s.variant] for c, s in zip(chosen, sessions, strict=True)], device)
    weights = _tensor([c.weights[s.variant] for c, s in zip(chosen, sessions, strict=True)], device)
    batch = torch.arange(len(skin), device=device)[:, None, None]
    centre = (skin[batch, corners] * weights[..., None]).sum(2)
    out = torch.nn.functional.normalize((normals[batch, corners] * weights[..., None]).sum(2), dim=-1)
    discs = _discs(sessions, centre, out)
    cables = _cables(sessions, centre, out)
    shift = discs[0].shape[1]
    parts = [torch.cat([a, b], 1) for a, b in zip(discs[:5], cables[:5], strict=True)]
    triangles = torch.cat([discs[5], cables[5] + shift])
    points, turned, colours, gloss, opaque = parts
    return Gear(points, turned, colours, gloss[..., 0], triangles, opaque[..., 0], centre)


def _discs(sessions: Sequence[Session], centre: Tensor, out: Tensor) -> tuple[Tensor, ...]:
    """(points, normals, colours, gloss, opacity, triangles) of the discs."""
    device, (batch, count) = centre.device, centre.shape[:2]
    aside = torch.linalg.cross(out, torch.tensor([0.0, 1.0, 0.02], device=device).expand_as(out))
    aside = torch.nn.functional.normalize(aside, dim=-1)
    ahead = torch.linalg.cross(out, aside)
    present = _tensor([s.present for s in sessions], device).float()
    radius = _tensor([s.radius for s in sessions], device) * present
    height = _tensor([s.height for s in sessions], device) * present
    collar = _tensor([s.collar for s in sessions], device) * present
    angle = torch.arange(SEGMENTS, device=device) * (2 * torch.pi / SEGMENTS)
    ring = torch.stack([angle.cos(), angle.sin()], 1)  # [S, 2]
    spoke = ring[:, 0, None] * aside[:, :, None] + ring[:, 1, None] * ahead[:, :, None]  # [B, k, S, 3]
    points, normals, colours, gloss, opaque = [], [], [], [], []
    for (r0, h0), (r1, h1), part in BANDS:
        rise, run = (h1 - h0) * height, (r1 - r0) * radius
        if part == "collar":
            run = collar - r0 * radius
        lean = torch.stack([-rise, run.abs() + 1e-9], -1)
        lean = torch.nn.functional.normalize(lean, dim=-1)[:, :, None]  # outwards, upwards
        normal = lean[..., :1] * spoke + lean[..., 1:] * out[:, :, None]
        colour = _tensor([s.colours[part] for s in sessions], device)[:, :, None]
        shine = torch.tensor([s.gloss * (0.2 if part == "collar" else 1.0) for s in sessions], device=device)
        clear = torch.tensor([s.collar_opacity if part == "collar" else 1.0 for s in sessions], device=device)
        for r, h in (
            (r0 * radius, h0 * height),
            ((collar if part == "collar" else r1 * radius), h1 * height),
        ):
            points.append(
                centre[:, :, None] + r[..., None, None] * spoke + h[..., None, None] * out[:, :, None]
            )
            normals.append(normal)
            colours.append(colour.expand(-1, -1, SEGMENTS, -1))
            gloss.append(shine[:, None, None, None].expand(-1, count, SEGMENTS, 1))
            opaque.append(clear[:, None, None, None].expand(-1, count, SEGMENTS, 1))
    rings = len(points)
    joined = [torch.stack(x, 2).reshape(batch, count * rings * SEGMENTS, -1) for x in
              (points, normals, colours, gloss, opaque)]  # fmt: skip
    return (*joined, _disc_triangles(count, rings, device))


def _disc_triangles(count: int, rings: int, device: torch.device) -> Tensor:
    s = np.arange(SEGMENTS)
    t = (s + 1) % SEGMENTS
    one = []
    for band in range(rings // 2):
        inner, outer = 2 * band * SEGMENTS, (2 * band + 1) * SEGMENTS
        one += [
            np.stack([inner + s, outer + s, outer + t], 1),
            np.stack([inner + s, outer + t, inner + t], 1),
        ]
    every = np.concatenate(one)[None] + (np.arange(count) * rings * SEGMENTS)[:, None, None]
    return torch.from_numpy(every.reshape(-1, 3)).to(device)


def _cables(sessions: Sequence[Session], centre: Tensor, out: Tensor) -> tuple[Tensor, ...]:
    """(points, normals, colours, gloss, opacity, triangles): tubes of three sides around the skull."""
    device, (batch, count) = centre.device, centre.shape[:2]
    height = _tensor([s.height for s in sessions], device)[..., None]
    start = centre + out * height * 1.1
    end = _tensor([s.cable_end for s in sessions], device)
    sag = _tensor([s.cable_sag for s in sessions], device)[..., None]
    t = torch.linspace(0, 1, CABLE_POINTS, device=device)[:, None]
    lifted = start + out * sag
    way = (1 - t) ** 2 * start[:, :, None] + 2 * t * (1 - t) * lifted[:, :, None] + t**2 * end[:, :, None]
    way = _outside_skull(way, 1.02 + 4.0 * sag[:, :, None] * t.clamp(max=0.5))
    along = torch.nn.functional.normalize(
        way.diff(dim=2, append=2 * way[:, :, -1:] - way[:, :, -2:-1]), dim=-1
    )
    there = torch.tensor(_SKULL_CENTRE, device=device)
    up = torch.nn.functional.normalize(way - there, dim=-1)
    aside = torch.nn.functional.normalize(torch.linalg.cross(along, up), dim=-1)
    up = torch.linalg.cross(aside, along)
    worn = _tensor([s.wired & s.present for s in sessions], device).float()
    thick = torch.tensor([s.cable_radius for s in sessions], device=device)[:, None] * worn
    points, normals = [], []
    for angle in (0.5, 0.5 + 2 / 3, 0.5 + 4 / 3):
        normal = float(np.cos(angle * np.pi)) * aside + float(np.sin(angle * np.pi)) * up
        points.append(way + thick[..., None, None] * normal)
        normals.append(normal)
    colour = _tensor([s.cable_colour for s in sessions], device)[:, :, None, None]
    joined = [torch.stack(x, 3).reshape(batch, -1, 3) for x in (points, normals)]
    total = joined[0].shape[1]
    colours = colour.expand(-1, -1, CABLE_POINTS, 3, -1).reshape(batch, total, 3)
    ones = torch.ones(batch, total, 1, device=device)
    p = np.arange(CABLE_POINTS - 1)
    one = []
    for side in range(3):
        a, b = 3 * p + side, 3 * p + (side + 1) % 3
        one += [np.stack([a, b, b + 3], 1), np.stack([a, b + 3, a + 3], 1)]
    every = np.concatenate(one)[None] + (np.arange(count) * CABLE_POINTS * 3)[:, None, None]
    triangles = torch.from_numpy(every.reshape(-1, 3)).to(device)
    return (*joined, colours, 0.3 * ones, ones, triangles)


def _outside_skull(points: Tensor, factor: Tensor) -> Tensor:
    """Points [..., 3] pushed out of the ellipsoid that stands for the head, made larger by a factor."""
    centre = torch.tensor(_SKULL_CENTRE, device=points.device)
    radii = torch.tensor(_SKULL_RADII, device=points.device)
    arm = (points - centre) / radii
    length = arm.norm(dim=-1, keepdim=True)
    return centre + arm * (torch.maximum(length, factor) / length.clamp(min=1e-6)) * radii


def _tensor(arrays: Sequence[np.ndarray], device: torch.device) -> Tensor:
    stacked = np.stack(arrays)
    if stacked.dtype == np.float64:
        stacked = stacked.astype(np.float32)
    return torch.from_numpy(stacked).to(device)
