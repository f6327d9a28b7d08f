"""Targets that somebody brings as weights: recognised, fitted to a scenario, kept and found like those trained here.

The network below the last linear layer becomes the body, that layer the head; before the body stands what makes pixels what
the network wants. So every attack, white-box ones included, and every defense at the output meets an ordinary `Classifier`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.errors import Incompatible, UsageError, WorkbenchError
from workbench.core.registry import Entry
from workbench.core.shapes import Shape, image_shape
from workbench.core.weights import carded_names, read_card, save_weights
from workbench.scenarios import Scenario
from workbench.targets.architectures import ARCHITECTURES, ArchitectureInfo, Body, Classifier
from workbench.targets.checkpoints import stripped
from workbench.targets.inputs import Adapter, InputSpec
from workbench.targets.programs import EXPORT, Program, read_program
from workbench.targets.published import NETS, build
from workbench.targets.published.base import names
from workbench.targets.sanity import Sanity, asked_about, sanity_of
from workbench.targets.store import classifier_name

NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,30}")  # without "-", by which a defense is told from it in names of weights
EXPORTED = "exported"
UNUSED = ("num_batches_tracked",)  # counters that old checkpoints lack
REMEDY = "bring it again with --input {spec} --replace"
ALIKE = 1e-3  # largest difference of logits between the network and what is made of it


@dataclass(frozen=True, eq=False)
class Matched:
    """A network that weights were found to be of.

    Attributes:
        net: its name, such as ``torchvision/resnet18``; ``exported`` for one that came as a whole.
        module: with the weights, in eval mode.
        channels, classes: that it takes and answers.
    """

    net: str
    module: nn.Module
    channels: int
    classes: int


def exported(path: Path, classes: int) -> Matched:
    """Return the network of a program that ``torch.export`` has written.

    Raises:
        Incompatible: it is no classifier of this many classes, or is not read; see `read_program`.
        UsageError, WeightsCorrupt.
    """
    module = read_program(path)
    with torch.no_grad():
        try:
            answer = module(torch.full((max(1, module.batch), *module.takes), 0.5))
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
            raise Incompatible(
                [f"{path} cannot be carried out ({str(error).splitlines()[0][:120]}). {EXPORT}"]
            ) from None
    if not isinstance(answer, Tensor) or answer.ndim != 2 or answer.shape[1] != classes:
        shape = list(getattr(answer, "shape", []))
        raise Incompatible(
            [
                f"{path} answers an image with {shape[1:]}, and the scenario has {classes} classes. Choose the scenario that it was "
                "trained on, with its classes in the same order."
            ]
        )
    return Matched(EXPORTED, module.requires_grad_(False), module.takes[0], classes)


class BroughtBody(nn.Module):
    """Images as `Normalize` leaves them, (n, C, H, W), to the features (n, F) of a network from elsewhere."""

    def __init__(self, adapter: Adapter, net: nn.Module) -> None:
        super().__init__()
        self.adapter, self.net = adapter, net

    def forward(self, normalized: Tensor) -> Tensor:
        """Return (n, F)."""
        return self.net(self.adapter(normalized * 0.25 + 0.5))


def matched(tensors: Mapping[str, Tensor], classes: int, net: str | None = None) -> Matched:
    """Return the network that these weights are of.

    Args:
        classes: K of the scenario.
        net: which it is; compared with every network that is known if None.

    Raises:
        UnknownName, DataMissing.
        Incompatible: they are of none, of another one, or of other classes.
    """
    first = next((v for v in tensors.values() if v.ndim == 4), None)
    channels = int(first.shape[1]) if first is not None and first.shape[1] in (1, 3) else 3
    nearest: tuple[int, str, str] | None = None
    for name in [net] if net else names(tensors):
        try:
            shell = _shell(name, classes, channels)
        except Incompatible:
            if net:
                raise
            continue
        wanted = {k: v.shape for k, v in shell.state_dict().items() if not k.endswith(UNUSED)}
        for given in stripped(tensors):
            held = {k: v.shape for k, v in given.items() if not k.endswith(UNUSED)}
            missing, unknown = wanted.keys() - held.keys(), held.keys() - wanted.keys()
            if missing or unknown:
                count = len(missing) + len(unknown)
                if nearest is None or count < nearest[0]:
                    nearest = (count, name, _differences(missing, unknown))
                continue
            other = [k for k in wanted if wanted[k] != held[k]]
            if other and not net and len(other) > 2:
                continue  # another width of the same names
            if other:
                raise Incompatible([_other_shapes(name, other, wanted, held, classes)])
            module = build(name, classes, channels)
            module.load_state_dict(dict(given), strict=False)
            return Matched(name, module.eval().requires_grad_(False), channels, classes)
    raise Incompatible([_unmatched(tensors, net, nearest)])


def _shell(net: str, classes: int, channels: int) -> nn.Module:
    """Return a network whose weights take no room, where it can be built so."""
    try:
        with torch.device("meta"):
            return build(net, classes, channels)
    except NotImplementedError:  # it computes with its tables while it is built
        return build(net, classes, channels)


def _differences(missing: set[str], unknown: set[str]) -> str:
    said = []
    for what, which in (("lacks", missing), ("has besides", unknown)):
        if which:
            some = sorted(which)
            said.append(f"{what} {', '.join(some[:3])}" + (f" and {len(some) - 3} more" if len(some) > 3 else ""))
    return "; ".join(said)


def _other_shapes(name: str, other: list[str], wanted: Mapping[str, Any], held: Mapping[str, Any], classes: int) -> str:
    last = other[-1]
    if all(len(wanted[k]) == len(held[k]) and wanted[k][0] == classes for k in other):
        return (
            f"These are weights of {name} for {held[last][0]} classes, and the scenario has {classes}. Choose the scenario that "
            "it was trained on, with its classes in the same order."
        )
    return f"These are no weights of {name}: {last} has shape {list(held[last])}, where {list(wanted[last])} belongs."


def _unmatched(tensors: Mapping[str, Tensor], net: str | None, nearest: tuple[int, str, str] | None) -> str:
    shown = ", ".join(f"{k} {list(v.shape)}" for k, v in list(tensors.items())[:3])
    said = f"The nearest is {nearest[1]}: the file {nearest[2]}." if nearest else ""
    if net:
        return f"These are no weights of {net}. {said} They begin with {shown}."
    return (
        f"These weights are of no network that is known here. {said} They begin with {shown}. Say which it is with --net "
        f"torchvision/NAME, timm/NAME or {', '.join(NETS.keys())}; a network of your own comes as ONNX, or as an architecture "
        "in a package of your own (docs/adding.md)."
    )


def parted(net: nn.Module, example: Tensor) -> tuple[nn.Module, nn.Linear]:
    """Return what is below the last linear layer, images (n, C, H, W) to (n, F), and that layer; the module is taken apart.

    A network that ends otherwise stays whole, its logits are the features, and the layer is the identity.

    Args:
        example: images (n, C, H, W) that the network takes.
    """
    seen: list[tuple[str, nn.Linear, Tensor]] = []

    def note(name: str, layer: nn.Linear, given: tuple[Tensor, ...], out: Tensor) -> None:
        seen.append((name, layer, out))

    hooks = [m.register_forward_hook(partial(note, n)) for n, m in net.named_modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        logits = net(example)
    for hook in hooks:
        hook.remove()
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        raise Incompatible(["The network answers images with something that is not a row of scores for each."])
    if seen and seen[-1][2].shape == logits.shape and torch.equal(seen[-1][2], logits):
        name, last, _ = seen[-1]
        place, _, own = name.rpartition(".")
        setattr(net.get_submodule(place), own, nn.Identity())
        with torch.no_grad():
            features = net(example)
        if features.ndim == 2 and features.shape[1] == last.in_features:
            return net, last
        setattr(net.get_submodule(place), own, last)
    identity = nn.Linear(logits.shape[1], logits.shape[1])
    nn.init.eye_(identity.weight)
    nn.init.zeros_(identity.bias)
    return net, identity


def sides(net: str, spec: InputSpec, shape: Shape, channels: int) -> Shape:
    """Return (C, H, W) that a network is given: its own side, the one asked for, else the scenario's."""
    side = spec.side or (NETS.entry(net).info.side if net in NETS else 0)
    return (channels, side, side) if side else (channels, shape[1], shape[2])


