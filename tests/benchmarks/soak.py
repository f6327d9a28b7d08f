"""Many runs in a row: does the memory of the application or of its worker grow?

    python tests/benchmarks/soak.py [runs] [scenario/attack ...]

Prints, every 20 runs, resident memory, threads and open files of the application (its scheduler alone) and of the
worker, and at the end how much the worker has gained a run since the first 20, which load what stays in its cache.
"""

from __future__ import annotations

import gc
import itertools
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from workbench.core.records import RunConfig
from workbench.engine.presets import default_config
from workbench.runs.store import RunStore
from workbench.workers.scheduler import Scheduler

EVERY = 20
USUAL = ("faces/mi-face", "digits/gmi")


def measured(pid: int | str) -> tuple[float, int, int]:
    """Return resident memory in MB, threads and open files of a process."""
    folder = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), len(list((folder / "fd").iterdir()))


def tiny(name: str) -> RunConfig:
    scenario, attack = name.split("/")
    target = {"target": "softmax"} if attack == "mi-face" else {}
    return default_config(scenario, attack, classes=[0, 1], device="cpu", knobs={"steps": 3}, **target)


def main(runs: int, names: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        scheduler = Scheduler(store, device="cpu", threads=1).start()
        try:
            workers: list[tuple[float, int, int]] = []
            print("runs  application: MB threads files   worker: MB threads files")
            for count, name in enumerate(itertools.islice(itertools.cycle(names), runs), 1):
                run = scheduler.submit(tiny(name))
                while scheduler.position(run) is not None:
                    time.sleep(0.01)
                if (ended := store.summary(run)).state != "finished":
                    raise SystemExit(f"{name} {ended.state}: {ended.reason}")
                if count % EVERY == 0 or count == runs:
                    gc.collect()
                    own, worker = measured("self"), measured(scheduler.worker_pid or "self")
                    workers.append(worker)
                    print(
                        f"{count:4}  {own[0]:15.0f} {own[1]:7} {own[2]:5} {worker[0]:12.0f} {worker[1]:7} {worker[2]:5}"
                    )
            if len(workers) > 1:
                gained = (workers[-1][0] - workers[0][0]) / (runs - EVERY)
                print(f"the worker gained {1000 * gained:.0f} kB a run after the first {EVERY} (aim: none that stays)")
        finally:
            scheduler.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, tuple(sys.argv[2:]) or USUAL)
