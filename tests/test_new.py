"""What `new` writes works as it stands: found through its entry point, registered, its own tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from workbench.__main__ import main
from workbench.commands.new import KINDS, written
from workbench.core.errors import UsageError
from workbench.core.paths import ROOT


@pytest.mark.slow
def test_every_skeleton_is_found_by_its_entry_point_and_passes_its_own_tests(tmp_path, capsys):
    """As after `pip install -e`: the folder is on the path, and its metadata name the entry point."""
    paths = []
    for kind in KINDS:
        goal = tmp_path / f"mi-my-{kind}"
        assert main(["new", kind, f"my-{kind}", "--to", str(goal)]) == 0
        project = tomllib.loads((goal / "pyproject.toml").read_text())
        about = goal / f"mi_my_{kind}-0.1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mi-my-{kind}\nVersion: 0.1\n")
        points = project["project"]["entry-points"]["mi_workbench"]
        (about / "entry_points.txt").write_text(
            "[mi_workbench]\n" + "".join(f"{name} = {module}\n" for name, module in points.items())
        )
        paths.append(str(goal))
    assert "mi_my_attack.py" in capsys.readouterr().out
    (tmp_path / "test_points.py").write_text(
        "from workbench.core.registry import load_extensions\ndef test_all(): assert load_extensions() == ()\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, str(ROOT)]), "WORKBENCH_RUNS": str(tmp_path / "runs")}
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-1000:]
    assert "9 passed" in found.stdout


@pytest.mark.parametrize("name", ["", "Mine", "../x", "a_b", "-a", "a--b", "x" * 41, "a b", "ä"])
def test_names_that_are_none_are_refused_and_leave_nothing(tmp_path, name):
    with pytest.raises(UsageError, match="is no name"):
        written("attack", name, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    with pytest.raises(UsageError, match="there already"):
        written("metric", "mine", tmp_path)
    assert list(Path(tmp_path).iterdir()) == []
