"""Model augmentation: small networks distilled from the target's answers on public images.

Nguyen, Chandrasegaran, Abdollahzadeh and Cheung, CVPR 2023, https://arxiv.org/abs/2304.01669 (LOMMA), eq. 6:
KL(target's answer ‖ surrogate's) at temperature 1. An image that convinces several networks overfits none.

Departs from the paper, whose surrogates are EfficientNets pretrained on ImageNet and distilled for 20 epochs of 30,000
public images: small networks of the workbench learn from public images and as many fresh samples of the prior, which is
where the search goes; how often they answer as the target does is measured on further samples, and one that agrees on
too few has no say: it would lead the search astray.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext
from workbench.core.paths import cache_dir
from workbench.core.weights import write_atomically
from workbench.priors import Prior
from workbench.targets.architectures import Classifier

ARCHITECTURES = ("cnn", "resnet", "cnn")  # of small cost; the last one starts from other weights
BATCH = 64
STEPS = 700
MOST = 3000  # public images asked about, and as many samples
TESTED = 500  # further samples, on which surrogate and target are compared
CHUNK = 250
LEAST = 0.85  # share of them on which a surrogate must answer as the target


@dataclass(frozen=True)
class Surrogates:
    """Networks distilled from a target.

    Attributes:
        models: those that agree with the target often enough.
        agreement: share of fresh samples of the prior on which each, those left out among them, answers as the target.
    """

    models: list[nn.Module]
    agreement: list[float]

    def __str__(self) -> str:
        shares = ", ".join(f"{share:.2f}" for share in self.agreement)
        left_out = len(self.agreement) - len(self.models)
        said = f"surrogates agree with the target on {shares} of fresh samples"
        return said if not left_out else f"{said}; {left_out} below {LEAST:g} left out"


def steps_of(count: int) -> int:
    """Return how many steps `surrogates` takes for `count` of them: of asking and of training."""
    return 1 + count * STEPS


@torch.no_grad()
def asked_about(ctx: AttackContext[Prior]) -> tuple[Tensor, Tensor, Tensor]:
    """Return public images and samples (M, C, H, W), TESTED samples more, and the target's logits (M + TESTED, K) of all.

    Raises:
        Incompatible: there is nothing public to ask about.
    """
    public = ctx.images_to_ask_about("Set augment=0.").some(MOST, ctx.rng).to(ctx.device)
    sizes = [min(CHUNK, len(public) + TESTED - done) for done in range(0, len(public) + TESTED, CHUNK)]
    samples = torch.cat([ctx.prior.random_images(size, ctx.rng) for size in sizes])
    images, tested = torch.cat([public, samples[TESTED:]]), samples[:TESTED]
    return images, tested, torch.cat([ctx.target.logits(p) for p in (*images.split(CHUNK), *tested.split(CHUNK))])


def distilled(
    ctx: AttackContext[Prior], images: Tensor, answers: Tensor, arch: str, seed: int
) -> Generator[int, None, nn.Module]:
    """Train one surrogate on images (M, C, H, W) and the target's confidences (M, K); yield the steps taken so far.

    It is returned in eval mode, its weights frozen.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(arch, ctx.target.input_shape, answers.shape[1]).to(ctx.device)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS + 1)
    model.train()
    for step in range(STEPS):
        index = torch.randint(len(images), (BATCH,), generator=rng).to(images.device)
        loss = F.kl_div(model(images[index]).log_softmax(1), answers[index], reduction="batchmean")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        yield step
    return model.eval().requires_grad_(False)


@torch.no_grad()
def agreement_of(model: nn.Module, images: Tensor, logits: Tensor) -> float:
    """Return the share of images (M, C, H, W) that a surrogate gives the class that the target's logits (M, K) give."""
    said = torch.cat([model(part).argmax(1) for part in images.split(CHUNK)])
    return (said == logits.argmax(1)).float().mean().item()


def surrogates(ctx: AttackContext[Prior], count: int) -> Generator[str, None, Surrogates]:
    """Return `count` surrogates; yield a few words after every step.

    Kept on disk under what the target answered, so that the same target is not distilled twice; it is asked
    all the same, and every question counted.
    """
    images, tested, logits = asked_about(ctx)
    answers, test_logits = logits[: len(images)].softmax(1), logits[len(images) :]
    note = ctx.images_to_ask_about().note
    base = int(torch.randint(2**31, (), generator=ctx.rng))
    models: list[nn.Module] = []
    agreement: list[float] = []
    yield f"asking about {len(images)} images; {note}"
    for number in range(count):
        arch = ARCHITECTURES[number % len(ARCHITECTURES)]
        path = _kept(images, answers, arch, number)
        if path.is_file():
            model: nn.Module = Classifier(arch, ctx.target.input_shape, answers.shape[1])
            model.load_state_dict(load_file(path))
            model = model.to(ctx.device).eval().requires_grad_(False)
        else:
            words = f"distilling surrogate {number + 1} of {count}"
            model = yield from _said(distilled(ctx, images, answers, arch, base + number), words, note)
            write_atomically(path, save(model.state_dict()))
        agreement.append(agreement_of(model, tested, test_logits))
        if agreement[-1] >= LEAST:
            models.append(model)
    return Surrogates(models, agreement)


def _said(training: Generator[int, None, nn.Module], words: str, note: str) -> Generator[str, None, nn.Module]:
    """Go through a training of a surrogate, saying how far it is."""
    while True:
        try:
            step = next(training)
        except StopIteration as end:
            return end.value
        yield f"{words}, {100 * step // STEPS} %; {note}"


def _kept(images: Tensor, answers: Tensor, arch: str, number: int) -> Path:
    mark = hashlib.sha256(
        images.cpu().numpy().tobytes() + answers.cpu().numpy().tobytes() + f"{arch} {number} {STEPS} {BATCH}".encode()
    )
    return cache_dir() / "surrogates" / f"{mark.hexdigest()[:32]}.safetensors"
