"""The direction of imports, and what no module may do."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from workbench.core.paths import ROOT

FILES = sorted((ROOT / "workbench").rglob("*.py"))
LAYERS = [
    {"core"},
    {"scenarios"},
    {"targets", "priors"},
    {"attacks", "defenses", "recognisers", "runs"},
    {"metrics"},
    {"engine", "reports"},
    {"trainings", "analysis", "grids", "study"},
    {"workers", "rebuild"},
    {"ui"},
    {"commands"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
OUTERMOST = {"__main__"}
each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str | None:
    """Return the second part of a dotted name in the workbench, None for the root or another package."""
    parts = module.split(".")
    return parts[1] if parts[0] == "workbench" and len(parts) > 1 else None


def imports(path: Path, *, top_level: bool = False) -> list[str]:
    """Return the dotted names that a file imports, `from a import b` as ``a.b``."""
    tree = ast.parse(path.read_text())
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


@each_file
def test_imports_point_one_way(path):
    here = package_of(name_of(path))
    if here is None or here in OUTERMOST:
        return
    assert here in RANK, f"{here} has no place in the layers; give it one in tests/test_structure.py"
    for module in imports(path):
        there = package_of(module)
        if there is None or there == here or there.startswith("__"):
            continue
        assert there in RANK, f"{path} imports {module}, which nothing but the command line may"
        assert RANK[there] < RANK[here], f"{path} imports {module}: {here} may not import {there}"


@pytest.mark.parametrize("path", [p for p in FILES if "commands" in p.parts], ids=lambda p: p.name)
def test_commands_start_without_the_interface(path):
    assert not [m for m in imports(path, top_level=True) if m.startswith("workbench.ui")]


@each_file
def test_only_the_interface_imports_gradio(path):
    if package_of(name_of(path)) != "ui":
        assert not [m for m in imports(path) if m.split(".")[0] == "gradio"]


@each_file
def test_only_commands_print(path):
    if package_of(name_of(path)) in {"commands", *OUTERMOST}:
        return
    printing = [
        n.lineno
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"
    ]
    assert not printing, f"{path} prints in lines {printing}"


@each_file
def test_every_module_says_what_it_is_for(path):
    assert path.name == "__main__.py" or ast.get_docstring(ast.parse(path.read_text()))


@each_file
def test_every_module_imports(path):
    if path.name != "__main__.py":
        importlib.import_module(name_of(path))


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
        nodes = list(ast.walk(ast.parse(path.read_text())))
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
