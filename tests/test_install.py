"""The workbench as an installed package: what the wheel carries, and that it runs away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.processes import free_port, running
from workbench.core import paths
from workbench.core.weights import amend_card, carded_names, has_weights, load_weights, read_card, save_weights

ROOT = Path(__file__).parents[1]
STARTING = 300  # seconds after which something is wrong, however busy the machine


def required(path: str) -> set[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / path).read_text().splitlines())
    return {line for line in lines if line}


def test_the_two_lists_of_requirements_repeat_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    itself = {f"{project['name']}[{extra}]" for extra in extras}
    assert required("requirements.txt") == set(project["dependencies"])
    # The other extras are for what not everyone needs, and tests do without.
    assert required("tests/requirements.txt") == {*extras["test"], *extras["dev"]} - itself


def wheel_of(tmp_path_factory: pytest.TempPathFactory, copying: Callable[[str, str], object]) -> Path:
    """Return a wheel built from a copy: setuptools leaves things beside what it builds."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("workbench", "assets", "models"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=skipped, copy_function=copying)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy)
    (copy / "models" / ".checkpoints").mkdir(exist_ok=True)
    (copy / "models" / ".checkpoints" / "half-done.pt").write_bytes(b"nobody's business")
    arguments = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(out), "."]
    subprocess.run([sys.executable, "-m", "pip", *arguments], cwd=copy, check=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel in which weights are empty files: packing what they hold takes most of the time."""
    return wheel_of(tmp_path_factory, link_or_touch)


@pytest.fixture(scope="module")
def whole_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(tmp_path_factory, link_or_copy)


def link_or_touch(source: str, goal: str) -> None:
    if source.endswith(".safetensors"):
        Path(goal).touch()
    else:
        link_or_copy(source, goal)


def link_or_copy(source: str, goal: str) -> None:
    try:
        os.link(source, goal)
    except OSError:
        shutil.copy2(source, goal)


def files_under(folder: Path) -> set[str]:
    inside = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {str(p) for p in inside if not any(part.startswith(".") or part == "__pycache__" for part in p.parts)}


def test_the_wheel_carries_packages_assets_and_weights_but_no_checkpoints(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {f"workbench/{name}" for name in files_under(ROOT / "workbench")} <= inside
    assert {f"workbench/_assets/{name}" for name in files_under(ROOT / "assets")} <= inside
    assert {f"workbench/_models/{name}" for name in files_under(ROOT / "models")} <= inside
    assert not [name for name in inside if ".checkpoints" in name or "__pycache__" in name]
    assert {name.split("/")[0] for name in inside if ".dist-info" not in name} == {"workbench"}
    assert {Path(name).name for name in inside if "/licenses/" in name} == {"LICENSE", "NOTICE"}


@pytest.fixture(scope="module")
def installed(whole_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a fresh environment with the wheel, which borrows all dependencies from this one."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    own = next((folder / "lib").glob("python*")) / "site-packages"
    (own / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(whole_wheel)], check=True)
    return folder


@pytest.fixture
def away(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user with an empty home."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "XDG_", "PYTHON"))}
    return {**kept, "HOME": str(tmp_path)}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_installed_copy_runs_an_attack_away_from_the_checkout(installed, away, tmp_path):
    command = [str(installed / "bin" / "mi-workbench")]
    run = ["run", "--scenario", "digits", "--attack", "gmi", "--classes", "0", "--set", "steps=5", "--device", "cpu"]
    done = subprocess.run(
        [*command, *run, "--json"], cwd=tmp_path, env=away, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    home = tmp_path / ".local" / "share" / "mi-workbench"
    assert (home / "runs" / result["run"] / "result.safetensors").is_file()
    assert result["metrics"]["acc@1"] is not None and result["target_accuracy"] > 0.9

    train = ["train", "target", "--scenario", "faces", "--arch", "softmax", "--epochs", "1", "--device", "cpu"]
    subprocess.run([*command, *train], cwd=tmp_path, env=away, capture_output=True, check=True)
    assert (home / "models" / "faces" / "target-softmax.safetensors").is_file()
    doctor = subprocess.run([*command, "doctor", "--json"], cwd=tmp_path, env=away, capture_output=True, check=True)
    found = json.loads(doctor.stdout)
    assert found["healthy"] and found["models"] == str(home / "models")
    own = {r["key"]: r["heldout_accuracy"] for r in found["targets"] if r["scenario"] == "faces"}
    assert own["softmax"] < 0.5 < own["resnet"], "the one trained here for one epoch, and the one that was shipped"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_installed_copy_serves_the_interface_and_its_worker(installed, away, tmp_path):
    port = free_port()
    command = [str(installed / "bin" / "mi-workbench"), "serve", "--port", str(port), "--device", "cpu"]
    with (tmp_path / "log").open("wb") as log, running(command, cwd=tmp_path, env=away, stdout=log, stderr=log) as app:

        def worker_ready() -> bool:
            assert app.poll() is None, (tmp_path / "log").read_text()
            return b'"ready"' in get(port, "/wb/status")

        wait_until(worker_ready)
        assert b"Model Inversion Workbench" in get(port, "/")
        assert get(port, "/wb/assets/app.js")


def get(port: int, path: str) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.read()
    except OSError:
        return b""


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + STARTING
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)


@pytest.fixture
def as_installed(tmp_path, monkeypatch) -> Path:
    """Let the paths be those of an installed copy with one shipped weight, and return its package folder."""
    for variable in [name for name in os.environ if name.startswith(("WORKBENCH_", "XDG_"))]:
        monkeypatch.delenv(variable)
    package = tmp_path / "site-packages" / "workbench"
    monkeypatch.setattr(paths, "PACKAGE", package)
    monkeypatch.setattr(paths, "INSTALLED", True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_MODELS", str(package / "_models"))
    save_weights("toy/target-cnn", {"w": torch.zeros(2)}, {"what": "shipped", "finished": True})
    monkeypatch.delenv("WORKBENCH_MODELS")
    return package


def test_an_installed_copy_keeps_what_it_makes_in_the_users_folders(as_installed, tmp_path, monkeypatch):
    data = tmp_path / "home" / ".local" / "share" / "mi-workbench"
    assert (paths.runs_dir(), paths.data_dir(), paths.models_dir()) == (data / "runs", data / "data", data / "models")
    assert paths.cache_dir() == tmp_path / "home" / ".cache" / "mi-workbench"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    assert paths.runs_dir() == tmp_path / "elsewhere" / "mi-workbench" / "runs"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert paths.runs_dir() == data / "runs"
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "mine"))
    assert (paths.runs_dir(), paths.cache_dir()) == (tmp_path / "mine", tmp_path / "mine" / "cache")


def test_weights_made_by_the_user_go_before_shipped_ones_which_stay_as_they_are(as_installed, tmp_path):
    shipped = {p: p.read_bytes() for p in as_installed.rglob("*") if p.is_file()}
    assert has_weights("toy/target-cnn") and read_card("toy/target-cnn")["what"] == "shipped"
    assert carded_names() == ["toy/target-cnn"]
    save_weights("toy/target-cnn", {"w": torch.ones(2)}, {"what": "own"})
    save_weights("toy/target-mlp", {"w": torch.ones(2)}, {"what": "own"})
    tensors, card = load_weights("toy/target-cnn")
    assert card["what"] == "own" and tensors["w"].tolist() == [1, 1]
    assert carded_names() == ["toy/target-cnn", "toy/target-mlp"]
    assert {p: p.read_bytes() for p in as_installed.rglob("*") if p.is_file()} == shipped


def test_a_figure_added_to_a_shipped_card_is_kept_in_the_users_folder(as_installed, tmp_path):
    before = read_card("toy/target-cnn")
    amend_card("toy/target-cnn", before["sha256"], {"fid": 3.0})
    tensors, card = load_weights("toy/target-cnn")
    assert card == {**before, "fid": 3.0} and tensors["w"].tolist() == [0, 0]
    assert json.loads((as_installed / "_models" / "toy" / "target-cnn.json").read_text()) == before


def test_a_checkout_keeps_everything_beside_the_package(monkeypatch):
    for variable in [name for name in os.environ if name.startswith("WORKBENCH_")]:
        monkeypatch.delenv(variable)
    assert not paths.INSTALLED
    assert (paths.ASSETS, paths.models_dir(), paths.runs_dir()) == (ROOT / "assets", ROOT / "models", ROOT / "runs")
    assert paths.cache_dir() == ROOT / "runs" / "cache"
