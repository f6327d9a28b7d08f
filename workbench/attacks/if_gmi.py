"""IF-GMI: go on inside the generator. After the latent, search the maps of one layer after the other, near where they were.

Qiu, Fang, Yu, Chen, Qiu and Xia, "A closer look at GAN priors: exploiting intermediate features for enhanced model
inversion attacks", ECCV 2024, https://arxiv.org/abs/2407.13863. A search as PPA's finds w. Then the generator is cut
after its first block, after its second and so on: the maps h that come out there and w are searched together, and after
every step both are put back into an L1 ball around where the stage began, so that images stay like the generator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import prepared, preparing_steps
from workbench.attacks.parts.l1_ball import into_ball
from workbench.attacks.parts.latent_search import AdamSteps, descend
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.robust import RobustKnobs, judged, most_robust, shaking
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.attacks.parts.selection import asking_steps, chosen_start
from workbench.attacks.parts.views import View
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

BETAS = (0.1, 0.1)  # of Adam, as PPA's


class Cuttable(Protocol):
    """What a prior offers that can be cut between its layers: see `workbench.priors.style.Style.enter`."""

    layers: int

    def enter(self, latents: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Return the maps (n, c, h, w) and the image so far (n, C, h, w) after `depth` layers, of latents (n, D)."""

    def onward(self, maps: Tensor, image: Tensor, latents: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Return the same after one layer more, maps (n, c, h, w) and image (n, C, h, w)."""

    def leave(self, maps: Tensor, image: Tensor, latents: Tensor, depth: int) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of what `enter` returns."""


@attack(
    "if-gmi",
    title="IF-GMI",
    access=Access.WHITE_BOX,
    prior="style",
    survey_ref=None,
    order=10,
    public=True,
    needs=("shared", "layers"),
    paper="Qiu et al., ECCV 2024",
    summary="Searches the latent of a style-based generator first, then the maps inside it, layer after layer.",
    departs="Demo preset: max-margin loss, shifted and scaled views, three starts. Radii are the mean change of a "
    "coordinate in its own standard deviations, since the paper's, 1,000 to 8,000, belong to maps of StyleGAN2 at 1,024 "
    "pixels. The last stage is shown; the paper reports the best of all stages.",
    presets={"demo": dict(steps=60, inner=20, stages=2, tries=3), "long": dict(samples=5000, tries=16, stages=5)},
)
@dataclass(frozen=True)
class IFGMI(RobustKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    samples: int = knob(1000, 50, 20000, log=True, help="Prior samples among which every class finds its start.")
    tries: int = knob(3, 1, 16, help="Starts of each candidate; the most robust one is kept at the end.")
    steps: int = knob(70, 1, 2000, log=True, help="Optimisation steps on the latent alone.", unit="steps")
    stages: int = knob(3, 0, 8, help="Layers whose maps are searched, one after the other; 0 for the latent alone.")
    inner: int = knob(25, 1, 1000, log=True, help="Optimisation steps on the maps of each layer.", unit="steps")
    lr: float = knob(0.02, 1e-4, 1.0, log=True, live=True, help="Adam's step size in w.")
    lr_maps: float = knob(
        0.02, 1e-4, 1.0, log=True, live=True, help="Adam's step size on maps, in their standard deviations."
    )
    radius: float = knob(
        0.15,
        0.0,
        2.0,
        help="How far a stage may go from where it began: the mean change of a coordinate, in its standard deviations.",
    )
    crop: float = knob(0.9, 0.4, 1.0, help="Least share of the area that the random crops keep.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        generator, chooses = cast(Cuttable, ctx.prior), ctx.start is None
        tries, asking = (self.tries, asking_steps(self.samples)) if chooses else (1, 0)
        stages = min(self.stages, generator.layers - 1)
        shown = ctx.start_or(lambda: ctx.prior.sample(len(ctx.classes), ctx.rng))
        total = asking + preparing_steps(ctx, self) + self.steps + stages * self.inner
        frames = SearchFrames(ctx, shown, total, tries)
        yield frames.waiting()
        w = yield from chosen_start(frames, self.samples, tries, share=1.0, mirrored=ctx.flips)
        identity_of = yield from prepared(frames, self)
        streams, labels = Streams(ctx), ctx.classes.repeat_interleave(tries)
        shaken = shaking(self.shake, ctx.flips) or View()
        view = replace(shaken, scale=(self.crop, shaken.scale[1]))
        spread = ctx.prior.sample(1000, ctx.rng).std(0)  # (D,)

        def evaluated(images: Tensor, w: Tensor, labels: Tensor, gone: Tensor) -> Evaluation:
            identity, logits = judged(identity_of, images, labels, view, streams)
            return Evaluation(images, w, identity, {"identity": identity, "gone from the stage's start": gone}, logits)

        def by_latent(w: Tensor) -> Evaluation:
            return evaluated(ctx.prior.decode(w, labels), w, labels, w.new_zeros(len(w)))

        yield from descend(frames, w, by_latent, AdamSteps(w, BETAS), lambda step: ctx.live(self, "lr"), self.steps)
        with torch.no_grad():
            images, gone = ctx.prior.decode(w, labels), w.new_zeros(len(w))
            maps, picture = generator.enter(w, 1)
        for depth in range(1, stages + 1):
            stage = Stage(generator, maps, picture, w, depth, spread, self.radius)
            frames.note = f"maps of layer {depth}"

            def by_maps(moves: Tensor, stage: Stage = stage) -> Evaluation:
                return evaluated(stage.images(moves), stage.latents(moves), labels, stage.gone(moves))

            yield from descend(
                frames,
                stage.moves,
                by_maps,
                AdamSteps(stage.moves, BETAS, stage.into_balls),
                lambda step: ctx.live(self, "lr_maps"),
                self.inner,
            )
            with torch.no_grad():
                images, w, gone = stage.images(stage.moves), stage.latents(stage.moves), stage.gone(stage.moves)
                maps, picture = stage.onward()
        with torch.no_grad():
            rows = most_robust(ctx, images, labels, tries, self.looks)
            end = evaluated(images[rows], w[rows], ctx.classes, gone[rows])
            yield frames.closing(end, f"the maps of {stages} layers searched", logits=ctx.target.logits(images[rows]))


class Stage:
    """One stage of the search: maps of one layer and w, both as moves from where the stage begins.

    Args:
        maps, picture: as `Cuttable.enter` returns them after `depth` layers.
        w: (M, D).
        spread: (D,) standard deviations of latents.
        radius: of both balls, as the mean move of a coordinate.

    Attributes:
        moves: (M, F + D) of the maps, flattened, and of w, in standard deviations.
    """

    def __init__(
        self,
        generator: Cuttable,
        maps: Tensor,
        picture: Tensor,
        w: Tensor,
        depth: int,
        spread: Tensor,
        radius: float,
    ) -> None:
        self.generator, self.maps, self.picture, self.w, self.depth = generator, maps, picture, w, depth
        self.spread, self.scale = spread, maps.flatten(1).std(1).clamp_min(1e-6)  # (D,), (M,)
        self.sizes = (maps[0].numel(), w.shape[1])
        self.radii = tuple(radius * size for size in self.sizes)
        self.moves = w.new_zeros(len(w), sum(self.sizes))

    def latents(self, moves: Tensor) -> Tensor:
        """Return w (M, D) after `moves` (M, F + D)."""
        return self.w + moves[:, self.sizes[0] :] * self.spread

    def moved(self, moves: Tensor) -> Tensor:
        """Return the maps (M, c, h, w) after `moves` (M, F + D)."""
        return self.maps + (moves[:, : self.sizes[0]] * self.scale[:, None]).view_as(self.maps)

    def images(self, moves: Tensor) -> Tensor:
        """Return images (M, C, H, W) after `moves` (M, F + D)."""
        return self.generator.leave(self.moved(moves), self.picture, self.latents(moves), self.depth)

    def gone(self, moves: Tensor) -> Tensor:
        """Return how far the maps have gone, (M,), as a share of the ball's radius."""
        return moves[:, : self.sizes[0]].abs().sum(1).detach() / max(self.radii[0], 1e-12)

    def into_balls(self, moves: Tensor) -> Tensor:
        """Return moves (M, F + D) put back into the two balls."""
        parts = zip(moves.split(self.sizes, 1), self.radii, strict=True)
        return torch.cat([into_ball(part, radius) for part, radius in parts], 1)

    def onward(self) -> tuple[Tensor, Tensor]:
        """Return maps (M, c, h, w) and image so far (M, C, h, w) one layer further on, for the next stage."""
        return self.generator.onward(self.moved(self.moves), self.picture, self.latents(self.moves), self.depth)
