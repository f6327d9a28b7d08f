"""What every prior offers: latents to sample, images to decode, a plane to draw latents on."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from workbench.core.errors import DataMissing, Incompatible
from workbench.core.records import UNDEFENDED, TrainedUnder
from workbench.core.registry import Info, Registry
from workbench.core.shapes import Shape
from workbench.core.weights import has_weights, load_weights, read_card
from workbench.priors.plane import Plane, telling_plane
from workbench.scenarios import SCENARIOS

PRIORS: Registry[type[Prior], PriorInfo] = Registry("prior", "workbench.priors")

PriorT = TypeVar("PriorT", bound="Prior")


class Prior(nn.Module):
    """A differentiable map from latents to images.

    Attributes:
        latent_dim: D, the length of a latent.
        shape: (C, H, W) of an image.
        space: name of the latent space, as the literature calls it.
        bound: latents are kept within ±bound by `project`.
        discriminates: whether `discriminate` exists.
        encodes: whether `encode` exists.
        conditional: whether `decode` draws a given class; then `labels` must be passed.
        tuned: whether it is trained against one target, and so belongs to that target alone.
        shown: how many samples fix the planes; fewer where sampling is slow.
    """

    key: str
    discriminates: bool = False
    encodes: bool = False
    conditional: bool = False
    tuned: bool = False
    space: str = "z"
    bound: float = 3.0
    shown: int = 1000

    latent_dim: int
    shape: Shape
    num_classes: int = 0
    plane: Plane | None = None
    image_plane: Plane | None = None

    @property
    def architecture(self) -> dict[str, Any]:
        """Return the constructor's arguments, kept on the card."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Return `n` random latents, (n, D), drawn on the CPU so that every device sees the same."""
        return torch.randn(n, self.latent_dim, generator=rng).to(self.device)

    def truncate(self, latents: Tensor, share: float) -> Tensor:
        """Return latents (n, D) drawn towards the most ordinary one; `share` 1 leaves them, 0 is the centre."""
        return latents * share

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of latents (n, D); differentiable.

        Args:
            labels: (n,) classes, for a conditional prior; others ignore it.
        """
        raise NotImplementedError

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return how public-like each image looks, (n,), higher is more so; differentiable."""
        raise NotImplementedError

    def encode(self, images: Tensor) -> Tensor:
        """Return latents (n, D) whose images are near to `images` (n, C, H, W) in [0, 1]."""
        raise NotImplementedError

    def project(self, latents: Tensor) -> Tensor:
        """Return the nearest latents that `decode` was trained for, both (n, D); idempotent."""
        return latents.clamp(-self.bound, self.bound)

    def latent_plane(self, latents: Tensor, images: Tensor) -> Plane:
        """Return the plane on which latents are drawn, given samples (M, D) and their images (M, C, H, W)."""
        return telling_plane(latents, images)

    def random_images(self, n: int, rng: torch.Generator) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of random latents, of random classes where the prior is conditional."""
        labels = torch.randint(self.num_classes, (n,), generator=rng).to(self.device) if self.conditional else None
        return self.decode(self.sample(n, rng), labels)


@dataclass(frozen=True)
class Setting:
    """What a prior may be trained from: public images and, for a tuned one, the attacker's view of a target.

    Attributes:
        public: (N, C, H, W) images in [0, 1]; none of a private class.
        quality: "quick" for two cores in under an hour, "full" for a GPU.
        target: (n, C, H, W) to logits (n, K), frozen; None unless the prior is tuned.
        base: what a tuned prior starts from, its like tuned to the undefended target or the scenario's plain GAN.
        folder: checkpoints and half-finished files may be kept here.
    """

    scenario: str
    public: Tensor
    flips: bool
    device: torch.device
    quality: str = "quick"
    seed: int = 0
    target: nn.Module | None = None
    num_classes: int = 0
    base: Prior | None = None
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class PriorInfo(Info):
    """What a prior says of itself.

    Attributes:
        paper: where it comes from.
    """

    paper: str


def prior(key: str, *, title: str, paper: str, order: int = 100) -> Callable[[type[PriorT]], type[PriorT]]:
    """Register a `Prior` subclass under `key`."""

    def keep(cls: type[PriorT]) -> type[PriorT]:
        cls.key = key
        PRIORS.register(PriorInfo(key=key, title=title, order=order, paper=paper))(cls)
        return cls

    return keep


def weights_name(scenario: str, key: str, target: str | None = None, under: TrainedUnder = UNDEFENDED) -> str:
    """Return where a prior's weights are kept; a tuned one's name says which target it was tuned to."""
    if not PRIORS[key].tuned:
        return f"{scenario}/prior-{key}"
    victim = target or SCENARIOS[scenario].default_target
    return f"{scenario}/prior-{key}-for-{victim}{under.suffix}"


def lender_of(scenario: str, key: str) -> str | None:
    """Return the scenario whose prior serves this one behind a luminance adapter, or None for its own."""
    lender = SCENARIOS[scenario].borrows
    if lender is None or PRIORS[key].tuned or has_weights(weights_name(scenario, key)):
        return None
    return lender if has_weights(weights_name(lender, key)) else None


def prior_problem(scenario: str, key: str, target: str | None = None, under: TrainedUnder = UNDEFENDED) -> str | None:
    """Return why this prior cannot be used with this scenario and target, or None."""
    PRIORS.entry(key)
    if has_weights(weights_name(scenario, key, target, under)) or lender_of(scenario, key):
        return None
    tuned = ""
    if PRIORS[key].tuned:
        tuned = f" --target {target or SCENARIOS[scenario].default_target}"
        tuned += f" --defense {shlex.quote(under.text)}" if under.text else ""
    against = f" against {tuned.split()[1]}" if tuned else ""
    return (
        f"There is no trained '{key}' prior for {scenario}{against}. Train it with: "
        f"python -m workbench train prior --scenario {scenario} --prior {key}{tuned} --data FOLDER"
    )


class Picturing(Protocol):
    """What a diffusion prior offers besides: see `workbench.priors.diffusion.Diffusion.picture`."""

    def picture(self, x: Tensor) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of clean ones on the network's scale."""


