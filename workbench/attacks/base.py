"""The contract of an attack: what it declares, what it is given, what it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from workbench.attacks.parts.public_images import PublicImages
from workbench.core.errors import Incompatible, NotFinite
from workbench.core.knobs import knobs_of
from workbench.core.records import Access, Frame, Recovers
from workbench.core.registry import Info, Registry
from workbench.federated.exchange import Participants
from workbench.priors import Prior
from workbench.scenarios import Labelled
from workbench.targets import TargetView
from workbench.targets.split import Intercepted

ATTACKS: Registry[type[Attack], AttackInfo] = Registry(
    "attack", "workbench.attacks", "workbench.attacks.gradients", "workbench.attacks.split"
)

AttackT = TypeVar("AttackT", bound="Attack")

# What an attack searches with: `AttackContext[Prior]` for one on latents, `AttackContext[None]` for one on pixels.
P = TypeVar("P", bound=Prior | None, covariant=True)


class Control(Protocol):
    """What may change while an attack runs; the engine's side decides when a frame is due."""

    def value(self, name: str, default: Any) -> Any:
        """Return the live value of knob `name`."""

    def due(self, step: int) -> bool:
        """Return whether someone will look at a frame made now."""


@dataclass
class FixedControl:
    """A control for tests and scripts: nothing changes, every `every`-th step is due."""

    every: int = 1
    values: dict[str, Any] = field(default_factory=dict)

    def value(self, name: str, default: Any) -> Any:
        return self.values.get(name, default)

    def due(self, step: int) -> bool:
        return step % self.every == 0


@dataclass(frozen=True)
class AttackContext(Generic[P]):
    """Everything an attack may know. Evaluator and private images are not among it.

    Attributes:
        classes: (N,) int64, the class of each candidate; N = classes x restarts.
        rng: the only source of randomness; a CPU generator.
        start: latents (N, D), or images (N, C, H, W) for an attack on pixels, to begin from; None for
            the attack's own start.
        public: images to ask the target about: the scenario's public ones, or samples of its prior where it ships
            none. Only for an attack that declares ``public=True``; else None.
        flips: whether a mirror image is of the same class.
        participants: who answer the server, for an attack on what they send; None elsewhere. Their batch has one image of
            each class, in the order of the candidates.
        split: what a hidden layer answered of pictures that are to be recovered; None for an attack on classes.
    """

    target: TargetView
    prior: P
    classes: Tensor
    rng: torch.Generator
    device: torch.device
    control: Control
    restarts: int = 1
    start: Tensor | None = None
    public: PublicImages | None = None
    flips: bool = False
    participants: Participants | None = None
    split: Intercepted | None = None

    def start_or(self, fresh: Callable[[], Tensor]) -> Tensor:
        """Return a copy of what the run is told to begin from, (N, D) or (N, C, H, W), or else what `fresh` makes."""
        return fresh() if self.start is None else self.start.clone()

    def images_to_ask_about(self, advice: str = "Choose another attack.") -> PublicImages:
        """Return the public images; raises `Incompatible`, with a word of advice, where there are none."""
        if self.public is None:
            raise Incompatible([f"It asks about public images, and this scenario offers none. {advice}"])
        return self.public

    def intercepted(self) -> Intercepted:
        """Return what a client sent; raises `Incompatible` where the network isn't cut."""
        if self.split is None:
            raise Incompatible(["It inverts what a hidden layer answers, and this network is not cut in two."])
        return self.split

    def images_with_classes(self) -> Labelled:
        """Return images that the network was trained on, with classes; raises `Incompatible` where there are none."""
        if (known := self.intercepted().known) is None:
            raise Incompatible(["It needs images that the network was trained on, and has none."])
        return known

    def due(self, step: int) -> bool:
        """Return whether someone will look at a frame made now."""
        return self.control.due(step)

    def live(self, attack: Any, name: str) -> Any:
        """Return knob `name` of `attack` as it stands now."""
        return self.control.value(name, getattr(attack, name))


class Attack(Protocol):
    """A dataclass of knobs with a `run` generator.

    Protocol of `run`: yield the starting guess before the first query; then yield when a frame is
    due, and at the end; draw randomness from `ctx.rng` alone; leave the target untouched; return when
    finished. Stopping is closing the generator, pausing is not resuming it, and the attack never
    prints, saves or grades itself.
    """

    def run(self, ctx: AttackContext[Any]) -> Iterator[Frame]: ...


