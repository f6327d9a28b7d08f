"""Rebuilding what is shipped: what is planned and why, and that one failure costs only what needs it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from conftest import LinearPrior

from workbench.commands import main, rebuilding
from workbench.commands.base import COMMANDS
from workbench.commands.training import carded
from workbench.core.errors import DataMissing, UnknownName
from workbench.core.weights import has_weights, read_card, save_weights, weights_path
from workbench.priors import PRIORS
from workbench.priors.base import prior as register_prior
from workbench.priors.training.loop import checkpoint_facts
from workbench.priors.training.registry import TRAINERS
from workbench.priors.training.registry import trainer as register_trainer
from workbench.rebuild import (
    FIGURES,
    RebuildJob,
    RebuildRequest,
    WeightFile,
    carry_out,
    done_before,
    log_path,
    note_done,
    plan,
    progress_path,
    weight_files,
)
from workbench.scenarios import SCENARIOS, Labelled, Scenario, Split
from workbench.scenarios.base import scenario as register_scenario
from workbench.targets import ARCHITECTURES
from workbench.targets.training import ClassifierRecipe
from workbench.trainings.start import checkpoint_path


class Toy(Scenario):
    title, summary = "Toy", "A toy."
    input_shape, class_names = (1, 8, 8), ("a", "b")
    private_source, public_source = "nothing private", "noise"
    default_target = "cnn"
    ships_public = True
    photographs = True

    def load_private(self) -> Split:
        if not self.photographs:
            raise DataMissing("The toy photographs are not here. Paint some.")
        part = Labelled(torch.rand(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]))
        return Split(part, part)

    def public(self, folder=None) -> torch.Tensor:
        if folder is None and not self.ships_public:
            raise DataMissing("The toy has no public images.")
        return torch.zeros(300, 1, 8, 8)


class Plain(LinearPrior):
    """Trained on public images alone."""


class Tuned(LinearPrior):
    tuned = True


class BroughtAlong(LinearPrior):
    """Has no training."""


def no_training(setting, recipe):
    raise NotImplementedError


@pytest.fixture
def toy(models, monkeypatch) -> type[Toy]:
    """A scenario, four priors and three classifiers that nothing is shipped for."""
    COMMANDS.load()  # some of them look at the real registries when they are imported
    for registry in (SCENARIOS, PRIORS, ARCHITECTURES, TRAINERS):
        registry.load()
        monkeypatch.setattr(
            registry,
            "_entries",
            {
                k: v
                for k, v in registry._entries.items()
                if registry is ARCHITECTURES and k in ("cnn", "softmax", "evaluator")
            },
        )
    kind = type("ToyHere", (Toy,), {})
    register_scenario("toy")(kind)
    for key, cls in (("wide", Plain), ("gan", Plain), ("tuned", Tuned), ("brought", BroughtAlong)):
        register_prior(key, title=key, paper="none")(type(key, (cls,), {"__module__": f"toy.{key}"}))
        if cls is not BroughtAlong:
            register_trainer(key)(no_training)
    return kind


ALL = [
    "toy/target-cnn",
    "toy/target-softmax",
    "toy/evaluator",
    "toy/prior-gan",
    "toy/prior-wide",
    "toy/prior-tuned-for-cnn",
]


def ship(*names: str, **card) -> None:
    """Put weights in place as a training would leave them."""
    for name in names:
        save_weights(
            name, {"w": torch.zeros(1)}, {"seed": 3, "finished": True, "arch": name.partition("target-")[2], **card}
        )


def names(jobs: list[RebuildJob]) -> list[str]:
    return [job.name for job in jobs if job.stage != FIGURES]


def reasons(jobs: list[RebuildJob]) -> dict[str, str]:
    return {job.name: job.reason for job in jobs}


def option(job: RebuildJob, name: str) -> str | None:
    """Return what follows an option in a job's arguments, None where it is not given."""
    arguments = list(job.arguments)
    return arguments[arguments.index(name) + 1] if name in arguments else None


