"""Attack accuracy: does the evaluator recognise the class that a reconstruction was made for?"""

from __future__ import annotations

from torch import Tensor

from workbench.metrics.base import Judged, metric


def hits(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return 1.0 where the label is among the k largest of logits (N, K), else 0.0, (N,)."""
    return (logits.topk(k, 1).indices == labels[:, None]).any(1).float()


@metric(
    "acc@1",
    title="Attack accuracy (top 1)",
    unit="share",
    best="higher",
    order=1,
    compares="the evaluator's first choice with the class attacked",
    source="Zhang et al., CVPR 2020, section 4.3",
)
def top1(judged: Judged) -> Tensor:
    """Return 1 for each image, (N,), whose best class is its own, else 0."""
    return hits(judged.logits, judged.labels, 1)


@metric(
    "acc@5",
    title="Attack accuracy (top 5)",
    unit="share",
    best="higher",
    order=2,
    compares="the evaluator's first five choices with the class attacked",
    source="Zhang et al., CVPR 2020, section 4.3",
)
def top5(judged: Judged) -> Tensor | None:
    """Return 1 for each image, (N,), with its own class among the best five, else 0; None where there are no more than five."""
    # Among five classes or fewer every image is a hit, which would say nothing.
    return hits(judged.logits, judged.labels, 5) if judged.logits.shape[1] > 5 else None
