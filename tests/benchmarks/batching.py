"""What attacking everyone at once costs against one person, and CUDA against CPU where there is one.

python tests/benchmarks/batching.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.runs.run_folder import RunFolder


def seconds_a_step(cache: ModelCache, device: str, classes: list[int], steps: int, attack: str) -> float:
    config = default_config("faces", attack, classes=classes, knobs={"steps": steps}, device=device)
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder.fresh(Path(root) / "run", config, (1, 64, 64))
        execute(config, folder, cache)
        manifest = folder.manifest()
        return manifest["seconds"] / manifest["steps"]


def main() -> None:
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    everyone, speed = list(range(40)), {}
    for device in devices:
        cache = ModelCache(device)
        seconds_a_step(cache, device, [0], 5, "gmi")
        one = min(seconds_a_step(cache, device, [0], 30, "gmi") for _ in range(2))
        all40 = min(seconds_a_step(cache, device, everyone, 30, "gmi") for _ in range(2))
        speed[device] = 1 / all40
        print(
            f"{device}: one face {1 / one:.1f} steps/s, all 40 {1 / all40:.1f} steps/s; 40 faces cost "
            f"{all40 / one:.1f} times one (aim: at most 10)"
        )
    if "cuda" in speed:
        print(f"cuda over cpu, 40 faces: {speed['cuda'] / speed['cpu']:.1f}")


if __name__ == "__main__":
    main()
