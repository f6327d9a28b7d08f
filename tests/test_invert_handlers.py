"""What Invert's controls do, without a page and without Gradio."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from conftest import class_attacks

from workbench.attacks import attacks_by_access
from workbench.core.errors import UnknownName, UsageError
from workbench.core.records import Recovers, RunConfig, RunState, TrainingConfig
from workbench.engine.presets import default_config
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.targets.remote.sources import allow, forget
from workbench.ui.catalog import Catalog
from workbench.ui.settings import GROUP, attack_choices, knob_value
from workbench.ui.tabs import invert_handlers as handlers
from workbench.ui.tabs.invert_handlers import InvertHandlers, Settings
from workbench.workers.scheduler import Going, Scheduler


@pytest.fixture
def queue(tmp_path) -> Scheduler:
    """A queue whose worker is never started, so that everything waits."""
    scheduler = Scheduler(RunStore(tmp_path), device="cpu")
    scheduler._closing.set()
    return scheduler


@dataclass
class Desk:
    """Hands runs in on behalf of whoever is named, and lets them do anything with their own."""

    scheduler: Scheduler

    def submit(self, config: RunConfig, who: str) -> str:
        return self.scheduler.submit(config, owner=who)

    def submit_instead(self, config: RunConfig, who: str) -> str:
        return self.scheduler.submit(config, owner=who, instead_of=self.scheduler.status()["running"])

    def clear_queue(self, who: str) -> list[str]:
        return self.scheduler.clear(who)


@pytest.fixture
def do(queue: Scheduler) -> InvertHandlers:
    return InvertHandlers(Catalog(), queue.store, Desk(queue))


def settings_of(config: RunConfig, **changes: object) -> Settings:
    """Return what the controls say when they show a configuration."""
    said = Settings(
        config.scenario,
        config.target,
        config.attack,
        config.defense,
        config.prior,
        {"picked": list(config.classes)},
        knob_value(config.attack, config.knobs),
        config.restarts,
        config.seed,
        config.budget or 0,
        config.asks,
    )
    return replace(said, **changes)


EIGHT = default_config("faces", "gmi", classes=list(range(8)), knobs={"identity_loss": "logit"})
GMI = settings_of(EIGHT)


@pytest.mark.parametrize("attack", ["gmi", "mi-face", "brep-mi", "plg-mi", "yang"])
@pytest.mark.parametrize("defense", ["none", "bido+rounding"])
def test_what_is_shown_says_the_same_configuration(do: InvertHandlers, attack: str, defense: str) -> None:
    config = default_config(
        "faces", attack, classes=[1, 4], restarts=2, seed=9, budget=70, asks=3, defense=defense, preset="demo"
    )
    shown = handlers.show(do.catalog, config)
    said = Settings(**{name: shown[name]["value"] for name in Settings.__dataclass_fields__})
    assert said.config() == config


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("seed", -3, "Seed -3 is out of range. Allowed: whole numbers from 0 to 2,147,483,647."),
        ("seed", 1.5, "Seed 1.5 is not a whole number. Allowed: whole numbers from 0 to 2,147,483,647."),
        ("seed", None, "Seed is empty. Allowed: whole numbers from 0 to 2,147,483,647."),
        ("restarts", 500, "Tries per class 500 is out of range. Allowed: whole numbers from 1 to 64."),
        ("restarts", 0, "Tries per class 0 is out of range. Allowed: whole numbers from 1 to 64."),
        ("asks", 2.5, "Asks per question 2.5 is not a whole number. Allowed: whole numbers from 1 to 1,000."),
        ("budget", -1, "Query limit -1 is out of range."),
        ("classes", {"picked": []}, "No class is chosen."),
    ],
)
def test_what_is_not_allowed_greys_run_out_and_is_said(field: str, value: object, says: str) -> None:
    beside = handlers.check(replace(GMI, **{field: value}))
    assert says in beside["problem"]["value"]
    assert beside["run_button"] == {"interactive": False}
    assert "kept" not in beside, "what cannot run is no setting to come back to"


def test_what_can_run_is_offered_and_remembered() -> None:
    beside = handlers.check(GMI)
    assert beside["run_button"] == {"interactive": True} and not beside["remedy"]["visible"]
    assert RunConfig.from_json(beside["kept"]["value"]) == EIGHT
    assert beside["problem"]["value"] == ""


def test_a_defense_around_a_target_is_remarked_upon_without_stammering() -> None:
    beside = handlers.check(replace(GMI, defense="label-only"))
    text = beside["problem"]["value"]
    assert "wb-remark" in text and "only only" not in text.lower()
    assert beside["run_button"] == {"interactive": True}


def test_a_missing_target_can_be_trained_by_a_click(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = handlers.check(replace(GMI, target="mlp", defense="neg-ls(alpha=-0.31)"))
    assert beside["run_button"] == {"interactive": False}
    assert beside["remedy"]["visible"] and beside["remedy"]["value"].endswith("in Target")
    wanted = handlers.missing_training(replace(GMI, target="mlp", defense="neg-ls(alpha=-0.31)").config())
    assert wanted == TrainingConfig("target", "faces", target="mlp", defense="neg-ls(alpha=-0.31)")


def test_a_target_is_trained_before_what_is_put_around_it() -> None:
    beside = handlers.check(replace(GMI, target="mlp", defense="neg-ls(alpha=-0.31)+rounding"))
    assert beside["remedy"]["visible"], beside["problem"]
    assert handlers.next_training(
        TrainingConfig("target", "faces", target="mlp", defense="neg-ls(alpha=-0.31)+rounding")
    ) == TrainingConfig("target", "faces", target="mlp", defense="neg-ls(alpha=-0.31)")


def test_a_missing_prior_can_be_trained_by_a_click(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("workbench.ui.tabs.invert_handlers", "workbench.engine.compatibility"):
        monkeypatch.setattr(f"{where}.prior_problem", lambda scenario, key, *rest: f"There is no '{key}' prior.")
    monkeypatch.setattr(handlers, "training_problems", lambda training: [])
    assert handlers.missing_training(GMI.config()) == TrainingConfig("prior", "faces", "gan")
    tuned = settings_of(default_config("faces", "plg-mi", classes=[0]), defense="bido")
    assert handlers.missing_training(tuned.config()) == TrainingConfig(
        "prior", "faces", "conditional-gan", "resnet", "bido"
    )
    beside = handlers.check(GMI)
    assert beside["remedy"]["value"].endswith("in Prior") and beside["run_button"] == {"interactive": False}
    monkeypatch.setattr(handlers, "training_problems", lambda training: ["The public images are not on this machine."])
    beside = handlers.check(GMI)
    assert not beside["remedy"]["visible"], "a tab is offered that cannot help"
    assert "The public images are not on this machine." in beside["problem"]["value"]


@pytest.fixture
def bank() -> Iterator[RunConfig]:
    """A run on a target elsewhere that nobody answers for."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        allow("http", f"bank=http://127.0.0.1:{unused.getsockname()[1]}/")
        yield replace(default_config("digits", "brep-mi"), target="http:bank")
    forget()


