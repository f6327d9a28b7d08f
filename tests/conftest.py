"""A victim and a prior with a known answer, small enough that every contract is checked in milliseconds."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor, nn

from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import FixedControl
from workbench.attacks.parts.public_images import PublicImages
from workbench.core.knobs import configure, knobs_of
from workbench.core.records import Access, Frame, Recovers
from workbench.priors import Prior
from workbench.targets import TargetView

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.load_profile("ci")

BROWSER = "tests/e2e/"  # where the tests are that drive a browser
SIDE = 8
SHAPE = (1, SIDE, SIDE)
CLASSES = 4
MANY = 100  # images, above which it is worth remembering what an evaluator saw in them
# In six dimensions a noise's length is small, and so is a push that is a share of it.
AGAINST_IT = {
    "diffusion": {"strength": 0.5, "rounds": 8},
    # Four quadrants need no large networks.
    "rlb-mi": {"width": 32, "batch": 32, "warmup": 128, "updates": 2},
    "lokt": {"width": 8},
}
FEW = {
    "steps": 40,
    "queries": 600,
    "images": 300,
    "pool": 100,
    "inner": 10,
    "tuning": 4,
    "share": 0.25,
}  # what is enough against the known-answer victim


def pytest_configure(config: pytest.Config) -> None:
    """Keep files in their order where several processes share them: the browser's, which take longest, come first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share files among processes, but leave those of the browser to one, which needs one application and one Chromium."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class BrowserInOne(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return BROWSER if file.startswith(BROWSER) else file

    return BrowserInOne(config, log)


def class_attacks() -> list[str]:
    """Return the keys of the attacks that recover what a class looks like, which the known-answer victim is one of."""
    return [entry.key for entry in ATTACKS if entry.info.recovers is Recovers.CLASS]


