"""Defenses of the literature that no model on its own can have, and why; so that nobody looks for them in vain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NotApplicable:
    key: str
    title: str
    paper: str
    reason: str


NOT_APPLICABLE = (
    NotApplicable(
        "hybridalpha",
        "HybridAlpha",
        "Xu et al., AISec 2019",
        "It encrypts what the participants of a federation send, so that the aggregator learns their sum alone. One "
        "trained model has no participants, and answers queries as before.",
    ),
    NotApplicable(
        "secureboost",
        "SecureBoost",
        "Cheng et al., IEEE Intelligent Systems 2021",
        "It encrypts the gradient sums that parties with different features of the same people exchange while they "
        "grow trees. One trained model has no parties, and the finished trees answer as before.",
    ),
)
