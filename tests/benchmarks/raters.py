"""How long thirty raters at once wait for their next question.

    python tests/benchmarks/raters.py [RATERS]

Each rater is a thread with a connection of its own: it joins, and for every question loads the pictures, looks at them as
shortly as an answer may come (.4 s; people take some 3 s) and answers. Prints p50, p95 and the longest of each request in ms, and whether every confirmed
answer is on the disk. The server's CPU time per answer is printed beside, for a machine that is busy with other things.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import uvicorn
from fastapi import FastAPI
from study_cases import Tiny, a_run

from workbench.core.web.hosts import ServedNames
from workbench.core.web.protocol import PromptProtocol
from workbench.runs.store import RunStore
from workbench.study import make as making
from workbench.study.design import Design
from workbench.study.session import Studies
from workbench.ui.routes import rating
from workbench.ui.routes.services import serve_from
from workbench.ui.server import add_guards
from workbench.ui.visitors import Visitors

LOOKED = Design("").least_ms


def go_through(port: int, study: str, took: dict[str, list[float]], confirmed: list[int]) -> None:
    """Answer a whole study as one rater."""
    connection, cookie = http.client.HTTPConnection("127.0.0.1", port, timeout=60), ""

    def ask(kind: str, path: str, body: Any = None) -> bytes:
        nonlocal cookie
        began = time.perf_counter()
        headers = {"Cookie": cookie, **({"Content-Type": "application/json"} if body is not None else {})}
        sent = json.dumps(body) if body is not None else None
        connection.request("POST" if body is not None else "GET", f"/study/{study}{path}", sent, headers)
        answer = connection.getresponse()
        data = answer.read()
        took[kind].append(1000 * (time.perf_counter() - began))
        assert answer.status == 200, data
        for name, value in answer.getheaders():
            if name == "set-cookie" and value.startswith("wb-rater"):
                cookie = value.partition(";")[0]
        return data

    state = json.loads(ask("join", "/join", {}))
    while (trial := state["trial"]) is not None:
        for slot in range(trial["asked"] + trial["beside"]):
            ask("picture", f"/pictures/{trial['index']}/{slot}.png")
        time.sleep(LOOKED / 1000)
        said = {"trial": trial["index"], "pressed": trial["choices"][0], "rt": LOOKED}
        state = json.loads(ask("answer", "/answers", said))
        confirmed.append(trial["index"])


def main(raters: int) -> None:
    making.SCENARIOS = {"tiny": Tiny}  # type: ignore[assignment]
    making.samples_of = lambda scenario, seed: Tiny().private.heldout.images  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        store = RunStore(Path(folder))
        run = a_run(store, "1125-one")
        study = making.make(store, Design("tiny", (run,))).id
        visitors, studies = Visitors(store.root), Studies(store.root)
        app = FastAPI()
        serve_from(app, SimpleNamespace(store=store, visitors=visitors, studies=studies))  # type: ignore[arg-type]
        app.include_router(rating.router)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        add_guards(app, ServedNames.of("127.0.0.1", port), visitors)
        config = uvicorn.Config(app, host="127.0.0.1", port=port, http=PromptProtocol, log_level="warning")
        server = uvicorn.Server(config)
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        took: dict[str, list[float]] = defaultdict(list)
        confirmed: list[int] = []
        threads = [threading.Thread(target=go_through, args=(port, study, took, confirmed)) for _ in range(raters)]
        began, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent, cpu = time.perf_counter() - began, time.process_time() - cpu
        for kind, times in took.items():
            times.sort()
            p50, p95 = times[len(times) // 2], times[int(0.95 * len(times))]
            print(f"{kind:8} n {len(times):5}  p50 {p50:6.0f}  p95 {p95:6.0f}  longest {times[-1]:6.0f} ms")
        kept = len(studies[study].answers.answers())
        print(
            f"{len(confirmed)} confirmed, {kept} kept; {spent:.1f} s, {1000 * cpu / max(1, kept):.1f} ms CPU an answer"
        )
        server.should_exit = True
        studies.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
