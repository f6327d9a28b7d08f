"""What every tab is given, and the registry that tabs file themselves in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import fastapi
import gradio as gr

from workbench.analysis.prior_explorer import Explorer, PriorChoice
from workbench.core.errors import NotYours, StoreError, WorkbenchError
from workbench.core.records import RunConfig, TrainingConfig
from workbench.core.registry import Info, Registry
from workbench.runs.store import RunStore
from workbench.study.session import Studies
from workbench.ui.catalog import Catalog
from workbench.ui.visitors import Visitors, may_end, visitor_of
from workbench.workers.scheduler import Scheduler

FIRST_TAB = "invert"
Request = gr.Request | fastapi.Request


class How(TypedDict, total=False):
    """How Gradio carries out an event."""

    queue: bool
    show_progress: Literal["full", "minimal", "hidden"]
    api_visibility: Literal["public", "private", "undocumented"]
    trigger_mode: Literal["once", "multiple", "always_last"]
    concurrency_limit: int | None


# For events that must answer at once. Who turns a control again before the answer is there gets the newest one's
# answer. Gradio reads the controls anew for it, but not the event's own data, and by default drops the event.
LIGHT: How = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "trigger_mode": "always_last",
}
COMMAND: How = {**LIGHT, "trigger_mode": "multiple"}  # for events that carry what was asked for: each is carried out
START: How = {**LIGHT, "trigger_mode": "once"}  # a double click starts one run
# For events that may take seconds, and are queued. Who picks on before an answer is there gets the newest pick's answer.
QUIET: How = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": 4,
    "trigger_mode": "always_last",
}


@dataclass
class App:
    """Holds what tabs share.

    Attributes:
        run: hidden textbox with the id of the run that is shown; setting it opens that run everywhere.
        inferred: hidden textbox with the attribute inference that the Attributes tab shows.
        view: the live view; rendered by the tab that shows it.
        tabs: the tab bar; return ``gr.Tabs(selected=key)`` to it to turn to another tab.
        pages: the tab of each key, for listeners on its `select`.
        page: the whole page, for listeners on its loading.
        ended: fires after the shown run has ended.
        explorer: what looks at priors.
        visitors: who asks, and whose runs are whose.
        studies: what people are asked about runs.
        wanted: what the Prior or the Target tab is to show a browser session when it opens next.
        aimed: scenario, target and defense that Invert is to be set to when a browser session turns to it next.
    """

    store: RunStore
    scheduler: Scheduler
    catalog: Catalog = field(default_factory=Catalog)
    run: gr.Textbox = field(init=False)
    inferred: gr.Textbox = field(init=False)
    view: gr.HTML = field(init=False)
    tabs: gr.Tabs = field(init=False)
    page: gr.Blocks = field(init=False)
    pages: dict[str, gr.Tab] = field(default_factory=dict)
    ended: Any = None

    def __post_init__(self) -> None:
        self.explorer = Explorer(self.store.root / ".reach")
        self.visitors = Visitors(self.store.root)
        self.studies = Studies(self.store.root)
        self.wanted: dict[str, TrainingConfig] = {}
        self.aimed: dict[str, tuple[str, str, str]] = {}

    def when_opened(self, key: str, look: Callable[..., Any], inputs: Any, outputs: Any, **how: Any) -> Any:
        """Call `look` each time a tab is turned to; to be called last in the tab's build function.

        A tab's parts are made when it is first opened, and an answer that comes before is lost; so a probe
        at the tab's end reports that they are there.
        """
        probe = gr.HTML("", js_on_load="trigger('load')", apply_default_css=False, elem_classes="wb-probe")
        return gr.on([probe.load, self.pages[key].select], look, inputs, outputs, **how)

    def keep_current(self, key: str, menu: gr.Dropdown) -> None:
        """Show in a tab's menu of scenarios what there is when the tab is turned to: one may have been made since."""
        self.when_opened(key, lambda: gr.update(choices=self.catalog.scenarios()), None, menu, **LIGHT)

    def when_loaded(self, look: Callable[..., Any], inputs: Any, outputs: Any) -> Any:
        """Call `look` when a browser has loaded the page; the address it asked for is known to queued events only."""
        queued: How = {**LIGHT, "queue": True}
        return self.page.load(look, inputs, outputs, **queued)

    def has_run(self, run: str) -> bool:
        """Return whether a run, named by whoever asks, is in the store."""
        try:
            self.store.folder(run)
        except StoreError:
            return False
        return True

    # Everything that changes a run or a training goes through here, and through `ensure_mine`.

    def submit(self, config: RunConfig, request: Request | None, again: str = "") -> str:
        """Queue a run for who asks; returns its id. Raises `NotYours` if it goes on from another's run.

        Args:
            again: the run that it repeats; "" for none.
        """
        if config.fork is not None:
            self.ensure_mine(config.fork.run, request)
        return self.scheduler.submit(config, owner=visitor_of(request).owner, again=again)

    def submit_instead(self, config: RunConfig, request: Request | None) -> str:
        """Stop what is running, if it is their own, and queue a run as the next; returns its id."""
        running = self.scheduler.status()["running"]
        may = running is not None and self.mine(running, request)
        return self.scheduler.submit(config, owner=visitor_of(request).owner, instead_of=running, presenter=may)

    def clear_queue(self, request: Request | None) -> list[str]:
        """Take everything of who asks that waits out of the queue; returns the ids."""
        owner = visitor_of(request).owner
        return self.scheduler.clear(owner) if owner else []

    def train(self, config: TrainingConfig, request: Request | None) -> str:
        """Queue a training for who asks; returns its id."""
        return self.scheduler.train(config, owner=visitor_of(request).owner)

    def mine(self, run: str, request: Request | None) -> bool:
        """Return whether a run or training is for who asks to change; raises `StoreError` if it is not there."""
        return self.owns(self.store.summary(run).owner, request)

    def owns(self, owner: str, request: Request | None) -> bool:
        """Return whether what belongs to `owner` is for who asks to change."""
        return self.visitors.may_change(visitor_of(request), owner)

    def pause(self, run: str, request: Request | None) -> None:
        self.ensure_mine(run, request)
        self.scheduler.pause(run)

    def resume(self, run: str, request: Request | None) -> None:
        self.ensure_mine(run, request)
        self.scheduler.resume(run)

    def step(self, run: str, request: Request | None) -> None:
        self.ensure_mine(run, request)
        self.scheduler.step(run)

    def stop(self, run: str, request: Request | None) -> None:
        self.ensure_mine(run, request)
        self.scheduler.stop(run)

    def set_knob(self, run: str, name: str, value: Any, request: Request | None) -> None:
        self.ensure_mine(run, request)
        self.scheduler.set_knob(run, name, value)

    def rename(self, run: str, name: str, request: Request | None) -> None:
        self.ensure_mine(run, request)
        self.store.update(run, name=name)

    def delete(self, run: str, request: Request | None) -> None:
        self.ensure_mine(run, request)
        self.store.delete(run)

    def search_reach(self, chosen: PriorChoice, classes: list[int], wide: bool, request: Request | None) -> None:
        """Search how far a prior reaches; who asks for what another has asked for already shares that search."""
        self.explorer.reach(chosen, classes, wide, start=True, owner=visitor_of(request).owner)

    def end_reach(self, chosen: PriorChoice, classes: list[int], wide: bool, request: Request | None) -> None:
        """Take back one's own wish for a search, or end anybody's as a presenter. Raises `NotYours`."""
        job, visitor = self.explorer.reach(chosen, classes, wide, start=False), visitor_of(request)
        if job is None or job.ended:
            return
        if not may_end(visitor, job):
            raise NotYours("This search was asked for by somebody else; you can watch it.")
        if visitor.presenter:
            job.stop()
        else:
            job.withdraw(visitor.owner)

    def ensure_mine(self, run: str, request: Request | None) -> None:
        """Raise `NotYours` for who may only watch a run or training."""
        if not self.mine(run, request):
            raise NotYours("This run belongs to somebody else; you can watch it.")