# The plan


def test_what_is_needed_comes_first(toy):
    jobs = plan(RebuildRequest())
    assert names(jobs) == ALL and [job.stage for job in jobs] == sorted(job.stage for job in jobs)
    place = {job.name: k for k, job in enumerate(jobs)}
    assert all(place[need] < place[job.name] for job in jobs for need in job.needs)
    tuned = jobs[place["toy/prior-tuned-for-cnn"]]
    assert set(tuned.needs) == {"toy/target-cnn", "toy/prior-gan"} and option(tuned, "--target") == "cnn"
    assert set(reasons(jobs).values()) == {"not there", "its weights are new"}
    assert [j.name for j in jobs if j.stage == FIGURES] == [
        f"{n} figures" for n in ("toy/prior-gan", "toy/prior-tuned-for-cnn", "toy/prior-wide")
    ]
    assert not any(job.problem for job in jobs)


def test_the_shipped_plan_names_every_target_and_prior_once():
    """The real registries."""
    found = [weights.name for weights in weight_files()]
    assert len(found) == len(set(found))
    assert {"faces/target-resnet", "faces/evaluator", "digits/prior-gan", "lfw/prior-style"} <= set(found)
    assert "faces/prior-style" not in found or has_weights("faces/prior-style"), "faces borrows what lfw has"
    assert [weights.stage for weights in weight_files()] == sorted(weights.stage for weights in weight_files())
    assert {weights.scenario for weights in weight_files("digits")} == {"digits"}


def test_missing_takes_only_what_is_not_there(toy):
    ship("toy/target-cnn", "toy/evaluator", "toy/prior-gan", quality="quick", public_images=100)
    assert names(plan(RebuildRequest(missing=True))) == [
        "toy/target-softmax",
        "toy/prior-wide",
        "toy/prior-tuned-for-cnn",
    ]


def test_full_also_takes_what_is_there_as_quick(toy):
    ship("toy/target-cnn", "toy/target-softmax", "toy/evaluator", "toy/prior-tuned-for-cnn")  # no word of their quality
    ship("toy/prior-gan", quality="quick", recipe={"vae_steps": 7})
    ship("toy/prior-wide", quality="full")
    (job,) = [job for job in plan(RebuildRequest(quality="full")) if job.stage != FIGURES]
    assert (job.name, job.reason, option(job, "--quality")) == ("toy/prior-gan", "there as quick", "full")
    assert option(job, "--seed") == "3" and "--as-card" not in job.arguments, "a quick recipe is no full one"
    assert plan(RebuildRequest(missing=True, quality="full")) == plan(RebuildRequest(quality="full"))
    assert not names(plan(RebuildRequest(quality="quick")))


def test_everything_is_rebuilt_from_its_card(toy):
    ship(*ALL, quality="full")
    jobs = {job.name: job for job in plan(RebuildRequest())}
    assert list(jobs)[:6] == ALL
    for name in ALL:
        assert jobs[name].reason == "rebuilt from its card" and option(jobs[name], "--seed") == "3"
        assert "--as-card" in jobs[name].arguments
    assert option(jobs["toy/prior-gan"], "--quality") == "full" and option(jobs["toy/target-cnn"], "--quality") is None
    ship("toy/evaluator", recipe={"seed": 8}, seed=None)
    save_weights("toy/evaluator", {"w": torch.zeros(1)}, {"recipe": {"seed": 8}})
    assert option({job.name: job for job in plan(RebuildRequest())}["toy/evaluator"], "--seed") == "8"


def test_a_new_target_asks_for_its_priors_again(toy):
    ship(*ALL[1:], quality="full")
    assert reasons(plan(RebuildRequest(missing=True)))["toy/prior-tuned-for-cnn"] == "its target is trained again"
    ship("toy/target-cnn")
    assert not names(plan(RebuildRequest(missing=True)))


