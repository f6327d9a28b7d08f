"""Model augmentation: small networks distilled from the target's answers on public images.

Nguyen, Chandrasegaran, Abdollahzadeh and Cheung, CVPR 2023, https://arxiv.org/abs/2304.01669 (LOMMA), eq. 6:
KL(target's answer ‖ surrogate's) at temperature 1. An image that convinces several networks overfits none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
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
MOST = 2000  # public images asked about
PASSES = 6


def steps_of(count: int, images: int) -> int:
    """Return how many training steps `count` surrogates take on `images` public images."""
    return count * PASSES * max(1, min(images, MOST) // BATCH)


def answered(ctx: AttackContext[Prior]) -> tuple[Tensor, Tensor]:
    """Return public images (M, C, H, W) and the target's confidences (M, K); M queries.

    Raises:
        Incompatible: there is nothing public to ask about.
    """
    images = ctx.images_to_ask_about("Set augment=0.").take(MOST).to(ctx.device)
    with torch.no_grad():
        return images, torch.cat([ctx.target.logits(part).softmax(1) for part in images.split(256)])


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
    steps = steps_of(1, len(images))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps + 1)
    model.train()
    for step in range(steps):
        index = torch.randint(len(images), (BATCH,), generator=rng).to(images.device)
        loss = F.kl_div(model(images[index]).log_softmax(1), answers[index], reduction="batchmean")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        yield step
    return model.eval().requires_grad_(False)


def surrogates(ctx: AttackContext[Prior], count: int) -> Generator[str, None, list[nn.Module]]:
    """Return `count` surrogates; yield a few words after every step.

    Kept on disk under what the target answered, so that the same target is not distilled twice; it is asked
    all the same, and every question counted.
    """
    images, answers = answered(ctx)
    note = ctx.images_to_ask_about().note
    base = int(torch.randint(2**31, (), generator=ctx.rng))
    models: list[nn.Module] = []
    for number in range(count):
        arch = ARCHITECTURES[number % len(ARCHITECTURES)]
        path = _kept(images, answers, arch, number)
        if path.is_file():
            model: nn.Module = Classifier(arch, ctx.target.input_shape, answers.shape[1])
            model.load_state_dict(load_file(path))
            model = model.to(ctx.device).eval().requires_grad_(False)
        else:
            words = f"distilling surrogate {number + 1} of {count}"
            model = yield from _said(distilled(ctx, images, answers, arch, base + number), words, len(images), note)
            write_atomically(path, save(model.state_dict()))
        models.append(model)
    return models


def _said(
    training: Generator[int, None, nn.Module], words: str, images: int, note: str
) -> Generator[str, None, nn.Module]:
    """Go through a training of a surrogate, saying how far it is."""
    while True:
        try:
            step = next(training)
        except StopIteration as end:
            return end.value
        yield f"{words}, {100 * step // steps_of(1, images)} %; {note}"


def _kept(images: Tensor, answers: Tensor, arch: str, number: int) -> Path:
    mark = hashlib.sha256(
        images.cpu().numpy().tobytes() + answers.cpu().numpy().tobytes() + f"{arch} {number} {PASSES} {BATCH}".encode()
    )
    return cache_dir() / "surrogates" / f"{mark.hexdigest()[:32]}.safetensors"
