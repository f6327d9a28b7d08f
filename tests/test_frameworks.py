"""Global models as four federated frameworks leave them: files of those shapes come in as targets, and answer as they did there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CLASSES, SHAPE, QuadrantVictim
from torch import Tensor, nn

from workbench.__main__ import main
from workbench.core.errors import Incompatible
from workbench.defenses.store import load_classifier, target_card
from workbench.targets.published import NETS, published
from workbench.targets.remote.onnx import OnnxFile

DIGITS, PEOPLE = (1, 32, 32), 5


class Shared(nn.Module):
    """A small network that participants shared; a test tells the workbench of it, as somebody's own package would."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 3, padding=1)
        self.fc1 = nn.Linear(4 * 32 * 32, 16)
        self.fc2 = nn.Linear(16, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc2(self.fc1(self.conv1(images).relu().flatten(1)).relu())


@pytest.fixture
def shared(monkeypatch, tmp_path) -> Shared:
    NETS.load()
    monkeypatch.setattr(NETS, "_entries", dict(NETS._entries))
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    published("shared", title="Shared", paper="none", order=0)(Shared)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Shared(PEOPLE, DIGITS[0]).eval()


def fate(net: nn.Module) -> dict[str, Any]:
    """What a FATE trainer's checkpoint holds: the state beside what the network, the optimiser and the loss were."""
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    return {
        "model": net.state_dict(),
        "optimizer": optimiser.state_dict(),
        "model_define": {"0-0": {"op": "nn.Conv2d", "in_channels": 1, "out_channels": 4}},
        "optimizer_define": {"op": "Adam", "lr": 1e-3},
        "loss_define": {"op": "CrossEntropyLoss"},
        "epoch_idx": 19,
        "converge_status": False,
        "loss_history": [1.6, 0.4],
        "best_epoch": 19,
        "extra_data": {},
    }


def syft(net: nn.Module) -> OrderedDict[str, Tensor]:
    """What PySyft's aggregator hands back: an ordered dict of tensors, the mean of everybody's."""
    return OrderedDict((name, value.clone()) for name, value in net.state_dict().items())


@pytest.mark.parametrize("kept", [fate, syft])
@pytest.mark.filterwarnings("ignore:.*recognises")
def test_a_state_dict_comes_in_as_a_white_box_target(tmp_path, shared, capsys, kept: Callable[[nn.Module], Any]):
    torch.save(kept(shared), tmp_path / "global.pt")
    words = ["import", "target", "--scenario", "digits", "--from", str(tmp_path / "global.pt"), "--input", "unit"]
    assert main([*words, "--name", "theirs"]) == 1, "an untrained one is kept, with a warning"
    assert "theirs: shared, asked as" in capsys.readouterr().out and target_card("digits", "theirs")["arch"]
    images = torch.rand(3, *DIGITS, requires_grad=True)
    answer = load_classifier("digits", "theirs")(images)
    assert torch.allclose(answer, shared(images), atol=1e-5)
    assert torch.autograd.grad(answer.sum(), images)[0].abs().max() > 0


@pytest.mark.parametrize("kept", [fate, syft])
def test_a_checkpoint_of_another_architecture_is_refused_with_what_to_do(tmp_path, shared, capsys, kept):
    other = nn.Sequential(nn.Flatten(), nn.Linear(1024, 7), nn.Linear(7, PEOPLE))
    torch.save(kept(other), tmp_path / "global.pt")
    assert main(["import", "target", "--scenario", "digits", "--from", str(tmp_path / "global.pt")]) == 2
    said = capsys.readouterr().err
    assert "onnx" in said.lower() and "Traceback" not in said


def quadrant_weights() -> np.ndarray:
    """The weights (H·W, K) of `QuadrantVictim`, asked pixel by pixel."""
    pixels = torch.eye(SHAPE[1] * SHAPE[2]).reshape(-1, *SHAPE)
    nothing = QuadrantVictim()(torch.zeros(1, *SHAPE))
    return (QuadrantVictim()(pixels) - nothing).detach().numpy()


def onnx_graph(
    path: Path, nodes: list[tuple[str, list[str], str, dict[str, Any]]], inputs, output: str, weights, opset: int
) -> Path:
    import onnx
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(op, ins, [out], **more) for op, ins, out, more in nodes],
        "exported",
        [helper.make_tensor_value_info(inputs[0], 1, inputs[1])],
        [helper.make_tensor_value_info(output, 1, ["n", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(path))
    return path


def paddle(path: Path) -> Path:
    """An inference model of PaddleFL by paddle2onnx: Paddle's names, weights of a layer as (in, out), ends in a softmax."""
    return onnx_graph(
        path,
        [
            ("Flatten", ["x"], "flatten_0.tmp_0", {"axis": 1}),
            ("MatMul", ["flatten_0.tmp_0", "linear_0.w_0"], "linear_0.tmp_0", {}),
            ("Add", ["linear_0.tmp_0", "linear_0.b_0"], "linear_0.tmp_1", {}),
            ("Softmax", ["linear_0.tmp_1"], "softmax_0.tmp_0", {"axis": -1}),
        ],
        ("x", ["DynamicDimension.0", *SHAPE]),
        "softmax_0.tmp_0",
        {"linear_0.w_0": quadrant_weights(), "linear_0.b_0": np.zeros(CLASSES, np.float32)},
        11,
    )


def rosetta(path: Path) -> Path:
    """A SavedModel of Rosetta's TensorFlow by tf2onnx: channels last, names with slashes and colons, a reshape by constant."""
    whole = SHAPE[1] * SHAPE[2]
    return onnx_graph(
        path,
        [
            ("Reshape", ["input_1:0", "flatten/Const:0"], "flatten/Reshape:0", {}),
            ("MatMul", ["flatten/Reshape:0", "dense/MatMul/ReadVariableOp:0"], "dense/MatMul:0", {}),
            ("Add", ["dense/MatMul:0", "dense/BiasAdd/ReadVariableOp:0"], "dense/BiasAdd:0", {}),
            ("Identity", ["dense/BiasAdd:0"], "Identity:0", {}),
        ],
        ("input_1:0", ["unk__7", *SHAPE[1:], SHAPE[0]]),
        "Identity:0",
        {
            "flatten/Const:0": np.array([-1, whole], np.int64),
            "dense/MatMul/ReadVariableOp:0": quadrant_weights(),
            "dense/BiasAdd/ReadVariableOp:0": np.zeros(CLASSES, np.float32),
        },
        13,
    )


@pytest.mark.parametrize("exported", [paddle, rosetta])
def test_an_exported_graph_comes_in_as_a_black_box(tmp_path, exported: Callable[[Path], Path]):
    target = OnnxFile("onnx:theirs", exported(tmp_path / "global.onnx"), SHAPE, classes=CLASSES)
    images = torch.rand(4, *SHAPE)
    expected = QuadrantVictim()(images)
    assert torch.allclose(target(images).softmax(1), expected.softmax(1), atol=1e-4)
    with pytest.raises(Incompatible):
        OnnxFile("onnx:theirs", tmp_path / "global.onnx", (1, 64, 64), classes=CLASSES)