def begun(key: str, quality: str, step: int = 6) -> None:
    path = checkpoint_path("toy", key)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"step": step, "quality": quality, "seed": 9, "model": {"w": torch.zeros(3)}}, path)


def test_a_training_that_was_cut_short_goes_on(toy):
    ship("toy/prior-gan", quality="quick", finished=False)
    begun("gan", "quick")
    assert checkpoint_facts(checkpoint_path("toy", "gan")) == {"step": 6, "quality": "quick", "seed": 9}
    job = next(job for job in plan(RebuildRequest(missing=True)) if job.name == "toy/prior-gan")
    assert job.reason == "its training was cut short after 6 steps and goes on"
    assert "--resume" in job.arguments and option(job, "--seed") == "9"


def test_a_checkpoint_of_another_quality_is_not_gone_on_from(toy):
    ship("toy/prior-gan", quality="quick")
    begun("gan", "quick")
    (job,) = [job for job in plan(RebuildRequest(quality="full")) if job.name == "toy/prior-gan"]
    assert job.reason == "there as quick" and "--resume" not in job.arguments
    begun("gan", "full")
    (job,) = [job for job in plan(RebuildRequest(quality="full")) if job.name == "toy/prior-gan"]
    assert "cut short" in job.reason and "--resume" in job.arguments and option(job, "--quality") == "full"
    checkpoint_path("toy", "gan").write_bytes(b"cut")
    (job,) = [job for job in plan(RebuildRequest(quality="full")) if job.name == "toy/prior-gan"]
    assert job.reason == "there as quick" and "--resume" not in job.arguments


def test_cards_name_weights_that_no_registry_does(toy, models):
    ship("toy/prior-tuned-for-softmax", target="softmax", defense="none")
    ship("toy/prior-unheard-of", "toy/notes", "toy/target-unheard-of")
    (models / "toy/prior-wide.json").write_text("{half a card")
    (models / "toy/prior-wide.safetensors").write_bytes(b"")
    found = {weights.name: weights for weights in weight_files()}
    assert found["toy/prior-tuned-for-softmax"] == WeightFile("prior", "toy", "tuned", "softmax")
    assert set(found) == {*ALL, "toy/prior-tuned-for-softmax"}
    assert reasons(plan(RebuildRequest(missing=True)))["toy/prior-wide"] == "its card cannot be read"


def test_what_a_defense_puts_around_an_output_is_made_after_its_target(toy):
    ship(*ALL, quality="full")
    ship("toy/target-cnn-mid", quality="full", arch="cnn", defense={"text": "mid"})
    for target in ("toy/target-cnn", "toy/target-cnn-mid"):
        ship(f"{target}+purifier", quality="full", arch="cnn", target=target, defense={"text": "purifier"})
    made = {job.name: job for job in plan(RebuildRequest())}
    assert made["toy/target-cnn+purifier"].needs == ("toy/target-cnn",)
    assert made["toy/target-cnn-mid+purifier"].needs == ("toy/target-cnn-mid",)
    assert "mid+purifier" in made["toy/target-cnn-mid+purifier"].arguments
    order = list(made)
    assert order.index("toy/target-cnn-mid+purifier") > order.index("toy/target-cnn-mid")
    assert not names(plan(RebuildRequest(missing=True)))
    weights_path("toy/target-cnn").unlink()
    assert reasons(plan(RebuildRequest(missing=True)))["toy/target-cnn+purifier"] == "its target is trained again"


def test_a_judge_is_made_after_the_prior_whose_samples_it_reads(toy, tmp_path):
    ship(*ALL, "toy/open-set", quality="full", data="ten digits")
    (job,) = [job for job in plan(RebuildRequest()) if job.name == "toy/open-set"]
    assert job.arguments[:4] == ("train", "judge", "--scenario", "toy") and job.needs == ("toy/prior-gan",)
    assert option(job, "--data") is None and "--as-card" not in job.arguments
    (tmp_path / "toy-judge.npz").touch()
    (job,) = [job for job in plan(RebuildRequest(root=tmp_path)) if job.name == "toy/open-set"]
    assert option(job, "--data") == str(tmp_path / "toy-judge.npz") and option(job, "--source") == "ten digits"


