"""The Data tab: it names what lies in the data folder, and makes a scenario of it."""

from __future__ import annotations

import asyncio
import shutil
from types import SimpleNamespace

import pytest
import torch
from starlette.requests import ClientDisconnect
from test_own_data import people

from workbench.core.errors import NotYours, UsageError
from workbench.engine.compatibility import problems
from workbench.scenarios import SCENARIOS
from workbench.scenarios.own.store import own_dir
from workbench.trainings.execute import reports
from workbench.trainings.staging import promote
from workbench.trainings.start import trained_name, training_problems
from workbench.ui.routes.data import kept, name_of
from workbench.ui.routes.trainings import target_training
from workbench.ui.settings import attack_choices
from workbench.ui.tabs.data import LastLook, ensure_operator
from workbench.ui.tabs.data_handlers import Asked, about_set, accepted, added, entries, looked, place_of, report
from workbench.ui.tabs.data_way import (
    own_scenarios,
    prior_training,
    standing,
    steps,
    train_missing,
    untrained,
)
from workbench.ui.tabs.invert_handlers import opening_config


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    people(tmp_path / "mine", [20] * 8)
    yield tmp_path
    shutil.rmtree(own_dir(), ignore_errors=True)
    list(SCENARIOS)


def test_it_offers_what_lies_in_the_data_folder_and_takes_no_path(place):
    (place / "set.zip").touch()
    (place / ".hidden").mkdir()
    (place / "notes.txt").touch()
    own_dir().mkdir()
    (place / "tables").mkdir()  # what the tab Attributes was brought
    assert entries() == ["mine", "set.zip"] and place_of("mine") == place / "mine"
    for name in ("../mine", "/etc", "scenarios", "tables", ".hidden", "notes.txt", ""):
        with pytest.raises(UsageError, match="in the data folder"):
            place_of(name)


def test_what_is_found_is_shown_before_it_is_kept(place):
    (place / "mine" / "p001" / "<b>.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    asked = Asked("mine", side=32)
    brought = looked(asked)
    page = report(brought)
    assert page.count("data:image/webp;base64,") == 5 and "&lt;b&gt;.png" in page and "<b>.png" not in page
    assert not own_dir().exists()
    made = added(asked, brought, " mine ", "", "pattern")
    assert SCENARIOS["mine"].title == "mine (4 patterns)" and "mine (4 patterns) is a scenario" in accepted(made)
    with pytest.raises(UsageError, match="already"):
        added(asked, brought, "mine", "", "")
    assert "identity_CelebA.txt" in about_set("celeba") and about_set("no such") == ""


def test_what_was_looked_through_is_not_read_again_unless_something_else_is_asked():
    last, asked = LastLook(), Asked("mine", side=32)
    brought = last.keep(asked, looked(asked))
    assert last.of(Asked("mine", side=32)) is brought
    other = last.of(Asked("mine", side=28, private="3"))
    assert other.shape == (3, 28, 28) and len(other.plan.class_names) == 3


def test_visitors_of_a_shared_server_do_not_read_the_operators_folder():
    with pytest.raises(NotYours, match="for who runs this server"):
        ensure_operator(SimpleNamespace(owns=lambda owner, request: False), None)


# Archives that the page sends


class Sent:
    """A request whose body comes in pieces, and may break off."""

    def __init__(self, *pieces: bytes, name: str = "set.zip", breaks: bool = False) -> None:
        self.pieces, self.breaks, self.query_params = pieces, breaks, {"name": name}

    async def stream(self):
        for piece in self.pieces:
            yield piece
        if self.breaks:
            raise ClientDisconnect


def test_an_archive_is_written_as_it_comes(place):
    assert asyncio.run(kept(Sent(b"P", b"K", b"\3\4rest"))) == place / "set.zip"
    assert (place / "set.zip").read_bytes() == b"PK\3\4rest" and "set.zip" in entries()
    assert asyncio.run(kept(Sent(b"PK"))).name == "set-1.zip", "nothing is replaced"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (Sent(b"\x89PNG"), "no zip archive"),
        (Sent(b"X", b"K"), "no zip archive"),
        (Sent(), "is empty"),
        (Sent(b"PK", bytes(2 << 20)), "larger than 1 MB"),
    ],
)
def test_what_is_no_archive_or_too_large_leaves_nothing_behind(place, sent, words):
    before = sorted(place.iterdir())
    with pytest.raises(UsageError, match=words):
        asyncio.run(kept(sent, most=1 << 20))
    assert sorted(place.iterdir()) == before


def test_what_breaks_off_leaves_nothing_behind(place):
    before = sorted(place.iterdir())
    with pytest.raises(ClientDisconnect):
        asyncio.run(kept(Sent(b"PK", breaks=True)))
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("my set.zip", "my-set"),
        ("../../etc/x.zip", "x"),
        ("C:\\a\\b.zip", "b"),
        (".zip", "pictures"),
        ("", "pictures"),
        ("ä" * 99, "pictures"),
    ],
)
def test_a_name_from_the_page_is_no_path(said, name):
    assert name_of(said) == name


# From pictures to an attack


@pytest.fixture
def mine(place, models):
    asked = Asked("mine", side=32)
    return added(asked, looked(asked), "mine", "", "pattern").key


def desk() -> SimpleNamespace:
    """Return what queues trainings, and remembers them."""
    queued: list = []
    scheduler = SimpleNamespace(
        training_of=lambda name: name if name in {trained_name(config) for config in queued} else None
    )
    return SimpleNamespace(
        queued=queued, scheduler=scheduler, train=lambda config, request: queued.append(config) or str(len(queued))
    )


def test_one_button_queues_what_is_missing_once(mine):
    app = desk()
    assert standing(mine, "mlp").startswith("The attack waits for its target")
    assert train_missing(app, mine, "mlp", None) == ["1", "2"]
    assert [(c.what, c.target, c.prior) for c in app.queued] == [("target", "mlp", None), ("prior", None, "pca")]
    assert train_missing(app, mine, "mlp", None) == [] and untrained(app, mine, "mlp") == []


@pytest.mark.slow
def test_the_way_ends_in_an_attack_that_fits(mine):
    for config in untrained(desk(), mine, "mlp"):
        list(reports(config, torch.device("cpu")))
    weights_in_use(mine)
    config = opening_config(mine, target="mlp")
    assert standing(mine, "mlp") == "" and problems(config) == []
    assert (config.attack, config.prior) == ("ppa", "pca") and ("PPA (ppa)", "ppa") in attack_choices(mine, "mlp")
    told = steps(mine, "mlp")
    assert [told[name]["trained"] for name in ("target", "prior", "judge")] == [True, True, False]
    assert training_problems(target_training(mine, "evaluator", "none")) == []
    assert own_scenarios() == [("mine (4 patterns)", "mine")] and SCENARIOS[mine].default_target == "resnet"


def test_of_people_a_recogniser_of_faces_is_the_usual_target(place):
    asked = Asked("mine", side=32)
    assert added(asked, looked(asked), "friends", "", "person").default_target == "facenet"


def weights_in_use(scenario: str) -> None:
    """Put the prior that was trained in the place of none, as the worker does."""
    assert promote(trained_name(prior_training(scenario)))
