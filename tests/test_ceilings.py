"""The judgement of real photographs is made once, kept, and made again when anything it depends on has changed."""

from __future__ import annotations

import pytest
import torch

from tests.test_metrics import CLASSES, GreyEvaluator, grey, judges
from workbench.engine import ceilings
from workbench.engine.ceilings import SHIPPED, ceiling_of
from workbench.engine.model_cache import ModelCache
from workbench.metrics.base import EvalContext
from workbench.metrics.judge import ceiling
from workbench.scenarios import Labelled, Split


def context_of(shade: float = 0.01) -> EvalContext:
    """Return a judge of six greys, whose held-out images are so much lighter than those it learnt from."""
    labels = torch.arange(CLASSES)
    levels = labels / 10
    train, heldout = Labelled(grey(*levels.tolist()), labels), Labelled(grey(*(levels + shade).tolist()), labels)
    return judges(GreyEvaluator().eval(), Split(train, heldout))


@pytest.fixture
def context() -> EvalContext:
    return context_of()


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """Return a list that grows by each ceiling that is made."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    made = []
    monkeypatch.setattr(ceilings, "ceiling", lambda context: made.append(ceiling(context)) or made[-1])
    return made


def test_it_is_made_once_and_read_as_it_was_made(context, counted):
    first = ceiling_of("mine", context)
    assert ceiling_of("mine", context) == first == counted[0] and len(counted) == 1


def test_other_photographs_or_judges_are_judged_anew(context, counted):
    ceiling_of("mine", context)
    ceiling_of("mine", context_of(0.02))
    assert len(counted) == 2


@pytest.mark.parametrize("content", [b"", b"{", b'{"stamp": 1}', b"[]"])
def test_a_damaged_file_is_made_anew(context, counted, tmp_path, content):
    first = ceiling_of("mine", context)
    (tmp_path / "ceilings" / "mine.json").write_bytes(content)
    assert ceiling_of("mine", context) == first and len(counted) == 2


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_what_is_shipped_is_of_the_judges_that_are_shipped(path, counted):
    context = ModelCache("cpu").evaluation(path.stem)
    assert ceiling_of(path.stem, context).n == len(context.private.heldout.labels) and not counted


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_what_is_shipped_is_what_is_found(path):
    context = ModelCache("cpu").evaluation(path.stem)
    kept, found = ceiling_of(path.stem, context), ceiling(context)
    assert kept.overall == pytest.approx(found.overall, abs=1e-4, nan_ok=True)
    assert [v.accuracy for v in kept.panel] == [v.accuracy for v in found.panel]