def test_a_classifier_of_public_classes_is_made_before_the_target_built_on_it(toy, tmp_path):
    ship(*ALL, quality="full")
    ship("toy/public-cnn", quality="full", arch="cnn", data="strangers")
    ship(
        "toy/target-cnn-tl-dmi",
        quality="full",
        arch="cnn",
        defense={"text": "tl-dmi", "public": {"name": "toy/public-cnn"}},
    )
    made = {job.name: job for job in plan(RebuildRequest())}
    assert next(iter(made)) == "toy/public-cnn" and made["toy/target-cnn-tl-dmi"].needs == ("toy/public-cnn",)
    assert "toy-classes" in made["toy/public-cnn"].problem, "a folder under the root is looked for"
    (tmp_path / "toy-classes").mkdir()
    job = next(job for job in plan(RebuildRequest(root=tmp_path)) if job.name == "toy/public-cnn")
    assert job.problem is None and option(job, "--data") == str(tmp_path / "toy-classes")
    assert option(job, "--source") == "strangers"


def test_without_private_images_no_classifier_is_trained(toy):
    toy.photographs = False
    jobs = {job.name: job for job in plan(RebuildRequest())}
    assert all("Paint some" in jobs[name].problem for name in ALL[:3])
    assert jobs["toy/prior-gan"].problem is None
    states = {e.job.name: (e.state, e.text) for e in carry_out(list(jobs.values()), program=("true",))}
    assert states["toy/prior-gan"][0] == "done"
    assert states["toy/prior-tuned-for-cnn"] == ("skipped", "It needs toy/target-cnn, which could not be made.")


def test_without_public_images_it_says_where_they_belong(toy, tmp_path):
    toy.ships_public = False
    job = next(job for job in plan(RebuildRequest()) if job.name == "toy/prior-gan")
    assert "are not on this machine" in job.problem and "--data-root DIR they are looked for in DIR/toy" in job.problem
    (tmp_path / "root" / "toy").mkdir(parents=True)
    jobs = {job.name: job for job in plan(RebuildRequest(root=tmp_path / "root"))}
    for name in ("toy/prior-gan", "toy/prior-gan figures"):
        assert jobs[name].problem is None and option(jobs[name], "--data") == str(tmp_path / "root" / "toy")


def test_a_lenders_folder_serves_who_borrows(toy, tmp_path):
    toy.ships_public, toy.borrows = False, "lender"
    register_scenario("lender")(type("Lender", (Toy,), {"__module__": "lender"}))
    (tmp_path / "root" / "lender").mkdir(parents=True)
    jobs = {job.name: job for job in plan(RebuildRequest(scenario="toy", root=tmp_path / "root"))}
    assert option(jobs["toy/prior-gan"], "--data") == str(tmp_path / "root" / "lender")
    assert "toy/prior-wide" not in jobs, "the lender's serves"
    assert "toy/prior-gan" in jobs["toy/prior-tuned-for-cnn"].needs, "which starts from a GAN of the scenario's own"
    both = {job.name: job for job in plan(RebuildRequest(root=tmp_path / "root"))}
    # Two jobs, one card: the lender's prior as each of the two scenarios judges it.
    assert both["toy/prior-wide figures"].card == both["lender/prior-wide figures"].card == "lender/prior-wide"
    assert both["toy/prior-gan figures"].card == "toy/prior-gan"


def test_what_nobody_makes_is_named(toy):
    toy.photographs = False
    ship("toy/prior-gan", quality="quick", public_images=1)
    (job,) = [job for job in plan(RebuildRequest(missing=True)) if job.name == "toy/prior-gan figures"]
    assert job.problem is None and "toy/evaluator" in job.needs
    events = {e.job.name: e for e in carry_out(plan(RebuildRequest(missing=True)), program=("true",))}
    assert events[job.name].text == "It needs toy/evaluator, which could not be made."


