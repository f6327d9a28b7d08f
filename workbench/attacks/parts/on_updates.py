"""What attacks on a participant's update share: the switches beside them, and the update that they have seen."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.attacks.base import AttackContext, ensure_finite
from workbench.attacks.parts.label_inference import inferred_labels
from workbench.core.errors import Incompatible
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Frame
from workbench.federated.exchange import Terms
from workbench.federated.local_steps import LocalSteps, parameters_of, pulled, set_mode
from workbench.priors import Prior

LABELS = {"inferred": "Inferred from the update", "known": "Given: an upper bound, no attack"}
MODES = {"eval": "As when it is asked", "train": "Batch statistics, dropout"}
NOISE = 64  # images of noise by which the model's usual answer is known
WEIGHTS = {"trained": "As trained", "untrained": "Fresh"}


@dataclass(frozen=True)
class OnUpdates:
    """The switches that every attack on an update has; the batch is one image of each class that is attacked."""

    labels: str = knob("inferred", choices=LABELS, help="Where the batch's labels come from.")
    weights: str = knob("trained", choices=WEIGHTS, help="The model that the server sent.")
    mode: str = knob("eval", choices=MODES, help="How layers behave in local training.")
    local_steps: int = knob(1, 1, 32, help="Steps that the participant takes before it sends.", unit="steps")
    local_lr: float = knob(0.05, 1e-4, 1.0, log=True, help="Learning rate of a local step.")
    participants: int = knob(1, 1, 32, help="Who share the batch; beyond 1 the server sees nothing but their sum.")
    clip: float = knob(0.0, 0.0, 100.0, help="Longest gradient that is sent; 0: any.")
    noise: float = knob(0.0, 0.0, 10.0, help="Noise on what is sent, in shares of its root mean square.")
    pruned: float = knob(0.0, 0.0, 0.999, help="Share of the entries, the smallest, that are sent as zero.")

    @property
    def terms(self) -> Terms:
        """What the participants do before they send."""
        local = LocalSteps(self.local_steps, self.local_lr, self.mode == "train")
        return Terms(local, self.clip, self.noise, self.pruned)


class SeenUpdate:
    """The update that the server received, and what other images would have given.

    Of N = K x R candidates, those of one restart make a batch of K images; restarts are apart.

    Args:
        ctx: its target is the model that the server sent; asked once here.
        switches: those of the attack.
        sent: another model in its place, of a server that may send any.

    Raises:
        Incompatible: nobody answers, outside a federated setting.
    """

    def __init__(
        self, ctx: AttackContext[Prior | None], switches: OnUpdates, start: Tensor, sent: nn.Module | None = None
    ) -> None:
        if ctx.participants is None:
            raise Incompatible(["This attack inverts what a participant sends, and nobody sends anything here."])
        self.ctx, self.switches, self.participants = ctx, switches, ctx.participants
        self.local = switches.terms.local
        self.model = sent or model_sent(ctx, switches, start)
        self.update = {name: value.to(ctx.device) for name, value in self.participants.answer(self.model).items()}
        self.own = copy.deepcopy(self.model).requires_grad_(True)
        set_mode(self.own, self.local, drops=False)
        self.parameters = parameters_of(self.own)
        self.restarts = ctx.restarts
        self.count = len(ctx.classes) // ctx.restarts
        self.labels = self._labels()

    @property
    def names(self) -> list[str]:
        """The parameters' names, first layer first."""
        return list(self.parameters)

    def _labels(self) -> Tensor:
        """Return the labels (K,) of the batch, in the order of the candidates wherever that can be told."""
        attacked = self.ctx.classes[:: self.restarts]
        if self.switches.labels == "known":
            return attacked
        rng = torch.Generator().manual_seed(0)  # of no consequence for anything else
        noise = torch.rand((NOISE, *self.ctx.target.input_shape), generator=rng).to(self.ctx.device)
        with torch.no_grad():
            usual = self.model.eval()(noise).softmax(1).mean(0)
        found = inferred_labels(self.model, self.update, self.count, usual)
        return in_order_of(found, attacked)

    @property
    def said(self) -> str:
        """What was found out of the labels, in a few words."""
        if self.switches.labels == "known":
            return "labels given: an upper bound, not an attack"
        classes = sorted(self.labels.tolist())
        return f"labels read from the update: {', '.join(map(str, classes[:12]))}{' …' if len(classes) > 12 else ''}"

    def charge(self, images: Tensor) -> None:
        """Count images (n, C, H, W) that go through the model."""
        self.ctx.target.module(images)

    def pull(self, images: Tensor, targets: Tensor | None = None) -> dict[str, Tensor]:
        """Return the update that a batch (K, C, H, W) would have given, differentiable in it."""
        targets = self.labels if targets is None else targets
        return pulled(self.own, self.parameters, images, targets, self.local, differentiable=True)

    def batch_of(self, values: Tensor, restart: int) -> Tensor:
        """Return the candidates (K, ...) of a restart, of values (N, ...)."""
        return values[restart :: self.restarts]

    def spread(self, by_restart: Tensor) -> Tensor:
        """Return a value for each candidate, (N,), of one for each restart (R,)."""
        return by_restart.repeat(self.count)


