"""The whole application told to leave in the middle of a run: by a service manager, and by Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import free_port
from workbench.commands.serve import LINGER
from workbench.core.paths import ROOT
from workbench.core.records import RunState
from workbench.engine.presets import default_config
from workbench.runs.store import RunStore
from workbench.workers.scheduler import GRACE

CONFIG = default_config(
    "faces",
    "mi-face",
    target="softmax",
    classes=[0, 1],
    knobs={"steps": 20000, "stop_cost": 0, "patience": 5000, "lr": 0.0001},
)
SIGNALS = {"SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}


def wait_for(condition, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def workers_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that still live."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def left(request, tmp_path_factory):
    """Return, for each signal, an application that was in a run when it came: its exit status, store, runs and workers."""
    started = {}
    wanted = [item for item in request.session.items if item.path == request.path and "name" in item.fixturenames]
    for name in (item.callspec.params["name"] for item in wanted):
        store = RunStore(tmp_path_factory.mktemp("runs"))
        runs = [store.create(CONFIG, shape=(1, 64, 64)).id for _ in range(2)]  # which the application takes up
        options = ["--port", str(free_port()), "--runs", str(store.root), "--device", "cpu", "--threads", "1"]
        process = subprocess.Popen([sys.executable, "app.py", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started[name] = (process, store, runs)
    found = {}
    try:
        for name, (process, store, runs) in started.items():
            assert process.stdout.readline().startswith("Model Inversion Workbench: http")
            wait_for(lambda store=store, runs=runs: store.folder(runs[0]).latest())
            workers = workers_of(process.pid)
            began = time.monotonic()
            process.send_signal(SIGNALS[name])
            found[name] = (process.wait(120), store, runs, workers)
            print(f"{name}: left after {time.monotonic() - began:.2f} s")
    finally:
        for process, *_ in started.values():
            process.kill()
            process.wait()
            process.stdout.close()
    return found


# The browser's tests end their application by Ctrl-C.
@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("Ctrl-C", marks=pytest.mark.slow)])
def test_a_run_that_goes_is_filed_and_what_waits_goes_on_waiting(left, name):
    _, store, (going, waiting), workers = left[name]
    assert store.summary(going).state is RunState.FAILED and "interrupted" in store.summary(going).reason
    assert store.folder(going).frames() and store.summary(waiting).state is RunState.QUEUED
    assert len(workers) == 1 and not Path(f"/proc/{workers[0]}").exists()


def test_whoever_watches_and_whatever_goes_is_waited_for_less_than_three_seconds():
    assert LINGER + GRACE < 3
