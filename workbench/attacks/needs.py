"""What an attack relies on beyond what every prior and every target offers; said before a run starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from workbench.attacks.base import Attack, AttackInfo
from workbench.attacks.parts.first_layer import first_linear
from workbench.core.errors import Incompatible
from workbench.core.knobs import knobs_of
from workbench.priors import PRIORS, Prior
from workbench.targets.architectures import Classifier


@dataclass(frozen=True)
class Need:
    """Attributes: has: whether a kind of prior, or a prior, offers it. why: what the attack does with it, and what is missing."""

    has: Callable[[type[Prior] | Prior], bool]
    why: str


NEEDS = {
    "critic": Need(
        lambda kind: kind.discriminates, "asks the prior's critic how real an image looks, and {prior} has none"
    ),
    "walk": Need(lambda kind: hasattr(kind, "walk"), "guides a diffusion step by step, and {prior} is none"),
    "layers": Need(
        lambda kind: hasattr(kind, "enter"), "searches inside a generator, layer after layer, and {prior} has no layers"
    ),
    "shared": Need(
        lambda kind: not kind.conditional, "shows every class the same samples, and {prior} draws each class separately"
    ),
}


def unmet(info: AttackInfo, prior: str) -> str | None:
    """Return why an attack cannot use the prior called `prior`, in one sentence, or None."""
    title, kind = PRIORS.entry(prior).title, PRIORS[prior]
    for name in info.needs:
        if not NEEDS[name].has(kind):
            return (
                f"{info.title} {NEEDS[name].why.format(prior=f'the {title} prior')}. "
                f"Choose another prior, such as {info.prior}."
            )
    return None


def layer_problem(shape: tuple[int, int, int], arch: str, knobs: Mapping[str, Any]) -> str | None:
    """Return why a loss that `knobs` choose finds no layer to look at in this architecture, or None."""
    if knobs.get("statistics", 0) and not _has_batch_norm(arch, tuple(shape)):
        return (
            f"The statistics are those of batch-norm layers, and '{arch}' has none. Set statistics=0 or choose "
            "another target."
        )
    return None


def watches_norms(attack: Attack) -> bool:
    """Return whether an attack may look at what the target's batch-norm layers see, now or when its knobs are turned."""
    return "statistics" in knobs_of(type(attack))


@cache
def _has_batch_norm(arch: str, shape: tuple[int, int, int]) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in Classifier(arch, shape, 2).modules())


@cache
def first_layer_problem(arch: str, shape: tuple[int, int, int]) -> str | None:
    """Return why a network's first layer does not tell its input in closed form, or None."""
    try:
        first_linear(Classifier(arch, shape, 2))
    except Incompatible as error:
        return str(error)
    return None
