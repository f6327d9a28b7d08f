"""What each gradient attack's own bookkeeping costs: its steps against a straight loop of the same passes.

    python tests/benchmarks/attack_overhead.py [--scenario digits] [attack ...]

The straight loop repeats, step by step, the passes that the attack was seen to make (decoder, critic and
target, forwards and backwards, at the same batch sizes) and nothing else: no loss, view, optimiser or frame.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor, nn

from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import FixedControl
from workbench.core.knobs import configure, knobs_of
from workbench.core.records import Access
from workbench.engine.model_cache import ModelCache
from workbench.scenarios import SCENARIOS
from workbench.targets import TargetView

WATCHED = ("decode", "discriminate", "predict")
SHORT, LONG, ROUNDS = 4, 16, 3
Pass = tuple[str, tuple[int, ...], Any]  # which one, what it was given (its shape), what else it was called with


class Watch:
    """Writes down the differentiable passes that an attack makes."""

    def __init__(self) -> None:
        self.passes: list[Pass] = []

    @contextmanager
    def over(self, victim: nn.Module, prior: nn.Module | None) -> Iterator[None]:
        def note(name: str) -> Callable[..., None]:
            def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
                if torch.is_grad_enabled() and inputs[0].requires_grad:
                    self.passes.append((name, tuple(inputs[0].shape), None))

            return look

        hook, kept = victim.register_forward_pre_hook(note("target")), {}
        for name in WATCHED:
            if prior is not None and hasattr(prior, name):
                kept[name] = getattr(prior, name)
                setattr(prior, name, self._noting(name, kept[name]))
        try:
            yield
        finally:
            hook.remove()
            for name in kept:
                delattr(prior, name)

    def _noting(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(first: Tensor, *more: Any) -> Any:
            if torch.is_grad_enabled() and first.requires_grad:
                self.passes.append((name, tuple(first.shape), more))
            return method(first, *more)

        return called


def straight(passes: list[Pass], victim: nn.Module, prior: nn.Module | None) -> float:
    """Return the seconds of a loop of these passes; a new chain starts where a decoder or a lone image does."""
    began, chain, images = time.perf_counter(), [], None

    def back() -> None:
        if chain:
            torch.autograd.grad(sum(t.sum() for t in chain), leaf)
            chain.clear()

    leaf: Tensor
    for name, shape, more in passes:
        n = shape[0]
        if name in ("decode", "predict") or images is None:
            back()
            leaf = torch.randn(shape).requires_grad_(True)
            images = leaf if prior is None else getattr(prior, name)(leaf, *more)
            if name == "predict":
                images = prior.picture(images[0])
            if prior is not None:
                chain.append(images)
                continue
        fed = images if len(images) == n else images.repeat_interleave(-(-n // len(images)), 0)[:n]
        chain.append(victim(fed) if name == "target" else prior.discriminate(fed, *more))
        if prior is None:
            back()
            images = None
    back()
    return time.perf_counter() - began


def context(scenario: str, key: str, victim: nn.Module, prior: nn.Module | None) -> AttackContext:
    place, info = SCENARIOS[scenario](), ATTACKS.entry(key).info
    view = TargetView(victim, info.access, num_classes=place.num_classes, input_shape=place.input_shape)
    return AttackContext(
        view,
        prior,
        torch.arange(8) % place.num_classes,
        torch.Generator().manual_seed(0),
        torch.device("cpu"),
        FixedControl(10**9),
        flips=place.flips,
    )


def seconds(scenario: str, key: str, victim: nn.Module, prior: nn.Module | None, steps: int) -> float:
    knobs = ATTACKS.entry(key).info.presets["demo"] | {"steps": steps}
    if "rounds" in knobs:
        knobs["rounds"] = 1
    attack = configure(ATTACKS[key], knobs)
    began = time.perf_counter()
    for _ in attack.run(context(scenario, key, victim, prior)):
        pass
    return time.perf_counter() - began


def compare(scenario: str, key: str) -> float:
    """Return the attack's steps a second over the straight loop's, the median of some rounds."""
    info = ATTACKS.entry(key).info
    cache = ModelCache("cpu")  # models laid out as in the app
    victim = cache.target(scenario, "resnet", released=False)
    prior = cache.prior(scenario, info.prior, target="resnet") if info.prior else None
    lists = []
    for steps in (SHORT, LONG):
        watch = Watch()
        with watch.over(victim, prior):
            seconds(scenario, key, victim, prior, steps)
        lists.append(watch.passes)
    own, ratios = lists[1][: len(lists[1]) - len(lists[0])], []
    for _ in range(ROUNDS):
        attack = seconds(scenario, key, victim, prior, LONG) - seconds(scenario, key, victim, prior, SHORT)
        ratios.append(straight(own, victim, prior) / attack)
    return sorted(ratios)[ROUNDS // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*")
    parser.add_argument("--scenario", default="faces")
    options = parser.parse_args()
    usual = [e.key for e in ATTACKS if e.info.access is Access.WHITE_BOX and "steps" in knobs_of(e.item)]
    for key in options.attacks or usual:
        print(
            f"{options.scenario} {key}: {compare(options.scenario, key):.2f} of a straight loop's steps/s (aim: at "
            "least 0.90)",
            flush=True,
        )


if __name__ == "__main__":
    main()
