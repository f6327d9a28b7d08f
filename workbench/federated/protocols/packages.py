"""Packages that a protocol needs and that are not everybody's."""

from __future__ import annotations

import importlib
from typing import Any

from workbench.core.errors import DataMissing


def package(name: str, protocol: str, module: str = "") -> Any:
    """Return a package's module, `name` itself if it is not said; raises `DataMissing` where it is not installed."""
    try:
        return importlib.import_module(module or name)
    except ImportError:
        raise DataMissing(
            f"{protocol} needs the package '{name}', which is not installed here. Run: pip install {name}"
        ) from None
