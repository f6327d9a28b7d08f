"""The notebook in docs/ runs as it stands."""

from __future__ import annotations

import json

import pytest

from workbench.core.paths import ROOT

NOTEBOOK = ROOT / "docs" / "engine.ipynb"


def cells() -> list[str]:
    told = json.loads(NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in told["cells"] if cell["cell_type"] == "code"]


def test_the_engine_is_driven_in_five_lines():
    assert len(cells()[1].splitlines()) == 5 and all(compile(cell, "cell", "exec") for cell in cells())
    assert not any(cell.get("outputs") for cell in json.loads(NOTEBOOK.read_text())["cells"])


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    here: dict[str, object] = {}
    for cell in cells():
        exec(compile(cell, str(NOTEBOOK), "exec"), here)
    assert capsys.readouterr().out.startswith("finished (5, 1, 32, 32)")
    (folder,) = [path for path in (tmp_path / "notebook-runs").iterdir() if (path / "run.json").is_file()]
    assert (folder / "images.png").is_file() and here["images"].max() <= 1
