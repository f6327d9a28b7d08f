"""Weights in the making: kept apart until they are worth more than those in use.

A training that fails, or is stopped, must not cost the weights that were there before it.
"""

from __future__ import annotations

from workbench.core.weights import has_weights, read_card, weights_path

SAME = (
    "recipe",
    "seed",
    "data",
    "public_images",
    "quality",
    "target",
    "defense",
)  # what tells one training from another


def staged_name(name: str) -> str:
    """Return where the weights called `name` are kept while they are trained."""
    return f".checkpoints/staged/{name}"


def promote(name: str) -> bool:
    """Put the staged weights in the place of those called `name` if they are worth more; returns whether it did.

    They are if there were none, if they are finished, or if those in use are an earlier state of the same
    training.
    """
    staged = staged_name(name)
    if not has_weights(staged):
        return False
    new = read_card(staged)
    if has_weights(name) and not new.get("finished"):
        old = read_card(name)
        further = new.get("steps", 0) >= old.get("steps", 0)
        if old.get("finished", True) or not further or any(new.get(k) != old.get(k) for k in SAME):
            return False
    source, goal = weights_path(staged), weights_path(name)
    goal.parent.mkdir(parents=True, exist_ok=True)
    source.replace(goal)
    source.with_suffix(".json").replace(goal.with_suffix(".json"))
    return True


def discard(name: str) -> None:
    """Remove the staged weights of `name`, if there are any."""
    source = weights_path(staged_name(name))
    for path in (source, source.with_suffix(".json")):
        path.unlink(missing_ok=True)
