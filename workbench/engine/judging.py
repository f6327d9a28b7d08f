"""How the last frame of a run is judged, by what it shows: one function for each kind of payload.

A new payload is one more function here, or in a file of its own, registered with `judged`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import singledispatch
from typing import Any

import torch

from workbench.core.payloads import Images, Payload
from workbench.core.weights import has_weights, read_card, write_atomically
from workbench.engine.model_cache import ModelCache
from workbench.engine.resolve import Resolved
from workbench.metrics.base import EvalContext
from workbench.metrics.evaluator_rates import rates_of
from workbench.metrics.judge import Judgement, judge, panel_json, sets_json
from workbench.metrics.matched import matched
from workbench.metrics.panel_verdict import Answer, agreement_of
from workbench.recognisers import Panel
from workbench.runs.contact_sheet import compose, webp
from workbench.runs.picture_text import picture_text
from workbench.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Conclusion:
    """What judging may use of a run that has ended: what it was, its folder and models."""

    run: Resolved
    folder: RunFolder
    cache: ModelCache


@singledispatch
def judged(payload: Payload, ended: Conclusion) -> dict[str, Any]:
    """Judge a payload, write into the run's folder what a viewer shows of it, and return figures for the record.

    None for a payload that nothing here judges.
    """
    return {}


@judged.register
def _(payload: Images, ended: Conclusion) -> dict[str, Any]:
    """Judge images beside floor and ceiling; nothing where there is no evaluator.

    Where private images are not here, recognisers that have met them say whom they see, and there is no ceiling.
    """
    run, folder, cache = ended.run, ended.folder, ended.cache
    images = payload.images.cpu()
    batch = batch_figures(payload, ended) if run.info.on_updates else {}
    compose(images, run.layout).save(folder.path / "images.png", pnginfo=picture_text(folder.manifest()))
    context, ceiling = cache.jury(run.config.scenario), cache.ceiling(run.config.scenario)
    if context is None:
        return batch
    panel = context.panel.apart_from(run.target.body, run.target.weights)
    judgement, floor = (
        judge(images, run.labels, context, panel, photographs=True, truth=run.truth),
        floor_of(run, cache, context, panel),
    )
    folder.write_json(
        "judgement.json",
        {
            "reconstruction": judgement.to_json(),
            "baseline": floor.to_json() if floor else None,
            "ceiling": ceiling.to_json() if ceiling else None,
            "panel": panel_json(judgement, floor, ceiling),
            "left_out": [asdict(recogniser) for recogniser in panel.left_out],
        },
    )
    if context.has_photographs:
        nearest = context.private.train.images[judgement.nearest]
        write_atomically(folder.path / "nearest.webp", webp(nearest, run.layout))
    verdict = verdict_json(judgement, floor, ceiling, reach_of(run, judgement))
    if verdict is not None and ceiling is None:
        verdict["ceiling"] = kept_ceiling(panel)
    return batch | {
        "judged": judgement.n,
        "metrics": judgement.overall,
        "intervals": judgement.intervals,
        "baseline": floor.overall if floor else {},
        "ceiling": ceiling.overall if ceiling else {},
        "sets": sets_json(judgement, floor, ceiling),
        "accuracy": judgement.overall.get("acc@1"),
        "verdict": verdict,
    }


def kept_ceiling(panel: Panel) -> float | None:
    """Return the share of real photographs that each judge who can say no named when it was calibrated, the least of them."""
    able = [member for member in panel if member.threshold is not None]
    shares: list[float | None] = [getattr(member, "on_photographs", None) for member in able]
    known = [share for share in shares if share is not None]
    return min(known) if known and len(known) == len(shares) else None


def batch_figures(payload: Images, ended: Conclusion) -> dict[str, Any]:
    """Return how near each image of the participants' batch was found; {} without the private images."""
    truth = ended.cache.truth(ended.run.config.scenario, ended.run.labels.tolist())
    if truth is None:
        return {}
    kept = None if payload.kept is None else payload.kept.cpu()
    return {"matched": matched(payload.images.cpu(), truth, ended.run.config.restarts, kept)}


def verdict_json(
    found: Judgement, floor: Judgement | None, ceiling: Judgement | None, reach: float | None = None
) -> dict[str, Any] | None:
    """Return how many images the judges who can say no recognise, beside random samples and real photographs.

    None where every judge has to choose a class: its choice is an accuracy, and no verdict.

    Args:
        reach: share that they recognise of the closest that the prior can come, where that was measured.
    """
    agreed = agreement_of(found.panel)
    if agreed is None:
        return None
    beside = {name: agreement_of(j.panel) if j else None for name, j in (("baseline", floor), ("ceiling", ceiling))}
    shares = {name: None if said is None else round(said.share, 4) for name, said in beside.items()}
    return {
        "judges": agreed.judges,
        "recognised": agreed.count(Answer.RECOGNISED),
        "other": agreed.count(Answer.OTHER),
        "unclear": agreed.count(Answer.UNCLEAR),
        "n": len(agreed.answers),
        "evaluator": rates_of([c == 1 for c in found.per_image["acc@1"] or []], agreed).to_json(),
        **shares,
        "reach": reach,
    }


def reach_of(run: Resolved, found: Judgement) -> float | None:
    """Return the share of photographs that the judges recognise when the run's prior draws them as closely as it can.

    It stands on the prior's card, for each scenario and judge, where it was measured; the least of those who judge here is
    the most that all can agree on. None elsewhere and without a prior.
    """
    if run.prior_name is None or not has_weights(run.prior_name):
        return None
    judges = read_card(run.prior_name).get("ceiling", {}).get(run.config.scenario, {}).get("judges", {})
    shares = [judges[v.key]["recognised"] if v.key in judges else None for v in found.panel if v.threshold is not None]
    known = [share for share in shares if share is not None]
    return min(known) if known and len(known) == len(shares) else None


def floor_of(run: Resolved, cache: ModelCache, context: EvalContext, panel: Panel) -> Judgement | None:
    """Return the judgement of random prior samples, one for each candidate, drawn with the run's seed."""
    prior = cache.baseline_prior(run.config.scenario)
    if prior is None:
        return None
    rng = torch.Generator().manual_seed(run.config.seed)
    with torch.no_grad():
        return judge(prior.random_images(run.count, rng).cpu(), run.labels, context, panel, truth=run.truth)
