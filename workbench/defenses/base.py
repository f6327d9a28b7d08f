"""The contract of a defense: it changes the training, the released output, or both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from workbench.core.knobs import knobs_of
from workbench.core.records import Access
from workbench.defenses.plan import DEFENSES
from workbench.targets import Classifier
from workbench.targets.training import DefenseSetting, EpochProgress, Shaping

STAGES = ("none", "training", "output")


class Defense:
    """A dataclass of knobs. The identity by default; override what the paper changes.

    Attributes:
        learns: an output-time defense that has weights of its own, made by `learn`.
    """

    learns: ClassVar[bool] = False

    def problem(self, arch: str) -> str | None:
        """Return why this architecture cannot be defended so, in a sentence, or None."""
        return None

    def build(self, model: Classifier) -> Classifier:
        """Return `model` with the layers that this defense gives it, before training and before loading."""
        return model

    def shaping(self, case: DefenseSetting) -> Shaping:
        """Return what this defense changes in the training loop."""
        return Shaping()

    def note(self, access: Access) -> str | None:
        """Return what an attacker with `access` should know of this defense at the output, in a sentence, or None."""
        if access is Access.LABEL:
            return "This defense leaves the predicted class as it is, and the attack asks for nothing else."
        return None

    def wrap(self, target: nn.Module, trained: Mapping[str, Tensor] | None = None) -> nn.Module:
        """Return the target as it answers queries; images (n, C, H, W) to logits (n, K).

        Args:
            trained: the weights that `learn` made; None before that.
        """
        return target

    def learn(self, released: nn.Module, case: DefenseSetting) -> Iterator[EpochProgress]:
        """Train in place what `wrap` put around the target, yielding progress."""
        raise NotImplementedError


def defense(
    key: str,
    *,
    title: str,
    stage: str,
    paper: str,
    summary: str,
    order: int = 100,
    strength: str | None = None,
    levels: Sequence[float] = (),
    needs: str = "",
    random: bool = False,
):
    """Register a defense.

    Args:
        stage: ``"training"``, ``"output"`` or ``"none"``: when it acts.
        paper: where it comes from; "after the paper's description" where no code of the authors was found.
        strength: the knob that trades utility for protection.
        levels: values of it for a sweep, weakest first.
        needs: what it needs besides the private images, as a noun.
        random: the same question may get different answers, so that an attacker gains by averaging.
    """
    if stage not in STAGES:
        raise ValueError(f"stage={stage!r} is none of {', '.join(STAGES)}")

    def keep(cls: type[Defense]) -> type[Defense]:
        if strength is not None and strength not in knobs_of(cls):
            raise ValueError(f"defense '{key}' has no knob '{strength}'")
        return DEFENSES.register(
            key,
            title=title,
            stage=stage,
            paper=paper,
            summary=summary,
            order=order,
            strength=strength,
            levels=tuple(levels),
            needs=needs,
            random=random,
        )(cls)

    return keep


def knob_rows(cls: type[Any]) -> dict[str, dict[str, Any]]:
    """Return the knobs that a defense declares, as plain data."""
    return {
        k.name: {
            "default": k.default,
            "min": k.lo,
            "max": k.hi,
            "help": k.help,
            "choices": list(k.choices) if k.choices else None,
        }
        for k in knobs_of(cls).values()
    }
