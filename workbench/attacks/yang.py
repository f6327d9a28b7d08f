"""Yang et al.: a network that turns the target's confidence vectors back into images.

Yang, Zhang, Chang and Liang, "Neural network inversion in adversarial setting via background knowledge
alignment", CCS 2019, https://arxiv.org/abs/1902.08552. The attacker asks about images of his own, trains a
decoder from each answer, truncated to its `kept` largest confidences, to the image it came from (equation 4,
squared error), and decodes the vector of the class he wants.

Departs from the paper, which inverts the vector of a given private image: the vector of a class is the
mean of the answers that were surest of it. Public images that run short are asked about again, shifted and in
another contrast. What comes out is blurred, the average of all images that would be answered so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack, ensure_finite
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.inverse_decoder import BATCH, InverseTraining, class_vectors, to_ask_about, vectors_of
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame


@attack(
    "yang",
    title="Yang et al., inverse decoder",
    access=Access.SCORES,
    prior=None,
    order=31,
    public=True,
    paper="Yang et al., CCS 2019",
    summary="Asks about public images, learns to turn the answers back into them, and decodes a sure answer.",
    presets={"demo": dict(queries=3000), "paper": dict(queries=100_000, epochs=100, lr=2e-4, width=64)},
)
@dataclass(frozen=True)
class Yang:
    queries: int = knob(
        3000, 1, 1_000_000, log=True, help="Public images asked about, for all classes together.", unit="queries"
    )
    epochs: int = knob(8, 1, 500, log=True, help="Passes over the answers.")
    lr: float = knob(2e-3, 1e-5, 0.1, log=True, help="Adam's step size; falls to nothing.")
    kept: int = knob(
        10, 1, 1000, log=True, help="How many of an answer's confidences are kept; the rest are truncated."
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
        public, asked = ctx.images_to_ask_about(), max(1, ctx.target.affordable(self.queries))
        inverse = InverseTraining(ctx, asked=asked, epochs=self.epochs, lr=self.lr, width=self.width)
        total = -(-asked // BATCH) + inverse.steps

        def steps() -> Iterator[str]:
            images, scores = list[Tensor](), list[Tensor]()
            for batch in to_ask_about(public.choice(asked), asked, ctx.rng):
                images.append(batch)
                scores.append(ctx.target.scores(batch))
                yield public.note
            answered = torch.cat(scores)
            ensure_finite(len(scores), scores=answered)
            yield from inverse.train(
                torch.cat(images),
                vectors_of(answered, self.kept),
                class_vectors(ctx, answered, self.kept, self.leaders),
            )

        yield from frames_of_steps(ctx, steps(), lambda step, note: inverse.frame(step, total, note))
