"""Many runs in a row: does the memory of the server, of its worker or of a page that shows them grow?

    python tests/benchmarks/soak.py [runs] [scenario/attack ...]

Prints, every 20 runs, resident memory, threads and open files of the server (this process) and of the worker, and the heap
and elements of a page that shows one run after another; at the end what each has gained a run since the first 20, which
load what stays in caches.
"""

from __future__ import annotations

import gc
import itertools
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).parent)]

from served import application, page

from workbench.core.records import RunConfig
from workbench.engine.presets import default_config

EVERY = 20
USUAL = ("digits/gmi", "digits/random")
SHOW = "run => import('/wb/assets/live/main.js').then(m => m.follow(run))"
SHOWN = """([run, state]) => { const live = document.querySelector('.wb-live');
    return live?.dataset.run === run && live.dataset.state === state; }"""


def measured(pid: int | str) -> tuple[float, int, int]:
    """Return resident memory in MB, threads and open files of a process."""
    folder = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), len(list((folder / "fd").iterdir()))


def page_measured(tab: Any, tools: Any) -> tuple[float, int]:
    """Return the heap in MB after a collection, and the elements, of a page."""
    tools.send("HeapProfiler.collectGarbage")
    return tab.evaluate("performance.memory.usedJSHeapSize / 1e6"), tab.evaluate("document.all.length")


def tiny(name: str) -> RunConfig:
    scenario, attack = name.split("/")
    knobs = {} if attack == "random" else {"steps": 3}
    return default_config(scenario, attack, classes=[0, 1], device="cpu", knobs=knobs)


def main(runs: int, names: tuple[str, ...]) -> None:
    rows: list[tuple[float, float, float]] = []
    with application() as (url, scheduler), page(url) as tab:
        tab.set_default_timeout(600_000)
        tab.locator(".wb-live[data-ready]").wait_for()
        tools = tab.context.new_cdp_session(tab)
        print("runs  server: MB threads files   worker: MB threads files   page: MB elements")
        for count, name in enumerate(itertools.islice(itertools.cycle(names), runs), 1):
            run = scheduler.submit(tiny(name))
            tab.evaluate(SHOW, run)
            tab.wait_for_function(SHOWN, arg=[run, "finished"])
            if count % EVERY == 0 or count == runs:
                gc.collect()
                own, worker = measured("self"), measured(scheduler.worker_pid)
                heap, elements = page_measured(tab, tools)
                rows.append((own[0], worker[0], heap))
                print(
                    f"{count:4}  {own[0]:10.0f} {own[1]:7} {own[2]:5} {worker[0]:12.0f} {worker[1]:7} {worker[2]:5}"
                    f" {heap:10.1f} {elements:8}",
                    flush=True,
                )
        if len(rows) > 1:
            since = runs - EVERY
            for who, first, last in zip(("server", "worker", "page"), rows[0], rows[-1], strict=True):
                print(f"the {who} gained {1000 * (last - first) / since:.0f} kB a run after the first {EVERY}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, tuple(sys.argv[2:]) or USUAL)
