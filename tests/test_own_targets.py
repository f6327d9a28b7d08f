"""Targets as people bring them: files of weights in every wrapping, files that are none, and attacks on what was brought."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from workbench.__main__ import main
from workbench.core.errors import Incompatible, UnknownName, UsageError, WeightsCorrupt, WorkbenchError
from workbench.defenses import load_target
from workbench.defenses.store import load_classifier, target_card
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES
from workbench.targets.brought import brought_names, keep, matched, name_problem
from workbench.targets.checkpoints import read_checkpoint
from workbench.targets.inputs import Adapter, InputSpec
from workbench.targets.published import NETS, build, published
from workbench.ui.first_look import first_look

DIGITS = (1, 32, 32)


class Toy(nn.Module):
    """Names as a small network of a paper has them: one convolution, one linear layer."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 32 * 32, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.conv1(images).relu().flatten(1))


@pytest.fixture
def toy(monkeypatch) -> str:
    """A published network that is there for one test; returns its name."""
    NETS.load()
    monkeypatch.setattr(NETS, "_entries", dict(NETS._entries))
    published("toy", title="Toy", paper="none", order=0)(Toy)
    return "toy"


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def weights(classes: int = 5, channels: int = 1) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Toy(classes, channels).state_dict()


def put_before(prefix: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda held: {prefix + name: value for name, value in held.items()}


WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "bare": dict,
    "state_dict and epoch": lambda w: {"epoch": 7, "state_dict": w, "best_acc1": torch.tensor(0.5)},
    "DataParallel": lambda w: {"state_dict": put_before("module.")(w)},
    "Lightning": lambda w: {"state_dict": put_before("model.")(w), "pytorch-lightning_version": "2"},
    "compiled, parallel": put_before("_orig_mod.module."),
    "optimiser beside it": lambda w: {
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
        "model_state_dict": w,
    },
    "average beside it": lambda w: {"ema": {k: v + 1 for k, v in w.items()}, "model": w},
    "half": lambda w: {k: v.half() for k, v in w.items()},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_what_is_around_weights_and_before_their_names_is_looked_through(tmp_path, toy, wrapping):
    held, path = weights(), tmp_path / "target.pth.tar"
    torch.save(WRAPPINGS[wrapping](held), path)
    found = matched(read_checkpoint(path), 5)
    assert (found.net, found.channels) == ("toy", 1)
    assert torch.allclose(found.module.state_dict()["fc.weight"], held["fc.weight"], atol=1e-3)


def test_safetensors_are_read_whatever_the_file_is_called(tmp_path, toy):
    path = tmp_path / "gewichte-\udce4.bin"  # a name that is no UTF-8
    save_file(weights(), tmp_path / "x")
    (tmp_path / "x").rename(path)
    assert matched(read_checkpoint(path), 5).net == "toy"


class Boom:
    """What runs a program when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch unpickled",)


def scripted() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("m/code/__torch__.py", "x")
        archive.writestr("m/data.pkl", b"\x80\x02}.")
    return out.getvalue()


def bomb() -> bytes:
    """An archive whose directory says that one entry unpacks to 64 GiB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}.")
        archive.writestr("m/data/0", b"0" * 10)
        archive.filelist[1].file_size = 2**36
        archive.filelist[1].extra = b""
    return out.getvalue()


