"""A network seen layer by layer: what an attack got out of each, from the newest run of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.attacks import ATTACKS
from workbench.core.errors import Incompatible, StoreError
from workbench.core.knobs import configure, values_of
from workbench.core.records import Recovers, RunConfig
from workbench.engine.compatibility import problems
from workbench.engine.presets import default_config
from workbench.engine.split import cuts_in, layer_of
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.targets.split import Cut

PICTURES = 5  # one of each of the first classes
SEARCHED = 400  # newest runs among which a layer's is looked for


def layered(scenario: str, attack: str, target: str, defense: str = "none") -> list[tuple[Cut, RunConfig]]:
    """Return every layer at which a target can be cut, with the run that inverts it.

    Raises:
        UnknownName, KnobError.
        Incompatible: it is no attack on a cut network, or cannot be run here; a sentence for each reason.
    """
    info, place = ATTACKS.entry(attack).info, SCENARIOS[scenario]()
    if info.recovers is not Recovers.PICTURE:
        raise Incompatible([f"{info.title} attacks a network that is not cut in two."])
    classes = list(range(min(PICTURES, place.num_classes)))
    cuts = cuts_in(place.input_shape, place.num_classes, target, defense)
    first = default_config(
        scenario, attack, target=target, defense=defense, classes=classes, knobs={"layer": cuts[0].name}
    )
    if wrong := problems(first):
        raise Incompatible(wrong)
    return [(cut, replace(first, knobs={**first.knobs, "layer": cut.name})) for cut in cuts]


def first_layer(attack: str) -> str:
    """Return the layer that an attack is tried on where nobody names one."""
    entry = ATTACKS.entry(attack)
    return layer_of(values_of(configure(entry.item, entry.info.presets["demo"])))


def newest_of(store: RunStore, layers: list[tuple[Cut, RunConfig]]) -> dict[str, RunFolder]:
    """Return the newest run of each layer, by the layer's name; none for one that never ran."""
    wanted = {cut.name: config for cut, config in layers}
    one, found = layers[0][1], dict[str, RunFolder]()
    for summary in store.list(SEARCHED, search=f"{one.attack} {one.scenario} {one.target}"):
        if (summary.attack, summary.scenario, summary.target) != (one.attack, one.scenario, one.target):
            continue
        try:
            folder = store.folder(summary.id)
            config = folder.config()
        except StoreError:
            continue
        name = layer_of(config.knobs)
        if name in wanted and name not in found and replace(config, device=wanted[name].device) == wanted[name]:
            found[name] = folder
    return found


def described(cut: Cut, folder: RunFolder | None) -> dict[str, Any]:
    """Return what a page shows of a layer: its shape, and of its newest run state, pictures and figures."""
    told: dict[str, Any] = {"name": cut.name, "shape": list(cut.shape), "run": None, "state": "missing"}
    if folder is None:
        return told
    manifest = folder.manifest()
    metrics, floor = manifest.get("metrics") or {}, manifest.get("baseline") or {}
    verdict = manifest.get("verdict")
    return told | {
        "run": folder.id,
        "state": manifest["state"],
        "reason": manifest.get("reason", ""),
        "frame": folder.latest(),
        "sheet": folder.scene().get("sheet") if folder.latest() is not None else None,
        "psnr": metrics.get("recovered_psnr"),
        "ssim": metrics.get("recovered_ssim"),
        "floor": floor.get("recovered_psnr"),
        "recognised": verdict["recognised"] if verdict else None,
        "judges": verdict["judges"] if verdict else [],
        "n": len(folder.config().classes),
        "queries": manifest.get("queries"),
        "accuracy": manifest.get("target_accuracy"),
    }
