"""The direction of imports, and what no module may do."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from workbench.core.paths import ROOT

FILES = sorted((ROOT / "workbench").rglob("*.py"))
LAYERS = [
    {"core"},
    {"scenarios"},
    {"targets", "priors"},
    {"federated"},
    {"attacks", "defenses", "recognisers", "runs"},
    {"metrics", "tabular"},
    {"engine", "reports"},
    {"trainings", "analysis", "grids", "study"},
    {"workers", "rebuild"},
    {"ui"},
    {"commands"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
OUTERMOST = {"__main__"}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str | None:
    """Return the second part of a dotted name in the workbench, None for the root or another package."""
    parts = module.split(".")
    return parts[1] if parts[0] == "workbench" and len(parts) > 1 else None


def imports(path: Path, *, top_level: bool = False) -> list[str]:
    """Return the dotted names that a file imports, `from a import b` as ``a.b``."""
    tree = tree_of(path)
    nodes = tree.body if top_level else ast.walk(tree)
    found: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found += [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Registry":
            found += [a.value for a in node.args[1:] if isinstance(a, ast.Constant)]  # packages it imports at run time
    return found


def import_problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with the direction of a file's imports, a sentence each."""
    here = package_of(name_of(path))
    if here is None or here in OUTERMOST:
        return
    if here not in RANK:
        yield f"{here} has no place in the layers; give it one in tests/test_structure.py"
        return
    for module in imports(path):
        there = package_of(module)
        if there is None or there == here or there.startswith("__"):
            continue
        if there not in RANK:
            yield f"{path} imports {module}, which nothing but the command line may"
        elif RANK[there] >= RANK[here]:
            yield f"{path} imports {module}: {here} may not import {there}"


def test_imports_point_one_way():
    assert [problem for path in FILES for problem in import_problems(path)] == []


def test_commands_start_without_the_interface():
    commands = [path for path in FILES if "commands" in path.parts]
    assert commands
    early = {path.name: imports(path, top_level=True) for path in commands}
    assert [(name, m) for name, modules in early.items() for m in modules if m.startswith("workbench.ui")] == []


def test_only_the_interface_imports_gradio():
    others = [path for path in FILES if package_of(name_of(path)) != "ui"]
    assert [path for path in others if "gradio" in {m.split(".")[0] for m in imports(path)}] == []


def test_only_commands_print():
    others = [path for path in FILES if package_of(name_of(path)) not in {"commands", *OUTERMOST}]
    printing = [
        f"{path}:{n.lineno}"
        for path in others
        for n in ast.walk(tree_of(path))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"
    ]
    assert printing == []


def test_every_module_says_what_it_is_for():
    assert [p for p in FILES if p.name != "__main__.py" and not ast.get_docstring(tree_of(p))] == []


def test_every_module_imports():
    problems = []
    for path in FILES:
        if path.name != "__main__.py":
            try:
                importlib.import_module(name_of(path))
            except Exception as error:
                problems.append(f"{path}: {type(error).__name__}: {error}")
    assert problems == []


@pytest.mark.parametrize("package", ["attacks", "defenses"])
def test_methods_do_not_import_each_other(package):
    """What two methods share has a module of its own; a module that registers one is nobody's library."""
    files = [p for p in FILES if p.parent.name == package]
    methods = {name_of(p) for p in files if f"\n@{package[:-1]}(" in p.read_text()}
    assert methods
    for path in files:
        for module in imports(path):
            assert not any(module == m or module.startswith(m + ".") for m in methods - {name_of(path)}), path


def puts_back(node: ast.AST) -> bool:
    """Return whether this is a block after which the global generator is as it was."""
    return isinstance(node, ast.With) and any("fork_rng" in ast.unparse(item.context_expr) for item in node.items)


def makes_trainer(node: ast.AST) -> bool:
    """Return whether this is a function that is registered as what trains a prior."""
    return isinstance(node, ast.FunctionDef) and any(ast.unparse(d).startswith("trainer(") for d in node.decorator_list)


def test_nothing_seeds_the_global_generator_outside_training():
    """What makes a trainer draws first weights from it, and so may who puts it back; else the training loops alone."""
    guilty = set()
    for path in FILES:
        nodes = list(ast.walk(tree_of(path)))
        allowed = {id(n) for f in nodes if puts_back(f) or makes_trainer(f) for n in ast.walk(f)}
        guilty |= {
            path.name
            for n in nodes
            if isinstance(n, ast.Attribute)
            and n.attr == "manual_seed"
            and isinstance(n.value, ast.Name)
            and n.value.id == "torch"
            and id(n) not in allowed
        }
    assert guilty <= {"training.py", "pretraining.py", "loop.py"}
