"""Zhu et al.: confidences estimated from labels alone, then the inverse decoder.

Zhu, Ye, Zhou, Liu and Zhou, "Label-only model inversion attacks: attack with the least information", IEEE TIFS
2023; as a preprint, https://arxiv.org/abs/2203.06555. An image is asked about n times under Gaussian noise of
standard deviation σ; the share μ of copies that change their label is the error rate, and −σ Φ⁻¹(μ) the distance
to the boundary. With the weights w of a linear surrogate that was fitted to the labels, the confidence in the label is

    1 / (1 + exp(σ Φ⁻¹(μ) ‖w‖₂)),

and the rest goes to the classes into which the copies fell. These vectors train Yang et al.'s decoder.

After the paper's description. Departs from it: σ is found by asking, so that the mean error
rate is near `error`; the vector that is decoded for a class is the mean of its surest; ‖w‖ is the norm of w_c, the
row of the label.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.inverse_decoder import BATCH, InverseTraining, class_vectors, to_ask_about, vectors_of
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame

LOUDNESS = (0.01, 1.0)  # between these noise levels, of the [0, 1] grey range, σ is looked for
HALVINGS = 5
MOST = 2**60  # queries, where no budget says fewer
PROBES, COPIES = 16, 4  # images that choose σ, and how often each is asked about
FIT = 200  # gradient steps of the linear surrogate


@attack(
    "zhu",
    title="Zhu et al., error-rate decoder",
    access=Access.LABEL,
    prior=None,
    survey_ref=37,
    order=41,
    public=True,
    paper="Zhu et al., IEEE TIFS 2023",
    summary="Estimates the hidden confidences from how often noise changes a label, then turns them into images.",
    presets={"demo": dict(images=800), "paper": dict(images=10_000, copies=100, epochs=100, lr=2e-4, width=64)},
)
@dataclass(frozen=True)
class Zhu:
    images: int = knob(
        800,
        1,
        1_000_000,
        log=True,
        help="Public images asked about, each with its noisy copies, for all classes together.",
    )
    copies: int = knob(12, 1, 1000, log=True, help="Noisy copies of an image (n).", unit="queries")
    error: float = knob(0.2, 0.01, 0.49, help="Share of copies that should change their label; chooses the noise σ.")
    epochs: int = knob(10, 1, 500, log=True, help="Passes over the answers.")
    lr: float = knob(2e-3, 1e-5, 0.1, log=True, help="Adam's step size; falls to nothing.")
    kept: int = knob(
        5, 1, 1000, log=True, help="How many of the estimated confidences are kept; the rest are truncated."
    )
    leaders: int = knob(
        5,
        0,
        1000,
        help="How many of the surest answers make up the vector of a class that is decoded; "
        "0 decodes the one-hot vector.",
    )
    width: int = knob(12, 4, 256, log=True, help="Channels of the decoder at full size.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        probing = PROBES * (1 + HALVINGS * COPIES)
        count = min(self.images, max(1, (ctx.target.affordable(MOST) - probing) // (1 + self.copies)))
        inverse = InverseTraining(ctx, asked=count, epochs=self.epochs, lr=self.lr, width=self.width)
        total = HALVINGS + -(-count // BATCH) * self.copies + inverse.steps
        steps = self._steps(ctx, inverse, count)
        yield from frames_of_steps(ctx, steps, lambda step, note: inverse.frame(step, total, note))

    def _steps(self, ctx: AttackContext[None], inverse: InverseTraining, count: int) -> Iterator[str]:
        public = inverse.public.choice(count)
        sigma = yield from self._noise(ctx, public)
        images, labels, shares = list[Tensor](), list[Tensor](), list[Tensor]()
        for batch in to_ask_about(public, count, ctx.rng):
            images.append(batch)
            labels.append(ctx.target.labels(batch))
            shares.append(torch.zeros(len(batch), ctx.target.num_classes, device=ctx.device))
            for _ in range(self.copies):
                shares[-1] += self._fell(ctx, batch, sigma, 1) / self.copies
                yield f"asking about noisy copies, σ = {sigma:.2f}; {inverse.public.note}"
        asked, own, fallen = torch.cat(images), torch.cat(labels), torch.cat(shares)
        steepness = fitted_norms(asked, own, ctx.target.num_classes)[own]
        scores = estimated(fallen, own, sigma * steepness, self.copies)
        yield from inverse.train(
            asked, vectors_of(scores, self.kept), class_vectors(ctx, scores, self.kept, self.leaders)
        )

    def _noise(self, ctx: AttackContext[None], public: Tensor) -> Generator[str, None, float]:
        """Take a step for each halving of the range of σ; return the σ at which the mean error rate is as wanted.

        Args:
            public: (M, C, H, W) from which the images to ask about are drawn.
        """
        low, high = LOUDNESS
        probes = next(to_ask_about(public, min(PROBES, len(public)), ctx.rng))
        labels = ctx.target.labels(probes)
        for _ in range(HALVINGS):
            sigma = (low * high) ** 0.5
            stay = self._fell(ctx, probes, sigma, COPIES).gather(1, labels[:, None])[:, 0]
            low, high = (low, sigma) if (1 - stay).mean() > self.error else (sigma, high)
            yield "looking for the noise that changes enough labels"
        return (low * high) ** 0.5

    def _fell(self, ctx: AttackContext[None], images: Tensor, sigma: float, copies: int) -> Tensor:
        """Return the share of noisy copies of images (M, C, H, W) that fell into each class, (M, K); copies·M queries."""
        share = torch.zeros(len(images), ctx.target.num_classes, device=images.device)
        for _ in range(copies):
            noise = torch.randn(images.shape, generator=ctx.rng).to(images.device)
            share += F.one_hot(ctx.target.labels((images + sigma * noise).clamp(0, 1)), share.shape[1]) / copies
        return share


def estimated(fallen: Tensor, labels: Tensor, slope: Tensor, copies: int) -> Tensor:
    """Return estimated confidences (M, K), which sum to one.

    Args:
        fallen: (M, K) share of an image's noisy copies in each class.
        labels: (M,) what the target says of the image itself.
        slope: (M,) σ‖w‖₂.
        copies: n; the error rate is kept within [1/2n, 1 − 1/2n], where Φ⁻¹ is finite.
    """
    own = F.one_hot(labels, fallen.shape[1]).bool()
    rate = (1 - fallen.gather(1, labels[:, None])[:, 0]).clamp(0.5 / copies, 1 - 0.5 / copies)
    sure = torch.sigmoid(-slope * torch.special.ndtri(rate))
    # One copy's worth is spread evenly, so that a class into which none fell is faint and not impossible.
    others = torch.where(own, 0.0, fallen + 1 / (copies * fallen.shape[1]))
    others = others / others.sum(1, keepdim=True).clamp(min=1e-12)
    return torch.where(own, sure[:, None], (1 - sure[:, None]) * others)


def fitted_norms(images: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return ‖w_c‖₂, (K,), of one logistic regression a class on images (M, C, H, W) and labels (M,).

    Fitted in closed steps of gradient descent on centred pixels with a small weight decay, from zero.
    """
    x = images.flatten(1)
    x = x - x.mean(0)
    target, rate = F.one_hot(labels, classes).to(x), 4.0 / x.pow(2).sum(1).mean().clamp(min=1e-6)
    weight, bias = x.new_zeros(x.shape[1], classes), x.new_zeros(classes)
    for _ in range(FIT):
        slip = ((x @ weight + bias).sigmoid() - target) / len(x)
        weight = weight - rate * (x.T @ slip + 1e-3 * weight)
        bias = bias - slip.sum(0)
    return weight.norm(dim=0)
