"""What is written down of a frame, by what it shows: one function for each kind of payload.

A new payload is one more function here, or in a file of its own::

    @recorded.register
    def _(payload: Posteriors, plane: Plane | None) -> Recorded: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor

from workbench.core.payloads import Images, Payload
from workbench.priors.plane import Plane
from workbench.runs.contact_sheet import SheetLayout, jpeg


@dataclass(frozen=True)
class Recorded:
    """One frame of N candidates as it goes to disk, on the CPU.

    Attributes:
        tensors: what the frame's file holds, contiguous.
        confidence: (N,) in [0, 1], for the curves and the candidates' percentages; None where unknown.
        points: (N, ...) where the candidates stand in the space of the run's plane; None where they stand nowhere.
        sheet: draws the frame as a picture, JPEG; None where there is nothing to see.
    """

    tensors: dict[str, Tensor]
    confidence: Tensor | None = None
    points: Tensor | None = None
    sheet: Callable[[SheetLayout], bytes] | None = None


@singledispatch
def recorded(payload: Payload, plane: Plane | None) -> Recorded:
    """Return what is written down of a payload.

    Args:
        plane: on which latents are drawn; None where the run has none.

    Raises:
        TypeError: nothing is registered for this type.
    """
    raise TypeError(
        f"Nothing says how a {type(payload).__name__} is recorded. Register a function with "
        "workbench.runs.payloads.recorded."
    )


@singledispatch
def result_of(payload: Payload) -> dict[str, Tensor]:
    """Return what the result of a run holds beside the labels, on the CPU: by default all the last frame would."""
    return recorded(payload, None).tensors


@recorded.register
def _(payload: Images, plane: Plane | None) -> Recorded:
    images = payload.images.cpu()
    if payload.latents is not None:
        tensors = {"latents": payload.latents.cpu().contiguous()}
    else:
        tensors = {"images": (images.clamp(0, 1) * 255).round().to(torch.uint8)}
    confidence = None if payload.confidence is None else payload.confidence.cpu().float().contiguous()
    if confidence is not None:
        tensors["confidence"] = confidence
    if payload.cloud is not None and payload.cloud_of is not None and plane is not None:
        tensors |= {"cloud": plane.project(payload.cloud.cpu()).contiguous(), "cloud_of": payload.cloud_of.cpu()}
    return Recorded(tensors, confidence, tensors.get("latents", images), sheet=lambda layout: jpeg(images, layout))


@result_of.register
def _(payload: Images) -> dict[str, Tensor]:
    held = {"images": payload.images.cpu().contiguous()}
    if payload.latents is not None:
        held["latents"] = payload.latents.cpu().contiguous()
    return held
