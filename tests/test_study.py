"""Studies: what is frozen, what a rater is asked, that nothing confirmed is lost, and what answers come to."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from study_cases import PEOPLE, a_run, a_study, folder_of_pictures, use_tiny

from workbench.commands import main
from workbench.core.errors import DataMissing, StoreError, UsageError
from workbench.core.paths import ROOT
from workbench.runs.store import RunStore
from workbench.study.analyse import analyse
from workbench.study.answers import Ended
from workbench.study.design import Design, Kind, Rule, Task
from workbench.study.export import COLUMNS, as_csv, as_json
from workbench.study.folder import find, studies
from workbench.study.make import make
from workbench.study.readable import analysis_lines, tally_of
from workbench.study.records import left_out, records_of
from workbench.study.session import Study
from workbench.study.simulate import simulate


@pytest.fixture
def store(tmp_path, monkeypatch) -> RunStore:
    use_tiny(monkeypatch)
    return RunStore(tmp_path / "runs")


def go_through(study: Study, answer=None, rt: float = 1500):
    """Answer every trial of a new rater; `answer` says what to press, the right thing or the first one by default."""
    rater = study.join()
    for trial in study.trials(rater.number):
        meant = {means: pressed for pressed, means in study.choices(trial)}
        right = study.stimuli[trial.stimulus].right
        pressed = answer(trial) if answer else meant[right[0]] if right else next(iter(meant.values()))
        study.answer(rater, trial.index, pressed, rt)
    return rater


# What is frozen


def test_a_study_asks_about_every_picture_with_four_photographs_of_its_person(store):
    study = a_study(store)
    made = [s for s in study.stimuli if s.kind is Kind.RECONSTRUCTION]
    assert [s.cls for s in made] == list(range(PEOPLE)) and all(len(set(s.beside)) == 4 for s in made)
    assert {s.kind for s in study.stimuli} == set(Kind)
    assert study.question() == "Does picture A show the same person as the four pictures of set B?"


def test_a_control_never_shows_who_it_is_asked_about(store):
    study = a_study(store)
    labels = study.folder.record["sources"][0]["labels"]
    for s in study.stimuli:
        if s.kind is Kind.OTHER_RECONSTRUCTION:
            assert labels[s.candidates[0]] != s.cls and s.right == ("no",)
        if s.kind is Kind.CATCH:
            assert (s.pictures[0] in s.beside) == (s.right == ("yes",))
    line_up = a_study(store, (a_run(store, "1125-two"),), task=Task.LINE_UP, choices=4)
    for s in line_up.stimuli:
        assert (s.cls in s.people) == (s.right != ("none",)) or s.kind in (Kind.CATCH, Kind.RECONSTRUCTION)
        assert len(set(s.people)) == 4


def test_a_study_outlives_its_runs_and_is_drawn_by_its_seed(store):
    first = a_study(store, seed=5)
    again, other = a_study(store, ("1125-one",), seed=5), a_study(store, ("1125-one",), seed=6)
    assert first.stimuli == again.stimuli and first.stimuli != other.stimuli and first.id != again.id
    for path in (store.root / "1125-one").glob("*.*"):
        path.unlink()
    reread = Study(find(store.root, first.id))
    assert reread.stimuli == first.stimuli and reread.folder.picture(0).startswith(b"\x89PNG")
    assert {folder.id for folder in studies(store.root)} == {first.id, again.id, other.id}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"runs": ()}, "nothing to judge"),
        ({"runs": ("1125-other",)}, "choose runs of one scenario|Choose runs of one scenario"),
        ({"runs": ("1125-gone",)}, "no run '1125-gone'"),
        ({"task": Task.CLOSER}, "choose another run"),
        ({"task": Task.CLOSER, "runs": ("1125-one", "1125-rest")}, "share no class"),
        ({"task": Task.LINE_UP, "choices": 9}, "has 6"),
        ({"references": 6}, "has 5 private photographs; 6 are shown"),
        ({"trials": 0}, "trials=0 is out of range"),
        ({"repeats": 2.0}, "0 to 0.5"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(store, how, said):
    a_run(store, "1125-one", classes=(0, 1))
    a_run(store, "1125-rest", classes=(2, 3))
    a_run(store, "1125-other", scenario="digits")
    with pytest.raises((UsageError, StoreError), match=said):
        make(store, Design(**{"scenario": "tiny", "runs": ("1125-one",), **how}))


@pytest.mark.parametrize("held", [{"task": "guess"}, {"trials": "many"}, {"runs": 5}, {"rule": {}}, {"colour": 1}])
def test_a_form_that_makes_no_sense_is_refused(held):
    with pytest.raises(UsageError):
        Design.from_json({"scenario": "tiny", **held})


def test_a_folder_of_pictures_is_judged_as_a_run_is(store, tmp_path):
    larger = folder_of_pictures(tmp_path / "made", (16, 16), of="person 3")
    study = Study(make(store, Design("tiny"), folder=larger))
    assert study.stimuli[0].cls == 3 and study.stimuli[0].runs == ("made",)
    for path, size, of, said in (("wide", (16, 8), "0", "16 by 8"), ("who", (8, 8), "nobody", "no class of tiny")):
        with pytest.raises(UsageError, match=said):
            make(store, Design("tiny"), folder=folder_of_pictures(tmp_path / path, size, of))
    (larger / "person 3" / "b.png").write_bytes(b"no picture")
    with pytest.raises(DataMissing, match=r"b\.png"):
        make(store, Design("tiny"), folder=larger)
    with pytest.raises(UsageError, match="not a folder"):
        make(store, Design("tiny"), folder=tmp_path / "gone")


# What a rater is asked


def test_every_picture_is_asked_about_equally_often_and_on_both_sides(store):
    study = a_study(store, (a_run(store, "1125-one"), a_run(store, "1125-two")), trials=4, repeats=0)
    seen, sides = Counter(), defaultdict(Counter)
    for number in range(12):  # 48 trials for 12 pictures
        for trial in study.trials(number):
            if study.stimuli[trial.stimulus].kind is Kind.RECONSTRUCTION:
                seen[trial.stimulus] += 1
                sides[trial.stimulus][trial.swapped] += 1
    assert set(seen.values()) == {4} and len(seen) == 12
    assert all(each[True] == each[False] == 2 for each in sides.values())


def test_two_raters_in_a_row_have_opposite_orders_and_a_rater_always_the_same(store):
    study = a_study(store, repeats=0, positives=0, negatives=0, catches=0)
    first, second = ([t.stimulus for t in study.trials(n)] for n in (0, 1))
    assert first == second[::-1] and first != sorted(first)
    assert Study(study.folder).trials(0) == study.trials(0)


def test_what_comes_twice_comes_later_with_sides_swapped(store):
    study = a_study(store, repeats=0.3)
    trials = study.trials(3)
    again = [trial for trial in trials if trial.repeat_of is not None]
    assert len(again) == 4 and [trial.index for trial in trials] == list(range(len(trials)))
    for trial in again:
        first = trials[trial.repeat_of]
        assert first.stimulus == trial.stimulus and first.index < trial.index and first.swapped != trial.swapped
        assert study.stimuli[trial.stimulus].kind is not Kind.CATCH


def test_left_and_right_mean_what_stands_there(store):
    study = a_study(store, (a_run(store, "1125-one"), a_run(store, "1125-two")), task=Task.CLOSER)
    for trial in study.trials(0) + study.trials(1):
        pictures = study.stimuli[trial.stimulus].pictures
        left = dict(study.choices(trial))["left"]
        assert study.shown(trial)[0][0] == pictures[0 if left == "first" else 1]


def test_a_page_is_told_nothing_that_gives_the_answer_away(store):
    study = a_study(store)
    rater = study.join()
    told = json.dumps(study.progress(rater))
    for word in ("1125", "person", "control", "catch", "photograph", "sample", "stimulus", "right_answer", "gmi"):
        assert word not in told
    keys = set(study.progress(rater)["trial"])
    assert keys == {"index", "asked", "beside", "right", "choices"}


# Answers


def test_answers_come_in_order_once_and_can_be_taken_back(store):
    study = a_study(store)
    rater = study.join()
    with pytest.raises(UsageError, match="Question 1 comes first"):
        study.answer(rater, 1, "yes", 900)
    with pytest.raises(UsageError, match="no answer"):
        study.answer(rater, 0, "left", 900)
    study.answer(rater, 0, "yes", 900)
    study.answer(rater, 0, "yes", 950)  # a confirmation was lost, and the page asks again
    with pytest.raises(UsageError, match="answered already"):
        study.answer(rater, 0, "no", 900)
    assert study.progress(rater)["done"] == 1
    assert study.answers.undo(rater.id) == 0 and study.answers.undo(rater.id) is None
    study.answer(rater, 0, "skip", 1000)
    assert [a.response for a in study.answers.answers()] == ["skip"]


def test_who_has_not_looked_has_not_answered(store):
    study = a_study(store, least_ms=400)
    for rt in (399, float("nan"), float("inf"), -1):
        with pytest.raises(UsageError, match=r"at least 0\.4 s"):
            study.answer(study.join(), 0, "yes", rt)


def test_pictures_come_no_earlier_than_their_trial(store):
    study = a_study(store)
    rater = study.join()
    assert study.picture(rater, 0, 0).startswith(b"\x89PNG") and study.picture(rater, 1, 4)
    for index, slot, said in ((2, 0, "later"), (0, 5, "no picture 5"), (-1, 0, "no question"), (0, -1, "no picture")):
        with pytest.raises(UsageError, match=said):
            study.picture(rater, index, slot)


def test_an_ended_study_takes_no_more_answers(store):
    study = a_study(store)
    rater = study.join()
    study.answer(rater, 0, "yes", 900)
    study.answers.end()
    for late in (lambda: study.answer(rater, 1, "yes", 900), study.join, lambda: study.answers.undo(rater.id)):
        with pytest.raises(Ended, match="has ended"):
            late()
    assert study.progress(rater)["ended"] and len(study.answers.answers()) == 1


def test_thirty_raters_at_once_lose_nothing(store):
    study = a_study(store)
    faults = []

    def go():
        try:
            go_through(study)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=go) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    found = tally_of(study)
    assert found["finished"] == 30 and found["answers"] == sum(rater["of"] for rater in found["raters"])
    assert len({rater.number for rater in study.answers.raters()}) == 30


KILLED = """
import sys
from pathlib import Path
from workbench.study.answers import RaterAnswer, AnswerStore
held = AnswerStore(Path(sys.argv[1]))
rater = held.join()
for trial in range(100000):
    held.add(RaterAnswer(rater.id, trial, 0, None, False, "yes", "yes", 900, 0.0))
    print(trial, flush=True)