def test_weights_are_not_replaced_by_those_of_fewer_images(toy):
    ship("toy/prior-gan", quality="quick", public_images=29404)
    problem = next(job for job in plan(RebuildRequest()) if job.name == "toy/prior-gan").problem
    assert problem.startswith("It was trained on 29404 public images, and without a folder of them there are 300")


def test_figures_are_taken_again_when_they_are_out_of_date(toy):
    ship(*ALL, quality="full")
    judge = read_card("toy/evaluator")["sha256"][:12]

    def measured(**figures):
        ship("toy/prior-gan", quality="full", figures=figures)
        return reasons(plan(RebuildRequest(missing=True))).get("toy/prior-gan figures")

    assert measured() == "not measured yet"
    assert measured(toy={"evaluator": judge}) is None
    assert measured(other={"evaluator": judge}) == "not measured yet"
    assert measured(toy={"evaluator": "another"}) == "measured by another evaluator"


def test_an_unknown_scenario_is_refused(toy):
    with pytest.raises(UnknownName, match="Did you mean 'toy'"):
        plan(RebuildRequest(scenario="toi"))


# The doing

FAKE = """
import json, os, pathlib, sys, time
here = pathlib.Path(sys.argv[1]); arguments = sys.argv[2:]; name = arguments[0]
(here / f"{name}.begun").write_text(str(time.monotonic()))
print("[###] 1/2  loss 0.5", end="\\r", flush=True)
time.sleep(float(os.environ.get("NAP", "0.15")))
if name in os.environ.get("FAILING", "").split(","):
    print("\\nfailed: no luck with " + name, file=sys.stderr)
    sys.exit(1)
(here / f"{name}.ended").write_text(str(time.monotonic()))
print("all well")
"""


