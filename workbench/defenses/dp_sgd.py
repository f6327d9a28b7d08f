"""DP-SGD: every step's gradient is clipped image by image and noised, which bounds what any image leaves behind.

Abadi et al., CCS 2016, https://arxiv.org/abs/1607.00133, by way of Opacus. The noise is what a given (ε, δ)
asks for; batches are Poisson samples, as the accounting assumes.

By default only a linear head is learnt so, on a body that public images made and that stays as it is (Tramèr and Boneh,
ICLR 2021, https://arxiv.org/abs/2011.11660): noise grows with the number of parameters, and with a few hundred private
images a whole network learns next to nothing at any ε worth the name. The head sees features of zero mean and equal
length, so that every image's gradient is about as long, and begins at zero. Learning every layer from scratch is there to
be compared; batch norm, which mixes the images of a batch and has no per-image gradient, then makes way for group norm.
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

from workbench.core.errors import Incompatible
from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.public_body import public_body
from workbench.targets import Classifier
from workbench.targets.training import ClassifierRecipe, DefenseSetting, EpochProgress, Shaping

HEAD_EPOCHS = 1.2  # times the recipe's
TRAVEL = 60.0  # learning rate times steps of SGD with momentum 0.9: few noised steps have to be long ones


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


def without_overwriting(module: nn.Module) -> int:
    """Have layers that overwrite their input make a copy, which hooks for per-image gradients need; return how many did."""
    found = [layer for layer in module.modules() if getattr(layer, "inplace", False)]
    for layer in found:
        layer.inplace = False  # type: ignore[assignment]
    return len(found)


def ensure_private_steps(model: nn.Module) -> None:
    """Raise `Incompatible`, naming each layer that learns and cannot by clipped steps: it mixes images, or keeps figures of them."""
    from opacus.validators import ModuleValidator

    wrong = []
    for name, layer in model.named_modules():
        if not any(p.requires_grad for p in layer.parameters(recurse=False)):
            continue
        check = ModuleValidator.VALIDATORS.get(type(layer))
        if (check and check(layer)) or list(layer.buffers(recurse=False)):
            wrong.append(f"{name or 'the network'} ({type(layer).__name__})")
    if wrong:
        raise Incompatible(
            [
                f"DP-SGD cannot learn {', '.join(wrong[:5])}{f' and {len(wrong) - 5} more' if len(wrong) > 5 else ''}: such layers "
                "mix the images of a batch, or have no gradient for one image. Put others in their place (GroupNorm for norms, "
                "DPLSTM of Opacus for LSTM), or learn the head alone with layers=head."
            ]
        )


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
    needs="the package opacus, and labelled public images",
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
    layers: str = knob(
        "head",
        choices={"head": "The head, on a public body", "all": "Every layer, from scratch"},
        help="What the private images may change, by noised steps.",
    )
    clip: float = knob(1.0, 0.01, 100.0, log=True, help="Longest gradient of one image.")
    accountant: str = knob(
        "rdp",
        choices={"rdp": "Rényi (RDP)", "prv": "Privacy loss (PRV), tighter"},
        help="How spent privacy is added up.",
    )

    def build(self, model: Classifier) -> Classifier:
        if self.layers == "all":
            without_batch_norm(model)
            return model
        linear = nn.Linear(model.width, model.num_classes)
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
        model.head = nn.Sequential(nn.LayerNorm(model.width, elementwise_affine=False), linear)
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
        self.public: dict[str, Any] | None = None
        self.whole = how.layers == "all"

    def recipe(self, recipe: ClassifierRecipe) -> ClassifierRecipe:
        # Large batches, for which the noise is smaller against the signal; weight decay is no part of the clipped gradient.
        recipe = replace(recipe, batch=4 * recipe.batch, weight_decay=0.0)
        if self.whole:
            return replace(recipe, epochs=2 * recipe.epochs)
        epochs = math.ceil(HEAD_EPOCHS * recipe.epochs)
        steps = epochs * max(1, len(self.case.scenario.private.train) // recipe.batch)
        return replace(recipe, epochs=epochs, optimiser="sgd", lr=max(1.0, TRAVEL / steps))

    def prepare(self, model: Classifier) -> Iterator[EpochProgress]:
        if not self.whole:
            self.public = yield from public_body(model, self.case, "DP-SGD on a head")
            model.body.requires_grad_(False)

    def begin(
        self,
        model: Classifier,
        optimiser: torch.optim.Optimizer,
        rows: int,
        recipe: ClassifierRecipe,
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        from opacus import PrivacyEngine  # takes seconds to import

        without_overwriting(model)
        ensure_private_steps(model)
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
        self.told = {
            "delta": delta,
            "noise_multiplier": round(stepping.noise_multiplier, 4),
            "clip": how.clip,
            "sample_rate": round(1 / len(self.loader), 6),
            "private_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        }
        if self.whole:
            fresh = Classifier(self.case.arch, model.shape, model.num_classes)
            self.told["batch_norms_replaced"] = without_batch_norm(fresh)
        return trained, stepping

    def batches(self, rows: int, size: int, rng: torch.Generator) -> Iterator[Tensor]:
        for (index,) in self.loader:
            yield index.long()  # an empty one comes as floats

    def mode(self, model: nn.Module) -> None:
        model.train()
        if not self.whole:
            _inside(model).body.eval()  # the statistics of its batch norms stay those of public images

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        # Opacus hooks into the way back, which torch only lets it where the input of what learns has a gradient.
        if self.whole:
            logits = model(images.requires_grad_(True))
        else:
            inside = _inside(model)
            logits = inside.head(inside.features(images).detach().requires_grad_(True))
        # A Poisson sample may be empty; its step is noise alone.
        return F.cross_entropy(logits, labels) if len(labels) else logits.sum()

    def end(self, model: nn.Module) -> None:
        if (undo := getattr(model, "to_standard_module", None)) is not None:
            undo()

    def facts(self) -> dict[str, Any]:
        with quietly():
            spent = self.engine.get_epsilon(self.told["delta"])
        return {
            "epsilon": round(spent, 3),
            **self.told,
            **({"public": self.public} if self.public else {}),
            "private": "every layer is learnt from the private images, by clipped and noised steps"
            if self.whole
            else "the head alone is learnt from the private images, by clipped and noised steps; the body below it never "
            "saw them",
            "accountant": f"{self.how.accountant.upper()} (Opacus)",
            "promise": "each private training image, added or removed; the noise comes from a seeded generator, which "
            "serves study and repetition, not a release",
        }


def _inside(model: nn.Module) -> Classifier:
    """Return the classifier that Opacus has wrapped."""
    found = getattr(model, "_module", model)
    if not isinstance(found, Classifier):
        raise TypeError(f"DP-SGD trains a classifier's head, not {type(found).__name__}")
    return found
