"""How long priors take to draw: 64 latents decoded by the GANs, 16 images sampled by the diffusion.

    python tests/benchmarks/decoding.py [--scenario digits faces lfw] [--device cpu]

One line for each shipped prior: the median of several rounds, in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from workbench.engine.model_cache import ModelCache
from workbench.priors import PRIORS
from workbench.priors.base import prior_problem
from workbench.scenarios import SCENARIOS

ROUNDS = 9
IMAGES = 64
SAMPLED = 16  # where drawing takes many passes through the network


@torch.no_grad()
def milliseconds(prior, latents: torch.Tensor, labels: torch.Tensor | None, rounds: int) -> float:
    """Return the median time of one decoding, after one that is not counted."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        prior.decode(latents, labels)
        if latents.is_cuda:
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", nargs="+", default=[entry.key for entry in SCENARIOS])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    cache, rng = ModelCache(options.device), torch.Generator().manual_seed(0)
    for key in options.scenario:
        for entry in PRIORS:
            if prior_problem(key, entry.key) is not None:
                continue
            prior = cache.prior(key, entry.key)  # laid out as in the app
            slow = prior.shown < IMAGES
            count = SAMPLED if slow else IMAGES
            labels = (
                (torch.arange(count) % SCENARIOS[key]().num_classes).to(cache.device) if prior.conditional else None
            )
            took = milliseconds(prior, prior.sample(count, rng).to(cache.device), labels, 1 if slow else ROUNDS)
            print(f"{key:<8}{entry.key:<18}{count:>3} images {took:>9.1f} ms", flush=True)


if __name__ == "__main__":
    main()