def quadrants(images: Tensor) -> Tensor:
    """Return the mean grey level of the four quadrants, (n, 4), of images (n, 1, 8, 8)."""
    return nn.functional.avg_pool2d(images, SIDE // 2).flatten(1)


class QuadrantVictim(nn.Module):
    """Linear softmax whose class-k logit is the mean of quadrant k, times `sharpness`.

    So the image it is surest of is known: quadrant k white, the others black.
    """

    def __init__(self, sharpness: float = 10.0) -> None:
        super().__init__()
        self.head = nn.Linear(CLASSES, CLASSES, bias=False)
        nn.init.eye_(self.head.weight).data.mul_(sharpness)
        self.num_classes = CLASSES

    def features(self, images: Tensor) -> Tensor:
        return quadrants(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class LinearPrior(Prior):
    """Six latents: one grey level for each quadrant, two that do nothing of interest."""

    key = "linear"
    discriminates = True
    shape = SHAPE
    latent_dim = 6

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0), requires_grad=False)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        small = (self.scale * latents[:, :CLASSES]).sigmoid().view(-1, 1, 2, 2)
        wobble = 0.02 * latents[:, CLASSES:].tanh().sum(1)[:, None, None, None]
        return (0.96 * nn.functional.interpolate(small, scale_factor=SIDE // 2) + 0.02 + wobble / 2).clamp(0, 1)

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return -(images - 0.5).pow(2).mean((1, 2, 3))


class WalkingPrior(LinearPrior):
    """The linear prior as a diffusion of its latents, N(0, I): the best prediction of noise and signal is known."""

    def alpha(self, t: int) -> float:
        return 0.999 * (1 - (t + 1) / 1001) ** 2 + 1e-4

    def walk(self, steps: int | None = None) -> list[tuple[int, int]]:
        plan = [round(1000 - k * 1000 / steps) - 1 for k in range(steps)]
        return [*zip(plan, [*plan[1:], -1], strict=True)]

    def canvas(self, latents: Tensor) -> Tensor:
        return latents

    def picture(self, x: Tensor) -> Tensor:
        return self.decode(x)

    def predict(self, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        return self.alpha(t) ** 0.5 * x, (1 - self.alpha(t)) ** 0.5 * x

    def clean_of(self, x: Tensor, noise: Tensor, t: int) -> Tensor:
        return (x - (1 - self.alpha(t)) ** 0.5 * noise) / self.alpha(t) ** 0.5

    def noised(self, clean: Tensor, noise: Tensor, t: int) -> Tensor:
        return self.alpha(t) ** 0.5 * clean + (1 - self.alpha(t)) ** 0.5 * noise


class LayeredPrior(LinearPrior):
    """The linear prior in two layers: the first makes maps of the first four latents, the second an image of them."""

    layers = 2

    def enter(self, latents: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        maps = (self.scale * latents[:, :CLASSES]).view(-1, 1, 2, 2)
        return maps, torch.zeros_like(maps)

    def onward(self, maps: Tensor, image: Tensor, latents: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        return maps, image

    def leave(self, maps: Tensor, image: Tensor, latents: Tensor, depth: int) -> Tensor:
        return self.decode(torch.cat([maps.flatten(1) / self.scale, latents[:, CLASSES:]], 1))


def quick(key: str, **knobs: Any) -> Any:
    """Return attack `key` as its demo preset has it, in fewer steps."""
    entry = ATTACKS.entry(key)
    few = {k: v for k, v in FEW.items() if k in knobs_of(entry.item)}
    return configure(entry.item, {**entry.info.presets["demo"], **few, **knobs})


def make_context(
    key: str,
    classes: tuple[int, ...] = (0, 1, 2, 3),
    *,
    seed: int = 0,
    access: Access | None = None,
    budget: int | None = None,
    start: Tensor | None = None,
    victim: nn.Module | None = None,
    every: int = 1,
) -> AttackContext:
    """Return what attack `key` is given against the known-answer victim."""
    info = ATTACKS.entry(key).info
    view = TargetView(
        victim or QuadrantVictim(), access or info.access, num_classes=CLASSES, input_shape=SHAPE, budget=budget
    )
    kinds = [kind for need, kind in (("walk", WalkingPrior), ("layers", LayeredPrior)) if need in info.needs]
    prior = (kinds or [LinearPrior])[0]().eval()
    public = None
    if info.public:
        samples = prior.sample(400, torch.Generator().manual_seed(1))
        public = PublicImages.at_hand(prior.decode(samples), "asks about samples")
    return AttackContext(
        view,
        prior if info.prior else None,
        torch.tensor(classes),
        torch.Generator().manual_seed(seed),
        torch.device("cpu"),
        FixedControl(every),
        start=start,
        public=public,
    )


def frames_of(key: str, context: AttackContext, **knobs: Any) -> Iterator[Frame]:
    return quick(key, **{**AGAINST_IT.get(key, {}), **knobs}).run(context)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Two cores run this suite, often beside a training; more threads than cores are slower."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _private_images_are_looked_at_once() -> Iterator[None]:
    """Keep what a shipped evaluator sees in many images: dozens of tests judge, and each would ask it about all again."""
    from workbench.recognisers.evaluator import Evaluator

    look, seen = Evaluator.features, dict[tuple[Any, ...], Tensor]()

    def features(self: Evaluator, images: Tensor) -> Tensor:
        if not self.card.weights or len(images) < MANY:
            return look(self, images)
        pixels = hashlib.sha256(images.cpu().contiguous().numpy()).digest()
        key = (self.card.weights, tuple(images.shape), pixels)
        if key not in seen:
            seen[key] = look(self, images)
        return seen[key].clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluator, "features", features)
        yield


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Return an empty folder that the workbench takes for its shipped weights."""
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    return tmp_path


@pytest.fixture
def empty_registry(tmp_path, monkeypatch) -> Callable[..., Any]:
    """Return a registry over an empty package of its own."""
    from workbench.core.registry import Registry

    (tmp_path / "nothing_here").mkdir()
    (tmp_path / "nothing_here" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nothing_here", raising=False)  # that of another test
    return Registry("thing", "nothing_here")
