"""The live view under load: 64 images, their paths and three curves in headless Chromium.

    python tests/benchmarks/live_view.py [seconds]

Prints frames shown a second, the lag from a frame's file to its pixels, full figures sent, and the
growth of the page's heap (after a collection) and the server's memory over the time watched.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).parent)]

from served import COUNTERS, application, page

from workbench.engine.presets import default_config


def resident() -> float:
    """Return this process's resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def main(seconds: float) -> None:
    config = default_config(
        "faces",
        "mi-face",
        target="softmax",
        classes=list(range(32)),
        restarts=2,
        knobs={"steps": 20000, "stop_cost": 0, "patience": 5000, "lr": 0.001},
    )
    with application() as (url, scheduler):
        run = scheduler.submit(config)
        with page(f"{url}/?run={run}") as tab:
            tab.evaluate(COUNTERS)
            tab.wait_for_function("window.counters.extend > 2", timeout=60000)
            tab.evaluate("""() => { window.__seen = []; new MutationObserver(() => window.__seen.push([
                +document.querySelector('.wb-live').dataset.frame, Date.now() / 1000])).observe(
                document.querySelector('.wb-live'), {attributes: true, attributeFilter: ['data-frame']}); }""")
            tools = tab.context.new_cdp_session(tab)

            def heap() -> float:
                tools.send("HeapProfiler.collectGarbage")
                return tab.evaluate("performance.memory.usedJSHeapSize / 1e6")

            begun, before = time.time(), (heap(), resident())
            figures = tab.evaluate("[counters.newPlot, counters.react, counters.extend]")
            lags, frames = [], scheduler.store.folder(run).path / "frames"
            produced = scheduler.store.folder(run).latest()
            while time.time() - begun < seconds:
                time.sleep(0.5)
                number, at = tab.evaluate("window.__seen.at(-1) || [0, 0]")
                path = frames / f"{number:06d}.jpg"
                if number and path.exists():
                    lags.append(at - path.stat().st_mtime)
                if scheduler.store.summary(run).state.ended:
                    break
            spent = time.time() - begun
            shown = len(tab.evaluate("window.__seen"))
            produced = scheduler.store.folder(run).latest() - produced
            after = tab.evaluate("[counters.newPlot, counters.react, counters.extend]")
            print(
                f"{shown / spent:.1f} frames/s shown of {produced / spent:.1f} recorded over {spent:.0f} s "
                "(aim: 10, as many as recorded)"
            )
            print(f"lag median {statistics.median(lags):.2f} s, largest {max(lags):.2f} s (aim: 0.3 s)")
            print(
                f"full figures since the start {after[0] + after[1] - figures[0] - figures[1]}, "
                f"extensions {after[2] - figures[2]}"
            )
            print(f"page heap {before[0]:.0f} -> {heap():.0f} MB, server {before[1]:.0f} -> {resident():.0f} MB")
            scheduler.stop(run)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
