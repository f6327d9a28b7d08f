"""The knob that every attack on a split network has."""

from __future__ import annotations

from typing import Any

from workbench.core.knobs import knob


def layer_knob(default: str = "conv1") -> Any:
    """Declare the layer after which the network is cut."""
    return knob(
        default,
        help="The layer after which the network is cut: the client sends its output. Such as conv1, block2, embedding.",
    )
