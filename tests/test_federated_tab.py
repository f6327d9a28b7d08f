"""What the Federated tab asks the server: what fits, what is greyed and why, films over rounds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from workbench.attacks import ATTACKS
from workbench.attacks.threats import ACTORS, actor_problem
from workbench.core.knobs import configure
from workbench.core.records import RunState
from workbench.core.weights import save_weights
from workbench.federated.averaging import train_federated
from workbench.federated.protocols.base import PROTOCOLS
from workbench.federated.settings import Federation
from workbench.runs.store import RunStore
from workbench.targets import Classifier
from workbench.ui.catalog import Catalog
from workbench.ui.routes import federated
from workbench.ui.routes.services import serve_from

UPDATE = {"scenario": "digits", "target": "mlp", "attack": "closed-form", "classes": "0"}


@pytest.fixture
def desk(tmp_path):
    """Return what lies behind the tab, with a list of what was submitted to it."""
    store, asked = RunStore(tmp_path / "runs"), []

    def submit(config, request, again=""):
        asked.append(config)
        return store.create(config, shape=(1, 32, 32), state=RunState.QUEUED).id

    return SimpleNamespace(
        store=store, catalog=Catalog(), asked=asked, submit=submit, train=lambda c, r: asked.append(c)
    )


@pytest.fixture
def client(desk):
    server = FastAPI()
    serve_from(server, desk)
    server.include_router(federated.router)
    return TestClient(server)


def test_who_may_do_what():
    def said(actor, key, **switches):
        return actor_problem(actor, ATTACKS.entry(key).info, configure(ATTACKS[key], switches))

    assert set(ACTORS) == {"server", "secure", "malicious", "participant", "outsider"}
    assert said("server", "inverting-gradients") is None
    assert "sends another" in said("server", "imprint") and said("malicious", "imprint", participants=4) is None
    assert "several participants" in said("secure", "dlg") and said("secure", "dlg", participants=2) is None
    assert "no update reaches it" in said("participant", "dlg") and said("participant", "mi-face") is None
    assert "finished model alone" in said("outsider", "mi-face")


def test_a_look_says_the_threat_and_what_means_nothing(client, desk):
    found = client.post("/wb/federated/check", json=UPDATE).json()
    assert found["problems"] == [] and found["letter"] == "A" and found["notes"][0].startswith("Threat A")
    assert "attack:imprint" in found["greyed"] and "attack:dlg" not in found["greyed"]
    assert {"participants", "mode"} <= set(found["greyed"]) and desk.asked == []
    outside = client.post("/wb/federated/check", json={**UPDATE, "actor": "outsider"}).json()
    assert "no update reaches it" in outside["problems"][0]
    wrong = client.post("/wb/federated/check", json={**UPDATE, "classes": "7"}).json()
    assert "there is no class 7" in wrong["problems"][0]


def test_what_every_protocol_costs_and_hides_is_shown(client):
    held = client.get("/wb/federated").json()["costs"]
    assert sorted(row["key"] for row in held["rows"]) == sorted(PROTOCOLS.keys()), "each protocol has its figures"
    assert all(row[part] for row in held["rows"] for part in ("title", "sent", "seconds", "error", "view", "finished"))
    assert "100,000 weights" in held["measured"]


def test_what_an_onlooker_cannot_do_is_not_started(client, desk):
    assert client.post("/wb/federated/run", json={**UPDATE, "actor": "outsider"}).status_code == 400
    assert client.post("/wb/federated/run", json=UPDATE).status_code == 200 and len(desk.asked) == 1
    asked = {"scenario": "digits", "arch": "softmax", "knobs": {"split": "person", "rounds": 20}}
    assert client.post("/wb/federated/train", json=asked).status_code == 200
    assert dict(desk.asked[-1].recipe) == {"split": "person"}, "what is usual is no part of a name"
    asked["knobs"]["split"] = "fair"
    answer = client.post("/wb/federated/train", json=asked)
    assert answer.status_code == 400 and "not one of" in answer.json()["error"]


def test_a_film_asks_for_each_round_once(client, desk, models):
    fed = Federation.of("digits", "softmax", {"rounds": 2, "participants": 2, "epochs": 1})
    list(train_federated(fed))
    save_weights("digits/target-mlp", Classifier("mlp", (1, 32, 32), 5).state_dict(), {})
    listed = client.get("/wb/federated").json()
    assert [t["name"] for t in listed["trainings"]] == [fed.label] and len(listed["trainings"][0]["cards"]) == 3
    assert {s["key"]: s["trained"] for s in listed["scenarios"]}["digits"] == ["mlp"]
    asked = {"scenario": "digits", "arch": "softmax", "name": fed.label, "attack": "mi-face", "classes": "0-1"}
    shown = client.post("/wb/federated/frames", json=asked).json()["frames"]
    assert [f["round"] for f in shown] == [0, 1, 2] and desk.asked == []
    client.post("/wb/federated/film", json=asked)
    client.post("/wb/federated/film", json=asked)
    assert [c.target for c in desk.asked] == [fed.target(r) for r in (0, 1, 2)]
    shown = client.post("/wb/federated/frames", json={**asked, "victim": "participant:1"}).json()["frames"]
    assert [f["round"] for f in shown] == [1, 2] and {f["state"] for f in shown} == {"missing"}
