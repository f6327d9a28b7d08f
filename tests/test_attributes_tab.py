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
from workbench.tabular import reading
from workbench.tabular.clinical import simulated
from workbench.tabular.privacy import tradeoff
from workbench.tabular.scenarios.own import own_tables
from workbench.tabular.scenarios.published_marginals import drawn
from workbench.ui.routes import tables
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


# Tables that are brought in the page.

CSV = "text/csv"
CLINIC = "age,city,ill,pay\n" + "".join(
    f"{20 + i % 40},{'ABC'[i % 3]},{'no' if i % 4 else 'yes'},{'lo' if i % 2 else 'hi'}\n" for i in range(60)
)


def looked(client: TestClient, data: bytes, **headers: str):
    return client.post(tables.LOOK, content=data, headers={"content-type": CSV, **headers})


def test_a_table_is_looked_at_kept_and_attacked(client: TestClient, app: App) -> None:
    found = looked(client, CLINIC.replace("20,A", ",A", 1).encode("utf-16")).json()
    columns = {c["name"]: c for c in found["columns"]}
    assert found["rows"] == 60 and columns["age"]["number"] and not columns["age"]["inferred"]
    assert columns["age"]["missing"] == 1 and columns["ill"] == {
        "name": "ill", "number": False, "values": 2, "missing": 0, "inferred": True,
    }  # fmt: skip
    assert not own_tables(), "looking keeps nothing"
    words = {"name": "clinic", "sensitive": "ill", "response": "pay"}
    kept = client.post(tables.KEEP, params=words, content=CLINIC, headers={"content-type": CSV})
    assert kept.json() == {"scenario": "table:clinic"}
    options = client.get("/wb/attributes/options.json?scenario=table:clinic").json()
    assert (options["problem"], options["records"], options["sensitive"][0]) == ("", 42, "ill")
    asked = {"scenario": "table:clinic", "attack": "csmia", "target": "tree", "records": 40}
    assert client.post("/wb/attributes/runs", json=asked).status_code == 200
    again = client.post(tables.KEEP, params=words, content=CLINIC, headers={"content-type": CSV})
    assert again.status_code == 400 and "There is a table 'clinic' already" in again.json()["error"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (CLINIC.replace("city", "age").encode(), "Several columns are called 'age'"),
        (CLINIC.replace("25,", "old,", 1).encode(), "'age' holds numbers, but 1 cells of it are text"),
        (CLINIC.replace("25,", "25,1,", 1).encode(), "has 5 cells and the header 4"),
        (b"PK\x03\x04\0\0" + bytes(100), "it holds zero bytes"),
        (b"a,b\n" + b",\n" * 40, "at least 20 are needed"),
        (b"a,b\n" + b"x,?\n" * 40, "No column of the table is of use"),
        (b"a,b\n" + b"".join(b"%d,%d\n" % (i, -i) for i in range(40)), "No column of the table could be inferred"),
        (b"1,2\n" * 600_000, "at most 500,000 rows"),
        (b"", "at least 20 are needed"),
    ],
    ids=["two of a name", "text", "cells", "zip", "empty", "one value", "numbers", "rows", "nothing"],
)
def test_what_is_wrong_with_a_table_is_said_in_the_page(client: TestClient, data: bytes, said: str) -> None:
    answer = looked(client, data)
    assert answer.status_code == 400 and said in answer.json()["error"]
    assert not own_tables()


def test_a_table_is_refused_by_its_size_before_anything_of_it_is_read(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "looked_at", lambda data: pytest.fail("was read"))
    announced = looked(client, b"", **{"content-length": str(reading.MOST_BYTES + 1)})
    assert announced.status_code == 400 and "at most 64 MiB" in announced.json()["error"]
    monkeypatch.setattr(reading, "MOST_BYTES", 1 << 10)
    streamed = client.post(tables.LOOK, content=iter([b"a,b\n" * 200] * 3), headers={"content-type": CSV})
    assert streamed.status_code == 400 and "The file has" in streamed.json()["error"]
    assert "text/csv" in client.post(tables.LOOK, content=b"a,b").json()["error"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "warfarin", "adult-public", "A"])
def test_a_table_of_the_page_has_a_name_and_no_path(client: TestClient, name: str, tmp_path: Path) -> None:
    words = {"name": name, "sensitive": "ill", "response": "pay"}
    answer = client.post(tables.KEEP, params=words, content=CLINIC, headers={"content-type": CSV})
    assert answer.status_code == 400 and not list(tmp_path.rglob("*.csv"))


def test_who_visits_may_not_bring_a_table(client: TestClient, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(App, "owns", lambda self, owner, request: False)
    answer = looked(client, CLINIC.encode())
    assert answer.status_code == 403 and "who runs this server" in answer.json()["error"]