class Layered(Protocol):
    """What a style-based prior offers besides: see `workbench.priors.style.Style.widen`."""

    def widen(self, latents: Tensor) -> Tensor:
        """Return latents (n, D) as one for each layer, (n, L·D)."""


class Leaves(Protocol):
    """What a prior that can be cut between its layers offers besides: see `workbench.priors.style.Style.leave`."""

    def leave(self, maps: Tensor, image: Tensor, latents: Tensor, depth: int) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of maps (n, c, h, w) and the image so far, as they are after `depth` layers."""


class Luminance(Prior):
    """A colour prior seen through its luminance (ITU-R BT.601), for a scenario of grey images."""

    def __init__(self, inner: Prior) -> None:
        super().__init__()
        self.inner = inner
        self.key, self.space, self.bound = inner.key, inner.space, inner.bound
        self.discriminates, self.encodes = inner.discriminates, inner.encodes
        self.latent_dim, self.shown = inner.latent_dim, inner.shown
        self.shape, self.plane, self.image_plane = (1, *inner.shape[1:]), inner.plane, None
        if inner.image_plane is not None:
            self.image_plane = _grey_plane(inner.image_plane, inner.shape)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)  # what only this kind of prior offers, such as `to_w`

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        return self.inner.sample(n, rng)

    def truncate(self, latents: Tensor, share: float) -> Tensor:
        return self.inner.truncate(latents, share)

    def project(self, latents: Tensor) -> Tensor:
        return self.inner.project(latents)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return luminance(self.inner.decode(latents, labels))

    def encode(self, images: Tensor) -> Tensor:
        return self.inner.encode(images.expand(-1, 3, -1, -1))

    def leave(self, maps: Tensor, image: Tensor, latents: Tensor, depth: int) -> Tensor:
        """Return grey images (n, 1, H, W) in [0, 1] of what the inner prior holds after `depth` layers, all in colour."""
        return luminance(cast(Leaves, self.inner).leave(maps, image, latents, depth))

    def picture(self, x: Tensor) -> Tensor:
        """Return grey images (n, 1, H, W) in [0, 1] of a diffusion prior's clean ones (n, 3, H, W).

        They stay in colour while noise is taken off.
        """
        return luminance(cast(Picturing, self.inner).picture(x))

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.inner.discriminate(images.expand(-1, 3, -1, -1), labels)


def luminance(images: Tensor) -> Tensor:
    """Return (n, 1, H, W) grey images of (n, 3, H, W), ITU-R BT.601."""
    return (images * images.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def _grey_plane(plane: Plane, shape: Shape) -> Plane:
    """Return an orthonormal plane of grey images close to one of colour images."""
    centre = luminance(plane.centre.reshape(1, *shape)).flatten()
    basis = torch.linalg.qr(luminance(plane.basis.T.reshape(3, *shape)).flatten(1).T).Q.contiguous()
    return Plane(centre, basis, plane.cloud)


def load_prior(
    scenario: str,
    key: str,
    device: torch.device | str = "cpu",
    *,
    target: str | None = None,
    under: TrainedUnder = UNDEFENDED,
) -> Prior:
    """Return the shipped prior in eval mode with frozen weights.

    Args:
        target, under: which target a tuned prior was tuned to; the scenario's default undefended one if None.

    Raises:
        UnknownName, DataMissing, WeightsCorrupt.
        Incompatible: the weights do not fit the prior's architecture.
    """
    if problem := prior_problem(scenario, key, target, under):
        raise DataMissing(problem)
    if lender := lender_of(scenario, key):
        return Luminance(load_prior(lender, key, device)).eval()
    tensors, card = load_weights(weights_name(scenario, key, target, under))
    model = PRIORS[key](**card["architecture"])
    planes = {
        name: {k.split(".", 1)[1]: tensors.pop(k) for k in [*tensors] if k.startswith(f"{name}.")}
        for name in ("plane", "image_plane")
    }
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise Incompatible(
            [f"The weights of {scenario}/{key} do not fit its architecture: {str(error).splitlines()[0]}"]
        ) from None
    model.plane, model.image_plane = (Plane(**planes[n]) for n in ("plane", "image_plane"))
    return model.eval().requires_grad_(False).to(device)


def prior_card(scenario: str, key: str, target: str | None = None, under: TrainedUnder = UNDEFENDED) -> dict[str, Any]:
    """Return what is known of a trained prior: data, recipe, figures."""
    owner = lender_of(scenario, key) or scenario
    return read_card(weights_name(owner, key, target, under))
