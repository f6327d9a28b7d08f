"""What a frame shows need not be an image: another payload is recorded, concluded and judged by functions of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import attack
from workbench.core.knobs import knob
from workbench.core.payloads import Images, Snapshot
from workbench.core.records import Access, Frame, RunConfig, RunState
from workbench.engine.execute import execute
from workbench.engine.judging import Conclusion, judged
from workbench.engine.model_cache import ModelCache
from workbench.priors.plane import Plane
from workbench.runs.contact_sheet import SheetLayout
from workbench.runs.payloads import Recorded, recorded, result_of
from workbench.runs.recorder import Recorder
from workbench.runs.run_folder import RunFolder

SHAPE = (1, 64, 64)


@dataclass(frozen=True, eq=False)
class Posteriors(Snapshot):
    """What an attribute inference holds: for each candidate, how likely every value of the attribute is, (N, V)."""

    kind: ClassVar[str] = "posteriors"

    shares: Tensor

    @property
    def count(self) -> int:
        return len(self.shares)


@recorded.register
def _(payload: Posteriors, plane: Plane | None) -> Recorded:
    return Recorded({"shares": payload.shares.cpu()}, payload.shares.amax(1).cpu())


@judged.register
def _(payload: Posteriors, ended: Conclusion) -> dict[str, float]:
    return {"accuracy": (payload.shares.argmax(1) == ended.run.labels).float().mean().item()}


@pytest.fixture
def infer(monkeypatch) -> RunConfig:
    """Return the configuration of an attack, registered for one test, that shows posteriors alone."""
    ATTACKS.load()
    monkeypatch.setattr(ATTACKS, "_entries", dict(ATTACKS._entries))

    @attack("infer", title="Infer", access=Access.LABEL, prior=None, paper="none", summary="none")
    @dataclass(frozen=True)
    class Infer:
        steps: int = knob(5, 1, 10, help="Steps.")

        def run(self, ctx: AttackContext) -> Iterator[Frame]:
            values = torch.eye(3)[ctx.classes]
            for step in range(self.steps + 1):
                share = step / self.steps
                shares = share * values + (1 - share) / 3
                entropy = -(shares * shares.clamp(min=1e-9).log()).sum(1)
                yield Frame(step, self.steps, Posteriors(shares), {"entropy": entropy})

    return RunConfig("faces", "infer", "softmax", classes=(2, 0, 1), device="cpu", knobs={"steps": 5})


def test_posteriors_are_run_recorded_and_judged_without_an_image(tmp_path, infer):
    folder = RunFolder.fresh(tmp_path / "run", infer, SHAPE)
    assert execute(infer, folder, ModelCache("cpu"), fps=1e9) is RunState.FINISHED
    assert folder.manifest()["accuracy"] == 1.0 and folder.manifest()["steps"] == 5
    assert folder.scene()["payload"] == "posteriors"
    result = folder.result()
    assert torch.equal(result["shares"], torch.eye(3)[[2, 0, 1]]) and result["labels"].tolist() == [2, 0, 1]
    frames = folder.frames()
    assert frames[0] == 0 and torch.allclose(folder.tensors(0)["shares"], torch.full((3, 3), 1 / 3))
    assert not list((folder.path / "frames").glob("*.jpg")) and not (folder.path / "images.png").exists()
    assert folder.curves().splitlines()[0] == "frame,step,seconds,queries,confidence,entropy"
    assert folder.confidence().splitlines()[-1].split(",")[1:] == ["100", "100", "100"]


def test_a_payload_that_nothing_records_is_a_fault_of_the_program_and_says_so():
    with pytest.raises(TypeError, match=r"how a object is recorded. Register a function with workbench.runs.payloads"):
        recorded(object(), None)


def test_of_images_the_result_holds_images_and_latents():
    images, latents = torch.rand(2, 1, 4, 4), torch.rand(2, 3)
    held = result_of(Images(images, latents))
    assert torch.equal(held["images"], images) and torch.equal(held["latents"], latents)
    assert set(result_of(Images(images))) == {"images"}


def test_a_curve_is_written_under_its_own_name(tmp_path, infer):
    """A frame that knows other losses than the first leaves a blank; no value lands under another's name."""
    folder = RunFolder.fresh(tmp_path / "run", infer, SHAPE)
    recorder = Recorder(folder, SheetLayout.of(2, (1, 4, 4)), None)
    for step, losses in enumerate([{"a": 1.0, "b": 2.0}, {"b": 3.0, "a": 4.0}, {"c": 5.0, "b": 6.0}]):
        payload = Images(torch.zeros(2, 1, 4, 4))
        recorder.offer(Frame(step, 2, payload, {k: torch.full((2,), v) for k, v in losses.items()}), 0.0, must=True)
    recorder.close()
    head, *lines = (line.split(",")[5:] for line in folder.curves().splitlines())
    assert head == ["a", "b"] and lines == [["1", "2"], ["4", "3"], ["", "6"]]
