"""What a prior's figures say, and that measuring touches nothing but the card."""

from __future__ import annotations

import json
import re

import pytest
import torch
from conftest import LinearPrior, QuadrantVictim

from workbench.analysis.prior_quality import figures_of, judge_prior, measure
from workbench.commands import main
from workbench.commands.listing import priors, standing
from workbench.core.errors import DataMissing, UsageError, WeightsCorrupt
from workbench.core.weights import amend_card, read_card, save_weights
from workbench.defenses.store import weights_name
from workbench.priors.base import Setting
from workbench.priors.gan import GAN
from workbench.priors.training.loop import publish
from workbench.targets import Classifier
from workbench.targets.store import EVALUATOR

SHARES = ("precision", "recall", "density", "coverage")


def public(n: int = 1200) -> torch.Tensor:
    """Return images (n, 1, 8, 8) of the known-answer prior itself."""
    return LinearPrior().random_images(n, torch.Generator().manual_seed(11))


class Collapsed(LinearPrior):
    """Draws nearly the same image always."""

    def sample(self, n, rng):
        return super().sample(n, rng) * 0.02


class Slow(LinearPrior):
    shown = 120


def test_a_perfect_prior_has_the_figures_of_the_public_images():
    found = measure(LinearPrior(), QuadrantVictim(), public())
    assert (found.n, found.public_images, found.features, found.biased) == (600, 1200, 4, False)
    assert found.frechet < 2 * found.frechet_halves + 1e-3 and found.spread == pytest.approx(1, abs=0.05)
    for name in (*SHARES, "spread"):
        assert getattr(found, name) == pytest.approx(getattr(found, f"{name}_halves"), abs=0.08), name


def test_a_collapsed_prior_shows_in_every_figure_but_precision():
    found = measure(Collapsed(), QuadrantVictim(), public())
    assert found.frechet > 50 * found.frechet_halves and found.spread < 0.1
    assert found.recall < 0.1 and found.coverage < 0.2 and found.precision > 0.9


def test_the_seed_decides_and_a_slow_prior_draws_fewer():
    first, again = (measure(LinearPrior(), QuadrantVictim(), public(), n=150, seed=4) for _ in range(2))
    assert first == again != measure(LinearPrior(), QuadrantVictim(), public(), n=150, seed=5)
    assert measure(Slow(), QuadrantVictim(), public()).n == 240


@pytest.mark.parametrize("n", [50, 601, 0, -3])
def test_too_few_images_are_refused(n):
    with pytest.raises(UsageError, match="at least 100 are needed, and the 1200 public images allow at most 600"):
        measure(LinearPrior(), QuadrantVictim(), public(), n=n)


@pytest.fixture
def shipped(models):
    """A toy prior and a toy evaluator of faces and of lfw, whose priors faces borrows."""
    torch.manual_seed(0)
    for scenario, channels in (("faces", 1), ("lfw", 3)):
        shape = (channels, 16, 16)
        judge = Classifier(EVALUATOR, shape, 3)
        save_weights(weights_name(scenario, EVALUATOR), judge.state_dict(), {"shape": shape, "num_classes": 3})
    images = torch.rand(300, 3, 16, 16)
    publish(
        "gan",
        GAN((3, 16, 16), 4, [8, 8], [8, 8]).eval(),
        Setting("lfw", images, True, torch.device("cpu")),
        "lfw/prior-gan",
        {"quality": "quick", "finished": False},
    )
    return images


def test_figures_go_onto_the_card_and_nothing_else_changes(shipped, models):
    before, weights = read_card("lfw/prior-gan"), (models / "lfw/prior-gan.safetensors").read_bytes()
    colour = judge_prior("lfw", "gan", shipped, n=100)
    grey = judge_prior("faces", "gan", shipped.mean(1, keepdim=True), n=100)
    card = read_card("lfw/prior-gan")
    assert {k: v for k, v in card.items() if k != "figures"} == before
    assert (models / "lfw/prior-gan.safetensors").read_bytes() == weights
    assert figures_of(card, "lfw") == colour.to_json() != grey.to_json() == figures_of(card, "faces")
    assert colour.evaluator == read_card("lfw/evaluator")["sha256"][:12] and figures_of(before, "lfw") is None
    assert not (models / "faces/prior-gan.json").exists() and not list(models.rglob("*.tmp"))


def test_figures_of_replaced_weights_are_refused(shipped):
    card = read_card("lfw/prior-gan")
    with pytest.raises(WeightsCorrupt, match="replaced while they were being measured"):
        amend_card("lfw/prior-gan", "0" * 64, {"figures": {}})
    assert read_card("lfw/prior-gan") == card


def test_what_is_missing_is_named(shipped, models):
    with pytest.raises(DataMissing, match="train evaluator --scenario digits"):
        judge_prior("digits", "gan", shipped)
    (models / "lfw/prior-gan.json").unlink()
    with pytest.raises(DataMissing, match="train prior --scenario lfw"):
        judge_prior("lfw", "gan", shipped)


def test_the_list_tells_how_good_a_prior_is(shipped):
    judge_prior("faces", "gan", shipped.mean(1, keepdim=True), n=100)
    rows = {(row["scenario"], row["key"]): row for row in priors()}
    faces, lfw, digits = (rows[(s, "gan")] for s in ("faces", "lfw", "digits"))
    assert (faces["borrowed_from"], lfw["borrowed_from"], faces["finished"], faces["quality"]) == (
        "lfw",
        None,
        False,
        "quick",
    )
    assert faces["figures"]["n"] == 100 and lfw["figures"] is None
    assert re.fullmatch(
        r"quick, training not finished, lfw's, in grey, Fréchet distance [\d.]+ \(public images [\d.]+\)",
        standing(faces),
    )
    assert standing(lfw) == "quick, training not finished"
    assert not digits["usable"] and digits["figures"] is None


def test_the_command_prints_what_it_wrote(tmp_path, monkeypatch, capsys):
    from shutil import copytree, ignore_patterns

    from workbench.core.paths import models_dir

    copytree(models_dir() / "digits", tmp_path / "digits", ignore=ignore_patterns("target-*"))
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    assert main(["quality", "--scenario", "digits", "--prior", "gan", "--n", "120", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["n"] == 120 and found["biased"] and found["public_images"] == 2500
    written = read_card("digits/prior-gan")["figures"]["digits"]
    assert {"scenario": "digits", "prior": "gan", **written} == found
    assert main(["quality", "--scenario", "digits", "--prior", "gann"]) == 2
    assert main(["quality", "--scenario", "digits", "--prior", "gan", "--n", "9000"]) == 2
    assert "at most 1250" in capsys.readouterr().err
