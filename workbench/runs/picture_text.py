"""What a picture of a run says of itself: its settings, as text that travels inside the PNG file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from PIL.PngImagePlugin import PngInfo

CHUNK = "workbench"  # keyword of the text


def picture_text(manifest: Mapping[str, Any]) -> PngInfo:
    """Return what to save a PNG with, so that `workbench.engine.restore` finds the run's settings in it."""
    info = PngInfo()
    info.add_text(CHUNK, json.dumps({name: manifest[name] for name in ("id", "config", "versions")}))
    return info
