"""Where a classifier can be cut in two: the layers whose output is all that the layers behind them see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.errors import Incompatible
from workbench.targets.architectures import Classifier
from workbench.targets.randomness import random_layers

EMBEDDING, LOGITS = "embedding", "logits"  # the deepest cuts, which every network has
KINDS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("conv", (nn.Conv2d,)),
    ("fc", (nn.Linear,)),
    ("relu", (nn.ReLU, nn.ReLU6, nn.LeakyReLU)),
    ("act", (nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh)),
    ("pool", (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)),
)


@dataclass(frozen=True)
class Cut:
    """A place at which a network can be cut.

    Attributes:
        name: such as ``conv2``, ``block3`` or ``embedding``; kinds are counted from the image down.
        path: of the layer in the network, as `torch.nn.Module.get_submodule` takes it.
        shape: of its output for one image: (F, h, w), or (F,) where it is no map.
        depth: how many cuts lie between the image and this one.
    """

    name: str
    path: str
    shape: tuple[int, ...]
    depth: int

    @property
    def spatial(self) -> bool:
        """Whether its output is a map, with places in it."""
        return len(self.shape) == 3


@contextmanager
def hooked(layer: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    """Call `hook` with each output of a layer; afterwards the layer is as it was."""
    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def cuts_of(model: Classifier) -> tuple[Cut, ...]:
    """Return every place at which a frozen classifier in eval mode can be cut, from the image down.

    A layer counts if it is asked once and nothing goes around it: with its output fixed, the logits are the same whatever the
    image. Layers inside a block with a shortcut do not, and neither do those that only normalise or reshape.
    """
    images = torch.rand(2, *model.shape, generator=torch.Generator().manual_seed(0))
    images = images.to(next(model.buffers()).device)
    outputs, names = _outputs(model, images), dict[str, str]()
    counted, kept = Counter[str](), list[tuple[str, Tensor]]()
    for path, out in outputs:
        kind = _kind(path, model.get_submodule(path))
        if kind is None or _same(out, model.normalize(images)):
            continue
        counted[kind] += 1
        if kept and _same(kept[-1][1], out):
            kept.pop()  # the last layer of a body: the body itself has a name that is the same for all
        names[path] = kind if kind in (EMBEDDING, LOGITS) else f"{kind}{counted[kind]}"
        kept.append((path, out))
    whole = [(path, out) for path, out in kept if _is_all_there_is(model, path, out, images)]
    return tuple(Cut(names[path], path, tuple(out.shape[1:]), depth) for depth, (path, out) in enumerate(whole))


def cut_named(cuts: tuple[Cut, ...], name: str, target: str) -> Cut:
    """Return the cut of this name; raises `Incompatible`, with the names that there are.

    Args:
        target: what the network is called in the message.
    """
    for cut in cuts:
        if cut.name == name:
            return cut
    known = ", ".join(cut.name for cut in cuts)
    raise Incompatible(
        [f"The target '{target}' has no layer '{name[:40]}' to be cut at. It can be cut after: {known}."]
    )


def _kind(path: str, layer: nn.Module) -> str | None:
    """Return what a layer is called, without its number; None for one that is no place to cut at."""
    if path == "body":
        return EMBEDDING
    if path == "head":
        return LOGITS
    named = next((name for name, kinds in KINDS if isinstance(layer, kinds)), None)
    return named or ("block" if list(layer.children()) else None)


def _atoms(path: str, module: nn.Module) -> Iterator[str]:
    """Yield the paths of what a body consists of: sequences are opened, other modules with layers inside are blocks."""
    for name, child in module.named_children():
        inner = f"{path}.{name}"
        if isinstance(child, nn.Sequential):
            yield from _atoms(inner, child)
        else:
            yield inner


def _outputs(model: Classifier, images: Tensor) -> list[tuple[str, Tensor]]:
    """Return path and output of each layer that is asked once, in the order in which they are."""
    found, handles = list[tuple[str, Tensor]](), []

    def noting(path: str) -> Callable[..., None]:
        def note(layer: nn.Module, given: Any, out: Any) -> None:
            if isinstance(out, Tensor):
                found.append((path, out))

        return note

    for path in (*_atoms("body", model.body), "body", "head"):
        handles.append(model.get_submodule(path).register_forward_hook(noting(path)))
    try:
        _answer(model, images)
    finally:
        for handle in handles:
            handle.remove()
    asked = Counter(path for path, _ in found)
    return [(path, out) for path, out in found if asked[path] == 1]


def _is_all_there_is(model: Classifier, path: str, out: Tensor, images: Tensor) -> bool:
    with hooked(model.get_submodule(path), lambda layer, given, said: out):
        logits, of_others = _answer(model, images), _answer(model, images.flip(0))
    return torch.allclose(logits, of_others, rtol=1e-4, atol=1e-5)


def _answer(model: Classifier, images: Tensor) -> Tensor:
    """Return logits (n, K); layers with noise in them draw the same every time."""
    layers = random_layers(model)
    before = [layer.rng for layer in layers]
    for layer in layers:
        layer.rng = torch.Generator().manual_seed(0)
    try:
        return model(images)
    finally:
        for layer, rng in zip(layers, before, strict=True):
            layer.rng = rng


def _same(one: Tensor, other: Tensor) -> bool:
    return one.numel() == other.numel() and torch.equal(one.flatten(), other.flatten())
