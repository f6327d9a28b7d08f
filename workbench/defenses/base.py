"""The contract of a defense: it changes the training, the released output, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar, get_args

from torch import Tensor, nn

from workbench.core.knobs import knobs_of
from workbench.core.records import Access
from workbench.core.registry import Info, Registry
from workbench.defenses.parts.output import Released
from workbench.targets import Classifier
from workbench.targets.split import Guard
from workbench.targets.training import DefenseSetting, EpochProgress, Shaping

Stage = Literal["none", "training", "output", "split"]

DEFENSES: Registry[type[Defense], DefenseInfo] = Registry("defense", "workbench.defenses")

DefenseT = TypeVar("DefenseT", bound="Defense")


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

    def wrap(self, target: Classifier, trained: Mapping[str, Tensor] | None = None) -> nn.Module:
        """Return the target as it answers queries; images (n, C, H, W) to logits (n, K).

        Args:
            trained: the weights that `learn` made; None before that.
        """
        return target

    def guard(self, examples: Tensor) -> Guard:
        """Return what a client does to a hidden layer's output before it sends it; only at a split.

        Args:
            examples: (M, *S) what the layer answers of private training images.
        """
        return Guard()

    def learn(self, released: Released, case: DefenseSetting) -> Iterator[EpochProgress]:
        """Train in place what `wrap` put around the target, yielding progress; only where `learns`."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class DefenseInfo(Info):
    """What a defense says of itself.

    Attributes:
        stage: when it acts.
        paper: where it comes from; "after the paper's description" where no code of the authors was found.
        strength: the knob that trades utility for protection.
        levels: values of it for a sweep, weakest first.
        needs: what it needs besides the private images, as a noun.
        random: the same question may get different answers, so that an attacker gains by averaging.
    """

    stage: Stage
    paper: str
    summary: str
    strength: str | None = None
    levels: tuple[float, ...] = ()
    needs: str = ""
    random: bool = False


def defense(
    key: str,
    *,
    title: str,
    stage: Stage,
    paper: str,
    summary: str,
    order: int = 100,
    strength: str | None = None,
    levels: Sequence[float] = (),
    needs: str = "",
    random: bool = False,
) -> Callable[[type[DefenseT]], type[DefenseT]]:
    """Register a defense; the arguments are those of `DefenseInfo`.

    Raises:
        ValueError: there is no such stage, or the defense has no such knob.
    """
    if stage not in get_args(Stage):
        raise ValueError(f"stage={stage!r} is none of {', '.join(get_args(Stage))}")
    info = DefenseInfo(
        key=key,
        title=title,
        order=order,
        stage=stage,
        paper=paper,
        summary=summary,
        strength=strength,
        levels=tuple(levels),
        needs=needs,
        random=random,
    )

    def keep(cls: type[DefenseT]) -> type[DefenseT]:
        if strength is not None and strength not in knobs_of(cls):
            raise ValueError(f"defense '{key}' has no knob '{strength}'")
        DEFENSES.register(info)(cls)
        return cls

    return keep
