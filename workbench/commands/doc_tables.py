"""Tables of the documents, each from what is registered, from the weights' cards or from the shipped results.

What an extension or a run on this machine adds is left out, so that every checkout of one state prints the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from workbench.analysis.prior_quality import figures_of
from workbench.analysis.protocol_costs import shipped_costs
from workbench.attacks import ATTACKS, AttackInfo
from workbench.attacks.threats import LETTERS
from workbench.commands.base import COMMANDS
from workbench.core.records import Access, Recovers
from workbench.core.registry import Entry, Info, Registry
from workbench.core.weights import carded_names, has_weights, read_card
from workbench.defenses import DEFENSES
from workbench.defenses.not_applicable import NOT_APPLICABLE
from workbench.defenses.store import release_name, target_card, target_problem, weights_name
from workbench.grids import GRIDS
from workbench.grids.base import gathered
from workbench.grids.markdown import COLUMNS, JUDGED, figure
from workbench.grids.markdown import judged as by_judges
from workbench.metrics import METRICS
from workbench.metrics.base import MetricInfo
from workbench.metrics.sets import SET_METRICS
from workbench.priors import PRIORS
from workbench.scenarios import SCENARIOS, Scenario
from workbench.targets import ARCHITECTURES

T = TypeVar("T")
InfoT = TypeVar("InfoT", bound=Info)
Record = dict[str, Any]  # of a grid's cell, as `workbench.grids.base.GridFile` describes it
NOWHERE = Path("/nonexistent")  # a run store without a run: shipped results alone count
STATES = {"missing": "not run", "unavailable": "not run", "failed": "failed", "stopped": "stopped"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |" for row in rows)])


def own(registry: Registry[T, InfoT]) -> Iterator[Entry[T, InfoT]]:
    """Iterate over what the workbench itself registers."""
    return (entry for entry in registry if getattr(entry.item, "__module__", "").startswith("workbench."))


def shipped_scenarios() -> list[Entry[type[Scenario], Info]]:
    """Return the scenarios that come with the workbench; what somebody brought to this machine is no matter of documents."""
    return [entry for entry in own(SCENARIOS) if not entry.item.own]


def named(title: str, key: str) -> str:
    """Return how a document calls what is registered: as the menus do, with the command line's word for it."""
    return f"{title} `{key}`"


def scenarios() -> str:
    def row(entry: Entry[type[Scenario], Info]) -> list[str]:
        scenario = entry.item()
        channels, height, width = scenario.input_shape
        image = f"{scenario.num_classes} × {height}×{width} {'grey' if channels == 1 else 'colour'}"
        return [named(entry.title, entry.key), scenario.private_source, scenario.public_source, image]

    return table(
        ["scenario", "private", "public: what the attacker has", "classes"],
        map(row, shipped_scenarios()),
    )


def attacks_by_access(recovers: Recovers | None = None) -> Iterator[tuple[Access, list[AttackInfo]]]:
    """Yield each access level, from everything to the label alone, with the attacks that need no more; see `Recovers`."""
    infos = [entry.info for entry in own(ATTACKS) if recovers in (None, entry.info.recovers)]
    for access in Access:
        if asking := [info for info in infos if info.access is access]:
            yield access, asking


def attacks(recovers: Recovers = Recovers.CLASS) -> str:
    """Return the attacks that recover one kind of thing, by what they may ask of the target."""
    titles = {entry.key: entry.title for entry in own(PRIORS)}
    rows = [
        [
            f"**{access.label}**" if number == 0 else "",
            named(info.title, info.key),
            titles.get(info.prior or "", "none"),
            info.paper,
        ]
        for access, asking in attacks_by_access(recovers)
        for number, info in enumerate(asking)
    ]
    return table(["what it may ask", "attack", "prior", "paper"], rows)


def on_updates() -> str:
    """Return the attacks on what participants send, by the threat model that they need."""
    titles = {entry.key: entry.title for entry in own(PRIORS)}
    rows = (
        [
            named(info.title, info.key),
            f"{info.threat}: {LETTERS[info.threat]}",
            titles.get(info.prior or "", "none"),
            info.paper,
        ]
        for info in (entry.info for entry in own(ATTACKS))
        if info.on_updates
    )
    return table(["attack", "threat model: the attacker", "prior", "paper"], rows)


