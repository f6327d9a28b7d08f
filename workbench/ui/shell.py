"""What every tab is given, and the registry that tabs file themselves in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from workbench.analysis.prior_explorer import Explorer
from workbench.core.errors import StoreError, WorkbenchError
from workbench.core.records import RunConfig, TrainingConfig
from workbench.core.registry import Info, Registry
from workbench.runs.store import RunStore
from workbench.ui.catalog import Catalog
from workbench.workers.scheduler import Scheduler

FIRST_TAB = "invert"
# For events that must answer at once. Who turns a control again before the answer is there gets the newest one's
# answer. Gradio reads the controls anew for it, but not the event's own data, and by default drops the event.
LIGHT = dict(queue=False, show_progress="hidden", api_visibility="private", trigger_mode="always_last")
COMMAND = LIGHT | {"trigger_mode": "multiple"}  # for events that carry what was asked for: each is carried out
START = LIGHT | {"trigger_mode": "once"}  # a double click starts one run


@dataclass
class App:
    """Holds what tabs share.

    Attributes:
        run: hidden textbox with the id of the run that is shown; setting it opens that run everywhere.
        view: the live view; rendered by the tab that shows it.
        tabs: the tab bar; return ``gr.Tabs(selected=key)`` to it to turn to another tab.
        pages: the tab of each key, for listeners on its `select`.
        page: the whole page, for listeners on its loading.
        ended: fires after the shown run has ended.
        explorer: what looks at priors.
        wanted: what the Prior or the Target tab is to show a browser session when it opens next.
        aimed: scenario, target and defense that Invert is to be set to when a browser session turns to it next.
    """

    store: RunStore
    scheduler: Scheduler
    catalog: Catalog = field(default_factory=Catalog)
    run: gr.Textbox = field(init=False)
    view: gr.HTML = field(init=False)
    tabs: gr.Tabs = field(init=False)
    page: gr.Blocks = field(init=False)
    pages: dict[str, gr.Tab] = field(default_factory=dict)
    ended: Any = None

    def __post_init__(self) -> None:
        self.explorer = Explorer(self.store.root / ".reach")
        self.wanted: dict[str, TrainingConfig] = {}
        self.aimed: dict[str, tuple[str, str, str]] = {}

    def when_opened(self, key: str, look: Callable[..., Any], inputs: Any, outputs: Any, **how: Any) -> Any:
        """Call `look` each time a tab is turned to; to be called last in the tab's build function.

        A tab's parts are made when it is first opened, and an answer that comes before is lost; so a probe
        at the tab's end reports that they are there.
        """
        probe = gr.HTML("", js_on_load="trigger('load')", apply_default_css=False, elem_classes="wb-probe")
        return gr.on([probe.load, self.pages[key].select], look, inputs, outputs, **how)

    def when_loaded(self, look: Callable[..., Any], inputs: Any, outputs: Any) -> Any:
        """Call `look` when a browser has loaded the page; the address it asked for is known to queued events only."""
        return self.page.load(look, inputs, outputs, **LIGHT | {"queue": True})

    def has_run(self, run: str) -> bool:
        """Return whether a run, named by whoever asks, is in the store."""
        try:
            self.store.folder(run)
        except StoreError:
            return False
        return True

    def submit(self, config: RunConfig, request: gr.Request | None) -> str:
        """Queue a run on behalf of a browser session; returns its id."""
        return self.scheduler.submit(config, owner=session_of(request))

    def submit_instead(self, config: RunConfig, request: gr.Request | None) -> str:
        """Stop what is running and queue a run as the next; returns its id."""
        running = self.scheduler.status()["running"]
        return self.scheduler.submit(config, owner=session_of(request), instead_of=running)

    def stop(self, run: str, request: gr.Request | None) -> None:
        self.scheduler.stop(run)

    def rename(self, run: str, name: str, request: gr.Request | None) -> None:
        self.store.update(run, name=name)

    def delete(self, run: str, request: gr.Request | None) -> None:
        self.store.delete(run)

    def clear_queue(self, request: gr.Request | None) -> list[str]:
        """Take everything of a browser session's that waits out of the queue; returns the ids."""
        return self.scheduler.clear(session_of(request))


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


@contextmanager
def told() -> Iterator[None]:
    """Turn what the workbench raises on purpose into a message that the person sees."""
    try:
        yield
    except WorkbenchError as error:
        raise gr.Error(str(error), title="Not possible", duration=12, print_exception=False) from None
