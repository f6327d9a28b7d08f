"""Soft actor-critic for N agents at once, one a candidate, in episodes of one step.

Haarnoja, Zhou, Abbeel and Levine, ICML 2018, https://arxiv.org/abs/1801.01290, with the automatic temperature of
https://arxiv.org/abs/1812.05905. An episode ends after its one action, so that a critic's target is the reward
itself: there is no next state, no discount and no slow copy of the critics.

Every layer holds N weight matrices and all agents learn in one batched product. Losses are means over an agent's
batch and sums over agents, and Adam works coordinate by coordinate, so that agents never touch one another.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from workbench.attacks.parts.candidate_rng import Streams

LOG_STD = (-20.0, 2.0)


class Perceptrons:
    """N networks of the same shape with ReLU between layers."""

    def __init__(self, sizes: list[int], streams: Streams) -> None:
        self.weights, self.biases = [], []
        for before, after in pairwise(sizes):
            scale = before**-0.5
            self.weights.append(((2 * streams.uniform(before, after) - 1) * scale).requires_grad_())
            self.biases.append(((2 * streams.uniform(1, after) - 1) * scale).requires_grad_())

    @property
    def parameters(self) -> list[Tensor]:
        """Return weights (N, in, out), then biases (N, 1, out), one of each a layer."""
        return [*self.weights, *self.biases]

    def __call__(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return (n, B, out) of x (n, B, in), for networks `rows`; all where None."""
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            weight, bias = (weight, bias) if rows is None else (weight[rows], bias[rows])
            x = torch.baddbmm(bias, x, weight)
            x = x.relu() if k < len(self.weights) - 1 else x
        return x


class Memory:
    """What each agent did in its last `size` episodes."""

    def __init__(self, agents: int, size: int, dim: int, device: torch.device) -> None:
        self.states, self.actions = (torch.zeros(agents, size, dim, device=device) for _ in range(2))
        self.rewards, self.size, self.seen = torch.zeros(agents, size, device=device), size, 0

    def __len__(self) -> int:
        return min(self.seen, self.size)

    def add(self, states: Tensor, actions: Tensor, rewards: Tensor) -> None:
        """Store B episodes of every agent: (N, B, D), (N, B, D), (N, B)."""
        places = (self.seen + torch.arange(rewards.shape[1], device=rewards.device)) % self.size
        self.states[:, places], self.actions[:, places], self.rewards[:, places] = states, actions, rewards
        self.seen += rewards.shape[1]

    def draw(self, count: int, streams: Streams) -> tuple[Tensor, Tensor, Tensor]:
        """Return `count` random states (N, count, S), actions (N, count, A) and rewards (N, count) of N agents."""
        index = (streams.uniform(count) * len(self)).long()
        wide = index[..., None].expand(-1, -1, self.states.shape[2])
        return self.states.gather(1, wide), self.actions.gather(1, wide), self.rewards.gather(1, index)


class Agents:
    """N soft actor-critic agents whose states and actions have the same length D; actions lie in [−1, 1].

    Attributes:
        log_alpha: (N,) logarithm of each agent's temperature.
    """

    def __init__(
        self, agents: int, dim: int, width: int, lr: float, decay: float, streams: Streams, device: torch.device
    ) -> None:
        self.dim, self.streams = dim, streams
        self.actor = Perceptrons([dim, width, width, 2 * dim], streams)
        self.critics = [Perceptrons([2 * dim, width, width, 1], streams) for _ in range(2)]
        self.log_alpha = torch.zeros(agents, device=device, requires_grad=True)
        critics = [p for critic in self.critics for p in critic.parameters]
        self.steps = [
            torch.optim.Adam(self.actor.parameters, lr, weight_decay=decay),
            torch.optim.Adam(critics, lr, weight_decay=decay),
            torch.optim.Adam([self.log_alpha], lr),
        ]

    def act(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions (N, B, D) in states (N, B, D) and their log-probability, averaged over coordinates, (N, B)."""
        mean, log_std = self.actor(states).chunk(2, 2)
        log_std = log_std.clamp(*LOG_STD)
        raw = mean + log_std.exp() * noise
        action = raw.tanh()
        # log N(raw) − log |d tanh|, the latter as 2(log 2 − raw − softplus(−2 raw)), which does not underflow.
        density = -0.5 * noise.pow(2) - log_std - 0.9189385
        squash = 2 * (0.6931472 - raw - torch.nn.functional.softplus(-2 * raw))
        return action, (density - squash).mean(2)

    def learn(self, memory: Memory, batch: int) -> Tensor:
        """Take one step on actors, critics and temperatures; return the critics' error (N,)."""
        states, actions, rewards = memory.draw(batch, self.streams)
        pairs = torch.cat([states, actions], 2)
        error = torch.stack([(critic(pairs)[..., 0] - rewards).pow(2).mean(1) for critic in self.critics]).sum(0)
        self._step(1, error.sum())
        tried, log_prob = self.act(states, self.streams.normal(batch, self.dim))
        pairs, alpha = torch.cat([states, tried], 2), self.log_alpha.exp()
        value = torch.minimum(*(critic(pairs)[..., 0] for critic in self.critics))
        self._step(0, (alpha.detach()[:, None] * log_prob - value).mean(1).sum())
        # The entropy aimed at is −D in all, and log_prob is a mean over the D coordinates.
        self._step(2, -(self.log_alpha * (log_prob.detach().mean(1) - 1)).sum())
        return error.detach()

    def _step(self, which: int, loss: Tensor) -> None:
        optimiser = self.steps[which]
        optimiser.zero_grad(set_to_none=True)
        parameters = optimiser.param_groups[0]["params"]
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimiser.step()
