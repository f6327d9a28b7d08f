"""What passes between the application and its worker: every message survives its line, nothing else is understood."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.records import RunState
from workbench.workers.protocol import Do, NotUnderstood, Report, Said, WorkerCommand

texts = st.text(max_size=20)
values = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | texts


@given(st.builds(WorkerCommand, st.sampled_from(Do), texts, st.integers(0, 99), texts.filter(bool), values))
def test_a_command_survives_its_line(command):
    assert command.line().count("\n") == 1
    assert WorkerCommand.parse(command.line()) == command == WorkerCommand.parse(command.line().encode())


@given(
    st.builds(
        Report,
        st.sampled_from(Said),
        texts,
        st.integers(0, 99),
        do=texts,
        message=texts,
        state=st.sampled_from(RunState),
        reason=texts,
        filed=st.booleans(),
        leaving=st.booleans(),
        device=st.dictionaries(texts, values, max_size=3),
    )
)
def test_a_report_survives_its_line(report):
    assert Report.parse(report.line()) == report


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("7", "not a JSON object"),
        ("{}", "None"),
        ({"do": "faster", "run": "a"}, "'faster'.*start, pause, resume, step, stop, set"),
        ({"do": ["stop"], "run": "a"}, "stop"),
        ({"do": "__class__", "run": "a"}, "__class__"),
        ({"do": "stop"}, "run"),
        ({"do": "stop", "run": 7}, "run='7' is not a str"),
        ({"do": "stop", "run": "a", "number": "x"}, "number"),
        ({"do": "stop", "run": "a", "why": "x"}, "why"),
        ({"do": "set", "run": "a", "value": 1}, "names no knob"),
    ],
)
def test_what_is_no_command_is_told_as_such(line, words):
    with pytest.raises(NotUnderstood, match=words):
        WorkerCommand.parse(json.dumps(line) if isinstance(line, dict) else line)


@pytest.mark.parametrize("line", ["Traceback", '{"said": "hello"}', '{"said": "ended", "state": "asleep"}', "null"])
def test_what_is_no_report_is_told_as_such(line):
    with pytest.raises(NotUnderstood):
        Report.parse(line)