def zipped(**entries: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def saved(what: Any, **how: Any) -> bytes:
    out = io.BytesIO()
    torch.save(what, out, **how)
    return out.getvalue()


def tensors(what: dict[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save(what)


def broken(value: float) -> bytes:
    return tensors({**weights(), "fc.bias": torch.tensor([0.0, value, 0.0, 0.0, 0.0])})


BAD: dict[str, tuple[Callable[[], bytes], type[WorkbenchError], str]] = {
    "empty": (lambda: b"", WeightsCorrupt, "is empty"),
    "text": (lambda: b"conv1.weight: 3\n" * 90, Incompatible, "neither safetensors nor a checkpoint"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + b"0" * 600, Incompatible, "neither safetensors nor a checkpoint"),
    "ONNX": (lambda: b"\x08\x08\x12\x07pytorch" * 60, Incompatible, "named with --onnx"),
    "checkpoint cut short": (lambda: saved(weights())[:900], WeightsCorrupt, "Copy it again"),
    "checkpoint without its end": (lambda: saved(weights())[:-200], WeightsCorrupt, "Copy it again"),
    "old form cut short": (
        lambda: saved(weights(), _use_new_zipfile_serialization=False)[:600],
        WeightsCorrupt,
        "Copy it again",
    ),
    "safetensors cut short": (lambda: tensors(weights())[:-40], WeightsCorrupt, "no whole safetensors"),
    "safetensors of a header that lies": (
        lambda: struct.pack("<Q", 90) + b'{"a":{"dtype":"F32","shape":[9999999],"data_offsets":[0,4]}}' + b" " * 300,
        WeightsCorrupt,
        "no whole safetensors",
    ),
    "pickle with a program": (lambda: pickle.dumps({"state_dict": Boom()}), Incompatible, "could run any program"),
    "checkpoint with a program": (lambda: saved({"state_dict": weights(), "x": Boom()}), Incompatible, "could run any"),
    "checkpoint with a program, old form": (
        lambda: saved({"x": Boom()}, _use_new_zipfile_serialization=False),
        Incompatible,
        "could run any program",
    ),
    "whole module": (lambda: saved(nn.Linear(2, 2)), Incompatible, "holds more than weights"),
    "TorchScript": (scripted, Incompatible, "TorchScript, a program"),
    "zip bomb": (bomb, UsageError, "unpacks to more than 4 GiB"),
    "empty zip": (zipped, Incompatible, "neither safetensors nor a checkpoint"),
    "zip of pictures": (lambda: zipped(**{"a/b.png": b"1"}), Incompatible, "without a checkpoint"),
    "zip that climbs out": (
        lambda: zipped(**{"../../data.pkl": b"\x80\x02}."}),
        WorkbenchError,
        "Copy it again|no weights",
    ),
    "a list": (lambda: saved([torch.zeros(3)]), Incompatible, "holds no weights by name"),
    "one tensor": (lambda: saved(torch.zeros(3)), Incompatible, "holds no weights by name"),
    "an optimiser alone": (
        lambda: saved({"optimizer": {"state": {0: {"exp_avg": torch.zeros(3), "step": torch.zeros(1)}}}}),
        Incompatible,
        "of no network|holds no weights|no weights",
    ),
    "NaN": (lambda: broken(float("nan")), WeightsCorrupt, "fc.bias holds numbers that are not finite"),
    "infinite": (lambda: broken(float("inf")), WeightsCorrupt, "earlier epoch"),
    "other classes": (lambda: tensors(weights(7)), Incompatible, "for 7 classes, and the scenario has 5"),
    "another network": (lambda: tensors({"a.weight": torch.ones(3, 3), "b": torch.ones(2)}), Incompatible, "--net"),
    "strange shape": (
        lambda: tensors({**weights(), "conv1.weight": torch.ones(9, 1, 3, 3)}),
        Incompatible,
        "conv1.weight has shape|no network",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_brought_says_what_to_do_and_leaves_nothing(
    tmp_path, toy, models, monkeypatch, capsys, kind
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("workbench.targets.brought.names", lambda weights: iter(["toy"]))
    make, error, words = BAD[kind]
    path = tmp_path / "target.pth"
    path.write_bytes(make())
    with pytest.raises(error, match=words):
        matched(read_checkpoint(path), 5)
    status = main(["import", "target", "--scenario", "digits", "--from", str(path)])
    said = capsys.readouterr().err
    assert status in (1, 2) and said.count("\n") == 1 and "Traceback" not in said
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["target.pth"], "no program ran and no file was left"


def test_what_is_no_file_and_what_is_too_large_is_refused(tmp_path, monkeypatch):
    for path in (tmp_path, tmp_path / "nothing.pth"):
        with pytest.raises(UsageError, match="There is no file"):
            read_checkpoint(path)
    with (tmp_path / "large.pth").open("wb") as file:
        file.truncate(5 * 2**30)  # a hole: it takes no room
    with pytest.raises(UsageError, match="at most 4 are read"):
        read_checkpoint(tmp_path / "large.pth")


@pytest.mark.parametrize(
    ("name", "text"), [("resnet18", "unit"), ("squeezenet1_1", "imagenet"), ("mobilenet_v3_small", "caffe,size=48")]
)
def test_a_network_of_torchvision_is_recognised_and_answers_as_it_did(tmp_path, models, monkeypatch, name, text):
    place, spec = SCENARIOS["digits"](), InputSpec.of(text)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = build(f"torchvision/{name}", 5, 3).eval()
    monkeypatch.setattr("workbench.targets.brought.sanity", lambda *_: None)  # it knows nobody
    found = matched(net.state_dict(), 5)
    assert found.net == f"torchvision/{name}"
    keep(place, "mine", found, spec, source="a test")
    images = torch.rand(3, *DIGITS)
    side = spec.side or 32
    there = net(Adapter(spec, DIGITS, (3, side, side))(images))
    assert torch.allclose(load_target("digits", "mine")(images), there, atol=1e-3)
    held = load_classifier("digits", "mine")
    assert torch.allclose(held.head(held.features(images)), there, atol=1e-3)
    assert held.width == (5 if name == "squeezenet1_1" else held.head.in_features)


@pytest.mark.parametrize("net", ["vgg16", "facenet64", "ir152"])
def test_the_papers_own_networks_have_the_published_names(net):
    """Names and shapes as the checkpoints of GMI and KED-MI have them."""
    with torch.device("meta"):
        shapes = {k: list(v.shape) for k, v in build(net, 1000, 3).state_dict().items()}
    assert shapes["fc_layer.weight"] == [1000, 2048 if net == "vgg16" else 512]
    if net == "vgg16":
        assert shapes["feature.0.weight"] == [64, 3, 3, 3] and shapes["bn.weight"] == [2048]
    else:
        units = {k.split(".")[2] for k in shapes if k.startswith("feature.body.")}
        assert len(units) == (24 if net == "facenet64" else 50)
        assert shapes["output_layer.3.weight"] == [512, 8192] and shapes["feature.body.0.res_layer.1.weight"] == [
            64,
            64,
            3,
            3,
        ]


@pytest.mark.parametrize(
    ("net", "name", "shape"),
    [
        ("mcnn", "feature.8.weight", [256, 128, 5, 5]),
        ("mcnn-bido", "layer3.0.weight", [256, 128, 5, 5]),
        ("scnn", "feature.14.weight", [512, 256, 3, 3]),
    ],
)
def test_the_papers_networks_of_digits_are_recognised_by_their_weights(net, name, shape):
    with torch.random.fork_rng():
        given = build(net, 5, 1).eval()
    weights = given.state_dict()
    assert list(weights[name].shape) == shape and weights["fc_layer.weight"].shape == (5, shape[0])
    assert matched(weights, 5).net == net
    with torch.no_grad():
        assert given(torch.rand(2, 1, 32, 32)).shape == (2, 5)


def test_what_was_brought_is_attacked_white_box_under_the_scaling_it_wants(tmp_path, toy, models, capsys):
    """Trained on digits from 0 to 255 less 128: brought without a word, it is asked as it wants to be."""
    data, spec = SCENARIOS["digits"]().private.train, InputSpec.of("insightface")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Toy(5, 1)
        seen, optimiser = (
            Adapter(spec, DIGITS, DIGITS)(data.images[::4].float()),
            torch.optim.Adam(net.parameters(), 1e-3),
        )
        for _ in range(60):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(seen), data.labels[::4]).backward()
            optimiser.step()
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "Mine-1.pth")
    assert main(["import", "target", "--scenario", "digits", "--from", str(tmp_path / "Mine-1.pth")]) == 0
    said = capsys.readouterr().out
    assert "digits/mine_1: toy, asked as" in said and target_card("digits", "mine_1")["heldout_accuracy"] > 0.8
    assert brought_names("digits") == ["mine_1"] and "mine_1" in ARCHITECTURES
    run = [
        "run",
        "--scenario",
        "digits",
        "--target",
        "mine_1",
        "--attack",
        "mi-face",
        "--set",
        "steps=3",
        "--classes",
        "0",
    ]
    assert main([*run, "--threads", "1", "--device", "cpu", "--json", "--out", str(tmp_path / "run")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["state"] == "finished" and record["target_accuracy"] > 0.8 and not record["target_warning"]
    assert main(["run", "--check", "--scenario", "digits", "--target", "mine_1"]) == 0
    page = first_look("digits", "mine_1")
    assert page.count("data:image/webp;base64,") == 12 and "(as it is asked)" in page and "its own people" in page
    assert first_look("digits", "softmax") == "", "what was trained here needs no such look"
    assert main(["import", "target", "--scenario", "digits", "--from", str(tmp_path / "Mine-1.pth")]) == 2
    assert "has a target called 'mine_1'" in capsys.readouterr().err


def test_a_file_may_stand_for_a_target(tmp_path, toy, models, capsys):
    save_file(weights(), tmp_path / "Mine.v2.safetensors")
    named = ["run", "--check", "--scenario", "digits", "--json", "--target", str(tmp_path / "Mine.v2.safetensors")]
    assert main(named) == 1
    said = capsys.readouterr()
    (name,) = brought_names("digits")
    assert name.startswith("mine_") and f"digits/{name}: toy, asked as" in said.err and "warning:" in said.err
    assert main(named) == 1 and brought_names("digits") == [name], "the same file is not brought again"
    assert main([*named[:-1], str(tmp_path / "none.pth")]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert main(["run", "--target", str(tmp_path / "Mine.v2.safetensors")]) == 2
    assert "--scenario" in capsys.readouterr().err


def test_a_target_that_recognises_nobody_is_kept_with_a_warning(tmp_path, toy, models, capsys):
    save_file(weights(), tmp_path / "mine.safetensors")
    assert main(["import", "target", "--scenario", "digits", "--from", str(tmp_path / "mine.safetensors")]) == 1
    assert "warning: mine recognises" in capsys.readouterr().out
    assert "its own people" in target_card("digits", "mine")["warning"]


def test_names_that_mislead_are_refused(models):
    for name, words in (
        ("resnet", "name of an architecture"),
        ("../x", "no name"),
        ("a-b", "no name"),
        ("", "no name"),
    ):
        assert words in str(name_problem("digits", name))
    assert name_problem("digits", "mine") is None and "mine" not in ARCHITECTURES
    with pytest.raises(UnknownName):
        build("torchvision/resnet19", 5, 3)
    with pytest.raises(UnknownName):
        build("elsewhere/resnet18", 5, 3)