def classifier_of(found: Matched, spec: InputSpec, shape: Shape) -> tuple[nn.Module, nn.Linear, Tensor, Shape]:
    """Return body, head, the network's own logits (2, K) of two grey images, and the shape (C, H, W) that it is given.

    Raises:
        Incompatible: it does not take images of the scenario's size.
    """
    module = found.module
    wanted = module.takes if isinstance(module, Program) else sides(found.net, spec, shape, found.channels)
    example = torch.tensor([0.3, 0.6])[:, None, None, None].expand(2, *shape)
    adapter = Adapter(spec, shape, wanted)
    try:
        with torch.no_grad():
            logits = found.module(adapter(example))
        body, head = parted(found.module, adapter(example))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise Incompatible(
            [
                f"{found.net} does not take images of {wanted[1]}×{wanted[2]} ({str(error).splitlines()[0][:120]}). Say which "
                "size it takes with --input size=224, say; images are then resized."
            ]
        ) from None
    return BroughtBody(adapter, body), head, logits, wanted


def keep(
    scenario: Scenario, name: str, found: Matched, spec: InputSpec, *, source: str, replace: bool = False
) -> tuple[Classifier, Sanity | None]:
    """Save weights that were brought as the scenario's target called `name`; return it and what it answers about its people.

    Raises:
        UsageError: the name is taken or none.
        Incompatible: the network does not fit the scenario.
    """
    if problem := name_problem(scenario.key, name, replace):
        raise UsageError(problem)
    shape = scenario.input_shape
    body, head, logits, wanted = classifier_of(found, spec, shape)
    card: dict[str, Any] = {
        "what": f"{name}: {found.net}, brought",
        "arch": name,
        "brought": {
            "net": found.net,
            "input": str(spec),
            "takes": list(wanted),
            "width": head.in_features,
            "classes": found.classes,
        },
        "scenario": scenario.key,
        "shape": list(shape),
        "num_classes": scenario.num_classes,
        "data": source,
        "quality": "imported",
    }
    if isinstance(found.module, Program):
        card["brought"]["graph"] = found.module.graph
    model = _classifier(card, body, head)
    grey = torch.tensor([0.3, 0.6])[:, None, None, None].expand(2, *shape)
    with torch.no_grad():
        if (gap := (model(grey) - logits).abs().max().item()) > ALIKE * max(1.0, logits.abs().max().item()):
            raise Incompatible([f"{found.net} cannot be taken apart here: its logits differ by {gap:.3g}."])
    seen = sanity(model, spec, scenario)
    if seen is not None:
        card |= {"heldout_accuracy": seen.accuracy, "measured": f"{seen.n} photographs of the scenario's own people"}
        card["warning"] = seen.warning(name, REMEDY) or ""
    save_weights(classifier_name(scenario.key, name), dict(model.state_dict()), card)
    return model, seen


