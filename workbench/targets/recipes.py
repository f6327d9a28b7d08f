"""How classifiers are trained, and what of that follows from how many images there are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.scenarios import Scenario
from workbench.targets.architectures import ARCHITECTURES, ArchitectureInfo
from workbench.targets.store import built_as


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is trained; stored on its card.

    Attributes:
        everything: train on held-out images as well (evaluators); accuracy is then measured on a
            second model of the same recipe that did not see them.
        optimiser: "adamw", or "sgd" with momentum 0.9.
        zero_head: start the last layer from zero; a linear model trained by SGD then consists of
            nothing but its training images, as in Fredrikson et al. 2015.
        shift, scale, rotate: strongest augmentation, in shares of the image's width, and degrees.
    """

    epochs: int = 50
    batch: int = 40
    lr: float = 2e-3
    weight_decay: float = 5e-4
    optimiser: str = "adamw"
    zero_head: bool = False
    shift: float = 0.06
    scale: float = 0.1
    rotate: float = 8.0
    contrast: float = 0.2
    mirror: bool = True
    everything: bool = False
    seed: int = 0


FEWEST_EPOCHS, FEWEST_BATCHES, FEWEST_IN_BATCH = 3, 8, 8


def recipe_for(scenario: Scenario, arch: str, seed: int = 0) -> ClassifierRecipe:
    """Return the architecture's recipe, with fewer epochs where each class has hundreds of images.

    For pictures that somebody brought, of which nobody knows how many there are, see `suited`.
    """
    info = ARCHITECTURES.entry(built_as(scenario, arch)).info
    recipe = replace(ClassifierRecipe(seed=seed), **info.recipe)
    if scenario.own:
        return suited(recipe, info, len(scenario.private.train))
    if len(scenario.private.train) > 100 * scenario.num_classes:
        recipe = replace(recipe, epochs=max(12, recipe.epochs // 3), batch=64)
    return recipe


def suited(recipe: ClassifierRecipe, info: ArchitectureInfo, images: int) -> ClassifierRecipe:
    """Return a recipe that sees about `info.seen` images in all, however many training images there are.

    Few images are seen more often, but not more often than the recipe says; an epoch has eight batches at least, for a network
    learns by steps; what a step is, one cycle of the learning rate says, which is as long as the training.
    """
    rounds = info.seen / max(images, 1) / (2 if recipe.everything else 1)
    epochs = max(FEWEST_EPOCHS, min(recipe.epochs, round(rounds)))
    return replace(recipe, epochs=epochs, batch=max(FEWEST_IN_BATCH, min(recipe.batch, images // FEWEST_BATCHES)))
