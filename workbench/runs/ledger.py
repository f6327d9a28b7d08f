"""Where the state of a run or a training is filed."""

from __future__ import annotations

from typing import Any, Protocol

from workbench.core.records import RunState
from workbench.runs.run_folder import RunFolder


class Ledger(Protocol):
    """Where a run's state is filed; the store, or nothing but the run's own folder."""

    def update(self, run: str, state: RunState | None = None, **fields: Any) -> None: ...


class FolderLedger:
    """Files a run in its folder alone, for runs that live outside a store."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def update(self, run: str, state: RunState | None = None, **fields: Any) -> None:
        self.folder.update(**fields, **({"state": state.value} if state else {}))
