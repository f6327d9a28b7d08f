"""Purifier: a small auto-encoder redraws every confidence vector as if the image had never been seen in training.

Yang et al., AAAI 2023, https://arxiv.org/abs/2212.00612; no code of the authors was found, so this is after
the paper's description. A conditional variational auto-encoder of confidence vectors, given the predicted
label, is trained on vectors of images that the target never saw; members' vectors then come out alike. So
that members are not given away by being classified better, a share of them, recognised by the nearest
stored vector, gets the second label instead of the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.knobs import knob
from workbench.core.records import Access
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.output import Released
from workbench.targets import Classifier
from workbench.targets.training import ClassifierRecipe, DefenseSetting, EpochProgress, accuracy, warp

STEPS, REPORTS, BATCH, LATENT, WIDTH = 1500, 15, 128, 4, 64
COPIES = 20  # slightly moved copies of each unseen image


@defense(
    "purifier",
    title="Purifier",
    stage="output",
    paper="Yang et al., AAAI 2023, after the paper's description",
    order=30,
    strength="strength",
    levels=(0.02, 0.2, 1, 5),
    summary="Redraws each confidence vector with an auto-encoder that only knows images the target never saw.",
)
@dataclass(frozen=True)
class Purifier(Defense):
    strength: float = knob(
        0.2, 0.0, 100.0, help="Weight of the predicted label against likeness to the true confidences."
    )
    divergence: float = knob(
        0.01,
        0.0,
        10.0,
        help="Weight of the code's divergence from N(0, I); a large one lets nothing but the label through.",
    )
    radius: float = knob(
        1e-5, 0.0, 1.0, help="How near a stored vector a member's must be for its label to be swapped."
    )
    learns = True

    def note(self, access: Access) -> str | None:
        if access is Access.LABEL:
            return "Purifier swaps the labels of a few training images; every other label is the target's own."
        return None

    def wrap(self, target: Classifier, trained: Mapping[str, Tensor] | None = None) -> nn.Module:
        return Purified(target, self.radius, trained)

    def learn(self, released: Released, case: DefenseSetting) -> Iterator[EpochProgress]:
        if not isinstance(released, Purified):
            raise TypeError(f"Purifier is learnt by what it wraps, not by {type(released).__name__}")
        private, rng = case.scenario.private, torch.Generator().manual_seed(case.seed)
        flips = case.scenario.flips
        unseen = confidences(
            released.target, warp(private.heldout.images.repeat(COPIES, 1, 1, 1), ClassifierRecipe(), flips, rng)
        )
        optimiser = torch.optim.Adam(released.parameters_of_its_own(), 2e-3)
        for step in range(1, STEPS + 1):
            p = unseen[torch.randint(len(unseen), (BATCH,), generator=rng)].to(case.device)
            labels = p.argmax(1)
            logits, kl = released.redraw(p, labels, torch.randn(BATCH, LATENT, generator=rng).to(case.device))
            loss = (
                (logits.softmax(1) - p).pow(2).sum(1)
                + self.strength * F.cross_entropy(logits, labels, reduction="none")
                + self.divergence * kl
            ).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if step % (STEPS // REPORTS) == 0:
                yield EpochProgress(step, STEPS, loss.item(), float("nan"), "confidences of unseen images")
        released.eval().swap(
            private.train.images, private.train.labels, accuracy(released.target, private.heldout), rng
        )


@torch.no_grad()
def confidences(target: nn.Module, images: Tensor) -> Tensor:
    """Return the confidences (n, K) of images (n, C, H, W) in [0, 1], on the CPU."""
    device = next(target.parameters()).device
    return torch.cat([target(part.to(device)).softmax(1).cpu() for part in images.split(200)])


class Purified(Released):
    """Releases redrawn confidences; in eval mode by the mean code, so that equal questions get equal answers."""

    members: Tensor
    swapped: Tensor

    def __init__(self, target: Classifier, radius: float, trained: Mapping[str, Tensor] | None) -> None:
        super().__init__(target)
        classes, self.radius = target.num_classes, radius
        self.encoder = nn.Sequential(nn.Linear(2 * classes, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT + classes, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes))
        held = trained or {"members": torch.zeros(0, classes), "swapped": torch.zeros(0, dtype=torch.bool)}
        self.register_buffer("members", held["members"])
        self.register_buffer("swapped", held["swapped"])
        if trained:
            self.load_state_dict(trained, strict=False)

    def parameters_of_its_own(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def redraw(self, p: Tensor, labels: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits (n, K) and the code's divergence (n,), given confidences (n, K) and their labels (n,)."""
        label = F.one_hot(labels, p.shape[1]).to(p.dtype)
        mean, logvar = self.encoder(torch.cat([p, label], 1)).chunk(2, 1)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1)
        code = mean if noise is None else mean + (logvar / 2).exp() * noise
        return self.decoder(torch.cat([code, label], 1)), kl

    def swap(self, images: Tensor, labels: Tensor, elsewhere: float, rng: torch.Generator) -> None:
        """Choose the members whose labels are swapped, so that they are classified as well as others.

        Args:
            images, labels: of the members, (n, C, H, W) in [0, 1] and (n,).
            elsewhere: the share of other images that is classified rightly, 0 to 1.
        """
        answers = confidences(self.target, images)
        right = answers.argmax(1) == labels
        count = max(0, round((right.float().mean().item() - elsewhere) * len(labels)))
        chosen = right.nonzero()[:, 0][torch.randperm(int(right.sum()), generator=rng)[:count]]
        self.members = answers.to(self.members.device)
        self.swapped = torch.zeros(len(labels), dtype=torch.bool).index_fill(0, chosen, True).to(self.swapped.device)

    def labels(self, confidences: Tensor) -> Tensor:
        first, second = confidences.topk(2, 1).indices.T
        if not self.swapped.any():
            return first
        distance, nearest = torch.cdist(confidences, self.members, compute_mode="donot_use_mm_for_euclid_dist").min(1)
        return torch.where((distance <= self.radius) & self.swapped[nearest], second, first)

    def release(self, confidences: Tensor, images: Tensor) -> Tensor:
        return self.redraw(confidences, self.labels(confidences))[0].softmax(1)

    def facts(self) -> dict[str, Any]:
        return {"members": len(self.swapped), "labels_swapped": int(self.swapped.sum())}