def sanity(model: Classifier, spec: InputSpec, scenario: Scenario) -> Sanity | None:
    """Return what a target that was brought answers about its own people, in every usual way; None without their images."""
    if scenario.problem() is not None:
        return None
    body = model.body
    if not isinstance(body, BroughtBody):
        raise TypeError("only what was brought has scalings to be tried")
    usual, channels = body.adapter, body.adapter.weight.shape[0]
    takes = (channels, *(usual.sides or scenario.input_shape[1:]))

    def answer(images: Tensor, way: InputSpec) -> Tensor:
        body.adapter = Adapter(way, scenario.input_shape, image_shape(takes)).to(images.device)
        try:
            return torch.cat([model(part) for part in images.float().split(50)])
        finally:
            body.adapter = usual

    return sanity_of(answer, spec, asked_about(scenario.private), scenario.num_classes, channels=channels)


def name_problem(scenario: str, name: str, replace: bool = False) -> str | None:
    """Return why a target cannot be called so, in a sentence, or None."""
    if not NAME.fullmatch(name):
        return f"'{name[:40]}' is no name for a target: small letters, digits and _, at most 31, beginning with one of the first two."
    if name in ARCHITECTURES.keys():  # noqa: SIM118 - those that are registered, not those that were brought
        return f"'{name}' is the name of an architecture. Choose another with --name."
    taken = [other for other in carded_names(f"*/target-{name}") if other.startswith(f"{scenario}/")]
    if taken and not replace:
        return f"{scenario} has a target called '{name}'. Choose another name, or add --replace."
    elsewhere = [other for other in carded_names(f"*/target-{name}") if not other.startswith(f"{scenario}/")]
    if elsewhere:
        return f"'{name}' is a target of {elsewhere[0].split('/')[0]}. Choose another name."
    return None


def brought_entry(name: str) -> Entry[Body, ArchitectureInfo] | None:
    """Return the architecture of a target that was brought under this name; None if there is none."""
    if not NAME.fullmatch(name):
        return None
    for weights in carded_names(f"*/target-{name}"):
        try:
            card = read_card(weights)
        except WorkbenchError:
            continue
        if "brought" in card:
            return _entry(name, card)
    return None


def brought_names(scenario: str) -> list[str]:
    """Return the names of the targets that were brought to a scenario, sorted."""
    found = []
    for weights in carded_names(f"{scenario}/target-*"):
        name = weights.partition("/target-")[2]
        if NAME.fullmatch(name) and name not in ARCHITECTURES.keys() and brought_entry(name):  # noqa: SIM118
            found.append(name)
    return found


def _entry(name: str, card: Mapping[str, Any]) -> Entry[Body, ArchitectureInfo]:
    def body(shape: Shape) -> tuple[nn.Module, int]:
        told = card["brought"]
        takes = image_shape(told["takes"])
        if told["net"] == EXPORTED:
            return BroughtBody(Adapter(InputSpec.of(told["input"]), shape, takes), Program(told["graph"])), told[
                "width"
            ]
        net = build(told["net"], told["classes"], takes[0])
        spec = InputSpec.of(told["input"])
        below, head = parted(net.eval(), torch.full((1, *takes), 0.5))
        return BroughtBody(Adapter(spec, shape, takes), below), head.in_features

    info = ArchitectureInfo(key=name, title=f"{name} ({card['brought']['net']})", order=50, body=card["brought"]["net"])
    return Entry(body, info)


def _classifier(card: Mapping[str, Any], body: nn.Module, head: nn.Linear) -> Classifier:
    """Return an ordinary classifier of a body, images as `Normalize` leaves them to (n, F), and a linear layer."""
    model = Classifier.__new__(Classifier)
    nn.Module.__init__(model)
    model.assemble(card["arch"], image_shape(card["shape"]), card["num_classes"], body, head.in_features)
    with torch.no_grad():
        linear = model.head
        if not isinstance(linear, nn.Linear):
            raise TypeError("a fresh classifier ends in a linear layer")
        linear.weight.copy_(head.weight)
        linear.bias.copy_(head.bias) if head.bias is not None else linear.bias.zero_()
    return model.eval().requires_grad_(False)
