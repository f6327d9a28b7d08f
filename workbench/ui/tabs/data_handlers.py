"""What the Data tab shows and does, without its controls: plain data and HTML, nothing of Gradio.

What is read lies in the operator's data folder: the page names one of its entries, never a path.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from workbench.analysis.own_data import OwnPictures, bring, public_rows, rows_of, strip
from workbench.core.errors import UsageError
from workbench.core.paths import data_dir
from workbench.scenarios.own.store import OwnScenario, accept, name_problem, own_dir
from workbench.scenarios.reading.files import hidden
from workbench.scenarios.reading.layout import CLASSES_FROM
from workbench.scenarios.reading.picture import fitting_of
from workbench.scenarios.sets.base import DATA_SETS
from workbench.tabular.scenarios.base import tables_dir

MOST_SHOWN = 20  # classes with thumbnails
MOST_SAID = 60  # paths of one list
NONE = ""


@dataclass(frozen=True)
class Asked:
    """What the controls say."""

    source: str
    data_set: str = NONE
    public: str = NONE
    public_set: str = NONE
    side: int = 0
    grey: bool = False
    how: str = "crop"
    classes_from: str = "auto"
    private: str = ""


def entries() -> list[str]:
    """Return what lies in the data folder and may be pictures: folders, zip archives and arrays, by name."""
    try:
        found = sorted(data_dir().iterdir())
    except OSError:
        return []
    return [
        path.name
        for path in found
        if not hidden(path.name)
        and path not in (own_dir(), tables_dir())
        and (path.is_dir() or path.suffix.lower() in (".zip", ".npz"))
    ]


def place_of(name: str) -> Path:
    """Return where an entry of the data folder lies; raises `UsageError` for a name that is none of them."""
    if name not in entries():
        raise UsageError(
            f"There is no '{name[:60]}' in the data folder {data_dir()}. Put a folder, a .zip or an .npz there."
        )
    return data_dir() / name


def private_of(text: str) -> list[str] | int | None:
    """Return the private classes that a person has written: how many, or their names."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return None if not names else int(names[0]) if len(names) == 1 and names[0].isdecimal() else names


def looked(asked: Asked) -> OwnPictures:
    """Read what is asked for; raises `UsageError`."""
    return bring(
        place_of(asked.source),
        public=place_of(asked.public) if asked.public else None,
        data_set=asked.data_set or None,
        public_set=asked.public_set or None,
        side=asked.side or None,
        grey=asked.grey,
        how=fitting_of(asked.how),
        classes_from=next((c for c in CLASSES_FROM if c == asked.classes_from), "auto"),
        private=private_of(asked.private),
    )


def added(asked: Asked, brought: OwnPictures, name: str, title: str, noun: str) -> type[OwnScenario]:
    """Make a scenario of what was looked through; raises `UsageError`."""
    return accept(
        brought.plan,
        name.strip(),
        shape=brought.shape,
        how=fitting_of(asked.how),
        title=title.strip()[:80] or brought.title,
        noun=noun.strip()[:30] or brought.noun,
        source=brought.about,
        flips=brought.flips,
        licence=brought.licence,
        data_set=asked.data_set,
    )


def set_choices() -> list[tuple[str, str]]:
    return [("not one of these", NONE), *((entry.title, entry.key) for entry in DATA_SETS)]


def about_set(key: str) -> str:
    """Return what is known of a data set of the field, as HTML; "" for none."""
    if key not in DATA_SETS:
        return ""
    kind = DATA_SETS[key]
    rows = (
        ("Layout", kind.expected),
        ("Who is private", kind.protocol),
        ("Licence", kind.licence),
        ("To get it", kind.obtain),
    )
    body = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in rows)
    return f'<section class="wb-card-text"><h2>{escape(kind.title)}</h2><dl class="wb-why-not">{body}</dl></section>'


def nothing_there() -> str:
    """Return how to bring pictures, as HTML."""
    return (
        '<section class="wb-card-text"><h2>Bring your pictures</h2><p>Send a .zip, or put a folder with a folder for each person, a .zip of '
        f"one, or an .npz file into <code>{escape(str(data_dir()))}</code>, and look again. Nothing leaves this machine.</p>"
        "</section>"
    )


def report(brought: OwnPictures) -> str:
    """Return what was found, with thumbnails, as HTML."""
    return "".join(_parts(brought))


def _parts(brought: OwnPictures) -> Iterator[str]:
    plan, counts = brought.plan, brought.plan.counts()
    for text in plan.problems():
        yield f'<div class="wb-problem"><p>{escape(text)}</p></div>'
    tiles = (
        ("Pictures", f"{len(plan.pictures):,}"),
        ("Private people" if brought.noun == "person" else "Private classes", f"{len(counts):,}"),
        ("To learn from", f"{sum(train for _, train, _ in counts):,}"),
        ("Held out", f"{sum(held for _, _, held in counts):,}"),
        ("Public pictures", f"{len(plan.public):,}"),
        ("Left out", f"{len(plan.pictures.left):,}"),
    )
    body = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in tiles)
    size = " × ".join(map(str, brought.shape))
    yield (
        f'<section class="wb-card-text" data-testid="own-data"><h2>{escape(brought.title)}</h2><dl class="wb-tiles">{body}</dl>'
        f'<p class="wb-note">{escape(plan.pictures.layout.text)}; each brought to {size}.</p>'
    )
    if remarks := plan.remarks():
        yield "<h3>Before you accept this</h3><ul>" + "".join(f"<li>{escape(text)}</li>" for text in remarks) + "</ul>"
    if broken := plan.pictures.left.broken.files:
        rows = "".join(f"<li><code>{escape(name)}</code> {escape(why)}</li>" for name, why in broken[:MOST_SAID])
        more = plan.pictures.left.broken.count - min(MOST_SAID, len(broken))
        yield f"<details><summary>Cannot be read</summary><ul>{rows}</ul>{f'<p>and {more:,} more</p>' if more else ''}</details>"
    yield "<h3>Private</h3>"
    for c, (name, train, held) in enumerate(counts[:MOST_SHOWN]):
        yield _strip(name, strip(rows_of(plan, c)), f"pictures of {name}", f"{train}, and {held} held out")
    if len(counts) > MOST_SHOWN:
        yield f'<p class="wb-note">and {len(counts) - MOST_SHOWN:,} more</p>'
    if len(plan.public):
        yield "<h3>Public</h3>" + _strip("others", strip(public_rows(plan, 8)), "public pictures")
    yield "</section>"


def _strip(label: str, webp: bytes, said: str, note: str = "") -> str:
    source = "data:image/webp;base64," + base64.b64encode(webp).decode()
    return (
        f'<div class="wb-strip"><b>{escape(label)}<br><small>{escape(note)}</small></b><div class="wb-strip-body wb-strip-own" style="--n:8"><img src="{source}" '
        f'alt="{escape(said)}"></div></div>'
    )


def accepted(scenario: type[OwnScenario]) -> str:
    """Return what to do next with a scenario that was made, as HTML."""
    return (
        f'<section class="wb-card-text" data-testid="own-accepted" role="status"><h2>{escape(scenario.title)} is a scenario</h2>'
        f"<p>It is called <code>{escape(scenario.key)}</code>, here and on the command line, and stays in "
        f"<code>{escape(str(scenario.folder))}</code>. Below, a target learns its private pictures and a prior the public ones; "
        "then it can be attacked.</p></section>"
    )


def bad_name(name: str) -> str | None:
    return name_problem(name.strip())
