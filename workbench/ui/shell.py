"""What every tab is given, and the registry that tabs file themselves in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from workbench.core.errors import WorkbenchError
from workbench.core.records import RunConfig, TrainingConfig
from workbench.core.registry import Registry
from workbench.runs.explore import Explorer
from workbench.runs.scheduler import Scheduler
from workbench.runs.store import RunStore
from workbench.ui.catalog import Catalog

FIRST_TAB = "invert"
LIGHT = dict(queue=False, show_progress="hidden", api_visibility="private")  # for events that must answer at once


@dataclass
class App:
    """Holds what tabs share.

    Attributes:
        run: hidden textbox with the id of the run that is shown; setting it opens that run everywhere.
        view: the live view; rendered by the tab that shows it.
        tabs: the tab bar; return ``gr.Tabs(selected=key)`` to it to turn to another tab.
        pages: the tab of each key, for listeners on its `select`.
        panel: the settings in Invert.
        ended: fires after the shown run has ended.
        explorer: what looks at priors.
        wanted: what the Prior tab is to show a browser session when it opens next.
    """

    store: RunStore
    scheduler: Scheduler
    catalog: Catalog = field(default_factory=Catalog)
    run: gr.Textbox | None = None
    view: gr.HTML | None = None
    tabs: gr.Tabs | None = None
    pages: dict[str, gr.Tab] = field(default_factory=dict)
    ended: Any = None
    panel: Any = None

    def __post_init__(self) -> None:
        self.explorer = Explorer(self.store.root / ".reach")
        self.wanted: dict[str, TrainingConfig] = {}

    def when_opened(self, key: str, look: Callable[..., Any], inputs: Any, outputs: Any, **how: Any) -> None:
        """Call `look` each time a tab is turned to; to be called last in the tab's build function.

        A tab's parts are made when it is first opened, and an answer that comes before is lost; so a probe
        at the tab's end reports that they are there.
        """
        probe = gr.HTML("", js_on_load="trigger('load')", apply_default_css=False, elem_classes="wb-probe")
        gr.on([probe.load, self.pages[key].select], look, inputs, outputs, **how)

    def submit(self, config: RunConfig, request: gr.Request | None) -> str:
        """Queue a run on behalf of a browser session; returns its id."""
        return self.scheduler.submit(config, owner=(request.session_hash or "") if request else "")


TABS: Registry[Callable[[App], None]] = Registry("tab", "workbench.ui.tabs")


def tab(key: str, *, title: str, order: int = 100):
    """Register a function that builds a tab's contents inside the tab."""
    return TABS.register(key, title=title, order=order)


@contextmanager
def told() -> Iterator[None]:
    """Turn what the workbench raises on purpose into a message that the person sees."""
    try:
        yield
    except WorkbenchError as error:
        raise gr.Error(str(error), title="Not possible", duration=12, print_exception=False) from None