@pytest.fixture
def program(tmp_path, models, monkeypatch):
    """Return a program that takes a job's arguments, waits a little, and fails for those named in FAILING."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr("workbench.rebuild.execute.ROOT", tmp_path)
    return (sys.executable, str(tmp_path / "fake.py"), str(tmp_path))


def job(name: str, *needs: str, card: str | None = None, problem: str | None = None) -> RebuildJob:
    return RebuildJob(name, 0, (name,), "because", card or name, needs, problem)


def spans(folder) -> dict[str, tuple[float, float]]:
    return {p.stem: (float(p.with_suffix(".begun").read_text()), float(p.read_text())) for p in folder.glob("*.ended")}


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def test_jobs_run_one_after_the_other_or_together(program, tmp_path):
    jobs = [job("a"), job("b"), job("c")]
    alone = list(carry_out(jobs, program=program))
    assert [(e.job.name, e.state) for e in alone] == [(n, s) for n in "abc" for s in ("started", "done")]
    assert all(e.seconds > 0.1 and e.text == "all well" for e in alone if e.state == "done")
    assert not any(overlap(*pair) for pair in itertools.combinations(spans(tmp_path).values(), 2))
    list(carry_out(jobs, at_once=2, program=program))
    times = spans(tmp_path)
    assert overlap(times["a"], times["b"]) and not (overlap(times["a"], times["c"]) and overlap(times["b"], times["c"]))


def test_what_is_needed_is_waited_for_and_a_card_has_one_writer(program, tmp_path):
    jobs = [job("a", card="x"), job("b", card="x"), job("c", "a"), job("d")]
    list(carry_out(jobs, at_once=4, program=program))
    times = spans(tmp_path)
    assert len(times) == 4 and times["c"][0] >= times["a"][1]
    assert not overlap(times["a"], times["b"]) and overlap(times["a"], times["d"])


def test_a_failure_costs_only_what_needs_it(program, tmp_path, monkeypatch):
    monkeypatch.setenv("FAILING", "a")
    jobs = [job("a"), job("b", "a"), job("c"), job("d", "b"), job("e", problem="No data."), job("f", "e", "c")]
    ended = {
        e.job.name: e for e in carry_out(jobs, at_once=2, program=program) if e.state not in ("started", "running")
    }
    assert {n: e.state for n, e in ended.items()} == {
        "a": "failed",
        "b": "skipped",
        "c": "done",
        "d": "skipped",
        "e": "skipped",
        "f": "skipped",
    }
    assert (
        ended["a"].text == "failed: no luck with a"
        and "It needs a," in ended["b"].text
        and ended["e"].text == "No data."
    )
    assert "no luck" in log_path(jobs[0]).read_text() and not log_path(jobs[2]).exists()


def test_what_is_there_from_before_serves_when_making_it_again_fails(program, monkeypatch):
    monkeypatch.setenv("FAILING", "toy/old")
    save_weights("toy/old", {"w": torch.zeros(1)}, {})
    old = RebuildJob("toy/old", 0, ("old",), "because", "toy/old")
    monkeypatch.setenv("FAILING", "old")
    ended = {e.job.name: e.state for e in carry_out([old, job("b", "toy/old")], program=program)}
    assert ended == {"toy/old": "failed", "b": "done"}


def test_progress_is_told_while_a_job_runs(program, monkeypatch):
    monkeypatch.setenv("NAP", "0.8")
    told = [e for e in carry_out([job("a")], program=program, every=0.2) if e.state == "running"]
    assert "[###] 1/2  loss 0.5" in {e.text for e in told}


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_who_stops_listening_ends_what_runs(program, tmp_path, monkeypatch):
    monkeypatch.setenv("NAP", "60")
    started: list[subprocess.Popen] = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    events = carry_out([job("a"), job("b")], at_once=2, program=program)
    assert [next(events).state, next(events).state] == ["started", "started"]
    events.close()
    assert len(started) == 2 and all(gone(process.pid) for process in started)


# The diary


def test_a_rebuilding_that_was_cut_short_does_not_begin_anew(toy):
    ship(*ALL, quality="full")
    note_done(RebuildRequest(), ALL[:2])
    assert (
        done_before(RebuildRequest()) == ALL[:2]
        and names(plan(RebuildRequest(), done_before(RebuildRequest()))) == ALL[2:]
    )
    assert done_before(RebuildRequest(scenario="toy")) == [] == done_before(RebuildRequest(missing=True))
    note_done(RebuildRequest(missing=True), ["x"])
    assert done_before(RebuildRequest()) == ALL[:2], "who wants the missing ones has no diary"
    progress_path().write_text("{")
    assert done_before(RebuildRequest()) == []


# The command


@pytest.fixture
def faked(toy, program, monkeypatch):
    """The command over the toy, its jobs done by a program that succeeds unless the job's arguments name the failing."""
    script = (
        "import sys, os; bad = os.environ.get('FAILING'); "
        "sys.exit('failed: no luck' if bad and bad in ' '.join(sys.argv[1:]) else 0)"
    )
    monkeypatch.setattr(rebuilding, "PROGRAM", (sys.executable, "-c", script))
    monkeypatch.setattr(signal, "signal", lambda *_: None)


