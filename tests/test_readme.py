"""What README promises is what there is."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import torch

from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import FixedControl
from workbench.core.records import Access
from workbench.defenses.store import load_classifier
from workbench.priors import load_prior
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES, TargetView

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_attack_scenario_and_target_has_its_row():
    for registry in (ATTACKS, SCENARIOS, ARCHITECTURES):
        for entry in registry:
            known = f"`{entry.key}`" in README or entry.info.get("role") == "evaluator"
            assert known, f"README does not mention {registry.kind} {entry.key}"


def test_the_picture_is_there():
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (Path(__file__).parents[1] / path).is_file()


def test_the_example_attack_works_and_raises_the_confidence(monkeypatch, tmp_path):
    ATTACKS.load()
    monkeypatch.setattr(ATTACKS, "_entries", dict(ATTACKS._entries))
    code = re.search(r"```python\n(.*?)```", README, re.S).group(1)
    (tmp_path / "readme_example.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    example = importlib.import_module("readme_example")
    model = load_classifier("digits", "cnn")
    view = TargetView(model, Access.SCORES, num_classes=5, input_shape=model.shape)
    context = AttackContext(
        view,
        load_prior("digits", "gan"),
        torch.arange(5),
        torch.Generator().manual_seed(0),
        torch.device("cpu"),
        FixedControl(),
    )
    frames = list(example.Climb(steps=40).run(context))
    assert frames[0].queries == 0 and frames[-1].queries == 200
    assert frames[-1].payload.confidence.mean() > frames[1].payload.confidence.mean() + 0.1
