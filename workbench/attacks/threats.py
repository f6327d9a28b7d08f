"""Threat models of attacks on updates: what the attacker must know or may do, by letter.

Carletti et al., "SoK: Gradient Inversion Attacks in Federated Learning", USENIX Security 2025, letters A to H, in which each of
A to E knows what those before it know, and F to H may change the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.attacks.base import Attack, AttackInfo
from workbench.attacks.parts.on_updates import OnUpdates

LETTERS: Mapping[str, str] = {
    "A": "sees the update and the model",
    "B": "also knows what images are like: their range, and that they are smooth",
    "C": "also knows how the participant trains: steps, learning rate",
    "D": "also has images of the same kind, or a prior of them",
    "E": "also knows the batch statistics",
    "F": "may change the model that it sends",
    "G": "may change the model, and has images of the same kind",
    "H": "may change the model, and sends participants of its own",
}


@dataclass(frozen=True)
class Threat:
    """Attributes: letter: of `LETTERS`. sentences: what the switches mean for whoever reads the picture, the threat first."""

    letter: str
    sentences: tuple[str, ...]


def threat_of(info: AttackInfo, attack: Attack, batch: int) -> Threat:
    """Return the threat model that an attack on updates needs as its switches stand.

    Args:
        batch: images in the batch.
    """
    assert isinstance(attack, OnUpdates)
    letter, said = info.threat, []
    if attack.local_steps > 1 and letter < "C":
        letter = "C"
    if attack.labels == "known" and info.key != "dlg":
        said.append("Labels are given: an upper bound, not an attack.")
    if attack.mode == "train":
        said.append(
            "In train mode batch norms take the batch's statistics and dropout is unknown to the server: expect little from a "
            "network that has them."
        )
    if attack.local_steps > 1:
        said.append(f"{attack.local_steps} local steps blur what one gradient says; the attacker computes them again.")
    if attack.participants > 1 and info.key != "imprint":
        said.append("Under a secure sum the server sees one gradient of everybody's images, a larger batch.")
    if batch > 1 and info.key == "closed-form":
        said.append("Of more than one image a linear layer tells mixtures; a softmax regression mixes least.")
    if batch > 4 and info.key not in ("imprint", "closed-form"):
        said.append(f"A batch of {batch} is more than such a search separates.")
    return Threat(letter, (f"Threat {letter}: the attacker {LETTERS[letter]}.", *said))


@dataclass(frozen=True)
class Actor:
    """Somebody who may be curious, and what reaches him.

    Attributes:
        updates: sees what each participant sends.
        sum: sees the sum of what participants send.
        models: sees the global model of every round.
        answers: sees what the last global model answers.
        may_change: may send another model than was agreed on.
    """

    title: str
    text: str
    updates: bool = False
    sum: bool = False
    models: bool = False
    answers: bool = True
    may_change: bool = False


ACTORS: Mapping[str, Actor] = {
    "server": Actor(
        "Curious server", "Keeps to the protocol, and looks at every update.", updates=True, sum=True, models=True
    ),
    "secure": Actor(
        "Server under secure aggregation", "Keeps to the protocol, and learns nothing but sums.", sum=True, models=True
    ),
    "malicious": Actor(
        "Malicious server", "Sends models of its own making; sums are enough.", sum=True, models=True, may_change=True
    ),
    "participant": Actor(
        "Curious participant", "Gets every round's global model, as all participants do.", models=True
    ),
    "outsider": Actor("Outsider with the API", "Asks the finished model, and never saw it trained."),
}


def actor_problem(actor: str, info: AttackInfo, attack: Attack) -> str | None:
    """Return why this actor cannot carry out an attack on updates, in a sentence, or None."""
    who = ACTORS[actor]
    if not isinstance(attack, OnUpdates):
        return (
            None if who.models else f"{who.title}: asks the finished model alone. Choose a black-box attack in Invert."
        )
    if not who.sum:
        return f"{who.title}: no update reaches it, nor any sum of updates. Choose a model of a round instead."
    if info.threat >= "F" and not who.may_change:
        return f"{who.title}: keeps to the model that was agreed on, and {info.title} sends another."
    if attack.participants == 1 and not who.updates:
        return f"{who.title}: sees the sum of several participants. Let two or more share the batch."
    return None