"""


def test_a_killed_process_loses_no_confirmed_answer(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    confirmed = -1
    for line in process.stdout:
        confirmed = int(line)
        if confirmed == 20:
            os.kill(process.pid, signal.SIGKILL)
            break
    confirmed = max([confirmed, *map(int, process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    with sqlite3.connect(tmp_path / "answers.sqlite") as db:
        assert db.execute("SELECT COUNT(*) FROM answers").fetchone()[0] >= confirmed + 1
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    db.close()


def test_a_rater_who_is_deleted_leaves_nothing_on_the_disk(store):
    study = a_study(store)
    rater, other = go_through(study), go_through(study)
    assert study.answers.delete(rater.id) == len(study.trials(0))
    assert {a.rater for a in study.answers.answers()} == {other.id} and study.answers.rater(rater.id) is None
    held = b"".join(path.read_bytes() for path in study.folder.path.glob("answers.sqlite*"))
    assert rater.id.encode() not in held and other.id.encode() in held
    with pytest.raises(StoreError, match="no rater"):
        study.answers.delete(rater.id)
    with pytest.raises(StoreError, match="deleted"):
        study.answer(rater, 0, "yes", 900)
    assert study.join().number == 2, "a number is never given twice"


def test_a_study_that_is_not_here_is_named(store):
    for study in ("nothere123", "../../etc", "", "a" * 500):
        with pytest.raises(StoreError, match="no such study"):
            find(store.root, study)


# What they come to


def test_the_rule_leaves_out_who_misses_catches_or_races(store):
    study = a_study(store, rule=Rule(0.75, 700))
    careful, racing = go_through(study), go_through(study, rt=600)
    blind = go_through(study, lambda trial: "yes")
    skipping = go_through(study, lambda trial: "skip")
    found = left_out(study, records_of(study))
    assert careful.id not in found and set(found) == {racing.id, blind.id, skipping.id}
    assert "2 of 4 catch trials" in found[blind.id] and "0.60 s" in found[racing.id]
    assert analyse(study)["answers"] == len(study.trials(0)), "what is left out counts nowhere"


def test_analysis_counts_what_people_said(store):
    study = a_study(store, repeats=0.2)

    def sees_odd_people(trial):
        s = study.stimuli[trial.stimulus]
        return s.right[0] if s.right else "yes" if s.cls % 2 else "no"

    for _ in range(3):
        go_through(study, sees_odd_people)
    found = analyse(study)
    (run,) = found["runs"]
    assert run["by_picture"] == [0, 1, 0, 1, 0, 1] and run["share"] == pytest.approx(0.5) and run["n"] == 18
    assert run["recognised"] == 3 and run["decided"] == 6 and run["interval"][0] < 0.5 < run["interval"][1]
    judges = {judge["key"]: judge for judge in run["judges"]}
    assert judges["face"]["tpr"]["share"] == 1 and judges["face"]["fpr"]["share"] == 0
    assert judges["evaluator"]["fpr"]["share"] == 1 and judges["evaluator"]["accepts"] == 6
    assert found["agreement"]["alpha"] == 1 and found["detection"]["d_prime"] > 1
    assert found["consistency"]["same"] == found["consistency"]["n"] > 0
    by_key = {each["key"]: each for each in found["correlations"]}
    assert by_key["ssim"]["n"] == by_key["face"]["n"] == 6 and 0 < by_key["ssim"]["rho"] < 1
    assert all(control["right"] == control["n"] for control in found["controls"])
    assert "\n".join(analysis_lines(found)).count("FPR") == 2
    json.dumps(found, allow_nan=False)


def test_one_rater_and_one_picture_are_too_few_and_it_is_said(store):
    study = a_study(store, (a_run(store, "1125-one", classes=(2,)),), positives=0, negatives=0)
    assert "Nobody" in " ".join(analyse(study)["notes"])
    go_through(study)
    found = analyse(study)
    said = " ".join(found["notes"])
    assert "two raters" in said and "No negative control" in said and found["detection"] is None
    assert "4 are needed" in found["correlations"][0]["why"]


@pytest.mark.parametrize("task", list(Task))
def test_simulated_raters_go_through_every_task_and_are_marked_so(store, task):
    study = a_study(store, (a_run(store, "1125-one"), a_run(store, "1125-two")), task=task, trials=12)
    simulate(study, 6)
    found = analyse(study)
    assert found["simulated"] == found["raters"] == 6 and "simulated" in found["notes"][0]
    assert "\n".join(analysis_lines(found))
    if task is Task.CLOSER:
        assert {pair["first"] for pair in found["pairs"]} and len(found["strengths"]) == 4
    if task is Task.REAL:
        assert max(found["opinions"], key=lambda each: each["mean"])["run"] == "photograph"
    (flag,) = {row["simulated"] for row in csv.DictReader(io.StringIO(as_csv(study).decode()))}
    assert flag == "true"
    json.dumps(found, allow_nan=False)


def test_an_export_has_jspsychs_columns_and_one_line_an_answer(store):
    study = a_study(store)
    rater = go_through(study)
    lines = list(csv.DictReader(io.StringIO(as_csv(study).decode())))
    assert tuple(lines[0]) == COLUMNS and len(lines) == len(study.trials(0))
    assert [int(line["trial_index"]) for line in lines] == list(range(len(lines)))
    assert {line["rt"] for line in lines} == {"1500"} and {line["subject_id"] for line in lines} == {rater.id}
    assert {line["correct"] for line in lines} == {"true", ""}
    held = json.loads(as_json(study))
    assert len(held["trials"]) == len(lines) and held["design"]["task"] == "same"
    assert Path(study.folder.path / lines[0]["stimulus"]).is_file()


# The command line


def test_a_study_from_the_command_line(store, tmp_path, capsys):
    run, root = a_run(store, "1125-one"), ["study", "--store", str(store.root)]

    def said(*words: str, status: int = 0) -> str:
        assert main([*root, *words]) == status
        out, err = capsys.readouterr()
        return out if status == 0 else err

    name = said("new", run, "--trials", "6", "--title", "From here").strip()
    assert said("list").strip() == f"{name}  From here"
    link = said("link", name, "--url", "http://192.0.2.7:7860/", "--qr", str(tmp_path / "link.svg")).strip()
    assert link == f"http://192.0.2.7:7860/study/{name}" and (tmp_path / "link.svg").read_text().startswith("<svg")
    assert "0 raters" in said("tally", name)
    raters = json.loads(said("tally", name, "--simulate", "3", "--json"))["raters"]
    assert len(raters) == 3 and all(rater["simulated"] and rater["done"] == rater["of"] for rater in raters)
    assert json.loads(said("analyse", name, "--json"))["simulated"] == 3 and "simulated" in said("analyse", name)
    said("export", name, "--out", str(tmp_path / "answers.json"))
    assert len(json.loads((tmp_path / "answers.json").read_text())["trials"]) == 3 * raters[0]["of"]
    assert said("export", name).startswith("subject_id,trial_index,trial_type,stimulus,response,rt")
    assert f"{raters[0]['of']} answers" in said("delete-rater", name, raters[0]["id"])
    assert "ended, 2 raters" in said("end", name)
    assert "has ended" in said("tally", name, "--simulate", "1", status=2)
    assert "no such study" in said("tally", "nothere234", status=1)
    assert "choose another run" in said("new", run, "--task", "closer", status=2)
    assert "--scenario" in said("new", "--images", str(tmp_path), status=2)
