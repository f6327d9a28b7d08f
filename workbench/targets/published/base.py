"""What a published network is: a function from classes and channels to a module whose weights have the published names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.core.errors import DataMissing, Incompatible, UnknownName
from workbench.core.registry import Info, Registry

Build = Callable[[int, int], nn.Module]

NETS: Registry[Build, NetInfo] = Registry("published network", "workbench.targets.published")


@dataclass(frozen=True, kw_only=True)
class NetInfo(Info):
    """What a published network says of itself.

    Attributes:
        side: height and width that it takes; 0 for any.
        paper: where it comes from.
    """

    side: int = 0
    paper: str


def published(key: str, *, title: str, paper: str, side: int = 0, order: int = 100) -> Callable[[Build], Build]:
    """Register a function ``(K, C) -> module`` from images (n, C, H, W) to logits (n, K)."""
    return NETS.register(NetInfo(key=key, title=title, order=order, side=side, paper=paper))


def build(net: str, classes: int, channels: int) -> nn.Module:
    """Return a network with weights at random: one registered here, ``torchvision/NAME`` or ``timm/NAME``.

    Raises:
        UnknownName: there is no such network.
        DataMissing: it is timm's, and timm is not installed.
        Incompatible: it takes other channels.
    """
    family, sign, name = net.partition("/")
    if not sign:
        return NETS[net](classes, channels)
    if family == "torchvision":
        return _torchvision(name, classes, channels)
    if family == "timm":
        return _timm(name, classes, channels)
    raise UnknownName("family of networks", family, ["torchvision", "timm"])


# Part of a weight's name to the beginnings of torchvision's names that have it.
SIGNS = {
    "layer1.0.conv1.": ("resnet", "resnext", "wide_resnet"),
    ".denseblock1.": ("densenet",),
    ".squeeze.": ("squeezenet",),
    ".branch1.0.": ("shufflenet",),
    "inception3a.": ("googlenet",),
    "Mixed_5b.": ("inception",),
    "trunk_output.": ("regnet",),
    "conv_proj.": ("vit",),
    "relative_position_": ("swin", "maxvit"),
    ".layer_scale": ("convnext",),
    "features.0.0.": ("mobilenet", "efficientnet"),
    "layers.8.0.layers.": ("mnasnet",),
    "features.0.weight": ("vgg", "alexnet"),
}


def torchvision_names(weights: Iterable[str]) -> list[str]:
    """Return torchvision's classifiers of images that weights of these names may be of, the smaller ones first."""
    from torchvision import models

    weights = list(weights)
    begins = next((kinds for sign, kinds in SIGNS.items() if any(sign in name for name in weights)), ())
    known = [name for name in models.list_models(module=models) if name.startswith(begins or "-")]
    return sorted(known, key=lambda name: (not name.startswith(begins[:1]), len(name), name))


def names(weights: Iterable[str]) -> Iterator[str]:
    """Yield every network that weights of these names are compared with, where nobody says which it is."""
    yield from NETS.keys()
    yield from (f"torchvision/{name}" for name in torchvision_names(weights))


def _torchvision(name: str, classes: int, channels: int) -> nn.Module:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UnknownName("classifier of torchvision", name, known)
    if channels != 3:
        raise Incompatible([f"torchvision's {name} takes 3 channels, not {channels}."])
    with torch.random.fork_rng(devices=[]):
        # Those with a second head for training have it in their weights; starting values are replaced anyway.
        more = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
        return models.get_model(name, weights=None, num_classes=classes, **more)


def _timm(name: str, classes: int, channels: int) -> nn.Module:
    try:
        import timm
    except ImportError:
        raise DataMissing("Networks of timm need the package timm. Install it with: pip install timm") from None
    if name not in (known := timm.list_models()):
        raise UnknownName("network of timm", name, known)
    with torch.random.fork_rng(devices=[]):
        return timm.create_model(name, pretrained=False, num_classes=classes, in_chans=channels)


class HeadedBody(nn.Module):
    """A body of features and a linear layer, under the names that inversion papers give them: `feature` and `fc_layer`.

    Args:
        between: modules between the two by name, in order.
    """

    def __init__(self, feature: nn.Module, between: dict[str, nn.Module], fc_layer: nn.Module) -> None:
        super().__init__()
        self.feature = feature
        self.between = tuple(between)
        for name, module in between.items():
            self.add_module(name, module)
        self.fc_layer = fc_layer

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, K) of images (n, C, H, W)."""
        found = self.feature(images)
        for name in self.between:
            found = self.get_submodule(name)(found if name == "output_layer" else found.flatten(1))
        return self.fc_layer(found.flatten(1))
