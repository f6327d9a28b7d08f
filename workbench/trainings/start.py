"""Starting the training of a prior: data, target and device brought together, for the command line and the app."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import DataMissing, Incompatible, KnobError, UsageError, WorkbenchError
from workbench.core.paths import models_dir
from workbench.core.records import TrainingConfig, seed_problem
from workbench.defenses.plan import Plan, under
from workbench.defenses.store import load_classifier, release_name, target_problem
from workbench.defenses.store import weights_name as target_weights_name
from workbench.defenses.training import defense_problem
from workbench.federated.protocols.base import PROTOCOLS
from workbench.federated.settings import Federation
from workbench.federated.start import bytes_needed, first_model
from workbench.federated.store import weights_name as federated_name
from workbench.federated.update import weights_of
from workbench.priors import PRIORS, Prior
from workbench.priors.base import Setting, load_prior, prior_problem, weights_name
from workbench.priors.training.loop import TrainingProgress, train
from workbench.priors.training.registry import TRAINERS
from workbench.scenarios import SCENARIOS, Scenario
from workbench.scenarios.leaks import leak_check
from workbench.targets import ARCHITECTURES
from workbench.targets.resuming import checkpoint_of

QUALITIES = ("quick", "full")


def checkpoint_path(scenario: str, key: str, target: str | None = None, defense: str = "none") -> Path:
    """Return where a training that was cut short is resumed from."""
    return (
        models_dir() / ".checkpoints" / (weights_name(scenario, key, target, under(defense)).replace("/", "-") + ".pt")
    )


def resumable(config: TrainingConfig) -> bool:
    """Return whether there is a checkpoint that this training could go on from."""
    if config.what == "prior":
        return checkpoint_path(config.scenario, config.prior_key, config.target, config.defense).is_file()
    return (
        config.what == "target" and not Plan.of(config.defense).parts and checkpoint_of(trained_name(config)).is_file()
    )


def trained_name(config: TrainingConfig) -> str:
    """Return the name of the weights that a training makes."""
    if config.what == "prior":
        return weights_name(config.scenario, config.prior_key, config.target, under(config.defense))
    if config.what == "federated":
        federation = Federation.trained_as(config)
        return federated_name(federation, federation.setting.rounds)
    around = release_name(config.scenario, config.target_key, config.defense)
    return around or target_weights_name(config.scenario, config.target_key, config.defense)


def training_problems(config: TrainingConfig) -> list[str]:
    """Return everything that keeps a training from starting, a sentence each."""
    try:
        scenario = SCENARIOS[config.scenario]()
        plan = Plan.of(config.defense)
        if config.what == "prior":
            problems = _prior_training_problems(config, scenario)
        elif config.what == "target":
            problems = _target_training_problems(config, scenario, plan)
        elif config.what == "federated":
            problems = _federated_training_problems(config, scenario)
        else:
            problems = [f"'{config.what}' cannot be trained. Choose prior, target or federated."]
    except WorkbenchError as error:
        problems = [str(error)]
    if config.quality not in QUALITIES:
        problems.append(f"'{config.quality}' is not a quality. Choose {' or '.join(QUALITIES)}.")
    if (problem := seed_problem(config.seed)) is not None:
        problems.append(problem)
    return problems


def ensure_trainable(config: TrainingConfig) -> None:
    """Raise `Incompatible` with everything that keeps a training from starting."""
    if problems := training_problems(config):
        raise Incompatible(problems)


def _prior_training_problems(config: TrainingConfig, dataset: Scenario) -> list[str]:
    kind, problems = PRIORS[config.prior_key], []
    if config.prior not in TRAINERS:
        problems.append(f"The '{config.prior}' prior has no training of its own here.")
    if kind.tuned:
        problems += filter(
            None,
            [
                target_problem(config.scenario, config.target or dataset.default_target, config.defense),
                prior_problem(config.scenario, "gan"),
            ],
        )
    elif config.target or config.defense != "none":
        problems.append(
            f"The '{config.prior}' prior is trained on public images alone; it has no target and no defense."
        )
    return [*problems, problem] if (problem := dataset.public_problem()) else problems


def _target_training_problems(config: TrainingConfig, dataset: Scenario, plan: Plan) -> list[str]:
    ARCHITECTURES.entry(config.target_key)
    around = None
    if plan.output is not None:  # it is put around a target, which must be there
        around = target_problem(config.scenario, config.target_key, str(replace(plan, output=None)))
    return [p for p in (dataset.problem(), defense_problem(config.target_key, config.defense), around) if p]


def _federated_training_problems(config: TrainingConfig, dataset: Scenario) -> list[str]:
    ARCHITECTURES.entry(config.target_key)
    federation = Federation.trained_as(config)
    problems = [problem] if (problem := dataset.problem()) else []
    if config.defense != "none":
        problems.append("Participants train without the defenses of Target; leave the defense out.")
    if not problems:
        problems += sum_problems(federation, dataset)
    models = models_dir()
    free = shutil.disk_usage(models if models.is_dir() else models.parent).free
    if (needed := bytes_needed(federation)) > free:
        problems.append(
            f"Its rounds take {needed / 1e6:.0f} MB, and {models_dir()} has room for {free / 1e6:.0f} MB. "
            "Choose fewer rounds or participants, or another folder with WORKBENCH_MODELS."
        )
    return problems


def sum_problems(federation: Federation, dataset: Scenario) -> list[str]:
    """Return why updates of this network cannot be summed as is asked, a sentence each; raises `Incompatible`."""
    info = PROTOCOLS.entry(federation.setting.protocol).info
    numbers = sum(value.numel() for value in weights_of(first_model(federation, dataset).state_dict()).values())
    if info.package and find_spec(info.module or info.package) is None:
        return [
            f"{info.title} needs the package '{info.package}', which is not installed here. Run: pip install {info.package}"
        ]
    if info.most and numbers > info.most:
        return [
            f"{info.title} sums {info.most:,} numbers in some minutes, and {federation.arch} on {federation.scenario} has {numbers:,}. "
            "Choose a smaller network, or another protocol: masks and CKKS sum millions."
        ]
    return []


def overrides_for(recipe: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return `given`, texts such as ``{"gan_steps": "500"}``, as values of the recipe's own types.

    Raises:
        KnobError: the recipe has no such field, or the text is not such a value.
    """
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in recipe:
            raise KnobError(f"This recipe has no '{name}'; it has: {', '.join(recipe)}.")
        try:
            values[name] = type(recipe[name])(text)
        except (TypeError, ValueError):
            raise KnobError(f"{name}={text} is not a {type(recipe[name]).__name__}.") from None
    return values


