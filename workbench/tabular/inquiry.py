"""One attribute inference with everything in place, from its configuration to its figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from workbench.core.errors import UsageError
from workbench.core.knobs import configure
from workbench.core.records import Access, Frame, RunConfig
from workbench.tabular.attacks import INFERENCES, Inference, InferenceContext, InferenceInfo
from workbench.tabular.figures import disparity, figures_of
from workbench.tabular.payload import Posteriors
from workbench.tabular.protection import protection_of
from workbench.tabular.scenarios.base import OWN, TableScenario, complete, tables_dir
from workbench.tabular.scenarios.own import table_scenario_of
from workbench.tabular.table import Codes, Column, DataTable, marginals_of
from workbench.tabular.target import TableView, TrainedTarget
from workbench.tabular.training import facts, train

KEPT = 4  # targets that are not trained anew


@dataclass(frozen=True, eq=False)
class Inquiry:
    """A configuration with everything in place of its names; R records are attacked.

    Attributes:
        attacked: the R records, with the truth; whoever judges has them, and no attack.
        sensitive: the column that is inferred.
        unknown: other columns that the attacker does not know.
    """

    config: RunConfig
    scenario: TableScenario
    info: InferenceInfo
    attack: Inference
    target: TrainedTarget
    attacked: DataTable
    public: DataTable
    sensitive: str
    unknown: tuple[str, ...]

    @property
    def column(self) -> Column:
        return self.attacked.column(self.sensitive)

    @cached_property
    def truth(self) -> Codes:
        """The value that each record has, (R,)."""
        return self.attacked.of(self.sensitive).astype(np.int64)

    @property
    def watched(self) -> Codes:
        """The records whose frames are kept, (W,)."""
        return np.array([c for c in self.config.classes if c < len(self.attacked)], dtype=np.int64)

    def context(self, due: Callable[[int], bool] = lambda step: True, access: Access | None = None) -> InferenceContext:
        """Return what the attack is given.

        Args:
            access: what it may ask; what it declares if None.
        """
        name = self.scenario.response.name
        known, answers = self.attacked.without(name), self.attacked.of(name)
        data = known.data.copy()
        hidden = [known.index(n) for n in (self.sensitive, *self.unknown)]
        data[:, hidden] = np.nan
        granted = access or self.info.access or Access.LABEL
        budget = 0 if self.info.baseline else self.config.budget
        return InferenceContext(
            target=TableView(self.target, granted, budget),
            known=data,
            columns=known.columns,
            response=self.scenario.response,
            answers=answers,
            sensitive=hidden[0],
            unknown=tuple(hidden[1:]),
            marginals=marginals_of(self.public),
            public=self.public,
            watched=self.watched,
            rng=np.random.default_rng(self.config.seed),
            due=due,
        )

    def frames(self, due: Callable[[int], bool] = lambda step: True) -> Iterator[Frame]:
        """Yield the frames of the attack."""
        yield from self.attack.run(self.context(due))

    def judged(self, answers: Codes) -> dict[str, Any]:
        """Return the figures of the attack's answers (R,), beside those of every baseline, as plain data."""
        rows = [{"key": self.info.key, "title": self.info.title, **figures_of(self.truth, answers, self.column)}]
        rows += [
            {"key": entry.key, "title": entry.title, **figures_of(self.truth, self.baseline(entry.key), self.column)}
            for entry in INFERENCES
            if entry.info.baseline and entry.key != self.info.key
        ]
        groups = [
            disparity(self.truth, answers, self.attacked.of(name), self.attacked.column(name))
            for name in self.scenario.groups
            if name != self.sensitive
        ]
        return {"attacks": rows, "groups": groups, "target": facts(self.target, self.public)}

    def baseline(self, key: str) -> Codes:
        """Return what a baseline answers, (R,), of the same records."""
        whom = {name: getattr(self.attack, name) for name in ("records", "sensitive", "unknown")}
        return self.with_attack(key, whom).answers()

    def with_attack(self, key: str, knobs: dict[str, Any]) -> Inquiry:
        """Return the same inquiry by another attack."""
        entry = INFERENCES.entry(key)
        values = {f: getattr(self, f) for f in self.__dataclass_fields__}
        return Inquiry(**values | {"info": entry.info, "attack": configure(entry.item, knobs)})

    def answers(self) -> Codes:
        """Carry the attack out and return what it answers, (R,)."""
        frames = deque(self.frames(lambda step: False), maxlen=1)
        payload = frames[-1].payload
        assert isinstance(payload, Posteriors)
        return payload.shares.argmax(1).numpy()


@lru_cache(maxsize=KEPT)
def scenario_at(key: str, stamp: float) -> TableScenario:
    """Return a scenario; `stamp` is another whenever its file changed."""
    return table_scenario_of(key)


def scenario_now(key: str) -> TableScenario:
    """Return a scenario as its file is now; raises what `table_scenario_of` does."""
    files = list(tables_dir().glob(f"{key.removeprefix(OWN)}*"))
    return scenario_at(key, max((f.stat().st_mtime for f in files), default=0.0))


@lru_cache(maxsize=KEPT)
def _trained(scenario: TableScenario, sensitive: str, key: str, defense: str, seed: int) -> TrainedTarget:
    records = scenario.records
    private = complete(records.private, scenario.response.name)
    return train(
        private, scenario.response, key, protection_of(defense), seed, complete(records.public, scenario.response.name)
    )


def inquiry_of(config: RunConfig) -> Inquiry:
    """Return a configuration with everything in place; the target is trained.

    Raises:
        UnknownName, KnobError, UsageError, DataMissing, Incompatible.
    """
    scenario, entry = scenario_now(config.scenario), INFERENCES.entry(config.attack)
    attack = configure(entry.item, config.knobs)
    sensitive, unknown = chosen_columns(scenario, attack)
    target = _trained(scenario, sensitive, config.target, config.defense, 0)
    private = complete(scenario.records.private, sensitive, scenario.response.name)
    public = complete(scenario.records.public, scenario.response.name)
    return Inquiry(
        config=config,
        scenario=scenario,
        info=entry.info,
        attack=attack,
        target=target,
        attacked=private.rows(slice(0, attack.records)),
        public=public,
        sensitive=sensitive,
        unknown=unknown,
    )


def chosen_columns(scenario: TableScenario, attack: Inference) -> tuple[str, tuple[str, ...]]:
    """Return the column that is inferred and the others that are unknown; raises `UsageError` for ones that cannot be."""
    sensitive = scenario.column_of(attack.sensitive)
    table = scenario.records.private
    unknown = tuple(dict.fromkeys(filter(None, (name.strip() for name in attack.unknown.split(",")))))
    for name in unknown:
        table.index(name)
        if name in (sensitive, scenario.response.name):
            raise UsageError(
                f"'{name}' cannot be among the other unknown columns: it is the sensitive one or the response."
            )
    return sensitive, unknown
