"""The command that repeats a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from workbench.attacks import ATTACKS
from workbench.core.knobs import configure, values_of
from workbench.core.records import RunConfig
from workbench.tabular.fitting import default_table_config
from workbench.tabular.scenarios import is_table


def ranges(numbers: Sequence[int]) -> str:
    """Return class numbers as text, such as ``"0-7,12"``."""
    parts: list[list[int]] = []
    for n in sorted(set(numbers)):
        if parts and n == parts[-1][-1] + 1:
            parts[-1].append(n)
        else:
            parts.append([n])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def command_line(config: RunConfig) -> str:
    """Return the command that repeats a run on the command line."""
    if is_table(config.scenario):
        return table_command(config)
    words = [
        "python",
        "-m",
        "workbench",
        "run",
        "--scenario",
        config.scenario,
        "--target",
        config.target,
        "--attack",
        config.attack,
    ]
    if config.defense != "none":
        words += ["--defense", config.defense]
    if config.prior is not None and config.prior != ATTACKS.entry(config.attack).info.prior:
        words += ["--prior", config.prior]
    words += ["--classes", ranges(config.classes), "--restarts", str(config.restarts), "--seed", str(config.seed)]
    if config.budget is not None:
        words += ["--budget", str(config.budget)]
    if config.asks > 1:
        words += ["--asks", str(config.asks)]
    entry = ATTACKS.entry(config.attack)
    usual = values_of(configure(entry.item, entry.info.presets["demo"]))
    for name, value in config.knobs.items():
        if value != usual[name]:
            words += ["--set", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
    return shlex.join(words)


def table_command(config: RunConfig) -> str:
    """Return the command that repeats an attribute inference; knobs that have their usual value are left out."""
    words = ["python", "-m", "workbench", "run", "--scenario", config.scenario, "--target", config.target]
    words += ["--attack", config.attack]
    if config.defense != "none":
        words += ["--defense", config.defense]
    words += ["--classes", ranges(config.classes), "--seed", str(config.seed)]
    if config.budget is not None:
        words += ["--budget", str(config.budget)]
    usual = default_table_config(config.scenario, config.attack).knobs
    for name, value in config.knobs.items():
        if value != usual.get(name):
            words += ["--set", f"{name}={value}"]
    return shlex.join(words)
