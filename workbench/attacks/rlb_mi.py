"""RLB-MI: an agent learns, by reinforcement, where in latent space the target is sure of a class.

Han, Choi, Lee and Kim, CVPR 2023, https://arxiv.org/abs/2304.04625. A state is a random latent z, an action a
vector a in [−1, 1]^D, and the episode ends in z' = αz + (1 − α)a with the reward

    2 log p_y(G(z')) + 2 log p_y(G(a)) + 8 log max(10⁻⁷, p_y − max_{j≠y} p_j)    (section 3.3)

One soft actor-critic agent a class; after each episode a fresh sample of the policy is tried, and the latent with
the highest p_y is kept.

Departs from the released code: all agents play and learn in one batch; with α = 0, the paper's setting, z' and a
are one image, which is asked about once; the first episodes are uniform actions that every class shares, as the
target's one answer rewards them all; `scale` shrinks the rewards, which run to −200, so that few steps suffice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.best_so_far import Best
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.box import Box
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.questions import ask, of_class
from workbench.attacks.parts.soft_actor_critic import Agents, Memory
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

LEAST = 1e-7
GAINS = (2.0, 2.0, 8.0)  # of the next state, of the action, of the margin


def log_confidence(scores: Tensor) -> Tensor:
    """Return log confidences of scores, both (..., K); the least is that of 10⁻⁷."""
    return scores.clamp(min=LEAST).log()


def log_gap(scores: Tensor) -> Tensor:
    """Return log max(10⁻⁷, p − the best other confidence), (..., K), for every class."""
    first, second = scores.topk(2, -1).values.split(1, -1)
    return (scores - torch.where(scores == first, second, first)).clamp(min=LEAST).log()


@attack(
    "rlb-mi",
    title="RLB-MI",
    access=Access.SCORES,
    prior="gan",
    order=32,
    needs=("shared",),
    paper="Han et al., CVPR 2023",
    summary="A reinforcement-learning agent for each class learns which latents the target is sure of.",
    presets={
        "demo": dict(steps=60),
        "paper": dict(
            steps=40_000, together=1, updates=1, width=256, batch=256, warmup=256, memory=40_000, scale=1.0, lr=5e-4
        ),
    },
)
@dataclass(frozen=True)
class RLBMI:
    steps: int = knob(200, 1, 100_000, log=True, help="Rounds of playing and learning.", unit="steps")
    together: int = knob(8, 1, 256, log=True, help="Episodes that an agent plays in a round.", unit="queries")
    updates: int = knob(4, 1, 64, log=True, help="Learning steps in a round.")
    mix: float = knob(
        0.0,
        0.0,
        0.99,
        live=True,
        help="How much of the state remains in the next one (α); above 0, an episode costs another query.",
    )
    warmup: int = knob(
        512, 1, 100_000, log=True, help="First episodes, of random actions, for all classes together.", unit="queries"
    )
    width: int = knob(128, 8, 1024, log=True, help="Neurons in a layer of actor and critics.")
    batch: int = knob(128, 4, 4096, log=True, help="Episodes that an agent learns from in a step.")
    memory: int = knob(4000, 16, 1_000_000, log=True, help="Episodes that an agent remembers.")
    lr: float = knob(2e-3, 1e-5, 0.1, log=True, help="Adam's step size, of actor, critics and temperature.")
    decay: float = knob(1e-4, 0.0, 0.1, help="Weight decay of actor and critics.")
    scale: float = knob(0.05, 1e-3, 1.0, log=True, help="Rewards are multiplied by it.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        streams, box = Streams(ctx), Box.of(ctx.prior, ctx.rng, 1.0)
        start = ctx.start_or(lambda: box.clamp(streams.sample(ctx.prior)))
        best = Best(
            ctx,
            start,
            total=1 + -(-self.warmup // 256) + self.steps,
            curves=("reward", "critics' error", "temperature"),
        )
        yield from frames_of_steps(ctx, self._steps(ctx, best, streams, box), best.frame)

    def _steps(self, ctx: AttackContext[Prior], best: Best, streams: Streams, box: Box) -> Iterator[str]:
        n, d = best.latents.shape
        best.learn(best.latents[:, None], ask(ctx, ctx.target.scores, best.latents[:, None]), log_confidence)
        yield "asking about the start"
        agents = Agents(n, d, self.width, self.lr, self.decay, streams, ctx.device)
        memory = Memory(n, min(self.memory, self.warmup + self.steps * self.together), d, ctx.device)
        for done in range(0, self.warmup, 256):
            actions = (2 * torch.rand(min(256, self.warmup - done), d, generator=ctx.rng) - 1).to(ctx.device)
            scores, actions = ask(ctx, ctx.target.scores, box.from_units(actions)), actions.expand(n, -1, -1)
            states = streams.normal(*actions.shape[1:])
            self._play(ctx, best, memory, states, actions, actions, scores.expand(n, -1, -1), box)
            yield "playing at random, for all classes together"
        for _ in range(self.steps):
            mix = ctx.live(self, "mix")
            states = streams.normal(self.together, d)
            with torch.no_grad():
                actions, _ = agents.act(states, streams.normal(self.together, d))
                reached = mix * states + (1 - mix) * actions
            self._play(
                ctx, best, memory, states, actions, reached, ask(ctx, ctx.target.scores, box.from_units(reached)), box
            )
            if len(memory) >= self.batch:
                for _ in range(self.updates):
                    best.curves["critics' error"] = agents.learn(memory, self.batch)
            best.curves["temperature"] = agents.log_alpha.detach().exp()
            with torch.no_grad():
                states = streams.normal(1, d)
                sample = box.from_units(mix * states + (1 - mix) * agents.act(states, streams.normal(1, d))[0])
            best.learn(sample, ask(ctx, ctx.target.scores, sample), log_confidence)
            yield ""

    def _play(
        self,
        ctx: AttackContext[Prior],
        best: Best,
        memory: Memory,
        states: Tensor,
        actions: Tensor,
        reached: Tensor,
        scores: Tensor,
        box: Box,
    ) -> None:
        """Reward episodes that ended in `reached` (N, B, D) with these scores (N, B, K), and remember them."""
        own = best.learn(box.from_units(reached), scores, log_confidence)
        acted = own
        if reached is not actions and ctx.live(self, "mix") > 0:
            acted = of_class(log_confidence(ask(ctx, ctx.target.scores, box.from_units(actions))), ctx.classes)
        reward = GAINS[0] * own + GAINS[1] * acted + GAINS[2] * of_class(log_gap(scores), ctx.classes)
        memory.add(states, actions, self.scale * reward)
        best.curves["reward"] = reward.mean(1)
