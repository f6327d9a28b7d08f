"""``serve-target``: offer a scenario's target over HTTP, to be attacked from elsewhere."""

from __future__ import annotations

import argparse
import os

import torch

from workbench.commands.base import command
from workbench.core.errors import UsageError
from workbench.core.records import Access
from workbench.core.web.hosts import ServedNames
from workbench.defenses import load_target
from workbench.engine.model_cache import pick_device
from workbench.scenarios import SCENARIOS
from workbench.targets.remote.base import RemoteCard
from workbench.targets.remote.sources import TOKEN
from workbench.workers.scheduler import default_threads

CONNECTIONS = 256  # at once; who comes when there are as many is told to come again (503)


def card_of(options: argparse.Namespace) -> RemoteCard:
    """Return what the flags say is released; raises `UsageError`."""
    scenario = SCENARIOS[options.scenario]()
    arch, classes = options.arch or scenario.default_target, scenario.num_classes
    if options.top_k is not None and not 1 <= options.top_k <= classes:
        raise UsageError(f"--top-k {options.top_k}: the scenario has {classes} classes; allowed: 1 to {classes}.")
    if options.rate is not None and not 0 < options.rate < 1e9:
        raise UsageError("--rate must be above 0 images a second.")
    if not 0 <= options.port < 65536:
        raise UsageError(f"--port {options.port} is out of range; allowed: 0 to 65535, 0 takes a free one.")
    access = Access.LABEL if options.labels_only else Access.TOP_K if options.top_k else Access.SCORES
    return RemoteCard(
        scenario.input_shape, classes, access, options.top_k or classes, title=f"{options.scenario}/{arch}"
    )


def token_in(variable: str | None) -> str:
    """Return the token in an environment variable, "" for None; raises `UsageError` if there is none in it."""
    token = os.environ.get(variable, "") if variable else ""
    if variable and not TOKEN.fullmatch(token):
        raise UsageError(f"--token-env {variable}: this environment variable holds no token (letters, digits, signs).")
    return token


@command("serve-target", "Offer a target over HTTP", order=7)
class ServeTarget:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scenario", required=True)
        parser.add_argument("--arch", help="which target (default: the scenario's)")
        parser.add_argument("--defense", default="none", help="such as bido, rounding or bido+rounding")
        released = parser.add_mutually_exclusive_group()
        released.add_argument("--top-k", type=int, metavar="K", help="release the K best scores only")
        released.add_argument("--labels-only", action="store_true", help="release the predicted class only")
        parser.add_argument("--rate", type=float, metavar="N", help="answer at most N images a second")
        parser.add_argument("--host", default="127.0.0.1", help="who may ask (default: this machine alone)")
        parser.add_argument("--port", type=int, default=7861)
        parser.add_argument(
            "--allow-host",
            action="append",
            default=[],
            metavar="NAME[:PORT]",
            help="answer to this name as well, such as that of a gateway",
        )
        parser.add_argument(
            "--token-env", metavar="VARIABLE", help="answer those alone who send the token in this environment variable"
        )
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
        parser.add_argument("--threads", type=int, help="threads of torch (default: cores - 1)")

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        import socket

        import uvicorn

        from workbench.core.web.protocol import PromptProtocol
        from workbench.targets.remote.service import offering

        token = token_in(options.token_env)
        card, device = card_of(options), pick_device(options.device)
        torch.set_num_threads(options.threads or default_threads())
        arch = options.arch or SCENARIOS[options.scenario].default_target
        model = load_target(options.scenario, arch, options.defense, device).to(memory_format=torch.channels_last)
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        # asyncio sends without delay only where the protocol is named; else each answer waits 40 ms.
        with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((options.host, options.port))
            except OSError as error:
                raise UsageError(
                    f"Cannot listen on {options.host}:{options.port} ({error.strerror}). Choose another with --port."
                ) from None
            host = f"[{options.host}]" if ":" in options.host else options.host
            address = f"http://{host}:{listener.getsockname()[1]}/"
            print(f"{card.title} ({options.defense}) releases {card.access.label.lower()}: {address}", flush=True)
            print(
                f"Attack it with: python -m workbench run --scenario {options.scenario} --endpoint it={address} "
                "--target http:it --attack ...",
                flush=True,
            )
            names = ServedNames.of(options.host, listener.getsockname()[1], options.allow_host)
            served = offering(model, card, options.rate, token=token, names=names)
            server = uvicorn.Server(
                uvicorn.Config(served, http=PromptProtocol, limit_concurrency=CONNECTIONS, log_level="warning")
            )
            server.run(sockets=[listener])
        return 0
