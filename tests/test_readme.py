"""What README, CONTRIBUTING and docs/ promise is what there is."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml

import workbench
from tests.test_structure import LAYERS
from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import FixedControl
from workbench.commands import main, parser_of
from workbench.commands.doc_tables import TABLES, every_figure, results
from workbench.commands.docs import documents, renewed
from workbench.core.knobs import knobs_of
from workbench.core.records import Access
from workbench.core.registry import GROUP
from workbench.defenses import DEFENSES
from workbench.defenses.store import load_classifier
from workbench.metrics import METRICS
from workbench.priors import load_prior
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES, Classifier, TargetView

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [*documents(ROOT), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


def test_readme_is_short_enough_to_be_read():
    assert len(README.encode()) <= 9000


@pytest.mark.parametrize("path", documents(ROOT), ids=lambda path: path.name)
def test_tables_are_what_the_registries_and_the_shipped_results_say(path):
    assert path.read_text() == renewed(path.read_text()), "run: python -m workbench docs --write"


def test_every_table_has_its_place():
    placed = [name for path in documents(ROOT) for name in re.findall("<!-- table: (\\S+) -->", path.read_text())]
    assert sorted(placed) == sorted(TABLES)


def test_a_table_that_is_not_what_it_would_be_is_found_and_written(tmp_path, capsys):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "README.md").write_text(README.replace("| GMI `gmi` |", "| GMI `gmi`, always right |"))
    assert "always right" in (tmp_path / "README.md").read_text()
    assert main(["docs", "--check", "--root", str(tmp_path)]) == 1
    assert "README.md" in capsys.readouterr().err
    assert main(["docs", "--write", "--root", str(tmp_path)]) == 0
    assert (tmp_path / "README.md").read_text() == README
    assert main(["docs", "--check", "--root", str(tmp_path)]) == 0


def test_a_table_of_no_name_is_refused(tmp_path, capsys):
    (tmp_path / "README.md").write_text("<!-- table: wishes -->\n<!-- end -->\n")
    assert main(["docs", "--check", "--root", str(tmp_path)]) == 2
    assert "wishes" in capsys.readouterr().err


def test_a_figure_that_is_not_shipped_is_not_printed(monkeypatch, tmp_path):
    assert re.search(r"\| \d\.\d\d", every_figure("table-white-box"))
    monkeypatch.setattr("workbench.grids.base.ASSETS", tmp_path)
    for text in (every_figure("table-white-box"), results("table-defenses")):
        assert "not run" in text and not re.search(r"\| \d\.\d\d", text)


def test_what_somebody_brought_is_in_no_document(monkeypatch):
    assert "digits" in TABLES["costs"]().splitlines()[0]
    monkeypatch.setattr(SCENARIOS["digits"], "own", True)
    assert "digits" not in TABLES["costs"]().splitlines()[0]


@pytest.mark.parametrize("registry", [ATTACKS, SCENARIOS, ARCHITECTURES, DEFENSES, METRICS], ids=lambda r: r.kind)
def test_everything_is_called_in_documents_as_it_is_in_menus(registry):
    text = "".join(path.read_text() for path in documents(ROOT))
    for entry in registry:
        if entry.item.__module__.startswith("workbench.") and entry.key != "none":
            assert f"| {entry.title} `{entry.key}` |" in text


@each_document
def test_links_lead_somewhere(path):
    for link in re.findall(r"!?\[[^]]*\]\(([^)]+)\)", path.read_text()):
        name, _, heading = link.partition("#")
        if name.startswith("https:"):
            continue
        goal = (path.parent / name) if name else path
        assert goal.exists(), link
        if heading:
            headings = re.findall("^#+ (.*)$", goal.read_text(), re.M)
            assert heading in [h.lower().replace(" ", "-") for h in headings], link


def commands_in(text: str) -> list[list[str]]:
    """Return the arguments of every command of the workbench in a document, in code blocks and in sentences."""
    fenced = re.compile(r"^```\w*\n(.*?)^```$", re.M | re.S)
    blocks, inline = fenced.findall(text), re.findall(r"`([^`]+)`", fenced.sub("", text))
    lines = [line for block in blocks for line in block.splitlines()] + [" ".join(code.split()) for code in inline]
    found = []
    for line in lines:
        if match := re.match(r"(?:\S*python -m workbench|mi-workbench|\S*python (app\.py)) (.*)", line):
            found.append([*(["serve"] if match[1] else []), *shlex.split(match[2])])
    return found


@each_document
def test_commands_are_understood(path):
    for arguments in commands_in(path.read_text()):
        parser_of().parse_args(arguments)  # exits where it does not understand


def test_commands_are_found_in_documents():
    assert ["run", "--scenario", "faces", "--attack", "gmi"] in [line[:5] for line in commands_in(README)]
    assert commands_in("so `python app.py\n--port 8000` it") == [["serve", "--port", "8000"]]


def test_the_packages_of_the_architecture_are_those_of_the_structure():
    text = (ROOT / "docs" / "architecture.md").read_text()
    ranks = {package: int(rank) for rank, package in re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.M)}
    assert ranks == {package: rank for rank, layer in enumerate(LAYERS) for package in layer}


def test_the_version_is_told_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert str(citation["version"]) == workbench.__version__
    assert citation["license"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert f"## [{workbench.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture
def example(monkeypatch, tmp_path) -> Callable[[str, str], ModuleType]:
    """Return a function that imports the Python block of a document which holds a word; registries are put back."""
    for registry in (ATTACKS, DEFENSES, METRICS, SCENARIOS, ARCHITECTURES):
        registry.load()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.syspath_prepend(tmp_path)

    def imported(document: str, word: str) -> ModuleType:
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.S)
        name = f"example_{word.lower()}"
        (tmp_path / f"{name}.py").write_text(next(block for block in blocks if f" {word}" in block))
        importlib.invalidate_caches()
        monkeypatch.delitem(importlib.sys.modules, name, raising=False)
        return importlib.import_module(name)

    return imported


def context() -> AttackContext:
    model = load_classifier("digits", "cnn")
    return AttackContext(
        TargetView(model, Access.SCORES, num_classes=5, input_shape=model.shape),
        load_prior("digits", "gan"),
        torch.arange(5),
        torch.Generator().manual_seed(0),
        torch.device("cpu"),
        FixedControl(),
    )


def test_the_example_attack_works_and_raises_the_confidence(example):
    frames = list(example("docs/adding.md", "Climb").Climb(steps=40).run(context()))
    assert frames[0].queries == 0 and frames[-1].queries == 200
    assert frames[-1].payload.confidence.mean() > frames[1].payload.confidence.mean() + 0.1


def test_the_attack_of_ones_own_repository_works_and_is_found_by_its_entry_point(example):
    frames = list(example("CONTRIBUTING.md", "BestOf").BestOf(draws=30).run(context()))
    assert frames[0].queries == 0 and frames[-1].queries == 150
    assert frames[-1].payload.confidence.mean() > frames[1].payload.confidence.mean()
    assert knobs_of(ATTACKS["best-of"])["draws"].default == 50
    settings = re.search(r"```toml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)[1]
    project = tomllib.loads(settings)["project"]
    assert project["entry-points"] == {GROUP: {"best-of": "mi_best_of"}}
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    assert project["dependencies"] == [ours]


def test_the_example_defense_changes_what_is_released(example):
    example("docs/adding.md", "Power")
    model = load_classifier("digits", "cnn")
    images = torch.rand(4, *model.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain, released = model(images).softmax(1), DEFENSES["power"]().wrap(model)(images).softmax(1)
    expected = plain**2 / (plain**2).sum(1, keepdim=True)
    assert torch.allclose(released, expected, atol=2e-3) and not torch.allclose(released, plain, atol=2e-3)


def test_the_example_architecture_is_a_target(example):
    example("docs/adding.md", "tiny")
    assert Classifier("tiny", (1, 32, 32), 5)(torch.rand(2, 1, 32, 32)).shape == (2, 5)


def test_the_example_metric_gives_a_value_an_image(example):
    example("docs/adding.md", "brightness")

    class Two:
        images = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])

    assert METRICS["brightness"](Two()).tolist() == [0, 1]


def test_the_example_scenario_has_private_and_public_images(example):
    example("docs/adding.md", "Stripes")
    scenario = SCENARIOS["stripes"]()
    assert scenario.problem() is None and scenario.public_problem() is None
    train, heldout = scenario.private.train, scenario.private.heldout
    assert (len(train), len(heldout), scenario.num_classes) == (21, 9, 3)
    assert train.images.shape[1:] == scenario.public_here().shape[1:] == scenario.input_shape
