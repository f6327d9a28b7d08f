"""Who is next: owners take turns, each in order of arrival, whatever the number of runs that one of them queues."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from workbench.workers.jobs import AttackJob, TrainingJob

REMEMBERED = 64  # turns that count when it is decided whose is next


@dataclass(eq=False)
class QueueEntry:
    """A place in the queue.

    Attributes:
        ahead: before all who take turns, for what takes the place of a run that was going.
    """

    job: AttackJob | TrainingJob
    owner: str
    ahead: bool = False

    @property
    def run(self) -> str:
        return self.job.id


@dataclass
class Turns:
    """What waits, and who was served."""

    waiting: list[QueueEntry] = field(default_factory=list)
    served: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def find(self, run: str) -> QueueEntry | None:
        return next((entry for entry in self.waiting if entry.run == run), None)

    def order(self, going: Iterable[str] = ()) -> list[QueueEntry]:
        """Return the queue as it will be served.

        Args:
            going: owners of what is going now, who were served last.
        """
        served = [*self.served, *going]
        order = [entry for entry in self.waiting if entry.ahead]
        rest = [entry for entry in self.waiting if not entry.ahead]
        served += [entry.owner for entry in order]
        while rest:
            # min keeps the first of equals, so arrival decides
            turn = min(rest, key=lambda entry: _last(served, entry.owner))
            rest.remove(turn)
            served.append(turn.owner)
            order.append(turn)
        return order


def _last(served: list[str], owner: str) -> int:
    """Return when an owner was served last, -1 for never."""
    return max((i for i, name in enumerate(served) if name == owner), default=-1)
