"""What a target behind loopback HTTP costs against the same target in the process.

    python tests/benchmarks/remote.py --scenario faces --batch 64

The server is a process of its own, as `serve-target` starts it; the aim is at most twice the time at 64 images or more.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch

from workbench.defenses import load_target
from workbench.scenarios import SCENARIOS
from workbench.targets.remote.http import Endpoint


def seconds(target: torch.nn.Module, images: torch.Tensor, rounds: int) -> float:
    """Return the median time of one batch."""
    spent = []
    with torch.no_grad():
        for _ in range(rounds + 2):
            begun = time.perf_counter()
            target(images).softmax(1)
            spent.append(time.perf_counter() - begun)
    return statistics.median(spent[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="faces")
    parser.add_argument("--arch")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    place = SCENARIOS[options.scenario]()
    arch = options.arch or place.default_target
    images = torch.rand(options.batch, *place.input_shape, generator=torch.Generator().manual_seed(0))
    here = load_target(options.scenario, arch).to(memory_format=torch.channels_last)
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "workbench",
            "serve-target",
            "--scenario",
            options.scenario,
            "--arch",
            arch,
            "--port",
            "0",
            "--threads",
            "1",
            "--device",
            "cpu",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = server.stdout.readline().split()[-1]
        time.sleep(1)
        there = Endpoint("http:bench", address)
        near, far = seconds(here, images, options.rounds), seconds(there, images, options.rounds)
    finally:
        server.terminate()
        server.wait()
    print(
        f"{options.scenario}/{arch}, {options.batch} images: in process {near * 1e3:.1f} ms, over HTTP {far * 1e3:.1f} ms, "
        f"{far / near:.2f} times (aim: at most 2)"
    )


if __name__ == "__main__":
    main()