def test_a_target_that_is_away_leaves_run_for_another_try(bank: RunConfig) -> None:
    beside = handlers.verdict(bank)
    assert "cannot be reached" in beside["problem"]["value"] and beside["run_button"] == {"interactive": True}
    assert not beside["remedy"]["visible"]
    for lasting in (replace(bank, restarts=65), replace(bank, defense="bido"), replace(bank, target="http:other")):
        assert handlers.verdict(lasting)["run_button"] == {"interactive": False}, lasting


@pytest.mark.parametrize("scenario", SCENARIOS.keys())
def test_a_scenario_opens_with_its_own_attack_ready_to_run(do: InvertHandlers, scenario: str) -> None:
    shown = do.choose_scenario(replace(GMI, scenario=scenario))
    assert shown["attack"]["value"] == SCENARIOS[scenario].default_attack
    assert shown["run_button"] == {"interactive": True}, shown["problem"]
    assert shown["classes"]["value"]["names"] == list(SCENARIOS[scenario].class_names)
    assert "scenario" not in shown, "it may have been picked anew"


def test_another_attack_brings_its_own_knobs_and_leaves_the_rest(do: InvertHandlers) -> None:
    said = replace(GMI, attack="brep-mi", seed=77, restarts=2, budget=4000, asks=2)
    shown = do.choose_attack(said)
    assert shown["knobs"]["value"]["attack"] == "brep-mi"
    assert not {"seed", "restarts", "budget", "asks", "classes", "attack"} & shown.keys()
    for words in ("--seed 77", "--restarts 2", "--budget 4000", "--asks 2"):
        assert words in shown["command"]["value"]


def test_another_attack_leaves_a_wrong_number_with_its_reason(do: InvertHandlers) -> None:
    shown = do.choose_attack(replace(GMI, attack="brep-mi", seed=1.5))
    assert shown["knobs"]["value"]["attack"] == "brep-mi" and "seed" not in shown
    assert "1.5" in shown["problem"]["value"] and shown["run_button"] == {"interactive": False}


def test_the_menu_of_attacks_has_a_heading_for_each_access_that_picks_nothing(do: InvertHandlers) -> None:
    keys = [key for _, key in attack_choices("faces", "resnet")]
    assert [key for key in keys if not key.startswith(GROUP)] == [
        info.key for infos in attacks_by_access(Recovers.CLASS).values() for info in infos
    ]
    headings = [key for key in keys if key.startswith(GROUP)]
    assert len(headings) == len(attacks_by_access(Recovers.CLASS)) and keys[0] == headings[0]
    assert sorted(set(keys) - set(headings)) == sorted(class_attacks())
    assert do.choose_attack(replace(GMI, attack=headings[1])) == {"attack": {"value": "gmi"}}


def test_presets_and_seeds_come_with_their_command_line() -> None:
    paper = handlers.choose_preset(GMI, "paper")
    assert "--set" in paper["command"]["value"] and paper["knobs"]["value"]["attack"] == "gmi"
    rolled = handlers.roll(GMI)
    assert f"--seed {rolled['seed']['value']}" in rolled["command"]["value"]


