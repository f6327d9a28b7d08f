"""What the Federated tab asks: trainings with their rounds, who can do what to an update, runs, and films over rounds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Protocol, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from workbench.analysis.protocol_costs import shipped_costs
from workbench.attacks import ATTACKS
from workbench.attacks.parts.on_updates import LABELS, MODES, WEIGHTS, OnUpdates
from workbench.attacks.threats import ACTORS, actor_problem, threat_of
from workbench.core.errors import Incompatible, StoreError, WorkbenchError
from workbench.core.knobs import changed_text, configure, knobs_of
from workbench.core.records import Recovers, RunConfig, TrainingConfig
from workbench.core.rounds import ModelOfRound
from workbench.core.weights import has_weights
from workbench.defenses.store import weights_name
from workbench.engine.compatibility import problems, update_notes
from workbench.engine.presets import default_config
from workbench.federated.settings import FedAvg, Federation
from workbench.federated.splits.base import choices
from workbench.federated.start import bytes_needed
from workbench.federated.store import card_of_round, chosen, federations, rounds_done
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES
from workbench.ui.components.news import sheet_uri
from workbench.ui.routes.services import NO_STORE, Services, services_of
from workbench.ui.routes.trainings import training_row

FILM = 6  # rounds of a film, at most
LISTED = 300  # newest runs among which those of a film are looked for
TRAINED_BY = (
    "participants",
    "split",
    "alpha",
    "rounds",
    "epochs",
    "participation",
    "protocol",
    "privacy",
    "noise",
    "bound",
    "dropped",
    "fault",
)  # knobs that the page offers

router = APIRouter(prefix="/wb/federated")


class FederatedServices(Services, Protocol):
    """What lies behind the tab."""

    def submit(self, config: RunConfig, request: Request, again: str = "") -> str: ...
    def train(self, config: TrainingConfig, request: Request) -> str: ...


async def services(request: Request) -> FederatedServices:
    return cast(FederatedServices, await services_of(request))


Desk = Annotated[FederatedServices, Depends(services)]
Text = Annotated[str, Query(max_length=240)]


class NewTraining(BaseModel):
    """A federated training, as the page asks for it."""

    scenario: str = Field(max_length=40)
    arch: str = Field(max_length=40)
    knobs: dict[str, str | float] = Field(default_factory=dict, max_length=20)
    resume: bool = False

    def config(self) -> TrainingConfig:
        """Return it with its knobs in the short text that names are made of; raises `UnknownName`, `KnobError`."""
        setting = changed_text(configure(FedAvg, self.knobs))
        return TrainingConfig("federated", self.scenario, target=self.arch, recipe=setting, resume=self.resume)


class NewRun(BaseModel):
    """An attack on an update or on a model of a round, as the page asks for it."""

    scenario: str = Field(max_length=40)
    target: str = Field(max_length=240)
    attack: str = Field(max_length=40)
    classes: str = Field("0", max_length=200)
    knobs: dict[str, str | float | bool] = Field(default_factory=dict, max_length=40)
    restarts: int = Field(1, ge=1, le=16)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    actor: str = Field("server", max_length=20)

    def config(self) -> RunConfig:
        """Return it whole; raises `UsageError` in its kinds."""
        own = knobs_of(ATTACKS[self.attack])
        return default_config(
            self.scenario,
            self.attack,
            target=self.target,
            classes=self.classes,
            restarts=self.restarts,
            seed=self.seed,
            knobs={name: value for name, value in self.knobs.items() if name in own},
        )


@router.get("")
def offered(desk: Desk) -> Response:
    """Return what can be chosen, and every training that there is a round of."""
    infos = [entry.info for entry in ATTACKS]
    declared = knobs_of(FedAvg)
    found = {
        "scenarios": [
            {
                "key": e.key,
                "title": e.title,
                "classes": len(e.item.class_names),
                "trained": [a.key for a in ARCHITECTURES if has_weights(weights_name(e.key, a.key))],
            }
            for e in SCENARIOS
            if not desk.catalog.scenario(e.key).problem()
        ],
        "archs": [{"key": e.key, "title": e.title} for e in ARCHITECTURES if e.info.role == "target"],
        "knobs": [
            {
                "name": name,
                "default": declared[name].default,
                "help": declared[name].help,
                "lo": declared[name].lo,
                "hi": declared[name].hi,
                "choices": list((declared[name].choices or {}).items()) or None,
            }
            for name in TRAINED_BY
        ],
        "splits": choices(),
        "updates": [
            {
                "key": i.key,
                "title": i.title,
                "summary": i.summary,
                "paper": i.paper,
                "threat": i.threat,
                "prior": i.prior,
            }
            for i in infos
            if i.on_updates
        ],
        "attacks": [
            {"key": i.key, "title": i.title}
            for i in infos
            if i.recovers is Recovers.CLASS and i.access.value == "white-box"
        ],
        "switches": {"labels": LABELS, "mode": MODES, "weights": WEIGHTS},
        "actors": {key: asdict(actor) for key, actor in ACTORS.items()},
        "trainings": [trained(f) for f in federations()],
        "costs": shipped_costs(),
    }
    return JSONResponse(found, headers=NO_STORE)


def trained(federation: Federation) -> dict[str, Any]:
    """Return a training with the accuracies of its rounds."""
    done = rounds_done(federation)
    return {
        "scenario": federation.scenario,
        "arch": federation.arch,
        "name": federation.label,
        "participants": federation.setting.participants,
        "done": done,
        "rounds": federation.setting.rounds,
        "cards": [round_row(federation, r) for r in range(done + 1)],
    }


def round_row(federation: Federation, round_: int) -> dict[str, Any]:
    card = card_of_round(federation, round_)
    return {
        "accuracy": card["heldout_accuracy"],
        "participants": card["participants"],
        "privacy": card.get("privacy"),
        "protocol": card.get("protocol"),
    }


@router.post("/train")
def train(asked: NewTraining, request: Request, desk: Desk) -> Response:
    config = asked.config()
    needed = bytes_needed(Federation.trained_as(config))
    return JSONResponse({"id": desk.train(config, request), "bytes": needed}, headers=NO_STORE)


@router.get("/training")
def training(desk: Desk, scenario: Text, arch: Text, run: Text) -> Response:
    """Return how a training stands that was started here, and its rounds so far."""
    row = training_row(desk, run)
    federation = Federation.trained_as(desk.store.training(run).config())
    return JSONResponse({**row, "found": trained(federation)}, headers=NO_STORE)


@router.post("/check")
def check(asked: NewRun) -> Response:
    """Return what stands in the way of a run, the threat that it is, and what its switches mean; nothing starts."""
    try:
        config = asked.config()
        info, attack = ATTACKS.entry(config.attack).info, configure(ATTACKS[config.attack], config.knobs)
        wrong = [*filter(None, [actor_problem(asked.actor, info, attack) if asked.actor in ACTORS else None])]
        wrong += problems(config)
    except WorkbenchError as error:
        return JSONResponse({"problems": [str(error)], "notes": [], "letter": "", "greyed": {}}, headers=NO_STORE)
    letter = threat_of(info, attack, len(config.classes)).letter if isinstance(attack, OnUpdates) else ""
    return JSONResponse(
        {
            "problems": wrong,
            "notes": update_notes(config) if info.on_updates else [],
            "letter": letter,
            "greyed": greyed(asked),
        },
        headers=NO_STORE,
    )


def greyed(asked: NewRun) -> dict[str, str]:
    """Return the attacks and switches that mean nothing as things stand, each with why."""
    found: dict[str, str] = {}
    for entry in ATTACKS:
        if entry.info.on_updates:
            own = {k: v for k, v in asked.knobs.items() if k in knobs_of(entry.item)}
            why = actor_problem(asked.actor, entry.info, configure(entry.item, own)) if asked.actor in ACTORS else None
            if why:
                found[f"attack:{entry.key}"] = why
    if asked.attack in ("dlg", "imprint"):
        found["labels"] = "This attack makes no use of labels: DLG looks for them, the imprint needs none."
    if asked.actor == "server":
        found["participants"] = "This server sees each update by itself."
    if asked.attack == "closed-form":
        found["mode"] = "A network whose first layer is linear has no batch statistics here."
    return found


@router.post("/run")
def run(asked: NewRun, request: Request, desk: Desk) -> Response:
    config = asked.config()
    attack = configure(ATTACKS[config.attack], config.knobs)
    if asked.actor in ACTORS and (why := actor_problem(asked.actor, ATTACKS.entry(config.attack).info, attack)):
        raise Incompatible([why])
    return JSONResponse({"id": desk.submit(config, request)}, headers=NO_STORE)


class NewFilm(NewRun):
    """The same attack on several rounds of a training; its `target` is left empty."""

    target: str = ""
    arch: str = Field(max_length=40)
    name: str = Field(max_length=200)
    victim: str = Field("global", max_length=20)

    def federation(self) -> Federation:
        """Return the training; raises `DataMissing`."""
        return chosen(self.scenario, self.arch, self.name)

    def rounds(self) -> list[int]:
        """Return the rounds of the film, first and last among them."""
        first, last = (0 if self.victim == "global" else 1), rounds_done(self.federation())
        count = min(FILM, last - first + 1)
        return sorted({round(first + (last - first) * i / max(1, count - 1)) for i in range(count)})


@router.post("/film")
def film(asked: NewFilm, request: Request, desk: Desk) -> Response:
    """Queue the attack on each round of the film that was not attacked so before; return the film as it stands."""
    have = {frame["round"] for frame in frames(desk, asked) if frame["run"]}
    for round_ in asked.rounds():
        if round_ not in have:
            target = asked.federation().target(round_, asked.victim)
            desk.submit(asked.model_copy(update={"target": target}).config(), request)
    return JSONResponse({"frames": frames(desk, asked)}, headers=NO_STORE)


@router.post("/frames")
def shown(asked: NewFilm, desk: Desk) -> Response:
    """Return the film as it stands; nothing starts."""
    return JSONResponse({"frames": frames(desk, asked)}, headers=NO_STORE)


def frames(desk: FederatedServices, asked: NewFilm) -> list[dict[str, Any]]:
    """Return each round of the film with the newest run of this attack on it, its picture and what the judges say."""
    federation = asked.federation()
    wanted = {federation.target(r, asked.victim): r for r in asked.rounds()}
    configs = {name: asked.model_copy(update={"target": name}).config() for name in wanted}
    found: dict[str, RunFolder] = {}
    for summary in desk.store.list(LISTED):
        if summary.target in wanted and summary.target not in found and summary.attack == asked.attack:
            try:
                folder = desk.store.folder(summary.id)
                config = folder.config()
            except StoreError:
                continue
            mine = configs[summary.target]
            if (config.classes, dict(config.knobs), config.seed) == (mine.classes, dict(mine.knobs), mine.seed):
                found[summary.target] = folder
    return [film_frame(round_, found.get(name), name) for name, round_ in wanted.items()]


def film_frame(round_: int, folder: RunFolder | None, target: str) -> dict[str, Any]:
    named = ModelOfRound.parse(target)
    empty = {"round": round_, "title": named.title if named else "", "run": "", "state": "missing", "sheet": ""}
    if folder is None:
        return {**empty, "recognised": None, "accuracy": None}
    manifest = folder.manifest()
    verdict = manifest.get("verdict") or {}
    return {
        **empty,
        "run": folder.id,
        "state": manifest["state"],
        "reason": manifest.get("reason", ""),
        "sheet": sheet_uri(folder, folder.latest()),
        "recognised": [verdict["recognised"], verdict["n"]] if verdict else None,
        "accuracy": (manifest.get("metrics") or {}).get("acc@1"),
    }
