"""What the generators see of an estimated face: its rendering and the masked picture M(.).

The rendering shows the face lit by three coloured lamps along the axes, so that its colours are the surface's
directions; it is differentiable through shading and through where the triangles lie. M(.) keeps what lies
outside the face, and a sparse scatter of the face's own pixels, at places that ride on the surface.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ...heads.default import load_default_head
from ...reconstruction.face_view import HIDDEN_AT, KEPT, MIDDLE, WIDER, shown_triangles, shown_vertices
from .mesh import TorchHead, rotation_matrix, vertex_normals
from .networks import Code
from .rasteriser import rasterise
from .studio import mark_vertices


class FaceView:
    """Renders estimated faces and masks pictures with them."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        head = load_default_head()
        self.head = TorchHead(head, shown_vertices(head), device)
        self.marks = TorchHead(head, mark_vertices(head), device)
        self.face = torch.from_numpy(shown_triangles(head)).to(device)

    def points(self, code: Code) -> Tensor:
        """[B, P, 2] positions of the marks, as `studio.Truth.points`."""
        return project(self.marks.surface(code.shape, code.expression), code)[..., :2]

    def render(self, code: Code, size: int) -> tuple[Tensor, Tensor]:
        """(rendering [B, 3, size, size] in 0..1, black outside; coverage [B, 1, size, size])."""
        surface = self.head.surface(code.shape, code.expression)
        normals = vertex_normals(surface, self.face) @ rotation_matrix(code.rotation).transpose(1, 2)
        flat = project(surface, code)
        half = size / 2
        scale = torch.tensor([half, half, 1.0], device=flat.device)
        shift = torch.tensor([half, half, 0.0], device=flat.device)
        hits = rasterise(flat * scale + shift, self.face, (size, size))
        lit = functional.normalize(hits.of_vertices(normals), dim=-1) * 0.5 + 0.5
        return hits.as_picture(lit), hits.as_picture(torch.ones_like(lit[:, :1]))

    def mask(
        self,
        images: Tensor,
        cover: Tensor,
        generator: torch.Generator | None = None,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """[B, 4, size, size] M(images): the picture where it is kept, else black, and what is kept.

        cover: [B, 1, size, size] of `render`. Which pixels of the face are kept is drawn from the generator,
        none of them where electrodes hide the face: hidden [B, 1, size, size] 0..1.
        """
        size = images.shape[-1]
        reach = max(1, round(WIDER * size / 128))
        face = functional.max_pool2d(cover, 2 * reach + 1, 1, reach)
        scatter = torch.rand(cover.shape, generator=generator).to(cover.device) < KEPT
        kept = (face < 0.5) | scatter
        if hidden is not None:
            kept &= hidden < HIDDEN_AT
        kept = kept.to(images.dtype)
        return torch.cat([images * kept, kept], 1)


def project(surface: Tensor, code: Code) -> Tensor:
    """[B, V, 3]: scaled orthographic positions in halves of the side (y down), and nearness."""
    middle = torch.tensor(MIDDLE, device=surface.device)
    turned = (surface - middle) @ rotation_matrix(code.rotation).transpose(1, 2)
    scale, shift = code.camera[:, None, :1], code.camera[:, None, 1:]
    xy = torch.stack([turned[..., 0], -turned[..., 1]], -1) * scale + shift
    return torch.cat([xy, turned[..., 2:]], -1)
