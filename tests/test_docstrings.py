"""Whoever is handed a tensor reads its shape: every public function that takes or gives one states it."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import pytest

from tests.test_structure import FILES, name_of
from workbench.core.paths import ROOT

# (N, C, H, W), (n,), (K·fakes, 3), (D, 3): a letter or number first, then names of sizes; or the word for no size at all.
SHAPE = re.compile(
    r"\((?:[A-Za-z]|\d+|\.\.\.|\w+[·*²]\w*²?)(?: [+-] \d)?,\s*(?:[\w·²^+\-*/. ()]{1,24},\s*)*(?:[\w·²^+\-*/. ()]{1,24})?\)|\bscalar\b"
)
HOLDERS = re.compile(r"\b(?:dict|Mapping|Callable)\[")
EXEMPT = {"forward"}  # of a module: its class may say it


def without_holders(annotation: str) -> str:
    """Return an annotation without what only holds tensors by name, or functions of them."""
    while match := HOLDERS.search(annotation):
        depth, end = 1, match.end()
        while depth:
            depth += {"[": 1, "]": -1}.get(annotation[end], 0)
            end += 1
        annotation = annotation[: match.start()] + annotation[end:]
    return annotation


def handles_tensors(function: Callable[..., Any]) -> bool:
    annotations = getattr(function, "__annotations__", {}).values()
    return any(re.search(r"\bTensor\b", without_holders(str(a))) for a in annotations)


def functions_of(member: object) -> Callable[..., Any] | None:
    """Return the function behind a member of a class."""
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    if isinstance(member, property):
        return member.fget
    if isinstance(member, cached_property):
        return member.func
    return member if inspect.isfunction(member) else None


def documented(cls: type, name: str) -> list[str]:
    """Return the docstrings of a method and of those it overrides; of the class where the method is exempt."""
    texts = [
        inspect.getdoc(function) or ""
        for base in cls.__mro__
        if base.__module__.startswith("workbench.") and (function := functions_of(vars(base).get(name))) is not None
    ]
    return [*texts, *([inspect.getdoc(cls) or ""] if name in EXEMPT else [])]


def public() -> Iterator[tuple[str, list[str]]]:
    """Yield every public function and method that handles tensors, with the docstrings that speak of it."""
    for module in (importlib.import_module(name_of(p)) for p in FILES if p.name != "__main__.py"):
        for name, member in vars(module).items():
            if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(member) and handles_tensors(member):
                yield f"{module.__name__}.{name}", [inspect.getdoc(member) or ""]
            elif inspect.isclass(member):
                for key, value in vars(member).items():
                    function = functions_of(value)
                    if not key.startswith("_") and function is not None and handles_tensors(function):
                        yield f"{module.__name__}.{name}.{key}", documented(member, key)


FUNCTIONS = dict(public())


def test_there_is_something_to_read():
    assert {"workbench.priors.base.Prior.decode", "workbench.targets.view.TargetView.logits"} <= set(FUNCTIONS)


def test_functions_of_tensors_state_their_shapes():
    silent = [name for name, texts in FUNCTIONS.items() if not any(SHAPE.search(text) for text in texts)]
    assert silent == [], "these do not say what shape their tensors have"


@pytest.mark.parametrize(
    "text", ["images (N, C, H, W) in [0, 1]", "classes (n,)", "(D, 3) columns", "(k·D,)", "a scalar", "(T + 1,) shares"]
)
def test_what_counts_as_a_shape(text):
    assert SHAPE.search(text)


@pytest.mark.parametrize("text", ["", "images (such as faces, digits)", "an image (or two)", "scalars"])
def test_what_does_not_count_as_a_shape(text):
    assert not SHAPE.search(text)


def test_no_two_modules_define_a_public_class_of_one_name():
    """A name that must be looked up to know which is meant is no name."""
    where: dict[str, list[str]] = {}
    for path in FILES:
        for name in re.findall(r"^class ([A-Za-z]\w*)", path.read_text(), re.M):
            where.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}
