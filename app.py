"""Starts the interface: ``python app.py [--host HOST] [--port PORT] [--runs DIR] [--device auto] [--threads N]``."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

# Nothing is fetched or reported at run time; gradio and huggingface_hub read these when imported.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_OFFLINE="1")


def port_problem(host: str, port: int) -> str | None:
    """Return why the port cannot be listened on, or None."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"Cannot listen on {host}:{port} ({error.strerror}). Choose another with --port."
    return None


def main() -> int:
    from workbench.core.errors import WorkbenchError
    from workbench.core.paths import runs_dir
    from workbench.targets.remote.sources import add_options, allow_from

    parser = argparse.ArgumentParser(prog="app.py", description="Model Inversion Workbench")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--runs", type=Path, default=runs_dir(), metavar="DIR", help="where runs are kept")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="threads of torch (default: cores - 1)")
    add_options(parser)
    options = parser.parse_args()
    try:
        allow_from(options)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    if problem := port_problem(options.host, options.port):
        print(problem, file=sys.stderr)
        return 1
    import uvicorn

    from workbench.runs.store import RunStore
    from workbench.ui.server import create
    from workbench.ui.shell import App
    from workbench.workers.scheduler import Scheduler

    try:
        store = RunStore(options.runs)
        app = App(store, Scheduler(store, device=options.device, threads=options.threads).start())
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Model Inversion Workbench: http://{options.host}:{options.port}", flush=True)
    uvicorn.run(create(app, options.host, options.port), host=options.host, port=options.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
