"""The contract of a recogniser: a network that says which private class a picture shows, independent of the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from workbench.core.registry import Info, Registry
from workbench.scenarios import Scenario


@dataclass(frozen=True)
class Card:
    """Where a recogniser comes from; what judges must not share with the judged.

    Attributes:
        seen: what it has learned from, in a few words: ``"all private images"``.
        body: name of the network below its head, as architectures are called; "" where it has no such name.
        weights: sha256 of its weight file; "" where it has none.
    """

    seen: str
    body: str = ""
    weights: str = ""


class Recogniser(Protocol):
    """Judges pictures by the K private classes of one scenario; leaves no gradients and takes none.

    Attributes:
        threshold: the least score at which it names a class at all; below it, it says "none of these". None for a
            recogniser that always names one.
        least_detail: what `workbench.recognisers.detail` has to find in a picture for its "no" to mean one; with less it
            cannot tell. 0 where it is not known to need any.
        heldout: (n, K) its scores of the scenario's held-out images, kept from its calibration; None where it has to be asked.
    """

    @property
    def key(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def card(self) -> Card: ...

    @property
    def threshold(self) -> float | None: ...

    @property
    def least_detail(self) -> float: ...

    @property
    def heldout(self) -> Tensor | None:
        """Scores (n, K) of the held-out images, or None."""

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, F) on the CPU of images (N, C, H, W) in [0, 1]."""

    def scores(self, images: Tensor) -> Tensor:
        """Return how well each class fits, (N, K) on the CPU, higher is better, of images (N, C, H, W) in [0, 1].

        A confidence or a similarity: what the scale is, is the recogniser's own affair, and `threshold` is on it.
        """


@runtime_checkable
class KnowsPublicClasses(Protocol):
    """A recogniser that can also say which public class a picture shows."""

    def others(self, images: Tensor) -> list[str | None]:
        """Return the public class that each of images (N, C, H, W) in [0, 1] shows, None where it shows none."""


Opener = Callable[[Scenario, torch.device], Recogniser | None]
OpenerT = TypeVar("OpenerT", bound=Opener)

RECOGNISERS: Registry[Opener, Info] = Registry("recogniser", "workbench.recognisers")


def recogniser(key: str, *, title: str, order: int = 100) -> Callable[[OpenerT], OpenerT]:
    """Register a function that opens a recogniser for a scenario on a device.

    It returns None where it has nothing to say: its weights are not here, or it knows no such images. It may raise
    `WeightsCorrupt`.

    Args:
        order: its place in the panel.
    """

    def keep(function: OpenerT) -> OpenerT:
        RECOGNISERS.register(Info(key=key, title=title, order=order))(function)
        return function

    return keep
