"""Model augmentation: small networks distilled from the target's answers on public images.

Nguyen, Chandrasegaran, Abdollahzadeh and Cheung, CVPR 2023, https://arxiv.org/abs/2304.01669 (LOMMA), eq. 6:
KL(target's answer ‖ surrogate's) at temperature 1. An image that convinces several networks overfits none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext
from workbench.core.errors import Incompatible
from workbench.core.paths import cache_dir
from workbench.core.weights import write_atomically
from workbench.targets.architectures import Classifier

ARCHITECTURES = ("cnn", "resnet", "cnn")  # of small cost; the last one starts from other weights
BATCH = 64
MOST = 2000  # public images asked about
PASSES = 6


def steps_of(count: int, images: int) -> int:
    """Return how many training steps `count` surrogates take on `images` public images."""
    return count * PASSES * max(1, min(images, MOST) // BATCH)


def asked(ctx: AttackContext) -> tuple[Tensor, Tensor]:
    """Return public images (M, C, H, W) and the target's confidences (M, K); M queries.

    Raises:
        Incompatible: there is nothing public to ask about.
    """
    if ctx.public is None:
        raise Incompatible(["Surrogates are distilled on public images, and this scenario offers none. Set augment=0."])
    images = ctx.public[:MOST].to(ctx.device)
    with torch.no_grad():
        return images, torch.cat([ctx.target.logits(part).softmax(1) for part in images.split(256)])


def distilled(ctx: AttackContext, images: Tensor, answers: Tensor, arch: str, seed: int) -> Iterator[nn.Module | None]:
    """Train one surrogate; yield None after every step, then the surrogate, in eval mode with frozen weights."""
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(arch, tuple(images.shape[1:]), answers.shape[1]).to(ctx.device)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    steps = steps_of(1, len(images))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps + 1)
    model.train()
    for _ in range(steps):
        index = torch.randint(len(images), (BATCH,), generator=rng).to(images.device)
        loss = F.kl_div(model(images[index]).log_softmax(1), answers[index], reduction="batchmean")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        yield None
    yield model.eval().requires_grad_(False)


def surrogates(ctx: AttackContext, count: int) -> Iterator[list[nn.Module] | str]:
    """Yield a few words after every step, then the list of surrogates.

    Kept on disk under what the target answered, so that the same target is not distilled twice; it is asked
    all the same, and every question counted.
    """
    images, answers = asked(ctx)
    base = int(torch.randint(2**31, (), generator=ctx.rng))
    found: list[nn.Module] = []
    for number in range(count):
        arch = ARCHITECTURES[number % len(ARCHITECTURES)]
        path = _kept(images, answers, arch, number)
        if path.is_file():
            model = Classifier(arch, tuple(images.shape[1:]), answers.shape[1])
            model.load_state_dict(load_file(path))
            found.append(model.to(ctx.device).eval().requires_grad_(False))
            continue
        for step, model in enumerate(distilled(ctx, images, answers, arch, base + number)):
            if model is not None:
                write_atomically(path, save(model.state_dict()))
                found.append(model)
            else:
                yield (
                    f"distilling surrogate {number + 1} of {count}, {100 * step // steps_of(1, len(images))} %; "
                    f"{ctx.public_note}"
                )
    yield found


def _kept(images: Tensor, answers: Tensor, arch: str, number: int) -> Path:
    mark = hashlib.sha256(
        images.cpu().numpy().tobytes() + answers.cpu().numpy().tobytes() + f"{arch} {number} {PASSES} {BATCH}".encode()
    )
    return cache_dir() / "surrogates" / f"{mark.hexdigest()[:32]}.safetensors"
