"""``serve``: the interface; ``python app.py`` is this command."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from workbench.commands.base import command
from workbench.core.errors import Failure, UsageError
from workbench.core.paths import runs_dir
from workbench.targets.remote.sources import add_options, allow_from

# Nothing is fetched or reported at run time; gradio and huggingface_hub read these when imported.
OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}

LINGER = 1  # seconds that open connections are waited for when the application closes


def ensure_free(host: str, port: int) -> None:
    """Raise `UsageError` for a port that is none, `Failure` for one that cannot be listened on.

    No other port is taken instead: a bookmark, and the address in a run's link, would lead to somebody else's server.
    """
    if not 1 <= port < 65536:
        raise UsageError(f"--port {port} is out of range; allowed: 1 to 65535.")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise Failure(f"Cannot listen on {host}:{port} ({error.strerror}). Choose another with --port.") from None


@command("serve", "Start the interface, as app.py does", order=0)
class Serve:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="who may look (default: this machine alone)")
        parser.add_argument("--port", type=int, default=7860, help="default: 7860")
        parser.add_argument("--runs", type=Path, default=runs_dir(), metavar="DIR", help="where runs are kept")
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
        parser.add_argument("--threads", type=int, help="threads of torch (default: cores - 1)")
        parser.add_argument(
            "--allow-host",
            action="append",
            default=[],
            metavar="NAME[:PORT]",
            help="answer to this name as well, such as that of a gateway or a tunnel's end",
        )
        parser.add_argument(
            "--presenter-token",
            default=os.environ.get("WORKBENCH_PRESENTER", ""),
            metavar="TOKEN",
            help="who opens /?presenter=TOKEN may change everybody's runs (or the variable WORKBENCH_PRESENTER)",
        )
        add_options(parser)

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        allow_from(options)
        ensure_free(options.host, options.port)
        os.environ.update(OFFLINE)

        import uvicorn

        from workbench.core.web.protocol import PromptProtocol
        from workbench.runs.store import RunStore
        from workbench.ui.server import create
        from workbench.ui.shell import App
        from workbench.workers.scheduler import Scheduler

        store = RunStore(options.runs)
        app = App(store, Scheduler(store, device=options.device, threads=options.threads).start())
        server = create(
            app,
            options.host,
            options.port,
            allow_hosts=options.allow_host,
            presenter_token=options.presenter_token,
        )
        where = f"[{options.host}]" if ":" in options.host else options.host
        print(f"Model Inversion Workbench: http://{where}:{options.port}", flush=True)
        uvicorn.run(
            server,
            host=options.host,
            port=options.port,
            http=PromptProtocol,
            log_level="warning",
            timeout_graceful_shutdown=LINGER,
        )
        # Everything is on record. Taking torch and its libraries down in order takes seconds and brings nothing.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
