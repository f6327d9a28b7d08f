"""Exported networks as targets: they answer as the network did, can be differentiated, and nothing in the file is run."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workbench.commands import main
from workbench.core.errors import Incompatible, WorkbenchError
from workbench.defenses.store import load_classifier, target_card
from workbench.targets.programs import GRAPH, Program, is_program, read_program


class Net(nn.Module):
    """A convolution with batch norm, sizes that are computed, and a linear layer."""

    def __init__(self, classes: int = 5, channels: int = 1, side: int = 32) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv = nn.Conv2d(channels, 4, 3, 2, 1, bias=False)
            self.norm = nn.BatchNorm2d(4)
            self.norm.running_mean.uniform_(-0.1, 0.1)
            self.fc = nn.Linear(side * side, classes)
        self.register_buffer("mean", torch.full((channels, 1, 1), 0.4))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.conv((images - self.mean) / 0.25)).relu()
        left, right = maps.split(2, 1)
        return self.fc(torch.cat([left, right], 1).view(maps.size(0), -1))


def written(path: Path, net: nn.Module, example: Tensor, dynamic: bool = True) -> Path:
    shapes = ({0: torch.export.Dim("batch", min=1, max=512)},) if dynamic else None
    torch.export.save(torch.export.export(net.eval(), (example,), dynamic_shapes=shapes), path)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("exported") / "mine.pt2", Net(), torch.rand(2, 1, 32, 32))


def rewritten(path: Path, goal: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Copy an archive, each entry as `change` makes it; None leaves it out."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(goal, "w") as new:
        for name in old.namelist():
            if (data := change(name.partition("/")[2], old.read(name))) is not None:
                new.writestr(name, data)
    return goal


def with_graph(path: Path, goal: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    def changed(name: str, data: bytes) -> bytes:
        if name != GRAPH:
            return data
        told = json.loads(data)
        change(told["graph_module"])
        return json.dumps(told).encode()

    return rewritten(path, goal, changed)


@pytest.mark.parametrize("dynamic", [True, False])
def test_it_answers_as_the_network_did_and_has_its_gradients(dynamic, tmp_path):
    net = Net().eval()
    path = written(tmp_path / "net.pt2", net, torch.rand(2, 1, 32, 32), dynamic)
    program = read_program(path)
    assert is_program(path) and program.takes == (1, 32, 32) and program.batch == (0 if dynamic else 2)
    images = torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (wanted,) = torch.autograd.grad(net(images).square().sum(), images)
    (found,) = torch.autograd.grad(program(images).square().sum(), images)
    assert torch.allclose(program(images), net(images), atol=1e-5) and torch.allclose(found, wanted, atol=1e-4)
    again = Program(json.loads(json.dumps(program.graph)))
    again.load_state_dict(program.state_dict())
    assert torch.equal(again(images), program(images)), "its card holds all of it but the weights"
    colour = read_program(written(tmp_path / "colour.pt2", Net(channels=3), torch.rand(2, 3, 32, 32), dynamic))
    laid_out = torch.rand(2, 3, 32, 32).to(memory_format=torch.channels_last)
    assert torch.allclose(colour(laid_out), colour(laid_out.contiguous()), atol=1e-5), "however images lie in memory"


def test_it_becomes_a_target_that_is_attacked_from_inside(exported, models, tmp_path, capsys):
    main(["import", "target", "--scenario", "digits", "--from", str(exported), "--name", "whole"])
    assert "digits/whole: exported, asked as" in capsys.readouterr().out
    model = load_classifier("digits", "whole")
    images = torch.rand(3, 1, 32, 32)
    spec = target_card("digits", "whole")["brought"]["input"]
    if spec == "unit":
        assert torch.allclose(model(images), Net().eval()(images), atol=1e-4)
    run = [
        "run",
        "--scenario",
        "digits",
        "--target",
        "whole",
        "--attack",
        "mi-face",
        "--classes",
        "0",
        "--set",
        "steps=2",
    ]
    assert main([*run, "--threads", "1", "--device", "cpu", "--out", str(tmp_path / "run")]) == 0
    other = ["import", "target", "--scenario", "faces", "--from", str(exported), "--name", "other"]
    assert main(other) == 2 and "answers an image with [5], and the scenario has 40 classes" in capsys.readouterr().err


class Spring:
    """What runs a program where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def first_node(target: str, arg: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    def change(module: dict[str, Any]) -> None:
        node = module["graph"]["nodes"][0]
        node["target"], node["inputs"] = target, [{"name": "x", "arg": arg, "kind": 1}]

    return change


@pytest.mark.parametrize(
    ("target", "arg", "words"),
    [
        ("torch.load", {"as_string": "/etc/passwd"}, "'torch.load', which is no operation of a network"),
        ("torch.ops.aten.from_file.default", {"as_string": "/etc/passwd"}, "gives an operation the text"),
        ("torch.ops.aten.no_such.default", {"as_int": 1}, "is no operation"),
        ("torch.ops.custom.run.default", {"as_int": 1}, "is no operation"),
        ("_operator.attrgetter", {"as_string": "system"}, "is no operation"),
        ("#mine:run", {"as_int": 1}, "is no operation"),
        ("torch.ops.aten.relu.default", {"as_custom_obj": {"name": "x"}}, "gives an operation custom obj"),
    ],
)
def test_what_is_no_operation_of_a_network_is_refused(exported, tmp_path, target, arg, words):
    with pytest.raises(Incompatible, match=words):
        read_program(with_graph(exported, tmp_path / "bad.pt2", first_node(target, arg)))


def test_no_pickle_in_it_is_read(exported, tmp_path):
    """Samples of its inputs are one in every file, and weights may be said to be."""
    sprung = tmp_path / "sprung"

    def pickled(name: str, data: bytes) -> bytes:
        if name.endswith(("sample_inputs/model.pt", "weight_0")):
            return pickle.dumps(Spring(sprung))
        if name.endswith("model_weights_config.json"):
            told = json.loads(data)
            next(iter(told["config"].values()))["use_pickle"] = True
            return json.dumps(told).encode()
        return data

    with pytest.raises(Incompatible, match="is a pickle; reading it could run any program"):
        read_program(rewritten(exported, tmp_path / "pickled.pt2", pickled))
    samples = rewritten(exported, tmp_path / "samples.pt2", lambda n, d: pickled(n, d) if "sample_inputs" in n else d)
    assert isinstance(read_program(samples), Program)
    assert not sprung.exists()


def no_weight(name: str, data: bytes) -> bytes | None:
    return None if name.endswith("weight_0") else data


def short_weight(name: str, data: bytes) -> bytes | None:
    return data[:8] if name.endswith("weight_0") else data


def no_graph(name: str, data: bytes) -> bytes | None:
    return b"{" if name == GRAPH else data


def not_finite(name: str, data: bytes) -> bytes | None:
    return b"\xff" * len(data) if name.endswith("weight_1") else data


@pytest.mark.parametrize("change", [no_weight, short_weight, no_graph, not_finite])
def test_a_damaged_file_says_so(exported, tmp_path, change):
    with pytest.raises(WorkbenchError, match=r"no whole exported program|not finite"):
        read_program(rewritten(exported, tmp_path / "bad.pt2", change))


@pytest.mark.slow
def test_torchvisions_networks_are_read(tmp_path):
    from torchvision import models

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = [
            models.get_model(name, weights=None, num_classes=7).eval()
            for name in ("resnet18", "mobilenet_v2", "vit_b_16")
        ]
    for net, side in zip(nets, (64, 64, 224), strict=True):
        program = read_program(written(tmp_path / "net.pt2", net, torch.rand(2, 3, side, side)))
        images = torch.rand(3, 3, side, side)
        with torch.no_grad():
            assert torch.allclose(program(images), net(images), atol=1e-4)