def test_a_run_is_started_as_the_controls_say(do: InvertHandlers) -> None:
    answer = do.start(replace(GMI, seed=41), "me")
    run = answer["run"]["value"]
    assert do.store.folder(run).config() == replace(EIGHT, seed=41)
    assert do.store.summary(run).owner == "me"
    with pytest.raises(UsageError, match="Seed"):
        do.start(replace(GMI, seed=-1), "me")


def test_a_card_is_started_and_shown(do: InvertHandlers) -> None:
    answer = do.start_card({"key": "digits"}, "me")
    assert do.store.folder(answer["run"]["value"]).config().scenario == answer["scenario"]["value"] == "digits"
    with pytest.raises(UnknownName, match="card"):
        do.start_card({"key": "nothing"}, "me")


def test_ones_own_queue_is_cleared_and_no_others(do: InvertHandlers) -> None:
    mine = [do.start(GMI, "me")["run"]["value"] for _ in range(3)]
    others = do.start(GMI, "somebody")["run"]["value"]
    do.clear_queue(GMI, "me")
    assert {do.store.folder(run).state() for run in mine} == {RunState.STOPPED}
    assert do.queue.scheduler.status()["queued"] == [others]


def test_mine_is_started_in_place_of_what_runs(do: InvertHandlers) -> None:
    going, waiting = (do.start(GMI, "me")["run"]["value"] for _ in range(2))
    queue, stopped = do.queue.scheduler, []
    turn = next(entry for entry in queue._turns.waiting if entry.run == going)
    queue._turns.waiting.remove(turn)
    queue._going = Going(turn, began=0.0)
    queue._command = lambda run, what, **more: stopped.append((run, what))
    run = do.start_instead(GMI, "me")["run"]["value"]
    assert stopped == [(going, "stop")]
    assert queue.status()["queued"] == [run, waiting], "what was asked for at once is the next"


def test_what_somebody_else_runs_is_not_stopped(do: InvertHandlers) -> None:
    going = do.start(GMI, "somebody")["run"]["value"]
    queue = do.queue.scheduler
    queue._going = Going(queue._turns.waiting.pop(), began=0.0)
    queue._command = lambda *what, **more: pytest.fail("it was stopped")
    with pytest.raises(UsageError, match="somebody else"):
        do.start_instead(GMI, "me")
    assert queue.status() == {**queue.status(), "running": going, "queued": []}


def test_settings_are_restored_and_anything_else_changes_nothing(do: InvertHandlers) -> None:
    config = default_config("digits", "gmi", seed=5, classes=[3])
    shown = do.restore({"config": config.to_json()})
    assert shown["seed"]["value"] == 5 and shown["scenario"]["value"] == "digits"
    assert "restored" in shown["problem"]["value"]
    for forged in (None, "run", {"config": 1}, {"scenario": "faces", "attack": "gmi", "target": "/etc/passwd"}):
        with pytest.raises(UsageError):
            do.restore({"config": forged})


def test_settings_that_no_longer_hold_are_forgotten(do: InvertHandlers) -> None:
    kept = handlers.check(replace(GMI, seed=3))["kept"]["value"]
    assert do.remember(kept)["seed"]["value"] == 3
    for gone in (None, "", 3, {**kept, "attack": "of-last-year"}, {**kept, "knobs": {"gone": 1}}):
        assert do.remember(gone) == {}


def test_defaults_are_the_scenarios_own(do: InvertHandlers) -> None:
    said = settings_of(default_config("digits", "mi-face", seed=8, classes=[2], restarts=4))
    shown = do.reset(said)
    assert (shown["attack"]["value"], shown["seed"]["value"], shown["restarts"]["value"]) == ("gmi", 0, 1)
    assert shown["scenario"]["value"] == "digits" and shown["classes"]["value"]["picked"] == [0, 1, 2, 3, 4]


def test_a_target_handed_over_keeps_the_attack_of_its_scenario(do: InvertHandlers) -> None:
    said = settings_of(default_config("faces", "mi-face", classes=[0]))
    assert do.aim(said, "faces", "softmax", "bido")["attack"]["value"] == "mi-face"
    assert do.aim(said, "digits", "resnet", "none")["attack"]["value"] == "gmi"


def test_a_fork_goes_on_from_a_frame_of_a_run_that_is_there(do: InvertHandlers) -> None:
    run = do.start(GMI, "me")["run"]["value"]
    (do.store.folder(run).path / "frames" / "000004.safetensors").write_bytes(b"")
    fork = do.fork({"run": run, "frame": 4}, "me")["run"]["value"]
    assert do.store.folder(fork).config().fork.frame == 4
    with pytest.raises(UsageError, match="Frame"):
        do.fork({"run": run, "frame": "../1"}, "me")
    assert do.recall("0101-000000-gmi-ffff") == {}
    assert do.recall(run)["attack"]["value"] == "gmi"
