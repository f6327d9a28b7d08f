"""Cells on the machines of a Ray cluster; the same function carries one out as in the processes of this machine.

Every machine must have this workbench installed, or on its path, and see the run store and the weights in the same place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import Failure, WorkbenchError
from workbench.core.paths import ROOT
from workbench.core.records import RunConfig
from workbench.grids.base import Cell
from workbench.grids.fill import Pool, run_cell

LOCAL = "local"  # a Ray of its own on this machine


def ray_pool(address: str) -> Pool:
    """Return what carries out cells on a Ray cluster.

    Args:
        address: ``HOST:PORT`` or ``auto`` of a cluster that is up; "local" starts one on this machine.

    Raises:
        Failure: Ray is not installed.
    """
    if find_spec("ray") is None:
        raise Failure("--ray needs Ray, which is not here: pip install 'model-inversion-workbench[ray]'.")

    def pool(cells: list[Cell], root: Path, jobs: int, lost: list[Cell]) -> Iterator[tuple[Cell, dict[str, Any]]]:
        import ray

        variables = {name: value for name, value in os.environ.items() if name.startswith("WORKBENCH_")}
        started = not ray.is_initialized()
        if started:
            _connect(address, jobs)
        remote = ray.remote(num_cpus=1, max_retries=0)(_on_one_core)
        waiting = list(reversed(cells))
        going: dict[Any, Cell] = {}
        try:
            while waiting or going:
                while waiting and len(going) < jobs:
                    cell = waiting.pop()
                    going[remote.remote(cell.config, str(root.resolve()), variables)] = cell
                for done in ray.wait(list(going), num_returns=1)[0]:
                    cell = going.pop(done)
                    try:
                        yield cell, ray.get(done)
                    except ray.exceptions.RayTaskError as error:
                        cause = error.cause if isinstance(error.cause, WorkbenchError) else None
                        yield cell, {"state": "failed", "reason": str(cause or str(error).strip().splitlines()[-1])}
                    except ray.exceptions.RayError:  # its process or its machine is gone
                        lost.append(cell)
        finally:
            if started:
                ray.shutdown()

    return pool


def _connect(address: str, jobs: int) -> None:
    import ray

    try:
        if address == LOCAL:
            # Its processes take over this one's variables, and find this very copy of the workbench by them.
            paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            os.environ["PYTHONPATH"] = os.pathsep.join(paths)
            ray.init(num_cpus=jobs, include_dashboard=False, log_to_driver=False)
        else:
            ray.init(address=address, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise Failure(f"There is no Ray cluster at {address} ({str(error).splitlines()[0][:200]}).") from None


def _on_one_core(config: RunConfig, root: str, variables: dict[str, str]) -> dict[str, Any]:
    os.environ.update(variables)  # where weights and data are
    torch.set_num_threads(1)
    return run_cell(config, Path(root))