@dataclass(frozen=True, kw_only=True)
class AttackInfo(Info):
    """What an attack says of itself, for menus, tables and compatibility.

    Attributes:
        access: the least it needs of the target.
        prior: key of the prior it was published with, or None if it works on pixels.
        summary: one sentence for someone who has not read the paper.
        presets: name to knob values; "demo" is always among them, "paper" has the paper's numbers or is not there.
        public: whether it asks the target about public images, which it then finds in its context.
        departs: where it is otherwise than its paper, in whole sentences; "" where it is not, or nothing is known of it.
        needs: what it relies on in a prior beyond what every prior offers; names of `workbench.attacks.needs.NEEDS`.
        recovers: what it gets out of a model.
        threat: of an attack on what participants of a federated training send, the letter of the weakest threat model that
            allows it (`workbench.attacks.threats`); "" of one on the model itself.
        target: the architecture that it is tried on where nobody names one; the scenario's own where "" or not trained.
        labelled: whether it holds images that the network was trained on, with classes. Only for an attack on a split network.
    """

    access: Access
    prior: str | None
    paper: str
    summary: str
    survey_ref: int | None
    presets: Mapping[str, Mapping[str, Any]]
    departs: str = ""
    public: bool = False
    needs: tuple[str, ...] = ()
    recovers: Recovers = Recovers.CLASS
    threat: str = ""
    labelled: bool = False
    target: str = ""

    @property
    def on_updates(self) -> bool:
        """Whether it inverts what participants send, and not the model."""
        return self.recovers is Recovers.BATCH

    @property
    def label(self) -> str:
        """What menus, lists and tables call the attack: its name in the literature and its key on the command line."""
        return f"{self.title} ({self.key})"


def attack_label(key: str) -> str:
    """Return what an attack is called; one that is registered no more by its key alone."""
    return ATTACKS.entry(key).info.label if key in ATTACKS else key


def attacks_by_access(recovers: Recovers | None = None) -> dict[Access, list[AttackInfo]]:
    """Return attacks by what they need of the target, from everything to the label alone.

    Args:
        recovers: only those that recover this; all where None.
    """
    every = [entry.info for entry in ATTACKS if recovers in (None, entry.info.recovers)]
    groups = {access: [info for info in every if info.access is access] for access in Access}
    return {access: infos for access, infos in groups.items() if infos}


def attack(
    key: str,
    *,
    title: str,
    access: Access,
    prior: str | None,
    paper: str,
    summary: str,
    survey_ref: int | None = None,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    order: int = 100,
    departs: str = "",
    public: bool = False,
    needs: tuple[str, ...] = (),
    recovers: Recovers = Recovers.CLASS,
    threat: str = "",
    labelled: bool = False,
    target: str = "",
) -> Callable[[type[AttackT]], type[AttackT]]:
    """Register an attack; the arguments are those of `AttackInfo`.

    Args:
        presets: name to knob values, such as ``{"demo": {...}, "paper": {...}}``.

    Raises:
        ValueError: a preset sets a knob that the attack has not.
    """
    info = AttackInfo(
        key=key,
        title=title,
        order=order,
        access=access,
        prior=prior,
        paper=paper,
        summary=summary,
        survey_ref=survey_ref,
        presets={"demo": {}, **(presets or {})},
        departs=departs,
        public=public,
        needs=needs,
        recovers=recovers,
        threat=threat,
        labelled=labelled,
        target=target,
    )

    def keep(cls: type[AttackT]) -> type[AttackT]:
        for name, values in info.presets.items():
            if unknown := set(values) - set(knobs_of(cls)):
                raise ValueError(f"preset '{name}' of attack '{key}' sets unknown knobs {unknown}")
        ATTACKS.register(info)(cls)
        return cls

    return keep


def ensure_finite(step: int, **named: Tensor) -> None:
    """Raise `NotFinite` naming the step and the first tensor, (N, ...), that holds a NaN or an infinity.

    Reads back from the device; call it when a frame is due, not every step.
    """
    for name, value in named.items():
        if not torch.isfinite(value).all():
            raise NotFinite(
                f"{name} became NaN or infinite by step {step}. The frames up to here are kept; "
                "lower the learning rate or the loss weights and run again."
            )
