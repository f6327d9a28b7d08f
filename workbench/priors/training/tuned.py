"""Training a generator against one target: it starts from the scenario's plain GAN and learns what the target says.

Against a defended target it starts from the generator tuned to the undefended one, if there is such a one, and takes
fewer steps: an attacker would not begin anew.

What KED-MI's and PLG-MI's priors share: where they start, a discriminator step, a generator step, the average.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from workbench.core.errors import DataMissing
from workbench.priors.base import Prior, Setting
from workbench.priors.gan import GAN
from workbench.priors.training.loop import MovingAverage, augmented, batch_of, settle_norms

ModelT = TypeVar("ModelT", bound=Prior)
RecipeT = TypeVar("RecipeT", bound="TuningRecipe")
LabelsT = TypeVar("LabelsT", Tensor, None)  # None where the prior draws no class in particular
SHARE = 4  # of the steps, this part is enough for a prior that another target has tuned already


@dataclass(frozen=True)
class TuningRecipe:
    """How any tuned prior is trained; stored on its card.

    Attributes:
        steps: of the generator.
        critic_steps: of the discriminator before each.
    """

    steps: int = 400
    critic_steps: int = 1
    batch: int = 64
    lr: float = 2e-4
    lr_critic: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    ema: float = 0.99


def start_of(
    kind: type[ModelT], setting: Setting, recipes: Mapping[str, RecipeT], changes: Mapping[str, Any]
) -> tuple[ModelT | GAN, RecipeT]:
    """Return the prior that a tuned one of this setting starts from, and the recipe it then needs.

    Args:
        kind: which prior is trained; `setting.base` is such a one or a plain GAN.
        recipes: by quality.
        changes: fields of the recipe that are to be otherwise.

    Raises:
        DataMissing: the scenario has no plain GAN of its own.
    """
    recipe, base = recipes[setting.quality], setting.base
    if isinstance(base, kind):
        return base, replace(replace(recipe, steps=recipe.steps // SHARE), **changes)
    if isinstance(base, GAN):
        return base, replace(recipe, **changes)
    raise DataMissing(
        f"A tuned prior starts from a plain GAN of {setting.scenario}'s own, and there is none. Train it "
        f"with: python -m workbench train prior --scenario {setting.scenario} --prior gan --data FOLDER"
    )


def grown_from(own: nn.Module, base: nn.Module) -> None:
    """Copy into `own` every parameter and buffer of `base` that has the same name and shape."""
    kept, start = own.state_dict(), base.state_dict()
    own.load_state_dict(
        {
            name: start[name] if name in start and start[name].shape == value.shape else value
            for name, value in kept.items()
        }
    )


class Tuning(Generic[ModelT, RecipeT, LabelsT]):
    """What `Trainer` asks, but for the two losses. A step is one of the generator, after `critic_steps` of the critic.

    Args:
        model: the prior; the parameters whose names begin with "critic" judge, the others draw.
        how: the recipe.
        faster: learning rates of those parameters of the generator whose names hold a word.
    """

    paper: str

    def __init__(
        self, model: ModelT, setting: Setting, how: RecipeT, faster: Mapping[str, float] | None = None
    ) -> None:
        if setting.target is None:
            raise ValueError("a tuned prior needs a target to be tuned to")
        self.how, self.total, self.recipe = how, how.steps, asdict(how)
        again = isinstance(setting.base, type(model))
        self.paper += "; starts from the " + ("one tuned to the undefended target" if again else "scenario's plain GAN")
        # A copy of the target, laid out anew: convolutions then take a third less time on a CPU.
        self.model = model.to(setting.device).to(memory_format=torch.channels_last).train()
        self.target = copy.deepcopy(setting.target).to(setting.device).to(memory_format=torch.channels_last)
        self.public, self.flips, self.device = setting.public.to(setting.device), setting.flips, setting.device
        self.seed, self.num_classes = setting.seed, setting.num_classes
        self.critic = [p for name, p in model.named_parameters() if name.startswith("critic")]
        groups: dict[float, list[nn.Parameter]] = {}
        for name, p in model.named_parameters():
            if not name.startswith("critic"):
                rate = next((lr for part, lr in (faster or {}).items() if part in name), how.lr)
                groups.setdefault(rate, []).append(p)
        betas = (how.beta1, how.beta2)
        self.drawing = torch.optim.Adam([{"params": ps, "lr": lr} for lr, ps in groups.items()], betas=betas)
        self.judging = torch.optim.Adam(self.critic, how.lr_critic, betas=betas)
        self.average = MovingAverage(model, how.ema)
        self.parts: dict[str, nn.Module | torch.optim.Optimizer] = {
            "model": model,
            "average": self.average.kept,
            "drawing": self.drawing,
            "judging": self.judging,
        }

    def draw(self, rng: torch.Generator) -> tuple[Tensor, LabelsT]:
        """Return images (n, C, H, W) in [0, 1] of random latents, and their classes (n,) where the prior is conditional."""
        raise NotImplementedError

    def judged(self, images: Tensor, labels: LabelsT, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the critic's loss, a scalar, on drawn images (n, C, H, W), which carry no gradient, and what to report."""
        raise NotImplementedError

    def drawn(self, images: Tensor, labels: LabelsT, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the generator's loss, a scalar, on drawn images (n, C, H, W), and what to report of it."""
        raise NotImplementedError

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        for _ in range(self.how.critic_steps - 1):
            with torch.no_grad():
                images, labels = self.draw(rng)
            self._judge(images, labels, rng)
        images, labels = self.draw(rng)
        judged = self._judge(images.detach(), labels, rng)
        for p in self.critic:
            p.requires_grad_(False)
        loss, more = self.drawn(images, labels, rng)
        self.drawing.zero_grad(set_to_none=True)
        loss.backward()
        self.drawing.step()
        for p in self.critic:
            p.requires_grad_(True)
        self.average.update(self.model, step)
        return {name: value.detach() for name, value in {**more, **judged}.items()}

    def _judge(self, images: Tensor, labels: LabelsT, rng: torch.Generator) -> dict[str, Tensor]:
        loss, losses = self.judged(images, labels, rng)
        self.judging.zero_grad(set_to_none=True)
        loss.backward()
        self.judging.step()
        return losses

    def noise(self, rng: torch.Generator) -> Tensor:
        """Return a batch of latents (n, D) from N(0, I)."""
        return torch.randn(self.how.batch, self.model.latent_dim, generator=rng).to(self.device)

    def photographs(self, rng: torch.Generator) -> Tensor:
        """Return a batch (n, C, H, W) of public images in [0, 1], as augmented as those that the plain GAN learnt from."""
        return augmented(batch_of(self.public, self.how.batch, rng), self.flips, rng)

    def prior(self) -> ModelT:
        model = copy.deepcopy(self.average.kept).eval()
        settle_norms(model, torch.Generator().manual_seed(self.seed + 1))
        return model
