"""Deep-BMI: search a decoder's latent space by a black-box optimiser on the target's confidence.

Dionysiou, Vassiliades and Athanasopoulos, PoPETs 2023 (1), https://petsymposium.org/popets/2023/: an attack
model trained on public images turns latents into images, and CMA-ES, evolution strategies, differential
evolution, particle swarm, annealing or random search maximise p_y without gradients; or the attack model's
code is perturbed by structured noise and improvements are kept.

After the paper's description; no code was released. Departs from it: the attack model is the scenario's prior,
whose code has no spatial layout, so that a tile of the structured noise is a random set of coordinates; the search
begins at the best of a pool of samples that all classes share, or at the prior's centre; and what is climbed can be the margin to the next
class, which goes on rising where p_y = 1 says nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.best_so_far import Best
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.box import LEADING, Box
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.optimisers import OPTIMISERS
from workbench.attacks.parts.questions import ask, log_confidences, margins, pools
from workbench.attacks.parts.schedules import settling
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

WORTH = {"margin": margins, "confidence": log_confidences}


@attack(
    "deep-bmi",
    title="Deep-BMI",
    access=Access.SCORES,
    prior="gan",
    survey_ref=33,
    order=30,
    needs=("shared",),
    paper="Dionysiou et al., PoPETs 2023",
    summary="Lets a gradient-free optimiser such as CMA-ES climb the confidence scores in a generator's latent space.",
    presets={
        "demo": dict(steps=40),
        # 5,000 queries a candidate, for faces through eigenimages
        "long": dict(
            optimiser="nes",
            start="centre",
            leading=128,
            steps=102,
            population=49,
            sigma=0.5,
            bound=4.0,
            settle=1.0,
            worth="confidence",
        ),
        "paper": dict(steps=2000, population=50, worth="confidence", enough=0.99),
    },
)
@dataclass(frozen=True)
class DeepBMI:
    optimiser: str = knob(
        "sep-cma-es",
        choices={
            "sep-cma-es": "CMA-ES, diagonal",
            "cma-es": "CMA-ES, full covariance",
            "nes": "Natural evolution strategy",
            "de": "Differential evolution",
            "pso": "Particle swarm",
            "annealing": "Simulated annealing",
            "random": "Random search",
            "perturbation": "Structured perturbation",
        },
        help="What proposes the next latents.",
    )
    steps: int = knob(200, 1, 100_000, log=True, help="Generations.", unit="steps")
    population: int = knob(
        24, 2, 500, log=True, help="Latents tried in a generation, for each candidate.", unit="queries"
    )
    start: str = knob(
        "pool",
        choices={"pool": "The best sample of the pool", "centre": "The prior's centre"},
        help="Where the search begins.",
    )
    pool: int = knob(
        1000,
        0,
        1_000_000,
        help="Samples of the prior asked about for the start, for all classes together.",
        unit="queries",
    )
    sigma: float = knob(
        0.3, 0.01, 3.0, log=True, help="First step size, in standard deviations of the prior's latents."
    )
    settle: float = knob(
        0.0,
        0.0,
        1.0,
        help="Share of the steps, the last ones, over which those of the natural evolution strategy shrink to nothing.",
    )
    bound: float = knob(2.0, 0.1, 5.0, help="Latents are kept within ± this many standard deviations.")
    leading: int = knob(0, 0, 4096, help=LEADING, unit="directions")
    worth: str = knob(
        "margin",
        choices={"margin": "Margin to the next class", "confidence": "Log confidence"},
        help="What is climbed.",
    )
    typical: float = knob(
        0.0,
        0.0,
        100.0,
        live=True,
        help="Weight of the latent's mean square, which keeps it where the prior's samples are.",
    )
    enough: float = knob(1.0, 0.5, 1.0, help="A candidate is done at this confidence; 1 goes on.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        streams, box = Streams(ctx), Box.of(ctx.prior, ctx.rng, self.bound, self.leading)
        start = box.clamp(
            ctx.start_or(
                lambda: streams.sample(ctx.prior) if self._asks_pool(ctx) else box.mean.repeat(len(ctx.classes), 1)
            )
        )
        best = Best(ctx, start, total=-(-self.pool // 256) * self._asks_pool(ctx) + 1 + self.steps, curves=("spread",))
        yield from frames_of_steps(ctx, self._steps(ctx, best, streams, box), best.frame)

    def _asks_pool(self, ctx: AttackContext[Prior]) -> bool:
        return ctx.start is None and self.start == "pool"

    def _steps(self, ctx: AttackContext[Prior], best: Best, streams: Streams, box: Box) -> Iterator[str]:
        worth = WORTH[self.worth]
        best.learn(best.latents[:, None], ask(ctx, ctx.target.scores, best.latents[:, None]), worth)
        yield "asking about the start"
        crowd = box.from_units(
            box.to_units(best.latents)[:, None] + self.sigma * streams.normal(self.population, box.size)
        )
        for pool in pools(ctx, ctx.target.scores, self.pool, box.clamp) if self._asks_pool(ctx) else ():
            picked = pool.pick(worth(pool.answers), ctx.classes, self.population)
            crowd = pool.latents[picked]
            best.learn(crowd, pool.answers[picked], worth)
            yield "asking about samples of the prior"
        crowd = torch.cat([best.latents[:, None], crowd[:, 1:]], 1)
        optimiser = OPTIMISERS[self.optimiser](box.to_units(crowd), self.sigma, streams)
        for step in range(self.steps):
            optimiser.pace = settling(step / self.steps, self.settle)
            rows = best.unfinished(self.enough)
            if not len(rows):
                return
            units = optimiser.ask(rows)
            crowd = box.clamp(box.from_units(units))
            value = best.learn(crowd, ask(ctx, ctx.target.scores, crowd), worth, rows, optimiser.shown)
            optimiser.tell(rows, box.to_units(crowd), value - ctx.live(self, "typical") * units.pow(2).mean(2))
            best.curves["spread"][rows] = box.to_units(crowd).std(1).mean(1)
            yield ""
