"""What every prior offers: latents to sample, images to decode, a plane to draw latents on."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from workbench.core.errors import DataMissing, Incompatible
from workbench.core.registry import Registry
from workbench.core.weights import has_weights, load_weights, read_card
from workbench.priors.plane import Plane

PRIORS: Registry[type[Prior]] = Registry("prior", "workbench.priors")


class Prior(nn.Module):
    """A differentiable map from latents to images.

    Attributes:
        latent_dim: D, the length of a latent.
        shape: (C, H, W) of an image.
        space: name of the latent space, as the literature calls it.
        bound: latents are kept within ±bound by `project`.
    """

    key: ClassVar[str]
    discriminates: ClassVar[bool] = False
    space: ClassVar[str] = "z"
    bound: ClassVar[float] = 3.0

    latent_dim: int
    shape: tuple[int, int, int]
    plane: Plane | None = None
    image_plane: Plane | None = None

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Return `n` random latents, (n, D), drawn on the CPU so that every device sees the same."""
        return torch.randn(n, self.latent_dim, generator=rng).to(next(self.parameters()).device)

    def decode(self, latents: Tensor) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of latents (n, D); differentiable."""
        raise NotImplementedError

    def discriminate(self, images: Tensor) -> Tensor:
        """Return how public-like each image looks, (n,), higher is more so; differentiable."""
        raise NotImplementedError

    def project(self, latents: Tensor) -> Tensor:
        """Return the nearest latents that `decode` was trained for; idempotent."""
        return latents.clamp(-self.bound, self.bound)


def prior(key: str, *, title: str, paper: str, **info: Any):
    """Register a `Prior` subclass under `key`."""

    def keep(cls: type[Prior]) -> type[Prior]:
        cls.key = key
        return PRIORS.register(key, title=title, paper=paper, **info)(cls)

    return keep


def weights_name(scenario: str, key: str) -> str:
    return f"{scenario}/prior-{key}"


def prior_problem(scenario: str, key: str) -> str | None:
    """Return why this prior cannot be used with this scenario, or None."""
    PRIORS.entry(key)
    if not has_weights(weights_name(scenario, key)):
        return (f"There is no trained '{key}' prior for {scenario}. Train it with: "
                f"python -m workbench train prior --scenario {scenario} --prior {key} --data FOLDER")
    return None


def load_prior(scenario: str, key: str, device: torch.device | str = "cpu") -> Prior:
    """Return the shipped prior in eval mode with frozen weights.

    Raises:
        UnknownName, DataMissing, WeightsCorrupt.
        Incompatible: the weights do not fit the prior's architecture.
    """
    if problem := prior_problem(scenario, key):
        raise DataMissing(problem)
    tensors, card = load_weights(weights_name(scenario, key))
    model = PRIORS[key](**card["architecture"])
    planes = {name: {k.split(".", 1)[1]: tensors.pop(k) for k in [*tensors] if k.startswith(f"{name}.")}
              for name in ("plane", "image_plane")}
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise Incompatible([f"The weights of {scenario}/{key} do not fit its architecture: "
                            f"{str(error).splitlines()[0]}"]) from None
    model.plane, model.image_plane = (Plane(**planes[n]) for n in ("plane", "image_plane"))
    return model.eval().requires_grad_(False).to(device)


def prior_card(scenario: str, key: str) -> dict[str, Any]:
    return read_card(weights_name(scenario, key))
