"""What a classifier from elsewhere wants its pixels to be, and the layer that makes them so.

Everybody's images are in [0, 1] here. A network may have learned from other numbers: means and spreads of ImageNet, 0 to
255, blue before red, another size. What it wants is written in a few words::

    unit                     as they are, 0 to 1
    half                     (pixel - 0.5) / 0.5, from -1 to 1
    imagenet                 torchvision's means and spreads
    bytes                    0 to 255
    caffe                    0 to 255, blue first, less the means of ImageNet (VGG-Face and its kin)
    insightface              (pixel - 127.5) / 128, of 0 to 255
    range=255,mean=127.5,std=128,bgr      in numbers: range first, then mean and std in the order the network takes
    ...,size=224             resized to 224×224 first
    ...,fit                  resized, and grey made colour or colour grey, to what the network takes
    ...,nhwc                 channels last (ONNX files)
    ...,output=NAME          which of several outputs (ONNX files)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import Incompatible, UsageError
from workbench.core.shapes import Shape

FLAGS: Mapping[str, dict[str, Any]] = {
    "bgr": {"bgr": True},
    "fit": {"fit": True},
    "nhwc": {"nhwc": True},
    "nchw": {"nhwc": False},
}
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's


@dataclass(frozen=True)
class InputSpec:
    """What a network wants pixels to be.

    Attributes:
        range: what white is before mean and std are taken: 1 or 255, say.
        mean, std: of each channel in the order that the network takes, in units of `range`; one number for all.
        bgr: blue comes first.
        side: height and width that images are resized to; 0 for what the network says.
        fit: whether images of another size or number of channels are made to fit.
        nhwc: whether channels come last; None where the file tells.
        output: name of the output that is asked; "" where there is one that will do.
    """

    range: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False
    side: int = 0
    fit: bool = False
    nhwc: bool | None = None
    output: str = ""

    @classmethod
    def of(cls, text: str) -> InputSpec:
        """Return what a text asks for; raises `UsageError` for a word or number that it cannot hold."""
        spec = cls()
        for word in filter(None, (part.strip() for part in text.split(","))):
            name, sign, value = word.partition("=")
            if not sign and word in NAMED:
                spec = spec.scaled_as(NAMED[word])
            elif not sign and word in FLAGS:
                spec = replace(spec, **FLAGS[word])
            elif sign and name in ("mean", "std", "range"):
                numbers = _numbers(word, value)
                changed: dict[str, Any] = {name: numbers[0] if name == "range" else numbers}
                spec = replace(spec, **changed)
            elif sign and name == "size" and value.isdecimal() and 16 <= int(value) <= 1024:
                spec = replace(spec, side=int(value))
            elif sign and name == "output" and value:
                spec = replace(spec, output=value)
            else:
                raise UsageError(
                    f"'{word[:60]}' says nothing of how pixels are scaled. Write one of {', '.join(NAMED)}, or numbers as "
                    "range=255,mean=127.5,std=128 (three of them as mean=0.485/0.456/0.406), and bgr, size=224 (16 to 1024), "
                    "fit, nhwc or output=NAME."
                )
        if min(map(abs, spec.std)) < 1e-9 or abs(spec.range) < 1e-9:
            raise UsageError(f"'{text[:60]}': range and std must not be 0; pixels are divided by std.")
        return spec

    def __str__(self) -> str:
        """The spec as `of` reads it."""
        named = next((n for n, s in NAMED.items() if s == AS_THEY_ARE.scaled_as(self)), None)
        words = (
            [named] if named else [f"range={self.range:g}", f"mean={_joined(self.mean)}", f"std={_joined(self.std)}"]
        )
        if self.bgr and not named:
            words.append("bgr")
        words += ([f"size={self.side}"] if self.side else []) + ["fit"] * self.fit
        words += [] if self.nhwc is None else ["nhwc" if self.nhwc else "nchw"]
        return ",".join(words + ([f"output={self.output}"] if self.output else []))

    def scaled_as(self, other: InputSpec) -> InputSpec:
        """Return this spec with the scaling and channel order of another."""
        return replace(self, range=other.range, mean=other.mean, std=other.std, bgr=other.bgr)


def _numbers(word: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(n) for n in text.split("/"))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(map(isfinite, numbers)):
        raise UsageError(f"'{word[:60]}' is not one number, or three with / between them, such as 0.485/0.456/0.406.")
    return numbers


def _joined(numbers: tuple[float, ...]) -> str:
    return "/".join(f"{n:g}" for n in numbers)


AS_THEY_ARE = InputSpec()

NAMED: Mapping[str, InputSpec] = {
    "unit": AS_THEY_ARE,
    "half": InputSpec(mean=(0.5,), std=(0.5,)),
    "quarter": InputSpec(mean=(0.5,), std=(0.25,)),
    "imagenet": InputSpec(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "bytes": InputSpec(range=255.0),
    "insightface": InputSpec(255.0, (127.5,), (128.0,)),
    "caffe": InputSpec(255.0, (103.939, 116.779, 123.68), (1.0,), bgr=True),
}


def candidates(spec: InputSpec, channels: int) -> list[InputSpec]:
    """Return what else a network might have wanted: each named scaling, in both orders where there is colour."""
    found = [spec]
    for named in NAMED.values():
        for flipped in (False, True) if channels == 3 else (False,):
            backward = (tuple(reversed(named.mean)), tuple(reversed(named.std)))
            turned = replace(named, bgr=not named.bgr, mean=backward[0], std=backward[1]) if flipped else named
            found.append(spec.scaled_as(turned))
    return list(dict.fromkeys(found))


class Adapter(nn.Module):
    """Images (n, C, H, W) in [0, 1] to what a network wants, (n, C', H', W'); differentiable.

    Args:
        shape: (C, H, W) of the images.
        wanted: (C', H', W') that the network takes.

    Raises:
        Incompatible: they differ, and the spec does not say that images are made to fit; or mean and std are of another
            number of channels.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, spec: InputSpec, shape: Shape, wanted: Shape) -> None:
        super().__init__()
        self.sides = tuple(wanted[1:]) if tuple(wanted[1:]) != tuple(shape[1:]) else None
        weight, bias = affine(spec, shape[0], wanted[0])
        self.register_buffer("weight", weight[:, :, None, None])
        self.register_buffer("bias", bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, C', H', W')."""
        if self.sides is not None:
            smaller = self.sides[0] < images.shape[-2] or self.sides[1] < images.shape[-1]
            images = F.interpolate(images, self.sides, mode="bilinear", align_corners=False, antialias=smaller)
        return F.conv2d(images, self.weight, self.bias)


def affine(spec: InputSpec, channels: int, wanted: int) -> tuple[Tensor, Tensor]:
    """Return a matrix (C', C) and an offset (C',), as tensors of shape (3, 1) and (3,) for grey made colour, by which a pixel of `channels` becomes one of `wanted`; raises `Incompatible`."""
    if {len(spec.mean), len(spec.std)} - {1, wanted}:
        if wanted != 1:
            raise Incompatible([f"'{spec}' has three means or spreads, and the network takes {wanted} channels."])
        spec = replace(spec, mean=_middle(spec.mean), std=_middle(spec.std))  # a grey network of colour statistics
    if channels == wanted:
        mixed = torch.eye(channels)
    elif channels == 1:
        mixed = torch.ones(wanted, 1)
    elif wanted == 1 and channels == 3:
        mixed = torch.tensor([LUMINANCE])
    else:
        raise Incompatible([f"Images of {channels} channels cannot be made ones of {wanted}."])
    if spec.bgr and wanted == 3:
        mixed = mixed.flip(0)
    mean, std = (torch.tensor(v).expand(wanted) for v in (spec.mean, spec.std))
    return mixed * spec.range / std[:, None], -mean / std


def _middle(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return (sum(numbers) / len(numbers),)
