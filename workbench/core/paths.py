"""Where things live. Nothing here comes from a client; every path is the operator's."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets"


def models_dir() -> Path:
    """Shipped weights; `WORKBENCH_MODELS` names another folder."""
    return Path(os.environ.get("WORKBENCH_MODELS", ROOT / "models"))


def runs_dir() -> Path:
    """The run store; `WORKBENCH_RUNS` names another folder."""
    return Path(os.environ.get("WORKBENCH_RUNS", ROOT / "runs"))


def data_dir() -> Path:
    """Optional data that a user downloads; `WORKBENCH_DATA` names another folder."""
    return Path(os.environ.get("WORKBENCH_DATA", ROOT / "data"))


def cache_dir() -> Path:
    """What can be made again, such as distilled surrogates; `WORKBENCH_CACHE` names another folder."""
    return Path(os.environ.get("WORKBENCH_CACHE", runs_dir() / "cache"))
