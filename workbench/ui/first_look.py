"""A first look at a target from elsewhere, before any attack: whom it takes its own people for, and how it wants its pixels."""

from __future__ import annotations

import base64
from functools import lru_cache
from html import escape

import torch
from torch import Tensor

from workbench.core.errors import WorkbenchError
from workbench.defenses.store import target_card
from workbench.engine.sanity import looked_at, sanity_warning
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.scenarios import SCENARIOS
from workbench.targets.remote.sources import is_foreign, source_of
from workbench.targets.sanity import Sanity, asked_about

SHOWN = 12  # photographs
WAYS = 6  # of asking, in the table


def from_elsewhere(scenario: str, target: str) -> bool:
    """Return whether a target is a file that somebody brought, which costs nobody anything to ask."""
    try:
        if is_foreign(target):
            return source_of(target).kind == "onnx"
        return "brought" in target_card(scenario, target)
    except WorkbenchError:  # it is not there; that is said elsewhere
        return False


def first_look(scenario: str, target: str, warned: bool = False) -> str:
    """Return what a target from elsewhere answers about its own people, as HTML; "" for one that was trained here.

    A service is not asked: it counts what it is asked.

    Args:
        warned: what is wrong is said elsewhere on the page.
    """
    if not from_elsewhere(scenario, target):
        return ""
    try:
        found = looked_at(scenario, target)
    except WorkbenchError as error:
        return f'<div class="wb-problem"><p>{escape(str(error))}</p></div>'
    if found is None:
        return '<p class="wb-note">The private photographs are not here, so that it cannot be asked about its own people.</p>'
    warning = "" if warned else sanity_warning(scenario, target) or ""
    problem = f'<div class="wb-problem" role="alert"><p>{escape(warning)}</p></div>' if warning else ""
    return (
        f'{problem}<section class="wb-card-text" data-testid="first-look"><h2>Does it know its own people?</h2>'
        f"<p>Asked as <code>{escape(str(found.spec))}</code> it names <b>{found.accuracy:.0%}</b> of {found.n} photographs right that "
        f"it should know; chance is {1 / found.classes:.0%}.</p>{answers(scenario, found)}{ways(found)}</section>"
    )


def answers(scenario: str, found: Sanity) -> str:
    """Return some of the photographs with what the target takes them for, as HTML."""
    names, images = SCENARIOS[scenario].class_names, photographs(scenario)
    rows = torch.linspace(0, found.n - 1, min(SHOWN, found.n)).round().long().tolist()
    return (
        '<div class="wb-first-look">'
        + "".join(
            f'<figure class="{"right" if found.predicted[i] == found.labels[i] else "wrong"}"><img src="{uri(images[i])}" '
            f'alt="{escape(names[found.labels[i]])}"><figcaption>{"✓" if found.predicted[i] == found.labels[i] else "✗"} '
            f"{escape(names[found.predicted[i]])} <span>{found.confidence[i]:.0%}</span></figcaption></figure>"
            for i in rows
        )
        + "</div>"
    )


def ways(found: Sanity) -> str:
    """Return the ways of asking that were tried, the best first, as HTML; "" where there is one alone."""
    if not found.tried:
        return ""
    tried = sorted([(found.spec, found.accuracy), *found.tried], key=lambda way: -way[1])[:WAYS]
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(str(spec))}</code>{" (as it is asked)" if spec == found.spec else ""}</th>'
        f'<td class="num{" wb-strong" if spec == found.best[0] else ""}">{share:.0%}</td></tr>'
        for spec, share in tried
    )
    return (
        '<table class="wb-table"><thead><tr><th scope="col">pixels scaled as</th><th class="num" scope="col">named right</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


@lru_cache(maxsize=4)
def photographs(scenario: str) -> Tensor:
    """Return the photographs (n, C, H, W) in [0, 1] that a target is asked about, in that order."""
    return asked_about(SCENARIOS[scenario]().private).images


def uri(image: Tensor) -> str:
    """Return an image (C, H, W) in [0, 1] as a data address."""
    drawn = webp(image[None], SheetLayout(1, 1, (image.shape[2], image.shape[1])))
    return "data:image/webp;base64," + base64.b64encode(drawn).decode()
