"""What a browser watching costs the optimisation: steps/s watched over steps/s with nobody there.

    python tests/benchmarks/streaming_cost.py [rounds]

Both sides run in the same worker process, in turn, at 10 frames a second. Speed is measured from step
60 on, when the page has loaded.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).parent)]

from served import COUNTERS, application, finished, page

from workbench.engine.presets import default_config


def speed(scheduler: Any, run: str) -> float:
    """Return the steps a second from step 60 to the end of a run, once it has ended."""
    finished(scheduler, run)
    rows = [line.split(",") for line in scheduler.store.folder(run).curves().splitlines()[1:]]
    begin = next(row for row in rows if int(row[1]) >= 60)
    return (int(rows[-1][1]) - int(begin[1])) / (float(rows[-1][2]) - float(begin[2]))


def main(rounds: int) -> None:
    config = default_config("faces", "gmi", classes=list(range(8)), knobs={"steps": 200})
    alone, watched = [], []
    with application() as (url, scheduler):
        finished(scheduler, scheduler.submit(config))  # weights loaded, caches warm
        for _ in range(rounds):
            alone.append(speed(scheduler, scheduler.submit(config)))
            run = scheduler.submit(config)
            with page(f"{url}/?run={run}") as tab:
                watched.append(speed(scheduler, run))
                drawn = tab.evaluate(f"{COUNTERS}.then(found => found.drawn)")
            print(
                f"alone {alone[-1]:.2f} steps/s   watched {watched[-1]:.2f} steps/s ({drawn} messages drawn)   "
                f"ratio {watched[-1] / alone[-1]:.3f}",
                flush=True,
            )
    ratio = statistics.median(watched) / statistics.median(alone)
    print(f"ratio of medians {ratio:.3f} (aim: at least 0.95)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
