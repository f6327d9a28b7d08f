"""Federated averaging by Flower: one server and two clients as processes on loopback come to the weights of the in-process loop.

Flower pins back packages of the workbench, so it lives in an environment of its own, which ``WORKBENCH_FLOWER`` names
(docs/federated.md says how to make one).
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch

from tests.processes import free_port, running
from workbench.core.paths import ROOT
from workbench.federated.averaging import train_federated
from workbench.federated.settings import Federation
from workbench.federated.store import model_of, rounds_done

ENVIRONMENT = Path(os.environ.get("WORKBENCH_FLOWER", "")) / "bin"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ENVIRONMENT / "flwr").is_file(), reason="WORKBENCH_FLOWER names no environment with Flower in it"
    ),
]
KNOBS = {"participants": 2, "rounds": 2, "epochs": 1}


@contextmanager
def process(words: list[str], env: dict[str, str], log: Path) -> Iterator[None]:
    """Run one of Flower's commands until the block ends."""
    command = [str(ENVIRONMENT / words[0]), *words[1:]]
    with log.open("w") as said, running(command, env=env, stdout=said, stderr=said):
        yield


def until_there(port: int, seconds: float = 300) -> None:
    """Wait until something listens on a port."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nothing listens on port {port} after {seconds} s"
            time.sleep(0.2)


@pytest.fixture
def env(tmp_path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{ENVIRONMENT}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "FLWR_HOME": str(tmp_path / "flower"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "OMP_NUM_THREADS": "1",
        "WORKBENCH_MODELS": str(tmp_path / "by-flower"),
    }


@pytest.mark.timeout(900)
def test_two_machines_come_to_the_weights_of_the_loop(env, tmp_path, monkeypatch):
    port = free_port()
    link = f"127.0.0.1:{port}"
    (tmp_path / "flower").mkdir()
    (tmp_path / "flower" / "config.toml").write_text(
        f'[superlink]\ndefault = "here"\n[superlink.here]\naddress = "{link}"\ninsecure = true\n'
    )
    server = ["flower-superlink", "--insecure", "--port", str(port)]
    knobs = " ".join(f"{name}={value}" for name, value in KNOBS.items())
    with ExitStack() as running:
        running.enter_context(
            process([*server, "--disable-runtime-dependency-installation"], env, tmp_path / "server.log")
        )
        until_there(port)
        for number in range(2):
            node = ["flower-supernode", "--insecure", "--superlink", link, "--port", str(free_port())]
            running.enter_context(
                process([*node, "--node-config", f"partition-id={number}"], env, tmp_path / f"{number}.log")
            )
        subprocess.run(
            [ENVIRONMENT / "flwr", "run", ROOT / "flower", "--run-config", f'set="{knobs}" wait=600.0', "--stream"],
            env=env,
            check=True,
            timeout=800,
        )
    fed = Federation.of("digits", "softmax", KNOBS)
    monkeypatch.setenv("WORKBENCH_MODELS", env["WORKBENCH_MODELS"])
    assert rounds_done(fed) == 2, (tmp_path / "server.log").read_text()[-3000:]
    there = {victim: model_of(fed, 2, victim)[0] for victim in ("global", "participant:0", "participant:1")}
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "here"))
    list(train_federated(fed))
    for victim, tensors in there.items():
        here = model_of(fed, 2, victim)[0]
        assert set(here) == set(tensors)
        worst = max((here[name] - tensors[name]).abs().max().item() for name in here)
        assert worst <= 1e-5, f"{victim}: {worst}"
    assert not torch.equal(there["participant:0"]["head.weight"], there["participant:1"]["head.weight"])