def departures() -> str:
    """Return where attacks are otherwise than their papers."""
    rows = [[named(info.title, info.key), info.departs] for _, asking in attacks_by_access() for info in asking]
    return table(["attack", "departs from the paper"], [row for row in rows if row[1]])


def targets() -> str:
    rows = (
        [named(entry.title, entry.key), "judges, is never attacked" if entry.info.role == "evaluator" else "target"]
        for entry in own(ARCHITECTURES)
    )
    return table(["network", "role"], rows)


def priors() -> str:
    return table(
        ["prior", "tuned to a target", "paper"],
        (
            [named(entry.title, entry.key), "yes" if entry.item.tuned else "no", entry.info.paper]
            for entry in own(PRIORS)
        ),
    )


def defenses() -> str:
    acting = {"training": "in training", "output": "on the output", "split": "at a split"}
    rows = [
        [named(entry.title, entry.key), acting[entry.info.stage], entry.info.summary, entry.info.paper]
        for entry in own(DEFENSES)
        if entry.info.stage in acting
    ]
    rows += [[d.title, "not applicable", d.reason, d.paper] for d in NOT_APPLICABLE]
    return table(["defense", "acts", "how", "paper"], rows)


def metrics() -> str:
    infos: list[MetricInfo] = [entry.info for entry in own(METRICS)]
    infos += [entry.info for entry in own(SET_METRICS)]
    rows = ([named(info.title, info.key), info.unit, info.best, info.compares] for info in infos)
    return table(["metric", "unit", "more leakage is", "compares"], rows)


def commands() -> str:
    return table(["command", "does"], ([f"`{entry.key}`", entry.title] for entry in own(COMMANDS)))


def called(record: Record, part: str) -> str:
    """Return a row's name with the key that the command line knows; `part` of the configuration is what a row is."""
    return named(record["row"], record["config"][part])


def judged(record: Record, name: str) -> str:
    """Return a cell's metric, or in a word why there is none."""
    value, config = (record.get("metrics") or {}).get(name), record["config"]
    if record["state"] == "missing" and target_problem(config["scenario"], config["target"], config["defense"]):
        return "not trained"
    if record["state"] != "finished" or value is None:
        return STATES.get(record["state"], "–")
    return f"{value:.2f}"


def count(record: Record) -> int:
    """Return how many reconstructions a cell has."""
    return len(record["config"]["classes"]) * record["config"]["restarts"]


def shared(record: Record) -> str:
    """Return how many of a cell's pictures the judges recognise, then the evaluator's Acc@1; or in a word why neither."""
    accuracy, (known, *_) = judged(record, "acc@1"), by_judges(record)
    return f"{known.split()[0]}, {accuracy}" if record["state"] == "finished" else accuracy


def floors(records: Sequence[Record]) -> str:
    """Return what random samples of the prior get in these cells, least to greatest: of the judges, of the evaluator."""

    def span(values: Iterable[float | None]) -> str:
        known = sorted({f"{value:.2f}" for value in values if value is not None})
        return "unknown" if not known else known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}"

    judges = span((r.get("verdict") or {}).get("baseline") for r in records)
    return f"{judges} recognised, Acc@1 {span((r.get('baseline') or {}).get('acc@1') for r in records)}"


def pivot(records: Sequence[Record], part: str) -> str:
    """Return one group of cells as a table of its rows and columns.

    Args:
        part: what a row is, as the configuration calls it: "attack" or "defense".
    """

    def column(record: Record) -> str:
        return record["column"] if part == "attack" else named(record["column"], record["config"]["attack"])

    cells = {(called(record, part), column(record)): shared(record) for record in records}
    rows, columns = dict.fromkeys(row for row, _ in cells), list(dict.fromkeys(column for _, column in cells))
    return table([part, *columns], ([row, *(cells.get((row, column), "–") for column in columns)] for row in rows))


