"""Training the GAN prior: a variational auto-encoder first, then adversarially."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import NotFinite
from workbench.core.weights import save_weights, write_atomically
from workbench.priors.base import weights_name
from workbench.priors.gan import GAN, Encoder
from workbench.priors.plane import principal_plane, telling_plane


@dataclass(frozen=True)
class Recipe:
    """How a GAN prior is trained; stored on its card.

    Attributes:
        vae_steps, gan_steps: optimiser steps of either phase.
        noise: standard deviation of the decoder's pixels, in [0, 1] units.
        kl, kl_gan: weight of the latent's divergence from N(0, I) in either phase; the second is larger,
            so that samples of N(0, I) land where the decoder has been.
        adversarial: weight of the generator's hinge loss against the reconstruction's.
        r1: weight of the critic's gradient penalty on real images, Mescheder et al. 2018.
    """

    latent_dim: int = 128
    widths: tuple[int, ...] = (256, 128, 96, 64)
    critic_widths: tuple[int, ...] = (32, 64, 128, 256)
    vae_steps: int = 1800
    gan_steps: int = 3600
    batch: int = 64
    lr_vae: float = 1e-3
    lr_gan: float = 2e-4
    noise: float = 0.12
    kl: float = 1.0
    kl_gan: float = 2.5
    adversarial: float = 1.0
    feature: float = 10.0
    r1: float = 5.0
    ema: float = 0.998
    seed: int = 0


RECIPES = {"faces": Recipe(), "digits": Recipe(latent_dim=64, widths=(128, 96, 48), critic_widths=(32, 64, 128),
                                               vae_steps=2000, gan_steps=3000)}


@dataclass(frozen=True)
class Progress:
    step: int
    total: int
    losses: dict[str, float]
    seconds: float


def augment(images: Tensor, flips: bool, rng: torch.Generator) -> Tensor:
    """Return the batch with random mirror images and contrasts."""
    if flips:
        mirrored = torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
        contrast = 0.65 + 0.4 * torch.rand(len(images), 1, 1, 1, generator=rng)
        centre = images.mean((1, 2, 3), keepdim=True)
        images = ((images - centre) * contrast + centre).clamp(0, 1)
    return images


def train_gan(scenario: str, public: Tensor, recipe: Recipe, *, flips: bool, device: str, source: str,
              checkpoint: Path | None = None) -> Iterator[Progress]:
    """Train and save the scenario's GAN prior, yielding progress every 20 steps.

    Args:
        public: (N, C, H, W) images in [0, 1]; none of a private class.
        checkpoint: resumed from if it exists, written every 500 steps, removed at the end.

    Raises:
        NotFinite: a loss diverged; nothing is saved.
    """
    torch.manual_seed(recipe.seed)
    rng = torch.Generator().manual_seed(recipe.seed)
    shape = tuple(public.shape[1:])
    gan = GAN(shape, recipe.latent_dim, list(recipe.widths), list(recipe.critic_widths)).to(device)
    encoder = Encoder(shape, recipe.latent_dim, list(recipe.widths)).to(device)
    generator = [*gan.start.parameters(), *gan.grow.parameters()]
    critic = [*gan.critic.parameters(), *gan.critic_head.parameters()]
    drawing = torch.optim.Adam([*generator, *encoder.parameters()], recipe.lr_vae, betas=(0.9, 0.99))
    judging = torch.optim.Adam(critic, recipe.lr_gan, betas=(0.0, 0.99))
    average = copy.deepcopy(gan).requires_grad_(False)
    modules: dict[str, nn.Module] = {"gan": gan, "encoder": encoder, "average": average}
    optimisers = {"drawing": drawing, "judging": judging}
    begun, spent = 0, 0.0
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        for name, module in modules.items():
            module.load_state_dict(state[name])
        for name, optimiser in optimisers.items():
            optimiser.load_state_dict(state[name])
        begun, spent = state["step"], state["seconds"]
        rng.set_state(state["rng"].cpu())

    public = public.contiguous(memory_format=torch.channels_last)
    for module in modules.values():
        module.to(memory_format=torch.channels_last)
    total, start = recipe.vae_steps + recipe.gan_steps, time.monotonic()
    half_precision_weight = 0.5 / recipe.noise**2

    def batch() -> Tensor:
        index = torch.randint(len(public), (recipe.batch,), generator=rng)
        return augment(public[index], flips, rng).to(device)

    def draw(*size: int) -> Tensor:
        return torch.randn(*size, generator=rng).to(device)

    for step in range(begun, total):
        adversarial = step >= recipe.vae_steps
        for group in drawing.param_groups:
            group["lr"] = recipe.lr_gan if adversarial else recipe.lr_vae * min(1, (step + 1) / 100)
        real = batch()
        mean, logvar = encoder(real)
        latent = mean + (logvar / 2).exp() * draw(*mean.shape)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        losses: dict[str, Tensor] = {"kl": kl}
        if not adversarial:
            copied = gan.decode(latent)
            error = (copied - real).pow(2).sum((1, 2, 3)).mean()
            loss = half_precision_weight * error + recipe.kl * kl
            losses["reconstruction"] = error
        else:
            both = gan.decode(torch.cat([latent, draw(recipe.batch, recipe.latent_dim)]))
            copied, invented = both.split(recipe.batch)
            penalised = step % 8 == 0
            shown = real.clone().requires_grad_(penalised)
            real_score = gan.discriminate(shown)
            fake_score = gan.discriminate(both.detach())
            judged = F.relu(1 - real_score).mean() + F.relu(1 + fake_score).mean()
            losses["critic"] = judged
            if penalised:  # lazily, as StyleGAN2 does: every 8th step, 8 times as strong
                (slope,) = torch.autograd.grad(real_score.sum(), shown, create_graph=True)
                judged = judged + recipe.r1 / 2 * 8 * slope.pow(2).sum((1, 2, 3)).mean() / 100
            judging.zero_grad(set_to_none=True)
            judged.backward()
            judging.step()
            for p in critic:
                p.requires_grad_(False)
            # What the critic has learnt to see says more of likeness than pixels do (Larsen et al., eq. 8).
            seen, wanted = gan.critic(copied * 2 - 1), gan.critic(real * 2 - 1)
            likeness = (seen - wanted).pow(2).mean()
            error = (copied - real).pow(2).sum((1, 2, 3)).mean()
            fooled = -(gan.critic_head(seen.flatten(1)).mean() + gan.discriminate(invented).mean()) / 2
            scale = recipe.adversarial * min(1, (step - recipe.vae_steps + 1) / 500) * 40
            loss = half_precision_weight / 2 * error + recipe.kl_gan * kl + recipe.feature * 10 * likeness + scale * fooled
            losses |= {"reconstruction": error, "likeness": likeness, "fooled": fooled}
        drawing.zero_grad(set_to_none=True)
        loss.backward()
        drawing.step()
        for p in critic:
            p.requires_grad_(True)
        rate = min(recipe.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for kept, now in zip(average.parameters(), gan.parameters(), strict=True):
                kept.lerp_(now, 1 - rate)
            for kept, now in zip(average.buffers(), gan.buffers(), strict=True):
                kept.copy_(now)
        last = step + 1 == total
        if step % 20 == 0 or last:
            values = {k: v.item() for k, v in losses.items()}
            if not torch.isfinite(loss):
                raise NotFinite(f"The GAN's training diverged at step {step}: {values}. Nothing was saved; "
                                "lower the learning rate and start again.")
            yield Progress(step + 1, total, values, spent + time.monotonic() - start)
        if (step + 1) % 500 == 0 or last:
            seconds = spent + time.monotonic() - start
            if checkpoint is not None:
                store(checkpoint, {**{k: m.state_dict() for k, m in modules.items()},
                                   **{k: o.state_dict() for k, o in optimisers.items()},
                                   "step": step + 1, "seconds": seconds, "rng": rng.get_state()})
            publish(scenario, average, recipe, source=source, count=len(public), step=step + 1, total=total,
                    seconds=seconds, device=device)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)


def store(path: Path, state: dict) -> None:
    import io

    held = io.BytesIO()
    torch.save(state, held)
    write_atomically(path, held.getvalue())


@torch.no_grad()
def publish(scenario: str, average: GAN, recipe: Recipe, *, source: str, count: int, step: int, total: int,
            seconds: float, device: str) -> None:
    """Save the averaged generator with its batch-norm statistics taken on prior samples, and its planes."""
    gan = copy.deepcopy(average)
    rng = torch.Generator().manual_seed(recipe.seed + 1)
    norms = [m for m in gan.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average: every sample counts alike
    gan.train()
    for _ in range(8):
        gan.decode(gan.sample(128, rng))
    gan.eval()
    latents = gan.sample(1000, rng)
    images = torch.cat([gan.decode(z) for z in latents.split(100)])
    tensors = {k: v for k, v in gan.state_dict().items() if not k.endswith("num_batches_tracked")}
    tensors |= {k: v for k, v in gan.state_dict().items() if k.endswith("num_batches_tracked")}
    for name, plane in (("plane", telling_plane(latents, images)), ("image_plane", principal_plane(images.flatten(1)))):
        tensors |= {f"{name}.centre": plane.centre, f"{name}.basis": plane.basis, f"{name}.cloud": plane.cloud[:400]}
    save_weights(weights_name(scenario, "gan"), tensors, {
        "what": f"GAN prior of {scenario}", "architecture": gan.architecture, "recipe": asdict(recipe),
        "data": source, "public_images": count, "steps": step, "quality": "quick",
        "finished": step == total, "seconds": round(seconds, 1), "device": device,
        "paper": "Larsen et al. 2016 warm start; Radford et al. 2016; Zhang et al. 2020 (GMI)"}, half=True)
