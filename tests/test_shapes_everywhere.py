"""Grey and colour, sides of 28 to 256 pixels, 2 to 1,000 classes: every attack, metric and output defense takes them."""

from __future__ import annotations

import pytest
import torch
from conftest import AGAINST_IT, LayeredPrior, LinearPrior, WalkingPrior, class_attacks
from torch import Tensor, nn

from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import FixedControl
from workbench.attacks.parts.public_images import PublicImages
from workbench.core.knobs import configure, knobs_of
from workbench.defenses import DEFENSES
from workbench.metrics import METRICS
from workbench.metrics.base import EvalContext, Judged
from workbench.recognisers import Panel
from workbench.recognisers.evaluator import Evaluator
from workbench.scenarios import Labelled, Scenario, Split
from workbench.targets import Classifier, TargetView
from workbench.targets.training import ClassifierRecipe, DefenseSetting, fit

CASES = [((1, 28, 28), 2), ((3, 32, 32), 10), ((3, 64, 64), 1000), ((1, 128, 128), 5)]
LARGE = [((3, 256, 256), 3)]  # takes every attack a second or more


def of(slow: list[tuple[tuple[int, int, int], int]]) -> pytest.MarkDecorator:
    """Return what runs a test for every case, those of `slow` only where slow tests are asked for."""
    return pytest.mark.parametrize(
        ("shape", "classes"),
        [
            pytest.param(s, k, id=f"{s[0]}x{s[1]}x{s[2]} of {k}", marks=[pytest.mark.slow] if (s, k) in slow else [])
            for s, k in CASES + LARGE
        ],
    )


each_case, each_small_case = of(LARGE), of(CASES[2:] + LARGE)
FEWEST = {"steps": 2, "queries": 40, "images": 40, "pool": 10, "inner": 1, "tuning": 1, "samples": 10, "epochs": 1}


class Victim(nn.Module):
    """Linear in the four quadrants' means, with a class for each row of its head."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(4 * channels, classes)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(self.head.weight.shape, generator=torch.Generator().manual_seed(0)))
        self.num_classes = classes

    def features(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def prior_of(kind: type[LinearPrior], wanted: tuple[int, int, int]) -> LinearPrior:
    """Return a known-answer prior that draws images of another shape."""

    class Shaped(kind):  # type: ignore[misc, valid-type]
        shape = wanted

        def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
            drawn = nn.functional.interpolate(super().decode(latents, labels), wanted[1:])
            return drawn.expand(-1, wanted[0], -1, -1)

    return Shaped().eval()


@each_case
@pytest.mark.parametrize("key", class_attacks())
def test_an_attack_takes_it(key, shape, classes):
    entry = ATTACKS.entry(key)
    info, knobs = entry.info, knobs_of(entry.item)
    few = {name: max(value, knobs[name].lo or value) for name, value in FEWEST.items() if name in knobs}
    attack = configure(entry.item, {**info.presets["demo"], **AGAINST_IT.get(key, {}), **few})
    kinds = [kind for need, kind in (("walk", WalkingPrior), ("layers", LayeredPrior)) if need in info.needs]
    prior = prior_of((kinds or [LinearPrior])[0], shape)
    public = PublicImages.at_hand(
        prior.decode(prior.sample(60, torch.Generator().manual_seed(1))), "asks about samples"
    )
    labels = torch.tensor([0, classes - 1])
    context = AttackContext(
        TargetView(Victim(shape[0], classes), info.access, num_classes=classes, input_shape=shape, budget=None),
        prior if info.prior else None,
        labels,
        torch.Generator().manual_seed(0),
        torch.device("cpu"),
        FixedControl(1),
        public=public if info.public else None,
    )
    frames, last = attack.run(context), None
    for taken, frame in enumerate(frames):
        last = frame
        if taken == 3:  # every loop has been through its body
            break
    frames.close()
    images = last.payload.images
    assert images.shape == (2, *shape) and images.min() >= 0 and images.max() <= 1


@each_case
def test_metrics_take_it(shape, classes):
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(min(classes, 12)).repeat_interleave(2)
    train, heldout = (Labelled(torch.rand(len(labels), *shape, generator=rng), labels) for _ in range(2))
    judged = Judged(
        torch.rand(4, *shape, generator=rng),
        torch.tensor([0, 1, 1, 0]),
        EvalContext(Panel((Evaluator(Victim(shape[0], classes).eval()),)), Split(train, heldout)),
    )
    for entry in METRICS:
        values = entry.item(judged)
        assert values is None or (values.shape == (4,) and torch.isfinite(values).all()), entry.key


@each_case
@pytest.mark.parametrize("key", [e.key for e in DEFENSES if e.info.stage == "output" and not e.item.learns])
def test_an_output_defense_takes_it(key, shape, classes):
    images = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0))
    released = DEFENSES[key]().wrap(Victim(shape[0], classes).eval())
    with torch.no_grad():
        answers = released(images)
    assert answers.shape == (6, classes) and not torch.isnan(answers).any()


# What needs nothing but the private images; the others' public images and priors have tests of their own.
LEARNING = [e.key for e in DEFENSES if e.info.stage == "training" and not e.info.needs]


def drawn(shape: tuple[int, int, int], classes: int) -> type[Scenario]:
    """Return a scenario of noise: two images of each of twelve classes at most, of `classes` there are."""

    class Drawn(Scenario):
        key, title, summary = "drawn", "Drawn", ""
        input_shape, class_names = shape, tuple(map(str, range(classes)))
        private_source = public_source = "made up"

        def load_private(self) -> Split:
            labels = torch.linspace(0, classes - 1, min(classes, 12)).long().repeat_interleave(2)
            images = torch.rand(len(labels), *shape, generator=torch.Generator().manual_seed(0))
            return Split(Labelled(images, labels), Labelled(images[::2], labels[::2]))

    return Drawn


@each_small_case
@pytest.mark.parametrize("key", LEARNING)
def test_a_training_defense_takes_it(key, shape, classes):
    place, defense = drawn(shape, classes)(), DEFENSES[key]()
    arch = next(a for a in ("mlp", "resnet") if defense.problem(a) is None)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, shaping = (
            defense.build(Classifier(arch, shape, classes)),
            defense.shaping(DefenseSetting(place, arch)),
        )
        list(shaping.prepare(model))
        before = {k: v.clone() for k, v in model.named_parameters() if v.requires_grad}
        recipe = shaping.recipe(ClassifierRecipe(epochs=1, batch=12))
        list(fit(model, shaping.data(place.private.train), recipe, flips=False, shaping=shaping))
    with torch.no_grad():
        answers = model.eval()(place.private.heldout.images)
    assert answers.shape == (len(place.private.heldout), classes) and torch.isfinite(answers).all()
    assert any(not torch.equal(v, before[k]) for k, v in model.named_parameters() if k in before)
