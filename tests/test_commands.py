"""The command line: what scripts rely on."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from safetensors.torch import load_file

from workbench.attacks import ATTACKS
from workbench.commands import main
from workbench.commands.listing import KINDS
from workbench.core.records import Access
from workbench.scenarios import SCENARIOS

METRICS = {
    "acc@1",
    "acc@5",
    "knn_dist",
    "feat_dist",
    "psnr",
    "ssim",
    "mse",
    "lite0_dist",
    "recovered_psnr",
    "recovered_ssim",
}


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))


def last_object(capsys) -> dict:
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_everything_registered_can_be_listed(kind, capsys):
    assert main(["list", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows and all(row["key"] and row["title"] for row in rows)
    assert main(["list", kind]) == 0


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("scenarios", {"faces", "digits"}),
        ("attacks", {"random", "mi-face", "gmi"}),
        ("defenses", {"none"}),
        ("priors", {"gan"}),
        ("metrics", METRICS),
        ("targets", {"softmax", "mlp", "cnn", "resnet", "evaluator"}),
    ],
)
def test_the_keys_that_scripts_rely_on(kind, keys, capsys):
    main(["list", kind, "--json"])
    assert keys <= {row["key"] for row in json.loads(capsys.readouterr().out)}


def test_attacks_are_listed_by_what_they_may_ask(capsys):
    assert main(["list", "attacks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if not line.startswith(" ")]
    assert headings == [f"{access.label}:" for access in Access if any(e.info.access is access for e in ATTACKS)]
    under = {
        line.split()[0]: max((h for h in headings if lines.index(h) < row), key=lines.index)
        for row, line in enumerate(lines)
        if line.startswith(" ")
    }
    assert under["gmi"] == "White-box:" and under["yoshimura"] == "Top-k scores:" and under["lokt"] == "Label only:"
    main(["list", "attacks", "--json"])
    assert set(under) == {row["key"] for row in json.loads(capsys.readouterr().out)}


def test_run_prints_the_promised_object_last(capsys, tmp_path):
    out = tmp_path / "out"
    assert (
        main(
            [
                "run",
                "--scenario",
                "digits",
                "--attack",
                "mi-face",
                "--target",
                "softmax",
                "--classes",
                "0,3",
                "--restarts",
                "2",
                "--seed",
                "3",
                "--device",
                "cpu",
                "--set",
                "steps=15",
                "--out",
                str(out),
                "--json",
            ]
        )
        == 0
    )
    found = last_object(capsys)
    assert {
        "run",
        "scenario",
        "target",
        "attack",
        "defense",
        "seed",
        "device",
        "classes",
        "steps",
        "seconds",
        "steps_per_second",
        "queries",
        "metrics",
        "baseline",
        "target_accuracy",
    } <= set(found)
    assert (found["seed"], found["classes"], found["device"], found["steps"]) == (3, [0, 3], "cpu", 15)
    assert found["queries"] == (15 + 1) * 4 and set(found["metrics"]) == METRICS == set(found["baseline"])
    assert Image.open(out / "images.png").size
    assert load_file(out / "result.safetensors")["images"].shape == (4, 1, 32, 32)
    assert main(["evaluate", str(out), "--json"]) == 0
    again = last_object(capsys)
    assert again["overall"] == found["metrics"]
    assert {k: again["verdict"][k] for k in ("judges", "recognised", "n")} == {
        k: found["verdict"][k] for k in ("judges", "recognised", "n")
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "facs", "--attack", "gmi"], "Did you mean 'faces'"),
        (["--scenario", "faces", "--attack", "gmmi"], "Did you mean 'gmi'"),
        (["--scenario", "faces", "--attack", "gmi", "--set", "stepz=3"], "Did you mean 'steps'"),
        (["--scenario", "faces", "--attack", "gmi", "--set", "steps=0"], "allowed: 1 to"),
        (["--scenario", "faces", "--attack", "gmi", "--set", "steps=nan"], "not a whole number"),
        (["--scenario", "faces", "--attack", "gmi", "--set", "steps"], "--set knob=value"),
        (["--scenario", "faces", "--attack", "gmi", "--classes", "40"], "classes 0 to 39"),
        (["--scenario", "faces", "--attack", "gmi", "--classes", "a"], "is not a class"),
        (["--scenario", "faces", "--attack", "gmi", "--target", "evaluator"], "never attacked"),
        (["--scenario", "faces", "--attack", "gmi", "--device", "tpu"], "Choose auto, cpu or cuda"),
        (["--scenario", "faces", "--attack", "gmi", "--preset", "papre"], "Did you mean 'paper'"),
    ],
)
def test_a_wrong_request_exits_2_with_a_remedy(arguments, words, capsys):
    assert main(["run", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_an_unwritable_folder_exits_1(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert (
        main(
            [
                "run",
                "--scenario",
                "faces",
                "--attack",
                "mi-face",
                "--target",
                "softmax",
                "--classes",
                "0",
                "--out",
                str(tmp_path / "file" / "run"),
            ]
        )
        == 1
    )
    assert "cannot be written" in capsys.readouterr().err


def test_judging_what_is_no_run_exits_1(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "holds no run" in capsys.readouterr().err


def test_the_doctor_finds_a_healthy_installation(capsys):
    assert main(["doctor", "--json"]) == 0
    found = last_object(capsys)
    assert found["healthy"] and not found["problems"] and {"device", "versions", "scenarios"} <= set(found)
    assert main(["doctor"]) == 0


def test_the_doctor_names_a_corrupt_weight(capsys, tmp_path, monkeypatch):
    import shutil

    from workbench.core.paths import models_dir

    shutil.copytree(models_dir(), tmp_path / "models", ignore=shutil.ignore_patterns(".checkpoints"))
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    (tmp_path / "models/faces/target-cnn.safetensors").write_bytes(b"nonsense")
    assert main(["doctor", "--json"]) == 1
    assert any("target-cnn" in text for text in last_object(capsys)["corrupt_weights"])


def test_a_target_can_be_trained_by_one_command(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    assert (
        main(
            [
                "train",
                "target",
                "--scenario",
                "faces",
                "--arch",
                "softmax",
                "--seed",
                "0",
                "--epochs",
                "3",
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    captured = capsys.readouterr()
    assert "held-out accuracy" in captured.out and "█" in captured.err
    card = json.loads((tmp_path / "models/faces/target-softmax.json").read_text())
    assert card["recipe"]["epochs"] == 3 and len(card["sha256"]) == 64


def test_a_defended_target_and_what_goes_around_it_are_trained_by_one_command(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    ask = ["train", "target", "--scenario", "faces", "--arch", "softmax", "--device", "cpu", "--defense"]
    assert main([*ask, "mid", "--epochs", "2"]) == 0
    assert "█" in capsys.readouterr().err
    card = json.loads((tmp_path / "models/faces/target-softmax-mid.json").read_text())
    assert card["recipe"]["epochs"] == 2 and card["defense"]["text"] == "mid"
    monkeypatch.setattr("workbench.defenses.purifier.STEPS", 60)
    assert main([*ask, "mid+purifier"]) == 0
    captured = capsys.readouterr()
    assert "under mid+purifier" in captured.out and "█" in captured.err
    assert len(list((tmp_path / "models/faces").glob("*purifier*.json"))) == 1


@pytest.mark.parametrize(
    ("defense", "words"),
    [
        ("rounding", "nothing to train"),
        ("dp-sgd(epsilon=0)", "allowed"),
        ("bidoo", "Did you mean 'bido'"),
        ("purifier", "knobs instead of --epochs"),
    ],
)
def test_a_defense_that_cannot_be_trained_is_refused_and_costs_nothing(defense, words, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    assert (
        main(["train", "target", "--scenario", "faces", "--arch", "softmax", "--epochs", "1", "--defense", defense])
        == 2
    )
    assert words in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors"))


def test_defenses_that_do_not_apply_are_listed_with_the_reason(capsys):
    assert main(["list", "defenses", "--json"]) == 0
    rows = {row["key"]: row for row in json.loads(capsys.readouterr().out)}
    assert {key for key, row in rows.items() if not row["usable"]} == {"hybridalpha", "secureboost"}
    assert all(row["problem"].startswith("not applicable: ") for row in rows.values() if not row["usable"])
    assert rows["bido"]["usable"] and rows["bido"]["problem"] is None


def test_the_target_that_is_trained_is_the_one_that_is_attacked(monkeypatch):
    trained = []
    monkeypatch.setattr("workbench.commands.training.classifier", lambda options, arch: trained.append(arch))
    monkeypatch.setattr(SCENARIOS["digits"], "default_target", "mlp")
    for more in ([], ["--arch", "cnn"]):
        assert main(["train", "target", "--scenario", "digits", *more]) == 0
    assert trained == ["mlp", "cnn"]