def train_prior(
    scenario: str,
    key: str,
    *,
    data: Path | None = None,
    source: str | None = None,
    quality: str = "quick",
    seed: int = 0,
    device: torch.device | str = "cpu",
    target: str | None = None,
    defense: str = "none",
    resume: bool = False,
    recipe: Mapping[str, str] | None = None,
    public: torch.Tensor | None = None,
    name: str | None = None,
    like: Mapping[str, Any] | None = None,
) -> Iterator[TrainingProgress]:
    """Train and save a prior of a scenario.

    Args:
        data: folder of public images; what this machine has if None.
        target, defense: what a tuned prior is tuned to; the scenario's default target if None.
        resume: go on from the last checkpoint, if there is one.
        recipe: overrides, as texts.
        public: public images (N, C, H, W) in [0, 1] already read, instead of `data`.
        name: where the weights are saved, if not where `load_prior` looks for them.
        like: a card's recipe to follow; ignored if it is of another version of this prior's training.

    Raises:
        UnknownName, KnobError, NotFinite.
        DataMissing: among others, a private image is among the public ones.
        UsageError: among others, another process is training this prior.
    """
    dataset, kind = SCENARIOS[scenario](), PRIORS[key]
    if quality not in QUALITIES:
        raise UsageError(f"'{quality}' is not a quality. Choose {' or '.join(QUALITIES)}.")
    if not kind.tuned and (target or defense != "none"):
        raise UsageError(f"The '{key}' prior is trained on public images alone; leave --target and --defense out.")
    device, victim, base = torch.device(device), None, None
    if kind.tuned:
        target = target or dataset.default_target
        if problem := target_problem(scenario, target, defense) or prior_problem(scenario, "gan"):
            raise DataMissing(problem)
        victim, base = load_classifier(scenario, target, defense, device), _base(scenario, key, target, defense, device)
    if public is None:
        public = dataset.public(data) if data else dataset.public_here()
    checked = leak_check(dataset, public, data or dataset.public_folder())
    checkpoint = checkpoint_path(scenario, key, target, defense)
    setting = Setting(
        scenario, public, dataset.flips, device, quality, seed, victim, dataset.num_classes, base, checkpoint.parent
    )
    trainer = TRAINERS[key](setting, {})
    followed = like if like and like.keys() == trainer.recipe.keys() else {}
    if changes := {**followed, **overrides_for(trainer.recipe, recipe or {})}:
        trainer = TRAINERS[key](setting, changes)
    with alone(checkpoint):
        if not resume:
            checkpoint.unlink(missing_ok=True)
        yield from train(
            key,
            trainer,
            setting,
            source=source or dataset.public_source,
            checkpoint=checkpoint,
            target=target,
            under=under(defense),
            name=name,
            facts={"leak_check": checked} if checked else {},
        )


def _base(scenario: str, key: str, target: str, defense: str, device: torch.device) -> Prior:
    """Return what a tuned prior starts from: against a defended target, the one tuned to the undefended if there is one."""
    if defense != "none" and prior_problem(scenario, key, target) is None:
        return load_prior(scenario, key, device, target=target)
    return load_prior(scenario, "gan", device)


@contextmanager
def alone(checkpoint: Path) -> Iterator[None]:
    """Keep a second process from training what has this checkpoint; raises `UsageError` in it."""
    lock = checkpoint.with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"Another process is training {checkpoint.stem} already. Wait for it, or stop it."
            ) from None
        yield