def model_sent(ctx: AttackContext[Prior | None], switches: OnUpdates, images: Tensor) -> nn.Module:
    """Return a copy of the model that the server sent, the target with its own weights or with fresh ones.

    Args:
        images: (n, C, H, W), counted as looked at.
    """
    model = copy.deepcopy(ctx.target.module(images))
    if switches.weights == "untrained":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=ctx.rng)))
            for module in model.modules():
                if callable(reset := getattr(module, "reset_parameters", None)):
                    reset()
    return model


def in_order_of(found: Tensor, attacked: Tensor) -> Tensor:
    """Return labels (K,) so that as many as can be stand where the candidate of their class does."""
    left, placed = found.tolist(), [-1] * len(attacked)
    for place, c in enumerate(attacked.tolist()):
        if c in left:
            placed[place] = c
            left.remove(c)
    return torch.tensor([left.pop(0) if c < 0 else c for c in placed], device=attacked.device)


def cosine_distance(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Tensor:
    """Return 1 − ⟨a, b⟩ / (‖a‖ ‖b‖) over all parameters, a scalar; Geiping et al. 2020, eq. 4."""
    product = sum(((ours[name] * theirs[name]).sum() for name in theirs), start=torch.zeros(()))
    a = sum((ours[name].square().sum() for name in theirs), start=torch.zeros(()))
    b = sum((theirs[name].square().sum() for name in theirs), start=torch.zeros(()))
    return 1 - product / (a * b).sqrt().clamp_min(1e-20)


def squared_distance(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Tensor:
    """Return Σ ‖a − b‖² over all parameters, a scalar; Zhu et al. 2019, eq. 4."""
    return sum(((ours[name] - theirs[name]).square().sum() for name in theirs), start=torch.zeros(()))


def best_restart(losses: Tensor, count: int) -> Tensor:
    """Return (N,) bool: the candidates of the restart with the least loss (R,), as the attacker would choose."""
    kept = torch.zeros(len(losses), dtype=torch.bool, device=losses.device)
    kept[losses.argmin()] = True
    return kept.repeat(count)


def placed_by_model(images: Tensor, model: nn.Module, classes: Tensor) -> Tensor:
    """Return images (K, C, H, W) in the order of the classes (K,) that the model takes them for, all together."""
    from scipy.optimize import linear_sum_assignment  # slow to load, and needed by few

    with torch.no_grad():
        likely = model(images).log_softmax(1)[:, classes]
    rows, columns = linear_sum_assignment(-likely.cpu().numpy())
    order = torch.empty(len(classes), dtype=torch.long)
    order[torch.from_numpy(columns)] = torch.from_numpy(rows)
    return images[order.to(images.device)]


def shown_at_once(
    start: Tensor, images: Tensor, loss: Tensor, ctx: AttackContext[Prior | None], note: str
) -> Iterator[Frame]:
    """Yield the one frame of an attack that computes its answer, images (N, C, H, W) and a loss for each (N,)."""
    ensure_finite(1, images=images)
    yield Frame(1, 1, Images(images.clamp(0, 1)), {"gradient distance": loss}, ctx.target.queries, note)
