"""Differential privacy among participants: what is clipped and noised, what it has spent, and what it cannot be had with."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from workbench.core.errors import Incompatible
from workbench.core.records import TrainingConfig
from workbench.federated import averaging
from workbench.federated.averaging import train_federated
from workbench.federated.privacy import PrivateSteps, epsilon, noised
from workbench.federated.settings import Federation
from workbench.federated.store import card_of_round
from workbench.federated.update import Update, flat
from workbench.targets import Classifier
from workbench.trainings.start import training_problems

DELTA = 1e-3


def test_spent_privacy_is_what_the_formula_says():
    assert epsilon(2.0, 1.0, 0, DELTA) == 0
    once = epsilon(2.0, 1.0, 1, DELTA)
    plain = min(a / 8 + math.log(1 / DELTA) / (a - 1) for a in torch.arange(1.05, 64, 0.05).tolist())  # Mironov 2017
    assert 0.5 * plain < once <= plain
    assert epsilon(4.0, 1.0, 4, DELTA) == pytest.approx(once, rel=0.02), "k steps of noise z are one of z / √k"
    assert epsilon(2.0, 0.1, 1, DELTA) < 0.5 * once < once < epsilon(2.0, 1.0, 2, DELTA) < epsilon(1.0, 1.0, 2, DELTA)


def test_shares_of_noise_add_up_to_what_was_promised():
    long = Update(0, 1, 9, {"w": torch.full((4000,), 3.0), "b": torch.zeros(5)})
    rng = torch.Generator().manual_seed(0)
    assert flat(noised(long, 2.0, 1e-9, 4, rng).delta).norm() == pytest.approx(2.0, rel=1e-5)
    zero = Update(0, 1, 9, {"w": torch.zeros(4000)})
    sent = [noised(zero, 2.0, 1.5, 4, rng) for _ in range(4)]
    assert sum(flat(u.delta) for u in sent).std() == pytest.approx(3.0, rel=0.05) and sent[0].examples == 1


def test_a_private_step_is_the_mean_of_clipped_gradients():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).double()
    images, labels = torch.rand(4, 1, 4, 4).double(), torch.tensor([0, 1, 2, 2])

    def gradients(clip: float, noise: float = 0.0, n: int = 4) -> torch.Tensor:
        PrivateSteps(clip, noise).set_gradients(model, images[:n], labels[:n], 4.0, torch.Generator().manual_seed(1))
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    nn.functional.cross_entropy(model(images), labels).backward()
    whole = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert torch.allclose(gradients(1e6), whole)
    each = [gradients(1e6, n=n) for n in range(1, 5)]
    alone = torch.stack([each[0], *(b - a for a, b in pairwise(each))]) * 4
    clipped = (alone * (0.1 / alone.norm(dim=1, keepdim=True)).clamp(max=1)).mean(0)
    assert torch.allclose(gradients(0.1), clipped)
    empty = gradients(0.1, noise=2.0, n=0)
    assert empty.std() == pytest.approx(2.0 * 0.1 / 4, rel=0.3)


@pytest.mark.parametrize("whom", ["client", "record"])
def test_every_round_says_what_it_has_spent(models, whom):
    knobs = {"rounds": 2, "participants": 3, "epochs": 1, "batch": 200, "privacy": whom, "noise": 2.0, "bound": 0.5}
    fed = Federation.of("digits", "softmax", knobs)
    reports = list(train_federated(fed))
    spent = [r.epsilon for r in reports]
    assert spent[0] is None and 0 < spent[1] < spent[2] == card_of_round(fed, 2)["privacy"]["epsilon"]
    assert all(math.isfinite(r.accuracy) for r in reports) and reports[2].participants[0].examples > 100
    if whom == "client":
        assert spent[2] == pytest.approx(epsilon(2.0, 1.0, 2, fed.setting.delta), abs=1e-3)
        assert list(train_federated(fed, resume=True))[-1].epsilon == spent[2]


def test_batch_statistics_have_no_such_privacy(models):
    config = TrainingConfig("federated", "digits", target="cnn", recipe={"privacy": "record"})
    assert "is a batch norm" in training_problems(config)[0] and "convnet" in training_problems(config)[0]
    with pytest.raises(Incompatible):
        next(averaging.train_federated(Federation.trained_as(config)))
    assert not training_problems(TrainingConfig("federated", "digits", target="convnet", recipe={"privacy": "record"}))


def test_the_network_without_batch_norm_gives_gradients_image_by_image():
    model = Classifier("convnet", (1, 16, 16), 3)
    private = PrivateSteps(1.0, 0.0)
    private.set_gradients(model, torch.rand(2, 1, 16, 16), torch.tensor([0, 1]), 2.0, torch.Generator())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
