"""What a run has to remember of the software it ran on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import workbench


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the libraries that decide results."""
    found = {"workbench": workbench.__version__, "python": platform.python_version(), "machine": platform.machine()}
    for package in ("torch", "torchvision", "numpy", "scikit-image"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
