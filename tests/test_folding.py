"""Batch norms folded into the layers before them: the same network, and only where nobody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from workbench.attacks import ATTACKS
from workbench.attacks.needs import watches_norms
from workbench.core.folding import fold
from workbench.core.paths import models_dir
from workbench.core.weights import read_card
from workbench.defenses.store import load_classifier, target_problem, trained_defenses
from workbench.engine.model_cache import ModelCache
from workbench.priors import PRIORS, Prior, load_prior
from workbench.priors.base import lender_of, prior_problem
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES, Classifier
from workbench.targets.randomness import random_layers
from workbench.targets.store import EVALUATOR

RELATIVE = 1e-4


def shipped_targets() -> Iterator[tuple[str, str, str]]:
    for scenario in (entry.key for entry in SCENARIOS):
        for arch in (entry.key for entry in ARCHITECTURES):
            for defense in ["none", *trained_defenses(scenario, arch)]:
                if arch != EVALUATOR and target_problem(scenario, arch, defense) is None:
                    yield scenario, arch, defense


def shipped_priors() -> Iterator[tuple[str, str]]:
    for scenario in (entry.key for entry in SCENARIOS):
        for key in (entry.key for entry in PRIORS):
            if prior_problem(scenario, key) is None and lender_of(scenario, key) is None:
                yield scenario, key


def norms(model: nn.Module) -> int:
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())


def apart(a: Tensor, b: Tensor) -> float:
    """Return how far two tensors are apart, relative to the first."""
    return ((a - b).norm() / a.norm().clamp_min(1e-12)).item()


def answer(function: Callable[[Tensor], Tensor], given: Tensor) -> tuple[Tensor, Tensor]:
    """Return a function's output and the gradient of a fixed mixture of it in what was given; noise from its beginning."""
    for layer in random_layers(function) if isinstance(function, nn.Module) else []:
        layer.rng.manual_seed(0)
    given = given.clone().requires_grad_(True)
    out = function(given)
    mixture = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    return out.detach(), torch.autograd.grad((out * mixture).sum(), given)[0]


@pytest.mark.parametrize(("scenario", "arch", "defense"), [*shipped_targets()])
def test_a_shipped_target_answers_as_before(scenario, arch, defense):
    # In double precision: in single, a feature that lies on a kink may fall to its other side, and its gradient with it.
    model = load_classifier(scenario, arch, defense).double()
    images = torch.rand(2, *model.shape, generator=torch.Generator().manual_seed(0)).double()
    before = [*answer(model, images), model.features(images)]
    names = [name for name, _ in model.named_modules()]
    after = fold(model)
    for a, b in zip(before, [*answer(after, images), after.features(images)], strict=True):
        assert apart(a, b) < RELATIVE
    assert [name for name, _ in after.named_modules()] == names, "a layer has another name"


# Where sampling is slow, digits show as much as faces do.
EACH = [
    pytest.param(s, k, marks=[pytest.mark.slow] if PRIORS[k].shown < Prior.shown and s != "digits" else [])
    for s, k in shipped_priors()
]


@pytest.mark.parametrize(("scenario", "key"), EACH)
def test_a_shipped_prior_draws_and_judges_as_before(scenario, key):
    prior = load_prior(scenario, key)
    latents = prior.sample(2, torch.Generator().manual_seed(0))
    labels = torch.arange(2) if prior.conditional else None
    images = torch.rand(2, *prior.shape, generator=torch.Generator().manual_seed(2))

    def answers() -> list[Tensor]:
        found = [*answer(lambda z: prior.decode(z, labels), latents)]
        if prior.discriminates:
            found += answer(lambda x: prior.discriminate(x, labels), images)
        return found

    before = answers()
    assert fold(prior) is prior
    assert all(apart(a, b) < RELATIVE for a, b in zip(before, answers(), strict=True))


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 6, 3), nn.ConvTranspose2d(3, 6, 3), nn.Conv2d(3, 6, 3, groups=3)])
@pytest.mark.parametrize("affine", [True, False])
def test_each_kind_of_layer_takes_its_norm_in(layer, affine):
    norm = nn.BatchNorm2d(6, affine=affine)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    model = nn.Sequential(layer, norm, nn.ReLU()).eval().requires_grad_(False)
    images = torch.rand(2, 3, 8, 8)
    before = model(images)
    assert norms(fold(model)) == 0 and apart(before, model(images)) < RELATIVE
    assert all(not p.requires_grad for p in model.parameters())


def test_a_norm_that_nothing_takes_in_stays():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3), nn.ConvTranspose2d(4, 4, 3, groups=2))
    model.append(nn.BatchNorm2d(4))
    assert norms(fold(model.eval().requires_grad_(False))) == 3


def test_what_may_still_learn_is_not_folded():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    with pytest.raises(ValueError, match="frozen"):
        fold(model.eval())
    with pytest.raises(ValueError, match="frozen"):
        fold(model.requires_grad_(False).train())


def test_the_cache_folds_unless_the_attack_looks_at_the_norms():
    cache = ModelCache("cpu")
    assert norms(cache.target("digits", "resnet")) == 0
    assert norms(cache.target("digits", "resnet", released=False, folded=False)) > 0
    assert norms(cache.prior("digits", "gan")) == 0
    assert watches_norms(ATTACKS["pixel"]()) and not watches_norms(ATTACKS["gmi"]())


def test_the_weights_on_disk_are_those_of_the_card(tmp_path):
    """What is folded is a copy in memory: the file, its card and the classifier that others load keep their norms."""
    name = models_dir() / "digits" / "target-resnet.safetensors"
    before, card = name.read_bytes(), read_card("digits/target-resnet")
    ModelCache("cpu").target("digits", "resnet")
    assert name.read_bytes() == before and read_card("digits/target-resnet") == card
    assert norms(load_classifier("digits", "resnet")) == norms(Classifier("resnet", (1, 32, 32), 5)) > 0
