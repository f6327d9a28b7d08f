"""ONNX files as people bring them: other scalings, layouts and outputs, links, and the look at a target before a run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES, SHAPE, QuadrantVictim

from workbench.__main__ import main
from workbench.core.errors import Incompatible, UsageError
from workbench.scenarios import SCENARIOS, Labelled, Split
from workbench.targets.inputs import NAMED, Adapter, InputSpec, candidates
from workbench.targets.remote import sources
from workbench.targets.remote.onnx import OnnxFile
from workbench.targets.sanity import asked_about, sanity_of
from workbench.ui.first_look import first_look

COLOUR = (3, *SHAPE[1:])


@pytest.fixture(autouse=True)
def _empty_list() -> Iterator[None]:
    sources.forget()
    yield
    sources.forget()


def quadrants(sides: tuple[int, int] = SHAPE[1:]) -> np.ndarray:
    """The weights (H·W, K) of `QuadrantVictim`."""
    mask = torch.zeros(CLASSES, *SHAPE[1:])
    half = SHAPE[1] // 2
    for k in range(CLASSES):
        mask[k, half * (k // 2) : half * (k // 2 + 1), half * (k % 2) : half * (k % 2 + 1)] = 10 / half**2
    if sides != SHAPE[1:]:
        mask = mask.repeat_interleave(2, 1).repeat_interleave(2, 2) / 4
    return mask.flatten(1).T.numpy()


def onnx_file(
    path: Path,
    shape: tuple[int, ...] = SHAPE,
    *,
    spec: InputSpec = NAMED["unit"],
    kind: int = 1,
    last: bool = False,
    outputs: tuple[int, ...] = (CLASSES,),
    external: bool = False,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
) -> Path:
    """Write a classifier by quadrants that undoes `spec` on pixels of `shape`; `outputs` says how many columns each has."""
    import onnx
    from onnx import helper, numpy_helper

    channels = shape[0]
    w = np.tile(quadrants(shape[1:]), (channels, 1)) / channels if weight is None else weight
    std, mean = (np.broadcast_to(np.float32(v), channels).reshape(1, -1, 1, 1) for v in (spec.std, spec.mean))
    constants = {"std": std / spec.range, "mean": mean / spec.range, "w": w}
    constants["b"] = np.zeros(w.shape[1]) if bias is None else bias
    steps = [("Cast", ["images"], "real", {"to": 1})]
    at = "real"
    if last:
        steps.append(("Transpose", [at], "first", {"perm": [0, 3, 1, 2]}))
        at = "first"
    steps += [
        ("Mul", [at, "std"], "scaled", {}),
        ("Add", ["scaled", "mean"], "pixels", {}),
        ("Flatten", ["pixels"], "flat", {}),
        ("Gemm", ["flat", "w", "b"], "logits", {}),
    ]
    names = []
    for number, columns in enumerate(outputs):
        constants[f"m{number}"] = np.eye(w.shape[1], columns)
        steps.append(("MatMul", ["logits", f"m{number}"], f"out{number}", {}))
        names.append(f"out{number}")
    nodes = [helper.make_node(op, ins, [out], **more) for op, ins, out, more in steps]
    sizes = ["n", *shape[1:], channels] if last else ["n", *shape]
    graph = helper.make_graph(
        nodes,
        "own",
        [helper.make_tensor_value_info("images", kind, sizes)],
        [helper.make_tensor_value_info(name, 1, None) for name in names],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    how = {"save_as_external_data": True, "location": path.name + ".data", "size_threshold": 0} if external else {}
    onnx.save_model(model, str(path), **how)
    return path


def same(target: OnnxFile, images: torch.Tensor, atol: float = 1e-4) -> bool:
    grey = images.mean(1, keepdim=True) if images.shape[1] == 3 else images
    return torch.allclose(target(images).softmax(1), QuadrantVictim()(grey).softmax(1), atol=atol)


@pytest.mark.parametrize("text", [*NAMED, "range=255,mean=127.5,std=60", "mean=0.1/0.2/0.3,std=0.5,bgr"])
def test_a_file_that_is_told_how_pixels_are_scaled_answers_as_the_model_it_was_made_from(tmp_path, text):
    spec = InputSpec.of(text)
    assert InputSpec.of(str(spec)) == spec, "what is said travels to the worker as text"
    target = OnnxFile("onnx:own", onnx_file(tmp_path / "own.onnx", COLOUR, spec=spec), COLOUR, spec)
    assert same(target, torch.rand(3, *COLOUR))


def test_channels_last_and_bytes_are_found_by_the_file_itself(tmp_path):
    path = onnx_file(tmp_path / "own.onnx", COLOUR, kind=2, last=True, spec=NAMED["bytes"])
    target, images = OnnxFile("onnx:own", path, COLOUR), (torch.rand(3, *COLOUR) * 255).round() / 255
    assert same(target, images)


def test_images_are_made_to_fit_where_that_is_asked_for(tmp_path):
    larger = (3, 2 * SHAPE[1], 2 * SHAPE[2])
    path = onnx_file(tmp_path / "own.onnx", larger)
    with pytest.raises(Incompatible, match="--input own=fit"):
        OnnxFile("onnx:own", path, SHAPE)
    flat = torch.rand(5, 1, 1, 1).expand(5, *SHAPE)
    assert same(OnnxFile("onnx:own", path, SHAPE, InputSpec.of("fit")), flat)


def test_of_several_outputs_the_one_with_a_column_for_each_class_is_asked(tmp_path):
    target = OnnxFile("onnx:own", onnx_file(tmp_path / "a.onnx", outputs=(2, CLASSES)), SHAPE, classes=CLASSES)
    assert target.offer.classes == CLASSES and same(target, torch.rand(3, *SHAPE))
    twice = onnx_file(tmp_path / "b.onnx", outputs=(CLASSES, CLASSES))
    with pytest.raises(Incompatible, match=r"out0, out1.*output=NAME"):
        OnnxFile("onnx:own", twice, SHAPE, classes=CLASSES)
    assert same(OnnxFile("onnx:own", twice, SHAPE, InputSpec.of("output=out1"), CLASSES), torch.rand(3, *SHAPE))
    with pytest.raises(Incompatible, match="no output 'x'; it has: out0, out1"):
        OnnxFile("onnx:own", twice, SHAPE, InputSpec.of("output=x"), CLASSES)


def test_a_model_that_lies_in_a_cache_of_links_is_read_and_its_missing_weights_are_named(tmp_path):
    snapshot, blobs = tmp_path / "snapshots", tmp_path / "blobs"
    snapshot.mkdir()
    blobs.mkdir()
    onnx_file(snapshot / "model.onnx", external=True)
    for name, hashed in (("model.onnx", "1" * 40), ("model.onnx.data", "2" * 40)):
        (snapshot / name).rename(blobs / hashed)
        (snapshot / name).symlink_to(Path("../blobs") / hashed)
    sources.allow("onnx", f"own={snapshot / 'model.onnx'}")
    assert same(sources.open_target("onnx:own", SHAPE), torch.rand(2, *SHAPE))
    (blobs / ("2" * 40)).unlink()
    with pytest.raises(Incompatible, match=r"model\.onnx\.data is not there"):
        sources.open_target("onnx:own", SHAPE)


def test_how_pixels_are_scaled_travels_to_the_worker(tmp_path):
    sources.allow("onnx", f"own={onnx_file(tmp_path / 'own.onnx')}")
    sources.allow_input("own=imagenet,fit")
    parser = argparse.ArgumentParser()
    sources.add_options(parser)
    words = sources.as_options()
    sources.forget()
    sources.allow_from(parser.parse_args(words))
    assert sources.source_of("onnx:own").spec == InputSpec.of("imagenet,fit")


@pytest.mark.parametrize(
    "text", ["std=0", "mean=x", "mean=1/2", "range=0", "std=nan", "zebra", "output=", "mean=1/2/3/4"]
)
def test_a_scaling_that_is_none_is_refused(text):
    with pytest.raises(UsageError):
        InputSpec.of(text)
    with pytest.raises(UsageError, match="NAME=WORDS"):
        sources.allow_input("nobody=unit")


@pytest.mark.parametrize("text", ["unit", "imagenet", "caffe", "insightface"])
def test_an_adapter_is_the_formula_and_lets_gradients_through(text):
    spec, images = InputSpec.of(text), torch.rand(2, 3, 4, 4, requires_grad=True)
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (spec.mean, spec.std))
    there = ((images.flip(1) if spec.bgr else images) * spec.range - mean) / std
    made = Adapter(spec, (3, 4, 4), (3, 4, 4))(images)
    assert torch.allclose(made, there, atol=1e-4)
    made.sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0


def toys() -> Split:
    """Four people, each bright in one quadrant."""
    labels = torch.arange(CLASSES).repeat(5)
    images = 0.4 + 0.3 * torch.tensor(quadrants().T).reshape(CLASSES, *SHAPE)[labels]
    return Split(Labelled(images, labels), Labelled(images, labels))


@pytest.mark.parametrize("meant", ["half", "bytes", "unit"])
def test_the_scaling_that_a_target_wants_is_proposed_by_what_it_answers_about_its_own_people(meant):
    """Of one that shifts by a half, the pixels' sign decides; one of bytes sees nothing but black in pixels from 0 to 1."""
    mean, spread = {"half": (0.0, 1), "bytes": (127.5, 128), "unit": (0.5, 1)}[meant]

    def answer(images, spec):
        x = (Adapter(spec, SHAPE, SHAPE)(images) - mean) / spread
        sure = x.amax((1, 2, 3)) - x.mean((1, 2, 3)) > 0.1  # too dark or too bright, and it names nobody but the first
        named = QuadrantVictim()(x).argmax(1)
        inside = sure & (x.abs().amax((1, 2, 3)) <= 1.0)
        return torch.nn.functional.one_hot(torch.where(inside, named, 0), CLASSES).float()

    asked = InputSpec.of("insightface" if meant == "bytes" else "bytes")
    found = sanity_of(answer, asked, asked_about(toys()), CLASSES, channels=1)
    assert found.accuracy == 1 / CLASSES and found.n == 20
    assert found.best[1] == 1.0 and dict(found.tried)[InputSpec.of(meant)] == 1.0
    said = found.warning("onnx:own")
    assert "25% of 20" in said and f"--input own={found.best[0]}" in said
    assert sanity_of(answer, InputSpec.of(meant), asked_about(toys()), CLASSES, channels=1).warning("x") is None


