"""VMI: variational inversion. Fit a distribution of latents that the target recognises and the prior finds likely.

Wang, Fu, Li, Khisti, Zemel and Makhzani, NeurIPS 2021, https://arxiv.org/abs/2201.10787, eq. 6:
minimise E_q[−log p_y(G(w))] + γ·KL(q ‖ prior). q is a Gaussian for each class, over the latent whitened by the
prior's own mean and covariance, so that its divergence from the prior is known in closed form. The paper also
fits normalising flows, one a layer, for some twenty GPU hours on twenty people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.clouds import Cloud
from workbench.attacks.parts.identity import prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, descend
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.robust import RobustKnobs, judged, kept_of, most_robust, shaking
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.attacks.parts.selection import TRUNCATION, drawn_starts
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

SAMPLES = 5000
DRAWN = 12  # samples of each Gaussian in the latent plot


@dataclass(frozen=True)
class Whitened:
    """Latents as w = mean + A·u with u ~ N(0, I) over the prior's samples.

    Attributes:
        mean: (D,).
        factor: (D, D) lower triangular A, with A·Aᵀ the covariance.
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, prior: Prior, rng: torch.Generator) -> Whitened:
        drawn = prior.sample(SAMPLES, rng)
        covariance = drawn.T.cov()
        ridge = 1e-4 * covariance.diagonal().mean()
        return cls(drawn.mean(0), torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance)).to(drawn)))

    def latents(self, u: Tensor) -> Tensor:
        """Return latents (..., D) of whitened ones (..., D)."""
        return self.mean + u @ self.factor.T

    def units(self, latents: Tensor) -> Tensor:
        """Return latents (n, D), whitened."""
        return torch.linalg.solve_triangular(self.factor, (latents - self.mean).T, upper=False).T


@dataclass(frozen=True)
class Gaussians:
    """Parameters (N, D, 1 + R): the mean, then the factor of the covariance; R is 1 (diagonal) or D (full)."""

    full: bool

    def start(self, mean: Tensor, spread: float) -> Tensor:
        """Return the parameters of Gaussians of one standard deviation around means (N, D)."""
        width = torch.tensor(spread).expm1().log().item()  # softplus of it is the spread
        if not self.full:
            return torch.stack([mean, torch.full_like(mean, width)], 2)
        factor = width * torch.eye(mean.shape[1]).to(mean)
        return torch.cat([mean[:, :, None], factor.expand(len(mean), -1, -1)], 2).contiguous()

    def factor(self, value: Tensor) -> Tensor:
        """Return (N, D) standard deviations, or (N, D, D) lower triangular factors with a positive diagonal."""
        if not self.full:
            return F.softplus(value[:, :, 1])
        raw = value[:, :, 1:]
        return raw.tril(-1) + torch.diag_embed(F.softplus(raw.diagonal(dim1=1, dim2=2)))

    def sample(self, value: Tensor, noise: Tensor) -> Tensor:
        """Return u (N, k, D) of noise (N, k, D)."""
        factor = self.factor(value)
        spread = noise @ factor.mT if self.full else noise * factor[:, None]
        return value[:, None, :, 0] + spread

    def divergence(self, value: Tensor) -> Tensor:
        """Return KL(q ‖ N(0, I)) in nats, (N,)."""
        mean, factor = value[:, :, 0], self.factor(value)
        diagonal = factor.diagonal(dim1=1, dim2=2) if self.full else factor
        return 0.5 * (factor.pow(2).flatten(1).sum(1) + mean.pow(2).sum(1) - mean.shape[1]) - diagonal.log().sum(1)


@attack(
    "vmi",
    title="VMI",
    access=Access.WHITE_BOX,
    prior="style",
    survey_ref=17,
    order=8,
    public=True,
    paper="Wang et al., NeurIPS 2021",
    summary="Fits to each class a distribution of latents that the target recognises and the prior finds likely.",
    departs="A Gaussian over whitened w, the same w in every layer, of which the centre is shown; the paper fits "
    "normalising flows over z, one a layer, draws fresh latents for the layers of little meaning and "
    "judges samples. Adam instead of SGD, max-margin loss and random views instead of cross-entropy. So no "
    "preset has the paper's numbers.",
    presets={
        "demo": dict(steps=100, lr=0.1, draws=1),
        "long": dict(steps=4800, lr=0.01, draws=16, divergence=0.001, full=True),
    },
)
@dataclass(frozen=True)
class VMI(RobustKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    steps: int = knob(100, 1, 10000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.1, 1e-4, 1.0, log=True, live=True, help="Adam's step size on the distribution's parameters.")
    draws: int = knob(2, 1, 64, help="Latents drawn of each distribution in a step.")
    divergence: float = knob(0.01, 0.0, 1.0, live=True, help="Weight γ of the divergence from the prior.")
    truncation: float = knob(1.0, 0.0, 1.0, help=TRUNCATION)
    spread: float = knob(0.3, 0.01, 1.0, help="Standard deviation to begin with; the prior's own is 1.")
    full: bool = knob(False, help="A full covariance instead of a diagonal one.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        tries = self.tries if ctx.start is None else 1
        start = drawn_starts(ctx, tries, self.truncation)  # (N·tries, D)
        frames = SearchFrames(ctx, start[::tries], preparing_steps(ctx, self) + self.steps, tries * self.draws)
        yield frames.waiting()
        identity_of = yield from prepared(frames, self)
        whitened, family = Whitened.of(ctx.prior, ctx.rng), Gaussians(self.full)
        value = family.start(whitened.units(start), self.spread)
        d, labels = start.shape[1], ctx.classes.repeat_interleave(tries)
        streams, view = Streams(ctx), shaking(self.shake, ctx.flips)
        fixed = torch.randn(DRAWN, d, generator=torch.Generator().manual_seed(0)).to(start)

        def evaluated(value: Tensor, latents: Tensor, labels: Tensor, draws: int) -> Evaluation:
            """Judge M distributions by latents (M·draws, D) drawn of them, labels (M,)."""
            labels = labels.repeat_interleave(draws)
            images = ctx.prior.decode(latents, labels)
            each, logits = judged(identity_of, images, labels, view, streams)
            identity, divergence = each.view(-1, draws).mean(1), family.divergence(value)
            total = identity + ctx.live(self, "divergence") * divergence
            return Evaluation(images, latents, total, {"identity": identity, "divergence": divergence}, logits)

        def objective(value: Tensor) -> Evaluation:
            u = family.sample(value, streams.normal(tries, self.draws, d).flatten(0, 1))
            return evaluated(value, whitened.latents(u).flatten(0, 1), labels, self.draws)

        @torch.no_grad()
        def around(rows: Tensor) -> Cloud:
            of = value[rows // self.draws]
            return Cloud.around(whitened.latents(family.sample(of, fixed.expand(len(of), -1, -1))))

        frames.cloud = around
        yield from descend(frames, value, objective, AdamSteps(value), lambda step: ctx.live(self, "lr"), self.steps)
        with torch.no_grad():
            centre = whitened.latents(value[:, :, 0])
            rows = most_robust(ctx, ctx.prior.decode(centre, labels), labels, tries, self.looks)
            end, note = evaluated(value[rows], centre[rows], ctx.classes, 1), "the centre of each distribution"
            logits = ctx.target.logits(end.images)
            yield frames.closing(end, kept_of(tries) or note, logits=logits, rows=self.draws * rows)
