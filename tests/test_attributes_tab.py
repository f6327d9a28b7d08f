"""What the Attributes tab is told, and what it may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.tabular.clinical import simulated
from workbench.tabular.privacy import tradeoff
from workbench.tabular.scenarios.published_marginals import drawn
from workbench.ui.server import create
from workbench.ui.shell import App
from workbench.workers.scheduler import Scheduler

ASKED = {"scenario": "warfarin", "attack": "map", "target": "linear", "records": 300}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    store = RunStore(tmp_path_factory.mktemp("runs"))
    return App(store, Scheduler(store))  # no worker: what is queued waits


@pytest.fixture(scope="module")
def client(app: App) -> TestClient:
    return TestClient(create(app), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


@pytest.fixture(autouse=True)
def nothing_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))


def test_the_form_is_told_what_fits_and_why_not(client: TestClient) -> None:
    found = client.get("/wb/attributes/options.json").json()
    assert found["chosen"] == "warfarin" and found["synthetic"] and found["dosing"]
    attacks = {a["key"]: a for a in found["attacks"]}
    assert attacks["map"]["problems"]["linear"] == "" and "confidences" in attacks["csmia"]["problems"]["linear"]
    targets = {t["key"]: t["private"] for t in found["targets"]}
    assert targets["linear"] == "" and "cannot be trained" in targets["tree"]
    assert "bring-table" in client.get("/wb/attributes/options.json?scenario=adult").json()["problem"]
    assert client.get("/wb/attributes/options.json?scenario=../x").status_code == 400


def test_a_run_of_the_tab_is_queued_as_any_other(client: TestClient, app: App) -> None:
    run = client.post("/wb/attributes/runs", json={**ASKED, "epsilon": 3}).json()["run"]
    config = app.store.folder(run).config()
    assert (config.defense, config.knobs["records"], config.classes) == ("dp(epsilon=3)", 300, tuple(range(12)))
    found = client.get(f"/wb/attributes/runs/{run}.json").json()
    assert found["state"] == "queued" and found["frames"] == [] and found["judgement"] is None
    assert client.get(f"/wb/runs/{run}/news").json()["scene"]["attack_title"] == "MAP inversion (map)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scenario": "faces"}, "no such table"),
        ({"sensitive": "weight"}, "is a number"),
        ({"target": "tree", "epsilon": 1}, "cannot be trained with differential privacy"),
        ({"records": 0}, "out of range"),
    ],
)
def test_what_cannot_run_is_refused_with_a_sentence(client: TestClient, changes: dict, said: str) -> None:
    answer = client.post("/wb/attributes/runs", json={**ASKED, **changes})
    assert answer.status_code == 400 and said in answer.json()["error"]


def test_posteriors_are_told_frame_by_frame_and_the_run_opens_everywhere(client: TestClient, app: App) -> None:
    config = default_config("warfarin", "map", knobs={"records": 300}, classes=[0, 1])
    folder: RunFolder = app.store.create(config, owner="command line", shape=(1, 1, 1))
    execute(config, folder, ModelCache("cpu"), ledger=app.store, fps=1e9)
    found = client.get(f"/wb/attributes/runs/{folder.id}.json").json()
    assert [sum(f["asked"]) for f in found["frames"]] == [0, 1, 2, 3]
    assert found["frames"][-1]["shares"][0] == pytest.approx(folder.result()["shares"][0].tolist(), abs=1e-4)
    assert found["judgement"]["attacks"][0]["key"] == "map" and found["scene"]["values"] == ["A/A", "A/G", "G/G"]
    for address in (
        f"/wb/runs/{folder.id}/news",
        f"/wb/runs/{folder.id}/report.json",
        f"/wb/runs/{folder.id}/run.json",
    ):
        assert client.get(address).status_code == 200, address


def test_privacy_costs_doses_and_risk_and_buys_silence(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tradeoff, "LEVELS", (0.1, 1000.0))
    monkeypatch.setattr(tradeoff, "DRAWS", 3)
    tradeoff.tradeoff.cache_clear()
    little, much, none = client.get("/wb/attributes/privacy.json").json()["levels"]
    tradeoff.tradeoff.cache_clear()
    assert none["epsilon"] is None and little["found"] < none["found"] - 0.1
    assert little["error"] > much["error"] > none["error"] and little["events"] > none["events"]
    assert little["in_range"] < none["in_range"]


def test_who_begins_with_the_stable_dose_fares_best_in_the_simulation() -> None:
    stable = drawn(500).of("dose")
    right, half, double = (simulated(f * stable, stable) for f in (1.0, 0.5, 2.0))
    assert right.events < min(half.events, double.events) and right.in_range > max(half.in_range, double.in_range)
    assert half.strokes > double.strokes and double.bleeds > half.bleeds