def groups(records: Iterable[Record], key: Callable[[Record], str]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(key(record), []).append(record)
    return found


def results(grid: str) -> str:
    """Return what a grid's cells give to the judges and to the evaluator, a table for each of its groups."""
    info = GRIDS.entry(grid).info
    parts = [info.text]
    for group, records in groups(gathered(grid, NOWHERE), lambda r: r["group"]).items():
        sizes = sorted({count(record) for record in records})
        said = f"**{group}**: recognised of n = {', '.join(map(str, sizes))} pictures, then the evaluator's Acc@1"
        parts += [f"{said}; random prior samples get {floors(records)}.", pivot(records, info.rows)]
    return "\n\n".join(parts)


def every_figure(grid: str) -> str:
    """Return a grid's cells with every figure of the judges and the evaluator, the floor in brackets."""
    info = GRIDS.entry(grid).info
    parts = [f"{info.text} In brackets what random samples of the prior get."]

    def name(record: Record) -> str:
        return called(record, "attack") + (f", seed {record['seed']}" if record["seed"] is not None else "")

    for scenario, records in groups(gathered(grid, NOWHERE), lambda r: r["column"]).items():
        rows = [
            [name(r), str(count(r)), *by_judges(r), *(figure(r, key) for key in COLUMNS.values())]
            if r["state"] == "finished"
            else [name(r), str(count(r)), *[judged(r, "acc@1")] * len((*JUDGED, *COLUMNS))]
            for r in records
        ]
        parts += [f"**{scenario}**", table(["attack", "n", *JUDGED, *COLUMNS], rows)]
    return "\n\n".join(parts)


def costs() -> str:
    """Return the held-out accuracy of each scenario's default target under each defense with weights."""
    rows = []
    for entry in own(DEFENSES):
        if entry.info.stage == "split":
            continue
        cells = [held_out(s.key, SCENARIOS[s.key].default_target, entry.key) for s in shipped_scenarios()]
        if entry.info.stage != "output" or any(cells):
            rows.append([named(entry.title, entry.key), *(cell or "not shipped" for cell in cells)])
    return table(["defense", *(entry.key for entry in shipped_scenarios())], rows)


def held_out(scenario: str, arch: str, defense: str) -> str:
    """Return a defended target's held-out accuracy from its card, with ε where there is one; "" if it has none."""
    around = release_name(scenario, arch, defense)
    name = around or weights_name(scenario, arch, defense)
    if not has_weights(name) or (around is None and DEFENSES.entry(defense).info.stage == "output"):
        return ""
    card = read_card(name) if around else target_card(scenario, arch, defense)
    epsilon = card.get("defense", {}).get("epsilon")
    return f"{card['heldout_accuracy']:.3f}" + (f" (ε {epsilon:g})" if epsilon else "")


def weights() -> str:
    """Return every shipped weight with what its card says."""

    def row(name: str) -> list[str]:
        card = read_card(name)
        accuracy = card.get("heldout_accuracy")
        distance = (figures_of(card, name.split("/")[0]) or {}).get("frechet")
        measured = (
            f"held-out accuracy {accuracy:.3f}"
            if accuracy is not None
            else f"Fréchet distance {distance:.1f}"
            if distance is not None
            else "–"
        )
        return [f"`{name}`", card.get("data", "–"), card.get("quality", "–"), measured, f"{card['bytes'] / 2**20:.1f}"]

    known = {entry.key for entry in shipped_scenarios()}
    names = [name for name in carded_names() if name.split("/")[0] in known]
    total = sum(read_card(name)["bytes"] for name in names) / 2**20
    return (
        table(["weights", "learnt from", "quality", "measured", "MB"], map(row, names))
        + f"\n\n{len(names)} files, {total:.0f} MB."
    )


def protocols() -> str:
    """Return what protocols of the sum cost and hide, as it was measured."""
    held = shipped_costs()
    head = [
        "protocol",
        "sent by one, MB",
        "processor seconds of all ten",
        "sum off by",
        "one update as the server sees it",
        "the finished model, inverted",
    ]
    rows = [[f"`{r['key']}`", r["sent"], r["seconds"], r["error"], r["view"], r["finished"]] for r in held["rows"]]
    return f"{table(head, rows)}\n\n{held['measured']}"


TABLES: dict[str, Callable[[], str]] = {
    "scenarios": scenarios,
    "attacks": attacks,
    "split-attacks": lambda: attacks(Recovers.PICTURE),
    "departures": departures,
    "on-updates": on_updates,
    "protocols": protocols,
    "targets": targets,
    "priors": priors,
    "defenses": defenses,
    "metrics": metrics,
    "commands": commands,
    "people": lambda: every_figure("table-people"),
    "white-box": lambda: every_figure("table-white-box"),
    "queries": lambda: results("table-queries"),
    "defended": lambda: results("table-defenses"),
    "strength": lambda: results("table-strength"),
    "costs": costs,
    "weights": weights,
}