def test_candidates_have_colour_in_both_orders_and_grey_in_one():
    assert len(candidates(NAMED["unit"], 3)) == 2 * len(NAMED)
    assert len(candidates(NAMED["unit"], 1)) == len(NAMED)
    assert all(way.fit for way in candidates(InputSpec.of("fit"), 3))


def centroids(key: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights (D, K) and offsets (K,) of the nearest mean face."""
    data = SCENARIOS[key]().private.train
    mean = torch.stack([data.of_class(c).flatten(1).mean(0) for c in range(int(data.labels.max()) + 1)])
    middle = mean - mean.mean(0)
    return (middle * 0.5).T.numpy(), (-(middle * 0.5) @ mean.mean(0) - 0.25 * (middle**2).sum(1)).numpy()


def test_a_wrongly_scaled_file_never_looks_like_a_robust_one(tmp_path, capsys, monkeypatch):
    """The run's record and the command line say how few of its own people it recognises, and what would help."""
    shape = SCENARIOS["faces"].input_shape
    weight, bias = centroids("faces")
    path = onnx_file(
        tmp_path / "own.onnx",
        shape,
        spec=InputSpec.of("range=255,mean=127.5,std=128"),
        outputs=(40,),
        weight=weight,
        bias=bias,
    )
    named = ("--scenario", "faces", "--target", "onnx:own", "--onnx", f"own={path}")
    assert main(["run", "--check", *named, "--json"]) == 1
    wrong = json.loads(capsys.readouterr().out.splitlines()[0])
    assert wrong["accuracy"] < 0.3 and wrong["best"] in ("insightface", "half") and wrong["tried"]["insightface"] > 0.8
    assert main(["run", "--check", *named, "--input", "own=insightface"]) == 0
    assert "asked as 'insightface'" in capsys.readouterr().out
    page = first_look("faces", "onnx:own")
    assert 'role="alert"' not in page and "insightface</code> (as it is asked)" in page
    sources.forget()
    by_file = ("--scenario", "faces", "--target", str(path), "--input", "own=insightface")
    assert main(["run", "--check", *by_file]) == 0
    assert "onnx:own, asked as 'insightface'" in capsys.readouterr().out
    sources.forget()
    run = ("run", *named, "--attack", "random", "--classes", "0", "--json", "--threads", "1", "--device", "cpu")
    assert main([*run, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record["target_accuracy"] == wrong["accuracy"] and "--input own=" in record["target_warning"]
    assert "note: onnx:own recognises" in said.err
