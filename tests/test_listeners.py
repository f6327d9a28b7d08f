"""What the page does with an event while the answer to the one before is awaited."""

from __future__ import annotations

import inspect
import re

import gradio as gr
import pytest

from workbench.runs.store import RunStore
from workbench.ui.page import build
from workbench.ui.shell import App
from workbench.ui.tabs.invert import listen
from workbench.ui.tabs.target import build as build_target
from workbench.workers.scheduler import Scheduler


@pytest.fixture(scope="module")
def listeners(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("runs"))
    page = build(App(store, Scheduler(store, device="cpu")))
    return [f for f in page.fns.values() if f.fn is not None]


def carries_data(listener) -> bool:
    return any(
        p.annotation in (gr.EventData, "gr.EventData") for p in inspect.signature(listener.fn).parameters.values()
    )


def test_some_listeners_carry_data_and_some_do_not(listeners):
    assert {carries_data(listener) for listener in listeners} == {True, False}


def test_an_event_with_data_of_its_own_is_not_asked_again_with_the_old_data(listeners):
    """Gradio repeats a deferred event with the data of the one before it."""
    assert not [f.name for f in listeners if carries_data(f) and f.trigger_mode == "always_last"]


def submits(listener) -> bool:
    """Return whether a listener, or the handler that it hands on to, queues a run."""
    return any(
        re.search(r"\.submit(_instead)?\(", inspect.getsource(function))
        for function in (listener.fn, getattr(listener.fn, "handler", None))
        if function
    )


def test_only_what_starts_something_drops_a_second_click(listeners):
    dropping = [f for f in listeners if f.trigger_mode == "once"]
    assert {"start", "start_card", "start_instead", "fork"} <= {f.fn.__name__ for f in dropping}
    assert not [f.name for f in dropping if not submits(f)]


@pytest.mark.parametrize("function", [listen, build_target])
def test_what_connects_the_controls_is_short(function):
    assert len(inspect.getsource(function).splitlines()) < 40