def session_of(request: gr.Request | None) -> str:
    """Return the browser session that asks; "" where none is known."""
    return (request.session_hash or "") if request else ""


Build = Callable[[App], None]

TABS: Registry[Build, Info] = Registry("tab", "workbench.ui.tabs")


def tab(key: str, *, title: str, order: int = 100) -> Callable[[Build], Build]:
    """Register a function that builds a tab's contents inside the tab."""
    return TABS.register(Info(key=key, title=title, order=order))


def drawn_by(module: str, function: str) -> str:
    """Return the `js_on_load` of an HTML component that a function of `assets/<module>.js` draws.

    The function is called with what Gradio gives: the element, its props, `trigger` and `watch`. It imports the
    module itself, however late that comes: Gradio loads what a component's `head` names as classic scripts, which
    cannot be modules, and doesn't wait at all for one that the page's own head names as well.
    """
    failed = "element.textContent = 'This part of the page could not be loaded. Reload the page.'; throw error;"
    return (
        f"import('/wb/assets/{module}.js').then(m => m.{function}(element, props, trigger, watch))"
        f".catch(error => {{ {failed} }})"
    )


def literal(html: str) -> str:
    """Return HTML that Gradio leaves as it is in a template, where braces, dollars and backticks mean something."""
    return html.translate({ord(c): f"&#{ord(c)};" for c in "`${}\\"})


@contextmanager
def told() -> Iterator[None]:
    """Turn what the workbench raises on purpose into a message that the person sees."""
    try:
        yield
    except WorkbenchError as error:
        raise gr.Error(str(error), title="Not possible", duration=12, print_exception=False) from None
