"""NetGuard: the target is taught fakes of every class, so that an inversion finds those.

Gong et al., WWW 2023 [survey 29]; no code of the authors was found, so this is after the paper's description.
The defender inverts its own model with a GAN of public images, looking for images that the model takes for a
private class and that another network, which knows the private people, finds unlike them; then it goes on
training the model on these fakes, replaying the private images so that nothing is forgotten.

Departs from the paper: the fakes come from the scenario's own GAN by searching its latent space, class by
class, where the paper trains a second ("shadow") GAN to produce them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import DataMissing
from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.store import load_classifier, target_problem
from workbench.priors import Prior, load_prior
from workbench.priors.base import prior_problem
from workbench.scenarios import Labelled
from workbench.targets import Classifier
from workbench.targets.training import ClassifierRecipe, DefenseSetting, EpochProgress, Shaping

STEPS, REPORTS, RATE = 60, 6, 0.05
CONFIDENT = 0.5  # a fake that the model does not take for its class teaches it something else


@defense(
    "netguard",
    title="NetGuard",
    stage="training",
    paper="Gong et al., WWW 2023, after the paper's description",
    order=6,
    strength="strength",
    levels=(0.1, 0.3, 1, 3),
    needs="the scenario's GAN prior and a second target",
    summary="Teaches the target fake images of each class, so that inversions end at the fakes.",
)
@dataclass(frozen=True)
class NetGuard(Defense):
    strength: float = knob(1.0, 0.01, 10.0, log=True, help="Fakes for each private image that is replayed.")
    fakes: int = knob(8, 1, 200, help="Different fakes of each class.")
    unlike: float = knob(3.0, 0.0, 100.0, help="Weight of being unlike the class against being taken for it.")

    def shaping(self, case: DefenseSetting) -> Shaping:
        return Misled(self, case)


def find_fakes(
    model: Classifier, judge: Classifier, prior: Prior, centres: Tensor, how: NetGuard, rng: torch.Generator
) -> Iterator[tuple[int, float, Tensor]]:
    """Search the prior for fakes; yield step, mean loss and images (K·fakes, C, H, W), classes in order.

    Args:
        judge: knows the private classes, and is not `model`.
        centres: (K, F) mean feature of each class's private images in the judge.
    """
    labels = torch.arange(len(centres), device=centres.device).repeat_interleave(how.fakes)
    latents = prior.sample(len(labels), rng).requires_grad_(True)
    optimiser = torch.optim.Adam([latents], RATE)
    for step in range(1, STEPS + 1):
        images = prior.decode(latents)
        taken = F.cross_entropy(model(images), labels, reduction="none")
        alike = F.cosine_similarity(judge.features(images), centres[labels])
        loss = taken + how.unlike * alike
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # a sum: no fake's path depends on how many there are
        optimiser.step()
        with torch.no_grad():
            latents.copy_(prior.project(latents))
        if step % (STEPS // REPORTS) == 0:
            with torch.no_grad():
                yield step, loss.mean().item(), prior.decode(latents)


class Misled(Shaping):
    """Goes on from the undefended target, with fakes among its images."""

    def __init__(self, how: NetGuard, case: DefenseSetting) -> None:
        self.how, self.case = how, case
        self.fakes = Labelled(torch.empty(0), torch.empty(0))
        self.told: dict[str, Any] = {}

    def recipe(self, recipe: ClassifierRecipe) -> ClassifierRecipe:
        return replace(recipe, epochs=max(2, recipe.epochs // 4), lr=recipe.lr / 4)

    def prepare(self, model: Classifier) -> Iterator[EpochProgress]:
        scenario, arch = self.case.scenario, self.case.arch
        other = "cnn" if arch != "cnn" else "resnet"
        for missing in (
            target_problem(scenario.key, arch),
            target_problem(scenario.key, other),
            prior_problem(scenario.key, "gan"),
        ):
            if missing:
                raise DataMissing(
                    f"NetGuard goes on from the undefended target, with a GAN and a second opinion. {missing}"
                )
        model.load_state_dict(load_classifier(scenario.key, arch, device=self.case.device).state_dict())
        judge, prior = (
            load_classifier(scenario.key, other, device=self.case.device),
            load_prior(scenario.key, "gan", self.case.device),
        )
        train = scenario.private.train
        with torch.no_grad():
            features = torch.cat([judge.features(x.to(self.case.device)) for x in train.images.split(200)])
        centres = torch.stack(
            [features[(train.labels == c).to(features.device)].mean(0) for c in range(scenario.num_classes)]
        )
        rng = torch.Generator().manual_seed(self.case.seed)
        frozen = load_classifier(scenario.key, arch, device=self.case.device)
        images = torch.empty(0)
        for step, loss, fakes in find_fakes(frozen, judge, prior, centres, self.how, rng):
            images = fakes
            yield EpochProgress(step, STEPS, loss, float("nan"), "fakes that the target believes")
        labels = torch.arange(scenario.num_classes).repeat_interleave(self.how.fakes)
        with torch.no_grad():
            sure = frozen(images).softmax(1).cpu().gather(1, labels[:, None])[:, 0]
            judged = judge(images).argmax(1).cpu() == labels
        kept = sure >= CONFIDENT
        self.fakes = Labelled(images.cpu()[kept], labels[kept])
        self.told = {
            "fakes": int(kept.sum()),
            "fakes_unbelieved": int((~kept).sum()),
            "fakes_confidence": round(sure.mean().item(), 4),
            "fakes_taken_by_the_second_opinion": round(judged.float().mean().item(), 4),
            "second_opinion": other,
        }

    def data(self, train: Labelled) -> Labelled:
        if not len(self.fakes):
            raise DataMissing(
                "The search found no fake that the target believes in, so there is nothing to teach it. Ask "
                "for more fakes, or lower 'unlike'."
            )
        rng, count = torch.Generator().manual_seed(self.case.seed), max(1, round(self.how.strength * len(train)))
        index = torch.randint(len(self.fakes), (count,), generator=rng)
        return Labelled(
            torch.cat([train.images, self.fakes.images[index]]), torch.cat([train.labels, self.fakes.labels[index]])
        )

    def facts(self) -> dict[str, Any]:
        return self.told
