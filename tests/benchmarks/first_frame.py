"""How long until the first picture of a run, with everything cold: ``python tests/benchmarks/first_frame.py``.

Starts ``python -m workbench run`` in a process of its own for each attack and looks at its folder until the first
frame is there; then stops it. Figures are wall seconds, the median of some rounds; ``import torch`` stands beside.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def seconds_of(command: list[str]) -> float:
    """Return how long a command takes."""
    begun = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def first_frames(options: argparse.Namespace, attack: str) -> tuple[float, float]:
    """Return the seconds from the command to the first frame, and to the second, at `options.threads`."""
    with tempfile.TemporaryDirectory() as folder:
        out, begun = Path(folder) / "run", time.perf_counter()
        run = [sys.executable, "-m", "workbench", "run", "--scenario", options.scenario, "--attack", attack]
        more = ["--classes", options.classes, "--threads", str(options.threads), "--out", str(out)]
        with subprocess.Popen([*run, *more], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            times = [_until(out / "frames" / f"{number:06d}.safetensors", process, begun) for number in (0, 1)]
            process.terminate()
    return times[0], times[1]


def _until(path: Path, process: subprocess.Popen[bytes], begun: float) -> float:
    while not path.exists():
        if process.poll() not in (None, 0):
            raise SystemExit(f"the run ended with {process.returncode} before {path.name}")
        time.sleep(0.01)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", default="gmi,ppa,mi-face,brep-mi")
    parser.add_argument("--scenario", default="faces")
    parser.add_argument("--classes", default="0-7")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name, command in {
        "import torch": [sys.executable, "-c", "import torch"],
        "list attacks --json": [sys.executable, "-m", "workbench", "list", "attacks", "--json"],
    }.items():
        print(f"{name:<22} {statistics.median(seconds_of(command) for _ in range(options.rounds)):6.2f} s")
    for attack in options.attacks.split(","):
        rounds = [first_frames(options, attack) for _ in range(options.rounds)]
        first, second = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{attack:<22} {first:6.2f} s to the first frame, {second:6.2f} s to the second")


if __name__ == "__main__":
    main()