@pytest.mark.usefixtures("faked")
def test_the_command_says_what_it_does_and_exits_0(capsys, toy):
    assert main(["train", "shipped", "--dry-run", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "toy/prior-gan: not there\n    python -m workbench train prior --scenario toy" in said
    toy.photographs = False
    ship(*ALL[:1], ALL[2])
    assert main(["train", "shipped", "--device", "cpu", "--jobs", "3"]) == 0
    said = capsys.readouterr().out
    assert (
        "skipped: The toy photographs are not here. Paint some.\n    toy/target-cnn, toy/target-softmax, toy/evaluator"
        in said
    )
    assert "toy/prior-gan: started: not there" in said and said.endswith("6 done, 3 skipped, 0 failed\n")
    assert not progress_path().exists()


@pytest.mark.usefixtures("faked")
def test_the_command_exits_1_after_a_failure_and_tries_only_that_again(capsys, monkeypatch):
    ship(*ALL, quality="full")
    monkeypatch.setenv("FAILING", "--prior wide")
    assert main(["train", "shipped", "--device", "cpu"]) == 1
    said = capsys.readouterr().out
    assert "toy/prior-wide: failed" in said and "no luck" in said and "toy/prior-wide: see " in said
    assert "2 failed" in said, "the training and its measuring"
    assert "toy/prior-wide" not in json.loads(progress_path().read_text())["done"]
    monkeypatch.delenv("FAILING")
    assert main(["train", "shipped", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "were rebuilt by an earlier call that did not end" in said and "toy/prior-wide: done" in said
    assert "toy/prior-gan: started" not in said and not progress_path().exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shipped", "--jobs", "0"], "at least 1"),
        (["shipped", "--data-root", "/nowhere"], "is not a folder"),
        (["shipped", "--scenario", "digitz"], "Did you mean 'digits'"),
        (["prior"], "--scenario"),
        (["target"], "--scenario"),
    ],
)
def test_a_wrong_request_exits_2(arguments, words, capsys):
    assert main(["train", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_terminated_command_takes_its_jobs_with_it(toy, program, tmp_path, monkeypatch):
    """The job itself asks for the end of whoever started it, and then would go on for a minute."""
    deadly = (
        "import os, pathlib, signal, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); "
        "os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    )
    monkeypatch.setattr(rebuilding, "PROGRAM", (sys.executable, "-c", deadly, str(tmp_path / "pid")))
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["train", "shipped", "--missing", "--device", "cpu"]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert gone(int((tmp_path / "pid").read_text()))


# Following a card


def test_a_classifier_is_rebuilt_by_its_cards_recipe(models):
    assert (
        main(
            [
                "train",
                "target",
                "--scenario",
                "faces",
                "--arch",
                "softmax",
                "--epochs",
                "2",
                "--seed",
                "5",
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    first = read_card("faces/target-softmax")
    assert main(["train", "target", "--scenario", "faces", "--arch", "softmax", "--as-card", "--device", "cpu"]) == 0
    again = read_card("faces/target-softmax")
    assert again["recipe"] == first["recipe"] and again["recipe"]["epochs"] == 2 and again["sha256"] == first["sha256"]


@pytest.mark.parametrize(
    ("card", "followed"),
    [
        ({"arch": "cnn", "recipe": {"epochs": 7, "seed": 2}}, True),
        ({"arch": "mlp", "recipe": {"epochs": 7}}, False),
        ({"arch": "cnn", "recipe": {"epochs": 7, "warmth": 1}}, False),
        ({"arch": "cnn"}, False),
    ],
)
def test_only_a_recipe_of_this_version_and_architecture_is_followed(card, followed):
    today = ClassifierRecipe(epochs=9)
    found = carded(today, card, "cnn")
    assert found == (ClassifierRecipe(epochs=7, seed=2) if followed else today)


@pytest.mark.slow
def test_a_prior_is_rebuilt_by_its_cards_recipe(models):
    few = ["--set", "vae_steps=2", "--set", "gan_steps=1", "--set", "batch=4"]
    same = ["train", "prior", "--scenario", "digits", "--prior", "gan", "--device", "cpu", "--threads", "1"]
    assert main([*same, *few, "--seed", "4"]) == 0
    first = read_card("digits/prior-gan")
    assert main([*same, "--as-card", "--seed", "4"]) == 0
    again = read_card("digits/prior-gan")
    assert again["recipe"] == first["recipe"] and again["steps"] == 3 and again["sha256"] == first["sha256"]
    assert not list((models / ".checkpoints").rglob("*.pt")) and not list(
        (models / ".checkpoints").rglob("*.safetensors")
    )
