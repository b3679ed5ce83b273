"""The networks of Phase 1: encoders, generators, discriminators.

The encoder is SMIRK's (Retsinas et al., CVPR 2024), which the paper takes over: three sub-encoders, for pose
and camera a small, for shape and for expression a large MobileNetV3 in its "minimal" variant (Howard et al.,
ICCV 2019: plain ReLU, no squeeze-and-excitation, kernels of 3), each with one linear layer. The generators
are SMIRK's U-Nets with residual blocks at the bottom; the discriminators judge patches (Isola et al.,
CVPR 2017).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...spaces import EYELIDS, JAW
from .people import IDENTITIES

EXPRESSION_SIZE = JAW.stop
_SMALL = ((16, 16, 2), (72, 24, 2), (88, 24, 1), (96, 40, 2), (240, 40, 1), (240, 40, 1), (120, 48, 1),
          (144, 48, 1), (288, 96, 2), (576, 96, 1), (576, 96, 1))  # fmt: skip
_LARGE = (
    (16, 16, 1), (64, 24, 2), (72, 24, 1), (72, 40, 2), (120, 40, 1), (120, 40, 1), (240, 80, 2),
    (200, 80, 1), (184, 80, 1), (184, 80, 1), (480, 112, 1), (672, 112, 1), (672, 160, 2), (960, 160, 1),
    (960, 160, 1),
)  # fmt: skip
CAMERA = (10.3, 0.0, 0.04)  # a typical camera of a cropped face: halves of the side per metre, and the shift
_CAMERA_STEP = (1.0, 0.12, 0.12)
_POSE_STEP = 0.3
_SHAPE_STEP = 0.6
MARKS = 120  # points of the face whose places are known in training
_LAST, _MAP = 96, 4  # channels and side of the last map
FEATURES = _LAST * _MAP**2
_MOMENTUM = 0.03  # of the averages that stand for a batch afterwards
_SIDEWAYS_JAW = 0.2  # radians, as SMIRK clamps


class Code(NamedTuple):
    """What an encoder says of a picture; see `studio.Truth` for the camera."""

    expression: Tensor  # [B, 55]
    shape: Tensor  # [B, 50]
    rotation: Tensor  # [B, 3] axis-angle
    camera: Tensor  # [B, 3]

    def detach(self) -> Code:
        """Without gradients."""
        return Code(*(part.detach() for part in self))

    def part(self, start: int, stop: int | None = None) -> Code:
        """Those of some pictures."""
        return Code(*(values[start:stop] for values in self))

    def first(self, count: int) -> Code:
        """Those of the first pictures."""
        return self.part(0, count)


class Backbone(nn.Sequential):
    """Pictures [B, 3, size, size] -> features [B, FEATURES]."""

    def __init__(self, blocks: tuple[tuple[int, int, int], ...]) -> None:
        layers: list[nn.Module] = [*_convolution(3, 16, 3, 2), nn.ReLU(inplace=True)]
        channels = 16
        for middle, out, stride in blocks:
            layers.append(_Inverted(channels, middle, out, stride))
            channels = out
        # Where a feature lies tells as much as that it is there, so the last map is not averaged away.
        layers += [*_convolution(channels, _LAST, 1, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(_MAP),
                   nn.Flatten()]  # fmt: skip
        super().__init__(*layers)


class Encoder(nn.Module):
    """Pictures -> `Code`."""

    def __init__(self) -> None:
        super().__init__()
        self.pose = nn.Sequential(Backbone(_SMALL), nn.Linear(FEATURES, 6))
        self.shape = nn.Sequential(Backbone(_LARGE), nn.Linear(FEATURES, IDENTITIES))
        self.expression = nn.Sequential(Backbone(_LARGE), nn.Linear(FEATURES, EXPRESSION_SIZE))
        for part in (self.pose, self.shape, self.expression):
            nn.init.normal_(part[1].weight, std=0.003)
            nn.init.zeros_(part[1].bias)
        self.found = nn.ModuleList([nn.Linear(FEATURES, 2 * MARKS) for _ in range(2)])  # see `forward_marks`
        self.register_buffer("camera", torch.tensor(CAMERA))
        self.register_buffer("camera_step", torch.tensor(_CAMERA_STEP))

    def forward(self, images: Tensor) -> Code:
        """Images [B, 3, size, size] in 0..1."""
        x = images * 2 - 1
        return self._code(self.pose(x).float(), self.shape(x).float(), self.expression(x).float())

    def forward_marks(self, images: Tensor) -> tuple[Code, Tensor]:
        """The code, and [B, 2, MARKS, 2] where the marks lie as the features of shape and expression say.

        Only for training with truth: finding places is learnt first, and everything else from it.
        """
        x = images * 2 - 1
        features = [self.shape[0](x), self.expression[0](x)]
        marks = torch.stack([net(f).float() for net, f in zip(self.found, features, strict=True)], 1)
        shape, expression = (net[1](f).float() for net, f in zip((self.shape, self.expression), features,
                                                                 strict=True))  # fmt: skip
        code = self._code(self.pose(x).float(), shape, expression)
        return code, marks.reshape(len(images), 2, MARKS, 2)

    def _code(self, pose: Tensor, shape: Tensor, expression: Tensor) -> Code:
        return Code(
            limited(expression),
            shape * _SHAPE_STEP,
            pose[:, :3] * _POSE_STEP,
            self.camera + pose[:, 3:] * self.camera_step,
        )


def limited(raw: Tensor) -> Tensor:
    """[B, 55] what a face can do: lids 0..1, the jaw never above closed and at most 0.2 rad aside.

    The limits leak a little in training's direction: a clamp whose gradient is zero beyond it would
    never find back.
    """
    lids, jaw = raw[:, EYELIDS], raw[:, JAW]
    return torch.cat(
        [
            raw[:, : EYELIDS.start],
            _soft_clamp(lids, 0.0, 1.0),
            _soft_clamp(jaw[:, :1] * 0.2, 0.0, 0.6),
            _soft_clamp(jaw[:, 1:] * 0.1, -_SIDEWAYS_JAW, _SIDEWAYS_JAW),
        ],
        1,
    )


def _soft_clamp(x: Tensor, low: float, high: float) -> Tensor:
    """Clamped in value, with the gradient of the unclamped."""
    return x + (x.clamp(low, high) - x).detach()


class _Inverted(nn.Module):
    """MobileNet's inverted residual block."""

    def __init__(self, inside: int, middle: int, out: int, stride: int) -> None:
        super().__init__()
        self.residual = stride == 1 and inside == out
        layers: list[nn.Module] = []
        if middle != inside:
            layers += [*_convolution(inside, middle, 1, 1), nn.ReLU(inplace=True)]
        # PyTorch's gradient of a depthwise convolution with a stride takes half of a training on a processor.
        layers += [
            _depthwise(middle, stride),
            nn.BatchNorm2d(middle, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
        ]
        self.body = nn.Sequential(*layers, *_convolution(middle, out, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class _Strided(nn.Conv2d):
    """A convolution whose stride is taken by leaving out what lies between; the same numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        whole = nn.functional.conv2d(x, self.weight, padding=self.padding, groups=self.groups)
        some = whole[..., :: self.stride[0], :: self.stride[1]]
        return some.contiguous(memory_format=torch.channels_last)


def _depthwise(channels: int, stride: int) -> nn.Module:
    kind = nn.Conv2d if stride == 1 else _Strided
    return kind(channels, channels, 3, stride, 1, groups=channels, bias=False)


def _convolution(inside: int, out: int, kernel: int, stride: int, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inside, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, momentum=_MOMENTUM),
    ]


class Generator(nn.Module):
    """A rendering and a masked picture -> a picture: a U-Net of four levels."""

    def __init__(self, inputs: int = 7, features: int = 16, residuals: int = 3) -> None:
        super().__init__()
        widths = [features * 2**i for i in range(5)]
        self.down = nn.ModuleList(
            [_double(i, o) for i, o in zip([inputs, *widths[:3]], widths[:4], strict=True)]
        )
        self.bottom = nn.Sequential(
            _double(widths[3], widths[4]), *(_Residual(widths[4]) for _ in range(residuals))
        )
        self.up = nn.ModuleList([nn.Conv2d(widths[i + 1], widths[i], 1) for i in range(4)])
        self.join = nn.ModuleList([_double(2 * widths[i], widths[i]) for i in range(4)])
        self.last = nn.Conv2d(features, 3, 1)

    def forward(self, rendering: Tensor, masked: Tensor) -> Tensor:
        """[B, 3, size, size] of a rendering [B, 3, ...] and a masked picture with its mask [B, 4, ...]."""
        x, kept = torch.cat([rendering, masked], 1), []
        for level in self.down:
            x = level(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for i in reversed(range(4)):
            x = nn.functional.interpolate(self.up[i](x), scale_factor=2, mode="nearest")
            x = self.join[i](torch.cat([x, kept[i]], 1))
        return torch.sigmoid(self.last(x).float())


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(width, width, 3, 1), nn.ReLU(inplace=True),
                                  *_convolution(width, width, 3, 1))  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _double(inside: int, out: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inside, out, 3, 1), nn.ReLU(inplace=True),
                         *_convolution(out, out, 3, 1), nn.ReLU(inplace=True))  # fmt: skip


class Detector(nn.Module):
    """Pictures -> where electrodes are, and whether there are any.

    A small convolutional network that sees nine pixels at a time, so that it cannot judge by anything but
    what a place looks like.
    """

    def __init__(self, features: int = 24) -> None:
        super().__init__()
        widths = [(3, features, 1), (features, features, 2), (features, 2 * features, 1)]
        layers: list[nn.Module] = []
        for inside, out, stride in widths:
            layers += [*_convolution(inside, out, 3, stride), nn.ReLU(inplace=True)]
        layers += [*_convolution(2 * features, 2 * features, 1, 1), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers, nn.Conv2d(2 * features, 1, 1))
        self.whole = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(log odds [B, 1, size / 2, size / 2] of places, log odds [B] of pictures) of images in 0..1."""
        places = self.body(images * 2 - 1).float()
        flat = places.flatten(1)
        strongest = flat.topk(flat.shape[1] // 32, dim=1).values.mean(1)
        return places, self.whole[0] * strongest + self.whole[1]


class Discriminator(nn.Module):
    """Pictures -> a score for every patch of about a third of the side: real or made."""

    def __init__(self, features: int = 24) -> None:
        super().__init__()
        widths = [3, features, 2 * features, 4 * features]
        layers: list[nn.Module] = []
        for i in range(3):
            layers += [
                nn.utils.spectral_norm(nn.Conv2d(widths[i], widths[i + 1], 4, 2, 1)),
                nn.LeakyReLU(0.2),
            ]
        layers += [nn.utils.spectral_norm(nn.Conv2d(widths[3], widths[3], 3, 1, 1)), nn.LeakyReLU(0.2),
                   nn.Conv2d(widths[3], 1, 3, 1, 1)]  # fmt: skip
        self.body = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 1, size / 8, size / 8]; 1 says real, 0 made."""
        return self.body(images * 2 - 1).float()
