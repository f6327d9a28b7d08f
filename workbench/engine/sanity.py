"""The look at a target before the first step: how many of its own people it recognises as it is asked."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from torch import Tensor

from workbench.core.errors import DataMissing, WorkbenchError
from workbench.defenses.store import load_classifier, target_card
from workbench.scenarios import SCENARIOS, Scenario
from workbench.targets.brought import sanity
from workbench.targets.inputs import AS_THEY_ARE, NAMED, InputSpec
from workbench.targets.remote.onnx import OnnxFile
from workbench.targets.remote.sources import Source, is_foreign, open_target, source_of
from workbench.targets.sanity import Sanity, asked_about, sanity_of


def looked_at(scenario: str, target: str) -> Sanity | None:
    """Return what a target answers about the scenario's private photographs, None where those are not here.

    A service is asked as well, and counts what it is asked.

    Raises:
        UsageError, Incompatible, DataMissing, TargetAway, BadAnswer.
    """
    place = SCENARIOS[scenario]()
    if is_foreign(target):
        return _asked(place, target)
    card, model = target_card(scenario, target), load_classifier(scenario, target)
    if "brought" in card:
        return sanity(model, InputSpec.of(card["brought"]["input"]), place)

    def answer(images: Tensor, spec: InputSpec) -> Tensor:
        return model(images.float())

    return (
        None
        if place.problem()
        else sanity_of(answer, NAMED["quarter"], asked_about(place.private), place.num_classes, channels=0)
    )


def file_sanity(scenario: str, target: str) -> Sanity | None:
    """Return what an ONNX file answers about the scenario's private photographs; None for other targets elsewhere.

    Asking a file costs nobody anything; a service would be asked behind the back of whoever counts its queries. None as
    well where the private images are not here.

    Raises:
        UsageError, Incompatible, BadAnswer.
    """
    source = source_of(target)
    if source.kind != "onnx":
        return None
    return _measured(scenario, source, Path(source.address).stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _measured(scenario: str, source: Source, changed: int) -> Sanity | None:
    return _asked(SCENARIOS[scenario](), source.key)


def _asked(place: Scenario, target: str) -> Sanity | None:
    try:
        data = asked_about(place.private)
    except DataMissing:
        return None
    opened = open_target(target, place.input_shape, place.num_classes)
    if opened.offer.classes != place.num_classes:
        return None
    if isinstance(opened, OnnxFile):
        return sanity_of(opened.confidences_as, opened.spec, data, place.num_classes, channels=opened.channels)

    def answer(images: Tensor, spec: InputSpec) -> Tensor:
        return opened.confidences(images)

    return sanity_of(answer, AS_THEY_ARE, data, place.num_classes, channels=0)


def sanity_warning(scenario: str, target: str, defense: str = "none") -> str | None:
    """Return why this target is not what it is taken for, in a sentence or two; None where nothing speaks against it."""
    try:
        if not is_foreign(target):
            return target_card(scenario, target, defense).get("warning") or None
        found = file_sanity(scenario, target)
    except (WorkbenchError, OSError):  # what keeps it from being asked at all is said elsewhere
        return None
    return None if found is None else found.warning(target)
