"""What the table of runs and the comparison of two say, as plain data and HTML; nothing of Gradio."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from workbench.attacks import attack_label
from workbench.core.errors import WorkbenchError
from workbench.core.records import RunConfig
from workbench.priors import PRIORS
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore, RunSummary
from workbench.ui.figures import UNKNOWN, arrow, metric_name, number

PAGE = 50  # lines of the table
LONGEST_SEARCH = 80
MOST_AT_ONCE = 500  # runs that one click deletes
SETTINGS = {
    "budget": "query limit",
    "restarts": "tries per class",
    "asks": "asks per question",
    "fork": "begun from",
}


@dataclass(frozen=True)
class Look:
    """Which part of the table somebody looks at; pages are counted from 0."""

    page: int = 0
    search: str = ""

    @classmethod
    def of(cls, value: Any) -> Look:
        """Return what the page's own value says, as far as it makes sense."""
        said = value if isinstance(value, Mapping) else {}
        page = said.get("page", 0)
        search = said.get("search", "")
        return cls(
            max(0, page) if isinstance(page, int) else 0,
            search.strip()[:LONGEST_SEARCH] if isinstance(search, str) else "",
        )


def listing(store: RunStore, look: Look, owns: Callable[[str], bool], said: str = "") -> dict[str, Any]:
    """Return one page of the table, newest runs first, as the page draws it.

    Args:
        owns: whether an owner's runs are for who looks to change.
        said: what has just been done, in a sentence.
    """
    page = store.list(PAGE, offset=look.page * PAGE, search=look.search, kind=None)
    last = max(0, -(-page.total // PAGE) - 1)
    if look.page > last:  # what stood there was deleted
        return listing(store, Look(last, look.search), owns, said)
    return {
        "rows": [{**row(summary), "mine": owns(summary.owner)} for summary in page],
        "page": look.page,
        "pages": last + 1,
        "total": page.total,
        "search": look.search,
        "said": " ".join(filter(None, [said, store.index.repaired])),
        "seq": time.time_ns(),
    }


def ago(then: float) -> str:
    """Return how long ago a time was, roughly."""
    seconds = max(0, time.time() - then)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def row(summary: RunSummary) -> dict[str, Any]:
    """Return one line of the table as plain data; the page writes it as text, never as markup."""
    shared = {
        "id": summary.id,
        "kind": summary.kind,
        "name": summary.name or "",
        "state": summary.state.value,
        "ended": summary.state.ended,
        "seed": summary.seed,
        "when": ago(summary.created),
        "reason": summary.reason,
        "seconds": None if summary.seconds is None else round(summary.seconds, 1),
    }
    if summary.kind == "training":
        what = f"Training: {trained(summary)} on {summary.scenario}{defended(summary)}"
        return {**shared, "what": what, "steps": summary.steps}
    return {
        **shared,
        "what": f"{attack_label(summary.attack)} on {summary.scenario}/{summary.target}{defended(summary)}",
        "count": summary.candidates,
        "accuracy": None if summary.accuracy is None else round(100 * summary.accuracy),
    }


def trained(summary: RunSummary) -> str:
    """Return what a training trains, in words."""
    if summary.attack == "target":
        return f"target {summary.target}"
    title = PRIORS.entry(summary.attack).title if summary.attack in PRIORS else summary.attack
    return f"{title} prior" + (f" for {summary.target}" if summary.target else "")


def defended(summary: RunSummary) -> str:
    return "" if summary.defense == "none" else f" + {summary.defense}"


def differences(a: RunConfig, b: RunConfig) -> list[tuple[str, str, str]]:
    """Return what two configurations set differently: name in words, first, second."""
    left, right = ({**c.to_json(), **{f"knob {k}": v for k, v in c.knobs.items()}} for c in (a, b))
    names = [name for name in {**left, **right} if name != "knobs" and left.get(name) != right.get(name)]
    return [(setting(name), written(left.get(name)), written(right.get(name))) for name in names]


def setting(name: str) -> str:
    """Return a setting's name in words."""
    return SETTINGS.get(name, name).replace("_", " ")


def written(value: Any) -> str:
    """Return a setting's value as a person writes it."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value)


def compared(store: RunStore, runs: list[str]) -> str:
    """Return two runs side by side: true images, sheets, measures, and what was set differently, as HTML."""
    if len(runs) != 2:
        return ""
    try:
        folders = [store.folder(run) for run in runs]
        judged = [(f.judgement() or {}).get("reconstruction", {}).get("overall", {}) for f in folders]
        changed = differences(folders[0].config(), folders[1].config())
    except WorkbenchError as error:
        return f'<div class="wb-problem"><p>{escape(str(error))}</p></div>'
    sheets = "".join(sheet(letter, folder) for letter, folder in zip("AB", folders, strict=True))
    measures = "".join(
        f'<tr><th scope="row">{escape(metric_name(m))} {arrow(m)}</th>'
        + "".join(f'<td class="num">{number(m, side.get(m))}</td>' for side in judged)
        + "</tr>"
        for m in {**judged[0], **judged[1]}
    )
    settings = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(x)}</td><td>{escape(y)}</td></tr>'
        for name, x, y in changed
    )
    nothing = '<tr><td colspan="3">{}</td></tr>'
    return (
        f'<section class="wb-card-text" data-testid="compared"><h2>A and B</h2><div class="wb-ab">{sheets}</div>'
        f"<div class='wb-two'><div class='wb-scroll'><table class='wb-table'><thead><tr><th>measure</th>"
        f"<th class='num'>A</th><th class='num'>B</th></tr></thead><tbody>"
        f"{measures or nothing.format('Neither was judged.')}</tbody></table></div><div class='wb-scroll'>"
        f"<table class='wb-table'><thead><tr><th>set differently</th><th>A</th><th>B</th></tr></thead>"
        f"<tbody>{settings or nothing.format('Nothing: the same settings.')}</tbody></table></div></div></section>"
    )


def sheet(letter: str, folder: RunFolder) -> str:
    """Return one run's true images over its reconstructions, as HTML."""
    name = escape(folder.manifest().get("name") or folder.id)
    truth = (
        f'<img src="/wb/runs/{folder.id}/truth.webp" alt="True images of run {name}">'
        if (folder.path / "truth.webp").is_file()
        else ""
    )
    found = (
        f'<img src="/wb/runs/{folder.id}/frames/latest.webp" alt="Reconstructions of run {name}">'
        if folder.latest() is not None
        else '<p class="wb-note">No frame was recorded.</p>'
    )
    beside = '<p class="wb-note">Above: the private images. Below: what was found.</p>' if truth else ""
    return f"<figure><figcaption><b>{letter}</b> {name}</figcaption>{truth}{found}{beside}</figure>"
