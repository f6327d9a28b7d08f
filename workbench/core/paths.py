"""Where things live. Nothing here comes from a client; every path is the operator's.

In a checkout everything is beside the package: ``assets``, ``models``, ``runs``, ``data``. An installed copy carries its
assets and weights inside the package, where nothing may be written, and keeps what is made with it in the user's own
folders.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "mi-workbench"
PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parent  # from here ``python -m workbench`` finds this very copy
INSTALLED = (PACKAGE / "_assets").is_dir()  # setup.py puts them there
ASSETS = PACKAGE / "_assets" if INSTALLED else ROOT / "assets"


def user_folder(kind: str) -> Path:
    """Return this user's folder for the workbench's "data" or "cache", where the platform keeps such things."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / {"data": "Application Support", "cache": "Caches"}[kind] / NAME
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / NAME
        return local / "cache" if kind == "cache" else local
    base = os.environ.get(f"XDG_{kind.upper()}_HOME", "")  # one that is relative is to be ignored, says XDG
    return (Path(base) if os.path.isabs(base) else home / {"data": ".local/share", "cache": ".cache"}[kind]) / NAME


def _made_here(variable: str, name: str) -> Path:
    """Return the folder that an environment variable names, else the one of this copy."""
    return Path(os.environ.get(variable) or (user_folder("data") if INSTALLED else ROOT) / name)


def models_dir() -> Path:
    """Weights, and where new ones are written; `WORKBENCH_MODELS` names another folder."""
    return _made_here("WORKBENCH_MODELS", "models")


def shipped_models_dir() -> Path:
    """Weights that came with the workbench, read where `models_dir` has none of that name."""
    return PACKAGE / "_models" if INSTALLED and not os.environ.get("WORKBENCH_MODELS") else models_dir()


def runs_dir() -> Path:
    """The run store; `WORKBENCH_RUNS` names another folder."""
    return _made_here("WORKBENCH_RUNS", "runs")


def data_dir() -> Path:
    """Optional data that a user downloads; `WORKBENCH_DATA` names another folder."""
    return _made_here("WORKBENCH_DATA", "data")


def cache_dir() -> Path:
    """What can be made again, such as distilled surrogates; `WORKBENCH_CACHE` names another folder."""
    own = INSTALLED and not os.environ.get("WORKBENCH_RUNS")
    return Path(os.environ.get("WORKBENCH_CACHE") or (user_folder("cache") if own else runs_dir() / "cache"))
