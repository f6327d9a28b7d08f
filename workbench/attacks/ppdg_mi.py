"""PPDG-MI: attack, keep the best pictures, teach the generator to draw more like them, attack again.

Peng, Han, Liu, Liu and Liu, "Pseudo-private data guided model inversion attacks", NeurIPS 2024,
https://arxiv.org/abs/2409.18395. A prior of public images seldom draws what looks like a private class. So each round of
another attack makes several pictures of each class; those that the target stays surest of under random views are taken
for private ones, and a copy of the generator is tuned until latents around theirs draw what they show: the density of such
pictures rises, and the next round finds more of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from workbench.attacks.base import ATTACKS, AttackContext, attack
from workbench.attacks.needs import NEEDS
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.losses import confidence
from workbench.attacks.parts.robust import kept_of, most_robust
from workbench.attacks.parts.tuned_copies import TunedCopies
from workbench.core.errors import Incompatible
from workbench.core.knobs import configure, knob, knobs_of
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame
from workbench.priors import Prior

BASES = {"gmi": "GMI", "ked-mi": "KED-MI", "ppa": "PPA", "plg-mi": "PLG-MI", "mirror": "MIRROR", "vmi": "VMI"}


@attack(
    "ppdg-mi",
    title="PPDG-MI",
    access=Access.WHITE_BOX,
    prior="gan",
    survey_ref=None,
    order=11,
    public=True,
    paper="Peng et al., NeurIPS 2024",
    summary="Attacks in rounds with another attack, and after each teaches a copy of the generator to draw more pictures like "
    "the best ones.",
    departs="Every class has a copy of the generator of its own, as in the paper's high-resolution setting; it is tuned by "
    "pixels, coarse and fine, in place of LPIPS or a distance of distributions. A few pictures of a class stand for the "
    "paper's 1,000 candidates.",
    presets={"demo": dict(rounds=2, pictures=3, kept=2, share=0.35, tuning=30)},
)
@dataclass(frozen=True)
class PPDGMI:
    base: str = knob("gmi", choices=BASES, help="The attack of each round, with the values of its demo preset.")
    rounds: int = knob(2, 1, 10, help="Attacks, between which the generator is tuned.")
    pictures: int = knob(4, 1, 64, log=True, help="Pictures that a round makes of each candidate.")
    kept: int = knob(2, 1, 16, help="The most robust of them, which the generator is tuned to.")
    share: float = knob(0.5, 0.05, 1.0, help="Share of the base attack's steps that a round takes.")
    tuning: int = knob(30, 1, 2000, log=True, help="Steps of tuning after a round.", unit="steps")
    lr: float = knob(5e-4, 1e-5, 1e-1, log=True, live=True, help="Adam's step size on the generator's weights.")
    near: float = knob(
        0.3, 0.0, 1.0, help="How far around a kept latent the generator learns to draw its picture; 1 is anywhere."
    )
    looks: int = knob(8, 0, 200, help="Random views by which pictures are chosen; 0 for the picture itself.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        info = ATTACKS.entry(self.base).info
        for need in (NEEDS[name] for name in info.needs):
            if not need.has(ctx.prior):
                raise Incompatible(
                    [f"{info.title} {need.why.format(prior='this prior')}. Choose another base or prior."]
                )
        streams, copies, method = Streams(ctx), TunedCopies(ctx.prior, ctx.classes), self._method()
        crowd = replace(
            ctx,
            prior=copies,
            classes=ctx.classes.repeat_interleave(self.pictures),
            restarts=ctx.restarts * self.pictures,
            start=None if ctx.start is None else self._around(ctx, ctx.start[:, None], streams, exact=True),
        )
        done, total = 0, 0
        for number in range(1, self.rounds + 1):
            frame: Frame | None = None
            for frame in method.run(replace(crowd, control=_Later(ctx.control, done))):
                total = total or self.rounds * frame.total + (self.rounds - 1) * self.tuning
                if frame.step < frame.total and (frame.step > 0 or number == 1):
                    yield self._shown(frame, done, total, number)
            assert frame is not None
            done, found = done + frame.total, frame.payload
            assert isinstance(found, Images) and found.latents is not None
            best = self._ranked(ctx, found.images)  # (N, kept)
            if number < self.rounds:
                yield from self._tuned(ctx, copies, frame, best, streams, (done, total))
                done += self.tuning
                crowd = replace(crowd, start=self._around(ctx, found.latents[best], streams))
        assert frame is not None and isinstance(found, Images) and found.latents is not None
        with torch.no_grad():
            logits = ctx.target.logits(found.images[best[:, 0]])
        losses = {name: value[best[:, 0]] for name, value in frame.losses.items()}
        payload = Images(found.images[best[:, 0]], found.latents[best[:, 0]], confidence(logits, ctx.classes))
        yield Frame(total, total, payload, losses, ctx.target.queries, kept_of(self.pictures))

    def _method(self) -> Any:
        """Return the base attack with its demo preset in fewer steps."""
        kind, info = ATTACKS[self.base], ATTACKS.entry(self.base).info
        values = dict(info.presets["demo"])
        steps = values.get("steps", knobs_of(kind)["steps"].default)
        return configure(kind, {**values, "steps": max(1, round(self.share * steps)), "tries": 1})

    def _around(self, ctx: AttackContext[Prior], latents: Tensor, streams: Streams, *, exact: bool = False) -> Tensor:
        """Return latents (N·pictures, D) around some of each candidate, (N, k, D); the first of each itself where `exact`."""
        turns = torch.arange(self.pictures, device=latents.device) % latents.shape[1]
        fresh = torch.stack([streams.sample(ctx.prior) for _ in range(self.pictures)], 1)  # (N, pictures, D)
        found = (1 - self.near) * latents[:, turns] + self.near * fresh
        if exact:
            found[:, 0] = latents[:, 0]
        return found.flatten(0, 1)

    def _shown(self, frame: Frame, done: int, total: int, number: int) -> Frame:
        """Return a base attack's frame with the first picture of each candidate alone."""
        found, first = frame.payload, slice(None, None, self.pictures)
        assert isinstance(found, Images) and found.latents is not None
        sure = None if found.confidence is None else found.confidence[first]
        note = ": ".join(filter(None, [f"round {number} of {self.rounds}", frame.note]))
        losses = {name: value[first] for name, value in frame.losses.items()}
        shown = Images(found.images[first], found.latents[first], sure)
        return Frame(done + frame.step, total, shown, losses, frame.queries, note)

    def _ranked(self, ctx: AttackContext[Prior], images: Tensor) -> Tensor:
        """Return the rows (N, kept) of images (N·pictures, C, H, W) that the target stays surest of, those first."""
        left, ranked = torch.arange(len(images), device=images.device).view(-1, self.pictures), list[Tensor]()
        for _ in range(min(self.kept, self.pictures)):
            among, tries = left.flatten(), left.shape[1]
            labels = ctx.classes.repeat_interleave(tries)
            ranked.append(among[most_robust(ctx, images[among], labels, tries, self.looks)])
            left = left[left != ranked[-1][:, None]].view(len(left), -1)
        return torch.stack(ranked, 1)

    def _tuned(
        self,
        ctx: AttackContext[Prior],
        copies: TunedCopies,
        last: Frame,
        best: Tensor,
        streams: Streams,
        at: tuple[int, int],
    ) -> Iterator[Frame]:
        """Tune each class's copy to the pictures in rows `best` (N, k) of a round's last frame; yield frames of them."""
        found, top, (done, total) = last.payload, best[:, 0], at
        assert isinstance(found, Images) and found.latents is not None and found.confidence is not None
        shown = Images(found.images[top], found.latents[top], found.confidence[top])
        losses = {name: value[top] for name, value in last.losses.items()}
        for step in range(1, self.tuning + 1):
            fresh = torch.stack([streams.sample(ctx.prior) for _ in range(best.shape[1])], 1)  # (N, k, D)
            around = (1 - self.near) * found.latents[best] + self.near * fresh
            errors = copies.learn(around, found.images[best], ctx.classes, ctx.live(self, "lr"))
            if ctx.due(done + step):
                note = f"teaching the generator, error {errors.mean().item():.4f}"
                yield Frame(done + step, total, shown, losses, ctx.target.queries, note)


@dataclass(frozen=True)
class _Later:
    """The control of a run, for an attack that is a later part of it and counts its steps from 0."""

    control: Any
    done: int

    def value(self, name: str, default: Any) -> Any:
        """Return the default: the knobs of the run are not those of the attack within it."""
        return default

    def due(self, step: int) -> bool:
        """Return whether someone will look at a frame made now."""
        return self.control.due(self.done + step)
