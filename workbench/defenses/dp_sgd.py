"""DP-SGD: every step's gradient is clipped image by image and noised, which bounds what any image leaves behind.

Abadi et al., CCS 2016, https://arxiv.org/abs/1607.00133, by way of Opacus. The noise is what a given (ε, δ)
asks for; batches are Poisson samples, as the accounting assumes. Batch norm mixes the images of a batch
and has no per-image gradient: group norm takes its place.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets import Classifier
from workbench.targets.training import ClassifierRecipe, DefenseSetting, Shaping


def without_batch_norm(module: nn.Module) -> int:
    """Put group norm in the place of every batch norm, as `opacus.validators.ModuleValidator.fix`; return how many."""
    count = 0
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(
                module, name, nn.GroupNorm(math.gcd(32, child.num_features), child.num_features, affine=child.affine)
            )
            count += 1
        else:
            count += without_batch_norm(child)
    return count


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out two warnings of Opacus: the card says that the generator is seeded, and an outermost Rényi order that
    is the best one only makes ε a little larger than it need be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Secure RNG turned off|Optimal order is the")
        yield


@defense(
    "dp-sgd",
    title="DP-SGD",
    stage="training",
    paper="Abadi et al., CCS 2016, with Opacus",
    order=5,
    strength="epsilon",
    levels=(1000, 100, 10, 3, 1),
    needs="the package opacus",
    summary="Clipped and noised gradients: no single image can change the model much. Says nothing of a whole class.",
)
@dataclass(frozen=True)
class DPSGD(Defense):
    epsilon: float = knob(
        10.0, 0.01, 1e5, log=True, help="Privacy budget ε of the whole training; smaller protects more."
    )
    delta: float = knob(
        0.0,
        0.0,
        0.1,
        help="Probability δ with which the promise may fail; 0 stands for one in the number of training images.",
    )
    clip: float = knob(1.0, 0.01, 100.0, log=True, help="Longest gradient of one image.")
    accountant: str = knob(
        "rdp",
        choices={"rdp": "Rényi (RDP)", "prv": "Privacy loss (PRV), tighter"},
        help="How spent privacy is added up.",
    )

    def build(self, model: Classifier) -> Classifier:
        without_batch_norm(model)
        return model

    def shaping(self, case: DefenseSetting) -> Shaping:
        return PrivateShaping(self, case)


class PrivateShaping(Shaping):
    """Lets Opacus take the steps and keep the accounts."""

    def __init__(self, how: DPSGD, case: DefenseSetting) -> None:
        self.how, self.case = how, case
        self.engine: Any = None
        self.loader: Any = None
        self.told: dict[str, Any] = {}

    def recipe(self, recipe: ClassifierRecipe) -> ClassifierRecipe:
        # Large batches, for which the noise is smaller against the signal; weight decay is no part of the clipped gradient.
        return replace(recipe, batch=4 * recipe.batch, epochs=2 * recipe.epochs, weight_decay=0.0)

    def begin(
        self,
        model: Classifier,
        optimiser: torch.optim.Optimizer,
        rows: int,
        recipe: ClassifierRecipe,
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        from opacus import PrivacyEngine  # takes seconds to import
        from opacus.validators import ModuleValidator

        ModuleValidator.validate(model, strict=True)
        how, rng = self.how, torch.Generator(next(model.parameters()).device).manual_seed(recipe.seed)
        size = math.ceil(rows / max(1, rows // recipe.batch))  # as many steps as the loop counts on
        loader = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(torch.arange(rows)),
            size,
            generator=torch.Generator().manual_seed(recipe.seed),
        )
        delta = how.delta or 1 / rows
        model.train()  # Opacus refuses a model in eval mode
        with quietly():
            self.engine = PrivacyEngine(accountant=how.accountant)
            trained, stepping, self.loader = self.engine.make_private_with_epsilon(
                module=model,
                optimizer=optimiser,
                data_loader=loader,
                target_epsilon=how.epsilon,
                target_delta=delta,
                epochs=recipe.epochs,
                max_grad_norm=how.clip,
                noise_generator=rng,
            )
        fresh = Classifier(self.case.arch, model.shape, model.num_classes)
        self.told = {
            "delta": delta,
            "noise_multiplier": round(stepping.noise_multiplier, 4),
            "clip": how.clip,
            "sample_rate": round(1 / len(self.loader), 6),
            "batch_norms_replaced": without_batch_norm(fresh),
        }
        return trained, stepping

    def batches(self, rows: int, size: int, rng: torch.Generator) -> Iterator[Tensor]:
        for (index,) in self.loader:
            yield index.long()  # an empty one comes as floats

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        if not len(labels):  # a Poisson sample may be empty; its step is noise alone
            return model(images.requires_grad_(True)).sum()
        # Opacus hooks into the way back, which torch only lets it where the first layer's input has a gradient.
        return F.cross_entropy(model(images.requires_grad_(True)), labels)

    def end(self, model: nn.Module) -> None:
        if (undo := getattr(model, "to_standard_module", None)) is not None:
            undo()

    def facts(self) -> dict[str, Any]:
        with quietly():
            spent = self.engine.get_epsilon(self.told["delta"])
        return {
            "epsilon": round(spent, 3),
            **self.told,
            "accountant": f"{self.how.accountant.upper()} (Opacus)",
            "promise": "each private training image, added or removed; the noise comes from a seeded generator, which "
            "serves study and repetition, not a release",
        }
